/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "debugger/dwarf.h"

#if CONFIG_DW

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/dwarf_internal.h"

/* Types of C from DWARF. Each DIE becomes one struct ctype, the first time it is met; what it
 * refers to only when somebody asks. */

#define TYPES_MAX  (4u << 20)
#define STRIP_MAX  64u /* typedefs of typedefs */
#define PARTS_MAX  65536u
#define ARRAY_DIMS 8u

struct dwarf_made {
    struct ctype type;
    Dwarf_Die die;
};

/* ---- by DIE ---- */

static size_t slot_of(const struct dwarf_file *f, const void *addr)
{
    size_t mask = f->types_room - 1, n = ((uintptr_t)addr * 0x9e3779b97f4a7c15ull >> 20) & mask;

    while (f->types[n] && f->types[n]->die.addr != addr)
        n = (n + 1) & mask;
    return n;
}

static bool types_grow(struct dwarf_file *f)
{
    struct dwarf_made **old = f->types;
    size_t room = f->types_room;

    if (f->ntypes >= TYPES_MAX)
        return false;
    if (f->ntypes * 2 < room)
        return true;
    f->types = calloc(room ? 2 * room : 256, sizeof(*f->types));
    if (!f->types) {
        f->types = old;
        return false;
    }
    f->types_room = room ? 2 * room : 256;
    for (size_t n = 0; n < room; n++)
        if (old[n])
            f->types[slot_of(f, old[n]->die.addr)] = old[n];
    free(old);
    return true;
}

void dwarf_types_free(struct dwarf_file *f)
{
    for (size_t n = 0; n < f->types_room; n++)
        if (f->types[n]) {
            free(f->types[n]->type.parts);
            free(f->types[n]);
        }
    free(f->types);
}

/* ---- attributes ---- */

static bool attr_u64(Dwarf_Die *die, unsigned name, uint64_t *value)
{
    Dwarf_Attribute a;
    Dwarf_Word v;

    if (!dwarf_attr_integrate(die, name, &a) || dwarf_formudata(&a, &v) != 0)
        return false;
    *value = v;
    return true;
}

/* Follows DW_AT_type past typedefs and qualifiers. */
static bool next_type(Dwarf_Die *die, Dwarf_Die *type)
{
    Dwarf_Attribute a;

    if (!dwarf_attr_integrate(die, DW_AT_type, &a) || !dwarf_formref_die(&a, type))
        return false;
    for (unsigned n = 0; n < STRIP_MAX; n++) {
        switch (dwarf_tag(type)) {
        case DW_TAG_typedef:
        case DW_TAG_const_type:
        case DW_TAG_volatile_type:
        case DW_TAG_restrict_type:
        case DW_TAG_atomic_type:
            if (!dwarf_attr_integrate(type, DW_AT_type, &a) || !dwarf_formref_die(&a, type))
                return false;
            break;
        default:
            return true;
        }
    }
    return false;
}

/* ---- making them ---- */

static void base_type(Dwarf_Die *die, struct ctype *t)
{
    uint64_t encoding = DW_ATE_unsigned;

    attr_u64(die, DW_AT_encoding, &encoding);
    t->kind = CTYPE_INT;
    t->sign = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
    if (encoding == DW_ATE_boolean)
        t->kind = CTYPE_BOOL;
    else if (encoding == DW_ATE_float)
        t->kind = CTYPE_FLOAT;
    else if (encoding == DW_ATE_signed_char || encoding == DW_ATE_unsigned_char)
        t->kind = CTYPE_CHAR;
}

static uint64_t dimension(Dwarf_Die *range)
{
    uint64_t v;

    if (attr_u64(range, DW_AT_count, &v))
        return v;
    /* Of an array without a bound the upper one is absent, or -1. */
    if (attr_u64(range, DW_AT_upper_bound, &v) && v < UINT64_MAX >> 1 && v != UINT32_MAX)
        return v + 1;
    return 0;
}

/* Arrays of several dimensions are one DIE: the outer ones become types of their own. */
static void array_type(struct dwarf_file *f, Dwarf_Die *die, struct dwarf_made *m)
{
    uint64_t dims[ARRAY_DIMS] = {0};
    unsigned n = 0;
    Dwarf_Die child;
    const struct ctype *of = dwarf_type_of(f, die);
    struct ctype *inner = NULL;

    if (dwarf_child(die, &child) == 0)
        do {
            if (dwarf_tag(&child) == DW_TAG_subrange_type && n < ARRAY_DIMS)
                dims[n++] = dimension(&child);
        } while (dwarf_siblingof(&child, &child) == 0);
    if (n > 1)
        inner = calloc(n - 1, sizeof(*inner));
    m->type.parts = inner;
    for (unsigned i = n; inner && i-- > 1;) {
        struct ctype *t = &inner[i - 1];

        *t = (struct ctype){.kind = CTYPE_ARRAY, .target = of, .count = dims[i]};
        if (__builtin_mul_overflow(of->size, dims[i], &t->size))
            t->size = UINT64_MAX;
        of = t;
    }
    m->type.target = of;
    m->type.count = dims[0];
    if (__builtin_mul_overflow(of->size, dims[0], &m->type.size))
        m->type.size = UINT64_MAX;
}

static void fill_type(struct dwarf_file *f, Dwarf_Die *die, struct dwarf_made *m)
{
    struct ctype *t = &m->type;
    uint64_t size = 0;

    t->name = dwarf_diename(die);
    attr_u64(die, DW_AT_byte_size, &size);
    t->size = size;
    switch (dwarf_tag(die)) {
    case DW_TAG_base_type:
        base_type(die, t);
        break;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
        t->kind = CTYPE_POINTER;
        t->size = size ? size : f->word;
        break;
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
        t->kind = CTYPE_STRUCT;
        break;
    case DW_TAG_union_type:
        t->kind = CTYPE_UNION;
        break;
    case DW_TAG_enumeration_type:
        t->kind = CTYPE_ENUM;
        break;
    case DW_TAG_array_type:
        t->kind = CTYPE_ARRAY;
        array_type(f, die, m);
        break;
    case DW_TAG_subroutine_type:
    case DW_TAG_subprogram:
        t->kind = CTYPE_FUNCTION;
        t->size = 1;
        break;
    default:
        t->kind = CTYPE_VOID;
        t->size = 1;
    }
}

/* Only declared here: defined in another unit, under the same name. */
static bool defined_elsewhere(struct dwarf_file *f, Dwarf_Die *die, Dwarf_Die *definition)
{
    int tag = dwarf_tag(die);
    Dwarf_Attribute a;
    bool declared;

    return (tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
            tag == DW_TAG_enumeration_type) &&
           dwarf_attr(die, DW_AT_declaration, &a) && dwarf_formflag(&a, &declared) == 0 &&
           declared && dwarf_diename(die) &&
           dwarf_name_find(f, 0, DWARF_TAG, tag, dwarf_diename(die), definition);
}

const struct ctype *dwarf_make_type(struct dwarf_file *f, Dwarf_Die *die)
{
    struct dwarf_made *m;
    Dwarf_Die definition;
    size_t n;

    if (!types_grow(f))
        return &ctype_void;
    n = slot_of(f, die->addr);
    if (f->types[n])
        return &f->types[n]->type;
    m = calloc(1, sizeof(*m));
    if (!m)
        return &ctype_void;
    m->die = *die;
    m->type.file = f;
    m->type.die = &m->die;
    m->type.kind = CTYPE_VOID; /* meets itself while it is made: nonsense, but no loop */
    f->types[n] = m;
    f->ntypes++;
    if (defined_elsewhere(f, die, &definition)) {
        const void *key = m->die.addr;

        m->die = definition;
        fill_type(f, &m->die, m);
        m->die.addr = (void *)key;
        /* Parts come from the definition: found under its own DIE. */
        if (definition.addr != key) {
            m->type.target = dwarf_make_type(f, &definition);
            m->type.die = m->type.target->die;
        }
    } else {
        fill_type(f, &m->die, m);
    }
    return &m->type;
}

const struct ctype *dwarf_type_of(struct dwarf_file *f, Dwarf_Die *die)
{
    Dwarf_Die type;

    return next_type(die, &type) ? dwarf_make_type(f, &type) : &ctype_void;
}

const struct ctype *dwarf_type_target(const struct ctype *t)
{
    Dwarf_Die die = *(const Dwarf_Die *)t->die;

    return dwarf_type_of(t->file, &die);
}

/* ---- fields and enumerators ---- */

/* A bit-field, in either of DWARF's ways: bits from the record's beginning (4 and later), or from
 * the storage unit's most significant bit. */
static void field_bits(Dwarf_Die *die, uint64_t bits, struct cfield *out)
{
    uint64_t at, unit = 0;

    if (attr_u64(die, DW_AT_data_bit_offset, &at)) {
        out->offset = at / 8;
        out->bit_offset = at % 8;
    } else if (attr_u64(die, DW_AT_bit_offset, &at)) {
        if (!attr_u64(die, DW_AT_byte_size, &unit))
            unit = out->type->size;
        if (!unit || unit > 8 || at + bits > 8 * unit)
            return;
        at = 8 * unit - at - bits;
        out->offset += at / 8;
        out->bit_offset = at % 8;
    }
    if (bits <= 64 && out->bit_offset + bits <= 64)
        out->bit_size = (uint8_t)bits;
}

static void field(struct dwarf_file *f, Dwarf_Die *die, struct cfield *out)
{
    uint64_t bits;

    *out = (struct cfield){.name = dwarf_diename(die), .type = dwarf_type_of(f, die)};
    attr_u64(die, DW_AT_data_member_location, &out->offset);
    if (attr_u64(die, DW_AT_bit_size, &bits) && bits && bits <= 64)
        field_bits(die, bits, out);
}

static void enumerator(Dwarf_Die *die, struct cenumerator *out)
{
    Dwarf_Attribute a;
    Dwarf_Sword v = 0;

    if (dwarf_attr_integrate(die, DW_AT_const_value, &a))
        dwarf_formsdata(&a, &v);
    *out = (struct cenumerator){.name = dwarf_diename(die) ?: "?", .value = v};
}

void dwarf_type_parts(struct ctype *t)
{
    Dwarf_Die die = *(const Dwarf_Die *)t->die, child;
    bool is_enum = t->kind == CTYPE_ENUM;
    int tag = is_enum ? DW_TAG_enumerator : DW_TAG_member;
    size_t size = is_enum ? sizeof(struct cenumerator) : sizeof(struct cfield), room = 0;
    char *parts = NULL;

    if (t->nparts || t->kind == CTYPE_ARRAY || dwarf_child(&die, &child) != 0)
        return;
    do {
        if (dwarf_tag(&child) != tag || t->nparts == PARTS_MAX)
            continue;
        if (t->nparts == room) {
            void *p = realloc(parts, (room = room ? 2 * room : 8) * size);

            if (!p)
                break;
            parts = p;
        }
        if (is_enum)
            enumerator(&child, (struct cenumerator *)parts + t->nparts);
        else
            field(t->file, &child, (struct cfield *)parts + t->nparts);
        t->nparts++;
    } while (dwarf_siblingof(&child, &child) == 0);
    t->parts = parts;
}

const struct ctype *dwarf_type(struct dwarf_file *f, uint64_t addr, enum ctype_kind kind,
                               const char *name)
{
    int tag = kind == CTYPE_STRUCT  ? DW_TAG_structure_type
              : kind == CTYPE_UNION ? DW_TAG_union_type
              : kind == CTYPE_ENUM  ? DW_TAG_enumeration_type
                                    : 0;
    Dwarf_Die die;

    if (!dwarf_of(f) || !dwarf_name_find(f, addr, tag ? DWARF_TAG : DWARF_TYPE, tag, name, &die))
        return NULL;
    return dwarf_tag(&die) == DW_TAG_typedef ? dwarf_type_of(f, &die) : dwarf_make_type(f, &die);
}

#else

const struct ctype *dwarf_type_target(const struct ctype *t)
{
    (void)t;
    return &ctype_void;
}

void dwarf_type_parts(struct ctype *t)
{
    (void)t;
}

const struct ctype *dwarf_type(struct dwarf_file *f, uint64_t addr, enum ctype_kind kind,
                               const char *name)
{
    (void)f, (void)addr, (void)kind, (void)name;
    return NULL;
}

#endif
