#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A hundred kills (KILLS) of either side during savevm and migration: exactly one side goes on, with its
# disk unharmed. A busy guest of 1 GiB moves while it pings its gateway ten times a second: none is lost.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
. tests/moves.sh
names=("the guest works" "kills during savevm: the image is sound, the guest goes on from it"
    "kills of the source during migration: one side goes on" "kills of the destination: the source goes on"
    "a busy guest of 1 GiB moves" "downtime of at most 300 ms" "no ping is lost")
kills=${KILLS:-100}

load=$scratch/load
mkdir -p "$load"
if kernel=$(tests/fetch kernel 2>"$scratch/why"); then
    for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover virtio_net; do
        find "$(dirname "$kernel")/lib/modules/" -name "$m.ko" -exec cp {} "$load/" \;
    done
fi
cat >"$load/go" <<'GUEST'
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk failover net_failover virtio_net; do
    insmod /load/$m.ko
done
n=0
while true; do
    dd if=/dev/urandom of=/tmp/f bs=64k count=4 2>/dev/null
    dd if=/tmp/f of=/dev/vda bs=64k seek=$((n % 8 * 4)) conv=fsync 2>/dev/null
    [ "$(md5sum </tmp/f)" = "$(dd if=/dev/vda bs=64k skip=$((n % 8 * 4)) count=4 iflag=direct 2>/dev/null | md5sum)" ] &&
        echo "round $n ok" || echo "round $n BAD"
    n=$((n + 1))
done
GUEST
cat >"$load/ping" <<'GUEST'
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
    insmod /load/$m.ko
done
ifconfig eth0 10.0.2.15 up
(while true; do dd if=/dev/zero of=/tmp/x bs=1M count=300 conv=notrunc 2>/dev/null; done) &
ping -c 2 10.0.2.2 >/dev/null
echo pinging
ping -c 150 -i 0.1 -W 5 10.0.2.2 | tail -n 3
GUEST
need_guest "$load"
"$BUILD/calque-img" create -q -f qcow2 "$scratch/d.qcow2" 16M

# start N SCRIPT OPTION...
start() {
    local i=$1 script=$2
    shift 2
    launch "$i" -kernel "$kernel" -initrd "$scratch/initrd" -append "console=ttyS0 calque.run=\"sh /load/$script\"" -nodefaults \
        -serial "file:$scratch/serial$i" -timeout 3000 "$@"
}
# sometime MS: at most so long.
sometime() { local ms=$((RANDOM % $1)); sleep "$((ms / 1000)).$(printf '%03d' $((ms % 1000)))"; }
disk=(-m 128 -drive "file=$scratch/d.qcow2,if=virtio")

start 1 go "${disk[@]}"
works 1
report $? "${names[0]}" "$scratch/serial1" "$scratch/err1"
ask 1 "savevm base" >"$scratch/said"
stop 1
bad=0
for ((turn = 0; turn < (kills + 2) / 3; turn++)); do
    start 1 go "${disk[@]}" -loadvm base
    [ $((turn % 10)) != 0 ] || works 1 || { bad=1; break; }
    { ask 1 "savevm new" "delvm new" & } >/dev/null 2>&1
    sometime 900
    stop 1
    "$BUILD/calque-img" check -r all "$scratch/d.qcow2" >"$scratch/said" 2>&1 || bad=1
    qemu-img check "$scratch/d.qcow2" >>"$scratch/said" 2>&1 || bad=1
    [ $bad = 0 ] || break
done
report $bad "${names[1]}" "$scratch/said" "$scratch/err1"

# one SIDE: it is killed during a migration; who is left goes on.
one() {
    local other=$((3 - $1))
    rm -f "$scratch/way"
    start 1 go "${disk[@]}" -loadvm base
    start 2 go "${disk[@]}" -incoming "unix:$scratch/way"
    { ask 1 "migrate -d unix:$scratch/way" & } >/dev/null 2>&1
    sometime 1200
    stop "$1"
    if [ "$1" = 1 ] && ! kill -0 "${pids[2]}" 2>/dev/null; then
        : # it never got the machine, which has died with the source
    elif [ "$1" = 1 ]; then
        for ((k = 0; k < 100; k++)); do kill -0 "${pids[2]}" 2>/dev/null || break; [ "$(rounds 2)" -gt 0 ] && break; sleep 0.1; done
        kill -0 "${pids[2]}" 2>/dev/null && { works 2 || return 1; }
    elif ask 1 "info migrate" | grep -q 'status: completed'; then
        : # the machine was there already, and has died there
    else
        works 1 || return 1
    fi
    kill -9 "${pids[$other]}" 2>/dev/null
    wait "${pids[$other]}" 2>/dev/null
    ! grep -a BAD "$scratch"/serial[12] || return 1
    "$BUILD/calque-img" check -r leaks "$scratch/d.qcow2" >"$scratch/said" 2>&1
}
for side in 1 2; do
    bad=0
    for ((turn = 0; turn < (kills + 2) / 3 && bad == 0; turn++)); do
        one $side || bad=1
    done
    report $bad "${names[side + 1]}" "$scratch/said" "$scratch/err1" "$scratch/err2"
done

start 3 ping -m 1024 -nic user,model=virtio-net-pci
for ((k = 0; k < 1200; k++)); do grep -q pinging "$scratch/serial3" && break; sleep 0.1; done
sleep 2
rm -f "$scratch/way"
start 4 ping -m 1024 -nic user,model=virtio-net-pci -incoming "unix:$scratch/way"
ask 3 "migrate unix:$scratch/way" "info migrate" >"$scratch/said"
grep -q 'status: completed' "$scratch/said"
report $? "${names[4]}" "$scratch/said"
down=$(sed -n 's/^downtime: \([0-9]*\).*/\1/p' "$scratch/said")
[ -n "$down" ] && [ "$down" -le 300 ]
report $? "${names[5]}" "$scratch/said"
for ((k = 0; k < 600; k++)); do grep -q 'packet loss' "$scratch/serial4" && break; sleep 0.1; done
grep -q -a ' 0% packet loss' "$scratch/serial4"
report $? "${names[6]}" "$scratch/said" "$scratch/serial4" "$scratch/err4"
finish
