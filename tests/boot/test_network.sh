#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel on a network: an address by DHCP, files by TFTP and HTTP with the right digest,
# a port of the host that leads to the guest, two machines joined by sockets and by a hub, the cable.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
# ONLY
names=("DHCP gives an address, name and boot file" "a file comes by TFTP" "a file comes by HTTP, and goes by it"
    "a guestfwd leads to a program" "a port of the host leads to the guest" "set_link pulls the cable"
    "info network shows the traffic" "the capture has the frames" "several pairs of queues, modern only"
    "two machines on a stream" "two machines on a datagram socket" "two machines on a multicast group")

net=$scratch/net
mkdir -p "$net" "$scratch/www"
if kernel=$(tests/fetch kernel 2>"$scratch/why"); then
    modules=$(echo "$(dirname "$kernel")"/lib/modules/*/kernel)
    order="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
        drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci net/core/failover drivers/net/net_failover
        drivers/net/virtio_net"
    for module in $order; do
        cp "$modules/$module.ko" "$net/"
    done
fi
cat >"$net/lease" <<'GUEST'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
echo "lease $ip from $router, dns $dns, name $hostname, file $boot_file, domain $search"
GUEST
# load: the card's driver; up: and an address; pair MY OTHER: a machine on a network of two.
cat >"$net/load" <<'GUEST'
#!/bin/sh
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
    insmod /net/$m.ko
done
ifconfig lo 127.0.0.1
GUEST
cat >"$net/up" <<'GUEST'
#!/bin/sh
/net/load
ifconfig eth0 up
udhcpc -q -n -t 20 -T 1 -i eth0 -s /net/lease
GUEST
cat >"$net/pair" <<'GUEST'
#!/bin/sh
/net/load
if [ $1 = 1 ]; then # serves before it can be reached
    dd if=/dev/zero bs=1000 count=5000 2>/dev/null | tr '\000' x >/tmp/file
    httpd -h /tmp
fi
ifconfig eth0 192.168.9.$1 up
if [ $1 = 1 ]; then
    nc -l -p 99 && echo "the other is done"
else
    n=0
    until ping -c 1 -W 1 192.168.9.1 >/dev/null; do n=$((n + 1)); [ $n -lt 60 ] || break; done
    wget -q -O /tmp/got http://192.168.9.1/file
    sha256sum /tmp/got
    sleep 1
    echo done | nc 192.168.9.1 99
fi
GUEST
chmod 755 "$net"/*
need_guest "$net"

head -c 3000001 /dev/urandom >"$scratch/www/blob"
digest=$(sha256sum <"$scratch/www/blob" | cut -d' ' -f1)
xs=$(head -c 5000000 /dev/zero | tr '\000' x | sha256sum | cut -d' ' -f1)
guest=("$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -no-reboot -m 256)

# What the host serves: the file of the first request's path, over and over. A shell command that
# libslirp runs for each connection to 10.0.2.9:80.
cat >"$scratch/serve" <<HOST
#!/bin/bash
read -r method path rest
while read -r line && [ "\${line%\$'\r'}" ]; do
    case \$line in [Cc]ontent-[Ll]ength:*) length=\${line#*: }; length=\${length%\$'\r'} ;; esac
done
if [ "\$method" = POST ]; then
    head -c "\$length" >"$scratch/posted"
    printf 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'
else
    printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' "\$(stat -c %s "$scratch/www/blob")"
    cat "$scratch/www/blob"
fi
HOST
chmod 755 "$scratch/serve"

# One guest does all that one can do alone.
port=$((20000 + RANDOM % 10000))
"$BUILD/tests/tools/pty" "${guest[@]}" -append 'console=ttyS0 quiet no_timer_check' -nographic \
    -netdev "user,id=n0,tftp=$scratch/www,bootfile=/blob,hostname=penguin,domainname=zoo.example,net=10.0.2.0/24,guestfwd=tcp:10.0.2.9:80-cmd:$scratch/serve" \
    -device virtio-net-pci,netdev=n0,id=nic -object "filter-dump,id=d,netdev=n0,file=$scratch/pcap" >"$scratch/user" < <(sed "s/HOSTPORT/$port/; s/DIGEST/$digest/" <<'STEPS'
want 100 Calque guest ready
want 20 /root #
send /net/up\n
want 40 lease 10.0.2.15 from 10.0.2.2, dns 10.0.2.3, name penguin, file /blob, domain
want 20 /root #
send tftp -g -r blob -l /tmp/t 10.0.2.2; sha256sum /tmp/t\n
want 40 DIGEST  /tmp/t
want 20 /root #
send wget -q -O /tmp/h http://10.0.2.9/blob; sha256sum /tmp/h\n
want 40 DIGEST  /tmp/h
want 20 /root #
send seq 1 100000 >/tmp/p; wget -q -O /dev/null --post-file=/tmp/p http://10.0.2.9/; echo po''sted $?\n
want 40 posted 0
want 20 /root #
send \x01c
want 5 (calque)
send hostfwd_add tcp:127.0.0.1:HOSTPORT-:80\r
want 5 (calque)
send info usernet\r
want 5 HOST_FORWARD
want 5 (calque)
send \x01c
send nc -l -p 80 </tmp/h >/dev/null; echo ser''ved\n
want 80 served
send \x01c
want 5 (calque)
send set_link nic off\r
want 5 (calque)
send \x01c
send sleep 1; cat /sys/class/net/eth0/carrier | sed 's/^/carrier /'\n
want 20 carrier 0
send \x01c
want 5 (calque)
send set_link nic on\r
want 5 (calque)
send info network\r
want 5 nic: type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56,link=up
want 5 n0: type=user,net=10.0.2.0,restrict=off
send \x01c
send sleep 1; cat /sys/class/net/eth0/carrier | sed 's/^/carrier /'\n
want 20 carrier 1
send poweroff -f\n
want 30 Power down
status 0 10
cooked
STEPS
) &
user=$!
for ((i = 0; i < 1200; i++)); do
    if exec 3<>"/dev/tcp/127.0.0.1/$port"; then
        fetched=$(timeout 20 head -c 3000001 <&3 | sha256sum | cut -d' ' -f1)
        exec 3>&-
        [ "$fetched" != "$digest" ] || break
    fi 2>/dev/null
    kill -0 $user 2>/dev/null || break
    sleep 0.1
done
wait $user
status=$?
# seen NAME PATTERN: all went well, or it came as far as that.
seen() {
    [ $status = 0 ] || all_of "$scratch/user" "$2"
    report $? "$1" "$scratch/user"
}
seen "${names[0]}" 'lease 10.0.2.15 from 10.0.2.2, dns 10.0.2.3, name penguin, file /blob, domain'
seen "${names[1]}" "$digest  /tmp/t"
seen "${names[2]}" "$digest  /tmp/h"
[ $status = 0 ] && cmp "$scratch/posted" <(seq 1 100000)
report $? "${names[3]}"
[ "$fetched" = "$digest" ]
report $? "${names[4]}"
seen "${names[5]}" 'carrier 1'
seen "${names[6]}" 'n0: type=user'
[ "$(head -c 4 "$scratch/pcap" | od -An -tx4 | tr -d ' ')" = a1b2c3d4 ] && grep -a -q penguin "$scratch/pcap" &&
    [ "$(stat -c %s "$scratch/pcap")" -gt 6000000 ]
report $? "${names[7]}"

timeout -k 5 120 "${guest[@]}" -nographic -smp 2 -netdev user,id=n0 \
    -device virtio-net-pci,netdev=n0,mq=on,queues=2,disable-legacy=on,mac=52:54:00:00:00:07 \
    -append 'console=ttyS0 quiet no_timer_check calque.run="/net/up; ls -d /sys/class/net/eth0/queues/*; cat /sys/class/net/eth0/address"' \
    >"$scratch/queues" 2>&1 </dev/null
all_of "$scratch/queues" 'lease 10.0.2.15' queues/rx-1 queues/tx-1 '52:54:00:00:00:07'
report $? "${names[8]}" "$scratch/queues"

# pair TEST NAME SPEC SPEC: two machines, the second of which fetches a file from the first.
pair() {
    local first
    timeout -k 5 150 "${guest[@]}" -nographic -nic "$3,model=virtio" -append 'console=ttyS0 quiet no_timer_check calque.run="/net/pair 1"' >"$scratch/$1.1" 2>&1 </dev/null &
    first=$!
    sleep 0.5
    timeout -k 5 150 "${guest[@]}" -nographic -nic "$4,model=virtio,mac=52:54:00:12:34:57" -append 'console=ttyS0 quiet no_timer_check calque.run="/net/pair 2"' >"$scratch/$1.2" 2>&1 </dev/null
    wait $first
    all_of "$scratch/$1.2" "$xs  /tmp/got" && all_of "$scratch/$1.1" 'the other is done'
    report $? "$2" "$scratch/$1.2"
}
pair stream "${names[9]}" "stream,server=on,addr.type=unix,addr.path=$scratch/socket" \
    "stream,addr.type=unix,addr.path=$scratch/socket"
pair dgram "${names[10]}" "dgram,local.type=unix,local.path=$scratch/a,remote.type=unix,remote.path=$scratch/b" \
    "dgram,local.type=unix,local.path=$scratch/b,remote.type=unix,remote.path=$scratch/a"
group=230.0.0.$((RANDOM % 250 + 1)):$((20000 + RANDOM % 10000))
pair mcast "${names[11]}" "socket,mcast=$group,localaddr=127.0.0.1" "socket,mcast=$group,localaddr=127.0.0.1"
finish
