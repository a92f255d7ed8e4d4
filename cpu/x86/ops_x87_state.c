/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87 control instructions and the state images of FXSAVE and MXCSR. */
#include "cpu/x86/avx.h"

void x87_set_ferr(struct cpu *cpu, bool level)
{
    cpu->ferr = level;
    cpu_settle(cpu);
    vcpu_lock_machine(&cpu->v);
    irq_set(cpu->ferr_out, level);
    vcpu_unlock_machine(&cpu->v);
    cpu_after_device(cpu);
}
int x87_pending(struct cpu *cpu)
{
    if (cpu->cr0 & CR0_NE)
        return raise_exception(cpu, EXC_MF);
    if (!cpu->ferr)
        x87_set_ferr(cpu, true);
    if (cpu->ignne)
        return 0;
    cpu->ferr_frozen = true;
    return OP_FAULT;
}
int op_fwait_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if ((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        return raise_exception(cpu, EXC_NM);
    return cpu->fsw & FSW_ES ? x87_pending(cpu) : OP_OK;
}
int op_fninit_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if (unlikely(x87_check_nowait(cpu)))
        return OP_FAULT;
    cpu->fcw = 0x37f;
    cpu->fsw = cpu->fop = cpu->fcs = cpu->fds = 0;
    cpu->ftw = 0;
    cpu->fip = cpu->fdp = 0;
    x87_update_summary(cpu);
    return OP_OK;
}
int op_fnclex_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if (unlikely(x87_check_nowait(cpu)))
        return OP_FAULT;
    cpu->fsw &= (uint16_t) ~(FSW_EXC | FSW_SF | FSW_ES | FSW_B);
    x87_update_summary(cpu);
    return OP_OK;
}
int op_fldcw_x(struct cpu *cpu, const struct insn *i)
{
    uint16_t v;
    if (unlikely(x87_check(cpu) || mem_load16(cpu, i, &v)))
        return OP_FAULT;
    cpu->fcw = (v & 0x1f3f) | 0x40;
    x87_update_summary(cpu);
    return OP_OK;
}
int op_fnstcw_x(struct cpu *cpu, const struct insn *i)
{
    return unlikely(x87_check_nowait(cpu)) ? OP_FAULT : mem_store16(cpu, i, cpu->fcw);
}
int op_fnstsw_m_x(struct cpu *cpu, const struct insn *i)
{
    return unlikely(x87_check_nowait(cpu)) ? OP_FAULT : mem_store16(cpu, i, cpu->fsw);
}
int op_fnstsw_ax_x(struct cpu *cpu, const struct insn *i)
{
    (void)i;
    if (unlikely(x87_check_nowait(cpu)))
        return OP_FAULT;
    set_reg(cpu, R_RAX, 2, cpu->fsw);
    return OP_OK;
}
int op_ldmxcsr_x(struct cpu *cpu, const struct insn *i)
{
    uint32_t v;
    if (unlikely(vector_check(cpu, i) || mem_load32(cpu, i, &v)))
        return OP_FAULT;
    if (v & 0xffff0000)
        return raise_gp(cpu, 0);
    cpu->mxcsr = v;
    return OP_OK;
}
int op_stmxcsr_x(struct cpu *cpu, const struct insn *i)
{
    return unlikely(vector_check(cpu, i)) ? OP_FAULT : mem_store32(cpu, i, cpu->mxcsr);
}
VEX_FORM(ldmxcsr)
VEX_FORM(stmxcsr)

/* ---- FXSAVE, FXRSTOR (SDM vol. 1 10.5.1): 512 bytes, accessed in pieces after probing ---- */
static int fx_begin(struct cpu *cpu, const struct insn *i, enum mem_access acc, uint64_t *lin)
{
    if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS)))
        return raise_exception(cpu, EXC_NM);
    if (unlikely(insn_linear(cpu, i, 512, acc, lin)))
        return OP_FAULT;
    /* An address that is not canonical comes before one that is not aligned: #SS with SS. */
    if (*lin & 15 && is_canonical(*lin))
        return raise_gp(cpu, 0);
    /* Processors touch the last byte first: it decides CR2. */
    uint8_t last;
    return acc == ACCESS_STORE ? lin_probe_store(cpu, *lin + 511, 1)
                               : lin_load8(cpu, *lin + 511, &last);
}
static unsigned fx_xmm_count(const struct cpu *cpu)
{
    return !(cpu->cr4 & CR4_OSFXSR) ? 0 : cpu->code_mode == CODE64 ? 16 : 8;
}
/* Bytes 0-23 and 32-159. */
void fx_put_x87(const struct cpu *cpu, uint8_t *a, bool wide)
{
    st_le16(a, cpu->fcw);
    st_le16(a + 2, cpu->fsw);
    a[4] = cpu->ftw;
    a[5] = 0;
    st_le16(a + 6, cpu->fop);
    st_le64(a + 8, wide ? cpu->fip : (uint32_t)cpu->fip | (uint64_t)cpu->fcs << 32);
    st_le64(a + 16, wide ? cpu->fdp : (uint32_t)cpu->fdp | (uint64_t)cpu->fds << 32);
    memset(a + 32, 0, 128);
    for (unsigned k = 0; k < 8; k++) {
        st_le64(a + 32 + 16 * k, cpu->fpr[(x87_top(cpu) + k) & 7].mant);
        st_le16(a + 40 + 16 * k, cpu->fpr[(x87_top(cpu) + k) & 7].sexp);
    }
}
void fx_get_x87(struct cpu *cpu, const uint8_t *a, bool wide)
{
    cpu->fcw = (ld_le16(a) & 0x1f3f) | 0x40;
    cpu->fsw = ld_le16(a + 2);
    cpu->ftw = a[4];
    cpu->fop = ld_le16(a + 6) & 0x7ff;
    cpu->fip = wide ? ld_le64(a + 8) : ld_le32(a + 8);
    cpu->fdp = wide ? ld_le64(a + 16) : ld_le32(a + 16);
    cpu->fcs = wide ? 0 : ld_le16(a + 12);
    cpu->fds = wide ? 0 : ld_le16(a + 20);
    for (unsigned k = 0; k < 8; k++)
        *x87_st(cpu, k) =
            (struct x87_reg){.mant = ld_le64(a + 32 + 16 * k), .sexp = ld_le16(a + 40 + 16 * k)};
    x87_update_summary(cpu);
}
int op_fxsave_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t a[416] = {0};
    uint64_t lin;
    unsigned nxmm = fx_xmm_count(cpu), size = 160 + 16 * nxmm;
    bool wide = insn_osize(i) == 8;
    if (unlikely(fx_begin(cpu, i, ACCESS_STORE, &lin)))
        return OP_FAULT;
    for (unsigned k = 0; k < size; k += 32) {
        if (unlikely(lin_probe_store(cpu, lin + k, 32)))
            return OP_FAULT;
    }
    fx_put_x87(cpu, a, wide);
    st_le32(a + 24, cpu->mxcsr);
    st_le32(a + 28, 0xffff);
    for (unsigned k = 0; k < nxmm; k++)
        memcpy(a + 160 + 16 * k, &cpu->xmm[k], 16);
    for (unsigned k = 0; k < size; k += 8) {
        if (unlikely(lin_store64(cpu, lin + k, ld_le64(a + k))))
            return OP_FAULT;
    }
    return OP_OK;
}
int op_fxrstor_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t a[416];
    uint64_t lin, v;
    unsigned nxmm = fx_xmm_count(cpu), size = 160 + 16 * nxmm;
    bool wide = insn_osize(i) == 8;
    if (unlikely(fx_begin(cpu, i, ACCESS_LOAD, &lin)))
        return OP_FAULT;
    for (unsigned k = 0; k < size; k += 8) {
        if (unlikely(lin_load64(cpu, lin + k, &v)))
            return OP_FAULT;
        st_le64(a + k, v);
    }
    if (ld_le32(a + 24) & 0xffff0000)
        return raise_gp(cpu, 0);
    fx_get_x87(cpu, a, wide);
    if (cpu->cr4 & CR4_OSFXSR)
        cpu->mxcsr = ld_le32(a + 24);
    for (unsigned k = 0; k < nxmm; k++)
        memcpy(&cpu->xmm[k], a + 160 + 16 * k, 16);
    return OP_OK;
}
