/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Digests. Memory is a tree: a hash for each page of the arena, a hash for each 64 hashes, and so
 * on up to one. Hashes of pages and nodes are biased so that all zeros hash to zero; so a fresh
 * (calloc'ed) tree is the right one for fresh memory, and pages never stored to are never read. */
#include "vm/digest.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "vm/machine.h"

#define FAN_SHIFT 6
#define FAN       DIGEST_FAN
_Static_assert(FAN == 1u << FAN_SHIFT, "");

/* ---- bytes ---- */

#define K0 0x9e3779b97f4a7c15ull /* odd constants without pattern: fractions of the golden */
#define K1 0xb7e151628aed2a6bull /* ratio, e, and pi */
#define K2 0x243f6a8885a308d3ull

/* The 128-bit product folded: every input bit reaches every output bit. */
static uint64_t fold_multiply(uint64_t a, uint64_t b)
{
    unsigned __int128 p = (unsigned __int128)a * b;

    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t word_at(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

uint64_t digest_bytes(const void *data, size_t len, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t h = fold_multiply(seed ^ K0, K1), tail[2] = {0, 0};
    size_t left = len;

    /* The sum keeps h in play when a factor happens to be zero. */
    for (; left >= 16; left -= 16, p += 16)
        h = fold_multiply(word_at(p) ^ h ^ K0, word_at(p + 8) ^ K1) + (h << 1 | h >> 63);
    if (left)
        memcpy(tail, p, left);
    h = fold_multiply(le64toh(tail[0]) ^ h ^ K1, le64toh(tail[1]) ^ K2) + h;
    return fold_multiply(h ^ K2, (uint64_t)len ^ K0);
}

/* ---- the tree of pages ---- */

struct walk {
    struct digest_tree *tree;
    struct arena *arena;
    uint64_t zero_page, zero_node; /* biases */
};

static bool tree_init(struct digest_tree *t, const struct arena *a)
{
    uint64_t n = a->capacity >> VM_PAGE_SHIFT;

    do {
        /* Whole nodes only: what lies past the end stays zero. */
        t->count[t->nlevels] = (size_t)((n + FAN - 1) & ~(uint64_t)(FAN - 1));
        t->level[t->nlevels] = calloc(t->count[t->nlevels], sizeof(uint64_t));
        if (!t->level[t->nlevels++])
            return false;
        n = (n + FAN - 1) >> FAN_SHIFT;
    } while (n > 1);
    return true;
}

void digest_tree_free(struct digest_tree *t)
{
    for (unsigned i = 0; i < t->nlevels; i++)
        free(t->level[i]);
    memset(t, 0, sizeof(*t));
}

static bool any_dirty(const uint8_t *flags)
{
    uint64_t all = 0, some;

    for (unsigned i = 0; i < FAN; i += sizeof(some)) {
        memcpy(&some, flags + i, sizeof(some));
        all |= some;
    }
    return (all & (0x0101010101010101ull * PAGE_DIRTY_DIGEST)) != 0;
}

/* Hashes the dirty pages among the 64 from `first`; true if there was one. */
static bool update_pages(struct walk *w, size_t first)
{
    uint8_t *flags = w->arena->page_flags + first;

    if (!any_dirty(flags))
        return false;
    for (size_t i = 0; i < FAN; i++) {
        if (!(flags[i] & PAGE_DIRTY_DIGEST))
            continue;
        __atomic_fetch_and(&flags[i], (uint8_t)~PAGE_DIRTY_DIGEST, __ATOMIC_SEQ_CST);
        w->tree->level[0][first + i] =
            digest_bytes(w->arena->host + ((first + i) << VM_PAGE_SHIFT), VM_PAGE_SIZE, 0) ^
            w->zero_page;
    }
    return true;
}

static uint64_t node_hash(const struct walk *w, unsigned level, size_t first)
{
    return digest_bytes(&w->tree->level[level][first], FAN * sizeof(uint64_t), 1) ^ w->zero_node;
}

/* Brings the 64 hashes from `first` at `level` up to date; true if memory below them was dirty. */
static bool update_node(struct walk *w, unsigned level, size_t first)
{
    bool dirty = false;

    if (level == 0)
        return update_pages(w, first);
    for (size_t i = first; i < first + FAN; i++) {
        if (i << FAN_SHIFT >= w->tree->count[level - 1])
            break;
        if (!update_node(w, level - 1, i << FAN_SHIFT))
            continue;
        w->tree->level[level][i] = node_hash(w, level - 1, i << FAN_SHIFT);
        dirty = true;
    }
    return dirty;
}

/* Hash of all memory, 0 if the host has no memory for the tree. */
static uint64_t memory_digest(struct digest_tree *t, struct arena *a)
{
    static const uint8_t zeros[VM_PAGE_SIZE];
    struct walk w = {t, a, digest_bytes(zeros, VM_PAGE_SIZE, 0),
                     digest_bytes(zeros, FAN * sizeof(uint64_t), 1)};

    if (!t->nlevels && !tree_init(t, a)) {
        digest_tree_free(t);
        return 0;
    }
    /* Pages are clean again: CPUs must come by before they store the next time. */
    if (update_node(&w, t->nlevels - 1, 0))
        for (struct code_listener *l = a->listeners; l; l = l->next)
            l->drop_store_entries(l->opaque, ARENA_NONE);
    return digest_bytes(&a->size, sizeof(a->size), node_hash(&w, t->nlevels - 1, 0));
}

/* ---- the machine ---- */

static uint64_t cpus_digest(struct machine *m)
{
    uint64_t h = m->ncpus;

    for (unsigned i = 0; i < m->ncpus; i++) {
        struct vcpu *v = m->cpus[i];

        if (v->ops->pre_save)
            v->ops->pre_save(v);
        h = state_digest_fields(v->ops->fields, v, h);
    }
    return h;
}

static uint64_t devices_digest(struct machine *m)
{
    uint64_t h = 0;

    for (struct device *d = m->devices; d; d = d->next) {
        h = digest_bytes(d->id, strlen(d->id), h);
        h = state_digest_fields(d->class->fields, d, h);
    }
    return h;
}

struct machine_digest machine_digest(struct machine *m)
{
    struct machine_digest d;

    devices_pre_save(m);
    d = (struct machine_digest){.cpus = cpus_digest(m),
                                .devices = devices_digest(m),
                                .memory = memory_digest(&m->digest, &m->arena)};
    uint64_t all[3] = {d.cpus, d.devices, d.memory};

    d.all = digest_bytes(all, sizeof(all), 0);
    return d;
}
