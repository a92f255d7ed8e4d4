#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our BIOS and VGA BIOS: the suite of tests/guest/bios, started from each kind of drive, as TAP. What it
# expects is in the interrupt lists and standards that its checks name; it passes with SeaBIOS under QEMU
# too (--qemu), but for what SEABIOS-DIFFERS says. With FAST from one drive, without the
# menu and setup.
# On an emulated host, which takes its time, from one disk: drives do not depend on the host's processor.
[ -z "$RUNNER" ] || TIMEOUT=${TIMEOUT:-300}
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
        -display none -serial file:"$scratch/serial" -device isa-debug-exit,iobase=0xf4 --timeout ${TIMEOUT:-60} \
        "$@" >"$scratch/out" 2>&1 </dev/null
    status=$?
    good=$(grep -c '^ok ' "$scratch/serial")
    checks=$(sed -n 's/^1\.\.//p' "$scratch/serial")
    [ $status -eq 1 ] && [ "$good" = "$checks" ]
    result $? "the suite from $name, $good of $checks checks"
    [ $status -eq 1 ] || { echo "# status $status"; grep '^not ok' "$scratch/serial"; cat "$scratch/out"; } | sed 's/^[^#]/# &/'
}

# under_qemu NAME OPTIONS...: what fails is expected to.
under_qemu() {
    local name=$1 unexpected
    shift
    cp "$bios/suite.img" "$scratch/suite.img"
    timeout -k 2 100 qemu-system-i386 -accel tcg -m 64 -display none -vga std -serial file:"$scratch/serial" \
        -device isa-debug-exit,iobase=0xf4 "$@" >"$scratch/out" 2>&1 </dev/null
    unexpected=$(sed -n 's/^not ok [0-9]* - //p' "$scratch/serial" |
        while read -r check; do grep -qF "$check: " tests/guest/bios/SEABIOS-DIFFERS || echo "# $check"; done)
    [ -z "$unexpected" ] && grep -q '^1\.\.' "$scratch/serial"
    result $? "SeaBIOS under QEMU, from $name, $(grep -c '^ok ' "$scratch/serial") checks"
    [ -z "$unexpected" ] || echo "$unexpected"
}

file=$scratch/suite.img
if [ "$1" = --qemu ]; then
    under_qemu IDE -drive if=ide,format=raw,file="$file"
    under_qemu floppy -drive if=floppy,format=raw,file="$file"
    under_qemu "a CD's floppy" -cdrom "$bios/suite-2.iso"
    under_qemu "a CD's disk" -cdrom "$bios/suite-4.iso"
    exit $bad
fi
firmware="-bios $bios/bios.bin -device VGA,romfile=$bios/vgabios.bin"
suite IDE -drive if=ide,format=raw,file="$file"
[ -z "$RUNNER$FAST" ] || exit $bad
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
    printf %b "\\0$(printf %o "$2")\\0\\0$(printf %o "$3")" |
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
# A disk that stops where it is booted, and the suite on the second: that one becomes 80h.
printf '\364\353\375' >"$scratch/stop.img"
truncate -s 1440K "$scratch/stop.img"
printf '\125\252' | dd of="$scratch/stop.img" bs=1 seek=510 conv=notrunc status=none
cp "$bios/suite.img" "$file"
# shellcheck disable=SC2086
$CALQUE -m 64 -icount shift=3 $firmware -boot menu=on -display none -monitor stdio -serial file:"$scratch/serial" --timeout 60 \
    -device isa-debug-exit,iobase=0xf4 -hda "$scratch/stop.img" -hdb "$file" >"$scratch/out" 2>&1 <<'END'
screen wait "F12: boot" 30
sendkey f12
screen wait "Boot from" 30
sendkey 2
screen wait "the end" 60
END
grep -q '^1\.\.' "$scratch/serial" && ! grep -q '^not ok' "$scratch/serial"
result $? "the suite from the second disk, chosen by F12"

# The boot menu and setup, by their keys: the CD's floppy is chosen; then its place in the order is
# changed, which a restart keeps.
menu() { # keys from standard input
    cp "$bios/suite.img" "$scratch/suite.img"
    # shellcheck disable=SC2086
    $CALQUE -m 64 $firmware -boot menu=on -display none -monitor stdio -serial null --timeout 100 \
        -hda "$file" -cdrom "$bios/suite-2.iso" >"$scratch/out" 2>&1
}
menu <<'END'
screen wait "F12: boot" 30
sendkey f12
screen wait "Boot from" 30
sendkey 3
screen wait "Booting from CD" 30
quit
END
! grep -q 'was not seen' "$scratch/out"
result $? "F12 chooses what to boot"
menu <<'END'
screen wait "F12: boot" 30
sendkey f2
screen wait "first : Disk" 30
sendkey 1
screen wait "first : CD" 30
sendkey s
screen wait "signature: yes" 30
screen text
sendkey f10
screen wait "F12: boot" 30
sendkey f2
screen wait "signature: yes" 30
screen wait "first : CD" 30
sendkey esc
screen wait "Booting from CD" 30
quit
END
! grep -q 'was not seen' "$scratch/out" && grep -q '^Processors  1' "$scratch/out" &&
    grep -q '^Memory      64 MiB' "$scratch/out" && grep -q '^Time        20' "$scratch/out"
result $? "F2 shows processors, memory and time, and keeps the boot order"
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
