#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The screen and the keys, from the monitor, in a terminal, in a window and by VNC; and what is
# refused.
n=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
guest=("$CALQUE" -kernel "$BUILD/tests/tools/keys.elf" -device "isa-debug-exit,iobase=0xf4,iosize=1")

# report STATUS NAME
report() {
    n=$((n + 1))
    [ "$1" = 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# script STATUS [OPTION...] <COMMANDS: the monitor's output is in $scratch/out
script() {
    local want=$1 status
    shift
    timeout -k 5 60 "${guest[@]}" -monitor stdio "$@" >"$scratch/out" 2>"$scratch/err"
    status=$?
    [ $status = "$want" ] && return
    echo "status $status"
    cat "$scratch/out" "$scratch/err"
    return 1
}

# holds TEXT...: the output has these lines.
holds() {
    for text; do
        tr -d '\r' <"$scratch/out" | grep -qF -- "$text" && continue
        echo "no \"$text\":"
        cat "$scratch/out"
        return 1
    done
}

# refused NAME PATTERN OPTION...
refused() {
    local name=$1 pattern=$2 status
    shift 2
    timeout -k 5 20 "${guest[@]}" "$@" </dev/null >"$scratch/out" 2>"$scratch/err"
    status=$?
    # shellcheck disable=SC2053 # a pattern
    [ $status = 1 ] && [ "$(wc -l <"$scratch/err")" = 1 ] && [[ $(cat "$scratch/err") == $pattern ]] && {
        report 0 "$name"
        return
    }
    echo "status $status"
    cat "$scratch/err"
    report 1 "$name"
}

# ---- the monitor ----
script 33 -display none <<'END' && holds 'keys 1e 9e 1d 38 e0 53 e0 d3 b8 9d' 'mouse fa 08 05 03'
screen wait keys 20
sendkey a 10
screen wait "1e 9e" 20
sendkey ctrl-alt-delete 10
screen wait "b8 9d" 20
screen wait "mouse fa" 20
mouse_move 5 -3
screen wait "08 05 03" 20
screen text
sendkey esc
screen wait NEVER 20
END
report $? "screen wait, screen text, sendkey, mouse_move"
script 0 -display none <<'END' && holds 'mouse fa 0a 00 00 08 00 00' 'not seen in 0 s' 'did you mean'
screen wait "mouse fa" 20
mouse_button 4
mouse_button 0
screen wait "08 00 00" 20
screen text
screen wait "not there" 0
sendkey contrl-a
quit
END
report $? "mouse_button; a text that does not come; a key that is none"
script 0 -display none <<END
screen wait "mouse fa" 20
screendump $scratch/a.png
screendump $scratch/a.ppm
screendump $scratch/nowhere/a.png
quit
END
holds 'nowhere/a.png: No such file or directory' &&
    [ "$(head -c 8 "$scratch/a.png" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] &&
    [ "$(head -n 2 "$scratch/a.ppm" | tr '\n' ' ')" = "P6 720 400 " ] &&
    [ "$(stat -c %s "$scratch/a.ppm")" = $((15 + 720 * 400 * 3)) ]
report $? "screendump: PNG and PPM"
script 0 -vga none -display none <<'END' && holds 'no screen'
screen text
quit
END
report $? "without an adapter there is no screen"

# ---- the terminal ----
# A terminal that is looked at: what a program sends is only what has changed on the screen.
tty() {
    tmux -S "$scratch/tmux" -f /dev/null "$@"
}

# shown PATTERN: a line of the terminal matches, within 20 s.
shown() {
    for ((i = 0; i < 200; i++)); do
        tty capture-pane -p -t 0 2>&1 | grep -qE -- "$1" && return
        sleep 0.1
    done
    echo "not on the terminal: $1"
    tty capture-pane -p -t 0 2>&1
    return 1
}

printf '%q ' "${guest[@]}" -display curses >"$scratch/command" # run by session
cat >"$scratch/session" <<'END'
before=$(stty -g)
. "${0%/*}/command"
echo "status $?"
[ "$(stty -g)" = "$before" ] && echo "as it was"
sleep 60
END
tty new-session -d -x 80 -y 30 bash "$scratch/session" && shown '^keys' && shown '^mouse fa' &&
    tty send-keys -t 0 a && shown '^keys 1e 9e' &&
    tty send-keys -t 0 Up && shown '^keys 1e 9e e0 48 e0 c8' &&
    tty send-keys -t 0 C-a x && shown '^status 0' && shown '^as it was'
report $? "curses: text, keys, Ctrl-A x; the terminal is as it was"
tty kill-server 2>/dev/null

# ---- a window ----
SDL_VIDEODRIVER=dummy script 33 -display sdl,scale=integer <<'END'
screen wait keys 20
sendkey esc
screen wait NEVER 20
END
report $? "a window"

# ---- VNC ----
# greeting PORT: what the server says first.
greeting() {
    exec 3<>"/dev/tcp/127.0.0.1/$1" && head -c 12 <&3 && exec 3>&-
}
display=$((200 + $$ % 5000))
mkfifo "$scratch/monitor"
timeout -k 5 60 "${guest[@]}" -monitor stdio -vnc ":$display,to=$((display + 50)),password=on" \
    <"$scratch/monitor" >"$scratch/out" 2>&1 &
pid=$!
exec 4>"$scratch/monitor"
hello=
for ((i = 0; i < 100; i++)); do
    for ((d = display; d <= display + 50; d++)); do
        hello=$(greeting $((5900 + d)) 2>/dev/null | tr -d '\0')
        [ "$hello" ] && break 2
    done
    sleep 0.1
done
[ "$hello" = "RFB 003.008" ]
report $? "-vnc :N,to=M greets"
printf 'set_password vnc secret\nset_password spice x\nquit\n' >&4
exec 4>&-
wait $pid
[ $? = 0 ] && holds 'vnc is expected'
report $? "set_password"

# ---- help and refusals ----
"$CALQUE" -k help | grep -q 'de  *German'
report $? "-k help"
"$CALQUE" -display help | grep -q curses && "$CALQUE" -vga help | grep -q std
report $? "-display help, -vga help"
refused "-display that is none" 'calque: -display gtk: there is none of this name; did you mean *' -display gtk
refused "-display curses without a terminal" 'calque: -display curses: a terminal is expected' -display curses
refused "-vnc without an adapter" 'calque: -vnc: the machine has no display adapter; *' -vga none -vnc :0
refused "-vnc with an option that is none" "calque: -vnc :0,pasword=on: *password*" -vnc :0,pasword=on
refused "-k that is none" 'calque: -k ge: no such keyboard; did you mean de?' -k ge -vnc "unix:$scratch/v"
refused "a socket file that is none of ours" "calque: -vnc unix:$scratch/a.png: *" -vnc "unix:$scratch/a.png"
refused "a ROM that is not there" 'calque: *nothing.rom*' -device VGA,romfile=nothing.rom
refused "video memory that is no power of two" 'calque: -device VGA: vgamem_mb=3: *' -device VGA,vgamem_mb=3
refused "two adapters" 'calque: -device VGA: there is one already' -device VGA -device VGA
echo "1..$n"
