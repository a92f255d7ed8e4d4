/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/x86/kvmclock.h"

#include <stdatomic.h>
#include <string.h>

#include "cpu/x86/cpu.h"
#include "cpu/x86/privilege.h"

/* struct pvclock_vcpu_time_info and struct pvclock_wall_clock (msr.rst). */
enum {
    AT_VERSION = 0, /* odd: being written */
    AT_TSC = 8,
    AT_TIME = 16,
    AT_MUL = 24,
    AT_SHIFT = 28,
    AT_FLAGS = 29,
    TIME_SIZE = 32,
    WALL_AT_SEC = 4,
    WALL_AT_NSEC = 8,
    WALL_SIZE = 12,
};
#define FLAG_TSC_STABLE 1 /* the CPUs agree */

/* ---- the line ---- */

void kvmclock_rate(uint64_t hz, uint32_t *mul, int8_t *shift)
{
    *shift = 0;
    while (hz > 2 * NS_PER_SEC << -*shift)
        --*shift;
    while (*shift >= 0 && hz << *shift <= NS_PER_SEC)
        ++*shift;
    *mul = (uint32_t)(((unsigned __int128)NS_PER_SEC << (32 - *shift)) / hz);
}

uint64_t kvmclock_scale(uint64_t ticks, uint32_t mul, int8_t shift)
{
    if (shift <= -64 || shift >= 64) /* a guest has written it */
        return 0;
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (uint64_t)((unsigned __int128)ticks * mul >> 32);
}

static uint64_t time_at(const struct cpu *cpu, uint64_t now)
{
    return cpu->kvmclock.time + (now - cpu->kvmclock.since);
}

uint64_t kvmclock_now(const struct cpu *cpu)
{
    return time_at(cpu, vm_clock_now(&cpu->v.m->clock));
}

/* ---- the guest's memory ---- */

static bool is_ram(const struct address_space *as, uint64_t gpa)
{
    struct page_view view = address_space_page(as, gpa);

    return view.read_at != ARENA_NONE && view.write_at != ARENA_NONE;
}

/* Where size bytes of RAM are; false: not all of them are that. */
static bool find(const struct cpu *cpu, uint64_t gpa, unsigned size)
{
    const struct address_space *as = &cpu->v.m->mem;

    return gpa + size > gpa && is_ram(as, gpa) && is_ram(as, gpa + size - 1);
}

/* Whoever reads meanwhile finds an odd version, or another one afterwards. */
static void write_versioned(struct cpu *cpu, uint64_t gpa, const uint8_t *image, unsigned size)
{
    struct address_space *as = &cpu->v.m->mem;
    uint32_t version = ((uint32_t)address_space_read(as, gpa, 4) + 1) | 1;

    address_space_write(as, gpa, version, 4);
    atomic_thread_fence(memory_order_seq_cst);
    address_space_write_block(as, gpa + 4, image + 4, size - 4);
    atomic_thread_fence(memory_order_seq_cst);
    address_space_write(as, gpa, version + 1, 4);
}

static bool find_time(const struct cpu *cpu, uint64_t *gpa)
{
    *gpa = cpu->kvmclock.system & ~KVMCLOCK_ENABLED;
    return cpu->kvmclock.system & KVMCLOCK_ENABLED && find(cpu, *gpa, TIME_SIZE);
}

void kvmclock_refresh(struct cpu *cpu)
{
    uint8_t image[TIME_SIZE] = {0}, old[TIME_SIZE];
    uint32_t mul;
    int8_t shift;
    uint64_t gpa;

    if (!find_time(cpu, &gpa))
        return;
    kvmclock_rate(cpu->tsc_hz, &mul, &shift);
    st_le64(image + AT_TSC, cpu_tsc_at(cpu, cpu->kvmclock.since));
    st_le64(image + AT_TIME, cpu->kvmclock.time);
    st_le32(image + AT_MUL, mul);
    image[AT_SHIFT] = (uint8_t)shift;
    image[AT_FLAGS] = FLAG_TSC_STABLE;
    address_space_read_block(&cpu->v.m->mem, gpa, old, TIME_SIZE);
    if (ld_le32(old) & 1 || memcmp(image + 4, old + 4, TIME_SIZE - 4) != 0)
        write_versioned(cpu, gpa, image, TIME_SIZE);
}

/* The date when the clock was 0. */
static void write_wall_clock(struct cpu *cpu, uint64_t gpa)
{
    uint64_t wall = input_wall_clock(cpu->v.m) - kvmclock_now(cpu);
    uint8_t image[WALL_SIZE];

    if (!gpa || !find(cpu, gpa, WALL_SIZE))
        return;
    st_le32(image + WALL_AT_SEC, (uint32_t)(wall / NS_PER_SEC));
    st_le32(image + WALL_AT_NSEC, (uint32_t)(wall % NS_PER_SEC));
    write_versioned(cpu, gpa, image, WALL_SIZE);
}

/* ---- MSRs ---- */

static bool is_wall(uint32_t msr)
{
    return msr == MSR_KVM_WALL_CLOCK || msr == MSR_KVM_WALL_CLOCK_NEW;
}

bool is_kvmclock_msr(uint32_t msr)
{
    return is_wall(msr) || msr == MSR_KVM_SYSTEM_TIME || msr == MSR_KVM_SYSTEM_TIME_NEW;
}

bool kvmclock_read(const struct cpu *cpu, uint32_t msr, uint64_t *value)
{
    const struct cpu *owner = cpu;

    *value = 0;
    if (!model_has(&cpu->model, F_kvmclock))
        return false;
    if (is_wall(msr))
        owner = cpu_of(cpu->v.m->cpus[0]);
    *value = is_wall(msr) ? owner->kvmclock.wall : owner->kvmclock.system;
    return true;
}

bool kvmclock_write(struct cpu *cpu, uint32_t msr, uint64_t v)
{
    if (!model_has(&cpu->model, F_kvmclock))
        return false;
    if (is_wall(msr)) {
        cpu_of(cpu->v.m->cpus[0])->kvmclock.wall = v;
        write_wall_clock(cpu, v);
    } else {
        cpu->kvmclock.system = v;
        kvmclock_refresh(cpu);
    }
    return true;
}

void kvmclock_reset(struct cpu *cpu)
{
    cpu->kvmclock = (struct kvmclock){0};
}

/* ---- from and to other engines ---- */

void kvmclock_adopt(struct cpu *cpu)
{
    struct kvmclock *k = &cpu->kvmclock;
    uint8_t image[TIME_SIZE];
    uint64_t gpa, now = vm_clock_now(&cpu->v.m->clock), time = time_at(cpu, now);

    if (!model_has(&cpu->model, F_kvmclock))
        return;
    if (find_time(cpu, &gpa)) {
        address_space_read_block(&cpu->v.m->mem, gpa, image, TIME_SIZE);
        if (!(ld_le32(image) & 1) && ld_le32(image + AT_MUL))
            time = ld_le64(image + AT_TIME) +
                   kvmclock_scale(cpu_tsc_at(cpu, now) - ld_le64(image + AT_TSC),
                                  ld_le32(image + AT_MUL), (int8_t)image[AT_SHIFT]);
    }
    k->since = now;
    k->time = time > now ? time : now;
}

void kvmclock_settle(struct machine *m)
{
    uint64_t now = vm_clock_now(&m->clock), time = now;

    if (!model_has(&cpu_of(m->cpus[0])->model, F_kvmclock))
        return;
    for (unsigned n = 0; n < m->ncpus; n++) {
        const struct cpu *cpu = cpu_of(m->cpus[n]);
        if (cpu->kvmclock.system & KVMCLOCK_ENABLED && time_at(cpu, now) > time)
            time = time_at(cpu, now);
    }
    for (unsigned n = 0; n < m->ncpus; n++) {
        struct cpu *cpu = cpu_of(m->cpus[n]);
        cpu->kvmclock.since = now;
        cpu->kvmclock.time = time;
        kvmclock_refresh(cpu);
    }
}
