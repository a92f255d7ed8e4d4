/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exceptions and interrupts: raising, delivery through IVT and IDT, double and triple faults
 * (SDM vol. 3A chapters 6 and 7.7). A delivery changes nothing until its last access that can
 * fault has succeeded. */
#include "cpu/x86/debugreg.h"
#include "cpu/x86/flags.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/report.h"
#include "cpu/x86/segment.h"
#include "cpu/x86/smm.h"
#include "cpu/x86/task.h"

void exception_note(struct cpu *cpu, unsigned vector)
{
    cpu->exc = (struct pending_exception){.vector = (uint8_t)vector};
}

void exception_note_error(struct cpu *cpu, unsigned vector, uint32_t error_code)
{
    cpu->exc = (struct pending_exception){
        .vector = (uint8_t)vector, .has_error = true, .error = error_code};
}

/* EXT: the fault happened while delivering something from outside the program (SDM 6.13). */
static uint32_t ext_bit(enum int_kind kind)
{
    return kind == INT_EXTERNAL || kind == INT_EXCEPTION || kind == INT1;
}

static bool is_software(enum int_kind kind)
{
    return kind == INT_SOFTWARE || kind == INT3_INTO;
}

/* ---- a stack frame in the making ---- */

/* Values pushed from `top` downwards, written only when all of them can be. */
struct frame {
    uint64_t base, sp, mask; /* linear base of the stack segment, SP, mask of its size */
    uint64_t value[12];
    unsigned n, size; /* bytes per slot */
    bool as_user;     /* the handler runs at CPL 3: written with user rights */
};

static void frame_push(struct frame *f, uint64_t v)
{
    f->value[f->n++] = v;
}

static uint64_t frame_sp(const struct frame *f, unsigned n)
{
    return (f->sp & ~f->mask) | ((f->sp - (uint64_t)n * f->size) & f->mask);
}

static uint64_t frame_linear(const struct cpu *cpu, const struct frame *f, unsigned n)
{
    uint64_t lin = f->base + (frame_sp(f, n) & f->mask);
    return cpu->long_mode ? lin : (uint32_t)lin;
}

/* Writes the frame with supervisor rights (interrupt stacks are accessed at the new CPL; a
 * same-level delivery at CPL 3 uses user rights). */
static int frame_write(struct cpu *cpu, const struct frame *f)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned n = 1; n <= f->n; n++) {
            uint64_t lin = frame_linear(cpu, f, n), v = f->value[n - 1];
            int r = f->as_user ? (pass ? mem_store_slow(cpu, lin, f->size, &v)
                                       : mem_probe_store_slow(cpu, lin, f->size))
                               : (pass ? sys_store(cpu, lin, f->size, v)
                                       : sys_probe_store(cpu, lin, f->size));
            if (r)
                return OP_FAULT;
        }
    return 0;
}

/* Limit check of a legacy stack for n bytes below sp: #SS. */
static int frame_fits(struct cpu *cpu, const struct segment *ss, const struct frame *f,
                      uint32_t error)
{
    for (unsigned n = 1; n <= f->n; n++) {
        uint64_t off = frame_sp(f, n) & f->mask, last = off + f->size - 1;
        bool down = ss->attr & SEG_TYPE_EC && !(ss->attr & SEG_TYPE_CODE);
        uint64_t top = ss->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu;
        bool ok = down ? off > ss->limit && last <= top : last <= ss->limit;
        if (!ok)
            return raise_error(cpu, EXC_SS, error);
    }
    return 0;
}

/* ---- real-address mode (SDM vol. 3A 20.1.4) ---- */

static int deliver_real(struct cpu *cpu, unsigned vector)
{
    uint64_t entry;
    struct frame f = {
        .base = cpu->seg[SEG_SS].base, .sp = cpu->r[R_RSP], .mask = 0xffff, .size = 2};
    if (4 * vector + 3 > cpu->idtr.limit)
        return raise_gp(cpu, 0);
    if (sys_load(cpu, cpu->idtr.base + 4 * vector, 4, &entry))
        return OP_FAULT;
    frame_push(&f, cpu_eflags(cpu));
    frame_push(&f, cpu->seg[SEG_CS].sel);
    frame_push(&f, cpu->r[R_RIP]);
    if (frame_fits(cpu, &cpu->seg[SEG_SS], &f, 0) || frame_write(cpu, &f))
        return OP_FAULT;
    cpu->r[R_RSP] = frame_sp(&f, f.n);
    cpu->eflags &= ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
    segment_set_real(&cpu->seg[SEG_CS], (uint16_t)(entry >> 16));
    cpu->r[R_RIP] = entry & 0xffff;
    cpu_mode_changed(cpu);
    return OP_LEAVE;
}

/* ---- protected and long mode: the gate and its target ---- */

struct gate {
    uint16_t selector;
    uint64_t offset;
    unsigned type, ist;
};

static int idt_error(struct cpu *cpu, unsigned exc, unsigned vector, enum int_kind kind)
{
    return raise_error(cpu, exc, vector * 8 + 2 + ext_bit(kind));
}

static int load_gate(struct cpu *cpu, unsigned vector, enum int_kind kind, struct gate *g)
{
    uint64_t d, high = 0;
    unsigned size = cpu->long_mode ? 16 : 8;
    if (vector * size + size - 1 > cpu->idtr.limit)
        return idt_error(cpu, EXC_GP, vector, kind);
    uint64_t at = cpu->idtr.base + vector * size;
    if (sys_load(cpu, at, 8, &d) || (cpu->long_mode && sys_load(cpu, at + 8, 8, &high)))
        return OP_FAULT;
    unsigned type = desc_type(d);
    bool known =
        type == SYS_INT || type == SYS_TRAP ||
        (!cpu->long_mode && (type == SYS_INT16 || type == SYS_TRAP16 || type == SYS_TASK_GATE));
    if (!desc_is_system(d) || !known)
        return idt_error(cpu, EXC_GP, vector, kind);
    if (is_software(kind) && desc_dpl(d) < cpu->cpl)
        return idt_error(cpu, EXC_GP, vector, kind);
    if (!desc_present(d))
        return idt_error(cpu, EXC_NP, vector, kind);
    *g = (struct gate){.selector = gate_selector(d), .offset = gate_offset(d), .type = type};
    if (cpu->long_mode) {
        g->offset |= high << 32;
        g->ist = d >> 32 & 7;
    } else if (type == SYS_INT16 || type == SYS_TRAP16) {
        g->offset &= 0xffff;
    }
    return 0;
}

/* The handler's code segment; *cpl is the level it runs at. */
static int load_target(struct cpu *cpu, const struct gate *g, enum int_kind kind, uint64_t *desc,
                       unsigned *cpl)
{
    uint16_t sel = g->selector & 0xfffc;
    uint32_t error = sel | ext_bit(kind);
    if (selector_is_null(sel))
        return raise_gp(cpu, ext_bit(kind));
    if (desc_load(cpu, sel, desc, EXC_GP)) {
        if (cpu->exc.vector == EXC_GP)
            cpu->exc.error |= ext_bit(kind);
        return OP_FAULT;
    }
    if (!desc_is_code(*desc) || desc_dpl(*desc) > cpu->cpl)
        return raise_gp(cpu, error);
    bool l = *desc >> 53 & 1, db = *desc >> 54 & 1;
    if (cpu->long_mode && (!l || db))
        return raise_gp(cpu, error);
    if (!desc_present(*desc))
        return raise_error(cpu, EXC_NP, error);
    *cpl = desc_is_conforming(*desc) ? cpu->cpl : desc_dpl(*desc);
    if (cpu_v86(cpu) && *cpl != 0)
        return raise_gp(cpu, error);
    return 0;
}

/* ---- the stack switch ---- */

struct new_stack {
    bool switched;
    uint16_t ss;
    uint64_t ss_desc;
    struct segment segment;
};

static int choose_stack64(struct cpu *cpu, const struct gate *g, unsigned cpl, struct frame *f,
                          struct new_stack *ns)
{
    uint64_t sp = cpu->r[R_RSP];
    if (g->ist) {
        if (tss64_stack(cpu, 3 + g->ist, &sp))
            return OP_FAULT;
    } else if (cpl < cpu->cpl) {
        if (tss64_stack(cpu, cpl, &sp))
            return OP_FAULT;
    }
    ns->switched = cpl < cpu->cpl;
    *f = (struct frame){.sp = sp & ~15ull, .mask = ~0ull, .size = 8, .as_user = cpl == 3};
    return 0;
}

static int choose_stack32(struct cpu *cpu, const struct gate *g, unsigned cpl, struct frame *f,
                          struct new_stack *ns)
{
    unsigned size = g->type == SYS_INT || g->type == SYS_TRAP ? 4 : 2;
    const struct segment *ss = &cpu->seg[SEG_SS];
    uint64_t sp = cpu->r[R_RSP];
    if (cpl < cpu->cpl) {
        uint32_t esp;
        ns->switched = true;
        if (tss_stack(cpu, cpl, &ns->ss, &esp) ||
            stack_desc_load(cpu, ns->ss, cpl, &ns->ss_desc, EXC_TS))
            return OP_FAULT;
        segment_from_descriptor(&ns->segment, ns->ss, ns->ss_desc);
        ss = &ns->segment;
        sp = esp;
    }
    uint64_t mask = ss->attr & SEG_ATTR_DB ? 0xffffffffu : 0xffffu;
    *f =
        (struct frame){.base = ss->base, .sp = sp, .mask = mask, .size = size, .as_user = cpl == 3};
    return 0;
}

/* RF in the saved image: set for faults, so that the instruction runs on after IRET, and for traps
 * and interrupts between iterations of a repeated instruction (SDM vol. 3B 18.3.1.1). */
static uint32_t saved_eflags(const struct cpu *cpu, unsigned vector, enum int_kind kind)
{
    uint32_t f = cpu_eflags(cpu);
    bool fault = kind == INT_EXCEPTION && vector != EXC_DB && vector != EXC_BP && vector != EXC_OF;
    bool between = cpu->rep_unfinished && (kind == INT_EXTERNAL || kind == INT_EXCEPTION);
    return fault || between ? f | EFLAGS_RF : f;
}

static void push_old_state(struct cpu *cpu, struct frame *f, const struct new_stack *ns,
                           uint32_t eflags, bool has_error, uint32_t error)
{
    if (cpu_v86(cpu)) {
        static const uint8_t order[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
        for (unsigned n = 0; n < 4; n++)
            frame_push(f, cpu->seg[order[n]].sel);
    }
    if (ns->switched || cpu->long_mode) {
        frame_push(f, cpu->seg[SEG_SS].sel);
        frame_push(f, cpu->r[R_RSP]);
    }
    frame_push(f, eflags);
    frame_push(f, cpu->seg[SEG_CS].sel);
    frame_push(f, cpu->r[R_RIP]);
    if (has_error)
        frame_push(f, error);
}

static int deliver_protected(struct cpu *cpu, unsigned vector, enum int_kind kind, bool has_error,
                             uint32_t error)
{
    struct gate g;
    uint64_t cs_desc;
    unsigned cpl;
    struct frame f;
    struct new_stack ns = {0};
    if (load_gate(cpu, vector, kind, &g))
        return OP_FAULT;
    if (g.type == SYS_TASK_GATE)
        return task_interrupt(cpu, g.selector, saved_eflags(cpu, vector, kind), ext_bit(kind),
                              has_error, error);
    if (load_target(cpu, &g, kind, &cs_desc, &cpl))
        return OP_FAULT;
    if (cpu->long_mode ? choose_stack64(cpu, &g, cpl, &f, &ns)
                       : choose_stack32(cpu, &g, cpl, &f, &ns))
        return OP_FAULT;
    if (cpu->long_mode ? !is_canonical(g.offset) : g.offset > desc_limit(cs_desc))
        return raise_gp(cpu, ext_bit(kind));
    push_old_state(cpu, &f, &ns, saved_eflags(cpu, vector, kind), has_error, error);
    const struct segment *ss = ns.switched && !cpu->long_mode ? &ns.segment : &cpu->seg[SEG_SS];
    if (!cpu->long_mode &&
        frame_fits(cpu, ss, &f, ns.switched ? (ns.ss & 0xfffcu) | ext_bit(kind) : ext_bit(kind)))
        return OP_FAULT;
    /* accessed bits first: after the pushes nothing may fault */
    if ((ns.switched && !cpu->long_mode && desc_set_accessed(cpu, ns.ss, &ns.ss_desc)) ||
        desc_set_accessed(cpu, g.selector, &cs_desc) || frame_write(cpu, &f))
        return OP_FAULT;

    bool was_v86 = cpu_v86(cpu);
    bool interrupt_gate = g.type == SYS_INT || g.type == SYS_INT16;
    cpu->eflags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM);
    cpu->eflags &= interrupt_gate ? ~EFLAGS_IF : ~0u;
    if (ns.switched && cpu->long_mode) {
        segment_set_null(&cpu->seg[SEG_SS], (uint16_t)cpl);
    } else if (ns.switched) {
        segment_from_descriptor(&cpu->seg[SEG_SS], ns.ss, ns.ss_desc);
    }
    if (was_v86)
        for (unsigned n = 0; n < 6; n++)
            if (n != SEG_CS && n != SEG_SS)
                segment_set_null(&cpu->seg[n], 0);
    cpu->r[R_RSP] = frame_sp(&f, f.n);
    if (!cpu->long_mode)
        cpu->r[R_RSP] = (uint32_t)cpu->r[R_RSP];
    code_segment_load(cpu, (uint16_t)((g.selector & 0xfffc) | cpl), cs_desc, cpl);
    cpu->r[R_RIP] = g.offset;
    cpu_mode_changed(cpu);
    return OP_LEAVE;
}

int interrupt_deliver(struct cpu *cpu, unsigned vector, enum int_kind kind, bool has_error,
                      uint32_t error)
{
    log_line(&cpu->v.m->log, LOG_INT,
             "int %02x %s error %x at %04x:%016llx cpl %u rsp %016llx cr2 %016llx", vector,
             kind == INT_EXTERNAL ? "external"
             : is_software(kind)  ? "software"
                                  : "exception",
             error, cpu->seg[SEG_CS].sel, (unsigned long long)cpu->r[R_RIP], cpu->cpl,
             (unsigned long long)cpu->r[R_RSP], (unsigned long long)cpu->cr2);
    const struct insn *insn = cpu->insn;
    cpu->insn = NULL; /* what faults now is the delivery */
    int r = cpu_protected(cpu) ? deliver_protected(cpu, vector, kind, has_error, error)
                               : deliver_real(cpu, vector);
    cpu->insn = insn;
    if (r != OP_FAULT) {
        cpu->rep_unfinished = cpu->shadow = cpu->shadow_ss = false;
        if (unlikely(cpu->probes) && kind != INT_EXCEPTION)
            probe_note(cpu, PROBE_INTERRUPT, vector, kind == INT_EXTERNAL);
    } else if (cpu->exc.vector >= EXC_TS && cpu->exc.vector <= EXC_GP) {
        cpu->exc.error |= ext_bit(kind);
    }
    return r;
}

/* ---- escalation (SDM vol. 3A table 6-5) ---- */

static bool is_contributory(unsigned v)
{
    return v == EXC_DE || (v >= EXC_TS && v <= EXC_GP);
}

static bool makes_double_fault(unsigned first, unsigned second)
{
    if (is_contributory(first))
        return is_contributory(second);
    return first == EXC_PF && (is_contributory(second) || second == EXC_PF);
}

static void apply_side_effects(struct cpu *cpu, const struct pending_exception *e)
{
    if (e->vector == EXC_PF)
        cpu->cr2 = e->cr2;
    if (e->vector == EXC_DB) {
        cpu->dr[6] |= e->dr6;
        debug_entered(cpu);
    }
}

static enum int_kind kind_of(const struct pending_exception *e)
{
    return e->vector == EXC_NMI || e->external ? INT_EXTERNAL : INT_EXCEPTION;
}

/* The delivery was a task switch, and the new task's state is bad: that fault, too, comes while the
 * first is being delivered. The debug trap of the T bit is none. */
static bool fault_of_new_task(struct cpu *cpu)
{
    if (!cpu->exc_pending || cpu->exc.vector == EXC_DB)
        return false;
    cpu->exc_pending = false;
    return true;
}

static bool shut_down(struct cpu *cpu)
{
    log_line(&cpu->v.m->log, LOG_INT | LOG_CPU_RESET, "shutdown at %04x:%016llx",
             cpu->seg[SEG_CS].sel, (unsigned long long)cpu->r[R_RIP]);
    cpu->shut_down = true;
    return false;
}

bool exception_deliver(struct cpu *cpu)
{
    struct pending_exception e = cpu->exc;
    cpu->nfaults = 0;
    if (e.shutdown)
        return shut_down(cpu);
    report_add_fault(cpu, &e);
    for (;;) {
        apply_side_effects(cpu, &e);
        /* exceptions push error codes only in protected mode; interrupt_deliver's real path
         * ignores them */
        if (interrupt_deliver(cpu, e.vector, kind_of(&e), e.has_error, e.error) != OP_FAULT &&
            !fault_of_new_task(cpu)) {
            if (unlikely(e.vector == EXC_DF))
                report_double_fault(cpu);
            return true;
        }
        struct pending_exception second = cpu->exc;
        report_add_fault(cpu, &second);
        if (e.vector == EXC_DF) {
            apply_side_effects(cpu, &second);
            return shut_down(cpu);
        }
        if (makes_double_fault(e.vector, second.vector)) {
            apply_side_effects(cpu, &second);
            e = (struct pending_exception){.vector = EXC_DF, .has_error = true};
            report_add_fault(cpu, &e);
        } else {
            e = second;
        }
    }
}

/* ---- interrupts ---- */

/* Another thread sets it, and kicks this one. */
static bool is_pending(const bool *request)
{
    return __atomic_load_n(request, __ATOMIC_RELAXED);
}

/* The PIC's interrupt: its pin, or a message that stands for it. */
static bool extint(const struct cpu *cpu)
{
    return is_pending(&cpu->extint_pending) ||
           (is_pending(&cpu->intr_level) && apic_accepts_extint(cpu));
}

bool cpu_interrupt_waits(const struct cpu *cpu)
{
    return extint(cpu) || apic_pending_vector(cpu) >= 0;
}

bool cpu_interrupt_ready(const struct cpu *cpu)
{
    if (is_pending(&cpu->smi_pending) && !cpu->smm && !cpu->wait_sipi)
        return true;
    if ((is_pending(&cpu->init_pending) || is_pending(&cpu->sipi_pending)) && !cpu->smm)
        return true;
    if (cpu->wait_sipi)
        return false;
    if (is_pending(&cpu->nmi_pending) && !cpu->nmi_blocked)
        return true;
    return cpu->eflags & EFLAGS_IF && cpu_interrupt_waits(cpu);
}

int cpu_acknowledge(struct cpu *cpu)
{
    int vector;
    vcpu_lock_machine(&cpu->v);
    vector = apic_acknowledge(cpu);
    if (vector < 0 && extint(cpu) && cpu->intack.ack) {
        cpu->extint_pending = false;
        vector = cpu->intack.ack(cpu->intack.owner);
    }
    vcpu_unlock_machine(&cpu->v);
    return vector;
}

int cpu_acknowledge_extint(struct cpu *cpu)
{
    int vector = -1;

    vcpu_lock_machine(&cpu->v);
    if ((cpu->extint_pending || cpu->intr_level) && cpu->intack.ack) {
        cpu->extint_pending = false;
        vector = cpu->intack.ack(cpu->intack.owner);
    }
    vcpu_unlock_machine(&cpu->v);
    return vector;
}

/* INIT, then a start-up IPI (SDM vol. 3A 9.4.3). True if there was one. */
static bool take_init(struct cpu *cpu)
{
    vcpu_lock_machine(&cpu->v);
    bool init = cpu->init_pending, sipi = cpu->sipi_pending;
    __atomic_store_n(&cpu->init_pending, false, __ATOMIC_RELAXED);
    __atomic_store_n(&cpu->sipi_pending, false, __ATOMIC_RELAXED);
    if (init)
        cpu_init_reset(cpu);
    if (sipi && cpu->wait_sipi)
        cpu_start_up(cpu, cpu->sipi_vector);
    vcpu_unlock_machine(&cpu->v);
    return init || sipi;
}

bool cpu_take_interrupts(struct cpu *cpu)
{
    if (cpu->shadow)
        return true;
    /* priorities: SDM vol. 3A table 6-2 */
    if (is_pending(&cpu->smi_pending) && !cpu->smm && !cpu->wait_sipi) {
        smm_enter(cpu);
        return true;
    }
    /* SMM holds it back */
    if ((is_pending(&cpu->init_pending) || is_pending(&cpu->sipi_pending)) && !cpu->smm &&
        take_init(cpu))
        return true;
    int vector = -1;
    if (is_pending(&cpu->nmi_pending) && !cpu->nmi_blocked) {
        __atomic_store_n(&cpu->nmi_pending, false, __ATOMIC_RELAXED);
        cpu->nmi_blocked = true;
        vector = EXC_NMI;
    } else if (cpu->eflags & EFLAGS_IF) {
        vector = cpu_acknowledge(cpu);
    }
    if (vector < 0)
        return true;
    cpu->v.halted = false;
    if (interrupt_deliver(cpu, (unsigned)vector, INT_EXTERNAL, false, 0) == OP_FAULT)
        return exception_deliver(cpu);
    return true;
}
