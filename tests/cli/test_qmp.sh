#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Monitors for programs and people on sockets, and what is around them: the background, pid files,
# names, and options in JSON and in files.
. tests/cli/session.sh
echo_kernel=(-kernel "$BUILD/tests/tools/echo.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1" -m 16 -vga none --timeout 60)
hello='{"execute":"qmp_capabilities"}'

# start OPTION...: in the background
start() {
    "$CALQUE" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    pid=$!
}

# refused PATTERN ARGUMENTS...
refused() {
    local pattern=$1 text status
    shift
    text=$(timeout 20 "$CALQUE" "$@" 2>&1 </dev/null)
    status=$?
    [ $status = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && [[ $text == calque:*"$pattern"* ]]
    status=$?
    [ $status = 0 ] || echo "$text" >"$scratch/err"
    report $status "$* is refused"
}

if "$CALQUE" -machine none -qmp null --timeout 0.1 2>&1 </dev/null | grep -q 'not in this build'; then
    echo "ok 1 - QMP # SKIP built without jansson"
    exit 0
fi

# ---- QMP on sockets ----
m=$scratch/m
start "${echo_kernel[@]}" -display none -S -device virtio-balloon-pci -qmp "unix:$m,server=on,wait=off"
"$talk" "unix:$m" "$hello" '{"return": {}}' >/dev/null
report $? "-qmp unix:PATH,server=on,wait=off"
"$talk" "unix:$m" "$hello"'{"execute":"query-status","id":1}' '"status": "prelaunch"' >/dev/null
report $? "the next client finds a session of its own"
"$talk" "unix:$m" '{"execute":"query-status"}' 'Expecting capabilities negotiation' >/dev/null
report $? "which has to negotiate"
"$talk" "unix:$m" "$hello"'{"execute":"query-balloon"}' '{"return": {"actual": 16777216}}' >/dev/null
report $? "query-balloon"
"$talk" "unix:$m" "$hello"'{"execute":"balloon","arguments":{"value":0}}' "Parameter 'target' expects a size" >/dev/null
report $? "balloon refuses to take all"
at='"path":"/machine/peripheral-anon/device[1]","property":"guest-stats'
"$talk" "unix:$m" "$hello"'{"execute":"qom-get","arguments":{'"$at"'"}}' '{"return": {"stats": {}, "last-update": 0}}' >/dev/null &&
    "$talk" "unix:$m" "$hello"'{"execute":"qom-set","arguments":{'"$at"'-polling-interval","value":3}}' '{"return": {}}' >/dev/null
report $? "guest-stats and guest-stats-polling-interval"
"$talk" "unix:$m" "$hello"'{"execute":"qom-set","arguments":{'"$at"'","value":3}}' "Property 'guest-stats' cannot be set" >/dev/null
report $? "qom-set refuses other properties"
"$talk" "unix:$m" "$hello"'{"execute":"cont"}' '"event": "RESUME"' >/dev/null
report $? "cont and its event"
"$talk" "unix:$m" "$hello"'{"execute":"human-monitor-command","arguments":{"command-line":"info status"}}' 'VM status: running' >/dev/null
report $? "human-monitor-command"
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' '"reason": "host-qmp-quit"' >/dev/null
report $? "quit, told before the end"
ended 0
report $? "which is one without complaint"
report $([ ! -e "$m" ]; echo $?) "its socket is gone"

# ---- devices by their ids ----
truncate -s 1M "$scratch/disk"
start "${echo_kernel[@]}" -display none -S -qmp "unix:$m,server,nowait" \
    -blockdev "driver=file,filename=$scratch/disk,node-name=n0" -device virtio-blk-pci,drive=n0,id=vd,addr=9 \
    -drive "if=none,id=d1,file=$scratch/disk,file.locking=off,format=raw" -device ahci,addr=a -device ide-hd,drive=d1,bus=ahci0.2,id=sata2 \
    -device ide-cd,unit=1 -device virtio-tablet-pci,id=pen,addr=8.0,multifunction=on
# asks COMMAND ARGUMENTS WANTED
asks() {
    "$talk" "unix:$m" "$hello{\"execute\":\"$1\",\"arguments\":{$2}}" "$3" >"$scratch/said"
    report $? "$1 $2: $3"
}
asks query-block "" '"device": "", "type": "unknown", "removable": false, "locked": false, "qdev": "/machine/peripheral/vd/virtio-backend"'
asks query-block "" '"device": "d1", "type": "unknown", "removable": false, "locked": false, "qdev": "sata2"'
asks query-block "" '"qdev": "/machine/peripheral-anon/device[2]"'
asks query-blockstats "" '"qdev": "sata2"'
asks query-pci "" '"slot": 9, "function": 0'
asks query-pci "" '"qdev_id": "vd"'
asks qom-list '"path":"/machine/peripheral"' '{"name": "pen", "type": "child<virtio-tablet-pci>"}'
asks qom-list '"path":"/machine/peripheral-anon"' '{"name": "device[2]", "type": "child<ide-cd>"}'
asks qom-get '"path":"/machine/peripheral/pen","property":"multifunction"' '{"return": true}'
asks qom-get '"path":"/machine/peripheral/sata2","property":"bus"' '{"return": "ahci0.2"}'
asks qom-get '"path":"/machine/peripheral/paper","property":"bus"' DeviceNotFound
asks device_del '"id":"pen"' "can not be removed"
asks device_del '"id":"paper"' DeviceNotFound
asks blockdev-open-tray '"id":"/machine/peripheral-anon/device[2]"' '"id": "/machine/peripheral-anon/device[2]", "tray-open": true'
asks blockdev-open-tray '"id":"sata2"' "is not removable"
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' '"reason": "host-qmp-quit"' >"$scratch/said"
ended 0
report $? "and the end"

# ---- front ends ----
start "${echo_kernel[@]}" -vga std -display none -S -vnc "unix:$scratch/vnc,password=on" -qmp "unix:$m,server,nowait"
"$talk" "unix:$m" "$hello"'{"execute":"query-vnc"}' "\"service\": \"$scratch/vnc\", \"family\": \"unix\", \"auth\": \"vnc\"" >/dev/null
report $? "query-vnc"
"$talk" "unix:$m" "$hello"'{"execute":"set_password","arguments":{"protocol":"vnc","password":"x"}}{"execute":"expire_password","arguments":{"protocol":"vnc","time":"+60"}}{"execute":"change-vnc-password","arguments":{"password":"y"},"id":3}' '{"return": {}, "id": 3}' >/dev/null
report $? "set_password, expire_password, change-vnc-password"
"$talk" "unix:$m" "$hello"'{"execute":"set_password","arguments":{"protocol":"spice","password":"x"}}' '"class": "GenericError", "desc": "spice: vnc is expected"' >/dev/null
report $? "of another protocol there is none"
"$talk" "unix:$m" "$hello"'{"execute":"expire_password","arguments":{"protocol":"vnc","time":"soon"}}' '"class": "GenericError", "desc": "soon: now, never' >/dev/null
report $? "a time that is none"
"$talk" "unix:$m" "$hello"'{"execute":"query-mice"}' '{"return": [{"name": "PS/2 mouse", "index": 0, "current": true, "absolute": false}]}' >/dev/null
report $? "query-mice"
"$talk" "unix:$m" "$hello"'{"execute":"input-send-event","arguments":{"events":[{"type":"btn","data":{"button":"side","down":true}}]},"id":4}' '{"return": {}, "id": 4}' >/dev/null
report $? "five buttons"
"$talk" "unix:$m" "$hello"'{"execute":"human-monitor-command","arguments":{"command-line":"info vnc"}}' "$scratch/vnc (unix), with a password, 0 connected" >/dev/null
report $? "info vnc"
asks query-vnc-servers "" '{"return": [{"id": "default", "server": [{"host": "", "service"'
# sees EVENT: viewers come and go until the monitor's client has been told.
sees() {
    "$talk" "unix:$m" "$hello" "$1" >"$scratch/said" &
    local watcher=$!
    while kill -0 $watcher 2>/dev/null; do "$talk" "unix:$scratch/vnc" '' 'RFB 003.008' >/dev/null; done
    wait $watcher
    report $? "$1" "$scratch/said"
}
sees '"event": "VNC_CONNECTED", "data": {"server": {"host": "", "service": "'
sees '"auth": "vnc"}, "client": {"host": "", "service": "", "family": "unix", "websocket": false}}'
sees '"event": "VNC_DISCONNECTED", "data": {"server": {"host": ""'
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' '' >/dev/null
ended 0
report $? "and its end"

# A schema is longer than a socket's buffer, and nothing is read for a while.
start "${echo_kernel[@]}" -display none -S -qmp "unix:$m,server,nowait"
many=$hello
for ((i = 0; i < 40; i++)); do many+='{"execute":"query-qmp-schema"}'; done
"$talk" "unix:$m" "$many"'{"execute":"query-name","id":"last"}' '"id": "last"' >/dev/null
report $? "40 schemas arrive whole"
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' '' >/dev/null
ended 0
report $? "and it ends"

# ---- -mon, two monitors, telnet ----
start "${echo_kernel[@]}" -display none -chardev "socket,id=q,path=$m,server=on,wait=off" \
    -mon chardev=q,mode=control,pretty=on -monitor "unix:$m.h,server,nowait" -name guest=mine
"$talk" "unix:$m" "$hello"'{"execute":"query-name"}' '"name": "mine"' >/dev/null
report $? "-chardev and -mon mode=control"
"$talk" "unix:$m.h" $'info name\n' 'mine' >/dev/null
report $? "-monitor unix: beside it"
"$talk" "unix:$m.h" $'quit\n' '' >/dev/null
ended 0
report $? "quit there"

# ---- the background ----
"$CALQUE" -machine none,accel=kvm:tcg -S -no-user-config -nodefaults -nographic -daemonize \
    -qmp "unix:$m,server=on,wait=off" -pidfile "$scratch/pid" >"$scratch/out" 2>"$scratch/err" </dev/null
report $? "-daemonize -pidfile -machine none"
kill -0 "$(cat "$scratch/pid")"
report $? "the pid file names a process"
refused "another running Calque has it" -machine none -pidfile "$scratch/pid"
"$talk" "unix:$m" "$hello"'{"execute":"query-cpu-definitions"}' 'max-x86_64-cpu' >/dev/null
report $? "it answers"
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' 'SHUTDOWN' >/dev/null
report $? "and ends when told"
for ((i = 0; i < 200; i++)); do [ -e "$scratch/pid" ] || break; sleep 0.05; done
report $([ ! -e "$scratch/pid" ]; echo $?) "its pid file is gone"
"$CALQUE" -daemonize -kernel /nonexistent -display none >"$scratch/out" 2>"$scratch/err"
report $([ $? = 1 ] && grep -q nonexistent "$scratch/err"; echo $?) "-daemonize tells what failed"

# ---- options in JSON and in files ----
start "${echo_kernel[@]}" -display none \
    -object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":16777216}' \
    -machine pc-i440fx-7.2,usb=off,dump-guest-core=off,memory-backend=pc.ram -accel tcg \
    -overcommit mem-lock=off -uuid c0ffee00-0000-4000-8000-000000000001 -no-user-config -nodefaults \
    -rtc base=utc,driftfix=slew -global kvm-pit.lost_tick_policy=delay -no-hpet -no-shutdown \
    -boot strict=on -audiodev '{"id":"audio1","driver":"none"}' -msg timestamp=on \
    -chardev "socket,id=m,path=$m,server=on,wait=off" -mon chardev=m,id=monitor,mode=control \
    -chardev "file,id=s,path=$scratch/serial" \
    -device '{"driver":"isa-serial","chardev":"s","id":"serial0","index":0}'
"$talk" "unix:$m" "$hello"'{"execute":"query-memdev"}' '"id": "pc.ram", "size": 16777216' >/dev/null
report $? "what libvirt passes"
until_so grep -q ready "$scratch/serial"
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' 'SHUTDOWN' >/dev/null
ended 0
report $([ $? = 0 ] && grep -q ready "$scratch/serial"; echo $?) "-device isa-serial in JSON"

cat >"$scratch/config" <<CONFIG
# a comment
[machine]
  type = "pc"
[name]
  guest = "from, a file"
[chardev "c"]
  backend = "socket"
  path = "$m"
  server = "on"
  wait = "off"
[mon "monitor"]
  chardev = "c"
  mode = "control"
CONFIG
start "${echo_kernel[@]}" -display none -readconfig "$scratch/config"
"$talk" "unix:$m" "$hello"'{"execute":"query-name"}' 'from, a file' >/dev/null
report $? "-readconfig"
"$talk" "unix:$m" "$hello"'{"execute":"quit"}' 'SHUTDOWN' >/dev/null
ended 0
report $? "and its end"
printf '[machine]\ntype = pc\n' >"$scratch/bad"
refused "line 2: [section]" -readconfig "$scratch/bad"
printf '[machin]\n' >"$scratch/bad"
refused "did you mean [machine]?" -readconfig "$scratch/bad"
refused "JSON" -device '{"driver":'
refused "more than 8 levels" -device '{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}}}'
refused "did you mean memory-backend-ram?" -object memory-backend-rom,id=x
refused "no -object has this id" -machine memory-backend=x -kernel "$BUILD/tests/tools/echo.elf"
refused "its size is not that of -m" -machine memory-backend=x -object memory-backend-ram,id=x,size=1M \
    -kernel "$BUILD/tests/tools/echo.elf"
refused "letters of a, c, d and n" -boot order=x
refused "c is there twice" -boot cc
refused "driftfix=none" -rtc driftfix=none
refused "base=2024-02-30" -rtc base=2024-02-30
refused "-uuid 12" -uuid 12
refused "-sandbox off is expected" -sandbox on
refused "stdio goes away" -daemonize -serial stdio
refused "mode=both" -mon chardev=x,mode=both
refused "no -chardev has this id" -mon chardev=x -kernel "$BUILD/tests/tools/echo.elf"
refused "did you mean kvm-pit.lost_tick_policy=delay" -global kvm-pit.lost_tick_policy=discard
refused "mem-lock=on" -overcommit mem-lock=on
refused "pa: none, wav and sdl are there" -audiodev pa,id=x
refused "an open socket is expected" -machine none -chardev socket,id=x,fd=999

# ---- files by their content ----
[[ $CALQUE == /* ]] || CALQUE=$PWD/$CALQUE
mkdir "$scratch/folder"
cp "$BUILD/tests/tools/echo.elf" "$scratch/folder/kernel"
gzip <"$scratch/folder/kernel" >"$scratch/folder/kernel.gz"
echo text >"$scratch/folder/text"
{ head -c 510 /dev/zero; printf '\125\252'; head -c 10485248 /dev/zero; } >"$scratch/folder/disk"
head -c 1474560 /dev/zero >"$scratch/folder/floppy"
{ head -c 32768 /dev/zero; printf '\001CD001\001'; head -c 100000 /dev/zero; } >"$scratch/folder/cd"
cd "$scratch/folder" || exit 1
"$CALQUE" >"$scratch/out" 2>"$scratch/err"
report $([ $? = 1 ] && [ ! -s "$scratch/out" ] && grep -q 'calque installer.iso' "$scratch/err" &&
    grep -q 'calque kernel  *a Multiboot kernel' "$scratch/err" &&
    grep -q 'calque kernel.gz  *a Multiboot kernel' "$scratch/err" &&
    grep -q 'calque disk  *a disk (raw), 10 MiB' "$scratch/err" &&
    grep -q 'calque floppy  *a floppy disk' "$scratch/err" &&
    grep -q 'calque cd  *a CD or DVD' "$scratch/err" && ! grep -q 'calque text' "$scratch/err"; echo $?) \
    "calque alone shows examples and what is here"
out=$(printf 'Hello.' | "$CALQUE" kernel -serial stdio -display none -device isa-debug-exit,iobase=0xf4,iosize=1 \
    --timeout 20 2>"$scratch/err")
report $([ $? = 33 ] && [[ $out == *hELLO ]] && grep -q 'is a Multiboot kernel: calque -kernel kernel' "$scratch/err"; echo $?) \
    "calque KERNEL"
refused "neither a kernel nor a disk" text
refused "Is a directory" .
refused "No such file" none
finish
