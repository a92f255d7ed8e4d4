#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel with the drivers of every model of network card: an address by DHCP, and a file from
# the host and back with the right digest, 16 MiB or, with LONG=1, 1 GiB, and no ping lost meanwhile.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
names=()
for card in "${network_cards[@]}"; do
    names+=("${card%% *} with Debian's driver")
done

mib=16 patience=400 pings=50
[ "$LONG" != 1 ] || mib=1024 patience=3000 pings=600
net=$scratch/net
mkdir -p "$net" "$scratch/www"
cat >"$net/lease" <<'GUEST'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
echo "lease $ip from $router"
GUEST
# try SIZE PINGS MODULE...: the file, the gateway's answers meanwhile, and what came back of the file.
cat >"$net/try" <<'GUEST'
#!/bin/sh
size=$1 pings=$2
shift 2
for m in "$@"; do
    case $m in */ne) p='io=0x300 irq=3' ;; *) p= ;; esac
    insmod /net/${m##*/}.ko $p
done
ifconfig lo 127.0.0.1
ifconfig eth0 up
udhcpc -q -n -t 20 -T 1 -i eth0 -s /net/lease
echo "address $(cat /sys/class/net/eth0/address)"
ping -q -i 0.1 -c $pings 10.0.2.2 >/tmp/pings &
wget -q -O - http://10.0.2.9/blob | sha256sum
head -c $size /dev/zero | tr '\000' y >/tmp/y
wget -q -O /dev/null --post-file=/tmp/y http://10.0.2.9/ && echo posted
wait
cat /tmp/pings
ifconfig eth0 down
ifconfig eth0 up
n=0 # the link comes when it has been negotiated
until ping -c 1 -W 1 10.0.2.2 >/dev/null; do n=$((n + 1)); [ $n -lt 30 ] || break; done
[ $n = 30 ] || echo "up again"
grep -a eth0 /proc/net/dev
GUEST
chmod 755 "$net"/*
mkdir "$scratch/isa"
cp -r "$net" "$scratch/isa/"
take_modules kernel-amd64 "$net" >/dev/null
use_kernel=kernel-amd64
need_guest "$net"
# A driver for ISA is with the kernels for 32 bits only.
isa_kernel=$(take_modules kernel-686-pae "$scratch/isa/net") &&
    tests/mkinitrd -k kernel-686-pae -o "$scratch/initrd-isa" "$scratch/isa/net" >"$scratch/why" 2>&1 || isa_kernel=

head -c "${mib}M" /dev/urandom >"$scratch/www/blob"
digest=$(sha256sum <"$scratch/www/blob" | cut -d' ' -f1)
posted=$((mib > 64 ? 64 << 20 : mib << 20))
head -c "$posted" /dev/zero | tr '\000' y >"$scratch/y"
# serve FILE: a web server for one request, with what is posted in FILE.
serve() {
    cat <<HOST
#!/bin/bash
read -r method path rest
while read -r line && [ "\${line%\$'\r'}" ]; do
    case \$line in [Cc]ontent-[Ll]ength:*) length=\${line#*: }; length=\${length%\$'\r'} ;; esac
done
if [ "\$method" = POST ]; then
    head -c "\$length" >"$1"
    printf 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'
else
    printf 'HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n' "\$(stat -c %s "$scratch/www/blob")"
    cat "$scratch/www/blob"
fi
HOST
}

# try_card OUTPUT MODEL MODULE...
try_card() {
    local output=$1 model=$2
    local with="$model,netdev=n0,mac=52:54:00:00:00:09" run=$kernel initrd=$scratch/initrd
    shift 2
    [ "$model" != ne2k_isa ] || run=$isa_kernel initrd=$scratch/initrd-isa
    serve "$output.posted" >"$output.serve"
    chmod 755 "$output.serve"
    timeout -k 5 "$patience" "$CALQUE" -kernel "$run" -initrd "$initrd" -no-reboot -m 512 -nographic \
        -netdev "user,id=n0,guestfwd=tcp:10.0.2.9:80-cmd:$output.serve" \
        -device "$with" \
        -append "console=ttyS0 quiet no_timer_check net.ifnames=0 calque.run=\"/net/try $posted $pings $*\"" \
        >"$output" 2>&1 </dev/null
    all_of "$output" 'lease 10.0.2.15 from 10.0.2.2' 'address 52:54:00:00:00:09' "$digest" posted " 0% packet loss" 'up again' &&
        clean "$output" && cmp "$scratch/y" "$output.posted"
}
for ((i = 0; i < ${#network_cards[@]}; i++)); do
    [ -z "$ONLY" ] || [[ ${network_cards[i]} = $ONLY* ]] || continue
    # shellcheck disable=SC2086 # they are words
    if [[ ${network_cards[i]} = ne2k_isa* && -z $isa_kernel ]]; then
        skip "${names[i]}" "the guest for 32 bits cannot be fetched"
    else
        start "${names[i]}" "$scratch/${network_cards[i]%% *}" try_card "$scratch/${network_cards[i]%% *}" ${network_cards[i]}
    fi
done
reports
finish
