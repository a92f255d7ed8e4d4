#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our BIOS and VGA BIOS: the suite of tests/guest/bios, started from each kind of drive, as TAP. What it
# expects is in the interrupt lists and standards that its checks name; it passes with SeaBIOS 1.16 under
# QEMU too, but for these:
# - INT 17h with a printer that is not there (interrupt list: AH bit 0)
# - PCI BIOS B10Ah with an odd register number (PCI BIOS 2.1, 4.5.6: 87h)
# - 18h, and so the table with which a track is formatted; 16h (interrupt list D-1318, D-1316)
# - the heads in 4B01h's packet (El Torito 1.0, figure 4: as DH of function 08h), 4Dh (figure 5)
# - 41h to 48h and 0040:0075 of an emulated hard disk (EDD 3.0: not asked for, but boot loaders use them)
# - Alt with digits of the keypad, and Pause (interrupt list, memory 0040:0019 and 0040:0018)
# - APM functions without a connection, a second connection, a state there is not (APM 1.2, 4.6 and
#   appendix A: 03h, 02h, 0Ah)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
bios=$BUILD/bios
n=0 bad=0

result() { # STATUS NAME
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; bad=1; fi
}

# suite NAME OPTIONS...: all checks that were planned must pass.
suite() {
    local name=$1 checks status good
    shift
    cp "$bios/suite.img" "$scratch/suite.img"
    # shellcheck disable=SC2086 # CALQUE may be a command with words
    $CALQUE -m 64 -icount shift=3 $firmware \
        -display none -serial file:"$scratch/serial" -device isa-debug-exit,iobase=0xf4 --timeout ${T:-60} \
        "$@" >"$scratch/out" 2>&1 </dev/null
    status=$?
    good=$(grep -c '^ok ' "$scratch/serial")
    checks=$(sed -n 's/^1\.\.//p' "$scratch/serial")
    [ $status -eq 1 ] && [ "$good" = "$checks" ]
    result $? "the suite from $name, $good of $checks checks"
    [ $status -eq 1 ] || { echo "# status $status"; grep '^not ok' "$scratch/serial"; cat "$scratch/out"; } | sed 's/^[^#]/# &/'
}

file=$scratch/suite.img
firmware="-bios $bios/bios.bin -device VGA,romfile=$bios/vgabios.bin"
suite IDE -drive if=ide,format=raw,file="$file"
suite AHCI -device ahci,id=ahci -drive if=none,id=d,format=raw,file="$file" -device ide-hd,drive=d,bus=ahci.0
suite virtio-blk -drive if=virtio,format=raw,file="$file"

truncate -s 20G "$scratch/20g.img"
truncate -s 3T "$scratch/3t.img"
for size in 20g 3t; do dd if="$bios/suite.bin" of="$scratch/$size.img" conv=notrunc status=none; done
suite "a disk of 20 GiB" -drive if=ide,format=raw,file="$scratch/20g.img"
suite "a disk of 3 TiB" -drive if=ide,format=raw,file="$scratch/3t.img"
suite "a virtio disk of 3 TiB" -drive if=virtio,format=raw,file="$scratch/3t.img"
suite "a CD's floppy" -cdrom "$bios/suite-2.iso"
suite "a CD's disk" -cdrom "$bios/suite-4.iso"
suite "a CD's disk, before another" -cdrom "$bios/suite-4.iso" -hda "$file" -boot d
suite "a CD's floppy at AHCI" -device ahci,id=ahci -drive if=none,id=d,media=cdrom,file="$bios/suite-2.iso" -device ide-cd,drive=d,bus=ahci.0

# floppy KIB SECTORS HEADS: an image of that size, whose boot sector says the geometry.
floppy() {
    truncate -s "$1K" "$scratch/floppy.img"
    dd if="$bios/suite.bin" of="$scratch/floppy.img" conv=notrunc status=none
    printf "\\$(printf %o "$2")\0\\$(printf %o "$3")" |
        dd of="$scratch/floppy.img" bs=1 seek=24 conv=notrunc status=none
    suite "a floppy of $1 KiB" -drive if=floppy,format=raw,file="$scratch/floppy.img"
}
suite "a floppy" -drive if=floppy,format=raw,file="$file"
floppy 160 8 1
floppy 180 9 1
floppy 320 8 2
floppy 360 9 2
floppy 720 9 2
floppy 1200 15 2
floppy 1680 21 2
floppy 1722 21 2
floppy 2880 36 2
firmware=
suite "a disk without -bios, with the images in roms/" -hda "$file"

# Without a display adapter the BIOS speaks on COM1.
: >"$scratch/serial"
# shellcheck disable=SC2086
$CALQUE -m 64 -icount shift=3 -bios "$bios/bios.bin" -vga none -display none -serial file:"$scratch/serial" --timeout 3 \
    >/dev/null 2>&1 </dev/null
grep -q 'No bootable device' "$scratch/serial"
result $? "messages on COM1 without a display adapter"

(cd roms && sha256sum --quiet -c SHA256SUMS)
result $? "the images in roms/ have their sums"
exit $bad
