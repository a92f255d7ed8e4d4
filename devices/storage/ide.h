/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_IDE_H
#define CALQUE_DEVICES_STORAGE_IDE_H

#include "devices/storage/ata.h"
#include "vm/irq.h"
#include "vm/memory.h"

/* A parallel ATA channel (ATA8-APT): the registers of up to two drives at eight ports and one
 * (device control and alternate status), and INTRQ. Part of a controller, whose state it is. */

/* The controller's DMA engine. */
struct ide_dma {
    bool (*ready)(void *owner);                     /* it is started */
    void (*data)(void *owner, struct ata_drive *d); /* d has a chunk to move */
    void (*interrupt)(void *owner);                 /* INTRQ rose */
    void *owner;
};

struct ide_channel {
    struct ata_drive drive[2]; /* kind ATA_NONE: absent */
    uint8_t control;           /* device control */
    uint8_t select;            /* DEV of the device register */
    bool intrq[2];             /* the drive has one pending */
    bool level;                /* wiring: of INTRQ as it is driven */
    struct irq_line irq;
    struct ide_dma dma;
    struct region command_ports, control_port;
};

extern const struct state_field ide_channel_fields[];

/* What is plugged in. */
struct ide_drive_config {
    enum ata_kind kind;
    struct blockdev *disk;
};

/* Adds the ports, 8 at `command` and 1 at `control`, to m->io. number: of the first drive. */
void ide_channel_init(struct ide_channel *c, struct machine *m, uint16_t command, uint16_t control,
                      struct irq_line irq, const struct ide_drive_config drives[2], unsigned number,
                      struct ide_dma dma);
void ide_channel_enable(struct ide_channel *c, bool ports);
void ide_channel_reset(struct ide_channel *c);
void ide_channel_pre_save(struct ide_channel *c);
void ide_channel_post_load(struct ide_channel *c);
/* The drive that is selected; NULL if it is not there. */
struct ata_drive *ide_selected(struct ide_channel *c);

#endif
