/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/diff/host: the interpreter against the host's own processor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/ops.h"
#include "tests/diff/compare.h"
#include "tests/diff/explain.h"
#include "tests/diff/guest.h"
#include "tests/diff/plan.h"

#define MAX_FORMS    24
#define NUM_PREFIXES 7

/* Cases per row, form and size, prefix. */
struct tally {
    uint64_t forms[MAX_FORMS];
    uint64_t prefixes[MAX_FORMS][NUM_PREFIXES];
    uint64_t tried, faults, differences;
};

/* What one job has done; in memory that all of them share. */
struct result {
    uint64_t done, failures, undefined_results, per_mode[DIFF_MODES], accepted[NUM_EXPLANATIONS];
    bool broken;
    struct tally tallies[]; /* per mode and row */
};

struct run {
    struct plan plan;
    struct native native;
    struct guest guest;
    struct result *result;
    struct diff_outcome outcome;
    bool verbose, table, stats;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: tests/diff/host [--mode 16|32|64|all] [--seed N] [--cases N] [--from N]\n"
            "                       [--jobs N] [--only OPERATION] [--bytes] [--keep-going N]\n"
            "                       [--table] [--stats] [--verbose]\n"
            "Compares random instructions on this processor and in the interpreter.\n"
            "  --mode M        16-bit, 32-bit, 64-bit code, or all of them in turn (default)\n"
            "  --from N        first case (a case depends on the seed, its number and the modes)\n"
            "  --jobs N        so many pairs of processes; the cases are the same\n"
            "  --bytes         random bytes, not instructions of the table\n"
            "  --keep-going N  stop after N differences instead of 10\n"
            "  --table         what was tried: per operation, per row x form x size x prefix;\n"
            "                  what was not, and why\n"
            "  --stats         the number of cases of each mode, row and form\n"
            "  --verbose       print every difference in full, not one for each row\n");
    return 2;
}

static bool own_option(void *run, int letter, const char *value)
{
    struct run *r = run;
    (void)value;
    switch (letter) {
    case 'v':
        return r->verbose = true;
    case 't':
        return r->table = true;
    case 'S':
        return r->stats = true;
    default:
        return false;
    }
}

/* ---- the summary ---- */

static struct tally *tally_of(struct run *r, unsigned mode, unsigned row)
{
    return &r->result->tallies[mode * num_encodings + row];
}

static void count_case(struct run *r, const struct diff_case *c, const struct diff_outcome *host)
{
    r->result->per_mode[c->mode]++;
    for (unsigned k = 0; k < c->ninsns; k++) {
        const struct diff_insn *i = &c->insns[k];
        struct tally *t = tally_of(r, c->mode, i->row);
        unsigned form = i->op - op_operation(i->op)->first_op;
        if (form >= MAX_FORMS)
            continue;
        t->tried++;
        t->faults += host->vector != DIFF_NO_FAULT;
        t->forms[form]++;
        for (unsigned p = 0; p < NUM_PREFIXES; p++)
            t->prefixes[form][p] += i->prefix >> p & 1;
    }
}

static void print_row(unsigned row)
{
    static const char *const maps[] = {"", "0F ", "0F38 ", "0F3A ", "V0F ", "V0F38 ", "V0F3A "};
    const struct encoding *e = &encodings[row];
    printf("%s%02X", maps[e->map], e->opcode);
    if (e->match & M_REG_)
        printf(" /%u", e->match >> 8 & 7);
    printf(" %s", operations[e->operation].name);
}

/* The forms of a row that were tried; with the prefixes they had. */
static void print_forms(struct run *r, unsigned mode, unsigned row, bool prefixes)
{
    static const char *const prefix[] = {"66", "67", "seg", "lock", "F3", "F2", "rex"};
    const struct tally *t = tally_of(r, mode, row);
    for (unsigned f = 0; f < MAX_FORMS; f++) {
        if (!t->forms[f])
            continue;
        printf("%s: ", diff_mode_name[mode]);
        print_row(row);
        printf("  %s: %llu", op_name(operations[encodings[row].operation].first_op + f),
               (unsigned long long)t->forms[f]);
        for (unsigned p = 0; p < NUM_PREFIXES && prefixes; p++)
            if (t->prefixes[f][p])
                printf(" %s:%llu", prefix[p], (unsigned long long)t->prefixes[f][p]);
        printf("\n");
    }
}

/* One line an operation: rows, cases, ended in a fault, differences. */
static void print_operation(struct run *r, unsigned mode, unsigned o)
{
    const struct gen_rows *g = &r->plan.gen.mode[mode];
    struct tally sum = {0};
    unsigned rows = 0, forms = 0;
    for (unsigned k = 0; k < g->nrows; k++) {
        const struct tally *t = tally_of(r, mode, g->rows[k]);
        if (encodings[g->rows[k]].operation != o)
            continue;
        rows++;
        sum.tried += t->tried;
        sum.faults += t->faults;
        sum.differences += t->differences;
        for (unsigned f = 0; f < MAX_FORMS; f++)
            sum.forms[f] += t->forms[f];
    }
    for (unsigned f = 0; f < MAX_FORMS; f++)
        forms += sum.forms[f] != 0;
    if (rows)
        printf("%s: %-16s rows %3u  forms %2u  cases %8llu  faults %8llu  differences %llu\n",
               diff_mode_name[mode], operations[o].name, rows, forms, (unsigned long long)sum.tried,
               (unsigned long long)sum.faults, (unsigned long long)sum.differences);
}

static void print_excluded(const struct run *r, unsigned mode)
{
    for (unsigned k = 0; k < num_encodings; k++) {
        if (!r->plan.gen.mode[mode].reason[k])
            continue;
        printf("%s: not tried: ", diff_mode_name[mode]);
        print_row(k);
        printf(": %s\n", r->plan.gen.mode[mode].reason[k]);
    }
}

static void print_mode(struct run *r, unsigned mode)
{
    const struct gen_rows *g = &r->plan.gen.mode[mode];
    if (r->table)
        print_excluded(r, mode);
    for (unsigned k = 0; k < g->nrows; k++)
        print_forms(r, mode, g->rows[k], r->table);
    for (unsigned o = 0; o < NUM_OPERATIONS && r->table; o++)
        print_operation(r, mode, o);
}

/* Rows that should have been tried and were not. */
static unsigned never_tried(struct run *r, unsigned mode)
{
    unsigned n = 0;
    const struct gen_rows *g = &r->plan.gen.mode[mode];
    for (unsigned k = 0; k < g->nrows; k++) {
        if (tally_of(r, mode, g->rows[k])->tried)
            continue;
        printf("%s: NEVER TRIED: ", diff_mode_name[mode]);
        print_row(g->rows[k]);
        printf("\n");
        n++;
    }
    return n;
}

/* ---- the run ---- */

static void report(struct run *r, const struct diff_case *c, const struct diff_outcome *host,
                   uint32_t undefined, const char *what)
{
    r->result->failures++;
    uint64_t *seen = &r->result->tallies[0].differences;
    if (c->ninsns)
        seen = &tally_of(r, c->mode, c->insns[c->ninsns - 1].row)->differences;
    if ((*seen)++ && !r->verbose && c->ninsns)
        return;
    printf("DIFFERENCE in %s: ", what);
    plan_print_case(&r->plan, c);
    if (c->ninsns) {
        printf(", row ");
        print_row(c->insns[c->ninsns - 1].row);
    }
    printf(" (%s-bit code)\n", diff_mode_name[c->mode]);
    print_difference(c, r->native.shared, host, &r->outcome, undefined);
    fflush(stdout);
}

static void check_batch(struct run *r, unsigned batch)
{
    const struct diff_shared *s = r->native.shared;
    const struct diff_batch *b = &s->batches[batch];
    for (unsigned k = 0; k < b->count && r->result->failures < r->plan.max_failures; k++) {
        const struct diff_case *c = &b->cases[k];
        uint32_t undefined;
        unsigned explanation = 0;
        char what[64];
        count_case(r, c, &b->outcomes[k]);
        r->result->done++;
        if (!guest_run(&r->guest, s, c, &r->outcome, &undefined))
            r->result->undefined_results++;
        else if (!outcomes_agree(c, &b->outcomes[k], &r->outcome, undefined, &explanation, what,
                                 sizeof(what)))
            report(r, c, &b->outcomes[k], undefined, what);
        r->result->accepted[explanation]++;
    }
}

/* Fills a batch with the cases from number at to the end of its turn. */
static void fill_batch(struct run *r, unsigned batch, uint64_t at, uint64_t end)
{
    struct diff_batch *b = &r->native.shared->batches[batch];
    b->count = 0;
    for (uint64_t n = at; n < end && n / DIFF_BATCH == at / DIFF_BATCH; n++)
        if (gen_case(&r->plan.gen, n, &b->cases[b->count]))
            b->count++;
}

/* The first number from at on that is this job's. */
static uint64_t own_turn(const struct run *r, uint64_t at)
{
    while (!plan_is_mine(&r->plan, at))
        at = (at / DIFF_BATCH + 1) * DIFF_BATCH;
    return at;
}

static void run_cases(struct run *r)
{
    uint64_t at = own_turn(r, r->plan.from), end = r->plan.from + r->plan.cases;
    unsigned batch = 0;
    bool waiting = false;
    while ((at < end || waiting) && r->result->failures < r->plan.max_failures) {
        bool more = at < end;
        if (more) {
            fill_batch(r, batch, at, end);
            at = own_turn(r, (at / DIFF_BATCH + 1) * DIFF_BATCH);
        }
        if (waiting)
            native_wait(&r->native, !batch);
        if (more)
            native_submit(&r->native, batch);
        if (waiting)
            check_batch(r, !batch);
        waiting = more;
        batch = !batch;
    }
}

/* ---- jobs ---- */

/* Makes the generator; says by name what this host leaves out. */
static bool prepare(struct run *r)
{
    struct gen *g = &r->plan.gen;
    unsigned asked = g->modes;
    g->ldt = native_has_ldt();
    if (!native_has_compatibility() && asked & 3) {
        printf("16- and 32-bit code: not run, this kernel has no 32-bit code segment\n");
        g->modes &= 4;
    } else if (!g->ldt && asked & 3) {
        printf("16-bit code, and 32-bit code in segments that are not flat: not run, no modify_ldt "
               "here\n");
        g->modes &= 6;
    }
    if (!g->modes)
        return true;
    if (!gen_init(g, r->plan.seed, r->plan.only)) {
        fprintf(stderr, "host: no memory\n");
        return false;
    }
    if (!g->modes)
        fprintf(stderr, "host: --only %s: no such operation, or none that can be tried\n",
                r->plan.only);
    return g->modes;
}

/* One job: both sides, and its share of the cases. */
static void work(void *run, void *result)
{
    struct run *r = run;
    struct error err = {""};
    r->result = result;
    if (!native_init(&r->native)) {
        fprintf(stderr, "host: no memory for the host's side\n");
        r->result->broken = true;
        return;
    }
    gen_pools(&r->plan.gen, r->native.shared);
    r->native.shared->has_ldt = r->plan.gen.ldt;
    if (guest_init(&r->guest, r->native.shared, &err)) {
        run_cases(r);
        guest_destroy(&r->guest);
    } else {
        fprintf(stderr, "host: %s\n", err.text);
        r->result->broken = true;
    }
    native_destroy(&r->native);
}

static size_t result_size(void)
{
    return sizeof(struct result) + (size_t)DIFF_MODES * num_encodings * sizeof(struct tally);
}

static struct result *result_of(const struct run *r, unsigned job)
{
    return (struct result *)((char *)r->result + job * result_size());
}

/* Adds up what the jobs have done, in the first one's result. */
static void add_results(struct run *r)
{
    for (unsigned j = 1; j < r->plan.jobs; j++) {
        uint64_t *to = (uint64_t *)r->result->tallies;
        const struct result *from = result_of(r, j);
        const uint64_t *each = (const uint64_t *)from->tallies;
        r->result->done += from->done;
        r->result->failures += from->failures;
        r->result->undefined_results += from->undefined_results;
        r->result->broken |= from->broken;
        for (unsigned m = 0; m < DIFF_MODES; m++)
            r->result->per_mode[m] += from->per_mode[m];
        for (unsigned n = 0; n < NUM_EXPLANATIONS; n++)
            r->result->accepted[n] += from->accepted[n];
        for (size_t k = 0; k < DIFF_MODES * num_encodings * sizeof(struct tally) / 8; k++)
            to[k] += each[k];
    }
}

static int summary(struct run *r, double took)
{
    const struct result *sum = r->result;
    unsigned missing = 0;
    bool complete = sum->failures < r->plan.max_failures && !r->plan.gen.bytes;
    for (unsigned m = 0; m < DIFF_MODES; m++) {
        if (!(r->plan.gen.modes >> m & 1))
            continue;
        if ((r->table || r->stats) && !r->plan.gen.bytes)
            print_mode(r, m);
        if (complete && sum->per_mode[m] >= 4 * r->plan.gen.mode[m].nrows)
            missing += never_tried(r, m);
    }
    for (unsigned n = 1; (r->table || r->stats) && explanation_name(n); n++)
        printf("accepted: %s: %llu cases\n", explanation_name(n),
               (unsigned long long)sum->accepted[n]);
    printf("%llu cases in %.1f s (%.0f a second;", (unsigned long long)sum->done, took,
           (double)sum->done / took);
    for (unsigned m = 0; m < DIFF_MODES; m++)
        printf(" %s-bit: %llu", diff_mode_name[m], (unsigned long long)sum->per_mode[m]);
    printf("), %llu differences, %llu with an undefined result, %u rows never tried\n",
           (unsigned long long)sum->failures, (unsigned long long)sum->undefined_results, missing);
    return sum->broken ? 3 : sum->failures || missing;
}

/* The cases by all jobs; the exit status. */
static int run_jobs(struct run *r)
{
    double start = plan_seconds();
    r->result = plan_jobs(&r->plan, result_size(), work, r);
    if (!r->result)
        return 3;
    add_results(r);
    return summary(r, plan_seconds() - start);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        PLAN_OPTIONS, {"verbose", 0, NULL, 'v'}, {"table", 0, NULL, 't'}, {"stats", 0, NULL, 'S'},
        {0},
    };
    struct run *r = calloc(1, sizeof(*r));
    if (!r)
        return 3;
    plan_init(&r->plan, 7);
    if (!plan_parse(&r->plan, argc, argv, options, own_option, r)) {
        free(r);
        return usage();
    }
    int status = 3;
    if (prepare(r))
        status = r->plan.gen.modes ? run_jobs(r) : 0;
    gen_free(&r->plan.gen);
    free(r);
    return status;
}
