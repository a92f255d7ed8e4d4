#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The debugger's prompt: scripts in a small guest, a boot sector, a triple fault, and a person at the
# terminal.
. tests/tap.sh
export HOME=$scratch
guest=("$CALQUE" -kernel "$BUILD/tests/tools/debugged.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1")

# session NAME STATUS PATTERN [OPTION...] <SCRIPT: all that is printed matches PATTERN.
session() {
    local name=$1 want=$2 pattern=$3 status
    shift 3
    timeout -k 5 60 "${guest[@]}" -display none --debug "$@" >"$scratch/out" 2>&1
    status=$?
    # shellcheck disable=SC2053 # a pattern
    if [ $status = "$want" ] && [[ $(<"$scratch/out") == $pattern ]]; then
        report 0 "$name"
    else
        echo "status $status, wanted $want and: $pattern"
        report 1 "$name" "$scratch/out"
    fi
}

session "steps, over calls, out of them, to places" 33 '*b work*
Breakpoint 1 at 0x*: work
*Breakpoint 1, work, hit 1 time
CPU 0, 32-bit protected mode, 0008:* work
=> *  55 *push ebp
*work+0x1*bt*\*0 *work+0x1*#1 *again+0x5*
*=> *call*<inner>*
*inner
*work+0x13*=> *<copy>*
*work+0x18*
*last_of_work
*again+0x5
*finished
*The machine has ended: debug-exit' <<'S'
b work
c
s
bt
n 3
s
finish
n
until last_of_work
finish
delete
until finished
c
S

guest[2]=$BUILD/debug/symbols-64-4.boot
session "x, set and watch in the frame that was chosen" 1 '*
\*1  *deeper+*
0010????:          24
*
5
*
0010????:          10
*
0x00*<deeper+*>:  *
Watchpoint 2 at 0x10????-0x10????
*
registers are those of a frame: set in frame 0 only
*
\*0  *stop*
Watchpoint 2, local: 8 bytes written at 0x10????: 0x5 -> *' <<END
symbol-file $BUILD/debug/symbols-64-4.elf
tbreak stop
continue
frame 1
x/1dw &local
set var local = 5
print local
x/1dw &array[2]
x/1i \$pc
watch local
set \$rbx = 1
frame 0
continue
quit
END
guest[2]=$BUILD/tests/tools/debugged.elf

session "conditions, ignore counts, commands, once" 0 '*inner*
    stops only if $eax == 3
*Breakpoint 1, inner, hit 1 time*counter*
(calque)  p counter
3
(calque) *
*Breakpoint 2: the next 2 hits do not count
*Breakpoint 2, work, hit 3 times*
(calque) p counter
5
*Temporary breakpoint 3, copy, hit 1 time*
*info b
Num Type *
2   breakpoint *' <<'S'
b inner if $eax == 3
info b
commands 1 echo the counter; p counter
c
delete
b work
ignore 2 2
c
p counter
disable
tbreak copy
c
enable
info b
quit
S

session "commands by lines, and going on from them" 33 '*commands 1
(calque) print $ebx
(calque) continue
(calque) end
(calque) c
*print $ebx
10
(calque) continue
*print $ebx
9
*print $ebx
1
(calque) continue
The machine has ended*' <<'S'
b work
commands 1
print $ebx
continue
end
c
S

session "watchpoints" 0 '*Watchpoint 1 at 0x*-0x*
*Watchpoint 1, *: 4 bytes written at 0x*: 0x0 -> 0x1
*work+0x9*
*Watchpoint 1, *: 0x1 -> 0x2
*Read watchpoint 2 at 0x101017*
*Watchpoint 2, *: 1 byte read at 0x101017: 0x6c
*copy*
*Access watchpoint 3*
*Watchpoint 3, total: 4 bytes *' <<'S'
watch *(int *)&counter
c
c
delete
rwatch *((char *)&text + 3)
c
delete
awatch total
c
quit
S

session "catchpoints" 0 '*Catchpoint 1: CR3 = 0x*Catchpoint 2: CR0 = 0xe0010011
*Catchpoint 3: exception 6 #UD, error code 0x0
*=> *ud2*
*Catchpoint 4: interrupt 48 (0x30)
*handle_30
*Catchpoint 5: MSR 0x174, value 0x2
*Catchpoint 6: port 0x80, 0x03
*' <<'S'
catch cr3
c
delete
catch cr 0
c
delete
catch exception ud
c
delete
catch interrupt 0x30
c
delete
catch msr 0x174
c
delete
catch port 0x80 w
c
delete
quit
S

session "traces" 0 '*traced: branch io
*
cpu0 branch * -> work *call*
cpu0 branch * -> inner *call*
cpu0 branch inner+* -> work+*ret *
*cpu0 out port 80: 01
*Breakpoint 2*' <<'S'
b again
c
b last_of_work
trace branch io
c
quit
S
timeout -k 5 60 "${guest[@]}" -display none -ex 'b work' -ex c -ex "trace call to $scratch/trace" -ex finish \
    -ex 'trace off' </dev/null >"$scratch/out" 2>&1
# shellcheck disable=SC2053 # a pattern
[[ $(<"$scratch/trace") == 'cpu0 call work+0xe -> inner
cpu0 ret inner+0xa -> work+0x13
cpu0 call work+0x13 -> copy
'*'cpu0 ret last_of_work+0x1 -> again+0x5' ]]
report $? "a trace in a file" "$scratch/trace" "$scratch/out"

# ---- where commands come from; what becomes of errors ----
printf 'print 6 * 7\n# a comment\n\nsource %s\n' "$scratch/more" >"$scratch/file"
printf 'echo more\n' >"$scratch/more"
session "-ex, -x, source, standard input, in this order" 0 '*print 1
1
*print 6 \* 7
42
*echo more
more
*echo last
last' -ex 'print 1' -x "$scratch/file" <<<'echo last'
session "a command that fails: status 1, and the rest runs" 1 '*nonsense: no such command*
*print 2
2' <<'S'
nonsense
print 2
S
session "what is not there, and bad values, are said" 1 '*b *0xnothing: *
*delete 5
there is no breakpoint 5
*ignore 1 1
there is no breakpoint 1
*catch nothing
catch nothing: there is no such event; did you mean *
*catch exception 77
77: a number or FIRST-LAST up to 0x1f is expected
*x/4q 0
/q: *expected
*x 0xffffffff000
Cannot access memory at 0xffffffff000
*set $eax
usage: set *
*set $nothing = 1
*set $cs_limit_ = 1
*setpmem 1 3 1
a size of 1, 2, 4 or 8 is expected
*step 0
a count of at least 1 is expected
*info gdt 9999
*list nowhere
*call nothing(1)
nothing: not declared
*load /nowhere.so
*page
usage: page *
*writemem "/nowhere/x" 0 1
/nowhere/x: *
*search 0 100 zz
usage: search *
*instrument
instrument: not in this version*
*trace nothing
trace nothing: there is no such trace; did you mean *' <<'S'
b 0xnothing
delete 5
ignore 1 1
catch nothing
catch exception 77
x/4q 0
x 0xffffffff000
set $eax
set $nothing = 1
set $cs_limit_ = 1
setpmem 1 3 1
step 0
info gdt 9999
list nowhere
call nothing(1)
load /nowhere.so
page
writemem "/nowhere/x" 0 1
search 0 100 zz
instrument
trace nothing
S
timeout 20 "$CALQUE" -kernel "$BUILD/tests/tools/debugged.elf" -x "$scratch/none" >"$scratch/out" 2>&1
report $([ $? = 1 ] && grep -q "^calque: -x $scratch/none: No such file" "$scratch/out"; echo $?) "-x of no file" "$scratch/out"
session "a name that comes later, and a line too long" 0 '*b nowhere
Breakpoint 1 at a place that is not known yet: nowhere
*' <<<"b nowhere
echo $(printf '%01000d' 7)"

# ---- time ----
session "back in time" 0 '*when
first *instruction 0 *
now *instruction 128 *
*rs
CPU 0*=> *call*<work>*
*last-write*
Written: 4 bytes at 0x*
CPU 0, *work+0x9*
*rc
Breakpoint 1, work, *
*goto here*
*again
*' --history all <<'S'
b work
c
c
c
when
rs
bookmark here
last-write *(int *)&counter
rc
goto here
bookmark
quit
S
session "nothing is changed by hand that has a past" 1 '*$eax: not while the machine is recorded or replayed
*memory: not while *memory: not while *a port: not while *a port: not while *eax *2badb002*' --history all <<'S'
set $eax = 5
set *(int *)&counter = 5
setpmem 0x1000 4 5
i 0x60
o 0xf4 1
p/x $eax
info registers eax
quit
S

head -c 100000 /dev/zero >"$scratch/medium"
session "no medium is changed that has a past" 0 '*eject cd*cd: not while *change cd*cd: not while *' --history all \
    -drive "if=ide,media=cdrom,id=cd,format=raw,file=$scratch/medium" <<'S'
eject cd
change cd /dev/null
quit
S

# ---- own functions ----
if [ ! "$RUNNER" ] && command -v "${CC:-cc}" >/dev/null && [[ $BUILD != *address* ]]; then
    cat >"$scratch/own.c" <<'C'
#include <stdint.h>
#include <string.h>
uint64_t add(uint64_t a, int b) { return a + b; }
uint64_t length(const char *s) { return strlen(s); }
C
    "${CC:-cc}" -shared -fPIC -o "$scratch/own.so" "$scratch/own.c"
    session "functions of a library" 0 '*is loaded*
*call add($eip, -1)
= 1048587 (0x10000b)
*call length("four")
= 4 (0x4)
*call length(&text)
= 13 (0xd)' <<S
load $scratch/own.so
declare uint64_t add(uint64_t a, int)
declare uint64_t length(const char *)
call add(\$eip, -1)
call length("four")
call length(&text)
S
else
    skip "functions of a library" "no compiler for this host"
fi

# ---- why did my guest die? ----
session "a triple fault stops, with the reason" 0 '*Triple fault: CPU 0 shut down
CPU 0 at 0008:* <crash+0x15>:
  #GP(0102: IDT vector 20)
    the IDT ends before it: base 00000000, limit 0, and 107 is needed
*#DF*
*shutdown*
The last * branches:
*-> *<inner>  call*
The last instructions:
*int 0x20
CPU 0, *crash+0x15*
*p/x $eip
0x100*' -action triple-fault=report <<'S'
setpmem die 4 1
c
p/x $eip
S

session "a double fault stops before its handler, with the reason" 33 '*Double fault: CPU 0 is about to run its handler
CPU 0 at 0008:* <handle_df>:
  #GP(0100: GDT selector 0100)
    *
  #NP(006b: IDT vector 0d, EXT) while that was delivered
    *
  #DF(0000), which these two make
*The last * branches:
*<crash_twice>  je *mov ds, eax
CPU 0, *handle_df*
*The machine has ended: debug-exit' <<'S'
setpmem die 4 2
c
c
S

# ---- real mode ----
{
    printf '\x31\xc0\x8e\xd8\xb9\x03\x00\xe2\xfe\xcd\x12\xa3\x00\x06\xeb\xfe'
    head -c 494 /dev/zero
    printf '\x55\xaa'
    head -c 1000000 /dev/zero
} >"$scratch/disk"
guest=("$CALQUE" -hda "$scratch/disk")
printf '\xb0\xfe\xe6\x64\xeb\xfe' | cat - <(head -c 504 /dev/zero) <(printf '\x55\xaa') <(head -c 1000000 /dev/zero) \
    >"$scratch/loops"
guest=("$CALQUE" -hda "$scratch/loops" -icount shift=3)
session "a boot loop is told, and stops" 0 '*a boot loop: a device on CPU 0 resets the machine at 7c02, 3 times by now; it stops here
*Stopped: boot-loop*' <<'S'
c
quit
S
guest=("$CALQUE" -bios roms/bios.bin)
session "our BIOS has its names" 0 '*CPU 0, real mode, f000:* reset
*' <<'S'
step
quit
S
guest=("$CALQUE" -hda "$scratch/disk")
session "a boot sector" 0 'CPU 0, real mode, f000:fff0
=> fffffff0:  ea *ljmp 0xf000:*
*Breakpoint 1, 0:0x7c00, hit 1 time
CPU 0, real mode, 0000:7c00
=> 00007c00:  31 c0 *xor ax, ax
*=> 00007c07:  e2 fe *loop 0x7c07
*=> 00007c09:  cd 12 *int 0x12
*=> 00007c0b:  a3 00 06 *mov word ptr \[0x600\], ax
*p $ax
639
*00000600: 0x027f
*Catchpoint 2: interrupt 18 (0x12)
CPU 0, real mode, f000:*' <<'S'
b 0:0x7c00
c
n 3
until
n
p $ax
n
x/1xh 0x600
catch interrupt 0x12
set $ip = 0x7c09
c
quit
S

# ---- a person ----
# typed NAME [OPTION...] <STEPS
typed() {
    local name=$1
    shift
    timeout 60 "$BUILD/tests/tools/pty" "$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" "$@" >"$scratch/out" 2>&1
    report $? "$name" "$scratch/out"
}
typed "the terminal is the guest's while it runs, Ctrl-C the debugger's" -nographic --debug <<'STEPS'
want 10 (calque) 
send continue\r
want 10 ready
send Hi
want 10 hI
send \x03
want 10 Stopped: user
want 10 (calque) 
send info regi\x09 eip\r
want 10 eip  
want 10 (calque) 
send step\r
want 10 => 
want 10 (calque) 
send \r
want 10 => 
want 10 (calque) 
send \x1b[A\r
want 10 => 
want 10 (calque) 
send p $e\x09\x09
want 10 $eflags  $es
send flags\r
want 10 (calque) 
send garbage\x03
want 10 (calque) 
send continue\r
sleep 0.5
send \x01\x03
want 10 #
send \x01d
want 10 Stopped: user
want 10 (calque) 
send \x01d
sleep 0.5
send x
want 10 X
send \x03
want 10 (calque) 
send \x04
status 0 10
cooked
STEPS
grep -qx 'info\\040registers\\040\\040eip\|info registers  *eip' "$scratch/.calque_history" ||
    grep -q 'info.*registers.*eip' "$scratch/.calque_history"
report $? "lines are kept in a file" "$scratch/.calque_history"
typed "Ctrl-A d at any time; every monitor has the commands" -nographic <<'STEPS'
want 10 ready
send \x01d
want 10 Stopped: user
want 10 (calque) 
send info reg eip\r
want 10 eip  
want 10 (calque) 
send \x01d
sleep 0.5
send ab
want 10 AB
send \x01c
want 10 (calque) 
send x/2i _start\r
want 10 <_start>
want 10 (calque) 
send info status\r
want 10 running
send quit\r
status 0 10
cooked
STEPS
finish
