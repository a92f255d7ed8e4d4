/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "vm/machine.h"

struct channel {
    uint16_t count;
    bool gate;
};

struct chip {
    struct device dev;
    uint8_t a;
    uint16_t b[3];
    uint32_t c;
    uint64_t d;
    bool e;
    uint8_t fifo[5];
    struct channel ch[2];
    struct vm_timer timer;
    unsigned loads;
};

static const struct state_field channel_fields[] = {
    STATE_U16_MAX(struct channel, count, 1000),
    STATE_BOOL(struct channel, gate),
    STATE_FIELDS_END,
};

static const struct state_field chip_fields[] = {
    STATE_U8_MAX(struct chip, a, 5),
    STATE_ARRAY(STATE_U16, struct chip, b, 3),
    STATE_U32(struct chip, c),
    STATE_U64(struct chip, d),
    STATE_BOOL(struct chip, e),
    STATE_BYTES(struct chip, fifo),
    STATE_STRUCTS(struct chip, ch, 2, struct channel, channel_fields),
    STATE_TIMER(struct chip, timer),
    STATE_FIELDS_END,
};

static bool chip_post_load(struct device *d, struct error *err)
{
    struct chip *c = (struct chip *)d;

    c->loads++;
    return c->c != 13 || error_set(err, "c is unlucky");
}

static const struct device_class chip_class = {
    .type = "test-chip", .version = 3, .fields = chip_fields, .post_load = chip_post_load};

static void never(void *opaque)
{
    (void)opaque;
}

static void make_chip(struct chip *c, struct machine *m, const char *id)
{
    memset(c, 0, sizeof(*c));
    device_init(&c->dev, m, &chip_class, id);
    vm_timer_init(&c->timer, &m->clock, never, c);
    c->a = 4;
    c->b[2] = 0xbeef;
    c->c = 0x12345678;
    c->d = 0x1122334455667788;
    c->e = true;
    memcpy(c->fifo, "fifo!", 5);
    c->ch[1] = (struct channel){999, true};
    vm_timer_arm(&c->timer, 500);
}

struct bench {
    struct machine m;
    struct chip one, two;
    struct state_stream s;
};

static int setup(void **state)
{
    static struct bench b;

    memset(&b, 0, sizeof(b));
    assert_true(machine_init(&b.m, 1 << 20, 0, NULL));
    make_chip(&b.one, &b.m, "one");
    make_chip(&b.two, &b.m, "two");
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    state_stream_free(&b->s);
    machine_destroy(&b->m);
    return 0;
}

static void test_round_trip(void **state)
{
    struct bench *b = *state;
    struct state_stream again = {0};
    uint64_t digest = state_digest_fields(chip_fields, &b->two, 0);

    assert_true(machine_save(&b->m, &b->s));
    b->two.c = 5;
    b->two.ch[1].gate = false;
    assert_true(state_digest_fields(chip_fields, &b->two, 0) != digest);
    vm_timer_cancel(&b->one.timer);
    vm_timer_arm(&b->two.timer, 77);
    assert_true(machine_load(&b->m, &b->s, NULL));
    assert_int_equal(b->s.pos, b->s.len);
    assert_true(state_digest_fields(chip_fields, &b->two, 0) == digest);
    assert_int_equal(b->two.loads, 1);
    assert_int_equal(vm_clock_deadline(&b->m.clock), 500);
    assert_ptr_equal(b->m.clock.heap[0], &b->one.timer); /* equal deadlines keep their order */
    assert_true(machine_save(&b->m, &again));
    assert_int_equal(again.len, b->s.len);
    assert_memory_equal(again.data, b->s.data, again.len);
    state_stream_free(&again);
}

/* Finds the little-endian value in the stream. */
static uint8_t *find_bytes(struct state_stream *s, const void *p, size_t n)
{
    return memmem(s->data, s->len, p, n);
}

static void refused(struct bench *b, const char *why)
{
    struct error err = {""};

    b->s.pos = 0;
    assert_false(devices_load(&b->m, &b->s, &err));
    assert_string_equal(err.text, why);
    assert_int_equal(b->one.d, 0x1122334455667788); /* nothing was stored */
    assert_int_equal(b->one.loads, 0);
}

static void test_refused(void **state)
{
    struct bench *b = *state;
    uint8_t *p;

    assert_true(devices_save(&b->m, &b->s));
    b->s.data[0]++;
    refused(b, "the state is not of a machine with 2 devices");
    b->s.data[0]--;

    p = find_bytes(&b->s, "\xe7\x03", 2);
    assert_non_null(p);
    p[1] = 0xff;
    refused(b, "one: ch: count: 65511 is above the maximum 1000");
    p[1] = 0x03;
    p[6] = 2;
    refused(b, "one: ch: gate: 2 is above the maximum 1");
    p[6] = 1;
    p[3] ^= 1;
    refused(b, "one: ch: gate: another field is in its place");
    p[3] ^= 1;
    p = find_bytes(&b->s, "one", 3);
    p[0] = 'O';
    refused(b, "one: this device is not next in the state");
    p[0] = 'o';
    p[3 + 4] = 'T';
    refused(b, "one: the state is of another device than test-chip");
    p[3 + 4] = 't';
    p[3 + 4 + 9]++;
    refused(b, "one: the state is not of version 3");
    p[3 + 4 + 9]--;
    p[3 + 4 + 9 + 4]--;
    refused(b, "one: the length of its state is wrong");
    p[3 + 4 + 9 + 4]++;
    p[3 + 4 + 9 + 4 + 3] = 0xff;
    refused(b, "one: the state ends within this device");
}

/* Cut anywhere, or with any byte damaged, a stream is refused or loads within bounds. */
static void test_hostile(void **state)
{
    struct bench *b = *state;
    struct error err;
    size_t len;

    assert_true(machine_save(&b->m, &b->s));
    len = b->s.len;
    for (size_t i = 0; i < len; i++) {
        b->s.pos = 0;
        b->s.len = i;
        assert_false(machine_load(&b->m, &b->s, &err));
    }
    b->s.len = len;
    for (size_t i = 0; i < len; i++) {
        b->s.pos = 0;
        b->s.data[i] ^= 0xff;
        machine_load(&b->m, &b->s, NULL);
        assert_in_range(b->one.a, 0, 5);
        assert_in_range(b->two.ch[1].count, 0, 1000);
        b->s.data[i] ^= 0xff;
    }
    b->s.pos = 0;
    assert_true(machine_load(&b->m, &b->s, NULL));
}

static void test_post_load_refuses(void **state)
{
    struct bench *b = *state;
    struct error err;

    b->two.c = 13;
    assert_true(devices_save(&b->m, &b->s));
    assert_false(devices_load(&b->m, &b->s, &err));
    assert_string_equal(err.text, "two: c is unlucky");
}

static void join_lines(void *opaque, const char *text)
{
    char *all = opaque;

    sprintf(all + strlen(all), "%s\n", text);
}

static void test_print(void **state)
{
    struct bench *b = *state;
    char text[1000] = "";

    state_print_fields(chip_fields, &b->one, join_lines, text);
    assert_string_equal(text, "a: 0x4\nb: 0x0 0x0 0xbeef\nc: 0x12345678\n"
                              "d: 0x1122334455667788\ne: 1\nfifo: 66 69 66 6f 21\n"
                              "ch[0].count: 0x0\nch[0].gate: 0\n"
                              "ch[1].count: 0x3e7\nch[1].gate: 1\ntimer: 500\n");
    assert_ptr_equal(device_find(&b->m, "two"), &b->two.dev);
    assert_null(device_find(&b->m, "three"));
}

/* Bytes of any number: their length is part of the state, and bounded. */
static void test_blob(void **state)
{
    static const struct state_field blob_fields[] = {
        {.name = "blob", .kind = STATE_BLOB, .count = 1, .max = 8}, STATE_FIELDS_END};
    struct state_stream s = {0}, other = {0};
    uint8_t bytes[8] = "abcdefg";
    struct state_blob b = {bytes, 7}, loaded = {NULL, 0};
    struct error err = {""};
    uint64_t digest = state_digest_fields(blob_fields, &b, 0);

    (void)state;
    assert_true(state_save_fields(&s, blob_fields, &b));
    assert_true(state_load_fields(&s, blob_fields, &loaded, &err));
    assert_int_equal(loaded.len, 7);
    assert_memory_equal(loaded.data, bytes, 7);
    assert_true(state_digest_fields(blob_fields, &loaded, 0) == digest);
    bytes[6] = 'x';
    assert_true(state_digest_fields(blob_fields, &b, 0) != digest);
    b.len = 6;
    assert_true(state_digest_fields(blob_fields, &b, 0) != digest);
    s.pos = 0;
    s.len--; /* the last byte is missing */
    assert_false(state_load_fields(&s, blob_fields, &loaded, &err));
    assert_non_null(strstr(err.text, "ends within"));
    assert_int_equal(loaded.len, 7);
    b.len = 9; /* more than there may be */
    b.data = realloc(loaded.data, 9);
    assert_non_null(b.data);
    assert_true(state_save_fields(&other, blob_fields, &b));
    loaded = (struct state_blob){NULL, 0};
    assert_false(state_load_fields(&other, blob_fields, &loaded, &err));
    assert_non_null(strstr(err.text, "at most 8"));
    free(b.data);
    state_stream_free(&s);
    state_stream_free(&other);
}

#define BENCH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH(test_round_trip),        BENCH(test_refused), BENCH(test_hostile),
        BENCH(test_post_load_refuses), BENCH(test_print),   cmocka_unit_test(test_blob),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
