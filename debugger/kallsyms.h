/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_KALLSYMS_H
#define CALQUE_DEBUGGER_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names that a Linux kernel carries in its own read-only data (CONFIG_KALLSYMS), found and
 * decoded in memory. Tables, as scripts/kallsyms.c writes them, in this order up to 6.3:
 *   offsets (s32 each; or addresses), relative_base, num_syms, names, markers, token_table,
 *   token_index
 * and since 6.4 with offsets and relative_base behind token_index. Each begins at a multiple of the
 * word size. A name is its length, in one byte or two, and as many numbers of tokens; markers are
 * the places of every 256th. All of it may be anything: nothing is believed that is not checked. */

struct error;
struct symbol_table;

struct kallsyms_memory {
    size_t (*read)(void *opaque, uint64_t addr, void *buf, size_t len);
    void *opaque;
};

/* Looks through memory from start to last for the tables and adds what they say to t, not sealed.
 * False: there are none. */
bool kallsyms_find(const struct kallsyms_memory *m, uint64_t start, uint64_t last,
                   struct symbol_table *t);

#endif
