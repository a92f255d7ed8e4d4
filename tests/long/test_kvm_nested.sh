#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -accel kvm where KVM works for sure: in QEMU, whose TCG has nested SVM, runs Debian's kernel with
# kvm-amd, and in that this build: the guest programs, CPUID of named models against the interpreter's,
# a kernel to a shell with one CPU and with two, exits of a boot against those of QEMU in the same place,
# a virtio disk, snapshots while it works, engines that change under a kernel, a debugger, each order of memory a
# million times. The processor is TCG's then: what tests/guest/QEMU-DIFFERS lists
# is known to differ, and TCG lets XSETBV pass KVM by, so that what depends on XCR0 is left out.
# NESTED names parts (guests cpuid linux exits virtio snapshots moves switch debug orders) or guest programs. NESTED_LOG names a log
# that is kept: a run goes on where the one before ended, if that was of the same build. A kernel there that
# hangs costs two minutes: another goes on with the same program, and after the third time with the next.
. tests/tap.sh
if ! command -v qemu-system-x86_64 >/dev/null; then
    skip kvm-nested "there is no qemu-system-x86_64"
    finish
fi
# For the guest in the guest: its disk's modules, which go to modules/; it reads the disk in small pieces, or
# writes and reads again and again.
make_disk_scripts() {
    mkdir -p "$scratch/modules"
    {
        echo "#!/bin/sh"
        for m in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
            find "$(dirname "$kernel")/lib/modules/" -name "$m.ko" -exec cp {} "$scratch/modules/" \;
            echo "insmod /modules/$m.ko"
        done
    } | tee "$scratch/disk.sh" >"$scratch/rounds.sh"
    echo 'echo "digest: $(dd if=/dev/vda bs=4k iflag=direct | sha256sum)"; echo the end; sleep 1000' >>"$scratch/disk.sh"
    cat >>"$scratch/rounds.sh" <<'ROUNDS'
n=0
while true; do
    dd if=/dev/urandom of=/tmp/f bs=64k count=2 2>/dev/null
    dd if=/tmp/f of=/dev/vda bs=4k seek=$((n % 16 * 32)) oflag=direct conv=notrunc 2>/dev/null
    [ "$(md5sum </tmp/f)" = "$(dd if=/dev/vda bs=4k skip=$((n % 16 * 32)) count=32 iflag=direct 2>/dev/null | md5sum)" ] &&
        echo "round $n ok" || echo "round $n BAD"
    n=$((n + 1))
done
ROUNDS
    chmod 755 "$scratch/disk.sh" "$scratch/rounds.sh"
}
if ! host=$(tests/fetch kernel-amd64) || ! busybox=$(tests/fetch busybox) || ! kernel=$(tests/fetch kernel) ||
    ! sed -n "/<<'GUEST'/,/^GUEST/p" tests/boot/test_switch.sh | sed '1d;$d' >"$scratch/switch.sh" ||
    ! chmod 755 "$scratch/switch.sh" || ! make_disk_scripts ||
    ! tests/mkinitrd -o "$scratch/inner" "$scratch"/{switch,disk,rounds}.sh "$scratch/modules" >/dev/null; then
    skip kvm-nested "the guests cannot be fetched"
    finish
fi
modules=$(echo "$(dirname "$host")"/lib/modules/*/kernel)
root=$scratch/root
qemu=/usr/bin/qemu-system-x86_64

# Left out: what shows the differences between makers of processors (approx), what KVM has not got
# (ferr: FERR#), rounds against an interrupt every 100 us, which two emulators in each other do not
# get through (fplive), the division of which TCG dies by SIGFPE, also without KVM (idiv), SYSCALL in
# protected mode, which the processor there does though CPUID is Intel's: to wherever STAR says
# (syscalls-32; QEMU's never comes back).
skipped='(approx|ferr|fplive|idiv)-.*|syscalls-32'

log=${NESTED_LOG:-$scratch/log}
build="# build $(md5sum <"$BUILD/calque")"
grep -qxF "$build" "$log" 2>/dev/null || echo "$build" >"$log"
is_done() { grep -qx "DONE $1" "$log"; }

mkdir -p "$root"/{bin,dev,proc,sys,tmp,guest,qemu}
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp "$modules"/{virt/lib/irqbypass,drivers/crypto/ccp/ccp,arch/x86/kvm/kvm,arch/x86/kvm/kvm-amd}.ko "$root/"
cp "$BUILD/calque" tests/guest/run tests/guest/QEMU-DIFFERS tests/boot/switch "$BUILD/tests/tools/debugged.elf" "$qemu" "$root/"
cp "$kernel" "$root/vmlinuz"
"$BUILD/calque-img" create -q -f qcow2 "$root/disk.qcow2" 16M
cp "$scratch/inner" "$root/initrd"
cp -L /usr/share/seabios/bios-256k.bin /usr/share/qemu/{kvmvapic,linuxboot_dma,multiboot_dma}.bin "$root/qemu/" 2>/dev/null
{ ldd "$BUILD/calque" && ldd "$qemu"; } | grep -o '/[^ ]*' | sort -u | while IFS= read -r library; do
    mkdir -p "$root$(dirname "$library")"
    [ -e "$root$library" ] || cp -L "$library" "$root$library"
done
programs='' parts=''
for image in "$BUILD"/guest/*.elf; do
    name=$(basename "$image" .elf)
    if [ -n "$NESTED" ] && [[ " $NESTED " != *" guests "* ]]; then
        [[ " $NESTED " == *" $name "* ]] || [[ $name == cpuid-64 && " $NESTED " == *" cpuid "* ]] ||
            [[ $name == litmus-64 && " $NESTED " == *" orders "* ]] || continue
    elif [[ $name =~ ^($skipped)$ ]]; then
        continue
    fi
    cp "$image" "$root/guest/"
    programs="$programs $name"
done
for part in cpuid linux exits virtio snapshots moves switch debug orders; do
    [ -n "$NESTED" ] && [[ " $NESTED " != *" $part "* ]] || parts="$parts $part"
done

cat >"$root/init" <<'INIT'
#!/bin/sh
/bin/busybox --install -s /bin
export PATH=/bin BUILD=/ TIMEOUT=120
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t debugfs debugfs /sys/kernel/debug
dmesg -n 1
cd /
for module in irqbypass ccp kvm kvm-amd; do insmod /$module.ko; done
# As its neighbour's anonymous memory has huge pages, too.
echo advise >/sys/kernel/mm/transparent_hugepage/shmem_enabled

# Says that it lives; the log does not keep that.
while sleep 5; do echo .; done &

result() { if [ $1 = 0 ]; then echo "PASS $2"; else echo "FAIL $2"; fi; }

# The names of the checks that fail, sorted; ABSENT if the program does not come to its end.
ours() {
    ! grep -q "^FAIL $name (exit status" /tmp/ran || echo ABSENT
    grep '^FAIL ' /tmp/ran | grep -v "^FAIL $name (" | sort
}
theirs() {
    timeout -s KILL $TIMEOUT /qemu-system-x86_64 -L /qemu -accel kvm -cpu max,vendor=GenuineIntel -kernel /guest/$name.elf \
        -display none -nodefaults -debugcon stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 $more </dev/null >/tmp/checks 2>&1
    case $? in 1 | 3) ;; *) echo ABSENT ;; esac
    grep '^FAIL ' /tmp/checks | sort
}
guests() {
    for name in $(cat /programs); do
        echo RUN $name
        case $name in
        smp-* | shootdown-* | smptasks-* | ipis-*) more="-smp 2" ;;
        kvmclock-*) more="-cpu max,+kvmclock -smp 2" ;;
        routes-*) more="-smp 4" ;;
        smm-*) more="-machine kernel-irqchip=off" ;; # an SMI as IPI
        litmus-*) more="-smp 4" ;;
        vga-*) more="-vga std" ;;
        *) more= ;;
        esac
        # What QEMU's TCG cannot run may well run under KVM.
        if ! grep -q "^$name: (whole program)" /QEMU-DIFFERS; then
            CALQUE="/calque -accel kvm --timeout $TIMEOUT" sh /run --qemu $name $more >/tmp/ran 2>&1
        else
            CALQUE="/calque -accel kvm" sh /run $name $more >/tmp/ran 2>&1
        fi
        if grep -q '^PASS ' /tmp/ran; then
            tail -n 1 /tmp/ran
            echo DONE $name
            continue
        fi
        # The host's processor or KVM, if QEMU's KVM fails the same checks there.
        ours >/tmp/ours
        theirs >/tmp/theirs
        echo - >>/tmp/theirs # never empty
        sed 's/^/# /' /tmp/ran
        grep -vxFf /tmp/theirs /tmp/ours | sed 's/^/# not of QEMU: /' >/tmp/alone
        cat /tmp/alone
        [ ! -s /tmp/alone ]
        result $? "$name: no check fails but those that fail under QEMU's KVM there ($(wc -l </tmp/ours))"
        echo DONE $name
    done
}

leaves() { # MODEL ENGINE
    /calque -cpu $1 -accel $2 -kernel /guest/cpuid-64.elf -display none -nodefaults -debugcon stdio -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 --timeout $TIMEOUT
}
cpuid() {
    for model in qemu64 core2duo Nehalem x86-64-v2 qemu64,+kvmclock; do
        leaves $model,-vme interp >/tmp/interp
        leaves $model,-vme jit >/tmp/jit
        leaves $model,-vme kvm >/tmp/kvm
        [ $(grep -c leaf /tmp/kvm) -gt 100 ] && cmp /tmp/interp /tmp/jit && cmp /tmp/interp /tmp/kvm
        result $? "CPUID of $model is the same under three engines"
    done
}

boot="-m 256 -kernel /vmlinuz -initrd /initrd -display none -vga none -no-reboot"
linux() {
    for n in 1 2; do
        begin=$(date +%s)
        # Without -accel: that is kvm here.
        /calque $boot -smp $n -nographic -append "console=ttyS0 calque.run=nproc" --timeout 300 >/tmp/out 2>&1
        [ $? = 0 ] && tr -d '\r' </tmp/out | grep -qx $n && grep -q "Power down" /tmp/out &&
            ! grep -E "BUG|stall|lockup|clocksource.*unstable" /tmp/out
        result $? "a kernel with $n processors"
        echo "# to the end in $(($(date +%s) - begin)) s"
    done
    printf '%s\n' accel quit | timeout 60 /calque $boot -S -monitor stdio 2>&1 | grep -q ' kvm'
    result $? "kvm is chosen where it works"
}

# Until the guest stands at its shell.
count_exits() { # NAME COMMAND...
    name=$1
    shift
    rm -f /tmp/serial
    "$@" >/tmp/out 2>&1 &
    waits=600
    until grep -q "guest ready" /tmp/serial 2>/dev/null || [ $((waits -= 1)) -lt 0 ]; do sleep 0.5; done
    sleep 3
    (cd /sys/kernel/debug/kvm && for kind in exits irq_exits io_exits mmio_exits halt_exits irq_window_exits signal_exits; do
        echo "$kind $(cat $kind)"
    done) >/tmp/exits.$name
    # Those for the host's own interrupts are as many as it takes time.
    echo $(($(cat /sys/kernel/debug/kvm/exits) - $(cat /sys/kernel/debug/kvm/irq_exits)))
    kill $!
    sleep 1
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
}
exits() {
    ours=$(count_exits ours /calque -accel kvm $boot -serial file:/tmp/serial -append console=ttyS0 2>/dev/null)
    theirs=$(count_exits theirs /qemu-system-x86_64 -L /qemu -accel kvm $boot -nic none -serial file:/tmp/serial \
        -append console=ttyS0 2>/dev/null)
    echo "# exits of a boot: $ours, of QEMU's $theirs; "$(cat /tmp/exits.ours) / $(cat /tmp/exits.theirs)
    [ "$ours" -gt 1000 ] && [ $((ours * 10)) -le $((theirs * 11)) ]
    result $? "exits of a boot are no more than 1.1 times QEMU's"
}

# Each request is a kick, and few of those are exits.
virtio() {
    dd if=/dev/urandom of=/disk bs=64k count=64 2>/dev/null
    rm -f /tmp/serial
    { waits=600
      until grep -q "the end" /tmp/serial 2>/dev/null || [ $((waits -= 1)) -lt 0 ]; do sleep 0.5; done
      echo info kvm; sleep 1; echo quit; } |
        /calque -accel kvm $boot -drive file=/disk,format=raw,if=virtio -serial file:/tmp/serial -monitor stdio \
            -append "console=ttyS0 calque.run=/disk.sh" >/tmp/out 2>&1
    tr -d '\r' </tmp/out | grep -E '^(KVM_RUN|port|memory|kicks|writes)' | sed 's/^/# /'
    grep -q "digest: $(sha256sum </disk)" /tmp/serial && [ "$(sed -n 's/^kicks of queues *\([0-9]*\).*/\1/p' /tmp/out)" -gt 500 ]
    result $? "a virtio disk, whose kicks are no exits"
}

# While a disk works, no kick of it may get lost, nor an answer.
rounds() { # SERIAL NUMBER: waits for so many
    waits=600
    until [ -e $1 ] && [ $(grep -c "^round [0-9]* ok" $1) -ge $2 ] || [ $((waits -= 1)) -lt 0 ]; do sleep 0.5; done
}
works() { # SERIAL [OPTION...]
    serial=$1
    shift
    timeout 600 /calque -accel kvm -m 128 -kernel /vmlinuz -initrd /initrd -display none -vga none \
        -drive file=/disk.qcow2,if=virtio -serial file:$serial -append "console=ttyS0 calque.run=/rounds.sh" -monitor stdio "$@"
}
snapshots() {
    rm -f /tmp/serial
    {
        for n in 1 2 3 4 5; do
            rounds /tmp/serial $((n * 6 - 3))
            echo savevm base
            rounds /tmp/serial $((n * 6))
            echo loadvm base
        done
        rounds /tmp/serial 36
        echo info snapshots
        echo quit
    } | works /tmp/serial >/tmp/out 2>&1
    # Rounds that were seen twice are those behind a snapshot.
    [ $(grep -c "^round [0-9]* ok" /tmp/serial) -ge 36 ] && [ $(grep "^round" /tmp/serial | sort | uniq -d | wc -l) -ge 5 ] &&
        ! grep -E "BAD|BUG|stall|lockup" /tmp/serial || { sed 's/^/# /' /tmp/out; false; }
    result $? "five snapshots and back while a virtio disk works"
}

moves() {
    rm -f /tmp/serial*
    pids=
    for n in 3 2 1 0; do
        incoming="-incoming unix:/tmp/way$n"
        [ $n != 0 ] || incoming=
        {
            rounds /tmp/serial$n 4
            [ $n = 3 ] || echo "migrate unix:/tmp/way$((n + 1))"
            echo info migrate
            sleep 1
            echo quit
        } | works /tmp/serial$n $incoming >/tmp/out$n 2>&1 &
        pids="$pids $!"
        sleep 1
    done
    wait $pids
    grep -h '^downtime' /tmp/out[0-2] | sed 's/^/# /'
    [ $(grep -h -c "status: completed" /tmp/out[0-2] | grep -c 1) = 3 ] && [ $(grep -c "^round [0-9]* ok" /tmp/serial3) -ge 4 ] &&
        ! grep -E "BAD|BUG|stall|lockup" /tmp/serial[0-3] || { sed 's/^/# /' /tmp/out[0-3]; false; }
    result $? "three migrations while a virtio disk works"
}

changes() { # CPUS
    sh /switch /tmp/out 1000 jit kvm timeout 600 /calque -accel kvm -cpu max,-xsave -smp $1 $boot -nographic \
        -append "console=ttyS0 calque.run=/switch.sh"
    [ $(grep -c -E "(jit|kvm), after" /tmp/out) = 1000 ] &&
        [ $(grep -c "rounds: [1-9][0-9]*, wrong: 0, digest: $(sha256sum </bin/busybox)" /tmp/out) = $1 ] &&
        ! grep -E "BUG|stall|lockup|clocksource.*unstable" /tmp/out
    result $? "kvm and jit change places 1,000 times under $1 CPUs, all digests right"
    grep -o -E "(jit|kvm), after [0-9.]+" /tmp/out | sed 's/.* //' | sort -n | awk '{ t[NR] = $1 }
        END { printf "# the machine stood still for %s ms (median), %s ms (at most)\n", t[int((NR + 1) / 2)], t[NR] }'
}
switch() {
    changes 1
    changes 2
}

# A breakpoint and steps need no other engine where debug registers work; a watchpoint does.
debug() {
    printf '%s\n' accel 'b work' c accel s s finish delete accel 'watch 0x101000 4' c accel delete c |
        timeout 100 /calque -accel kvm --debug -kernel /debugged.elf -display none \
            -device isa-debug-exit,iobase=0xf4,iosize=1 >/tmp/out 2>&1
    status=$?
    with=$(awk '/Breakpoint 1, / { b = 1 } b && /^(kvm|jit)$/ { print; exit }' /tmp/out) # what stopped there
    said=$(grep -E '^(.calque. *)*(kvm|jit)$|Breakpoint 1, |Watchpoint 2, |work.0x[13]$|again.0x5$' /tmp/out |
        sed 's/.* //;s/.*)//' | tr '\n' ' ')
    [ $status = 33 ] && [ "$with" ] && [ "$said" = "kvm time $with work+0x1 work+0x3 again+0x5 $with 0x2 jit " ] || {
        sed 's/^/# /' /tmp/out
        false
    }
    result $? "a debugger under kvm"
}

orders() {
    for k in $(seq 20); do
        CALQUE="/calque -accel kvm --timeout $TIMEOUT" sh /run litmus-64 -smp 4 >/tmp/ran 2>&1
        status=$?
        [ $status = 0 ] || sed 's/^/# /' /tmp/ran
        result $status "litmus-64, $k of 20"
    done
}

/calque doctor | grep '^.. *engine kvm'
# Where it is not the TSC, KVM moves each processor's counter on its own.
echo "# the clock there: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
guests
for part in $(cat /parts); do
    echo RUN $part
    $part
    echo DONE $part
done
poweroff -f
INIT
chmod 755 "$root/init"

# What is still to do, into the machine's initrd; false if that is nothing.
make_initrd() {
    local name left=()
    for name in $programs $parts; do
        is_done "$name" || left+=("$name")
    done
    [ ${#left[@]} -gt 0 ] || return 1
    for name in $programs; do is_done "$name" || echo "$name"; done >"$root/programs"
    for name in $parts; do is_done "$name" || echo "$name"; done >"$root/parts"
    (cd "$root" && find . | cpio --create --format=newc --quiet) | gzip -1 >"$scratch/initrd"
}

# A machine until it ends or nothing is heard of it. TCG's processors have one counter.
machine() {
    local line
    coproc QEMU { exec timeout -k 5 $((2400 - SECONDS)) qemu-system-x86_64 -accel tcg -cpu max,+svm -smp 2 -m 3072 \
        -nographic -no-reboot -kernel "$host" -initrd "$scratch/initrd" \
        -append "console=ttyS0 quiet mitigations=off no_timer_check panic=-1 softlockup_panic=1 tsc=reliable" </dev/null 2>&1; }
    local pid=$QEMU_PID
    while IFS= read -r -t 120 line <&"${QEMU[0]}"; do
        line=${line//$'\r'/}
        [ "$line" = . ] || echo "$line" >>"$log"
    done
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    echo "# QEMU ended: status $?" >>"$log"
}

# What did not come to its end in three machines is given up.
while [ $SECONDS -lt 2400 ] && make_initrd; do
    machine
    last=$(grep '^RUN ' "$log" | tail -n 1)
    last=${last#RUN }
    [ -n "$last" ] || break
    if ! is_done "$last" && [ $SECONDS -lt 2400 ]; then
        echo "HUNG $last" >>"$log"
        [ "$(grep -cx "HUNG $last" "$log")" -lt 3 ] ||
            printf '%s\n' "FAIL $last: the kernel that it runs in hung three times" "DONE $last" >>"$log"
    fi
done

shown=("$log")
grep -q 'ok *engine kvm' "$log"
report $? "the probe finds that KVM works"
! make_initrd
report $? "all parts were run"
shown=()
while IFS= read -r line; do
    echo "# $line"
    case $line in
    "PASS "*) report 0 "${line#PASS }" ;;
    "FAIL "*) report 1 "${line#FAIL }" ;;
    esac
done <"$log"
finish
