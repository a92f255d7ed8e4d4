/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moves and conversions, SETcc and CMOVcc, the stack, flags in AH, NOPs. */
#include <sched.h>

#include "cpu/x86/operand.h"
#include "cpu/x86/vec_crypto.h"

#include "cpu/x86/cond.h"

static uint64_t read_reg(const struct cpu *cpu, unsigned n, unsigned size) /* size 2, 4, 8 */
{
    return cpu->r[n] & (~0ull >> (64 - 8 * size));
}

int op_lea_x(struct cpu *cpu, const struct insn *i)
{
    set_reg(cpu, i->reg, insn_osize(i), insn_ea(cpu, i));
    return OP_OK;
}

#define EXTEND(n, s, src, type)                                                                    \
    static inline UINT(s) n##s(struct cpu *cpu, const struct insn *i, UINT(s) old, UINT(src) v)    \
    {                                                                                              \
        (void)cpu, (void)i, (void)old;                                                             \
        return (UINT(s))(type)v;                                                                   \
    }                                                                                              \
    LOAD_FORMS_OF(n, s, src)
#define MOVZX8(n, s)  EXTEND(n, s, 8, uint8_t)
#define MOVSX8(n, s)  EXTEND(n, s, 8, int8_t)
#define MOVZX16(n, s) EXTEND(n, s, 16, uint16_t)
#define MOVSX16(n, s) EXTEND(n, s, 16, int16_t)
#define MOVSXD(n, s)  EXTEND(n, s, 32, int32_t)
EACH_WIDE(MOVZX8, movzx8)
EACH_WIDE(MOVSX8, movsx8)
EACH_WIDE(MOVZX16, movzx16)
EACH_WIDE(MOVSX16, movsx16)
EACH_WIDE(MOVSXD, movsxd)

#define SET_CC(n, cc)                                                                              \
    int op_set##cc##_r(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        WR8(i->reg, cond_##cc(cpu));                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_set##cc##_m(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        return mem_store8(cpu, i, cond_##cc(cpu));                                                 \
    }
EACH_CONDITION(SET_CC, )

/* The source is read, and may fault, whatever the condition; a 32-bit destination is
 * zero-extended even if not moved (SDM vol. 2A, CMOVcc). */
#define CMOV_CC_SIZE(cc, s)                                                                        \
    static inline UINT(s)                                                                          \
        cmov##cc##s(struct cpu *cpu, const struct insn *i, UINT(s) old, UINT(s) v)                 \
    {                                                                                              \
        (void)i;                                                                                   \
        return cond_##cc(cpu) ? v : old;                                                           \
    }                                                                                              \
    LOAD_FORMS(cmov##cc, s)
#define CMOV_CC(n, cc) CMOV_CC_SIZE(cc, 16) CMOV_CC_SIZE(cc, 32) CMOV_CC_SIZE(cc, 64)
EACH_CONDITION(CMOV_CC, )

/* ---- memory in other shapes ---- */

static uint64_t swap_bytes(uint64_t v, unsigned size)
{
    return size == 2   ? __builtin_bswap16((uint16_t)v)
           : size == 4 ? __builtin_bswap32((uint32_t)v)
                       : __builtin_bswap64(v);
}

int op_movbe_load_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = 0;
    if (mem_load_bytes(cpu, i, insn_osize(i), &v))
        return OP_FAULT;
    set_reg(cpu, i->reg, insn_osize(i), swap_bytes(v, insn_osize(i)));
    return OP_OK;
}

int op_movbe_store_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = swap_bytes(cpu->r[i->reg], insn_osize(i));
    return mem_store_bytes(cpu, i, insn_osize(i), &v);
}

/* BSWAP of a 16-bit register is undefined; processors clear it. */
int op_bswap_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    set_reg(cpu, i->reg, size, size == 2 ? 0 : swap_bytes(cpu->r[i->reg], size));
    return OP_OK;
}

int op_movnti_x(struct cpu *cpu, const struct insn *i)
{
    return mem_store_bytes(cpu, i, insn_osize(i), &cpu->r[i->reg]);
}

/* 64-bit mode: MOV between the accumulator and an 8-byte offset. */
int op_mov_moffs_load_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t lin, v = 0;
    unsigned size = insn_osize(i);
    if (seg_linear(cpu, i->seg, i->imm, size, ACCESS_LOAD, &lin))
        return OP_FAULT;
    const void *p = tlb_hit(cpu->tlb_load, lin, size);
    if (p)
        memcpy(&v, p, size);
    else if (mem_load_slow(cpu, lin, size, &v))
        return OP_FAULT;
    if (size == 1)
        WR8(0, v);
    else
        set_reg(cpu, R_RAX, size, v);
    return OP_OK;
}

int op_mov_moffs_store_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t lin;
    unsigned size = insn_osize(i);
    if (seg_linear(cpu, i->seg, i->imm, size, ACCESS_STORE, &lin))
        return OP_FAULT;
    void *p = tlb_hit(cpu->tlb_store, lin, size);
    if (!p)
        return mem_store_slow(cpu, lin, size, &cpu->r[R_RAX]);
    memcpy(p, &cpu->r[R_RAX], size);
    return OP_OK;
}

int op_xlat_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t v;
    uint64_t ea = cpu->r[R_RBX] + RD8(0);
    if (seg_load8(cpu, i->seg, ea & (~0ull >> (64 - 8 * insn_asize(i))), &v))
        return OP_FAULT;
    WR8(0, v);
    return OP_OK;
}

/* ---- conversions ---- */

int op_cbw_x(struct cpu *cpu, const struct insn *i)
{
    switch (insn_osize(i)) {
    case 2:
        WR16(R_RAX, (int8_t)RD8(0));
        break;
    case 4:
        WR32(R_RAX, (int16_t)RD16(R_RAX));
        break;
    default:
        WR64(R_RAX, (int64_t)(int32_t)RD32(R_RAX));
        break;
    }
    return OP_OK;
}

int op_cwd_x(struct cpu *cpu, const struct insn *i)
{
    switch (insn_osize(i)) {
    case 2:
        WR16(R_RDX, (int16_t)RD16(R_RAX) >> 15);
        break;
    case 4:
        WR32(R_RDX, (int32_t)RD32(R_RAX) >> 31);
        break;
    default:
        WR64(R_RDX, (int64_t)RD64(R_RAX) >> 63);
        break;
    }
    return OP_OK;
}

/* ---- stack ---- */

int op_push_r(struct cpu *cpu, const struct insn *i)
{
    return push(cpu, insn_osize(i), cpu->r[i->reg]);
}

int op_push_m(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = 0;
    if (mem_load_bytes(cpu, i, insn_osize(i), &v))
        return OP_FAULT;
    return push(cpu, insn_osize(i), v);
}

int op_push_imm_x(struct cpu *cpu, const struct insn *i)
{
    return push(cpu, insn_osize(i), i->imm);
}

int op_pop_r(struct cpu *cpu, const struct insn *i)
{
    uint64_t v;
    if (pop(cpu, insn_osize(i), &v))
        return OP_FAULT;
    set_reg(cpu, i->reg, insn_osize(i), v);
    return OP_OK;
}

/* POP to memory computes an RSP-based address after the increment (SDM vol. 2B, POP). */
int op_pop_m(struct cpu *cpu, const struct insn *i)
{
    uint64_t v, old = cpu->r[R_RSP];
    if (pop(cpu, insn_osize(i), &v))
        return OP_FAULT;
    if (mem_store_bytes(cpu, i, insn_osize(i), &v)) {
        cpu->r[R_RSP] = old;
        return OP_FAULT;
    }
    return OP_OK;
}

int op_pusha_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t old = cpu->r[R_RSP];
    for (unsigned n = 0; n < 8; n++)
        if (push(cpu, size, n == R_RSP ? old : cpu->r[n])) {
            cpu->r[R_RSP] = old;
            return OP_FAULT;
        }
    return OP_OK;
}

int op_popa_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t v[8];
    for (unsigned n = 0; n < 8; n++)
        if (stack_peek(cpu, n * size, size, &v[n]))
            return OP_FAULT;
    set_stack_pointer(cpu, stack_pointer(cpu) + 8 * size);
    for (unsigned n = 0; n < 8; n++)
        if (7 - n != R_RSP)
            set_reg(cpu, 7 - n, size, v[n]);
    return OP_OK;
}

/* LEAVE: SP from BP, then POP BP; SP changes last. */
int op_leave_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v, old = cpu->r[R_RSP];
    set_stack_pointer(cpu, cpu->r[R_RBP]);
    if (pop(cpu, insn_osize(i), &v)) {
        cpu->r[R_RSP] = old;
        return OP_FAULT;
    }
    set_reg(cpu, R_RBP, insn_osize(i), v);
    return OP_OK;
}

/* ENTER size, level (SDM vol. 2A). The registers change after the last access. */
/* Linear address of a stack reference of ENTER; not canonical: #SS(0) (SDM vol. 1 3.3.7.1). */
static int enter_linear(struct cpu *cpu, uint64_t off, unsigned size, enum mem_access acc,
                        uint64_t *lin)
{
    if (seg_linear(cpu, SEG_SS, off, size, acc, lin))
        return OP_FAULT;
    bool ok = cpu->code_mode != CODE64 || is_canonical(*lin);
    return ok ? 0 : raise_error(cpu, EXC_SS, 0);
}

int op_enter_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i), level = i->imm >> 16 & 31;
    uint64_t old_sp = cpu->r[R_RSP], bp = cpu->r[R_RBP], frame, v;
    uint64_t stack_mask = ~0ull >> (64 - (8u << cpu->stack_size));
    if (push(cpu, size, bp))
        return OP_FAULT;
    frame = cpu->r[R_RSP];
    for (unsigned n = 1; n < level; n++) {
        uint64_t lin;
        v = 0;
        if (enter_linear(cpu, (bp - n * size) & stack_mask, size, ACCESS_LOAD, &lin) ||
            mem_load_slow(cpu, lin, size, &v) || push(cpu, size, v))
            goto fault;
    }
    if (level && push(cpu, size, frame))
        goto fault;
    set_stack_pointer(cpu, stack_pointer(cpu) - (i->imm & 0xffff));
    /* the new top must be writable (SDM: checked before BP is written) */
    uint64_t lin;
    if (enter_linear(cpu, stack_pointer(cpu), size, ACCESS_STORE, &lin) ||
        lin_probe_store(cpu, lin, size))
        goto fault;
    /* of the operand size, whatever the stack's is (APM vol. 3, ENTER: rBP.v) */
    set_reg(cpu, R_RBP, size, frame);
    return OP_OK;
fault:
    cpu->r[R_RSP] = old_sp;
    return OP_FAULT;
}

/* ---- flags ---- */

int op_lahf_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    WR8(1, (flags_image(cpu) & 0xd5) | EFLAGS_FIXED);
    return OP_OK;
}

int op_sahf_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    flags_set_image(cpu, (flags_image(cpu) & EFLAGS_OF) | (RD8(1) & 0xd5));
    return OP_OK;
}

int op_clc_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    flag_set_cf(cpu, false);
    return OP_OK;
}

int op_stc_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    flag_set_cf(cpu, true);
    return OP_OK;
}

int op_cmc_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    flag_set_cf(cpu, !flag_cf(cpu));
    return OP_OK;
}

int op_cld_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    cpu->eflags &= ~EFLAGS_DF;
    return OP_OK;
}

int op_std_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    cpu->eflags |= EFLAGS_DF;
    return OP_OK;
}

int op_salc_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    WR8(0, flag_cf(cpu) ? 0xff : 0);
    return OP_OK;
}

/* ---- others ---- */

int op_nop_x(struct cpu *cpu, const struct insn *i)
{
    (void)cpu, (void)i;
    return OP_OK;
}

int op_nop_ea_x(struct cpu *cpu, const struct insn *i)
{
    (void)cpu, (void)i;
    return OP_OK;
}

int op_prefetch_x(struct cpu *cpu, const struct insn *i)
{
    (void)cpu, (void)i;
    return OP_OK;
}

#define PAUSES_A_YIELD 64

/* A spin-wait loop: what it waits for is another processor's doing. */
int op_pause_x(struct cpu *cpu, const struct insn *i)
{
    if (cpu->v.m->ncpus == 1)
        return OP_OK;
    if (cpu->v.m->run.parallel) {
        /* Its thread may wait for a host processor. Where no other runs, a yield would only give
         * time away, on Linux as of 6.18 a whole slice of it. */
        if (atomic_load_explicit(&cpu->v.m->run.slices, memory_order_relaxed) > 1 &&
            !(++cpu->pauses % PAUSES_A_YIELD))
            sched_yield();
        return OP_OK;
    }
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    return OP_PAUSE;
}

/* BOUND: signed comparison against two words or doublewords; #BR outside. */
int op_bound_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint8_t b[8];
    uint64_t lin;
    /* two operands, for #AC too */
    if (insn_linear(cpu, i, 2 * size, ACCESS_LOAD, &lin) || mem_load_slow(cpu, lin, size, b) ||
        mem_load_slow(cpu, cut_address(cpu, lin + size), size, b + size))
        return OP_FAULT;
    int32_t v = size == 2 ? (int16_t)RD16(i->reg) : (int32_t)RD32(i->reg);
    int32_t low = size == 2 ? (int16_t)ld_le16(b) : (int32_t)ld_le32(b);
    int32_t high = size == 2 ? (int16_t)ld_le16(b + 2) : (int32_t)ld_le32(b + 4);
    return v < low || v > high ? raise_exception(cpu, EXC_BR) : OP_OK;
}

/* CRC32C (polynomial 11EDC6F41h, reflected), SDM vol. 2A CRC32. */
int op_crc32_x(struct cpu *cpu, const struct insn *i)
{
    unsigned size = insn_osize(i);
    uint64_t v = 0;
    if (i->flags & INSN_MEM) {
        if (mem_load_bytes(cpu, i, size, &v))
            return OP_FAULT;
    } else {
        v = size == 1 ? RD8(i->rm) : read_reg(cpu, i->rm, size);
    }
    WR32(i->reg, crc32c(RD32(i->reg), v, 8 * size));
    return OP_OK;
}
