/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: runs translated blocks where there are any, interprets the others and translates
 * those that run often. */
#include <asm/prctl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/x87.h"
#include "cpu/x86/xsave.h"
#include "translator/internal.h"

#define STACK_SIZE        (16u << 20)
#define SENTINEL_FRAMES   16
#define SENTINEL_TAG      (1ull << 62) /* no address, whatever the mode */
#define THRESHOLD_DEFAULT 16
#define TBLOCK_BYTES      256 /* of code: at least this much for each of max_tblocks */

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

uint32_t page_pass_number(struct translator *tr, uint64_t linear, uint64_t arena)
{
    uint32_t slot = pass_slot(tr, linear, arena);

    for (; tr->pass_hash[slot]; slot = (slot + 1) & (2 * tr->max_passes - 1)) {
        const struct page_pass *p = &tr->passes[tr->pass_hash[slot]];

        if (p->linear == linear && p->arena == arena)
            return tr->pass_hash[slot];
    }
    if (tr->npasses == tr->max_passes)
        return 0;
    tr->passes[tr->npasses] = (struct page_pass){.linear = linear, .arena = arena};
    tr->pass_hash[slot] = tr->npasses;
    return tr->npasses++;
}

/* The CPU has just fetched the block of t, at RIP. */
static void grant_pass(struct cpu *cpu, const struct tblock *t)
{
    struct jit_state *j = &cpu->jit;

    if (j->code_page[t->pass_index] == t->pass)
        return;
    unsigned slot = t->rip >> VM_PAGE_SHIFT & (ITLB_SIZE - 1);
    uint64_t key = (t->rip & ~(uint64_t)(VM_PAGE_SIZE - 1)) | (cpu->cpl == 3);
    bool global = cpu->itlb[slot].page == key && cpu->itlb[slot].global;
    struct page_log *log = global ? &j->pages_global : &j->pages;
    j->code_page[t->pass_index] = t->pass;
    if (log->n < ARRAY_SIZE(log->word))
        log->word[log->n] = t->pass_index;
    if (log->n <= ARRAY_SIZE(log->word))
        log->n++;
}

/* ---- translations ---- */

struct tblock *tblock_now(struct cpu *cpu, struct block *b)
{
    const struct translator *tr = cpu->jit.translator;

    if (b->code_generation != tr->generation)
        return NULL;
    for (struct tblock *t = b->code; t; t = t->next) {
        if (t->rip == cpu->r[R_RIP] && t->mode == cpu->jit.mode) {
            grant_pass(cpu, t);
            return t;
        }
    }
    return NULL;
}

static void block_retired(void *opaque, struct block *b)
{
    struct translator *tr = opaque;

    if (b->code_generation != tr->generation)
        return;
    for (struct tblock *t = b->code; t; t = t->next) {
        t->retired = true;
        emit_retire(tr, t);
        tr->stats.retired++;
    }
    b->code = NULL;
}

void jit_stack_reset(struct cpu *cpu)
{
    cpu->jit.rsp = cpu->jit.stack_base;
}

/* Forgets all translations. No translated code runs. */
static void flush(struct translator *tr)
{
    tr->generation++;
    tr->stats.flushes++;
    tr->cache.used = (uint64_t)(tr->blocks_from - tr->cache.rw);
    tr->ntblocks = 0;
    memset(tr->pass_hash, 0, 2 * sizeof(*tr->pass_hash) * tr->max_passes);
    tr->npasses = 1;
    for (struct cpu *cpu = tr->cpus; cpu; cpu = cpu->jit.next) {
        jit_stack_reset(cpu);
        memset(cpu->jit.code_page, 0, sizeof(cpu->jit.code_page));
        memset(cpu->jit.jump_cache, 0xff, sizeof(cpu->jit.jump_cache));
        cpu->jit.pages.n = cpu->jit.pages_global.n = 0;
        cpu->jit.mode_stale = true;
    }
}

static struct tblock *try_translate(struct cpu *cpu, struct block *b)
{
    struct translator *tr = cpu->jit.translator;
    uint64_t rip = cpu->r[R_RIP], page = ~(uint64_t)(VM_PAGE_SIZE - 1);

    if (tr->ntblocks == tr->max_tblocks)
        return NULL;
    struct tblock *t = &tr->tblocks[tr->ntblocks];
    *t = (struct tblock){.block = b, .rip = rip, .mode = cpu->jit.mode};
    t->pass_index = (uint16_t)code_page_index(rip);
    t->pass = page_pass_number(tr, (rip & page) | (cpu->cpl == 3), b->arena & page);
    if (!t->pass || !emit_block(tr, cpu, t))
        return NULL;
    tr->ntblocks++;
    tr->stats.blocks++;
    if (log_on(&tr->m->log, LOG_JIT))
        describe_block(tr, t, tr->m->log.out);
    if (tr->perf_map)
        perf_map_add(tr->perf_map, t);
    return t;
}

static struct tblock *translate(struct cpu *cpu, struct block *b)
{
    struct translator *tr = cpu->jit.translator;
    struct tblock *t = try_translate(cpu, b);

    if (!t) {
        flush(tr);
        find_mode(cpu);
        t = try_translate(cpu, b);
    }
    if (!t)
        return NULL;
    if (b->code_generation != tr->generation)
        b->code = NULL;
    b->code_generation = tr->generation;
    t->next = b->code;
    b->code = t;
    grant_pass(cpu, t);
    return t;
}

/* ---- running ---- */

/* Translated code finds the CPU through gs, which C leaves alone. */
static void set_gs(struct cpu *cpu)
{
    if (cpu->jit.translator->fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(cpu));
    else
        syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
}

int run_translated(struct cpu *cpu, const struct tblock *t)
{
    struct translator *tr = cpu->jit.translator;

    if (cpu->jit.rsp < cpu->jit.stack_base - STACK_SIZE / 2)
        jit_stack_reset(cpu);
    set_gs(cpu);
    tr->stats.enters++;
    tr->enter(cpu, jit_enter_at(cpu, t));
    return cpu->jit.result;
}

/* The translation to run now, made if the block is hot; NULL: interpret it. */
static const struct tblock *translation(struct cpu *cpu, struct block *b)
{
    struct tblock *t = NULL;

    if (!cpu->jit.mode || b->arena == ARENA_NONE)
        return NULL;
    t = tblock_now(cpu, b);
    if (!t && ++b->hits >= cpu->jit.translator->config.threshold)
        t = translate(cpu, b);
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
        const struct tblock *t = b ? translation(cpu, b) : NULL;
        if (t && j->lockstep) {
            r = lockstep_run(cpu, t);
            b = NULL;
            continue;
        }
        if (t) {
            if (j->rsp < j->stack_base - STACK_SIZE / 2)
                jit_stack_reset(cpu);
            return t;
        }
        r = b ? interp_block(cpu, b) : OP_FAULT;
        j->translator->stats.interpreted_blocks++;
    }
}

static enum vcpu_exit run_blocks(struct cpu *cpu)
{
    struct translator *tr = cpu->jit.translator;
    const struct tblock *t = jit_go_on(cpu, OP_BRANCH);

    if (!t)
        return cpu->jit.why;
    set_gs(cpu);
    tr->stats.enters++;
    tr->enter(cpu, jit_enter_at(cpu, t));
    return cpu->jit.why;
}

/* ---- life ---- */

static bool init_tables(struct translator *tr)
{
    tr->max_tblocks = (uint32_t)(tr->cache.size / TBLOCK_BYTES);
    tr->max_passes = 1u << 18;
    tr->tblocks = calloc(tr->max_tblocks, sizeof(*tr->tblocks));
    tr->passes = calloc(tr->max_passes, sizeof(*tr->passes));
    tr->pass_hash = calloc(2 * (size_t)tr->max_passes, sizeof(*tr->pass_hash));
    tr->npasses = 1;
    tr->nmodes = 1;
    tr->generation = 1;
    return tr->tblocks && tr->passes && tr->pass_hash;
}

bool translator_create(struct machine *m, const struct translator_config *config,
                       struct translator **out, struct error *err)
{
    struct translator *tr = calloc(1, sizeof(*tr));

    if (!tr)
        return error_set(err, "out of memory");
    tr->m = m;
    tr->config = *config;
    tr->fsgsbase = getauxval(AT_HWCAP2) & 2;
    if (config->lockstep) /* a block at a time */
        tr->config.no_links = tr->config.no_jump_cache = true;
    fpu_host_features(tr->host_has);
    if (!tr->config.threshold)
        tr->config.threshold = THRESHOLD_DEFAULT;
    bool ok = code_cache_init(
        &tr->cache, config->cache_size ? config->cache_size : TRANSLATOR_CACHE_DEFAULT, err);
    if (ok && config->perf_map) {
        tr->perf_map = perf_map_open();
        ok = tr->perf_map || error_set(err, "perf map in /tmp: %s", strerror(errno));
    }
    if (ok && (!init_tables(tr) || !emit_thunks(tr)))
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
    cpu->jit.self = cpu;
    cpu->jit.translator = tr;
    fpu_init(cpu);
    cpu->jit.mode_stale = true;
    cpu->jit.next = tr->cpus;
    tr->cpus = cpu;
    block_cache_listen(cpu, block_retired, tr);
    cpu->run_blocks = run_blocks;
    return true;
}

void translator_detach(struct cpu *cpu)
{
    struct translator *tr = cpu->jit.translator;

    if (!tr)
        return;
    struct cpu **link = &tr->cpus;
    while (*link != cpu)
        link = &(*link)->jit.next;
    *link = cpu->jit.next;
    munmap(cpu->jit.stack, STACK_SIZE);
    lockstep_detach(cpu);
    if (!tr->cpus)
        block_cache_listen(cpu, NULL, NULL);
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

void translator_stats(const struct translator *tr, struct translator_stats *out)
{
    *out = tr->stats;
    out->cache_size = tr->cache.size;
    out->cache_used = tr->cache.used;
}

bool translator_calls(const struct translator *tr, unsigned n, const char **name, uint64_t *calls)
{
    if (n >= NUM_OPERATIONS)
        return false;
    *name = operations[n].name;
    *calls = tr->calls[n];
    return true;
}
