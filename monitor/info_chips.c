/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info` about chips whose registers are worth a line each: local APIC, I/O APIC, timer. */
#include <inttypes.h>

#include "cpu/x86/cpu.h"
#include "machines/pc.h"
#include "monitor/monitor_internal.h"
#include "vm/machine.h"

static const char *delivery_name(unsigned mode)
{
    static const char *const names[] = {"fixed", "lowest", "SMI",     "reserved",
                                        "NMI",   "INIT",   "startup", "ExtINT"};

    return names[mode & 7];
}

/* ---- local APIC (SDM vol. 3A chapter 11) ---- */

static void print_vectors(struct monitor *mon, const char *name, const uint32_t v[8])
{
    monitor_printf(mon, "  %s", name);
    for (unsigned i = 0; i < 256; i++)
        if (v[i / 32] >> i % 32 & 1)
            monitor_printf(mon, " %02x", i);
    monitor_printf(mon, "\n");
}

static void print_lvt(struct monitor *mon, const char *name, uint32_t v)
{
    monitor_printf(mon, "  %-8s %08x  vector %02x, %s%s%s\n", name, v, v & 0xff,
                   delivery_name(v >> 8), v & 0x8000 ? ", level" : "",
                   v & 0x10000 ? ", masked" : "");
}

void info_apic(struct monitor *mon, const struct monitor_args *args)
{
    static const char *const names[] = {"CMCI",  "timer", "thermal", "perf",
                                        "LINT0", "LINT1", "error"};
    uint64_t n = args->n ? args->number[0] : mon->cpu;

    if (n >= mon->m->ncpus) {
        monitor_error(mon, "there are %u CPUs\n", mon->m->ncpus);
        return;
    }
    const struct local_apic *a = &cpu_of(mon->m->cpus[n])->apic;
    monitor_printf(mon, "local APIC of CPU %u: base %016" PRIx64 "%s%s, ID %08x, spurious %08x%s\n",
                   (unsigned)n, a->base_msr, a->base_msr & 0x800 ? " on" : " off",
                   a->base_msr & 0x400 ? " x2APIC" : "", a->id, a->svr,
                   a->svr & 0x100 ? "" : " (disabled)");
    monitor_printf(mon, "  TPR %02x  LDR %08x  DFR %08x  ESR %08x  ICR %08x%08x\n", a->tpr, a->ldr,
                   a->dfr, a->esr, a->icr[1], a->icr[0]);
    print_vectors(mon, "IRR", a->irr);
    print_vectors(mon, "ISR", a->isr);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        print_lvt(mon, names[i], a->lvt[i]);
    monitor_printf(mon, "  timer: initial count %08x, divide %x, TSC deadline %016" PRIx64 "\n",
                   a->timer_initial, a->timer_divide, a->tsc_deadline);
}

static const struct pc *board(struct monitor *mon)
{
    if (!mon->ctl->about.pc)
        monitor_error(mon, "this machine has no board\n");
    return mon->ctl->about.pc;
}

/* ---- I/O APIC (82093AA datasheet, 3.2.4) ---- */

void info_ioapic(struct monitor *mon, const struct monitor_args *args)
{
    const struct pc *pc = board(mon);

    (void)args;
    if (!pc)
        return;
    monitor_printf(mon, "I/O APIC: ID %x, lines %06x\n", pc->ioapic.ioapicid, pc->ioapic.lines);
    for (unsigned i = 0; i < IOAPIC_INPUTS; i++) {
        uint64_t e = pc->ioapic.ioredtbl[i];

        monitor_printf(mon, "  %2u: %016" PRIx64 "  vector %02x, %s, %s %02x, %s%s%s\n", i, e,
                       (unsigned)(e & 0xff), delivery_name((unsigned)(e >> 8)),
                       e & 0x800 ? "logical" : "physical", (unsigned)(e >> 56),
                       e & 0x8000 ? "level" : "edge", e & 0x2000 ? ", low" : "",
                       e & 0x10000 ? ", masked" : "");
    }
}

/* ---- timer (82C54 datasheet) ---- */

void info_pit(struct monitor *mon, const struct monitor_args *args)
{
    const struct pc *pc = board(mon);

    (void)args;
    for (unsigned i = 0; pc && i < 3; i++) {
        const struct i8254_channel *c = &pc->pit.ch[i];

        monitor_printf(mon, "counter %u: mode %u%s, gate %s, count %u, %u.%03u Hz%s\n", i, c->mode,
                       c->bcd ? " BCD" : "", c->gate ? "high" : "low", c->count,
                       c->count ? I8254_HZ / c->count : 0,
                       c->count ? (unsigned)((uint64_t)(I8254_HZ % c->count) * 1000 / c->count) : 0,
                       c->counting ? "" : ", not counting");
    }
    if (pc)
        monitor_printf(mon, "port 61: %x\n", pc->pit.port61);
}
