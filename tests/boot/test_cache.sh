#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel with the smallest code cache, which is emptied all the time: with everything
# translated, and with one processor more.
n=0 failed=0
names=("a kernel boots in a cache of 1 MiB" "a kernel boots two CPUs in a cache of 1 MiB")
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
why=
[ "$(uname -m)" = x86_64 ] && [ ! "$RUNNER" ] || why="no translator for this host"
if [ ! "$why" ] && ! { kernel=$(tests/fetch kernel) && tests/mkinitrd -o "$scratch/initrd"; } >"$scratch/why" 2>&1; then
    cat "$scratch/why"
    why="the guest cannot be fetched"
fi
[ "$why" ] || kernel=$(tests/fetch kernel)

# boot NAME OPTIONS...
boot() {
    local name=$1
    shift
    n=$((n + 1))
    if [ "$why" ]; then
        echo "ok $n - $name # SKIP $why"
        return
    fi
    timeout -k 5 300 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot -m 256 \
        -append "console=ttyS0 calque.run=\"echo sum \$((40 + 2))\"" "$@" >"$scratch/out" 2>&1 </dev/null
    # Nor is anything handed back to the interpreter.
    if [ $? = 0 ] && grep -q "^sum 42" "$scratch/out" && ! grep "^calque: \|BUG\|Oops\|Call Trace" "$scratch/out"; then
        echo "ok $n - $name"
    else
        failed=1
        tail -n 40 "$scratch/out"
        echo "not ok $n - $name"
    fi
}

boot "${names[0]}" -accel jit,threshold=1,cache-size=1
boot "${names[1]}" -accel jit,cache-size=1 -smp 2
echo "1..$n"
exit $failed
