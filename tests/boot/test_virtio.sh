#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel with what the host does for it: entropy, a console, a channel, a folder of 10,000 files,
# a balloon; then a watchdog that resets it, and a panic.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
names=("a login on hvc0" "a channel by its name" "entropy of the host" "a tree of 10,000 files has its digest"
    "what the guest writes is there, with its digest" "links do not lead outside" "the balloon returns memory to the host"
    "and info balloon tells the guest's statistics" "the watchdog resets the guest" "its reason is known after the reset"
    "a panic ends with exit-failure" "WATCHDOG, RESET and GUEST_PANICKED are told")
talk=$BUILD/tests/tools/talk

kernel='' virt=$scratch/virt share=$scratch/share
mkdir -p "$virt" "$share"
if kernel=$(tests/fetch kernel-amd64 2>"$scratch/why"); then
    modules=$(echo "$(dirname "$kernel")"/lib/modules/*/kernel)
    order="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
        drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci drivers/char/hw_random/virtio-rng
        drivers/char/virtio_console drivers/virtio/virtio_balloon fs/netfs/netfs fs/fscache/fscache net/9p/9pnet
        net/9p/9pnet_virtio fs/9p/9p"
    for module in $order drivers/watchdog/watchdog drivers/watchdog/i6300esb drivers/misc/pvpanic/pvpanic \
        drivers/misc/pvpanic/pvpanic-mmio; do
        cp "$modules/$module.ko" "$virt/"
    done
fi
# The drivers, then a shell on the console.
cat >"$virt/services" <<GUEST
#!/bin/sh
for m in $(sed 's/[^ ]*\///g' <<<"$order" | tr '\n' ' '); do insmod /virt/\$m.ko; done
setsid getty -n -l /bin/sh -L 0 hvc0 vt100
GUEST
cat >"$virt/folder" <<'GUEST'
#!/bin/sh
mkdir /m
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 host /m
cd /m
find tree -type f | sort | xargs cat | sha256sum | sed 's/^/tree /'
cp -r tree/7 copy
seq 1 200000 >large
mv large copy/moved
ln -s /secret copy/link
cat copy/link outside 2>&1 | grep -c 'No such file'
sync
echo folder done
GUEST
# The watchdog is not reset; after it came, panic.
cat >"$virt/dog" <<'GUEST'
#!/bin/sh
for m in watchdog i6300esb pvpanic pvpanic-mmio; do
    case $m in i6300esb) insmod /virt/$m.ko heartbeat=2 ;; *) insmod /virt/$m.ko ;; esac
done
if [ $(cat /sys/class/watchdog/watchdog0/bootstatus) = 0 ]; then
    exec 3>/dev/watchdog
    echo waiting for the dog
    sleep 100
fi
echo "bootstatus $(cat /sys/class/watchdog/watchdog0/bootstatus)"
echo c >/proc/sysrq-trigger
GUEST
chmod 755 "$virt"/*
if [ -z "$kernel" ] || ! tests/mkinitrd -k kernel-amd64 -o "$scratch/initrd" "$virt" >"$scratch/why" 2>&1; then
    cat "$scratch/why"
    for name in "${names[@]}"; do
        skip "$name" "the guest cannot be fetched"
    done
    finish
fi
guest=("$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nodefaults -display none -vga none)

# 100 folders of 100 files each.
for ((i = 0; i < 100; i++)); do
    mkdir -p "$share/tree/$i"
    for ((j = 0; j < 100; j++)); do
        echo "file $j of $i" >"$share/tree/$i/$j"
    done
done
echo secret >"$scratch/secret"
ln -s ../secret "$share/outside"
tree=$(cd "$share" && find tree -type f | LC_ALL=C sort | xargs cat | sha256sum | cut -d' ' -f1)

# taken: KiB of the host that the guest's memory takes.
taken() {
    local fd
    for fd in /proc/"$1"/fd/*; do
        case $(readlink "$fd") in
        /memfd:calque*) stat -L -c %b "$fd" | awk '{ print int($1 / 2) }' ;;
        esac
    done
}
"$BUILD/tests/tools/pty" "${guest[@]}" -m 256 -append 'console=ttyS0 quiet no_timer_check calque.run=/virt/services' \
    -serial "file:$scratch/serial" -chardev stdio,id=terminal -pidfile "$scratch/pid" -qmp "unix:$scratch/qmp,server=on,wait=off" \
    -device virtio-serial-pci,max_ports=4 -device virtconsole,chardev=terminal \
    -chardev "file,id=channel,path=$scratch/channel" -device virtserialport,chardev=channel,name=org.calque.test \
    -object rng-random,id=entropy,filename=/dev/urandom -device virtio-rng-pci,rng=entropy,max-bytes=100000,period=1000 \
    -device virtio-balloon-pci,guest-stats-polling-interval=1,deflate-on-oom=on \
    -virtfs "local,path=$share,mount_tag=host,security_model=none" >"$scratch/user" < <(sed "s/TREE/$tree/" <<'STEPS'
want 60 /root #
send echo on hv''c0 $((6 * 7))\n
want 20 on hvc0 42
send cat /sys/class/virtio-ports/*/name; echo words >/dev/vport0p1\n
want 20 org.calque.test
want 20 /root #
send dd if=/dev/hwrng bs=512 count=8 2>/dev/null | sort -u | wc -c; cat /sys/class/misc/hw_random/rng_current\n
want 20 virtio_rng.0
want 20 /root #
send /virt/folder\n
want 120 tree TREE
want 60 folder done
want 20 /root #
send dd if=/dev/zero of=/tmp/fill bs=1M count=150 2>/dev/null; rm /tmp/fill; echo >/m/filled; until [ -e /m/go ]; do sleep 0.2; done; poweroff -f\n
status 0 180
STEPS
) &
user=$!
# until_so COMMAND...: it succeeds, before the guest ends.
until_so() {
    while kill -0 $user 2>/dev/null; do
        ! "$@" 2>/dev/null || return 0
        sleep 0.2
    done
    return 1
}
# monitor COMMAND ANSWER
monitor() {
    "$talk" "unix:$scratch/qmp" "{\"execute\":\"qmp_capabilities\"}{\"execute\":$1}" "$2" 2>>"$scratch/said"
}
statistics() {
    monitor '"human-monitor-command","arguments":{"command-line":"info balloon"}' 'actual=96\r\nstat-swap-in'
}
until_so [ -e "$share/filled" ] && pid=$(cat "$scratch/pid") && most=$(taken "$pid")
monitor '"balloon","arguments":{"value":100663296}' '"event": "BALLOON_CHANGE", "data": {"actual": 100663296}'
changed=$?
last=$(taken "$pid")
statistics
told=$?
touch "$share/go"
wait $user
status=$?
# seen NAME PATTERN: all went well, or it came as far as that.
seen() {
    [ $status = 0 ] || all_of "$scratch/user" "$2"
    report $? "$1" "$scratch/user" "$scratch/serial"
}
seen "${names[0]}" 'on hvc0 42'
[ "$(cat "$scratch/channel")" = words ]
report $? "${names[1]}"
seen "${names[2]}" 'virtio_rng.0'
seen "${names[3]}" "tree $tree"
diff -r "$share/tree/7" "$share/copy" | grep -v '^Only in .*copy: \(moved\|link\)$' >"$scratch/differ"
[ ! -s "$scratch/differ" ] && cmp "$share/copy/moved" <(seq 1 200000)
report $? "${names[4]}" "$scratch/differ"
[ "$(readlink "$share/copy/link")" = /secret ] && [ "$(cat "$scratch/secret")" = secret ] && ! grep -q -a '^secret' "$scratch/user"
report $? "${names[5]}"
echo "memory: $most KiB at most, $last KiB with the balloon"
[ $changed = 0 ] && [ "$most" -gt 170000 ] && [ "$last" -lt 110000 ] && [ "$last" -gt 0 ]
report $? "${names[6]}"
report $told "${names[7]}" "$scratch/said"

# A monitor for each event; the last one lets the guest run.
events=('"event": "WATCHDOG", "data": {"action": "reset"}' '"event": "RESET", "data": {"guest": true'
    '"event": "GUEST_PANICKED", "data": {"action": "poweroff"}')
monitors=() talks=()
for i in 0 1 2; do
    monitors+=(-qmp "unix:$scratch/qmp$i,server=on,wait=off")
done
timeout -k 5 240 "${guest[@]}" -m 128 -serial "file:$scratch/dog" -device i6300esb -device pvpanic -S "${monitors[@]}" \
    -action watchdog=reset,panic=exit-failure -append 'console=ttyS0 quiet no_timer_check calque.run=/virt/dog' 2>"$scratch/err" &
user=$!
cont=
for i in 0 1 2; do
    [ $i != 2 ] || { cont='{"execute":"cont"}' && sleep 0.5; }
    "$talk" "unix:$scratch/qmp$i" "{\"execute\":\"qmp_capabilities\"}$cont" "${events[i]}" 2>>"$scratch/said" &
    talks+=($!)
done
told=0
for i in "${talks[@]}"; do
    wait "$i" || told=1
done
wait $user
status=$?
[ "$(grep -c -a 'Calque guest ready' "$scratch/dog")" = 2 ]
report $? "${names[8]}" "$scratch/dog"
all_of "$scratch/dog" 'bootstatus 32'
report $? "${names[9]}" "$scratch/dog"
[ $status = 1 ] && grep -q 'guest has panicked' "$scratch/err"
report $? "${names[10]}" "$scratch/err"
report $told "${names[11]}" "$scratch/said"
finish
