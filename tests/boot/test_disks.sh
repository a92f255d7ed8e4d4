#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel with disks at each controller there is: it finds them, reads what the host wrote,
# writes what the host then reads, and has no complaints.
[ $# -gt 0 ] || set -- ide virtio virtio-modern ahci floppy
declare -A does=([ide]="an IDE disk and a CD, with the slave's places empty"
    [virtio]="a virtio disk" [virtio-modern]="virtio disks without the legacy interface, of four queues"
    [ahci]="a SATA disk and CD behind an AHCI controller, with queued commands"
    [floppy]="a floppy disk")
# The cloud kernel has no drivers for hardware.
declare -A part=([ide]=kernel [virtio]=kernel [virtio-modern]=kernel [ahci]=kernel-amd64 [floppy]=kernel-amd64)
declare -A modules=([ide]="libata ata_piix sd_mod cdrom sr_mod isofs"
    [virtio]="virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk"
    [ahci]="libata libahci ahci crc64 crc64-rocksoft_generic crc64-rocksoft crct10dif_generic crct10dif_common crc-t10dif t10-pi sd_mod cdrom sr_mod isofs"
    [floppy]=floppy)
modules[virtio-modern]=${modules[virtio]}

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# all_of OUTPUT PATTERN...: every pattern is there.
all_of() {
    local output=$1 pattern
    shift
    for pattern in "$@"; do
        grep -q -E -- "$pattern" "$output" || { echo "missing: $pattern"; return 1; }
    done
}

# make_initrd NAME: with the modules and what the guest runs, /disks/go.
make_initrd() {
    local kernel dir=$scratch/$1/disks m
    kernel=$(tests/fetch "${part[$1]}") || return 77
    mkdir -p "$dir"
    for m in scsi_common scsi_mod ${modules[$1]}; do
        find "$(dirname "$kernel")/lib/modules/" -name "$m.ko" -exec cp {} "$dir/" \;
    done
    {
        echo "for m in scsi_common scsi_mod ${modules[$1]}; do insmod /disks/\$m.ko; done"
        cat <<'GO'
if [ "$1" = fd0 ]; then
    echo "first $(dd if=/dev/fd0 bs=18k | md5sum)"
    seq 1000000 | dd of=/dev/fd0 bs=512 seek=1000 count=200 iflag=fullblock conv=fsync && echo written
    dmesg | grep -E 'I/O error|[Tt]imeout|BUG:|WARNING:|Call Trace' && echo complained
    echo the end
    exit
fi
i=0
while [ ! -b /dev/$1 ] && [ $i -lt 30 ]; do sleep 1; i=$((i + 1)); done
[ -b /dev/$1 ] || exit
echo "first $(dd if=/dev/$1 bs=64k count=32 | md5sum)"
echo "direct $(dd if=/dev/$1 bs=4k count=512 iflag=direct | md5sum)"
seq 1000000 | dd of=/dev/$1 bs=64k seek=64 count=64 iflag=fullblock conv=fsync && echo written
grep -E 'MSI.*ahci' /proc/interrupts && echo messages
if [ -b /dev/sr0 ]; then
    mkdir -p /mnt && mount -t iso9660 -o ro /dev/sr0 /mnt && cat /mnt/readme && umount /mnt && echo unmounted
fi
dmesg | grep -E 'I/O error|[Tt]imeout|xception|frozen|failed|BUG:|WARNING:|Call Trace|lost interrupt' && echo complained
echo the end
GO
    } >"$dir/go"
    tests/mkinitrd -k "${part[$1]}" -o "$scratch/$1/initrd" "$dir"
}

# boot NAME DEVICE OPTION...: the guest's output is standard output.
boot() {
    local kernel name=$1 device=$2
    shift 2
    kernel=$(tests/fetch "${part[$name]}") || return 77
    timeout -k 5 200 "$CALQUE" -accel jit -m 256 -kernel "$kernel" -initrd "$scratch/$name/initrd" -nographic -no-reboot \
        -append "console=ttyS0 calque.run=\"sh /disks/go $device\"" "$@" </dev/null
}

# check NAME: what the guest read is what was there, and what it wrote is there now.
check() {
    local out=$scratch/$1/out sum
    if [ "$1" = floppy ]; then
        all_of "$out" "^first $(cut -d' ' -f1 "$scratch/$1/sum")" '^written' '^the end' &&
            ! grep -q complained "$out" &&
            cmp <(seq 1000000 | head -c 102400) <(tail -c +512001 "$scratch/$1/disk" | head -c 102400)
        return
    fi
    sum=$(cut -d' ' -f1 "$scratch/$1/sum")
    all_of "$out" "^first $sum" "^direct $sum" '^written' '^the end' || return 1
    ! grep -q complained "$out" || return 1
    cmp <(seq 1000000 | head -c 4194304) <(tail -c +4194305 "$scratch/$1/disk" | head -c 4194304)
}

run() {
    local dir=$scratch/$1 disk=$scratch/$1/disk size=16M
    [ "$1" != floppy ] || size=1440K
    make_initrd "$1" || return 77
    head -c $size /dev/urandom >"$disk"
    head -c 2M "$disk" | md5sum >"$dir/sum"
    mkdir "$dir/cd"
    echo "a CD of $1" >"$dir/cd/readme"
    xorriso -as mkisofs -quiet -o "$dir/iso" "$dir/cd" 2>/dev/null || return 77
    case $1 in
    ide)
        boot "$1" sda -drive file="$disk",format=raw -cdrom "$dir/iso" >"$dir/out" 2>&1 || return 1
        all_of "$dir/out" 'ata1.00: ATA-8: CALQUE HARDDISK' 'ata2.00: ATAPI: CALQUE DVD-ROM' '^a CD of ide' '^unmounted' ;;
    virtio)
        boot "$1" vda -drive file="$disk",format=raw,if=virtio,serial=V1 >"$dir/out" 2>&1 ;;
    virtio-modern)
        boot "$1" vdb -smp 2 -drive file="$dir/iso",format=raw,if=none,id=a,readonly=on -device virtio-blk-pci,drive=a \
            -drive file="$disk",format=raw,if=none,id=b \
            -device virtio-blk-pci,drive=b,num-queues=4,disable-legacy=on >"$dir/out" 2>&1 ;;
    ahci)
        boot "$1" sda -device ahci,id=ahci0 -drive file="$disk",format=raw,if=none,id=d \
            -device ide-hd,drive=d,bus=ahci0.0 -drive file="$dir/iso",if=none,id=c,media=cdrom \
            -device ide-cd,drive=c,bus=ahci0.3 >"$dir/out" 2>&1 || return 1
        all_of "$dir/out" '^messages' 'NCQ \(depth 32\)' '^a CD of ahci' '^unmounted' ;;
    floppy)
        boot "$1" fd0 -fda "$disk" >"$dir/out" 2>&1 || return 1
        all_of "$dir/out" 'fd0 is 1.44M' ;;
    esac && check "$1"
}

n=0 failed=0
for name in "$@"; do
    n=$((n + 1))
    run "$name" >"$scratch/log" 2>&1
    case $? in
    0) echo "ok $n - ${does[$name]}" ;;
    77) echo "ok $n - ${does[$name]} # SKIP the guest cannot be fetched or xorriso is missing" ;;
    *)
        failed=1
        tail -n 40 "$scratch/$name/out"
        cat "$scratch/log"
        echo "not ok $n - ${does[$name]}" ;;
    esac
done
echo "1..$n"
exit $failed
