/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_BLOCK_H
#define CALQUE_CPU_X86_BLOCK_H

#include "cpu/x86/cpu.h"

/* A straight run of decoded instructions: up to the first that may transfer control or change the
 * mode, the end of the page, or BLOCK_MAX; a joined one has conditional jumps in the middle too.
 * Blocks are found by where their bytes are stored (arena offset) and the code mode, so every
 * mapping of a page shares them. An instruction that crosses the page's end is a block of its own,
 * and there may be several, with different second pages. */
#define BLOCK_MAX 64

struct block {
    uint64_t arena; /* offset of the first byte */
    uint32_t mode;  /* enum code_mode */
    uint16_t ninsn, nbytes;
    struct block *next_in_hash;
    struct block *next_in_page, **link_in_page; /* link: what points here; NULL: suspended */
    /* Where it went last, the latest first: right while the CPU's fetch_key is still `key`. */
    struct successor {
        uint64_t rip, key;
        struct block *block;
    } succ[2];
    /* Of a block on two pages: its part on the second, which is a block without instructions, for
     * the list of that page. Of that part: the block. */
    struct block *tail, *whole;
    bool discarded;
    bool marked; /* a debugger is asked before one of its instructions: see probe.h */
    /* The translator's: it failed; there was a translation; it is one of those to be translated
     * together. */
    bool untranslatable, lost_code, waiting;
    /* How often other code was found in its place. What changes often is not worth translating: it
     * has to be executed 2^changes times as often before, unchanged. */
    uint8_t changes;
    uint8_t joined;      /* blocks that were joined to it */
    uint32_t hits;       /* the translator's: executions not translated, since it changed, */
    uint32_t fell;       /* and of those, how many went on right behind it */
    struct tblock *code; /* the translator's: translations */
    struct insn insns[]; /* behind them: the bytes that they were decoded from */
};
#define BLOCK_CHANGES_MAX 8
#define BLOCK_JOIN_MAX    4 /* blocks in one */

struct tblock;

enum block_event {
    BLOCK_SUSPENDED, /* its bytes may have changed: not to be run until found again */
    BLOCK_RESUMED,   /* they have not */
    BLOCK_GONE,      /* they have, or there is no room for it; suspended before */
};
struct block_listener {
    void (*fn)(void *opaque, struct block *b, enum block_event e);
    void *opaque;
};
/* The bytes that a block was decoded from. */
const uint8_t *block_bytes(const struct block *b);
/* Who is told of what happens to blocks. NULL: nobody. */
void block_cache_listen(struct cpu *cpu, const struct block_listener *l);
/* A block that is in use (not suspended) goes to another place, where there is room for
 * block_footprint() bytes: the cache does not look after that memory, block_forget() must come
 * before it is used for something else. The old copy is as if discarded. */
size_t block_footprint(const struct block *b);
struct block *block_move(struct cpu *cpu, struct block *b, void *to);
void block_forget(struct cpu *cpu, struct block *b);
/* Bytes that decoded blocks take at most, beside a word for each page of memory. */
size_t block_cache_memory(const struct cpu *cpu);
/* The block at CS:RIP, decoded now if need be. NULL: fetching it faulted (cpu->exc is set). Valid
 * until the next call. */
struct block *block_find(struct cpu *cpu);
/* Joins a block that has no translation with those right behind it, while its conditional jump, and
 * then theirs, often enough does not jump: such a jump is then one in the middle. The new block
 * takes the place of b, which is discarded. Returns b where there is nothing to join. */
struct block *block_join(struct cpu *cpu, struct block *b);
/* The same as block_find(), when the last to run was `from` and left by OP_OK or OP_BRANCH (the
 * mode and CS stay).
 */
struct block *block_after(struct cpu *cpu, struct block *from);

#endif
