/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/rt.h"

#define WIDE (sizeof(word) == 8)

extern char trap_stubs[], trap_stack_top[], ist_stack_top[];
void user_leave(void);
void trap(struct frame *f);
void rt_main(void);

uint64_t gdt[64] __attribute__((aligned(8))) = {
    0,
#ifdef __x86_64__
    0x00af9b000000ffff, /* 08 code */
#else
    0x00cf9b000000ffff,
#endif
    0x00cf93000000ffff, /* 10 data */
    0x00cffb000000ffff, /* 18 user code, 32-bit */
    0x00cff3000000ffff, /* 20 user data */
    0x00affb000000ffff, /* 28 user code, 64-bit */
    0x00cff3000000ffff, /* 30 user data for SYSEXIT */
    0x00cf9b000000ffff, /* 38 code, 32-bit */
    0x00009b000000ffff, /* 40 code, 16-bit */
    0x000093000000ffff, /* 48 data, 16-bit */
};
uint8_t idt[256 * (WIDE ? 16 : 8)] __attribute__((aligned(16)));
uint8_t tss[0x68 + 1] __attribute__((aligned(128)));
struct exc exc;
word exc_resume, try_begin, try_end;
void (*handlers[256])(struct frame *);
static unsigned failures, checks;

void *memset(void *d, int c, size_t n)
{
    for (volatile char *p = d; n--; p++)
        *p = (char)c;
    return d;
}

void *memcpy(void *d, const void *s, size_t n)
{
    volatile char *p = d;
    for (const char *q = s; n--;)
        *p++ = *q++;
    return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;
    for (; n--; p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

void print(const char *s)
{
    while (*s)
        outb(0xe9, (uint8_t)*s++);
}

void print_hex(uint64_t v)
{
    int shift = 60;
    while (shift && !(v >> shift))
        shift -= 4;
    print("0x");
    for (; shift >= 0; shift -= 4)
        outb(0xe9, (uint8_t) "0123456789abcdef"[v >> shift & 15]);
}

void quit(int value)
{
    outl(0xf4, (uint32_t)value);
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

void report(bool cond, const char *name)
{
    checks++;
    failures += !cond;
    print(cond ? "ok " : "FAIL ");
    print(name);
    print("\n");
}

void check(const char *name, uint64_t got, uint64_t want)
{
    report(got == want, name);
    if (got != want) {
        print("  got ");
        print_hex(got);
        print(", expected ");
        print_hex(want);
        print("\n");
    }
}

/* Shared by the two kinds: a report with what happened behind it. */
static void check_exception(const char *name, int vector, word error, word ip)
{
    bool ok = exc.vector == vector && (vector == NONE || (exc.f.error == error && exc.f.ip == ip));
    report(ok, name);
    if (ok)
        return;
    if (exc.vector == NONE) {
        print("  no exception\n");
        return;
    }
    print("  vector ");
    print_hex((unsigned)exc.vector);
    print(" error ");
    print_hex(exc.f.error);
    print(" ip ");
    print_hex(exc.f.ip);
    print(", expected vector ");
    print_hex((unsigned)vector);
    print(" error ");
    print_hex(error);
    print(" ip ");
    print_hex(ip);
    print("\n");
}

void check_fault(const char *name, int vector, word error)
{
    check_exception(name, vector, error, try_begin);
}

void check_trap(const char *name, int vector)
{
    check_exception(name, vector, 0, try_end);
}

void skip(const char *name)
{
    print("skip ");
    print(name);
    print("\n");
}

/* Every trap comes here from the stubs. */
void trap(struct frame *f)
{
    if (f->vector == 0x80 && handlers[0x80])
        handlers[0x80](f); /* the end of run_user(): not recorded */
    exc.cr2 = read_cr2();
    exc.vector = (int)f->vector;
    exc.count++;
    exc.f = *f;
    if (f->vector == DB) {
        exc.dr6 = read_dr6();
        write_dr6(0xffff0ff0);
        f->flags &= ~0x100ul;
    }
    if (handlers[f->vector]) {
        handlers[f->vector](f);
    } else if (exc_resume) {
        try_end = exc_resume;
        f->ip = exc_resume;
        f->flags &= ~0x100ul;
    } else {
        print("FAIL unexpected vector ");
        print_hex(f->vector);
        print(" error ");
        print_hex(f->error);
        print(" ip ");
        print_hex(f->ip);
        print(" cr2 ");
        print_hex(exc.cr2);
        print("\n");
        quit(1);
    }
}

void *stub(int vector)
{
    return trap_stubs + 16 * vector;
}

void set_gate(int vector, void *target, unsigned type)
{
    word t = (word)target;
    uint16_t *g = (uint16_t *)(idt + vector * (WIDE ? 16 : 8));
    g[0] = (uint16_t)t;
    g[1] = SEL_CODE;
    g[2] = (uint16_t)(type << 8);
    g[3] = (uint16_t)(t >> 16);
#ifdef __x86_64__
    g[4] = (uint16_t)(t >> 32);
    g[5] = (uint16_t)(t >> 48);
    g[6] = g[7] = 0;
#endif
}

void load_idt(unsigned limit)
{
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) r = {(uint16_t)limit, (word)idt};
    __asm__ volatile("lidt %0" ::"m"(r));
}

static void leave_user(struct frame *f)
{
    (void)f;
    user_leave();
}

#ifdef __x86_64__
extern uint64_t boot_pd[];
#else
static uint32_t page_directory[1024] __attribute__((aligned(4096)));
#endif
static word window_table[4096 / sizeof(word)] __attribute__((aligned(4096)));

void paging_on(void)
{
#ifdef __x86_64__
    boot_pd[WINDOW >> 21] = (word)window_table | 7;
    write_cr3(read_cr3());
#else
    for (uint32_t i = 0; i < 1024; i++)
        page_directory[i] = i << 22 | 0x87;
    page_directory[WINDOW >> 22] = (word)window_table | 7;
    write_cr4(read_cr4() | 0x10);
    write_cr3((word)page_directory);
    write_cr0(read_cr0() | 0x80000000);
#endif
}

void map_window(unsigned n, void *page, unsigned flags)
{
    window_table[n] = (word)page | flags;
    invlpg((void *)(WINDOW + 4096ul * n));
}

void pic_mask(uint16_t mask)
{
    outb(0x21, (uint8_t)mask);
    outb(0xa1, (uint8_t)(mask >> 8));
}

void pic_init(void)
{
    static const uint8_t icw[4][2] = {{0x11, 0x11}, {0x20, 0x28}, {4, 2}, {1, 1}};
    for (int i = 0; i < 4; i++) {
        outb(i ? 0x21 : 0x20, icw[i][0]);
        outb(i ? 0xa1 : 0xa0, icw[i][1]);
    }
    pic_mask(0xffff);
}

void pic_eoi(int irq)
{
    if (irq >= 8)
        outb(0xa0, 0x20);
    outb(0x20, 0x20);
}

void rt_main(void)
{
    for (int i = 0; i < 256; i++)
        set_gate(i, stub(i), 0x8e);
    set_gate(BP, stub(BP), 0xee);
    set_gate(OF, stub(OF), 0xee);
    set_gate(0x80, stub(0x80), 0xee);
    handlers[0x80] = leave_user;
    load_idt(sizeof idt - 1);
#ifdef __x86_64__
    *(uint64_t *)(tss + 4) = (word)trap_stack_top;
    *(uint64_t *)(tss + 0x24) = (word)ist_stack_top;
#else
    *(uint32_t *)(tss + 4) = (word)trap_stack_top;
    *(uint32_t *)(tss + 8) = SEL_DATA;
#endif
    *(uint16_t *)(tss + 0x66) = 0x68; /* no I/O permissions */
    gdt[SEL_TSS / 8] = descriptor((uint32_t)(word)tss, 0x67, 0x89, 0);
    gdt[SEL_TSS / 8 + 1] = 0;
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
    __asm__ volatile("lldt %w0" ::"r"(0));
    pic_init();
    guest_main();
    if (!checks)
        report(false, "nothing was checked");
    quit(failures ? 1 : 0);
}
