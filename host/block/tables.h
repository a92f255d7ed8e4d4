/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_TABLES_H
#define CALQUE_HOST_BLOCK_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "host/block/file.h"

/* Metadata tables of an image (L2 tables, refcount blocks, grain tables) in memory: all of one
 * size, found by their offset in the file. The caller sees to it that one thread at a time is in
 * here. int results: 0 or an errno. */

struct table {
    uint64_t offset; /* in the file; 0: this one is not used */
    uint8_t *data;
    bool dirty;
    uint64_t used; /* when, for choosing which one goes */
    uint32_t next; /* in its bucket: index + 1 */
};

struct tables {
    struct block_file *file;
    uint32_t size; /* bytes of a table */
    uint32_t count, buckets;
    struct table *table;
    uint32_t *bucket;
    uint64_t clock;
    uint32_t ndirty;
    /* Nothing is clean: write everything in order; afterwards no table is dirty. */
    int (*make_clean)(void *opaque);
    void *opaque;
};

/* budget: bytes to keep in memory, roughly. */
bool tables_init(struct tables *t, struct block_file *file, uint32_t size, uint32_t budget,
                 int (*make_clean)(void *), void *opaque);
void tables_free(struct tables *t);
/* The table at that offset; what it points to stays until the next call of tables_get() or
 * tables_new(). */
int tables_get(struct tables *t, uint64_t offset, struct table **out);
/* The same, of zeros and not read from the file; dirty. */
int tables_new(struct tables *t, uint64_t offset, struct table **out);
void tables_dirty(struct tables *t, struct table *table);
/* Forgets a table that is no more in the file. */
void tables_drop(struct tables *t, uint64_t offset);
/* Writes what is dirty; the order of tables is that of the file. */
int tables_write(struct tables *t);

/* ---- tables that are in memory as a whole ---- */

/* Entries [from, to) of 4 bytes each are not in the file as they are in memory. */
struct changed_entries {
    uint32_t from, to;
};

void changed_add(struct changed_entries *c, uint32_t n);
/* Writes them; `at`: where the table is in the file. */
int changed_write(struct changed_entries *c, struct block_file *f, uint64_t at,
                  const uint8_t *table);

#endif
