# SPDX-License-Identifier: GPL-2.0-or-later
# A person at the guest's screen and keyboard; tests of boots source it.
# shellcheck shell=bash

# keys TEXT: the monitor's commands that type it on a US keyboard.
keys() {
    local i c name
    local -A names=([" "]=spc [/]=slash [-]=minus [=]=equal [.]=dot [,]=comma ["("]=shift-9 [")"]=shift-0
        [_]=shift-minus [:]=shift-semicolon ['"']=shift-apostrophe ["'"]=apostrophe [';']=semicolon ['|']=shift-backslash
        ["$"]=shift-4 ["&"]=shift-7 [">"]=shift-dot)
    for ((i = 0; i < ${#1}; i++)); do
        c=${1:i:1}
        name=${names[$c]:-${c,}}
        [[ $c != [A-Z] ]] || name=shift-$name
        echo "sendkey $name 10"
    done
}

# await_picture SECONDS TEST OUTPUT: until TEST is true of what screendump writes as PPM; the monitor
# is fd 3. It gets there after what it was told before.
await_picture() {
    local end=$((SECONDS + $1)) file=$3.ppm
    while [ $SECONDS -lt $end ]; do
        rm -f "$file"
        printf '%s\n' "screendump $file" >&3
        while [ ! -s "$file" ] && [ $SECONDS -lt $end ] && kill -0 "$machine" 2>/dev/null; do sleep 0.5; done
        sleep 0.5 # it is being written
        ! "$2" "$file" || return 0
        sleep 1
    done
    echo "the picture $2 was not seen in $1 s" >>"$3"
    return 1
}

# person OUTPUT OPTION... <STEPS: runs a machine with a screen and does the steps, one a line:
#
#   want SECONDS TEXT    TEXT is on the screen
#   picture SECONDS TEST the function TEST is true of a picture of the screen, a PPM file
#   type TEXT            and Return
#   key NAME             as the monitor's sendkey
#   monitor COMMAND      says it to the monitor
#
# What the monitor says goes to OUTPUT, the guest's first serial port to OUTPUT.serial. The status is
# 1 if a text did not come; else Calque's, which may end before the steps do.
person() {
    local output=$1 what rest machine
    shift
    mkfifo "$output.fifo" || return 1
    timeout -k 5 1500 "$CALQUE" -display none -monitor stdio -serial "file:$output.serial" -no-reboot "$@" \
        <"$output.fifo" >"$output" 2>&1 3>&- &
    machine=$!
    trap '' PIPE # it may end before the steps
    exec 3>"$output.fifo"
    while read -r what rest; do
        case $what in
        want) echo "screen wait \"${rest#* }\" ${rest%% *}" >&3 ;;
        picture) await_picture "${rest%% *}" "${rest#* }" "$output" || break ;;
        type) { keys "$rest" && echo "sendkey ret 10"; } >&3 ;;
        key) echo "sendkey $rest 10" >&3 ;;
        monitor) echo "$rest" >&3 ;;
        esac
    done
    echo quit >&3
    exec 3>&-
    trap - PIPE
    wait $machine
    what=$?
    ! grep -a 'was not seen in' "$output" || return 1
    return $what
}
