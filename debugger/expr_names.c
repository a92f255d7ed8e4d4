/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <strings.h>

#include "base/bits.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/registers.h"
#include "debugger/expr_internal.h"

/* What names in expressions stand for: locals, then globals, registers, constants. */

static const char *const segments[] = {"es", "cs", "ss", "ds", "fs", "gs"};

/* ---- registers ---- */

static const struct {
    char name[3];
    uint8_t size;
    bool real;
} parts[] = {{"b", 1, false}, {"w", 2, false}, {"d", 4, false},
             {"q", 8, false}, {"ps", 4, true}, {"pd", 8, true}};

/* $xmm0.d[1]: a part of a register that is more than a number. */
static void register_part(struct parser *p, struct operand *o, const struct cpu_register *r)
{
    unsigned n = 0;
    uint64_t index = 0;
    struct code_insn *i;

    if (!parser_accept(p, OP1('.')) || p->token.kind != TOKEN_NAME) {
        parser_fail(p, "$%s has %u bytes: .b, .w, .d, .q, .ps or .pd and [N] are expected", r->name,
                    r->size);
        return;
    }
    while (n < ARRAY_SIZE(parts) && strcmp(parts[n].name, p->token.text) != 0)
        n++;
    if (n == ARRAY_SIZE(parts)) {
        parser_fail(p, ".b, .w, .d, .q, .ps or .pd is expected");
        return;
    }
    parser_next(p);
    if (parser_accept(p, OP1('['))) {
        index = p->token.value;
        if (p->token.kind != TOKEN_INTEGER || index >= r->size / parts[n].size) {
            parser_fail(p, "0 to %u is expected", r->size / parts[n].size - 1);
            return;
        }
        parser_next(p);
        parser_expect(p, OP1(']'));
    }
    i = code_add(p->code, CODE_CPU_REG);
    i->imm = (uintptr_t)r;
    i->imm2 = index * parts[n].size;
    i->size = parts[n].size;
    i->real = parts[n].real;
    operand_value(o, !parts[n].real       ? ctype_integer(parts[n].size, false)
                     : parts[n].size == 4 ? &ctype_float
                                          : &ctype_double);
    o->reg = r;
    o->reg_offset = (uint8_t)i->imm2;
    o->reg_size = i->size;
}

/* Those that are addresses are pointers: to code, to anything. */
static const struct ctype *register_type(struct parser *p, const struct cpu_register *r)
{
    static const struct ctype function = {.kind = CTYPE_FUNCTION, .size = 1};
    const char *name = r->name;

    if (r->size == 10)
        return &ctype_long_double;
    if (strcmp(name, "rip") == 0 || strcmp(name, "pc") == 0)
        return ctype_pointer(&p->e->pool, &function, r->size);
    if (strcmp(name, "rsp") == 0 || strcmp(name, "rbp") == 0)
        return ctype_pointer(&p->e->pool, &ctype_void, r->size);
    return ctype_integer(r->size,
                         r->group == REGS_GENERAL && !strstr(name, "flags") && r->size >= 4);
}

/* Its number in a frame's registers, or -1: it is the CPU's. RIP is linear there. */
static int frame_register(const struct parser *p, const struct cpu_register *r)
{
    bool pc = p->e->in_frame && (strcmp(r->name, "pc") == 0 || strcmp(r->name, "rip") == 0);

    return pc ? R_RIP : cpu_register_general(r);
}

static void push_register(struct parser *p, struct operand *o, const struct cpu_register *r)
{
    int general = frame_register(p, r);
    struct code_insn *i;

    if (r->size > 8 && r->size != 10) {
        register_part(p, o, r);
        return;
    }
    i = code_add(p->code, general < 0 ? CODE_CPU_REG : CODE_REG);
    i->imm = general < 0 ? (uintptr_t)r : (unsigned)general;
    i->size = r->size;
    operand_value(o, register_type(p, r));
    i->real = o->type->kind == CTYPE_FLOAT;
    i->sign = o->type->sign;
    o->reg = r;
    o->reg_size = r->size;
}

static int segment_of(const char *name)
{
    for (unsigned n = 0; n < ARRAY_SIZE(segments); n++)
        if (strcasecmp(name, segments[n]) == 0)
            return (int)n;
    return -1;
}

/* ds:si, as the CPU sees it now. */
static bool segment_prefix(struct parser *p, struct operand *o, const char *name)
{
    int segment = segment_of(name);
    struct operand off;

    if (segment < 0 || p->choices || !parser_accept(p, OP1(':')))
        return false;
    code_add(p->code, CODE_SEGMENT)->imm = (unsigned)segment;
    parser_unary(p, &off);
    parser_convert(p, &off, ctype_integer(p->word, false));
    code_add(p->code, CODE_ADD)->size = (uint8_t)p->word;
    operand_value(o, ctype_integer(p->word, false));
    return true;
}

/* $percpu(place[, cpu]): the same variable of a processor; without one, of the CPU that asks. */
static void percpu(struct parser *p, struct operand *o)
{
    struct operand cpu;
    uint64_t offsets;
    struct code_insn *i;

    parser_next(p);
    parser_expect(p, OP1('('));
    parser_expression(p, o);
    if (!p->failed && o->type->kind == CTYPE_POINTER && !o->lvalue)
        parser_fail(p, "a variable is expected; *pointer for what a per-CPU pointer points to");
    else if (!p->failed && !o->lvalue)
        parser_fail(p, "a variable is expected");
    if (!linux_percpu_offset(p->s, 0, &offsets)) {
        parser_fail(p, "no __per_cpu_offset: the kernel's symbols are not known");
        return;
    }
    if (parser_accept(p, OP1(','))) {
        parser_expression(p, &cpu);
        parser_convert(p, &cpu, ctype_integer(4, false));
    } else {
        code_add(p->code, CODE_INDEX);
    }
    parser_expect(p, OP1(')'));
    code_const(p->code, p->word);
    code_add(p->code, CODE_MUL);
    code_const(p->code, offsets);
    code_add(p->code, CODE_ADD);
    i = code_add(p->code, CODE_LOAD);
    i->size = (uint8_t)p->word;
    code_add(p->code, CODE_ADD)->size = (uint8_t)p->word;
}

void parser_register(struct parser *p, struct operand *o)
{
    char name[TOKEN_TEXT];
    const struct cpu_register *r;

    memcpy(name, p->token.text, sizeof(name));
    if (strcmp(name, "percpu") == 0) {
        percpu(p, o);
        return;
    }
    r = cpu_register_find(name);
    if (!r) {
        parser_fail(p, "no register $%s", name);
        return;
    }
    parser_next(p);
    if (!segment_prefix(p, o, name))
        push_register(p, o, r);
}

/* ---- variables ---- */

static void found(struct parser *p, struct operand *o, const struct dwarf_object *what)
{
    bool function = what->kind == DWARF_FUNCTION;

    operand_value(o, what->type);
    o->lvalue = what->kind == DWARF_MEMORY || function;
    if (!o->lvalue && (ctype_is_record(o->type) || o->type->kind == CTYPE_ARRAY))
        parser_fail(p, "it is in a register, or in several");
    else if (!o->lvalue && o->type->size < 8 && o->type->kind != CTYPE_FLOAT) {
        struct code_insn *i = code_add(p->code, CODE_CONVERT);

        i->size = (uint8_t)(o->type->size ? o->type->size : 1);
        i->sign = o->type->sign;
    }
}

static bool local(struct parser *p, struct operand *o)
{
    uint64_t at;
    struct symbol_file *f = symbols_dwarf_at(p->s, p->pc, &at);
    struct dwarf_object what;
    struct error err = {""};

    if (!f)
        return false;
    switch (dwarf_local(f->dwarf, at, p->token.text, f->slide, p->code, &what, &err)) {
    case DWARF_FOUND:
        found(p, o, &what);
        return true;
    case DWARF_REFUSED:
        parser_fail(p, "%s", err.text);
        return true;
    default:
        return false;
    }
}

static bool global_in(struct parser *p, struct operand *o, struct symbol_file *f, uint64_t at,
                      const char *name, const struct symbol *symbol)
{
    struct dwarf_object what;
    struct error err = {""};

    if (dwarf_global(f->dwarf, at, name, p->code, &what, &err) != DWARF_FOUND ||
        (!what.has_code && !symbol))
        return false;
    if (!what.has_code) {
        const struct symbol_entry *e = symbol_table_find(&f->table, name);

        /* Of several of that name, the file's own. */
        if (e)
            code_const(p->code, e->start + (e->flags & SYMBOL_ABSOLUTE ? 0 : f->slide));
        else
            code_const(p->code, symbol->start);
    }
    found(p, o, &what);
    return true;
}

static bool global(struct parser *p, struct operand *o, const char *name,
                   const struct symbol *symbol)
{
    uint64_t at = 0;
    struct symbol_file *here = symbols_dwarf_at(p->s, p->pc, &at);

    if (here && global_in(p, o, here, at, name, symbol))
        return true;
    for (struct symbol_file *f = p->s->files; f; f = f->next)
        if (f->dwarf && f != here && (!symbol || symbol_table_find(&f->table, name)) &&
            global_in(p, o, f, 0, name, symbol))
            return true;
    return false;
}

/* A symbol without a type: code, a number if it is as large as one, else bytes. */
static void untyped(struct parser *p, struct operand *o, const struct symbol *symbol)
{
    static const struct ctype function = {.kind = CTYPE_FUNCTION, .size = 1};
    uint64_t size = symbol->size;
    const struct symbol_file *f = p->s->files;

    /* In tables without sizes they are what is between symbols. */
    while (f && f->name != symbol->module)
        f = f->next;
    if (f && f->source != SYMBOLS_ELF && f->source != SYMBOLS_MODULE)
        size = 0;
    code_const(p->code, symbol->start);
    if (symbol->function)
        operand_value(o, &function);
    else if (size == 1 || size == 2 || size == 4 || size == 8)
        operand_value(o, ctype_integer((unsigned)size, false));
    else if (size && size < 1 << 20)
        operand_value(o, ctype_array(&p->e->pool, ctype_integer(1, false), size));
    else
        operand_value(o, ctype_integer(p->word, false));
    o->lvalue = true;
}

/* phys:address: what it points to is in physical memory. */
static bool physical(struct parser *p, struct operand *o)
{
    if (strcmp(p->token.text, "phys") != 0 || *p->at != ':')
        return false;
    parser_next(p);
    parser_next(p);
    parser_unary(p, o);
    parser_value(p, o);
    if (ctype_is_integer(o->type))
        operand_value(o, ctype_pointer(&p->e->pool, ctype_integer(p->word, false), p->word));
    else if (o->type->kind != CTYPE_POINTER)
        parser_fail(p, "an address is expected behind phys:");
    o->physical = true;
    return true;
}

/* p*address: a word of physical memory, unless there is a variable p. */
static bool physical_star(struct parser *p, struct operand *o)
{
    if (strcmp(p->token.text, "p") != 0 || *p->at != '*')
        return false;
    parser_next(p);
    parser_next(p);
    parser_unary(p, o);
    parser_value(p, o);
    if (o->type->kind != CTYPE_POINTER)
        operand_value(o, ctype_integer(p->word, false));
    else if (ctype_target(o->type)->kind != CTYPE_VOID)
        operand_value(o, ctype_target(o->type));
    else
        operand_value(o, ctype_integer(p->word, false));
    o->lvalue = o->physical = true;
    return true;
}

void parser_name(struct parser *p, struct operand *o)
{
    char name[TOKEN_TEXT];
    const char *tick;
    const struct cpu_register *r;
    struct symbol symbol;
    bool known;

    memcpy(name, p->token.text, sizeof(name));
    tick = strchr(name, '`');
    r = cpu_register_find(name);
    if (physical(p, o))
        return;
    if (segment_of(name) >= 0 && *p->at == ':') {
        parser_next(p);
        if (!segment_prefix(p, o, name))
            push_register(p, o, r);
        return;
    }
    if (!local(p, o)) {
        known = symbol_find(p->s, name, &symbol);
        if (!known && physical_star(p, o))
            return;
        if (known && !tick && global(p, o, name, &symbol)) {
            parser_next(p);
            return;
        }
        if (known)
            untyped(p, o, &symbol);
        else if (r) {
            parser_next(p);
            push_register(p, o, r);
            return;
        } else if (!global(p, o, name, NULL)) {
            parser_fail(p, "no symbol %s", name);
            return;
        }
    }
    parser_next(p);
}
