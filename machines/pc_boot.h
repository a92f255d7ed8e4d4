/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_BOOT_H
#define CALQUE_MACHINES_PC_BOOT_H

#include "machines/pc.h"

#define PC_PM_BASE     0x600u
#define PC_FW_CFG_BASE 0x510u
#define PC_EBDA        0x9fc00u
#define PC_NO_BIOS     0xff000u /* where the interrupt vectors of a direct boot point */

/* Address ranges as a BIOS would report them (INT 15h, E820h). */
void pc_e820(const struct pc *pc, struct e820_map *map);
/* ISA interrupts of PIRQA#..PIRQD# in a direct boot. */
extern const uint8_t pc_pirq_irq[4];
/* Reads the files that a direct boot needs. */
bool pc_read_images(struct pc *pc, struct error *err);
void pc_free_images(struct pc *pc);
/* Direct boot: programs the chips as firmware would, writes tables, loads the kernel. */
bool pc_direct_boot(struct pc *pc, struct boot_state *state, struct error *err);

#endif
