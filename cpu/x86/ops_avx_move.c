/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VEX-encoded moves, insertions of elements, VZEROUPPER. Instructions that write no vector register
 * are with their legacy forms. */
#include "cpu/x86/avx.h"
#include "cpu/x86/vec_int.h"
#include "cpu/x86/vec_sse4.h"

int avx_load(struct cpu *cpu, const struct insn *i, unsigned size, union v256 *s)
{
    if (size == 32)
        return mem_load_bytes(cpu, i, 32, s);
    s->h[1] = (union v128){0};
    if (size == 16)
        return mem_load_bytes(cpu, i, 16, s);
    s->h[0] = (union v128){0};
    return mem_load_bytes(cpu, i, size, s);
}

/* Whole vectors. Aligned forms raise #GP(0) for memory that is not. */
static int load(struct cpu *cpu, const struct insn *i, bool aligned)
{
    union v256 v;
    uint64_t lin;
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    if (aligned && i->flags & INSN_MEM) {
        if (unlikely(insn_linear(cpu, i, avx_size(i), ACCESS_LOAD, &lin)))
            return OP_FAULT;
        if (unlikely(lin & (avx_size(i) - 1)))
            return raise_gp(cpu, 0);
    }
    if (unlikely(avx_source(cpu, i, avx_size(i), &v)))
        return OP_FAULT;
    avx_set(cpu, i, i->reg, &v);
    return OP_OK;
}
static int store(struct cpu *cpu, const struct insn *i, bool aligned)
{
    union v256 v;
    uint64_t lin;
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    v = avx_get(cpu, i->reg);
    if (!(i->flags & INSN_MEM)) {
        avx_set(cpu, i, i->rm, &v);
        return OP_OK;
    }
    if (unlikely(aligned && insn_linear(cpu, i, avx_size(i), ACCESS_STORE, &lin)))
        return OP_FAULT;
    if (unlikely(aligned && lin & (avx_size(i) - 1)))
        return raise_gp(cpu, 0);
    return mem_store_bytes(cpu, i, avx_size(i), &v);
}
#define MOVE(name, fn, aligned)                                                                    \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        return fn(cpu, i, aligned);                                                                \
    }
MOVE(movups, load, false)
MOVE(movupd, load, false)
MOVE(movdqu, load, false)
MOVE(lddqu, load, false)
MOVE(movaps, load, true)
MOVE(movapd, load, true)
MOVE(movdqa, load, true)
MOVE(movntdqa, load, true)
MOVE(movups_store, store, false)
MOVE(movupd_store, store, false)
MOVE(movdqu_store, store, false)
MOVE(movaps_store, store, true)
MOVE(movapd_store, store, true)
MOVE(movdqa_store, store, true)
MOVE(movntps, store, true)
MOVE(movntpd, store, true)
MOVE(movntdq, store, true)

#define DUPLICATE(name, size)                                                                      \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 s, v;                                                                           \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, size, &s)))                              \
            return OP_FAULT;                                                                       \
        for (unsigned h = 0; h < avx_halves(i); h++)                                               \
            vec_##name(&v.h[h], &s.h[h]);                                                          \
        avx_set(cpu, i, i->reg, &v);                                                               \
        return OP_OK;                                                                              \
    }
DUPLICATE(movddup, i->flags &INSN_L256 ? 32 : 8)
DUPLICATE(movsldup, avx_size(i))
DUPLICATE(movshdup, avx_size(i))

/* 128-bit results: d has VEX.vvvv, s the source of `size` bytes, zero-extended from memory. */
#define MOVE128(name, size, dst, body)                                                             \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 from;                                                                           \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, size, &from)))                           \
            return OP_FAULT;                                                                       \
        union v128 d = vec_get(cpu, i->vreg), s = from.h[0];                                       \
        (void)s;                                                                                   \
        body;                                                                                      \
        avx_set128(cpu, dst, &d);                                                                  \
        return OP_OK;                                                                              \
    }
MOVE128(movss, 4, i->reg, d = s)
MOVE128(movsd, 8, i->reg, d = s)
MOVE128(movss_merge, 16, i->reg, d.d[0] = s.d[0])
MOVE128(movsd_merge, 16, i->reg, d.q[0] = s.q[0])
MOVE128(movss_merge_store, 16, i->rm, d.d[0] = cpu->xmm[i->reg & 15].d[0])
MOVE128(movsd_merge_store, 16, i->rm, d.q[0] = cpu->xmm[i->reg & 15].q[0])
MOVE128(movq, 8, i->reg, (d.q[0] = s.q[0], d.q[1] = 0))
MOVE128(movlps, 8, i->reg, d.q[0] = s.q[0])
MOVE128(movlpd, 8, i->reg, d.q[0] = s.q[0])
MOVE128(movhps, 8, i->reg, d.q[1] = s.q[0])
MOVE128(movhpd, 8, i->reg, d.q[1] = s.q[0])
MOVE128(movhlps, 16, i->reg, d.q[0] = s.q[1])
MOVE128(movlhps, 16, i->reg, d.q[1] = s.q[0])
MOVE128(insertps, 4, i->reg,
        vec_insertps(&d, s.d[i->flags & INSN_MEM ? 0 : i->imm >> 6 & 3], (unsigned)i->imm & 0xff))

int op_vmovq_store_x(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    union v128 v = {.q = {cpu->xmm[i->reg & 15].q[0]}};
    if (i->flags & INSN_MEM)
        return mem_store64(cpu, i, v.q[0]);
    avx_set128(cpu, i->rm, &v);
    return OP_OK;
}

/* ---- from a general register or memory ---- */

static int general_source(struct cpu *cpu, const struct insn *i, unsigned size, uint64_t *v)
{
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    *v = 0;
    if (i->flags & INSN_MEM)
        return mem_load_bytes(cpu, i, size, v);
    memcpy(v, &cpu->r[i->rm], size);
    return 0;
}
int op_vmovd_x(struct cpu *cpu, const struct insn *i)
{
    union v128 v = {0};
    if (unlikely(general_source(cpu, i, insn_osize(i) == 8 ? 8 : 4, &v.q[0])))
        return OP_FAULT;
    avx_set128(cpu, i->reg, &v);
    return OP_OK;
}
static int insert(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint64_t e;
    if (unlikely(general_source(cpu, i, size, &e)))
        return OP_FAULT;
    union v128 d = vec_get(cpu, i->vreg);
    memcpy(d.b + size * (i->imm & (16 / size - 1)), &e, size);
    avx_set128(cpu, i->reg, &d);
    return OP_OK;
}
int op_vpinsrb_x(struct cpu *cpu, const struct insn *i)
{
    return insert(cpu, i, 1);
}
int op_vpinsrw_x(struct cpu *cpu, const struct insn *i)
{
    return insert(cpu, i, 2);
}
int op_vpinsrd_x(struct cpu *cpu, const struct insn *i)
{
    return insert(cpu, i, insn_osize(i) == 8 ? 8 : 4);
}

/* ---- all registers that the mode has ---- */

static int zero(struct cpu *cpu, unsigned from)
{
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    for (unsigned n = 0; n < (cpu->code_mode == CODE64 ? 16 : 8); n++)
        memset(cpu->xmm[n].b + from, 0, 32 - from);
    return OP_OK;
}
int op_vzeroupper_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return zero(cpu, 16);
}
int op_vzeroall_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    return zero(cpu, 0);
}
