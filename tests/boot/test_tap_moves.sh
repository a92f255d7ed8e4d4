#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A busy guest moves from one process to another and on to the next while the host pings it ten times a
# second, over taps on a bridge in a network namespace of our own, without privileges: no ping is lost.
# Arguments name models of cards; 256 MiB and three moves, or, with LONG=1, every model of PCI, 1 GiB and
# ten moves.
# shellcheck disable=SC2154 # names set by what is sourced
talk=$BUILD/tests/tools/talk
if [ "$1" != inside ]; then
    mib=256 moves=3
    models=("$@")
    [ $# -gt 0 ] || models=(virtio-net-pci e1000)
    . tests/boot/boot.sh
    if [ "$LONG" = 1 ]; then
        mib=1024 moves=10
        [ $# -gt 0 ] || models=(virtio-net-pci e1000 e1000-82545em rtl8139 pcnet ne2k_pci)
    fi
    names=()
    for model in "${models[@]}"; do names+=("$model: no ping is lost"); done
    why=$(unshare -rn ip link add br0 type bridge 2>&1 && unshare -rn ip tuntap add dev tap0 mode tap 2>&1) || {
        for name in "${names[@]}"; do skip "$name" "no network namespace with a bridge and taps: $why"; done
        finish
    }
    net=$scratch/net
    mkdir "$net"
    take_modules kernel-amd64 "$net" >/dev/null
    cat >"$net/try" <<'GUEST'
#!/bin/sh
for m in "$@"; do insmod /net/${m##*/}.ko; done
ifconfig eth0 192.168.7.2 up
dd if=/dev/urandom of=/tmp/noise bs=1M count=8 2>/dev/null
want=$(md5sum </tmp/noise)
echo serving
while true; do # memory changes as long as it runs
    cat /tmp/noise /tmp/noise /tmp/noise /tmp/noise >/tmp/copy
    [ "$(head -c 8388608 /tmp/copy | md5sum)" = "$want" ] && echo round || echo BAD
done
GUEST
    chmod 755 "$net/try"
    use_kernel=kernel-amd64
    need_guest "$net"
    busybox=$(tests/fetch busybox)
    for model in "${models[@]}"; do
        for card in "${network_cards[@]}"; do
            [ "${card%% *}" = "$model" ] || continue
            unshare -rn bash "$0" inside "$scratch" "$busybox" "$kernel" $mib $moves "$model" "${card#* }" >"$scratch/inside" 2>&1
            report $? "$model: no ping is lost" "$scratch/inside" "$scratch/out" "$scratch"/serial?
            echo "# $model: $(tr '\n' ' ' <"$scratch/downtimes")"
        done
    done
    finish
fi

# inside FOLDER BUSYBOX KERNEL MIB MOVES MODEL MODULES
scratch=$2 busybox=$3 kernel=$4 mib=$5 moves=$6 model=$7 modules=$8
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
ip link add br0 type bridge && ip addr add 192.168.7.1/24 dev br0 && ip link set br0 up || exit 1
for tap in tap0 tap1; do
    ip tuntap add dev $tap mode tap && ip link set $tap master br0 && ip link set $tap up || exit 1
done
pids=()
ping=
trap 'kill -9 "${pids[@]}" $ping 2>/dev/null' EXIT

# machine N OPTION...: it has a tap, a serial port and a monitor of that number.
machine() {
    local i=$1
    shift
    rm -f "$scratch/monitor$i" "$scratch/serial$i"
    "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -no-reboot -m "$mib" -nodefaults -display none \
        -append "console=ttyS0 quiet no_timer_check net.ifnames=0 calque.run=\"/net/try $modules\"" \
        -netdev "tap,id=n0,ifname=tap$i,script=no,downscript=no" -device "$model,netdev=n0,mac=52:54:00:00:00:09" \
        -serial "file:$scratch/serial$i" -monitor "unix:$scratch/monitor$i,server=on,wait=off" -timeout 3000 \
        "$@" >>"$scratch/out" 2>&1 </dev/null &
    pids[i]=$!
    until [ -S "$scratch/monitor$i" ] || ! kill -0 "${pids[i]}"; do sleep 0.05; done
}
# rounds N: how many the guest has done since it is there
rounds() { grep -a -c '^round' "$scratch/serial$1"; }
# works N: it does another one
works() {
    local i before
    before=$(rounds "$1")
    for ((i = 0; i < 300; i++)); do
        [ "$(rounds "$1")" -le "$before" ] || return 0
        sleep 0.1
    done
    return 1
}

: >"$scratch/out"
: >"$scratch/downtimes"
machine 0
until grep -q -a serving "$scratch/serial0" || ! kill -0 "${pids[0]}"; do sleep 0.2; done
"$busybox" ping -c 3 192.168.7.2 || exit 1
"$busybox" ping -i 0.1 192.168.7.2 >"$scratch/pings" &
ping=$!
for ((move = 0; move < moves; move++)); do
    from=$((move % 2)) to=$(((move + 1) % 2))
    works $from || exit 1
    rm -f "$scratch/way"
    machine $to -incoming "unix:$scratch/way"
    until [ -S "$scratch/way" ] || ! kill -0 "${pids[to]}"; do sleep 0.05; done
    timeout 300 "$talk" -v "unix:$scratch/monitor$from" $'migrate unix:'"$scratch/way"$'\ninfo migrate\nprint/d 424242\n' 424242 \
        >"$scratch/said" 2>&1
    grep -q 'status: completed' "$scratch/said" || { cat "$scratch/said"; exit 1; }
    sed -n 's/.*downtime: /downtime /p' "$scratch/said" | tr -d '\r' >>"$scratch/downtimes"
    works $to || exit 1
    kill -9 "${pids[from]}"
    wait "${pids[from]}"
done
kill -INT $ping
wait $ping
tail -n 3 "$scratch/pings"
cat "$scratch/downtimes"
! grep -a BAD "$scratch"/serial? && grep ' 0% packet loss' "$scratch/pings" && ! grep -i dup "$scratch/pings"
