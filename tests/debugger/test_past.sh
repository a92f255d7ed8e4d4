#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Backwards where it is not plain: over the entry of an interrupt and its IRET, to what a disk's bus
# master has stored, from the end of a recording, past a triple fault that resets, with two CPUs.
. tests/debugger/gdb.sh
export HOME=$scratch
past=("$BUILD/debugger/past.elf" -drive "file=$scratch/disk,format=raw,if=ide")
seq 1000 >"$scratch/disk"
truncate -s 64K "$scratch/disk"

# at_prompt NAME PATTERN OPTION... <SCRIPT: what is printed matches.
at_prompt() {
    local name=$1 pattern=$2 status
    shift 2
    timeout -k 5 100 "$CALQUE" -display none --debug "$@" >"$scratch/out" 2>&1
    status=$?
    # shellcheck disable=SC2053 # a pattern
    [ $status = 0 ] && [[ $(<"$scratch/out") == $pattern ]]
    report $? "$name" "$scratch/out"
}

for engine in interp jit,threshold=1; do
    at_prompt "$engine: back over an interrupt's entry, in its handler, over all of it" '*tick, hit 1 time
*) print \*(int \*)&ticks
0
*) reverse-step
* look+0x5
=> *add dword ptr*
*) continue
*tick, hit 2 times
*ticked, hit 1 time
*) reverse-step
* tock
*) reverse-step
* tick+0x*
*) reverse-step
*) print \*(int \*)&ticks
1
*ticked
*=> *iretd*
*) step
* look+0xb
*) reverse-step
* look+0x5
*) print \*(int \*)&ticks
0
*) step
* look+0xb
*) step
CPU 0, * look
*) print \*(int \*)&ticks
1
*' -accel "$engine" --history all -kernel "${past[@]}" <<'S'
break tick
continue
print *(int *)&ticks
reverse-step
continue
delete
break ticked
continue
reverse-step
reverse-step
reverse-step
print *(int *)&ticks
continue
step
reverse-step
print *(int *)&ticks
delete
step
step
print *(int *)&ticks
quit
S
    at_prompt "$engine: what a disk has stored, by name and instant" '*looked, hit 1 time*
*) last-write \*(int \*)&sector
Written by drive ide0-hd0, whose access ended at 0.000[56]* s
CPU 0, * asked+0x*
*) print \*(int \*)&sector
171051569
*) reverse-step
*) print \*(int \*)&sector
0
*) last-write \*(int \*)&sector
The beginning of the history*' -accel "$engine" --history all -kernel "${past[@]}" <<'S'
break looked
continue
last-write *(int *)&sector
print *(int *)&sector
reverse-step
print *(int *)&sector
last-write *(int *)&sector
quit
S
done

# recorded NAME STATUS OPTION...
recorded() {
    timeout -k 5 60 "$CALQUE" -display none -kernel "${past[@]}" --record "$scratch/$1.rec" "${@:3}" >"$scratch/out" 2>&1
    [ $? = "$2" ]
    report $? "it is recorded: $1" "$scratch/out"
}

recorded off 0
at_prompt "a recording that ends with power-off: back from there" '*The end of the recording
CPU 0, * stay
*) reverse-step
CPU 0, * off
*) continue
The end of the recording
*) last-write \*(int \*)&sector
Written by drive ide0-hd0*
*) goto end
CPU 0, * stay
*) reverse-continue
Breakpoint 1, over*
*) continue
The end of the recording
*' --replay "$scratch/off.rec" <<'S'
continue
reverse-step
continue
last-write *(int *)&sector
goto end
break over
reverse-continue
continue
quit
S
timeout -k 5 60 "$CALQUE" --replay "$scratch/off.rec" -display none >"$scratch/out" 2>&1
report $? "without a debugger it ends as it did" "$scratch/out"

recorded die 122 -append die -no-reboot
back='*Triple fault: CPU 0 shut down
*) reverse-step
CPU 0, * shut+0x8
*) reverse-continue
Breakpoint 1, shut, hit 1 time
*) continue
Triple fault: CPU 0 shut down
*) reverse-continue
Breakpoint 1, shut, hit 2 times
*) continue
Triple fault: CPU 0 shut down
*) continue
The '
script='continue
reverse-step
break shut
reverse-continue
continue
reverse-continue
continue
continue
quit'
at_prompt "one that ends with a triple fault" "${back}end of the recording
*" --replay "$scratch/die.rec" <<<"$script"

at_prompt "past a triple fault that resets" '*Triple fault: CPU 0 shut down
*) continue
*) goto over
*) reverse-step 100
CPU 0, * looked+0x*
*) reverse-continue
Breakpoint 2, looked, hit 1 time
*) goto over
*) goto end
*' -kernel "${past[@]}" -append die --history all <<'S'
continue
tbreak loaded
continue
delete
stepi 50
bookmark over
break looked
goto over
reverse-step 100
reverse-continue
goto over
goto end
quit
S

# ---- two CPUs ----
two=(-kernel "$guest" -device isa-debug-exit,iobase=0xf4,iosize=4 -smp 2)
script='break other_loop if *(int *)&other_count == 100
continue
bookmark here
delete
last-write *(int *)&other_count
last-write *(int *)&rounds
goto here
cpu 1
reverse-step 2
print *(int *)&other_count
goto here
watch *(int *)&other_count
reverse-continue
reverse-continue
delete
last-write *(int *)&real_rounds
goto here
break other_loop
reverse-continue
quit'
went='*other_loop, hit 1 time
CPU 1, real mode, 0900:0005 other_loop
*) last-write \*(int \*)&other_count
Written: 4 bytes at 0x9014
CPU 1, real mode, * other_loop+0x5
*) last-write \*(int \*)&rounds
Written: 8 bytes at 0x*
CPU 0, *) goto here
*) reverse-step 2
CPU 1, * other_loop+0x5
*) print \*(int \*)&other_count
100
*) reverse-continue
Watchpoint 2, *: 0x63 -> 0x64
CPU 1, * other_loop+0x5
*) reverse-continue
Watchpoint 2, *: 0x62 -> 0x63
CPU 1, *
*) last-write \*(int \*)&real_rounds
Written: *
CPU 0, *) reverse-continue
Breakpoint 3, other_loop*
CPU 1, *'
at_prompt "two CPUs: back and forth, each its own writes" "$went" "${two[@]}" --history all <<<"$script"

timeout -s HUP 3 "$CALQUE" -display none "${two[@]}" --record "$scratch/two.rec" --seed 5 >"$scratch/out" 2>&1
at_prompt "two CPUs: the same in a recording" "$went" --replay "$scratch/two.rec" <<<"$script"

start_guest -smp 2 --history all
session "$scratch/threads" <<'END'
eval "break *%ld thread 2 if *(int *)%ld == 100", (long)&other_loop, (long)&other_count
tbreak other_cpu
continue
continue
printf "= thread %d, count %d\n", $_thread, *(int *)&other_count
delete
watch *(int *)&other_count
reverse-continue
printf "= thread %d, before the store: %d\n", $_thread, *(int *)&other_count
reverse-continue
printf "= thread %d, before the store: %d\n", $_thread, *(int *)&other_count
delete
watch *(long *)&rounds
reverse-continue
printf "= thread %d\n", $_thread
delete
thread 2
set scheduler-locking on
reverse-stepi
reverse-stepi
printf "= thread %d, within %d\n", $_thread, $pc - (long)&other_loop < 9
info threads
END
said "$scratch/threads" <<'END' && grep -q '^\* 2 .*"CPU 1" (real mode' "$scratch/threads"
= thread 2, count 100
= thread 2, before the store: 99
= thread 2, before the store: 98
= thread 1
= thread 2, within 1
END
report $? "two CPUs: gdb's threads, backwards" "$scratch/threads" "$scratch/threads.diff"
stop
finish
