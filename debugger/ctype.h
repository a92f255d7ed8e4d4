/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_CTYPE_H
#define CALQUE_DEBUGGER_CTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types of C as expressions see them: those of DWARF, made when they are asked for, and those that
 * every expression knows (int, unsigned char, ...). Typedefs and qualifiers are taken off. */

enum ctype_kind {
    CTYPE_VOID,
    CTYPE_INT, /* also _Bool, by name */
    CTYPE_CHAR,
    CTYPE_BOOL,
    CTYPE_FLOAT,
    CTYPE_POINTER,
    CTYPE_ARRAY,
    CTYPE_STRUCT,
    CTYPE_UNION,
    CTYPE_ENUM,
    CTYPE_FUNCTION,
};

struct ctype {
    enum ctype_kind kind;
    const char *name; /* NULL: anonymous, or made of others */
    uint64_t size;
    bool sign;
    bool physical;              /* CTYPE_POINTER: into physical memory */
    const struct ctype *target; /* of a pointer, an array, a function; see ctype_target() */
    uint64_t count;             /* of an array; 0: unknown */
    const void *die;            /* DWARF's; NULL: of our own */
    struct dwarf_file *file;
    void *parts; /* fields or enumerators, once asked for */
    unsigned nparts;
};

struct cfield {
    const char *name; /* NULL: its members are the struct's */
    const struct ctype *type;
    uint64_t offset;
    uint8_t bit_offset, bit_size; /* bit_size 0: no bit-field; from the lowest bit at offset */
};

struct cenumerator {
    const char *name;
    int64_t value;
};

/* "int", "unsigned long", "u8" ...; word: size of a pointer, of which long is. NULL: unknown. */
const struct ctype *ctype_basic(const char *name, unsigned word);
/* By size and sign; sizes 1, 2, 4, 8. */
const struct ctype *ctype_integer(unsigned size, bool sign);
extern const struct ctype ctype_void, ctype_char, ctype_double, ctype_float, ctype_long_double;

/* What it points to, consists of, or returns; never NULL. */
const struct ctype *ctype_target(const struct ctype *t);
const struct cfield *ctype_fields(const struct ctype *t, unsigned *n);
const struct cenumerator *ctype_enumerators(const struct ctype *t, unsigned *n);
/* A member by name, also of unnamed structs in it; offset is from t's beginning. */
bool ctype_member(const struct ctype *t, const char *name, struct cfield *out);
/* "struct foo *", "char [16]". */
void ctype_text(const struct ctype *t, char *buf, size_t size);
static inline bool ctype_is_integer(const struct ctype *t)
{
    return t->kind == CTYPE_INT || t->kind == CTYPE_CHAR || t->kind == CTYPE_BOOL ||
           t->kind == CTYPE_ENUM;
}
static inline bool ctype_is_record(const struct ctype *t)
{
    return t->kind == CTYPE_STRUCT || t->kind == CTYPE_UNION;
}

/* ---- types that are made along the way; they live as long as the pool ---- */

struct ctype_pool {
    struct ctype_made *made;
    unsigned n;
};
const struct ctype *ctype_pointer(struct ctype_pool *p, const struct ctype *to, unsigned word);
const struct ctype *ctype_array(struct ctype_pool *p, const struct ctype *of, uint64_t count);
void ctype_pool_free(struct ctype_pool *p);

#endif
