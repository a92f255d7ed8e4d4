/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Symbols and lines of ELF files in the forms they have, of maps, and of a kernel's own tables in
 * memory; what is not such a file or table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/error.h"
#include "config.h"
#include "cpu/x86/cpu.h"
#include "debugger/kallsyms.h"
#include "debugger/symbols_internal.h"
#include "tests/common/kallsyms_image.h"
#include "tests/unit/debug_guest.h"

/* A guest of one CPU with linear memory at an address. */
struct fake {
    struct cpu *cpu;
    uint8_t *memory;
    uint64_t at, size;
    uint64_t resets;
    unsigned reads;
};
static struct fake fake; /* reads know their CPU only */

static size_t fake_read(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len)
{
    (void)cpu, (void)physical;
    fake.reads++;
    if (addr - fake.at >= fake.size)
        return 0;
    if (len > fake.size - (addr - fake.at))
        len = fake.size - (addr - fake.at);
    memcpy(buf, fake.memory + (addr - fake.at), len);
    return len;
}

static struct cpu *fake_cpu(void *opaque, unsigned index)
{
    (void)opaque;
    return index ? NULL : fake.cpu;
}

static uint64_t fake_resets(void *opaque)
{
    (void)opaque;
    return fake.resets;
}

static int setup(void **state)
{
    const struct guest_view view = {.read = fake_read, .cpu = fake_cpu, .resets = fake_resets};

    fake = (struct fake){.cpu = calloc(1, sizeof(struct cpu))};
    assert_non_null(fake.cpu);
    *state = symbols_new_view(NULL, &view);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    symbols_free(*state);
    free(fake.memory);
    free(fake.cpu);
    return 0;
}

static void load(struct symbols *s, const char *name, uint64_t slide)
{
    struct error err = {""};
    char path[512];

    debug_file(path, sizeof(path), name);
    if (!symbols_load(s, path, NULL, slide, &err))
        fail_msg("%s", err.text);
}

/* ---- ELF ---- */

static void check_lines(struct symbols *s, uint64_t slide)
{
    struct symbol stop, thing, symbol;
    struct source_place place;
    uint64_t addr;
    char text[64];
    unsigned line = debug_guest_line("LINE_STOP");

    assert_true(symbol_find(s, "stop", &stop) && stop.function && stop.size);
    assert_true(symbol_find(s, "thing", &thing) && !thing.function);
    assert_true(stop.start >= slide + 0x100000 && stop.start < slide + 0x110000);
    assert_true(symbol_at(s, stop.start + stop.size - 1, &symbol));
    assert_string_equal(symbol.name, "stop");
    assert_true(symbol_text(s, stop.start + 1, text, sizeof(text)));
    assert_string_equal(text, "stop+0x1");
    assert_true(symbol_text(s, stop.start, text, sizeof(text)));
    assert_string_equal(text, "stop");
    assert_false(symbol_text(s, slide + 0x90000, text, sizeof(text)));
    assert_true(symbols_line_find(s, "symbols.c", line, &addr));
    assert_true(addr >= stop.start && addr < stop.start + stop.size);
    assert_true(symbols_line_find(s, "guest/symbols.c", line, &addr));
    assert_false(symbols_line_find(s, "uest/symbols.c", line, &addr));
    assert_false(symbols_line_find(s, "symbols.c", 9999, &addr));
    assert_true(symbols_line_at(s, addr, &place));
    assert_int_equal(place.line, line);
    assert_true(place.start <= addr && addr <= place.last && place.last < stop.start + stop.size);
    assert_non_null(strstr(place.file, "tests/debugger/guest/symbols.c"));
    assert_false(symbols_line_at(s, slide + 0x90000, &place));
    addr = symbols_after_prologue(s, stop.start);
    assert_true(addr > stop.start && addr < stop.start + stop.size);
}

static void test_elf(void **state)
{
    static const char *const names[] = {"symbols-32-4.elf", "symbols-32-5.elf", "symbols-64-4.elf",
                                        "symbols-64-5.elf", "compressed.elf",   "linked.elf"};
    struct symbols *s = *state;

    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 2 * ARRAY_SIZE(names); n++) {
        uint64_t slide = n & 1 ? 0x2000000 : 0, before = symbols_generation(s);

        load(s, names[n / 2], slide);
        assert_true(symbols_generation(s) != before);
        check_lines(s, slide);
        symbols_unload(s, names[n / 2]);
        assert_null(s->files);
    }
}

static bool count_names(void *opaque, const char *name)
{
    assert_memory_equal(name, "sto", 3);
    ++*(unsigned *)opaque;
    return true;
}

static void test_names(void **state)
{
    struct symbols *s = *state;
    struct symbol a, b;
    struct source_place place;
    unsigned n = 0;

    if (!CONFIG_DW)
        skip();
    load(s, "symbols-64-4.elf", 0);
    load(s, "symbols-64-5.elf", 0x1000000);
    symbol_complete(s, "sto", count_names, &n);
    assert_int_equal(n, 4); /* stop, stopped; twice */
    assert_true(symbol_find(s, "symbols-64-5.elf`stop", &b));
    assert_true(symbol_find(s, "symbols-64-4.elf`stop", &a));
    assert_true(b.start > 0x1000000 && a.start < 0x1000000);
    assert_string_equal(b.module, "symbols-64-5.elf");
    assert_false(symbol_find(s, "sto", &a));
    symbols_substitute_path(s, "tests/debugger", "/src");
    assert_true(symbols_line_at(s, symbols_after_prologue(s, b.start), &place));
    if (place.file[0] == '/' && strncmp(place.file, "/src", 4) != 0) /* compiled by its full name */
        assert_non_null(strstr(place.file, "tests/debugger/guest"));
    else
        assert_string_equal(place.file, "/src/guest/symbols.c");
}

/* Modules: sections where they are put, one behind the other. */
static void test_relocatable(void **state)
{
    static const struct {
        const char *name;
        uint64_t at;
    } rows[] = {{"module-64.ko", 0xffffffffc0200000}, {"module-32.ko", 0xf8000000}};
    struct symbols *s = *state;

    if (!CONFIG_DW)
        skip();
    for (unsigned n = 0; n < 2; n++) {
        struct symbol main, stop, thing;
        struct source_place place;
        uint64_t addr;

        load(s, rows[n].name, rows[n].at);
        assert_true(symbol_find(s, "guest_main", &main) && symbol_find(s, "stop", &stop) &&
                    symbol_find(s, "thing", &thing));
        assert_true(stop.start >= rows[n].at && stop.start < rows[n].at + 0x1000);
        assert_true(thing.start >= rows[n].at + 0x1000 && thing.start < rows[n].at + 0x10000);
        assert_true(symbols_line_find(s, "symbols.c", debug_guest_line("LINE_STOP"), &addr));
        assert_true(addr >= stop.start && addr < stop.start + stop.size);
        assert_true(symbols_line_at(s, stop.start, &place));
        symbols_unload(s, NULL);
    }
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void refused(struct symbols *s, bool map, const char *path, const char *why)
{
    struct error err = {""};

    assert_false(map ? symbols_load_map(s, path, 0, &err) : symbols_load(s, path, NULL, 0, &err));
    if (!strstr(err.text, path) || !strstr(err.text, why) || strchr(err.text, '\n'))
        fail_msg("%s: %s", path, err.text);
    assert_null(s->files);
}

static void test_bad_files(void **state)
{
    struct symbols *s = *state;
    char path[] = "/tmp/test_symbols.XXXXXX";
    int fd = mkstemp(path);
    uint8_t elf[64] = "\177ELF\2\1\1";

    assert_true(fd >= 0);
    close(fd);
    refused(s, true, path, "no symbols");
    write_file(path, "hello\n", 6);
    refused(s, true, path, ":1: not a line");
    write_file(path, "ffffffff81000000 T _text\nzzz T bad\n", 35);
    refused(s, true, path, ":2: not a line");
    if (CONFIG_DW) {
        refused(s, false, path, "not an ELF file");
        elf[16] = 2;
        elf[18] = 0xb7;
        write_file(path, elf, sizeof(elf));
        refused(s, false, path, "another processor");
        refused(s, false, "/nonexistent/file", "No such file");
    } else {
        refused(s, false, path, "without libdw");
    }
    unlink(path);
}

/* ---- maps ---- */

static void test_maps(void **state)
{
    static const char map[] = "# a comment\n"
                              "ffffffff81000000 T _text\n"
                              "ffffffff81000100 t second\r\n"
                              "0x00001000 A number\n"
                              "third ffffffff81000200\n"
                              "ffffffff81000300 fourth\n";
    struct symbols *s = *state;
    struct error err = {""};
    struct symbol symbol;
    char path[] = "/tmp/test_symbols.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    write_file(path, map, sizeof(map) - 1);
    if (!symbols_load_map(s, path, 0x1000000, &err))
        fail_msg("%s", err.text);
    unlink(path);
    assert_true(symbol_at(s, 0xffffffff820001ff, &symbol));
    assert_string_equal(symbol.name, "second");
    assert_true(symbol.function);
    assert_true(symbol_find(s, "number", &symbol) && symbol.start == 0x1000);
    assert_false(symbol_at(s, 0x1000, &symbol));
    assert_true(symbol_find(s, "third", &symbol) && symbol.size == 0x100);
    assert_true(symbol_at(s, 0xffffffff82000fff, &symbol)); /* the last, to its page's end */
    assert_false(symbol_at(s, 0xffffffff82001000, &symbol));
}

static void test_own_bios(void **state)
{
    struct symbols *s = *state;
    struct symbol symbol;

    assert_false(symbols_note_firmware(s, "roms/other.bin"));
    assert_false(symbols_note_firmware(s, "/nonexistent/bios.bin"));
    assert_true(symbols_note_firmware(s, "roms/bios.bin"));
    assert_true(symbol_at(s, 0xffff0, &symbol));
    assert_true(symbol_find(s, "int10_write_pixel", &symbol) && symbol.start >> 16 == 0xc);
}

/* ---- kallsyms ---- */

#define NUMBER 2600u

static const char *expected_name(unsigned n)
{
    static char name[64];

    kallsyms_image_name(n, name);
    return name + 1;
}

static void make_image(const struct kallsyms_image *k, size_t before)
{
    fake.size = 1 << 20;
    fake.memory = realloc(fake.memory, fake.size);
    assert_non_null(fake.memory);
    /* Noise around, zeros, and what begins like an index. */
    for (size_t n = 0; n < fake.size; n++)
        fake.memory[n] = n < before / 2 ? (uint8_t)(n * n >> 7) : 0;
    assert_true(kallsyms_image(k, fake.memory + before, fake.size - before) <
                fake.size - before - 4096);
}

static void check_kallsyms(struct symbols *s, const struct kallsyms_image *k)
{
    struct symbol symbol;

    for (unsigned n = 0; n < k->n; n++) {
        uint64_t addr = k->base + 16ull * n;

        if (!symbol_find(s, expected_name(n), &symbol))
            fail_msg("no symbol %u in layout %d", n, k->layout);
        assert_true(symbol.start == (k->percpu && n < 10 ? 16ull * n : addr));
        if (k->percpu && n < 10)
            continue;
        assert_true(symbol_at(s, addr + (n + 1 < k->n ? 15 : 0), &symbol));
        assert_string_equal(symbol.name, expected_name(n));
        assert_int_equal(symbol.function, n % 7 <= 1 || n % 7 == 6);
    }
}

static void running_kernel(uint64_t at, unsigned word)
{
    fake.at = at;
    fake.cpu->long_mode = word == 8;
    fake.cpu->cr0 = CR0_PE | CR0_PG;
    fake.cpu->idtr.base++; /* something has changed */
    fake.resets++;
}

static void test_kallsyms(void **state)
{
    struct symbols *s = *state;

    for (unsigned layout = 0; layout < KALLSYMS_LAYOUTS; layout++)
        for (unsigned word = 4; word <= 8; word += 4) {
            static const unsigned counts[] = {1, 255, 256, 257, NUMBER};

            for (unsigned n = 0; n < ARRAY_SIZE(counts); n++) {
                struct kallsyms_image k = {.layout = layout,
                                           .word = word,
                                           .percpu = word == 8 && layout != KALLSYMS_ADDRESSES &&
                                                     counts[n] > 200,
                                           .n = counts[n],
                                           .base = word == 8 ? 0xffffffff9a200000 : 0xc1000000};

                make_image(&k, 0x2348 + 8 * n);
                running_kernel(word == 8 ? 0xffffffff9b000000 : 0xc2000000, word);
                symbols_refresh(s, 0);
                check_kallsyms(s, &k);
            }
        }
}

/* A look at nothing is not made again until something changed. */
static void test_looks_once(void **state)
{
    struct symbols *s = *state;
    struct symbol symbol;
    unsigned reads;

    running_kernel(0, 8);
    symbols_refresh(s, 0);
    assert_false(symbol_find(s, "symbol_1", &symbol));
    reads = fake.reads;
    assert_int_not_equal(reads, 0);
    for (unsigned n = 0; n < 10; n++) {
        symbols_refresh(s, 0);
        assert_false(symbol_find(s, "symbol_1", &symbol));
    }
    assert_int_equal(fake.reads, reads);
    fake.cpu->lstar = 1;
    assert_false(symbol_find(s, "symbol_1", &symbol));
    assert_int_not_equal(fake.reads, reads);
}

/* After a reset it is gone. */
static void test_reset(void **state)
{
    struct kallsyms_image k = {
        .layout = KALLSYMS_SEQS, .word = 8, .n = NUMBER, .base = 0xffffffff81000000};
    struct symbols *s = *state;
    struct symbol symbol;
    uint64_t before;

    make_image(&k, 0x1000);
    running_kernel(0xffffffff82000000, 8);
    symbols_refresh(s, 0);
    assert_true(symbol_find(s, "symbol_1", &symbol));
    before = symbols_generation(s);
    fake.resets++;
    fake.cpu->cr0 = 0;
    fake.cpu->long_mode = false;
    symbols_refresh(s, 0);
    assert_true(symbols_generation(s) != before);
    assert_false(symbol_find(s, "symbol_1", &symbol));
}

struct span {
    const uint8_t *data;
    size_t size;
};

static size_t span_read(void *opaque, uint64_t addr, void *buf, size_t len)
{
    const struct span *s = opaque;

    if (addr >= s->size)
        return 0;
    len = len > s->size - addr ? s->size - addr : len;
    memcpy(buf, s->data + addr, len);
    return len;
}

/* Damage in any place: other symbols or none, but nothing is read or written that is not there. */
static void test_damaged(void **state)
{
    struct kallsyms_image k = {
        .layout = KALLSYMS_SEQS, .word = 8, .n = 600, .base = 0xffffffff81000000};
    static uint8_t whole[1 << 16], copy[1 << 16];
    size_t size = kallsyms_image(&k, whole, sizeof(whole));
    uint64_t random = 1;
    unsigned found = 0;

    (void)state;
    for (unsigned n = 0; n < 400; n++) {
        struct span span = {copy, size};
        struct kallsyms_memory m = {span_read, &span};
        struct symbol_table t = {0};

        memcpy(copy, whole, size);
        for (unsigned i = 0; i < 1 + n % 4; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            copy[(random >> 33) % size] = (uint8_t)(random >> 20);
        }
        if (n % 10 == 0)
            span.size = (random >> 33) % size;
        found += kallsyms_find(&m, 0, span.size, &t);
        symbol_table_free(&t);
    }
    assert_true(found > 0 && found < 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_elf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_relocatable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_bios, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kallsyms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_looks_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
