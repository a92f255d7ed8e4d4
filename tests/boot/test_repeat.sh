#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# With -icount a boot repeats to the bit: the digests of the machine at every million instructions are
# those of the interpreter, whatever is translated and when. A boot of Debian's cloud kernel; with
# LONG at every setting, or at those named as arguments.
if [ $# -eq 0 ]; then
    set -- jit,threshold=1
    [ -z "$LONG" ] || set -- interp jit jit,tier={0,1} jit,threshold=16 jit,{links,jumpcache,calls,join}=off jit,cache-size=1
fi
. tests/boot/boot.sh
names=("${@/#/digests: }")
if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ]; then
    for name in "${names[@]}"; do skip "$name" "no translator for this host"; done
    finish
fi
# shellcheck disable=SC2119 # its arguments are files for the guest
need_guest

# digests SETTING FILE: of a whole boot.
digests() {
    timeout -k 5 3000 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot -m 256 -icount shift=2 \
        -append "console=ttyS0 calque.run=\"echo sum 42\"" -accel "$1" -d digest -D "$2" >"$scratch/out" 2>&1 </dev/null
}

digests interp "$scratch/interp" && [ "$(grep -c ^digest "$scratch/interp")" -gt 1000 ]
ok=$?
for setting in "$@"; do
    [ $ok = 0 ] && digests "$setting" "$scratch/other" && cmp "$scratch/interp" "$scratch/other" >"$scratch/why"
    report $? "digests: $setting" "$scratch/out" "$scratch/why"
done
finish
