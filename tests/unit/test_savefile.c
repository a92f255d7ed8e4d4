/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The format of saved machines, and memory as it was at one moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "config.h"
#include "vm/capture.h"
#include "vm/checkpoint.h"
#include "vm/machine.h"
#include "vm/restore.h"

#define MEMORY (3u << 20)

/* ---- a machine with one chip ---- */

struct chip {
    struct device dev;
    uint32_t value;
};

static const struct state_field chip_fields[] = {STATE_U32(struct chip, value), STATE_FIELDS_END};
static const struct device_class chip_class = {
    .type = "test-chip", .version = 2, .fields = chip_fields};

struct box {
    struct machine m;
    struct chip chip;
};

static struct box *box_new(void)
{
    struct box *b = calloc(1, sizeof(*b));

    assert_true(machine_init(&b->m, MEMORY, 0, NULL));
    device_init(&b->chip.dev, &b->m, &chip_class, "chip0");
    b->chip.value = 77;
    return b;
}

static void box_free(struct box *b)
{
    machine_destroy(&b->m);
    free(b);
}

static void store(struct box *b, uint64_t at, uint8_t value, size_t len)
{
    arena_before_store(&b->m.arena, at, len);
    memset(b->m.arena.host + at, value, len);
    arena_store_notify(&b->m.arena, at, len);
}

/* ---- a file in memory ---- */

struct memory_file {
    uint8_t *data;
    size_t len, pos, capacity;
};

static bool write_file(void *opaque, const void *data, size_t len, struct error *err)
{
    struct memory_file *f = opaque;

    (void)err;
    if (f->len + len > f->capacity) {
        f->capacity = 2 * (f->len + len);
        f->data = realloc(f->data, f->capacity);
    }
    memcpy(f->data + f->len, data, len);
    f->len += len;
    return true;
}

static bool read_file(void *opaque, void *data, size_t len, struct error *err)
{
    struct memory_file *f = opaque;

    if (len > f->len - f->pos)
        return error_set(err, "it ends in the middle");
    memcpy(data, f->data + f->pos, len);
    f->pos += len;
    return true;
}

static void save_head(struct save_writer *w, struct box *b, struct memory_file *f,
                      enum compression compression)
{
    char *about = savefile_describe(&b->m, "test");
    struct error err;

    *w = (struct save_writer){.write = write_file, .opaque = f, .compression = compression};
    assert_true(save_begin(w, &err));
    assert_true(save_section(w, TAG_MACHINE, 0, about, strlen(about), &err));
    free(about);
}

static void save_tail(struct save_writer *w, struct box *b)
{
    struct state_stream state = {0};
    struct error err;

    assert_true(machine_save(&b->m, &state));
    assert_true(save_section(w, TAG_STATE, 0, state.data, state.len, &err));
    assert_true(save_end(w, &err));
    state_stream_free(&state);
    save_free(w);
}

static void save_box(struct box *b, struct memory_file *f, enum compression compression)
{
    struct save_writer w;
    struct error err;

    save_head(&w, b, f, compression);
    for (uint64_t at = 0; at < b->m.arena.size; at += (uint64_t)SAVEFILE_PAGES * VM_PAGE_SIZE) {
        uint64_t left = (b->m.arena.size - at) / VM_PAGE_SIZE;

        assert_true(save_pages(&w, at >> VM_PAGE_SHIFT,
                               left < SAVEFILE_PAGES ? (unsigned)left : SAVEFILE_PAGES,
                               b->m.arena.host + at, false, &err));
    }
    save_tail(&w, b);
}

static bool load_box(struct box *b, struct memory_file *f, bool check_only, struct error *err)
{
    struct save_reader r = {.read = read_file, .opaque = f};
    struct restore t = {.m = &b->m, .cpu = "test", .check_only = check_only};
    bool ok;

    f->pos = 0;
    ok = restore_read(&t, &r, err) && (check_only || restore_apply(&t, err));
    restore_free(&t);
    return ok;
}

static void fill(struct box *b)
{
    for (unsigned n = 0; n < 40; n++)
        store(b, n * 70001ull, (uint8_t)(n + 1), 3000);
}

static void test_round_trip(void **state)
{
    static const enum compression kinds[] = {
        COMPRESSION_NONE,
#if CONFIG_ZLIB
        COMPRESSION_ZLIB,
#endif
#if CONFIG_ZSTD
        COMPRESSION_ZSTD,
#endif
    };
    struct box *a = box_new();
    size_t plain = 0;

    (void)state;
    fill(a);
    for (unsigned n = 0; n < ARRAY_SIZE(kinds); n++) {
        struct box *b = box_new();
        struct memory_file f = {0};
        struct error err = {""};

        save_box(a, &f, kinds[n]);
        plain = n ? plain : f.len;
        assert_true(n == 0 || f.len < plain);
        store(b, 12345, 99, 5); /* what is not in the file is zeros */
        b->chip.value = 1;
        assert_true(load_box(b, &f, true, &err));
        assert_int_equal(b->m.arena.host[12345], 99);
        assert_int_equal(b->chip.value, 1);
        if (!load_box(b, &f, false, &err))
            fail_msg("%s", err.text);
        assert_memory_equal(a->m.arena.host, b->m.arena.host, MEMORY);
        assert_int_equal(b->chip.value, 77);
        assert_true(machine_digest(&a->m).all == machine_digest(&b->m).all);
        free(f.data);
        box_free(b);
    }
    box_free(a);
}

/* Every byte of the headers and some of the rest: whatever is changed is noticed, and told in one
 * line with a place. */
static void test_damage(void **state)
{
    struct box *a = box_new();
    struct memory_file f = {0};
    struct error err;

    (void)state;
    fill(a);
    save_box(a, &f, COMPRESSION_NONE);
    for (size_t at = 0; at < f.len; at += at < 500 || at > f.len - 200 ? 1 : 997) {
        err.text[0] = 0;
        f.data[at] ^= 0x10;
        if (load_box(a, &f, true, &err))
            fail_msg("byte %zu can be anything", at);
        f.data[at] ^= 0x10;
        assert_non_null(strstr(err.text, "offset "));
        assert_null(strchr(err.text, '\n'));
    }
    assert_true(load_box(a, &f, true, &err));
    for (size_t len = f.len; len;) {
        struct memory_file part = {.data = f.data, .len = len > 40 ? len -= 40 : (len = 0)};

        assert_false(load_box(a, &part, true, &err));
        assert_non_null(strstr(err.text, "offset "));
        len -= len > 5000 ? 1234 : 0;
    }
    free(f.data);
    box_free(a);
}

/* Sections in another order, twice or left out are not what was saved. */
static void test_order(void **state)
{
    struct box *a = box_new();
    struct memory_file f = {0};
    struct save_writer w;
    struct error err;

    (void)state;
    save_head(&w, a, &f, COMPRESSION_NONE);
    assert_true(save_end(&w, &err));
    save_free(&w);
    assert_false(load_box(a, &f, true, &err));
    assert_non_null(strstr(err.text, "STAT is missing"));
    free(f.data);
    box_free(a);
}

static void test_later_versions(void **state)
{
    static const uint32_t tag = SAVEFILE_TAG('N', 'E', 'W', 'S');

    (void)state;
    for (unsigned optional = 0; optional < 2; optional++) {
        struct box *a = box_new();
        struct memory_file f = {0};
        struct save_writer w;
        struct error err = {""};

        save_head(&w, a, &f, COMPRESSION_NONE);
        assert_true(
            save_section(&w, tag, optional ? SECTION_OPTIONAL : 0, "what is new", 11, &err));
        save_tail(&w, a);
        assert_int_equal(load_box(a, &f, false, &err), optional);
        assert_true(optional || strstr(err.text, "section NEWS at offset"));
        free(f.data);
        box_free(a);
    }
}

static void test_foreign(void **state)
{
    struct box *a = box_new(), *b = box_new();
    struct memory_file f = {0};
    struct chip another;
    struct error err;

    (void)state;
    save_box(a, &f, COMPRESSION_NONE);
    memset(&another, 0, sizeof(another));
    device_init(&another.dev, &b->m, &chip_class, "chip1");
    store(b, 0, 5, 1);
    assert_false(load_box(b, &f, false, &err));
    assert_non_null(strstr(err.text, "device chip1 test-chip version 2"));
    assert_int_equal(b->m.arena.host[0], 5); /* nothing has happened to it */
    f.data[8] = 2;
    assert_false(load_box(a, &f, false, &err));
    assert_non_null(strstr(err.text, "version 2"));
    memcpy(f.data, "QEVM", 4);
    assert_false(load_box(a, &f, false, &err));
    assert_non_null(strstr(err.text, "no saved machine"));
    free(f.data);
    box_free(a);
    box_free(b);
}

/* A PAGE section by hand: entries that point nowhere, and too many. */
static void test_bad_pages(void **state)
{
    struct box *a = box_new();
    struct error err;
    static const struct {
        uint32_t kind, n, stored;
        uint64_t entry;
    } rows[] = {{0, 1, 0, MEMORY / VM_PAGE_SIZE * 2 + 1001},
                {0, 65, 0, 1},
                {0, 1, 0, 2},
                {7, 1, 0, 1},
                {0, 1, 5, 1},
                {0, UINT32_MAX, 0, 1}};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
        struct memory_file f = {0};
        struct save_writer w;
        uint8_t p[20];

        st_le32(p, rows[n].kind);
        st_le32(p + 4, rows[n].n);
        st_le32(p + 8, rows[n].stored);
        st_le64(p + 12, rows[n].entry);
        save_head(&w, a, &f, COMPRESSION_NONE);
        assert_true(save_section(&w, TAG_PAGES, 0, p, sizeof(p), &err));
        save_tail(&w, a);
        if (load_box(a, &f, true, &err))
            fail_msg("row %zu", n);
        assert_non_null(strstr(err.text, "section PAGE at offset"));
        free(f.data);
    }
    box_free(a);
}

/* ---- capture ---- */

static void take_all(struct capture *c, uint8_t *to, unsigned *pieces)
{
    struct capture_piece p;

    while (capture_next(c, &p)) {
        if (p.data)
            memcpy(to + p.at, p.data, p.len);
        else
            memset(to + p.at, 0, p.len);
        ++*pieces;
    }
}

static void test_capture(void **state)
{
    struct box *a = box_new();
    uint8_t *before = malloc(a->m.arena.size), *got = malloc(a->m.arena.size);
    struct capture_piece p;
    struct capture *c;
    unsigned pieces = 1;
    struct error err;

    (void)state;
    fill(a);
    memcpy(before, a->m.arena.host, a->m.arena.size);
    c = capture_begin(&a->m, 64u << 20, &err);
    assert_non_null(c);
    assert_false(arena_page_is_stored_to(&a->m.arena, 0));
    assert_true(capture_next(c, &p));
    assert_int_equal(p.at, 0);
    memcpy(got, p.data, p.len);
    for (uint64_t at = 0; at < MEMORY; at += 50000) /* some of it was taken, some was not */
        store(a, at, 0xee, 10000);
    assert_true(arena_page_storable(&a->m.arena, MEMORY - VM_PAGE_SIZE));
    a->m.arena.host[MEMORY - 1] = 0xdd; /* as a CPU does that has been given the page */
    take_all(c, got, &pieces);
    assert_memory_equal(before, got, a->m.arena.size);
    assert_int_equal(pieces, (a->m.arena.size + CAPTURE_CHUNK - 1) / CAPTURE_CHUNK);
    assert_true(capture_left(c) == 0);
    capture_end(c);
    assert_null(a->m.arena.keepers);
    assert_int_equal(a->m.arena.unannounced, 0);
    assert_int_equal(a->m.arena.host[0], 0xee);
    free(before);
    free(got);
    box_free(a);
}

struct storing {
    struct box *b;
    atomic_uint done;
};

static void *store_everywhere(void *opaque)
{
    struct storing *s = opaque;

    for (uint64_t at = 0; at < MEMORY; at += VM_PAGE_SIZE)
        store(s->b, at, 0xcc, VM_PAGE_SIZE);
    atomic_store(&s->done, 1);
    return NULL;
}

/* The queue is full: who stores waits for the reader, and what it stores does not show. */
static void test_capture_waits(void **state)
{
    struct box *a = box_new();
    struct storing s = {.b = a};
    uint8_t *before = malloc(a->m.arena.size), *got = malloc(a->m.arena.size);
    struct capture *c;
    unsigned pieces = 0;
    struct error err;
    pthread_t t;

    (void)state;
    fill(a);
    memcpy(before, a->m.arena.host, a->m.arena.size);
    c = capture_begin(&a->m, 2 * CAPTURE_CHUNK, &err);
    pthread_create(&t, NULL, store_everywhere, &s);
    take_all(c, got, &pieces);
    pthread_join(t, NULL);
    assert_true(atomic_load(&s.done));
    assert_memory_equal(before, got, a->m.arena.size);
    capture_end(c);
    free(before);
    free(got);
    box_free(a);
}

/* Nobody reads any more: nobody waits. */
static void test_capture_given_up(void **state)
{
    struct box *a = box_new();
    struct storing s = {.b = a};
    struct capture *c;
    struct error err;
    pthread_t t;

    (void)state;
    c = capture_begin(&a->m, CAPTURE_CHUNK, &err);
    pthread_create(&t, NULL, store_everywhere, &s);
    capture_give_up(c);
    pthread_join(t, NULL);
    capture_end(c);
    box_free(a);
}

/* Two keepers at a time: each has its own flag. */
static void test_checkpoint_and_capture(void **state)
{
    struct box *a = box_new();
    struct checkpoints *cs;
    struct checkpoint *k;
    struct capture *c;
    uint8_t *got = malloc(a->m.arena.size);
    unsigned pieces = 0;
    struct error err;

    (void)state;
    store(a, 5000, 1, 1);
    cs = checkpoints_new(&a->m);
    k = checkpoint_take(cs);
    store(a, 5000, 2, 1);
    c = capture_begin(&a->m, 64u << 20, &err);
    store(a, 5000, 3, 1);
    take_all(c, got, &pieces);
    assert_int_equal(got[5000], 2);
    capture_end(c);
    store(a, 5000, 4, 1);
    assert_true(checkpoint_restore(cs, k, &err));
    assert_int_equal(a->m.arena.host[5000], 1);
    assert_int_equal(a->m.arena.unannounced, 0);
    checkpoints_free(cs);
    free(got);
    box_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_later_versions),
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_bad_pages),
        cmocka_unit_test(test_capture),
        cmocka_unit_test(test_capture_waits),
        cmocka_unit_test(test_capture_given_up),
        cmocka_unit_test(test_checkpoint_and_capture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
