/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Self- and cross-modifying code on one processor (SDM vol. 3A 8.1.3, 11.6): in the same block,
 * through another linear alias of the page, across a page boundary, in a hot loop. */
#include "lib/rt.h"

static uint8_t code[3][4096] __attribute__((aligned(4096)));
typedef uint32_t fn(void);

/* MOV EAX, imm32; RET at p. */
static void put_function(volatile uint8_t *p, uint32_t v)
{
    p[0] = 0xb8;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (uint8_t)(v >> 8 * i);
    p[5] = 0xc3;
}

static uint32_t call(const void *p)
{
    uint32_t v;
    __asm__ volatile("call *%1" : "=a"(v) : "r"(p) : "ecx", "edx", "memory", "cc");
    return v;
}

static void same_block(void)
{
    uint32_t v;
    __asm__ volatile("movl $0x2222, 1f + 1\n"
                     "1:\tmov $0x1111, %%eax"
                     : "=a"(v)::"memory");
    check("store to the next instruction", v, 0x2222);
    __asm__ volatile("movb $0x90, 1f\n\tmovb $0x90, 1f + 1\n\tmov $5, %%eax\n\tjmp 1f\n"
                     "1:\tjmp 2f\n\tmov $6, %%eax\n2:"
                     : "=a"(v)::"memory");
    check("store over a jump in the same block", v, 6);
    __asm__ volatile("xor %%eax, %%eax\n\tmov $3, %%ecx\n"
                     "1:\tadd $1, %%eax\n\taddb $1, 1b + 2\n\tdec %%ecx\n\tjnz 1b"
                     : "=a"(v)::"ecx", "memory");
    check("loop that modifies its own immediate", v, 1 + 2 + 3);
    __asm__ volatile("cld\n\tmov $0x40, %%al\n\tmov" W " $1f, %%" R "di\n\tmov $4, %%ecx\n\t"
                     "mov $0x90, %%al\n\txor %%edx, %%edx\n\trep stosb\n"
                     "1:\t.byte 0xff, 0xc2, 0xff, 0xc2\n\tmov %%edx, %%eax"
                     : "=a"(v)::"ecx", "edx", R "di", "memory");
    check("REP STOSB over the following instructions", v, 0);
}

static void repeated(void)
{
    bool ok = true;
    for (uint32_t i = 0; i < 2000; i++) {
        put_function(code[0] + 64, i * 0x01010101u);
        ok &= call(code[0] + 64) == i * 0x01010101u;
    }
    report(ok, "function rewritten 2000 times");
    put_function(code[0], 7);
    uint32_t sum = 0;
    for (int i = 0; i < 5000; i++)
        sum += call(code[0]);
    put_function(code[0], 9);
    check("hot function", sum, 35000);
    check("hot function rewritten", call(code[0]), 9);
    /* Data next to code in one page. */
    volatile uint32_t *data = (uint32_t *)(code[0] + 2048);
    ok = true;
    for (uint32_t i = 0; i < 5000; i++) {
        *data = i;
        ok &= call(code[0]) == 9 && *data == i;
    }
    report(ok, "data beside code");
    code[0][1] = 9; /* the same value again */
    check("store of the value that is there", call(code[0]), 9);
    uint16_t part = 0x1234;
    memcpy(code[0] + 2, &part, 2);
    check("partial rewrite", call(code[0]), 0x123409);
}

static void aliases(void)
{
    paging_on();
    map_window(0, code[0], 7);
    map_window(1, code[1], 7);
    map_window(2, code[0], 7);
    uint8_t *a = (uint8_t *)WINDOW, *c = a + 8192;
    put_function(a, 1);
    check("call through one alias", call(a), 1);
    check("call through the other", call(c), 1);
    put_function(c, 2);
    check("rewritten through the other alias", call(a), 2);
    put_function(code[0], 3);
    check("rewritten through the identity map", call(a), 3);
    check("and seen through the third", call(c), 3);

    /* The immediate straddles the page boundary. */
    put_function(a + 4093, 0x11223344);
    check("function across pages", call(a + 4093), 0x11223344);
    code[1][0] = 0x55; /* third byte of the immediate is at a + 4096 */
    check("second page modified", call(a + 4093), 0x11553344);
    code[0][4094] = 0x66;
    check("first page modified", call(a + 4093), 0x11553366);
    put_function(code[2], 0);
    memcpy(code[2], (uint8_t[]){0x77, 0x88, 0xc3}, 3);
    map_window(1, code[2], 7);
    check("second page remapped", call(a + 4093), 0x88773366);
    /* A store that straddles two pages of code. */
    *(volatile uint32_t *)(a + 4094) = 0xa1b2c3d4;
    check("straddling store", call(a + 4093), 0xa1b2c3d4);
    /* Same linear address, other page. */
    put_function(code[1], 21);
    put_function(code[2], 22);
    map_window(1, code[1], 7);
    check("linear address, first page", call(a + 4096), 21);
    map_window(1, code[2], 7);
    check("linear address, second page", call(a + 4096), 22);
    map_window(1, code[1], 7);
    check("linear address, first page again", call(a + 4096), 21);
    /* Modified while not mapped there. */
    map_window(1, code[2], 7);
    put_function(code[1], 23);
    map_window(1, code[1], 7);
    check("modified while mapped elsewhere", call(a + 4096), 23);
}

void guest_main(void)
{
    same_block();
    repeated();
    aliases();
}
