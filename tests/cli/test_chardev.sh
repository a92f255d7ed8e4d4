#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every back end carries bytes both ways; nothing is left behind.
. tests/cli/session.sh
guest=("$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1" --timeout 20)

# start OPTION...: a guest in the background, which ends when the test does.
start() {
    "${guest[@]}" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    pid=$!
}

# line FILE: its first line, once it is there.
line() {
    local i
    for ((i = 0; i < 200; i++)); do
        [ ! -s "$1" ] || break
        sleep 0.05
    done
    head -n 1 "$1"
}

# ---- standard input and output ----
for serial in stdio mon:stdio; do
    out=$(printf 'Hello.' | "${guest[@]}" -serial $serial 2>"$scratch/err")
    report $([ $? = 33 ] && [[ $out == *hELLO ]]; echo $?) "-serial $serial"
done
out=$(printf 'Hello\001\001.' | "${guest[@]}" -chardev stdio,id=a,mux=on -serial chardev:a 2>"$scratch/err")
report $([[ $out == *hELLO! ]]; echo $?) "-chardev stdio,mux=on"
# More than any buffer holds, none of it lost.
head -c 100000 /dev/zero | tr '\0' 'a' >"$scratch/many"
out=$( (cat "$scratch/many"; printf .) | "${guest[@]}" -serial stdio 2>"$scratch/err" | tr -cd A | wc -c)
report $([ "$out" = 100000 ]; echo $?) "100000 bytes through -serial stdio"

# ---- parallel ports ----
for where in "-parallel file:$scratch/lpt" "-chardev file,id=p,path=$scratch/lpt -device isa-parallel,chardev=p"; do
    # shellcheck disable=SC2086 # several words
    printf 'Hello.' | "${guest[@]}" -serial stdio $where >"$scratch/out" 2>"$scratch/err"
    report $([ $? = 33 ] && [ "$(cat "$scratch/lpt")" = hELLO ]; echo $?) "${where%% *}"
    rm -f "$scratch/lpt"
done
printf 'Hello.' | "${guest[@]}" -serial stdio -parallel none >"$scratch/out" 2>"$scratch/err"
report $([ $? = 33 ] && [[ $(cat "$scratch/out") == *hELLO ]]; echo $?) "-parallel none"

# ---- files ----
printf 'x.' | "${guest[@]}" -serial "file:$scratch/a,b" -monitor null -serial stdio >"$scratch/out" 2>"$scratch/err" &
pid=$!
for ((i = 0; i < 100; i++)); do
    grep -q ready "$scratch/a,b" 2>/dev/null && break
    sleep 0.05
done
grep -q ready "$scratch/a,b"
report $? "-serial file: writes, and its name may hold a comma"
kill -9 $pid
wait $pid 2>/dev/null
echo before >"$scratch/f"
"${guest[@]}" -chardev "file,id=f,path=$scratch/f,append=on" -serial chardev:f --until ready 2>"$scratch/err"
report $([ "$(tr -d '\r' <"$scratch/f")" = $'before\nready' ]; echo $?) "-chardev file,append=on"
"${guest[@]}" -serial null --until ready 2>"$scratch/err" </dev/null
report $? "-serial null"

# ---- sockets ----
start -serial "unix:$scratch/s,server,nowait"
"$talk" "unix:$scratch/s" Hello hELLO && "$talk" "unix:$scratch/s" Again aGAIN &&
    "$talk" "unix:$scratch/s" x. X && ended 33 && [ ! -e "$scratch/s" ]
report $? "unix server, one client after another"
start -serial "unix:$scratch/s,server"
line "$scratch/err" >/dev/null
"$talk" "unix:$scratch/s" Hello. ready && ended 33 && grep -q "waiting for a connection on unix:" "$scratch/err"
report $? "unix server waits for its first client"
"$talk" "unix-listen:$scratch/c" Hello hELLO &
peer=$!
for ((i = 0; i < 100; i++)); do [ -S "$scratch/c" ] && break; sleep 0.05; done
start -chardev "socket,id=s,path=$scratch/c" -serial chardev:s
wait $peer
status=$?
kill -HUP $pid
wait $pid 2>/dev/null
report $status "unix client"
rm -f "$scratch/c"
"$talk" tcp-listen: Hello. hELLO >"$scratch/port" &
peer=$!
start -serial "tcp:127.0.0.1:$(line "$scratch/port")"
wait $peer && ended 33
report $? "tcp client"
for ((i = 0; i < 20; i++)); do
    port=$((20000 + RANDOM % 20000))
    start -serial "tcp:127.0.0.1:$port,server,nowait"
    sleep 0.2
    grep -q 'in use' "$scratch/err" || break
    wait $pid
done
"$talk" tcp:$port Hello hELLO && "$talk" tcp:$port x. X && ended 33
report $? "tcp server"
for ((i = 0; i < 20; i++)); do
    port=$((20000 + RANDOM % 20000))
    start -monitor "tcp::$port,server,nowait" -serial null
    sleep 0.2
    grep -q 'in use' "$scratch/err" || break
    wait $pid
done
"$talk" tcp:$port $'info status\n' 'VM status: running' && "$talk" tcp:$port $'quit\n' '' && ended 0
report $? "a monitor on a socket"
# A crash leaves its socket behind: the next run takes it over.
start -serial "unix:$scratch/s,server,nowait"
for ((i = 0; i < 100; i++)); do [ -S "$scratch/s" ] && break; sleep 0.05; done
kill -9 $pid
wait $pid 2>/dev/null
start -serial "unix:$scratch/s,server,nowait"
"$talk" "unix:$scratch/s" Hello. hELLO && ended 33
report $? "a stale socket is replaced"
: >"$scratch/precious"
"${guest[@]}" -serial "unix:$scratch/precious,server,nowait" >/dev/null 2>"$scratch/err" </dev/null
report $([ $? = 1 ] && [ -f "$scratch/precious" ]; echo $?) "a file in a socket's place is kept"
rm "$scratch/precious"

# ---- pseudo-terminals, debug consoles ----
start -serial pty
pty=$(line "$scratch/err")
pty=${pty##* is }
"$talk" "$pty" Hello hELLO && "$talk" "$pty" x X && "$talk" "$pty" . "" && ended 33
report $? "-serial pty, one reader after another"
start -serial "unix:$scratch/s,server,nowait" -serial "unix:$scratch/t,server,nowait"
"$talk" "unix:$scratch/s" . '' && ended 33
report $? "two serial ports"

rm -f "$scratch"/{a,b,f,many,out,port,err,"a,b"}
"$CALQUE" -serial "unix:$scratch/s,server,nowait" -kernel "$scratch/none" >/dev/null 2>&1 </dev/null
report $([ -z "$(ls "$scratch")" ]; echo $?) "no socket is left behind"
finish
