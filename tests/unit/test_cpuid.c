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
    assert_false(cpu_model_parse(&m, "max,+avx2", &err));
    assert_non_null(strstr(err.text, "avx2"));
    assert_false(cpu_model_parse(&m, "max,sse2", &err));
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
    assert_int_equal(out[3] >> 9 & 1, 0); /* the APIC is off */
    cpu->apic.base_msr = 1 << 11;
    cpuid_query(cpu, 1, 0, out);
    assert_int_equal(out[3] >> 9 & 1, 1);
    assert_int_equal(out[2] & 1, model_has(&cpu->model, F_sse3));
    cpuid_query(cpu, 0x15, 0, out);
    assert_int_equal((uint64_t)out[2] * out[1] / out[0], 2500000000ull);
    cpuid_query(cpu, 0x80000008, 0, out);
    assert_int_equal(out[0], 40 | 48 << 8);
    cpuid_query(cpu, 0x7777, 0, out);
    assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
    free(cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_models),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
