/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving in time, on both engines: a loop of 32-bit code with a call and stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/registers.h"
#include "debugger/debugger.h"
#include "debugger/expr.h"
#include "debugger/time.h"
#include "monitor/control.h"
#include "tests/common/guest_machine.h"
#include "vm/record.h"

#define CODE  0x200000u
#define LOOP  (CODE + 5)
#define CALL  (CODE + 6)
#define AFTER (CODE + 11) /* the call has returned */
#define STORE (CODE + 14)
#define END   (CODE + 19)
#define F     (CODE + 0x20)
#define DATA  0x300000u
#define STACK 0x280000u
#define TIMES 30000u

static const uint8_t code[] = {
    0xb9, 0x30, 0x75, 0x00, 0x00,                         /* mov ecx, 30000 */
    0x40,                                                 /* inc eax */
    0xe8, 0x15, 0x00, 0x00, 0x00,                         /* call F */
    0x49,                                                 /* dec ecx */
    0x75, 0xf7,                                           /* jnz LOOP */
    0xa3, 0x00, 0x00, 0x30, 0x00,                         /* mov [DATA], eax */
    0xeb, 0xfe,                                           /* END: jmp $ */
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, /* */
    0x90, 0x90,                                           /* */
    0x42,                                                 /* F: inc edx */
    0x89, 0x15, 0x10, 0x00, 0x30, 0x00,                   /* mov [DATA + 16], edx */
    0xc3,                                                 /* ret */
};

struct fixture {
    struct guest_machine g;
    struct control *ctl;
    struct debugger *d;
    struct debug_face face;
    struct debug_stop stop;
    bool stopped;
};

static void on_stop(void *opaque, const struct debug_stop *stop)
{
    struct fixture *f = opaque;

    f->stop = *stop;
    f->stopped = true;
}

static void on_resume(void *opaque)
{
    (void)opaque;
}

static struct cpu *cpu_in(const struct fixture *f)
{
    return debugger_cpu(f->d, 0);
}

static void place_program(struct fixture *f)
{
    struct cpu *cpu = cpu_in(f);

    assert_int_equal(debugger_write(f->d, 0, true, CODE, code, sizeof(code), NULL), sizeof(code));
    memset(cpu->r, 0, 16 * sizeof(cpu->r[0]));
    cpu->r[R_RIP] = CODE;
    cpu->r[R_RSP] = STACK;
    cpu->r[R_RBP] = STACK - 8; /* as if F had made a frame */
    cpu_set_eflags(cpu, EFLAGS_FIXED);
    cpu_mode_changed(cpu);
    assert_int_equal(cpu->code_mode, CODE32);
}

static void keep_history(struct fixture *f)
{
    static const struct record_header header = {0};
    const struct record_setup setup = {
        .header = &header, .history = UINT64_MAX, .check_every = 30000};
    struct error err = {{0}};

    if (!record_begin(&f->g.pc.m, &setup, &err))
        fail_msg("%s", err.text);
}

/* Other hosts have none. */
static void no_translator(const struct error *err)
{
#ifdef __x86_64__
    fail_msg("%s", err->text);
#else
    print_message("%s\n", err->text);
    skip();
#endif
}

static struct fixture *fixture_new(bool jit)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct translator_config config = {.threshold = 1};
    struct monitor_about about = {0};
    struct monitor_hooks hooks = {0};
    struct error err = {{0}};

    assert_non_null(f);
    guest_machine_config(&f->g, "loops-32");
    if (!guest_machine_init(&f->g, &err))
        fail_msg("%s", err.text);
    if (jit && !guest_machine_translate(&f->g, &config, &err))
        no_translator(&err);
    f->ctl = control_new(&f->g.pc.m, &about, &hooks);
    f->d = debugger_new(f->ctl, &err);
    assert_non_null(f->d);
    f->face = (struct debug_face){.stopped = on_stop, .resumed = on_resume, .opaque = f};
    debugger_add_face(f->d, &f->face);
    place_program(f);
    keep_history(f);
    assert_true(machine_start_threads(&f->g.pc.m));
    return f;
}

static void fixture_free(struct fixture *f)
{
    machine_lock(&f->g.pc.m);
    debugger_remove_face(f->d, &f->face);
    machine_request_end(&f->g.pc.m, STOP_QUIT, 0);
    machine_unlock(&f->g.pc.m);
    machine_join(&f->g.pc.m);
    debugger_free(f->d);
    control_free(f->ctl);
    record_end(&f->g.pc.m);
    guest_machine_destroy(&f->g);
    free(f);
}

/* The main loop, until the faces are told of a stop. */
static void wait_for_stop(struct fixture *f)
{
    for (unsigned n = 0; !f->stopped && n < 600000; n++) {
        debugger_poll(f->d);
        usleep(100);
    }
    assert_true(f->stopped);
    f->stopped = false;
}

static uint64_t pc_of(const struct fixture *f)
{
    return debugger_pc(cpu_in(f));
}

static uint64_t place(struct fixture *f)
{
    struct time_span s;

    assert_true(time_when(f->d, &s, NULL));
    return s.now.insns;
}

static void step(struct fixture *f)
{
    machine_lock(&f->g.pc.m);
    assert_true(debugger_step(f->d, 0, STEP_INSN, 1, NULL));
    machine_unlock(&f->g.pc.m);
    wait_for_stop(f);
}

static void go_on(struct fixture *f)
{
    machine_lock(&f->g.pc.m);
    assert_true(debugger_continue(f->d, NULL));
    machine_unlock(&f->g.pc.m);
    wait_for_stop(f);
}

/* A command of time.h, from here to its stop. */
#define TRAVEL(f, ...)                                                                             \
    do {                                                                                           \
        struct error err_ = {{0}};                                                                 \
        machine_lock(&(f)->g.pc.m);                                                                \
        bool ok_ = __VA_ARGS__;                                                                    \
        machine_unlock(&(f)->g.pc.m);                                                              \
        if (!ok_)                                                                                  \
            fail_msg("%s", err_.text);                                                             \
        wait_for_stop(f);                                                                          \
    } while (0)

static struct breakpoint *break_at(struct fixture *f, uint64_t lin)
{
    const struct breakpoint b = {
        .kind = BREAK_EXECUTE, .start = lin, .last = lin, .cpu = -1, .enabled = true};
    struct breakpoint *added = breakpoint_add(f->d, &b, NULL);

    assert_non_null(added);
    return added;
}

static struct breakpoint *watch(struct fixture *f, uint64_t lin)
{
    const struct breakpoint b = {.kind = BREAK_ACCESS,
                                 .start = lin,
                                 .last = lin + 3,
                                 .access = PROBE_WRITE,
                                 .cpu = -1,
                                 .enabled = true};
    struct breakpoint *added = breakpoint_add(f->d, &b, NULL);

    assert_non_null(added);
    return added;
}

/* To END, where the program stays. */
static void run_to_end(struct fixture *f)
{
    struct breakpoint *b = break_at(f, END);

    go_on(f);
    assert_int_equal(f->stop.kind, DEBUG_BREAKPOINT);
    assert_int_equal(pc_of(f), END);
    breakpoint_remove(f->d, b);
}

/* What was stepped through forwards is come by backwards. */
static void steps_go_back(bool jit)
{
    struct fixture *f = fixture_new(jit);
    uint64_t pcs[40], edx[40], first;
    struct breakpoint *b = break_at(f, F);

    b->ignore = 12345;
    go_on(f);
    assert_int_equal(pc_of(f), F);
    breakpoint_remove(f->d, b);
    first = place(f);
    for (unsigned n = 0; n < 40; n++) {
        pcs[n] = pc_of(f);
        edx[n] = cpu_in(f)->r[R_RDX];
        step(f);
    }
    for (unsigned n = 40; n-- > 0;) {
        TRAVEL(f, time_reverse_step(f->d, 0, 1, &err_));
        assert_int_equal(f->stop.kind, DEBUG_STEPPED);
        assert_int_equal(pc_of(f), pcs[n]);
        assert_int_equal(cpu_in(f)->r[R_RDX], edx[n]);
        assert_int_equal(place(f), first + n);
    }
    TRAVEL(f, time_goto(f->d, first + 40, &err_));
    assert_int_equal(place(f), first + 40);
    TRAVEL(f, time_reverse_step(f->d, 0, 25, &err_));
    assert_int_equal(pc_of(f), pcs[15]);
    /* The live machine goes on from there. */
    run_to_end(f);
    assert_false(record_replays(&f->g.pc.m));
    assert_int_equal(cpu_in(f)->r[R_RDX], TIMES);
    fixture_free(f);
}

static void test_steps_go_back(void **state)
{
    (void)state;
    steps_go_back(false);
    steps_go_back(true);
}

static void test_calls_are_stepped_over(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(true);
    struct breakpoint *b = break_at(f, AFTER);

    b->ignore = 20000;
    go_on(f);
    assert_int_equal(pc_of(f), AFTER);
    breakpoint_remove(f->d, b);
    uint64_t edx = cpu_in(f)->r[R_RDX];
    TRAVEL(f, time_reverse_next(f->d, 0, 1, &err_));
    assert_int_equal(f->stop.kind, DEBUG_STEPPED);
    assert_int_equal(pc_of(f), CALL);
    assert_int_equal(cpu_in(f)->r[R_RDX], edx - 1);
    TRAVEL(f, time_reverse_next(f->d, 0, 1, &err_));
    assert_int_equal(pc_of(f), LOOP);
    step(f);
    step(f);
    step(f);
    assert_int_equal(pc_of(f), F + 1);
    TRAVEL(f, time_reverse_finish(f->d, 0, &err_));
    assert_int_equal(pc_of(f), CALL);
    assert_int_equal(cpu_in(f)->r[R_RDX], edx - 1);
    /* Five rounds of inc, call, dec, jnz. */
    TRAVEL(f, time_reverse_next(f->d, 0, 20, &err_));
    assert_int_equal(pc_of(f), CALL);
    assert_int_equal(cpu_in(f)->r[R_RDX], edx - 6);
    fixture_free(f);
}

/* Ignore counts count backwards, too, from one checkpoint's interval to the one before. */
static void test_ignores_going_back(void **state)
{
    static const unsigned ignored[] = {1, 40, 1500, 3000};

    (void)state;
    for (unsigned n = 0; n < sizeof(ignored) / sizeof(ignored[0]); n++) {
        struct fixture *f = fixture_new(n & 1);

        run_to_end(f);
        struct breakpoint *b = break_at(f, F), *other = break_at(f, F), *first = break_at(f, CODE);
        b->ignore = ignored[n];
        other->ignore = ignored[n] + 5;
        TRAVEL(f, time_reverse_continue(f->d, &err_));
        assert_ptr_equal(f->stop.hit.breakpoint, b);
        assert_int_equal(pc_of(f), F);
        assert_int_equal(cpu_in(f)->r[R_RDX], TIMES - 1 - ignored[n]);
        assert_int_equal(b->hits, ignored[n] + 1);
        assert_int_equal(other->hits, ignored[n] + 1);
        assert_int_equal(b->ignore, 0);
        assert_int_equal(other->ignore, 4);
        breakpoint_remove(f->d, b);
        TRAVEL(f, time_reverse_continue(f->d, &err_));
        assert_ptr_equal(f->stop.hit.breakpoint, other);
        assert_int_equal(cpu_in(f)->r[R_RDX], TIMES - 1 - ignored[n] - 5);
        other->ignore = TIMES;
        TRAVEL(f, time_reverse_continue(f->d, &err_));
        assert_ptr_equal(f->stop.hit.breakpoint, first);
        assert_int_equal(other->hits, TIMES);
        assert_int_equal(first->hits, 1);
        fixture_free(f);
    }
}

/* Back from breakpoint to breakpoint, to the beginning of time. */
static void test_continues_back(void **state)
{
    (void)state;
    for (unsigned jit = 0; jit < 2; jit++) {
        struct fixture *f = fixture_new(jit);

        run_to_end(f);
        uint64_t end = place(f);
        struct breakpoint *b = break_at(f, F);
        for (unsigned n = 0; n < 3; n++) {
            TRAVEL(f, time_reverse_continue(f->d, &err_));
            assert_int_equal(f->stop.kind, DEBUG_BREAKPOINT);
            assert_ptr_equal(f->stop.hit.breakpoint, b);
            assert_int_equal(pc_of(f), F);
            assert_int_equal(cpu_in(f)->r[R_RDX], TIMES - 1 - n);
        }
        breakpoint_remove(f->d, b);
        b = watch(f, DATA + 16);
        TRAVEL(f, time_reverse_continue(f->d, &err_));
        assert_int_equal(f->stop.kind, DEBUG_WATCHPOINT);
        assert_int_equal(pc_of(f), F + 7); /* after the store */
        assert_int_equal(cpu_in(f)->r[R_RDX], TIMES - 3);
        assert_int_equal(f->stop.hit.new_value, TIMES - 3);
        assert_int_equal(f->stop.hit.old_value, TIMES - 4);
        breakpoint_remove(f->d, b);
        break_at(f, CODE);
        TRAVEL(f, time_reverse_continue(f->d, &err_));
        assert_int_equal(pc_of(f), CODE);
        assert_int_equal(f->stop.kind, DEBUG_BREAKPOINT);
        TRAVEL(f, time_reverse_continue(f->d, &err_));
        assert_int_equal(f->stop.kind, DEBUG_TIME_BEGIN);
        TRAVEL(f, time_reverse_step(f->d, 0, 1, &err_));
        assert_int_equal(f->stop.kind, DEBUG_TIME_BEGIN);
        TRAVEL(f, time_goto_end(f->d, &err_));
        assert_int_equal(place(f), end);
        assert_int_equal(pc_of(f), END);
        fixture_free(f);
    }
}

/* The store that was the last one; and a device's. */
static void test_last_write(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(true);

    run_to_end(f);
    uint64_t end = place(f);
    TRAVEL(f, time_last_write(f->d, 0, false, DATA, 4, &err_));
    assert_int_equal(f->stop.kind, DEBUG_WATCHPOINT);
    assert_int_equal(pc_of(f), END);
    assert_int_equal(place(f), end);
    TRAVEL(f, time_reverse_step(f->d, 0, 1, &err_));
    assert_int_equal(pc_of(f), STORE);
    TRAVEL(f, time_last_write(f->d, 0, true, DATA + 16, 1, &err_));
    assert_int_equal(f->stop.kind, DEBUG_WATCHPOINT);
    assert_int_equal(pc_of(f), F + 7);
    assert_int_equal(cpu_in(f)->r[R_RDX], TIMES);
    TRAVEL(f, time_last_write(f->d, 0, true, DATA + 0x10000, 4, &err_));
    assert_int_equal(f->stop.kind, DEBUG_TIME_BEGIN);
    struct error err = {{0}};
    assert_false(time_last_write(f->d, 0, true, DATA + 0xfff, 2, &err));
    assert_non_null(strstr(err.text, "within a page"));
    fixture_free(f);
}

static void test_places(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(true);
    struct error err = {{0}};
    uint32_t random = 9;
    uint64_t edx[20], at[20];

    run_to_end(f);
    uint64_t end = place(f);
    for (unsigned n = 0; n < 20; n++) {
        char name[8];
        random = random * 1664525 + 1013904223;
        at[n] = random % end;
        TRAVEL(f, time_goto(f->d, at[n], &err_));
        assert_int_equal(place(f), at[n]);
        edx[n] = cpu_in(f)->r[R_RDX];
        snprintf(name, sizeof(name), "m%u", n);
        assert_true(time_bookmark(f->d, name, &err));
    }
    for (unsigned n = 0; n < 20; n++) {
        char name[8];
        snprintf(name, sizeof(name), "m%u", n);
        TRAVEL(f, time_goto_bookmark(f->d, name, &err_));
        assert_int_equal(place(f), at[n]);
        assert_int_equal(cpu_in(f)->r[R_RDX], edx[n]);
        assert_true(time_remove_bookmark(f->d, name, &err));
        TRAVEL(f, time_goto_ns(f->d, at[n] << 3, &err_));
        assert_int_equal(place(f), at[n]);
    }
    assert_false(time_goto_bookmark(f->d, "m1", &err));
    assert_false(time_goto(f->d, end + 1, &err));
    assert_non_null(strstr(err.text, "the end is at"));
    fixture_free(f);
}

static void test_without_a_past(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(false);
    struct error err = {{0}};
    struct time_span s;

    record_end(&f->g.pc.m);
    assert_false(time_reverse_step(f->d, 0, 1, &err));
    assert_non_null(strstr(err.text, "--history"));
    assert_false(time_when(f->d, &s, &err));
    fixture_free(f);
}

/* What has a log is not changed by hand: it would not come again. */
static void test_nothing_is_changed(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(false);
    const struct cpu_register *eax = cpu_register_find("eax");
    const uint8_t value[8] = {0x12, 0x34};
    struct error err = {{0}};

    machine_lock(&f->g.pc.m);
    assert_false(debugger_set_register(f->d, 0, eax, value, &err));
    assert_non_null(strstr(err.text, "$eax: not while the machine is recorded"));
    assert_false(expr_assign(f->d, 0, NULL, "$eax", "5", &err));
    assert_int_equal(cpu_in(f)->r[R_RAX], 0);
    assert_int_equal(debugger_write(f->d, 0, true, DATA, value, 2, &err), 0);
    assert_non_null(strstr(err.text, "memory: not while"));
    assert_int_equal(address_space_read(&f->g.pc.m.mem, DATA, 2), 0);
    record_end(&f->g.pc.m);
    assert_true(debugger_set_register(f->d, 0, eax, value, &err));
    assert_int_equal(cpu_in(f)->r[R_RAX], 0x3412);
    assert_int_equal(debugger_write(f->d, 0, true, DATA, value, 2, &err), 2);
    machine_unlock(&f->g.pc.m);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_go_back),  cmocka_unit_test(test_calls_are_stepped_over),
        cmocka_unit_test(test_continues_back), cmocka_unit_test(test_ignores_going_back),
        cmocka_unit_test(test_last_write),     cmocka_unit_test(test_places),
        cmocka_unit_test(test_without_a_past), cmocka_unit_test(test_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
