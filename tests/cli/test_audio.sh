#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The PC speaker of a guest that beeps (tests/tools/beep.S), in a WAV file: which tones, when.
n=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# report STATUS NAME
report() {
    n=$((n + 1))
    [ "$1" = 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

# beeps STATUS OPTION...: runs it with time from instructions, so that the file is always the same.
beeps() {
    local want=$1 status
    shift
    timeout -k 5 100 "$CALQUE" -icount shift=6 -m 16 -kernel "$BUILD/tests/tools/beep.elf" \
        -device isa-debug-exit,iobase=0xf4,iosize=1 -display none -serial none -monitor none "$@" </dev/null 2>"$scratch/err"
    status=$?
    [ $status = "$want" ] || { echo "status $status"; cat "$scratch/err"; return 1; }
}

# tone FROM MS: how many times the sound crosses zero upwards, as a frequency.
tone() {
    od -An -v -td2 -w2 -j $((44 + 96 * $1)) -N $((96 * $2)) "$scratch/a.wav" |
        awk -v ms="$2" '{ n += before < 0 && $1 >= 0; before = $1 } END { print int(n * 1000 / ms + 0.5) }'
}

# near VALUE WANTED: within 2 %, of tones, as the edges of the window are no part of a period.
near() {
    [ $((100 * $1)) -ge $((98 * $2)) ] && [ $((100 * $1)) -le $((102 * $2)) ] && return
    echo "$1 Hz, not $2"
    return 1
}

beeps 33 -audiodev "wav,id=a,path=$scratch/a.wav"
report $? "a guest that beeps"
size=$(stat -c %s "$scratch/a.wav")
field() { od -An -v -tu4 -j "$1" -N 4 "$scratch/a.wav" | tr -d ' '; }
[ "$(head -c 4 "$scratch/a.wav")" = RIFF ] && [ "$(field 24)" = 48000 ] && [ "$(field 4)" = $((size - 8)) ] &&
    [ "$(field 40)" -gt 180000 ] && [ "$(field 40)" = $((size - 44)) ]
report $? "a RIFF file with the sizes in its header"
near "$(tone 300 400)" 1000 && near "$(tone 1050 400)" 250 && near "$(tone 1800 150)" 500
report $? "1000 Hz, 250 Hz, 500 Hz without the timer"
[ "$(tone 50 150)" = 0 ] && [ "$(tone 820 100)" = 0 ] && [ "$(tone 1560 100)" = 0 ]
report $? "and silence between"
cp "$scratch/a.wav" "$scratch/b.wav"
beeps 33 -machine pc,pcspk-audiodev=b -audiodev none,id=c -audiodev "{\"driver\":\"wav\",\"id\":\"b\",\"path\":\"$scratch/a.wav\"}" &&
    cmp "$scratch/a.wav" "$scratch/b.wav"
report $? "-machine pcspk-audiodev, JSON, and the same bytes again"
SDL_AUDIODRIVER=dummy beeps 33 -audiodev sdl,id=s || grep -q 'built without SDL2' "$scratch/err"
report $? "-audiodev sdl"

# refused TEXT OPTION...
refused() {
    local text=$1
    shift
    beeps 1 "$@" && [ "$(wc -l <"$scratch/err")" = 1 ] && grep -qF -- "$text" "$scratch/err"
    report $? "$* is refused"
    sed 's/^/# /' "$scratch/err"
}
refused "alsa: none, wav and sdl are there" -audiodev alsa,id=a
refused "DRIVER,id=ID is expected" -audiodev wav
refused "path=x: that is for wav" -audiodev none,id=a,path=x
refused "/nowhere/a.wav: No such file" -audiodev wav,id=a,path=/nowhere/a.wav
refused "pcspk-audiodev=x: no -audiodev has this id" -machine pcspk-audiodev=x -audiodev none,id=a
refused "id=a: there is one already" -audiodev none,id=a -audiodev none,id=a
echo "1..$n"
