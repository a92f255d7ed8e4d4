/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which operations have an emitter. The others are calls of their semantic functions. */
#include "translator/x86_64/emit.h"

/* clang-format off */
#define EACH_CC(X, n, fn)                                                                          \
    X(n##o, fn) X(n##no, fn) X(n##b, fn) X(n##nb, fn) X(n##z, fn) X(n##nz, fn) X(n##be, fn)        \
    X(n##nbe, fn) X(n##s, fn) X(n##ns, fn) X(n##p, fn) X(n##np, fn) X(n##l, fn) X(n##nl, fn)       \
    X(n##le, fn) X(n##nle, fn)
#define EMIT(name, fn) [OPN_##name] = fn,

static emit_fn *const emitters[NUM_OPERATIONS] = {
    EMIT(add, emit_alu) EMIT(or, emit_alu) EMIT(adc, emit_alu) EMIT(sbb, emit_alu)
    EMIT(and, emit_alu) EMIT(sub, emit_alu) EMIT(xor, emit_alu) EMIT(cmp, emit_alu)
    EMIT(test, emit_alu) EMIT(mov, emit_mov)
    EMIT(inc, emit_unary) EMIT(dec, emit_unary) EMIT(not, emit_unary) EMIT(neg, emit_unary)
    EMIT(rol, emit_shift) EMIT(ror, emit_shift) EMIT(shl, emit_shift) EMIT(shr, emit_shift)
    EMIT(sar, emit_shift) EMIT(rcl, emit_shift) EMIT(rcr, emit_shift)
    EMIT(shldi, emit_dshift) EMIT(shldc, emit_dshift) EMIT(shrdi, emit_dshift)
    EMIT(shrdc, emit_dshift)
    EMIT(mul, emit_mul) EMIT(imul1, emit_mul) EMIT(imul, emit_imul) EMIT(imul3, emit_imul)
    EMIT(div, emit_div) EMIT(idiv, emit_div)
    EMIT(movzx8, emit_extend) EMIT(movsx8, emit_extend) EMIT(movzx16, emit_extend)
    EMIT(movsx16, emit_extend) EMIT(movsxd, emit_extend)
    EMIT(bt, emit_bt) EMIT(bts, emit_bt) EMIT(btr, emit_bt) EMIT(btc, emit_bt)
    EMIT(bsf, emit_scan) EMIT(bsr, emit_scan)
    EMIT(popcnt, emit_count) EMIT(tzcnt, emit_count) EMIT(lzcnt, emit_count)
    EMIT(andn, emit_bmi) EMIT(blsr, emit_bmi) EMIT(blsmsk, emit_bmi) EMIT(blsi, emit_bmi)
    EMIT(bzhi, emit_bmi) EMIT(bextr, emit_bmi) EMIT(pdep, emit_bmi) EMIT(pext, emit_bmi)
    EMIT(shlx, emit_bmi) EMIT(shrx, emit_bmi) EMIT(sarx, emit_bmi) EMIT(rorx, emit_bmi)
    EMIT(mulx, emit_mulx) EMIT(adcx, emit_adx) EMIT(adox, emit_adx)
    EMIT(movbe_load, emit_movbe) EMIT(movbe_store, emit_movbe)
    EMIT(xadd, emit_xadd) EMIT(cmpxchg, emit_cmpxchg)
    EMIT(cmpxchg8b, emit_cmpxchg_pair) EMIT(cmpxchg16b, emit_cmpxchg_pair)
    EMIT(lea, emit_lea) EMIT(cbw, emit_cbw) EMIT(cwd, emit_cwd) EMIT(bswap, emit_bswap)
    EMIT(xchg, emit_xchg) EMIT(nop, emit_nop) EMIT(nop_ea, emit_nop) EMIT(prefetch, emit_nop)
    EMIT(jmp, emit_jmp) EMIT(jmp_ind, emit_jmp_ind) EMIT(call, emit_call)
    EMIT(call_ind, emit_call_ind) EMIT(ret, emit_ret)
    EMIT(push, emit_push) EMIT(push_imm, emit_push_imm) EMIT(pop, emit_pop)
    EMIT(leave, emit_leave) EMIT(jcxz, emit_jcxz) EMIT(loop, emit_loop)
    EMIT(lahf, emit_lahf) EMIT(sahf, emit_sahf) EMIT(clc, emit_carry) EMIT(stc, emit_carry)
    EMIT(cmc, emit_carry) EMIT(cld, emit_direction) EMIT(std, emit_direction)
    EMIT(pushf, emit_pushf) EMIT(cli, emit_cli) EMIT(sti, emit_sti)
    EMIT(stac, emit_ac) EMIT(clac, emit_ac)
    EMIT(syscall, emit_syscall) EMIT(sysret, emit_syscall)
    EMIT(rdtsc, emit_rdtsc) EMIT(rdtscp, emit_rdtsc)
    EMIT(pause, emit_pause) EMIT(mov_from_cr, emit_from_cr)
    EMIT(rdfsbase, emit_base) EMIT(rdgsbase, emit_base)
    EMIT(wrfsbase, emit_base) EMIT(wrgsbase, emit_base)
    EMIT(movs, emit_string) EMIT(stos, emit_string) EMIT(swapgs, emit_swapgs)
    EMIT(mov_moffs_load, emit_moffs) EMIT(mov_moffs_store, emit_moffs)
    EMIT(mov_from_seg, emit_from_seg)
    EMIT(mfence, emit_fence) EMIT(lfence, emit_fence) EMIT(sfence, emit_fence)
    EACH_CC(EMIT, j, emit_jcc) EACH_CC(EMIT, set, emit_setcc) EACH_CC(EMIT, cmov, emit_cmovcc)
};
/* clang-format on */

emit_fn *emitter_of(unsigned operation)
{
    unsigned props = operations[operation].props;

    if (emitters[operation] || !(props & (P_SSE | P_AVX | P_FPU)))
        return emitters[operation];
    return emit_vector;
}
