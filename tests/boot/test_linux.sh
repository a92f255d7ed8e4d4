#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel: to a shell, through commands, to each of its ends. Two guests at a time.
. tests/boot/boot.sh
names=("a shell answers on the serial console" "cpuinfo, memory and a clean log with -m 256"
       "all memory is seen with -m 1024" "a reset ends the run with -no-reboot"
       "SIGTERM presses the power button" "system_powerdown presses the power button")

need_guest
guest=("$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot)

# run OUTPUT MIB COMMANDS: a guest that runs the commands; the status is Calque's.
run() {
    timeout -k 5 120 "${guest[@]}" -m "$2" -append "console=ttyS0 calque.run=\"$3\"" >"$1" 2>&1 </dev/null
}

run "$scratch/256" 256 'uname -m; cat /proc/cpuinfo; cat /proc/meminfo; echo sum $((6 * 7))' &
first=$!
run "$scratch/1024" 1024 'cat /proc/meminfo; reboot -f'
status_1024=$?
wait $first
status_256=$?

"$BUILD/tests/tools/pty" "${guest[@]}" -m 512 -append console=ttyS0 >"$scratch/sigterm" <<'STEPS' &
want 100 Calque guest ready
want 20 /root #
raw
send echo $((6*7))-$(uname -s)\n
want 10 42-Linux
signal 15
want 10 power button pressed
want 30 Power down
status 0 10
cooked
STEPS
first=$!
"$BUILD/tests/tools/pty" "${guest[@]}" -m 512 -append console=ttyS0 >"$scratch/powerdown" <<'STEPS'
want 100 Calque guest ready
want 20 /root #
send \x01c
want 5 (calque)
send system_powerdown\r
want 30 Power down
status 0 10
cooked
STEPS
powerdown=$?
wait $first
sigterm=$?

all_of "$scratch/256" x86_64 'sum 42' 'Power down' 'hpet0: 3 comparators, 64-bit 100.000000 MHz' && [ $status_256 = 0 ]
report $? "${names[0]}" "$scratch/256"
all_of "$scratch/256" 'processor[[:space:]]*: 0' '^flags.* lm ' && memory_is "$scratch/256" 262144 4 && clean "$scratch/256"
report $? "${names[1]}" "$scratch/256"
memory_is "$scratch/1024" 1048576 4 && clean "$scratch/1024"
report $? "${names[2]}" "$scratch/1024"
all_of "$scratch/1024" 'Restarting system|machine restart' && [ $status_1024 = 0 ]
report $? "${names[3]}" "$scratch/1024"
report $sigterm "${names[4]}" "$scratch/sigterm"
report $powerdown "${names[5]}" "$scratch/powerdown"
finish
