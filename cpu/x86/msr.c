/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Model-specific registers (SDM vol. 4; AMD APM vol. 2 appendix A) and the time stamp counter. An
 * unknown one is #GP and a line of -d unimp.
 *
 * What differs between the makers: MISC_ENABLE, FEATURE_CONTROL, PLATFORM_ID, PLATFORM_INFO, the
 * thermal and the P-state registers are Intel's; HWCR, SYSCFG, NB_CFG, TOP_MEM and the like are
 * AMD's. 8BH has the microcode revision in its upper half (Intel, where 79H loads an update: taken
 * and ignored) or the patch level in its lower half (AMD, C0010020H). */
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"

enum msr_number {
    MSR_TSC = 0x10,
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_ADJUST = 0x3b,
    MSR_SPEC_CTRL = 0x48,
    MSR_PRED_CMD = 0x49,
    MSR_UCODE_WRITE = 0x79,
    MSR_UCODE_REV = 0x8b,
    MSR_MTRR_CAP = 0xfe,
    MSR_ARCH_CAPABILITIES = 0x10a,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MCG_CTL = 0x17b,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_VAR = 0x200,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_CSTAR = 0xc0000083,
    MSR_FMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102,
    MSR_TSC_AUX = 0xc0000103,
};

#define NUM_MTRR_VAR      8
#define MTRR_CAP          (NUM_MTRR_VAR | 1u << 8 | 1u << 10) /* fixed ranges and write combining */
#define MISC_ENABLE_RESET 0x1801ull                           /* fast strings; no BTS, no PEBS */
#define PAT_RESET         0x0007040600070406ull
/* Nothing speculates here, so no speculation weakness exists (SDM vol. 4, IA32_ARCH_CAPABILITIES):
 * RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO,
 * FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO, ITS_NO. */
#define ARCH_CAPABILITIES                                                                          \
    (1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4 | 1ull << 5 | 1ull << 6 | 1ull << 8 |           \
     1ull << 13 | 1ull << 14 | 1ull << 15 | 1ull << 20 | 1ull << 24 | 1ull << 26 | 1ull << 27 |    \
     1ull << 62)

/* ---- time stamp counter (SDM vol. 3B 17.17) ---- */

uint64_t cpu_tsc_at(const struct cpu *cpu, uint64_t now)
{
    _Static_assert(TSC_HZ * 2 == NS_PER_SEC * 5, "the short way is of this frequency");
    if (likely(cpu->tsc_hz == TSC_HZ && now < UINT64_MAX / 5))
        return now * 5 / 2 + cpu->tsc_base;
    return muldiv64(now, cpu->tsc_hz, NS_PER_SEC) + cpu->tsc_base;
}

uint64_t cpu_tsc(const struct cpu *cpu)
{
    return cpu_tsc_at(cpu, vm_clock_now(&cpu->v.m->clock));
}

uint64_t cpu_tsc_to_time(const struct cpu *cpu, uint64_t tsc)
{
    int64_t ticks = (int64_t)(tsc - cpu->tsc_base);

    /* A deadline already past, or one that wrapped: now. */
    if (ticks <= 0)
        return 0;
    return muldiv64((uint64_t)ticks, NS_PER_SEC, cpu->tsc_hz) + 1;
}

/* A write of the counter moves TSC_ADJUST by the same amount, and one of that the counter
 * (17.17.3). */
static void move_tsc(struct cpu *cpu, uint64_t by)
{
    cpu->tsc_base += by;
    cpu->tsc_adjust += by;
    apic_tsc_moved(cpu);
    kvmclock_refresh(cpu);
}

enum vendor { ANYONE, INTEL, AMD };

static bool is_vendor(const struct cpu *cpu, unsigned vendor)
{
    bool intel = !strcmp(cpu->model.vendor, "GenuineIntel");

    return vendor == ANYONE || (vendor == INTEL) == intel;
}

void msr_reset(struct cpu *cpu)
{
    cpu->tsc_hz = TSC_HZ;
    cpu->pat = PAT_RESET;
    cpu->misc_enable = MISC_ENABLE_RESET;
    cpu->ucode_rev = is_vendor(cpu, INTEL) ? 1ull << 32 : 1;
    cpu->efer = cpu->star = cpu->lstar = cpu->cstar = cpu->fmask = cpu->kernel_gs_base = 0;
    cpu->tsc_aux = cpu->tsc_base = cpu->tsc_adjust = 0;
    cpu->sysenter_cs = cpu->sysenter_esp = cpu->sysenter_eip = 0;
    cpu->mtrr_def_type = cpu->mcg_status = cpu->mcg_ctl = cpu->debugctl = cpu->spec_ctrl = 0;
    memset(cpu->mtrr_fixed, 0, sizeof(cpu->mtrr_fixed));
    memset(cpu->mtrr_var, 0, sizeof(cpu->mtrr_var));
    kvmclock_reset(cpu);
}

/* ---- registers that are a plain field ---- */

enum check { ANY, CANONICAL, LOW32, LOW2 };

struct plain_msr {
    uint32_t number;
    uint32_t offset; /* in struct cpu, a uint64_t */
    uint8_t check, feature, vendor;
};

#define OWNED(n, field, check, feature, vendor)                                                    \
    {                                                                                              \
        n, offsetof(struct cpu, field), check, feature, vendor                                     \
    }
#define PLAIN(n, field, check, feature) OWNED(n, field, check, feature, ANYONE)
static const struct plain_msr plain_msrs[] = {
    PLAIN(MSR_STAR, star, ANY, F_syscall),
    PLAIN(MSR_LSTAR, lstar, CANONICAL, F_lm),
    PLAIN(MSR_CSTAR, cstar, CANONICAL, F_lm),
    PLAIN(MSR_FMASK, fmask, LOW32, F_lm),
    PLAIN(MSR_FS_BASE, seg[SEG_FS].base, CANONICAL, F_lm),
    PLAIN(MSR_GS_BASE, seg[SEG_GS].base, CANONICAL, F_lm),
    PLAIN(MSR_KERNEL_GS_BASE, kernel_gs_base, CANONICAL, F_lm),
    PLAIN(MSR_TSC_AUX, tsc_aux, LOW32, F_rdtscp),
    PLAIN(MSR_SYSENTER_CS, sysenter_cs, ANY, F_sep),
    PLAIN(MSR_SYSENTER_ESP, sysenter_esp, CANONICAL, F_sep),
    PLAIN(MSR_SYSENTER_EIP, sysenter_eip, CANONICAL, F_sep),
    OWNED(MSR_MISC_ENABLE, misc_enable, ANY, F_msr, INTEL),
    PLAIN(MSR_UCODE_REV, ucode_rev, ANY, F_msr),
    PLAIN(MSR_MCG_STATUS, mcg_status, ANY, F_mca),
    PLAIN(MSR_DEBUGCTL, debugctl, LOW2, F_de),
};

static const struct plain_msr *find_plain(const struct cpu *cpu, uint32_t msr)
{
    for (unsigned n = 0; n < ARRAY_SIZE(plain_msrs); n++) {
        const struct plain_msr *p = &plain_msrs[n];
        if (p->number == msr)
            return model_has(&cpu->model, p->feature) && is_vendor(cpu, p->vendor) ? p : NULL;
    }
    return NULL;
}

/* ---- registers that always read the same ---- */

#define RATIO (TSC_HZ / 100000000) /* of the 100 MHz bus clock */
#define TJMAX 100u                 /* degrees Celsius; the processor is at 40 */

struct constant_msr {
    uint32_t number;
    uint8_t vendor;
    bool writable; /* writes are taken and change nothing */
    uint64_t value;
};

static const struct constant_msr constant_msrs[] = {
    {0x017, INTEL, true, 0},                               /* PLATFORM_ID */
    {0x02a, INTEL, true, 0},                               /* EBL_CR_POWERON */
    {0x03a, INTEL, false, 1},                              /* FEATURE_CONTROL: locked, empty */
    {0x0ce, INTEL, false, RATIO << 8 | RATIO << 40},       /* PLATFORM_INFO */
    {0x140, INTEL, true, 0},                               /* MISC_FEATURES_ENABLES */
    {0x198, INTEL, false, RATIO << 8},                     /* PERF_STATUS */
    {0x199, INTEL, true, RATIO << 8},                      /* PERF_CTL */
    {0x19a, INTEL, true, 0},                               /* CLOCK_MODULATION: off */
    {0x19b, INTEL, true, 0},                               /* THERM_INTERRUPT */
    {0x19c, INTEL, true, 1ull << 31 | (TJMAX - 40) << 16}, /* THERM_STATUS: valid */
    {0x1a2, INTEL, false, TJMAX << 16},                    /* TEMPERATURE_TARGET */
    {0x1aa, INTEL, true, 0},                               /* MISC_PWR_MGMT */
    {0x1ad, INTEL, false, RATIO * 0x0101010101010101},     /* TURBO_RATIO_LIMIT: no turbo */
    {0x1fc, INTEL, true, 0},                               /* POWER_CTL */
    {0xc0010010, AMD, true, 0},                            /* SYSCFG */
    {0xc0010015, AMD, true, 0},                            /* HWCR */
    {0xc001001a, AMD, true, 0},                            /* TOP_MEM */
    {0xc001001d, AMD, true, 0},                            /* TOP_MEM2 */
    {0xc001001f, AMD, true, 0},                            /* NB_CFG */
    {0xc0010020, AMD, true, 0},                            /* PATCH_LOADER */
    {0xc0010055, AMD, true, 0},                            /* INT_PENDING_MSG */
    {0xc0010058, AMD, true, 0},                            /* MMIO_CFG_BASE: off */
    {0xc0010114, AMD, true, 1 << 4},                       /* VM_CR: SVM is disabled */
    {0xc0011022, AMD, true, 0},                            /* DC_CFG */
    {0xc0011029, AMD, true, 1 << 1},                       /* DE_CFG: LFENCE serializes */
    {0xc001102a, AMD, true, 0},                            /* BU_CFG2 */
};

static const struct constant_msr *find_constant(const struct cpu *cpu, uint32_t msr)
{
    for (unsigned n = 0; n < ARRAY_SIZE(constant_msrs); n++) {
        const struct constant_msr *c = &constant_msrs[n];
        if (c->number == msr)
            return is_vendor(cpu, c->vendor) ? c : NULL;
    }
    return NULL;
}

/* ---- MTRRs and PAT (SDM vol. 3A 11.11, 11.12): stored, memory types do nothing here ---- */

static bool memory_type_ok(unsigned t)
{
    return t == 0 || t == 1 || (t >= 4 && t <= 6);
}

static uint64_t *mtrr_slot(struct cpu *cpu, uint32_t msr)
{
    static const uint16_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                     0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

    if (!model_has(&cpu->model, F_mtrr))
        return NULL;
    if (msr >= MSR_MTRR_VAR && msr < MSR_MTRR_VAR + 2 * NUM_MTRR_VAR)
        return &cpu->mtrr_var[msr - MSR_MTRR_VAR];
    if (msr == MSR_MTRR_DEF_TYPE)
        return &cpu->mtrr_def_type;
    for (unsigned n = 0; n < ARRAY_SIZE(fixed); n++) {
        if (fixed[n] == msr)
            return &cpu->mtrr_fixed[n];
    }
    return NULL;
}

static bool mtrr_value_ok(const struct cpu *cpu, uint32_t msr, uint64_t v)
{
    if (msr == MSR_MTRR_DEF_TYPE)
        return !(v & ~0xcffull) && memory_type_ok(v & 0xff);
    if (msr < MSR_MTRR_VAR + 2 * NUM_MTRR_VAR)
        return !(v >> cpu->model.phys_bits) &&
               (msr & 1 ? !(v & 0x7ff) : !(v & 0xf00) && memory_type_ok(v & 0xff));
    for (unsigned n = 0; n < 8; n++) {
        if (!memory_type_ok(v >> 8 * n & 0xff))
            return false;
    }
    return true;
}

static bool pat_ok(uint64_t v)
{
    for (unsigned n = 0; n < 8; n++) {
        unsigned t = v >> 8 * n & 0xff;
        if (!memory_type_ok(t) && t != 7)
            return false;
    }
    return true;
}

/* ---- EFER (SDM vol. 3A 2.2.1) ---- */

uint64_t efer_known(const struct cpu *cpu)
{
    return (model_has(&cpu->model, F_syscall) ? EFER_SCE : 0) |
           (model_has(&cpu->model, F_lm) ? EFER_LME | EFER_LMA : 0) |
           (model_has(&cpu->model, F_nx) ? EFER_NXE : 0);
}

static bool write_efer(struct cpu *cpu, uint64_t v)
{
    uint64_t known = efer_known(cpu), changed = (v ^ cpu->efer) & known;

    if (v & ~known || (changed & EFER_LME && cpu->cr0 & CR0_PG))
        return false;
    cpu->efer = (v & ~(uint64_t)EFER_LMA) | (cpu->efer & EFER_LMA);
    if (changed & EFER_NXE)
        tlb_flush_all(cpu);
    return true;
}

/* ---- the APIC's ---- */

bool is_apic_msr(uint32_t msr)
{
    return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
           (msr >= MSR_X2APIC && msr < MSR_X2APIC + 0x100);
}

static bool unknown(struct cpu *cpu, uint32_t msr, const char *what)
{
    log_unimp(cpu, "%s of unknown MSR %#x at %#llx", what, msr, (unsigned long long)cpu->r[R_RIP]);
    return false;
}

bool msr_peek(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    const struct plain_msr *plain = find_plain(cpu, msr);
    uint64_t *mtrr = mtrr_slot(cpu, msr);
    const struct constant_msr *constant = find_constant(cpu, msr);
    const struct cpu_model *model = &cpu->model;

    if (constant) {
        *value = constant->value;
        return true;
    }
    if (plain || mtrr) {
        *value = mtrr ? *mtrr : *(const uint64_t *)((const char *)cpu + plain->offset);
        return true;
    }
    if (is_apic_msr(msr))
        return apic_rdmsr(cpu, msr, value);
    if (is_kvmclock_msr(msr))
        return kvmclock_read(cpu, msr, value);
    *value = 0;
    switch (msr) {
    case MSR_TSC:
        *value = cpu_tsc(cpu);
        return model_has(model, F_tsc);
    case MSR_TSC_ADJUST:
        *value = cpu->tsc_adjust;
        return model_has(model, F_tsc_adjust);
    case MSR_SPEC_CTRL:
        *value = cpu->spec_ctrl;
        return model_has(model, F_spec_ctrl);
    case MSR_ARCH_CAPABILITIES:
        *value = ARCH_CAPABILITIES;
        return model_has(model, F_arch_capabilities);
    case MSR_MTRR_CAP:
        *value = MTRR_CAP;
        return model_has(model, F_mtrr);
    case MSR_PAT:
        *value = cpu->pat;
        return model_has(model, F_pat);
    case MSR_EFER:
        *value = cpu->efer;
        return model_has(model, F_syscall) || model_has(model, F_nx);
    case MSR_MCG_CAP: /* no banks */
        return model_has(model, F_mca);
    default:
        return false;
    }
}

bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    bool apic = is_apic_msr(msr), ok;

    if (apic)
        vcpu_lock_machine(&cpu->v);
    ok = msr_peek(cpu, msr, value);
    if (apic)
        vcpu_unlock_machine(&cpu->v);
    return ok || (!apic && unknown(cpu, msr, "read"));
}

static bool write_plain(struct cpu *cpu, const struct plain_msr *p, uint64_t v)
{
    bool ok = p->check == CANONICAL ? is_canonical(v)
              : p->check == LOW32   ? !(v >> 32)
              : p->check == LOW2    ? !(v >> 2)
                                    : true;

    if (!ok)
        return false;
    if (p->number == MSR_DEBUGCTL && v & DEBUGCTL_LBR)
        log_unimp(cpu, "DEBUGCTL.LBR: branches are not recorded");
    /* Software clears the revision and runs CPUID to have it loaded (SDM vol. 3A 9.11.7.1). */
    if (p->number != MSR_UCODE_REV)
        *(uint64_t *)((char *)cpu + p->offset) = v;
    return true;
}

bool msr_poke(struct cpu *cpu, uint32_t msr, uint64_t v)
{
    const struct plain_msr *plain = find_plain(cpu, msr);
    uint64_t *mtrr = mtrr_slot(cpu, msr);
    const struct constant_msr *constant = find_constant(cpu, msr);
    const struct cpu_model *model = &cpu->model;

    if (constant)
        return constant->writable;
    if (plain)
        return write_plain(cpu, plain, v);
    if (mtrr) {
        if (!mtrr_value_ok(cpu, msr, v))
            return false;
        *mtrr = v;
        return true;
    }
    if (is_apic_msr(msr))
        return apic_wrmsr(cpu, msr, v);
    if (is_kvmclock_msr(msr))
        return kvmclock_write(cpu, msr, v) || unknown(cpu, msr, "write");
    switch (msr) {
    case MSR_TSC:
        move_tsc(cpu, v - cpu_tsc(cpu));
        return model_has(model, F_tsc);
    case MSR_TSC_ADJUST:
        if (!model_has(model, F_tsc_adjust))
            return false;
        move_tsc(cpu, v - cpu->tsc_adjust);
        return true;
    case MSR_SPEC_CTRL: /* IBRS, STIBP, SSBD: there is nothing to restrain */
        if (!model_has(model, F_spec_ctrl) || v & ~7ull)
            return false;
        cpu->spec_ctrl = v;
        return true;
    case MSR_PRED_CMD:
        return model_has(model, F_spec_ctrl) && !(v & ~1ull);
    case MSR_PAT:
        if (!model_has(model, F_pat) || !pat_ok(v))
            return false;
        cpu->pat = v;
        return true;
    case MSR_EFER:
        return (model_has(model, F_syscall) || model_has(model, F_nx)) && write_efer(cpu, v);
    case MSR_UCODE_WRITE:
        return is_vendor(cpu, INTEL);
    case MSR_MTRR_CAP:
    case MSR_MCG_CAP:
    case MSR_ARCH_CAPABILITIES:
        return false; /* read-only */
    default:
        return unknown(cpu, msr, "write");
    }
}

bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t v)
{
    bool outside =
             is_apic_msr(msr) || is_kvmclock_msr(msr) || msr == MSR_TSC || msr == MSR_TSC_ADJUST,
         ok;

    if (outside) /* other CPUs, timers, memory */
        vcpu_lock_machine(&cpu->v);
    ok = msr_poke(cpu, msr, v);
    if (outside)
        vcpu_unlock_machine(&cpu->v);
    return ok;
}
