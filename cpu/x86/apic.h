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

/* An interrupt message on its way (11.6, 11.11). */
struct apic_message {
    uint32_t dest;
    bool logical, wide, level; /* wide: of an x2APIC, 32 bits of destination */
    uint8_t mode, vector;      /* delivery mode as in an ICR */
};

/* Local APICs that are kept elsewhere while a CPU runs there (KVM). */
struct apic_elsewhere {
    /* To all it names, but for `except` (may be NULL). False: they are here. Machine lock held. */
    bool (*deliver)(void *opaque, const struct apic_message *msg, const struct cpu *except);
    void *opaque;
};

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
    const struct apic_elsewhere *elsewhere; /* NULL: nowhere */
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
/* The time stamp counter was written: a deadline comes at another time. Machine lock held. */
void apic_tsc_moved(struct cpu *cpu);

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
/* All registers as an xAPIC's page has them (table 11-1; in x2APIC mode the ID has 32 bits), to and
 * from. The timer's count goes on from what the page says; a one-shot's of 0 is over. The deadline
 * is no register of the page: set `tsc_deadline` before. Machine lock held. */
enum { APIC_PAGE = 0x400 };
void apic_get_page(const struct cpu *cpu, uint8_t page[APIC_PAGE]);
void apic_set_page(struct cpu *cpu, const uint8_t page[APIC_PAGE]);
uint8_t apic_get_cr8(const struct cpu *cpu);
void apic_set_cr8(struct cpu *cpu, uint8_t value);

#endif
