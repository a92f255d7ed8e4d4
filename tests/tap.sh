# SPDX-License-Identifier: GPL-2.0-or-later
# What test scripts have in common; they source it: results as TAP (tests/run), a folder that goes
# with the script.
# shellcheck shell=bash
n=0 failed=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

shown=() # outputs of which the ends are shown with every failure

# report STATUS NAME [OUTPUT...]: of a failure the ends of the outputs are shown.
report() {
    n=$((n + 1))
    if [ "$1" = 0 ]; then
        echo "ok $n - $2"
    else
        failed=1
        [ $# -lt 3 ] && [ ${#shown[@]} = 0 ] || { tail -n 40 "${@:3}" "${shown[@]}" 2>&1; echo; }
        echo "not ok $n - $2"
    fi
}

# skip NAME REASON
skip() {
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# not_with_fast NAME...: if a short run was asked for, these are skipped and the script ends.
not_with_fast() {
    local name
    [ "$FAST" ] || return 0
    for name; do skip "$name" "not with FAST"; done
    finish
}

# The end of a script.
finish() {
    echo "1..$n"
    exit $failed
}
