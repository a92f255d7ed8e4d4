/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_X87_HOST_H
#define CALQUE_CPU_X86_X87_HOST_H

#include "cpu/x86/x87_soft.h"

/* x87 instructions by the host's own x87, x87_host_NAME(struct x87_frame *); hosts without one
 * calculate (x87_soft.h).
 *
 * With every exception masked the instruction is bracketed by loads and stores. Otherwise it runs
 * under the guest's own control word, and FNSAVE, which does not wait, takes the state away before
 * an exception can be delivered to us: so the unmasked responses (SDM vol. 1 8.5) are exact. */
#if defined(__x86_64__) || defined(__i386__)
#define X87_HOST 1

#define X87_LOAD0
#define X87_LOAD1 "fldt %[s0]\n\t"
#define X87_LOAD2 "fldt %[s1]\n\tfldt %[s0]\n\t"
/* Loads `nin` registers, runs insn and unloads by `tail`. */
#define X87_HOST_ASM(nin, insn, tail)                                                              \
    __asm__ volatile("fninit\n\tfldcw %[cw]\n\t" X87_LOAD##nin insn "\n\t" tail                    \
                     : [s0] "+m"(f->st[0]), [s1] "+m"(f->st[1]), [mem] "+m"(f->mem),               \
                       [sw] "+m"(f->sw), [env] "+m"(f->env)                                        \
                     : [cw] "m"(f->cw)                                                             \
                     : "memory", "ax", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", \
                       "st(7)")

/* Takes the results out of an FNSAVE image. */
static inline void x87_host_unpack(struct x87_frame *f, unsigned nin)
{
    unsigned top;
    memcpy(&f->sw, f->env + 4, 2);
    top = f->sw >> 11 & 7;
    f->pushed = (int)((8 - top) & 7) - (int)nin;
    memcpy(&f->st[0], f->env + 28, 10);
    memcpy(&f->st[1], f->env + 38, 10);
}

/* An instruction with a fixed effect on the stack. tail stores what it leaves and drops the rest.
 */
#define X87_HOST_OP(name, nin, insn, tail)                                                         \
    static inline void x87_host_##name(struct x87_frame *f)                                        \
    {                                                                                              \
        if (likely((f->cw & FSW_EXC) == FSW_EXC)) {                                                \
            X87_HOST_ASM(nin, insn, "fnstsw %[sw]\n\t" tail);                                      \
        } else {                                                                                   \
            X87_HOST_ASM(nin, insn, "fnsave %[env]");                                              \
            x87_host_unpack(f, nin);                                                               \
        }                                                                                          \
    }
/* An instruction that pushes or not depending on its operands. */
#define X87_HOST_ENV_OP(name, nin, insn)                                                           \
    static inline void x87_host_##name(struct x87_frame *f)                                        \
    {                                                                                              \
        X87_HOST_ASM(nin, insn, "fnsave %[env]");                                                  \
        x87_host_unpack(f, nin);                                                                   \
    }
#define X87_HOST_TRANS_OP(name, nin, insn, tail) X87_HOST_OP(name, nin, insn, tail)
#define X87_HOST_TRANS_ENV_OP(name, nin, insn)   X87_HOST_ENV_OP(name, nin, insn)
#else
#define X87_HOST 0
#define X87_HOST_OP(name, nin, insn, tail)                                                         \
    static inline void x87_host_##name(struct x87_frame *f)                                        \
    {                                                                                              \
        x87_soft_##name(f);                                                                        \
    }
#define X87_HOST_ENV_OP(name, nin, insn) X87_HOST_OP(name, nin, insn, )
#define X87_HOST_TRANS_OP(name, nin, insn, tail)
#define X87_HOST_TRANS_ENV_OP(name, nin, insn)
#endif

/* A transcendental instruction as -cpu fpapprox= says; NULL: this build cannot. */
#if X87_HOST && CONFIG_MPFR
#define X87_APPROX(cpu, name) ((cpu)->model.soft_approx ? x87_soft_##name : x87_host_##name)
#elif X87_HOST
#define X87_APPROX(cpu, name) ((void)(cpu), x87_host_##name)
#elif CONFIG_MPFR
#define X87_APPROX(cpu, name) ((void)(cpu), x87_soft_##name)
#else
#define X87_APPROX(cpu, name) ((void)(cpu), (x87_fn *)NULL)
#endif

#define X87_OUT1      "fstpt %[s0]"
#define X87_OUT1_DROP "fstpt %[s0]\n\tfstp %%st(0)"
#define X87_DROP1     "fstp %%st(0)"
#define X87_DROP2     "fstp %%st(0)\n\tfstp %%st(0)"

/* st[0] = st[0] op st[1], or op the m32 or m64 in mem. */
#define X87_HOST_ARITH(name)                                                                       \
    X87_HOST_OP(name, 2, #name " %%st(1), %%st", X87_OUT1_DROP)                                    \
    X87_HOST_OP(name##_m32, 1, #name "s %[mem]", X87_OUT1)                                         \
    X87_HOST_OP(name##_m64, 1, #name "l %[mem]", X87_OUT1)
X87_HOST_ARITH(fadd)
X87_HOST_ARITH(fmul)
X87_HOST_ARITH(fsub)
X87_HOST_ARITH(fsubr)
X87_HOST_ARITH(fdiv)
X87_HOST_ARITH(fdivr)
/* ... or the integer in mem. */
#define X87_HOST_ARITH_INT(name)                                                                   \
    X87_HOST_OP(name##_m16, 1, #name "s %[mem]", X87_OUT1)                                         \
    X87_HOST_OP(name##_m32, 1, #name "l %[mem]", X87_OUT1)
X87_HOST_ARITH_INT(fiadd)
X87_HOST_ARITH_INT(fimul)
X87_HOST_ARITH_INT(fisub)
X87_HOST_ARITH_INT(fisubr)
X87_HOST_ARITH_INT(fidiv)
X87_HOST_ARITH_INT(fidivr)
X87_HOST_OP(ficom_m16, 1, "ficoms %[mem]", X87_DROP1)
X87_HOST_OP(ficom_m32, 1, "ficoml %[mem]", X87_DROP1)
X87_HOST_OP(fcom, 2, "fcom %%st(1)", X87_DROP2)
X87_HOST_OP(fucom, 2, "fucom %%st(1)", X87_DROP2)
X87_HOST_OP(fcom_m32, 1, "fcoms %[mem]", X87_DROP1)
X87_HOST_OP(fcom_m64, 1, "fcoml %[mem]", X87_DROP1)
X87_HOST_OP(ftst, 1, "ftst", X87_DROP1)
X87_HOST_OP(fxam, 1, "fxam", X87_DROP1)

X87_HOST_OP(fld_m32, 0, "flds %[mem]", X87_OUT1)
X87_HOST_OP(fld_m64, 0, "fldl %[mem]", X87_OUT1)
X87_HOST_OP(fild_m16, 0, "filds %[mem]", X87_OUT1)
X87_HOST_OP(fild_m32, 0, "fildl %[mem]", X87_OUT1)
X87_HOST_OP(fild_m64, 0, "fildll %[mem]", X87_OUT1)
X87_HOST_OP(fbld, 0, "fbld %[mem]", X87_OUT1)
X87_HOST_OP(fst_m32, 1, "fstps %[mem]", )
X87_HOST_OP(fst_m64, 1, "fstpl %[mem]", )
X87_HOST_OP(fist_m16, 1, "fistps %[mem]", )
X87_HOST_OP(fist_m32, 1, "fistpl %[mem]", )
X87_HOST_OP(fist_m64, 1, "fistpll %[mem]", )
X87_HOST_OP(fbst, 1, "fbstp %[mem]", )

X87_HOST_OP(fld1, 0, "fld1", X87_OUT1)
X87_HOST_OP(fldl2t, 0, "fldl2t", X87_OUT1)
X87_HOST_OP(fldl2e, 0, "fldl2e", X87_OUT1)
X87_HOST_OP(fldpi, 0, "fldpi", X87_OUT1)
X87_HOST_OP(fldlg2, 0, "fldlg2", X87_OUT1)
X87_HOST_OP(fldln2, 0, "fldln2", X87_OUT1)
X87_HOST_OP(fldz, 0, "fldz", X87_OUT1)

X87_HOST_OP(fsqrt, 1, "fsqrt", X87_OUT1)
X87_HOST_OP(frndint, 1, "frndint", X87_OUT1)
X87_HOST_TRANS_OP(f2xm1, 1, "f2xm1", X87_OUT1)
X87_HOST_TRANS_OP(fsin, 1, "fsin", X87_OUT1)
X87_HOST_TRANS_OP(fcos, 1, "fcos", X87_OUT1)
X87_HOST_OP(fscale, 2, "fscale", X87_OUT1_DROP)
X87_HOST_OP(fprem, 2, "fprem", X87_OUT1_DROP)
X87_HOST_OP(fprem1, 2, "fprem1", X87_OUT1_DROP)
X87_HOST_TRANS_OP(fyl2x, 2, "fyl2x", X87_OUT1)
X87_HOST_TRANS_OP(fyl2xp1, 2, "fyl2xp1", X87_OUT1)
X87_HOST_TRANS_OP(fpatan, 2, "fpatan", X87_OUT1)
X87_HOST_TRANS_ENV_OP(fptan, 1, "fptan")
X87_HOST_TRANS_ENV_OP(fsincos, 1, "fsincos")
X87_HOST_ENV_OP(fxtract, 1, "fxtract")

#endif
