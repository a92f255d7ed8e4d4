/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial ATA AHCI 1.3.1. Commands that are not queued are the drive's (ata.c), one at a time;
 * queued ones are executed here, as many at a time as there are slots, and their data goes through
 * buffers of their own, which together are bounded.
 *
 * Not here: port multipliers, command completion coalescing, enclosure management, power states of
 * the link, more than one interrupt message. */
#include "devices/storage/ahci.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "devices/storage/ahci_regs.h"
#include "vm/machine.h"

/* 64-bit addresses, NCQ, command list override, 6 Gb/s, AHCI only, 32 slots, 6 ports */
#define CAP_VALUE    (0xc1341f00u | (AHCI_NUM_PORTS - 1))
#define BAR_SIZE     0x1000u
#define AT_MSI       0x80 /* in configuration space */
#define IE_WRITABLE  0xfdc000ffu
#define CMD_WRITABLE (CMD_ST | CMD_FRE | CMD_ATAPI | CMD_DLAE)
#define SSTS_UP      0x133u /* device present, 6 Gb/s, active */

#define READ_FPDMA       0x60
#define WRITE_FPDMA      0x61
#define QUEUED_FUA       0x80 /* in the device register */
#define MAX_QUEUED_BYTES (64ull << 20)

struct queued {
    struct block_request block;
    struct ahci_port *port;
    struct ahci_cursor cursor;
    unsigned tag;
    uint64_t lba;
    uint32_t length;
    uint8_t data[];
};

static bool plugged(const struct ahci_port *p)
{
    return p->drive.kind != ATA_NONE;
}

static struct address_space *memory(const struct ahci_port *p)
{
    return p->hba->pci.bus->mem;
}

/* ---- interrupts ---- */

/* A message is sent when there is something to tell, and again when the guest has acknowledged a
 * part of it (10.6.2.2, single message): write_is() clears `signalled`. */
static void update_irq(struct ahci *s)
{
    bool message = pci_msi_enabled(&s->msi), wanted;

    for (unsigned n = 0; n < AHCI_NUM_PORTS; n++)
        if (s->port[n].is & s->port[n].ie)
            s->is |= 1u << n;
    wanted = s->is && (s->ghc & GHC_IE);
    pci_set_intx(&s->pci, wanted && !message);
    if (message && wanted && !s->signalled)
        pci_msi_notify(&s->msi);
    s->signalled = message && wanted;
}

static void write_is(struct ahci *s, uint32_t value)
{
    s->is &= ~value;
    s->signalled = false;
}

/* The guest may have turned messages on or off. */
static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    (void)offset, (void)size;
    update_irq((struct ahci *)d);
}

static void raise(struct ahci_port *p, uint32_t bits)
{
    p->is |= bits;
    update_irq(p->hba);
}

/* ---- regions of memory ---- */

static bool next_region(struct ahci_port *p, struct ahci_cursor *c)
{
    uint8_t d[16];

    if (!c->descriptors)
        return false;
    address_space_read_block(memory(p), c->next, d, sizeof(d));
    c->address = ld_le64(d);
    c->left = (ld_le32(d + 12) & 0x3fffff) + 1;
    c->next += sizeof(d);
    c->descriptors--;
    return true;
}

/* Returns how many bytes there was room for. */
static uint32_t move(struct ahci_port *p, struct ahci_cursor *c, uint8_t *data, uint32_t n,
                     bool to_memory)
{
    uint32_t done = 0;

    while (done < n && (c->left || next_region(p, c))) {
        uint32_t part = n - done < c->left ? n - done : c->left;

        if (to_memory)
            address_space_write_block(memory(p), c->address, data + done, part);
        else
            address_space_read_block(memory(p), c->address, data + done, part);
        c->address += part;
        c->left -= part;
        done += part;
    }
    return done;
}

/* ---- received FISes ---- */

static void set_tfd(struct ahci_port *p, uint8_t status, uint8_t error)
{
    p->tfd = status | (uint32_t)error << 8;
}

static void post(struct ahci_port *p, unsigned offset, const uint8_t *fis, unsigned length)
{
    if (p->cmd & CMD_FRE)
        address_space_write_block(memory(p), p->fb + offset, fis, length);
}

/* The registers, in the places that both register FISes have them (Serial ATA 3.0, 10.3.5). */
static void put_registers(const struct ata_drive *d, uint8_t *fis)
{
    const struct ata_registers *r = &d->r;

    fis[2] = r->status;
    fis[3] = r->error;
    memcpy(fis + 4, r->lba, 3);
    fis[7] = r->device;
    memcpy(fis + 8, r->hob_lba, 3);
    fis[12] = r->count;
    fis[13] = r->hob_count;
}

static void post_d2h(struct ahci_port *p, bool interrupt)
{
    uint8_t fis[20] = {FIS_D2H, interrupt ? FIS_INTERRUPT : 0};

    put_registers(&p->drive, fis);
    set_tfd(p, p->drive.r.status, p->drive.r.error);
    post(p, RFIS_D2H, fis, sizeof(fis));
}

static void post_pio_setup(struct ahci_port *p, bool interrupt)
{
    const struct ata_drive *d = &p->drive;
    uint8_t fis[20] = {FIS_PIO, (d->phase == ATA_IN ? 0x20 : 0) | (interrupt ? FIS_INTERRUPT : 0)};

    put_registers(d, fis);
    fis[15] = ATA_DRDY | ATA_DSC; /* status after the data */
    st_le16(fis + 16, (uint16_t)d->chunk);
    set_tfd(p, d->r.status, d->r.error);
    post(p, RFIS_PIO, fis, sizeof(fis));
}

/* Set device bits: the queued commands of `done` have ended. */
static void post_sdb(struct ahci_port *p, uint8_t status, uint8_t error, uint32_t done)
{
    uint8_t fis[8] = {FIS_SDB, FIS_INTERRUPT, status & 0x77, error};

    st_le32(fis + 4, done);
    post(p, RFIS_SDB, fis, sizeof(fis));
    set_tfd(p, status, error);
    p->sact &= ~done;
}

/* The device's signature, after a reset. */
static void post_signature(struct ahci_port *p)
{
    const uint8_t *lba = p->drive.r.lba;

    p->sig = 1u | (uint32_t)lba[0] << 8 | (uint32_t)lba[1] << 16 | (uint32_t)lba[2] << 24;
    post_d2h(p, false);
}

/* ---- commands that are not queued ---- */

static uint64_t header_address(const struct ahci_port *p, unsigned slot)
{
    return p->clb + (uint64_t)slot * HEADER_SIZE;
}

static void process(struct ahci_port *p);

/* Slot free; on an error the port stands still until it is restarted (6.2.2). */
static void end_command(struct ahci_port *p)
{
    p->busy = false;
    address_space_write(memory(p), header_address(p, p->slot) + HEADER_PRDBC, p->moved, 4);
    p->stopped = p->drive.r.status & ATA_ERR;
    if (p->stopped)
        raise(p, IS_TFES);
    else
        p->ci &= ~(1u << p->slot);
}

static void drive_done(void *owner, struct ata_drive *d, bool interrupt)
{
    struct ahci_port *p = owner;

    if (!p->busy)
        return;
    if (interrupt)
        post_d2h(p, true);
    else
        set_tfd(p, d->r.status, d->r.error);
    end_command(p);
    if (interrupt)
        raise(p, IS_DHRS);
    process(p);
}

static void take_packet(struct ahci_port *p)
{
    uint8_t header[HEADER_SIZE];

    address_space_read_block(memory(p), header_address(p, p->slot), header, sizeof(header));
    address_space_read_block(memory(p), (ld_le64(header + 8) & ~0x7full) + TABLE_ACMD,
                             p->drive.buffer, ATA_PACKET_SIZE);
}

/* Data for which there is no room is lost, data that is missing is zeros, and the guest is told.
 * The data may go into our own registers, where they end this command and begin another one: then
 * there is nothing to go on with. */
static void drive_data(void *owner, struct ata_drive *d, bool interrupt)
{
    struct ahci_port *p = owner;
    bool in = d->phase == ATA_IN;
    uint32_t n, turn = p->turn;
    struct ahci_cursor cursor;

    if (!d->dma || d->phase == ATA_PACKET)
        post_pio_setup(p, interrupt);
    if (d->phase == ATA_PACKET && p->turn == turn) {
        take_packet(p);
        ata_moved(d);
        return;
    }
    cursor = p->cursor;
    n = p->turn == turn ? move(p, &cursor, d->buffer + d->pos, d->chunk, in) : 0;
    if (p->turn != turn)
        return;
    p->cursor = cursor;
    p->moved += n;
    if (n < d->chunk) {
        if (!in)
            memset(d->buffer + d->pos + n, 0, d->chunk - n);
        p->is |= IS_OFS;
    }
    if (!d->dma && interrupt)
        p->is |= IS_PSS;
    update_irq(p->hba);
    ata_moved(d);
}

static bool drive_dma_ready(void *owner, struct ata_drive *d)
{
    (void)owner, (void)d;
    return true;
}

static void set_registers(struct ata_drive *d, const uint8_t *fis)
{
    d->r.command = fis[2];
    d->r.feature = fis[3];
    memcpy(d->r.lba, fis + 4, 3);
    d->r.device = fis[7];
    memcpy(d->r.hob_lba, fis + 8, 3);
    d->r.hob_feature = fis[11];
    d->r.count = fis[12];
    d->r.hob_count = fis[13];
}

static void start_command(struct ahci_port *p, unsigned slot, const uint8_t *fis,
                          const struct ahci_cursor *cursor)
{
    p->busy = true;
    p->turn++;
    p->slot = (uint8_t)slot;
    p->moved = 0;
    p->cursor = *cursor;
    set_registers(&p->drive, fis);
    p->tfd |= ATA_BSY;
    ata_command(&p->drive);
}

/* A FIS that writes device control: a software reset begins, or ends (Serial ATA 3.0, 11.4). */
static void control(struct ahci_port *p, unsigned slot, uint8_t value)
{
    bool srst = value & CONTROL_SRST, ends = p->srst && !srst;

    p->srst = srst;
    p->ci &= ~(1u << slot);
    if (srst) {
        p->tfd |= ATA_BSY;
    } else if (ends) {
        ata_soft_reset(&p->drive);
        post_signature(p);
    }
}

/* ---- queued commands ---- */

static void fail_queued(struct ahci_port *p, unsigned tag, uint8_t error, uint64_t lba)
{
    uint8_t status = ATA_DRDY | ATA_DSC | ATA_ERR;

    p->stopped = true;
    p->drive.r.status = status;
    p->drive.r.error = error;
    ata_ncq_failed(&p->drive, tag, status, error, lba);
    post_sdb(p, status, error, 0);
    raise(p, IS_SDBS | IS_TFES);
}

static void queued_done(struct block_request *b, int error)
{
    struct queued *q = b->opaque;
    struct ahci_port *p = q->port;
    unsigned tag = q->tag;
    uint64_t lba = q->lba;
    bool read = b->op == BLOCK_READ;

    p->queued--;
    p->queued_bytes -= q->length;
    if (!error && read && !p->stopped)
        move(p, &q->cursor, q->data, q->length, true);
    free(q);
    if (p->stopped)
        return;
    if (error) {
        fail_queued(p, tag, read ? ATA_UNC : ATA_ABRT, lba);
        return;
    }
    post_sdb(p, ATA_DRDY | ATA_DSC, 0, 1u << tag);
    raise(p, IS_SDBS);
    process(p);
}

static void submit_queued(struct ahci_port *p, struct queued *q, bool write, bool fua)
{
    uint32_t n = write ? move(p, &q->cursor, q->data, q->length, false) : q->length;

    if (n < q->length) {
        memset(q->data + n, 0, q->length - n);
        p->is |= IS_OFS;
    }
    q->block = (struct block_request){.op = write ? BLOCK_WRITE : BLOCK_READ,
                                      .offset = q->lba * ATA_SECTOR,
                                      .length = q->length,
                                      .data = q->data,
                                      .fua = write && fua,
                                      .done = queued_done,
                                      .opaque = q};
    p->queued++;
    p->queued_bytes += q->length;
    blockdev_submit(p->drive.disk, &q->block);
}

/* ATA8-ACS 7.32, 7.65: the count is in the feature registers, the tag in count. */
static void start_queued(struct ahci_port *p, unsigned slot, const uint8_t *fis,
                         const struct ahci_cursor *cursor)
{
    uint32_t count = fis[3] | (uint32_t)fis[11] << 8;
    uint64_t lba = (ld_le32(fis + 4) & 0xffffff) | (uint64_t)(ld_le32(fis + 8) & 0xffffff) << 24;
    uint64_t size = ata_num_sectors(&p->drive);
    bool write = fis[2] == WRITE_FPDMA;
    struct queued *q;

    count = count ? count : 65536;
    set_registers(&p->drive, fis);
    p->ci &= ~(1u << slot);
    p->drive.standby = false;
    if (lba >= size || count > size - lba) {
        fail_queued(p, fis[12] >> 3, ATA_IDNF, lba);
        return;
    }
    q = (write && blockdev_read_only(p->drive.disk))
            ? NULL
            : malloc(sizeof(*q) + (size_t)count * ATA_SECTOR);
    if (!q) {
        fail_queued(p, fis[12] >> 3, ATA_ABRT, lba);
        return;
    }
    q->port = p;
    q->cursor = *cursor;
    q->tag = fis[12] >> 3;
    q->lba = lba;
    q->length = count * ATA_SECTOR;
    submit_queued(p, q, write, fis[7] & QUEUED_FUA);
}

/* ---- the list ---- */

static bool is_queued(const struct ahci_port *p, const uint8_t *fis)
{
    return p->drive.kind == ATA_DISK && (fis[2] == READ_FPDMA || fis[2] == WRITE_FPDMA);
}

/* Takes up a slot's command. False: it must wait. */
static bool take_slot(struct ahci_port *p, unsigned slot)
{
    uint8_t header[HEADER_SIZE], fis[20];
    uint64_t table;
    struct ahci_cursor cursor = {0};

    address_space_read_block(memory(p), header_address(p, slot), header, sizeof(header));
    table = ld_le64(header + 8) & ~0x7full;
    address_space_read_block(memory(p), table, fis, sizeof(fis));
    cursor.next = table + TABLE_PRDT;
    cursor.descriptors = ld_le16(header + 2);
    if (fis[0] != FIS_H2D) {
        log_line(&p->hba->pci.dev.m->log, LOG_GUEST_ERRORS, "ahci: port %u: FIS %02xh in slot %u",
                 p->number, fis[0], slot);
        p->ci &= ~(1u << slot);
    } else if (!(fis[1] & H2D_COMMAND)) {
        control(p, slot, fis[15]);
    } else if (is_queued(p, fis)) {
        if (p->queued && p->queued_bytes >= MAX_QUEUED_BYTES)
            return false;
        start_queued(p, slot, fis, &cursor);
    } else {
        if (p->queued)
            return false;
        start_command(p, slot, fis, &cursor);
    }
    return true;
}

static bool can_issue(const struct ahci_port *p)
{
    bool master = pci_get16(&p->hba->pci, PCI_COMMAND) & PCI_COMMAND_MASTER;

    return plugged(p) && (p->cmd & CMD_ST) && !p->stopped && !p->busy && master;
}

/* Issues what can be issued, lowest slot first. */
static void process(struct ahci_port *p)
{
    if (p->processing)
        return;
    p->processing = true;
    while (p->ci && can_issue(p))
        if (!take_slot(p, (unsigned)__builtin_ctz(p->ci)))
            break;
    p->processing = false;
}

/* ---- port registers ---- */

/* What is under way is finished, and forgotten. */
static void quiesce(struct ahci_port *p)
{
    bool was = p->processing;

    p->processing = true; /* nothing new */
    if (plugged(p))
        blockdev_drain(p->drive.disk);
    p->processing = was;
    p->stopped = p->busy = false;
    p->turn++;
}

/* COMRESET: the device is there again, and says so. */
static void link_up(struct ahci_port *p)
{
    if (!plugged(p)) {
        p->ssts = 0;
        p->sig = UINT32_MAX;
        set_tfd(p, 0x7f, 0);
        return;
    }
    quiesce(p);
    ata_soft_reset(&p->drive);
    p->ssts = SSTS_UP;
    p->serr |= SERR_DIAG_X;
    post_signature(p);
    raise(p, IS_PCS);
}

static void write_sctl(struct ahci_port *p, uint32_t value)
{
    bool was = p->sctl & SCTL_DET;

    p->sctl = value & 0xfff;
    if ((value & SCTL_DET) == 1 || (value & SCTL_DET) == 4) {
        quiesce(p);
        p->ssts = (value & SCTL_DET) == 4 ? 4 : 0;
        set_tfd(p, 0x7f, 0);
    } else if (was && !(value & SCTL_DET)) {
        link_up(p);
    }
}

static void write_cmd(struct ahci_port *p, uint32_t value)
{
    uint32_t cmd = (p->cmd & ~CMD_WRITABLE) | (value & CMD_WRITABLE);

    if ((value & CMD_CLO) && !(p->cmd & CMD_ST))
        p->tfd &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
    if (!(cmd & CMD_ST) && (p->cmd & CMD_ST)) {
        quiesce(p);
        p->ci = p->sact = 0;
    }
    cmd = cmd & CMD_ST ? cmd | CMD_CR : cmd & ~CMD_CR;
    cmd = cmd & CMD_FRE ? cmd | CMD_FR : cmd & ~CMD_FR;
    p->cmd = cmd;
    process(p);
}

static uint32_t read_port(const struct ahci_port *p, unsigned reg)
{
    switch (reg) {
    case PX_CLB:
        return (uint32_t)p->clb;
    case PX_CLBU:
        return (uint32_t)(p->clb >> 32);
    case PX_FB:
        return (uint32_t)p->fb;
    case PX_FBU:
        return (uint32_t)(p->fb >> 32);
    case PX_IS:
        return p->is;
    case PX_IE:
        return p->ie;
    case PX_CMD: /* the slot that is executed */
        return p->cmd | CMD_SUD | CMD_POD | (p->busy ? (uint32_t)p->slot << 8 : 0);
    case PX_TFD:
        return p->tfd;
    case PX_SIG:
        return p->sig;
    case PX_SSTS:
        return p->ssts;
    case PX_SCTL:
        return p->sctl;
    case PX_SERR:
        return p->serr;
    case PX_SACT:
        return p->sact;
    case PX_CI:
        return p->ci;
    default:
        return 0;
    }
}

static uint64_t with_half(uint64_t old, uint32_t value, bool high, uint32_t mask)
{
    return high ? (old & UINT32_MAX) | (uint64_t)value << 32
                : (old & ~(uint64_t)UINT32_MAX) | (value & mask);
}

static void write_port(struct ahci_port *p, unsigned reg, uint32_t value)
{
    switch (reg) {
    case PX_CLB:
    case PX_CLBU:
        p->clb = with_half(p->clb, value, reg == PX_CLBU, ~0x3ffu);
        break;
    case PX_FB:
    case PX_FBU:
        p->fb = with_half(p->fb, value, reg == PX_FBU, ~0xffu);
        break;
    case PX_IS:
        p->is &= ~value | (p->serr & SERR_DIAG_X ? IS_PCS : 0);
        break;
    case PX_IE:
        p->ie = value & IE_WRITABLE;
        break;
    case PX_CMD:
        write_cmd(p, value);
        break;
    case PX_SCTL:
        write_sctl(p, value);
        break;
    case PX_SERR:
        p->serr &= ~value;
        if (!(p->serr & SERR_DIAG_X))
            p->is &= ~IS_PCS;
        break;
    case PX_SACT:
        p->sact |= p->cmd & CMD_ST ? value : 0;
        break;
    case PX_CI:
        p->ci |= p->cmd & CMD_ST ? value : 0;
        process(p);
        break;
    default:
        break;
    }
    update_irq(p->hba);
}

/* ---- host registers ---- */

static void reset_port(struct ahci_port *p)
{
    quiesce(p);
    p->clb = p->fb = 0;
    p->is = p->ie = p->cmd = p->serr = p->sact = p->ci = p->sctl = 0;
    p->srst = false;
    p->slot = 0;
    link_up(p);
}

/* All but what only power-on resets (10.4.3): the firmware's choices in CAP and PI, which are fixed
 * here. */
static void reset_hba(struct ahci *s)
{
    s->ghc = GHC_AE;
    for (unsigned n = 0; n < AHCI_NUM_PORTS; n++)
        reset_port(&s->port[n]);
    s->is = 0;
    update_irq(s);
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    struct ahci *s = opaque;

    (void)size;
    if (offset >= HBA_PORTS)
        return offset < HBA_PORTS + AHCI_NUM_PORTS * HBA_PORT_SIZE
                   ? read_port(&s->port[(offset - HBA_PORTS) / HBA_PORT_SIZE],
                               offset % HBA_PORT_SIZE)
                   : 0;
    switch (offset) {
    case HBA_CAP:
        return CAP_VALUE;
    case HBA_GHC:
        return s->ghc;
    case HBA_IS:
        return s->is;
    case HBA_PI:
        return (1u << AHCI_NUM_PORTS) - 1;
    case HBA_VS:
        return 0x00010301;
    default:
        return 0;
    }
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct ahci *s = opaque;

    (void)size;
    if (offset >= HBA_PORTS) {
        if (offset < HBA_PORTS + AHCI_NUM_PORTS * HBA_PORT_SIZE)
            write_port(&s->port[(offset - HBA_PORTS) / HBA_PORT_SIZE], offset % HBA_PORT_SIZE,
                       (uint32_t)value);
    } else if (offset == HBA_GHC) {
        if (value & GHC_HR)
            reset_hba(s);
        else
            s->ghc = GHC_AE | ((uint32_t)value & GHC_IE);
    } else if (offset == HBA_IS) {
        write_is(s, (uint32_t)value);
    }
    update_irq(s);
}

/* ---- life ---- */

static void reset(struct device *dev)
{
    struct ahci *s = (struct ahci *)dev;

    for (unsigned n = 0; n < AHCI_NUM_PORTS; n++)
        if (plugged(&s->port[n])) {
            quiesce(&s->port[n]);
            ata_drive_reset(&s->port[n].drive);
        }
    pci_msi_reset(&s->msi);
    pci_device_reset(&s->pci);
    reset_hba(s);
}

/* After this nothing is under way, and there is no more of it than registers. */
static void pre_save(struct device *dev)
{
    struct ahci *s = (struct ahci *)dev;

    for (unsigned n = 0; n < AHCI_NUM_PORTS; n++)
        if (plugged(&s->port[n]))
            ata_drive_pre_save(&s->port[n].drive);
}

static bool post_load(struct device *dev, struct error *err)
{
    struct ahci *s = (struct ahci *)dev;

    (void)err;
    for (unsigned n = 0; n < AHCI_NUM_PORTS; n++) {
        struct ahci_port *p = &s->port[n];

        if (plugged(p))
            ata_drive_post_load(&p->drive);
        p->drive.phase = ATA_IDLE; /* commands do not wait for their data here */
        p->busy = false;
    }
    pci_device_post_load(&s->pci);
    return true;
}

static const struct state_field port_fields[] = {
    STATE_STRUCTS(struct ahci_port, drive, 1, struct ata_drive, ata_drive_fields),
    STATE_U64(struct ahci_port, clb),
    STATE_U64(struct ahci_port, fb),
    STATE_U32(struct ahci_port, is),
    STATE_U32(struct ahci_port, ie),
    STATE_U32(struct ahci_port, cmd),
    STATE_U32(struct ahci_port, tfd),
    STATE_U32(struct ahci_port, sig),
    STATE_U32(struct ahci_port, ssts),
    STATE_U32(struct ahci_port, sctl),
    STATE_U32(struct ahci_port, serr),
    STATE_U32(struct ahci_port, sact),
    STATE_U32(struct ahci_port, ci),
    STATE_BOOL(struct ahci_port, srst),
    STATE_BOOL(struct ahci_port, stopped),
    STATE_U8_MAX(struct ahci_port, slot, 31),
    STATE_BOOL(struct ahci_port, busy),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct ahci, pci, 1, struct pci_device, pci_device_fields),
    STATE_U32(struct ahci, ghc),
    STATE_U32(struct ahci, is),
    STATE_BOOL(struct ahci, signalled),
    STATE_STRUCTS(struct ahci, port, AHCI_NUM_PORTS, struct ahci_port, port_fields),
    STATE_FIELDS_END,
};

static const struct device_class class = {.type = "ich9-ahci",
                                          .version = 2,
                                          .fields = fields,
                                          .reset = reset,
                                          .pre_save = pre_save,
                                          .post_load = post_load};

void ahci_init(struct ahci *s, struct machine *m, const char *id, struct pci_bus *bus,
               uint8_t devfn, const struct ide_drive_config drives[AHCI_NUM_PORTS], unsigned number,
               struct msi_sink msi)
{
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x2922,
                                       .revision = 2,
                                       .class = 0x0106,
                                       .prog_if = 1,
                                       .interrupt_pin = 1};
    static const struct region_ops ops = {
        .read = bar_read, .write = bar_write, .min_size = 4, .max_size = 4};

    memset(s, 0, sizeof(*s));
    pci_device_init(&s->pci, m, &class, id, bus, devfn, &ids);
    region_init_device(&s->region, "ahci", BAR_SIZE, &ops, s);
    pci_device_add_bar(&s->pci, 5, PCI_BAR_MEM32, &s->region);
    pci_msi_init(&s->msi, &s->pci, AT_MSI, msi);
    s->pci.config_written = config_written;
    for (unsigned n = 0; n < AHCI_NUM_PORTS; n++) {
        struct ahci_port *p = &s->port[n];
        const struct ata_host host = {drive_data, drive_done, drive_dma_ready, p};

        p->hba = s;
        p->number = n;
        if (drives[n].kind != ATA_NONE)
            ata_drive_init(&p->drive, m, drives[n].kind, drives[n].disk, number + n, true, host);
    }
    reset(&s->pci.dev);
}
