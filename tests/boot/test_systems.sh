#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Systems as their makers distribute them, each to a point that shows that it runs: Debian's other
# kernels and Xen with one as dom0 to a shell, through a command, to a clean power-off; Debian's
# installers to their first question; GNU Mach to its end without servers; memtest86+ through tests
# 0 to 4; GRUB and iPXE as programs of UEFI firmware. Two guests at a time: those named as arguments,
# or all, the long ones first.
[ $# -gt 0 ] || set -- installer-amd64 installer-i386 xen memtest86+ia32 kernel-686 kernel-686-pae kernel-amd64 \
    memtest86+x64 grub ipxe gnumach-i386 gnumach-amd64
declare -A does=(
    [installer-amd64]="asks for a language" [installer-i386]="asks for a language"
    [xen]="starts dom0, whose shell powers off"
    [kernel-686]="boots to a shell and powers off" [kernel-686-pae]="boots to a shell and powers off"
    [kernel-amd64]="boots to a shell and powers off"
    [memtest86+x64]="passes tests 0 to 4" [memtest86+ia32]="passes tests 0 to 4"
    [grub]="answers under OVMF and powers off" [ipxe]="looks for a network under OVMF"
    [gnumach-i386]="runs until it misses its servers" [gnumach-amd64]="runs until it misses its servers")
. tests/boot/boot.sh
limit=400 # seconds: a boot takes up to 50 of a processor's, which may have others to serve

# fetch PART...: sets the array `part` to their paths; status 77: cannot be had here.
fetch() {
    local name path
    part=()
    for name in "$@"; do
        path=$(tests/fetch "$name") || return 77
        part+=("$path")
    done
}

# shell KERNEL OPTION...: the shell answers, the kernel's log has no complaint, exit powers off.
shell() {
    local flavour=${1#kernel-}
    shift
    "$BUILD/tests/tools/pty" "$CALQUE" -nographic -no-reboot --timeout "$limit" "$@" <<STEPS
want $limit Calque guest ready
want 60 /root #
send echo \$(uname -r) \$(dmesg | grep -c -E 'BUG|WARNING|Call Trace|Oops|lockup|unstable') complaints\\n
want 60 -$flavour 0 complaints
send exit\\n
want 100 S5
status 0 60
STEPS
}

# The kernel for the oldest processors gets an old one, without SSE2 and long mode.
linux() {
    local initrd=$scratch/initrd-$1 model=max
    [ "$1" != kernel-686 ] || model=pentium3
    fetch "$1" && tests/mkinitrd -k "$1" -o "$initrd" || return 77
    shell "$1" -cpu "$model" -m 256 -kernel "${part[0]}" -initrd "$initrd" -append console=ttyS0
}

# The cloud kernel is made without support for being dom0's. Xen must start and stop the second CPU.
xen() {
    local initrd=$scratch/initrd-xen
    fetch xen kernel-amd64 && tests/mkinitrd -k kernel-amd64 -o "$initrd" || return 77
    shell kernel-amd64 -smp 2 -m 512 -kernel "${part[0]}" -initrd "${part[1]} console=hvc0,$initrd" -append console=com1
}

installer() {
    fetch "$1" || return 77
    timeout -k 5 $((limit + 20)) "$CALQUE" -m 1G -kernel "${part[0]}/linux" -initrd "${part[0]}/initrd.gz" \
        -append console=ttyS0 -nographic -no-reboot --timeout "$limit" --until 'Select a language' </dev/null
}

mach() {
    fetch "$1" || return 77
    timeout -k 5 $((limit + 20)) "$CALQUE" -m 128 -kernel "${part[0]}" -append console=com0 -nographic -no-reboot \
        --timeout "$limit" --until 'No bootstrap code' </dev/null &&
        all_of "$output" 'GNU Mach 1' 'biosmem: 000000000000100000:000000000008000000, available' 'RTC time is 20'
}

# Its screen is sent now and then, so that a short test may not be seen.
memtest() {
    fetch memtest86+ || return 77
    timeout -k 5 $((limit + 20)) "$CALQUE" -m 256 -kernel "${part[0]}/$1.bin" -append console=ttyS0,115200 \
        -nographic -no-reboot --timeout "$limit" --until ' #5  [' </dev/null &&
        all_of "$output" '25[0-9](\.[0-9])?MB' ' #0  \[' ' #4  \[' 'Errors: 0 ' && ! grep -a -o 'Errors: *[1-9][0-9]*' "$output"
}

grub() {
    fetch ovmf grub || return 77
    "$BUILD/tests/tools/pty" "$CALQUE" -nographic -no-reboot --timeout "$limit" -m 256 -bios "${part[0]}/OVMF.fd" \
        -kernel "${part[1]}" <<STEPS
want $limit grub> 
send echo it is \$grub_cpu-\$grub_platform\\r
want 60 it is x86_64-efi
send halt\\r
status 0 60
STEPS
}

ipxe() {
    fetch ovmf ipxe || return 77
    timeout -k 5 $((limit + 20)) "$CALQUE" -m 256 -bios "${part[0]}/OVMF.fd" -kernel "${part[1]}" -nographic \
        -no-reboot --timeout "$limit" --until 'No more network devices' </dev/null && all_of "$output" 'iPXE 1\.'
}

# boot NAME: its status goes to a file; standard output is the guest's.
boot() {
    local output=$scratch/$1.out
    case $1 in
    kernel-*) linux "$1" ;;
    xen) xen ;;
    installer-*) installer "$1" ;;
    gnumach-*) mach "$1" ;;
    memtest*) memtest "$1" ;;
    grub) grub ;;
    ipxe) ipxe ;;
    esac >"$output" 2>&1 </dev/null
    echo $? >"$scratch/$1.status"
}

for name in "$@"; do
    while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n; done
    boot "$name" &
done
wait

for name in "$@"; do
    n=$((n + 1))
    case $(cat "$scratch/$name.status") in
    0) echo "ok $n - $name ${does[$name]}" ;;
    77)
        echo "skip: $name: $(sed -n 's/^tests.fetch: //p' "$scratch/$name.out" | tail -n 1)"
        echo "ok $n - $name # SKIP" ;;
    *)
        failed=1
        tail -n 60 "$scratch/$name.out" | tail -c 4000 | tr -d '\033'
        echo "not ok $n - $name ${does[$name]}" ;;
    esac
done
finish
