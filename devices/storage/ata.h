/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_ATA_H
#define CALQUE_DEVICES_STORAGE_ATA_H

#include <stdbool.h>
#include <stdint.h>

#include "host/block/blockdev.h"
#include "vm/state.h"

/* An ATA disk (ATA8-ACS) or an ATAPI CD drive (ATA8-ACS 7, MMC-6) without its cable: registers, the
 * commands and their data. Who has it at the end of a cable (an IDE channel, an AHCI port) writes
 * the registers, starts the command and moves its data; it is told through struct ata_host. */

#define ATA_SECTOR       512u
#define ATA_PACKET_SIZE  12u
#define ATA_MAX_MULTIPLE 16u
#define ATA_PIO_BUFFER   8192u        /* bytes that PIO data can wait in: saved */
#define ATA_BUFFER       (128u << 10) /* bytes moved at a time by DMA */
#define ATA_NUM_TESTS    19u          /* self-tests that the logs hold */
#define ATA_NCQ_DEPTH    32u

/* Status and error registers (ATA8-ACS 6). */
enum {
    ATA_ERR = 0x01, /* ATAPI: CHK */
    ATA_DRQ = 0x08,
    ATA_DSC = 0x10, /* seek complete; ATAPI: SERV */
    ATA_DF = 0x20,
    ATA_DRDY = 0x40,
    ATA_BSY = 0x80,
    ATA_ABRT = 0x04,
    ATA_IDNF = 0x10,
    ATA_UNC = 0x40,
    ATA_DEV = 0x10, /* device register: the drive that is selected */
    ATA_LBA = 0x40,
};

/* Interrupt reason, which PACKET commands have in the count register. */
enum { ATAPI_COD = 1, ATAPI_IO = 2 };

enum ata_kind { ATA_NONE, ATA_DISK, ATA_CDROM };

enum ata_phase {
    ATA_IDLE,   /* no command, or it has ended */
    ATA_WAIT,   /* BSY: the medium is being read or written */
    ATA_PACKET, /* DRQ: `chunk` bytes of command packet are to come */
    ATA_IN,     /* DRQ: `chunk` bytes at buffer[pos] are the host's to take; with DMA 0: not yet */
    ATA_OUT,    /* DRQ: `chunk` bytes at buffer[pos] are the host's to fill */
};

/* hob: what was in the register before (ATA8-APT), the high half of 48-bit commands. */
struct ata_registers {
    uint8_t feature, count, lba[3];
    uint8_t hob_feature, hob_count, hob_lba[3];
    uint8_t device, command, status, error;
};

struct ata_drive;

/* The drive's view of who it is connected to. Called with the machine lock held. */
struct ata_host {
    /* DRQ is set: phase, chunk, buffer and pos say for what. The host moves the data now or later
     * and calls ata_moved(). interrupt: INTRQ is raised. */
    void (*data)(void *owner, struct ata_drive *d, bool interrupt);
    /* The command has ended; status and error say how. */
    void (*done)(void *owner, struct ata_drive *d, bool interrupt);
    /* Whether DMA data can be moved now; if not, ata_dma_go() is called when it can. */
    bool (*dma_ready)(void *owner, struct ata_drive *d);
    void *owner;
};

struct ata_drive {
    struct ata_registers r;
    uint8_t phase;   /* enum ata_phase */
    bool packet;     /* the command is PACKET */
    bool dma, write; /* how its data moves */
    bool stream;     /* data is on the medium, from `offset` on: `left` bytes are not in buffer */
    bool fua;        /* of the writes */
    uint64_t offset; /* bytes */
    uint64_t left;
    uint32_t block;  /* bytes of a DRQ block */
    uint32_t filled; /* bytes in buffer */
    uint32_t pos;    /* of them the host has had */
    uint32_t chunk;
    /* Disk. */
    uint8_t multiple;                       /* sectors, 0: off */
    uint8_t heads, sectors;                 /* of the current CHS translation */
    uint8_t pio_mode, mdma_mode, udma_mode; /* mode + 1; 0: none is selected */
    bool read_ahead;
    bool standby;
    uint64_t max_sectors; /* as SET MAX ADDRESS left it */
    uint8_t native_max;   /* 1: the command before was READ NATIVE MAX ADDRESS; 2: this one */
    bool smart;
    uint8_t tests, test_type[ATA_NUM_TESTS]; /* self-tests done, in a ring */
    uint16_t test_hours[ATA_NUM_TESTS];
    uint8_t ncq_log[ATA_SECTOR]; /* log 10h: of the queued command that failed */
    /* CD. */
    uint8_t cdb[ATA_PACKET_SIZE];
    uint8_t sense_key, asc, ascq;
    uint8_t attention;   /* enum atapi_attention: told to the next command that asks */
    uint8_t media_event; /* GET EVENT STATUS NOTIFICATION, MMC-6 table 313 */
    bool locked, tray_open;
    uint8_t buffer[ATA_BUFFER];
    /* Wiring. */
    enum ata_kind kind;
    bool sata;
    unsigned number; /* for the default serial number */
    struct machine *m;
    struct blockdev *disk;
    struct ata_host host;
    struct block_request request;
    bool running, again; /* within ata_run(); it goes round once more */
};

extern const struct state_field ata_drive_fields[];

/* kind is not ATA_NONE; number: 0 for the first drive of the machine. Connects the drive to its
 * blockdev; its owner then resets it. */
void ata_drive_init(struct ata_drive *d, struct machine *m, enum ata_kind kind,
                    struct blockdev *disk, unsigned number, bool sata, struct ata_host host);
/* Power-on values; waits for what is under way. */
void ata_drive_reset(struct ata_drive *d);
/* SRST, DEVICE RESET, COMRESET: signature and diagnostics; settings stay. Waits likewise. */
void ata_soft_reset(struct ata_drive *d);
/* Finishes what is under way. */
void ata_drive_pre_save(struct ata_drive *d);
void ata_drive_post_load(struct ata_drive *d);
/* r.command was written: executes it with the other registers. */
void ata_command(struct ata_drive *d);
/* The host has moved the chunk. */
void ata_moved(struct ata_drive *d);
void ata_dma_go(struct ata_drive *d);
/* Sectors that the host may address. */
uint64_t ata_num_sectors(const struct ata_drive *d);
/* A queued command of tag failed at lba: log 10h tells of it. Registers as the command set them. */
void ata_ncq_failed(struct ata_drive *d, unsigned tag, uint8_t status, uint8_t error, uint64_t lba);

#endif
