/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole machines running a guest program: they repeat to the bit, and a saved machine goes on in
 * another process's place exactly as the one it was saved from. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/ops.h"
#include "cpu/x86/report.h"
#include "cpu/x86/x87_host.h"
#include "tests/common/guest_machine.h"

struct box {
    struct guest_machine g;
};

static struct box *box_of(const char *program, unsigned ncpus)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err = {{0}};
    assert_non_null(b);
    guest_machine_config(&b->g, program);
    b->g.config.ncpus = ncpus;
    b->g.config.debugcon[0].port = 0xe9;
    b->g.config.debug_exit_port = 0xf4;
    b->g.config.debug_exit_size = 4;
    b->g.config.no_reboot = true;
    b->g.config.triple_fault_ends = true;
    if (!guest_machine_init(&b->g, &err))
        fail_msg("%s", err.text);
    return b;
}

static struct box *box_new(const char *program)
{
    return box_of(program, 1);
}

static void box_free(struct box *b)
{
    guest_machine_destroy(&b->g);
    free(b);
}

static void run(struct box *b, uint64_t insns)
{
    machine_lock(&b->g.pc.m);
    machine_cont(&b->g.pc.m);
    machine_unlock(&b->g.pc.m);
    machine_run_inline(&b->g.pc.m, insns);
}

static struct machine_digest digest(struct box *b)
{
    machine_lock(&b->g.pc.m);
    struct machine_digest d = machine_digest(&b->g.pc.m);
    machine_unlock(&b->g.pc.m);
    return d;
}

static void print_line(void *opaque, const char *text)
{
    fprintf(opaque, "  %s\n", text);
}

/* Shows both sides of the first device that differs. */
static void show_device(struct box *a, struct box *b)
{
    struct device *x = a->g.pc.m.devices, *y = b->g.pc.m.devices;
    for (; x && y; x = x->next, y = y->next) {
        if (state_digest_fields(x->class->fields, x, 0) ==
            state_digest_fields(y->class->fields, y, 0))
            continue;
        fprintf(stderr, "%s:\n", x->id);
        state_print_fields(x->class->fields, x, print_line, stderr);
        state_print_fields(y->class->fields, y, print_line, stderr);
        return;
    }
}

static void show_cpus(struct box *a, struct box *b)
{
    cpu_print_registers(a->g.cpus.boot, print_line, stderr);
    cpu_print_registers(b->g.cpus.boot, print_line, stderr);
}

static void assert_equal_boxes(struct box *a, struct box *b, unsigned step)
{
    struct machine_digest x = digest(a), y = digest(b);
    if (x.cpus != y.cpus) {
        show_cpus(a, b);
        fail_msg("step %u: the CPUs differ", step);
    }
    if (x.devices != y.devices) {
        show_device(a, b);
        fail_msg("step %u: the devices differ", step);
    }
    if (x.memory != y.memory)
        fail_msg("step %u: memory differs", step);
}

/* A box whose code is translated; NULL where that is not possible. */
static struct box *box_translated(const char *program, unsigned ncpus,
                                  const struct translator_config *config)
{
    struct box *b = box_of(program, ncpus);
    struct machine *m = &b->g.pc.m;
    struct error err = {{0}};
    if (!translator_create(m, config, &b->g.translator, &err)) {
        box_free(b);
        return NULL;
    }
    for (unsigned n = 0; n < m->ncpus; n++)
        assert_true(translator_attach(b->g.translator, cpu_of(m->cpus[n]), &err));
    return b;
}

static const char *const programs[] = {"irq-32", "timers-64", "paging-64", "modes-32", "smm-64"};

static void test_two_runs_are_equal(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
        struct box *a = box_new(programs[p]), *b = box_new(programs[p]);
        for (unsigned step = 0; step < 20; step++) {
            run(a, 20011);
            run(b, 20011);
            assert_equal_boxes(a, b, step);
        }
        box_free(a);
        box_free(b);
    }
}

/* Where a slice ends must not show. */
static void test_slices_do_not_show(void **state)
{
    (void)state;
    struct box *a = box_new("irq-64"), *b = box_new("irq-64");
    run(a, 100000);
    for (unsigned n = 0; n < 1000; n++)
        run(b, 100);
    assert_equal_boxes(a, b, 0);
    box_free(a);
    box_free(b);
}

/* All of it, SMRAM too. */
static void copy_memory(struct box *from, struct box *to)
{
    memcpy(to->g.pc.m.arena.host, from->g.pc.m.arena.host, 16 << 20);
    arena_store_notify(&to->g.pc.m.arena, 0, 16 << 20);
}

/* Copies time, processors, chips and memory. */
static void copy_machine(struct box *to, struct box *from, unsigned step)
{
    struct state_stream s = {0};
    struct error err = {{0}};
    machine_lock(&from->g.pc.m);
    assert_true(machine_save(&from->g.pc.m, &s));
    machine_unlock(&from->g.pc.m);
    machine_lock(&to->g.pc.m);
    copy_memory(from, to);
    if (!machine_load(&to->g.pc.m, &s, &err))
        fail_msg("step %u: %s", step, err.text);
    machine_unlock(&to->g.pc.m);
    state_stream_free(&s);
}

/* Several processors in turn: every million instructions two runs are the same, the second of
 * which is saved and goes on in another machine on the way. */
static void test_several_cpus_repeat(void **state)
{
    (void)state;
    struct box *a = box_of("smp-64", 3), *b = box_of("smp-64", 3);
    unsigned step = 0;
    for (; step < 100 && a->g.pc.m.run.state != RUN_ENDED; step++) {
        run(a, 1000000);
        run(b, 1000000);
        assert_equal_boxes(a, b, step);
        if (step % 3 == 1) {
            struct box *next = box_of("smp-64", 3);
            copy_machine(next, b, step);
            box_free(b);
            b = next;
        }
    }
    assert_int_equal(a->g.pc.m.run.reason, STOP_DEBUG_EXIT);
    assert_int_equal(a->g.pc.m.run.exit_value, 0);
    assert_true(step > 3);
    box_free(a);
    box_free(b);
}

static void test_saved_machine_goes_on(void **state)
{
    (void)state;
    for (size_t p = 0; p < ARRAY_SIZE(programs); p++) {
        struct box *a = box_new(programs[p]), *b = box_new(programs[p]);
        for (unsigned step = 0; step < 8; step++) {
            run(a, 30011);
            if (a->g.pc.m.run.state == RUN_ENDED)
                break;
            copy_machine(b, a, step);
            assert_equal_boxes(a, b, step);
            run(b, 7001);
            run(a, 7001);
            assert_equal_boxes(a, b, 100 + step);
        }
        box_free(a);
        box_free(b);
    }
}

/* -cpu fpapprox= goes with the machine; what this build cannot do is refused. */
static void test_saved_machine_has_its_arithmetic(void **state)
{
    (void)state;
    struct box *a = box_new("irq-32"), *b = box_new("irq-32");
    bool can[2] = {X87_HOST, !X87_HOST || CONFIG_MPFR};
    for (unsigned soft = 0; soft < 2; soft++) {
        struct state_stream s = {0};
        struct error err = {{0}};
        a->g.cpus.boot->model.soft_approx = soft;
        b->g.cpus.boot->model.soft_approx = !soft;
        machine_lock(&a->g.pc.m);
        assert_true(machine_save(&a->g.pc.m, &s));
        machine_unlock(&a->g.pc.m);
        machine_lock(&b->g.pc.m);
        assert_int_equal(machine_load(&b->g.pc.m, &s, &err), can[soft]);
        machine_unlock(&b->g.pc.m);
        state_stream_free(&s);
        if (can[soft])
            assert_int_equal(b->g.cpus.boot->model.soft_approx, soft);
        else
            assert_non_null(strstr(err.text, "fpapprox"));
    }
    box_free(a);
    box_free(b);
}

/* Runs the program of SMM into its first handler. */
static struct box *box_in_smm(const char *program)
{
    struct box *b = box_new(program);
    for (unsigned n = 0; n < 1000000 && !b->g.cpus.boot->smm; n++)
        machine_run_inline(&b->g.pc.m, 1);
    assert_true(b->g.cpus.boot->smm);
    return b;
}

static void test_saved_in_smm(void **state)
{
    (void)state;
    struct box *a = box_in_smm("smm-64"), *b = box_new("smm-64");
    struct state_stream s = {0};
    struct error err = {{0}};
    assert_true(machine_save(&a->g.pc.m, &s));
    copy_memory(a, b);
    assert_true(machine_load(&b->g.pc.m, &s, &err));
    state_stream_free(&s);
    assert_true(b->g.cpus.boot->smm);
    assert_equal_boxes(a, b, 0);
    run(a, 5000);
    run(b, 5000);
    assert_equal_boxes(a, b, 1);
    box_free(a);
    box_free(b);
}

static void find_rsm(void *opaque, const char *text)
{
    *(bool *)opaque |= strstr(text, "RSM found a state") != NULL;
}

/* RSM of CR0.PG without PE, and of reserved bits of CR4: shutdown. */
static void test_rsm_of_an_impossible_state(void **state)
{
    static const struct {
        const char *program;
        unsigned offset;
        uint32_t value;
    } rows[] = {{"smm-64", 0xff58, 1u << 31}, {"smm-64", 0xff48, 1u << 31}};
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        struct box *b = box_in_smm(rows[n].program);
        struct cpu *cpu = b->g.cpus.boot;
        bool told = false;
        phys_store(cpu, (uint64_t)cpu->smbase + rows[n].offset, 4, rows[n].value);
        run(b, 5000);
        assert_int_equal(b->g.pc.m.run.reason, STOP_TRIPLE_FAULT);
        report_shutdown(cpu, find_rsm, &told);
        assert_true(told);
        box_free(b);
    }
}

/* Whether, and when, code is translated does not show. */
static void test_engines_are_equal(void **state)
{
    static const struct {
        const char *program;
        unsigned ncpus;
        struct translator_config config;
    } rows[] = {
        {"irq-32", 1, {.threshold = 1}},
        {"timers-64", 1, {.threshold = 1}},
        {"paging-64", 1, {.threshold = 3}},
        {"smc-64", 1, {.threshold = 1, .cache_size = TRANSLATOR_CACHE_MIN}},
        {"smm-64", 1, {.threshold = 2}},
        {"tasks-32", 1, {.threshold = 1, .no_links = true}},
        {"control-64", 1, {.threshold = 1, .no_jump_cache = true}},
        {"returns-64", 1, {.threshold = 1, .no_calls = true}},
        {"smp-64", 4, {.threshold = 1}},
    };
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        struct box *b = box_translated(rows[n].program, rows[n].ncpus, &rows[n].config);
        struct translator_stats stats;
        if (!b) {
            print_message("skip: test_engines_are_equal: no translator for this host\n");
            skip();
            return; /* skip() does not come back */
        }
        struct box *a = box_of(rows[n].program, rows[n].ncpus);
        for (unsigned step = 0; step < 40; step++) {
            run(a, 20011);
            run(b, 20011);
            assert_equal_boxes(a, b, step);
        }
        translator_stats(b->g.translator, &stats);
        assert_true(stats.blocks > 10);
        assert_int_equal(stats.handed_back, 0);
        assert_true(stats.memory < 48u << 20);
        assert_true(stats.translating_cycles > stats.insns); /* it does not translate in no time */
        box_free(a);
        box_free(b);
    }
}

/* A state with other code than what was translated before. */
static void test_translated_machine_is_loaded(void **state)
{
    static const struct translator_config config = {.threshold = 1};
    (void)state;
    struct box *b = box_translated("smc-64", 1, &config);
    if (!b) {
        print_message("skip: test_translated_machine_is_loaded: no translator for this host\n");
        skip();
        return;
    }
    for (unsigned step = 0; step < 30; step++) {
        struct box *a = box_of(step & 1 ? "control-64" : "paging-64", 1);
        run(a, 5003 + 1009 * step);
        run(b, 20011);
        copy_machine(b, a, step);
        assert_equal_boxes(a, b, step);
        for (unsigned k = 0; k < 4; k++) {
            run(a, 5003);
            run(b, 5003);
            assert_equal_boxes(a, b, step);
        }
        box_free(a);
    }
    box_free(b);
}

static atomic_bool stop_kicking;

static void *kick_again_and_again(void *opaque)
{
    while (!atomic_load(&stop_kicking)) {
        machine_kick(opaque);
        sched_yield();
    }
    return NULL;
}

/* A thread that makes a CPU look up, even in the middle of a REP, is no difference. */
static void test_lockstep_beside_a_thread(void **state)
{
    static const struct translator_config config = {.threshold = 1, .lockstep = true};
    pthread_t thread;
    (void)state;
    struct box *b = box_translated("strings-64", 1, &config);
    if (!b) {
        print_message("skip: test_lockstep_beside_a_thread: no translator for this host\n");
        skip();
        return;
    }
    atomic_store(&stop_kicking, false);
    assert_int_equal(pthread_create(&thread, NULL, kick_again_and_again, &b->g.pc.m), 0);
    for (unsigned step = 0; step < 200 && b->g.pc.m.run.state != RUN_ENDED; step++)
        run(b, 20011);
    atomic_store(&stop_kicking, true);
    pthread_join(thread, NULL);
    assert_int_equal(b->g.pc.m.run.reason == STOP_DIFFERENCE, 0);
    box_free(b);
}

/* Instead of the library's: counted. */
static atomic_uint yields;

int sched_yield(void)
{
    atomic_fetch_add(&yields, 1);
    return (int)syscall(SYS_sched_yield);
}

/* PAUSE gives the host's processor away where another CPU may wait for it, and only there: a guest
 * that waits for a timer with PAUSE in its loop, on a busy host, was hardly ever run. */
static void test_pause_yields_to_other_cpus(void **state)
{
    struct box *b = box_of("loops-64", 2);
    struct cpu *cpu = cpu_of(b->g.pc.m.cpus[0]);
    struct run_control *r = &b->g.pc.m.run;
    const struct insn pause = {.op = OP_pause_x};

    (void)state;
    r->parallel = true;
    for (unsigned running = 1; running <= 2; running++) {
        r->slices = running;
        yields = 0;
        for (unsigned n = 0; n < 6400; n++)
            assert_int_equal(op_handlers[OP_pause_x](cpu, &pause), OP_OK);
        if (running == 1)
            assert_int_equal(yields, 0);
        else
            assert_in_range(yields, 1, 6400 / 10);
    }
    r->parallel = false;
    r->slices = 0;
    box_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_runs_are_equal),
        cmocka_unit_test(test_slices_do_not_show),
        cmocka_unit_test(test_engines_are_equal),
        cmocka_unit_test(test_translated_machine_is_loaded),
        cmocka_unit_test(test_lockstep_beside_a_thread),
        cmocka_unit_test(test_saved_machine_goes_on),
        cmocka_unit_test(test_saved_machine_has_its_arithmetic),
        cmocka_unit_test(test_several_cpus_repeat),
        cmocka_unit_test(test_pause_yields_to_other_cpus),
        cmocka_unit_test(test_saved_in_smm),
        cmocka_unit_test(test_rsm_of_an_impossible_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
