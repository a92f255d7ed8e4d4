/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_drives.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/cmdline.h"
#include "host/block/drive.h"
#include "machines/pc_storage.h"

static bool need_drives(struct settings *s, struct error *err)
{
    if (!s->drives)
        s->drives = drives_new();
    return s->drives || error_set(err, "out of memory");
}

bool drives_parse(struct settings *s, const char *value, struct error *err)
{
    if (need_drives(s, err) && drive_add(s->drives, value, DRIVE_IDE, err))
        return true;
    error_prefix(err, "-drive");
    return false;
}

bool drives_parse_node(struct settings *s, const char *value, struct error *err)
{
    if (need_drives(s, err) && drive_add_node(s->drives, value, err))
        return true;
    error_prefix(err, "-blockdev");
    return false;
}

bool drives_add_disk(struct settings *s, unsigned index, const char *file, struct error *err)
{
    if (need_drives(s, err) && drive_add_file(s->drives, file, DRIVE_IDE, (int)index, false, err))
        return true;
    error_prefix(err, "-hd%c %s", (int)('a' + index), file);
    return false;
}

bool drives_add_cdrom(struct settings *s, const char *file, struct error *err)
{
    if (need_drives(s, err) && drive_add_file(s->drives, file, DRIVE_IDE, 2, true, err))
        return true;
    error_prefix(err, "-cdrom %s", file);
    return false;
}

bool drives_add_floppy(struct settings *s, unsigned index, const char *file, struct error *err)
{
    if (need_drives(s, err) &&
        drive_add_file(s->drives, file, DRIVE_FLOPPY, (int)index, false, err))
        return true;
    error_prefix(err, "-fd%c %s", (int)('a' + index), file);
    return false;
}

bool drives_add_flash(struct settings *s, const char *file, struct error *err)
{
    if (need_drives(s, err) && drive_add_file(s->drives, file, DRIVE_PFLASH, -1, false, err))
        return true;
    error_prefix(err, "-pflash %s", file);
    return false;
}

void drives_print_help(void)
{
    puts("-drive file=FILE,K=V,...:\n"
         "  if=ide          IDE disk or CD drive (the default)\n"
         "  if=virtio       virtio disk\n"
         "  if=floppy       floppy drive A (index=0) or B; the image's size says which kind\n"
         "  if=pflash       flash with firmware (unit=0), its variables (unit=1)\n"
         "  if=none         for a -device: -drive if=none,id=d,... -device ide-hd,drive=d\n"
         "  index=N         which of its kind; IDE: 0 and 1 are the primary channel's\n"
         "  media=cdrom     CD drive; disk is the default\n"
         "  format=F        raw, ...; default: what the file looks like\n"
         "  readonly=on     is never written\n"
         "  snapshot=on     writes are forgotten at the end\n"
         "  cache=MODE      writeback, none, writethrough, directsync, unsafe\n"
         "  serial=TEXT     serial number that the guest sees\n"
         "  werror=WHAT     when a write fails: report (the guest is told), ignore, stop (the\n"
         "                  machine stops; going on, it is tried again), enospc (stop if the\n"
         "                  host's disk is full); rerror=WHAT: reads, likewise\n"
         "  bootindex=N     place in the order in which firmware boots; -device has it, too\n"
         "  id=ID           its name\n"
         "-blockdev driver=D,node-name=NAME,K=V,... (JSON, too), for -device X,drive=NAME:\n"
         "  driver=file     a host file, or host_device: filename=PATH\n"
         "  driver=F        raw, qcow2, vmdk, vpc or vdi: file=NODE, or file.filename=PATH\n"
         "  read-only, discard, detect-zeroes, cache.direct, cache.no-flush, locking");
}

/* ---- from drives to connectors ---- */

static const char *const ide_bus[2] = {"ide.0", "ide.1"};

static bool put_ide(struct pc_storage_config *c, struct blockdev *b, unsigned place, bool cdrom,
                    struct error *err)
{
    struct ide_drive_config *ide = &c->ide[place];

    if (ide->kind != ATA_NONE)
        return error_set(err, "%s has a drive at unit %u already; try another unit",
                         ide_bus[place / 2], place % 2);
    *ide = (struct ide_drive_config){.kind = cdrom ? ATA_CDROM : ATA_DISK, .disk = b};
    return true;
}

static bool put_floppy(struct pc_storage_config *c, struct blockdev *b, unsigned unit,
                       struct error *err)
{
    if (unit >= FDC_NUM_DRIVES || c->floppy[unit])
        return error_set(err, "there is no free floppy drive %u; there are 0 and 1", unit);
    if (blockdev_has_medium(b) && !fdc82078_is_floppy(blockdev_geometry(b).size))
        return error_set(err,
                         "drive %s: %llu bytes are no floppy disk, which has 160, 180, 320, 360, "
                         "720, 1200, 1440, 1680, 1722 or 2880 KiB; try -hda",
                         drive_config(b)->id, (unsigned long long)blockdev_geometry(b).size);
    c->floppy[unit] = b;
    return true;
}

static bool put_virtio(struct pc_storage_config *c, struct blockdev *b, unsigned queues,
                       bool modern_only, const struct pc_pci_place *place, struct error *err)
{
    if (c->nvirtio_blk == PC_MAX_VIRTIO_BLK)
        return error_set(err, "more than %d virtio disks", PC_MAX_VIRTIO_BLK);
    c->virtio_blk[c->nvirtio_blk++] = (struct pc_virtio_blk){
        .disk = b, .queues = queues, .modern_only = modern_only, .place = *place};
    return true;
}

/* A drive of -drive that says itself where it goes. */
static bool place_drive(struct pc_storage_config *c, struct blockdev *b, struct error *err)
{
    const struct drive_config *d = drive_config(b);
    const struct pc_pci_place last = {.type = "virtio-blk-pci", .order = UINT_MAX};
    unsigned place = d->bus * 2 + d->unit;

    switch (d->interface) {
    case DRIVE_IDE:
        if (place >= PC_NUM_IDE)
            return error_set(err, "drive %s: IDE has index=0 to %d", d->id, PC_NUM_IDE - 1);
        return put_ide(c, b, place, d->cdrom, err);
    case DRIVE_VIRTIO:
        return put_virtio(c, b, 1, false, &last, err);
    case DRIVE_FLOPPY:
        return put_floppy(c, b, d->unit, err);
    case DRIVE_PFLASH:
        if (d->unit >= PC_NUM_FLASH)
            return error_set(err, "drive %s: unit=0 or unit=1 is expected", d->id);
        c->flash[d->unit] = b;
        return true;
    case DRIVE_NONE:
    default:
        return true;
    }
}

/* The drive that a -device names, which nobody else has. An empty CD drive needs no name. */
static struct blockdev *named_drive(struct settings *s, const struct disk_setting *d,
                                    struct error *err)
{
    struct blockdev *b;

    if (!d->drive[0])
        return drive_add_file(s->drives, NULL, DRIVE_NONE, -1, true, err);
    b = drive_find(s->drives, d->drive, err);
    if (b && drive_config(b)->interface != DRIVE_NONE) {
        error_set(err, "drive=%s: that has a place already; say if=none in its -drive", d->drive);
        return NULL;
    }
    return b;
}

/* Two devices that name the same drive. */
static bool is_taken(const struct settings *s, unsigned n, struct error *err)
{
    for (unsigned i = 0; i < n; i++)
        if (s->disks[n].drive[0] && !strcmp(s->disks[i].drive, s->disks[n].drive)) {
            error_set(err, "drive=%s: two devices have it", s->disks[n].drive);
            return true;
        }
    return false;
}

static bool free_ide(const struct pc_storage_config *c, unsigned first, unsigned end,
                     unsigned *place)
{
    for (*place = first; *place < end; ++*place)
        if (c->ide[*place].kind == ATA_NONE)
            return true;
    return false;
}

static bool place_ide(struct pc_storage_config *c, const struct disk_setting *d, struct blockdev *b,
                      struct error *err)
{
    unsigned first = 0, end = PC_NUM_IDE, place;

    if (d->bus[0]) {
        first = !strcmp(d->bus, ide_bus[1]) ? 2 : 0;
        end = first + 2;
        if (strcmp(d->bus, ide_bus[first / 2]) != 0)
            return error_set(err, "bus=%s: there is none of this name; try ide.0%s", d->bus,
                             c->nahci ? ", or ahci0.0 to ahci0.5" : "");
    }
    if (d->has_unit && d->unit > 1)
        return error_set(err, "unit=%u: 0 or 1 is expected", (unsigned)d->unit);
    if (d->has_unit)
        place = first + (unsigned)d->unit;
    else if (!free_ide(c, first, end, &place))
        return error_set(err, "no place is free on %s", d->bus[0] ? d->bus : "ide.0 and ide.1");
    return put_ide(c, b, place, d->kind == DISK_IDE_CD, err);
}

/* "sata.3": the controller with that id, and a port of it; without one the first is "ahci0". */
static bool is_ahci(const struct settings *s, const char *bus, unsigned *n, unsigned *port)
{
    const char *dot = strrchr(bus, '.');

    for (*n = 0; dot && *n < s->nahci; ++*n) {
        char id[DEVICE_NAME_MAX];

        if (s->ahci[*n].id[0])
            snprintf(id, sizeof(id), "%s", s->ahci[*n].id);
        else
            snprintf(id, sizeof(id), "ahci%u", *n);
        if (strlen(id) == (size_t)(dot - bus) && !memcmp(id, bus, (size_t)(dot - bus))) {
            *port = (unsigned)(dot[1] - '0');
            return dot[1] && !dot[2] && *port < AHCI_NUM_PORTS;
        }
    }
    return false;
}

static bool place_ata(const struct settings *s, struct pc_storage_config *c,
                      const struct disk_setting *d, struct blockdev *b, struct error *err)
{
    struct ide_drive_config *p;
    unsigned n, port;

    if (!is_ahci(s, d->bus, &n, &port))
        return place_ide(c, d, b, err);
    p = &c->ahci[n][port];
    if (p->kind != ATA_NONE || d->unit)
        return error_set(err, "bus=%s: there is a place for one drive", d->bus);
    *p =
        (struct ide_drive_config){.kind = d->kind == DISK_IDE_CD ? ATA_CDROM : ATA_DISK, .disk = b};
    return true;
}

static bool place_device(struct settings *s, struct pc_storage_config *c, unsigned n,
                         struct error *err)
{
    const struct disk_setting *d = &s->disks[n];
    struct blockdev *b = is_taken(s, n, err) ? NULL : named_drive(s, d, err);
    const struct drive_words words = {.serial = d->serial[0] ? d->serial : NULL,
                                      .boot_index = d->boot_index,
                                      .werror = d->werror[0] ? d->werror : NULL,
                                      .rerror = d->rerror[0] ? d->rerror : NULL,
                                      .qdev = d->qdev};

    if (!b || !drive_describe(b, &words, err))
        return false;
    if (d->kind == DISK_VIRTIO)
        return put_virtio(c, b, (unsigned)d->num_queues, d->disable_legacy, &d->place, err);
    if (d->kind == DISK_FLOPPY)
        return put_floppy(c, b, d->has_unit ? (unsigned)d->unit : c->floppy[0] != NULL, err);
    return place_ata(s, c, d, b, err);
}

static bool has_device(const struct settings *s, enum disk_kind kind)
{
    for (unsigned n = 0; n < s->ndisks; n++)
        if (s->disks[n].kind == kind)
            return true;
    return false;
}

/* As in other PCs: a CD and a floppy drive to put something into, unless drives of the kind were
 * placed one by one. */
static bool add_default_drives(struct settings *s, struct error *err)
{
    bool cd = !has_device(s, DISK_IDE_CD) && !has_device(s, DISK_IDE_HD) &&
              !drive_at(s->drives, DRIVE_IDE, 1, 0);
    bool floppy = !has_device(s, DISK_FLOPPY) && !drive_at(s->drives, DRIVE_FLOPPY, 0, 0);

    if (s->nodefaults)
        return true;
    return (!cd || drive_add_file(s->drives, NULL, DRIVE_IDE, 2, true, err)) &&
           (!floppy || drive_add_file(s->drives, NULL, DRIVE_FLOPPY, 0, false, err));
}

bool drives_resolve(struct settings *s, struct pc_storage_config *c, struct error *err)
{
    static const char *const names[] = {"ide-hd", "ide-cd", "virtio-blk-pci", "floppy"};

    if (!need_drives(s, err) || !add_default_drives(s, err))
        return false;
    for (unsigned n = 0; n < s->ndisks; n++)
        if (!drive_want(s->drives, s->disks[n].drive, s->disks[n].kind == DISK_IDE_CD, err)) {
            error_prefix(err, "-device %s", names[s->disks[n].kind]);
            return false;
        }
    if (s->replay &&
        !drives_open_recorded(s->drives, s->replay->header.drives, s->replay->header.ndrives, err))
        return false;
    if (s->incoming && strncmp(s->incoming, "file:", 5) != 0) /* somebody else has them as yet */
        drives_leave(s->drives);
    if (!drives_open(s->drives, s->snapshot, err))
        return false;
    c->nahci = s->nahci;
    memcpy(c->ahci_place, s->ahci, sizeof(c->ahci_place));
    for (struct blockdev *b = drive_next(s->drives, NULL); b; b = drive_next(s->drives, b))
        if (!place_drive(c, b, err))
            return false;
    for (unsigned n = 0; n < s->ndisks; n++)
        if (!place_device(s, c, n, err)) {
            error_prefix(err, "-device %s", names[s->disks[n].kind]);
            return false;
        }
    return drives_check_boot_order(s->drives, err);
}
