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

# person OUTPUT OPTION... <STEPS: runs a machine with a screen and does the steps, one a line:
#
#   want SECONDS TEXT    TEXT is on the screen
#   type TEXT            and Return
#   key NAME             as the monitor's sendkey
#   monitor COMMAND      says it to the monitor
#
# What the monitor says goes to OUTPUT, the guest's first serial port to OUTPUT.serial. The status is
# 1 if a text did not come; else Calque's, which may end before the steps do.
person() {
    local output=$1 what rest status
    shift
    while read -r what rest; do
        case $what in
        want) echo "screen wait \"${rest#* }\" ${rest%% *}" ;;
        type) keys "$rest" && echo "sendkey ret 10" ;;
        key) echo "sendkey $rest 10" ;;
        monitor) echo "$rest" ;;
        esac
    done >"$output.steps"
    echo quit >>"$output.steps"
    timeout -k 5 900 "$CALQUE" -display none -monitor stdio -serial "file:$output.serial" -no-reboot "$@" \
        <"$output.steps" >"$output" 2>&1
    status=$?
    ! grep -a 'was not seen in' "$output" || return 1
    return $status
}
