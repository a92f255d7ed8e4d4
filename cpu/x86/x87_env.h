/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_X87_ENV_H
#define CALQUE_CPU_X86_X87_ENV_H

#include "cpu/x86/softfp.h"
#include "cpu/x86/x87_soft.h"

/* Between x87_frame and softfp.h. */

static inline struct sf_env x87_env(const struct x87_frame *f)
{
    return (struct sf_env){.rounding = f->cw >> 10 & 3, .x87 = true, .unmasked = ~f->cw & FSW_EXC};
}
static inline struct sf x87_in(const struct x87_frame *f, unsigned n)
{
    return sf_unpack80(f->st[n].mant, f->st[n].sexp);
}
static inline void x87_out(struct x87_frame *f, unsigned n, struct sf r)
{
    f->st[n].sexp = sf_pack80(&r, &f->st[n].mant);
}
/* The status word; C1 tells how an inexact result was rounded. */
static inline void x87_status(struct x87_frame *f, const struct sf_env *env, unsigned cc)
{
    f->sw = (uint16_t)(env->flags | cc | (env->flags & SF_PE && env->up ? FSW_C1 : 0));
}
/* True: an unmasked exception of the operands ends the instruction. */
static inline bool x87_stops(const struct sf_env *env)
{
    return env->flags & env->unmasked & (SF_IE | SF_DE | SF_ZE);
}

#endif
