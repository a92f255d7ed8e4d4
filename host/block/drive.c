/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives and the media in them. */
#include "host/block/drive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/suggest.h"
#include "host/block/drive_internal.h"
#include "host/block/format.h"
#include "vm/record.h"

struct drives *drives_new(void)
{
    struct drives *ds = calloc(1, sizeof(*ds));

    if (!ds)
        return NULL;
    ds->tail = &ds->first;
    pool_init(&ds->pool);
    return ds;
}

static void free_drive(struct blockdev *b)
{
    free(b->id);
    free(b->file);
    free(b->format);
    free(b->serial);
    free(b->qdev);
    free(b->away_file);
    free(b->away_format);
    free(b);
}

static void report(void *opaque, const char *text)
{
    (void)opaque;
    fprintf(stderr, "calque: %s\n", text);
}

/* The guest's last writes may still be in the caches of a format. */
static void close_medium(struct blockdev *b)
{
    char path[IMAGE_NAME_MAX];
    int e;

    if (!b->image)
        return;
    snprintf(path, sizeof(path), "%s", image_path(b->image));
    e = image_close(b->image);
    b->image = NULL;
    if (e)
        fprintf(stderr, "calque: %s: the last changes could not be written: %s\n", path,
                strerror(e));
}

void drives_free(struct drives *ds)
{
    struct blockdev *b, *next;

    if (!ds)
        return;
    pool_destroy(&ds->pool);
    for (b = ds->first; b; b = next) {
        next = b->next;
        close_medium(b);
        free_drive(b);
    }
    free(ds);
}

/* ---- adding ---- */

static struct blockdev *new_drive(struct drives *ds, enum drive_interface interface)
{
    struct blockdev *b = calloc(1, sizeof(*b));

    if (!b)
        return NULL;
    b->drives = ds;
    b->config.interface = interface;
    b->config.boot_index = -1;
    b->done_tail = &b->done;
    return b;
}

static struct blockdev *keep(struct blockdev *b)
{
    *b->drives->tail = b;
    b->drives->tail = &b->next;
    return b;
}

struct blockdev *drive_add(struct drives *ds, const char *options, enum drive_interface interface,
                           struct error *err)
{
    struct blockdev *b = new_drive(ds, interface);

    if (!b) {
        error_write(err, "out of memory");
        return NULL;
    }
    if (!drive_parse(b, options, err)) {
        free_drive(b);
        return NULL;
    }
    return keep(b);
}

struct blockdev *drive_add_file(struct drives *ds, const char *file, enum drive_interface interface,
                                int index, bool cdrom, struct error *err)
{
    struct blockdev *b = new_drive(ds, interface);

    if (!b) {
        error_write(err, "out of memory");
        return NULL;
    }
    b->config.cdrom = b->config.read_only = cdrom;
    b->config.removable = cdrom || interface == DRIVE_FLOPPY;
    b->config.cache = "writeback";
    b->write_cache_asked = true;
    b->file = file && *file ? strdup(file) : NULL;
    if (file && *file && !b->file)
        error_write(err, "out of memory");
    else if (!b->file && !b->config.removable)
        error_write(err, "the name of a disk image is expected");
    else if (drive_place(b, -1, -1, index, err))
        return keep(b);
    free_drive(b);
    return NULL;
}

/* ---- media ---- */

static struct image *open_medium(const struct blockdev *b, const char *file, const char *format,
                                 bool read_only, struct error *err)
{
    bool snapshot = b->config.snapshot && !read_only && !b->away;
    struct image_options o = {.format = format,
                              .read_only = read_only || snapshot || b->away,
                              .force_share = b->away,
                              .no_locks = b->no_locks,
                              .no_backing = b->no_backing,
                              .cache = b->cache,
                              .report = {.fn = report}};
    struct image *im = image_open(file, &o, err);

    if (!im && !o.read_only && strstr(err->text, "it is opened for writing"))
        error_write(err, "%s: may not be written; readonly=on opens it for reading", file);
    if (im && snapshot) {
        o.read_only = false;
        im = image_open_snapshot(im, &o, err);
    }
    return im;
}

/* File nodes are there for nodes of formats; those that a device takes are raw disks. */
static void forget_file_nodes(struct drives *ds)
{
    struct blockdev **at = &ds->first;

    while (*at) {
        struct blockdev *b = *at;

        if (b->file_node && !b->wanted) {
            *at = b->next;
            free_drive(b);
        } else {
            at = &b->next;
        }
    }
    ds->tail = at;
}

/* As large as it was, and empty. */
static struct image *open_recorded(const struct record_drive *r, struct error *err)
{
    const struct image_options o = {.format = "raw", .read_only = r->read_only, .no_locks = true};
    char path[64];
    struct image *im = NULL;
    int fd = memfd_create("calque-replay", MFD_CLOEXEC);

    if (fd < 0 || r->size > IMAGE_SIZE_MAX || ftruncate(fd, (off_t)r->size) < 0) {
        error_write(err, "drive %s: %llu bytes cannot be had: %s", r->id,
                    (unsigned long long)r->size, strerror(errno));
    } else {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        im = image_open(path, &o, err);
    }
    if (fd >= 0)
        close(fd);
    return im;
}

bool drives_open_recorded(struct drives *ds, const struct record_drive *recorded, unsigned n,
                          struct error *err)
{
    unsigned i = 0;

    forget_file_nodes(ds);
    for (struct blockdev *b = ds->first; b; b = b->next, i++) {
        if (i >= n || strcmp(b->id, recorded[i].id) != 0)
            return error_set(err, "drive %s: was not recorded", b->id);
        free(b->file);
        b->file = NULL;
        if (recorded[i].medium && !(b->image = open_recorded(&recorded[i], err)))
            return false;
    }
    return i == n || error_set(err, "drive %s: was recorded, and is not there", recorded[i].id);
}

bool drives_open(struct drives *ds, bool snapshot, struct error *err)
{
    forget_file_nodes(ds);
    for (struct blockdev *b = ds->first; b; b = b->next) {
        b->config.snapshot |= snapshot;
        b->write_cache = b->write_cache_asked;
        if (b->image || !b->file)
            continue;
        b->away = ds->leave && !b->config.read_only;
        b->image = open_medium(b, b->file, b->format, b->config.read_only, err);
        if (!b->image)
            return false;
    }
    return true;
}

/* ---- in another process ---- */

void drives_leave(struct drives *ds)
{
    ds->leave = true;
}

void drives_pin(struct drives *ds, bool pinned)
{
    atomic_store(&ds->pinned, pinned);
}

bool drives_may_leave(const struct drives *ds, struct error *err)
{
    for (const struct blockdev *b = ds->first; b; b = b->next)
        if (b->image && b->config.snapshot && !b->config.read_only)
            return error_set(err, "drive %s: its changes are in this process alone (snapshot=on)",
                             b->id);
    return true;
}

static struct timespec last_written(const struct blockdev *b)
{
    struct stat st;

    return stat(b->away_file, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

bool drives_release(struct drives *ds, struct error *err)
{
    for (struct blockdev *b = ds->first; b; b = b->next) {
        int e;

        if (b->away || !b->image || image_read_only(b->image))
            continue;
        blockdev_drain(b);
        b->away_file = strdup(image_path(b->image));
        b->away_format = strdup(image_format(b->image));
        if (!b->away_file || !b->away_format)
            return error_set(err, "out of memory");
        e = image_flush(b->image);
        if (e)
            return error_set(err, "drive %s: cannot be written: %s", b->id, strerror(e));
        close_medium(b);
        b->away = true;
        b->away_written = last_written(b);
    }
    return true;
}

/* What it was given away for has not been done to it: the machine here knows what is on it. Opening
 * an image writes nothing. */
static bool is_as_released(const struct blockdev *b, struct error *err)
{
    if (!b->away_file)
        return true;
    struct timespec now = last_written(b);

    return (now.tv_sec == b->away_written.tv_sec && now.tv_nsec == b->away_written.tv_nsec) ||
           error_set(err, "%s: another process has written to it since it was given away",
                     b->away_file);
}

bool drives_take(struct drives *ds, struct error *err)
{
    for (struct blockdev *b = ds->first; b; b = b->next) {
        struct image *im;

        if (!b->away)
            continue;
        b->away = false;
        if (b->image) /* read-only: it has no locks that would be in our way */
            close_medium(b);
        im = open_medium(b, b->away_file ? b->away_file : b->file,
                         b->away_format ? b->away_format : b->format, false, err);
        if (im && !is_as_released(b, err)) {
            image_close(im);
            im = NULL;
        }
        if (!im) {
            b->away = true;
            return error_prefix(err, "drive %s", b->id);
        }
        b->image = im;
        free(b->away_file);
        free(b->away_format);
        b->away_file = b->away_format = NULL;
    }
    return true;
}

void drive_tray_event(struct blockdev *b, bool open)
{
    for (struct drive_watch *w = b->drives->watches; w; w = w->next)
        if (w->tray_moved)
            w->tray_moved(w->opaque, b, open);
}

static void medium_changed(struct blockdev *b)
{
    if (b->events.medium_changed)
        b->events.medium_changed(b->events.opaque);
}

/* A CD drive's tray; floppy drives have a door that nobody sees. */
static void move_tray(struct blockdev *b, bool open)
{
    if (b->tray_open == open)
        return;
    b->tray_open = open;
    drive_tray_event(b, open);
}

static bool is_locked(const struct blockdev *b)
{
    return b->events.locked && b->events.locked(b->events.opaque) && !b->tray_open;
}

static bool may_open(struct blockdev *b, bool force, struct error *err)
{
    if (!b->config.removable)
        return error_set(err, "Device '%s' is not removable", b->id);
    if (b->m && !record_allows_change(b->m, b->id, err))
        return false;
    if (atomic_load(&b->drives->pinned))
        return error_set(err, "Device '%s' is being saved or sent", b->id);
    if (!is_locked(b))
        return true;
    if (b->events.eject_request)
        b->events.eject_request(b->events.opaque);
    return force || error_set(err,
                              "Device '%s' is locked and force was not specified, wait for "
                              "tray to open and try again",
                              b->id);
}

bool drive_eject(struct blockdev *b, bool force, struct error *err)
{
    if (!may_open(b, force, err))
        return false;
    blockdev_drain(b);
    move_tray(b, true);
    close_medium(b);
    medium_changed(b);
    return true;
}

bool drive_change(struct blockdev *b, const char *file, const char *format,
                  enum drive_access access, struct error *err)
{
    bool read_only = access == DRIVE_READ_ONLY || (access == DRIVE_RETAIN && b->config.read_only);
    struct image *im;

    if (b->config.cdrom)
        read_only = true;
    if (format && !(format = image_format_name(format, err)))
        return false;
    if (!may_open(b, false, err))
        return false;
    blockdev_drain(b);
    im = open_medium(b, file, format, read_only, err);
    if (!im)
        return false;
    move_tray(b, true);
    close_medium(b);
    medium_changed(b); /* the guest sees an empty drive between the two */
    b->image = im;
    b->config.read_only = read_only;
    move_tray(b, false);
    medium_changed(b);
    return true;
}

bool drive_set_tray(struct blockdev *b, bool open, bool force, struct error *err)
{
    if (open == b->tray_open)
        return true;
    if (open && !may_open(b, force, err))
        return false;
    if (!b->config.removable)
        return error_set(err, "Device '%s' is not removable", b->id);
    if (b->m && !record_allows_change(b->m, b->id, err))
        return false;
    blockdev_drain(b);
    move_tray(b, open);
    medium_changed(b);
    return true;
}

/* ---- looking ---- */

const struct drive_config *drive_config(const struct blockdev *b)
{
    return &b->config;
}

struct blockdev *drive_next(const struct drives *ds, const struct blockdev *b)
{
    return b ? b->next : ds->first;
}

struct blockdev *drive_find(const struct drives *ds, const char *id, struct error *err)
{
    struct suggestion s;

    suggest_begin(&s, id);
    for (struct blockdev *b = ds->first; b; b = b->next) {
        if (strcmp(b->id, id) == 0)
            return b;
        suggest_offer(&s, b->id);
    }
    if (s.best)
        error_write(err, "%s: no drive has this id; did you mean %s?", id, s.best);
    else
        error_write(err, "%s: there are no drives", id);
    return NULL;
}

struct blockdev *drive_of_device(const struct drives *ds, const char *device, const char *id)
{
    for (struct blockdev *b = ds->first; b; b = b->next)
        if (device ? !strcmp(b->id, device)
                   : !strcmp(b->id, id) || (b->qdev && !strcmp(b->qdev, id)))
            return b;
    return NULL;
}

struct blockdev *drive_at(const struct drives *ds, enum drive_interface interface, unsigned bus,
                          unsigned unit)
{
    for (struct blockdev *b = ds->first; b; b = b->next)
        if (b->placed && b->config.interface == interface && b->config.bus == bus &&
            b->config.unit == unit)
            return b;
    return NULL;
}

bool drive_connected(const struct blockdev *b)
{
    return b->m != NULL;
}

/* NULL: as it was. */
static bool replace(char **text, const char *with)
{
    char *copy = with ? strdup(with) : NULL;

    if (!copy)
        return !with;
    free(*text);
    *text = copy;
    return true;
}

bool drive_describe(struct blockdev *b, const struct drive_words *w, struct error *err)
{
    if (!replace(&b->serial, w->serial) || !replace(&b->qdev, w->qdev))
        return error_set(err, "out of memory");
    b->config.qdev = b->qdev;
    if (w->boot_index >= 0)
        b->config.boot_index = w->boot_index;
    return drive_parse_error_actions(b, w->werror, w->rerror, err);
}

bool drives_check_boot_order(const struct drives *ds, struct error *err)
{
    for (const struct blockdev *b = ds->first; b; b = b->next)
        for (const struct blockdev *o = b->next; o && b->config.boot_index >= 0; o = o->next)
            if (o->config.boot_index == b->config.boot_index)
                return error_set(err, "bootindex=%d: both drive %s and drive %s have it",
                                 b->config.boot_index, b->id, o->id);
    return true;
}

struct drive_status drive_status(const struct blockdev *b)
{
    return (struct drive_status){.image = b->image,
                                 .tray_open = b->tray_open,
                                 .locked = b->events.locked && b->events.locked(b->events.opaque),
                                 .read_only = blockdev_read_only(b),
                                 .write_cache = b->write_cache,
                                 .in_flight = b->in_flight,
                                 .stopped = b->stopped ? b->stopped->error : 0,
                                 .counters = b->counters};
}

void drives_watch(struct drives *ds, struct drive_watch *w)
{
    w->next = ds->watches;
    ds->watches = w;
}

/* ---- guessing ---- */

/* Volume descriptors begin at sector 16 (ECMA-119 8.1; ECMA-167 for NSR and BEA). */
static bool is_optical(struct image *im)
{
    static const char names[][6] = {"CD001", "BEA01", "NSR02", "NSR03"};
    uint8_t sector[8];

    if (image_size(im) < 17 * 2048 || image_read(im, 16 * 2048, sector, sizeof(sector)) != 0)
        return false;
    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        if (memcmp(sector + 1, names[n], 5) == 0)
            return true;
    return false;
}

static bool is_floppy_size(uint64_t size)
{
    static const uint16_t kib[] = {160, 180, 320, 360, 720, 1200, 1440, 1680, 1722, 1743, 2880};

    for (size_t n = 0; n < ARRAY_SIZE(kib); n++)
        if (size == kib[n] * 1024ull)
            return true;
    return false;
}

static bool is_bootable(struct image *im)
{
    uint8_t sector[512];

    return image_size(im) >= 512 && image_read(im, 0, sector, 512) == 0 && sector[510] == 0x55 &&
           sector[511] == 0xaa;
}

bool drive_guess(const char *path, enum drive_guess *guess, const char **format, struct error *err)
{
    struct image_options o = {.read_only = true, .no_backing = true, .force_share = true};
    struct image *im = image_open(path, &o, err);

    if (!im)
        return false;
    *format = im->format->name;
    if (is_optical(im)) /* also those that are made for USB sticks, with a boot sector */
        *guess = GUESS_CDROM;
    else if (im->format == &raw_format && is_floppy_size(im->size))
        *guess = GUESS_FLOPPY;
    else if (im->format != &raw_format || is_bootable(im))
        *guess = GUESS_DISK;
    else
        *guess = GUESS_UNKNOWN;
    image_close(im);
    return true;
}
