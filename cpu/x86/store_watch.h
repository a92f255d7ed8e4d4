/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_STORE_WATCH_H
#define CALQUE_CPU_X86_STORE_WATCH_H

#include "cpu/x86/cpu.h"

/* What a CPU does to memory and devices while cpu->watch points here: for running a piece of code
 * twice and comparing. In the second run devices are not asked again: it gets the answers of the
 * first, if it asks the same at the same count of instructions. While cpu->tlb_store is
 * cpu->tlb_none every store is listed in writes; otherwise those that a TLB entry answers are not,
 * but the pages of such entries are. */

struct watched_write {
    uint64_t arena;
    uint32_t len;
    uint8_t before[64];
    uint8_t after[64]; /* filled in by store_watch_undo() */
};

struct watched_page {
    struct tlb_entry *entry;
    uint64_t arena;
    uint8_t before[VM_PAGE_SIZE]; /* while `copy`: when the entry was made */
};

/* An access of a device or a port, or a look at the clock. */
struct watched_access {
    uint64_t where, value;
    int64_t budget, budget_after;
};
/* What `where` is besides an address. */
#define WATCH_WRITE (1ull << 63)
#define WATCH_PORT  (1ull << 62)
#define WATCH_CLOCK (1ull << 61)

#define WATCHED_WRITES   4096u
#define WATCHED_PAGES    64u
#define WATCHED_ACCESSES 1024u

struct store_watch {
    bool copy;                       /* keep the pages' contents */
    bool full;                       /* there was more than there is room for */
    const struct store_watch *first; /* of the first run, if this is the second */
    bool walked;                     /* a walk set flags; its entry has not been made yet */
    bool other_access;               /* the second run's accesses are others */
    unsigned nwrites, npages, naccesses;
    struct watched_access accesses[WATCHED_ACCESSES];
    struct watched_write writes[WATCHED_WRITES];
    struct watched_page pages[WATCHED_PAGES];
};

/* For mmu.c: len bytes at arena are about to be written, or an entry of a page table, to set its
 * flags; an entry for a page was made, for stores, or by a walk that set flags: it must be made
 * again after they have been taken back. */
void store_watch_write(struct store_watch *w, const uint8_t *host, uint64_t arena, unsigned len);
void store_watch_walk(struct store_watch *w, const uint8_t *host, uint64_t arena, unsigned len);
void store_watch_entry(struct store_watch *w, const uint8_t *host, struct tlb_entry *e,
                       uint64_t arena);

/* Before an access; the budget is exact. True: it is not to be made, *value (of a read) is what the
 * first run got. Otherwise call the other afterwards. */
bool store_watch_replays(struct cpu *cpu, uint64_t where, uint64_t *value);
void store_watch_accessed(struct cpu *cpu, uint64_t where, uint64_t value, int64_t budget);

/* Empties the lists, with the TLB entries listed in them. */
void store_watch_reset(struct cpu *cpu);
/* Takes back what was written, keeping it in `after`. */
void store_watch_undo(struct cpu *cpu);

#endif
