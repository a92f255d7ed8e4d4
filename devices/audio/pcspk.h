/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_AUDIO_PCSPK_H
#define CALQUE_DEVICES_AUDIO_PCSPK_H

#include "devices/timer/i8254.h"
#include "host/audio/audio.h"
#include "vm/clock.h"
#include "vm/device.h"

/* The PC's speaker, at the timer's counter 2 and bit 1 of port 61h. It has nothing that a guest
 * could see: a machine that nobody listens to does without. */
struct pcspk {
    struct device dev;
    struct i8254 *pit;
    struct audio *audio;
    int64_t done;   /* pulses of the timer that were heard, */
    uint64_t next;  /* the sample that they end in, */
    int64_t area;   /* and how many of its pulses the cone was out */
    int32_t before; /* the last sample but for what follows: */
    int32_t level;  /* a speaker does not keep up a pressure */
    struct vm_timer flush;
};

void pcspk_init(struct pcspk *p, struct machine *m, const char *id, struct i8254 *pit,
                struct audio *audio);

#endif
