/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMART (ATA8-ACS 7.53) and the general purpose logs (annex A). There are three attributes, all of
 * which can be known of an image: nothing was ever reallocated, how long the machine has been on,
 * and that it was switched on once. Self-tests pass at once. */
#include <string.h>

#include "base/bits.h"
#include "devices/storage/ata_internal.h"
#include "vm/machine.h"

#define NS_PER_HOUR (3600 * NS_PER_SEC)
#define KEY_MID     0x4f /* what cylinder registers must hold */
#define KEY_HIGH    0xc2

enum {
    SMART_READ_DATA = 0xd0,
    SMART_READ_THRESHOLDS = 0xd1,
    SMART_AUTOSAVE = 0xd2,
    SMART_SAVE = 0xd3,
    SMART_TEST = 0xd4,
    SMART_READ_LOG = 0xd5,
    SMART_ENABLE = 0xd8,
    SMART_DISABLE = 0xd9,
    SMART_STATUS = 0xda,
};

enum {
    LOG_DIRECTORY = 0,
    LOG_SUMMARY = 1,
    LOG_EXT_ERRORS = 3,
    LOG_TESTS = 6,
    LOG_EXT_TESTS = 7,
    LOG_NCQ = 0x10
};

static uint16_t power_on_hours(const struct ata_drive *d)
{
    return (uint16_t)(vm_clock_now(&d->m->clock) / NS_PER_HOUR);
}

/* ---- data ---- */

static const struct {
    uint8_t id, threshold;
} attributes[3] = {{5, 10}, {9, 0}, {12, 0}};

static void build_data(const struct ata_drive *d, uint8_t *out)
{
    uint32_t raw[3] = {0, power_on_hours(d), 1};

    memset(out, 0, ATA_SECTOR);
    st_le16(out, 0x10); /* revision of this structure */
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *a = out + 2 + 12 * i;

        a[0] = attributes[i].id;
        a[1] = 0x03; /* pre-failure, updated during operation */
        a[3] = a[4] = 100;
        st_le32(a + 5, raw[i]);
    }
    out[367] = 0x1b; /* off-line collection: immediate, suspended by commands; self-tests */
    out[368] = 0x03; /* attributes are saved */
    out[370] = 0x01; /* error logging */
    out[372] = 1;    /* minutes that the tests are said to take */
    out[373] = 1;
    ata_checksum(out);
}

static void build_thresholds(uint8_t *out)
{
    memset(out, 0, ATA_SECTOR);
    st_le16(out, 0x10);
    for (unsigned i = 0; i < 3; i++) {
        out[2 + 12 * i] = attributes[i].id;
        out[2 + 12 * i + 1] = attributes[i].threshold;
    }
    ata_checksum(out);
}

/* ---- logs ---- */

/* The ring of tests, the newest of which is descriptor number `tests` (from 1). */
static void build_test_log(const struct ata_drive *d, uint8_t *out)
{
    unsigned n = d->tests ? (d->tests - 1u) % ATA_NUM_TESTS + 1 : 0;

    memset(out, 0, ATA_SECTOR);
    st_le16(out, 1);
    for (unsigned i = 0; i < ATA_NUM_TESTS && i < d->tests; i++) {
        out[2 + 24 * i] = d->test_type[i];
        st_le16(out + 2 + 24 * i + 2, d->test_hours[i]);
    }
    out[508] = (uint8_t)n;
    ata_checksum(out);
}

static void build_ext_test_log(const struct ata_drive *d, uint8_t *out)
{
    unsigned n = d->tests ? (d->tests - 1u) % ATA_NUM_TESTS + 1 : 0;

    memset(out, 0, ATA_SECTOR);
    out[0] = 1;
    st_le16(out + 2, (uint16_t)n);
    for (unsigned i = 0; i < ATA_NUM_TESTS && i < d->tests; i++) {
        out[4 + 26 * i] = d->test_type[i];
        st_le16(out + 4 + 26 * i + 2, d->test_hours[i]);
    }
    ata_checksum(out);
}

static void build_directory(bool general, uint8_t *out)
{
    memset(out, 0, ATA_SECTOR);
    st_le16(out, 1);
    st_le16(out + 2 * LOG_SUMMARY, general ? 0 : 1);
    st_le16(out + 2 * LOG_TESTS, general ? 0 : 1);
    st_le16(out + 2 * LOG_EXT_ERRORS, general ? 1 : 0);
    st_le16(out + 2 * LOG_EXT_TESTS, general ? 1 : 0);
    st_le16(out + 2 * LOG_NCQ, general ? 1 : 0);
}

/* One page of a log; false: there is no such log. No error was ever logged. */
static bool build_log(struct ata_drive *d, unsigned log, bool general)
{
    uint8_t *out = d->buffer;

    memset(out, 0, ATA_SECTOR);
    if (log == LOG_DIRECTORY) {
        build_directory(general, out);
    } else if (log == LOG_SUMMARY && !general) {
        out[0] = 1;
        ata_checksum(out);
    } else if (log == LOG_TESTS && !general) {
        build_test_log(d, out);
    } else if (log == LOG_EXT_ERRORS && general) {
        out[0] = 1;
        ata_checksum(out);
    } else if (log == LOG_EXT_TESTS && general) {
        build_ext_test_log(d, out);
    } else if (log == LOG_NCQ && general) {
        memcpy(out, d->ncq_log, ATA_SECTOR);
    } else {
        return false;
    }
    return true;
}

/* Page number in lba[1], its high half in the hob; each log has one. Reading log 10h is how a host
 * gets a drive with a failed queued command back to work (ATA8-ACS A.6). */
void ata_read_log(struct ata_drive *d, bool dma)
{
    if (d->r.count != 1 || d->r.hob_count || d->r.lba[1] || d->r.hob_lba[1] ||
        !build_log(d, d->r.lba[0], true))
        ata_abort(d);
    else
        ata_reply(d, ATA_SECTOR, dma ? ATA_BUFFER : ATA_SECTOR, dma);
}

/* ---- commands ---- */

static bool run_test(struct ata_drive *d, uint8_t what)
{
    uint8_t kind = what & 0x7f;
    unsigned slot = d->tests % ATA_NUM_TESTS;

    if (what == 0 || what == 0x7f) /* off-line collection; abort */
        return true;
    if (kind > 2)
        return false;
    d->test_type[slot] = what;
    d->test_hours[slot] = power_on_hours(d);
    /* Past the first round the ring's place is what counts. */
    d->tests = (uint8_t)(d->tests + 1u < 2 * ATA_NUM_TESTS ? d->tests + 1u : ATA_NUM_TESTS);
    if (what & 0x80) { /* captive: the result is in the registers */
        d->r.lba[1] = KEY_MID;
        d->r.lba[2] = KEY_HIGH;
    }
    return true;
}

static void reply(struct ata_drive *d)
{
    ata_reply(d, ATA_SECTOR, ATA_SECTOR, false);
}

static bool run_smart(struct ata_drive *d)
{
    switch (d->r.feature) {
    case SMART_READ_DATA:
        build_data(d, d->buffer);
        reply(d);
        return true;
    case SMART_READ_THRESHOLDS:
        build_thresholds(d->buffer);
        reply(d);
        return true;
    case SMART_READ_LOG:
        if (d->r.count != 1 || !build_log(d, d->r.lba[0], false))
            return false;
        reply(d);
        return true;
    case SMART_TEST:
        if (!run_test(d, d->r.lba[0]))
            return false;
        break;
    case SMART_AUTOSAVE:
    case SMART_SAVE:
    case SMART_ENABLE:
    case SMART_STATUS: /* the key unchanged: no threshold is exceeded */
        break;
    case SMART_DISABLE:
        d->smart = false;
        break;
    default:
        return false;
    }
    ata_finish(d);
    return true;
}

void ata_smart(struct ata_drive *d)
{
    bool allowed = d->smart || d->r.feature == SMART_ENABLE;

    if (d->r.feature == SMART_ENABLE)
        d->smart = true;
    if (!allowed || d->r.lba[1] != KEY_MID || d->r.lba[2] != KEY_HIGH || !run_smart(d))
        ata_abort(d);
}
