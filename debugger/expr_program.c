/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An expression's code as a program for the engines: conditions. Instruction by instruction: what
 * the two machines have in common is the same. */
#include <string.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/probe_program.h"
#include "debugger/expr_code.h"

/* Most instructions are one there as here. */
static const struct same {
    bool known;
    uint8_t op;
} same[CODE_NOTHING] = {
    [CODE_CONST] = {true, PROBE_CONST},
    [CODE_REG] = {true, PROBE_REGISTER},
    [CODE_INDEX] = {true, PROBE_CPU},
    [CODE_SEGMENT] = {true, PROBE_BASE},
    [CODE_LOAD] = {true, PROBE_LOAD},
    [CODE_CONVERT] = {true, PROBE_EXTEND},
    [CODE_ADD] = {true, PROBE_ADD},
    [CODE_SUB] = {true, PROBE_SUB},
    [CODE_MUL] = {true, PROBE_MUL},
    [CODE_DIV] = {true, PROBE_DIV},
    [CODE_MOD] = {true, PROBE_MOD},
    [CODE_AND] = {true, PROBE_AND},
    [CODE_OR] = {true, PROBE_OR},
    [CODE_XOR] = {true, PROBE_XOR},
    [CODE_SHL] = {true, PROBE_SHL},
    [CODE_SHR] = {true, PROBE_SHR},
    [CODE_EQ] = {true, PROBE_EQ},
    [CODE_NE] = {true, PROBE_NE},
    [CODE_LT] = {true, PROBE_LT},
    [CODE_LE] = {true, PROBE_LE},
    [CODE_GT] = {true, PROBE_GT},
    [CODE_GE] = {true, PROBE_GE},
    [CODE_NEG] = {true, PROBE_NEG},
    [CODE_NOT] = {true, PROBE_NOT},
    [CODE_IS_ZERO] = {true, PROBE_IS_ZERO},
    [CODE_DUP] = {true, PROBE_PICK},
    [CODE_PICK] = {true, PROBE_PICK},
    [CODE_DROP] = {true, PROBE_DROP},
    [CODE_SWAP] = {true, PROBE_SWAP},
    [CODE_JUMP] = {true, PROBE_JUMP},
    [CODE_JUMP_ZERO] = {true, PROBE_JUMP_ZERO},
    [CODE_JUMP_NOT_ZERO] = {true, PROBE_JUMP_NOT_ZERO},
};

static struct probe_insn *add(struct probe_program *p, enum probe_op op, unsigned size, bool sign)
{
    struct probe_insn *i = probe_program_add(p, op);

    i->size = (uint8_t)size;
    i->sign = sign;
    return i;
}

/* imm bits from bit imm2 on. */
static bool add_field(struct probe_program *p, const struct code_insn *i)
{
    if (!i->imm || i->imm > 64 || i->imm2 > 64 - i->imm)
        return false;
    probe_program_const(p, 64 - i->imm - i->imm2);
    add(p, PROBE_SHL, 8, false);
    probe_program_const(p, 64 - i->imm);
    add(p, PROBE_SHR, 8, i->sign);
    return true;
}

static void add_scope(struct probe_program *p, const struct code_insn *i)
{
    add(p, PROBE_RIP, 8, false);
    probe_program_const(p, i->imm);
    add(p, PROBE_SUB, 8, false);
    probe_program_const(p, i->imm2 > i->imm ? i->imm2 - i->imm : 0);
    add(p, PROBE_LT, 8, false);
    add(p, PROBE_CHECK, 8, false);
}

static bool add_one(struct probe_program *p, const struct code_insn *i)
{
    bool rip = i->op == CODE_REG && i->imm == R_RIP;

    if (i->op == CODE_NOTHING)
        return true;
    if (i->op == CODE_FIELD)
        return add_field(p, i);
    if (i->op == CODE_IN_SCOPE) {
        add_scope(p, i);
        return true;
    }
    if (!same[i->op].known || i->real || i->physical)
        return false;
    struct probe_insn *to = add(p, rip ? PROBE_RIP : same[i->op].op, i->size, i->sign);
    if (i->op == CODE_REG || i->op == CODE_SEGMENT)
        to->reg = (uint8_t)i->imm;
    else if (i->op == CODE_CONST || i->op == CODE_PICK)
        to->value = i->imm;
    if (rip && i->size < 8)
        add(p, PROBE_EXTEND, i->size, i->sign);
    return i->op != CODE_REG || i->imm <= R_RIP;
}

/* Jumps have the code's indexes so far. */
static bool add_jumps(struct probe_program *p, const struct code *c, const uint32_t *index)
{
    for (unsigned n = 0; n < c->n; n++)
        if (c->insns[n].op >= CODE_JUMP && c->insns[n].op <= CODE_JUMP_NOT_ZERO) {
            if (c->insns[n].imm > c->n)
                return false;
            p->insns[index[n]].to = index[c->insns[n].imm];
        }
    return true;
}

bool code_program(const struct code *c, struct probe_program *program)
{
    uint32_t index[PROBE_PROGRAM_MAX + 1];
    bool ok = !c->failed && c->n <= PROBE_PROGRAM_MAX;

    memset(program, 0, sizeof(*program));
    for (unsigned n = 0; ok && n < c->n; n++) {
        index[n] = program->n;
        ok = add_one(program, &c->insns[n]) && program->n <= PROBE_PROGRAM_MAX;
    }
    if (ok)
        index[c->n] = program->n;
    ok = ok && add_jumps(program, c, index) && probe_program_is_sound(program);
    if (!ok)
        program->n = 0;
    return ok;
}
