/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about the machine as a whole and its process. What is accepted is what holds: a setting
 * that would change nothing because it is so anyway is fine, its opposite is refused by name. */
#include "cli/cmdline_system.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "cli/cmdline.h"
#include "cli/cmdline_net.h"
#include "cli/cmdline_record.h"
#include "cli/cmdline_services.h"

const char *settings_keep(struct settings *s, char *text, struct error *err)
{
    if (text && s->nkept < MAX_KEPT)
        return s->kept[s->nkept++] = text;
    error_set(err, text ? "too many options" : "out of memory");
    free(text);
    return NULL;
}

void settings_free(struct settings *s)
{
    for (unsigned i = 0; i < s->nkept; i++)
        free(s->kept[i]);
    s->nkept = 0;
    record_free_settings(s);
}

/* Parses the value and checks its keys; the list is the caller's to free if true. */
static bool open_list(struct option_list *l, const char *option, const char *value,
                      const char *implied, const char *const *keys, struct error *err)
{
    if (!option_list_parse(l, value, implied, err)) {
        error_prefix(err, "%s", option);
        return false;
    }
    if (option_list_check(l, keys, err))
        return true;
    option_list_free(l);
    error_prefix(err, "%s", option);
    return false;
}

static bool close_list(struct option_list *l, const char *option, bool ok, struct error *err)
{
    option_list_free(l);
    if (!ok)
        error_prefix(err, "%s", option);
    return ok;
}

/* key=... must be what is so anyway. */
static bool only(const struct option_list *l, const char *key, const char *value, struct error *err)
{
    const char *v = option_get(l, key);

    return !v || !strcmp(v, value) ||
           error_set(err, "%s=%s: not in this version; %s is expected", key, v, value);
}

/* ---- -boot ---- */

/* a, b: floppies, c: disk, d: CD, n to p: network (QEMU's letters); each once. */
static bool check_order(const char *key, const char *order, struct error *err)
{
    for (const char *p = order; p && *p; p++) {
        if (!strchr("abcdnop", *p))
            return error_set(err, "%s=%s: letters of a, c, d and n are expected", key, order);
        if (strchr(p + 1, *p))
            return error_set(err, "%s=%s: %c is there twice", key, order, *p);
    }
    return !order || *order || error_set(err, "%s: letters of a, c, d and n are expected", key);
}

static bool copy_order(char out[BOOT_ORDER_MAX], const char *order)
{
    if (order)
        snprintf(out, BOOT_ORDER_MAX, "%s", order);
    return true;
}

bool parse_boot(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"order",          "once",   "menu", "splash-time",
                                       "reboot-timeout", "strict", NULL};
    struct option_list l;

    if (!open_list(&l, "-boot", value, "order", keys, err))
        return false;
    const char *order = option_get(&l, "order"), *once = option_get(&l, "once");
    const char *timeout = option_get(&l, "reboot-timeout");
    bool forever = timeout && !strcmp(timeout, "-1");
    bool ok = check_order("order", order, err) && check_order("once", once, err) &&
              option_get_bool(&l, "menu", &s->boot.menu, err) &&
              option_get_bool(&l, "strict", &s->boot.strict, err) &&
              option_get_number(&l, "splash-time", 0, 0xffff, &s->boot.splash_time, err) &&
              (forever ||
               option_get_number(&l, "reboot-timeout", 0, 0xffff, &s->boot.reboot_timeout, err));
    s->boot.has_splash_time |= option_get(&l, "splash-time") != NULL;
    s->boot.has_reboot_timeout |= timeout && !forever;
    ok = ok && copy_order(s->boot.order, order) && copy_order(s->boot.once, once);
    return close_list(&l, "-boot", ok, err);
}

/* ---- -rtc ---- */

/* "2024-02-29" or "2024-02-29T12:00:00" */
static bool parse_date(const char *text, int64_t *seconds)
{
    struct tm tm = {0}, check;
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    time_t t;

    if (!end) {
        tm = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end)
        return false;
    check = tm;
    t = timegm(&check);
    *seconds = t;
    return check.tm_mday == tm.tm_mday && check.tm_mon == tm.tm_mon;
}

static bool parse_rtc_base(struct rtc_setting *r, const char *base, struct error *err)
{
    r->has_date = false;
    r->localtime = base && !strcmp(base, "localtime");
    if (!base || !strcmp(base, "utc") || r->localtime)
        return true;
    r->has_date = parse_date(base, &r->date);
    return r->has_date ||
           error_set(err, "base=%s: utc, localtime or a date like 2024-02-29T12:00:00 is expected",
                     base);
}

bool parse_rtc(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"base", "clock", "driftfix", NULL};
    struct option_list l;

    if (!open_list(&l, "-rtc", value, NULL, keys, err))
        return false;
    /* The clock chip runs on virtual time, and interrupts that came too late are made up for. */
    bool ok = parse_rtc_base(&s->rtc, option_get(&l, "base"), err) &&
              only(&l, "clock", "vm", err) && only(&l, "driftfix", "slew", err);
    return close_list(&l, "-rtc", ok, err);
}

/* ---- -name, -uuid ---- */

bool parse_name_option(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"guest", "process", "debug-threads", NULL};
    struct option_list l;

    if (!open_list(&l, "-name", value, "guest", keys, err))
        return false;
    const char *guest = option_get(&l, "guest"), *process = option_get(&l, "process");
    bool ok = option_get_bool(&l, "debug-threads", &s->debug_threads, err);
    if (ok && guest)
        ok = (s->name = settings_keep(s, strdup(guest), err));
    if (ok && process)
        ok = (s->process_name = settings_keep(s, strdup(process), err));
    return close_list(&l, "-name", ok, err);
}

bool parse_uuid(struct settings *s, const char *value, struct error *err)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool ok = strlen(value) == sizeof(form) - 1;

    for (size_t i = 0; ok && form[i]; i++)
        ok = form[i] == '-' ? value[i] == '-' : isxdigit((unsigned char)value[i]) != 0;
    s->uuid = value;
    return ok || error_set(err, "-uuid %s: %s is expected", value, form);
}

/* ---- -object, -global ---- */

static bool add_secret(const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"qom-type", "id", "format", "file", "data", NULL};
    const char *file = option_get(l, "file");

    if (!option_list_check(l, keys, err))
        return false;
    if (!file && !option_get(l, "data"))
        return error_set(err, "file=PATH or data=TEXT is expected");
    return !file || access(file, R_OK) == 0 || error_set(err, "%s: %s", file, strerror(errno));
}

/* Guest memory is always one memfd, shared and not allocated before it is touched. */
static bool add_memory(const struct option_list *l, struct object_setting *o, struct error *err)
{
    static const char *const keys[] = {"qom-type", "id",   "size",  "share",
                                       "prealloc", "dump", "merge", NULL};
    const char *size = option_get(l, "size");

    if (!option_list_check(l, keys, err) || !only(l, "prealloc", "off", err))
        return false;
    if (!size)
        return error_set(err, "size=SIZE is expected");
    return size_parse(size, 1, &o->size, err);
}

static bool add_object(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const types[] = {
        "memory-backend-memfd", "memory-backend-ram", "secret", "filter-dump",
        "rng-random",           "rng-builtin",        NULL};
    const char *type = option_get(l, "qom-type"), *id = option_get(l, "id");
    struct object_setting *o = &s->objects[s->nobjects];
    unsigned n = 0;

    while (type && types[n] && strcmp(types[n], type) != 0)
        n++;
    if (!type || !types[n])
        return error_set(err, "%s: not in this version; did you mean %s?", type ? type : "",
                         suggest(type ? type : "", types));
    if (!id || !*id)
        return error_set(err, "%s: id=ID is expected", type);
    if (n == 3)
        return net_add_dump(s, l, err);
    if (n > 3)
        return service_add_rng_object(s, l, err);
    if (s->nobjects == MAX_OBJECTS)
        return error_set(err, "more than %d", MAX_OBJECTS);
    *o = (struct object_setting){.type = settings_keep(s, strdup(type), err),
                                 .id = settings_keep(s, strdup(id), err)};
    if (!o->type || !o->id || !(n == 2 ? add_secret(l, err) : add_memory(l, o, err)))
        return false;
    s->nobjects++;
    return true;
}

bool parse_object(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;

    if (!option_list_parse(&l, value, "qom-type", err)) {
        error_prefix(err, "-object");
        return false;
    }
    return close_list(&l, "-object", add_object(s, &l, err), err);
}

/* Defaults of devices' properties: those that are so. */
bool parse_global(const char *value, struct error *err)
{
    static const char *const so[] = {"kvm-pit.lost_tick_policy=delay", "PIIX4_PM.disable_s3=1",
                                     "PIIX4_PM.disable_s4=1",          "PIIX4_PM.disable_s3=on",
                                     "PIIX4_PM.disable_s4=on",         NULL};

    for (unsigned i = 0; so[i]; i++)
        if (!strcmp(so[i], value))
            return true;
    return error_set(err, "-global %s: not in this version; did you mean %s?", value,
                     suggest(value, so));
}

/* ---- the process ---- */

bool parse_overcommit(const char *value, struct error *err)
{
    static const char *const keys[] = {"mem-lock", "cpu-pm", NULL};
    struct option_list l;

    return open_list(&l, "-overcommit", value, NULL, keys, err) &&
           close_list(&l, "-overcommit",
                      only(&l, "mem-lock", "off", err) && only(&l, "cpu-pm", "off", err), err);
}

/* There is no sandbox yet: only its absence may be asked for. */
bool parse_sandbox(const char *value, struct error *err)
{
    return !strcmp(value, "off") || !strcmp(value, "enable=off") ||
           error_set(err, "-sandbox %s: not in this version; -sandbox off is expected", value);
}

bool parse_msg(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"timestamp", "guest-name", NULL};
    struct option_list l;

    return open_list(&l, "-msg", value, NULL, keys, err) &&
           close_list(&l, "-msg",
                      option_get_bool(&l, "timestamp", &s->timestamps, err) &&
                          only(&l, "guest-name", "off", err),
                      err);
}

/* ---- sound ---- */

static bool add_audiodev(struct settings *s, const struct option_list *l, struct error *err)
{
    const char *driver = option_get(l, "driver"), *id = option_get(l, "id");
    const char *path = option_get(l, "path");
    struct audiodev_setting *a = &s->audiodevs[s->naudiodevs];

    if (s->naudiodevs == MAX_AUDIODEV)
        return error_set(err, "more than %d of them", MAX_AUDIODEV);
    if (!driver || !id || !*id || strlen(id) >= sizeof(a->id))
        return error_set(err, "DRIVER,id=ID is expected");
    if (!audio_kind_of(driver, &a->config.kind, err))
        return false;
    if (path && a->config.kind != AUDIO_WAV)
        return error_set(err, "path=%s: that is for wav", path);
    for (unsigned i = 0; i < s->naudiodevs; i++)
        if (!strcmp(s->audiodevs[i].id, id))
            return error_set(err, "id=%s: there is one already", id);
    snprintf(a->id, sizeof(a->id), "%s", id);
    a->config.path = settings_keep(s, strdup(path ? path : "calque.wav"), err);
    s->naudiodevs += a->config.path != NULL;
    return a->config.path;
}

bool parse_audiodev(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"driver", "id", "path", NULL};
    struct option_list l;

    return open_list(&l, "-audiodev", value, "driver", keys, err) &&
           close_list(&l, "-audiodev", add_audiodev(s, &l, err), err);
}

/* ---- monitors ---- */

bool add_monitor_option(struct settings *s, const char *where, bool qmp, bool pretty,
                        struct error *err)
{
    if (!strcmp(where, "none")) {
        s->no_monitor = true;
        return true;
    }
    if (s->nmonitors == MAX_MONITORS)
        return error_set(err, "more than %d monitors", MAX_MONITORS);
    s->monitors[s->nmonitors++] = (struct monitor_setting){where, qmp, pretty};
    return true;
}

static bool add_mon(struct settings *s, const struct option_list *l, struct error *err)
{
    const char *id = option_get(l, "chardev"), *mode = option_get(l, "mode");
    bool pretty = false, control = mode && !strcmp(mode, "control");
    char *where;

    if (!id || !*id)
        return error_set(err, "chardev=ID is expected");
    if (mode && !control && strcmp(mode, "readline") != 0)
        return error_set(err, "mode=%s: readline or control is expected", mode);
    if (!option_get_bool(l, "pretty", &pretty, err))
        return false;
    if (asprintf(&where, "chardev:%s", id) < 0)
        where = NULL;
    const char *kept = settings_keep(s, where, err);
    return kept && add_monitor_option(s, kept, control, pretty, err);
}

bool parse_mon(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"chardev", "mode", "pretty", "id", NULL};
    struct option_list l;

    return open_list(&l, "-mon", value, "chardev", keys, err) &&
           close_list(&l, "-mon", add_mon(s, &l, err), err);
}
