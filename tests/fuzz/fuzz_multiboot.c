/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Multiboot loader: any file; an ELF kernel and one with load addresses, with changes. */
#include "machines/load_multiboot.h"

#include <string.h>

#include "base/error.h"
#include "tests/fuzz/image.h"

#define FILE_SIZE 0x2000u

static void put_header(uint8_t *p, uint32_t flags)
{
    put_le32(p, 0x1badb002);
    put_le32(p + 4, flags);
    put_le32(p + 8, 0u - 0x1badb002u - flags);
}

/* ELF32, one segment: file 0x1000-0x1100 to 1 MiB. */
static void make_elf(uint8_t e[FILE_SIZE])
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 1, 1, 1};
    uint8_t *ph = e + 52;

    memcpy(e, ident, sizeof(ident));
    put_le16(e + 16, 2);
    put_le16(e + 18, 3);
    put_le32(e + 24, 0xc0100010);
    put_le32(e + 28, 52);
    put_le16(e + 42, 32);
    put_le16(e + 44, 2);
    for (unsigned n = 0; n < 2; n++, ph += 32) {
        put_le32(ph, 1);
        put_le32(ph + 4, 0x1000);
        put_le32(ph + 8, 0xc0100000 + 0x3000 * n);
        put_le32(ph + 12, 0x100000 + 0x3000 * n);
        put_le32(ph + 16, 0x100);
        put_le32(ph + 20, 0x2000);
    }
    put_header(e + 0x1000, 3);
}

static void make_kludge(uint8_t h[FILE_SIZE])
{
    put_header(h, 0x10003);
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
        make_elf(files[0]);
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
