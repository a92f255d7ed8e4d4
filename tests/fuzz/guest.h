/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_GUEST_H
#define CALQUE_TESTS_FUZZ_GUEST_H

#include "cpu/x86/cpu.h"
#include "tests/fuzz/fuzz.h"

/* A processor with 256 KiB of RAM, in any of its modes, with tables in place that an ordinary
 * system would have: programs in it get somewhere. */

enum guest_layout {
    GUEST_PML4 = 0x1000,
    GUEST_PDPT = 0x2000, /* of long mode */
    GUEST_PD = 0x3000,   /* 8-byte entries */
    GUEST_PT = 0x4000,   /* 0 to 2 MiB, 8-byte entries */
    GUEST_PD32 = 0x5000,
    GUEST_PT32 = 0x6000,
    GUEST_PDPT32 = 0x7000, /* of PAE */
    GUEST_GDT = 0x8000,
    GUEST_LDT = 0x8800,
    GUEST_IDT = 0x9000,
    GUEST_TSS = 0xa000,
    GUEST_TSS2 = 0xa800,
    GUEST_HANDLERS = 0xb000, /* 16 bytes for each vector */
    GUEST_CODE = 0x10000,
    GUEST_STACK = 0x1f000, /* its end */
    GUEST_DATA = 0x20000,
    GUEST_RAM = 0x40000,
};

enum guest_mode {
    GUEST_REAL,
    GUEST_PROT16,
    GUEST_PROT32,
    GUEST_PAGED32,
    GUEST_PAE,
    GUEST_V86,
    GUEST_COMPAT,
    GUEST_LONG,
    GUEST_NUM_MODES,
};

struct guest {
    struct machine m;
    struct region ram;
    struct cpu *cpu;
    struct state_stream fresh; /* as it was made */
    enum guest_mode mode;
};

/* The machine in its first state (made at the first call, kept for the life of the process). */
struct guest *guest_get(void);
/* Tables for the mode, and the processor in it; both with details from the input. */
void guest_set_mode(struct guest *g, struct fuzz_input *in);
/* Registers from the input, of all kinds. */
void guest_set_registers(struct guest *g, struct fuzz_input *in);
/* Bytes that the input writes over the tables: up to n pieces. */
void guest_patch(struct guest *g, struct fuzz_input *in, unsigned n);
/* The rest of the input as the program. */
void guest_set_code(struct guest *g, struct fuzz_input *in);
/* At most insns instructions; checks that no more were retired. */
void guest_run(struct guest *g, uint64_t insns);
/* Runs, and runs again from a saved state: both must end alike. */
void guest_run_twice(struct guest *g, uint64_t insns);

#endif
