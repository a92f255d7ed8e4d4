/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page walker: tables with any bytes, and loads and stores at any address. */
#include <string.h>

#include "cpu/x86/mem.h"
#include "tests/fuzz/guest.h"

/* Entries that point at other tables, at themselves, at nothing, with any bits. */
static void patch_entry(struct guest *g, struct fuzz_input *in)
{
    uint16_t what = fuzz_u16(in);
    uint32_t at = GUEST_PML4 + (what & 0xfff) * 8 % 0x7000;
    uint64_t entry = fuzz_number(in);

    if (what & 0x8000)
        entry = (entry & ~0x7f000ull) | (uint64_t)(fuzz_u8(in) & 0x3f) << 12 | 1;
    if (what & 0x4000)
        st_le32(g->m.arena.host + (at | (what & 0x1000 ? 4 : 0)), (uint32_t)entry);
    else
        st_le64(g->m.arena.host + at, entry);
}

/* mov rax, imm; a load or a store there; as many as the input has. */
static size_t make_accesses(struct guest *g, struct fuzz_input *in, uint8_t *out, size_t max)
{
    static const uint8_t access[8][3] = {{0x8b, 0x08}, {0x89, 0x08},       {0x86, 0x08},
                                         {0xff, 0x20}, {0x0f, 0x01, 0x38}, {0xff, 0x30},
                                         {0x8f, 0x00}, {0x0f, 0x22, 0xd8}};
    bool wide = g->mode == GUEST_LONG;
    size_t n = 0;

    while (in->left && n + 16 <= max) {
        uint8_t how = fuzz_u8(in);
        uint64_t address = how & 0x80 ? fuzz_number(in) : fuzz_u32(in);
        const uint8_t *a = access[how & 7];

        if (wide)
            out[n++] = 0x48;
        out[n++] = 0xb8;
        st_le64(out + n, address);
        n += wide ? 8 : 4;
        memcpy(out + n, a, 3);
        n += a[0] == 0x0f ? 3 : 2;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size}, program;
    struct guest *g = guest_get();
    uint8_t code[1024];

    guest_set_mode(g, &in);
    guest_set_registers(g, &in);
    for (unsigned n = fuzz_u8(&in) % 32; n && in.left; n--)
        patch_entry(g, &in);
    program.data = code;
    program.left = make_accesses(g, &in, code, sizeof(code));
    guest_set_code(g, &program);
    guest_run(g, 100);
    return 0;
}
