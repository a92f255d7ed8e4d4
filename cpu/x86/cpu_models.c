/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU models: what is in them, and what -cpu says. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/x87_host.h"

/* ---- features ---- */

enum { EAX, EBX, ECX, EDX };

#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = {leaf, subleaf, reg, bit, text},
const struct feature_info cpu_features[NUM_FEATURES] = {
#include "cpu/x86/cpuid_features.def"
};
#undef FEATURE

/* What a feature builds on: a processor that has the first has the second too. */
static const struct {
    uint8_t feature, base;
} dependencies[] = {
    {F_mmx, F_fpu},
    {F_fxsr, F_fpu},
    {F_sse, F_fxsr},
    {F_sse2, F_sse},
    {F_sse3, F_sse2},
    {F_ssse3, F_sse3},
    {F_sse41, F_ssse3},
    {F_sse42, F_sse41},
    {F_aes, F_sse2},
    {F_pclmulqdq, F_sse2},
    {F_sha, F_sse2},
    {F_xsave, F_fxsr},
    {F_avx, F_xsave},
    {F_avx, F_sse42},
    {F_avx2, F_avx},
    {F_fma, F_avx},
    {F_f16c, F_avx},
    {F_xsaveopt, F_xsave},
    {F_xsavec, F_xsave},
    {F_xgetbv1, F_xsave},
    {F_apic, F_msr},
    {F_x2apic, F_apic},
    {F_tsc_deadline, F_apic},
    {F_tsc_deadline, F_tsc},
    {F_tsc_adjust, F_tsc},
    {F_rdtscp, F_tsc},
    {F_invtsc, F_tsc},
    {F_mca, F_mce},
    {F_mtrr, F_msr},
    {F_pat, F_msr},
    {F_sep, F_msr},
    {F_syscall, F_msr},
    {F_spec_ctrl, F_msr},
    {F_arch_capabilities, F_msr},
    {F_pse36, F_pse},
    {F_nx, F_pae},
    {F_nx, F_msr},
    {F_lm, F_pae},
    {F_lm, F_msr},
    {F_lm, F_cx8},
    {F_lm, F_cmov},
    {F_lm, F_sse2},
    {F_lm, F_syscall},
    {F_cx16, F_lm},
    {F_lahf_lm, F_lm},
    {F_pdpe1gb, F_lm},
    {F_pcid, F_lm},
    {F_fsgsbase, F_lm},
    {F_kvmclock, F_hypervisor},
    {F_kvmclock, F_msr},
    {F_kvmclock, F_tsc},
};

/* ---- the models ---- */

struct model_row {
    const char *name, *text, *vendor, *brand;
    uint8_t family, model, stepping, phys_bits, lin_bits;
    uint32_t max_leaf;
    const uint8_t *list;    /* features, 0 at the end; NULL: all that work */
    uint8_t descriptors[6]; /* leaf 2, where there is no leaf 4 */
};

#define LIST(name, ...) static const uint8_t list_##name[] = {__VA_ARGS__, 0};
#define PENTIUM         F_fpu, F_vme, F_de, F_pse, F_tsc, F_msr, F_mce, F_cx8, F_apic, F_mmx
#define PENTIUM3        PENTIUM, F_pae, F_sep, F_mtrr, F_pge, F_mca, F_cmov, F_pat, F_pse36, F_fxsr, F_sse
#define X86_64          PENTIUM3, F_clfsh, F_sse2, F_sse3, F_cx16, F_lahf_lm, F_syscall, F_nx, F_lm
#define VIRTUAL         F_x2apic, F_hypervisor
#define X86_64_V2       X86_64, F_ssse3, F_sse41, F_sse42, F_popcnt, F_rdtscp
#define X86_64_V3       X86_64_V2, F_xsave, F_avx, F_avx2, F_bmi1, F_bmi2, F_f16c, F_fma, F_abm, F_movbe
LIST(486, F_fpu, F_vme)
LIST(pentium, PENTIUM)
LIST(pentium3, PENTIUM3)
LIST(core2duo, X86_64, F_ssse3, F_hypervisor)
LIST(qemu64, X86_64, VIRTUAL)
LIST(v2, X86_64_V2, VIRTUAL)
LIST(v3, X86_64_V3, VIRTUAL)
LIST(haswell, X86_64_V3, VIRTUAL, F_pclmulqdq, F_aes, F_pcid, F_invpcid, F_tsc_deadline, F_rdrand,
     F_fsgsbase, F_tsc_adjust, F_smep, F_erms, F_xsaveopt)

/* Signatures and sizes: the processors' data sheets. */
#define INTEL "GenuineIntel"
#define BRAND "Calque Virtual CPU"
static const struct model_row models[] = {
    /* Leaf 15H, the counter's frequency, is max's only: another model says the same on hosts whose
     * KVM cannot scale it. */
    /* The signature is of a processor that does not speculate either (Atom, in order): kernels know
     * those by it, and leave out what others need, the most expensive part of a system call. */
    {"max", "everything that works", INTEL, BRAND, 6, 0x1c, 10, 40, 48, 0x16, NULL, {0}},
    {"qemu64",
     "a plain 64-bit processor",
     "AuthenticAMD",
     BRAND " (qemu64)",
     15,
     107,
     1,
     40,
     48,
     0xd,
     list_qemu64,
     {0}},
    {"x86-64-v2",
     "level 2: SSE4.2, POPCNT",
     INTEL,
     BRAND " (x86-64-v2)",
     6,
     0x1a,
     3,
     40,
     48,
     0xd,
     list_v2,
     {0}},
    {"x86-64-v3",
     "level 3: AVX2, BMI2, FMA",
     INTEL,
     BRAND " (x86-64-v3)",
     6,
     0x3c,
     4,
     40,
     48,
     0xd,
     list_v3,
     {0}},
    {"Haswell-noTSX",
     "Intel Core, 4th generation",
     INTEL,
     "Intel Core Processor (Haswell, no TSX)",
     6,
     0x3c,
     4,
     40,
     48,
     0xd,
     list_haswell,
     {0}},
    {"Nehalem",
     "Intel Core i7 9xx",
     INTEL,
     "Intel Core i7 9xx (Nehalem Class Core i7)",
     6,
     0x1a,
     3,
     40,
     48,
     0xb,
     list_v2,
     {0}},
    {"core2duo",
     "Intel Core 2 Duo",
     INTEL,
     "Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz",
     6,
     15,
     11,
     36,
     48,
     0xa,
     list_core2duo,
     {0}},
    /* leaf 2: TLBs of 4 KiB and 4 MiB pages, L1 2 x 16 KiB, L2 256 KiB (SDM vol. 2A table 3-12) */
    {"pentium3",
     "Intel Pentium III",
     INTEL,
     "",
     6,
     8,
     3,
     36,
     32,
     2,
     list_pentium3,
     {0x01, 0x02, 0x03, 0x08, 0x0c, 0x82}},
    {"pentium", "Intel Pentium with MMX", INTEL, "", 5, 4, 3, 32, 32, 1, list_pentium, {0}},
    {"486", "Intel DX4", INTEL, "", 4, 8, 0, 32, 32, 1, list_486, {0}},
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
    m->max_leaf = row->max_leaf;
    memcpy(m->descriptors, row->descriptors, sizeof(m->descriptors));
    m->soft_approx = !X87_HOST;
    for (unsigned f = F_NONE + 1; !row->list && f < NUM_FEATURES; f++)
        m->has[f] =
            f != F_kvmclock; /* by name only: guests behave otherwise with KVM's signature */
    for (const uint8_t *f = row->list; f && *f; f++)
        m->has[*f] = true;
}

static const struct model_row *find_model(const char *name, struct error *err)
{
    struct suggestion s;

    suggest_begin(&s, name);
    for (unsigned n = 0; n < ARRAY_SIZE(models); n++) {
        if (!strcmp(models[n].name, name))
            return &models[n];
        suggest_offer(&s, models[n].name);
    }
    error_set(err, "-cpu %s: no such model; did you mean '%s'?", name, s.best);
    return NULL;
}

/* ---- what -cpu says behind the model ---- */

/* What a word asks of each feature. */
enum wish { WISH_NONE, WISH_ON, WISH_OFF };

/* Other names of the same. */
static const struct {
    const char *name;
    uint8_t feature;
} aliases[] = {
    {"pni", F_sse3}, {"pclmuldq", F_pclmulqdq},  {"lzcnt", F_abm}, {"clfsh", F_clfsh},
    {"sha", F_sha},  {"prefetchw", F_prefetchw},
};

/* '_', '.' and '-' are one letter in names of features. */
static bool same_name(const char *a, const char *b)
{
    while (*a && (*a == *b || (strchr("_.-", *a) && *b && strchr("_.-", *b))))
        a++, b++;
    return *a == *b;
}

static unsigned find_feature(const char *name, struct error *err)
{
    struct suggestion s;

    suggest_begin(&s, name);
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        if (same_name(cpu_features[f].text, name))
            return f;
        suggest_offer(&s, cpu_features[f].text);
    }
    for (unsigned n = 0; n < ARRAY_SIZE(aliases); n++) {
        if (same_name(aliases[n].name, name))
            return aliases[n].feature;
    }
    error_set(err, "-cpu: '%s': Calque has no such feature; did you mean '%s'?", name, s.best);
    return F_NONE;
}

/* "host": FSIN, RCPPS and others by the host's instructions. "soft": by calculation. */
static bool apply_fpapprox(struct cpu_model *m, const char *value, struct error *err)
{
    m->soft_approx = !strcmp(value, "soft");
    if (m->soft_approx)
        return CONFIG_MPFR || error_set(err, "-cpu: fpapprox=soft: this build has no MPFR");
    if (strcmp(value, "host") != 0)
        return error_set(err, "-cpu: fpapprox=%s: expected host or soft", value);
    return X87_HOST || error_set(err, "-cpu: fpapprox=host: this host is not an x86");
}

/* "+sse2", "-mmx", "sse2=on", "mmx=off" */
static bool take_word(enum wish *wishes, char *word, struct error *err)
{
    char *value = strchr(word, '=');
    enum wish wish = word[0] == '+' ? WISH_ON : word[0] == '-' ? WISH_OFF : WISH_NONE;

    if (wish == WISH_NONE && value) {
        *value++ = 0;
        wish = !strcmp(value, "on") ? WISH_ON : !strcmp(value, "off") ? WISH_OFF : WISH_NONE;
        if (wish == WISH_NONE && find_feature(word, err))
            return error_set(err, "-cpu: %s=%s: expected on or off", word, value);
    } else if (wish != WISH_NONE) {
        word++;
    } else {
        return error_set(err, "-cpu: '%s': expected +feature, -feature or feature=on|off", word);
    }
    unsigned f = wish == WISH_NONE ? F_NONE : find_feature(word, err);
    if (f == F_NONE)
        return false;
    wishes[f] = wish;
    return true;
}

/* Takes away what lost its base; refuses if it was asked for. */
static bool settle_dependencies(struct cpu_model *m, const enum wish *wishes, struct error *err)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (unsigned n = 0; n < ARRAY_SIZE(dependencies); n++) {
            unsigned f = dependencies[n].feature, base = dependencies[n].base;

            if (!m->has[f] || m->has[base])
                continue;
            if (wishes[f] == WISH_ON)
                return error_set(err, "-cpu %s: %s needs %s, which is off", m->name,
                                 cpu_features[f].text, cpu_features[base].text);
            m->has[f] = false;
            changed = true;
        }
    }
    return true;
}

/* Leaves go as far as the model's features are. */
static void reach_features(struct cpu_model *m)
{
    m->max_extended = m->has[F_lm] ? 0x80000008 : m->brand[0] ? 0x80000004 : 0;
    m->lin_bits = m->has[F_lm] ? m->lin_bits : 32;
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        uint32_t leaf = cpu_features[f].leaf;
        uint32_t *max = leaf >> 31 ? &m->max_extended : &m->max_leaf;

        if (m->has[f] && leaf >> 28 != 4 && leaf > *max)
            *max = leaf;
    }
}

bool cpu_model_parse(struct cpu_model *model, const char *spec, struct error *err)
{
    enum wish wishes[NUM_FEATURES] = {WISH_NONE};
    char text[512], *rest = NULL;

    if (strlen(spec) >= sizeof(text))
        return error_set(err, "-cpu: longer than %zu letters", sizeof(text) - 1);
    memcpy(text, spec, strlen(spec) + 1);
    char *word = strtok_r(text, ",", &rest);
    const struct model_row *row = find_model(word ? word : "", err);
    if (!row)
        return false;
    model_from_row(model, row);
    while ((word = strtok_r(NULL, ",", &rest))) {
        bool fpapprox = !strncmp(word, "fpapprox=", 9);
        if (fpapprox ? !apply_fpapprox(model, word + 9, err) : !take_word(wishes, word, err))
            return false;
    }
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        if (wishes[f] != WISH_NONE)
            model->has[f] = wishes[f] == WISH_ON;
    }
    if (wishes[F_kvmclock] == WISH_ON && wishes[F_hypervisor] == WISH_NONE)
        model->has[F_hypervisor] = true;
    if (!settle_dependencies(model, wishes, err))
        return false;
    reach_features(model);
    return true;
}

void cpu_model_remove(struct cpu_model *model, unsigned feature)
{
    static const enum wish none[NUM_FEATURES];
    struct error err;

    model->has[feature] = false;
    settle_dependencies(model, none, &err);
}

const char *cpu_model_name(unsigned n)
{
    return n < ARRAY_SIZE(models) ? models[n].name : NULL;
}

void cpu_model_list(void (*line)(void *opaque, const char *text), void *opaque)
{
    char text[100];
    size_t len = 0;

    for (unsigned n = 0; n < ARRAY_SIZE(models); n++) {
        snprintf(text, sizeof(text), "%-14s %s", models[n].name, models[n].text);
        line(opaque, text);
    }
    line(opaque, "");
    line(opaque, "Features, as +FEATURE, -FEATURE or FEATURE=on|off behind a model:");
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        if (len + strlen(cpu_features[f].text) + 1 > 78) {
            line(opaque, text);
            len = 0;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s", cpu_features[f].text);
    }
    line(opaque, text);
    line(opaque, "");
    line(
        opaque,
        "max has them all but kvmclock, KVM's paravirtual clock, with which the hypervisor leaves");
    line(opaque, "of CPUID are KVM's.");
    line(opaque,
         "fpapprox=host|soft: RCPPS, RSQRTPS and the x87's sines, logarithms and the like by the");
    line(opaque, "host's instructions (default on x86 hosts), or one result on every host.");
}

/* ---- what executes ---- */

/* Instructions that came without a bit of their own, or need another one too. */
static bool other_needs_met(const struct cpu_model *m, unsigned operation)
{
    switch (operation) {
    case OPN_nop_ea: /* 0F 18 to 0F 1F */
    case OPN_rdpmc:
        return m->family >= 6;
    case OPN_cvtpi2ps: /* SSE's and SSE2's with an MMX register */
    case OPN_cvtpi2pd:
    case OPN_cvtps2pi:
    case OPN_cvtpd2pi:
    case OPN_cvttps2pi:
    case OPN_cvttpd2pi:
    case OPN_movq2dq:
    case OPN_movdq2q:
        return m->has[F_mmx];
    case OPN_prefetch: /* 0F 0D: a NOP on 64-bit processors without PREFETCHW (SDM vol. 2B) */
        return m->has[F_prefetchw] || m->has[F_lm];
    default:
        return true;
    }
}

bool model_executes(const struct cpu_model *m, const struct operation_info *op)
{
    /* SSE and later extensions of MMX, x87 parts of CMOV and SSE3 */
    bool mmx = op->cpuid == F_sse || op->cpuid == F_sse2 || op->cpuid == F_ssse3;

    if (op->cpuid != F_NONE && !m->has[op->cpuid])
        return false;
    if (op->props & P_AVX && !m->has[F_avx]) /* VAESENC and others have two bits */
        return false;
    if (op->props & P_FPU && op->cpuid != F_NONE && !m->has[mmx ? F_mmx : F_fpu])
        return false;
    return other_needs_met(m, (unsigned)(op - operations));
}
