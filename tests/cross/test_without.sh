#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Without any optional library: what knows of them compiles, without a warning.
. tests/tap.sh
env -u BUILD -u CALQUE -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make JOBS=1 test-without >"$scratch/out" 2>&1
report $? "sources without optional libraries" "$scratch/out"
finish
