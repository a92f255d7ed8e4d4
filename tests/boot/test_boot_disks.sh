#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Firmware that others wrote starts what is on disks: SeaBIOS, ISOLINUX and Linux from an image that
# is a CD and a disk, at each controller; OVMF from flash, which keeps its variables.
. tests/tap.sh

# outcome STATUS NAME: 77 stands for what is not to be had here.
outcome() {
    if [ "$1" = 77 ]; then
        skip "$2" "the guest cannot be fetched or xorriso is missing"
    else
        report "$1" "$2" "$scratch/out"
    fi
}

make_image() {
    local kernel initrd isolinux modules dir=$scratch/tree
    kernel=$(tests/fetch kernel) && initrd=$(tests/mkinitrd -o "$scratch/initrd") &&
        isolinux=$(tests/fetch isolinux) && modules=$(tests/fetch syslinux-modules) || return 77
    mkdir "$dir"
    cp "$kernel" "$dir/vmlinuz"
    cp "$initrd" "$dir/initrd"
    cp "$isolinux/isolinux.bin" "$modules/ldlinux.c32" "$dir"
    cat >"$dir/isolinux.cfg" <<'CONFIG'
serial 0 115200
say ISOLINUX reads its configuration
default linux
label linux
kernel /vmlinuz
append initrd=/initrd console=ttyS0 calque.run="echo started from a disk"
CONFIG
    xorriso -as mkisofs -quiet -o "$scratch/image" -isohybrid-mbr "$isolinux/isohdpfx.bin" -b isolinux.bin \
        -c boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table "$dir" 2>/dev/null || return 77
}

# start OPTION...
start() {
    timeout -k 5 200 "$CALQUE" -accel jit -m 256 -nographic -no-reboot "$@" </dev/null >"$scratch/out" 2>&1
}

# boots NAME OPTION...: from SeaBIOS to Linux's end.
boots() {
    local name=$1 status=$made
    shift
    if [ $made = 0 ]; then
        start -bios "$seabios/bios-256k.bin" "$@" && grep -q 'ISOLINUX reads' "$scratch/out" &&
            grep -q '^started from a disk' "$scratch/out" && grep -q 'Power down' "$scratch/out"
        status=$?
    fi
    outcome $status "SeaBIOS, ISOLINUX and Linux from $name"
}

make_image
made=$?
seabios=$(tests/fetch seabios) || made=77
image=$scratch/image
boots "a CD" -cdrom "$image"
boots "an IDE disk" -drive file="$image",format=raw
boots "a virtio disk" -drive file="$image",format=raw,if=virtio
boots "a SATA disk" -device ahci,id=ahci0 -drive file="$image",format=raw,if=none,id=d \
    -device ide-hd,drive=d,bus=ahci0.0
boots "a SATA CD" -device ahci,id=ahci0 -drive file="$image",media=cdrom,if=none,id=d \
    -device ide-cd,drive=d,bus=ahci0.1

# OVMF tries disks in the order of bootindex=, whatever they hang on.
order() {
    local ovmf index
    ovmf=$(tests/fetch ovmf) && ovmf=$(dirname "$ovmf")/OVMF || return 77
    for name in ide virtio ahci; do truncate -s 1M "$scratch/$name"; done
    for index in "1 2 3 Pci(0x1,0x1) Pci(0x3,0x0) Pci(0x2,0x0)" "3 1 2 Pci(0x3,0x0) Pci(0x2,0x0) Pci(0x1,0x1)"; do
        # shellcheck disable=SC2086
        set -- $index
        cp "$ovmf/OVMF_VARS_4M.fd" "$scratch/vars"
        start -drive if=pflash,unit=0,format=raw,readonly=on,file="$ovmf/OVMF_CODE_4M.fd" \
            -drive if=pflash,unit=1,format=raw,file="$scratch/vars" --until 'BdsDxe: starting' --timeout 180 \
            -drive if=none,id=i,format=raw,file="$scratch/ide" -device ide-hd,drive=i,bootindex="$1" \
            -drive if=virtio,format=raw,file="$scratch/virtio",bootindex="$2" -device ahci,id=ahci0 \
            -drive if=none,id=a,format=raw,file="$scratch/ahci" -device ide-hd,drive=a,bus=ahci0.0,bootindex="$3" || return 1
        [ "$(grep -a -o 'failed to load.*' "$scratch/out" | grep -o 'Pci(0x[1-3],0x[01])' | xargs)" = "$4 $5 $6" ] || return 1
    done
}
order
outcome $? "OVMF's order of disks is that of bootindex="

# The first start writes its boot options into an empty store; the second finds them there.
flash() {
    local ovmf
    ovmf=$(tests/fetch ovmf) && ovmf=$(dirname "$ovmf")/OVMF || return 77
    cp "$ovmf/OVMF_VARS_4M.fd" "$scratch/vars"
    local options=(-drive if=pflash,unit=0,format=raw,readonly=on,file="$ovmf/OVMF_CODE_4M.fd"
        -drive if=pflash,unit=1,format=raw,file="$scratch/vars" --until 'Shell>' --timeout 180)
    start "${options[@]}" || return 1
    cp "$scratch/vars" "$scratch/first"
    ! cmp -s "$scratch/vars" "$ovmf/OVMF_VARS_4M.fd" || return 1
    tr -d '\0' <"$scratch/vars" | grep -q -a 'BootOrder' || return 1
    start "${options[@]}"
}
flash
outcome $? "OVMF from flash, which keeps its variables"
finish
