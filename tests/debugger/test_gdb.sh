#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The gdb server and an unmodified gdb, with a kernel of our own that goes from protected to real, to
# protected, to long mode and back, round after round (guest/modes.S).
. tests/debugger/gdb.sh

for engine in interp jit,threshold=1; do
    # One session, by single steps: what comes between the modes' landmarks is known.
    start_guest -accel "$engine"
    session "$scratch/modes" <<'END'
tbreak real_mode
continue
printf "= real: %#lx is %#lx:%#lx, PE %d\n", $pc, $cs, $cs_rip, $cr0 & 1
set $n = 0
while ($cr0 & 1) == 0
stepi
set $n = $n + 1
end
printf "= %d steps to protected mode\n", $n
stepi
printf "= protected: %d\n", $pc == &protected
while ($efer & 0x400) == 0
stepi
set $n = $n + 1
end
printf "= %d: long mode, compatible: %d\n", $n, $pc == &compatibility
stepi
printf "= 64 bits: %d\n", ($cs_attr & 0x200) != 0 && $pc == &long_mode
stepi
printf "= r8 %lx\n", $r8
while $pc != &leave_long
stepi
set $n = $n + 1
end
printf "= %d: compatibility mode again\n", $n
while ($cr0 & 1) != 0
stepi
set $n = $n + 1
end
printf "= %d: real mode again, rounds %ld\n", $n, *(long *)&rounds
stepi
printf "= there: %d\n", $pc == &real_mode
END
    said "$scratch/modes" <<'END'
= real: 0x8014 is 0x800:0x14, PE 0
= 17 steps to protected mode
= protected: 1
= 48: long mode, compatible: 1
= 64 bits: 1
= r8 1122334455667788
= 61: compatibility mode again
= 81: real mode again, rounds 1
= there: 1
END
    report $? "$engine: single steps through all modes" "$scratch/modes" "$scratch/modes.diff"
    stop

    # Set while nothing is mapped there, or nothing is there yet.
    start_guest -accel "$engine"
    session "$scratch/break" <<'END'
break upper
break work if $rdi == 5
hbreak real_function
continue
printf "= real_function %d\n", $pc == &real_function
continue
printf "= upper %d, paging %d\n", $pc == &upper, ($cr0 >> 31) & 1
delete 1 3
continue
printf "= work, rdi %ld, rounds %ld\n", $rdi, *(long *)&rounds
condition 2 *(long *)&watched == 20 || $rdi > 100
continue
printf "= rdi %ld\n", $rdi
condition 2 *(long *)0x7fff00000000 == 1
continue
printf "= a condition that cannot be read: rdi %ld\n", $rdi
delete
dprintf work, "round %ld\n", $rdi
set dprintf-style agent
tbreak finish
set var *(long *)&limit = 20
continue
printf "= finish %d\n", $pc == &finish
continue
END
    said "$scratch/break" <<'END' && grep -q '^round 18$' "$scratch/break" && grep -q '^round 20$' "$scratch/break" && grep -q 'exited with code 041' "$scratch/break"
= real_function 1
= upper 1, paging 1
= work, rdi 5, rounds 5
= rdi 16
= a condition that cannot be read: rdi 17
= finish 1
END
    report $? "$engine: breakpoints before paging, conditions, dprintf, the end" "$scratch/break" "$scratch/break.diff"
    stop

    start_guest -accel "$engine"
    session "$scratch/watch" <<'END'
watch *(long *)&watched
continue
printf "= watched %ld behind %d\n", *(long *)&watched, $pc - (long)&work
continue
printf "= watched %ld\n", *(long *)&watched
delete
rwatch *(long *)&limit
continue
printf "= limit is read before %d\n", $pc - (long)&after_work
delete
awatch *(int *)&scratch
continue
printf "= scratch is cleared before %d\n", $pc - (long)&work
delete
watch *(int *)&real_rounds if *(int *)&real_rounds == 9
continue
printf "= real_rounds %d in real mode %d\n", *(int *)&real_rounds, ($cr0 & 1) == 0
END
    said "$scratch/watch" <<'END'
= watched 6 behind 12
= watched 7
= limit is read before 16
= scratch is cleared before 24
= real_rounds 9 in real mode 1
END
    report $? "$engine: watchpoints" "$scratch/watch" "$scratch/watch.diff"
    stop
done

# gdb's other architectures, by command and by the symbol file, on one connection.
start_guest
session "$scratch/arch" <<'END'
tbreak real_call
continue
set architecture i8086
x/i $pc
stepi
printf "= eip %#x, esp %#x, ax %#x\n", $eip, $esp, $ax
x/i $pc
set var $cx = 0x4321
set var $eax = 0x12345678
stepi
printf "= cx %#x, eax %#x\n", $cx, $eax
monitor gdb step over
tbreak real_call
continue
stepi
printf "= over %d\n", $pc - (int)&real_call
monitor gdb step insn
set architecture auto
tbreak long_mode
continue
x/i $pc
printf "= rax %#lx\n", $rax
END
said "$scratch/arch" <<'END'
=> 0x8021 <real_call>:	call   0x803f <real_function>
= eip 0x803f, esp 0x100fee, ax 0x700
=> 0x803f <real_function>:	mov    $0x1234,%ax
= cx 0x4321, eax 0x12341234
= over 3
=> 0x100105 <long_mode>:	movabs $0x1122334455667788,%r8
= rax 0xe0000011
END
report $? "16- and 64-bit code by set architecture, stepi over calls" "$scratch/arch" "$scratch/arch.diff"
stop

# An ELF32 as symbol file makes gdb's architecture i386: frames and nexti by its rules.
start_guest
session "$scratch/elf32" "$guest" <<'END'
tbreak *caller+5
continue
x/i $pc
bt
nexti
printf "= over the call: %d, eax %d\n", $pc == (int)&caller + 10, $eax
tbreak add_one
continue
finish
printf "= finished: %d\n", $pc == (int)&caller + 10
printf "= cr0 %#x, rip %#lx\n", $cr0, $rip
END
said "$scratch/elf32" <<'END' && grep -q '^#1 .* in protected ()' "$scratch/elf32"
=> 0x1000c2 <caller+5>:	call   0x1000c9 <add_one>
= over the call: 1, eax 8
= finished: 1
= cr0 0x60000011, rip 0x1000c7
END
report $? "a 32-bit symbol file: bt, nexti, finish" "$scratch/elf32" "$scratch/elf32.diff"
stop

start_guest -smp 2
session "$scratch/threads" <<'END'
info threads
tbreak other_cpu
continue
printf "= the other starts at %#lx\n", $pc
stepi
stepi
printf "= %d\n", $pc - (long)&other_loop
set scheduler-locking on
stepi
stepi
printf "= alone %d\n", $pc - (long)&other_loop
set $before = *(long *)&rounds
tbreak other_loop
continue
printf "= loop %d, rounds %ld, count %d\n", $pc == &other_loop, *(long *)&rounds - $before, *(int *)&other_count
set scheduler-locking off
eval "break other_loop thread 2 if *(int *)%ld == 100", (long)&other_count
continue
printf "= thread %d, count %d\n", $_thread, *(int *)&other_count
thread 1
tbreak work
continue
printf "= thread %d, count goes on: %d\n", $_thread, *(int *)&other_count > 100
END
said "$scratch/threads" <<'END' && grep -q '^  2 .*"CPU 1" (real mode' "$scratch/threads"
= the other starts at 0x9000
= 0
= alone 7
= loop 1, rounds 0, count 1
= thread 2, count 100
= thread 1, count goes on: 1
END
report $? "two processors as threads" "$scratch/threads" "$scratch/threads.diff"
stop

# Backwards: at a watchpoint gdb wants to stand before the access, where the old value is.
start_guest --history all
session "$scratch/back" <<'END'
break work if $rdi == 5
continue
printf "= work %d\n", $pc == &work
stepi
stepi
stepi
printf "= stepped %d\n", $pc - (long)&work
reverse-stepi
reverse-stepi
reverse-stepi
printf "= back %d, rdi %ld, watched %ld\n", $pc == &work, $rdi, *(long *)&watched
delete
watch *(long *)&watched
reverse-continue
printf "= before %d it was %ld\n", $pc - (long)&work, *(long *)&watched
reverse-continue
printf "= before %d it was %ld\n", $pc - (long)&work, *(long *)&watched
delete
break real_mode
reverse-continue
printf "= real mode %d, rounds %ld\n", $pc == &real_mode, *(long *)&rounds
delete
reverse-continue
printf "= beginning %d\n", $pc == &_start
END
said "$scratch/back" <<'END' && grep -q 'No more reverse-execution history' "$scratch/back"
= work 1
= stepped 24
= back 1, rdi 5, watched 9
= before 4 it was 8
= before 4 it was 7
= real mode 1, rounds 2
= beginning 1
END
report $? "backwards: reverse-stepi, reverse-continue" "$scratch/back" "$scratch/back.diff"
stop

# A machine that runs is attached to, left, attached to again; Ctrl-C; the same after a lost client.
start_guest
session "$scratch/first" <<'END'
break work
continue
printf "= work %d\n", $pc == &work
detach
END
said "$scratch/first" <<<'= work 1' && session "$scratch/second" <<'END' && said "$scratch/second" <<<'= runs on 1 1 1 1'
set $before = *(long *)&rounds
shell (sleep 0.3; kill -INT $PPID) &
continue
set $i = $_exitcode
printf "= runs on %d %d %d %d\n", $before > 1, *(long *)&rounds > $before, $cs_limit > 0, $_isvoid($_exitcode)
disconnect
END
status=$?
"$BUILD/tests/tools/talk" "unix:$sock" '$?#3f' 'thread:1' && [ $status = 0 ] && session "$scratch/third" <<'END' &&
set $stands = *(long *)&rounds
printf "= it stood still %d\n", $stands == *(long *)&rounds
monitor info status
kill
END
    said "$scratch/third" <<<'= it stood still 1' && grep -q '^VM status: paused' "$scratch/third" && wait "$pid"
report $? "detach, attach again, Ctrl-C, a lost client, kill" "$scratch"/{first,second,third}
stop

# What is wrong with packets is said, and the guest goes on.
start_guest
"$BUILD/tests/tools/talk" "unix:$sock" '$m12#00$m#6d$Z0,1,1;X1,ff#00' '-+$E01#a6+$E.' &&
    session "$scratch/after" <<'END' && said "$scratch/after" <<<'= real 1'
tbreak real_mode
continue
printf "= real %d\n", $pc == &real_mode
END
report $? "malformed packets" "$scratch/after"
stop

# run, restart; memory by the big packets; searching; registers that refuse.
start_guest
cat >"$scratch/commands" <<END
set pagination off
set confirm off
target extended-remote $sock
tbreak *0x8014
continue
printf "= cr0 %#lx\n", \$cr0
set var \$cr0 = 0x60000030
printf "= cr0 %#lx\n", \$cr0
set var \$cs_base = 0x9000
printf "= pc %#lx\n", \$pc
set var \$cs_base = 0x8000
set var \$gs_base = 0x123456
printf "= gs_base %#lx\n", \$gs_base
set var \$xmm3.v4_int32[1] = 7
p \$xmm3.v4_int32
printf "= st %g\n", \$st0
set var \$st0 = 1.5
printf "= st %g\n", \$st0
restore $guest binary 0x200000
dump binary memory $scratch/dump 0x200000 0x200000+$(stat -c %s "$guest")
find 0x100000, 0x110000, (short)0xf4e6
printf "= found %d\n", \$_ - ((long)&finish & 0xffffff)
starti
printf "= starti: %d, cr0.PE %d\n", \$pc == &_start, \$cr0 & 1
kill
END
timeout -k 5 60 gdb -nx -batch -x "$scratch/commands" "${guest}64" >"$scratch/run" 2>&1 </dev/null
said "$scratch/run" <<'END' && cmp "$scratch/dump" "$guest" && grep -q '{0, 7, 0, 0}' "$scratch/run"
= cr0 0x60000010
= cr0 0x60000030
= pc 0x9014
= gs_base 0x123456
= st 0
= st 1.5
= found 2
= starti: 1, cr0.PE 1
END
report $? "registers, memory, find, starti" "$scratch/run" "$scratch/run.diff"
stop

# The other ways to connect.
cat >"$scratch/commands" <<END
target remote | $CALQUE -kernel $guest -display none -S -gdb stdio -monitor unix:$sock,server,nowait 2>$scratch/err
printf "= stdio %d\n", \$pc == &_start
kill
END
timeout -k 5 60 gdb -nx -batch -x "$scratch/commands" "${guest}64" >"$scratch/stdio" 2>&1 </dev/null
said "$scratch/stdio" <<<'= stdio 1'
report $? "-gdb stdio" "$scratch/stdio"
"$CALQUE" -kernel "$guest" -display none -S -gdb none -monitor "unix:$scratch/mon,server,nowait" \
    --timeout 60 >"$scratch/out" 2>"$scratch/err" </dev/null &
pid=$!
"$BUILD/tests/tools/talk" "unix:$scratch/mon" "gdbserver unix:$sock
" '(calque) (calque)' && for _ in $(seq 100); do [ ! -S "$sock" ] || break; sleep 0.05; done
session "$scratch/monitor" <<'END' && said "$scratch/monitor" <<<'= here 1 1' && grep -q 'gdb itself' "$scratch/monitor" &&
set $start = $pc == &_start
monitor gdbserver none
monitor break real_mode
continue
printf "= here %d %d\n", $start, $pc == &real_mode
monitor x/i $pc
END
    grep -q '^breakpoint 1: real_mode' "$scratch/monitor" && grep -q 'mov ax, 0x800' "$scratch/monitor"
report $? "gdbserver in the monitor, whose breakpoints gdb hears of" "$scratch/monitor"
stop
finish
