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
    printf %b "\\xb0\\x$(printf %02x "$2")\\xe6\\xf4\\xf4\\xeb\\xfd" >"$1"
    truncate -s 510 "$1"
    printf '\x55\xaa' >>"$1"
    truncate -s "${3:-1M}" "$1"
}

declare -A number=([ide]=1 [virtio]=2 [ahci]=3 [floppy]=4)
for name in ide virtio ahci; do
    boot_sector "$scratch/$name" "${number[$name]}"
done
boot_sector "$scratch/floppy" "${number[floppy]}" 1440K

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
    [ $status = $((${number[$want]} << 1 | 1)) ]
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

# ---- -blockdev ----

img=$BUILD/calque-img
machine=(-m 32 -display none -bios "$BUILD/bios/bios.bin" -device "isa-debug-exit,iobase=0xf4,iosize=1")
# boots STATUS NAME OPTION...
boots() {
    local want=$1 name=$2 status
    shift 2
    timeout -k 2 60 "$CALQUE" "${machine[@]}" "$@" </dev/null >"$scratch/out" 2>&1
    status=$?
    [ $status = "$want" ]
    report $? "$name" "$scratch/out"
}

"$img" convert -O qcow2 "$scratch/virtio" "$scratch/q,2"
file=(-blockdev "driver=file,filename=$scratch/q,,2,node-name=f,auto-read-only=on,discard=unmap")
boots 5 "a format on a file node" "${file[@]}" -blockdev driver=qcow2,node-name=n,file=f -device virtio-blk-pci,drive=n
boots 5 "the same in one node" -blockdev "driver=qcow2,node-name=n,file.driver=file,file.filename=$scratch/q,,2,cache.direct=off" \
    -device ide-hd,drive=n
boots 3 "a file node alone" -blockdev "driver=file,filename=$raw,node-name=f" -device ide-hd,drive=f
if ! "$CALQUE" -machine none -qmp null --timeout 0.1 2>&1 </dev/null | grep -q 'not in this build'; then
    boots 5 "as libvirt writes it" -blockdev '{"driver":"file","filename":"'"$scratch/q,2"'","node-name":"s","auto-read-only":true}' \
        -blockdev '{"node-name":"n","read-only":false,"driver":"qcow2","file":"s","backing":null}' \
        -device '{"driver":"virtio-blk-pci","drive":"n","id":"virtio-disk0","bootindex":1}'
fi
refused "another node has it" "${file[@]}" -blockdev driver=qcow2,node-name=n,file=f -device ide-hd,drive=f -bios x
refused "another node has it already" "${file[@]}" -blockdev driver=qcow2,node-name=n,file=f -blockdev driver=raw,node-name=m,file=f
refused "driver=nbd: not in this version" -blockdev driver=nbd,node-name=n
refused "did you mean qcow2?" -blockdev driver=qcow3,node-name=n
refused "no node of driver=file" -blockdev driver=qcow2,node-name=n,file=x
refused "node-name=NAME is expected" -blockdev "driver=file,filename=$raw"
refused "filename=PATH is expected" -blockdev driver=file,node-name=f
refused "backing=b: not in this version" "${file[@]}" -blockdev driver=qcow2,node-name=n,file=f,backing=b
refused "did you mean filename?" -blockdev driver=file,node-name=f,filenam=x

# ---- files that are no disks ----

bad() { # PATTERN FILE [FORMAT]
    refused "$1" -drive "file=$scratch/$2${3:+,format=$3}" -bios x
}
qcow2=$scratch/bad.qcow2
"$img" create -q -f qcow2 "$qcow2" 1M
# at OFFSET BYTES FILE: changes it.
at() { printf %b "$2" | dd of="$scratch/$3" bs=1 seek="$1" conv=notrunc status=none; }
mkdir "$scratch/folder"
mkfifo "$scratch/pipe"
bad "is a directory" folder
bad "neither a file nor a block device" pipe
bad "No such file" nowhere
refused "neither a file nor a block device" -hda /dev/null -bios x
refused "is a directory" -cdrom "$scratch/folder" -bios x
refused "is a directory" -fda "$scratch/folder" -bios x
for format in qcow2 vmdk vpc vdi; do
    bad "$scratch/ide" ide "$format"
done
at 24 '\x7f\xff\xff\xff\xff\xff\xff\xff' bad.qcow2
bad "over 2^63" bad.qcow2
at 24 '\xff\xff\xff\xff\xff\xff\xff\xff' bad.qcow2
bad "over 2^63" bad.qcow2
"$img" convert -O vmdk "$scratch/ide" "$scratch/big.vmdk"
at 12 '\xff\xff\xff\xff\xff\xff\xff\xff' big.vmdk
bad "over 2^63" big.vmdk
"$img" convert -O vmdk -o subformat=monolithicFlat "$scratch/ide" "$scratch/flat.vmdk"
sed -i 's/^RW [0-9]*/RW 18446744073709551615/' "$scratch/flat.vmdk"
bad "over 2^63" flat.vmdk
"$img" convert -O vdi "$scratch/ide" "$scratch/big.vdi"
at 368 '\xff\xff\xff\xff\xff\xff\xff\xff' big.vdi
bad "too few for its size" big.vdi
"$img" create -q -f qcow2 "$qcow2" 1M
truncate -s 100000 "$qcow2"
bad "truncated" bad.qcow2
for format in vmdk vpc vdi; do
    "$img" convert -O $format "$scratch/ide" "$scratch/cut.$format"
    truncate -s 600 "$scratch/cut.$format"
    bad "cut.$format" cut.$format $format
done
"$img" create -q -u -f qcow2 -b loop2 -F qcow2 "$scratch/loop1" 1M
"$img" create -q -u -f qcow2 -b loop1 -F qcow2 "$scratch/loop2" 1M
bad "is based on itself" loop1
"$img" create -q -u -f qcow2 -b self -F qcow2 "$scratch/self" 1M
bad "is based on itself" self
"$img" create -q -u -f qcow2 -b nowhere -F raw "$scratch/lost" 1M
bad "nowhere" lost
"$img" create -q -f qcow2 "$qcow2" 1M
at 8 '\0\0\0\0\0\0\0\x40\0\0\0\4' bad.qcow2 # the name of its backing file: 4 bytes at 64, in the header
bad "bad.qcow2" bad.qcow2

# The holder of a lock is named, in both directions.
"$CALQUE" "${machine[@]}" -S -hda "$raw" --timeout 60 </dev/null >"$scratch/out" 2>&1 &
holder=$!
while ! grep -q lock: /proc/$holder/fdinfo/* 2>/dev/null && kill -0 $holder; do sleep 0.05; done
refused "is in use by process $holder" -hda "$raw" -bios x
"$img" resize -f raw "$raw" 2M >"$scratch/out" 2>&1
[ $? = 1 ] && grep -q "is in use by process $holder" "$scratch/out"
report $? "calque-img names the holder of a disk, too" "$scratch/out"
kill -9 $holder # SIGTERM would press the power button
wait $holder 2>/dev/null
refused "in use by this process" -hda "$raw" -hdb "$raw" -bios x

# ---- requests that fail while the guest runs ----

talk=$BUILD/tests/tools/talk
m=$scratch/qmp
hello='{"execute":"qmp_capabilities"}'
if "$CALQUE" -machine none -qmp null --timeout 0.1 2>&1 </dev/null | grep -q 'not in this build'; then
    skip "I/O errors" "built without jansson"
    finish
fi

# start OPTION...: stopped, in the background, with QMP at $m.
start() {
    timeout -k 2 100 "$CALQUE" "${machine[@]}" -S -qmp "unix:$m,server=on,wait=off" "$@" </dev/null >"$scratch/out" 2>"$scratch/err" &
    pid=$!
    while [ ! -S "$m" ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
}

# says COMMANDS WANTED NAME
says() {
    "$talk" "unix:$m" "$hello$1" "$2" >"$scratch/said"
    report $? "$3" "$scratch/said" "$scratch/err"
}

# ends STATUS NAME
ends() {
    wait $pid
    [ $? = "$1" ]
    report $? "$2" "$scratch/out" "$scratch/err"
}

# The boot sector is not there any more: the guest has nothing to boot.
boot_sector "$scratch/ide" 1
start -drive "file=$raw,format=raw,if=virtio"
: >"$raw"
says '{"execute":"cont"}' '"operation": "read", "action": "report", "nospace": false, "reason": "Input/output error"' \
    "a file that was truncated: BLOCK_IO_ERROR"
says '{"execute":"query-status"}' '"status": "running"' "and the machine runs on"
says '{"execute":"quit"}' '' "until it is told to end"
wait $pid

# With rerror=stop it waits until the file is there again.
boot_sector "$scratch/ide" 1
start -drive "file=$raw,format=raw,rerror=stop"
: >"$raw"
says '{"execute":"cont"}' '"operation": "read", "action": "stop"' "rerror=stop: BLOCK_IO_ERROR"
says '{"execute":"cont"}' '"event": "STOP"' "and whenever it goes on the machine stops"
says '{"execute":"query-status"}' '"status": "io-error"' "query-status says why"
says '{"execute":"query-block"}' '"io-status": "failed"' "query-block says where"
boot_sector "$scratch/ide" 1
says '{"execute":"cont"}' '' "cont"
ends 3 "and the guest has its sector"

# A host file system that is full: MOV AX, 0301h; CX, 0101h; DX, 80h; BX, 7C00h; INT 13h; the status.
full() { # WERROR: sets done and pid
    printf '\xb8\x01\x03\xb9\x01\x01\xba\x80\x00\xbb\x00\x7c\xcd\x13\x88\xe0\xe6\xf4\xf4\xeb\xfd' >"$scratch/full/disk"
    truncate -s 510 "$scratch/full/disk"
    printf '\x55\xaa' >>"$scratch/full/disk"
    truncate -s 16M "$scratch/full/disk"
    cat /dev/zero >"$scratch/full/other" 2>/dev/null
    start -drive "file=$scratch/full/disk,format=raw,werror=$1"
}
mkdir "$scratch/full"
if mount -t tmpfs -o size=1M none "$scratch/full" 2>/dev/null; then
    trap 'umount -l "$scratch/full"; rm -rf "$scratch"' EXIT
    full report
    says '{"execute":"cont"}' '"operation": "write", "action": "report", "nospace": true, "reason": "No space left on device"' \
        "a full disk: BLOCK_IO_ERROR"
    wait $pid
    [ $? != 1 ]
    report $? "the guest is told" "$scratch/err"
    full ignore
    says '{"execute":"cont"}' '"action": "ignore"' "werror=ignore"
    ends 1 "the guest is not told"
    full enospc
    says '{"execute":"cont"}' '"event": "STOP"' "werror=enospc: the machine stops"
    says '{"execute":"query-block"}' '"io-status": "nospace"' "query-block says why"
    rm "$scratch/full/other"
    says '{"execute":"cont"}' '' "cont, with room"
    ends 1 "and the guest has written its sector"
    cmp -n 512 "$scratch/full/disk" <(tail -c +$((16 * 63 * 512 + 1)) "$scratch/full/disk")
    report $? "which is there"
else
    skip "a full disk" "nothing can be mounted here"
fi

finish
