/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_ATAPI_INTERNAL_H
#define CALQUE_DEVICES_STORAGE_ATAPI_INTERNAL_H

#include "devices/storage/ata_internal.h"

#define ATAPI_BLOCK  2048u
#define ATAPI_NO_LBA UINT32_MAX

/* Sense key, additional code and its qualifier (MMC-6 annex F). */
struct atapi_sense {
    uint8_t key, asc, ascq;
};
#define ATAPI_NO_MEDIUM      ((struct atapi_sense){0x2, 0x3a, 0x01})
#define ATAPI_TRAY_OPEN      ((struct atapi_sense){0x2, 0x3a, 0x02})
#define ATAPI_READ_ERROR     ((struct atapi_sense){0x3, 0x11, 0x00})
#define ATAPI_BAD_COMMAND    ((struct atapi_sense){0x5, 0x20, 0x00})
#define ATAPI_BAD_ADDRESS    ((struct atapi_sense){0x5, 0x21, 0x00})
#define ATAPI_BAD_FIELD      ((struct atapi_sense){0x5, 0x24, 0x00})
#define ATAPI_NOT_SAVED      ((struct atapi_sense){0x5, 0x39, 0x00})
#define ATAPI_LOCKED         ((struct atapi_sense){0x5, 0x53, 0x02})
#define ATAPI_WRONG_MODE     ((struct atapi_sense){0x5, 0x64, 0x00})
#define ATAPI_MEDIUM_CHANGED ((struct atapi_sense){0x6, 0x28, 0x00})
#define ATAPI_WAS_RESET      ((struct atapi_sense){0x6, 0x29, 0x00})

enum atapi_attention { ATTENTION_NONE, ATTENTION_MEDIUM, ATTENTION_RESET };
enum { MEDIA_NO_CHANGE, MEDIA_EJECT_REQUEST, MEDIA_NEW, MEDIA_REMOVAL };

static inline uint32_t ld_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}
static inline uint32_t ld_be32(const uint8_t *p)
{
    return ld_be16(p) << 16 | ld_be16(p + 2);
}
static inline void st_be16(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}
static inline void st_be32(uint8_t *p, uint32_t value)
{
    st_be16(p, value >> 16);
    st_be16(p + 2, value);
}

/* atapi.c: how packets end */
void atapi_good(struct ata_drive *d);
void atapi_check(struct ata_drive *d, struct atapi_sense sense);
/* buffer[0..length) to the host, but no more than it has allocated. */
void atapi_reply(struct ata_drive *d, uint32_t length, uint32_t allocated);
bool atapi_has_medium(const struct ata_drive *d);
uint32_t atapi_num_blocks(const struct ata_drive *d);

/* atapi_disc.c */
/* The block at minute, second, frame; ATAPI_NO_LBA if there is no such time. */
uint32_t atapi_lba_of(const uint8_t msf[3]);
void atapi_read_capacity(struct ata_drive *d);
void atapi_read_toc(struct ata_drive *d);
void atapi_read_subchannel(struct ata_drive *d);
void atapi_read_disc_information(struct ata_drive *d);
void atapi_read_track_information(struct ata_drive *d);
void atapi_read_disc_structure(struct ata_drive *d);
void atapi_get_configuration(struct ata_drive *d);

#endif
