/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vm/host_time.h"

#define ROUNDS 200000

/* A slope as if measured, `percent` of the host's: half of the tests need one. */
static void pretend_measured(struct host_time *t, uint64_t percent)
{
    uint64_t from = host_time_now(t), ticks = host_ticks(), to;

    while ((to = host_time_now(t)) - from < 1000000)
        ;
    t->slope = ((to - from) << 32) / (host_ticks() - ticks) * percent / 100;
    t->anchor_ns = 0;
}

/* Nobody sees less than anybody saw before. */
struct shared {
    struct host_time t;
    _Atomic uint64_t seen;
    atomic_uint backwards, asking;
};

static void look(struct shared *s)
{
    uint64_t before = atomic_load(&s->seen), now = host_time_now(&s->t);

    if (now < before)
        atomic_fetch_add(&s->backwards, 1);
    while (before < now && !atomic_compare_exchange_weak(&s->seen, &before, now))
        ;
}

static void *ask(void *opaque)
{
    struct shared *s = opaque;

    for (unsigned n = 0; n < ROUNDS; n++)
        look(s);
    atomic_fetch_sub(&s->asking, 1);
    return NULL;
}

static void see_from_threads(struct shared *s)
{
    pthread_t thread[2];

    s->asking = 2;
    for (unsigned n = 0; n < 2; n++)
        assert_int_equal(pthread_create(&thread[n], NULL, ask, s), 0);
    while (atomic_load(&s->asking)) {
        host_time_sync(&s->t);
        look(s);
    }
    for (unsigned n = 0; n < 2; n++)
        pthread_join(thread[n], NULL);
    assert_int_equal(s->backwards, 0);
}

static void test_never_backwards(void **state)
{
    static const unsigned percents[] = {100, 50, 99, 103};

    (void)state;
    for (unsigned n = 0; n < 4; n++) {
        static struct shared s;

        s = (struct shared){0};
        host_time_init(&s.t);
        if (s.t.usable)
            pretend_measured(&s.t, percents[n]);
        see_from_threads(&s);
    }
}

static void test_quick(void **state)
{
    struct host_time t;
    uint64_t a, b;

    (void)state;
    host_time_init(&t);
    assert_false(host_time_quick(&t, &a)); /* nothing is known yet */
    if (!t.usable)
        skip();
    pretend_measured(&t, 100);
    t.slope /= 1000; /* a line that does not end during the test */
    host_time_sync(&t);
    assert_true(host_time_quick(&t, &a));
    assert_true(host_time_quick(&t, &b));
    assert_true(b >= a);
    t.seq++;
    assert_false(host_time_quick(&t, &a)); /* it is being changed */
}

/* The counter starts over, as after the host has slept. */
static void test_counter_set_back(void **state)
{
    struct host_time t;
    uint64_t before, now;

    (void)state;
    host_time_init(&t);
    if (!t.usable)
        skip();
    pretend_measured(&t, 100);
    host_time_sync(&t);
    before = host_time_now(&t);
    t.ticks += 1ull << 50;
    t.anchor_ticks = t.ticks;
    t.anchor_ns = 1;
    assert_false(host_time_quick(&t, &now));
    now = host_time_now(&t);
    assert_true(now >= before);
    host_time_sync(&t);
    assert_int_equal(t.slope, 0); /* it is measured again */
    assert_true(host_time_now(&t) >= now);
}

/* A line that has run ahead is not followed any longer, and time waits for the host's. */
static void test_ran_ahead(void **state)
{
    struct host_time t;
    uint64_t before;

    (void)state;
    host_time_init(&t);
    if (!t.usable)
        skip();
    pretend_measured(&t, 100);
    host_time_sync(&t);
    t.ns += 1ull << 60;
    before = host_time_now(&t);
    t.ticks -= t.length;
    host_time_sync(&t);
    assert_int_equal(t.slope, 0);
    assert_true(host_time_now(&t) >= before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_backwards),
        cmocka_unit_test(test_quick),
        cmocka_unit_test(test_counter_set_back),
        cmocka_unit_test(test_ran_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
