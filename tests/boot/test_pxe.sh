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
    local out=$scratch/$1
    shift
    timeout -k 5 100 "$CALQUE" -m 256 -nographic -vga none -no-reboot "$@" >"$out" 2>&1 </dev/null
}
boot_net n -boot n -nic "$user"
all_of "$scratch/n" 'script for 52:54:00:12:34:56' 'booted by PXE'
report $? "${names[0]}" "$scratch/n"
boot_net first -drive "if=none,id=d,format=raw,file=$scratch/disk" -device ide-hd,drive=d,bootindex=2 \
    -netdev "$user,id=n0" -device e1000,netdev=n0,bootindex=1
all_of "$scratch/first" 'booted by PXE' && ! grep -q -a 'from the disk' "$scratch/first"
report $? "${names[1]}" "$scratch/first"
boot_net second -drive "if=none,id=d,format=raw,file=$scratch/disk" -device ide-hd,drive=d,bootindex=1 \
    -netdev "$user,id=n0" -device e1000,netdev=n0,bootindex=2
all_of "$scratch/second" 'from the disk' 'booted by PXE'
report $? "${names[2]}" "$scratch/second"
"$BUILD/tests/tools/pty" "$CALQUE" -m 256 -nographic -vga none -boot n -drive "format=raw,file=$scratch/disk" \
    -netdev "$user,id=n0" -device e1000,netdev=n0,romfile= >"$scratch/none" < <(printf '%s\n' 'want 30 No bootable device' 'send \x01x' 'status 0 10')
status=$?
[ $status = 0 ] && ! grep -q -a 'iPXE' "$scratch/none"
report $? "${names[3]}" "$scratch/none"
i=4 # of names
for card in "${cards[@]}"; do
    boot_net "${card%% *}" -netdev "$user,id=n0" -device "${card%% *},netdev=n0,romfile=$roms/pxe-${card#* }.rom,mac=52:54:00:00:00:05"
    all_of "$scratch/${card%% *}" 'script for 52:54:00:00:00:05' 'booted by PXE'
    report $? "${names[i++]}" "$scratch/${card%% *}"
done
finish
