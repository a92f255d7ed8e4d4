/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every part of the firmware uses: types and instructions that C has no words for. The same
 * headers serve 16-bit code (gcc -m16) and 32-bit code (gcc -m32): types have the same sizes. */
#ifndef BIOS_TYPES_H
#define BIOS_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef _Bool bool;
typedef __SIZE_TYPE__ size_t;

#define true 1
#define false 0
#define NULL             ((void *)0)
#define PACKED           __attribute__((packed))
#define NOINLINE         __attribute__((noinline))
#define offsetof(t, m)   __builtin_offsetof(t, m)
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))
#define FARPTR(seg, off) ((u32)(seg) << 16 | (u16)(off))

/* Registers of the caller of a software interrupt, as the entry stubs save them (entry.S). */
#define REG(n)                                                                                     \
    union {                                                                                        \
        u32 e##n##x;                                                                               \
        u16 n##x;                                                                                  \
        struct {                                                                                   \
            u8 n##l, n##h;                                                                         \
        };                                                                                         \
    }
#define INDEX(n)                                                                                   \
    union {                                                                                        \
        u32 e##n;                                                                                  \
        u16 n;                                                                                     \
    }
struct regs {
    u16 gs, fs, es, ds;
    INDEX(di);
    INDEX(si);
    INDEX(bp);
    u32 esp_pushed;
    REG(b);
    REG(d);
    REG(c);
    REG(a);
    u16 ip, cs, flags;
} PACKED;

#define FLAG_CF 0x0001
#define FLAG_ZF 0x0040
#define FLAG_IF 0x0200

static inline void outb(u16 port, u8 v)
{
    asm volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outw(u16 port, u16 v)
{
    asm volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outl(u16 port, u32 v)
{
    asm volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
static inline u8 inb(u16 port)
{
    u8 v;
    asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline u16 inw(u16 port)
{
    u16 v;
    asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline u32 inl(u16 port)
{
    u32 v;
    asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
#endif
