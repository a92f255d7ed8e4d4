/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bzImage loader: any file, and a good one with changes. */
#include "machines/load_linux.h"

#include <string.h>

#include "base/error.h"
#include "tests/common/loading.h"
#include "tests/fuzz/image.h"

#define FILE_SIZE 0x3000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_SIZE];
    static const uint8_t seed[LINUX_SEED_SIZE];
    struct fuzz_input in = {data, size};
    struct image_bench b;
    struct boot_state state = {.mode = BOOT_RESET};
    struct error err = {""};
    uint8_t how = fuzz_u8(&in);

    if (!file[0x1f1])
        make_bzimage(file, FILE_SIZE, 0x400000);
    image_bench_init(&b, &in, file, sizeof(file));
    struct linux_request rq = {.kernel = &b.kernel,
                               .initrd = b.nmodules ? &b.modules[0] : NULL,
                               .cmdline = b.cmdline,
                               .vga_text = how & 1,
                               .force_32bit = how & 2,
                               .rng_seed = how & 4 ? seed : NULL};
    if (!linux_probe(&b.kernel) || !linux_load(&rq, &b.bm, &state, &err))
        fuzz_check(!strchr(err.text, '\n'));
    else
        fuzz_check(state.mode == BOOT_LONG64 || state.mode == BOOT_PROT32);
    image_bench_end(&b);
    return 0;
}
