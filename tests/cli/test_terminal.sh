#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a person does at the terminal, and that the terminal is as it was before, however Calque ends.
n=0
guest=("$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1")

# typed NAME [OPTION...] <STEPS
typed() {
    local name=$1 text
    shift
    n=$((n + 1))
    if text=$(timeout 60 "$BUILD/tests/tools/pty" "${guest[@]}" "$@" 2>&1); then
        echo "ok $n - $name"
    else
        printf '%s\n' "$text"
        echo "not ok $n - $name"
    fi
}

typed "the guest gets what is typed, Ctrl-C too" -nographic <<'STEPS'
want 10 ready
raw
send Hello\x03
want 10 hELLO#
send .
status 33 10
cooked
STEPS
typed "Ctrl-A h, b, Ctrl-A and an unknown key" -nographic <<'STEPS'
want 10 ready
send \x01h
want 10 Ctrl-A x
want 10 Ctrl-A c
send \x01b
want 10 break
send \x01\x01
want 10 !
send \x01za
want 10 A
absent Z
send \x01x
status 0 10
cooked
STEPS
typed "monitor: help, info, stop, cont" -nographic <<'STEPS'
want 10 ready
send \x01c
want 10 (calque) 
send help\r
want 10 help [COMMAND]
want 10 info [WHAT]
want 10 stop
want 10 cont
want 10 system_reset
want 10 system_powerdown
want 10 quit
want 10 (calque) 
send help info\r
want 10 info status
want 10 (calque) 
send info status\r
want 10 VM status: running
send stop\r
want 10 (calque) 
send info status\r
want 10 VM status: paused
send info registers\r
want 10 RIP=
want 10 (calque) 
send \x01c\x01c
send cont\r
want 10 (calque) 
send info status\r
want 10 VM status: running
send \x01c
send back
want 10 BACK
send \x01cquit\r
status 0 10
cooked
STEPS
typed "monitor: typing errors, line editing" -nographic <<'STEPS'
want 10 ready
send \x01c
want 10 (calque) 
send sytem_reset\r
want 10 did you mean system_reset?
send info statsu\r
want 10 did you mean status?
send help stpo\r
want 10 did you mean stop?
send system_\r
want 10 ambiguous
send stop now\r
want 10 usage: stop
send info registers 9\r
want 10 there are 1 CPUs
send info registers x\r
want 10 x
send stop a b c d e f g h i j k l\r
want 10 too many arguments
send nonsense\x15info stattus\x7f\x7f\x7fus\r
want 10 VM status: running
send \x1b[A\x1bOPinfo version\r
want 10 Calque
send \r
want 10 (calque) 
send quit\r
status 0 10
cooked
STEPS
typed "monitor: system_reset restarts the guest" -nographic <<'STEPS'
want 10 ready
send \x01c
want 10 (calque) 
send system_reset\r
want 10 ready
send \x01cagain
want 10 AGAIN
send \x01x
status 0 10
cooked
STEPS
typed "monitor: system_reset ends with -no-reboot" -nographic -no-reboot <<'STEPS'
want 10 ready
send \x01csystem_reset\r
status 0 10
cooked
STEPS
typed "monitor: system_powerdown" -nographic <<'STEPS'
want 10 ready
send \x01csystem_powerdown\r
want 10 button
send \x01c:
status 0 10
cooked
STEPS
typed "-S waits for cont" -nographic -S <<'STEPS'
raw 10
sleep 0.3
absent ready
send \x01c
want 10 (calque) 
send info status\r
want 10 VM status: paused
send cont\r
want 10 ready
send \x01x
status 0 10
cooked
STEPS
typed "quit while stopped" -nographic <<'STEPS'
want 10 ready
send \x01cstop\r
want 10 (calque) 
send \x01x
status 0 10
cooked
STEPS
typed "SIGTERM while stopped, twice" -nographic <<'STEPS'
want 10 ready
send \x01cstop\r
want 10 (calque) 
signal 15
want 10 power button pressed
signal 15
status 130 10
cooked
STEPS
typed "-serial stdio: Ctrl-C is a signal, Ctrl-A the guest's" -serial stdio <<'STEPS'
want 10 ready
send \x01
want 10 !
send \x03
want 10 button
absent #
send \x03
status 130 10
cooked
STEPS
for signal in 2 15; do
    typed "signal $signal presses the power button, then quits" -nographic <<STEPS
want 10 ready
signal $signal
want 10 button
signal $signal
status 130 10
cooked
STEPS
done
typed "SIGHUP ends at once" -nographic <<'STEPS'
want 10 ready
signal 1
status 130 10
cooked
STEPS
# A sanitizer makes an exit status of its own of these.
if ! nm "$CALQUE" 2>/dev/null | grep -q __asan_init; then
    for signal in 3 4 6 7 8 10 11 12 14; do
        typed "the terminal survives signal $signal" -nographic <<STEPS
want 10 ready
raw
signal $signal
status $((128 + signal)) 10
cooked
STEPS
    done
fi
typed "the terminal is lent while stopped" -nographic <<'STEPS'
want 10 ready
raw
signal 20
sleep 0.3
cooked
signal 18
sleep 0.3
raw
send on
want 10 ON
send \x01x
status 0 10
cooked
STEPS
typed "a triple fault restores the terminal" -nographic -no-reboot <<'STEPS'
want 10 ready
send ,
status 122 10
cooked
STEPS
typed "--timeout restores the terminal" -nographic --timeout 0.5 <<'STEPS'
want 10 ready
raw
status 124 10
cooked
STEPS
typed "--until restores the terminal" -nographic --until ENOUGH <<'STEPS'
want 10 ready
send enough
status 0 10
cooked
STEPS
typed "an option found wrong late restores the terminal" -serial mon:stdio -serial file:/nonexistent/x <<'STEPS'
status 1 10
want 1 /nonexistent/x
cooked
STEPS
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
typed "Ctrl-C gives up waiting for a connection" -nographic -serial mon:stdio -serial "unix:$scratch/s,server" <<'STEPS'
want 10 waiting for a connection
cooked
send \x03
status 130 10
cooked
STEPS
echo "1..$n"
