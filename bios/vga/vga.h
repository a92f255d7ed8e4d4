/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VGA BIOS: 16-bit code at C000:0000 that keeps nothing outside of the BIOS data area and the
 * adapter. It runs on the caller's stack: DS = ES = SS are the caller's, GS is the ROM, through
 * which all constants are read (ROM), FS the BIOS data area. */
#ifndef VGA_H
#define VGA_H

#include "bda.h"

#define ROM           __seg_gs
#define SECTION_CONST __attribute__((section(".const")))

/* Registers, as IBM's manuals call their ports. */
enum {
    ATTR = 0x3c0,
    ATTR_READ = 0x3c1,
    MISC_OUT = 0x3c2,
    SEQ = 0x3c4,
    DAC_MASK = 0x3c6,
    DAC_READ_INDEX = 0x3c7,
    DAC_WRITE_INDEX = 0x3c8,
    DAC_DATA = 0x3c9,
    MISC_READ = 0x3cc,
    GFX = 0x3ce,
    CRTC_MONO = 0x3b4,
    CRTC_COLOR = 0x3d4,
};

enum mode_kind { TEXT, CGA_4, CGA_2, PLANAR, LINEAR, PACKED_PIXEL };
enum dac_kind { DAC_MONO, DAC_CGA, DAC_EGA, DAC_256 };

/* An entry of the video parameter table, whose layout programs know (EGA BIOS, 64 bytes). */
struct video_params {
    u8 cols, rows_less_one, char_height;
    u16 page_size;
    u8 seq[4]; /* SR1..SR4 */
    u8 misc;
    u8 crtc[25];
    u8 attr[20];
    u8 gfx[9];
} PACKED;

struct mode {
    u8 number, kind, dac, params; /* params: index in the parameter table */
    u16 segment;
};

extern const ROM u8 font8[256 * 8], font14[256 * 14], font16[256 * 16];
extern const ROM struct video_params video_params[29];
extern const ROM u8 rom_start[]; /* entry.S */
extern const ROM u8 save_pointers[];
void int10(void);
void vbe_window_far(void);
void int10_main(struct regs *r);
void vga_init(void);

/* ---- far memory ---- */

static inline u8 peek8(u16 seg, u16 off)
{
    u8 v;
    asm volatile("movw %1, %%fs; movb %%fs:(%2), %0; movw $0x40, %1; movw %1, %%fs"
                 : "=q"(v), "+&r"(seg)
                 : "r"((u32)off)
                 : "memory");
    return v;
}
static inline u16 peek16(u16 seg, u16 off)
{
    u16 v;
    asm volatile("movw %1, %%fs; movw %%fs:(%2), %0; movw $0x40, %1; movw %1, %%fs"
                 : "=&r"(v), "+&r"(seg)
                 : "r"((u32)off)
                 : "memory");
    return v;
}
static inline void poke8(u16 seg, u16 off, u8 v)
{
    asm volatile("movw %0, %%fs; movb %2, %%fs:(%1); movw $0x40, %0; movw %0, %%fs"
                 : "+&r"(seg)
                 : "r"((u32)off), "q"(v)
                 : "memory");
}
static inline void poke16(u16 seg, u16 off, u16 v)
{
    asm volatile("movw %0, %%fs; movw %2, %%fs:(%1); movw $0x40, %0; movw %0, %%fs"
                 : "+&r"(seg)
                 : "r"((u32)off), "r"(v)
                 : "memory");
}
/* Bytes forwards or, when `back`, from the last down. n may be 0. */
void far_copy(u16 dst_seg, u16 dst, u16 src_seg, u16 src, u16 n);
void far_copy_back(u16 dst_seg, u16 dst, u16 src_seg, u16 src, u16 n);
void far_fill16(u16 seg, u16 off, u16 value, u16 words);

/* ---- registers with an index ---- */
static inline void set_reg(u16 port, u8 index, u8 value)
{
    outw(port, (u16)(index | value << 8));
}
static inline u8 get_reg(u16 port, u8 index)
{
    outb(port, index);
    return inb((u16)(port + 1));
}
void set_attr(u8 index, u8 value); /* index with 20h: the picture stays on */
u8 get_attr(u8 index);

/* modes.c */
const ROM struct mode *find_mode(u8 number);
const ROM struct mode *current_mode(void);
void set_mode(u8 mode); /* bit 7: memory is left as it is */
void int10_set_mode(struct regs *r);
void int10_page(struct regs *r);
void set_page(u8 page);

/* palette.c */
void load_dac(u8 kind);
void set_dac(u8 index, u8 red, u8 green, u8 blue);
void sum_gray(u16 first, u16 n);
void int10_palette(struct regs *r);
void int10_color(struct regs *r);

/* fonts.c */
void load_font(u16 seg, u16 off, u16 first, u16 n, u8 height, u8 block);
void load_rom_font(u8 height, u8 block);
void set_text_height(u8 height);
void set_vector(u8 vector, u32 farptr);
void int10_font(struct regs *r);

/* text.c */
struct window {
    u8 top, left, bottom, right;
};
void cursor_to(u8 page, u16 position);
void set_cursor_shape(u8 start, u8 end);
void put_char(u8 c, u8 attr, u8 page, u16 position, bool with_attr);
void scroll(u8 lines, u8 attr, const struct window *w, bool down, u8 page);
void teletype(u8 c, u8 attr, u8 page, bool with_attr);
void int10_cursor_shape(struct regs *r);
void int10_set_cursor(struct regs *r);
void int10_get_cursor(struct regs *r);
void int10_scroll(struct regs *r);
void int10_read_char(struct regs *r);
void int10_write_char(struct regs *r);
void int10_teletype(struct regs *r);
void int10_string(struct regs *r);

/* graphics.c: characters and pixels of graphics modes */
void gfx_put_char(u8 c, u8 attr, u8 page, u16 position);
u8 gfx_read_char(u16 position, u8 page);
void gfx_scroll(u8 lines, u8 attr, const struct window *w, bool down);
void int10_write_pixel(struct regs *r);
void int10_read_pixel(struct regs *r);

/* state.c */
void int10_alternate(struct regs *r);
void int10_dcc(struct regs *r);
void int10_state_info(struct regs *r);
void int10_save_state(struct regs *r);
u16 save_state_size(u16 what);
void save_state(u16 what, u16 seg, u16 off);
void restore_state(u16 what, u16 seg, u16 off);

/* vbe.c */
void int10_vbe(struct regs *r);
bool vbe_present(void);
bool vbe_active(void);
/* VESA's 800x600 with 16 colors by its number in AH=00h, 6Ah; `keep`: 80h or 0. */
#define VBE_PLANAR 0x6a
bool vbe_planar(u8 keep);
void vbe_off(void);
bool vbe_packed(void); /* a mode of 8 or more bits to a pixel is on */
enum vbe_register { VBE_BPP = 3, VBE_BANK = 5, VBE_VIRT_WIDTH = 6 }; /* of the DISPI */
u16 vbe_register(u16 index);
void vbe_set_register(u16 index, u16 value);
u16 vbe_memory(void); /* units of 64 KiB */

/* Makes phys_copy() usable and returns the linear frame buffer's address; 0: it cannot be. */
u32 vbe_linear(void);
void flat_segments(void); /* entry.S */
void phys_copy(u32 to, u32 from, u32 dwords);

/* packed.c */
void packed_write(u16 x, u16 y, u8 color);
u8 packed_read(u16 x, u16 y);
void packed_char(u16 seg, u16 off, u8 attr, u16 position);
void packed_scroll(u16 by, u8 attr, const struct window *w, bool down);
extern const ROM u8 pm_table[], pm_end[]; /* pm.S */

#endif
