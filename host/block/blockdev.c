/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests of storage devices. Worker threads do them and touch nothing but the image and the
 * request's own buffer. Completions come back under the machine lock: as an input event; or with
 * -icount by a timer at a virtual time that was fixed at submission, when the guest waits for the
 * host if need be. With -icount the requests of a drive are done one after the other, so that what
 * overlapping ones leave behind repeats, too. */
#include "host/block/blockdev.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "host/block/drive_internal.h"
#include "vm/machine.h"
#include "vm/record.h"

/* With -icount: a fast disk, the same in every run. */
#define ICOUNT_LATENCY_NS  50000u
#define ICOUNT_NS_PER_BYTE 1u

static bool is_icount(const struct blockdev *b)
{
    return b->m->clock.mode == VM_CLOCK_ICOUNT;
}

/* ---- in the worker threads ---- */

static bool all_zeros(const uint8_t *p, uint64_t len)
{
    return len && !p[0] && memcmp(p, p + 1, (size_t)len - 1) == 0;
}

static int do_write(struct blockdev *b, const struct block_request *r)
{
    int e;

    if (b->detect_zeroes != DETECT_OFF && all_zeros(r->data, r->length))
        e = image_zero(b->image, r->offset, r->length,
                       b->detect_zeroes == DETECT_UNMAP && b->discard);
    else
        e = image_write(b->image, r->offset, r->data, (size_t)r->length);
    return !e && r->fua ? image_flush(b->image) : e;
}

static int do_request(struct blockdev *b, const struct block_request *r)
{
    switch (r->op) {
    case BLOCK_READ:
        return image_read(b->image, r->offset, r->data, (size_t)r->length);
    case BLOCK_WRITE:
        return do_write(b, r);
    case BLOCK_FLUSH:
        return image_flush(b->image);
    case BLOCK_DISCARD:
        return b->discard ? image_discard(b->image, r->offset, r->length) : 0;
    case BLOCK_ZERO:
        return image_zero(b->image, r->offset, r->length, b->discard);
    }
    return EINVAL;
}

/* The first request that may be done now; pool locked. */
static struct block_request *take_request(struct block_pool *p)
{
    struct block_request **at = &p->queue, *r;

    while (*at && (*at)->blockdev->busy)
        at = &(*at)->next;
    r = *at;
    if (!r)
        return NULL;
    *at = r->next;
    if (!*at)
        p->queue_tail = at;
    r->next = NULL;
    r->blockdev->busy = is_icount(r->blockdev);
    return r;
}

/* Pool locked. True: the machine must be told. */
static bool finish(struct blockdev *b, struct block_request *r, int error)
{
    bool first = !is_icount(b) && !b->done;

    r->error = error;
    r->finished = true;
    b->busy = false;
    if (!is_icount(b)) {
        r->next = NULL;
        *b->done_tail = r;
        b->done_tail = &r->next;
    }
    pthread_cond_broadcast(&b->drives->pool.finished);
    return first;
}

static void tell_machine(struct blockdev *b)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (!input_push(b->m, &b->source, NULL, 0))
        nanosleep(&pause, NULL); /* out of memory: the guest waits */
}

static void *worker(void *opaque)
{
    struct block_pool *p = opaque;
    struct block_request *r;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct blockdev *b;
        bool tell;
        int error;

        r = take_request(p);
        if (!r) {
            if (p->stopping)
                break;
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        b = r->blockdev;
        pthread_mutex_unlock(&p->lock);
        error = do_request(b, r);
        pthread_mutex_lock(&p->lock);
        tell = finish(b, r, error) && !p->stopping;
        if (p->queue) /* perhaps of this drive, which is free again */
            pthread_cond_signal(&p->work);
        if (tell) {
            pthread_mutex_unlock(&p->lock);
            tell_machine(b);
            pthread_mutex_lock(&p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the pool ---- */

void pool_init(struct block_pool *p)
{
    *p = (struct block_pool){.queue_tail = &p->queue};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->finished, NULL);
}

/* What is queued is done first. */
void pool_destroy(struct block_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned n = 0; n < p->nthreads; n++)
        pthread_join(p->threads[n], NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->finished);
}

/* Pool locked. At least one thread, or false. */
static bool start_threads(struct block_pool *p)
{
    sigset_t all, old;

    if (p->nthreads)
        return true;
    sigfillset(&all); /* signals are the main loop's */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (p->nthreads < WORKERS && pthread_create(&p->threads[p->nthreads], NULL, worker, p) == 0)
        p->nthreads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return p->nthreads;
}

/* ---- completions; machine lock held ---- */

static void count(struct blockdev *b, const struct block_request *r, int error)
{
    struct drive_counters *c = &b->counters;

    if (error) {
        c->failed++;
        return;
    }
    switch (r->op) {
    case BLOCK_READ:
        c->reads++;
        c->read_bytes += r->length;
        break;
    case BLOCK_WRITE:
        c->writes++;
        c->written_bytes += r->length;
        break;
    case BLOCK_FLUSH:
        c->flushes++;
        break;
    case BLOCK_DISCARD:
    case BLOCK_ZERO:
        c->unmaps++;
        break;
    }
}

static enum drive_error_action action_for(const struct blockdev *b, enum block_op op, int error)
{
    enum drive_error_action a = op == BLOCK_READ ? b->config.read_error : b->config.write_error;

    return a != DRIVE_ENOSPC ? a : error == ENOSPC ? DRIVE_STOP : DRIVE_REPORT;
}

static void stop_for(struct blockdev *b, struct block_request *r)
{
    struct block_request **at = &b->stopped;

    if (!b->stopped)
        fprintf(stderr, "calque: drive %s: %s: the machine stops; `cont` tries it again\n",
                b->config.id, strerror(r->error));
    while (*at)
        at = &(*at)->next;
    r->next = NULL;
    *at = r;
    machine_request_stop(b->m, STOP_IO_ERROR);
}

/* Draining: nobody waits for the machine to go on. */
static void report_stopped(struct blockdev *b)
{
    while (b->stopped) {
        struct block_request *r = b->stopped;

        b->stopped = r->next;
        b->in_flight--;
        r->done(r, r->error);
    }
}

static void try_again(void *opaque)
{
    struct blockdev *b = opaque;
    struct block_request *r = b->stopped, *next;

    b->stopped = NULL;
    for (; r; r = next) {
        next = r->next;
        b->in_flight--;
        blockdev_submit(b, r);
    }
}

/* The device's own mistakes are no errors of the medium. */
static bool is_of_medium(int error)
{
    return error && error != EINVAL && error != ENOMEDIUM && error != EROFS;
}

static void complete(struct blockdev *b, struct block_request *r)
{
    enum drive_error_action action = DRIVE_REPORT;
    int error;

    if (b->m->record)
        record_disk(b->m, b->source.id, r->op == BLOCK_READ, r->data, r->length, &r->error);
    error = r->error;

    count(b, r, error);
    if (is_of_medium(error)) {
        action = action_for(b, r->op, error);
        for (struct drive_watch *w = b->drives->watches; w; w = w->next)
            if (w->io_error)
                w->io_error(w->opaque, b, r->op, error, action);
    }
    if (action == DRIVE_STOP) {
        stop_for(b, r);
        return;
    }
    if (action == DRIVE_IGNORE) {
        error = 0;
        if (r->op == BLOCK_READ) /* not what was in the host's memory */
            memset(r->data, 0, (size_t)r->length);
    }
    b->in_flight--;
    r->done(r, error);
}

static struct block_request *take_finished(struct blockdev *b)
{
    struct block_pool *p = &b->drives->pool;
    struct block_request *r;

    pthread_mutex_lock(&p->lock);
    r = b->done;
    b->done = r ? r->next : NULL;
    if (!b->done)
        b->done_tail = &b->done;
    pthread_mutex_unlock(&p->lock);
    return r;
}

/* Host time: all that are finished. True if there were any. One after the other, for whoever is
 * told of one may drain. */
static bool complete_finished(struct blockdev *b)
{
    struct block_request *r;
    bool any = false;

    while ((r = take_finished(b))) {
        complete(b, r);
        any = true;
    }
    return any;
}

static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    (void)data;
    (void)len;
    complete_finished(opaque);
}

static void wait_finished(struct blockdev *b, const struct block_request *r)
{
    struct block_pool *p = &b->drives->pool;

    pthread_mutex_lock(&p->lock);
    while (!r->finished)
        pthread_cond_wait(&p->finished, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void complete_first_due(struct blockdev *b)
{
    struct block_request *r = b->due;

    wait_finished(b, r);
    b->due = r->next_due;
    complete(b, r);
}

static void timer_fired(void *opaque)
{
    struct blockdev *b = opaque;
    uint64_t now = vm_clock_now(&b->m->clock);

    while (b->due && b->due->due <= now)
        complete_first_due(b);
    if (b->due && !vm_timer_armed(&b->timer))
        vm_timer_arm(&b->timer, b->due->due);
}

void blockdev_drain(struct blockdev *b)
{
    struct block_pool *p = &b->drives->pool;

    if (!b->m)
        return;
    while (b->due)
        complete_first_due(b);
    if (b->m->clock.mode == VM_CLOCK_ICOUNT)
        vm_timer_cancel(&b->timer);
    for (;;) {
        report_stopped(b);
        if (!b->in_flight)
            break;
        if (complete_finished(b))
            continue;
        pthread_mutex_lock(&p->lock);
        while (!b->done)
            pthread_cond_wait(&p->finished, &p->lock);
        pthread_mutex_unlock(&p->lock);
    }
}

/* ---- submission ---- */

static int refusal(const struct blockdev *b, const struct block_request *r)
{
    uint64_t size = b->image ? (image_size(b->image) + 511) & ~511ull : 0;

    if (!b->image || b->tray_open)
        return ENOMEDIUM;
    if (r->op == BLOCK_FLUSH)
        return 0;
    if (r->offset > size || r->length > size - r->offset)
        return EINVAL;
    if (r->op != BLOCK_READ && blockdev_read_only(b))
        return EROFS;
    return 0;
}

/* In the order of due times, those that are equal as they came. */
static void insert_due(struct blockdev *b, struct block_request *r)
{
    struct block_request **at = &b->due;
    uint64_t bytes = r->op == BLOCK_READ || r->op == BLOCK_WRITE ? r->length : 0;

    r->due = vm_clock_now(&b->m->clock) + ICOUNT_LATENCY_NS + bytes * ICOUNT_NS_PER_BYTE;
    while (*at && (*at)->due <= r->due)
        at = &(*at)->next_due;
    r->next_due = *at;
    *at = r;
    if (b->due == r)
        vm_timer_arm(&b->timer, r->due);
}

void blockdev_submit(struct blockdev *b, struct block_request *r)
{
    struct block_pool *p = &b->drives->pool;
    int error = refusal(b, r);
    bool tell = false;

    r->blockdev = b;
    r->next = r->next_due = NULL;
    r->error = 0;
    r->finished = false;
    r->fua |= r->op == BLOCK_WRITE && !b->write_cache;
    b->in_flight++;
    if (is_icount(b))
        insert_due(b, r);
    if (record_replays(b->m)) { /* the log knows how it ends; the image is left alone */
        r->finished = true;
        return;
    }
    pthread_mutex_lock(&p->lock);
    if (!error && !start_threads(p))
        error = EAGAIN;
    if (error) {
        bool busy = b->busy;

        tell = finish(b, r, error);
        b->busy = busy;
    } else {
        *p->queue_tail = r;
        p->queue_tail = &r->next;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    if (tell)
        tell_machine(b);
}

/* ---- the device's view ---- */

void blockdev_connect(struct blockdev *b, struct machine *m, const struct blockdev_events *events)
{
    b->m = m;
    b->events = *events;
    b->done_tail = &b->done;
    snprintf(b->source_name, sizeof(b->source_name), "drive %s", b->config.id);
    input_register(m, &b->source, b->source_name, deliver, b);
    vm_timer_init(&b->timer, &m->clock, timer_fired, b);
    b->resumed = (struct run_resumed){try_again, b, NULL};
    machine_on_resume(m, &b->resumed);
}

struct blockdev_geometry blockdev_geometry(const struct blockdev *b)
{
    struct blockdev_geometry g = {.logical = b->config.cdrom ? 2048 : BLOCK_SECTOR,
                                  .physical = b->config.cdrom ? 2048 : BLOCK_SECTOR,
                                  .cylinders = b->cylinders,
                                  .heads = b->heads,
                                  .sectors = b->sectors};

    if (blockdev_has_medium(b))
        g.size = (image_size(b->image) + BLOCK_SECTOR - 1) & ~(uint64_t)(BLOCK_SECTOR - 1);
    return g;
}

bool blockdev_has_medium(const struct blockdev *b)
{
    return b->image && !b->tray_open;
}

bool blockdev_read_only(const struct blockdev *b)
{
    return b->image && !b->away ? image_read_only(b->image) : b->config.read_only;
}

bool blockdev_write_cache(const struct blockdev *b)
{
    return b->write_cache;
}

void blockdev_set_write_cache(struct blockdev *b, bool on)
{
    b->write_cache = on;
}

const char *blockdev_serial(const struct blockdev *b)
{
    return b->serial;
}

int blockdev_boot_index(const struct blockdev *b)
{
    return b->config.boot_index;
}

void blockdev_tray_moved(struct blockdev *b, bool open)
{
    if (b->tray_open == open)
        return;
    b->tray_open = open;
    drive_tray_event(b, open);
}
