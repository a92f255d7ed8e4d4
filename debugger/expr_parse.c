/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/x86/cpu.h"
#include "debugger/expr_internal.h"

/* C's expressions, by recursive descent, straight to code: types are known when operands are, and
 * values are extended to 64 bits as their types say, so that conversions mostly cost nothing. */

#define DEPTH_MAX 64u

/* ---- words and errors ---- */

bool parser_fail(struct parser *p, const char *fmt, ...)
{
    char why[300];
    va_list ap;

    if (p->failed)
        return false;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    p->failed = true;
    /* What follows is read as the end. */
    if (*p->token.at)
        error_set(p->err, "%.80s: at \"%.40s\": %s", p->text, p->token.at, why);
    else
        error_set(p->err, "%.80s: at the end: %s", p->text, why);
    if (p->err)
        printable(p->err->text);
    p->token.kind = TOKEN_END;
    p->token.op = 0;
    return false;
}

void parser_next(struct parser *p)
{
    struct error err = {""};
    const char *at = p->at;

    if (p->failed)
        return;
    if (!token_next(&p->at, &p->token, &err)) {
        p->token.at = at;
        parser_fail(p, "%s", err.text);
    }
}

bool parser_is(const struct parser *p, uint32_t op)
{
    return p->token.kind == TOKEN_OPERATOR && p->token.op == op;
}

bool parser_accept(struct parser *p, uint32_t op)
{
    bool is = parser_is(p, op);

    if (is)
        parser_next(p);
    return is;
}

bool parser_expect(struct parser *p, uint32_t op)
{
    return parser_accept(p, op) || parser_fail(p, "%.3s is expected", (const char *)&op);
}

/* ---- values ---- */

void operand_value(struct operand *o, const struct ctype *type)
{
    *o = (struct operand){.type = type};
}

static const struct ctype *word_type(const struct parser *p)
{
    return ctype_integer(p->word, false);
}

static bool is_real(const struct operand *o)
{
    return o->type->kind == CTYPE_FLOAT;
}

void parser_value(struct parser *p, struct operand *o)
{
    const struct ctype *t = o->type;
    struct code_insn *i;
    bool physical = o->physical;
    uint8_t bits = o->bit_size, from = o->bit_offset;

    if (!o->lvalue)
        return;
    operand_value(o, t);
    if (t->kind == CTYPE_ARRAY || t->kind == CTYPE_FUNCTION) {
        o->type = ctype_pointer(&p->e->pool, t->kind == CTYPE_ARRAY ? ctype_target(t) : t, p->word);
        o->physical = physical;
        return;
    }
    if (ctype_is_record(t) || t->kind == CTYPE_VOID) {
        char name[128];

        ctype_text(t, name, sizeof(name));
        parser_fail(p, "%s: not a value; one of its members, or its address, is expected", name);
        return;
    }
    i = code_add(p->code, is_real(o) ? CODE_LOAD_FLOAT : CODE_LOAD);
    i->size = (uint8_t)(t->size == 12 || t->size == 16 ? 10 : t->size);
    i->sign = t->sign && !bits;
    i->physical = physical;
    if (bits) {
        i->size = (uint8_t)((from + bits + 7) / 8);
        i = code_add(p->code, CODE_FIELD);
        i->imm = bits;
        i->imm2 = from;
        i->sign = t->sign;
    } else if (is_real(o) ? i->size != 4 && i->size != 8 && i->size != 10
                          : !t->size || t->size > 8) {
        parser_fail(p, "a value of %llu bytes", (unsigned long long)t->size);
    }
}

void parser_convert(struct parser *p, struct operand *o, const struct ctype *to)
{
    struct code_insn *i;

    parser_value(p, o);
    if (is_real(o) && to->kind != CTYPE_FLOAT) {
        if (to->kind == CTYPE_BOOL) {
            code_add(p->code, CODE_IS_ZERO)->real = true;
            code_add(p->code, CODE_IS_ZERO);
        } else {
            code_add(p->code, CODE_FLOAT_INT);
        }
    } else if (!is_real(o) && to->kind == CTYPE_FLOAT) {
        i = code_add(p->code, CODE_INT_FLOAT);
        i->sign = o->type->sign;
    } else if (to->kind == CTYPE_BOOL) {
        code_add(p->code, CODE_IS_ZERO);
        code_add(p->code, CODE_IS_ZERO);
    }
    if (to->kind != CTYPE_FLOAT && to->kind != CTYPE_BOOL && to->size < 8) {
        i = code_add(p->code, CODE_CONVERT);
        i->size = (uint8_t)to->size;
        i->sign = to->sign;
    }
    operand_value(o, to);
}

/* An integer's type when it is calculated with (C 6.3.1.1). */
static const struct ctype *promoted(const struct ctype *t)
{
    if (!ctype_is_integer(t))
        return t;
    return t->size < 4 ? ctype_integer(4, true) : ctype_integer((unsigned)t->size, t->sign);
}

/* The type in which two numbers meet (C 6.3.1.8). */
static const struct ctype *common(const struct ctype *a, const struct ctype *b)
{
    if (a->kind == CTYPE_FLOAT || b->kind == CTYPE_FLOAT)
        return &ctype_double;
    a = promoted(a);
    b = promoted(b);
    if (a->size != b->size)
        return a->size > b->size ? a : b;
    return a->sign ? b : a;
}

static bool is_number(const struct ctype *t)
{
    return ctype_is_integer(t) || t->kind == CTYPE_FLOAT;
}

static bool need_number(struct parser *p, const struct operand *o)
{
    return is_number(o->type) || o->type->kind == CTYPE_POINTER ||
           parser_fail(p, "a number or a pointer is expected");
}

/* ---- postfix: x[i], x.m, x->m ---- */

/* What a pointer's value points to; numbers point to words, as people write *0x1000. */
static void dereference(struct parser *p, struct operand *o)
{
    bool physical;
    const struct ctype *t;

    parser_value(p, o);
    physical = o->physical;
    t = o->type->kind == CTYPE_POINTER ? ctype_target(o->type) : word_type(p);
    if (o->type->kind != CTYPE_POINTER && !ctype_is_integer(o->type))
        parser_fail(p, "a pointer is expected");
    if (t->kind == CTYPE_VOID)
        t = word_type(p);
    operand_value(o, t);
    o->lvalue = true;
    o->physical = physical;
}

static void member(struct parser *p, struct operand *o)
{
    struct cfield f;
    char type[128];
    bool physical = o->physical;

    if (p->token.kind != TOKEN_NAME) {
        parser_fail(p, "a member's name is expected");
        return;
    }
    ctype_text(o->type, type, sizeof(type));
    if (!o->lvalue || !ctype_is_record(o->type)) {
        parser_fail(p, "%s: not a struct", type);
        return;
    }
    if (!ctype_member(o->type, p->token.text, &f)) {
        parser_fail(p, "%s has no member %s", type, p->token.text);
        return;
    }
    parser_next(p);
    code_const(p->code, f.offset);
    code_add(p->code, CODE_ADD);
    operand_value(o, f.type);
    o->lvalue = true;
    o->physical = physical;
    o->bit_offset = f.bit_offset;
    o->bit_size = f.bit_size;
}

/* The integer on top of the stack becomes so many elements' bytes, added to what is below. */
static void add_scaled(struct parser *p, const struct ctype *element, enum code_op op)
{
    uint64_t size = element->size ? element->size : 1;

    if (size != 1) {
        code_const(p->code, size);
        code_add(p->code, CODE_MUL);
    }
    code_add(p->code, op)->size = (uint8_t)p->word;
}

static void subscript(struct parser *p, struct operand *o)
{
    struct operand index;
    bool physical;

    parser_value(p, o);
    physical = o->physical;
    parser_expression(p, &index);
    parser_value(p, &index);
    if (!ctype_is_integer(index.type))
        parser_fail(p, "an integer is expected between [ and ]");
    if (o->type->kind != CTYPE_POINTER) {
        parser_fail(p, "an array or a pointer is expected before [");
        return;
    }
    add_scaled(p, ctype_target(o->type), CODE_ADD);
    o->physical = physical;
    dereference(p, o);
    parser_expect(p, OP1(']'));
}

static void postfix(struct parser *p, struct operand *o)
{
    while (!p->failed) {
        if (parser_accept(p, OP1('['))) {
            subscript(p, o);
        } else if (parser_accept(p, OP1('.'))) {
            /* As debuggers have it: a pointer's members, too. */
            if (o->type->kind == CTYPE_POINTER)
                dereference(p, o);
            member(p, o);
        } else if (parser_accept(p, OP2('-', '>'))) {
            dereference(p, o);
            member(p, o);
        } else if (parser_is(p, OP1('('))) {
            parser_fail(p, "functions of the guest are not called");
        } else {
            return;
        }
    }
}

/* ---- primary ---- */

static void string_literal(struct parser *p)
{
    parser_fail(p, "a string can only be compared to (==, !=) an array of characters or a pointer");
}

/* selector:offset: a linear address. */
static void segment_offset(struct parser *p, struct operand *o)
{
    struct operand off;

    parser_value(p, o);
    if (!ctype_is_integer(o->type)) {
        parser_fail(p, "a selector is expected before :");
        return;
    }
    code_add(p->code, CODE_SELECT);
    parser_unary(p, &off);
    parser_convert(p, &off, word_type(p));
    code_add(p->code, CODE_ADD)->size = (uint8_t)p->word;
    operand_value(o, word_type(p));
}

static void primary(struct parser *p, struct operand *o)
{
    operand_value(o, ctype_integer(4, true));
    switch (p->token.kind) {
    case TOKEN_INTEGER:
    case TOKEN_REAL:
        code_const(p->code, p->token.value);
        operand_value(o, p->token.kind == TOKEN_REAL ? &ctype_double : p->token.type);
        parser_next(p);
        if (o->type->kind == CTYPE_INT && !p->choices && parser_accept(p, OP1(':')))
            segment_offset(p, o);
        break;
    case TOKEN_NAME:
        parser_name(p, o);
        break;
    case TOKEN_REGISTER:
        parser_register(p, o);
        break;
    case TOKEN_STRING:
        string_literal(p);
        break;
    case TOKEN_OPERATOR:
        if (parser_accept(p, OP1('('))) {
            unsigned choices = p->choices;

            p->choices = 0;
            parser_expression(p, o);
            p->choices = choices;
            parser_expect(p, OP1(')'));
            break;
        }
        /* fall through */
    default:
        parser_fail(p, "a value is expected");
    }
    postfix(p, o);
}

/* ---- unary ---- */

static void size_of(struct parser *p, struct operand *o)
{
    struct code ignored = {0}, *code = p->code;
    uint64_t size = 0;
    struct operand what;
    struct parser before = *p;

    /* It is not evaluated. */
    p->code = &ignored;
    if (parser_accept(p, OP1('(')) && parser_at_type(p)) {
        size = parser_type(p)->size;
        parser_expect(p, OP1(')'));
    } else {
        *p = before;
        p->code = &ignored;
        parser_unary(p, &what);
        size = what.type->size;
    }
    p->code = code;
    code_free(&ignored);
    code_const(p->code, size);
    operand_value(o, ctype_integer(8, false));
}

static void address_of(struct parser *p, struct operand *o)
{
    bool physical = o->physical;

    if (o->type->kind == CTYPE_POINTER && !o->lvalue &&
        ctype_target(o->type)->kind == CTYPE_FUNCTION)
        return;
    if (!o->lvalue)
        parser_fail(p, o->reg ? "it is in a register" : "it has no address");
    if (o->bit_size)
        parser_fail(p, "a bit-field has no address");
    operand_value(o, ctype_pointer(&p->e->pool, o->type, p->word));
    o->physical = physical;
}

static void cast(struct parser *p, struct operand *o)
{
    const struct ctype *to = parser_type(p);
    bool physical;

    parser_expect(p, OP1(')'));
    parser_unary(p, o);
    if (p->failed)
        return;
    if (ctype_is_record(to) || to->kind == CTYPE_ARRAY) {
        if (!o->lvalue)
            parser_fail(p, "only what is in memory can be looked at as that");
        o->type = to;
        o->bit_size = 0;
        return;
    }
    parser_value(p, o);
    physical = o->physical && to->kind == CTYPE_POINTER;
    if (to->kind == CTYPE_VOID)
        parser_fail(p, "void has no value");
    if (is_real(o) && to->kind == CTYPE_POINTER)
        parser_fail(p, "not an address");
    parser_convert(p, o, to);
    o->physical = physical;
}

static void minus_or_not(struct parser *p, struct operand *o, uint32_t op)
{
    const struct ctype *t;
    struct code_insn *i;

    parser_unary(p, o);
    parser_value(p, o);
    if (op == OP1('!')) {
        if (need_number(p, o))
            code_add(p->code, CODE_IS_ZERO)->real = is_real(o);
        operand_value(o, ctype_integer(4, true));
        return;
    }
    t = is_real(o) ? &ctype_double : promoted(o->type);
    if (!is_number(t) || (op == OP1('~') && is_real(o)))
        parser_fail(p, "a number is expected");
    parser_convert(p, o, t);
    if (op == OP1('+'))
        return;
    i = code_add(p->code, op == OP1('-') ? CODE_NEG : CODE_NOT);
    i->size = (uint8_t)t->size;
    i->sign = t->sign;
    i->real = is_real(o);
}

static void unary(struct parser *p, struct operand *o)
{
    struct parser before = *p;
    uint32_t op = p->token.kind == TOKEN_OPERATOR ? p->token.op : 0;

    if (p->token.kind == TOKEN_NAME && strcmp(p->token.text, "sizeof") == 0) {
        parser_next(p);
        size_of(p, o);
        return;
    }
    if (parser_accept(p, OP1('('))) {
        if (parser_at_type(p)) {
            cast(p, o);
            return;
        }
        before.failed = p->failed;
        *p = before;
        primary(p, o);
        return;
    }
    if (op == OP1('*')) {
        parser_next(p);
        parser_unary(p, o);
        dereference(p, o);
    } else if (op == OP1('&')) {
        parser_next(p);
        parser_unary(p, o);
        address_of(p, o);
    } else if (op == OP1('-') || op == OP1('+') || op == OP1('!') || op == OP1('~')) {
        parser_next(p);
        minus_or_not(p, o, op);
    } else {
        primary(p, o);
    }
}

void parser_unary(struct parser *p, struct operand *o)
{
    operand_value(o, ctype_integer(4, true));
    if (p->depth >= DEPTH_MAX) {
        parser_fail(p, "nested too deeply");
        return;
    }
    p->depth++;
    unary(p, o);
    p->depth--;
}

/* ---- binary ---- */

static const struct binary_row {
    uint32_t token;
    uint8_t level; /* higher binds closer */
    uint8_t op;    /* enum code_op; CODE_NOTHING: && and || */
} binary_rows[] = {
    {OP2('|', '|'), 1, CODE_NOTHING}, {OP2('&', '&'), 2, CODE_NOTHING},
    {OP1('|'), 3, CODE_OR},           {OP1('^'), 4, CODE_XOR},
    {OP1('&'), 5, CODE_AND},          {OP2('=', '='), 6, CODE_EQ},
    {OP2('!', '='), 6, CODE_NE},      {OP1('<'), 7, CODE_LT},
    {OP1('>'), 7, CODE_GT},           {OP2('<', '='), 7, CODE_LE},
    {OP2('>', '='), 7, CODE_GE},      {OP2('<', '<'), 8, CODE_SHL},
    {OP2('>', '>'), 8, CODE_SHR},     {OP1('@'), 9, CODE_NOTHING},
    {OP1('+'), 10, CODE_ADD},         {OP1('-'), 10, CODE_SUB},
    {OP1('*'), 11, CODE_MUL},         {OP1('/'), 11, CODE_DIV},
    {OP1('%'), 11, CODE_MOD},
};
#define LOGICAL_LEVEL 2
#define REPEAT_LEVEL  9

static const struct binary_row *binary_row(const struct parser *p)
{
    for (unsigned n = 0; n < ARRAY_SIZE(binary_rows); n++)
        if (parser_is(p, binary_rows[n].token))
            return &binary_rows[n];
    return NULL;
}

static void emit(struct parser *p, enum code_op op, const struct ctype *t)
{
    struct code_insn *i = code_add(p->code, op);

    i->real = t->kind == CTYPE_FLOAT;
    i->size = (uint8_t)t->size;
    i->sign = t->sign;
}

/* Both are values on the stack. */
static void numbers(struct parser *p, enum code_op op, struct operand *a, const struct operand *b)
{
    const struct ctype *t = common(a->type, b->type);

    if (op == CODE_SHL || op == CODE_SHR)
        t = promoted(a->type);
    if (t->kind == CTYPE_FLOAT && (op == CODE_MOD || (op >= CODE_AND && op <= CODE_SHR))) {
        parser_fail(p, "integers are expected");
        return;
    }
    if (t->kind == CTYPE_FLOAT && !is_real(a)) {
        struct code_insn *i = code_add(p->code, CODE_INT_FLOAT);

        i->imm = 1;
        i->sign = a->type->sign;
    }
    if (t->kind == CTYPE_FLOAT && !is_real(b))
        code_add(p->code, CODE_INT_FLOAT)->sign = b->type->sign;
    if ((op == CODE_SHL || op == CODE_SHR) && is_real(b))
        parser_fail(p, "integers are expected");
    emit(p, op, t);
    operand_value(a, op >= CODE_EQ && op <= CODE_GE ? ctype_integer(4, true) : t);
}

static void pointers(struct parser *p, enum code_op op, struct operand *a, struct operand *b)
{
    bool pa = a->type->kind == CTYPE_POINTER, pb = b->type->kind == CTYPE_POINTER;
    bool physical = a->physical;
    uint64_t size;

    if (is_real(a) || is_real(b)) {
        parser_fail(p, "a pointer and a floating point number");
    } else if (op >= CODE_EQ && op <= CODE_GE) {
        emit(p, op, ctype_integer(8, false));
        operand_value(a, ctype_integer(4, true));
    } else if (op == CODE_SUB && pa && pb) {
        size = ctype_target(a->type)->size;
        emit(p, CODE_SUB, ctype_integer(8, true));
        code_const(p->code, size ? size : 1);
        emit(p, CODE_DIV, ctype_integer(8, true));
        operand_value(a, ctype_integer(8, true));
    } else if (pa && !pb && (op == CODE_ADD || op == CODE_SUB)) {
        add_scaled(p, ctype_target(a->type), op);
        operand_value(a, a->type);
        a->physical = physical;
    } else if (pb && !pa && op == CODE_ADD) {
        physical = b->physical;
        code_add(p->code, CODE_SWAP);
        add_scaled(p, ctype_target(b->type), op);
        operand_value(a, b->type);
        a->physical = physical;
    } else {
        /* Masks and remainders of addresses: as numbers, which C would want a cast for. */
        a->type = pa ? word_type(p) : a->type;
        b->type = pb ? word_type(p) : b->type;
        numbers(p, op, a, b);
    }
}

/* Characters in memory, and a zero behind them, against those of a literal: all of it. */
static void compare_string(struct parser *p, struct operand *a, enum code_op op)
{
    unsigned len = p->token.len + 1;

    if (!a->lvalue || a->type->kind != CTYPE_ARRAY)
        parser_value(p, a);
    if ((a->type->kind != CTYPE_ARRAY && a->type->kind != CTYPE_POINTER) ||
        ctype_target(a->type)->size != 1) {
        string_literal(p);
        return;
    }
    if (a->type->kind == CTYPE_ARRAY && a->type->count && len > a->type->count)
        len = (unsigned)a->type->count;
    code_const(p->code, 1);
    for (unsigned n = 0; n < len; n += 8) {
        unsigned size = len - n < 8 ? len - n : 8;
        uint64_t v = 0;
        struct code_insn *i;

        memcpy(&v, p->token.text + n, size);
        code_add(p->code, CODE_PICK)->imm = 1;
        code_const(p->code, n);
        code_add(p->code, CODE_ADD);
        i = code_add(p->code, CODE_LOAD);
        i->size = (uint8_t)size;
        i->physical = a->physical;
        code_const(p->code, v);
        code_add(p->code, CODE_EQ);
        code_add(p->code, CODE_AND);
    }
    code_add(p->code, CODE_SWAP);
    code_add(p->code, CODE_DROP);
    if (op == CODE_NE)
        code_add(p->code, CODE_IS_ZERO);
    operand_value(a, ctype_integer(4, true));
    parser_next(p);
}

/* place@count: an array. The count is what it is now. */
static void repeat(struct parser *p, struct operand *a)
{
    struct code now = {0}, *code = p->code;
    struct operand n;
    uint64_t count = 0;
    struct error err = {""};

    p->code = &now;
    parser_unary(p, &n);
    parser_value(p, &n);
    p->code = code;
    if (!a->lvalue || a->bit_size)
        parser_fail(p, "something in memory is expected before @");
    if (!p->failed && !expr_run(p->e, &now, p->cpu, &count, &err))
        parser_fail(p, "%s", err.text);
    code_free(&now);
    if (!count || count > 1u << 24)
        parser_fail(p, "a number of elements is expected after @");
    a->type = ctype_array(&p->e->pool, a->type, count);
}

static void parse_binary(struct parser *p, struct operand *a, unsigned level);

/* && and ||: what is on the right is only looked at if it matters. */
static void logical(struct parser *p, struct operand *a, const struct binary_row *row)
{
    struct operand b;
    unsigned jump, end;
    bool both = row->level == LOGICAL_LEVEL;

    parser_value(p, a);
    if (!need_number(p, a))
        return;
    code_add(p->code, CODE_IS_ZERO)->real = is_real(a);
    jump = p->code->n;
    code_add(p->code, both ? CODE_JUMP_NOT_ZERO : CODE_JUMP_ZERO);
    parse_binary(p, &b, row->level + 1u);
    parser_value(p, &b);
    need_number(p, &b);
    code_add(p->code, CODE_IS_ZERO)->real = is_real(&b);
    code_add(p->code, CODE_IS_ZERO);
    end = p->code->n;
    code_add(p->code, CODE_JUMP)->imm = end + 2;
    code_const(p->code, !both);
    if (!p->code->failed)
        p->code->insns[jump].imm = end + 1;
    operand_value(a, ctype_integer(4, true));
}

static void one_binary(struct parser *p, struct operand *a, const struct binary_row *row)
{
    struct operand b;

    if (row->op == CODE_NOTHING) {
        if (row->level == REPEAT_LEVEL)
            repeat(p, a);
        else
            logical(p, a, row);
        return;
    }
    if (p->token.kind == TOKEN_STRING && (row->op == CODE_EQ || row->op == CODE_NE)) {
        compare_string(p, a, row->op);
        return;
    }
    parser_value(p, a);
    parse_binary(p, &b, row->level + 1u);
    parser_value(p, &b);
    if (!need_number(p, a) || !need_number(p, &b))
        return;
    if (a->type->kind == CTYPE_POINTER || b.type->kind == CTYPE_POINTER)
        pointers(p, row->op, a, &b);
    else
        numbers(p, row->op, a, &b);
}

static void parse_binary(struct parser *p, struct operand *a, unsigned level)
{
    const struct binary_row *row;

    parser_unary(p, a);
    while (!p->failed && (row = binary_row(p)) && row->level >= level) {
        parser_next(p);
        one_binary(p, a, row);
    }
}

/* ---- a ? b : c ---- */

static void choice(struct parser *p, struct operand *o)
{
    struct operand b, c;
    unsigned otherwise, end, fix;
    const struct ctype *t;

    parser_value(p, o);
    need_number(p, o);
    code_add(p->code, CODE_IS_ZERO)->real = is_real(o);
    otherwise = p->code->n;
    code_add(p->code, CODE_JUMP_NOT_ZERO);
    p->choices++;
    parser_expression(p, &b);
    parser_value(p, &b);
    p->choices--;
    parser_expect(p, OP1(':'));
    fix = p->code->n;
    code_add(p->code, CODE_NOTHING);
    end = p->code->n;
    code_add(p->code, CODE_JUMP);
    parser_expression(p, &c);
    parser_value(p, &c);
    if (p->failed || p->code->failed)
        return;
    p->code->insns[otherwise].imm = end + 1;
    t = is_number(b.type) && is_number(c.type) ? common(b.type, c.type) : b.type;
    if (t->kind == CTYPE_FLOAT && !is_real(&b))
        p->code->insns[fix] = (struct code_insn){.op = CODE_INT_FLOAT, .sign = b.type->sign};
    else if (is_number(t) && t->kind != CTYPE_FLOAT)
        p->code->insns[fix] =
            (struct code_insn){.op = CODE_CONVERT, .size = (uint8_t)t->size, .sign = t->sign};
    if (is_number(t))
        parser_convert(p, &c, t);
    else if (is_real(&c))
        parser_fail(p, "a pointer or a floating point number");
    if (!p->code->failed)
        p->code->insns[end].imm = p->code->n;
    operand_value(o, t);
}

void parser_expression(struct parser *p, struct operand *o)
{
    operand_value(o, ctype_integer(4, true));
    if (p->depth >= DEPTH_MAX) {
        parser_fail(p, "nested too deeply");
        return;
    }
    p->depth++;
    parse_binary(p, o, 1);
    if (!p->failed && parser_accept(p, OP1('?')))
        choice(p, o);
    p->depth--;
}

bool expr_parse_text(struct parser *p, struct expr *e)
{
    struct operand value;

    p->e = e;
    p->code = &e->code;
    p->token.at = p->at = p->text;
    parser_next(p);
    parser_expression(p, &e->what);
    if (!p->failed && p->token.kind != TOKEN_END)
        parser_fail(p, "the end is expected");
    value = e->what;
    if (!p->failed && value.lvalue) {
        for (unsigned n = 0; n < e->code.n; n++)
            *code_add(&e->place, CODE_NOTHING) = e->code.insns[n];
        if (!ctype_is_record(value.type) && value.type->kind != CTYPE_VOID)
            parser_value(p, &value);
    }
    e->value_type = value.type;
    e->is_real = value.type->kind == CTYPE_FLOAT;
    e->size = e->what.type->size;
    if (e->code.failed || e->place.failed)
        parser_fail(p, "too long");
    return !p->failed;
}
