#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's kernel with its vmlinux and modules (linux-image-...-cloud-amd64-dbg, 283 MB, unpacked, not
# installed): where KASLR put it, types, lines, processors' variables, modules, frames.
. tests/boot/boot.sh
names=("vmlinux is found to be slid" "types: tasks" "source lines" "modules as they were loaded" "a backtrace"
       "enumerators, arrays, strings" "the prompt: a module's function and line, its locals, by its .ko; its caller's")

if kernel=$(tests/fetch kernel 2>"$scratch/why"); then
    find "$(dirname "$kernel")/lib/modules/" -name loop.ko -exec cp {} "$scratch/" \;
fi
need_guest "$scratch/loop.ko"
if ! debug=$(tests/fetch kernel-dbg 2>"$scratch/why"); then
    cat "$scratch/why"
    for name in "${names[@]}"; do
        skip "$name" "the package cannot be fetched"
    done
    finish
fi
timeout -k 5 900 "$BUILD/tests/debugger/look" -v "$debug/vmlinux" "$kernel" "$scratch/initrd" console=ttyS0 \
    slide modules bt 'init_task.comm' 'init_task.pid' '((struct task_struct*)$percpu(current_task))->comm' \
    '((struct task_struct*)$percpu(current_task))->pid' '$percpu(current_task, 0) == $percpu(current_task)' \
    'system_state' 'sizeof(struct task_struct) > 4096' 'init_uts_ns.name.sysname' \
    '$percpu(runqueues).idle == &init_task' 'init_task.comm == "swapper/0"' '(enum pid_type)1' 'linux_banner[0]@5' \
    @start_kernel @init/main.c:950 'evdev_handler.name' @evdev_connect 'nr_cpu_ids' 'jiffies_64 > 0' >"$scratch/out" 2>&1
status=$?

[ $status = 0 ] && all_of "$scratch/out" '^slide 0x[0-9a-f]+00000$' && ! grep -q -x 'slide 0x0' "$scratch/out"
report $? "${names[0]}" "$scratch/out"
all_of "$scratch/out" '^init_task.comm = "swapper/0"$' '^init_task.pid = 0$' 'current_task\)\)->comm = "[a-z]+"$' \
    'current_task\)\)->pid = [1-9][0-9]*$' 'runqueues\).idle == &init_task = 1$' '^\$percpu\(current_task, 0\) == .* = 1$' \
    'sizeof\(struct task_struct\) > 4096 = 1$' '^nr_cpu_ids = 1$'
report $? "${names[1]}" "$scratch/out"
all_of "$scratch/out" '^@start_kernel = start_kernel .*init/main.c:[0-9]+$' \
    '^@init/main.c:950 = start_kernel\+0x[0-9a-f]+ '
report $? "${names[2]}" "$scratch/out"
all_of "$scratch/out" '^from evdev: [0-9]+ symbols, types, a file$' '^from button: [0-9]+ symbols, types, a file$' \
    '^evdev_handler.name = 0x[0-9a-f]+ "evdev"$' '^@evdev_connect = \[evdev\] evdev_connect .*drivers/input/evdev.c:[0-9]+$'
report $? "${names[3]}" "$scratch/out"
all_of "$scratch/out" '^#[0-9]+ __do_sys_reboot\+' '^#[0-9]+ do_syscall_64\+' && ! grep -q 'a guess' "$scratch/out"
report $? "${names[4]}" "$scratch/out"
all_of "$scratch/out" '^system_state = SYSTEM_[A-Z_]+$' '^\(enum pid_type\)1 = PIDTYPE_TGID$' '^init_uts_ns.name.sysname = "Linux"$' \
    '== "swapper/0" = 1$' '^linux_banner\[0\]@5 = "Linux"$' '^jiffies_64 > 0 = 1$'
report $? "${names[5]}" "$scratch/out"

# Nothing has these names yet. LOOP_CLR_FD is 0x4c01 (include/uapi/linux/loop.h).
HOME=$scratch timeout -k 5 600 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -m 256 -display none -serial null \
    -append 'console=ttyS0 calque.run="insmod /loop.ko; while :; do losetup /dev/loop0 /init; losetup -d /dev/loop0; done"' \
    --debug >"$scratch/prompt" 2>&1 <<S
symbol-file $debug/vmlinux
break lo_ioctl
break drivers/block/loop.c:1553
continue
print cmd
delete 2
condition 1 cmd == 0x4c01
continue
print cmd
print bdev->bd_disk->disk_name
print lo->lo_number
up
print bdev->bd_disk->disk_name[4]
info locals
S
all_of "$scratch/prompt" '^Breakpoint 1 at a place that is not known yet: lo_ioctl$' \
    '^Breakpoint 1, lo_ioctl, hit 1 time$' '^Breakpoint 2, drivers/block/loop.c:1553, hit 1 time$' \
    '\[loop\] lo_ioctl\+0x[0-9a-f]+ at drivers/block/loop.c:1553$' '^Breakpoint 1, lo_ioctl, hit 2 times$' '^19457$' \
    '^"loop0"$' '^0$' \
    "^48 '0'\$" '^cmd = 19457$'
report $? "${names[6]}" "$scratch/prompt"
finish
