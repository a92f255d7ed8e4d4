/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 data instructions (SDM vol. 1 8.3). */
#include "cpu/x86/x87_op.h"

/* ST(dst) = ST(dst) fn ST(src). */
static int arith(struct cpu *cpu, const struct insn *i, x87_fn *fn, unsigned dst, unsigned src,
                 bool pop)
{
    struct x87_frame f = {.cw = cpu->fcw};
    if (x87_start(cpu))
        return OP_FAULT;
    bool done;
    x87_note(cpu, i);
    f.st[0] = *x87_st(cpu, dst);
    f.st[1] = *x87_st(cpu, src);
    if (x87_empty(cpu, dst) || x87_empty(cpu, src)) {
        done = x87_underflow(cpu, 0);
        f.st[0] = x87_indefinite();
    } else {
        fn(&f);
        done = x87_signal(cpu, f.sw, FSW_C1, STOP_REG);
    }
    if (done) {
        x87_set_st(cpu, dst, f.st[0]);
        if (pop)
            x87_pop(cpu);
    }
    return OP_OK;
}
#define ARITH(name)                                                                                \
    int op_##name##_st0_x(struct cpu *cpu, const struct insn *i)                                   \
    {                                                                                              \
        return arith(cpu, i, x87_host_##name, 0, i->rm & 7, false);                                \
    }                                                                                              \
    int op_##name##_sti_x(struct cpu *cpu, const struct insn *i)                                   \
    {                                                                                              \
        return arith(cpu, i, x87_host_##name, i->rm & 7, 0, false);                                \
    }                                                                                              \
    int op_##name##p_x(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        return arith(cpu, i, x87_host_##name, i->rm & 7, 0, true);                                 \
    }
ARITH(fadd)
ARITH(fmul)
ARITH(fsub)
ARITH(fsubr)
ARITH(fdiv)
ARITH(fdivr)

/* Loads: fn turns mem into st[0]. A denormal is pushed even when it signals. */
static int load(struct cpu *cpu, const struct insn *i, x87_fn *fn, unsigned size)
{
    struct x87_frame f = {.cw = cpu->fcw};
    if (x87_start(cpu) || (size && mem_load_bytes(cpu, i, size, f.mem)))
        return OP_FAULT;
    bool done;
    x87_note(cpu, i);
    if (!x87_empty(cpu, 7)) {
        done = x87_signal(cpu, FSW_SF | FSW_C1, FSW_C1, FSW_IE);
        f.st[0] = x87_indefinite();
    } else if (fn) {
        fn(&f);
        done = x87_signal(cpu, f.sw, FSW_C1, FSW_IE);
    } else {
        memcpy(&f.st[0], f.mem, 10);
        done = x87_signal(cpu, 0, FSW_C1, FSW_IE);
    }
    if (done)
        x87_push(cpu, f.st[0]);
    return OP_OK;
}
#define LOAD(name, fn, size)                                                                       \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return load(cpu, i, fn, size);                                                             \
    }
LOAD(fld_m32, x87_host_fld_m32, 4)
LOAD(fld_m64, x87_host_fld_m64, 8)
LOAD(fld_m80, NULL, 10)
LOAD(fild_m16, x87_host_fild_m16, 2)
LOAD(fild_m32, x87_host_fild_m32, 4)
LOAD(fild_m64, x87_host_fild_m64, 8)
LOAD(fbld, x87_host_fbld, 10)
LOAD(fld1, x87_host_fld1, 0)
LOAD(fldl2t, x87_host_fldl2t, 0)
LOAD(fldl2e, x87_host_fldl2e, 0)
LOAD(fldpi, x87_host_fldpi, 0)
LOAD(fldlg2, x87_host_fldlg2, 0)
LOAD(fldln2, x87_host_fldln2, 0)
LOAD(fldz, x87_host_fldz, 0)

/* ST0 = fn(ST0). */
static int unary(struct cpu *cpu, const struct insn *i, x87_fn *fn, uint16_t cc)
{
    struct x87_frame f = {.cw = cpu->fcw};
    if (x87_start(cpu))
        return OP_FAULT;
    bool done;
    x87_note(cpu, i);
    f.st[0] = *x87_st(cpu, 0);
    if (x87_empty(cpu, 0)) {
        done = x87_underflow(cpu, cc & FSW_C2);
        f.st[0] = x87_indefinite();
    } else {
        fn(&f);
        done = x87_signal(cpu, f.sw, cc, STOP_REG);
    }
    if (done)
        x87_set_st(cpu, 0, f.st[0]);
    return OP_OK;
}
#define UNARY(name, cc)                                                                            \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return unary(cpu, i, x87_host_##name, cc);                                                 \
    }
UNARY(fsqrt, FSW_C1)
UNARY(frndint, FSW_C1)
X87_APPROX_OP(f2xm1, unary, FSW_C1)
X87_APPROX_OP(fsin, unary, FSW_C1 | FSW_C2)
X87_APPROX_OP(fcos, unary, FSW_C1 | FSW_C2)

/* Stores: fn turns st[0] into mem; NULL stores all 80 bits. Memory first, then state: the address
 * is checked even when an unmasked exception forbids the store. */
static int store(struct cpu *cpu, const struct insn *i, x87_fn *fn, unsigned size, bool pop)
{
    struct x87_frame f = {.cw = cpu->fcw};
    bool under = x87_empty(cpu, 0);
    uint64_t lin;
    if (x87_start(cpu) || insn_linear(cpu, i, size, ACCESS_STORE, &lin))
        return OP_FAULT;
    f.st[0] = under ? x87_indefinite() : *x87_st(cpu, 0);
    if (fn)
        fn(&f);
    else
        memcpy(f.mem, &f.st[0], 10);
    if (under)
        f.sw = FSW_SF | FSW_IE;
    if (f.sw & ~cpu->fcw & STOP_MEM ? lin_probe_store(cpu, lin, size)
                                    : mem_store_bytes(cpu, i, size, f.mem))
        return OP_FAULT;
    x87_note(cpu, i);
    if (x87_signal(cpu, f.sw, FSW_C1, STOP_MEM) && pop)
        x87_pop(cpu);
    return OP_OK;
}
#define STORE(name, fn, size, pop)                                                                 \
    int op_##name##_x(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        return store(cpu, i, fn, size, pop);                                                       \
    }
STORE(fst_m32, x87_host_fst_m32, 4, false)
STORE(fst_m64, x87_host_fst_m64, 8, false)
STORE(fstp_m32, x87_host_fst_m32, 4, true)
STORE(fstp_m64, x87_host_fst_m64, 8, true)
STORE(fstp_m80, NULL, 10, true)
STORE(fist_m16, x87_host_fist_m16, 2, false)
STORE(fist_m32, x87_host_fist_m32, 4, false)
STORE(fistp_m16, x87_host_fist_m16, 2, true)
STORE(fistp_m32, x87_host_fist_m32, 4, true)
STORE(fistp_m64, x87_host_fist_m64, 8, true)
STORE(fbstp, x87_host_fbst, 10, true)
/* FISTTP: FISTP with the rounding control at "truncate". */
#define TRUNCATE(size)                                                                             \
    static void host_fisttp_##size(struct x87_frame *f)                                            \
    {                                                                                              \
        f->cw |= FCW_TRUNCATE;                                                                     \
        x87_host_fist_##size(f);                                                                   \
    }
TRUNCATE(m16)
TRUNCATE(m32)
TRUNCATE(m64)
STORE(fisttp_m16, host_fisttp_m16, 2, true)
STORE(fisttp_m32, host_fisttp_m32, 4, true)
STORE(fisttp_m64, host_fisttp_m64, 8, true)

int op_fxch_x(struct cpu *cpu, const struct insn *i)
{
    unsigned n = i->rm & 7;
    if (x87_start(cpu))
        return OP_FAULT;
    x87_note(cpu, i);
    bool e0 = x87_empty(cpu, 0), en = x87_empty(cpu, n);
    if (e0 || en ? !x87_underflow(cpu, 0) : !x87_signal(cpu, 0, FSW_C1, 0))
        return OP_OK;
    struct x87_reg a = e0 ? x87_indefinite() : *x87_st(cpu, 0);
    struct x87_reg b = en ? x87_indefinite() : *x87_st(cpu, n);
    x87_set_st(cpu, 0, b);
    x87_set_st(cpu, n, a);
    return OP_OK;
}
