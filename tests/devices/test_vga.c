/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA by its ports, its windows and its picture. What the pixels must be is computed here from
 * what each mode's bytes mean, not from what the device did. */
#include <string.h>

#include "devices/display/edid.h"
#include "devices/display/stdvga.h"
#include "tests/devices/rig.h"

#define VRAM   (1u << 20)
#define FB     0xe0000000u
#define MMIO   0xf0000000u
#define ROM_AT 0xf1000000u

struct vga_rig {
    struct machine m;
    struct pci_bus bus;
    struct stdvga s;
    struct surface picture;
    uint64_t now;
    uint8_t rom[4096];
};

static uint64_t retired(void *opaque)
{
    return ((struct vga_rig *)opaque)->now;
}

static void start(struct vga_rig *t)
{
    struct stdvga_config config = {.vram_size = VRAM, .xres = 1024, .yres = 768};
    struct error err;

    memset(t, 0, sizeof(*t));
    assert_true(machine_init(&t->m, 1 << 20, VRAM + STDVGA_ROM_MAX, &err));
    vm_clock_use_icount(&t->m.clock, 0, false, retired, t);
    machine_lock(&t->m);
    t->rom[0] = 0x55;
    t->rom[1] = 0xaa;
    config.rom = t->rom;
    config.rom_size = sizeof(t->rom) - 100;
    pci_bus_init(&t->bus, &t->m, "pci");
    assert_true(stdvga_init(&t->s, &t->m, "vga", &t->bus, PCI_DEVFN(2, 0), &config, &err));
    pci_config_write(&t->bus, 0x10, PCI_BASE_ADDRESS_0, FB, 4);
    pci_config_write(&t->bus, 0x10, PCI_BASE_ADDRESS_0 + 8, MMIO, 4);
    pci_config_write(&t->bus, 0x10, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
}

static void finish(struct vga_rig *t)
{
    surface_free(&t->picture);
    machine_unlock(&t->m);
    machine_destroy(&t->m);
    stdvga_destroy(&t->s);
}

static uint8_t in(struct vga_rig *t, uint16_t port)
{
    return (uint8_t)address_space_read(&t->m.io, port, 1);
}

static void out(struct vga_rig *t, uint16_t port, uint8_t v)
{
    address_space_write(&t->m.io, port, v, 1);
}

static void set(struct vga_rig *t, uint16_t port, uint8_t index, uint8_t v)
{
    address_space_write(&t->m.io, port, index | v << 8, 2);
}

static uint8_t peek(struct vga_rig *t, uint32_t at)
{
    return (uint8_t)address_space_read(&t->m.mem, at, 1);
}

static void poke(struct vga_rig *t, uint32_t at, uint8_t v)
{
    address_space_write(&t->m.mem, at, v, 1);
}

static void attr(struct vga_rig *t, uint8_t index, uint8_t v)
{
    in(t, 0x3da);
    out(t, 0x3c0, index);
    out(t, 0x3c0, v);
    out(t, 0x3c0, 0x20);
}

/* A table of a mode as a BIOS has it. */
struct mode {
    uint8_t misc, seq[4], crtc[25], gfx[9], attr10, attr13;
};

static void set_mode(struct vga_rig *t, const struct mode *m)
{
    out(t, 0x3c2, m->misc);
    set(t, 0x3c4, 0, 1);
    for (unsigned i = 0; i < 4; i++)
        set(t, 0x3c4, (uint8_t)(i + 1), m->seq[i]);
    set(t, 0x3c4, 0, 3);
    set(t, 0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        set(t, 0x3d4, (uint8_t)i, m->crtc[i]);
    for (unsigned i = 0; i < 9; i++)
        set(t, 0x3ce, (uint8_t)i, m->gfx[i]);
    for (unsigned i = 0; i < 16; i++)
        attr(t, (uint8_t)i, (uint8_t)i);
    attr(t, 0x10, m->attr10);
    attr(t, 0x12, 0x0f);
    attr(t, 0x13, m->attr13);
    out(t, 0x3c6, 0xff);
    out(t, 0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) { /* colour i: red i, green 63 - i, blue 3 * i */
        out(t, 0x3c9, (uint8_t)i);
        out(t, 0x3c9, (uint8_t)(63 - i));
        out(t, 0x3c9, (uint8_t)(3 * i));
    }
}

static uint32_t six(unsigned v)
{
    v &= 63;
    return v << 2 | v >> 4;
}

static uint32_t colour(unsigned i)
{
    return six(i) << 16 | six(63 - i) << 8 | six(3 * i);
}

static uint32_t dot(struct vga_rig *t, unsigned x, unsigned y)
{
    assert_true(x < t->picture.width && y < t->picture.height);
    return surface_row(&t->picture, y)[x];
}

static void draw(struct vga_rig *t, unsigned width, unsigned height)
{
    struct display_source source = stdvga_source(&t->s);

    source.draw(source.opaque, &t->picture);
    assert_int_equal(t->picture.width, width);
    assert_int_equal(t->picture.height, height);
}

/* CRTC registers: horizontally, 40 or 80 columns; vertically, 400 lines. */
#define H40       0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80
#define H80(h, r) 0x5f, 0x4f, 0x50, 0x82, h, r
#define V400(scan, cursor, cursor_end, pitch, underline, mode)                                     \
    0xbf, 0x1f, 0, scan, cursor, cursor_end, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, pitch, underline, 0x96, \
        0xb9, mode, 0xff
#define V480                                                                                       \
    0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0, 0xe7, 0x04, 0xe3, 0xff
#define GFX(mode, misc)                                                                            \
    {                                                                                              \
        0, 0, 0, 0, 0, mode, misc, 0x0f, 0xff                                                      \
    }
static const struct mode mode12 = {
    0xe3, {0x01, 0x0f, 0x00, 0x06}, {H80(0x54, 0x80), V480}, GFX(0x00, 0x05), 0x01, 0};
static const struct mode mode13 = {0x63,
                                   {0x01, 0x0f, 0x00, 0x0e},
                                   {H80(0x54, 0x80), V400(0x41, 0, 0, 0x28, 0x40, 0xa3)},
                                   GFX(0x40, 0x05),
                                   0x41,
                                   0};
static const struct mode mode3 = {0x67,
                                  {0x00, 0x03, 0x00, 0x02},
                                  {H80(0x55, 0x81), V400(0x4f, 0x0d, 0x0e, 0x28, 0x1f, 0xa3)},
                                  GFX(0x10, 0x0e),
                                  0x0c,
                                  8};
static const struct mode mode4 = {0x63,
                                  {0x09, 0x03, 0x00, 0x02},
                                  {H40, V400(0xc1, 0, 0, 0x14, 0x00, 0xa2)},
                                  GFX(0x30, 0x0f),
                                  0x01,
                                  0};

/* ---- registers ---- */

static void registers(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set(&t, 0x3ce, 8, 0xa5);
    out(&t, 0x3ce, 8);
    assert_int_equal(in(&t, 0x3cf), 0xa5);
    set(&t, 0x3c4, 1, 0xff);
    assert_int_equal(in(&t, 0x3c5), 0x3d); /* bits that do not exist */
    assert_int_equal(in(&t, 0x3d4), 0xff); /* misc is 0: the CRTC is at 3Bx */
    set(&t, 0x3b4, 0x0e, 0x12);
    out(&t, 0x3c2, 0x67);
    assert_int_equal(in(&t, 0x3b4), 0xff);
    assert_int_equal(in(&t, 0x3d5), 0x12);
    assert_int_equal(in(&t, 0x3cc), 0x67);
    set(&t, 0x3d4, 0x11, 0x80); /* protects 0 to 7, but for the line compare's bit */
    set(&t, 0x3d4, 0x00, 0x55);
    assert_int_equal(in(&t, 0x3d5), 0);
    set(&t, 0x3d4, 0x07, 0xff);
    assert_int_equal(in(&t, 0x3d5), 0x10);
    in(&t, 0x3da); /* the attribute address flip-flop */
    out(&t, 0x3c0, 0x31);
    out(&t, 0x3c0, 0x15);
    out(&t, 0x3c0, 0x31);
    assert_int_equal(in(&t, 0x3c1), 0x15);
    assert_int_equal(in(&t, 0x3c0), 0x31);
    out(&t, 0x3c7, 5); /* DAC: an entry changes with its third byte; the address moves on */
    assert_int_equal(in(&t, 0x3c7), 3);
    out(&t, 0x3c8, 5);
    assert_int_equal(in(&t, 0x3c7), 0);
    out(&t, 0x3c9, 0xff);
    out(&t, 0x3c9, 2);
    out(&t, 0x3c7, 5);
    assert_int_equal(in(&t, 0x3c9), 0);
    out(&t, 0x3c8, 5);
    out(&t, 0x3c9, 0xff);
    out(&t, 0x3c9, 2);
    out(&t, 0x3c9, 3);
    assert_int_equal(in(&t, 0x3c8), 6);
    out(&t, 0x3c7, 5);
    assert_int_equal(in(&t, 0x3c9), 0x3f);
    assert_int_equal(in(&t, 0x3c9), 2);
    assert_int_equal(in(&t, 0x3c9), 3);
    finish(&t);
}

/* Mode 3: 100 character clocks of 9 dots, 449 lines, at 28.322 MHz. */
static void retrace(void **state)
{
    unsigned lines = 0, retraces = 0, displayed = 0;
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode3);
    for (; lines < 449; lines++) {
        t.now = (uint64_t)lines * 31777 + 10; /* a line is 31777 ns */
        uint8_t status = in(&t, 0x3da);

        retraces += status >> 3 & 1;
        displayed += !(status & 1);
        assert_false((status & 8) && !(status & 1));
    }
    assert_int_equal(displayed, 400);
    assert_int_equal(retraces, 2); /* 0x19c to 0x19e */
    t.now = 412ull * 31777 + 10;
    assert_int_equal(in(&t, 0x3da) & 9, 9);
    t.now = 10ull * 31777 + 28000; /* behind the 80th character */
    assert_int_equal(in(&t, 0x3da) & 9, 1);
    finish(&t);
}

/* ---- write and read modes ---- */

static void planes_at(struct vga_rig *t, uint32_t at, uint8_t p[4])
{
    uint8_t gfx5;

    out(t, 0x3ce, 5);
    gfx5 = in(t, 0x3cf);
    set(t, 0x3ce, 5, gfx5 & ~0x08);
    for (unsigned n = 0; n < 4; n++) {
        set(t, 0x3ce, 4, (uint8_t)n);
        p[n] = peek(t, at);
    }
    set(t, 0x3ce, 5, gfx5);
}

static void expect_planes(struct vga_rig *t, uint32_t at, uint8_t a, uint8_t b, uint8_t c,
                          uint8_t d)
{
    uint8_t p[4];
    const uint8_t want[4] = {a, b, c, d};

    planes_at(t, at, p);
    assert_memory_equal(p, want, 4);
}

static void write_modes(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode12);
    poke(&t, 0xa0000, 0x81);
    expect_planes(&t, 0xa0000, 0x81, 0x81, 0x81, 0x81);
    set(&t, 0x3c4, 2, 0x05); /* two planes, rotated by 1 */
    set(&t, 0x3ce, 3, 0x01);
    poke(&t, 0xa0001, 0x03);
    expect_planes(&t, 0xa0001, 0x81, 0, 0x81, 0);
    set(&t, 0x3c4, 2, 0x0f); /* set/reset in two planes, others get the data */
    set(&t, 0x3ce, 3, 0);
    set(&t, 0x3ce, 0, 0x02);
    set(&t, 0x3ce, 1, 0x03);
    poke(&t, 0xa0002, 0x3c);
    expect_planes(&t, 0xa0002, 0, 0xff, 0x3c, 0x3c);
    set(&t, 0x3ce, 1, 0); /* bit mask, XOR with the latches */
    peek(&t, 0xa0002);
    set(&t, 0x3ce, 8, 0xf0);
    set(&t, 0x3ce, 3, 0x18);
    poke(&t, 0xa0002, 0xff);
    expect_planes(&t, 0xa0002, 0xf0, 0x0f, 0xcc, 0xcc);
    set(&t, 0x3ce, 3, 0x08); /* AND */
    peek(&t, 0xa0002);
    poke(&t, 0xa0003, 0x50);
    expect_planes(&t, 0xa0003, 0x50, 0x0f, 0x4c, 0x4c);
    set(&t, 0x3ce, 3, 0x10); /* OR */
    peek(&t, 0xa0002);
    poke(&t, 0xa0003, 0x0a);
    expect_planes(&t, 0xa0003, 0xf0, 0x0f, 0xcc, 0xcc);
    set(&t, 0x3ce, 3, 0);
    set(&t, 0x3ce, 5, 1); /* mode 1: the latches */
    peek(&t, 0xa0002);
    poke(&t, 0xa0100, 0x99);
    expect_planes(&t, 0xa0100, 0xf0, 0x0f, 0xcc, 0xcc);
    set(&t, 0x3ce, 5, 2); /* mode 2: a colour, under the bit mask */
    set(&t, 0x3ce, 8, 0x18);
    peek(&t, 0xa0000);
    poke(&t, 0xa0000, 0x06);
    expect_planes(&t, 0xa0000, 0x81, 0x99, 0x99, 0x81);
    set(&t, 0x3ce, 5, 3); /* mode 3: set/reset where data and bit mask are */
    set(&t, 0x3ce, 0, 0x09);
    set(&t, 0x3ce, 8, 0x0f);
    peek(&t, 0xa0002);
    poke(&t, 0xa0002, 0x3c);
    expect_planes(&t, 0xa0002, 0xfc, 0x03, 0xc0, 0xcc);
    finish(&t);
}

static void read_modes(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode12);
    for (unsigned n = 0; n < 4; n++) {
        set(&t, 0x3c4, 2, (uint8_t)(1 << n));
        poke(&t, 0xa0010, (uint8_t)(0x11 << n));
    }
    expect_planes(&t, 0xa0010, 0x11, 0x22, 0x44, 0x88);
    set(&t, 0x3ce, 5, 0x08); /* colour compare: colour 2 is where plane 1 alone is set */
    set(&t, 0x3ce, 2, 0x02);
    assert_int_equal(peek(&t, 0xa0010), 0x22);
    set(&t, 0x3ce, 7, 0x0d); /* plane 1 does not matter: where no other is set */
    assert_int_equal(peek(&t, 0xa0010), 0x22);
    set(&t, 0x3ce, 2, 0x04);
    set(&t, 0x3ce, 7, 0x04);
    assert_int_equal(peek(&t, 0xa0010), 0x44);
    set(&t, 0x3ce, 7, 0);
    assert_int_equal(peek(&t, 0xa0010), 0xff);
    finish(&t);
}

/* The windows of the graphics controller's memory map. */
static void memory_maps(void **state)
{
    static const struct {
        uint8_t map;
        uint32_t first, last, below, above;
    } maps[] = {{0x01, 0xa0000, 0xbffff, 0, 0},
                {0x05, 0xa0000, 0xaffff, 0, 0xb0000},
                {0x09, 0xb0000, 0xb7fff, 0xaffff, 0xb8000},
                {0x0d, 0xb8000, 0xbffff, 0xb7fff, 0}};
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode12);
    for (unsigned i = 0; i < 4; i++) {
        set(&t, 0x3ce, 6, maps[i].map);
        poke(&t, maps[i].first, 0x5a);
        poke(&t, maps[i].last, 0xa5);
        assert_int_equal(peek(&t, maps[i].first), 0x5a);
        assert_int_equal(peek(&t, maps[i].last), 0xa5);
        if (maps[i].below)
            assert_int_equal(peek(&t, maps[i].below), 0xff);
        if (maps[i].above)
            assert_int_equal(peek(&t, maps[i].above), 0xff);
    }
    out(&t, 0x3c2, mode12.misc & ~2); /* no display memory at all */
    assert_int_equal(peek(&t, 0xa0000), 0xff);
    out(&t, 0x3c2, mode12.misc);
    pci_config_write(&t.bus, 0x10, PCI_COMMAND, PCI_COMMAND_IO, 2);
    assert_int_equal(peek(&t, 0xb8000), 0xff);
    pci_config_write(&t.bus, 0x10, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    assert_int_equal(in(&t, 0x3cc), 0xff);
    finish(&t);
}

/* Chain 4: byte A is plane A & 3; its address in the plane is A without these bits, which A14 and
 * A15 replace. */
static void chain4(void **state)
{
    static const uint32_t at[] = {0, 1, 2, 3, 4, 319, 0x1235, 0x3fff, 0x4000, 0x8007, 0xfa03};
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode13);
    for (unsigned i = 0; i < 11; i++)
        poke(&t, 0xa0000 + at[i], (uint8_t)(i + 1));
    for (unsigned i = 0; i < 11; i++) { /* unchained */
        uint32_t address = (at[i] & 0xfffc) | at[i] >> 14;

        assert_int_equal(peek(&t, 0xa0000 + at[i]), i + 1);
        set(&t, 0x3c4, 4, 0x06);
        set(&t, 0x3ce, 4, at[i] & 3);
        assert_int_equal(peek(&t, 0xa0000 + address), i + 1);
        set(&t, 0x3c4, 4, 0x0e);
    }
    set(&t, 0x3c4, 2, 0x02); /* with a map mask only that plane's bytes can be written */
    for (unsigned i = 0; i < 4; i++)
        poke(&t, 0xa0000 + i, 0x77);
    assert_int_equal(peek(&t, 0xa0000), 1);
    assert_int_equal(peek(&t, 0xa0001), 0x77);
    set(&t, 0x3c4, 2, 0x0f);
    assert_int_equal(peek(&t, 0xa0003), 4);
    finish(&t);
}

/* Every one of the 64 Ki plane addresses has bytes of its own. */
static void plane_addresses(void **state)
{
    static uint8_t seen[0x10000];
    struct vga_rig t;

    (void)state;
    start(&t);
    memset(seen, 0, sizeof(seen));
    for (uint32_t a = 0; a < 0x10000; a++) {
        uint32_t index = vga_plane_index(&t.s.vga, a);

        assert_true(index < 0x40000 && index % 4 == 0);
        assert_int_equal(seen[index / 4]++, 0);
    }
    finish(&t);
}

/* ---- pictures ---- */

static void graphics_256(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode13);
    for (unsigned i = 0; i < 64000; i++)
        poke(&t, 0xa0000 + i, (uint8_t)(i * 7 + i / 320));
    draw(&t, 640, 400);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 640; x++) {
            unsigned i = y / 2 * 320 + x / 2;

            assert_int_equal(dot(&t, x, y), colour((uint8_t)(i * 7 + i / 320)));
        }
    poke(&t, 0xa0000 + 100 * 320 + 50, 200); /* one pixel: one tile */
    surface_clear_dirty(&t.picture);
    draw(&t, 640, 400);
    assert_int_equal(dot(&t, 101, 201), colour(200));
    assert_int_equal(t.picture.dirty[200 / 32], 1u << 100 / 32);
    out(&t, 0x3c6, 0x0f); /* the DAC's mask */
    draw(&t, 640, 400);
    assert_int_equal(dot(&t, 101, 201), colour(200 & 15));
    set(&t, 0x3c4, 1, 0x21); /* screen off */
    draw(&t, 640, 400);
    assert_int_equal(dot(&t, 101, 201), 0);
    finish(&t);
}

/* Unchained, byte mode, 320x240: pixel x of a line is in plane x & 3 at x / 4. With panning by one
 * pixel (two dots) and another start address. */
static void mode_x(void **state)
{
    static const uint8_t tweaks[][2] = {{0x11, 0x2c}, {0x06, 0x0d}, {0x07, 0x3e}, {0x10, 0xea},
                                        {0x11, 0xac}, {0x12, 0xdf}, {0x14, 0x00}, {0x15, 0xe7},
                                        {0x16, 0x06}, {0x17, 0xe3}};
    struct vga_rig t;
    unsigned start_at = 0x5005;

    (void)state;
    start(&t);
    set_mode(&t, &mode13);
    out(&t, 0x3c2, 0xe3);
    set(&t, 0x3c4, 4, 0x06);
    for (unsigned i = 0; i < 10; i++)
        set(&t, 0x3d4, tweaks[i][0], tweaks[i][1]);
    for (unsigned i = 0; i < 241 * 80; i++)
        for (unsigned n = 0; n < 4; n++) {
            set(&t, 0x3c4, 2, (uint8_t)(1 << n));
            poke(&t, 0xa0000 + start_at + i, (uint8_t)((i * 4 + n) * 3));
        }
    set(&t, 0x3d4, 0x0c, start_at >> 8);
    set(&t, 0x3d4, 0x0d, start_at & 0xff);
    attr(&t, 0x13, 2);
    draw(&t, 640, 480);
    for (unsigned y = 0; y < 480; y++)
        for (unsigned x = 0; x < 640; x++)
            assert_int_equal(dot(&t, x, y), colour((uint8_t)((y / 2 * 320 + x / 2 + 1) * 3)));
    finish(&t);
}

static uint8_t pattern(unsigned plane, unsigned at)
{
    return (uint8_t)(at * (2 * plane + 3) + (at >> 8));
}

static unsigned planar_pixel(unsigned at, unsigned bit)
{
    unsigned c = 0;

    for (unsigned n = 0; n < 4; n++)
        c |= (unsigned)(pattern(n, at) >> (7 - bit) & 1) << n;
    return c;
}

/* 640x480 in 16 colours; the lower part of the screen begins at address 0. */
static void planar_and_split(void **state)
{
    struct vga_rig t;
    unsigned split = 300, at;

    (void)state;
    start(&t);
    set_mode(&t, &mode12);
    for (unsigned n = 0; n < 4; n++) {
        set(&t, 0x3c4, 2, (uint8_t)(1 << n));
        for (unsigned i = 0; i < 0x10000; i++)
            poke(&t, 0xa0000 + i, pattern(n, i));
    }
    set(&t, 0x3d4, 0x0c, 0x30);
    set(&t, 0x3d4, 0x18, split & 0xff);
    set(&t, 0x3d4, 0x07, 0x3e); /* bit 8 */
    set(&t, 0x3d4, 0x09, 0x00); /* bit 9: 0 */
    attr(&t, 0x13, 3);
    attr(&t, 0x10, 0x21); /* the lower part is not panned */
    draw(&t, 640, 480);
    for (unsigned y = 0; y < 480; y++)
        for (unsigned x = 0; x < 640; x++) {
            unsigned dots = y <= split ? x + 3 : x;

            at = y <= split ? 0x3000 + y * 80 : (y - split - 1) * 80;
            assert_int_equal(dot(&t, x, y), colour(planar_pixel(at + dots / 8, dots % 8)));
        }
    attr(&t, 0x12, 0x05); /* two planes only, by way of a palette register */
    attr(&t, 5, 0x2a);
    attr(&t, 0x14, 0x0c); /* colours 0xc0 and up */
    draw(&t, 640, 480);
    at = planar_pixel(0x3000, 3) & 5;
    assert_int_equal(dot(&t, 0, 0), colour(0xc0 | (at == 5 ? 0x2a : at)));
    finish(&t);
}

/* CGA: odd lines are 8 KiB behind the even ones, a byte is four pixels. */
static void cga(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode4);
    for (unsigned i = 0; i < 0x4000; i++)
        poke(&t, 0xb8000 + i, (uint8_t)(i * 11 + (i >> 7)));
    draw(&t, 640, 400);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 640; x++) {
            unsigned line = y / 2, px = x / 2, i = (line & 1) * 0x2000 + line / 2 * 80 + px / 4;
            unsigned byte = (uint8_t)(i * 11 + (i >> 7));

            assert_int_equal(dot(&t, x, y), colour(byte >> (6 - 2 * (px & 3)) & 3));
        }
    finish(&t);
}

static uint8_t glyph(unsigned c, unsigned row)
{
    return (uint8_t)(c * 5 + row * 17);
}

static void load_font(struct vga_rig *t)
{
    set(t, 0x3c4, 2, 4);
    set(t, 0x3c4, 4, 6);
    set(t, 0x3ce, 5, 0);
    set(t, 0x3ce, 6, 4);
    for (unsigned c = 0; c < 256; c++)
        for (unsigned row = 0; row < 16; row++) {
            poke(t, 0xa0000 + c * 32 + row, glyph(c, row));
            poke(t, 0xa4000 + c * 32 + row, (uint8_t)~glyph(c, row)); /* map 1 */
        }
    set(t, 0x3c4, 2, 3);
    set(t, 0x3c4, 4, 2);
    set(t, 0x3ce, 5, 0x10);
    set(t, 0x3ce, 6, 0x0e);
}

/* Dot x of a character; the ninth repeats the eighth of the line graphics. */
static bool text_dot(unsigned c, unsigned row, unsigned x)
{
    if (x == 8)
        return c >= 0xc0 && c <= 0xdf && (glyph(c, row) & 1);
    return glyph(c, row) >> (7 - x) & 1;
}

static void text(void **state)
{
    static struct text_screen screen;
    struct display_source source;
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode3);
    load_font(&t);
    for (unsigned i = 0; i < 2000; i++)
        address_space_write(&t.m.mem, 0xb8000 + 2 * i, (uint8_t)(i * 3) | (i & 0x7f) << 8, 2);
    set(&t, 0x3d4, 0x0e, 0x01); /* the cursor: character 0x105, lines 13 and 14 */
    set(&t, 0x3d4, 0x0f, 0x05);
    draw(&t, 720, 400);
    for (unsigned y = 0; y < 400; y++)
        for (unsigned x = 0; x < 720; x++) {
            unsigned i = y / 16 * 80 + x / 9, a = i & 0x7f;
            bool on = text_dot((uint8_t)(i * 3), y % 16, x % 9) ||
                      (i == 0x105 && (y % 16 == 13 || y % 16 == 14));

            assert_int_equal(dot(&t, x, y), colour(on ? a & 15 : a >> 4));
        }
    t.now = 8 * 14268000ull; /* eight frames later the cursor is off */
    draw(&t, 720, 400);
    assert_int_equal(dot(&t, 5 * 9 + 20 * 9 + 8, 3 * 16 + 13),
                     colour(0)); /* 0x105: line 3, column 21 */
    source = stdvga_source(&t.s);
    assert_true(source.text(source.opaque, &screen));
    assert_int_equal(screen.columns, 80);
    assert_int_equal(screen.rows, 25);
    assert_int_equal(screen.cells[24][79].character, (uint8_t)(1999 * 3));
    assert_int_equal(screen.cells[24][79].attribute, 1999 & 0x7f);
    assert_true(screen.cursor);
    assert_int_equal(screen.cursor_row, 3);
    assert_int_equal(screen.cursor_column, 21);
    finish(&t);
}

/* Blinking, its absence, the second font, 8 dots, and panning by a pixel in text. */
static void text_attributes(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode3);
    load_font(&t);
    set(&t, 0x3d4, 0x0a, 0x20);
    for (unsigned i = 0; i < 2000; i++)
        address_space_write(&t.m.mem, 0xb8000 + 2 * i, 0x9f01, 2);
    draw(&t, 720, 400);
    assert_int_equal(dot(&t, 5, 0), colour(text_dot(1, 0, 5) ? 15 : 1));
    t.now = 16 * 14268000ull;
    draw(&t, 720, 400);
    for (unsigned x = 0; x < 9; x++)
        assert_int_equal(dot(&t, x, 0), colour(1));
    attr(&t, 0x10, 0x04); /* no blinking: 16 backgrounds */
    draw(&t, 720, 400);
    assert_int_equal(dot(&t, 0, 0), colour(text_dot(1, 0, 0) ? 15 : 9));
    set(&t, 0x3c4, 3, 0x04); /* map 1 for attribute bit 3 */
    draw(&t, 720, 400);
    for (unsigned x = 0; x < 8; x++)
        assert_int_equal(dot(&t, x, 3), colour(text_dot(1, 3, x) ? 9 : 15));
    set(&t, 0x3c4, 3, 0);
    attr(&t, 0x13, 0); /* one dot to the left */
    draw(&t, 720, 400);
    for (unsigned x = 0; x < 719; x++)
        assert_int_equal(dot(&t, x, 3), colour(text_dot(1, 3, (x + 1) % 9) ? 15 : 9));
    set(&t, 0x3c4, 1, 1);
    draw(&t, 640, 400);
    for (unsigned x = 0; x < 640; x++)
        assert_int_equal(dot(&t, x, 3), colour(text_dot(1, 3, x % 8) ? 15 : 9));
    set(&t, 0x3c4, 1, 9); /* 40 columns are as wide as 80 */
    draw(&t, 1280, 400);
    finish(&t);
}

/* ---- the DISPI ---- */

static uint16_t dispi(struct vga_rig *t, unsigned index)
{
    address_space_write(&t->m.io, 0x1ce, index, 2);
    return (uint16_t)address_space_read(&t->m.io, 0x1cf, 2);
}

static void set_dispi(struct vga_rig *t, unsigned index, uint16_t v)
{
    address_space_write(&t->m.io, 0x1ce, index, 2);
    address_space_write(&t->m.io, 0x1cf, v, 2);
}

static void set_resolution(struct vga_rig *t, uint16_t x, uint16_t y, uint16_t bpp)
{
    set_dispi(t, DISPI_ENABLE, 0);
    set_dispi(t, DISPI_XRES, x);
    set_dispi(t, DISPI_YRES, y);
    set_dispi(t, DISPI_BPP, bpp);
    set_dispi(t, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB_ENABLED);
    in(t, 0x3da);
    out(t, 0x3c0, 0x20);
}

static void dispi_registers(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    assert_int_equal(dispi(&t, DISPI_ID), 0xb0c5);
    set_dispi(&t, DISPI_ID, 0xb0c2);
    assert_int_equal(dispi(&t, DISPI_ID), 0xb0c2);
    set_dispi(&t, DISPI_ID, 0xb0c6);
    assert_int_equal(dispi(&t, DISPI_ID), 0xb0c2);
    assert_int_equal(dispi(&t, DISPI_VIDEO_MEMORY_64K), VRAM >> 16);
    set_dispi(&t, DISPI_ENABLE, DISPI_GETCAPS);
    assert_int_equal(dispi(&t, DISPI_BPP), 32);
    assert_true(dispi(&t, DISPI_XRES) >= 2560 && dispi(&t, DISPI_YRES) >= 1600);
    set_resolution(&t, 640, 480, 16);
    assert_int_equal(dispi(&t, DISPI_VIRT_WIDTH), 640);
    assert_int_equal(dispi(&t, DISPI_VIRT_HEIGHT), VRAM / 1280);
    set_dispi(&t, DISPI_XRES, 800); /* not while it is on */
    assert_int_equal(dispi(&t, DISPI_XRES), 640);
    set_dispi(&t, DISPI_VIRT_WIDTH, 1024);
    set_dispi(&t, DISPI_Y_OFFSET, 0xffff); /* no further than memory goes */
    assert_int_equal(dispi(&t, DISPI_Y_OFFSET), VRAM / 2048 - 480);
    set_dispi(&t, DISPI_X_OFFSET, 500); /* ends in the next line, which must be there too */
    assert_int_equal(dispi(&t, DISPI_X_OFFSET), 500);
    assert_int_equal(dispi(&t, DISPI_Y_OFFSET), VRAM / 2048 - 481);
    set_dispi(&t, DISPI_X_OFFSET, 1024);
    assert_int_equal(dispi(&t, DISPI_X_OFFSET), 1023);
    set_resolution(&t, 4096, 4096, 32); /* more than there is memory */
    assert_int_equal(dispi(&t, DISPI_YRES), VRAM / 16384);
    draw(&t, 4096, VRAM / 16384);
    assert_int_equal(address_space_read(&t.m.mem, MMIO + 0x500, 2), 0xb0c2);
    address_space_write(&t.m.mem, MMIO + 0x508, 0, 2);
    assert_int_equal(dispi(&t, DISPI_ENABLE), 0);
    finish(&t);
}

/* A word of the framebuffer for each pixel, and what it must look like. */
static void check_depth(struct vga_rig *t, uint16_t bpp, uint32_t value, uint32_t want)
{
    unsigned bytes = (bpp + 7u) / 8;

    set_resolution(t, 320, 200, bpp);
    for (unsigned i = 0; i < bytes; i++)
        poke(t, FB + (100 * 320 + 33) * bytes + i, (uint8_t)(value >> 8 * i));
    draw(t, 320, 200);
    assert_int_equal(dot(t, 33, 100), want);
    assert_int_equal(dot(t, 34, 100), bpp == 8 ? colour(0) : 0);
}

static void dispi_picture(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode13);
    check_depth(&t, 8, 100, colour(100));
    check_depth(&t, 15, 0x7c1f, 0xff00ff);
    check_depth(&t, 15, 0x0200, 0x008400);
    check_depth(&t, 16, 0xf81f, 0xff00ff);
    check_depth(&t, 16, 0x0400, 0x008200);
    check_depth(&t, 24, 0x123456, 0x123456);
    check_depth(&t, 32, 0xff123456, 0x123456);
    set_dispi(&t, DISPI_VIRT_WIDTH, 640); /* a larger virtual screen */
    set_dispi(&t, DISPI_X_OFFSET, 5);
    set_dispi(&t, DISPI_Y_OFFSET, 7);
    poke(&t, FB + ((7 + 3) * 640 + 5 + 2) * 4, 0x99);
    draw(&t, 320, 200);
    assert_int_equal(dot(&t, 2, 3), 0x99);
    set_dispi(&t, DISPI_X_OFFSET, 500); /* and on in the next line */
    poke(&t, FB + ((7 + 3) * 640 + 500 + 150) * 4, 0x77);
    draw(&t, 320, 200);
    assert_int_equal(dot(&t, 150, 3), 0x77);
    poke(&t, FB + ((7 + 3) * 640 + 500 + 150) * 4, 0x78);
    draw(&t, 320, 200);
    assert_int_equal(dot(&t, 150, 3), 0x78);
    set_dispi(&t, DISPI_BANK, 3); /* through the window, by banks */
    poke(&t, 0xa0010, 0x42);
    assert_int_equal(peek(&t, FB + 0x30010), 0x42);
    set_dispi(&t, DISPI_BANK, VRAM >> 16);
    assert_int_equal(dispi(&t, DISPI_BANK), 3);
    /* Eight bits of each colour, converted when that is switched on. */
    set_dispi(&t, DISPI_ENABLE, DISPI_ENABLED | DISPI_8BIT_DAC | DISPI_NOCLEARMEM);
    out(&t, 0x3c7, 1);
    assert_int_equal(in(&t, 0x3c9), 4);
    assert_int_equal(peek(&t, FB + 0x30010), 0x42);
    finish(&t);
}

/* 16 colours at more than 64 KiB a plane: bytes go through the graphics controller. */
static void dispi_planar(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_mode(&t, &mode12);
    set_resolution(&t, 1024, 768, 4);
    set_dispi(&t, DISPI_BANK, 1);
    set(&t, 0x3c4, 2, 0x06);
    poke(&t, 0xa0000, 0x80);
    draw(&t, 1024, 768);
    assert_int_equal(dot(&t, 0, 512), colour(6)); /* 65536 / 128 */
    assert_int_equal(dot(&t, 1, 512), colour(0));
    finish(&t);
}

/* Only what changed is drawn: lines that were not stored to keep what is in the picture. */
static void dirty_lines(void **state)
{
    struct vga_rig t;

    (void)state;
    start(&t);
    set_resolution(&t, 512, 256, 32);
    draw(&t, 512, 256);
    draw(&t, 512, 256); /* pages that were dirty are looked at once more */
    for (unsigned y = 0; y < 256; y++)
        surface_row(&t.picture, y)[0] = 0x777777;
    poke(&t, FB + 100 * 2048 + 2047, 0); /* a page is two lines */
    draw(&t, 512, 256);
    for (unsigned y = 0; y < 256; y++)
        assert_int_equal(dot(&t, 0, y), y == 100 || y == 101 ? 0 : 0x777777);
    finish(&t);
}

/* ---- the PCI function ---- */

static void pci_function(void **state)
{
    uint8_t edid[EDID_SIZE], sum = 0;
    struct vga_rig t;

    (void)state;
    start(&t);
    assert_int_equal(pci_config_read(&t.bus, 0x10, 0, 4), 0x11111234);
    assert_int_equal(pci_config_read(&t.bus, 0x10, 8, 4), 0x03000002);
    pci_config_write(&t.bus, 0x10, PCI_ROM_ADDRESS, 0xffffffff, 4);
    assert_int_equal(pci_config_read(&t.bus, 0x10, PCI_ROM_ADDRESS, 4), 0xfffff001);
    pci_config_write(&t.bus, 0x10, PCI_ROM_ADDRESS, ROM_AT | 1, 4);
    assert_int_equal(address_space_read(&t.m.mem, ROM_AT, 2), 0xaa55);
    assert_int_equal(peek(&t, ROM_AT + 4095), 0xff);
    poke(&t, ROM_AT, 0);
    assert_int_equal(peek(&t, ROM_AT), 0x55);
    pci_config_write(&t.bus, 0x10, PCI_ROM_ADDRESS, ROM_AT, 4);
    assert_int_equal(address_space_find(&t.m.mem, ROM_AT), NULL);
    for (unsigned i = 0; i < EDID_SIZE; i++)
        sum += edid[i] = peek(&t, MMIO + i);
    assert_int_equal(sum, 0);
    assert_int_equal(edid[54 + 2] | (edid[54 + 4] & 0xf0) << 4, 1024);
    assert_int_equal(edid[54 + 5] | (edid[54 + 7] & 0xf0) << 4, 768);
    poke(&t, MMIO + 0x402, 0x67); /* Miscellaneous Output at its place there */
    assert_int_equal(in(&t, 0x3cc), 0x67);
    assert_int_equal(address_space_read(&t.m.mem, MMIO + 0x604, 4), 0x1e1e1e1e);
    set_mode(&t, &mode13);
    poke(&t, 0xa0003, 9);
    struct state_stream s = {0};
    struct error err;
    uint64_t before = state_digest_fields(t.s.pci.dev.class->fields, &t.s, 0);
    assert_true(devices_save(&t.m, &s));
    devices_reset(&t.m);
    assert_int_equal(peek(&t, 0xa0003), 0xff);
    s.pos = 0;
    assert_true(devices_load(&t.m, &s, &err));
    assert_true(before == state_digest_fields(t.s.pci.dev.class->fields, &t.s, 0));
    assert_int_equal(peek(&t, 0xa0003), 9);
    state_stream_free(&s);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(retrace),
        cmocka_unit_test(write_modes),
        cmocka_unit_test(read_modes),
        cmocka_unit_test(memory_maps),
        cmocka_unit_test(chain4),
        cmocka_unit_test(plane_addresses),
        cmocka_unit_test(graphics_256),
        cmocka_unit_test(mode_x),
        cmocka_unit_test(planar_and_split),
        cmocka_unit_test(cga),
        cmocka_unit_test(text),
        cmocka_unit_test(text_attributes),
        cmocka_unit_test(dispi_registers),
        cmocka_unit_test(dispi_picture),
        cmocka_unit_test(dispi_planar),
        cmocka_unit_test(dirty_lines),
        cmocka_unit_test(pci_function),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
