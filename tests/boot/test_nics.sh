#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel with the drivers of every model of network card: an address by DHCP, and a file from
# the host and back with the right digest, 16 MiB or, with LONG=1, 1 GiB.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
# model, the modules of its driver
cards=("e1000 intel/e1000/e1000" "e1000-82545em intel/e1000/e1000"
    "rtl8139 mii realtek/8139cp"
    "ne2k_pci 8390/8390 8390/ne2k-pci")
names=()
for card in "${cards[@]}"; do
    names+=("${card%% *} with Debian's driver")
done

mib=16 patience=400
[ "$LONG" != 1 ] || mib=1024 patience=3000
net=$scratch/net
mkdir -p "$net" "$scratch/www"
if kernel=$(tests/fetch kernel-amd64 2>"$scratch/why"); then
    modules=$(echo "$(dirname "$kernel")"/lib/modules/*/kernel/drivers/net)
    for card in "${cards[@]}"; do
        for module in ${card#* }; do
            cp "$modules/$module.ko" "$modules/ethernet/$module.ko" "$net/" 2>/dev/null
        done
    done
fi
cat >"$net/lease" <<'GUEST'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
echo "lease $ip from $router"
GUEST
# try SIZE MODULE...: the file, and what came back of it.
cat >"$net/try" <<'GUEST'
#!/bin/sh
size=$1
shift
for m in "$@"; do
    insmod /net/${m##*/}.ko
done
ifconfig lo 127.0.0.1
ifconfig eth0 up
udhcpc -q -n -t 20 -T 1 -i eth0 -s /net/lease
echo "address $(cat /sys/class/net/eth0/address)"
wget -q -O - http://10.0.2.9/blob | sha256sum
head -c $size /dev/zero | tr '\000' y >/tmp/y
wget -q -O /dev/null --post-file=/tmp/y http://10.0.2.9/ && echo posted
ifconfig eth0 down
ifconfig eth0 up
n=0 # the link comes when it has been negotiated
until ping -c 1 -W 1 10.0.2.2 >/dev/null; do n=$((n + 1)); [ $n -lt 30 ] || break; done
[ $n = 30 ] || echo "up again"
grep -a eth0 /proc/net/dev
GUEST
chmod 755 "$net"/*
use_kernel=kernel-amd64
need_guest "$net"

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
    shift 2
    serve "$output.posted" >"$output.serve"
    chmod 755 "$output.serve"
    timeout -k 5 "$patience" "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -no-reboot -m 512 -nographic \
        -netdev "user,id=n0,guestfwd=tcp:10.0.2.9:80-cmd:$output.serve" \
        -device "$model,netdev=n0,mac=52:54:00:00:00:09" \
        -append "console=ttyS0 quiet no_timer_check net.ifnames=0 calque.run=\"/net/try $posted $*\"" \
        >"$output" 2>&1 </dev/null
    all_of "$output" 'lease 10.0.2.15 from 10.0.2.2' 'address 52:54:00:00:00:09' "$digest" posted 'up again' &&
        clean "$output" && cmp "$scratch/y" "$output.posted"
}
for ((i = 0; i < ${#cards[@]}; i++)); do
    # shellcheck disable=SC2086 # they are words
    [ -n "$ONLY" ] && [[ ${cards[i]} != $ONLY* ]] || start "${names[i]}" "$scratch/${cards[i]%% *}" \
        try_card "$scratch/${cards[i]%% *}" ${cards[i]}
done
reports
finish
