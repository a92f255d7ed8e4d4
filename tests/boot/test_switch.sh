#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel's engine is changed again and again while it computes digests: all of them are right. How
# long the machine stood still each time is told, not judged. LONG=1: a thousand times.
. tests/boot/boot.sh
names=("the engine changes while digests are computed" "all digests are right"
    "the engine of two CPUs changes" "the digests of both are right")
number=20
[ -z "$LONG" ] || number=1000

if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ] || [[ $BUILD == *address* ]]; then
    for name in "${names[@]}"; do skip "$name" "there is no translator"; done
    finish
fi
cat >"$scratch/switch.sh" <<'GUEST'
#!/bin/sh
want=$(sha256sum </bin/busybox)
digests() {
    rounds=0 wrong=0
    while [ ! -e /tmp/stop ]; do
        [ "$(sha256sum </bin/busybox)" = "$want" ] || wrong=$((wrong + 1))
        rounds=$((rounds + 1))
    done
    echo "rounds: $rounds, wrong: $wrong, digest: $want"
}
for cpu in $(grep ^processor /proc/cpuinfo | cut -d: -f2); do
    digests &
done
echo "switch begins"
read -r line
touch /tmp/stop
wait
GUEST
chmod 755 "$scratch/switch.sh"
need_guest "$scratch/switch.sh"

digest=$(sha256sum <"$(tests/fetch busybox)" | cut -d' ' -f1)

switches() { grep -a -o -E '(interp|jit), after [0-9.]+ ms' "$scratch/log"; }
# Number of CPUs, the names of the two results.
changes() {
    local status
    tests/boot/switch "$scratch/out" $number interp jit \
        timeout -k 5 900 "$CALQUE" -accel jit -smp "$1" -m 256 -kernel "$kernel" -initrd "$scratch/initrd" \
        -nographic -no-reboot -append "console=ttyS0 calque.run=/switch.sh"
    status=$?
    tr -d '\r' <"$scratch/out" >"$scratch/log"
    shown=("$scratch/log")
    [ $status = 0 ] && [ "$(switches | wc -l)" = $number ]
    report $? "$2, $number times"
    [ "$(grep -a -c -E "rounds: [1-9][0-9]*, wrong: 0, digest: $digest" "$scratch/log")" = "$1" ] && clean "$scratch/log"
    report $? "$3"
    switches | sed 's/.*after \([0-9.]*\) ms/\1/' | sort -n |
        awk '{ t[NR] = $1 } END { printf "# the machine stood still for %s ms (median), %s ms (at most)\n", t[int((NR + 1) / 2)], t[NR] }'
}
changes 1 "${names[0]}" "${names[1]}"
changes 2 "${names[2]}" "${names[3]}"
finish
