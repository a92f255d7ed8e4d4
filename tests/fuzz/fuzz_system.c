/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segments, gates, tasks, exceptions: descriptor tables and task states with any bytes, and a
 * program of the instructions that look at them. */
#include "tests/fuzz/guest.h"

/* Program text by number: what a generator of bytes alone seldom finds. */
static const struct {
    uint8_t len, bytes[4];
} pieces[] = {
    {1, {0xcf}},             /* iret */
    {1, {0xcb}},             /* retf */
    {2, {0xca, 4}},          /* retf imm16 */
    {1, {0x9a}},             /* call far */
    {1, {0xea}},             /* jmp far */
    {2, {0xff, 0x1c}},       /* call far [] */
    {2, {0xff, 0x2c}},       /* jmp far [] */
    {1, {0xcd}},             /* int */
    {1, {0xcc}},             /* int3 */
    {2, {0x8e, 0xd0}},       /* mov ss, ax */
    {2, {0x8e, 0xd8}},       /* mov ds, ax */
    {1, {0x17}},             /* pop ss */
    {3, {0x0f, 0x00, 0xd0}}, /* lldt ax */
    {3, {0x0f, 0x00, 0xd8}}, /* ltr ax */
    {3, {0x0f, 0x02, 0xc0}}, /* lar */
    {3, {0x0f, 0x00, 0xe0}}, /* verr ax */
    {2, {0x0f, 0x05}},       /* syscall */
    {2, {0x0f, 0x07}},       /* sysret */
    {2, {0x0f, 0x34}},       /* sysenter */
    {2, {0x0f, 0x35}},       /* sysexit */
    {2, {0x0f, 0x30}},       /* wrmsr */
    {3, {0x0f, 0x22, 0xc0}}, /* mov cr0, rax */
    {3, {0x0f, 0x22, 0xe0}}, /* mov cr4, rax */
    {3, {0x0f, 0x22, 0xd8}}, /* mov cr3, rax */
    {3, {0x0f, 0x23, 0xf8}}, /* mov dr7, rax */
    {3, {0x0f, 0x01, 0x10}}, /* lgdt [] */
    {3, {0x0f, 0x01, 0x18}}, /* lidt [] */
    {1, {0xb8}},             /* mov eax, imm */
    {1, {0x68}},             /* push imm */
    {1, {0x9d}},             /* popf */
    {2, {0x48, 0xcf}},       /* iretq */
    {2, {0x0f, 0xaa}},       /* rsm */
};
#define NUM_PIECES (sizeof(pieces) / sizeof(pieces[0]))

/* Bytes of the input: below 20h a piece, otherwise themselves, less 20h. */
static size_t make_program(struct fuzz_input *in, uint8_t *out, size_t max)
{
    size_t n = 0;

    while (in->left && n + 4 <= max) {
        uint8_t b = fuzz_u8(in);

        if (b >= NUM_PIECES) {
            out[n++] = b == 0xff ? fuzz_u8(in) : b - NUM_PIECES;
            continue;
        }
        for (unsigned k = 0; k < pieces[b].len; k++)
            out[n++] = pieces[b].bytes[k];
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size}, program;
    struct guest *g = guest_get();
    uint8_t how = fuzz_u8(&in), code[512];

    guest_set_mode(g, &in);
    guest_set_registers(g, &in);
    guest_patch(g, &in, 24);
    program.data = code;
    program.left = make_program(&in, code, sizeof(code));
    guest_set_code(g, &program);
    if ((how & 0xf0) == 0xf0)
        guest_run_twice(g, 100);
    else
        guest_run(g, 100);
    return 0;
}
