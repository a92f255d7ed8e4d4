/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_TASK_H
#define CALQUE_CPU_X86_TASK_H

#include "cpu/x86/cpu.h"

/* Hardware task switches (SDM vol. 3A chapter 7), outside long mode.
 *
 * Each returns OP_LEAVE with the new task loaded, or OP_FAULT with cpu->exc set and nothing
 * changed. What faults while the new task's registers are loaded is raised in the new task: then
 * the result is OP_LEAVE and cpu->exc_pending is set. `next` is the EIP that the old task saves. */

/* Far JMP or CALL to a descriptor that is a TSS or a task gate; desc is what sel names. */
int task_transfer(struct cpu *cpu, uint16_t sel, uint64_t desc, bool call, uint64_t next);
/* An interrupt or exception through a checked task gate to TSS sel. eflags is the image to save;
 * ext the EXT bit of error codes. */
int task_interrupt(struct cpu *cpu, uint16_t sel, uint32_t eflags, uint32_t ext, bool has_error,
                   uint32_t error);
/* IRET with NT set: back to the task that the back link names. */
int task_return(struct cpu *cpu, uint64_t next);

#endif
