/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info`: handlers run with the machine lock held. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "config.h"
#include "devices/virtio/virtio_balloon.h"
#include "host/migrate/migrate.h"
#include "monitor/monitor_internal.h"
#include "vm/machine.h"

static void info_version(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_printf(mon, "Calque " CALQUE_VERSION "\n");
}

static void info_status(struct monitor *mon, const struct monitor_args *args)
{
    const struct run_control *run = &mon->m->run;
    static const char *const names[] = {"paused", "running", "ended"};
    const char *moving = mon->ctl->migrate ? migrate_run_state(mon->ctl->migrate) : NULL;

    (void)args;
    monitor_printf(mon, "VM status: %s", names[run->state]);
    if (run->state == RUN_PAUSED && moving)
        monitor_printf(mon, " (%s)", moving);
    else if (run->state != RUN_RUNNING && run->reason != STOP_NONE)
        monitor_printf(mon, " (%s)", stop_reason_name(run->reason));
    monitor_printf(mon, "\n");
}

/* Registers of a running CPU are in the engine's hands: the machine stands still while they are
 * read. */
static void info_registers(struct monitor *mon, const struct monitor_args *args)
{
    uint64_t cpu = args->n ? args->number[0] : mon->cpu;

    if (!mon->ctl->hooks.registers || cpu >= mon->m->ncpus) {
        monitor_printf(mon, "there are %u CPUs\n", mon->ctl->hooks.registers ? mon->m->ncpus : 0);
        return;
    }
    bool was_running = control_hold(mon->ctl);
    mon->ctl->hooks.registers(mon->ctl->hooks.opaque, (unsigned)cpu, monitor_print_line, mon);
    control_release(mon->ctl, was_running);
}

/* Its counters belong to the engine too. */
static void info_jit(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    if (!mon->ctl->hooks.jit) {
        monitor_printf(mon, "nothing is translated here\n");
        return;
    }
    bool was_running = control_hold(mon->ctl);
    mon->ctl->hooks.jit(mon->ctl->hooks.opaque, monitor_print_line, mon);
    control_release(mon->ctl, was_running);
}

static bool kvm_runs(const struct control *ctl)
{
    return ctl->hooks.engine && !strcmp(ctl->hooks.engine(ctl->hooks.opaque), "kvm");
}

static void info_kvm(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    bool was_running = control_hold(mon->ctl);
    monitor_printf(mon, "kvm support: %s\n", kvm_runs(mon->ctl) ? "enabled" : "disabled");
    if (mon->ctl->hooks.kvm)
        mon->ctl->hooks.kvm(mon->ctl->hooks.opaque, monitor_print_line, mon);
    control_release(mon->ctl, was_running);
}

static void print_space(struct monitor *mon, const char *title, const struct address_space *as)
{
    monitor_printf(mon, "%s: regions (start-end, priority, kind, name)\n", title);
    for (size_t i = 0; i < as->nregions; i++) {
        const struct region *r = as->regions[i];
        const char *kind = r->kind == REGION_DEVICE                                ? "device"
                           : r->read_at == ARENA_NONE && r->write_at == ARENA_NONE ? "hole"
                           : r->write_at == ARENA_NONE                             ? "rom"
                                                                                   : "ram";

        monitor_printf(mon, "  %016" PRIx64 "-%016" PRIx64 " %3d %-6s %s%s\n", r->base,
                       r->base + r->size - 1, r->priority, kind, r->name,
                       r->enabled ? "" : " (disabled)");
    }
    monitor_printf(mon, "%s: what answers\n", title);
    for (size_t i = 0; i < as->nflat; i++) {
        const struct mem_range *f = &as->flat[i];

        monitor_printf(mon, "  %016" PRIx64 "-%016" PRIx64 " %s +0x%" PRIx64 "\n", f->start,
                       f->last, f->region->name, f->offset);
    }
}

static void info_mtree(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    print_space(mon, "memory", &mon->m->mem);
    print_space(mon, "io", &mon->m->io);
    monitor_printf(mon, "unmapped accesses: memory %" PRIu64 ", io %" PRIu64 "\n",
                   mon->m->mem.unmapped_accesses, mon->m->io.unmapped_accesses);
}

static void info_devices(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    for (const struct device *d = mon->m->devices; d; d = d->next)
        monitor_printf(mon, "%-16s %s\n", d->id, d->class->type);
}

static void info_device(struct monitor *mon, const struct monitor_args *args)
{
    struct device *d = device_find(mon->m, args->text[0]);
    struct suggestion near;

    if (d) {
        if (d->class->pre_save)
            d->class->pre_save(d);
        state_print_fields(d->class->fields, d, monitor_print_line, mon);
        return;
    }
    suggest_begin(&near, args->text[0]);
    for (d = mon->m->devices; d; d = d->next)
        suggest_offer(&near, d->id);
    monitor_printf(mon, "%s: no such device; %s%s\n", args->text[0],
                   near.best ? "did you mean " : "there are none", near.best ? near.best : "");
}

static void info_clock(struct monitor *mon, const struct monitor_args *args)
{
    const struct vm_clock *c = &mon->m->clock;
    uint64_t now = vm_clock_now(c), next = vm_clock_deadline(c);

    (void)args;
    monitor_printf(mon, "virtual time: %llu.%09llu s\n", now / NS_PER_SEC, now % NS_PER_SEC);
    if (c->mode == VM_CLOCK_ICOUNT)
        monitor_printf(mon, "mode: instruction count, %u ns each%s\n", 1u << c->icount_shift,
                       c->icount_auto ? " (auto)" : "");
    else
        monitor_printf(mon, "mode: host time%s\n", c->running ? "" : " (standing still)");
    monitor_printf(mon, "timers armed: %zu\n", c->nheap);
    if (next != VM_TIME_NEVER)
        monitor_printf(mon, "next deadline: in %" PRId64 " ns\n", (int64_t)(next - now));
}

static void info_balloon(struct monitor *mon, const struct monitor_args *args)
{
    const struct virtio_balloon *b = control_find_balloon(mon->ctl);
    struct error err;
    uint64_t actual;

    (void)args;
    if (!control_balloon(mon->ctl, &actual, &err)) {
        monitor_error(mon, "%s\n", err.text);
        return;
    }
    monitor_printf(mon, "balloon: actual=%" PRIu64 "\n", actual >> 20);
    for (unsigned i = 0; i < VIRTIO_BALLOON_STATS && b->stats_at; i++)
        if (b->stats[i] != UINT64_MAX)
            monitor_printf(mon, "%s: %" PRIu64 "\n", virtio_balloon_stat_names[i], b->stats[i]);
}

const struct monitor_command monitor_info_commands[] = {
    {"status", "", "", "running, paused or ended, and why", info_status, NULL},
    {"registers", "?i", "[CPU]", "the processor's registers", info_registers, NULL},
    {"jit", "", "", "the translator's counters", info_jit, NULL},
    {"kvm", "", "", "whether KVM runs the processors, and its counters", info_kvm, NULL},
    {"name", "", "", "of the machine, if it has one", info_name, NULL},
    {"uuid", "", "", "of the machine", info_uuid, NULL},
    {"cpus", "", "", "the processors; * is the one commands are about", info_cpus, NULL},
    {"mem", "", "", "what the page tables map, by rights", info_mem, NULL},
    {"tlb", "", "", "the same, page by page", info_tlb, NULL},
    {"block", "", "", "drives and their media", info_block, NULL},
    {"blockstats", "", "", "what was read and written", info_blockstats, NULL},
    {"network", "", "", "network cards and what they are plugged into", info_network, NULL},
    {"usernet", "", "", "connections of user networks", info_usernet, NULL},
    {"balloon", "", "", "memory that the guest has, and its statistics", info_balloon, NULL},
    {"vnc", "", "", "the VNC server", info_vnc, NULL},
    {"mice", "", "", "pointers; * is the one that the guest uses", info_mice, NULL},
    {"pci", "", "", "PCI devices", info_pci, NULL},
    {"pic", "", "", "the interrupt controllers", info_pic, NULL},
    {"irq", "", "", "the ISA interrupts", info_irq, NULL},
    {"apic|lapic", "=?i", "[CPU]", "the local APIC", info_apic, NULL},
    {"ioapic", "=", "", "the I/O APIC", info_ioapic, NULL},
    {"pit", "=", "", "the timer chip", info_pit, NULL},
    {"migrate", "", "", "the save or migration under way, or the last one", info_migrate, NULL},
    {"migrate_parameters", "", "", "its settings", info_migrate_parameters, NULL},
    {"snapshots", "", "", "snapshots that all disks have, as a tree", info_snapshots, NULL},
    {"digest", "=", "", "of processors, devices and memory: to compare machines", info_digest,
     NULL},
    {"chardev", "", "", "connections", info_chardev, NULL},
    {"qtree", "", "", "devices by bus", info_qtree, NULL},
    {"history", "", "", "what was typed", info_history, NULL},
    {"mtree", "", "", "memory and port maps", info_mtree, NULL},
    {"devices", "", "", "the machine's devices", info_devices, NULL},
    {"device", "s", "ID", "all fields of one device", info_device, NULL},
    {"clock", "", "", "virtual time and timers", info_clock, NULL},
    {"version", "", "", "Calque's version", info_version, NULL},
    {0},
};
