/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_RECORD_PAGES_H
#define CALQUE_VM_RECORD_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which pages of memory changed between the checks of a recording, so that a replay can name the
 * one that differs. A list is pairs of u32 page of the arena, u32 hash of what it is now, at most
 * RECORD_PAGES_MAX: what changed beyond that is in the next lists, and this one is incomplete.
 *
 * The hashes are those of the machine's digest tree (vm/digest.h), which must be up to date. */

#define RECORD_PAGES_MAX 8192

struct digest_tree;
struct record_log;
struct state_stream;

struct record_pages {
    uint32_t *page; /* hashes of all pages, as far as they have been listed */
    uint64_t *node; /* of 64 pages each, likewise */
    size_t nnodes, from;
};

/* Memory as it is now needs no listing. False: no memory. */
bool record_pages_begin(struct record_pages *p, const struct digest_tree *t);
void record_pages_end(struct record_pages *p);

/* Appends the list to s. False: no memory. */
bool record_pages_list(struct record_pages *p, const struct digest_tree *t, struct state_stream *s,
                       bool *incomplete);
/* The first page that is not what it was at the check whose list has this number in the log;
 * UINT64_MAX: none that is known. whole: p is of before the log's first list, and the log has them
 * all; so pages that are in no list are known, too. */
uint64_t record_pages_difference(const struct record_pages *p, const struct digest_tree *t,
                                 const struct record_log *l, uint64_t number, bool whole);

#endif
