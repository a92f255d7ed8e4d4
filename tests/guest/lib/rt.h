/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_GUEST_RT_H
#define CALQUE_TESTS_GUEST_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runtime of the bare-metal tests: a program is a guest_main() that calls report() or check(). */

typedef unsigned long word; /* a register */

#ifdef __x86_64__
#define W "q" /* instruction suffix and register prefix for a word */
#define R "r"
#else
#define W "l"
#define R "e"
#endif

/* ---- segments: selectors of the runtime's GDT; gdt[GDT_FREE] and up are the program's ---- */
enum {
    SEL_CODE = 0x08,
    SEL_DATA = 0x10,
    SEL_UCODE32 = 0x1b,
    SEL_UDATA = 0x23,
    SEL_UCODE64 = 0x2b,
    SEL_CODE32 = 0x38,
    SEL_CODE16 = 0x40,
    SEL_DATA16 = 0x48,
    SEL_TSS = 0x50,
    GDT_FREE = 12,
};
extern uint64_t gdt[64];
struct gate {
    uint16_t lo, sel, attr, mid;
};
extern uint8_t idt[256 * (sizeof(word) == 8 ? 16 : 8)];
extern uint8_t tss[0x68 + 1];

/* Descriptor from base, limit (as stored), access byte and flag nibble (G, D, L, AVL). */
static inline uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)(flags & 15) << 52 |
           (uint64_t)(base >> 24) << 56;
}
/* type: 0x8e interrupt gate, 0xee with DPL 3, 0x8f trap gate, 0x0e not present. */
void set_gate(int vector, void *target, unsigned type);
void *stub(int vector);
void load_idt(unsigned limit);

/* ---- traps ---- */
struct frame {
#ifdef __x86_64__
    word r15, r14, r13, r12, r11, r10, r9, r8, di, si, bp, bx, dx, cx, ax;
#else
    word es, ds, di, si, bp, bx, dx, cx, ax;
#endif
    word vector, error, ip, cs, flags, sp, ss; /* sp, ss: only with a stack switch in 32 bits */
};
enum {
    NONE = -1,
    DE = 0,
    DB,
    NMI,
    BP,
    OF,
    BR,
    UD,
    NM,
    DF,
    TS = 10,
    NP,
    SS,
    GP,
    PF,
    MF = 16,
    AC,
    XM = 19
};
/* What the last trap looked like. */
struct exc {
    int vector;
    unsigned count;
    word cr2, dr6;
    struct frame f;
};
extern struct exc exc;
extern word exc_resume, try_begin; /* set by TRY; 0: an exception is an error */
extern void (*handlers[256])(struct frame *);

/* Runs the instructions; an exception in them is recorded in exc and ends them.
 * TRY("text", : outputs : inputs : clobbers). */
#define TRY(text, ...)                                                                             \
    do {                                                                                           \
        exc.vector = NONE;                                                                         \
        __asm__ volatile("mov" W " $990f, try_begin\n\tmov" W " $991f, exc_resume\n990:\t" text    \
                         "\n991:\tmov" W " $0, exc_resume" __VA_ARGS__);                           \
    } while (0)
/* Address of the resumption point of the last TRY, to compare with exc.f.ip. */
extern word try_end;

void run_user(void (*fn)(void));

/* ---- flags ---- */
#define ARITH 0x8d5u /* OF SF ZF AF PF CF */

/* Those of a comparison. */
static inline word flags_of_cmp(word a, word b)
{
    word f;
    __asm__ volatile("cmp %2, %1\n\tpushf\n\tpop %0" : "=r"(f) : "r"(a), "r"(b) : "cc");
    return f & ARITH;
}

/* ---- verdicts ---- */
void print(const char *s);
void print_hex(uint64_t v);
void report(bool cond, const char *name);
void check(const char *name, uint64_t got, uint64_t want);
/* The last TRY raised this exception: vector (or NONE) and error code, at its first instruction. */
void check_fault(const char *name, int vector, word error);
/* The same, for a trap: the saved IP is the end of the TRY. */
void check_trap(const char *name, int vector);
void skip(const char *name);
_Noreturn void quit(int value);
void guest_main(void);

/* ---- a window of 4 KiB pages at 1 GiB ---- */
#define WINDOW 0x40000000ul
enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_A = 32, PTE_D = 64, PTE_PS = 128, PTE_G = 256 };
/* Turns paging on (32-bit: 4 MiB pages, identity); the 64-bit runtime always has it on. */
void paging_on(void);
/* Page n of the window; flags 0: not present. Flushes the translation. */
void map_window(unsigned n, void *page, unsigned flags);

/* ---- interrupts ---- */
/* PIC at vectors 0x20 and 0x28, everything masked. */
void pic_init(void);
void pic_mask(uint16_t mask);
void pic_eoi(int irq);

/* ---- one-instruction helpers ---- */
static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0,%1" ::"a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(port));
    return v;
}
/* A register of the RTC, a byte of its CMOS. */
static inline uint8_t rtc(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}
static inline void rtc_set(uint8_t reg, uint8_t v)
{
    outb(0x70, reg);
    outb(0x71, v);
}
static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0,%1" ::"a"(v), "Nd"(port));
}
#define DEFINE_CR(n)                                                                               \
    static inline word read_##n(void)                                                              \
    {                                                                                              \
        word v;                                                                                    \
        __asm__ volatile("mov %%" #n ",%0" : "=r"(v));                                             \
        return v;                                                                                  \
    }                                                                                              \
    static inline void write_##n(word v)                                                           \
    {                                                                                              \
        __asm__ volatile("mov %0,%%" #n ::"r"(v) : "memory");                                      \
    }
DEFINE_CR(cr0)
DEFINE_CR(cr2) DEFINE_CR(cr3) DEFINE_CR(cr4) DEFINE_CR(dr0) DEFINE_CR(dr6)
    DEFINE_CR(dr7) static inline uint64_t rdmsr(uint32_t n)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(n));
    return lo | (uint64_t)hi << 32;
}
static inline void wrmsr(uint32_t n, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline void cpuid(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}
static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return lo | (uint64_t)hi << 32;
}
static inline void invlpg(void *p)
{
    __asm__ volatile("invlpg (%0)" ::"r"(p) : "memory");
}
static inline word read_flags(void)
{
    word v;
    __asm__ volatile("pushf\n\tpop %0" : "=r"(v));
    return v;
}

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#endif
