#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian is installed inside the guest, without a network: a person at the rescue CD's shell makes a
# partition and file systems, runs debootstrap from a second CD, installs kernel and GRUB; then the
# machine starts from that disk to its login prompt, twice. On our BIOS, and on OVMF, in flash with
# variables of its own, which GRUB's installation changes. Arguments: bios, ovmf. What was installed
# stays in the build folder, stage by stage; a run goes on where the last one ended (FRESH=1: anew).
[ $# -gt 0 ] || set -- bios ovmf
. tests/boot/boot.sh
limit=2400 # seconds a step may take
names=("${@/#/installation on }")

# machine OPTION... : its steps are on standard input.
machine() {
    "$BUILD/tests/tools/pty" "$CALQUE" -m 1G -nographic -no-reboot --timeout 7200 "${firmware[@]}" \
        -drive "file=$dir/disk.qcow2,format=qcow2,if=ide,index=0" "$@"
}
cds=(-drive "media=cdrom,if=ide,index=2,file=$(tests/mkdebian rescue 2>"$scratch/why")"
    -drive "media=cdrom,if=ide,index=3,file=$scratch/packages.iso" -boot d)

# step NAME COMMAND: a line for the rescue CD's shell, which must succeed. The name comes in two parts,
# so that the echo of what is typed is not taken for the answer.
step() {
    printf 'want %s rescue# \nsend %s && echo %s-"done"\\r\nwant %s %s-done\n' $limit "$2" "$1" $limit "$1"
}
end() { printf 'want 100 rescue# \nsend exit\\r\nstatus 0 200\n'; }
mounts() {
    step mounted "mount /dev/sda$1 /mnt"
    [ "$1" = 1 ] || step esp-mounted "mkdir -p /mnt/boot/efi; mount /dev/sda1 /mnt/boot/efi"
    step bound "for i in dev proc sys; do mount --rbind /\$i /mnt/\$i || break; done"
}

# ---- the stages: each a start of the machine; root partition $1 ----
stage_base() {
    if [ "$1" = 1 ]; then
        step partitioned "echo 2048,,83,* | sfdisk /dev/sda"
    else
        step partitioned "printf 'label:gpt\\\\nsize=64M,type=uefi\\\\ntype=linux\\\\n' | sfdisk /dev/sda"
        step esp "modprobe vfat; mkfs.fat -F 32 /dev/sda1"
    fi
    step formatted "mkfs.ext4 -q -L target /dev/sda$1"
    step mounted "mount /dev/sda$1 /mnt"
    step packages "mount -o ro /dev/sr1 /media"
    # The disk is the target's alone and survives nothing else: dpkg need not wait for each file.
    step prepared "mkdir -p /mnt/etc/dpkg/dpkg.cfg.d && echo force-unsafe-io >/mnt/etc/dpkg/dpkg.cfg.d/unsafe"
    step bootstrapped "debootstrap --no-check-gpg --variant=minbase --include=systemd-sysv,dbus,udev,kmod,netbase \$(cat /media/suite) /mnt file:///media"
    step unmounted "umount /mnt"
    end
}

stage_kernel() {
    local grub=grub-pc-bin
    [ "$1" = 1 ] || grub="grub-efi-amd64-bin efibootmgr dosfstools"
    mounts "$1"
    step packages "mkdir -p /mnt/media && mount -o ro /dev/sr1 /mnt/media"
    step listed "echo deb [trusted=yes] file:///media \$(cat /mnt/media/suite) main >/mnt/etc/apt/sources.list && chroot /mnt apt-get update"
    step tools "DEBIAN_FRONTEND=noninteractive chroot /mnt apt-get install -y --no-install-recommends initramfs-tools e2fsprogs grub2-common $grub"
    step fstab "echo /dev/sda$1 / ext4 errors=remount-ro 0 1 >/mnt/etc/fstab && echo MODULES=dep >/mnt/etc/initramfs-tools/conf.d/dep"
    step kernel "DEBIAN_FRONTEND=noninteractive chroot /mnt apt-get install -y --no-install-recommends linux-image-amd64"
    step unmounted "umount -R /mnt"
    end
}

stage_grub() {
    local target="--target=i386-pc /dev/sda"
    [ "$1" = 1 ] || target="--target=x86_64-efi --efi-directory=/boot/efi --bootloader-id=debian"
    mounts "$1"
    [ "$1" = 1 ] || step variables "mount -t efivarfs efivarfs /mnt/sys/firmware/efi/efivars"
    step installed "chroot /mnt grub-install $target"
    step settings "echo 'GRUB_CMDLINE_LINUX=\"console=ttyS0\"' >>/mnt/etc/default/grub && echo GRUB_TIMEOUT=1 >>/mnt/etc/default/grub"
    step configured "chroot /mnt update-grub"
    step password "echo root:calque | chroot /mnt chpasswd && echo installed >/mnt/etc/hostname"
    step unmounted "umount -R /mnt"
    end
}

# Twice: the second time with what the first one wrote.
stage_boot() {
    cat <<STEPS
want $limit installed login:
send root\\r
want 100 Password:
send calque\\r
want 100 #
send ls /sys/firmware/efi >/dev/null 2>&1 && echo by-\$((1))UEFI; echo kept >>/root/kept; wc -l /root/kept; systemctl is-system-running --wait\\r
${2:+want 100 by-1UEFI}
want 100 $1 /root/kept
want 300 running
send dmesg | grep -c -E 'I/O error|xception|frozen|BUG:|WARNING:|EXT4-fs error'; poweroff\\r
want 100 0
status 0 300
STEPS
}

# stage NAME STEPS OPTION...: unless it is behind us.
stage() {
    local name=$1 steps=$2
    shift 2
    [ ! -e "$dir/$name" ] || return 0
    cp --sparse=always "$dir/disk.qcow2" "$dir/before"
    # pty wants no empty lines
    if machine "$@" < <(grep . <<<"$steps") >"$dir/$name.log" 2>&1; then
        : >"$dir/$name"
        echo "# $kind: $name is done"
    else
        cp --sparse=always "$dir/before" "$dir/disk.qcow2"
        return 1
    fi
}

# installation bios|ovmf
installation() {
    local kind=$1 root=1 ovmf status
    dir=$BUILD/long/install-$kind firmware=()
    [ -z "$FRESH" ] || rm -rf "$dir"
    mkdir -p "$dir"
    [ -e "$dir/disk.qcow2" ] || qemu-img create -q -f qcow2 "$dir/disk.qcow2" 3G || return 1
    if [ "$kind" = ovmf ]; then
        ovmf=$(tests/fetch ovmf 2>"$scratch/why") && ovmf=$(dirname "$ovmf")/OVMF || return 77
        root=2
        [ -e "$dir/vars" ] || cp "$ovmf/OVMF_VARS_4M.fd" "$dir/vars"
        firmware=(-drive "if=pflash,unit=0,format=raw,readonly=on,file=$ovmf/OVMF_CODE_4M.fd"
            -drive "if=pflash,unit=1,format=raw,file=$dir/vars")
    fi
    stage base "$(stage_base $root)" "${cds[@]}" && stage kernel "$(stage_kernel $root)" "${cds[@]}" &&
        stage grub "$(stage_grub $root)" "${cds[@]}" &&
        stage boot-1 "$(stage_boot 1 "${firmware[0]}")" && stage boot-2 "$(stage_boot 2 "${firmware[0]}")" &&
        qemu-img check -q "$dir/disk.qcow2" || return 1
    [ "$kind" = bios ] || tr -d '\0' <"$dir/vars" | grep -q -a 'EFI.debian.'
}

if [ -s "$scratch/why" ] || ! packages=$(tests/fetch debian 2>"$scratch/why") ||
    ! xorriso -as mkisofs -quiet -r -V PACKAGES -o "$scratch/packages.iso" "$packages" 2>"$scratch/why.iso"; then
    for name in "${names[@]}"; do skip "$name" "$(tail -n 1 "$scratch/why")"; done
    finish
fi
for kind in "$@"; do
    installation "$kind"
    status=$?
    if [ $status = 77 ]; then
        skip "installation on $kind" "OVMF cannot be fetched"
    else
        report $status "installation on $kind" "$dir"/*.log
    fi
done
finish
