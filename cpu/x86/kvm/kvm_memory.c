/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory slots: the machine's flat view in whole pages. RAM is a slot; what is read from one place
 * and written to another, or to nowhere (ROM, shadowed ROM, flash), is a read-only slot whose
 * writes come out of KVM_RUN; the rest has no slot, and every access comes out. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/error.h"
#include "cpu/x86/kvm/kvm_internal.h"

static bool set_slot(struct kvm_engine *k, unsigned n, uint64_t size)
{
    const struct kvm_slot *s = &k->slots[n];
    struct kvm_userspace_memory_region r = {
        .slot = n,
        .flags = (s->readonly ? KVM_MEM_READONLY : 0) | (s->logged ? KVM_MEM_LOG_DIRTY_PAGES : 0),
        .guest_phys_addr = s->start,
        .memory_size = size,
        .userspace_addr = (uint64_t)(uintptr_t)(k->m->arena.host + s->arena),
    };

    return ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &r) == 0;
}

/* ---- what was stored to ---- */

static void set_dirty(struct arena *a, uint64_t page)
{
    __atomic_fetch_or(&a->page_flags[page], PAGE_DIRTY_ALL, __ATOMIC_SEQ_CST);
}

static void collect_slot(struct kvm_engine *k, unsigned n)
{
    const struct kvm_slot *s = &k->slots[n];
    uint64_t pages = s->size >> VM_PAGE_SHIFT;
    uint64_t *bits = calloc((pages + 63) / 64, sizeof(*bits));
    struct kvm_dirty_log log = {.slot = n, .dirty_bitmap = bits};

    /* Without the log all of it counts as written. */
    bool known = bits && ioctl(k->vm, KVM_GET_DIRTY_LOG, &log) == 0;
    for (uint64_t i = 0; i < pages; i++)
        if (!known || bits[i / 64] >> i % 64 & 1)
            set_dirty(&k->m->arena, (s->arena >> VM_PAGE_SHIFT) + i);
    free(bits);
}

/* All of it, where there is no log. */
static void slot_written(struct kvm_engine *k, unsigned n)
{
    const struct kvm_slot *s = &k->slots[n];

    if (!s->live || s->readonly)
        return;
    if (s->logged) {
        collect_slot(k, n);
        return;
    }
    for (uint64_t at = 0; at < s->size; at += VM_PAGE_SIZE)
        set_dirty(&k->m->arena, (s->arena + at) >> VM_PAGE_SHIFT);
}

void kvm_memory_written(struct kvm_engine *k)
{
    for (unsigned n = 0; n < k->nslots; n++)
        slot_written(k, n);
}

void kvm_memory_collect(void *opaque, uint64_t offset, uint64_t len)
{
    struct kvm_engine *k = opaque;

    for (unsigned n = 0; n < k->nslots; n++) {
        const struct kvm_slot *s = &k->slots[n];

        if (s->live && s->logged && s->arena < offset + len && offset < s->arena + s->size)
            collect_slot(k, n);
    }
}

/* ---- slots ---- */

static bool same(const struct kvm_slot *a, const struct kvm_slot *b)
{
    return a->start == b->start && a->size == b->size && a->arena == b->arena &&
           a->readonly == b->readonly;
}

/* What the map shows; marks the slots that stay and lists the others. */
struct wanted {
    struct kvm_slot *list;
    size_t n;
};

static void want(struct kvm_engine *k, struct wanted *w, const struct kvm_slot *s)
{
    for (unsigned n = 0; n < k->nslots; n++)
        if (k->slots[n].live && same(&k->slots[n], s)) {
            k->slots[n].seen = true;
            return;
        }
    w->list[w->n++] = *s;
}

/* Of RAM only while it is needed: pages are mapped one by one then. */
static bool must_log(const struct kvm_engine *k, uint64_t arena, bool readonly)
{
    return !readonly && (arena >= k->m->ram_size || k->m->arena.followers);
}

static void want_range(struct kvm_engine *k, struct wanted *w, const struct mem_range *r)
{
    uint64_t first = (r->start + VM_PAGE_SIZE - 1) & ~(uint64_t)(VM_PAGE_SIZE - 1);
    uint64_t end = (r->last + 1) & ~(uint64_t)(VM_PAGE_SIZE - 1);

    if (r->region->kind != REGION_MEMORY || first >= end)
        return;
    struct page_view view = address_space_page(&k->m->mem, first);
    if (view.read_at == ARENA_NONE)
        return;
    bool readonly = view.write_at != view.read_at;
    struct kvm_slot s = {.start = first,
                         .size = end - first,
                         .arena = view.read_at,
                         .readonly = readonly,
                         .logged = must_log(k, view.read_at, readonly),
                         .live = true,
                         .seen = true};
    want(k, w, &s);
}

static bool remove_unseen(struct kvm_engine *k)
{
    for (unsigned n = 0; n < k->nslots; n++) {
        struct kvm_slot *s = &k->slots[n];

        if (!s->live || s->seen)
            continue;
        slot_written(k, n); /* a log goes with it */
        if (!set_slot(k, n, 0))
            return false;
        s->live = false;
    }
    return true;
}

static bool add_slot(struct kvm_engine *k, const struct kvm_slot *s, struct error *err)
{
    unsigned n = 0;

    while (n < k->nslots && k->slots[n].live)
        n++;
    if (n == k->max_slots)
        return error_set(err, "KVM: the memory map needs more than the host's %u slots",
                         k->max_slots);
    if (n == k->nslots) {
        struct kvm_slot *more = realloc(k->slots, (n + 1) * sizeof(*more));
        if (!more)
            return error_set(err, "out of memory for KVM's memory slots");
        k->slots = more;
        k->nslots++;
    }
    k->slots[n] = *s;
    if (set_slot(k, n, s->size))
        return true;
    k->slots[n].live = false;
    return error_set(err, "KVM refuses a memory slot of %#llx bytes at %#llx",
                     (unsigned long long)s->size, (unsigned long long)s->start);
}

void kvm_memory_advise(struct kvm_engine *k)
{
    madvise(k->m->arena.host, k->m->arena.capacity, MADV_HUGEPAGE);
}

bool kvm_memory_update(struct kvm_engine *k, struct error *err)
{
    const struct address_space *as = &k->m->mem;
    struct wanted w = {.list = calloc(as->nflat + 1, sizeof(struct kvm_slot))};
    bool ok = w.list != NULL;

    if (!ok)
        return error_set(err, "out of memory for KVM's memory slots");
    for (unsigned n = 0; n < k->nslots; n++)
        k->slots[n].seen = false;
    for (size_t i = 0; i < as->nflat; i++)
        want_range(k, &w, &as->flat[i]);
    if (!remove_unseen(k))
        ok = error_set(err, "KVM refuses to remove a memory slot");
    for (size_t i = 0; ok && i < w.n; i++)
        ok = add_slot(k, &w.list[i], err);
    free(w.list);
    k->live_slots = 0;
    for (unsigned n = 0; n < k->nslots; n++)
        k->live_slots += k->slots[n].live;
    return ok;
}

void kvm_memory_followed(void *opaque)
{
    struct kvm_engine *k = opaque;

    for (unsigned n = 0; n < k->nslots; n++) {
        struct kvm_slot *s = &k->slots[n];
        bool logged = must_log(k, s->arena, s->readonly);

        if (!s->live || s->logged == logged)
            continue;
        slot_written(k, n); /* before is in no log, or only there */
        s->logged = logged;
        if (!set_slot(k, n, s->size))
            s->logged = !logged;
    }
}
