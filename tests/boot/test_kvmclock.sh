#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel goes by KVM's paravirtual clock: while the machine is saved, put back, stopped, and its
# engine changed, that stays with the RTC, as guests read both, and never goes back.
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
. tests/moves.sh
names=("the kernel finds kvm-clock and goes by it" "it keeps time" "after savevm and loadvm"
    "after a pause" "after accel interp and back" "in a fresh process" "it never went back, no complaint")

# A round: the RTC is asked between two readings of the clock.
cat >"$scratch/clock.sh" <<'GUEST'
#!/bin/sh
dmesg | grep -i -E 'Hypervisor detected|kvm-clock|clocksource: Switched'
echo "it is $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
n=0 last=0
while true; do
    a=$(date +%s) r=$(cat /sys/class/rtc/rtc0/since_epoch) b=$(date +%s)
    [ $((a - 2)) -le $r ] && [ $r -le $((b + 2)) ] && echo "round $n ok" || echo "round $n BAD: $r is not from $a to $b"
    for k in 1 2 3 4 5 6 7 8 9 10; do
        read -r up rest </proc/uptime
        up=$(echo $up | tr -d .)
        [ $up -ge $last ] || echo "round $n BAD: back from $last to $up"
        last=$up
    done
    n=$((n + 1))
    sleep 0.1
done
GUEST
chmod 755 "$scratch/clock.sh"
need_guest "$scratch/clock.sh"
"$BUILD/calque-img" create -q -f qcow2 "$scratch/d.qcow2" 16M

# start N OPTION... Without the invariant counter, which the kernel would prefer.
start() {
    local i=$1
    shift
    launch "$i" -cpu max,+kvmclock,-invtsc -m 256 -smp 2 -kernel "$kernel" -initrd "$scratch/initrd" \
        -append 'console=ttyS0 calque.run=/clock.sh' -serial "file:$scratch/serial$i" -timeout 3000 \
        -drive "file=$scratch/d.qcow2,if=virtio" "$@"
}
# go_on NAME N: it goes on; what has been said so far is nothing.
go_on() {
    [ ! -s "$scratch/said" ] && works "$2" 3
    report $? "$1" "$scratch/said" "$scratch/serial$2" "$scratch/err$2"
}

accel=jit
[ "$(uname -m)" = x86_64 ] && [ -z "$RUNNER" ] && [[ $BUILD != *address* ]] || accel=interp
start 1 -accel $accel
: >"$scratch/said"
works 1
all_of "$scratch/serial1" 'Hypervisor detected: KVM' 'kvm-clock: Using msrs 4b564d01 and 4b564d00' \
    'Switched to clocksource kvm-clock' 'it is kvm-clock' >"$scratch/missing"
report $? "${names[0]}" "$scratch/missing" "$scratch/serial1" "$scratch/err1"
go_on "${names[1]}" 1
ask 1 "savevm a" >"$scratch/said" && works 1 2
ask 1 "loadvm a" >>"$scratch/said"
go_on "${names[2]}" 1
ask 1 stop >"$scratch/said"
sleep 3
ask 1 cont >>"$scratch/said"
go_on "${names[3]}" 1
if [ $accel = jit ]; then
    ask 1 "accel interp" | grep -v 'after .* ms' >"$scratch/said"
    works 1 2
    ask 1 "accel jit" | grep -v 'after .* ms' >>"$scratch/said"
    go_on "${names[4]}" 1
else
    skip "${names[4]}" "there is no translator"
fi
ask 1 "savevm b" >"$scratch/said"
stop 1
start 2 -accel interp -loadvm b
go_on "${names[5]}" 2
stop 2
! grep -a -h BAD "$scratch"/serial? && clean "$scratch/serial1" && clean "$scratch/serial2" && ! cat "$scratch"/err? | grep .
report $? "${names[6]}"
finish
