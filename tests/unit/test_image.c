/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image formats: what was written is read, by us and by qemu-img; checks are clean. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/options.h"
#include "config.h"
#include "host/block/format.h"
#include "host/block/image.h"

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/calque-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

static const char *in_dir(const char *name)
{
    static char paths[8][128];
    static unsigned n;
    char *p = paths[n++ % 8];

    snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
    return p;
}

static bool have_qemu_img(void)
{
    return system("qemu-img --version >/dev/null 2>&1") == 0;
}

/* The exit status of a command; its arguments are our own. */
__attribute__((format(printf, 1, 2))) static int run(const char *fmt, ...)
{
    char command[600];
    va_list ap;
    int status;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- images ---- */

static void complain(void *opaque, const char *text)
{
    (void)opaque;
    print_message("%s\n", text);
}

static struct image *open_image(const char *path, const char *format, bool write)
{
    struct image_options o = {
        .format = format, .read_only = !write, .cache = FILE_UNSAFE, .report = {.fn = complain}};
    struct error err;
    struct image *im = image_open(path, &o, &err);

    if (!im)
        fail_msg("%s", err.text);
    return im;
}

static void create(const char *path, const char *format, uint64_t size, const char *options,
                   const char *backing, const char *backing_format)
{
    struct option_list l = {0};
    struct image_create c = {path, format, size, backing, backing_format, &l};
    struct error err;

    if (*options && !option_list_parse(&l, options, NULL, &err))
        fail_msg("%s", err.text);
    if (!image_create(&c, &err))
        fail_msg("%s", err.text);
    option_list_free(&l);
}

static void assert_clean(const char *path, const char *format)
{
    struct image *im = open_image(path, format, false);
    struct image_check c = {.say = complain};
    int e = image_check(im, &c, REPAIR_NOTHING);

    if (e != ENOTSUP) {
        assert_int_equal(e, 0);
        assert_int_equal(c.corruptions, 0);
        assert_int_equal(c.leaks, 0);
        assert_int_equal(c.check_errors, 0);
    }
    image_close(im);
}

static void assert_qemu_clean(const char *path, const char *format)
{
    if (have_qemu_img() && strcmp(format, "vpc") != 0 && strcmp(format, "raw") != 0)
        assert_int_equal(run("qemu-img check -q -f %s %s", format, path), 0);
}

static void assert_contents(const char *path, const char *format, const uint8_t *want,
                            uint64_t size)
{
    struct image *im = open_image(path, format, false);
    uint8_t *got = malloc(size);

    assert_true(image_size(im) >= size);
    assert_int_equal(image_read(im, 0, got, size), 0);
    for (uint64_t n = 0; n < size; n++)
        if (got[n] != want[n])
            fail_msg("%s: byte 0x%llx is %02x, not %02x", path, (unsigned long long)n, got[n],
                     want[n]);
    free(got);
    image_close(im);
}

static void assert_qemu_reads(const char *path, const char *format, const uint8_t *want,
                              uint64_t size)
{
    const char *raw = in_dir("by-qemu.raw");
    uint8_t *got;
    int fd;

    if (!have_qemu_img())
        return;
    assert_int_equal(run("qemu-img convert -f %s -O raw %s %s", format, path, raw), 0);
    got = malloc(size);
    fd = open(raw, O_RDONLY);
    assert_int_equal(read(fd, got, size), size);
    close(fd);
    if (memcmp(got, want, size) != 0)
        fail_msg("%s: qemu-img reads something else", path);
    free(got);
}

/* ---- random traffic ---- */

static uint64_t seed;

static uint32_t number(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % below;
}

static void some_range(uint64_t size, uint64_t max, uint64_t *at, uint64_t *len)
{
    *len = 1 + number((uint32_t)max);
    if (number(3)) /* mostly sectors */
        *len = (*len + 511) & ~511ull;
    *at = number((uint32_t)size);
    if (number(3))
        *at &= ~511ull;
    if (!number(4))
        *at &= ~65535ull;
    if (*at + *len > size)
        *len = size - *at;
}

/* One change of the image and of what it should be. */
static void change(struct image *im, uint8_t *want, uint64_t size, uint64_t max, bool discards)
{
    static uint8_t data[1 << 20];
    uint64_t at, len;
    int e;

    some_range(size, max, &at, &len);
    switch (number(discards ? 8 : 6)) {
    case 5:
        e = image_zero(im, at, len, number(2));
        memset(want + at, 0, len);
        break;
    case 6:
        e = image_discard(im, at, len);
        /* Whatever it is now, it stays. */
        assert_int_equal(image_read(im, at, want + at, len), 0);
        break;
    case 7:
        e = image_flush(im);
        break;
    default:
        for (uint64_t n = 0; n < len; n++)
            data[n] = (uint8_t)(seed >> 20) ^ (uint8_t)n;
        e = image_write(im, at, data, len);
        memcpy(want + at, data, len);
    }
    assert_int_equal(e, 0);
}

static void random_traffic(const char *path, const char *format, uint8_t *want, uint64_t size,
                           uint64_t max, unsigned changes)
{
    for (unsigned round = 0; round < 3; round++) {
        struct image *im = open_image(path, format, true);

        for (unsigned n = 0; n < changes; n++)
            change(im, want, size, max, true);
        assert_int_equal(image_close(im), 0);
        assert_contents(path, format, want, size);
        assert_clean(path, format);
        assert_qemu_clean(path, format);
    }
    assert_qemu_reads(path, format, want, size);
}

struct variant {
    const char *format, *options;
    uint64_t size;
    uint32_t max;
    unsigned changes;
};

static void test_traffic(void **state)
{
    static const struct variant variants[] = {
        {"raw", "", 3 << 20, 200000, 100},
        {"qcow2", "", 5 << 20, 200000, 200},
        {"qcow2", "compat=0.10", 5 << 20, 200000, 200},
        {"qcow2", "cluster_size=512", 3 << 20, 30000, 400},
        {"qcow2", "cluster_size=512,refcount_bits=1", 1 << 20, 10000, 400},
        {"qcow2", "cluster_size=4K,refcount_bits=64", 3 << 20, 60000, 300},
        {"qcow2", "cluster_size=1K,refcount_bits=2", 3 << 20, 60000, 300},
        {"qcow2", "cluster_size=2M", 9 << 20, 1 << 20, 50},
        {"qcow2", "lazy_refcounts=on", 3 << 20, 200000, 100},
        {"qcow2", "preallocation=metadata", (3 << 20) + 512, 200000, 100},
        {"vdi", "", 5 << 20, 300000, 100},
        {"vdi", "static=on", 3 << 20, 300000, 100},
        {"vpc", "", 9 << 20, 300000, 100},
        {"vpc", "subformat=fixed", 3 << 20, 300000, 100},
        {"vmdk", "", 50 << 20, 300000, 200},
        {"vmdk", "subformat=monolithicFlat", 3 << 20, 300000, 100},
        {"qcow2", "preallocation=full,cluster_size=8K", (3 << 20) + 1536, 200000, 100},
    };

    (void)state;
    for (size_t n = 0; n < sizeof(variants) / sizeof(variants[0]); n++) {
        const struct variant *v = &variants[n];
        const char *path = in_dir("traffic");
        uint8_t *want = calloc(1, v->size);

        print_message("%s %s\n", v->format, v->options);
        seed = n + 1;
        create(path, v->format, v->size, v->options, NULL, NULL);
        random_traffic(path, v->format, want, v->size, v->max, v->changes);
        free(want);
    }
}

/* On top of another image, which is shorter and must not change. */
static void test_backing(void **state)
{
    static const char *const options[] = {"", "compat=0.10", "cluster_size=512"};
    const uint64_t size = 2 << 20, below = (1 << 20) + 700;

    (void)state;
    for (unsigned n = 0; n < 3; n++) {
        const char *base = in_dir("base"), *top = in_dir("top");
        uint8_t *want = calloc(1, size), *kept = malloc(below);
        struct image *im;

        seed = 77 + n;
        create(base, "raw", below, "", NULL, NULL);
        im = open_image(base, "raw", true);
        for (uint64_t i = 0; i < below; i++)
            want[i] = (uint8_t)(i * 7 + i / 512);
        assert_int_equal(image_write(im, 0, want, below), 0);
        image_close(im);
        memcpy(kept, want, below);
        create(top, "qcow2", size, options[n], "base", "raw");
        assert_contents(top, "qcow2", want, size);
        random_traffic(top, "qcow2", want, size, 100000, 100);
        assert_contents(base, "raw", kept, below);
        free(want);
        free(kept);
    }
}

/* ---- differencing VHD ---- */

#define VHD_HEADER 512u

static uint32_t vhd_sum(const uint8_t *p, size_t len, size_t at)
{
    uint32_t sum = 0;

    for (size_t n = 0; n < len; n++)
        sum += n < at || n >= at + 4 ? p[n] : 0;
    return ~sum;
}

static void put_be32(uint8_t *p, uint32_t value)
{
    for (unsigned n = 0; n < 4; n++)
        p[n] = (uint8_t)(value >> (24 - 8 * n));
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p;

    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    p = malloc(*size);
    assert_int_equal(fread(p, 1, *size, f), *size);
    fclose(f);
    return p;
}

static void write_file(const char *path, const uint8_t *p, size_t size)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* Makes a dynamic image one that is based on another (Virtual Hard Disk Image Format Specification,
 * "Differencing Hard Disk Images"): it has only sectors [first, first + 3) of its first block.
 * relative: a locator names the parent, else its name does. */
static void make_differencing(const char *path, const char *parent, bool relative, unsigned first)
{
    const char *name = strrchr(parent, '/') + 1;
    size_t size, parent_size;
    uint8_t *p = read_file(path, &size), *below = read_file(parent, &parent_size);
    uint8_t *h = p + VHD_HEADER, *footers[2] = {p, p + size - 512}, *bitmap;

    for (unsigned n = 0; n < 2; n++) {
        put_be32(footers[n] + 60, 4);
        put_be32(footers[n] + 64, vhd_sum(footers[n], 512, 64));
    }
    memcpy(h + 40, below + 68, 16);
    for (unsigned n = 0; name[n]; n++) {
        h[64 + 2 * n + 1] = (uint8_t)(relative ? 'x' : name[n]);
        h[800 + 4 + 2 * n] = (uint8_t)name[n];
    }
    if (relative) {
        memcpy(h + 800, ".\0\\\0", 4);
        memcpy(h + 576 + 24, "W2ru", 4); /* the second locator */
        put_be32(h + 576 + 24 + 8, 4 + 2 * (uint32_t)strlen(name));
        put_be32(h + 576 + 24 + 20, VHD_HEADER + 800);
    }
    put_be32(h + 36, vhd_sum(h, 1024, 36));
    bitmap = p + 512ull * ((uint32_t)p[1536] << 24 | p[1537] << 16 | p[1538] << 8 | p[1539]);
    memset(bitmap, 0, 512);
    for (unsigned n = first; n < first + 3; n++)
        bitmap[n / 8] |= (uint8_t)(0x80 >> n % 8);
    write_file(path, p, size);
    free(p);
    free(below);
}

static void assert_refused(const char *path, bool write, const char *why)
{
    struct image_options o = {.read_only = !write};
    struct error err;

    assert_null(image_open(path, &o, &err));
    if (!strstr(err.text, why))
        fail_msg("%s", err.text);
}

static void test_differencing(void **state)
{
    const uint64_t size = 6 << 20;
    uint8_t *want = malloc(size), *other = malloc(size);

    (void)state;
    for (unsigned n = 0; n < 2; n++) {
        const char *base = in_dir("base.vhd"), *top = in_dir("top.vhd");
        struct image *im;

        create(base, "vpc", size, "", NULL, NULL);
        create(top, "vpc", size, "", NULL, NULL);
        for (uint64_t i = 0; i < size; i++) {
            want[i] = (uint8_t)(i / 512 * 7 + i);
            other[i] = (uint8_t)~want[i];
        }
        im = open_image(base, "vpc", true);
        assert_int_equal(image_write(im, 0, want, size), 0);
        image_close(im);
        im = open_image(top, "vpc", true);
        assert_int_equal(image_write(im, 0, other, 2 << 20), 0);
        image_close(im);
        make_differencing(top, base, n, 13 + n);
        memcpy(want + (13 + n) * 512, other + (13 + n) * 512, 3 * 512);
        assert_contents(top, NULL, want, size);
        assert_refused(top, true, "only read");
        create(base, "vpc", size, "", NULL, NULL);
        assert_refused(top, false, "another UUID");
        unlink(base);
        assert_refused(top, false, "No such file");
    }
    free(want);
    free(other);
}

/* ---- several threads ---- */

#define THREADS       4u
#define THREAD_BLOCK  4096u
#define THREAD_BLOCKS 600u

struct thread {
    struct image *im;
    unsigned n;
    uint64_t seed;
    bool discards;
    int error;
    uint8_t value[THREAD_BLOCKS]; /* of the thread's own blocks: every fourth of the disk */
};

static uint64_t thread_offset(const struct thread *t, unsigned block)
{
    return ((uint64_t)block * THREADS + t->n) * THREAD_BLOCK;
}

static bool thread_verify(struct thread *t, unsigned block)
{
    uint8_t data[THREAD_BLOCK];

    if (image_read(t->im, thread_offset(t, block), data, sizeof(data)) != 0)
        return false;
    for (unsigned n = 0; n < sizeof(data); n++)
        if (data[n] != t->value[block])
            return false;
    return true;
}

static void *thread_main(void *opaque)
{
    struct thread *t = opaque;
    uint8_t data[THREAD_BLOCK];

    for (unsigned n = 0; n < 3000 && !t->error; n++) {
        unsigned block, what;

        t->seed = t->seed * 6364136223846793005ull + 1442695040888963407ull;
        block = (unsigned)(t->seed >> 33) % THREAD_BLOCKS;
        what = (unsigned)(t->seed >> 50) % 8;
        if (what < 4) {
            t->value[block] = (uint8_t)(t->seed >> 40) | 1;
            memset(data, t->value[block], sizeof(data));
            t->error = image_write(t->im, thread_offset(t, block), data, sizeof(data));
        } else if (what == 4) {
            t->value[block] = 0;
            t->error = image_zero(t->im, thread_offset(t, block), sizeof(data), n & 1);
        } else if (what == 5 && n % 50 == 0) {
            t->error = image_flush(t->im);
        } else if (!thread_verify(t, block)) {
            t->error = EILSEQ;
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    static const char *const kinds[][2] = {{"qcow2", ""},
                                           {"qcow2", "cluster_size=4K"},
                                           {"qcow2", "cluster_size=512"},
                                           {"vmdk", ""},
                                           {"vpc", ""},
                                           {"vdi", ""},
                                           {"raw", ""}};
    static struct thread t[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        const char *path = in_dir("threads");
        struct image *im;

        create(path, kinds[k][0], THREADS * THREAD_BLOCKS * THREAD_BLOCK, kinds[k][1], NULL, NULL);
        im = open_image(path, kinds[k][0], true);
        for (unsigned n = 0; n < THREADS; n++) {
            t[n] = (struct thread){.im = im, .n = n, .seed = k * 10 + n + 1};
            assert_int_equal(pthread_create(&threads[n], NULL, thread_main, &t[n]), 0);
        }
        for (unsigned n = 0; n < THREADS; n++) {
            pthread_join(threads[n], NULL);
            if (t[n].error)
                fail_msg("%s %s: %s", kinds[k][0], kinds[k][1], strerror(t[n].error));
        }
        for (unsigned n = 0; n < THREADS; n++)
            for (unsigned b = 0; b < THREAD_BLOCKS; b++)
                assert_true(thread_verify(&t[n], b));
        assert_int_equal(image_close(im), 0);
        assert_clean(path, kinds[k][0]);
    }
}

/* Internal snapshots of others keep what they have. */
static void test_internal_snapshot(void **state)
{
    const char *path = in_dir("snapshot.qcow2");
    const uint64_t size = 2 << 20;
    uint8_t *before, *want;

    (void)state;
    if (!have_qemu_img()) {
        print_message("skip: test_internal_snapshot: qemu-img (package qemu-utils) is not "
                      "installed\n");
        skip();
    }
    want = calloc(1, size);
    before = malloc(size);
    seed = 5;
    create(path, "qcow2", size, "", NULL, NULL);
    random_traffic(path, "qcow2", want, size, 100000, 30);
    memcpy(before, want, size);
    assert_int_equal(run("qemu-img snapshot -c kept %s", path), 0);
    random_traffic(path, "qcow2", want, size, 100000, 60);
    assert_int_equal(run("qemu-img snapshot -a kept %s", path), 0);
    assert_contents(path, "qcow2", before, size);
    assert_int_equal(run("qemu-img snapshot -d kept %s", path), 0);
    assert_qemu_clean(path, "qcow2");
    free(before);
    free(want);
}

/* ---- snapshots of our own ---- */

#define KEPT_MAX 12

struct kept {
    char name[16];
    uint8_t *bytes;
    uint32_t state; /* bytes of a machine's state, and what they are */
};

static void take_one(struct image *im, struct kept *k, const uint8_t *want, uint64_t size)
{
    struct image_snapshot_info info = {.seconds = 1};
    uint8_t state[5000];
    struct image_snapshot *s;

    strcpy(info.name, k->name);
    image_freeze(im);
    assert_int_equal(image_snapshot_begin(im, &s), 0);
    image_thaw(im);
    /* What is written from here on is not in it. */
    assert_int_equal(image_write(im, 4096, "later", 5), 0);
    memset(state, k->name[0] + 1, sizeof(state));
    for (uint32_t left = k->state; left; left -= left < sizeof(state) ? left : sizeof(state))
        assert_int_equal(
            image_snapshot_write(s, state, left < sizeof(state) ? left : sizeof(state)), 0);
    assert_int_equal(image_snapshot_finish(s, &info), 0);
    assert_int_equal(info.state_size, k->state);
    k->bytes = malloc(size);
    memcpy(k->bytes, want, size);
}

static void assert_state(struct image *im, unsigned n, const struct kept *k)
{
    struct image_state *t;
    uint8_t byte;

    assert_int_equal(image_snapshot_get(im, n).state_size, k->state);
    if (!k->state)
        return;
    t = image_state_open(im, n);
    assert_non_null(t);
    assert_int_equal(image_state_read(t, k->state - 1, &byte, 1), 0);
    assert_int_equal(byte, k->name[0] + 1);
    assert_int_equal(image_state_read(t, k->state, &byte, 1), EINVAL);
    image_state_close(t);
}

/* A walk: traffic, taking, going back, deleting; the image is sound after each step. */
static void snapshot_walk(const char *options, uint64_t walk)
{
    const uint64_t size = 3 << 20;
    const char *path = in_dir("walk");
    uint8_t *want = calloc(1, size);
    struct kept kept[KEPT_MAX] = {{"", NULL, 0}};
    struct image *im;

    seed = walk;
    create(path, "qcow2", size, options, NULL, NULL);
    for (unsigned step = 0; step < 40; step++) {
        struct kept *k = &kept[number(KEPT_MAX)];
        int n;

        im = open_image(path, "qcow2", true);
        for (unsigned i = 0; i < 8; i++)
            change(im, want, size, 30000, true);
        n = k->bytes ? image_snapshot_find(im, k->name) : -1;
        if (!k->bytes) {
            snprintf(k->name, sizeof(k->name), "%c-%u", 'a' + (int)(step % 26), step);
            k->state = number(3) * 100003;
            take_one(im, k, want, size);
            memcpy(want + 4096, "later", 5);
        } else if (number(2)) {
            assert_true(n >= 0);
            assert_state(im, (unsigned)n, k);
            assert_int_equal(image_snapshot_apply(im, (unsigned)n), 0);
            memcpy(want, k->bytes, size);
        } else {
            assert_int_equal(image_snapshot_delete(im, (unsigned)n), 0);
            assert_int_equal(image_snapshot_find(im, k->name), -1);
            free(k->bytes);
            k->bytes = NULL;
        }
        assert_int_equal(image_close(im), 0);
        assert_contents(path, "qcow2", want, size);
        assert_clean(path, "qcow2");
        if (step % 8 == 7)
            assert_qemu_clean(path, "qcow2");
    }
    for (unsigned n = 0; n < KEPT_MAX; n++)
        free(kept[n].bytes);
    free(want);
}

static void test_own_snapshots(void **state)
{
    (void)state;
    snapshot_walk("cluster_size=512", 1);
    snapshot_walk("cluster_size=4096,compat=0.10", 2);
    snapshot_walk("cluster_size=65536,refcount_bits=8", 3);
}

/* One of the same name takes its place; one that is given up leaves nothing. */
static void test_snapshot_replaced(void **state)
{
    const char *path = in_dir("replaced");
    struct kept k = {"same", NULL, 1000};
    uint8_t *want = calloc(1, 1 << 20);
    struct image_snapshot *s;
    struct image *im;

    (void)state;
    create(path, "qcow2", 1 << 20, "", NULL, NULL);
    im = open_image(path, "qcow2", true);
    for (unsigned n = 0; n < 2; n++) {
        take_one(im, &k, want, 1 << 20);
        free(k.bytes);
        assert_int_equal(image_snapshot_count(im), 1);
    }
    image_freeze(im);
    assert_int_equal(image_snapshot_begin(im, &s), 0);
    image_thaw(im);
    assert_int_equal(image_snapshot_write(s, want, 300000), 0);
    image_snapshot_abort(s);
    assert_int_equal(image_snapshot_count(im), 1);
    assert_int_equal(image_close(im), 0);
    assert_clean(path, "qcow2");
    assert_qemu_clean(path, "qcow2");
    /* A refcount of one bit cannot be two. */
    create(path, "qcow2", 1 << 20, "refcount_bits=1", NULL, NULL);
    im = open_image(path, "qcow2", true);
    assert_int_equal(image_write(im, 0, want, 5), 0);
    image_freeze(im);
    assert_int_equal(image_snapshot_begin(im, &s), ERANGE);
    image_thaw(im);
    assert_int_equal(image_close(im), 0);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traffic),           cmocka_unit_test(test_backing),
        cmocka_unit_test(test_differencing),      cmocka_unit_test(test_internal_snapshot),
        cmocka_unit_test(test_threads),           cmocka_unit_test(test_own_snapshots),
        cmocka_unit_test(test_snapshot_replaced),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
