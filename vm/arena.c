/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arena: one shared mapping that holds every byte the machine stores, with flags per page and
 * a map of 64-byte granules that hold decoded code.
 *
 * Flags and code map are read and written by vCPU threads without the machine lock and by devices
 * with it, so all access is atomic. The order that matters: arena_mark_code() publishes the code
 * bits before it withdraws store entries, and a writer looks at them after its bytes are stored. */
#include "vm/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

#define GRANULE_SHIFT 6
#define ARENA_MAX     (1ull << 47) /* what a host maps; bounds the depth of the digest tree */

static uint64_t round_to_page(uint64_t n)
{
    return (n + VM_PAGE_SIZE - 1) & ~(uint64_t)(VM_PAGE_SIZE - 1);
}

static bool arena_map(struct arena *a, struct error *err)
{
    void *p;

    a->fd = memfd_create("calque-arena", MFD_CLOEXEC);
    if (a->fd < 0)
        return error_set(err, "guest memory: memfd_create: %s", strerror(errno));
    if (ftruncate(a->fd, (off_t)a->capacity) < 0)
        return error_set(err, "guest memory: cannot size to %llu bytes: %s",
                         (unsigned long long)a->capacity, strerror(errno));
    p = mmap(NULL, a->capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, a->fd, 0);
    if (p == MAP_FAILED)
        return error_set(err, "guest memory: cannot map %llu bytes: %s",
                         (unsigned long long)a->capacity, strerror(errno));
    a->host = p;
    return true;
}

bool arena_init(struct arena *a, uint64_t capacity, struct error *err)
{
    size_t pages;

    memset(a, 0, sizeof(*a));
    pthread_mutex_init(&a->code_mutex, NULL);
    a->fd = -1;
    if (capacity > ARENA_MAX)
        return error_set(err, "guest memory: %llu bytes is more than can be mapped",
                         (unsigned long long)capacity);
    a->capacity = capacity ? round_to_page(capacity) : VM_PAGE_SIZE;
    if (!arena_map(a, err)) {
        arena_destroy(a);
        return false;
    }
    /* Large callocs are fresh zero mappings: nothing is allocated for pages never used. The flags
     * are padded so that the digest may scan them 64 pages at a time. */
    pages = ((a->capacity >> VM_PAGE_SHIFT) + 63) & ~(size_t)63;
    a->page_flags = calloc(pages, sizeof(*a->page_flags));
    a->code_map = calloc(pages, sizeof(*a->code_map));
    if (!a->page_flags || !a->code_map) {
        arena_destroy(a);
        return error_set(err, "guest memory: no host memory for the page flags");
    }
    return true;
}

void arena_destroy(struct arena *a)
{
    if (a->host)
        munmap(a->host, a->capacity);
    if (a->fd >= 0)
        close(a->fd);
    free(a->page_flags);
    free(a->code_map);
    pthread_mutex_destroy(&a->code_mutex);
    memset(a, 0, sizeof(*a));
    a->fd = -1;
}

uint64_t arena_alloc(struct arena *a, uint64_t size)
{
    uint64_t at = a->size;

    if (size > a->capacity || round_to_page(size) > a->capacity - a->size)
        return ARENA_NONE;
    a->size += round_to_page(size);
    return at;
}

/* The granule bits of bytes [offset, offset + len) of one page. */
static uint64_t granules(uint64_t offset, uint64_t len)
{
    unsigned first = (offset & (VM_PAGE_SIZE - 1)) >> GRANULE_SHIFT;
    unsigned last = ((offset & (VM_PAGE_SIZE - 1)) + len - 1) >> GRANULE_SHIFT;

    return (~0ull >> (63 - (last > 63 ? 63 : last))) & (~0ull << first);
}

static void drop_store_entries(struct arena *a, uint64_t page_offset)
{
    for (struct code_listener *l = a->listeners; l; l = l->next)
        l->drop_store_entries(l->opaque, page_offset);
}

static void exclusive(struct arena *a, bool begin)
{
    if (a->exclusive)
        a->exclusive(a->exclusive_opaque, begin);
}

/* A store may be between a look and memory: at its entry, where this is the first code on the page;
 * at code_map, if a CPU stores beside code. It would not be seen, so it is waited for. All others
 * look at code_map after they are made. */
bool arena_mark_code(struct arena *a, uint64_t offset, unsigned len)
{
    uint64_t page = offset >> VM_PAGE_SHIFT, marks, had;
    uint8_t flags;

    if (!len || offset >= a->capacity)
        return false;
    marks = granules(offset, len);
    pthread_mutex_lock(&a->code_mutex);
    had = __atomic_fetch_or(&a->code_map[page], marks, __ATOMIC_SEQ_CST);
    flags = __atomic_fetch_or(&a->page_flags[page], PAGE_CODE, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&a->code_mutex);
    if (flags & PAGE_CODE && (!(flags & PAGE_BESIDE) || !(marks & ~had)))
        return false;
    exclusive(a, true);
    /* lest they be gone again */
    __atomic_fetch_or(&a->code_map[page], marks, __ATOMIC_SEQ_CST);
    flags &= __atomic_fetch_or(&a->page_flags[page], PAGE_CODE, __ATOMIC_SEQ_CST);
    if (!(flags & PAGE_CODE)) {
        __atomic_fetch_and(&a->page_flags[page], (uint8_t)~PAGE_BESIDE, __ATOMIC_SEQ_CST);
        drop_store_entries(a, page << VM_PAGE_SHIFT);
    }
    exclusive(a, false);
    return true;
}

void arena_clear_code(struct arena *a, uint64_t page_offset)
{
    uint64_t page = page_offset >> VM_PAGE_SHIFT;

    if (page_offset >= a->capacity)
        return;
    __atomic_store_n(&a->code_map[page], 0, __ATOMIC_SEQ_CST);
}

static void announce_page(struct arena *a, uint64_t page)
{
    for (struct store_keeper *k = a->keepers; k; k = k->next)
        if (!(__atomic_load_n(&a->page_flags[page], __ATOMIC_ACQUIRE) & k->flag))
            k->before_store(k->opaque, page);
}

void arena_announce_store(struct arena *a, uint64_t offset, uint64_t len)
{
    if (!len || offset >= a->capacity)
        return;
    len = len < a->capacity - offset ? len : a->capacity - offset;
    for (uint64_t page = offset >> VM_PAGE_SHIFT; page <= (offset + len - 1) >> VM_PAGE_SHIFT;
         page++)
        announce_page(a, page);
}

void arena_keep(struct arena *a, struct store_keeper *k)
{
    k->next = a->keepers;
    a->keepers = k;
}

void arena_unkeep(struct arena *a, struct store_keeper *k)
{
    struct store_keeper **at = &a->keepers;

    while (*at && *at != k)
        at = &(*at)->next;
    if (*at)
        *at = k->next;
}

/* Sets the dirty flags; returns all flags as they were. The usual case only reads. */
static uint8_t set_dirty(struct arena *a, uint64_t page)
{
    uint8_t flags = __atomic_load_n(&a->page_flags[page], __ATOMIC_ACQUIRE);

    if ((flags & PAGE_DIRTY_ALL) == PAGE_DIRTY_ALL)
        return flags;
    for (const struct store_keeper *k = a->keepers; k; k = k->next)
        a->unannounced += !(flags & k->flag);
    flags = __atomic_fetch_or(&a->page_flags[page], PAGE_DIRTY_ALL, __ATOMIC_SEQ_CST);
    return flags;
}

/* The part of arena_store_notify() that lies in one page. */
static bool page_stored(struct arena *a, uint64_t offset, uint64_t len)
{
    uint64_t page = offset >> VM_PAGE_SHIFT;

    if (!(set_dirty(a, page) & PAGE_CODE))
        return false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the store comes before the look */
    if (!(__atomic_load_n(&a->code_map[page], __ATOMIC_ACQUIRE) & granules(offset, len)))
        return false;
    exclusive(a, true);
    for (struct code_listener *l = a->listeners; l; l = l->next)
        l->code_written(l->opaque, offset, len);
    exclusive(a, false);
    return true;
}

bool arena_store_notify(struct arena *a, uint64_t offset, uint64_t len)
{
    bool hit = false;

    if (offset >= a->capacity)
        return false;
    if (len > a->capacity - offset)
        len = a->capacity - offset;
    while (len) {
        uint64_t n = VM_PAGE_SIZE - (offset & (VM_PAGE_SIZE - 1));

        if (n > len)
            n = len;
        hit |= page_stored(a, offset, n);
        offset += n;
        len -= n;
    }
    return hit;
}

/* A host that cannot make holes keeps zeros, and so does memory that is a file's. */
void arena_discard(struct arena *a, uint64_t offset, uint64_t len)
{
    if (offset >= a->size || len > a->size - offset || !len)
        return;
    arena_before_store(a, offset, len);
    if (a->of_file ||
        fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len))
        memset(a->host + offset, 0, len);
    arena_store_notify(a, offset, len);
}

/* A page whose code is all gone is no page with code any more. */
static void reconsider_code(struct arena *a, uint64_t page)
{
    pthread_mutex_lock(&a->code_mutex);
    if (!__atomic_load_n(&a->code_map[page], __ATOMIC_SEQ_CST))
        __atomic_fetch_and(&a->page_flags[page], (uint8_t)~PAGE_CODE, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&a->code_mutex);
}

const uint64_t *arena_code_page(struct arena *a, uint64_t page_offset, bool parallel)
{
    uint64_t page = page_offset >> VM_PAGE_SHIFT;

    if (page_offset >= a->capacity)
        return NULL;
    if ((__atomic_load_n(&a->page_flags[page], __ATOMIC_ACQUIRE) & (PAGE_CODE | PAGE_WATCH)) !=
        PAGE_CODE)
        return NULL;
    announce_page(a, page);
    set_dirty(a, page);
    if (parallel)
        __atomic_fetch_or(&a->page_flags[page], PAGE_BESIDE, __ATOMIC_SEQ_CST);
    return &a->code_map[page];
}

bool arena_page_storable(struct arena *a, uint64_t page_offset)
{
    uint64_t page = page_offset >> VM_PAGE_SHIFT;

    if (page_offset >= a->capacity)
        return false;
    if (__atomic_load_n(&a->page_flags[page], __ATOMIC_ACQUIRE) & PAGE_CODE &&
        !__atomic_load_n(&a->code_map[page], __ATOMIC_ACQUIRE))
        reconsider_code(a, page);
    /* A page with code is not made dirty here: each of its stores is notified anyway. */
    if (__atomic_load_n(&a->page_flags[page], __ATOMIC_ACQUIRE) & (PAGE_CODE | PAGE_WATCH))
        return false;
    announce_page(a, page);
    return !(set_dirty(a, page) & (PAGE_CODE | PAGE_WATCH));
}

void arena_clear_page_dirty(struct arena *a, uint64_t page, uint8_t flag)
{
    __atomic_fetch_and(&a->page_flags[page], (uint8_t) ~(flag & PAGE_DIRTY_ALL), __ATOMIC_SEQ_CST);
}

void arena_drop_store_entries(struct arena *a)
{
    drop_store_entries(a, ARENA_NONE);
}

void arena_follow(struct arena *a, bool on)
{
    bool before = a->followers > 0;

    a->followers += on ? 1 : -1u;
    if (a->followed && before != (a->followers > 0))
        a->followed(a->collect_opaque);
}

/* Eight pages at a time: a save begins with this. The flags are padded to that. */
void arena_clear_dirty(struct arena *a, uint8_t flag)
{
    uint64_t words = ((a->capacity >> VM_PAGE_SHIFT) + 7) / 8;
    uint64_t *all = (uint64_t *)(void *)a->page_flags;
    uint64_t mask = 0x0101010101010101ull * (flag & PAGE_DIRTY_ALL);

    if (a->collect)
        a->collect(a->collect_opaque, 0, a->capacity);
    for (uint64_t i = 0; i < words; i++)
        if (__atomic_load_n(&all[i], __ATOMIC_RELAXED) & mask)
            __atomic_fetch_and(&all[i], ~mask, __ATOMIC_SEQ_CST);
    drop_store_entries(a, ARENA_NONE);
}

bool arena_take_dirty(struct arena *a, uint64_t offset, uint64_t len, uint8_t flag, uint64_t *pages)
{
    uint64_t first = offset >> VM_PAGE_SHIFT, count = len >> VM_PAGE_SHIFT;
    bool any = false;

    if (a->collect)
        a->collect(a->collect_opaque, offset, len);
    for (uint64_t i = 0; i < count && first + i < a->capacity >> VM_PAGE_SHIFT; i++) {
        uint8_t *flags = &a->page_flags[first + i];

        if (!(__atomic_load_n(flags, __ATOMIC_RELAXED) & flag))
            continue;
        __atomic_fetch_and(flags, (uint8_t) ~(flag & PAGE_DIRTY_ALL), __ATOMIC_SEQ_CST);
        pages[i / 64] |= 1ull << i % 64;
        any = true;
    }
    if (any)
        drop_store_entries(a, ARENA_NONE);
    return any;
}

/* ---- all bytes anew ---- */

static bool map_at(struct arena *a, uint64_t len, int flags, int fd, uint64_t offset)
{
    return mmap(a->host, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_NORESERVE | flags, fd,
                (off_t)offset) == a->host;
}

bool arena_clear(struct arena *a, struct error *err)
{
    if (a->of_file ||
        fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)a->capacity) != 0 ||
        (a->of_file && !map_at(a, a->capacity, MAP_SHARED, a->fd, 0)))
        return error_set(err, "guest memory: cannot be emptied: %s", strerror(errno));
    a->of_file = false;
    return true;
}

bool arena_map_file(struct arena *a, int fd, uint64_t offset, uint64_t len, struct error *err)
{
    if (!map_at(a, len, MAP_PRIVATE, fd, offset))
        return error_set(err, "guest memory: the file cannot be mapped: %s", strerror(errno));
    a->of_file = true;
    return true;
}

void arena_replaced(struct arena *a)
{
    uint64_t pages = a->capacity >> VM_PAGE_SHIFT;

    for (uint64_t i = 0; i < pages; i++) {
        __atomic_fetch_or(&a->page_flags[i], PAGE_DIRTY_ALL, __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&a->code_map[i], __ATOMIC_ACQUIRE))
            continue;
        for (struct code_listener *l = a->listeners; l; l = l->next)
            l->code_written(l->opaque, i << VM_PAGE_SHIFT, VM_PAGE_SIZE);
    }
    drop_store_entries(a, ARENA_NONE);
}

bool arena_has_data(const struct arena *a, uint64_t offset, uint64_t len)
{
    off_t at = a->of_file ? 0 : lseek(a->fd, (off_t)offset, SEEK_DATA);

    return a->of_file || (at < 0 ? errno != ENXIO : (uint64_t)at < offset + len);
}
