/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_DIFF_H
#define CALQUE_TESTS_DIFF_DIFF_H

#include <stdbool.h>
#include <stdint.h>

/* Random instructions, run by the host's own processor and by the interpreter, compared.
 *
 *   plan.c     which cases, in how many processes; what the command lines share
 *   gen.c      makes case number N of a seed: bytes, registers, memory; its parts: gen_*.c
 *   segs.c     the segments of 16- and 32-bit code
 *   native.c   runs cases in a child process, one signal per case
 *   guest.c    runs them in a machine without devices
 *   compare.c  says what differs, and prints it
 *   host.c     the batches, the summary
 *
 * The same cases compare the interpreter and the translator:
 *
 *   layout.c   what the case's pages are: memory, a device, code
 *   engines.c  two machines with two engines
 *
 * native.c needs <ucontext.h>, whose register names clash with the processor's: so this header
 * includes nothing of cpu/. */

/* Linear addresses, the same on both sides. */
#define DIFF_CODE      0x10000000ull /* two pages read and execute; one more that may be written */
#define DIFF_CODE_RX   0x2000u
#define DIFF_CODE_SIZE 0x3000u
#define DIFF_DATA      0x10100000ull /* two pages read-write, one read-only; unmapped around them */
#define DIFF_RW        0x2000u
#define DIFF_RO        0x1000u
#define DIFF_FSBASE    (DIFF_DATA + 0x340)
#define DIFF_GSBASE    (DIFF_DATA + 0x1080)

/* The code pages are full of INT3: reaching one ends the case. A case's own bytes are put somewhere
 * in them, and taken away behind it. */
#define DIFF_SLOT     144u
#define DIFF_BATCH    256u
#define DIFF_POOLS    64u
#define DIFF_INSNS    8u
#define DIFF_NO_FAULT 0xff

/* Selectors of a 64-bit Linux process. */
#define DIFF_CS   0x33
#define DIFF_CS32 0x23
#define DIFF_SS   0x2b

/* ---- segs.c: the descriptors both sides have in their LDT ---- */
struct diff_seg {
    uint32_t base, limit; /* limit as in the descriptor: bytes, or pages if pages is set */
    bool code, down, rw;  /* code: rw is readable; data: writable, down is expand-down */
    bool big, pages, absent;
};
#define DIFF_LDT_ENTRIES 24u
#define DIFF_GDT_ENTRIES 16u
extern const struct diff_seg diff_ldt[DIFF_LDT_ENTRIES];
/* The 8 bytes of entry n. */
uint64_t diff_ldt_descriptor(unsigned n);
/* What Linux has in its GDT, as far as a program can tell (arch/x86: asm/segment.h). */
extern const uint64_t diff_gdt[DIFF_GDT_ENTRIES];
/* The descriptor a selector names; 0 for none. */
uint64_t diff_descriptor(uint16_t sel);
/* Its D/B flag. */
bool diff_is_big(uint16_t sel);
#define DIFF_LDT_SEL(n) ((uint16_t)((n) << 3 | 7))

enum { DIFF_16, DIFF_32, DIFF_64, DIFF_MODES }; /* as enum code_mode */

/* Registers in the order of their numbers; fx is an FXSAVE image (SDM vol. 1 10.5.1), ymmh what
 * the XMM registers have above it. */
struct diff_state {
    uint64_t gpr[16];
    uint64_t rip, rflags;
    uint8_t fx[512] __attribute__((aligned(16)));
    uint8_t ymmh[16][16];
    uint16_t sel[6]; /* in the order of their numbers: ES CS SS DS FS GS */
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
    uint8_t mode;  /* DIFF_16 ... */
    bool raw;      /* random bytes: insns[] is empty */
    uint64_t slot; /* linear address of the slot */
    uint64_t base; /* of CS */
    uint8_t code[DIFF_SLOT];
    uint8_t code_off; /* of the first instruction in the slot */
    uint8_t ninsns;
    uint8_t npatches;
    uint16_t pool;
    struct diff_insn insns[DIFF_INSNS];
    struct diff_patch patches[6];
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
    /* The instruction that ended the case, and linear addresses of its operand and stack (guest
     * only). */
    uint16_t last_operation;
    uint64_t operand, stack;
    uint8_t mem[DIFF_RW];
    uint8_t code[DIFF_CODE_SIZE - DIFF_CODE_RX]; /* if diff_writable_slot() */
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
    bool has_ldt; /* modify_ldt works here */
    bool host_fsgsbase;
    uint64_t last; /* the slot of the child's last case, whose code is still there */
    bool host_avx; /* else the upper halves are 0 on both sides */
    uint8_t pools[DIFF_POOLS][DIFF_RW];
    uint8_t readonly[DIFF_RO];
    struct diff_batch batches[2];
};

/* ---- native.c ---- */
struct native {
    struct diff_shared *shared;
    int code_fd;
    int pid;
};
/* What this host has: modify_ldt with all of diff_ldt; a 32-bit code segment. */
bool native_has_ldt(void);
bool native_has_compatibility(void);
bool native_init(struct native *n);
void native_destroy(struct native *n);
/* Starts the child on cases [0, count) of a batch. */
void native_submit(struct native *n, unsigned batch);
/* Waits for them. A case that kills or hangs the child is marked lost and the rest goes on. */
void native_wait(struct native *n, unsigned batch);

/* Takes the bytes of the case whose slot was before (0: none) out of the code pages and puts c's
 * in.
 */
void diff_fill_code(uint8_t *code, uint64_t before, const struct diff_case *c);
/* Is some of the slot in the page that stores can reach? */
static inline bool diff_writable_slot(uint64_t slot)
{
    return slot + DIFF_SLOT > DIFF_CODE + DIFF_CODE_RX;
}

/* Puts pool and patches of a case into RW memory. */
void diff_fill_memory(uint8_t *rw, const struct diff_shared *s, const struct diff_case *c);

#endif
