/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_X87_H
#define CALQUE_CPU_X86_X87_H

#include "cpu/x86/ops.h"
#include "cpu/x86/vec.h"

/* What the x87, MMX and SSE operations share: the register stack, entry checks, exceptions. */

/* Status word (SDM vol. 1 8.1.3). The exception bits are those of MXCSR and the control word too.
 */
#define FSW_IE  0x0001
#define FSW_DE  0x0002
#define FSW_ZE  0x0004
#define FSW_OE  0x0008
#define FSW_UE  0x0010
#define FSW_PE  0x0020
#define FSW_EXC 0x003f
#define FSW_SF  0x0040
#define FSW_ES  0x0080
#define FSW_C0  0x0100
#define FSW_C1  0x0200
#define FSW_C2  0x0400
#define FSW_TOP 0x3800
#define FSW_C3  0x4000
#define FSW_B   0x8000
#define FSW_CC  (FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3)

#define FCW_TRUNCATE 0x0c00 /* rounding control: toward zero */

/* ---- the register stack ---- */

static inline unsigned x87_top(const struct cpu *cpu)
{
    return cpu->fsw >> 11 & 7;
}
static inline void x87_set_top(struct cpu *cpu, unsigned top)
{
    cpu->fsw = (uint16_t)((cpu->fsw & ~FSW_TOP) | (top & 7) << 11);
}
static inline struct x87_reg *x87_st(struct cpu *cpu, unsigned n)
{
    return &cpu->fpr[(x87_top(cpu) + n) & 7];
}
static inline bool x87_empty(const struct cpu *cpu, unsigned n)
{
    return !(cpu->ftw >> ((x87_top(cpu) + n) & 7) & 1);
}
static inline void x87_set_st(struct cpu *cpu, unsigned n, struct x87_reg v)
{
    *x87_st(cpu, n) = v;
    cpu->ftw |= 1 << ((x87_top(cpu) + n) & 7);
}
static inline void x87_free(struct cpu *cpu, unsigned n)
{
    cpu->ftw &= ~(1 << ((x87_top(cpu) + n) & 7));
}
static inline void x87_pop(struct cpu *cpu)
{
    x87_free(cpu, 0);
    x87_set_top(cpu, x87_top(cpu) + 1);
}
static inline void x87_push(struct cpu *cpu, struct x87_reg v)
{
    x87_set_top(cpu, x87_top(cpu) - 1);
    x87_set_st(cpu, 0, v);
}
static inline struct x87_reg x87_indefinite(void)
{
    return (struct x87_reg){.mant = 0xc000000000000000, .sexp = 0xffff};
}
/* The tag word of two bits per physical register, and the one bit that is kept of each
 * (ops_x87_env.c). */
uint16_t x87_full_tags(const struct cpu *cpu);
uint8_t x87_short_tags(uint16_t full);
/* Drives FERR# (ops_x87_state.c). */
void x87_set_ferr(struct cpu *cpu, bool level);

/* FLDCW, FRSTOR and others may change which flags are unmasked (SDM vol. 1 8.1.3.3). */
static inline void x87_update_summary(struct cpu *cpu)
{
    cpu->fsw &= (uint16_t) ~(FSW_ES | FSW_B);
    if (cpu->fsw & ~cpu->fcw & FSW_EXC)
        cpu->fsw |= FSW_ES | FSW_B;
    else if (unlikely(cpu->ferr))
        x87_set_ferr(cpu, false);
}

/* ---- entry checks: 0 or OP_FAULT ---- */

/* A waiting instruction met a pending exception: #MF, or with CR0.NE clear FERR# rises, and unless
 * IGNNE# is active the processor stands still in front of the instruction until an interrupt comes
 * (SDM vol. 1 D.2.1). FERR# falls when no unmasked exception is left. */
int x87_pending(struct cpu *cpu);

static inline int x87_check_nowait(struct cpu *cpu)
{
    return unlikely(cpu->cr0 & (CR0_EM | CR0_TS)) ? raise_exception(cpu, EXC_NM) : 0;
}
static inline int x87_check(struct cpu *cpu)
{
    if (unlikely(x87_check_nowait(cpu)))
        return OP_FAULT;
    return unlikely(cpu->fsw & FSW_ES) ? x87_pending(cpu) : 0;
}
static inline int mmx_check(struct cpu *cpu)
{
    if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS)))
        return raise_exception(cpu, cpu->cr0 & CR0_EM ? EXC_UD : EXC_NM);
    return unlikely(cpu->fsw & FSW_ES) ? x87_pending(cpu) : 0;
}
static inline int sse_check(struct cpu *cpu)
{
    if (unlikely(cpu->cr0 & CR0_EM || !(cpu->cr4 & CR4_OSFXSR)))
        return raise_ud(cpu);
    return unlikely(cpu->cr0 & CR0_TS) ? raise_exception(cpu, EXC_NM) : 0;
}

/* ---- the x87 part of an FXSAVE or XSAVE image (SDM vol. 1 10.5.1) ---- */

/* wide: with 64-bit pointers. */
void fx_put_x87(const struct cpu *cpu, uint8_t *image, bool wide);
void fx_get_x87(struct cpu *cpu, const uint8_t *image, bool wide);

/* ---- vector operands ---- */

/* Linear address of a 16-byte operand that has to be aligned: else #GP(0). */
static inline int vec_linear_aligned(struct cpu *cpu, const struct insn *i, enum mem_access acc,
                                     uint64_t *lin)
{
    if (unlikely(insn_linear(cpu, i, 16, acc, lin)))
        return OP_FAULT;
    return unlikely(*lin & 15) ? raise_gp(cpu, 0) : 0;
}
/* The first `size` bytes of the xmm rm operand or memory. 16 bytes of memory must be aligned. */
static inline int vec_source(struct cpu *cpu, const struct insn *i, unsigned size, union v128 *s)
{
    if (!(i->flags & INSN_MEM)) {
        memcpy(s, &cpu->xmm[i->rm & 15], 16);
        return 0;
    }
    if (size < 16) {
        memset(s, 0, sizeof(*s));
        return mem_load_bytes(cpu, i, size, s);
    }
    uint64_t lin;
    if (unlikely(vec_linear_aligned(cpu, i, ACCESS_LOAD, &lin)))
        return OP_FAULT;
    return mem_load_bytes(cpu, i, 16, s);
}
static inline union v128 vec_get(const struct cpu *cpu, unsigned n)
{
    union v128 v;
    memcpy(&v, &cpu->xmm[n & 15], 16);
    return v;
}
/* Legacy SSE leaves the upper half of YMM alone. */
static inline void vec_set(struct cpu *cpu, unsigned n, const union v128 *v)
{
    memcpy(&cpu->xmm[n & 15], v, 16);
}

/* ---- MMX operands ---- */

static inline int mmx_source(struct cpu *cpu, const struct insn *i, union v128 *s)
{
    memset(s, 0, sizeof(*s));
    if (i->flags & INSN_MEM)
        return mem_load64(cpu, i, &s->q[0]);
    s->q[0] = cpu->fpr[i->rm & 7].mant;
    return 0;
}
/* Every MMX instruction but EMMS: TOP = 0, all tags valid (SDM vol. 1 9.5.1). */
static inline void mmx_enter(struct cpu *cpu)
{
    x87_set_top(cpu, 0);
    cpu->ftw = 0xff;
}
/* A written register reads as a NaN or infinity to the x87. */
static inline void mmx_set(struct cpu *cpu, unsigned n, uint64_t v)
{
    mmx_enter(cpu);
    cpu->fpr[n & 7] = (struct x87_reg){.mant = v, .sexp = 0xffff};
}

#endif
