#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Unattended runs: how each of them ends, and a hundred at once (30 with FAST) that leave nothing behind.
. tests/tap.sh
guest=("$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1")

# ends NAME STATUS PATTERN TYPED [OPTION...]: standard error is PATTERN (empty: nothing).
ends() {
    local name=$1 want=$2 pattern=$3 typed=$4 status part starts=0 tries=0
    shift 4
    # What is typed before a reset is lost in it: at a space the guest's next start is waited for.
    : >"$scratch/out"
    for part in $typed; do
        while [ $starts -gt 0 ] && [ "$(grep -c ready "$scratch/out")" -le $starts ] && ((tries++ < 600)); do
            sleep 0.1
        done
        printf '%s' "$part"
        starts=$((starts + 1))
    done | timeout -k 5 300 "${guest[@]}" "$@" >>"$scratch/out" 2>"$scratch/err"
    status=$?
    # shellcheck disable=SC2053 # a pattern
    if [ $status = "$want" ] && [[ $(cat "$scratch/err") == $pattern ]]; then
        report 0 "$name"
    else
        echo "status $status"
        cat "$scratch/out" "$scratch/err"
        report 1 "$name"
    fi
}

ends "isa-debug-exit gives the status" 33 '' '.'
"$CALQUE" -kernel "$BUILD/guest/strings-32.elf" -display none -d int -D "$scratch/log" -no-reboot \
    -device isa-debug-exit,iobase=0xf4,iosize=4 --timeout 200 >"$scratch/out" 2>&1
report $([ $? = 1 ]; echo $?) "isa-debug-exit's status 1 with -d"
ends "power-off is 0" 0 '' ':'
ends "a reset with -no-reboot is 0" 0 '' ';' -no-reboot
ends "-action reboot=shutdown too" 0 '' ';' -action reboot=shutdown
ends "a reset goes on without it" 33 '' '; .'
ends "a triple fault is 122" 122 'calque: triple fault*The last instructions:*' ',' -no-reboot
ends "-action triple-fault=report tells the chain" 122 '*  #GP(001a: IDT vector 03)*#GP(006b: IDT vector 0d, EXT)*#DF(0000)*#GP(0043: IDT vector 08, EXT)*shutdown*RAX=*  0010:*lidt*int3*' ',' -action triple-fault=report
if [ "$(uname -m)" = x86_64 ] && [ ! "$RUNNER" ] && [[ $BUILD != *address* ]]; then
    ends "with -no-reboot alone translated code tells what faulted" 122 '*translated code*  0010:*lidt*int3*' ',' \
        -no-reboot -accel jit,threshold=1
    ends "translated code tells what ran" 122 '*The last * branches:*->*  0010:*lidt*int3*' ',' -action triple-fault=report \
        -accel jit,threshold=1
fi
ends "-action triple-fault=reset" 33 '' ', .' -action reboot=reset,triple-fault=reset
ends "a triple fault resets without -no-reboot" 33 '' ', .'
ends "--timeout is 124" 124 'calque: --timeout: time is up' '' --timeout 0.3
ends "--timeout that is long enough does nothing" 33 '' '.' --timeout 200
ends "--until is 0" 0 '' 'enough' --until ENOUGH --timeout 200
ends "--until finds a text after a false start" 0 '' 'aaab' --until AAB --timeout 200
ends "--until missed is 120" 120 'calque: the machine ended (*) before "NO" was seen' ':' --until NO
ends "isa-debug-exit before --until's text gives its status" 33 '' '.' --until NO
ends "--until sees -serial null" 0 '' '' --until ready -serial null --timeout 200
ends "--until sees a file" 0 '' '' --until ready -serial "file:$scratch/log" --timeout 200
# A dead reader of the output must not end nor hang the guest.
printf 'abc.' | timeout -k 5 300 "${guest[@]}" -serial stdio 2>"$scratch/err" | true
report $([ "${PIPESTATUS[1]}" = 33 ]; echo $?) "output without a reader"

# ---- a hundred at once ----
many=100
[ -z "$FAST" ] || many=30
mkdir "$scratch/tmp" "$scratch/many"
for ((i = 0; i < many; i++)); do
    (
        cd "$scratch/many" || exit 1
        printf 'go.' | TMPDIR=$scratch/tmp timeout -k 5 600 "$OLDPWD/${guest[0]}" -kernel "$OLDPWD/${guest[2]}" "${guest[@]:3}" \
            -serial stdio -serial "unix:$scratch/many/s$i,server,nowait" -m 64 >"$scratch/out.$i" 2>&1
        echo $? >"$scratch/status.$i"
    ) &
done
wait
good=0
for ((i = 0; i < many; i++)); do
    [ "$(cat "$scratch/status.$i")" = 33 ] && grep -q GO "$scratch/out.$i" && good=$((good + 1))
done
echo "$good of $many"
report $([ $good = $many ]; echo $?) "$many runs at once end alike"
left=$(ls -A "$scratch/tmp" "$scratch/many" | grep -v ':$')
left="$left $(ls /dev/shm 2>/dev/null | grep -i calque)"
for exe in /proc/[0-9]*/exe; do
    [ "$(readlink "$exe" 2>/dev/null)" != "$(readlink -f "$CALQUE")" ] ||
        ! tr '\0' ' ' <"${exe%exe}cmdline" | grep -qF "$scratch" || left="$left ${exe%/exe}"
done
echo "left: $left"
report $([ -z "${left//[$' \n']/}" ]; echo $?) "they leave nothing behind"
finish
