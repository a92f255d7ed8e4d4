/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C expressions over a guest program's variables, types and registers; without optimization in
 * DWARF 4, and optimized in DWARF 5; 32 and 64 bits. */
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
#include "cpu/x86/cpu.h"
#include "debugger/expr.h"
#include "debugger/expr_internal.h"
#include "tests/unit/debug_guest.h"

static const char *const variants[] = {"32-4", "32-5", "64-4", "64-5"};

/* ---- with no symbols: numbers ---- */

static uint8_t memory[0x10000];
static struct cpu *fake;

static size_t fake_read(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len)
{
    (void)cpu;
    if (physical)
        addr += 0x8000;
    if (addr >= sizeof(memory))
        return 0;
    if (len > sizeof(memory) - addr)
        len = sizeof(memory) - addr;
    memcpy(buf, memory + addr, len);
    return len;
}

static struct cpu *fake_cpu(void *opaque, unsigned index)
{
    (void)opaque;
    return index ? NULL : fake;
}

static struct symbols *fake_symbols(void)
{
    const struct guest_view view = {.read = fake_read, .cpu = fake_cpu};
    struct symbols *s = symbols_new_view(NULL, &view);

    fake = calloc(1, sizeof(*fake));
    assert_non_null(fake);
    assert_non_null(s);
    fake->long_mode = true;
    fake->code_mode = CODE64;
    fake->r[R_RAX] = 0xffffffffffffff85;
    fake->r[R_RIP] = 0x1000;
    return s;
}

static void fake_done(struct symbols *s)
{
    symbols_free(s);
    free(fake);
}

static uint64_t number(struct symbols *s, const char *text)
{
    struct error err = {""};
    struct expr *e = expr_parse_view(s, 0, 0, text, &err);
    uint64_t v = 0;

    if (!e)
        fail_msg("%s", err.text);
    if (!expr_integer(e, NULL, s->guest.cpu(s->guest.opaque, 0), &v, &err))
        fail_msg("%s: %s", text, err.text);
    expr_free(e);
    return v;
}

static void test_arithmetic(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } rows[] = {
        {"1 + 2 * 3 - 4", 3},
        {"(1 + 2) * 3", 9},
        {"7 / 2 * 2 + 7 % 2", 7},
        {"-7 / 2", -3},
        {"-7 % 3", -1},
        {"1 << 4 | 3 ^ 1 & 7", 18},
        {"~0", -1},
        {"!5 + !0", 1},
        {"5 > 3 == 1", 1},
        {"1 ? 2 : 3 ? 4 : 5", 2},
        {"0 ? 2 : 0 ? 4 : 5", 5},
        {"0 && 1 / 0", 0},
        {"1 || 1 / 0", 1},
        {"2 && 3", 1},
        {"0 || 0", 0},
        {"0xffffffff + 1", 0},          /* unsigned int wraps */
        {"4294967295 + 1", 4294967296}, /* decimal: long */
        {"-1 < 0u", 0},                 /* C's conversions */
        {"-1 < 0l", 1},
        {"0x80000000 >> 31", 1},
        {"-8 >> 1", -4},
        {"1ull << 63 >> 63", 1},
        {"1 << 40", 0},
        {"0b101 + 010 + '\\n' + '\\x41'", 5 + 8 + 10 + 65},
        {"(char)0x1ff", -1},
        {"(unsigned char)-1", 255},
        {"(short)0x18000", -32768},
        {"(_Bool)256", 1},
        {"sizeof(long) + sizeof(int*) + sizeof(u16)", 18},
        {"sizeof(char[3][4])", 12},
        {"sizeof 1ull + sizeof(1 + 'a')", 12},
        {"(int)(1.5 + 2.5 * 2)", 6},
        {"1.5 < 2", 1},
        {"(int)-1e3", -1000},
        {"(1 ? 1 : 2.5) == 1.0", 1},
        {"$rax == -0x7b", 1},
        {"$al", 0x85},
        {"$eax", (int32_t)0xffffff85},
        {"$ax & 0xff", 0x85},
        {"rax + 1", -0x7a},
        {"(long)$pc", 0x1000},
        {"(typeof(1ull))-1 > 0", 1},
        {"- - 1 + + 1", 2},
        {"(unsigned long)(int*)0 + 8 == (unsigned long)((int*)0 + 2)", 1},
        {"(int*)40 - (int*)20", 5},
        {"-9223372036854775807 - 1 == 1ull << 63", 1},
        {"(-9223372036854775807 - 1) / -1 < 0", 1},
    };
    struct symbols *s = fake_symbols();

    (void)state;
    for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
        if (number(s, rows[n].text) != (uint64_t)rows[n].value)
            fail_msg("%s = %lld", rows[n].text, (long long)number(s, rows[n].text));
    fake_done(s);
}

static void test_memory(void **state)
{
    struct symbols *s = fake_symbols();

    (void)state;
    memset(memory, 0, sizeof(memory));
    memcpy(memory + 0x100, "\x01\x02\x03\x84\x05\x06\x07\x08", 8);
    memcpy(memory + 0x8100, "\x11\x22\x33\x44", 4);
    memcpy(memory + 0x200, "calque\0x", 8);
    memcpy(memory + 0x300, "\0\0\xc0\x3f", 4);
    assert_int_equal(number(s, "*(unsigned char*)0x101"), 2);
    assert_true(number(s, "*(int*)0x100") == 0xffffffff84030201);
    assert_true(number(s, "*0x100") == 0x0807060584030201);
    assert_int_equal(number(s, "((unsigned short*)0x100)[2]"), 0x605);
    assert_int_equal(number(s, "*(u32*)phys:0x100"), 0x44332211);
    assert_int_equal(number(s, "*(u32*)(phys:0x100 + 0)"), 0x44332211);
    assert_int_equal(number(s, "(unsigned)p*0x100"), 0x44332211);
    assert_int_equal(number(s, "(char*)0x200 == \"calque\""), 1);
    assert_int_equal(number(s, "(char*)0x200 != \"calquer\""), 1);
    assert_int_equal(number(s, "(char*)0x200 == \"calq\""), 0);
    assert_int_equal(number(s, "*(float*)0x300 == 1.5"), 1);
    assert_int_equal(number(s, "*(float*)0x300 * 2"), 3);
    fake_done(s);
}

static void test_segments(void **state)
{
    struct symbols *s = fake_symbols();
    struct error err = {""};
    uint64_t lin;

    (void)state;
    fake->long_mode = false;
    fake->code_mode = CODE16;
    fake->real_or_v86 = true;
    fake->seg[SEG_DS].base = 0x400;
    fake->seg[SEG_CS].base = 0xf0000;
    fake->r[R_RSI] = 0x11;
    fake->r[R_RIP] = 0xfff0;
    assert_int_equal(number(s, "ds:si"), 0x411);
    assert_int_equal(number(s, "$cs:$ip"), 0xffff0);
    assert_int_equal(number(s, "0xf000:0xfff0"), 0xffff0);
    assert_int_equal(number(s, "*(u8*)(0x10:1) + (1 ? 2 : 3)"), 4);
    assert_true(expr_address_view(s, 0, "0x40:0x17", &lin, &err));
    assert_int_equal(lin, 0x417);
    /* Protected mode: by descriptor. */
    fake->real_or_v86 = false;
    fake->gdtr.base = 0x1000;
    fake->gdtr.limit = 0x17;
    memcpy(memory + 0x1010, "\xff\xff\x34\x12\x05\x92\xcf\x10", 8);
    assert_int_equal(number(s, "0x10:4"), 0x10051238);
    assert_false(expr_address_view(s, 0, "0x18:4", &lin, &err));
    fake_done(s);
}

static void test_registers(void **state)
{
    struct symbols *s = fake_symbols();

    (void)state;
    for (unsigned n = 0; n < 16; n++)
        fake->xmm[3].b[n] = (uint8_t)(n + 1);
    fake->xmm[4].d[1] = 0x40200000;
    assert_int_equal(number(s, "$xmm3.b[15]"), 16);
    assert_int_equal(number(s, "$xmm3.d[1]"), 0x08070605);
    assert_true(number(s, "$xmm3.q[1]") == 0x100f0e0d0c0b0a09);
    assert_int_equal(number(s, "$xmm4.ps[1] * 2"), 5);
    fake_done(s);
}

/* Each is refused in one line that says where. */
static void test_refused(void **state)
{
    static const char *const rows[] = {
        "",         "1 +",          "(1",     "1)",          "* *",     "nosuch",
        "$nosuch",  "1 = 2",        "0x",     "1x",          "'ab'",    "\"a\"",
        "a b",      "1 ? 2",        "sizeof", "(struct x)1", "1.5 & 1", "1.5 << 1",
        "&1",       "&$rax",        "$xmm0",  "$xmm0.d[4]",  "x->y",    "1[2]",
        "f(1)",     "*1.5",         "~1.5",   "\"abc",       "1 @ 2",   "99999999999999999999",
        "(void)1",  "$percpu(1)",   "`",      "\x01",        "(int",    "*(int*)0x100@0",
        "sizeof()", "(struct 5*)1",
    };
    struct symbols *s = fake_symbols();
    char deep[3000];

    (void)state;
    for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct error err = {""};

        if (expr_parse_view(s, 0, 0, rows[n], &err))
            fail_msg("%s is accepted", rows[n]);
        assert_true(err.text[0]);
        assert_null(strchr(err.text, '\n'));
    }
    memset(deep, '(', sizeof(deep));
    deep[sizeof(deep) - 1] = 0;
    assert_null(expr_parse_view(s, 0, 0, deep, NULL));
    memset(deep, '-', sizeof(deep) - 1);
    assert_null(expr_parse_view(s, 0, 0, deep, NULL));
    fake_done(s);
}

/* What can only be seen when it runs. */
static void test_fails_later(void **state)
{
    static const char *const rows[] = {"1 / 0", "1 % 0", "*(int*)0x20000", "*(long*)0xfffc", "5:0"};
    struct symbols *s = fake_symbols();

    (void)state;
    for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct error err = {""};
        struct expr *e = expr_parse_view(s, 0, 0, rows[n], &err);
        struct breakpoint_condition c;
        uint64_t v;

        if (!e)
            fail_msg("%s", err.text);
        assert_false(expr_integer(e, NULL, fake, &v, &err));
        assert_true(err.text[0]);
        c = expr_condition(e);
        assert_false(c.holds(c.opaque, NULL, fake));
        c.free(c.opaque);
    }
    fake_done(s);
}

/* ---- a program ---- */

static void collect(void *opaque, const char *text)
{
    char *all = opaque;
    size_t n = strlen(all);

    snprintf(all + n, 8192 - n, "%s%s", n ? "\n" : "", text);
}

static void check_print(struct debug_guest *g, const char *text, char format, const char *expected)
{
    struct error err = {""};
    struct expr *e = expr_parse(g->d, 0, text, &err);
    char all[8192] = "";

    if (!e)
        fail_msg("%s", err.text);
    if (!expr_print(e, g->d, debug_guest_cpu(g), format, collect, all, &err))
        fail_msg("%s: %s", text, err.text);
    expr_free(e);
    if (strcmp(all, expected) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", text, all, expected);
}

static const char whole[] = "{\n"
                            "  name = \"calque\",\n"
                            "  color = GREEN,\n"
                            "  flags = (FLAG_A | FLAG_C),\n"
                            "  low = 5,\n"
                            "  middle = 100,\n"
                            "  sign = -2,\n"
                            "  both = {\n"
                            "    number = 16909060,\n"
                            "    bytes = \"\\004\\003\\002\\001\"\n"
                            "  },\n"
                            "  {\n"
                            "    hidden = 77\n"
                            "  },\n"
                            "  pair = {{\n"
                            "      x = 1,\n"
                            "      y = 2\n"
                            "    }, {\n"
                            "      x = 3,\n"
                            "      y = 4\n"
                            "    }, {\n"
                            "      x = 5,\n"
                            "      y = 6\n"
                            "    }},\n";

static void check_values(struct debug_guest *g)
{
    struct error err = {""};
    struct expr *e;
    char all[8192] = "";

    check_print(g, "thing.name", 0, "\"calque\"");
    check_print(g, "thing.color", 0, "GREEN");
    check_print(g, "thing.color", 'd', "5");
    check_print(g, "thing.middle", 0, "100");
    check_print(g, "thing.middle", 'x', "0x64");
    check_print(g, "thing.sign", 0, "-2");
    check_print(g, "thing.hidden + 1", 0, "78");
    check_print(g, "thing.yes", 0, "true");
    check_print(g, "thing.f", 0, "1.5");
    check_print(g, "thing.d", 0, "-2.5");
    check_print(g, "thing.d * thing.f", 0, "-3.75");
    check_print(g, "thing.wide", 'x', "0x123456789abcdef");
    check_print(g, "thing.pair[1].y", 0, "4");
    check_print(g, "(&thing)->pair[2]", 0, "{\n  x = 5,\n  y = 6\n}");
    check_print(g, "thing.list->next->value", 0, "22");
    check_print(g, "((struct list *)thing.list)->value", 't', "1011");
    check_print(g, "*thing.list->next", 'x', "{\n  next = 0x0,\n  value = 0x16\n}");
    check_print(g, "thing.grid", 0, "{{1, 2, 3}, {4, 5, 6}}");
    check_print(g, "thing.grid[1]", 0, "{4, 5, 6}");
    check_print(g, "small", 0, "-5 '\\373'");
    check_print(g, "medium", 0, "65535");
    check_print(g, "zeros", 0, "{0 <repeats 39 times>, 1}");
    check_print(g, "zeros[37]@3", 0, "{0, 0, 1}");
    check_print(g, "sizeof(struct inner) + sizeof(inner_t) + sizeof(wide_t)", 0, "24");
    check_print(g, "sizeof(union both[5])", 0, "20");
    check_print(g, "BLUE", 0, "-3");
    check_print(g, "thing.color == GREEN && thing.flags & FLAG_C", 0, "1");
    check_print(g, "(enum color)0", 0, "RED");
    check_print(g, "thing.name == \"calque\"", 0, "1");
    check_print(g, "thing.name == \"calqu\"", 0, "0");
    check_print(g, "&thing.pair[1] - &thing.pair[0]", 0, "1");
    check_print(g, "(typeof(thing.pair[0].x))3.9", 0, "3");
    check_print(g, "thing.both.bytes[3]@1", 0, "\"\\001\"");
    e = expr_parse(g->d, 0, "thing", &err);
    assert_non_null(e);
    assert_true(expr_print(e, g->d, debug_guest_cpu(g), 0, collect, all, &err));
    expr_free(e);
    assert_memory_equal(all, whole, strlen(whole));
    assert_non_null(strstr(all, "<middle>"));
    assert_non_null(strstr(all, "\"a \\\"text\\\"\""));
}

static void test_values(void **state)
{
    (void)state;
    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 4; n++) {
        struct debug_guest *g = debug_guest_new(variants[n], "stop");

        check_values(g);
        debug_guest_free(g);
    }
}

/* Parameters and locals of the function that is to be left, at its body and at its call. */
static void check_locals(struct debug_guest *g, const char *variant)
{
    struct error err = {""};
    struct symbol deeper, stop;
    struct expr *e;
    uint64_t v;

    assert_true(symbol_find(g->s, "deeper", &deeper));
    assert_true(symbol_find(g->s, "stop", &stop));
    debug_guest_run(g, deeper.start);
    debug_guest_run(g, symbols_after_prologue(g->s, deeper.start));
    check_print(g, "n", 0, "8");
    check_print(g, "o->name", 0, "\"calque\"");
    check_print(g, "o == &thing", 0, "1");
    check_print(g, "n * 2 + o->pair[0].y", 0, "18");
    e = expr_parse(g->d, 0, "n == 8", &err);
    assert_non_null(e);
    assert_true(expr_integer(e, g->d, debug_guest_cpu(g), &v, &err) && v == 1);
    debug_guest_run(g, stop.start);
    if (variant[3] == '5') /* the location was good there only */
        assert_false(expr_integer(e, g->d, debug_guest_cpu(g), &v, &err));
    expr_free(e);
    debug_guest_run(g, symbols_after_prologue(g->s, stop.start));
    check_print(g, "*where", 0, "10");
    check_print(g, "where[1]", 0, "11");
    assert_null(expr_parse(g->d, 0, "local", &err)); /* the caller's */
}

/* In frame n what text is; NULL: refused. */
static void check_in_frame(struct debug_guest *g, unsigned n, const char *text,
                           const char *expected)
{
    struct frame frames[8];
    struct error err = {""};
    char all[4096] = "";
    struct expr *e;

    assert_true(symbols_backtrace(g->s, 0, frames, 8) > n);
    e = expr_parse_frame(g->s, 0, &frames[n], text, &err);
    if (!expected) {
        assert_true(!e || !expr_print(e, g->d, debug_guest_cpu(g), 0, collect, all, &err));
    } else {
        if (!e || !expr_print(e, g->d, debug_guest_cpu(g), 0, collect, all, &err))
            fail_msg("%s in frame %u: %s", text, n, err.text);
        if (strncmp(all, expected, strlen(expected)) != 0)
            fail_msg("%s in frame %u: %s, not %s", text, n, all, expected);
    }
    expr_free(e);
}

static void count_local(void *opaque, const char *name, bool parameter)
{
    unsigned *n = opaque;

    (void)name;
    n[parameter]++;
}

/* What callers had, while their callee works; what was booted says nothing of it. */
static void check_frames(struct debug_guest *g, const char *variant)
{
    struct frame frames[8];
    unsigned locals[2] = {0};
    struct error err = {""};
    struct symbol stop;

    symbols_unload(g->s, NULL);
    if (!symbols_load(g->s, g->kernel, "booted", 0, &err) ||
        !symbols_load(g->s, g->file, NULL, 0, &err))
        fail_msg("%s", err.text);
    assert_true(symbol_find(g->s, "stop", &stop));
    debug_guest_run(g, symbols_after_prologue(g->s, stop.start));
    assert_int_equal(symbols_backtrace(g->s, 0, frames, 3), 3);
    check_in_frame(g, 0, "*where", "10");
    check_in_frame(g, 1, "local", "24");
    check_in_frame(g, 1, "array", "{8, 9, 10, 11}");
    check_in_frame(g, 1, "o->name", "\"calque\"");
    check_in_frame(g, 1, "$rsp == $esp && $pc != 0", "1");
    check_in_frame(g, 1, "where", NULL); /* the callee's */
    check_in_frame(g, 2, "local", NULL);
    check_in_frame(g, 2, "o->pair[1].x", "3");
    check_in_frame(g, 2, "thing.pair[1].y", "4");
    if (variant[3] == '4') { /* not optimized: all are in memory */
        check_in_frame(g, 1, "n", "8");
        check_in_frame(g, 2, "n", "7");
    } else { /* nothing needs it any more: what was in rAX, too, is gone */
        check_in_frame(g, 1, "$rax", NULL);
    }
    assert_int_equal(frames[1].scope, frames[1].pc - 1);
    symbols_locals(g->s, frames[1].scope, count_local, locals);
    assert_int_equal(locals[false], 2);
    assert_int_equal(locals[true], 2);
}

static void test_frames(void **state)
{
    (void)state;
    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 4; n++) {
        struct debug_guest *g = debug_guest_new(variants[n], "stop");

        check_frames(g, variants[n]);
        debug_guest_free(g);
    }
}

static void test_locals(void **state)
{
    (void)state;
    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 4; n++) {
        struct debug_guest *g = debug_guest_new(variants[n], "guest_main");

        check_locals(g, variants[n]);
        debug_guest_free(g);
    }
}

static void assign(struct debug_guest *g, const char *place, const char *value)
{
    struct error err = {""};

    if (!expr_assign(g->d, 0, NULL, place, value, &err))
        fail_msg("%s = %s: %s", place, value, err.text);
}

static void test_assign(void **state)
{
    struct debug_guest *g;
    struct error err = {""};

    (void)state;
    if (!CONFIG_DW)
        skip();
    g = debug_guest_new("64-5", "stop");
    assign(g, "thing.pair[1].x", "-40");
    check_print(g, "thing.pair[1]", 0, "{\n  x = -40,\n  y = 4\n}");
    assign(g, "thing.middle", "3");
    check_print(g, "thing.middle", 0, "3");
    check_print(g, "thing.low", 0, "5");
    check_print(g, "thing.sign", 0, "-2");
    assign(g, "thing.f", "0.25");
    check_print(g, "thing.f", 0, "0.25");
    assign(g, "thing.d", "4");
    check_print(g, "thing.d", 0, "4");
    assign(g, "thing.color", "BLUE");
    check_print(g, "thing.color", 0, "BLUE");
    assign(g, "$rbx", "0x123456789a");
    check_print(g, "$rbx", 'x', "0x123456789a");
    assign(g, "$bl", "1");
    check_print(g, "$rbx", 'x', "0x1234567801");
    assign(g, "$xmm2.d[3]", "7");
    check_print(g, "$xmm2.q[1]", 'x', "0x700000000");
    assert_false(expr_assign(g->d, 0, NULL, "thing", "1", &err));
    assert_false(expr_assign(g->d, 0, NULL, "1", "1", &err));
    assert_false(expr_assign(g->d, 0, NULL, "thing.name", "1", &err));
    debug_guest_free(g);
}

static void test_addresses(void **state)
{
    struct debug_guest *g;
    struct error err = {""};
    uint64_t lin, at;
    char text[64];
    struct symbol s;

    (void)state;
    if (!CONFIG_DW)
        skip();
    g = debug_guest_new("64-4", "stop");
    assert_true(symbol_find(g->s, "thing", &s));
    assert_true(expr_address(g->d, 0, "thing", &lin, &err) && lin == s.start);
    assert_true(expr_address(g->d, 0, "thing.pair", &lin, &err) && lin > s.start);
    assert_true(expr_address(g->d, 0, "&thing + 1", &lin, &err) && lin == s.start + s.size);
    assert_true(expr_address(g->d, 0, "stop", &lin, &err) &&
                lin == debugger_pc(debug_guest_cpu(g)));
    assert_true(expr_address(g->d, 0, "$pc", &at, &err) && lin == at);
    assert_true(expr_address(g->d, 0, "stop + 4", &at, &err) && at == lin + 4);
    snprintf(text, sizeof(text), "symbols.c:%u", debug_guest_line("LINE_STOP"));
    assert_true(expr_address(g->d, 0, text, &at, &err));
    assert_true(symbol_at(g->s, at, &s) && strcmp(s.name, "stop") == 0);
    assert_false(expr_address(g->d, 0, "symbols.c:9999", &at, &err));
    assert_non_null(strstr(err.text, "symbols.c:9999"));
    assert_false(expr_address(g->d, 0, "nosuch.c:1", &at, &err));
    debug_guest_free(g);
}

/* An expression outlives the file that its types came from. */
static void test_file_goes(void **state)
{
    struct debug_guest *g;
    struct error err = {""};
    struct expr *e;
    char all[8192] = "";
    uint64_t v;

    (void)state;
    if (!CONFIG_DW)
        skip();
    g = debug_guest_new("64-5", "stop");
    e = expr_parse(g->d, 0, "thing.pair[1].x", &err);
    assert_non_null(e);
    symbols_unload(g->s, NULL);
    assert_true(expr_integer(e, g->d, debug_guest_cpu(g), &v, &err) && v == 3);
    assert_false(expr_print(e, g->d, debug_guest_cpu(g), 0, collect, all, &err));
    expr_free(e);
    debug_guest_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_segments),   cmocka_unit_test(test_registers),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_fails_later),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_locals),
        cmocka_unit_test(test_frames),     cmocka_unit_test(test_assign),
        cmocka_unit_test(test_addresses),  cmocka_unit_test(test_file_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
