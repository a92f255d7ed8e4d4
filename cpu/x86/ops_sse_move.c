/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MMX, SSE and SSE2: moves, masks, element access. */
#include "cpu/x86/avx.h"
#include "cpu/x86/vec_int.h"

/* 16-byte moves. Aligned forms raise #GP(0) for memory that is not. */
static int load16(struct cpu *cpu, const struct insn *i, bool aligned)
{
    union v128 s;
    if (unlikely(sse_check(cpu)))
        return OP_FAULT;
    if (aligned || !(i->flags & INSN_MEM)) {
        if (unlikely(vec_source(cpu, i, 16, &s)))
            return OP_FAULT;
    } else if (unlikely(mem_load_bytes(cpu, i, 16, &s))) {
        return OP_FAULT;
    }
    vec_set(cpu, i->reg, &s);
    return OP_OK;
}
static int store16(struct cpu *cpu, const struct insn *i, bool aligned)
{
    uint64_t lin;
    union v128 v;
    if (unlikely(sse_check(cpu)))
        return OP_FAULT;
    v = vec_get(cpu, i->reg);
    if (!(i->flags & INSN_MEM)) {
        vec_set(cpu, i->rm, &v);
        return OP_OK;
    }
    if (aligned && unlikely(vec_linear_aligned(cpu, i, ACCESS_STORE, &lin)))
        return OP_FAULT;
    return mem_store_bytes(cpu, i, 16, &v);
}
#define MOVE16(name, fn, aligned)                                                                  \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return fn(cpu, i, aligned);                                                                \
    }
MOVE16(movups, load16, false)
MOVE16(movupd, load16, false)
MOVE16(movdqu, load16, false)
MOVE16(lddqu, load16, false)
MOVE16(movaps, load16, true)
MOVE16(movapd, load16, true)
MOVE16(movdqa, load16, true)
MOVE16(movups_store, store16, false)
MOVE16(movupd_store, store16, false)
MOVE16(movdqu_store, store16, false)
MOVE16(movaps_store, store16, true)
MOVE16(movapd_store, store16, true)
MOVE16(movdqa_store, store16, true)
MOVE16(movntps, store16, true)
MOVE16(movntpd, store16, true)
MOVE16(movntdq, store16, true)

/* d: destination register's old value, s: source of `size` bytes (zero-extended from memory). */
#define MOVE(name, size, body)                                                                     \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        bool mem = i->flags & INSN_MEM;                                                            \
        if (unlikely(sse_check(cpu) || vec_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        d = vec_get(cpu, i->reg);                                                                  \
        (void)mem;                                                                                 \
        body;                                                                                      \
        vec_set(cpu, i->reg, &d);                                                                  \
        return OP_OK;                                                                              \
    }
/* MOVSS, MOVSD from memory clear the rest; between registers they merge. */
MOVE(movss, 4, if (mem) d = s; else d.d[0] = s.d[0])
MOVE(movsd, 8, if (mem) d = s; else d.q[0] = s.q[0])
MOVE(movq, 8, (d.q[0] = s.q[0], d.q[1] = 0))
MOVE(movlps, 8, d.q[0] = s.q[0])
MOVE(movlpd, 8, d.q[0] = s.q[0])
MOVE(movhps, 8, d.q[1] = s.q[0])
MOVE(movhpd, 8, d.q[1] = s.q[0])
MOVE(movhlps, 8, d.q[0] = s.q[1])
MOVE(movlhps, 8, d.q[1] = s.q[0])
MOVE(movddup, 8, vec_movddup(&d, &s))
MOVE(movsldup, 16, vec_movsldup(&d, &s))
MOVE(movshdup, 16, vec_movshdup(&d, &s))

/* Stores of part of a register; to a register they merge, but MOVQ clears the rest. */
#define STORE(name, bits, from, body)                                                              \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        union v128 s, d;                                                                           \
        if (unlikely(vector_check(cpu, i)))                                                        \
            return OP_FAULT;                                                                       \
        s = vec_get(cpu, i->reg);                                                                  \
        if (i->flags & INSN_MEM)                                                                   \
            return mem_store##bits(cpu, i, s.from);                                                \
        d = vec_get(cpu, i->rm);                                                                   \
        body;                                                                                      \
        vec_set(cpu, i->rm, &d);                                                                   \
        return OP_OK;                                                                              \
    }
STORE(movss_store, 32, d[0], d.d[0] = s.d[0])
STORE(movsd_store, 64, q[0], d.q[0] = s.q[0])
STORE(movq_store, 64, q[0], (d.q[0] = s.q[0], d.q[1] = 0))
STORE(movlps_store, 64, q[0], )
STORE(movlpd_store, 64, q[0], )
STORE(movhps_store, 64, q[1], )
STORE(movhpd_store, 64, q[1], )
VEX_FORM(movss_store)
VEX_FORM(movsd_store)
VEX_FORM(movlps_store)
VEX_FORM(movlpd_store)
VEX_FORM(movhps_store)
VEX_FORM(movhpd_store)

/* The 32- or 64-bit general register or memory operand of MOVD/MOVQ. */
static int general_source(struct cpu *cpu, const struct insn *i, uint64_t *v)
{
    bool wide = insn_osize(i) == 8;
    uint32_t low;
    if (!(i->flags & INSN_MEM)) {
        *v = wide ? cpu->r[i->rm] : (uint32_t)cpu->r[i->rm];
        return 0;
    }
    if (wide)
        return mem_load64(cpu, i, v);
    if (unlikely(mem_load32(cpu, i, &low)))
        return OP_FAULT;
    *v = low;
    return 0;
}
static int general_store(struct cpu *cpu, const struct insn *i, uint64_t v)
{
    bool wide = insn_osize(i) == 8;
    if (i->flags & INSN_MEM)
        return wide ? mem_store64(cpu, i, v) : mem_store32(cpu, i, (uint32_t)v);
    cpu->r[i->rm] = wide ? v : (uint32_t)v;
    return OP_OK;
}
int op_movd_x(struct cpu *cpu, const struct insn *i)
{
    union v128 v = {0};
    if (unlikely(sse_check(cpu) || general_source(cpu, i, &v.q[0])))
        return OP_FAULT;
    vec_set(cpu, i->reg, &v);
    return OP_OK;
}
int op_movd_store_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(vector_check(cpu, i)))
        return OP_FAULT;
    return general_store(cpu, i, cpu->xmm[i->reg & 15].q[0]);
}
VEX_FORM(movd_store)
int op_movd_mmx_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v;
    if (unlikely(mmx_check(cpu) || general_source(cpu, i, &v)))
        return OP_FAULT;
    mmx_set(cpu, i->reg, v);
    return OP_OK;
}
int op_movd_mmx_store_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(mmx_check(cpu) || general_store(cpu, i, cpu->fpr[i->reg & 7].mant)))
        return OP_FAULT;
    mmx_enter(cpu);
    return OP_OK;
}
int op_movq_mmx_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s;
    if (unlikely(mmx_check(cpu) || mmx_source(cpu, i, &s)))
        return OP_FAULT;
    mmx_set(cpu, i->reg, s.q[0]);
    return OP_OK;
}
int op_movq_mmx_store_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = cpu->fpr[i->reg & 7].mant;
    if (unlikely(mmx_check(cpu)))
        return OP_FAULT;
    if (!(i->flags & INSN_MEM)) {
        mmx_set(cpu, i->rm, v);
        return OP_OK;
    }
    if (unlikely(mem_store64(cpu, i, v)))
        return OP_FAULT;
    mmx_enter(cpu);
    return OP_OK;
}
int op_movntq_x(struct cpu *cpu, const struct insn *i)
{
    return op_movq_mmx_store_x(cpu, i);
}
int op_movq2dq_x(struct cpu *cpu, const struct insn *i)
{
    union v128 v = {0};
    if (unlikely(sse_check(cpu) || mmx_check(cpu)))
        return OP_FAULT;
    v.q[0] = cpu->fpr[i->rm & 7].mant;
    vec_set(cpu, i->reg, &v);
    mmx_enter(cpu);
    return OP_OK;
}
int op_movdq2q_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(sse_check(cpu) || mmx_check(cpu)))
        return OP_FAULT;
    mmx_set(cpu, i->reg, cpu->xmm[i->rm & 15].q[0]);
    return OP_OK;
}
int op_emms_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if (unlikely(mmx_check(cpu)))
        return OP_FAULT;
    x87_set_top(cpu, 0);
    cpu->ftw = 0;
    cpu->fsw &=
        (uint16_t) ~(7u << 11); /* TOP is 0 too (SDM vol. 3A 13.2, effects on the x87 state) */
    return OP_OK;
}

/* ---- sign masks and words ---- */
#define MASK(name)                                                                                 \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        if (unlikely(sse_check(cpu)))                                                              \
            return OP_FAULT;                                                                       \
        union v128 s = vec_get(cpu, i->rm);                                                        \
        cpu->r[i->reg] = vec_##name(&s);                                                           \
        return OP_OK;                                                                              \
    }
MASK(movmskps)
MASK(movmskpd)
MASK(pmovmskb)
int op_pmovmskb_mmx_x(struct cpu *cpu, const struct insn *i)
{
    union v128 s = {0};
    if (unlikely(mmx_check(cpu)))
        return OP_FAULT;
    s.q[0] = cpu->fpr[i->rm & 7].mant;
    mmx_enter(cpu);
    cpu->r[i->reg] = vec_pmovmskb(&s);
    return OP_OK;
}

int op_pextrw_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(vector_check(cpu, i)))
        return OP_FAULT;
    cpu->r[i->reg] = cpu->xmm[i->rm & 15].w[i->imm & 7];
    return OP_OK;
}
VEX_FORM(pextrw)
int op_pextrw_mmx_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(mmx_check(cpu)))
        return OP_FAULT;
    cpu->r[i->reg] = (uint16_t)(cpu->fpr[i->rm & 7].mant >> 16 * (i->imm & 3));
    mmx_enter(cpu);
    return OP_OK;
}
static int word_source(struct cpu *cpu, const struct insn *i, uint16_t *v)
{
    if (i->flags & INSN_MEM)
        return mem_load16(cpu, i, v);
    *v = (uint16_t)cpu->r[i->rm];
    return 0;
}
int op_pinsrw_x(struct cpu *cpu, const struct insn *i)
{
    uint16_t v;
    if (unlikely(sse_check(cpu) || word_source(cpu, i, &v)))
        return OP_FAULT;
    cpu->xmm[i->reg & 15].w[i->imm & 7] = v;
    return OP_OK;
}
int op_pinsrw_mmx_x(struct cpu *cpu, const struct insn *i)
{
    uint16_t v;
    union v128 d;
    if (unlikely(mmx_check(cpu) || word_source(cpu, i, &v)))
        return OP_FAULT;
    d.q[0] = cpu->fpr[i->reg & 7].mant;
    d.w[i->imm & 3] = v;
    mmx_set(cpu, i->reg, d.q[0]);
    return OP_OK;
}

/* MASKMOVQ, MASKMOVDQU: bytes of value with their mask's sign bit set go to seg:rDI. The whole
 * range is probed first, so that a fault leaves memory unchanged. */
static int masked_store(struct cpu *cpu, const struct insn *i, const union v128 *v,
                        const union v128 *mask, unsigned n)
{
    uint64_t lin;
    uint64_t off = cpu->r[R_RDI] & (~0ull >> (64 - 8 * insn_asize(i)));
    if (unlikely(seg_linear(cpu, i->seg, off, n, ACCESS_STORE, &lin)))
        return OP_FAULT;
    for (unsigned k = 0; k < n; k += 8) { /* in quadwords, for #AC too */
        if (unlikely(lin_probe_store(cpu, lin + k, 8)))
            return OP_FAULT;
    }
    for (unsigned k = 0; k < n; k++) {
        if (mask->b[k] & 0x80 && unlikely(lin_store8(cpu, lin + k, v->b[k])))
            return OP_FAULT;
    }
    return OP_OK;
}
int op_maskmovdqu_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(vector_check(cpu, i)))
        return OP_FAULT;
    union v128 v = vec_get(cpu, i->reg), m = vec_get(cpu, i->rm);
    return masked_store(cpu, i, &v, &m, 16);
}
VEX_FORM(maskmovdqu)
int op_maskmovq_x(struct cpu *cpu, const struct insn *i)
{
    union v128 v = {0}, m = {0};
    if (unlikely(mmx_check(cpu)))
        return OP_FAULT;
    v.q[0] = cpu->fpr[i->reg & 7].mant;
    m.q[0] = cpu->fpr[i->rm & 7].mant;
    if (unlikely(masked_store(cpu, i, &v, &m, 8)))
        return OP_FAULT;
    mmx_enter(cpu);
    return OP_OK;
}
