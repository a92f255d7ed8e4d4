/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints of a debugger in the processor's debug registers (Intel SDM Vol. 3B 18.2) while KVM
 * runs the CPU. KVM stops before the instruction; what is asked about it, and whether it runs then,
 * is the interpreter's, which has that instruction. */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "cpu/x86/kvm/kvm_internal.h"
#include "cpu/x86/probe.h"

enum {
    DEBUG_REGISTERS = 4,
    DR7_FIXED = 1 << 10,
    DR7_ENABLES = 0xff,
};

/* ---- does it work? ---- */

/* Long mode, which works where KVM works at all: NOP; HLT, in a page of its own, and tables. */
enum { CODE = 0x1000, TABLES = 0x2000, MEMORY = 0x5000 };

static void fill_memory(uint8_t *memory)
{
    memory[CODE] = 0x90;
    memory[CODE + 1] = 0xf4;
    st_le64(memory + TABLES, (TABLES + 0x1000) | 3);
    st_le64(memory + TABLES + 0x1000, (TABLES + 0x2000) | 3);
    st_le64(memory + TABLES + 0x2000, 0x83); /* 2 MiB */
}

static bool enter_long_mode(int cpu)
{
    struct kvm_regs regs = {.rip = CODE, .rflags = 2};
    struct kvm_sregs s;

    if (ioctl(cpu, KVM_GET_SREGS, &s) < 0)
        return false;
    s.cs.base = 0;
    s.cs.selector = 8;
    s.cs.limit = UINT32_MAX;
    s.cs.type = 11;
    s.cs.l = s.cs.g = 1;
    s.cr0 = 0x80000011; /* PG, ET, PE */
    s.cr3 = TABLES;
    s.cr4 = 0x20;   /* PAE */
    s.efer = 0x500; /* LMA, LME */
    return ioctl(cpu, KVM_SET_SREGS, &s) == 0 && ioctl(cpu, KVM_SET_REGS, &regs) == 0;
}

/* Some hosts' KVM takes breakpoints and never stops at one (SVM in QEMU's TCG, which loads DR7
 * with the guest and looks at it no more). */
static bool stops_at_breakpoint(const struct kvm_engine *k, int vm, uint8_t *memory)
{
    const struct kvm_userspace_memory_region r = {.memory_size = MEMORY,
                                                  .userspace_addr = (uint64_t)(uintptr_t)memory};
    const struct kvm_guest_debug debug = {.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
                                          .arch.debugreg = {[0] = CODE + 1, [7] = DR7_FIXED | 2}};
    int cpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    struct kvm_run *run = MAP_FAILED;
    bool stops = false;

    if (cpu < 0)
        return false;
    if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r) == 0 && kvm_set_all_features(k->dev, cpu) &&
        enter_long_mode(cpu) && ioctl(cpu, KVM_SET_GUEST_DEBUG, &debug) == 0)
        run = mmap(NULL, k->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    if (run != MAP_FAILED) {
        stops = ioctl(cpu, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_DEBUG &&
                run->debug.arch.pc == CODE + 1;
        munmap(run, k->run_size);
    }
    close(cpu);
    return stops;
}

static bool try_breakpoint(const struct kvm_engine *k)
{
    uint8_t *memory =
        mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int vm = -1;
    bool stops = false;

    if (memory == MAP_FAILED)
        return false;
    fill_memory(memory);
    if (ioctl(k->dev, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG) > 0 &&
        (vm = ioctl(k->dev, KVM_CREATE_VM, 0)) >= 0) {
        stops = stops_at_breakpoint(k, vm, memory);
        close(vm);
    }
    munmap(memory, MEMORY);
    return stops;
}

static bool works(struct kvm_engine *k)
{
    int known = atomic_load(&k->guest_debug);

    if (known == DEBUG_UNKNOWN) {
        known = try_breakpoint(k) ? DEBUG_WORKS : DEBUG_DOES_NOT;
        atomic_store(&k->guest_debug, known);
    }
    return known == DEBUG_WORKS;
}

/* ---- what is asked ---- */

/* Four instructions by their linear addresses, and nothing else. A condition would be an exit each
 * time, which costs more than all that the translator takes longer. */
static bool fits(const struct probes *p)
{
    if (p->events || p->nranges || !p->points || p->npoints > DEBUG_REGISTERS)
        return false;
    for (unsigned n = 0; n < p->npoints; n++)
        if (p->points[n].physical || p->points[n].start != p->points[n].last || p->points[n].when.n)
            return false;
    return true;
}

bool kvm_engine_can_watch(struct kvm_engine *k, const struct cpu *cpu)
{
    /* The guest's own would be without effect. */
    return !cpu->probes || (fits(cpu->probes) && !(cpu->dr[7] & DR7_ENABLES) && works(k));
}

bool kvm_debug_load(struct kvm_cpu *c)
{
    const struct probes *p = c->cpu->probes;
    struct kvm_guest_debug now = {.control = 0};

    if (p && p->npoints) {
        now.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
        now.arch.debugreg[7] = DR7_FIXED;
        for (unsigned n = 0; n < p->npoints; n++) {
            now.arch.debugreg[n] = p->points[n].start;
            now.arch.debugreg[7] |= 2ull << 2 * n; /* G0 to G3; R/W and LEN 0: execution */
        }
    }
    if (!memcmp(&now, &c->debug, sizeof(now)))
        return true;
    if (ioctl(c->fd, KVM_SET_GUEST_DEBUG, &now) < 0)
        return false;
    c->debug = now;
    return true;
}

bool kvm_debug_passes(const struct kvm_cpu *c)
{
    return !c->loaded && c->cpu->probes && probe_skips(c->cpu);
}
