/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a CD drive says of its disc (MMC-6): one closed session with one data track. An image that
 * is too large for a CD is on a DVD. */
#include <string.h>

#include "devices/storage/atapi_internal.h"

#define FRAMES_PER_SECOND 75u
#define LEAD_IN           150u /* LBA 0 is at 00:02.00 */
#define CD_MAX_BLOCKS     (80u * 60u * FRAMES_PER_SECOND)
#define LEAD_OUT          0xaa
#define CONTROL_DATA      0x14 /* ADR 1, data track */
#define PROFILE_CD        0x0008
#define PROFILE_DVD       0x0010

static bool is_dvd(const struct ata_drive *d)
{
    return atapi_num_blocks(d) > CD_MAX_BLOCKS;
}

uint32_t atapi_lba_of(const uint8_t msf[3])
{
    uint32_t frames = (msf[0] * 60u + msf[1]) * FRAMES_PER_SECOND + msf[2];

    if (msf[1] >= 60 || msf[2] >= FRAMES_PER_SECOND || frames < LEAD_IN)
        return ATAPI_NO_LBA;
    return frames - LEAD_IN;
}

/* An address as the command wants it; of a disc that is longer than MSF can say, the last there is.
 */
static void put_address(uint8_t *out, uint32_t lba, bool msf)
{
    uint32_t frames = lba + LEAD_IN, last = 255 * 60 * FRAMES_PER_SECOND - 1;

    st_be32(out, lba);
    if (!msf)
        return;
    if (frames > last || frames < lba)
        frames = last;
    out[0] = 0;
    out[1] = (uint8_t)(frames / (60 * FRAMES_PER_SECOND));
    out[2] = (uint8_t)(frames / FRAMES_PER_SECOND % 60);
    out[3] = (uint8_t)(frames % FRAMES_PER_SECOND);
}

void atapi_read_capacity(struct ata_drive *d)
{
    st_be32(d->buffer, atapi_num_blocks(d) - 1);
    st_be32(d->buffer + 4, ATAPI_BLOCK);
    atapi_reply(d, 8, 8);
}

/* ---- table of contents ---- */

static unsigned put_track(uint8_t *out, uint8_t track, uint32_t lba, bool msf)
{
    out[0] = 0;
    out[1] = CONTROL_DATA;
    out[2] = track;
    out[3] = 0;
    put_address(out + 4, lba, msf);
    return 8;
}

/* Format 0: tracks from the one asked for on, then the lead-out. */
static unsigned formatted_toc(const struct ata_drive *d, uint8_t *out, bool msf)
{
    unsigned n = 4;

    out[2] = out[3] = 1;
    if (d->cdb[6] <= 1)
        n += put_track(out + n, 1, 0, msf);
    return n + put_track(out + n, LEAD_OUT, atapi_num_blocks(d), msf);
}

/* Format 2: points A0h (first track), A1h (last), A2h (lead-out), and the track. */
static unsigned full_toc(const struct ata_drive *d, uint8_t *out)
{
    static const uint8_t points[4] = {0xa0, 0xa1, 0xa2, 1};
    unsigned n = 4;
    uint8_t address[4];

    out[2] = out[3] = 1;
    for (unsigned i = 0; i < 4; i++, n += 11) {
        memset(out + n, 0, 11);
        out[n] = 1; /* session */
        out[n + 1] = CONTROL_DATA;
        out[n + 3] = points[i];
        if (i < 2) {
            out[n + 8] = 1; /* PMIN: a track number */
        } else {
            put_address(address, i == 2 ? atapi_num_blocks(d) : 0, true);
            memcpy(out + n + 8, address + 1, 3);
        }
    }
    return n;
}

void atapi_read_toc(struct ata_drive *d)
{
    uint8_t *out = d->buffer, format = d->cdb[2] & 15;
    bool msf = d->cdb[1] & 2;
    unsigned n;

    if (!format)
        format = d->cdb[9] >> 6; /* where SFF-8020 had it */
    if ((format == 0 && d->cdb[6] > 1 && d->cdb[6] != LEAD_OUT) || format > 2 ||
        (format == 2 && is_dvd(d))) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 4);
    if (format == 0) {
        n = formatted_toc(d, out, msf);
    } else if (format == 1) { /* sessions: the first track of the last */
        out[2] = out[3] = 1;
        n = 4 + put_track(out + 4, 1, 0, msf);
    } else {
        n = full_toc(d, out);
    }
    st_be16(out, n - 2);
    atapi_reply(d, n, ld_be16(d->cdb + 7));
}

/* No audio is playing: status 15h. With Q data, the current position (format 1) is the first block;
 * there is no catalogue number nor ISRC. */
void atapi_read_subchannel(struct ata_drive *d)
{
    uint8_t *out = d->buffer, format = d->cdb[3];
    bool q = d->cdb[2] & 0x40, msf = d->cdb[1] & 2;
    unsigned n = !q ? 4 : format == 1 ? 16 : 24;

    if (q && (format < 1 || format > 3)) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 24);
    out[1] = 0x15;
    st_be16(out + 2, n - 4);
    if (q)
        out[4] = format;
    if (q && format == 1) {
        out[5] = CONTROL_DATA;
        out[6] = out[7] = 1; /* track, index */
        put_address(out + 8, 0, msf);
        put_address(out + 12, 0, msf);
    } else if (q && format == 3) {
        out[5] = CONTROL_DATA;
        out[6] = 1;
    }
    atapi_reply(d, n, ld_be16(d->cdb + 7));
}

/* ---- disc and track ---- */

void atapi_read_disc_information(struct ata_drive *d)
{
    uint8_t *out = d->buffer;

    if (d->cdb[1] & 7) { /* other than standard */
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 34);
    st_be16(out, 32);
    out[2] = 0x0e; /* last session complete, disc finalized */
    out[3] = out[4] = out[5] = out[6] = 1;
    out[7] = 0x20; /* for unrestricted use */
    memset(out + 16, 0xff, 8);
    atapi_reply(d, 34, ld_be16(d->cdb + 7));
}

/* By address, track or session: all the same one. */
void atapi_read_track_information(struct ata_drive *d)
{
    uint8_t *out = d->buffer;
    uint32_t what = ld_be32(d->cdb + 2), type = d->cdb[1] & 3;

    if (type == 3 || (type && what != 1) || (!type && what >= atapi_num_blocks(d))) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 36);
    st_be16(out, 34);
    out[2] = out[3] = 1;
    out[5] = 0x04; /* data, uninterrupted */
    out[6] = 0x01; /* mode 1 */
    st_be32(out + 24, atapi_num_blocks(d));
    atapi_reply(d, 36, ld_be16(d->cdb + 7));
}

/* Physical format information of a DVD (format 0), and that it bears no copyright protection. */
void atapi_read_disc_structure(struct ata_drive *d)
{
    uint8_t *out = d->buffer;
    uint32_t last = 0x30000 + atapi_num_blocks(d) - 1;

    if (!is_dvd(d)) {
        atapi_check(d, ATAPI_WRONG_MODE);
        return;
    }
    if (d->cdb[6] || d->cdb[7] > 1) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 24);
    if (d->cdb[7] == 1) {
        st_be16(out, 6);
        atapi_reply(d, 8, ld_be16(d->cdb + 8));
        return;
    }
    st_be16(out, 22);
    out[4] = 0x01; /* DVD-ROM, version 1 */
    out[5] = 0x0f; /* 120 mm; no maximum rate */
    out[6] = 0x01; /* one layer */
    st_be32(out + 8, 0x30000);
    st_be32(out + 12, last);
    atapi_reply(d, 24, ld_be16(d->cdb + 8));
}

/* ---- features ---- */

static const uint16_t features[] = {0x0000, 0x0001, 0x0002, 0x0003, 0x0010, 0x001e, 0x001f, 0x0105};

static void put_profiles(const struct ata_drive *d, uint8_t *out)
{
    bool medium = atapi_has_medium(d);

    st_be16(out, PROFILE_DVD);
    out[2] = medium && is_dvd(d);
    st_be16(out + 4, PROFILE_CD);
    out[6] = medium && !is_dvd(d);
}

/* The feature's own data behind its header of 4 bytes; returns how many. */
static unsigned feature_data(const struct ata_drive *d, uint16_t feature, uint8_t *out)
{
    memset(out, 0, 8);
    switch (feature) {
    case 0x0000:
        put_profiles(d, out);
        return 8;
    case 0x0001: /* core: ATAPI */
        st_be32(out, 2);
        out[4] = 1;
        return 8;
    case 0x0002: /* morphing */
        out[0] = 0x02;
        return 4;
    case 0x0003: /* removable medium: tray, ejects, locks */
        out[0] = 0x29;
        return 4;
    case 0x0010: /* random readable */
        st_be32(out, ATAPI_BLOCK);
        st_be16(out + 4, 16);
        return 8;
    case 0x001e: /* CD read */
        return 4;
    case 0x001f: /* DVD read */
        return 4;
    default: /* 0105h: timeout */
        return 4;
    }
}

static bool is_current(const struct ata_drive *d, uint16_t feature)
{
    if (feature == 0x0010)
        return atapi_has_medium(d);
    if (feature == 0x001e || feature == 0x001f)
        return atapi_has_medium(d) && is_dvd(d) == (feature == 0x001f);
    return true;
}

static unsigned put_feature(const struct ata_drive *d, uint16_t feature, uint8_t *out)
{
    static const uint8_t version[] = {0, 2, 1, 2, 0, 2, 1, 0};
    unsigned length = feature_data(d, feature, out + 4), i = 0;

    while (features[i] != feature)
        i++;
    st_be16(out, feature);
    out[2] = (uint8_t)(version[i] << 2 | (feature <= 0x0003 || feature == 0x0105 ? 2 : 0) |
                       is_current(d, feature));
    out[3] = (uint8_t)length;
    return 4 + length;
}

/* RT 0: all from the starting number on; 1: those that are current; 2: that one alone. */
void atapi_get_configuration(struct ata_drive *d)
{
    uint8_t *out = d->buffer, rt = d->cdb[1] & 3;
    uint32_t start = ld_be16(d->cdb + 2);
    unsigned n = 8;

    if (rt == 3) {
        atapi_check(d, ATAPI_BAD_FIELD);
        return;
    }
    memset(out, 0, 8);
    if (atapi_has_medium(d))
        st_be16(out + 6, is_dvd(d) ? PROFILE_DVD : PROFILE_CD);
    for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        bool wanted = rt == 2 ? features[i] == start : features[i] >= start;

        if (wanted && (rt != 1 || is_current(d, features[i])))
            n += put_feature(d, features[i], out + n);
    }
    st_be32(out, n - 4);
    atapi_reply(d, n, ld_be16(d->cdb + 7));
}
