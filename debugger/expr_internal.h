/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_EXPR_INTERNAL_H
#define CALQUE_DEBUGGER_EXPR_INTERNAL_H

#include "base/error.h"
#include "debugger/ctype.h"
#include "debugger/dwarf.h"
#include "debugger/expr.h"
#include "debugger/expr_code.h"
#include "debugger/symbols_internal.h"

/* What the files expr*.c share. */

/* What an expression, or a part of one, is. The code leaves its address (lvalue) or its value. */
struct operand {
    const struct ctype *type;
    bool lvalue, physical;          /* physical: the address is one */
    uint8_t bit_offset, bit_size;   /* bit_size 0: no bit-field */
    const struct cpu_register *reg; /* the register that it is, or NULL */
    uint8_t reg_offset, reg_size;   /* of it */
};

struct expr {
    struct symbols *s;
    struct operand what;
    struct code place; /* its address, if it is an lvalue */
    struct code code;  /* its value; of a struct, its address */
    struct ctype_pool pool;
    const struct ctype *value_type; /* of what `code` leaves */
    bool is_real;                   /* the value is a double */
    uint64_t size;                  /* of the place */
    uint64_t removals;              /* when it was parsed */
    bool in_frame;                  /* of the stack: what it had in registers */
    struct frame frame;
};

/* ---- words (expr_lex.c) ---- */

enum token_kind {
    TOKEN_END,
    TOKEN_INTEGER,
    TOKEN_REAL,
    TOKEN_STRING,
    TOKEN_NAME,
    TOKEN_REGISTER, /* $name; text without the $ */
    TOKEN_OPERATOR, /* op: its characters, from the lowest byte */
};

#define TOKEN_TEXT 256

struct token {
    enum token_kind kind;
    uint32_t op;
    uint64_t value;           /* TOKEN_INTEGER; TOKEN_REAL: the double's bits */
    const struct ctype *type; /* of an integer */
    const char *at;           /* where it begins */
    char text[TOKEN_TEXT];
    unsigned len; /* of a string */
};

#define OP1(a)       ((uint32_t)(a))
#define OP2(a, b)    ((uint32_t)(a) | (uint32_t)(b) << 8)
#define OP3(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)

/* The word at *at, which moves behind it. */
bool token_next(const char **at, struct token *t, struct error *err);

/* ---- parsing (expr_parse.c, expr_type.c, expr_names.c) ---- */

struct parser {
    struct symbols *s;
    struct cpu *cpu;
    unsigned cpu_index;
    uint64_t pc;
    unsigned word; /* size of pointers */
    const char *text, *at;
    struct token token;
    struct expr *e;
    struct code *code;
    unsigned depth;   /* of nesting */
    unsigned choices; /* ?: around, where a colon is theirs */
    struct error *err;
    bool failed;
};

/* Notes the first error, with its place; false. */
__attribute__((format(printf, 2, 3))) bool parser_fail(struct parser *p, const char *fmt, ...);
void parser_next(struct parser *p);
bool parser_is(const struct parser *p, uint32_t op);
bool parser_accept(struct parser *p, uint32_t op);
bool parser_expect(struct parser *p, uint32_t op);
/* An expression without commas; a unary one. */
void parser_expression(struct parser *p, struct operand *o);
void parser_unary(struct parser *p, struct operand *o);
/* The value instead of the place: arrays become pointers. */
void parser_value(struct parser *p, struct operand *o);
void parser_convert(struct parser *p, struct operand *o, const struct ctype *to);

/* A type's name begins here. */
bool parser_at_type(struct parser *p);
const struct ctype *parser_type(struct parser *p);

/* The name at hand as a variable, function, constant or register. */
void parser_name(struct parser *p, struct operand *o);
void parser_register(struct parser *p, struct operand *o);

bool expr_parse_text(struct parser *p, struct expr *e);
void operand_value(struct operand *o, const struct ctype *type);
struct expr *expr_parse_view(struct symbols *s, unsigned cpu, uint64_t pc, const char *text,
                             struct error *err);
/* Runs code of the expression e where that is at home. */
bool expr_run(const struct expr *e, const struct code *c, struct cpu *cpu, uint64_t *value,
              struct error *err);
/* expr_address() without a struct debugger. */
bool expr_address_view(struct symbols *s, unsigned cpu, const char *text, uint64_t *lin,
                       struct error *err);

#endif
