/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_DRIVE_INTERNAL_H
#define CALQUE_HOST_BLOCK_DRIVE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "host/block/drive.h"
#include "host/block/image.h"
#include "vm/clock.h"
#include "vm/input.h"
#include "vm/run.h"

/* blockdev.c does the requests, drive.c the media, drive_options.c the options. */

#define WORKERS 4

enum detect_zeroes { DETECT_OFF, DETECT_ON, DETECT_UNMAP };

/* Worker threads: started with the first request. `lock` guards the queue, and of each drive and
 * request what the workers change: busy, done, finished, error. It is taken under the machine
 * lock, never the other way round. */
struct block_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct block_request *queue, **queue_tail;
    pthread_t threads[WORKERS];
    unsigned nthreads;
    bool stopping;
};

struct blockdev {
    struct drives *drives;
    struct blockdev *next;
    struct drive_config config;
    /* The options. */
    char *id, *file, *format, *serial, *qdev;
    enum file_cache cache;
    bool write_cache_asked, no_locks, discard, placed;
    bool file_node, node_taken, wanted; /* -blockdev driver=file; has a node on top; or a device */
    bool no_backing;
    enum detect_zeroes detect_zeroes;
    uint32_t cylinders, heads, sectors;
    /* The medium. */
    struct image *image;
    bool tray_open;
    bool away; /* another process may have it: what is open here is only for looking, or nothing */
    char *away_file, *away_format; /* NULL: as the options say */
    struct timespec away_written;  /* when that file was; it has been released */
    /* The device. */
    struct machine *m;
    struct blockdev_events events;
    bool write_cache;
    char source_name[80];
    struct input_source source;
    struct vm_timer timer;
    /* Requests. */
    unsigned in_flight;                      /* submitted, done not called */
    struct block_request *due;               /* with -icount: all of them, by due */
    struct block_request *done, **done_tail; /* without: finished ones */
    bool busy;                               /* with -icount: a worker is at it */
    struct block_request *stopped; /* failed, to be tried again when the machine goes on */
    struct run_resumed resumed;
    struct drive_counters counters;
};

struct drives {
    struct blockdev *first, **tail;
    struct block_pool pool;
    struct drive_watch *watches;
    bool leave;         /* drives_leave() */
    atomic_bool pinned; /* drives_pin() */
};

void pool_init(struct block_pool *p);
void pool_destroy(struct block_pool *p);
#define DRIVE_BOOT_INDEX_MAX INT32_MAX

/* Parses -drive options into b (drives, next and config.interface are set). */
bool drive_parse(struct blockdev *b, const char *text, struct error *err);
/* werror=, rerror=; NULL: nothing was said. */
bool drive_parse_error_actions(struct blockdev *b, const char *werror, const char *rerror,
                               struct error *err);
/* Finds a free place, checks that the asked one is, and makes up an id. index -1: none asked. */
bool drive_place(struct blockdev *b, int bus, int unit, int index, struct error *err);
void drive_tray_event(struct blockdev *b, bool open);

#endif
