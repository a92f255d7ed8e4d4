/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: drives, their media and what was done with them. */
#include "config.h"

#if CONFIG_JANSSON
#include <errno.h>
#include <string.h>

#include "host/block/drive.h"
#include "host/block/image.h"
#include "monitor/qmp_internal.h"

/* ---- one drive ---- */

static json_t *image_info_of(const struct image *im)
{
    json_t *o = json_pack("{s:o, s:s, s:I, s:I}", "filename", qmp_string(image_path(im)), "format",
                          image_format(im), "virtual-size", (json_int_t)image_size(im),
                          "actual-size", (json_int_t)image_allocated(im));
    const char *backing = image_backing_name(im), *format = image_backing_format(im);

    if (o && image_cluster(im))
        json_object_set_new(o, "cluster-size", json_integer(image_cluster(im)));
    if (o && backing)
        json_object_set_new(o, "backing-filename", qmp_string(backing));
    if (o && backing && format)
        json_object_set_new(o, "backing-filename-format", json_string(format));
    if (o)
        json_object_set_new(o, "dirty-flag", json_boolean(image_is_dirty(im)));
    return o;
}

static unsigned backing_depth(const struct image *im)
{
    unsigned n = 0;

    while ((im = image_backing(im)))
        n++;
    return n;
}

/* There is no throttling: the limits are 0. */
static json_t *inserted(const struct blockdev *b, const struct drive_status *st)
{
    const struct drive_config *c = drive_config(b);
    const char *backing = image_backing_name(st->image);
    bool direct = c->cache && (!strcmp(c->cache, "none") || !strcmp(c->cache, "directsync"));
    json_t *o = json_pack(
        "{s:o, s:b, s:s, s:i, s:b, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:{s:b, s:b, s:b}}",
        "file", qmp_string(image_path(st->image)), "ro", st->read_only, "drv",
        image_format(st->image), "backing_file_depth", backing_depth(st->image), "encrypted", false,
        "detect_zeroes", "off", "bps", 0, "bps_rd", 0, "bps_wr", 0, "iops", 0, "iops_rd", 0,
        "iops_wr", 0, "write_threshold", 0, "image", image_info_of(st->image), "cache", "writeback",
        st->write_cache, "direct", direct, "no-flush", c->cache && !strcmp(c->cache, "unsafe"));

    if (o)
        json_object_set_new(o, "node-name", qmp_string(c->id));
    if (o && backing)
        json_object_set_new(o, "backing_file", qmp_string(backing));
    return o;
}

static json_t *block_info(const struct blockdev *b)
{
    const struct drive_config *c = drive_config(b);
    struct drive_status st = drive_status(b);
    json_t *o = json_pack("{s:o, s:s, s:b, s:b}", "device", qmp_string(c->device), "type",
                          "unknown", "removable", c->removable, "locked", st.locked);

    if (o && c->qdev)
        json_object_set_new(o, "qdev", json_string(c->qdev));
    if (o && c->removable)
        json_object_set_new(o, "tray_open", json_boolean(st.tray_open));
    if (o && st.image) {
        json_object_set_new(o, "inserted", inserted(b, &st));
        json_object_set_new(o, "io-status",
                            json_string(!st.stopped            ? "ok"
                                        : st.stopped == ENOSPC ? "nospace"
                                                               : "failed"));
    }
    return o;
}

static json_t *each_drive(struct qmp_call *call, json_t *(*show)(const struct blockdev *b),
                          bool with_medium)
{
    const struct drives *ds = call->ctl->about.drives;
    json_t *list = json_array();

    for (struct blockdev *b = ds ? drive_next(ds, NULL) : NULL; b; b = drive_next(ds, b))
        if (!with_medium || drive_status(b).image)
            json_array_append_new(list, show(b));
    return list;
}

json_t *qmp_query_block(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args, (void)err;
    return each_drive(call, block_info, false);
}

static json_t *named_node(const struct blockdev *b)
{
    struct drive_status st = drive_status(b);

    return inserted(b, &st);
}

json_t *qmp_query_named_nodes(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args, (void)err;
    return each_drive(call, named_node, true);
}

/* What the schema wants and nobody measures here (times, merged requests) is 0. */
static json_t *block_stats(const struct blockdev *b)
{
    static const char *const unmeasured[] = {
        "flush_total_time_ns",
        "wr_total_time_ns",
        "rd_total_time_ns",
        "unmap_total_time_ns",
        "rd_merged",
        "wr_merged",
        "unmap_merged",
        "unmap_bytes",
        "wr_highest_offset",
        "failed_wr_operations",
        "failed_flush_operations",
        "failed_unmap_operations",
        "invalid_rd_operations",
        "invalid_wr_operations",
        "invalid_flush_operations",
        "invalid_unmap_operations",
    };
    struct drive_status st = drive_status(b);
    const struct drive_counters *n = &st.counters;
    json_t *stats = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:[]}", "rd_bytes",
        (json_int_t)n->read_bytes, "wr_bytes", (json_int_t)n->written_bytes, "rd_operations",
        (json_int_t)n->reads, "wr_operations", (json_int_t)n->writes, "flush_operations",
        (json_int_t)n->flushes, "unmap_operations", (json_int_t)n->unmaps, "failed_rd_operations",
        (json_int_t)n->failed, "account_invalid", false, "account_failed", true, "timed_stats");

    for (size_t i = 0; stats && i < sizeof(unmeasured) / sizeof(unmeasured[0]); i++)
        json_object_set_new(stats, unmeasured[i], json_integer(0));
    const struct drive_config *c = drive_config(b);
    json_t *o = json_pack("{s:o, s:o, s:o}", "device", qmp_string(c->device), "node-name",
                          qmp_string(c->id), "stats", stats);
    if (o && c->qdev)
        json_object_set_new(o, "qdev", json_string(c->qdev));
    return o;
}

json_t *qmp_query_blockstats(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args, (void)err;
    return each_drive(call, block_stats, false);
}

/* ---- media ---- */

/* By "device", its own id, or by "id", that of the device it is in. */
static struct blockdev *find(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *device = qmp_arg(args, "device"), *id = qmp_arg(args, "id");
    const struct drives *ds = call->ctl->about.drives;
    struct blockdev *b;

    if (!device == !id) {
        error_set(err, "Need exactly one of 'device' and 'id'");
        return NULL;
    }
    b = ds ? drive_of_device(ds, device, id) : NULL;
    if (!b) /* says what is near */
        b = control_drive(call->ctl, device ? device : id, err);
    if (!b)
        call->error_class = "DeviceNotFound";
    return b;
}

static bool wants_force(json_t *args)
{
    return json_is_true(json_object_get(args, "force"));
}

json_t *qmp_eject(struct qmp_call *call, json_t *args, struct error *err)
{
    struct blockdev *b = find(call, args, err);

    return qmp_done(b && drive_eject(b, wants_force(args), err));
}

json_t *qmp_open_tray(struct qmp_call *call, json_t *args, struct error *err)
{
    struct blockdev *b = find(call, args, err);

    return qmp_done(b && drive_set_tray(b, true, wants_force(args), err));
}

json_t *qmp_close_tray(struct qmp_call *call, json_t *args, struct error *err)
{
    struct blockdev *b = find(call, args, err);

    return qmp_done(b && drive_set_tray(b, false, false, err));
}

json_t *qmp_change_medium(struct qmp_call *call, json_t *args, struct error *err)
{
    struct blockdev *b = find(call, args, err);
    const char *mode = qmp_arg(args, "read-only-mode");
    enum drive_access access = !mode || !strcmp(mode, "retain") ? DRIVE_RETAIN
                               : !strcmp(mode, "read-only")     ? DRIVE_READ_ONLY
                                                                : DRIVE_READ_WRITE;

    return qmp_done(
        b &&
        (!drive_status(b).locked || wants_force(args) ||
         error_set(err, "Device '%s' is locked and force was not specified",
                   drive_config(b)->id)) &&
        drive_change(b, qmp_arg(args, "filename"), qmp_arg(args, "format"), access, err));
}
#endif
