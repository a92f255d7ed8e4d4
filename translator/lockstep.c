/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lockstep: every translated block is run twice from the same state, in the interpreter with its
 * stores logged and taken back, then as translated, and the results are compared: registers,
 * flags, counts of instructions, and all bytes of the pages that either stored to.
 *
 * What cannot be repeated is not: the interpreter's result stands, and is counted by reason. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/store_watch.h"
#include "translator/internal.h"

/* Parts of struct cpu that instructions change. Between them is what other threads set. */
#define STATE1_FROM offsetof(struct cpu, r)
#define STATE1_SIZE (offsetof(struct cpu, nmi_pending) - STATE1_FROM)
#define STATE2_FROM offsetof(struct cpu, star)
#define STATE2_SIZE (offsetof(struct cpu, apic) - STATE2_FROM)

struct image {
    int64_t budget;
    uint32_t flags;
    int result;
    uint8_t part1[STATE1_SIZE], part2[STATE2_SIZE];
};

struct lockstep {
    /* STATE1_SIZE and STATE2_SIZE, known at run time only: of constants compilers make REP MOVSQ,
     * which took a third of all the time. */
    size_t size1, size2;
    struct store_watch first, second; /* of the interpreter, of translated code */
    struct image before, interp, jit;
    uint64_t runs[NUM_LOCKSTEP_RUNS];
    bool differs;
};

static const char *const run_names[NUM_LOCKSTEP_RUNS] = {
    [LOCKSTEP_COMPARED] = "compared",
    [LOCKSTEP_CHANCE] = "RDRAND, RDSEED",
    [LOCKSTEP_SYSTEM] = "model-specific register, SMM, CR8, A20 or memory map",
    [LOCKSTEP_CODE] = "stores to its own code",
    [LOCKSTEP_CUT] = "a REP that a request of another thread cut short",
    [LOCKSTEP_FULL] = "more stores or device accesses than are logged",
};

bool lockstep_attach(struct cpu *cpu)
{
    struct lockstep *ls = calloc(1, sizeof(*ls));

    if (!ls)
        return false;
    ls->size1 = STATE1_SIZE;
    ls->size2 = STATE2_SIZE;
    ls->second.copy = true;
    ls->second.first = &ls->first;
    cpu->jit.lockstep = ls;
    cpu->watch = &ls->first;
    tlb_drop_stores(cpu, ARENA_NONE);
    return true;
}

void lockstep_detach(struct cpu *cpu)
{
    free(cpu->jit.lockstep);
    cpu->jit.lockstep = NULL;
    cpu->watch = NULL;
}

/* ---- what is not repeated ---- */

static enum lockstep_run reason_of(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);

    switch ((unsigned)(op - operations)) {
    case OPN_rdrand:
    case OPN_rdseed:
        return LOCKSTEP_CHANCE;
    case OPN_rdmsr:
    case OPN_wrmsr:
    case OPN_rsm:
        return LOCKSTEP_SYSTEM;
    case OPN_mov_to_cr:
    case OPN_mov_from_cr:
        return i->reg == 8 || i->rm == 8 ? LOCKSTEP_SYSTEM : LOCKSTEP_COMPARED;
    default:
        return LOCKSTEP_COMPARED;
    }
}

static enum lockstep_run reason_of_block(const struct tblock *t)
{
    enum lockstep_run why = LOCKSTEP_COMPARED;

    for (unsigned k = 0; k < t->ninsn && why == LOCKSTEP_COMPARED; k++)
        why = reason_of(&t->block->insns[k]);
    return why;
}

/* ---- states ---- */

/* Translated code need not leave where the interpreter does: both look at RIP then. */
static bool ended_well(int result)
{
    return result == OP_OK || result == OP_BRANCH || result == OP_LEAVE;
}

static void take_image(struct cpu *cpu, struct image *s, int result)
{
    s->budget = cpu->v.budget;
    s->flags = cpu_eflags(cpu);
    s->result = ended_well(result) ? OP_OK : result;
    memcpy(s->part1, (const char *)cpu + STATE1_FROM, cpu->jit.lockstep->size1);
    memcpy(s->part2, (const char *)cpu + STATE2_FROM, cpu->jit.lockstep->size2);
}

static void put_image(struct cpu *cpu, const struct image *s)
{
    cpu->v.budget = s->budget;
    memcpy((char *)cpu + STATE1_FROM, s->part1, cpu->jit.lockstep->size1);
    memcpy((char *)cpu + STATE2_FROM, s->part2, cpu->jit.lockstep->size2);
}

#define PART1(s, field) ((s)->part1 + (offsetof(struct cpu, field) - STATE1_FROM))
#define PART2(s, field) ((s)->part2 + (offsetof(struct cpu, field) - STATE2_FROM))

/* Makes equal what has several forms: flags; an exception that was not raised; padding. */
static void normalize(const struct image *from, struct image *s)
{
    struct x87_reg *fpr = (struct x87_reg *)(void *)PART2(s, fpr);
    struct pending_exception exc;

    memcpy(PART1(s, cc_res), PART1(from, cc_res), sizeof(int64_t) + sizeof(uint32_t));
    memcpy(PART1(s, eflags), PART1(from, eflags), 2 * sizeof(uint32_t));
    for (unsigned n = 0; n < 8; n++) {
        struct x87_reg r = fpr[n];
        memset(&fpr[n], 0, sizeof(r));
        fpr[n].mant = r.mant;
        fpr[n].sexp = r.sexp;
    }
    memcpy(&exc, PART1(s, exc), sizeof(exc));
    memset(PART1(s, exc), 0, sizeof(exc));
    if (s->result != OP_FAULT)
        return;
    uint64_t words[4] = {exc.vector | exc.has_error << 8 | exc.shutdown << 9,
                         exc.has_error ? exc.error : 0, exc.vector == EXC_PF ? exc.cr2 : 0,
                         exc.vector == EXC_DB ? exc.dr6 : 0};
    _Static_assert(sizeof(words) <= sizeof(exc), "room for the exception");
    memcpy(PART1(s, exc), words, sizeof(words));
}

static bool images_agree(struct lockstep *ls)
{
    struct image *a = &ls->interp, *b = &ls->jit;

    if (a->budget != b->budget || a->flags != b->flags || a->result != b->result)
        return false;
    normalize(&ls->before, a);
    normalize(&ls->before, b);
    return !memcmp(a->part1, b->part1, STATE1_SIZE) && !memcmp(a->part2, b->part2, STATE2_SIZE);
}

/* ---- memory ---- */

/* True if len bytes at arena, which were `before`, are what the interpreter makes of them. */
static bool range_agrees(const struct lockstep *ls, const uint8_t *host, uint64_t arena,
                         const uint8_t *before, unsigned len)
{
    uint8_t want[VM_PAGE_SIZE];

    memcpy(want, before, len);
    for (unsigned n = 0; n < ls->first.nwrites; n++) {
        const struct watched_write *w = &ls->first.writes[n];
        for (unsigned k = 0; k < w->len; k++)
            if (w->arena + k - arena < len)
                want[w->arena + k - arena] = w->after[k];
    }
    return !memcmp(want, host + arena, len);
}

static bool memory_agrees(const struct lockstep *ls, const uint8_t *host)
{
    const struct store_watch *second = &ls->second;

    for (unsigned n = 0; n < ls->first.nwrites; n++) {
        const struct watched_write *w = &ls->first.writes[n];
        if (memcmp(w->after, host + w->arena, w->len))
            return false;
    }
    for (unsigned n = 0; n < second->npages; n++)
        if (!range_agrees(ls, host, second->pages[n].arena, second->pages[n].before, VM_PAGE_SIZE))
            return false;
    for (unsigned n = 0; n < second->nwrites; n++)
        if (!range_agrees(ls, host, second->writes[n].arena, second->writes[n].before,
                          second->writes[n].len))
            return false;
    return true;
}

/* ---- showing ---- */

static void print_line(void *opaque, const char *text)
{
    fprintf(((struct log *)opaque)->out, "  %s\n", text);
}

static void print_state(struct cpu *cpu, const struct image *s, const char *title)
{
    FILE *out = cpu->v.m->log.out;

    put_image(cpu, s);
    fprintf(out, "%s: result %d, flags %08x, budget %lld, exception %u\n", title, s->result,
            s->flags, (long long)s->budget, cpu->exc.vector);
    cpu_print_registers(cpu, print_line, &cpu->v.m->log);
}

static void print_memory(const struct cpu *cpu, const struct lockstep *ls)
{
    const uint8_t *host = cpu->v.m->arena.host;
    FILE *out = cpu->v.m->log.out;

    for (unsigned n = 0; n < ls->first.nwrites && n < 64; n++) {
        const struct watched_write *w = &ls->first.writes[n];
        fprintf(out, "  %u bytes at %#llx:", w->len, (unsigned long long)w->arena);
        for (unsigned k = 0; k < w->len; k++)
            fprintf(out, " %02x", w->after[k]);
        fprintf(out, " |");
        for (unsigned k = 0; k < w->len; k++)
            fprintf(out, " %02x", host[w->arena + k]);
        fprintf(out, "%s\n", memcmp(w->after, host + w->arena, w->len) ? "  <--" : "");
    }
}

/* Prints everything and asks for the machine's end. */
static void report_difference(struct cpu *cpu, struct lockstep *ls, const struct tblock *t,
                              const char *what)
{
    struct machine *m = cpu->v.m;

    ls->differs = true;
    fprintf(m->log.out, "lockstep: %s differ in the block at %#llx\n", what,
            (unsigned long long)t->rip);
    describe_block(cpu->jit.translator, t, m->log.out);
    fprintf(m->log.out, "stored (interpreter | translated code):\n");
    print_memory(cpu, ls);
    print_state(cpu, &ls->before, "before");
    print_state(cpu, &ls->jit, "translated code");
    print_state(cpu, &ls->interp, "interpreter");
    fflush(m->log.out);
    vcpu_lock_machine(&cpu->v);
    machine_request_end(m, STOP_DIFFERENCE, 0);
    vcpu_unlock_machine(&cpu->v);
}

/* ---- running ---- */

static enum lockstep_run run_first(struct cpu *cpu, struct lockstep *ls, const struct tblock *t)
{
    struct tlb_entry *table = cpu->tlb_store;
    uint64_t map = cpu->v.m->mem.generation, a20 = cpu->a20_mask;

    store_watch_reset(cpu);
    take_image(cpu, &ls->before, OP_OK);
    cpu->tlb_store = cpu->tlb_none;
    int r = interp_block_part(cpu, t->block, t->ninsn);
    if (cpu->tlb_store == cpu->tlb_none && cpu->tlb_load != cpu->tlb_none)
        cpu->tlb_store = table;
    take_image(cpu, &ls->interp, r);
    ls->interp.result = r;
    if (map != cpu->v.m->mem.generation || a20 != cpu->a20_mask)
        return LOCKSTEP_SYSTEM; /* a device did that, which is not asked again */
    if (r == OP_AGAIN && atomic_load(&cpu->v.exit_req))
        return LOCKSTEP_CUT;
    return t->retired ? LOCKSTEP_CODE : ls->first.full ? LOCKSTEP_FULL : LOCKSTEP_COMPARED;
}

/* How many of b's instructions are at most `more`: iterations of a REP count, too. */
static unsigned without_rep(const struct block *b, int64_t more)
{
    unsigned n = 0;

    while (n < b->ninsn && n < more && !(b->insns[n].flags & (INSN_REP | INSN_REPNE)))
        n++;
    return n ? n : 1;
}

/* Translated code may leave a block early: when the budget no longer lasts for all of it, the mode
 * that it counts on has changed (MXCSR, x87 control), or another thread wants something. The
 * interpreter takes the state on to where the first run ended. */
static int catch_up(struct cpu *cpu, const struct image *interp, int result)
{
    while ((ended_well(result) || result == OP_AGAIN) &&
           (cpu->v.budget > interp->budget ||
            (cpu->v.budget == interp->budget && interp->result == OP_FAULT))) {
        const struct block *b = block_find(cpu);

        if (!b)
            return OP_FAULT;
        result = interp_block_part(cpu, b, without_rep(b, cpu->v.budget - interp->budget));
    }
    return result == OP_LEAVE && interp->result == OP_OK ? OP_OK : result;
}

/* The second run, from the state before. */
static void run_second(struct cpu *cpu, struct lockstep *ls, const struct tblock *t)
{
    store_watch_undo(cpu);
    for (unsigned n = 0; n < ls->first.npages; n++)
        tlb_drop_entry(cpu, ls->first.pages[n].entry);
    ls->first.npages = 0;
    put_image(cpu, &ls->before);
    tblock_now(cpu, t->block); /* may be fetched again, if the first run flushed that */
    cpu->watch = &ls->second;
    int r = run_translated(cpu, t);
    take_image(cpu, &ls->jit, catch_up(cpu, &ls->interp, r));
}

/* What differs; NULL: nothing. */
static const char *difference(struct lockstep *ls, const uint8_t *host)
{
    if (ls->second.other_access || ls->second.naccesses != ls->first.naccesses)
        return "device accesses";
    if (!images_agree(ls))
        return "registers";
    return memory_agrees(ls, host) ? NULL : "stores";
}

int lockstep_run(struct cpu *cpu, const struct tblock *t)
{
    struct lockstep *ls = cpu->jit.lockstep;
    enum lockstep_run why = reason_of_block(t), how = run_first(cpu, ls, t);
    int result = ls->interp.result;

    why = why != LOCKSTEP_COMPARED ? why : how;
    ls->runs[why]++;
    if (why != LOCKSTEP_COMPARED)
        return result;
    ls->interp.result = ended_well(result) ? OP_OK : result;
    run_second(cpu, ls, t);
    const char *what = difference(ls, cpu->v.m->arena.host);
    if (what)
        report_difference(cpu, ls, t, what);
    store_watch_reset(cpu);
    cpu->watch = &ls->first;
    return what ? OP_LEAVE : result;
}

void lockstep_report(const struct cpu *cpu, void (*line)(void *opaque, const char *text),
                     void *opaque)
{
    const struct lockstep *ls = cpu->jit.lockstep;
    char text[128];
    uint64_t sum = 0;

    for (unsigned n = 0; n < NUM_LOCKSTEP_RUNS; n++)
        sum += ls->runs[n];
    snprintf(text, sizeof(text),
             "lockstep, processor %u: %llu blocks executed, %llu compared (%.4f %%)%s",
             cpu->v.index, (unsigned long long)sum, (unsigned long long)ls->runs[LOCKSTEP_COMPARED],
             sum ? 100.0 * (double)ls->runs[LOCKSTEP_COMPARED] / (double)sum : 100.0,
             ls->differs ? ", A DIFFERENCE" : ", no difference");
    line(opaque, text);
    for (unsigned n = LOCKSTEP_COMPARED + 1; n < NUM_LOCKSTEP_RUNS; n++) {
        snprintf(text, sizeof(text), "  %s: %llu", run_names[n], (unsigned long long)ls->runs[n]);
        if (ls->runs[n])
            line(opaque, text);
    }
}
