/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TRANSLATOR_TRANSLATOR_H
#define CALQUE_TRANSLATOR_TRANSLATOR_H

#include <stdbool.h>
#include <stdint.h>

/* The translator: an engine that turns hot blocks of the interpreter's cache into host code. One
 * per machine; its CPUs share what is translated. */

struct cpu;
struct error;
struct machine;
struct translator;

struct translator_config {
    uint64_t cache_size; /* bytes of host code; 0: the default */
    unsigned threshold;  /* executions before a block is translated; 0: the default */
    bool no_links, no_jump_cache, no_calls, no_join; /* leave out an optimization */
    bool lockstep; /* run every block in the interpreter too, and compare */
    bool perf_map; /* write /tmp/perf-PID.map */
};

#define TRANSLATOR_CACHE_DEFAULT (128ull << 20)
#define TRANSLATOR_CACHE_MIN     (1ull << 20)
#define TRANSLATOR_CACHE_MAX     (1ull << 30)

/* False, with the reason: no emitter for this host (none/), no executable memory, no memory. */
bool translator_create(struct machine *m, const struct translator_config *config,
                       struct translator **out, struct error *err);
/* After the machine's CPUs are gone. NULL is allowed. */
void translator_destroy(struct translator *tr);
/* From now on the CPU runs translated code. Before the machine runs. */
bool translator_attach(struct translator *tr, struct cpu *cpu, struct error *err);
void translator_detach(struct cpu *cpu);

/* What is to be told when the machine has ended: lockstep's counts. */
void translator_report(const struct translator *tr, void (*line)(void *opaque, const char *text),
                       void *opaque);

/* What `info jit` prints: the counters below, lockstep's, and the operations that the emitter left
 * to their semantic functions most often. */
void translator_describe(const struct translator *tr, void (*line)(void *opaque, const char *text),
                         void *opaque);

struct translator_stats {
    uint64_t blocks, insns, code_bytes;
    uint64_t again;              /* of blocks: of one that had lost its translation */
    uint64_t retired, evicted;   /* translations that ended: other code, no room */
    uint64_t flushes;            /* all ended: numbers ran out */
    uint64_t handed_back;        /* blocks that could not be translated */
    uint64_t translating_cycles; /* of the host's time stamp counter */
    uint64_t enters, links, misses, slow_misses, handlers, refetches, indirect_misses, unwinds;
    uint64_t interpreted_blocks;
    uint64_t left[7]; /* translated code was left, by enum op_result */
    uint64_t cache_size, cache_used;
    uint64_t memory; /* bytes of tables beside the cache: at most, whatever the guest does */
};
void translator_stats(const struct translator *tr, struct translator_stats *out);
/* The n-th operation of the instruction table, and how often translated code had its semantic
 * function run it. False: there are fewer operations. */
bool translator_calls(const struct translator *tr, unsigned n, const char **name, uint64_t *calls);

#endif
