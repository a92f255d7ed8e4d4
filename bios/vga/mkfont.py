#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# mkfont.py UNIFONT.HEX 5X8.BDF > font.c: makes the VGA BIOS's fonts. Run by hand; font.c is kept.
#
# 8x16 and 8x14 are GNU Unifont's glyphs (Debian: unifont, GPL-2+ with font embedding exception), the
# latter without two rows. 8x8 is the 5x8 of the X misc-fixed collection (Debian: xfonts-base,
# "Public domain font. Share and enjoy.", through pcf2bdf), moved to the middle of its cell; lines
# and blocks, which must meet, are drawn here.
import sys

LOW = "\u0020☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CHARS = LOW + bytes(range(32, 127)).decode("ascii") + "⌂" + bytes(range(128, 256)).decode("cp437")

# Up, down, left, right of the line characters: 0 nothing, 1 single, 2 double.
LINES = {
    "│": "1100", "┤": "1110", "╡": "1120", "╢": "2210", "╖": "0210", "╕": "0120", "╣": "2220", "║": "2200",
    "╗": "0220", "╝": "2020", "╜": "2010", "╛": "1020", "┐": "0110", "└": "1001", "┴": "1011", "┬": "0111",
    "├": "1101", "─": "0011", "┼": "1111", "╞": "1102", "╟": "2201", "╚": "2002", "╔": "0202", "╩": "2022",
    "╦": "0222", "╠": "2202", "═": "0022", "╬": "2222", "╧": "1022", "╨": "2011", "╤": "0122", "╥": "0211",
    "╙": "2001", "╘": "1002", "╒": "0102", "╓": "0201", "╫": "2211", "╪": "1122", "┘": "1010", "┌": "0101"}
BLOCKS = {"█": lambda x, y: 1, "▄": lambda x, y: y >= 4, "▀": lambda x, y: y < 4, "▌": lambda x, y: x < 4,
          "▐": lambda x, y: x >= 4, "░": lambda x, y: (x + 2 * y) % 4 == 0, "▒": lambda x, y: (x + y) % 2,
          "▓": lambda x, y: (x + 2 * y) % 4 != 0}


def unifont(path):
    glyphs = {}
    for line in open(path):
        code, bits = line.strip().split(":")
        if len(bits) == 32:
            glyphs[chr(int(code, 16))] = list(bytes.fromhex(bits))
    return glyphs


def bdf(path):
    glyphs, code, rows = {}, None, None
    for line in open(path):
        word = line.split() or [""]
        if word[0] == "ENCODING":
            code = int(word[1])
        elif word[0] == "BBX":
            height, left, bottom = int(word[2]), int(word[3]), int(word[4])
        elif word[0] == "BITMAP":
            rows = []
        elif word[0] == "ENDCHAR":
            top = 7 - bottom - height
            cell = [0] * 8
            for i, row in enumerate(rows):
                if 0 <= top + i < 8:
                    cell[top + i] = row >> left >> 1
            if code >= 0:
                glyphs[chr(code)] = cell
            rows = None
        elif rows is not None:
            rows.append(int(word[0], 16))
    return glyphs


def line8(arms):
    up, down, left, right = (int(c) for c in arms)
    cell = [[0] * 8 for _ in range(8)]
    columns = lambda n: {0: [], 1: [3], 2: [2, 4]}[n]
    thick, wide = max(up, down), max(left, right)
    for y in range(8):
        for x in columns(up) if y < 4 else []:
            cell[y][x] = 1
        for x in columns(down) if y > 2 else []:
            cell[y][x] = 1
    for x in range(8):
        for y in columns(left) if x < 4 else []:
            cell[y][x] = 1
        for y in columns(right) if x > 2 else []:
            cell[y][x] = 1
    if thick == 2 and wide == 2:  # the middle of doubled corners is empty
        cell[3][3] = 0
        if up and left: cell[2][2] = 1
        if not up and not left: cell[2][2] = 1
    return [sum(bit << 7 - x for x, bit in enumerate(row)) for row in cell]


def block8(inside):
    return [sum((1 if inside(x, y) else 0) << 7 - x for x in range(8)) for y in range(8)]


def squeeze(glyph, full):
    if full or glyph[0] or glyph[1]:
        return glyph[1:15]
    return glyph[2:]


def shrink(glyph):  # what the small font lacks: every other row
    return [glyph[y] | glyph[y + 1] for y in range(0, 16, 2)]


def emit(name, height, glyphs):
    print("\nconst ROM u8 %s[256 * %d] SECTION_CONST = {" % (name, height))
    for i, glyph in enumerate(glyphs):
        print("    " + ", ".join("0x%02x" % b for b in glyph) + ", /* %02x */" % i)
    print("};")


big, small = unifont(sys.argv[1]), bdf(sys.argv[2])
g16, g14, g8 = [], [], []
for i, c in enumerate(CHARS):
    c = {"\u0000": " ", "\u00a0": " "}.get(c, c)
    glyph = [0] * 16 if i == 0 else big[c]
    g16.append(glyph)
    g14.append(squeeze(glyph, c in LINES or c in BLOCKS))
    g8.append(line8(LINES[c]) if c in LINES else block8(BLOCKS[c]) if c in BLOCKS else
              [0] * 8 if i == 0 else small[c] if c in small else shrink(glyph))
print("""/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code page 437 in three heights. Made by mkfont.py from GNU Unifont 15.0.01 (8x16, 8x14; Roman
 * Czyborra, Paul Hardy and others, GPL-2+ with font embedding exception) and from the public domain
 * 5x8 of the X misc-fixed fonts (8x8). Not to be edited. */
#include "vga.h"

/* clang-format off */""")
emit("font16", 16, g16)
emit("font14", 14, g14)
emit("font8", 8, g8)
print("\n/* clang-format on */")
