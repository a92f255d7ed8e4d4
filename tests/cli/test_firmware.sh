#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -bios: SeaBIOS from the reset vector to its boot menu's end, again after a reset, and what it finds
# of memory and tables; hostile ROM images.
. tests/tap.sh
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT

# seen COUNT PATTERN FILE: waits until the pattern is there that often; false after a minute.
seen() {
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(grep -c -- "$2" "$3" 2>/dev/null)" -lt "$1" ] || return 0
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

# all_of FILE PATTERN...: every pattern is there.
all_of() {
    local file=$1 pattern
    shift
    for pattern in "$@"; do
        grep -q -E -- "$pattern" "$file" || { echo "missing: $pattern"; return 1; }
    done
}

# start LOG OPTION...: a machine whose port 402h goes to the log and whose monitor is fd 3.
start() {
    local log=$1
    shift
    : >"$log"
    rm -f "$scratch/monitor"
    mkfifo "$scratch/monitor"
    "$CALQUE" -vga none -display none -monitor stdio -chardev file,id=d,path="$log" \
        -device isa-debugcon,iobase=0x402,chardev=d --timeout 120 "$@" \
        <"$scratch/monitor" >"$scratch/out" 2>&1 &
    pid=$!
    exec 3>"$scratch/monitor"
}

# stop: the machine's exit status
stop() {
    echo quit >&3
    exec 3>&-
    wait "$pid"
    local status=$?
    pid=
    return $status
}

seabios() {
    local log=$scratch/log
    start "$log" -m 6G -smp 2 -vga none -bios "$1/bios.bin"
    seen 1 'No bootable device' "$log"
    report $? "bios.bin runs to the end of its boot attempts" "$log"
    all_of "$log" '^SeaBIOS \(version' 'Found QEMU fw_cfg' 'PCI: init bdf=00:01.3 id=8086:7113' \
        'Found 2 cpu\(s\)' 'No VGA devices found'
    report $? "its log has banner, fw_cfg, PCI devices and processors" "$log"
    all_of "$log" '0000000000100000 - 00000000bfff[0-9a-f]{4} = 1 RAM' \
        '0000000100000000 - 00000001c0000000 = 1 RAM'
    report $? "it finds the memory below and above 4 GiB" "$log"
    echo system_reset >&3
    seen 2 'No bootable device' "$log"
    report $? "it runs again after a reset" "$log"
    stop
    report $? "the monitor ends it" "$scratch/out"
    start "$log" -m 128 -bios "$1/bios-256k.bin"
    seen 1 'No bootable device' "$log"
    report $? "bios-256k.bin runs to the end of its boot attempts" "$log"
    all_of "$log" 'table\(50434146\)=' 'ACPI: parse DSDT at' 'Copying SMBIOS' \
        '0000000000100000 - 0000000007ff[0-9a-f]{4} = 1 RAM'
    report $? "it finds ACPI and SMBIOS tables and 128 MiB" "$log"
    stop
}

# hostile NAME FILE: it runs, whatever that does.
hostile() {
    timeout -k 5 20 "$CALQUE" -display none -no-reboot -bios "$2" --timeout 0.3 >"$scratch/out" 2>&1 </dev/null
    case $? in
    0 | 122 | 124) report 0 "$1" ;;
    *) report 1 "$1" "$scratch/out" ;;
    esac
}

images=/usr/share/seabios
if [ ! -e "$images/bios.bin" ] && { [ -z "$FAST" ] || [ -e "${XDG_CACHE_HOME:-$HOME/.cache}/calque/seabios/package" ]; }; then
    images=$(tests/fetch seabios 2>/dev/null)
fi
if [ -e "$images/bios.bin" ]; then
    seabios "$images"
else
    skip SeaBIOS "the package seabios cannot be fetched"
fi
for seed in 1 2 3; do
    head -c 65536 /dev/urandom >"$scratch/random"
    hostile "a random ROM runs ($seed)" "$scratch/random"
done
head -c 65536 /dev/zero >"$scratch/zeros"
hostile "a ROM of zeros runs" "$scratch/zeros"
finish
