/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The speaker's pulses in every mode of the timer, and how they become samples. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/audio/pcspk.h"
#include "tests/devices/rig.h"

struct spk_rig {
    struct rig r;
    struct i8254 pit;
    struct pcspk spk;
    struct audio *audio;
    char path[64];
};

static void start(struct spk_rig *t)
{
    struct audio_config config = {AUDIO_WAV, t->path};
    struct error err;

    rig_init(&t->r);
    snprintf(t->path, sizeof(t->path), "/tmp/calque-spk-%d.wav", (int)getpid());
    assert_true(audio_open(&config, &t->audio, &err));
    i8254_init(&t->pit, &t->r.m, "pit", 0x40, 0x61, rig_line(&t->r, 0));
    pcspk_init(&t->spk, &t->r.m, "spk", &t->pit, t->audio);
}

static void finish(struct spk_rig *t)
{
    audio_close(t->audio);
    unlink(t->path);
    rig_end(&t->r);
}

static void program(struct spk_rig *t, uint8_t control, uint16_t count)
{
    rig_out(&t->r, 0x43, 0xb0 | control);
    rig_out(&t->r, 0x42, (uint8_t)count);
    rig_out(&t->r, 0x42, count >> 8);
}

/* High pulses of `n` from now on are as many as i8254_out() says one by one. */
static void agree(struct spk_rig *t, unsigned n)
{
    int64_t first = (int64_t)muldiv64(t->r.now, I8254_HZ, NS_PER_SEC) + 1, want = 0;
    int64_t pulses = i8254_speaker_pulses(&t->pit, first, first + n);
    int64_t halves = i8254_speaker_pulses(&t->pit, first, first + n / 3) +
                     i8254_speaker_pulses(&t->pit, first + n / 3, first + n);

    for (unsigned i = 0; i < n; i++) {
        uint64_t at = muldiv64(2 * (uint64_t)(first + i) + 1, NS_PER_SEC, 2 * I8254_HZ);

        rig_pass(&t->r, at - t->r.now);
        want += i8254_out(&t->pit, 2);
    }
    assert_int_equal(pulses, want);
    assert_int_equal(halves, want);
}

static void pulses(void **state)
{
    struct spk_rig t;

    (void)state;
    for (unsigned mode = 0; mode < 6; mode++)
        for (unsigned count = 2; count < 60; count += 7) {
            start(&t);
            rig_out(&t.r, 0x61, 3);
            program(&t, (uint8_t)(mode << 1), (uint16_t)count);
            agree(&t, 100);
            rig_out(&t.r, 0x42, (uint8_t)(count + 5)); /* a new count, half way */
            rig_out(&t.r, 0x42, 0);
            agree(&t, 150);
            rig_out(&t.r, 0x61, 2); /* the gate, down and up */
            agree(&t, 50);
            rig_out(&t.r, 0x61, 3);
            agree(&t, 150);
            rig_out(&t.r, 0x61, 1); /* the speaker is off */
            assert_int_equal(i8254_speaker_pulses(&t.pit, 0, 1000), 0);
            finish(&t);
        }
}

/* The file grows with the machine's time, silent or not; a saved machine goes on. */
static void samples(void **state)
{
    struct spk_rig t;
    FILE *f;

    (void)state;
    start(&t);
    rig_pass(&t.r, 3 * (uint64_t)NS_PER_SEC);
    rig_out(&t.r, 0x61, 3);
    program(&t, 6, 1193);
    rig_pass(&t.r, NS_PER_SEC);
    rig_round_trip(&t.r, &t.spk.dev);
    rig_out(&t.r, 0x61, 0);
    rig_pass(&t.r, NS_PER_SEC);
    assert_int_equal(vm_clock_deadline(&t.r.m.clock), VM_TIME_NEVER); /* nothing to do any more */
    audio_close(t.audio);
    t.audio = NULL;
    f = fopen(t.path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    assert_in_range(ftell(f), 44 + 2 * 4 * AUDIO_HZ, 44 + 2 * 4 * AUDIO_HZ + 2 * AUDIO_HZ / 2);
    fclose(f);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pulses), cmocka_unit_test(samples)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
