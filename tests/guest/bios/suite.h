/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BIOS test suite: what INT services must do according to the interrupt lists and the standards
 * cited at each test. It runs at 1000:0000 with DS = ES = SS = CS and speaks TAP at COM1. */
#ifndef SUITE_H
#define SUITE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef _Bool bool;

/* As PUSHAL and the segments behind it have them (boot.S). */
struct regs {
    u16 gs, fs, es, ds;
    u32 edi, esi, ebp, esp_pushed;
    union {
        u32 ebx;
        u16 bx;
        struct {
            u8 bl, bh;
        };
    };
    union {
        u32 edx;
        u16 dx;
        struct {
            u8 dl, dh;
        };
    };
    union {
        u32 ecx;
        u16 cx;
        struct {
            u8 cl, ch;
        };
    };
    union {
        u32 eax;
        u16 ax;
        struct {
            u8 al, ah;
        };
    };
    u16 ip, cs, flags;
};
#define CF    1
#define ZF    0x40
#define SEG   0x1000 /* ours */
#define TRACK 0xc000 /* room for 18 sectors, between the suite and its stack (suite.ld) */

void intr(u8 n, struct regs *r);

/* One test result. */
void check(bool ok, const char *name);
void note(const char *text, u32 value); /* "# text value" */
/* INT n with AX, BX, CX, DX given and ES = DS = ours. */
struct regs call(u8 n, u32 ax, u32 bx, u32 cx, u32 dx);

void kbc_idle(void);
/* Scan codes come through the keyboard controller. */
void keyboard_says(u8 code);
void keyboard_types(const u8 *codes, u32 n);

static inline u8 peek8(u16 seg, u32 off)
{
    u8 v;
    __asm__ volatile("movw %1, %%fs; movb %%fs:(%2), %0" : "=q"(v) : "r"(seg), "r"(off) : "memory");
    return v;
}
static inline u16 peek16(u16 seg, u32 off)
{
    return (u16)(peek8(seg, off) | peek8(seg, off + 1) << 8);
}
static inline u32 peek32(u16 seg, u32 off)
{
    return peek16(seg, off) | (u32)peek16(seg, off + 2) << 16;
}
static inline void poke8(u16 seg, u32 off, u8 v)
{
    __asm__ volatile("movw %0, %%fs; movb %2, %%fs:(%1)" ::"r"(seg), "r"(off), "q"(v) : "memory");
}
static inline void outb(u16 port, u8 v)
{
    __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline u8 inb(u16 port)
{
    u8 v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

void test_video(void);
void test_vbe(void);
void test_adapter(void);
void test_disk(u8 drive);
void test_system(void);
void test_keyboard(void);
void test_mouse(void);
void test_clock(void);
u32 test_tables(void); /* the BIOS32 service directory's address */
void test_old(u32 directory);
void test_ports(void);
#endif
