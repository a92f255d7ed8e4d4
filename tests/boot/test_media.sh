#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boot loaders on the media that people have, under our BIOS and under SeaBIOS: GRUB's rescue CD, GRUB
# on a disk, both loading Debian's kernel from an ext4 file system; SYSLINUX on a floppy and on FAT
# file systems, ISOLINUX on a CD; iPXE's CD, and on a floppy; memtest86+'s CDs. Arguments name some of
# them, as medium or medium-BIOS.
# shellcheck disable=SC2317 # functions are called by name
media=(grub-cd grub-disk isolinux syslinux-floppy syslinux-fat16 syslinux-fat32 ipxe-cd memtest-x64 memtest-ia32)
. tests/boot/boot.sh
. tests/boot/person.sh
limit=200 # seconds, of a host that may be busy
linux='console=ttyS0 calque.run=/started'

# fetch PART...: sets the array `part` to their paths; status 77: cannot be had here.
fetch() {
    local name path
    part=()
    for name in "$@"; do
        path=$(tests/fetch "$name" 2>>"$scratch/why") || return 77
        part+=("$path")
    done
}

# ---- the media, made once, as $scratch/NAME ----

# guest FOLDER: the kernel and its initial file system are put there.
guest() {
    printf '#!/bin/sh\necho started by a loader\n' >"$scratch/started"
    chmod 755 "$scratch/started"
    fetch kernel && tests/mkinitrd -o "$scratch/initrd" "$scratch/started" >/dev/null && mkdir -p "$1" &&
        cp "${part[0]}" "$1/vmlinuz" && cp "$scratch/initrd" "$1/initrd"
}

# linux_ext4 IMAGE: a disk with one partition, of ext4, with what GRUB needs to start the guest.
linux_ext4() {
    local tree=$1.tree
    guest "$tree" || return 77
    printf '%s\n' "linux (hd0,1)/vmlinuz $linux" "initrd (hd0,1)/initrd" boot >"$tree/go"
    truncate -s 65M "$1"
    echo '2048,,83,*' | /sbin/sfdisk -q "$1" && /sbin/mke2fs -q -t ext4 -d "$tree" -E offset=1048576 "$1" 64M
}

make_grub-cd() {
    fetch grub-pc && grub-mkrescue -d "${part[0]}" -o "$1" && linux_ext4 "$scratch/grub-cd-disk"
}

# GRUB's first sector goes around the partition table, the rest to the sectors before the partition.
make_grub-disk() {
    linux_ext4 "$1" && fetch grub-pc && mkdir "$1.grub" &&
        grub-mkimage -d "${part[0]}" -O i386-pc -p '(hd0,msdos1)/grub' -o "$1.grub/core.img" \
            biosdisk part_msdos ext2 normal linux configfile ls echo &&
        dd if="${part[0]}/boot.img" of="$1" bs=440 count=1 conv=notrunc status=none &&
        dd if="$1.grub/core.img" of="$1" bs=512 seek=1 conv=notrunc status=none
}

make_isolinux() {
    local dir=$1.tree
    guest "$dir" && fetch isolinux syslinux-modules || return 77
    cp "${part[0]}/isolinux.bin" "${part[1]}/ldlinux.c32" "$dir"
    printf '%s\n' 'prompt 1' 'label linux' 'kernel /vmlinuz' "append initrd=/initrd $linux" >"$dir/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$1" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
        -boot-info-table "$dir"
}

# A floppy has room for iPXE, not for Linux.
make_syslinux-floppy() {
    fetch syslinux ipxe-lkrn || return 77
    printf '%s\n' 'prompt 1' 'label ipxe' 'linux ipxe.krn' >"$1.cfg"
    mformat -C -f 1440 -i "$1" :: && "${part[0]}" -i "$1" && mcopy -i "$1" "${part[1]}" ::ipxe.krn &&
        mcopy -i "$1" "$1.cfg" ::syslinux.cfg
}

# fat BITS IMAGE CLUSTER: SYSLINUX in the first partition, Linux in its folder.
fat() {
    local tree=$2.tree
    guest "$tree" && fetch syslinux syslinux-mbr || return 77
    printf '%s\n' 'prompt 1' 'label linux' 'kernel /linux/vmlinuz' "append initrd=/linux/initrd $linux" >"$tree/syslinux.cfg"
    truncate -s 65M "$2"
    echo "2048,,$([ "$1" = 16 ] && echo 6 || echo c),*" | /sbin/sfdisk -q "$2" &&
        /sbin/mkfs.fat -F "$1" -s "$3" --offset 2048 "$2" 65536 >/dev/null &&
        dd if="${part[1]}" of="$2" conv=notrunc status=none &&
        "${part[0]}" -i -t 1048576 "$2" && mmd -i "$2@@1M" ::linux &&
        mcopy -i "$2@@1M" "$tree/vmlinuz" "$tree/initrd" ::linux && mcopy -i "$2@@1M" "$tree/syslinux.cfg" ::
}
make_syslinux-fat16() { fat 16 "$1" 4; }
make_syslinux-fat32() { fat 32 "$1" 1; }
make_ipxe-cd() { fetch ipxe-iso && ln -s "${part[0]}" "$1"; }
make_memtest-x64() { fetch memtest86+iso && ln -s "${part[0]}/memtest86+x64.iso" "$1"; }
make_memtest-ia32() { fetch memtest86+iso && ln -s "${part[0]}/memtest86+ia32.iso" "$1"; }

# ---- what a person does with each: run_NAME IMAGE OUTPUT OPTION... ----

# linux_ran OUTPUT
linux_ran() { all_of "$1.serial" '^started by a loader' 'Power down' && clean "$1.serial"; }

grub_to_linux() {
    person "$@" <<STEPS && linux_ran "$1"
want $limit grub>
type source (hd0,1)/go
want $limit NEVER
STEPS
}
run_grub-cd() { grub_to_linux "$2" -m 256 -cdrom "$1" -hda "$scratch/grub-cd-disk" -boot d "${@:3}"; }
run_grub-disk() { grub_to_linux "$2" -m 256 -hda "$1" "${@:3}"; }

syslinux_to_linux() {
    person "$@" <<STEPS && linux_ran "$1"
want $limit boot:
type linux
want $limit NEVER
STEPS
}
run_isolinux() { syslinux_to_linux "$2" -m 256 -cdrom "$1" "${@:3}"; }
run_syslinux-fat16() { syslinux_to_linux "$2" -m 256 -hda "$1" "${@:3}"; }
run_syslinux-fat32() { syslinux_to_linux "$2" -m 256 -hda "$1" "${@:3}"; }

run_syslinux-floppy() {
    person "$2" -m 64 -fda "$1" "${@:3}" <<STEPS
want $limit boot:
type ipxe
want $limit No more network devices
STEPS
}

run_ipxe-cd() {
    person "$2" -m 64 -cdrom "$1" "${@:3}" <<STEPS
want $limit iPXE ISO boot image
want $limit Press Ctrl-B for the iPXE command line
key ctrl-b
want $limit iPXE>
type help
want $limit Available commands
STEPS
}

run_memtest-x64() {
    person "$2" -m 64 -cdrom "$1" "${@:3}" <<STEPS
want $limit Memtest86+ v6
want $limit #3
monitor screen text
STEPS
    all_of "$2" '6[34].*MB' 'Errors: 0'
}
run_memtest-ia32() { run_memtest-x64 "$@"; }

# run NAME BIOS: its status goes to a file.
run() {
    local status options=()
    status=$(cat "$scratch/$1.made")
    [ "$2" = ours ] || options=(-bios "$seabios/bios-256k.bin")
    if [ "$status" = 0 ]; then
        # Of two runs each has its own disk.
        [ ! -f "$scratch/$1" ] || options+=(-snapshot)
        "run_$1" "$scratch/$1" "$scratch/$1-$2.out" "${options[@]}"
        status=$?
    fi >"$scratch/$1-$2.log" 2>&1
    echo "$status" >"$scratch/$1-$2.status"
}

seabios=$(tests/fetch seabios 2>/dev/null)
todo=()
for name in "${media[@]}"; do
    for bios in ours seabios; do
        [ $# = 0 ] || [[ " $* " == *" $name "* || " $* " == *" $name-$bios "* ]] || continue
        [ "$bios" = ours ] || [ "$seabios" ] || { skip "$name-$bios" "SeaBIOS cannot be fetched"; continue; }
        todo+=("$name $bios")
        [ -e "$scratch/$name.made" ] && continue
        "make_$name" "$scratch/$name" >"$scratch/$name.log" 2>&1
        echo $? >"$scratch/$name.made"
    done
done
for job in "${todo[@]}"; do
    while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n; done
    # shellcheck disable=SC2086 # two words
    run $job &
done
wait
for job in "${todo[@]}"; do
    read -r name bios <<<"$job"
    title="$name under $([ "$bios" = ours ] && echo "our BIOS" || echo SeaBIOS)"
    case $(cat "$scratch/$name-$bios.status") in
    0) report 0 "$title" ;;
    77) skip "$title" "its parts cannot be fetched" ;;
    *) report 1 "$title" "$scratch/$name.log" "$scratch/$name-$bios".* ;;
    esac
done
finish
