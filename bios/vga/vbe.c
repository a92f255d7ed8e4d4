/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VESA BIOS Extension 3.0 (VBE Core Functions Standard 3.0) for adapters with the Bochs DISPI
 * registers at ports 1CEh and 1CFh (QEMU docs/specs/standard-vga.rst). The current mode is what
 * those registers say: nothing is kept elsewhere. */
#include "vga.h"

enum {
    DISPI_ID,
    DISPI_XRES,
    DISPI_YRES,
    DISPI_BPP,
    DISPI_ENABLE,
    DISPI_BANK,
    DISPI_VIRT_WIDTH,
    DISPI_VIRT_HEIGHT,
    DISPI_X_OFFSET,
    DISPI_Y_OFFSET,
    DISPI_MEMORY_64K,
};
#define DISPI_ENABLED 0x01
#define DISPI_8BIT    0x20
#define DISPI_LFB     0x40
#define DISPI_KEEP    0x80

#define VBE_OK       0x004f
#define VBE_FAILED   0x014f
#define VBE_NOT_HERE 0x024f /* with this hardware */
#define VBE_INVALID  0x034f /* in this mode */
#define MODE_LFB     0x4000
#define MODE_KEEP    0x8000

struct vbe_mode {
    u16 number, width, height;
    u8 bpp;
} PACKED;

/* The numbers up to 11Bh are VESA's; it gave out no more. */
#define DEPTHS(n, w, h)                                                                            \
    {n, w, h, 15}, {n + 1, w, h, 16},                                                              \
    {                                                                                              \
        n + 2, w, h, 24                                                                            \
    }
#define ALL(n, w, h)                                                                               \
    {n, w, h, 8}, {n + 1, w, h, 16}, {n + 2, w, h, 24},                                            \
    {                                                                                              \
        n + 3, w, h, 32                                                                            \
    }
static const ROM struct vbe_mode modes[] SECTION_CONST = {
    {0x100, 640, 400, 8},    {0x101, 640, 480, 8},      {0x102, 800, 600, 4},
    {0x103, 800, 600, 8},    {0x104, 1024, 768, 4},     {0x105, 1024, 768, 8},
    {0x107, 1280, 1024, 8},  DEPTHS(0x10d, 320, 200),   DEPTHS(0x110, 640, 480),
    DEPTHS(0x113, 800, 600), DEPTHS(0x116, 1024, 768),  DEPTHS(0x119, 1280, 1024),
    {0x11c, 1600, 1200, 8},  DEPTHS(0x11d, 1600, 1200), {0x140, 320, 200, 32},
    {0x141, 640, 400, 32},   {0x142, 640, 480, 32},     {0x143, 800, 600, 32},
    {0x144, 1024, 768, 32},  {0x145, 1280, 1024, 32},   {0x146, 320, 200, 8},
    {0x147, 1600, 1200, 32}, {0x148, 320, 240, 8},      {0x149, 400, 300, 8},
    {0x14a, 512, 384, 8},    ALL(0x150, 1152, 864),     ALL(0x154, 1280, 720),
    ALL(0x158, 1280, 768),   ALL(0x15c, 1280, 800),     ALL(0x160, 1280, 960),
    ALL(0x164, 1366, 768),   ALL(0x168, 1440, 900),     ALL(0x16c, 1400, 1050),
    ALL(0x170, 1680, 1050),  ALL(0x174, 1920, 1080),    ALL(0x178, 1920, 1200),
    ALL(0x17c, 2560, 1440),  ALL(0x180, 2560, 1600),
};
_Static_assert(ARRAY_SIZE(modes) < 111, "the list must fit the reserved part of VbeInfoBlock");

u32 phys_read32(u32 address); /* entry.S */

/* ---- DISPI ---- */

u16 vbe_register(u16 index)
{
    outw(0x1ce, index);
    return inw(0x1cf);
}

void vbe_set_register(u16 index, u16 value)
{
    outw(0x1ce, index);
    outw(0x1cf, value);
}

bool vbe_present(void)
{
    return (vbe_register(DISPI_ID) & 0xfff0) == 0xb0c0;
}

bool vbe_active(void)
{
    return vbe_present() && vbe_register(DISPI_ENABLE) & DISPI_ENABLED;
}

bool vbe_packed(void)
{
    return vbe_active() && vbe_register(DISPI_BPP) >= 8;
}

void vbe_off(void)
{
    if (vbe_active())
        vbe_set_register(DISPI_ENABLE, 0);
}

/* Units of 64 KiB; adapters before ID 4 have 4 MiB and no register that says so. */
u16 vbe_memory(void)
{
    u16 units = vbe_register(DISPI_ID) >= 0xb0c4 ? vbe_register(DISPI_MEMORY_64K) : 64;

    return units ? units : 64;
}

static u16 bytes_per_line(u16 width, u8 bpp)
{
    return (u16)(bpp == 4 ? width / 8 : width * ((bpp + 7) / 8));
}

/* ---- the adapter on PCI ---- */

static u32 pci_read(u32 device, u8 offset)
{
    outl(0xcf8, 0x80000000u | device << 8 | offset);
    return inl(0xcfc);
}

/* The base address register `bar` of the first adapter with this interface; 0: none. */
static u32 find_bar(u8 offset)
{
    u32 saved = inl(0xcf8), bar = 0;

    for (u32 device = 0; device < 8 * 256 && !bar; device++) {
        u32 id = pci_read(device, 0);

        if (id == 0x11111234)
            bar = pci_read(device, offset) & ~15u;
    }
    outl(0xcf8, saved);
    return bar;
}

static bool real_mode(void)
{
    u32 msw;

    asm volatile("smsw %0" : "=r"(msw));
    return !(msw & 1);
}

/* With A20 off what is at 100000h is what is at 0. */
static bool a20_is_on(void)
{
    u16 at = 0;

    while (at < 0x400 && peek16(0, at) == peek16(0xffff, (u16)(0x10 + at)))
        at = (u16)(at + 2);
    return at < 0x400;
}

/* In real mode; and its addresses want A20. */
u32 vbe_linear(void)
{
    u32 at = real_mode() && a20_is_on() ? find_bar(0x10) : 0;

    if (at)
        flat_segments();
    return at;
}

/* ---- modes ---- */

static bool usable(const ROM struct vbe_mode *m)
{
    u32 size = (u32)bytes_per_line(m->width, m->bpp) * m->height * (m->bpp == 4 ? 4 : 1);

    return size <= (u32)vbe_memory() << 16;
}

static const ROM struct vbe_mode *find_vbe(u16 number)
{
    for (u32 i = 0; i < ARRAY_SIZE(modes); i++)
        if (modes[i].number == (number & 0x1ff) && usable(&modes[i]))
            return &modes[i];
    return NULL;
}

static const ROM struct vbe_mode *current_vbe(void)
{
    u16 width = vbe_register(DISPI_XRES), height = vbe_register(DISPI_YRES),
        bpp = vbe_register(DISPI_BPP);

    for (u32 i = 0; i < ARRAY_SIZE(modes); i++)
        if (modes[i].width == width && modes[i].height == height && modes[i].bpp == bpp)
            return &modes[i];
    return NULL;
}

/* ---- 00h, 01h: information ---- */

struct out {
    u16 seg, at;
};

static void put8(struct out *o, u8 v)
{
    poke8(o->seg, o->at++, v);
}
static void put16(struct out *o, u16 v)
{
    poke16(o->seg, o->at, v);
    o->at = (u16)(o->at + 2);
}
static void put32(struct out *o, u32 v)
{
    put16(o, (u16)v);
    put16(o, (u16)(v >> 16));
}

static const ROM char name[] SECTION_CONST = "Calque VGA BIOS";

static u16 controller_info(struct regs *r)
{
    struct out o = {r->es, r->di};
    bool vbe2 =
        peek16(r->es, r->di) == 0x4256 && peek16(r->es, (u16)(r->di + 2)) == 0x3245; /* "VBE2" */

    far_fill16(o.seg, o.at, 0, vbe2 ? 256 : 128);
    put32(&o, 0x41534556); /* "VESA" */
    put16(&o, 0x0300);
    put32(&o, FARPTR(0xc000, (u32)name));
    put32(&o, 1); /* the DAC can be switched to 8 bits */
    put32(&o, FARPTR(r->es, (u16)(r->di + 34)));
    put16(&o, vbe_memory());
    if (vbe2) {
        put16(&o, 0x0100);
        put32(&o, FARPTR(0xc000, (u32)name)); /* vendor, product, revision */
        put32(&o, FARPTR(0xc000, (u32)name));
        put32(&o, FARPTR(0xc000, (u32)name));
    }
    o.at = (u16)(r->di + 34);
    for (u32 i = 0; i < ARRAY_SIZE(modes); i++)
        if (usable(&modes[i]))
            put16(&o, modes[i].number);
    put16(&o, 0xffff);
    return VBE_OK;
}

/* Sizes and positions of red, green, blue and the reserved bits. */
static void put_masks(struct out *o, u8 bpp)
{
    u8 red = bpp == 15 || bpp == 16 ? 5 : 8, green = bpp == 16 ? 6 : red;

    if (bpp <= 8) {
        put32(o, 0);
        put32(o, 0);
        return;
    }
    put8(o, red);
    put8(o, (u8)(green + red));
    put8(o, green);
    put8(o, red);
    put8(o, red);
    put8(o, 0);
    put8(o, bpp == 15 ? 1 : bpp == 32 ? 8 : 0);
    put8(o, bpp == 15 ? 15 : bpp == 32 ? 24 : 0);
}

static void put_geometry(struct out *o, const ROM struct vbe_mode *m)
{
    put16(o, m->width);
    put16(o, m->height);
    put8(o, 8);
    put8(o, 16);
    put8(o, m->bpp == 4 ? 4 : 1);
    put8(o, m->bpp);
    put8(o, 1);                                     /* banks, in the sense of interleaving */
    put8(o, m->bpp == 4 ? 3 : m->bpp == 8 ? 4 : 6); /* planar, packed, direct color */
    put8(o, 0);
}

static u8 pages(const ROM struct vbe_mode *m)
{
    u32 size = (u32)bytes_per_line(m->width, m->bpp) * m->height * (m->bpp == 4 ? 4 : 1), n = 0;

    for (u32 left = (u32)vbe_memory() << 16; left >= size && n < 255; left -= size)
        n++;
    return (u8)(n - 1);
}

static u16 mode_info(struct regs *r)
{
    const ROM struct vbe_mode *m = find_vbe(r->cx);
    struct out o = {r->es, r->di};
    u32 lfb = find_bar(0x10);
    u16 pitch;

    if (!m)
        return VBE_FAILED;
    pitch = bytes_per_line(m->width, m->bpp);
    far_fill16(o.seg, o.at, 0, 128);
    /* There, optional fields, INT 10h's characters and pixels, color, graphics; no VGA registers;
     * linear. Planar: windows only, and characters only where one window shows the planes. */
    put16(&o, m->number == 0x102 ? 0x1f : m->bpp == 4 ? 0x1b : lfb ? 0xbf : 0x3f);
    put16(&o, 7); /* window A: relocatable, readable, writable; B: none */
    put16(&o, 64);
    put16(&o, 64);
    put16(&o, 0xa000);
    put16(&o, 0);
    put32(&o, FARPTR(0xc000, (u32)(size_t)&vbe_window_far));
    put16(&o, pitch);
    put_geometry(&o, m);
    put8(&o, pages(m));
    put8(&o, 1);
    put_masks(&o, m->bpp);
    put8(&o, 2); /* the reserved bits may be used */
    put32(&o, m->bpp == 4 ? 0 : lfb);
    put32(&o, 0);
    put16(&o, 0);
    put16(&o, pitch); /* VBE 3.0: the linear pitch, pages, masks, pixel clock */
    put8(&o, pages(m));
    put8(&o, pages(m));
    put_masks(&o, m->bpp);
    put32(&o, 400000000);
    return VBE_OK;
}

/* ---- 02h, 03h: the mode ---- */

static void show(const ROM struct vbe_mode *m, u16 number)
{
    u8 keep = number & MODE_KEEP ? 0x80 : 0;

    set_mode((u8)((m->bpp == 4 ? 0x12 : 0x13) | keep));
    vbe_set_register(DISPI_XRES, m->width);
    vbe_set_register(DISPI_YRES, m->height);
    vbe_set_register(DISPI_BPP, m->bpp);
    vbe_set_register(DISPI_ENABLE, (u16)(DISPI_ENABLED | (number & MODE_LFB ? DISPI_LFB : 0) |
                                         (keep ? DISPI_KEEP : 0)));
    vbe_set_register(DISPI_BANK, 0);
    bda->video_mode = m->number == 0x102 ? VBE_PLANAR : 0x7f; /* 0Fh: none of the VGA's */
    bda->video_cols = MIN(m->width / 8, 255);                 /* a cursor's column is a byte */
    bda->video_page_size = (u16)(m->bpp == 4 ? 0xea60 : 0);
    bda->video_rows = (u8)(m->height / 16 - 1);
    bda->char_height = 16;
    set_vector(0x43, FARPTR(0xc000, (u32)font16));
}

static u16 set_vbe(struct regs *r)
{
    u16 number = r->bx;
    const ROM struct vbe_mode *m;

    if ((number & 0x1ff) < 0x100) {
        if (!find_mode(number & 0x7f))
            return VBE_FAILED;
        set_mode((u8)((number & 0x7f) | (number & MODE_KEEP ? 0x80 : 0)));
        return VBE_OK;
    }
    m = find_vbe(number);
    if (!m || (number & MODE_LFB && (m->bpp == 4 || !find_bar(0x10))))
        return VBE_FAILED;
    show(m, number);
    return VBE_OK;
}

bool vbe_planar(u8 keep)
{
    struct regs r = {.bx = (u16)(0x102 | keep << 8)};

    return vbe_present() && set_vbe(&r) == VBE_OK;
}

static u16 get_vbe(struct regs *r)
{
    const ROM struct vbe_mode *m = vbe_active() ? current_vbe() : NULL;

    if (!m) {
        r->bx = bda->video_mode & 0x7f;
        return VBE_OK;
    }
    r->bx = m->number;
    if (vbe_register(DISPI_ENABLE) & DISPI_LFB)
        r->bx |= MODE_LFB;
    return VBE_OK;
}

/* ---- 04h: state ---- */

/* In front of what INT 10h/AH=1Ch saves: the DISPI registers from XRES to Y_OFFSET. */
static u16 vbe_state(struct regs *r)
{
    u16 what = r->cx & 7, size = save_state_size(what);

    if (r->dl == 0) {
        r->bx = (u16)((size + 64 + 63) / 64);
        return VBE_OK;
    }
    if (r->dl == 1) {
        for (u16 i = DISPI_XRES; i <= DISPI_Y_OFFSET; i++)
            poke16(r->es, (u16)(r->bx + i * 2), vbe_register(i));
        save_state(what, r->es, (u16)(r->bx + 64));
        return VBE_OK;
    }
    if (r->dl != 2)
        return VBE_FAILED;
    vbe_off();
    restore_state(what, r->es, (u16)(r->bx + 64));
    if (peek16(r->es, (u16)(r->bx + DISPI_ENABLE * 2)) & DISPI_ENABLED)
        for (u16 i = DISPI_XRES; i <= DISPI_Y_OFFSET; i++)
            vbe_set_register(i, (u16)(peek16(r->es, (u16)(r->bx + i * 2)) |
                                      (i == DISPI_ENABLE ? DISPI_KEEP : 0)));
    return VBE_OK;
}

/* ---- 05h to 09h ---- */

static u16 window(struct regs *r)
{
    if (!vbe_active() || vbe_register(DISPI_ENABLE) & DISPI_LFB)
        return VBE_INVALID;
    if (r->bl != 0)
        return VBE_FAILED;
    if (r->bh == 1) {
        r->dx = vbe_register(DISPI_BANK);
        return VBE_OK;
    }
    if (r->bh != 0 || r->dx >= vbe_memory())
        return VBE_FAILED;
    vbe_set_register(DISPI_BANK, r->dx);
    return VBE_OK;
}

static u32 divide(u32 n, u32 by)
{
    return by ? n / by : 0;
}

static u16 line_length(struct regs *r)
{
    u16 bpp = vbe_register(DISPI_BPP), bytes = (u16)((bpp + 7) / 8), pixels, pitch;

    if (!vbe_active())
        return VBE_INVALID;
    if (r->bl == 0 || r->bl == 2) {
        pixels = r->bl == 0 ? r->cx : bpp == 4 ? (u16)(r->cx * 8) : (u16)divide(r->cx, bytes);
        if (pixels < vbe_register(DISPI_XRES))
            return VBE_FAILED;
        vbe_set_register(DISPI_VIRT_WIDTH, pixels);
    } else if (r->bl == 3) { /* the longest: all of memory in YRES lines */
        u32 most = divide((u32)vbe_memory() << 16, (u32)vbe_register(DISPI_YRES) * bytes);

        r->cx = (u16)MIN(most, 0xffff / bytes);
        r->bx = (u16)(r->cx * bytes);
        r->dx = vbe_register(DISPI_YRES);
        return VBE_OK;
    } else if (r->bl != 1) {
        return VBE_FAILED;
    }
    r->cx = vbe_register(DISPI_VIRT_WIDTH);
    pitch = bytes_per_line(r->cx, (u8)bpp);
    r->bx = pitch;
    r->dx = (u16)MIN(divide((u32)vbe_memory() << 16, (u32)pitch * (bpp == 4 ? 4 : 1)), 0xffff);
    return VBE_OK;
}

/* Subfunction 02h: ECX is a byte's number in the display memory (a plane's with 4 bits). */
static u16 start_by_byte(u32 at)
{
    u16 bpp = vbe_register(DISPI_BPP),
        pitch = bytes_per_line(vbe_register(DISPI_VIRT_WIDTH), (u8)bpp);
    u32 y = divide(at, pitch), x = at - y * pitch;

    if (y > 0xffff)
        return VBE_FAILED;
    vbe_set_register(DISPI_X_OFFSET, (u16)(bpp == 4 ? x * 8 : divide(x, (bpp + 7u) / 8)));
    vbe_set_register(DISPI_Y_OFFSET, (u16)y);
    return VBE_OK;
}

/* Bit 7 of BL: until a vertical retrace begins. */
static void wait_retrace(const struct regs *r)
{
    if (!(r->bl & 0x80))
        return;
    while (inb((u16)(bda->crtc + 6)) & 8)
        ;
    while (!(inb((u16)(bda->crtc + 6)) & 8))
        ;
}

static u16 display_start(struct regs *r)
{
    if (!vbe_active())
        return VBE_INVALID;
    wait_retrace(r);
    switch (r->bl & 0x7f) {
    case 0x00:
        vbe_set_register(DISPI_X_OFFSET, r->cx);
        vbe_set_register(DISPI_Y_OFFSET, r->dx);
        return VBE_OK;
    case 0x01:
        r->bh = 0;
        r->cx = vbe_register(DISPI_X_OFFSET);
        r->dx = vbe_register(DISPI_Y_OFFSET);
        return VBE_OK;
    case 0x02:
        return start_by_byte(r->ecx);
    case 0x04: /* what was scheduled has happened */
        r->cx = 1;
        return VBE_OK;
    default:
        return VBE_FAILED;
    }
}

static u16 dac_format(struct regs *r)
{
    u16 enable = vbe_register(DISPI_ENABLE);

    if (vbe_active() && vbe_register(DISPI_BPP) > 8)
        return VBE_INVALID;
    if (r->bl == 0) {
        enable = (u16)(r->bh >= 8 ? enable | DISPI_8BIT : enable & ~DISPI_8BIT);
        vbe_set_register(DISPI_ENABLE, enable | DISPI_KEEP);
    } else if (r->bl != 1) {
        return VBE_FAILED;
    }
    r->bh = vbe_register(DISPI_ENABLE) & DISPI_8BIT ? 8 : 6;
    return VBE_OK;
}

/* Entries are blue, green, red and an alignment byte. */
static u16 palette(struct regs *r)
{
    u16 at = r->di;

    if (r->cx > 256 || r->dx + r->cx > 256)
        return VBE_FAILED;
    if ((r->bl & 0x7f) == 2 || r->bl == 3)
        return VBE_NOT_HERE; /* a secondary palette */
    if ((r->bl & 0x7f) == 0) {
        wait_retrace(r);
        for (u16 i = 0; i < r->cx; i++, at = (u16)(at + 4))
            set_dac((u8)(r->dx + i), peek8(r->es, (u16)(at + 2)), peek8(r->es, (u16)(at + 1)),
                    peek8(r->es, at));
        return VBE_OK;
    }
    if (r->bl != 1)
        return VBE_FAILED;
    outb(DAC_READ_INDEX, r->dl);
    for (u16 i = 0; i < r->cx; i++, at = (u16)(at + 4)) {
        poke8(r->es, (u16)(at + 2), inb(DAC_DATA));
        poke8(r->es, (u16)(at + 1), inb(DAC_DATA));
        poke8(r->es, at, inb(DAC_DATA));
        poke8(r->es, (u16)(at + 3), 0);
    }
    return VBE_OK;
}

/* ---- 0Ah: the protected-mode interface ---- */

static u16 protected_mode(struct regs *r)
{
    if (r->bl)
        return VBE_FAILED;
    r->es = 0xc000;
    r->di = (u16)(u32)pm_table;
    r->cx = (u16)(pm_end - pm_table);
    return VBE_OK;
}

/* ---- 0Bh, 10h: pixel clock, power (VBE/PM 1.0) ---- */

/* Any clock will do: nothing is scanned out. */
static u16 pixel_clock(struct regs *r)
{
    return r->bl == 0 && find_vbe(r->dx) ? VBE_OK : VBE_FAILED;
}

/* Only "off", which is the sequencer's screen off. */
static u16 power(struct regs *r)
{
    u8 clocking = get_reg(SEQ, 1);

    if (r->bl == 0) {
        r->bx = 0x0410; /* version 1.0 */
    } else if (r->bl == 1) {
        if (r->bh & ~4)
            return VBE_FAILED;
        set_reg(SEQ, 1, (u8)((clocking & ~0x20) | (r->bh ? 0x20 : 0)));
    } else if (r->bl == 2) {
        r->bh = clocking & 0x20 ? 4 : 0;
    } else {
        return VBE_FAILED;
    }
    return VBE_OK;
}

/* ---- 15h: the display's EDID, which the adapter shows at the start of its register BAR ---- */

static u16 edid(struct regs *r)
{
    u32 mmio = real_mode() ? find_bar(0x18) : 0;

    if (!mmio || phys_read32(mmio) != 0xffffff00u)
        return VBE_FAILED;
    if (r->bl == 0) {
        r->bx = 0x0102; /* about a second for a block; DDC2 */
        return VBE_OK;
    }
    if (r->bl != 1 || r->dx > 1 || (r->dx == 1 && !(phys_read32(mmio + 124) >> 16 & 0xff)))
        return VBE_FAILED;
    for (u16 i = 0; i < 128; i = (u16)(i + 4)) {
        u32 v = phys_read32(mmio + r->dx * 128u + i);

        poke16(r->es, (u16)(r->di + i), (u16)v);
        poke16(r->es, (u16)(r->di + i + 2), (u16)(v >> 16));
    }
    return VBE_OK;
}

void int10_vbe(struct regs *r)
{
    u16 ax = 0x0100; /* AL other than 4Fh: not supported */

    if (!vbe_present())
        return;
    switch (r->al) {
    case 0x00:
        ax = controller_info(r);
        break;
    case 0x01:
        ax = mode_info(r);
        break;
    case 0x02:
        ax = set_vbe(r);
        break;
    case 0x03:
        ax = get_vbe(r);
        break;
    case 0x04:
        ax = vbe_state(r);
        break;
    case 0x05:
        ax = window(r);
        break;
    case 0x06:
        ax = line_length(r);
        break;
    case 0x07:
        ax = display_start(r);
        break;
    case 0x08:
        ax = dac_format(r);
        break;
    case 0x09:
        ax = palette(r);
        break;
    case 0x0a:
        ax = protected_mode(r);
        break;
    case 0x0b:
        ax = pixel_clock(r);
        break;
    case 0x10:
        ax = power(r);
        break;
    case 0x15:
        ax = edid(r);
        break;
    default:
        break;
    }
    r->ax = ax;
}
