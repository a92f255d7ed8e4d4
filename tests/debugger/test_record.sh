#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Recordings of Debian's kernel, made with either engine and replayed with both: the same output, the same digests of CPUs,
# devices and memory at every check. With LONG each ten times. The disk's image is not there any more
# when it is replayed.
names=("a disk and keys" "two CPUs" "a crash" "refusals")
. tests/boot/boot.sh
not_with_fast "${names[@]}"
replays=2
if [ "$(uname -m)" != x86_64 ]; then
    for name in "${names[@]}"; do skip "$name" "no translator for this host"; done
    finish
fi
[ -z "$LONG" ] || replays=10

modules=(scsi_common scsi_mod libata ata_piix sd_mod)
mkdir "$scratch/disks"
if image=$(tests/fetch kernel 2>"$scratch/why"); then
    for m in "${modules[@]}"; do
        find "$(dirname "$image")/lib/modules/" -name "$m.ko" -exec cp {} "$scratch/disks/" \;
    done
fi
need_guest "$scratch/disks"

# The shell drops what is typed before it asks for the cursor (ESC [6n).
# type_when PATTERN LINE: types the line when the pattern is in the guest's output, which ends then.
type_when() {
    local tries=0
    until grep -q -a -e "$1" "$scratch/out" 2>/dev/null || [ $((tries += 1)) -gt 1500 ]; do sleep 0.2; done
    printf '%s\n' "$2"
    sleep 1
}

# record NAME OPTION...: what is typed is standard input.
record() {
    local name=$1
    shift
    timeout -k 5 300 "$CALQUE" -kernel "$kernel" -initrd "$scratch/initrd" -nographic -no-reboot -m 256 \
        -append "console=ttyS0 panic=-1" --record "$scratch/$name.rec" -d digest -D "$scratch/$name.digests" "$@" \
        >"$scratch/out" 2>"$scratch/err"
    local status=$?
    mv "$scratch/out" "$scratch/$name.out"
    return $status
}

# replay NAME: with the engines in turn.
replay() {
    local k engine=interp
    [ "$(grep -c ^digest "$scratch/$1.digests")" -gt 20 ] || { echo "no digests"; return 1; }
    for ((k = 0; k < replays; k++)); do
        timeout -k 5 1500 "$CALQUE" --replay "$scratch/$1.rec" -accel $engine -d digest -D "$scratch/digests" \
            >"$scratch/replayed" 2>"$scratch/err" </dev/null
        cmp "$scratch/$1.out" "$scratch/replayed" && cmp "$scratch/$1.digests" "$scratch/digests" && ! [ -s "$scratch/err" ] || {
            echo "replay $k, $engine"
            cat "$scratch/err"
            return 1
        }
        engine=jit
        [ $((k % 5)) != 4 ] || engine=interp
    done
}

# A recording is small: less than a megabyte for a second of the guest, and there are several.
small() { [ "$(stat -c %s "$1")" -lt 5000000 ] || { echo "$1 is large"; return 1; }; }

seq 1000000 | head -c 4194304 >"$scratch/disk"
want=$(md5sum <"$scratch/disk" | cut -d ' ' -f 1)
work='for m in scsi_common scsi_mod libata ata_piix sd_mod; do insmod /disks/$m.ko; done; '
work+='while [ ! -b /dev/sda ]; do sleep 1; done; md5sum /dev/sda; '
work+='seq 100000 | dd of=/dev/sda bs=4k count=50 conv=fsync; echo written; poweroff -f'
type_when '/root # .\[6n' "$work" |
    record disk -hda "$scratch/disk"
rm "$scratch/disk"
{
    all_of "$scratch/disk.out" "$want" '^written' && replay disk && small "$scratch/disk.rec"
} >"$scratch/why" 2>&1
report $? "${names[0]}" "$scratch/disk.out" "$scratch/why"

type_when '/root # .\[6n' 'cat /proc/interrupts; (seq 30000 | md5sum) & seq 30000 | md5sum; wait; nproc; poweroff -f' |
    record two -smp 2 --seed 7
{ all_of "$scratch/two.out" '^2' && replay two; } >"$scratch/why" 2>&1
report $? "${names[1]}" "$scratch/two.out" "$scratch/why"

type_when '/root # .\[6n' 'echo c >/proc/sysrq-trigger' | record crash -accel interp
{ all_of "$scratch/crash.out" 'Kernel panic' && replay crash; } >"$scratch/why" 2>&1
report $? "${names[2]}" "$scratch/crash.out" "$scratch/why"

# refused PATTERN FILE OPTION...: one line, status 1.
refused() {
    timeout -k 5 60 "$CALQUE" --replay "$2" "${@:3}" >"$scratch/out" 2>"$scratch/err" </dev/null
    [ $? = 1 ] && [ "$(wc -l <"$scratch/err")" = 1 ] && grep -q -e "$1" "$scratch/err" || {
        echo "expected: $1"
        cat "$scratch/err"
        return 1
    }
}

# What is whole of a recording that was cut is replayed, and said.
cut_short() {
    head -c $(($(stat -c %s "$scratch/crash.rec") / 2)) "$scratch/crash.rec" >"$scratch/half"
    timeout -k 5 800 "$CALQUE" --replay "$scratch/half" >"$scratch/out" 2>"$scratch/err" </dev/null &&
        grep -q "its end is missing; what is whole is replayed" "$scratch/err" && [ "$(wc -l <"$scratch/err")" = 2 ] &&
        cmp -n "$(stat -c %s "$scratch/out")" "$scratch/out" "$scratch/crash.out" && [ -s "$scratch/out" ] || {
        cat "$scratch/err"
        return 1
    }
}
{
    cp "$scratch/crash.rec" "$scratch/other" && printf '\t' | dd of="$scratch/other" bs=1 seek=8 conv=notrunc 2>/dev/null
    refused "is a recording of version 9" "$scratch/other" && refused "is no recording" /etc/passwd &&
        refused "of another machine: -m 256M" "$scratch/crash.rec" -m 128 &&
        refused "of another machine: -smp 1" "$scratch/crash.rec" -smp 2 &&
        refused "of another machine" "$scratch/crash.rec" -append other &&
        refused "recorded with -icount shift=3" "$scratch/crash.rec" -icount shift=2 && cut_short
} >"$scratch/why" 2>&1
report $? "${names[3]}" "$scratch/why"
finish
