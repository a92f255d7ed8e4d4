/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC speaker (IBM PC AT Technical Reference, Speaker): the cone is out while counter 2's OUT
 * and bit 1 of port B are both high.
 *
 * Nothing ticks: what the timer does is known until it is written to again. Before that, and now
 * and then, the time since is turned into samples, each of which is the part of its duration that
 * the cone was out. So tones above what samples can tell are silent, and speech made of pulses is
 * heard.
 */
#include "devices/audio/pcspk.h"

#include "vm/machine.h"
#include "vm/record.h"

#define FLUSH_NS  (10 * 1000 * 1000)
#define LATE_NS   (10 * NS_PER_SEC) /* that the flush may be on a busy host */
#define AMPLITUDE 12000
#define DECAY     32604 /* of 32768 a sample: 3 dB less at 40 Hz */
#define PIECE     512

/* The pulse at which a sample ends. */
static int64_t end_of(uint64_t sample)
{
    return muldiv64(sample + 1, I8254_HZ, AUDIO_HZ);
}

/* A sample without the constant part of what came before. */
static int16_t filtered(struct pcspk *p, int32_t v)
{
    p->level = v - p->before + p->level * DECAY / 32768;
    p->before = v;
    return (int16_t)(p->level > INT16_MAX   ? INT16_MAX
                     : p->level < INT16_MIN ? INT16_MIN
                                            : p->level);
}

static bool is_silent(const struct pcspk *p)
{
    return !(p->pit->port61 & I8254_SPEAKER) && !p->before && p->level > -8 && p->level < 8;
}

/* What was heard already, when the past is executed again, is not heard once more. */
static void put_samples(struct pcspk *p, const int16_t *samples, size_t n)
{
    if (p->audio && !record_is_silent(p->dev.m))
        audio_write(p->audio, samples, n);
}

/* Nothing was heard from p->done to `now`. */
static void skip(struct pcspk *p, int64_t now)
{
    uint64_t sample = muldiv64(now, AUDIO_HZ, I8254_HZ);

    p->level = 0;
    if (sample > p->next) {
        if (p->audio && !record_is_silent(p->dev.m))
            audio_silence(p->audio, sample - p->next);
        p->next = sample;
        p->area = 0;
    }
    p->done = now;
}

static void hear(struct pcspk *p, int64_t now)
{
    int16_t samples[PIECE];
    unsigned n = 0;

    for (int64_t end = end_of(p->next); end <= now; end = end_of(p->next)) {
        int64_t begin = p->next ? end_of(p->next - 1) : 0;

        p->area += i8254_speaker_pulses(p->pit, p->done, end);
        samples[n++] = filtered(p, (int32_t)(p->area * AMPLITUDE / (end - begin)));
        p->done = end;
        p->area = 0;
        p->next++;
        if (n == PIECE) {
            put_samples(p, samples, n);
            n = 0;
        }
    }
    if (n)
        put_samples(p, samples, n);
    p->area += i8254_speaker_pulses(p->pit, p->done, now);
    p->done = now;
}

static void catch_up(struct pcspk *p)
{
    int64_t now = muldiv64(vm_clock_now(&p->dev.m->clock), I8254_HZ, NS_PER_SEC);

    if (now <= p->done)
        return;
    if (is_silent(p))
        skip(p, now);
    else
        hear(p, now);
}

static void flush(void *opaque)
{
    struct pcspk *p = opaque;

    catch_up(p);
    if (!is_silent(p))
        vm_timer_arm(&p->flush, vm_clock_now(&p->dev.m->clock) + FLUSH_NS);
}

/* Port B or the timer is about to change. */
static void changes(void *owner)
{
    struct pcspk *p = owner;

    catch_up(p);
    vm_timer_arm(&p->flush, vm_clock_now(&p->dev.m->clock) + FLUSH_NS);
}

/* All of it: when the timer is armed depends on what was heard, and a machine that is taken back
 * into its past must arm it as it did. */
static const struct state_field fields[] = {
    STATE_U64(struct pcspk, done),
    STATE_U64(struct pcspk, next),
    STATE_U64(struct pcspk, area),
    STATE_U32(struct pcspk, before),
    STATE_U32(struct pcspk, level),
    STATE_TIMER(struct pcspk, flush),
    STATE_FIELDS_END,
};

/* As catch_up() leaves it; what no sound has been heard of for long is silent. */
static bool is_possible(const struct pcspk *p, int64_t now)
{
    int64_t longest = (int64_t)muldiv64(LATE_NS, I8254_HZ, NS_PER_SEC);

    return p->done >= 0 && p->done <= now && (is_silent(p) || now - p->done <= longest) &&
           p->next <= muldiv64((uint64_t)p->done, AUDIO_HZ, I8254_HZ) + 1 && p->area >= 0 &&
           p->area <= I8254_HZ / AUDIO_HZ + 1 && p->before >= 0 && p->before <= AMPLITUDE * 2 &&
           p->level >= -AMPLITUDE * 4 && p->level <= AMPLITUDE * 4;
}

/* Else what was loaded begins now. */
static bool post_load(struct device *d, struct error *err)
{
    struct pcspk *p = (struct pcspk *)d;
    int64_t now = muldiv64(vm_clock_now(&d->m->clock), I8254_HZ, NS_PER_SEC);

    (void)err;
    if (is_possible(p, now))
        return true;
    p->done = now;
    p->next = muldiv64(p->done, AUDIO_HZ, I8254_HZ);
    p->area = 0;
    p->before = p->level = 0;
    return true;
}

static const struct device_class class = {
    .type = "pcspk", .version = 2, .fields = fields, .post_load = post_load};

void pcspk_init(struct pcspk *p, struct machine *m, const char *id, struct i8254 *pit,
                struct audio *audio)
{
    *p = (struct pcspk){.pit = pit, .audio = audio};
    device_init(&p->dev, m, &class, id);
    vm_timer_init(&p->flush, &m->clock, flush, p);
    pit->speaker = (struct i8254_watcher){changes, p};
}
