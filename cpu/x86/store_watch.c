/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/x86/store_watch.h"

#include <string.h>

#include "cpu/x86/mem.h"

void store_watch_write(struct store_watch *w, const uint8_t *host, uint64_t arena, unsigned len)
{
    for (unsigned at = 0, n; at < len; at += n) {
        n = len - at < sizeof(w->writes[0].before) ? len - at : sizeof(w->writes[0].before);
        if (w->nwrites == WATCHED_WRITES) {
            w->full = true;
            return;
        }
        struct watched_write *one = &w->writes[w->nwrites++];
        one->arena = arena + at;
        one->len = n;
        memcpy(one->before, host + arena + at, n);
    }
}

void store_watch_walk(struct store_watch *w, const uint8_t *host, uint64_t arena, unsigned len)
{
    store_watch_write(w, host, arena, len);
    w->walked = true;
}

void store_watch_entry(struct store_watch *w, const uint8_t *host, struct tlb_entry *e,
                       uint64_t arena)
{
    w->walked = false;
    if (w->npages == WATCHED_PAGES) {
        w->full = true;
        return;
    }
    struct watched_page *page = &w->pages[w->npages++];
    page->entry = e;
    page->arena = arena;
    if (w->copy)
        memcpy(page->before, host + arena, VM_PAGE_SIZE);
}

bool store_watch_replays(struct cpu *cpu, uint64_t where, uint64_t *value)
{
    struct store_watch *w = cpu->watch;

    if (!w->first)
        return false;
    const struct watched_access *a = &w->first->accesses[w->naccesses];
    if (w->other_access || w->naccesses == w->first->naccesses || a->where != where ||
        a->budget != cpu->v.budget || (where & WATCH_WRITE && a->value != *value)) {
        w->other_access = true;
        return true;
    }
    *value = a->value;
    cpu->v.budget = a->budget_after;
    w->naccesses++;
    return true;
}

void store_watch_accessed(struct cpu *cpu, uint64_t where, uint64_t value, int64_t budget)
{
    struct store_watch *w = cpu->watch;

    if (w->naccesses == WATCHED_ACCESSES) {
        w->full = true;
        return;
    }
    w->accesses[w->naccesses++] = (struct watched_access){
        .where = where, .value = value, .budget = budget, .budget_after = cpu->v.budget};
}

void store_watch_reset(struct cpu *cpu)
{
    struct store_watch *w = cpu->watch;

    if (w->full)
        tlb_drop_stores(cpu, ARENA_NONE);
    for (unsigned n = 0; n < w->npages && !w->full; n++)
        tlb_drop_entry(cpu, w->pages[n].entry);
    w->nwrites = w->npages = w->naccesses = 0;
    w->other_access = w->full = w->walked = false;
}

void store_watch_undo(struct cpu *cpu)
{
    struct store_watch *w = cpu->watch;
    uint8_t *host = cpu->v.m->arena.host;

    for (unsigned n = 0; n < w->nwrites; n++)
        memcpy(w->writes[n].after, host + w->writes[n].arena, w->writes[n].len);
    for (unsigned n = w->nwrites; n-- > 0;)
        memcpy(host + w->writes[n].arena, w->writes[n].before, w->writes[n].len);
}
