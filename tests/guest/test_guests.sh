#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every bare-metal program on the interpreter, as TAP.
here=$(dirname "$0")
n=0 bad=0
[ -z "$RUNNER" ] || export TIMEOUT="${TIMEOUT:-300}" # an emulated host takes its time
for image in "$BUILD"/guest/*.elf; do
    name=$(basename "$image" .elf)
    n=$((n + 1))
    case $name in
    timers-*) set -- -icount shift=5 ;; # clocks against each other: not on a busy host's time
    smp-*) set -- -smp 4 ;;
    approx-*)
        if ! grep -q 'CONFIG_MPFR 1' "$BUILD/config.h"; then
            echo "ok $n - $name # SKIP built without MPFR"
            continue
        fi
        set -- -cpu max,fpapprox=soft ;;
    *) set -- ;;
    esac
    if out=$("$here/run" "$name" "$@"); then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        bad=1
    fi
    printf '%s\n' "$out" | sed 's/^/# /'
done
exit $bad
