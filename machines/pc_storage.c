/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage controllers of the PC board. */
#include "machines/pc_storage.h"

#include <stdio.h>

#include "base/error.h"
#include "host/block/blockdev.h"
#include "machines/pc.h"

static bool check_flash(const struct pc_storage_config *c, struct error *err)
{
    uint64_t all = 0;

    for (unsigned n = 0; n < PC_NUM_FLASH; n++) {
        uint64_t size = c->flash[n] ? blockdev_geometry(c->flash[n]).size : 0;

        if (c->flash[n] && (!size || size % CFI01_BLOCK || size > PC_FLASH_MAX))
            return error_set(err,
                             "pflash%u: %llu bytes long, expected a multiple of 4 KiB up to 8 MiB",
                             n, (unsigned long long)size);
        all += size;
    }
    if (all > PC_FLASH_MAX)
        return error_set(err, "pflash: %llu bytes together, expected at most 8 MiB",
                         (unsigned long long)all);
    return c->flash[0] || !c->flash[1] ||
           error_set(err, "pflash1 without pflash0: the firmware is expected in unit=0");
}

bool pc_add_flash(struct pc *pc, struct error *err)
{
    static const char *const ids[PC_NUM_FLASH] = {"pflash0", "pflash1"};
    const struct pc_storage_config *c = &pc->config->storage;
    uint64_t end = 1ull << 32;

    if (!check_flash(c, err))
        return false;
    for (unsigned n = 0; n < PC_NUM_FLASH; n++) {
        struct cfi01 *f = &pc->storage.flash[n];

        if (!c->flash[n])
            continue;
        if (!cfi01_init(f, &pc->m, ids[n], end, c->flash[n], err))
            return false;
        end -= f->size;
        if (n == 0 && f->size >= 0x20000)
            pc->bios_last_128k = f->arena_at + f->size - 0x20000;
    }
    return true;
}

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

    for (unsigned n = 0; n < c->nahci && n < PC_MAX_AHCI; n++)
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
    fdc82078_init(&s->fdc, &pc->m, "fdc", 0x3f0, pc_isa_irq(pc, 6), &pc->dma, c->floppy);
}
