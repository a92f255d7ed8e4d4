/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BMI1 and BMI2 (SDM vol. 1 5.1.16): VEX-encoded operations on general registers. */
#include "cpu/x86/ops.h"

struct operands {
    uint64_t a; /* the register or memory operand */
    uint64_t b; /* the register in VEX.vvvv */
    unsigned bits;
};

/* VEX is not recognised in real and virtual-8086 mode (SDM vol. 2A 2.8). */
static int bmi_operands(struct cpu *cpu, const struct insn *i, struct operands *o)
{
    bool wide = insn_osize(i) == 8;
    uint32_t low = (uint32_t)cpu->r[i->rm];
    if (unlikely(cpu->real_or_v86))
        return raise_ud(cpu);
    o->bits = wide ? 64 : 32;
    o->a = cpu->r[i->rm];
    if (i->flags & INSN_MEM &&
        unlikely(wide ? mem_load64(cpu, i, &o->a) : mem_load32(cpu, i, &low)))
        return OP_FAULT;
    if (!wide)
        o->a = low;
    o->b = wide ? cpu->r[i->vreg] : (uint32_t)cpu->r[i->vreg];
    return 0;
}
static uint64_t cut(uint64_t v, const struct operands *o)
{
    return o->bits == 64 ? v : (uint32_t)v;
}
/* ZF and SF from the result, CF as given, OF clear. */
static void set_flags(struct cpu *cpu, uint64_t r, bool cf, const struct operands *o)
{
    flags_set_logic(cpu, o->bits == 64 ? (int64_t)r : (int32_t)r);
    flag_set_cf(cpu, cf);
    flag_set_of(cpu, false);
}

/* dst = expr, with flags; fields of o by name. */
#define BMI_FLAGS(name, dst, expr, cf)                                                             \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        struct operands o;                                                                         \
        if (unlikely(bmi_operands(cpu, i, &o)))                                                    \
            return OP_FAULT;                                                                       \
        uint64_t r = cut(expr, &o);                                                                \
        set_flags(cpu, r, cf, &o);                                                                 \
        cpu->r[dst] = r;                                                                           \
        return OP_OK;                                                                              \
    }
#define BMI(name, expr)                                                                            \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        struct operands o;                                                                         \
        if (unlikely(bmi_operands(cpu, i, &o)))                                                    \
            return OP_FAULT;                                                                       \
        cpu->r[i->reg] = cut(expr, &o);                                                            \
        return OP_OK;                                                                              \
    }

/* The low n bits of v; all from 64 on. */
static uint64_t low_bits(uint64_t v, unsigned n)
{
    return n < 64 ? v & ((1ull << n) - 1) : v;
}
/* Start and length are the two low bytes of b. */
static uint64_t extract_field(const struct operands *o)
{
    unsigned start = o->b & 0xff, len = o->b >> 8 & 0xff;
    return start < o->bits ? low_bits(o->a >> start, len) : 0;
}
static uint64_t deposit(uint64_t v, uint64_t mask)
{
    uint64_t r = 0;
    for (; mask; mask &= mask - 1, v >>= 1)
        r |= v & 1 ? mask & -mask : 0;
    return r;
}
static uint64_t extract(uint64_t v, uint64_t mask)
{
    uint64_t r = 0;
    for (unsigned k = 0; mask; mask &= mask - 1, k++)
        r |= v & mask & -mask ? 1ull << k : 0;
    return r;
}
static uint64_t rotate_right(const struct operands *o, unsigned n)
{
    n &= o->bits - 1;
    return n ? o->a >> n | o->a << (o->bits - n) : o->a;
}
static uint64_t shift_arithmetic(const struct operands *o, unsigned n)
{
    return (uint64_t)((o->bits == 64 ? (int64_t)o->a : (int32_t)o->a) >> n);
}

BMI_FLAGS(andn, i->reg, ~o.b &o.a, false)
BMI_FLAGS(blsr, i->vreg, o.a &(o.a - 1), o.a == 0)
BMI_FLAGS(blsmsk, i->vreg, o.a ^ (o.a - 1), o.a == 0)
BMI_FLAGS(blsi, i->vreg, o.a & -o.a, o.a != 0)
BMI_FLAGS(bzhi, i->reg, low_bits(o.a, o.b & 0xff), (o.b & 0xff) >= o.bits)
BMI_FLAGS(bextr, i->reg, extract_field(&o), false)
BMI(pdep, deposit(o.b, o.a))
BMI(pext, extract(o.b, o.a))
BMI(shlx, o.a << (o.b & (o.bits - 1)))
BMI(shrx, o.a >> (o.b & (o.bits - 1)))
BMI(sarx, shift_arithmetic(&o, o.b &(o.bits - 1)))
BMI(rorx, rotate_right(&o, (unsigned)i->imm))

/* The low half goes to vvvv, the high half to reg, which wins if they are one. */
int op_mulx_x(struct cpu *cpu, const struct insn *i)
{
    struct operands o;
    if (unlikely(bmi_operands(cpu, i, &o)))
        return OP_FAULT;
    unsigned __int128 p = (unsigned __int128)o.a * cut(cpu->r[R_RDX], &o);
    cpu->r[i->vreg] = cut((uint64_t)p, &o);
    cpu->r[i->reg] = cut((uint64_t)(p >> o.bits), &o);
    return OP_OK;
}
