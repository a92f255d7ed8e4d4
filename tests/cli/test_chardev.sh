#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A socket or file that cannot be used is named; nothing is left behind by a run that fails.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$CALQUE" -serial "unix:$scratch/s,server,nowait" -kernel "$scratch/none" >/dev/null 2>&1 </dev/null
[ -z "$(ls "$scratch")" ] && echo "ok 1 - no socket is left behind" || echo "not ok 1 - no socket is left behind"
echo 1..1
