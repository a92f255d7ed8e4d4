/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address spaces: regions that may overlap, flattened to a sorted list of ranges.
 *
 * The flat view is rebuilt by a sweep: region edges cut the space into segments, and each segment
 * belongs to the highest region that covers it. With a hundred regions that is microseconds, so
 * there is no incremental update to get wrong.
 *
 * A device callback may change the map it was reached through (a PCI BAR moves): nothing here
 * keeps a pointer into the flat view across a callback. */
#include "vm/memory.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* ---- the flat view ---- */

void address_space_init(struct address_space *as, const char *name, uint64_t last,
                        struct arena *arena, struct log *log)
{
    *as = (struct address_space){.name = name, .last = last, .arena = arena, .log = log};
}

void address_space_destroy(struct address_space *as)
{
    for (size_t i = 0; i < as->nregions; i++)
        as->regions[i]->space = NULL;
    free(as->regions);
    free(as->flat);
    as->regions = NULL;
    as->flat = NULL;
    as->nregions = as->nflat = 0;
}

/* The map cannot be described without memory for it, and no caller could go on. */
static void *must_realloc(void *p, size_t n)
{
    p = realloc(p, n);
    if (!p)
        abort();
    return p;
}

static bool region_shows(const struct address_space *as, const struct region *r)
{
    return r->enabled && r->size && r->base <= as->last;
}

/* Last address of a region, cut to the space. */
static uint64_t region_last(const struct address_space *as, const struct region *r)
{
    return r->size - 1 > as->last - r->base ? as->last : r->base + (r->size - 1);
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Addresses where the answer may change, sorted; returns their number. */
static size_t collect_edges(const struct address_space *as, uint64_t *edges)
{
    size_t n = 0, unique = 0;

    for (size_t i = 0; i < as->nregions; i++) {
        const struct region *r = as->regions[i];

        if (!region_shows(as, r))
            continue;
        edges[n++] = r->base;
        if (region_last(as, r) < as->last)
            edges[n++] = region_last(as, r) + 1;
    }
    qsort(edges, n, sizeof(*edges), compare_u64);
    for (size_t i = 0; i < n; i++)
        if (!unique || edges[i] != edges[unique - 1])
            edges[unique++] = edges[i];
    return unique;
}

/* The region that answers at addr: highest priority, of equals the one added last. */
static const struct region *winner_at(const struct address_space *as, uint64_t addr)
{
    const struct region *best = NULL;

    for (size_t i = 0; i < as->nregions; i++) {
        const struct region *r = as->regions[i];

        if (!region_shows(as, r) || addr < r->base || addr > region_last(as, r))
            continue;
        if (!best || r->priority > best->priority ||
            (r->priority == best->priority && r->seq > best->seq))
            best = r;
    }
    return best;
}

static void append_range(struct address_space *as, uint64_t start, uint64_t last,
                         const struct region *r)
{
    struct mem_range *prev = as->nflat ? &as->flat[as->nflat - 1] : NULL;

    if (prev && prev->region == r && prev->last + 1 == start)
        prev->last = last;
    else
        as->flat[as->nflat++] = (struct mem_range){start, last, r, start - r->base};
}

static void rebuild(struct address_space *as)
{
    /* At most two edges a region, and one range an edge; + 1 so that the sizes are not zero. */
    uint64_t *edges = must_realloc(NULL, (2 * as->nregions + 1) * sizeof(*edges));
    size_t n = collect_edges(as, edges);

    as->flat = must_realloc(as->flat, (n + 1) * sizeof(*as->flat));
    as->nflat = 0;
    for (size_t i = 0; i < n; i++) {
        const struct region *r = winner_at(as, edges[i]);

        if (r)
            append_range(as, edges[i], i + 1 < n ? edges[i + 1] - 1 : as->last, r);
    }
    free(edges);
    as->stale = false;
    as->generation++;
    for (struct address_space_listener *l = as->listeners; l; l = l->next)
        l->changed(l->opaque);
}

static void map_changed(struct address_space *as)
{
    as->stale = true;
    if (!as->transaction)
        rebuild(as);
}

void address_space_begin(struct address_space *as)
{
    as->transaction++;
}

void address_space_commit(struct address_space *as)
{
    assert(as->transaction && "commit without begin");
    if (!--as->transaction && as->stale)
        rebuild(as);
}

void address_space_set_hidden(struct address_space *as, const struct hidden_memory *hidden)
{
    struct hidden_memory *old = &as->hidden;

    if (old->start == hidden->start && old->last == hidden->last && old->at == hidden->at &&
        old->data == hidden->data && old->code == hidden->code)
        return;
    *old = *hidden;
    map_changed(as);
}

void address_space_listen(struct address_space *as, struct address_space_listener *l)
{
    l->next = as->listeners;
    as->listeners = l;
}

/* ---- regions ---- */

void region_init_device(struct region *r, const char *name, uint64_t size,
                        const struct region_ops *ops, void *opaque)
{
    *r = (struct region){.name = name,
                         .kind = REGION_DEVICE,
                         .size = size,
                         .ops = ops,
                         .opaque = opaque,
                         .read_at = ARENA_NONE,
                         .write_at = ARENA_NONE};
}

void region_init_flash(struct region *r, const char *name, uint64_t size, uint64_t read_at,
                       const struct region_ops *ops, void *opaque)
{
    region_init_memory(r, name, size, read_at, ARENA_NONE);
    r->ops = ops;
    r->opaque = opaque;
}

void region_init_memory(struct region *r, const char *name, uint64_t size, uint64_t read_at,
                        uint64_t write_at)
{
    *r = (struct region){.name = name,
                         .kind = REGION_MEMORY,
                         .size = size,
                         .read_at = read_at,
                         .write_at = write_at};
}

static bool window_fits(const struct address_space *as, const struct region *r, uint64_t at)
{
    return at == ARENA_NONE ||
           (as->arena && at <= as->arena->capacity && r->size <= as->arena->capacity - at);
}

static void check_windows(const struct region *r)
{
    assert(window_fits(r->space, r, r->read_at) && "memory region reads outside the arena");
    assert(window_fits(r->space, r, r->write_at) && "memory region writes outside the arena");
}

void region_add(struct address_space *as, struct region *r, uint64_t base, int priority)
{
    assert(!r->space && "region is added already");
    as->regions = must_realloc(as->regions, (as->nregions + 1) * sizeof(struct region *));
    as->regions[as->nregions++] = r;
    r->space = as;
    r->base = base;
    r->priority = priority;
    r->enabled = true;
    r->seq = as->next_seq++;
    check_windows(r);
    map_changed(as);
}

void region_remove(struct region *r)
{
    struct address_space *as = r->space;
    size_t i = 0;

    if (!as)
        return;
    while (as->regions[i] != r)
        i++;
    as->nregions--;
    memmove(&as->regions[i], &as->regions[i + 1], (as->nregions - i) * sizeof(struct region *));
    r->space = NULL;
    map_changed(as);
}

void region_enable(struct region *r, bool enabled)
{
    if (r->enabled == enabled)
        return;
    r->enabled = enabled;
    if (r->space)
        map_changed(r->space);
}

void region_move(struct region *r, uint64_t base)
{
    if (r->base == base)
        return;
    r->base = base;
    if (r->space && r->enabled)
        map_changed(r->space);
}

void region_set_memory(struct region *r, uint64_t read_at, uint64_t write_at)
{
    if (r->read_at == read_at && r->write_at == write_at)
        return;
    r->read_at = read_at;
    r->write_at = write_at;
    if (!r->space)
        return;
    check_windows(r);
    if (r->enabled)
        map_changed(r->space);
}

/* ---- lookup ---- */

/* Index of the first range that ends at or after addr; nflat if there is none. */
static size_t range_from(const struct address_space *as, uint64_t addr)
{
    size_t lo = 0, hi = as->nflat;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (as->flat[mid].last < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct mem_range *address_space_find(const struct address_space *as, uint64_t addr)
{
    size_t i = range_from(as, addr);

    return i < as->nflat && as->flat[i].start <= addr ? &as->flat[i] : NULL;
}

static bool shows(const struct mem_range *r, uint64_t window, uint64_t arena_offset, uint64_t *addr)
{
    uint64_t first = window + r->offset;

    if (r->region->kind != REGION_MEMORY || window == ARENA_NONE || arena_offset < first ||
        arena_offset - first > r->last - r->start)
        return false;
    *addr = r->start + (arena_offset - first);
    return true;
}

const struct region *address_space_showing(const struct address_space *as, uint64_t arena_offset,
                                           uint64_t *addr)
{
    for (size_t i = 0; i < as->nflat; i++) {
        const struct mem_range *r = &as->flat[i];

        if (shows(r, r->region->read_at, arena_offset, addr) ||
            shows(r, r->region->write_at, arena_offset, addr))
            return r->region;
    }
    return NULL;
}

/* A window's offset of a page; a window that is not page-aligned in the arena has no pages. */
static uint64_t page_at(uint64_t window, uint64_t offset)
{
    if (window == ARENA_NONE || (window + offset) & (VM_PAGE_SIZE - 1))
        return ARENA_NONE;
    return window + offset;
}

struct page_view address_space_page(const struct address_space *as, uint64_t addr)
{
    uint64_t page = addr & ~(uint64_t)(VM_PAGE_SIZE - 1);
    const struct mem_range *r = address_space_find(as, addr);
    struct page_view none = {ARENA_NONE, ARENA_NONE};
    uint64_t offset;

    if (!r || r->region->kind != REGION_MEMORY || r->start > page ||
        r->last < page + (VM_PAGE_SIZE - 1))
        return none;
    offset = r->offset + (page - r->start);
    return (struct page_view){page_at(r->region->read_at, offset),
                              page_at(r->region->write_at, offset)};
}

struct page_view address_space_hidden_page(const struct address_space *as, uint64_t addr,
                                           bool fetch)
{
    const struct hidden_memory *h = &as->hidden;
    uint64_t page = addr & ~(uint64_t)(VM_PAGE_SIZE - 1);

    if (!(fetch ? h->code : h->data) || page < h->start || page > h->last)
        return address_space_page(as, addr);
    return (struct page_view){h->at + (page - h->start), h->at + (page - h->start)};
}

/* ---- scalar access ---- */

static uint64_t size_mask(unsigned size)
{
    return ~0ull >> (64 - 8 * size);
}

/* An aligned scalar is one host access, as on the bus; others may tear. */
static uint64_t host_load(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    if ((uintptr_t)p & (size - 1)) {
        memcpy(&v, p, size);
        return le64toh(v);
    }
    switch (size) {
    case 1:
        return *p;
    case 2:
        return le16toh(__atomic_load_n((const uint16_t *)(const void *)p, __ATOMIC_RELAXED));
    case 4:
        return le32toh(__atomic_load_n((const uint32_t *)(const void *)p, __ATOMIC_RELAXED));
    default:
        return le64toh(__atomic_load_n((const uint64_t *)(const void *)p, __ATOMIC_RELAXED));
    }
}

static void host_store(uint8_t *p, uint64_t value, unsigned size)
{
    uint64_t v = htole64(value);

    if ((uintptr_t)p & (size - 1)) {
        memcpy(p, &v, size);
        return;
    }
    switch (size) {
    case 1:
        *p = (uint8_t)value;
        break;
    case 2:
        __atomic_store_n((uint16_t *)(void *)p, htole16((uint16_t)value), __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)(void *)p, htole32((uint32_t)value), __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)(void *)p, v, __ATOMIC_RELAXED);
    }
}

static uint64_t unit_read(const struct region *r, uint64_t offset, unsigned size)
{
    return r->ops->read ? r->ops->read(r->opaque, offset, size) & size_mask(size) : size_mask(size);
}

static void unit_write(const struct region *r, uint64_t offset, uint64_t value, unsigned size)
{
    if (r->ops->write)
        r->ops->write(r->opaque, offset, value & size_mask(size), size);
}

static unsigned min_unit(const struct region *r)
{
    return r->ops->min_size ? r->ops->min_size : 1;
}

static unsigned max_unit(const struct region *r)
{
    return r->ops->max_size ? r->ops->max_size : 4;
}

/* Where an access and one of the aligned minimal units it touches meet. */
struct lane {
    unsigned in_unit, in_access, bytes;
};

static struct lane lane_of(uint64_t unit_offset, unsigned unit, uint64_t offset, unsigned size)
{
    uint64_t from = unit_offset > offset ? unit_offset : offset;
    uint64_t to = unit_offset + unit < offset + size ? unit_offset + unit : offset + size;

    return (struct lane){(unsigned)(from - unit_offset), (unsigned)(from - offset),
                         (unsigned)(to - from)};
}

/* The chip sees an access as it is made if it has that size and the access does not straddle its
 * smallest units; otherwise it sees whole smallest units. */
static uint64_t device_read(const struct region *r, uint64_t offset, unsigned size)
{
    unsigned min = min_unit(r), unit = size < max_unit(r) ? size : max_unit(r);
    uint64_t value = 0;

    if (size >= min && !(offset & (min - 1))) {
        for (unsigned i = 0; i < size; i += unit)
            value |= unit_read(r, offset + i, unit) << 8 * (i & 7);
        return value;
    }
    for (uint64_t u = offset & ~(uint64_t)(min - 1); u < offset + size; u += min) {
        struct lane l = lane_of(u, min, offset, size);
        uint64_t part = unit_read(r, u, min) >> 8 * l.in_unit;

        value |= (part & size_mask(l.bytes)) << 8 * l.in_access;
    }
    return value;
}

static void device_write(const struct region *r, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned min = min_unit(r), unit = size < max_unit(r) ? size : max_unit(r);

    if (size >= min && !(offset & (min - 1))) {
        for (unsigned i = 0; i < size; i += unit)
            unit_write(r, offset + i, value >> 8 * i, unit);
        return;
    }
    for (uint64_t u = offset & ~(uint64_t)(min - 1); u < offset + size; u += min) {
        struct lane l = lane_of(u, min, offset, size);
        uint64_t part = (value >> 8 * l.in_access) & size_mask(l.bytes);

        unit_write(r, u, part << 8 * l.in_unit, min);
    }
}

static void count_unmapped(struct address_space *as, const char *what, uint64_t addr, unsigned size)
{
    __atomic_fetch_add(&as->unmapped_accesses, 1, __ATOMIC_RELAXED);
    if (as->log && log_on(as->log, LOG_GUEST_ERRORS))
        log_line(as->log, LOG_GUEST_ERRORS, "%s: unmapped %s at 0x%llx size %u", as->name, what,
                 (unsigned long long)addr, size);
}

/* Its chip is asked, as there is no memory for this kind of access. */
static bool chip_reads(const struct region *r)
{
    return r->kind == REGION_DEVICE || (r->ops && r->read_at == ARENA_NONE);
}

static bool chip_writes(const struct region *r)
{
    return r->kind == REGION_DEVICE || (r->ops && r->write_at == ARENA_NONE);
}

static uint64_t range_read(struct address_space *as, const struct mem_range *m, uint64_t addr,
                           unsigned size)
{
    const struct region *r = m->region;
    uint64_t offset = m->offset + (addr - m->start);

    if (chip_reads(r))
        return device_read(r, offset, size);
    if (r->read_at == ARENA_NONE)
        return size_mask(size);
    return host_load(as->arena->host + r->read_at + offset, size);
}

static void range_write(struct address_space *as, const struct mem_range *m, uint64_t addr,
                        uint64_t value, unsigned size)
{
    const struct region *r = m->region;
    uint64_t offset = m->offset + (addr - m->start);

    if (chip_writes(r)) {
        device_write(r, offset, value, size);
    } else if (r->write_at != ARENA_NONE) {
        arena_before_store(as->arena, r->write_at + offset, size);
        host_store(as->arena->host + r->write_at + offset, value, size);
        arena_store_notify(as->arena, r->write_at + offset, size);
    }
}

/* How one access lies in the flat view: within *m, wholly unmapped (*m NULL), or neither: false. */
static bool access_is_whole(const struct address_space *as, uint64_t addr, unsigned size,
                            const struct mem_range **m)
{
    size_t i = range_from(as, addr);
    const struct mem_range *r = i < as->nflat ? &as->flat[i] : NULL;

    *m = NULL;
    if (!r)
        return addr + (size - 1) >= addr; /* at the top of 64 bits it wraps to address 0 */
    if (r->start > addr)
        return r->start - addr >= size;
    *m = r;
    return r->last - addr >= size - 1;
}

uint64_t address_space_read(struct address_space *as, uint64_t addr, unsigned size)
{
    const struct mem_range *m;
    uint64_t value = 0;

    if (!access_is_whole(as, addr, size, &m)) {
        for (unsigned i = 0; i < size; i++)
            value |= address_space_read(as, addr + i, 1) << 8 * i;
        return value;
    }
    if (m)
        return range_read(as, m, addr, size);
    count_unmapped(as, "read", addr, size);
    return size_mask(size);
}

void address_space_write(struct address_space *as, uint64_t addr, uint64_t value, unsigned size)
{
    const struct mem_range *m;

    if (!access_is_whole(as, addr, size, &m)) {
        for (unsigned i = 0; i < size; i++)
            address_space_write(as, addr + i, value >> 8 * i, 1);
        return;
    }
    if (m)
        range_write(as, m, addr, value, size);
    else
        count_unmapped(as, "write", addr, size);
}

/* ---- blocks ---- */

/* One step of a block copy: the longest run from addr, at most len, that one range answers in one
 * way. Devices are stepped in single units, because each may change the map. */
static size_t block_step(const struct address_space *as, uint64_t addr, size_t len,
                         const struct mem_range **m)
{
    size_t i = range_from(as, addr);
    const struct mem_range *r = i < as->nflat ? &as->flat[i] : NULL;
    uint64_t room;

    *m = NULL;
    if (!r)
        return addr + (len - 1) >= addr ? len : (size_t)(0 - addr);
    if (r->start > addr) {
        room = r->start - addr;
        return room < len ? (size_t)room : len;
    }
    *m = r;
    room = r->last - addr;
    if (room < len - 1)
        len = (size_t)room + 1;
    if (chip_reads(r->region) || chip_writes(r->region))
        return len >= 4 ? 4 : 1;
    return len;
}

static void read_step(struct address_space *as, const struct mem_range *m, uint64_t addr,
                      uint8_t *to, size_t n)
{
    const struct region *r = m->region;
    uint64_t offset = m->offset + (addr - m->start), v;

    if (chip_reads(r)) {
        v = htole64(device_read(r, offset, (unsigned)n));
        memcpy(to, &v, n);
    } else if (r->read_at == ARENA_NONE) {
        memset(to, 0xff, n);
    } else {
        memcpy(to, as->arena->host + r->read_at + offset, n);
    }
}

void address_space_read_block(struct address_space *as, uint64_t addr, void *buf, size_t len)
{
    uint8_t *to = buf;

    while (len) {
        const struct mem_range *m;
        size_t n = block_step(as, addr, len, &m);

        if (m) {
            read_step(as, m, addr, to, n);
        } else {
            count_unmapped(as, "block read", addr, (unsigned)n);
            memset(to, 0xff, n);
        }
        addr += n;
        to += n;
        len -= n;
    }
}

static void write_step(struct address_space *as, const struct mem_range *m, uint64_t addr,
                       const uint8_t *from, size_t n, bool rom)
{
    const struct region *r = m->region;
    uint64_t offset = m->offset + (addr - m->start), v = 0, at = r->write_at;

    if (chip_writes(r) && !(rom && r->kind == REGION_MEMORY && r->read_at != ARENA_NONE)) {
        memcpy(&v, from, n);
        device_write(r, offset, le64toh(v), (unsigned)n);
        return;
    }
    /* A loader means the bytes that are read here, also where a shadow takes the writes. */
    if (rom && r->read_at != ARENA_NONE)
        at = r->read_at;
    if (at == ARENA_NONE)
        return;
    arena_before_store(as->arena, at + offset, n);
    memcpy(as->arena->host + at + offset, from, n);
    arena_store_notify(as->arena, at + offset, n);
}

static void write_block(struct address_space *as, uint64_t addr, const void *buf, size_t len,
                        bool rom)
{
    const uint8_t *from = buf;

    while (len) {
        const struct mem_range *m;
        size_t n = block_step(as, addr, len, &m);

        if (m)
            write_step(as, m, addr, from, n, rom);
        else
            count_unmapped(as, "block write", addr, (unsigned)n);
        addr += n;
        from += n;
        len -= n;
    }
}

void address_space_write_block(struct address_space *as, uint64_t addr, const void *buf, size_t len)
{
    write_block(as, addr, buf, len, false);
}

void address_space_write_rom(struct address_space *as, uint64_t addr, const void *buf, size_t len)
{
    write_block(as, addr, buf, len, true);
}
