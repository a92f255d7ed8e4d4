/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page without PAGE_DIRTY_CAPTURE belongs to a chunk that is to be copied before it changes. Who
 * takes a chunk, a storing CPU or the reader, holds the mutex from the look at its state until its
 * bytes are copied and its pages have the flag: so no store comes in between. */
#include "vm/capture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vm/machine.h"

#define CHUNK_PAGES (CAPTURE_CHUNK / VM_PAGE_SIZE)

struct copy {
    struct copy *next;
    uint64_t at;
    uint32_t len;
    uint8_t data[];
};

struct capture {
    struct machine *m;
    struct store_keeper keeper;
    pthread_mutex_t mutex;
    pthread_cond_t room; /* the queue has some */
    uint8_t *taken;      /* a chunk */
    uint64_t chunks, next, left;
    struct copy *first, **tail, *given;
    uint64_t queued, queued_max;
    bool given_up;
    uint8_t *buffer; /* the reader's */
};

static bool is_zero(const uint8_t *p, size_t len)
{
    return !p[0] && memcmp(p, p + 1, len - 1) == 0;
}

static uint32_t chunk_len(const struct capture *c, uint64_t chunk)
{
    uint64_t at = chunk * CAPTURE_CHUNK, left = c->m->arena.size - at;

    return left < CAPTURE_CHUNK ? (uint32_t)left : CAPTURE_CHUNK;
}

/* Mutex held. The chunk's bytes are where they are wanted: it may change. */
static void let_go(struct capture *c, uint64_t chunk)
{
    uint8_t *flags = c->m->arena.page_flags + chunk * CHUNK_PAGES;

    c->taken[chunk] = true;
    for (uint32_t i = 0; i < chunk_len(c, chunk) / VM_PAGE_SIZE; i++)
        __atomic_fetch_or(&flags[i], PAGE_DIRTY_CAPTURE, __ATOMIC_SEQ_CST);
}

/* Mutex held. What was never touched need not be, now. */
static bool copy_chunk(const struct capture *c, uint64_t chunk, uint8_t *to)
{
    const struct arena *a = &c->m->arena;
    uint64_t at = chunk * CAPTURE_CHUNK;
    uint32_t len = chunk_len(c, chunk);

    if (!arena_has_data(a, at, len))
        return false;
    memcpy(to, a->host + at, len);
    return true;
}

/* Mutex held, the queue has room. Without memory the storing CPU waits for the reader, too. */
static bool enqueue(struct capture *c, uint64_t chunk)
{
    uint32_t len = chunk_len(c, chunk);
    struct copy *copy = malloc(sizeof(*copy) + len);

    if (!copy)
        return false;
    if (!copy_chunk(c, chunk, copy->data))
        memset(copy->data, 0, len);
    copy->next = NULL;
    copy->at = chunk * CAPTURE_CHUNK;
    copy->len = len;
    *c->tail = copy;
    c->tail = &copy->next;
    c->queued += len;
    let_go(c, chunk);
    return true;
}

/* store_keeper.before_store: any thread. */
static void keep(void *opaque, uint64_t page)
{
    struct capture *c = opaque;
    uint64_t chunk = page / CHUNK_PAGES;

    pthread_mutex_lock(&c->mutex);
    /* What is behind the bytes in use is nobody's. */
    while (chunk < c->chunks && !c->taken[chunk] && !c->given_up) {
        if ((!c->queued || c->queued + CAPTURE_CHUNK <= c->queued_max) && enqueue(c, chunk))
            break;
        pthread_cond_wait(&c->room, &c->mutex);
    }
    if (chunk >= c->chunks || c->given_up)
        __atomic_fetch_or(&c->m->arena.page_flags[page], PAGE_DIRTY_CAPTURE, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&c->mutex);
}

struct capture *capture_begin(struct machine *m, uint64_t queued, struct error *err)
{
    struct capture *c = calloc(1, sizeof(*c));

    if (c) {
        c->m = m;
        c->chunks = (m->arena.size + CAPTURE_CHUNK - 1) / CAPTURE_CHUNK;
        c->left = m->arena.size;
        c->queued_max = queued;
        c->tail = &c->first;
        c->taken = calloc(c->chunks ? c->chunks : 1, 1);
        c->buffer = malloc(CAPTURE_CHUNK);
    }
    if (!c || !c->taken || !c->buffer) {
        if (c) {
            free(c->taken);
            free(c->buffer);
        }
        free(c);
        error_write(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->room, NULL);
    c->keeper = (struct store_keeper){keep, c, PAGE_DIRTY_CAPTURE, NULL};
    arena_clear_dirty(&m->arena, PAGE_DIRTY_CAPTURE);
    arena_keep(&m->arena, &c->keeper);
    return c;
}

/* Mutex held. */
static bool take_queued(struct capture *c, struct capture_piece *piece)
{
    struct copy *copy = c->first;

    if (!copy)
        return false;
    c->first = copy->next;
    if (!c->first)
        c->tail = &c->first;
    c->queued -= copy->len;
    c->given = copy;
    *piece = (struct capture_piece){copy->at, copy->len, copy->data};
    pthread_cond_broadcast(&c->room);
    return true;
}

/* Mutex held. */
static bool take_next(struct capture *c, struct capture_piece *piece)
{
    uint64_t chunk;

    while (c->next < c->chunks && c->taken[c->next])
        c->next++;
    chunk = c->next;
    if (chunk == c->chunks)
        return false;
    *piece = (struct capture_piece){chunk * CAPTURE_CHUNK, chunk_len(c, chunk), NULL};
    if (copy_chunk(c, chunk, c->buffer))
        piece->data = c->buffer;
    let_go(c, chunk);
    pthread_cond_broadcast(&c->room); /* somebody may have waited for this very one */
    return true;
}

bool capture_next(struct capture *c, struct capture_piece *piece)
{
    bool any;

    free(c->given);
    c->given = NULL;
    pthread_mutex_lock(&c->mutex);
    any = take_queued(c, piece) || take_next(c, piece);
    if (any)
        c->left -= piece->len;
    pthread_mutex_unlock(&c->mutex);
    if (any && piece->data && is_zero(piece->data, piece->len))
        piece->data = NULL;
    return any;
}

uint64_t capture_left(struct capture *c)
{
    pthread_mutex_lock(&c->mutex);
    uint64_t left = c->left;
    pthread_mutex_unlock(&c->mutex);
    return left;
}

void capture_give_up(struct capture *c)
{
    pthread_mutex_lock(&c->mutex);
    c->given_up = true;
    pthread_cond_broadcast(&c->room);
    pthread_mutex_unlock(&c->mutex);
}

void capture_end(struct capture *c)
{
    struct copy *next;

    arena_unkeep(&c->m->arena, &c->keeper);
    for (; c->first; c->first = next) {
        next = c->first->next;
        free(c->first);
    }
    free(c->given);
    pthread_mutex_destroy(&c->mutex);
    pthread_cond_destroy(&c->room);
    free(c->taken);
    free(c->buffer);
    free(c);
}
