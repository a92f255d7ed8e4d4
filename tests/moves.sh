# SPDX-License-Identifier: GPL-2.0-or-later
# For tests in which machines are saved and go to other processes; they source it after tests/tap.sh.
# shellcheck shell=bash
talk=$BUILD/tests/tools/talk
declare -A pids
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT

# launch N OPTION...: a machine in the background, with a monitor, its output in $scratch/outN and errN.
launch() {
    local i=$1 k
    shift
    rm -f "$scratch/m$i"
    "$CALQUE" -display none -monitor "unix:$scratch/m$i,server=on,wait=off" "$@" >"$scratch/out$i" 2>"$scratch/err$i" </dev/null 4<&- &
    pids[$i]=$!
    for ((k = 0; k < 1200; k++)); do [ -S "$scratch/m$i" ] && break; kill -0 $! 2>/dev/null || break; sleep 0.05; done
    ask "$i" "info name" >/dev/null # it answers: what it listens for it does by now
}

# ask N COMMAND...: what its monitor says.
ask() {
    local i=$1 text
    shift
    kill -0 "${pids[$i]}" 2>/dev/null || return
    text=$(printf '%s\n' "$@" "print/d 424242")$'\n'
    timeout 60 "$talk" -v "unix:$scratch/m$i" "$text" 424242 2>&1 | tr -d '\r' | sed 's/(calque) //g' |
        grep -v -e 424242 -e '^Calque .* type help'
}

# stop N...: they are killed.
stop() {
    local i
    for i in "$@"; do
        kill -9 "${pids[$i]}"
        wait "${pids[$i]}"
    done 2>/dev/null
}

digest() { ask "$1" "info digest" | grep '^cpus'; }
same() { [ -n "$1" ] && [ "$1" = "$2" ] || { echo "$1 is not $2"; return 1; }; }

# What a guest has got through: lines "round N ok" of its serial port, $scratch/serialN.
rounds() { grep -c -a '^round .* ok' "$scratch/serial$1" 2>/dev/null; }
# works N [MORE]: it gets through so many more rounds.
works() {
    local from k
    from=$(rounds "$1")
    for ((k = 0; k < 600; k++)); do
        [ "$(rounds "$1")" -ge $((${from:-0} + ${2:-1})) ] && return
        sleep 0.1
    done
    return 1
}
