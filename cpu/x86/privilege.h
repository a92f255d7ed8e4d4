/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_PRIVILEGE_H
#define CALQUE_CPU_X86_PRIVILEGE_H

#include "cpu/x86/cpu.h"
#include "cpu/x86/flags.h"

/* Small things that system instructions share. */

/* EFLAGS bits that IRET and POPF at this privilege may change (SDM vol. 2, POPF, IRET). VM is never
 * among them; RF only IRET takes. */
static inline uint32_t eflags_writable(const struct cpu *cpu, unsigned size)
{
    uint32_t mask =
        EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;

    if (cpu->cpl == 0)
        mask |= EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP;
    if (cpu->cpl <= cpu_iopl(cpu))
        mask |= EFLAGS_IF;
    return size == 2 ? mask & 0xffff : mask;
}
static inline void eflags_merge(struct cpu *cpu, uint32_t image, uint32_t mask)
{
    cpu_set_eflags(cpu, (cpu_eflags(cpu) & ~mask) | (image & mask));
}

/* An instruction of CPL 0 met another level. Real mode is CPL 0, virtual-8086 mode 3. */
static inline bool not_supervisor(const struct cpu *cpu)
{
    return cpu->cpl != 0;
}

/* "Not implemented", logged a bounded number of times: a guest may not fill the disk. */
#define UNIMP_LINES 256
#define log_unimp(cpu, ...)                                                                        \
    do {                                                                                           \
        if ((cpu)->unimp_logged < UNIMP_LINES && log_on(&(cpu)->v.m->log, LOG_UNIMP)) {            \
            (cpu)->unimp_logged++;                                                                 \
            log_line(&(cpu)->v.m->log, LOG_UNIMP, __VA_ARGS__);                                    \
        }                                                                                          \
    } while (0)

/* CR3 outside long mode, with the PDPTEs if PAE paging uses them (bad ones: #GP). 0, or OP_FAULT
 * with nothing changed. */
int cr3_load_legacy(struct cpu *cpu, uint32_t value);
/* Reads the PDPTEs again if PAE paging is on. 0, or OP_FAULT: reserved bits, nothing changed. */
int pdptes_reload(struct cpu *cpu);
#define CR0_KNOWN                                                                                  \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |     \
     CR0_PG)
/* Bits of CR4 and EFER that exist because a feature does. */
uint32_t cr4_known(const struct cpu *cpu);
uint64_t efer_known(const struct cpu *cpu);

/* MSRs. False: #GP. CPL is the caller's business. */
/* Of the local APIC: IA32_APIC_BASE, IA32_TSC_DEADLINE, an x2APIC's. */
bool is_apic_msr(uint32_t msr);
bool msr_read(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool msr_write(struct cpu *cpu, uint32_t msr, uint64_t value);
/* The same for debuggers. Reading takes no lock and logs nothing; for writing the machine lock is
 * held. */
bool msr_peek(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool msr_poke(struct cpu *cpu, uint32_t msr, uint64_t value);
/* Reset values of the MSR fields of struct cpu. For cpu_reset(). */
void msr_reset(struct cpu *cpu);
/* The time stamp counter: virtual time at tsc_hz, plus the base. */
uint64_t cpu_tsc(const struct cpu *cpu);
/* The same when the machine's clock is at `now`. */
uint64_t cpu_tsc_at(const struct cpu *cpu, uint64_t now);
/* Virtual time at which the counter reads `tsc`, never early. */
uint64_t cpu_tsc_to_time(const struct cpu *cpu, uint64_t tsc);

#define TSC_HZ        2500000000ull
#define TSC_HZ_MAX    (1ull << 40)  /* of other hosts */
#define APIC_TIMER_HZ 1000000000ull /* also the "crystal" of CPUID leaf 15H: 1 tick is 1 ns */

#endif
