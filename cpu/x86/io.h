/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_IO_H
#define CALQUE_CPU_X86_IO_H

#include "cpu/x86/cpu.h"

/* Port I/O as instructions do it. size is 1, 2 or 4 bytes. */

/* IOPL and the TSS's I/O permission bitmap (SDM vol. 1 19.5). 0, or OP_FAULT. */
int io_check(struct cpu *cpu, uint16_t port, unsigned size);
/* The access itself, under the machine lock, with the budget settled. */
uint32_t io_read(struct cpu *cpu, uint16_t port, unsigned size);
void io_write(struct cpu *cpu, uint16_t port, unsigned size, uint32_t value);

#endif
