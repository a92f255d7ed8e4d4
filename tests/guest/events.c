/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which event comes first (SDM vol. 3A table 6-2, 6.7.1, 6.8; 11.8): interrupts, NMI, traps and
 * faults at the same boundary; STI, POPF, IRET; classes of vectors in the local APIC. Irq.c and
 * faults.c have shadows and faults during delivery. */
#include "lib/ap.h"

static struct event {
    unsigned vector;
    word ip, flags;
    uint32_t ppr;
} events[16];
static unsigned seen;
static void (*inside)(unsigned vector); /* what the handler does */

static void on_event(struct frame *f)
{
    if (seen < 16)
        events[seen++] = (struct event){(unsigned)f->vector, f->ip, f->flags, get(0x0a)};
    if (inside)
        inside((unsigned)f->vector);
    if (f->vector >= 0x20)
        set(EOI, 0);
    if (f->vector == UD)
        f->ip += 2;
}

static void request(unsigned vector)
{
    send(TO_SELF | vector, 0);
}

static void begin(void (*fn)(unsigned vector))
{
    seen = 0;
    inside = fn;
}

/* The vectors that were seen, two digits each. */
static uint64_t order(void)
{
    uint64_t v = 0;

    for (unsigned n = 0; n < seen && n < 8; n++)
        v = v << 8 | events[n].vector;
    return v;
}

#define STEP_IF "pushf\n\tor" W " $0x300, (%%" R "sp)\n\tpopf\n"
#define BIT_IF  0x200u
#define BIT_TF  0x100u

static void shadows(void)
{
    extern char popf_next[], iret_next[], second_sti[];

    begin(0);
    request(0x50);
    __asm__ volatile("pushf\n\tor" W " $0x200, (%%" R "sp)\n\tpopf\npopf_next:\tnop\n\tcli" ::
                         : "memory");
    check("POPF that sets IF has no shadow", events[0].ip, (word)popf_next);
    begin(0);
    request(0x50);
#ifdef __x86_64__
    __asm__ volatile(
        "mov %%rsp, %%rax\n\tpushq $0x10\n\tpush %%rax\n\tpushf\n\torq $0x200, (%%rsp)\n\t"
        "pushq $8\n\tpushq $iret_next\n\tiretq\niret_next:\tnop\n\tcli" ::
            : "rax", "memory");
#else
    __asm__ volatile("pushf\n\torl $0x200, (%%esp)\n\tpushl $8\n\tpushl $iret_next\n\tiret\n"
                     "iret_next:\tnop\n\tcli" ::
                         : "memory");
#endif
    check("IRET that sets IF has no shadow", events[0].ip, (word)iret_next);
    begin(0);
    request(0x50);
    __asm__ volatile("sti\n\tsti\nsecond_sti:\tnop\n\tcli" ::: "memory");
    check("STI with IF set has no shadow", events[0].ip, (word)second_sti);
    begin(0);
    request(0x50);
    __asm__ volatile("sti\n\tud2\n\tnop\n\tcli" ::: "memory");
    check("a fault in the shadow of STI comes first", order(), UD << 8 | 0x50);
    check("its flags have IF", events[0].flags & BIT_IF, BIT_IF);
    begin(0);
    request(0x50);
    __asm__ volatile("sti\n\tint3\n\tcli" ::: "memory");
    check("and so does INT3", order(), BP << 8 | 0x50);
}

/* Requests an NMI in the shadow of STI. */
static void nmi_first(void)
{
    word low = NMI_IPI | ASSERT, high = self();
    extern char both_pending[];

    begin(0);
    request(0x50);
    set(ICR_HIGH, (uint32_t)high << 24);
    __asm__ volatile("sti\n\tmovl %k0, (%1)\nboth_pending:\tnop\n\tnop\n\tcli" ::"r"(low),
                     "r"(&lapic[ICR * 4])
                     : "memory");
    check("an NMI comes before an interrupt", order(), NMI << 8 | 0x50);
    check("at the same instruction", events[1].ip, events[0].ip);
    check("right behind the instruction that requests it", events[0].ip, (word)both_pending);
}

static unsigned depth, deepest;

static void more_nmis(unsigned vector)
{
    if (vector != NMI)
        return;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (seen == 1) {
        send(NMI_IPI, self());
        send(NMI_IPI, self());
        __asm__ volatile("nop\n\tnop");
    }
    depth--;
}

/* The IRET of another handler ends the blocking, too (SDM vol. 3A 6.7.1). */
static void nested_nmi(unsigned vector)
{
    if (vector != NMI || seen > 1)
        return;
    send(NMI_IPI, self());
    __asm__ volatile("nop\n\tint3\n\tnop");
    depth = seen;
}

static void nmi_blocking(void)
{
    begin(more_nmis);
    send(NMI_IPI, self());
    __asm__ volatile("nop\n\tnop");
    check("NMIs during an NMI: one is kept", order(), NMI << 8 | NMI);
    check("until IRET", deepest, 1);
    begin(nested_nmi);
    send(NMI_IPI, self());
    __asm__ volatile("nop\n\tnop");
    check("IRET from INT3 opens for NMIs", order(), NMI << 16 | BP << 8 | NMI);
    check("inside the first handler", depth, 3);
    begin(0);
    __asm__ volatile("int $2");
    send(NMI_IPI, self());
    __asm__ volatile("nop\n\tnop");
    check("INT 2 blocks none behind its IRET", order(), NMI << 8 | NMI);
}

static void steps(void)
{
    extern char step_sti[], step_popf[];

    begin(0);
    request(0x50);
    __asm__ volatile(STEP_IF "step_popf:\tnop\n\tcli" ::: "memory");
    check("POPF with IF and TF: interrupt, then step", order(), 0x50 << 8 | DB);
    check("the interrupt is at the next instruction", events[0].ip, (word)step_popf);
    check("its frame has TF", events[0].flags & BIT_TF, BIT_TF);
    begin(0);
    request(0x50);
    __asm__ volatile("pushf\n\tor" W " $0x100, (%%" R "sp)\n\tpopf\n\tsti\nstep_sti:\tnop\n\tcli" ::
                         : "memory");
    check("a step over STI comes before the interrupt", order(), DB << 8 | 0x50);
    check("at the same instruction", events[1].ip, (word)step_sti);
    begin(0);
    request(0x50);
    __asm__ volatile("sti\n\thlt\n\tcli" ::: "memory");
    check("HLT with an interrupt waiting", order(), 0x50);
}

/* ---- classes ---- */

static void higher_and_lower(unsigned vector)
{
    if (vector != 0x58)
        return;
    request(0x5f); /* of the same class */
    request(0x48);
    request(0x60);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

/* Vectors 40H to 5FH are bits of the third register of ISR and IRR. */
static void service_bits(unsigned vector)
{
    if (vector == 0x50)
        depth = (get(0x12) >> 16 & 1) | (get(0x22) >> 16 & 1) << 1;
}

static void classes(void)
{
    begin(0);
    request(0x50), request(0x61), request(0x60), request(0x41);
    __asm__ volatile("sti\n\tnop\n\tcli" ::: "memory");
    __asm__ volatile("sti\n\tnop\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("the highest vector comes first", order(), 0x61605041);
    check("PPR is its class", events[0].ppr, 0x60);
    begin(higher_and_lower);
    request(0x58);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("only a higher class comes into a handler", order(), 0x58605f48);
    begin(service_bits);
    depth = ~0u;
    request(0x50);
    request(0x50);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("requested twice: once", order(), 0x50);
    check("in service: ISR, not IRR", depth, 1);
    check("EOI clears ISR", get(0x12), 0);
    begin(0);
    __asm__ volatile("int $0x52");
    check("INT sets no ISR", get(0x12), 0);
    check("INT is not held back", order(), 0x52);
    begin(0);
    set(TPR, 0x5f);
    request(0x5f);
    request(0x60);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("TPR holds its class back", order(), 0x60);
    set(TPR, 0x4f);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("and lets the next one through", order(), 0x605f);
    check("PPR: the higher of TPR and ISR", events[1].ppr, 0x50);
    set(TPR, 0);
}

static void errors(void)
{
    begin(0);
    set(ESR, 0);
    set(ESR, 0);
    request(0x0f);
    set(ESR, 0);
    report(get(ESR) & 1 << 5, "ESR: an illegal vector is sent");
    set(ESR, 0);
    check("ESR: and gone", get(ESR), 0);
    __asm__ volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
    check("it does not arrive", order(), 0);
}

void guest_main(void)
{
    for (unsigned v = 0x40; v < 0x70; v++)
        handlers[v] = on_event;
    handlers[NMI] = handlers[BP] = handlers[UD] = handlers[DB] = on_event;
    set(SVR, 0x1ff);
    shadows();
    nmi_first();
    nmi_blocking();
    steps();
    classes();
    errors();
}

void ap_main(void)
{
}
