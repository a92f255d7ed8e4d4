/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/savefile.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#if CONFIG_ZLIB
#include <zlib.h>
#endif
#if CONFIG_ZSTD
#include <zstd.h>
#endif

#include "base/error.h"
#include "vm/machine.h"
#include "vm/vm_internal.h"

#define HEADER_SIZE 40u
#define PAGE_HEAD   12u
#define PAGES_BYTES (SAVEFILE_PAGES * VM_PAGE_SIZE)
#define PACKED_SIZE (PAGE_HEAD + SAVEFILE_PAGES * 8 + PAGES_BYTES + PAGES_BYTES / 8)
#define READ_PIECE  (1u << 20)
#define DIGEST_SEED 0x43414c51u

static const uint8_t magic[8] = {'C', 'A', 'L', 'Q', 'V', 'M', '\r', '\n'};

static void put32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static uint64_t digest(const void *data, size_t len)
{
    return digest_bytes(data, len, DIGEST_SEED);
}

static uint64_t chained(uint64_t chain, const uint8_t *header)
{
    return digest_bytes(header, HEADER_SIZE, chain);
}

/* ---- compression ---- */

static const char *const compressions[] = {"none", "zlib", "zstd"};

const char *compression_name(enum compression c)
{
    return compressions[c];
}

bool compression_parse(const char *name, enum compression *c, struct error *err)
{
    static const bool there[] = {true, CONFIG_ZLIB, CONFIG_ZSTD};

    for (unsigned n = 0; n < 3; n++) {
        if (strcmp(name, compressions[n]) != 0)
            continue;
        *c = (enum compression)n;
        return there[n] || error_set(err, "compression %s: this build is without it", name);
    }
    return error_set(err, "compression '%s': none, zlib or zstd is expected", name);
}

/* Bytes written; 0: it would not get smaller. */
static size_t pack(enum compression c, const uint8_t *from, size_t len, uint8_t *to)
{
#if CONFIG_ZLIB
    if (c == COMPRESSION_ZLIB) {
        uLongf n = (uLongf)len;

        return compress2(to, &n, from, (uLong)len, 1) == Z_OK && n < len ? n : 0;
    }
#endif
#if CONFIG_ZSTD
    if (c == COMPRESSION_ZSTD) {
        size_t n = ZSTD_compress(to, len, from, len, 1);

        return ZSTD_isError(n) || n >= len ? 0 : n;
    }
#endif
    (void)c, (void)from, (void)len, (void)to;
    return 0;
}

static bool unpack(unsigned c, const uint8_t *from, size_t n, uint8_t *to, size_t len)
{
#if CONFIG_ZLIB
    if (c == COMPRESSION_ZLIB) {
        uLongf got = (uLongf)len;

        return uncompress(to, &got, from, (uLong)n) == Z_OK && got == len;
    }
#endif
#if CONFIG_ZSTD
    if (c == COMPRESSION_ZSTD)
        return ZSTD_decompress(to, len, from, n) == len;
#endif
    if (c != COMPRESSION_NONE || n != len)
        return false;
    memcpy(to, from, len);
    return true;
}

/* ---- writing ---- */

static bool put(struct save_writer *w, const void *data, size_t len, struct error *err)
{
    if (len && !w->write(w->opaque, data, len, err))
        return false;
    w->pos += len;
    return true;
}

bool save_begin(struct save_writer *w, struct error *err)
{
    uint8_t head[24] = {0};

    w->pos = 0;
    w->chain = DIGEST_SEED;
    w->packed = malloc(PACKED_SIZE);
    if (!w->packed)
        return error_set(err, "out of memory");
    memcpy(head, magic, sizeof(magic));
    put32(head + 8, SAVEFILE_VERSION);
    put64(head + 16, digest(head, 16));
    return put(w, head, sizeof(head), err);
}

void save_free(struct save_writer *w)
{
    free(w->packed);
    w->packed = NULL;
}

static bool put_header(struct save_writer *w, uint32_t tag, unsigned flags, uint64_t len,
                       uint64_t sum, struct error *err)
{
    uint8_t head[HEADER_SIZE] = {0};

    put32(head, tag);
    put32(head + 4, 1 | flags << 16);
    put64(head + 8, len);
    put64(head + 16, sum);
    put64(head + 24, w->pos);
    put64(head + 32, digest(head, 32));
    w->chain = chained(w->chain, head);
    return put(w, head, sizeof(head), err);
}

bool save_section(struct save_writer *w, uint32_t tag, unsigned flags, const void *data, size_t len,
                  struct error *err)
{
    return put_header(w, tag, flags, len, digest(data, len), err) && put(w, data, len, err);
}

static bool is_zero(const uint8_t *p)
{
    return !p[0] && memcmp(p, p + 1, VM_PAGE_SIZE - 1) == 0;
}

bool save_pages(struct save_writer *w, uint64_t page, unsigned n, const uint8_t *data, bool zeros,
                struct error *err)
{
    uint8_t raw[PAGES_BYTES];
    uint8_t *p = w->packed, *body;
    unsigned count = 0, full = 0;
    size_t stored;

    for (unsigned i = 0; i < n; i++) {
        bool zero = !data || is_zero(data + (size_t)i * VM_PAGE_SIZE);

        if (zero && !zeros)
            continue;
        put64(p + PAGE_HEAD + count++ * 8ul, (page + i) << 1 | zero);
        if (!zero)
            memcpy(raw + (size_t)full++ * VM_PAGE_SIZE, data + (size_t)i * VM_PAGE_SIZE,
                   VM_PAGE_SIZE);
    }
    if (!count)
        return true;
    body = p + PAGE_HEAD + count * 8ul;
    stored = full ? pack(w->compression, raw, (size_t)full * VM_PAGE_SIZE, body) : 0;
    put32(p, stored ? w->compression : COMPRESSION_NONE);
    if (!stored) {
        stored = (size_t)full * VM_PAGE_SIZE;
        memcpy(body, raw, stored);
    }
    put32(p + 4, count);
    put32(p + 8, (uint32_t)stored);
    return save_section(w, TAG_PAGES, 0, p, PAGE_HEAD + count * 8ul + stored, err);
}

bool save_ram(struct save_writer *w, uint64_t bytes, struct error *err)
{
    uint64_t at = w->pos + HEADER_SIZE + 4;
    uint32_t pad = (uint32_t)(-at & (SAVEFILE_ALIGN - 1));
    uint8_t *fill = calloc(1, 4ul + pad);
    bool ok;

    if (!fill)
        return error_set(err, "out of memory");
    put32(fill, pad);
    ok = put_header(w, TAG_RAM, 0, 4ull + pad + bytes, 0, err) && put(w, fill, 4ul + pad, err);
    free(fill);
    w->pos += ok ? bytes : 0;
    return ok;
}

bool save_end(struct save_writer *w, struct error *err)
{
    uint8_t sum[8];

    put64(sum, w->chain);
    return save_section(w, TAG_DONE, 0, sum, sizeof(sum), err);
}

/* ---- what the machine is ---- */

char *savefile_describe(struct machine *m, const char *cpu)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    fprintf(out, "memory %" PRIu64 "\nprocessors %u\nprocessor %s\n", m->ram_size, m->ncpus, cpu);
    if (m->clock.mode == VM_CLOCK_ICOUNT)
        fprintf(out, "clock instructions\n");
    else
        fprintf(out, "clock host\n");
    for (const struct device *d = m->devices; d; d = d->next)
        fprintf(out, "device %s %s version %u\n", d->id, d->class->type, d->class->version);
    fprintf(out, "arena %" PRIu64 "\n", m->arena.size);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static const char *next_line(const char *p)
{
    p = strchr(p, '\n');
    return p ? p + 1 : "";
}

/* Lines that another machine may have otherwise begin with this. */
static const char *skip_notes(const char *p)
{
    while (*p == '#')
        p = next_line(p);
    return p;
}

bool savefile_compare(const char *saved, const char *here, struct error *err)
{
    for (saved = skip_notes(saved); *saved || *here; saved = skip_notes(next_line(saved))) {
        int a = (int)strcspn(saved, "\n"), b = (int)strcspn(here, "\n");

        if (a != b || memcmp(saved, here, (size_t)a) != 0)
            return error_set(err, "another machine was saved: it has '%.*s', this one '%.*s'",
                             a < 150 ? a : 150, saved, b < 150 ? b : 150, here);
        here = next_line(here);
    }
    return true;
}

bool savefile_value(const char *text, const char *key, char *value, size_t size)
{
    size_t len = strlen(key);

    for (; *text; text = next_line(text))
        if (strncmp(text, key, len) == 0 && text[len] == ' ') {
            snprintf(value, size, "%.*s", (int)strcspn(text + len + 1, "\n"), text + len + 1);
            return true;
        }
    return false;
}

/* ---- reading ---- */

static bool take(struct save_reader *r, void *data, size_t len, struct error *err)
{
    if (len && !r->read(r->opaque, data, len, err)) {
        r->failed = true;
        return false;
    }
    r->pos += len;
    return true;
}

bool load_begin(struct save_reader *r, struct error *err)
{
    uint8_t head[24];

    r->pos = 0;
    r->chain = DIGEST_SEED;
    if (!take(r, head, sizeof(head), err))
        return error_prefix(err, "at offset 0");
    if (memcmp(head, magic, sizeof(magic)) != 0)
        return error_set(err, "at offset 0: no saved machine: CALQVM is expected there");
    if (get32(head + 8) != SAVEFILE_VERSION)
        return error_set(err, "at offset 8: version %u of the format; %u is expected",
                         get32(head + 8), SAVEFILE_VERSION);
    return (digest(head, 16) == get64(head + 16) && !get32(head + 12)) ||
           error_set(err, "at offset 16: the header is damaged");
}

bool load_refuse(const struct save_section *s, struct error *err)
{
    return error_prefix(err, "section %s at offset %" PRIu64, s->name, s->offset);
}

bool load_section(struct save_reader *r, struct save_section *s, struct error *err)
{
    uint8_t head[HEADER_SIZE];
    uint64_t at = r->pos;

    *s = (struct save_section){.offset = at};
    if (!take(r, head, sizeof(head), err))
        return error_prefix(err, "a section's header at offset %" PRIu64, at);
    if (digest(head, 32) != get64(head + 32) || get64(head + 24) != at)
        return error_set(err, "a section's header at offset %" PRIu64 " is damaged", at);
    r->chain = chained(r->chain, head);
    s->tag = get32(head);
    s->version = (uint16_t)get32(head + 4);
    s->flags = (uint16_t)(get32(head + 4) >> 16);
    s->length = get64(head + 8);
    s->digest = get64(head + 16);
    for (unsigned i = 0; i < 4; i++)
        s->name[i] = head[i] >= ' ' && head[i] < 0x7f ? (char)head[i] : '?';
    if (s->version != 1 && !(s->flags & SECTION_OPTIONAL)) {
        error_write(err, "its version is %u; 1 is expected", s->version);
        return load_refuse(s, err);
    }
    return true;
}

/* By pieces: a length that is a lie must not cost more than there is. */
bool load_payload(struct save_reader *r, const struct save_section *s, uint64_t max,
                  struct state_stream *to, struct error *err)
{
    uint64_t left = s->length;

    to->len = to->pos = 0;
    if (left > max) {
        error_write(err, "%" PRIu64 " bytes are more than %" PRIu64, left, max);
        return load_refuse(s, err);
    }
    while (left) {
        size_t n = left < READ_PIECE ? (size_t)left : READ_PIECE;

        if (to->capacity - to->len < n) {
            size_t capacity = 2 * to->capacity > to->len + n ? 2 * to->capacity : to->len + n;
            uint8_t *p = realloc(to->data, capacity);

            if (!p)
                return error_set(err, "out of memory");
            to->data = p;
            to->capacity = capacity;
        }
        if (!take(r, to->data + to->len, n, err))
            return load_refuse(s, err);
        to->len += n;
        left -= n;
    }
    if (digest(to->data, to->len) == s->digest)
        return true;
    error_write(err, "its bytes are damaged");
    return load_refuse(s, err);
}

bool load_skip(struct save_reader *r, const struct save_section *s, struct error *err)
{
    uint8_t buffer[4096];
    uint64_t left = s->length;

    if (r->skip) {
        r->pos += left;
        return r->skip(r->opaque, left, err) || load_refuse(s, err);
    }
    for (; left; left -= left < sizeof(buffer) ? left : sizeof(buffer))
        if (!take(r, buffer, left < sizeof(buffer) ? (size_t)left : sizeof(buffer), err))
            return load_refuse(s, err);
    return true;
}

/* Checks n entries; how many have bytes, or -1. */
static int64_t count_full(const uint8_t *entries, uint32_t n, uint64_t npages)
{
    int64_t full = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t e = get64(entries + i * 8ul);

        if (e >> 1 >= npages)
            return -1;
        full += !(e & 1);
    }
    return full;
}

bool load_pages(const struct save_section *s, const struct state_stream *payload, uint64_t npages,
                void (*page)(void *opaque, uint64_t page, const uint8_t *data), void *opaque,
                struct error *err)
{
    uint8_t raw[PAGES_BYTES];
    const uint8_t *p = payload->data, *entries;
    uint32_t n = payload->len >= PAGE_HEAD ? get32(p + 4) : UINT32_MAX, stored;
    int64_t full;
    size_t at = 0;

    if (n > SAVEFILE_PAGES || payload->len < PAGE_HEAD + n * 8ul) {
        error_write(err, "the number of its pages is wrong");
        return load_refuse(s, err);
    }
    entries = p + PAGE_HEAD;
    stored = get32(p + 8);
    full = count_full(entries, n, npages);
    if (full < 0 || payload->len - PAGE_HEAD - n * 8ul != stored) {
        error_write(err, full < 0 ? "a page is not in this machine" : "its length is wrong");
        return load_refuse(s, err);
    }
    if (!unpack(get32(p), entries + n * 8ul, stored, raw, (size_t)full * VM_PAGE_SIZE)) {
        error_write(err,
                    get32(p) > COMPRESSION_ZSTD ? "compression %u is not known"
                                                : "compression %u: it does not unpack, or this "
                                                  "build is without it",
                    get32(p));
        return load_refuse(s, err);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t e = get64(entries + i * 8ul);

        page(opaque, e >> 1, e & 1 ? NULL : raw + at);
        at += e & 1 ? 0 : VM_PAGE_SIZE;
    }
    return true;
}

bool load_is_complete(const struct save_reader *r, const struct save_section *s, uint64_t chain,
                      const struct state_stream *payload, struct error *err)
{
    (void)r;
    if (payload->len == 8 && get64(payload->data) == chain)
        return true;
    error_write(err, "sections are missing or not in their order");
    return load_refuse(s, err);
}
