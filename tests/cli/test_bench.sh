#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tests/bench/run with a kit whose measurements are known: what it refuses, and what it makes of them.
. tests/tap.sh

if ! python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null); then
    skip bench "python3 is missing"
    finish
fi

# bench OPTION...: with nothing on the PATH but what is in the folder bin.
bench() {
    PATH=$scratch/bin "$python" tests/bench/run --calque "$scratch/calque" --out "$scratch/measured" \
        --guest "$scratch/guest" "$@" >"$scratch/out" 2>"$scratch/err"
}

# refuses PATTERN: status 1, nothing printed, one line of complaint.
refuses() { [ "$status" = 1 ] && [ ! -s "$scratch/out" ] && [ "$(wc -l <"$scratch/err")" = 1 ] && grep -q -e "$1" "$scratch/err"; }

mkdir -p "$scratch"/{bin,kit/guest,guest/tree}
bench --kit "$scratch/none"
status=$?
refuses "no kit of workloads in $scratch/none; BENCH_KIT="
report $? "no kit: one line" "$scratch/out" "$scratch/err"

cat >"$scratch/kit/run-bench" <<KIT
#!$BASH
# Native takes 1 s for 10 of each; TCG 8 and 2, the translator 4 and 4 (its second checksum is wrong).
while [ \$# -gt 0 ]; do [ "\$1" != -o ] || output=\$2; shift; done
run() { echo "[{\"wall\": \$1, \"cpu\": \$1, \"iters\": 10, \"check\": \"\$2\"}]"; }
engine() { echo "{\"label\": \"\$1\", \"boots\": [{\"seconds\": 3, \"cpu\": \$2}], \"results\": {\"one\": \$(run "\$3" a), \"two\": \$(run "\$4" "\$5")}}"; }
echo "{\"scale\": 1, \"emulators\": [\$(engine native 0 1 1 b), \$(engine qemu-tcg 2 8 2 b), \$(engine jit 1.5 4 4 "\${CHECK:-b}")]}" >"\$output"
KIT
cat >"$scratch/bin/hyperfine" <<HYPERFINE
#!$BASH
while [ \$# -gt 0 ]; do [ "\$1" != --export-json ] || output=\$2; shift; done
echo '{"results": [{"command": "jit", "median": 2.5, "min": 2.25, "user": 1, "system": 0.75}]}' >"\$output"
HYPERFINE
chmod +x "$scratch/kit/run-bench" "$scratch/bin/hyperfine"
ln -s "$(type -P true)" "$scratch/bin/taskset"
printf 'one\tint\t10\ntwo\tx87\t10\n' >"$scratch/guest/workloads.tsv"
touch "$scratch"/guest/{vmlinuz64,guest64.cpio.gz,bench}
bench --kit "$scratch/kit"
status=$?
refuses 'apt-get install qemu-system-x86$'
report $? "a program is missing: its package is named" "$scratch/out" "$scratch/err"

ln -s "$(type -P true)" "$scratch/bin/qemu-system-x86_64"
bench --kit "$scratch/kit" --engines native,qemu-tcg,jit --runs 3 && grep -q '| qemu-tcg, 3 rounds, counts x 1 | 8.0 | - | 2.0 |.* | 4.0 | 2.00 s |$' "$scratch/out" &&
    grep -q '| jit, .* | 4.0 | - | 4.0 |.* | 4.0 | 1.50 s |$' "$scratch/out" && grep -q '^| int | 2.00 |$' "$scratch/out" &&
    grep -q '^| all | 1.00 |$' "$scratch/out" && grep -q ': two 0.50 (x87)$' "$scratch/out" &&
    grep -q '^| jit | 2.50 | 2.25 | 1.75 |$' "$scratch/out" && grep -q "^Checksums: native's" "$scratch/out"
report $? "categories, ratios, slow workloads and boots are printed" "$scratch/out" "$scratch/err"

export CHECK=c
bench --kit "$scratch/kit" --engines native,qemu-tcg,jit --runs 1
status=$?
[ $status = 1 ] && grep -q '^Checksums: jit: two: checksum c, not b$' "$scratch/out"
report $? "a checksum that is not native's makes the status 1" "$scratch/out" "$scratch/err"
finish
