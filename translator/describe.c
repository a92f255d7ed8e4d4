/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translations shown to people and to perf(1). */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/printer.h"
#include "cpu/x86/disas.h"
#include "translator/internal.h"

/* Guest code is printed from memory: it is as it was while the block is not retired. */
static void describe_guest(const struct tblock *t, FILE *out)
{
    const struct block *b = t->block;
    const uint8_t *bytes = block_bytes(b);
    char text[160];

    for (unsigned k = 0; k < t->ninsn; k++) {
        const struct insn *i = &b->insns[k];

        disas_one(text, sizeof(text), t->rip + i->off, bytes + i->off, i->len, b->mode);
        fprintf(out, "  %016llx: %s\n", (unsigned long long)(t->rip + i->off), text);
    }
}

/* Behind calls of thunks are bytes that are no code (struct site, struct exit_site): the lines
 * there may be nonsense until the next boundary. */
static void describe_host(const struct translator *tr, const struct tblock *t, FILE *out)
{
    char text[160];

    for (uint32_t at = 0; at < t->code_size;) {
        const uint8_t *p = t->checked + at;
        size_t n = disas_one(text, sizeof(text), (uint64_t)(uintptr_t)p, to_rw(&tr->cache, p),
                             t->code_size - at, CODE64);
        fprintf(out, "    %p: %s\n", (const void *)p, text);
        at += (uint32_t)n;
    }
}

void describe_block(const struct translator *tr, const struct tblock *t, FILE *out)
{
    flockfile(out);
    fprintf(out, "block at %016llx, mode %#x: %u instructions, %u bytes\n",
            (unsigned long long)t->rip, tr->modes[t->mode], t->ninsn, t->code_size);
    describe_guest(t, out);
    fprintf(out, "  translated:\n");
    describe_host(tr, t, out);
    funlockfile(out);
}

FILE *perf_map_open(void)
{
    char name[64];

    snprintf(name, sizeof(name), "/tmp/perf-%d.map", (int)getpid());
    return fopen(name, "we");
}

/* START SIZE NAME, in hexadecimal (tools/perf/Documentation/jit-interface.txt). */
void perf_map_add(FILE *map, const struct tblock *t)
{
    fprintf(map, "%llx %x guest_%llx\n", (unsigned long long)(uintptr_t)t->checked, t->code_size,
            (unsigned long long)t->rip);
    fflush(map);
}

/* ---- counters ---- */

static void print_counters(const struct translator_stats *s, const struct printer *p)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"blocks translated", s->blocks},
        {"  again", s->again},
        {"  instructions in them", s->insns},
        {"  bytes of code", s->code_bytes},
        {"  TSC cycles taken", s->translating_cycles},
        {"  for each instruction", s->insns ? s->translating_cycles / s->insns : 0},
        {"blocks retired", s->retired},
        {"blocks evicted", s->evicted},
        {"blocks handed back", s->handed_back},
        {"cache flushes", s->flushes},
        {"cache size, bytes", s->cache_size},
        {"cache used, bytes", s->cache_used},
        {"other memory, bytes", s->memory},
        {"entries from C", s->enters},
        {"blocks interpreted", s->interpreted_blocks},
        {"exits linked", s->links},
        {"TLB misses", s->misses},
        {"  that C has looked after", s->slow_misses},
        {"page passes asked for", s->refetches},
        {"jump cache misses", s->indirect_misses},
        {"returns to elsewhere", s->unwinds},
        {"instructions run by handlers", s->handlers},
    };

    for (size_t n = 0; n < ARRAY_SIZE(rows); n++)
        print(p, "%-30s %llu", rows[n].name, (unsigned long long)rows[n].value);
}

static void print_exits(const struct translator_stats *s, const struct printer *p)
{
    static const char *const names[] = {
        [OP_OK] = "  budget, or block not known",
        [OP_BRANCH] = "  branch, or block not known",
        [OP_LEAVE] = "  mode or interrupts",
        [OP_FAULT] = "  exception",
        [OP_AGAIN] = "  repeated",
        [OP_HALT] = "  halt",
        [OP_PAUSE] = "  pause",
    };

    _Static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(s->left), "one for each enum op_result");
    p->line(p->opaque, "translated code left, by reason");
    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        print(p, "%-30s %llu", names[n], (unsigned long long)s->left[n]);
}

static void print_segments(const struct translator *tr, const struct printer *p)
{
    p->line(p->opaque, "segments of the cache: blocks, bytes used, times emptied");
    for (unsigned n = 0; n < CODE_SEGMENTS; n++) {
        const struct segment_of_code *s = &tr->segments[n];

        print(p, "%c %2u: %u, %llu of %llu, %llu", n == tr->filling ? '*' : ' ', n, s->ntblocks,
              (unsigned long long)segment_used(s), (unsigned long long)(s->end - s->start),
              (unsigned long long)s->evictions);
    }
}

#define MISSES_SHOWN 10

/* The place may be another translation's by now. */
static bool is_there(const struct translator *tr, const struct missing *m)
{
    const struct tblock *t = &tr->tblocks[m->tblock];

    return !t->retired && m->insn < t->ninsn;
}

/* Instructions that miss the TLB, those that do so most often first. */
static void print_misses(const struct translator *tr, const struct printer *p)
{
    const struct missing *last = NULL;

    p->line(p->opaque, "TLB misses of one instruction, at least");
    for (unsigned shown = 0; shown < MISSES_SHOWN; shown++) {
        const struct missing *most = NULL;

        for (const struct missing *m = tr->missing; m < tr->missing + MISSING_PLACES; m++)
            if (m->n && (!last || m->n < last->n || (m->n == last->n && m > last)) &&
                (!most || m->n > most->n) && is_there(tr, m))
                most = m;
        if (!most)
            break;
        const struct tblock *t = &tr->tblocks[most->tblock];
        print(p, "  %016llx %13u", (unsigned long long)t->rip + t->block->insns[most->insn].off,
              most->n);
        last = most;
    }
}

#define OPERATIONS_SHOWN 20

/* The operation run most often among those run less often than `below`, or as often and later in
 * the table. */
static bool next_operation(const struct translator *tr, uint64_t *below, unsigned *at,
                           const char **name)
{
    uint64_t best = 0, calls, limit = *below;
    unsigned after = *at;
    const char *one;

    for (unsigned n = 0; translator_calls(tr, n, &one, &calls); n++) {
        if (calls <= best || calls > limit || (calls == limit && n <= after))
            continue;
        best = calls;
        *at = n;
        *name = one;
    }
    *below = best;
    return best;
}

void translator_describe(const struct translator *tr, void (*line)(void *opaque, const char *text),
                         void *opaque)
{
    const struct printer p = {line, opaque};
    struct translator_stats s;
    uint64_t calls = UINT64_MAX;
    const char *name;

    translator_stats(tr, &s);
    print_counters(&s, &p);
    print_exits(&s, &p);
    print_segments(tr, &p);
    print_misses(tr, &p);
    line(opaque, "operations run by handlers");
    for (unsigned n = 0, at = 0; n < OPERATIONS_SHOWN && next_operation(tr, &calls, &at, &name);
         n++)
        print(&p, "  %-28s %llu", name, (unsigned long long)calls);
    translator_report(tr, line, opaque);
}
