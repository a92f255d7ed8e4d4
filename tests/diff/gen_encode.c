/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A random encoding of a row: prefixes, opcode, ModRM, immediates. */
#include "tests/diff/gen_parts.h"

bool has_modrm(const struct encoding *e)
{
    if (e->match & (M_MODR | M_MODM | M_REG_ | M_RM_ | M_MODRM))
        return true;
    for (unsigned k = 0; k < 4; k++) {
        switch (method_of(e->opnd[k])) {
        case AM_E:
        case AM_G:
        case AM_M:
        case AM_R:
        case AM_S:
        case AM_C:
        case AM_D:
        case AM_V:
        case AM_W:
        case AM_U:
        case AM_P:
        case AM_Q:
        case AM_N:
        case AM_STI:
        case AM_X:
            return true;
        default:
            break;
        }
    }
    return false;
}

static void put(struct builder *b, unsigned byte)
{
    b->b[b->n++] = (uint8_t)byte;
}

static void put_value(struct builder *b, uint64_t v, unsigned size)
{
    for (unsigned k = 0; k < size; k++)
        put(b, (uint8_t)(v >> 8 * k));
}

/* Legacy prefixes in random order. */
static void put_prefixes(struct builder *b, struct rng *r, const struct encoding *e)
{
    const struct operation_info *o = &operations[e->operation];
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65};
    unsigned pfx = e->map >= MAP_V0F ? M_NP : e->match & M_PFX_MASK, want = 0;
    uint8_t list[8];
    unsigned n = 0;
    unsigned other = b->mode == DIFF_16 ? M_O32 : M_O16, own = (M_O16 | M_O32 | M_O64) & ~other;
    if (pfx == M_66 || (e->match & other))
        want |= PFX_66;
    /* AMD takes 66 with a near branch in 64-bit mode as a 16-bit branch, Intel ignores it (SDM
     * vol. 2A, JMP; APM vol. 3, JMP near): not compared. */
    else if (pfx != M_NP && !(o->props & P_F64 && b->mode == DIFF_64) && !(e->match & own) &&
             one_in(r, 4))
        want |= PFX_66;
    if (pfx == M_F3)
        want |= PFX_F3;
    if (pfx == M_F2)
        want |= PFX_F2;
    if (o->props & P_REP)
        want |= one_in(r, 2) ? 0 : one_in(r, 2) ? PFX_F3 : PFX_F2;
    unsigned own_address = b->mode == DIFF_16 ? M_A16 : b->mode == DIFF_32 ? M_A32 : M_A64;
    unsigned addresses = e->match & (M_A16 | M_A32 | M_A64);
    if (addresses ? addresses != own_address : one_in(r, b->mode == DIFF_64 ? 10 : 6))
        want |= PFX_67;
    if (one_in(r, 10))
        want |= PFX_SEG;
    if (one_in(r, o->props & P_LOCK ? 5 : 250)) /* seldom where it is invalid: #UD */
        want |= PFX_LOCK;
    if (want & PFX_66)
        list[n++] = 0x66;
    if (want & PFX_67)
        list[n++] = 0x67;
    if (want & PFX_LOCK)
        list[n++] = 0xf0;
    if (want & PFX_SEG)
        list[n++] = segments[below(r, sizeof(segments))];
    if (want & PFX_F3)
        list[n++] = 0xf3;
    if (want & PFX_F2)
        list[n++] = 0xf2;
    for (unsigned k = n; k > 1; k--) {
        unsigned j = below(r, k);
        uint8_t t = list[j];
        list[j] = list[k - 1];
        list[k - 1] = t;
    }
    for (unsigned k = 0; k < n; k++)
        put(b, list[k]);
    b->prefix = (uint8_t)want;
}

/* Operand and address size that come of the mode and the prefixes. */
static void set_sizes(struct builder *b, bool w)
{
    bool p66 = b->prefix & PFX_66, p67 = b->prefix & PFX_67;
    b->osize = w ? 8 : p66 == (b->mode == DIFF_16) ? 4 : 2;
    b->asize = b->mode == DIFF_64 ? (p67 ? 4 : 8) : p67 == (b->mode == DIFF_16) ? 4 : 2;
}

static void put_rex(struct builder *b, struct rng *r, const struct encoding *e)
{
    unsigned rex = 0;
    set_sizes(b, false);
    if (b->mode != DIFF_64)
        return;
    if (one_in(r, 2))
        rex = 0x40 | (unsigned)(rng_next(r) & 15);
    /* Far pointers with a 64-bit offset are Intel's only (APM vol. 3, LFS, JMP far, CALL far). */
    for (unsigned k = 0; k < 4; k++)
        if (e->opnd[k] == O_Mp)
            rex &= ~8u;
    if (e->match & M_W1 || e->match & M_O64)
        rex |= 0x48;
    if ((e->match & (M_W0 | M_O32 | M_O16)))
        rex &= ~8u;
    if (e->match & M_NREXB)
        rex &= ~1u;
    if (rex) {
        put(b, rex);
        b->prefix |= PFX_REX;
    }
    set_sizes(b, rex & 8);
}

/* VEX (SDM vol. 2A 2.3.5), in two bytes where that is possible, now and then. What the row leaves
 * open is random. */
static void put_vex(struct builder *b, struct rng *r, const struct encoding *e)
{
    static const uint8_t pp[8] = {[M_66] = 1, [M_F3] = 2, [M_F2] = 3};
    unsigned bits = (unsigned)rng_next(r), vvvv = 15, rxb = bits & 7;
    unsigned l = e->match & M_L1 ? 1 : e->match & M_L0 ? 0 : bits >> 3 & 1;
    unsigned w = e->match & M_W1 ? 1 : e->match & M_W0 ? 0 : bits >> 4 & 1;
    for (unsigned k = 0; k < 4; k++)
        if (method_of(e->opnd[k]) == AM_H || method_of(e->opnd[k]) == AM_B)
            vvvv = bits >> 5 & 15;
    if (b->mode !=
        DIFF_64) { /* R, X and the register's upper bit distinguish it from LES and LDS */
        rxb = 7;
        vvvv |= 8;
        /* W there is ignored (SDM vol. 2B, PEXTRD; vol. 2B, PINSRD), or invalid for AMD. */
        if (e->operation == OPN_vpextrd || e->operation == OPN_vpinsrd)
            w = 0;
    }
    unsigned last = vvvv << 3 | l << 2 | pp[e->match & M_PFX_MASK];
    if (e->map == MAP_V0F && !w && (rxb & 3) == 3 && bits >> 9 & 1) {
        put(b, 0xc5);
        put(b, (rxb & 4) << 5 | last);
    } else {
        put(b, 0xc4);
        put(b, rxb << 5 | (e->map - MAP_V0F + 1u));
        put(b, w << 7 | last);
    }
    set_sizes(b, false);
    b->osize = w && b->mode == DIFF_64 ? 8 : 4;
}

static void put_disp(struct builder *b, struct rng *r, unsigned size)
{
    b->disp_size = size;
    b->disp_at = b->n;
    put_value(b, size == 4 && one_in(r, 2) ? rng_next(r) & 0xffff : rng_next(r), size);
}

static void put_modrm(struct builder *b, struct rng *r, const struct encoding *e)
{
    bool memory = one_in(r, 2), reg_only = e->match & M_MODR, mem_only = e->match & M_MODM;
    unsigned mod, reg = below(r, 8), rm = below(r, 8);
    for (unsigned k = 0; k < 4; k++) {
        unsigned am = method_of(e->opnd[k]);
        reg_only |= am == AM_R || am == AM_U || am == AM_N || am == AM_STI;
        mem_only |= am == AM_M || am == AM_X;
        rm = am == AM_X ? 4 : rm;
    }
    memory = mem_only || (memory && !reg_only);
    if (e->match & M_REG_)
        reg = e->match >> 8 & 7;
    if (e->match & M_RM_)
        rm = e->match >> 12 & 7;
    mod = memory ? below(r, 3) : 3;
    put(b, mod << 6 | reg << 3 | rm);
    if (!memory)
        return;
    if (b->asize == 2) {
        put_disp(b, r, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
        return;
    }
    unsigned base = rm;
    if (rm == 4) {
        unsigned sib = (unsigned)(rng_next(r) & 0xff);
        put(b, sib);
        base = sib & 7;
    }
    b->rip_relative = b->mode == DIFF_64 && mod == 0 && rm == 5;
    put_disp(b, r, mod == 1 ? 1 : mod == 2 || (mod == 0 && base == 5) ? 4 : 0);
}

static unsigned imm_size(const struct builder *b, unsigned operand, bool d64)
{
    unsigned w = operand & 15;
    switch (method_of(operand)) {
    case AM_I:
    case AM_IS:
    case AM_J:
        if (method_of(operand) == AM_J && w == W_z && b->mode == DIFF_64)
            return 4;
        if (w == W_b)
            return 1;
        if (w == W_w)
            return 2;
        if (w == W_v && !d64)
            return b->osize;
        return b->osize == 2 ? 2 : 4;
    case AM_A:
        return b->osize + 2;
    case AM_O:
        return b->asize;
    case AM_L:
        return 1;
    default:
        return 0;
    }
}

void build_row(struct builder *b, struct rng *r, const struct encoding *e, unsigned mode)
{
    const struct operation_info *o = &operations[e->operation];
    *b = (struct builder){.mode = (uint8_t)mode};
    put_prefixes(b, r, e);
    if (e->map >= MAP_V0F)
        put_vex(b, r, e);
    else
        put_rex(b, r, e);
    if (e->map != MAP_1 && e->map < MAP_V0F)
        put(b, 0x0f);
    if (e->map == MAP_0F38)
        put(b, 0x38);
    if (e->map == MAP_0F3A)
        put(b, 0x3a);
    put(b, e->opcode);
    if (has_modrm(e))
        put_modrm(b, r, e);
    b->imm_at = b->n;
    for (unsigned k = 0; k < 4; k++) {
        unsigned size = imm_size(b, e->opnd[k], o->props & P_D64);
        put_value(b, any_value(r), size);
    }
}
