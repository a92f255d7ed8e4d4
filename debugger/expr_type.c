/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/bits.h"
#include "cpu/x86/registers.h"
#include "debugger/expr_internal.h"

/* Names of types, as they are in casts, sizeof and typeof. */

static const struct {
    const char *word;
    uint16_t bit;
} words[] = {
    {"char", 1},      {"short", 2},       {"int", 4},    {"long", 8},     {"signed", 16},
    {"unsigned", 32}, {"__signed__", 16}, {"float", 64}, {"double", 128},
};
#define LONG_LONG 256u

static unsigned word_bit(const char *word)
{
    for (unsigned n = 0; n < ARRAY_SIZE(words); n++)
        if (strcmp(word, words[n].word) == 0)
            return words[n].bit;
    return 0;
}

static bool is_qualifier(const char *word)
{
    return strcmp(word, "const") == 0 || strcmp(word, "volatile") == 0 ||
           strcmp(word, "restrict") == 0;
}

static bool is_typeof(const char *word)
{
    return strcmp(word, "typeof") == 0 || strcmp(word, "__typeof__") == 0;
}

static enum ctype_kind tag_kind(const char *word)
{
    return strcmp(word, "struct") == 0  ? CTYPE_STRUCT
           : strcmp(word, "union") == 0 ? CTYPE_UNION
           : strcmp(word, "enum") == 0  ? CTYPE_ENUM
                                        : CTYPE_VOID;
}

/* In the file of the code that asks, then in the others. */
static const struct ctype *find_type(struct parser *p, enum ctype_kind kind, const char *name)
{
    uint64_t at = 0;
    struct symbol_file *here = symbols_dwarf_at(p->s, p->pc, &at);
    const struct ctype *t = here ? dwarf_type(here->dwarf, at, kind, name) : NULL;

    for (struct symbol_file *f = p->s->files; f && !t; f = f->next)
        if (f->dwarf && f != here)
            t = dwarf_type(f->dwarf, 0, kind, name);
    return t;
}

static const struct ctype *find_typedef(struct parser *p, const char *name)
{
    const struct ctype *t = ctype_basic(name, p->word);

    return t ? t : find_type(p, CTYPE_VOID, name);
}

bool parser_at_type(struct parser *p)
{
    const char *word = p->token.text;
    struct symbol symbol;

    if (p->token.kind != TOKEN_NAME)
        return false;
    if (word_bit(word) || is_qualifier(word) || is_typeof(word) || tag_kind(word) ||
        ctype_basic(word, p->word))
        return true;
    /* Variables hide types, if anything: most names are no types, and asking for one that is not
     * there goes through the whole file. */
    return !symbol_find(p->s, word, &symbol) && !cpu_register_find(word) &&
           find_type(p, CTYPE_VOID, word);
}

static const struct ctype *combined(struct parser *p, unsigned bits)
{
    bool sign = !(bits & 32);

    if (bits & 64)
        return &ctype_float;
    if (bits & 128)
        return bits & 8 ? &ctype_long_double : &ctype_double;
    if (bits & 1)
        return bits & (16 | 32) ? ctype_integer(1, sign) : &ctype_char;
    if (bits & 2)
        return ctype_integer(2, sign);
    if (bits & LONG_LONG)
        return ctype_integer(8, sign);
    return ctype_integer(bits & 8 ? p->word : 4, sign);
}

static const struct ctype *tagged(struct parser *p, enum ctype_kind kind)
{
    static const char *const names[] = {
        [CTYPE_STRUCT] = "struct", [CTYPE_UNION] = "union", [CTYPE_ENUM] = "enum"};
    const struct ctype *t = NULL;

    parser_next(p);
    if (p->token.kind != TOKEN_NAME)
        parser_fail(p, "the name of a type is expected behind %s", names[kind]);
    else if (!(t = find_type(p, kind, p->token.text)))
        parser_fail(p, "no %s %s in any file of symbols", names[kind], p->token.text);
    parser_next(p);
    return t;
}

static const struct ctype *type_of(struct parser *p)
{
    struct code ignored = {0}, *code = p->code;
    const struct ctype *t = NULL;
    struct operand o;

    parser_next(p);
    if (!parser_expect(p, OP1('(')))
        return NULL;
    if (parser_at_type(p)) {
        t = parser_type(p);
    } else {
        p->code = &ignored;
        parser_expression(p, &o);
        p->code = code;
        code_free(&ignored);
        t = o.type;
    }
    parser_expect(p, OP1(')'));
    return t;
}

static const struct ctype *specifiers(struct parser *p)
{
    const struct ctype *t = NULL;
    unsigned bits = 0;

    while (p->token.kind == TOKEN_NAME) {
        const char *word = p->token.text;
        unsigned bit = word_bit(word);

        if (is_qualifier(word)) {
            parser_next(p);
        } else if (bit && !t) {
            bits |= bits & bit & 8 ? LONG_LONG : bit;
            parser_next(p);
        } else if (t || bits) {
            break;
        } else if (is_typeof(word)) {
            t = type_of(p);
        } else if (tag_kind(word)) {
            t = tagged(p, tag_kind(word));
        } else {
            t = find_typedef(p, word);
            if (!t)
                parser_fail(p, "%s is not a type", word);
            parser_next(p);
        }
    }
    if (bits)
        t = combined(p, bits);
    if (!t)
        parser_fail(p, "a type is expected");
    return t ? t : &ctype_void;
}

/* Pointers and arrays of it; of arrays of arrays the last bound is the innermost. */
static const struct ctype *bounds(struct parser *p, const struct ctype *t)
{
    uint64_t n = 0;

    if (p->depth > 60 || !parser_accept(p, OP1('[')))
        return t;
    if (p->token.kind == TOKEN_INTEGER) {
        n = p->token.value;
        parser_next(p);
    }
    parser_expect(p, OP1(']'));
    p->depth++;
    t = bounds(p, t);
    p->depth--;
    return ctype_array(&p->e->pool, t, n);
}

const struct ctype *parser_type(struct parser *p)
{
    const struct ctype *t = specifiers(p);

    while (!p->failed) {
        if (parser_accept(p, OP1('*')))
            t = ctype_pointer(&p->e->pool, t, p->word);
        else if (p->token.kind == TOKEN_NAME && is_qualifier(p->token.text))
            parser_next(p);
        else
            break;
    }
    return bounds(p, t);
}
