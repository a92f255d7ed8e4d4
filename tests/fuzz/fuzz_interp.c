/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The interpreter: any bytes as a program, in any mode, with any registers. */
#include "tests/fuzz/guest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct guest *g = guest_get();
    uint8_t how = fuzz_u8(&in);

    guest_set_mode(g, &in);
    guest_set_registers(g, &in);
    guest_set_code(g, &in);
    if ((how & 0xf0) == 0xf0)
        guest_run_twice(g, 200);
    else
        guest_run(g, 200);
    return 0;
}
