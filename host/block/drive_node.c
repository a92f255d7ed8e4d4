/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -blockdev: drives as QEMU's block nodes. A node of driver=file is a host file; a node of a format
 * is on top of one, which it names (file=NODE) or describes itself (file.filename=PATH). A device
 * takes either: a file node is a raw disk then. */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/options.h"
#include "base/suggest.h"
#include "host/block/drive_internal.h"

static const char *const known[] = {"driver",
                                    "node-name",
                                    "read-only",
                                    "auto-read-only",
                                    "force-share",
                                    "discard",
                                    "detect-zeroes",
                                    "cache.direct",
                                    "cache.no-flush",
                                    "filename",
                                    "aio",
                                    "locking",
                                    "file",
                                    "backing",
                                    "file.driver",
                                    "file.filename",
                                    "file.node-name",
                                    "file.read-only",
                                    "file.auto-read-only",
                                    "file.discard",
                                    "file.detect-zeroes",
                                    "file.cache.direct",
                                    "file.cache.no-flush",
                                    "file.aio",
                                    "file.locking",
                                    NULL};
static const char *const protocols[] = {"file", "host_device"};
static const char *const format_names[] = {"raw", "qcow2", "vmdk", "vpc", "vdi"};
/* QEMU has them. */
static const char *const others[] = {"blkdebug",  "blklogwrites", "blkreplay",   "blkverify",
                                     "bochs",     "cloop",        "compress",    "copy-on-read",
                                     "curl",      "dmg",          "ftp",         "ftps",
                                     "gluster",   "host_cdrom",   "http",        "https",
                                     "io_uring",  "iscsi",        "luks",        "nbd",
                                     "nfs",       "null-aio",     "null-co",     "nvme",
                                     "parallels", "preallocate",  "qcow",        "qed",
                                     "quorum",    "rbd",          "replication", "snapshot-access",
                                     "ssh",       "throttle",     "vhdx",        "vvfat"};

static bool is_among(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, list[i]))
            return true;
    return false;
}

static bool is_protocol(const char *driver)
{
    return is_among(driver, protocols, ARRAY_SIZE(protocols));
}

static bool check_driver(const char *key, const char *driver, struct error *err)
{
    struct suggestion s;

    if (!driver)
        return error_set(err, "%s=NAME is expected, of a file (file, host_device) or a format",
                         key);
    suggest_begin(&s, driver);
    for (size_t n = 0; n < ARRAY_SIZE(protocols); n++)
        suggest_offer(&s, protocols[n]);
    for (size_t n = 0; n < ARRAY_SIZE(format_names); n++)
        suggest_offer(&s, format_names[n]);
    if (!s.distance)
        return true;
    if (is_among(driver, others, ARRAY_SIZE(others)))
        return error_set(err,
                         "%s=%s: not in this version; file, host_device, raw, qcow2, vmdk, vpc or "
                         "vdi is expected",
                         key, driver);
    return error_set(err, "%s=%s: no such driver; did you mean %s?", key, driver, s.best);
}

/* What is said of the file itself: of a file node, or with "file." in front. */
struct file_words {
    const char *filename;
    bool read_only, direct, no_flush, no_locks;
};

static bool parse_file(const struct option_list *l, const char *prefix, struct file_words *w,
                       struct error *err)
{
    static const char *const names[] = {"filename",       "read-only", "cache.direct",
                                        "cache.no-flush", "aio",       "locking"};
    char key[ARRAY_SIZE(names)][32];
    const char *aio, *locking;

    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        snprintf(key[n], sizeof(key[n]), "%s%s", prefix, names[n]);
    w->filename = option_get(l, key[0]);
    if (!w->filename || !*w->filename)
        return error_set(err, "%s=PATH is expected", key[0]);
    aio = option_get(l, key[4]);
    if (aio && strcmp(aio, "threads") != 0)
        return error_set(err, "%s=%s: not in this version; try %s=threads", key[4], aio, key[4]);
    locking = option_get(l, key[5]);
    w->no_locks = locking && !strcmp(locking, "off");
    return option_get_bool(l, key[1], &w->read_only, err) &&
           option_get_bool(l, key[2], &w->direct, err) &&
           option_get_bool(l, key[3], &w->no_flush, err);
}

/* file=NODE: a file node that came before, which nobody else has. */
static bool take_file_node(struct drives *ds, const char *name, struct file_words *w,
                           struct error *err)
{
    struct blockdev *n = ds->first;

    while (n && (!n->file_node || strcmp(n->id, name) != 0))
        n = n->next;
    if (!n)
        return error_set(err, "file=%s: no node of driver=file before it has this node-name", name);
    if (n->node_taken)
        return error_set(err, "file=%s: another node has it already", name);
    n->node_taken = true;
    *w = (struct file_words){.filename = n->file,
                             .read_only = n->config.read_only,
                             .direct = n->cache == FILE_DIRECT,
                             .no_flush = n->cache == FILE_UNSAFE,
                             .no_locks = n->no_locks};
    return true;
}

static bool parse_below(struct drives *ds, const struct option_list *l, const char *driver,
                        struct file_words *w, struct error *err)
{
    const char *file = option_get(l, "file"), *inner = option_get(l, "file.driver");

    if (is_protocol(driver))
        return parse_file(l, "", w, err);
    if (option_get(l, "filename"))
        return error_set(err, "filename: driver=%s has file=NODE or file.filename=PATH", driver);
    if (file)
        return take_file_node(ds, file, w, err);
    if (inner && (!check_driver("file.driver", inner, err) || !is_protocol(inner)))
        return error_set(err, "file.driver=%s: file or host_device is expected", inner);
    return parse_file(l, "file.", w, err);
}

/* As a value of -drive: a comma is written twice. */
static void put_value(FILE *out, const char *key, const char *value)
{
    fprintf(out, ",%s=", key);
    for (; *value; value++)
        fprintf(out, "%s%c", *value == ',' ? "," : "", *value);
}

/* The node in the words of -drive; malloc'ed. */
static char *drive_text(const struct option_list *l, const struct file_words *w, bool read_only)
{
    static const char *const same[] = {"discard", "detect-zeroes"};
    const char *driver = option_get(l, "driver");
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    fprintf(out, "if=none,readonly=%s,cache.direct=%s,cache.no-flush=%s,locking=%s",
            read_only || w->read_only ? "on" : "off", w->direct ? "on" : "off",
            w->no_flush ? "on" : "off", w->no_locks ? "off" : "auto");
    put_value(out, "id", option_get(l, "node-name"));
    put_value(out, "file", w->filename);
    put_value(out, "format", is_protocol(driver) ? "raw" : driver);
    for (size_t n = 0; n < ARRAY_SIZE(same); n++)
        if (option_get(l, same[n]))
            put_value(out, same[n], option_get(l, same[n]));
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* "" is null in JSON: there is none, whatever the image says. */
static bool check_words(const struct option_list *l, struct error *err)
{
    const char *name = option_get(l, "node-name"), *backing = option_get(l, "backing");
    bool force_share = false;

    if (!option_list_check(l, known, err) || !check_driver("driver", option_get(l, "driver"), err))
        return false;
    if (!name || !*name)
        return error_set(err, "node-name=NAME is expected");
    if (backing && *backing)
        return error_set(err,
                         "backing=%s: not in this version; an image's own backing file is found, "
                         "backing=null in JSON leaves it alone",
                         backing);
    return option_get_bool(l, "force-share", &force_share, err) &&
           (!force_share || error_set(err, "force-share=on: not in this version"));
}

static struct blockdev *add_node(struct drives *ds, const struct option_list *l, struct error *err)
{
    bool read_only = false, direct = false, no_flush = false;
    const char *driver = option_get(l, "driver"), *backing = option_get(l, "backing");
    struct file_words w = {0};
    struct blockdev *b;
    char *text;

    if (!check_words(l, err) || !option_get_bool(l, "read-only", &read_only, err) ||
        !option_get_bool(l, "cache.direct", &direct, err) ||
        !option_get_bool(l, "cache.no-flush", &no_flush, err) ||
        !parse_below(ds, l, driver, &w, err))
        return NULL;
    w.direct |= direct;
    w.no_flush |= no_flush;
    text = drive_text(l, &w, read_only);
    if (!text) {
        error_write(err, "out of memory");
        return NULL;
    }
    b = drive_add(ds, text, DRIVE_NONE, err);
    free(text);
    if (b) {
        b->file_node = is_protocol(driver);
        b->no_backing = backing;
        b->config.device = "";
    }
    return b;
}

struct blockdev *drive_add_node(struct drives *ds, const char *options, struct error *err)
{
    struct option_list l;
    struct blockdev *b;

    if (!option_list_parse(&l, options, "driver", err))
        return NULL;
    b = add_node(ds, &l, err);
    option_list_free(&l);
    return b;
}

bool drive_want(struct drives *ds, const char *id, bool cdrom, struct error *err)
{
    struct blockdev *b = ds->first;

    while (b && strcmp(b->id, id) != 0)
        b = b->next;
    if (!b)
        return true; /* whoever looks for it says so */
    if (b->node_taken)
        return error_set(err, "drive=%s: another node has it", id);
    b->wanted = true;
    if (cdrom && b->config.interface == DRIVE_NONE)
        b->config.cdrom = b->config.removable = b->config.read_only = true;
    return true;
}
