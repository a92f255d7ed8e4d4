/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info` about the board, its drives and connections, and commands for drives. Handlers run with
 * the machine lock held. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "cpu/x86/cpu.h"
#include "devices/bus/pci_bridge.h"
#include "host/block/drive.h"
#include "host/block/image.h"
#include "host/char/backend.h"
#include "machines/pc.h"
#include "monitor/monitor_internal.h"
#include "monitor/pci_names.h"
#include "vm/machine.h"

static struct pc *board(struct monitor *mon)
{
    if (!mon->ctl->about.pc)
        monitor_printf(mon, "this machine has no board\n");
    return mon->ctl->about.pc;
}

/* ---- who this is ---- */

void info_name(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    if (mon->ctl->about.name)
        monitor_printf(mon, "%s\n", mon->ctl->about.name);
}

void info_uuid(struct monitor *mon, const struct monitor_args *args)
{
    const char *uuid = mon->ctl->about.uuid;

    (void)args;
    monitor_printf(mon, "%s\n", uuid ? uuid : "00000000-0000-0000-0000-000000000000");
}

void info_cpus(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    for (unsigned i = 0; i < mon->m->ncpus; i++)
        monitor_printf(mon, "%c CPU #%u: %sthread_id=%d\n", i == mon->cpu ? '*' : ' ', i,
                       mon->m->cpus[i]->halted ? "(halted) " : "", mon->m->cpus[i]->thread_id);
}

static void print_chardev(void *opaque, const char *label, const char *filename, bool taken)
{
    (void)taken;
    monitor_printf(opaque, "%s: filename=%s\n", label, filename);
}

void info_chardev(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    if (mon->ctl->about.chardevs)
        chardevs_each(mon->ctl->about.chardevs, print_chardev, mon);
}

void info_history(struct monitor *mon, const struct monitor_args *args)
{
    unsigned n = mon->history_len < MONITOR_HISTORY ? mon->history_len : MONITOR_HISTORY;

    (void)args;
    for (unsigned i = mon->history_len - n; i < mon->history_len; i++)
        monitor_printf(mon, "%u: '%s'\n", i, mon->history[i % MONITOR_HISTORY]);
}

/* ---- interrupts ---- */

static void print_device(struct monitor *mon, struct device *d)
{
    monitor_printf(mon, "%s:\n", d->id);
    if (d->class->pre_save)
        d->class->pre_save(d);
    state_print_fields(d->class->fields, d, monitor_print_line, mon);
}

void info_pic(struct monitor *mon, const struct monitor_args *args)
{
    struct pc *pc = board(mon);

    (void)args;
    if (!pc)
        return;
    print_device(mon, &pc->pic.dev);
    print_device(mon, &pc->ioapic.dev);
}

/* Nobody counts interrupts: what is asked for, and what the PIC thinks of it, is shown. */
void info_irq(struct monitor *mon, const struct monitor_args *args)
{
    const struct pc *pc = board(mon);

    (void)args;
    for (unsigned i = 0; pc && i < 16; i++) {
        const struct i8259_chip *chip = &pc->pic.chip[i / 8];
        unsigned bit = 1u << (i % 8);

        monitor_printf(mon, "IRQ %2u: %s%s%s%s\n", i, pc->lines.isa[i] ? "asserted" : "idle",
                       chip->elcr & bit ? ", level" : ", edge", chip->imr & bit ? ", masked" : "",
                       chip->isr & bit ? ", in service" : "");
    }
}

/* ---- PCI ---- */

static void print_bar(struct monitor *mon, const struct pci_device *d, unsigned n)
{
    const struct pci_bar *bar = &d->bars[n];
    unsigned reg = PCI_BASE_ADDRESS_0 + 4 * n;
    uint64_t at = pci_get16(d, reg) | (uint64_t)pci_get16(d, reg + 2) << 16;
    bool io = bar->type & PCI_BAR_IO, wide = !io && bar->type & PCI_BAR_MEM64;

    if (wide)
        at |= (uint64_t)(pci_get16(d, reg + 4) | (uint32_t)pci_get16(d, reg + 6) << 16) << 32;
    at &= io ? ~3ull : ~15ull;
    if (bar->mapped)
        monitor_printf(mon, "      BAR%u: %s at 0x%" PRIx64 " [0x%" PRIx64 "].\n", n,
                       io     ? "I/O"
                       : wide ? "64 bit memory"
                              : "32 bit memory",
                       at, at + bar->size - 1);
    else
        monitor_printf(mon, "      BAR%u: %s, 0x%" PRIx64 " bytes, not mapped.\n", n,
                       io ? "I/O" : "memory", bar->size);
}

/* The id= of its -device, or what the board calls it. */
static const char *pci_id(const struct pc *pc, const struct pci_device *d)
{
    const struct pc_pci_place *place = pc_pci_find(pc, d->bus, d->devfn);

    return place && place->id[0] ? place->id : d->dev.id;
}

static void print_windows(struct monitor *mon, const struct pci_device *d)
{
    static const char *const kinds[] = {"I/O", "memory", "prefetchable memory"};

    monitor_printf(mon, "      BUS %u, secondary bus %u, subordinate bus %u.\n",
                   pci_bus_number(d->bus), d->config[PCI_SECONDARY_BUS],
                   d->config[PCI_SUBORDINATE_BUS]);
    for (unsigned kind = 0; kind < 3; kind++) {
        struct pci_bridge_window w = pci_bridge_window(d, kind);

        if (w.first <= w.last)
            monitor_printf(mon, "      %s range [0x%" PRIx64 ", 0x%" PRIx64 "]\n", kinds[kind],
                           w.first, w.last);
    }
}

struct pci_listing {
    struct monitor *mon;
    const struct pc *pc;
};

static void print_pci(void *opaque, const struct pci_device *d)
{
    const struct pci_listing *to = opaque;
    struct monitor *mon = to->mon;

    monitor_printf(mon, "  Bus %2u, device %3u, function %u:\n    %s: PCI device %04x:%04x\n",
                   pci_bus_number(d->bus), PCI_SLOT(d->devfn), PCI_FUNCTION(d->devfn),
                   pci_class_name(pci_get16(d, PCI_CLASS_DEVICE)), pci_get16(d, PCI_VENDOR_ID),
                   pci_get16(d, PCI_DEVICE_ID));
    if (d->config[PCI_INTERRUPT_PIN])
        monitor_printf(mon, "      IRQ %u, pin %c\n", d->config[PCI_INTERRUPT_LINE],
                       '@' + (d->config[PCI_INTERRUPT_PIN] & 7));
    for (unsigned n = 0; n < PCI_NUM_BARS; n++)
        if (d->bars[n].region)
            print_bar(mon, d, n);
    if (d->secondary)
        print_windows(mon, d);
    monitor_printf(mon, "      id \"%s\"\n", pci_id(to->pc, d));
}

void info_pci(struct monitor *mon, const struct monitor_args *args)
{
    struct pc *pc = board(mon);

    (void)args;
    if (pc)
        pci_each_device(&pc->pci, &(struct pci_listing){mon, pc}, print_pci);
}

struct pci_search {
    const struct device *wanted;
    bool found;
};

static void compare_device(void *opaque, const struct pci_device *d)
{
    struct pci_search *s = opaque;

    s->found |= &d->dev == s->wanted;
}

static void print_pci_line(void *opaque, const struct pci_device *d)
{
    const struct pci_listing *to = opaque;

    monitor_printf(to->mon, "    bus %s, addr %02x.%x: dev: %s, id \"%s\"\n",
                   d->bus->bridge ? pci_id(to->pc, d->bus->bridge) : PC_PCI_ROOT,
                   PCI_SLOT(d->devfn), PCI_FUNCTION(d->devfn), d->dev.class->type,
                   pci_id(to->pc, d));
}

/* The board's chips, and behind the host bridge those on PCI. */
void info_qtree(struct monitor *mon, const struct monitor_args *args)
{
    struct pc *pc = mon->ctl->about.pc;

    (void)args;
    monitor_printf(mon, "bus: board\n");
    for (unsigned i = 0; i < mon->m->ncpus; i++)
        monitor_printf(mon, "  dev: %s-x86_64-cpu, id \"cpu%u\"\n",
                       cpu_of(mon->m->cpus[i])->model.name, i);
    for (const struct device *d = mon->m->devices; d; d = d->next) {
        struct pci_search on_pci = {.wanted = d};

        if (pc)
            pci_each_device(&pc->pci, &on_pci, compare_device);
        if (!on_pci.found)
            monitor_printf(mon, "  dev: %s, id \"%s\"\n", d->class->type, d->id);
    }
    if (pc)
        pci_each_device(&pc->pci, &(struct pci_listing){mon, pc}, print_pci_line);
}

/* ---- drives ---- */

static void print_drive(struct monitor *mon, const struct blockdev *b)
{
    struct drive_status st = drive_status(b);
    char size[32];

    monitor_printf(mon, "%s: ", drive_config(b)->id);
    if (st.image)
        monitor_printf(mon, "%s (%s%s, %s)\n", image_path(st.image), image_format(st.image),
                       st.read_only ? ", read-only" : "", size_format(image_size(st.image), size));
    else
        monitor_printf(mon, "[not inserted]\n");
    if (drive_config(b)->removable)
        monitor_printf(mon, "    Removable device: %slocked, tray %s\n", st.locked ? "" : "not ",
                       st.tray_open ? "open" : "closed");
    if (st.image && image_backing_name(st.image))
        monitor_printf(mon, "    Backing file:     %s\n", image_backing_name(st.image));
    monitor_printf(mon, "    Cache mode:       %s\n", drive_config(b)->cache);
}

void info_block(struct monitor *mon, const struct monitor_args *args)
{
    const struct drives *ds = mon->ctl->about.drives;

    (void)args;
    for (struct blockdev *b = ds ? drive_next(ds, NULL) : NULL; b; b = drive_next(ds, b))
        print_drive(mon, b);
}

void info_blockstats(struct monitor *mon, const struct monitor_args *args)
{
    const struct drives *ds = mon->ctl->about.drives;

    (void)args;
    for (struct blockdev *b = ds ? drive_next(ds, NULL) : NULL; b; b = drive_next(ds, b)) {
        const struct drive_counters n = drive_status(b).counters;

        monitor_printf(mon,
                       "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64 " rd_operations=%" PRIu64
                       " wr_operations=%" PRIu64 " flush_operations=%" PRIu64 " failed=%" PRIu64
                       "\n",
                       drive_config(b)->id, n.read_bytes, n.written_bytes, n.reads, n.writes,
                       n.flushes, n.failed);
    }
}

/* eject [-f] DRIVE */
void cmd_eject(struct monitor *mon, const struct monitor_args *args)
{
    bool force = args->n == 2 && !strcmp(args->text[0], "-f");
    struct error err;
    struct blockdev *b = control_drive(mon->ctl, args->text[args->n - 1], &err);

    if (args->n == 2 && !force)
        monitor_printf(mon, "usage: eject [-f] DRIVE\n");
    else if (!b || !drive_eject(b, force, &err))
        monitor_printf(mon, "%s\n", err.text);
}

/* change DRIVE FILE [FORMAT] */
void cmd_change(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;
    struct blockdev *b = control_drive(mon->ctl, args->text[0], &err);

    if (!b ||
        !drive_change(b, args->text[1], args->n > 2 ? args->text[2] : NULL, DRIVE_RETAIN, &err))
        monitor_printf(mon, "%s\n", err.text);
}
