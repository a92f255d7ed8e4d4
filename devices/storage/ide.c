/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers are written to both drives and read from the selected one. In place of an absent drive
 * 1 drive 0 answers, with its registers and a status of 0; without a drive that answers the cable
 * floats, but for DD7, which is pulled down so that nobody seems busy (ATA8-APT 4.2, annex B). */
#include "devices/storage/ide.h"

#include <string.h>

#include "vm/machine.h"

#define FLOATING     0x7f
#define CONTROL_NIEN 0x02
#define CONTROL_SRST 0x04
#define CONTROL_HOB  0x80

#define COMMAND_DEVICE_RESET 0x08
#define COMMAND_DIAGNOSTIC   0x90

enum { REG_DATA, REG_ERROR, REG_COUNT, REG_LBA0, REG_LBA1, REG_LBA2, REG_DEVICE, REG_STATUS };

static bool present(const struct ide_channel *c, unsigned n)
{
    return c->drive[n].kind != ATA_NONE;
}

struct ata_drive *ide_selected(struct ide_channel *c)
{
    return present(c, c->select) ? &c->drive[c->select] : NULL;
}

/* Who answers for the selected drive. */
static struct ata_drive *answering(struct ide_channel *c)
{
    return present(c, c->select) ? &c->drive[c->select] : present(c, 0) ? &c->drive[0] : NULL;
}

/* ---- interrupts ---- */

static void update_irq(struct ide_channel *c)
{
    bool level = c->intrq[c->select] && !(c->control & CONTROL_NIEN);

    if (level && !c->level)
        c->dma.interrupt(c->dma.owner);
    c->level = level;
    irq_set(c->irq, level);
}

static void set_intrq(struct ide_channel *c, unsigned n, bool on)
{
    c->intrq[n] = on;
    update_irq(c);
}

/* ---- the drives' side ---- */

static unsigned index_of(const struct ide_channel *c, const struct ata_drive *d)
{
    return d == &c->drive[1];
}

static void drive_data(void *owner, struct ata_drive *d, bool interrupt)
{
    struct ide_channel *c = owner;

    if (interrupt)
        set_intrq(c, index_of(c, d), true);
    if (d->dma && d->phase != ATA_PACKET && c->dma.ready(c->dma.owner))
        c->dma.data(c->dma.owner, d);
}

static void drive_done(void *owner, struct ata_drive *d, bool interrupt)
{
    struct ide_channel *c = owner;

    if (interrupt)
        set_intrq(c, index_of(c, d), true);
}

static bool drive_dma_ready(void *owner, struct ata_drive *d)
{
    struct ide_channel *c = owner;

    (void)d;
    return c->dma.ready(c->dma.owner);
}

/* ---- data port ---- */

static bool wants_pio(const struct ata_drive *d)
{
    return d->chunk && (d->phase == ATA_PACKET || (!d->dma && d->phase != ATA_IDLE));
}

/* The port moves words; a chunk of an odd length ends with half of one. `moved` counts in chunk. */
static void advance(struct ata_drive *d, unsigned n)
{
    if (n < d->chunk) {
        d->chunk -= n;
        d->pos += n;
        return;
    }
    d->pos += d->chunk;
    d->chunk = 0;
    ata_moved(d);
}

static uint32_t read_data(struct ata_drive *d, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && d && d->phase == ATA_IN && wants_pio(d); i += 2) {
        unsigned n = size - i < 2 ? 1 : 2;

        for (unsigned k = 0; k < n && k < d->chunk; k++)
            value |= (uint32_t)d->buffer[d->pos + k] << 8 * (i + k);
        advance(d, n);
    }
    return value;
}

static void write_data(struct ata_drive *d, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size && d && d->phase != ATA_IN && wants_pio(d); i += 2) {
        unsigned n = size - i < 2 ? 1 : 2;

        for (unsigned k = 0; k < n && k < d->chunk; k++)
            d->buffer[d->pos + k] = (uint8_t)(value >> 8 * (i + k));
        advance(d, n);
    }
}

/* ---- registers ---- */

static uint8_t status(struct ide_channel *c)
{
    struct ata_drive *d = ide_selected(c);

    if (!answering(c))
        return FLOATING;
    if (c->control & CONTROL_SRST)
        return ATA_BSY;
    return d ? d->r.status : 0;
}

static uint8_t read_register(struct ide_channel *c, unsigned reg)
{
    struct ata_drive *d = answering(c);
    bool hob = c->control & CONTROL_HOB;

    if (!d)
        return FLOATING;
    switch (reg) {
    case REG_ERROR:
        return hob ? d->r.hob_feature : d->r.error;
    case REG_COUNT:
        return hob ? d->r.hob_count : d->r.count;
    case REG_LBA0:
    case REG_LBA1:
    case REG_LBA2:
        return hob ? d->r.hob_lba[reg - REG_LBA0] : d->r.lba[reg - REG_LBA0];
    case REG_DEVICE:
        return (uint8_t)((d->r.device & ~ATA_DEV) | (c->select ? ATA_DEV : 0));
    default: /* status: INTRQ is acknowledged */
        set_intrq(c, c->select, false);
        return status(c);
    }
}

static void shift_in(uint8_t *reg, uint8_t *hob, uint8_t value)
{
    *hob = *reg;
    *reg = value;
}

static void write_drive_register(struct ata_drive *d, unsigned reg, uint8_t value)
{
    switch (reg) {
    case REG_ERROR:
        shift_in(&d->r.feature, &d->r.hob_feature, value);
        break;
    case REG_COUNT:
        shift_in(&d->r.count, &d->r.hob_count, value);
        break;
    case REG_DEVICE:
        d->r.device = value | 0xa0; /* obsolete bits that are always set */
        break;
    default:
        shift_in(&d->r.lba[reg - REG_LBA0], &d->r.hob_lba[reg - REG_LBA0], value);
        break;
    }
}

/* ---- resets and commands ---- */

static void reset_drives(struct ide_channel *c)
{
    for (unsigned n = 0; n < 2; n++)
        if (present(c, n))
            ata_soft_reset(&c->drive[n]);
    c->select = 0;
    c->intrq[0] = c->intrq[1] = false;
    update_irq(c);
}

static void write_control(struct ide_channel *c, uint8_t value)
{
    bool ends = (c->control & CONTROL_SRST) && !(value & CONTROL_SRST);

    c->control = value & (CONTROL_HOB | CONTROL_SRST | CONTROL_NIEN);
    if (ends || (value & CONTROL_SRST))
        reset_drives(c);
    update_irq(c);
}

static void write_command(struct ide_channel *c, uint8_t value)
{
    struct ata_drive *d = ide_selected(c);

    if (value == COMMAND_DIAGNOSTIC && answering(c)) { /* for both; drive 0 tells the end */
        reset_drives(c);
        set_intrq(c, 0, present(c, 0));
        return;
    }
    if (!d || (value == COMMAND_DEVICE_RESET && d->kind != ATA_CDROM &&
               (d->r.status & (ATA_BSY | ATA_DRQ))))
        return;
    set_intrq(c, c->select, false);
    d->r.command = value;
    ata_command(d);
}

/* While a drive is busy or moves data it takes nothing but a reset (ATA8-ACS 6.1). */
static bool takes_writes(struct ide_channel *c, unsigned reg, uint8_t value)
{
    const struct ata_drive *d = ide_selected(c);

    if (c->control & CONTROL_SRST)
        return false;
    return !d || !(d->r.status & (ATA_BSY | ATA_DRQ)) ||
           (reg == REG_STATUS && value == COMMAND_DEVICE_RESET);
}

static void write_register(struct ide_channel *c, unsigned reg, uint8_t value)
{
    c->control &= (uint8_t)~CONTROL_HOB;
    if (!takes_writes(c, reg, value))
        return;
    if (reg == REG_STATUS) {
        write_command(c, value);
        return;
    }
    for (unsigned n = 0; n < 2; n++)
        if (present(c, n))
            write_drive_register(&c->drive[n], reg, value);
    if (reg == REG_DEVICE) {
        c->select = value & ATA_DEV ? 1 : 0;
        update_irq(c);
    }
}

/* ---- ports ---- */

/* Only the data port is wider than a byte. */
static uint64_t command_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ide_channel *c = opaque;
    uint64_t value = 0;

    if (offset == REG_DATA)
        return answering(c) ? read_data(ide_selected(c), size) : 0x7f7f7f7f;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(offset + i < 8 ? read_register(c, (unsigned)offset + i) : 0xff)
                 << 8 * i;
    return value;
}

static void command_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct ide_channel *c = opaque;

    if (offset == REG_DATA) {
        write_data(ide_selected(c), (uint32_t)value, size);
        return;
    }
    for (unsigned i = 0; i < size && offset + i < 8; i++)
        write_register(c, (unsigned)offset + i, (uint8_t)(value >> 8 * i));
}

static uint64_t control_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)offset, (void)size;
    return status(opaque);
}

static void control_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset, (void)size;
    write_control(opaque, (uint8_t)value);
}

/* ---- life ---- */

void ide_channel_enable(struct ide_channel *c, bool ports)
{
    if (c->command_ports.enabled == ports)
        return;
    region_enable(&c->command_ports, ports);
    region_enable(&c->control_port, ports);
}

void ide_channel_reset(struct ide_channel *c)
{
    for (unsigned n = 0; n < 2; n++)
        if (present(c, n))
            ata_drive_reset(&c->drive[n]);
    c->control = c->select = 0;
    c->intrq[0] = c->intrq[1] = false;
    update_irq(c);
}

void ide_channel_pre_save(struct ide_channel *c)
{
    for (unsigned n = 0; n < 2; n++)
        if (present(c, n))
            ata_drive_pre_save(&c->drive[n]);
}

/* The line itself is in its receiver's state. */
void ide_channel_post_load(struct ide_channel *c)
{
    for (unsigned n = 0; n < 2; n++)
        if (present(c, n))
            ata_drive_post_load(&c->drive[n]);
    c->level = c->intrq[c->select] && !(c->control & CONTROL_NIEN);
    irq_set(c->irq, c->level);
}

const struct state_field ide_channel_fields[] = {
    STATE_STRUCTS(struct ide_channel, drive, 2, struct ata_drive, ata_drive_fields),
    STATE_U8(struct ide_channel, control),
    STATE_U8_MAX(struct ide_channel, select, 1),
    STATE_ARRAY(STATE_BOOL, struct ide_channel, intrq, 2),
    STATE_FIELDS_END,
};

void ide_channel_init(struct ide_channel *c, struct machine *m, uint16_t command, uint16_t control,
                      struct irq_line irq, const struct ide_drive_config drives[2], unsigned number,
                      struct ide_dma dma)
{
    static const struct region_ops command_ops = {
        .read = command_read, .write = command_write, .min_size = 1, .max_size = 4};
    static const struct region_ops control_ops = {
        .read = control_read, .write = control_write, .min_size = 1, .max_size = 1};
    const struct ata_host host = {drive_data, drive_done, drive_dma_ready, c};

    c->irq = irq;
    c->dma = dma;
    for (unsigned n = 0; n < 2; n++)
        if (drives[n].kind != ATA_NONE)
            ata_drive_init(&c->drive[n], m, drives[n].kind, drives[n].disk, number + n, false,
                           host);
    region_init_device(&c->command_ports, "ide-command", 8, &command_ops, c);
    region_init_device(&c->control_port, "ide-control", 1, &control_ops, c);
    region_add(&m->io, &c->command_ports, command, 0);
    region_add(&m->io, &c->control_port, control, 0);
}
