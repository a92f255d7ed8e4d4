/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_FW_CFG_H
#define CALQUE_MACHINES_PC_FW_CFG_H

#include "machines/pc.h"

/* The fw_cfg chip and its items; with a BIOS also tables, and kernel and initrd if there are any
 * (read before this). */
bool pc_add_fw_cfg(struct pc *pc, struct error *err);
/* CMOS bytes by which firmware learns the size of memory and more. */
void pc_fill_cmos(struct pc *pc);

#endif
