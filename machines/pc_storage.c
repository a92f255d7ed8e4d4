/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage controllers of the PC board. */
#include "machines/pc_storage.h"

#include "machines/pc.h"

void pc_wire_storage(struct pc *pc)
{
    const struct pc_storage_config *c = &pc->config->storage;
    struct pc_storage *s = &pc->storage;

    piix_ide_init(&s->ide, &pc->m, "ide", &pc->pci, pc_isa_irq(pc, 14), pc_isa_irq(pc, 15), c->ide);
}
