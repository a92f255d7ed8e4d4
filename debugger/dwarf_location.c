/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "debugger/dwarf.h"

#if CONFIG_DW

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/insn.h"
#include "debugger/dwarf_internal.h"

/* DWARF's location expressions (DWARF 5, 2.5 and 2.6) as code. */

#define OPS_MAX 256u

int dwarf_register(const struct dwarf_file *f, uint64_t number)
{
    /* System V ABI, AMD64 supplement, figure 3.36: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8-r15,
     * the return address. i386 supplement: eax, ecx, edx, ebx, esp, ebp, esi, edi, eip. */
    static const uint8_t wide[] = {0, 2, 1, 3, 6, 7, 5, 4};

    if (f->word == 8)
        return number < 8 ? wide[number] : number <= 16 ? (int)number : -1;
    return number < 8 ? (int)number : number == 8 ? R_RIP : -1;
}

struct compiler {
    struct dwarf_file *f;
    Dwarf_Attribute *attr;
    struct dwarf_scope *scope;
    struct code *code;
    struct dwarf_object *out;
    struct error *err;
    bool done; /* a register or an immediate value: nothing may follow */
};

static void binary(struct code *c, enum code_op op, unsigned word, bool sign)
{
    struct code_insn *i = code_add(c, op);

    i->size = (uint8_t)word;
    i->sign = sign;
}

static void add_const(struct compiler *c, uint64_t v)
{
    code_const(c->code, v);
    binary(c->code, CODE_ADD, c->f->word, false);
}

static bool push_register(struct compiler *c, uint64_t number)
{
    int reg = dwarf_register(c->f, number);

    if (reg < 0)
        return error_set(c->err, "in a register that is not known here (%u)", (unsigned)number);
    code_add(c->code, CODE_REG)->imm = (unsigned)reg;
    if (c->f->word == 4) {
        struct code_insn *i = code_add(c->code, CODE_CONVERT);

        i->size = 4;
    }
    return true;
}

static void narrow(struct dwarf_scope *scope, uint64_t start, uint64_t end)
{
    if (start > scope->start)
        scope->start = start;
    if (end < scope->end)
        scope->end = end;
}

/* The CFA, as the call frame rules at the same place have it. */
static bool push_cfa(struct compiler *c)
{
    Dwarf_Frame *frame = dwarf_frame_at(c->f, c->scope->pc);
    Dwarf_Op *ops;
    size_t n;
    Dwarf_Addr start, end;
    bool ok = false;

    if (frame && dwarf_frame_cfa(frame, &ops, &n) == 0 && n &&
        dwarf_frame_info(frame, &start, &end, NULL) >= 0) {
        struct dwarf_object ignored;

        narrow(c->scope, start, end);
        ok = dwarf_ops(c->f, NULL, ops, n, c->scope, c->code, &ignored, c->err);
    } else {
        error_set(c->err, "no call frame is described here");
    }
    free(frame);
    return ok;
}

static bool push_frame_base(struct compiler *c)
{
    Dwarf_Attribute a;
    struct dwarf_object base;

    if (!c->scope->function || !dwarf_attr_integrate(c->scope->function, DW_AT_frame_base, &a))
        return error_set(c->err, "its function has no frame base");
    /* One that is a register stands for what is in it. */
    return a.form != 0 && dwarf_location(c->f, &a, c->scope, c->code, &base, c->err);
}

/* What leaves a constant. */
static bool push_const(struct compiler *c, const Dwarf_Op *op)
{
    uint64_t v = op->number;

    switch (op->atom) {
    case DW_OP_addr:
        v += c->f->bias + c->scope->slide;
        break;
    case DW_OP_lit0 ... DW_OP_lit31:
        v = op->atom - DW_OP_lit0;
        break;
    case DW_OP_const1s:
        v = code_extend(v, 1, true);
        break;
    case DW_OP_const2s:
        v = code_extend(v, 2, true);
        break;
    case DW_OP_const4s:
        v = code_extend(v, 4, true);
        break;
    case DW_OP_const1u:
    case DW_OP_const2u:
    case DW_OP_const4u:
    case DW_OP_const8u:
    case DW_OP_const8s:
    case DW_OP_constu:
    case DW_OP_consts:
        break;
    default:
        return false;
    }
    code_const(c->code, v);
    return true;
}

/* Arithmetic, at the width of an address. */
static bool arithmetic(struct compiler *c, const Dwarf_Op *op)
{
    static const struct {
        uint8_t atom, op;
        bool sign;
    } rows[] = {
        {DW_OP_plus, CODE_ADD, false},  {DW_OP_minus, CODE_SUB, false},
        {DW_OP_mul, CODE_MUL, false},   {DW_OP_div, CODE_DIV, true},
        {DW_OP_mod, CODE_MOD, false},   {DW_OP_and, CODE_AND, false},
        {DW_OP_or, CODE_OR, false},     {DW_OP_xor, CODE_XOR, false},
        {DW_OP_shl, CODE_SHL, false},   {DW_OP_shr, CODE_SHR, false},
        {DW_OP_shra, CODE_SHR, true},   {DW_OP_eq, CODE_EQ, true},
        {DW_OP_ne, CODE_NE, true},      {DW_OP_lt, CODE_LT, true},
        {DW_OP_le, CODE_LE, true},      {DW_OP_gt, CODE_GT, true},
        {DW_OP_ge, CODE_GE, true},      {DW_OP_neg, CODE_NEG, true},
        {DW_OP_not, CODE_NOT, false},   {DW_OP_dup, CODE_DUP, false},
        {DW_OP_drop, CODE_DROP, false}, {DW_OP_swap, CODE_SWAP, false},
        {DW_OP_rot, CODE_ROT, false},
    };

    for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
        if (rows[n].atom == op->atom) {
            binary(c->code, rows[n].op, c->f->word, rows[n].sign);
            if (rows[n].op == CODE_DUP)
                c->code->insns[c->code->n ? c->code->n - 1 : 0].imm = 0;
            return true;
        }
    return false;
}

/* What ends a location: where the value is, instead of its address. */
static bool ends(struct compiler *c, const Dwarf_Op *op)
{
    Dwarf_Block block;
    uint64_t v = 0;

    c->done = true;
    c->out->kind = DWARF_VALUE;
    switch (op->atom) {
    case DW_OP_stack_value:
        return true;
    case DW_OP_reg0 ... DW_OP_reg31:
        c->out->reg = dwarf_register(c->f, op->atom - DW_OP_reg0);
        return push_register(c, op->atom - DW_OP_reg0);
    case DW_OP_regx:
        c->out->reg = dwarf_register(c->f, op->number);
        return push_register(c, op->number);
    case DW_OP_implicit_value:
        if (!c->attr || dwarf_getlocation_implicit_value(c->attr, op, &block) != 0 ||
            block.length > sizeof(v))
            return error_set(c->err, "a constant of more than 8 bytes");
        memcpy(&v, block.data, block.length);
        code_const(c->code, v);
        return true;
    }
    return error_set(c->err, "its location is of a kind (0x%x) that is not followed", op->atom);
}

static bool refusal(struct compiler *c, const Dwarf_Op *op)
{
    const char *why = NULL;

    switch (op->atom) {
    case DW_OP_entry_value:
    case DW_OP_GNU_entry_value:
        why = "its value is what it was when the function was called, which is not kept";
        break;
    case DW_OP_piece:
    case DW_OP_bit_piece:
        why = "in several pieces";
        break;
    case DW_OP_implicit_pointer:
    case DW_OP_GNU_implicit_pointer:
        why = "what it points to has been optimized out";
        break;
    case DW_OP_form_tls_address:
    case DW_OP_GNU_push_tls_address:
        why = "local to a thread";
        break;
    case DW_OP_bra:
    case DW_OP_skip:
        why = "its location depends on a condition";
        break;
    }
    return why ? error_set(c->err, "%s", why) : ends(c, op);
}

static bool compile(struct compiler *c, const Dwarf_Op *op)
{
    struct code_insn *i;

    if (push_const(c, op) || arithmetic(c, op))
        return true;
    switch (op->atom) {
    case DW_OP_nop:
        return true;
    case DW_OP_breg0 ... DW_OP_breg31:
        if (!push_register(c, op->atom - DW_OP_breg0))
            return false;
        add_const(c, op->number);
        return true;
    case DW_OP_bregx:
        if (!push_register(c, op->number))
            return false;
        add_const(c, op->number2);
        return true;
    case DW_OP_fbreg:
        if (!push_frame_base(c))
            return false;
        add_const(c, op->number);
        return true;
    case DW_OP_call_frame_cfa:
        if (!c->scope->has_cfa)
            return push_cfa(c);
        code_add(c->code, CODE_CFA);
        return true;
    case DW_OP_plus_uconst:
        add_const(c, op->number);
        return true;
    case DW_OP_over:
    case DW_OP_pick:
        code_add(c->code, CODE_PICK)->imm = op->atom == DW_OP_over ? 1 : op->number;
        return true;
    case DW_OP_deref:
    case DW_OP_deref_size:
        i = code_add(c->code, CODE_LOAD);
        i->size = (uint8_t)(op->atom == DW_OP_deref ? c->f->word : op->number);
        return (i->size && i->size <= 8) || error_set(c->err, "a location of a strange size");
    }
    return refusal(c, op);
}

bool dwarf_ops(struct dwarf_file *f, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n,
               struct dwarf_scope *scope, struct code *code, struct dwarf_object *out,
               struct error *err)
{
    struct compiler c = {
        .f = f, .attr = attr, .scope = scope, .code = code, .out = out, .err = err};

    *out = (struct dwarf_object){.kind = DWARF_MEMORY, .reg = -1, .has_code = true};
    if (!n)
        return error_set(err, "optimized out");
    if (n > OPS_MAX)
        return error_set(err, "its location is too long");
    for (size_t k = 0; k < n; k++)
        if (c.done) /* of what follows a register only pieces make sense */
            return error_set(err, "in several pieces");
        else if (!compile(&c, &ops[k]))
            return false;
    return true;
}

bool dwarf_location(struct dwarf_file *f, Dwarf_Attribute *attr, struct dwarf_scope *scope,
                    struct code *code, struct dwarf_object *out, struct error *err)
{
    ptrdiff_t at = 0;
    Dwarf_Addr base, start, end;
    Dwarf_Op *ops;
    size_t n;
    uint64_t pc = scope->pc - f->bias;

    while ((at = dwarf_getlocations(attr, at, &base, &start, &end, &ops, &n)) > 0) {
        /* One for all places has no bounds. */
        bool everywhere = start == 0 && end == (Dwarf_Addr)-1;

        if (!everywhere && (pc < start || pc >= end))
            continue;
        if (!everywhere)
            narrow(scope, start + f->bias, end + f->bias);
        return dwarf_ops(f, attr, ops, n, scope, code, out, err);
    }
    return at < 0 ? error_set(err, "its location cannot be read: %s", dwarf_errmsg(-1))
                  : error_set(err, "optimized out");
}

#endif
