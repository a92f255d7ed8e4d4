/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_DEBUGREG_H
#define CALQUE_CPU_X86_DEBUGREG_H

#include "cpu/x86/cpu.h"

/* Breakpoints of DR0-DR3 and DR7 (SDM vol. 3B chapter 18). While DR7 enables any, the engine goes
 * instruction by instruction and every data access takes the slow path. */

#define DR6_FIXED    0xffff0ff0u
#define DR6_BD       (1u << 13)
#define DR6_BS       (1u << 14)
#define DR6_BT       (1u << 15)
#define DR7_FIXED    0x400u
#define DR6_WRITABLE 0xe00fu
#define DR7_WRITABLE 0xffff23ffu
#define DR7_LOCALS   0x155u /* L0-L3 and LE */
#define DR7_ENABLES  0xffu
#define DR7_GD       (1u << 13)

/* Computes cpu->bp_* from DR7 and CR4.DE. For cpu_mode_changed(). */
void debug_derive(struct cpu *cpu);
/* A #DB is delivered: its handler may use the debug registers and is not stepped by branches (SDM
 * vol. 3B 18.2.4, 18.4.1). */
static inline void debug_entered(struct cpu *cpu)
{
    cpu->dr[7] &= ~(uint64_t)DR7_GD;
    cpu->debugctl &= ~(uint64_t)(DEBUGCTL_LBR | DEBUGCTL_BTF);
}
/* DR6 bits of the instruction breakpoints at the linear address of r[R_RIP]. */
unsigned debug_code_hits(const struct cpu *cpu);
/* Notes which data breakpoints a data access hits. */
void debug_note_data(struct cpu *cpu, uint64_t lin, unsigned size, bool write);
/* The same for a port and the I/O breakpoints. */
void debug_note_port(struct cpu *cpu, uint16_t port, unsigned size);

#endif
