/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_STATE_H
#define CALQUE_VM_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Saved state is a described list of fields. One table per device drives save, load, `info`,
 * digests and the generic round-trip test. Wiring (lines, clocks, regions, callbacks) is not in it;
 * derived values are recomputed by post_load. Loaded values are hostile: `max` bounds them, and
 * devices mask at the point of use. */

enum state_kind {
    STATE_U8,
    STATE_U16,
    STATE_U32,
    STATE_U64,
    STATE_BOOL,
    STATE_BYTES,  /* count bytes, opaque */
    STATE_STRUCT, /* count elements of `size` bytes each described by `sub` */
    STATE_TIMER,  /* struct vm_timer: the deadline */
    STATE_BLOB,   /* struct state_blob: any number of bytes up to max, opaque */
    STATE_END,
};

struct state_field {
    const char *name;
    enum state_kind kind;
    uint32_t offset; /* in the struct */
    uint32_t count;  /* array elements, 1 for a scalar; for STATE_BYTES the length */
    uint32_t size;   /* STATE_STRUCT: element size */
    const struct state_field *sub;
    uint64_t max; /* 0: no bound; otherwise a loaded value above it is refused */
};

/* Bytes on the heap, for what has no fixed size. The device frees data. */
struct state_blob {
    uint8_t *data;
    uint32_t len;
};

#define STATE_FIELD_(k, type, f, n, mx)                                                            \
    {                                                                                              \
        .name = #f, .kind = (k), .offset = offsetof(type, f), .count = (n), .max = (mx)            \
    }
#define STATE_U8(type, f)             STATE_FIELD_(STATE_U8, type, f, 1, 0)
#define STATE_U16(type, f)            STATE_FIELD_(STATE_U16, type, f, 1, 0)
#define STATE_U32(type, f)            STATE_FIELD_(STATE_U32, type, f, 1, 0)
#define STATE_U64(type, f)            STATE_FIELD_(STATE_U64, type, f, 1, 0)
#define STATE_BOOL(type, f)           STATE_FIELD_(STATE_BOOL, type, f, 1, 0)
#define STATE_U8_MAX(type, f, max)    STATE_FIELD_(STATE_U8, type, f, 1, max)
#define STATE_U16_MAX(type, f, max)   STATE_FIELD_(STATE_U16, type, f, 1, max)
#define STATE_U32_MAX(type, f, max)   STATE_FIELD_(STATE_U32, type, f, 1, max)
#define STATE_U64_MAX(type, f, max)   STATE_FIELD_(STATE_U64, type, f, 1, max)
#define STATE_ARRAY(kind, type, f, n) STATE_FIELD_(kind, type, f, n, 0)
#define STATE_BYTES(type, f)          STATE_FIELD_(STATE_BYTES, type, f, sizeof(((type *)0)->f), 0)
#define STATE_BLOB(type, f, max)      STATE_FIELD_(STATE_BLOB, type, f, 1, max)
#define STATE_TIMER(type, f)          STATE_FIELD_(STATE_TIMER, type, f, 1, 0)
#define STATE_STRUCTS(type, f, n, elem, subfields)                                                 \
    {                                                                                              \
        .name = #f, .kind = STATE_STRUCT, .offset = offsetof(type, f), .count = (n),               \
        .size = sizeof(elem), .sub = (subfields)                                                   \
    }
#define STATE_FIELDS_END                                                                           \
    {                                                                                              \
        .name = NULL, .kind = STATE_END                                                            \
    }

struct error;
struct state_stream;

/* A growing byte buffer being written, or a byte range being read. Layout: little endian; each
 * device section carries its name, version, and the fields in table order with their names'
 * hash, so that a foreign or damaged stream is refused by field. */
struct state_stream {
    uint8_t *data;
    size_t len, capacity, pos;
};

void state_stream_free(struct state_stream *s);
bool state_save_fields(struct state_stream *s, const struct state_field *f, const void *obj);
bool state_load_fields(struct state_stream *s, const struct state_field *f, void *obj,
                       struct error *err);
/* 64-bit digest of the fields' values. */
uint64_t state_digest_fields(const struct state_field *f, const void *obj, uint64_t seed);
/* "name: value" lines, one field (or array) a line, through the callback: what `info` shows. */
void state_print_fields(const struct state_field *f, const void *obj,
                        void (*line)(void *opaque, const char *text), void *opaque);

#endif
