/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_SMM_H
#define CALQUE_CPU_X86_SMM_H

#include "cpu/x86/cpu.h"

/* System management mode (SDM vol. 3C, chapter System Management Mode; AMD APM vol. 2 chapter 10).
 *
 * The state save map is that of AMD64 for processors with long mode, whoever their vendor is
 * (firmware for virtual machines expects it: revision 0x20064), and that of the P6 family for the
 * others (revision 0x20000), with what the manual leaves reserved (hidden parts of segments, CR4)
 * where QEMU keeps it. SMBASE relocation and auto halt restart work. I/O instruction restart is not
 * offered (revision bit 16 is clear): an SMI# that a port write causes is taken behind the OUT. */

#define SMBASE_RESET 0x30000u

/* An SMI# arrives; lock held. One more while one is pending is the same one. */
void smm_request(struct cpu *cpu);
/* Takes the pending SMI: saves the state and goes to the handler. */
void smm_enter(struct cpu *cpu);
/* RSM: #UD outside SMM; a saved state that no processor can be in shuts down. */
int smm_leave(struct cpu *cpu);

#endif
