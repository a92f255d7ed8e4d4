/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages that hold code and something else: a stack, data, what a device writes; pages whose code
 * changes again and again, or goes to another page when the address space does; code in device
 * memory; instructions that go on in a page that is not there. Everything often enough to be
 * translated. SDM vol. 3A 8.1.3 and 11.6; fw_cfg: docs/specs/fw_cfg of QEMU. */
#include "lib/rt.h"

static uint8_t page[4][4096] __attribute__((aligned(4096)));
typedef uint32_t fn(void);
enum { HOT = 300 };

static uint32_t call(const void *p)
{
    uint32_t v;
    __asm__ volatile("call *%1" : "=a"(v) : "r"(p) : "ecx", "edx", "memory", "cc");
    return v;
}

/* MOV EAX, imm32; RET. */
static void put_function(volatile uint8_t *p, uint32_t v)
{
    p[0] = 0xb8;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (uint8_t)(v >> 8 * i);
    p[5] = 0xc3;
}

static void set32(uint8_t *p, uint32_t v)
{
    __asm__ volatile("movl %1, %0" : "=m"(*(volatile uint32_t *)(void *)p) : "r"(v) : "memory");
}

/* Calls p with the stack at sp. */
static uint32_t call_on(const void *p, void *sp)
{
    uint32_t v;
    __asm__ volatile("mov" W " %%" R "sp, %%" R "bx\n\tmov" W " %2, %%" R "sp\n\tcall *%1\n\t"
                     "mov" W " %%" R "bx, %%" R "sp"
                     : "=a"(v)
                     : "r"(p), "r"(sp)
                     : R "bx", "ecx", "edx", "memory", "cc");
    return v;
}

static void stack_beside_code(void)
{
    /* push rax; pop rcx; mov eax, 5; ret */
    static const uint8_t code[] = {0x50, 0x59, 0xb8, 5, 0, 0, 0, 0xc3};
    uint32_t sum = 0;
    memcpy(page[0] + 2048, code, sizeof(code));
    for (int i = 0; i < HOT; i++)
        sum += call_on(page[0] + 2048, page[0] + 4096);
    check("stack in the page of the code", sum, 5 * HOT);
    for (int i = 0; i < HOT; i++)
        sum += call_on(page[0] + 2048, page[0] + 2048);
    check("stack in the granule before the code", sum, 10 * HOT);
    for (int i = 0; i < HOT; i++)
        sum += call_on(page[0] + 2048, page[0] + 2048 + 64);
    check("stack in the code's granule", sum, 15 * HOT);
}

/* The return address that CALL pushes is the immediate of the instruction called. */
static void stack_in_code(void)
{
    uint32_t wrong = 0;
    for (int i = 0; i < HOT; i++) {
        uint8_t *p = page[0] + 64;
#ifdef __x86_64__
        *p++ = 0x48; /* REX.W: the immediate has 64 bits */
        put_function(p, 0);
        p[9] = 0xc3;
#else
        put_function(p, 0);
#endif
        uint32_t got = call_on(page[0] + 64, p + 1 + sizeof(word));
        wrong += got == 0 || memcmp(p + 1, &got, 4) != 0;
    }
    check("CALL overwrites what it calls", wrong, 0);
}

/* Stores that touch a block's last byte, or end and begin right beside it. */
static void edges(void)
{
    uint8_t *p = page[1] + 1024 + 60; /* crosses a granule */
    uint32_t wrong = 0;
    put_function(p, 3);
    for (uint32_t i = 0; i < HOT; i++) {
        wrong += call(p) != 3;
        set32(p - 4, i);
        set32(p + 6, i);
        __asm__ volatile("addl %1, %0" : "+m"(*(volatile uint32_t *)(void *)(p + 8)) : "r"(i));
    }
    check("stores right beside code", wrong, 0);
    for (uint32_t i = 0; i < HOT; i++) {
        uint32_t old = 0x01000000;
        __asm__ volatile("movl %1, %0"
                         : "=m"(*(volatile uint32_t *)(void *)(p - 2))
                         : "r"(0xb89090 | i << 24));
        wrong += call(p) != (i & 0xff);
        __asm__ volatile("lock addl %1, %0"
                         : "+m"(*(volatile uint32_t *)(void *)(p - 2))
                         : "r"(old));
        wrong += call(p) != ((i + 1) & 0xff);
        __asm__ volatile("xchgl %1, %0" : "+m"(*(volatile uint32_t *)(void *)(p + 1)), "+r"(old));
        wrong += call(p) != 0x01000000 || old != ((i + 1) & 0xff);
        p[4] = 0;
        wrong += call(p) != 0;
    }
    check("stores that touch the first and last bytes", wrong, 0);
}

/* Often changed, then quiet for long, then changed again. */
static void changes(void)
{
    uint8_t *p = page[1];
    uint32_t wrong = 0;
    for (uint32_t round = 0; round < 6; round++) {
        for (uint32_t i = 0; i < HOT; i++) {
            put_function(p + 32, i + round);
            wrong += call(p + 32) != i + round;
        }
        for (uint32_t i = 0; i < 20 * HOT; i++)
            wrong += call(p + 32) != HOT - 1 + round;
        set32(p + 33, 77);
        wrong += call(p + 32) != 77;
    }
    check("changed often, then quiet", wrong, 0);
    /* Other instructions of other lengths in the same place. */
    static const uint8_t add[] = {0xb8, 1, 0, 0, 0, 0x83, 0xc0, 6, 0xc3},
                         sub[] = {0x31, 0xc0, 0x2d, 1, 0, 0, 0, 0x90, 0xc3},
                         jump[] = {0xeb, 1, 0xc3, 0xb8, 9, 0, 0, 0, 0xc3};
    for (uint32_t i = 0; i < HOT; i++) {
        memcpy(p + 32, add, sizeof(add));
        wrong += call(p + 32) != 7;
        memcpy(p + 32, sub, sizeof(sub));
        wrong += call(p + 32) != 0xffffffff;
        memcpy(p + 32, jump, sizeof(jump));
        wrong += call(p + 32) != 9;
    }
    check("instructions of other lengths in the same place", wrong, 0);
    for (uint32_t i = 0; i < HOT; i++) {
        memset(p, 0xcc, 4096); /* REP STOS or not: the whole page */
        put_function(p + 16 * (i & 3), i);
        wrong += call(p + 16 * (i & 3)) != i;
        memcpy(page[2], p, 4096);
        wrong += call(page[2] + 16 * (i & 3)) != i;
        wrong += call(page[2] + 16 * (i & 3)) != i;
    }
    check("whole pages written anew", wrong, 0);
}

/* cld; rep stosb; mov eax, 1; ret: the count says how much of what follows goes. */
static void string_over_code(void)
{
    static const uint8_t code[] = {0xfc, 0xf3, 0xaa, 0xb8, 1, 0, 0, 0, 0xc3};
    uint32_t wrong = 0;
    for (int i = 0; i < HOT; i++) {
        uint8_t *p = page[0] + 512;
        uint32_t v;
        memcpy(p, code, sizeof(code));
        __asm__ volatile("call *%1"
                         : "=a"(v), "+r"(p)
                         : "a"(0x90), "c"((word)(i & 1 ? 5 : 0)), "D"(p + 3)
                         : "edx", "memory", "cc");
        wrong += v != (i & 1 ? 0x90 : 1);
    }
    check("REP STOSB over the rest of its block", wrong, 0);
    for (int i = 0; i < HOT; i++) {
        uint8_t *to = page[0] + 512, *from = page[1] + 512;
        word count = 40;
        put_function(from, (uint32_t)i);
        put_function(from + 32, (uint32_t)i + 1);
        __asm__ volatile("cld\n\trep movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
        wrong += call(page[0] + 512) != (uint32_t)i || call(page[0] + 544) != (uint32_t)i + 1;
    }
    check("REP MOVSB of code over code", wrong, 0);
}

/* Page n of the window and its successor; the code ends in the middle of MOV EAX, imm32. */
static void straddling(void)
{
    uint8_t *w = (uint8_t *)WINDOW;
    uint32_t wrong = 0, count = 0;
    paging_on();
    map_window(0, page[0], 7);
    map_window(1, page[1], 0);
    memset(page[0] + 4080, 0x90, 14);
    page[0][4094] = 0xb8, page[0][4095] = 1;
    memset(page[1], 0, 3), page[1][3] = 0xc3;
    memset(page[2], 2, 3), page[2][3] = 0xc3;
    for (int i = 0; i < HOT; i++) {
        word at = (word)w + 4080;
        TRY("jmp *%0", ::"r"(at) : "eax", "ecx", "edx", "memory");
        wrong += exc.vector != PF || exc.cr2 != WINDOW + 4096 || exc.f.ip != WINDOW + 4094;
    }
    check("#PF by the second page of an instruction", wrong, 0);
    for (int i = 0; i < HOT; i++) {
        /* the same first page, another second: another address space */
        map_window(1, page[1 + (i & 1)], 7);
        if (i & 2)
            write_cr3(read_cr3());
        for (int k = 0; k < 4; k++)
            count += call(w + 4080) == (i & 1 ? 0x02020201 : 1);
    }
    check("second page another one", count, 4 * HOT);
    for (int i = 0; i < HOT; i++) {
        map_window(0, page[i & 1 ? 3 : 0], 7);
        page[3][4094] = 0xb8, page[3][4095] = 5, memset(page[3] + 4080, 0x90, 14);
        wrong += call(w + 4080) != (i & 1 ? 0x02020205 : 0x02020201);
    }
    check("first page another one", wrong, 0);
    map_window(0, page[0], 7);
    map_window(2, page[0], 7);
    put_function(page[0] + 100, 0);
    for (uint32_t i = 0; i < HOT; i++) {
        set32((i & 1 ? w : w + 8192) + 101, i);
        wrong += call((i & 2 ? w : w + 8192) + 100) != i;
        wrong += call(page[0] + 100) != i;
    }
    check("aliases, hot", wrong, 0);
}

/* 66h ends a page; MOVD EAX, XMM0 goes on in another one than that behind it in memory, where MOVD
 * XMM0, EAX would. */
static void straddling_vector(void)
{
    static const uint8_t rest[] = {0x0f, 0x7e, 0xc0, 0xc3}, decoy[] = {0x0f, 0x6e, 0xc0, 0xc3};
    uint8_t *w = (uint8_t *)WINDOW;
    uint32_t wrong = 0;
    write_cr4(read_cr4() | 1 << 9); /* OSFXSR */
    memset(page[0] + 4080, 0x90, 15), page[0][4095] = 0x66;
    memcpy(page[1], decoy, sizeof(decoy));
    memcpy(page[2], rest, sizeof(rest));
    map_window(0, page[0], 7);
    map_window(1, page[2], 7);
    for (uint32_t i = 1; i <= HOT; i++) {
        uint32_t v;
        __asm__ volatile("movd %2, %%xmm0\n\txor %%eax, %%eax\n\tcall *%1"
                         : "=&a"(v)
                         : "r"(w + 4080), "r"(i)
                         : "ecx", "edx", "memory", "cc");
        wrong += v != i;
    }
    check("vector instruction on two pages", wrong, 0);
}

/* ---- devices ---- */

static void dma_over_code(void)
{
    static struct {
        uint32_t control, length;
        uint64_t address;
    } volatile dma __attribute__((aligned(16)));
    static const uint8_t read_signature[4] = {0, 0, 0, 0x0a}; /* select 0, read: big-endian */
    uint32_t wrong = 0;
    uint8_t *p = page[2] + 256;
    __asm__ volatile("outw %w0, %w1" ::"a"(0), "d"(0x510));
    if (inb(0x511) != 'Q') {
        skip("DMA over code: no fw_cfg");
        return;
    }
    for (uint32_t i = 0; i < HOT; i++) {
        put_function(p, i);
        wrong += call(p) != i;
        wrong += call(p) != i;
        memcpy((void *)&dma.control, read_signature, 4);
        dma.length = __builtin_bswap32(4);
        dma.address = __builtin_bswap64((word)(p + 1));
        outl(0x514, 0);
        outl(0x518, __builtin_bswap32((uint32_t)(word)&dma));
        while (dma.control & ~__builtin_bswap32(1))
            ;
        wrong += call(p) != 0x554d4551;
    }
    check("DMA over code", wrong, 0);
}

/* Code in the main counter of the HPET, which stands still: MOV EAX, imm32; RET. */
static void code_in_device(void)
{
    volatile uint32_t *hpet = (uint32_t *)0xfed00000;
    uint32_t wrong = 0;
    if (hpet[0] == ~0u || hpet[0] == 0) {
        skip("code in device memory: no HPET");
        return;
    }
    hpet[4] = 0;
    hpet[0x3c] = 0x030201b8;
    hpet[0x3d] = 0xc300;
    static const uint8_t want[6] = {0xb8, 1, 2, 3, 0, 0xc3};
    for (unsigned i = 0; i < 6; i++)
        wrong += ((volatile uint8_t *)&hpet[0x3c])[i] != want[i];
    if (wrong) { /* the specification has only accesses of 32 and 64 bits */
        skip("code in device memory: no single bytes can be read");
        return;
    }
    for (uint32_t i = 0; i < 50; i++) {
        hpet[0x3c] = 0xb8 | i << 8;
        wrong += call((void *)&hpet[0x3c]) != i;
    }
    check("code in device memory", wrong, 0);
}

#ifndef __x86_64__
/* 16-bit addresses in 32-bit code end at 64 KiB. */
static void wraps(void)
{
    volatile uint32_t *low = (uint32_t *)0x580;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < HOT; i++) {
        uint32_t v;
        *low = i;
        __asm__ volatile("addr16 movl (%%bx,%%si), %0\n\taddr16 incl 0x10(%%bx,%%di)"
                         : "=a"(v)
                         : "b"(0x1ff00), "S"(0x20680), "D"(0x670)
                         : "memory", "cc");
        wrong += v != i || *low != i + 1;
    }
    check("16-bit addresses wrap at 64 KiB", wrong, 0);
}
#endif

void guest_main(void)
{
    stack_beside_code();
    stack_in_code();
    edges();
    changes();
    string_over_code();
    dma_over_code();
#ifndef __x86_64__
    wraps();
#endif
    straddling();
    straddling_vector();
    code_in_device();
}
