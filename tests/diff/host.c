/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/diff/host: the interpreter against the host's own processor. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cpu/x86/ops.h"
#include "tests/diff/compare.h"
#include "tests/diff/gen.h"
#include "tests/diff/guest.h"

#define MAX_FORMS    24
#define NUM_PREFIXES 7

/* Cases per row, form and size, prefix. */
struct tally {
    uint64_t forms[MAX_FORMS];
    uint64_t prefixes[MAX_FORMS][NUM_PREFIXES];
    uint64_t tried, faults, differences;
};

struct run {
    struct gen gen;
    struct native native;
    struct guest guest;
    struct tally *tallies; /* per row */
    struct diff_outcome outcome;
    uint64_t seed, from, cases, max_failures;
    uint64_t done, failures, undefined_results;
    const char *only;
    bool verbose, table;
};

static int usage(FILE *out)
{
    fprintf(out,
            "usage: tests/diff/host [--seed N] [--cases N] [--from N] [--only OPERATION]\n"
            "                       [--keep-going N] [--table] [--verbose]\n"
            "Compares random instructions on this processor and in the interpreter.\n"
            "  --from N        first case (a case depends on the seed and its number only)\n"
            "  --keep-going N  stop after N differences instead of 10\n"
            "  --table         what was tried: per operation, per row x form x size x prefix;\n"
            "                  what was not, and why\n"
            "  --verbose       print every difference in full, not one for each row\n");
    return 2;
}

static bool parse_options(struct run *r, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", 1, NULL, 's'},       {"cases", 1, NULL, 'c'},
        {"from", 1, NULL, 'f'},       {"only", 1, NULL, 'o'},
        {"verbose", 0, NULL, 'v'},    {"table", 0, NULL, 't'},
        {"keep-going", 1, NULL, 'k'}, {0},
    };
    int o;
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (o) {
        case 's':
            r->seed = strtoull(optarg, NULL, 0);
            break;
        case 'c':
            r->cases = strtoull(optarg, NULL, 0);
            break;
        case 'f':
            r->from = strtoull(optarg, NULL, 0);
            break;
        case 'o':
            r->only = optarg;
            break;
        case 'v':
            r->verbose = true;
            break;
        case 't':
            r->table = true;
            break;
        case 'k':
            r->max_failures = strtoull(optarg, NULL, 0);
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

/* ---- the summary ---- */

static void count_case(struct run *r, const struct diff_case *c, const struct diff_outcome *host)
{
    for (unsigned k = 0; k < c->ninsns; k++) {
        const struct diff_insn *i = &c->insns[k];
        struct tally *t = &r->tallies[i->row];
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

static void print_table(const struct run *r)
{
    static const char *const prefix[] = {"66", "67", "seg", "lock", "F3", "F2", "rex"};
    for (unsigned k = 0; k < r->gen.nrows; k++) {
        unsigned row = r->gen.rows[k];
        const struct tally *t = &r->tallies[row];
        for (unsigned f = 0; f < MAX_FORMS; f++) {
            if (!t->forms[f])
                continue;
            print_row(row);
            printf("  %s: %llu", op_name(operations[encodings[row].operation].first_op + f),
                   (unsigned long long)t->forms[f]);
            for (unsigned p = 0; p < NUM_PREFIXES; p++)
                if (t->prefixes[f][p])
                    printf(" %s:%llu", prefix[p], (unsigned long long)t->prefixes[f][p]);
            printf("\n");
        }
    }
}

/* One line an operation: rows, cases, ended in a fault, differences. */
static void print_operations(const struct run *r)
{
    for (unsigned o = 0; o < NUM_OPERATIONS; o++) {
        struct tally sum = {0};
        unsigned rows = 0, forms = 0;
        for (unsigned k = 0; k < r->gen.nrows; k++) {
            unsigned row = r->gen.rows[k];
            if (encodings[row].operation != o)
                continue;
            rows++;
            sum.tried += r->tallies[row].tried;
            sum.faults += r->tallies[row].faults;
            sum.differences += r->tallies[row].differences;
            for (unsigned f = 0; f < MAX_FORMS; f++)
                sum.forms[f] += r->tallies[row].forms[f];
        }
        for (unsigned f = 0; f < MAX_FORMS; f++)
            forms += sum.forms[f] != 0;
        if (rows)
            printf("%-16s rows %3u  forms %2u  cases %8llu  faults %8llu  differences %llu\n",
                   operations[o].name, rows, forms, (unsigned long long)sum.tried,
                   (unsigned long long)sum.faults, (unsigned long long)sum.differences);
    }
}

static void print_excluded(const struct run *r)
{
    for (unsigned k = 0; k < num_encodings; k++) {
        if (!r->gen.reason[k])
            continue;
        printf("not tried: ");
        print_row(k);
        printf(": %s\n", r->gen.reason[k]);
    }
}

/* Rows that should have been tried and were not. */
static unsigned never_tried(const struct run *r)
{
    unsigned n = 0;
    for (unsigned k = 0; k < r->gen.nrows; k++) {
        if (r->tallies[r->gen.rows[k]].tried)
            continue;
        printf("NEVER TRIED: ");
        print_row(r->gen.rows[k]);
        printf("\n");
        n++;
    }
    return n;
}

/* ---- the run ---- */

static void report(struct run *r, const struct diff_case *c, const struct diff_outcome *host,
                   uint32_t undefined, const char *what)
{
    struct tally *t = &r->tallies[c->insns[c->ninsns - 1].row];
    r->failures++;
    if (t->differences++ && !r->verbose)
        return;
    printf("DIFFERENCE in %s: --seed %llu --from %llu --cases 1%s%s, row ", what,
           (unsigned long long)r->seed, (unsigned long long)c->number, r->only ? " --only " : "",
           r->only ? r->only : "");
    print_row(c->insns[c->ninsns - 1].row);
    printf("\n");
    print_difference(c, r->native.shared, host, &r->outcome, undefined);
}

static void check_batch(struct run *r, unsigned batch)
{
    const struct diff_shared *s = r->native.shared;
    const struct diff_batch *b = &s->batches[batch];
    for (unsigned k = 0; k < b->count && r->failures < r->max_failures; k++) {
        const struct diff_case *c = &b->cases[k];
        uint32_t undefined;
        char what[64];
        count_case(r, c, &b->outcomes[k]);
        r->done++;
        if (!guest_run(&r->guest, s, c, &r->outcome, &undefined))
            r->undefined_results++;
        else if (!outcomes_agree(c, &b->outcomes[k], &r->outcome, undefined, what, sizeof(what)))
            report(r, c, &b->outcomes[k], undefined, what);
    }
}

/* Fills a batch from case number at; returns how many numbers were used up. */
static uint64_t fill_batch(struct run *r, unsigned batch, uint64_t at, uint64_t end)
{
    struct diff_batch *b = &r->native.shared->batches[batch];
    uint64_t n = at;
    b->count = 0;
    for (; n < end && n - at < DIFF_BATCH; n++)
        if (gen_case(&r->gen, n, &b->cases[b->count]))
            b->count++;
    return n - at;
}

static void run_cases(struct run *r)
{
    uint64_t at = r->from, end = r->from + r->cases;
    unsigned batch = 0;
    bool waiting = false;
    while ((at < end || waiting) && r->failures < r->max_failures) {
        bool more = at < end;
        if (more)
            at += fill_batch(r, batch, at, end);
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

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool prepare(struct run *r)
{
    struct error err = {""};
    if (!gen_init(&r->gen, r->seed, r->only) || !native_init(&r->native)) {
        fprintf(stderr, "host: no memory for the two sides\n");
        return false;
    }
    if (!r->gen.nrows) {
        fprintf(stderr, "host: --only %s: no such operation, or none that can be tried\n", r->only);
        return false;
    }
    gen_pools(&r->gen, r->native.shared);
    if (!guest_init(&r->guest, r->native.shared, &err)) {
        fprintf(stderr, "host: %s\n", err.text);
        return false;
    }
    r->tallies = calloc(num_encodings, sizeof(*r->tallies));
    return r->tallies != NULL;
}

int main(int argc, char **argv)
{
    struct run *r = calloc(1, sizeof(*r));
    if (!r)
        return 3;
    r->seed = 1;
    r->cases = 100000;
    r->max_failures = 10;
    if (!parse_options(r, argc, argv)) {
        free(r);
        return usage(stderr);
    }
    if (!prepare(r)) {
        free(r);
        return 3;
    }
    double start = seconds();
    run_cases(r);
    double took = seconds() - start;
    if (r->table) {
        print_excluded(r);
        print_table(r);
        print_operations(r);
    }
    bool complete = r->failures < r->max_failures && r->cases >= 4 * r->gen.nrows;
    unsigned missing = complete ? never_tried(r) : 0;
    printf("%llu cases in %.1f s (%.0f a second), %llu differences, %llu with an undefined result, "
           "%u rows never tried\n",
           (unsigned long long)r->done, took, (double)r->done / took,
           (unsigned long long)r->failures, (unsigned long long)r->undefined_results, missing);
    int status = r->failures || missing;
    native_destroy(&r->native);
    guest_destroy(&r->guest);
    gen_free(&r->gen);
    free(r->tallies);
    free(r);
    return status;
}
