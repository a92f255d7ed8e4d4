/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "debugger/dwarf.h"

#if CONFIG_DW

#include <dwarf.h>
#include <string.h>

#include "base/error.h"
#include "debugger/dwarf_internal.h"

/* Names as the code at an address sees them. */

#define DEPTH_MAX 32u

/* The unit's blocks around pc, outermost first: functions, calls inlined in them, blocks. */
static unsigned blocks_at(Dwarf_Die *unit, Dwarf_Addr pc, Dwarf_Die blocks[DEPTH_MAX])
{
    Dwarf_Die at = *unit, child;
    unsigned n = 0;

    while (n < DEPTH_MAX && dwarf_child(&at, &child) == 0) {
        bool found;

        do {
            int tag = dwarf_tag(&child);

            found = (tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block ||
                     tag == DW_TAG_inlined_subroutine) &&
                    dwarf_haspc(&child, pc) == 1;
        } while (!found && dwarf_siblingof(&child, &child) == 0);
        if (!found)
            break;
        blocks[n++] = at = child;
    }
    return n;
}

static bool in_block(Dwarf_Die *block, const char *name, Dwarf_Die *die)
{
    if (dwarf_child(block, die) != 0)
        return false;
    do {
        int tag = dwarf_tag(die);
        const char *n = dwarf_diename(die);

        if ((tag == DW_TAG_variable || tag == DW_TAG_formal_parameter) && n && strcmp(n, name) == 0)
            return true;
    } while (dwarf_siblingof(die, die) == 0);
    return false;
}

/* A constant instead of a place; enumerators too. */
static bool constant(struct dwarf_file *f, Dwarf_Die *die, struct code *code,
                     struct dwarf_object *out)
{
    Dwarf_Attribute a;
    Dwarf_Sword v;

    if (!dwarf_attr_integrate(die, DW_AT_const_value, &a) || dwarf_formsdata(&a, &v) != 0)
        return false;
    *out = (struct dwarf_object){.kind = DWARF_CONSTANT, .reg = -1, .has_code = true};
    if (dwarf_tag(die) == DW_TAG_enumerator)
        out->type = ctype_integer(v == (int32_t)v ? 4 : 8, true);
    else
        out->type = dwarf_type_of(f, die);
    code_const(code, (uint64_t)v);
    return true;
}

/* The code fails where the location is another one. */
static bool at_location(struct dwarf_file *f, Dwarf_Die *die, struct dwarf_scope *scope,
                        struct code *code, struct dwarf_object *out, struct error *err)
{
    unsigned check = code->n;
    Dwarf_Attribute a;

    code_add(code, CODE_NOTHING);
    if (!dwarf_attr_integrate(die, DW_AT_location, &a))
        return error_set(err, "optimized out");
    if (!dwarf_location(f, &a, scope, code, out, err))
        return false;
    out->type = dwarf_type_of(f, die);
    if (check < code->n && (scope->start || scope->end != UINT64_MAX))
        code->insns[check] = (struct code_insn){.op = CODE_IN_SCOPE,
                                                .imm = scope->start + scope->slide,
                                                .imm2 = scope->end + scope->slide};
    return true;
}

enum dwarf_found dwarf_local(struct dwarf_file *f, uint64_t addr, const char *name, uint64_t slide,
                             struct code *code, struct dwarf_object *out, struct error *err)
{
    Dwarf_Die unit, blocks[DEPTH_MAX], die;
    unsigned n;
    struct dwarf_scope scope = {.pc = addr, .slide = slide, .end = UINT64_MAX};

    if (!dwarf_unit_at(f, addr, &unit))
        return DWARF_NOT_FOUND;
    n = blocks_at(&unit, addr - f->bias, blocks);
    for (unsigned k = n; k--;)
        if (dwarf_tag(&blocks[k]) == DW_TAG_subprogram) {
            scope.function = &blocks[k];
            break;
        }
    for (unsigned k = n; k--;) {
        if (!in_block(&blocks[k], name, &die))
            continue;
        if (constant(f, &die, code, out) || at_location(f, &die, &scope, code, out, err))
            return DWARF_FOUND;
        error_prefix(err, "%s", name);
        return DWARF_REFUSED;
    }
    return DWARF_NOT_FOUND;
}

enum dwarf_found dwarf_global(struct dwarf_file *f, uint64_t addr, const char *name,
                              struct code *code, struct dwarf_object *out, struct error *err)
{
    Dwarf_Die die;

    (void)err;
    if (!dwarf_of(f) || !dwarf_name_find(f, addr, DWARF_OBJECT, 0, name, &die))
        return DWARF_NOT_FOUND;
    if (dwarf_tag(&die) != DW_TAG_subprogram && constant(f, &die, code, out))
        return DWARF_FOUND;
    /* Its symbol says where it is: relocated and slid already. */
    *out = (struct dwarf_object){.kind = DWARF_MEMORY, .reg = -1};
    if (dwarf_tag(&die) == DW_TAG_subprogram) {
        out->kind = DWARF_FUNCTION;
        out->type = dwarf_make_type(f, &die);
    } else {
        out->type = dwarf_type_of(f, &die);
    }
    return DWARF_FOUND;
}

void dwarf_locals(struct dwarf_file *f, uint64_t addr,
                  void (*fn)(void *opaque, const char *name, bool parameter), void *opaque)
{
    Dwarf_Die unit, blocks[DEPTH_MAX], die;
    unsigned n;

    if (!dwarf_unit_at(f, addr, &unit))
        return;
    n = blocks_at(&unit, addr - f->bias, blocks);
    for (unsigned k = n; k--;) {
        if (dwarf_child(&blocks[k], &die) == 0)
            do {
                int tag = dwarf_tag(&die);
                const char *name = dwarf_diename(&die);

                if ((tag == DW_TAG_variable || tag == DW_TAG_formal_parameter) && name)
                    fn(opaque, name, tag == DW_TAG_formal_parameter);
            } while (dwarf_siblingof(&die, &die) == 0);
        if (dwarf_tag(&blocks[k]) != DW_TAG_lexical_block)
            break; /* what calls it is another frame */
    }
}

#else

enum dwarf_found dwarf_local(struct dwarf_file *f, uint64_t addr, const char *name, uint64_t slide,
                             struct code *code, struct dwarf_object *out, struct error *err)
{
    (void)f, (void)addr, (void)name, (void)slide, (void)code, (void)out, (void)err;
    return DWARF_NOT_FOUND;
}

enum dwarf_found dwarf_global(struct dwarf_file *f, uint64_t addr, const char *name,
                              struct code *code, struct dwarf_object *out, struct error *err)
{
    (void)f, (void)addr, (void)name, (void)code, (void)out, (void)err;
    return DWARF_NOT_FOUND;
}

void dwarf_locals(struct dwarf_file *f, uint64_t addr,
                  void (*fn)(void *opaque, const char *name, bool parameter), void *opaque)
{
    (void)f, (void)addr, (void)fn, (void)opaque;
}

#endif
