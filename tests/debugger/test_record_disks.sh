#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every kind of drive at every controller: the suite of our BIOS, started from it, is recorded with one
# engine and replayed with the other, without the image: the same output, the same digests at every check.
. tests/tap.sh
bios=$BUILD/bios
file=$scratch/suite.img
other=$scratch/other.img
head -c 4194304 /dev/urandom >"$scratch/random"

# recorded NAME OPTION...: suite.img and other.img are there, and go. The engines take turns.
engine=interp other_engine=jit
recorded() {
    shift
    cp "$bios/suite.img" "$file"
    cp "$scratch/random" "$other"
    timeout -k 5 200 "$CALQUE" -m 64 -bios "$bios/bios.bin" -device "VGA,romfile=$bios/vgabios.bin" -display none \
        -serial "file:$scratch/serial" -device isa-debug-exit,iobase=0xf4 "$@" -accel $engine \
        --record "$scratch/rec" -d digest -D "$scratch/digests" >"$scratch/out" 2>&1 </dev/null
    [ $? = 1 ] && ! grep '^not ok' "$scratch/serial" && [ "$(grep -c ^digest "$scratch/digests")" -ge 3 ] || return
    mv "$scratch/serial" "$scratch/want"
    rm "$file" "$other"
    timeout -k 5 200 "$CALQUE" --replay "$scratch/rec" -accel $other_engine -display none \
        -d digest -D "$scratch/again" >"$scratch/out" 2>&1 </dev/null
    [ $? = 1 ] && cmp "$scratch/serial" "$scratch/want" && cmp "$scratch/digests" "$scratch/again"
}
disk() {
    recorded "$@" >"$scratch/why" 2>&1
    report $? "$1, recorded with $engine" "$scratch/why" "$scratch/out"
    read -r engine other_engine <<<"$other_engine $engine"
}

ahci="-device ahci,id=ahci"
disk "an IDE disk, and another" -drive "if=ide,format=raw,file=$file" -drive "if=ide,index=1,format=raw,file=$other"
not_with_fast "every other kind of drive"
# shellcheck disable=SC2086 # several words
disk "a disk at AHCI" $ahci -drive "if=none,id=d,format=raw,file=$file" -device ide-hd,drive=d,bus=ahci.0
disk "a virtio disk, and another" -drive "if=virtio,format=raw,file=$file" -drive "if=virtio,format=raw,file=$other"
disk "a virtio disk without the legacy interface" -drive "if=none,id=d,format=raw,file=$file" \
    -device virtio-blk-pci,drive=d,disable-legacy=on
disk "a floppy" -drive "if=floppy,format=raw,file=$file"
disk "a CD's disk, at IDE" -cdrom "$bios/suite-4.iso"
# shellcheck disable=SC2086
disk "a CD's floppy, at AHCI" $ahci -drive "if=none,id=d,media=cdrom,file=$bios/suite-2.iso" -device ide-cd,drive=d,bus=ahci.0
finish
