/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AVX and AVX2: permutes, broadcasts, halves, masked moves, gathers. */
#include "cpu/x86/avx.h"

#define IMM ((unsigned)i->imm & 0xff)

/* ---- permutes: v is built from the source s, VEX.vvvv in a ---- */

#define PERMUTE(name, body)                                                                        \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        union v256 s, v;                                                                           \
        if (unlikely(avx_check(cpu) || avx_source(cpu, i, avx_size(i), &s)))                       \
            return OP_FAULT;                                                                       \
        const union v256 a = avx_get(cpu, i->vreg);                                                \
        (void)a;                                                                                   \
        body;                                                                                      \
        avx_set(cpu, i, i->reg, &v);                                                               \
        return OP_OK;                                                                              \
    }
#define EACH(k, n) for (unsigned k = 0; k < (n); k++)

/* Within 128 bits. */
PERMUTE(permilps, EACH(k, 8) v.d[k] = a.d[(k & 4) | (s.d[k] & 3)])
PERMUTE(permilpd, EACH(k, 4) v.q[k] = a.q[(k & 2) | (s.q[k] >> 1 & 1)])
PERMUTE(permilps_imm, EACH(k, 8) v.d[k] = s.d[(k & 4) | (IMM >> 2 * (k & 3) & 3)])
PERMUTE(permilpd_imm, EACH(k, 4) v.q[k] = s.q[(k & 2) | (IMM >> k & 1)])
/* Across. VPERMPS is VPERMD, VPERMPD is VPERMQ. */
PERMUTE(permd, EACH(k, 8) v.d[k] = s.d[a.d[k] & 7])
PERMUTE(permq, EACH(k, 4) v.q[k] = s.q[IMM >> 2 * k & 3])

/* Each half: one of four halves, or zero. */
static union v128 choose_half(const union v256 *a, const union v256 *s, unsigned control)
{
    if (control & 8)
        return (union v128){0};
    return (control & 2 ? s : a)->h[control & 1];
}
PERMUTE(perm2f128, EACH(h, 2) v.h[h] = choose_half(&a, &s, IMM >> 4 * h))
PERMUTE(perm2i128, EACH(h, 2) v.h[h] = choose_half(&a, &s, IMM >> 4 * h))

static int insert_half(struct cpu *cpu, const struct insn *i)
{
    union v256 s, v;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, 16, &s)))
        return OP_FAULT;
    v = avx_get(cpu, i->vreg);
    v.h[IMM & 1] = s.h[0];
    avx_set(cpu, i, i->reg, &v);
    return OP_OK;
}
static int extract_half(struct cpu *cpu, const struct insn *i)
{
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    const union v256 v = avx_get(cpu, i->reg);
    if (i->flags & INSN_MEM)
        return mem_store_bytes(cpu, i, 16, &v.h[IMM & 1]);
    avx_set128(cpu, i->rm, &v.h[IMM & 1]);
    return OP_OK;
}

/* ---- broadcasts of `size` bytes ---- */

static int broadcast(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union v256 s, v;
    if (unlikely(avx_check(cpu) || avx_source(cpu, i, size, &s)))
        return OP_FAULT;
    for (unsigned k = 0; k < 32; k += size)
        memcpy((uint8_t *)&v + k, &s, size);
    avx_set(cpu, i, i->reg, &v);
    return OP_OK;
}

/* ---- masked moves: the sign of a lane of VEX.vvvv says whether it is accessed ---- */

/* Lane k's linear address. Only the first is cut to the address size, as with any operand. */
static int lane_linear(struct cpu *cpu, const struct insn *i, unsigned k, unsigned size,
                       enum mem_access acc, uint64_t *lin)
{
    return seg_linear(cpu, i->seg, insn_ea(cpu, i) + k * size, size, acc, lin);
}
static bool lane_wanted(const union v256 *mask, unsigned k, unsigned size)
{
    return size == 4 ? mask->d[k] >> 31 : mask->q[k] >> 63;
}
/* No alignment checks (SDM vol. 2C, VMASKMOV, VGATHERDPS): what is not aligned is taken in bytes.
 */
static int load_unchecked(struct cpu *cpu, uint64_t lin, unsigned size, uint8_t *out)
{
    uint8_t bytes[8];
    if (!(lin & (size - 1)))
        return size == 4 ? lin_load32(cpu, lin, (uint32_t *)out)
                         : lin_load64(cpu, lin, (uint64_t *)out);
    for (unsigned k = 0; k < size; k++)
        if (unlikely(lin_load8(cpu, lin + k, bytes + k)))
            return OP_FAULT;
    memcpy(out, bytes, size);
    return 0;
}
static int masked_load(struct cpu *cpu, const struct insn *i, unsigned size)
{
    union v256 v = {0};
    uint64_t lin;
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    const union v256 mask = avx_get(cpu, i->vreg);
    for (unsigned k = 0; k < avx_size(i) / size; k++) {
        if (!lane_wanted(&mask, k, size))
            continue;
        if (unlikely(lane_linear(cpu, i, k, size, ACCESS_LOAD, &lin) ||
                     load_unchecked(cpu, lin, size, (uint8_t *)&v + k * size)))
            return OP_FAULT;
    }
    avx_set(cpu, i, i->reg, &v);
    return OP_OK;
}
/* A store of `size` bytes, without alignment checks too: its first byte, and where it goes on on
 * another page, that page's first byte. */
static int probe_unchecked(struct cpu *cpu, uint64_t lin, unsigned size)
{
    uint64_t last = lin + size - 1;
    if (unlikely(lin_probe_store(cpu, lin, 1)))
        return OP_FAULT;
    return (lin ^ last) >> 12 ? lin_probe_store(cpu, last & ~0xfffull, 1) : 0;
}
/* All lanes are probed before the first is stored. */
static int masked_store(struct cpu *cpu, const struct insn *i, unsigned size)
{
    uint64_t lin[8];
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    const union v256 mask = avx_get(cpu, i->vreg), v = avx_get(cpu, i->reg);
    for (unsigned k = 0; k < avx_size(i) / size; k++) {
        if (!lane_wanted(&mask, k, size))
            continue;
        if (unlikely(lane_linear(cpu, i, k, size, ACCESS_STORE, &lin[k]) ||
                     probe_unchecked(cpu, lin[k], size)))
            return OP_FAULT;
    }
    for (unsigned k = 0; k < avx_size(i); k++) {
        const uint8_t *b = (const uint8_t *)&v + k;
        if (lane_wanted(&mask, k / size, size) &&
            unlikely(lin_store8(cpu, lin[k / size] + k % size, *b)))
            return OP_FAULT;
    }
    return OP_OK;
}

/* ---- gathers ---- */

/* Gathers do "not perform AC checks" (SDM vol. 2C, VGATHERDPS). */
static int gather_load(struct cpu *cpu, uint64_t lin, unsigned size, uint8_t *to)
{
    const void *p = tlb_hit(cpu->tlb_load, lin, size);
    if (unlikely(!p))
        return mem_load_unaligned(cpu, lin, size, to);
    memcpy(to, p, size);
    return 0;
}

/* Address of element k: the index is `isize` bytes, sign-extended and scaled. */
static int gather_linear(struct cpu *cpu, const struct insn *i, const union v256 *index, unsigned k,
                         unsigned isize, unsigned size, uint64_t *lin)
{
    uint64_t n = isize == 4 ? (uint64_t)(int32_t)index->d[k] : index->q[k];
    uint64_t off = cpu->r[i->base] + (n << i->scale) + (uint64_t)(int64_t)i->disp;
    return seg_linear(cpu, i->seg, off & (~0ull >> (64 - 8 * insn_asize(i))), size, ACCESS_LOAD,
                      lin);
}
/* Elements are loaded in order; a fault leaves those before it in the destination and clears the
 * mask's lanes up to it, so that the instruction can go on (SDM vol. 2C, VGATHERDPS). */
static int gather(struct cpu *cpu, const struct insn *i, unsigned isize, unsigned size)
{
    unsigned wide = isize > size ? isize : size, n = avx_size(i) / wide;
    union v256 v, mask, index;
    uint64_t lin;
    if (unlikely(avx_check(cpu)))
        return OP_FAULT;
    v = avx_get(cpu, i->reg);
    index = avx_get(cpu, (unsigned)i->imm);
    mask = avx_get(cpu, i->vreg);
    for (unsigned k = 0; k < n; k++) {
        uint8_t *to = (uint8_t *)&v + k * size;
        if (lane_wanted(&mask, k, size) &&
            unlikely(gather_linear(cpu, i, &index, k, isize, size, &lin) ||
                     gather_load(cpu, lin, size, to))) {
            memcpy(&cpu->xmm[i->reg & 15], &v, 32);
            memcpy(&cpu->xmm[i->vreg & 15], &mask, 32);
            return OP_FAULT;
        }
        memset((uint8_t *)&mask + k * size, 0, size);
    }
    memset(&cpu->xmm[i->reg & 15], 0, 32);
    memcpy(&cpu->xmm[i->reg & 15], &v, n * size);
    memset(&cpu->xmm[i->vreg & 15], 0, 32);
    return OP_OK;
}

#define FORM(name, call)                                                                           \
    int op_v##name##_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        return call;                                                                               \
    }
FORM(insertf128, insert_half(cpu, i))
FORM(inserti128, insert_half(cpu, i))
FORM(extractf128, extract_half(cpu, i))
FORM(extracti128, extract_half(cpu, i))
FORM(broadcastss, broadcast(cpu, i, 4))
FORM(broadcastsd, broadcast(cpu, i, 8))
FORM(broadcastf128, broadcast(cpu, i, 16))
FORM(broadcasti128, broadcast(cpu, i, 16))
FORM(pbroadcastb, broadcast(cpu, i, 1))
FORM(pbroadcastw, broadcast(cpu, i, 2))
FORM(pbroadcastd, broadcast(cpu, i, 4))
FORM(pbroadcastq, broadcast(cpu, i, 8))
FORM(maskmovps, masked_load(cpu, i, 4))
FORM(maskmovpd, masked_load(cpu, i, 8))
FORM(pmaskmovd, masked_load(cpu, i, 4))
FORM(pmaskmovq, masked_load(cpu, i, 8))
FORM(maskmovps_store, masked_store(cpu, i, 4))
FORM(maskmovpd_store, masked_store(cpu, i, 8))
FORM(pmaskmovd_store, masked_store(cpu, i, 4))
FORM(pmaskmovq_store, masked_store(cpu, i, 8))
FORM(pgatherdd, gather(cpu, i, 4, 4))
FORM(pgatherdq, gather(cpu, i, 4, 8))
FORM(pgatherqd, gather(cpu, i, 8, 4))
FORM(pgatherqq, gather(cpu, i, 8, 8))
FORM(gatherdps, gather(cpu, i, 4, 4))
FORM(gatherdpd, gather(cpu, i, 4, 8))
FORM(gatherqps, gather(cpu, i, 8, 4))
FORM(gatherqpd, gather(cpu, i, 8, 8))
