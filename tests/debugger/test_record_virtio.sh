#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel with entropy, a console, a channel and a balloon of the host is recorded while they
# are used. The replay has none of them: the same output, the same digests. A shared folder, which may
# change behind the machine's back, is refused by name.
names=("entropy, a console, a channel and a balloon" "replayed without them" "a shared folder is refused by name")
. tests/boot/boot.sh
not_with_fast "${names[@]}"
if [ "$(uname -m)" != x86_64 ]; then
    for name in "${names[@]}"; do skip "$name" "no translator for this host"; done
    finish
fi
virt=$scratch/virt
mkdir "$virt"
use_kernel=kernel-amd64
modules=(virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio-rng virtio_console virtio_balloon)
if image=$(tests/fetch $use_kernel 2>"$scratch/why"); then
    for m in "${modules[@]}"; do
        find "$(dirname "$image")/lib/modules/" -name "$m.ko" -exec cp {} "$virt/" \;
    done
fi
{
    echo "for m in ${modules[*]}; do insmod /virt/\$m.ko; done"
    cat <<'GUEST'
n=0 # the driver asks for the first bytes on its own
until got=$(dd if=/dev/hwrng bs=512 count=8 iflag=fullblock 2>/dev/null | sha256sum) && [ $n -lt 100 ]; do n=$((n + 1)); done
echo "entropy $got"
free() { sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo; }
before=$(free)
until [ -e /dev/vport0p1 ]; do sleep 0.1; done
echo "tell me"
exec 3<>/dev/vport0p1
until read -r told <&3; do sleep 0.1; done # the end is there as long as nobody is at the other side
echo "back $told" >&3
echo "the channel says $told"
echo "told $told" >/dev/hvc0
while [ "$(free)" -gt $((before - 50000)) ]; do sleep 0.1; done
echo "the balloon has $(((before - $(free)) / 1024)) MiB"
GUEST
} >"$virt/go"
need_guest "$virt"

mkfifo "$scratch/commands"
exec 5<>"$scratch/commands"
timeout -k 5 300 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nodefaults -display none -vga none -no-reboot -m 256 \
    -append 'console=ttyS0 panic=-1 calque.run="sh /virt/go"' -serial "file:$scratch/serial" -monitor stdio \
    -device virtio-serial-pci -chardev "file,id=c,path=$scratch/console" -device virtconsole,chardev=c \
    -chardev "socket,id=p,path=$scratch/channel,server=on,wait=off" -device virtserialport,chardev=p,name=port \
    -object rng-random,id=r,filename=/dev/urandom -device virtio-rng-pci,rng=r -device virtio-balloon-pci \
    --record "$scratch/rec" -d digest -D "$scratch/digests" <&5 >"$scratch/out" 2>"$scratch/err" &
machine=$!
until grep -q -a 'tell me' "$scratch/serial" 2>/dev/null || ! kill -0 $machine; do sleep 0.2; done
"$BUILD/tests/tools/talk" "unix:$scratch/channel" $'hello from the host\n' 'back hello from the host' >"$scratch/why" 2>&1
until grep -q -a 'the channel says' "$scratch/serial" || ! kill -0 $machine; do sleep 0.2; done
echo 'balloon 180' >&5
wait $machine
exec 5>&-
{ all_of "$scratch/serial" '^entropy [0-9a-f]{64}' '^the channel says hello from the host' '^the balloon has [0-9]+ MiB' &&
    all_of "$scratch/console" 'told hello from the host'; } >"$scratch/why"
report $? "${names[0]}" "$scratch/serial" "$scratch/out" "$scratch/err" "$scratch/why"

mv "$scratch/serial" "$scratch/want"
timeout -k 5 300 "$CALQUE" --replay "$scratch/rec" -display none -d digest -D "$scratch/again" >"$scratch/out" 2>"$scratch/err" </dev/null
{ cmp "$scratch/want" "$scratch/serial" && cmp "$scratch/digests" "$scratch/again" && [ "$(grep -c ^digest "$scratch/again")" -gt 20 ]; } \
    >"$scratch/why" 2>&1
report $? "${names[1]}" "$scratch/out" "$scratch/err" "$scratch/why"

timeout -k 5 20 "$CALQUE" -kernel "$kernel" -display none -virtfs "local,path=$scratch,mount_tag=t,security_model=none" \
    --record "$scratch/rec2" >"$scratch/out" 2>&1 </dev/null
[ $? = 1 ] && [ "$(wc -l <"$scratch/out")" = 1 ] && grep -q -E 'virtfs|9p|folder' "$scratch/out" && [ ! -e "$scratch/rec2" ]
report $? "${names[2]}" "$scratch/out"
finish
