/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 comparisons and classification (SDM vol. 1 8.3.6). */
#include "cpu/x86/x87_op.h"

#define UNORDERED (FSW_C3 | FSW_C2 | FSW_C0)

/* Compares ST0 with ST(src), or with memory when size is not 0; sets C3, C2, C0, or with `flags`
 * ZF, PF, CF. Then pops. The outcome is written even when an unmasked exception forbids the pops
 * (the SDM says otherwise of EFLAGS; processors do it). */
struct comparison {
    x87_fn *fn;
    uint8_t size, pops;
    bool flags;
};
static int compare(struct cpu *cpu, const struct insn *i, struct comparison c, unsigned src)
{
    struct x87_frame f = {.cw = cpu->fcw};
    if (x87_start(cpu) || (c.size && mem_load_bytes(cpu, i, c.size, f.mem)))
        return OP_FAULT;
    x87_note(cpu, i);
    f.st[0] = *x87_st(cpu, 0);
    f.st[1] = *x87_st(cpu, src);
    if (x87_empty(cpu, 0) || x87_empty(cpu, src))
        f.sw = FSW_SF | UNORDERED;
    else
        c.fn(&f);
    if (c.flags)
        flags_set_image(cpu, (f.sw & FSW_C3 ? EFLAGS_ZF : 0) | (f.sw & FSW_C2 ? EFLAGS_PF : 0) |
                                 (f.sw & FSW_C0 ? EFLAGS_CF : 0));
    uint16_t cc = !c.flags ? FSW_CC : f.sw & FSW_SF ? FSW_C1 : 0;
    if (!x87_signal(cpu, f.sw & (cc | FSW_EXC | FSW_SF), cc, STOP_REG))
        return OP_OK;
    for (unsigned n = 0; n < c.pops; n++)
        x87_pop(cpu);
    return OP_OK;
}
#define COMPARE(name, host, size, pops, flags, src)                                                \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return compare(cpu, i, (struct comparison){x87_host_##host, size, pops, flags}, src);      \
    }
COMPARE(fcom, fcom, 0, 0, false, i->rm & 7)
COMPARE(fcomp, fcom, 0, 1, false, i->rm & 7)
COMPARE(fcompp, fcom, 0, 2, false, 1)
COMPARE(fucom, fucom, 0, 0, false, i->rm & 7)
COMPARE(fucomp, fucom, 0, 1, false, i->rm & 7)
COMPARE(fucompp, fucom, 0, 2, false, 1)
COMPARE(fcomi, fcom, 0, 0, true, i->rm & 7)
COMPARE(fcomip, fcom, 0, 1, true, i->rm & 7)
COMPARE(fucomi, fucom, 0, 0, true, i->rm & 7)
COMPARE(fucomip, fucom, 0, 1, true, i->rm & 7)
COMPARE(fcom_m32, fcom_m32, 4, 0, false, 0)
COMPARE(fcomp_m32, fcom_m32, 4, 1, false, 0)
COMPARE(fcom_m64, fcom_m64, 8, 0, false, 0)
COMPARE(fcomp_m64, fcom_m64, 8, 1, false, 0)
COMPARE(ficom_m16, ficom_m16, 2, 0, false, 0)
COMPARE(ficomp_m16, ficom_m16, 2, 1, false, 0)
COMPARE(ficom_m32, ficom_m32, 4, 0, false, 0)
COMPARE(ficomp_m32, ficom_m32, 4, 1, false, 0)
COMPARE(ftst, ftst, 0, 0, false, 0)

/* Never signals; an empty register is a class of its own, with the sign of what is in it. */
int op_fxam_x(struct cpu *cpu, const struct insn *i)
{
    struct x87_frame f = {.cw = cpu->fcw};
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    f.st[0] = *x87_st(cpu, 0);
    if (x87_empty(cpu, 0))
        f.sw = FSW_C3 | FSW_C0 | (f.st[0].sexp & 0x8000 ? FSW_C1 : 0);
    else
        x87_host_fxam(&f);
    x87_signal(cpu, f.sw & FSW_CC, FSW_CC, 0);
    return OP_OK;
}
