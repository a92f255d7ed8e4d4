#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Missing, truncated, random and hostile kernels and initrds: one line, exit status 1, or a guest that
# runs (a header may be wrong in a way that is nobody's business but the kernel's).
. tests/tap.sh
mutate=$BUILD/tests/tools/mutate
echo_guest=$BUILD/tests/tools/echo.elf
mutations=200
[ -z "$FAST" ] || mutations=5
[ -z "$LONG" ] || mutations=5000

# one_line FILE: standard error is one line that begins with our name.
one_line() { [ "$(wc -l <"$1")" = 1 ] && grep -q '^calque: ' "$1"; }

# refused NAME PATTERN OPTION...
refused() {
    local name=$1 pattern=$2 status
    shift 2
    timeout -k 5 20 "$CALQUE" -nographic --timeout 5 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null
    status=$?
    if [ $status = 1 ] && one_line "$scratch/err" && grep -q -- "$pattern" "$scratch/err"; then
        report 0 "$name"
    else
        echo "status $status, \"$pattern\" wanted"
        head -n 5 "$scratch/err"
        report 1 "$name"
    fi
}

# hostile NAME SEED_FILE OPTION...: mutations of a file either are refused or run; -kernel and such
# are the options, FILE among them stands for the mutated file.
hostile() {
    local name=$1 seed_file=$2 seed status bad=0 refusals=0 args
    shift 2
    args=("${@/FILE/$scratch/mutant}")
    for ((seed = 1; seed <= mutations; seed++)); do
        "$mutate" "$seed" <"$seed_file" >"$scratch/mutant" || { bad=1; break; }
        timeout -k 5 20 "$CALQUE" -nographic -no-reboot -m 64 --timeout 0.05 "${args[@]}" \
            >"$scratch/out" 2>"$scratch/err" </dev/null
        status=$?
        case $status in
        0 | 122 | 124) continue ;; # it ran
        1) refusals=$((refusals + 1)) ;;
        esac
        if [ $status != 1 ] || ! one_line "$scratch/err"; then
            bad=$((bad + 1))
            echo "seed $seed: status $status"
            head -n 5 "$scratch/err"
        fi
    done
    echo "$refusals of $mutations refused"
    report $([ $bad = 0 ] && [ $refusals -gt 0 ]; echo $?) "$name"
}

head -c 100000 /dev/urandom >"$scratch/random"
: >"$scratch/empty"
head -c 30 "$echo_guest" >"$scratch/short.elf"
mkfifo "$scratch/fifo"
refused "no such kernel" "$scratch/none: cannot be opened: No such" -kernel "$scratch/none"
refused "a folder" "not a regular file" -kernel "$scratch"
refused "a device" "not a regular file" -kernel /dev/zero
refused "a pipe nobody writes to" "not a regular file" -kernel "$scratch/fifo"
refused "an empty kernel" "expected 1 to" -kernel "$scratch/empty"
refused "a random kernel" "expected a Linux bzImage, a Multiboot kernel or an ELF" -kernel "$scratch/random"
refused "a truncated multiboot program" "short.elf" -kernel "$scratch/short.elf"
refused "no such module" "none: cannot be opened" -kernel "$echo_guest" -initrd "$scratch/none"
refused "an empty module" "expected 1 to" -kernel "$echo_guest" -initrd "$scratch/empty"
refused "too little memory" "-m" -m 1 -kernel "$echo_guest"
long=$(head -c 100000 /dev/zero | tr '\0' x)
refused "a kernel's name that is too long" "too long" -kernel "$long"
gzip -c "$echo_guest" >"$scratch/echo.gz"
head -c 500 "$scratch/echo.gz" >"$scratch/short.gz"
gzip -c "$scratch/random" >"$scratch/random.gz"
if "$CALQUE" -display none -no-reboot --timeout 0.2 -kernel "$scratch/echo.gz" 2>&1 | grep -q 'without zlib'; then
    refused "a gzip'ed kernel, without zlib" "unpack it first" -kernel "$scratch/echo.gz"
else
    timeout 20 "$CALQUE" -display none --timeout 0.2 -kernel "$scratch/echo.gz" >"$scratch/out" 2>&1
    report $([ $? = 124 ]; echo $?) "a gzip'ed kernel runs"
    refused "a truncated gzip'ed kernel" "packed data do not end" -kernel "$scratch/short.gz"
    refused "a gzip'ed random file" "expected a Linux bzImage" -kernel "$scratch/random.gz"
fi
# A plain ELF program: the Multiboot magic of the other one is gone.
LC_ALL=C sed 's/\x02\xb0\xad\x1b/\x02\xb0\xad\x1c/' "$echo_guest" >"$scratch/plain.elf"
printf '\xd6\x50\x52\xe8\0\0\0\0\x18\0\0\0\x12\xaf\xad\x17' >"$scratch/mb2"
refused "a plain ELF program and -append" "-append" -kernel "$scratch/plain.elf" -append x
refused "a plain ELF program and -initrd" "-initrd" -kernel "$scratch/plain.elf" -initrd "$echo_guest"
refused "a Multiboot 2 kernel" "expected Multiboot 1" -kernel "$scratch/mb2"
hostile "mutated ELF programs" "$scratch/plain.elf" -kernel FILE
hostile "mutated multiboot programs" "$echo_guest" -kernel FILE

# A quick run does not wait for a download.
cached() { [ -z "$FAST" ] || [ -e "${XDG_CACHE_HOME:-$HOME/.cache}/calque/kernel/cloud-amd64/vmlinuz" ]; }

if cached && kernel=$(tests/fetch kernel 2>/dev/null); then
    head -c 300 "$kernel" >"$scratch/short"
    refused "a kernel truncated in its header" "short" -kernel "$scratch/short"
    head -c 700 "$kernel" >"$scratch/short"
    refused "a kernel truncated after its header" "truncated" -kernel "$scratch/short"
    head -c 4000000 "$kernel" >"$scratch/short"
    refused "a kernel truncated in its middle" "truncated" -m 512 -kernel "$scratch/short"
    refused "no such initrd" "none: cannot be opened" -kernel "$kernel" -initrd "$scratch/none"
    refused "an empty initrd" "expected 1 to" -kernel "$kernel" -initrd "$scratch/empty"
    refused "an initrd that does not fit" "try a larger -m" -m 64 -kernel "$kernel" -initrd "$kernel"
    refused "a command line that is too long" "-append" -m 512 -kernel "$kernel" -append "$long"
    refused "less memory than the kernel needs" "try a larger -m" -m 16 -kernel "$kernel"
    hostile "mutated kernel headers" "$kernel" -m 128 -kernel FILE
    not_with_fast "a random initrd is the kernel's to refuse"
    timeout -k 5 120 "$CALQUE" -m 256 -nographic -no-reboot -kernel "$kernel" -initrd "$scratch/random" \
        -append 'console=ttyS0 panic=-1' --timeout 110 >"$scratch/out" 2>"$scratch/err" </dev/null
    status=$?
    report $([ $status = 0 ] && grep -q 'Kernel panic' "$scratch/out"; echo $?) "a random initrd is the kernel's to refuse"
else
    for name in "truncated kernels" "mutated kernel headers" "initrds"; do
        skip "$name" "the kernel cannot be fetched"
    done
fi
finish
