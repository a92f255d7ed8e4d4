/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy on write. A page without PAGE_DIRTY_SAVE is as it was at the newest checkpoint; before the
 * first store to it the arena's keeper puts its bytes into that checkpoint and sets the flag. A new
 * checkpoint clears the flags of the pages that the last one got, and of no others. */
#include "vm/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "vm/machine.h"

static bool is_zero(const uint8_t *p)
{
    return !p[0] && memcmp(p, p + 1, VM_PAGE_SIZE - 1) == 0;
}

/* ---- pages ---- */

static bool add_page(struct checkpoints *cs, struct checkpoint *c, uint64_t page)
{
    const uint8_t *bytes = cs->m->arena.host + (page << VM_PAGE_SHIFT);
    uint8_t *data = NULL;

    if (c->npages == c->capacity) {
        size_t n = c->capacity ? 2 * c->capacity : 64;
        struct checkpoint_page *pages = realloc(c->pages, n * sizeof(*pages));

        if (!pages)
            return false;
        cs->bytes += (n - c->capacity) * sizeof(*pages);
        c->pages = pages;
        c->capacity = n;
    }
    if (!is_zero(bytes)) {
        data = malloc(VM_PAGE_SIZE);
        if (!data)
            return false;
        memcpy(data, bytes, VM_PAGE_SIZE);
        cs->bytes += VM_PAGE_SIZE;
    }
    c->pages[c->npages++] = (struct checkpoint_page){page, data};
    return true;
}

/* store_keeper.before_store: any thread. */
static void keep_page(void *opaque, uint64_t page)
{
    struct checkpoints *cs = opaque;
    uint8_t *flags = &cs->m->arena.page_flags[page];

    pthread_mutex_lock(&cs->mutex);
    if (!(__atomic_load_n(flags, __ATOMIC_ACQUIRE) & PAGE_DIRTY_SAVE)) {
        if (cs->newest && !cs->failed)
            cs->failed = !add_page(cs, cs->newest, page);
        __atomic_fetch_or(flags, PAGE_DIRTY_SAVE, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&cs->mutex);
}

static void clear_flags(struct checkpoints *cs, const struct checkpoint *c)
{
    for (size_t i = 0; i < c->npages; i++)
        arena_clear_page_dirty(&cs->m->arena, c->pages[i].page, PAGE_DIRTY_SAVE);
}

static int by_page(const void *a, const void *b)
{
    const struct checkpoint_page *x = a, *y = b;

    return x->page < y->page ? -1 : x->page > y->page;
}

static void sort_pages(struct checkpoint *c)
{
    if (c->npages)
        qsort(c->pages, c->npages, sizeof(*c->pages), by_page);
}

static void free_page(struct checkpoints *cs, struct checkpoint_page *p)
{
    if (p->data)
        cs->bytes -= VM_PAGE_SIZE;
    free(p->data);
    p->data = NULL;
}

static void free_pages(struct checkpoints *cs, struct checkpoint *c)
{
    for (size_t i = 0; i < c->npages; i++)
        free_page(cs, &c->pages[i]);
    cs->bytes -= c->capacity * sizeof(*c->pages);
    free(c->pages);
    c->pages = NULL;
    c->npages = c->capacity = 0;
}

/* ---- the list ---- */

static void unlink_checkpoint(struct checkpoints *cs, struct checkpoint *c)
{
    if (c->older)
        c->older->newer = c->newer;
    if (c->newer)
        c->newer->older = c->older;
    if (cs->oldest == c)
        cs->oldest = c->newer;
    if (cs->newest == c)
        cs->newest = c->older;
    cs->count--;
}

static void drop(struct checkpoints *cs, struct checkpoint *c)
{
    unlink_checkpoint(cs, c);
    free_pages(cs, c);
    cs->bytes -= c->state.capacity + sizeof(*c);
    state_stream_free(&c->state);
    free(c);
}

struct checkpoints *checkpoints_new(struct machine *m)
{
    struct checkpoints *cs = calloc(1, sizeof(*cs));

    if (!cs)
        return NULL;
    cs->m = m;
    pthread_mutex_init(&cs->mutex, NULL);
    arena_clear_dirty(&m->arena, PAGE_DIRTY_SAVE);
    cs->keeper = (struct store_keeper){keep_page, cs, PAGE_DIRTY_SAVE, NULL};
    arena_keep(&m->arena, &cs->keeper);
    return cs;
}

void checkpoints_free(struct checkpoints *cs)
{
    if (!cs)
        return;
    arena_unkeep(&cs->m->arena, &cs->keeper);
    while (cs->newest)
        drop(cs, cs->newest);
    pthread_mutex_destroy(&cs->mutex);
    free(cs);
}

/* Pages could not be kept: nothing can be undone any more. */
static void begin_anew(struct checkpoints *cs)
{
    while (cs->newest)
        drop(cs, cs->newest);
    arena_clear_dirty(&cs->m->arena, PAGE_DIRTY_SAVE);
    cs->failed = false;
}

struct checkpoint *checkpoint_take(struct checkpoints *cs)
{
    struct machine *m = cs->m;
    struct checkpoint *c = calloc(1, sizeof(*c));

    /* May change memory, which is the last checkpoint's then. */
    if (!c || !machine_save(m, &c->state)) {
        if (c)
            state_stream_free(&c->state);
        free(c);
        return NULL;
    }
    if (cs->failed) {
        begin_anew(cs);
    } else if (cs->newest) {
        clear_flags(cs, cs->newest);
        sort_pages(cs->newest);
    }
    c->insns = machine_retired(m);
    c->ns = vm_clock_now(&m->clock);
    c->older = cs->newest;
    *(cs->newest ? &cs->newest->newer : &cs->oldest) = c;
    cs->newest = c;
    cs->count++;
    cs->bytes += c->state.capacity + sizeof(*c);
    arena_drop_store_entries(&m->arena);
    return c;
}

/* ---- going back ---- */

static void undo_pages(struct checkpoints *cs, struct checkpoint *c)
{
    struct arena *a = &cs->m->arena;

    for (size_t i = 0; i < c->npages; i++) {
        uint8_t *to = a->host + (c->pages[i].page << VM_PAGE_SHIFT);

        if (c->pages[i].data)
            memcpy(to, c->pages[i].data, VM_PAGE_SIZE);
        else
            memset(to, 0, VM_PAGE_SIZE);
        arena_store_notify(a, c->pages[i].page << VM_PAGE_SHIFT, VM_PAGE_SIZE);
    }
}

/* All the pages that any of them has are dirty now, and as they were at c. */
static void undo(struct checkpoints *cs, struct checkpoint *to)
{
    struct arena *a = &cs->m->arena;

    for (struct checkpoint *c = cs->newest;; c = cs->newest) {
        undo_pages(cs, c);
        clear_flags(cs, c);
        if (c == to)
            break;
        drop(cs, c);
    }
    free_pages(cs, to);
    arena_drop_store_entries(a);
}

bool checkpoint_restore(struct checkpoints *cs, struct checkpoint *c, struct error *err)
{
    /* What is under way must not come to its end in another time. */
    devices_pre_save(cs->m);
    arena_unkeep(&cs->m->arena, &cs->keeper);
    undo(cs, c);
    arena_keep(&cs->m->arena, &cs->keeper);
    c->state.pos = 0;
    return machine_load(cs->m, &c->state, err);
}

/* ---- thinning ---- */

/* Both are sorted. What `older` has is older, and stays. */
static bool merge_pages(struct checkpoints *cs, struct checkpoint *older, struct checkpoint *c)
{
    size_t n = older->npages + c->npages, i = 0, k = 0, out = 0;
    struct checkpoint_page *all = malloc((n ? n : 1) * sizeof(*all));

    if (!all)
        return false;
    while (i < older->npages || k < c->npages) {
        int order = i == older->npages ? 1
                    : k == c->npages   ? -1
                                       : by_page(&older->pages[i], &c->pages[k]);

        if (order == 0)
            free_page(cs, &c->pages[k++]);
        all[out++] = order <= 0 ? older->pages[i++] : c->pages[k++];
    }
    cs->bytes += n * sizeof(*all);
    cs->bytes -= (older->capacity + c->capacity) * sizeof(*all);
    free(older->pages);
    free(c->pages);
    older->pages = all;
    older->npages = out;
    older->capacity = n;
    c->pages = NULL;
    c->npages = c->capacity = 0;
    return true;
}

void checkpoint_remove(struct checkpoints *cs, struct checkpoint *c)
{
    pthread_mutex_lock(&cs->mutex);
    if (!c->newer)
        sort_pages(c);
    if (!c->older || merge_pages(cs, c->older, c))
        drop(cs, c);
    pthread_mutex_unlock(&cs->mutex);
}

void checkpoint_forget_older(struct checkpoints *cs, struct checkpoint *c)
{
    while (cs->oldest != c)
        drop(cs, cs->oldest);
}

/* The one whose neighbours are closest to each other, for their age. */
static struct checkpoint *least_missed(const struct checkpoints *cs)
{
    struct checkpoint *best = NULL;
    double least = 0;

    for (struct checkpoint *c = cs->oldest->newer; c && c->newer; c = c->newer) {
        double age = (double)(cs->newest->insns - c->insns) + 1;
        double gap = (double)(c->newer->insns - c->older->insns) / age;

        if (!best || gap < least) {
            best = c;
            least = gap;
        }
    }
    return best;
}

void checkpoints_thin(struct checkpoints *cs, uint64_t bytes, unsigned count)
{
    while (cs->bytes > bytes || cs->count > count) {
        struct checkpoint *c;
        uint64_t before = cs->bytes;
        unsigned was = cs->count;

        if (cs->count < 3)
            break;
        /* Merging keeps most pages. Where that is not enough the oldest have to go. */
        c = cs->count > count || cs->count > 16 ? least_missed(cs) : NULL;
        if (c)
            checkpoint_remove(cs, c);
        else
            drop(cs, cs->oldest);
        if (cs->bytes >= before && cs->count == was)
            break;
    }
}

/* ---- questions ---- */

struct checkpoint *checkpoint_before(const struct checkpoints *cs, uint64_t insns)
{
    struct checkpoint *c = cs->newest;

    while (c && c->insns > insns)
        c = c->older;
    return c;
}

bool checkpoint_changed(struct checkpoints *cs, const struct checkpoint *c, uint64_t arena,
                        uint64_t len)
{
    uint64_t first = arena >> VM_PAGE_SHIFT, last = (arena + (len ? len - 1 : 0)) >> VM_PAGE_SHIFT;
    bool found = false;

    pthread_mutex_lock(&cs->mutex);
    for (size_t i = 0; i < c->npages && !found; i++)
        found = c->pages[i].page >= first && c->pages[i].page <= last;
    pthread_mutex_unlock(&cs->mutex);
    return found;
}
