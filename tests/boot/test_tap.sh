#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tap interface of a network namespace of our own, without privileges: pings at 10 Hz, and 20 MB each
# way with the right digest, in segments that neither kernel has cut.
# shellcheck disable=SC2154 # names set by what is sourced
if [ "$1" != inside ]; then
    . tests/boot/boot.sh
    names=("no ping to the host is lost" "from the host to the guest" "from the guest to the host")
    why=$(unshare -rn ip tuntap add dev tap0 mode tap 2>&1) || {
        for name in "${names[@]}"; do
            skip "$name" "no network namespace with a tap: $why"
        done
        finish
    }
    net=$scratch/net
    mkdir "$net"
    if kernel=$(tests/fetch kernel 2>"$scratch/why"); then
        for module in $virtio_net; do
            cp "$(dirname "$kernel")"/lib/modules/*/kernel/"$module.ko" "$net/"
        done
    fi
    {
        echo '#!/bin/sh'
        for module in $virtio_net; do
            echo "insmod /net/${module##*/}.ko"
        done
        cat <<'GUEST'
ifconfig lo 127.0.0.1
ifconfig eth0 192.168.7.2 up
ping -q -i 0.1 -c 50 192.168.7.1
echo "ready to hear"
nc -l -p 99 </dev/null | sha256sum
echo "ready to tell"
head -c 20000000 /dev/zero | tr '\000' y | nc -l -p 100 >/dev/null
echo "told"
GUEST
    } >"$net/try"
    chmod 755 "$net/try"
    need_guest "$net"
    head -c 20000000 /dev/urandom >"$scratch/blob"
    unshare -rn bash "$0" inside "$scratch" "$kernel" >"$scratch/inside" 2>&1
    all_of "$scratch/out" '50 packets received, 0% packet loss' && clean "$scratch/out"
    report $? "${names[0]}" "$scratch/out" "$scratch/inside"
    all_of "$scratch/out" "$(sha256sum <"$scratch/blob" | cut -d' ' -f1)"
    report $? "${names[1]}" "$scratch/out" "$scratch/inside"
    cmp "$scratch/told" <(head -c 20000000 /dev/zero | tr '\000' y) && all_of "$scratch/out" '^told'
    report $? "${names[2]}" "$scratch/out" "$scratch/inside"
    finish
fi

# The host's end of it: inside FOLDER KERNEL.
scratch=$2
ip tuntap add dev tap0 mode tap && ip addr add 192.168.7.1/24 dev tap0 && ip link set tap0 up || exit 1
timeout -k 5 200 "$CALQUE" -kernel "$3" -initrd "$scratch/initrd" -no-reboot -m 256 -nographic \
    -nic tap,ifname=tap0,script=no,downscript=no,model=virtio-net-pci \
    -append 'console=ttyS0 quiet no_timer_check calque.run=/net/try' >"$scratch/out" 2>&1 </dev/null &
machine=$!
# said TEXT: waits until the guest has, or is gone.
said() {
    until grep -q -a "$1" "$scratch/out"; do
        kill -0 $machine || return 1
        sleep 0.2
    done
}
# reached PORT: a connection is file 3; the guest may not listen yet.
reached() {
    local n
    for ((n = 0; n < 50; n++)); do
        exec 3<>"/dev/tcp/192.168.7.2/$1" && return
        sleep 0.2
    done
    return 1
} 2>/dev/null
said 'ready to hear' && reached 99 && cat "$scratch/blob" >&3
exec 3>&-
said 'ready to tell' && reached 100 && cat <&3 >"$scratch/told"
exec 3>&-
wait $machine
