#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The beginning of a boot of Debian's cloud kernel in lockstep; with LONG all of it.
. tests/boot/boot.sh
names=("a kernel boots in lockstep")
if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ]; then
    skip "${names[0]}" "no translator for this host"
    finish
fi
need_guest
end=(--until "Memory: ")
[ -z "$LONG" ] || end=(-no-reboot)
timeout -k 5 3000 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -m 256 -icount shift=2 \
    -append "console=ttyS0 calque.run=\"echo sum 42\"" -accel jit,threshold=1,lockstep=on "${end[@]}" \
    >"$scratch/out" 2>&1 </dev/null
status=$?
# At least 99.9 % compared, and no difference.
share=$(sed -n 's/^.*lockstep, processor 0: .* compared (\([0-9]*\.[0-9]\)[0-9]* %), no difference$/\1/p' "$scratch/out")
echo "status $status, $share % compared" >>"$scratch/out"
[ $status = 0 ] && { [ "$share" = 99.9 ] || [ "$share" = 100.0 ]; }
report $? "${names[0]}" "$scratch/out"
finish
