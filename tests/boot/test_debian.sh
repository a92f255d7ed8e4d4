#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A disk of Debian, made with debootstrap, on our BIOS: to its login prompt from each controller, also
# behind PCI bridges, there with SeaBIOS too; a person logs in, what was written is there after a reboot. AHCI: Linux reports NCQ with depth 32 and
# has several commands outstanding. Two guests at a time; arguments name some.
[ $# -gt 0 ] || set -- ide ahci virtio bridge bridge-seabios
. tests/boot/boot.sh
limit=400 # seconds, of a host that may be busy

# session NAME DISK-IN-THE-GUEST OPTION...
session() {
    local name=$1 disk=$2 more=
    shift 2
    if [ "$name" = ahci ]; then
        more="send dmesg | grep -o 'NCQ (depth [0-9]*)'\\r
want 60 NCQ (depth 32)
send n=\$(./outstanding sda); echo \$n; [ \${n#* } -gt 1 ] && echo several at on''ce\\r
want 200 several at once"
    fi
    "$BUILD/tests/tools/pty" "$CALQUE" -m 512 -nographic -snapshot --timeout 1000 "$@" <<STEPS
want $limit debian login:
send root\\r
want 60 Password:
send calque\\r
want 60 debian:~#
$more
send df / | grep -o /dev/$disk; systemctl is-system-running --wait; echo written by \$((6 * 7)) >kept; sync; reboot\\r
want 60 /dev/$disk
want $limit Linux version
want $limit debian login:
send root\\r
want 60 Password:
send calque\\r
want 60 debian:~#
send cat kept; echo complaints \$(dmesg | grep -c -E 'I/O error|xception|frozen|BUG:|WARNING:|Call Trace|EXT4-fs error|lockup')\\r
want 60 written by 42
want 60 complaints 0
send poweroff\\r
status 0 200
STEPS
}

# A bridge behind a bridge.
bridges=(-device "pci-bridge,id=outer,chassis_nr=1,addr=1d" -device "pci-bridge,id=inner,chassis_nr=2,bus=outer,addr=5")

run() {
    local seabios
    case $1 in
    ide) session ide sda1 -hda "$image" ;;
    ahci) session ahci sda1 -device ahci,id=ahci0 -drive "file=$image,format=raw,if=none,id=d" \
        -device ide-hd,drive=d,bus=ahci0.0 ;;
    virtio) session virtio vda1 -drive "file=$image,format=raw,if=virtio" ;;
    bridge) session bridge vda1 "${bridges[@]}" -drive "file=$image,format=raw,if=none,id=d" \
        -device virtio-blk-pci,drive=d,bus=inner ;;
    bridge-seabios)
        seabios=$(tests/fetch seabios) && session bridge sda1 -bios "$seabios/bios-256k.bin" "${bridges[@]}" \
            -device ahci,id=sata,bus=inner,addr=2 -drive "file=$image,format=raw,if=none,id=d" \
            -device ide-hd,drive=d,bus=sata.3 ;;
    esac >"$scratch/$1.out" 2>&1
    echo $? >"$scratch/$1.status"
}

image=$(tests/mkdebian disk 2>"$scratch/why")
case $? in
0) ;;
77)
    for name in "$@"; do skip "Debian from $name" "$(tail -n 1 "$scratch/why")"; done
    finish ;;
*)
    report 1 "the disk is made" "$scratch/why"
    finish ;;
esac
for name in "$@"; do
    while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n; done
    run "$name" &
done
wait
for name in "$@"; do
    report "$(cat "$scratch/$name.status")" "Debian from $name, and again after a reboot" "$scratch/$name.out"
done
finish
