/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/ctype.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/dwarf.h"

/* ---- types that are always there ---- */

const struct ctype ctype_void = {.kind = CTYPE_VOID, .name = "void", .size = 1};
const struct ctype ctype_char = {.kind = CTYPE_CHAR, .name = "char", .size = 1, .sign = true};
const struct ctype ctype_float = {.kind = CTYPE_FLOAT, .name = "float", .size = 4, .sign = true};
const struct ctype ctype_double = {.kind = CTYPE_FLOAT, .name = "double", .size = 8, .sign = true};
const struct ctype ctype_long_double = {
    .kind = CTYPE_FLOAT, .name = "long double", .size = 10, .sign = true};

static const struct ctype bool_type = {.kind = CTYPE_BOOL, .name = "_Bool", .size = 1};
static const struct ctype integers[] = {
    {.kind = CTYPE_CHAR, .name = "unsigned char", .size = 1},
    {.kind = CTYPE_CHAR, .name = "signed char", .size = 1, .sign = true},
    {.kind = CTYPE_INT, .name = "unsigned short", .size = 2},
    {.kind = CTYPE_INT, .name = "short", .size = 2, .sign = true},
    {.kind = CTYPE_INT, .name = "unsigned int", .size = 4},
    {.kind = CTYPE_INT, .name = "int", .size = 4, .sign = true},
    {.kind = CTYPE_INT, .name = "unsigned long", .size = 8},
    {.kind = CTYPE_INT, .name = "long", .size = 8, .sign = true},
};

const struct ctype *ctype_integer(unsigned size, bool sign)
{
    unsigned row = size == 1 ? 0 : size == 2 ? 2 : size == 4 ? 4 : 6;

    return &integers[row + sign];
}

/* Names of fixed sizes; long is as wide as a pointer. */
static const struct {
    const char *name;
    unsigned size;
    bool sign;
} names[] = {
    {"u8", 1, false},      {"u16", 2, false},      {"u32", 4, false},       {"u64", 8, false},
    {"s8", 1, true},       {"s16", 2, true},       {"s32", 4, true},        {"s64", 8, true},
    {"uint8_t", 1, false}, {"uint16_t", 2, false}, {"uint32_t", 4, false},  {"uint64_t", 8, false},
    {"int8_t", 1, true},   {"int16_t", 2, true},   {"int32_t", 4, true},    {"int64_t", 8, true},
    {"size_t", 0, false},  {"ssize_t", 0, true},   {"uintptr_t", 0, false}, {"intptr_t", 0, true},
};

const struct ctype *ctype_basic(const char *name, unsigned word)
{
    if (strcmp(name, "void") == 0)
        return &ctype_void;
    if (strcmp(name, "_Bool") == 0 || strcmp(name, "bool") == 0)
        return &bool_type;
    for (unsigned n = 0; n < sizeof(names) / sizeof(names[0]); n++)
        if (strcmp(name, names[n].name) == 0)
            return ctype_integer(names[n].size ? names[n].size : word, names[n].sign);
    return NULL;
}

/* ---- what they consist of ---- */

const struct ctype *ctype_target(const struct ctype *t)
{
    const struct ctype *target = t->target;

    if (!target && t->die)
        target = dwarf_type_target(t);
    return target ? target : &ctype_void;
}

static void need_parts(const struct ctype *t)
{
    /* Types of DWARF belong to its file and are filled in as they are asked about. */
    if (t->die && !t->parts)
        dwarf_type_parts((struct ctype *)t);
}

const struct cfield *ctype_fields(const struct ctype *t, unsigned *n)
{
    *n = 0;
    if (!ctype_is_record(t))
        return NULL;
    need_parts(t);
    *n = t->nparts;
    return t->parts;
}

const struct cenumerator *ctype_enumerators(const struct ctype *t, unsigned *n)
{
    *n = 0;
    if (t->kind != CTYPE_ENUM)
        return NULL;
    need_parts(t);
    *n = t->nparts;
    return t->parts;
}

static bool member(const struct ctype *t, const char *name, unsigned depth, struct cfield *out)
{
    unsigned n;
    const struct cfield *fields = ctype_fields(t, &n);

    for (unsigned i = 0; i < n; i++)
        if (fields[i].name && strcmp(fields[i].name, name) == 0) {
            *out = fields[i];
            return true;
        }
    for (unsigned i = 0; depth && i < n; i++)
        if (!fields[i].name && member(fields[i].type, name, depth - 1, out)) {
            out->offset += fields[i].offset;
            return true;
        }
    return false;
}

bool ctype_member(const struct ctype *t, const char *name, struct cfield *out)
{
    return member(t, name, 8, out);
}

/* ---- as text ---- */

void ctype_text(const struct ctype *t, char *buf, size_t size)
{
    char inner[256], tail[160] = "";
    const char *what = t->kind == CTYPE_STRUCT  ? "struct "
                       : t->kind == CTYPE_UNION ? "union "
                       : t->kind == CTYPE_ENUM  ? "enum "
                                                : "";

    for (unsigned depth = 0; t->kind == CTYPE_ARRAY && depth < 8; depth++) {
        size_t used = strlen(tail);

        snprintf(tail + used, sizeof(tail) - used, t->count ? "[%" PRIu64 "]" : "[]", t->count);
        t = ctype_target(t);
    }
    if (*tail) {
        ctype_text(t, inner, sizeof(inner));
        snprintf(buf, size, "%s %s", inner, tail);
    } else if (t->kind == CTYPE_POINTER || t->kind == CTYPE_FUNCTION) {
        const struct ctype *of = ctype_target(t);
        bool to_function = t->kind == CTYPE_POINTER && of->kind == CTYPE_FUNCTION;

        if (to_function)
            of = ctype_target(of);
        /* The room halves at each step: types of DWARF may go in circles. */
        inner[0] = 0;
        if (size > 2)
            ctype_text(of, inner, size / 2 < sizeof(inner) ? size / 2 : sizeof(inner));
        if (to_function)
            snprintf(buf, size, "%s (*)()", inner);
        else if (t->kind == CTYPE_FUNCTION)
            snprintf(buf, size, "%s ()", inner);
        else
            snprintf(buf, size, "%s%s*", inner,
                     inner[0] && inner[strlen(inner) - 1] == '*' ? "" : " ");
    } else {
        snprintf(buf, size, "%s%s", what, t->name ? t->name : "{...}");
    }
}

/* ---- made along the way ---- */

#define MADE_MAX 1000u

struct ctype_made {
    struct ctype type;
    struct ctype_made *next;
};

static const struct ctype *make(struct ctype_pool *p, const struct ctype *t)
{
    struct ctype_made *m = p->n < MADE_MAX ? malloc(sizeof(*m)) : NULL;

    if (!m)
        return &ctype_void;
    m->type = *t;
    m->next = p->made;
    p->made = m;
    p->n++;
    return &m->type;
}

const struct ctype *ctype_pointer(struct ctype_pool *p, const struct ctype *to, unsigned word)
{
    return make(p, &(struct ctype){.kind = CTYPE_POINTER, .size = word, .target = to});
}

const struct ctype *ctype_array(struct ctype_pool *p, const struct ctype *of, uint64_t count)
{
    uint64_t size;

    if (__builtin_mul_overflow(of->size, count, &size))
        size = UINT64_MAX;
    return make(p,
                &(struct ctype){.kind = CTYPE_ARRAY, .size = size, .target = of, .count = count});
}

void ctype_pool_free(struct ctype_pool *p)
{
    for (struct ctype_made *m = p->made, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    *p = (struct ctype_pool){0};
}
