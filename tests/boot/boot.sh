# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of boots have in common; they source it. names: the tests' names, where they are known
# beforehand.
# shellcheck shell=bash
. tests/tap.sh

# need_guest FILE...: kernel, Debian's cloud kernel, and $scratch/initrd, with the files in it; where
# they cannot be had, the end: all of names are skipped.
need_guest() {
    local name part=${use_kernel:-kernel}
    if kernel=$(tests/fetch "$part" 2>"$scratch/why") && tests/mkinitrd -k "$part" -o "$scratch/initrd" "$@" >"$scratch/why" 2>&1; then
        return
    fi
    cat "$scratch/why"
    for name in "${names[@]}"; do
        skip "$name" "the guest cannot be fetched"
    done
    finish
}

# all_of OUTPUT PATTERN...: every pattern is there.
all_of() {
    local output=$1 pattern
    shift
    for pattern in "$@"; do
        grep -q -a -E -e "$pattern" "$output" || { echo "missing: $pattern"; return 1; }
    done
}

# virtio-net's driver: its modules in the order in which they are loaded, from the folder `kernel` on.
virtio_net="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
    drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci net/core/failover drivers/net/net_failover
    drivers/net/virtio_net"

# Every model of network card, with the modules of its driver.
network_cards=("e1000 intel/e1000/e1000" "e1000-82545em intel/e1000/e1000"
    "rtl8139 mii realtek/8139cp"
    "pcnet mii amd/pcnet32"
    "ne2k_pci 8390/8390 8390/ne2k-pci"
    "ne2k_isa 8390/8390p 8390/ne"
    "virtio-net-pci ${virtio_net//$'\n'/ }")

# take_modules PART FOLDER: what the part's kernel has of them; prints the kernel.
take_modules() {
    local kernel modules module card
    kernel=$(tests/fetch "$1" 2>"$scratch/why") || return
    modules=$(echo "$(dirname "$kernel")"/lib/modules/*/kernel)
    for card in "${network_cards[@]}"; do
        for module in ${card#* }; do
            cp "$modules/$module.ko" "$modules/drivers/net/$module.ko" "$modules/drivers/net/ethernet/$module.ko" "$2/" 2>/dev/null
        done
    done
    echo "$kernel"
}

# memory_is OUTPUT KIB PART: MemTotal is less, for the kernel itself and its page array, by at most 1/PART.
memory_is() {
    local kib
    kib=$(tr -d '\r' <"$1" | sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p')
    [ -n "$kib" ] && [ "$kib" -gt $(($2 - $2 / $3)) ] && [ "$kib" -lt "$2" ]
}

# The kernel's own complaints would be in its log.
clean() { ! grep -E 'clocksource.*unstable|BUG|WARNING|Call Trace|Oops|lockup|stall|inconsistent' "$1"; }

# start NAME OUTPUT COMMAND...: a test that runs beside another one; its report waits for reports.
started=()
start() {
    while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n; done
    started+=("$1" "$2")
    {
        "${@:3}" >"$2.why" 2>&1
        echo $? >"$2.status"
    } &
}
reports() {
    local i
    wait
    for ((i = 0; i < ${#started[@]}; i += 2)); do
        report "$(cat "${started[i + 1]}.status")" "${started[i]}" "${started[i + 1]}" "${started[i + 1]}.why"
    done
}
