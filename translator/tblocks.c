/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translations there are: room for them, links between them, and which go when there is no
 * more room.
 *
 * The code cache and the table of translations are cut into segments that are filled one after the
 * other. When the last is full the first is emptied and filled again, and so on. A link knows both
 * of its ends, so that nothing leads into what is gone: the jump asks for the way again. The
 * decoded block moves into the segment of its first translation, and ends with it. */
#include <stdlib.h>
#include <string.h>

#include "translator/internal.h"

#define TBLOCK_BYTES  256u       /* of code: the table has an entry for each so many bytes, */
#define TBLOCKS_MAX   (1u << 17) /* and no more than so many */
#define SEGMENT_ALIGN 64u

bool tblocks_init(struct translator *tr)
{
    struct code_cache *c = &tr->cache;
    uint64_t bytes = (c->size - c->used) / CODE_SEGMENTS & ~(uint64_t)(SEGMENT_ALIGN - 1);
    uint64_t count = c->size / TBLOCK_BYTES < TBLOCKS_MAX ? c->size / TBLOCK_BYTES : TBLOCKS_MAX;
    uint64_t start = (c->used + SEGMENT_ALIGN - 1) & ~(uint64_t)(SEGMENT_ALIGN - 1);

    tr->segment_tblocks = (uint32_t)(count / CODE_SEGMENTS);
    tr->max_tblocks = tr->segment_tblocks * CODE_SEGMENTS;
    tr->tblocks = calloc(tr->max_tblocks, sizeof(*tr->tblocks));
    for (unsigned n = 0; n < CODE_SEGMENTS; n++, start += bytes)
        tr->segments[n] = (struct segment_of_code){
            .start = start, .used = start, .blocks_from = start + bytes, .end = start + bytes};
    tr->segments[CODE_SEGMENTS - 1].end = tr->segments[CODE_SEGMENTS - 1].blocks_from = c->size;
    tr->filling = 0;
    c->used = tr->segments[0].start;
    c->end = tr->segments[0].end;
    return tr->tblocks;
}

struct tblock *tblock_next(struct translator *tr)
{
    const struct segment_of_code *s = &tr->segments[tr->filling];

    if (s->ntblocks == tr->segment_tblocks)
        return NULL;
    return &tr->tblocks[tr->filling * tr->segment_tblocks + s->ntblocks];
}

/* Into the segment, from its end down, beside the code. False: no room. */
static bool move_block(struct translator *tr, struct cpu *cpu, struct tblock *t)
{
    struct code_cache *c = &tr->cache;
    uint64_t size = block_footprint(t->block);

    if (t->block->code) /* it has been moved */
        return true;
    if (c->used + size + 8 > c->end)
        return false;
    c->end = (c->end - size) & ~7ull;
    t->block = block_move(cpu, t->block, c->side + c->end);
    t->owns_block = true;
    return true;
}

bool tblock_keep(struct translator *tr, struct cpu *cpu, struct tblock *t)
{
    struct segment_of_code *s = &tr->segments[tr->filling];

    if (!move_block(tr, cpu, t)) {
        tr->cache.used = s->used;
        return false;
    }
    s->ntblocks++;
    s->used = tr->cache.used;
    s->blocks_from = tr->cache.end;
    t->next = t->block->code;
    t->block->code = t;
    return true;
}

/* ---- links ---- */

static struct tblock_link *link_of(const struct translator *tr, uint32_t id)
{
    return &tr->tblocks[id / TBLOCK_LINKS].links[id % TBLOCK_LINKS];
}

void tblock_link(struct translator *tr, uint32_t from, const uint8_t *site, struct tblock *to,
                 const uint8_t *entry)
{
    struct tblock *f = &tr->tblocks[from];
    struct exit_site e;

    for (unsigned n = 0; n < TBLOCK_LINKS; n++) {
        struct tblock_link *l = &f->links[n];

        if (l->site)
            continue;
        *l = (struct tblock_link){.site = (uint32_t)(site - tr->cache.rx),
                                  .to = (uint32_t)(to - tr->tblocks),
                                  .next = to->linked_from,
                                  .prev = NO_LINK};
        if (to->linked_from != NO_LINK)
            link_of(tr, to->linked_from)->prev = from * TBLOCK_LINKS + n;
        to->linked_from = from * TBLOCK_LINKS + n;
        memcpy(&e, site, sizeof(e));
        emit_link(tr, site + e.jump, entry);
        tr->stats.links++;
        return;
    }
}

static void unlink_one(struct translator *tr, struct tblock_link *l)
{
    const uint8_t *site = tr->cache.rx + l->site;
    struct exit_site e;

    memcpy(&e, site, sizeof(e));
    emit_link(tr, site + e.jump, site - THUNK_CALL_SIZE);
    if (l->next != NO_LINK)
        link_of(tr, l->next)->prev = l->prev;
    if (l->prev != NO_LINK)
        link_of(tr, l->prev)->next = l->next;
    else
        tr->tblocks[l->to].linked_from = l->next;
    l->site = 0;
}

static void unlink_all_to(struct translator *tr, const struct tblock *t)
{
    while (t->linked_from != NO_LINK)
        unlink_one(tr, link_of(tr, t->linked_from));
}

/* ---- the end of a translation ---- */

static void tell_histories(struct translator *tr)
{
    for (struct cpu *cpu = tr->cpus; tr->notes && cpu; cpu = cpu->jit.next)
        jit_tell_history(cpu);
}

void tblocks_retire(struct translator *tr, struct block *b)
{
    tell_histories(tr);
    for (struct tblock *t = b->code; t; t = t->next) {
        unlink_all_to(tr, t);
        t->retired = true;
        tr->stats.retired++;
        b->lost_code = true;
    }
    b->code = NULL;
}

static void evict(struct translator *tr, struct tblock *t)
{
    unlink_all_to(tr, t);
    for (unsigned n = 0; n < TBLOCK_LINKS; n++)
        if (t->links[n].site)
            unlink_one(tr, &t->links[n]);
    if (t->retired)
        return;
    struct tblock **p = &t->block->code;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    t->block->lost_code = true;
    t->retired = true;
    tr->stats.evicted++;
}

/* What CPUs remember of a segment. Frames are dropped all together: they only save time. */
static void forget_code(struct cpu *cpu, const uint8_t *from, const uint8_t *to)
{
    jit_stack_reset(cpu);
    for (unsigned n = 0; n < ARRAY_SIZE(cpu->jit.jump_cache); n++) {
        struct jump_cache_entry *e = &cpu->jit.jump_cache[n];

        if (e->code >= from && e->code < to)
            *e = (struct jump_cache_entry){.tag = UINT64_MAX};
    }
}

static void forget_blocks(struct translator *tr, unsigned n)
{
    for (uint32_t k = 0; k < tr->segments[n].ntblocks; k++) {
        struct tblock *t = &tr->tblocks[n * tr->segment_tblocks + k];

        if (t->owns_block && !t->block->discarded)
            block_forget(tr->cpus, t->block);
    }
}

static void reset_segment(struct translator *tr, unsigned n)
{
    struct segment_of_code *s = &tr->segments[n];
    const uint8_t *rx = tr->cache.rx;

    if (s->ntblocks)
        s->evictions++;
    s->ntblocks = 0;
    s->used = s->start;
    s->blocks_from = s->end;
    for (struct cpu *cpu = tr->cpus; cpu; cpu = cpu->jit.next)
        forget_code(cpu, rx + s->start, rx + s->end);
}

/* Its translations, and the blocks that are in it, whose other translations end too. */
static void empty_segment(struct translator *tr, unsigned n)
{
    tell_histories(tr);
    forget_blocks(tr, n);
    for (uint32_t k = 0; k < tr->segments[n].ntblocks; k++)
        evict(tr, &tr->tblocks[n * tr->segment_tblocks + k]);
    reset_segment(tr, n);
}

bool segment_is_empty(const struct translator *tr)
{
    return tr->segments[tr->filling].ntblocks == 0;
}

static void fill_segment(struct translator *tr, unsigned n)
{
    tr->filling = n;
    tr->cache.used = tr->segments[n].start;
    tr->cache.end = tr->segments[n].end;
}

void segment_advance(struct translator *tr)
{
    unsigned next = (tr->filling + 1) % CODE_SEGMENTS;

    empty_segment(tr, next);
    fill_segment(tr, next);
}

/* With its links: who would follow them ends, too. */
static void end_all(struct translator *tr, unsigned n)
{
    for (uint32_t k = 0; k < tr->segments[n].ntblocks; k++) {
        struct tblock *t = &tr->tblocks[n * tr->segment_tblocks + k];

        if (t->retired)
            continue;
        t->block->code = NULL;
        t->block->lost_code = true;
        t->retired = true;
        tr->stats.evicted++;
    }
}

void tblocks_flush(struct translator *tr)
{
    tr->stats.flushes++;
    tell_histories(tr);
    for (unsigned n = 0; n < CODE_SEGMENTS; n++)
        end_all(tr, n);
    for (unsigned n = 0; n < CODE_SEGMENTS; n++) {
        forget_blocks(tr, n);
        reset_segment(tr, n);
    }
    fill_segment(tr, 0);
}
