#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A CD of Debian 12's network installer, started by ISOLINUX: its boot menu (in a VESA mode); from there
# the text installer, on a VGA text screen, and the graphical one, to the question for a language. Under
# our BIOS; with LONG under SeaBIOS, too. Two guests at a time; arguments name some,
# such as gui-amd64-ours and text-i386-seabios.
# shellcheck disable=SC2317 # functions are called by name
if [ $# = 0 ]; then
    set -- {gui,text}-{amd64,i386}-ours
    [ -z "$LONG" ] || set -- "$@" {gui,text}-{amd64,i386}-seabios
fi
. tests/boot/boot.sh
. tests/boot/person.sh
limit=500 # seconds, of a host that may be busy

# make_cd ARCH: the package's own boot screens, as a CD has them: text and graphical installer in one menu.
make_cd() {
    local arch=$1 images isolinux tree=$scratch/tree-$1 base=/debian-installer/$1 screens
    images=$(tests/fetch "installer-$arch" 2>"$scratch/why") && isolinux=$(tests/fetch isolinux 2>"$scratch/why") || return 77
    images=${images%/text/*}
    screens=$tree$base/boot-screens
    mkdir -p "$tree/isolinux"
    cp -r "$images/text/debian-installer" "$tree"
    mkdir "$tree$base/gtk"
    cp "$images/gtk$base/initrd.gz" "$tree$base/gtk"
    cp "$isolinux/isolinux.bin" "$screens/ldlinux.c32" "$tree/isolinux"
    cat >"$screens/gtk.cfg" <<CONFIG
label installgui
    menu label ^Graphical install
    menu default
    kernel $base/linux
    append vga=788 initrd=$base/gtk/initrd.gz --- quiet
CONFIG
    # Its paths are those of a TFTP server; a CD's begin at the root.
    sed -i 's, debian-installer/, /debian-installer/,; s,=debian-installer/,=/debian-installer/,' "$screens"/*.cfg
    cp "$screens/syslinux.cfg" "$tree/isolinux/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$scratch/$arch.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
        -boot-load-size 4 -boot-info-table "$tree" 2>>"$scratch/why" || return 1
    rm -rf "$tree"
}

# rows FILE WIDTH HEIGHT FIRST COUNT HASH: the SHA-256 of these rows begins with HASH.
rows() {
    local header hash
    header=$(printf 'P6\n%d %d\n255\n' "$2" "$3" | wc -c)
    [ "$(stat -c %s "$1")" = $((header + 3 * $2 * $3)) ] || return 1
    hash=$(tail -c +$((header + 3 * $2 * $4 + 1)) "$1" | head -c $((3 * $2 * $5)) | sha256sum)
    echo "rows from $4: ${hash:0:16}" >"$1.log"
    [[ $hash == "$6"* ]]
}

# The menu's title and entries, 640x480, the first one chosen; above and below there is only the
# background picture. The letters are the 8x16 font of the VGA BIOS, of which there are two.
menu_ours() { rows "$1" 640 480 150 120 e17d4a03eb8dee4a; }
menu_seabios() { rows "$1" 640 480 150 120 80498c5b8c862d4b; }
# "Select a language" and what is asked, below the banner and above the list, in the mode of the
# EDID's choice.
language() { rows "$1" 1280 800 80 85 62f760b86300739b; }

# steps text|gui ours|seabios. Without its driver for our adapter the kernel leaves the screen in text mode.
steps() {
    echo "picture $limit menu_$2"
    case $1 in
    gui)
        printf '%s\n' "key ret" "picture $limit language" ;;
    text)
        printf '%s\n' "key esc" "want $limit boot:" \
            "type install vga=normal modprobe.blacklist=bochs" "want $limit Select a language" "monitor screen text" ;;
    esac
}

run() {
    local what arch bios options=()
    IFS=- read -r what arch bios <<<"$1"
    [ "$bios" = ours ] || options=(-bios "$seabios/bios-256k.bin")
    person "$scratch/$1.out" -m 1G -cdrom "$scratch/$arch.iso" "${options[@]}" < <(steps "$what" "$bios") >"$scratch/$1.log" 2>&1
    echo $? >"$scratch/$1.status"
}

seabios=$(tests/fetch seabios 2>/dev/null)
for arch in amd64 i386; do
    [[ " $* " != *"-$arch-"* ]] || make_cd $arch || echo $? >"$scratch/$arch.none"
done
for name in "$@"; do
    while [ "$(jobs -r | wc -l)" -ge 2 ]; do wait -n; done
    arch=${name#*-}
    [ -e "$scratch/${arch%-*}.none" ] || { [ ! "$seabios" ] && [[ $name == *-seabios ]]; } || run "$name" &
done
wait
for name in "$@"; do
    title="Debian's installer: $name"
    if [ -e "$scratch/$name.status" ]; then
        report "$(cat "$scratch/$name.status")" "$title" "$scratch/$name.out" "$scratch/$name.out.ppm.log"
    else
        skip "$title" "it cannot be fetched"
    fi
done
finish
