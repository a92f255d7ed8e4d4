#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# CONNECTIONS (10,000) short connections over a port of the host to a guest's web server, one after
# the other, and none that fails.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
names=("short connections over hostfwd")
connections=${CONNECTIONS:-10000}
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
ifconfig eth0 10.0.2.15 up
mkdir /tmp/www
echo "the guest's file" >/tmp/www/file
httpd -h /tmp/www
echo serving
nc -l -p 99 </dev/null
GUEST
} >"$net/try"
chmod 755 "$net/try"
need_guest "$net"
port=$((20000 + RANDOM % 10000))
timeout -k 5 3000 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -no-reboot -m 256 -nographic \
    -nic "user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:$port-:80,hostfwd=tcp:127.0.0.1:$((port + 1))-:99" \
    -append 'console=ttyS0 quiet no_timer_check calque.run=/net/try' >"$scratch/out" 2>&1 </dev/null &
machine=$!
until grep -q -a serving "$scratch/out" || ! kill -0 $machine; do sleep 0.2; done
wrong=0
for ((i = 0; i < connections; i++)); do
    got=
    if exec 3<>"/dev/tcp/127.0.0.1/$port"; then
        printf 'GET /file HTTP/1.0\r\n\r\n' >&3
        while read -r -t 30 -u 3 line; do got=$line; done
        exec 3>&-
    fi
    [ "$got" = "the guest's file" ] || {
        wrong=$((wrong + 1))
        echo "connection $i: $got"
        kill -0 $machine || break
    }
done >"$scratch/wrong" 2>&1
echo end >"/dev/tcp/127.0.0.1/$((port + 1))"
wait $machine
[ $? = 0 ] && [ $wrong = 0 ] && [ "$i" = "$connections" ] && clean "$scratch/out"
report $? "$connections ${names[0]}" "$scratch/wrong" "$scratch/out"
finish
