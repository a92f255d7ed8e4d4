#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel by other ways than tests/boot/test_linux.sh: with 6 GiB (64 in a long run),
# at its 32-bit entry, under Xen (Multiboot with modules), from UEFI firmware. Two guests at a time.
. tests/boot/boot.sh
names=("big memory, Xen and UEFI")
need_guest

# guest OUTPUT COMMANDS OPTION...: the kernel runs the commands; the status is Calque's.
guest() {
    local output=$1 commands=$2
    shift 2
    timeout -k 5 170 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot "$@" \
        -append "console=ttyS0 calque.run=\"$commands\"" >"$output" 2>&1 </dev/null
}

show='cat /proc/meminfo /sys/class/dmi/id/product_name /sys/class/dmi/id/product_serial; mkdir /m; mount -t tmpfs -o size=5g m /m; dd if=/dev/zero of=/m/x bs=1M count=16; poweroff -f'
guest "$scratch/6G" "$show" -m 6G -smbios type=1,serial=calque-5 &
first=$!
if xen=$(tests/fetch xen 2>/dev/null); then
    timeout -k 5 170 "$CALQUE" -m 1G -kernel "$xen" -nographic -no-reboot --until 'Run /init as init process' \
        -initrd "$kernel earlyprintk=xen,$scratch/initrd" -append 'console=com1' >"$scratch/xen" 2>&1 </dev/null
    xen_status=$?
fi
wait $first
status=$?
memory_is "$scratch/6G" $((6 << 20)) 16 && [ $status = 0 ]
report $? "all memory is seen with -m 6G" "$scratch/6G"
all_of "$scratch/6G" 'DMI: Calque ' '^Standard PC' '^calque-5' '16\+0 records out'
report $? "SMBIOS tables are read" "$scratch/6G"
if [ -n "$xen" ]; then
    [ "$xen_status" = 0 ] && all_of "$scratch/xen" 'Xen version' 'Multiboot-e820' 'ACPI: RSDP' 'Dom0 kernel: 64-bit'
    report $? "Xen loads the kernel as dom0, which runs init" "$scratch/xen"
else
    skip "Xen" "it cannot be fetched"
fi

if firmware=$(tests/fetch ovmf 2>/dev/null); then
    guest "$scratch/uefi" 'dmesg; ls /sys/firmware/efi' -m 512 -bios "$firmware/OVMF.fd" &
    first=$!
else
    first=
fi
if [ -n "$LONG" ]; then
    guest "$scratch/64G" 'cat /proc/meminfo' -m 64G
    status=$?
    memory_is "$scratch/64G" $((64 << 20)) 16 && [ $status = 0 ]
    report $? "all memory is seen with -m 64G" "$scratch/64G"
fi
if [ -n "$first" ]; then
    wait $first
    status=$?
    [ $status = 0 ] && all_of "$scratch/uefi" 'EFI v2' 'ACPI: FACP' 'DMI: Calque' 'Interpreter enabled' 'systab' 'Power down'
    report $? "OVMF starts the kernel, which finds ACPI and SMBIOS tables" "$scratch/uefi"
else
    skip "OVMF" "it cannot be fetched"
fi
finish
