/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDENTIFY DEVICE and IDENTIFY PACKET DEVICE (ATA8-ACS 7.16, 7.17): words by number. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "devices/storage/ata_internal.h"

/* Geometry of an image that tells none: 16 heads of 63 sectors, as drives of more than 504 MiB
 * have, and up to 16383 cylinders. */
struct ata_geometry ata_default_geometry(const struct ata_drive *d)
{
    struct blockdev_geometry b = blockdev_geometry(d->disk);
    struct ata_geometry g = {b.cylinders, b.heads, b.sectors};
    uint64_t sectors = b.size / ATA_SECTOR, cylinders;

    if (g.heads < 1 || g.heads > 16 || g.sectors < 1 || g.sectors > 255 || g.cylinders < 1) {
        g.heads = 16;
        g.sectors = 63;
        cylinders = sectors / (16 * 63);
        g.cylinders = cylinders > 16383 ? 16383 : cylinders ? (uint32_t)cylinders : 1;
    }
    if (g.cylinders > 65535)
        g.cylinders = 65535;
    return g;
}

static void put(uint8_t *out, unsigned word, uint16_t value)
{
    st_le16(out + 2 * word, value);
}

/* Two characters a word, the first one in the high byte. */
static void put_text(uint8_t *out, unsigned word, unsigned words, const char *text)
{
    for (unsigned i = 0; i < 2 * words; i++)
        out[2 * word + (i ^ 1)] = (uint8_t)text[i];
}

static void pad(char *out, unsigned length, const char *text)
{
    size_t n = strlen(text);

    memset(out, ' ', length);
    memcpy(out, text, n < length ? n : length);
}

void ata_model(const struct ata_drive *d, char *out, unsigned length)
{
    pad(out, length, d->kind == ATA_CDROM ? "CALQUE DVD-ROM" : "CALQUE HARDDISK");
}

void ata_serial(const struct ata_drive *d, char *out, unsigned length)
{
    const char *serial = blockdev_serial(d->disk);
    char made_up[16];

    snprintf(made_up, sizeof(made_up), "CQ%05u", (d->number + 1) % 100000);
    pad(out, length, serial ? serial : made_up);
}

void ata_checksum(uint8_t sector[ATA_SECTOR])
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < ATA_SECTOR - 1; i++)
        sum = (uint8_t)(sum + sector[i]);
    sector[ATA_SECTOR - 1] = (uint8_t)-sum;
}

static void put_common(const struct ata_drive *d, uint8_t *out)
{
    char serial[20], model[40];

    ata_serial(d, serial, sizeof(serial));
    ata_model(d, model, sizeof(model));
    put_text(out, 10, 10, serial);
    put_text(out, 23, 4, "1.0     ");
    put_text(out, 27, 20, model);
    put(out, 53, 7); /* words 54-58, 64-70 and 88 are valid */
    put(out, 63, (uint16_t)(0x07 | (d->mdma_mode ? 0x100 << (d->mdma_mode - 1) : 0)));
    put(out, 64, 0x03); /* PIO 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        put(out, word, 120); /* ns a cycle */
    put(out, 80, 0x01f0);    /* ATA/ATAPI-4 to ATA8-ACS */
    put(out, 88, (uint16_t)(0x3f | (d->udma_mode ? 0x100 << (d->udma_mode - 1) : 0)));
    if (!d->sata)
        put(out, 93, 0x6001); /* cable of 80 conductors, diagnostics passed */
}

static void put_features(const struct ata_drive *d, uint8_t *out)
{
    bool cache = blockdev_write_cache(d->disk);
    /* SMART, power management, write cache, look-ahead, host protected area */
    uint16_t on = 0x0408 | (d->smart ? 0x01 : 0) | (cache ? 0x20 : 0) | (d->read_ahead ? 0x40 : 0);

    put(out, 82, 0x0469);
    put(out, 83, 0x7400); /* 48 bits, FLUSH CACHE, FLUSH CACHE EXT */
    put(out, 84, 0x4063); /* SMART logs and self-tests, general purpose logs, FUA */
    put(out, 85, on);
    put(out, 86, 0x3400);
    put(out, 87, 0x4063);
}

static unsigned log2_of(uint32_t n)
{
    return n ? 31u - (unsigned)__builtin_clz(n) : 0;
}

static void put_capacity(const struct ata_drive *d, uint8_t *out)
{
    struct blockdev_geometry b = blockdev_geometry(d->disk);
    uint64_t sectors = ata_num_sectors(d);
    uint32_t track = (uint32_t)d->heads * d->sectors;
    uint64_t cylinders = track ? sectors / track : 0;

    if (cylinders > 65535)
        cylinders = 65535;
    put(out, 54, (uint16_t)cylinders);
    put(out, 55, d->heads);
    put(out, 56, d->sectors);
    st_le32(out + 2 * 57, (uint32_t)cylinders * track);
    st_le32(out + 2 * 60, sectors < 0x0fffffff ? (uint32_t)sectors : 0x0fffffff);
    st_le64(out + 2 * 100, sectors);
    if (b.physical > ATA_SECTOR)
        put(out, 106, (uint16_t)(0x6000 | log2_of(b.physical / ATA_SECTOR)));
}

void ata_identify_disk(const struct ata_drive *d, uint8_t out[ATA_SECTOR])
{
    struct ata_geometry g = ata_default_geometry(d);

    memset(out, 0, ATA_SECTOR);
    put_common(d, out);
    put(out, 0, 0x0040); /* not removable */
    put(out, 1, (uint16_t)g.cylinders);
    put(out, 3, (uint16_t)g.heads);
    put(out, 6, (uint16_t)g.sectors);
    put(out, 47, 0x8000 | ATA_MAX_MULTIPLE);
    put(out, 49, 0x2b00); /* standard standby timer, IORDY, LBA, DMA */
    put(out, 50, 0x4000);
    put(out, 51, 0x0200);
    put(out, 59, d->multiple ? 0x0100 | d->multiple : 0);
    if (d->sata) {
        put(out, 75, ATA_NCQ_DEPTH - 1);
        put(out, 76, 0x010e); /* NCQ; 1.5, 3 and 6 Gb/s */
    }
    put_features(d, out);
    put_capacity(d, out);
    put(out, 105, ATA_PIO_BUFFER / ATA_SECTOR); /* blocks of DATA SET MANAGEMENT */
    put(out, 169, blockdev_read_only(d->disk) ? 0 : 1);
    out[510] = 0xa5;
    ata_checksum(out);
}

void ata_identify_cdrom(const struct ata_drive *d, uint8_t out[ATA_SECTOR])
{
    memset(out, 0, ATA_SECTOR);
    put_common(d, out);
    put(out, 0, 0x85c0); /* ATAPI, CD/DVD, removable, DRQ within 50 us, 12-byte packets */
    put(out, 49, 0x0b00);
    put(out, 71, 30);
    put(out, 72, 30);
    if (d->sata)
        put(out, 76, 0x000e);
    put(out, 82, 0x0210); /* PACKET, DEVICE RESET */
    put(out, 83, 0x4000);
    put(out, 84, 0x4000);
    put(out, 85, 0x0210);
    put(out, 87, 0x4000);
    out[510] = 0xa5;
    ata_checksum(out);
}
