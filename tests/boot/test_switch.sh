#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A kernel's engine is changed again and again while it computes digests: all of them are right. How
# long the machine stood still each time is told, not judged. LONG=1: a thousand times.
. tests/boot/boot.sh
names=("the engine changes while digests are computed" "all digests are right")
number=20
[ -z "$LONG" ] || number=1000

if [ "$(uname -m)" != x86_64 ] || [ "$RUNNER" ] || [[ $BUILD == *address* ]]; then
    skip "${names[0]}" "there is no translator"
    finish
fi
cat >"$scratch/switch.sh" <<'GUEST'
#!/bin/sh
want=$(sha256sum </bin/busybox)
{
    rounds=0 wrong=0
    while [ ! -e /tmp/stop ]; do
        [ "$(sha256sum </bin/busybox)" = "$want" ] || wrong=$((wrong + 1))
        rounds=$((rounds + 1))
    done
    echo "rounds: $rounds, wrong: $wrong, digest: $want"
} &
echo "switch begins"
read -r line
touch /tmp/stop
wait
GUEST
chmod 755 "$scratch/switch.sh"
need_guest "$scratch/switch.sh"

tests/boot/switch "$scratch/out" $number interp jit \
    timeout -k 5 600 "$CALQUE" -accel jit -m 256 -kernel "$kernel" -initrd "$scratch/initrd" \
    -nographic -no-reboot -append "console=ttyS0 calque.run=/switch.sh"
status=$?
tr -d '\r' <"$scratch/out" >"$scratch/log"
shown=("$scratch/log")
switches() { grep -a -o -E '(interp|jit), after [0-9.]+ ms' "$scratch/log"; }
[ $status = 0 ] && [ "$(switches | wc -l)" = $number ]
report $? "${names[0]}, $number times"
digest=$(sha256sum <"$(tests/fetch busybox)" | cut -d' ' -f1)
grep -q -a -E "rounds: [1-9][0-9]*, wrong: 0, digest: $digest" "$scratch/log" && clean "$scratch/log"
report $? "${names[1]}"
switches | sed 's/.*after \([0-9.]*\) ms/\1/' | sort -n |
    awk '{ t[NR] = $1 } END { printf "# the machine stood still for %s ms (median), %s ms (at most)\n", t[int((NR + 1) / 2)], t[NR] }'
finish
