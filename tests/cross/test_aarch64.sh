#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Everything that is not bound to an x86 host, built for arm64 and run under QEMU's user emulation, by
# half of the processors: tests/run has other tests for the others.
name="unit, device and guest tests of the arm64 build"
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
if ! tests/deps cross >"$out" 2>&1; then
    cat "$out"
    printf 'ok 1 - %s # SKIP the cross compiler cannot be installed\n1..1\n' "$name"
    exit 0
fi
env -u BUILD -u CALQUE -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u CC \
    make JOBS=$((($(nproc) + 1) / 2)) CROSS=aarch64-linux-gnu- test-cross >"$out" 2>&1
status=$?
grep -E '^SKIP' "$out"
if [ $status = 0 ] && grep -qE '^[0-9]+ passed, 0 failed' "$out"; then
    echo "ok 1 - $name: $(tail -n 1 "$out")"
else
    grep -E '^FAIL|error|      \|' "$out" || tail -n 40 "$out"
    echo "not ok 1 - $name: $(tail -n 1 "$out")"
fi
echo "1..1"
exit $status
