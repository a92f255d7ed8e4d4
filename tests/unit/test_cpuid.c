/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/x87_host.h"

static void parses_models(void **state)
{
    struct cpu_model m;
    struct error err;

    (void)state;
    assert_true(cpu_model_parse(&m, "pentium3,+sse2,-mmx", &err));
    assert_true(model_has(&m, F_sse2));
    assert_false(model_has(&m, F_mmx));
    assert_false(model_has(&m, F_lm));
    assert_true(cpu_model_parse(&m, "max", &err));
    assert_true(model_has(&m, F_lm) && model_has(&m, F_nx));
}

static void refuses_by_name(void **state)
{
    struct cpu_model m;
    struct error err;

    (void)state;
    assert_false(cpu_model_parse(&m, "pentim3", &err));
    assert_non_null(strstr(err.text, "pentium3"));
    assert_false(cpu_model_parse(&m, "max,+ssee2", &err));
    assert_non_null(strstr(err.text, "sse2"));
    assert_false(cpu_model_parse(&m, "max,sse2", &err));
}

/* -cpu fpapprox=: host on x86 hosts unless said otherwise; soft needs MPFR. */
static void fpapprox(void **state)
{
    struct cpu_model m;
    struct error err;

    (void)state;
    assert_true(cpu_model_parse(&m, "max", &err));
    assert_int_equal(m.soft_approx, !X87_HOST);
    assert_int_equal(cpu_model_parse(&m, "486,fpapprox=soft", &err), CONFIG_MPFR);
    if (CONFIG_MPFR)
        assert_true(m.soft_approx);
    else
        assert_non_null(strstr(err.text, "MPFR"));
    assert_int_equal(cpu_model_parse(&m, "max,fpapprox=host", &err), X87_HOST);
    assert_false(cpu_model_parse(&m, "max,fpapprox=hard", &err));
    assert_non_null(strstr(err.text, "fpapprox=hard"));
    assert_false(cpu_model_parse(&m, "max,fpaprox=soft", &err));
}

static void leaves(void **state)
{
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~63ul);
    uint32_t out[4];

    (void)state;
    memset(cpu, 0, sizeof(*cpu));
    assert_true(cpu_model_parse(&cpu->model, "max", NULL));
    cpuid_query(cpu, 0, 0, out);
    assert_memory_equal(&out[1], "Genu", 4);
    assert_memory_equal(&out[3], "ineI", 4);
    assert_memory_equal(&out[2], "ntel", 4);
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[0], 0x106ca);    /* a processor that does not speculate */
    assert_int_equal(out[3] >> 9 & 1, 0); /* the APIC is off */
    cpu->apic.base_msr = 1 << 11;
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[3] >> 9 & 1, 1);
    assert_int_equal(out[2] & 1, model_has(&cpu->model, F_sse3));
    cpuid_query(cpu, 0x15, 0, out);
    assert_int_equal((uint64_t)out[2] * out[1] / out[0], 2500000000ull);
    cpuid_query(cpu, 0x80000008, 0, out);
    assert_int_equal(out[0], 40 | 48 << 8);
    free(cpu);
}

/* ---- what features and models promise each other ---- */

static void features_take_dependents_along(void **state)
{
    struct cpu_model m;
    struct error err;

    (void)state;
    assert_true(cpu_model_parse(&m, "max,sse=off", &err));
    assert_false(model_has(&m, F_sse2) || model_has(&m, F_sse42) || model_has(&m, F_aes));
    assert_false(model_has(&m, F_lm) || model_has(&m, F_cx16));
    assert_true(model_has(&m, F_mmx) && model_has(&m, F_fxsr));
    assert_false(cpu_model_parse(&m, "486,+sse2", &err));
    assert_non_null(strstr(err.text, "sse2 needs sse"));
    assert_false(cpu_model_parse(&m, "max,-sse3,+ssse3", &err));
    assert_true(cpu_model_parse(&m, "pentium,pae=on,nx=on", &err));
    assert_true(model_has(&m, F_nx));
}

static void features_have_several_spellings(void **state)
{
    static const char *const off[] = {"max,-sse4_1", "max,-sse4.1", "max,sse4-1=off",
                                      "max,+sse4.1,-sse4.1"};
    struct cpu_model m;
    struct error err;

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(off); n++) {
        assert_true(cpu_model_parse(&m, off[n], &err));
        assert_false(model_has(&m, F_sse41));
    }
    assert_true(cpu_model_parse(&m, "max,pni=off", &err));
    assert_false(model_has(&m, F_sse3));
    assert_false(cpu_model_parse(&m, "max,sse2=maybe", &err));
    assert_non_null(strstr(err.text, "on or off"));
    assert_false(cpu_model_parse(&m, "max,ssse5=on", &err));
    assert_non_null(strstr(err.text, "did you mean"));
}

static struct cpu *processor(const char *spec)
{
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~63ul);

    memset(cpu, 0, sizeof(*cpu));
    assert_true(cpu_model_parse(&cpu->model, spec, NULL));
    cpu->apic.base_msr = 1 << 11;
    return cpu;
}

/* Every feature that a model has is a bit of CPUID, and no other feature is. */
static void cpuid_is_the_features(void **state)
{
    static const char *const models[] = {
        "max",          "qemu64",  "x86-64-v2", "Nehalem", "core2duo",
        "pentium3",     "pentium", "486",       "max,-lm", "486,+bmi1,+syscall,+msr",
        "max,+kvmclock"};
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(models); n++) {
        struct cpu *cpu = processor(models[n]);
        for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++) {
            const struct feature_info *i = &cpu_features[f];
            uint32_t out[4], kind = i->leaf >> 28 << 28; /* basic, a hypervisor's, extended */

            cpuid_query(cpu, kind, 0, out);
            uint32_t max = out[0] >> 28 << 28 == kind ? out[0] : 0;
            cpuid_query(cpu, i->leaf, i->subleaf, out);
            bool bit = i->leaf <= max && out[i->reg] >> i->bit & 1;
            if (bit != model_has(&cpu->model, f))
                fail_msg("%s: %s", models[n], i->text);
        }
        free(cpu);
    }
}

static void what_is_reported_executes(void **state)
{
    struct cpu_model m;

    (void)state;
    assert_true(cpu_model_parse(&m, "486", NULL));
    assert_true(model_executes(&m, &operations[OPN_cmpxchg]));
    assert_true(model_executes(&m, &operations[OPN_fadd_m32]));
    static const unsigned later[] = {OPN_rdtsc,  OPN_rdmsr,  OPN_cmovz,    OPN_cmpxchg8b,
                                     OPN_nop_ea, OPN_paddb,  OPN_emms,     OPN_syscall,
                                     OPN_pshufb, OPN_aesenc, OPN_prefetch, OPN_movbe_load};
    for (size_t n = 0; n < ARRAY_SIZE(later); n++)
        assert_false(model_executes(&m, &operations[later[n]]));
    assert_true(cpu_model_parse(&m, "max,-mmx", NULL));
    assert_false(model_executes(&m, &operations[OPN_pshufw]));
    assert_false(model_executes(&m, &operations[OPN_pshufb_mmx]));
    assert_false(model_executes(&m, &operations[OPN_movq2dq]));
    assert_true(model_executes(&m, &operations[OPN_pshufb]));
    assert_true(cpu_model_parse(&m, "core2duo", NULL));
    assert_true(model_executes(&m, &operations[OPN_pshufb]));
    assert_false(model_executes(&m, &operations[OPN_ptest]));
}

/* What Intel's processors do beyond their last leaf (SDM vol. 2A, CPUID), and AMD's. */
static void leaves_end_where_they_say(void **state)
{
    struct cpu *cpu = processor("pentium3");
    uint32_t out[4], last[4];

    (void)state;
    cpuid_query(cpu, 0, 0, out);
    assert_int_equal(out[0], 2);
    cpuid_query(cpu, 2, 0, last);
    assert_int_equal(last[0], 0x03020101);
    assert_int_equal(last[3], 0x00820c08);
    cpuid_query(cpu, 0x80000000, 0, out);
    assert_memory_equal(out, last, sizeof(out));
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[0], 0x683);
    free(cpu);
    cpu = processor("qemu64");
    cpuid_query(cpu, 0x7777, 0, out);
    assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[0], 0x60fb1);
    cpuid_query(cpu, 0x80000001, 0, out);
    assert_int_equal(out[3] & 1, 1); /* AMD repeats leaf 1's bits */
    free(cpu);
}

static void level_3_is_all_there(void **state)
{
    struct cpu_model m;
    struct error err;

    (void)state;
    assert_true(cpu_model_parse(&m, "x86-64-v3", &err));
    assert_true(model_has(&m, F_avx2) && model_has(&m, F_fma) && model_has(&m, F_bmi2));
    assert_true(model_executes(&m, &operations[OPN_vfmadd132ps]));
    assert_false(model_executes(&m, &operations[OPN_vaesenc])); /* has no AES */
    assert_true(cpu_model_parse(&m, "max,-avx", &err));
    assert_false(model_has(&m, F_avx2) || model_has(&m, F_fma) || model_has(&m, F_f16c));
    assert_true(model_has(&m, F_aes));
    assert_false(model_executes(&m, &operations[OPN_vaesenc])); /* has no AVX */
    assert_true(model_executes(&m, &operations[OPN_andn]));
    assert_false(cpu_model_parse(&m, "max,-xsave,+avx2", &err));
    assert_non_null(strstr(err.text, "avx2"));
}

/* Leaf 0DH and the bit that follows CR4 (SDM vol. 1 13.2). */
static void xsave_leaves(void **state)
{
    struct cpu *cpu = processor("max");
    uint32_t out[4];

    (void)state;
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[2] >> 26 & 3, 1); /* XSAVE, not OSXSAVE */
    cpu->cr4 = CR4_OSXSAVE;
    cpu->xcr0 = 3;
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[2] >> 26 & 3, 3);
    cpuid_query(cpu, 0xd, 0, out);
    assert_true(out[0] == 7 && out[1] == 576 && out[2] == 832 && out[3] == 0);
    cpu->xcr0 = 7;
    cpuid_query(cpu, 0xd, 0, out);
    assert_int_equal(out[1], 832);
    cpuid_query(cpu, 0xd, 1, out);
    assert_true(out[0] == 7 && out[1] == 832 && out[2] == 0 && out[3] == 0);
    cpuid_query(cpu, 0xd, 2, out);
    assert_true(out[0] == 256 && out[1] == 576 && out[2] == 0 && out[3] == 0);
    cpuid_query(cpu, 0xd, 3, out);
    assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
    free(cpu);
    cpu = processor("max,-xsave");
    cpuid_query(cpu, 0xd, 0, out);
    assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
    free(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_models),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(fpapprox),
        cmocka_unit_test(leaves),
        cmocka_unit_test(features_take_dependents_along),
        cmocka_unit_test(features_have_several_spellings),
        cmocka_unit_test(cpuid_is_the_features),
        cmocka_unit_test(what_is_reported_executes),
        cmocka_unit_test(leaves_end_where_they_say),
        cmocka_unit_test(level_3_is_all_there),
        cmocka_unit_test(xsave_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
