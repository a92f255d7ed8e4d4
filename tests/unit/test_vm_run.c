/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <string.h>

#include "vm/machine.h"

/* A CPU whose only instruction is "increment"; at `act_at` retired instructions it does `act`. */
struct fake {
    struct vcpu v;
    atomic_ulong count;
    uint64_t act_at;
    enum vcpu_exit (*act)(struct fake *);
    atomic_bool interrupt;
    unsigned resets;
    uint64_t place;
};

static enum vcpu_exit fake_run(struct vcpu *v, uint64_t budget)
{
    struct fake *f = (struct fake *)v;

    (void)budget;
    if (v->halted && !atomic_exchange(&f->interrupt, false))
        return VCPU_EXIT_HALT;
    v->halted = false;
    while (v->budget > 0 && !atomic_load(&v->exit_req)) {
        enum vcpu_exit why = VCPU_EXIT_SLICE;

        if (f->act && f->count == f->act_at)
            why = f->act(f);
        f->count++;
        v->budget--;
        if (why != VCPU_EXIT_SLICE)
            return why;
    }
    return VCPU_EXIT_SLICE;
}

static void fake_reset(struct vcpu *v)
{
    struct fake *f = (struct fake *)v;

    f->resets++;
    v->halted = false;
}

static bool fake_has_work(const struct vcpu *v)
{
    return atomic_load(&((const struct fake *)v)->interrupt);
}

static uint64_t fake_place(const struct vcpu *v)
{
    return ((const struct fake *)v)->place;
}

static const struct vcpu_ops fake_ops = {
    .run = fake_run, .reset = fake_reset, .has_work = fake_has_work, .place = fake_place};

struct bench {
    struct machine m;
    struct fake f[2];
    struct vm_timer t;
    struct input_source src;
    uint64_t fired_at, ninput;
    char input[64];
};

static void on_timer(void *opaque)
{
    struct bench *b = opaque;

    b->fired_at = vm_clock_now(&b->m.clock);
    atomic_store(&b->f[0].interrupt, true);
    machine_kick(&b->m);
}

static void on_input(void *opaque, const uint8_t *data, size_t len)
{
    struct bench *b = opaque;

    memcpy(b->input + b->ninput, data, len);
    b->ninput += len;
    atomic_store(&b->f[0].interrupt, true);
    machine_kick(&b->m);
}

static struct bench *make(unsigned ncpus, bool icount)
{
    static struct bench b;

    memset(&b, 0, sizeof(b));
    assert_true(machine_init(&b.m, 1 << 16, 0, NULL));
    for (unsigned i = 0; i < ncpus; i++) {
        b.f[i].v.ops = &fake_ops;
        assert_true(machine_add_cpu(&b.m, &b.f[i].v));
    }
    if (icount)
        machine_use_icount(&b.m, 1, false);
    vm_timer_init(&b.t, &b.m.clock, on_timer, &b);
    input_register(&b.m, &b.src, "test", on_input, &b);
    return &b;
}

static struct bench *bench_of(struct fake *f)
{
    return (struct bench *)(void *)((char *)f->v.m - offsetof(struct bench, m));
}

static enum vcpu_exit halt(struct fake *f)
{
    (void)f;
    return VCPU_EXIT_HALT;
}

static enum vcpu_exit shutdown(struct fake *f)
{
    (void)f;
    return VCPU_EXIT_SHUTDOWN;
}

static enum vcpu_exit power_off(struct fake *f)
{
    machine_lock(f->v.m);
    machine_request_end(f->v.m, STOP_POWEROFF, 7);
    machine_unlock(f->v.m);
    return VCPU_EXIT_SLICE;
}

static enum vcpu_exit arm_timer(struct fake *f)
{
    struct bench *b = bench_of(f);

    machine_lock(&b->m);
    vm_timer_arm(&b->t, vm_clock_now(&b->m.clock) + 20); /* 10 instructions */
    machine_unlock(&b->m);
    return VCPU_EXIT_SLICE;
}

static void test_inline_exact(void **state)
{
    struct bench *b = make(1, true);

    (void)state;
    vm_timer_arm(&b->t, 2000);
    assert_int_equal(machine_run_inline(&b->m, 999), STOP_NONE);
    assert_int_equal(b->f[0].count, 999);
    assert_int_equal(b->fired_at, 0);
    machine_run_inline(&b->m, 50000);
    assert_int_equal(b->f[0].count, 50999);
    assert_int_equal(b->fired_at, 2000);
    assert_int_equal(b->m.run.state, RUN_PAUSED);
    /* A timer armed in the middle of a slice ends it in time. */
    b->f[0].act = arm_timer;
    b->f[0].act_at = 51234;
    machine_run_inline(&b->m, 10000);
    assert_int_equal(b->fired_at, 51234 * 2 + 20);
    assert_int_equal(machine_retired(&b->m), 60999);
    machine_destroy(&b->m);
}

static void test_inline_halt(void **state)
{
    struct bench *b = make(1, true);

    (void)state;
    b->f[0].act = halt;
    b->f[0].act_at = 10;
    vm_timer_arm(&b->t, 1000000);
    machine_run_inline(&b->m, 100); /* the jump over the halt is one of the hundred */
    assert_int_equal(b->fired_at, 1000000);
    assert_int_equal(b->f[0].count, 99);
    b->f[0].act_at = 150;
    assert_int_equal(machine_run_inline(&b->m, 1000), STOP_NONE); /* nothing would wake it */
    assert_int_equal(b->f[0].count, 151);
    machine_destroy(&b->m);
}

static void test_turns(void **state)
{
    struct bench *b = make(2, true);

    (void)state;
    machine_run_inline(&b->m, 30000);
    assert_int_equal(b->f[0].count, 20000);
    assert_int_equal(b->f[1].count, 10000);
    machine_run_inline(&b->m, 1); /* where it was stopped, it is still its turn */
    assert_int_equal(b->f[1].count, 10001);
    b->f[1].act = halt;
    b->f[1].act_at = 10001;
    machine_run_inline(&b->m, 25001);
    assert_int_equal(b->f[1].count, 10002);
    assert_int_equal(b->f[0].count, 45000);
    machine_destroy(&b->m);
}

static enum vcpu_exit yield(struct fake *f)
{
    (void)f;
    return VCPU_EXIT_YIELD;
}

static enum vcpu_exit interrupt_other(struct fake *f)
{
    machine_lock(f->v.m);
    machine_end_turn_soon(f->v.m);
    machine_unlock(f->v.m);
    return VCPU_EXIT_SLICE;
}

/* PAUSE ends a turn; an IPI ends it soon; wherever a slice of the run ends in between. */
static void test_turns_end_early(void **state)
{
    for (unsigned step = 1; step <= 4000; step += 1333) {
        struct bench *b = make(2, true);

        (void)state;
        b->f[0].act = yield;
        b->f[0].act_at = 99;
        b->f[1].act = interrupt_other;
        b->f[1].act_at = 5000;
        for (unsigned done = 0; done < 12000; done += step)
            machine_run_inline(&b->m, done + step < 12000 ? step : 12000 - done);
        assert_int_equal(b->f[1].count, 6000);
        assert_int_equal(b->f[0].count, 6000);
        machine_destroy(&b->m);
    }
}

static void test_ends(void **state)
{
    struct bench *b = make(1, true);

    (void)state;
    b->f[0].act = shutdown;
    b->f[0].act_at = 10;
    machine_run_inline(&b->m, 100);
    assert_int_equal(b->m.run.resets, 1);
    assert_int_equal(b->f[0].resets, 1);
    assert_int_equal(machine_retired(&b->m), 99); /* the reset counts as one */
    b->m.run.triple_fault_ends = true;
    b->f[0].act_at = 105;
    assert_int_equal(machine_run_inline(&b->m, 100), STOP_TRIPLE_FAULT);
    assert_int_equal(b->m.run.state, RUN_ENDED);
    assert_int_equal(machine_run_inline(&b->m, 100), STOP_TRIPLE_FAULT);
    assert_int_equal(b->f[0].count, 106);
    machine_destroy(&b->m);

    b = make(1, true);
    b->f[0].act = power_off; /* by the very last instruction */
    b->f[0].act_at = 9;
    assert_int_equal(machine_run_inline(&b->m, 10), STOP_POWEROFF);
    assert_int_equal(b->m.run.exit_value, 7);
    machine_destroy(&b->m);
}

static enum vcpu_exit shutdown_again(struct fake *f)
{
    f->act_at = f->count + 10;
    return VCPU_EXIT_SHUTDOWN;
}

static enum vcpu_exit shutdown_elsewhere(struct fake *f)
{
    f->place++;
    return shutdown_again(f);
}

static enum vcpu_exit reset_again(struct fake *f)
{
    f->act_at = f->count + 10;
    machine_lock(f->v.m);
    machine_request_reset(f->v.m);
    machine_unlock(f->v.m);
    return VCPU_EXIT_REQUEST;
}

/* The same reset again and again is a boot loop: said once, and with a debugger it stops. */
static void test_boot_loop(void **state)
{
    struct bench *b = make(1, true);

    (void)state;
    b->f[0].act = shutdown_elsewhere;
    machine_run_inline(&b->m, 1000);
    assert_in_range(b->m.run.resets, 10, 100);
    assert_int_equal(b->m.run.loop.count, 1);
    b->f[0].act = shutdown_again;
    machine_run_inline(&b->m, 1000);
    assert_true(b->m.run.loop.told);
    assert_int_equal(b->m.run.state, RUN_PAUSED);
    machine_destroy(&b->m);

    b = make(1, true);
    b->m.run.triple_fault_pauses = true;
    b->f[0].act = reset_again;
    assert_int_equal(machine_run_inline(&b->m, 1000), STOP_BOOT_LOOP);
    assert_int_equal(b->m.run.resets, 3);
    assert_int_equal(machine_run_inline(&b->m, 1000), STOP_NONE);
    machine_destroy(&b->m);
}

static void test_input(void **state)
{
    struct bench *b = make(1, true);
    static const uint8_t big[INPUT_EVENT_MAX + 1];
    uint8_t x[8], y[8];

    (void)state;
    assert_true(input_push(&b->m, &b->src, "ab", 2));
    assert_true(input_push(&b->m, &b->src, "cd", 2));
    assert_false(input_push(&b->m, &b->src, big, sizeof(big)));
    assert_true(input_pending(&b->m));
    machine_run_inline(&b->m, 5);
    assert_string_equal(b->input, "abcd");
    assert_int_equal(b->f[0].count, 5);
    assert_int_equal(input_wall_clock(&b->m), b->m.wall_base + 10);
    input_random(&b->m, x, sizeof(x));
    machine_destroy(&b->m);
    b = make(1, true);
    input_random(&b->m, y, sizeof(y));
    assert_memory_equal(x, y, sizeof(x));
    assert_true(input_push(&b->m, &b->src, "never delivered", 5));
    machine_destroy(&b->m);
}

static void wait_for_count(struct bench *b, uint64_t n)
{
    while (atomic_load(&b->f[0].count) < n)
        sched_yield();
}

/* The whole life of a threaded machine, in both modes. */
static void threaded(bool icount)
{
    struct bench *b = make(1, icount);
    struct machine *m = &b->m;
    uint64_t at;

    assert_true(machine_start_threads(m));
    machine_lock(m);
    assert_int_equal(m->run.state, RUN_PAUSED);
    machine_cont(m);
    machine_unlock(m);
    wait_for_count(b, 1000);
    machine_lock(m);
    machine_stop(m, STOP_USER);
    assert_int_equal(m->run.state, RUN_PAUSED);
    assert_int_equal(m->run.reason, STOP_USER);
    at = b->f[0].count;
    machine_request_reset(m);
    while (!m->run.resets) { /* honoured while paused, too */
        machine_unlock(m);
        sched_yield();
        machine_lock(m);
    }
    assert_int_equal(b->f[0].count, at);
    b->f[0].act = halt;
    b->f[0].act_at = at + 10;
    machine_cont(m);
    machine_unlock(m);
    wait_for_count(b, at + 11);
    assert_true(input_push(m, &b->src, "x", 1)); /* wakes it, with the main loop's help */
    machine_poll(m);
    wait_for_count(b, at + 100);
    machine_lock(m);
    machine_request_end(m, STOP_QUIT, 0);
    assert_int_equal(m->run.state, RUN_ENDED);
    assert_int_equal(m->run.reason, STOP_QUIT);
    machine_unlock(m);
    assert_int_equal(machine_poll(m), -1);
    machine_join(m);
    machine_destroy(m);
}

static void test_threads_host(void **state)
{
    (void)state;
    threaded(false);
}

static void test_threads_icount(void **state)
{
    (void)state;
    threaded(true);
}

static void test_host_timer(void **state)
{
    struct bench *b = make(1, false);

    (void)state;
    b->f[0].act = halt;
    b->f[0].act_at = 10;
    vm_timer_arm(&b->t, 1000000);
    machine_start_threads(&b->m);
    machine_lock(&b->m);
    machine_cont(&b->m);
    machine_unlock(&b->m);
    while (machine_poll(&b->m) >= 0)
        sched_yield();
    assert_true(b->fired_at >= 1000000);
    wait_for_count(b, 100);
    machine_destroy(&b->m); /* ends a running machine */
}

struct onlooker {
    struct bench *b;
    unsigned calls, beside_a_slice;
};

static void look(struct onlooker *o)
{
    o->calls++;
    o->beside_a_slice += o->b->m.run.current != NULL;
}

static void look_on_timer(void *opaque)
{
    struct onlooker *o = opaque;

    look(o);
    vm_timer_arm(&o->b->t, vm_clock_now(&o->b->m.clock) + 20000);
}

static void look_on_input(void *opaque, const uint8_t *data, size_t len)
{
    (void)data, (void)len;
    look(opaque);
}

/* On host time devices act beside a slice, unless they are to wait for its end. */
static void devices_beside_slices(bool wait)
{
    struct bench *b = make(1, false);
    struct onlooker o = {.b = b};
    struct input_source src;

    b->m.run.devices_wait = wait;
    vm_timer_init(&b->t, &b->m.clock, look_on_timer, &o);
    input_register(&b->m, &src, "onlooker", look_on_input, &o);
    vm_timer_arm(&b->t, 1);
    machine_start_threads(&b->m);
    machine_lock(&b->m);
    machine_cont(&b->m);
    for (unsigned n = 0; o.calls < 2000 || (!wait && !o.beside_a_slice); n++) {
        machine_unlock(&b->m);
        if (n % 16 == 0)
            input_push(&b->m, &src, NULL, 0);
        machine_poll(&b->m);
        sched_yield();
        machine_lock(&b->m);
    }
    machine_unlock(&b->m);
    assert_int_equal(wait && o.beside_a_slice, 0);
    machine_destroy(&b->m);
}

static void test_devices_wait(void **state)
{
    (void)state;
    devices_beside_slices(false);
    devices_beside_slices(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inline_exact), cmocka_unit_test(test_inline_halt),
        cmocka_unit_test(test_turns),        cmocka_unit_test(test_turns_end_early),
        cmocka_unit_test(test_ends),         cmocka_unit_test(test_input),
        cmocka_unit_test(test_threads_host), cmocka_unit_test(test_threads_icount),
        cmocka_unit_test(test_host_timer),   cmocka_unit_test(test_devices_wait),
        cmocka_unit_test(test_boot_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
