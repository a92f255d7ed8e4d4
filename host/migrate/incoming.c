/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other end. A file's memory is mapped where it can be, so that the machine goes on at once;
 * its digests are then checked in the background. From elsewhere all is read first; then the two
 * sides agree on who has the machine:
 *
 *     the new side   "LOADED\r\n", or "FAILED\r\n", u32 length, text
 *     the old side   perhaps "FRAMES\r\n", u32 length, what had come for the machine's network
 * cards the old side   has given up its disks: "YOURS!\r\n" the new side   has them: "TAKEN!\r\n";
 * only now may it run (or "FAILED\r\n" again)
 *
 * so that at no time both can; and if one of them dies the other one knows that it did not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "host/block/drive.h"
#include "host/migrate/migrate_internal.h"

#define FRAMES_MAX (256u << 20) /* of all cards: 4 MiB each at most */

static bool read_channel(void *opaque, void *data, size_t len, struct error *err)
{
    struct migrate *g = opaque;

    if (!channel_read(&g->channel, data, len, err))
        return false;
    pthread_mutex_lock(&g->mutex);
    g->info.transferred += len;
    pthread_mutex_unlock(&g->mutex);
    return true;
}

static bool skip_channel(void *opaque, uint64_t len, struct error *err)
{
    struct migrate *g = opaque;
    struct stat st;
    off_t at = lseek(g->channel.fd, 0, SEEK_CUR);

    if (at < 0 || fstat(g->channel.fd, &st) != 0 || len > (uint64_t)(st.st_size - at))
        return error_set(err, "it ends in the middle");
    return lseek(g->channel.fd, (off_t)len, SEEK_CUR) >= 0 || error_set(err, "lseek");
}

static bool map_memory(void *opaque, uint64_t offset, uint64_t len)
{
    struct migrate *g = opaque;
    struct stat st;

    return fstat(g->channel.fd, &st) == 0 && (uint64_t)st.st_size >= offset &&
           (uint64_t)st.st_size - offset >= len && offset % (uint64_t)sysconf(_SC_PAGESIZE) == 0 &&
           arena_map_file(&g->m->arena, g->channel.fd, offset, len, NULL);
}

void incoming_take_lineage(struct migrate *g)
{
    const char *about = (const char *)g->restore.about.data;
    char text[(SNAPSHOT_UID + 1) * ANCESTORS + 1];
    char *word, *rest = text;

    g->nlineage = 0;
    if (!savefile_value(about, "#lineage", text, sizeof(text)))
        return;
    while (g->nlineage < ANCESTORS && (word = strsep(&rest, " ")))
        if (strlen(word) == SNAPSHOT_UID)
            memcpy(g->lineage[g->nlineage++], word, SNAPSHOT_UID + 1);
}

/* migrate_fn: memory is there. */
static bool apply(struct migrate *g, struct error *err)
{
    const char *about = (const char *)g->restore.about.data;
    char running[4] = "0";

    savefile_value(about, "#running", running, sizeof(running));
    incoming_take_lineage(g);
    if (!restore_apply(&g->restore, err))
        return false;
    g->run_then &= running[0] == '1';
    g->hooks.announce(g->hooks.opaque, true);
    return true;
}

/* migrate_fn */
static bool unpack_frames(struct migrate *g, struct error *err)
{
    return g->hooks.unpack_frames(g->hooks.opaque, (const uint8_t *)g->frames, g->frames_len, err);
}

/* migrate_fn */
static bool go_on(struct migrate *g, struct error *err)
{
    (void)err;
    g->expecting = g->m->run.frozen = false;
    if (g->run_then)
        machine_cont(g->m);
    return true;
}

static bool read_all(struct migrate *g, bool file, struct error *err)
{
    struct save_reader r = {.read = read_channel, .skip = file ? skip_channel : NULL, .opaque = g};

    g->restore =
        (struct restore){.m = g->m, .cpu = g->cpu, .map = file ? map_memory : NULL, .opaque = g};
    return restore_read(&g->restore, &r, err);
}

/* ---- what was mapped ---- */

static void *check_job(void *opaque)
{
    struct migrate *g = opaque;
    uint64_t n = restore_pieces(&g->restore), size = g->m->arena.size;
    uint8_t *buffer = malloc(CAPTURE_CHUNK);

    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
    for (uint64_t i = 0; i < n && buffer && !atomic_load(&g->check_stop); i++) {
        uint64_t at = i * CAPTURE_CHUNK;
        size_t len = size - at < CAPTURE_CHUNK ? (size_t)(size - at) : CAPTURE_CHUNK;
        uint64_t place = g->restore.mapped_at + at;

        if (pread(g->mapped_fd, buffer, len, (off_t)place) == (ssize_t)len &&
            restore_check_piece(&g->restore, i, buffer, len))
            continue;
        fprintf(stderr,
                "calque: %s: section RAMM: memory at offset %llu is damaged; the machine "
                "stops\n",
                g->where, (unsigned long long)place);
        machine_lock(g->m);
        machine_request_stop(g->m, STOP_IO_ERROR);
        machine_unlock(g->m);
        break;
    }
    free(buffer);
    return NULL;
}

void incoming_check(struct migrate *g)
{
    if (!g->restore.mapped_at || g->mapped_fd < 0)
        return;
    g->checking = pthread_create(&g->checker, NULL, check_job, g) == 0;
}

void incoming_free(struct migrate *g)
{
    if (g->checking) {
        atomic_store(&g->check_stop, true);
        pthread_join(g->checker, NULL);
    }
    g->checking = false;
    if (g->mapped_fd >= 0)
        close(g->mapped_fd);
    g->mapped_fd = -1;
    restore_free(&g->restore);
    channel_close(&g->channel);
}

static bool from_file(struct migrate *g, struct error *err)
{
    bool ok = read_all(g, true, err) && apply(g, err);

    if (ok && g->restore.mapped_at)
        g->mapped_fd = dup(g->channel.fd);
    channel_close(&g->channel);
    if (!ok)
        return error_prefix(err, "%s", g->where + strlen("file:"));
    g->info.status = MIGRATE_COMPLETED;
    go_on(g, err);
    incoming_check(g);
    return true;
}

/* ---- another process ---- */

static bool say(struct migrate *g, const char *word, struct error *err)
{
    return channel_write(&g->channel, word, 8, err);
}

static void say_failed(struct migrate *g, const struct error *why)
{
    uint32_t len = (uint32_t)strlen(why->text);
    const uint8_t size[4] = {(uint8_t)len, (uint8_t)(len >> 8), 0, 0};
    struct error ignored;

    if (g->channel.two_way && say(g, "FAILED\r\n", &ignored) &&
        channel_write(&g->channel, size, sizeof(size), &ignored))
        channel_write(&g->channel, why->text, len, &ignored);
}

/* migrate_fn */
static bool take_disks(struct migrate *g, struct error *err)
{
    return !g->drives || drives_take(g->drives, err);
}

static bool take_frames(struct migrate *g, struct error *err)
{
    uint8_t size[4];
    bool ok;

    if (!channel_read(&g->channel, size, sizeof(size), err))
        return false;
    g->frames_len = ld_le32(size);
    if (g->frames_len > FRAMES_MAX)
        return error_set(err, "frames that were under way: %zu bytes, more than there can be",
                         g->frames_len);
    g->frames = malloc(g->frames_len + 1);
    ok = g->frames ? channel_read(&g->channel, g->frames, g->frames_len, err)
                   : error_set(err, "out of memory");
    ok = ok && migrate_on_main(g, unpack_frames, err);
    free(g->frames);
    g->frames = NULL;
    return ok;
}

static bool take_over(struct migrate *g, struct error *err)
{
    struct error ignored;
    char word[8];

    if (!g->channel.two_way)
        return migrate_on_main(g, take_disks, err);
    if (!say(g, "LOADED\r\n", err) || !channel_read(&g->channel, word, 8, err))
        return error_prefix(err, "the other side did not let go of the machine");
    if (memcmp(word, "FRAMES\r\n", 8) == 0 &&
        (!take_frames(g, err) || !channel_read(&g->channel, word, 8, err)))
        return error_prefix(err, "the other side did not let go of the machine");
    if (memcmp(word, "YOURS!\r\n", 8) != 0)
        return error_set(err, "the other side said something else than YOURS!");
    g->channel.cancelled = NULL;
    if (!migrate_on_main(g, take_disks, err))
        return false;
    say(g, "TAKEN!\r\n", &ignored); /* who does not hear it has died, or waits */
    return true;
}

static void *incoming_job(void *opaque)
{
    struct migrate *g = opaque;
    struct error err = {""};
    bool ok = channel_accept(&g->channel, &err);

    migrate_set_status(g, MIGRATE_ACTIVE);
    ok = ok && read_all(g, false, &err) && migrate_on_main(g, apply, &err) && take_over(g, &err) &&
         migrate_on_main(g, go_on, &err);
    if (!ok && !atomic_load(&g->cancelled)) {
        say_failed(g, &err);
        error_prefix(&err, "-incoming %s", g->where);
        g->hooks.broken(g->hooks.opaque, err.text);
    }
    channel_close(&g->channel);
    migrate_job_done(g, ok, &err);
    return NULL;
}

bool migrate_incoming(struct migrate *g, const char *where, bool run, struct error *err)
{
    g->run_then = run;
    if (strcmp(where, "defer") == 0)
        return g->expecting = g->m->run.frozen = true;
    free(g->where);
    g->where = strdup(where);
    if (!g->where)
        return error_set(err, "out of memory");
    if (!channel_listen(&g->channel, where, &g->cancelled, err))
        return false;
    atomic_store(&g->cancelled, false);
    g->expecting = g->m->run.frozen = true; /* nothing else comes in */
    g->info = (struct migrate_info){.incoming = true, .total = g->m->arena.size};
    if (g->channel.is_file && strncmp(where, "file:", 5) == 0)
        return from_file(g, err);
    return migrate_begin_job(g, incoming_job, err);
}

bool migrate_incoming_deferred(struct migrate *g, const char *where, bool run, struct error *err)
{
    struct migrate_info info;

    migrate_get_info(g, &info);
    if (!g->expecting || info.status != MIGRATE_NONE)
        return error_set(err, "'-incoming defer' is required for 'migrate_incoming'");
    if (strcmp(where, "defer") == 0)
        return error_set(err, "defer: a place is expected, as tcp:HOST:PORT");
    return migrate_incoming(g, where, run, err);
}
