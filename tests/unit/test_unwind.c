/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of a guest program's stack: with frame pointers, and by DWARF's rules without; at each
 * instruction on the way to its innermost function; 16-bit code; stacks that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/error.h"
#include "config.h"
#include "cpu/x86/cpu.h"
#include "debugger/symbols_internal.h"
#include "tests/unit/debug_guest.h"

static const char *const variants[] = {"32-4", "32-5", "64-4", "64-5"};
static const char *const functions[] = {"stop", "deeper", "middle", "guest_main"};

/* The functions from `first` of the list on, then what started them. */
static void check_frames(struct debug_guest *g, unsigned first, bool exact)
{
    struct frame frames[16];
    unsigned n = symbols_backtrace(g->s, 0, frames, 16);
    struct symbol symbol;

    assert_true(n > 4 - first);
    for (unsigned k = first; k < 4; k++) {
        const struct frame *f = &frames[k - first];

        assert_true(symbol_at(g->s, f->pc, &symbol));
        if (strcmp(symbol.name, functions[k]) != 0)
            fail_msg("frame %u is %s, not %s", k - first, symbol.name, functions[k]);
        if (f->exact != (exact || k == first))
            fail_msg("frame %u (0x%llx) of 0x%llx: exact %d", k - first, (unsigned long long)f->pc,
                     (unsigned long long)frames[0].pc, f->exact);
        assert_false(f->interrupted);
        if (k > first)
            assert_true(f->sp > f[-1].sp && f->sp == f[-1].cfa);
    }
}

static void step(struct debug_guest *g)
{
    machine_cont(&g->pc.m);
    machine_unlock(&g->pc.m);
    machine_run_inline(&g->pc.m, 1);
    machine_lock(&g->pc.m);
}

/* From the call of deeper() to the return of stop(), which it calls: wherever it stands. */
static void walk(struct debug_guest *g, bool exact)
{
    struct symbol stop, deeper;
    bool was_in_stop = false;

    assert_true(symbol_find(g->s, "stop", &stop) && symbol_find(g->s, "deeper", &deeper));
    for (unsigned n = 0; n < 100; n++) {
        uint64_t pc = debugger_pc(debug_guest_cpu(g));
        bool in_stop = pc - stop.start < stop.size, in_deeper = pc - deeper.start < deeper.size;

        if (in_stop)
            check_frames(g, 0, exact);
        else if (in_deeper)
            check_frames(g, 1, exact);
        if (was_in_stop && !in_stop)
            return;
        was_in_stop = in_stop;
        step(g);
    }
    fail_msg("stop() does not return");
}

static void test_each_instruction(void **state)
{
    (void)state;
    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 4; n++) {
        struct debug_guest *g = debug_guest_new(variants[n], "deeper");

        walk(g, true);
        debug_guest_free(g);
    }
}

/* Without rules, by frame pointers; symbols are of a map. */
static void test_frame_pointers(void **state)
{
    (void)state;
    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 4; n += 2) {
        struct debug_guest *g = debug_guest_new(variants[n], "stop");
        struct symbol_file *map = symbol_file_new(SYMBOLS_MAP, "map", NULL);

        for (unsigned k = 0; k < 4; k++) {
            struct symbol symbol;

            assert_true(symbol_find(g->s, functions[k], &symbol));
            symbol_table_add(&map->table, functions[k], symbol.start, symbol.size, SYMBOL_FUNCTION);
        }
        assert_true(symbol_table_seal(&map->table));
        symbols_unload(g->s, NULL);
        symbols_add_file(g->s, map);
        check_frames(g, 0, false); /* before PUSH rBP */
        step(g);
        check_frames(g, 0, false); /* behind it */
        step(g);
        check_frames(g, 0, false); /* behind MOV rBP, rSP */
        debug_guest_free(g);
    }
}

/* Nonsense in registers and on the stack ends the list. */
static void test_no_stack(void **state)
{
    struct debug_guest *g;
    struct frame frames[8];
    struct cpu *cpu;

    (void)state;
    if (!CONFIG_DW)
        skip();
    g = debug_guest_new("64-4", "stop");
    cpu = debug_guest_cpu(g);
    assert_int_equal(symbols_backtrace(g->s, 0, frames, 3), 3);
    assert_int_equal(symbols_backtrace(g->s, 0, frames, 1), 1);
    assert_int_equal(symbols_backtrace(g->s, 1, frames, 8), 0);
    cpu->r[R_RSP] = 0xdeadbeefdeadbeef;
    assert_int_equal(symbols_backtrace(g->s, 0, frames, 8), 1);
    cpu->r[R_RIP] = 0x700000;
    cpu->r[R_RSP] = cpu->r[R_RBP] = 0x600000;
    assert_int_equal(symbols_backtrace(g->s, 0, frames, 8), 1);
    debug_guest_free(g);
}

/* ---- 16 bits ---- */

static uint8_t memory[1 << 20];
static struct cpu *fake;

static size_t fake_read(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len)
{
    (void)cpu, (void)physical;
    if (addr >= sizeof(memory) || len > sizeof(memory) - addr)
        return 0;
    memcpy(buf, memory + addr, len);
    return len;
}

static struct cpu *fake_cpu(void *opaque, unsigned index)
{
    (void)opaque, (void)index;
    return fake;
}

/* A near call, within a far one, within an interrupt. */
static void test_real_mode(void **state)
{
    const struct guest_view view = {.read = fake_read, .cpu = fake_cpu};
    struct symbols *s = symbols_new_view(NULL, &view);
    struct frame frames[8];

    (void)state;
    fake = calloc(1, sizeof(*fake));
    fake->real_or_v86 = true;
    fake->code_mode = CODE16;
    fake->seg[SEG_CS] = (struct segment){.base = 0x10000, .sel = 0x1000};
    fake->seg[SEG_SS] = (struct segment){.base = 0x20000, .sel = 0x2000};
    fake->r[R_RIP] = 0x123;
    fake->r[R_RSP] = 0xff00;
    fake->r[R_RBP] = 0xff10;
    memory[0x10200 - 3] = 0xe8; /* call near */
    memcpy(memory + 0x2ff10, "\x20\xff\x00\x02", 4);
    memory[0x30300 - 5] = 0x9a; /* call far */
    memcpy(memory + 0x2ff20, "\x30\xff\x00\x03\x00\x30", 6);
    memcpy(memory + 0x40400 - 2, "\xcd\x13", 2); /* int 13h */
    memcpy(memory + 0x2ff30, "\x00\x00\x00\x04\x00\x40\x02\x00", 8);
    assert_int_equal(symbols_backtrace(s, 0, frames, 8), 4);
    assert_int_equal(frames[0].pc, 0x10123);
    assert_int_equal(frames[1].pc, 0x10200);
    assert_int_equal(frames[1].sp, 0xff14);
    assert_int_equal(frames[2].pc, 0x30300);
    assert_int_equal(frames[2].sp, 0xff26);
    assert_int_equal(frames[3].pc, 0x40400);
    assert_int_equal(frames[3].sp, 0xff38);
    symbols_free(s);
    free(fake);
}

/* ---- Linux' tables ---- */

#define ORC_TEXT    0x8000
#define ORC_IPS     0x20000
#define ORC_ENTRIES 0x20100
#define ORC_BANNER  0x20200

/* A function that has its return address 8 bytes above its stack pointer, and its caller, the
 * outermost: `call` and `end` are the bits behind the registers. */
static void place_tables(const char *banner, unsigned call, unsigned end)
{
    static const uint32_t places[] = {ORC_TEXT, 0x8200, 0x8300};
    const uint8_t entries[3][6] = {
        {16, 0, 0, 0, 5, (uint8_t)call}, /* rsp + 16 */
        {0, 0, 0, 0, 0, (uint8_t)end},
        {0, 0, 0, 0, 0, 0},
    };

    memset(memory, 0, sizeof(memory));
    for (uint32_t n = 0; n < 3; n++) {
        uint32_t relative = places[n] - (ORC_IPS + 4 * n);

        memcpy(memory + ORC_IPS + 4 * n, &relative, 4);
    }
    memcpy(memory + ORC_ENTRIES, entries, sizeof(entries));
    memcpy(memory + ORC_BANNER, banner, strlen(banner));
    memcpy(memory + 0x9008, "\x50\x82", 2);
}

static struct symbols *linux_symbols(void)
{
    static const struct {
        const char *name;
        uint64_t addr;
    } rows[] = {{"_text", ORC_TEXT},
                {"_end", 0x10000},
                {"linux_banner", ORC_BANNER},
                {"__start_orc_unwind_ip", ORC_IPS},
                {"__stop_orc_unwind_ip", ORC_IPS + 12},
                {"__start_orc_unwind", ORC_ENTRIES}};
    const struct guest_view view = {.read = fake_read, .cpu = fake_cpu};
    struct symbols *s = symbols_new_view(NULL, &view);
    struct symbol_file *f = symbol_file_new(SYMBOLS_KALLSYMS, "kernel", NULL);

    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
        assert_true(symbol_table_add(&f->table, rows[n].name, rows[n].addr, 0, 0));
    assert_true(symbol_table_seal(&f->table));
    symbols_add_file(s, f);
    s->kernel->kallsyms = f;
    s->kernel->slide_known = true;
    return s;
}

/* The bits moved in 6.3 and 6.4; signal is set where there is such a bit. */
static void test_orc_layouts(void **state)
{
    static const struct {
        const char *banner;
        unsigned call, end;
        bool known;
    } rows[] = {
        {"Linux version 4.19.0", 0, 4, true},  {"Linux version 6.2.16", 0, 4, true},
        {"Linux version 6.3.1", 4, 8, true},   {"Linux version 6.4.0", 2 | 8, 1, true},
        {"Linux version 6.12.57", 2, 1, true}, {"Linux version 6.13.0", 2, 1, false},
        {"Linux version 7.0.0", 2, 1, false},
    };
    struct frame frames[8];

    (void)state;
    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct symbols *s;
        unsigned version[2] = {0};

        fake = calloc(1, sizeof(*fake));
        fake->long_mode = true;
        fake->code_mode = CODE64;
        fake->r[R_RIP] = 0x8100;
        fake->r[R_RSP] = 0x9000;
        place_tables(rows[n].banner, rows[n].call, rows[n].end);
        s = linux_symbols();
        assert_int_equal(symbols_backtrace(s, 0, frames, 8), rows[n].known ? 2 : 1);
        assert_int_equal(symbols_orc_refused(s, 0, version), !rows[n].known);
        if (rows[n].known) {
            assert_int_equal(frames[0].cfa, 0x9010);
            assert_int_equal(frames[1].pc, 0x8250);
            assert_true(frames[1].exact);
        } else {
            assert_true(version[0] * 100 + version[1] > 612);
        }
        symbols_free(s);
        free(fake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_instruction), cmocka_unit_test(test_frame_pointers),
        cmocka_unit_test(test_no_stack),         cmocka_unit_test(test_real_mode),
        cmocka_unit_test(test_orc_layouts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
