/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hardware task switches (SDM vol. 3A chapter 7). The steps are those of 7.3. */
#include "cpu/x86/task.h"

#include "cpu/x86/debugreg.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/segment.h"

enum cause { BY_JMP, BY_CALL, BY_INT, BY_IRET }; /* BY_INT nests as BY_CALL does */

struct switching {
    enum cause cause;
    uint16_t sel;        /* of the new TSS */
    uint64_t desc;       /* its descriptor */
    uint32_t eip, flags; /* of the old task, to save */
    uint32_t ext;
};

/* What a TSS holds of a task. */
struct task_state {
    uint32_t cr3, eip, flags, reg[8];
    uint16_t seg[6], ldt;
    bool trap;
};

/* ---- layout of a TSS (SDM vol. 3A 7.2.1, 7.6) ---- */

struct layout {
    uint8_t eip, flags, reg, seg, ldt; /* offsets of the first of each */
    uint8_t size, seg_step, num_segs;  /* bytes per register, per segment */
    uint8_t saved_end;                 /* the part that a switch writes ends before this */
    uint8_t last;                      /* least limit */
};

static const struct layout layout16 = {0x0e, 0x10, 0x12, 0x22, 0x2a, 2, 2, 4, 0x2a, 0x2b};
static const struct layout layout32 = {0x20, 0x24, 0x28, 0x48, 0x60, 4, 4, 6, 0x60, 0x67};
#define TSS32_CR3  0x1c
#define TSS32_TRAP 0x64

/* Types 9 and 11 are 32-bit, 1 and 3 16-bit. */
static const struct layout *layout_of(unsigned type)
{
    return type & 8 ? &layout32 : &layout16;
}

static int tss_read(struct cpu *cpu, uint32_t at, unsigned size, uint32_t *out)
{
    uint64_t v;

    if (sys_load(cpu, at, size, &v))
        return OP_FAULT;
    *out = (uint32_t)v;
    return 0;
}

/* Reads the new task's state, all of it before anything changes. */
static int read_state(struct cpu *cpu, const struct switching *s, struct task_state *t)
{
    const struct layout *l = layout_of(desc_type(s->desc));
    uint32_t base = desc_base(s->desc), v;

    *t = (struct task_state){.cr3 = (uint32_t)cpu->cr3};
    if (tss_read(cpu, base + l->eip, l->size, &t->eip) ||
        tss_read(cpu, base + l->flags, l->size, &t->flags))
        return OP_FAULT;
    for (unsigned n = 0; n < 8; n++) {
        if (tss_read(cpu, base + l->reg + n * l->size, l->size, &t->reg[n]))
            return OP_FAULT;
        t->reg[n] |= l->size == 2 ? 0xffff0000 : 0;
    }
    for (unsigned n = 0; n < l->num_segs; n++) {
        if (tss_read(cpu, base + l->seg + n * l->seg_step, 2, &v))
            return OP_FAULT;
        t->seg[n] = (uint16_t)v;
    }
    if (tss_read(cpu, base + l->ldt, 2, &v))
        return OP_FAULT;
    t->ldt = (uint16_t)v;
    if (l->size == 2)
        return 0;
    if (tss_read(cpu, base + TSS32_TRAP, 2, &v) || tss_read(cpu, base + TSS32_CR3, 4, &t->cr3))
        return OP_FAULT;
    t->trap = v & 1;
    return 0;
}

/* Saves the running task in its TSS, which was probed. */
static int write_state(struct cpu *cpu, const struct switching *s)
{
    const struct layout *l = layout_of(cpu->tr.attr & SEG_ATTR_TYPE);
    uint32_t base = (uint32_t)cpu->tr.base;

    if (sys_store(cpu, base + l->eip, l->size, s->eip) ||
        sys_store(cpu, base + l->flags, l->size, s->flags))
        return OP_FAULT;
    for (unsigned n = 0; n < 8; n++) {
        if (sys_store(cpu, base + l->reg + n * l->size, l->size, cpu->r[n]))
            return OP_FAULT;
    }
    for (unsigned n = 0; n < l->num_segs; n++) {
        if (sys_store(cpu, base + l->seg + n * l->seg_step, 2, cpu->seg[n].sel))
            return OP_FAULT;
    }
    return 0;
}

/* ---- busy bits ---- */

/* The access byte of a TSS's descriptor; a TSS is always in the GDT. */
static uint32_t access_byte(const struct cpu *cpu, uint16_t sel)
{
    return (uint32_t)(cpu->gdtr.base + (sel & ~7u) + 5);
}

static int clear_busy(struct cpu *cpu, uint16_t sel)
{
    uint64_t access;
    uint8_t seen, before;

    if (sys_load(cpu, access_byte(cpu, sel), 1, &access))
        return OP_FAULT;
    seen = (uint8_t)access;
    do {
        before = seen;
        if (sys_swap_byte(cpu, access_byte(cpu, sel), &seen, before & ~2u))
            return OP_FAULT;
    } while (seen != before);
    return 0;
}

/* ---- checks before the point of no return ---- */

/* The descriptor of the new TSS: in the GDT, busy if we return to it and available otherwise.
 * `vector` is what a wrong one raises. */
static int find_tss(struct cpu *cpu, struct switching *s, unsigned vector)
{
    uint32_t error = (s->sel & ~3u) | s->ext;

    if (s->sel & 4)
        return raise_error(cpu, vector, error);
    if (desc_load(cpu, s->sel, &s->desc, vector)) {
        if (cpu->exc.vector == vector)
            cpu->exc.error |= s->ext;
        return OP_FAULT;
    }
    unsigned type = desc_type(s->desc), busy = s->cause == BY_IRET ? 2 : 0;
    if (!desc_is_system(s->desc) || (type & ~8u) != (1 | busy))
        return raise_error(cpu, vector, error);
    if (!desc_present(s->desc))
        return raise_error(cpu, EXC_NP, error);
    if (desc_limit(s->desc) < layout_of(type)->last)
        return raise_error(cpu, EXC_TS, error);
    return 0;
}

/* Everything that the switch writes can be written (SDM vol. 3A 7.3, step 6). */
static int probe_all(struct cpu *cpu, const struct switching *s)
{
    const struct layout *old = layout_of(cpu->tr.attr & SEG_ATTR_TYPE);

    if (!(cpu->tr.attr & SEG_ATTR_P) || cpu->tr.limit + 1u < old->saved_end)
        return raise_error(cpu, EXC_TS, (cpu->tr.sel & ~3u) | s->ext);
    return sys_probe_store(cpu, cpu->tr.base, old->saved_end) ||
                   sys_probe_store(cpu, desc_base(s->desc), 2) ||
                   sys_probe_store(cpu, access_byte(cpu, cpu->tr.sel), 1) ||
                   sys_probe_store(cpu, access_byte(cpu, s->sel), 1)
               ? OP_FAULT
               : 0;
}

/* ---- loading the new task ---- */

/* Loads LDTR; whatever is wrong with it is #TS (SDM vol. 3A table 7-1). */
static int load_ldtr(struct cpu *cpu, uint16_t sel)
{
    segment_set_null(&cpu->ldtr, sel);
    int r = ldtr_load(cpu, sel);
    if (r && (cpu->exc.vector == EXC_GP || cpu->exc.vector == EXC_NP))
        cpu->exc.vector = EXC_TS;
    return r;
}

/* CS runs at its RPL. */
static int load_cs(struct cpu *cpu, uint16_t sel)
{
    uint64_t desc;
    unsigned rpl = sel & 3;

    if (desc_load(cpu, sel, &desc, EXC_TS))
        return OP_FAULT;
    bool level = desc_is_conforming(desc) ? desc_dpl(desc) <= rpl : desc_dpl(desc) == rpl;
    if (!desc_is_code(desc) || !level)
        return raise_error(cpu, EXC_TS, sel & ~3u);
    if (!desc_present(desc))
        return raise_error(cpu, EXC_NP, sel & ~3u);
    return code_segment_load(cpu, sel, desc, rpl);
}

static int load_ss(struct cpu *cpu, uint16_t sel)
{
    uint64_t desc;

    if (stack_desc_load(cpu, sel, cpu->cpl, &desc, EXC_TS) || desc_set_accessed(cpu, sel, &desc))
        return OP_FAULT;
    segment_from_descriptor(&cpu->seg[SEG_SS], sel, desc);
    return 0;
}

static int load_data(struct cpu *cpu, const uint16_t sel[6])
{
    static const uint8_t order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned n = 0; n < ARRAY_SIZE(order); n++) {
        if (segment_load(cpu, order[n], sel[order[n]])) {
            if (cpu->exc.vector == EXC_GP)
                cpu->exc.vector = EXC_TS;
            return OP_FAULT;
        }
    }
    return 0;
}

/* The descriptors that the new task's selectors name. All registers hold their selectors already
 * and are unusable. */
static int load_segments(struct cpu *cpu, const struct task_state *t)
{
    if (load_ldtr(cpu, t->ldt))
        return OP_FAULT;
    if (cpu_v86(cpu)) {
        for (unsigned n = 0; n < 6; n++)
            segment_set_v86(&cpu->seg[n], t->seg[n]);
        return 0;
    }
    return load_cs(cpu, t->seg[SEG_CS]) || load_ss(cpu, t->seg[SEG_SS]) || load_data(cpu, t->seg)
               ? OP_FAULT
               : 0;
}

/* Registers that need no checks. CPL 3 until CS is loaded, so that a fault before switches
 * stacks. */
static void load_registers(struct cpu *cpu, const struct task_state *t)
{
    cpu->r[R_RIP] = t->eip;
    cpu_set_eflags(cpu, (t->flags & 0x3f7fd7) | EFLAGS_FIXED);
    for (unsigned n = 0; n < 8; n++)
        cpu->r[n] = t->reg[n];
    for (unsigned n = 0; n < 6; n++)
        segment_set_null(&cpu->seg[n], t->seg[n]);
    cpu->cpl = 3;
    cpu->cr0 |= CR0_TS;
    cpu->dr[7] &= ~(uint64_t)DR7_LOCALS;
    cpu_mode_changed(cpu);
}

/* The new task's part; its faults are its own. */
static int enter_task(struct cpu *cpu, const struct switching *s, const struct task_state *t)
{
    bool wide = desc_type(s->desc) & 8;

    load_registers(cpu, t);
    if (wide && cpu->cr0 & CR0_PG && cr3_load_legacy(cpu, t->cr3))
        return OP_FAULT;
    int r = load_segments(cpu, t);
    cpu_mode_changed(cpu);
    return r;
}

/* A fault in the new task is delivered before its first instruction. */
static int raise_in_new_task(struct cpu *cpu, const struct switching *s)
{
    if (cpu->exc.vector >= EXC_TS && cpu->exc.vector <= EXC_GP)
        cpu->exc.error |= s->ext;
    cpu->exc_pending = true;
    return OP_LEAVE;
}

/* Debug trap of the T bit (SDM vol. 3B 18.3.1.5). */
static void raise_task_trap(struct cpu *cpu)
{
    raise_exception(cpu, EXC_DB);
    cpu->exc.dr6 = DR6_BT;
    cpu->exc_pending = true;
}

/* ---- the switch ---- */

/* Two CPUs do not get the same task: the busy bit is tested and set by one locked access
 * (SDM vol. 3A 8.1.2.1). A descriptor that has changed since it was checked is checked again. */
static int claim_task(struct cpu *cpu, struct switching *s)
{
    uint8_t access = s->desc >> 40 & 0xff, seen = access;

    while (!sys_swap_byte(cpu, access_byte(cpu, s->sel), &seen, access | 2)) {
        if (seen == access)
            return 0;
        if (find_tss(cpu, s, EXC_GP))
            return OP_FAULT;
        seen = access = s->desc >> 40 & 0xff;
    }
    return OP_FAULT;
}

/* With the fault that is pending. */
static int give_task_back(struct cpu *cpu, const struct switching *s)
{
    struct pending_exception exc = cpu->exc;

    clear_busy(cpu, s->sel);
    cpu->exc = exc;
    return OP_FAULT;
}

/* Everything up to the point where the new task's context holds; s->desc is checked. */
static int leave_task(struct cpu *cpu, struct switching *s, struct task_state *t)
{
    bool nests = s->cause == BY_CALL || s->cause == BY_INT;

    if (read_state(cpu, s, t) || probe_all(cpu, s))
        return OP_FAULT;
    if (s->cause != BY_IRET && claim_task(cpu, s))
        return OP_FAULT;
    /* another CPU may have run the task meanwhile */
    if (s->cause != BY_IRET && cpu->has_thread && read_state(cpu, s, t))
        return give_task_back(cpu, s);
    s->flags &= s->cause == BY_IRET ? ~EFLAGS_NT : ~0u;
    if (write_state(cpu, s))
        return OP_FAULT;
    bool stays = s->cause == BY_JMP && cpu->tr.sel >> 3 == s->sel >> 3; /* of another GDT */
    if (!nests && !stays && clear_busy(cpu, cpu->tr.sel))
        return OP_FAULT;
    if (nests) {
        if (sys_store(cpu, desc_base(s->desc), 2, cpu->tr.sel))
            return OP_FAULT;
        t->flags |= EFLAGS_NT;
    }
    segment_from_descriptor(&cpu->tr, s->sel, s->desc | 2ull << 40);
    return 0;
}

static int switch_task(struct cpu *cpu, struct switching *s, bool has_error, uint32_t error)
{
    struct task_state t;

    if (leave_task(cpu, s, &t))
        return OP_FAULT;
    if (enter_task(cpu, s, &t))
        return raise_in_new_task(cpu, s);
    if (has_error && push(cpu, layout_of(desc_type(s->desc))->size, error))
        return raise_in_new_task(cpu, s);
    if (t.trap)
        raise_task_trap(cpu);
    return OP_LEAVE;
}

int task_transfer(struct cpu *cpu, uint16_t sel, uint64_t desc, bool call, uint64_t next)
{
    struct switching s = {.cause = call ? BY_CALL : BY_JMP,
                          .sel = sel,
                          .eip = (uint32_t)next,
                          .flags = cpu_eflags(cpu)};

    if (desc_dpl(desc) < cpu->cpl || desc_dpl(desc) < (sel & 3u))
        return raise_gp(cpu, sel & ~3u);
    if (desc_type(desc) == SYS_TASK_GATE) {
        if (!desc_present(desc))
            return raise_error(cpu, EXC_NP, sel & ~3u);
        s.sel = gate_selector(desc);
    }
    return find_tss(cpu, &s, EXC_GP) ? OP_FAULT : switch_task(cpu, &s, false, 0);
}

int task_interrupt(struct cpu *cpu, uint16_t sel, uint32_t eflags, uint32_t ext, bool has_error,
                   uint32_t error)
{
    struct switching s = {
        .cause = BY_INT, .sel = sel, .eip = (uint32_t)cpu->r[R_RIP], .flags = eflags, .ext = ext};

    return find_tss(cpu, &s, EXC_GP) ? OP_FAULT : switch_task(cpu, &s, has_error, error);
}

int task_return(struct cpu *cpu, uint64_t next)
{
    struct switching s = {.cause = BY_IRET, .eip = (uint32_t)next, .flags = cpu_eflags(cpu)};
    uint64_t link;

    if (sys_load(cpu, cpu->tr.base, 2, &link))
        return OP_FAULT;
    s.sel = (uint16_t)link;
    return find_tss(cpu, &s, EXC_TS) ? OP_FAULT : switch_task(cpu, &s, false, 0);
}
