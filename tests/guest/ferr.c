/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 pointers and opcode (SDM vol. 1 8.1.8, 8.1.9), and x87 errors the PC/AT's way: CR0.NE clear,
 * FERR#, IRQ 13, port F0h, IGNNE# (appendix D). */
#include "lib/rt.h"

#define NE (1u << 5)

static volatile unsigned hits;
static volatile word hit_ip;
static bool clear_error;

static void irq13(struct frame *f)
{
    hits++;
    hit_ip = f->ip;
    outb(0xf0, 0);
    if (clear_error)
        __asm__ volatile("fnclex");
    pic_eoi(13);
}

/* The protected-mode image in 32 bits. */
static uint32_t env[7];

static void pointers(void)
{
    extern char at_fsub[], at_fchs[];
    static float operand = 1;
    __asm__ volatile("fninit\n\tfnstenv %0" : "=m"(env));
    check("FNINIT clears FIP", env[3], 0);
    check("FNINIT clears FOP", env[4] >> 16, 0);
    check("FNINIT clears FDP", env[5], 0);
    __asm__ volatile("fld1\nat_fsub:\tfsubs %1\n\tfnstcw %2\n\tfnop\n\tfnstenv %0"
                     : "=m"(env)
                     : "m"(operand), "m"((uint16_t){0}));
    check("FIP is the last non-control instruction's", env[3], (word)at_fsub);
    check("FDP is its operand's", env[5], (word)&operand);
    check("FOP of a memory form: D8 /4", env[4] >> 16 & 0x738, 0x020);
    __asm__ volatile("fninit\n\tfld1\nat_fchs:\tfchs\n\tfnstenv %0" : "=m"(env));
    check("FIP of a register form", env[3], (word)at_fchs);
    check("FOP of FCHS: D9 E0", env[4] >> 16, 0x1e0);
    env[4] = env[4] ^ 0x7ffu << 16;
    __asm__ volatile("fldenv %0\n\tfnstenv %0" : "+m"(env));
    check("FLDENV loads FOP", env[4] >> 16, 0x1e0 ^ 0x7ff);
    __asm__ volatile("fninit");
}

static void divide_by_zero(void)
{
    static const uint16_t cw = 0x37b; /* ZM clear */
    __asm__ volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldz\n\tfdivrp %%st, %%st(1)" ::"m"(cw));
}

static void with_irq13(void)
{
    extern char waits[], waits_mmx[];
    handlers[0x2d] = irq13;
    pic_init();
    pic_mask((uint16_t) ~(1u << 13 | 1u << 2));
    write_cr0(read_cr0() & ~(word)NE);
    clear_error = true;
    __asm__ volatile("sti");
    divide_by_zero();
    check("no interrupt before the next waiting instruction", hits, 0);
    __asm__ volatile("fnstsw %%ax" ::: "eax");
    check("nor at one that does not wait", hits, 0);
    __asm__ volatile("waits:\tfwait" ::: "memory");
    check("IRQ 13 at the waiting instruction", hits, 1);
    check("which is where it returns to", hit_ip, (word)waits);
    divide_by_zero();
    __asm__ volatile("waits_mmx:\tmovq %%mm0, %%mm0" ::: "memory");
    check("an MMX instruction waits too", hits, 2);
    check("and is restarted", hit_ip, (word)waits_mmx);
    __asm__ volatile("fninit");

    clear_error = false;
    divide_by_zero();
    __asm__ volatile("fwait\n\tfld1\n\tfld1\n\tfwait" ::: "memory");
    check("port F0h: errors are ignored until cleared", hits, 3);
    __asm__ volatile("fnclex");
    clear_error = true;
    divide_by_zero();
    __asm__ volatile("fwait" ::: "memory");
    check("cleared: the next one interrupts again", hits, 4);

    __asm__ volatile("cli");
    write_cr0(read_cr0() | NE);
    divide_by_zero();
    TRY("fwait", ::: "memory");
    check_fault("with NE it is #MF", MF, 0);
    check("and no interrupt", hits, 4);
    __asm__ volatile("fninit");
}

void guest_main(void)
{
    pointers();
    with_irq13();
}
