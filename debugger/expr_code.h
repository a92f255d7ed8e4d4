/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_EXPR_CODE_H
#define CALQUE_DEBUGGER_EXPR_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What expressions, DWARF's locations and its call frame rules become: code for a small stack
 * machine. It runs on CPU threads: nothing is allocated, no lock taken, and it ends, because jumps
 * go forwards only. Values are 64 bits, integers extended as their type says, or doubles. */

struct cpu;
struct error;
struct guest_view;
struct probe_program;

enum code_op {
    CODE_CONST,      /* push imm */
    CODE_REG,        /* push the frame's register imm (cpu->r's numbers, R_RIP too): size, sign */
    CODE_CPU_REG,    /* push size bytes from byte imm2 of the register whose row imm points to;
                      * real: to double */
    CODE_INDEX,      /* push the CPU's number */
    CODE_SEGMENT,    /* push the base of segment register imm */
    CODE_SELECT,     /* pop a selector; push the base of what it selects */
    CODE_CFA,        /* push the frame's CFA */
    CODE_LOAD,       /* pop an address; push what is there: size, sign, physical */
    CODE_LOAD_FLOAT, /* the same, to double: size 4, 8, 10 */
    CODE_CONVERT,    /* to size, sign */
    CODE_FIELD,      /* imm bits from bit imm2 of the top, sign */
    CODE_INT_FLOAT,  /* top, or imm below it, from integer (sign) to double */
    CODE_FLOAT_INT,
    CODE_ADD, /* the following: operands converted to size, sign (or real: doubles); the result, too
               */
    CODE_SUB,
    CODE_MUL,
    CODE_DIV,
    CODE_MOD,
    CODE_AND,
    CODE_OR,
    CODE_XOR,
    CODE_SHL, /* only the left operand is converted */
    CODE_SHR,
    CODE_EQ, /* these push 0 or 1 */
    CODE_NE,
    CODE_LT,
    CODE_LE,
    CODE_GT,
    CODE_GE,
    CODE_NEG, /* and these have one operand */
    CODE_NOT,
    CODE_IS_ZERO, /* !x */
    CODE_DUP,
    CODE_DROP,
    CODE_SWAP,
    CODE_PICK,      /* push the imm'th from the top */
    CODE_ROT,       /* the top goes below the two others */
    CODE_JUMP,      /* imm: index, forwards */
    CODE_JUMP_ZERO, /* pops */
    CODE_JUMP_NOT_ZERO,
    CODE_IN_SCOPE, /* fails unless imm <= pc < imm2 */
    CODE_NOTHING,
};

struct code_insn {
    uint8_t op, size;
    bool sign, real, physical;
    uint64_t imm, imm2;
};

#define CODE_MAX   4096
#define CODE_STACK 64

struct code {
    struct code_insn *insns;
    unsigned n, room;
    bool failed; /* too long */
};

/* Where it runs: at the CPU's registers, or those of a frame further out. */
struct code_frame {
    const struct guest_view *guest;
    struct cpu *cpu;
    const uint64_t *regs; /* NULL: the CPU's; as cpu->r, RIP linear */
    uint32_t known;       /* bit per register of regs: whether it is there */
    uint64_t scope;       /* with regs: the address that CODE_IN_SCOPE is about */
    uint64_t cfa;
};

/* Appends; the instruction, to fill in what is not 0. Never NULL (too long: a place to write to,
 * and c->failed). */
struct code_insn *code_add(struct code *c, enum code_op op);
void code_const(struct code *c, uint64_t value);
/* The top of the stack at the end. */
bool code_run(const struct code *c, const struct code_frame *f, uint64_t *value, struct error *err);
/* It looks at nothing but general registers, RIP, segments' bases and memory. */
bool code_is_plain(const struct code *c);
/* The same as a program for the engines (expr_program.c). False, and program->n is 0: it has
 * something that these do not know. */
bool code_program(const struct code *c, struct probe_program *program);
void code_free(struct code *c);
/* Sign or zero extension of the low `size` bytes. */
uint64_t code_extend(uint64_t v, unsigned size, bool sign);
/* Linear address of the instruction that a CPU is at. */
uint64_t code_pc(const struct cpu *cpu);

#endif
