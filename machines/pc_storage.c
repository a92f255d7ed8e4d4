/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage controllers of the PC board. */
#include "machines/pc_storage.h"

#include <stdio.h>

#include "machines/pc.h"

static void wire_virtio_blk(struct pc *pc, unsigned n)
{
    const struct pc_virtio_blk *c = &pc->config->storage.virtio_blk[n];
    struct pc_storage *s = &pc->storage;
    const struct virtio_blk_config config = {
        .disk = c->disk,
        .queues = c->queues,
        .pci = {.class = 0x0100, .modern_only = c->modern_only, .msi = pc->cpu.msi}};

    snprintf(s->virtio_blk_id[n], sizeof(s->virtio_blk_id[n]), "virtio-blk%u", n);
    virtio_blk_init(&s->virtio_blk[n], &pc->m, s->virtio_blk_id[n], &pc->pci, pc_free_devfn(pc),
                    &config);
}

static void wire_ahci(struct pc *pc)
{
    static const char *const ids[PC_MAX_AHCI] = {"ahci0", "ahci1"};
    const struct pc_storage_config *c = &pc->config->storage;

    for (unsigned n = 0; n < c->nahci; n++)
        ahci_init(&pc->storage.ahci[n], &pc->m, ids[n], &pc->pci, pc_free_devfn(pc), c->ahci[n],
                  PC_NUM_IDE + n * AHCI_NUM_PORTS);
}

void pc_wire_storage(struct pc *pc)
{
    const struct pc_storage_config *c = &pc->config->storage;
    struct pc_storage *s = &pc->storage;

    piix_ide_init(&s->ide, &pc->m, "ide", &pc->pci, pc_isa_irq(pc, 14), pc_isa_irq(pc, 15), c->ide);
    for (unsigned n = 0; n < c->nvirtio_blk; n++)
        wire_virtio_blk(pc, n);
    wire_ahci(pc);
}
