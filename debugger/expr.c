/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/expr.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/registers.h"
#include "debugger/debugger.h"
#include "debugger/expr_internal.h"

bool expr_run(const struct expr *e, const struct code *c, struct cpu *cpu, uint64_t *value,
              struct error *err)
{
    const struct code_frame frame = {.guest = &e->s->guest,
                                     .cpu = cpu,
                                     .regs = e->in_frame ? e->frame.regs : NULL,
                                     .known = e->frame.known,
                                     .scope = e->frame.scope};

    return code_run(c, &frame, value, err);
}

static struct expr *parse(struct symbols *s, unsigned index, uint64_t pc, const struct frame *frame,
                          const char *text, struct error *err)
{
    struct cpu *cpu = s->guest.cpu(s->guest.opaque, index);
    struct expr *e = calloc(1, sizeof(*e));
    struct parser p = {.s = s,
                       .cpu = cpu,
                       .cpu_index = index,
                       .pc = pc,
                       .word = cpu && cpu->long_mode ? 8 : 4,
                       .text = text,
                       .err = err};

    if (!e || !cpu) {
        error_set(err, cpu ? "out of memory" : "no CPU %u", index);
        free(e);
        return NULL;
    }
    e->s = s;
    e->in_frame = frame;
    if (frame)
        e->frame = *frame;
    if (expr_parse_text(&p, e)) {
        e->removals = s->removals;
        return e;
    }
    expr_free(e);
    return NULL;
}

struct expr *expr_parse_view(struct symbols *s, unsigned index, uint64_t pc, const char *text,
                             struct error *err)
{
    return parse(s, index, pc, NULL, text, err);
}

struct expr *expr_parse_frame(struct symbols *s, unsigned cpu, const struct frame *frame,
                              const char *text, struct error *err)
{
    return parse(s, cpu, frame->scope, frame, text, err);
}

struct expr *expr_parse(struct debugger *d, unsigned cpu, const char *text, struct error *err)
{
    return expr_parse_at(d, cpu, debugger_pc(debugger_cpu(d, cpu)), text, err);
}

struct expr *expr_parse_at(struct debugger *d, unsigned cpu, uint64_t pc, const char *text,
                           struct error *err)
{
    return expr_parse_view(debugger_symbols(d), cpu, pc, text, err);
}

void expr_free(struct expr *e)
{
    if (!e)
        return;
    code_free(&e->code);
    code_free(&e->place);
    ctype_pool_free(&e->pool);
    free(e);
}

bool expr_integer(const struct expr *e, struct debugger *d, struct cpu *cpu, uint64_t *value,
                  struct error *err)
{
    uint64_t v;
    double real;

    (void)d;
    if (!expr_run(e, &e->code, cpu, &v, err))
        return false;
    *value = v;
    /* The kind was noted when it was parsed: types may be gone. */
    if (e->is_real) {
        memcpy(&real, &v, sizeof(real));
        *value = real > -0x1p63 && real < 0x1p63 ? (uint64_t)(int64_t)real : 0;
    }
    return true;
}

bool expr_location(const struct expr *e, struct debugger *d, struct cpu *cpu, uint64_t *addr,
                   uint64_t *size, struct error *err)
{
    (void)d;
    if (!e->place.n)
        return error_set(err, "not something in memory");
    if (e->what.bit_size)
        return error_set(err, "a bit-field has no address");
    *size = e->size;
    return expr_run(e, &e->place, cpu, addr, err);
}

/* ---- conditions ---- */

static bool holds(void *opaque, struct debugger *d, struct cpu *cpu)
{
    uint64_t v;

    return expr_integer(opaque, d, cpu, &v, NULL) && v;
}

static bool ruled_out(void *opaque, struct debugger *d, struct cpu *cpu)
{
    return !holds(opaque, d, cpu);
}

static void free_condition(void *opaque)
{
    expr_free(opaque);
}

struct breakpoint_condition expr_condition(struct expr *e)
{
    struct breakpoint_condition c = {.holds = holds,
                                     .ruled_out = code_is_plain(&e->code) ? ruled_out : NULL,
                                     .free = free_condition,
                                     .opaque = e};

    if (!e->is_real && !e->in_frame)
        code_program(&e->code, &c.when);
    return c;
}

/* ---- setting ---- */

static bool set_register(struct debugger *d, unsigned cpu, const struct operand *o, uint64_t value,
                         struct error *err)
{
    uint8_t buf[32] = {0};
    unsigned size = o->reg_size < 8 ? o->reg_size : 8;

    o->reg->get(debugger_cpu(d, cpu), o->reg, buf);
    memcpy(buf + o->reg_offset, &value, size);
    return debugger_set_register(d, cpu, o->reg, buf, err);
}

/* The value as the place's type has it: floating point, bit-fields. */
static uint64_t converted(const struct operand *o, uint64_t v, bool real, uint64_t old)
{
    double d;
    float f;
    uint32_t bits;

    if (o->type->kind == CTYPE_FLOAT) {
        if (real)
            memcpy(&d, &v, sizeof(d));
        else
            d = (double)(int64_t)v;
        f = (float)d;
        memcpy(&bits, &f, sizeof(bits));
        memcpy(&v, &d, sizeof(v));
        return o->type->size == 4 ? bits : v;
    }
    if (real) {
        memcpy(&d, &v, sizeof(d));
        v = d > -0x1p63 && d < 0x1p63 ? (uint64_t)(int64_t)d : 0;
    }
    if (o->bit_size) {
        uint64_t mask = (~0ull >> (64 - o->bit_size)) << o->bit_offset;

        v = (old & ~mask) | (v << o->bit_offset & mask);
    }
    return v;
}

static bool assign(struct debugger *d, unsigned index, struct expr *to, struct expr *from,
                   struct error *err)
{
    struct cpu *cpu = debugger_cpu(d, index);
    const struct operand *o = &to->what;
    uint64_t v, addr, old = 0;
    size_t size = o->bit_size ? (o->bit_offset + o->bit_size + 7u) / 8 : o->type->size;

    if (!expr_run(from, &from->code, cpu, &v, err))
        return false;
    if (o->reg && !o->lvalue && o->type->size != 10)
        return set_register(d, index, o, converted(o, v, from->is_real, 0), err);
    if (!o->lvalue)
        return error_set(err, "not something that can be set");
    if (!size || size > 8 || o->type->kind == CTYPE_ARRAY || ctype_is_record(o->type) ||
        o->type->kind == CTYPE_FUNCTION)
        return error_set(err, "only numbers and pointers can be set");
    if (!expr_run(to, &to->place, cpu, &addr, err))
        return false;
    if (o->bit_size && debugger_read(d, index, o->physical, addr, &old, size) != size)
        return error_set(err, "0x%" PRIx64 " cannot be read", addr);
    v = converted(o, v, from->is_real, old);
    return debugger_write(d, index, o->physical, addr, &v, size, err) == size;
}

bool expr_assign(struct debugger *d, unsigned cpu, const char *lvalue, const char *value,
                 struct error *err)
{
    struct expr *to = expr_parse(d, cpu, lvalue, err);
    struct expr *from = to ? expr_parse(d, cpu, value, err) : NULL;
    bool ok = from && assign(d, cpu, to, from, err);

    expr_free(to);
    expr_free(from);
    return ok;
}

/* ---- addresses ---- */

/* "file.c:12" */
static bool line_address(struct symbols *s, const char *text, uint64_t *lin, bool *is_line,
                         struct error *err)
{
    const char *colon = strrchr(text, ':');
    char file[512], *end;
    unsigned long line;

    *is_line = false;
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof(file))
        return false;
    line = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end || !memchr(text, '.', (size_t)(colon - text)))
        return false;
    *is_line = true;
    memcpy(file, text, (size_t)(colon - text));
    file[colon - text] = 0;
    return (line <= UINT32_MAX && symbols_line_find(s, file, (unsigned)line, lin)) ||
           error_set(err, "%s: no code of that line is known", text);
}

bool expr_address_view(struct symbols *s, unsigned cpu, const char *text, uint64_t *lin,
                       struct error *err)
{
    struct cpu *c = s->guest.cpu(s->guest.opaque, cpu);
    bool is_line, ok;
    struct symbol symbol;
    struct expr *e;

    ok = line_address(s, text, lin, &is_line, err);
    if (is_line)
        return ok;
    /* A function's name, with what compilers append; and what no expression would spell so. */
    if (symbol_find(s, text, &symbol)) {
        *lin = symbol.start;
        return true;
    }
    e = expr_parse_view(s, cpu, c ? code_pc(c) : 0, text, err);
    if (!e)
        return false;
    /* A variable is where it is; a function, too; numbers and pointers say where. */
    ok = expr_run(e,
                  e->what.lvalue &&
                          (ctype_is_record(e->what.type) || e->what.type->kind == CTYPE_FUNCTION ||
                           e->what.type->kind == CTYPE_ARRAY)
                      ? &e->place
                      : &e->code,
                  c, lin, err);
    expr_free(e);
    return ok;
}

bool expr_address(struct debugger *d, unsigned cpu, const char *text, uint64_t *lin,
                  struct error *err)
{
    return expr_address_view(debugger_symbols(d), cpu, text, lin, err);
}
