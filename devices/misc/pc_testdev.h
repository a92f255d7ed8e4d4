/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_PC_TESTDEV_H
#define CALQUE_DEVICES_MISC_PC_TESTDEV_H

#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"

#define PC_TESTDEV_IOMEM_SIZE 0x10000u
#define PC_TESTDEV_IRQS       16

/* pc-testdev, which the x86 tests of kvm-unit-tests use (as QEMU has it):
 *   ports 0xe0-0xe3   a register that remembers, in accesses of 1, 2 and 4 bytes
 *   ports 0xe4-0xe7   the same register, which takes single bytes only
 *   port  0xe8        a write of an address makes whatever is cached of its page be dropped
 *   ports 0x2000+n    a write sets the level of ISA interrupt n: 0 low, otherwise high
 *   0xff000000        64 KiB of memory that is a device's
 * Its exit port is isa-debug-exit. */
struct pc_testdev {
    struct device dev;
    uint8_t ioport[4];
    bool level[PC_TESTDEV_IRQS];
    uint8_t iomem[PC_TESTDEV_IOMEM_SIZE];
    struct irq_line irq[PC_TESTDEV_IRQS];
    struct region ioport_region, byte_region, flush_region, irq_region, iomem_region;
};

void pc_testdev_init(struct pc_testdev *t, struct machine *m, const char *id,
                     const struct irq_line irq[PC_TESTDEV_IRQS]);

#endif
