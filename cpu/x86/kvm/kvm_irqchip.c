/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Split interrupt controllers (api.rst, KVM_CAP_SPLIT_IRQCHIP): the CPUs' local APICs are in KVM
 * while the machine runs, so that timers, HLT and interrupts between CPUs need no exit; PIC, IOAPIC
 * and devices stay ours and send messages.
 *
 * All local APICs go to KVM before the first CPU runs and come back when the machine stands still:
 * a CPU may be sent to before its own thread is there. That of a CPU which is interpreted for a
 * while comes out alone; what is sent to it meanwhile waits in KVM's and is added when it returns.
 *
 * KVM tells neither that an interrupt was taken (struct irq_watch: an interval timer's ticks over
 * the IOAPIC are not made up for) nor a local APIC's errors (ESR), has no LVT CMCI, and takes the
 * PIC's interrupts only while LINT0 or a disabled APIC lets them pass. The TPR's low four bits are
 * lost when a CPU goes there: KVM_SET_SREGS sets it anew from CR8, which has its high ones. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/kvm/kvm_internal.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"

#define MSR_APIC_BASE    0x1b
#define MSR_TSC_DEADLINE 0x6e0

#define MSI_BASE         0xfee00000u
#define MSI_LOGICAL      (1u << 2)
#define MSI_LEVEL_ASSERT 0xc000u
#define LVT_MASKED       (1u << 16)
#define MODE_LOWEST      1
#define MODE_SMI         2
#define MODE_EXTINT      7
#define TO_ALL(msg)      ((msg)->dest == ((msg)->wide ? 0xffffffffu : 0xffu))
#define PAGE_ISR         (0x10 * 16)
#define PAGE_TMR         (0x18 * 16)
#define PAGE_IRR         (0x20 * 16)
#define PAGE_LVT_TIMER   (0x32 * 16)
#define PAGE_INITIAL     (0x38 * 16)
#define PAGE_CURRENT     (0x39 * 16)
#define BITS_END         (0x28 * 16)

_Static_assert(sizeof(((struct kvm_lapic_state *)0)->regs) == APIC_PAGE, "KVM's page");

/* ---- level-triggered messages: KVM tells the end of those that it has routes for ---- */

union routing_call {
    struct kvm_irq_routing table;
    uint8_t room[sizeof(struct kvm_irq_routing) +
                 KVM_LEVEL_ROUTES * sizeof(struct kvm_irq_routing_entry)];
};

static bool set_routes(const struct kvm_engine *k)
{
    union routing_call call = {.table.nr = k->nroutes};

    for (unsigned n = 0; n < k->nroutes; n++) {
        struct kvm_irq_routing_entry *e = &call.table.entries[n];

        *e = (struct kvm_irq_routing_entry){.gsi = n, .type = KVM_IRQ_ROUTING_MSI};
        e->u.msi.address_lo = k->routes[n].address_lo;
        e->u.msi.address_hi = k->routes[n].address_hi;
        e->u.msi.data = k->routes[n].data;
    }
    return ioctl(k->vm, KVM_SET_GSI_ROUTING, &call) == 0;
}

/* There are as many as an IOAPIC has inputs; the oldest makes room. */
static bool keep_route(struct kvm_engine *k, const struct kvm_msi *msi)
{
    for (unsigned n = 0; n < k->nroutes; n++)
        if (k->routes[n].address_lo == msi->address_lo &&
            k->routes[n].address_hi == msi->address_hi && k->routes[n].data == msi->data)
            return true;
    k->routes[k->next_route] = *msi;
    k->next_route = (k->next_route + 1) % KVM_LEVEL_ROUTES;
    if (k->nroutes < KVM_LEVEL_ROUTES)
        k->nroutes++;
    return set_routes(k);
}

/* ---- messages ---- */

static struct kvm_msi msi_of(const struct apic_message *msg, uint32_t dest, bool logical)
{
    return (struct kvm_msi){
        .address_lo = MSI_BASE | (dest & 0xff) << 12 | (logical ? MSI_LOGICAL : 0),
        .address_hi = dest & ~0xffu,
        .data = msg->vector | (uint32_t)msg->mode << 8 | (msg->level ? MSI_LEVEL_ASSERT : 0)};
}

/* Nobody may be there to take it: KVM calls that an error. */
static void signal_msi(struct kvm_engine *k, struct kvm_msi msi, const struct apic_message *msg)
{
    if (msg->level && msg->mode <= MODE_LOWEST && !keep_route(k, &msi)) {
        fprintf(stderr, "calque: KVM_SET_GSI_ROUTING: %s\n", strerror(errno));
        machine_request_end(k->m, STOP_ENGINE, 0);
    }
    ioctl(k->vm, KVM_SIGNAL_MSI, &msi);
}

static bool is_any_in(const struct kvm_engine *k)
{
    for (unsigned n = 0; n < k->ncpus; n++)
        if (k->cpus[n].chip_in)
            return true;
    return false;
}

static bool deliver(void *opaque, const struct apic_message *msg, const struct cpu *except)
{
    struct kvm_engine *k = opaque;

    if (!is_any_in(k) || msg->mode == MODE_SMI || msg->mode == MODE_EXTINT)
        return false;
    bool each = (TO_ALL(msg) && msg->mode != MODE_LOWEST) || except;
    if (!each)
        signal_msi(k, msi_of(msg, msg->dest, msg->logical), msg);
    for (unsigned n = 0; n < k->ncpus; n++) {
        struct kvm_cpu *c = &k->cpus[n];

        if (each && c->cpu != except)
            signal_msi(k, msi_of(msg, c->cpu->apic_id, false), msg);
        if (!c->chip_in) /* it shall look */
            vcpu_kick(&c->cpu->v);
    }
    return true;
}

void kvm_irqchip_eoi(struct kvm_cpu *c)
{
    const struct eoi_sink *eoi = &c->cpu->apic.eoi;

    vcpu_lock_machine(&c->cpu->v);
    if (eoi->eoi)
        eoi->eoi(eoi->owner, c->run->eoi.vector);
    vcpu_unlock_machine(&c->cpu->v);
}

/* ---- local APICs to KVM and back ---- */

static bool call(struct kvm_cpu *c, unsigned long request, struct kvm_lapic_state *l,
                 const char *name, const char **what)
{
    *what = name;
    return ioctl(c->fd, request, l) >= 0;
}

/* Interrupts that were in service or waiting end in KVM: it is told of those with a level. */
static bool route_levels(struct kvm_cpu *c)
{
    const struct local_apic *a = &c->cpu->apic;

    for (unsigned v = 16; v < 256; v++) {
        struct apic_message msg = {.vector = (uint8_t)v, .level = true};
        struct kvm_msi msi = msi_of(&msg, c->cpu->apic_id, false);

        if (a->tmr[v >> 5] & (a->isr[v >> 5] | a->irr[v >> 5]) & 1u << (v & 31) &&
            !keep_route(c->k, &msi))
            return false;
    }
    return true;
}

/* What was sent meanwhile. */
static void add_sent(uint8_t *page, const struct kvm_lapic_state *meanwhile)
{
    for (unsigned at = PAGE_TMR; at < BITS_END; at += 16)
        st_le32(page + at, ld_le32(page + at) | ld_le32((const uint8_t *)meanwhile->regs + at));
}

bool kvm_irqchip_put(struct kvm_cpu *c, const char **what)
{
    struct kvm_lapic_state now, meanwhile;
    uint8_t *page = (uint8_t *)now.regs;
    struct cpu *cpu = c->cpu;

    if (c->chip_in)
        return true;
    *what = "IA32_APIC_BASE";
    if (!kvm_set_msr(c, MSR_APIC_BASE, cpu->apic.base_msr))
        return false;
    apic_get_page(cpu, page);
    /* A one-shot that is over would end once more. */
    c->over_initial = ld_le32(page + PAGE_CURRENT) ? 0 : ld_le32(page + PAGE_INITIAL);
    if (c->over_initial)
        st_le32(page + PAGE_INITIAL, 0);
    if (atomic_load(&c->k->chips_in)) {
        if (!call(c, KVM_GET_LAPIC, &meanwhile, "KVM_GET_LAPIC", what))
            return false;
        add_sent(page, &meanwhile);
    }
    *what = "KVM_SET_GSI_ROUTING";
    if (!route_levels(c) || !call(c, KVM_SET_LAPIC, &now, "KVM_SET_LAPIC", what))
        return false;
    vm_timer_cancel(&cpu->apic.timer);
    return c->chip_in = true;
}

/* What is left in KVM hears what is sent to it and does nothing. */
static bool silence(struct kvm_cpu *c, struct kvm_lapic_state *l, const char **what)
{
    uint8_t *page = (uint8_t *)l->regs;

    memset(page + PAGE_ISR, 0, BITS_END - PAGE_ISR);
    st_le32(page + PAGE_LVT_TIMER, LVT_MASKED);
    st_le32(page + PAGE_INITIAL, 0);
    st_le32(page + PAGE_CURRENT, 0);
    return call(c, KVM_SET_LAPIC, l, "KVM_SET_LAPIC", what);
}

bool kvm_irqchip_take(struct kvm_cpu *c, struct kvm_chip *chip, const char **what)
{
    struct kvm_lapic_state l;

    chip->there = c->chip_in;
    if (!c->chip_in)
        return true;
    /* First of all: a one-shot that ends between KVM_RUN and here counts as one that was given. */
    if (!call(c, KVM_GET_LAPIC, &l, "KVM_GET_LAPIC", what))
        return false;
    memcpy(chip->page, l.regs, sizeof(chip->page));
    *what = "IA32_APIC_BASE";
    if (!kvm_get_msr(c, MSR_APIC_BASE, &chip->base))
        return false;
    chip->deadline = c->cpu->apic.tsc_deadline;
    if (c->loaded && model_has(&c->cpu->model, F_tsc_deadline) &&
        !kvm_get_msr(c, MSR_TSC_DEADLINE, &chip->deadline))
        return false;
    c->chip_in = false;
    return silence(c, &l, what);
}

void kvm_irqchip_settle(struct kvm_cpu *c, struct kvm_chip *chip)
{
    struct local_apic *a = &c->cpu->apic;

    if (!chip->there)
        return;
    a->base_msr = chip->base;
    a->tsc_deadline = chip->deadline;
    if (!ld_le32(chip->page + PAGE_INITIAL))
        st_le32(chip->page + PAGE_INITIAL, c->over_initial);
    apic_set_page(c->cpu, chip->page);
}

bool kvm_irqchip_put_deadline(struct kvm_cpu *c)
{
    uint64_t deadline = c->cpu->apic.tsc_deadline;

    return !deadline || kvm_set_msr(c, MSR_TSC_DEADLINE, deadline);
}

bool kvm_irqchip_enter(struct kvm_engine *k, const char **what)
{
    for (unsigned n = 0; n < k->ncpus; n++)
        if (!kvm_irqchip_put(&k->cpus[n], what))
            return false;
    atomic_store(&k->chips_in, true);
    return true;
}

void kvm_irqchip_collect(struct kvm_cpu *c)
{
    struct kvm_lapic_state l;
    const uint8_t *page = (const uint8_t *)l.regs;
    struct kvm_vcpu_events e;
    const char *what;

    if (!atomic_load(&c->k->chips_in) || c->chip_in ||
        !call(c, KVM_GET_LAPIC, &l, "KVM_GET_LAPIC", &what))
        return;
    if (ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e) == 0 && (e.nmi.pending || e.nmi.injected)) {
        c->cpu->nmi_pending = true;
        e.nmi.pending = e.nmi.injected = 0;
        e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
        ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e);
    }
    for (unsigned n = 0; n < 8; n++) {
        c->cpu->apic.tmr[n] |= ld_le32(page + PAGE_TMR + 16 * n);
        __atomic_fetch_or(&c->cpu->apic.irr[n], ld_le32(page + PAGE_IRR + 16 * n),
                          __ATOMIC_RELEASE);
    }
    silence(c, &l, &what);
}

/* ---- the PIC ---- */

/* As an event that is under way, not by KVM_INTERRUPT: what that has queued cannot be had back when
 * the CPU goes elsewhere. Only while KVM says that it is ready for one. */
bool kvm_irqchip_interrupt(struct kvm_cpu *c, uint8_t vector)
{
    struct kvm_mp_state running = {.mp_state = KVM_MP_STATE_RUNNABLE};
    struct kvm_vcpu_events e;

    if (ioctl(c->fd, KVM_GET_VCPU_EVENTS, &e) < 0)
        return false;
    e.flags = 0;
    e.interrupt.injected = 1;
    e.interrupt.nr = vector;
    e.interrupt.soft = 0;
    return ioctl(c->fd, KVM_SET_VCPU_EVENTS, &e) == 0 &&
           ioctl(c->fd, KVM_SET_MP_STATE, &running) == 0;
}

/* ---- CPUs that wait ---- */

bool kvm_irqchip_put_waits(struct kvm_cpu *c)
{
    struct cpu *cpu = c->cpu;
    struct kvm_mp_state s = {.mp_state = cpu->wait_sipi  ? KVM_MP_STATE_INIT_RECEIVED
                                         : cpu->v.halted ? KVM_MP_STATE_HALTED
                                                         : KVM_MP_STATE_RUNNABLE};

    if (ioctl(c->fd, KVM_SET_MP_STATE, &s) < 0)
        return false;
    /* KVM says so after each run, of one that sleeps in its first run never. */
    c->run->ready_for_interrupt_injection =
        cpu->v.halted && !cpu->wait_sipi && cpu->eflags & EFLAGS_IF && apic_accepts_extint(cpu);
    cpu->wait_sipi = cpu->v.halted = false;
    return true;
}

bool kvm_irqchip_take_waits(struct kvm_cpu *c)
{
    struct kvm_mp_state s;

    if (ioctl(c->fd, KVM_GET_MP_STATE, &s) < 0)
        return false;
    c->cpu->wait_sipi =
        s.mp_state == KVM_MP_STATE_UNINITIALIZED || s.mp_state == KVM_MP_STATE_INIT_RECEIVED;
    c->cpu->v.halted = c->cpu->wait_sipi || s.mp_state == KVM_MP_STATE_HALTED;
    return true;
}

/* ---- life ---- */

static bool can_split(const struct kvm_engine *k, const char **without)
{
    static const struct {
        int number;
        const char *name;
    } needed[] = {
        {KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"},
        {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
        {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
        {KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
        {KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER"},
        {KVM_CAP_X2APIC_API, "KVM_CAP_X2APIC_API"},
    };

    for (unsigned n = 0; n < ARRAY_SIZE(needed); n++)
        if (ioctl(k->dev, KVM_CHECK_EXTENSION, needed[n].number) <= 0) {
            *without = needed[n].name;
            return false;
        }
    return true;
}

bool kvm_irqchip_create(struct kvm_engine *k, enum kvm_apics wanted, struct error *err)
{
    struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {KVM_LEVEL_ROUTES}};
    struct kvm_enable_cap ids = {
        .cap = KVM_CAP_X2APIC_API,
        .args = {KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK}};
    bool sure = wanted == KVM_APICS_SPLIT;
    const char *without;

    if (wanted == KVM_APICS_OFF)
        return true;
    if (!model_has(&cpu_of(k->m->cpus[0])->model, F_apic))
        return !sure || error_set(err, "kernel-irqchip=split: the CPU has no APIC");
    if (k->m->ncpus > 1 && !k->m->run.threads)
        return !sure || error_set(err, "kernel-irqchip=split: the CPUs share a thread; off is "
                                       "what they need");
    if (!can_split(k, &without))
        return !sure || error_set(err, "kernel-irqchip=split: this host's KVM has no %s", without);
    if (ioctl(k->vm, KVM_ENABLE_CAP, &split) < 0 || ioctl(k->vm, KVM_ENABLE_CAP, &ids) < 0)
        return error_set(err, "kernel-irqchip=split: KVM_ENABLE_CAP: %s; off does without",
                         strerror(errno));
    k->elsewhere = (struct apic_elsewhere){.deliver = deliver, .opaque = k};
    return k->split = true;
}
