#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel, busy with its disk and memory on a machine with disks, a network and more, is saved,
# put back, sent to other processes and engines: digests are equal, and its own work comes out right.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
. tests/moves.sh
names=("the guest works" "savevm and loadvm under load" "a snapshot has the same digest when it is loaded"
    "... in a fresh process of the other engine" "and goes on there" "a file has the same digest in a fresh process"
    "and goes on there, at once" "migration under load to the other engine: the digest" "the guest goes on there"
    "and back" "no round was bad, no complaint" "the image is sound")

load=$scratch/load
mkdir -p "$load"
if kernel=$(tests/fetch kernel 2>"$scratch/why"); then
    for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
        find "$(dirname "$kernel")/lib/modules/" -name "$m.ko" -exec cp {} "$load/" \;
    done
fi
cat >"$load/go" <<'GUEST'
for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do insmod /load/$m.ko; done
n=0
while true; do
    dd if=/dev/urandom of=/tmp/f bs=64k count=16 2>/dev/null
    want=$(md5sum </tmp/f)
    dd if=/tmp/f of=/dev/vda bs=64k seek=$((n % 8 * 16)) conv=fsync 2>/dev/null
    got=$(dd if=/dev/vda bs=64k skip=$((n % 8 * 16)) count=16 iflag=direct 2>/dev/null | md5sum)
    [ "$want" = "$got" ] && echo "round $n ok" || echo "round $n BAD"
    dmesg | grep -E 'I/O error|[Tt]imeout|BUG:|WARNING:|Call Trace|lockup|stall' && echo complained
    n=$((n + 1))
done
GUEST
need_guest "$load"
"$BUILD/calque-img" create -q -f qcow2 "$scratch/d.qcow2" 16M
truncate -s 1M "$scratch/ro"
truncate -s 1440k "$scratch/fd"

# start N OPTION...
start() {
    local i=$1
    shift
    launch "$i" -m 256 -smp 2 -kernel "$kernel" -initrd "$scratch/initrd" -append 'console=ttyS0 calque.run="sh /load/go"' \
        -serial "file:$scratch/serial$i" -serial null -parallel null -debugcon null -timeout 600 \
        -drive "file=$scratch/d.qcow2,if=virtio" -drive "file=$scratch/ro,format=raw,if=ide,readonly=on" \
        -drive "file=$scratch/fd,format=raw,if=floppy,readonly=on" -device ahci,id=ahci0 -device ide-cd,bus=ahci0.1 \
        -drive "if=none,id=sata,file=$scratch/ro,format=raw,readonly=on" -device ide-hd,bus=ahci0.0,drive=sata \
        -nic user,model=virtio-net-pci -device virtio-tablet-pci -device pci-bridge,id=b1,chassis_nr=1 -device pci-testdev "$@"
}

start 1
works 1 2
report $? "${names[0]}" "$scratch/serial1" "$scratch/err1"
ask 1 "savevm a" >"$scratch/said" && works 1 2
ask 1 "loadvm a" >>"$scratch/said"
[ ! -s "$scratch/said" ] && works 1 2
report $? "${names[1]}" "$scratch/said" "$scratch/err1"
ask 1 stop "savevm b" >"$scratch/said"
want=$(digest 1)
ask 1 cont >>"$scratch/said"
works 1 1
ask 1 stop "loadvm b" >>"$scratch/said"
same "$(digest 1)" "$want" >>"$scratch/said"
report $? "${names[2]}" "$scratch/said"
ask 1 "migrate file:$scratch/saved" >"$scratch/said"
stop 1
start 2 -accel interp -loadvm b -S
same "$(digest 2)" "$want" >>"$scratch/said"
report $? "${names[3]}" "$scratch/said" "$scratch/err2"
ask 2 cont >/dev/null
works 2 1
report $? "${names[4]}" "$scratch/serial2" "$scratch/err2"
stop 2
start 3 -incoming "file:$scratch/saved" -S
same "$(digest 3)" "$want" >"$scratch/said"
report $? "${names[5]}" "$scratch/said" "$scratch/err3"
stop 3
start 3 -loadvm b
works 3 2
report $? "${names[6]}" "$scratch/serial3" "$scratch/err3"
start 4 -accel interp -S -incoming "unix:$scratch/way"
ask 3 "migrate unix:$scratch/way" "info migrate" >"$scratch/said"
same "$(digest 3)" "$(digest 4)" >>"$scratch/said" && grep -q 'status: completed' "$scratch/said"
report $? "${names[7]}" "$scratch/said" "$scratch/err3" "$scratch/err4"
stop 3
ask 4 cont >/dev/null
works 4 1
report $? "${names[8]}" "$scratch/serial4" "$scratch/err4"
start 5 -incoming "unix:$scratch/way"
ask 4 "migrate unix:$scratch/way" >"$scratch/said"
works 5 2
report $? "${names[9]}" "$scratch/serial5" "$scratch/err5"
stop 4
ask 5 quit >/dev/null
wait "${pids[5]}"
! grep -a -h -e BAD -e complained "$scratch"/serial? && ! cat "$scratch"/err? | grep .
report $? "${names[10]}"
"$BUILD/calque-img" check "$scratch/d.qcow2" >"$scratch/said"
report $? "${names[11]}" "$scratch/said"
finish
