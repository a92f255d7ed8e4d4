#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's clocks against the host's: PHASE seconds (600) idle, as long under load, then a host
# that stops for 5 s. One guest has four CPUs and reads the TSC, one counts interrupts of the PIT
# (vm/ticks.h). Tolerance: 0.1%, and what an answer takes to arrive.
phase=${PHASE:-600}
. tests/boot/boot.sh
names=(timekeeping)
trap 'kill -KILL $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT

cat >"$scratch/clock.sh" <<'GUEST'
#!/bin/sh
rtc=/sys/class/rtc/rtc0/since_epoch
stty -echo 2>/dev/null
echo "clock source $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo READY
while read -r command; do
    case $command in
    now) echo "CLOCK $(cut -d' ' -f1 /proc/uptime) $(cat $rtc 2>/dev/null)" ;;
    load) while :; do :; done & pid=$! ;;
    rest) kill $pid ;;
    end) break ;;
    esac
done
GUEST
chmod 755 "$scratch/clock.sh"
need_guest "$scratch/clock.sh"

# Each guest has a name, an output file, a fifo to its console and a process.
declare -A pid input
start() { # NAME KERNEL-OPTIONS [CALQUE-OPTIONS...]
    local name=$1 append=$2
    shift 2
    mkfifo "$scratch/$name.in"
    "$CALQUE" -m 128 -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot "$@" \
        -append "console=ttyS0 no_timer_check $append calque.run=/clock.sh" <"$scratch/$name.in" >"$scratch/$name" 2>&1 &
    pid[$name]=$!
    exec {fd}>"$scratch/$name.in"
    input[$name]=$fd
}

say() { echo "$2" >&"${input[$1]}"; }

# await NAME PATTERN COUNT SECONDS: the pattern is there that often.
await() {
    local i
    for ((i = 0; i < $4 * 20; i++)); do
        [ "$(grep -c "$2" "$scratch/$1")" -ge "$3" ] && return 0
        sleep 0.05
    done
    echo "$1: no answer in $4 s"
    return 1
}

# sample NAME: host time, its uncertainty, guest time, RTC
sample() {
    local count before after
    count=$(grep -c ^CLOCK "$scratch/$1")
    before=$(date +%s.%N)
    say "$1" now
    await "$1" ^CLOCK $((count + 1)) 60 || return 1
    after=$(date +%s.%N)
    tr -d '\r' <"$scratch/$1" | awk -v b="$before" -v a="$after" \
        '/^CLOCK/ { u = $2; r = $3 } END { printf "%.3f %.3f %.2f %d\n", (a + b) / 2, (a - b) / 2, u, r }'
}

# compare NAME WHAT FIRST LAST: both clocks went on by as much as the host's.
compare() {
    awk -v name="$1" -v what="$2" -v x="$3" -v y="$4" 'BEGIN {
        split(x, a, " "); split(y, b, " ")
        host = b[1] - a[1]; guest = b[3] - a[3]; rtc = b[4] - a[4]
        slack = host / 1000 + a[2] + b[2] + 0.02
        printf "# %s, %s: host %.3f s, guest %.2f s, RTC %d s, tolerance %.3f s\n", name, what, host, guest, rtc, slack
        d = guest - host; d = d < 0 ? -d : d
        r = a[4] ? rtc - host : 0; r = r < 0 ? -r : r
        exit !(d <= slack && r <= slack + 1) }'
    report $? "$1: $2"
}

guests=(tsc pit)
start tsc "" -smp 4
start pit "clocksource=jiffies nohz=off highres=off hpet=disable nolapic_timer" -cpu max,-tsc-deadline
for g in "${guests[@]}"; do
    await "$g" READY 1 300 || { report 1 "$g: boots" "$scratch/$g"; }
done
[ $failed = 0 ] || { echo "1..$n"; exit 1; }

declare -A first
measure() { # WHAT SECONDS [COMMAND]
    for g in "${guests[@]}"; do first[$g]=$(sample "$g"); done
    [ -z "$3" ] || $3
    sleep "$2"
    for g in "${guests[@]}"; do compare "$g" "$1" "${first[$g]}" "$(sample "$g")"; done
}
stall() {
    kill -STOP "${pid[@]}"
    sleep 5
    kill -CONT "${pid[@]}"
}

measure "idle" "$phase"
measure "idle, after a stall of 5 s" 20 stall
for g in "${guests[@]}"; do say "$g" load; done
measure "loaded" "$phase"
measure "loaded, after a stall of 5 s" 20 stall
for g in "${guests[@]}"; do say "$g" rest; say "$g" end; done
for g in "${guests[@]}"; do
    await "$g" 'Power down' 1 60
    ! grep -E 'clocksource.*unstable|lockup|BUG|WARNING|Call Trace' "$scratch/$g"
    report $? "$g: a clean log"
done
finish
