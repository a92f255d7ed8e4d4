/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives as devices see them: options, requests and their completions, media. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/block/drive.h"
#include "host/block/image.h"
#include "tests/devices/rig.h"

#define MIB (1u << 20)

struct bench {
    struct rig r;
    struct drives *ds;
    struct blockdev *b;
    char dir[64], path[96];
    unsigned changed, eject_requests, trays;
    bool locked;
    struct drive_watch watch;
    unsigned io_errors;
    enum drive_error_action action; /* of the last one */
};

static void medium_changed(void *opaque)
{
    ((struct bench *)opaque)->changed++;
}

static void eject_request(void *opaque)
{
    ((struct bench *)opaque)->eject_requests++;
}

static bool locked(void *opaque)
{
    return ((struct bench *)opaque)->locked;
}

static void make_file(const char *path, uint64_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static void bench_files(struct bench *t)
{
    struct error err;

    memset(t, 0, sizeof(*t));
    strcpy(t->dir, "/tmp/calque-test-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->path, sizeof(t->path), "%s/disk.img", t->dir);
    make_file(t->path, MIB);
    assert_true(machine_init(&t->r.m, 1 << 20, 0, &err));
    t->ds = drives_new();
    assert_non_null(t->ds);
}

/* On host time, or with icount when the rig's time is set by hand. */
static void bench_begin(struct bench *t, const char *more, bool icount)
{
    struct blockdev_events events = {medium_changed, eject_request, locked, t};
    struct error err;
    char options[300];

    bench_files(t);
    snprintf(options, sizeof(options), "file=%s%s", t->path, more);
    if (icount)
        vm_clock_use_icount(&t->r.m.clock, 0, false, rig_retired, &t->r);
    t->b = drive_add(t->ds, options, DRIVE_IDE, &err);
    if (!t->b)
        fail_msg("%s", err.text);
    if (!drives_open(t->ds, false, &err))
        fail_msg("%s", err.text);
    machine_lock(&t->r.m);
    blockdev_connect(t->b, &t->r.m, &events);
}

static void bench_end(struct bench *t)
{
    char command[100];

    drives_free(t->ds);
    machine_unlock(&t->r.m);
    machine_destroy(&t->r.m);
    snprintf(command, sizeof(command), "rm -r %s", t->dir);
    assert_int_equal(system(command), 0);
}

struct wait {
    struct block_request r;
    bool done;
    int error;
    uint64_t when;
    struct bench *t;
};

static void request_done(struct block_request *r, int error)
{
    struct wait *w = r->opaque;

    assert_false(w->done);
    w->done = true;
    w->error = error;
    w->when = w->t->r.now;
}

static void start(struct bench *t, struct wait *w, enum block_op op, uint64_t offset, void *data,
                  uint64_t length)
{
    *w = (struct wait){.t = t,
                       .r = {.op = op,
                             .offset = offset,
                             .length = length,
                             .data = data,
                             .done = request_done,
                             .opaque = w}};
    blockdev_submit(t->b, &w->r);
    assert_false(w->done);
}

/* As the main loop does it. */
static int finish(struct bench *t, struct wait *w)
{
    const struct timespec pause = {.tv_nsec = 100000};

    while (!w->done) {
        machine_unlock(&t->r.m);
        nanosleep(&pause, NULL);
        machine_poll(&t->r.m);
        machine_lock(&t->r.m);
    }
    return w->error;
}

static int run(struct bench *t, enum block_op op, uint64_t offset, void *data, uint64_t length)
{
    struct wait w;

    start(t, &w, op, offset, data, length);
    return finish(t, &w);
}

static void test_read_write(void **state)
{
    uint8_t out[4096], in[4096];
    struct bench t;

    (void)state;
    bench_begin(&t, ",format=raw", false);
    memset(out, 0xa5, sizeof(out));
    assert_int_equal(blockdev_geometry(t.b).size, MIB);
    assert_true(blockdev_write_cache(t.b));
    assert_int_equal(run(&t, BLOCK_WRITE, 8192, out, sizeof(out)), 0);
    assert_int_equal(run(&t, BLOCK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(run(&t, BLOCK_READ, 8192, in, sizeof(in)), 0);
    assert_memory_equal(in, out, sizeof(in));
    assert_int_equal(run(&t, BLOCK_ZERO, 8192, NULL, 512), 0);
    assert_int_equal(run(&t, BLOCK_READ, 8192, in, 1024), 0);
    assert_int_equal(in[511], 0);
    assert_int_equal(in[512], 0xa5);
    assert_int_equal(run(&t, BLOCK_READ, MIB, in, 512), EINVAL);
    assert_int_equal(run(&t, BLOCK_READ, MIB - 512, in, 1024), EINVAL);
    assert_int_equal(run(&t, BLOCK_DISCARD, UINT64_MAX - 511, NULL, 512), EINVAL);
    assert_int_equal(drive_status(t.b).counters.reads, 2);
    assert_int_equal(drive_status(t.b).counters.written_bytes, 4096);
    bench_end(&t);
}

static void test_many_at_a_time(void **state)
{
    static uint8_t data[64][4096];
    static struct wait w[64];
    struct bench t;

    (void)state;
    bench_begin(&t, "", false);
    for (unsigned n = 0; n < 64; n++) {
        memset(data[n], (int)n + 1, 4096);
        start(&t, &w[n], BLOCK_WRITE, n * 4096, data[n], 4096);
    }
    blockdev_drain(t.b);
    for (unsigned n = 0; n < 64; n++) {
        assert_true(w[n].done);
        assert_int_equal(w[n].error, 0);
        memset(data[n], 0, 4096);
        start(&t, &w[n], BLOCK_READ, n * 4096, data[n], 4096);
    }
    assert_int_equal(drive_status(t.b).in_flight, 64);
    for (unsigned n = 64; n-- > 0;) {
        assert_int_equal(finish(&t, &w[n]), 0);
        assert_int_equal(data[n][4095], n + 1);
    }
    bench_end(&t);
}

/* The time of completion is the same however long the host takes. */
static void drain_in_done(struct block_request *r, int error)
{
    struct wait *w = r->opaque;

    request_done(r, error);
    blockdev_drain(w->t->b);
    assert_int_equal(drive_status(w->t->b).in_flight, 0);
}

/* A device that is reset while it is told of a request waits for the others, which may be finished
 * already. */
static void test_drain_in_done(void **state)
{
    static uint8_t data[8][512];
    static struct wait w[8];
    struct bench t;

    (void)state;
    bench_begin(&t, "", false);
    for (unsigned n = 0; n < 8; n++) {
        start(&t, &w[n], BLOCK_READ, n * 512, data[n], 512);
        w[n].r.done = drain_in_done;
    }
    usleep(20000); /* most of them are finished by now; nothing depends on that */
    blockdev_drain(t.b);
    for (unsigned n = 0; n < 8; n++)
        assert_true(w[n].done);
    bench_end(&t);
}

static void test_icount(void **state)
{
    uint8_t data[2][4096];
    struct wait w[3];
    struct bench t;

    (void)state;
    bench_begin(&t, "", true);
    memset(data[0], 7, 4096);
    start(&t, &w[0], BLOCK_WRITE, 0, data[0], 4096);
    start(&t, &w[1], BLOCK_READ, 0, data[1], 4096);
    start(&t, &w[2], BLOCK_READ, 5 * MIB, data[1], 4096);
    rig_pass(&t.r, 40000);
    assert_false(w[0].done);
    rig_pass(&t.r, 100000);
    assert_true(w[0].done && w[1].done && w[2].done);
    assert_int_equal(w[2].error, EINVAL);
    assert_int_equal(w[0].when, 54096);
    assert_int_equal(w[1].when, 54096);
    assert_memory_equal(data[0], data[1], 4096);
    start(&t, &w[0], BLOCK_FLUSH, 0, NULL, 0);
    blockdev_drain(t.b);
    assert_true(w[0].done);
    assert_int_equal(vm_clock_deadline(&t.r.m.clock), VM_TIME_NEVER);
    bench_end(&t);
}

static void test_read_only(void **state)
{
    uint8_t data[512] = {1};
    struct bench t;

    (void)state;
    bench_begin(&t, ",readonly=on,serial=QM1", false);
    assert_true(blockdev_read_only(t.b));
    assert_string_equal(blockdev_serial(t.b), "QM1");
    assert_int_equal(run(&t, BLOCK_WRITE, 0, data, 512), EROFS);
    assert_int_equal(run(&t, BLOCK_READ, 0, data, 512), 0);
    assert_int_equal(data[0], 0);
    bench_end(&t);
}

static void test_media(void **state)
{
    uint8_t data[2048];
    struct error err;
    char other[120];
    struct bench t;

    (void)state;
    bench_begin(&t, ",media=cdrom", false);
    assert_string_equal(drive_config(t.b)->id, "ide0-cd0");
    assert_int_equal(blockdev_geometry(t.b).logical, 2048);
    t.locked = true;
    assert_false(drive_eject(t.b, false, &err));
    assert_non_null(strstr(err.text, "is locked"));
    assert_int_equal(t.eject_requests, 1);
    assert_int_equal(run(&t, BLOCK_READ, 0, data, 2048), 0);
    assert_true(drive_eject(t.b, true, &err));
    assert_int_equal(t.changed, 1);
    assert_false(blockdev_has_medium(t.b));
    assert_int_equal(run(&t, BLOCK_READ, 0, data, 2048), ENOMEDIUM);
    t.locked = false;
    snprintf(other, sizeof(other), "%s/other.iso", t.dir);
    assert_false(drive_change(t.b, other, NULL, DRIVE_RETAIN, &err));
    make_file(other, 4 * MIB);
    assert_true(drive_change(t.b, other, NULL, DRIVE_RETAIN, &err));
    assert_true(blockdev_has_medium(t.b));
    assert_int_equal(blockdev_geometry(t.b).size, 4 * MIB);
    assert_true(blockdev_read_only(t.b));
    bench_end(&t);
}

static void test_places(void **state)
{
    struct bench t;
    struct error err;
    struct blockdev *b;

    (void)state;
    bench_files(&t);
    b = drive_add_file(t.ds, t.path, DRIVE_IDE, -1, false, &err);
    assert_string_equal(drive_config(b)->id, "ide0-hd0");
    b = drive_add_file(t.ds, NULL, DRIVE_IDE, 2, true, &err);
    assert_string_equal(drive_config(b)->id, "ide1-cd0");
    b = drive_add(t.ds, "if=virtio,file=a,,b", DRIVE_IDE, &err);
    assert_string_equal(drive_config(b)->id, "virtio0");
    b = drive_add(t.ds, "if=virtio,file=x", DRIVE_IDE, &err);
    assert_string_equal(drive_config(b)->id, "virtio1");
    assert_ptr_equal(drive_at(t.ds, DRIVE_VIRTIO, 0, 1), b);
    b = drive_add(t.ds, "if=floppy", DRIVE_IDE, &err);
    assert_string_equal(drive_config(b)->id, "floppy0");
    assert_null(drive_add(t.ds, "file=x,index=0", DRIVE_IDE, &err));
    assert_non_null(strstr(err.text, "there is a drive already"));
    assert_null(drive_add(t.ds, "file=x,id=virtio1", DRIVE_IDE, &err));
    assert_non_null(strstr(err.text, "of this id already"));
    assert_null(drive_find(t.ds, "virtio11", &err));
    assert_non_null(strstr(err.text, "did you mean virtio1?"));
    machine_lock(&t.r.m);
    bench_end(&t);
}

static void test_refusals(void **state)
{
    static const char *const cases[][2] = {
        {"if=idee,file=x", "did you mean ide?"},
        {"if=scsi,file=x", "not in this version"},
        {"fil=x", "did you mean file?"},
        {"if=ide", "file=PATH is expected"},
        {"file=x,format=qcow22", "no such format"},
        {"file=x,cache=fast", "writethrough"},
        {"file=x,aio=native", "aio=threads"},
        {"file=x,media=tape", "disk or cdrom"},
        {"file=x,discard=yes", "did you mean"},
        {"file=x,werror=panic", "report, ignore or stop or enospc is expected"},
        {"file=x,rerror=enospc", "report, ignore or stop is expected"},
        {"file=x,cyls=1", "together"},
        {"file=x,bus=0,unit=2", "0 or 1 is expected"},
        {"file=x,media=cdrom,readonly=off", "a CD is not written"},
        {"file=x,detect-zeroes=unmap", "needs discard=unmap"},
    };
    struct bench t;
    struct error err;

    (void)state;
    bench_files(&t);
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        err.text[0] = 0;
        assert_null(drive_add(t.ds, cases[n][0], DRIVE_IDE, &err));
        if (!strstr(err.text, cases[n][1]))
            fail_msg("%s: %s", cases[n][0], err.text);
    }
    machine_lock(&t.r.m);
    bench_end(&t);
}

/* The second one is told who has it, whether it is this process or another one. */
static void test_locks(void **state)
{
    struct drives *second = drives_new();
    struct error err;
    struct bench t;
    char options[150];

    (void)state;
    bench_begin(&t, "", false);
    snprintf(options, sizeof(options), "file=%s,id=second", t.path);
    assert_non_null(drive_add(second, options, DRIVE_IDE, &err));
    assert_false(drives_open(second, false, &err));
    assert_non_null(strstr(err.text, "is in use by this process"));
    drives_free(second);
    second = drives_new();
    snprintf(options, sizeof(options), "file=%s,file.locking=off", t.path);
    assert_non_null(drive_add(second, options, DRIVE_IDE, &err));
    assert_true(drives_open(second, false, &err));
    drives_free(second);
    bench_end(&t);
}

static void watch_error(void *opaque, const struct blockdev *b, enum block_op op, int error,
                        enum drive_error_action action)
{
    struct bench *t = opaque;

    (void)b;
    (void)op;
    (void)error;
    t->io_errors++;
    t->action = action;
}

/* A raw disk whose file somebody else cuts off and restores. */
static void begin_failing(struct bench *t, const char *more, bool icount)
{
    bench_begin(t, more, icount);
    t->watch = (struct drive_watch){.io_error = watch_error, .opaque = t};
    drives_watch(t->ds, &t->watch);
    machine_cont(&t->r.m);
    assert_int_equal(truncate(t->path, 4096), 0);
}

static void test_read_errors(void **state)
{
    uint8_t data[512];
    struct bench t;

    (void)state;
    begin_failing(&t, ",format=raw", false);
    assert_int_equal(run(&t, BLOCK_READ, 4096 - 512, data, 512), 0);
    assert_int_equal(run(&t, BLOCK_READ, 4096, data, 512), EIO);
    assert_int_equal(t.io_errors, 1);
    assert_int_equal(t.action, DRIVE_REPORT);
    assert_int_equal(t.r.m.run.state, RUN_RUNNING);
    bench_end(&t);
    begin_failing(&t, ",format=raw,rerror=ignore", false);
    memset(data, 0x55, 512);
    assert_int_equal(run(&t, BLOCK_READ, 4096, data, 512), 0);
    assert_int_equal(t.action, DRIVE_IGNORE);
    assert_int_equal(data[0] | data[511], 0);
    bench_end(&t);
}

/* The machine stops; going on, the request is tried again, until it succeeds. */
static void stop_and_retry(bool icount)
{
    uint8_t data[512];
    struct bench t;
    struct wait w;

    begin_failing(&t, ",format=raw,rerror=stop", icount);
    start(&t, &w, BLOCK_READ, 8192, data, 512);
    for (unsigned tries = 1; tries < 3; tries++) {
        while (t.r.m.run.state == RUN_RUNNING) {
            if (icount)
                rig_pass(&t.r, 100000);
            machine_unlock(&t.r.m);
            machine_poll(&t.r.m);
            machine_lock(&t.r.m);
        }
        assert_int_equal(t.r.m.run.reason, STOP_IO_ERROR);
        assert_int_equal(t.io_errors, tries);
        assert_int_equal(t.action, DRIVE_STOP);
        assert_int_equal(drive_status(t.b).stopped, EIO);
        assert_false(w.done);
        if (tries == 2)
            assert_int_equal(truncate(t.path, MIB), 0);
        machine_cont(&t.r.m);
        assert_int_equal(drive_status(t.b).stopped, 0);
    }
    if (icount)
        rig_pass(&t.r, 100000);
    assert_int_equal(finish(&t, &w), 0);
    bench_end(&t);
}

static void test_stop(void **state)
{
    (void)state;
    stop_and_retry(false);
    stop_and_retry(true);
}

/* `cont` comes before the CPUs have looked up and stopped. */
static void test_cont_before_stop(void **state)
{
    uint8_t data[512];
    struct bench t;
    struct wait w;

    (void)state;
    begin_failing(&t, ",format=raw,rerror=stop", true);
    start(&t, &w, BLOCK_READ, 8192, data, 512);
    rig_pass(&t.r, 100000);
    assert_int_equal(drive_status(t.b).stopped, EIO);
    t.r.m.run.state = RUN_RUNNING;
    t.r.m.run.stop_wanted = true;
    assert_int_equal(truncate(t.path, MIB), 0);
    machine_cont(&t.r.m);
    assert_false(t.r.m.run.stop_wanted);
    assert_int_equal(drive_status(t.b).stopped, 0);
    rig_pass(&t.r, 100000);
    assert_true(w.done);
    assert_int_equal(w.error, 0);
    bench_end(&t);
}

/* Whoever waits for all requests does not wait for the machine to go on. */
static void test_drain_stopped(void **state)
{
    uint8_t data[512];
    struct bench t;
    struct wait w;

    (void)state;
    begin_failing(&t, ",format=raw,rerror=stop", false);
    start(&t, &w, BLOCK_READ, 8192, data, 512);
    blockdev_drain(t.b);
    assert_true(w.done);
    assert_int_equal(w.error, EIO);
    bench_end(&t);
}

static void test_describe(void **state)
{
    struct drive_words w = {"S2", 7, "enospc", "stop", NULL};
    struct bench t;
    struct error err;

    (void)state;
    bench_begin(&t, ",serial=S1,bootindex=3,werror=ignore,rerror=ignore", false);
    assert_int_equal(blockdev_boot_index(t.b), 3);
    assert_true(drive_describe(t.b, &w, &err));
    assert_string_equal(blockdev_serial(t.b), "S2");
    assert_int_equal(blockdev_boot_index(t.b), 7);
    assert_int_equal(drive_config(t.b)->write_error, DRIVE_ENOSPC);
    assert_int_equal(drive_config(t.b)->read_error, DRIVE_STOP);
    w = (struct drive_words){NULL, -1, NULL, NULL, NULL};
    assert_true(drive_describe(t.b, &w, &err));
    assert_string_equal(blockdev_serial(t.b), "S2");
    assert_int_equal(blockdev_boot_index(t.b), 7);
    bench_end(&t);
}

/* A guest cannot turn a raw disk whose format was guessed into an image with a backing file. */
static void test_disguise(void **state)
{
    uint8_t sector[512] = "QFI\xfb\0\0\0\3";
    struct bench t;

    (void)state;
    bench_begin(&t, "", false);
    t.watch = (struct drive_watch){.io_error = watch_error, .opaque = &t};
    drives_watch(t.ds, &t.watch);
    assert_int_equal(run(&t, BLOCK_WRITE, 0, sector, 512), EPERM);
    assert_int_equal(t.io_errors, 1);
    bench_end(&t);
    bench_begin(&t, ",format=raw", false);
    assert_int_equal(run(&t, BLOCK_WRITE, 0, sector, 512), 0);
    bench_end(&t);
}

static void test_detect_zeroes(void **state)
{
    static uint8_t data[65536];
    struct stat st;
    struct bench t;

    (void)state;
    bench_begin(&t, ",detect-zeroes=unmap,discard=unmap", false);
    memset(data, 1, sizeof(data));
    assert_int_equal(run(&t, BLOCK_WRITE, 0, data, sizeof(data)), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(run(&t, BLOCK_WRITE, 0, data, sizeof(data)), 0);
    memset(data, 1, sizeof(data));
    assert_int_equal(run(&t, BLOCK_READ, 0, data, sizeof(data)), 0);
    assert_int_equal(data[0] | data[65535], 0);
    assert_int_equal(stat(t.path, &st), 0);
    assert_int_equal(st.st_size, MIB);
    bench_end(&t);
}

/* Writes go to a file that nobody sees; the disk stays as it is. */
static void test_snapshot(void **state)
{
    static uint8_t data[70000], before[70000];
    struct blockdev_events events = {medium_changed, eject_request, locked, NULL};
    struct error err;
    struct bench t;
    FILE *f;

    (void)state;
    bench_files(&t);
    t.b = drive_add_file(t.ds, t.path, DRIVE_VIRTIO, -1, false, &err);
    assert_true(drives_open(t.ds, true, &err));
    machine_lock(&t.r.m);
    blockdev_connect(t.b, &t.r.m, &events);
    assert_false(blockdev_read_only(t.b));
    assert_int_equal(blockdev_geometry(t.b).size, MIB);
    memset(data, 0x77, sizeof(data));
    assert_int_equal(run(&t, BLOCK_WRITE, 512, data, 69632), 0);
    assert_int_equal(run(&t, BLOCK_FLUSH, 0, NULL, 0), 0);
    assert_int_equal(run(&t, BLOCK_READ, 0, before, 69632), 0);
    assert_int_equal(before[511], 0);
    assert_int_equal(before[512], 0x77);
    f = fopen(t.path, "rb");
    assert_int_equal(fread(before, 1, sizeof(before), f), sizeof(before));
    fclose(f);
    for (unsigned n = 0; n < sizeof(before); n++)
        assert_int_equal(before[n], 0);
    bench_end(&t);
}

static void test_guess(void **state)
{
    static const struct {
        uint64_t size, at;
        const char *bytes;
        enum drive_guess guess;
    } cases[] = {
        {1474560, 0, "", GUESS_FLOPPY},
        {1474560, 0, "QFI\xfb", GUESS_FLOPPY}, /* version 0: no image */
        {MIB, 32769, "CD001", GUESS_CDROM},
        {MIB, 510, "\x55\xaa", GUESS_DISK},
        {MIB, 0, "", GUESS_UNKNOWN},
        {0, 0, "", GUESS_UNKNOWN},
        {4096, 0, "KDM", GUESS_UNKNOWN},
    };
    struct bench t;
    struct error err;

    (void)state;
    bench_files(&t);
    for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
        enum drive_guess guess;
        const char *format;
        int fd;

        make_file(t.path, cases[n].size);
        fd = open(t.path, O_WRONLY);
        assert_int_equal(pwrite(fd, cases[n].bytes, strlen(cases[n].bytes), (off_t)cases[n].at),
                         strlen(cases[n].bytes));
        close(fd);
        assert_true(drive_guess(t.path, &guess, &format, &err));
        assert_int_equal(guess, cases[n].guess);
        assert_string_equal(format, "raw");
    }
    assert_false(drive_guess("/", &(enum drive_guess){0}, &(const char *){NULL}, &err));
    machine_lock(&t.r.m);
    bench_end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_write),
        cmocka_unit_test(test_many_at_a_time),
        cmocka_unit_test(test_icount),
        cmocka_unit_test(test_drain_in_done),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_guess),
        cmocka_unit_test(test_disguise),
        cmocka_unit_test(test_read_errors),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_cont_before_stop),
        cmocka_unit_test(test_drain_stopped),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_detect_zeroes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
