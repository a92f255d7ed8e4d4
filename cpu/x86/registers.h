/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_REGISTERS_H
#define CALQUE_CPU_X86_REGISTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every architectural register by name, for monitors and debuggers: one table. */

struct cpu;

enum register_group {
    REGS_GENERAL, /* rax..r15, rip, eflags */
    REGS_SEGMENT, /* cs..gs; cs_base, cs_limit, cs_attr; ldtr, tr, gdtr_base, ... */
    REGS_CONTROL, /* cr0..cr4, cr8, efer, xcr0, dr0..dr7 */
    REGS_X87,     /* st0..st7 (10 bytes), fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop */
    REGS_SSE,     /* xmm0..15 (16 bytes), mxcsr, ymm0h..ymm15h (16 bytes) */
    REGS_MSR, /* star, lstar, fs_base's MSRs, pat, sysenter_*, apic_base, ... by the manual's names
               */
};

struct cpu_register {
    const char *name; /* lower case */
    enum register_group group;
    uint8_t size; /* bytes: 1, 2, 4, 8, 10, 16 */
    void (*get)(const struct cpu *cpu, const struct cpu_register *r,
                void *value); /* size bytes, LE */
    /* NULL: cannot be set. False: not a value it takes. Keeps derived state right. */
    bool (*set)(struct cpu *cpu, const struct cpu_register *r, const void *value);
    uintptr_t which; /* for get and set */
};

/* Each register once. The machine stands still when they are read or set; for setting the machine
 * lock is held. Reading takes no lock: conditions do it on the CPU thread. */
/* Behind the num_cpu_registers rows of whole registers come those of their parts. */
extern const struct cpu_register cpu_registers[];
extern const unsigned num_cpu_registers;
/* By name, in any case; parts and other names, too, which are not in the table above: eax, ax, al,
 * ah, r8d, ip, rflags, flags; pc: the linear address of the next instruction; sp: the stack pointer
 * at the stack's size. NULL: none. */
const struct cpu_register *cpu_register_find(const char *name);
/* The general register (R_RAX to R_R15) that it is, or the low bytes of; -1: none. */
int cpu_register_general(const struct cpu_register *r);
uint64_t cpu_register_value(const struct cpu *cpu, const struct cpu_register *r); /* low 8 bytes */

#endif
