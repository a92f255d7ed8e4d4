/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_BLOCK_H
#define CALQUE_CPU_X86_BLOCK_H

#include "cpu/x86/cpu.h"

/* A straight run of decoded instructions: up to the first that may transfer control or change the
 * mode, the end of the page, or BLOCK_MAX. Blocks are found by where their bytes are stored (arena
 * offset) and the code mode, so every mapping of a page shares them. */
#define BLOCK_MAX 64

struct block {
    uint64_t arena; /* offset of the first byte */
    uint32_t mode;  /* enum code_mode */
    uint16_t ninsn, nbytes;
    struct block *next_in_hash;
    struct block *next_in_page, **link_in_page; /* link: what points here; NULL once retired */
    /* Where it went last, the latest first: right while the CPU's fetch_key is still `key`. */
    struct successor {
        uint64_t rip, key;
        struct block *block;
    } succ[2];
    struct insn insns[];
};

/* The block at CS:RIP, decoded now if need be. NULL: fetching it faulted (cpu->exc is set). Valid
 * until the next call. */
struct block *block_find(struct cpu *cpu);
/* The same, when the last to run was `from` and left by OP_OK or OP_BRANCH (the mode and CS stay).
 */
struct block *block_after(struct cpu *cpu, struct block *from);

#endif
