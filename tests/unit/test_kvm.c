/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Engines change places under a running guest without a trace; and KVM, where it works, does what
 * the interpreter does, register for register. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/kvm/kvm.h"
#include "cpu/x86/mem.h"
#include "engine.h"
#include "machines/pc_cpus.h"

struct box {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    struct engines engines;
    char kernel[512];
};

static struct box *box_new(const char *program, bool icount)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err = {{0}};
    const char *build = getenv("BUILD");

    assert_non_null(b);
    snprintf(b->kernel, sizeof(b->kernel), "%s/guest/%s.elf", build ? build : "build/gcc", program);
    b->config = (struct pc_config){.ram_size = 16 << 20,
                                   .ncpus = 1,
                                   .kernel = b->kernel,
                                   .debugcon = {{.port = 0xe9}},
                                   .debug_exit_port = 0xf4,
                                   .debug_exit_size = 4,
                                   .no_reboot = true,
                                   .triple_fault_ends = true,
                                   .icount = icount,
                                   .icount_shift = 3,
                                   .create_cpus = pc_cpus_create,
                                   .create_cpus_opaque = &b->cpus};
    assert_true(cpu_model_parse(&b->cpus.model, "qemu64", &err));
    kvm_fit_model(&b->cpus.model, true, &err); /* without KVM nothing changes */
    if (!pc_init(&b->pc, &b->config, &err))
        fail_msg("%s", err.text);
    b->engines.m = &b->pc.m;
    assert_true(pc_power_on(&b->pc, &err));
    return b;
}

static void box_free(struct box *b)
{
    pc_destroy(&b->pc);
    engines_destroy(&b->engines);
    free(b);
}

static bool engine(struct box *b, enum engine_kind kind, struct error *err)
{
    machine_lock(&b->pc.m);
    bool ok = engine_switch(&b->engines, kind, err);
    machine_unlock(&b->pc.m);
    return ok;
}

static struct machine_digest digest(struct box *b)
{
    machine_lock(&b->pc.m);
    struct machine_digest d = machine_digest(&b->pc.m);
    machine_unlock(&b->pc.m);
    return d;
}

static void assert_same(struct box *a, struct box *b, unsigned step)
{
    struct machine_digest x = digest(a), y = digest(b);

    if (x.cpus != y.cpus || x.devices != y.devices || x.memory != y.memory)
        fail_msg("step %u: cpus %d devices %d memory %d", step, x.cpus == y.cpus,
                 x.devices == y.devices, x.memory == y.memory);
}

/* 1000 times, at whatever instruction the slice ends. */
static void test_jit_and_interp_change_places(void **state)
{
    static const char *const programs[] = {"loops-64", "irq-32", "fpu-64", "xsave-64"};
    struct error err = {{0}};

    (void)state;
    for (unsigned p = 0; p < ARRAY_SIZE(programs); p++) {
        struct box *a = box_new(programs[p], true), *b = box_new(programs[p], true);

        if (!engine(b, ENGINE_JIT, &err)) {
            print_message("[  SKIPPED ] %s\n", err.text);
            box_free(a);
            box_free(b);
            skip();
        }
        for (unsigned step = 0; step < 250; step++) {
            assert_true(engine(b, step % 2 ? ENGINE_JIT : ENGINE_INTERP, &err));
            assert_int_equal(b->engines.current, step % 2 ? ENGINE_JIT : ENGINE_INTERP);
            machine_run_inline(&a->pc.m, 1013 + 7 * step);
            machine_run_inline(&b->pc.m, 1013 + 7 * step);
            if (step % 25 == 24)
                assert_same(a, b, step);
        }
        machine_run_inline(&a->pc.m, 100000000);
        machine_run_inline(&b->pc.m, 100000000);
        assert_int_equal(a->pc.m.run.reason, b->pc.m.run.reason);
        assert_same(a, b, 250);
        box_free(a);
        box_free(b);
    }
}

static void test_names(void **state)
{
    enum engine_kind kind;

    (void)state;
    assert_true(engine_parse("tcg", &kind));
    assert_int_equal(kind, ENGINE_JIT);
    assert_true(engine_parse("kvm", &kind));
    assert_int_equal(kind, ENGINE_KVM);
    assert_false(engine_parse("kvmx", &kind));
    for (kind = ENGINE_INTERP; kind <= ENGINE_KVM; kind++) {
        enum engine_kind again;
        assert_true(engine_parse(engine_name(kind), &again));
        assert_int_equal(kind, again);
    }
}

/* There is no instruction count under KVM; the machine keeps the engine it has. */
static void test_kvm_refuses_icount(void **state)
{
    struct box *b = box_new("loops-64", true);
    struct error err = {{0}};

    (void)state;
    assert_true(engine(b, ENGINE_JIT, &err) || b->engines.current == ENGINE_INTERP);
    enum engine_kind before = b->engines.current;
    assert_false(engine(b, ENGINE_KVM, &err));
    assert_true(strstr(err.text, "-icount") || strstr(err.text, "/dev/kvm") ||
                strstr(err.text, "KVM"));
    assert_int_equal(b->engines.current, before);
    box_free(b);
}

/* ---- tiny guests ---- */

enum { AT = 0x1000, LIMIT = 100000 };

struct tiny {
    const char *name;
    void (*set)(struct cpu *cpu);
    uint8_t code[64];
};

static void set_real(struct cpu *cpu)
{
    cpu->seg[SEG_CS].sel = 0;
    cpu->seg[SEG_CS].base = 0;
}

static void set_flat(struct cpu *cpu, uint16_t code)
{
    for (unsigned n = 0; n < 6; n++)
        cpu->seg[n] = (struct segment){.limit = 0xffffffff, .sel = 0x10, .attr = 0xc93};
    cpu->seg[SEG_CS].sel = 8;
    cpu->seg[SEG_CS].attr = code;
    cpu->cr0 = CR0_PE | CR0_ET | CR0_NE;
    cpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
}

static void set_protected(struct cpu *cpu)
{
    set_flat(cpu, 0xc9b);
}

/* 2 MiB in one page. */
static void set_long(struct cpu *cpu)
{
    uint8_t *ram = cpu->v.m->arena.host;

    set_flat(cpu, 0xa9b);
    st_le64(ram + 0x8000, 0x9003);
    st_le64(ram + 0x9000, 0xa003);
    st_le64(ram + 0xa000, 0x83);
    cpu->cr3 = 0x8000;
    cpu->cr4 |= CR4_PAE;
    cpu->efer = EFER_LME | EFER_LMA;
    cpu->cr0 |= CR0_PG;
}

static const struct tiny tiny[] = {
    /* Each ends with OUT F4H, AL, the machine's end.
     * mov ax,3; add ax,5; mul ax; push ax; pop bx; add bx,bx; stc */
    {"real mode",
     set_real,
     {0xb8, 3, 0, 0x05, 5, 0, 0xf7, 0xe0, 0x50, 0x5b, 0x01, 0xdb, 0xf9, 0xe6, 0xf4, 0xf4}},
    /* mov ecx,1000; xor eax,eax; L: add eax,ecx; rol eax,5; loop L; cmp eax,ecx; fld1; fldpi */
    {"protected mode", set_protected, {0xb9, 0xe8, 3,    0,    0,    0x31, 0xc0, 0x01,
                                       0xc8, 0xc1, 0xc0, 5,    0xe2, 0xf9, 0x39, 0xc8,
                                       0xd9, 0xe8, 0xd9, 0xeb, 0xe6, 0xf4, 0xf4}},
    /* mov r8,rsp; mov ecx,100; L: imul r8,r8,7; loop L; movq xmm3,r8; cmp r8,rsp; pushfq; pop r9 */
    {"long mode", set_long, {0x49, 0x89, 0xe0, 0xb9, 100,  0,    0,    0,    0x4d, 0x6b,
                             0xc0, 7,    0xe2, 0xfa, 0x66, 0x49, 0x0f, 0x6e, 0xd8, 0x49,
                             0x39, 0xe0, 0x9c, 0x41, 0x59, 0xe6, 0xf4, 0xf4}},
};

/* A guest alone, run until it ends the machine. */
static struct box *run_tiny(const struct tiny *t, enum engine_kind kind)
{
    struct box *b = box_new("loops-64", false);
    struct cpu *cpu = b->cpus.boot;
    struct error err = {{0}};

    cpu_reset(cpu);
    t->set(cpu);
    memcpy(b->pc.m.arena.host + AT, t->code, sizeof(t->code));
    cpu->r[R_RIP] = AT;
    cpu->r[R_RSP] = 0x7000;
    for (unsigned n = 8; n < 16; n++)
        cpu->r[n] = 0x1111111111111111 * n;
    cpu->fcw = 0x37f;
    cpu->ftw = 0;
    cpu_mode_changed(cpu);
    tlb_flush_all(cpu);
    block_cache_flush(cpu);
    if (!engine(b, kind, &err))
        fail_msg("%s: %s", t->name, err.text);
    machine_run_inline(&b->pc.m, LIMIT);
    assert_int_equal(b->pc.m.run.reason, STOP_DEBUG_EXIT);
    return b;
}

static void assert_same_segment(const char *name, const struct segment *x, const struct segment *y)
{
    if (x->base != y->base || x->limit != y->limit || x->sel != y->sel || x->attr != y->attr)
        fail_msg("%s: %x %llx %x %x, not %x %llx %x %x", name, x->sel, (unsigned long long)x->base,
                 x->limit, x->attr, y->sel, (unsigned long long)y->base, y->limit, y->attr);
}

static void compare_tiny(const struct tiny *t)
{
    struct box *a = run_tiny(t, ENGINE_INTERP), *b = run_tiny(t, ENGINE_KVM);
    const struct cpu *x = a->cpus.boot, *y = b->cpus.boot;

    for (unsigned n = 0; n < 17; n++)
        if (x->r[n] != y->r[n])
            fail_msg("%s: register %u is %llx, not %llx", t->name, n, (unsigned long long)y->r[n],
                     (unsigned long long)x->r[n]);
    for (unsigned n = 0; n < 6; n++)
        assert_same_segment(t->name, &y->seg[n], &x->seg[n]);
    assert_int_equal(cpu_eflags(x), cpu_eflags(y));
    assert_int_equal(x->cpl, y->cpl);
    assert_int_equal(x->cr0, y->cr0);
    assert_int_equal(x->cr3, y->cr3);
    assert_int_equal(x->cr4, y->cr4);
    assert_int_equal(x->efer, y->efer);
    assert_int_equal(x->ftw, y->ftw);
    assert_int_equal(x->fsw, y->fsw);
    assert_int_equal(x->mxcsr, y->mxcsr);
    for (unsigned n = 0; n < 8; n++) {
        assert_int_equal(x->fpr[n].mant, y->fpr[n].mant);
        assert_int_equal(x->fpr[n].sexp, y->fpr[n].sexp);
    }
    assert_memory_equal(x->xmm, y->xmm, sizeof(x->xmm));
    box_free(a);
    box_free(b);
}

/* These run where most hosts' KVM does, even where the probe finds something else that fails. */
static void test_tiny_guests_under_kvm(void **state)
{
    struct error err = {{0}};
    struct box *b = box_new("loops-64", false);
    bool usable = engine(b, ENGINE_KVM, &err);

    (void)state;
    box_free(b);
    if (!usable) {
        print_message("[  SKIPPED ] KVM: %s\n", err.text);
        skip();
    }
    for (unsigned n = 0; n < ARRAY_SIZE(tiny); n++)
        compare_tiny(&tiny[n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_jit_and_interp_change_places),
        cmocka_unit_test(test_kvm_refuses_icount),
        cmocka_unit_test(test_tiny_guests_under_kvm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
