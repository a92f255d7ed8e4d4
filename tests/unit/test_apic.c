/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/cpu.h"

/* Two processors that never run: only their APICs do. */
struct fixture {
    struct machine m;
    struct cpu *cpu[2];
    struct vcpu *list[2];
    uint64_t insns;
    int eoi;
};

static uint64_t retired(void *opaque)
{
    return ((struct fixture *)opaque)->insns;
}

static void saw_eoi(void *owner, uint8_t vector)
{
    ((struct fixture *)owner)->eoi = vector;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    log_init(&f->m.log);
    pthread_mutex_init(&f->m.lock, NULL);
    pthread_cond_init(&f->m.run.wake, NULL);
    pthread_cond_init(&f->m.run.changed, NULL);
    vm_clock_init(&f->m.clock);
    vm_clock_use_icount(&f->m.clock, 0, false, retired, f);
    vm_clock_start(&f->m.clock);
    f->m.cpus = f->list;
    f->m.ncpus = 2;
    for (unsigned n = 0; n < 2; n++) {
        struct cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~63ul);
        memset(c, 0, sizeof(*c));
        c->v.m = &f->m;
        c->v.index = c->apic_id = n;
        c->tsc_hz = 2500000000ull;
        f->cpu[n] = c;
        f->list[n] = &c->v;
        if (!cpu_model_parse(&c->model, "max", NULL))
            return -1;
        apic_init(c);
        apic_reset(c);
        c->apic.eoi = (struct eoi_sink){.eoi = saw_eoi, .owner = f};
        apic_write(c, 0xf0, 0x1ff);
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    vm_clock_destroy(&f->m.clock);
    free(f->cpu[0]);
    free(f->cpu[1]);
    free(f);
    return 0;
}

static void msi_priority_eoi(void **state)
{
    struct fixture *f = *state;
    struct msi_sink sink = apic_msi_sink(&f->m);

    f->eoi = -1;
    sink.send(sink.owner, 0xfee00000 | 1 << 12, 0x31);           /* edge, to APIC 1 */
    sink.send(sink.owner, 0xfee00000 | 1 << 12, 0x51 | 1 << 15); /* level */
    assert_int_equal(apic_pending_vector(f->cpu[0]), -1);
    assert_int_equal(apic_acknowledge(f->cpu[1]), 0x51);
    assert_int_equal(apic_pending_vector(f->cpu[1]), -1); /* lower priority waits */
    apic_write(f->cpu[1], 0xb0, 0);
    assert_int_equal(f->eoi, 0x51);
    apic_set_cr8(f->cpu[1], 3);
    assert_int_equal(apic_pending_vector(f->cpu[1]), -1);
    apic_set_cr8(f->cpu[1], 2);
    assert_int_equal(apic_acknowledge(f->cpu[1]), 0x31);
}

static void ipis(void **state)
{
    struct fixture *f = *state;

    apic_write(f->cpu[0], 0x310, 1u << 24);
    apic_write(f->cpu[0], 0x300, 0x40);
    assert_int_equal(apic_acknowledge(f->cpu[1]), 0x40);
    apic_write(f->cpu[0], 0x300, 0xc4500); /* INIT to all but self */
    assert_true(f->cpu[1]->init_pending);
    assert_false(f->cpu[0]->init_pending);
    apic_write(f->cpu[0], 0x300, 0x40005); /* vector 5 to self: an error */
    apic_write(f->cpu[0], 0x280, 0);
    assert_int_equal(apic_read(f->cpu[0], 0x280), 1 << 5);
}

static void timers(void **state)
{
    struct fixture *f = *state;
    struct cpu *c = f->cpu[0];

    apic_write(c, 0x3e0, 0xb);            /* divide by 1 */
    apic_write(c, 0x320, 0x60 | 1 << 17); /* periodic */
    apic_write(c, 0x380, 1000);
    f->insns += 400;
    assert_int_equal(apic_read(c, 0x390), 600);
    f->insns += 700;
    vm_clock_run_timers(&f->m.clock);
    assert_int_equal(apic_acknowledge(c), 0x60);
    assert_int_equal(apic_read(c, 0x390), 900);
    apic_write(c, 0xb0, 0);
    apic_write(c, 0x320, 0x61 | 2 << 17); /* TSC deadline */
    assert_true(apic_wrmsr(c, 0x6e0, 5000));
    vm_clock_run_timers(&f->m.clock);
    assert_int_equal(apic_pending_vector(c), -1);
    f->insns = 2001;
    vm_clock_run_timers(&f->m.clock);
    assert_int_equal(apic_acknowledge(c), 0x61);
}

static void x2apic_mode(void **state)
{
    struct fixture *f = *state;
    struct cpu *c = f->cpu[1];
    uint64_t v;

    assert_false(apic_rdmsr(c, 0x802, &v));
    assert_true(apic_wrmsr(c, 0x1b, 0xfee00c00));
    assert_true(apic_rdmsr(c, 0x80d, &v));
    assert_int_equal(v, 2);
    assert_true(apic_wrmsr(c, 0x83f, 0x77));
    assert_int_equal(apic_pending_vector(c), 0x77);
    assert_false(apic_wrmsr(c, 0x1b, 0xfee00800)); /* no way back to xAPIC */
}

/* INIT, then a start-up IPI; without an INIT before it the latter is nothing (SDM vol. 3A 9.4.3).
 */
static void start_up(void **state)
{
    struct fixture *f = *state;

    apic_write(f->cpu[0], 0x310, 1u << 24);
    apic_write(f->cpu[0], 0x300, 0x4608);
    assert_false(f->cpu[1]->sipi_pending);
    apic_write(f->cpu[0], 0x300, 0x8500); /* INIT level de-assert */
    assert_false(f->cpu[1]->init_pending);
    apic_write(f->cpu[0], 0x300, 0x4500);
    assert_true(f->cpu[1]->init_pending);
    apic_write(f->cpu[0], 0x300, 0x4608);
    assert_true(f->cpu[1]->sipi_pending);
    assert_int_equal(f->cpu[1]->sipi_vector, 8);
    apic_write(f->cpu[0], 0x300, 0x4500); /* a later INIT takes it back */
    assert_false(f->cpu[1]->sipi_pending);
    apic_write(f->cpu[0], 0x300, 0x4400);
    assert_true(f->cpu[1]->nmi_pending);
    assert_false(f->cpu[0]->nmi_pending);
}

/* A disabled APIC hears nothing, and is as after a reset when it is enabled again (11.4.3). */
static void disabled(void **state)
{
    struct fixture *f = *state;
    struct cpu *c = f->cpu[1];

    apic_write(c, 0x80, 0x30);
    assert_true(apic_wrmsr(c, 0x1b, 0xfee00000));
    apic_write(f->cpu[0], 0x300, 0x84041);
    apic_write(f->cpu[0], 0x300, 0xc4400);
    assert_false(c->nmi_pending);
    assert_true(apic_wrmsr(c, 0x1b, 0xfee00800));
    assert_int_equal(apic_read(c, 0x80), 0);
    assert_int_equal(apic_read(c, 0xf0), 0xff);
    assert_int_equal(apic_pending_vector(c), -1);
    assert_int_equal(apic_acknowledge(f->cpu[0]), 0x41);
}

/* IDs of more than 8 bits: only x2APIC mode has them (11.12.5). */
static void wide_ids(void **state)
{
    struct fixture *f = *state;
    struct cpu *c = f->cpu[1];
    uint64_t v;

    c->apic_id = 0x123;
    apic_reset(c);
    apic_write(c, 0xf0, 0x1ff);
    assert_int_equal(apic_read(c, 0x20), 0x23000000);
    apic_write(f->cpu[0], 0x310, 0x23000000);
    apic_write(f->cpu[0], 0x300, 0x4051);
    assert_int_equal(apic_acknowledge(c), 0x51);
    for (unsigned n = 0; n < 2; n++)
        assert_true(apic_wrmsr(f->cpu[n], 0x1b, 0xfee00c00));
    assert_true(apic_rdmsr(c, 0x802, &v));
    assert_int_equal(v, 0x123);
    assert_true(apic_rdmsr(c, 0x80d, &v));
    assert_int_equal(v, 0x120008);
    assert_true(apic_wrmsr(f->cpu[0], 0x830, 0x12300000061));
    assert_int_equal(apic_acknowledge(c), 0x61);
    assert_true(apic_wrmsr(f->cpu[0], 0x830, 0x2300000071)); /* nobody */
    assert_true(apic_wrmsr(f->cpu[0], 0x830, 0x12000800000872));
    assert_int_equal(apic_acknowledge(c), 0x72);
    assert_int_equal(apic_pending_vector(c), -1);
    assert_int_equal(apic_pending_vector(f->cpu[0]), -1);
}

/* Lowest priority goes to the lower processor priority; on a P6 to one that has it already (11.9).
 */
static void lowest_priority(void **state)
{
    struct fixture *f = *state;
    struct msi_sink sink = apic_msi_sink(&f->m);

    apic_set_cr8(f->cpu[0], 2);
    sink.send(sink.owner, 0xfeeff000, 0x151);
    assert_int_equal(apic_pending_vector(f->cpu[1]), 0x51);
    assert_int_equal(apic_pending_vector(f->cpu[0]), -1);
    assert_true(cpu_model_parse(&f->cpu[0]->model, "pentium3", NULL));
    apic_write(f->cpu[0], 0x310, 0);
    apic_write(f->cpu[0], 0x300, 0x4061);
    sink.send(sink.owner, 0xfeeff000, 0x161);
    assert_int_equal(apic_acknowledge(f->cpu[0]), 0x61);
    assert_int_equal(apic_acknowledge(f->cpu[1]), 0x51);
    assert_int_equal(apic_pending_vector(f->cpu[1]), -1);
    apic_write(f->cpu[0], 0xf0, 0x3ff); /* focus checking off */
    sink.send(sink.owner, 0xfeeff000, 0x161);
    assert_int_equal(apic_acknowledge(f->cpu[1]), 0x61);
}

/* All of it as a page and back, in either mode: nothing is lost, and the timer goes on. */
static void whole_page(void **state)
{
    struct fixture *f = *state;
    uint8_t page[APIC_PAGE], again[APIC_PAGE];
    struct cpu *c = f->cpu[1];

    for (unsigned x2 = 0; x2 < 2; x2++) {
        apic_reset(c);
        if (x2)
            assert_true(apic_wrmsr(c, 0x1b, 0xfee00c00));
        c->apic.svr = 0x1f0;
        c->apic.tpr = 0x31;
        c->apic.icr[0] = 0x4c0fd;
        for (unsigned n = 1; n < 7; n++)
            c->apic.lvt[n] = 0x10000 | (0x50 + n);
        c->apic.irr[3] = 0x80000001, c->apic.isr[2] = 0x10, c->apic.tmr[3] = 1;
        c->apic.timer_divide = 0xb;
        c->apic.lvt[1] = 0x51;
        if (x2)
            assert_true(apic_wrmsr(c, 0x838, 1000));
        else
            apic_write(c, 0x380, 1000);
        f->insns += 400;
        apic_get_page(c, page);
        struct local_apic was = c->apic;
        apic_init_reset(c);
        apic_set_page(c, page);
        apic_get_page(c, again);
        assert_memory_equal(page, again, APIC_PAGE);
        assert_int_equal(c->apic.id, was.id);
        assert_memory_equal(c->apic.irr, was.irr, sizeof(was.irr));
        assert_memory_equal(c->apic.isr, was.isr, sizeof(was.isr));
        assert_memory_equal(c->apic.tmr, was.tmr, sizeof(was.tmr));
        assert_memory_equal(c->apic.lvt + 1, was.lvt + 1, sizeof(was.lvt) - 4);
        assert_int_equal(c->apic.timer_start, was.timer_start);
        f->insns += 599;
        vm_clock_run_timers(&f->m.clock);
        assert_int_equal(c->apic.irr[2], 0);
        f->insns += 1;
        vm_clock_run_timers(&f->m.clock);
        assert_int_equal(c->apic.irr[2], 1 << 17);
        /* It is over, and stays so. */
        apic_get_page(c, page);
        c->apic.irr[2] = 0;
        apic_set_page(c, page);
        c->apic.irr[2] = 0;
        f->insns += 100000;
        vm_clock_run_timers(&f->m.clock);
        assert_int_equal(c->apic.irr[2], 0);
    }
}

static bool take_away(void *opaque, const struct apic_message *msg, const struct cpu *except)
{
    (void)except;
    *(struct apic_message *)opaque = *msg;
    return msg->vector != 0x77;
}

/* Somebody else keeps them: messages are his, but for what he does not take. */
static void elsewhere(void **state)
{
    struct fixture *f = *state;
    struct msi_sink sink = apic_msi_sink(&f->m);
    struct apic_message got = {0};
    const struct apic_elsewhere other = {take_away, &got};

    f->cpu[0]->apic.elsewhere = f->cpu[1]->apic.elsewhere = &other;
    sink.send(sink.owner, 0xfee01000, 0xc155);
    assert_int_equal(got.vector, 0x55);
    assert_int_equal(got.dest, 1);
    assert_int_equal(got.mode, 1);
    assert_true(got.level);
    assert_int_equal(apic_pending_vector(f->cpu[1]), -1);
    sink.send(sink.owner, 0xfee01000, 0x77);
    assert_int_equal(apic_pending_vector(f->cpu[1]), 0x77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(msi_priority_eoi, setup, teardown),
        cmocka_unit_test_setup_teardown(ipis, setup, teardown),
        cmocka_unit_test_setup_teardown(timers, setup, teardown),
        cmocka_unit_test_setup_teardown(x2apic_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(start_up, setup, teardown),
        cmocka_unit_test_setup_teardown(disabled, setup, teardown),
        cmocka_unit_test_setup_teardown(wide_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(lowest_priority, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_page, setup, teardown),
        cmocka_unit_test_setup_teardown(elsewhere, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
