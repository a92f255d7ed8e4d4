#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -accel kvm where something is missing: named, in a line; without -accel another engine runs. What is
# missing is what a real KVM is made to refuse, so that /dev/kvm has to open, but not to work well.
. tests/tap.sh

image=${BUILD:-build/gcc}/guest/loops-64.elf
refuse=${BUILD:-build/gcc}/tests/tools/refuse
machine=(-kernel "$image" -display none -nodefaults -device 'isa-debug-exit,iobase=0xf4,iosize=4' -no-reboot --timeout 60)

# Requests and capabilities: linux/kvm.h.
VERSION=0xae00 CHECK=0xae03 CREATE_VM=0xae01 RUN=0xae80 SET_MEMORY=0x4020ae46 SET_CPUID=0x4008ae90
CAP_SLOTS=10 CAP_MAX_CPUS=66 CAP_READONLY=81 CAP_FILTER=189
CAP_SPLIT=121 CAP_ADJUST_CLOCK=39

# says NAME TEXT COMMAND...: status 1, TEXT in one line.
says() {
    local name=$1 text=$2 out
    shift 2
    out=$("$@" "$CALQUE" -accel kvm "${machine[@]}" 2>&1 </dev/null)
    [ $? = 1 ] && [[ $out == *"-accel kvm: "*"$text"* ]] && [ "$(wc -l <<<"$out")" = 1 ]
    report $? "$name"
    [[ $out == *"$text"* ]] || echo "# $out"
}

out=$("$CALQUE" -machine kernel-irqchip=on "${machine[@]}" 2>&1)
[ $? = 1 ] && [[ $out == *"kernel-irqchip=on: split "*"or off"*"is expected"* ]] && [ "$(wc -l <<<"$out")" = 1 ]
report $? "interrupt controllers that KVM has none of here"

if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ]; then
    says "another architecture" "not an x86-64 one" env
    finish
fi

without_device='mkdir "$0/dev" && mount -t tmpfs none "$0/dev" && touch "$0/dev/null" && mount --bind /dev/null "$0/dev/null" &&
    mount --rbind "$0/dev" /dev && exec "$@"'
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    says "no device" "there is none" unshare -m sh -c "$without_device" "$scratch"
else
    skip "no device" "only root can take it away"
fi
if [ "$(id -u)" = 0 ] && [ -e /dev/kvm ] && [ "$(($(stat -c 0%a /dev/kvm) & 6))" = 0 ] &&
    setpriv --reuid=65534 --clear-groups "$CALQUE" --version >/dev/null 2>&1; then
    says "no permission" "permission denied; members of the group $(stat -c %G /dev/kvm) may open it" \
        setpriv --reuid=65534 --regid=65534 --clear-groups
else
    skip "no permission" "not root, or everybody has it, or nobody may run the program"
fi

"$refuse" 0 0 0 true
if [ $? = 125 ] || ! { : <>/dev/kvm; } 2>/dev/null; then
    skip "what KVM refuses" "no /dev/kvm, or no seccomp"
    finish
fi
says "another version" "version 0 of the interface, not 12" "$refuse" $VERSION - 0
says "no read-only slots" "this host's KVM has no KVM_CAP_READONLY_MEM" "$refuse" $CHECK $CAP_READONLY 0
says "no filter of MSRs" "this host's KVM has no KVM_CAP_X86_MSR_FILTER" "$refuse" $CHECK $CAP_FILTER 0
says "too many CPUs" "this host's KVM runs at most 0 CPUs" "$refuse" $CHECK $CAP_MAX_CPUS 0
says "no virtual machine" "KVM_CREATE_VM: Cannot allocate memory" "$refuse" $CREATE_VM - 12
says "memory slots exhausted" "the memory map needs more than the host's 0 slots" "$refuse" $CHECK $CAP_SLOTS 0
says "a memory slot is refused" "KVM refuses a memory slot of" "$refuse" $SET_MEMORY - 22
says "CPUID is refused" "KVM refuses the CPUID of -cpu max" "$refuse" $SET_CPUID - 22
machine+=(-cpu "max,+kvmclock")
says "no clock to set" "no KVM_CAP_ADJUST_CLOCK, which kvmclock needs" "$refuse" $CHECK $CAP_ADJUST_CLOCK 0
machine=("${machine[@]::${#machine[@]}-2}")

machine+=(-machine kernel-irqchip=split)
says "no split interrupt controllers" "kernel-irqchip=split: this host's KVM has no KVM_CAP_SPLIT_IRQCHIP" \
    "$refuse" $CHECK $CAP_SPLIT 0
machine+=(-cpu 486)
says "no local APIC to split" "kernel-irqchip=split: the CPU has no APIC" env
machine=("${machine[@]::${#machine[@]}-4}")

# KVM_RUN fails: the CPU's state once, the machine ends.
"$refuse" $RUN - 14 "$CALQUE" -accel kvm "${machine[@]}" >"$scratch/run" 2>&1 </dev/null
status=$?
[ $status = 1 ] && [ "$(grep -c '^calque: KVM: CPU 0: Bad address' "$scratch/run")" = 1 ] &&
    [ "$(grep -c 'RIP=' "$scratch/run")" = 1 ]
report $? "KVM cannot go on: the CPU's state once, status 1" "$scratch/run"

# Without -accel the probe finds it, and another engine runs the guest to its end.
"$refuse" $RUN - 14 "$CALQUE" "${machine[@]}" >"$scratch/jit" 2>&1 </dev/null
[ $? = 1 ] && [ ! -s "$scratch/jit" ]
report $? "without -accel: another engine" "$scratch/jit"
"$refuse" $RUN - 14 "$CALQUE" doctor >"$scratch/doctor" 2>&1 </dev/null
grep -q "^no *engine kvm *this host's KVM fails at KVM_RUN" "$scratch/doctor"
report $? "doctor says why" "$scratch/doctor"
# A person at a terminal is told.
said="calque: -accel jit, not kvm: this host's KVM fails at KVM_RUN"
"${BUILD:-build/gcc}/tests/tools/pty" "$refuse" $RUN - 14 "$CALQUE" "${machine[@]}" >"$scratch/pty" 2>&1 <<STEPS
want 20 $said
STEPS
report $? "a terminal's user is told which engine, and why not kvm" "$scratch/pty"
finish
