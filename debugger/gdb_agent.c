/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/gdb_agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/probe_program.h"

#define STACK_MAX 256
#define STEPS_MAX 100000 /* expressions may loop */
#define ARGS_MAX  16
#define TEXT_MAX  512

enum {
    AX_ADD = 0x02,
    AX_SUB,
    AX_MUL,
    AX_DIV_SIGNED,
    AX_DIV_UNSIGNED,
    AX_REM_SIGNED,
    AX_REM_UNSIGNED,
    AX_LSH,
    AX_RSH_SIGNED,
    AX_RSH_UNSIGNED,
    AX_LOG_NOT = 0x0e,
    AX_BIT_AND,
    AX_BIT_OR,
    AX_BIT_XOR,
    AX_BIT_NOT,
    AX_EQUAL,
    AX_LESS_SIGNED,
    AX_LESS_UNSIGNED,
    AX_EXT,
    AX_REF8,
    AX_REF16,
    AX_REF32,
    AX_REF64,
    AX_IF_GOTO = 0x20,
    AX_GOTO,
    AX_CONST8,
    AX_CONST16,
    AX_CONST32,
    AX_CONST64,
    AX_REG,
    AX_END,
    AX_DUP,
    AX_POP,
    AX_ZERO_EXT,
    AX_SWAP,
    AX_PICK = 0x32,
    AX_ROT,
    AX_PRINTF,
};

/* How many bytes follow an operation, and what it does to the stack: how many values it needs, how
 * many more or less there are afterwards. */
static const struct operation {
    bool known;
    uint8_t operand, needs;
    int8_t grows;
} operations[256] = {
    [AX_ADD] = {true, 0, 2, -1},
    [AX_SUB] = {true, 0, 2, -1},
    [AX_MUL] = {true, 0, 2, -1},
    [AX_DIV_SIGNED] = {true, 0, 2, -1},
    [AX_DIV_UNSIGNED] = {true, 0, 2, -1},
    [AX_REM_SIGNED] = {true, 0, 2, -1},
    [AX_REM_UNSIGNED] = {true, 0, 2, -1},
    [AX_LSH] = {true, 0, 2, -1},
    [AX_RSH_SIGNED] = {true, 0, 2, -1},
    [AX_RSH_UNSIGNED] = {true, 0, 2, -1},
    [AX_LOG_NOT] = {true, 0, 1, 0},
    [AX_BIT_AND] = {true, 0, 2, -1},
    [AX_BIT_OR] = {true, 0, 2, -1},
    [AX_BIT_XOR] = {true, 0, 2, -1},
    [AX_BIT_NOT] = {true, 0, 1, 0},
    [AX_EQUAL] = {true, 0, 2, -1},
    [AX_LESS_SIGNED] = {true, 0, 2, -1},
    [AX_LESS_UNSIGNED] = {true, 0, 2, -1},
    [AX_EXT] = {true, 1, 1, 0},
    [AX_REF8] = {true, 0, 1, 0},
    [AX_REF16] = {true, 0, 1, 0},
    [AX_REF32] = {true, 0, 1, 0},
    [AX_REF64] = {true, 0, 1, 0},
    [AX_IF_GOTO] = {true, 2, 1, -1},
    [AX_GOTO] = {true, 2, 0, 0},
    [AX_CONST8] = {true, 1, 0, 1},
    [AX_CONST16] = {true, 2, 0, 1},
    [AX_CONST32] = {true, 4, 0, 1},
    [AX_CONST64] = {true, 8, 0, 1},
    [AX_REG] = {true, 2, 0, 1},
    [AX_END] = {true, 0, 0, 0},
    [AX_DUP] = {true, 0, 1, 1},
    [AX_POP] = {true, 0, 1, -1},
    [AX_ZERO_EXT] = {true, 1, 1, 0},
    [AX_SWAP] = {true, 0, 2, 0},
    [AX_PICK] = {true, 1, 1, 1},
    [AX_ROT] = {true, 0, 3, 0},
    [AX_PRINTF] = {true, 3, 2, -2}, /* function, channel; the arguments are counted by itself */
};

struct agent_expr {
    size_t len;
    uint8_t code[];
};

/* A run. */
struct agent {
    const struct agent_expr *e;
    const struct agent_world *world;
    size_t pc;
    const char *error;
    unsigned n;                /* on the stack */
    uint64_t stack[STACK_MAX]; /* as many are valid */
};

static uint64_t big_endian(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    while (n--)
        v = v << 8 | *p++;
    return v;
}

/* Bytes of the operation at pc, its operand included; 0: it is cut off. */
static size_t length_at(const uint8_t *code, size_t len, size_t pc)
{
    size_t n = 1u + operations[code[pc]].operand;

    if (pc + n > len)
        return 0;
    if (code[pc] == AX_PRINTF) {
        size_t text = (size_t)big_endian(code + pc + 2, 2);

        n += text;
        if (!text || pc + n > len || code[pc + n - 1])
            return 0;
    }
    return n;
}

struct agent_expr *agent_new(const uint8_t *code, size_t len, struct error *err)
{
    struct agent_expr *e;
    size_t n;

    for (size_t pc = 0; pc < len; pc += n) {
        if (!operations[code[pc]].known) {
            error_set(err, "agent expression: operation %#x is not for conditions", code[pc]);
            return NULL;
        }
        n = length_at(code, len, pc);
        if (!n) {
            error_set(err, "agent expression: it is cut off");
            return NULL;
        }
    }
    e = malloc(sizeof(*e) + len);
    if (!e) {
        error_set(err, "out of memory");
        return NULL;
    }
    e->len = len;
    memcpy(e->code, code, len);
    return e;
}

void agent_free(struct agent_expr *e)
{
    free(e);
}

/* ---- operations ---- */

static uint64_t divide(struct agent *a, uint8_t op, uint64_t x, uint64_t y)
{
    bool overflow = x == 1ull << 63 && y == UINT64_MAX;

    if (!y) {
        a->error = "division by zero";
        return 0;
    }
    switch (op) {
    case AX_DIV_UNSIGNED:
        return x / y;
    case AX_REM_UNSIGNED:
        return x % y;
    case AX_DIV_SIGNED:
        return overflow ? x : (uint64_t)((int64_t)x / (int64_t)y);
    default:
        return overflow ? 0 : (uint64_t)((int64_t)x % (int64_t)y);
    }
}

/* x is what was pushed first. */
static uint64_t binary(struct agent *a, uint8_t op, uint64_t x, uint64_t y)
{
    switch (op) {
    case AX_ADD:
        return x + y;
    case AX_SUB:
        return x - y;
    case AX_MUL:
        return x * y;
    case AX_LSH:
        return y < 64 ? x << y : 0;
    case AX_RSH_UNSIGNED:
        return y < 64 ? x >> y : 0;
    case AX_RSH_SIGNED:
        return (uint64_t)((int64_t)x >> (y < 64 ? y : 63));
    case AX_BIT_AND:
        return x & y;
    case AX_BIT_OR:
        return x | y;
    case AX_BIT_XOR:
        return x ^ y;
    case AX_EQUAL:
        return x == y;
    case AX_LESS_SIGNED:
        return (int64_t)x < (int64_t)y;
    case AX_LESS_UNSIGNED:
        return x < y;
    default:
        return divide(a, op, x, y);
    }
}

static uint64_t fetch(struct agent *a, uint64_t addr, unsigned size)
{
    uint64_t v = 0;

    if (!a->world->memory(a->world->opaque, addr, &v, size))
        a->error = "memory cannot be read";
    return v;
}

static uint64_t extend(uint64_t v, unsigned bits, bool sign)
{
    if (!bits || bits >= 64)
        return v;
    v &= ~0ull >> (64 - bits);
    return sign && v >> (bits - 1) ? v | ~0ull << bits : v;
}

static void jump(struct agent *a, size_t to)
{
    if (to >= a->e->len)
        a->error = "a jump leaves the expression";
    else
        a->pc = to;
}

/* One conversion of a format, which starts at '%', and how it is printed as 64 bits. */
static const char *print_one(const char *format, char *out, size_t size, uint64_t value)
{
    size_t n = 1 + strspn(format + 1, "-+ #0123456789.");
    const char *letter = format + n + strspn(format + n, "hlzjt");
    char spec[40];

    if (n > sizeof(spec) - 4 || !*letter || !strchr("dioxXuc", *letter)) {
        snprintf(out, size, "(%#llx)", (unsigned long long)value);
        return *letter ? letter + 1 : letter;
    }
    snprintf(spec, sizeof(spec), "%.*s%s%c", (int)n, format, *letter == 'c' ? "" : "ll", *letter);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (*letter == 'c')
        snprintf(out, size, spec, (int)(unsigned char)value);
    else
        snprintf(out, size, spec, (unsigned long long)value);
#pragma GCC diagnostic pop
    return letter + 1;
}

/* gdb leaves C's escapes in formats to us. *p is behind the backslash. */
static char escaped(const char **p)
{
    static const char names[] = "abefnrt", codes[] = "\a\b\033\f\n\r\t";
    char c = **p;
    const char *at = c ? strchr(names, c) : NULL;

    if (c)
        ++*p;
    return at ? codes[at - names] : c;
}

static void print_text(struct agent *a, const char *format, const uint64_t *args, unsigned nargs)
{
    char text[TEXT_MAX] = "";
    size_t n = 0;
    unsigned used = 0;

    while (*format && n < sizeof(text) - 1) {
        if (format[0] == '%' && format[1] == '%') {
            text[n++] = '%';
            format += 2;
        } else if (*format == '%') {
            format = print_one(format, text + n, sizeof(text) - n, used < nargs ? args[used] : 0);
            used++;
            n += strlen(text + n);
        } else if (*format++ == '\\') {
            text[n++] = escaped(&format);
        } else {
            text[n++] = format[-1];
        }
        text[n < sizeof(text) ? n : sizeof(text) - 1] = '\0';
    }
    if (a->world->print)
        a->world->print(a->world->opaque, text);
}

/* Function and channel have been popped. */
static void run_printf(struct agent *a, const uint8_t *operand)
{
    uint64_t args[ARGS_MAX];
    unsigned n = operand[0];

    if (n > a->n || n > ARGS_MAX) {
        a->error = "printf has too many arguments";
        return;
    }
    for (unsigned i = 0; i < n; i++)
        args[i] = a->stack[--a->n];
    print_text(a, (const char *)operand + 3, args, n);
}

/* What is neither arithmetic nor memory. `top` is the topmost value. */
static void run_other(struct agent *a, uint8_t op, const uint8_t *operand, uint64_t *top)
{
    uint64_t t;

    switch (op) {
    case AX_IF_GOTO:
        if (a->stack[a->n]) /* which has been popped */
            jump(a, (size_t)big_endian(operand, 2));
        break;
    case AX_GOTO:
        jump(a, (size_t)big_endian(operand, 2));
        break;
    case AX_REG:
        if (!a->world->reg(a->world->opaque, (unsigned)big_endian(operand, 2), top))
            a->error = "there is no such register";
        break;
    case AX_DUP:
        *top = top[-1];
        break;
    case AX_SWAP:
        t = *top;
        *top = top[-1];
        top[-1] = t;
        break;
    case AX_PICK: /* the new place is on the stack already */
        if (operand[0] + 2u > a->n)
            a->error = "the stack is not that deep";
        else
            *top = *(top - operand[0] - 1);
        break;
    case AX_ROT: /* a b c: c a b */
        t = *top;
        *top = top[-1];
        top[-1] = top[-2];
        top[-2] = t;
        break;
    case AX_PRINTF:
        run_printf(a, operand);
        break;
    default: /* POP */
        break;
    }
}

static void run_one(struct agent *a, uint8_t op, const uint8_t *operand)
{
    unsigned size = operations[op].operand;
    uint64_t *top;

    a->n = (unsigned)((int)a->n + operations[op].grows);
    top = &a->stack[a->n ? a->n - 1 : 0];
    if (op == AX_LOG_NOT)
        *top = !*top;
    else if (op == AX_BIT_NOT)
        *top = ~*top;
    else if (op == AX_EXT || op == AX_ZERO_EXT)
        *top = extend(*top, operand[0], op == AX_EXT);
    else if (op >= AX_REF8 && op <= AX_REF64)
        *top = fetch(a, *top, 1u << (op - AX_REF8));
    else if (op >= AX_CONST8 && op <= AX_CONST64)
        *top = big_endian(operand, size);
    else if (operations[op].needs == 2 && operations[op].grows == -1)
        *top = binary(a, op, *top, top[1]);
    else
        run_other(a, op, operand, top);
}

const char *agent_run(const struct agent_expr *e, const struct agent_world *world, uint64_t *value)
{
    struct agent a = {.e = e, .world = world};

    *value = 0;
    for (unsigned steps = 0; a.pc < e->len; steps++) {
        uint8_t op = e->code[a.pc];
        const uint8_t *operand = e->code + a.pc + 1;
        size_t n = length_at(e->code, e->len, a.pc); /* a jump may go amid an operation */

        if (op == AX_END)
            break;
        if (!operations[op].known || !n)
            return "a jump goes amid an operation";
        if (steps == STEPS_MAX)
            return "it takes too many steps";
        if (a.n < operations[op].needs || a.n + 1 >= STACK_MAX)
            return "the stack is not that deep";
        a.pc += n;
        run_one(&a, op, operand);
        if (a.error)
            return a.error;
    }
    if (a.n)
        *value = a.stack[a.n - 1];
    return NULL;
}

/* ---- as a program for the engines ---- */

#define PROGRAM_CODE_MAX 1024

struct making {
    const struct agent_expr *e;
    struct probe_program *p;
    agent_register_fn *reg;
    const void *opaque;
    uint16_t index[PROGRAM_CODE_MAX + 1]; /* of the instruction for an operation; 0: none */
};

/* Numbers have 64 bits. */
static const struct {
    uint8_t code, op;
    bool sign;
} program_ops[] = {
    {AX_ADD, PROBE_ADD, false},
    {AX_SUB, PROBE_SUB, false},
    {AX_MUL, PROBE_MUL, false},
    {AX_DIV_SIGNED, PROBE_DIV, true},
    {AX_DIV_UNSIGNED, PROBE_DIV, false},
    {AX_REM_SIGNED, PROBE_MOD, true},
    {AX_REM_UNSIGNED, PROBE_MOD, false},
    {AX_LSH, PROBE_SHL, false},
    {AX_RSH_SIGNED, PROBE_SHR, true},
    {AX_RSH_UNSIGNED, PROBE_SHR, false},
    {AX_LOG_NOT, PROBE_IS_ZERO, false},
    {AX_BIT_AND, PROBE_AND, false},
    {AX_BIT_OR, PROBE_OR, false},
    {AX_BIT_XOR, PROBE_XOR, false},
    {AX_BIT_NOT, PROBE_NOT, false},
    {AX_EQUAL, PROBE_EQ, false},
    {AX_LESS_SIGNED, PROBE_LT, true},
    {AX_LESS_UNSIGNED, PROBE_LT, false},
    {AX_DUP, PROBE_PICK, false},
    {AX_POP, PROBE_DROP, false},
    {AX_SWAP, PROBE_SWAP, false},
    {AX_GOTO, PROBE_JUMP, false},
    {AX_IF_GOTO, PROBE_JUMP_NOT_ZERO, false},
};

static void make_extension(struct making *m, unsigned bits, bool sign)
{
    if (!bits || bits > 64)
        bits = 64;
    if (bits == 8 || bits == 16 || bits == 32 || bits == 64) {
        struct probe_insn *i = probe_program_add(m->p, PROBE_EXTEND);

        i->size = (uint8_t)(bits / 8);
        i->sign = sign;
        return;
    }
    probe_program_const(m->p, 64 - bits);
    probe_program_add(m->p, PROBE_SHL);
    probe_program_const(m->p, 64 - bits);
    probe_program_add(m->p, PROBE_SHR)->sign = sign;
}

static bool make_one(struct making *m, uint8_t op, const uint8_t *operand)
{
    if (op >= AX_CONST8 && op <= AX_CONST64) {
        probe_program_const(m->p, big_endian(operand, operations[op].operand));
        return true;
    }
    if (op >= AX_REF8 && op <= AX_REF64) {
        probe_program_add(m->p, PROBE_LOAD)->size = (uint8_t)(1u << (op - AX_REF8));
        return true;
    }
    for (unsigned n = 0; n < ARRAY_SIZE(program_ops); n++)
        if (program_ops[n].code == op) {
            probe_program_add(m->p, program_ops[n].op)->sign = program_ops[n].sign;
            return true;
        }
    switch (op) {
    case AX_REG:
        return m->reg(m->opaque, (unsigned)big_endian(operand, 2),
                      probe_program_add(m->p, PROBE_REGISTER));
    case AX_PICK:
        probe_program_add(m->p, PROBE_PICK)->value = operand[0];
        return true;
    case AX_EXT:
    case AX_ZERO_EXT:
        make_extension(m, operand[0], op == AX_EXT);
        return true;
    case AX_END: /* to the end, whose number is not known yet */
        probe_program_add(m->p, PROBE_JUMP);
        return true;
    default:
        return false;
    }
}

/* Where jumps lead. */
static bool make_jumps(struct making *m)
{
    for (size_t pc = 0; pc < m->e->len; pc += length_at(m->e->code, m->e->len, pc)) {
        const uint8_t *at = m->e->code + pc;
        bool jumps = *at == AX_GOTO || *at == AX_IF_GOTO;
        size_t to = jumps ? (size_t)big_endian(at + 1, 2) : m->e->len;

        if (!jumps && *at != AX_END)
            continue;
        if (to > m->e->len || (*at != AX_END && to == m->e->len) || !m->index[to])
            return false;
        m->p->insns[m->index[pc] - 1u].to = m->index[to] - 1u;
    }
    return true;
}

bool agent_program(const struct agent_expr *e, agent_register_fn *reg, const void *opaque,
                   struct probe_program *program)
{
    struct making m = {.e = e, .p = program, .reg = reg, .opaque = opaque};
    uint32_t before = program->n;
    bool ok = e->len && e->len <= PROGRAM_CODE_MAX;
    size_t n;

    for (size_t pc = 0; ok && pc < e->len; pc += n) {
        n = length_at(e->code, e->len, pc);
        m.index[pc] = (uint16_t)(program->n + 1);
        ok = make_one(&m, e->code[pc], e->code + pc + 1) && program->n <= PROBE_PROGRAM_MAX;
    }
    if (ok)
        m.index[e->len] = (uint16_t)(program->n + 1);
    ok = ok && make_jumps(&m);
    if (!ok)
        program->n = before;
    return ok;
}
