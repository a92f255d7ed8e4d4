/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM as an engine: its life, and the CPU models it can run. */
#include "cpu/x86/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cpu/x86/kvm/kvm_internal.h"
#include "cpu/x86/privilege.h"

/* Between the machine's memory and its flash: three pages that Intel processors need for real
 * mode, and one (Documentation/virt/kvm/api.rst, KVM_SET_TSS_ADDR). */
#define TSS_ADDRESS      0xfeffd000ul
#define IDENTITY_ADDRESS 0xfeffc000ull

/* Who may open the device, for those who may not. */
static bool no_permission(struct error *err)
{
    struct stat st;
    const struct group *g = stat("/dev/kvm", &st) == 0 ? getgrgid(st.st_gid) : NULL;

    return error_set(err, "/dev/kvm: permission denied; members of the group %s may open it",
                     g ? g->gr_name : "that owns it");
}

int kvm_open(struct error *err)
{
    int version, dev = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (dev < 0) {
        if (errno == EACCES || errno == EPERM)
            no_permission(err);
        else if (errno == ENOENT)
            error_set(err, "/dev/kvm: there is none: no virtualization extensions, or the kernel's "
                           "module kvm_intel or kvm_amd is not loaded");
        else
            error_set(err, "/dev/kvm: %s", strerror(errno));
        return -1;
    }
    version = ioctl(dev, KVM_GET_API_VERSION, 0);
    if (version == KVM_API_VERSION)
        return dev;
    error_set(err, "/dev/kvm: version %d of the interface, not %d", version, KVM_API_VERSION);
    close(dev);
    return -1;
}

static bool has_kvmclock(const struct kvm_engine *k)
{
    return model_has(&cpu_of(k->m->cpus[0])->model, F_kvmclock);
}

static bool check_capabilities(struct kvm_engine *k, struct error *err)
{
    static const struct {
        int number;
        const char *name;
    } needed[] = {
        {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
        {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
        {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS"},
        {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
        {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
        {KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI"},
        {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
        {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
        {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
        {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
        {KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ"},
        {KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR"},
        {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER"},
    };

    for (unsigned n = 0; n < ARRAY_SIZE(needed); n++)
        if (ioctl(k->dev, KVM_CHECK_EXTENSION, needed[n].number) <= 0)
            return error_set(err, "this host's KVM has no %s", needed[n].name);
    if (has_kvmclock(k) && ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_ADJUST_CLOCK) <= 0)
        return error_set(err, "this host's KVM has no KVM_CAP_ADJUST_CLOCK, which kvmclock needs");
    k->max_slots = (unsigned)ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
    k->max_cpus = (unsigned)ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
    return k->m->ncpus <= k->max_cpus ||
           error_set(err, "this host's KVM runs at most %u CPUs", k->max_cpus);
}

/* MSRs that change how the processor runs are KVM's, and split those of the local APIC; the
 * kvmclock's times are, too (not the date, which is the machine's). Every other access comes out
 * and is msr.c's, so that guests find the same registers under every engine. */
static bool filter_msrs(struct kvm_engine *k, struct error *err)
{
    static uint8_t all[4] = {0xff, 0xff, 0xff, 0xff};
    bool deadline = k->split && model_has(&cpu_of(k->m->cpus[0])->model, F_tsc_deadline);
    bool clock = has_kvmclock(k);
    const struct {
        uint32_t base, n;
        bool kept;
    } ranges[] = {
        {0x10, 1, true},
        {0x3b, 1, true},
        {0x48, 2, true},
        {0x174, 3, true},
        {0x1d9, 1, true},
        {0x277, 1, true},
        {0xc0000080, 5, true},
        {0xc0000100, 4, true},
        {0x1b, 1, k->split},
        {0x6e0, 1, deadline},
        {MSR_KVM_SYSTEM_TIME, 1, clock},
        {MSR_KVM_SYSTEM_TIME_NEW, 1, clock},
    };
    struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_DENY};
    struct kvm_enable_cap cap = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
                                 .args = {KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN |
                                          KVM_MSR_EXIT_REASON_FILTER}};

    for (unsigned n = 0, to = 0; n < ARRAY_SIZE(ranges); n++)
        if (ranges[n].kept)
            filter.ranges[to++] = (struct kvm_msr_filter_range){
                .flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
                .base = ranges[n].base,
                .nmsrs = ranges[n].n,
                .bitmap = all,
            };
    if (ioctl(k->vm, KVM_ENABLE_CAP, &cap) < 0)
        return error_set(err, "KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(errno));
    return ioctl(k->vm, KVM_X86_SET_MSR_FILTER, &filter) == 0 ||
           error_set(err, "KVM_X86_SET_MSR_FILTER: %s", strerror(errno));
}

static bool create_vm(struct kvm_engine *k, enum kvm_apics irqchip, struct error *err)
{
    uint64_t identity = IDENTITY_ADDRESS;
    int size = ioctl(k->dev, KVM_GET_VCPU_MMAP_SIZE, 0);

    if (size < (int)sizeof(struct kvm_run))
        return error_set(err, "KVM_GET_VCPU_MMAP_SIZE: %d bytes", size);
    k->run_size = (size_t)size;
    k->vm = ioctl(k->dev, KVM_CREATE_VM, 0);
    if (k->vm < 0)
        return error_set(err, "KVM_CREATE_VM: %s", strerror(errno));
    if (ioctl(k->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
        ioctl(k->vm, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0)
        return error_set(err, "KVM_SET_TSS_ADDR: %s", strerror(errno));
    return kvm_irqchip_create(k, irqchip, err) && filter_msrs(k, err);
}

bool kvm_engine_create(struct machine *m, enum kvm_apics irqchip, struct kvm_engine **out,
                       struct error *err)
{
    struct kvm_engine *k = calloc(1, sizeof(*k));

    *out = NULL;
    if (!k)
        return error_set(err, "out of memory");
    k->m = m;
    k->dev = k->vm = k->kept.epoll = -1;
    pthread_mutex_init(&k->tsc_mutex, NULL);
    if (m->clock.mode == VM_CLOCK_ICOUNT)
        error_set(err, "-icount: KVM does not count instructions");
    else if ((k->dev = kvm_open(err)) >= 0 && check_capabilities(k, err) &&
             create_vm(k, irqchip, err) && (k->cpus = calloc(m->ncpus, sizeof(*k->cpus))) &&
             kvm_memory_update(k, err)) {
        kvm_run_catch_kicks();
        kvm_kept_create(k);
        kvm_memory_advise(k);
        *out = k;
        return true;
    }
    kvm_engine_destroy(k);
    return false;
}

void kvm_engine_destroy(struct kvm_engine *k)
{
    if (!k)
        return;
    kvm_kept_destroy(k);
    for (unsigned n = 0; k->cpus && n < k->ncpus; n++) {
        struct kvm_cpu *c = &k->cpus[n];
        if (c->run)
            munmap(c->run, k->run_size);
        if (c->fd >= 0)
            close(c->fd);
    }
    if (k->has_timer)
        timer_delete(k->timer);
    if (k->vm >= 0)
        close(k->vm);
    if (k->dev >= 0)
        close(k->dev);
    pthread_mutex_destroy(&k->tsc_mutex);
    free(k->cpus);
    free(k->slots);
    free(k);
}

/* The guest's counter runs as ours does where the host can scale it, else as the host's: a
 * frequency that is refused is told nevertheless until the old one is set again. */
static void set_frequency(struct kvm_cpu *c)
{
    int khz = ioctl(c->fd, KVM_GET_TSC_KHZ, 0);

    if (khz <= 0 || ioctl(c->fd, KVM_SET_TSC_KHZ, TSC_HZ / 1000) == 0) {
        c->k->tsc_hz = TSC_HZ;
        return;
    }
    ioctl(c->fd, KVM_SET_TSC_KHZ, (long)khz);
    c->k->tsc_hz = (uint64_t)khz * 1000;
}

static bool create_vcpu(struct kvm_cpu *c, struct error *err)
{
    c->fd = ioctl(c->k->vm, KVM_CREATE_VCPU, (unsigned long)c->cpu->apic_id);
    if (c->fd < 0)
        return error_set(err, "KVM_CREATE_VCPU: %s", strerror(errno));
    void *p = mmap(NULL, c->k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
    if (p == MAP_FAILED)
        return error_set(err, "KVM's page of a CPU cannot be mapped: %s", strerror(errno));
    c->run = p;
    c->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
    set_frequency(c);
    return kvm_set_cpuid(c, err);
}

bool kvm_engine_attach(struct kvm_engine *k, struct cpu *cpu, struct error *err)
{
    struct kvm_cpu *c = &k->cpus[cpu->v.index];

    if (!c->k) {
        *c = (struct kvm_cpu){.k = k, .cpu = cpu, .fd = -1};
        k->ncpus++;
        if (!create_vcpu(c, err))
            return false;
    }
    c->before = cpu->v.ops;
    c->ops = *c->before;
    kvm_run_take_operations(&c->ops);
    cpu->v.ops = &c->ops;
    if (k->split)
        cpu->apic.elsewhere = &k->elsewhere;
    k->m->arena.collect = kvm_memory_collect;
    k->m->arena.collect_opaque = k;
    k->m->arena.followed = kvm_memory_followed;
    bool ok = kvm_memory_update(k, err);
    if (ok && c == k->cpus) {
        kvm_memory_followed(k);
        kvm_kept_begin(k);
    }
    if (!ok)
        kvm_engine_detach(cpu);
    return ok;
}

void kvm_engine_detach(struct cpu *cpu)
{
    struct kvm_cpu *c = kvm_run_cpu(&cpu->v);

    if (!c)
        return;
    c->ops.stopped(&cpu->v);
    cpu->v.ops = c->before;
    cpu->apic.elsewhere = NULL;
    c->k->m->arena.collect = NULL;
    c->k->m->arena.followed = NULL;
    if (c == c->k->cpus)
        kvm_kept_end(c->k);
}

bool kvm_engine_is_split(const struct kvm_engine *k)
{
    return k->split;
}

void kvm_engine_stats(const struct kvm_engine *k, struct kvm_stats *out)
{
    *out = (struct kvm_stats){
        .slots = k->live_slots, .kicks = k->kept.made, .settled = k->kept.settled};
    for (unsigned n = 0; n < k->ncpus; n++) {
        const struct kvm_stats *s = &k->cpus[n].stats;

        out->runs += s->runs;
        out->port_accesses += s->port_accesses;
        out->memory_accesses += s->memory_accesses;
        out->msr_accesses += s->msr_accesses;
        out->halts += s->halts;
        out->injections += s->injections;
        out->windows += s->windows;
        out->signals += s->signals;
        out->interpreted += s->interpreted;
        out->loads += s->loads;
        out->eois += s->eois;
        out->breakpoints += s->breakpoints;
    }
}

void kvm_engine_describe(const struct kvm_engine *k, void (*line)(void *opaque, const char *text),
                         void *opaque)
{
    struct kvm_stats stats;
    const struct kvm_stats *s = &stats;

    kvm_engine_stats(k, &stats);
    const struct {
        const char *what;
        uint64_t n;
    } rows[] = {
        {"KVM_RUN", s->runs},
        {"port accesses", s->port_accesses},
        {"memory accesses", s->memory_accesses},
        {"MSR accesses", s->msr_accesses},
        {"halts", s->halts},
        {"interrupts", s->injections},
        {"interrupt windows", s->windows},
        {"ends of interrupts", s->eois},
        {"signals", s->signals},
        {"breakpoints", s->breakpoints},
        {"kicks of queues", s->kicks},
        {"writes kept", s->settled},
        {"slices interpreted", s->interpreted},
        {"states loaded", s->loads},
        {"memory slots", s->slots},
    };
    char text[64];

    snprintf(text, sizeof(text), "%-20s %s", "kernel-irqchip", k->split ? "split" : "off");
    line(opaque, text);
    for (unsigned n = 0; n < ARRAY_SIZE(rows); n++) {
        snprintf(text, sizeof(text), "%-20s %llu", rows[n].what, (unsigned long long)rows[n].n);
        line(opaque, text);
    }
}

/* ---- CPU models ---- */

/* Kept by our own interrupt controller and MSRs whatever KVM says. */
static bool is_ours(unsigned feature)
{
    return feature == F_apic || feature == F_x2apic || feature == F_tsc_deadline ||
           feature == F_hypervisor || feature == F_mtrr || feature == F_mca || feature == F_mce ||
           feature == F_arch_capabilities;
}

static bool supports(const struct kvm_cpuid2 *table, const struct feature_info *f)
{
    for (unsigned n = 0; n < table->nent; n++) {
        const struct kvm_cpuid_entry2 *e = &table->entries[n];
        const uint32_t r[4] = {e->eax, e->ebx, e->ecx, e->edx};

        if (e->function == f->leaf && e->index == f->subleaf)
            return r[f->reg] >> f->bit & 1;
    }
    return false;
}

static struct kvm_cpuid2 *supported_cpuid(struct error *err)
{
    enum { MOST = 256 };
    int dev = kvm_open(err);
    struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + MOST * sizeof(table->entries[0]));

    if (table && dev >= 0) {
        table->nent = MOST;
        if (ioctl(dev, KVM_GET_SUPPORTED_CPUID, table) == 0) {
            close(dev);
            return table;
        }
        error_set(err, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
    }
    if (dev >= 0)
        close(dev);
    free(table);
    return NULL;
}

bool kvm_fit_model(struct cpu_model *model, bool drop, struct error *err)
{
    struct kvm_cpuid2 *table = supported_cpuid(err);
    bool ok = table != NULL;

    for (unsigned f = F_NONE + 1; ok && f < NUM_FEATURES; f++) {
        if (!model->has[f] || is_ours(f) || supports(table, &cpu_features[f]))
            continue;
        if (drop)
            cpu_model_remove(model, f);
        else
            ok = error_set(err, "-cpu %s: this host's KVM has no %s; -%s leaves it out",
                           model->name, cpu_features[f].text, cpu_features[f].text);
    }
    free(table);
    return ok;
}
