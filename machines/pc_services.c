/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machines/pc_services.h"

#include "machines/pc.h"

const struct pc_pci_place *pc_services_place(const struct pc_services_config *c, unsigned n)
{
    if (n < c->nrngs)
        return &c->rngs[n].place;
    n -= c->nrngs;
    if (n < c->nconsoles)
        return &c->consoles[n].place;
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

void pc_wire_services(struct pc *pc)
{
    const struct pc_services_config *c = &pc->config->services;

    for (unsigned n = 0; n < c->nrngs; n++)
        wire_rng(pc, n);
    for (unsigned n = 0; n < c->nconsoles; n++)
        wire_console(pc, n);
}
