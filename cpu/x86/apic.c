/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APIC: xAPIC and x2APIC (SDM vol. 3A chapter 11).
 *
 * State changes under the machine lock. IRR is also read by the vCPU thread without it (is anything
 * pending?), so its words are accessed atomically. */
#include "cpu/x86/apic.h"

#include "cpu/x86/cpu.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/smm.h"

enum apic_register { /* offset >> 4; in x2APIC mode the MSR's low byte */
                     REG_ID = 0x02,
                     REG_VERSION = 0x03,
                     REG_TPR = 0x08,
                     REG_PPR = 0x0a,
                     REG_EOI = 0x0b,
                     REG_LDR = 0x0d,
                     REG_DFR = 0x0e,
                     REG_SVR = 0x0f,
                     REG_ISR = 0x10,
                     REG_TMR = 0x18,
                     REG_IRR = 0x20,
                     REG_ESR = 0x28,
                     REG_LVT_CMCI = 0x2f,
                     REG_ICR_LOW = 0x30,
                     REG_ICR_HIGH = 0x31,
                     REG_LVT_TIMER = 0x32,
                     REG_LVT_LINT0 = 0x35,
                     REG_LVT_LINT1 = 0x36,
                     REG_LVT_ERROR = 0x37,
                     REG_TIMER_INITIAL = 0x38,
                     REG_TIMER_CURRENT = 0x39,
                     REG_TIMER_DIVIDE = 0x3e,
                     REG_SELF_IPI = 0x3f, /* x2APIC only */
};

enum { LVT_CMCI, LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, NUM_LVT };
enum {
    DELIVER_FIXED,
    DELIVER_LOWEST,
    DELIVER_SMI,
    DELIVER_NMI = 4,
    DELIVER_INIT,
    DELIVER_SIPI,
    DELIVER_EXTINT
};
enum { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_DEADLINE };

#define BASE_BSP        (1ull << 8)
#define BASE_X2APIC     (1ull << 10)
#define BASE_ENABLE     (1ull << 11)
#define APIC_BASE_RESET 0xfee00000ull
#define SVR_ENABLE      (1u << 8)
#define SVR_NO_FOCUS    (1u << 9)
#define LVT_MASKED      (1u << 16)
#define LVT_DEADLINE    (1u << 18)
#define LVT_READ_ONLY   0x5000u /* delivery status; of LINT0 and LINT1 remote IRR */
#define LVT_STATUS      0x1000u
#define APIC_VERSION    (0x14u | (NUM_LVT - 1u) << 16)
#define ESR_SEND_VECTOR (1u << 5)
#define ESR_RECV_VECTOR (1u << 6)
#define ESR_REGISTER    (1u << 7)
#define ICR_LEVEL       (1u << 14)
#define ICR_TRIGGER     (1u << 15)
#define ICR_WRITABLE    0xccfffu /* the rest is reserved, or delivery status: always idle */
#define MSR_BASE        0x1bu
#define MSR_DEADLINE    0x6e0u
#define MSR_X2          0x800u

static const uint32_t lvt_writable[NUM_LVT] = {0x107ff, 0x700ff, 0x107ff, 0x107ff,
                                               0x1a7ff, 0x1a7ff, 0x100ff};

const struct state_field apic_fields[] = {
    STATE_U64(struct local_apic, base_msr),
    STATE_U32(struct local_apic, id),
    STATE_U32(struct local_apic, ldr),
    STATE_U32(struct local_apic, dfr),
    STATE_U32(struct local_apic, svr),
    STATE_U32(struct local_apic, esr),
    STATE_U32(struct local_apic, esr_shadow),
    STATE_ARRAY(STATE_U32, struct local_apic, irr, 8),
    STATE_ARRAY(STATE_U32, struct local_apic, isr, 8),
    STATE_ARRAY(STATE_U32, struct local_apic, tmr, 8),
    STATE_ARRAY(STATE_U32, struct local_apic, icr, 2),
    STATE_ARRAY(STATE_U32, struct local_apic, lvt, NUM_LVT),
    STATE_U32(struct local_apic, tpr),
    STATE_U32(struct local_apic, timer_initial),
    STATE_U32(struct local_apic, timer_divide),
    STATE_U64(struct local_apic, timer_start),
    STATE_U64(struct local_apic, tsc_deadline),
    STATE_TIMER(struct local_apic, timer),
    STATE_FIELDS_END,
};

static bool enabled(const struct local_apic *a)
{
    return a->base_msr & BASE_ENABLE;
}

static bool x2apic(const struct local_apic *a)
{
    return (a->base_msr & (BASE_ENABLE | BASE_X2APIC)) == (BASE_ENABLE | BASE_X2APIC);
}

static bool software_enabled(const struct local_apic *a)
{
    return enabled(a) && a->svr & SVR_ENABLE;
}

bool apic_is_bsp(const struct cpu *cpu)
{
    return cpu->apic.base_msr & BASE_BSP;
}

/* In x2APIC mode the LDR follows from the ID (11.12.10.2). */
static uint32_t x2_ldr(const struct local_apic *a)
{
    return (a->id >> 4) << 16 | 1u << (a->id & 15);
}

/* The P6 family looks for a processor that has the interrupt already; later ones do not, and SVR
 * bit 9 is reserved (11.9). */
static bool has_focus_checking(const struct cpu *cpu)
{
    return cpu->model.family == 6 && !model_has(&cpu->model, F_lm);
}

/* ---- vector bitmaps ---- */

static int highest(const uint32_t map[8])
{
    for (int n = 7; n >= 0; n--) {
        uint32_t w = __atomic_load_n(&map[n], __ATOMIC_RELAXED);
        if (w)
            return 32 * n + 31 - __builtin_clz(w);
    }
    return -1;
}

static void bit_set(uint32_t map[8], unsigned v)
{
    __atomic_fetch_or(&map[v >> 5], 1u << (v & 31), __ATOMIC_RELEASE);
}

static void bit_clear(uint32_t map[8], unsigned v)
{
    __atomic_fetch_and(&map[v >> 5], ~(1u << (v & 31)), __ATOMIC_RELEASE);
}

/* Processor priority (11.8.3.1). */
static uint32_t ppr(const struct local_apic *a)
{
    int isr = highest(a->isr);
    uint32_t service = isr < 0 ? 0 : (uint32_t)isr;

    return (a->tpr & 0xf0) >= (service & 0xf0) ? a->tpr & 0xff : service & 0xf0;
}

int apic_pending_vector(const struct cpu *cpu)
{
    const struct local_apic *a = &cpu->apic;
    int irr = highest(a->irr);

    if (irr < 0 || !software_enabled(a))
        return -1;
    return (uint32_t)(irr & 0xf0) > (ppr(a) & 0xf0) ? irr : -1;
}

int apic_acknowledge(struct cpu *cpu)
{
    int v = apic_pending_vector(cpu);

    if (v >= 0) {
        bit_clear(cpu->apic.irr, (unsigned)v);
        bit_set(cpu->apic.isr, (unsigned)v);
        if (cpu->apic.eoi.taken)
            cpu->apic.eoi.taken(cpu->apic.eoi.owner, (uint8_t)v);
    }
    return v;
}

void apic_virtual_wire(struct cpu *cpu)
{
    struct local_apic *a = &cpu->apic;

    a->svr |= SVR_ENABLE;
    a->lvt[LVT_LINT0] = DELIVER_EXTINT << 8;
    a->lvt[LVT_LINT1] = DELIVER_NMI << 8;
}

/* A disabled APIC leaves the INTR pin wired straight through (11.4.3). */
bool apic_accepts_extint(const struct cpu *cpu)
{
    uint32_t lint0 = cpu->apic.lvt[LVT_LINT0];

    return !enabled(&cpu->apic) || (!(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == DELIVER_EXTINT);
}

uint8_t apic_get_cr8(const struct cpu *cpu)
{
    return cpu->apic.tpr >> 4 & 15;
}

void apic_set_cr8(struct cpu *cpu, uint8_t value)
{
    cpu->apic.tpr = (uint32_t)(value & 15) << 4;
    vcpu_kick(&cpu->v); /* a lower priority may let something in */
}

/* ---- arrival ---- */

static void apic_error(struct cpu *cpu, uint32_t bit);

static void accept_fixed(struct cpu *cpu, unsigned vector, bool level)
{
    struct local_apic *a = &cpu->apic;

    if (!software_enabled(a))
        return;
    if (vector < 16) {
        apic_error(cpu, ESR_RECV_VECTOR);
        return;
    }
    if (level)
        bit_set(a->tmr, vector);
    else
        bit_clear(a->tmr, vector);
    bit_set(a->irr, vector);
    vcpu_kick(&cpu->v);
}

/* Interrupts at the first error only; a write to the ESR arms it again (11.5.3). */
static void apic_error(struct cpu *cpu, uint32_t bit)
{
    struct local_apic *a = &cpu->apic;
    uint32_t lvt = a->lvt[LVT_ERROR];
    bool armed = !a->esr_shadow;

    a->esr_shadow |= bit;
    if (armed && !(lvt & LVT_MASKED))
        accept_fixed(cpu, lvt & 0xff, false);
}

/* Its processor looks at it without the machine lock. */
static void request(bool *pending, bool yes)
{
    __atomic_store_n(pending, yes, __ATOMIC_RELAXED);
}

static void accept_init(struct cpu *cpu)
{
    request(&cpu->init_pending, true);
    request(&cpu->sipi_pending, false); /* it comes after this INIT, if at all */
}

/* Counts only for a processor that waits for it, or will (SDM vol. 3A 9.4.3). */
static void accept_sipi(struct cpu *cpu, unsigned vector)
{
    if (!cpu->init_pending && !cpu->wait_sipi)
        return;
    request(&cpu->sipi_pending, true);
    cpu->sipi_vector = (uint8_t)vector;
}

static void accept(struct cpu *cpu, unsigned mode, unsigned vector, bool level)
{
    switch (mode) {
    case DELIVER_FIXED:
    case DELIVER_LOWEST:
        accept_fixed(cpu, vector, level);
        return;
    case DELIVER_NMI:
        request(&cpu->nmi_pending, true);
        break;
    case DELIVER_INIT:
        accept_init(cpu);
        break;
    case DELIVER_SIPI:
        accept_sipi(cpu, vector);
        break;
    case DELIVER_EXTINT:
        request(&cpu->extint_pending, true);
        break;
    case DELIVER_SMI:
        smm_request(cpu);
        return;
    default:
        return;
    }
    vcpu_kick(&cpu->v);
}

/* Logical destination (11.6.2.2, 11.12.10.1). */
static bool logical_match(const struct local_apic *a, uint32_t dest, bool wide)
{
    if (x2apic(a)) {
        if (!wide && dest == 0xff)
            return true;
        return dest >> 16 == a->ldr >> 16 && dest & a->ldr & 0xffff;
    }
    uint32_t ldr = a->ldr >> 24;
    if ((a->dfr >> 28) == 0xf)
        return dest & ldr;
    return (dest >> 4 == ldr >> 4 || dest >> 4 == 15) && dest & ldr & 15;
}

/* An xAPIC has IDs of 8 bits; a disabled one hears nothing (11.4.3). */
static bool matches(const struct local_apic *a, uint32_t dest, bool logical, bool wide)
{
    if (!enabled(a))
        return false;
    if (dest == (wide ? 0xffffffffu : 0xffu))
        return true;
    if (logical)
        return logical_match(a, dest, wide);
    return (x2apic(a) ? a->id : a->id & 0xff) == dest;
}

static bool is_focus(const struct cpu *cpu, unsigned vector)
{
    const struct local_apic *a = &cpu->apic;
    uint32_t has = a->irr[vector >> 5] | a->isr[vector >> 5];

    return has_focus_checking(cpu) && !(a->svr & SVR_NO_FOCUS) && has >> (vector & 31) & 1;
}

/* Whether c is a better receiver than the best so far (11.6.2.4). Of equals the first one wins. */
static bool precedes(const struct cpu *c, const struct cpu *best, unsigned vector)
{
    if (!software_enabled(&c->apic))
        return false;
    if (!best || is_focus(best, vector) != is_focus(c, vector))
        return !best || is_focus(c, vector);
    return ppr(&c->apic) < ppr(&best->apic);
}

/* Gives the message to those it names; lowest priority: to one of them. */
static void deliver(struct machine *m, const struct apic_message *msg, const struct cpu *except)
{
    const struct apic_elsewhere *elsewhere = cpu_of(m->cpus[0])->apic.elsewhere;
    struct cpu *lowest = NULL;

    if (elsewhere && elsewhere->deliver(elsewhere->opaque, msg, except))
        return;
    for (unsigned n = 0; n < m->ncpus; n++) {
        struct cpu *c = cpu_of(m->cpus[n]);
        if (c == except || !matches(&c->apic, msg->dest, msg->logical, msg->wide))
            continue;
        if (msg->mode != DELIVER_LOWEST)
            accept(c, msg->mode, msg->vector, msg->level);
        else if (precedes(c, lowest, msg->vector))
            lowest = c;
    }
    if (lowest)
        accept(lowest, msg->mode, msg->vector, msg->level);
}

/* MSI address and data (11.11.1, 11.11.2). */
static void msi_send(void *owner, uint64_t address, uint32_t data)
{
    struct apic_message msg = {
        .dest = address >> 12 & 0xff,
        .logical = address >> 2 & 1,
        .level = data >> 15 & 1,
        .mode = data >> 8 & 7,
        .vector = (uint8_t)data,
    };

    deliver(owner, &msg, NULL);
}

struct msi_sink apic_msi_sink(struct machine *m)
{
    return (struct msi_sink){msi_send, m};
}

/* ---- interprocessor interrupts (11.6.1) ---- */

enum { TO_DEST, TO_SELF, TO_ALL, TO_OTHERS };

static void send_ipi(struct cpu *cpu, uint32_t low, uint32_t dest)
{
    bool wide = x2apic(&cpu->apic);
    unsigned shorthand = low >> 18 & 3;
    struct apic_message msg = {
        .dest = shorthand == TO_DEST ? dest
                : wide               ? 0xffffffffu
                                     : 0xff,
        .logical = shorthand == TO_DEST && low >> 11 & 1,
        .wide = wide,
        .mode = low >> 8 & 7,
        .vector = (uint8_t)low,
    };

    /* INIT level de-assert does nothing on these processors. */
    if (msg.mode == DELIVER_INIT && !(low & ICR_LEVEL) && low & ICR_TRIGGER)
        return;
    if (msg.mode <= DELIVER_LOWEST && msg.vector < 16) {
        apic_error(cpu, ESR_SEND_VECTOR);
        return;
    }
    if (shorthand == TO_SELF)
        accept(cpu, msg.mode, msg.vector, false);
    else
        deliver(cpu->v.m, &msg, shorthand == TO_OTHERS ? cpu : NULL);
    if (shorthand != TO_SELF && cpu->v.m->ncpus > 1)
        machine_end_turn_soon(cpu->v.m);
}

static void end_of_interrupt(struct cpu *cpu)
{
    struct local_apic *a = &cpu->apic;
    int v = highest(a->isr);

    if (v < 0)
        return;
    bit_clear(a->isr, (unsigned)v);
    if (a->tmr[v >> 5] >> (v & 31) & 1 && a->eoi.eoi)
        a->eoi.eoi(a->eoi.owner, (uint8_t)v);
    vcpu_kick(&cpu->v); /* the next one may be let in */
}

/* ---- local vector table (11.5.1) and timer (11.5.4); one tick of the undivided clock is 1 ns ----
 */

static unsigned timer_shift(const struct local_apic *a)
{
    unsigned d = (a->timer_divide & 3) | (a->timer_divide >> 1 & 4);

    return (d + 1) & 7;
}

static unsigned timer_mode(const struct local_apic *a)
{
    return a->lvt[LVT_TIMER] >> 17 & 3;
}

static uint64_t timer_period(const struct local_apic *a)
{
    return (uint64_t)a->timer_initial << timer_shift(a);
}

static void timer_arm(struct cpu *cpu)
{
    struct local_apic *a = &cpu->apic;

    if (timer_mode(a) == TIMER_DEADLINE) {
        if (a->tsc_deadline)
            vm_timer_arm(&a->timer, cpu_tsc_to_time(cpu, a->tsc_deadline));
        else
            vm_timer_cancel(&a->timer);
    } else if (a->timer_initial) {
        vm_timer_arm(&a->timer, a->timer_start + timer_period(a));
    } else {
        vm_timer_cancel(&a->timer);
    }
}

void apic_tsc_moved(struct cpu *cpu)
{
    struct local_apic *a = &cpu->apic;

    /* not armed: the timer is another engine's */
    if (timer_mode(a) == TIMER_DEADLINE && vm_timer_armed(&a->timer))
        timer_arm(cpu);
}

static void timer_fired(void *opaque)
{
    struct cpu *cpu = opaque;
    struct local_apic *a = &cpu->apic;
    uint32_t lvt = a->lvt[LVT_TIMER];

    if (!(lvt & LVT_MASKED))
        accept_fixed(cpu, lvt & 0xff, false);
    if (timer_mode(a) == TIMER_DEADLINE) {
        a->tsc_deadline = 0;
    } else if (timer_mode(a) == TIMER_PERIODIC && a->timer_initial) {
        /* Periods missed while the host was busy are one interrupt, as for a masked CPU. */
        uint64_t now = vm_clock_now(&cpu->v.m->clock), period = timer_period(a);
        if (now > a->timer_start)
            a->timer_start += (now - a->timer_start) / period * period;
        vm_timer_arm(&a->timer, a->timer_start + period);
    }
}

static uint32_t timer_current(const struct cpu *cpu)
{
    const struct local_apic *a = &cpu->apic;
    uint64_t now = vm_clock_now(&cpu->v.m->clock), period = timer_period(a);

    if (!period || timer_mode(a) == TIMER_DEADLINE)
        return 0;
    uint64_t gone = now - a->timer_start;
    if (timer_mode(a) == TIMER_PERIODIC)
        gone %= period;
    return gone >= period ? 0 : (uint32_t)((period - gone) >> timer_shift(a));
}

static void write_timer_initial(struct cpu *cpu, uint32_t v)
{
    if (timer_mode(&cpu->apic) == TIMER_DEADLINE)
        return; /* 11.5.4.1: ignored */
    cpu->apic.timer_initial = v;
    cpu->apic.timer_start = vm_clock_now(&cpu->v.m->clock);
    timer_arm(cpu);
}

static uint32_t lvt_mask(const struct cpu *cpu, unsigned n)
{
    bool no_deadline = n == LVT_TIMER && !model_has(&cpu->model, F_tsc_deadline);

    return lvt_writable[n] & ~(no_deadline ? LVT_DEADLINE : 0);
}

static void write_lvt(struct cpu *cpu, unsigned n, uint32_t v)
{
    struct local_apic *a = &cpu->apic;
    unsigned before = timer_mode(a);

    a->lvt[n] = v & lvt_mask(cpu, n);
    if (!(a->svr & SVR_ENABLE))
        a->lvt[n] |= LVT_MASKED; /* 11.4.7.2 */
    if (n == LVT_TIMER && timer_mode(a) != before) {
        /* To or from TSC-deadline disarms the timer (11.5.4.1). */
        if (before == TIMER_DEADLINE || timer_mode(a) == TIMER_DEADLINE)
            a->timer_initial = 0, a->tsc_deadline = 0;
        timer_arm(cpu);
    }
    vcpu_kick(&cpu->v);
}

/* ---- registers ---- */

/* Those of which there are several, one after the other. */
static const uint32_t *row_of_registers(const struct local_apic *a, unsigned reg)
{
    if (reg >= REG_ISR && reg < REG_ISR + 8)
        return &a->isr[reg - REG_ISR];
    if (reg >= REG_TMR && reg < REG_TMR + 8)
        return &a->tmr[reg - REG_TMR];
    if (reg >= REG_IRR && reg < REG_IRR + 8)
        return &a->irr[reg - REG_IRR];
    if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
        return &a->lvt[LVT_TIMER + reg - REG_LVT_TIMER];
    return NULL;
}

static bool read_register(const struct cpu *cpu, unsigned reg, uint32_t *v)
{
    const struct local_apic *a = &cpu->apic;
    const uint32_t *row = row_of_registers(a, reg);

    if (row) {
        *v = *row;
        return true;
    }
    switch (reg) {
    case REG_ID:
        *v = x2apic(a) ? a->id : a->id << 24; /* 8 bits of it in an xAPIC */
        break;
    case REG_VERSION:
        *v = APIC_VERSION;
        break;
    case REG_TPR:
        *v = a->tpr;
        break;
    case REG_PPR:
        *v = ppr(a);
        break;
    case REG_LDR:
        *v = a->ldr;
        break;
    case REG_DFR:
        *v = a->dfr;
        break;
    case REG_SVR:
        *v = a->svr;
        break;
    case REG_ESR:
        *v = a->esr;
        break;
    case REG_LVT_CMCI:
        *v = a->lvt[LVT_CMCI];
        break;
    case REG_ICR_LOW:
        *v = a->icr[0];
        break;
    case REG_ICR_HIGH:
        *v = a->icr[1];
        break;
    case REG_TIMER_INITIAL:
        *v = a->timer_initial;
        break;
    case REG_TIMER_CURRENT:
        *v = timer_current(cpu);
        break;
    case REG_TIMER_DIVIDE:
        *v = a->timer_divide;
        break;
    default:
        *v = 0;
        return reg == REG_EOI;
    }
    return true;
}

static uint32_t svr_mask(const struct cpu *cpu)
{
    return 0xff | SVR_ENABLE | (has_focus_checking(cpu) ? SVR_NO_FOCUS : 0);
}

static void write_svr(struct cpu *cpu, uint32_t v)
{
    struct local_apic *a = &cpu->apic;

    a->svr = v & svr_mask(cpu);
    for (unsigned n = 0; !(v & SVR_ENABLE) && n < NUM_LVT; n++)
        a->lvt[n] |= LVT_MASKED;
}

static bool write_register(struct cpu *cpu, unsigned reg, uint32_t v)
{
    struct local_apic *a = &cpu->apic;

    if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR) {
        write_lvt(cpu, LVT_TIMER + reg - REG_LVT_TIMER, v);
        return true;
    }
    switch (reg) {
    case REG_TPR:
        a->tpr = v & 0xff;
        vcpu_kick(&cpu->v);
        break;
    case REG_EOI:
        end_of_interrupt(cpu);
        break;
    case REG_SVR:
        write_svr(cpu, v);
        break;
    case REG_ESR: /* a write latches what happened since (11.5.3) */
        a->esr = a->esr_shadow;
        a->esr_shadow = 0;
        break;
    case REG_LVT_CMCI:
        write_lvt(cpu, LVT_CMCI, v);
        break;
    case REG_TIMER_INITIAL:
        write_timer_initial(cpu, v);
        break;
    case REG_TIMER_DIVIDE:
        a->timer_divide = v & 0xb;
        if (timer_mode(a) != TIMER_DEADLINE)
            timer_arm(cpu);
        break;
    default:
        return false;
    }
    return true;
}

uint32_t apic_read(struct cpu *cpu, unsigned offset)
{
    uint32_t v;

    if (!read_register(cpu, offset >> 4 & 0xff, &v))
        apic_error(cpu, ESR_REGISTER);
    return v;
}

void apic_write(struct cpu *cpu, unsigned offset, uint32_t value)
{
    struct local_apic *a = &cpu->apic;
    unsigned reg = offset >> 4 & 0xff;
    uint32_t now;

    switch (reg) { /* what only the xAPIC has, or has in another form */
    case REG_ID:
        a->id = value >> 24;
        break;
    case REG_LDR:
        a->ldr = value & 0xff000000;
        break;
    case REG_DFR:
        a->dfr = value | 0x0fffffff;
        break;
    case REG_ICR_HIGH:
        a->icr[1] = value & 0xff000000;
        break;
    case REG_ICR_LOW:
        a->icr[0] = value & ICR_WRITABLE;
        send_ipi(cpu, value, a->icr[1] >> 24);
        break;
    default:
        /* of a reserved register, not of one that is read-only (11.5.3) */
        if (!write_register(cpu, reg, value) && !read_register(cpu, reg, &now))
            apic_error(cpu, ESR_REGISTER);
    }
}

/* ---- the whole page ---- */

static bool one_shot_is_over(const struct local_apic *a)
{
    return timer_mode(a) == TIMER_ONE_SHOT && !vm_timer_armed(&a->timer);
}

void apic_get_page(const struct cpu *cpu, uint8_t page[APIC_PAGE])
{
    const struct local_apic *a = &cpu->apic;

    memset(page, 0, APIC_PAGE);
    for (unsigned reg = REG_ID; reg <= REG_TIMER_DIVIDE; reg++) {
        uint32_t v;

        if (read_register(cpu, reg, &v))
            st_le32(page + 16 * reg, v);
    }
    if (one_shot_is_over(a))
        st_le32(page + 16 * REG_TIMER_CURRENT, 0);
    else if (a->timer_initial && !timer_current(cpu)) /* the last tick is not over */
        st_le32(page + 16 * REG_TIMER_CURRENT, 1);
}

/* As if the count had been loaded when it would have come to `current` by now. */
static void continue_timer(struct cpu *cpu, uint32_t current)
{
    struct local_apic *a = &cpu->apic;
    uint64_t period = timer_period(a), left = (uint64_t)current << timer_shift(a);

    if (timer_mode(a) != TIMER_DEADLINE)
        a->timer_start = vm_clock_now(&cpu->v.m->clock) - (left < period ? period - left : 0);
    if (timer_mode(a) == TIMER_ONE_SHOT && !current)
        vm_timer_cancel(&a->timer);
    else
        timer_arm(cpu);
}

void apic_set_page(struct cpu *cpu, const uint8_t page[APIC_PAGE])
{
    struct local_apic *a = &cpu->apic;
    uint32_t r[REG_SELF_IPI];

    for (unsigned reg = 0; reg < REG_SELF_IPI; reg++)
        r[reg] = ld_le32(page + 16 * reg);
    a->id = x2apic(a) ? r[REG_ID] : r[REG_ID] >> 24;
    a->tpr = r[REG_TPR] & 0xff;
    a->ldr = r[REG_LDR];
    a->dfr = r[REG_DFR] | 0x0fffffff;
    a->svr = r[REG_SVR] & svr_mask(cpu);
    for (unsigned n = 0; n < 8; n++) {
        a->isr[n] = r[REG_ISR + n];
        a->tmr[n] = r[REG_TMR + n];
        __atomic_store_n(&a->irr[n], r[REG_IRR + n], __ATOMIC_RELEASE);
    }
    a->icr[0] = r[REG_ICR_LOW] & ICR_WRITABLE;
    a->icr[1] = r[REG_ICR_HIGH];
    for (unsigned n = LVT_TIMER; n < NUM_LVT; n++)
        a->lvt[n] = r[REG_LVT_TIMER + n - LVT_TIMER] & (lvt_mask(cpu, n) | LVT_READ_ONLY);
    a->timer_initial = r[REG_TIMER_INITIAL];
    a->timer_divide = r[REG_TIMER_DIVIDE] & 0xb;
    continue_timer(cpu, r[REG_TIMER_CURRENT]);
}

/* ---- MSRs ---- */

static bool read_x2(struct cpu *cpu, unsigned reg, uint64_t *value)
{
    uint32_t v;

    if (!x2apic(&cpu->apic) || reg == REG_DFR || reg == REG_ICR_HIGH || reg == REG_EOI ||
        !read_register(cpu, reg, &v))
        return false;
    *value = reg == REG_ICR_LOW ? v | (uint64_t)cpu->apic.icr[1] << 32 : v;
    return true;
}

/* Figure 11-8. */
static uint32_t lvt_read_only(unsigned reg)
{
    return reg == REG_LVT_LINT0 || reg == REG_LVT_LINT1 ? LVT_READ_ONLY : LVT_STATUS;
}

/* The bits that may be set in a write (11.12.1.3: reserved ones are #GP). */
static uint32_t x2_mask(const struct cpu *cpu, unsigned reg)
{
    if (reg >= REG_LVT_TIMER && reg <= REG_LVT_ERROR)
        return lvt_mask(cpu, LVT_TIMER + reg - REG_LVT_TIMER) | lvt_read_only(reg);
    switch (reg) {
    case REG_TPR:
    case REG_SELF_IPI:
        return 0xff;
    case REG_SVR:
        return svr_mask(cpu);
    case REG_LVT_CMCI:
        return lvt_mask(cpu, LVT_CMCI) | lvt_read_only(reg);
    case REG_ICR_LOW:
        return ICR_WRITABLE;
    case REG_TIMER_INITIAL:
        return ~0u;
    case REG_TIMER_DIVIDE:
        return 0xb;
    default: /* EOI and ESR take 0 only; the rest is refused anyway */
        return 0;
    }
}

static bool write_x2(struct cpu *cpu, unsigned reg, uint64_t v)
{
    struct local_apic *a = &cpu->apic;

    if (!x2apic(a) || (uint32_t)v & ~x2_mask(cpu, reg))
        return false;
    if (reg == REG_ICR_LOW) {
        a->icr[0] = (uint32_t)v;
        a->icr[1] = (uint32_t)(v >> 32);
        send_ipi(cpu, (uint32_t)v, a->icr[1]);
        return true;
    }
    if (v >> 32)
        return false;
    if (reg == REG_SELF_IPI) { /* as by the ICR, illegal vectors too (11.5.3, 11.12.11) */
        send_ipi(cpu, (uint32_t)v | TO_SELF << 18, 0);
        return true;
    }
    return write_register(cpu, reg, (uint32_t)v);
}

/* Mode changes of IA32_APIC_BASE (11.12.5, figure 11-27). */
static bool write_base(struct cpu *cpu, uint64_t v)
{
    struct local_apic *a = &cpu->apic;
    uint64_t reserved = 0x2ff | ~0ull << cpu->model.phys_bits;
    bool x2 = v & BASE_X2APIC, on = v & BASE_ENABLE;

    if (!model_has(&cpu->model, F_x2apic))
        reserved |= BASE_X2APIC;
    if (v & reserved || (x2 && !on) || (x2apic(a) && on && !x2) || (!enabled(a) && x2))
        return false;
    bool enters = x2 && !x2apic(a), leaves = !on && enabled(a);
    a->base_msr = v;
    if (enters || leaves)
        a->id = cpu->apic_id; /* all 32 bits of it */
    if (enters)
        a->ldr = x2_ldr(a);
    if (leaves) /* enabled again it is as after power-up (11.4.3) */
        apic_init_reset(cpu);
    vcpu_kick(&cpu->v);
    return true;
}

bool apic_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    *value = 0;
    if (!model_has(&cpu->model, F_apic))
        return false;
    if (msr == MSR_BASE) {
        *value = cpu->apic.base_msr;
        return true;
    }
    if (msr == MSR_DEADLINE) {
        *value = cpu->apic.tsc_deadline;
        return model_has(&cpu->model, F_tsc_deadline);
    }
    return read_x2(cpu, msr - MSR_X2, value);
}

bool apic_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t value)
{
    if (!model_has(&cpu->model, F_apic))
        return false;
    if (msr == MSR_BASE)
        return write_base(cpu, value);
    if (msr != MSR_DEADLINE)
        return write_x2(cpu, msr - MSR_X2, value);
    if (!model_has(&cpu->model, F_tsc_deadline))
        return false;
    if (timer_mode(&cpu->apic) == TIMER_DEADLINE) { /* otherwise ignored (11.5.4.1) */
        cpu->apic.tsc_deadline = value;
        timer_arm(cpu);
    }
    return true;
}

/* ---- life ---- */

void apic_init(struct cpu *cpu)
{
    cpu->apic.cpu = cpu;
    vm_timer_init(&cpu->apic.timer, &cpu->v.m->clock, timer_fired, cpu);
}

void apic_init_reset(struct cpu *cpu)
{
    struct local_apic *a = &cpu->apic;

    vm_timer_cancel(&a->timer);
    memset(a->irr, 0, sizeof(a->irr));
    memset(a->isr, 0, sizeof(a->isr));
    memset(a->tmr, 0, sizeof(a->tmr));
    a->esr = a->esr_shadow = a->icr[0] = a->icr[1] = a->tpr = 0;
    a->ldr = x2apic(a) ? x2_ldr(a) : 0;
    a->dfr = 0xffffffff;
    a->svr = 0xff;
    a->timer_initial = a->timer_divide = 0;
    a->timer_start = a->tsc_deadline = 0;
    for (unsigned n = 0; n < NUM_LVT; n++)
        a->lvt[n] = LVT_MASKED;
}

void apic_reset(struct cpu *cpu)
{
    cpu->apic.id = cpu->apic_id;
    cpu->apic.base_msr = APIC_BASE_RESET | (cpu->v.index == 0 ? BASE_BSP : 0) |
                         (model_has(&cpu->model, F_apic) ? BASE_ENABLE : 0);
    apic_init_reset(cpu);
}
