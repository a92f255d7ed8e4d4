/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VEX-encoded instructions: decoding, against the manual's rules and another decoder; modes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/disas.h"
#include "cpu/x86/ops.h"

#include "config.h"

#define BYTES(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

struct example {
    const char *text;
    enum code_mode mode;
    uint8_t bytes[15], n;
    unsigned op; /* 0: #UD */
    uint8_t reg, vreg, rm;
    bool l256;
    uint64_t imm;
};

/* Each refusal next to a form that is not refused. */
static const struct example examples[] = {
    {"vaddps xmm1, xmm2, xmm3", CODE64, BYTES(0xc5, 0xe8, 0x58, 0xcb), OP_vaddps_x, 1, 2, 3, false,
     0},
    {"vaddps ymm9, ymm10, ymm11", CODE64, BYTES(0xc4, 0x41, 0x2c, 0x58, 0xcb), OP_vaddps_x, 9, 10,
     11, true, 0},
    {"vaddps ymm1, ymm2, ymm3", CODE32, BYTES(0xc5, 0xec, 0x58, 0xcb), OP_vaddps_x, 1, 2, 3, true,
     0},
    {"vaddps in 16-bit code", CODE16, BYTES(0xc5, 0xec, 0x58, 0xcb), OP_vaddps_x, 1, 2, 3, true, 0},
    {"vsqrtps xmm1, xmm3", CODE64, BYTES(0xc5, 0xf8, 0x51, 0xcb), OP_vsqrtps_x, 1, 0, 3, false, 0},
    {"vsqrtps with vvvv", CODE64, BYTES(0xc5, 0xe8, 0x51, 0xcb), 0, 0, 0, 0, false, 0},
    {"vsqrtss takes vvvv", CODE64, BYTES(0xc5, 0xea, 0x51, 0xcb), OP_vsqrtss_x, 1, 2, 3, false, 0},
    {"vmovlhps", CODE64, BYTES(0xc5, 0xe8, 0x16, 0xcb), OP_vmovlhps_x, 1, 2, 3, false, 0},
    {"vmovlhps, L = 1", CODE64, BYTES(0xc5, 0xec, 0x16, 0xcb), 0, 0, 0, 0, false, 0},
    {"vmovss merges", CODE64, BYTES(0xc5, 0xea, 0x10, 0xcb), OP_vmovss_merge_x, 1, 2, 3, false, 0},
    {"vmovss from memory", CODE64, BYTES(0xc5, 0xfa, 0x10, 0x0b), OP_vmovss_x, 1, 0, 3, false, 0},
    {"vmovss from memory with vvvv", CODE64, BYTES(0xc5, 0xea, 0x10, 0x0b), 0, 0, 0, 0, false, 0},
    {"vpermq ymm1, ymm3, 27", CODE64, BYTES(0xc4, 0xe3, 0xfd, 0x00, 0xcb, 27), OP_vpermq_x, 1, 0, 3,
     true, 27},
    {"vpermq, L = 0", CODE64, BYTES(0xc4, 0xe3, 0xf9, 0x00, 0xcb, 27), 0, 0, 0, 0, false, 0},
    {"vpermq, W = 0", CODE64, BYTES(0xc4, 0xe3, 0x7d, 0x00, 0xcb, 27), 0, 0, 0, 0, false, 0},
    {"W counts in 32-bit code", CODE32, BYTES(0xc4, 0xe3, 0xfd, 0x00, 0xcb, 27), OP_vpermq_x, 1, 0,
     3, true, 27},
    {"vfmadd132pd is W = 1", CODE32, BYTES(0xc4, 0xe2, 0xe9, 0x98, 0xcb), OP_vfmadd132pd_x, 1, 2, 3,
     false, 0},
    {"vpsrld xmm2, xmm3, 5", CODE64, BYTES(0xc5, 0xe9, 0x72, 0xd3, 5), OP_vpsrld_imm_x, 0, 2, 3,
     false, 5},
    {"vblendvps ..., xmm12", CODE64, BYTES(0xc4, 0xe3, 0x69, 0x4a, 0xcb, 0xc0), OP_vblendvps_x, 1,
     2, 3, false, 0xc0},
    {"is4 has 3 bits in 32-bit code", CODE32, BYTES(0xc4, 0xe3, 0x69, 0x4a, 0xcb, 0xc0),
     OP_vblendvps_x, 1, 2, 3, false, 0x40},
    {"vpgatherdd xmm1, [rax+xmm2*4], xmm3", CODE64, BYTES(0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x90),
     OP_vpgatherdd_x, 1, 3, R_RAX, false, 2},
    {"index 12, which is no index register elsewhere", CODE64,
     BYTES(0xc4, 0xa2, 0x61, 0x90, 0x0c, 0xa0), OP_vpgatherdd_x, 1, 3, R_RAX, false, 12},
    {"index 4 too", CODE64, BYTES(0xc4, 0xe2, 0x61, 0x90, 0x0c, 0xa0), OP_vpgatherdd_x, 1, 3, R_RAX,
     false, 4},
    {"a gather without SIB", CODE64, BYTES(0xc4, 0xe2, 0x61, 0x90, 0x08), 0, 0, 0, 0, false, 0},
    {"a gather from a register", CODE64, BYTES(0xc4, 0xe2, 0x61, 0x90, 0xc8), 0, 0, 0, 0, false, 0},
    {"a gather with 16-bit addresses", CODE16, BYTES(0xc4, 0xe2, 0x61, 0x90, 0x0c), 0, 0, 0, 0,
     false, 0},
    {"destination is mask", CODE64, BYTES(0xc4, 0xe2, 0x71, 0x90, 0x0c, 0x90), 0, 0, 0, 0, false,
     0},
    {"destination is index", CODE64, BYTES(0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x88), 0, 0, 0, 0, false,
     0},
    {"mask is index", CODE64, BYTES(0xc4, 0xe2, 0x61, 0x90, 0x0c, 0x98), 0, 0, 0, 0, false, 0},
    {"vzeroupper", CODE64, BYTES(0xc5, 0xf8, 0x77), OP_vzeroupper_x, 0, 0, R_ZERO, false, 0},
    {"vzeroall", CODE64, BYTES(0xc5, 0xfc, 0x77), OP_vzeroall_x, 0, 0, R_ZERO, true, 0},
    {"emms has no VEX form", CODE64, BYTES(0xc5, 0xf9, 0x77), 0, 0, 0, 0, false, 0},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(examples); n++) {
        const struct example *x = &examples[n];
        struct insn i;
        enum decode_result r = decode(x->bytes, x->n, x->mode, &i);
        if (!x->op && r == DECODE_INVALID)
            continue;
        if (!x->op || r != DECODE_OK)
            fail_msg("%s: decoding gives %d", x->text, r);
        if (i.op != x->op || i.len != x->n || i.reg != x->reg || i.vreg != x->vreg ||
            i.rm != x->rm || !(i.flags & INSN_L256) != !x->l256 || i.imm != x->imm)
            fail_msg("%s: %s len %u reg %u vreg %u rm %u flags %x imm %llx", x->text, op_name(i.op),
                     i.len, i.reg, i.vreg, i.rm, i.flags, (unsigned long long)i.imm);
        for (unsigned len = 0; len < x->n; len++)
            assert_int_equal(decode(x->bytes, len, x->mode, &i), DECODE_MORE);
    }
}

/* ---- another decoder's opinion ---- */

static uint64_t seed = 88172645463325252ull;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Names that differ from the instruction's for a reason. */
static bool same_name(const char *ours, const char *theirs, size_t len)
{
    static const char *const pairs[][2] = {
        {"vpermd", "vpermps"},
        {"vpermq", "vpermpd"},
        {"vpbroadcastd", "vbroadcastss"},
        {"vpbroadcastq", "vbroadcastsd"},
        {"vmovd", "vmovq"},
        {"vpinsrd", "vpinsrq"},
        {"vpextrd", "vpextrq"},
        {"vpextrd", "vmovq"},
    };
    static const char *const suffixes[] = {"_merge_store", "_merge", "_store", "_imm"};
    char name[40];
    snprintf(name, sizeof(name), "%s", ours);
    for (size_t k = 0; k < ARRAY_SIZE(suffixes); k++) {
        char *at = strstr(name, suffixes[k]);
        if (at)
            *at = 0;
    }
    if (strlen(name) == len && !memcmp(name, theirs, len))
        return true;
    if (strlen(name) + 1 == len && !memcmp(name, theirs, len - 1) && strchr("xy", theirs[len - 1]))
        return true; /* AT&T's letter for the size of memory */
    for (size_t k = 0; k < ARRAY_SIZE(pairs); k++)
        if (!strcmp(name, pairs[k][0]) && strlen(pairs[k][1]) == len &&
            !memcmp(pairs[k][1], theirs, len))
            return true;
    /* VCMPPS with its predicate */
    return !strncmp(name, "vcmp", 4) && !strncmp(theirs, "vcmp", 4) && len > strlen(name) &&
           !memcmp(theirs + len - 2, name + 4, 2);
}

/* Every row, with random registers, addresses and immediates: the same name and length. */
static void test_agrees_with_capstone(void **state)
{
    static const uint8_t pp[8] = {[M_66] = 1, [M_F3] = 2, [M_F2] = 3};
    unsigned rows = 0;
    (void)state;
    if (!CONFIG_CAPSTONE)
        skip();
    for (unsigned n = 0; n < num_encodings; n++) {
        const struct encoding *e = &encodings[n], *found;
        unsigned agreed = 0;
        if (e->map < MAP_V0F || e->operation == OPN_vbroadcasti128) /* capstone 4 lacks it */
            continue;
        rows++;
        for (unsigned attempt = 0; attempt < 4000 && agreed < 20; attempt++) {
            enum code_mode mode = attempt & 1 ? CODE32 : CODE64;
            uint64_t bits = next_random();
            unsigned w = e->match & M_W1 ? 0x80 : 0, l = e->match & M_L1 ? 4 : bits & 4;
            uint8_t b[16] = {0xc4};
            struct insn i;
            char text[160];
            st_le64(b + 5, next_random());
            st_le64(b + 8, next_random());
            b[1] = (uint8_t)((mode == CODE64 ? bits & 0xe0 : 0xe0) | (e->map - MAP_V0F + 1u));
            b[2] = (uint8_t)(w | (bits >> 8 & 0x78) | l | pp[e->match & M_PFX_MASK]);
            if (bits & 8) /* unused vvvv */
                b[2] |= 0x78;
            b[3] = e->opcode;
            b[4] = (uint8_t)(bits >> 16);
            if (e->match & M_REG_)
                b[4] = (uint8_t)((b[4] & ~0x38) | (e->match >> 8 & 7) << 3);
            if (decode_row(b, 15, mode, &i, &found) != DECODE_OK || found != e)
                continue;
            size_t len = disas_one(text, sizeof(text), 0, b, 15, mode);
            if (len != i.len || !same_name(operations[e->operation].name, text, strcspn(text, " ")))
                fail_msg("%02x%02x%02x%02x%02x%02x: %s, %u bytes; capstone: %s, %u bytes", b[0],
                         b[1], b[2], b[3], b[4], b[5], operations[e->operation].name, i.len, text,
                         (unsigned)len);
            agreed++;
        }
        if (agreed < 20)
            fail_msg("row %u, %s: only %u encodings", n, operations[e->operation].name, agreed);
    }
    assert_true(rows > 300);
}

/* ---- modes ---- */

struct rig {
    struct machine m;
    struct region ram;
    struct cpu *cpu;
};

static void rig_init(struct rig *r)
{
    struct cpu_model model;
    assert_true(machine_init(&r->m, 1 << 20, 0, NULL));
    machine_lock(&r->m);
    region_init_memory(&r->ram, "ram", 1 << 20, 0, 0);
    region_add(&r->m.mem, &r->ram, 0, 0);
    machine_unlock(&r->m);
    assert_true(cpu_model_parse(&model, "max", NULL));
    r->cpu = cpu_new(&r->m, &model, 0, NULL);
    assert_non_null(r->cpu);
}
/* The vector that the bytes raise at 0:1000h, or -1. */
static int run(struct rig *r, const uint8_t *bytes, unsigned n)
{
    struct pending_exception fault = {0};
    memcpy(r->m.arena.host + 0x1000, bytes, n);
    arena_store_notify(&r->m.arena, 0x1000, n);
    r->cpu->seg[SEG_CS].base = 0;
    r->cpu->r[R_RIP] = 0x1000;
    r->cpu->v.budget = 1000;
    return interp_step(r->cpu, &fault) ? fault.vector : -1;
}

/* Real and virtual-8086 mode do not know VEX (SDM vol. 2A 2.8). */
static void test_modes(void **state)
{
    static const uint8_t vaddps[] = {0xc5, 0xf8, 0x58, 0xc1}, addps[] = {0x0f, 0x58, 0xc1};
    static const uint8_t andn[] = {0xc4, 0xe2, 0x70, 0xf2, 0xc2};
    struct rig r = {0};
    (void)state;
    rig_init(&r);
    r.cpu->cr4 = CR4_OSXSAVE | CR4_OSFXSR;
    r.cpu->xcr0 = 7;
    cpu_mode_changed(r.cpu);
    assert_int_equal(run(&r, addps, sizeof(addps)), -1);
    assert_int_equal(run(&r, vaddps, sizeof(vaddps)), EXC_UD);
    assert_int_equal(run(&r, andn, sizeof(andn)), EXC_UD);
    r.cpu->cr0 |= CR0_PE;
    cpu_mode_changed(r.cpu);
    assert_int_equal(run(&r, vaddps, sizeof(vaddps)), -1);
    assert_int_equal(run(&r, andn, sizeof(andn)), -1);
    r.cpu->eflags |= EFLAGS_VM;
    r.cpu->cpl = 3;
    cpu_mode_changed(r.cpu);
    assert_int_equal(run(&r, vaddps, sizeof(vaddps)), EXC_UD);
    assert_int_equal(run(&r, andn, sizeof(andn)), EXC_UD);
    assert_int_equal(run(&r, addps, sizeof(addps)), -1);
    machine_destroy(&r.m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_agrees_with_capstone),
        cmocka_unit_test(test_modes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
