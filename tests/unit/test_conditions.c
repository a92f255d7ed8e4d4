/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conditions as programs for the engines: random expressions, asked of a loop's instruction amid
 * live flags, mean the same when the debugger calculates them, the interpreter runs their programs,
 * and translated code has them in line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "config.h"
#include "cpu/x86/mem.h"
#include "debugger/debugger.h"
#include "debugger/expr.h"
#include "debugger/gdb_agent.h"
#include "monitor/control.h"
#include "tests/common/guest_machine.h"

#define CODE   0x200000u
#define DATA   0x300000u
#define STACK  0x280000u
#define ROUNDS 150u
#define INSNS  2000u /* all rounds, and some of what follows */

static const uint8_t code32[] = {
    0x40,                   /* inc eax */
    0x8d, 0x54, 0x42, 0x03, /* lea edx, [edx + 2 eax + 3] */
    0x89, 0x56, 0x04,       /* mov [esi + 4], edx */
    0x01, 0xd3,             /* add ebx, edx */
    0x83, 0xd7, 0x00,       /* adc edi, 0: here */
    0x49,                   /* dec ecx */
    0x75, 0xf0,             /* jnz */
    0xeb, 0xfe,             /* jmp $ */
};
/* The registers that have no place of their own in translated code take others'. */
static const uint8_t code64[] = {
    0x48, 0xff, 0xc0,             /* inc rax */
    0x4d, 0x8d, 0x4c, 0x41, 0x03, /* lea r9, [r9 + 2 rax + 3] */
    0x4c, 0x89, 0x4e, 0x08,       /* mov [rsi + 8], r9 */
    0x4d, 0x31, 0xca,             /* xor r10, r9 */
    0x4d, 0x01, 0xd3,             /* add r11, r10 */
    0x49, 0x83, 0xd7, 0x00,       /* adc r15, 0: here */
    0xff, 0xc9,                   /* dec ecx */
    0x75, 0xe6,                   /* jnz */
    0xeb, 0xfe,                   /* jmp $ */
};

static const struct program {
    const char *boots; /* tests/guest's, until it is in the mode */
    const uint8_t *code;
    size_t size;
    unsigned mark, mode;
    const char *registers[20];
} programs[] = {
    {"loops-32",
     code32,
     sizeof(code32),
     10,
     CODE32,
     {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "al", "bx", "rcx", "rbx", "pc"}},
    {"loops-64",
     code64,
     sizeof(code64),
     18,
     CODE64,
     {"rax", "rbx", "ecx", "rdx",  "rsi",  "r8",  "r9",  "r10", "r11",
      "r12", "r13", "r14", "r15d", "r14d", "r8w", "r9b", "bpl", "pc"}},
};

struct fixture {
    struct guest_machine g;
    struct control *ctl;
    struct debugger *d;
    const struct program *program;
    uint64_t first[16]; /* registers at the loop's beginning */
    /* What is asked, and what was said. */
    const struct expr *e;
    unsigned asked, held, failed;
    uint64_t sum; /* of the registers when it held */
};

static uint64_t seed;

static unsigned random_below(unsigned n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % n;
}

static struct cpu *cpu_in(const struct fixture *f)
{
    return debugger_cpu(f->d, 0);
}

static void run(struct fixture *f, uint64_t insns)
{
    struct machine *m = &f->g.pc.m;

    machine_cont(m);
    machine_unlock(m);
    machine_run_inline(m, insns);
    machine_lock(m);
}

static uint64_t mixed(uint64_t sum, const struct cpu *cpu)
{
    for (unsigned n = 0; n < 16; n++)
        sum = (sum ^ cpu->r[n]) * 0x9e3779b97f4a7c15ull + (sum >> 29);
    return sum;
}

static struct fixture *fixture_new(const struct program *p, bool jit)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct translator_config config = {.threshold = 1};
    struct monitor_about about = {0};
    struct monitor_hooks hooks = {0};
    struct error err = {{0}};

    assert_non_null(f);
    f->program = p;
    guest_machine_config(&f->g, p->boots);
    if (!guest_machine_init(&f->g, &err) ||
        (jit && !guest_machine_translate(&f->g, &config, &err)))
        fail_msg("%s", err.text);
    f->ctl = control_new(&f->g.pc.m, &about, &hooks);
    f->d = debugger_new(f->ctl, &err);
    assert_non_null(f->d);
    machine_lock(&f->g.pc.m);
    for (unsigned n = 0; n < 1000000 && cpu_in(f)->code_mode != p->mode; n++)
        run(f, 1);
    assert_int_equal(cpu_in(f)->code_mode, p->mode);
    assert_int_equal(debugger_write(f->d, 0, false, CODE, p->code, p->size, NULL), p->size);
    for (unsigned n = 0; n < 0x2000; n++)
        assert_int_equal(debugger_write(f->d, 0, false, DATA + n, &(uint8_t){(uint8_t)(n * n >> 3)},
                                        1, NULL),
                         1);
    for (unsigned n = 0; n < 16; n++)
        f->first[n] = n % 3 ? 0x0123456789abcdefull * (n + 1) : n * 3;
    f->first[R_RAX] = 0;
    f->first[R_RCX] = ROUNDS;
    f->first[R_RSI] = DATA;
    f->first[R_RSP] = STACK;
    return f;
}

static void fixture_free(struct fixture *f)
{
    machine_request_end(&f->g.pc.m, STOP_QUIT, 0);
    machine_unlock(&f->g.pc.m);
    debugger_free(f->d);
    control_free(f->ctl);
    guest_machine_destroy(&f->g);
    free(f);
}

static bool on_execute(void *opaque, struct cpu *cpu, uint64_t lin)
{
    struct fixture *f = opaque;
    uint64_t v;

    assert_int_equal(lin, CODE + f->program->mark);
    f->asked++;
    if (!expr_integer(f->e, f->d, cpu, &v, NULL)) {
        f->failed++;
    } else if (v) {
        f->held++;
        f->sum = mixed(f->sum, cpu);
    }
    return false;
}

/* All rounds. The sum of everything at the end. */
static uint64_t run_loop(struct fixture *f, const struct probe_program *when)
{
    struct probe_point point = {.start = CODE + f->program->mark, .last = CODE + f->program->mark};
    struct probes p = {
        .points = &point, .npoints = 1, .execute = on_execute, .opaque = f};
    struct cpu *cpu = cpu_in(f);
    uint64_t at = point.start & 0xfff;

    if (when)
        point.when = *when;
    p.offsets[at / 64] = 1ull << at % 64;
    memcpy(cpu->r, f->first, sizeof(f->first));
    for (unsigned n = 0; n < 16 && f->program->mode != CODE64; n++)
        cpu->r[n] = (uint32_t)cpu->r[n];
    cpu->r[R_RIP] = CODE;
    cpu_set_eflags(cpu, EFLAGS_FIXED);
    f->asked = f->held = f->failed = 0;
    f->sum = 0;
    probes_set(&f->g.pc.m, &p);
    run(f, INSNS);
    probes_set(&f->g.pc.m, NULL);
    assert_int_equal(debugger_pc(cpu), CODE + f->program->size - 2);
    return mixed(0, cpu);
}

/* ---- random expressions ---- */

static const char *const types[] = {"char",         "unsigned char", "short",
                                    "unsigned short", "int",           "unsigned int",
                                    "long long",    "unsigned long long"};

static void add(char *text, size_t size, const char *what)
{
    size_t n = strlen(text);

    snprintf(text + n, size - n, "%s", what);
}

static void add_expression(const struct program *p, char *text, size_t size, unsigned depth);

static void add_number(char *text, size_t size)
{
    static const char *const numbers[] = {"0",     "1",       "2",          "3",
                                          "7",     "-1",      "100",        "255",
                                          "32768", "65535u",  "0x7fffffff", "0x80000000",
                                          "-129",  "77777ll", "0xfedcba9876543210ull"};

    add(text, size, numbers[random_below(ARRAY_SIZE(numbers))]);
}

static void add_register(const struct program *p, char *text, size_t size)
{
    unsigned n = 0;

    while (p->registers[n])
        n++;
    add(text, size, "$");
    add(text, size, p->registers[random_below(n)]);
}

/* Of the loop's variable, of constant data, across pages, calculated, and where there is none. */
static void add_memory(const struct program *p, char *text, size_t size, unsigned depth)
{
    char what[80];
    const char *type = types[random_below(ARRAY_SIZE(types))];

    switch (random_below(16)) {
    case 0 ... 4:
        snprintf(what, sizeof(what), "*(%s *)($%s + %u)", type, p->mode == CODE64 ? "rsi" : "esi",
                 random_below(12));
        break;
    case 5 ... 9:
        snprintf(what, sizeof(what), "*(%s *)0x%x", type, DATA + random_below(0x1000));
        break;
    case 10:
        snprintf(what, sizeof(what), "*(%s *)0x%x", type, DATA + 0xff8 + random_below(9));
        break;
    case 11:
        snprintf(what, sizeof(what), "*(%s *)0xf0000000", type);
        break;
    default:
        snprintf(what, sizeof(what), "*(%s *)(0x%x + ((", type, DATA);
        add(text, size, what);
        add_expression(p, text, size, depth);
        add(text, size, ") & 0xfff))");
        return;
    }
    add(text, size, what);
}

static void add_operation(const struct program *p, char *text, size_t size, unsigned depth)
{
    static const char *const binary[] = {"+",  "-",  "*",  "/", "%",  "&",  "|",  "^",  "==", "!=",
                                         "<",  "<=", ">",  ">=", "&&", "||", "==", "&&", "&"};
    static const char *const unary[] = {"-", "~", "!", "(char)", "(unsigned short)", "(long long)",
                                        "(unsigned int)"};
    char by[16];
    unsigned kind = random_below(12);

    add(text, size, "(");
    if (kind < 2) {
        add(text, size, unary[random_below(ARRAY_SIZE(unary))]);
        add_expression(p, text, size, depth);
    } else if (kind == 2) {
        snprintf(by, sizeof(by), " %s %u", random_below(2) ? "<<" : ">>", random_below(70));
        add_expression(p, text, size, depth);
        add(text, size, by);
    } else if (kind == 3) {
        add_expression(p, text, size, depth);
        add(text, size, " ? ");
        add_expression(p, text, size, depth);
        add(text, size, " : ");
        add_expression(p, text, size, depth);
    } else {
        add_expression(p, text, size, depth);
        add(text, size, binary[random_below(ARRAY_SIZE(binary))]);
        add(text, size, " ");
        add_expression(p, text, size, depth);
    }
    add(text, size, ")");
}

static void add_expression(const struct program *p, char *text, size_t size, unsigned depth)
{
    unsigned kind = random_below(8);

    if (depth && kind < 5)
        add_operation(p, text, size, depth - 1);
    else if (kind < 4)
        add_register(p, text, size);
    else if (kind < 6)
        add_memory(p, text, size, depth ? depth - 1 : 0);
    else
        add_number(text, size);
}

/* Most hold sometimes. */
static void add_condition(const struct program *p, char *text, size_t size)
{
    static const char *const ends[] = {"", " & 1", " & 6", " % 3 == 1", " >> 2 & 1", " < 0"};
    unsigned parts = 1 + random_below(3), depth = random_below(4);

    for (unsigned n = 0; n < parts; n++) {
        if (n)
            add(text, size, random_below(2) ? " && " : " || ");
        add(text, size, "((");
        add_expression(p, text, size, depth);
        add(text, size, ")");
        add(text, size, ends[random_below(ARRAY_SIZE(ends))]);
        add(text, size, ")");
    }
}

/* ---- the tests ---- */

/* The same was said, and was asked only where it had to be: where the program says yes, or cannot
 * say. */
static void check(struct fixture *f, const struct probe_program *when, const struct fixture *want,
                  uint64_t end, const char *how, const char *text)
{
    uint64_t sum = run_loop(f, when);

    if (sum != end || f->held != want->held || f->sum != want->sum)
        fail_msg("%s: %s: held %u times, not %u%s", how, text, f->held, want->held,
                 sum == end ? "" : ", and the guest is another");
    if (f->asked != want->held + want->failed)
        fail_msg("%s: %s: asked %u times, not %u", how, text, f->asked,
                 want->held + want->failed);
}

/* Other hosts have no translator. */
static struct fixture *jit_fixture(const struct program *p)
{
#ifdef __x86_64__
    return fixture_new(p, true);
#else
    (void)p;
    return NULL;
#endif
}

static void compare_random(const struct program *p, unsigned n)
{
    struct fixture *tree = fixture_new(p, false), *interp = fixture_new(p, false),
                   *jit = jit_fixture(p);
    unsigned programs_made = 0, held = 0;

    for (; n; n--) {
        char text[2000] = "";
        struct error err = {""};
        uint64_t end;

        add_condition(p, text, sizeof(text));
        struct expr *e = expr_parse(tree->d, 0, text, &err);
        if (!e) /* of pointers not everything can be calculated */
            continue;
        struct breakpoint_condition c = expr_condition(e);
        tree->e = interp->e = e;
        end = run_loop(tree, NULL);
        assert_int_equal(tree->asked, ROUNDS);
        if (c.when.n) {
            check(interp, &c.when, tree, end, "interpreted", text);
            if (jit) {
                jit->e = e;
                check(jit, &c.when, tree, end, "translated", text);
            }
        }
        programs_made += c.when.n > 0;
        held += tree->held > 0 && tree->held < ROUNDS;
        c.free(c.opaque);
    }
    print_message("%u programs; %u hold sometimes\n", programs_made, held);
    assert_true(programs_made > 200 && held > 100);
    fixture_free(tree);
    fixture_free(interp);
    if (jit)
        fixture_free(jit);
}

static void test_random_32(void **state)
{
    (void)state;
    seed = 1;
    compare_random(&programs[0], 1500);
}

static void test_random_64(void **state)
{
    (void)state;
    seed = 2;
    compare_random(&programs[1], 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_32),
        cmocka_unit_test(test_random_64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
