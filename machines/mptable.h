/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_MPTABLE_H
#define CALQUE_MACHINES_MPTABLE_H

#include <stddef.h>
#include <stdint.h>

#define MPTABLE_MAX 0x2000 /* bytes the structures take at most */

/* What the tables say of the machine. */
struct mptable_config {
    unsigned ncpus;
    const uint32_t *apic_ids;             /* of each; those above 254 have no entry */
    uint32_t cpu_signature, cpu_features; /* EAX and EDX of CPUID leaf 1 */
    uint32_t ioapic_base;
    uint8_t ioapic_id, ioapic_version;
    uint8_t pirq_irq[4]; /* IOAPIC inputs of PIRQA# to PIRQD# */
    uint8_t sci_irq;     /* of INTA# of the PIIX's slot, and level triggered */
};

/* Builds the floating pointer structure, and behind it the configuration table, for the address
 * `base` (16-byte aligned, below 4 GiB) into out. Returns the bytes used, or 0 if they do not fit
 * into size. */
size_t mptable_build(const struct mptable_config *config, uint32_t base, uint8_t *out, size_t size);

#endif
