/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter's side: code at CPL 3, the linear addresses of diff.h mapped by page
 * tables, one instruction at a time. */
#include "tests/diff/guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/segment.h"

#define SUP_ENTRY 0xffff900000000000ull /* vector n "runs" at + 16 * n: never fetched */
#define MAX_STEPS 40000

/* In RAM, physical addresses are arena offsets. */
static void put64(struct guest *g, uint64_t phys, uint64_t value)
{
    st_le64(g->m.arena.host + phys, value);
}

void guest_map(struct guest *g, uint64_t lin, uint64_t phys, uint64_t len, uint64_t flags)
{
    for (uint64_t at = 0; at < len; at += 4096)
        put64(g, PHYS_PT + ((lin + at) >> 12 & 511) * 8, (phys + at) | PTE_P | PTE_U | flags);
}

static uint8_t *system_bytes(const struct guest *g, unsigned off)
{
    return g->m.arena.host + PHYS_SYS + off;
}

/* An interrupt gate of a DPL. */
static void set_gate(struct guest *g, unsigned vector, uint64_t at, unsigned dpl)
{
    uint8_t *gate = system_bytes(g, SUP_IDT + 16 * vector);
    uint64_t access = 0x8e | dpl << 5;
    st_le64(gate, (at & 0xffff) | SUP_CS << 16 | access << 40 | (at & 0xffff0000) << 32);
    st_le64(gate + 8, at >> 32);
}

/* GDT and LDT as on the host; an IDT in which INT3 and INTO have gates that programs may use, as
 * Linux has; the TSS that they need. */
static void set_tables(struct guest *g)
{
    struct cpu *cpu = g->cpu;
    for (unsigned n = 0; n < DIFF_GDT_ENTRIES; n++)
        st_le64(system_bytes(g, SUP_GDT + 8 * n), diff_gdt[n]);
    for (unsigned n = 0; n < DIFF_LDT_ENTRIES; n++)
        st_le64(system_bytes(g, SUP_LDT + 8 * n), diff_ldt_descriptor(n));
    st_le64(system_bytes(g, SUP_TSS + 4), SUP_LIN + SUP_STACK);
    st_le16(system_bytes(g, SUP_TSS + 102), 0x68); /* no I/O permission bitmap */
    set_gate(g, EXC_BP, SUP_ENTRY + 16 * EXC_BP, 3);
    set_gate(g, EXC_OF, SUP_ENTRY + 16 * EXC_OF, 3);
    cpu->gdtr = (struct table_register){SUP_LIN + SUP_GDT, 8 * DIFF_GDT_ENTRIES - 1};
    cpu->idtr = (struct table_register){SUP_LIN + SUP_IDT, 0xfff};
    cpu->ldtr = (struct segment){.base = SUP_LIN + SUP_LDT, .sel = 0x50, .attr = 0x82};
    cpu->ldtr.limit = 8 * DIFF_LDT_ENTRIES - 1;
    cpu->tr = (struct segment){.base = SUP_LIN + SUP_TSS, .sel = 0x40, .attr = 0x8b, .limit = 0x67};
}

void guest_catch(struct guest *g)
{
    uint64_t at = SUP_LIN + SUP_HALT;
    for (unsigned n = 0; n < 256; n++)
        set_gate(g, n, at + 16 * n, n == EXC_BP || n == EXC_OF ? 3 : 0);
    memset(system_bytes(g, SUP_HALT), 0xf4, 4096);
    g->cpu->cr4 |= CR4_TSD;
    g->cpu->model.has[F_rdrand] = false;
    g->cpu->model.has[F_rdseed] = false;
    g->cpu->star = (uint64_t)SUP_CS << 32;
    g->cpu->lstar = g->cpu->cstar = at;
    g->cpu->sysenter_cs = SUP_CS;
    g->cpu->sysenter_eip = at;
    g->cpu->sysenter_esp = SUP_LIN + SUP_STACK;
}

static void enter_user_mode(struct guest *g)
{
    struct cpu *cpu = g->cpu;
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE;
    cpu->xcr0 = 7;
    cpu->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    cpu->cr3 = PHYS_PML4;
    cpu->cpl = 3;
    cpu->v.halted = false;
    tlb_flush_all(cpu);
}

static void map_all(struct guest *g)
{
    put64(g, PHYS_PML4, PHYS_PDPT | PTE_P | PTE_W | PTE_U);
    put64(g, PHYS_PDPT, PHYS_PD | PTE_P | PTE_W | PTE_U);
    put64(g, PHYS_PD + (DIFF_CODE >> 21 & 511) * 8, PHYS_PT | PTE_P | PTE_W | PTE_U);
    guest_map(g, DIFF_CODE, PHYS_CODE, DIFF_CODE_RX, PTE_AD);
    guest_map(g, DIFF_CODE + DIFF_CODE_RX, PHYS_CODE + DIFF_CODE_RX, DIFF_CODE_SIZE - DIFF_CODE_RX,
              PTE_W | PTE_AD);
    guest_map(g, DIFF_DATA, PHYS_DATA, DIFF_RW, PTE_W | PTE_NX | PTE_AD);
    guest_map(g, DIFF_DATA + DIFF_RW, PHYS_DATA + DIFF_RW, DIFF_RO, PTE_NX | PTE_AD);
    put64(g, PHYS_PML4 + (SUP_LIN >> 39 & 511) * 8, PHYS_SYS_PDPT | PTE_P | PTE_W);
    put64(g, PHYS_SYS_PDPT, PHYS_SYS_PD | PTE_P | PTE_W);
    put64(g, PHYS_SYS_PD, PHYS_SYS_PT | PTE_P | PTE_W);
    for (unsigned at = 0; at < SUP_SIZE; at += 4096)
        put64(g, PHYS_SYS_PT + at / 512, (PHYS_SYS + at) | PTE_P | PTE_W | PTE_AD);
}

bool guest_init(struct guest *g, const struct diff_shared *s, struct error *err)
{
    struct cpu_model model;
    if (!machine_init(&g->m, GUEST_RAM, 0, err) || !cpu_model_parse(&model, "max", err))
        return false;
    machine_lock(&g->m);
    region_init_memory(&g->ram, "ram", GUEST_RAM, 0, 0);
    region_add(&g->m.mem, &g->ram, 0, 0);
    machine_unlock(&g->m);
    g->cpu = cpu_new(&g->m, &model, 0, err);
    if (!g->cpu)
        return false;
    map_all(g);
    memcpy(g->m.arena.host + PHYS_DATA + DIFF_RW, s->readonly, DIFF_RO);
    memset(g->m.arena.host + PHYS_CODE, 0xcc, DIFF_CODE_SIZE);
    set_tables(g);
    enter_user_mode(g);
    return true;
}

void guest_destroy(struct guest *g)
{
    machine_destroy(&g->m);
}

/* FXSAVE image to and from the processor. */
static void load_fx(struct cpu *cpu, const uint8_t *fx)
{
    unsigned top;
    cpu->fcw = ld_le16(fx);
    cpu->fsw = ld_le16(fx + 2);
    cpu->ftw = fx[4];
    cpu->fop = 0;
    cpu->fip = cpu->fdp = 0;
    cpu->fcs = cpu->fds = 0;
    cpu->mxcsr = ld_le32(fx + 24);
    top = cpu->fsw >> 11 & 7;
    for (unsigned k = 0; k < 8; k++) {
        struct x87_reg *reg = &cpu->fpr[(top + k) & 7];
        reg->mant = ld_le64(fx + 32 + 16 * k);
        reg->sexp = ld_le16(fx + 40 + 16 * k);
    }
    for (unsigned k = 0; k < 16; k++)
        memcpy(&cpu->xmm[k], fx + 160 + 16 * k, 16);
}

static void save_fx(const struct cpu *cpu, uint8_t *fx)
{
    unsigned top = cpu->fsw >> 11 & 7;
    memset(fx, 0, 512);
    st_le16(fx, cpu->fcw);
    st_le16(fx + 2, cpu->fsw);
    fx[4] = cpu->ftw;
    st_le32(fx + 24, cpu->mxcsr);
    for (unsigned k = 0; k < 8; k++) {
        const struct x87_reg *reg = &cpu->fpr[(top + k) & 7];
        st_le64(fx + 32 + 16 * k, reg->mant);
        st_le16(fx + 40 + 16 * k, reg->sexp);
    }
    for (unsigned k = 0; k < 16; k++)
        memcpy(fx + 160 + 16 * k, &cpu->xmm[k], 16);
}

static void load_segments(struct cpu *cpu, const struct diff_case *c)
{
    for (unsigned n = SEG_ES; n <= SEG_GS; n++) {
        uint16_t sel = c->in.sel[n];
        if (selector_is_null(sel))
            segment_set_null(&cpu->seg[n], sel);
        else
            segment_from_descriptor(&cpu->seg[n], sel, diff_descriptor(sel));
    }
    if (c->mode == DIFF_64) {
        cpu->seg[SEG_FS].base = DIFF_FSBASE;
        cpu->seg[SEG_GS].base = DIFF_GSBASE;
    }
}

void guest_load(struct guest *g, const struct diff_shared *s, const struct diff_case *c)
{
    struct cpu *cpu = g->cpu;
    diff_fill_code(g->m.arena.host + PHYS_CODE, g->last, c);
    arena_store_notify(&g->m.arena, PHYS_CODE, DIFF_CODE_SIZE);
    g->last = c->slot;
    diff_fill_memory(g->m.arena.host + PHYS_DATA, s, c);
    memcpy(cpu->r, c->in.gpr, sizeof(c->in.gpr));
    cpu->r[R_RIP] = c->in.rip;
    cpu->r[R_ZERO] = 0;
    cpu->shadow = cpu->shadow_ss = false;
    load_segments(cpu, c);
    cpu_set_eflags(cpu, (uint32_t)c->in.rflags);
    cpu_mode_changed(cpu);
    load_fx(cpu, c->in.fx);
    for (unsigned k = 0; k < 16; k++)
        memcpy(cpu->xmm[k].b + 16, c->in.ymmh[k], 16);
}

/* Where RIP is in the code pages; beyond them if it is elsewhere. */
static uint64_t code_offset(const struct cpu *cpu)
{
    uint64_t rip = cpu->r[R_RIP];
    if (cpu->code_mode != CODE64)
        rip = (uint32_t)(rip + cpu->seg[SEG_CS].base);
    return rip - DIFF_CODE < DIFF_CODE_SIZE ? rip - DIFF_CODE : DIFF_CODE_SIZE;
}

/* True if RIP is at an INT3, that is, behind the case's instructions. */
static bool at_end(const struct guest *g)
{
    uint64_t at = code_offset(g->cpu);
    bool within = g->cpu->code_mode == CODE64 || g->cpu->r[R_RIP] <= g->cpu->seg[SEG_CS].limit;
    return at < DIFF_CODE_SIZE && within && g->m.arena.host[PHYS_CODE + at] == 0xcc;
}

/* The linear address of i's memory operand. What is relative to RIP still lacks i's length. */
static uint64_t operand_linear(const struct cpu *cpu, const struct insn *i)
{
    struct insn at = *i;
    if (i->base == R_RIP)
        at.disp += i->len;
    uint64_t lin = insn_ea(cpu, &at) + (i->seg < SEG_NONE ? cpu->ea_base[i->seg] : 0);
    return cut_address(cpu, lin);
}

/* x87 pointers and FOP in an image that is about to be saved; FXSAVE's MXCSR_MASK. */
static void note_save(const struct cpu *cpu, const struct insn *i, struct diff_outcome *o)
{
    size_t op = (size_t)(op_operation(i->op) - operations);
    if ((op != OPN_fxsave && op != OPN_fnsave && op != OPN_fnstenv) || o->nsaved == DIFF_INSNS)
        return;
    uint64_t lin = operand_linear(cpu, i);
    unsigned field = insn_osize(i) == 2 ? 2 : 4, n = o->nsaved++;
    bool wide = op == OPN_fxsave;
    o->blind[n][0].lin = lin + (wide ? 6 : 3 * field);
    o->blind[n][0].len = wide ? 18 : 4 * field;
    o->blind[n][1].lin = lin + 28;
    o->blind[n][1].len = wide ? 4 : 0;
}

static bool near_range(uint64_t at, uint64_t lin, unsigned before, unsigned behind)
{
    return at - lin + before < (uint64_t)before + behind;
}

/* Could i read what a save before it left in memory that is not compared? */
static bool reads_blind(const struct cpu *cpu, const struct insn *i, const struct diff_outcome *o)
{
    bool string = op_operation(i->op)->props & P_REP;
    uint64_t sp = cpu->ea_base[SEG_SS] + stack_pointer(cpu);
    for (unsigned k = 0; k < 2 * o->nsaved; k++) {
        uint64_t lin = o->blind[k / 2][k % 2].lin;
        unsigned len = o->blind[k / 2][k % 2].len;
        if (i->flags & INSN_MEM && near_range(operand_linear(cpu, i), lin, 512, len))
            return true;
        if (string && (near_range(cpu->r[R_RSI], (uint32_t)lin, 32768, 32768) ||
                       near_range(cpu->r[R_RDI], (uint32_t)lin, 32768, 32768)))
            return true;
        if (near_range(sp, lin, 256, len + 256))
            return true;
    }
    return false;
}

/* REP INS and OUTS without an iteration: whether they ask for permission (SDM vol. 2A, INS, has the
 * check outside of what REP repeats). MASKMOVQ and MASKMOVDQU that store no byte: whether they
 * fault is "implementation dependent" (SDM vol. 2B). LSL of the processor's number. */
static bool left_open(const struct cpu *cpu, const struct insn *i)
{
    unsigned name = (unsigned)(op_operation(i->op) - operations);
    const uint64_t signs = 0x8080808080808080, *mask = cpu->xmm[i->rm & 15].q;
    if (name == OPN_ins || name == OPN_outs)
        return i->flags & (INSN_REP | INSN_REPNE) &&
               !(cpu->r[R_RCX] & (~0ull >> (64 - 8 * insn_asize(i))));
    if (name == OPN_lsl) /* see diff_gdt */
        return (cpu->r[i->rm & 15] & 0xfffc) == 0x78;
    if (name == OPN_maskmovq)
        return !(cpu->fpr[i->rm & 7].mant & signs);
    return (name == OPN_maskmovdqu || name == OPN_vmaskmovdqu) && !((mask[0] | mask[1]) & signs);
}

/* Accesses of a segment with a limit of 4 GiB - 1 that go over its end: "may or may not cause the
 * indicated exceptions" (SDM vol. 3A 5.3). */
static bool wraps(const struct cpu *cpu, const struct insn *i)
{
    const uint64_t end = 0xffffffff;
    unsigned name = (unsigned)(op_operation(i->op) - operations);
    bool image = name == OPN_fxsave || name == OPN_fxrstor || name == OPN_fnsave ||
                 name == OPN_frstor || name == OPN_fnstenv || name == OPN_fldenv;
    if (cpu->code_mode == CODE64)
        return false;
    if (i->flags & INSN_MEM && i->seg < SEG_NONE && cpu->seg[i->seg].limit == end &&
        insn_ea(cpu, i) > end - (image ? 511 : 31))
        return true;
    if (op_operation(i->op)->props & P_REP || name == OPN_maskmovdqu || name == OPN_vmaskmovdqu ||
        name == OPN_maskmovq)
        return (uint32_t)(cpu->r[R_RSI] + 31) < 31 || (uint32_t)(cpu->r[R_RDI] + 31) < 31;
    uint64_t sp = name == OPN_leave || name == OPN_enter ? cpu->r[R_RBP] : cpu->r[R_RSP];
    return cpu->seg[SEG_SS].limit == end && (uint32_t)(sp + 64) < 128;
}

/* The instruction at RIP before it runs: flags it makes undefined. False: its result is. */
static bool note_flags(const struct guest *g, const struct diff_case *c, uint32_t *undefined,
                       struct diff_outcome *o)
{
    uint64_t at = code_offset(g->cpu);
    uint32_t un, written;
    struct insn i;
    o->operand = 0;
    if (decode(g->m.arena.host + PHYS_CODE + at, DIFF_CODE_SIZE - at,
               (enum code_mode)g->cpu->code_mode, &i) != DECODE_OK) {
        o->last_operation = OPN_unimplemented;
        for (unsigned k = 0; k < c->ninsns; k++)
            if (c->slot + c->insns[k].off == DIFF_CODE + at)
                o->last_operation = encodings[c->insns[k].row].operation;
        return true;
    }
    bool defined = flag_rules(g->cpu, &i, &un, &written);
    *undefined = (*undefined & ~written) | un;
    defined &= !reads_blind(g->cpu, &i, o) && !wraps(g->cpu, &i) && !left_open(g->cpu, &i);
    note_save(g->cpu, &i, o);
    o->last_operation = (uint16_t)(op_operation(i.op) - operations);
    o->stack = cut_address(g->cpu, g->cpu->ea_base[SEG_SS] + stack_pointer(g->cpu));
    if (i.flags & INSN_MEM)
        o->operand = operand_linear(g->cpu, &i);
    return defined;
}

/* A trap through one of the IDT's gates was delivered: back to where it came from, as a signal's
 * frame shows it. */
static void undo_delivery(struct guest *g, struct pending_exception *fault)
{
    struct cpu *cpu = g->cpu;
    const uint8_t *frame = system_bytes(g, (unsigned)(cpu->r[R_RSP] - SUP_LIN));
    unsigned vector = cpu->r[R_RIP] >> 4 & 255;
    *fault = (struct pending_exception){.vector = (uint8_t)vector};
    cpu->r[R_RIP] = ld_le64(frame);
    if (vector == EXC_BP) { /* as an INT3 that ends the case */
        fault->vector = DIFF_NO_FAULT;
        cpu->r[R_RIP]--;
    }
    segment_from_descriptor(&cpu->seg[SEG_CS], ld_le16(frame + 8),
                            diff_descriptor(ld_le16(frame + 8)));
    cpu_set_eflags(cpu, ld_le32(frame + 16));
    cpu->r[R_RSP] = ld_le64(frame + 24);
    segment_from_descriptor(&cpu->seg[SEG_SS], ld_le16(frame + 32),
                            diff_descriptor(ld_le16(frame + 32)));
    cpu->cpl = 3;
    cpu_mode_changed(cpu);
}

/* Runs until the case ends. False: some result is undefined. */
static bool run_case(struct guest *g, const struct diff_case *c, struct diff_outcome *o,
                     uint32_t *undefined, struct pending_exception *fault)
{
    bool defined = true;
    for (unsigned k = 0; k < MAX_STEPS; k++) {
        uint32_t before = *undefined;
        o->lost = false;
        if (at_end(g))
            return defined;
        defined &= note_flags(g, c, undefined, o);
        g->cpu->v.budget = 1 << 20;
        if (interp_step(g->cpu, fault)) {
            if (fault->vector != EXC_DB)
                *undefined = before;
            return defined;
        }
        if (g->cpu->cpl != 3) {
            undo_delivery(g, fault);
            return defined;
        }
    }
    o->lost = true;
    return defined;
}

static void save_state(const struct guest *g, const struct diff_case *c, struct diff_outcome *o)
{
    const struct cpu *cpu = g->cpu;
    memcpy(o->out.gpr, cpu->r, sizeof(o->out.gpr));
    o->out.rip = cpu->r[R_RIP];
    o->out.rflags = cpu_eflags(cpu);
    for (unsigned n = 0; n < 6; n++)
        o->out.sel[n] = cpu->seg[n].sel;
    save_fx(cpu, o->out.fx);
    for (unsigned k = 0; k < 16; k++)
        memcpy(o->out.ymmh[k], cpu->xmm[k].b + 16, 16);
    memcpy(o->mem, g->m.arena.host + PHYS_DATA, DIFF_RW);
    if (diff_writable_slot(c->slot))
        memcpy(o->code, g->m.arena.host + PHYS_CODE + DIFF_CODE_RX, sizeof(o->code));
}

bool guest_run(struct guest *g, const struct diff_shared *s, const struct diff_case *c,
               struct diff_outcome *o, uint32_t *undefined)
{
    struct pending_exception fault = {.vector = DIFF_NO_FAULT};
    guest_load(g, s, c);
    *undefined = 0;
    o->nsaved = 0;
    bool defined = run_case(g, c, o, undefined, &fault);
    save_state(g, c, o);
    o->vector = fault.vector;
    o->error = fault.vector != DIFF_NO_FAULT && fault.has_error ? fault.error : 0;
    o->cr2 = fault.cr2;
    return defined;
}
