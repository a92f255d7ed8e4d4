/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct cpu to KVM's structures and back. KVM has no place for FCS and FDS with a 64-bit FIP: they
 * become 0, as on processors that no longer keep them (SDM vol. 1 8.1.8). */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/kvm/kvm_internal.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/xsave.h"

/* ---- general registers ---- */

static void regs_out(const struct cpu *cpu, struct kvm_regs *k)
{
    const uint64_t *r = cpu->r;

    *k = (struct kvm_regs){.rax = r[R_RAX],
                           .rbx = r[R_RBX],
                           .rcx = r[R_RCX],
                           .rdx = r[R_RDX],
                           .rsi = r[R_RSI],
                           .rdi = r[R_RDI],
                           .rsp = r[R_RSP],
                           .rbp = r[R_RBP],
                           .r8 = r[8],
                           .r9 = r[9],
                           .r10 = r[10],
                           .r11 = r[11],
                           .r12 = r[12],
                           .r13 = r[13],
                           .r14 = r[14],
                           .r15 = r[15],
                           .rip = r[R_RIP],
                           .rflags = cpu_eflags(cpu)};
}

static void regs_in(struct cpu *cpu, const struct kvm_regs *k)
{
    const uint64_t r[16] = {k->rax, k->rcx, k->rdx, k->rbx, k->rsp, k->rbp, k->rsi, k->rdi,
                            k->r8,  k->r9,  k->r10, k->r11, k->r12, k->r13, k->r14, k->r15};

    memcpy(cpu->r, r, sizeof(r));
    cpu->r[R_RIP] = k->rip;
    cpu_set_eflags(cpu, (uint32_t)k->rflags);
}

/* ---- segments and control registers ---- */

static struct kvm_segment segment_out(const struct segment *s)
{
    return (struct kvm_segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->sel,
        .type = s->attr & SEG_ATTR_TYPE,
        .s = (s->attr & SEG_ATTR_S) != 0,
        .dpl = SEG_ATTR_DPL(s->attr),
        .present = (s->attr & SEG_ATTR_P) != 0,
        .avl = s->attr >> 8 & 1,
        .l = (s->attr & SEG_ATTR_L) != 0,
        .db = (s->attr & SEG_ATTR_DB) != 0,
        .g = (s->attr & SEG_ATTR_G) != 0,
        .unusable = !(s->attr & SEG_ATTR_P),
    };
}

static struct segment segment_in(const struct kvm_segment *k)
{
    bool present = k->present && !k->unusable;

    return (struct segment){
        .base = k->base,
        .limit = k->limit,
        .sel = k->selector,
        .attr =
            (uint16_t)((k->type & 15) | (k->s ? SEG_ATTR_S : 0) | (k->dpl & 3) << 5 |
                       (present ? SEG_ATTR_P : 0) | (k->avl ? 0x100 : 0) | (k->l ? SEG_ATTR_L : 0) |
                       (k->db ? SEG_ATTR_DB : 0) | (k->g ? SEG_ATTR_G : 0)),
    };
}

static void sregs_out(const struct cpu *cpu, struct kvm_sregs *k)
{
    memset(k, 0, sizeof(*k));
    k->es = segment_out(&cpu->seg[SEG_ES]);
    k->cs = segment_out(&cpu->seg[SEG_CS]);
    k->ss = segment_out(&cpu->seg[SEG_SS]);
    k->ds = segment_out(&cpu->seg[SEG_DS]);
    k->fs = segment_out(&cpu->seg[SEG_FS]);
    k->gs = segment_out(&cpu->seg[SEG_GS]);
    k->ldt = segment_out(&cpu->ldtr);
    k->tr = segment_out(&cpu->tr);
    k->ss.dpl = cpu->cpl; /* AMD's CPL; a null SS of 64-bit code has none of its own */
    k->gdt = (struct kvm_dtable){.base = cpu->gdtr.base, .limit = cpu->gdtr.limit};
    k->idt = (struct kvm_dtable){.base = cpu->idtr.base, .limit = cpu->idtr.limit};
    k->cr0 = cpu->cr0;
    k->cr2 = cpu->cr2;
    k->cr3 = cpu->cr3;
    k->cr4 = cpu->cr4;
    k->cr8 = apic_get_cr8(cpu);
    k->efer = cpu->efer;
    k->apic_base = cpu->apic.base_msr;
}

/* With PAE paging the processor keeps four entries of its own (SDM vol. 3A 4.4.1); KVM's are not to
 * be had everywhere, and guests do not change the table behind their back. */
static void pdptes_in(struct cpu *cpu)
{
    struct machine *m = cpu->v.m;
    uint64_t at = cpu->cr3 & 0xffffffe0;
    struct page_view view = address_space_page(&m->mem, at);

    if (!(cpu->cr0 & CR0_PG && cpu->cr4 & CR4_PAE) || cpu->efer & EFER_LMA)
        return;
    memset(cpu->pdpte, 0, sizeof(cpu->pdpte));
    for (unsigned n = 0; n < 4 && view.read_at != ARENA_NONE; n++)
        cpu->pdpte[n] = ld_le64(m->arena.host + view.read_at + (at & 0xfff) + 8 * n);
}

static void sregs_in(struct cpu *cpu, const struct kvm_sregs *k)
{
    cpu->seg[SEG_ES] = segment_in(&k->es);
    cpu->seg[SEG_CS] = segment_in(&k->cs);
    cpu->seg[SEG_SS] = segment_in(&k->ss);
    cpu->seg[SEG_DS] = segment_in(&k->ds);
    cpu->seg[SEG_FS] = segment_in(&k->fs);
    cpu->seg[SEG_GS] = segment_in(&k->gs);
    cpu->ldtr = segment_in(&k->ldt);
    cpu->tr = segment_in(&k->tr);
    cpu->gdtr = (struct table_register){.base = k->gdt.base, .limit = k->gdt.limit};
    cpu->idtr = (struct table_register){.base = k->idt.base, .limit = k->idt.limit};
    cpu->cr0 = (uint32_t)k->cr0;
    cpu->cr2 = k->cr2;
    cpu->cr3 = k->cr3;
    cpu->cr4 = (uint32_t)k->cr4;
    cpu->efer = k->efer;
    cpu->cpl = !(k->cr0 & CR0_PE) ? 0 : cpu->eflags & EFLAGS_VM ? 3 : k->ss.dpl & 3;
    pdptes_in(cpu);
}

/* ---- x87, SSE, AVX: the XSAVE area's standard form (SDM vol. 1 13.4) ---- */

enum {
    AT_FCW = 0,
    AT_FSW = 2,
    AT_FTW = 4,
    AT_FOP = 6,
    AT_FIP = 8,
    AT_FDP = 16,
    AT_MXCSR = 24,
    AT_ST = 32,
    AT_XMM = 160
};

static unsigned physical(const struct cpu *cpu, unsigned st)
{
    return ((cpu->fsw >> 11 & 7) + st) & 7;
}

static void xsave_out(const struct cpu *cpu, struct kvm_xsave *x)
{
    uint8_t *b = (uint8_t *)x->region;
    bool avx = model_has(&cpu->model, F_avx);

    memset(x, 0, sizeof(*x));
    st_le16(b + AT_FCW, cpu->fcw);
    st_le16(b + AT_FSW, cpu->fsw);
    b[AT_FTW] = cpu->ftw;
    st_le16(b + AT_FOP, cpu->fop);
    st_le64(b + AT_FIP, cpu->fip);
    st_le64(b + AT_FDP, cpu->fdp);
    st_le32(b + AT_MXCSR, cpu->mxcsr);
    for (unsigned n = 0; n < 8; n++) {
        const struct x87_reg *r = &cpu->fpr[physical(cpu, n)];
        st_le64(b + AT_ST + 16 * n, r->mant);
        st_le16(b + AT_ST + 16 * n + 8, r->sexp);
    }
    for (unsigned n = 0; n < 16; n++) {
        memcpy(b + AT_XMM + 16 * n, cpu->xmm[n].b, 16);
        if (avx)
            memcpy(b + XSAVE_AVX + 16 * n, cpu->xmm[n].b + 16, 16);
    }
    st_le64(b + XSAVE_HEADER, XCR0_X87 | XCR0_SSE | (avx ? XCR0_AVX : 0));
}

static void x87_in(struct cpu *cpu, const uint8_t *b)
{
    cpu->fcw = ld_le16(b + AT_FCW);
    cpu->fsw = ld_le16(b + AT_FSW);
    cpu->ftw = b[AT_FTW];
    cpu->fop = ld_le16(b + AT_FOP);
    cpu->fip = ld_le64(b + AT_FIP);
    cpu->fdp = ld_le64(b + AT_FDP);
    cpu->fcs = cpu->fds = 0;
    for (unsigned n = 0; n < 8; n++)
        cpu->fpr[physical(cpu, n)] = (struct x87_reg){.mant = ld_le64(b + AT_ST + 16 * n),
                                                      .sexp = ld_le16(b + AT_ST + 16 * n + 8)};
}

static void xsave_in(struct cpu *cpu, const struct kvm_xsave *x)
{
    static const uint8_t initial[AT_XMM] = {[AT_FCW] = 0x7f, [AT_FCW + 1] = 0x03};
    const uint8_t *b = (const uint8_t *)x->region;
    uint64_t has = ld_le64(b + XSAVE_HEADER);

    x87_in(cpu, has & XCR0_X87 ? b : initial);
    cpu->mxcsr = has & (XCR0_SSE | XCR0_AVX) ? ld_le32(b + AT_MXCSR) : 0x1f80;
    for (unsigned n = 0; n < 16; n++) {
        memset(&cpu->xmm[n], 0, sizeof(cpu->xmm[n]));
        if (has & XCR0_SSE)
            memcpy(cpu->xmm[n].b, b + AT_XMM + 16 * n, 16);
        if (has & XCR0_AVX)
            memcpy(cpu->xmm[n].b + 16, b + XSAVE_AVX + 16 * n, 16);
    }
}

/* ---- MSRs that KVM keeps; all others come out of KVM_RUN and are ours (kvm.c) ---- */

struct kept_msr {
    uint32_t number, offset;
    uint8_t feature;
};
#define MSR(n, field, feature)                                                                     \
    {                                                                                              \
        n, offsetof(struct cpu, field), feature                                                    \
    }
/* The counter comes last: its adjustment may move it. */
static const struct kept_msr kept[] = {
    MSR(0x3b, tsc_adjust, F_tsc_adjust),
    MSR(0x48, spec_ctrl, F_spec_ctrl),
    MSR(0x174, sysenter_cs, F_sep),
    MSR(0x175, sysenter_esp, F_sep),
    MSR(0x176, sysenter_eip, F_sep),
    MSR(0x1d9, debugctl, F_de),
    MSR(0x277, pat, F_pat),
    MSR(0xc0000081, star, F_syscall),
    MSR(0xc0000082, lstar, F_lm),
    MSR(0xc0000083, cstar, F_lm),
    MSR(0xc0000084, fmask, F_lm),
    MSR(0xc0000102, kernel_gs_base, F_lm),
    MSR(0xc0000103, tsc_aux, F_rdtscp),
    MSR(MSR_KVM_SYSTEM_TIME_NEW, kvmclock.system, F_kvmclock),
};
#define MSR_TSC 0x10

union msr_call {
    struct kvm_msrs list;
    uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

bool kvm_set_msr(struct kvm_cpu *c, uint32_t number, uint64_t value)
{
    union msr_call call = {.list.nmsrs = 1};

    call.list.entries[0] = (struct kvm_msr_entry){.index = number, .data = value};
    return ioctl(c->fd, KVM_SET_MSRS, &call) == 1;
}

bool kvm_get_msr(struct kvm_cpu *c, uint32_t number, uint64_t *value)
{
    union msr_call call = {.list.nmsrs = 1};

    call.list.entries[0] = (struct kvm_msr_entry){.index = number};
    if (ioctl(c->fd, KVM_GET_MSRS, &call) != 1)
        return false;
    *value = call.list.entries[0].data;
    return true;
}

static const uint64_t *kept_value(const struct cpu *cpu, const struct kept_msr *m)
{
    return (const uint64_t *)(const void *)((const char *)cpu + m->offset);
}

/* What the register has already is not written: KVM may lack it (and complain in the host's log),
 * which matters only if it is not 0. */
static bool put_msr(struct kvm_cpu *c, uint32_t number, uint64_t value)
{
    uint64_t now;

    return (kvm_get_msr(c, number, &now) && now == value) || kvm_set_msr(c, number, value) ||
           !value;
}

static bool tsc_offset(const struct kvm_cpu *c, unsigned long request, uint64_t *offset)
{
    struct kvm_device_attr attr = {.group = KVM_VCPU_TSC_CTRL,
                                   .attr = KVM_VCPU_TSC_OFFSET,
                                   .addr = (uint64_t)(uintptr_t)offset};

    return ioctl(c->fd, request, &attr) == 0;
}

/* What lies between two CPUs' counters: a write of one moves its TSC_ADJUST by as much. */
static uint64_t tsc_between(const struct cpu *a, const struct cpu *b)
{
    return b->tsc_adjust - a->tsc_adjust;
}

void kvm_state_loaded(struct kvm_cpu *c, bool loaded)
{
    struct kvm_engine *k = c->k;

    pthread_mutex_lock(&k->tsc_mutex);
    if (loaded != c->loaded)
        k->nloaded += loaded ? 1 : -1u;
    c->loaded = loaded;
    k->tsc_known = k->tsc_known && k->nloaded;
    k->clock_known = k->clock_known && k->nloaded;
    pthread_mutex_unlock(&k->tsc_mutex);
}

/* The counter, by its offset from the host's: a count that is written goes through KVM's guess of
 * what a guest's own write may want. One that joins CPUs that are under way lies where theirs do,
 * so that no count goes back from one CPU to the next. Without offsets: a write that is far off
 * spoils the guess. */
static bool offset_out(struct kvm_cpu *c)
{
    const struct cpu *cpu = c->cpu;
    uint64_t offset, now;

    if (!tsc_offset(c, KVM_GET_DEVICE_ATTR, &offset))
        return kvm_set_msr(c, MSR_TSC, cpu_tsc(cpu) ^ 1ull << 62) &&
               kvm_set_msr(c, MSR_TSC, cpu_tsc(cpu));
    if (!c->k->tsc_known) {
        if (!kvm_get_msr(c, MSR_TSC, &now))
            return false;
        c->k->tsc_origin = offset + cpu_tsc(cpu) - now - cpu->tsc_adjust;
        c->k->tsc_known = true;
    }
    offset = c->k->tsc_origin + cpu->tsc_adjust;
    return tsc_offset(c, KVM_SET_DEVICE_ATTR, &offset);
}

/* KVM's clock goes on where ours is, unless CPUs go by it already. What the guest has in memory may
 * be of the software engines: it is written again for the MSR's sake, before the CPU runs. No
 * KVM_KVMCLOCK_CTRL: time stands still with the machine, and the guest has missed none. */
static bool clock_out(struct kvm_cpu *c)
{
    struct kvm_clock_data clock = {.clock = kvmclock_now(c->cpu)};
    uint64_t msr = c->cpu->kvmclock.system;

    if (!model_has(&c->cpu->model, F_kvmclock))
        return true;
    if (!c->k->clock_known && ioctl(c->k->vm, KVM_SET_CLOCK, &clock) < 0)
        return false;
    c->k->clock_known = true;
    return !msr || kvm_set_msr(c, MSR_KVM_SYSTEM_TIME_NEW, msr);
}

static bool tsc_out(struct kvm_cpu *c)
{
    pthread_mutex_lock(&c->k->tsc_mutex);
    bool ok = offset_out(c) && clock_out(c);
    pthread_mutex_unlock(&c->k->tsc_mutex);
    return ok;
}

static bool msrs_out(struct kvm_cpu *c)
{
    struct cpu *cpu = c->cpu;

    for (unsigned n = 0; n < ARRAY_SIZE(kept); n++)
        if (model_has(&cpu->model, kept[n].feature) &&
            !put_msr(c, kept[n].number, *kept_value(cpu, &kept[n])))
            return false;
    /* Another frequency from here on (a reset makes it our own), and the same count. */
    uint64_t tsc = cpu_tsc(cpu);
    cpu->tsc_hz = c->k->tsc_hz;
    cpu->tsc_base += tsc - cpu_tsc(cpu);
    return tsc_out(c) && kvm_state_fetch_tsc(c);
}

bool kvm_state_fetch_tsc(struct kvm_cpu *c)
{
    const struct kvm_cpu *first = &c->k->cpus[0];
    struct cpu *cpu = c->cpu;
    bool ok = true;
    uint64_t tsc;

    pthread_mutex_lock(&c->k->tsc_mutex);
    cpu->tsc_hz = c->k->tsc_hz;
    if (c != first && !first->loaded && first->cpu->tsc_hz == cpu->tsc_hz)
        cpu->tsc_base = first->cpu->tsc_base + tsc_between(first->cpu, cpu);
    else if ((ok = kvm_get_msr(c, MSR_TSC, &tsc)))
        cpu->tsc_base += tsc - cpu_tsc(cpu);
    pthread_mutex_unlock(&c->k->tsc_mutex);
    c->tsc_fetched = vm_clock_now(&cpu->v.m->clock);
    return ok;
}

static bool msrs_in(struct kvm_cpu *c)
{
    struct cpu *cpu = c->cpu;

    for (unsigned n = 0; n < ARRAY_SIZE(kept); n++)
        if (model_has(&cpu->model, kept[n].feature))
            kvm_get_msr(c, kept[n].number, (uint64_t *)(uintptr_t)kept_value(cpu, &kept[n]));
    if (!kvm_state_fetch_tsc(c))
        return false;
    kvmclock_adopt(cpu);
    return true;
}

/* ---- debug registers, events ---- */

static void debug_out(const struct cpu *cpu, struct kvm_debugregs *d)
{
    memset(d, 0, sizeof(*d));
    memcpy(d->db, cpu->dr, sizeof(d->db));
    d->dr6 = cpu->dr[6];
    d->dr7 = cpu->dr[7];
}

static void debug_in(struct cpu *cpu, const struct kvm_debugregs *d)
{
    memcpy(cpu->dr, d->db, sizeof(d->db));
    cpu->dr[6] = d->dr6;
    cpu->dr[7] = d->dr7;
}

/* An exception that is due is delivered before the CPU is loaded; NMIs go in by KVM_NMI. */
static void events_out(const struct cpu *cpu, struct kvm_vcpu_events *e)
{
    memset(e, 0, sizeof(*e));
    e->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
    e->nmi.masked = cpu->nmi_blocked;
    e->interrupt.shadow = cpu->shadow_ss ? KVM_X86_SHADOW_INT_MOV_SS
                          : cpu->shadow  ? KVM_X86_SHADOW_INT_STI
                                         : 0;
}

static void events_in(struct cpu *cpu, const struct kvm_vcpu_events *e)
{
    cpu->shadow_ss = e->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
    cpu->shadow = e->interrupt.shadow != 0;
    cpu->nmi_pending |= e->nmi.pending || e->nmi.injected;
    cpu->nmi_blocked = e->nmi.masked && !e->nmi.injected;
    cpu->exc_pending = cpu->rep_unfinished = false;
    cpu->bp_hits = 0;
    if (e->exception.injected) {
        cpu->exc = (struct pending_exception){.vector = e->exception.nr,
                                              .has_error = e->exception.has_error_code,
                                              .error = e->exception.error_code,
                                              .cr2 = cpu->cr2};
        cpu->exc_pending = true;
    } else if (e->interrupt.injected) {
        cpu->exc = (struct pending_exception){.vector = e->interrupt.nr, .external = true};
        cpu->exc_pending = true;
    }
}

/* ---- all of it ---- */

static bool call(struct kvm_cpu *c, unsigned long request, void *arg, const char *name,
                 const char **what)
{
    if (ioctl(c->fd, request, arg) >= 0)
        return true;
    *what = name;
    return false;
}

bool kvm_state_load(struct kvm_cpu *c, const char **what)
{
    const struct cpu *cpu = c->cpu;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_xsave xsave;
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = cpu->xcr0}}};
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;

    regs_out(cpu, &regs);
    sregs_out(cpu, &sregs);
    xsave_out(cpu, &xsave);
    debug_out(cpu, &debug);
    events_out(cpu, &events);
    if (!call(c, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS", what) ||
        !call(c, KVM_SET_REGS, &regs, "KVM_SET_REGS", what) ||
        !call(c, KVM_SET_XSAVE, &xsave, "KVM_SET_XSAVE", what) ||
        (model_has(&cpu->model, F_xsave) && !call(c, KVM_SET_XCRS, &xcrs, "KVM_SET_XCRS", what)) ||
        !call(c, KVM_SET_DEBUGREGS, &debug, "KVM_SET_DEBUGREGS", what) ||
        !call(c, KVM_SET_VCPU_EVENTS, &events, "KVM_SET_VCPU_EVENTS", what))
        return false;
    *what = "KVM_SET_MSRS";
    if (!msrs_out(c))
        return false;
    if (!c->k->split)
        return true;
    *what = "KVM_SET_MP_STATE";
    return kvm_irqchip_put_deadline(c) && kvm_irqchip_put_waits(c);
}

static bool fetch_xcr0(struct kvm_cpu *c, const char **what)
{
    struct kvm_xcrs xcrs = {0};

    if (!model_has(&c->cpu->model, F_xsave))
        return true;
    if (!call(c, KVM_GET_XCRS, &xcrs, "KVM_GET_XCRS", what))
        return false;
    for (unsigned n = 0; n < xcrs.nr_xcrs && n < KVM_MAX_XCRS; n++)
        if (xcrs.xcrs[n].xcr == 0)
            c->cpu->xcr0 = xcrs.xcrs[n].value;
    return true;
}

bool kvm_state_fetch(struct kvm_cpu *c, const char **what)
{
    struct cpu *cpu = c->cpu;
    struct kvm_regs regs;
    struct kvm_sregs sregs;
    struct kvm_xsave xsave;
    struct kvm_debugregs debug;
    struct kvm_vcpu_events events;

    if (!call(c, KVM_GET_REGS, &regs, "KVM_GET_REGS", what) ||
        !call(c, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS", what) ||
        !call(c, KVM_GET_XSAVE, &xsave, "KVM_GET_XSAVE", what) || !fetch_xcr0(c, what) ||
        !call(c, KVM_GET_DEBUGREGS, &debug, "KVM_GET_DEBUGREGS", what) ||
        !call(c, KVM_GET_VCPU_EVENTS, &events, "KVM_GET_VCPU_EVENTS", what))
        return false;
    regs_in(cpu, &regs);
    sregs_in(cpu, &sregs);
    xsave_in(cpu, &xsave);
    debug_in(cpu, &debug);
    events_in(cpu, &events);
    *what = "KVM_GET_MSRS";
    if (!msrs_in(c))
        return false;
    *what = "KVM_GET_MP_STATE";
    if (c->k->split && !kvm_irqchip_take_waits(c))
        return false;
    cpu_mode_changed(cpu);
    return true;
}

/* ---- CPUID ---- */

static bool has_subleaves(uint32_t leaf)
{
    return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
}

/* The fraction nearest to the counter's frequency by the crystal's. Guests multiply the crystal's
 * kHz by the numerator in 32 bits (Linux does). */
static void frequency_ratio(uint64_t tsc_hz, uint32_t *numerator, uint32_t *denominator)
{
    uint64_t most = UINT32_MAX / (APIC_TIMER_HZ / 1000), best = UINT64_MAX;

    for (uint64_t d = 1;; d++) {
        uint64_t n = (tsc_hz * d + APIC_TIMER_HZ / 2) / APIC_TIMER_HZ;
        if (n > most)
            return;
        uint64_t hz = APIC_TIMER_HZ * n / d, off = hz > tsc_hz ? hz - tsc_hz : tsc_hz - hz;
        if (off < best) {
            best = off;
            *numerator = (uint32_t)n;
            *denominator = (uint32_t)d;
        }
    }
}

/* The counter runs at the host's speed: leaf 15H says at which (16H has what the processor is sold
 * as). */
static void tell_frequency(uint64_t tsc_hz, struct kvm_cpuid_entry2 *e)
{
    if (tsc_hz != TSC_HZ && e->function == 0x15)
        frequency_ratio(tsc_hz, &e->ebx, &e->eax);
}

static void add_leaf(const struct cpu *cpu, uint64_t tsc_hz, struct kvm_cpuid2 *table,
                     uint32_t leaf)
{
    unsigned n = has_subleaves(leaf) ? 4 : 1;

    if (leaf == 0xd && !cpu->model.has[F_xsave])
        return; /* KVM would write sizes into it; without it reads as 0 */
    for (uint32_t sub = 0; sub < n; sub++) {
        struct kvm_cpuid_entry2 *e = &table->entries[table->nent++];
        uint32_t out[4];

        cpuid_query(cpu, leaf, sub, out);
        *e = (struct kvm_cpuid_entry2){.function = leaf,
                                       .index = sub,
                                       .flags = n > 1 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
                                       .eax = out[0],
                                       .ebx = out[1],
                                       .ecx = out[2],
                                       .edx = out[3]};
        tell_frequency(tsc_hz, e);
    }
}

struct kvm_cpuid2 *kvm_cpuid_table(const struct cpu *cpu, uint64_t tsc_hz)
{
    enum { MOST = 128 };
    const struct cpu_model *m = &cpu->model;
    struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + MOST * sizeof(table->entries[0]));

    if (!table)
        return NULL;
    for (uint32_t leaf = 0; leaf <= m->max_leaf && leaf < 0x20; leaf++)
        add_leaf(cpu, tsc_hz, table, leaf);
    for (uint32_t leaf = 0x40000000; m->has[F_hypervisor] && leaf <= 0x40000001; leaf++)
        add_leaf(cpu, tsc_hz, table, leaf);
    for (uint32_t leaf = 0x80000000; leaf <= m->max_extended && leaf < 0x80000020; leaf++)
        add_leaf(cpu, tsc_hz, table, leaf);
    return table;
}

bool kvm_set_cpuid(struct kvm_cpu *c, struct error *err)
{
    struct kvm_cpuid2 *table = kvm_cpuid_table(c->cpu, c->k->tsc_hz);

    if (!table)
        return error_set(err, "out of memory");
    bool ok = ioctl(c->fd, KVM_SET_CPUID2, table) == 0;
    free(table);
    return ok || error_set(err, "KVM refuses the CPUID of -cpu %s", c->cpu->model.name);
}
