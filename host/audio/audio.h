/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_AUDIO_AUDIO_H
#define CALQUE_HOST_AUDIO_AUDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where sound goes: a -audiodev. One voice, 16 bits a sample, AUDIO_HZ samples a second of the
 * machine's time. */

#define AUDIO_HZ 48000u

struct audio;
struct error;

enum audio_kind { AUDIO_NONE, AUDIO_WAV, AUDIO_SDL };

struct audio_config {
    enum audio_kind kind;
    const char *path; /* AUDIO_WAV: the file, which is made anew */
};

/* The kind of a driver's name; false with an error that names those there are. */
bool audio_kind_of(const char *driver, enum audio_kind *kind, struct error *err);
/* True where a desktop's sound can be expected to work. */
bool audio_have_sound(void);
/* *out is NULL for AUDIO_NONE. */
bool audio_open(const struct audio_config *config, struct audio **out, struct error *err);
/* Never wait: what the host has no room for is left out. One thread at a time. */
void audio_write(struct audio *a, const int16_t *samples, size_t n);
/* So many samples of nothing. */
void audio_silence(struct audio *a, uint64_t n);
void audio_close(struct audio *a); /* a may be NULL */

#endif
