/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUs with a thread each: exclusive sections, the machine lock, stops, resets, turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>

#include "vm/machine.h"

enum { CPUS = 4, ROUNDS = 300 };

/* Each round counts in three ways that lose counts unless they are guarded. */
struct fake {
    struct vcpu v;
    atomic_uint rounds;
    unsigned resets;
};

struct bench {
    struct machine m;
    struct fake f[CPUS];
    unsigned exclusive, locked, nested; /* plain */
    atomic_uint inside, beside;         /* CPUs in a round; rounds that were not alone */
    atomic_bool in_section;
    atomic_uint broken; /* CPUs ran in somebody's section */
};

/* A reader that is slow enough for others to come in between. */
static void count(unsigned *n)
{
    unsigned now = *(volatile unsigned *)n;

    sched_yield();
    *(volatile unsigned *)n = now + 1;
}

static void section(struct bench *b)
{
    machine_exclusive_begin(&b->m);
    atomic_store(&b->in_section, true);
    count(&b->exclusive);
    machine_exclusive_begin(&b->m);
    count(&b->nested);
    machine_exclusive_end(&b->m);
    atomic_store(&b->in_section, false);
    machine_exclusive_end(&b->m);
}

static void one_round(struct bench *b, struct fake *f)
{
    if (atomic_fetch_add(&b->inside, 1))
        atomic_fetch_add(&b->beside, 1);
    if (atomic_load(&b->in_section))
        atomic_fetch_add(&b->broken, 1);
    sched_yield();
    atomic_fetch_sub(&b->inside, 1);
    section(b);
    vcpu_lock_machine(&f->v);
    count(&b->locked);
    section(b); /* as a device that writes memory does */
    vcpu_unlock_machine(&f->v);
    atomic_fetch_add(&f->rounds, 1);
}

static enum vcpu_exit fake_run(struct vcpu *v, uint64_t budget)
{
    struct bench *b = (struct bench *)v->m;

    (void)budget;
    while (v->budget > 0 && !atomic_load(&v->exit_req)) {
        one_round(b, (struct fake *)v);
        v->budget -= v->budget < 1000 ? v->budget : 1000;
    }
    return VCPU_EXIT_SLICE;
}

static void fake_reset(struct vcpu *v)
{
    ((struct fake *)v)->resets++;
}

static bool fake_has_work(const struct vcpu *v)
{
    (void)v;
    return true;
}

static uint64_t fake_place(const struct vcpu *v)
{
    (void)v;
    return 0;
}

static const struct vcpu_ops fake_ops = {
    .run = fake_run, .reset = fake_reset, .has_work = fake_has_work, .place = fake_place};

static void wait_for_rounds(struct bench *b, unsigned more)
{
    for (unsigned n = 0; n < CPUS; n++)
        for (unsigned from = atomic_load(&b->f[n].rounds);
             atomic_load(&b->f[n].rounds) - from < more;)
            sched_yield();
}

static void stop(struct bench *b)
{
    machine_lock(&b->m);
    machine_stop(&b->m, STOP_USER);
    assert_int_equal(b->m.run.state, RUN_PAUSED);
    machine_unlock(&b->m);
}

static void go_on(struct bench *b)
{
    machine_lock(&b->m);
    machine_cont(&b->m);
    machine_unlock(&b->m);
}

static unsigned total(const struct bench *b)
{
    unsigned sum = 0;

    for (unsigned n = 0; n < CPUS; n++)
        sum += atomic_load(&b->f[n].rounds);
    return sum;
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    assert_true(machine_init(&b->m, 1 << 20, 0, NULL));
    b->m.run.threads = true;
    for (unsigned n = 0; n < CPUS; n++) {
        b->f[n].v.ops = &fake_ops;
        assert_true(machine_add_cpu(&b->m, &b->f[n].v));
    }
    assert_true(machine_start_threads(&b->m));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    machine_destroy(&b->m);
    free(b);
    return 0;
}

static void test_sections(void **state)
{
    struct bench *b = *state;
    unsigned sections;

    go_on(b);
    wait_for_rounds(b, ROUNDS);
    for (unsigned n = 0; n < ROUNDS; n++) { /* and by a thread that runs no CPU */
        machine_lock(&b->m);
        section(b);
        machine_unlock(&b->m);
    }
    stop(b);
    sections = 2 * total(b) + ROUNDS;
    assert_int_equal(b->exclusive, sections);
    assert_int_equal(b->nested, sections);
    assert_int_equal(b->locked, total(b));
    assert_int_equal(b->broken, 0);
}

static void test_stops(void **state)
{
    struct bench *b = *state;

    for (unsigned n = 0; n < 50; n++) {
        unsigned before;

        go_on(b);
        wait_for_rounds(b, 1);
        stop(b);
        before = total(b);
        for (unsigned k = 0; k < 20; k++)
            sched_yield();
        assert_int_equal(total(b), before);
    }
}

static void test_reset(void **state)
{
    struct bench *b = *state;

    go_on(b);
    for (unsigned n = 1; n <= 20; n++) {
        machine_lock(&b->m);
        machine_request_reset(&b->m);
        machine_unlock(&b->m);
        while (true) {
            machine_lock(&b->m);
            bool done = !b->m.run.reset_wanted;
            machine_unlock(&b->m);
            if (done)
                break;
            sched_yield();
        }
        wait_for_rounds(b, 1);
    }
    stop(b);
    for (unsigned n = 0; n < CPUS; n++)
        assert_int_equal(b->f[n].resets, 20);
}

/* Somebody wants them one after the other, and no more. */
static void test_turns(void **state)
{
    struct bench *b = *state;

    go_on(b);
    wait_for_rounds(b, 1);
    for (unsigned n = 0; n < 5; n++) {
        machine_lock(&b->m);
        machine_take_turns(&b->m, true);
        machine_unlock(&b->m);
        stop(b); /* the slices that were under way are over */
        atomic_store(&b->beside, 0);
        go_on(b);
        wait_for_rounds(b, 1);
        assert_int_equal(atomic_load(&b->beside), 0);
        machine_lock(&b->m);
        machine_take_turns(&b->m, false);
        machine_unlock(&b->m);
        wait_for_rounds(b, 1);
    }
    stop(b);
    assert_int_equal(b->broken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sections, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stops, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
