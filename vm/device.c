/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices: a list in order of creation. In a stream they are
 *
 *     u32 number of devices, then for each a section:
 *     u32 length, id;  u32 length, type;  u32 version;  u32 length of the fields;  the fields
 */
#include "vm/device.h"

#include <string.h>

#include "base/error.h"
#include "vm/machine.h"
#include "vm/vm_internal.h"

void device_init(struct device *d, struct machine *m, const struct device_class *class,
                 const char *id)
{
    d->class = class;
    d->id = id;
    d->m = m;
    d->next = NULL;
    *m->devices_tail = d;
    m->devices_tail = &d->next;
}

void devices_reset(struct machine *m)
{
    for (struct device *d = m->devices; d; d = d->next)
        if (d->class->reset)
            d->class->reset(d);
}

struct device *device_find(struct machine *m, const char *id)
{
    struct device *d = m->devices;

    while (d && strcmp(d->id, id) != 0)
        d = d->next;
    return d;
}

static uint32_t count_devices(const struct machine *m)
{
    uint32_t n = 0;

    for (const struct device *d = m->devices; d; d = d->next)
        n++;
    return n;
}

static bool put_string(struct state_stream *s, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);

    return state_put_u32(s, n) && state_put(s, text, n);
}

/* Moves past a string, which must be `text`. */
static bool get_string(struct state_stream *s, const char *text)
{
    size_t want = strlen(text), pos;
    uint32_t n;

    if (!state_get_u32(s, &n) || n != want)
        return false;
    pos = s->pos;
    return state_get(s, NULL, want) && memcmp(s->data + pos, text, want) == 0;
}

static bool save_section(struct state_stream *s, struct device *d)
{
    struct state_stream fields = {0};
    bool ok = state_save_fields(&fields, d->class->fields, d) && put_string(s, d->id) &&
              put_string(s, d->class->type) && state_put_u32(s, d->class->version) &&
              state_put_u32(s, (uint32_t)fields.len) && state_put(s, fields.data, fields.len);
    state_stream_free(&fields);
    return ok;
}

void devices_pre_save(struct machine *m)
{
    for (struct device *d = m->devices; d; d = d->next)
        if (d->class->pre_save)
            d->class->pre_save(d);
}

bool devices_save(struct machine *m, struct state_stream *s)
{
    bool ok;

    devices_pre_save(m);
    ok = state_put_u32(s, count_devices(m));
    for (struct device *d = m->devices; ok && d; d = d->next)
        ok = save_section(s, d);
    return ok;
}

/* Reads the header of d's section; *end is where the section ends. */
static bool section_header(struct state_stream *s, const struct device *d, size_t *end,
                           struct error *err)
{
    uint32_t version, len;

    if (!get_string(s, d->id))
        return error_set(err, "%s: this device is not next in the state", d->id);
    if (!get_string(s, d->class->type))
        return error_set(err, "%s: the state is of another device than %s", d->id, d->class->type);
    if (!state_get_u32(s, &version) || version != d->class->version)
        return error_set(err, "%s: the state is not of version %u", d->id, d->class->version);
    if (!state_get_u32(s, &len) || len > s->len - s->pos)
        return error_set(err, "%s: the state ends within this device", d->id);
    *end = s->pos + len;
    return true;
}

static bool check_section(struct state_stream *s, const struct device *d, struct error *err)
{
    size_t end;

    if (!section_header(s, d, &end, err))
        return false;
    if (!state_check_fields(s, d->class->fields, err))
        return error_prefix(err, "%s", d->id);
    if (s->pos != end)
        return error_set(err, "%s: the length of its state is wrong", d->id);
    return true;
}

static bool load_section(struct state_stream *s, struct device *d, struct error *err)
{
    size_t end;

    if (!section_header(s, d, &end, err))
        return false;
    if (!state_load_fields(s, d->class->fields, d, err))
        return error_prefix(err, "%s", d->id);
    return true;
}

bool devices_difference(struct machine *m, struct state_stream *a, struct state_stream *b,
                        struct error *text)
{
    uint32_t x, y;
    size_t end;

    if (!state_get_u32(a, &x) || !state_get_u32(b, &y) || x != y)
        return !error_set(text, "the number of devices");
    for (struct device *d = m->devices; d; d = d->next) {
        if (!section_header(a, d, &end, text) || !section_header(b, d, &end, text))
            return true;
        if (state_difference(a, b, d->class->fields, text)) {
            error_prefix(text, "%s", d->id);
            return true;
        }
    }
    return false;
}

/* All sections are checked before any device changes, and all are stored before the first
 * post_load, which may look at other devices. After a post_load refused, reset the machine. */
bool devices_load(struct machine *m, struct state_stream *s, struct error *err)
{
    uint32_t n;
    size_t start;

    if (!state_get_u32(s, &n) || n != count_devices(m))
        return error_set(err, "the state is not of a machine with %u devices", count_devices(m));
    start = s->pos;
    for (struct device *d = m->devices; d; d = d->next)
        if (!check_section(s, d, err))
            return false;
    s->pos = start;
    for (struct device *d = m->devices; d; d = d->next)
        if (!load_section(s, d, err))
            return false;
    for (struct device *d = m->devices; d; d = d->next)
        if (d->class->post_load && !d->class->post_load(d, err))
            return error_prefix(err, "%s", d->id);
    return true;
}
