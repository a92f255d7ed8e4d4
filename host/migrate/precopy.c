/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending a machine to another process while it runs: all memory, then again and again what has
 * changed meanwhile, until so little is left that it can go while the machine stands still. A guest
 * that changes memory faster than it can be sent is held back, more and more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/block/drive.h"
#include "host/migrate/migrate_internal.h"

#define PATIENCE  4  /* rounds before the guest is held back */
#define BRAKE     20 /* percent, each time */
#define BRAKE_MAX 95
#define SETTLE    6
#define SETTLE_NS 500000
#define FETCH     4
#define CHUNK     (SAVEFILE_PAGES * VM_PAGE_SIZE)

static uint64_t arena_pages(const struct migrate *g)
{
    return g->m->arena.size >> VM_PAGE_SHIFT;
}

static uint64_t count_bits(const uint64_t *bits, uint64_t pages)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < (pages + 63) / 64; i++)
        n += (uint64_t)__builtin_popcountll(bits[i]);
    return n;
}

static void follow(struct migrate *g, bool on)
{
    if (g->follows != on)
        arena_follow(&g->m->arena, on);
    g->follows = on;
}

/* migrate_fn: the first round begins. */
static bool begin(struct migrate *g, struct error *err)
{
    bool ran = g->hooks.hold(g->hooks.opaque);

    g->dirty = calloc(arena_pages(g) / 64 + 1, sizeof(*g->dirty));
    follow(g, true);
    arena_clear_dirty(&g->m->arena, PAGE_DIRTY_MIGRATE);
    g->hooks.release(g->hooks.opaque, ran);
    return g->dirty || error_set(err, "out of memory");
}

/* Machine standing. */
static void take_changes(struct migrate *g)
{
    arena_take_dirty(&g->m->arena, 0, g->m->arena.size, PAGE_DIRTY_MIGRATE, g->dirty);
    g->ndirty = count_bits(g->dirty, arena_pages(g));
}

/* migrate_fn: what has changed since the last time. If that is little enough the machine stays
 * where it is. */
static bool next_round(struct migrate *g, struct error *err)
{
    bool ran = g->hooks.hold(g->hooks.opaque);
    uint64_t at = host_now();

    memset(g->dirty, 0, (arena_pages(g) / 64 + 1) * sizeof(*g->dirty));
    take_changes(g);
    if (ran && g->ndirty * VM_PAGE_SIZE > g->limit) {
        g->hooks.release(g->hooks.opaque, ran);
        return true;
    }
    (void)err;
    g->ran = ran;
    g->stopped = true;
    g->held_at = at;
    g->hooks.stay(g->hooks.opaque, ran);
    return true;
}

/* migrate_fn: what is left, for good. */
static bool take_rest(struct migrate *g, struct error *err)
{
    g->m->run.frozen = true; /* nothing from outside, either */
    if (!machine_save(g->m, &g->state))
        return error_set(err, "out of memory");
    take_changes(g);
    return true;
}

/* migrate_fn: it stays here. */
static bool go_on_here(struct migrate *g, struct error *err)
{
    follow(g, false);
    g->m->run.brake = 0;
    if (g->disks_away && !drives_take(g->drives, err)) {
        g->away = true;
        return false;
    }
    g->disks_away = g->m->run.frozen = false;
    if (g->stopped)
        g->hooks.announce(g->hooks.opaque, false); /* the other side may have done so */
    if (g->stopped && g->ran)
        machine_cont(g->m);
    g->stopped = false;
    return true;
}

/* migrate_fn */
static bool pack_frames(struct migrate *g, struct error *err)
{
    return g->hooks.pack_frames(g->hooks.opaque, &g->frames, &g->frames_len) ||
           error_set(err, "out of memory");
}

/* migrate_fn */
static bool give_disks(struct migrate *g, struct error *err)
{
    if (!g->drives)
        return true;
    g->disks_away = true;
    return drives_release(g->drives, err);
}

/* migrate_fn */
static bool it_is_gone(struct migrate *g, struct error *err)
{
    (void)err;
    follow(g, false);
    g->m->run.brake = 0;
    g->away = true; /* and frozen */
    return true;
}

/* migrate_fn: the guest waits longer after each slice. */
static bool hold_back(struct migrate *g, struct error *err)
{
    unsigned brake = g->m->run.brake + BRAKE;

    (void)err;
    g->m->run.brake = brake < BRAKE_MAX ? brake : BRAKE_MAX;
    pthread_mutex_lock(&g->mutex);
    g->info.brake = g->m->run.brake;
    pthread_mutex_unlock(&g->mutex);
    return true;
}

/* ---- sending ---- */

static bool is_set(const uint64_t *bits, uint64_t page)
{
    return bits[page / 64] >> page % 64 & 1;
}

static void count_pages(struct migrate *g, uint64_t n, uint64_t left)
{
    pthread_mutex_lock(&g->mutex);
    g->info.pages += n;
    g->info.remaining = left * VM_PAGE_SIZE;
    pthread_mutex_unlock(&g->mutex);
}

/* The other side begins with zeros: what has no memory is left out. */
static bool send_everything(struct migrate *g, struct error *err)
{
    const struct arena *a = &g->m->arena;

    for (uint64_t at = 0; at < a->size; at += CHUNK) {
        uint64_t len = a->size - at < CHUNK ? a->size - at : CHUNK;

        if (atomic_load(&g->cancelled))
            return error_set(err, "cancelled");
        if (arena_has_data(a, at, len) &&
            !save_pages(&g->writer, at >> VM_PAGE_SHIFT, (unsigned)(len >> VM_PAGE_SHIFT),
                        a->host + at, false, err))
            return false;
        count_pages(g, len >> VM_PAGE_SHIFT, (a->size - at - len) >> VM_PAGE_SHIFT);
    }
    return true;
}

static bool send_changes(struct migrate *g, struct error *err)
{
    uint64_t pages = arena_pages(g), left = g->ndirty;

    for (uint64_t page = 0; page < pages;) {
        unsigned n = 0;

        if (page % 64 == 0 && !g->dirty[page / 64]) {
            page += 64;
            continue;
        }
        while (n < SAVEFILE_PAGES && page + n < pages && is_set(g->dirty, page + n))
            n++;
        if (n &&
            !save_pages(&g->writer, page, n, g->m->arena.host + (page << VM_PAGE_SHIFT), true, err))
            return false;
        left -= n < left ? n : left;
        count_pages(g, n, left);
        page += n ? n : 1;
    }
    return true;
}

/* What fits into the downtime at the pace of the last round. */
static void measure(struct migrate *g, uint64_t bytes, uint64_t ns)
{
    double pace = (double)bytes / ((double)(ns ? ns : 1) / 1e9);
    uint64_t room = g->parameters.downtime_limit > 100 ? g->parameters.downtime_limit * 2 / 3
                                                       : g->parameters.downtime_limit;

    g->limit = (uint64_t)(pace * (double)room / 1e3);
    pthread_mutex_lock(&g->mutex);
    g->info.bandwidth = (uint64_t)pace;
    g->info.rounds++;
    g->info.downtime_us = (uint64_t)((double)g->ndirty * VM_PAGE_SIZE / (pace + 1) * 1e6);
    pthread_mutex_unlock(&g->mutex);
}

/* migrate_fn */
static bool one_turn(struct migrate *g, struct error *err)
{
    (void)err;
    g->hooks.wake(g->hooks.opaque);
    return true;
}

/* Frames that the guest has sent are answered while it stands still: some turns of the main loop.
 */
static bool settle(struct migrate *g, struct error *err)
{
    const struct timespec pause = {.tv_nsec = SETTLE_NS};

    for (unsigned n = 0; n < SETTLE; n++) {
        if (!migrate_on_main(g, one_turn, err))
            return false;
        nanosleep(&pause, NULL);
    }
    return migrate_on_main(g, take_rest, err);
}

static bool rounds(struct migrate *g, struct error *err)
{
    uint64_t at = host_now(), before = g->writer.pos, last = UINT64_MAX;

    if (!send_everything(g, err))
        return false;
    for (unsigned n = 0;; n++) {
        uint64_t sent = g->writer.pos - before, now = host_now();

        if (sent > CHUNK) /* else it says nothing about the pace */
            measure(g, sent, now - at);
        before = g->writer.pos;
        at = now;
        if (!migrate_on_main(g, next_round, err))
            return false;
        if (g->stopped)
            return settle(g, err);
        if (n >= PATIENCE && g->ndirty > last * 3 / 4 && !migrate_on_main(g, hold_back, err))
            return false;
        last = g->ndirty;
        if (!send_changes(g, err))
            return false;
    }
}

static bool send_all(struct migrate *g, struct error *err)
{
    g->writer = (struct save_writer){
        .write = migrate_channel_write, .opaque = g, .compression = g->parameters.compression};
    g->about = migrate_about(g, true, "");
    if (!g->about)
        return error_set(err, "out of memory");
    if (!save_begin(&g->writer, err) ||
        !save_section(&g->writer, TAG_MACHINE, 0, g->about, strlen(g->about), err) ||
        !rounds(g, err))
        return false;
    migrate_set_status(g, MIGRATE_DEVICE);
    g->about[strlen("#running ")] = g->ran ? '1' : '0'; /* known only now */
    return send_changes(g, err) &&
           save_section(&g->writer, TAG_MACHINE, 0, g->about, strlen(g->about), err) &&
           save_section(&g->writer, TAG_STATE, 0, g->state.data, g->state.len, err) &&
           save_end(&g->writer, err);
}

/* ---- who has it ---- */

static bool hear(struct migrate *g, const char *wanted, struct error *err)
{
    char word[8], text[400] = "";
    uint8_t size[4];

    if (!channel_read(&g->channel, word, 8, err))
        return error_prefix(err, "the other side is gone");
    if (memcmp(word, wanted, 8) == 0)
        return true;
    if (memcmp(word, "FAILED\r\n", 8) == 0 && channel_read(&g->channel, size, 4, err)) {
        size_t len = (size_t)size[0] | (size_t)size[1] << 8;

        len = len < sizeof(text) ? len : sizeof(text) - 1;
        if (channel_read(&g->channel, text, len, err))
            return error_set(err, "the other side refuses: %s", text);
    }
    return error_set(err, "the other side said something else than %.6s", wanted);
}

/* The other side has announced itself: nothing more comes here. What did before is fetched, in some
 * turns of the main loop, and follows. */
static bool send_frames(struct migrate *g, struct error *err)
{
    uint8_t size[4];
    bool ok;

    for (unsigned n = 0; n < FETCH; n++)
        if (!migrate_on_main(g, one_turn, err))
            return false;
    if (!migrate_on_main(g, pack_frames, err))
        return false;
    for (unsigned i = 0; i < sizeof(size); i++)
        size[i] = (uint8_t)(g->frames_len >> 8 * i);
    ok = !g->frames_len || (channel_write(&g->channel, "FRAMES\r\n", 8, err) &&
                            channel_write(&g->channel, size, sizeof(size), err) &&
                            channel_write(&g->channel, g->frames, g->frames_len, err));
    free(g->frames);
    g->frames = NULL;
    return ok;
}

/* From YOURS! on nobody may cancel: the answer is awaited. */
static bool hand_over(struct migrate *g, struct error *err)
{
    if (!g->channel.two_way)
        return migrate_on_main(g, give_disks, err) && channel_finish(&g->channel, err);
    if (!hear(g, "LOADED\r\n", err) || !send_frames(g, err) || !migrate_on_main(g, give_disks, err))
        return false;
    g->channel.cancelled = NULL;
    return channel_write(&g->channel, "YOURS!\r\n", 8, err) && hear(g, "TAKEN!\r\n", err);
}

void *precopy_job(void *opaque)
{
    struct migrate *g = opaque;
    struct error err = {""}, ignored;
    bool ok = channel_open(&g->channel, g->where, &g->cancelled, &err), given, unknown;

    if (!ok) {
        migrate_job_done(g, false, &err);
        return NULL;
    }
    g->limit = 0;
    pthread_mutex_lock(&g->mutex);
    g->info.setup_ms = (host_now() - g->begun) / 1000000;
    pthread_mutex_unlock(&g->mutex);
    ok = migrate_on_main(g, begin, &err);
    migrate_set_status(g, MIGRATE_ACTIVE);
    ok = ok && send_all(g, &err) && hand_over(g, &err);
    pthread_mutex_lock(&g->mutex);
    if (g->stopped)
        g->info.downtime_us = (host_now() - g->held_at) / 1000;
    pthread_mutex_unlock(&g->mutex);
    given = !g->channel.cancelled;
    unknown = g->channel.unreachable;
    channel_close(&g->channel);
    if (!ok && given && unknown) {
        error_prefix(&err, "the other side may have the machine; it stays paused here");
        migrate_on_main(g, it_is_gone, &ignored);
    } else if (ok) {
        migrate_on_main(g, it_is_gone, &ignored);
    } else if (!migrate_on_main(g, go_on_here, &ignored)) {
        snprintf(err.text + strlen(err.text), sizeof(err.text) - strlen(err.text), "; %.150s",
                 ignored.text);
    }
    migrate_job_done(g, ok, &err);
    return NULL;
}
