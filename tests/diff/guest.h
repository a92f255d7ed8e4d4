/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_GUEST_H
#define CALQUE_TESTS_DIFF_GUEST_H

#include "cpu/x86/cpu.h"
#include "tests/diff/diff.h"
#include "vm/machine.h"

/* Where things are in RAM; physical addresses are arena offsets there. */
enum {
    PHYS_PML4 = 0x1000,
    PHYS_PDPT = 0x2000,
    PHYS_PD = 0x3000,
    PHYS_PT = 0x4000,
    PHYS_SYS_PDPT = 0x5000,
    PHYS_SYS_PD = 0x6000,
    PHYS_SYS_PT = 0x7000,
    PHYS_SYS = 0x8000,
    PHYS_CODE = 0x100000,
    PHYS_DATA = 0x200000,
    GUEST_RAM = 4 << 20,
};
/* The supervisor's tables: in the upper half, where Linux reports all faults alike. */
#define SUP_LIN   0xffff880000000000ull
#define SUP_GDT   0x000u
#define SUP_LDT   0x100u
#define SUP_TSS   0x200u
#define SUP_STACK 0x1000u /* its end */
#define SUP_IDT   0x1000u
#define SUP_HALT  0x2000u /* a page of HLT, see guest_catch() */
#define SUP_SIZE  0x3000u
#define SUP_CS    0x10
#define PTE_P     1u
#define PTE_W     2u
#define PTE_U     4u
#define PTE_NX    (1ull << 63)
#define PTE_AD    (0x60u) /* accessed, dirty */

/* A machine of one processor, 4 MiB of RAM and page tables. */
struct guest {
    struct machine m;
    struct region ram;
    struct cpu *cpu;
    uint64_t last; /* the slot of the case before, 0: none */
};

bool guest_init(struct guest *g, const struct diff_shared *s, struct error *err);
void guest_destroy(struct guest *g);
/* Maps user pages: the bits of PTEs but P and U. */
void guest_map(struct guest *g, uint64_t lin, uint64_t phys, uint64_t len, uint64_t flags);
/* From now on every vector n has a gate, to a HLT at SUP_LIN + SUP_HALT + 16 * n; SYSCALL and
 * SYSENTER lead there too. What would differ each time is not allowed: RDTSC, RDRAND, RDSEED. */
void guest_catch(struct guest *g);
/* Brings memory and registers into the state before a case. */
void guest_load(struct guest *g, const struct diff_shared *s, const struct diff_case *c);
/* Runs a case. *undefined: EFLAGS bits the manual leaves undefined at its end. False: the result
 * itself is undefined and is not to be compared. */
bool guest_run(struct guest *g, const struct diff_shared *s, const struct diff_case *c,
               struct diff_outcome *o, uint32_t *undefined);

/* EFLAGS bits that instruction i leaves undefined and those it writes, from the state before it
 * (flagrules.c). False: its result is undefined too. */
bool flag_rules(const struct cpu *cpu, const struct insn *i, uint32_t *undefined,
                uint32_t *written);

#endif
