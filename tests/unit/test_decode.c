/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder and its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "cpu/x86/ops.h"

/* The rows of an opcode stand together, or the decoder would miss some. */
static void test_rows_stand_together(void **state)
{
    (void)state;
    for (unsigned n = 1; n < num_encodings; n++) {
        const struct encoding *e = &encodings[n];
        if (encodings[n - 1].map == e->map && encodings[n - 1].opcode == e->opcode)
            continue;
        for (unsigned k = 0; k < n; k++)
            if (encodings[k].map == e->map && encodings[k].opcode == e->opcode)
                fail_msg("map %u opcode %02x has rows in two places", e->map, e->opcode);
    }
}

static void test_every_form_has_its_function(void **state)
{
    (void)state;
    for (unsigned op = 0; op < NUM_OPS; op++)
        if (!op_handlers[op])
            fail_msg("%s is not written", op_name(op));
}

struct example {
    const char *text;
    enum code_mode mode;
    uint8_t bytes[16], n;
    unsigned op;
    uint8_t reg, rm;
    int32_t disp;
    uint64_t imm;
};

#define BYTES(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})
static const struct example examples[] = {
    {"add eax, ecx", CODE64, BYTES(0x01, 0xc8), OP_add_rr32, R_RAX, R_RCX, 0, 0},
    {"add ecx, [rax+8]", CODE64, BYTES(0x03, 0x48, 0x08), OP_add_rm32, R_RCX, R_RAX, 8, 0},
    {"lock add [rax], r9", CODE64, BYTES(0xf0, 0x4c, 0x01, 0x08), OP_add_mr64, R_R9, R_RAX, 0, 0},
    {"mov ah, 5", CODE64, BYTES(0xb4, 0x05), OP_mov_ri8, 1, R_ZERO, 0, 5},
    {"mov spl, 5", CODE64, BYTES(0x40, 0xb4, 0x05), OP_mov_ri8, 32, R_ZERO, 0, 5},
    {"mov r8, imm64", CODE64, BYTES(0x49, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8), OP_mov_ri64, R_R8, R_ZERO,
     0, 0x0807060504030201},
    {"push -1", CODE64, BYTES(0x6a, 0xff), OP_push_imm_x, 0, R_ZERO, 0, ~0ull},
    {"shl rdx, 1", CODE64, BYTES(0x48, 0xd1, 0xe2), OP_shl_ri64, R_RDX, R_ZERO, 0, 1},
    {"shld [rsi], edx, cl", CODE64, BYTES(0x0f, 0xa5, 0x16), OP_shldc_mr32, R_RDX, R_RSI, 0, 0},
    {"mov ax, [bp+si-2]", CODE16, BYTES(0x8b, 0x42, 0xfe), OP_mov_rm16, R_RAX, R_RBP, -2, 0},
    {"jmp far 8:1234", CODE16, BYTES(0xea, 0x34, 0x12, 8, 0), OP_jmp_far_x, 0, R_ZERO, 0,
     0x800001234},
    {"pause", CODE64, BYTES(0xf3, 0x90), OP_pause_x, 0, R_ZERO, 0, 0},
    {"xchg r8, rax", CODE64, BYTES(0x49, 0x90), OP_xchg_rr64, R_R8, R_RAX, 0, 0},
    {"mov cr0, rdx; mod 0", CODE64, BYTES(0x0f, 0x22, 0x02), OP_mov_to_cr_x, 0, R_RDX, 0, 0},
    {"lds eax, [ecx]", CODE32, BYTES(0xc5, 0x01), OP_lds_x, R_RAX, R_RCX, 0, 0},
    {"les ax, [bx+di+1]", CODE16, BYTES(0xc4, 0x41, 1), OP_les_x, R_RAX, R_RBX, 1, 0},
    {"andn eax, ecx, edx", CODE32, BYTES(0xc4, 0xe2, 0x70, 0xf2, 0xc2), OP_andn_x, R_RAX, R_RDX, 0,
     0},
    {"rorx r9, [r10+8], 3", CODE64, BYTES(0xc4, 0x43, 0xfb, 0xf0, 0x4a, 8, 3), OP_rorx_x, R_R9,
     R_R10, 8, 3},
    {"pshufb mm1, mm2", CODE64, BYTES(0x0f, 0x38, 0x00, 0xca), OP_pshufb_mmx_x, 1, 2, 0, 0},
    {"pshufb xmm9, xmm2", CODE64, BYTES(0x66, 0x44, 0x0f, 0x38, 0x00, 0xca), OP_pshufb_x, 9, 2, 0,
     0},
    {"palignr xmm1, [rax], 3", CODE64, BYTES(0x66, 0x0f, 0x3a, 0x0f, 0x08, 3), OP_palignr_x, 1,
     R_RAX, 0, 3},
    {"pextrb esp, xmm1, 2", CODE64, BYTES(0x66, 0x0f, 0x3a, 0x14, 0xcc, 2), OP_pextrb_x, 1, R_RSP,
     0, 2},
    {"pinsrb xmm1, esp, 2", CODE64, BYTES(0x66, 0x0f, 0x3a, 0x20, 0xcc, 2), OP_pinsrb_x, 1, R_RSP,
     0, 2},
    {"sha1rnds4 xmm1, xmm2, 3", CODE32, BYTES(0x0f, 0x3a, 0xcc, 0xca, 3), OP_sha1rnds4_x, 1, 2, 0,
     3},
    {"aesimc xmm1, xmm2", CODE32, BYTES(0x66, 0x0f, 0x38, 0xdb, 0xca), OP_aesimc_x, 1, 2, 0, 0},
    {"crc32 ecx, dx", CODE64, BYTES(0x66, 0xf2, 0x0f, 0x38, 0xf1, 0xca), OP_crc32_x, R_RCX, R_RDX,
     0, 0},
    {"movbe [rdx], cx", CODE64, BYTES(0x66, 0x0f, 0x38, 0xf1, 0x0a), OP_movbe_store_x, R_RCX, R_RDX,
     0, 0},
    {"fdiv st(3), st", CODE64, BYTES(0xdc, 0xfb), OP_fdiv_sti_x, 0, 3, 0, 0x4fb},
    {"fld tword [r8]", CODE64, BYTES(0x41, 0xdb, 0x28), OP_fld_m80_x, 0, R_R8, 0, 0x328},
    {"clwb [rdx]", CODE64, BYTES(0x66, 0x0f, 0xae, 0x32), OP_clwb_x, 0, R_RDX, 0, 0},
    {"popcnt eax, ecx", CODE64, BYTES(0xf3, 0x0f, 0xb8, 0xc1), OP_popcnt_rr32, R_RAX, R_RCX, 0, 0},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(examples); n++) {
        const struct example *x = &examples[n];
        struct insn i;
        if (decode(x->bytes, x->n, x->mode, &i) != DECODE_OK)
            fail_msg("%s: does not decode", x->text);
        if (i.op != x->op || i.len != x->n || i.reg != x->reg || i.rm != x->rm ||
            i.disp != x->disp || i.imm != x->imm)
            fail_msg("%s: %s len %u reg %u rm %u disp %d imm %llx", x->text, op_name(i.op), i.len,
                     i.reg, i.rm, i.disp, (unsigned long long)i.imm);
        for (unsigned len = 0; len < x->n; len++)
            assert_int_equal(decode(x->bytes, len, x->mode, &i), DECODE_MORE);
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct insn i;
    uint8_t lock_load[] = {0xf0, 0x03, 0x08}, lock_reg[] = {0xf0, 0x01, 0xc8};
    uint8_t lea_reg[] = {0x8d, 0xc0}, push_es[] = {0x06}, prefixes[16];
    assert_int_equal(decode(lock_load, 3, CODE64, &i), DECODE_INVALID);
    assert_int_equal(decode(lock_reg, 3, CODE64, &i), DECODE_INVALID);
    assert_int_equal(decode(push_es, 1, CODE64, &i), DECODE_INVALID);
    assert_int_equal(decode(push_es, 1, CODE32, &i), DECODE_OK);
    assert_int_equal(decode(lea_reg, 2, CODE64, &i), DECODE_INVALID);
    memset(prefixes, 0x66, sizeof(prefixes));
    prefixes[15] = 0x90;
    assert_int_equal(decode(prefixes, 16, CODE64, &i), DECODE_TOO_LONG);
    assert_int_equal(decode(prefixes + 1, 15, CODE64, &i), DECODE_OK);
}

/* What makes a VEX prefix, or 62, an invalid opcode (SDM vol. 2A 2.3.2 to 2.3.8). */
static const struct {
    const char *why;
    enum code_mode mode;
    uint8_t bytes[8], n;
    enum decode_result result;
} vex_rules[] = {
    {"ANDN RAX, RCX, RDX", CODE64, BYTES(0xc4, 0xe2, 0xf0, 0xf2, 0xc2), DECODE_OK},
    {"FS and 67 may stand before VEX", CODE64, BYTES(0x64, 0x67, 0xc4, 0xe2, 0xf0, 0xf2, 0x02),
     DECODE_OK},
    {"66 before VEX", CODE64, BYTES(0x66, 0xc4, 0xe2, 0xf0, 0xf2, 0xc2), DECODE_INVALID},
    {"F2 before VEX", CODE64, BYTES(0xf2, 0xc4, 0xe2, 0xf0, 0xf2, 0xc2), DECODE_INVALID},
    {"F3 before VEX", CODE32, BYTES(0xf3, 0xc4, 0xe2, 0x70, 0xf2, 0xc2), DECODE_INVALID},
    {"LOCK before VEX", CODE64, BYTES(0xf0, 0xc4, 0xe2, 0xf0, 0xf2, 0x02), DECODE_INVALID},
    {"REX before VEX", CODE64, BYTES(0x48, 0xc4, 0xe2, 0xf0, 0xf2, 0xc2), DECODE_INVALID},
    {"a REX that is not last is none", CODE64, BYTES(0x48, 0x64, 0xc4, 0xe2, 0xf0, 0xf2, 0xc2),
     DECODE_OK},
    {"VEX.L = 1", CODE64, BYTES(0xc4, 0xe2, 0xf4, 0xf2, 0xc2), DECODE_INVALID},
    {"pp = 66", CODE64, BYTES(0xc4, 0xe2, 0xf1, 0xf2, 0xc2), DECODE_INVALID},
    {"map 0", CODE64, BYTES(0xc4, 0xe0, 0xf0, 0xf2, 0xc2), DECODE_INVALID},
    {"map 4", CODE64, BYTES(0xc4, 0xe4, 0xf0, 0xf2, 0xc2), DECODE_INVALID},
    {"map 31", CODE64, BYTES(0xc4, 0xff, 0xf0, 0xf2, 0xc2), DECODE_INVALID},
    {"RORX EAX, ECX, 1", CODE64, BYTES(0xc4, 0xe3, 0x7b, 0xf0, 0xc1, 1), DECODE_OK},
    {"RORX with vvvv", CODE64, BYTES(0xc4, 0xe3, 0x73, 0xf0, 0xc1, 1), DECODE_INVALID},
    {"BLSR EAX, ECX", CODE32, BYTES(0xc4, 0xe2, 0x78, 0xf3, 0xc9), DECODE_OK},
    {"group 17, /0", CODE32, BYTES(0xc4, 0xe2, 0x78, 0xf3, 0xc1), DECODE_INVALID},
    {"LDS of a register", CODE32, BYTES(0xc5, 0xc0, 0x00), DECODE_INVALID},
    {"C5 in 64-bit mode is no LDS", CODE64, BYTES(0xc5, 0x01, 0x00), DECODE_INVALID},
    {"BOUND", CODE32, BYTES(0x62, 0x01), DECODE_OK},
    {"BOUND in 64-bit mode: EVEX", CODE64, BYTES(0x62, 0x01), DECODE_INVALID},
    {"EVEX", CODE64, BYTES(0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1), DECODE_INVALID},
    {"EVEX", CODE32, BYTES(0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1), DECODE_INVALID},
};

static void test_vex_rules(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(vex_rules); n++) {
        struct insn i;
        if (decode(vex_rules[n].bytes, vex_rules[n].n, vex_rules[n].mode, &i) !=
            vex_rules[n].result)
            fail_msg("%s: %s", vex_rules[n].why,
                     vex_rules[n].result == DECODE_OK ? "refused" : "decodes");
    }
}

/* Outside 64-bit mode W of a general register's size, B and vvvv[3] are ignored. */
static void test_vex_in_32_bits(void **state)
{
    static const uint8_t bytes[] = {0xc4, 0xc2, 0xb0, 0xf2, 0xc2}; /* W, B, vvvv = 9 */
    struct insn i;
    (void)state;
    assert_int_equal(decode(bytes, 5, CODE64, &i), DECODE_OK);
    assert_true(insn_osize(&i) == 8 && i.rm == R_R10 && i.vreg == R_R9 && i.reg == R_RAX);
    assert_int_equal(decode(bytes, 5, CODE32, &i), DECODE_OK);
    assert_true(insn_osize(&i) == 4 && i.rm == R_RDX && i.vreg == R_RCX && i.reg == R_RAX);
    assert_true(i.flags & INSN_VEX && !(i.flags & INSN_L256));
}

/* 15 bytes are the limit, prefixes included. */
static void test_vex_length(void **state)
{
    uint8_t bytes[16];
    struct insn i;
    (void)state;
    memset(bytes, 0x64, sizeof(bytes));
    memcpy(bytes + 10, (uint8_t[]){0xc4, 0xe2, 0xf0, 0xf2, 0xc2}, 5);
    assert_int_equal(decode(bytes, 15, CODE64, &i), DECODE_OK);
    for (unsigned n = 0; n < 15; n++)
        assert_int_equal(decode(bytes, n, CODE64, &i), DECODE_MORE);
    memcpy(bytes + 11, (uint8_t[]){0xc4, 0xe2, 0xf0, 0xf2, 0xc2}, 5);
    bytes[10] = 0x64;
    assert_int_equal(decode(bytes, 16, CODE64, &i), DECODE_TOO_LONG);
}

/* Any bytes: a result, and a length within the limits. */
/* Prefixes and operand kinds that the SSSE3 to SHA opcodes do not have. */
static void test_refused_sse4(void **state)
{
    static const struct {
        const char *text;
        uint8_t bytes[6], n;
    } refused[] = {
        {"SHA1NEXTE with 66", BYTES(0x66, 0x0f, 0x38, 0xc8, 0xca)},
        {"PBLENDVB without 66", BYTES(0x0f, 0x38, 0x10, 0xca)},
        {"AESENC with F3", BYTES(0xf3, 0x0f, 0x38, 0xdc, 0xca)},
        {"AESENC with 66 and F2", BYTES(0x66, 0xf2, 0x0f, 0x38, 0xdc, 0xca)},
        {"MOVNTDQA of a register", BYTES(0x66, 0x0f, 0x38, 0x2a, 0xca)},
        {"MOVBE of a register", BYTES(0x0f, 0x38, 0xf0, 0xca)},
        {"LOCK PADDB's kind", BYTES(0xf0, 0x0f, 0x38, 0x00, 0x0a)},
        {"PMULDQ on MMX", BYTES(0x0f, 0x38, 0x28, 0xca)},
        {"CLWB of a register", BYTES(0x66, 0x0f, 0xae, 0xf2)},
    };
    struct insn i;

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(refused); n++)
        if (decode(refused[n].bytes, refused[n].n, CODE64, &i) != DECODE_INVALID)
            fail_msg("%s decodes as %s", refused[n].text, op_name(i.op));
}

static void test_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252ull;
    for (unsigned n = 0; n < 2000000; n++) {
        uint8_t bytes[16];
        struct insn i;
        for (unsigned k = 0; k < 16; k += 8) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            st_le64(bytes + k, seed);
        }
        enum decode_result r = decode(bytes, 15, (enum code_mode)(n % 3), &i);
        assert_true(r != DECODE_MORE);
        assert_true(r != DECODE_OK || (i.len >= 1 && i.len <= 15 && i.op < NUM_OPS));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_stand_together),
        cmocka_unit_test(test_every_form_has_its_function),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_sse4),
        cmocka_unit_test(test_vex_rules),
        cmocka_unit_test(test_vex_in_32_bits),
        cmocka_unit_test(test_vex_length),
        cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
