#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's cloud kernel with four CPUs for MINUTES (30) under load: processes by the thousand, memory
# taken and given back until there is little, pipes, digests, signals. No stall, no complaint by RCU, a
# clock's watchdog or anybody else, every digest right. The machine is saved into an image in the build
# folder every five minutes; a run goes on where the last one ended (FRESH=1: anew).
. tests/boot/boot.sh
names=("four CPUs under load")
minutes=${MINUTES:-30} piece=${PIECE:-5} # minutes
patience=300 # host seconds for ten of the guest's: it is stuck then, however busy the host
dir=$BUILD/long-smp-load
talk=$BUILD/tests/tools/talk
pid=
trap 'kill -KILL $pid 2>/dev/null; rm -rf "$scratch"' EXIT
[ -z "$FRESH" ] || rm -rf "$dir"
mkdir -p "$dir"

cat >"$scratch/load.sh" <<'GUEST'
#!/bin/sh
mkdir /tmp/d
mount -t tmpfs -o size=200m none /tmp/d
processes() { n=0; while :; do n=$((n + 1)); /bin/busybox true | /bin/busybox cat >/dev/null; echo $n >/tmp/p$1; done; }
memory() { while :; do awk -v n=$((50000 + $(cut -d. -f1 /proc/uptime) % 7 * 50000)) 'BEGIN { for (i = 0; i < n; i++) a[i] = i; exit }'; done; }
digests() {
    n=0
    while :; do
        dd if=/dev/urandom of=/tmp/d/f$1 bs=1M count=8 2>/dev/null
        first=$(sha256sum </tmp/d/f$1)
        cp /tmp/d/f$1 /tmp/d/g$1
        [ "$first" = "$(sha256sum </tmp/d/g$1)" ] && [ "$first" = "$(cat /tmp/d/g$1 | gzip -1 | zcat | sha256sum)" ] || echo "BAD digest"
        rm /tmp/d/f$1 /tmp/d/g$1
        n=$((n + 1))
        echo $n >/tmp/s$1
    done
}
signals() { while :; do sleep 1000 & kill $!; wait $!; done 2>/dev/null; }
migrate() { while :; do for m in 1 2 4 8 f; do taskset -p $m $1 >/dev/null; usleep 50000; done; done; }
processes 1 & processes 2 & memory & memory & digests 1 & digests 2 &
last=$!
signals & migrate $last &
while :; do
    sleep 10
    echo "BEAT $(cut -d. -f1 /proc/uptime) $(cat /tmp/p1 /tmp/p2 /tmp/s1 /tmp/s2 2>/dev/null | tr '\n' ' ')$(awk '/^processes/ { print $2 }' /proc/stat)"
done
GUEST
chmod 755 "$scratch/load.sh"
[ -e "$dir/initrd" ] || { need_guest "$scratch/load.sh" && cp "$scratch/initrd" "$dir/initrd"; }
kernel=$(tests/fetch kernel)
[ -e "$dir/state.qcow2" ] || "$BUILD/calque-img" create -q -f qcow2 "$dir/state.qcow2" 16M

saved=$(sed -n '$p' "$dir/saved" 2>/dev/null) # in minutes of the guest; what it said by then is in $dir/said
"$CALQUE" -smp 4 -m 512 -kernel "$kernel" -initrd "$dir/initrd" -nodefaults -display none -no-reboot \
    -append "console=ttyS0 calque.run=/load.sh" -serial "file:$scratch/serial" ${saved:+-loadvm "m$saved"} \
    -monitor "unix:$scratch/monitor,server=on,wait=off" -drive "file=$dir/state.qcow2,if=virtio" \
    >"$scratch/err" 2>&1 </dev/null &
pid=$!

ask() { timeout 600 "$talk" "unix:$scratch/monitor" "$(printf '%s\n' "$@" "print/d 424242")"$'\n' 424242 2>&1; }
# beat: the guest has said another time how far it is.
beats=0
beat() {
    local i now
    for ((i = 0; i < patience; i++)); do
        now=$(grep -c -a ^BEAT "$scratch/serial" 2>/dev/null)
        [ "${now:-0}" -gt "$beats" ] && beats=$now && return
        kill -0 $pid 2>/dev/null || { echo "the emulator has ended"; return 1; }
        sleep 1
    done
    echo "nothing said in $patience s"
    return 1
}
save() {
    ask "savevm m$1" >"$scratch/talk" && ! grep -q -i error "$scratch/talk" || return 1
    cat "$scratch/serial" >"$dir/said$1"
    echo "$1" >>"$dir/saved"
    [ -z "$saved" ] || ask "delvm m$saved" >"$scratch/talk"
    saved=$1
}
up() { tr -d '\r' <"$scratch/serial" | awk '/^BEAT/ { u = $2 } END { print int(u / 60) }'; }

status=0
while beat; do
    now=$(up)
    [ "$now" -lt "$minutes" ] || break
    [ "$now" -lt $((${saved:-0} + piece)) ] || save "$now" || { cat "$scratch/talk"; status=1; break; }
done >"$scratch/why"
[ "$(up)" -ge "$minutes" ] && [ "$status" = 0 ] || status=1
kill -KILL $pid 2>/dev/null
cat "$dir"/said* "$scratch/serial" >"$dir/log" 2>/dev/null
if grep -a -n -E 'BAD|clocksource.*(unstable|wd-)|BUG|WARNING|Call Trace|Oops|lockup|stall|rcu:.*(detected|kthread)|hung|Out of memory' "$dir/log"; then
    status=1
fi
tr -d '\r' <"$dir/log" | sed -n 's/^BEAT/# uptime, pipes of two, digests of two, processes:/p' | tail -n 1
report $status "${names[0]}" "$scratch/serial" "$scratch/why" "$scratch/err"
[ $status != 0 ] || rm -rf "$dir"
finish
