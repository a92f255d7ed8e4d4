/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_KVM_KVM_H
#define CALQUE_CPU_KVM_KVM_H

#include <stdbool.h>
#include <stdint.h>

/* Linux KVM (Documentation/virt/kvm/api.rst): an engine that runs a machine's x86 CPUs on the
 * host's processor.
 *
 * Interrupt controllers and timers stay the machine's own, or all but the local APICs do (split),
 * so that the other state is where the other engines have it. Registers, and split local APICs, are
 * in KVM while it runs the CPU; struct cpu has them whenever the machine stands still. What KVM
 * does not do is interpreted: system management mode, a masked A20, steps, counts and what a
 * debugger wants to see, but for four instructions; and single ones that KVM's own emulator lacks.
 *
 * There is no count of instructions under KVM, hence no -icount, record or lockstep. */

struct cpu;
struct cpu_model;
struct error;
struct kvm_engine;
struct machine;

/* -machine kernel-irqchip: where local APICs are. Split, they are in KVM, and each CPU has a thread
 * of its own. All zero: ours, and CPUs take turns; the machine may be run inline. */
enum kvm_apics { KVM_APICS_OFF, KVM_APICS_SPLIT, KVM_APICS_BEST };

/* Opens /dev/kvm and makes a virtual machine of it for m, with its memory. Best: split where the
 * host's KVM and the machine's threads allow it. False, with the reason: no such device, no
 * permission (and which group has it), a missing capability. */
bool kvm_engine_create(struct machine *m, enum kvm_apics irqchip, struct kvm_engine **out,
                       struct error *err);
/* After the machine's CPUs are gone, or detached. NULL is allowed. */
void kvm_engine_destroy(struct kvm_engine *k);
/* Whether CPUs may run at the same time: each one sleeps in KVM. */
bool kvm_engine_is_split(const struct kvm_engine *k);
/* Whether what cpu->probes asks for needs no other engine: nothing but to stop at one to four
 * instructions, always, in a guest that does not have breakpoints of its own in the debug registers
 * (those that it sets later have no effect until the debugger's are gone). The first time a
 * small virtual machine is asked whether it stops at one. */
bool kvm_engine_can_watch(struct kvm_engine *k, const struct cpu *cpu);
/* From now on KVM runs the CPU. The machine does not run; state stays as it is. */
bool kvm_engine_attach(struct kvm_engine *k, struct cpu *cpu, struct error *err);
/* The CPU is the interpreter's again. The machine does not run. */
void kvm_engine_detach(struct cpu *cpu);

/* Features of the model that KVM cannot run here. `drop`: they are left out of the model; otherwise
 * the first one is the error. Before CPUs are created from it. */
bool kvm_fit_model(struct cpu_model *model, bool drop, struct error *err);

struct kvm_stats {
    uint64_t runs, port_accesses, memory_accesses, msr_accesses, halts, injections, windows,
        signals, interpreted, loads, eois, kicks, settled, breakpoints;
    unsigned slots;
};
void kvm_engine_stats(const struct kvm_engine *k, struct kvm_stats *out);
/* The same in lines, for people. */
void kvm_engine_describe(const struct kvm_engine *k, void (*line)(void *opaque, const char *text),
                         void *opaque);

/* /dev/kvm, of the version that is known; -1 with the reason. The caller closes it. */
int kvm_open(struct error *err);
/* Whether this host's KVM runs code as a processor does: small programs in real, protected and
 * long mode, in a process of their own with a time limit, because some hosts' KVM hangs. False,
 * with what failed. */
bool kvm_probe(struct error *err);

#endif
