/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter's side: 64-bit code at CPL 3, the linear addresses of diff.h mapped by page
 * tables, one instruction at a time. */
#include "tests/diff/guest.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/ops.h"

enum {
    PHYS_PML4 = 0x1000,
    PHYS_PDPT = 0x2000,
    PHYS_PD = 0x3000,
    PHYS_PT = 0x4000,
    PHYS_CODE = 0x100000,
    PHYS_DATA = 0x200000,
    RAM_SIZE = 4 << 20,
};
#define PTE_P        1u
#define PTE_W        2u
#define PTE_U        4u
#define PTE_NX       (1ull << 63)
#define PTE_ACCESSED (0x60u)
#define MAX_STEPS    40000

/* In RAM, physical addresses are arena offsets. */
static void put64(struct guest *g, uint64_t phys, uint64_t value)
{
    st_le64(g->m.arena.host + phys, value);
}

static void map(struct guest *g, uint64_t lin, uint64_t phys, uint64_t len, uint64_t flags)
{
    for (uint64_t at = 0; at < len; at += 4096)
        put64(g, PHYS_PT + ((lin + at) >> 12 & 511) * 8,
              (phys + at) | PTE_P | PTE_U | PTE_ACCESSED | flags);
}

static void set_segment(struct cpu *cpu, unsigned n, unsigned sel, unsigned attr, uint64_t base)
{
    cpu->seg[n] = (struct segment){.base = base, .sel = (uint16_t)sel, .attr = (uint16_t)attr};
    cpu->seg[n].limit = attr ? 0xffffffff : 0;
}

static void enter_user_mode(struct cpu *cpu)
{
    cpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE;
    cpu->xcr0 = 7;
    cpu->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    cpu->cr3 = PHYS_PML4;
    set_segment(cpu, SEG_CS, DIFF_CS, 0xafb, 0);
    set_segment(cpu, SEG_SS, DIFF_SS, 0xcf3, 0);
    set_segment(cpu, SEG_DS, 0, 0, 0);
    set_segment(cpu, SEG_ES, 0, 0, 0);
    set_segment(cpu, SEG_FS, 0, 0, DIFF_FSBASE);
    set_segment(cpu, SEG_GS, 0, 0, DIFF_GSBASE);
    cpu->cpl = 3;
    cpu->v.halted = false;
    cpu_set_eflags(cpu, EFLAGS_FIXED | EFLAGS_IF);
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
}

bool guest_init(struct guest *g, const struct diff_shared *s, struct error *err)
{
    struct cpu_model model;
    if (!machine_init(&g->m, RAM_SIZE, 0, err) || !cpu_model_parse(&model, "max", err))
        return false;
    machine_lock(&g->m);
    region_init_memory(&g->ram, "ram", RAM_SIZE, 0, 0);
    region_add(&g->m.mem, &g->ram, 0, 0);
    machine_unlock(&g->m);
    g->cpu = cpu_new(&g->m, &model, 0, err);
    if (!g->cpu)
        return false;
    put64(g, PHYS_PML4, PHYS_PDPT | PTE_P | PTE_W | PTE_U);
    put64(g, PHYS_PDPT, PHYS_PD | PTE_P | PTE_W | PTE_U);
    put64(g, PHYS_PD + (DIFF_CODE >> 21 & 511) * 8, PHYS_PT | PTE_P | PTE_W | PTE_U);
    map(g, DIFF_CODE, PHYS_CODE, DIFF_CODE_SIZE, 0);
    map(g, DIFF_DATA, PHYS_DATA, DIFF_RW, PTE_W | PTE_NX);
    map(g, DIFF_DATA + DIFF_RW, PHYS_DATA + DIFF_RW, DIFF_RO, PTE_NX);
    memcpy(g->m.arena.host + PHYS_DATA + DIFF_RW, s->readonly, DIFF_RO);
    memset(g->m.arena.host + PHYS_CODE, 0xcc, DIFF_CODE_SIZE);
    enter_user_mode(g->cpu);
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

static void load_state(struct guest *g, const struct diff_shared *s, const struct diff_case *c)
{
    struct cpu *cpu = g->cpu;
    uint64_t code = PHYS_CODE + (c->slot - DIFF_CODE);
    memcpy(g->m.arena.host + code, c->code, DIFF_SLOT);
    arena_store_notify(&g->m.arena, code, DIFF_SLOT);
    diff_fill_memory(g->m.arena.host + PHYS_DATA, s, c);
    memcpy(cpu->r, c->in.gpr, sizeof(c->in.gpr));
    cpu->r[R_RIP] = c->in.rip;
    cpu->r[R_ZERO] = 0;
    cpu_set_eflags(cpu, (uint32_t)c->in.rflags);
    load_fx(cpu, c->in.fx);
    for (unsigned k = 0; k < 16; k++)
        memcpy(cpu->xmm[k].b + 16, c->in.ymmh[k], 16);
}

/* True if RIP is at an INT3 of the slot, that is, behind the case's instructions. */
static bool at_end(const struct diff_case *c, uint64_t rip)
{
    return rip - c->slot < DIFF_SLOT && c->code[rip - c->slot] == 0xcc;
}

/* The linear address of i's memory operand. What is relative to RIP still lacks i's length. */
static uint64_t operand_linear(const struct cpu *cpu, const struct insn *i)
{
    struct insn at = *i;
    if (i->base == R_RIP)
        at.disp += i->len;
    return insn_ea(cpu, &at) + (i->seg < SEG_NONE ? cpu->seg[i->seg].base : 0);
}

/* An operand in another case's slot, whose bytes change as batches come and go. */
static bool reads_other_slot(const struct cpu *cpu, const struct diff_case *c, const struct insn *i)
{
    bool xlat = op_operation(i->op) == &operations[OPN_xlat];
    if (!(i->flags & INSN_MEM) && !xlat)
        return false;
    uint64_t lin = xlat ? cpu->r[R_RBX] + (uint8_t)cpu->r[R_RAX] : operand_linear(cpu, i);
    return lin - DIFF_CODE < DIFF_CODE_SIZE && (lin < c->slot || lin > c->slot + DIFF_SLOT - 32);
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

/* The instruction at RIP before it runs: flags it makes undefined. False: its result is. */
static bool note_flags(const struct guest *g, const struct diff_case *c, uint32_t *undefined,
                       struct diff_outcome *o)
{
    uint64_t off = g->cpu->r[R_RIP] - c->slot;
    uint32_t un, written;
    struct insn i;
    if (off >= DIFF_SLOT || decode(c->code + off, DIFF_SLOT - off, CODE64, &i) != DECODE_OK)
        return true;
    bool defined = flag_rules(g->cpu, &i, &un, &written);
    *undefined = (*undefined & ~written) | un;
    note_save(g->cpu, &i, o);
    return defined && !reads_other_slot(g->cpu, c, &i);
}

bool guest_run(struct guest *g, const struct diff_shared *s, const struct diff_case *c,
               struct diff_outcome *o, uint32_t *undefined)
{
    struct cpu *cpu = g->cpu;
    struct pending_exception fault = {.vector = DIFF_NO_FAULT};
    bool defined = true;
    load_state(g, s, c);
    *undefined = 0;
    o->nsaved = 0;
    o->lost = true;
    for (unsigned k = 0; k < MAX_STEPS && o->lost; k++) {
        uint32_t before = *undefined;
        if (at_end(c, cpu->r[R_RIP])) {
            o->lost = false;
            break;
        }
        if (cpu->r[R_RIP] - c->slot >= DIFF_SLOT && cpu->r[R_RIP] - DIFF_CODE < DIFF_CODE_SIZE) {
            /* In another case's slot, whose bytes change as batches come and go. */
            defined = false;
            o->lost = false;
            break;
        }
        defined &= note_flags(g, c, undefined, o);
        cpu->v.budget = 1 << 20;
        if (interp_step(cpu, &fault)) {
            *undefined = before;
            o->lost = false;
        }
    }
    memcpy(o->out.gpr, cpu->r, sizeof(o->out.gpr));
    o->out.rip = cpu->r[R_RIP];
    o->out.rflags = cpu_eflags(cpu);
    save_fx(cpu, o->out.fx);
    for (unsigned k = 0; k < 16; k++)
        memcpy(o->out.ymmh[k], cpu->xmm[k].b + 16, 16);
    o->vector = fault.vector;
    o->error = fault.vector != DIFF_NO_FAULT && fault.has_error ? fault.error : 0;
    o->cr2 = fault.cr2;
    memcpy(o->mem, g->m.arena.host + PHYS_DATA, DIFF_RW);
    return defined;
}
