#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every bare-metal program on the interpreter, as TAP; those that old processors can run on them too.
# Where there is a translator: all of them translated from the first time on, and in lockstep with the
# interpreter; and some with each optimization off, and in the smallest cache. With FAST neither lockstep
# nor the latter, and one of the litmus programs translated. Arguments: names of programs, and `others`
# for what comes after the programs; otherwise all.
here=$(dirname "$0")
n=0 bad=0
# A busy host takes its time, an emulated one more.
export TIMEOUT="${TIMEOUT:-$([ "$RUNNER" ] && echo 300 || echo 180)}"

# There is no translator for other processors yet.
jit=
[ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ] || [[ $BUILD == *address* ]] || jit=1

# try LABEL PROGRAM OPTIONS...
try() {
    local label=$1 out
    shift
    n=$((n + 1))
    if out=$("$here/run" "$@"); then
        echo "ok $n - $label"
    else
        echo "not ok $n - $label"
        bad=1
    fi
    printf '%s\n' "$out" | sed 's/^/# /'
}

# A named model's CPUID is the same under both engines, byte for byte.
leaves() { # MODEL ENGINE
    # shellcheck disable=SC2086 # CALQUE may be a command with words
    ${CALQUE:-./calque} -kernel "$BUILD/guest/cpuid-64.elf" -display none -nodefaults -debugcon stdio -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -cpu "$1" -accel "$2" --timeout ${TIMEOUT:-60} 2>&1 </dev/null
}
same_leaves() { # MODEL
    local said
    n=$((n + 1))
    said=$(leaves "$1" interp)
    if [ "$(grep -c '^leaf ' <<<"$said")" -gt 100 ] && [ "$said" = "$(leaves "$1" jit,threshold=1)" ]; then
        echo "ok $n - CPUID of $1"
    else
        echo "not ok $n - CPUID of $1"
        bad=1
    fi
}

# one PROGRAM: whatever runs it.
one() {
    local name=$1 option
    case $name in
    # Clocks against each other, or races with them: not on a busy host's time.
    timers-* | smm-* | apic-*) set -- -icount shift=5 ;;
    smp-* | litmus-* | shootdown-* | smptasks-* | ipis-* | routes-*) set -- -smp 4 ;;
    vga-*) set -- -vga std ;;
    kvmclock-*) set -- -cpu max,+kvmclock -smp 2 ;;
    approx-*)
        if ! grep -q 'CONFIG_MPFR 1' "$BUILD/config.h"; then
            n=$((n + 1))
            echo "ok $n - $name # SKIP built without MPFR"
            return
        fi
        set -- -cpu max,fpapprox=soft ;;
    *) set -- ;;
    esac
    try "$name" "$name" "$@" -accel interp
    case $name in
    smp-* | litmus-* | shootdown-* | smptasks-* | ipis-* | routes-* | kvmclock-*)
        try "$name, in turns" "$name" "$@" -accel interp,thread=single ;;
    esac
    [ "$jit" ] || return
    case $FAST$name in ?*litmus-32) return ;; esac
    try "$name, translated" "$name" "$@" -accel jit,threshold=1
    [ -z "$FAST" ] || return
    case $name in
    timers-* | smm-* | apic-*) ;;
    *) set -- "$@" -icount shift=5 ;;
    esac
    # An OUT that changes the memory map does so before the second run of its block begins.
    case $name in vga-*) return ;; esac
    try "$name, in lockstep" "$name" "$@" -accel jit,threshold=1,lockstep=on
    case $name in
    control-* | joins-* | loops-* | smc-* | codepages-* | irq-* | paging-* | remap-* | ring3-* | returns-* | smp-* | litmus-* | shootdown-* | ipis-*)
        for option in threshold=1,{links,jumpcache,calls}=off threshold=1,cache-size=1 \
            threshold=8 threshold=8,join=off threshold=8,lockstep=on; do
            try "$name, $option" "$name" "$@" -accel "jit,$option"
        done ;;
    esac
}

others() {
    local name engine k said
    for name in segments-32 tasks-32; do
        try "$name on a 486" "$name" -cpu 486
    done
    for name in strings-32 irq-32 smc-32 ferr-32; do
        try "$name on a Pentium" "$name" -cpu pentium
    done
    for name in ring3-32 exceptions-32 ferr-32; do
        try "$name on a Pentium III" "$name" -cpu pentium3
    done
    try "kvmclock-32 on a Pentium III" kvmclock-32 -cpu pentium3,+kvmclock -smp 2
    for name in kvmclock-32 kvmclock-64; do
        try "$name without the feature" $name -cpu max
    done
    # The other maker's processor.
    for name in msrs-32 msrs-64 ring3-32 ring3-64 syscalls-32 syscalls-64; do
        try "$name on AMD's" "$name" -cpu qemu64
    done
    # Each of the orders of memory a million times.
    for engine in interp ${jit:+jit}; do
        for ((k = 0; k < 20 && ${#LONG}; k++)); do
            try "litmus-64, $engine, $((k + 1)) of 20" litmus-64 -smp 4 -accel "$engine"
        done
    done
    # As many processors as there can be.
    [ -z "$jit" ] || [ "$FAST" ] || try "ipis-64 with 255 processors" ipis-64 -smp 255
    [ "$FAST" ] || try "ipis-64 with 255 processors, in turns" ipis-64 -smp 255 -accel interp,thread=single
    # CR4 is there as long as it has a bit.
    try "smm-32 without VME" smm-32 -cpu max,-vme -icount shift=5
    for name in qemu64 core2duo Nehalem Haswell-noTSX x86-64-v2 x86-64-v3 qemu64,+kvmclock; do
        [ ! "$jit" ] || same_leaves "$name"
    done
}

if [ $# = 0 ]; then
    for image in "$BUILD"/guest/*.elf; do set -- "$@" "$(basename "$image" .elf)"; done
    set -- "$@" others
fi
for name; do
    case $name in
    others) others ;;
    *) one "$name" ;;
    esac
done
exit $bad
