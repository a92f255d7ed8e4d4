/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_DIFF_H
#define CALQUE_TESTS_DIFF_DIFF_H

#include <stdbool.h>
#include <stdint.h>

/* Random instructions, run by the host's own processor and by the interpreter, compared.
 *
 *   gen.c      makes case number N of a seed: bytes, registers, memory
 *   native.c   runs cases in a child process, one signal per case
 *   guest.c    runs them in a machine without devices
 *   compare.c  says what differs, and prints it
 *   host.c     the command line, the batches, the summary
 *
 * native.c needs <ucontext.h>, whose register names clash with the processor's: so this header
 * includes nothing of cpu/. */

/* Linear addresses, the same on both sides. */
#define DIFF_CODE   0x10000000ull /* read and execute */
#define DIFF_DATA   0x10100000ull /* two pages read-write, one read-only; unmapped around them */
#define DIFF_RW     0x2000u
#define DIFF_RO     0x1000u
#define DIFF_FSBASE (DIFF_DATA + 0x340)
#define DIFF_GSBASE (DIFF_DATA + 0x1080)

/* Each case has its own slot of code, filled up with INT3: reaching one ends the case. The stride
 * is no divisor of the page size, so that some instructions cross pages. */
#define DIFF_SLOT      144u
#define DIFF_SLOTS     512u
#define DIFF_CODE_SIZE ((DIFF_SLOTS * DIFF_SLOT + 4095) & ~4095u)
#define DIFF_BATCH     256u
#define DIFF_POOLS     64u
#define DIFF_INSNS     4u
#define DIFF_NO_FAULT  0xff

/* Selectors of a 64-bit Linux process. */
#define DIFF_CS 0x33
#define DIFF_SS 0x2b

/* Registers in the order of their numbers; fx is an FXSAVE image (SDM vol. 1 10.5.1), ymmh what
 * the XMM registers have above it. */
struct diff_state {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint8_t fx[512] __attribute__((aligned(16)));
    uint8_t ymmh[16][16];
};

/* Bytes put over the memory pool before a case. */
struct diff_patch {
    uint16_t off, len;
    uint8_t bytes[16];
};

struct diff_insn {
    uint16_t row;   /* in encodings[] */
    uint16_t op;    /* opcode id */
    uint8_t prefix; /* PFX_* */
    uint8_t off, len;
};

enum { PFX_66 = 1, PFX_67 = 2, PFX_SEG = 4, PFX_LOCK = 8, PFX_F3 = 16, PFX_F2 = 32, PFX_REX = 64 };

struct diff_case {
    uint64_t number;
    struct diff_state in;
    uint64_t slot; /* linear address of the slot */
    uint8_t code[DIFF_SLOT];
    uint8_t code_off; /* of the first instruction in the slot */
    uint8_t ninsns;
    uint8_t npatches;
    uint16_t pool;
    struct diff_insn insns[DIFF_INSNS];
    struct diff_patch patches[4];
};

struct diff_outcome {
    struct diff_state out;
    uint8_t vector; /* DIFF_NO_FAULT: an INT3 of the slot was reached */
    bool lost;      /* the case ended the child or never came back */
    uint32_t error;
    uint64_t cr2;
    /* Where a saved state has fields that are not compared (guest only). */
    struct {
        uint64_t lin;
        unsigned len;
    } blind[DIFF_INSNS][2];
    unsigned nsaved;
    uint8_t mem[DIFF_RW];
};

/* What parent and child share. */
struct diff_batch {
    uint32_t go;   /* futex: the child may run it */
    uint32_t done; /* futex: all outcomes are there */
    uint32_t count;
    uint32_t current; /* case being run */
    struct diff_case cases[DIFF_BATCH];
    struct diff_outcome outcomes[DIFF_BATCH];
};
struct diff_shared {
    uint32_t turn; /* the child's batch */
    uint32_t running;
    bool host_avx; /* else the upper halves are 0 on both sides */
    uint8_t pools[DIFF_POOLS][DIFF_RW];
    uint8_t readonly[DIFF_RO];
    struct diff_batch batches[2];
};

/* ---- native.c ---- */
struct native {
    struct diff_shared *shared;
    uint8_t *code; /* the parent's writable view of the slots */
    int code_fd;
    int pid;
};
bool native_init(struct native *n);
void native_destroy(struct native *n);
/* Starts the child on cases [0, count) of a batch. */
void native_submit(struct native *n, unsigned batch);
/* Waits for them. A case that kills or hangs the child is marked lost and the rest goes on. */
void native_wait(struct native *n, unsigned batch);

/* Puts pool and patches of a case into RW memory. */
void diff_fill_memory(uint8_t *rw, const struct diff_shared *s, const struct diff_case *c);

#endif
