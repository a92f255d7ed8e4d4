/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two more ways to spell an option's value: JSON, and the sections of a -readconfig file. Both are
 * turned into "key=value,key=value". */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/suggest.h"
#include "cli/cmdline.h"
#include "cli/cmdline_system.h"
#include "config.h"

/* ---- a growing list of settings ---- */

struct text {
    char *data;
    size_t len;
    FILE *out;
};

static bool text_open(struct text *t)
{
    *t = (struct text){0};
    t->out = open_memstream(&t->data, &t->len);
    return t->out;
}

static char *text_close(struct text *t)
{
    if (fclose(t->out) == 0)
        return t->data;
    free(t->data);
    return NULL;
}

/* A comma is written twice. */
static void text_setting(struct text *t, const char *key, const char *value)
{
    fprintf(t->out, "%s%s=", ftell(t->out) ? "," : "", key);
    for (; *value; value++) {
        if (*value == ',')
            fputc(',', t->out);
        fputc(*value, t->out);
    }
}

/* ---- JSON ---- */

#if CONFIG_JANSSON
#include <jansson.h>

#define KEY_MAX   128
#define DEPTH_MAX 8

static bool flatten(struct text *t, const char *prefix, json_t *v, unsigned depth,
                    struct error *err);

static bool flatten_scalar(struct text *t, const char *key, json_t *v, struct error *err)
{
    char number[32];

    switch (json_typeof(v)) {
    case JSON_STRING:
        text_setting(t, key, json_string_value(v));
        return true;
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        text_setting(t, key, number);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        text_setting(t, key, json_is_true(v) ? "on" : "off");
        return true;
    case JSON_NULL:
        text_setting(t, key, "");
        return true;
    default:
        return error_set(err, "%s: a text, an integer, true or false is expected", key);
    }
}

static bool flatten_array(struct text *t, const char *key, json_t *v, unsigned depth,
                          struct error *err)
{
    char inner[KEY_MAX];
    json_t *item;
    size_t i;

    json_array_foreach(v, i, item)
    {
        snprintf(inner, sizeof(inner), "%s.%zu", key, i);
        if (!flatten(t, inner, item, depth + 1, err))
            return false;
    }
    return true;
}

static bool flatten(struct text *t, const char *prefix, json_t *v, unsigned depth,
                    struct error *err)
{
    const char *key;
    json_t *item;

    if (depth > DEPTH_MAX)
        return error_set(err, "%s: more than %d levels", prefix, DEPTH_MAX);
    if (json_is_array(v))
        return flatten_array(t, prefix, v, depth, err);
    if (!json_is_object(v))
        return flatten_scalar(t, prefix, v, err);
    json_object_foreach(v, key, item)
    {
        char inner[KEY_MAX];

        if (!*key || strpbrk(key, ",="))
            return error_set(err, "'%s': a name is expected", key);
        snprintf(inner, sizeof(inner), "%s%s%s", prefix, *prefix ? "." : "", key);
        if (!flatten(t, inner, item, depth + 1, err))
            return false;
    }
    return true;
}

static char *json_settings(const char *value, struct error *err)
{
    json_error_t why;
    json_t *v = json_loads(value, JSON_REJECT_DUPLICATES, &why);
    struct text t;
    char *text;
    bool ok;

    if (!v) {
        error_set(err, "JSON: %s (column %d)", why.text, why.column);
        return NULL;
    }
    if (!text_open(&t)) {
        json_decref(v);
        error_set(err, "out of memory");
        return NULL;
    }
    ok = flatten(&t, "", v, 0, err);
    json_decref(v);
    text = text_close(&t);
    if (ok && text)
        return text;
    if (ok)
        error_set(err, "out of memory");
    free(text);
    return NULL;
}
#else
static char *json_settings(const char *value, struct error *err)
{
    (void)value;
    error_set(err, "JSON is not in this build (jansson); write key=value,...");
    return NULL;
}
#endif

const char *option_text(struct settings *s, const char *value, struct error *err)
{
    char *text;

    if (*value != '{')
        return value;
    text = json_settings(value, err);
    return text ? settings_keep(s, text, err) : NULL;
}

/* ---- -readconfig ----
 *
 *   [chardev "mon0"]          the option, and id=
 *     backend = "stdio"       its settings
 *   # a comment */

static const struct {
    const char *section, *option;
} sections[] = {
    {"machine", "machine"}, {"memory", "m"},       {"smp-opts", "smp"},    {"name", "name"},
    {"rtc", "rtc"},         {"boot-opts", "boot"}, {"chardev", "chardev"}, {"mon", "mon"},
    {"device", "device"},   {"object", "object"},  {"icount", "icount"},   {"smbios", "smbios"},
    {"action", "action"},   {"drive", "drive"},    {"netdev", "netdev"},   {"msg", "msg"},
};
#define NSECTIONS (sizeof(sections) / sizeof(sections[0]))

struct config_reader {
    struct settings *s;
    const char *path;
    unsigned line;
    const char *option; /* of the section; NULL before the first */
    struct text text;
    bool (*apply)(struct settings *, const char *, const char *, struct error *);
};

static bool end_section(struct config_reader *r, struct error *err)
{
    const char *value;

    if (!r->option)
        return true;
    value = settings_keep(r->s, text_close(&r->text), err);
    const char *option = r->option;
    r->option = NULL;
    return value && r->apply(r->s, option, value, err);
}

static bool begin_section(struct config_reader *r, const char *name, const char *id,
                          struct error *err)
{
    struct suggestion near;

    if (!end_section(r, err))
        return false;
    suggest_begin(&near, name);
    for (unsigned i = 0; i < NSECTIONS; i++) {
        suggest_offer(&near, sections[i].section);
        if (!strcmp(sections[i].section, name))
            r->option = sections[i].option;
    }
    if (!r->option)
        return error_set(err, "[%s]: no such section; did you mean [%s]?", name, near.best);
    if (!text_open(&r->text)) {
        r->option = NULL;
        return error_set(err, "out of memory");
    }
    if (*id)
        text_setting(&r->text, "id", id);
    return true;
}

static bool config_line(struct config_reader *r, const char *line, struct error *err)
{
    char name[64], value[1024] = "";
    int end = 0;

    line += strspn(line, " \t");
    if (!*line || *line == '#')
        return true;
    if (sscanf(line, "[%63[^] \"] \"%1023[^\"]\"]%n", name, value, &end) == 2 && end)
        return begin_section(r, name, value, err);
    if (sscanf(line, "[%63[^] \"]]%n", name, &end) == 1 && end)
        return begin_section(r, name, "", err);
    value[0] = '\0';
    if (sscanf(line, "%63[^= \t] = \"%1023[^\"]\"%n", name, value, &end) == 2 && end) {
        if (!r->option)
            return error_set(err, "a [section] is expected first");
        text_setting(&r->text, name, value);
        return true;
    }
    if (sscanf(line, "%63[^= \t] = \"\"%n", name, &end) == 1 && end && r->option) {
        text_setting(&r->text, name, "");
        return true;
    }
    return error_set(err, "[section], [section \"id\"] or key = \"value\" is expected");
}

bool read_config(struct settings *s, const char *path,
                 bool (*apply)(struct settings *s, const char *option, const char *value,
                               struct error *err),
                 struct error *err)
{
    struct config_reader r = {.s = s, .path = path, .apply = apply};
    FILE *in = fopen(path, "re");
    char line[2048];
    bool ok = true;

    if (!in)
        return error_set(err, "-readconfig %s: %s", path, strerror(errno));
    while (ok && fgets(line, sizeof(line), in)) {
        r.line++;
        line[strcspn(line, "\r\n")] = '\0';
        ok = config_line(&r, line, err);
    }
    if (ok && ferror(in))
        ok = error_set(err, "%s", strerror(errno));
    ok = ok && end_section(&r, err);
    if (r.option)
        free(text_close(&r.text));
    fclose(in);
    if (!ok)
        error_prefix(err, "-readconfig %s, line %u", path, r.line);
    return ok;
}
