/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vm/clock.h"

struct bench {
    struct vm_clock c;
    uint64_t insns;
    struct vm_timer t[200];
    unsigned fired[400], nfired, rearmed;
    uint64_t again; /* a firing timer arms itself for this time, unless 0 */
};

struct timer_arg {
    struct bench *b;
    unsigned n;
};

static uint64_t retired(void *opaque)
{
    return ((struct bench *)opaque)->insns;
}

static void rearmed(void *opaque)
{
    ((struct bench *)opaque)->rearmed++;
}

static void fire(void *opaque)
{
    struct timer_arg *a = opaque;

    a->b->fired[a->b->nfired++] = a->n;
    assert_false(vm_timer_armed(&a->b->t[a->n]));
    if (a->b->again)
        vm_timer_arm(&a->b->t[a->n], a->b->again);
}

static void init(struct bench *b, struct timer_arg *args, unsigned n)
{
    memset(b, 0, sizeof(*b));
    vm_clock_init(&b->c);
    vm_clock_use_icount(&b->c, 3, false, retired, b);
    b->c.rearmed = rearmed;
    b->c.rearmed_opaque = b;
    for (unsigned i = 0; i < n; i++) {
        args[i] = (struct timer_arg){b, i};
        vm_timer_init(&b->t[i], &b->c, fire, &args[i]);
    }
    vm_clock_start(&b->c);
}

static void test_order(void **state)
{
    static struct bench b;
    static struct timer_arg args[200];
    uint64_t deadline[200], last = 0;
    uint32_t seed = 7;

    (void)state;
    init(&b, args, 200);
    for (unsigned i = 0; i < 400; i++) { /* each is armed twice: the second time counts */
        seed = seed * 1664525 + 1013904223;
        deadline[i % 200] = (seed >> 20) % 50 * 8;
        vm_timer_arm(&b.t[i % 200], deadline[i % 200]);
    }
    for (unsigned i = 0; i < 200; i += 7)
        vm_timer_cancel(&b.t[i]);
    while (vm_clock_deadline(&b.c) != VM_TIME_NEVER) {
        b.insns += vm_clock_insns_to_deadline(&b.c, 1000);
        vm_clock_run_timers(&b.c);
    }
    assert_int_equal(b.nfired, 200 - 29);
    for (unsigned i = 0; i < b.nfired; i++) {
        unsigned n = b.fired[i];

        assert_true(n % 7 != 0);
        assert_true(deadline[n] >= last);
        if (i && deadline[n] == last)
            assert_true(n > b.fired[i - 1]); /* equal deadlines: order of arming */
        last = deadline[n];
    }
    vm_clock_destroy(&b.c);
}

static void test_icount(void **state)
{
    static struct bench b;
    struct timer_arg args[2];

    (void)state;
    init(&b, args, 2);
    assert_int_equal(vm_clock_insns_to_deadline(&b.c, 99), 99);
    assert_false(vm_clock_skip_to_deadline(&b.c));
    vm_timer_arm(&b.t[0], 17);
    assert_int_equal(b.rearmed, 1);
    vm_timer_arm(&b.t[1], 18);
    assert_int_equal(b.rearmed, 1);
    assert_int_equal(vm_clock_insns_to_deadline(&b.c, 99), 3); /* 8 ns each, rounded up */
    assert_int_equal(vm_clock_insns_to_deadline(&b.c, 2), 2);
    assert_true(vm_clock_skip_to_deadline(&b.c));
    assert_int_equal(vm_clock_now(&b.c), 17);
    b.insns = 1;
    assert_int_equal(vm_clock_now(&b.c), 25);
    assert_int_equal(vm_clock_insns_to_deadline(&b.c, 99), 0);
    vm_clock_run_timers(&b.c);
    assert_int_equal(b.nfired, 2);
    vm_timer_arm(&b.t[0], VM_TIME_NEVER);
    assert_false(vm_timer_armed(&b.t[0]));
    vm_clock_destroy(&b.c);
}

/* A timer that is always due fires once a call. */
static void test_absurd_rate(void **state)
{
    static struct bench b;
    struct timer_arg args[1];

    (void)state;
    init(&b, args, 1);
    b.insns = 100;
    b.again = 1;
    vm_timer_arm(&b.t[0], 1);
    vm_clock_run_timers(&b.c);
    vm_clock_run_timers(&b.c);
    assert_int_equal(b.nfired, 2);
    vm_clock_destroy(&b.c);
}

static void test_host(void **state)
{
    struct vm_clock c;
    struct vm_timer t;
    uint64_t a, b;

    (void)state;
    vm_clock_init(&c);
    vm_timer_init(&t, &c, NULL, NULL);
    vm_timer_arm(&t, NS_PER_SEC * 1000);
    assert_int_equal(vm_clock_now(&c), 0);
    assert_int_equal(vm_clock_host_wait(&c), -1); /* time stands still */
    vm_clock_start(&c);
    a = vm_clock_now(&c);
    assert_true(a < NS_PER_SEC * 100);
    assert_true(vm_clock_host_wait(&c) > 0);
    vm_clock_stop(&c);
    b = vm_clock_now(&c);
    assert_true(b >= a);
    assert_int_equal(vm_clock_now(&c), b);
    vm_clock_start(&c);
    assert_true(vm_clock_now(&c) >= b);
    vm_timer_arm(&t, 0);
    assert_int_equal(vm_clock_host_wait(&c), 0);
    vm_clock_destroy(&c);
}

static void test_muldiv(void **state)
{
    (void)state;
    assert_true(muldiv64(UINT64_MAX, 1193182, 1193182) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),       cmocka_unit_test(test_icount),
        cmocka_unit_test(test_absurd_rate), cmocka_unit_test(test_host),
        cmocka_unit_test(test_muldiv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
