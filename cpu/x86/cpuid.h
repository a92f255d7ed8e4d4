/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_CPUID_H
#define CALQUE_CPU_X86_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/x86/topology.h"

/* CPU models and features. One list (cpuid_features.def) names every feature Calque knows, its
 * CPUID leaf, register and bit; what a model enables is both what CPUID reports and what decodes.
 */

struct cpu;
struct error;

#define FEATURE(name, leaf, subleaf, reg, bit, text) F_##name,
enum cpuid_feature {
    F_NONE, /* needs nothing */
#include "cpu/x86/cpuid_features.def"
    NUM_FEATURES
};
#undef FEATURE

/* Where CPUID says a feature; text: as users type it. */
struct feature_info {
    uint32_t leaf;
    uint8_t subleaf, reg, bit;
    const char *text;
};
extern const struct feature_info cpu_features[NUM_FEATURES];

struct cpu_model {
    char name[32];
    bool has[NUM_FEATURES];
    char vendor[13];
    uint8_t family, model, stepping;
    char brand[49];
    uint8_t phys_bits, lin_bits;
    uint32_t max_leaf;            /* last basic leaf of CPUID */
    uint32_t max_extended;        /* last of 80000000H on; 0: none */
    uint8_t descriptors[6];       /* leaf 2; the first 0: leaf 4 has them */
    struct cpu_topology topology; /* of the machine; all 0: packages of one */
    bool soft_approx; /* fpapprox=soft: FSIN, RCPPS and the like give one result on every host */
};

static inline bool model_has(const struct cpu_model *m, unsigned feature)
{
    return m->has[feature];
}

/* "max", "qemu64", "pentium3,+sse2,mmx=off,fpapprox=soft": fills *model. A feature that is switched
 * off takes along what builds on it. An unknown name or feature suggests the nearest one. */
bool cpu_model_parse(struct cpu_model *model, const char *spec, struct error *err);
/* Switches a feature off, and what builds on it. */
void cpu_model_remove(struct cpu_model *model, unsigned feature);
/* True if a processor of this model executes the operation; else it raises #UD. The features
 * decide, and for some instructions without one the family. */
struct operation_info;
bool model_executes(const struct cpu_model *m, const struct operation_info *op);
/* The n-th model's name, NULL beyond the last. */
const char *cpu_model_name(unsigned n);
/* Lines for -cpu help. */
void cpu_model_list(void (*line)(void *opaque, const char *text), void *opaque);

/* Stepping, model and family as in EAX of leaf 1; also EDX after a reset (SDM vol. 3A 10.1.2). */
uint32_t cpuid_signature(const struct cpu_model *m);

/* CPUID leaf/subleaf (SDM vol. 2A, CPUID). out: eax, ebx, ecx, edx. */
void cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
