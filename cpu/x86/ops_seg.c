/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions that move segment registers or look at descriptors. */
#include "cpu/x86/ops.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/segment.h"

/* After a load of SS, interrupts and debug traps wait for one instruction (SDM vol. 3A 6.8.3). */
static int loaded(struct cpu *cpu, const struct insn *i, unsigned seg)
{
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    if (seg == SEG_SS)
        cpu->shadow = cpu->shadow_ss = true;
    return OP_LEAVE;
}

static int mov_to_seg(struct cpu *cpu, const struct insn *i, uint16_t sel)
{
    if (i->reg == SEG_CS || i->reg > SEG_GS)
        return raise_ud(cpu);
    if (segment_load(cpu, i->reg, sel))
        return OP_FAULT;
    return loaded(cpu, i, i->reg);
}

int op_mov_to_seg_r(struct cpu *cpu, const struct insn *i)
{
    return mov_to_seg(cpu, i, (uint16_t)cpu->r[i->rm]);
}

int op_mov_to_seg_m(struct cpu *cpu, const struct insn *i)
{
    uint16_t sel;

    if (i->reg == SEG_CS || i->reg > SEG_GS)
        return raise_ud(cpu);
    if (mem_load16(cpu, i, &sel))
        return OP_FAULT;
    return mov_to_seg(cpu, i, sel);
}

int op_mov_from_seg_r(struct cpu *cpu, const struct insn *i)
{
    if (i->reg > SEG_GS)
        return raise_ud(cpu);
    set_reg(cpu, i->rm, insn_osize(i), cpu->seg[i->reg].sel);
    return OP_OK;
}

int op_mov_from_seg_m(struct cpu *cpu, const struct insn *i)
{
    if (i->reg > SEG_GS)
        return raise_ud(cpu);
    return mem_store16(cpu, i, cpu->seg[i->reg].sel);
}

int op_push_seg_x(struct cpu *cpu, const struct insn *i)
{
    return push(cpu, insn_osize(i), cpu->seg[i->reg].sel);
}

int op_pop_seg_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t sel, rsp = cpu->r[R_RSP];

    if (stack_peek(cpu, 0, insn_osize(i), &sel))
        return OP_FAULT;
    /* The pointer moves with the old stack size: before SS changes. */
    set_stack_pointer(cpu, stack_pointer(cpu) + insn_osize(i));
    if (segment_load(cpu, i->reg, (uint16_t)sel)) {
        cpu->r[R_RSP] = rsp;
        return OP_FAULT;
    }
    return loaded(cpu, i, i->reg);
}

int load_far_operand(struct cpu *cpu, const struct insn *i, uint64_t *off, uint16_t *sel)
{
    uint64_t lin;
    unsigned size = insn_osize(i);

    *off = 0;
    if (insn_linear(cpu, i, size + 2, ACCESS_LOAD, &lin))
        return OP_FAULT;
    return mem_load_slow(cpu, lin, size, off) ||
                   mem_load_slow(cpu, cut_address(cpu, lin + size), 2, sel)
               ? OP_FAULT
               : 0;
}

/* LES and the like: offset, then selector behind it. */
static int load_far_pointer(struct cpu *cpu, const struct insn *i, unsigned seg)
{
    uint64_t off;
    uint16_t sel;
    unsigned size = insn_osize(i);

    if (load_far_operand(cpu, i, &off, &sel) || segment_load(cpu, seg, sel))
        return OP_FAULT;
    uint64_t next = insn_next_rip(cpu, i);
    set_reg(cpu, i->reg, size, off);
    cpu->r[R_RIP] = next;
    return OP_LEAVE;
}

int op_les_x(struct cpu *cpu, const struct insn *i)
{
    return load_far_pointer(cpu, i, SEG_ES);
}

int op_lds_x(struct cpu *cpu, const struct insn *i)
{
    return load_far_pointer(cpu, i, SEG_DS);
}

int op_lss_x(struct cpu *cpu, const struct insn *i)
{
    return load_far_pointer(cpu, i, SEG_SS);
}

int op_lfs_x(struct cpu *cpu, const struct insn *i)
{
    return load_far_pointer(cpu, i, SEG_FS);
}

int op_lgs_x(struct cpu *cpu, const struct insn *i)
{
    return load_far_pointer(cpu, i, SEG_GS);
}

/* ---- instructions that ask about a selector ---- */

static void set_zf(struct cpu *cpu, bool zf)
{
    uint32_t f = flags_image(cpu) & ~EFLAGS_ZF;

    flags_set_image(cpu, f | (zf ? EFLAGS_ZF : 0));
}

/* 16-bit source operand of the register or memory form. */
static int source16(struct cpu *cpu, const struct insn *i, bool mem, uint16_t *v)
{
    if (mem)
        return mem_load16(cpu, i, v);
    *v = (uint16_t)cpu->r[i->rm];
    return 0;
}

/* Reads the descriptor without complaint: *ok tells whether there is one. A page fault stays one.
 */
static int query_desc(struct cpu *cpu, uint16_t sel, uint64_t *desc, bool *ok)
{
    *ok = false;
    if (selector_is_null(sel))
        return 0;
    if (!desc_load(cpu, sel, desc, EXC_GP)) {
        *ok = true;
        return 0;
    }
    return cpu->exc.vector == EXC_GP ? 0 : OP_FAULT;
}

/* Visible at this CPL and RPL; conforming code always is. */
static bool visible(const struct cpu *cpu, uint16_t sel, uint64_t desc)
{
    return desc_is_conforming(desc) || (cpu->cpl <= desc_dpl(desc) && (sel & 3u) <= desc_dpl(desc));
}

/* System types that LAR (bit set) and LSL know (SDM vol. 2A, LAR and LSL tables). */
#define LAR_TYPES      0x1a3e /* TSS16, LDT, busy TSS16, call16, task gate, TSS, busy TSS, call */
#define LAR_TYPES_LONG 0x1a04 /* LDT, TSS, busy TSS, call gate */
#define LSL_TYPES      0x0a0e
#define LSL_TYPES_LONG 0x0a04

static int lar_lsl(struct cpu *cpu, const struct insn *i, bool mem, bool lsl)
{
    uint16_t sel;
    uint64_t desc = 0;
    bool ok;

    if (cpu->real_or_v86)
        return raise_ud(cpu);
    if (source16(cpu, i, mem, &sel) || query_desc(cpu, sel, &desc, &ok))
        return OP_FAULT;
    if (ok && desc_is_system(desc)) {
        unsigned types = lsl ? (cpu->long_mode ? LSL_TYPES_LONG : LSL_TYPES)
                             : (cpu->long_mode ? LAR_TYPES_LONG : LAR_TYPES);
        ok = types >> desc_type(desc) & 1;
    }
    ok = ok && visible(cpu, sel, desc);
    if (ok)
        set_reg(cpu, i->reg, insn_osize(i), lsl ? desc_limit(desc) : desc >> 32 & 0xffff00);
    set_zf(cpu, ok);
    return OP_OK;
}

int op_lar_r(struct cpu *cpu, const struct insn *i)
{
    return lar_lsl(cpu, i, false, false);
}

int op_lar_m(struct cpu *cpu, const struct insn *i)
{
    return lar_lsl(cpu, i, true, false);
}

int op_lsl_r(struct cpu *cpu, const struct insn *i)
{
    return lar_lsl(cpu, i, false, true);
}

int op_lsl_m(struct cpu *cpu, const struct insn *i)
{
    return lar_lsl(cpu, i, true, true);
}

static int verify(struct cpu *cpu, const struct insn *i, bool mem, bool write)
{
    uint16_t sel;
    uint64_t desc = 0;
    bool ok;

    if (cpu->real_or_v86)
        return raise_ud(cpu);
    if (source16(cpu, i, mem, &sel) || query_desc(cpu, sel, &desc, &ok))
        return OP_FAULT;
    bool allows = write ? desc_is_writable_data(desc) : !desc_is_code(desc) || desc >> 41 & 1;
    set_zf(cpu, ok && !desc_is_system(desc) && allows && visible(cpu, sel, desc));
    return OP_OK;
}

int op_verr_r(struct cpu *cpu, const struct insn *i)
{
    return verify(cpu, i, false, false);
}

int op_verr_m(struct cpu *cpu, const struct insn *i)
{
    return verify(cpu, i, true, false);
}

int op_verw_r(struct cpu *cpu, const struct insn *i)
{
    return verify(cpu, i, false, true);
}

int op_verw_m(struct cpu *cpu, const struct insn *i)
{
    return verify(cpu, i, true, true);
}

/* ARPL: raises the destination's RPL to the source's (SDM vol. 2A). True: it did. */
static bool arpl(struct cpu *cpu, uint16_t *dst, uint16_t src)
{
    bool lower = (*dst & 3) < (src & 3);

    set_zf(cpu, lower);
    if (lower)
        *dst = (uint16_t)((*dst & ~3u) | (src & 3u));
    return lower;
}

int op_arpl_r(struct cpu *cpu, const struct insn *i)
{
    if (cpu->real_or_v86)
        return raise_ud(cpu);
    uint16_t dst = (uint16_t)cpu->r[i->rm];
    arpl(cpu, &dst, (uint16_t)cpu->r[i->reg]);
    set_reg(cpu, i->rm, 2, dst);
    return OP_OK;
}

/* It stores only what it changed. */
int op_arpl_m(struct cpu *cpu, const struct insn *i)
{
    uint16_t dst;

    if (cpu->real_or_v86)
        return raise_ud(cpu);
    if (mem_load16(cpu, i, &dst))
        return OP_FAULT;
    if ((dst & 3) < (cpu->r[i->reg] & 3)) {
        void *p = mem_rmw(cpu, i, 2);
        if (!p)
            return OP_FAULT;
        arpl(cpu, &dst, (uint16_t)cpu->r[i->reg]);
        st_le16(p, dst);
        mem_rmw_end(cpu, p);
        return OP_OK;
    }
    set_zf(cpu, false);
    return OP_OK;
}
