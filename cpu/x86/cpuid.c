/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU models, and CPUID (SDM vol. 2A, CPUID; leaf 40000000H is a hypervisor's). */
#include "cpu/x86/cpuid.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/xsave.h"

enum { EAX, EBX, ECX, EDX };

struct feature_info {
    uint32_t leaf;
    uint8_t subleaf, reg, bit;
    const char *text;
};

#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = {leaf, subleaf, reg, bit, text},
static const struct feature_info features[NUM_FEATURES] = {
#include "cpu/x86/cpuid_features.def"
};
#undef FEATURE

/* Known by name, but their instructions do not (all) execute yet: no model has them and +feature is
 * refused. Take one out when its instructions are in. */
static const uint8_t withheld[] = {F_NONE};

static bool is_withheld(unsigned f)
{
    for (unsigned n = 0; n < ARRAY_SIZE(withheld); n++) {
        if (withheld[n] == f)
            return true;
    }
    return false;
}

/* ---- models ---- */

struct model_row {
    const char *name, *text, *vendor, *brand;
    uint8_t family, model, stepping, phys_bits, lin_bits;
    const uint8_t *list; /* features, 0 at the end; NULL: all that work */
};

static const uint8_t list_486[] = {F_fpu, 0};
#define PENTIUM3                                                                                   \
    F_fpu, F_vme, F_de, F_pse, F_tsc, F_msr, F_pae, F_mce, F_cx8, F_apic, F_sep, F_mtrr, F_pge,    \
        F_mca, F_cmov, F_pat, F_pse36, F_mmx, F_fxsr, F_sse
static const uint8_t list_pentium3[] = {PENTIUM3, 0};
#define QEMU64                                                                                     \
    PENTIUM3, F_clfsh, F_sse2, F_sse3, F_cx16, F_x2apic, F_hypervisor, F_lahf_lm, F_syscall, F_nx, \
        F_lm
static const uint8_t list_qemu64[] = {QEMU64, 0};
static const uint8_t list_v2[] = {QEMU64, F_ssse3, F_sse41, F_sse42, F_popcnt, F_rdtscp, 0};

static const struct model_row models[] = {
    {"max", "everything that works", "GenuineIntel", "Calque Virtual CPU", 6, 0x3a, 9, 40, 48,
     NULL},
    {"qemu64", "a plain 64-bit processor", "AuthenticAMD", "Calque Virtual CPU (qemu64)", 15, 107,
     1, 40, 48, list_qemu64},
    {"x86-64-v2", "the x86-64-v2 level, as far as it works", "GenuineIntel",
     "Calque Virtual CPU (x86-64-v2)", 6, 0x1a, 3, 40, 48, list_v2},
    {"pentium3", "Intel Pentium III", "GenuineIntel", "", 6, 8, 3, 36, 32, list_pentium3},
    {"486", "Intel 80486DX", "GenuineIntel", "", 4, 8, 0, 32, 32, list_486},
};

static void model_from_row(struct cpu_model *m, const struct model_row *row)
{
    memset(m, 0, sizeof(*m));
    snprintf(m->name, sizeof(m->name), "%s", row->name);
    snprintf(m->vendor, sizeof(m->vendor), "%s", row->vendor);
    snprintf(m->brand, sizeof(m->brand), "%s", row->brand);
    m->family = row->family;
    m->model = row->model;
    m->stepping = row->stepping;
    m->phys_bits = row->phys_bits;
    m->lin_bits = row->lin_bits;
    for (unsigned f = F_NONE + 1; !row->list && f < NUM_FEATURES; f++)
        m->has[f] = !is_withheld(f);
    for (const uint8_t *f = row->list; f && *f; f++)
        m->has[*f] = !is_withheld(*f);
}

static bool find_model(struct cpu_model *m, const char *name, struct error *err)
{
    struct suggestion s;

    suggest_begin(&s, name);
    for (unsigned n = 0; n < ARRAY_SIZE(models); n++) {
        if (!strcmp(models[n].name, name)) {
            model_from_row(m, &models[n]);
            return true;
        }
        suggest_offer(&s, models[n].name);
    }
    return error_set(err, "-cpu %s: no such model; did you mean '%s'?", name, s.best);
}

/* What a feature of this file's list cannot be without. */
static const struct {
    uint8_t feature, needs;
} dependencies[] = {
    {F_xsaveopt, F_xsave}, {F_xsavec, F_xsave}, {F_xgetbv1, F_xsave}, {F_avx, F_xsave},
    {F_avx2, F_avx},       {F_fma, F_avx},      {F_f16c, F_avx},
};

static void drop_feature(struct cpu_model *m, unsigned f)
{
    m->has[f] = false;
    for (unsigned n = 0; n < ARRAY_SIZE(dependencies); n++)
        if (dependencies[n].needs == f)
            drop_feature(m, dependencies[n].feature);
}

static bool check_dependencies(const struct cpu_model *m, struct error *err)
{
    for (unsigned n = 0; n < ARRAY_SIZE(dependencies); n++) {
        if (m->has[dependencies[n].feature] && !m->has[dependencies[n].needs])
            return error_set(err, "-cpu: %s needs %s", features[dependencies[n].feature].text,
                             features[dependencies[n].needs].text);
    }
    return true;
}

/* "+sse2" or "-mmx", which takes along what needs it */
static bool apply_feature(struct cpu_model *m, const char *word, struct error *err)
{
    struct suggestion s;

    if (word[0] != '+' && word[0] != '-')
        return error_set(err, "-cpu: '%s': expected +feature or -feature", word);
    suggest_begin(&s, word + 1);
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        if (strcmp(features[f].text, word + 1) != 0) {
            suggest_offer(&s, features[f].text);
            continue;
        }
        if (word[0] == '+' && is_withheld(f))
            return error_set(err, "-cpu: %s: Calque does not have this feature yet", word + 1);
        if (word[0] == '+')
            m->has[f] = true;
        else
            drop_feature(m, f);
        return true;
    }
    return error_set(err, "-cpu: '%s': Calque has no such feature; did you mean '%s'?", word + 1,
                     s.best);
}

bool cpu_model_parse(struct cpu_model *model, const char *spec, struct error *err)
{
    char text[512], *rest = NULL;

    if (strlen(spec) >= sizeof(text))
        return error_set(err, "-cpu: longer than %zu letters", sizeof(text) - 1);
    memcpy(text, spec, strlen(spec) + 1);
    char *word = strtok_r(text, ",", &rest);
    if (!find_model(model, word ? word : "", err))
        return false;
    while ((word = strtok_r(NULL, ",", &rest))) {
        if (!apply_feature(model, word, err))
            return false;
    }
    return check_dependencies(model, err);
}

void cpu_model_list(void (*line)(void *opaque, const char *text), void *opaque)
{
    char text[128];

    for (unsigned n = 0; n < ARRAY_SIZE(models); n++) {
        snprintf(text, sizeof(text), "%-12s %s", models[n].name, models[n].text);
        line(opaque, text);
    }
}

/* ---- leaves ---- */

static void add_features(const struct cpu_model *m, uint32_t leaf, uint32_t subleaf,
                         uint32_t out[4])
{
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        if (m->has[f] && features[f].leaf == leaf && features[f].subleaf == subleaf)
            out[features[f].reg] |= 1u << features[f].bit;
    }
}

static bool is_intel(const struct cpu_model *m)
{
    return !strcmp(m->vendor, "GenuineIntel");
}

/* A processor without long mode stops where its time did. */
static uint32_t max_leaf(const struct cpu_model *m)
{
    if (m->family < 6)
        return 1;
    if (!m->has[F_lm])
        return 2;
    return is_intel(m) ? 0x16 : 0xd;
}

static uint32_t signature(const struct cpu_model *m)
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
    out[EAX] = signature(&cpu->model);
    unsigned logical = 1u << topology_package_shift(&cpu->model.topology);
    out[EBX] = cpu->apic_id << 24 | (logical > 255 ? 255 : logical) << 16;
    if (cpu->model.has[F_clfsh])
        out[EBX] |= 8u << 8; /* CLFLUSH line, in 8-byte units */
    add_features(&cpu->model, 1, 0, out);
    if (cpu->cr4 & CR4_OSXSAVE)
        out[ECX] |= 1u << 27;
    if (logical > 1)
        out[EDX] |= 1u << 28; /* HTT: EBX[23:16] counts */
    /* The APIC's bit follows its global enable (SDM vol. 3A 10.4.3). */
    if (!(cpu->apic.base_msr & 1u << 11))
        out[EDX] &= ~(1u << 9);
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
        out[EAX] = max_leaf(m);
        leaf_vendor(m, out);
        break;
    case 1:
        leaf_1(cpu, out);
        break;
    case 2:
        out[EAX] = 1; /* ask once; no descriptors: leaf 4 has the caches */
        break;
    case 4:
        leaf_4(&m->topology, subleaf, out);
        break;
    case 6:
        out[EAX] = 1u << 2; /* the APIC timer never stops */
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
        out[EAX] = m->has[F_lm] ? 0x80000008 : m->brand[0] ? 0x80000004 : 0x80000001;
        if (!is_intel(m))
            leaf_vendor(m, out);
        break;
    case 0x80000001:
        add_features(m, leaf, 0, out);
        if (!is_intel(m)) /* AMD repeats leaf 1's bits (APM vol. 3 E.4.2) */
            for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++)
                if (m->has[f] && features[f].leaf == 1 && features[f].reg == EDX)
                    out[EDX] |= 0x0183f3ffu & 1u << features[f].bit;
        if (!is_intel(m) && topology_package_shift(&m->topology))
            out[ECX] |= 1u << 1; /* CmpLegacy: the logical processors of leaf 1 are cores */
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        memcpy(out, m->brand + 16 * (leaf - 0x80000002), 16);
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

/* Guests know timing leaf 40000010H by other hypervisors' signatures only; leaf 15H serves them. */
static void hypervisor_leaf(uint32_t leaf, uint32_t out[4])
{
    static const char name[12] = "CalqueCalque";

    if (leaf != 0x40000000)
        return;
    out[EAX] = 0x40000000;
    memcpy(&out[EBX], name, 4);
    memcpy(&out[ECX], name + 4, 4);
    memcpy(&out[EDX], name + 8, 4);
}

void cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_model *m = &cpu->model;

    memset(out, 0, 4 * sizeof(*out));
    if (leaf >> 28 == 8)
        extended_leaf(m, leaf, out);
    else if (leaf >> 28 == 4 && m->has[F_hypervisor])
        hypervisor_leaf(leaf, out);
    else if (leaf <= max_leaf(m))
        basic_leaf(cpu, leaf, subleaf, out);
}
