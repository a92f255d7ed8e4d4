/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What disks and CD drives have in common: registers, the course of a command, data.
 *
 * Data that belongs to the medium is fetched when the host wants it, a buffer at a time: with PIO
 * ATA_PIO_BUFFER bytes, which may wait for the host for ever and are saved; with DMA ATA_BUFFER
 * bytes, once the host's DMA is ready, so that they do not wait and need not be saved.
 *
 * ata_run() drives a command from one state to the next. It does not recurse, however small the
 * pieces are that a host takes. */
#include "devices/storage/ata.h"

#include <string.h>

#include "devices/storage/ata_internal.h"
#include "vm/machine.h"

/* ---- the course of a command ---- */

static bool is_cdrom(const struct ata_drive *d)
{
    return d->kind == ATA_CDROM;
}

static void set_reason(struct ata_drive *d, uint8_t reason)
{
    if (d->packet)
        d->r.count = reason;
}

static void end_command(struct ata_drive *d, uint8_t status, uint8_t error, bool interrupt)
{
    d->phase = ATA_IDLE;
    d->chunk = d->pos = d->filled = 0;
    d->left = 0;
    d->stream = d->fua = false;
    d->r.status = status;
    d->r.error = error;
    set_reason(d, ATAPI_COD | ATAPI_IO);
    d->host.done(d->host.owner, d, interrupt);
}

/* The last block of PIO data in is the end of a disk's command, without an interrupt of its own. */
void ata_finish(struct ata_drive *d)
{
    bool silent = d->phase == ATA_IN && !d->dma && !d->packet;

    end_command(d, ATA_DRDY | ATA_DSC, 0, !silent);
}

void ata_fail(struct ata_drive *d, uint8_t error)
{
    end_command(d, ATA_DRDY | ATA_DSC | ATA_ERR, error, true);
}

/* ---- data ---- */

static uint32_t buffer_size(const struct ata_drive *d)
{
    return d->dma ? ATA_BUFFER : ATA_PIO_BUFFER;
}

static uint32_t min_u64(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

/* DRQ. The interrupt of data out asks for the second and later blocks (ATA8-APT, PIO data-out). */
static void offer(struct ata_drive *d, enum ata_phase phase, uint32_t chunk, bool first)
{
    d->phase = phase;
    d->chunk = chunk;
    d->r.status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    set_reason(d, phase == ATA_IN ? ATAPI_IO : 0);
    if (d->packet && !d->dma) {
        d->r.lba[1] = (uint8_t)chunk; /* byte count */
        d->r.lba[2] = (uint8_t)(chunk >> 8);
    }
    if (chunk)
        d->host.data(d->host.owner, d, !d->dma && (phase == ATA_IN || d->packet || !first));
}

static void request_done(struct block_request *r, int error);

static void submit(struct ata_drive *d, enum block_op op, uint64_t offset, uint64_t length)
{
    d->phase = ATA_WAIT;
    d->r.status = ATA_BSY | (d->r.status & ATA_DRDY);
    d->request = (struct block_request){.op = op,
                                        .offset = offset,
                                        .length = length,
                                        .data = op <= BLOCK_WRITE ? d->buffer : NULL,
                                        .fua = op == BLOCK_WRITE && d->fua,
                                        .done = request_done,
                                        .opaque = d};
    blockdev_submit(d->disk, &d->request);
}

void ata_request(struct ata_drive *d, enum block_op op, uint64_t offset, uint64_t length)
{
    d->stream = false;
    submit(d, op, offset, length);
}

static void step_in(struct ata_drive *d)
{
    if (d->pos < d->filled) {
        offer(d, ATA_IN, min_u64(d->filled - d->pos, d->block), false);
    } else if (!d->left) {
        ata_finish(d);
    } else if (d->dma && !d->host.dma_ready(d->host.owner, d)) {
        offer(d, ATA_IN, 0, false);
    } else {
        d->filled = min_u64(d->left, buffer_size(d));
        d->pos = 0;
        submit(d, BLOCK_READ, d->offset, d->filled);
    }
}

/* Collects a DRQ block, or with DMA a buffer, and writes it. */
static void step_out(struct ata_drive *d)
{
    bool first = d->phase == ATA_IDLE || d->phase == ATA_PACKET;

    if (d->pos < d->filled) {
        offer(d, ATA_OUT, min_u64(d->filled - d->pos, d->dma ? ATA_BUFFER : d->block), first);
    } else if (d->filled && d->stream) {
        submit(d, BLOCK_WRITE, d->offset, d->filled);
    } else if (d->filled) {
        if (d->packet)
            atapi_received(d);
        else
            ata_disk_received(d);
    } else if (d->left) {
        d->filled = min_u64(d->left, d->dma ? ATA_BUFFER : d->block);
        d->pos = 0;
        offer(d, ATA_OUT, d->filled, first);
    } else {
        ata_finish(d);
    }
}

static void ata_run(struct ata_drive *d)
{
    d->again = true;
    if (d->running)
        return;
    d->running = true;
    while (d->again) {
        d->again = false;
        if (d->write)
            step_out(d);
        else
            step_in(d);
    }
    d->running = false;
}

static void count_done(struct ata_drive *d)
{
    d->offset += d->filled;
    d->left -= d->filled < d->left ? d->filled : d->left;
}

static void request_done(struct block_request *r, int error)
{
    struct ata_drive *d = r->opaque;

    if (error && is_cdrom(d)) {
        atapi_request_failed(d, error);
    } else if (error || !d->stream) {
        ata_disk_request_done(d, error);
    } else {
        count_done(d);
        if (d->write)
            d->filled = d->pos = 0;
        ata_run(d);
    }
}

static void start_data(struct ata_drive *d, bool write, uint32_t block, bool dma)
{
    d->write = write;
    d->dma = dma;
    d->block = block;
    d->pos = d->chunk = 0;
    ata_run(d);
}

void ata_reply(struct ata_drive *d, uint32_t length, uint32_t block, bool dma)
{
    d->stream = false;
    d->left = 0;
    d->filled = length;
    start_data(d, false, block, dma);
}

void ata_receive(struct ata_drive *d, uint32_t length, uint32_t block, bool dma)
{
    d->stream = false;
    d->left = 0;
    d->filled = length;
    start_data(d, true, block, dma);
}

void ata_stream(struct ata_drive *d, bool write, uint64_t offset, uint64_t length, uint32_t block,
                bool dma)
{
    d->stream = true;
    d->offset = offset;
    d->left = length;
    d->filled = 0;
    start_data(d, write, block, dma);
}

void ata_moved(struct ata_drive *d)
{
    if (d->phase == ATA_PACKET) {
        d->chunk = 0;
        atapi_packet(d);
        return;
    }
    d->pos += d->chunk;
    d->chunk = 0;
    ata_run(d);
}

void ata_dma_go(struct ata_drive *d)
{
    if (d->dma && !d->chunk && (d->phase == ATA_IN || d->phase == ATA_OUT))
        ata_run(d);
}

/* ---- commands ---- */

/* SET MAX ADDRESS must follow READ NATIVE MAX ADDRESS at once (ATA8-ACS 7.49). */
void ata_command(struct ata_drive *d)
{
    if (d->native_max)
        d->native_max--;
    d->r.error = 0;
    d->r.status = ATA_DRDY | ATA_DSC;
    d->phase = ATA_IDLE;
    d->packet = d->dma = d->write = false;
    d->filled = d->pos = d->chunk = 0;
    d->left = 0;
    if (is_cdrom(d))
        atapi_command(d);
    else
        ata_disk_command(d);
}

uint64_t ata_num_sectors(const struct ata_drive *d)
{
    uint64_t size = blockdev_geometry(d->disk).size / ATA_SECTOR;

    return d->max_sectors && d->max_sectors < size ? d->max_sectors : size;
}

/* ---- life ---- */

/* DMA data that the host has not had is fetched again: it may be more than is saved. */
static void forget_dma(struct ata_drive *d)
{
    if (d->phase != ATA_IN || !d->dma || !d->stream)
        return;
    d->offset -= d->filled - d->pos;
    d->left += d->filled - d->pos;
    d->filled = d->pos = d->chunk = 0;
}

void ata_drive_pre_save(struct ata_drive *d)
{
    blockdev_drain(d->disk);
    forget_dma(d);
}

/* Signature and diagnostic code (ATA8-ACS 7.9.5, table 31). */
void ata_soft_reset(struct ata_drive *d)
{
    blockdev_drain(d->disk);
    d->phase = ATA_IDLE;
    d->packet = d->stream = d->fua = false;
    d->chunk = d->pos = d->filled = 0;
    d->left = 0;
    d->r = (struct ata_registers){.count = 1, .lba = {1}, .error = 1};
    if (is_cdrom(d)) {
        d->r.lba[1] = 0x14;
        d->r.lba[2] = 0xeb;
    } else {
        d->r.status = ATA_DRDY | ATA_DSC;
    }
}

void ata_drive_reset(struct ata_drive *d)
{
    ata_soft_reset(d);
    d->dma = d->write = false;
    d->block = 0;
    d->offset = 0;
    d->pio_mode = d->mdma_mode = d->udma_mode = 0;
    memset(d->buffer, 0, ATA_PIO_BUFFER);
    if (is_cdrom(d))
        atapi_reset(d);
    else
        ata_disk_reset(d);
}

/* A saved state may be hostile: what no drive can be in is no command at all. */
static bool plausible(const struct ata_drive *d)
{
    uint32_t room = buffer_size(d);

    if (d->phase == ATA_WAIT || d->phase > ATA_OUT)
        return false;
    if (d->phase == ATA_PACKET)
        return d->kind == ATA_CDROM && d->chunk && d->pos <= ATA_PACKET_SIZE &&
               d->chunk == ATA_PACKET_SIZE - d->pos && !d->filled;
    return d->filled <= room && d->pos <= d->filled && d->chunk <= d->filled - d->pos &&
           (d->block || d->phase == ATA_IDLE) && d->block <= ATA_BUFFER;
}

void ata_drive_post_load(struct ata_drive *d)
{
    uint64_t size = blockdev_geometry(d->disk).size;

    if (!is_cdrom(d) && !d->heads)
        d->heads = 1;
    if (!is_cdrom(d) && !d->sectors)
        d->sectors = 1;
    if (plausible(d) &&
        (!d->stream || (d->offset <= size && d->left <= size - d->offset &&
                        d->offset % BLOCK_SECTOR == 0 && d->left % BLOCK_SECTOR == 0)))
        return;
    d->phase = ATA_IDLE;
    d->r.status &= (uint8_t) ~(ATA_BSY | ATA_DRQ);
    d->stream = false;
    d->chunk = d->pos = d->filled = 0;
    d->left = 0;
}

static const struct state_field register_fields[] = {
    STATE_U8(struct ata_registers, feature),
    STATE_U8(struct ata_registers, count),
    STATE_BYTES(struct ata_registers, lba),
    STATE_U8(struct ata_registers, hob_feature),
    STATE_U8(struct ata_registers, hob_count),
    STATE_BYTES(struct ata_registers, hob_lba),
    STATE_U8(struct ata_registers, device),
    STATE_U8(struct ata_registers, command),
    STATE_U8(struct ata_registers, status),
    STATE_U8(struct ata_registers, error),
    STATE_FIELDS_END,
};

const struct state_field ata_drive_fields[] = {
    STATE_STRUCTS(struct ata_drive, r, 1, struct ata_registers, register_fields),
    STATE_U8_MAX(struct ata_drive, phase, ATA_OUT),
    STATE_BOOL(struct ata_drive, packet),
    STATE_BOOL(struct ata_drive, dma),
    STATE_BOOL(struct ata_drive, write),
    STATE_BOOL(struct ata_drive, stream),
    STATE_BOOL(struct ata_drive, fua),
    STATE_U64(struct ata_drive, offset),
    STATE_U64(struct ata_drive, left),
    STATE_U32(struct ata_drive, block),
    STATE_U32_MAX(struct ata_drive, filled, ATA_BUFFER),
    STATE_U32_MAX(struct ata_drive, pos, ATA_BUFFER),
    STATE_U32_MAX(struct ata_drive, chunk, ATA_BUFFER),
    STATE_U8_MAX(struct ata_drive, multiple, ATA_MAX_MULTIPLE),
    STATE_U8(struct ata_drive, heads),
    STATE_U8(struct ata_drive, sectors),
    STATE_U8(struct ata_drive, pio_mode),
    STATE_U8(struct ata_drive, mdma_mode),
    STATE_U8(struct ata_drive, udma_mode),
    STATE_BOOL(struct ata_drive, read_ahead),
    STATE_BOOL(struct ata_drive, standby),
    STATE_U64(struct ata_drive, max_sectors),
    STATE_U8_MAX(struct ata_drive, native_max, 2),
    STATE_BOOL(struct ata_drive, smart),
    STATE_U8(struct ata_drive, tests),
    STATE_BYTES(struct ata_drive, test_type),
    STATE_ARRAY(STATE_U16, struct ata_drive, test_hours, ATA_NUM_TESTS),
    STATE_BYTES(struct ata_drive, ncq_log),
    STATE_BYTES(struct ata_drive, cdb),
    STATE_U8(struct ata_drive, sense_key),
    STATE_U8(struct ata_drive, asc),
    STATE_U8(struct ata_drive, ascq),
    STATE_U8(struct ata_drive, attention),
    STATE_U8(struct ata_drive, media_event),
    STATE_BOOL(struct ata_drive, locked),
    STATE_BOOL(struct ata_drive, tray_open),
    STATE_ARRAY(STATE_BYTES, struct ata_drive, buffer, ATA_PIO_BUFFER),
    STATE_FIELDS_END,
};

void ata_drive_init(struct ata_drive *d, struct machine *m, enum ata_kind kind,
                    struct blockdev *disk, unsigned number, bool sata, struct ata_host host)
{
    struct blockdev_events events = {.opaque = d};

    d->kind = kind;
    d->m = m;
    d->disk = disk;
    d->number = number;
    d->sata = sata;
    d->host = host;
    if (is_cdrom(d)) {
        events = atapi_events;
        events.opaque = d;
    }
    blockdev_connect(disk, m, &events);
}
