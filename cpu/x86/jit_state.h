/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_JIT_STATE_H
#define CALQUE_CPU_X86_JIT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/x86/probe_program.h"

/* What translated code keeps in a CPU: it addresses struct cpu through one register, so its own
 * words are part of it. None of it is architectural: all may be dropped at any instruction
 * boundary outside translated code. */

struct cpu;
struct lockstep;
struct translator;

#define JUMP_CACHE_BITS 14
#define CODE_PAGE_BITS  13

/* Where an indirect transfer goes: tag is pc ^ mode_tag. */
struct jump_cache_entry {
    uint64_t tag;
    const uint8_t *code;
};

/* A translation was entered, by its number, with this CS. */
struct jit_note {
    uint32_t tblock;
    uint16_t cs;
};
#define JIT_NOTES 256u /* the number of the next is cut to a byte */

/* Words of code_page that were filled since the last flush. n beyond the size: not all are listed.
 */
struct page_log {
    uint16_t n, word[1024];
};

static inline unsigned code_page_index(uint64_t lin)
{
    return (unsigned)(lin >> 12 ^ lin >> (12 + CODE_PAGE_BITS)) & ((1u << CODE_PAGE_BITS) - 1);
}

struct jit_state {
    struct translator *translator; /* NULL: this CPU is only interpreted */
    struct cpu *next;              /* of the translator */
    struct lockstep *lockstep;     /* NULL: blocks run once */
    /* Arithmetic flags while translated code runs: bits 8-15 as LAHF stores them, bit 0 is OF. */
    uint32_t flags;
    uint32_t mode;     /* number of the mode that tag names */
    uint64_t mode_tag; /* mode << 48 */
    /* The stack pointers of C and of translated code; each is kept while the other runs. Frames of
     * 16 bytes: host return address, then guest return address ^ mode_tag. */
    uint64_t c_rsp, rsp;
    uint64_t stack_base; /* rsp without frames */
    void *stack;         /* the mapping */
    /* Left by a thunk for C: return address of the call, the temporaries. */
    const uint8_t *site;
    uint64_t t0, t1;
    uint8_t bounce[32]; /* what a load from two pages finds */
    uint64_t target;    /* of the indirect call that is being made */
    int result;         /* of a block run in lockstep: enum op_result */
    int why;            /* the run of translated code ended: enum vcpu_exit */
    uint64_t spill[4];  /* registers whose place a block took for others */
    /* The stack of a condition of a debugger's, and a register meanwhile. */
    uint64_t condition[PROBE_DEPTH_MAX + 1];
    bool mode_stale; /* the mode key must be made again before translated code runs */
    /* FPU_* of what is in the host's registers: while C runs, at most FPU_X87. And of what C has
     * interrupted, to be loaded again. */
    uint8_t fpu_live, fpu_saved;
    bool fpu_wide;       /* vector registers are 256 bits */
    uint32_t fpu_mode;   /* MODE_FPU bits of `mode` */
    uint32_t host_mxcsr; /* what C runs under */
    /* The x87 instruction copied last, as X87_INSN numbers them, while FIP, FCS and FOP are still
     * those of one before; and the last with a memory operand, for FDS. 0: nothing to do. */
    uint32_t x87_insn, x87_memory_insn;
    uint8_t fxsave[512] __attribute__((aligned(16))); /* the way to the host's x87 registers */
    /* With cpu->history: counts of translations entered, and of those that it has heard of. */
    uint32_t noted, told;
    struct jit_note notes[JIT_NOTES];
    struct page_log pages, pages_global;
    /* Page passes: the interned (linear page, arena page, CPL) that may be fetched now. */
    uint32_t code_page[1u << CODE_PAGE_BITS];
    struct jump_cache_entry jump_cache[1u << JUMP_CACHE_BITS];
};

#endif
