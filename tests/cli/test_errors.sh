#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a person typed wrong: one line that names it and says what was expected, exit status 1.
n=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# refused PATTERN ARGUMENTS...
refused() {
    local pattern=$1 text status
    shift
    n=$((n + 1))
    text=$(timeout 20 "$CALQUE" "$@" 2>&1 </dev/null)
    status=$?
    if [ $status = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && [[ $text == calque:*$pattern* ]]; then
        echo "ok $n - $* is refused"
    else
        echo "$text (status $status)"
        echo "not ok $n - $* is refused with \"$pattern\""
    fi
}

# prints PATTERN ARGUMENTS...
prints() {
    local pattern=$1 text
    shift
    n=$((n + 1))
    if text=$(timeout 20 "$CALQUE" "$@" 2>&1 </dev/null) && [[ $text == *$pattern* ]]; then
        echo "ok $n - $* works"
    else
        echo "$text"
        echo "not ok $n - $* prints \"$pattern\""
    fi
}

refused "did you mean -serial?" -sreial stdio
refused "did you mean -kernel?" --kernle x
refused "did you mean user?" -net usr
refused "hostfwd=tcp::1: tcp:" -nic user,hostfwd=tcp::1
refused "did you mean virtio-net-pci?" -nic user,model=virtio-nt-pci
refused "nothing.rom" -bios roms/bios.bin -netdev user,id=n -device e1000,netdev=n,romfile=nothing.rom
refused "irq=5: 3, 4" -device ne2k_isa,irq=5 -kernel x
refused "iobase=301" -device ne2k_isa,iobase=0x301 -kernel x
refused "rombar" -device e1000,rombar=2 -kernel x
refused "mac=1:2: an address" -nic user,mac=1:2
refused "there is no -netdev" -device virtio-net-pci,netdev=n -kernel x
refused "netdev=n: something is joined" -netdev hubport,id=n,hubid=0 -device virtio-net-pci,netdev=n -device virtio-net-pci,netdev=n
refused "netdev=ID,file=FILE is expected" -object filter-dump,id=d
truncate -s 1M "$scratch/disk"
refused "No such file" -hda "$scratch/none" -bios x
refused "did you mean file?" -drive fiel=x
refused "did you mean ide?" -drive file=x,if=idde
refused "drive=ID is expected" -device ide-hd -bios x
refused "there is a drive already" -hda "$scratch/disk" -hda "$scratch/disk"
refused "say if=none" -hda "$scratch/disk" -device ide-hd,drive=ide0-hd0 -bios x
refused "two devices have it" -drive if=none,id=d,format=raw,file="$scratch/disk" -device ide-hd,drive=d -device ide-hd,drive=d -bios x
refused "try ide.0" -drive if=none,id=d,format=raw,file="$scratch/disk" -device ide-hd,drive=d,bus=ide.7 -bios x
refused "are no floppy disk" -fda "$scratch/disk" -bios x
refused "pflash1 without pflash0" -drive if=pflash,unit=1,format=raw,file="$scratch/disk" -kernel "$BUILD/guest/strings-32.elf"
refused "expected only one of them" -pflash "$scratch/disk" -bios x
refused "1 to 16 is expected" -drive if=none,id=d,format=raw,file="$scratch/disk" -device virtio-blk-pci,drive=d,num-queues=17
prints "ahci0.0" -device ide-hd,help
prints "if=virtio" -drive help
refused "more than this host's" -m 99T
refused "-m: 12X" -m 12X
refused "-m 0" -m 0
refused "SIZE is expected" -m
refused "3 sockets of 1 cores of 1 threads are not 4 CPUs" -smp 4,sockets=3
refused "cpus=2 is more than maxcpus=1" -smp 2,maxcpus=1
refused "1 to 255 is expected" -smp 256
refused "no such setting; did you mean cores" -smp 4,core=4
refused "did you mean 'pentium3'?" -cpu pentiun3
refused "did you mean 'sse4.1'?" -cpu max,+sse4.11
refused "sse2 needs sse" -cpu 486,+sse2
refused "has no APIC" -cpu 486 -smp 2 -kernel "$BUILD/guest/strings-32.elf"
refused "expected on or off" -cpu max,sse2=perhaps
refused "kvmclock needs hypervisor" -cpu max,-hypervisor,+kvmclock
prints "core2duo" -cpu help
refused "fpapprox=hard: expected host or soft" -cpu max,fpapprox=hard
refused "did you mean pc?" -machine pcc
refused "not in this version yet" -machine q35
refused "KVM does not count instructions" -accel kvm -icount shift=3
refused "that is jit's" -accel kvm,lockstep=on
refused "did you mean interp?" -accel interpreter
refused "did you mean lockstep" -accel jit,lokstep=on
refused "on or off is expected" -accel jit,lockstep=perhaps
refused "on or off is expected" -accel jit,perfmap=1x
refused "cache-size" -accel jit,cache-size=0
refused "cache-size" -accel jit,cache-size=100000
refused "threshold" -accel jit,threshold=0
refused "tier" -accel jit,tier=2
refused "say the same" -accel jit,tier=1,threshold=3
refused "did you mean isa-debug-exit?" -device isa-debugexit
refused "did you mean iobase?" -device isa-debug-exit,iobas=1
refused "iobase: 0x10000" -device isa-debug-exit,iobase=0x10000
refused "chardev=ID" -device isa-debugcon
refused "did you mean pci-testdev?" -device pci-tesdev
refused "did you mean pc-testdev?" -device pc-tesdev,help
refused "rng=x: no -object has this id" -device virtio-rng-pci,rng=x -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "/nowhere: No such file" -object rng-random,id=x,filename=/nowhere -device virtio-rng-pci,rng=x -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "period" -device virtio-rng-pci,max-bytes=1,period=0
refused "a virtio-serial-pci is expected before it" -device virtconsole
refused "there is none of this name; ID.0 of" -device virtio-serial-pci,id=a -device virtconsole,bus=b.0
refused "nr=0: that is for a virtconsole" -device virtio-serial-pci -device virtserialport,nr=0
refused "nr=4: the controller has max_ports=4" -device virtio-serial-pci,max_ports=4 -device virtserialport,nr=4
refused "nr=1: it is taken" -device virtio-serial-pci -device virtserialport -device virtserialport,nr=1
refused "no port is free" -device virtio-serial-pci,max_ports=2 -device virtserialport -device virtserialport
refused "did you mean reset?" -action watchdog=rest
refused "did you mean pause?" -action panic=puse
refused "watchdog=never" -watchdog-action never
refused "there is one already" -device i6300esb -device i6300esb
refused "there is one already" -device virtio-balloon-pci -device virtio-balloon-pci
refused "none, mapped-xattr or passthrough is expected" -virtfs local,path=/,mount_tag=x
refused "mount_tag=TAG" -virtfs local,path=/,security_model=none
refused "mount_tag=x: there is one already" -virtfs local,path=/,security_model=none,mount_tag=x -virtfs local,path=/,security_model=none,mount_tag=x
refused "synth: not in this version" -virtfs synth,mount_tag=x
refused "fsdev=f: no -fsdev has this id" -device virtio-9p-pci,fsdev=f,mount_tag=x -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "/nowhere: No such file" -virtfs local,path=/nowhere,mount_tag=x,security_model=none -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "not with a shared folder" -virtfs local,path=/,mount_tag=x,security_model=none --record "$scratch/recording" -kernel "$BUILD/tests/tools/echo.elf"
refused "there is one already" -device pc-testdev -device pc-testdev
refused "membar=48: a power of two" -device pci-testdev,membar=48
refused "membar: x" -device pci-testdev,membar=x
refused "no room in the PCI memory window" -kernel "$BUILD/tests/tools/echo.elf" -serial null -device pci-testdev,membar=64G
refused "did you mean driver?" -device pci-testdev,drivers=1
refused "-device ahci,id=b: addr=5.0: virtio-tablet-pci,id=a has that place on pci.0" -device virtio-tablet-pci,id=a,addr=5 -device ahci,id=b,addr=5.0 -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "there is no PCI bus of this name; there is pci.0" -device ahci,bus=pci.1 -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "chassis_nr=1 to 255 is expected" -device pci-bridge,id=b
refused "-device pci-bridge,id=b: bus=b: there is no PCI bus" -device pci-bridge,id=b,bus=b,chassis_nr=1 -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "bus=b: expected pci.0" -device pci-bridge,id=b,chassis_nr=1 -device VGA,bus=b -kernel "$BUILD/tests/tools/echo.elf" -serial null
refused "addr=20: SLOT or SLOT.FN is expected" -device ahci,addr=20
refused "addr=3.8: SLOT or SLOT.FN is expected" -device ahci,addr=3.8
refused "addr=-1: SLOT or SLOT.FN is expected" -device ahci,addr=-1
refused "id=a: -device ahci has it already" -device ahci,id=a -device pc-testdev,id=a
refused "id=1a: a letter is expected" -device isa-debug-exit,id=1a
prints "pci.0, the default" -device VGA,help
refused "irq=5" -device isa-parallel,chardev=x,irq=5
refused "irq=13" -device isa-parallel,chardev=x,irq=13
refused "no -chardev has this id" -device isa-parallel,chardev=x
refused "more than 2" -parallel null -parallel null -parallel null
refused "did you mean null?" -parallel nulll
refused "hpet=maybe" -machine pc,hpet=maybe
refused "did you mean hpet?" -machine pc,hpett=on
refused "no -chardev has this id" -device isa-debugcon,chardev=x
refused "did you mean int?" -d innt
refused "-D /nonexistent/x" -D /nonexistent/x
refused "did you mean" -serial stdoi
refused "more than 4" -serial null -serial null -serial null -serial null -serial null
refused "file:/nonexistent/x" -serial file:/nonexistent/x
refused "HOST:PORT" -serial tcp:1
refused "unix:/nonexistent/x" -serial unix:/nonexistent/x
refused "id=ID is expected" -chardev null
refused "this id is taken" -chardev null,id=a -chardev null,id=a
refused "did you mean stdio?" -chardev sdtio,id=a
refused "did you mean path?" -chardev file,id=a,pth=x
refused "--timeout x" --timeout x
refused "a text is expected" --until ''
refused "shift" -icount shift=99
refused "sleep" -icount shift=3,sleep=maybe
refused "/nonexistent/x: No such file" --replay /nonexistent/x
refused "is no recording" --replay /dev/null
refused "/nonexistent/x: No such file" --record /nonexistent/x -bios roms/bios.bin
refused "seconds (60s)" --history 3h
refused "seconds (60s)" --history -1s
refused "a number is expected" --seed x
refused "shift=N is expected, not auto" --record /dev/null -icount shift=auto
refused "not with -machine none" --history all -machine none
refused "reboot=" -action reboot=never
refused "topics are" --help=nothing
refused "takes no value" --version=3
refused "nothing to boot" -m 64
head -c 65536 /dev/urandom >"$scratch/rom"
head -c 65537 /dev/urandom >"$scratch/long"
: >"$scratch/empty"
refused "none: cannot be opened: No such" -bios "$scratch/none"
refused "not a regular file" -bios "$scratch"
refused "0 bytes long" -bios "$scratch/empty"
refused "multiple of 64 KiB" -bios "$scratch/long"
refused "FILE is expected" -bios
refused "-initrd: expected -kernel too" -bios "$scratch/rom" -initrd "$scratch/rom"
refused "-append: expected -kernel too" -bios "$scratch/rom" -append x
refused "none: cannot be opened" -bios "$scratch/rom" -kernel "$scratch/none"
refused "type=N is expected" -bios "$scratch/rom" -smbios serial=5
refused "did you mean serial?" -bios "$scratch/rom" -smbios type=1,srial=5
refused "uuid=12" -bios "$scratch/rom" -smbios type=1,uuid=12
cat >"$scratch/limited" <<EOF
#!/bin/sh
ulimit -f 2000
exec $CALQUE "\$@"
EOF
chmod 755 "$scratch/limited"
CALQUE=$scratch/limited refused "guest memory: cannot size to" -bios "$scratch/rom" -display none
prints "Calque " --version
prints "-kernel" --help
prints "memory: 512" --help=all
n=$((n + 1))
if "$CALQUE" --help | awk 'length > 79 { exit 1 } END { exit NR > 24 }'; then
    echo "ok $n - --help fits a screen"
else
    echo "not ok $n - --help fits a screen"
fi
prints "isa-debug-exit" --help=exit
prints "interp" -accel help
prints "pc" -machine help
prints "isa-debugcon" -device help
prints "irq=3-15" -device isa-parallel,help
prints "id=ID" -device pc-testdev,help
prints "guest_errors" -d help
prints "unix:PATH" -chardev help
echo "1..$n"
