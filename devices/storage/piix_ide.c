/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 82371SB PIIX3, function 1 (datasheet order number 290550, 2.3 and 2.7; "Programming Interface for
 * Bus Master IDE Controller", revision 1.0).
 *
 * A transfer takes no time: when drive and engine are both ready a whole buffer is moved. Not here:
 * the effect of timing registers, which are storage only. */
#include "devices/storage/piix_ide.h"

#include <string.h>

#include "base/bits.h"
#include "vm/machine.h"

enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };

#define COMMAND_START   0x01
#define COMMAND_TO_MEM  0x08
#define STATUS_ACTIVE   0x01
#define STATUS_ERROR    0x02
#define STATUS_IRQ      0x04
#define STATUS_WRITABLE 0x60 /* "drive n can do DMA": the BIOS's to say */

/* ---- descriptors ---- */

static bool master_enabled(const struct piix_bus_master *b)
{
    return pci_get16(&b->ide->pci, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static bool ready(void *owner)
{
    const struct piix_bus_master *b = owner;

    return (b->status & STATUS_ACTIVE) && master_enabled(b);
}

/* A descriptor: address, count (0: 64 KiB), bit 31 in the last one. Both are even. */
static bool next_region(struct piix_bus_master *b)
{
    uint8_t d[8];
    uint32_t count;

    if (b->last)
        return false;
    address_space_read_block(b->ide->pci.bus->mem, b->next, d, sizeof(d));
    count = ld_le16(d + 4) & 0xfffeu;
    b->address = ld_le32(d) & ~1u;
    b->left = count ? count : 0x10000;
    b->last = d[7] & 0x80;
    b->next += 8;
    return true;
}

static void move(struct piix_bus_master *b, uint8_t *data, uint32_t n)
{
    struct address_space *mem = b->ide->pci.bus->mem;

    if (b->command & COMMAND_TO_MEM)
        address_space_write_block(mem, b->address, data, n);
    else
        address_space_read_block(mem, b->address, data, n);
    b->address += n;
    b->left -= n;
}

/* Moves the drive's chunk. If the table ends before it, the engine stops and the drive waits on,
 * until somebody resets it; so it does if the directions differ. */
static void data(void *owner, struct ata_drive *d)
{
    struct piix_bus_master *b = owner;
    uint32_t done = 0;

    if ((d->phase == ATA_IN) != !!(b->command & COMMAND_TO_MEM))
        return;
    while (done < d->chunk) {
        uint32_t n = d->chunk - done;

        if (!b->left && !next_region(b))
            break;
        n = n < b->left ? n : b->left;
        move(b, d->buffer + d->pos + done, n);
        done += n;
    }
    if (!b->left && b->last)
        b->status &= (uint8_t)~STATUS_ACTIVE;
    if (done == d->chunk)
        ata_moved(d);
}

static void interrupt(void *owner)
{
    ((struct piix_bus_master *)owner)->status |= STATUS_IRQ;
}

/* ---- registers ---- */

static void start(struct piix_bus_master *b)
{
    struct ata_drive *d = ide_selected(b->channel);

    b->status |= STATUS_ACTIVE;
    b->next = b->table;
    b->left = 0;
    b->last = false;
    if (!d || !d->dma || !ready(b) || (d->phase != ATA_IN && d->phase != ATA_OUT))
        return;
    if (d->chunk)
        data(b, d);
    else
        ata_dma_go(d);
}

static void write_command(struct piix_bus_master *b, uint8_t value)
{
    bool was = b->command & COMMAND_START;

    b->command = value & (COMMAND_START | COMMAND_TO_MEM);
    if (!(value & COMMAND_START))
        b->status &= (uint8_t)~STATUS_ACTIVE;
    else if (!was)
        start(b);
}

static void write_status(struct piix_bus_master *b, uint8_t value)
{
    uint8_t keep = b->status & (STATUS_ACTIVE | (~value & (STATUS_ERROR | STATUS_IRQ)));

    b->status = keep | (value & STATUS_WRITABLE);
}

static uint8_t read_byte(const struct piix_bus_master *b, unsigned reg)
{
    switch (reg) {
    case BM_COMMAND:
        return b->command;
    case BM_STATUS:
        return b->status;
    case BM_TABLE ... BM_TABLE + 3:
        return (uint8_t)(b->table >> 8 * (reg - BM_TABLE));
    default:
        return 0;
    }
}

static void write_byte(struct piix_bus_master *b, unsigned reg, uint8_t value)
{
    unsigned shift = 8 * (reg & 3);

    if (reg == BM_COMMAND)
        write_command(b, value);
    else if (reg == BM_STATUS)
        write_status(b, value);
    else if (reg >= BM_TABLE)
        b->table = ((b->table & ~(0xffu << shift)) | (uint32_t)value << shift) & ~3u;
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    struct piix_ide *s = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)read_byte(&s->master[(offset + i) >> 3 & 1], (offset + i) & 7) << 8 * i;
    return value;
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct piix_ide *s = opaque;

    for (unsigned i = 0; i < size; i++)
        write_byte(&s->master[(offset + i) >> 3 & 1], (offset + i) & 7, (uint8_t)(value >> 8 * i));
}

/* ---- configuration ---- */

/* The decode enable bits of IDETIM are storage only: UEFI firmware made for this board as QEMU has
 * it (OVMF) uses the ports without setting them. */
static void update_decoding(struct piix_ide *s)
{
    bool io = pci_get16(&s->pci, PCI_COMMAND) & PCI_COMMAND_IO;

    ide_channel_enable(&s->channel[0], io);
    ide_channel_enable(&s->channel[1], io);
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    (void)offset, (void)size;
    update_decoding((struct piix_ide *)d);
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct piix_ide *s = (struct piix_ide *)dev;

    pci_device_reset(&s->pci);
    memset(s->pci.config + PIIX_IDETIM, 0, 5);
    for (unsigned n = 0; n < 2; n++) {
        struct piix_bus_master *b = &s->master[n];

        ide_channel_reset(&s->channel[n]);
        b->command = b->status = 0;
        b->table = b->next = b->address = b->left = 0;
        b->last = false;
    }
    update_decoding(s);
}

static void pre_save(struct device *dev)
{
    struct piix_ide *s = (struct piix_ide *)dev;

    ide_channel_pre_save(&s->channel[0]);
    ide_channel_pre_save(&s->channel[1]);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct piix_ide *s = (struct piix_ide *)dev;

    (void)err;
    pci_device_post_load(&s->pci);
    ide_channel_post_load(&s->channel[0]);
    ide_channel_post_load(&s->channel[1]);
    update_decoding(s);
    return true;
}

static const struct state_field master_fields[] = {
    STATE_U8(struct piix_bus_master, command),
    STATE_U8(struct piix_bus_master, status),
    STATE_U32(struct piix_bus_master, table),
    STATE_U32(struct piix_bus_master, next),
    STATE_U32(struct piix_bus_master, address),
    STATE_U32_MAX(struct piix_bus_master, left, 0x10000),
    STATE_BOOL(struct piix_bus_master, last),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct piix_ide, pci, 1, struct pci_device, pci_device_fields),
    STATE_STRUCTS(struct piix_ide, channel, 2, struct ide_channel, ide_channel_fields),
    STATE_STRUCTS(struct piix_ide, master, 2, struct piix_bus_master, master_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "piix3-ide",
                                          .version = 1,
                                          .fields = fields,
                                          .reset = reset,
                                          .pre_save = pre_save,
                                          .post_load = post_load};

static void init_channel(struct piix_ide *s, unsigned n, struct irq_line irq,
                         const struct ide_drive_config *drives)
{
    static const uint16_t command[2] = {0x1f0, 0x170}, control[2] = {0x3f6, 0x376};
    struct piix_bus_master *b = &s->master[n];
    const struct ide_dma dma = {ready, data, interrupt, b};

    b->ide = s;
    b->channel = &s->channel[n];
    ide_channel_init(b->channel, s->pci.dev.m, command[n], control[n], irq, drives, 2 * n, dma);
}

void piix_ide_init(struct piix_ide *s, struct machine *m, const char *id, struct pci_bus *bus,
                   struct irq_line irq14, struct irq_line irq15,
                   const struct ide_drive_config drives[4])
{
    static const struct pci_ids ids = {
        .vendor = 0x8086, .device = 0x7010, .class = 0x0101, .prog_if = 0x80};
    static const struct region_ops ops = {
        .read = ports_read, .write = ports_write, .min_size = 1, .max_size = 4};

    memset(s, 0, sizeof(*s));
    pci_device_init(&s->pci, m, &class, id, bus, PIIX_IDE_DEVFN, &ids);
    pci_set16(&s->pci, PCI_STATUS, 0x0280); /* medium DEVSEL, fast back-to-back */
    memset(s->pci.wmask + PCI_COMMAND, 0, 2);
    s->pci.wmask[PCI_COMMAND] = PCI_COMMAND_IO | PCI_COMMAND_MASTER;
    s->pci.wmask[PCI_INTERRUPT_LINE] = 0;
    memset(s->pci.wmask + PIIX_IDETIM, 0xff, 5); /* IDETIM, IDETIM, SIDETIM */
    s->pci.config_written = config_written;
    region_init_device(&s->ports, "ide-bus-master", 16, &ops, s);
    pci_device_add_bar(&s->pci, 4, PCI_BAR_IO, &s->ports);
    init_channel(s, 0, irq14, drives);
    init_channel(s, 1, irq15, drives + 2);
    reset(&s->pci.dev);
}
