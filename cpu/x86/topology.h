/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_TOPOLOGY_H
#define CALQUE_CPU_X86_TOPOLOGY_H

#include <stdint.h>

/* How the logical processors of a machine are spread over packages, and the APIC IDs that follow
 * from it: a field for each level, as wide as its number of members needs (SDM vol. 3A 9.9.1). */
struct cpu_topology {
    uint16_t sockets, cores, threads; /* cores of a socket, threads of a core; 0 counts as 1 */
};

/* Bits that number n things. */
static inline unsigned topology_bits(unsigned n)
{
    return n > 1 ? 32 - (unsigned)__builtin_clz(n - 1) : 0;
}
static inline unsigned topology_thread_bits(const struct cpu_topology *t)
{
    return topology_bits(t->threads);
}
/* Bits below the package number. */
static inline unsigned topology_package_shift(const struct cpu_topology *t)
{
    return topology_bits(t->threads) + topology_bits(t->cores);
}

/* APIC ID of the n-th processor of the machine. */
static inline uint32_t topology_apic_id(const struct cpu_topology *t, unsigned n)
{
    unsigned threads = t->threads ? t->threads : 1, cores = t->cores ? t->cores : 1;
    unsigned core = n / threads % cores, package = n / threads / cores;

    return package << topology_package_shift(t) | core << topology_thread_bits(t) | n % threads;
}

#endif
