#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The window as a person has it: on a desktop of its own (Xvfb, openbox), with keys, clicks and the
# clipboard from outside (xdotool, xclip). Skipped where these are not installed.
n=0
names=("the window has the picture's size" "the title has name, state and engine" "full screen and back"
    "in full screen a hint tells the way out, and goes"
    "larger, a person's own size, the picture's again" "the clipboard is typed, and no longer after Esc"
    "a screenshot, and its name in the title" "a click grabs the pointer, which moves" "buttons"
    "closing presses the power button" "closing again asks; the question goes with the machine")
missing=
for tool in Xvfb openbox xdotool xclip; do
    command -v $tool >/dev/null || missing="$missing $tool"
done
"$CALQUE" -display help | grep -q sdl || missing=" -display sdl"
if [ "$missing" ]; then
    for _ in "${names[@]}"; do
        echo "ok $((++n)) - window # SKIP not installed:$missing"
    done
    echo "1..$n"
    exit
fi
scratch=$(mktemp -d) || exit 1
trap 'kill -9 "${pids[@]}" 2>/dev/null; rm -rf "$scratch"' EXIT
program=$(realpath "$CALQUE") kernel=$(realpath "$BUILD/tests/tools/keys.elf")
cd "$scratch" || exit 1

# within COMMAND...: it succeeds, some time.
within() {
    for ((i = 0; i < 200; i++)); do
        "$@" && return
        sleep 0.1
    done
    echo "not so in 20 s: $*"
    return 1
}

# check STATUS: of the next name.
check() {
    n=$((n + 1))
    [ "$1" = 0 ] && echo "ok $n - ${names[n - 1]}" && return
    echo "not ok $n - ${names[n - 1]}" # what follows would fail, too
    cat err
    exit 1
}

# shellcheck disable=SC2053 # a pattern
title() { [[ $(xdotool getwindowname "$window" 2>/dev/null) == $1 ]]; }
size() { [ "$(xdotool getwindowgeometry --shell "$window" 2>/dev/null | sed -n 's/^WIDTH=\|^HEIGHT=//p' | tr '\n' ' ')" = "$1 " ]; }
there() { [ -s "$1" ]; }
found() { window=$(xdotool search --name 'A test .*interp' | head -n 1) 2>/dev/null && [ "$window" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# monitor COMMAND...
monitor() { printf '%s\n' "$@" >&4; }
printed() { tr -d '\r' <out | grep -v 'screen wait' | grep -qF -- "$1"; }
# screen TEXT: is there, some time.
screen() {
    monitor "screen wait \"$1\" 20" 'screen text'
    within printed "$1" || { tail -n 30 out; return 1; }
}

Xvfb -displayfd 3 -screen 0 1280x1024x24 -fbdir "$scratch" -nolisten tcp 3>number >/dev/null 2>&1 &
pids=($!)
within there number
DISPLAY=:$(cat number)
export DISPLAY
unset WAYLAND_DISPLAY SDL_VIDEODRIVER
openbox >/dev/null 2>&1 &
pids+=($!)
managed() { xdotool get_desktop >/dev/null 2>&1; }
within managed # a window that comes before the manager may wait for it for ever
mkfifo commands
"$program" --timeout 200 -accel interp -name 'A test' -kernel "$kernel" -device isa-debug-exit,iobase=0xf4,iosize=1 \
    -display sdl -monitor stdio <commands >out 2>err &
pids+=($!)
machine=$!
exec 4>commands

within found && within size '720 400'
check $?
within title 'A test (running, interp)'
check $?
xdotool windowfocus --sync "$window"
xdotool key ctrl+alt+f
within size '1280 1024' && xdotool key ctrl+alt+f && within size '720 400'
check $?
# The paper of the hint on black is in the upper rows of the picture (the screen is an xwd file).
hinted() { tail -c $((1280 * (1024 - 150) * 4)) "$scratch/Xvfb_screen0" | head -c $((1280 * 60 * 4)) | od -An -v -tx1 -w4 | grep -q "^ 18 18 18"; }
not_hinted() { ! hinted; }
xdotool key ctrl+alt+f
within size '1280 1024' && within hinted && within not_hinted && xdotool key ctrl+alt+f && within size '720 400'
check $?
xdotool key ctrl+alt+minus
within size '576 320' && xdotool windowsize "$window" 900 300 && within size '900 300' && xdotool key ctrl+alt+u &&
    within size '720 400'
check $?
monitor system_reset 'screen wait "mouse fa" 20'
printf 'xYz' | xclip -selection clipboard
xdotool key ctrl+alt+v
# Ctrl and Alt, as the guest has seen them; x, Shift y, z
screen '9d b8 2d ad 2a 15 95 aa 2c ac' && { head -c 2000 /dev/zero | tr '\0' a | xclip -selection clipboard; xdotool key ctrl+alt+v; } &&
    within title '* - typing the clipboard, Esc stops' && xdotool key Escape && within title '*interp)'
check $?
xdotool key ctrl+alt+s
within title '*interp) - calque-*.png' && there calque-*.png
check $?
monitor system_reset 'screen wait "mouse fa" 20'
xdotool mousemove --window "$window" 300 200 click 1
within title '*Ctrl-Alt-G releases the pointer' && xdotool mousemove_relative -- 7 0 && screen 'mouse fa 08 07 00' &&
    xdotool key ctrl+alt+g && within title '*interp)'
check $?
xdotool click 1
within title '*Ctrl-Alt-G releases the pointer' && xdotool click 3 && screen '0a 00 00 08 00 00' && xdotool key ctrl+alt+g
check $?
xdotool key alt+F4
within title '*power button pressed; close again to switch off'
check $?
xdotool key alt+F4
asks() { child=$(pgrep -P "$machine"); } # SDL shows the question from a process of its own
within asks && monitor quit && within gone "$machine" && within gone "$child"
check $?
echo "1..$n"
