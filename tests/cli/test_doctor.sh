#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# calque doctor; engines that take each other's place while a guest runs.
n=0
check() {
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
    fi
}

text=$("$CALQUE" doctor 2>&1 </dev/null)
status=$?
echo "$text" | sed 's/^/# /'
every_line_is_known() { ! grep -qvE '^(ok|no|--)  [a-z0-9 ]{16} .' <<<"$text"; }
status_tells() {
    if grep -q '^no ' <<<"$text"; then
        [ $status = 1 ]
    else
        [ $status = 0 ]
    fi
}
names_engines() {
    grep -q '^.. *engine kvm ' <<<"$text" && grep -q '^.. *engine jit ' <<<"$text" &&
        grep -q '^ok *engine interp ' <<<"$text"
}
check "each line begins with ok, no or --" every_line_is_known
check "the exit status tells whether something is missing" status_tells
check "the engines are named" names_engines

# The guest's answer, with its engine changed meanwhile.
switched() {
    local out
    out=$({ for i in 1 2 3 4 5 6 7 8 9 10; do
        echo "accel interp"
        echo "accel jit"
    done; } | timeout 60 "$CALQUE" -accel jit -kernel "${BUILD:-build/gcc}/guest/loops-64.elf" -display none \
        -nodefaults -monitor stdio -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot --timeout 50 2>&1)
    [ $? = 1 ] && [[ $out == *interp*jit* ]]
}
check "engines change places under a guest" switched
echo "1..$n"
