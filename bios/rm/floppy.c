/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy disks: INT 13h for drives 00h and 01h, on an 82077/82078 with channel 2 of the 8237
 * (82078 datasheet). The drive's type is CMOS 10h's; what medium is in it is found out by reading.
 */
#include "rm.h"

enum { DOR = 0x3f2, MSR = 0x3f4, FIFO = 0x3f5, DIR = 0x3f7, CCR = 0x3f7 };
enum { MSR_RQM = 0x80, MSR_DIO = 0x40 };

struct media {
    u8 cyls, heads, spt, rate, gap, format_gap;
};
/* In the order in which they are tried: a drive's own medium first. Rates: 0 500, 1 300, 2 250,
 * 3 1000 kbit/s. With more sectors than these (1680, 1722 KiB): has_sector(). */
static const struct media media_2880 = {80, 2, 36, 3, 0x1b, 0x53},
                          media_1440 = {80, 2, 18, 0, 0x1b, 0x6c},
                          media_1200 = {80, 2, 15, 0, 0x1b, 0x54},
                          media_720 = {80, 2, 9, 2, 0x2a, 0x50},
                          media_360 = {40, 2, 9, 2, 0x2a, 0x50},
                          media_320 = {40, 2, 8, 2, 0x2a, 0x50},
                          media_360_in_1200 = {40, 2, 9, 1, 0x2a, 0x50},
                          media_320_in_1200 = {40, 2, 8, 1, 0x2a, 0x50};
static const struct media *const by_type[7][4] = {
    {NULL},
    {&media_360, &media_320, NULL},
    {&media_1200, &media_360_in_1200, &media_320_in_1200, NULL},
    {&media_720, NULL},
    {&media_1440, &media_720, NULL},
    {&media_2880, &media_1440, &media_720, NULL},
    {&media_2880, &media_1440, &media_720, NULL},
};
#define MAX_SPT 63

static struct {
    const struct media *media; /* found out; NULL: not yet */
    u8 spt, absent;            /* sectors that a track has, and one that it has not */
    bool calibrated;
    u8 track;
    u8 table[sizeof(dpt)]; /* what 08h and 18h say of it */
} units[MAX_FLOPPY];

static void set_unit_media(u8 unit, const struct media *m)
{
    units[unit].media = m;
    units[unit].spt = m->spt;
    units[unit].absent = MAX_SPT + 1;
}

/* A diskette parameter table for programs, to INT 1Eh or only to look at. */
static void give_table(struct regs *r, const struct media *m)
{
    u8 *table = units[r->dl].table;

    memcpy(table, dpt, sizeof(dpt));
    table[4] = m->spt;
    table[5] = m->gap;
    table[7] = m->format_gap;
    r->es = SEG_BIOS;
    r->di = (u16)(u32)table;
}

/* A byte of the table that INT 1Eh points to; of ours when it is the ROM's, which is for 1.44 MB.
 */
static u8 table_byte(u8 at, u8 otherwise)
{
    u32 table = peek32(0, 0x1e * 4);

    return table == FARPTR(SEG_BIOS, (u32)dpt) ? otherwise
                                               : peek8((u16)(table >> 16), (u16)(table + at));
}

/* ---- the controller ---- */

static u8 out(u8 v)
{
    for (u32 start = timer_now(); (inb(MSR) & (MSR_RQM | MSR_DIO)) != MSR_RQM;)
        if (timer_past(start, 500))
            return DISK_TIMEOUT;
    outb(FIFO, v);
    return DISK_OK;
}

/* Result bytes go to 0040:0042, where programs look. */
static u8 results(u32 n, u32 ms)
{
    for (u32 i = 0; i < n; i++) {
        for (u32 start = timer_now(); (inb(MSR) & (MSR_RQM | MSR_DIO)) != (MSR_RQM | MSR_DIO);) {
            if (timer_past(start, ms))
                return DISK_TIMEOUT;
            yield();
        }
        bda->floppy_result[i] = inb(FIFO);
    }
    return DISK_OK;
}

static u8 command(const u8 *bytes, u32 n)
{
    u8 status = DISK_OK;

    for (u32 i = 0; i < n && !status; i++)
        status = out(bytes[i]);
    return status;
}

static u8 wait_irq(void)
{
    for (u32 start = timer_now(); !(bda->floppy_recal & 0x80);) {
        if (timer_past(start, 3000))
            return DISK_TIMEOUT;
        yield();
    }
    bda->floppy_recal &= 0x7f;
    return DISK_OK;
}

u32 int0e(struct regs *r)
{
    (void)r;
    bda->floppy_recal |= 0x80;
    outb(0x20, 0x20);
    return ACTION_NONE;
}

static u8 sense_interrupt(void)
{
    u8 status = out(0x08);

    return status ? status : results(2, 500);
}

static u8 reset_controller(void)
{
    static const u8 specify[] = {0x03, 0xaf, 0x02};
    u8 status;

    outb(0x21, inb(0x21) & ~0x40);
    bda->floppy_recal = 0;
    outb(DOR, 0x00);
    delay_us(10);
    outb(DOR, (u8)(0x0c | (bda->floppy_motor & 3) << 4));
    status = wait_irq();
    for (u32 i = 0; i < 4 && !status; i++) /* one for each drive, after a reset with polling on */
        status = sense_interrupt();
    units[0].calibrated = units[1].calibrated = false;
    return status ? status : command(specify, 3);
}

static void motor_on(u8 unit)
{
    u8 bit = (u8)(1 << unit);
    bool on = bda->floppy_motor & bit;

    bda->floppy_timeout = 0x25;
    bda->floppy_motor = (u8)(bda->floppy_motor & 0x0f) | bit;
    outb(DOR, (u8)(0x0c | unit | bit << 4));
    if (!on)
        delay_us(50000); /* drives of today's machines are up to speed at once */
}

/* A disk of 40 tracks in a drive of 1.2 MB: every other track. */
static bool double_step(u8 unit)
{
    return units[unit].media && units[unit].media->rate == 1;
}

static u8 seek(u8 unit, u8 head, u8 track)
{
    u8 step = (u8)(double_step(unit) ? track * 2 : track);
    u8 bytes[3] = {0x0f, (u8)(head << 2 | unit), step};
    u8 status = DISK_OK;

    bda->floppy_recal &= 0x7f;
    if (!units[unit].calibrated) {
        u8 recalibrate[2] = {0x07, unit};

        status = command(recalibrate, 2);
        if (!status)
            status = wait_irq();
        if (!status)
            status = sense_interrupt();
        if (status)
            return status;
        units[unit].calibrated = true;
        units[unit].track = 0;
        bda->floppy_recal |= (u8)(1 << unit);
    }
    if (units[unit].track == step)
        return DISK_OK;
    status = command(bytes, 3);
    if (!status)
        status = wait_irq();
    if (!status)
        status = sense_interrupt();
    if (!status && (bda->floppy_result[0] & 0xc0 || bda->floppy_result[1] != step))
        status = DISK_SEEK;
    units[unit].track = step;
    bda->floppy_track[unit] = track;
    return status;
}

/* ---- DMA ---- */

static u8 start_dma(u32 address, u32 bytes, bool to_memory)
{
    if (address >> 24 || (address & 0xffff) + bytes > 0x10000)
        return DISK_DMA_64K;
    outb(0x0a, 0x06); /* masked */
    outb(0x0c, 0);
    outb(0x0b, to_memory ? 0x46 : 0x4a);
    outb(0x04, (u8)address);
    outb(0x04, (u8)(address >> 8));
    outb(0x81, (u8)(address >> 16));
    outb(0x0c, 0);
    outb(0x05, (u8)(bytes - 1));
    outb(0x05, (u8)((bytes - 1) >> 8));
    outb(0x0a, 0x02);
    return DISK_OK;
}

/* ---- reading and writing ---- */

static u8 result_status(void)
{
    u8 st0 = bda->floppy_result[0], st1 = bda->floppy_result[1], st2 = bda->floppy_result[2];

    if (!(st0 & 0xc0))
        return DISK_OK;
    if (st0 & 0x08)
        return DISK_TIMEOUT;
    if (st1 & 0x02)
        return DISK_WRITE_PROTECTED;
    if (st1 & 0x20)
        return DISK_CRC;
    if (st1 & 0x10)
        return DISK_DMA_OVERRUN;
    if (st1 & 0x84)
        return DISK_NO_SECTOR;
    if (st1 & 0x01 || st2 & 0x01)
        return DISK_NO_ADDRESS_MARK;
    return DISK_CONTROLLER;
}

struct chs {
    u8 unit, cyl, head, sector;
};

static u8 read_id(u8 unit, u8 head)
{
    u8 bytes[2] = {0x4a, (u8)(head << 2 | unit)};
    u8 status = command(bytes, 2);

    if (!status)
        status = results(7, 1000);
    return status ? status : result_status();
}

/* n sectors of one track; verifying is reading with the memory refresh's DMA mode: to nowhere. */
static u8 track_transfer(const struct chs *at, const struct media *m, u8 n, u32 address, u8 what)
{
    u8 bytes[9] = {what == DISK_WRITE ? 0xc5 : 0xe6,
                   (u8)(at->head << 2 | at->unit),
                   at->cyl,
                   at->head,
                   at->sector,
                   2,
                   (u8)(at->sector + n - 1),
                   m->gap,
                   0xff};
    u8 status = start_dma(address, n * 512u, what != DISK_WRITE);

    if (status)
        return status;
    if (what == DISK_VERIFY)
        outb(0x0b, 0x42);
    bda->floppy_recal &= 0x7f;
    status = command(bytes, 9);
    if (!status)
        status = results(7, 3000);
    bda->floppy_recal &= 0x7f;
    return status ? status : result_status();
}

/* ---- which medium ---- */

static bool changed(u8 unit)
{
    motor_on(unit);
    return inb(DIR) & 0x80;
}

/* The change line goes off by a step with a medium in the drive. */
static u8 clear_change(u8 unit)
{
    u8 status;

    units[unit].media = NULL;
    status = seek(unit, 0, 1);
    if (!status)
        status = seek(unit, 0, 0);
    if (status)
        return status;
    return inb(DIR) & 0x80 ? DISK_NO_MEDIA : DISK_OK;
}

static bool readable(u8 unit, const struct media *m, u8 sector)
{
    struct chs at = {unit, 0, 0, sector};
    static u8 buffer[512]; /* the F segment is within 64 KiB */

    outb(CCR, m->rate);
    if (seek(unit, 0, 0) || read_id(unit, 0))
        return false;
    return track_transfer(&at, m, 1, PHYS(buffer), DISK_READ) == DISK_OK;
}

/* A medium has so many sectors when the last can be read; the first side is enough. */
static bool fits(u8 unit, const struct media *m)
{
    return readable(unit, m, m->spt);
}

/* More than usual is found out when a program asks for it. */
static bool has_sector(u8 unit, u8 sector)
{
    if (sector <= units[unit].spt)
        return true;
    if (sector >= units[unit].absent || sector > MAX_SPT)
        return false;
    if (readable(unit, units[unit].media, sector))
        units[unit].spt = sector;
    else
        units[unit].absent = sector;
    return sector <= units[unit].spt;
}

static u8 media_state(const struct media *m, u8 type)
{
    u8 rate = (u8)(m->rate << 6), kind = 7;

    if (m->cyls == 40)
        kind = type == 2 ? 4 : 3;
    else if (m->spt == 15)
        kind = 5;
    return (u8)(rate | 0x10 | (m->rate == 1 ? 0x20 : 0) | kind);
}

static u8 find_media(u8 unit)
{
    u8 type = shared.floppies[unit].floppy, status;

    if (changed(unit) && (status = clear_change(unit)))
        return status;
    if (units[unit].media)
        return DISK_OK;
    for (u32 i = 0; i < 4 && type < 7 && by_type[type][i]; i++)
        if (fits(unit, by_type[type][i])) {
            set_unit_media(unit, by_type[type][i]);
            bda->floppy_media[unit] = media_state(units[unit].media, type);
            return DISK_OK;
        }
    return DISK_NO_SECTOR;
}

/* ---- INT 13h ---- */

static u8 retry(const struct chs *at, const struct media *m, u8 n, u32 address, u8 what)
{
    u8 status = seek(at->unit, at->head, at->cyl);

    if (!status)
        status = track_transfer(at, m, n, address, what);
    if (status && status != DISK_DMA_64K && status != DISK_WRITE_PROTECTED)
        units[at->unit].calibrated = false; /* the next try begins at track 0 */
    return status;
}

static u32 transferred(struct regs *r, u8 left, u8 status)
{
    r->al = (u8)(r->al - left);
    return disk_done(r, status);
}

/* The last sector of the tracks that a request is for. 0: it goes on behind the last one that there
 * is, where tracks end according to INT 1Eh's table: programs try so how many there are. */
static u8 track_end(const struct chs *at, u8 count)
{
    u32 last = at->sector + count - 1u;
    u8 table = table_byte(4, dpt[4]);

    if (last <= units[at->unit].spt || has_sector(at->unit, (u8)MIN(last, 255)))
        return units[at->unit].spt;
    has_sector(at->unit, table);
    return units[at->unit].spt == table ? table : 0;
}

/* A request may go over to the next head, as AT BIOSes' do with multi-track. */
static u32 transfer(struct regs *r, u8 what)
{
    struct chs at = {r->dl, r->ch, r->dh, r->cl};
    u8 left = r->al, status = find_media(r->dl), end;
    const struct media *m = units[r->dl].media;
    u32 address = linear(r->es, r->bx);

    if (status || !left)
        return transferred(r, left, status ? status : DISK_BAD_COMMAND);
    end = track_end(&at, left);
    outb(CCR, m->rate);
    if (at.sector == 0 || at.sector > end || at.head > 1 || at.cyl > m->cyls + 5)
        return transferred(r, left, DISK_NO_SECTOR);
    if (what != DISK_VERIFY && (address & 0xffff) + left * 512u > 0x10000)
        return transferred(r, left, DISK_DMA_64K);
    while (left && !status && at.head < 2) {
        u8 n = (u8)MIN(left, end - at.sector + 1);

        status = retry(&at, m, n, what == DISK_VERIFY ? 0 : address, what);
        if (status)
            break;
        left = (u8)(left - n);
        address += n * 512u;
        at.sector = 1;
        at.head++;
    }
    return transferred(r, left, left && !status ? DISK_NO_SECTOR : status);
}

/* 05h: ES:BX has cylinder, head, number and size of each sector; how many is in INT 1Eh's table. */
static u32 format(struct regs *r)
{
    u8 unit = r->dl, status, spt;
    const struct media *m;

    motor_on(unit);
    if (!units[unit].media)
        set_unit_media(unit, by_type[shared.floppies[unit].floppy % 7][0]);
    m = units[unit].media;
    spt = table_byte(4, m->spt);
    u8 bytes[6] = {0x4d, (u8)(r->dh << 2 | unit),      table_byte(3, 2),
                   spt,  table_byte(7, m->format_gap), table_byte(8, 0xf6)};
    outb(CCR, m->rate);
    status = seek(unit, r->dh, r->ch);
    if (!status)
        status = start_dma(linear(r->es, r->bx), spt * 4u, false);
    if (!status)
        status = command(bytes, 6);
    if (!status)
        status = results(7, 3000);
    bda->floppy_recal &= 0x7f;
    set_unit_media(unit, m);
    return disk_done(r, status ? status : result_status());
}

/* 08h: the drive, not the medium. */
static u32 parameters(struct regs *r)
{
    u8 type = r->dl < MAX_FLOPPY ? shared.floppies[r->dl].floppy : 0;
    const struct media *m = type && type < 7 ? by_type[type][0] : NULL;

    if (m)
        give_table(r, m);
    r->ax = r->bx = r->cx = r->dx = 0;
    r->dl = shared.nfloppies;
    if (m) {
        r->bl = type == 5 ? 6 : type;
        r->ch = (u8)(m->cyls - 1);
        r->cl = m->spt;
        r->dh = 1;
    }
    bda->floppy_status = 0;
    set_cf(r, false);
    return ACTION_NONE;
}

static u32 drive_type(struct regs *r)
{
    u8 type = r->dl < MAX_FLOPPY ? shared.floppies[r->dl].floppy : 0;

    r->ah = !type ? 0 : type == 1 ? 1 : 2; /* with a change line, except 360K drives */
    set_cf(r, false);
    return ACTION_NONE;
}

static u32 change_line(struct regs *r)
{
    if (!changed(r->dl))
        return disk_done(r, DISK_OK);
    u8 status = clear_change(r->dl);
    return disk_done(r, status == DISK_OK ? DISK_CHANGED : DISK_TIMEOUT);
}

/* 17h: 1 360K in 360K, 2 360K in 1.2M, 3 1.2M, 4 720K; 18h: CH, CL the geometry to format. */
static u32 set_type(struct regs *r)
{
    static const struct media *const types[5] = {NULL, &media_360, &media_360_in_1200, &media_1200,
                                                 &media_720};

    if (r->al < 1 || r->al > 4)
        return disk_done(r, DISK_BAD_COMMAND);
    set_unit_media(r->dl, types[r->al]);
    return disk_done(r, DISK_OK);
}

static u32 set_media(struct regs *r)
{
    u8 type = shared.floppies[r->dl].floppy;

    for (u32 i = 0; i < 4 && type < 7 && by_type[type][i]; i++) {
        const struct media *m = by_type[type][i];

        if (m->cyls == r->ch + 1 && m->spt == (r->cl & 0x3f)) {
            set_unit_media(r->dl, m);
            give_table(r, m);
            return disk_done(r, DISK_OK);
        }
    }
    return disk_done(r, DISK_BAD_MEDIA_TYPE);
}

u32 floppy13(struct regs *r)
{
    if (r->ah == 0x08)
        return parameters(r);
    if (r->ah == 0x15)
        return drive_type(r);
    if (r->ah == 0x01) {
        r->ah = bda->floppy_status;
        set_cf(r, r->ah != 0);
        return ACTION_NONE;
    }
    if (r->dl >= MAX_FLOPPY || !shared.floppies[r->dl].floppy)
        return disk_done(r, r->ah <= 5 ? DISK_TIMEOUT : DISK_BAD_COMMAND);
    switch (r->ah) {
    case 0x00:
        return disk_done(r, reset_controller());
    case 0x02:
        return transfer(r, DISK_READ);
    case 0x03:
        return transfer(r, DISK_WRITE);
    case 0x04:
        return transfer(r, DISK_VERIFY);
    case 0x05:
        return format(r);
    case 0x16:
        return change_line(r);
    case 0x17:
        return set_type(r);
    case 0x18:
        return set_media(r);
    default:
        return disk_done(r, DISK_BAD_COMMAND);
    }
}
