#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every back end carries bytes both ways; nothing is left behind.
. tests/cli/session.sh
guest=("$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1" --timeout 600)

# start OPTION...: a guest in the background, which ends when the test does.
start() {
    : >"$scratch/err" # at once: line() looks for what the guest says, not the one before
    "${guest[@]}" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    pid=$!
}

# line FILE: its first line, once it is there.
line() {
    until_so has_line "$1" && head -n 1 "$1"
}
has_line() { read -r _ <"$1"; }

# at_free_port OPTION...: the guest with PORT in them a free TCP port, $port; talks() is what it is told.
at_free_port() {
    local try
    for ((try = 0; try < 20; try++)); do
        port=$((20000 + RANDOM % 20000))
        start "${@//PORT/$port}"
        talks && return 0
        wait "$pid"
        grep -q 'in use' "$scratch/err" || return 1
    done
    return 1
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
until_so grep -q ready "$scratch/a,b"
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
until_so [ -S "$scratch/c" ]
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
talks() { "$talk" tcp:$port Hello hELLO && "$talk" tcp:$port x. X && ended 33; }
at_free_port -serial tcp:127.0.0.1:PORT,server,nowait
report $? "tcp server"
talks() { "$talk" tcp:$port $'info status\n' 'VM status: running' && "$talk" tcp:$port $'quit\n' '' && ended 0; }
at_free_port -monitor tcp::PORT,server,nowait -serial null
report $? "a monitor on a socket"
# A crash leaves its socket behind: the next run takes it over.
start -serial "unix:$scratch/s,server,nowait"
until_so [ -S "$scratch/s" ]
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
