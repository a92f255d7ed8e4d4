/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_DRIVE_H
#define CALQUE_HOST_BLOCK_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/block/blockdev.h"

/* Drives: what -drive, -hda, -cdrom, -fda and -pflash describe, the media in them, and who does
 * their work. Storage devices see a drive as a struct blockdev (blockdev.h).
 *
 * Command line: drives_new(), drive_add() for each option, drives_open() when all options are read
 * (-snapshot concerns all of them), blockdev_connect() by the device that takes a drive. Monitors:
 * the functions with "machine lock held". In the end drives_free(), while the devices are still
 * there: their last requests are worked off, though `done` is not called any more. */

struct error;
struct image;
struct drives;

enum drive_interface {
    DRIVE_IDE,
    DRIVE_FLOPPY,
    DRIVE_VIRTIO,
    DRIVE_PFLASH,
    DRIVE_NONE, /* if=none: for -device X,drive=ID */
};

struct drives *drives_new(void);
/* ds may be NULL. Machine not running; lock held or no machine any more. */
void drives_free(struct drives *ds);

/* -drive: "file=disk.img,if=ide,index=0,...". `interface` is what it is without if=. The drive is
 * not opened yet. NULL with the option at fault named. */
struct blockdev *drive_add(struct drives *ds, const char *options, enum drive_interface interface,
                           struct error *err);
/* -hda FILE and the like: the file name is taken as it is. cdrom: media=cdrom. index -1: the first
 * free one. file NULL: an empty drive. */
struct blockdev *drive_add_file(struct drives *ds, const char *file, enum drive_interface interface,
                                int index, bool cdrom, struct error *err);
/* -blockdev: "driver=qcow2,node-name=NAME,file=NODE" and the like; the node is a drive with that
 * name as id. */
struct blockdev *drive_add_node(struct drives *ds, const char *options, struct error *err);
/* A device will take the drive; before drives_open(), which forgets file nodes that no device
 * takes. cdrom: it is a CD drive's. */
bool drive_want(struct drives *ds, const char *id, bool cdrom, struct error *err);
/* Opens the media of all drives. snapshot: writes go to temporary files. */
bool drives_open(struct drives *ds, bool snapshot, struct error *err);

/* ---- who is who ---- */

/* What happens when a request fails: werror=, rerror=. */
enum drive_error_action {
    DRIVE_REPORT, /* the guest is told */
    DRIVE_IGNORE, /* the guest is told that it went well */
    DRIVE_STOP,   /* the machine stops; when it goes on, the request is tried again */
    DRIVE_ENOSPC, /* stops if the host's disk is full, else reports; of writes */
};

struct drive_config {
    const char *id;     /* id=, or QEMU's "ide0-hd0", "ide1-cd0", "floppy0", "virtio0", "pflash0" */
    const char *device; /* what monitors call it: id; "" for a node of -blockdev */
    const char *qdev;   /* id or QOM path of the -device it is in; NULL: it is in none */
    enum drive_interface interface;
    unsigned bus, unit; /* IDE: two units to a bus; else bus is 0 and unit the index */
    bool cdrom;         /* media=cdrom */
    bool removable;     /* a CD or floppy drive: may be empty */
    bool read_only;     /* as asked */
    bool snapshot;
    const char *cache; /* "writeback", ... */
    int boot_index;    /* bootindex=; -1: firmware finds its own place for the drive */
    enum drive_error_action write_error, read_error;
};

const struct drive_config *drive_config(const struct blockdev *b);
/* The first drive for NULL, then the next; NULL after the last. */
struct blockdev *drive_next(const struct drives *ds, const struct blockdev *b);
/* NULL with the nearest id named. */
struct blockdev *drive_find(const struct drives *ds, const char *id, struct error *err);
/* The drive that a monitor's client means by `device`, its id, or by `id`, the id or QOM path of
 * the device that it is in (or its own id). NULL: there is none. */
struct blockdev *drive_of_device(const struct drives *ds, const char *device, const char *id);
/* The drive at a place of an interface, or NULL. */
struct blockdev *drive_at(const struct drives *ds, enum drive_interface interface, unsigned bus,
                          unsigned unit);
/* A device has connected itself. */
bool drive_connected(const struct blockdev *b);
/* What -device says of its drive, instead of what -drive said; NULL and -1: nothing. */
struct drive_words {
    const char *serial;
    int boot_index;
    const char *werror, *rerror;
    const char *qdev;
};
bool drive_describe(struct blockdev *b, const struct drive_words *w, struct error *err);
/* No two drives have the same place in the boot order. */
bool drives_check_boot_order(const struct drives *ds, struct error *err);

/* For a replay, which knows what was read and drops what is written: media as they were recorded,
 * without their files. Before drives_open(). */
struct record_drive;
bool drives_open_recorded(struct drives *ds, const struct record_drive *recorded, unsigned n,
                          struct error *err);

/* ---- for monitors; machine lock held ---- */

struct drive_counters {
    uint64_t read_bytes, written_bytes;
    uint64_t reads, writes, flushes, unmaps; /* done */
    uint64_t failed;
};

struct drive_status {
    const struct image *image; /* NULL: no medium; see image.h for file, format, size, backing */
    bool tray_open, locked;
    bool read_only;
    bool write_cache;
    unsigned in_flight;
    int stopped; /* the error that the machine was stopped for; 0: none */
    struct drive_counters counters;
};

struct drive_status drive_status(const struct blockdev *b);

/* read_only of drive_change(): as the drive has it, or as said. */
enum drive_access { DRIVE_RETAIN, DRIVE_READ_ONLY, DRIVE_READ_WRITE };

/* Puts another medium in (blockdev-change-medium, `change`): eject, insert, close the tray. format
 * NULL: by content. If the new one cannot be opened, the old one stays. The device is told. */
bool drive_change(struct blockdev *b, const char *file, const char *format,
                  enum drive_access access, struct error *err);
/* Takes the medium out (`eject`). A guest that has locked the tray is asked first: an error, unless
 * force. */
bool drive_eject(struct blockdev *b, bool force, struct error *err);
/* blockdev-open-tray, blockdev-close-tray. */
bool drive_set_tray(struct blockdev *b, bool open, bool force, struct error *err);

/* What a monitor tells its clients. Machine lock held. */
struct drive_watch {
    /* BLOCK_IO_ERROR: a request failed. action: REPORT, IGNORE or STOP. */
    void (*io_error)(void *opaque, const struct blockdev *b, enum block_op op, int error,
                     enum drive_error_action action);
    /* DEVICE_TRAY_MOVED, by the guest or a monitor. */
    void (*tray_moved)(void *opaque, const struct blockdev *b, bool open);
    void *opaque;
    struct drive_watch *next; /* drives_watch()'s */
};
void drives_watch(struct drives *ds, struct drive_watch *w);

/* ---- another process has the disks: migration; machine lock held, machine not running ---- */

/* Before drives_open(): media are only looked at, until drives_take(). */
void drives_leave(struct drives *ds);
/* What is under way ends, all is written and locks are given up: another process may have them. */
bool drives_release(struct drives *ds, struct error *err);
/* Opens again what was left or released; *err says who has it. What was released must be as it was
 * then: who has written to it has the machine, even if it is gone now. */
bool drives_take(struct drives *ds, struct error *err);
/* Media are in use by a thread: nobody changes or ejects them. */
void drives_pin(struct drives *ds, bool pinned);
/* False, with its name: a drive whose changes are in this process alone (snapshot=on). */
bool drives_may_leave(const struct drives *ds, struct error *err);

/* ---- what a file looks like, for `calque FILE` ---- */

enum drive_guess {
    GUESS_UNKNOWN, /* no disk: not by content, nor by its size */
    GUESS_DISK,    /* an image format, or a partition table or boot sector */
    GUESS_CDROM,   /* ISO 9660 or UDF */
    GUESS_FLOPPY,  /* a raw file of the size of a floppy */
};
/* *format: "raw", "qcow2", ... False: cannot be read. */
bool drive_guess(const char *path, enum drive_guess *guess, const char **format, struct error *err);

#endif
