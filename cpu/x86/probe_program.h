/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_PROBE_PROGRAM_H
#define CALQUE_CPU_X86_PROBE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

/* Conditions as the engines evaluate them: a few instructions for a stack of 64-bit numbers, whose
 * result is the top of the stack at the end. Both engines run the same program: translated code has
 * it in line, as far as it can be (translator/x86_64/condition.c), the rest is for
 * probe_program_run().
 *
 * Where it cannot be calculated (memory that is none, a division by zero, PROBE_CHECK) there is no
 * result; who made the program is asked then. Nothing that the guest could see is changed, not even
 * accessed bits. */

struct cpu;

/* Operands are the low `size` bytes (1, 2, 4, 8) of what is on the stack, which are extended to 64
 * bits, by their sign with `sign`; results likewise. */
enum probe_op {
    PROBE_CONST,    /* push value */
    PROBE_REGISTER, /* push general register `reg` (R_RAX to R_R15): size, sign */
    PROBE_RIP,      /* push the linear address of the instruction */
    PROBE_BASE, /* push the base of segment register `reg`: 0 in 64-bit code, but of FS and GS */
    PROBE_CPU,  /* push the CPU's number */
    PROBE_PICK, /* push what is value'th below the top */
    PROBE_SWAP, /* the two topmost */
    PROBE_DROP,
    PROBE_LOAD,   /* linear address to what is there: size, sign */
    PROBE_EXTEND, /* size, sign */
    PROBE_NEG,
    PROBE_NOT,
    PROBE_IS_ZERO, /* 1 if all of it is 0 */
    PROBE_ADD,     /* from here to GE: what was pushed first is on the left */
    PROBE_SUB,
    PROBE_MUL,
    PROBE_DIV,
    PROBE_MOD,
    PROBE_AND,
    PROBE_OR,
    PROBE_XOR,
    PROBE_SHL, /* the right operand is a number of 64 bits without sign */
    PROBE_SHR,
    PROBE_EQ, /* 0 or 1 */
    PROBE_NE,
    PROBE_LT,
    PROBE_LE,
    PROBE_GT,
    PROBE_GE,
    PROBE_JUMP,      /* to instruction `to`, which comes later, or to the end */
    PROBE_JUMP_ZERO, /* these pop */
    PROBE_JUMP_NOT_ZERO,
    PROBE_CHECK, /* if it is 0 there is no result */
    PROBE_NUM_OPS
};

struct probe_insn {
    uint8_t op, size, reg;
    bool sign;
    uint32_t to;
    uint64_t value;
};

#define PROBE_PROGRAM_MAX 48u
#define PROBE_DEPTH_MAX   8u /* of the stack */

/* There is no padding: programs are compared by their bytes. */
struct probe_program {
    uint32_t n; /* 0: there is none */
    uint32_t unused;
    struct probe_insn insns[PROBE_PROGRAM_MAX];
};

/* Appends an instruction; to be filled in where it is not 0. size is 8. Never NULL: what does not
 * fit goes to a place of its own, and n grows beyond the maximum. */
struct probe_insn *probe_program_add(struct probe_program *p, enum probe_op op);
void probe_program_const(struct probe_program *p, uint64_t value);
/* Everything is known, jumps go forwards, the stack is as deep however an instruction is reached,
 * and never too deep or too shallow. Engines run no other. */
bool probe_program_is_sound(const struct probe_program *p);
/* The CPU is at the instruction: general registers, RIP, segment bases and memory count. Sound
 * programs only; on the CPU thread. False: it cannot be calculated. */
bool probe_program_run(const struct probe_program *p, struct cpu *cpu, uint64_t *value);
/* Two operands: ADD to GE. False: a division by zero. */
bool probe_calculate(const struct probe_insn *i, uint64_t a, uint64_t b, uint64_t *value);
/* One: EXTEND to IS_ZERO. */
uint64_t probe_convert(const struct probe_insn *i, uint64_t v);
/* The low `size` bytes. */
static inline uint64_t probe_extend(uint64_t v, unsigned size, bool sign)
{
    unsigned shift = (64 - 8 * size) & 63;

    v <<= shift;
    return sign ? (uint64_t)((int64_t)v >> shift) : v >> shift;
}

/* ---- pages that programs read ---- */

/* A TLB of their own, cpu->probe.reads, so that the guest's is as it would be without; emptied with
 * the guest's. Unlike that it knows no permissions. */
#define PROBE_READS     256u
#define PROBE_READ_FOLD 8 /* bits of the page's number that are added, without carry, to others */
static inline unsigned probe_read_index(uint64_t lin)
{
    return (unsigned)((lin ^ lin >> PROBE_READ_FOLD) >> 12) & (PROBE_READS - 1);
}
void probe_reads_forget(struct cpu *cpu);

#endif
