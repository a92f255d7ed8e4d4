/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A processor's life: creation, reset, what follows from its mode, its saved state, the stack. */
#include "cpu/x86/cpu.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/printer.h"
#include "cpu/x86/debugreg.h"
#include "cpu/x86/flags.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/report.h"
#include "cpu/x86/segment.h"
#include "cpu/x86/smm.h"
#include "cpu/x86/x87_host.h"

/* ---- flags ---- */

uint32_t cpu_eflags(const struct cpu *cpu)
{
    return (cpu->eflags & ~EFLAGS_ARITH) | flags_image(cpu) | EFLAGS_FIXED;
}

void cpu_set_eflags(struct cpu *cpu, uint32_t value)
{
    cpu->eflags = value & ~EFLAGS_ARITH;
    flags_set_image(cpu, value);
}

/* ---- what follows from the mode ---- */

/* A legacy data segment that needs no checks: base 0, 4 GiB, present, writable, not expand-down. */
static bool is_flat_data(const struct segment *s)
{
    const uint16_t care = SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_CODE | SEG_TYPE_EC | SEG_TYPE_RW;
    return s->limit == 0xffffffff && (s->attr & care) == (SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_RW);
}

static void derive_segments(struct cpu *cpu)
{
    cpu->ea_base[SEG_NONE] = 0;
    if (cpu->code_mode == CODE64) {
        cpu->flat = 0x3f | 1u << SEG_NONE;
        cpu->ea_base[SEG_ES] = cpu->ea_base[SEG_CS] = 0;
        cpu->ea_base[SEG_SS] = cpu->ea_base[SEG_DS] = 0;
        cpu->ea_base[SEG_FS] = cpu->seg[SEG_FS].base;
        cpu->ea_base[SEG_GS] = cpu->seg[SEG_GS].base;
        return;
    }
    cpu->flat = 1u << SEG_NONE;
    for (unsigned n = 0; n < 6; n++) {
        cpu->ea_base[n] = cpu->seg[n].base;
        if (is_flat_data(&cpu->seg[n]))
            cpu->flat |= (uint8_t)(1u << n);
    }
}

void cpu_mode_changed(struct cpu *cpu)
{
    uint16_t cs = cpu->seg[SEG_CS].attr;
    cpu->long_mode = cpu->efer & EFER_LMA;
    cpu->real_or_v86 = !cpu_protected(cpu) || cpu_v86(cpu);
    cpu->code_mode = cpu->long_mode && cs & SEG_ATTR_L ? CODE64
                     : cs & SEG_ATTR_DB                ? CODE32
                                                       : CODE16;
    cpu->stack_size = cpu->code_mode == CODE64 ? 3 : cpu->seg[SEG_SS].attr & SEG_ATTR_DB ? 2 : 1;
    unsigned class = cpu->cpl == 3                                    ? TLB_USER
                     : cpu->cr4 & CR4_SMAP && cpu->eflags & EFLAGS_AC ? TLB_KERNEL_AC
                                                                      : TLB_KERNEL;
    uint64_t fetch_base = cpu->code_mode == CODE64 ? 0 : cpu->seg[SEG_CS].base;
    if (fetch_base != cpu->fetch_base) {
        cpu->fetch_base = fetch_base;
        fetch_key_renew(cpu);
    }
    cpu->jit.mode_stale = true;
    debug_derive(cpu);
    /* with alignment checks or data breakpoints on, nothing may take the fast path */
    bool checked = cpu->bp_data || (cpu->cpl == 3 && cpu->cr0 & CR0_AM && cpu->eflags & EFLAGS_AC);
    cpu->tlb_load = checked ? cpu->tlb_none : cpu->tlb[0][class];
    cpu->tlb_store = checked ? cpu->tlb_none : cpu->tlb[1][class];
    derive_segments(cpu);
}

/* ---- stack ---- */

static uint64_t stack_mask(const struct cpu *cpu)
{
    return ~0ull >> (64 - (8u << cpu->stack_size));
}

uint64_t stack_pointer(const struct cpu *cpu)
{
    return cpu->r[R_RSP] & stack_mask(cpu);
}

void set_stack_pointer(struct cpu *cpu, uint64_t sp)
{
    set_reg(cpu, R_RSP, 1u << cpu->stack_size, sp);
}

/* Implicit stack references that are not canonical raise #SS(0) (SDM vol. 1 3.3.7.1). */
static int stack_canonical(struct cpu *cpu, uint64_t lin)
{
    bool ok = cpu->code_mode != CODE64 || is_canonical(lin);
    return ok ? 0 : raise_error(cpu, EXC_SS, 0);
}

static int stack_load(struct cpu *cpu, uint64_t off, unsigned size, uint64_t *v)
{
    uint64_t lin;
    *v = 0;
    if (seg_linear(cpu, SEG_SS, off, size, ACCESS_LOAD, &lin))
        return OP_FAULT;
    const void *p = tlb_hit(cpu->tlb_load, lin, size);
    if (likely(p)) {
        *v = size == 8 ? ld_le64(p) : size == 4 ? ld_le32(p) : ld_le16(p);
        return 0;
    }
    return stack_canonical(cpu, lin) ? OP_FAULT : mem_load_slow(cpu, lin, size, v);
}

int push(struct cpu *cpu, unsigned size, uint64_t v)
{
    uint64_t lin, sp = (cpu->r[R_RSP] - size) & stack_mask(cpu);
    if (seg_linear(cpu, SEG_SS, sp, size, ACCESS_STORE, &lin))
        return OP_FAULT;
    void *p = tlb_hit(cpu->tlb_store, lin, size);
    if (likely(p)) {
        if (size == 8)
            st_le64(p, v);
        else if (size == 4)
            st_le32(p, (uint32_t)v);
        else
            st_le16(p, (uint16_t)v);
    } else if (stack_canonical(cpu, lin) || mem_store_slow(cpu, lin, size, &v)) {
        return OP_FAULT;
    }
    set_stack_pointer(cpu, sp);
    return 0;
}

int pop(struct cpu *cpu, unsigned size, uint64_t *v)
{
    uint64_t sp = stack_pointer(cpu);
    if (stack_load(cpu, sp, size, v))
        return OP_FAULT;
    set_stack_pointer(cpu, sp + size);
    return 0;
}

int stack_peek(struct cpu *cpu, unsigned skip, unsigned size, uint64_t *v)
{
    return stack_load(cpu, (stack_pointer(cpu) + skip) & stack_mask(cpu), size, v);
}

/* ---- reset (SDM vol. 3A table 10-1) ---- */

static void reset_fpu(struct cpu *cpu)
{
    memset(cpu->fpr, 0, sizeof(cpu->fpr));
    memset(cpu->xmm, 0, sizeof(cpu->xmm));
    cpu->fcw = 0x40;
    cpu->fsw = 0;
    cpu->ferr = cpu->ferr_frozen = false;
    cpu->ftw = 0xff; /* tag word 5555h: all zero, none empty */
    cpu->fop = cpu->fcs = cpu->fds = 0;
    cpu->fip = cpu->fdp = 0;
    cpu->mxcsr = 0x1f80;
}

static void reset_segments(struct cpu *cpu)
{
    for (unsigned n = 0; n < 6; n++)
        cpu->seg[n] = (struct segment){.limit = 0xffff,
                                       .attr = SEG_ATTR_P | SEG_ATTR_S | SEG_TYPE_RW | SEG_TYPE_A};
    cpu->seg[SEG_CS].sel = 0xf000;
    cpu->seg[SEG_CS].base = 0xffff0000;
    cpu->seg[SEG_CS].attr |= SEG_TYPE_CODE;
    cpu->ldtr = (struct segment){.limit = 0xffff, .attr = SEG_ATTR_P | SYS_LDT};
    cpu->tr = (struct segment){.limit = 0xffff, .attr = SEG_ATTR_P | SYS_TSS_BUSY};
    cpu->gdtr = cpu->idtr = (struct table_register){.limit = 0xffff};
}

/* What RESET and INIT have in common; CR0's cache bits and MSRs but EFER are the caller's. */
static void reset_core(struct cpu *cpu)
{
    memset(cpu->r, 0, sizeof(cpu->r));
    cpu->r[R_RDX] = cpuid_signature(&cpu->model);
    cpu->r[R_RIP] = 0xfff0;
    cpu_set_eflags(cpu, EFLAGS_FIXED);
    reset_segments(cpu);
    cpu->cpl = 0;
    cpu->cr2 = cpu->cr3 = cpu->efer = 0;
    cpu->cr4 = 0;
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->exc = (struct pending_exception){0};
    cpu->exc_pending = false;
    cpu->bp_hits = 0;
    cpu->rep_unfinished = cpu->shadow = cpu->shadow_ss = cpu->nmi_blocked = cpu->nmi_pending =
        false;
    cpu->smm = cpu->smi_pending = cpu->smm_nmi_blocked = false;
    cpu->shut_down = false;
    cpu->extint_pending = false;
    cpu->insn = NULL;
}

/* Only the bootstrap processor runs; the others wait (SDM vol. 3A 9.4.3). */
static void start_or_wait(struct cpu *cpu)
{
    cpu->wait_sipi = cpu->v.halted = !apic_is_bsp(cpu);
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
}

void cpu_reset(struct cpu *cpu)
{
    reset_core(cpu);
    cpu->cr0 = CR0_ET | CR0_NW | CR0_CD;
    cpu->xcr0 = 1;
    cpu->init_pending = cpu->sipi_pending = false;
    reset_fpu(cpu);
    msr_reset(cpu);
    apic_reset(cpu);
    start_or_wait(cpu);
}

void cpu_init_reset(struct cpu *cpu)
{
    reset_core(cpu);
    cpu->cr0 = CR0_ET | (cpu->cr0 & (CR0_NW | CR0_CD));
    cpu->kvmclock.system = 0; /* as KVM has it */
    apic_init_reset(cpu);
    start_or_wait(cpu);
}

void cpu_start_up(struct cpu *cpu, uint8_t vector)
{
    cpu->seg[SEG_CS].sel = (uint16_t)(vector << 8);
    cpu->seg[SEG_CS].base = (uint64_t)vector << 12;
    cpu->r[R_RIP] = 0;
    cpu->wait_sipi = cpu->v.halted = false;
    cpu_mode_changed(cpu);
}

/* ---- vcpu ---- */

static void log_register_line(void *opaque, const char *text)
{
    log_line(opaque, LOG_CPU_RESET, "%s", text);
}

/* A reset of the machine; the state before it is what people look for in the log. */
static void vcpu_reset(struct vcpu *v)
{
    struct cpu *cpu = cpu_of(v);
    struct log *log = &v->m->log;
    if (log_on(log, LOG_CPU_RESET)) {
        log_line(log, LOG_CPU_RESET, "CPU %u is reset; its state was", v->index);
        cpu_print_registers(cpu, log_register_line, log);
    }
    cpu->smbase = SMBASE_RESET; /* INIT leaves it (SDM vol. 3A table 10-1) */
    cpu_reset(cpu);
}

static bool has_work(const struct vcpu *v)
{
    return cpu_interrupt_ready((const struct cpu *)v);
}

static void map_changed(struct vcpu *v)
{
    __atomic_store_n(&cpu_of(v)->map_stale, true, __ATOMIC_RELEASE);
    vcpu_kick(v);
}

static void destroy(struct vcpu *v)
{
    struct cpu *cpu = cpu_of(v);
    block_cache_free(cpu);
    report_free(cpu);
    free(cpu);
}

static void code_written(void *opaque, uint64_t arena_offset, uint64_t len)
{
    block_cache_code_written(opaque, arena_offset, len);
}

/* One page: this CPU is decoding it. All: a dirty log was cleared, perhaps by another thread; the
 * CPU drops its entries before it runs on. */
static void drop_store_entries(void *opaque, uint64_t arena_page)
{
    struct cpu *cpu = opaque;
    if (arena_page != ARENA_NONE) {
        tlb_drop_stores(cpu, arena_page);
    } else {
        __atomic_store_n(&cpu->store_stale, true, __ATOMIC_RELEASE);
        vcpu_kick(&cpu->v);
    }
}

static void set_intr(void *owner, unsigned n, bool level)
{
    struct cpu *cpu = owner;
    (void)n;
    __atomic_store_n(&cpu->intr_level, level, __ATOMIC_RELAXED);
    if (level)
        vcpu_kick(&cpu->v);
}

static void set_smi(void *owner, unsigned n, bool level)
{
    (void)n;
    if (level)
        smm_request(owner);
}

struct irq_line cpu_smi_line(struct cpu *cpu)
{
    return (struct irq_line){.set = set_smi, .owner = cpu};
}

struct irq_line cpu_intr_line(struct cpu *cpu)
{
    return (struct irq_line){.set = set_intr, .owner = cpu};
}

static void set_ignne(void *owner, unsigned n, bool level)
{
    struct cpu *cpu = owner;
    (void)n;
    cpu->ignne = level;
}

struct irq_line cpu_ignne_line(struct cpu *cpu)
{
    return (struct irq_line){.set = set_ignne, .owner = cpu};
}

/* ---- saved state ---- */

static const struct state_field segment_fields[] = {
    STATE_U64(struct segment, base),
    STATE_U32(struct segment, limit),
    STATE_U16(struct segment, sel),
    STATE_U16(struct segment, attr),
    STATE_FIELDS_END,
};
static const struct state_field table_fields[] = {
    STATE_U64(struct table_register, base),
    STATE_U16(struct table_register, limit),
    STATE_FIELDS_END,
};
static const struct state_field x87_fields[] = {
    STATE_U64(struct x87_reg, mant),
    STATE_U16(struct x87_reg, sexp),
    STATE_FIELDS_END,
};
static const struct state_field vector_fields[] = {
    STATE_ARRAY(STATE_U64, union vector, q, 4),
    STATE_FIELDS_END,
};

static const struct state_field exception_fields[] = {
    STATE_U8(struct pending_exception, vector),     STATE_BOOL(struct pending_exception, has_error),
    STATE_U32(struct pending_exception, error),     STATE_U64(struct pending_exception, cr2),
    STATE_U64(struct pending_exception, dr6),       STATE_BOOL(struct pending_exception, shutdown),
    STATE_BOOL(struct pending_exception, external), STATE_FIELDS_END,
};

#define C struct cpu
static const struct state_field cpu_fields[] = {
    STATE_ARRAY(STATE_U64, C, r, 17),
    STATE_U32(C, eflags_image),
    STATE_BOOL(C, v.halted),
    STATE_U8_MAX(C, cpl, 3),
    STATE_STRUCTS(C, seg, 6, struct segment, segment_fields),
    STATE_STRUCTS(C, ldtr, 1, struct segment, segment_fields),
    STATE_STRUCTS(C, tr, 1, struct segment, segment_fields),
    STATE_STRUCTS(C, gdtr, 1, struct table_register, table_fields),
    STATE_STRUCTS(C, idtr, 1, struct table_register, table_fields),
    STATE_U32(C, cr0),
    STATE_U64(C, cr2),
    STATE_U64(C, cr3),
    STATE_U32(C, cr4),
    STATE_U64(C, efer),
    STATE_U64(C, xcr0),
    STATE_ARRAY(STATE_U64, C, pdpte, 4),
    STATE_ARRAY(STATE_U64, C, dr, 8),
    STATE_U64(C, a20_mask),
    STATE_STRUCTS(C, exc, 1, struct pending_exception, exception_fields),
    STATE_BOOL(C, exc_pending),
    STATE_U8_MAX(C, bp_hits, 15),
    STATE_BOOL(C, rep_unfinished),
    STATE_BOOL(C, shadow),
    STATE_BOOL(C, shadow_ss),
    STATE_BOOL(C, nmi_blocked),
    STATE_BOOL(C, nmi_pending),
    STATE_BOOL(C, smm),
    STATE_BOOL(C, smi_pending),
    STATE_BOOL(C, smm_nmi_blocked),
    STATE_U32(C, smbase),
    STATE_BOOL(C, intr_level),
    STATE_BOOL(C, ferr),
    STATE_BOOL(C, ignne),
    STATE_BOOL(C, extint_pending),
    STATE_BOOL(C, init_pending),
    STATE_BOOL(C, sipi_pending),
    STATE_BOOL(C, wait_sipi),
    STATE_U8(C, sipi_vector),
    STATE_U64(C, star),
    STATE_U64(C, lstar),
    STATE_U64(C, cstar),
    STATE_U64(C, fmask),
    STATE_U64(C, kernel_gs_base),
    STATE_U64(C, tsc_aux),
    STATE_U64(C, sysenter_cs),
    STATE_U64(C, sysenter_esp),
    STATE_U64(C, sysenter_eip),
    STATE_U64(C, pat),
    STATE_U64(C, misc_enable),
    STATE_U64(C, tsc_adjust),
    STATE_U64(C, tsc_base),
    STATE_U64_MAX(C, tsc_hz, TSC_HZ_MAX),
    STATE_U64(C, kvmclock.wall),
    STATE_U64(C, kvmclock.system),
    STATE_U64(C, kvmclock.since),
    STATE_U64(C, kvmclock.time),
    STATE_U64(C, mtrr_def_type),
    STATE_ARRAY(STATE_U64, C, mtrr_fixed, 11),
    STATE_ARRAY(STATE_U64, C, mtrr_var, 16),
    STATE_U64(C, mcg_status),
    STATE_U64(C, mcg_ctl),
    STATE_U64(C, ucode_rev),
    STATE_U64(C, debugctl),
    STATE_U64(C, spec_ctrl),
    STATE_STRUCTS(C, fpr, 8, struct x87_reg, x87_fields),
    STATE_U16(C, fcw),
    STATE_U16(C, fsw),
    STATE_U16(C, fop),
    STATE_U8(C, ftw),
    STATE_U16(C, fcs),
    STATE_U16(C, fds),
    STATE_U64(C, fip),
    STATE_U64(C, fdp),
    STATE_U32(C, mxcsr),
    STATE_BOOL(C, model.soft_approx),
    STATE_STRUCTS(C, xmm, 16, union vector, vector_fields),
    STATE_STRUCTS(C, apic, 1, struct local_apic, apic_fields),
    STATE_FIELDS_END,
};
#undef C

static void pre_save(struct vcpu *v)
{
    struct cpu *cpu = cpu_of(v);
    cpu->eflags_image = cpu_eflags(cpu);
    if (!cpu->exc_pending) /* one that was delivered is not state */
        cpu->exc = (struct pending_exception){0};
}

/* A loaded state must be one a processor can be in, as far as this code relies on it. */
static bool post_load(struct vcpu *v, struct error *err)
{
    struct cpu *cpu = cpu_of(v);
    bool lma = cpu->efer & EFER_LMA;
    if (lma && !(cpu->cr0 & CR0_PG && cpu->cr4 & CR4_PAE))
        return error_set(err, "cpu%u: long mode without PAE paging", v->index);
    if (!cpu->tsc_hz)
        return error_set(err, "cpu%u: a time-stamp counter that stands still", v->index);
    if (cpu->model.soft_approx ? !CONFIG_MPFR && X87_HOST : !X87_HOST)
        return error_set(err, "cpu%u: saved with fpapprox=%s, which this build cannot", v->index,
                         cpu->model.soft_approx ? "soft" : "host");
    cpu_set_eflags(cpu, cpu->eflags_image);
    cpu->insn = NULL;
    report_forget(cpu);
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
    block_cache_flush(cpu);
    return true;
}

static uint64_t linear_place(const struct vcpu *v)
{
    const struct cpu *cpu = (const struct cpu *)v;
    uint64_t rip = cpu->r[R_RIP];
    if (cpu->insn && cpu->v.m->run.current == v) /* a device is asked by it */
        rip = insn_rip(cpu, cpu->insn);
    return cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

static const struct vcpu_ops ops = {
    .run = interp_run,
    .reset = vcpu_reset,
    .place = linear_place,
    .has_work = has_work,
    .map_changed = map_changed,
    .destroy = destroy,
    .fields = cpu_fields,
    .fields_version = 4,
    .pre_save = pre_save,
    .post_load = post_load,
};

/* ---- creation ---- */

struct cpu *cpu_new(struct machine *m, const struct cpu_model *model, unsigned index,
                    struct error *err)
{
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);
    if (!cpu) {
        error_set(err, "out of memory for a CPU");
        return NULL;
    }
    memset(cpu, 0, sizeof(*cpu));
    cpu->v.m = m;
    cpu->v.ops = &ops;
    cpu->run_blocks = interp_blocks;
    cpu->v.index = index;
    cpu->has_thread = m->run.threads;
    cpu->model = *model;
    cpu->apic_id = topology_apic_id(&model->topology, index);
    cpu->tsc_hz = TSC_HZ;
    cpu->a20_mask = ~0ull;
    cpu->smbase = SMBASE_RESET;
    if (!block_cache_init(cpu)) {
        error_set(err, "out of memory for decoded code");
        destroy(&cpu->v);
        return NULL;
    }
    apic_init(cpu);
    tlb_init(cpu);
    cpu->code_listener = (struct code_listener){
        .code_written = code_written, .drop_store_entries = drop_store_entries, .opaque = cpu};
    cpu->code_listener.next = m->arena.listeners;
    m->arena.listeners = &cpu->code_listener;
    cpu_reset(cpu);
    return cpu;
}

/* ---- for people ---- */

static unsigned long long reg(const struct cpu *cpu, unsigned n)
{
    return cpu->r[n];
}

static void print_segment(const struct printer *p, const char *name, const struct segment *s)
{
    print(p, "%-3s=%04x %016llx %08x %04x", name, s->sel, (unsigned long long)s->base, s->limit,
          s->attr);
}

void cpu_print_registers(const struct cpu *cpu, void (*line)(void *opaque, const char *text),
                         void *opaque)
{
    static const char names[16][4] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                      "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
    static const char segments[6][3] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    struct printer p = {line, opaque};
    for (unsigned n = 0; n < 16; n += 4)
        print(&p, "%s=%016llx %s=%016llx %s=%016llx %s=%016llx", names[n], reg(cpu, n),
              names[n + 1], reg(cpu, n + 1), names[n + 2], reg(cpu, n + 2), names[n + 3],
              reg(cpu, n + 3));
    print(&p, "RIP=%016llx RFL=%08x CPL=%u HLT=%u SMM=%u SMBASE=%08x", reg(cpu, R_RIP),
          cpu_eflags(cpu), cpu->cpl, cpu->v.halted, cpu->smm, cpu->smbase);
    for (unsigned n = 0; n < 6; n++)
        print_segment(&p, segments[n], &cpu->seg[n]);
    print_segment(&p, "LDT", &cpu->ldtr);
    print_segment(&p, "TR", &cpu->tr);
    print(&p, "GDT=     %016llx %04x", (unsigned long long)cpu->gdtr.base, cpu->gdtr.limit);
    print(&p, "IDT=     %016llx %04x", (unsigned long long)cpu->idtr.base, cpu->idtr.limit);
    print(&p, "CR0=%08x CR2=%016llx CR3=%016llx CR4=%08x", cpu->cr0, (unsigned long long)cpu->cr2,
          (unsigned long long)cpu->cr3, cpu->cr4);
    print(&p, "EFER=%016llx DR6=%08llx DR7=%08llx", (unsigned long long)cpu->efer,
          (unsigned long long)cpu->dr[6], (unsigned long long)cpu->dr[7]);
    for (unsigned n = 0; n < 8; n++)
        print(&p, "FPR%u=%04x %016llx", n, cpu->fpr[n].sexp, (unsigned long long)cpu->fpr[n].mant);
    print(&p, "FCW=%04x FSW=%04x FTW=%02x MXCSR=%08x", cpu->fcw, cpu->fsw, cpu->ftw, cpu->mxcsr);
    for (unsigned n = 0; n < 16; n += 2)
        print(&p, "XMM%02u=%016llx%016llx XMM%02u=%016llx%016llx", n,
              (unsigned long long)cpu->xmm[n].q[1], (unsigned long long)cpu->xmm[n].q[0], n + 1,
              (unsigned long long)cpu->xmm[n + 1].q[1], (unsigned long long)cpu->xmm[n + 1].q[0]);
}
