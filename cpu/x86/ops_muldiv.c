/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiplication, division, decimal adjustment. */
#include "cpu/x86/operand.h"

/* Undefined flags (SF ZF AF PF) are those AMD processors show: unchanged results of the low half
 * are not promised, so tests mask them. */
static void set_mul_flags(struct cpu *cpu, int64_t low, bool overflow)
{
    cpu->cc_res = low;
    cpu->cc_aux = overflow ? 1u << AUX_CF : 0; /* CF = OF = 1 */
}

#define MUL(s, wide, swide)                                                                        \
    static inline int mul##s(struct cpu *cpu, UINT(s) a)                                           \
    {                                                                                              \
        wide r = (wide)RD##s(R_RAX) * a;                                                           \
        WR##s(R_RAX, r);                                                                           \
        WR##s(R_RDX, r >> s);                                                                      \
        set_mul_flags(cpu, (SINT(s))r, r >> s != 0);                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    static inline int imul1##s(struct cpu *cpu, UINT(s) a)                                         \
    {                                                                                              \
        swide r = (swide)(SINT(s))RD##s(R_RAX) * (SINT(s))a;                                       \
        WR##s(R_RAX, r);                                                                           \
        WR##s(R_RDX, r >> s);                                                                      \
        set_mul_flags(cpu, (SINT(s))r, r != (SINT(s))r);                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    static inline UINT(s) imul##s(struct cpu *cpu, const struct insn *i, UINT(s) a, UINT(s) b)     \
    {                                                                                              \
        (void)i;                                                                                   \
        swide r = (swide)(SINT(s))a * (SINT(s))b;                                                  \
        set_mul_flags(cpu, (SINT(s))r, r != (SINT(s))r);                                           \
        return (UINT(s))r;                                                                         \
    }                                                                                              \
    static inline UINT(s) imul3##s(struct cpu *cpu, const struct insn *i, UINT(s) a, UINT(s) b)    \
    {                                                                                              \
        (void)a;                                                                                   \
        return imul##s(cpu, i, (UINT(s))i->imm, b);                                                \
    }
MUL(16, uint32_t, int32_t)
MUL(32, uint64_t, int64_t)
__extension__ typedef unsigned __int128 uint128_t;
__extension__ typedef __int128 int128_t;
MUL(64, uint128_t, int128_t)

/* The 8-bit forms work on AX. */
static inline int mul8(struct cpu *cpu, uint8_t a)
{
    uint16_t r = (uint16_t)(RD8(0) * a);
    WR16(R_RAX, r);
    set_mul_flags(cpu, (int8_t)r, r >> 8 != 0);
    return OP_OK;
}
static inline int imul18(struct cpu *cpu, uint8_t a)
{
    int16_t r = (int16_t)((int8_t)RD8(0) * (int8_t)a);
    WR16(R_RAX, r);
    set_mul_flags(cpu, (int8_t)r, r != (int8_t)r);
    return OP_OK;
}

#define DIV(s, wide, swide)                                                                        \
    static inline int div##s(struct cpu *cpu, UINT(s) d)                                           \
    {                                                                                              \
        if (d <= RD##s(R_RDX)) /* zero divisor, or the quotient does not fit */                    \
            return raise_exception(cpu, EXC_DE);                                                   \
        wide n = (wide)RD##s(R_RDX) << s | RD##s(R_RAX);                                           \
        WR##s(R_RAX, n / d);                                                                       \
        WR##s(R_RDX, n % d);                                                                       \
        return OP_OK;                                                                              \
    }                                                                                              \
    static inline int idiv##s(struct cpu *cpu, UINT(s) divisor)                                    \
    {                                                                                              \
        swide n = (swide)((wide)RD##s(R_RDX) << s | RD##s(R_RAX)), d = (SINT(s))divisor;           \
        swide most_negative = (swide)((wide)1 << (2 * s - 1));                                     \
        if (d == 0 || (d == -1 && n == most_negative))                                             \
            return raise_exception(cpu, EXC_DE);                                                   \
        swide q = n / d;                                                                           \
        if (q != (SINT(s))q)                                                                       \
            return raise_exception(cpu, EXC_DE);                                                   \
        swide rest = n % d;                                                                        \
        WR##s(R_RAX, q);                                                                           \
        WR##s(R_RDX, rest);                                                                        \
        return OP_OK;                                                                              \
    }
DIV(16, uint32_t, int32_t)
DIV(32, uint64_t, int64_t)
DIV(64, uint128_t, int128_t)

static inline int div8(struct cpu *cpu, uint8_t d)
{
    uint16_t n = RD16(R_RAX);
    if (d <= n >> 8)
        return raise_exception(cpu, EXC_DE);
    WR16(R_RAX, n / d | (n % d) << 8);
    return OP_OK;
}
static inline int idiv8(struct cpu *cpu, uint8_t divisor)
{
    int n = (int16_t)RD16(R_RAX), d = (int8_t)divisor;
    if (d == 0 || n / d != (int8_t)(n / d))
        return raise_exception(cpu, EXC_DE);
    WR16(R_RAX, (uint8_t)(n / d) | (uint8_t)(n % d) << 8);
    return OP_OK;
}

EACH_SIZE(UNARY_READ_FORMS, mul)
EACH_SIZE(UNARY_READ_FORMS, imul1)
EACH_SIZE(UNARY_READ_FORMS, div)
EACH_SIZE(UNARY_READ_FORMS, idiv)
EACH_WIDE(LOAD_FORMS, imul)
EACH_WIDE(LOAD_FORMS, imul3)

/* ---- decimal (SDM vol. 2A: AAA, AAD, AAM, AAS, DAA, DAS) ---- */

static void set_decimal_flags(struct cpu *cpu, uint8_t al, bool cf, bool af)
{
    flags_set_logic(cpu, (int8_t)al);
    flag_set_cf(cpu, cf);
    flag_set_of(cpu, false);
    cpu->cc_aux |= af ? 1u << AUX_AF : 0;
}

int op_daa_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    uint8_t al = RD8(0), old = al;
    bool cf = flag_cf(cpu), af = (al & 15) > 9 || flag_af(cpu), carry = old > 0x99 || cf;
    al = (uint8_t)(al + (af ? 6 : 0) + (carry ? 0x60 : 0));
    WR8(0, al);
    set_decimal_flags(cpu, al, carry, af);
    return OP_OK;
}

int op_das_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    uint8_t al = RD8(0), old = al;
    bool cf = flag_cf(cpu), af = (al & 15) > 9 || flag_af(cpu), borrow = old > 0x99 || cf;
    bool cf_out = borrow || (af && old < 6);
    al = (uint8_t)(al - (af ? 6 : 0) - (borrow ? 0x60 : 0));
    WR8(0, al);
    set_decimal_flags(cpu, al, cf_out, af);
    return OP_OK;
}

static int ascii_adjust(struct cpu *cpu, int sign)
{
    uint16_t ax = RD16(R_RAX);
    bool adjust = (ax & 15) > 9 || flag_af(cpu);
    if (adjust)
        ax = (uint16_t)(ax + sign * 0x106);
    ax &= 0xff0f;
    WR16(R_RAX, ax);
    set_decimal_flags(cpu, (uint8_t)ax, adjust, adjust);
    return OP_OK;
}

int op_aaa_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return ascii_adjust(cpu, 1);
}

int op_aas_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return ascii_adjust(cpu, -1);
}

int op_aam_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t base = (uint8_t)i->imm, al = RD8(0);
    if (base == 0)
        return raise_exception(cpu, EXC_DE);
    WR16(R_RAX, (al / base) << 8 | al % base);
    flags_set_logic(cpu, (int8_t)(al % base));
    return OP_OK;
}

int op_aad_x(struct cpu *cpu, const struct insn *i)
{
    uint16_t ax = RD16(R_RAX);
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * (uint8_t)i->imm);
    WR16(R_RAX, al);
    flags_set_logic(cpu, (int8_t)al);
    return OP_OK;
}
