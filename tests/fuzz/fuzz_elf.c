/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ELF and PVH loader: any file, and kernels of both classes with changes. */
#include "machines/load_elf.h"

#include <string.h>

#include "base/error.h"
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

static void put_segment(uint8_t *ph, bool wide, uint32_t type, uint32_t at, uint32_t to)
{
    put_le32(ph, type);
    if (wide) {
        put_le64(ph + 8, at);
        put_le64(ph + 16, to);
        put_le64(ph + 24, to);
        put_le64(ph + 32, 0x100);
        put_le64(ph + 40, 0x1000);
    } else {
        put_le32(ph + 4, at);
        put_le32(ph + 8, to);
        put_le32(ph + 12, to);
        put_le32(ph + 16, 0x100);
        put_le32(ph + 20, 0x1000);
    }
}

static void make_elf(uint8_t e[FILE_SIZE], bool wide)
{
    const uint8_t ident[] = {0x7f, 'E', 'L', 'F', wide ? 2 : 1, 1, 1};
    uint8_t *ph = e + (wide ? 64 : 52);
    unsigned step = wide ? 56 : 32;

    memcpy(e, ident, sizeof(ident));
    put_le16(e + 16, 2);
    put_le16(e + 18, wide ? 62 : 3);
    put_le32(e + 24, 0x100010);
    put_le32(e + (wide ? 32 : 28), wide ? 64 : 52);
    put_le16(e + (wide ? 54 : 42), (uint16_t)step);
    put_le16(e + (wide ? 56 : 44), 3);
    put_segment(ph, wide, 1, 0x1000, 0x100000);
    put_segment(ph + step, wide, 1, 0x1100, 0x102000);
    put_segment(ph + 2 * step, wide, 4, NOTES, 0);
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
            make_elf(files[n], n);
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
