/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host's processor executes, and its clock. */
#include <cpuid.h>
#include <x86intrin.h>

#include "translator/internal.h"

static bool os_saves_ymm(void)
{
    uint32_t low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

/* An OSXSAVE bit is no feature of ours: 1.ECX[27]. */
void find_host_features(bool has[NUM_FEATURES])
{
    uint32_t r[4] = {0};
    bool ymm =
        __get_cpuid_count(1, 0, &r[0], &r[1], &r[2], &r[3]) && r[2] >> 27 & 1 && os_saves_ymm();

    has[F_NONE] = true;
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
        const struct feature_info *i = &cpu_features[f];

        has[f] = __get_cpuid_count(i->leaf, i->subleaf, &r[0], &r[1], &r[2], &r[3]) &&
                 r[i->reg] >> i->bit & 1;
    }
    if (!ymm)
        has[F_avx] = has[F_avx2] = has[F_fma] = has[F_f16c] = false;
}

uint64_t host_cycles(void)
{
    return __rdtsc();
}
