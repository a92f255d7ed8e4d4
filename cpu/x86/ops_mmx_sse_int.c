/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packed integer operations on MMX and XMM registers (SDM vol. 1 9.4, 11.4.2): operands and checks
 * around the functions of vec_int.h. */
#include "cpu/x86/vec_forms.h"
#include "cpu/x86/vec_int.h"

#define BOTH(name)                                                                                 \
    MMX(name, vec_##name(&d, &s))                                                                  \
    XMM(name, 16, vec_##name(&d, &s))

BOTH(paddb)
BOTH(paddw)
BOTH(paddd)
BOTH(paddq)
BOTH(psubb)
BOTH(psubw)
BOTH(psubd)
BOTH(psubq)
BOTH(paddsb)
BOTH(paddsw)
BOTH(paddusb)
BOTH(paddusw)
BOTH(psubsb)
BOTH(psubsw)
BOTH(psubusb)
BOTH(psubusw)
BOTH(pcmpeqb)
BOTH(pcmpeqw)
BOTH(pcmpeqd)
BOTH(pcmpgtb)
BOTH(pcmpgtw)
BOTH(pcmpgtd)
BOTH(pminub)
BOTH(pmaxub)
BOTH(pminsw)
BOTH(pmaxsw)
BOTH(pavgb)
BOTH(pavgw)
BOTH(pmullw)
BOTH(pmulhw)
BOTH(pmulhuw)
BOTH(pmuludq)
BOTH(pand)
BOTH(pandn)
BOTH(por)
BOTH(pxor)
BOTH(pmaddwd)
BOTH(psadbw)

/* With destination and source side by side the low half of the result has both. */
#define PACK(name)                                                                                 \
    MMX(name, (d.q[1] = s.q[0], vec_##name(&d, &d)))                                               \
    XMM(name, 16, vec_##name(&d, &s))
PACK(packsswb)
PACK(packuswb)
PACK(packssdw)

/* The low MMX forms read 32 bits of memory (SDM vol. 2B, PUNPCKLBW). */
#define UNPACK_LOW(name)                                                                           \
    XMM(name, 16, vec_##name(&d, &s))                                                              \
    int op_##name##_mmx_x(struct cpu *cpu, const struct insn *i)                                   \
    {                                                                                              \
        union v128 s = {0}, d = {0};                                                               \
        if (unlikely(mmx_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        if (!(i->flags & INSN_MEM))                                                                \
            s.q[0] = cpu->fpr[i->rm & 7].mant;                                                     \
        else if (unlikely(mem_load32(cpu, i, &s.d[0])))                                            \
            return OP_FAULT;                                                                       \
        d.q[0] = cpu->fpr[i->reg & 7].mant;                                                        \
        vec_##name(&d, &s);                                                                        \
        mmx_set(cpu, i->reg, d.q[0]);                                                              \
        return OP_OK;                                                                              \
    }
/* What 128-bit PUNPCKL makes of the low halves: their high halves go to the high one. */
#define UNPACK_HIGH(high, low)                                                                     \
    XMM(high, 16, vec_##high(&d, &s))                                                              \
    MMX(high, (vec_##low(&d, &s), d.q[0] = d.q[1]))
UNPACK_LOW(punpcklbw)
UNPACK_LOW(punpcklwd)
UNPACK_LOW(punpckldq)
UNPACK_HIGH(punpckhbw, punpcklbw)
UNPACK_HIGH(punpckhwd, punpcklwd)
UNPACK_HIGH(punpckhdq, punpckldq)
XMM(punpcklqdq, 16, vec_punpcklqdq(&d, &s))
XMM(punpckhqdq, 16, vec_punpckhqdq(&d, &s))
XMM(unpcklps, 16, vec_punpckldq(&d, &s))
XMM(unpckhps, 16, vec_punpckhdq(&d, &s))
XMM(unpcklpd, 16, vec_punpcklqdq(&d, &s))
XMM(unpckhpd, 16, vec_punpckhqdq(&d, &s))

/* The bitwise operations on packed floats are those on integers. */
XMM(andps, 16, vec_pand(&d, &s))
XMM(andpd, 16, vec_pand(&d, &s))
XMM(andnps, 16, vec_pandn(&d, &s))
XMM(andnpd, 16, vec_pandn(&d, &s))
XMM(orps, 16, vec_por(&d, &s))
XMM(orpd, 16, vec_por(&d, &s))
XMM(xorps, 16, vec_pxor(&d, &s))
XMM(xorpd, 16, vec_pxor(&d, &s))

#define SHIFT(name)                                                                                \
    BOTH(name)                                                                                     \
    int op_##name##_imm_mmx_x(struct cpu *cpu, const struct insn *i)                               \
    {                                                                                              \
        union v128 d = {0};                                                                        \
        if (unlikely(mmx_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        d.q[0] = cpu->fpr[i->rm & 7].mant;                                                         \
        vec_##name##_imm(&d, i->imm & 0xff);                                                       \
        mmx_set(cpu, i->rm, d.q[0]);                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    SHIFT_XMM(name##_imm)
#define SHIFT_XMM(name)                                                                            \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        if (unlikely(sse_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        union v128 d = vec_get(cpu, i->rm);                                                        \
        vec_##name(&d, i->imm & 0xff);                                                             \
        vec_set(cpu, i->rm, &d);                                                                   \
        return OP_OK;                                                                              \
    }
SHIFT(psrlw)
SHIFT(psrld)
SHIFT(psrlq)
SHIFT(psllw)
SHIFT(pslld)
SHIFT(psllq)
SHIFT(psraw)
SHIFT(psrad)
SHIFT_XMM(psrldq)
SHIFT_XMM(pslldq)

XMM(pshufd, 16, vec_pshufd(&d, &s, (unsigned)i->imm & 0xff))
XMM(pshuflw, 16, vec_pshuflw(&d, &s, (unsigned)i->imm & 0xff))
XMM(pshufhw, 16, vec_pshufhw(&d, &s, (unsigned)i->imm & 0xff))
XMM(shufps, 16, vec_shufps(&d, &s, (unsigned)i->imm & 0xff))
XMM(shufpd, 16, vec_shufpd(&d, &s, (unsigned)i->imm & 0xff))
MMX_AS(pshufw, vec_pshuflw(&d, &s, (unsigned)i->imm & 0xff))
