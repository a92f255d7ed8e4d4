# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests with gdb have in common; they source it. The gdb is Debian's, without any settings.
# shellcheck shell=bash
. tests/tap.sh
guest=$BUILD/debugger/modes.elf
sock=$scratch/gdb

# start OPTION...: a machine in the background that listens on $sock.
start() {
    rm -f "$sock"
    "$CALQUE" -display none -gdb "unix:$sock" --timeout 120 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null &
    pid=$!
    for _ in $(seq 200); do
        [ ! -S "$sock" ] || break
        sleep 0.05
    done
}

# start_guest OPTION...: our own kernel, not started yet.
start_guest() {
    start -kernel "$guest" -device isa-debug-exit,iobase=0xf4,iosize=4 -S "$@"
}

# stop: whatever runs ends.
stop() {
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

# session OUTPUT [FILE]: gdb's commands from standard input, after `target remote`, with the symbols
# of FILE. What it printed is in OUTPUT, with its complaints.
session() {
    local output=$1 file=${2:-${guest}64}
    { printf 'set pagination off\nset confirm off\nset width 0\ntarget remote %s\n' "$sock"; cat; } >"$scratch/commands"
    timeout -k 5 30 gdb -nx -batch -x "$scratch/commands" "$file" >"$output" 2>&1 </dev/null
}

# said OUTPUT: what the script printed with "= " in front, and instructions, are exactly standard input's text, and gdb
# did not lose its way.
said() {
    ! grep -a -E 'Remote .g. packet|internal-error|Error in sourced|reply is too long|Ignoring packet' "$1" &&
        diff <(grep -a -E '^=>? ' "$1") - >"$1.diff"
}
