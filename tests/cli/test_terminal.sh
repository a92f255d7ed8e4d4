#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a person does at the terminal, and that the terminal is as it was before, however Calque ends.
n=0
guest=("$CALQUE" -kernel "$BUILD/tests/tools/echo.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1")

# What guest and monitor print at the same time comes mixed: of a word of the guest's then those letters
# are wanted, in their order, that the monitor's prompt and the command do not have.

# typed NAME [OPTION...] <STEPS
typed() {
    local name=$1 text
    shift
    n=$((n + 1))
    if text=$(timeout 600 "$BUILD/tests/tools/pty" "${guest[@]}" "$@" 2>&1); then
        echo "ok $n - $name"
    else
        printf '%s\n' "$text"
        echo "not ok $n - $name"
    fi
}

typed "the guest gets what is typed, Ctrl-C too" -nographic <<'STEPS'
want 60 ready
raw
send Hello\x03
want 60 hELLO#
send .
status 33 60
cooked
STEPS
typed "Ctrl-A h, b, Ctrl-A and an unknown key" -nographic <<'STEPS'
want 60 ready
send \x01h
want 60 Ctrl-A x
want 60 Ctrl-A c
send \x01b
want 60 break
send \x01\x01
want 60 !
send \x01za
want 60 A
absent Z
send \x01x
status 0 60
cooked
STEPS
typed "monitor: help, info, stop, cont" -nographic <<'STEPS'
want 60 ready
send \x01c
want 60 (calque) 
send help\r
want 60 help [COMMAND]
want 60 info [WHAT]
want 60 stop
want 60 cont
want 60 system_reset
want 60 system_powerdown
want 60 quit
want 60 (calque) 
send help info\r
want 60 info status
want 60 (calque) 
send info status\r
want 60 VM status: running
send stop\r
want 60 (calque) 
send info status\r
want 60 VM status: paused
send info registers\r
want 60 RIP=
want 60 (calque) 
send \x01c\x01c
send cont\r
want 60 (calque) 
send info status\r
want 60 VM status: running
send \x01c
send back
want 60 BACK
send \x01cquit\r
status 0 60
cooked
STEPS
typed "monitor: typing errors, line editing" -nographic <<'STEPS'
want 60 ready
send \x01c
want 60 (calque) 
send sytem_reset\r
want 60 did you mean system_reset?
send info statsu\r
want 60 did you mean status?
send help stpo\r
want 60 did you mean stop?
send system_\r
want 60 ambiguous
send stop now\r
want 60 usage: stop
send info registers 9\r
want 60 there are 1 CPUs
send info registers x\r
want 60 x
send stop a b c d e f g h i j k l\r
want 60 too many arguments
send nonsense\x15info stattus\x7f\x7f\x7fus\r
want 60 VM status: running
send \x1b[A\x1bOPinfo version\r
want 60 Calque
send \r
want 60 (calque) 
send quit\r
status 0 60
cooked
STEPS
typed "monitor: system_reset restarts the guest" -nographic <<'STEPS'
want 60 ready
send \x01c
want 60 (calque) 
send system_reset\r
want 60 _r
want 60 d
want 60 y
send \x01cagain
want 60 AGAIN
send \x01x
status 0 60
cooked
STEPS
typed "monitor: system_reset ends with -no-reboot" -nographic -no-reboot <<'STEPS'
want 60 ready
send \x01csystem_reset\r
status 0 60
cooked
STEPS
typed "monitor: system_powerdown" -nographic <<'STEPS'
want 60 ready
send \x01csystem_powerdown\r
want 60 b
want 60 t
want 60 t
want 60 o
want 60 n
send \x01c:
status 0 60
cooked
STEPS
typed "-S waits for cont" -nographic -S <<'STEPS'
raw 60
sleep 0.3
absent ready
send \x01c
want 60 (calque) 
send info status\r
want 60 VM status: paused
send cont\r
want 60 r
want 60 d
want 60 y
send \x01x
status 0 60
cooked
STEPS
typed "quit while stopped" -nographic <<'STEPS'
want 60 ready
send \x01cstop\r
want 60 (calque) 
send \x01x
status 0 60
cooked
STEPS
typed "SIGTERM while stopped, twice" -nographic <<'STEPS'
want 60 ready
send \x01cstop\r
want 60 (calque) 
signal 15
want 60 power button pressed
signal 15
status 130 60
cooked
STEPS
typed "-serial stdio: Ctrl-C is a signal, Ctrl-A the guest's" -serial stdio <<'STEPS'
want 60 ready
send \x01
want 60 !
send \x03
want 60 button
absent #
send \x03
status 130 60
cooked
STEPS
for signal in 2 15; do
    typed "signal $signal presses the power button, then quits" -nographic <<STEPS
want 60 ready
signal $signal
want 60 button
signal $signal
status 130 60
cooked
STEPS
done
typed "SIGHUP ends at once" -nographic <<'STEPS'
want 60 ready
signal 1
status 130 60
cooked
STEPS
# A sanitizer makes an exit status of its own of these.
if ! nm "$CALQUE" 2>/dev/null | grep -q __asan_init; then
    for signal in 3 4 6 7 8 10 11 12 14; do
        typed "the terminal survives signal $signal" -nographic <<STEPS
want 60 ready
raw
signal $signal
status $((128 + signal)) 60
cooked
STEPS
    done
fi
typed "the terminal is lent while stopped" -nographic <<'STEPS'
want 60 ready
raw
signal 20
stopped 60
cooked
signal 18
raw 60
send on
want 60 ON
send \x01x
status 0 60
cooked
STEPS
typed "a triple fault restores the terminal" -nographic -no-reboot <<'STEPS'
want 60 ready
send ,
status 122 60
cooked
STEPS
typed "--timeout restores the terminal" -nographic --timeout 0.5 <<'STEPS'
status 124 60
cooked
STEPS
typed "--until restores the terminal" -nographic --until ENOUGH <<'STEPS'
want 60 ready
send enough
status 0 60
cooked
STEPS
typed "an option found wrong late restores the terminal" -serial mon:stdio -serial file:/nonexistent/x <<'STEPS'
status 1 60
want 60 /nonexistent/x
cooked
STEPS
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
typed "Ctrl-C gives up waiting for a connection" -nographic -serial mon:stdio -serial "unix:$scratch/s,server" <<'STEPS'
want 60 waiting for a connection
cooked
send \x03
status 130 60
cooked
STEPS
echo "1..$n"
