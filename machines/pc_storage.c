/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage controllers of the PC board. */
#include "machines/pc_storage.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    struct pc_storage *s = &pc->storage;
    const struct virtio_blk_config config = {
        .disk = c->disk,
        .queues = c->queues,
        .pci = {.class = 0x0100, .modern_only = c->modern_only, .msi = pc->cpu.msi}};

    snprintf(s->virtio_blk_id[n], sizeof(s->virtio_blk_id[n]), "virtio-blk%u", n);
    virtio_blk_init(&s->virtio_blk[n], &pc->m, s->virtio_blk_id[n], at.bus, at.devfn, &config);
}

static void wire_ahci(struct pc *pc)
{
    static const char *const ids[PC_MAX_AHCI] = {"ahci0", "ahci1"};
    const struct pc_storage_config *c = &pc->config->storage;

    for (unsigned n = 0; n < c->nahci && n < PC_MAX_AHCI; n++) {
        const struct pc_pci_slot at = pc_pci_slot(pc, &c->ahci_place[n]);

        ahci_init(&pc->storage.ahci[n], &pc->m, ids[n], at.bus, at.devfn, c->ahci[n],
                  PC_NUM_IDE + n * AHCI_NUM_PORTS, pc->cpu.msi);
    }
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

/* ---- the boot order ---- */

#define PC_BOOT_PATH 176 /* bytes of a path, behind all the bridges there can be */
#define MAX_BOOT                                                                                   \
    (PC_NUM_IDE + PC_MAX_VIRTIO_BLK + PC_MAX_AHCI * AHCI_NUM_PORTS + FDC_NUM_DRIVES + PC_MAX_NICS)

struct boot_list {
    unsigned n;
    struct boot_drive {
        int index;
        char path[PC_BOOT_PATH];
    } drives[MAX_BOOT];
};

/* In order; what has no place (-1) is left out. */
__attribute__((format(printf, 3, 4))) static void add_boot(struct boot_list *l, int index,
                                                           const char *path, ...)
{
    unsigned at = l->n;
    va_list ap;

    if (index < 0)
        return;
    while (at && l->drives[at - 1].index > index) {
        l->drives[at] = l->drives[at - 1];
        at--;
    }
    l->drives[at].index = index;
    va_start(ap, path);
    vsnprintf(l->drives[at].path, sizeof(l->drives[at].path), path, ap);
    va_end(ap);
    l->n++;
}

/* "/pci@i0cf8/pci-bridge@5/scsi@4,1": a PCI function of that name, with the bridges it is behind;
 * the unit address is as IEEE 1275's PCI binding has it (2.2.1.3). */
static const char *pci_path(const struct pci_device *d, const char *name, char text[PC_BOOT_PATH])
{
    size_t length;

    if (d->bus->bridge)
        pci_path(d->bus->bridge, "pci-bridge", text);
    else
        snprintf(text, PC_BOOT_PATH, "/pci@i0cf8");
    length = strlen(text);
    snprintf(text + length, PC_BOOT_PATH - length, PCI_FUNCTION(d->devfn) ? "/%s@%x,%x" : "/%s@%x",
             name, PCI_SLOT(d->devfn), PCI_FUNCTION(d->devfn));
    return text;
}

/* A drive that is not there has no place, either. */
static int place_of(const struct blockdev *disk)
{
    return disk ? blockdev_boot_index(disk) : -1;
}

static void add_ata_boot(struct boot_list *l, const struct pc *pc)
{
    const struct pc_storage_config *c = &pc->config->storage;
    char at[PC_BOOT_PATH];

    for (unsigned n = 0; n < PC_NUM_IDE; n++)
        add_boot(l, place_of(c->ide[n].disk), "%s/drive@%x/disk@%x",
                 pci_path(&pc->storage.ide.pci, "ide", at), n / 2, n % 2);
    for (unsigned n = 0; n < c->nahci; n++)
        for (unsigned port = 0; port < AHCI_NUM_PORTS; port++)
            add_boot(l, place_of(c->ahci[n][port].disk), "%s/drive@%x/disk@0",
                     pci_path(&pc->storage.ahci[n].pci, "pci8086,2922", at), port);
}

unsigned pc_boot_list(const struct pc *pc, char list[PC_BOOT_LIST_SIZE])
{
    const struct pc_storage_config *c = &pc->config->storage;
    struct boot_list l = {0};
    size_t length = 0;
    char at[PC_BOOT_PATH];

    add_ata_boot(&l, pc);
    for (unsigned n = 0; n < c->nvirtio_blk; n++)
        add_boot(&l, place_of(c->virtio_blk[n].disk), "%s/disk@0,0",
                 pci_path(&pc->storage.virtio_blk[n].bus.pci, "scsi", at));
    for (unsigned n = 0; n < FDC_NUM_DRIVES; n++)
        add_boot(&l, place_of(c->floppy[n]), "/pci@i0cf8/isa@1/fdc@03f0/floppy@%x", n);
    for (unsigned n = 0; n < pc->config->net.nnics; n++)
        if (pc->net.nics[n].pci)
            add_boot(&l, pc->config->net.nics[n].boots ? pc->config->net.nics[n].boot_index : -1,
                     "%s/ethernet-phy@0", pci_path(pc->net.nics[n].pci, "ethernet", at));
    list[0] = 0;
    for (unsigned n = 0; n < l.n; n++)
        length += (size_t)snprintf(list + length, PC_BOOT_LIST_SIZE - length, "%s%s", n ? "\n" : "",
                                   l.drives[n].path);
    return l.n;
}
