/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_DISPLAY_VGA_H
#define CALQUE_DEVICES_DISPLAY_VGA_H

#include <stdbool.h>
#include <stdint.h>

#include "host/ui/display.h"
#include "vm/device.h"
#include "vm/memory.h"

/* The VGA with the Bochs display interface (DISPI), as a part of an adapter: IBM PS/2 Hardware
 * Interface Technical Reference, Video Subsystem; the DISPI of Bochs' iodev/display and
 * QEMU's docs/specs/standard-vga. The adapter embeds it, saves vga_fields and calls vga_reset() and
 * vga_post_load(). Machine lock held for all of this. */

#define VGA_MIN_VRAM (256u << 10)
#define VGA_MAX_VRAM (256u << 20)

#define VGA_NUM_SEQ   5
#define VGA_NUM_GFX   9
#define VGA_NUM_CRTC  25
#define VGA_NUM_ATTR  21
#define VGA_NUM_DISPI 11

enum vga_dispi {
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
    DISPI_VIDEO_MEMORY_64K,
};

enum {
    DISPI_ENABLED = 0x01,
    DISPI_GETCAPS = 0x02,
    DISPI_8BIT_DAC = 0x20,
    DISPI_LFB_ENABLED = 0x40,
    DISPI_NOCLEARMEM = 0x80,
};

/* What decides what the picture looks like, without the bytes in video memory. */
struct vga_regs {
    uint16_t dispi[VGA_NUM_DISPI];
    uint8_t misc, seq[VGA_NUM_SEQ], gfx[VGA_NUM_GFX], crtc[VGA_NUM_CRTC], attr[VGA_NUM_ATTR];
    bool palette_on; /* attribute address register, bit 5 */
    uint8_t dac_mask, dac[256 * 3];
};

/* What the drawing remembers from one time to the next. Not guest state. */
struct vga_drawing {
    struct vga_regs drawn;  /* what the picture was drawn with */
    bool valid;             /* false: all must be drawn */
    unsigned blink;         /* phases of cursor and characters */
    unsigned sizes;         /* surface->sizes when it was drawn */
    uint64_t *dirty;        /* pages of video memory that changed since then */
    uint64_t *dirty_before; /* those of the time before, which may have been stored to since */
    size_t dirty_words;
};

struct vga {
    struct machine *m;
    const char *id;
    struct vga_regs r;
    uint8_t seq_index, gfx_index, crtc_index, attr_index;
    bool attr_data;  /* the next write to 0x3c0 is data */
    uint8_t feature; /* feature control */
    uint8_t dac_read, dac_write, dac_component, dac_in[2];
    bool dac_reading;
    uint32_t latch; /* byte n: plane n */
    uint16_t dispi_index;
    /* Wiring */
    uint64_t vram_at; /* in the arena */
    uint32_t vram_size;
    bool io_on, memory_on;  /* the legacy ports and addresses are decoded */
    struct region ports[3]; /* 0x3b0, 0x3c0, the DISPI's */
    struct region window;   /* 0xa0000-0xbffff through the graphics controller */
    struct region direct;   /* 64 KiB at 0xa0000 that need none */
    struct vga_drawing drawing;
};

extern const struct state_field vga_fields[];

/* vram_size: a power of two from VGA_MIN_VRAM to VGA_MAX_VRAM, taken from the arena. The legacy
 * ports and addresses are not decoded until vga_decode(). */
bool vga_init(struct vga *v, struct machine *m, const char *id, uint32_t vram_size,
              struct error *err);
void vga_destroy(struct vga *v);
void vga_reset(struct vga *v);
void vga_post_load(struct vga *v);
void vga_decode(struct vga *v, bool io, bool memory);

/* A register by its port, 0x3b0 to 0x3df. */
uint8_t vga_port_read(struct vga *v, unsigned port);
void vga_port_write(struct vga *v, unsigned port, uint8_t value);
uint16_t vga_dispi_read(const struct vga *v, unsigned index);
void vga_dispi_write(struct vga *v, unsigned index, uint16_t value);

/* What firmware leaves behind, where there is none: mode 3 (80x25 colour text), blank, with a font
 * of 256 characters of 16 rows. */
void vga_set_text_mode(struct vga *v, const uint8_t *font8x16);

/* Where byte 0 of the planes at the address that they share is in video memory: a multiple of 4. */
uint32_t vga_plane_index(const struct vga *v, uint32_t address);
static inline bool vga_dispi_on(const struct vga_regs *r)
{
    return r->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}
/* Bytes from one line to the next; in 4 bit modes those of one plane. */
uint32_t vga_dispi_pitch(const struct vga_regs *r);

/* Nanoseconds of a frame, and where in it the beam is. */
struct vga_timing {
    uint64_t line_ns, frame_ns;
    unsigned lines, retrace_start, retrace_end; /* of the frame */
    unsigned chars, displayed_chars, displayed_lines;
};
void vga_get_timing(const struct vga *v, struct vga_timing *t);

/* vga_draw.c: for a display source (host/ui/display.h). */
void vga_draw(void *vga, struct surface *s);
bool vga_text(void *vga, struct text_screen *t);

#endif
