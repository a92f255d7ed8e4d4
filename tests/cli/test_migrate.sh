#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Saving a machine, snapshots of machine and disks, and sending it to another process: what comes out is
# the same in every bit, what is damaged or foreign is refused, and one side goes on.
. tests/cli/session.sh
. tests/moves.sh
img=$BUILD/calque-img

# start N OPTION...: a machine whose guest paints.
start() {
    local i=$1
    shift
    launch "$i" -kernel "$BUILD/tests/tools/paint.elf" -serial null -timeout 120 "$@"
}

is_running() { ask "$1" "info status" | grep -q 'VM status: running'; }
is_paused() { ask "$1" "info status" | grep -q 'VM status: paused'; }
has_digest() { [ "$(digest "$1")" = "$2" ]; }
has_ended() { ! kill -0 "${pids[$1]}"; }
shows() { ask "$1" "$2" | grep -q "$3"; }

# ---- files ----
start 1 -m 32
ask 1 stop >"$scratch/said"
want=$(digest 1)
for how in none zlib zstd; do
    ask 1 "migrate_set_parameter compression $how" "migrate file:$scratch/saved.$how" >"$scratch/said"
    [ ! -s "$scratch/said" ] && [ -s "$scratch/saved.$how" ]
    report $? "migrate file: with compression $how" "$scratch/said" "$scratch/err1"
    for accel in jit interp; do
        start 2 -m 32 -accel $accel -incoming "file:$scratch/saved.$how"
        same "$(digest 2)" "$want" >"$scratch/said" && is_paused 2
        report $? "-incoming file: is the same machine, paused as it was ($how, $accel)" "$scratch/said" "$scratch/err2"
        stop 2
    done
done
ask 1 cont "migrate_set_parameter compression none" "migrate file:$scratch/running" "info migrate" >"$scratch/said"
grep -q 'Migration status: completed' "$scratch/said" && is_running 1
report $? "a running machine is saved and goes on" "$scratch/said"
start 2 -m 32 -incoming "file:$scratch/running"
until_so is_running 2
report $? "and so does the saved one" "$scratch/err2"
stop 2
start 2 -m 32 -S -incoming "file:$scratch/running"
until_so is_paused 2
report $? "unless -S" "$scratch/err2"
stop 2
ask 1 "migrate file:$scratch/none/there" >"$scratch/said"
grep -q "none/there: cannot be made" "$scratch/said" && is_running 1
report $? "a folder that is not there is told, and the machine goes on" "$scratch/said"

# refused PATTERN OPTION...
refused() {
    local pattern=$1 text status
    shift
    text=$(timeout 20 "$CALQUE" -kernel "$BUILD/tests/tools/paint.elf" -display none -serial null "$@" 2>&1 </dev/null)
    status=$?
    [ $status = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && [[ $text == calque:*"$pattern"* ]]
    status=$?
    echo "$text" >"$scratch/said"
    report $status "refused: $pattern" "$scratch/said"
}
refused "it has 'memory 33554432', this one 'memory 67108864'" -m 64 -incoming "file:$scratch/saved.zlib"
refused "it has 'processors 1', this one 'processors 2'" -m 32 -smp 2 -incoming "file:$scratch/saved.zlib"
refused "this one 'processor qemu64'" -m 32 -cpu qemu64 -incoming "file:$scratch/saved.none"
refused "another machine was saved: it has 'device" -m 32 -device virtio-tablet-pci -incoming "file:$scratch/saved.none"
refused "no saved machine" -m 32 -incoming "file:$BUILD/tests/tools/paint.elf"
refused "cannot be opened" -m 32 -incoming "file:$scratch/nothing"
refused "is expected" -m 32 -incoming "ftp:nothing"
refused "not with --record" -m 32 -incoming "file:$scratch/saved.none" --history 10s
for how in none zlib; do
    size=$(stat -c %s "$scratch/saved.$how")
    head -c $((size - 100)) "$scratch/saved.$how" >"$scratch/short"
    refused "offset" -m 32 -incoming "file:$scratch/short"
    for at in 10 60 $((size / 2)) $((size - 70)); do
        cp "$scratch/saved.$how" "$scratch/bad"
        printf '\377\376' | dd of="$scratch/bad" bs=1 seek="$at" conv=notrunc 2>/dev/null
        if [ "$how" = none ] && [ "$at" = $((size / 2)) ]; then # mapped: found while it runs
            start 2 -m 32 -incoming "file:$scratch/bad"
            until_so grep -q 'section RAMM: memory at offset .* is damaged; the machine stops' "$scratch/err2" &&
                until_so is_paused 2
            report $? "damaged memory that was mapped is found, and stops the machine" "$scratch/err2"
            stop 2
        else
            refused "offset" -m 32 -incoming "file:$scratch/bad"
        fi
    done
done

# ---- a full disk ----
full() { unshare -rm sh -c "mkdir -p '$scratch/full' && mount -t tmpfs -o size=300k none '$scratch/full'"; }
if full 2>/dev/null; then
    mkdir -p "$scratch/full"
    unshare -rm sh -c "mount -t tmpfs -o size=300k none '$scratch/full' && exec \"\$@\"" sh \
        "$CALQUE" -kernel "$BUILD/tests/tools/paint.elf" -display none -serial null -m 32 -timeout 60 \
        -monitor "unix:$scratch/m3,server=on,wait=off" >"$scratch/out3" 2>"$scratch/err3" </dev/null &
    pids[3]=$!
    until_so [ -S "$scratch/m3" ]
    ask 3 "migrate file:$scratch/full/x" "info migrate" >"$scratch/said"
    grep -q "No space left on device" "$scratch/said" && grep -q 'status: failed' "$scratch/said" && is_running 3 &&
        [ "$(ls "/proc/${pids[3]}/root$scratch/full")" = "" ]
    report $? "a full disk is told, the machine goes on, no half file is left" "$scratch/said"
    stop 3
else
    skip "a full disk is told, the machine goes on, no half file is left" "unshare -rm is not allowed"
fi

# The same, where files may not get larger; and in a disk image.
"$img" create -q -f qcow2 "$scratch/small.qcow2" 16M
start 3 -m 32 -drive "file=$scratch/small.qcow2,if=virtio"
prlimit --pid "${pids[3]}" --fsize=280000:
ask 3 "migrate file:$scratch/large" "info migrate" >"$scratch/said"
grep -q "large: .*File too large" "$scratch/said" && grep -q 'status: failed' "$scratch/said" && is_running 3 &&
    ! ls "$scratch"/large* 2>/dev/null
report $? "a file that may not get so large: told, the machine goes on, no half file is left" "$scratch/said" "$scratch/err3"
ask 3 "savevm a" "info snapshots" >"$scratch/said"
grep -q 'Error: snapshot: File too large' "$scratch/said" && grep -q 'There is no snapshot' "$scratch/said" && is_running 3
report $? "savevm into an image that may not get so large: likewise" "$scratch/said" "$scratch/err3"
qemu-img check -U "$scratch/small.qcow2" >"$scratch/said" 2>&1
report $? "which stays sound" "$scratch/said"
prlimit --pid "${pids[3]}" --fsize=unlimited: && ask 3 "savevm a" "info snapshots" >"$scratch/said"
grep -q '\* a ' "$scratch/said"
report $? "savevm works again when it may" "$scratch/said" "$scratch/err3"
ask 3 quit >/dev/null
wait "${pids[3]}"
qemu-img check "$scratch/small.qcow2" >"$scratch/said" 2>&1
report $? "and the image is sound" "$scratch/said"

# ---- to another process ----
# sends N WHERE: machine 1 to a new machine N, and back is nothing.
for where in "tcp:127.0.0.1:PORT" "unix:$scratch/way"; do
    ask 1 cont >/dev/null
    port=$((20000 + RANDOM % 20000))
    where=${where/PORT/$port}
    start 2 -m 32 -S -accel interp -incoming "$where"
    ask 2 cont "info status" >"$scratch/said"
    grep -q 'has not come in yet' "$scratch/said"
    report $? "cont waits for the machine (${where%%:*})" "$scratch/said"
    ask 1 "migrate $where" "info migrate" >"$scratch/said"
    grep -q 'Migration status: completed' "$scratch/said" && same "$(digest 1)" "$(digest 2)" >>"$scratch/said"
    report $? "migrate ${where%%:*}: the same machine" "$scratch/said" "$scratch/err2"
    is_paused 1
    report $? "which stays paused at home"
    stop 2
done
ask 1 cont >/dev/null
ask 1 "migrate exec:gzip -1 >$scratch/piped" "info migrate" >"$scratch/said"
want=$(digest 1)
start 2 -m 32 -S -incoming "exec:zcat $scratch/piped"
until_so has_digest 2 "$want"
report $? "exec: there and back" "$scratch/said" "$scratch/err2"
stop 2
exec 5>"$scratch/by-fd" 6<"$scratch/running"
stop 1
start 1 -m 32
ask 1 "migrate fd:5" "info migrate" >"$scratch/said"
want=$(digest 1)
exec 7<"$scratch/by-fd"
start 2 -m 32 -S -incoming fd:7
until_so has_digest 2 "$want"
report $? "fd: an inherited descriptor" "$scratch/said" "$scratch/err2"
stop 2
ask 1 cont "migrate exec:exit 3" >"$scratch/said"
grep -q 'failed, status 3\|cannot be written' "$scratch/said" && until_so is_running 1
report $? "a command that fails: the machine goes on" "$scratch/said"
ask 1 "migrate tcp:127.0.0.1:1" >"$scratch/said"
grep -q 'cannot connect' "$scratch/said" && is_running 1
report $? "nobody listens: the machine goes on" "$scratch/said"

# ---- the other side refuses, dies, or is given up ----
port=$((20000 + RANDOM % 20000))
start 2 -m 64 -incoming "tcp:127.0.0.1:$port"
ask 1 "migrate tcp:127.0.0.1:$port" >"$scratch/said"
wait "${pids[2]}"
[ $? = 1 ] && grep -q "this one 'memory 67108864'" "$scratch/err2" && until_so is_running 1
report $? "another machine refuses, and ends; this one goes on" "$scratch/said" "$scratch/err2"
start 2 -m 32 -incoming "tcp:127.0.0.1:$port"
ask 1 "migrate_set_parameter max-bandwidth 100k" "migrate -d tcp:127.0.0.1:$port" >"$scratch/said"
until_so shows 1 "info migrate" 'status: active'
stop 2
until_so shows 1 "info migrate" 'status: failed' && is_running 1
report $? "the other side dies: the machine goes on" "$scratch/said"
start 2 -m 32 -incoming "unix:$scratch/way"
ask 1 "migrate -d unix:$scratch/way" >"$scratch/said"
until_so shows 1 "info migrate" 'status: active'
ask 1 migrate_cancel >>"$scratch/said"
until_so shows 1 "info migrate" 'status: cancelled' && is_running 1
report $? "migrate_cancel" "$scratch/said"
wait "${pids[2]}"
[ $? = 1 ] && [ "$(wc -l <"$scratch/err2")" = 1 ]
report $? "of which the other side says so, and ends" "$scratch/err2"
start 2 -m 32 -incoming defer
ask 2 "migrate_incoming unix:$scratch/way" >"$scratch/said"
ask 1 "migrate_set_parameter max-bandwidth 0" "migrate unix:$scratch/way" "info migrate" >>"$scratch/said"
grep -q 'status: completed' "$scratch/said" && until_so is_running 2
report $? "-incoming defer, migrate_incoming" "$scratch/said" "$scratch/err2"
stop 1 2

# ---- disks: one side has them ----
"$img" create -q -f qcow2 "$scratch/d.qcow2" 16M
disk=(-drive "file=$scratch/d.qcow2,if=virtio")
start 1 -m 32 "${disk[@]}"
start 2 -m 32 "${disk[@]}" -incoming "unix:$scratch/way"
ask 1 "migrate unix:$scratch/way" >"$scratch/said"
until_so is_running 2
report $? "a machine with a disk goes" "$scratch/said" "$scratch/err2"
ask 1 cont >"$scratch/said"
grep -q 'is in use by process' "$scratch/said" && is_paused 1
report $? "and cannot go on here as long as it has the disk there" "$scratch/said"
stop 2
ask 1 cont >"$scratch/said"
is_running 1
report $? "but then, as nobody has written to it" "$scratch/said"
start 2 -m 32 "${disk[@]}" -incoming "unix:$scratch/way"
ask 1 "migrate unix:$scratch/way" >"$scratch/said"
until_so is_running 2
stop 2
printf x | dd of="$scratch/d.qcow2" bs=1 seek=200000 conv=notrunc 2>/dev/null # what the other one did
ask 1 cont >"$scratch/said"
grep -q 'd.qcow2: another process has written to it since it was given away' "$scratch/said" && is_paused 1
report $? "not after the other side has written to it, though that is gone" "$scratch/said" "$scratch/err2"
stop 1
start 1 -m 32 "${disk[@]}"

# ---- one side dies just when the machine changes hands ----
side=$BUILD/tests/tools/side
# to_one_that_dies [WORD]: after this word.
to_one_that_dies() {
    rm -f "$scratch/way"
    "$side" -l "$scratch/way" "$@" &
    until_so [ -S "$scratch/way" ]
    ask 1 "migrate unix:$scratch/way" "info migrate" >"$scratch/said"
    wait $!
}
to_one_that_dies && grep -q 'status: failed' "$scratch/said" && is_running 1
report $? "the new side dies before TAKEN!: the old one goes on" "$scratch/said"
to_one_that_dies TAKEN! && grep -q 'status: completed' "$scratch/said" && is_paused 1
report $? "the new side dies after TAKEN!: it had the machine" "$scratch/said"
ask 1 cont "migrate exec:cat>$scratch/stream" >"$scratch/said"
stop 1
start 2 -m 32 "${disk[@]}" -incoming "unix:$scratch/way"
"$side" "$scratch/way" "$scratch/stream"
wait "${pids[2]}"
[ $? = 1 ] && grep -q 'the other side did not let go of the machine' "$scratch/err2"
report $? "the old side dies before YOURS!: it had the machine" "$scratch/err2"
start 2 -m 32 "${disk[@]}" -incoming "unix:$scratch/way"
"$side" "$scratch/way" "$scratch/stream" YOURS! && until_so is_running 2
report $? "the old side dies after YOURS!: the new one goes on" "$scratch/err2"
stop 2
start 1 -m 32 "${disk[@]}"

# ---- snapshots ----
ask 1 "savevm one" "info snapshots" >"$scratch/said"
grep -q '^1 *\* one ' "$scratch/said" && qemu-img check -q "$scratch/d.qcow2" -U 2>/dev/null
report $? "savevm" "$scratch/said"
stop 1
"$img" snapshot -l "$scratch/d.qcow2" >"$scratch/said"
grep -q '^1 *one  ' "$scratch/said"
report $? "calque-img snapshot -l shows it" "$scratch/said"
refused "has no snapshot 'two'" -m 32 "${disk[@]}" -loadvm two
refused "it has 'memory 33554432'" -m 64 "${disk[@]}" -loadvm one
refused "no disk could hold it" -m 32 -loadvm one
truncate -s 1M "$scratch/raw"
start 1 -m 32 -drive "file=$scratch/raw,format=raw,if=virtio" "${disk[@]}"
ask 1 "savevm two" >"$scratch/said"
grep -q 'drive virtio0: raw images have no snapshots' "$scratch/said" && is_running 1
report $? "a raw disk is named" "$scratch/said"
stop 1
start 1 -m 32 -drive "file=$scratch/raw,format=raw,if=virtio,readonly=on" "${disk[@]}"
ask 1 "savevm two" "info snapshots" >"$scratch/said"
grep -q ' two ' "$scratch/said"
report $? "a read-only one is no hindrance" "$scratch/said"
stop 1
start 1 -m 32 "${disk[@]}" -loadvm one -S -accel interp
shows 1 "info snapshots" '\* one'
report $? "-loadvm" "$scratch/err1"

# A tree: of 20 nodes, each made where the walk has led; every visit finds what was left.
declare -A seen
ask 1 "delvm two" stop >/dev/null
current=one seen[one]=$(digest 1)
ok=0
for ((node = 0; node < 20; node++)); do
    ask 1 cont >/dev/null
    sleep 0.02
    ask 1 stop "savevm n$node" >"$scratch/said"
    [ ! -s "$scratch/said" ] || { ok=1; cat "$scratch/said"; }
    seen[n$node]=$(digest 1)
    names=("${!seen[@]}")
    current=${names[RANDOM % ${#names[@]}]}
    ask 1 "loadvm $current" >"$scratch/said"
    same "$(digest 1)" "${seen[$current]}" || ok=1
done
report $ok "a tree of 20 snapshots, walked at random"
for ((step = 0; step < 15; step++)); do
    current=${names[RANDOM % ${#names[@]}]}
    ask 1 "loadvm $current" >"$scratch/said"
    same "$(digest 1)" "${seen[$current]}" || ok=1
done
report $ok "and once more"
ask 1 "info snapshots" >"$scratch/said"
[ "$(grep -c ' n[0-9]* ' "$scratch/said")" = 20 ] && grep -q "\* $current " "$scratch/said"
report $? "info snapshots shows them, and where the machine comes from" "$scratch/said"
for name in "${names[@]:0:10}"; do
    ask 1 "delvm $name" >>"$scratch/deleted"
done
ask 1 "loadvm ${names[15]}" >>"$scratch/deleted"
[ ! -s "$scratch/deleted" ] && same "$(digest 1)" "${seen[${names[15]}]}"
report $? "half of them are deleted, the others stay" "$scratch/deleted"
stop 1
"$img" check "$scratch/d.qcow2" >"$scratch/said" && qemu-img check "$scratch/d.qcow2" >>"$scratch/said" 2>&1
report $? "the image is sound" "$scratch/said"

# ---- QMP ----
if ! "$CALQUE" -machine none -qmp null --timeout 0.1 2>&1 </dev/null | grep -q 'not in this build'; then
    q=$scratch/q
    hello='{"execute":"qmp_capabilities"}'
    start 1 -m 32 -qmp "unix:$q,server=on,wait=off"
    start 2 -m 32 -incoming defer -qmp "unix:$q.in,server=on,wait=off"
    "$talk" "unix:$q.in" "$hello"'{"execute":"query-status"}' '"status": "inmigrate"' >"$scratch/said"
    report $? "query-status: inmigrate" "$scratch/said"
    "$talk" "unix:$q.in" "$hello{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"unix:$scratch/way\"}}" '{"return": {}}' >"$scratch/said"
    report $? "migrate-incoming" "$scratch/said"
    "$talk" "unix:$q" "$hello"'{"execute":"migrate-set-parameters","arguments":{"compression":"zlib","downtime-limit":200}}' '{"return": {}}' >"$scratch/said"
    report $? "migrate-set-parameters" "$scratch/said"
    "$talk" -v "unix:$q" "$hello{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:$scratch/way\"}}" '"data": {"status": "completed"}' >"$scratch/said"
    report $? "migrate, and its events" "$scratch/said"
    grep -q '"event": "STOP"' "$scratch/said"
    report $? "STOP among them" "$scratch/said"
    "$talk" "unix:$q" "$hello"'{"execute":"query-migrate"}' '"status": "completed"' >"$scratch/said" &&
        "$talk" "unix:$q" "$hello"'{"execute":"query-status"}' '"status": "postmigrate"' >>"$scratch/said"
    report $? "query-migrate, and postmigrate" "$scratch/said"
    ask 1 "info status" >"$scratch/said"
    grep -q 'VM status: paused (postmigrate)' "$scratch/said"
    report $? "info status says so" "$scratch/said"
    kill "${pids[1]}"
    until_so has_ended 1 && ! grep -q 'power button' "$scratch/err1"
    report $? "nobody is there to hear the power button: SIGTERM ends it" "$scratch/err1"
    "$talk" "unix:$q.in" "$hello"'{"execute":"query-status"}' '"status": "running"' >"$scratch/said"
    report $? "it runs there" "$scratch/said"
    stop 2

    # A descriptor that a client passes.
    start 1 -m 32 -qmp "unix:$q,server=on,wait=off"
    ask 1 stop >/dev/null
    want=$(digest 1)
    "$talk" -v -f "$scratch/passed" "unix:$q" "$hello{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"way\"}}
        {\"execute\":\"migrate\",\"arguments\":{\"uri\":\"fd:way\"}}" '"data": {"status": "completed"}' >"$scratch/said"
    start 2 -m 32 -S -incoming "file:$scratch/passed"
    same "$(digest 2)" "$want" >>"$scratch/said"
    report $? "getfd, migrate fd:NAME" "$scratch/said" "$scratch/err2"
    "$talk" "unix:$q" "$hello"'{"execute":"getfd","arguments":{"fdname":"none"}}' 'No file descriptor supplied via SCM_RIGHTS' &&
        "$talk" -f "$scratch/passed" "unix:$q" "$hello"'{"execute":"getfd","arguments":{"fdname":"1"}}' 'not starting with a digit' &&
        "$talk" -f "$scratch/passed" "unix:$q" "$hello"'{"execute":"getfd","arguments":{"fdname":"x"}}
            {"execute":"closefd","arguments":{"fdname":"x"}}{"execute":"closefd","arguments":{"fdname":"x"}}' "'x' not found"
    report $? "getfd without one, with a number; closefd"
    stop 1 2

    # Snapshots as jobs.
    "$img" create -q -f qcow2 "$scratch/j.qcow2" 16M
    start 1 -m 32 -drive "file=$scratch/j.qcow2,if=virtio,id=disk" -qmp "unix:$q,server=on,wait=off"
    # job COMMAND ARGUMENTS WANT
    job() { "$talk" -v "unix:$q" "$hello{\"execute\":\"$1\",\"arguments\":{$2}}" "$3" >"$scratch/said" 2>&1; }
    at='"tag":"s","vmstate":"disk","devices":["disk"]'
    job snapshot-save "\"job-id\":\"a\",$at" '"data": {"id": "a", "status": "concluded"}'
    report $? "snapshot-save" "$scratch/said"
    grep -o '"id": "a", "status": "[a-z]*"' "$scratch/said" | sed 's/.*: "//; s/"//' | tr '\n' ' ' >"$scratch/steps"
    [ "$(cat "$scratch/steps")" = "created running waiting pending concluded " ] && shows 1 "info snapshots" ' s '
    report $? "which went through these states" "$scratch/steps"
    job query-jobs '' '"id": "a", "type": "snapshot-save", "status": "concluded"'
    report $? "query-jobs" "$scratch/said"
    job snapshot-save "\"job-id\":\"a\",$at" "Job ID 'a' already in use"
    report $? "a name twice" "$scratch/said"
    job job-dismiss '"id":"a"' '"status": "null"' && job query-jobs '' '{"return": []}'
    report $? "job-dismiss" "$scratch/said"
    job snapshot-load "\"job-id\":\"b\",$at" '"id": "b", "status": "concluded"' && ! grep -q aborting "$scratch/said" &&
        is_running 1
    report $? "snapshot-load" "$scratch/said"
    job snapshot-load '"job-id":"c","tag":"none","vmstate":"disk","devices":["disk"]' '"id": "c", "status": "concluded"' &&
        grep -q '"id": "c", "status": "aborting"' "$scratch/said" &&
        job query-jobs '' "\"error\": \"drive disk: has no snapshot 'none'\""
    report $? "what goes wrong is told by the job" "$scratch/said"
    job snapshot-save '"job-id":"d","tag":"t","vmstate":"disk","devices":[]' concluded &&
        job query-jobs '' "drive disk: is not listed"
    report $? "disks that are not listed" "$scratch/said"
    job snapshot-delete '"job-id":"e","tag":"s","devices":["disk"]' '"id": "e", "status": "concluded"' &&
        shows 1 "info snapshots" 'There is no snapshot'
    report $? "snapshot-delete" "$scratch/said"
    job job-cancel '"id":"e"' "Job 'e' in state 'concluded' cannot accept command verb 'cancel'"
    report $? "job-cancel of what is over" "$scratch/said"
    stop 1
fi
finish
