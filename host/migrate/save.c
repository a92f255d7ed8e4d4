/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saving in the background: at one moment the state is taken and copying on write begins; memory is
 * written while the guest runs on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/migrate/migrate_internal.h"

#define SUM_SEED 0x43414c51u

static void put32(uint8_t *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

bool save_take(struct migrate *g, struct error *err)
{
    bool ran = g->hooks.hold(g->hooks.opaque), ok;
    uint64_t at = host_now();

    g->ran = ran;
    g->held_at = at;
    ok = machine_save(g->m, &g->state) || error_set(err, "out of memory");
    g->capture = ok ? capture_begin(g->m, QUEUED_MAX, err) : NULL;
    g->hooks.release(g->hooks.opaque, ran);
    pthread_mutex_lock(&g->mutex);
    g->info.downtime_us = (host_now() - at) / 1000;
    pthread_mutex_unlock(&g->mutex);
    return g->capture;
}

bool save_let_go(struct migrate *g, struct error *err)
{
    bool ran = g->hooks.hold(g->hooks.opaque);

    (void)err;
    capture_end(g->capture);
    g->capture = NULL;
    g->hooks.release(g->hooks.opaque, ran);
    return true;
}

static void progress(struct migrate *g, const struct capture_piece *p)
{
    uint64_t left = capture_left(g->capture), pages = p->len / VM_PAGE_SIZE;

    pthread_mutex_lock(&g->mutex);
    g->info.remaining = left;
    g->info.pages += p->data ? pages : 0;
    g->info.zero_pages += p->data ? 0 : pages;
    pthread_mutex_unlock(&g->mutex);
}

bool save_write_pages(struct migrate *g, struct error *err)
{
    struct capture_piece p;

    while (capture_next(g->capture, &p)) {
        if (p.data && !save_pages(&g->writer, p.at >> VM_PAGE_SHIFT, p.len / VM_PAGE_SIZE, p.data,
                                  false, err))
            return false;
        if (atomic_load(&g->cancelled))
            return error_set(err, "cancelled");
        progress(g, &p);
    }
    return true;
}

/* Zeros are left out: they are holes. */
static bool write_pieces(struct migrate *g, uint64_t from, uint8_t *sums, struct error *err)
{
    static const uint8_t zeros[CAPTURE_CHUNK];
    const uint64_t of_zeros = digest_bytes(zeros, CAPTURE_CHUNK, SUM_SEED);
    struct capture_piece p;

    while (capture_next(g->capture, &p)) {
        put64(sums + 8 + p.at / CAPTURE_CHUNK * 8,
              p.data || p.len < CAPTURE_CHUNK
                  ? digest_bytes(p.data ? p.data : zeros, p.len, SUM_SEED)
                  : of_zeros);
        if (p.data && !channel_write_at(&g->channel, from + p.at, p.data, p.len, err))
            return false;
        if (atomic_load(&g->cancelled))
            return error_set(err, "cancelled");
        progress(g, &p);
        migrate_account(g, p.data ? p.len : 0);
    }
    return true;
}

/* Memory as it can be mapped. */
static bool write_mapped(struct migrate *g, struct error *err)
{
    uint64_t size = g->m->arena.size, n = (size + CAPTURE_CHUNK - 1) / CAPTURE_CHUNK, from;
    uint8_t *sums = calloc(n + 1, 8);
    bool ok = sums || error_set(err, "out of memory");

    ok = ok && save_ram(&g->writer, size, err);
    from = g->channel.pos;
    if (ok && ftruncate(g->channel.fd, (off_t)(from + size)) != 0)
        ok = error_set(err, "%s: cannot be made so large: %s", g->channel.target, strerror(errno));
    ok = ok && write_pieces(g, from, sums, err);
    if (ok && lseek(g->channel.fd, (off_t)(from + size), SEEK_SET) < 0)
        ok = error_set(err, "%s: lseek", g->channel.target);
    if (ok) {
        put32(sums, CAPTURE_CHUNK);
        put32(sums + 4, (uint32_t)n);
        ok = save_section(&g->writer, TAG_SUMS, 0, sums, 8 + n * 8, err);
    }
    free(sums);
    return ok;
}

static bool write_all(struct migrate *g, struct error *err)
{
    g->writer = (struct save_writer){
        .write = migrate_channel_write, .opaque = g, .compression = g->parameters.compression};
    g->about = migrate_about(g, g->ran, "");
    if (!g->about)
        return error_set(err, "out of memory");
    return save_begin(&g->writer, err) &&
           save_section(&g->writer, TAG_MACHINE, 0, g->about, strlen(g->about), err) &&
           (g->parameters.compression == COMPRESSION_NONE ? write_mapped(g, err)
                                                          : save_write_pages(g, err)) &&
           save_section(&g->writer, TAG_STATE, 0, g->state.data, g->state.len, err) &&
           save_end(&g->writer, err);
}

void *save_job(void *opaque)
{
    struct migrate *g = opaque;
    struct error err = {""}, ignored;
    bool ok = channel_open(&g->channel, g->where, &g->cancelled, &err);

    if (!ok) {
        migrate_job_done(g, false, &err);
        return NULL;
    }
    ok = migrate_on_main(g, save_take, &err);
    migrate_set_status(g, MIGRATE_ACTIVE);
    ok = ok && write_all(g, &err);
    if (g->capture) {
        capture_give_up(g->capture);
        migrate_on_main(g, save_let_go, &ignored);
    }
    ok = ok && channel_finish(&g->channel, &err);
    channel_close(&g->channel);
    migrate_job_done(g, ok, &err);
    return NULL;
}
