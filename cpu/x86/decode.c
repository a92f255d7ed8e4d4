/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to struct insn. Steps, in order: prefixes; opcode map and opcode; ModRM, SIB and
 * displacement if the opcode has them; the first table row whose conditions hold; immediates; and
 * then the row's operands give registers, operand size and form. SDM vol. 2A chapter 2. */
#include "cpu/x86/insn.h"

#define MAX_LEN 15

/* Last row of each (map, opcode), plus 1. Rows of one key stand together, so the others are just
 * before it. */
#pragma GCC diagnostic push
#ifdef __clang__
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif
enum { COUNTER_BASE = __COUNTER__ };
#define OPERATION(...)
#define ENC(map, opcode, ...) [map][opcode] = __COUNTER__ - COUNTER_BASE,
static const uint16_t last_row[NUM_MAPS][256] = {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#undef ENC
#pragma GCC diagnostic pop

struct decoder {
    const uint8_t *bytes;
    size_t n, pos;
    bool short_of_bytes;
    enum code_mode mode;
    bool p66, p67, lock, rexp;
    uint8_t rep; /* 0, F2 or F3: the last one, or VEX.pp's */
    uint8_t rex;
    int seg; /* override or -1 */
    uint8_t map, opcode;
    bool vex, vex_w, vex_l, vex_invalid;
    uint8_t vvvv;
    bool has_modrm, has_sib;
    uint8_t sib_index;    /* as the vector register of VSIB */
    uint8_t mod, reg, rm; /* reg and rm with REX bits, for general and vector registers */
    uint8_t osize, asize; /* bytes */
};

static uint64_t take(struct decoder *d, unsigned len)
{
    if (d->pos + len > d->n) {
        d->short_of_bytes = true;
        d->pos += len;
        return 0;
    }
    uint64_t v = 0;
    for (unsigned k = 0; k < len; k++)
        v |= (uint64_t)d->bytes[d->pos + k] << 8 * k;
    d->pos += len;
    return v;
}

static int64_t take_signed(struct decoder *d, unsigned len)
{
    return (int64_t)(take(d, len) << (64 - 8 * len)) >> (64 - 8 * len);
}

static uint8_t take_prefixes(struct decoder *d)
{
    for (;;) {
        uint8_t b = (uint8_t)take(d, 1);
        if (d->short_of_bytes)
            return 0;
        if (d->mode == CODE64 && (b & 0xf0) == 0x40) {
            d->rex = b;
            d->rexp = true;
            continue;
        }
        bool null_in_64 = d->mode == CODE64;
        switch (b) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (!null_in_64)
                d->seg = b >> 3 & 3;
            break;
        case 0x64:
            d->seg = SEG_FS;
            break;
        case 0x65:
            d->seg = SEG_GS;
            break;
        case 0x66:
            d->p66 = true;
            break;
        case 0x67:
            d->p67 = true;
            break;
        case 0xf0:
            d->lock = true;
            break;
        case 0xf2:
        case 0xf3:
            d->rep = b;
            break;
        default:
            return b;
        }
        d->rex = 0; /* a REX that is not last does not count */
        d->rexp = false;
    }
}

/* C4 and C5 are VEX in 64-bit mode; elsewhere LES and LDS, whose operand is in memory, leave mod 3
 * to it (SDM vol. 2A 2.3.5). EVEX has no rows: its 62 is BOUND, or nothing. */
static bool at_vex(struct decoder *d, uint8_t b)
{
    if (b != 0xc4 && b != 0xc5)
        return false;
    if (d->mode == CODE64)
        return true;
    if (d->pos >= d->n) {
        d->short_of_bytes = true;
        return false;
    }
    return d->bytes[d->pos] >> 6 == 3;
}

/* The rest of a VEX prefix, and the opcode. What REX and legacy prefixes mean elsewhere goes to
 * their places; pp stands for 66, F3, F2. (SDM vol. 2A 2.3.5, figure 2-9) */
static void take_vex(struct decoder *d, bool three)
{
    static const uint8_t maps[4] = {0, MAP_V0F, MAP_V0F38, MAP_V0F3A};
    uint8_t first = (uint8_t)take(d, 1), last = three ? (uint8_t)take(d, 1) : first;
    unsigned map = three ? first & 0x1f : 1, pp = last & 3;
    d->vex_invalid = d->lock || d->p66 || d->rep || d->rexp || map == 0 || map > 3;
    d->vex = true;
    d->map = maps[d->vex_invalid ? 1 : map];
    d->vex_w = three && last & 0x80;
    d->vex_l = last & 4;
    d->vvvv = ~last >> 3 & 15;
    d->p66 = pp == 1;
    d->rep = pp == 2 ? 0xf3 : pp == 3 ? 0xf2 : 0;
    d->rex = 0;
    if (d->mode == CODE64)
        d->rex = (uint8_t)((first & 0x80 ? 0 : 4) | (three ? ~first >> 5 & 3 : 0) | d->vex_w << 3);
    else
        d->vvvv &= 7;
    d->opcode = (uint8_t)take(d, 1);
}

static void take_opcode(struct decoder *d)
{
    uint8_t b = take_prefixes(d);
    if (at_vex(d, b)) {
        take_vex(d, b == 0xc4);
        return;
    }
    d->map = MAP_1;
    if (b == 0x0f) {
        b = (uint8_t)take(d, 1);
        d->map = MAP_0F;
        if (b == 0x38 || b == 0x3a) {
            d->map = b == 0x38 ? MAP_0F38 : MAP_0F3A;
            b = (uint8_t)take(d, 1);
        }
    }
    d->opcode = b;
}

static const struct encoding *first_row(const struct decoder *d)
{
    unsigned row = last_row[d->map][d->opcode];
    if (!row)
        return NULL;
    row--;
    while (row > 0 && encodings[row - 1].map == d->map && encodings[row - 1].opcode == d->opcode)
        row--;
    return &encodings[row];
}

static bool row_has_modrm(const struct encoding *e)
{
    if (e->match & (M_REG_ | M_RM_ | M_MODR | M_MODM | M_MODRM))
        return true;
    const uint32_t methods = 1u << AM_E | 1u << AM_G | 1u << AM_M | 1u << AM_R | 1u << AM_S |
                             1u << AM_C | 1u << AM_D | 1u << AM_V | 1u << AM_W | 1u << AM_U |
                             1u << AM_P | 1u << AM_Q | 1u << AM_N | 1u << AM_STI | 1u << AM_X;
    for (unsigned k = 0; k < 4; k++)
        if (methods >> (e->opnd[k] >> 4) & 1)
            return true;
    return false;
}

/* 16-bit addressing forms, SDM vol. 2A table 2-1. */
static void take_address16(struct decoder *d, struct insn *i)
{
    static const uint8_t base[8] = {R_RBX, R_RBX, R_RBP, R_RBP, R_RSI, R_RDI, R_RBP, R_RBX};
    static const uint8_t index[8] = {R_RSI, R_RDI, R_RSI, R_RDI, R_ZERO, R_ZERO, R_ZERO, R_ZERO};
    unsigned rm = d->rm & 7;
    i->base = base[rm];
    i->index = index[rm];
    i->seg = i->base == R_RBP ? SEG_SS : SEG_DS;
    if (d->mod == 0 && rm == 6) {
        i->base = R_ZERO;
        i->seg = SEG_DS;
        i->disp = (int32_t)take_signed(d, 2);
    } else if (d->mod == 1) {
        i->disp = (int32_t)take_signed(d, 1);
    } else if (d->mod == 2) {
        i->disp = (int32_t)take_signed(d, 2);
    }
}

/* 32- and 64-bit addressing forms, tables 2-2 and 2-3. */
static void take_address(struct decoder *d, struct insn *i)
{
    unsigned rm = d->rm & 7;
    bool no_base = false;
    i->base = d->rm;
    if (rm == 4) {
        uint8_t sib = (uint8_t)take(d, 1);
        uint8_t index = (uint8_t)((sib >> 3 & 7) | (d->rex & 2) << 2);
        d->has_sib = true;
        d->sib_index = index;
        i->scale = sib >> 6;
        i->index = index == R_RSP ? R_ZERO : index;
        i->base = (uint8_t)((sib & 7) | (d->rex & 1) << 3);
        no_base = (sib & 7) == 5 && d->mod == 0;
    } else if (rm == 5 && d->mod == 0) {
        no_base = true;
    }
    i->seg = !no_base && (i->base == R_RSP || i->base == R_RBP) ? SEG_SS : SEG_DS;
    if (no_base) {
        i->base = d->mode == CODE64 && rm == 5 ? R_RIP : R_ZERO;
        i->disp = (int32_t)take_signed(d, 4);
    } else if (d->mod == 1) {
        i->disp = (int32_t)take_signed(d, 1);
    } else if (d->mod == 2) {
        i->disp = (int32_t)take_signed(d, 4);
    }
}

static void take_modrm(struct decoder *d, struct insn *i)
{
    uint8_t b = (uint8_t)take(d, 1);
    d->mod = b >> 6;
    d->reg = (uint8_t)((b >> 3 & 7) | (d->rex & 4) << 1);
    d->rm = (uint8_t)((b & 7) | (d->rex & 1) << 3);
    /* MOV to and from control and debug registers ignores mod (SDM vol. 2B, MOV) */
    if (d->map == MAP_0F && (d->opcode & 0xfc) == 0x20)
        d->mod = 3;
    if (d->mod == 3 || d->short_of_bytes)
        return;
    if (d->asize == 2)
        take_address16(d, i);
    else
        take_address(d, i);
}

static bool prefix_matches(const struct decoder *d, uint32_t match)
{
    switch (match & M_PFX_MASK) {
    case M_NP:
        return !d->p66 && !d->rep;
    case M_66:
        return d->p66 && !d->rep;
    case M_F3:
        return d->rep == 0xf3;
    case M_F2:
        return d->rep == 0xf2;
    case M_NFX:
        return !d->rep;
    default:
        return true;
    }
}

static bool row_matches(const struct decoder *d, uint32_t m)
{
    if (!prefix_matches(d, m))
        return false;
    if ((m & M_64 && d->mode != CODE64) || (m & M_N64 && d->mode == CODE64))
        return false;
    if ((m & M_MODR && d->mod != 3) || (m & M_MODM && d->mod == 3))
        return false;
    if (m & M_REG_ && (m >> 8 & 7) != (d->reg & 7u))
        return false;
    if (m & M_RM_ && (m >> 12 & 7) != (d->rm & 7u))
        return false;
    bool w = d->vex ? d->vex_w : d->rex & 8;
    if ((m & M_W0 && w) || (m & M_W1 && !w))
        return false;
    if ((m & M_L0 && d->vex_l) || (m & M_L1 && !d->vex_l))
        return false;
    if ((m & M_O16 && d->osize != 2) || (m & M_O32 && d->osize != 4) ||
        (m & M_O64 && d->osize != 8))
        return false;
    if ((m & M_A16 && d->asize != 2) || (m & M_A32 && d->asize != 4) ||
        (m & M_A64 && d->asize != 8))
        return false;
    return !(m & M_NREXB && d->rex & 1);
}

/* M means memory, R U N mean a register: the letter is a condition too. VSIB needs a SIB byte;
 * VEX.vvvv has to be 1111b (here 0) if no operand is in it. */
static bool operands_match(const struct decoder *d, const struct encoding *e)
{
    bool vvvv_used = false;
    for (unsigned k = 0; k < 4 && e->opnd[k]; k++) {
        unsigned method = e->opnd[k] >> 4;
        if (method == AM_M && d->mod == 3)
            return false;
        if ((method == AM_R || method == AM_U || method == AM_N) && d->mod != 3)
            return false;
        if (method == AM_X && (d->mod == 3 || !d->has_sib))
            return false;
        vvvv_used |= method == AM_H || method == AM_B;
    }
    return vvvv_used || !d->vvvv;
}

static const struct encoding *find_row(const struct decoder *d, const struct encoding *first)
{
    const struct encoding *end = encodings + num_encodings;
    for (const struct encoding *e = first; e < end && e->map == d->map && e->opcode == d->opcode;
         e++)
        if (row_matches(d, e->match) && operands_match(d, e))
            return e;
    return NULL;
}

static void set_sizes(struct decoder *d)
{
    if (d->mode == CODE64) {
        d->asize = d->p67 ? 4 : 8;
        d->osize = d->rex & 8 ? 8 : d->p66 ? 2 : 4;
    } else {
        bool wide = d->mode == CODE32;
        d->asize = wide != d->p67 ? 4 : 2;
        d->osize = wide != d->p66 ? 4 : 2;
    }
    if (d->vex)
        d->osize = d->rex & 8 ? 8 : 4; /* pp is no size, W none outside 64-bit mode */
}

/* Operand sizes that 64-bit mode fixes: near branches 64, push and pop 64 or 16. */
static void adjust_osize(struct decoder *d, uint16_t props)
{
    if (d->mode != CODE64)
        return;
    if (props & P_F64)
        d->osize = 8;
    else if (props & P_D64 && d->osize == 4)
        d->osize = 8;
}

static unsigned width_bytes(const struct decoder *d, unsigned width)
{
    switch (width) {
    case W_b:
        return 1;
    case W_w:
        return 2;
    case W_d:
        return 4;
    case W_q:
        return d->mode == CODE64 ? 8 : 4;
    case W_z:
        return d->osize == 2 ? 2 : 4;
    case W_y:
        return d->osize == 8 ? 8 : 4;
    default:
        return d->osize;
    }
}

static unsigned log2_bytes(unsigned n)
{
    return (unsigned)__builtin_ctz(n);
}

static uint8_t gpr(const struct decoder *d, unsigned n, unsigned width)
{
    if (width != W_b)
        return (uint8_t)n;
    if (!d->rexp && n >= 4)
        return (uint8_t)((n - 4) * 8 + 1); /* AH CH DH BH */
    return (uint8_t)(n * 8);
}

enum operand_place { PLACE_NONE, PLACE_REG, PLACE_MEM, PLACE_IMM, PLACE_CL };

static enum operand_place in_register(uint8_t *r, unsigned n)
{
    *r = (uint8_t)n;
    return PLACE_REG;
}

/* By ModRM: memory, or register n. */
static enum operand_place by_mod(const struct decoder *d, uint8_t *r, unsigned n)
{
    return d->mod != 3 ? PLACE_MEM : in_register(r, n);
}

static enum operand_place take_immediate(struct decoder *d, struct insn *i, unsigned mode,
                                         unsigned width)
{
    unsigned z = d->osize == 2 ? 2 : 4;

    switch (mode) {
    case AM_L: /* is4: the register is in bits 7:4 */
        i->imm = take(d, 1) & (d->mode == CODE64 ? 0xff : 0x7f);
        break;
    case AM_I:
        i->imm = (uint64_t)take_signed(d, width == W_z ? z : width_bytes(d, width));
        break;
    case AM_A:
        i->imm = take(d, z);
        i->imm |= take(d, 2) << 32;
        break;
    default: /* AM_IS, AM_J */
        i->imm = (uint64_t)take_signed(d, width == W_z ? z : 1);
    }
    return PLACE_IMM;
}

/* The one that the opcode implies. */
static enum operand_place implied(struct insn *i, unsigned opnd, uint8_t *r)
{
    if (opnd == O_1) {
        i->imm = 1;
        return PLACE_IMM;
    }
    *r = 0;
    return opnd == O_CL ? PLACE_CL : PLACE_REG;
}

/* Resolves one operand; registers go to *r. */
static enum operand_place take_operand(struct decoder *d, struct insn *i, unsigned opnd, uint8_t *r)
{
    unsigned mode = opnd >> 4, width = opnd & 15;

    switch (mode) {
    case AM_E:
    case AM_R:
    case AM_M:
        return by_mod(d, r, gpr(d, d->rm, width));
    case AM_W:
    case AM_U:
        return by_mod(d, r, d->rm);
    case AM_Q:
    case AM_N:
        return by_mod(d, r, d->rm & 7);
    case AM_STI:
        return in_register(r, d->rm & 7);
    case AM_H:
    case AM_B:
        return in_register(r, d->vvvv);
    case AM_G:
        return in_register(r, gpr(d, d->reg, width));
    case AM_V:
    case AM_C:
    case AM_D:
        return in_register(r, d->reg);
    case AM_S:
    case AM_P:
        return in_register(r, d->reg & 7);
    case AM_Z:
        return in_register(r, gpr(d, (d->opcode & 7u) | (d->rex & 1u) << 3, width));
    case AM_I:
    case AM_IS:
    case AM_J:
    case AM_A:
    case AM_L:
        return take_immediate(d, i, mode, width);
    case AM_FIX:
        return implied(i, opnd, r);
    case AM_X:
        i->index = R_ZERO;
        i->imm = d->sib_index;
        return PLACE_MEM;
    case AM_O:
        i->base = i->index = R_ZERO;
        i->seg = SEG_DS;
        if (d->asize == 8)
            i->imm = take(d, 8);
        else
            i->disp = (int32_t)take(d, d->asize);
        return PLACE_MEM;
    default:
        return PLACE_NONE;
    }
}

struct operands {
    enum operand_place place[4];
    uint8_t r[4];
    unsigned n;
};

/* Puts register numbers into reg and rm: see struct insn. */
static void place_registers(const struct encoding *e, const struct operands *o, struct insn *i,
                            unsigned class)
{
    bool canonical = class == CLASS_ALU || class == CLASS_LOAD || class == CLASS_BIT ||
                     class == CLASS_UNARY || class == CLASS_SHIFT || class == CLASS_EXCHANGE ||
                     class == CLASS_DSHIFT;
    if (canonical) {
        bool first_is_reg = o->place[0] == PLACE_REG, second_is_reg = o->place[1] == PLACE_REG;
        if (first_is_reg)
            i->reg = o->r[0];
        if (first_is_reg && second_is_reg)
            i->rm = o->r[1];
        else if (second_is_reg)
            i->reg = o->r[1];
        return;
    }
    unsigned registers = 0;
    for (unsigned k = 0; k < o->n; k++) {
        unsigned method = e->opnd[k] >> 4;
        if (o->place[k] != PLACE_REG)
            continue;
        registers++;
        if (method == AM_H || method == AM_B)
            i->vreg = o->r[k];
        else if (method == AM_E || method == AM_R || method == AM_W || method == AM_U ||
                 method == AM_Q || method == AM_N || method == AM_STI)
            i->rm = o->r[k];
        else
            i->reg = o->r[k];
    }
    if (registers == 1 && !(i->flags & INSN_MEM) && !(i->flags & INSN_VEX)) {
        bool in_rm = (e->opnd[0] >> 4) == AM_E || (e->opnd[0] >> 4) == AM_R;
        if (in_rm)
            i->reg = i->rm;
        else if ((e->opnd[0] >> 4) == AM_Z)
            i->rm = i->reg;
    }
}

/* Operand size in the insn: the first operand decides where it is narrower than the prefixes say.
 */
static unsigned operand_size(const struct decoder *d, const struct encoding *e,
                             const struct operation_info *op)
{
    unsigned size = d->osize;
    unsigned opnd = e->opnd[e->operation == OPN_crc32 ? 1 : 0];
    unsigned method = opnd >> 4, width = opnd & 15;
    bool general = method == AM_E || method == AM_G || method == AM_M || method == AM_R ||
                   method == AM_Z || method == AM_O || method == AM_FIX;
    if (general && width >= W_b && width <= W_y)
        size = width_bytes(d, width);
    if (op->class == CLASS_SIZED || op->class == CLASS_PORT) {
        size = d->opcode & 1 ? d->osize : 1;
        if (op->props & P_IO && size == 8)
            size = 4;
    }
    return size;
}

/* Opcode id of the form. False: the table has no such form (LOCK where it is not allowed). */
static void select_form(const struct operation_info *op, const struct operands *o, struct insn *i)
{
    unsigned log2size = i->size & 15, form = 0;
    bool mem0 = o->place[0] == PLACE_MEM, mem1 = o->place[1] == PLACE_MEM;
    bool imm1 = o->place[1] == PLACE_IMM;
    i->op = op->first_op;
    switch (op->class) {
    case CLASS_ALU:
        form = imm1 ? (mem0 ? 4 : 3) : mem0 ? 2 : mem1 ? 1 : 0;
        i->op += (uint16_t)(form * 4 + log2size);
        break;
    case CLASS_UNARY:
        i->op += (uint16_t)(mem0 * 4 + log2size);
        break;
    case CLASS_SHIFT:
        form = (o->place[1] == PLACE_CL) * 2u + mem0;
        i->op += (uint16_t)(form * 4 + log2size);
        break;
    case CLASS_LOAD:
        i->op += (uint16_t)(mem1 * 3 + log2size - 1);
        break;
    case CLASS_BIT:
        form = imm1 * 2u + mem0;
        i->op += (uint16_t)(form * 3 + log2size - 1);
        break;
    case CLASS_EXCHANGE:
        i->op += (uint16_t)(mem0 * 4 + log2size);
        break;
    case CLASS_DSHIFT:
        i->op += (uint16_t)(mem0 * 3 + log2size - 1);
        break;
    case CLASS_RM:
        i->op += !!(i->flags & INSN_MEM);
        break;
    case CLASS_SIZED:
    case CLASS_PORT:
        i->op += (uint16_t)log2size;
        break;
    default:
        break;
    }
}

/* A gather whose destination, index and mask are not three registers: #UD (SDM vol. 2C,
 * VGATHERDPS). */
static bool gather_overlaps(const struct encoding *e, const struct insn *i)
{
    return e->opnd[1] == O_X && (i->reg == i->imm || i->reg == i->vreg || i->vreg == i->imm);
}

static void special_operands(const struct decoder *d, const struct encoding *e, struct insn *i)
{
    if (d->map == MAP_1 && (d->opcode & 0xf8) == 0xd8)
        i->imm = (d->opcode & 7u) << 8 | d->mod << 6 | (d->reg & 7u) << 3 | (d->rm & 7u);
    switch (e->operation) {
    case OPN_push_seg:
    case OPN_pop_seg:
        i->reg = d->map == MAP_0F ? (d->opcode & 8 ? SEG_GS : SEG_FS) : d->opcode >> 3 & 3;
        break;
    case OPN_in:
    case OPN_out:
        i->vreg = d->opcode < 0xe8; /* port number is an immediate */
        i->imm &= 0xff;
        break;
    case OPN_ret:
    case OPN_retf:
        i->imm &= 0xffff;
        break;
    case OPN_int:
    case OPN_aam:
    case OPN_aad:
        i->imm &= 0xff;
        break;
    default:
        break;
    }
}

static enum decode_result finish(struct decoder *d, const struct encoding *e, struct insn *i)
{
    const struct operation_info *op = &operations[e->operation];
    struct operands o = {0};
    adjust_osize(d, op->props);
    i->flags = (uint8_t)((d->vex ? INSN_VEX : 0) | (d->vex_l ? INSN_L256 : 0));
    uint64_t first_imm = 0;
    for (unsigned k = 0; k < 4 && e->opnd[k]; k++) {
        o.place[k] = take_operand(d, i, e->opnd[k], &o.r[k]);
        if (o.place[k] == PLACE_MEM)
            i->flags |= INSN_MEM;
        if (k == 0 && o.place[0] == PLACE_IMM)
            first_imm = i->imm;
        o.n = k + 1;
    }
    if (e->operation == OPN_enter)
        i->imm = (first_imm & 0xffff) | (i->imm & 0xff) << 16;
    if (d->short_of_bytes)
        return DECODE_MORE;
    if (d->seg >= 0)
        i->seg = (uint8_t)d->seg;
    place_registers(e, &o, i, op->class);
    special_operands(d, e, i);
    if (gather_overlaps(e, i))
        return DECODE_INVALID;
    unsigned size = operand_size(d, e, op);
    i->size = (uint8_t)(log2_bytes(size) | log2_bytes(d->asize) << 4);
    if (d->lock) {
        if (!(op->props & P_LOCK) || o.place[0] != PLACE_MEM)
            return DECODE_INVALID;
        i->flags |= INSN_LOCK;
    }
    if (!d->vex)
        i->flags |= d->rep == 0xf3 ? INSN_REP : d->rep == 0xf2 ? INSN_REPNE : 0;
    i->flags |= op->props & P_ENDS ? INSN_ENDS : 0;
    i->fl_read = op->fl_read;
    i->fl_write = op->fl_write;
    i->len = (uint8_t)d->pos;
    select_form(op, &o, i);
    return DECODE_OK;
}

enum decode_result decode_row(const uint8_t *bytes, size_t n, enum code_mode mode, struct insn *i,
                              const struct encoding **row)
{
    struct decoder d = {.bytes = bytes, .n = n < MAX_LEN ? n : MAX_LEN, .mode = mode, .seg = -1};
    enum decode_result result = DECODE_INVALID;
    *i = (struct insn){.seg = SEG_DS, .base = R_ZERO, .index = R_ZERO};
    *row = NULL;
    take_opcode(&d);
    set_sizes(&d);
    const struct encoding *e = d.short_of_bytes ? NULL : first_row(&d);
    if (e && row_has_modrm(e)) {
        d.has_modrm = true;
        take_modrm(&d, i);
    }
    if (d.short_of_bytes)
        return n >= MAX_LEN ? DECODE_TOO_LONG : DECODE_MORE;
    i->len = (uint8_t)d.pos;
    if (!e || d.vex_invalid || !(e = find_row(&d, e)))
        return DECODE_INVALID;
    if (d.has_modrm && d.mod == 3)
        i->base = R_ZERO;
    result = finish(&d, e, i);
    if (result == DECODE_MORE)
        return n >= MAX_LEN ? DECODE_TOO_LONG : DECODE_MORE;
    *row = e;
    return result;
}

enum decode_result decode(const uint8_t *bytes, size_t n, enum code_mode mode, struct insn *i)
{
    const struct encoding *row;
    return decode_row(bytes, n, mode, i, &row);
}
