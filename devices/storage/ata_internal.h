/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_ATA_INTERNAL_H
#define CALQUE_DEVICES_STORAGE_ATA_INTERNAL_H

#include "devices/storage/ata.h"

/* What the files of a drive need of each other. A command ends with exactly one of ata_finish(),
 * ata_abort(), ata_fail(), or starts data, after which the same happens in the end. */

void ata_finish(struct ata_drive *d);
void ata_fail(struct ata_drive *d, uint8_t error);
static inline void ata_abort(struct ata_drive *d)
{
    ata_fail(d, ATA_ABRT);
}

/* buffer[0..length) goes to the host, in DRQ blocks of `block` bytes. */
void ata_reply(struct ata_drive *d, uint32_t length, uint32_t block, bool dma);
/* The host fills buffer[0..length); then ata_disk_received(), of a disk's
 * ranges to be trimmed, or atapi_received(). */
void ata_receive(struct ata_drive *d, uint32_t length, uint32_t block, bool dma);
/* Bytes of the medium, within it and sectors; `block` as above, at most ATA_PIO_BUFFER. */
void ata_stream(struct ata_drive *d, bool write, uint64_t offset, uint64_t length, uint32_t block,
                bool dma);
/* One request without data; the command ends with it. */
void ata_request(struct ata_drive *d, enum block_op op, uint64_t offset, uint64_t length);

/* ata_disk.c */
void ata_disk_command(struct ata_drive *d);
void ata_disk_received(struct ata_drive *d);
void ata_set_features(struct ata_drive *d);
void ata_disk_reset(struct ata_drive *d);
void ata_disk_request_done(struct ata_drive *d, int error);
/* ata_identify.c */
void ata_identify_disk(const struct ata_drive *d, uint8_t out[ATA_SECTOR]);
void ata_identify_cdrom(const struct ata_drive *d, uint8_t out[ATA_SECTOR]);
struct ata_geometry {
    uint32_t cylinders, heads, sectors;
};
struct ata_geometry ata_default_geometry(const struct ata_drive *d);
/* The text of a model and of a serial number, padded with blanks. */
void ata_model(const struct ata_drive *d, char *out, unsigned length);
void ata_serial(const struct ata_drive *d, char *out, unsigned length);
void ata_checksum(uint8_t sector[ATA_SECTOR]); /* byte 511: the sum of all is 0 */
/* ata_smart.c */
void ata_smart(struct ata_drive *d);
void ata_read_log(struct ata_drive *d, bool dma);
/* atapi.c */
void atapi_command(struct ata_drive *d);
void atapi_packet(struct ata_drive *d);
void atapi_received(struct ata_drive *d);
void atapi_reset(struct ata_drive *d);
/* Sense of a request that failed with this errno. */
void atapi_request_failed(struct ata_drive *d, int error);
extern const struct blockdev_events atapi_events;

#endif
