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
#include "cpu/x86/cpuid.h"
#include "cpu/x86/kvm/kvm.h"
#ifdef __x86_64__
#include "cpu/x86/kvm/kvm_internal.h"
#endif
#include "cli/engine.h"
#include "cpu/x86/mem.h"
#include "cpu/x86/privilege.h"
#include "cpu/x86/probe.h"
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
            if (step % 4 == 0) /* as after KVM, or for want of room */
                block_cache_flush(b->cpus.boot);
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

/* ---- CPUID ---- */

#ifdef __x86_64__
/* As KVM looks leaves up (api.rst, KVM_SET_CPUID2). */
static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *t, uint32_t leaf,
                                                uint32_t sub)
{
    for (unsigned n = 0; n < t->nent; n++) {
        const struct kvm_cpuid_entry2 *e = &t->entries[n];

        if (e->function == leaf &&
            (e->index == sub || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
            return e;
    }
    return NULL;
}

static void assert_leaf(const struct cpu *cpu, const struct kvm_cpuid2 *t, uint32_t leaf,
                        uint32_t sub)
{
    const struct kvm_cpuid_entry2 *e = find_leaf(t, leaf, sub);
    uint32_t out[4];

    static const struct kvm_cpuid_entry2 absent; /* reads as 0 */

    cpuid_query(cpu, leaf, sub, out);
    e = e ? e : &absent;
    if (e->eax != out[0] || e->ebx != out[1] || e->ecx != out[2] || e->edx != out[3])
        fail_msg("%s: leaf %x, %u", cpu->model.name, leaf, sub);
}

/* max tells it, in numbers with which a guest's 32-bit arithmetic gets near: 1 ppm. */
static void test_kvm_tells_the_frequency(void **state)
{
    static const uint64_t hz[] = {800000000,  1999999000, 2194843000,
                                  2596126000, 3700001000, 5700000000};
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~63ul);
    struct error err;

    (void)state;
    memset(cpu, 0, sizeof(*cpu));
    assert_true(cpu_model_parse(&cpu->model, "max", &err));
    for (unsigned n = 0; n < ARRAY_SIZE(hz); n++) {
        struct kvm_cpuid2 *t = kvm_cpuid_table(cpu, hz[n]);
        const struct kvm_cpuid_entry2 *e = find_leaf(t, 0x15, 0);
        assert_non_null(e);
        assert_true(e->eax);
        uint32_t khz = e->ecx / 1000 * e->ebx / e->eax;
        int64_t off = (int64_t)(khz * 1000ull) - (int64_t)hz[n];
        assert_true((uint64_t)(off < 0 ? -off : off) * 1000000 <= 2 * hz[n]);
        free(t);
    }
    free(cpu);
}

/* Whatever the host's counter runs at, no named model's CPUID tells. */
static void test_kvm_has_our_cpuid(void **state)
{
    static const char *const models[] = {"486",           "pentium3",  "core2duo",
                                         "qemu64",        "x86-64-v2", "x86-64-v3",
                                         "Haswell-noTSX", "Nehalem",   "pentium3,+kvmclock"};
    struct cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) & ~63ul);
    struct error err;

    (void)state;
    for (unsigned n = 0; n < ARRAY_SIZE(models); n++) {
        memset(cpu, 0, sizeof(*cpu));
        assert_true(cpu_model_parse(&cpu->model, models[n], &err));
        cpu->apic_id = 3;
        cpu->apic.base_msr = 1 << 11;
        struct kvm_cpuid2 *t = kvm_cpuid_table(cpu, TSC_HZ + 12345678);
        for (uint32_t leaf = 0; leaf <= cpu->model.max_leaf; leaf++)
            for (uint32_t sub = 0; sub < 4; sub++)
                assert_leaf(cpu, t, leaf, sub);
        for (uint32_t leaf = 0x80000000; leaf <= cpu->model.max_extended; leaf++)
            assert_leaf(cpu, t, leaf, 0);
        for (uint32_t leaf = 0x40000000; model_has(&cpu->model, F_hypervisor) && leaf < 0x40000003;
             leaf++)
            assert_leaf(cpu, t, leaf, 0);
        assert_true(!model_has(&cpu->model, F_hypervisor) || find_leaf(t, 0x40000000, 0));
        free(t);
    }
    free(cpu);
}
#endif

/* ---- tiny guests ---- */

enum { AT = 0x1000, LIMIT = 100000 };

struct tiny {
    const char *name;
    void (*set)(struct cpu *cpu);
    uint8_t code[80];
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

static void put_tiny(struct box *b, const struct tiny *t)
{
    struct cpu *cpu = b->cpus.boot;

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
}

/* A guest alone, run until it ends the machine. */
static struct box *run_tiny(const struct tiny *t, enum engine_kind kind)
{
    struct box *b = box_new("loops-64", false);
    struct error err = {{0}};

    put_tiny(b, t);
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

/* With a local APIC that goes to KVM and comes back: as it was, but for the time that it took. */
static void test_split_keeps_the_local_apic(void **state)
{
    struct box *b = box_new("loops-64", false);
    struct cpu *cpu = b->cpus.boot;
    struct local_apic *a = &cpu->apic;
    struct error err = {{0}};

    (void)state;
    b->engines.irqchip = KVM_APICS_SPLIT;
    put_tiny(b, &tiny[2]);
    a->svr = 0x1ff;
    a->tpr = 0xf0;
    a->ldr = 4u << 24;
    a->lvt[1] = 0x51; /* one-shot */
    a->lvt[4] = 0x10700;
    a->isr[2] = 0x10;
    a->irr[3] = 1 << 8;
    a->timer_divide = 0xb;
    machine_lock(&b->pc.m);
    apic_write(cpu, 0x380, 4000000000u);
    machine_unlock(&b->pc.m);
    struct local_apic was = *a;
    if (!engine(b, ENGINE_KVM, &err)) {
        print_message("[  SKIPPED ] KVM: %s\n", err.text);
        box_free(b);
        skip();
    }
    machine_run_inline(&b->pc.m, LIMIT);
    assert_int_equal(b->pc.m.run.reason, STOP_DEBUG_EXIT);
    struct kvm_stats stats;
    kvm_engine_stats(b->engines.kvm, &stats);
    assert_in_range(stats.runs, 1, LIMIT);
    assert_int_equal(a->base_msr, was.base_msr);
    assert_int_equal(a->id, was.id);
    assert_int_equal(a->svr, was.svr);
    assert_int_equal(a->tpr, was.tpr);
    assert_int_equal(a->ldr, was.ldr);
    assert_int_equal(a->timer_initial, was.timer_initial);
    assert_int_equal(a->timer_divide, was.timer_divide);
    assert_memory_equal(a->isr, was.isr, sizeof(was.isr));
    assert_memory_equal(a->irr, was.irr, sizeof(was.irr));
    for (unsigned n = 1; n < 7; n++)
        assert_int_equal(a->lvt[n], was.lvt[n]);
    assert_true(vm_timer_armed(&a->timer));
    assert_in_range(a->timer_start,
                    was.timer_start > 2000000000u ? was.timer_start - 2000000000u : 0,
                    was.timer_start + 2000000000u);
    box_free(b);
}

/* ---- writes that KVM keeps ---- */

enum { BELL = 0xd0000000, SLOW = 0xd0001000, ELSEWHERE = 0xd0004000, HEARD = 16 };

struct bell {
    struct region bell, slow;
    struct heard {
        uint64_t offset, value;
        unsigned size;
    } heard[HEARD];
    unsigned n;
};

static uint64_t slow_read(void *opaque, uint64_t offset, unsigned size)
{
    const struct bell *b = opaque;

    (void)offset;
    (void)size;
    return b->heard[b->n - 1].value;
}

static void hear(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct bell *b = opaque;

    assert_in_range(b->n, 0, HEARD - 1);
    b->heard[b->n++] = (struct heard){offset, value, size};
}

static bool has_heard(const struct bell *b, unsigned n, uint64_t offset, uint64_t value,
                      unsigned size)
{
    return n < b->n && b->heard[n].offset == offset && b->heard[n].value == value &&
           b->heard[n].size == size;
}

static void add_bell(struct box *b, struct bell *bell)
{
    static const struct region_ops ops = {slow_read, hear, 1, 4};
    static const struct region_kick kicks[] = {{.offset = 0x10, .size = 2, .any_value = true},
                                               {.offset = 0x20, .value = 7, .size = 2}};

    region_init_device(&bell->bell, "bell", 0x1000, &ops, bell);
    region_init_device(&bell->slow, "slow", 0x2000, &ops, bell);
    bell->bell.kicks = kicks;
    bell->bell.nkicks = ARRAY_SIZE(kicks);
    bell->slow.writes_wait = true;
    region_add(&b->pc.m.mem, &bell->bell, BELL, 0);
    region_add(&b->pc.m.mem, &bell->slow, SLOW, 0);
}

static struct box *box_with_bell(const struct tiny *t, struct bell *bell)
{
    struct box *b = box_new("loops-64", false);
    struct error err = {{0}};

    add_bell(b, bell);
    put_tiny(b, t);
    if (engine(b, ENGINE_KVM, &err))
        return b;
    print_message("[  SKIPPED ] KVM: %s\n", err.text);
    box_free(b);
    skip();
    return NULL;
}

static struct kvm_stats run_bell(struct box *b)
{
    struct kvm_stats stats;

    machine_run_inline(&b->pc.m, LIMIT);
    assert_int_equal(b->pc.m.run.reason, STOP_DEBUG_EXIT);
    kvm_engine_stats(b->engines.kvm, &stats);
    return stats;
}

/* Several kicks are one, at the latest when the machine stops; what is no kick comes at once. Other
 * kept writes come in order, and before anything is read. */
static void test_kept_writes_are_made(void **state)
{
    /* mov ecx,3; L: mov word [BELL+10h],1; loop L; mov word [BELL+20h],7; mov word [BELL+20h],8;
     * mov byte [BELL+10h],1; mov byte [SLOW],2ah; mov byte [SLOW],2bh; mov al,[SLOW];
     * mov byte [SLOW],2ch; out f4h,al */
    static const struct tiny t = {
        "writes",
        set_protected,
        {0xb9, 3,    0,    0,    0,    0x66, 0xc7, 5,    0x10, 0,    0,    0xd0, 1,    0,
         0xe2, 0xf5, 0x66, 0xc7, 5,    0x20, 0,    0,    0xd0, 7,    0,    0x66, 0xc7, 5,
         0x20, 0,    0,    0xd0, 8,    0,    0xc6, 5,    0x10, 0,    0,    0xd0, 1,    0xc6,
         5,    0,    0x10, 0,    0xd0, 0x2a, 0xc6, 5,    0,    0x10, 0,    0xd0, 0x2b, 0xa0,
         0,    0x10, 0,    0xd0, 0xc6, 5,    0,    0x10, 0,    0xd0, 0x2c, 0xe6, 0xf4, 0xf4},
    };
    struct bell bell = {.n = 0};
    struct box *b = box_with_bell(&t, &bell);

    (void)state;
    struct kvm_stats stats = run_bell(b);
    assert_int_equal(bell.n, 7);
    assert_true(has_heard(&bell, 0, 0x20, 8, 2));
    assert_true(has_heard(&bell, 1, 0x10, 1, 1));
    assert_true(has_heard(&bell, 2, 0, 0x2a, 1));
    assert_true(has_heard(&bell, 3, 0, 0x2b, 1));
    assert_int_equal(b->cpus.boot->r[R_RAX] & 0xff, 0x2b);
    assert_true(has_heard(&bell, 4, 0, 0x2c, 1));
    unsigned first = has_heard(&bell, 5, 0x20, 7, 2) ? 5 : 6;
    assert_true(has_heard(&bell, first, 0x20, 7, 2));
    assert_int_equal(bell.heard[11 - first].offset, 0x10);
    assert_int_equal(stats.kicks, 2);
    assert_int_equal(stats.settled, 3);
    assert_int_equal(stats.memory_accesses, 3);
    box_free(b);
}

/* KVM parts a write where pages meet: no piece is of a size that no access has. */
static void test_kept_write_across_pages(void **state)
{
    /* mov dword [SLOW+ffdh],44332211h; out f4h,al */
    static const struct tiny t = {
        "two pages",
        set_protected,
        {0xc7, 5, 0xfd, 0x1f, 0, 0xd0, 0x11, 0x22, 0x33, 0x44, 0xe6, 0xf4, 0xf4},
    };
    struct bell bell = {.n = 0};
    struct box *b = box_with_bell(&t, &bell);
    uint8_t bytes[4] = {0};

    (void)state;
    struct kvm_stats stats = run_bell(b);
    assert_int_equal(stats.memory_accesses, 0);
    for (unsigned n = 0; n < bell.n; n++) {
        const struct heard *h = &bell.heard[n];

        assert_true(h->size == 1 || h->size == 2 || h->size == 4);
        assert_in_range(h->offset, 0xffd, 0x1001 - h->size);
        for (unsigned i = 0; i < h->size; i++)
            bytes[h->offset - 0xffd + i] = (uint8_t)(h->value >> 8 * i);
    }
    assert_int_equal(ld_le32(bytes), 0x44332211);
    box_free(b);
}

/* A region that goes elsewhere takes its kicks along; under another engine they come at once. */
static void test_kicks_follow_their_region(void **state)
{
    /* mov word [BELL+10h],1; mov word [ELSEWHERE+10h],2; out f4h,al */
    static const struct tiny t = {
        "kicks",
        set_protected,
        {0x66, 0xc7, 5,    0x10, 0,    0, 0xd0, 1,    0,    0x66, 0xc7,
         5,    0x10, 0x40, 0,    0xd0, 2, 0,    0xe6, 0xf4, 0xf4},
    };

    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        struct bell bell = {.n = 0};
        struct box *b = box_with_bell(&t, &bell);
        struct error err;

        machine_lock(&b->pc.m);
        if (n)
            assert_true(engine_switch(&b->engines, ENGINE_INTERP, &err));
        region_move(&bell.bell, ELSEWHERE);
        machine_unlock(&b->pc.m);
        struct kvm_stats stats = run_bell(b);
        assert_int_equal(bell.n, 1);
        assert_int_equal(bell.heard[0].offset, 0x10);
        assert_int_equal(stats.kicks, n ? 0 : 1);
        assert_int_equal(stats.memory_accesses, n ? 0 : 1); /* where nothing is any more */
        box_free(b);
    }
}

static bool no_stop(void *opaque, struct cpu *cpu, uint64_t lin)
{
    (void)cpu;
    (void)lin;
    ++*(unsigned *)opaque;
    return false;
}

/* A loop that is watched goes on under the translator, and under KVM when nobody looks any more. */
static void test_debugger_changes_the_engine(void **state)
{
    /* mov ecx,1000; L: inc eax; dec ecx; jnz L; out f4h,al */
    static const struct tiny loop = {
        "a loop",
        set_protected,
        {0xb9, 0xe8, 3, 0, 0, 0x40, 0x49, 0x75, 0xfc, 0xe6, 0xf4, 0xf4},
    };
    struct error err = {{0}};
    struct box *b = box_new("loops-64", false);
    unsigned seen = 0;
    struct probes probes = {.offsets = {1 << 5}, .execute = no_stop, .opaque = &seen};

    (void)state;
    engines_follow_debugger(&b->engines);
    if (!engine(b, ENGINE_JIT, &err) || !engine(b, ENGINE_KVM, &err)) {
        print_message("[  SKIPPED ] %s\n", err.text);
        box_free(b);
        skip();
    }
    put_tiny(b, &loop);
    b->cpus.boot->r[R_RAX] = 0;
    probes_set(&b->pc.m, &probes);
    machine_run_inline(&b->pc.m, 300);
    assert_int_equal(b->engines.current, ENGINE_JIT);
    assert_in_range(seen, 1, 999);
    assert_in_range(b->cpus.boot->r[R_RAX], 1, 999);
    probes_set(&b->pc.m, NULL);
    machine_run_inline(&b->pc.m, LIMIT);
    assert_int_equal(b->engines.current, ENGINE_KVM);
    assert_int_equal(b->pc.m.run.reason, STOP_DEBUG_EXIT);
    assert_int_equal(b->cpus.boot->r[R_RAX], 1000);
    box_free(b);
}

/* Stops at each second pass. */
static bool second_stop(void *opaque, struct cpu *cpu, uint64_t lin)
{
    assert_int_equal(lin, AT + 8);
    assert_int_equal(cpu->r[R_RIP], AT + 8);
    return ++*(unsigned *)opaque % 2 == 0;
}

/* A breakpoint in a debug register: KVM runs all but the instruction that is asked about. */
static void test_a_breakpoint_needs_no_other_engine(void **state)
{
    struct error err = {{0}};
    struct box *b = box_new("loops-64", false);
    const struct probe_point points[] = {{.start = AT + 8, .last = AT + 8}};
    unsigned seen = 0;
    struct probes probes = {.offsets = {1 << 8},
                            .points = points,
                            .npoints = 1,
                            .execute = second_stop,
                            .opaque = &seen};
    struct cpu *cpu = b->cpus.boot;
    struct kvm_stats stats;

    (void)state;
    engines_follow_debugger(&b->engines);
    if (!engine(b, ENGINE_KVM, &err)) {
        print_message("[  SKIPPED ] %s\n", err.text);
        box_free(b);
        skip();
    }
    put_tiny(b, &tiny[2]);
    probes_set(&b->pc.m, &probes);
    if (!kvm_engine_can_watch(b->engines.kvm, cpu)) {
        print_message("[  SKIPPED ] this host's KVM does not stop at breakpoints\n");
        box_free(b);
        skip();
    }
    for (unsigned n = 0; n < 5; n++) {
        machine_run_inline(&b->pc.m, LIMIT);
        assert_int_equal(b->pc.m.run.reason, STOP_BREAKPOINT);
        assert_int_equal(b->engines.current, ENGINE_KVM);
        assert_int_equal(seen, 2 * n + 2);
        assert_int_equal(cpu->r[R_RCX], 99 - 2 * n);
        assert_int_equal(cpu->dr[7], 0x400);
        assert_int_equal(cpu->dr[6], 0xffff0ff0);
        probe_go_on(cpu);
    }
    kvm_engine_stats(b->engines.kvm, &stats);
    assert_int_equal(stats.breakpoints, 10);
    assert_in_range(stats.interpreted, 10, 30);
    probes_set(&b->pc.m, NULL);
    machine_run_inline(&b->pc.m, LIMIT);
    assert_int_equal(b->pc.m.run.reason, STOP_DEBUG_EXIT);
    assert_int_equal(cpu->r[R_RCX], 0);
    kvm_engine_stats(b->engines.kvm, &stats);
    assert_int_equal(stats.breakpoints, 10);
    box_free(b);
}

static unsigned dirty_pages(struct box *b, uint64_t *pages)
{
    struct arena *a = &b->pc.m.arena;
    unsigned n = 0;

    machine_lock(&b->pc.m);
    memset(pages, 0, a->size / VM_PAGE_SIZE / 8);
    arena_take_dirty(a, 0, a->size, PAGE_DIRTY_MIGRATE, pages);
    machine_unlock(&b->pc.m);
    for (uint64_t i = 0; i < a->size / VM_PAGE_SIZE; i++)
        n += pages[i / 64] >> i % 64 & 1;
    return n;
}

/* Who sends memory again and again sends what was stored to, not all of it. */
static void test_stores_are_noted_for_followers(void **state)
{
    /* mov ecx,100; L: mov [5000h],ecx; loop L; out f4h,al */
    static const struct tiny store = {
        "a store",
        set_long,
        {0xb9, 100, 0, 0, 0, 0x89, 0x0c, 0x25, 0, 0x50, 0, 0, 0xe2, 0xf7, 0xe6, 0xf4, 0xf4},
    };
    struct error err = {{0}};

    (void)state;
    for (unsigned follow = 0; follow < 2; follow++) {
        struct box *b = box_new("loops-64", false);
        struct machine *m = &b->pc.m;
        uint64_t *pages = calloc(m->arena.size / VM_PAGE_SIZE / 64 + 1, sizeof(*pages));

        assert_non_null(pages);
        if (!engine(b, ENGINE_KVM, &err)) {
            print_message("[  SKIPPED ] %s\n", err.text);
            free(pages);
            box_free(b);
            skip();
        }
        put_tiny(b, &store);
        machine_lock(m);
        if (follow)
            arena_follow(&m->arena, true);
        arena_clear_dirty(&m->arena, PAGE_DIRTY_MIGRATE);
        machine_unlock(m);
        machine_run_inline(m, LIMIT);
        assert_int_equal(m->run.reason, STOP_DEBUG_EXIT);
        unsigned n = dirty_pages(b, pages);
        assert_true(pages[0] >> 5 & 1);
        assert_in_range(n, follow ? 1 : m->ram_size / VM_PAGE_SIZE / 2,
                        follow ? 16 : m->arena.size / VM_PAGE_SIZE);
        free(pages);
        box_free(b);
    }
}

/* Who chose another engine meanwhile keeps it. */
static void test_a_persons_engine_stays(void **state)
{
    struct box *b = box_new("loops-64", false);
    struct error err = {{0}};
    struct probes probes = {.execute = no_stop};

    (void)state;
    engines_follow_debugger(&b->engines);
    b->engines.away = true; /* as if it had come from KVM */
    b->engines.current = ENGINE_INTERP;
    probes_set(&b->pc.m, &probes);
    machine_run_inline(&b->pc.m, 300);
    assert_int_equal(b->engines.current, ENGINE_INTERP);
    probes_set(&b->pc.m, NULL);
    machine_run_inline(&b->pc.m, 300);
    assert_int_equal(b->engines.current, ENGINE_INTERP);
    assert_false(b->engines.away);
    assert_true(engine(b, ENGINE_INTERP, &err));
    box_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_jit_and_interp_change_places),
        cmocka_unit_test(test_kvm_refuses_icount),
#ifdef __x86_64__
        cmocka_unit_test(test_kvm_has_our_cpuid),
        cmocka_unit_test(test_kvm_tells_the_frequency),
#endif
        cmocka_unit_test(test_tiny_guests_under_kvm),
        cmocka_unit_test(test_split_keeps_the_local_apic),
        cmocka_unit_test(test_kept_writes_are_made),
        cmocka_unit_test(test_kept_write_across_pages),
        cmocka_unit_test(test_kicks_follow_their_region),
        cmocka_unit_test(test_debugger_changes_the_engine),
        cmocka_unit_test(test_a_breakpoint_needs_no_other_engine),
        cmocka_unit_test(test_stores_are_noted_for_followers),
        cmocka_unit_test(test_a_persons_engine_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
