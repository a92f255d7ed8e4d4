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
#include "cpu/x86/registers.h"
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
     {"rax", "rbx", "ecx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15d",
      "r14d", "r8w", "r9b", "bpl", "pc"}},
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
    if (!guest_machine_init(&f->g, &err) || (jit && !guest_machine_translate(&f->g, &config, &err)))
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
        assert_int_equal(
            debugger_write(f->d, 0, false, DATA + n, &(uint8_t){(uint8_t)(n * n >> 3)}, 1, NULL),
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
    struct probes p = {.points = &point, .npoints = 1, .execute = on_execute, .opaque = f};
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

static const char *const types[] = {"char", "unsigned char", "short",     "unsigned short",
                                    "int",  "unsigned int",  "long long", "unsigned long long"};

static void add(char *text, size_t size, const char *what)
{
    size_t n = strlen(text);

    snprintf(text + n, size - n, "%s", what);
}

static void add_expression(const struct program *p, char *text, size_t size, unsigned depth);

static void add_number(char *text, size_t size)
{
    static const char *const numbers[] = {
        "0",          "1",          "2",    "3",       "7",
        "-1",         "100",        "255",  "32768",   "65535u",
        "0x7fffffff", "0x80000000", "-129", "77777ll", "0xfedcba9876543210ull"};

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
    static const char *const binary[] = {"+", "-",  "*", "/",  "%",  "&",  "|",  "^",  "==", "!=",
                                         "<", "<=", ">", ">=", "&&", "||", "==", "&&", "&"};
    static const char *const unary[] = {
        "-", "~", "!", "(char)", "(unsigned short)", "(long long)", "(unsigned int)"};
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
        fail_msg("%s: %s: asked %u times, not %u", how, text, f->asked, want->held + want->failed);
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

/* ---- pages that move ---- */

#define TABLES 0x400000u /* four levels, a page each */
#define MOVING 0x2000000u
#define FRAME  0x500000u /* and the next page */

static void write_word(struct fixture *f, uint64_t phys, uint64_t v)
{
    assert_int_equal(debugger_write(f->d, 0, true, phys, &v, 8, NULL), 8);
}

/* The first 16 MiB are where they were; one page is at MOVING. Present, writable, accessed, dirty;
 * large (SDM vol. 3A 4.5). */
static void make_tables(struct fixture *f)
{
    struct error err = {""};
    uint64_t cr3[4] = {TABLES};

    write_word(f, TABLES, (TABLES + 0x1000) | 0x23);
    write_word(f, TABLES + 0x1000, (TABLES + 0x2000) | 0x23);
    for (unsigned n = 0; n < 8; n++)
        write_word(f, TABLES + 0x2000 + 8 * n, (uint64_t)n << 21 | 0xe3);
    write_word(f, TABLES + 0x2000 + 8 * (MOVING >> 21), (TABLES + 0x3000) | 0x23);
    write_word(f, TABLES + 0x3000, FRAME | 0x63);
    write_word(f, FRAME, 111);
    write_word(f, FRAME + 0x1000, 222);
    assert_true(debugger_set_register(f->d, 0, cpu_register_find("cr3"), cr3, &err));
}

static void moving_page(bool jit)
{
    static const uint8_t code[] = {
        0x48, 0x31, 0x07, /* xor [rdi], rax: the page's entry */
        0x0f, 0x01, 0x3e, /* invlpg [rsi] */
        0x90,             /* nop: here */
        0xff, 0xc9,       /* dec ecx */
        0x75, 0xf5,       /* jnz */
        0xeb, 0xfe,       /* jmp $ */
    };
    static const struct program program = {"loops-64", code, sizeof(code), 6, CODE64, {NULL}};
    struct fixture *f = fixture_new(&program, jit);
    struct expr *e = expr_parse(f->d, 0, "*(int *)0x2000000 == 222", NULL);
    struct breakpoint_condition c = expr_condition(e);

    make_tables(f);
    f->first[R_RDI] = TABLES + 0x3000;
    f->first[R_RAX] = 0x1000;
    f->first[R_RSI] = MOVING;
    f->e = e;
    run_loop(f, &c.when);
    assert_int_equal(f->held, ROUNDS / 2);
    assert_int_equal(f->asked, ROUNDS / 2);
    assert_int_equal(f->failed, 0);
    /* Where there is no page nothing can be said, and that is not remembered. */
    write_word(f, TABLES + 0x3000, FRAME);
    f->first[R_RAX] = 1;
    run_loop(f, &c.when);
    assert_int_equal(f->held, 0);
    assert_int_equal(f->failed, ROUNDS / 2);
    c.free(c.opaque);
    fixture_free(f);
}

static void test_moving_page_interpreted(void **state)
{
    (void)state;
    moving_page(false);
}

static void test_moving_page_translated(void **state)
{
    (void)state;
#ifdef __x86_64__
    moving_page(true);
#endif
}

/* ---- what programs must not be ---- */

#define ONE                                                                                        \
    {                                                                                              \
        .op = PROBE_CONST, .size = 8                                                               \
    }

static void test_unsound(void **state)
{
    static const struct {
        unsigned n;
        struct probe_insn insns[4];
    } rows[] = {
        {0, {ONE}},
        {1, {{.op = PROBE_ADD, .size = 8}}},
        {2, {ONE, {.op = PROBE_DROP, .size = 8}}},
        {2, {ONE, {.op = PROBE_ADD, .size = 8}}},
        {2, {ONE, {.op = PROBE_EXTEND, .size = 3}}},
        {2, {ONE, {.op = PROBE_NUM_OPS, .size = 8}}},
        {2, {ONE, {.op = PROBE_PICK, .size = 8, .value = 1}}},
        {2, {ONE, {.op = PROBE_PICK, .size = 8, .value = 1ull << 32}}},
        {2, {ONE, {.op = PROBE_JUMP, .size = 8, .to = 1}}},
        {2, {ONE, {.op = PROBE_JUMP, .size = 8, .to = 3}}},
        {1, {{.op = PROBE_REGISTER, .size = 8, .reg = R_RIP}}},
        {1, {{.op = PROBE_BASE, .size = 8, .reg = 6}}},
        {3, {ONE, {.op = PROBE_JUMP_ZERO, .size = 8, .to = 3}, ONE}}, /* not as deep both ways */
    };
    struct probe_program p = {0};

    (void)state;
    for (unsigned n = 0; n < ARRAY_SIZE(rows); n++) {
        p.n = rows[n].n;
        memcpy(p.insns, rows[n].insns, sizeof(rows[n].insns));
        if (probe_program_is_sound(&p))
            fail_msg("row %u is sound", n);
    }
    p.n = 0;
    for (unsigned n = 0; n < PROBE_PROGRAM_MAX + 5; n++) {
        if (n == PROBE_DEPTH_MAX)
            assert_true(probe_program_is_sound(&p));
        probe_program_const(&p, n);
        if (n == PROBE_DEPTH_MAX)
            assert_false(probe_program_is_sound(&p));
    }
    assert_int_equal(p.n, PROBE_PROGRAM_MAX + 1);
    assert_false(probe_program_is_sound(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsound),
        cmocka_unit_test(test_moving_page_interpreted),
        cmocka_unit_test(test_moving_page_translated),
        cmocka_unit_test(test_random_32),
        cmocka_unit_test(test_random_64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
