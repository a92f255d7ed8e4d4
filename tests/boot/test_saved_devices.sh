#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every device of -device help is saved while Linux drives it, and put back in a fresh process: the digest of the
# whole machine is the same, and what the guest does with each device goes on and comes out right. HOPS: how often.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
. tests/moves.sh
hops=${HOPS:-$([ -n "$LONG" ] && echo 10 || echo 2)}

# What drives each device of the list: a load below (how it is called on the serial port), or no load and why.
declare -A driven=(
    [ide-hd]=ide [ide-cd]=ide-cd [VGA]=vga [floppy]=floppy [ahci]=sata [ich9-ahci]=sata-cd [pci-bridge]=virtio-blk
    [virtio-blk-pci]=virtio-blk [e1000]=e1000 [e1000-82545em]=e1000 [ne2k_isa]=ne2k_isa [ne2k_pci]=ne2k_pci [pcnet]=pcnet
    [rtl8139]=pcnet [virtio-net-pci]=ne2k_pci [virtio-tablet-pci]=pointer [virtio-rng-pci]=rng [virtio-serial-pci]=hvc
    [virtio-serial]=hvc [virtconsole]=hvc [virtserialport]=port [virtio-balloon-pci]=balloon [virtio-9p-pci]=9p
    [i6300esb]=watchdog [pvpanic]=pvpanic [pvpanic-pci]=pvpanic-pci [isa-debugcon]=debugcon [isa-parallel]=parallel
    [isa-serial]=serial [pc-testdev]=pc-testdev [pci-testdev]=pci-testdev
    [isa-debug-exit]="no load: what is written to it ends the machine; so does the guest of each machine here, at last"
)

declare -A machine boots
boots[disks]=kernel-amd64
machine[disks]="-m 384 -smp 2 -device VGA -drive if=none,id=hd,format=raw,file=@hd -device ide-hd,drive=hd
    -drive if=none,id=cd,media=cdrom,format=raw,file=@cd -device ide-cd,drive=cd,bus=ide.1
    -drive if=none,id=fd,format=raw,file=@fd -device floppy,drive=fd
    -device ahci,id=ahci -drive if=none,id=sd,format=raw,file=@sd -device ide-hd,drive=sd,bus=ahci.3
    -device pci-bridge,id=b,chassis_nr=1 -drive if=none,id=vd,format=raw,file=@vd -device virtio-blk-pci,drive=vd,bus=b,addr=1
    -fsdev local,id=share,path=@share,security_model=none -device virtio-9p-pci,fsdev=share,mount_tag=host
    -object rng-builtin,id=entropy -device virtio-rng-pci,rng=entropy -device virtio-tablet-pci
    -device virtio-balloon-pci,guest-stats-polling-interval=1 -device i6300esb -action watchdog=poweroff
    -audiodev wav,id=w,path=@wav -machine pcspk-audiodev=w"
boots[ports]=kernel-amd64
machine[ports]="-m 256 -device virtio-serial-pci -chardev file,id=vc,path=@#.hvc -device virtconsole,chardev=vc
    -chardev file,id=vp,path=@#.port -device virtserialport,chardev=vp,name=calque
    -chardev file,id=s,path=@#.serial -device isa-serial,chardev=s
    -chardev file,id=p,path=@#.parallel -device isa-parallel,chardev=p
    -chardev file,id=d,path=@#.debugcon -device isa-debugcon,chardev=d -device pvpanic -device pvpanic-pci
    -device pc-testdev -device pci-testdev -device ich9-ahci,id=ahci
    -drive if=none,id=cd,media=cdrom,format=raw,file=@cd -device ide-cd,drive=cd,bus=ahci.2"
boots[network]=kernel-amd64
machine[network]="-m 256 -smp 2 -device virtio-serial
    -netdev hubport,id=n1,hubid=1 -device e1000,netdev=n1,mac=52:54:00:00:00:01
    -netdev hubport,id=n2,hubid=1 -device e1000-82545em,netdev=n2,mac=52:54:00:00:00:02
    -netdev hubport,id=n3,hubid=2 -device pcnet,netdev=n3,mac=52:54:00:00:00:03
    -netdev hubport,id=n4,hubid=2 -device rtl8139,netdev=n4,mac=52:54:00:00:00:04
    -netdev hubport,id=n5,hubid=3 -device ne2k_pci,netdev=n5,mac=52:54:00:00:00:05
    -netdev hubport,id=n6,hubid=3 -device virtio-net-pci,netdev=n6,mac=52:54:00:00:00:06"
boots[isa]=kernel-686-pae
machine[isa]="-m 256 -netdev hubport,id=n1,hubid=1 -device ne2k_isa,netdev=n1,mac=52:54:00:00:00:01
    -netdev hubport,id=n2,hubid=1 -device e1000,netdev=n2,mac=52:54:00:00:00:02"
order=(disks ports network isa)

# What each guest does; the drivers; those that the machine's own chips have, too.
declare -A loads drivers
loads[disks]="ide ide-cd vga floppy sata virtio-blk 9p rng pointer balloon watchdog beep clocks"
drivers[disks]="bochs ata_piix sd_mod sr_mod +ahci floppy virtio_pci virtio_blk 9pnet_virtio 9p virtio-rng virtio_input
    virtio_balloon i6300esb pcspkr"
loads[ports]="hvc port serial parallel debugcon pvpanic pvpanic-pci pc-testdev pci-testdev sata-cd clocks"
drivers[ports]="virtio_pci virtio_console lp parport_pc ahci sr_mod"
loads[network]="e1000 pcnet ne2k_pci"
drivers[network]="e1000 pcnet32 8139cp ne2k-pci virtio_pci virtio_net"
loads[isa]="ne2k_isa"
drivers[isa]="ne e1000"

# ---- the guest's share ----
load=$scratch/load
mkdir -p "$load"
cat >"$load/go" <<'GUEST'
# go SET: /load/SET.drivers, then what /load/SET.loads says, all at once.
exec 2>/tmp/errors
ifconfig lo 127.0.0.1
while read -r driver; do
    case $driver in
    +*) until [ -e /dev/sda ]; do usleep 50000; done ;; # IDE's disk is sda
    ne) insmod /load/$1/ne.ko io=0x300 irq=3 ;;
    i6300esb) insmod /load/$1/i6300esb.ko heartbeat=60 ;;
    *) insmod /load/$1/$driver.ko || echo "$driver" >>/tmp/missing ;;
    esac
done </load/$1.drivers
head -c 300000 /dev/urandom >/tmp/blob
# turns NAME COMMAND...: again and again; it has to succeed.
turns() {
    local name=$1 n=0
    shift
    while true; do
        "$@" && echo "round $n $name ok" || { echo "round $n $name BAD"; tail -n 3 /tmp/errors | sed "s/^/# /"; sleep 1; }
        n=$((n + 1))
        usleep 50000
    done
}
# disk DEVICE KIB: written and read, past the cache, each time elsewhere.
at=0
disk() {
    local f=/tmp/${1##*/}
    head -c $(($2 * 1024)) /dev/urandom >$f
    at=$(((at + 1) % 8))
    dd if=$f of=$1 bs=$2k seek=$at conv=fsync,notrunc && dd if=$1 of=$f.back bs=$2k skip=$at count=1 iflag=direct && cmp $f $f.back
}
disc() { [ "$(dd if=$1 bs=64k count=32 iflag=direct | md5sum)" = "$(cat /load/disc)" ]; }
screen() {
    head -c 100000 /dev/urandom >/tmp/picture
    at=$(((at + 1) % 8))
    dd if=/tmp/picture of=/dev/fb0 bs=100000 seek=$((20 + at)) && dd if=/dev/fb0 bs=100000 skip=$((20 + at)) count=1 | cmp - /tmp/picture
}
folder() {
    mkdir -p /m/d && cp /tmp/blob /m/d/blob && cmp /tmp/blob /m/d/blob && mv /m/d/blob /m/d/again && ls -l /m/d | grep -q again &&
        rm -r /m/d && [ "$(cat /m/tree/* | md5sum)" = "$(cat /load/tree)" ]
}
entropy() { [ "$(dd if=/dev/hwrng bs=64 count=4 | wc -c)" = 256 ]; }
# What the host does is awaited: a button of its pointer, its balloon.
pointer() { [ "$(dd if=/dev/input/$events bs=24 count=3 | wc -c)" = 72 ]; }
balloon() {
    while grep -E 'balloon_(in|de)flate' /proc/vmstat >/tmp/now && cmp -s /tmp/now /tmp/was; do usleep 100000; done
    mv /tmp/now /tmp/was
}
watchdog() { printf . >&7; }
beep() { printf '\a' >/dev/tty1; }
clocks() {
    local c before after
    for c in hpet acpi_pm tsc; do
        grep -q $c $clock/available_clocksource || continue
        echo $c >$clock/current_clocksource
        before=$(date +%s)
        hwclock -r >/dev/null || return
        after=$(date +%s)
        [ $after -ge $before ] || return
    done
}
clock=/sys/devices/system/clocksource/clocksource0
# count FILE: numbers, of which none may be missing or come twice.
count() {
    local k=0
    while [ $k -lt 20 ]; do
        echo $at >&8 || return
        at=$((at + 1)) k=$((k + 1))
    done
}
digit() { at=$((at + 1)); printf $((at % 10)) | dd of=/dev/port bs=1 seek=233 conv=notrunc; }
byte() { dd if=/dev/port bs=1 skip=$1 count=1 | od -An -tx1; }
panic_port() { [ "$(byte 1285)" = " 03" ]; }
panic_pci() { [ "$(devmem $(pci 0x0011 1) 8)" = 0x03 ]; }
# pci ID LINE: of resource, the beginning.
pci() {
    local d
    for d in /sys/bus/pci/devices/*; do
        [ "$(cat $d/device)" = $1 ] && sed -n "$2s/ .*//p" $d/resource
    done
}
register() {
    at=$((at + 1))
    devmem $((0xff000000 + at % 64 * 4)) 32 $at && [ $(($(devmem $((0xff000000 + at % 64 * 4)) 32))) = $at ] &&
        printf "\\$(printf %o $((at % 256)))" | dd of=/dev/port bs=1 seek=224 conv=notrunc && [ $((0x$(byte 224 | tr -d ' '))) = $((at % 256)) ]
}
# A test is begun; it counts what is written.
counted() {
    local bar n
    bar=$(pci 0x0005 1)
    [ $at = 0 ] && devmem $bar 8 0
    at=$((at + 1))
    devmem $((bar + $(devmem $((bar + 4)) 32))) 8 $(devmem $((bar + 8)) 32)
    [ $(($(devmem $((bar + 12)) 32))) = $at ]
}
card() { grep -l "00:0$1$" /sys/class/net/*/address | cut -d/ -f5; }
# wire N: card 2N is in a namespace of its own; what the other one fetches there has its digest, and back.
wire() {
    local here=$(card $(($1 * 2 - 1))) there=$(card $(($1 * 2))) pid
    ifconfig $here 10.1.$1.1 netmask 255.255.255.0
    unshare -n sh -c "until ifconfig $there 10.1.$1.2 netmask 255.255.255.0; do usleep 50000; done; httpd -h /tmp
        n=0; while true; do wget -q -O /tmp/back$1 http://10.1.$1.1/blob && cmp /tmp/back$1 /tmp/blob &&
        n=\$((n + 1)) && echo \$n >/tmp/backs$1 || { echo round 0 back$1 BAD; sleep 1; }; usleep 50000; done" &
    pid=$!
    usleep 200000
    ip link set $there netns $pid
    rm -f /tmp/backs$1
    until [ -s /tmp/backs$1 ]; do usleep 50000; done
}
fetched() {
    local was=$(cat /tmp/backs$1)
    wget -q -O /tmp/here$1 http://10.1.$1.2/blob && cmp /tmp/here$1 /tmp/blob || return
    until [ "$(cat /tmp/backs$1)" != "$was" ]; do usleep 50000; done
}
begin() {
    case $1 in
    ide) turns ide disk /dev/sda 256 ;;
    ide-cd | sata-cd) turns $1 disc /dev/sr0 ;;
    vga) turns vga screen ;;
    floppy) turns floppy disk /dev/fd0 9 ;;
    sata) turns sata disk /dev/sdb 256 ;;
    virtio-blk) turns virtio-blk disk /dev/vda 256 ;;
    9p) mkdir /m; mount -t 9p -o trans=virtio,version=9p2000.L host /m; turns 9p folder ;;
    rng) turns rng entropy ;;
    pointer) events=$(grep -l 'QEMU Virtio Tablet\|[Tt]ablet' /sys/class/input/event*/device/name | cut -d/ -f5); turns pointer pointer ;;
    balloon) turns balloon balloon ;;
    watchdog) exec 7>/dev/watchdog; turns watchdog watchdog ;;
    beep) turns beep beep ;;
    clocks) turns clocks clocks ;;
    hvc) stty raw </dev/hvc0; exec 8>/dev/hvc0; turns hvc count ;;
    port) exec 8>/dev/vport*p[1-9]; turns port count ;;
    serial) stty raw </dev/ttyS1; exec 8>/dev/ttyS1; turns serial count ;;
    parallel) exec 8>/dev/lp0; turns parallel count ;;
    debugcon) turns debugcon digit ;;
    pvpanic) turns pvpanic panic_port ;;
    pvpanic-pci) turns pvpanic-pci panic_pci ;;
    pc-testdev) turns pc-testdev register ;;
    pci-testdev) turns pci-testdev counted ;;
    e1000 | ne2k_isa) wire 1; turns $1 fetched 1 ;;
    pcnet) wire 2; turns pcnet fetched 2 ;;
    ne2k_pci) wire 3; turns ne2k_pci fetched 3 ;;
    esac
}
[ ! -e /tmp/missing ] || sed 's/^/BAD: no driver /' /tmp/missing
printf '#!/bin/sh\nprintf "!" | dd of=/dev/port bs=1 seek=244 conv=notrunc\n' >/etc/acpi/power
httpd -h /tmp
dmesg -c >/dev/null
for one in $(cat /load/$1.loads); do begin $one & done
while sleep 1; do
    dmesg -c | grep -E 'I/O error|[Tt]imed out|timeout|BUG:|WARNING:|Call Trace|lockup|stall|hard reset|unstable' && echo complained
done
GUEST

# take FOLDER MODULE: it is there, after those that it needs, which are put into the list.
take() {
    local to=$1 name=${2#+} file need
    file=$(find "$modules" -name "${name//_/[-_]}.ko" | head -n 1)
    [ -n "$file" ] || { echo "no module $name"; return; }
    [ ! -e "$to/$name.ko" ] || return
    for need in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',' ' '); do
        take "$to" "$need"
    done
    cp "$file" "$to/$name.ko"
    echo "$name" >>"$to.drivers"
}
declare -A kernels
fetched=0
for set in "${order[@]}"; do
    kernels[$set]=$(tests/fetch "${boots[$set]}" 2>"$scratch/why") || { fetched=1 && break; }
    modules=$(echo "$(dirname "${kernels[$set]}")"/lib/modules/*)
    mkdir -p "$load/$set"
    for name in ${drivers[$set]}; do
        [ "$name" = "${name#+}" ] || echo + >>"$load/$set.drivers"
        take "$load/$set" "$name"
    done
    echo "${loads[$set]}" >"$load/$set.loads"
done
for set in "${order[@]}"; do
    names+=("$set: every load works" "$set: saved $hops times, the digest is the same in a fresh process" "$set: every load goes on"
        "$set: it ends as it should, nothing was bad, nothing is missing")
done
use_kernel=kernel-amd64
[ $fetched = 0 ] || use_kernel=none
head -c 2M /dev/urandom >"$scratch/cd"
md5sum <"$scratch/cd" >"$load/disc"
mkdir -p "$scratch/share/tree"
for ((i = 0; i < 20; i++)); do head -c $((i * 1000)) /dev/urandom >"$scratch/share/tree/$i"; done
cat "$scratch"/share/tree/* | md5sum >"$load/tree"
truncate -s 8M "$scratch/hd" "$scratch/sd" "$scratch/vd"
truncate -s 1440k "$scratch/fd"
need_guest "$load"
mv "$scratch/initrd" "$scratch/initrd-amd64"
use_kernel=kernel-686-pae need_guest "$load"
mv "$scratch/initrd" "$scratch/initrd-686-pae"

# start SET N OPTION...
start() {
    local set=$1 i=$2 options
    shift 2
    options=${machine[$set]//@/$scratch/}
    read -r -d '' -a options <<<"${options//#/$i}"
    launch "$i" -nodefaults -kernel "${kernels[$set]}" -initrd "$scratch/initrd-${boots[$set]#kernel-}" -no-reboot -timeout 900 \
        -append "console=ttyS0 no_timer_check quiet calque.run=\"sh /load/go $set\"" -serial "file:$scratch/serial$i" \
        -device isa-debug-exit,iobase=0xf4 -qmp "unix:$scratch/q$i,server=on,wait=off" "${options[@]}" "$@"
}
# What the host does for two of the loads. A tablet has buttons once its pointer is somewhere.
nudge() {
    [ "$1" = disks ] || return
    [ -e "$scratch/placed" ] || "$talk" "unix:$scratch/q$2" '{"execute":"qmp_capabilities"}{"execute":"input-send-event","arguments":
        {"events":[{"type":"abs","data":{"axis":"x","value":1000}}]}}' '{"return": {}}' && touch "$scratch/placed"
    ask "$2" "mouse_button 1" "mouse_button 0" "balloon $((300 + RANDOM % 80))"
}
# all_go_on SET N: every load gets through a round there, after its first line.
all_go_on() {
    local k name
    for name in ${loads[$1]}; do
        for ((k = 0; k < 600; k++)); do
            grep -q -a "^round [0-9]* $name ok" "$scratch/serial$2" && continue 2
            kill -0 "${pids[$2]}" || break
            nudge "$1" "$2"
            sleep 0.2
        done
        echo "$name does not go on"
        return 1
    done
} 2>/dev/null
# hop SET N: from machine N to N + 1.
hop() {
    local want
    nudge "$1" "$2"
    ask "$2" stop
    want=$(digest "$2")
    ask "$2" "migrate file:$scratch/saved"
    same "$(digest "$2")" "$want" || return
    stop "$2"
    start "$1" $(($2 + 1)) -S -incoming "file:$scratch/saved"
    same "$(digest $(($2 + 1)))" "$want" || return
    ask $(($2 + 1)) cont
    return 0
}
# in_sequence FILE...: the numbers that count() has written, whichever process they came out of.
in_sequence() { cat "$@" | tr -d '\r' | awk '$0 != NR - 1 { print FILENAME, NR, $0; exit 1 }'; }
# Everything that came out of the processes of a set.
is_whole() {
    local first=$1 last=$2 name files
    for name in hvc port serial parallel; do
        files=$(seq -f "$scratch/%g.$name" "$first" "$last")
        # shellcheck disable=SC2086 # they are words
        in_sequence $files || { echo "$name has lost something"; return 1; }
    done
    seq -f "$scratch/%g.debugcon" "$first" "$last" | xargs cat | fold -w 1 | awk '$0 != NR % 10 { exit 1 }' || { echo debugcon; return 1; }
}

at=0
for set in "${order[@]}"; do
    [ -z "$ONLY" ] || [ "$ONLY" = "$set" ] || continue
    first=$((at + 1)) at=$((at + 1))
    start "$set" $at
    all_go_on "$set" $at >"$scratch/said"
    report $? "$set: every load works" "$scratch/said" "$scratch/serial$at" "$scratch/err$at"
    same=0 on=0
    for ((i = 0; i < hops && same == 0 && on == 0; i++)); do
        hop "$set" $at >"$scratch/said" || same=1
        at=$((at + 1))
        [ $same != 0 ] || all_go_on "$set" $at >>"$scratch/said" || on=1
    done
    report $same "$set: saved $hops times, the digest is the same in a fresh process" "$scratch/said" "$scratch/err$at"
    report $on "$set: every load goes on" "$scratch/said" "$scratch/serial$at" "$scratch/err$at"
    ask $at system_powerdown
    wait ${pids[$at]}
    [ $? = 67 ] && ! seq -f "$scratch/serial%g" $first $at | xargs grep -a -h -e BAD -e complained >"$scratch/said" &&
        { [ "$set" != ports ] || is_whole $first $at >"$scratch/said"; }
    report $? "$set: it ends as it should, nothing was bad, nothing is missing" "$scratch/said" "$scratch/serial$at" "$scratch/err$at"
done

# Nobody is left out.
"$CALQUE" -device help | awk 'NR > 1 { print $1 }' >"$scratch/list"
while read -r device; do
    case ${driven[$device]} in
    "") echo "$device: no load" ;;
    "no load"*) continue ;;
    *) [[ " ${loads[*]} " == *" ${driven[$device]} "* ]] || echo "$device: its load is in no machine" ;;
    esac
    [[ " ${machine[*]//[,[:space:]]/ } " == *" $device "* ]] || echo "$device: in no machine"
done <"$scratch/list" >"$scratch/why"
[ ! -s "$scratch/why" ] && [ "$(wc -l <"$scratch/list")" -gt 20 ]
report $? "every device of -device help is in a machine and has a load" "$scratch/why"
finish
