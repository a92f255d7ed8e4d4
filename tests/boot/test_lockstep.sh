#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The beginning of a boot of Debian's cloud kernel in lockstep; with LONG all of it.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
name="a kernel boots in lockstep"
if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ]; then
    echo "ok 1 - $name # SKIP no translator for this host"
    exit 0
fi
if ! kernel=$(tests/fetch kernel 2>"$scratch/why") || ! tests/mkinitrd -o "$scratch/initrd" >"$scratch/why" 2>&1; then
    cat "$scratch/why"
    echo "ok 1 - $name # SKIP the guest cannot be fetched"
    exit 0
fi
end=(--until "Memory: ")
[ -z "$LONG" ] || end=(-no-reboot)
timeout -k 5 3000 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -m 256 -icount shift=2 \
    -append "console=ttyS0 calque.run=\"echo sum 42\"" -accel jit,threshold=1,lockstep=on "${end[@]}" \
    >"$scratch/out" 2>&1 </dev/null
status=$?
# At least 99.9 % compared, and no difference.
share=$(sed -n 's/^.*lockstep, processor 0: .* compared (\([0-9]*\.[0-9]\)[0-9]* %), no difference$/\1/p' "$scratch/out")
if [ $status = 0 ] && { [ "$share" = 99.9 ] || [ "$share" = 100.0 ]; }; then
    echo "ok 1 - $name"
else
    tail -n 80 "$scratch/out"
    echo "not ok 1 - $name (status $status, $share % compared)"
    exit 1
fi
