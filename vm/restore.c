/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/restore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vm/capture.h"
#include "vm/machine.h"
#include "vm/vm_internal.h"

#define SUM_SEED 0x43414c51u

static void store_page(void *opaque, uint64_t page, const uint8_t *data)
{
    struct restore *t = opaque;
    uint8_t *to = t->m->arena.host + (page << VM_PAGE_SHIFT);

    if (t->check_only)
        return;
    if (data)
        memcpy(to, data, VM_PAGE_SIZE);
    else
        memset(to, 0, VM_PAGE_SIZE);
}

static bool read_machine(struct restore *t, const struct save_section *s, struct error *err)
{
    char *here = savefile_describe(t->m, t->cpu);
    bool ok = here || error_set(err, "out of memory");

    if (t->about.data) {
        free(t->about.data);
        memset(&t->about, 0, sizeof(t->about));
    }
    t->about = t->payload;
    memset(&t->payload, 0, sizeof(t->payload));
    ok = ok && (state_put(&t->about, "", 1) || error_set(err, "out of memory"));
    ok = ok && (savefile_compare((char *)t->about.data, here, err) || load_refuse(s, err));
    free(here);
    return ok;
}

/* The bytes themselves, whose digests come later. */
static bool read_ram_bytes(struct restore *t, struct save_reader *r, const struct save_section *s,
                           struct error *err)
{
    uint64_t size = t->m->arena.size, n = 0;
    uint8_t *buffer = malloc(CAPTURE_CHUNK);

    t->piece_sums = calloc(size / CAPTURE_CHUNK + 1, sizeof(*t->piece_sums));
    if (!buffer || !t->piece_sums) {
        free(buffer);
        return error_set(err, "out of memory");
    }
    for (uint64_t at = 0; at < size; at += CAPTURE_CHUNK) {
        size_t len = size - at < CAPTURE_CHUNK ? (size_t)(size - at) : CAPTURE_CHUNK;

        if (!r->read(r->opaque, buffer, len, err)) {
            free(buffer);
            return load_refuse(s, err);
        }
        t->piece_sums[n++] = digest_bytes(buffer, len, SUM_SEED);
        if (!t->check_only && (buffer[0] || memcmp(buffer, buffer + 1, len - 1) != 0))
            memcpy(t->m->arena.host + at, buffer, len);
    }
    t->npieces = n;
    r->pos += size;
    free(buffer);
    return true;
}

static bool read_ram(struct restore *t, struct save_reader *r, const struct save_section *s,
                     struct error *err)
{
    uint8_t head[4], fill[4096];
    uint64_t size = t->m->arena.size;
    uint32_t pad, n;

    if (t->piece_sums || t->mapped_at) {
        error_write(err, "comes a second time");
        return load_refuse(s, err);
    }
    if (!r->read(r->opaque, head, 4, err))
        return load_refuse(s, err);
    pad = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
          (uint32_t)head[3] << 24;
    if (pad >= SAVEFILE_ALIGN || s->length != 4ull + pad + size) {
        error_write(err, "its length is not that of this machine's memory");
        return load_refuse(s, err);
    }
    for (uint32_t left = pad; left; left -= n) {
        n = left < sizeof(fill) ? left : sizeof(fill);
        if (!r->read(r->opaque, fill, n, err))
            return load_refuse(s, err);
    }
    r->pos += 4ull + pad;
    t->ram_at = r->pos;
    if (t->check_only || !t->map || !r->skip || !t->map(t->opaque, r->pos, size))
        return read_ram_bytes(t, r, s, err);
    t->mapped_at = r->pos;
    r->pos += size;
    return r->skip(r->opaque, size, err) || load_refuse(s, err);
}

static uint64_t sum_at(const struct restore *t, uint64_t n)
{
    const uint8_t *p = t->sums.data + 8 + n * 8;
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

uint64_t restore_pieces(const struct restore *t)
{
    return (t->m->arena.size + CAPTURE_CHUNK - 1) / CAPTURE_CHUNK;
}

bool restore_check_piece(const struct restore *t, uint64_t n, const uint8_t *data, size_t len)
{
    return digest_bytes(data, len, SUM_SEED) == sum_at(t, n);
}

static bool read_sums(struct restore *t, const struct save_section *s, struct error *err)
{
    uint64_t n = restore_pieces(t);
    const uint8_t *p;

    state_stream_free(&t->sums);
    t->sums = t->payload;
    memset(&t->payload, 0, sizeof(t->payload));
    p = t->sums.data;
    if (t->sums.len != 8 + n * 8 || ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                                     (uint32_t)p[3] << 24) != CAPTURE_CHUNK) {
        error_write(err, "its pieces are not those of this machine's memory");
        return load_refuse(s, err);
    }
    for (uint64_t i = 0; i < t->npieces; i++)
        if (t->piece_sums[i] != sum_at(t, i)) {
            error_write(err, "memory at offset %" PRIu64 " is damaged",
                        t->ram_at + i * CAPTURE_CHUNK);
            return load_refuse(s, err);
        }
    return true;
}

/* One section that has a payload. */
static bool read_known(struct restore *t, struct save_reader *r, const struct save_section *s,
                       uint64_t chain, struct error *err)
{
    if (!load_payload(r, s, SAVEFILE_STATE, &t->payload, err))
        return false;
    switch (s->tag) {
    case TAG_MACHINE:
        return read_machine(t, s, err);
    case TAG_PAGES:
        return load_pages(s, &t->payload, t->m->arena.size >> VM_PAGE_SHIFT, store_page, t, err);
    case TAG_SUMS:
        return read_sums(t, s, err);
    case TAG_STATE:
        state_stream_free(&t->state);
        t->state = t->payload;
        memset(&t->payload, 0, sizeof(t->payload));
        return true;
    default:
        return load_is_complete(r, s, chain, &t->payload, err);
    }
}

static bool is_known(uint32_t tag)
{
    return tag == TAG_MACHINE || tag == TAG_PAGES || tag == TAG_SUMS || tag == TAG_STATE ||
           tag == TAG_DONE;
}

static bool read_one(struct restore *t, struct save_reader *r, bool *done, struct error *err)
{
    uint64_t chain = r->chain;
    struct save_section s;

    if (!load_section(r, &s, err))
        return false;
    if (!t->about.data && s.tag != TAG_MACHINE) {
        error_write(err, "MACH is expected first");
        return load_refuse(&s, err);
    }
    if (s.version == 1 && s.tag == TAG_RAM)
        return read_ram(t, r, &s, err);
    if (s.version != 1 || !is_known(s.tag)) {
        if (s.flags & SECTION_OPTIONAL)
            return load_skip(r, &s, err);
        error_write(err, "is not known: written by a later version?");
        return load_refuse(&s, err);
    }
    *done = s.tag == TAG_DONE;
    if (*done && (!t->state.data || ((t->npieces || t->mapped_at) && !t->sums.data))) {
        error_write(err, "%s is missing before it", t->state.data ? "SUMS" : "STAT");
        return load_refuse(&s, err);
    }
    return read_known(t, r, &s, chain, err);
}

bool restore_read(struct restore *t, struct save_reader *r, struct error *err)
{
    bool done = false;

    if (!load_begin(r, err))
        return false;
    while (!done) {
        if (t->about.data && !t->check_only && !t->stored) {
            t->stored = true; /* what is not in it is zeros */
            if (!arena_clear(&t->m->arena, err))
                return false;
        }
        if (!read_one(t, r, &done, err))
            return false;
    }
    return true;
}

bool restore_apply(struct restore *t, struct error *err)
{
    arena_replaced(&t->m->arena);
    t->state.pos = 0;
    if (!machine_load(t->m, &t->state, err))
        return error_prefix(err, "section STAT");
    return t->state.pos == t->state.len ||
           error_set(err, "section STAT: %zu bytes are left over", t->state.len - t->state.pos);
}

void restore_free(struct restore *t)
{
    state_stream_free(&t->about);
    state_stream_free(&t->state);
    state_stream_free(&t->sums);
    state_stream_free(&t->payload);
    free(t->piece_sums);
    t->piece_sums = NULL;
    t->npieces = 0;
}
