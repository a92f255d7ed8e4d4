#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# -accel jit where it cannot be had: one line says so, and the interpreter runs.
n=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

name="-accel jit without executable memory"
n=$((n + 1))
if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ] || [[ $BUILD == *address* ]]; then
    echo "ok $n - $name # SKIP no translator here"
elif ! "$BUILD/tests/tools/noexec" true; then
    echo "ok $n - $name # SKIP this host does not let a process forbid itself things"
else
    "$BUILD/tests/tools/noexec" "$CALQUE" -kernel "$BUILD/guest/codepages-64.elf" -display none -nodefaults -debugcon stdio \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -no-reboot -accel jit --timeout 100 >"$scratch/out" 2>"$scratch/err" </dev/null
    status=$?
    if [ $status = 1 ] && [ "$(wc -l <"$scratch/err")" = 1 ] && ! grep -q ^FAIL "$scratch/out" &&
        grep -q "^calque: -accel jit: .*executable memory.*; the interpreter runs instead$" "$scratch/err"; then
        echo "ok $n - $name"
    else
        cat "$scratch/err"
        tail -n 5 "$scratch/out"
        echo "not ok $n - $name (status $status)"
    fi
fi
echo "1..$n"
