#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What libvirt 9.0 says to an emulator, replayed from recordings that are no part of the project (COMPAT,
# ../shared/compat/libvirt): every request is answered, those of a kind that is there with a value of the
# type that was recorded. The lists below are what is refused, by name; they only become shorter.
n=0
compat=${COMPAT:-../shared/compat/libvirt}
names=("the capability probe" "the start of a domain" "operations on it" "its options, one by one")
skip=
[ -r "$compat/ops.jsonl" ] || skip="no recordings in $compat"
[ "$skip" ] || ! "$CALQUE" -machine none -qmp null --timeout 0.1 2>&1 </dev/null | grep -q 'not in this build' || skip="built without jansson"
if [ "$skip" ]; then
    for _ in "${names[@]}"; do
        echo "ok $((++n)) - libvirt # SKIP $skip"
    done
    echo "1..$n"
    exit
fi
scratch=$(mktemp -d) || exit 1
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT

# report STATUS
report() {
    n=$((n + 1))
    [ "$1" = 0 ] && echo "ok $n - ${names[n - 1]}" || echo "not ok $n - ${names[n - 1]}"
}

# replays FILE REFUSED OPTION...
replays() {
    local file=$1 refused=$2
    shift 2
    rm -f "$scratch/qmp"
    "$CALQUE" "$@" --timeout 200 -qmp "unix:$scratch/qmp,server=on,wait=off" </dev/null >"$scratch/out" 2>&1 &
    pid=$!
    for ((i = 0; i < 200; i++)); do
        [ -S "$scratch/qmp" ] && break
        sleep 0.1
    done
    timeout 200 "$BUILD/tests/tools/replay" "$scratch/qmp" "$compat/$file" >"$scratch/answers" || { cat "$scratch/out"; return 1; }
    kill -9 $pid
    wait $pid 2>/dev/null
    pid=
    [ "$(grep -c ^same "$scratch/answers")" -gt 20 ] || { cat "$scratch/answers"; return 1; }
    diff <(tr -s ' \n' '\n' <<<"$refused" | grep .) <(grep -v ^same "$scratch/answers" | sed 's/^refused //; s/ /:/' | LC_ALL=C sort -u)
}

"$CALQUE-img" create -f qcow2 "$scratch/d1.qcow2" 64M >"$scratch/out"
# shellcheck disable=SC2054 # commas of options
domain=(-S -name "guest=calque1,debug-threads=on" -machine "pc-i440fx-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram"
    -accel tcg -cpu qemu64 -m 128 -object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":134217728}'
    -overcommit mem-lock=off -smp "1,maxcpus=2,sockets=2,cores=1,threads=1" -uuid c0ffee00-0000-4000-8000-000000000001
    -no-user-config -nodefaults -rtc base=utc -no-shutdown -boot strict=on
    -blockdev "{\"driver\":\"file\",\"filename\":\"$scratch/d1.qcow2\",\"node-name\":\"libvirt-1-storage\",\"auto-read-only\":true,\"discard\":\"unmap\"}"
    -blockdev '{"node-name":"libvirt-1-format","read-only":false,"driver":"qcow2","file":"libvirt-1-storage","backing":null}' -device '{"driver":"virtio-blk-pci","bus":"pci.0","addr":"0x4","drive":"libvirt-1-format","id":"virtio-disk0"}'
    -chardev pty,id=charserial0 -device '{"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0}'
    -audiodev '{"id":"audio1","driver":"none"}' -vnc "unix:$scratch/vnc,audiodev=audio1"
    -device '{"driver":"VGA","id":"video0","vgamem_mb":16,"bus":"pci.0","addr":"0x2"}' -msg timestamp=on)

replays probe.jsonl "device-list-properties:DeviceNotFound qom-list-properties:DeviceNotFound
    query-cpu-model-expansion:GenericError" \
    -S -no-user-config -nodefaults -nographic -machine none,accel=kvm:tcg
report $?
replays start.jsonl "balloon:DeviceNotActive qom-get:GenericError
    query-balloon:DeviceNotActive" "${domain[@]}"
report $?
replays ops.jsonl "balloon:DeviceNotActive block-commit:CommandNotFound block-stream:CommandNotFound
    block_resize:CommandNotFound block_set_io_throttle:CommandNotFound blockdev-add:CommandNotFound
    blockdev-create:CommandNotFound blockdev-del:CommandNotFound blockdev-mirror:CommandNotFound
    device_add:GenericError device_del:DeviceNotFound dump-guest-memory:CommandNotFound getfd:GenericError
    job-complete:CommandNotFound job-dismiss:GenericError migrate-incoming:GenericError
    migrate-set-capabilities:GenericError migrate:GenericError
    qom-get:DeviceNotFound qom-list:DeviceNotFound
    qom-set:DeviceNotFound query-balloon:DeviceNotActive query-dirty-rate:CommandNotFound screendump:GenericError
    transaction:CommandNotFound" "${domain[@]}"
report $?

# Each option of the recorded command lines that is not there is refused by its name.
refused() {
    local text
    text=$(timeout 20 "$CALQUE" "$@" 2>&1 </dev/null)
    [ $? = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && [[ $text == "calque: $1"* ]] && return
    echo "$*: $text"
    return 1
}
ok=0
for device in piix3-usb-uhci e1000e usb-tablet virtio-vga vmcoreinfo pcie-root-port qemu-xhci ich9-intel-hda hda-duplex usb-redir; do
    refused -device "{\"driver\":\"$device\",\"id\":\"x\"}" || ok=1
done
refused -blockdev '{"driver":"nbd","node-name":"n"}' || ok=1
refused -netdev '{"type":"vde","id":"hostnet0"}' || ok=1
refused -sandbox on,obsolete=deny || ok=1
refused -spice port=5901 || ok=1
refused -global kvm-pit.lost_tick_policy=discard || ok=1
report $ok
echo "1..$n"
