#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ssh into a Debian guest over a port of the host, with each card named (e1000, the default; with LONG=1
# also virtio-net-pci): a command, 50 MB there and back by scp, an interactive session, and a connection
# that the guest goes away from.
[ $# -gt 0 ] || set -- e1000 ${LONG:+virtio-net-pci}
# shellcheck disable=SC2154 # names set by what is sourced
. tests/boot/boot.sh
what=("a command" "50 MB by scp" "an interactive session" "the guest is switched off by it")
names=()
for card in "$@"; do
    for test in "${what[@]}"; do names+=("ssh to $card: $test"); done
done
if ! image=$(tests/mkdebian disk 2>"$scratch/why") || ! command -v ssh >/dev/null; then
    cat "$scratch/why"
    for name in "${names[@]}"; do skip "$name" "no disk of Debian, or no ssh here"; done
    finish
fi
options=(-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=20
    -o PreferredAuthentications=password -F none)
printf '#!/bin/sh\necho calque\n' >"$scratch/password"
chmod 755 "$scratch/password"
head -c 50000000 /dev/urandom >"$scratch/blob"
digest=$(sha256sum <"$scratch/blob" | cut -d' ' -f1)
# over PROGRAM WORD...: ssh or scp, which take the password from a program, within 200 s
over() { SSH_ASKPASS=$scratch/password SSH_ASKPASS_REQUIRE=force timeout 200 "$1" "${options[@]}" "${@:2}" </dev/null; }
answers() { kill -0 "$machine" && over ssh -p "$port" root@127.0.0.1 uname -a; }

try_card() {
    local i machine port=$((20000 + RANDOM % 10000))
    "$CALQUE" -m 512 -nographic -snapshot --timeout 1000 -drive "file=$image,format=raw,if=virtio" \
        -nic "user,model=$1,hostfwd=tcp:127.0.0.1:$port-:22" >"$scratch/out" 2>&1 </dev/null &
    machine=$!
    # The port is open from the start; until the guest is, connections to it end.
    for ((i = 0; i < 400; i++)); do
        answers >"$scratch/uname" 2>"$scratch/ssh" && break
        sleep 1
        kill -0 $machine 2>/dev/null || break
    done
    all_of "$scratch/uname" '^Linux debian .*x86_64'
    report $? "ssh to $1: ${what[0]}" "$scratch/ssh" "$scratch/out"
    rm -f "$scratch/back"
    over scp -P "$port" "$scratch/blob" root@127.0.0.1:there >"$scratch/ssh" 2>&1 &&
        over ssh -p "$port" root@127.0.0.1 sha256sum there >"$scratch/sum" 2>>"$scratch/ssh" && all_of "$scratch/sum" "^$digest" &&
        over scp -P "$port" root@127.0.0.1:there "$scratch/back" >>"$scratch/ssh" 2>&1 && cmp "$scratch/blob" "$scratch/back"
    report $? "ssh to $1: ${what[1]}" "$scratch/ssh" "$scratch/sum"
    "$BUILD/tests/tools/pty" ssh "${options[@]}" -p "$port" root@127.0.0.1 >"$scratch/session" 2>&1 <<'STEPS'
want 60 password:
send calque\r
want 60 debian:~#
send tty; echo $((6 * 7)) times\r
want 60 /dev/pts/
want 60 42 times
send sh -c 'trap "echo cau""ght; exit" INT; echo rea""dy; while :; do sleep 1; done'\r
want 60 ready
send \x03
want 60 caught
want 60 debian:~#
send exit 3\r
status 3 60
STEPS
    report $? "ssh to $1: ${what[2]}" "$scratch/session"
    over ssh -p "$port" root@127.0.0.1 poweroff >"$scratch/ssh" 2>&1
    wait $machine && clean "$scratch/out"
    report $? "ssh to $1: ${what[3]}" "$scratch/ssh" "$scratch/out"
}
for card in "$@"; do try_card "$card"; done
finish
