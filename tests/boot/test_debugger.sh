#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The debugger's prompt in a stock Debian kernel: no debug information, KASLR on.
. tests/tap.sh
export HOME=$scratch
kernel=$(tests/fetch kernel) && initrd=$(tests/mkinitrd) || {
    skip "a stock kernel" "it could not be fetched"
    finish
}
timeout -k 5 300 "$CALQUE" -m 512 -display none -serial "file:$scratch/serial" -kernel "$kernel" -initrd "$initrd" \
    -append console=ttyS0 --debug >"$scratch/out" 2>&1 <<'S'
break start_kernel
continue
backtrace
break vfs_open if $rdi != 0
continue
backtrace
delete
next 2
finish
watch jiffies
continue
backtrace
delete
info idt 14
page $rip x
trace call
step 40
trace off
S
report $? "the script ends well" "$scratch/out"

# printed NAME PATTERN
printed() {
    # shellcheck disable=SC2053 # a pattern
    [[ $(<"$scratch/out") == $2 ]]
    report $? "$1" "$scratch/out"
}
printed "a breakpoint waits for the kernel" '*not known yet: start_kernel*Breakpoint 1, start_kernel, hit 1 time
CPU 0, 64-bit mode, 0010:ffffffff* start_kernel
=> *call *<__fentry__>*'
printed "a condition, and frames by the ORC tables" '*Breakpoint 2, vfs_open, hit 1 time*
\*0 *vfs_open
#1  *path_openat+*
#2  *do_filp_open+*ret_from_fork+*'
printed "out of a function" '*) finish
CPU 0, 64-bit mode, * path_openat+*
(calque) watch*'
printed "who writes a variable" '*Watchpoint 3, jiffies: 8 bytes written at 0xffffffff*
CPU 0, 64-bit mode, 0010:* tick_do_update_jiffies64+*'
printed "tables" '*0e #PF interrupt gate64 0010:*asm_exc_page_fault*a fetch by the supervisor: permitted*'
printed "calls by name" '*traced: call
*cpu0 *call *+0x* -> *'
finish
