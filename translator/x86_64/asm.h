/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TRANSLATOR_X86_64_ASM_H
#define CALQUE_TRANSLATOR_X86_64_ASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* x86-64 machine code, written one instruction at a time (SDM vol. 2A chapter 2). Nothing here
 * knows of guests, and nothing looks whether there is room: a_room() does, for what is written
 * until it is called again. */

enum host_reg {
    H_RAX,
    H_RCX,
    H_RDX,
    H_RBX,
    H_RSP,
    H_RBP,
    H_RSI,
    H_RDI,
    H_R8,
    H_R9,
    H_R10,
    H_R11,
    H_R12,
    H_R13,
    H_R14,
    H_R15,
    H_NONE = 255,
};

/* Condition codes as Jcc, SETcc and CMOVcc encode them. */
enum host_cc { CC_O, CC_NO, CC_C, CC_NC, CC_Z, CC_NZ, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP };

struct assembler {
    uint8_t *p, *end; /* where the next byte is written */
    bool full;        /* there was no room: what was written since is of no use */
};
#define A_ROOM 2048u /* bytes that may be written between two calls of a_room() */

/* False, and full: none. */
static inline bool a_room(struct assembler *a)
{
    if (a->end - a->p < (ptrdiff_t)A_ROOM)
        a->full = true;
    return !a->full;
}

static inline void a_bytes(struct assembler *a, const void *bytes, unsigned n)
{
    memcpy(a->p, bytes, n);
    a->p += n;
}
static inline void a_byte(struct assembler *a, unsigned b)
{
    *a->p++ = (uint8_t)b;
}
static inline void a_u32(struct assembler *a, uint32_t v)
{
    a_bytes(a, &v, 4);
}
static inline void a_u64(struct assembler *a, uint64_t v)
{
    a_bytes(a, &v, 8);
}

/* A memory operand: [base + index << scale + disp]; without a base, absolute. */
struct host_mem {
    uint8_t base, index, scale;
    int32_t disp;
};

static inline struct host_mem h_at(unsigned base, int32_t disp)
{
    return (struct host_mem){.base = (uint8_t)base, .index = H_NONE, .disp = disp};
}

/* An opcode: low byte the opcode; the map in bits 8-15 (0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A);
 * a mandatory prefix in bits 16-23. */
#define OPC_0F      0x0100u
#define OPC_0F38    0x0200u
#define OPC_0F3A    0x0300u
#define OPC_PFX(p)  ((uint32_t)(p) << 16)
#define OPC_MAP(o)  ((o) >> 8 & 0xff)
#define OPC_PREF(o) ((o) >> 16 & 0xff)

/* Bytes of an instruction: as many as there are are written on their way from here to there, p
 * being where the next one goes, and a->p is stored once. What is not wanted is overwritten. */
static inline uint8_t *p_byte(uint8_t *p, unsigned b, bool wanted)
{
    *p = (uint8_t)b;
    return p + wanted;
}

/* Operand size in bytes: 1, 2, 4, 8; decides 66 and REX.W. byte_regs: REX is needed for SPL, BPL,
 * SIL, DIL. 0: neither (vector instructions). */
static inline uint8_t *p_prefixes(uint8_t *p, uint32_t opc, unsigned size, unsigned rex,
                                  bool force_rex)
{
    rex |= size & 8;
    p = p_byte(p, 0x66, size == 2);
    if (OPC_PREF(opc))
        p = p_byte(p, OPC_PREF(opc), true);
    p = p_byte(p, 0x40 | rex, rex || force_rex);
    if (OPC_MAP(opc))
        p = p_byte(p, 0x0f, true);
    if (OPC_MAP(opc) > 1)
        p = p_byte(p, OPC_MAP(opc) == 2 ? 0x38 : 0x3a, true);
    return p_byte(p, opc & 0xff, true);
}
static inline void a_prefixes(struct assembler *a, uint32_t opc, unsigned size, unsigned rex,
                              bool force_rex)
{
    a->p = p_prefixes(a->p, opc, size, rex, force_rex);
}

static inline bool byte_needs_rex(unsigned size, unsigned r)
{
    return size == 1 && r >= H_RSP && r <= H_RDI;
}

/* opc reg, rm between registers; `reg` may be an opcode extension. */
static inline void a_rr(struct assembler *a, uint32_t opc, unsigned size, unsigned reg, unsigned rm)
{
    unsigned rex = (reg >> 3 & 1) << 2 | (rm >> 3 & 1);
    uint8_t *p =
        p_prefixes(a->p, opc, size, rex, byte_needs_rex(size, reg) || byte_needs_rex(size, rm));
    a->p = p_byte(p, 0xc0 | (reg & 7) << 3 | (rm & 7), true);
}
/* opc /ext, rm: the extension is not a byte register. */
static inline void a_xr(struct assembler *a, uint32_t opc, unsigned size, unsigned ext, unsigned rm)
{
    uint8_t *p = p_prefixes(a->p, opc, size, rm >> 3 & 1, byte_needs_rex(size, rm));
    a->p = p_byte(p, 0xc0 | ext << 3 | (rm & 7), true);
}

static inline uint8_t *p_modrm_mem(uint8_t *p, unsigned reg, struct host_mem m)
{
    unsigned r = (reg & 7) << 3;
    bool sib = m.index != H_NONE || m.base == H_NONE || (m.base & 7) == H_RSP;
    unsigned index = m.index == H_NONE ? 4 : m.index & 7u, bytes = 4;
    if (m.base == H_NONE) { /* no base: disp32 through a SIB byte */
        p = p_byte(p, r | 4, true);
        p = p_byte(p, (unsigned)m.scale << 6 | index << 3 | 5, true);
    } else {
        bool none = m.disp == 0 && (m.base & 7) != H_RBP;
        bool small = m.disp == (int8_t)m.disp;
        p = p_byte(p, (none ? 0u : small ? 0x40u : 0x80u) | r | (sib ? 4u : m.base & 7u), true);
        p = p_byte(p, (unsigned)m.scale << 6 | index << 3 | (m.base & 7), sib);
        bytes = none ? 0 : small ? 1 : 4;
    }
    memcpy(p, &m.disp, 4);
    return p + bytes;
}
static inline void a_modrm_mem(struct assembler *a, unsigned reg, struct host_mem m)
{
    a->p = p_modrm_mem(a->p, reg, m);
}
static inline unsigned mem_rex(unsigned reg, struct host_mem m)
{
    return (reg >> 3 & 1) << 2 | (m.index == H_NONE ? 0 : (m.index >> 3 & 1u) << 1) |
           (m.base == H_NONE ? 0 : m.base >> 3 & 1u);
}
/* opc reg, [m]. */
static inline void a_rm(struct assembler *a, uint32_t opc, unsigned size, unsigned reg,
                        struct host_mem m)
{
    uint8_t *p = p_prefixes(a->p, opc, size, mem_rex(reg, m), byte_needs_rex(size, reg));
    a->p = p_modrm_mem(p, reg, m);
}
/* opc /ext, [m]. */
static inline void a_xm(struct assembler *a, uint32_t opc, unsigned size, unsigned ext,
                        struct host_mem m)
{
    uint8_t *p = p_prefixes(a->p, opc, size, mem_rex(0, m), false);
    a->p = p_modrm_mem(p, ext, m);
}

/* ---- often needed ---- */

static inline void a_mov_rr(struct assembler *a, unsigned size, unsigned dst, unsigned src)
{
    a_rr(a, size == 1 ? 0x88 : 0x89, size, src, dst);
}
static inline void a_load(struct assembler *a, unsigned size, unsigned dst, struct host_mem m)
{
    a_rm(a, size == 1 ? 0x8a : 0x8b, size, dst, m);
}
static inline void a_store(struct assembler *a, unsigned size, unsigned src, struct host_mem m)
{
    a_rm(a, size == 1 ? 0x88 : 0x89, size, src, m);
}
static inline void a_lea(struct assembler *a, unsigned size, unsigned dst, struct host_mem m)
{
    a_rm(a, 0x8d, size, dst, m);
}
/* The address n bytes behind this instruction. */
static inline void a_lea_next(struct assembler *a, unsigned dst, int32_t n)
{
    a_prefixes(a, 0x8d, 8, (dst >> 3 & 1) << 2, false);
    a_byte(a, (dst & 7) << 3 | 5);
    a_u32(a, (uint32_t)n);
}
/* The shortest way to a 64-bit constant; flags stay. */
static inline void a_mov_imm(struct assembler *a, unsigned dst, uint64_t v)
{
    if (v <= UINT32_MAX) {
        a_prefixes(a, 0xb8 | (dst & 7), 4, dst >> 3 & 1, false);
        a_u32(a, (uint32_t)v);
    } else if ((int64_t)v == (int32_t)v) {
        a_xr(a, 0xc7, 8, 0, dst);
        a_u32(a, (uint32_t)v);
    } else {
        a_prefixes(a, 0xb8 | (dst & 7), 8, dst >> 3 & 1, false);
        a_u64(a, v);
    }
}
/* ADD OR ADC SBB AND SUB XOR CMP (0-7) of a register or memory with an immediate that fits in 32
 * bits, sign-extended. */
static inline void a_imm_tail(struct assembler *a, unsigned size, int32_t imm, bool small)
{
    if (small)
        a_byte(a, (uint8_t)imm);
    else if (size == 2)
        a_bytes(a, &imm, 2);
    else
        a_u32(a, (uint32_t)imm);
}
static inline void a_alu_ri(struct assembler *a, unsigned op, unsigned size, unsigned r,
                            int32_t imm)
{
    bool small = size == 1 || imm == (int8_t)imm;
    a_xr(a, size == 1 ? 0x80 : small ? 0x83 : 0x81, size, op, r);
    a_imm_tail(a, size, imm, small);
}
static inline void a_alu_mi(struct assembler *a, unsigned op, unsigned size, struct host_mem m,
                            int32_t imm)
{
    bool small = size == 1 || imm == (int8_t)imm;
    a_xm(a, size == 1 ? 0x80 : small ? 0x83 : 0x81, size, op, m);
    a_imm_tail(a, size, imm, small);
}
static inline void a_push(struct assembler *a, unsigned r)
{
    a_prefixes(a, 0x50 | (r & 7), 4, r >> 3 & 1, false);
}
static inline void a_pop(struct assembler *a, unsigned r)
{
    a_prefixes(a, 0x58 | (r & 7), 4, r >> 3 & 1, false);
}
static inline void a_ret(struct assembler *a)
{
    a_byte(a, 0xc3);
}

/* ---- jumps: the displacement is filled in when the target is known ---- */

/* Each returns where its 32-bit displacement is. */
static inline uint8_t *a_jmp(struct assembler *a)
{
    a_byte(a, 0xe9);
    a_u32(a, 0);
    return a->p - 4;
}
static inline uint8_t *a_call(struct assembler *a)
{
    a_byte(a, 0xe8);
    a_u32(a, 0);
    return a->p - 4;
}
static inline uint8_t *a_jcc(struct assembler *a, unsigned cc)
{
    a_byte(a, 0x0f);
    a_byte(a, 0x80 | cc);
    a_u32(a, 0);
    return a->p - 4;
}
/* Points a displacement at a target; both are addresses in the same mapping. */
static inline void a_fix(uint8_t *at, const uint8_t *target)
{
    int32_t d = (int32_t)(target - (at + 4));
    memcpy(at, &d, 4);
}
/* Jumps to something already written, in one instruction. */
static inline void a_jmp_to(struct assembler *a, const uint8_t *target)
{
    a_fix(a_jmp(a), target);
}
static inline void a_call_to(struct assembler *a, const uint8_t *target)
{
    a_fix(a_call(a), target);
}

#endif
