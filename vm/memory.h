/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_MEMORY_H
#define CALQUE_VM_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Address spaces (guest-physical memory, I/O ports) made of regions that may overlap.
 *
 * All bytes the machine stores (RAM, ROM, video memory) live in one memfd-backed *arena*; a memory
 * region shows a window of it. A page of the arena is identified by its offset, wherever and
 * however often the memory map shows it: keys of decoded code, dirty logs and digests use arena
 * offsets, so aliases meet and a changed map changes no key.
 *
 * Regions have a base, a size and a priority; where enabled regions overlap, the one with the
 * higher priority answers (equal: the one added later). The result is kept as a flat sorted list
 * of ranges, rebuilt when a region changes. `generation` then increases and listeners (CPUs) drop
 * what they derived from the map. */

#define VM_PAGE_SHIFT 12
#define VM_PAGE_SIZE  (1u << VM_PAGE_SHIFT)
#define ARENA_NONE    UINT64_MAX

struct log;
struct error;

struct region_ops {
    /* offset is relative to the region; size is 1, 2, 4 or 8 and within [min_size, max_size]. */
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    /* Access sizes the chip has (0 means 1 and 4). A wider access is split, low address first; a
     * narrower one reads the wider unit and takes its part, or, for a write, is widened with the
     * value shifted to its lane and zeros elsewhere. */
    uint8_t min_size, max_size;
};

/* A write of which the chip hears later just as well, and only once for several, nor does one too
 * many harm: it says that there is work (a queue's notification). An engine may keep it and let the
 * CPU go on; it is then made by ops->write() as any other. */
struct region_kick {
    uint64_t offset, value;
    uint8_t size;   /* of this size alone */
    bool any_value; /* ops->write() does not look at it; else: of this value alone */
};

enum region_kind { REGION_DEVICE, REGION_MEMORY };

struct address_space;

struct region {
    const char *name;
    enum region_kind kind;
    uint64_t base, size;
    int priority;
    bool enabled;
    /* REGION_DEVICE; with REGION_MEMORY: who answers accesses that have no arena offset */
    const struct region_ops *ops;
    void *opaque;
    /* REGION_MEMORY: arena offsets of byte 0. ARENA_NONE in read_at: reads as all ones; in
     * write_at: writes are dropped (ROM). They may differ (PAM: read ROM, write RAM). */
    uint64_t read_at, write_at;
    const struct region_kick *kicks; /* set before it is added */
    unsigned nkicks;
    /* Its writes have no effect but on what is read of the machine's devices and memory, and drawn:
     * an engine may keep them, in order, until somebody takes the machine lock. */
    bool writes_wait;
    struct address_space *space; /* set while added */
    uint64_t seq;
};

/* One piece of the flat view. */
struct mem_range {
    uint64_t start, last; /* inclusive */
    const struct region *region;
    uint64_t offset; /* of start, within the region */
};

struct address_space_listener {
    void (*changed)(void *opaque); /* the flat view changed; called with the machine lock held */
    void *opaque;
    struct address_space_listener *next;
};

/* Memory that ordinary accesses do not see and accesses of a marked kind do, over whatever the
 * regions show there (SMRAM: a processor in system management mode). Whole pages. */
struct hidden_memory {
    uint64_t start, last; /* inclusive */
    uint64_t at;          /* arena offset of start */
    bool data, code;      /* loads and stores see it; fetches do */
};

struct address_space {
    const char *name;
    uint64_t last; /* highest address: 0xffff for ports */
    struct arena *arena;
    struct log *log;
    struct region **regions;
    size_t nregions;
    struct mem_range *flat;
    size_t nflat;
    uint64_t generation;
    unsigned transaction; /* > 0: changes are collected */
    bool stale;
    uint64_t next_seq;
    struct address_space_listener *listeners;
    struct hidden_memory hidden;
    uint64_t unmapped_accesses;
};

/* ---- the arena ---- */

/* Per-page flags. A page may be stored to directly only while PAGE_DIRTY_ALL is set and PAGE_CODE
 * and PAGE_WATCH are clear; otherwise a store goes through arena_store_notify(). */
enum page_flag {
    PAGE_DIRTY_DIGEST = 1 << 0,  /* changed since the last digest */
    PAGE_DIRTY_DISPLAY = 1 << 1, /* changed since the screen was last drawn */
    PAGE_DIRTY_SAVE = 1 << 2,    /* may have changed since the last checkpoint, which has it */
    PAGE_CODE = 1 << 3,          /* code_map[page] has bits: decoded code of this page is kept */
    PAGE_WATCH = 1 << 4,         /* a debugger wants to see stores */
    PAGE_DIRTY_CAPTURE = 1 << 5, /* the save under way has it, or there is none: capture.h */
    PAGE_DIRTY_MIGRATE = 1 << 6, /* changed since it was last sent */
    PAGE_BESIDE = 1 << 7,        /* a CPU may store beside the page's code: arena_code_page() */
    PAGE_DIRTY_ALL = PAGE_DIRTY_DIGEST | PAGE_DIRTY_DISPLAY | PAGE_DIRTY_SAVE | PAGE_DIRTY_CAPTURE |
                     PAGE_DIRTY_MIGRATE,
};

/* Hears of stores to pages with PAGE_CODE. Called after the bytes are in memory, by whoever
 * stores (a vCPU, or a device under the machine lock). */
struct code_listener {
    void (*code_written)(void *opaque, uint64_t arena_offset, uint64_t len);
    /* Store permission of pages was withdrawn (code was decoded from them, or a dirty log was
     * cleared): drop cached store entries for the page, or for all if page is ARENA_NONE. */
    void (*drop_store_entries)(void *opaque, uint64_t arena_page_offset);
    void *opaque;
    struct code_listener *next;
};

/* Keeps old bytes of pages. before_store() is called before the first store to a page without
 * `flag`, by whoever stores, and sets the flag. */
struct store_keeper {
    void (*before_store)(void *opaque, uint64_t page);
    void *opaque;
    uint8_t flag;
    struct store_keeper *next; /* the arena's */
};

struct arena {
    int fd;        /* memfd */
    uint8_t *host; /* the whole arena, shared mapping */
    uint64_t size; /* bytes in use; a multiple of the page size */
    uint64_t capacity;
    uint8_t *page_flags; /* one per page */
    uint64_t *code_map;  /* one bit per 64 bytes of each page */
    struct code_listener *listeners;
    /* Not NULL: stores are made that no flag tells of yet; sets the dirty flags of those between
     * offset and offset + len. While there are keepers none are made. */
    void (*collect)(void *opaque, uint64_t offset, uint64_t len);
    void *collect_opaque;
    /* With it: there are followers now, or no more; else all memory may count as stored to. */
    void (*followed)(void *opaque);
    unsigned followers; /* arena_follow() */
    struct store_keeper *keepers;
    /* Around what must not happen while a CPU is in guest code; NULL: nothing is (exclusive.h). */
    void (*exclusive)(void *opaque, bool begin);
    void *exclusive_opaque;
    pthread_mutex_t code_mutex; /* guards code_map and PAGE_CODE together */
    uint64_t unannounced;       /* stores to such pages that a keeper was not told of: mistakes */
    bool of_file;               /* arena_map_file(): not the memfd's any more */
};

/* Reserves address space for `capacity` bytes (rounded up to pages); memory is allocated by the
 * host when touched. */
bool arena_init(struct arena *a, uint64_t capacity, struct error *err);
void arena_destroy(struct arena *a);
/* Takes the next `size` bytes (rounded up to pages), zeroed. Returns the offset or ARENA_NONE. */
uint64_t arena_alloc(struct arena *a, uint64_t size);

/* Marks bytes of one page as code that is being decoded and withdraws store permission. Call
 * before reading the bytes. True: it has waited, and others may have been in exclusive sections:
 * what was marked and read before is to be marked and read again. */
bool arena_mark_code(struct arena *a, uint64_t offset, unsigned len);
/* Forgets all code of the page (its blocks are gone). Its flag stays until somebody asks whether
 * the page may be stored to: often it has code again before, and nothing need be withdrawn. */
void arena_clear_code(struct arena *a, uint64_t page_offset);
/* Before a store of `len` bytes that does not go through a direct store entry: whoever keeps old
 * bytes does it now. Each call of arena_store_notify() has one of these before it. */
void arena_announce_store(struct arena *a, uint64_t offset, uint64_t len);
static inline void arena_before_store(struct arena *a, uint64_t offset, uint64_t len)
{
    if (__builtin_expect(a->keepers != NULL, 0))
        arena_announce_store(a, offset, len);
}
/* After a store of `len` bytes at `offset` (within one page or not) that did not go through a
 * direct store entry: sets dirty flags and calls listeners if it touched code granules. Returns
 * true if decoded code was hit. The one function every writer uses: CPU slow path, page walker,
 * descriptor accessed bits, DMA, debugger. */
bool arena_store_notify(struct arena *a, uint64_t offset, uint64_t len);
/* Gives whole pages (offset and len are multiples of VM_PAGE_SIZE) back to the host, with the
 * notifications of a store: from now on they read as zeros, and take memory again when touched. */
void arena_discard(struct arena *a, uint64_t offset, uint64_t len);
/* True if a plain store anywhere in the page needs no notification (dirty already, no code, no
 * watch); sets the dirty flags first, so that entering a store TLB entry is all that is left. */
bool arena_page_storable(struct arena *a, uint64_t page_offset);
/* The same, for a page whose dirty flags are all set; changes nothing. */
static inline bool arena_page_is_stored_to(const struct arena *a, uint64_t page_offset)
{
    uint8_t flags = __atomic_load_n(&a->page_flags[page_offset >> VM_PAGE_SHIFT], __ATOMIC_ACQUIRE);

    return (flags & (PAGE_DIRTY_ALL | PAGE_CODE | PAGE_WATCH)) == PAGE_DIRTY_ALL;
}
/* For a page with code: its word of code_map. Plain stores to bytes without a bit there need no
 * notification, until drop_store_entries() is called for all pages (sets the dirty flags first).
 * NULL: there is no code, or stores are watched. parallel: CPUs run at the same time; who looks at
 * the word stores before it ends its block, or leaves it. */
const uint64_t *arena_code_page(struct arena *a, uint64_t page_offset, bool parallel);
/* Begins and ends to tell a keeper of stores, with no flags changed: CPUs stand still. */
void arena_keep(struct arena *a, struct store_keeper *k);
void arena_unkeep(struct arena *a, struct store_keeper *k);
/* ---- all bytes anew: CPUs stand still, lock held ---- */

/* Everything is zeros (or, if the file cannot be had, `false`); memory goes back to the host. */
bool arena_clear(struct arena *a, struct error *err);
/* Shows len bytes of a file from offset (a multiple of the host's page) in place of arena bytes
 * [0, len), privately: pages are read when they are touched. The file must stay as it is. */
bool arena_map_file(struct arena *a, int fd, uint64_t offset, uint64_t len, struct error *err);
/* The bytes were changed by either of these, or by hand: sets the dirty flags of all pages, and
 * decoded code goes. */
void arena_replaced(struct arena *a);
/* False: the host never allocated memory for these bytes, they are zeros. */
bool arena_has_data(const struct arena *a, uint64_t offset, uint64_t len);
/* Clears one dirty flag on all pages and makes CPUs drop their store entries. */
void arena_clear_dirty(struct arena *a, uint8_t flag);
/* The same for one page, when CPUs have no store entries: see arena_drop_store_entries(). */
void arena_clear_page_dirty(struct arena *a, uint64_t page, uint8_t flag);
void arena_drop_store_entries(struct arena *a);
/* As arena_clear_dirty(), for `len` bytes from `offset`, both whole pages; sets the bit of each
 * page that was dirty in `pages` (bit 0: the first; the others stay) and returns true if there was
 * one. A CPU that runs meanwhile may store to such a page a little longer without its being seen:
 * who looks at the bytes takes those pages for dirty the next time, too. */
bool arena_take_dirty(struct arena *a, uint64_t offset, uint64_t len, uint8_t flag,
                      uint64_t *pages);

/* Somebody will take dirty flags again and again, or no longer does. Without, who makes stores that
 * no flag tells of may take all memory for changed. Machine lock held. */
void arena_follow(struct arena *a, bool on);

/* ---- address spaces ---- */

void address_space_init(struct address_space *as, const char *name, uint64_t last,
                        struct arena *arena, struct log *log);
void address_space_destroy(struct address_space *as);

/* Fill in a region (not added yet). */
void region_init_device(struct region *r, const char *name, uint64_t size,
                        const struct region_ops *ops, void *opaque);
void region_init_memory(struct region *r, const char *name, uint64_t size, uint64_t read_at,
                        uint64_t write_at);

/* Flash: reads show the arena until region_set_memory(r, ARENA_NONE, ARENA_NONE) makes them the
 * chip's; writes always are. */
void region_init_flash(struct region *r, const char *name, uint64_t size, uint64_t read_at,
                       const struct region_ops *ops, void *opaque);

/* Adds at base with priority and enables. The region is the caller's and must stay. */
void region_add(struct address_space *as, struct region *r, uint64_t base, int priority);
void region_remove(struct region *r);
void region_enable(struct region *r, bool enabled);
void region_move(struct region *r, uint64_t base);
void region_set_memory(struct region *r, uint64_t read_at, uint64_t write_at);
/* Several changes, one rebuild. May nest. */
void address_space_begin(struct address_space *as);
void address_space_commit(struct address_space *as);

/* What marked accesses see; a change is a change of the map. */
void address_space_set_hidden(struct address_space *as, const struct hidden_memory *hidden);

void address_space_listen(struct address_space *as, struct address_space_listener *l);

/* The range that answers at addr; NULL if unmapped. */
const struct mem_range *address_space_find(const struct address_space *as, uint64_t addr);

/* The region that shows a byte of the arena, and at which address; NULL: none does now. */
const struct region *address_space_showing(const struct address_space *as, uint64_t arena_offset,
                                           uint64_t *addr);

/* What a CPU needs of the page that holds addr (whole-page answers only). read_at/write_at are the
 * arena offsets of the page's first byte, or ARENA_NONE: then the access goes through
 * address_space_read/write. A page that is partly covered gives ARENA_NONE for both. */
struct page_view {
    uint64_t read_at, write_at;
};
struct page_view address_space_page(const struct address_space *as, uint64_t addr);
/* The same for a marked access; fetch: of code. */
struct page_view address_space_hidden_page(const struct address_space *as, uint64_t addr,
                                           bool fetch);

/* Scalar access as the CPU makes it: size 1, 2, 4 or 8; may cross ranges and pages (then bytewise
 * in address order). Little-endian value. Unmapped: all ones, counted, logged as guest_errors.
 * Stores notify the arena. Machine lock held if a device may answer. */
uint64_t address_space_read(struct address_space *as, uint64_t addr, unsigned size);
void address_space_write(struct address_space *as, uint64_t addr, uint64_t value, unsigned size);

/* Block copies: DMA, loaders, debugger. Device regions are accessed in 4-byte (then 1-byte) units;
 * unmapped parts read as all ones. write_rom also stores into ROM (loaders). */
void address_space_read_block(struct address_space *as, uint64_t addr, void *buf, size_t len);
void address_space_write_block(struct address_space *as, uint64_t addr, const void *buf,
                               size_t len);
void address_space_write_rom(struct address_space *as, uint64_t addr, const void *buf, size_t len);
/* The guest has no use for what is in [addr, addr + len): the whole pages of RAM there, which lies
 * below `ram_size` in the arena, go back to the host. Returns their bytes. Machine lock held. */
uint64_t address_space_discard(struct address_space *as, uint64_t addr, uint64_t len,
                               uint64_t ram_size);

#endif
