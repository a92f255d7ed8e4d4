/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machines/pc_services.h"

#include "machines/pc.h"

const struct pc_pci_place *pc_services_place(const struct pc_services_config *c, unsigned n)
{
    if (n < c->nrngs)
        return &c->rngs[n].place;
    return NULL;
}

/* The board's part of a virtio device's configuration. */
static struct virtio_pci_config with_msi(const struct pc *pc, const struct virtio_pci_config *c)
{
    return (struct virtio_pci_config){
        .class = c->class, .modern_only = c->modern_only, .msi = pc->cpu.msi};
}

static void wire_rng(struct pc *pc, unsigned n)
{
    static const char *const ids[PC_MAX_RNGS] = {"rng0", "rng1", "rng2", "rng3"};
    const struct pc_rng *r = &pc->config->services.rngs[n];
    const struct pc_pci_slot at = pc_pci_slot(pc, &r->place);
    struct virtio_rng_config config = r->config;

    config.pci = with_msi(pc, &config.pci);
    config.pci.class = 0x00ff;
    virtio_rng_init(&pc->services.rngs[n], &pc->m, ids[n], at.bus, at.devfn, &config);
}

void pc_wire_services(struct pc *pc)
{
    const struct pc_services_config *c = &pc->config->services;

    for (unsigned n = 0; n < c->nrngs; n++)
        wire_rng(pc, n);
}
