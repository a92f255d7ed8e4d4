/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The debugger's core on both engines: a loop of 32-bit code with a call, a store, a port, a
 * control register. */
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
#include "config.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/report.h"
#include "debugger/debugger.h"
#include "debugger/expr.h"
#include "monitor/control.h"
#include "tests/common/guest_machine.h"

#define CODE  0x200000u
#define LOOP  (CODE + 5)
#define AFTER (CODE + 11) /* the call has returned */
#define STORE (CODE + 14)
#define PORT  (CODE + 19)
#define CR    (CODE + 21)
#define END   (CODE + 24)
#define F     (CODE + 0x20)
#define DATA  0x300000u
#define STACK 0x280000u
#define TIMES 10000u

static const uint8_t code[] = {
    0xb9, 0x10, 0x27, 0x00, 0x00,                   /* mov ecx, 10000 */
    0x40,                                           /* inc eax */
    0xe8, 0x15, 0x00, 0x00, 0x00,                   /* call F */
    0x49,                                           /* dec ecx */
    0x75, 0xf7,                                     /* jnz LOOP */
    0xa3, 0x00, 0x00, 0x30, 0x00,                   /* mov [DATA], eax */
    0xe6, 0x80,                                     /* out 80h, al */
    0x0f, 0x22, 0xd8,                               /* mov cr3, eax */
    0xeb, 0xfe,                                     /* jmp $ */
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x42, 0xc3, /* F: inc edx; ret */
};

struct fixture {
    struct guest_machine g;
    struct control *ctl;
    struct debugger *d;
    struct debug_face face;
    struct debug_stop stop;
    unsigned breakpoint; /* its number: it may be gone */
    bool stopped;
};

static void on_stop(void *opaque, const struct debug_stop *stop)
{
    struct fixture *f = opaque;

    f->stop = *stop;
    f->breakpoint = stop->hit.breakpoint ? stop->hit.breakpoint->number : 0;
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
    cpu_set_eflags(cpu, EFLAGS_FIXED);
    cpu_mode_changed(cpu);
    assert_int_equal(cpu->code_mode, CODE32);
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
    machine_lock(&f->g.pc.m);
    debugger_add_face(f->d, &f->face);
    place_program(f);
    machine_unlock(&f->g.pc.m);
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
    guest_machine_destroy(&f->g);
    free(f);
}

static void wait_stop(struct fixture *f)
{
    f->stopped = false;
    while (!f->stopped) {
        debugger_poll(f->d);
        usleep(100);
    }
}

static void go_on(struct fixture *f)
{
    struct error err;

    machine_lock(&f->g.pc.m);
    assert_true(debugger_continue(f->d, &err));
    machine_unlock(&f->g.pc.m);
    wait_stop(f);
}

static void step(struct fixture *f, enum debug_step how, uint64_t n)
{
    struct error err;

    machine_lock(&f->g.pc.m);
    assert_true(debugger_step(f->d, 0, how, n, &err));
    machine_unlock(&f->g.pc.m);
    wait_stop(f);
    assert_int_equal(f->stop.kind, DEBUG_STEPPED);
}

static struct breakpoint *add(struct fixture *f, const struct breakpoint *b)
{
    struct breakpoint made = *b;
    struct error err;

    made.enabled = true;
    made.cpu = -1;
    machine_lock(&f->g.pc.m);
    struct breakpoint *added = breakpoint_add(f->d, &made, &err);
    machine_unlock(&f->g.pc.m);
    assert_non_null(added);
    return added;
}

static struct breakpoint *add_at(struct fixture *f, uint64_t lin)
{
    return add(f, &(struct breakpoint){.kind = BREAK_EXECUTE, .start = lin, .last = lin});
}

static void remove_it(struct fixture *f, struct breakpoint *b)
{
    machine_lock(&f->g.pc.m);
    breakpoint_remove(f->d, b);
    machine_unlock(&f->g.pc.m);
}

static void assert_at(const struct fixture *f, uint64_t lin)
{
    assert_int_equal(debugger_pc(cpu_in(f)), lin);
}

/* ---- the tests ---- */

static void breakpoints(bool jit)
{
    struct fixture *f = fixture_new(jit);
    struct breakpoint *b = add_at(f, AFTER);

    go_on(f);
    assert_int_equal(f->stop.kind, DEBUG_BREAKPOINT);
    assert_int_equal(f->breakpoint, b->number);
    assert_at(f, AFTER);
    assert_int_equal(cpu_in(f)->r[R_RAX], 1);
    go_on(f);
    assert_at(f, AFTER);
    assert_int_equal(cpu_in(f)->r[R_RAX], 2);
    b->ignore = 4997;
    go_on(f);
    assert_int_equal(cpu_in(f)->r[R_RAX], 5000);
    assert_int_equal(cpu_in(f)->r[R_RDX], 5000);
    assert_int_equal(b->hits, 5000);
    remove_it(f, b);
    add_at(f, STORE);
    go_on(f);
    assert_at(f, STORE);
    assert_int_equal(cpu_in(f)->r[R_RDX], TIMES);
    fixture_free(f);
}

static bool never(void *opaque, struct debugger *d, struct cpu *cpu)
{
    (void)d;
    *(uint64_t *)opaque += cpu->r[R_RAX]; /* registers are as at the instruction */
    return false;
}

/* Asking changes nothing, and counts nothing. */
static void conditions(bool jit)
{
    uint64_t sum = 0, retired[2];

    for (unsigned n = 0; n < 2; n++) {
        struct fixture *f = fixture_new(jit);

        if (n)
            add(f, &(struct breakpoint){.kind = BREAK_EXECUTE,
                                        .start = LOOP + 1,
                                        .last = LOOP + 1,
                                        .condition = {.holds = never, .opaque = &sum}});
        add_at(f, END);
        go_on(f);
        assert_at(f, END);
        retired[n] = machine_retired(&f->g.pc.m);
        fixture_free(f);
    }
    assert_int_equal(retired[0], retired[1]);
    assert_int_equal(sum, TIMES * (TIMES + 1) / 2);
}

static struct breakpoint_condition condition(struct fixture *f, const char *text)
{
    struct error err = {{0}};
    struct expr *e = expr_parse(f->d, 0, text, &err);

    if (!e)
        fail_msg("%s: %s", text, err.text);
    return expr_condition(e);
}

static struct breakpoint *add_if(struct fixture *f, uint64_t lin, const char *text)
{
    return add(
        f, &(struct breakpoint){
               .kind = BREAK_EXECUTE, .start = lin, .last = lin, .condition = condition(f, text)});
}

/* At LOOP + 1: eax is the number of the round, ecx how many rounds are left, edx eax - 1. */
static void comparisons(bool jit)
{
    static const struct {
        const char *text;
        unsigned round;
    } rows[] = {
        {"$eax == 5000", 5000},
        {"$ecx != 10000 && $eax > 2", 3},
        {"$ecx < 77", 9925},
        {"$ecx <= 77", 9924},
        {"$eax > 3", 4},
        {"$eax >= 3", 3},
        {"$edx >= 77u", 78},
        {"$edx < 3000000000u && $eax > 9", 10},
        {"$ebp > 0u", 0},
        {"$ebp < 0 && $ecx == 900", 0},
        {"$rcx < 77", 9925},
        {"$rax > 0xffffffff", 0},
        {"$eax == 50 && $edx == 49 && $ecx == 9951", 50},
        {"$eax == 50 && $edx == 48", 0},
        {"$eax == 50 || $edx == 48", 49},
        {"($eax == 50) == 0 && $eax > 49", 51},
        {"!($eax < 300)", 300},
        {"$al == 3 && $eax > 300", 515},
        {"($eflags & 4) && $eax > 6", 9}, /* PF, of INC */
        {"$eax == 10 ? 0 : $eax > 9", 11},
    };

    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct fixture *f = fixture_new(jit);
        struct breakpoint *b = add_if(f, LOOP + 1, rows[n].text), *end = add_at(f, STORE);

        go_on(f);
        if (f->breakpoint != (rows[n].round ? b : end)->number)
            fail_msg("%s", rows[n].text);
        if (rows[n].round)
            assert_int_equal(cpu_in(f)->r[R_RAX], rows[n].round);
        assert_int_equal(b->hits, rows[n].round > 0);
        fixture_free(f);
    }
}

/* What was stopped at is asked about again when it is there again, and for what is asked now. */
static void changed_comparisons(bool jit)
{
    struct fixture *f = fixture_new(jit);
    struct breakpoint *b = add_if(f, LOOP + 1, "$eax == 4000");

    add_if(f, LOOP + 1, "$edx == 12345");
    go_on(f);
    assert_int_equal(cpu_in(f)->r[R_RAX], 4000);
    cpu_in(f)->r[R_RAX] = 3900;
    go_on(f);
    assert_at(f, LOOP + 1);
    assert_int_equal(cpu_in(f)->r[R_RAX], 4000);
    assert_int_equal(cpu_in(f)->r[R_RDX], 4099);
    assert_int_equal(b->hits, 2);
    machine_lock(&f->g.pc.m);
    b->condition.free(b->condition.opaque);
    b->condition = condition(f, "$edx == 5000");
    breakpoint_changed(f->d, b);
    machine_unlock(&f->g.pc.m);
    go_on(f);
    assert_int_equal(cpu_in(f)->r[R_RDX], 5000);
    assert_int_equal(b->hits, 3);
    remove_it(f, b);
    add_at(f, STORE);
    go_on(f);
    assert_at(f, STORE);
    fixture_free(f);
}

static void watchpoints(bool jit)
{
    struct fixture *f = fixture_new(jit);
    struct breakpoint *b = add(
        f, &(struct breakpoint){
               .kind = BREAK_ACCESS, .start = DATA + 1, .last = DATA + 1, .access = PROBE_WRITE});

    go_on(f);
    assert_int_equal(f->stop.kind, DEBUG_WATCHPOINT);
    assert_at(f, PORT);
    assert_int_equal(f->stop.hit.address, DATA);
    assert_int_equal(f->stop.hit.size, 4);
    assert_true(f->stop.hit.write);
    assert_int_equal(f->stop.hit.old_value, 0);
    assert_int_equal(f->stop.hit.new_value, TIMES >> 8);
    remove_it(f, b);
    fixture_free(f);
}

/* One access: each watchpoint that it hits counts it, and knows the bytes before and after. */
static void several_at_once(bool jit)
{
    struct fixture *f = fixture_new(jit);
    const struct breakpoint all = {.kind = BREAK_ACCESS,
                                   .start = STACK - 4,
                                   .last = STACK - 1,
                                   .access = PROBE_WRITE},
                            low = {.kind = BREAK_ACCESS,
                                   .start = STACK - 4,
                                   .last = STACK - 3,
                                   .temporary = true,
                                   .access = PROBE_WRITE | PROBE_READ};
    struct breakpoint *b[3] = {add(f, &all), add(f, &low), add(f, &all)};

    b[0]->ignore = 1;
    go_on(f); /* the first is ignored, the second is gone afterwards */
    assert_at(f, F);
    assert_int_equal(f->breakpoint, 2);
    assert_int_equal(f->stop.hit.old_value, 0);
    assert_int_equal(f->stop.hit.new_value, AFTER & 0xffff);
    assert_int_equal(f->stop.nalso, 1);
    assert_ptr_equal(f->stop.also[0].breakpoint, b[2]);
    assert_int_equal(f->stop.also[0].old_value, 0);
    assert_int_equal(f->stop.also[0].new_value, AFTER);
    assert_null(breakpoint_find(f->d, 2));
    go_on(f);
    assert_at(f, F);
    assert_int_equal(f->breakpoint, 1);
    assert_int_equal(f->stop.nalso, 1);
    for (unsigned n = 0; n < 3; n += 2)
        assert_int_equal(b[n]->hits, 2);
    assert_int_equal(f->stop.hit.old_value, AFTER);
    assert_int_equal(f->stop.also[0].old_value, AFTER);
    struct breakpoint *at[2] = {add_at(f, AFTER), add_at(f, AFTER)};
    remove_it(f, b[0]);
    remove_it(f, b[2]);
    go_on(f);
    assert_int_equal(f->breakpoint, at[0]->number);
    assert_int_equal(at[0]->hits, 1);
    assert_int_equal(at[1]->hits, 1);
    fixture_free(f);
}

/* The stack is written and read by calls: each stops behind the instruction. */
static void watched_stack(bool jit)
{
    struct fixture *f = fixture_new(jit);

    add(f, &(struct breakpoint){.kind = BREAK_ACCESS,
                                .physical = true,
                                .start = STACK - 4,
                                .last = STACK - 1,
                                .access = PROBE_WRITE | PROBE_READ});
    for (unsigned n = 1; n <= 20; n++) {
        go_on(f);
        assert_at(f, F);
        assert_int_equal(cpu_in(f)->r[R_RAX], n);
        assert_true(f->stop.hit.write);
        go_on(f);
        assert_at(f, AFTER);
        assert_false(f->stop.hit.write);
    }
    fixture_free(f);
}

static void events(bool jit)
{
    struct fixture *f = fixture_new(jit);

    add(f, &(struct breakpoint){
               .kind = BREAK_PORT, .start = 0x80, .last = 0x80, .access = PROBE_WRITE});
    add(f, &(struct breakpoint){.kind = BREAK_CR, .start = 3, .last = 3});
    go_on(f);
    assert_at(f, CR);
    assert_int_equal(f->stop.hit.event_arg, 0x80);
    assert_int_equal(f->stop.hit.event_value, 1 | (TIMES & 0xff) << 8);
    go_on(f);
    assert_at(f, END);
    assert_int_equal(f->stop.hit.event_arg, 3);
    assert_int_equal(f->stop.hit.event_value, TIMES);
    fixture_free(f);
}

static void steps(bool jit)
{
    static const uint64_t into[] = {LOOP, LOOP + 1, F, F + 1, AFTER, AFTER + 1, LOOP};
    struct fixture *f = fixture_new(jit);

    for (size_t n = 0; n < sizeof(into) / sizeof(into[0]); n++) {
        step(f, STEP_INSN, 1);
        assert_at(f, into[n]);
    }
    step(f, STEP_INSN, 6 * 1000);
    assert_at(f, LOOP);
    assert_int_equal(cpu_in(f)->r[R_RAX], 1001);
    step(f, STEP_INSN, 1);
    step(f, STEP_OVER, 1);
    assert_at(f, AFTER);
    assert_int_equal(cpu_in(f)->r[R_RDX], 1002);
    fixture_free(f);
}

static void add_line(void *opaque, const char *text)
{
    char *all = opaque;
    size_t n = strlen(all);

    snprintf(all + n, 16384 - n, "%s\n", text);
}

/* The last branches before END, a history being kept from `from` on. */
static void find_branches(bool jit, uint64_t from, char *text)
{
    struct fixture *f = fixture_new(jit);

    if (from != CODE) {
        struct breakpoint *b = add_at(f, from);

        b->ignore = 5000;
        go_on(f);
        remove_it(f, b);
    }
    machine_lock(&f->g.pc.m);
    assert_true(report_keep_history(cpu_in(f), true));
    machine_unlock(&f->g.pc.m);
    assert_int_equal(cpu_in(f)->jit.noted, 0); /* nobody wanted it */
    add_at(f, END);
    go_on(f);
    assert_at(f, END);
    assert_int_equal(cpu_in(f)->r[R_RDX], TIMES);
    assert_int_equal(cpu_in(f)->jit.noted > TIMES, jit);
    *text = '\0';
    report_branches(cpu_in(f), NULL, NULL, add_line, text);
    fixture_free(f);
}

/* What ran is known of both engines, also if that was asked for when all was translated already. */
static void test_last_branches(void **state)
{
    (void)state;
    char *want = malloc(16384), *have = malloc(16384);
    unsigned n = 0;

    find_branches(false, CODE, want);
    assert_non_null(strstr(want, "The last 64 branches:"));
    for (const char *at = want; (at = strstr(at, "ret")); at++)
        n++;
    if (CONFIG_CAPSTONE)            /* without it instructions have no names */
        assert_in_range(n, 21, 22); /* call, ret, jnz in turn */
    find_branches(true, CODE, have);
    assert_string_equal(have, want);
    find_branches(true, AFTER, have);
    assert_string_equal(have, want);
    free(want);
    free(have);
}

#define ON_BOTH(name)                                                                              \
    static void name##_interpreted(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        name(false);                                                                               \
    }                                                                                              \
    static void name##_translated(void **state)                                                    \
    {                                                                                              \
        (void)state;                                                                               \
        name(true);                                                                                \
    }
ON_BOTH(breakpoints)
ON_BOTH(conditions)
ON_BOTH(comparisons)
ON_BOTH(changed_comparisons)
ON_BOTH(watchpoints)
ON_BOTH(several_at_once)
ON_BOTH(watched_stack)
ON_BOTH(events)
ON_BOTH(steps)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(breakpoints_interpreted),
        cmocka_unit_test(breakpoints_translated),
        cmocka_unit_test(conditions_interpreted),
        cmocka_unit_test(conditions_translated),
        cmocka_unit_test(comparisons_interpreted),
        cmocka_unit_test(comparisons_translated),
        cmocka_unit_test(changed_comparisons_interpreted),
        cmocka_unit_test(changed_comparisons_translated),
        cmocka_unit_test(watchpoints_interpreted),
        cmocka_unit_test(watchpoints_translated),
        cmocka_unit_test(several_at_once_interpreted),
        cmocka_unit_test(several_at_once_translated),
        cmocka_unit_test(watched_stack_interpreted),
        cmocka_unit_test(watched_stack_translated),
        cmocka_unit_test(events_interpreted),
        cmocka_unit_test(events_translated),
        cmocka_unit_test(steps_interpreted),
        cmocka_unit_test(steps_translated),
        cmocka_unit_test(test_last_branches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
