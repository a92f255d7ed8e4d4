/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the I/O APIC and ICRs can do to several processors (run with -smp 4): lowest priority by TPR
 * and by what is in service, an EOI by whoever got it, ExtINT, NMI, INIT, INIT in x2APIC mode (SDM
 * vol. 3A 9.4, 11.6, 11.12.5; 82093AA datasheet 3.2.4). Smp.c and ioapic.c have destinations. */
#include "lib/ap.h"
#include "lib/line.h"

enum { MAX = 4, PATIENCE = 1000000, PIN = 1, VECTOR = 0x45, BUSY = 0x55 };
enum { BY_LEVEL = 1 << 15, MASKED = 1 << 16, REMOTE_IRR = 1 << 14, ISR = 0x10 };
enum { AS_INIT = 5 << 8, AS_EXTINT = 7 << 8, LVT_LINT0 = 0x35, EXT_VECTOR = 0x21 };
enum command { NOTHING, SET_TPR, TAKE_BUSY, END_BUSY, SET_X2, LOOK_AT_ISR };

static volatile uint32_t *const ioapic = (uint32_t *)0xfec00000;
static struct processor {
    volatile unsigned hits[256], beat, starts, command;
    volatile uint32_t argument, ldr;
    volatile uint64_t base;
    uint8_t stack[8192] __attribute__((aligned(16)));
} cpu[MAX];
static volatile unsigned lower; /* the handler reads the byte */

static unsigned me(void)
{
    return self() % MAX;
}

static void route(uint32_t low, unsigned dest)
{
    ioapic[0] = 0x10 + 2 * PIN;
    ioapic[4] = MASKED;
    ioapic[0] = 0x11 + 2 * PIN;
    ioapic[4] = dest << 24;
    ioapic[0] = 0x10 + 2 * PIN;
    ioapic[4] = low;
}

static uint32_t entry(void)
{
    ioapic[0] = 0x10 + 2 * PIN;
    return ioapic[4];
}

/* ---- the processors ---- */

static void on_interrupt(struct frame *f)
{
    if (f->vector == VECTOR && lower)
        line_down();
    if (f->vector >= 0x20 && f->vector != BUSY)
        set(EOI, 0);
    cpu[me()].hits[f->vector]++; /* out of service by now */
}

static void on_pic(struct frame *f)
{
    line_down();
    pic_eoi((int)f->vector - 0x20);
    cpu[me()].hits[f->vector]++;
}

static void breathe(void)
{
    __asm__ volatile("pause\n\tsti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static void obey(struct processor *p)
{
    switch (p->command) {
    case SET_TPR:
        set(TPR, p->argument);
        break;
    case TAKE_BUSY: /* into service, and not out of it */
        send(TO_SELF | p->argument, 0);
        breathe();
        break;
    case END_BUSY:
        set(EOI, 0);
        break;
    case SET_X2:
        wrmsr(MSR_BASE, rdmsr(MSR_BASE) | X2);
        break;
    case LOOK_AT_ISR:
        p->argument = get(ISR + EXT_VECTOR / 32);
        break;
    default:
        return;
    }
    p->command = NOTHING;
}

void ap_main(void)
{
    load_idt(256 * (sizeof(word) == 8 ? 16 : 8) - 1);
    set(SVR, 0x1ff);
    struct processor *p = &cpu[me()];
    p->base = rdmsr(MSR_BASE);
    p->ldr = get(LDR);
    if (!x2())
        set(LDR, 1u << (24 + me()));
    p->starts++;
    ap_started++;
    for (;;) {
        breathe();
        p->beat++;
        obey(p);
    }
}

static bool command(unsigned n, enum command what, uint32_t argument)
{
    cpu[n].argument = argument;
    cpu[n].command = what;
    if (!n)
        obey(&cpu[0]);
    for (unsigned k = 0; k < PATIENCE && cpu[n].command; k++)
        __asm__ volatile("pause");
    return !cpu[n].command;
}

/* Time for what comes, and for what must not. */
static void linger(void)
{
    for (unsigned n = 0; n < 1000; n++)
        breathe();
}

static bool wait_beyond(volatile unsigned *v, unsigned before)
{
    for (unsigned n = 0; n < PATIENCE && *v == before; n++)
        breathe();
    return *v != before;
}

static void clear_hits(unsigned vector)
{
    for (unsigned n = 0; n < MAX; n++)
        cpu[n].hits[vector] = 0;
}

/* Four digits: how often each was interrupted, this processor's the lowest. */
static unsigned hits(unsigned vector)
{
    unsigned v = 0;

    for (unsigned n = 0; n < MAX; n++)
        v |= (cpu[n].hits[vector] & 15) << 4 * n;
    return v;
}

static unsigned sum(unsigned digits)
{
    return (digits & 15) + (digits >> 4 & 15) + (digits >> 8 & 15) + (digits >> 12 & 15);
}

/* Waits for as many interrupts as are expected, wherever they go, and for more. */
static unsigned got(unsigned vector, unsigned expected)
{
    for (unsigned k = 0; k < PATIENCE && sum(hits(vector)) < sum(expected); k++)
        breathe();
    linger();
    return hits(vector);
}

/* ---- lowest priority ---- */

static unsigned pulse(uint32_t low, unsigned dest, unsigned expected)
{
    clear_hits(low & 0xff);
    route(low, dest);
    line_up();
    line_down();
    return got(low & 0xff, expected);
}

static void lowest(void)
{
    unsigned wrong = 0, by_ipi = 0, busy = 0;

    for (unsigned n = 0; n < MAX; n++)
        for (unsigned low = 0; low < MAX; low++) {
            unsigned want = 1u << 4 * low;
            for (unsigned k = 0; k < MAX; k++)
                command(k, SET_TPR, k == low ? 0x10 : 0x20 + 0x10 * ((k + n) % 2));
            wrong += pulse(LOGICAL | LOWEST | VECTOR, 0xf, want) != want;
            clear_hits(VECTOR);
            send(LOGICAL | LOWEST | VECTOR, 0xf);
            by_ipi += got(VECTOR, want) != want;
        }
    check("lowest priority: the lowest TPR", wrong, 0);
    check("lowest priority: as IPI", by_ipi, 0);
    for (unsigned k = 0; k < MAX; k++)
        command(k, SET_TPR, k == 3 ? 0 : 0x20);
    check("lowest priority: of those that are named",
          pulse(LOGICAL | LOWEST | VECTOR, 0x7, 1) != 0x1000, 1);
    check("one of them", cpu[0].hits[VECTOR] + cpu[1].hits[VECTOR] + cpu[2].hits[VECTOR], 1);
    for (unsigned k = 0; k < MAX; k++)
        command(k, SET_TPR, 0);
    for (unsigned free = 0; free < MAX; free++) {
        for (unsigned k = 0; k < MAX; k++)
            if (k != free)
                command(k, TAKE_BUSY, BUSY);
        busy += pulse(LOGICAL | LOWEST | 0x66, 0xf, 1u << 4 * free) != 1u << 4 * free;
        for (unsigned k = 0; k < MAX; k++)
            if (k != free)
                command(k, END_BUSY, 0);
    }
    check("lowest priority: the one with nothing in service", busy, 0);
}

static void ends(void)
{
    unsigned wrong = 0;

    lower = 1;
    for (unsigned low = 0; low < MAX; low++) {
        for (unsigned k = 0; k < MAX; k++)
            command(k, SET_TPR, k == low ? 0 : 0x20);
        clear_hits(VECTOR);
        route(LOGICAL | LOWEST | BY_LEVEL | VECTOR, 0xf);
        line_up();
        wrong += got(VECTOR, 1u << 4 * low) != 1u << 4 * low;
        wrong += !!(entry() & REMOTE_IRR);
    }
    lower = 0;
    for (unsigned k = 0; k < MAX; k++)
        command(k, SET_TPR, 0);
    check("level, lowest priority: the EOI of whoever got it", wrong, 0);
}

/* ---- other modes ---- */

static void ext_int(void)
{
    unsigned wrong = 0;

    handlers[EXT_VECTOR] = on_pic;
    for (unsigned n = 0; n < MAX; n++) {
        clear_hits(EXT_VECTOR);
        set(LVT_LINT0, MASKED | AS_EXTINT); /* this way only */
        pic_mask(0xfffd);
        route(AS_EXTINT | 0x99, n);
        line_up();
        wrong += got(EXT_VECTOR, 1u << 4 * n) != 1u << 4 * n;
        line_down();
        command(n, LOOK_AT_ISR, 0);
        wrong += cpu[n].argument != 0;
        pic_mask(0xffff);
    }
    check("ExtINT: the PIC's vector, at each processor", wrong, 0);
    route(MASKED, 0);
}

static void nmis(void)
{
    clear_hits(NMI);
    route(LOGICAL | NMI_IPI | 0x99, 0xa);
    line_up();
    check("NMI to two", got(NMI, 0x1010), 0x1010);
    line_down();
    route(MASKED, 0);
}

static bool stopped(unsigned n)
{
    linger();
    unsigned beat = cpu[n].beat;
    linger();
    return cpu[n].beat == beat;
}

static void start(unsigned n)
{
    unsigned before = ap_started;

    ap_stack = (word)(cpu[n].stack + sizeof(cpu[n].stack) - 16);
    send(SIPI | TRAMPOLINE >> 12, n);
    wait_beyond(&ap_started, before);
}

static void init_by_line(void)
{
    unsigned starts = cpu[2].starts, other = cpu[1].beat;

    command(2, SET_TPR, 0x30);
    route(AS_INIT, 2);
    line_up();
    report(stopped(2), "INIT stops the processor");
    report(wait_beyond(&cpu[1].beat, other), "and no other");
    line_down();
    route(MASKED, 0);
    clear_hits(VECTOR);
    send(VECTOR, 2);
    check("it takes no interrupts", got(VECTOR, 0), 0);
    start(2);
    check("a start-up IPI starts it", cpu[2].starts, starts + 1);
    check("its LDR is 0", cpu[2].ldr, 0);
    clear_hits(VECTOR);
    send(VECTOR, 2);
    check("its TPR is 0, and it takes interrupts", got(VECTOR, 0x100), 0x100);
}

static void init_by_ipi(void)
{
    send(INIT_IPI | TO_OTHERS, 0);
    report(stopped(1) && stopped(2) && stopped(3), "INIT to all others");
    for (unsigned n = 1; n < MAX; n++)
        start(n);
    check("they start again", cpu[1].starts + cpu[2].starts + cpu[3].starts, 3 + 3 + 1);
}

/* INIT leaves the mode and the ID (11.12.5.1). */
static void init_x2(void)
{
    uint32_t id[4];

    cpuid(1, id);
    if (!(id[2] >> 21 & 1)) {
        skip("x2APIC: CPUID has none");
        return;
    }
    for (unsigned n = 0; n < MAX; n++)
        command(n, SET_X2, 0);
    send(INIT_IPI, 3);
    report(stopped(3), "x2APIC: INIT");
    start(3);
    check("x2APIC: the mode stays", cpu[3].base & (X2 | ENABLED), X2 | ENABLED);
    check("x2APIC: LDR stays what follows from the ID", cpu[3].ldr, 8);
    clear_hits(VECTOR);
    send(LOGICAL | VECTOR, 8);
    check("x2APIC: it is reached", got(VECTOR, 0x1000), 0x1000);
    route(VECTOR, 3);
    line_up();
    line_down();
    check("x2APIC: and by the I/O APIC", got(VECTOR, 0x2000), 0x2000);
}

void guest_main(void)
{
    if (count_processors() != MAX) {
        report(false, "expected -smp 4");
        return;
    }
    handlers[VECTOR] = handlers[BUSY] = handlers[0x66] = handlers[NMI] = on_interrupt;
    set(SVR, 0x1ff);
    set(LDR, 1u << 24);
    prepare_controller();
    ap_start_all(MAX, cpu[0].stack + sizeof(cpu[0].stack), sizeof(cpu[0]));
    lowest();
    ends();
    ext_int();
    nmis();
    init_by_line();
    init_by_ipi();
    init_x2();
}
