#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel on the host's own network is recorded: an address by DHCP, files both ways. The replay
# has neither network nor files: the same output, the same digests.
names=("an address and files over virtio-net" "replayed with the network gone")
. tests/boot/boot.sh
not_with_fast "${names[@]}"
if [ "$(uname -m)" != x86_64 ] || ! "$CALQUE" -netdev help | grep -q ' user '; then
    for name in "${names[@]}"; do skip "$name" "no translator for this host, or no libslirp"; done
    finish
fi
net=$scratch/net
mkdir "$net" "$scratch/www"
modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net)
if image=$(tests/fetch kernel 2>"$scratch/why"); then
    for m in "${modules[@]}"; do
        find "$(dirname "$image")/lib/modules/" -name "$m.ko" -exec cp {} "$net/" \;
    done
fi
cat >"$net/lease" <<'GUEST'
#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet
route add default gw $router
echo "lease $ip from $router"
GUEST
{
    echo "for m in ${modules[*]}; do insmod /net/\$m.ko; done"
    cat <<'GUEST'
ifconfig lo 127.0.0.1
ifconfig eth0 up
udhcpc -q -n -t 20 -T 1 -i eth0 -s /net/lease
tftp -g -r blob -l /tmp/t 10.0.2.2
sha256sum /tmp/t
echo "there $(nc 10.0.2.9 80 </tmp/t)"
ifconfig eth0 | grep bytes
GUEST
} >"$net/go"
chmod 755 "$net"/*
need_guest "$net"

head -c 700001 /dev/urandom >"$scratch/www/blob"
sum=$(sha256sum <"$scratch/www/blob" | cut -d' ' -f1)
timeout -k 5 300 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot -m 256 \
    -append 'console=ttyS0 panic=-1 calque.run="sh /net/go"' \
    -netdev "user,id=n0,tftp=$scratch/www,guestfwd=tcp:10.0.2.9:80-cmd:sha256sum,hostfwd=tcp:127.0.0.1:0-:22" \
    -device virtio-net-pci,netdev=n0 --record "$scratch/rec" -d digest -D "$scratch/digests" \
    >"$scratch/out" 2>"$scratch/err" </dev/null
all_of "$scratch/out" '^lease 10.0.2.15 from 10.0.2.2' "^$sum  /tmp/t" "^there $sum" >"$scratch/why"
report $? "${names[0]}" "$scratch/out" "$scratch/err" "$scratch/why"

rm -r "$scratch/www"
mv "$scratch/out" "$scratch/want"
timeout -k 5 300 "$CALQUE" --replay "$scratch/rec" -d digest -D "$scratch/again" >"$scratch/out" 2>"$scratch/err" </dev/null
{ cmp "$scratch/want" "$scratch/out" && cmp "$scratch/digests" "$scratch/again" && ! [ -s "$scratch/err" ] &&
    [ "$(grep -c ^digest "$scratch/again")" -gt 20 ]; } >"$scratch/why" 2>&1
report $? "${names[1]}" "$scratch/err" "$scratch/why"
finish
