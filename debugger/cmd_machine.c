/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time, devices, and what Bochs has by other names. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "debugger/commands_internal.h"
#include "vm/clock.h"
#include "vm/machine.h"

void cmd_ptime(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (cpu)
        monitor_printf(mon, "ptime: %" PRIu64 "\n", vcpu_retired(&cpu->v));
}

void info_time(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    const struct machine *m = debugger_machine(d);
    uint64_t now = vm_clock_now(&m->clock);

    (void)args;
    for (unsigned i = 0; i < debugger_ncpus(d); i++)
        monitor_printf(mon, "CPU %u: %" PRIu64 " instructions\n", i,
                       vcpu_retired(&debugger_cpu(d, i)->v));
    monitor_printf(mon, "virtual time %llu.%09llu s, %" PRIu64 " resets\n", now / NS_PER_SEC,
                   now % NS_PER_SEC, m->run.resets);
}

/* info device: Bochs quotes names; one may be the beginning of an ID. */
void info_device_any(struct monitor *mon, const struct monitor_args *args)
{
    struct machine *m = debugger_machine(debugger_of(mon));
    const struct device *hit = NULL;

    if (!args->n) {
        for (const struct device *d = m->devices; d; d = d->next)
            monitor_printf(mon, "%-16s %s\n", d->id, d->class->type);
        return;
    }
    for (struct device *d = m->devices; d; d = d->next)
        if (!strncmp(d->id, args->text[0], strlen(args->text[0])) &&
            (!hit || !strcmp(d->id, args->text[0])))
            hit = d;
    if (!hit) {
        monitor_error(mon, "%s: no such device; info device lists them\n", args->text[0]);
        return;
    }
    monitor_printf(mon, "%s (%s)\n", hit->id, hit->class->type);
    if (hit->class->pre_save)
        hit->class->pre_save((struct device *)hit);
    state_print_fields(hit->class->fields, hit, monitor_print_line, mon);
}

void info_all(struct monitor *mon, const struct monitor_args *args)
{
    info_cpu(mon, args);
    cmd_creg(mon, args);
    cmd_dreg(mon, args);
    cmd_fp(mon, args);
    cmd_sse(mon, args);
}

void cmd_vmexitbp(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "vmexitbp: not in this version: the processor has no VMX\n");
}

void cmd_restore(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "restore: not in this version; --replay goes back in a recording\n");
}

void cmd_zmm(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "zmm: not in this version: the processor has no AVX-512; ymm shows AVX\n");
}

void info_dirty(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "info dirty: not in this version; watch tells who writes, crc whether\n");
}

void cmd_instrument(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "instrument: not in this version; trace writes what happens to a file, and "
                       "call runs a function of a library\n");
}
