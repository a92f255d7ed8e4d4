/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SSSE3, SSE4.1, SSE4.2, AES, PCLMULQDQ and SHA instructions: operands and checks around the
 * functions of vec_*.h. Floating point is in ops_sse_fp.c. */
#include "cpu/x86/vec_crypto.h"
#include "cpu/x86/vec_forms.h"
#include "cpu/x86/vec_sse4.h"
#include "cpu/x86/vec_string.h"

#define BINARY(name)      XMM(name, 16, vec_##name(&d, &s))
#define WITH_IMM(name)    XMM(name, 16, vec_##name(&d, &s, (unsigned)i->imm & 0xff))
#define WIDEN(name, size) XMM(name, size, vec_##name(&d, &s))

#define BOTH(name)                                                                                 \
    BINARY(name)                                                                                   \
    MMX(name, vec_##name(&d, &s))
/* Pairs: with destination and source side by side the low half of the result has both. */
#define BOTH_PAIRS(name)                                                                           \
    BINARY(name)                                                                                   \
    MMX(name, (d.q[1] = s.q[0], vec_##name(&d, &d)))

BOTH_PAIRS(phaddw)
BOTH_PAIRS(phaddd)
BOTH_PAIRS(phaddsw)
BOTH_PAIRS(phsubw)
BOTH_PAIRS(phsubd)
BOTH_PAIRS(phsubsw)
BOTH(pmaddubsw)
BOTH(pmulhrsw)
BOTH(psignb)
BOTH(psignw)
BOTH(psignd)
BOTH(pabsb)
BOTH(pabsw)
BOTH(pabsd)
BINARY(pshufb)
MMX(pshufb, (s.q[0] &= 0x8787878787878787, vec_pshufb(&d, &s)))
WITH_IMM(palignr)
/* Sixteen bytes, source below destination, from byte imm on. */
MMX(palignr, (s.q[1] = d.q[0], d.q[0] = d.q[1] = 0, vec_palignr(&d, &s, (unsigned)i->imm & 0xff)))

BINARY(pmuldq)
BINARY(pcmpeqq)
BINARY(pcmpgtq)
BINARY(packusdw)
BINARY(pminsb)
BINARY(pminsd)
BINARY(pminuw)
BINARY(pminud)
BINARY(pmaxsb)
BINARY(pmaxsd)
BINARY(pmaxuw)
BINARY(pmaxud)
BINARY(pmulld)
BINARY(phminposuw)
WIDEN(pmovsxbw, 8)
WIDEN(pmovsxbd, 4)
WIDEN(pmovsxbq, 2)
WIDEN(pmovsxwd, 8)
WIDEN(pmovsxwq, 4)
WIDEN(pmovsxdq, 8)
WIDEN(pmovzxbw, 8)
WIDEN(pmovzxbd, 4)
WIDEN(pmovzxbq, 2)
WIDEN(pmovzxwd, 8)
WIDEN(pmovzxwq, 4)
WIDEN(pmovzxdq, 8)
WITH_IMM(blendps)
WITH_IMM(blendpd)
WITH_IMM(pblendw)
WITH_IMM(mpsadbw)

/* XMM0 is the third operand. */
#define WITH_XMM0(name)                                                                            \
    XMM(name, 16, {                                                                                \
        union v128 third = vec_get(cpu, 0);                                                        \
        vec_##name(&d, &s, &third);                                                                \
    })
WITH_XMM0(pblendvb)
WITH_XMM0(blendvps)
WITH_XMM0(blendvpd)
WITH_XMM0(sha256rnds2)

BINARY(aesenc)
BINARY(aesenclast)
BINARY(aesdec)
BINARY(aesdeclast)
BINARY(aesimc)
WITH_IMM(aeskeygenassist)
WITH_IMM(pclmulqdq)
BINARY(sha1nexte)
BINARY(sha1msg1)
BINARY(sha1msg2)
WITH_IMM(sha1rnds4)
BINARY(sha256msg1)
BINARY(sha256msg2)

XMM(movntdqa, 16, d = s)

int op_ptest_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s, d;
    if (unlikely(sse_check(cpu) || vec_source(cpu, i, 16, &s)))
        return OP_FAULT;
    d = vec_get(cpu, i->reg);
    flags_set_image(cpu, (vec_ptest_zf(&d, &s) ? EFLAGS_ZF : 0) |
                             (vec_ptest_cf(&d, &s) ? EFLAGS_CF : 0));
    return OP_OK;
}

/* ---- elements ---- */

/* To a general register, which is zero-extended, or to memory. size: bytes of the element. */
static int extract(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union v128 v;
    uint64_t e = 0;
    if (unlikely(vector_check(cpu, i)))
        return OP_FAULT;
    v = vec_get(cpu, i->reg);
    memcpy(&e, v.b + size * (i->imm & (16 / size - 1)), size);
    if (i->flags & INSN_MEM)
        return mem_store_bytes(cpu, i, size, &e);
    cpu->r[i->rm] = e;
    return OP_OK;
}
int op_pextrb_x(struct cpu *cpu, const struct insn *i)
{
    return extract(cpu, i, 1);
}
int op_pextrw_store_x(struct cpu *cpu, const struct insn *i)
{
    return extract(cpu, i, 2);
}
int op_pextrd_x(struct cpu *cpu, const struct insn *i)
{
    return extract(cpu, i, insn_osize(i) == 8 ? 8 : 4);
}
int op_extractps_x(struct cpu *cpu, const struct insn *i)
{
    return extract(cpu, i, 4);
}
VEX_FORM(pextrb)
VEX_FORM(pextrw_store)
VEX_FORM(pextrd)
VEX_FORM(extractps)
static int insert(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint64_t e = 0;
    if (unlikely(sse_check(cpu)))
        return OP_FAULT;
    if (!(i->flags & INSN_MEM))
        e = cpu->r[i->rm];
    else if (unlikely(mem_load_bytes(cpu, i, size, &e)))
        return OP_FAULT;
    memcpy(cpu->xmm[i->reg & 15].b + size * (i->imm & (16 / size - 1)), &e, size);
    return OP_OK;
}
int op_pinsrb_x(struct cpu *cpu, const struct insn *i)
{
    return insert(cpu, i, 1);
}
int op_pinsrd_x(struct cpu *cpu, const struct insn *i)
{
    return insert(cpu, i, insn_osize(i) == 8 ? 8 : 4);
}
XMM(insertps, 4,
    vec_insertps(&d, s.d[i->flags & INSN_MEM ? 0 : i->imm >> 6 & 3], (unsigned)i->imm & 0xff))

/* ---- strings ---- */

/* The comparison; memory does not have to be aligned (SDM vol. 2B 4.1.8). len: the lengths are in
 * EAX and EDX. */
static int compare_strings(struct cpu *cpu, const struct insn *i, bool len, struct vec_string *r)
{
    unsigned imm = (unsigned)i->imm & 0xff;
    bool wide = insn_osize(i) == 8;
    union v128 a, b;
    if (unlikely(vector_check(cpu, i)))
        return OP_FAULT;
    a = vec_get(cpu, i->reg);
    if (!(i->flags & INSN_MEM))
        b = vec_get(cpu, i->rm);
    else if (unlikely(mem_load_bytes(cpu, i, 16, &b)))
        return OP_FAULT;
    unsigned la = string_scan(&a, imm), lb = string_scan(&b, imm);
    if (len) {
        int64_t ra = (int64_t)cpu->r[R_RAX], rd = (int64_t)cpu->r[R_RDX];
        la = string_length(wide ? ra : (int32_t)ra, imm);
        lb = string_length(wide ? rd : (int32_t)rd, imm);
    }
    *r = vec_pcmpstr(&a, la, &b, lb, imm);
    flags_set_image(cpu, (r->result ? EFLAGS_CF : 0) | (r->short2 ? EFLAGS_ZF : 0) |
                             (r->short1 ? EFLAGS_SF : 0) | (r->result & 1 ? EFLAGS_OF : 0));
    return OP_OK;
}
static int string_to_index(struct cpu *cpu, const struct insn *i, bool len)
{
    struct vec_string r;
    if (unlikely(compare_strings(cpu, i, len, &r)))
        return OP_FAULT;
    cpu->r[R_RCX] = vec_string_index(&r, (unsigned)i->imm & 0xff);
    return OP_OK;
}
static int string_to_mask(struct cpu *cpu, const struct insn *i, bool len)
{
    struct vec_string r;
    if (unlikely(compare_strings(cpu, i, len, &r)))
        return OP_FAULT;
    union v128 m = vec_string_mask(&r, (unsigned)i->imm & 0xff);
    if (i->flags & INSN_VEX)
        avx_set128(cpu, 0, &m);
    else
        vec_set(cpu, 0, &m);
    return OP_OK;
}
#define STRING(name, fn, len)                                                                      \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return fn(cpu, i, len);                                                                    \
    }
STRING(pcmpestrm, string_to_mask, true)
STRING(pcmpestri, string_to_index, true)
STRING(pcmpistrm, string_to_mask, false)
STRING(pcmpistri, string_to_index, false)
VEX_FORM(pcmpestrm)
VEX_FORM(pcmpestri)
VEX_FORM(pcmpistrm)
VEX_FORM(pcmpistri)
