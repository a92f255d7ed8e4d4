/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/x86/cpu.h"
#include "debugger/expr_internal.h"

/* Values as people read them: structs member by member, a line each; enums by name; characters as
 * strings; pointers with the symbol they point to. */

#define DEPTH_MAX    6u    /* of structs in structs */
#define ELEMENTS_MAX 200u  /* of an array */
#define LINES_MAX    4000u /* of a value */
#define STRING_MAX   200u
#define REPEATS      10u /* equal elements that are worth counting */

struct printer {
    struct symbols *s;
    struct cpu *cpu;
    bool physical;
    char format;
    void (*line)(void *opaque, const char *text);
    void *opaque;
    char buf[1024];
    size_t n;
    unsigned lines, depth;
};

static bool guest_get(const struct printer *p, uint64_t addr, void *buf, size_t len)
{
    return p->s->guest.read(p->cpu, p->physical, addr, buf, len) == len;
}

/* ---- the line at hand ---- */

__attribute__((format(printf, 2, 3))) static void put(struct printer *p, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(p->buf + p->n, sizeof(p->buf) - p->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        p->n += (size_t)n < sizeof(p->buf) - p->n ? (size_t)n : sizeof(p->buf) - p->n - 1;
}

static void end_line(struct printer *p)
{
    printable(p->buf);
    if (p->lines < LINES_MAX)
        p->line(p->opaque, p->buf);
    else if (p->lines == LINES_MAX)
        p->line(p->opaque, "...");
    p->lines++;
    p->n = 0;
    p->buf[0] = 0;
}

static void begin_line(struct printer *p)
{
    put(p, "%*s", (int)(2 * p->depth), "");
}

/* ---- numbers ---- */

static void put_char(struct printer *p, unsigned char c, char quote)
{
    static const char from[] = "\a\b\033\f\n\r\t\v", to[] = "abefnrtv";
    const char *found = c ? strchr(from, c) : NULL;

    if (found)
        put(p, "\\%c", to[found - from]);
    else if (c == (unsigned char)quote || c == '\\')
        put(p, "\\%c", c);
    else if (c < ' ' || c >= 0x7f)
        put(p, "\\%03o", c);
    else
        put(p, "%c", c);
}

static void put_binary(struct printer *p, uint64_t v)
{
    unsigned n = 64 - (v ? (unsigned)__builtin_clzll(v) : 63);

    while (n--)
        put(p, "%u", (unsigned)(v >> n & 1));
}

/* A value of `size` bytes by gdb's letter; false: not a letter for numbers. */
static bool put_formatted(struct printer *p, uint64_t v, unsigned size, bool sign)
{
    char text[300];
    uint64_t cut = code_extend(v, size, false);

    switch (p->format) {
    case 'x':
        put(p, "0x%" PRIx64, cut);
        return true;
    case 'z':
        put(p, "0x%0*" PRIx64, (int)(2 * size), cut);
        return true;
    case 'd':
        put(p, "%" PRId64, (int64_t)code_extend(v, size, true));
        return true;
    case 'u':
        put(p, "%" PRIu64, cut);
        return true;
    case 'o':
        put(p, "0%" PRIo64, cut);
        return true;
    case 't':
        put_binary(p, cut);
        return true;
    case 'c':
        put(p, sign ? "%" PRId64 " '" : "%" PRIu64 " '", v);
        put_char(p, (unsigned char)v, '\'');
        put(p, "'");
        return true;
    case 'a':
        put(p, "0x%" PRIx64, cut);
        if (symbol_text(p->s, cut, text, sizeof(text)))
            put(p, " <%s>", text);
        return true;
    }
    return false;
}

static void put_real(struct printer *p, double d, uint64_t size)
{
    if (p->format == 'x' || p->format == 'd' || p->format == 'u' || p->format == 't' ||
        p->format == 'o') {
        /* As gdb: the number, not its bits. */
        put_formatted(p, fabs(d) < 0x1p63 ? (uint64_t)(int64_t)d : 0, 8, true);
        return;
    }
    put(p, "%.*g", size == 4 ? 9 : 17, d);
}

static void put_enum(struct printer *p, const struct ctype *t, uint64_t v)
{
    unsigned n;
    const struct cenumerator *e = ctype_enumerators(t, &n);
    uint64_t mask = t->size < 8 ? (1ull << (8 * t->size)) - 1 : ~0ull, left = v & mask;
    bool flags = left != 0;

    for (unsigned i = 0; i < n; i++)
        if ((((uint64_t)e[i].value ^ v) & mask) == 0) {
            put(p, "%s", e[i].name);
            return;
        }
    /* Perhaps several of single bits. */
    for (unsigned i = 0; i < n; i++)
        if ((uint64_t)e[i].value & ((uint64_t)e[i].value - 1))
            flags = false;
        else
            left &= ~(uint64_t)e[i].value;
    if (!flags || left || !n) {
        put(p, "%" PRId64, (int64_t)v);
        return;
    }
    put(p, "(");
    for (unsigned i = 0, some = 0; i < n; i++)
        if ((uint64_t)e[i].value & v & mask)
            put(p, "%s%s", some++ ? " | " : "", e[i].name);
    put(p, ")");
}

/* ---- strings and pointers ---- */

/* Characters up to a zero, or `max`; ... if it goes on. */
static void put_characters(struct printer *p, const char *text, size_t n, bool more)
{
    put(p, "\"");
    for (size_t i = 0; i < n; i++)
        put_char(p, (unsigned char)text[i], '"');
    put(p, more ? "\"..." : "\"");
}

static void put_string_at(struct printer *p, uint64_t addr)
{
    char text[STRING_MAX];
    size_t got = p->s->guest.read(p->cpu, false, addr, text, sizeof(text)), n;

    n = strnlen(text, got);
    if (!got)
        put(p, "<cannot be read>");
    else
        put_characters(p, text, n, n == got);
}

static void put_pointer(struct printer *p, const struct ctype *t, uint64_t v)
{
    const struct ctype *to = ctype_target(t);
    char text[300], type[160];
    struct symbol symbol;

    if (p->format && p->format != 's') {
        put_formatted(p, v, (unsigned)t->size, false);
        return;
    }
    ctype_text(t, type, sizeof(type));
    if (!p->depth && to->kind != CTYPE_CHAR)
        put(p, "(%s) ", type);
    put(p, "0x%" PRIx64, v);
    if (to->kind == CTYPE_CHAR && v) {
        put(p, " ");
        put_string_at(p, v);
    } else if (v && symbol_at(p->s, v, &symbol) && symbol_text(p->s, v, text, sizeof(text))) {
        put(p, " <%s>", text);
    }
}

/* ---- values of any type ---- */

static void put_value(struct printer *p, const struct ctype *t, uint64_t v)
{
    double d;

    if (t->kind == CTYPE_FLOAT) {
        memcpy(&d, &v, sizeof(d));
        put_real(p, d, t->size);
    } else if (t->kind == CTYPE_POINTER) {
        put_pointer(p, t, v);
    } else if (p->format && p->format != 's' &&
               put_formatted(p, v, (unsigned)(t->size ? t->size : 8), t->sign)) {
        return;
    } else if (t->kind == CTYPE_ENUM) {
        put_enum(p, t, v);
    } else if (t->kind == CTYPE_BOOL && v <= 1) {
        put(p, v ? "true" : "false");
    } else if (t->kind == CTYPE_CHAR) {
        put(p, t->sign ? "%" PRId64 " '" : "%" PRIu64 " '", v);
        put_char(p, (unsigned char)v, '\'');
        put(p, "'");
    } else {
        put(p, t->sign ? "%" PRId64 : "%" PRIu64, v);
    }
}

/* A number in memory. */
static void put_scalar(struct printer *p, const struct ctype *t, uint64_t addr, unsigned bit_offset,
                       unsigned bits)
{
    uint64_t v;
    unsigned size = bits ? (bit_offset + bits + 7) / 8 : (unsigned)(t->size > 16 ? 16 : t->size);
    struct code code = {0};
    struct code_frame f = {.guest = &p->s->guest, .cpu = p->cpu};
    struct code_insn *i;

    if (!size || (size > 8 && t->kind != CTYPE_FLOAT)) {
        put(p, "<%u bytes>", size);
        return;
    }
    code_const(&code, addr);
    i = code_add(&code, t->kind == CTYPE_FLOAT ? CODE_LOAD_FLOAT : CODE_LOAD);
    i->size = (uint8_t)(size > 8 ? 10 : size);
    i->sign = t->sign && !bits;
    i->physical = p->physical;
    if (bits) {
        i = code_add(&code, CODE_FIELD);
        i->imm = bits;
        i->imm2 = bit_offset;
        i->sign = t->sign;
    }
    if (code_run(&code, &f, &v, NULL))
        put_value(p, t, v);
    else
        put(p, "<cannot be read>");
    code_free(&code);
}

static void put_place(struct printer *p, const struct ctype *t, uint64_t addr, unsigned bit_offset,
                      unsigned bits);

static void put_record(struct printer *p, const struct ctype *t, uint64_t addr)
{
    unsigned n;
    const struct cfield *f = ctype_fields(t, &n);

    if (p->depth >= DEPTH_MAX || p->lines >= LINES_MAX) {
        put(p, "{...}");
        return;
    }
    if (!n) {
        put(p, t->size ? "<incomplete>" : "{}");
        return;
    }
    put(p, "{");
    end_line(p);
    p->depth++;
    for (unsigned i = 0; i < n && p->lines <= LINES_MAX; i++) {
        begin_line(p);
        if (f[i].name)
            put(p, "%s = ", f[i].name);
        put_place(p, f[i].type, addr + f[i].offset, f[i].bit_offset, f[i].bit_size);
        if (i + 1 < n)
            put(p, ",");
        end_line(p);
    }
    p->depth--;
    begin_line(p);
    put(p, "}");
}

/* How many of the elements from the first on are the same bytes. */
static uint64_t equal_elements(struct printer *p, uint64_t addr, uint64_t size, uint64_t n)
{
    uint8_t first[64], other[64];
    uint64_t same = 1;

    if (!size || size > sizeof(first) || !guest_get(p, addr, first, size))
        return 1;
    while (same < n && same < 1u << 16 && guest_get(p, addr + same * size, other, size) &&
           memcmp(first, other, size) == 0)
        same++;
    return same;
}

static void put_char_array(struct printer *p, uint64_t addr, uint64_t count)
{
    char text[STRING_MAX];
    size_t want = count < sizeof(text) ? count : sizeof(text);
    size_t got = p->s->guest.read(p->cpu, p->physical, addr, text, want), n = got;

    if (!got && want) {
        put(p, "<cannot be read>");
        return;
    }
    /* Zeros at the end are none of the text's; those within are shown. */
    if (p->format == 's')
        n = strnlen(text, got);
    while (n && !text[n - 1])
        n--;
    if (strnlen(text, n) < n)
        n = strnlen(text, n); /* what is behind it is left over */
    put_characters(p, text, n, n == sizeof(text) && count > n);
}

static void put_array(struct printer *p, const struct ctype *t, uint64_t addr)
{
    const struct ctype *of = ctype_target(t);
    uint64_t shown = 0, same;

    if (of->kind == CTYPE_CHAR && of->size == 1 && (!p->format || p->format == 's') && t->count) {
        put_char_array(p, addr, t->count);
        return;
    }
    if (p->depth >= DEPTH_MAX || p->lines >= LINES_MAX) {
        put(p, "{...}");
        return;
    }
    put(p, "{");
    p->depth++;
    for (uint64_t i = 0; i < t->count; i += same) {
        if (shown++ == ELEMENTS_MAX || p->lines > LINES_MAX) {
            put(p, "...");
            break;
        }
        same = equal_elements(p, addr + i * of->size, of->size, t->count - i);
        if (same < REPEATS)
            same = 1;
        put_place(p, of, addr + i * of->size, 0, 0);
        if (same > 1)
            put(p, " <repeats %" PRIu64 " times>", same);
        if (i + same < t->count)
            put(p, ", ");
        if (p->n > 90 && !ctype_is_record(of)) {
            end_line(p);
            begin_line(p);
        }
    }
    p->depth--;
    put(p, "}");
}

static void put_place(struct printer *p, const struct ctype *t, uint64_t addr, unsigned bit_offset,
                      unsigned bits)
{
    char text[300], type[160];

    switch (t->kind) {
    case CTYPE_STRUCT:
    case CTYPE_UNION:
        put_record(p, t, addr);
        break;
    case CTYPE_ARRAY:
        put_array(p, t, addr);
        break;
    case CTYPE_FUNCTION:
        ctype_text(t, type, sizeof(type));
        symbol_text(p->s, addr, text, sizeof(text));
        put(p, "{%s} 0x%" PRIx64 " <%s>", type, addr, text);
        break;
    case CTYPE_VOID:
        put(p, "void");
        break;
    default:
        put_scalar(p, t, addr, bit_offset, bits);
    }
}

bool expr_print(const struct expr *e, struct debugger *d, struct cpu *cpu, char format,
                void (*line)(void *opaque, const char *text), void *opaque, struct error *err)
{
    struct printer p = {.s = e->s,
                        .cpu = cpu,
                        .format = format,
                        .physical = e->what.physical,
                        .line = line,
                        .opaque = opaque};
    uint64_t v;
    const struct operand *o = &e->what;

    (void)d;
    if (e->removals != e->s->removals)
        return error_set(err, "its types are gone with their file; it must be typed again");
    if (format && !strchr("xzduotacfs", format))
        return error_set(err, "/%c: x, z, d, u, o, t, a, c, f or s is expected", format);
    if (o->lvalue && (ctype_is_record(o->type) || o->type->kind == CTYPE_ARRAY ||
                      o->type->kind == CTYPE_FUNCTION || o->type->kind == CTYPE_VOID)) {
        if (!expr_run(e, &e->place, cpu, &v, err))
            return false;
        put_place(&p, o->type, v, 0, 0);
    } else {
        if (!expr_run(e, &e->code, cpu, &v, err))
            return false;
        if (format == 'f' && !e->is_real && e->value_type->size == 8)
            put_value(&p, &ctype_double, v);
        else
            put_value(&p, e->value_type, v);
    }
    end_line(&p);
    return true;
}
