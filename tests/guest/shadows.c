/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What MOV SS, POP SS and STI hold back, and for how long (SDM vol. 3A 6.8.3, table 6-2; vol. 2B
 * MOV, POP, STI): INTR from the PIC and the local APIC, NMI, single steps, instruction and data
 * breakpoints; before instructions that fault, trap, halt, repeat or enter a handler. Irq.c,
 * events.c and faults.c have the plain cases. */
#include "lib/ap.h"

enum { VECTOR = 0x50, ALARM = 0x51, SOFT = 0x60, B0 = 1, BS = 1 << 14, BITS = 0xe00f };
enum { LVT_TIMER = 0x32, LVT_LINT0 = 0x35, INITIAL = 0x38, DIVIDE = 0x3e };

static struct event {
    unsigned vector;
    word ip, flags, dr6;
} events[16];
static unsigned seen;
static uint16_t ss_cell = SEL_DATA;
static word scratch[4];

static void on_event(struct frame *f)
{
    if (seen < 16)
        events[seen++] = (struct event){(unsigned)f->vector, f->ip, f->flags,
                                        f->vector == DB ? exc.dr6 & BITS : 0};
    if (f->vector == VECTOR || f->vector == ALARM)
        set(EOI, 0);
    if (f->vector == 0x20)
        pic_eoi(0);
    if (f->vector == UD)
        f->ip += 2;
    /* an instruction breakpoint: it runs now */
    if (f->vector == DB && exc.dr6 & B0 && !(read_dr7() >> 16 & 3))
        f->flags |= 0x10000;
}

/* The vectors that were seen, two digits each. */
static uint64_t order(void)
{
    uint64_t v = 0;

    for (unsigned n = 0; n < seen && n < 8; n++)
        v = v << 8 | events[n].vector;
    return v;
}

static void begin(bool interrupt)
{
    seen = 0;
    if (interrupt)
        send(TO_SELF | VECTOR, 0);
}

/* Ends a HLT that missed its interrupt; then that is seen, too. */
static void set_alarm(bool on)
{
    set(DIVIDE, 0xb);
    set(LVT_TIMER, on ? ALARM : 1 << 16);
    set(INITIAL, on ? 1 << 28 : 0);
}

static void set_dr0(void *at)
{
    __asm__ volatile("mov %0, %%dr0" ::"r"(at));
}

#define FLAGS_ON(bits) "pushf\n\tor" W " $" bits ", (%%" R "sp)\n\tpopf\n\t"
#define IN             ::"a"(SEL_DATA), "r"(&ss_cell) : "memory", "cc"
/* POP SS takes a word of 2, 4 or 8 bytes; 64-bit mode has none. */
#ifdef __x86_64__
#define POP_SS "mov %%eax, %%ss\n\t"
#define PUSHED ""
#else
#define POP_SS "pop %%ss\n\t"
#define PUSHED "push %%eax\n\t"
#endif

/* ---- interrupts ---- */

static void interrupts(void)
{
    extern char a1[], a2[], a3[], a4[], a5[], a6[];

    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tnop\na1:\tnop\n\tcli" IN);
    check("STI, MOV SS: one more instruction", order() == VECTOR ? events[0].ip : 0, (word)a1);
    begin(false);
    __asm__ volatile(
        "sti\n\tnop\n\tmovl $0x40050, %2\n\tmov %%eax, %%ss\na2:\tnop\n\tcli" ::"a"(SEL_DATA),
        "r"(0), "m"(lapic[ICR * 4])
        : "memory", "cc");
    check("without a shadow it comes before MOV SS", seen && events[0].ip < (word)a2, 1);
    begin(true);
    __asm__ volatile("sti\n\tmov (%1), %%ss\n\tnop\na3:\tnop\n\tcli" IN);
    check("STI, MOV SS from memory", order() == VECTOR ? events[0].ip : 0, (word)a3);
    begin(true);
    __asm__ volatile(PUSHED "sti\n\t" POP_SS "nop\na4:\tnop\n\tcli" IN);
    check("STI, POP SS", order() == VECTOR ? events[0].ip : 0, (word)a4);
    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ds\na5:\tnop\n\tcli" IN);
    check("MOV DS holds back nothing", order() == VECTOR ? events[0].ip : 0, (word)a5);
    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tcli\n\tnop" IN);
    check("STI, MOV SS, CLI lets nothing in", order(), 0);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    begin(true);
    __asm__ volatile("sti\n\tjmp a6\n\tnop\na6:\tnop\n\tcli" ::: "memory");
    check("STI, JMP: behind the jump", order() == VECTOR ? events[0].ip : 0, (word)a6);
    set_alarm(true);
    begin(true);
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    check("STI, HLT: it wakes", order(), VECTOR);
    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ss\n\thlt\n\tcli" IN);
    check("STI, MOV SS, HLT: it wakes", order(), VECTOR);
    set_alarm(false);
}

/* The PIC's, the same way. */
static void pic(void)
{
    extern char p1[], p2[];

    handlers[0x20] = on_event;
    set(LVT_LINT0, 0x700);
    pic_mask(0xfffe);
    for (unsigned n = 0; n < 2; n++) {
        uint8_t irr;
        outb(0x43, 0x30), outb(0x40, 50), outb(0x40, 0);
        do {
            outb(0x20, 0x0a);
            irr = inb(0x20);
        } while (!(irr & 1));
        begin(false);
        if (!n) {
            __asm__ volatile("sti\n\tnop\np1:\tnop\n\tcli" ::: "memory");
            check("the PIC's: STI", order() == 0x20 ? events[0].ip : 0, (word)p1);
        } else {
            __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tnop\np2:\tnop\n\tcli" IN);
            check("the PIC's: STI, MOV SS", order() == 0x20 ? events[0].ip : 0, (word)p2);
        }
    }
    pic_mask(0xffff);
    set(LVT_LINT0, 0x10000);
}

/* An NMI that is requested right before MOV SS, or by the instruction behind it. */
static void nmis(void)
{
    extern char n1[], n2[];
    word low = NMI_IPI | ASSERT;

    set(ICR_HIGH, self() << 24);
    begin(false);
    __asm__ volatile("mov %%eax, %%ss\n\tmovl %k1, (%2)\nn1:\tnop\n\tnop" ::"a"(SEL_DATA), "r"(low),
                     "r"(&lapic[ICR * 4])
                     : "memory");
    check("MOV SS: an NMI behind the next instruction", order() == NMI ? events[0].ip : 0,
          (word)n1);
    begin(false);
    send(TO_SELF | VECTOR, 0);
    set(ICR_HIGH, self() << 24);
    __asm__ volatile(
        "sti\n\tmov %%eax, %%ss\n\tmovl %k1, (%2)\nn2:\tnop\n\tnop\n\tcli" ::"a"(SEL_DATA),
        "r"(low), "r"(&lapic[ICR * 4])
        : "memory");
    check("NMI and interrupt behind it, in this order", order(), NMI << 8 | VECTOR);
    check("both at the same instruction", events[0].ip == (word)n2 && events[1].ip == (word)n2, 1);
}

/* ---- faults and traps in the shadow ---- */

static void in_the_shadow(void)
{
    extern char f1[], f2[];

    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tud2\nf1:\tnop\n\tcli" IN);
    check("MOV SS, a fault: first the fault", order(), UD << 8 | VECTOR);
    check("its handler's IRET ends the shadow", events[1].ip, (word)f1);
    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tint3\nf2:\tnop\n\tcli" IN);
    check("MOV SS, INT3: first the trap", order(), BP << 8 | VECTOR);
    check("the interrupt is behind its IRET", events[1].ip, (word)f2);
    begin(true);
    __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tint $0x60\nf3:\tnop\n\tcli" IN);
    check("MOV SS, INT n", order(), SOFT << 8 | VECTOR);
    /* all of a repeated instruction's iterations: the shadow is one iteration's at least */
    word from = (word)scratch, to = (word)(scratch + 2), count = 8;
    begin(true);
    __asm__ volatile("sti\n\trep movsb\n\tcli" : "+S"(from), "+D"(to), "+c"(count)::"memory");
    check("STI, REP MOVS: done, and the interrupt taken", order() << 8 | count, VECTOR << 8);
}

/* ---- debug exceptions ---- */

static void steps(void)
{
    extern char s1[], s2[], s3[], s4[];

    begin(false);
    __asm__ volatile(FLAGS_ON("0x100") "mov %%eax, %%ss\n\tnop\ns1:\tnop" IN);
    check("a step over MOV SS: behind the next instruction", order() == DB ? events[0].ip : 0,
          (word)s1);
    check("DR6.BS", events[0].dr6, BS);
    begin(false);
    __asm__ volatile(FLAGS_ON("0x100") "mov (%1), %%ss\n\tnop\ns2:\tnop" IN);
    check("... from memory", order() == DB ? events[0].ip : 0, (word)s2);
    begin(false);
    __asm__ volatile(PUSHED FLAGS_ON("0x100") "nop\ns3:\tnop" IN);
    check("a step has no shadow", order() == DB ? events[0].ip : 0, (word)s3);
#ifndef __x86_64__
    __asm__ volatile("add $4, %%esp" ::: "memory", "cc");
#endif
    begin(true);
    __asm__ volatile(FLAGS_ON("0x100") "sti\ns4:\tnop\n\tcli" ::: "memory", "cc");
    check("a step over STI has none either", seen ? events[0].ip : 0, (word)s4);
    __asm__ volatile("cli" ::: "memory");
}

static void breakpoints(void)
{
    extern char b1[], b2[], b3[], b4[], b5[], b6[], handler_start[];

    set_dr0(b1);
    write_dr7(0x402);
    begin(false);
    __asm__ volatile("mov %%eax, %%ss\nb1:\tnop\n\tnop" IN);
    check("an instruction breakpoint behind MOV SS is not hit", seen, 0);
    set_dr0(b2);
    __asm__ volatile("mov %%eax, %%ss\n\tnop\nb2:\tnop\n\tnop" IN);
    check("one behind that is", order() == DB ? events[0].ip : 0, (word)b2);
    set_dr0(b3);
    begin(true);
    __asm__ volatile("sti\nb3:\tnop\n\tnop\n\tcli" ::: "memory");
    check("one behind STI is, before the interrupt", order(), DB << 8 | VECTOR);
    check("DR6.B0", events[0].dr6, B0);
    write_dr7(0x400);
    /* of data: held back, and not lost */
    set_dr0(&ss_cell);
    write_dr7(0x402 | 7u << 16);
    begin(false);
    __asm__ volatile("mov (%1), %%ss\n\tnop\nb4:\tnop" IN);
    check("a data breakpoint of MOV SS: behind the next instruction",
          order() == DB ? events[0].ip : 0, (word)b4);
    check("DR6.B0 alone", events[0].dr6, B0);
    begin(false);
    __asm__ volatile("mov (%1), %%ss\n\tmovw (%1), %%cx\nb5:\tnop" ::"a"(SEL_DATA), "r"(&ss_cell)
                     : "memory", "cx");
    check("hit by both: one exception", order() == DB ? events[0].ip : 0, (word)b5);
    begin(false);
    __asm__ volatile(FLAGS_ON("0x100") "mov (%1), %%ss\n\tnop\nb6:\tnop" IN);
    check("with a step: one exception", order() == DB ? events[0].ip : 0, (word)b6);
    check("DR6.BS and B0", events[0].dr6, BS | B0);
    /* INT n behind it: the trap comes at the handler's first instruction */
    begin(false);
    __asm__ volatile("mov (%1), %%ss\n\tint $0x61" IN);
    check("a data breakpoint of MOV SS, then INT n: DB in the handler",
          seen && events[0].vector == DB ? events[0].ip : 0, (word)handler_start);
    check("with interrupts off there", events[0].flags & 0x200, 0);
    write_dr7(0x400);
}

__asm__(".text\nhandler_start:\tnop\n\tiret"
#ifdef __x86_64__
        "q"
#endif
        "\n");

/* ---- MOV SS, MOV SS: only the first is sure to hold back; ours do not hold for ever ---- */

static void many(void)
{
    begin(true);
    __asm__ volatile("sti\n\t.rept 20\n\tmov %%eax, %%ss\n\t.endr\n\tnop\n\tnop\n\tcli" IN);
    check("20 MOV SS: it comes", order(), VECTOR);
    /* again and again, so that an engine knows the way */
    unsigned wrong = 0;
    for (unsigned n = 0; n < 60; n++) {
        extern char often[];
        begin(true);
        __asm__ volatile("sti\n\tmov %%eax, %%ss\n\tnop\noften:\tnop\n\tcli" IN);
        wrong += order() != VECTOR || events[0].ip != (word)often;
    }
    check("the same, again and again", wrong, 0);
}

void guest_main(void)
{
    extern char handler_start[];

    handlers[VECTOR] = handlers[ALARM] = handlers[SOFT] = on_event;
    handlers[NMI] = handlers[BP] = handlers[UD] = handlers[DB] = on_event;
    set_gate(0x61, handler_start, 0x8e);
    set(SVR, 0x1ff);
    interrupts();
    pic();
    nmis();
    in_the_shadow();
    steps();
    breakpoints();
    many();
}

void ap_main(void)
{
}
