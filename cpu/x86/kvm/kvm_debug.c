/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints of a debugger in the processor's debug registers (Intel SDM Vol. 3B 18.2) while KVM
 * runs the CPU. KVM stops before the instruction; what is asked about it, and whether it runs then,
 * is the interpreter's, which has that instruction. */
#include <string.h>
#include <sys/ioctl.h>

#include "cpu/x86/kvm/kvm_internal.h"
#include "cpu/x86/probe.h"

enum {
    DEBUG_REGISTERS = 4,
    DR7_FIXED = 1 << 10,
    DR7_ENABLES = 0xff,
};

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

bool kvm_engine_can_watch(const struct kvm_engine *k, const struct cpu *cpu)
{
    /* The guest's own would be without effect. */
    return !cpu->probes || (k->guest_debug && fits(cpu->probes) && !(cpu->dr[7] & DR7_ENABLES));
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
