#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel with several CPUs: all are seen, two processes at once, one goes and returns.
. tests/boot/boot.sh
names=("two CPUs are brought up" "four CPUs are two cores of two threads in two sockets" "a CPU goes offline and comes back"
       "two busy processes end, and the log is clean")
[ -z "$LONG" ] || names+=("255 CPUs are brought up")

cat >"$scratch/smp.sh" <<'GUEST'
#!/bin/sh
cpu=/sys/devices/system/cpu
busy() { i=0; while [ $i -lt 5000 ]; do i=$((i + 1)); done; echo "busy $1 is done"; }
echo "nproc $(nproc)"
echo "processors $(grep -c ^processor /proc/cpuinfo)"
echo "packages $(cat $cpu/cpu*/topology/physical_package_id | sort -u | wc -l)"
echo "siblings $(sort -u /proc/cpuinfo | sed -n 's/^siblings.*: //p') cores $(sort -u /proc/cpuinfo | sed -n 's/^cpu cores.*: //p') threads" $(cat $cpu/cpu*/topology/thread_siblings_list | sort -u)
busy one &
busy two &
wait
echo 0 >$cpu/cpu1/online
echo "without $(nproc) $(cat $cpu/online)"
echo 1 >$cpu/cpu1/online
echo "again $(nproc) $(cat $cpu/online)"
GUEST
chmod 755 "$scratch/smp.sh"
need_guest "$scratch/smp.sh"

# run OUTPUT SMP [MEMORY SECONDS]: the status is Calque's.
run() {
    timeout -k 5 "${4:-200}" "$CALQUE" -smp "$2" -m "${3:-256}" -kernel "$kernel" -initrd "$scratch/initrd" \
        -nographic -no-reboot -append "console=ttyS0 no_timer_check calque.run=/smp.sh" </dev/null 2>&1 |
        tr -d '\r' >"$1"
    return "${PIPESTATUS[0]}"
}

run "$scratch/2" 2 &
first=$!
run "$scratch/4" 4,sockets=2,cores=1,threads=2
status_4=$?
wait $first
status_2=$?

all_of "$scratch/2" '^nproc 2' '^processors 2' '^packages 1' '^siblings 2 cores 2 threads 0 1' 'Power down' && [ $status_2 = 0 ]
report $? "${names[0]}" "$scratch/2"
all_of "$scratch/4" '^nproc 4' '^processors 4' '^packages 2' '^siblings 2 cores 1 threads 0-1 2-3' 'Power down' && [ $status_4 = 0 ]
report $? "${names[1]}" "$scratch/4"
all_of "$scratch/2" '^without 1 0$' '^again 2 0-1' && all_of "$scratch/4" '^without 3 0,2-3' '^again 4 0-3'
report $? "${names[2]}" "$scratch/4"
all_of "$scratch/4" 'busy one is done' 'busy two is done' && clean "$scratch/4" && clean "$scratch/2"
report $? "${names[3]}" "$scratch/4"
# Stock Linux has x2APIC mode only with interrupt remapping or above ID 254: this is xAPIC mode.
if [ "$LONG" ]; then
    run "$scratch/255" 255 1G 1200 && all_of "$scratch/255" '^nproc 255' '^processors 255' '^again 255 0-254' 'Power down' && clean "$scratch/255"
    report $? "${names[4]}" "$scratch/255"
fi
finish
