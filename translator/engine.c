/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: runs translated blocks where there are any, interprets the others and translates
 * those that run often. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/report.h"
#include "cpu/x86/x87.h"
#include "cpu/x86/xsave.h"
#include "translator/internal.h"

/* A slice has at most 200000 instructions, or 20000 where CPUs take turns (vm/run.c), each a frame
 * of 16 bytes; it begins with no more than STACK_KEPT. */
#define STACK_SIZE        (6u << 20)
#define STACK_KEPT        (1u << 20)
#define STACK_USED(alone) (STACK_KEPT + 16u * ((alone) ? 200000 : 20000))
#define SENTINEL_FRAMES   16
#define SENTINEL_TAG      (1ull << 62) /* no address, whatever the mode */
#define THRESHOLD_DEFAULT 4
#define PATIENCE          8u /* executions that a hot block waits for others at most */
#define MAX_PASSES        (1u << 17)

/* ---- modes ---- */

/* Exceptions are masked: copied instructions never raise one on the host. */
uint32_t jit_fpu_mode(const struct cpu *cpu)
{
    const uint64_t avx = XCR0_SSE | XCR0_AVX;
    bool masked = (cpu->mxcsr & FSW_EXC << 7) == FSW_EXC << 7;
    bool x87 = (cpu->fcw & FSW_EXC) == FSW_EXC && !(cpu->fsw & FSW_ES) && !cpu->ferr;
    uint32_t mode = 0;

    if (cpu->cr0 & CR0_TS)
        return 0;
    if (masked && cpu->cr4 & CR4_OSXSAVE && (cpu->xcr0 & avx) == avx)
        mode |= MODE_AVX;
    if (cpu->cr0 & CR0_EM)
        return mode;
    mode |= masked && cpu->cr4 & CR4_OSFXSR ? MODE_SSE : 0;
    return mode | (x87 ? MODE_X87 : 0);
}

/* 0: this mode is interpreted. */
uint32_t jit_mode_key(const struct cpu *cpu)
{
    const struct segment *cs = &cpu->seg[SEG_CS];
    uint32_t key = cpu->code_mode, class;

    if (cpu->code_mode == CODE16 || cpu->tlb_load == cpu->tlb_none || cpu->real_or_v86)
        return 0;
    if (cpu->code_mode == CODE32 && (cs->base || cs->limit != 0xffffffff))
        return 0;
    class = (uint32_t)(cpu->tlb_load - cpu->tlb[0][0]) / TLB_SIZE;
    key |= (cpu->cpl == 3 ? MODE_CPL3 : 0) | class << MODE_CLASS_SHIFT;
    key |= (cpu->flat & 0x3fu) << MODE_FLAT_SHIFT;
    if (cpu->code_mode == CODE64)
        key |= (1u << SEG_FS | 1u << SEG_GS) << MODE_BASE_SHIFT; /* they move */
    else
        for (unsigned n = 0; n < 6; n++)
            key |= (uint32_t) !!cpu->ea_base[n] << (MODE_BASE_SHIFT + n);
    return key | (uint32_t)cpu->stack_size << MODE_STACK_SHIFT | jit_fpu_mode(cpu) | MODE_VALID;
}

static void flush(struct translator *tr);

/* Number of a mode; 0 is the one that is interpreted. */
uint32_t jit_mode_number(struct translator *tr, uint32_t key)
{
    for (unsigned n = 0; n < tr->nmodes; n++)
        if (tr->modes[n] == key)
            return n;
    if (tr->nmodes == MAX_MODES) {
        flush(tr);
        tr->nmodes = 1;
    }
    tr->modes[tr->nmodes] = key;
    return tr->nmodes++;
}

static void find_mode(struct cpu *cpu)
{
    struct translator *tr = cpu->jit.translator;
    uint32_t key = jit_mode_key(cpu);

    cpu->jit.mode_stale = false;
    if (cpu->jit.mode >= tr->nmodes || tr->modes[cpu->jit.mode] != key)
        cpu->jit.mode = jit_mode_number(tr, key);
    cpu->jit.mode_tag = (uint64_t)cpu->jit.mode << 48;
    cpu->jit.fpu_mode = key & MODE_VALID ? key & MODE_FPU : jit_fpu_mode(cpu);
}

void jit_update_mode(struct cpu *cpu)
{
    if (cpu->jit.mode_stale || jit_fpu_mode(cpu) != cpu->jit.fpu_mode)
        find_mode(cpu);
}

/* ---- page passes ---- */

static uint32_t pass_slot(const struct translator *tr, uint64_t linear, uint64_t arena)
{
    uint64_t h = (linear ^ arena << 20 ^ arena >> 12) * 0x9e3779b97f4a7c15ull;

    return (uint32_t)(h >> 40) & (2 * tr->max_passes - 1);
}

static bool is_pass(const struct translator *tr, uint32_t n, uint64_t linear, uint64_t arena)
{
    return tr->passes[n].linear == linear && tr->passes[n].arena == arena;
}

static uint32_t find_pass(struct translator *tr, uint64_t linear, uint64_t arena)
{
    uint32_t slot = pass_slot(tr, linear, arena);

    for (; tr->pass_hash[slot]; slot = (slot + 1) & (2 * tr->max_passes - 1))
        if (is_pass(tr, tr->pass_hash[slot], linear, arena))
            return tr->pass_hash[slot];
    if (tr->npasses == tr->max_passes)
        return 0;
    tr->passes[tr->npasses] = (struct page_pass){.linear = linear, .arena = arena};
    tr->pass_hash[slot] = tr->npasses;
    return tr->npasses++;
}

/* Often that of the page asked for before. */
uint32_t page_pass_number(struct translator *tr, uint64_t linear, uint64_t arena)
{
    if (!tr->last_pass || !is_pass(tr, tr->last_pass, linear, arena))
        tr->last_pass = find_pass(tr, linear, arena);
    return tr->last_pass;
}

/* The linear page after RIP's. */
static uint64_t next_page(const struct cpu *cpu)
{
    uint64_t next = (cpu->r[R_RIP] | (VM_PAGE_SIZE - 1)) + 1;

    return cpu->code_mode == CODE64 ? next : (uint32_t)next;
}

/* For the page of `rip`. */
static void grant(struct cpu *cpu, uint64_t rip, uint32_t pass, uint16_t index)
{
    struct jit_state *j = &cpu->jit;
    unsigned slot = rip >> VM_PAGE_SHIFT & (ITLB_SIZE - 1);
    uint64_t key = (rip & ~(uint64_t)(VM_PAGE_SIZE - 1)) | (cpu->cpl == 3);
    bool global = cpu->itlb[slot].page == key && cpu->itlb[slot].global;
    struct page_log *log = global ? &j->pages_global : &j->pages;

    if (j->code_page[index] == pass)
        return;
    j->code_page[index] = pass;
    if (log->n < ARRAY_SIZE(log->word))
        log->word[log->n] = index;
    if (log->n <= ARRAY_SIZE(log->word))
        log->n++;
}

/* The CPU has just fetched the block of t, at RIP. */
static void grant_pass(struct cpu *cpu, const struct tblock *t)
{
    grant(cpu, t->rip, t->pass, t->pass_index);
    if (t->pass2)
        grant(cpu, next_page(cpu), t->pass2, t->pass2_index);
}

/* ---- translations ---- */

static struct tblock *tblock_of_block(const struct cpu *cpu, const struct block *b)
{
    struct tblock *t = b->code;

    while (t && (t->rip != cpu->r[R_RIP] || t->mode != cpu->jit.mode))
        t = t->next;
    return t;
}

struct tblock *tblock_now(struct cpu *cpu, struct block *b)
{
    struct tblock *t = tblock_of_block(cpu, b);

    if (t)
        grant_pass(cpu, t);
    return t;
}

/* Drops a block from those that wait. */
static void wait_no_more(struct translator *tr, struct block *b)
{
    for (unsigned n = 0; b->waiting && n < tr->nwaiting; n++) {
        if (tr->waiting[n].block != b)
            continue;
        tr->nwaiting--;
        memmove(&tr->waiting[n], &tr->waiting[n + 1], (tr->nwaiting - n) * sizeof(tr->waiting[0]));
        b->waiting = false;
    }
}

static void block_event(void *opaque, struct block *b, enum block_event e)
{
    struct translator *tr = opaque;

    wait_no_more(tr, b);
    if (e == BLOCK_GONE) {
        tblocks_retire(tr, b);
        return;
    }
    for (struct tblock *t = b->code; t; t = t->next) {
        if (e == BLOCK_SUSPENDED)
            emit_suspend(tr, t);
        else
            emit_resume(tr, t);
    }
}

void jit_stack_reset(struct cpu *cpu)
{
    cpu->jit.rsp = cpu->jit.stack_base;
}

/* Forgets all translations, and numbers of passes and modes. */
static void flush(struct translator *tr)
{
    tblocks_flush(tr);
    while (tr->nwaiting) /* their modes' numbers are others' now */
        wait_no_more(tr, tr->waiting[0].block);
    memset(tr->pass_hash, 0, 2 * sizeof(*tr->pass_hash) * tr->max_passes);
    tr->npasses = 1;
    tr->last_pass = 0;
    for (struct cpu *cpu = tr->cpus; cpu; cpu = cpu->jit.next) {
        memset(cpu->jit.code_page, 0, sizeof(cpu->jit.code_page));
        cpu->jit.pages.n = cpu->jit.pages_global.n = 0;
        cpu->jit.mode_stale = true;
    }
}

/* NULL: no room. */
static struct tblock *try_translate(struct cpu *cpu, struct block *b, const uint32_t pass[2])
{
    struct translator *tr = cpu->jit.translator;
    struct tblock *t = tblock_next(tr);

    if (!t || b->discarded)
        return NULL;
    *t = (struct tblock){.block = b,
                         .rip = cpu->r[R_RIP],
                         .mode = cpu->jit.mode,
                         .pass = pass[0],
                         .pass_index = (uint16_t)code_page_index(cpu->r[R_RIP]),
                         .pass2 = pass[1],
                         .pass2_index = (uint16_t)code_page_index(next_page(cpu)),
                         .linked_from = NO_LINK};
    return emit_block(tr, cpu, t) && tblock_keep(tr, cpu, t) ? t : NULL;
}

static bool try_passes(struct cpu *cpu, const struct block *b, uint32_t pass[2])
{
    struct translator *tr = cpu->jit.translator;
    uint64_t page = ~(uint64_t)(VM_PAGE_SIZE - 1), user = cpu->cpl == 3;

    pass[0] = page_pass_number(tr, (cpu->r[R_RIP] & page) | user, b->arena & page);
    pass[1] = b->tail ? page_pass_number(tr, next_page(cpu) | user, b->tail->arena) : 0;
    return pass[0] && (!b->tail || pass[1]);
}

/* The numbers of the passes for block b at RIP. */
static void passes_of(struct cpu *cpu, const struct block *b, uint32_t pass[2])
{
    if (try_passes(cpu, b, pass))
        return;
    flush(cpu->jit.translator);
    find_mode(cpu);
    try_passes(cpu, b, pass);
}

/* Does not fit even alone. */
static void hand_back(struct cpu *cpu, struct block *b)
{
    struct translator *tr = cpu->jit.translator;

    b->untranslatable = true;
    tr->stats.handed_back++;
    if (!tr->told)
        fprintf(stderr, "calque: translator: the block at %llx is beyond it and is interpreted\n",
                (unsigned long long)cpu->r[R_RIP]);
    tr->told = true;
}

static void note_translation(struct translator *tr, const struct tblock *t)
{
    struct block *b = t->block;

    tr->stats.blocks++;
    tr->stats.code_bytes += t->code_size;
    tr->stats.again += b->lost_code;
    b->lost_code = false;
    b->changes /= 2; /* it has been quiet */
    if (log_on(&tr->m->log, LOG_JIT))
        describe_block(tr, t, tr->m->log.out);
    if (tr->perf_map)
        perf_map_add(tr->perf_map, t);
}

/* *block may become another. */
static struct tblock *translate(struct cpu *cpu, struct block **block)
{
    struct translator *tr = cpu->jit.translator;
    uint64_t start = host_cycles();
    uint32_t pass[2];
    struct block *b = *block = tr->config.no_join ? *block : block_join(cpu, *block);

    passes_of(cpu, b, pass);
    struct tblock *t = try_translate(cpu, b, pass);

    if (!t && !segment_is_empty(tr)) {
        segment_advance(tr);
        t = try_translate(cpu, b, pass);
    }
    if (t) {
        note_translation(tr, t);
    } else if (!b->discarded) { /* else it was in that segment: it is run once more as it is */
        hand_back(cpu, b);
    }
    tr->stats.translating_cycles += host_cycles() - start;
    return t;
}

/* Whether the block at RIP, which has become hot, can wait for others. */
static bool wait_for_others(struct cpu *cpu, struct block *b)
{
    struct translator *tr = cpu->jit.translator;

    if (tr->config.threshold == 1 || b->hits >> b->changes >= tr->config.threshold + PATIENCE)
        return false;
    if (b->waiting || tr->nwaiting == WAITING_MAX)
        return b->waiting;
    b->waiting = true;
    tr->waiting[tr->nwaiting].block = b;
    tr->waiting[tr->nwaiting].rip = cpu->r[R_RIP];
    tr->waiting[tr->nwaiting++].mode = cpu->jit.mode;
    return true;
}

/* Translates those that wait and are still hot, as far as their mode is the one that is on. */
static void translate_waiting(struct cpu *cpu)
{
    struct translator *tr = cpu->jit.translator;
    uint64_t rip = cpu->r[R_RIP];

    while (tr->nwaiting) {
        uint32_t mode = tr->waiting[0].mode;
        struct block *b = tr->waiting[0].block;

        cpu->r[R_RIP] = tr->waiting[0].rip;
        wait_no_more(tr, b);
        if (mode == cpu->jit.mode && b->hits && !tblock_of_block(cpu, b))
            translate(cpu, &b);
    }
    cpu->r[R_RIP] = rip;
}

/* ---- history ---- */

void jit_tell_history(struct cpu *cpu)
{
    struct jit_state *j = &cpu->jit;
    uint32_t n = j->noted - j->told;

    for (n = n < JIT_NOTES ? n : JIT_NOTES; n && cpu->history; n--) {
        const struct jit_note *note = &j->notes[(j->noted - n) % JIT_NOTES];
        const struct tblock *t = &j->translator->tblocks[note->tblock];

        report_translated(cpu, t->block, t->rip, t->ninsn, note->cs);
    }
    j->told = j->noted;
}

/* From now on every translation is one that notes, and is left at its end only: without joining. In
 * lockstep the interpreter notes all. */
static void begin_notes(struct translator *tr)
{
    tr->notes = tr->config.no_join = true;
    flush(tr);
}

/* ---- running ---- */

int run_translated(struct cpu *cpu, const struct tblock *t)
{
    struct translator *tr = cpu->jit.translator;

    if (cpu->jit.rsp < cpu->jit.stack_base - STACK_KEPT)
        jit_stack_reset(cpu);
    tr->stats.enters++;
    tr->enter(cpu, jit_enter_at(cpu, t));
    return cpu->jit.result;
}

/* The translation to run now, made if the block is hot; NULL: interpret *block, which may become
 * another. */
static const struct tblock *translation(struct cpu *cpu, struct block **block)
{
    struct block *b = *block;
    struct tblock *t = NULL;

    if (!cpu->jit.mode || b->arena == ARENA_NONE || b->untranslatable)
        return NULL;
    t = tblock_now(cpu, b);
    if (!t && ++b->hits >> b->changes >= cpu->jit.translator->config.threshold &&
        !wait_for_others(cpu, b)) {
        translate_waiting(cpu);
        *block = block_find(cpu); /* there may have been no room for it any more */
        t = *block ? translate(cpu, block) : NULL;
        if (t)
            grant_pass(cpu, t);
    }
    return t && t->ninsn <= cpu->v.budget ? t : NULL;
}

const struct tblock *jit_go_on(struct cpu *cpu, int r)
{
    struct jit_state *j = &cpu->jit;
    struct block *b = NULL;
    enum vcpu_exit why;

    for (;;) {
        if (r > OP_BRANCH || cpu->v.budget <= 0 ||
            atomic_load_explicit(&cpu->v.exit_req, memory_order_relaxed)) {
            if (!interp_go_on(cpu, r, &why)) {
                j->why = why;
                return NULL;
            }
            b = NULL;
        }
        jit_update_mode(cpu);
        b = b ? block_after(cpu, b) : block_find(cpu);
        const struct tblock *t = b ? translation(cpu, &b) : NULL;
        if (t && j->lockstep) {
            r = lockstep_run(cpu, t);
            b = NULL;
            continue;
        }
        if (t) {
            if (j->rsp < j->stack_base - STACK_KEPT)
                jit_stack_reset(cpu);
            return t;
        }
        if (unlikely(cpu->history))
            jit_tell_history(cpu);
        r = b ? interp_block(cpu, b) : OP_FAULT;
        if (r == OP_OK)
            b->fell++;
        j->translator->stats.interpreted_blocks++;
    }
}

static enum vcpu_exit run_blocks(struct cpu *cpu)
{
    struct translator *tr = cpu->jit.translator;

    if (unlikely(cpu->history) && !tr->notes && !tr->config.lockstep &&
        report_history_is_whole(cpu))
        begin_notes(tr);
    const struct tblock *t = jit_go_on(cpu, OP_BRANCH);

    if (!t)
        return cpu->jit.why;
    tr->stats.enters++;
    tr->enter(cpu, jit_enter_at(cpu, t));
    if (unlikely(cpu->history))
        jit_tell_history(cpu);
    return cpu->jit.why;
}

/* ---- life ---- */

static bool init_tables(struct translator *tr)
{
    tr->max_passes = MAX_PASSES;
    tr->passes = calloc(tr->max_passes, sizeof(*tr->passes));
    tr->pass_hash = calloc(2 * (size_t)tr->max_passes, sizeof(*tr->pass_hash));
    tr->npasses = 1;
    tr->nmodes = 1;
    return tr->passes && tr->pass_hash;
}

bool translator_create(struct machine *m, const struct translator_config *config,
                       struct translator **out, struct error *err)
{
    struct translator *tr = calloc(1, sizeof(*tr));

    if (!tr)
        return error_set(err, "out of memory");
    tr->m = m;
    tr->config = *config;
    if (config->lockstep) { /* a block at a time */
        tr->config.no_links = tr->config.no_jump_cache = true;
        m->run.devices_wait = true;
        machine_take_turns(m, true);
    }
    find_host_features(tr->host_has);
    if (!tr->config.threshold)
        tr->config.threshold = THRESHOLD_DEFAULT;
    bool ok = code_cache_init(
        &tr->cache, config->cache_size ? config->cache_size : TRANSLATOR_CACHE_DEFAULT, err);
    if (ok && config->perf_map) {
        tr->perf_map = perf_map_open();
        ok = tr->perf_map || error_set(err, "perf map in /tmp: %s", strerror(errno));
    }
    if (ok && (!init_tables(tr) || !emit_thunks(tr) || !tblocks_init(tr)))
        ok = error_set(err, "out of memory for the translator");
    if (!ok) {
        translator_destroy(tr);
        return false;
    }
    *out = tr;
    return true;
}

void translator_destroy(struct translator *tr)
{
    if (!tr)
        return;
    if (tr->perf_map)
        fclose(tr->perf_map);
    code_cache_destroy(&tr->cache);
    free(tr->tblocks);
    free(tr->passes);
    free(tr->pass_hash);
    free(tr);
}

/* Frames that no return matches lie above the base. */
static void fill_sentinels(struct cpu *cpu)
{
    uint64_t *words = (uint64_t *)(uintptr_t)cpu->jit.stack_base;

    for (unsigned n = 0; n < 2 * SENTINEL_FRAMES; n++)
        words[n] = SENTINEL_TAG;
}

bool translator_attach(struct translator *tr, struct cpu *cpu, struct error *err)
{
    void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (stack == MAP_FAILED)
        return error_set(err, "no memory for the return stack: %s", strerror(errno));
    if (tr->config.lockstep && !lockstep_attach(cpu)) {
        munmap(stack, STACK_SIZE);
        return error_set(err, "out of memory for lockstep");
    }
    cpu->jit.stack = stack;
    cpu->jit.stack_base = (uint64_t)(uintptr_t)stack + STACK_SIZE - 16 * (SENTINEL_FRAMES + 1);
    fill_sentinels(cpu);
    jit_stack_reset(cpu);
    memset(cpu->jit.jump_cache, 0xff, sizeof(cpu->jit.jump_cache));
    cpu->jit.translator = tr;
    fpu_init(cpu);
    cpu->jit.mode_stale = true;
    cpu->jit.next = tr->cpus;
    tr->cpus = cpu;
    block_cache_listen(cpu, &(struct block_listener){block_event, tr});
    cpu->run_blocks = run_blocks;
    return true;
}

void translator_detach(struct cpu *cpu)
{
    struct translator *tr = cpu->jit.translator;

    if (!tr)
        return;
    if (tr->cpus == cpu && !cpu->jit.next) {
        flush(tr); /* nobody tells what becomes of the blocks */
        block_cache_listen(cpu, NULL);
    }
    struct cpu **link = &tr->cpus;
    while (*link && *link != cpu)
        link = &(*link)->jit.next;
    *link = cpu->jit.next;
    munmap(cpu->jit.stack, STACK_SIZE);
    lockstep_detach(cpu);
    cpu->jit.translator = NULL;
    cpu->run_blocks = interp_blocks;
}

void translator_report(const struct translator *tr, void (*line)(void *opaque, const char *text),
                       void *opaque)
{
    for (const struct cpu *cpu = tr->cpus; cpu; cpu = cpu->jit.next)
        if (cpu->jit.lockstep)
            lockstep_report(cpu, line, opaque);
}

/* The decoded blocks' pool counts: without them there are no translations. */
static uint64_t memory_used(const struct translator *tr)
{
    uint64_t n = sizeof(*tr) + (uint64_t)tr->max_tblocks * sizeof(*tr->tblocks) +
                 tr->max_passes * (sizeof(*tr->passes) + 2 * sizeof(*tr->pass_hash));

    for (const struct cpu *cpu = tr->cpus; cpu; cpu = cpu->jit.next)
        n += sizeof(struct jit_state) + STACK_USED(tr->m->ncpus == 1) +
             (cpu->jit.next ? 0 : block_cache_memory(cpu));
    return n;
}

void translator_stats(const struct translator *tr, struct translator_stats *out)
{
    *out = tr->stats;
    out->memory = memory_used(tr);
    out->cache_size = tr->cache.size;
    out->cache_used = tr->segments[0].start;
    for (unsigned n = 0; n < CODE_SEGMENTS; n++)
        out->cache_used += segment_used(&tr->segments[n]);
}

bool translator_calls(const struct translator *tr, unsigned n, const char **name, uint64_t *calls)
{
    if (n >= NUM_OPERATIONS)
        return false;
    *name = operations[n].name;
    *calls = tr->calls[n];
    return true;
}
