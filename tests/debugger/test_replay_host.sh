#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A replay leaves the host alone: what a recording has from networks, sockets and terminals comes from
# the log. Here everything is taken, by a machine that waits with the same options, and by another replay
# that stands at the beginning.
. tests/cli/session.sh
guest=("$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" -device isa-debug-exit,iobase=0xf4,iosize=1 --timeout 600 -display none)

network="socket,id=n0,listen=127.0.0.1:PORT" # where there is no libslirp
! "$CALQUE" -netdev help | grep -q ' user ' || network="user,id=n0,hostfwd=tcp:127.0.0.1:PORT-:22"

# machine PORT: the options of what is recorded, at four ports from PORT on.
machine() {
    local port=$1
    options=(-m 32 -serial stdio -serial "tcp:127.0.0.1:$port,server,nowait"
        -chardev "socket,id=a,,b,path=$scratch/a,server=on,wait=off" -device isa-debugcon,iobase=0x402,chardev=a,,b
        -chardev "pty,id=p" -parallel chardev:p -parallel "unix:$scratch/b,server,nowait"
        -netdev "${network//PORT/$((port + 1))}"
        -device virtio-net-pci,netdev=n0 -object "filter-dump,id=d,netdev=n0,file=$scratch/pcap"
        -nic "stream,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port=$((port + 2))" -net nic -net "socket,listen=127.0.0.1:$((port + 3))"
        -audiodev "wav,id=s,path=$scratch/wav" -machine pcspk-audiodev=s
        -drive "file=$scratch/disk,format=raw,if=virtio" -object memory-backend-ram,id=m,size=32M)
}

# record: Hello.
record() {
    local try
    for ((try = 0; try < 20; try++)); do
        machine $((20000 + RANDOM % 20000))
        printf 'Hello.' | "${guest[@]}" "${options[@]}" --record "$scratch/rec" >"$scratch/out" 2>"$scratch/err"
        [ $? != 33 ] || return 0
        grep -q 'in use' "$scratch/err" || return 1
    done
    return 1
}

same() { cmp "$scratch/out" "$scratch/again" && ! [ -s "$scratch/err2" ]; }
replay() { "$CALQUE" --replay "$scratch/rec" "$@" >"$scratch/again" 2>"$scratch/err2" </dev/null; }

head -c 1048576 /dev/zero >"$scratch/disk"
record && grep -q hELLO "$scratch/out"
report $? "a machine with connections of all kinds is recorded"
cp "$scratch/out" "$scratch/want"
md5sum "$scratch/disk" "$scratch/pcap" "$scratch/wav" >"$scratch/sums"
shown=("$scratch/err2" "$scratch/again")
replay
report $([ $? = 33 ] && same; echo $?) "it is replayed"
rm -f "$scratch/disk" "$scratch/a" "$scratch/b"
replay -accel interp
report $([ $? = 33 ] && same && ! [ -e "$scratch/a" ] && ! [ -e "$scratch/b" ]; echo $?) "without its disk, and no sockets are made"
head -c 1048576 /dev/zero >"$scratch/disk"

# Everything is taken: by the machine itself, which keeps its files to itself, and by a replay.
"${guest[@]}" "${options[@]/\/wav/\/wav2}" -snapshot -S >"$scratch/held" 2>&1 </dev/null &
pid=$!
until_so [ -S "$scratch/b" ]
report $? "the machine that holds the ports has them"
md5sum "$scratch/disk" "$scratch/pcap" "$scratch/wav" >"$scratch/sums"
mkfifo "$scratch/prompt"
"$CALQUE" --replay "$scratch/rec" --debug <"$scratch/prompt" >"$scratch/standing" 2>&1 &
first=$!
exec 3>"$scratch/prompt"
until_so grep -q '=> ' "$scratch/standing"
report $? "a replay beside it stands at the beginning"
replay
report $([ $? = 33 ] && same; echo $?) "and another beside that one gets to the end"
exec 3>&-
wait $first
kill -HUP $pid # ends at once
wait $pid 2>/dev/null
pid=
md5sum --check --quiet "$scratch/sums"
report $? "files that a machine writes were not touched"
finish
