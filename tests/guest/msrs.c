/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Model-specific registers that operating systems look at when they start (SDM vol. 4; AMD APM
 * vol. 2 appendix A), for both makers; single steps by branches (SDM vol. 3B 18.4.3). */
#include "lib/rt.h"

static uint64_t value;

static bool reads(uint32_t msr)
{
    uint32_t lo = 0, hi = 0;

    TRY("rdmsr", : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
    value = lo | (uint64_t)hi << 32;
    return exc.vector == NONE;
}

static bool takes(uint32_t msr, uint64_t v)
{
    TRY("wrmsr", ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
    return exc.vector == NONE;
}

static void intel(void)
{
    uint32_t id[4];

    report(reads(0x17), "PLATFORM_ID");
    report(reads(0x8b) && value >> 32, "microcode revision");
    report(takes(0x8b, 0) && reads(0x8b) && value >> 32, "it comes back after a write of 0");
    report(reads(0x3a) && value == 1, "FEATURE_CONTROL is locked and empty");
    report(!takes(0x3a, 5), "#GP: write of FEATURE_CONTROL");
    cpuid(0x16, id);
    report(reads(0xce) && (value >> 8 & 0xff) * 100 == (id[0] & 0xffff), "PLATFORM_INFO: ratio");
    report(reads(0x198) && (value >> 8 & 0xff) * 100 == (id[0] & 0xffff), "PERF_STATUS: ratio");
    report(reads(0x1a0) && value & 1, "MISC_ENABLE: fast strings");
    report(reads(0x1a2) && value >> 16 == 100, "TEMPERATURE_TARGET");
    report(reads(0x19c) && value >> 31 & 1 && (value >> 16 & 0x7f) == 60, "THERM_STATUS: valid");
    report(reads(0x1aa) && takes(0x1aa, value), "MISC_PWR_MGMT");
    report(reads(0x179), "MCG_CAP");
    report(!takes(0x179, 0), "#GP: write of MCG_CAP");
    report(reads(0x10a) && value & 1, "ARCH_CAPABILITIES: RDCL_NO");
    report(!takes(0x10a, value), "#GP: write of ARCH_CAPABILITIES");
    report(!reads(0xc0010015), "#GP: AMD's HWCR");
}

static void amd(void)
{
    report(reads(0x8b) && (uint32_t)value && !(value >> 32), "patch level");
    report(reads(0xc0010015) && takes(0xc0010015, value), "HWCR");
    report(reads(0xc0010010) && takes(0xc0010010, value), "SYSCFG");
    report(reads(0xc001001f) && takes(0xc001001f, value), "NB_CFG");
    report(reads(0xc001001a) && reads(0xc001001d), "TOP_MEM");
    report(reads(0xc0011029) && value & 2, "DE_CFG: LFENCE serializes");
    report(takes(0xc0010020, 0x100000), "PATCH_LOADER");
    report(!reads(0x1a0), "#GP: Intel's MISC_ENABLE");
    report(!reads(0x17), "#GP: Intel's PLATFORM_ID");
}

/* TF with DEBUGCTL.BTF traps behind taken branches only, and #DB clears BTF. */
static void branch_step(void)
{
    extern char btf_target[];

    TRY("mov $0x1d9, %%ecx\n\tmov $2, %%eax\n\txor %%edx, %%edx\n\twrmsr\n\t"
        "pushf\n\tor" W " $0x100, (%%" R "sp)\n\tpopf\n\tnop\n\tclc\n\tjc btf_target\n\tnop\n\t"
        "jmp btf_target\n\tnop\nbtf_target:\tnop",
        ::
            : "eax", "ecx", "edx", "memory");
    check("BTF: #DB behind a taken branch", exc.f.ip, (word)btf_target);
    check("BTF: DR6.BS", exc.dr6 & 0xe00f, 0x4000);
    check("BTF: #DB clears it", rdmsr(0x1d9), 0);
}

void guest_main(void)
{
    uint32_t id[4];

    report(!reads(0x12345678), "#GP: an unknown one");
    report(!takes(0x12345678, 0), "#GP: write of an unknown one");
    cpuid(0, id);
    if (id[1] == 0x756e6547)
        intel();
    else
        amd();
    branch_step();
}
