#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every device of the list records: machines that have them all between them run the suite of our BIOS,
# which finds PCI devices and boots, while keys and a pointer come; the replays have the same digests.
. tests/tap.sh
not_with_fast "every device of -device help is recorded and replayed"
bios=$BUILD/bios
image() { cp "$bios/suite.img" "$scratch/$1"; echo "$scratch/$1"; }

declare -A machine
machine["IDE, floppy, ISA"]="-drive if=none,id=d,format=raw,file=$(image a) -device ide-hd,drive=d
    -drive if=none,id=c,media=cdrom,file=$bios/suite-2.iso -device ide-cd,drive=c
    -drive if=none,id=f,format=raw,file=$(image b) -device floppy,drive=f -device pc-testdev
    -chardev null,id=n -device isa-debugcon,chardev=n -chardev null,id=p -device isa-parallel,chardev=p
    -chardev null,id=s -device isa-serial,chardev=s -audiodev wav,id=w,path=$scratch/wav -machine pcspk-audiodev=w"
machine["AHCI, virtio behind a bridge"]="-device ahci,id=ahci -drive if=none,id=d,format=raw,file=$(image c)
    -device ide-hd,drive=d,bus=ahci.0 -device pci-bridge,id=b,chassis_nr=1
    -drive if=none,id=v,format=raw,file=$(image d) -device virtio-blk-pci,drive=v,bus=b,addr=1
    -device virtio-tablet-pci -smp 2 -object rng-builtin,id=r -device virtio-rng-pci,rng=r -device virtio-balloon-pci
    -device virtio-serial-pci -chardev null,id=vc -device virtconsole,chardev=vc
    -chardev null,id=vp -device virtserialport,chardev=vp,name=port -device pvpanic -device pvpanic-pci -device i6300esb"
machine["another AHCI, a network"]="-device ich9-ahci,id=ahci -drive if=none,id=d,media=cdrom,file=$bios/suite-4.iso
    -device ide-cd,drive=d,bus=ahci.1 -netdev hubport,id=n,hubid=1 -device virtio-net-pci,netdev=n
    -netdev hubport,id=e,hubid=1 -device e1000,netdev=e -netdev hubport,id=f,hubid=1 -device e1000-82545em,netdev=f
    -netdev hubport,id=r,hubid=1 -device rtl8139,netdev=r -netdev hubport,id=p,hubid=1 -device ne2k_pci,netdev=p
    -netdev hubport,id=i,hubid=1 -device ne2k_isa,netdev=i
    -netdev hubport,id=c,hubid=1 -device pcnet,netdev=c -device virtio-serial -device pci-testdev"

# recorded NAME
recorded() {
    local options status
    read -r -d '' -a options <<<"${machine[$1]}"
    for ((i = 0; i < 30; i++)); do
        printf '%s\n' 'sendkey a' 'mouse_move 3 4' 'mouse_button 1' 'mouse_button 0'
        sleep 0.1
    done | timeout -k 5 100 "$CALQUE" -m 64 -bios "$bios/bios.bin" -device "VGA,romfile=$bios/vgabios.bin" -display none \
        -monitor stdio -serial "file:$scratch/serial" -device isa-debug-exit,iobase=0xf4 "${options[@]}" \
        --record "$scratch/rec" -d digest -D "$scratch/digests" >"$scratch/out" 2>&1
    status=${PIPESTATUS[1]} # keys fail some of its checks
    cp "$scratch/serial" "$scratch/want"
    echo "status $status"
    [ $((status & 1)) = 1 ] && grep -q '^1\.\.' "$scratch/want" && [ "$(grep -c ^digest "$scratch/digests")" -ge 3 ] || return
    timeout -k 5 200 "$CALQUE" --replay "$scratch/rec" -display none -d digest -D "$scratch/again" >"$scratch/out" 2>&1 </dev/null
    [ $? = "$status" ] && cmp "$scratch/serial" "$scratch/want" && cmp "$scratch/digests" "$scratch/again"
}
for name in "${!machine[@]}"; do
    recorded "$name" >"$scratch/why" 2>&1
    report $? "$name" "$scratch/why" "$scratch/out"
done

# The list has no device that is in none of them; a shared folder is refused by name.
"$CALQUE" -device help | awk 'NR > 1 { print $1 }' >"$scratch/list"
missing=$(while read -r device; do
    [[ " VGA isa-debug-exit virtio-9p-pci ${machine[*]//[,[:space:]]/ } " == *" $device "* ]] || echo "$device"
done <"$scratch/list")
echo "not in any machine: $missing" >"$scratch/why"
report $([ -z "$missing" ] && [ "$(wc -l <"$scratch/list")" -gt 10 ]; echo $?) "every device of -device help is in one" "$scratch/why"
finish
