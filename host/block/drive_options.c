/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of -drive, in QEMU's spelling. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/options.h"
#include "base/suggest.h"
#include "host/block/drive_internal.h"

#define INDEX_MAX 255u

static const char *const known[] = {"file",
                                    "if",
                                    "id",
                                    "bus",
                                    "unit",
                                    "index",
                                    "media",
                                    "format",
                                    "driver",
                                    "cache",
                                    "aio",
                                    "discard",
                                    "detect-zeroes",
                                    "readonly",
                                    "read-only",
                                    "snapshot",
                                    "serial",
                                    "bootindex",
                                    "werror",
                                    "rerror",
                                    "cyls",
                                    "heads",
                                    "secs",
                                    "file.locking",
                                    "locking",
                                    "file.filename",
                                    "cache.direct",
                                    "cache.no-flush",
                                    "cache.writeback",
                                    "copy-on-read",
                                    NULL};

static const char *const interface_names[] = {
    [DRIVE_IDE] = "ide",       [DRIVE_FLOPPY] = "floppy", [DRIVE_VIRTIO] = "virtio",
    [DRIVE_PFLASH] = "pflash", [DRIVE_NONE] = "none",
};

static bool set_text(char **to, const char *value, struct error *err)
{
    if (!value)
        return true;
    *to = strdup(value);
    return *to || error_set(err, "out of memory");
}

static bool parse_interface(struct blockdev *b, const char *name, struct error *err)
{
    struct suggestion s;

    if (!name)
        return true;
    suggest_begin(&s, name);
    for (size_t n = 0; n < ARRAY_SIZE(interface_names); n++) {
        if (strcmp(name, interface_names[n]) == 0) {
            b->config.interface = (enum drive_interface)n;
            return true;
        }
        suggest_offer(&s, interface_names[n]);
    }
    if (strcmp(name, "scsi") == 0 || strcmp(name, "sd") == 0 || strcmp(name, "mtd") == 0)
        return error_set(err,
                         "if=%s: not in this version; ide, virtio, floppy, pflash or none is "
                         "expected",
                         name);
    return error_set(err, "if=%s: no such interface; did you mean %s?", name, s.best);
}

static bool parse_media(struct blockdev *b, const char *media, struct error *err)
{
    if (media && strcmp(media, "cdrom") == 0)
        b->config.cdrom = true;
    else if (media && strcmp(media, "disk") != 0)
        return error_set(err, "media=%s: disk or cdrom is expected", media);
    b->config.removable = b->config.cdrom || b->config.interface == DRIVE_FLOPPY;
    b->config.read_only = b->config.cdrom;
    return true;
}

struct cache_mode {
    const char *name;
    enum file_cache cache;
    bool write_cache;
};

static bool parse_cache(struct blockdev *b, const struct option_list *l, struct error *err)
{
    static const struct cache_mode modes[] = {
        {"writeback", FILE_WRITEBACK, true}, {"writethrough", FILE_WRITEBACK, false},
        {"none", FILE_DIRECT, true},         {"off", FILE_DIRECT, true},
        {"directsync", FILE_DIRECT, false},  {"unsafe", FILE_UNSAFE, true}};
    const char *name = option_get(l, "cache");
    bool direct, unsafe;
    size_t n = 0;

    while (name && n < ARRAY_SIZE(modes) && strcmp(name, modes[n].name) != 0)
        n++;
    if (n == ARRAY_SIZE(modes))
        return error_set(err,
                         "cache=%s: none, writeback, writethrough, directsync or unsafe is "
                         "expected",
                         name);
    direct = modes[n].cache == FILE_DIRECT;
    unsafe = modes[n].cache == FILE_UNSAFE;
    b->write_cache_asked = modes[n].write_cache;
    if (!option_get_bool(l, "cache.direct", &direct, err) ||
        !option_get_bool(l, "cache.no-flush", &unsafe, err) ||
        !option_get_bool(l, "cache.writeback", &b->write_cache_asked, err))
        return false;
    if (direct && unsafe)
        return error_set(err, "cache.direct=on,cache.no-flush=on: together not in this version");
    b->cache = direct ? FILE_DIRECT : unsafe ? FILE_UNSAFE : FILE_WRITEBACK;
    b->config.cache = unsafe    ? "unsafe"
                      : !direct ? (b->write_cache_asked ? "writeback" : "writethrough")
                                : (b->write_cache_asked ? "none" : "directsync");
    return true;
}

/* One of the words; *index is left alone when the key is absent. */
static bool parse_word(const struct option_list *l, const char *key, const char *const *words,
                       unsigned *index, struct error *err)
{
    const char *value = option_get(l, key);

    if (!value)
        return true;
    for (unsigned n = 0; words[n]; n++)
        if (strcmp(value, words[n]) == 0) {
            *index = n;
            return true;
        }
    return error_set(err, "%s=%s: no such setting; did you mean %s?", key, value,
                     suggest(value, words));
}

/* "auto" is ours to choose. */
static bool parse_action(const char *key, const char *value, bool write,
                         enum drive_error_action *action, struct error *err)
{
    static const char *const words[] = {[DRIVE_REPORT] = "report",
                                        [DRIVE_IGNORE] = "ignore",
                                        [DRIVE_STOP] = "stop",
                                        [DRIVE_ENOSPC] = "enospc"};

    if (!value)
        return true;
    if (!strcmp(value, "auto")) {
        *action = DRIVE_REPORT;
        return true;
    }
    for (unsigned n = 0; n < ARRAY_SIZE(words) - !write; n++)
        if (!strcmp(value, words[n])) {
            *action = (enum drive_error_action)n;
            return true;
        }
    return error_set(err, "%s=%s: report, ignore or stop%s is expected", key, value,
                     write ? " or enospc" : "");
}

bool drive_parse_error_actions(struct blockdev *b, const char *werror, const char *rerror,
                               struct error *err)
{
    return parse_action("werror", werror, true, &b->config.write_error, err) &&
           parse_action("rerror", rerror, false, &b->config.read_error, err);
}

static bool parse_behaviour(struct blockdev *b, const struct option_list *l, struct error *err)
{
    static const char *const discards[] = {"ignore", "off", "unmap", "on", NULL};
    static const char *const detects[] = {"off", "on", "unmap", NULL};
    static const char *const aios[] = {"threads", "native", "io_uring", NULL};
    unsigned discard = 0, detect = 0, aio = 0;
    bool copy_on_read = false;

    if (!parse_word(l, "discard", discards, &discard, err) ||
        !parse_word(l, "detect-zeroes", detects, &detect, err) ||
        !parse_word(l, "aio", aios, &aio, err) ||
        !drive_parse_error_actions(b, option_get(l, "werror"), option_get(l, "rerror"), err) ||
        !option_get_bool(l, "copy-on-read", &copy_on_read, err))
        return false;
    if (aio)
        return error_set(err, "aio=%s: not in this version; try aio=threads", aios[aio]);
    if (copy_on_read)
        return error_set(err, "copy-on-read=on: not in this version");
    b->discard = discard >= 2;
    b->detect_zeroes = (enum detect_zeroes)detect;
    if (detect == DETECT_UNMAP && !b->discard)
        return error_set(err, "detect-zeroes=unmap: needs discard=unmap");
    return true;
}

static bool parse_geometry(struct blockdev *b, const struct option_list *l, struct error *err)
{
    uint64_t c = 0, h = 0, s = 0;

    if (!option_get_number(l, "cyls", 1, 65535, &c, err) ||
        !option_get_number(l, "heads", 1, 255, &h, err) ||
        !option_get_number(l, "secs", 1, 255, &s, err))
        return false;
    if ((c || h || s) && !(c && h && s))
        return error_set(err, "cyls=, heads= and secs= are expected together");
    b->cylinders = (uint32_t)c;
    b->heads = (uint32_t)h;
    b->sectors = (uint32_t)s;
    return true;
}

static bool parse_locking(struct blockdev *b, const struct option_list *l, struct error *err)
{
    static const char *const words[] = {"auto", "on", "off", NULL};
    unsigned how = 0;

    if (!parse_word(l, "locking", words, &how, err) ||
        !parse_word(l, "file.locking", words, &how, err))
        return false;
    b->no_locks = how == 2;
    return true;
}

static bool parse_texts(struct blockdev *b, const struct option_list *l, struct error *err)
{
    const char *file = option_get(l, "file"), *format = option_get(l, "format");

    file = file ? file : option_get(l, "file.filename");
    format = format ? format : option_get(l, "driver");
    if (format) {
        format = image_format_name(format, err);
        if (!format)
            return false;
    }
    return set_text(&b->file, file && *file ? file : NULL, err) &&
           set_text(&b->format, format, err) &&
           set_text(&b->serial, option_get(l, "serial"), err) &&
           set_text(&b->id, option_get(l, "id"), err);
}

static bool parse_place(struct blockdev *b, const struct option_list *l, struct error *err)
{
    uint64_t bus = UINT64_MAX, unit = UINT64_MAX, index = UINT64_MAX, boot = UINT64_MAX;

    if (!option_get_number(l, "bus", 0, INDEX_MAX, &bus, err) ||
        !option_get_number(l, "unit", 0, INDEX_MAX, &unit, err) ||
        !option_get_number(l, "index", 0, INDEX_MAX, &index, err) ||
        !option_get_number(l, "bootindex", 0, DRIVE_BOOT_INDEX_MAX, &boot, err))
        return false;
    b->config.boot_index = (int)boot;
    if (index != UINT64_MAX && (bus != UINT64_MAX || unit != UINT64_MAX))
        return error_set(err, "index= is given with bus= or unit=; one of them is expected");
    return drive_place(b, (int)bus, (int)unit, (int)index, err);
}

static bool parse_list(struct blockdev *b, const struct option_list *l, struct error *err)
{
    if (!option_list_check(l, known, err) || !parse_interface(b, option_get(l, "if"), err) ||
        !parse_media(b, option_get(l, "media"), err) ||
        !option_get_bool(l, "readonly", &b->config.read_only, err) ||
        !option_get_bool(l, "read-only", &b->config.read_only, err) ||
        !option_get_bool(l, "snapshot", &b->config.snapshot, err) || !parse_cache(b, l, err) ||
        !parse_behaviour(b, l, err) || !parse_geometry(b, l, err) || !parse_locking(b, l, err) ||
        !parse_texts(b, l, err) || !parse_place(b, l, err))
        return false;
    if (b->config.cdrom && !b->config.read_only)
        return error_set(err, "media=cdrom,readonly=off: a CD is not written");
    if (!b->file && !b->config.removable)
        return error_set(err, "file=PATH is expected");
    return true;
}

bool drive_parse(struct blockdev *b, const char *text, struct error *err)
{
    struct option_list l;
    bool ok;

    if (!option_list_parse(&l, text, NULL, err))
        return false;
    ok = parse_list(b, &l, err);
    option_list_free(&l);
    return ok;
}

/* ---- places and names ---- */

static unsigned units_of(enum drive_interface interface)
{
    return interface == DRIVE_IDE ? 2 : 0;
}

static bool taken(const struct blockdev *b, unsigned bus, unsigned unit)
{
    const struct blockdev *other = drive_at(b->drives, b->config.interface, bus, unit);

    return other && other != b;
}

static bool make_id(struct blockdev *b, struct error *err)
{
    const struct drive_config *c = &b->config;
    int n;

    if (!b->id) {
        if (units_of(c->interface))
            n = asprintf(&b->id, "%s%u-%s%u", interface_names[c->interface], c->bus,
                         c->cdrom ? "cd" : "hd", c->unit);
        else
            n = asprintf(&b->id, "%s%u", interface_names[c->interface], c->unit);
        if (n < 0) {
            b->id = NULL;
            return error_set(err, "out of memory");
        }
    }
    b->config.id = b->config.device = b->id;
    for (const struct blockdev *o = b->drives->first; o; o = o->next)
        if (o != b && strcmp(o->id, b->id) == 0)
            return error_set(err, "id=%s: there is a drive of this id already", b->id);
    return strlen(b->id) < 64 || error_set(err, "id=%s: longer than 63 letters", b->id);
}

bool drive_place(struct blockdev *b, int bus, int unit, int index, struct error *err)
{
    unsigned units = units_of(b->config.interface);
    unsigned on = bus < 0 ? 0 : (unsigned)bus, at = unit < 0 ? 0 : (unsigned)unit;

    if (index >= 0) {
        on = units ? (unsigned)index / units : 0;
        at = units ? (unsigned)index % units : (unsigned)index;
    } else if (unit < 0) {
        while (taken(b, on, at)) {
            at++;
            if (units && at >= units) {
                at = 0;
                on++;
            }
        }
    }
    if (units && at >= units)
        return error_set(err, "unit=%u: 0 or 1 is expected", at);
    if (!units && on)
        return error_set(err, "bus=%u: %s drives have one bus, 0", on,
                         interface_names[b->config.interface]);
    if (taken(b, on, at)) {
        if (units)
            return error_set(err, "bus=%u,unit=%u (index=%u): there is a drive already", on, at,
                             on * units + at);
        return error_set(err, "index=%u: there is a drive already", at);
    }
    b->config.bus = on;
    b->config.unit = at;
    b->placed = true;
    return make_id(b, err);
}
