/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checkpoints and recordings of whole machines that run a guest program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "cpu/x86/mem.h"
#include "host/audio/audio.h"
#include "tests/common/guest_machine.h"
#include "vm/checkpoint.h"
#include "vm/record.h"
#include "vm/record_pages.h"
#include "vm/vm_internal.h"

static struct audio *sound; /* where the next box's speaker is heard */
static bool endless;        /* programs stay when they are done */

static struct guest_machine *box_sized(const char *program, unsigned ncpus, bool translated,
                                       uint64_t ram_size)
{
    struct guest_machine *b = calloc(1, sizeof(*b));
    struct error err = {{0}};
    static const struct translator_config jit = {.threshold = 2};
    assert_non_null(b);
    guest_machine_config(b, program);
    b->config.ram_size = ram_size;
    b->config.ncpus = ncpus;
    b->config.serial_present[0] = b->config.tablet = b->config.vga = true;
    b->config.audio = sound;
    b->config.debugcon[0].port = 0xe9;
    b->config.debug_exit_port = endless ? 0 : 0xf4;
    b->config.debug_exit_size = 4;
    b->config.triple_fault_ends = true;
    if (!guest_machine_init(b, &err))
        fail_msg("%s", err.text);
    if (translated) /* interpreted, too, where there is no translator for the host */
        guest_machine_translate(b, &jit, &err);
    return b;
}

static struct guest_machine *box_of(const char *program, unsigned ncpus, bool translated)
{
    return box_sized(program, ncpus, translated, 16 << 20);
}

static void box_free(struct guest_machine *b)
{
    record_end(&b->pc.m);
    guest_machine_destroy(b);
    free(b);
}

static void run(struct guest_machine *b, uint64_t insns)
{
    machine_run_inline(&b->pc.m, insns);
}

static uint64_t digest(struct guest_machine *b)
{
    machine_lock(&b->pc.m);
    struct machine_digest d = machine_digest(&b->pc.m);
    machine_unlock(&b->pc.m);
    return d.all;
}

static uint32_t random_number(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* ---- checkpoints ---- */

#define TAKEN_MAX 150

static void restore(struct checkpoints *cs, struct checkpoint *c)
{
    struct error err = {{0}};
    if (!checkpoint_restore(cs, c, &err))
        fail_msg("%s", err.text);
}

/* Forward, back to one of the checkpoints, forward again: where a checkpoint is, the machine is
 * what it was, and goes on as it went. */
static void random_walk(const char *program, unsigned ncpus, bool translated)
{
    struct guest_machine *b = box_of(program, ncpus, translated);
    struct machine *m = &b->pc.m;
    struct checkpoints *cs = checkpoints_new(m);
    uint64_t digests[TAKEN_MAX] = {0}, later[TAKEN_MAX] = {0};
    uint32_t random = 1;
    unsigned taken = 0;
    assert_non_null(cs);
    for (unsigned step = 0; step < TAKEN_MAX; step++) {
        unsigned what = random_number(&random) % 8;
        if (cs->count && what == 0) {
            struct checkpoint *c = cs->newest;
            for (unsigned n = random_number(&random) % cs->count; n; n--)
                c = c->older;
            restore(cs, c);
            assert_ptr_equal(cs->newest, c);
            assert_int_equal(digest(b), digests[c->cursor[0]]);
            assert_int_equal(machine_retired(m), c->insns);
        } else if (cs->count > 2 && what == 1) {
            checkpoint_remove(cs, cs->newest->older);
        } else if (what < 5) {
            struct checkpoint *c = checkpoint_take(cs);
            assert_non_null(c);
            c->cursor[0] = taken++;
            digests[c->cursor[0]] = digest(b);
            run(b, 7001);
            later[c->cursor[0]] = digest(b);
            restore(cs, c);
            run(b, 7001);
            assert_int_equal(digest(b), later[c->cursor[0]]);
        }
        if (m->run.state == RUN_ENDED)
            break;
        run(b, random_number(&random) % 30000);
        assert_int_equal(m->arena.unannounced, 0);
    }
    while (cs->count > 1)
        checkpoint_remove(cs, cs->newest->older ? cs->newest->older : cs->newest);
    restore(cs, cs->newest);
    assert_int_equal(digest(b), digests[cs->newest->cursor[0]]);
    checkpoints_free(cs);
    box_free(b);
}

static void test_checkpoints(void **state)
{
    (void)state;
    random_walk("irq-32", 1, false);
    random_walk("timers-64", 1, false);
    random_walk("paging-64", 1, true);
    random_walk("smc-64", 1, true);
    random_walk("smm-64", 1, true);
    random_walk("smp-64", 3, true);
}

/* What is kept is counted, and bounded. */
static void test_checkpoints_are_thinned(void **state)
{
    (void)state;
    struct guest_machine *b = box_of("timers-64", 1, false);
    struct checkpoints *cs = checkpoints_new(&b->pc.m);
    struct checkpoint *first = checkpoint_take(cs);
    uint64_t begin = digest(b);
    for (unsigned n = 0; n < 64; n++) {
        run(b, 2000);
        assert_non_null(checkpoint_take(cs));
        checkpoints_thin(cs, UINT64_MAX, 12);
        assert_true(cs->count <= 12);
    }
    assert_ptr_equal(cs->oldest, first);
    /* The longer ago, the fewer. */
    uint64_t half = (cs->newest->insns + first->insns) / 2;
    unsigned before = 0;
    for (struct checkpoint *c = cs->oldest; c; c = c->newer)
        before += c->insns < half;
    assert_true(before < cs->count / 2);
    assert_ptr_equal(checkpoint_before(cs, UINT64_MAX), cs->newest);
    restore(cs, first);
    assert_int_equal(digest(b), begin);
    assert_int_equal(cs->bytes, first->state.capacity + sizeof(*first));
    checkpoints_free(cs);
    box_free(b);
}

/* A page is in the checkpoint before the first store to it, and in no other. */
static void test_checkpoint_knows_changes(void **state)
{
    (void)state;
    struct guest_machine *b = box_of("timers-64", 1, false);
    struct machine *m = &b->pc.m;
    struct checkpoints *cs = checkpoints_new(m);
    struct checkpoint *one = checkpoint_take(cs);
    address_space_write(&m->mem, 0xc00000, 0x1234, 4);
    struct checkpoint *two = checkpoint_take(cs);
    address_space_write_block(&m->mem, 0xd00ffe, "abcd", 4);
    assert_true(checkpoint_changed(cs, one, 0xc00000, 1));
    assert_false(checkpoint_changed(cs, two, 0xc00000, 4096));
    assert_true(checkpoint_changed(cs, two, 0xd00000, 1));
    assert_true(checkpoint_changed(cs, two, 0xd01000, 1));
    assert_false(checkpoint_changed(cs, one, 0xd00000, 8192));
    assert_int_equal(one->npages, 1);
    assert_int_equal(two->npages, 2);
    restore(cs, one);
    assert_int_equal(address_space_read(&m->mem, 0xc00000, 4), 0);
    assert_int_equal(address_space_read(&m->mem, 0xd01000, 4), 0);
    checkpoints_free(cs);
    box_free(b);
}

/* ---- recordings ---- */

static char path[64];

static void begin(struct guest_machine *b, const char *file, uint64_t history)
{
    static const struct record_header header = {0};
    struct record_setup setup = {
        .path = file, .header = &header, .history = history, .check_every = 200000};
    struct error err = {{0}};
    if (!record_begin(&b->pc.m, &setup, &err))
        fail_msg("%s", err.text);
}

static void replay(struct guest_machine *b, uint64_t history)
{
    struct record_log log;
    struct error err = {{0}};
    if (!record_log_read(&log, path, &err) || !record_replay(&b->pc.m, &log, history, &err))
        fail_msg("%s", err.text);
}

/* Runs with events from outside now and then: for each source in turn, of random bytes. */
static void run_with_input(struct guest_machine *b, unsigned steps, unsigned seed)
{
    struct input_source *s = b->pc.m.sources;
    uint32_t random = seed;
    for (unsigned n = 0; n < steps && b->pc.m.run.state != RUN_ENDED; n++) {
        uint8_t bytes[12];
        run(b, 1 + random_number(&random) % 30000);
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)random_number(&random);
        /* A reset is rare: the guest shall get somewhere. */
        if (strcmp(s->name, "reset") || !(random & 0x7000))
            assert_true(
                input_push(&b->pc.m, s, bytes, strncmp(s->name, "serial", 6) ? sizeof(bytes) : 1));
        s = s->next ? s->next : b->pc.m.sources;
    }
}

static void run_to_end(struct guest_machine *b, uint64_t insns)
{
    while (b->pc.m.run.state != RUN_ENDED && machine_retired(&b->pc.m) < insns) {
        run(b, insns - machine_retired(&b->pc.m));
        if (b->pc.m.run.reason == STOP_DIFFERENCE)
            break;
    }
}

static void assert_devices_equal(struct guest_machine *a, struct guest_machine *b)
{
    struct device *x = a->pc.m.devices, *y = b->pc.m.devices;
    unsigned n = 0;
    for (; x && y; x = x->next, y = y->next, n++)
        if (state_digest_fields(x->class->fields, x, 0) !=
            state_digest_fields(y->class->fields, y, 0))
            fail_msg("%s differs", x->id);
    assert_true(n > 20);
}

/* Recorded with one engine, replayed with both: every device is what it was. */
static void record_and_replay(const char *program, unsigned ncpus)
{
    for (unsigned k = 0; k < 2; k++) {
        struct guest_machine *a = box_of(program, ncpus, k);
        begin(a, path, 0);
        run_with_input(a, 200, k + 1);
        uint64_t insns = machine_retired(&a->pc.m), want = digest(a);
        record_machine_ended(&a->pc.m);
        for (unsigned n = 0; n < 2; n++) {
            struct guest_machine *b = box_of(program, ncpus, n);
            replay(b, 0);
            run_to_end(b, insns);
            assert_int_equal(machine_retired(&b->pc.m), insns);
            assert_int_not_equal(b->pc.m.run.reason, STOP_DIFFERENCE);
            assert_devices_equal(a, b);
            assert_int_equal(digest(b), want);
            box_free(b);
        }
        box_free(a);
    }
}

static void test_replay_is_equal(void **state)
{
    (void)state;
    record_and_replay("irq-32", 1);
    record_and_replay("timers-64", 1);
    record_and_replay("paging-64", 1);
    record_and_replay("smp-64", 2);
}

/* ---- time travel in memory ---- */

static void travel_to(struct guest_machine *b, uint64_t insns)
{
    struct error err = {{0}};
    struct checkpoint *c = checkpoint_before(record_checkpoints(&b->pc.m), insns);
    assert_non_null(c);
    if (!record_travel(&b->pc.m, c, &err))
        fail_msg("%s", err.text);
    assert_int_equal(machine_retired(&b->pc.m), c->insns);
    run_to_end(b, insns);
}

/* Back and forth in the past of a live machine, which then goes on, recorded; the recording is
 * what happened. */
static void test_live_machine_travels(void **state)
{
    (void)state;
    endless = true;
    struct guest_machine *a = box_of("smp-64", 2, true), *b;
    uint64_t at[30], was[30], end;
    uint32_t random = 5;
    begin(a, path, UINT64_MAX);
    assert_int_equal(a->pc.m.run.state, RUN_PAUSED);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < 10; n++) {
            run_with_input(a, 10, round * 10 + n);
            at[round * 10 + n] = machine_retired(&a->pc.m);
            was[round * 10 + n] = 0;
        }
        end = machine_retired(&a->pc.m);
        for (unsigned k = 0; k < 30; k++) {
            unsigned n = random_number(&random) % (round * 10 + 10);
            travel_to(a, at[n]);
            assert_int_equal(machine_retired(&a->pc.m), at[n]);
            /* Looking ends disk accesses, of which there are none. */
            uint64_t now = digest(a);
            assert_true(!was[n] || was[n] == now);
            was[n] = now;
        }
        assert_true(record_replays(&a->pc.m));
        run_to_end(a, end);
        run(a, 1);
        assert_false(record_replays(&a->pc.m));
    }
    assert_int_equal(a->pc.m.arena.unannounced, 0);
    end = machine_retired(&a->pc.m);
    record_machine_ended(&a->pc.m);
    b = box_of("smp-64", 2, false);
    replay(b, 0);
    run_to_end(b, end);
    assert_int_not_equal(b->pc.m.run.reason, STOP_DIFFERENCE);
    assert_int_equal(digest(b), digest(a));
    box_free(a);
    box_free(b);
    endless = false;
}

/* What was heard once is not heard again when the past is executed again, and all comes as it came
 * at first. */
static void test_the_past_is_silent(void **state)
{
    (void)state;
    char wav[2][80];
    struct stat st[2];
    for (unsigned n = 0; n < 2; n++) {
        snprintf(wav[n], sizeof(wav[n]), "%s-%u.wav", path, n);
        struct audio_config config = {AUDIO_WAV, wav[n]};
        struct error err = {{0}};
        assert_true(audio_open(&config, &sound, &err));
        struct guest_machine *b = box_of("../tests/tools/beep", 1, true);
        begin(b, NULL, UINT64_MAX);
        run(b, 60000000);
        uint64_t insns = machine_retired(&b->pc.m);
        struct machine_digest want = machine_digest(&b->pc.m);
        for (unsigned k = 1; n && k < 6; k++) {
            travel_to(b, insns * k / 7);
            run_to_end(b, insns);
            assert_int_equal(b->pc.m.run.reason, STOP_NONE);
            assert_int_equal(machine_digest(&b->pc.m).devices, want.devices);
        }
        run_to_end(b, insns + 5000000);
        box_free(b);
        audio_close(sound);
        sound = NULL;
        assert_int_equal(stat(wav[n], &st[n]), 0);
        unlink(wav[n]);
    }
    assert_true(st[0].st_size > 44 + 2 * AUDIO_HZ / 10);
    assert_int_equal(st[0].st_size, st[1].st_size);
}

/* ---- logs that are refused ---- */

static uint8_t *file_bytes(size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 24);
    assert_non_null(f);
    *len = fread(bytes, 1, 1 << 24, f);
    fclose(f);
    return bytes;
}

static void make_recording(void)
{
    struct guest_machine *a = box_of("irq-32", 1, false);
    begin(a, path, 0);
    run_with_input(a, 60, 3);
    box_free(a);
}

static void test_bad_logs(void **state)
{
    (void)state;
    struct record_log log;
    struct error err = {{0}};
    size_t len;
    make_recording();
    uint8_t *bytes = file_bytes(&len);
    assert_true(record_log_parse(&log, "x", bytes, len, &err));
    size_t entries = log.n;
    assert_false(log.truncated);
    record_log_free(&log);
    /* Cut anywhere: refused, or a beginning of it. */
    for (size_t n = 0; n < len; n += n < 64 ? 1 : 97) {
        if (!record_log_parse(&log, "x", bytes, n, &err)) {
            assert_non_null(strstr(err.text, "x: "));
            continue;
        }
        assert_true(log.truncated && log.problem[0] && log.n <= entries);
        record_log_free(&log);
    }
    /* Damaged anywhere behind the header. */
    for (size_t n = 16; n < len; n += 211) {
        bytes[n] ^= 0x10;
        if (record_log_parse(&log, "x", bytes, len, &err)) {
            assert_true(log.truncated);
            record_log_free(&log);
        }
        bytes[n] ^= 0x10;
    }
    /* Every byte of the last piece's head: its flags, too. */
    for (size_t n = len - 24; n < len; n++) {
        bytes[n] ^= 0x10;
        assert_true(record_log_parse(&log, "x", bytes, len, &err));
        assert_true(log.truncated);
        record_log_free(&log);
        bytes[n] ^= 0x10;
    }
    bytes[8] = 1; /* knew nothing of pages */
    assert_false(record_log_parse(&log, "x", bytes, len, &err));
    assert_string_equal(err.text, "x: is a recording of version 1; this is version 2");
    bytes[8] = 77;
    assert_false(record_log_parse(&log, "x", bytes, len, &err));
    assert_string_equal(err.text, "x: is a recording of version 77; this is version 2");
    bytes[0] = 'K';
    assert_false(record_log_parse(&log, "x", bytes, len, &err));
    assert_string_equal(err.text, "x: is no recording");
    assert_false(record_log_read(&log, "/nonexistent/x", &err));
    free(bytes);
}

static void refuse(struct guest_machine *b, const char *why)
{
    struct record_log log;
    struct error err = {{0}};
    assert_true(record_log_read(&log, path, &err));
    assert_false(record_replay(&b->pc.m, &log, 0, &err));
    if (!strstr(err.text, why))
        fail_msg("%s, expected: %s", err.text, why);
    assert_null(b->pc.m.record);
    box_free(b);
}

static void test_other_machines_are_refused(void **state)
{
    (void)state;
    make_recording();
    refuse(box_sized("irq-32", 1, false, 32 << 20), "-m 16M");
    refuse(box_of("irq-32", 2, false), "-smp 1");
    refuse(box_of("timers-64", 1, false), "of another machine");
    struct guest_machine *b = box_of("irq-32", 1, false);
    b->pc.m.clock.icount_shift = 2;
    refuse(b, "-icount shift=3");
    b = box_of("irq-32", 1, false);
    b->pc.m.random_state = 7;
    refuse(b, "random_state: 0x9e3779b97f4a7c15, now 0x7");
    b = box_of("irq-32", 1, false);
    address_space_write(&b->pc.m.mem, 0xf00000, 1, 1);
    refuse(b, "other memory");
}

/* What did not happen in the recording is seen at the next check, with its name. */
static void test_difference_is_named(void **state)
{
    (void)state;
    struct guest_machine *a = box_of("timers-64", 1, false), *b;
    begin(a, path, 0);
    run_with_input(a, 60, 3);
    box_free(a);
    b = box_of("timers-64", 1, false);
    replay(b, UINT64_MAX);
    run(b, 100000);
    b->pc.rtc.ram[0x70] ^= 1;
    run_to_end(b, 300000);
    assert_int_equal(b->pc.m.run.reason, STOP_DIFFERENCE);
    assert_true(machine_retired(&b->pc.m) < 300000);
    box_free(b);
}

/* ---- memory that differs ---- */

/* What is said on standard error while fn runs: malloc'ed. */
static char *said_by(void (*fn)(struct guest_machine *b), struct guest_machine *b)
{
    FILE *f = tmpfile();
    int was = dup(STDERR_FILENO);
    char *text = calloc(1, 4096);
    assert_non_null(f);
    assert_non_null(text);
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    fn(b);
    fflush(stderr);
    dup2(was, STDERR_FILENO);
    close(was);
    rewind(f);
    assert_true(fread(text, 1, 4095, f) > 0);
    fclose(f);
    return text;
}

static void run_long(struct guest_machine *b)
{
    run_to_end(b, 1900000);
}

static void differs_as(struct guest_machine *b, const char *what)
{
    char *text = said_by(run_long, b);
    assert_int_equal(b->pc.m.run.reason, STOP_DIFFERENCE);
    if (!strstr(text, what))
        fail_msg("%s, expected: %s", text, what);
    free(text);
    box_free(b);
}

static void record_timers(void)
{
    struct guest_machine *a = box_of("timers-64", 1, false);
    begin(a, path, 0);
    run(a, 650000);
    address_space_write(&a->pc.m.mem, 0x123450, 1, 4); /* what only the recording has */
    run_to_end(a, 2000000);
    box_free(a);
}

static struct guest_machine *replay_with(uint64_t history, bool mended)
{
    struct guest_machine *b = box_of("timers-64", 1, false);
    replay(b, history);
    if (mended) {
        run(b, 650000);
        address_space_write(&b->pc.m.mem, 0x123450, 1, 4);
    }
    return b;
}

/* The page is named where another byte is stored, where one is missing, and where the recording
 * has stored to the page before. */
static void test_page_is_named(void **state)
{
    (void)state;
    struct guest_machine *b;
    record_timers();
    differs_as(replay_with(0, false),
               "memory differs, first in the page at 0x123000 (ram-extended)\n");
    b = replay_with(0, true);
    run(b, 100);
    address_space_write(&b->pc.m.mem, 0xc00abc, 1, 1);
    differs_as(b, "memory differs, first in the page at 0xc00000 (ram-extended)\n");
    b = replay_with(UINT64_MAX, true);
    run(b, 1400000 - machine_retired(&b->pc.m));
    address_space_write(&b->pc.m.mem, 0x123fff, 1, 1);
    differs_as(b, "memory differs, first in the page at 0x123000 (ram-extended)\n");
    b = replay_with(0, true);
    b->pc.rtc.ram[0x70] ^= 1;
    address_space_write(&b->pc.m.mem, 0x80000, 1, 1);
    differs_as(b, "; memory differs, first in the page at 0x80000 (ram-640k)\n");
}

/* More pages than a list takes: the next has the others. */
static void test_lists_are_bounded(void **state)
{
    (void)state;
    struct guest_machine *b = box_sized("timers-64", 1, false, 64 << 20);
    struct record_pages p;
    struct state_stream lists[3] = {{0}};
    uint32_t page, hash;
    bool incomplete, seen[3 * RECORD_PAGES_MAX] = {false};
    unsigned rounds = 0, listed = 0;
    digest(b);
    assert_true(record_pages_begin(&p, &b->pc.m.digest));
    for (uint64_t n = 0; n < 2 * RECORD_PAGES_MAX - 1000; n++)
        address_space_write(&b->pc.m.mem, 0x100000 + n * VM_PAGE_SIZE, 0x1234, 2);
    digest(b);
    do {
        struct state_stream *s = &lists[rounds];
        assert_true(record_pages_list(&p, &b->pc.m.digest, s, &incomplete));
        assert_true(s->len && s->len <= 8 * RECORD_PAGES_MAX);
        while (state_get_u32(s, &page) && state_get_u32(s, &hash)) {
            assert_true(page >= 0x100 && page < 3 * RECORD_PAGES_MAX && !seen[page]);
            seen[page] = true;
            assert_int_equal(hash, (uint32_t)b->pc.m.digest.level[0][page]);
            listed++;
        }
        state_stream_free(s);
    } while (incomplete && ++rounds < 3);
    assert_int_equal(rounds, 1);
    assert_int_equal(listed, 2 * RECORD_PAGES_MAX - 1000);
    assert_true(record_pages_list(&p, &b->pc.m.digest, &lists[0], &incomplete));
    assert_true(!incomplete && !lists[0].len);
    record_pages_end(&p);
    box_free(b);
}

/* ---- turns ---- */

static uint64_t digest_of_seed(uint64_t seed, unsigned *value)
{
    struct guest_machine *b = box_of("smp-64", 3, false);
    uint64_t d = 0;
    machine_seed(&b->pc.m, seed);
    for (unsigned n = 0; n < 400; n++) {
        run(b, 10007);
        d = d * 3 + digest(b);
    }
    run(b, 200000000);
    assert_int_equal(b->pc.m.run.reason, STOP_DEBUG_EXIT);
    *value = b->pc.m.run.exit_value;
    box_free(b);
    return d;
}

static void test_seeds(void **state)
{
    (void)state;
    unsigned value;
    uint64_t one = digest_of_seed(1, &value);
    assert_int_equal(value, 0);
    assert_int_equal(digest_of_seed(1, &value), one);
    assert_int_not_equal(digest_of_seed(2, &value), one);
    assert_int_equal(value, 0);
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/calque-test-record-%d", (int)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_checkpoints_are_thinned),
        cmocka_unit_test(test_checkpoint_knows_changes),
        cmocka_unit_test(test_replay_is_equal),
        cmocka_unit_test(test_live_machine_travels),
        cmocka_unit_test(test_the_past_is_silent),
        cmocka_unit_test(test_bad_logs),
        cmocka_unit_test(test_other_machines_are_refused),
        cmocka_unit_test(test_difference_is_named),
        cmocka_unit_test(test_page_is_named),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
