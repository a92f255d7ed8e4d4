/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/diff/engines: the translator against the interpreter, bit for bit.
 *
 * A case runs in two machines that differ in nothing but the engine, until it ends in the
 * supervisor's HLT: what ends it is delivered through the IDT, so that vector, error code and the
 * registers at the fault are state as any other. All of it is compared, undefined flags and the
 * count of instructions included. Nothing runs on the host's own account. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/ops.h"
#include "tests/diff/compare.h"
#include "tests/diff/layout.h"
#include "tests/diff/plan.h"
#include "translator/translator.h"

#define BUDGET   600 /* instructions for a case: loops have no end */
#define MAX_CUTS 16u

struct side {
    struct guest guest;
    struct layout_device device;
    struct translator *translator; /* NULL: the interpreter */
    uint8_t system[SUP_SIZE];      /* the supervisor's pages before a case */
};

/* What one job has done; shared. */
struct result {
    uint64_t done, failures, runs;
    uint64_t layouts[NUM_LAYOUTS];
    struct translator_stats stats;
    bool broken;
};

struct run {
    struct plan plan;
    struct side interp, jit;
    struct diff_shared *shared;
    struct diff_case c;
    enum layout layout;
    struct result *result;
    struct translator_config config;
};

/* ---- the machines ---- */

static bool side_init(struct run *r, struct side *s, bool translated)
{
    struct error err = {""};
    bool ok = guest_init(&s->guest, r->shared, &err);
    if (ok) {
        guest_catch(&s->guest);
        memcpy(s->system, s->guest.m.arena.host + PHYS_SYS, SUP_SIZE);
        layout_init(&s->device, &s->guest);
    }
    if (ok && translated)
        ok = translator_create(&s->guest.m, &r->config, &s->translator, &err) &&
             translator_attach(s->translator, s->guest.cpu, &err);
    if (!ok)
        fprintf(stderr, "engines: %s\n", err.text);
    return ok;
}

static void side_destroy(struct side *s)
{
    guest_destroy(&s->guest);
    translator_destroy(s->translator);
}

/* The state before the case; cold: with empty TLBs. */
static void side_load(struct run *r, struct side *s, bool cold)
{
    struct cpu *cpu = s->guest.cpu;
    uint8_t *host = s->guest.m.arena.host;
    memcpy(host + PHYS_SYS, s->system, SUP_HALT);
    if (cold)
        layout_apply(&s->guest, r->layout, r->c.slot);
    cpu->cpl = 3;
    cpu->v.halted = cpu->exc_pending = cpu->rep_unfinished = cpu->ferr_frozen = false;
    cpu->shut_down = false;
    cpu->bp_hits = 0;
    cpu->cr2 = 0;
    cpu->dr[6] = 0xffff0ff0;
    cpu->kernel_gs_base = 0;
    if (r->layout == LAYOUT_ALIAS) {
        memset(host + PHYS_CODE, 0xcc, DIFF_CODE_SIZE);
        arena_store_notify(&s->guest.m.arena, PHYS_CODE, DIFF_CODE_SIZE);
    }
    guest_load(&s->guest, r->shared, &r->c);
    layout_loaded(&s->device, &s->guest, r->layout);
}

static void side_run(struct side *s, int64_t budget)
{
    struct vcpu *v = &s->guest.cpu->v;
    v->budget = budget;
    interp_run(v, (uint64_t)budget);
}

/* ---- comparing ---- */

#define FIELD(name)                                                                                \
    {                                                                                              \
#name, offsetof(struct cpu, name), sizeof(((struct cpu *)0)->name)                         \
    }
#define FPR(n)                                                                                     \
    {                                                                                              \
        "fpr" #n, offsetof(struct cpu, fpr[n]), 10                                                 \
    }
#define XMM(n)                                                                                     \
    {                                                                                              \
        "ymm" #n, offsetof(struct cpu, xmm[n]), 32                                                 \
    }
static const struct field {
    const char *name;
    size_t off, size;
} fields[] = {
    {"rax", offsetof(struct cpu, r[R_RAX]), 8},
    {"rcx", offsetof(struct cpu, r[R_RCX]), 8},
    {"rdx", offsetof(struct cpu, r[R_RDX]), 8},
    {"rbx", offsetof(struct cpu, r[R_RBX]), 8},
    {"rsp", offsetof(struct cpu, r[R_RSP]), 8},
    {"rbp", offsetof(struct cpu, r[R_RBP]), 8},
    {"rsi", offsetof(struct cpu, r[R_RSI]), 8},
    {"rdi", offsetof(struct cpu, r[R_RDI]), 8},
    {"r8", offsetof(struct cpu, r[R_R8]), 8},
    {"r9", offsetof(struct cpu, r[R_R9]), 8},
    {"r10", offsetof(struct cpu, r[R_R10]), 8},
    {"r11", offsetof(struct cpu, r[R_R11]), 8},
    {"r12", offsetof(struct cpu, r[R_R12]), 8},
    {"r13", offsetof(struct cpu, r[R_R13]), 8},
    {"r14", offsetof(struct cpu, r[R_R14]), 8},
    {"r15", offsetof(struct cpu, r[R_R15]), 8},
    {"rip", offsetof(struct cpu, r[R_RIP]), 8},
    {"zero", offsetof(struct cpu, r[R_ZERO]), 8},
    {"budget", offsetof(struct cpu, v.budget), 8},
    {"halted", offsetof(struct cpu, v.halted), 1},
    FIELD(cpl),
    FIELD(code_mode),
    FIELD(stack_size),
    FIELD(flat),
    FIELD(seg[0]),
    FIELD(seg[1]),
    FIELD(seg[2]),
    FIELD(seg[3]),
    FIELD(seg[4]),
    FIELD(seg[5]),
    FIELD(cr2),
    FIELD(dr[6]),
    FIELD(shadow),
    FIELD(shadow_ss),
    FIELD(exc_pending),
    FIELD(rep_unfinished),
    FIELD(bp_hits),
    FIELD(kernel_gs_base),
    FIELD(fcw),
    FIELD(fsw),
    FIELD(fop),
    FIELD(ftw),
    FIELD(fcs),
    FIELD(fds),
    FIELD(fip),
    FIELD(fdp),
    FIELD(mxcsr),
    FPR(0),
    FPR(1),
    FPR(2),
    FPR(3),
    FPR(4),
    FPR(5),
    FPR(6),
    FPR(7),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
};
#define NUM_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* RAM that a case may change. */
static const struct area {
    const char *name;
    uint64_t phys, len;
} areas[] = {
    {"data", PHYS_DATA, DIFF_RW + DIFF_RO},
    {"code", PHYS_CODE, DIFF_CODE_SIZE},
    {"page tables", PHYS_PT + (DIFF_CODE >> 12 & 511) * 8, 3 * 8},
    {"page tables", PHYS_PT + (DIFF_DATA >> 12 & 511) * 8, 3 * 8},
    {"system", PHYS_SYS, SUP_HALT},
};
#define NUM_AREAS (sizeof(areas) / sizeof(areas[0]))

static bool area_counts(const struct run *r, const struct area *a)
{
    return a->phys != PHYS_CODE || r->layout == LAYOUT_ALIAS || diff_writable_slot(r->c.slot);
}

/* The first difference by name; NULL: none. */
static const char *difference(const struct run *r)
{
    const struct cpu *a = r->interp.guest.cpu, *b = r->jit.guest.cpu;
    const uint8_t *ha = r->interp.guest.m.arena.host, *hb = r->jit.guest.m.arena.host;
    for (size_t n = 0; n < NUM_FIELDS; n++)
        if (memcmp((const char *)a + fields[n].off, (const char *)b + fields[n].off,
                   fields[n].size))
            return fields[n].name;
    if (cpu_eflags(a) != cpu_eflags(b))
        return "flags";
    for (size_t n = 0; n < NUM_AREAS; n++)
        if (area_counts(r, &areas[n]) &&
            memcmp(ha + areas[n].phys, hb + areas[n].phys, areas[n].len))
            return areas[n].name;
    if (r->interp.device.digest != r->jit.device.digest)
        return "device accesses";
    if (memcmp(r->interp.device.bytes, r->jit.device.bytes, DIFF_RW))
        return "device memory";
    return NULL;
}

/* ---- showing ---- */

static void print_bytes(const uint8_t *p, size_t size)
{
    for (size_t k = size; k-- > 0;)
        printf("%02x", p[k]);
}

static void print_fields(const struct run *r)
{
    const struct cpu *a = r->interp.guest.cpu, *b = r->jit.guest.cpu;
    for (size_t n = 0; n < NUM_FIELDS; n++) {
        const uint8_t *pa = (const uint8_t *)a + fields[n].off;
        const uint8_t *pb = (const uint8_t *)b + fields[n].off;
        bool differ = memcmp(pa, pb, fields[n].size);
        if (!differ && n > R_R15 + 3)
            continue;
        printf("  %-8s ", fields[n].name);
        if (n < 16) {
            print_bytes((const uint8_t *)&r->c.in.gpr[n], 8);
            printf("  ");
        } else {
            printf("%16s  ", "");
        }
        print_bytes(pa, fields[n].size);
        printf("  ");
        print_bytes(pb, fields[n].size);
        puts(differ ? "  <--" : "");
    }
    printf("  %-8s %16llx  %16x  %16x%s\n", "flags", (unsigned long long)r->c.in.rflags,
           cpu_eflags(a), cpu_eflags(b), cpu_eflags(a) != cpu_eflags(b) ? "  <--" : "");
}

static void print_areas(const struct run *r)
{
    const uint8_t *ha = r->interp.guest.m.arena.host, *hb = r->jit.guest.m.arena.host;
    unsigned lines = 0;
    for (size_t n = 0; n < NUM_AREAS; n++) {
        for (uint64_t k = 0; k < areas[n].len && lines < 16; k += 8) {
            uint64_t at = areas[n].phys + k;
            if (!area_counts(r, &areas[n]) || !memcmp(ha + at, hb + at, 8))
                continue;
            printf("  %s+%llx  %016llx  %016llx  <--\n", areas[n].name, (unsigned long long)k,
                   (unsigned long long)ld_le64(ha + at), (unsigned long long)ld_le64(hb + at));
            lines++;
        }
    }
    printf("  accesses of the device: %llu, %llu\n", (unsigned long long)r->interp.device.accesses,
           (unsigned long long)r->jit.device.accesses);
}

/* Compares; says what differs. how: which run of the case it was. */
static bool check(struct run *r, const char *how, unsigned number)
{
    const char *what = difference(r);
    r->result->runs++;
    if (!what)
        return true;
    r->result->failures++;
    printf("DIFFERENCE in %s, %s %u: ", what, how, number);
    plan_print_case(&r->plan, &r->c);
    printf("\n  %s-bit code; %s\n", diff_mode_name[r->c.mode], layout_name(r->layout));
    print_code(&r->c);
    printf("  %-8s %16s  %16s  %16s\n", "", "before", "interpreter", "translator");
    print_fields(r);
    print_areas(r);
    fflush(stdout);
    return false;
}

/* ---- cases ---- */

static void load_both(struct run *r, bool cold)
{
    side_load(r, &r->interp, cold);
    side_load(r, &r->jit, cold);
}

static void run_both(struct run *r, int64_t budget)
{
    side_run(&r->interp, budget);
    side_run(&r->jit, budget);
}

/* The budget ends after each of the case's first instructions; then the rest. */
static bool check_cuts(struct run *r, unsigned used)
{
    for (unsigned k = 1; k < used && k < MAX_CUTS; k++) {
        load_both(r, k & 1);
        run_both(r, k);
        if (!check(r, "stopped after", k))
            return false;
        run_both(r, BUDGET - k);
        if (!check(r, "gone on after", k))
            return false;
    }
    return true;
}

/* What else is done with a case depends on its number alone. */
static void check_case(struct run *r)
{
    struct rng rng = {r->c.number ^ r->plan.seed << 40};
    unsigned how = below(&rng, 64);
    r->layout = how < NUM_LAYOUTS * 4 ? (enum layout)(how / 4) : LAYOUT_PLAIN;
    r->result->layouts[r->layout]++;
    r->result->done++;
    load_both(r, true);
    run_both(r, BUDGET);
    int64_t used = BUDGET - r->interp.guest.cpu->v.budget;
    if (!check(r, "run", 1))
        return;
    if (one_in(&rng, 3)) { /* linked, and with warm TLBs */
        load_both(r, false);
        run_both(r, BUDGET);
        if (!check(r, "run", 2))
            return;
    }
    if (one_in(&rng, 12))
        check_cuts(r, (unsigned)used);
}

static void run_cases(struct run *r)
{
    const struct plan *p = &r->plan;
    for (uint64_t n = p->from; n < p->from + p->cases; n++) {
        if (!plan_is_mine(p, n))
            continue;
        if (r->result->failures >= p->max_failures)
            return;
        if (gen_case(&p->gen, n, &r->c))
            check_case(r);
    }
}

/* ---- jobs ---- */

static void work(void *run, void *result)
{
    struct run *r = run;
    r->result = result;
    r->shared = calloc(1, sizeof(*r->shared));
    r->result->broken = true;
    if (!r->shared)
        return;
    gen_pools(&r->plan.gen, r->shared);
    r->shared->host_avx = true;
    if (side_init(r, &r->interp, false) && side_init(r, &r->jit, true)) {
        run_cases(r);
        translator_stats(r->jit.translator, &r->result->stats);
        side_destroy(&r->interp);
        side_destroy(&r->jit);
        r->result->broken = false;
    }
    free(r->shared);
}

/* Adds up what the jobs have done, in the first one's result. */
static void add_results(struct run *r)
{
    struct result *sum = r->result;
    for (unsigned j = 1; j < r->plan.jobs; j++) {
        const struct result *one = &r->result[j];
        sum->done += one->done;
        sum->failures += one->failures;
        sum->runs += one->runs;
        sum->broken |= one->broken;
        for (unsigned n = 0; n < NUM_LAYOUTS; n++)
            sum->layouts[n] += one->layouts[n];
        sum->stats.enters += one->stats.enters;
        sum->stats.insns += one->stats.insns;
        sum->stats.handlers += one->stats.handlers;
        sum->stats.handed_back += one->stats.handed_back;
    }
}

/* ---- command line ---- */

static int usage(void)
{
    fprintf(
        stderr,
        "usage: tests/diff/engines [--mode 16|32|64|all] [--seed N] [--cases N] [--from N]\n"
        "                          [--jobs N] [--only OPERATION] [--bytes] [--keep-going N]\n"
        "                          [--links off] [--jumpcache off] [--calls off]\n"
        "Compares random instructions in the interpreter and in translated code. Options as\n"
        "of tests/diff/host; without --mode, 32- and 64-bit code (16-bit code is interpreted).\n");
    return 2;
}

static bool own_option(void *run, int letter, const char *value)
{
    struct run *r = run;
    bool off = !strcmp(value, "off");
    switch (letter) {
    case 'L':
        return r->config.no_links = off;
    case 'J':
        return r->config.no_jump_cache = off;
    case 'C':
        return r->config.no_calls = off;
    default:
        return false;
    }
}

/* A translator that was never used, or gave up, has not been tested. */
static int summary(const struct run *r, double took)
{
    const struct result *sum = r->result;
    bool idle = (r->plan.gen.modes & 6 && sum->stats.enters < sum->done) || sum->stats.handed_back;
    for (unsigned n = 0; n < NUM_LAYOUTS; n++)
        printf("%s: %llu cases\n", layout_name((enum layout)n),
               (unsigned long long)sum->layouts[n]);
    printf("%llu instructions translated, entered %llu times; %llu run by handlers\n",
           (unsigned long long)sum->stats.insns, (unsigned long long)sum->stats.enters,
           (unsigned long long)sum->stats.handlers);
    printf("%llu cases in %.1f s (%.0f a second), %llu runs, %llu differences%s\n",
           (unsigned long long)sum->done, took, (double)sum->done / took,
           (unsigned long long)sum->runs, (unsigned long long)sum->failures,
           idle ? ", TRANSLATOR NOT USED" : "");
    return sum->broken ? 3 : sum->failures || idle;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        PLAN_OPTIONS, {"links", 1, NULL, 'L'}, {"jumpcache", 1, NULL, 'J'}, {"calls", 1, NULL, 'C'},
        {0},
    };
    struct run *r = calloc(1, sizeof(*r));
    if (!r)
        return 3;
    struct gen *gen = &r->plan.gen;
    plan_init(&r->plan, 6);
    r->config = (struct translator_config){.cache_size = 4 << 20, .threshold = 1};
    if (!plan_parse(&r->plan, argc, argv, options, own_option, r)) {
        free(r);
        return usage();
    }
    gen->ldt = gen->engines = true;
    int status = 3;
    if (gen_init(gen, r->plan.seed, r->plan.only) && gen->modes) {
        double start = plan_seconds();
        r->result = plan_jobs(&r->plan, sizeof(*r->result), work, r);
        if (r->result) {
            add_results(r);
            status = summary(r, plan_seconds() - start);
        }
    } else {
        fprintf(stderr, "engines: nothing to try\n");
    }
    gen_free(gen);
    free(r);
    return status;
}
