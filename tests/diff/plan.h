/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which cases a run of tests/diff/NAME has, in how many processes, and how the command line says
 * so: what the programs have in common. */
#ifndef CALQUE_TESTS_DIFF_PLAN_H
#define CALQUE_TESTS_DIFF_PLAN_H

#include <getopt.h>
#include <stddef.h>

#include "tests/diff/gen.h"

struct plan {
    struct gen gen; /* its modes and bytes are options */
    uint64_t seed, from, cases, max_failures;
    unsigned jobs, job; /* job: which of them this process is */
    unsigned all_modes; /* what --mode all stands for */
    const char *only, *mode_name;
};

extern const char *const diff_mode_name[DIFF_MODES];

/* The options of every program, for the head of its table; their letters are bcfjkmos. */
#define PLAN_OPTIONS                                                                               \
    {"seed", 1, NULL, 's'}, {"cases", 1, NULL, 'c'}, {"from", 1, NULL, 'f'},                       \
        {"only", 1, NULL, 'o'}, {"bytes", 0, NULL, 'b'}, {"keep-going", 1, NULL, 'k'},             \
        {"jobs", 1, NULL, 'j'},                                                                    \
    {                                                                                              \
        "mode", 1, NULL, 'm'                                                                       \
    }

/* What they are when none is given; all_modes: a bit per DIFF_16 .. */
void plan_init(struct plan *p, unsigned all_modes);
/* Reads the command line: PLAN_OPTIONS here, any other letter by own(run, letter, value), value ""
 * if there is none. False: a bad option. */
bool plan_parse(struct plan *p, int argc, char **argv, const struct option *options,
                bool (*own)(void *run, int letter, const char *value), void *run);
/* True if the job of this process has case number n. */
bool plan_is_mine(const struct plan *p, uint64_t number);
/* Calls work(run, result) once a job, each job in a process of its own. Returns their results, of
 * size bytes each and zero at first, in job's order; NULL if a process failed. */
void *plan_jobs(struct plan *p, size_t size, void (*work)(void *run, void *result), void *run);
/* Prints the options that run this one case again. */
void plan_print_case(const struct plan *p, const struct diff_case *c);
/* Seconds of the host's monotonic clock. */
double plan_seconds(void);

#endif
