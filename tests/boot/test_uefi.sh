#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# OVMF in flash starts GRUB from the EFI system partition of a GPT disk, and GRUB Debian's kernel from
# there. Linux leaves a variable in the flash; the next start finds it: by bootindex=, with the disk at
# another controller, behind two PCI bridges.
. tests/boot/boot.sh
names=("GRUB and Linux from an EFI system partition" "a variable is kept, from behind bridges")
limit=300 # seconds, of a host that may be busy

# What Linux does: efivarfs wants attributes (non-volatile, at boot and at run time) and value at once.
cat >"$scratch/variable" <<'GUEST'
#!/bin/sh
insmod /efivarfs.ko
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
cd /sys/firmware/efi/efivars || exit
name=Calque-ca19e000-0000-4000-8000-000000000002
if [ -e $name ]; then
    echo "the variable is there: $(tail -c +5 $name)"
else
    printf '\007\000\000\000forty-two' >$name && echo 'the variable is written'
fi
GUEST
chmod 755 "$scratch/variable"
module=$(dirname "$(tests/fetch kernel 2>/dev/null)")
module=$(echo "$module"/lib/modules/*/kernel/fs/efivarfs/efivarfs.ko)
need_guest "$scratch/variable" "$module"
if ! grub=$(tests/fetch grub-efi 2>"$scratch/why") || ! ovmf=$(tests/fetch ovmf 2>"$scratch/why"); then
    cat "$scratch/why"
    for name in "${names[@]}"; do skip "$name" "GRUB or OVMF cannot be fetched"; done
    finish
fi
ovmf=$(dirname "$ovmf")/OVMF

# The partition is a file of its own first.
make_disk() {
    local esp=$scratch/esp
    echo 'configfile /grub.cfg' >"$scratch/start.cfg"
    cat >"$scratch/grub.cfg" <<'CONFIG'
echo GRUB reads its configuration on $grub_platform
linux /vmlinuz console=ttyS0 calque.run=/variable
initrd /initrd
boot
CONFIG
    grub-mkimage -d "$grub" -O x86_64-efi -c "$scratch/start.cfg" -p / -o "$scratch/bootx64.efi" \
        normal configfile linux fat part_gpt echo boot || return 1
    truncate -s 62M "$esp"
    /sbin/mkfs.fat -F 32 "$esp" >/dev/null && mmd -i "$esp" ::EFI ::EFI/BOOT &&
        mcopy -i "$esp" "$scratch/bootx64.efi" ::EFI/BOOT/BOOTX64.EFI &&
        mcopy -i "$esp" "$kernel" ::vmlinuz && mcopy -i "$esp" "$scratch/initrd" ::initrd &&
        mcopy -i "$esp" "$scratch/grub.cfg" ::grub.cfg && truncate -s 64M "$scratch/disk" &&
        printf '%s\n' 'label: gpt' 'start=2048, size=126976, type=U' | /sbin/sfdisk -q "$scratch/disk" &&
        dd if="$esp" of="$scratch/disk" bs=1M seek=1 conv=notrunc status=none
}

# start OUTPUT PATTERN OPTION...: Linux says the line and powers off.
start() {
    local output=$1 pattern=$2
    shift 2
    timeout -k 5 $limit "$CALQUE" -m 512 -nographic -no-reboot --timeout $((limit - 20)) \
        -drive if=pflash,unit=0,format=raw,readonly=on,file="$ovmf/OVMF_CODE_4M.fd" \
        -drive if=pflash,unit=1,format=raw,file="$scratch/vars" \
        -drive if=none,id=d,format=raw,file="$scratch/disk" "$@" </dev/null >"$output" 2>&1 &&
        all_of "$output" 'on efi' 'efi: EFI v2' "^$pattern" 'Power down'
}

make_disk >"$scratch/made" 2>&1
report $? "the disk is made" "$scratch/made"
cp "$ovmf/OVMF_VARS_4M.fd" "$scratch/vars"
start "$scratch/first" 'the variable is written' -device ahci,id=sata -device ide-hd,drive=d,bus=sata.1
report $? "${names[0]}" "$scratch/first"
start "$scratch/second" 'the variable is there: forty-two' -device pci-bridge,id=outer,chassis_nr=1,addr=8 \
    -device pci-bridge,id=inner,chassis_nr=2,bus=outer -device virtio-blk-pci,drive=d,bus=inner,addr=3,bootindex=1
report $? "${names[1]}" "$scratch/second"
finish
