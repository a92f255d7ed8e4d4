/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was flushed is there after a crash, and the image is sound: leaks at worst.
 *
 * Killed: a child writes and is killed at some moment, CALQUE_KILLS times (60).
 * Power cut: all writes to the file are recorded (the calls of the C library are wrapped); images
 * are put together as a disk might have left them: what was before the last fdatasync() is there,
 * of what came later some sectors are. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/options.h"
#include "host/block/image.h"

#define BLOCK  4096u
#define BLOCKS 1024u
#define SIZE   ((uint64_t)BLOCK * BLOCKS)

/* Of each block: which operation it must at least show, and which it may at most. */
struct state {
    uint64_t flushed[BLOCKS], submitted[BLOCKS], zeroed[BLOCKS]; /* zeroed: last one that did */
    uint64_t pending[BLOCKS]; /* the last one since the image was opened */
    uint64_t seq;
};

static char dir[64], path[96];

static int make_dir(void **unused)
{
    (void)unused;
    strcpy(dir, "/tmp/calque-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/disk", dir);
    return 0;
}

static int remove_dir(void **unused)
{
    char command[100];

    (void)unused;
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

/* ---- the C library, recorded ---- */

enum event_kind { EVENT_WRITE, EVENT_ZERO, EVENT_RESIZE, EVENT_SYNC, EVENT_FLUSHED };

struct event {
    enum event_kind kind;
    uint64_t offset, length;
    uint8_t *data;
    struct state *state; /* FLUSHED: what the guest may rely on from here on */
};

static struct event *events;
static unsigned nevents;
static bool recording;

static struct event *add_event(enum event_kind kind, uint64_t offset, uint64_t length)
{
    struct event *e;

    if (!recording)
        return NULL;
    events = realloc(events, (nevents + 1) * sizeof(*events));
    e = &events[nevents++];
    *e = (struct event){kind, offset, length, NULL, NULL};
    return e;
}

ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_fdatasync(int fd);

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
    struct event *e = add_event(EVENT_WRITE, (uint64_t)at, n);

    if (e) {
        e->data = malloc(n);
        memcpy(e->data, buf, n);
    }
    return __real_pwrite(fd, buf, n, at);
}

int __wrap_ftruncate(int fd, off_t size)
{
    add_event(EVENT_RESIZE, 0, (uint64_t)size);
    return __real_ftruncate(fd, size);
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t n)
{
    add_event(EVENT_ZERO, (uint64_t)at, (uint64_t)n);
    return __real_fallocate(fd, mode, at, n);
}

/* The real one would only take time. */
int __wrap_fdatasync(int fd)
{
    (void)fd;
    add_event(EVENT_SYNC, 0, 0);
    return 0;
}

/* ---- traffic ---- */

static uint64_t seed;

static uint32_t number(uint32_t below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % below;
}

static struct image *open_image(const char *format, bool write)
{
    struct image_options o = {.format = format, .read_only = !write};
    struct error err;
    struct image *im = image_open(path, &o, &err);

    if (!im)
        fail_msg("%s", err.text);
    return im;
}

static void create(const char *format, const char *options)
{
    struct option_list l = {0};
    struct image_create c = {.path = path, .format = format, .size = SIZE, .options = &l};
    struct error err;

    unlink(path);
    if (*options && !option_list_parse(&l, options, NULL, &err))
        fail_msg("%s", err.text);
    if (!image_create(&c, &err))
        fail_msg("%s", err.text);
    option_list_free(&l);
}

/* Each sector says which operation wrote it, and where. */
static void stamp(uint8_t *p, uint64_t seq, uint64_t sector)
{
    for (unsigned n = 0; n < 512; n += 16) {
        memcpy(p + n, &seq, 8);
        memcpy(p + n + 8, &sector, 8);
    }
}

static bool write_some(struct image *im, struct state *s)
{
    static uint8_t buf[16 * BLOCK];
    uint32_t count = 1 + number(16), first = number(BLOCKS - count);
    bool zero = number(5) == 0;
    uint64_t seq = ++s->seq;

    for (uint32_t n = 0; n < count * (BLOCK / 512); n++)
        stamp(buf + n * 512, seq, first * (BLOCK / 512) + n);
    for (uint32_t n = first; n < first + count; n++) {
        s->submitted[n] = s->pending[n] = seq;
        if (zero)
            s->zeroed[n] = seq;
    }
    if (zero)
        return image_zero(im, (uint64_t)first * BLOCK, count * BLOCK, true) == 0;
    return image_write(im, (uint64_t)first * BLOCK, buf, count * BLOCK) == 0;
}

static bool flush(struct image *im, struct state *s)
{
    if (image_flush(im) != 0)
        return false;
    for (unsigned n = 0; n < BLOCKS; n++)
        if (s->pending[n])
            s->flushed[n] = s->pending[n];
    return true;
}

/* ---- after the crash ---- */

static bool all_zeros(const uint8_t *p)
{
    return !p[0] && memcmp(p, p + 1, 511) == 0;
}

/* Whose pieces it is made of. */
static void fail_mixed(const uint8_t *p, uint64_t n)
{
    unsigned long long of[2];

    for (unsigned i = 0; i < 512; i += 16)
        if (!i || memcmp(p + i, p + i - 16, 16) != 0) {
            memcpy(of, p + i, sizeof(of));
            print_message("from byte %u: operation %llu, sector %llu\n", i, of[0], of[1]);
        }
    fail_msg("sector %llu has what was never written there", (unsigned long long)n);
}

/* Sector n of the disk; returns which operation it shows. */
static uint64_t check_sector(const struct state *s, const uint8_t *p, uint64_t n)
{
    uint64_t block = n / (BLOCK / 512), seq;
    uint8_t want[512];

    if (all_zeros(p)) {
        if (s->flushed[block] && s->zeroed[block] < s->flushed[block])
            fail_msg("sector %llu is zeros; operation %llu was flushed", (unsigned long long)n,
                     (unsigned long long)s->flushed[block]);
        return s->zeroed[block];
    }
    memcpy(&seq, p, 8);
    stamp(want, seq, n);
    if (memcmp(p, want, 512) != 0)
        fail_mixed(p, n);
    if (seq < s->flushed[block] || seq > s->submitted[block])
        fail_msg("sector %llu is of operation %llu, not of %llu to %llu", (unsigned long long)n,
                 (unsigned long long)seq, (unsigned long long)s->flushed[block],
                 (unsigned long long)s->submitted[block]);
    return seq;
}

static void complain(void *opaque, const char *text)
{
    (void)opaque;
    if (strncmp(text, "Leaked", 6) != 0)
        print_message("%s\n", text);
}

static void check_contents(const char *format, const struct state *s)
{
    static uint8_t all[SIZE];
    struct image *im = open_image(format, false);
    struct image_check c = {.say = complain};
    int e = image_check(im, &c, REPAIR_NOTHING);

    assert_int_equal(e, 0);
    assert_int_equal(c.corruptions, 0);
    assert_int_equal(c.check_errors, 0);
    assert_int_equal(image_read(im, 0, all, SIZE), 0);
    for (uint64_t n = 0; n < SIZE / 512; n++)
        check_sector(s, all + n * 512, n);
    assert_int_equal(image_close(im), 0);
}

static void check_by_qemu(const char *format)
{
    char command[200];
    int status;

    if (strcmp(format, "vpc") == 0 || system("qemu-img --version >/dev/null 2>&1") != 0)
        return;
    snprintf(command, sizeof(command), "qemu-img check -q -f %s %s >/dev/null 2>&1", format, path);
    status = WEXITSTATUS(system(command));
    if (status != 0 && status != 3) /* leaks */
        fail_msg("%s ends with %d", command, status);
}

struct kind {
    const char *format, *options;
};

static const struct kind kinds[] = {
    {"qcow2", ""},
    {"qcow2", "cluster_size=512"},
    {"qcow2", "cluster_size=4K,compat=0.10"},
    {"vmdk", ""},
    {"vpc", ""},
    {"vdi", ""},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- killed ---- */

static void child(const char *format, struct state *s)
{
    struct image *im = open_image(format, true);

    for (;;)
        if (number(6) ? !write_some(im, s) : !flush(im, s))
            _exit(1);
}

/* After the crash: what there is now is what must stay. */
static void settle(const char *format, struct state *s)
{
    struct image *im = open_image(format, false);
    uint8_t sector[512];

    for (uint64_t n = 0; n < BLOCKS; n++) {
        uint64_t low = UINT64_MAX;

        for (uint64_t i = 0; i < BLOCK / 512; i++) {
            uint64_t seq;

            assert_int_equal(image_read(im, n * BLOCK + i * 512, sector, 512), 0);
            seq = check_sector(s, sector, n * (BLOCK / 512) + i);
            low = seq < low ? seq : low;
        }
        s->flushed[n] = low;
        s->pending[n] = 0;
    }
    image_close(im);
}

static void test_killed(void **unused)
{
    const char *text = getenv("CALQUE_KILLS");
    unsigned kills = text ? (unsigned)atoi(text) : 60;
    struct state *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)unused;
    for (unsigned n = 0; n < kills; n++) {
        const struct kind *k = &kinds[n % KINDS];
        const struct timespec pause = {.tv_nsec = 1000000 + (long)number(9000000)};
        int status;
        pid_t pid;

        memset(s, 0, sizeof(*s));
        create(k->format, k->options);
        for (unsigned again = 0; again < 2; again++) {
            seed = n * 2 + again + 1;
            pid = fork();
            if (pid == 0)
                child(k->format, s);
            while (s->seq < 20 + again) /* it has begun */
                sched_yield();
            nanosleep(&pause, NULL);
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_true(WIFSIGNALED(status));
            check_contents(k->format, s);
            settle(k->format, s);
        }
        check_by_qemu(k->format);
    }
    munmap(s, sizeof(*s));
}

/* ---- killed while snapshots come and go ---- */

static uint8_t pattern(uint64_t block, unsigned version)
{
    return (uint8_t)(block * 7 + version * 31 + 1);
}

static void fill_image(struct image *im, unsigned version)
{
    uint8_t bytes[BLOCK];

    for (uint64_t n = 0; n < BLOCKS; n += 5) {
        memset(bytes, pattern(n, version), sizeof(bytes));
        image_write(im, n * BLOCK, bytes, sizeof(bytes));
    }
    image_flush(im);
}

static bool holds(struct image *im, unsigned version)
{
    uint8_t bytes[BLOCK];

    for (uint64_t n = 0; n < BLOCKS; n += 5) {
        assert_int_equal(image_read(im, n * BLOCK, bytes, sizeof(bytes)), 0);
        if (bytes[0] != pattern(n, version) || bytes[BLOCK - 1] != bytes[0])
            return false;
    }
    return true;
}

/* "old" holds version 0, the disk version 1; whatever is done leaves both so. */
__attribute__((noreturn)) static void snapshot_child(atomic_uint *progress)
{
    struct image *im = open_image("qcow2", true);
    static const uint8_t state[300000] = {5};

    for (;; atomic_fetch_add(progress, 1)) {
        struct image_snapshot_info info = {.name = "new"};
        struct image_snapshot *s;

        image_freeze(im);
        if (image_snapshot_begin(im, &s) != 0)
            _exit(1);
        image_thaw(im);
        fill_image(im, 1);
        image_snapshot_write(s, state, sizeof(state));
        if (image_snapshot_finish(s, &info) != 0 ||
            image_snapshot_apply(im, (unsigned)image_snapshot_find(im, "new")) != 0 ||
            image_snapshot_delete(im, (unsigned)image_snapshot_find(im, "new")) != 0)
            _exit(1);
    }
}

static void check_snapshots(void)
{
    struct image *im = open_image("qcow2", true); /* puts right what is marked */
    int n = image_snapshot_find(im, "new");
    struct image_check c = {0};

    assert_int_equal(image_check(im, &c, REPAIR_NOTHING), 0);
    assert_int_equal(c.corruptions, 0);
    assert_int_equal(c.leaks, 0);
    assert_true(holds(im, 1));
    if (n >= 0) {
        assert_int_equal(image_snapshot_apply(im, (unsigned)n), 0);
        assert_true(holds(im, 1));
    }
    n = image_snapshot_find(im, "old");
    assert_true(n >= 0);
    assert_int_equal(image_snapshot_apply(im, (unsigned)n), 0);
    assert_true(holds(im, 0));
    assert_int_equal(image_close(im), 0);
}

static void make_snapshot_image(void)
{
    struct image_snapshot_info info = {.name = "old"};
    struct image_snapshot *s;
    struct image *im;

    create("qcow2", "cluster_size=4K");
    im = open_image("qcow2", true);
    fill_image(im, 0);
    image_freeze(im);
    assert_int_equal(image_snapshot_begin(im, &s), 0);
    image_thaw(im);
    assert_int_equal(image_snapshot_finish(s, &info), 0);
    fill_image(im, 1);
    assert_int_equal(image_close(im), 0);
}

static void test_snapshots_killed(void **unused)
{
    const char *text = getenv("CALQUE_KILLS");
    unsigned kills = text ? (unsigned)atoi(text) : 60;
    atomic_uint *progress =
        mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)unused;
    for (unsigned n = 0; n < kills; n++) {
        const struct timespec pause = {.tv_nsec = (long)number(12000000)};
        int status;
        pid_t pid;

        make_snapshot_image();
        atomic_store(progress, 0);
        pid = fork();
        if (pid == 0)
            snapshot_child(progress);
        while (atomic_load(progress) < 1 && waitpid(pid, &status, WNOHANG) == 0)
            sched_yield();
        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        check_snapshots();
        check_by_qemu("qcow2");
    }
    munmap(progress, sizeof(*progress));
}

/* ---- power cut ---- */

static void apply(int fd, const struct event *e, bool all)
{
    static const uint8_t zeros[512];

    if (e->kind == EVENT_RESIZE)
        assert_int_equal(__real_ftruncate(fd, (off_t)e->length), 0);
    if (e->kind != EVENT_WRITE && e->kind != EVENT_ZERO)
        return;
    for (uint64_t n = 0; n < e->length;) {
        uint64_t at = e->offset + n, step = 512 - at % 512;

        step = step < e->length - n ? step : e->length - n;
        if (all || number(2)) {
            struct stat st;

            assert_int_equal(fstat(fd, &st), 0);
            if (e->kind == EVENT_WRITE)
                assert_int_equal(__real_pwrite(fd, e->data + n, step, (off_t)at), step);
            else if (at + step <= (uint64_t)st.st_size)
                assert_int_equal(__real_pwrite(fd, zeros, step, (off_t)at), step);
        }
        n += step;
    }
}

static void record(const struct kind *k, struct state *s)
{
    struct image *im;

    create(k->format, k->options);
    im = open_image(k->format, true);
    recording = true;
    for (unsigned n = 0; n < 120; n++) {
        if (number(6)) {
            assert_true(write_some(im, s));
        } else {
            struct event *e;

            assert_true(flush(im, s));
            e = add_event(EVENT_FLUSHED, 0, 0);
            e->state = malloc(sizeof(*s));
            memcpy(e->state, s, sizeof(*s));
        }
    }
    recording = false;
    image_close(im);
}

/* The image as it was before the recording, with the events up to `end`. */
static void replay(const struct kind *k, unsigned end, const struct state *final)
{
    unsigned synced = 0;
    struct state *s = calloc(1, sizeof(*s));
    int fd;

    for (unsigned n = 0; n < end; n++) {
        if (events[n].kind == EVENT_SYNC)
            synced = n;
        if (events[n].kind == EVENT_FLUSHED)
            memcpy(s, events[n].state, sizeof(*s));
    }
    /* What came later may be there, too. */
    memcpy(s->submitted, final->submitted, sizeof(s->submitted));
    for (unsigned n = 0; n < BLOCKS; n++)
        s->zeroed[n] = final->zeroed[n];
    create(k->format, k->options);
    fd = open(path, O_RDWR);
    for (unsigned n = 0; n < end; n++)
        apply(fd, &events[n], n < synced);
    close(fd);
    check_contents(k->format, s);
    free(s);
}

static void forget(void)
{
    for (unsigned n = 0; n < nevents; n++) {
        free(events[n].data);
        free(events[n].state);
    }
    free(events);
    events = NULL;
    nevents = 0;
}

static void test_power_cut(void **unused)
{
    (void)unused;
    for (unsigned n = 0; n < KINDS; n++) {
        struct state *s = calloc(1, sizeof(*s));

        print_message("%s %s\n", kinds[n].format, kinds[n].options);
        seed = 1000 + n;
        record(&kinds[n], s);
        for (unsigned i = 0; i < 40; i++)
            replay(&kinds[n], number(nevents + 1), s);
        forget();
        free(s);
    }
}

/* ---- no room ---- */

static void no_room_child(const char *format, struct state *s)
{
    const struct rlimit limit = {171 * BLOCK, 171 * BLOCK};
    struct image *im = open_image(format, true);

    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    for (unsigned n = 0; n < 300; n++) {
        if (number(6) == 0) {
            flush(im, s);
        } else if (!write_some(im, s)) {
            /* What failed may be there or not. */
            for (unsigned b = 0; b < BLOCKS; b++)
                if (s->submitted[b] == s->seq)
                    s->pending[b] = 0;
        }
    }
    image_close(im);
    _exit(0);
}

/* A file that cannot grow: errors, but nothing is lost or damaged. */
static void test_no_room(void **unused)
{
    struct state *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)unused;
    for (unsigned n = 0; n < KINDS; n++) {
        int status;
        pid_t pid;

        print_message("%s %s\n", kinds[n].format, kinds[n].options);
        memset(s, 0, sizeof(*s));
        seed = n + 500;
        create(kinds[n].format, kinds[n].options);
        pid = fork();
        if (pid == 0)
            no_room_child(kinds[n].format, s);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        check_contents(kinds[n].format, s);
        check_by_qemu(kinds[n].format);
    }
    munmap(s, sizeof(*s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_snapshots_killed),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
