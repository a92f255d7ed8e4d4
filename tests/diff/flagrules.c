/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flags are undefined: the instruction table's answer, made precise where it depends on a
 * count. */
#include "cpu/x86/ops.h"

#include "tests/diff/guest.h"

static uint32_t eflags_of(unsigned fl)
{
    static const uint32_t bit[7] = {EFLAGS_CF, EFLAGS_PF, EFLAGS_AF, EFLAGS_ZF,
                                    EFLAGS_SF, EFLAGS_OF, EFLAGS_DF};
    uint32_t v = 0;
    for (unsigned k = 0; k < 7; k++)
        v |= fl >> k & 1 ? bit[k] : 0;
    return v;
}

static bool among(const struct operation_info *o, unsigned first, unsigned last)
{
    size_t n = (size_t)(o - operations);
    return n >= first && n <= last;
}

/* The shift count: CL, or the immediate (1 for D0 and D1), masked (SDM vol. 2B, SAL/SAR/SHL/SHR).
 */
static unsigned shift_count(const struct cpu *cpu, const struct operation_info *o,
                            const struct insn *i)
{
    bool by_cl = o->class == CLASS_SHIFT
                     ? (i->op - o->first_op) >= 8
                     : among(o, OPN_shldc, OPN_shldc) || among(o, OPN_shrdc, OPN_shrdc);
    uint64_t n = by_cl ? cpu->r[R_RCX] : i->imm;
    return n & (insn_osize(i) == 8 ? 63 : 31);
}

bool flag_rules(const struct cpu *cpu, const struct insn *i, uint32_t *undefined, uint32_t *written)
{
    const struct operation_info *o = op_operation(i->op);
    unsigned width = 8 * insn_osize(i);
    *undefined = eflags_of(o->fl_undef);
    *written = eflags_of(o->fl_write);
    if (o->props & P_REP && i->flags & (INSN_REP | INSN_REPNE) &&
        !(cpu->r[R_RCX] & (~0ull >> (64 - 8 * insn_asize(i))))) {
        *undefined = *written = 0; /* no iteration */
        return true;
    }
    if (o->class != CLASS_SHIFT && o->class != CLASS_DSHIFT)
        return true;
    unsigned count = shift_count(cpu, o, i);
    if (count == 0) {
        *undefined = *written = 0; /* no flag is affected */
        return true;
    }
    if (o->class == CLASS_DSHIFT) {
        /* SDM vol. 2B, SHLD: AF always; OF unless the count is 1; all, and the result, if the count
         * is greater than the operand size. */
        *undefined = EFLAGS_AF | (count != 1 ? EFLAGS_OF : 0);
        return count <= width;
    }
    if (among(o, OPN_rol, OPN_rcr)) {
        /* SDM vol. 2B, RCL/RCR/ROL/ROR: OF is defined for 1-bit rotates only. */
        *undefined = count != 1 ? EFLAGS_OF : 0;
        return true;
    }
    /* SDM vol. 2B, SAL/SAR/SHL/SHR: AF; OF unless the count is 1; CF of SHL and SHR if the count
     * is not less than the operand size. */
    *undefined = EFLAGS_AF | (count != 1 ? EFLAGS_OF : 0);
    if (count >= width && !among(o, OPN_sar, OPN_sar))
        *undefined |= EFLAGS_CF;
    return true;
}
