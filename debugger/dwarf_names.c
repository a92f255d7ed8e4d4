/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "debugger/dwarf.h"

#if CONFIG_DW

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/dwarf_internal.h"

/* Names of a file's units: of each the first definition. A kernel has thousands of units, so they
 * are taken in only until the name that is looked for has come; the unit that asks goes first. */

#define NAMES_MAX (8u << 20)

struct dwarf_name {
    const char *name; /* NULL: empty */
    Dwarf_Off offset; /* of the DIE, in .debug_info */
    uint8_t class;
    int tag;
};

static uint64_t hash(const char *name, unsigned class)
{
    uint64_t h = 0xcbf29ce484222325ull ^ class;

    while (*name)
        h = (h ^ (uint8_t)*name++) * 0x100000001b3ull;
    return h ^ h >> 29;
}

/* Of tags the kind belongs to the name; of the others, it does not. */
static struct dwarf_name *slot(struct dwarf_file *f, const char *name, unsigned class, int tag)
{
    size_t mask = f->names_room - 1, n = hash(name, class) & mask;

    for (;; n = (n + 1) & mask) {
        struct dwarf_name *s = &f->names[n];

        if (!s->name || (s->class == class && (class != DWARF_TAG || s->tag == tag) &&
                         strcmp(s->name, name) == 0))
            return s;
    }
}

static bool grow(struct dwarf_file *f)
{
    struct dwarf_name *old = f->names;
    size_t room = f->names_room;

    if (f->nnames >= NAMES_MAX)
        return false;
    if (old && 2 * f->nnames < room)
        return true;
    f->names = calloc(room ? 2 * room : 4096, sizeof(*old));
    if (!f->names) {
        f->names = old;
        return false;
    }
    f->names_room = room ? 2 * room : 4096;
    for (size_t n = 0; old && n < room; n++)
        if (old[n].name)
            *slot(f, old[n].name, old[n].class, old[n].tag) = old[n];
    free(old);
    return true;
}

void dwarf_names_free(struct dwarf_file *f)
{
    free(f->names);
}

/* False: it was there already. */
static bool take(struct dwarf_file *f, Dwarf_Die *die, unsigned class, int tag)
{
    const char *name = dwarf_diename(die);
    struct dwarf_name *s;

    if (!name || !grow(f))
        return true;
    s = slot(f, name, class, tag);
    if (s->name)
        return false;
    *s = (struct dwarf_name){name, dwarf_dieoffset(die), (uint8_t) class, tag};
    f->nnames++;
    return true;
}

static bool has_flag(Dwarf_Die *die, unsigned name)
{
    Dwarf_Attribute a;
    bool flag;

    return dwarf_attr(die, name, &a) && dwarf_formflag(&a, &flag) == 0 && flag;
}

static void each_enumerator(Dwarf_Die *die, bool (*fn)(void *, Dwarf_Die *), void *opaque)
{
    Dwarf_Die child;

    if (dwarf_child(die, &child) == 0)
        do {
            if (dwarf_tag(&child) == DW_TAG_enumerator && !fn(opaque, &child))
                return;
        } while (dwarf_siblingof(&child, &child) == 0);
}

static bool take_enumerator(void *opaque, Dwarf_Die *die)
{
    return take(opaque, die, DWARF_OBJECT, DW_TAG_enumerator);
}

/* What a DIE would be found as; false: as nothing. */
static bool class_of(Dwarf_Die *die, unsigned *class)
{
    switch (dwarf_tag(die)) {
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        *class = DWARF_TAG;
        break;
    case DW_TAG_typedef:
    case DW_TAG_base_type:
        *class = DWARF_TYPE;
        return true;
    case DW_TAG_variable:
    case DW_TAG_subprogram:
        *class = DWARF_OBJECT;
        break;
    default:
        return false;
    }
    return !has_flag(die, DW_AT_declaration);
}

static void take_unit(struct dwarf_file *f, Dwarf_Die *unit)
{
    Dwarf_Die die;

    if (dwarf_child(unit, &die) != 0)
        return;
    do {
        unsigned class;
        int tag = dwarf_tag(&die);
        bool is_new;

        if (!class_of(&die, &class))
            continue;
        is_new = take(f, &die, class, tag);
        if (tag == DW_TAG_enumeration_type && is_new)
            each_enumerator(&die, take_enumerator, f);
    } while (dwarf_siblingof(&die, &die) == 0);
}

struct wanted {
    const char *name;
    Dwarf_Die *die;
    bool found;
};

static bool is_enumerator(void *opaque, Dwarf_Die *die)
{
    struct wanted *w = opaque;
    const char *name = dwarf_diename(die);

    w->found = name && strcmp(name, w->name) == 0;
    if (w->found)
        *w->die = *die;
    return !w->found;
}

/* In one unit: statics and types of the code that asks are the right ones. */
static bool find_in_unit(Dwarf_Die *unit, unsigned class, int tag, const char *name, Dwarf_Die *die)
{
    Dwarf_Die at;
    struct wanted w = {name, die, false};

    if (dwarf_child(unit, &at) != 0)
        return false;
    do {
        unsigned c;
        const char *n;

        if (!class_of(&at, &c))
            continue;
        n = dwarf_diename(&at);
        if (c == class && (class != DWARF_TAG || dwarf_tag(&at) == tag) && n &&
            strcmp(n, name) == 0) {
            *die = at;
            return true;
        }
        if (class == DWARF_OBJECT && dwarf_tag(&at) == DW_TAG_enumeration_type)
            each_enumerator(&at, is_enumerator, &w);
    } while (!w.found && dwarf_siblingof(&at, &at) == 0);
    return w.found;
}

bool dwarf_name_find(struct dwarf_file *f, uint64_t addr, enum dwarf_name_class class, int tag,
                     const char *name, Dwarf_Die *die)
{
    Dwarf_Die unit;
    struct dwarf_name *s;

    if (addr && dwarf_unit_at(f, addr, &unit) && find_in_unit(&unit, class, tag, name, die))
        return true;
    if (!dwarf_of(f) || (!f->names && !grow(f)))
        return false;
    for (;;) {
        uint8_t type;

        s = slot(f, name, class, tag);
        if (s->name)
            return dwarf_offdie(f->dwarf, s->offset, die);
        if (f->all_units)
            return false;
        if (dwarf_get_units(f->dwarf, f->last_unit, &f->last_unit, NULL, &type, &unit, NULL) != 0)
            f->all_units = true;
        else if (type == DW_UT_compile || type == DW_UT_partial)
            take_unit(f, &unit);
    }
}

#endif
