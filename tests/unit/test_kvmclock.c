/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The paravirtual clock: what guests calculate from it, where it is not written, and that it goes
 * on from another engine's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/privilege.h"

enum { NCPUS = 2, RAM = 1 << 20, PAGE = 0x3000, SIZE = 32 };

struct rig {
    struct machine m;
    struct region ram;
    struct cpu *cpu[NCPUS];
    uint64_t now; /* ns */
};

static uint64_t retired(void *opaque)
{
    return ((struct rig *)opaque)->now;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    struct cpu_model model;

    assert_true(machine_init(&r->m, RAM, 0, NULL));
    vm_clock_use_icount(&r->m.clock, 0, false, retired, r);
    machine_lock(&r->m);
    region_init_memory(&r->ram, "ram", RAM, 0, 0);
    region_add(&r->m.mem, &r->ram, 0, 0);
    assert_true(cpu_model_parse(&model, "max,+kvmclock", NULL));
    for (unsigned n = 0; n < NCPUS; n++) {
        r->cpu[n] = cpu_new(&r->m, &model, n, NULL);
        assert_non_null(r->cpu[n]);
        assert_true(machine_add_cpu(&r->m, &r->cpu[n]->v));
    }
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    machine_unlock(&r->m);
    machine_destroy(&r->m);
    free(r);
    return 0;
}

static uint8_t *page(struct rig *r, unsigned n)
{
    return r->m.arena.host + PAGE + SIZE * n;
}

static void enable(struct rig *r, unsigned n)
{
    assert_true(msr_poke(r->cpu[n], MSR_KVM_SYSTEM_TIME_NEW, (PAGE + SIZE * n) | KVMCLOCK_ENABLED));
}

/* As a guest has it. */
static uint64_t read_clock(struct rig *r, unsigned n)
{
    const uint8_t *p = page(r, n);

    assert_int_equal(ld_le32(p) & 1, 0);
    assert_true(ld_le32(p) != 0);
    return ld_le64(p + 16) +
           kvmclock_scale(cpu_tsc(r->cpu[n]) - ld_le64(p + 8), ld_le32(p + 24), (int8_t)p[28]);
}

/* What another engine leaves in the guest's memory. */
static void write_clock(struct rig *r, unsigned n, uint64_t time, int8_t shift)
{
    uint8_t *p = page(r, n);
    uint32_t mul;
    int8_t right;

    kvmclock_rate(r->cpu[n]->tsc_hz, &mul, &right);
    memset(p, 0, SIZE);
    st_le32(p, 4);
    st_le64(p + 8, cpu_tsc(r->cpu[n]));
    st_le64(p + 16, time);
    st_le32(p + 24, mul);
    p[28] = (uint8_t)shift;
}

/* ---- the line ---- */

static void test_rates(void **state)
{
    static const uint64_t hz[] = {1,          1000000,    800000000,  999999999,  1000000000,
                                  1000000001, 1999999999, 2000000000, 2000000001, 2194843000,
                                  2500000000, 4000000000, 4000000001, 5700000000, 8000000000,
                                  8000000001, 9999999999, 1ull << 40};
    (void)state;
    for (unsigned n = 0; n < ARRAY_SIZE(hz); n++) {
        for (unsigned seconds = 1; seconds <= 100000; seconds *= 10) {
            uint64_t ns = seconds * NS_PER_SEC, got;
            uint32_t mul;
            int8_t shift;

            kvmclock_rate(hz[n], &mul, &shift);
            got = kvmclock_scale(hz[n] * seconds, mul, shift);
            if (got > ns || ns - got > seconds / 2 + 1 || !(mul >> 31))
                fail_msg("%llu Hz, %u s: %llu", (unsigned long long)hz[n], seconds,
                         (unsigned long long)got);
        }
    }
    assert_int_equal(kvmclock_scale(1, 1, -128), 0);
    assert_int_equal(kvmclock_scale(1, 1, 127), 0);
}

static void test_is_the_machines_clock(void **state)
{
    struct rig *r = *state;

    r->now = 12345678901;
    enable(r, 0);
    for (unsigned n = 0; n < 20; n++, r->now = r->now * 3 / 2 + 1) {
        uint64_t t = read_clock(r, 0);
        assert_true(t <= r->now && r->now - t <= r->now / (2 * NS_PER_SEC) + 2);
        assert_int_equal(kvmclock_now(r->cpu[0]), r->now);
        if (n == 10)
            enable(r, 1); /* however late: on the same line */
        if (n >= 10)
            assert_int_equal(read_clock(r, 1), t);
    }
}

/* Nor is anything written that is there: what is saved, loaded and repeated stays the same. */
static void test_the_counter_moves_and_the_clock_does_not(void **state)
{
    static const struct {
        uint32_t msr;
        uint64_t to;
    } moves[] = {{0x10, 5}, {0x3b, 1ull << 60}, {0x10, ~0ull - 1000}, {0x3b, 0}};
    struct rig *r = *state;

    r->now = 1ull << 40;
    enable(r, 0);
    uint64_t t = read_clock(r, 0);
    for (unsigned n = 0; n < ARRAY_SIZE(moves); n++) {
        uint32_t version = ld_le32(page(r, 0));

        assert_true(msr_poke(r->cpu[0], moves[n].msr, moves[n].to));
        assert_in_range(read_clock(r, 0), t - 1, t + 1);
        assert_int_equal(ld_le32(page(r, 0)), version + 2);
        r->now += 1000000;
        t += 1000000;
        assert_in_range(read_clock(r, 0), t - 2, t + 2);
        kvmclock_refresh(r->cpu[0]);
        assert_int_equal(ld_le32(page(r, 0)), version + 2);
    }
}

/* ---- where, and whether ---- */

static void test_addresses(void **state)
{
    static const uint64_t nowhere[] = {RAM - SIZE + 2, RAM - 2,          RAM,        0xfee00000,
                                       1ull << 40,     ~0ull - SIZE + 1, ~0ull - 15, ~1ull};
    static const uint64_t no_date[] = {0, RAM - 11, RAM, 0xfee00000, 1ull << 40, ~0ull - 4, ~0ull};
    struct rig *r = *state;
    uint8_t *before = malloc(RAM);
    uint64_t v;

    memcpy(before, r->m.arena.host, RAM);
    for (unsigned n = 0; n < ARRAY_SIZE(nowhere); n++) {
        assert_true(msr_poke(r->cpu[0], MSR_KVM_SYSTEM_TIME, nowhere[n] | KVMCLOCK_ENABLED));
        assert_true(msr_peek(r->cpu[0], MSR_KVM_SYSTEM_TIME_NEW, &v));
        assert_int_equal(v, nowhere[n] | KVMCLOCK_ENABLED);
        kvmclock_adopt(r->cpu[0]);
    }
    for (unsigned n = 0; n < ARRAY_SIZE(no_date); n++)
        assert_true(msr_poke(r->cpu[0], MSR_KVM_WALL_CLOCK, no_date[n]));
    assert_true(msr_poke(r->cpu[0], MSR_KVM_SYSTEM_TIME, PAGE)); /* not enabled */
    assert_memory_equal(before, r->m.arena.host, RAM);
    /* Across pages, at the last byte. */
    assert_true(msr_poke(r->cpu[0], MSR_KVM_SYSTEM_TIME, 0xff0 | KVMCLOCK_ENABLED));
    assert_int_equal(ld_le32(r->m.arena.host + 0xff0), 2);
    assert_true(msr_poke(r->cpu[0], MSR_KVM_SYSTEM_TIME, (RAM - SIZE) | KVMCLOCK_ENABLED));
    assert_int_equal(ld_le32(r->m.arena.host + RAM - SIZE), 2);
    free(before);
}

static void test_the_date_is_the_machines(void **state)
{
    struct rig *r = *state;
    uint64_t v;

    r->now = 5 * NS_PER_SEC + 7;
    r->m.wall_base = 1000000000 * NS_PER_SEC + 999999999;
    assert_true(msr_poke(r->cpu[1], MSR_KVM_WALL_CLOCK_NEW, PAGE));
    assert_int_equal(ld_le32(page(r, 0)), 2);
    assert_int_equal(ld_le32(page(r, 0) + 4), 1000000000);
    assert_int_equal(ld_le32(page(r, 0) + 8), 999999999);
    assert_true(msr_peek(r->cpu[0], MSR_KVM_WALL_CLOCK, &v)); /* it is that of all */
    assert_int_equal(v, PAGE);
}

static void test_only_where_it_is_offered(void **state)
{
    struct rig *r = *state;
    struct cpu_model m;
    struct error err;
    uint64_t v;

    r->cpu[0]->model.has[F_kvmclock] = false;
    static const uint32_t msrs[] = {0x11, 0x12, 0x4b564d00, 0x4b564d01};
    for (unsigned n = 0; n < ARRAY_SIZE(msrs); n++) {
        assert_false(msr_peek(r->cpu[0], msrs[n], &v));
        assert_false(msr_poke(r->cpu[0], msrs[n], PAGE | KVMCLOCK_ENABLED));
    }
    assert_true(cpu_model_parse(&m, "max", &err));
    assert_false(model_has(&m, F_kvmclock));
    assert_true(cpu_model_parse(&m, "pentium,+kvmclock", &err));
    assert_true(model_has(&m, F_kvmclock) && model_has(&m, F_hypervisor));
    assert_int_equal(m.max_leaf, 1);
    assert_false(cpu_model_parse(&m, "max,+kvmclock,-hypervisor", &err));
    assert_non_null(strstr(err.text, "hypervisor"));
    assert_false(cpu_model_parse(&m, "486,+kvmclock", &err));
}

static void test_resets(void **state)
{
    struct rig *r = *state;
    uint64_t v;

    enable(r, 1);
    cpu_init_reset(r->cpu[1]);
    assert_true(msr_peek(r->cpu[1], MSR_KVM_SYSTEM_TIME, &v));
    assert_int_equal(v, 0);
    assert_true(msr_poke(r->cpu[0], MSR_KVM_WALL_CLOCK, PAGE));
    cpu_init_reset(r->cpu[0]);
    assert_true(msr_peek(r->cpu[1], MSR_KVM_WALL_CLOCK, &v));
    assert_int_equal(v, PAGE);
    cpu_reset(r->cpu[0]);
    assert_true(msr_peek(r->cpu[1], MSR_KVM_WALL_CLOCK, &v));
    assert_int_equal(v, 0);
}

/* ---- another engine's ---- */

/* Ahead of the machine's clock, as it has its own source: it stays as far ahead, on all CPUs. */
static void test_goes_on_from_another(void **state)
{
    struct rig *r = *state;
    uint32_t mul;
    int8_t shift;

    r->now = 10 * NS_PER_SEC;
    for (unsigned n = 0; n < NCPUS; n++)
        enable(r, n);
    kvmclock_rate(TSC_HZ, &mul, &shift);
    write_clock(r, 0, r->now + 1000, shift);
    write_clock(r, 1, r->now + 3000, shift);
    r->now += NS_PER_SEC;
    for (unsigned n = 0; n < NCPUS; n++)
        kvmclock_adopt(r->cpu[n]);
    assert_in_range(kvmclock_now(r->cpu[0]), r->now + 999, r->now + 1000);
    r->now += NS_PER_SEC;
    kvmclock_settle(&r->m);
    r->now += NS_PER_SEC;
    for (unsigned n = 0; n < NCPUS; n++) {
        assert_in_range(read_clock(r, n), r->now + 2998, r->now + 3000);
        assert_int_equal(page(r, n)[29], 1);
    }
}

/* Behind it, or of memory that says nothing: it is the machine's. */
static void test_is_never_behind(void **state)
{
    struct rig *r = *state;

    r->now = 10 * NS_PER_SEC;
    enable(r, 0);
    for (unsigned n = 0; n < 4; n++) {
        write_clock(r, 0, r->now - 5000, n == 1 ? -128 : n == 2 ? 127 : -1);
        if (n == 3)
            st_le32(page(r, 0), 5); /* being written */
        r->now += NS_PER_SEC;
        kvmclock_adopt(r->cpu[0]);
        assert_int_equal(kvmclock_now(r->cpu[0]), r->now);
        kvmclock_settle(&r->m);
        assert_int_equal(read_clock(r, 0), r->now);
    }
}

/* A counter of another speed goes along with a saved machine; one that stands still is refused. */
static void test_saved(void **state)
{
    static const uint64_t hz[] = {1, 2194843000, TSC_HZ_MAX, 0, TSC_HZ_MAX + 1};
    struct rig *r = *state;

    r->now = 10 * NS_PER_SEC;
    enable(r, 0);
    for (unsigned n = 0; n < ARRAY_SIZE(hz); n++) {
        struct state_stream s = {0};
        struct error err = {{0}};

        r->cpu[0]->tsc_hz = hz[n];
        r->cpu[0]->kvmclock.since = n;
        assert_true(machine_save(&r->m, &s));
        r->cpu[0]->tsc_hz = TSC_HZ;
        r->cpu[0]->kvmclock = (struct kvmclock){0};
        assert_int_equal(machine_load(&r->m, &s, &err), n < 3);
        if (n < 3) {
            assert_int_equal(r->cpu[0]->tsc_hz, hz[n]);
            assert_int_equal(r->cpu[0]->kvmclock.system, PAGE | KVMCLOCK_ENABLED);
            assert_int_equal(r->cpu[0]->kvmclock.since, n);
        }
        state_stream_free(&s);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        TEST(test_is_the_machines_clock),
        TEST(test_the_counter_moves_and_the_clock_does_not),
        TEST(test_addresses),
        TEST(test_the_date_is_the_machines),
        TEST(test_only_where_it_is_offered),
        TEST(test_resets),
        TEST(test_goes_on_from_another),
        TEST(test_is_never_behind),
        TEST(test_saved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
