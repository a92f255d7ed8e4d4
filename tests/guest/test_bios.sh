#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our BIOS and VGA BIOS: the suite of tests/guest/bios, started from each kind of drive, as TAP. What it
# expects is in the interrupt lists and standards that its checks name; it passes with SeaBIOS 1.16 under
# QEMU too, but for these:
# - INT 17h with a printer that is not there (interrupt list: AH bit 0)
# - PCI BIOS B10Ah with an odd register number (PCI BIOS 2.1, 4.5.6: 87h)
# - the heads in 4B01h's packet (El Torito 1.0, figure 4: as DH of function 08h)
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
        -display none -serial file:"$scratch/serial" -device isa-debug-exit,iobase=0xf4 --timeout 120 \
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

suite floppy -drive if=floppy,format=raw,file="$file"

suite "a CD's floppy" -cdrom "$bios/suite.iso"
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
