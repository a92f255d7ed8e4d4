/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machines/pc_services.h"

#include <stdio.h>

#include "base/error.h"
#include "machines/pc.h"
#include "vm/record.h"

const struct pc_pci_place *pc_services_place(const struct pc_services_config *c, unsigned n)
{
    if (n < c->nrngs)
        return &c->rngs[n].place;
    n -= c->nrngs;
    if (n < c->nconsoles)
        return &c->consoles[n].place;
    n -= c->nconsoles;
    if (n < c->nfolders)
        return &c->folders[n].place;
    n -= c->nfolders;
    if (c->balloon && !n--)
        return &c->balloon_place;
    if (c->watchdog && !n--)
        return &c->watchdog_place;
    if (c->pvpanic_pci && !n--)
        return &c->pvpanic_place;
    return NULL;
}

/* The board's part of a virtio device's configuration. */
static struct virtio_pci_config with_msi(const struct pc *pc, const struct virtio_pci_config *c,
                                         uint16_t class)
{
    return (struct virtio_pci_config){
        .class = class, .modern_only = c->modern_only, .msi = pc->cpu.msi};
}

static void wire_rng(struct pc *pc, unsigned n)
{
    static const char *const ids[PC_MAX_RNGS] = {"rng0", "rng1", "rng2", "rng3"};
    const struct pc_rng *r = &pc->config->services.rngs[n];
    const struct pc_pci_slot at = pc_pci_slot(pc, &r->place);
    struct virtio_rng_config config = r->config;

    config.pci = with_msi(pc, &config.pci, 0x00ff);
    virtio_rng_init(&pc->services.rngs[n], &pc->m, ids[n], at.bus, at.devfn, &config);
}

static void wire_console(struct pc *pc, unsigned n)
{
    static const char *const ids[PC_MAX_CONSOLES] = {"console0", "console1", "console2",
                                                     "console3"};
    const struct pc_console *c = &pc->config->services.consoles[n];
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    struct virtio_console_config config = c->config;

    config.pci = with_msi(pc, &config.pci, 0x0780);
    virtio_console_init(&pc->services.consoles[n], &pc->m, ids[n], at.bus, at.devfn, &config);
}

static bool wire_folder(struct pc *pc, unsigned n, struct error *err)
{
    static const char *const ids[PC_MAX_FOLDERS] = {"9p0", "9p1", "9p2", "9p3",
                                                    "9p4", "9p5", "9p6", "9p7"};
    const struct pc_folder *f = &pc->config->services.folders[n];
    const struct pc_pci_slot at = pc_pci_slot(pc, &f->place);
    struct virtio_9p_config config = f->config;

    config.pci = with_msi(pc, &config.pci, 0x0002);
    return virtio_9p_init(&pc->services.folders[n], &pc->m, ids[n], at.bus, at.devfn, &config) ||
           error_set(err, "out of memory");
}

static void wire_balloon(struct pc *pc)
{
    const struct pc_services_config *c = &pc->config->services;
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->balloon_place);
    struct virtio_balloon_config config = c->balloon_config;

    config.pci = with_msi(pc, &config.pci, 0x00ff);
    virtio_balloon_init(&pc->services.balloon, &pc->m, "balloon", at.bus, at.devfn, &config);
}

/* ---- the watchdog ---- */

const char *const pc_watchdog_actions[NUM_WATCHDOG_ACTIONS] = {
    "reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi"};

/* To all processors (SDM vol. 3A 11.11.1, 11.11.2: a physical destination of all ones). */
#define MSI_TO_ALL 0xfeeff000u
#define MSI_NMI    0x400u

static void watchdog_expired(void *opaque)
{
    struct pc *pc = opaque;
    struct machine *m = &pc->m;
    enum pc_watchdog_action action = pc->config->services.watchdog_action;

    machine_announce(m, RUN_EVENT_WATCHDOG, pc_watchdog_actions[action]);
    switch (action) {
    case WATCHDOG_RESET:
        machine_request_reset(m);
        break;
    case WATCHDOG_SHUTDOWN:
        piix4_pm_press_power_button(&pc->pm);
        break;
    case WATCHDOG_POWEROFF:
        machine_request_end(m, STOP_POWEROFF, 0);
        break;
    case WATCHDOG_PAUSE:
        machine_request_stop(m, STOP_WATCHDOG);
        break;
    case WATCHDOG_DEBUG:
        if (!record_is_silent(m))
            fputs("calque: watchdog: its time is up\n", stderr);
        break;
    case WATCHDOG_NMI:
        if (pc->cpu.msi.send)
            pc->cpu.msi.send(pc->cpu.msi.owner, MSI_TO_ALL, MSI_NMI);
        break;
    default:
        break;
    }
}

static void wire_watchdog(struct pc *pc)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &pc->config->services.watchdog_place);

    i6300esb_init(&pc->services.watchdog, &pc->m, "watchdog", at.bus, at.devfn, pc->cpu.smi,
                  watchdog_expired, pc);
}

/* ---- panics ---- */

const char *const pc_panic_actions[NUM_PANIC_ACTIONS] = {"shutdown", "pause", "exit-failure",
                                                         "none"};

/* -no-shutdown keeps the machine here, too. */
static void panicked(struct pc *pc)
{
    struct machine *m = &pc->m;
    enum pc_panic_action action = pc->config->services.panic_action;

    if (action == PANIC_NONE) {
        machine_announce(m, RUN_EVENT_PANICKED, "run");
    } else if (action == PANIC_PAUSE || (action == PANIC_SHUTDOWN && m->run.no_shutdown)) {
        machine_announce(m, RUN_EVENT_PANICKED, "pause");
        machine_request_stop(m, STOP_GUEST_PANIC);
    } else {
        machine_announce(m, RUN_EVENT_PANICKED, "poweroff");
        machine_request_end(m, STOP_GUEST_PANIC, 0);
    }
}

static void panic_told(void *opaque, unsigned events)
{
    struct pc *pc = opaque;

    if (events & PVPANIC_PANICKED)
        panicked(pc);
    else
        machine_announce(&pc->m, RUN_EVENT_CRASH_LOADED, "run");
}

static void wire_pvpanic(struct pc *pc)
{
    const struct pc_services_config *c = &pc->config->services;
    const struct pvpanic_sink sink = {panic_told, pc};

    if (c->pvpanic_port)
        pvpanic_isa_init(&pc->services.pvpanic, &pc->m, "pvpanic", c->pvpanic_port, sink);
    if (!c->pvpanic_pci)
        return;
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->pvpanic_place);
    pvpanic_pci_init(&pc->services.pvpanic_pci, &pc->m, "pvpanic-pci", at.bus, at.devfn, sink);
}

/* ---- all of them ---- */

bool pc_wire_services(struct pc *pc, struct error *err)
{
    const struct pc_services_config *c = &pc->config->services;

    for (unsigned n = 0; n < c->nrngs; n++)
        wire_rng(pc, n);
    for (unsigned n = 0; n < c->nconsoles; n++)
        wire_console(pc, n);
    for (unsigned n = 0; n < c->nfolders; n++)
        if (!wire_folder(pc, n, err))
            return false;
    if (c->balloon)
        wire_balloon(pc);
    if (c->watchdog)
        wire_watchdog(pc);
    wire_pvpanic(pc);
    return true;
}

void pc_services_destroy(struct pc *pc)
{
    for (unsigned n = 0; n < PC_MAX_FOLDERS; n++)
        virtio_9p_destroy(&pc->services.folders[n]);
}
