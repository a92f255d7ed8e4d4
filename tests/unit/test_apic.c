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
        c->apic.eoi = (struct eoi_sink){saw_eoi, f};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(msi_priority_eoi, setup, teardown),
        cmocka_unit_test_setup_teardown(ipis, setup, teardown),
        cmocka_unit_test_setup_teardown(timers, setup, teardown),
        cmocka_unit_test_setup_teardown(x2apic_mode, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
