#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who wrote that? A field is overwritten (guest/corrupt.S) long before it is noticed; from there back
# to the one instruction that did it, past those that may: with gdb, at the prompt, in a recording.
. tests/debugger/gdb.sh
export HOME=$scratch
guest=$BUILD/debugger/corrupt.elf

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

back='break noticed
continue
print *(int *)&owner
bookmark late
last-write *(int *)&owner
goto late
delete
watch *(int *)&owner
reverse-continue
print $edi - &name
reverse-continue
print *(int *)&owner
continue
reverse-step
print *(int *)&owner
'
went='*Breakpoint 1, noticed, hit 1 time
CPU 0, 32-bit protected mode, * noticed
*) print \*(int \*)&owner
4212
*) last-write \*(int \*)&owner
Written: 1 byte at 0x1000a8
CPU 0, 32-bit protected mode, * copied
*) goto late
CPU 0, * noticed
*) watch *
*) reverse-continue
Watchpoint 2, *: 1 byte written at 0x1000a8: *06 -> *74
CPU 0, 32-bit protected mode, * copied
*) print $edi - &name
8
(calque) reverse-continue
Watchpoint 2, *: 4 bytes written at 0x1000a8: 0x1005 -> 0x1006
CPU 0, * take+0x*
*) print \*(int \*)&owner
4102
(calque) continue
*: 1 byte written at 0x1000a8*
CPU 0, * copied
*) reverse-step
CPU 0, * copy_byte+0x2
*) print \*(int \*)&owner
4102*'

for engine in interp jit,threshold=1; do
    start_guest -accel "$engine" --history all
    session "$scratch/session" "$guest" <<'END'
break noticed
continue
printf "= noticed %d: round %d, owner %#x\n", $pc == (int)&noticed, $ebx, *(int *)&owner
delete
watch *(int *)&owner
reverse-continue
x/i $pc
printf "= edi is %d behind name, al is %c, owner still %#x\n", $edi - (int)&name, $al, *(int *)&owner
reverse-continue
x/i $pc
printf "= round %d, owner still %#x\n", $ebx, *(int *)&owner
continue
continue
printf "= forwards again: %d behind copy_byte, owner %#x\n", $pc - (int)&copy_byte, *(int *)&owner
delete
tbreak noticed
continue
printf "= noticed %d\n", $pc == (int)&noticed
END
    said "$scratch/session" <<'END'
= noticed 1: round 6, owner 0x1074
=> 0x100048 <copy_byte+2>:	mov    %al,(%edi)
= edi is 8 behind name, al is t, owner still 0x1006
=> 0x100026 <take+6>:	mov    %eax,0x1000a8
= round 6, owner still 0x1005
= forwards again: 4 behind copy_byte, owner 0x1074
= noticed 1
END
    report $? "$engine: gdb: reverse-continue to the writer" "$scratch/session" "$scratch/session.diff"
    stop
    at_prompt "$engine: the prompt: reverse-continue and last-write" "$went" -accel "$engine" --history all \
        -kernel "$guest" -device isa-debug-exit,iobase=0xf4,iosize=4 <<<"$back"
done

# The same of a run that nobody had looked at.
timeout -k 5 60 "$CALQUE" -display none --record "$scratch/rec" -kernel "$guest" \
    -device isa-debug-exit,iobase=0xf4,iosize=4 >"$scratch/out" 2>&1
status=$?
[ $status = 33 ]
report $? "it is recorded, to its end" "$scratch/out"
at_prompt "the recording: reverse-continue and last-write" "$went" --replay "$scratch/rec" <<<"$back"
finish
