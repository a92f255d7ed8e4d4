/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_KVMCLOCK_H
#define CALQUE_CPU_X86_KVMCLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86: cpuid.rst, msr.rst), which
 * -cpu MODEL,+kvmclock offers under every engine: guests read the time from memory that they name,
 * and the time-stamp counter.
 *
 * The clock, in ns, is the machine's virtual one, and never goes back: where KVM's has got ahead of
 * that, it stays as far ahead. What guests read is a straight line over the counter through a point
 * that all CPUs have in common, so that they agree at any time; its slope has 32 bits, and falls
 * behind by less than 0.5 ns a second. Nothing is written again while the line stays, whatever is
 * saved, loaded or replayed. */

struct cpu;
struct machine;

/* Of a CPU. */
struct kvmclock {
    uint64_t wall;   /* MSR_KVM_WALL_CLOCK; the first CPU's is the machine's */
    uint64_t system; /* MSR_KVM_SYSTEM_TIME: the address, and KVMCLOCK_ENABLED */
    /* It was `time` when the machine's clock was `since`; both 0 until an engine kept another one.
     */
    uint64_t since, time;
};
#define KVMCLOCK_ENABLED 1ull

/* CPUID leaf 40000001H: KVM_FEATURE_CLOCKSOURCE, CLOCKSOURCE2, CLOCKSOURCE_STABLE_BIT. */
#define KVMCLOCK_FEATURES (1u << 0 | 1u << 3 | 1u << 24)

#define MSR_KVM_WALL_CLOCK      0x11u
#define MSR_KVM_SYSTEM_TIME     0x12u
#define MSR_KVM_WALL_CLOCK_NEW  0x4b564d00u
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01u

/* The four MSRs, two of them by an old and a new number. False: #GP, not offered. An address where
 * there is no RAM is taken and nothing written, as KVM has it. For writing the machine lock is
 * held. */
bool is_kvmclock_msr(uint32_t msr);
bool kvmclock_read(const struct cpu *cpu, uint32_t msr, uint64_t *value);
bool kvmclock_write(struct cpu *cpu, uint32_t msr, uint64_t v);
/* Reset values; the clock is the machine's. */
void kvmclock_reset(struct cpu *cpu);

/* Now, ns. */
uint64_t kvmclock_now(const struct cpu *cpu);
/* The counter has moved, or the line: the guest's memory says so. Machine lock held. */
void kvmclock_refresh(struct cpu *cpu);
/* The counter is here again from an engine that has kept the guest's memory meanwhile: the clock
 * goes on from what that says, or from the machine's if that is later. Machine lock held. */
void kvmclock_adopt(struct cpu *cpu);
/* Such an engine has been left: all CPUs have one line again, and the guest's memory says so.
 * Machine lock held, the machine does not run. */
void kvmclock_settle(struct machine *m);

/* How guests turn ticks of a counter of `hz` per second (1 to 2^40) into ns: the ticks shifted
 * left (negative: right), times mul, divided by 2^32. */
void kvmclock_rate(uint64_t hz, uint32_t *mul, int8_t *shift);
uint64_t kvmclock_scale(uint64_t ticks, uint32_t mul, int8_t shift);

#endif
