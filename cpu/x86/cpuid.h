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

struct cpu_model {
    char name[32];
    bool has[NUM_FEATURES];
    char vendor[13];
    uint8_t family, model, stepping;
    char brand[49];
    uint8_t phys_bits, lin_bits;
    struct cpu_topology topology; /* of the machine; all 0: packages of one */
};

static inline bool model_has(const struct cpu_model *m, unsigned feature)
{
    return m->has[feature];
}

/* "max", "qemu64", "pentium3,+sse2,-mmx": fills *model. An unknown name or feature suggests the
 * nearest one; a feature Calque does not have is refused by name. */
bool cpu_model_parse(struct cpu_model *model, const char *spec, struct error *err);
/* One line each for -cpu help. */
void cpu_model_list(void (*line)(void *opaque, const char *text), void *opaque);

/* CPUID leaf/subleaf (SDM vol. 2A, CPUID). out: eax, ebx, ecx, edx. */
void cpuid_query(const struct cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);

#endif
