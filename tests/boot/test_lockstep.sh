#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots with every block run by the interpreter too and compared: at least 99.9 % of them, and no
# difference. Without arguments the beginning of a boot of Debian's cloud kernel; with LONG, or those
# named as arguments, whole boots to a power-off of Debian's kernels, and of its installers to their
# first question, two at a time.
[ $# -gt 0 ] || [ -z "$LONG" ] || set -- installer-amd64 kernel-amd64 kernel-686-pae kernel-686 kernel installer-i386
[ $# -gt 0 ] || set -- beginning
. tests/boot/boot.sh
limit=7200 # seconds, of a host that may be busy

# guest NAME: sets `options`; status 77: it cannot be fetched.
guest() {
    local name=$1 file
    options=(-m 256 -append 'console=ttyS0 calque.run="echo sum 42"')
    case $name in
    beginning) name=kernel options+=(--until "Memory: ") ;;
    kernel-686) options+=(-cpu pentium3) ;;
    installer-*)
        file=$(tests/fetch "$name") || return 77
        options=(-m 1G -kernel "$file/linux" -initrd "$file/initrd.gz" -append console=ttyS0 --until 'Select a language')
        return ;;
    esac
    file=$(tests/fetch "$name") && tests/mkinitrd -k "$name" -o "$scratch/initrd-$1" || return 77
    options+=(-kernel "$file" -initrd "$scratch/initrd-$1")
}

# boot NAME: its output and status go to files.
boot() {
    local share status=77
    if guest "$1"; then
        timeout -k 5 "$limit" "$CALQUE" "${options[@]}" -nographic -no-reboot -icount shift=2 \
            -accel jit,threshold=2,lockstep=on </dev/null
        status=$?
        share=$(sed -n 's/^.*lockstep, processor 0: .* compared (\([0-9]*\.[0-9]\)[0-9]* %), no difference$/\1/p' "$scratch/$1.out")
        echo "status $status, $share % compared"
        [ $status != 0 ] || [ "$share" = 99.9 ] || [ "$share" = 100.0 ] || status=1
    fi >"$scratch/$1.out" 2>&1
    echo "$status" >"$scratch/$1.status"
}

for name in "$@"; do
    while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n; done
    if [ "$(uname -m)" = x86_64 ] && [ -z "$RUNNER" ]; then
        boot "$name" &
    fi
done
wait

for name in "$@"; do
    case $(cat "$scratch/$name.status" 2>/dev/null) in
    "") skip "$name in lockstep" "no translator for this host" ;;
    77) skip "$name in lockstep" "the guest cannot be fetched" ;;
    0)
        sed -n 's/^.*\(lockstep, processor\)/# \1/p' "$scratch/$name.out"
        report 0 "$name in lockstep" ;;
    *) report 1 "$name in lockstep" "$scratch/$name.out" ;;
    esac
done
finish
