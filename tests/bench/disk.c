/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's part of tests/bench/disks: disk DEVICE SECONDS times reads and writes of a disk and
 * prints "disk DEVICE WORKLOAD BYTES NANOSECONDS" for each. What is on the disk is overwritten. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BIG   (1u << 20) /* bytes of a sequential request */
#define SMALL 4096u      /* of a random one */
#define DEPTH 32         /* of the queue */

struct disk {
    const char *name;
    uint64_t size;
    uint64_t limit; /* ns of a workload */
    uint8_t *buffer;
    uint64_t random;
};

struct workload {
    const char *name;
    int flags; /* of open(2) */
    uint64_t (*run)(struct disk *d, int fd, uint64_t start);
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool in_time(const struct disk *d, uint64_t start)
{
    return now() - start < d->limit;
}

/* xorshift64: the same places in every run. */
static uint64_t random_place(struct disk *d)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return d->random % (d->size / SMALL) * SMALL;
}

/* ---- workloads: they return the bytes ---- */

/* Direct ones go round; through the cache each byte comes once. */
static uint64_t sequential(struct disk *d, int fd, uint64_t start, bool write, bool round)
{
    uint64_t done = 0;

    while (in_time(d, start) && (round || done < d->size)) {
        off_t at = (off_t)(done % d->size);
        ssize_t n = write ? pwrite(fd, d->buffer, BIG, at) : pread(fd, d->buffer, BIG, at);

        if (n != (ssize_t)BIG)
            die(d->name);
        done += BIG;
    }
    if (write && fsync(fd) != 0)
        die("fsync");
    return done;
}

static uint64_t read_direct(struct disk *d, int fd, uint64_t start)
{
    return sequential(d, fd, start, false, true);
}

static uint64_t write_direct(struct disk *d, int fd, uint64_t start)
{
    return sequential(d, fd, start, true, true);
}

static uint64_t read_cached(struct disk *d, int fd, uint64_t start)
{
    return sequential(d, fd, start, false, false);
}

static uint64_t write_cached(struct disk *d, int fd, uint64_t start)
{
    return sequential(d, fd, start, true, false);
}

static uint64_t random_one(struct disk *d, int fd, uint64_t start)
{
    uint64_t done = 0;

    while (in_time(d, start)) {
        if (pread(fd, d->buffer, SMALL, (off_t)random_place(d)) != (ssize_t)SMALL)
            die(d->name);
        done += SMALL;
    }
    return done;
}

static void submit_read(struct disk *d, int fd, aio_context_t ring, struct iocb *cb, unsigned slot)
{
    *cb = (struct iocb){.aio_fildes = (uint32_t)fd,
                        .aio_lio_opcode = IOCB_CMD_PREAD,
                        .aio_buf = (uintptr_t)(d->buffer + slot * SMALL),
                        .aio_nbytes = SMALL,
                        .aio_offset = (int64_t)random_place(d),
                        .aio_data = slot};
    if (syscall(SYS_io_submit, ring, 1, &cb) != 1)
        die("io_submit");
}

static uint64_t random_many(struct disk *d, int fd, uint64_t start)
{
    aio_context_t ring = 0;
    struct iocb cb[DEPTH];
    struct io_event event[DEPTH];
    uint64_t done = 0;
    unsigned out = DEPTH;

    if (syscall(SYS_io_setup, DEPTH, &ring) != 0)
        die("io_setup");
    for (unsigned n = 0; n < DEPTH; n++)
        submit_read(d, fd, ring, &cb[n], n);
    while (out) {
        bool more = in_time(d, start);
        long n = syscall(SYS_io_getevents, ring, 1, DEPTH, event, NULL);

        if (n <= 0)
            die("io_getevents");
        for (long i = 0; i < n; i++) {
            if (event[i].res != (int64_t)SMALL)
                die(d->name);
            done += SMALL;
            if (more)
                submit_read(d, fd, ring, &cb[event[i].data], (unsigned)event[i].data);
        }
        out -= more ? 0 : (unsigned)n;
    }
    syscall(SYS_io_destroy, ring);
    return done;
}

static const struct workload workloads[] = {
    {"read-direct", O_RDONLY | O_DIRECT, read_direct},
    {"read-cached", O_RDONLY, read_cached},
    {"random-1", O_RDONLY | O_DIRECT, random_one},
    {"random-32", O_RDONLY | O_DIRECT, random_many},
    {"write-direct", O_RDWR | O_DIRECT, write_direct},
    {"write-cached", O_RDWR, write_cached},
};

static void run(struct disk *d, const struct workload *w)
{
    char path[64];
    uint64_t start, bytes;
    int fd;

    snprintf(path, sizeof(path), "/dev/%s", d->name);
    fd = open(path, w->flags | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &d->size) != 0)
        die(path);
    d->size &= ~(uint64_t)(BIG - 1);
    if (ioctl(fd, BLKFLSBUF) != 0)
        die("BLKFLSBUF");
    start = now();
    bytes = w->run(d, fd, start);
    printf("disk %s %s %llu %llu\n", d->name, w->name, (unsigned long long)bytes,
           (unsigned long long)(now() - start));
    close(fd);
}

int main(int argc, char **argv)
{
    struct disk d = {.random = 88172645463325252u};

    if (argc != 3)
        return 1;
    d.name = argv[1];
    d.limit = (uint64_t)(strtod(argv[2], NULL) * 1e9);
    if (posix_memalign((void **)&d.buffer, SMALL, BIG) != 0)
        return 1;
    memset(d.buffer, 0x5a, BIG);
    for (size_t n = 0; n < sizeof(workloads) / sizeof(workloads[0]); n++)
        run(&d, &workloads[n]);
    return 0;
}
