/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VGA registers, the way of bytes into the planes, timing, and the Bochs display interface.
 *
 * Video memory holds the four bytes of one plane address next to each other. With chain 4 an
 * address A of the processor is plane A & 3, and A14 and A15 take the place of the two address bits
 * that are missing then; in which order plane addresses are stored is chosen so that byte A of such
 * a mode is byte A of video memory (vga_plane_index()). So mode 13h needs no device access, and
 * what a program sees after leaving chain 4 is still what it would see on the hardware.
 *
 * Not here: the light pen, the vertical interrupt (no PCI adapter has it), CR17.3 and SR1.2/4
 * (memory fetched every second or fourth character clock), the EGA's border. */
#include "devices/display/vga.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vm/machine.h"

#define WINDOW_BASE 0xa0000u
#define WINDOW_SIZE 0x20000u
#define BANK_SIZE   0x10000u

#define DISPI_ID0     0xb0c0
#define DISPI_ID5     0xb0c5
#define DISPI_IOPORT  0x1ce
#define DISPI_MAX_RES SURFACE_MAX
#define DISPI_MAX_BPP 32

enum {
    MISC_COLOUR = 0x01, /* ports 3Dx */
    MISC_RAM = 0x02,
    SEQ_CLOCKING = 1,
    SEQ_MAP_MASK = 2,
    SEQ_MEMORY = 4,
    MEMORY_SEQUENTIAL = 0x04, /* not odd/even */
    MEMORY_CHAIN4 = 0x08,
    GFX_SET_RESET = 0,
    GFX_ENABLE_SET_RESET = 1,
    GFX_COMPARE = 2,
    GFX_ROTATE = 3,
    GFX_READ_MAP = 4,
    GFX_MODE = 5,
    GFX_MISC = 6,
    GFX_DONT_CARE = 7,
    GFX_BIT_MASK = 8,
    MODE_READ1 = 0x08,
    MODE_ODD_EVEN = 0x10,
    CRTC_PROTECT = 0x11,
    CRTC_LATCH = 0x22, /* reads the latch of the plane to be read */
    CRTC_FLIPFLOP = 0x24,
    STATUS_NO_DISPLAY = 0x01,
    STATUS_RETRACE = 0x08,
    IS0_SENSE = 0x10, /* a monitor is there */
};

/* Bits that exist. */
static const uint8_t seq_mask[VGA_NUM_SEQ] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gfx_mask[VGA_NUM_GFX] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t attr_mask[VGA_NUM_ATTR] = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                                0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                                0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

/* ---- which part of the memory is shown at 0xa0000 ---- */

static bool linear_bank(const struct vga *v)
{
    return vga_dispi_on(&v->r) && v->r.dispi[DISPI_BPP] != 4;
}

/* Chain 4 with a graphics controller that changes nothing. What is not modelled: reads of such
 * memory do not load the latches. */
static bool plain_chain4(const struct vga *v)
{
    const struct vga_regs *r = &v->r;

    return (r->seq[SEQ_MEMORY] & MEMORY_CHAIN4) && r->seq[SEQ_MAP_MASK] == 0x0f &&
           !(r->gfx[GFX_MODE] & (MODE_READ1 | 3)) && !r->gfx[GFX_ENABLE_SET_RESET] &&
           !r->gfx[GFX_ROTATE] && r->gfx[GFX_BIT_MASK] == 0xff && !vga_dispi_on(r) &&
           (r->gfx[GFX_MISC] >> 2 & 3) == 1;
}

static uint32_t bank_offset(const struct vga *v)
{
    return vga_dispi_on(&v->r) ? v->r.dispi[DISPI_BANK] * BANK_SIZE & (v->vram_size - 1) : 0;
}

static void show_window(struct region *r, bool on)
{
    if (r->enabled != on)
        region_enable(r, on);
}

static void update_window(struct vga *v)
{
    bool on = v->memory_on && (v->r.misc & MISC_RAM);
    bool direct = on && (linear_bank(v) || plain_chain4(v));
    uint64_t at = v->vram_at + bank_offset(v);

    if (v->window.enabled == on && v->direct.enabled == direct &&
        (!direct || v->direct.read_at == at))
        return;
    address_space_begin(&v->m->mem);
    show_window(&v->window, on);
    show_window(&v->direct, direct);
    if (direct && v->direct.read_at != at)
        region_set_memory(&v->direct, at, at);
    address_space_commit(&v->m->mem);
}

/* ---- the planes ---- */

uint32_t vga_plane_index(const struct vga *v, uint32_t address)
{
    if (vga_dispi_on(&v->r))
        return address * 4 & (v->vram_size - 1);
    address &= 0xffff;
    return ((address >> 2) | ((address ^ address >> 14) & 3) << 14) * 4;
}

static uint32_t load_planes(const struct vga *v, uint32_t address)
{
    const uint8_t *p = v->m->arena.host + v->vram_at + vga_plane_index(v, address);

    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store_planes(struct vga *v, uint32_t address, uint32_t value, unsigned planes)
{
    uint64_t at = v->vram_at + vga_plane_index(v, address);

    arena_before_store(&v->m->arena, at, 4);
    for (unsigned n = 0; n < 4; n++)
        if (planes >> n & 1)
            v->m->arena.host[at + n] = (uint8_t)(value >> 8 * n);
    arena_store_notify(&v->m->arena, at, 4);
}

/* Bit n of `bits` in all bits of byte n. */
static uint32_t spread(unsigned bits)
{
    uint32_t v = 0;

    for (unsigned n = 0; n < 4; n++)
        v |= bits >> n & 1 ? 0xffu << 8 * n : 0;
    return v;
}

static uint32_t all_planes(uint8_t byte)
{
    return byte * 0x01010101u;
}

static uint8_t rotate_right(uint8_t byte, unsigned n)
{
    return (uint8_t)(byte >> n | byte << (8 - n));
}

/* The memory map of the graphics controller: false if it is not at this address. Bits above A15
 * only come with the 128 KiB map. */
static bool decode(const struct vga *v, uint64_t offset, uint32_t *address)
{
    static const struct {
        uint32_t start, size;
    } maps[4] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    unsigned map = v->r.gfx[GFX_MISC] >> 2 & 3;

    if (offset < maps[map].start || offset - maps[map].start >= maps[map].size)
        return false;
    *address = (uint32_t)offset - maps[map].start;
    if (vga_dispi_on(&v->r)) /* 4 bits per pixel */
        *address += bank_offset(v);
    return true;
}

/* Odd/even: A0 selects the plane, and A16 takes its place. */
static uint32_t odd_even_address(uint32_t a)
{
    return (a & ~1u) | (a >> 16 & 1);
}

static uint32_t chain4_address(uint32_t a)
{
    return (a & 0xfffc) | (a >> 14 & 3);
}

/* Graphics Mode, write modes 0 to 3. */
static uint32_t graphics_data(const struct vga *v, uint8_t byte)
{
    const uint8_t *g = v->r.gfx;
    uint8_t rotated = rotate_right(byte, g[GFX_ROTATE] & 7);
    uint32_t mask = all_planes(g[GFX_BIT_MASK]), data, enable;

    switch (g[GFX_MODE] & 3) {
    case 0:
        enable = spread(g[GFX_ENABLE_SET_RESET]);
        data = (all_planes(rotated) & ~enable) | (spread(g[GFX_SET_RESET]) & enable);
        break;
    case 1:
        return v->latch;
    case 2:
        data = spread(byte);
        break;
    default:
        mask &= all_planes(rotated);
        data = spread(g[GFX_SET_RESET]);
    }
    switch (g[GFX_ROTATE] >> 3) {
    case 1:
        data &= v->latch;
        break;
    case 2:
        data |= v->latch;
        break;
    case 3:
        data ^= v->latch;
    }
    return (data & mask) | (v->latch & ~mask);
}

static void window_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct vga *v = opaque;
    unsigned planes = v->r.seq[SEQ_MAP_MASK];
    uint32_t a;

    (void)size;
    if (linear_bank(v) || !decode(v, offset, &a))
        return;
    if (v->r.seq[SEQ_MEMORY] & MEMORY_CHAIN4) {
        planes &= 1u << (a & 3);
        a = chain4_address(a);
    } else if (!(v->r.seq[SEQ_MEMORY] & MEMORY_SEQUENTIAL)) {
        planes &= a & 1 ? 0xa : 0x5;
        a = odd_even_address(a);
    }
    if (planes)
        store_planes(v, a, graphics_data(v, (uint8_t)value), planes);
}

/* Read mode 1: bits where the planes that matter have the colour. */
static uint8_t compare_colour(const struct vga *v)
{
    uint32_t differs = (v->latch ^ spread(v->r.gfx[GFX_COMPARE])) & spread(v->r.gfx[GFX_DONT_CARE]);

    return (uint8_t) ~(differs | differs >> 8 | differs >> 16 | differs >> 24);
}

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;
    unsigned plane = v->r.gfx[GFX_READ_MAP];
    uint32_t a;

    (void)size;
    if (linear_bank(v) || !decode(v, offset, &a))
        return 0xff;
    if (v->r.seq[SEQ_MEMORY] & MEMORY_CHAIN4) {
        plane = a & 3;
        a = chain4_address(a);
    } else if (v->r.gfx[GFX_MODE] & MODE_ODD_EVEN) {
        plane = (plane & 2) | (a & 1);
        a = odd_even_address(a);
    }
    v->latch = load_planes(v, a);
    return v->r.gfx[GFX_MODE] & MODE_READ1 ? compare_colour(v) : (uint8_t)(v->latch >> 8 * plane);
}

static const struct region_ops window_ops = {
    .read = window_read, .write = window_write, .min_size = 1, .max_size = 1};

/* ---- timing ---- */

static unsigned bit(unsigned value, unsigned from, unsigned to)
{
    return (value >> from & 1) << to;
}

/* Clocks 2 and 3 come from outside on IBM's adapter; here they are the first two again. */
void vga_get_timing(const struct vga *v, struct vga_timing *t)
{
    const uint8_t *c = v->r.crtc;
    uint64_t hz = v->r.misc & 4 ? 28322000 : 25175000;
    unsigned dots = v->r.seq[SEQ_CLOCKING] & 1 ? 8 : 9;

    if (v->r.seq[SEQ_CLOCKING] & 8)
        hz /= 2;
    t->chars = c[0] + 5u;
    t->displayed_chars = c[1] + 1u;
    t->lines = (c[6] | bit(c[7], 0, 8) | bit(c[7], 5, 9)) + 2u;
    t->displayed_lines = (c[0x12] | bit(c[7], 1, 8) | bit(c[7], 6, 9)) + 1u;
    t->retrace_start = c[0x10] | bit(c[7], 2, 8) | bit(c[7], 7, 9);
    t->retrace_end = t->retrace_start + (((c[0x11] & 15u) - t->retrace_start) & 15);
    t->line_ns = (uint64_t)t->chars * dots * NS_PER_SEC / hz;
    if (c[0x17] & 4) /* vertical counters see every second line */
        t->line_ns *= 2;
    t->frame_ns = t->line_ns * t->lines;
}

/* Input Status 1. Frames begin at multiples of their length: there is no state in it. */
static uint8_t input_status_1(const struct vga *v)
{
    struct vga_timing t;
    uint8_t status = 0;

    vga_get_timing(v, &t);
    uint64_t in_frame = vm_clock_now(&v->m->clock) % t.frame_ns;
    uint64_t line = in_frame / t.line_ns, in_line = in_frame % t.line_ns;

    if (line >= t.displayed_lines || in_line * t.chars / t.line_ns >= t.displayed_chars)
        status |= STATUS_NO_DISPLAY;
    if (line >= t.retrace_start && line < t.retrace_end)
        status |= STATUS_NO_DISPLAY | STATUS_RETRACE;
    return status;
}

/* ---- the DAC ---- */

/* Palette entries are kept with 8 bits only while the DISPI asks for that. */
static uint8_t dac_bits(const struct vga *v)
{
    return v->r.dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? 0xff : 0x3f;
}

/* An entry changes when its third component is written. */
static void dac_write(struct vga *v, uint8_t value)
{
    value &= dac_bits(v);
    if (v->dac_component < 2) {
        v->dac_in[v->dac_component++] = value;
        return;
    }
    uint8_t *entry = v->r.dac + v->dac_write * 3;
    entry[0] = v->dac_in[0];
    entry[1] = v->dac_in[1];
    entry[2] = value;
    v->dac_component = 0;
    v->dac_write++;
}

static uint8_t dac_read(struct vga *v)
{
    uint8_t value = v->r.dac[v->dac_read * 3 + v->dac_component % 3];

    if (++v->dac_component >= 3) {
        v->dac_component = 0;
        v->dac_read++;
    }
    return value;
}

static void dac_select(struct vga *v, uint8_t index, bool reading)
{
    if (reading)
        v->dac_read = index;
    else
        v->dac_write = index;
    v->dac_reading = reading;
    v->dac_component = 0;
}

/* ---- registers ---- */

static void attr_write(struct vga *v, uint8_t value)
{
    if (!v->attr_data) {
        v->attr_index = value & 0x1f;
        v->r.palette_on = value & 0x20;
    } else if (v->attr_index < VGA_NUM_ATTR) {
        v->r.attr[v->attr_index] = value & attr_mask[v->attr_index];
    }
    v->attr_data = !v->attr_data;
}

static void crtc_write(struct vga *v, uint8_t value)
{
    uint8_t *c = v->r.crtc;
    unsigned i = v->crtc_index;

    if (i >= VGA_NUM_CRTC)
        return;
    if (!(c[CRTC_PROTECT] & 0x80) || i > 7)
        c[i] = value;
    else if (i == 7) /* bit 8 of the line compare is never protected */
        c[7] = (uint8_t)((c[7] & ~0x10) | (value & 0x10));
}

static uint8_t crtc_read(const struct vga *v)
{
    if (v->crtc_index < VGA_NUM_CRTC)
        return v->r.crtc[v->crtc_index];
    if (v->crtc_index == CRTC_LATCH)
        return (uint8_t)(v->latch >> 8 * v->r.gfx[GFX_READ_MAP]);
    if (v->crtc_index == CRTC_FLIPFLOP)
        return (uint8_t)(v->attr_data << 7 | v->attr_index);
    return 0;
}

/* CRTC and Input Status 1 are at 3Dx or 3Bx. */
static bool other_base(const struct vga *v, unsigned port)
{
    bool movable = (port & 0xf) == 4 || (port & 0xf) == 5 || (port & 0xf) == 0xa;

    return (port >> 4 == 0x3b && (!movable || (v->r.misc & MISC_COLOUR))) ||
           (port >> 4 == 0x3d && (!movable || !(v->r.misc & MISC_COLOUR)));
}

uint8_t vga_port_read(struct vga *v, unsigned port)
{
    if (other_base(v, port))
        return 0xff;
    switch (port) {
    case 0x3c0:
        return (uint8_t)(v->attr_index | v->r.palette_on << 5);
    case 0x3c1:
        return v->attr_index < VGA_NUM_ATTR ? v->r.attr[v->attr_index] : 0;
    case 0x3c2:
        return IS0_SENSE;
    case 0x3c4:
        return v->seq_index;
    case 0x3c5:
        return v->seq_index < VGA_NUM_SEQ ? v->r.seq[v->seq_index] : 0;
    case 0x3c6:
        return v->r.dac_mask;
    case 0x3c7:
        return v->dac_reading ? 3 : 0;
    case 0x3c8:
        return v->dac_write;
    case 0x3c9:
        return dac_read(v);
    case 0x3ca:
        return v->feature;
    case 0x3cc:
        return v->r.misc;
    case 0x3ce:
        return v->gfx_index;
    case 0x3cf:
        return v->gfx_index < VGA_NUM_GFX ? v->r.gfx[v->gfx_index] : 0;
    case 0x3b4:
    case 0x3d4:
        return v->crtc_index;
    case 0x3b5:
    case 0x3d5:
        return crtc_read(v);
    case 0x3ba:
    case 0x3da:
        v->attr_data = false;
        return input_status_1(v);
    default:
        return 0xff;
    }
}

static void seq_write(struct vga *v, uint8_t value)
{
    if (v->seq_index < VGA_NUM_SEQ)
        v->r.seq[v->seq_index] = value & seq_mask[v->seq_index];
    update_window(v);
}

static void gfx_write(struct vga *v, uint8_t value)
{
    if (v->gfx_index < VGA_NUM_GFX)
        v->r.gfx[v->gfx_index] = value & gfx_mask[v->gfx_index];
    update_window(v);
}

void vga_port_write(struct vga *v, unsigned port, uint8_t value)
{
    if (other_base(v, port))
        return;
    switch (port) {
    case 0x3b4:
    case 0x3d4:
        v->crtc_index = value & 0x3f;
        break;
    case 0x3b5:
    case 0x3d5:
        crtc_write(v, value);
        break;
    case 0x3ba:
    case 0x3da:
        v->feature = value & 0x10;
        break;
    case 0x3c0:
        attr_write(v, value);
        break;
    case 0x3c2:
        v->r.misc = value & ~0x10;
        update_window(v);
        break;
    case 0x3c4:
        v->seq_index = value & 7;
        break;
    case 0x3c5:
        seq_write(v, value);
        break;
    case 0x3c6:
        v->r.dac_mask = value;
        break;
    case 0x3c7:
    case 0x3c8:
        dac_select(v, value, port == 0x3c7);
        break;
    case 0x3c9:
        dac_write(v, value);
        break;
    case 0x3ce:
        v->gfx_index = value & 0xf;
        break;
    case 0x3cf:
        gfx_write(v, value);
        break;
    }
}

/* ---- the Bochs display interface ---- */

static unsigned bits_per_pixel(const struct vga_regs *r)
{
    return r->dispi[DISPI_BPP] == 15 ? 16 : r->dispi[DISPI_BPP];
}

uint32_t vga_dispi_pitch(const struct vga_regs *r)
{
    unsigned bpp = bits_per_pixel(r);

    return bpp == 4 ? r->dispi[DISPI_VIRT_WIDTH] / 8u : r->dispi[DISPI_VIRT_WIDTH] * (bpp / 8);
}

/* Lines of video memory there are with this pitch. In 4 bit modes a plane is a quarter of it. */
static uint32_t memory_lines(const struct vga *v)
{
    uint32_t size = v->r.dispi[DISPI_BPP] == 4 ? v->vram_size / 4 : v->vram_size;
    uint32_t pitch = vga_dispi_pitch(&v->r);

    return pitch ? size / pitch : 0;
}

static uint16_t clamp16(uint32_t value, uint32_t low, uint32_t high)
{
    return (uint16_t)(value < low ? low : value > high ? high : value);
}

/* Whatever the registers hold, the picture is within video memory. It may start anywhere in a line:
 * what is right of the virtual screen is the next line's. */
static void fix_dispi(struct vga *v)
{
    uint16_t *d = v->r.dispi;
    uint32_t lines, spare;

    d[DISPI_XRES] = clamp16(d[DISPI_XRES] & ~7u, 8, DISPI_MAX_RES);
    d[DISPI_VIRT_WIDTH] = clamp16(d[DISPI_VIRT_WIDTH] & ~7u, d[DISPI_XRES], 0x7ff8);
    lines = memory_lines(v); /* two at least: VGA_MIN_VRAM */
    d[DISPI_YRES] = clamp16(d[DISPI_YRES], 1, lines < DISPI_MAX_RES ? lines : DISPI_MAX_RES);
    spare = lines - d[DISPI_YRES];
    d[DISPI_X_OFFSET] =
        clamp16(d[DISPI_X_OFFSET], 0, d[DISPI_VIRT_WIDTH] - (spare ? 1 : d[DISPI_XRES]));
    if (d[DISPI_X_OFFSET] + d[DISPI_XRES] > d[DISPI_VIRT_WIDTH])
        spare--;
    d[DISPI_Y_OFFSET] = clamp16(d[DISPI_Y_OFFSET], 0, spare);
}

static void clear_screen(struct vga *v)
{
    uint32_t size = v->r.dispi[DISPI_YRES] * vga_dispi_pitch(&v->r);

    if (v->r.dispi[DISPI_BPP] == 4)
        size *= 4;
    arena_before_store(&v->m->arena, v->vram_at, size);
    memset(v->m->arena.host + v->vram_at, 0, size);
    arena_store_notify(&v->m->arena, v->vram_at, size);
}

static void enable_dispi(struct vga *v, uint16_t value)
{
    uint16_t *d = v->r.dispi;
    bool was_on = vga_dispi_on(&v->r), was_8bit = d[DISPI_ENABLE] & DISPI_8BIT_DAC;

    d[DISPI_ENABLE] = value & (DISPI_ENABLED | DISPI_GETCAPS | DISPI_8BIT_DAC | DISPI_LFB_ENABLED |
                               DISPI_NOCLEARMEM);
    if (was_8bit != !!(value & DISPI_8BIT_DAC)) /* the same colours in the new unit */
        for (unsigned i = 0; i < sizeof(v->r.dac); i++)
            v->r.dac[i] = was_8bit ? v->r.dac[i] >> 2 : (uint8_t)(v->r.dac[i] << 2);
    if (!vga_dispi_on(&v->r)) {
        d[DISPI_BANK] = 0;
    } else if (!was_on) {
        d[DISPI_VIRT_WIDTH] = d[DISPI_XRES];
        d[DISPI_X_OFFSET] = d[DISPI_Y_OFFSET] = 0;
        fix_dispi(v);
        if (!(value & DISPI_NOCLEARMEM))
            clear_screen(v);
    }
    update_window(v);
}

uint16_t vga_dispi_read(const struct vga *v, unsigned index)
{
    bool caps = v->r.dispi[DISPI_ENABLE] & DISPI_GETCAPS;

    switch (index) {
    case DISPI_XRES:
    case DISPI_YRES:
        return caps ? DISPI_MAX_RES : v->r.dispi[index];
    case DISPI_BPP:
        return caps ? DISPI_MAX_BPP : v->r.dispi[index];
    case DISPI_VIRT_HEIGHT:
        return clamp16(memory_lines(v), 0, UINT16_MAX);
    case DISPI_VIDEO_MEMORY_64K:
        return (uint16_t)(v->vram_size / BANK_SIZE);
    default:
        return index < VGA_NUM_DISPI ? v->r.dispi[index] : 0;
    }
}

static bool valid_bpp(uint16_t bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

/* Resolution and depth are those of the next time it is switched on. */
void vga_dispi_write(struct vga *v, unsigned index, uint16_t value)
{
    uint16_t *d = v->r.dispi;
    bool on = vga_dispi_on(&v->r);

    switch (index) {
    case DISPI_ID:
        if (value >= DISPI_ID0 && value <= DISPI_ID5)
            d[DISPI_ID] = value;
        break;
    case DISPI_XRES:
    case DISPI_YRES:
        if (!on && value <= DISPI_MAX_RES)
            d[index] = value;
        break;
    case DISPI_BPP:
        if (!on && (valid_bpp(value) || !value))
            d[DISPI_BPP] = value ? value : 8;
        break;
    case DISPI_ENABLE:
        enable_dispi(v, value);
        break;
    case DISPI_BANK:
        if (on && value * BANK_SIZE < v->vram_size)
            d[DISPI_BANK] = value;
        update_window(v);
        break;
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        d[index] = value;
        if (on)
            fix_dispi(v);
        break;
    }
}

/* ---- ports ---- */

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)size;
    return vga_port_read(opaque, 0x3b0 + (unsigned)offset);
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    vga_port_write(opaque, 0x3b0 + (unsigned)offset, (uint8_t)value);
}

static uint64_t ports_3c0_read(void *opaque, uint64_t offset, unsigned size)
{
    return ports_read(opaque, offset + 0x10, size);
}

static void ports_3c0_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    ports_write(opaque, offset + 0x10, value, size);
}

/* Two word registers at addresses that follow each other. Bytes of them do not exist. */
static uint64_t dispi_port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vga *v = opaque;

    if (size != 2 || offset > 1)
        return UINT64_MAX;
    return offset ? vga_dispi_read(v, v->dispi_index) : v->dispi_index;
}

static void dispi_port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct vga *v = opaque;

    if (size != 2 || offset > 1)
        return;
    if (offset)
        vga_dispi_write(v, v->dispi_index, (uint16_t)value);
    else
        v->dispi_index = (uint16_t)value;
}

void vga_decode(struct vga *v, bool io, bool memory)
{
    v->memory_on = memory;
    update_window(v);
    if (v->io_on == io)
        return;
    v->io_on = io;
    address_space_begin(&v->m->io);
    for (unsigned i = 0; i < 3; i++)
        region_enable(&v->ports[i], io);
    address_space_commit(&v->m->io);
}

static void add_regions(struct vga *v)
{
    static const struct region_ops ops_3b0 = {ports_read, ports_write, 1, 1};
    static const struct region_ops ops_3c0 = {ports_3c0_read, ports_3c0_write, 1, 1};
    static const struct region_ops dispi_ops = {dispi_port_read, dispi_port_write, 1, 2};

    region_init_device(&v->ports[0], "vga-3b0", 12, &ops_3b0, v);
    region_init_device(&v->ports[1], "vga-3c0", 32, &ops_3c0, v);
    region_init_device(&v->ports[2], "vga-dispi", 3, &dispi_ops, v);
    region_init_device(&v->window, "vga-window", WINDOW_SIZE, &window_ops, v);
    v->window.writes_wait = true;
    region_init_memory(&v->direct, "vga-bank", BANK_SIZE, v->vram_at, v->vram_at);
    address_space_begin(&v->m->io);
    region_add(&v->m->io, &v->ports[0], 0x3b0, 1);
    region_add(&v->m->io, &v->ports[1], 0x3c0, 1);
    region_add(&v->m->io, &v->ports[2], DISPI_IOPORT, 1);
    for (unsigned i = 0; i < 3; i++)
        region_enable(&v->ports[i], false);
    address_space_commit(&v->m->io);
    address_space_begin(&v->m->mem);
    region_add(&v->m->mem, &v->window, WINDOW_BASE, 1);
    region_add(&v->m->mem, &v->direct, WINDOW_BASE, 2);
    region_enable(&v->window, false);
    region_enable(&v->direct, false);
    address_space_commit(&v->m->mem);
}

/* ---- what firmware does ---- */

/* Mode 3 with 9x16 characters, as every VGA BIOS programs it. */
static const struct vga_regs mode3 = {
    .misc = 0x67,
    .seq = {0x03, 0x00, 0x03, 0x00, 0x02},
    .gfx = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff},
    .crtc = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
             0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
    .attr = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
             0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00},
    .palette_on = true,
    .dac_mask = 0xff,
};

/* The attribute controller's six bits are rgbRGB: two thirds and one third of each colour. */
static void load_ega_colours(struct vga *v)
{
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned c = 0; c < 3; c++)
            v->r.dac[i * 3 + c] =
                (uint8_t)((i >> (2 - c) & 1 ? 42 : 0) + (i >> (5 - c) & 1 ? 21 : 0));
    }
}

void vga_set_text_mode(struct vga *v, const uint8_t *font8x16)
{
    uint16_t id = v->r.dispi[DISPI_ID];

    v->r = mode3;
    v->r.dispi[DISPI_ID] = id;
    v->r.dispi[DISPI_BPP] = 8;
    load_ega_colours(v);
    for (uint32_t a = 0; a < 0x4000; a += 2) /* a blank and its attribute */
        store_planes(v, a, ' ' | 0x0700, 3);
    for (unsigned i = 0; i < 256 * 16; i++)
        store_planes(v, (i / 16) * 32 + i % 16, (uint32_t)font8x16[i] << 16, 4);
    update_window(v);
}

/* ---- life ---- */

static const struct state_field regs_fields[] = {
    STATE_U8(struct vga_regs, misc),
    STATE_BYTES(struct vga_regs, seq),
    STATE_BYTES(struct vga_regs, gfx),
    STATE_BYTES(struct vga_regs, crtc),
    STATE_BYTES(struct vga_regs, attr),
    STATE_BOOL(struct vga_regs, palette_on),
    STATE_U8(struct vga_regs, dac_mask),
    STATE_BYTES(struct vga_regs, dac),
    STATE_ARRAY(STATE_U16, struct vga_regs, dispi, VGA_NUM_DISPI),
    STATE_FIELDS_END,
};

const struct state_field vga_fields[] = {
    STATE_STRUCTS(struct vga, r, 1, struct vga_regs, regs_fields),
    STATE_U8(struct vga, seq_index),
    STATE_U8(struct vga, gfx_index),
    STATE_U8(struct vga, crtc_index),
    STATE_U8_MAX(struct vga, attr_index, 0x1f),
    STATE_BOOL(struct vga, attr_data),
    STATE_U8(struct vga, feature),
    STATE_U8(struct vga, dac_read),
    STATE_U8(struct vga, dac_write),
    STATE_U8_MAX(struct vga, dac_component, 2),
    STATE_BYTES(struct vga, dac_in),
    STATE_BOOL(struct vga, dac_reading),
    STATE_U32(struct vga, latch),
    STATE_U16(struct vga, dispi_index),
    STATE_FIELDS_END,
};

void vga_reset(struct vga *v)
{
    v->r = (struct vga_regs){.dac_mask = 0xff, .dispi = {[DISPI_ID] = DISPI_ID5, [DISPI_BPP] = 8}};
    v->seq_index = v->gfx_index = v->crtc_index = v->attr_index = 0;
    v->attr_data = v->dac_reading = false;
    v->feature = 0;
    v->dac_read = v->dac_write = v->dac_component = 0;
    memset(v->dac_in, 0, sizeof(v->dac_in));
    v->latch = 0;
    v->dispi_index = 0;
    v->drawing.valid = false;
    update_window(v);
}

/* Bits that no register has do not come in this way either. */
void vga_post_load(struct vga *v)
{
    for (unsigned i = 0; i < VGA_NUM_SEQ; i++)
        v->r.seq[i] &= seq_mask[i];
    for (unsigned i = 0; i < VGA_NUM_GFX; i++)
        v->r.gfx[i] &= gfx_mask[i];
    for (unsigned i = 0; i < VGA_NUM_ATTR; i++)
        v->r.attr[i] &= attr_mask[i];
    if (!valid_bpp(v->r.dispi[DISPI_BPP]))
        v->r.dispi[DISPI_BPP] = 8;
    if (vga_dispi_on(&v->r))
        fix_dispi(v);
    v->drawing.valid = false;
    update_window(v);
}

bool vga_init(struct vga *v, struct machine *m, const char *id, uint32_t vram_size,
              struct error *err)
{
    struct vga_drawing *d = &v->drawing;

    *v = (struct vga){.m = m, .id = id, .vram_size = vram_size};
    v->vram_at = arena_alloc(&m->arena, vram_size);
    if (v->vram_at == ARENA_NONE)
        return error_set(err, "%s: no room for %u bytes of video memory", id, vram_size);
    d->dirty_words = (vram_size / VM_PAGE_SIZE + 63) / 64;
    d->dirty = calloc(d->dirty_words, sizeof(*d->dirty));
    d->dirty_before = calloc(d->dirty_words, sizeof(*d->dirty));
    if (!d->dirty || !d->dirty_before) {
        vga_destroy(v);
        return error_set(err, "%s: out of memory", id);
    }
    add_regions(v);
    vga_reset(v);
    return true;
}

void vga_destroy(struct vga *v)
{
    free(v->drawing.dirty);
    free(v->drawing.dirty_before);
    v->drawing.dirty = v->drawing.dirty_before = NULL;
}
