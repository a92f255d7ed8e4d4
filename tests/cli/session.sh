# SPDX-License-Identifier: GPL-2.0-or-later
# For tests of a guest that runs beside them; they source it.
# shellcheck shell=bash
. tests/tap.sh
talk=$BUILD/tests/tools/talk
pid= # of the guest
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT
shown=("$scratch/err")

# ended STATUS: the guest has, and so.
ended() {
    wait "$pid"
    local status=$?
    pid=
    [ $status = "$1" ]
}

# until_so COMMAND...: it succeeds, within a minute.
until_so() {
    local i
    for ((i = 0; i < 1200; i++)); do
        ! "$@" 2>/dev/null || return 0
        sleep 0.05
    done
    return 1
}
