/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ELF and PVH loader: any file, and kernels of both classes with changes. */
#include "machines/load_elf.h"

#include <string.h>

#include "base/error.h"
#include "tests/common/loading.h"
#include "tests/fuzz/image.h"

#define FILE_SIZE 0x1400u
#define NOTES     0x800u

/* A note that names an entry point, twice, in between one that says nothing. */
static void put_notes(uint8_t *p)
{
    for (unsigned n = 0; n < 3; n++, p += 20) {
        put_le32(p, 4);
        put_le32(p + 4, 4);
        put_le32(p + 8, n == 1 ? 5 : 18);
        memcpy(p + 12, "Xen", 4);
        put_le32(p + 16, 0x100020);
    }
}

static void make_kernel(uint8_t e[FILE_SIZE], bool wide)
{
    static const struct test_segment segments[] = {{1, 0x1000, 0x100000, 0x100000, 0x100, 0x1000},
                                                   {1, 0x1100, 0x102000, 0x102000, 0x100, 0x1000},
                                                   {4, NOTES, 0, 0, 0x100, 0x1000}};

    make_elf(e, wide, 0x100010, 3);
    for (unsigned n = 0; n < 3; n++)
        put_elf_segment(e, n, &segments[n]);
    put_notes(e + NOTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t files[2][FILE_SIZE];
    struct fuzz_input in = {data, size};
    struct image_bench b;
    struct boot_state state = {.mode = BOOT_RESET};
    struct error err = {""};
    uint8_t how = fuzz_u8(&in);

    if (!files[0][0])
        for (unsigned n = 0; n < 2; n++)
            make_kernel(files[n], n);
    image_bench_init(&b, &in, files[how & 1], FILE_SIZE);
    struct elf_request rq = {
        .kernel = &b.kernel, .cmdline = b.cmdline, .modules = b.module, .nmodules = b.nmodules};
    if (!elf_probe(&b.kernel) || !elf_load(&rq, &b.bm, &state, &err))
        fuzz_check(!strchr(err.text, '\n'));
    else
        fuzz_check(state.mode == BOOT_PROT32);
    image_bench_end(&b);
    return 0;
}
