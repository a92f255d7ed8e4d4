/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as a person writes them: C's operators and numbers, and registers as $rip. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/registers.h"
#include "monitor/monitor_internal.h"
#include "vm/machine.h"

#define DEPTH_MAX 32

struct expression {
    const char *p;
    const struct cpu *cpu; /* NULL: there are no registers */
    unsigned depth;
    struct error *err;
};

static bool binary(struct expression *e, unsigned level, uint64_t *value);

static void skip_spaces(struct expression *e)
{
    while (isspace((unsigned char)*e->p))
        e->p++;
}

/* ---- registers ---- */

static bool register_value(struct expression *e, uint64_t *value)
{
    char name[20];
    size_t n = 0;
    const struct cpu_register *r;

    for (e->p++; isalnum((unsigned char)*e->p) || *e->p == '_'; e->p++)
        if (n < sizeof(name) - 1)
            name[n++] = *e->p;
    name[n] = '\0';
    if (!e->cpu)
        return error_set(e->err, "$%s: the machine has no processor", name);
    r = cpu_register_find(name);
    if (!r)
        return error_set(e->err, "$%s: no such register", name);
    *value = cpu_register_value(e->cpu, r);
    return true;
}

/* ---- the grammar ---- */

static bool number(struct expression *e, uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)*e->p))
        return error_set(e->err, "'%.20s': a number, $register or ( is expected", e->p);
    *value = strtoull(e->p, &end, 0);
    e->p = end;
    return !isalnum((unsigned char)*end) ||
           error_set(e->err, "'%.20s': an operator is expected", end);
}

static bool unary(struct expression *e, uint64_t *value)
{
    char op;

    skip_spaces(e);
    op = *e->p;
    if (op == '$')
        return register_value(e, value);
    if (!op || !strchr("(-+~", op))
        return number(e, value);
    if (++e->depth > DEPTH_MAX)
        return error_set(e->err, "more than %d levels", DEPTH_MAX);
    e->p++;
    if (op == '(') {
        if (!binary(e, 0, value))
            return false;
        skip_spaces(e);
        if (*e->p++ != ')')
            return error_set(e->err, ") is expected");
    } else if (!unary(e, value)) {
        return false;
    }
    *value = op == '-' ? -*value : op == '~' ? ~*value : *value;
    e->depth--;
    return true;
}

static bool apply(struct expression *e, char op, uint64_t *a, uint64_t b)
{
    switch (op) {
    case '|':
        *a |= b;
        return true;
    case '^':
        *a ^= b;
        return true;
    case '&':
        *a &= b;
        return true;
    case '+':
        *a += b;
        return true;
    case '-':
        *a -= b;
        return true;
    case '*':
        *a *= b;
        return true;
    default:
        if (!b)
            return error_set(e->err, "division by zero");
        *a = op == '/' ? *a / b : *a % b;
        return true;
    }
}

static bool binary(struct expression *e, unsigned level, uint64_t *value)
{
    static const char *const operators[] = {"|", "^", "&", "+-", "*/%"};
    uint64_t b;

    if (level == sizeof(operators) / sizeof(operators[0]))
        return unary(e, value);
    if (!binary(e, level + 1, value))
        return false;
    for (skip_spaces(e); *e->p && strchr(operators[level], *e->p); skip_spaces(e)) {
        char op = *e->p++;

        if (!binary(e, level + 1, &b) || !apply(e, op, value, b))
            return false;
    }
    return true;
}

bool expression_value(const char *text, const struct machine *m, unsigned cpu, uint64_t *value,
                      struct error *err)
{
    struct expression e = {
        .p = text, .cpu = cpu < m->ncpus ? cpu_of(m->cpus[cpu]) : NULL, .err = err};

    if (!binary(&e, 0, value))
        return false;
    skip_spaces(&e);
    return !*e.p || error_set(err, "'%.20s': an operator is expected", e.p);
}
