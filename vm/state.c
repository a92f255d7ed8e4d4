/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved state from field tables. In the stream each field is
 *
 *     u32  hash of name, kind and element count
 *     ...  the elements, little endian; of a STATE_STRUCT the fields of each element in turn;
 *          of a STATE_TIMER u64 deadline, u64 order of arming; of a STATE_BLOB u32 length, bytes
 *
 * A stream is checked from end to end before the first value is stored, so that a refused one
 * leaves the object as it was. */
#include "vm/state.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/printer.h"
#include "vm/clock.h"
#include "vm/digest.h"
#include "vm/vm_internal.h"

/* ---- bytes ---- */

void state_stream_free(struct state_stream *s)
{
    free(s->data);
    memset(s, 0, sizeof(*s));
}

bool state_put(struct state_stream *s, const void *data, size_t len)
{
    if (!len)
        return true;
    if (len > s->capacity - s->len) {
        size_t n = s->capacity ? 2 * s->capacity : 256;
        uint8_t *p;

        while (n - s->len < len)
            n *= 2;
        p = realloc(s->data, n);
        if (!p)
            return false;
        s->data = p;
        s->capacity = n;
    }
    memcpy(s->data + s->len, data, len);
    s->len += len;
    return true;
}

bool state_get(struct state_stream *s, void *data, size_t len)
{
    if (s->pos > s->len || len > s->len - s->pos)
        return false;
    if (data && len)
        memcpy(data, s->data + s->pos, len);
    s->pos += len;
    return true;
}

bool state_put_u32(struct state_stream *s, uint32_t v)
{
    v = htole32(v);
    return state_put(s, &v, sizeof(v));
}

bool state_get_u32(struct state_stream *s, uint32_t *v)
{
    if (!state_get(s, v, sizeof(*v)))
        return false;
    *v = le32toh(*v);
    return true;
}

static bool put_scalar(struct state_stream *s, uint64_t v, unsigned size)
{
    v = htole64(v);
    return state_put(s, &v, size);
}

static bool get_scalar(struct state_stream *s, uint64_t *v, unsigned size)
{
    *v = 0;
    if (!state_get(s, v, size))
        return false;
    *v = le64toh(*v);
    return true;
}

/* ---- fields ---- */

/* FNV-1a, also over kind and count: a field that changed its shape is a different field. */
static uint32_t field_hash(const struct state_field *f)
{
    uint32_t h = 2166136261u;

    for (const char *p = f->name; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    h = (h ^ (uint32_t)f->kind) * 16777619u;
    return (h ^ f->count) * 16777619u;
}

/* Bytes of one element in memory. */
static size_t element_size(const struct state_field *f)
{
    switch (f->kind) {
    case STATE_U16:
        return 2;
    case STATE_U32:
        return 4;
    case STATE_U64:
        return 8;
    case STATE_STRUCT:
        return f->size;
    case STATE_TIMER:
        return sizeof(struct vm_timer);
    case STATE_BLOB:
        return sizeof(struct state_blob);
    case STATE_BOOL:
        return sizeof(bool);
    default:
        return 1;
    }
}

static uint64_t scalar_value(const struct state_field *f, const void *p)
{
    switch (f->kind) {
    case STATE_BOOL:
        return *(const bool *)p;
    case STATE_U16:
        return *(const uint16_t *)p;
    case STATE_U32:
        return *(const uint32_t *)p;
    case STATE_U64:
        return *(const uint64_t *)p;
    case STATE_TIMER:
        return ((const struct vm_timer *)p)->deadline;
    case STATE_BLOB:
        return ((const struct state_blob *)p)->len;
    default:
        return *(const uint8_t *)p;
    }
}

static void set_scalar(const struct state_field *f, void *p, uint64_t v)
{
    switch (f->kind) {
    case STATE_BOOL:
        *(bool *)p = v;
        break;
    case STATE_U16:
        *(uint16_t *)p = (uint16_t)v;
        break;
    case STATE_U32:
        *(uint32_t *)p = (uint32_t)v;
        break;
    case STATE_U64:
        *(uint64_t *)p = v;
        break;
    default:
        *(uint8_t *)p = (uint8_t)v;
    }
}

static bool save_element(struct state_stream *s, const struct state_field *f, const void *p)
{
    const struct vm_timer *t = p;

    const struct state_blob *b = p;

    if (f->kind == STATE_STRUCT)
        return state_save_fields(s, f->sub, p);
    if (f->kind == STATE_BLOB)
        return state_put_u32(s, b->len) && state_put(s, b->data, b->len);
    if (f->kind != STATE_TIMER)
        return put_scalar(s, scalar_value(f, p), (unsigned)element_size(f));
    return put_scalar(s, scalar_value(f, p), 8) &&
           put_scalar(s, t->deadline == VM_TIME_NEVER ? 0 : t->seq, 8);
}

bool state_save_fields(struct state_stream *s, const struct state_field *f, const void *obj)
{
    for (; f && f->kind != STATE_END; f++) {
        const uint8_t *p = (const uint8_t *)obj + f->offset;
        bool ok = state_put_u32(s, field_hash(f));

        if (f->kind == STATE_BYTES)
            ok = ok && state_put(s, p, f->count);
        else
            for (uint32_t i = 0; ok && i < f->count; i++)
                ok = save_element(s, f, p + i * element_size(f));
        if (!ok)
            return false;
    }
    return true;
}

static bool load_fields(struct state_stream *s, const struct state_field *f, void *obj,
                        struct error *err);

static bool short_stream(const struct state_field *f, struct error *err)
{
    return error_set(err, "%s: the state ends within this field", f->name);
}

static bool load_timer(struct state_stream *s, const struct state_field *f, struct vm_timer *t,
                       struct error *err)
{
    uint64_t deadline, seq;

    if (!get_scalar(s, &deadline, 8) || !get_scalar(s, &seq, 8))
        return short_stream(f, err);
    /* The counter that orders timers must not wrap. */
    if (seq > UINT64_MAX / 2)
        return error_set(err, "%s: order of arming %llu is out of range", f->name,
                         (unsigned long long)seq);
    if (t)
        vm_timer_restore(t, deadline, seq);
    return true;
}

/* The bytes are checked to be there before memory is taken for them. */
static bool load_blob(struct state_stream *s, const struct state_field *f, struct state_blob *b,
                      struct error *err)
{
    uint32_t len;
    uint8_t *data;

    if (!state_get_u32(s, &len))
        return short_stream(f, err);
    if (len > f->max)
        return error_set(err, "%s: %u bytes, at most %llu are expected", f->name, len,
                         (unsigned long long)f->max);
    if (s->pos > s->len || len > s->len - s->pos)
        return short_stream(f, err);
    if (!b)
        return state_get(s, NULL, len);
    data = realloc(b->data, len ? len : 1);
    if (!data)
        return error_set(err, "%s: out of memory", f->name);
    *b = (struct state_blob){data, len};
    return state_get(s, data, len);
}

static bool load_element(struct state_stream *s, const struct state_field *f, void *p,
                         struct error *err)
{
    uint64_t v, max = f->kind == STATE_BOOL ? 1 : f->max;

    if (f->kind == STATE_STRUCT)
        return load_fields(s, f->sub, p, err) || error_prefix(err, "%s", f->name);
    if (f->kind == STATE_TIMER)
        return load_timer(s, f, p, err);
    if (f->kind == STATE_BLOB)
        return load_blob(s, f, p, err);
    if (!get_scalar(s, &v, (unsigned)element_size(f)))
        return short_stream(f, err);
    if (max && v > max)
        return error_set(err, "%s: %llu is above the maximum %llu", f->name, (unsigned long long)v,
                         (unsigned long long)max);
    if (p)
        set_scalar(f, p, v);
    return true;
}

/* With obj NULL nothing is stored: the stream is only checked. */
static bool load_fields(struct state_stream *s, const struct state_field *f, void *obj,
                        struct error *err)
{
    for (; f && f->kind != STATE_END; f++) {
        uint8_t *p = obj ? (uint8_t *)obj + f->offset : NULL;
        uint32_t hash;

        if (!state_get_u32(s, &hash))
            return short_stream(f, err);
        if (hash != field_hash(f))
            return error_set(err, "%s: another field is in its place", f->name);
        if (f->kind == STATE_BYTES) {
            if (!state_get(s, p, f->count))
                return short_stream(f, err);
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++)
            if (!load_element(s, f, p ? p + i * element_size(f) : NULL, err))
                return false;
    }
    return true;
}

bool state_check_fields(struct state_stream *s, const struct state_field *f, struct error *err)
{
    return load_fields(s, f, NULL, err);
}

bool state_load_fields(struct state_stream *s, const struct state_field *f, void *obj,
                       struct error *err)
{
    size_t pos = s->pos;

    if (!state_check_fields(s, f, err))
        return false;
    s->pos = pos;
    return load_fields(s, f, obj, err);
}

/* Blobs are different as wholes. */
static bool blob_differs(struct state_stream *a, struct state_stream *b,
                         const struct state_field *f, struct error *text)
{
    uint32_t x, y;

    if (!state_get_u32(a, &x) || !state_get_u32(b, &y) || !state_get(a, NULL, x) ||
        !state_get(b, NULL, y))
        return !error_set(text, "%s: it ends here", f->name);
    if (x != y)
        return !error_set(text, "%s: %u bytes, now %u", f->name, x, y);
    return memcmp(a->data + a->pos - x, b->data + b->pos - y, x) != 0 &&
           !error_set(text, "%s: other bytes", f->name);
}

/* One element of a scalar or timer in two streams. */
static bool element_differs(struct state_stream *a, struct state_stream *b,
                            const struct state_field *f, uint32_t i, struct error *text)
{
    unsigned size = f->kind == STATE_TIMER   ? 16
                    : f->kind == STATE_BYTES ? 1
                                             : (unsigned)element_size(f);
    uint64_t x[2] = {0, 0}, y[2] = {0, 0};

    for (unsigned at = 0; at < size; at += 8) {
        unsigned n = size - at < 8 ? size - at : 8;

        if (!get_scalar(a, &x[at / 8], n) || !get_scalar(b, &y[at / 8], n))
            return !error_set(text, "%s: it ends here", f->name);
    }
    if (x[0] == y[0] && x[1] == y[1])
        return false;
    if (x[0] == y[0]) /* timers at the same time, armed in another order */
        return !error_set(text, "%s: armed as number %llu, now %llu", f->name,
                          (unsigned long long)x[1], (unsigned long long)y[1]);
    if (f->count > 1)
        return !error_set(text, "%s[%u]: 0x%llx, now 0x%llx", f->name, i, (unsigned long long)x[0],
                          (unsigned long long)y[0]);
    return !error_set(text, "%s: 0x%llx, now 0x%llx", f->name, (unsigned long long)x[0],
                      (unsigned long long)y[0]);
}

bool state_difference(struct state_stream *a, struct state_stream *b, const struct state_field *f,
                      struct error *text)
{
    for (; f && f->kind != STATE_END; f++) {
        uint32_t x, y;

        if (!state_get_u32(a, &x) || !state_get_u32(b, &y) || x != y)
            return !error_set(text, "%s: another field is in its place", f->name);
        for (uint32_t i = 0; i < f->count; i++) {
            if (f->kind == STATE_BLOB
                    ? blob_differs(a, b, f, text)
                    : f->kind != STATE_STRUCT && element_differs(a, b, f, i, text))
                return true;
            if (f->kind == STATE_STRUCT && state_difference(a, b, f->sub, text)) {
                error_prefix(text, "%s[%u]", f->name, i);
                return true;
            }
        }
    }
    return false;
}

uint64_t state_digest_fields(const struct state_field *f, const void *obj, uint64_t seed)
{
    for (; f && f->kind != STATE_END; f++) {
        const uint8_t *p = (const uint8_t *)obj + f->offset;

        if (f->kind == STATE_BYTES) {
            seed = digest_bytes(p, f->count, seed);
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++, p += element_size(f)) {
            uint64_t v;

            if (f->kind == STATE_STRUCT) {
                seed = state_digest_fields(f->sub, p, seed);
                continue;
            }
            v = htole64(scalar_value(f, p));
            seed = digest_bytes(&v, sizeof(v), seed);
            if (f->kind == STATE_BLOB)
                seed = digest_bytes(((const struct state_blob *)p)->data, (size_t)le64toh(v), seed);
        }
    }
    return seed;
}

/* ---- printing ---- */

#define PRINT_LINE_MAX 200

/* One line: the name and as many values as fit. */
static void print_field(const struct printer *out, const char *prefix, const struct state_field *f,
                        const uint8_t *p)
{
    char text[PRINT_LINE_MAX + 40];
    size_t n = (size_t)snprintf(text, PRINT_LINE_MAX / 2, "%s%s:", prefix, f->name);

    if (n >= PRINT_LINE_MAX / 2)
        n = PRINT_LINE_MAX / 2 - 1;
    for (uint32_t i = 0; i < f->count; i++, p += element_size(f)) {
        uint64_t v = scalar_value(f, p);

        if (n > PRINT_LINE_MAX - 24) {
            snprintf(text + n, sizeof(text) - n, " ... (%u)", f->count);
            break;
        }
        if (f->kind == STATE_BYTES)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %02x", (unsigned)v);
        else if (f->kind == STATE_TIMER && v == VM_TIME_NEVER)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " off");
        else if (f->kind == STATE_BLOB)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %llu bytes", (unsigned long long)v);
        else if (f->kind == STATE_TIMER || f->kind == STATE_BOOL)
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %llu", (unsigned long long)v);
        else
            n += (size_t)snprintf(text + n, sizeof(text) - n, " 0x%llx", (unsigned long long)v);
    }
    out->line(out->opaque, text);
}

static void print_fields(const struct printer *out, const char *prefix, const struct state_field *f,
                         const void *obj)
{
    for (; f && f->kind != STATE_END; f++) {
        const uint8_t *p = (const uint8_t *)obj + f->offset;
        char inner[64];

        if (f->kind != STATE_STRUCT) {
            print_field(out, prefix, f, p);
            continue;
        }
        for (uint32_t i = 0; i < f->count; i++) {
            snprintf(inner, sizeof(inner), "%.24s%.24s[%u].", prefix, f->name, i);
            print_fields(out, inner, f->sub, p + (size_t)i * f->size);
        }
    }
}

void state_print_fields(const struct state_field *f, const void *obj,
                        void (*line)(void *opaque, const char *text), void *opaque)
{
    struct printer out = {line, opaque};

    print_fields(&out, "", f, obj);
}
