/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUID (SDM vol. 2A, CPUID; leaf 40000000H is a hypervisor's). */
#include "cpu/x86/cpuid.h"

#include <string.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/xsave.h"

enum { EAX, EBX, ECX, EDX };

/* ---- leaves ---- */

static void add_features(const struct cpu_model *m, uint32_t leaf, uint32_t subleaf,
                         uint32_t out[4])
{
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        if (m->has[f] && cpu_features[f].leaf == leaf && cpu_features[f].subleaf == subleaf)
            out[cpu_features[f].reg] |= 1u << cpu_features[f].bit;
    }
}

static bool is_intel(const struct cpu_model *m)
{
    return !strcmp(m->vendor, "GenuineIntel");
}

uint32_t cpuid_signature(const struct cpu_model *m)
{
    uint32_t family = m->family > 15 ? 15 : m->family;
    uint32_t extended = m->family > 15 ? m->family - 15u : 0;

    return m->stepping | (m->model & 15u) << 4 | family << 8 | (uint32_t)(m->model >> 4) << 16 |
           extended << 20;
}

static void leaf_vendor(const struct cpu_model *m, uint32_t out[4])
{
    memcpy(&out[EBX], m->vendor, 4);
    memcpy(&out[EDX], m->vendor + 4, 4);
    memcpy(&out[ECX], m->vendor + 8, 4);
}

/* In a package. */
static unsigned logical_processors(const struct cpu_model *m)
{
    const struct cpu_topology *t = &m->topology;

    return (t->threads ? t->threads : 1u) * (t->cores ? t->cores : 1u);
}

static void leaf_1(const struct cpu *cpu, uint32_t out[4])
{
    out[EAX] = cpuid_signature(&cpu->model);
    unsigned logical = 1u << topology_package_shift(&cpu->model.topology);
    out[EBX] = cpu->apic_id << 24 | (logical > 255 ? 255 : logical) << 16;
    if (cpu->model.has[F_clfsh])
        out[EBX] |= 8u << 8; /* CLFLUSH line, in 8-byte units */
    add_features(&cpu->model, 1, 0, out);
    if (logical > 1)
        out[EDX] |= 1u << 28; /* HTT: EBX[23:16] counts */
    if (cpu->cr4 & CR4_OSXSAVE)
        out[ECX] |= 1u << 27;
    /* The APIC's bit follows its global enable (SDM vol. 3A 10.4.3). */
    if (!(cpu->apic.base_msr & 1u << 11))
        out[EDX] &= ~(1u << 9);
}

/* Descriptors of caches and TLBs, in the order of the registers; AL: ask once. FFH: leaf 4 has the
 * caches. */
static void leaf_2(const struct cpu_model *m, uint32_t out[4])
{
    const uint8_t *d = m->descriptors;

    out[EAX] = 1;
    if (!d[0]) {
        out[EAX] |= 0xff00;
        return;
    }
    out[EAX] |= (uint32_t)d[0] << 8 | (uint32_t)d[1] << 16 | (uint32_t)d[2] << 24;
    out[EDX] = (uint32_t)d[3] | (uint32_t)d[4] << 8 | (uint32_t)d[5] << 16;
}

/* Deterministic cache parameters: data and code 32 KiB for a core, then 1 MiB for the package. */
static void leaf_4(const struct cpu_topology *t, uint32_t subleaf, uint32_t out[4])
{
    unsigned threads = 1u << topology_thread_bits(t), logical = 1u << topology_package_shift(t);
    static const struct {
        uint8_t type, level;
        uint16_t ways, sets;
    } caches[] = {{1, 1, 8, 64}, {2, 1, 8, 64}, {3, 2, 16, 1024}};

    if (subleaf >= ARRAY_SIZE(caches))
        return;
    out[EAX] = caches[subleaf].type | caches[subleaf].level << 5 | 1u << 8;
    out[EAX] |= ((caches[subleaf].level == 1 ? threads : logical) - 1) << 14;
    out[EAX] |= ((logical / threads - 1) & 63) << 26;
    out[EBX] = 63 | (caches[subleaf].ways - 1u) << 22;
    out[ECX] = caches[subleaf].sets - 1u;
}

/* Extended topology: threads of a core, then logical processors of a package. */
static void leaf_b(const struct cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_topology *t = &cpu->model.topology;
    out[ECX] = subleaf & 0xff;
    out[EDX] = cpu->apic_id;
    if (subleaf < 2) {
        out[EAX] = subleaf ? topology_package_shift(t) : topology_thread_bits(t);
        out[EBX] = subleaf || !t->threads ? logical_processors(&cpu->model) : t->threads;
        out[ECX] |= (subleaf + 1) << 8;
    }
}

/* XSAVE: components and sizes (SDM vol. 1 13.2). */
static void leaf_d(const struct cpu *cpu, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_model *m = &cpu->model;
    uint32_t all = xcr0_supported(m);

    switch (subleaf) {
    case 0:
        out[EAX] = all;
        out[EBX] = xsave_size(cpu->xcr0);
        out[ECX] = xsave_size(all);
        break;
    case 1:
        add_features(m, 0xd, 1, out);
        if (m->has[F_xsavec])
            out[EBX] = xsave_size(cpu->xcr0);
        break;
    case 2:
        if (all & XCR0_AVX) {
            out[EAX] = XSAVE_AVX_SIZE;
            out[EBX] = XSAVE_AVX;
        }
        break;
    default:
        break;
    }
}

static void basic_leaf(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_model *m = &cpu->model;

    switch (leaf) {
    case 0:
        out[EAX] = m->max_leaf;
        leaf_vendor(m, out);
        break;
    case 1:
        leaf_1(cpu, out);
        break;
    case 2:
        leaf_2(m, out);
        break;
    case 4:
        leaf_4(&m->topology, subleaf, out);
        break;
    case 6:
        out[EAX] = m->has[F_apic] ? 1u << 2 : 0; /* the APIC timer never stops */
        break;
    case 7:
        add_features(m, 7, subleaf, out);
        break;
    case 0xb:
        if (m->has[F_x2apic])
            leaf_b(cpu, subleaf, out);
        break;
    case 0xd:
        if (m->has[F_xsave])
            leaf_d(cpu, subleaf, out);
        break;
    case 0x15: /* TSC = crystal * EBX / EAX: saves guests their calibration */
        out[EAX] = 2;
        out[EBX] = (uint32_t)(2 * TSC_HZ / APIC_TIMER_HZ);
        out[ECX] = (uint32_t)APIC_TIMER_HZ;
        break;
    case 0x16:
        out[EAX] = out[EBX] = (uint32_t)(TSC_HZ / 1000000);
        out[ECX] = 100;
        break;
    default:
        break;
    }
}

static void extended_leaf(const struct cpu_model *m, uint32_t leaf, uint32_t out[4])
{
    switch (leaf) {
    case 0x80000000:
        out[EAX] = m->max_extended;
        if (!is_intel(m))
            leaf_vendor(m, out);
        break;
    case 0x80000001:
        add_features(m, leaf, 0, out);
        if (!is_intel(m)) /* AMD repeats leaf 1's bits (APM vol. 3 E.4.2) */
            for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++)
                if (m->has[f] && cpu_features[f].leaf == 1 && cpu_features[f].reg == EDX)
                    out[EDX] |= 0x0183f3ffu & 1u << cpu_features[f].bit;
        if (!is_intel(m) && topology_package_shift(&m->topology))
            out[ECX] |= 1u << 1; /* CmpLegacy: the logical processors of leaf 1 are cores */
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(out, m->brand + 16 * (leaf - 0x80000002), 16);
        break;
    case 0x80000005: /* L1 (APM vol. 3 E.4.4): 32 KiB, 8 ways, one line a tag, 64-byte lines */
        if (!is_intel(m))
            out[ECX] = out[EDX] = 32u << 24 | 8u << 16 | 1u << 8 | 64;
        break;
    case 0x80000006:
        out[ECX] = 1024u << 16 | 8u << 12 | 64; /* L2: 1 MiB, 16 ways, 64-byte lines */
        break;
    case 0x80000007:
        add_features(m, leaf, 0, out);
        break;
    case 0x80000008:
        out[EAX] = m->phys_bits | (uint32_t)m->lin_bits << 8;
        if (!is_intel(m)) /* ApicIdCoreIdSize, NC */
            out[ECX] = topology_package_shift(&m->topology) << 12 | (logical_processors(m) - 1);
        break;
    default:
        break;
    }
}

/* Guests know timing leaf 40000010H by other hypervisors' signatures only; leaf 15H serves them.
 * They look for the paravirtual clock where the signature is KVM's. */
static void hypervisor_leaf(const struct cpu_model *m, uint32_t leaf, uint32_t out[4])
{
    const char *name = m->has[F_kvmclock] ? "KVMKVMKVM\0\0\0" : "CalqueCalque";

    if (leaf == 0x40000001 && m->has[F_kvmclock])
        out[EAX] = KVMCLOCK_FEATURES;
    if (leaf != 0x40000000)
        return;
    out[EAX] = m->has[F_kvmclock] ? 0x40000001 : 0x40000000;
    memcpy(&out[EBX], name, 4);
    memcpy(&out[ECX], name + 4, 4);
    memcpy(&out[EDX], name + 8, 4);
}

void cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_model *m = &cpu->model;

    memset(out, 0, 4 * sizeof(*out));
    if (leaf >> 31 && leaf <= m->max_extended)
        extended_leaf(m, leaf, out);
    else if (leaf >> 28 == 4 && m->has[F_hypervisor])
        hypervisor_leaf(m, leaf, out);
    else if (leaf <= m->max_leaf)
        basic_leaf(cpu, leaf, subleaf, out);
    else if (is_intel(m)) /* beyond the last: the last basic leaf's answer */
        basic_leaf(cpu, m->max_leaf, subleaf, out);
}
