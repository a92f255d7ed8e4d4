#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The gdb server and an unmodified gdb with Debian's cloud kernel on two processors. It has no symbols:
# the guest tells where its functions are.
. tests/boot/boot.sh
. tests/debugger/gdb.sh
names=("a running kernel: threads, condition, watchpoint" "left, it goes on; attached to again"
       "start_kernel and single steps, set before the kernel is there"
       "gdb's own, set where the kernel is linked before KASLR has moved it"
       "by name, set before KASLR has moved the kernel; then gdb is told where it is")
not_with_fast "${names[@]}"
need_guest

# boot OPTION...: with COMMANDS run in the guest.
boot() {
    start -kernel "$kernel" -initrd "$scratch/initrd" -m 256 -smp 2 -serial "file:$scratch/serial" "$@"
}

# address NAME: where the guest said it is.
address() { tr -d '\r' <"$scratch/serial" | sed -n -E "s/^([0-9a-f]{16}) . $1\$/0x\1/p" | head -n 1; }

commands='grep -w -e _text -e start_kernel -e __x64_sys_write -e jiffies_64 /proc/kallsyms; n=0; while :; do n=$((n + 1)); echo y >/dev/null; echo turn $n; done'
boot -append "console=ttyS0 calque.run=\"$commands\""
for _ in $(seq 300); do
    ! grep -q '^turn 3' "$scratch/serial" || break
    sleep 0.1
done
text=$(address _text) write=$(address __x64_sys_write) jiffies=$(address jiffies_64)

# rdi is a struct pt_regs: fd at 70H, count at 60H.
session "$scratch/running" /bin/true <<END
printf "= kernel or user, 64 bits: %d, paging %d\n", (\$cs_attr & 0x200) != 0, (\$cr0 >> 31) & 1
info threads
break *$write if *(unsigned long *)(\$rdi + 0x70) == 1 && *(unsigned long *)(\$rdi + 0x60) == 2
continue
printf "= write: %d, fd %ld, count %ld\n", \$pc == $write, *(long *)(\$rdi + 0x70), *(long *)(\$rdi + 0x60)
printf "= text %c\n", *(char *)*(long *)(\$rdi + 0x68)
stepi
stepi
printf "= stepped %d\n", \$pc > $write && \$pc < $write + 16
delete
maint packet qOffsets
set \$old = *(unsigned long *)$jiffies
watch *(unsigned long *)$jiffies
continue
printf "= jiffies %d, in the kernel %d\n", *(unsigned long *)$jiffies > \$old, (\$cs & 3) == 0
detach
END
said "$scratch/running" <<'END' && grep -q '"CPU 1" (.*)' "$scratch/running" && ! grep -q 'exited' "$scratch/running" && grep -q "received: \"Text=$(printf %x $((text - 0xffffffff81000000)));" "$scratch/running"
= kernel or user, 64 bits: 1, paging 1
= write: 1, fd 1, count 2
= text y
= stepped 1
= jiffies 1, in the kernel 1
END
report $? "${names[0]}" "$scratch/running" "$scratch/running.diff" "$scratch/serial"

turn=$(grep -c '^turn' "$scratch/serial")
for _ in $(seq 300); do
    [ "$(grep -c '^turn' "$scratch/serial")" -le $((turn + 3)) ] || break
    sleep 0.1
done
[ "$(grep -c '^turn' "$scratch/serial")" -gt $((turn + 3)) ] && session "$scratch/again" /bin/true <<END && said "$scratch/again" <<<'= write 1'
tbreak *$write
continue
printf "= write %d\n", \$pc == $write
kill
END
report $? "${names[1]}" "$scratch/again" "$scratch/serial"
stop

start_kernel=$(($(address start_kernel) - text + 0xffffffff81000000))
boot -S -append "console=ttyS0 nokaslr"
session "$scratch/start" /bin/true <<END
set \$entry = \$pc
break *$start_kernel if \$cs == 0x10
continue
printf "= start_kernel %d, 64 bits %d\n", \$pc == $start_kernel, (\$cs_attr & 0x200) != 0
set \$n = 0
while \$n < 200
stepi
set \$n = \$n + 1
end
printf "= in the kernel %d, of interrupts %d\n", \$pc > 0xffffffff80000000, (\$eflags >> 9) & 1
info threads
kill
END
said "$scratch/start" <<'END' && grep -q '"CPU 1" (.*waits for a start-up IPI)' "$scratch/start"
= start_kernel 1, 64 bits 1
= in the kernel 1, of interrupts 0
END
report $? "${names[2]}" "$scratch/start" "$scratch/start.diff"
stop

# gdb is not told, as it asks when it connects only: what it has inserted is found where the kernel is, with conditions,
# and once more after each stop.
sys_write=$(($write - text + 0xffffffff81000000))
boot -S -append console=ttyS0
session "$scratch/linked" /bin/true <<END
hbreak *$start_kernel if \$rsp != 0
break *$sys_write if \$rsp == 0
break *$sys_write if *(unsigned long *)(\$rdi + 0x70) == 1
continue
monitor info symbol \$pc
printf "= moved %d, by pages of 2 MiB: %d\n", \$pc != $start_kernel, ((\$pc - $start_kernel) & 0x1fffff) == 0
continue
monitor info symbol \$pc
printf "= fd %ld\n", *(long *)(\$rdi + 0x70)
delete
monitor info break
kill
END
said "$scratch/linked" <<'END' && grep -q '^start_kernel' "$scratch/linked" && grep -q '^__x64_sys_write' "$scratch/linked" && grep -q 'the kernel has moved by 0x' "$scratch/linked"
= moved 1, by pages of 2 MiB: 1
= fd 1
END
report $? "${names[3]}" "$scratch/linked" "$scratch/linked.diff"
stop

# Nobody is at the prompt: gdb's continue finds the name.
boot -S -append console=ttyS0
session "$scratch/moved" /bin/true <<END
monitor break start_kernel if \$cs == 0x10
monitor tbreak __x64_sys_execve
continue
monitor info symbol \$pc
printf "= interrupts %d\n", (\$eflags >> 9) & 1
maint packet qOffsets
continue
monitor info symbol \$pc
monitor info break
kill
END
said "$scratch/moved" <<'END' && grep -q '^start_kernel' "$scratch/moved" && grep -q '^__x64_sys_execve' "$scratch/moved" && ! grep -q 'received: "Text=0;' "$scratch/moved" && grep -q 'received: "Text=' "$scratch/moved"
= interrupts 0
END
report $? "${names[4]}" "$scratch/moved" "$scratch/moved.diff"
stop
finish
