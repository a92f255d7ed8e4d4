/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Linux and Multiboot loaders, with well-formed, hostile and truncated images. A real kernel is
 * tried too when CALQUE_TEST_KERNEL names one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machines/load_linux.h"
#include "machines/load_multiboot.h"
#include "tests/unit/loader.h"

#define RAM       (64u << 20)
#define FILE_SIZE 0x3000u

static int setup(void **state)
{
    return loader_setup(state, RAM, FILE_SIZE);
}

static void make_kernel(struct loader_bench *b)
{
    memset(b->file, 0, FILE_SIZE);
    make_bzimage(b->file, FILE_SIZE, 0x1000000);
    memcpy(b->file + BZIMAGE_PAYLOAD, "payload", 7);
}

static bool load(struct loader_bench *b, const struct boot_image *initrd, const char *cmdline)
{
    struct linux_request rq = {.kernel = &b->image, .initrd = initrd, .cmdline = cmdline};

    b->err.text[0] = 0;
    return linux_load(&rq, &b->bm, &b->state, &b->err);
}

/* Refused, with one line of text. */
static void assert_refused(struct loader_bench *b)
{
    assert_false(load(b, NULL, NULL));
    assert_true(strlen(b->err.text) > 10);
    assert_null(strchr(b->err.text, '\n'));
}

static void test_64_bit(void **state)
{
    struct loader_bench *b = *state;
    uint8_t initrd_bytes[] = "initrd";
    struct boot_image initrd = {"initrd", initrd_bytes, sizeof(initrd_bytes)};
    const uint8_t *ram = b->m.arena.host, *bp = ram + LINUX_BOOT_PARAMS;

    make_kernel(b);
    assert_true(load(b, &initrd, "console=ttyS0"));
    assert_int_equal(b->state.mode, BOOT_LONG64);
    assert_int_equal(b->state.rip, 0x1000200);
    assert_int_equal(b->state.rsi, LINUX_BOOT_PARAMS);
    assert_memory_equal(ram + 0x1000000, "payload", 7);
    assert_memory_equal(bp + 0x202, "HdrS", 4);
    assert_int_equal(get_le64(bp + 0x70), 0xe0000);
    assert_int_equal(bp[0x1e8], 1);
    assert_int_equal(get_le64(bp + 0x2d0 + 8), RAM);
    assert_string_equal(ram + get_le32(bp + 0x228), "console=ttyS0");
    assert_int_equal(get_le32(bp + 0x218), RAM - 0x1000);
    assert_int_equal(get_le32(bp + 0x21c), sizeof(initrd_bytes));
    assert_string_equal(ram + get_le32(bp + 0x218), "initrd");
    assert_int_equal(get_le64(ram + b->state.cr3), (b->state.cr3 + 0x1000) | 3);
    assert_int_equal(get_le64(ram + b->state.cr3 + 0x5ff8), 0xffe00083);
}

/* The file's own pointers do not reach the kernel; random bytes do, since protocol 2.09. */
static void test_setup_data(void **state)
{
    struct loader_bench *b = *state;
    uint8_t seed[LINUX_SEED_SIZE];
    struct linux_request rq = {.kernel = &b->image, .rng_seed = seed};
    const uint8_t *ram = b->m.arena.host, *bp = ram + LINUX_BOOT_PARAMS;

    memset(seed, 0x5a, sizeof(seed));
    make_kernel(b);
    memset(b->file + 0x250, 0xff, 8);
    memset(b->file + 0x218, 0xff, 8);
    assert_true(load(b, NULL, NULL));
    assert_int_equal(get_le64(bp + 0x250), 0);
    assert_int_equal(get_le64(bp + 0x218), 0);
    assert_true(linux_load(&rq, &b->bm, &b->state, &b->err));
    assert_int_equal(get_le64(bp + 0x250), LINUX_SETUP_DATA);
    assert_int_equal(get_le64(ram + LINUX_SETUP_DATA), 0);
    assert_int_equal(get_le32(ram + LINUX_SETUP_DATA + 8), 9);
    assert_int_equal(get_le32(ram + LINUX_SETUP_DATA + 12), LINUX_SEED_SIZE);
    assert_memory_equal(ram + LINUX_SETUP_DATA + 16, seed, LINUX_SEED_SIZE);
    rq.force_32bit = true;
    put_le16(b->file + 0x206, 0x208);
    assert_true(linux_load(&rq, &b->bm, &b->state, &b->err));
    assert_int_equal(b->state.mode, BOOT_PROT32);
}

static void test_32_bit(void **state)
{
    struct loader_bench *b = *state;

    make_kernel(b);
    put_le16(b->file + 0x236, 0);
    assert_true(load(b, NULL, NULL));
    assert_int_equal(b->state.mode, BOOT_PROT32);
    assert_int_equal(b->state.rip, 0x1000000);
    make_kernel(b);
    put_le16(b->file + 0x206, 0x200); /* oldest: loads at 1 MiB, old command line */
    assert_true(load(b, NULL, "x"));
    assert_int_equal(b->state.rip, 0x100000);
    assert_int_equal(get_le16(b->m.arena.host + LINUX_BOOT_PARAMS + 0x20), 0xa33f);
}

static void test_relocation(void **state)
{
    struct loader_bench *b = *state;

    make_kernel(b);
    b->bm.low_ram = 8 << 20; /* less than the preferred address */
    assert_true(load(b, NULL, NULL));
    assert_int_equal(b->state.rip, 0x200200);
    b->file[0x234] = 0;
    assert_refused(b);
    b->bm.low_ram = 1 << 20;
    assert_refused(b);
}

static void test_hostile_header(void **state)
{
    struct loader_bench *b = *state;

    make_kernel(b);
    put_le32(b->file + 0x260, 0xffffffff); /* init_size */
    assert_refused(b);
    make_kernel(b);
    put_le32(b->file + 0x1f4, 0x0fffffff); /* syssize */
    assert_refused(b);
    make_kernel(b);
    b->file[0x1f1] = 255; /* setup_sects past the end */
    assert_refused(b);
    make_kernel(b);
    b->file[0x211] = 0; /* zImage */
    assert_refused(b);
    make_kernel(b);
    put_le64(b->file + 0x258, UINT64_MAX); /* pref_address */
    put_le32(b->file + 0x230, 0xffffffff); /* alignment */
    assert_true(load(b, NULL, NULL));
    assert_int_equal(b->state.rip, 0x100200);
    b->file[0x201] = 0xff; /* a header longer than its room */
    assert_true(load(b, NULL, NULL));
    assert_int_equal(b->m.arena.host[LINUX_BOOT_PARAMS + 0x1e8], 1);
    put_le32(b->file + 0x230, 0x80000000); /* alignment */
    assert_refused(b);
}

static void test_cmdline_and_initrd_limits(void **state)
{
    struct loader_bench *b = *state;
    static uint8_t bytes[RAM];
    struct boot_image initrd = {"initrd", bytes, RAM};
    char cmdline[4096];

    make_kernel(b);
    memset(cmdline, 'x', sizeof(cmdline));
    cmdline[2048] = 0;
    assert_false(load(b, NULL, cmdline));
    cmdline[2047] = 0;
    assert_true(load(b, NULL, cmdline));
    assert_false(load(b, &initrd, NULL));
    initrd.size = RAM - 0x1100000; /* fits exactly behind the kernel */
    assert_true(load(b, &initrd, NULL));
    initrd.size++;
    assert_false(load(b, &initrd, NULL));
    initrd.size = 0x1000;
    put_le32(b->file + 0x22c, 0x1fff); /* initrd_addr_max below the kernel */
    assert_false(load(b, &initrd, NULL));
}

/* Every length of file. */
static void test_truncated(void **state)
{
    struct loader_bench *b = *state;

    make_kernel(b);
    for (size_t size = 0; size < FILE_SIZE; size += size < 0x300 ? 1 : 97) {
        loader_cut(b, size);
        if (size + 16 < FILE_SIZE)
            assert_refused(b);
        multiboot_probe(&b->image);
        free(b->image.data);
    }
}

static void test_real_kernel(void **state)
{
    struct loader_bench *b = *state;
    const char *path = getenv("CALQUE_TEST_KERNEL");

    if (!path) {
        puts(
            "skip: test_real_kernel: CALQUE_TEST_KERNEL names no kernel (no network, none cached)");
        skip();
    }
    assert_true(boot_image_read(&b->image, path, RAM, &b->err));
    assert_true(load(b, NULL, "console=ttyS0"));
    boot_image_free(&b->image);
}

/* ---- Multiboot ---- */

static bool mb_load(struct loader_bench *b, unsigned nmodules, const struct boot_module *modules)
{
    struct multiboot_request rq = {
        .kernel = &b->image, .cmdline = "kernel x", .modules = modules, .nmodules = nmodules};

    b->err.text[0] = 0;
    return multiboot_load(&rq, &b->bm, &b->state, &b->err);
}

/* ELF32, one segment: file 0x1000..0x1100 to 1 MiB, linked at 0xc0100000. */
static void make_multiboot(struct loader_bench *b)
{
    static const struct test_segment s = {1, 0x1000, 0xc0100000, 0x100000, 0x100, 0x2000};

    memset(b->file, 0, FILE_SIZE);
    make_elf(b->file, false, 0xc0100010, 1);
    put_elf_segment(b->file, 0, &s);
    put_multiboot_header(b->file + 0x1000, 3);
}

static void test_multiboot_elf(void **state)
{
    struct loader_bench *b = *state;
    uint8_t bytes[] = "module";
    struct boot_image image = {"module", bytes, sizeof(bytes)};
    struct boot_module module = {&image, "module arg"};
    const uint8_t *ram = b->m.arena.host, *mbi, *mod;

    make_multiboot(b);
    assert_true(multiboot_probe(&b->image));
    assert_true(mb_load(b, 1, &module));
    assert_int_equal(b->state.mode, BOOT_PROT32);
    assert_int_equal(b->state.rip, 0x100010);
    assert_int_equal(b->state.rax, 0x2badb002);
    mbi = ram + b->state.rbx;
    assert_string_equal(ram + get_le32(mbi + 16), "kernel x");
    assert_int_equal(get_le32(mbi + 20), 1);
    mod = ram + get_le32(mbi + 24);
    assert_int_equal(get_le32(mod), 0x102000);
    assert_string_equal(ram + get_le32(mod), "module");
    assert_string_equal(ram + get_le32(mod + 8), "module arg");
    assert_int_equal(get_le32(mbi + 44), 24);
    assert_int_equal(get_le64(ram + get_le32(mbi + 48) + 12), RAM);
    assert_int_equal(get_le64(ram + b->state.gdt_base + 0x10), 0x00cf9b000000ffff);
}

static void test_multiboot_hostile(void **state)
{
    struct loader_bench *b = *state;
    uint8_t *ph;

    make_multiboot(b);
    ph = elf_segment_header(b->file, 0);
    put_le32(ph + 12, 0xa0000); /* the hole */
    assert_false(mb_load(b, 0, NULL));
    make_multiboot(b);
    put_le32(ph + 20, 0xffffffff); /* p_memsz */
    assert_false(mb_load(b, 0, NULL));
    make_multiboot(b);
    put_le32(ph + 4, 0xffffff00); /* p_offset */
    assert_false(mb_load(b, 0, NULL));
    make_multiboot(b);
    put_le32(ph + 16, 0x3000); /* p_filesz > p_memsz */
    assert_false(mb_load(b, 0, NULL));
    make_multiboot(b);
    put_le32(b->file + 28, 0xfffffff0); /* e_phoff */
    assert_false(mb_load(b, 0, NULL));
    make_multiboot(b);
    put_multiboot_header(b->file + 0x1000, 0x13); /* an unknown requirement */
    assert_false(mb_load(b, 0, NULL));
    make_multiboot(b);
    b->bm.low_ram = 0x103000; /* room for the kernel, none for the information */
    assert_false(mb_load(b, 0, NULL));
}

static void test_multiboot_kludge(void **state)
{
    struct loader_bench *b = *state;
    uint8_t *h = b->file + 0x10;

    memset(b->file, 0x90, FILE_SIZE);
    put_multiboot_header(h, 0x10000);
    put_le32(h + 12, 0x100010);
    put_le32(h + 16, 0x100000);
    put_le32(h + 20, 0);
    put_le32(h + 24, 0x105000);
    put_le32(h + 28, 0x100040);
    assert_true(mb_load(b, 0, NULL));
    assert_int_equal(b->state.rip, 0x100040);
    assert_int_equal(b->m.arena.host[0x100000], 0x90);
    assert_true(b->state.rbx >= 0x105000);
    put_le32(h + 16, 0x0ffff0); /* starts before the file */
    assert_false(mb_load(b, 0, NULL));
    put_le32(h + 16, 0x200000); /* behind its own header */
    assert_false(mb_load(b, 0, NULL));
    put_le32(h + 16, 0x100000);
    put_le32(h + 20, 0x200000); /* more than the file has */
    assert_false(mb_load(b, 0, NULL));
    put_le32(h + 20, 0x1000);
    assert_false(mb_load(b, 0, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_64_bit, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_setup_data, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_32_bit, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_relocation, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_hostile_header, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_cmdline_and_initrd_limits, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_real_kernel, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_multiboot_elf, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_multiboot_hostile, setup, loader_teardown),
        cmocka_unit_test_setup_teardown(test_multiboot_kludge, setup, loader_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
