/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, memory and displacements that suit an instruction. */
#include <string.h>

#include "tests/diff/gen_parts.h"

static void add_patch(struct diff_case *c, uint64_t addr, uint64_t value, unsigned len)
{
    uint64_t off = addr - DIFF_DATA;
    if (off > DIFF_RW - len || c->npatches == 6)
        return;
    struct diff_patch *p = &c->patches[c->npatches++];
    p->off = (uint16_t)off;
    p->len = (uint16_t)len;
    st_le64(p->bytes, value);
}

static uint64_t segment_base(const struct diff_case *c, const struct insn *i)
{
    return i->flags & INSN_MEM ? segment_base_of(c, i->seg) : 0;
}

/* A linear address for an operand in a segment: in the data pages, or near the limit. */
static uint64_t operand_address(struct assembly *a, unsigned seg)
{
    const struct diff_case *c = a->c;
    if (c->mode == DIFF_64 || seg >= SEG_NONE || !one_in(a->r, 6))
        return data_address(a->r);
    uint16_t sel = c->in.sel[seg];
    if (selector_limit(sel) == UINT32_MAX && !one_in(a->r, 64))
        return data_address(a->r);
    return (uint32_t)(selector_base(sel) + selector_limit(sel) - 18 + below(a->r, 24));
}

static uint64_t asize_mask(const struct insn *i)
{
    return ~0ull >> (64 - 8 * insn_asize(i));
}

/* A register's part that counts in an address becomes v. */
static void set_address(struct diff_case *c, const struct insn *i, unsigned n, uint64_t v)
{
    uint64_t mask = asize_mask(i), keep = insn_asize(i) == 2 ? c->in.gpr[n] & ~mask : 0;
    c->in.gpr[n] = keep | (v & mask);
}

/* Solves base + (index << scale) + disp = want for the registers, or patches the displacement.
 * Returns the linear address that came out. */
static uint64_t aim(struct assembly *a, const struct builder *b, const struct insn *i,
                    uint64_t target)
{
    struct diff_case *c = a->c;
    uint64_t *gpr = c->in.gpr, want = target - segment_base(c, i);
    uint8_t *disp = c->code + a->at + b->disp_at;
    if (i->base == R_RIP) {
        st_le32(disp, (uint32_t)(want - (c->slot + a->at + i->len)));
        return target;
    }
    uint64_t d = b->disp_size == 4   ? (uint64_t)(int32_t)ld_le32(disp)
                 : b->disp_size == 2 ? (uint64_t)(int16_t)ld_le16(disp)
                 : b->disp_size == 1 ? (uint64_t)(int8_t)*disp
                                     : 0;
    if (i->base == R_ZERO && i->index == R_ZERO) {
        if (b->disp_size == 4)
            st_le32(disp, (uint32_t)want);
        else if (b->disp_size == 2)
            st_le16(disp, (uint16_t)want);
        return target;
    }
    if (i->base == R_ZERO) {
        set_address(c, i, i->index, (want - d) >> i->scale);
        return target - ((want - d) & ((1u << i->scale) - 1));
    }
    if (i->index == R_ZERO) {
        set_address(c, i, i->base, want - d);
        return target;
    }
    if (i->base == i->index) {
        set_address(c, i, i->base, (want - d) / (1 + (1u << i->scale)));
        return target - (want - d) % (1 + (1u << i->scale));
    }
    if (!one_in(a->r, 3))
        gpr[i->index] = (uint64_t)(int64_t)(int16_t)rng_next(a->r);
    set_address(c, i, i->base, want - d - (gpr[i->index] << i->scale));
    return target;
}

/* An address behind the code, filled with INT3; for engines, now and then a loop. */
static uint64_t sled_address(struct assembly *a, unsigned len)
{
    unsigned end = a->at + len;
    if (a->engines && one_in(a->r, 6))
        return a->c->slot + a->c->code_off;
    return a->c->slot + end + below(a->r, DIFF_SLOT - 2 - end);
}

static uint64_t stack_top(const struct diff_case *c)
{
    uint64_t sp = c->in.gpr[R_RSP];
    if (c->mode == DIFF_64)
        return sp;
    return segment_base_of(c, SEG_SS) + (diff_is_big(c->in.sel[SEG_SS]) ? sp : sp & 0xffff);
}

static void suit_branch(struct assembly *a, const struct builder *b, const struct insn *i,
                        const struct encoding *e, uint64_t mem)
{
    struct diff_case *c = a->c;
    uint64_t target = sled_address(a, i->len) - c->base;
    unsigned am = method_of(e->opnd[0]), size = insn_osize(i);
    if (am == AM_J) {
        uint64_t rel = target - (c->slot - c->base + a->at + i->len);
        uint8_t *imm = c->code + a->at + b->imm_at;
        if (i->len - b->imm_at == 1)
            *imm = (uint8_t)(a->engines ? rel : rel & 0x7f);
        else if (i->len - b->imm_at == 2)
            st_le16(imm, (uint16_t)rel);
        else
            st_le32(imm, (uint32_t)rel);
    } else if (e->operation == OPN_ret) {
        add_patch(c, stack_top(c), target, size);
    } else if (e->operation == OPN_jmp_ind || e->operation == OPN_call_ind) {
        if (i->flags & INSN_MEM)
            add_patch(c, mem, target, size);
        else
            c->in.gpr[i->reg & 15] = target;
    }
}

/* A far pointer that leads behind the code, most often. */
static uint64_t far_target(struct assembly *a, const struct insn *i, uint16_t *sel)
{
    const struct diff_case *c = a->c;
    *sel = random_code_selector(a->r, a->ldt);
    /* In 64-bit code the upper half of RSP counts, where espfix64 leaves the kernel's stack, and
     * the base of SS does not: AMD's processors push when they are there, Intel's before (SDM vol.
     * 2A, CALL). */
    if (c->mode != DIFF_64 && c->in.sel[SEG_SS] != DIFF_SS && (*sel & ~3) == (DIFF_CS & ~3))
        *sel = DIFF_CS32;
    uint64_t target = sled_address(a, i->len);
    return one_in(a->r, 24) ? any_value(a->r) : target - selector_base(*sel);
}

/* The frame of RETF and IRET. */
static void suit_far_return(struct assembly *a, const struct insn *i, bool iret)
{
    struct diff_case *c = a->c;
    unsigned size = insn_osize(i);
    uint64_t top = stack_top(c);
    uint16_t sel;
    uint64_t off = far_target(a, i, &sel);
    add_patch(c, top, off, size);
    add_patch(c, top + size, sel, size);
    if (!iret)
        return;
    uint64_t flags = 0x202 | (rng_next(a->r) & (one_in(a->r, 4) ? 0x247fd5 : 0xcd5));
    add_patch(c, top + 2 * size, flags, size);
    if (c->mode == DIFF_64) {
        add_patch(c, top + 3 * size, stack_address(a->r), size);
        add_patch(c, top + 4 * size, one_in(a->r, 4) ? random_selector(a->r, a->ldt) : DIFF_SS,
                  size);
    }
}

/* Selectors where instructions look for them. */
static void suit_selector(struct assembly *a, const struct builder *b, const struct insn *i,
                          const struct encoding *e, uint64_t mem)
{
    struct diff_case *c = a->c;
    unsigned name = e->operation, size = insn_osize(i);
    uint16_t sel = random_selector(a->r, a->ldt);
    if (name == OPN_pop_seg) {
        add_patch(c, stack_top(c), sel, 2);
    } else if (name == OPN_mov_to_seg || name == OPN_lar || name == OPN_lsl || name == OPN_verr ||
               name == OPN_verw || name == OPN_arpl) {
        if (i->flags & INSN_MEM)
            add_patch(c, mem, sel, 2);
        else
            c->in.gpr[i->rm & 15] = sel | (c->in.gpr[i->rm & 15] & ~0xffffull);
    } else if (name == OPN_les || name == OPN_lds || name == OPN_lss || name == OPN_lfs ||
               name == OPN_lgs) {
        add_patch(c, mem + size, sel, 2);
    } else if (name == OPN_jmp_far || name == OPN_call_far) {
        uint64_t off = far_target(a, i, &sel);
        memcpy(c->code + a->at + b->imm_at, &off, size);
        st_le16(c->code + a->at + b->imm_at + size, sel);
    } else if (name == OPN_jmp_far_ind || name == OPN_call_far_ind) {
        uint64_t off = far_target(a, i, &sel);
        add_patch(c, mem, off, size);
        add_patch(c, mem + size, sel, 2);
    } else if (name == OPN_retf || name == OPN_iret) {
        suit_far_return(a, i, name == OPN_iret);
    }
}

/* Makes RSI, RDI and RCX sensible for the string instructions. */
static void suit_string(struct assembly *a, const struct insn *i)
{
    struct rng *r = a->r;
    struct diff_case *c = a->c;
    if (!one_in(r, 16))
        set_address(c, i, R_RSI, operand_address(a, i->seg) - segment_base_of(c, i->seg));
    if (!one_in(r, 16))
        set_address(c, i, R_RDI, operand_address(a, SEG_ES) - segment_base_of(c, SEG_ES));
    if (!one_in(r, 32))
        set_address(c, i, R_RCX, below(r, one_in(r, 8) ? 3000 : 20));
}

/* VSIB: small indexes, most of them, and masks with some bits clear. */
static void suit_gather(struct assembly *a, const struct insn *i)
{
    struct diff_state *in = &a->c->in;
    unsigned index = i->imm & 15, mask = i->vreg & 15, wide = one_in(a->r, 2);
    for (unsigned k = 0; k < 32; k += wide ? 8 : 4) {
        uint8_t *p = k < 16 ? in->fx + 160 + 16 * index + k : in->ymmh[index] + k - 16;
        uint8_t *m = k < 16 ? in->fx + 160 + 16 * mask + k : in->ymmh[mask] + k - 16;
        int64_t v = one_in(a->r, 32) ? (int64_t)rng_next(a->r) : (int)below(a->r, 64) - 32;
        if (wide) {
            st_le64(p, (uint64_t)v);
            m[7] ^= one_in(a->r, 3) ? 0 : 0x80;
        } else {
            st_le32(p, (uint32_t)v);
            m[3] ^= one_in(a->r, 3) ? 0 : 0x80;
        }
    }
}

void suit_insn(struct assembly *a, const struct builder *b, const struct insn *i,
               const struct encoding *e)
{
    const struct operation_info *o = &operations[e->operation];
    uint64_t *gpr = a->c->in.gpr, mem = 0;
    struct rng *r = a->r;
    unsigned name = e->operation;
    if (o->props & P_REP)
        suit_string(a, i);
    if (method_of(e->opnd[0]) == AM_O || method_of(e->opnd[1]) == AM_O) {
        if (!one_in(r, 16)) {
            uint64_t want = operand_address(a, i->seg) - segment_base(a->c, i);
            for (unsigned k = 0; k < b->asize; k++)
                a->c->code[a->at + b->imm_at + k] = (uint8_t)(want >> 8 * k);
        }
        return;
    }
    if (method_of(e->opnd[1]) == AM_X && !one_in(r, 16))
        suit_gather(a, i);
    if (name == OPN_xlat && !one_in(r, 16))
        set_address(a->c, i, R_RBX, operand_address(a, i->seg) - segment_base_of(a->c, i->seg));
    else if ((i->flags & INSN_MEM) && b->imm_at && has_modrm(e) &&
             (b->rip_relative || !one_in(r, 20)))
        mem = aim(a, b, i, operand_address(a, i->seg));
    if ((name == OPN_bt || name == OPN_bts || name == OPN_btr || name == OPN_btc) &&
        (i->flags & INSN_MEM) && method_of(e->opnd[1]) == AM_G && i->reg != i->base &&
        i->reg != i->index && !one_in(r, 8))
        gpr[i->reg & 15] = (uint64_t)(int64_t)((int)below(r, 8192) - 4096);
    if ((name == OPN_div || name == OPN_idiv) && one_in(r, 2)) {
        gpr[R_RDX] = name == OPN_idiv && one_in(r, 2) ? ~0ull : 0;
        if (one_in(r, 2))
            gpr[R_RAX] = (uint64_t)(int64_t)(int8_t)rng_next(r);
    }
    if ((name == OPN_cmpxchg || name == OPN_cmpxchg8b || name == OPN_cmpxchg16b) && mem &&
        one_in(r, 2)) { /* let it succeed */
        add_patch(a->c, mem, gpr[R_RAX], name == OPN_cmpxchg8b ? 4 : 8);
        add_patch(a->c, mem + (name == OPN_cmpxchg8b ? 4 : 8), gpr[R_RDX],
                  name == OPN_cmpxchg8b ? 4 : 8);
    }
    if (name == OPN_loop || name == OPN_loope || name == OPN_loopne || name == OPN_jcxz)
        gpr[R_RCX] = one_in(r, 2) ? below(r, 3) : interesting(r);
    if (name == OPN_bound && mem && one_in(r, 2)) {
        add_patch(a->c, mem, gpr[i->reg & 15] - below(r, 4), insn_osize(i));
        add_patch(a->c, mem + insn_osize(i), gpr[i->reg & 15] - 1 + below(r, 4), insn_osize(i));
    }
    suit_branch(a, b, i, e, mem);
    suit_selector(a, b, i, e, mem);
}
