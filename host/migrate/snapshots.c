/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots of a machine with its disks: each writable disk has one of the same name, in its qcow2
 * image; the first one has the machine's state. The disks' come first, the one with the state last;
 * deleting goes the other way round: so there is a snapshot of the machine or there is none. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "host/block/drive.h"
#include "host/block/image.h"
#include "host/migrate/migrate_internal.h"

#define MAX_SHOWN 1000

/* ---- the disks ---- */

static struct image *written_image(const struct blockdev *b)
{
    const struct image *im = drive_status(b).image;

    return im && !image_read_only(im) ? (struct image *)(uintptr_t)im : NULL;
}

/* The next drive that is written, after b. */
static struct blockdev *next_disk(const struct migrate *g, struct blockdev *b)
{
    if (!g->drives)
        return NULL;
    do
        b = drive_next(g->drives, b);
    while (b && !written_image(b));
    return b;
}

static unsigned count_disks(const struct migrate *g)
{
    unsigned n = 0;

    for (struct blockdev *b = next_disk(g, NULL); b; b = next_disk(g, b))
        n++;
    return n;
}

static struct image *first_disk(const struct migrate *g)
{
    struct blockdev *b = next_disk(g, NULL);

    return b ? written_image(b) : NULL;
}

static bool check_disks(const struct migrate *g, struct error *err)
{
    for (struct blockdev *b = next_disk(g, NULL); b; b = next_disk(g, b)) {
        struct image *im = written_image(b);

        if (drive_config(b)->snapshot)
            return error_set(err, "drive %s: its changes are forgotten at the end (snapshot=on)",
                             drive_config(b)->id);
        if (!image_has_snapshots(im))
            return error_set(err,
                             "drive %s: %s images have no snapshots; calque-img convert -O qcow2 "
                             "makes one that has, readonly=on needs none",
                             drive_config(b)->id, image_format(im));
    }
    return first_disk(g) || error_set(err, "no disk could hold it: a qcow2 image that is written "
                                           "to is expected");
}

bool snapshot_covers(struct migrate *g, const char *vmstate,
                     bool (*listed)(void *opaque, const char *drive), void *opaque,
                     struct error *err)
{
    const char *first = NULL;

    for (struct blockdev *b = next_disk(g, NULL); b; b = next_disk(g, b)) {
        const char *id = drive_config(b)->id;

        first = first ? first : id;
        if (!listed(opaque, id))
            return error_set(err, "drive %s: is not listed; a snapshot is of all disks", id);
    }
    return !vmstate || !first || strcmp(vmstate, first) == 0 ||
           error_set(err, "vmstate '%.100s': it is the first disk that has the state, '%s'",
                     vmstate, first);
}

/* One that all disks have, of which the first has a state. */
static bool find_all(const struct migrate *g, const char *name, struct error *err)
{
    for (struct blockdev *b = next_disk(g, NULL); b; b = next_disk(g, b)) {
        struct image *im = written_image(b);
        int n = image_snapshot_find(im, name);

        if (n < 0)
            return error_set(err, "drive %s: has no snapshot '%s'", drive_config(b)->id, name);
        if (im == first_disk(g) && !image_snapshot_get(im, (unsigned)n).state_size)
            return error_set(err,
                             "snapshot '%s' is of the disks alone; calque-img snapshot -a goes "
                             "back to it",
                             name);
        if (image_snapshot_get(im, (unsigned)n).disk_size != image_size(im))
            return error_set(err,
                             "drive %s: was resized since '%s'; calque-img snapshot -a goes "
                             "back to it",
                             drive_config(b)->id, name);
    }
    return true;
}

/* ---- making one ---- */

static bool write_state(void *opaque, const void *data, size_t len, struct error *err)
{
    struct migrate *g = opaque;
    int e = image_snapshot_write(g->snapshot.parts[0], data, len);

    if (e)
        return error_set(err, "snapshot: %s", strerror(e));
    migrate_account(g, len);
    return true;
}

/* migrate_fn. The disks are locked by the job while the machine stands still; it goes on before
 * they are done. */
static bool take(struct migrate *g, struct error *err)
{
    struct snapshot_job *s = &g->snapshot;
    bool ran = g->hooks.hold(g->hooks.opaque), ok;
    uint64_t at = host_now();

    g->ran = ran;
    ok = machine_save(g->m, &g->state) || error_set(err, "out of memory");
    g->capture = ok ? capture_begin(g->m, QUEUED_MAX, err) : NULL;
    s->vm_clock = vm_clock_now(&g->m->clock);
    pthread_mutex_lock(&g->mutex);
    s->standing = true;
    pthread_cond_broadcast(&g->changed);
    while (!s->locked)
        pthread_cond_wait(&g->changed, &g->mutex);
    g->info.downtime_us = (host_now() - at) / 1000;
    pthread_mutex_unlock(&g->mutex);
    g->hooks.release(g->hooks.opaque, ran);
    return g->capture;
}

/* All disks' contents are kept from here on; one after the other goes on. */
static bool begin_parts(struct migrate *g, struct image **images, unsigned n, struct error *err)
{
    struct snapshot_job *s = &g->snapshot;
    int e = 0;

    for (unsigned i = 0; i < n; i++) {
        if (!e)
            e = image_snapshot_begin(images[i], &s->parts[i]);
        s->nparts += !e;
        image_thaw(images[i]);
    }
    return !e || error_set(err, "snapshot: %s", strerror(e));
}

static void answer(struct migrate *g)
{
    pthread_mutex_lock(&g->mutex);
    g->snapshot.locked = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

/* Waits for take(), on the main loop's thread, and locks meanwhile. */
static bool take_all(struct migrate *g, struct image **images, unsigned n, struct error *err)
{
    bool ok;

    pthread_mutex_lock(&g->mutex);
    g->call = take;
    g->call_done = false;
    g->call_error.text[0] = 0;
    pthread_mutex_unlock(&g->mutex);
    g->hooks.wake(g->hooks.opaque);
    pthread_mutex_lock(&g->mutex);
    while (!g->snapshot.standing)
        pthread_cond_wait(&g->changed, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
    for (unsigned i = 0; i < n; i++)
        image_freeze(images[i]);
    answer(g);
    ok = begin_parts(g, images, n, err);
    pthread_mutex_lock(&g->mutex);
    while (!g->call_done)
        pthread_cond_wait(&g->changed, &g->mutex);
    if (!g->call_ok)
        *err = g->call_error;
    ok &= g->call_ok;
    pthread_mutex_unlock(&g->mutex);
    return ok;
}

static char *lineage_note(const struct migrate *g)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    fprintf(out, "#lineage %s", g->snapshot.uid);
    for (unsigned i = 0; i < g->nlineage && i < ANCESTORS - 1; i++)
        fprintf(out, " %s", g->lineage[i]);
    fputc('\n', out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static bool write_all(struct migrate *g, struct error *err)
{
    char *note = lineage_note(g);

    g->writer = (struct save_writer){
        .write = write_state, .opaque = g, .compression = g->parameters.compression};
    g->about = note ? migrate_about(g, g->ran, note) : NULL;
    free(note);
    if (!g->about)
        return error_set(err, "out of memory");
    return save_begin(&g->writer, err) &&
           save_section(&g->writer, TAG_MACHINE, 0, g->about, strlen(g->about), err) &&
           save_write_pages(g, err) &&
           save_section(&g->writer, TAG_STATE, 0, g->state.data, g->state.len, err) &&
           save_end(&g->writer, err);
}

static bool finish_parts(struct migrate *g, struct error *err)
{
    struct snapshot_job *s = &g->snapshot;
    int e = 0;

    for (unsigned i = s->nparts; i-- > 0;) {
        struct image_snapshot_info info = {
            .vm_clock = s->vm_clock, .seconds = (uint32_t)s->seconds, .ns = s->ns};

        snprintf(info.name, sizeof(info.name), "%s", s->name);
        if (e) {
            image_snapshot_abort(s->parts[i]);
            continue;
        }
        e = image_snapshot_finish(s->parts[i], &info);
    }
    s->nparts = 0;
    return !e || error_set(err, "snapshot: %s", strerror(e));
}

/* migrate_fn: from here on the machine descends from it. */
static bool adopt(struct migrate *g, struct error *err)
{
    (void)err;
    if (g->nlineage < ANCESTORS)
        g->nlineage++;
    memmove(g->lineage[1], g->lineage[0], (g->nlineage - 1) * sizeof(g->lineage[0]));
    memcpy(g->lineage[0], g->snapshot.uid, sizeof(g->lineage[0]));
    return true;
}

static void *snapshot_job(void *opaque)
{
    struct migrate *g = opaque;
    struct snapshot_job *s = &g->snapshot;
    struct error err = {""}, ignored;
    struct image **images = calloc(count_disks(g) + 1, sizeof(struct image *));
    unsigned n = 0;
    bool ok = images || error_set(&err, "out of memory");

    for (struct blockdev *b = next_disk(g, NULL); b && ok; b = next_disk(g, b))
        images[n++] = written_image(b);
    s->parts = ok ? calloc(n + 1, sizeof(struct image_snapshot *)) : NULL;
    ok = ok && (s->parts || error_set(&err, "out of memory")) && take_all(g, images, n, &err);
    migrate_set_status(g, MIGRATE_ACTIVE);
    ok = ok && write_all(g, &err);
    if (g->capture) {
        capture_give_up(g->capture);
        migrate_on_main(g, save_let_go, &ignored);
    }
    while (!ok && s->nparts)
        image_snapshot_abort(s->parts[--s->nparts]);
    ok = ok && finish_parts(g, &err) && migrate_on_main(g, adopt, &err);
    free(s->parts);
    free(images);
    migrate_job_done(g, ok, &err);
    return NULL;
}

static void default_name(char *name, size_t size, time_t now)
{
    struct tm tm;

    localtime_r(&now, &tm);
    strftime(name, size, "vm-%Y%m%d%H%M%S", &tm);
}

bool snapshot_save(struct migrate *g, const char *name, struct error *err)
{
    struct snapshot_job *s = &g->snapshot;
    struct timespec now;
    uint64_t random;

    if (!migrate_may_save(g, err) || !check_disks(g, err))
        return false;
    if (name && (!*name || strlen(name) >= sizeof(s->name)))
        return error_set(err, "a name of 1 to %zu bytes is expected", sizeof(s->name) - 1);
    clock_gettime(CLOCK_REALTIME, &now);
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        random = (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
    *s = (struct snapshot_job){.seconds = now.tv_sec, .ns = (uint32_t)now.tv_nsec};
    snprintf(s->uid, sizeof(s->uid), "%016" PRIx64, random);
    if (name)
        snprintf(s->name, sizeof(s->name), "%s", name);
    else
        default_name(s->name, sizeof(s->name), now.tv_sec);
    pthread_mutex_lock(&g->mutex);
    g->info = (struct migrate_info){.snapshot = true, .total = g->m->arena.size};
    pthread_mutex_unlock(&g->mutex);
    return migrate_begin_job(g, snapshot_job, err);
}

/* ---- going back ---- */

struct state_reader {
    struct image_state *state;
    uint64_t pos;
};

static bool read_state(void *opaque, void *data, size_t len, struct error *err)
{
    struct state_reader *r = opaque;
    int e = image_state_read(r->state, r->pos, data, len);

    r->pos += len;
    return !e || error_set(err, e == EINVAL ? "it ends in the middle" : "cannot be read: %s",
                           strerror(e));
}

static bool read_from(struct migrate *g, struct image_state *state, bool check_only,
                      struct error *err)
{
    struct state_reader r = {.state = state};
    struct save_reader reader = {.read = read_state, .opaque = &r};

    restore_free(&g->restore);
    g->restore = (struct restore){.m = g->m, .cpu = g->cpu, .check_only = check_only};
    return restore_read(&g->restore, &reader, err);
}

static bool apply_to_disks(const struct migrate *g, const char *name, struct error *err)
{
    for (struct blockdev *b = next_disk(g, NULL); b; b = next_disk(g, b)) {
        struct image *im = written_image(b);
        int e = image_snapshot_apply(im, (unsigned)image_snapshot_find(im, name));

        if (e)
            return error_set(err, "drive %s: cannot go back: %s", drive_config(b)->id, strerror(e));
    }
    return true;
}

/* Checked from end to end, disks, then memory and state. */
static bool load_all(struct migrate *g, const char *name, struct image_state *state,
                     struct error *err)
{
    if (!read_from(g, state, true, err))
        return error_prefix(err, "snapshot '%s'", name);
    devices_pre_save(g->m); /* what is under way is not to come to its end in another time */
    if (!apply_to_disks(g, name, err))
        return false;
    if (!read_from(g, state, false, err) || !restore_apply(&g->restore, err)) {
        error_prefix(err, "snapshot '%s'", name);
        machine_request_end(g->m, STOP_QUIT, 0); /* half of it is there */
        return false;
    }
    incoming_take_lineage(g);
    return true;
}

bool snapshot_load(struct migrate *g, const char *name, struct error *err)
{
    struct image_state *state;
    struct image *im;
    bool ran, ok;

    if (!migrate_may_save(g, err) || !check_disks(g, err) || !find_all(g, name, err))
        return false;
    ran = g->hooks.hold(g->hooks.opaque);
    im = first_disk(g);
    state = image_state_open(im, (unsigned)image_snapshot_find(im, name));
    ok = state ? load_all(g, name, state, err)
               : error_set(err, "snapshot '%s': its state cannot be read", name);
    image_state_close(state);
    restore_free(&g->restore);
    g->hooks.release(g->hooks.opaque, ran);
    return ok;
}

bool snapshot_delete(struct migrate *g, const char *name, struct error *err)
{
    bool any = false;

    if (!migrate_may_save(g, err) || !check_disks(g, err))
        return false;
    for (struct blockdev *b = next_disk(g, NULL); b; b = next_disk(g, b)) {
        struct image *im = written_image(b);
        int n = image_snapshot_find(im, name),
            e = n < 0 ? 0 : image_snapshot_delete(im, (unsigned)n);

        any |= n >= 0;
        if (e)
            return error_set(err, "drive %s: %s", drive_config(b)->id, strerror(e));
    }
    return any || error_set(err, "there is no snapshot '%s'", name);
}

/* ---- the tree ---- */

struct node {
    struct image_snapshot_info info;
    char uid[SNAPSHOT_UID + 1], lineage[(SNAPSHOT_UID + 1) * ANCESTORS + 1];
    int parent; /* -1: none that is there */
};

/* The first section tells where it comes from. */
static void read_lineage(struct node *n, struct image *im, unsigned i)
{
    struct state_reader r = {.state = image_state_open(im, i)};
    struct save_reader reader = {.read = read_state, .opaque = &r};
    struct state_stream about = {0};
    struct save_section s;
    struct error ignored;

    if (r.state && load_begin(&reader, &ignored) && load_section(&reader, &s, &ignored) &&
        s.tag == TAG_MACHINE && load_payload(&reader, &s, 1 << 20, &about, &ignored)) {
        char *text = strndup((const char *)about.data, about.len);

        if (text && savefile_value(text, "#lineage", n->lineage, sizeof(n->lineage)))
            snprintf(n->uid, sizeof(n->uid), "%.*s", (int)strcspn(n->lineage, " "), n->lineage);
        free(text);
    }
    state_stream_free(&about);
    image_state_close(r.state);
}

static int find_parent(const struct node *all, unsigned count, const struct node *of)
{
    const char *p = strchr(of->lineage, ' ');

    for (; p; p = strchr(p + 1, ' '))
        for (unsigned i = 0; i < count; i++)
            if (*all[i].uid && strncmp(all[i].uid, p + 1, SNAPSHOT_UID) == 0)
                return (int)i;
    return -1;
}

static void show(const struct migrate *g, const struct node *n, unsigned depth,
                 void (*line)(void *opaque, const char *text), void *opaque)
{
    time_t when = n->info.seconds;
    uint64_t ms = n->info.vm_clock / 1000000;
    char text[400], date[32], size[32];
    struct tm tm;
    bool here = g->nlineage && strcmp(g->lineage[0], n->uid) == 0;

    localtime_r(&when, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(size, sizeof(size), "%.1f MiB", (double)n->info.state_size / 1048576);
    snprintf(text, sizeof(text), "%-4s %*s%s%-*.100s %12s  %s  %02u:%02u:%02u.%03u", n->info.id,
             (int)(depth < 20 ? 2 * depth : 40), "", here ? "* " : "",
             (int)(depth < 10 ? 28 - 2 * depth - (here ? 2 : 0) : 8), n->info.name, size, date,
             (unsigned)(ms / 3600000), (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
             (unsigned)(ms % 1000));
    line(opaque, text);
}

static void show_below(const struct migrate *g, const struct node *all, unsigned count, int parent,
                       unsigned depth, void (*line)(void *opaque, const char *text), void *opaque)
{
    for (unsigned i = 0; i < count && depth <= count; i++)
        if (all[i].parent == parent) {
            show(g, &all[i], depth, line, opaque);
            show_below(g, all, count, (int)i, depth + 1, line, opaque);
        }
}

/* Uids that come from a file may be equal, or lead in circles: then nobody descends from anybody.
 */
static void cut_circles(struct node *all, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned steps = 0;

        for (int at = (int)i; at >= 0 && steps <= count; at = all[at].parent)
            steps++;
        if (steps > count)
            all[i].parent = -1;
    }
}

bool snapshot_list(struct migrate *g, void (*line)(void *opaque, const char *text), void *opaque,
                   struct error *err)
{
    struct image *im = first_disk(g);
    struct node *all = calloc(MAX_SHOWN, sizeof(*all));
    unsigned count = 0;
    struct error ignored;

    if (!all || migrate_is_busy(g)) {
        error_write(err, all ? "a snapshot is being made; info migrate tells" : "out of memory");
        free(all);
        return false;
    }
    for (unsigned i = 0; im && i < image_snapshot_count(im) && count < MAX_SHOWN; i++) {
        struct node *n = &all[count];

        *n = (struct node){.info = image_snapshot_get(im, i)};
        if (!n->info.state_size || !find_all(g, n->info.name, &ignored))
            continue;
        read_lineage(n, im, i);
        count++;
    }
    for (unsigned i = 0; i < count; i++)
        all[i].parent = find_parent(all, count, &all[i]);
    cut_circles(all, count);
    if (count)
        line(opaque, "ID   TAG                             VM SIZE  DATE                 VM CLOCK");
    else
        line(opaque, "There is no snapshot available.");
    show_below(g, all, count, -1, 0, line, opaque);
    free(all);
    return true;
}
