#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Drives on the command line: which one firmware starts, what the guest is told of them, and files that
# are no disks.
. tests/tap.sh

# refused PATTERN ARGUMENTS...: one line, exit status 1.
refused() {
    local pattern=$1 text status
    shift
    text=$(timeout -k 2 20 "$CALQUE" "$@" 2>&1 </dev/null)
    status=$?
    [ $status = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && [[ $text == calque:*"$pattern"* ]]
    status=$?
    [ $status = 0 ] || echo "wanted: $pattern; got: $text"
    report $status "${*//$scratch\//} is refused"
}

# ---- boot order ----

# boot_sector FILE NUMBER: MOV AL, number; OUT F4h, AL; HLT; and again.
boot_sector() {
    printf "\\xb0\\x$(printf %02x "$2")\\xe6\\xf4\\xf4\\xeb\\xfd" >"$1"
    truncate -s 510 "$1"
    printf '\x55\xaa' >>"$1"
    truncate -s "${3:-1M}" "$1"
}

ide=1 virtio=2 ahci=3 floppy=4
for name in ide virtio ahci; do
    boot_sector "$scratch/$name" ${!name}
done
boot_sector "$scratch/floppy" $floppy 1440K

# starts NAME IDE VIRTIO AHCI FLOPPY: with these places in the order (-: none). All are the first of
# their kind, so that the paths of two differ in their controller alone.
starts() {
    local want=$1 status
    local index=("${@:2}")
    index=("${index[@]/#/,bootindex=}")
    index=("${index[@]/#,bootindex=-/}")
    timeout -k 2 60 "$CALQUE" -m 32 -display none -bios "$bios" -device isa-debug-exit,iobase=0xf4,iosize=1 \
        -drive if=none,id=i,format=raw,file="$scratch/ide" -device ide-hd,drive=i"${index[0]}" \
        -drive if=virtio,format=raw,file="$scratch/virtio${index[1]}" \
        -device ahci,id=ahci0 -drive if=none,id=a,format=raw,file="$scratch/ahci" -device ide-hd,drive=a,bus=ahci0.0"${index[2]}" \
        -drive if=floppy,format=raw,file="$scratch/floppy${index[3]}" </dev/null >"$scratch/out" 2>&1
    status=$?
    [ $status = $((${!want} << 1 | 1)) ]
    report $? "${bios##*/} starts $want: bootindex ${*:2}" "$scratch/out"
}

each_order() {
    starts ide 1 2 3 4
    starts virtio 2 1 3 -
    starts ahci 2 3 1 -
    starts ahci - 3 0 -
    starts floppy 2 3 1 0
}
bios=$BUILD/bios/bios.bin
each_order
if [ -e "${XDG_CACHE_HOME:-$HOME/.cache}/calque/seabios/package" ] || [ -z "$FAST" ]; then
    seabios=$(tests/fetch seabios 2>/dev/null) && bios=$seabios/bios-256k.bin
fi
if [ -n "$seabios" ]; then each_order; else skip "SeaBIOS" "it is not fetched"; fi
raw=$scratch/ide
refused "both drive ide0-hd0 and drive x have it" -drive file="$raw",format=raw,bootindex=1 -bios x \
    -drive if=none,id=x,format=raw,file="$scratch/ahci" -device ide-hd,drive=x,bootindex=1
refused "bootindex: -1: not a number" -drive file="$raw",format=raw,bootindex=-1

finish
