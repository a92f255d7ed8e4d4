/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_X87_SOFT_H
#define CALQUE_CPU_X86_X87_SOFT_H

#include "config.h"
#include "cpu/x86/x87.h"

/* One x87 instruction apart from the register stack. Operands go in as st[0], st[1] or mem, and
 * come back there; sw receives the exception and condition bits that the instruction set. An
 * unmasked exception (cw) gets its unmasked response (SDM vol. 1 8.5); where that is to write
 * nothing, what is in st or mem does not count. */
struct x87_frame {
    struct x87_reg st[2];
    uint8_t mem[16];
    uint16_t cw, sw;
    int pushed; /* registers that the instruction pushed */
    uint8_t env[108];
};

typedef void x87_fn(struct x87_frame *f);

/* In integer arithmetic: the same as the processor, bit by bit. _m16, _m32, _m64: mem is the second
 * operand; FI*: an integer. */
x87_fn x87_soft_fadd, x87_soft_fadd_m32, x87_soft_fadd_m64, x87_soft_fiadd_m16, x87_soft_fiadd_m32;
x87_fn x87_soft_fmul, x87_soft_fmul_m32, x87_soft_fmul_m64, x87_soft_fimul_m16, x87_soft_fimul_m32;
x87_fn x87_soft_fsub, x87_soft_fsub_m32, x87_soft_fsub_m64, x87_soft_fisub_m16, x87_soft_fisub_m32;
x87_fn x87_soft_fsubr, x87_soft_fsubr_m32, x87_soft_fsubr_m64, x87_soft_fisubr_m16,
    x87_soft_fisubr_m32;
x87_fn x87_soft_fdiv, x87_soft_fdiv_m32, x87_soft_fdiv_m64, x87_soft_fidiv_m16, x87_soft_fidiv_m32;
x87_fn x87_soft_fdivr, x87_soft_fdivr_m32, x87_soft_fdivr_m64, x87_soft_fidivr_m16,
    x87_soft_fidivr_m32;
x87_fn x87_soft_fcom, x87_soft_fucom, x87_soft_fcom_m32, x87_soft_fcom_m64, x87_soft_ficom_m16,
    x87_soft_ficom_m32, x87_soft_ftst, x87_soft_fxam;
x87_fn x87_soft_fld_m32, x87_soft_fld_m64, x87_soft_fild_m16, x87_soft_fild_m32, x87_soft_fild_m64,
    x87_soft_fbld;
x87_fn x87_soft_fst_m32, x87_soft_fst_m64, x87_soft_fist_m16, x87_soft_fist_m32, x87_soft_fist_m64,
    x87_soft_fbst;
x87_fn x87_soft_fld1, x87_soft_fldl2t, x87_soft_fldl2e, x87_soft_fldpi, x87_soft_fldlg2,
    x87_soft_fldln2, x87_soft_fldz;
x87_fn x87_soft_fsqrt, x87_soft_frndint, x87_soft_fscale, x87_soft_fprem, x87_soft_fprem1,
    x87_soft_fxtract;

#if CONFIG_MPFR
/* The exact value, rounded as RC says (precision control does not count). */
x87_fn x87_soft_f2xm1, x87_soft_fsin, x87_soft_fcos, x87_soft_fsincos, x87_soft_fptan,
    x87_soft_fpatan, x87_soft_fyl2x, x87_soft_fyl2xp1;
/* Frees the constants that these keep for the calling thread, which may end. */
void x87_soft_release(void);
#else
static inline void x87_soft_release(void)
{
}
#endif

#endif
