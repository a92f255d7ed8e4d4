/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/diff/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 64u

const char *const diff_mode_name[DIFF_MODES] = {"16", "32", "64"};

static bool set_mode(struct plan *p, const char *name)
{
    p->mode_name = name;
    p->gen.modes = strcmp(name, "all") ? 0 : p->all_modes;
    for (unsigned m = 0; m < DIFF_MODES; m++)
        if (!strcmp(name, diff_mode_name[m]))
            p->gen.modes = 1u << m;
    return p->gen.modes;
}

void plan_init(struct plan *p, unsigned all_modes)
{
    *p = (struct plan){
        .seed = 1, .cases = 100000, .max_failures = 10, .jobs = 1, .all_modes = all_modes};
    set_mode(p, "all");
}

/* An option whose value is a number; false if it is none. */
static bool set_number(struct plan *p, int letter, const char *value)
{
    uint64_t n = strtoull(value, NULL, 0);
    switch (letter) {
    case 's':
        p->seed = n;
        return true;
    case 'c':
        p->cases = n;
        return true;
    case 'f':
        p->from = n;
        return true;
    case 'k':
        p->max_failures = n;
        return true;
    case 'j':
        p->jobs = n <= MAX_JOBS ? (unsigned)n : 0;
        return true;
    default:
        return false;
    }
}

bool plan_parse(struct plan *p, int argc, char **argv, const struct option *options,
                bool (*own)(void *run, int letter, const char *value), void *run)
{
    int o;
    bool good = true;
    while (good && (o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const char *value = optarg ? optarg : "";
        if (set_number(p, o, value))
            good = p->jobs >= 1;
        else if (o == 'm')
            good = set_mode(p, value);
        else if (o == 'o')
            p->only = value;
        else if (o == 'b')
            p->gen.bytes = true;
        else
            good = own(run, o, value);
    }
    return good && optind == argc;
}

bool plan_is_mine(const struct plan *p, uint64_t number)
{
    return number / DIFF_BATCH % p->jobs == p->job;
}

void *plan_jobs(struct plan *p, size_t size, void (*work)(void *run, void *result), void *run)
{
    char *results =
        mmap(NULL, p->jobs * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED)
        return NULL;
    if (p->jobs == 1) {
        work(run, results);
        return results;
    }
    fflush(NULL);
    for (p->job = 0; p->job < p->jobs; p->job++) {
        int pid = fork();
        if (pid < 0)
            return NULL;
        if (pid == 0) {
            work(run, results + p->job * size);
            fflush(NULL);
            _exit(0);
        }
    }
    bool well = true;
    for (int status; wait(&status) > 0;)
        well &= status == 0;
    return well ? results : NULL;
}

void plan_print_case(const struct plan *p, const struct diff_case *c)
{
    printf("--seed %llu --from %llu --cases 1 --mode %s%s%s%s", (unsigned long long)p->seed,
           (unsigned long long)c->number, p->mode_name, p->gen.bytes ? " --bytes" : "",
           p->only ? " --only " : "", p->only ? p->only : "");
}

double plan_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
