/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sound to a WAV file (RIFF, one channel of 16-bit PCM) or to SDL's audio device.
 *
 * The file's sizes are brought up to date as it grows, so that it can be played whenever the
 * machine ends; silence becomes a hole in it. The device takes samples in a thread of SDL's: they
 * wait in a ring, a tenth of a second of them at most, for what comes later than that would lag. */
#include "host/audio/audio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/suggest.h"
#include "config.h"

#if CONFIG_SDL2
#include <SDL.h>
#endif

#define RING         8192 /* samples */
#define DELAY        (AUDIO_HZ / 10)
#define DEVICE_PIECE 512
#define WAV_HEADER   44
#define WAV_MAX      (UINT32_MAX - WAV_HEADER) /* bytes of samples */

struct audio {
    enum audio_kind kind;
    int fd;
    uint64_t bytes;       /* of samples in the file */
    pthread_mutex_t lock; /* of the ring */
    int16_t ring[RING];
    unsigned head, count;
    unsigned device; /* SDL's number */
};

static const char *const drivers[] = {
    [AUDIO_NONE] = "none", [AUDIO_WAV] = "wav", [AUDIO_SDL] = "sdl"};

bool audio_kind_of(const char *driver, enum audio_kind *kind, struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, driver);
    for (unsigned i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        *kind = (enum audio_kind)i;
        if (!strcmp(driver, drivers[i]))
            return i != AUDIO_SDL || CONFIG_SDL2 || error_set(err, "sdl: built without SDL2");
        suggest_offer(&near, drivers[i]);
    }
    return error_set(err, "%s: none, wav and sdl are there; did you mean %s?", driver, near.best);
}

bool audio_have_sound(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char path[300];

    snprintf(path, sizeof(path), "%s/pulse/native", runtime ? runtime : "/nowhere");
    return CONFIG_SDL2 &&
           (getenv("PULSE_SERVER") || !access(path, F_OK) || !access("/dev/snd/timer", R_OK));
}

/* ---- files ---- */

static void put_le(uint8_t *to, uint32_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

static bool write_header(struct audio *a)
{
    uint8_t h[WAV_HEADER] = "RIFF....WAVEfmt ....................data....";
    uint32_t bytes = (uint32_t)a->bytes;

    put_le(h + 4, bytes + WAV_HEADER - 8, 4);
    put_le(h + 16, 16, 4); /* bytes of format: */
    put_le(h + 20, 1, 2);  /* PCM */
    put_le(h + 22, 1, 2);  /* channels */
    put_le(h + 24, AUDIO_HZ, 4);
    put_le(h + 28, AUDIO_HZ * 2, 4);
    put_le(h + 32, 2, 2);
    put_le(h + 34, 16, 2);
    put_le(h + 40, bytes, 4);
    return pwrite(a->fd, h, sizeof(h), 0) == (ssize_t)sizeof(h);
}

static bool open_wav(struct audio *a, const char *path, struct error *err)
{
    a->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (a->fd < 0 || !write_header(a))
        return error_set(err, "%s: %s", path, strerror(errno));
    return true;
}

/* A file that takes no more keeps what it has. */
static void write_wav(struct audio *a, const int16_t *samples, size_t n)
{
    uint8_t bytes[2 * DEVICE_PIECE];

    while (n && a->bytes + sizeof(bytes) <= WAV_MAX) {
        size_t piece = n < DEVICE_PIECE ? n : DEVICE_PIECE;

        for (size_t i = 0; i < piece; i++)
            put_le(bytes + 2 * i, (uint16_t)samples[i], 2);
        if (pwrite(a->fd, bytes, 2 * piece, (off_t)(WAV_HEADER + a->bytes)) != (ssize_t)(2 * piece))
            return;
        a->bytes += 2 * piece;
        samples += piece;
        n -= piece;
    }
    write_header(a);
}

/* ---- devices ---- */

#if CONFIG_SDL2

static void take(void *opaque, uint8_t *to, int len)
{
    struct audio *a = opaque;
    unsigned n = (unsigned)len / 2, have;
    int16_t *samples = (int16_t *)(void *)to;

    memset(to, 0, (size_t)len);
    pthread_mutex_lock(&a->lock);
    have = a->count < n ? a->count : n;
    for (unsigned i = 0; i < have; i++)
        samples[i] = a->ring[(a->head + i) % RING];
    a->head = (a->head + have) % RING;
    a->count -= have;
    pthread_mutex_unlock(&a->lock);
}

static bool open_sdl(struct audio *a, struct error *err)
{
    SDL_AudioSpec want = {.freq = AUDIO_HZ,
                          .format = AUDIO_S16SYS,
                          .channels = 1,
                          .samples = DEVICE_PIECE,
                          .callback = take,
                          .userdata = a};

    if (SDL_InitSubSystem(SDL_INIT_AUDIO))
        return error_set(err, "sdl: %s", SDL_GetError());
    a->device = SDL_OpenAudioDevice(NULL, 0, &want, NULL, 0);
    if (!a->device)
        return error_set(err, "sdl: %s", SDL_GetError());
    SDL_PauseAudioDevice(a->device, 0);
    return true;
}

static void close_sdl(struct audio *a)
{
    if (a->device)
        SDL_CloseAudioDevice(a->device);
    SDL_QuitSubSystem(SDL_INIT_AUDIO);
}

#else

static bool open_sdl(struct audio *a, struct error *err)
{
    (void)a;
    return error_set(err, "sdl: built without SDL2");
}

static void close_sdl(struct audio *a)
{
    (void)a;
}

#endif

static void write_device(struct audio *a, const int16_t *samples, size_t n)
{
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < n && a->count < DELAY; i++)
        a->ring[(a->head + a->count++) % RING] = samples[i];
    pthread_mutex_unlock(&a->lock);
}

/* ---- all of them ---- */

bool audio_open(const struct audio_config *config, struct audio **out, struct error *err)
{
    struct audio *a;
    bool ok;

    *out = NULL;
    if (config->kind == AUDIO_NONE)
        return true;
    a = calloc(1, sizeof(*a));
    if (!a)
        return error_set(err, "out of memory");
    a->kind = config->kind;
    a->fd = -1;
    pthread_mutex_init(&a->lock, NULL);
    ok = a->kind == AUDIO_WAV ? open_wav(a, config->path, err) : open_sdl(a, err);
    if (ok)
        *out = a;
    else
        audio_close(a);
    return ok;
}

void audio_write(struct audio *a, const int16_t *samples, size_t n)
{
    if (a->kind == AUDIO_WAV)
        write_wav(a, samples, n);
    else
        write_device(a, samples, n);
}

void audio_silence(struct audio *a, uint64_t n)
{
    if (a->kind == AUDIO_WAV && n < (WAV_MAX - a->bytes) / 2)
        a->bytes += 2 * n;
}

void audio_close(struct audio *a)
{
    if (!a)
        return;
    if (a->kind == AUDIO_SDL)
        close_sdl(a);
    if (a->fd >= 0)
        close(a->fd);
    pthread_mutex_destroy(&a->lock);
    free(a);
}
