/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers by name: each can be read, found and set; what a processor cannot be in is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "cpu/x86/registers.h"
#include "tests/common/guest_machine.h"

struct fixture {
    struct guest_machine g;
    struct cpu *cpu;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct error err = {{0}};

    assert_non_null(f);
    guest_machine_config(&f->g, "loops-32");
    if (!guest_machine_init(&f->g, &err))
        fail_msg("%s", err.text);
    f->cpu = cpu_of(f->g.pc.m.cpus[0]);
    machine_lock(&f->g.pc.m);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    machine_unlock(&f->g.pc.m);
    guest_machine_destroy(&f->g);
    free(f);
    return 0;
}

static uint64_t get(const struct fixture *f, const char *name)
{
    const struct cpu_register *r = cpu_register_find(name);

    assert_non_null(r);
    return cpu_register_value(f->cpu, r);
}

static bool set(struct fixture *f, const char *name, uint64_t v)
{
    const struct cpu_register *r = cpu_register_find(name);
    uint8_t value[16] = {0};

    assert_non_null(r);
    memcpy(value, &v, sizeof(v));
    return r->set(f->cpu, r, value);
}

static void test_all(void **state)
{
    struct fixture *f = *state;
    uint8_t before[16], after[16];

    for (unsigned n = 0; n < num_cpu_registers; n++) {
        const struct cpu_register *r = &cpu_registers[n];

        assert_ptr_equal(cpu_register_find(r->name), r); /* no name twice */
        memset(before, 0, sizeof(before));
        memset(after, 0, sizeof(after));
        r->get(f->cpu, r, before);
        if (!r->set || !r->set(f->cpu, r, before))
            fail_msg("%s does not take what it has", r->name);
        r->get(f->cpu, r, after);
        assert_memory_equal(before, after, sizeof(before));
    }
    assert_null(cpu_register_find("rax "));
    assert_ptr_equal(cpu_register_find("RAX"), cpu_register_find("rax"));
}

static void test_parts(void **state)
{
    struct fixture *f = *state;

    assert_true(set(f, "rax", 0x1122334455667788));
    assert_int_equal(get(f, "eax"), 0x55667788);
    assert_int_equal(get(f, "ah"), 0x77);
    assert_true(set(f, "ah", 0xee));
    assert_true(get(f, "rax") == 0x112233445566ee88);
    assert_true(set(f, "r9d", 5));
    assert_int_equal(get(f, "r9b"), 5);
    assert_true(set(f, "flags", 0x47));
    assert_int_equal(get(f, "eflags"), 0x47);
    assert_true(set(f, "eip", 0x1234));
    assert_int_equal(get(f, "rip"), 0x1234);
}

static void test_segments(void **state)
{
    static const uint64_t gdt[] = {0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x0040920012340fff,
                                   0x00cf12000000ffff};
    struct fixture *f = *state;

    memcpy(f->g.pc.m.arena.host + 0x5000, gdt, sizeof(gdt));
    assert_true(set(f, "gdtr_base", 0x5000));
    assert_true(set(f, "gdtr_limit", sizeof(gdt) - 1));
    assert_true(set(f, "ds", 0x10));
    assert_true(set(f, "ds", 0x18)); /* the same again would change nothing */
    assert_int_equal(get(f, "ds_base"), 0x1234);
    assert_int_equal(get(f, "ds_limit"), 0xfff);
    assert_false(set(f, "ds", 0x20)); /* not present */
    assert_false(set(f, "ds", 0x28)); /* beyond the table */
    assert_false(set(f, "cs", 0x18)); /* data */
    assert_false(set(f, "cs", 0));
    assert_true(set(f, "ds", 0));
    assert_false(set(f, "cs_attr", 0x1000));
    assert_false(set(f, "cs_base", 0x100000000));
    /* pc has CS's base in it. */
    assert_true(set(f, "cs_base", 0x10000));
    assert_true(set(f, "rip", 0x20));
    assert_int_equal(get(f, "pc"), 0x10020);
    assert_true(set(f, "pc", 0x10030));
    assert_int_equal(get(f, "rip"), 0x30);
    /* Real mode. */
    assert_true(set(f, "cr0", 0x10));
    assert_true(set(f, "es", 0x1234));
    assert_int_equal(get(f, "es_base"), 0x12340);
}

static void test_control(void **state)
{
    struct fixture *f = *state;

    assert_false(set(f, "cr0", 0x80000010)); /* PG without PE */
    assert_false(set(f, "cr0", 0x100000011));
    assert_false(set(f, "cr4", 1u << 31));
    assert_false(set(f, "eflags", 1u << 17)); /* VM */
    assert_false(set(f, "dr7", 1ull << 32));
    assert_false(set(f, "cr8", 16));
    assert_false(set(f, "xcr0", 4));
    assert_false(set(f, "mxcsr", 0x10000));
    assert_false(set(f, "efer", 1u << 9));
    assert_true(set(f, "efer", 0x100));      /* LME */
    assert_false(set(f, "cr0", 0x80000011)); /* without PAE */
    assert_true(set(f, "cr4", 0x20));
    assert_true(set(f, "cr3", 0x6000));
    assert_true(set(f, "cr0", 0x80000011));
    assert_int_equal(get(f, "efer"), 0x500);
    assert_true(f->cpu->long_mode);
    assert_false(set(f, "cr4", 0));
    assert_true(set(f, "cr0", 0x11));
    assert_int_equal(get(f, "efer"), 0x100);
    assert_false(f->cpu->long_mode);
    assert_true(set(f, "dr7", 1));
    assert_int_equal(get(f, "dr7"), 0x401);
    assert_int_equal(f->cpu->bp_code, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
