/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network cards of the PC. A model is one row. */
#include "machines/pc_net.h"

#include <string.h>

#include "base/bits.h"
#include "machines/pc.h"

static void wire_virtio(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    const struct virtio_net_config config = {
        .nic = c->nic,
        .pairs = c->pairs ? c->pairs : 1,
        .pci = {.class = 0x0200, .modern_only = c->modern_only, .msi = pc->cpu.msi}};

    virtio_net_init(&pc->net.nics[n].virtio, &pc->m, c->id, at.bus, at.devfn, &config);
}

static void wire_8254x(struct pc *pc, unsigned n, const struct pc_nic_config *c,
                       enum e1000_model model)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);

    e1000_init(&pc->net.nics[n].e1000, &pc->m, c->id, at.bus, at.devfn, model, &c->nic);
}

static void wire_82540em(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    wire_8254x(pc, n, c, E1000_82540EM);
}

static void wire_82545em(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    wire_8254x(pc, n, c, E1000_82545EM);
}

static const struct {
    const char *name;
    void (*wire)(struct pc *pc, unsigned n, const struct pc_nic_config *c);
} models[] = {
    {"e1000", wire_82540em},
    {"e1000-82545em", wire_82545em},
    {"virtio-net-pci", wire_virtio},
};

const char *pc_nic_model(unsigned n)
{
    return n < ARRAY_SIZE(models) ? models[n].name : NULL;
}

bool pc_nic_known(const char *model)
{
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        if (!strcmp(models[i].name, model))
            return true;
    return false;
}

void pc_wire_net(struct pc *pc)
{
    const struct pc_net_config *c = &pc->config->net;

    for (unsigned n = 0; n < c->nnics && n < PC_MAX_NICS; n++)
        for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
            if (!strcmp(models[i].name, c->nics[n].model))
                models[i].wire(pc, n, &c->nics[n]);
}
