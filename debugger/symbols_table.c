/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "debugger/symbols_internal.h"

/* Names and addresses of one file, in two orders. */

/* A name's place must fit in 32 bits; more is no kernel. */
#define NAMES_MAX   (256u << 20)
#define SYMBOLS_MAX (16u << 20)

static bool grow(void *array, size_t *room, size_t wanted, size_t size)
{
    size_t n = *room ? *room : 256;
    void *p;

    if (wanted <= *room)
        return true;
    while (n < wanted)
        n *= 2;
    p = realloc(*(void **)array, n * size);
    if (!p)
        return false;
    *(void **)array = p;
    *room = n;
    return true;
}

bool symbol_table_add(struct symbol_table *t, const char *name, uint64_t start, uint64_t size,
                      uint8_t flags)
{
    size_t len = strlen(name) + 1;

    if (t->n >= SYMBOLS_MAX || t->names_size + len > NAMES_MAX ||
        !grow(&t->entries, &t->room, t->n + 1, sizeof(*t->entries)) ||
        !grow(&t->names, &t->names_room, t->names_size + len, 1))
        return false;
    t->entries[t->n++] = (struct symbol_entry){start, size, (uint32_t)t->names_size, flags};
    memcpy(t->names + t->names_size, name, len);
    printable(t->names + t->names_size);
    t->names_size += len;
    return true;
}

bool symbol_table_section(struct symbol_table *t, uint64_t start, uint64_t size)
{
    struct symbol_range *p;

    if (!size || start + size - 1 < start)
        return true;
    p = realloc(t->sections, (t->nsections + 1) * sizeof(*p));
    if (!p)
        return false;
    t->sections = p;
    p[t->nsections++] = (struct symbol_range){start, start + size - 1};
    return true;
}

/* Of several at one address, which one people mean: functions and objects before labels, global
 * ones before others, and not what assemblers and linkers make up. The best is the last. */
static int rank(const struct symbol_table *t, const struct symbol_entry *e)
{
    const char *name = symbol_entry_name(t, e);
    int r = 0;

    if (e->flags & SYMBOL_TYPED)
        r += 8;
    if (e->size)
        r += 4;
    if (e->flags & SYMBOL_GLOBAL)
        r += 2;
    if (name[0] != '_' && name[0] != '.' && name[0] != '$')
        r++;
    return r;
}

static int by_address(const void *pa, const void *pb, void *opaque)
{
    const struct symbol_entry *a = pa, *b = pb;
    int ra, rb;

    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    ra = rank(opaque, a);
    rb = rank(opaque, b);
    if (ra != rb)
        return ra < rb ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

static int by_name(const void *pa, const void *pb, void *opaque)
{
    const struct symbol_table *t = opaque;
    uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    int c = strcmp(t->names + t->entries[a].name, t->names + t->entries[b].name);
    bool ga = t->entries[a].flags & SYMBOL_GLOBAL, gb = t->entries[b].flags & SYMBOL_GLOBAL;

    if (c)
        return c;
    if (ga != gb)
        return ga ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int by_start(const void *pa, const void *pb)
{
    const struct symbol_range *a = pa, *b = pb;

    return a->start < b->start ? -1 : a->start > b->start;
}

bool symbol_table_seal(struct symbol_table *t)
{
    uint32_t *names = malloc((t->n + 1) * sizeof(*names));

    if (!names)
        return false;
    if (t->n)
        qsort_r(t->entries, t->n, sizeof(*t->entries), by_address, t);
    for (size_t n = 0; n < t->n; n++)
        names[n] = (uint32_t)n;
    if (t->n)
        qsort_r(names, t->n, sizeof(*names), by_name, t);
    free(t->by_name);
    t->by_name = names;
    if (t->nsections)
        qsort(t->sections, t->nsections, sizeof(*t->sections), by_start);
    return true;
}

void symbol_table_sizes(struct symbol_table *t)
{
    uint64_t next = 0;

    if (t->n)
        qsort_r(t->entries, t->n, sizeof(*t->entries), by_address, t);
    for (size_t n = t->n; n--;) {
        struct symbol_entry *e = &t->entries[n];

        if (n + 1 < t->n && e[1].start != e->start)
            next = e[1].start;
        if (!e->size)
            e->size = next > e->start ? next - e->start : 4096 - (e->start & 4095);
    }
}

/* How many entries start at addr or before. */
static size_t upper(const struct symbol_table *t, uint64_t addr)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->entries[middle].start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct symbol_range *section_of(const struct symbol_table *t, uint64_t addr)
{
    size_t low = 0, high = t->nsections;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (t->sections[middle].start <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low && addr <= t->sections[low - 1].last ? &t->sections[low - 1] : NULL;
}

/* Symbols may lie within others (a label in a function): how many are looked at for one around. */
#define NESTING 64

const struct symbol_entry *symbol_table_at(const struct symbol_table *t, uint64_t addr)
{
    size_t end = upper(t, addr), n = end;
    const struct symbol_entry *nearest = NULL;
    const struct symbol_range *section = section_of(t, addr);

    for (unsigned tries = 0; n-- && tries < NESTING; tries++) {
        const struct symbol_entry *e = &t->entries[n];

        if (e->flags & SYMBOL_ABSOLUTE)
            continue;
        if (e->size && addr - e->start < e->size)
            return e;
        if (!nearest && section && e->start >= section->start)
            nearest = e;
        if (nearest && !(nearest->flags & SYMBOL_TYPED) && (e->flags & SYMBOL_TYPED))
            break; /* an assembler's function, named by its label */
    }
    return nearest;
}

size_t symbol_table_lower(const struct symbol_table *t, const char *prefix)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct symbol_entry *e = &t->entries[t->by_name[middle]];

        if (strcmp(symbol_entry_name(t, e), prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct symbol_entry *symbol_table_find(const struct symbol_table *t, const char *name)
{
    size_t n = symbol_table_lower(t, name);
    const struct symbol_entry *e;

    if (n >= t->n)
        return NULL;
    e = &t->entries[t->by_name[n]];
    return strcmp(symbol_entry_name(t, e), name) == 0 ? e : NULL;
}

void symbol_table_free(struct symbol_table *t)
{
    free(t->entries);
    free(t->by_name);
    free(t->names);
    free(t->sections);
    *t = (struct symbol_table){0};
}
