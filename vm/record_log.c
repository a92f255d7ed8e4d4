/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vm/record_log.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config.h"
#include "vm/digest.h"
#include "vm/vm_internal.h"

#if CONFIG_ZLIB
#include <zlib.h>
#endif

#define MAGIC       "CALQREC\n"
#define HEAD_BYTES  16
#define PIECE_BYTES 24
#define PIECE_FULL  (256u << 10) /* written when it is so long */
#define PIECE_MAX   (256u << 20) /* raw; a reader takes no longer one */
#define DEFLATED    1u
#define WORDS_MAX   4096

enum { TAG_HEAD = 0x44414548, TAG_PIECE = 0x43454950, TAG_DONE = 0x454e4f44 };

/* ---- entries in memory ---- */

void record_header_free(struct record_header *h)
{
    struct record_words *words[2] = {&h->args, &h->sources};

    for (unsigned k = 0; k < 2; k++) {
        for (unsigned i = 0; i < words[k]->n; i++)
            free(words[k]->text[i]);
        free(words[k]->text);
    }
    for (unsigned i = 0; i < h->ndrives; i++)
        free(h->drives[i].id);
    free(h->drives);
    state_stream_free(&h->state);
    memset(h, 0, sizeof(*h));
}

static bool copy_words(struct record_words *to, const struct record_words *from)
{
    if (!from->n)
        return true;
    to->text = calloc(from->n, sizeof(char *));
    if (!to->text)
        return false;
    for (; to->n < from->n; to->n++) {
        to->text[to->n] = strdup(from->text[to->n]);
        if (!to->text[to->n])
            return false;
    }
    return true;
}

bool record_header_copy(struct record_header *to, const struct record_header *from)
{
    *to = *from;
    to->args = to->sources = (struct record_words){0};
    to->drives = NULL;
    to->ndrives = 0;
    to->state = (struct state_stream){0};
    if (!copy_words(&to->args, &from->args) || !copy_words(&to->sources, &from->sources))
        return false;
    to->drives = calloc(from->ndrives ? from->ndrives : 1, sizeof(*to->drives));
    if (!to->drives)
        return false;
    for (; to->ndrives < from->ndrives; to->ndrives++) {
        struct record_drive *d = &to->drives[to->ndrives];

        *d = from->drives[to->ndrives];
        d->id = strdup(d->id);
        if (!d->id)
            return false;
    }
    return state_put(&to->state, from->state.data, from->state.len);
}

void record_log_free(struct record_log *l)
{
    record_log_cut(l, 0);
    free(l->entries);
    record_header_free(&l->header);
    memset(l, 0, sizeof(*l));
}

struct record_entry *record_log_add(struct record_log *l, const struct record_entry *e)
{
    struct record_entry *copy = malloc(sizeof(*copy) + e->len);

    if (copy && l->n == l->capacity) {
        size_t n = l->capacity ? 2 * l->capacity : 256;
        struct record_entry **entries = realloc(l->entries, n * sizeof(struct record_entry *));

        if (!entries) {
            free(copy);
            return NULL;
        }
        l->entries = entries;
        l->capacity = n;
    }
    if (!copy)
        return NULL;
    *copy = *e;
    copy->data = (uint8_t *)(copy + 1);
    if (e->len)
        memcpy(copy->data, e->data, e->len);
    l->entries[l->n++] = copy;
    l->bytes += sizeof(*copy) + e->len;
    return copy;
}

struct record_entry *record_log_get(const struct record_log *l, uint64_t number)
{
    return number >= l->base && number - l->base < l->n ? l->entries[number - l->base] : NULL;
}

static void forget_entry(struct record_log *l, size_t i)
{
    l->bytes -= sizeof(struct record_entry) + l->entries[i]->len;
    free(l->entries[i]);
}

void record_log_cut(struct record_log *l, uint64_t number)
{
    while (l->n && l->base + l->n > number)
        forget_entry(l, --l->n);
}

void record_log_forget(struct record_log *l, uint64_t number)
{
    size_t gone = 0;

    while (gone < l->n && l->base + gone < number)
        forget_entry(l, gone++);
    memmove(l->entries, l->entries + gone, (l->n - gone) * sizeof(struct record_entry *));
    l->n -= gone;
    l->base += gone;
}

/* ---- numbers and words ---- */

static bool put_u64(struct state_stream *s, uint64_t v)
{
    v = htole64(v);
    return state_put(s, &v, sizeof(v));
}

static bool get_u64(struct state_stream *s, uint64_t *v)
{
    if (!state_get(s, v, sizeof(*v)))
        return false;
    *v = le64toh(*v);
    return true;
}

static bool put_text(struct state_stream *s, const char *text)
{
    return state_put_u32(s, (uint32_t)strlen(text)) && state_put(s, text, strlen(text));
}

static bool get_text(struct state_stream *s, char **text)
{
    uint32_t len;

    *text = NULL;
    if (!state_get_u32(s, &len) || len > s->len - s->pos)
        return false;
    *text = strndup((const char *)s->data + s->pos, len);
    s->pos += len;
    return *text != NULL;
}

static bool put_words(struct state_stream *s, const struct record_words *w)
{
    bool ok = state_put_u32(s, w->n);

    for (unsigned i = 0; ok && i < w->n; i++)
        ok = put_text(s, w->text[i]);
    return ok;
}

static bool get_words(struct state_stream *s, struct record_words *w)
{
    uint32_t n;

    if (!state_get_u32(s, &n) || n > WORDS_MAX)
        return false;
    w->text = calloc((size_t)n + 1, sizeof(char *)); /* and a NULL, as argv has */
    for (w->n = 0; w->text && w->n < n; w->n++)
        if (!get_text(s, &w->text[w->n]))
            return false;
    return w->text != NULL;
}

static bool put_header(struct state_stream *s, const struct record_header *h)
{
    bool ok = put_words(s, &h->args) && put_words(s, &h->sources) && state_put_u32(s, h->ndrives);

    for (unsigned i = 0; ok && i < h->ndrives; i++)
        ok = put_text(s, h->drives[i].id) && put_u64(s, h->drives[i].size) &&
             state_put_u32(s, h->drives[i].medium | h->drives[i].read_only << 1);
    return ok && put_u64(s, h->ram_size) && put_u64(s, h->wall_base) &&
           state_put_u32(s, h->ncpus) && state_put_u32(s, h->icount_shift) &&
           put_u64(s, h->memory) && state_put_u32(s, (uint32_t)h->state.len) &&
           state_put(s, h->state.data, h->state.len);
}

static bool get_drives(struct state_stream *s, struct record_header *h)
{
    uint32_t n, flags;

    if (!state_get_u32(s, &n) || n > WORDS_MAX)
        return false;
    h->drives = calloc(n ? n : 1, sizeof(*h->drives));
    for (h->ndrives = 0; h->drives && h->ndrives < n; h->ndrives++) {
        struct record_drive *d = &h->drives[h->ndrives];

        if (!get_text(s, &d->id) || !get_u64(s, &d->size) || !state_get_u32(s, &flags)) {
            free(d->id);
            d->id = NULL;
            return false;
        }
        d->medium = flags & 1;
        d->read_only = flags >> 1 & 1;
    }
    return h->drives != NULL;
}

static bool get_header(struct state_stream *s, struct record_header *h)
{
    uint32_t len;

    if (!get_words(s, &h->args) || !get_words(s, &h->sources) || !get_drives(s, h) ||
        !get_u64(s, &h->ram_size) || !get_u64(s, &h->wall_base) || !state_get_u32(s, &h->ncpus) ||
        !state_get_u32(s, &h->icount_shift) || !get_u64(s, &h->memory) || !state_get_u32(s, &len) ||
        len > s->len - s->pos || !state_put(&h->state, s->data + s->pos, len))
        return false;
    s->pos += len;
    return true;
}

/* ---- entries in a piece ---- */

static bool put_entry(struct state_stream *s, const struct record_entry *e)
{
    return state_put_u32(s, e->kind | (uint32_t)e->source << 16) && state_put_u32(s, e->error) &&
           put_u64(s, e->insns) && put_u64(s, e->ns) && put_u64(s, e->fired) &&
           state_put_u32(s, e->len) && state_put(s, e->data, e->len);
}

/* False: what is there is no entry. */
static bool get_entry(struct state_stream *s, struct record_log *l)
{
    struct record_entry e = {0};
    const struct record_entry *last = l->n ? l->entries[l->n - 1] : NULL;
    uint32_t kind;

    if (!state_get_u32(s, &kind) || !state_get_u32(s, &e.error) || !get_u64(s, &e.insns) ||
        !get_u64(s, &e.ns) || !get_u64(s, &e.fired) || !state_get_u32(s, &e.len) ||
        e.len > s->len - s->pos)
        return false;
    e.kind = (uint8_t)kind;
    e.source = (uint16_t)(kind >> 16);
    e.data = s->data + s->pos;
    if ((kind & 0xffff) >= RECORD_NUM_KINDS || (last && e.insns < last->insns) ||
        !record_log_add(l, &e))
        return false;
    s->pos += e.len;
    return true;
}

/* ---- pieces ---- */

/* *z: the stored bytes, malloc'ed, or NULL where they are the raw ones. */
static uint32_t deflate_piece(const struct state_stream *s, uint8_t **z)
{
    *z = NULL;
#if CONFIG_ZLIB
    uLongf len = compressBound(s->len);

    *z = malloc(len);
    if (*z && compress2(*z, &len, s->data, s->len, 1) == Z_OK && len < s->len)
        return (uint32_t)len;
    free(*z);
    *z = NULL;
#endif
    return (uint32_t)s->len;
}

static bool write_all(int fd, const void *data, size_t len)
{
    const uint8_t *p = data;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool write_piece(struct record_writer *w, uint32_t tag, const struct state_stream *s)
{
    struct state_stream head = {0};
    uint8_t *z;
    uint32_t stored = deflate_piece(s, &z);
    const void *bytes = z ? z : s->data;
    bool ok = state_put_u32(&head, tag) && state_put_u32(&head, stored) &&
              state_put_u32(&head, (uint32_t)s->len) && state_put_u32(&head, z ? DEFLATED : 0) &&
              put_u64(&head, digest_bytes(bytes, stored, tag)) &&
              write_all(w->fd, head.data, head.len) && write_all(w->fd, bytes, stored);

    w->written += head.len + stored;
    state_stream_free(&head);
    free(z);
    return ok;
}

bool record_writer_open(struct record_writer *w, const char *path, const struct record_header *h,
                        struct error *err)
{
    struct state_stream head = {0};
    bool ok;

    *w = (struct record_writer){.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666),
                                .path = strdup(path)};
    if (w->fd < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    ok = w->path && state_put(&head, MAGIC, 8) && state_put_u32(&head, RECORD_VERSION) &&
         state_put_u32(&head, 0) && write_all(w->fd, head.data, head.len);
    head.len = 0;
    ok = ok && put_header(&head, h) && write_piece(w, TAG_HEAD, &head);
    state_stream_free(&head);
    return ok || error_set(err, "%s: cannot be written: %s", path, strerror(errno));
}

static void give_up(struct record_writer *w)
{
    if (!w->failed)
        fprintf(stderr, "calque: %s: cannot be written: %s; the recording ends before this\n",
                w->path, strerror(errno));
    w->failed = true;
}

void record_writer_flush(struct record_writer *w)
{
    if (w->fd >= 0 && w->piece.len && !w->failed && !write_piece(w, TAG_PIECE, &w->piece))
        give_up(w);
    w->piece.len = 0;
}

void record_writer_add(struct record_writer *w, const struct record_entry *e)
{
    if (w->fd < 0 || w->failed)
        return;
    if (!put_entry(&w->piece, e)) {
        errno = ENOMEM;
        give_up(w);
    }
    if (w->piece.len >= PIECE_FULL)
        record_writer_flush(w);
}

void record_writer_close(struct record_writer *w, bool proper)
{
    const struct state_stream none = {0};

    if (w->fd < 0)
        return;
    record_writer_flush(w);
    if (proper && !w->failed && !write_piece(w, TAG_DONE, &none))
        give_up(w);
    close(w->fd);
    state_stream_free(&w->piece);
    free(w->path);
    *w = (struct record_writer){.fd = -1};
}

/* ---- reading ---- */

struct piece {
    uint32_t tag, stored, raw, flags;
    uint64_t digest;
};

static bool inflate_piece(const struct piece *p, const uint8_t *stored, struct state_stream *s)
{
    if (!(p->flags & DEFLATED))
        return p->raw == p->stored && state_put(s, stored, p->raw);
#if CONFIG_ZLIB
    uLongf len = p->raw;

    s->data = malloc(p->raw ? p->raw : 1);
    s->capacity = s->len = p->raw;
    return s->data && uncompress(s->data, &len, stored, p->stored) == Z_OK && len == p->raw;
#else
    return false;
#endif
}

/* The next piece, raw. False: *why says what is wrong with it; NULL: the file ends here. */
static bool next_piece(struct state_stream *file, uint32_t *tag, struct state_stream *s,
                       const char **why)
{
    struct piece p;
    const uint8_t *stored;

    *why = NULL;
    if (file->pos == file->len)
        return false;
    *why = "its end is missing";
    if (!state_get_u32(file, &p.tag) || !state_get_u32(file, &p.stored) ||
        !state_get_u32(file, &p.raw) || !state_get_u32(file, &p.flags) ||
        !get_u64(file, &p.digest) || p.stored > file->len - file->pos)
        return false;
    *why = "it is damaged";
    stored = file->data + file->pos;
    file->pos += p.stored;
    if (p.flags & ~DEFLATED || p.raw > PIECE_MAX || p.raw / 1100 > p.stored ||
        p.digest != digest_bytes(stored, p.stored, p.tag))
        return false;
    if (p.flags & DEFLATED && !CONFIG_ZLIB) {
        *why = "it is deflated, and this build has no zlib";
        return false;
    }
    *tag = p.tag;
    return inflate_piece(&p, stored, s);
}

/* Entries until the end, or what is wrong. */
static void parse_entries(struct record_log *l, struct state_stream *file)
{
    const char *why = "its end is missing";
    uint32_t tag = 0;
    bool good = true;

    while (good && tag != TAG_DONE) {
        struct state_stream s = {0};

        good = next_piece(file, &tag, &s, &why);
        while (good && tag == TAG_PIECE && s.pos < s.len)
            good = get_entry(&s, l);
        state_stream_free(&s);
        good &= tag == TAG_PIECE || tag == TAG_DONE;
    }
    l->truncated = !good;
    if (!good)
        snprintf(l->problem, sizeof(l->problem), "%s", why ? why : "its end is missing");
}

bool record_log_parse(struct record_log *l, const char *name, const uint8_t *data, size_t len,
                      struct error *err)
{
    /* Only read: nothing is ever put into it. */
    struct state_stream file = {.data = (uint8_t *)(uintptr_t)data, .len = len}, head = {0};
    uint32_t version, zero, tag = 0;
    const char *why = NULL;
    bool ok;

    memset(l, 0, sizeof(*l));
    if (len < HEAD_BYTES || memcmp(data, MAGIC, 8) != 0)
        return error_set(err, "%s: is no recording", name);
    file.pos = 8;
    if (!state_get_u32(&file, &version) || !state_get_u32(&file, &zero) ||
        version != RECORD_VERSION)
        return error_set(err, "%s: is a recording of version %u; this is version %u", name,
                         (unsigned)version, RECORD_VERSION);
    ok = next_piece(&file, &tag, &head, &why);
    if (ok && (tag != TAG_HEAD || !get_header(&head, &l->header))) {
        ok = false;
        why = "its beginning is damaged";
    }
    state_stream_free(&head);
    if (!ok) {
        record_log_free(l);
        return error_set(err, "%s: %s", name, why ? why : "its end is missing");
    }
    parse_entries(l, &file);
    return true;
}

bool record_log_read(struct record_log *l, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *p;
    bool ok;

    if (fd < 0 || fstat(fd, &st) < 0) {
        error_write(err, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (!S_ISREG(st.st_mode) || st.st_size < HEAD_BYTES) {
        close(fd);
        return error_set(err, "%s: is no recording", path);
    }
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return error_set(err, "%s: %s", path, strerror(errno));
    ok = record_log_parse(l, path, p, (size_t)st.st_size, err);
    munmap(p, (size_t)st.st_size);
    return ok;
}
