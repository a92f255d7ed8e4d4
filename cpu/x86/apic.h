/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_APIC_H
#define CALQUE_CPU_X86_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "vm/clock.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/state.h"

/* Local APIC (SDM vol. 3A chapter 11): xAPIC registers at 0xFEE00000, x2APIC MSRs, timer. */

struct cpu;
struct machine;
struct error;

struct local_apic {
    uint64_t base_msr; /* IA32_APIC_BASE */
    uint32_t id, ldr, dfr, svr, esr, esr_shadow;
    uint32_t irr[8], isr[8], tmr[8];
    uint32_t icr[2];
    uint32_t lvt[7]; /* CMCI, timer, thermal, perf, LINT0, LINT1, error */
    uint32_t tpr;
    uint32_t timer_initial, timer_divide;
    uint64_t timer_start; /* virtual time when the count was loaded */
    uint64_t tsc_deadline;
    struct vm_timer timer;
    /* wiring */
    struct cpu *cpu;
    struct eoi_sink eoi;
    struct region mmio;
};

extern const struct state_field apic_fields[];

/* One region for all CPUs' xAPIC pages is not used: an access goes to the APIC of the CPU that
 * makes it, so mmu.c routes the page itself through these. offset 0..0xfff. Machine lock held. */
uint32_t apic_read(struct cpu *cpu, unsigned offset);
void apic_write(struct cpu *cpu, unsigned offset, uint32_t value);
/* x2APIC and IA32_APIC_BASE / TSC_DEADLINE MSRs. False: #GP. */
bool apic_rdmsr(struct cpu *cpu, uint32_t msr, uint64_t *value);
bool apic_wrmsr(struct cpu *cpu, uint32_t msr, uint64_t value);

void apic_init(struct cpu *cpu);
void apic_reset(struct cpu *cpu);
/* INIT: as reset, but enable bits and ID stay (SDM vol. 3A 11.4.7.3, 11.12.5.1). */
void apic_init_reset(struct cpu *cpu);
bool apic_is_bsp(const struct cpu *cpu);
/* Virtual wire mode, as firmware leaves it: LINT0 takes the PIC's INTR, LINT1 is NMI
 * (MultiProcessor Specification 3.6.2.2). */
void apic_virtual_wire(struct cpu *cpu);
/* An interrupt message for any CPU of the machine: from IOAPICs, MSIs and ICRs. */
struct msi_sink apic_msi_sink(struct machine *m);
/* Highest-priority vector that may be delivered now, or -1. */
int apic_pending_vector(const struct cpu *cpu);
/* Acknowledges it (IRR to ISR) and returns it. */
int apic_acknowledge(struct cpu *cpu);
/* LINT0 as ExtINT: the PIC may interrupt this CPU. */
bool apic_accepts_extint(const struct cpu *cpu);
uint8_t apic_get_cr8(const struct cpu *cpu);
void apic_set_cr8(struct cpu *cpu, uint8_t value);

#endif
