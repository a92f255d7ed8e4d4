#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# calque doctor; engines that take each other's place while a guest runs.
. tests/tap.sh

"$CALQUE" doctor >"$scratch/doctor" 2>&1 </dev/null
status=$?
shown=("$scratch/doctor")
every_line_is_known() { ! grep -qvE '^(ok|no|--)  [a-z0-9 ]{16} .' "$scratch/doctor"; }
status_tells() {
    if grep -q '^no ' "$scratch/doctor"; then
        [ $status = 1 ]
    else
        [ $status = 0 ]
    fi
}
names_engines() {
    grep -q '^.. *engine kvm ' "$scratch/doctor" && grep -q '^.. *engine jit ' "$scratch/doctor" &&
        grep -q '^ok *engine interp ' "$scratch/doctor"
}
every_line_is_known
report $? "each line begins with ok, no or --"
status_tells
report $? "the exit status tells whether something is missing"
names_engines
report $? "the engines are named"

# The guest's answer, with its engine changed meanwhile.
switched() {
    local out
    out=$(printf 'accel interp\naccel jit\n%.0s' {1..10} | timeout 60 "$CALQUE" -accel jit -kernel "${BUILD:-build/gcc}/guest/loops-64.elf" -display none \
        -nodefaults -monitor stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot --timeout 50 2>&1)
    [ $? = 1 ] && [[ $out == *interp*jit* ]]
}
switched
report $? "engines change places under a guest"
finish
