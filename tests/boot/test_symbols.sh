#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A stripped kernel somewhere in memory (KASLR): its own symbols are found there, variables of
# processors, and the frames of a system call, by the kernel's unwind tables. The guest's shell ends
# at once, so it is on its way to power off.
. tests/boot/boot.sh
names=("kallsyms of a kernel that KASLR moved" "a backtrace by ORC" "a per-CPU variable" "a word by its symbol")

need_guest
timeout -k 5 300 "$BUILD/tests/debugger/look" "$kernel" "$scratch/initrd" console=ttyS0 \
    '&_text' bt '*$percpu(current_task) != 0' '*(int *)&system_state' modules slide nosuch >"$scratch/out" 2>&1
status=$?

[ $status = 0 ] && all_of "$scratch/out" '^from kernel: [0-9]{5,} symbols, no types, memory$' '0xffffffff[89a-f][0-9a-f]{7} <' \
    '^nosuch: .*no symbol nosuch' && ! grep -q '0xffffffff81000000' "$scratch/out"
report $? "${names[0]}" "$scratch/out"
all_of "$scratch/out" '^#0 acpi_os_write_port\+' '^#[0-9]+ __do_sys_reboot\+' '^#[0-9]+ do_syscall_64\+' \
    '^#[0-9]+ entry_SYSCALL_64_after_hwframe\+' && ! grep -q 'a guess' "$scratch/out"
report $? "${names[1]}" "$scratch/out"
all_of "$scratch/out" 'current_task\) != 0 = 1$'
report $? "${names[2]}" "$scratch/out"
all_of "$scratch/out" 'system_state = [3-6]$'
report $? "${names[3]}" "$scratch/out"
finish
