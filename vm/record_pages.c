/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/record_pages.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "vm/digest.h"
#include "vm/record_log.h"
#include "vm/vm_internal.h"

#define FAN        DIGEST_FAN
#define PAIR_BYTES 8

static bool node_is_same(const struct record_pages *p, const struct digest_tree *t, size_t node)
{
    return t->nlevels > 1 && p->node[node] == t->level[1][node];
}

static void take_node(struct record_pages *p, const struct digest_tree *t, size_t node)
{
    for (size_t i = node * FAN; i < (node + 1) * FAN; i++)
        p->page[i] = (uint32_t)t->level[0][i];
    p->node[node] = t->nlevels > 1 ? t->level[1][node] : 0;
}

bool record_pages_begin(struct record_pages *p, const struct digest_tree *t)
{
    memset(p, 0, sizeof(*p));
    if (!t->nlevels)
        return false;
    p->nnodes = t->count[0] / FAN;
    p->page = calloc(t->count[0], sizeof(*p->page));
    p->node = calloc(p->nnodes, sizeof(*p->node));
    if (!p->page || !p->node) {
        record_pages_end(p);
        return false;
    }
    for (size_t n = 0; n < p->nnodes; n++)
        if (!node_is_same(p, t, n)) /* all zeros hash to zero */
            take_node(p, t, n);
    return true;
}

void record_pages_end(struct record_pages *p)
{
    free(p->page);
    free(p->node);
    memset(p, 0, sizeof(*p));
}

static bool list_node(struct record_pages *p, const struct digest_tree *t, size_t node,
                      struct state_stream *s)
{
    for (size_t i = node * FAN; i < (node + 1) * FAN; i++) {
        uint32_t hash = (uint32_t)t->level[0][i];

        if (hash != p->page[i] && !(state_put_u32(s, (uint32_t)i) && state_put_u32(s, hash)))
            return false;
    }
    take_node(p, t, node);
    return true;
}

bool record_pages_list(struct record_pages *p, const struct digest_tree *t, struct state_stream *s,
                       bool *incomplete)
{
    size_t begin = s->len;

    *incomplete = false;
    for (size_t n = 0; n < p->nnodes; n++) {
        size_t node = (p->from + n) % p->nnodes;

        if (node_is_same(p, t, node))
            continue;
        if ((s->len - begin) / PAIR_BYTES + FAN > RECORD_PAGES_MAX) {
            p->from = node; /* it is the first of the next list */
            *incomplete = true;
            break;
        }
        if (!list_node(p, t, node, s))
            return false;
    }
    return p->nnodes != 0;
}

/* The first page of a list that is something else now. */
static uint64_t difference_of_list(const struct digest_tree *t, const struct record_entry *e)
{
    for (uint32_t at = 0; at + PAIR_BYTES <= e->len; at += PAIR_BYTES) {
        uint32_t page = ld_le32(e->data + at);

        if (page < t->count[0] && (uint32_t)t->level[0][page] != ld_le32(e->data + at + 4))
            return page;
    }
    return UINT64_MAX;
}

static void apply_list(uint32_t *pages, size_t n, const struct record_entry *e)
{
    for (uint32_t at = 0; at + PAIR_BYTES <= e->len; at += PAIR_BYTES)
        if (ld_le32(e->data + at) < n)
            pages[ld_le32(e->data + at)] = ld_le32(e->data + at + 4);
}

uint64_t record_pages_difference(const struct record_pages *p, const struct digest_tree *t,
                                 const struct record_log *l, uint64_t number, bool whole)
{
    const struct record_entry *list = record_log_get(l, number), *e;
    size_t n = t->nlevels ? t->count[0] : 0, i = 0;
    uint32_t *pages;

    if (!n || !list || list->kind != RECORD_PAGES)
        return UINT64_MAX;
    if (!whole || list->error || p->nnodes * FAN != n || !(pages = malloc(n * sizeof(*pages))))
        return difference_of_list(t, list);
    memcpy(pages, p->page, n * sizeof(*pages));
    for (uint64_t k = 0; k <= number; k++)
        if ((e = record_log_get(l, k)) && e->kind == RECORD_PAGES)
            apply_list(pages, n, e);
    while (i < n && pages[i] == (uint32_t)t->level[0][i])
        i++;
    free(pages);
    return i < n ? i : UINT64_MAX;
}
