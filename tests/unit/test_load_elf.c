/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF and PVH kernels, well-formed and hostile; gzip'ed images; Multiboot 2 headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "machines/gunzip.h"
#include "machines/load_elf.h"
#include "machines/load_multiboot.h"
#include "tests/unit/loader.h"
#if CONFIG_ZLIB
#include <zlib.h>
#endif

#define RAM       (16u << 20)
#define FILE_SIZE 0x2000u
#define NOTES     0x800u /* in the file */
#define CODE      0x1000u

static int setup(void **state)
{
    return loader_setup(state, RAM, FILE_SIZE);
}

static bool load(struct loader_bench *b, const char *cmdline, unsigned n,
                 const struct boot_module *modules)
{
    struct elf_request rq = {
        .kernel = &b->image, .cmdline = cmdline, .modules = modules, .nmodules = n};

    b->err.text[0] = 0;
    return elf_load(&rq, &b->bm, &b->state, &b->err);
}

/* Refused with one line that names the file. */
static void assert_refused(struct loader_bench *b, const char *why)
{
    assert_false(load(b, NULL, 0, NULL));
    assert_non_null(strstr(b->err.text, "kernel: "));
    assert_non_null(strstr(b->err.text, why));
    assert_null(strchr(b->err.text, '\n'));
}

/* Program header n, linked where kernels are. */
static void put_segment(struct loader_bench *b, unsigned n, uint32_t type, uint64_t at,
                        uint64_t paddr, uint64_t size, uint64_t memory)
{
    uint64_t kernel = b->file[4] == 2 ? 0xffffffff80000000 : 0xc0000000;
    const struct test_segment s = {type, at, kernel + paddr, paddr, size, memory};

    put_elf_segment(b->file, n, &s);
}

/* Two segments: the second program header is empty until a test fills it in. */
static void make_elf32(struct loader_bench *b)
{
    memset(b->file, 0, FILE_SIZE);
    make_elf(b->file, false, 0xc0100010, 2);
    put_segment(b, 0, 1, CODE, 0x100000, 0x100, 0x2000);
    memset(b->file + CODE, 0x90, 0x100);
}

static void make_elf64(struct loader_bench *b)
{
    memset(b->file, 0, FILE_SIZE);
    make_elf(b->file, true, 0xffffffff80200020, 2);
    put_segment(b, 0, 1, CODE, 0x200000, 0x100, 0x3000);
    memset(b->file + CODE, 0x90, 0x100);
}

/* Another note, whose name is longer, then Xen's. */
static void put_pvh_note(struct loader_bench *b, uint32_t entry)
{
    uint8_t *n = b->file + NOTES;

    put_segment(b, 1, 4, NOTES, 0, 20 + 20, 0);
    put_le32(n, 5);
    put_le32(n + 4, 0);
    put_le32(n + 8, 18);
    memcpy(n + 12, "Xena", 5);
    put_le32(n + 20, 4);
    put_le32(n + 24, 4);
    put_le32(n + 28, 18);
    memcpy(n + 32, "Xen", 4);
    put_le32(n + 36, entry);
}

static void test_plain(void **state)
{
    struct loader_bench *b = *state;
    const uint8_t *ram = b->m.arena.host;

    make_elf32(b);
    b->m.arena.host[0x101fff] = 1; /* bss is cleared */
    assert_true(load(b, NULL, 0, NULL));
    assert_int_equal(b->state.mode, BOOT_PROT32);
    assert_int_equal(b->state.rip, 0x100010);
    assert_int_equal(ram[0x1000ff], 0x90);
    assert_int_equal(ram[0x101fff], 0);
    assert_int_equal(get_le64(ram + b->state.gdt_base + b->state.cs), 0x00cf9b000000ffff);
    make_elf64(b);
    assert_true(load(b, NULL, 0, NULL));
    assert_int_equal(b->state.mode, BOOT_PROT32);
    assert_int_equal(b->state.rip, 0x200020);
    assert_true(b->state.gdt_base >= 0x203000);
    assert_int_equal(b->state.rbx, 0);
}

static void test_plain_takes_nothing(void **state)
{
    struct loader_bench *b = *state;
    uint8_t byte = 0;
    struct boot_image image = {"m", &byte, 1};
    struct boot_module module = {&image, "m"};

    make_elf32(b);
    assert_false(load(b, "x", 0, NULL));
    assert_non_null(strstr(b->err.text, "-append"));
    assert_false(load(b, NULL, 1, &module));
    assert_non_null(strstr(b->err.text, "-initrd"));
}

static void test_pvh(void **state)
{
    struct loader_bench *b = *state;
    const uint8_t *ram = b->m.arena.host, *info, *mod;
    uint8_t bytes[] = "initrd";
    struct boot_image image = {"m", bytes, sizeof(bytes)};
    struct boot_module module = {&image, "m arg"};

    make_elf64(b);
    put_pvh_note(b, 0x200040);
    assert_true(load(b, "console=ttyS0", 1, &module));
    assert_int_equal(b->state.rip, 0x200040);
    info = ram + b->state.rbx;
    assert_int_equal(get_le32(info), 0x336ec578);
    assert_int_equal(get_le32(info + 4), 1);
    assert_int_equal(get_le32(info + 12), 1);
    assert_string_equal(ram + get_le64(info + 24), "console=ttyS0");
    assert_int_equal(get_le64(info + 32), 0xe0000);
    assert_int_equal(get_le32(info + 48), 1);
    assert_int_equal(get_le64(ram + get_le64(info + 40) + 8), RAM);
    assert_int_equal(get_le32(ram + get_le64(info + 40) + 16), E820_RAM);
    mod = ram + get_le64(info + 16);
    assert_int_equal(get_le64(mod), 0x203000);
    assert_int_equal(get_le64(mod + 8), sizeof(bytes));
    assert_string_equal(ram + get_le64(mod), "initrd");
    assert_string_equal(ram + get_le64(mod + 16), "m arg");
}

static void test_pvh_hostile(void **state)
{
    struct loader_bench *b = *state;

    make_elf64(b);
    put_pvh_note(b, 0x203000); /* just behind what is loaded */
    assert_refused(b, "PVH entry");
    make_elf64(b);
    put_pvh_note(b, 0x200040);
    put_le32(b->file + NOTES + 20, 0xffffffff); /* a name without end: no such note */
    assert_true(load(b, NULL, 0, NULL));
    assert_int_equal(b->state.rip, 0x200020);
    put_pvh_note(b, 0x200040);
    put_le64(elf_segment_header(b->file, 1) + 32, 39); /* the last byte is outside of the notes */
    assert_true(load(b, NULL, 0, NULL));
    assert_int_equal(b->state.rip, 0x200020);
    put_le64(elf_segment_header(b->file, 1) + 8, UINT64_MAX - 8); /* notes outside of the file */
    assert_true(load(b, NULL, 0, NULL));
    assert_int_equal(b->state.rip, 0x200020);
}

static void test_hostile_header(void **state)
{
    struct loader_bench *b = *state;

    make_elf32(b);
    b->file[5] = 2; /* big endian */
    assert_refused(b, "little-endian");
    make_elf32(b);
    b->file[4] = 3; /* class */
    assert_refused(b, "little-endian");
    make_elf32(b);
    put_le16(b->file + 18, 40); /* ARM */
    assert_refused(b, "machine 40");
    make_elf32(b);
    put_le16(b->file + 16, 1); /* relocatable */
    assert_refused(b, "type 1");
    make_elf32(b);
    put_le16(b->file + 42, 31); /* e_phentsize */
    assert_refused(b, "31 bytes");
    make_elf64(b);
    put_le64(b->file + 32, UINT64_MAX - 60); /* e_phoff */
    assert_refused(b, "truncated");
    make_elf32(b);
    put_le16(b->file + 44, 0xffff); /* e_phnum */
    assert_refused(b, "truncated");
    make_elf32(b);
    put_le32(elf_segment_header(b->file, 0), 2); /* nothing to load */
    assert_refused(b, "anything to load");
    make_elf32(b);
    put_le32(b->file + 24, 0xc0103000); /* e_entry */
    assert_refused(b, "entry point");
}

static void test_hostile_segments(void **state)
{
    struct loader_bench *b = *state;

    make_elf32(b);
    put_segment(b, 1, 1, CODE, 0x101fff, 1, 1); /* the last byte of the first */
    assert_refused(b, "overlap");
    put_segment(b, 1, 1, CODE, 0x102000, 1, 1);
    assert_true(load(b, NULL, 0, NULL));
    put_segment(b, 1, 1, FILE_SIZE - 1, 0x102000, 2, 2);
    assert_refused(b, "truncated");
    put_segment(b, 1, 1, CODE, 0x102000, 2, 1); /* more in the file than in memory */
    assert_refused(b, "no use");
    put_segment(b, 1, 1, CODE, 0xa0000, 1, 1); /* the hole */
    assert_refused(b, "no RAM");
    put_segment(b, 1, 1, CODE, 0x9e000, 1, 0x2000); /* reaches the EBDA */
    assert_refused(b, "no RAM");
    make_elf64(b);
    put_segment(b, 1, 1, CODE, RAM, 1, 1);
    assert_refused(b, "no RAM");
    put_segment(b, 1, 1, CODE, UINT64_MAX, 1, 2);
    assert_refused(b, "no use");
    put_segment(b, 1, 1, CODE, 0x400000, 1, UINT64_MAX);
    assert_refused(b, "no use");
    put_segment(b, 1, 1, CODE, 0x400000, 1, RAM - 0x400000); /* no room for the GDT */
    assert_refused(b, "boot information");
}

/* Every length of file. */
static void test_truncated(void **state)
{
    struct loader_bench *b = *state;

    make_elf64(b);
    put_pvh_note(b, 0x200040);
    for (size_t size = 0; size < CODE + 0x100; size += size < 0x140 ? 1 : 13) {
        loader_cut(b, size);
        assert_false(load(b, NULL, 0, NULL));
        assert_null(strchr(b->err.text, '\n'));
        free(b->image.data);
    }
}

static void test_multiboot2(void **state)
{
    struct loader_bench *b = *state;
    uint8_t *h = b->file + 0x808;

    make_elf32(b);
    assert_false(multiboot2_probe(&b->image));
    put_le32(h, 0xe85250d6);
    put_le32(h + 8, 24);
    put_le32(h + 12, 0u - 0xe85250d6u - 24);
    assert_true(multiboot2_probe(&b->image));
    h[12]++;
    assert_false(multiboot2_probe(&b->image));
}

/* GNU Mach for x86-64: Multiboot 1 around an ELF64, entered by its physical address. */
static void test_multiboot_elf64(void **state)
{
    struct loader_bench *b = *state;
    struct multiboot_request rq = {.kernel = &b->image, .cmdline = "x"};

    make_elf64(b);
    put_multiboot_header(b->file + CODE, 3);
    assert_true(multiboot_probe(&b->image));
    assert_true(multiboot_load(&rq, &b->bm, &b->state, &b->err));
    assert_int_equal(b->state.mode, BOOT_PROT32);
    assert_int_equal(b->state.rip, 0x200020);
    assert_int_equal(b->state.rax, 0x2badb002);
    put_le64(b->file + 24, 0x100000000); /* nowhere that 32-bit code could be */
    assert_false(multiboot_load(&rq, &b->bm, &b->state, &b->err));
    assert_non_null(strstr(b->err.text, "above 4 GiB"));
}

#if CONFIG_ZLIB
/* Packs the file; returns an image of its own. */
static struct boot_image pack(struct loader_bench *b)
{
    struct boot_image packed = {.name = "packed", .data = malloc(2 * FILE_SIZE)};
    z_stream z = {.next_in = b->file,
                  .avail_in = FILE_SIZE,
                  .next_out = packed.data,
                  .avail_out = 2 * FILE_SIZE};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.size = z.total_out;
    deflateEnd(&z);
    return packed;
}

static void test_gunzip(void **state)
{
    struct loader_bench *b = *state;
    struct boot_image packed;

    make_elf32(b);
    packed = pack(b);
    assert_true(gzip_probe(&packed));
    assert_true(gunzip(&packed, FILE_SIZE, &b->err));
    assert_int_equal(packed.size, FILE_SIZE);
    assert_memory_equal(packed.data, b->file, FILE_SIZE);
    boot_image_free(&packed);
    packed = pack(b);
    assert_false(gunzip(&packed, FILE_SIZE - 1, &b->err)); /* more than there is room for */
    assert_non_null(strstr(b->err.text, "packed: unpacks to more"));
    packed.data[packed.size / 2] ^= 0x55;
    assert_false(gunzip(&packed, FILE_SIZE, &b->err));
    packed.data[packed.size / 2] ^= 0x55;
    for (size_t cut = packed.size - 1; cut > 2; cut--) {
        packed.size = cut;
        assert_false(gunzip(&packed, FILE_SIZE, &b->err));
        assert_null(strchr(b->err.text, '\n'));
    }
    boot_image_free(&packed);
}
#else
static void test_gunzip(void **state)
{
    struct loader_bench *b = *state;
    struct boot_image packed = {.name = "packed", .data = (uint8_t *)"\x1f\x8b\x08", .size = 3};

    assert_true(gzip_probe(&packed));
    assert_false(gunzip(&packed, FILE_SIZE, &b->err));
    assert_non_null(strstr(b->err.text, "zlib"));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_plain_takes_nothing, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_pvh, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_pvh_hostile, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_header, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_segments, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_multiboot2, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_multiboot_elf64, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_gunzip, setup, loader_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
