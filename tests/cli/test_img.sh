#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# calque-img: what it prints and leaves behind, alone and together with qemu-img; bad input.
img=$PWD/$BUILD/calque-img
n=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
command -v qemu-img >/dev/null && qemu=1 || qemu=

ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)); cat out 2>/dev/null; echo "not ok $n - $1"; }
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP qemu-img (package qemu-utils) is not installed"; }

# works NAME COMMAND...: exit status 0.
works() {
    local name=$1
    shift
    if timeout 60 "$@" >out 2>&1 </dev/null; then ok "$name"; else not_ok "$name"; fi
}
# status WANTED NAME COMMAND...
status() {
    local want=$1 name=$2
    shift 2
    timeout 60 "$@" >out 2>&1 </dev/null
    [ $? = "$want" ] && ok "$name" || not_ok "$name (status $want)"
}
# refused PATTERN ARGUMENTS...: one line, status 1.
refused() {
    local pattern=$1 text status
    shift
    text=$(timeout 60 "$img" "$@" 2>&1 </dev/null)
    status=$?
    if [ $status = 1 ] && [ "$(wc -l <<<"$text")" = 1 ] && [[ $text == calque-img:*$pattern* ]]; then
        ok "$* is refused"
    else
        echo "$text (status $status)"
        not_ok "$* is refused with \"$pattern\""
    fi
}
# prints PATTERN ARGUMENTS...
prints() {
    local pattern=$1
    shift
    if timeout 60 "$img" "$@" >out 2>&1 </dev/null && grep -qF -- "$pattern" out; then
        ok "$* prints $pattern"
    else
        not_ok "$* prints $pattern"
    fi
}
with_qemu() { [ -n "$qemu" ]; }

# 5 MiB with data, zeros, and an odd end.
{ head -c 1000000 /dev/urandom; head -c 2000000 /dev/zero; seq 200000 | head -c 1000000; head -c 242880 /dev/zero; head -c 1000000 /dev/urandom; } >raw

# ---- conversion between all formats ----
from=raw
for to in qcow2 vmdk vpc vdi; do
    works "convert $from to $to" "$img" convert -O $to $from a.$to
    works "$to is what raw was" "$img" compare raw a.$to
    if with_qemu; then
        works "qemu-img reads $to" qemu-img compare -f raw -F $to raw a.$to
        [ $to = vpc ] || works "qemu-img finds no error in $to" qemu-img check -q -f $to a.$to
        works "qemu-img makes $to" qemu-img convert -O $to raw q.$to
        works "we read qemu-img's $to" "$img" compare raw q.$to
    else
        skip "$to and qemu-img"
    fi
    from=a.$to
done
works "back to raw" "$img" convert -O raw a.vdi back
works "raw is the same" cmp raw back
works "several inputs" "$img" convert raw a.qcow2 two
cat raw raw | cmp - two && ok "are one behind the other" || not_ok "are one behind the other"
works "flat" "$img" convert -O vmdk -o subformat=monolithicFlat raw f.vmdk
works "is the same" "$img" compare raw f.vmdk
works "fixed" "$img" convert -O vpc -o subformat=fixed raw f.vhd
works "is recognized and the same" "$img" compare raw f.vhd
for type in zlib zstd; do
    works "compressed with $type" "$img" convert -c -O qcow2 -o compression_type=$type raw c.$type
    works "is the same" "$img" compare raw c.$type
    works "is sound" "$img" check c.$type
    if with_qemu; then
        works "qemu-img finds no error" qemu-img check -q c.$type
        works "qemu-img reads it" qemu-img compare raw c.$type
        works "qemu-img compresses with $type" qemu-img convert -c -O qcow2 -o compression_type=$type raw q.$type
        works "we read that" "$img" compare raw q.$type
    else
        skip "$type and qemu-img"
    fi
done
if with_qemu; then
    works "qemu-img makes a stream" qemu-img convert -O vmdk -o subformat=streamOptimized raw s.vmdk
    works "we read it" "$img" compare raw s.vmdk
    works "qemu-img makes two files" qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse raw t.vmdk
    works "we read them" "$img" compare raw t.vmdk
    works "qemu-img makes a dynamic VHD" qemu-img convert -O vpc -o force_size=on raw d.vhd
    works "we read it" "$img" compare -s raw d.vhd
else
    skip "qemu-img's other kinds"
fi
# One VMDK on another, by its content ID.
works "a VMDK on another" "$img" create -q -f vmdk -b a.vmdk -F vmdk overlay.vmdk
works "shows its contents" "$img" compare raw overlay.vmdk
seq 900000 | head -c "$(stat -c %s raw)" >raw2
works "is written" "$img" convert -n -O vmdk raw2 overlay.vmdk
works "the one below is as it was" "$img" compare raw a.vmdk
with_qemu && works "qemu-img reads both" qemu-img compare raw2 overlay.vmdk
cp a.vmdk below.vmdk
works "commit" "$img" commit -q overlay.vmdk
works "is below" "$img" compare raw2 a.vmdk
works "and the other still fits on it" "$img" compare raw2 overlay.vmdk
mv below.vmdk a.vmdk
mkdir -p folder
works "in another folder" "$img" create -q -f vmdk -b ../a.vmdk -F vmdk folder/o.vmdk
works "it is found" "$img" compare raw folder/o.vmdk
if with_qemu; then
    works "qemu-img makes a VMDK on another" qemu-img create -q -f vmdk -b a.vmdk -F vmdk child.vmdk
    works "we read it" "$img" compare raw child.vmdk
    cp a.vmdk kept.vmdk
    works "we write into it" "$img" convert -n -O vmdk back child.vmdk
    works "qemu-img reads that" qemu-img compare raw child.vmdk
    works "the parent is as it was" cmp a.vmdk kept.vmdk
    works "the parent is written" "$img" convert -n -O vmdk raw a.vmdk
    refused "it was changed" info --backing-chain child.vmdk
    mv kept.vmdk a.vmdk
else
    skip "VMDK with parents"
fi
[ "$(stat -c %b raw)" -gt "$(stat -c %b back)" ] && ok "zeros take no space" || not_ok "zeros take no space"

# ---- the tools of libvmdk, libvhdi, libqcow (packages of these names with -utils) ----
for pair in vmdkinfo:a.vmdk vmdkinfo:f.vmdk vhdiinfo:a.vpc vhdiinfo:f.vhd qcowinfo:a.qcow2; do
    if ! command -v "${pair%:*}" >/dev/null; then
        n=$((n + 1)); echo "ok $n - ${pair%:*} # SKIP it is not installed"
    elif "${pair%:*}" "${pair#*:}" >out 2>&1 && grep -q "($(stat -c %s raw) bytes)" out; then
        ok "$pair"
    else
        not_ok "$pair"
    fi
done

# What they read is compared through FUSE, where this process may mount; flat VMDKs are not theirs.
mkdir mnt
works "convert to version 2" "$img" convert -O qcow2 -o compat=0.10 raw old.qcow2
for pair in vmdkmount:a.vmdk vhdimount:a.vpc vhdimount:f.vhd qcowmount:a.qcow2 qcowmount:old.qcow2 qcowmount:c.zlib; do
    if ! command -v "${pair%:*}" >/dev/null || [ ! -w /dev/fuse ] || [ "$(id -u)" != 0 ]; then
        n=$((n + 1)); echo "ok $n - ${pair%:*} # SKIP it is not installed, or nothing can be mounted here"
        continue
    fi
    timeout 20 "${pair%:*}" "${pair#*:}" mnt >out 2>&1 </dev/null
    works "${pair%:*} reads ${pair#*:}" cmp raw mnt/*1
    umount mnt 2>/dev/null
done

# ---- past the page cache ----
if "$img" info raw >/dev/null && dd if=raw of=/dev/null bs=4096 count=1 iflag=direct status=none 2>/dev/null; then
    works "convert with O_DIRECT" "$img" convert -t none -T none -O qcow2 raw direct
    works "is the same" "$img" compare raw direct
    works "back with O_DIRECT" "$img" convert -t none -T none -O raw direct direct.raw
    works "is the same" "$img" compare raw direct.raw
else
    n=$((n + 1)); echo "ok $n - O_DIRECT # SKIP the file system has none"
fi

# ---- what is printed ----
same_as_qemu() {
    if ! with_qemu; then
        skip "calque-img $* as qemu-img"
        return
    fi
    "$img" "$@" >ours 2>&1
    qemu-img "$@" >theirs 2>&1
    if diff ours theirs >out; then ok "$* as qemu-img"; else not_ok "$* as qemu-img"; fi
}
works "create" "$img" create -q -f qcow2 -b a.qcow2 -F qcow2 top.qcow2
same_as_qemu info a.qcow2
same_as_qemu info top.qcow2
same_as_qemu info raw
same_as_qemu info a.vdi
same_as_qemu check a.qcow2
same_as_qemu check c.zlib
same_as_qemu map a.qcow2
same_as_qemu map raw
same_as_qemu map --output=json top.qcow2
same_as_qemu map --output=json raw
same_as_qemu map --output=json a.vmdk
prints "(100.00/100%)" convert -p raw x
prints '"format": "qcow2"' info --output=json a.qcow2
prints '"filename": "a.qcow2"' info --output=json --backing-chain top.qcow2
[ "$("$img" --help | wc -l)" -le 40 ] && [ "$("$img" --help | wc -L)" -le 79 ] &&
    ok "help fits a screen" || not_ok "help fits a screen"

# ---- chains ----
works "an overlay" "$img" create -q -f qcow2 -b raw -F raw o.qcow2
works "differences only" "$img" convert -O qcow2 -B raw -F raw two two.qcow2
works "reads as the whole" "$img" compare two two.qcow2
[ "$(stat -c %s two.qcow2)" -lt 6500000 ] && ok "is half as large" || not_ok "is half as large"
works "rebase to nothing" "$img" rebase -b '' two.qcow2
works "reads as before" "$img" compare two two.qcow2
works "and is sound" "$img" check -q two.qcow2
cp raw base
works "an overlay of 6 MiB" "$img" create -q -f qcow2 -b base -F raw o.qcow2 6M
works "something on it" "$img" convert -n -O qcow2 a.vdi o.qcow2
works "commit" "$img" commit o.qcow2
works "is in the base" "$img" compare raw base
[ "$(stat -c %s base)" = 6291456 ] && ok "which has grown" || not_ok "which has grown"
works "rename the base" mv base base2
works "rebase -u" "$img" rebase -u -b base2 -F raw o.qcow2
works "finds it" "$img" compare raw o.qcow2

# ---- sizes ----
works "grow" "$img" resize o.qcow2 +1G
prints "1.01 GiB" info o.qcow2
refused "--shrink" resize o.qcow2 1M
works "shrink" "$img" resize --shrink o.qcow2 1M
works "is sound" "$img" check o.qcow2
works "grow again" "$img" resize o.qcow2 6M
head -c 1048576 raw >short
works "what was cut off is gone" "$img" compare short o.qcow2
works "raw, too" "$img" resize -f raw back 1G
prints "1 GiB" info back

# ---- damage ----
cp a.qcow2 bad
printf '\0\0' | dd of=bad bs=1 seek=$((0x20006)) conv=notrunc status=none
status 2 "a refcount that is too low is found" "$img" check bad
status 0 "and repaired" "$img" check -r all bad
works "without loss" "$img" compare raw bad
! with_qemu || works "qemu-img agrees" qemu-img check -q bad
cp a.qcow2 bad
printf '\0\2' | dd of=bad bs=1 seek=$((0x20006)) conv=notrunc status=none
status 3 "a refcount that is too high is found" "$img" check bad
status 0 "and repaired" "$img" check -r all bad
cp a.qcow2 bad
truncate -s 1000000 bad
refused "behind the end of the file" convert bad x
truncate -s 100000 bad
refused "is it truncated?" info bad
cp a.qcow2 bad
printf '\x80' | dd of=bad bs=1 seek=79 conv=notrunc status=none
refused "incompatible feature 7" info bad
cp a.qcow2 bad
printf '\x10' | dd of=bad bs=1 seek=79 conv=notrunc status=none
refused "extended L2" info bad
printf '\x02' | dd of=bad bs=1 seek=79 conv=notrunc status=none
refused "marked corrupt" resize bad 1G
works "which can be read" "$img" compare raw bad
status 0 "and repaired" "$img" check -r all bad
works "then resized" "$img" resize bad 1G
printf '\x01' | dd of=bad bs=1 seek=79 conv=notrunc status=none
prints "cleanly shut down: no" info bad
works "one that was not closed is repaired when it is written" "$img" resize bad 2G
! with_qemu || works "qemu-img agrees" qemu-img check -q bad
printf '\x7f\xff\xff\xff\xff\xff\xff\xff' | dd of=bad bs=1 seek=24 conv=notrunc status=none
refused "over 2^63" info bad
works "a loop" "$img" create -q -u -f qcow2 -b loop2 -F qcow2 loop1 1M
works "of two" "$img" create -q -u -f qcow2 -b loop1 -F qcow2 loop2 1M
refused "is based on itself" info --backing-chain loop1
works "a missing base" "$img" create -q -u -f qcow2 -b nowhere -F raw lost 1M
refused "No such file" info --backing-chain lost
prints "backing file: nowhere" info lost
works "a protocol" "$img" create -q -u -f qcow2 -b nbd://x -F raw net 1M
refused "protocol 'nbd'" info --backing-chain net
refused "is a directory" info .
refused "neither a file nor a block device" info /dev/null
refused "no qcow2 image" info -f qcow2 raw
refused "no VDI image" info -f vdi raw
refused "is no VMDK image" check -f vmdk raw

# ---- somebody else ----
refused "in use by this process" convert -O raw raw raw
if command -v qemu-io >/dev/null; then
    mkfifo hold
    qemu-io a.qcow2 <hold >/dev/null 2>&1 &
    exec 9>hold
    while ! grep -q lock: /proc/$!/fdinfo/* 2>/dev/null; do sleep 0.05; done
    refused "is in use by process $! (qemu-io)" resize a.qcow2 1G
    prints "file format: qcow2" info -U a.qcow2
    exec 9>&-
    wait $!
else
    skip "the holder of a lock is named"
fi

# ---- words ----
refused "did you mean convert?" convrt a b
refused "no such option" convert -z a b
refused "needs a value" convert -O
refused "name of a file is missing" info
refused "too many words" info a b
refused "did you mean qcow2?" create -f qcow3 x 1G
refused "did you mean cluster_size?" create -f qcow2 -o cluster_sise=1 x 1G
refused "cluster_size=1000" create -f qcow2 -o cluster_size=1000 x 1G
refused "a size is expected" create x
refused "-F FMT" create -f qcow2 -b raw x
refused "own backing file" create -f qcow2 -b a.qcow2 -F qcow2 ./a.qcow2
refused "vpc has no backing files; qcow2 and vmdk have" create -f vpc -b a.vpc -F vpc x
refused "is no VMDK image" create -f vmdk -b raw -F raw x.vmdk
refused "monolithicFlat: has no backing file" create -f vmdk -o subformat=monolithicFlat -b a.vmdk -F vmdk x.vmdk
refused "keeps the backing file" rebase -u -b a.vmdk -F vmdk overlay.vmdk
refused "format luks: not in this version" create -f luks x 1M
refused "extended_l2: not in this version" create -f qcow2 -o extended_l2=on x 1M
refused "encrypt.format: not in this version" create -f qcow2 -o encrypt.format=luks x 1M
refused "dd: not in this version" dd -f raw a.qcow2
refused "--image-opts: not in this version" info --image-opts driver=raw
refused "-l: not in this version" convert -l s a.qcow2 x
# A guest of a fixed VHD may write what it likes into its first sector.
"$img" create -q -f vpc -o subformat=fixed guest.vhd 8M
"$img" create -q -f vpc other.vhd 64M
dd if=other.vhd of=guest.vhd bs=512 count=8 conv=notrunc 2>/dev/null
prints "virtual size: 8 MiB" info guest.vhd
refused "over 2^63" create -f qcow2 x 8388608T
refused "too big for clusters of 512" create -f qcow2 -o cluster_size=512 x 1T
refused "not compressed" convert -c -O raw raw x
prints "cluster_size=SIZE" create -f qcow2 -o help
