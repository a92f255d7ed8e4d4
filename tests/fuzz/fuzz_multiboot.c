/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Multiboot loader: any file; an ELF kernel and one with load addresses, with changes. */
#include "machines/load_multiboot.h"

#include <string.h>

#include "base/error.h"
#include "tests/common/loading.h"
#include "tests/fuzz/image.h"

#define FILE_SIZE 0x2000u

/* ELF32, two segments: file 0x1000-0x1100 to 1 MiB and behind. */
static void make_kernel(uint8_t e[FILE_SIZE])
{
    make_elf(e, false, 0xc0100010, 2);
    for (unsigned n = 0; n < 2; n++) {
        uint32_t to = 0x100000 + 0x3000 * n;
        const struct test_segment s = {1, 0x1000, 0xc0000000 + to, to, 0x100, 0x2000};

        put_elf_segment(e, n, &s);
    }
    put_multiboot_header(e + 0x1000, 3);
}

static void make_kludge(uint8_t h[FILE_SIZE])
{
    put_multiboot_header(h, 0x10003);
    put_le32(h + 12, 0x100000);
    put_le32(h + 16, 0x100000);
    put_le32(h + 20, 0);
    put_le32(h + 24, 0x105000);
    put_le32(h + 28, 0x100040);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t files[2][FILE_SIZE];
    struct fuzz_input in = {data, size};
    struct image_bench b;
    struct boot_state state = {.mode = BOOT_RESET};
    struct error err = {""};
    uint8_t how = fuzz_u8(&in);

    if (!files[0][0]) {
        make_kernel(files[0]);
        make_kludge(files[1]);
    }
    image_bench_init(&b, &in, files[how & 1], FILE_SIZE);
    struct multiboot_request rq = {
        .kernel = &b.kernel, .cmdline = b.cmdline, .modules = b.module, .nmodules = b.nmodules};
    multiboot2_probe(&b.kernel);
    if (!multiboot_probe(&b.kernel) || !multiboot_load(&rq, &b.bm, &state, &err))
        fuzz_check(!strchr(err.text, '\n'));
    else
        fuzz_check(state.mode == BOOT_PROT32);
    image_bench_end(&b);
    return 0;
}
