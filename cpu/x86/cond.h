/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_COND_H
#define CALQUE_CPU_X86_COND_H

#include "cpu/x86/flags.h"

/* The sixteen conditions, in the order of their encoding (SDM vol. 1 appendix B). */
/* clang-format off */
#define EACH_CONDITION(X, n)                                                                       \
    X(n, o) X(n, no) X(n, b) X(n, nb) X(n, z) X(n, nz) X(n, be) X(n, nbe)                          \
    X(n, s) X(n, ns) X(n, p) X(n, np) X(n, l) X(n, nl) X(n, le) X(n, nle)
/* clang-format on */

#define DEFINE_CONDITION(cc, expr)                                                                 \
    static inline bool cond_##cc(const struct cpu *c)                                              \
    {                                                                                              \
        return (expr);                                                                             \
    }                                                                                              \
    static inline bool cond_n##cc(const struct cpu *c)                                             \
    {                                                                                              \
        return !(expr);                                                                            \
    }
DEFINE_CONDITION(o, flag_of(c))
DEFINE_CONDITION(b, flag_cf(c))
DEFINE_CONDITION(z, flag_zf(c))
DEFINE_CONDITION(be, flag_cf(c) || flag_zf(c))
DEFINE_CONDITION(s, flag_sf(c))
DEFINE_CONDITION(p, flag_pf(c))
DEFINE_CONDITION(l, flag_sf(c) != flag_of(c))
DEFINE_CONDITION(le, flag_zf(c) || flag_sf(c) != flag_of(c))
#undef DEFINE_CONDITION

#endif
