/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/block/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MIN 4u
#define COUNT_MAX 2048u

bool tables_init(struct tables *t, struct block_file *file, uint32_t size, uint32_t budget,
                 int (*make_clean)(void *), void *opaque)
{
    uint32_t count = budget / size;

    count = count < COUNT_MIN ? COUNT_MIN : count > COUNT_MAX ? COUNT_MAX : count;
    *t = (struct tables){
        .file = file, .size = size, .count = count, .make_clean = make_clean, .opaque = opaque};
    for (t->buckets = 8; t->buckets < count; t->buckets *= 2)
        ;
    t->table = calloc(count, sizeof(*t->table));
    t->bucket = calloc(t->buckets, sizeof(*t->bucket));
    return t->table && t->bucket;
}

void tables_free(struct tables *t)
{
    for (uint32_t n = 0; t->table && n < t->count; n++)
        free(t->table[n].data);
    free(t->table);
    free(t->bucket);
    *t = (struct tables){0};
}

static uint32_t *bucket_of(struct tables *t, uint64_t offset)
{
    return &t->bucket[(offset / t->size) * 0x9e3779b97f4a7c15ull >> 32 & (t->buckets - 1)];
}

static struct table *find(struct tables *t, uint64_t offset)
{
    for (uint32_t n = *bucket_of(t, offset); n; n = t->table[n - 1].next)
        if (t->table[n - 1].offset == offset)
            return &t->table[n - 1];
    return NULL;
}

static void unlink_table(struct tables *t, struct table *table)
{
    uint32_t *at = bucket_of(t, table->offset), self = (uint32_t)(table - t->table) + 1;

    while (*at != self)
        at = &t->table[*at - 1].next;
    *at = table->next;
    table->offset = 0;
    t->ndirty -= table->dirty;
    table->dirty = false;
}

/* An unused one, or the clean one that was not used for the longest time. */
static struct table *victim(struct tables *t)
{
    struct table *best = NULL;

    for (uint32_t n = 0; n < t->count; n++) {
        struct table *c = &t->table[n];

        if (!c->offset)
            return c;
        if (!c->dirty && (!best || c->used < best->used))
            best = c;
    }
    return best;
}

static int make_room(struct tables *t, uint64_t offset, struct table **out)
{
    struct table *v = victim(t);
    uint32_t *bucket;

    if (!v) {
        int e = t->make_clean(t->opaque);

        v = victim(t);
        if (e || !v)
            return e ? e : EIO;
    }
    if (v->offset)
        unlink_table(t, v);
    if (!v->data && !(v->data = malloc(t->size)))
        return ENOMEM;
    v->offset = offset;
    bucket = bucket_of(t, offset);
    v->next = *bucket;
    *bucket = (uint32_t)(v - t->table) + 1;
    v->used = ++t->clock;
    *out = v;
    return 0;
}

int tables_get(struct tables *t, uint64_t offset, struct table **out)
{
    struct table *v = find(t, offset);
    int e;

    if (v) {
        v->used = ++t->clock;
        *out = v;
        return 0;
    }
    e = make_room(t, offset, &v);
    if (e)
        return e;
    e = file_read_all(t->file, offset, v->data, t->size);
    if (e) {
        unlink_table(t, v);
        return e;
    }
    *out = v;
    return 0;
}

int tables_new(struct tables *t, uint64_t offset, struct table **out)
{
    struct table *v = find(t, offset);
    int e = v ? 0 : make_room(t, offset, &v);

    if (e)
        return e;
    memset(v->data, 0, t->size);
    tables_dirty(t, v);
    *out = v;
    return 0;
}

void tables_dirty(struct tables *t, struct table *table)
{
    t->ndirty += !table->dirty;
    table->dirty = true;
}

void tables_drop(struct tables *t, uint64_t offset)
{
    struct table *v = find(t, offset);

    if (v)
        unlink_table(t, v);
}

static int by_offset(const void *a, const void *b)
{
    const struct table *x = *(const struct table *const *)a, *y = *(const struct table *const *)b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int tables_write(struct tables *t)
{
    struct table **list;
    uint32_t n = 0;
    int e = 0;

    if (!t->ndirty)
        return 0;
    list = malloc(t->ndirty * sizeof(struct table *));
    if (!list)
        return ENOMEM;
    for (uint32_t i = 0; i < t->count && n < t->ndirty; i++)
        if (t->table[i].offset && t->table[i].dirty)
            list[n++] = &t->table[i];
    qsort(list, n, sizeof(struct table *), by_offset);
    for (uint32_t i = 0; i < n && !e; i++) {
        e = file_write(t->file, list[i]->offset, list[i]->data, t->size);
        if (!e) {
            list[i]->dirty = false;
            t->ndirty--;
        }
    }
    free(list);
    return e;
}

/* ---- tables that are in memory as a whole ---- */

void changed_add(struct changed_entries *c, uint32_t n)
{
    bool none = c->from == c->to;

    c->from = none || n < c->from ? n : c->from;
    c->to = none || n >= c->to ? n + 1 : c->to;
}

int changed_write(struct changed_entries *c, struct block_file *f, uint64_t at,
                  const uint8_t *table)
{
    uint64_t from = c->from * 4ull, n = c->to * 4ull - from;
    int e = file_write(f, at + from, table + from, n);

    if (!e)
        c->from = c->to = 0;
    return e;
}
