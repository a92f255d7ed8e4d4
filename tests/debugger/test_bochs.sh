#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every command of Bochs' debugger, as the table bochs-commands has it: all in one session.
. tests/tap.sh
guest=$BUILD/tests/tools/debugged.elf
map=$scratch/map
echo "00100000 T moved" >"$map"
echo "echo a line of a file" >"$scratch/lines"

rows=()
while IFS= read -r row; do
    case $row in "#"* | "") continue ;; esac
    rows+=("$row")
done <tests/debugger/bochs-commands

# The middle column, with the names of our files.
ours() {
    local text=${1#* | }
    text=${text%% | *}
    text=${text% |}
    text=${text//'$scratch'/$scratch}
    printf '%s\n' "${text//'$map'/$map}"
}

for row in "${rows[@]}"; do
    ours "$row"
done >"$scratch/script"
timeout -k 5 60 "$CALQUE" -kernel "$guest" -device isa-debug-exit,iobase=0xf4,iosize=1 -display none \
    -ex 'until loaded' <"$scratch/script" >"$scratch/out" 2>&1

# What came after each line: files 1, 2, ... The lines of sourced files belong to what named them.
awk -v dir="$scratch" -v script="$scratch/script" '
    BEGIN { while ((getline line < script) > 0) want[++n] = "(calque) " line }
    $0 == want[at + 1] { at++; next }
    at { print > (dir "/" at) }' "$scratch/out"

for ((i = 1; i <= ${#rows[@]}; i++)); do
    row=${rows[i - 1]}
    pattern=
    [[ ${row##* |} != "$row" ]] && pattern=${row#* | }
    pattern=${pattern#* |}
    pattern=${pattern# }
    touch "$scratch/$i"
    # shellcheck disable=SC2053 # a pattern
    if [[ $(<"$scratch/$i") == $pattern ]]; then
        report 0 "${row%% | *}: $(ours "$row")"
    else
        echo "wanted: $pattern"
        report 1 "${row%% | *}: $(ours "$row")" "$scratch/$i"
    fi
done
finish
