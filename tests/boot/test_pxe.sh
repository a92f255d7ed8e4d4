#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The network is booted from: iPXE's expansion ROMs of Debian's ipxe-qemu under our BIOS, which get a
# script, a kernel and its files by TFTP.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
cards=("e1000 e1000" "e1000-82545em e1000" "rtl8139 rtl8139" "ne2k_pci ne2k_pci" "virtio-net-pci virtio")
names=("-boot n, without a word about ROMs" "a place in the boot order, before a disk" "a disk is before it" "romfile=: none")
for card in "${cards[@]}"; do
    names+=("romfile= of ${card%% *}")
done
roms=/usr/lib/ipxe/qemu
if ! [ -r $roms/efi-e1000.rom ]; then
    for name in "${names[@]}"; do
        skip "$name" "ipxe-qemu is not installed"
    done
    finish
fi
need_guest
mkdir "$scratch/tftp"
cp "$kernel" "$scratch/tftp/vmlinuz"
cp "$scratch/initrd" "$scratch/tftp/initrd"
chmod 644 "$scratch"/tftp/*
cat >"$scratch/tftp/boot.ipxe" <<'SCRIPT'
#!ipxe
echo script for ${net0/mac}
kernel tftp://10.0.2.2/vmlinuz console=ttyS0 quiet no_timer_check calque.run="echo booted by PXE"
initrd tftp://10.0.2.2/initrd
boot
SCRIPT
# A disk that says so and goes on to the next device (INT 18h).
printf '\xbe\x12\x7c\xac\x84\xc0\x74\x08\xb4\x0e\xcd\x10\xeb\xf5\x90\x90\xcd\x18from the disk\r\n\0' >"$scratch/disk"
truncate -s 1M "$scratch/disk"
printf '\x55\xaa' | dd of="$scratch/disk" bs=1 seek=510 conv=notrunc status=none
user=user,tftp=$scratch/tftp,bootfile=/boot.ipxe

# boot_net OUTPUT ARGUMENT...
boot_net() {
    local out=$1
    shift
    timeout -k 5 100 "$CALQUE" -m 256 -nographic -vga none -no-reboot "$@" >"$out" 2>&1 </dev/null
}
first_of_all() {
    boot_net "$1" -boot n -nic "$user"
    all_of "$1" 'script for 52:54:00:12:34:56' 'booted by PXE'
}
# ordered DISK'S NIC'S: places in the boot order.
ordered() {
    boot_net "$1" -drive "if=none,id=d,format=raw,file=$scratch/disk,readonly=on" -device "ide-hd,drive=d,bootindex=$2" \
        -netdev "$user,id=n0" -device "e1000,netdev=n0,bootindex=$3"
}
before_disk() {
    ordered "$1" 2 1
    all_of "$1" 'booted by PXE' && ! grep -q -a 'from the disk' "$1"
}
after_disk() {
    ordered "$1" 1 2
    all_of "$1" 'from the disk' 'booted by PXE'
}
without() {
    "$BUILD/tests/tools/pty" "$CALQUE" -m 256 -nographic -vga none -boot n -drive "format=raw,file=$scratch/disk,readonly=on" \
        -netdev "$user,id=n0" -device e1000,netdev=n0,romfile= >"$1" < <(printf '%s\n' 'want 30 No bootable device' 'send \x01x' 'status 0 10') &&
        ! grep -q -a 'iPXE' "$1"
}
# by_card OUTPUT MODEL ROM
by_card() {
    boot_net "$1" -netdev "$user,id=n0" -device "$2,netdev=n0,romfile=$roms/pxe-$3.rom,mac=52:54:00:00:00:05"
    all_of "$1" 'script for 52:54:00:00:00:05' 'booted by PXE'
}
tests=(first_of_all before_disk after_disk without)
for ((i = 0; i < ${#tests[@]}; i++)); do
    start "${names[i]}" "$scratch/${tests[i]}" "${tests[i]}" "$scratch/${tests[i]}"
done
for card in "${cards[@]}"; do
    # shellcheck disable=SC2086 # they are words
    start "${names[i++]}" "$scratch/${card%% *}" by_card "$scratch/${card%% *}" $card
done
reports
finish
