#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel, moved by KASLR, with a module and variables of its processors: an unmodified gdb
# and our prompt, which give way to each other.
. tests/boot/boot.sh
. tests/debugger/gdb.sh
export HOME=$scratch
names=("prompt: a condition in start_kernel" "prompt: a condition in a module" "prompt: a per-CPU variable"
       "gdb: a condition in a module" "gdb: a per-CPU variable, attached again"
       "gdb left: the guest goes on")
if kernel=$(tests/fetch kernel 2>"$scratch/why"); then
    find "$(dirname "$kernel")/lib/modules/" -name loop.ko -exec cp {} "$scratch/" \;
fi
need_guest "$scratch/loop.ko"

# A loop device is made of a file and undone, again and again: ioctls LOOP_SET_FD or LOOP_CONFIGURE, and LOOP_CLR_FD.
work='insmod /loop.ko; n=0; while :; do losetup /dev/loop0 /init; losetup -d /dev/loop0; n=$((n + 1)); echo turn $n; done'
machine=(-kernel "$kernel" -initrd "$scratch/initrd" -m 256 -smp 2 -serial "file:$scratch/serial"
         -append "console=ttyS0 calque.run=\"$work\"")

# Nothing has these names yet. apic_timer_irqs is 8 bytes behind the beginning of irq_cpustat_t
# (arch/x86/include/asm/hardirq.h, 6.1).
timeout -k 5 200 "$CALQUE" "${machine[@]}" -display none --debug >"$scratch/out" 2>&1 <<'S'
break start_kernel if $cs == 0x10 && !($eflags & 0x200)
break lo_ioctl if $edx == 0x4c01
continue
print $eflags >> 9 & 1
continue
continue
print $edx
backtrace 3
delete
watch *(int *)((char *)&$percpu(irq_stat, 1) + 8)
continue
backtrace 3
continue
S

# printed NAME PATTERN
printed() {
    # shellcheck disable=SC2053 # a pattern
    [[ $(<"$scratch/out") == $2 ]]
    report $? "$1" "$scratch/out"
}
printed "${names[0]}" '*Breakpoint 2 at a place that is not known yet: lo_ioctl*Breakpoint 1, start_kernel, hit 1 time
CPU 0, 64-bit mode, 0010:* start_kernel
*) print $eflags >> 9 & 1
0
*'
printed "${names[1]}" '*Breakpoint 2, lo_ioctl, hit 1 time
*Breakpoint 2, lo_ioctl, hit 2 times
CPU ?, 64-bit mode, 0010:ffffffffc0* \[loop\] lo_ioctl
*) print $edx
19457
*) backtrace 3
*0 * \[loop\] lo_ioctl
#1 * blkdev_ioctl+*'
printed "${names[2]}" '*Watchpoint 3, *: 4 bytes written at 0xffff*
CPU 1, 64-bit mode, * __sysvec_apic_timer_interrupt+*
*0 * __sysvec_apic_timer_interrupt+*
#1 * sysvec_apic_timer_interrupt+*
Watchpoint 3, *: 4 bytes written at 0xffff*'

# gdb knows no symbols of it; our commands do. (start_kernel with gdb: debugger/test_gdb_linux.sh.)
rm -f "$scratch/serial"
start "${machine[@]}"
# turns N: the guest has gone round so often.
turns() {
    local tries=0
    until [ "$(grep -c '^turn' "$scratch/serial")" -ge "$1" ]; do
        [ $((tries += 1)) -lt 600 ] || return 1
        sleep 0.1
    done
}
turns 1
session "$scratch/ask" /bin/true <<'END'
monitor print &lo_ioctl
monitor print &$percpu(irq_stat, 1)
detach
END
lo_ioctl=$(sed -n 's/.*\(0xffffffffc0[0-9a-f]*\).*/\1/p' "$scratch/ask" | head -n 1)
counter=$(sed -n 's/.*long \*) \(0xffff[0-9a-f]*\).*/\1/p' "$scratch/ask" | head -n 1)+8
session "$scratch/second" /bin/true <<END
break *$lo_ioctl if \$edx == 0x4c01
continue
printf "= lo_ioctl %d, command %#x\n", \$pc == $lo_ioctl, \$edx
continue
printf "= again %d, command %#x\n", \$pc == $lo_ioctl, \$edx
monitor info symbol \$pc
detach
END
said "$scratch/second" <<'END' && grep -q '\[loop\] lo_ioctl' "$scratch/second"
= lo_ioctl 1, command 0x4c01
= again 1, command 0x4c01
END
report $? "${names[3]}" "$scratch/second" "$scratch/second.diff" "$scratch/ask"

session "$scratch/third" /bin/true <<END
set \$old = *(int *)($counter)
watch *(int *)($counter)
continue
printf "= one more %d, thread %d\n", *(int *)($counter) - \$old, \$_thread
monitor bt 3
continue
printf "= two more %d\n", *(int *)($counter) - \$old
delete
detach
END
said "$scratch/third" <<'END' && grep -q 'sysvec_apic_timer_interrupt' "$scratch/third"
= one more 1, thread 2
= two more 2
END
report $? "${names[4]}" "$scratch/third" "$scratch/third.diff"

turns $(($(grep -c '^turn' "$scratch/serial") + 3))
report $? "${names[5]}" "$scratch/serial"
stop
finish
