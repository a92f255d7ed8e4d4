/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calque-img snapshot: those inside qcow2 images. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/img.h"

static void show(const struct image_snapshot_info *s)
{
    time_t when = s->seconds;
    unsigned long long ms = s->vm_clock / 1000000;
    char size[32], date[32], clock[40];
    struct tm tm;

    localtime_r(&when, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(clock, sizeof(clock), "%02llu:%02llu:%02llu.%03llu", ms / 3600000, ms / 60000 % 60,
             ms / 1000 % 60, ms % 1000);
    printf("%-9s %-16s %8s%20s%15s\n", s->id, s->name, img_size_text(s->state_size, size), date,
           clock);
}

static int list(const struct image *im)
{
    if (!image_snapshot_count(im))
        return 0;
    puts("Snapshot list:");
    printf("%-9s %-16s %8s%20s%15s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK");
    for (unsigned n = 0; n < image_snapshot_count(im); n++) {
        struct image_snapshot_info s = image_snapshot_get(im, n);

        show(&s);
    }
    return 0;
}

static int create(struct image *im, const char *name)
{
    struct image_snapshot_info info = {.id = ""};
    struct image_snapshot *s;
    struct timespec now;
    int e;

    if (!*name || strlen(name) >= sizeof(info.name))
        return img_fail("snapshot: -c %s: a name of 1 to %zu bytes is expected", name,
                        sizeof(info.name) - 1);
    if (image_snapshot_find(im, name) >= 0)
        return img_fail("%s: has a snapshot '%s' already", image_path(im), name);
    snprintf(info.name, sizeof(info.name), "%s", name);
    clock_gettime(CLOCK_REALTIME, &now);
    info.seconds = (uint32_t)now.tv_sec;
    info.ns = (uint32_t)now.tv_nsec;
    image_freeze(im);
    e = image_snapshot_begin(im, &s);
    image_thaw(im);
    if (!e)
        e = image_snapshot_finish(s, &info);
    return e ? img_fail("%s: snapshot '%s': %s", image_path(im), name, strerror(e)) : 0;
}

static int change(const struct img *g, struct image *im)
{
    int n, e;

    if (g->snapshot == 'c')
        return create(im, g->snapshot_name);
    n = image_snapshot_find(im, g->snapshot_name);
    if (n < 0)
        return img_fail("%s: has no snapshot '%s'", image_path(im), g->snapshot_name);
    e = g->snapshot == 'a' ? image_snapshot_apply(im, (unsigned)n)
                           : image_snapshot_delete(im, (unsigned)n);
    return e ? img_fail("%s: snapshot '%s': %s", image_path(im), g->snapshot_name, strerror(e)) : 0;
}

int img_snapshot(struct img *g)
{
    bool look = !g->snapshot || g->snapshot == 'l';
    struct image *im = img_open(g, g->args[0], g->format, !look, NULL);
    int status, closed;

    if (!im)
        return 1;
    if (!image_has_snapshots(im)) {
        status = img_fail("%s: %s images have no snapshots; qcow2 has", image_path(im),
                          image_format(im));
        image_close(im);
        return status;
    }
    if (look) {
        status = list(im);
        image_close(im);
        return status;
    }
    status = change(g, im);
    closed = img_close(im);
    return status ? status : closed;
}
