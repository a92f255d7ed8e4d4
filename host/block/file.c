/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host files. With O_DIRECT there are two descriptors: what is aligned goes past the page cache,
 * through a buffer that is aligned, too; the few odd bytes of metadata go through the page cache,
 * which Linux keeps coherent with direct accesses (open(2), NOTES). */
#include "host/block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define DIRECT_ALIGN 4096u        /* enough for every block device there is */
#define ZERO_PIECE   (256u << 10) /* when zeros must be written */

/* ---- opening ---- */

static struct block_file *new_file(const char *path, int fd, bool writable)
{
    struct block_file *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    *f = (struct block_file){.fd = fd,
                             .direct_fd = -1,
                             .path = strdup(path),
                             .writable = writable,
                             .align = DIRECT_ALIGN};
    if (!f->path) {
        free(f);
        return NULL;
    }
    return f;
}

static bool check_kind(struct block_file *f, struct error *err)
{
    struct stat st;

    if (fstat(f->fd, &st) != 0)
        return error_set(err, "%s: %s", f->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return error_set(err, "%s: is a directory; a disk image is expected", f->path);
    if (S_ISBLK(st.st_mode))
        f->device = true;
    else if (!S_ISREG(st.st_mode))
        return error_set(err, "%s: neither a file nor a block device", f->path);
    return true;
}

static bool open_direct(struct block_file *f, struct error *err)
{
    f->direct_fd = open(f->path, (f->writable ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
    if (f->direct_fd >= 0)
        return true;
    if (errno == EINVAL)
        return error_set(err, "%s: its file system has no O_DIRECT; try cache=writeback", f->path);
    return error_set(err, "%s: %s", f->path, strerror(errno));
}

struct block_file *file_open(const char *path, const struct file_options *o, struct error *err)
{
    /* O_NONBLOCK: a FIFO given as a disk must be refused, not waited for. */
    int fd = open(path, (o->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
    struct block_file *f;

    if (fd < 0) {
        if (errno == EISDIR)
            error_write(err, "%s: is a directory; a disk image is expected", path);
        else
            error_write(err, "%s: %s%s", path, strerror(errno),
                        o->writable && (errno == EACCES || errno == EROFS)
                            ? " (it is opened for writing)"
                            : "");
        return NULL;
    }
    f = new_file(path, fd, o->writable);
    if (!f) {
        close(fd);
        error_write(err, "%s: out of memory", path);
        return NULL;
    }
    f->unsafe = o->cache == FILE_UNSAFE;
    if (!check_kind(f, err) || (!o->no_locks && !file_lock(f, o->writable, o->force_share, err)) ||
        (o->cache == FILE_DIRECT && !open_direct(f, err))) {
        file_close(f);
        return NULL;
    }
    return f;
}

struct block_file *file_create(const char *path, struct error *err)
{
    struct file_options o = {.writable = true};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    struct block_file *f;

    if (fd < 0) {
        if (errno == EISDIR)
            error_write(err, "%s: is a directory", path);
        else
            error_write(err, "%s: cannot be created: %s", path, strerror(errno));
        return NULL;
    }
    close(fd);
    f = file_open(path, &o, err);
    if (f && !f->device && ftruncate(f->fd, 0) != 0) {
        error_write(err, "%s: %s", path, strerror(errno));
        file_close(f);
        return NULL;
    }
    return f;
}

struct block_file *file_temporary(struct error *err)
{
    const char *dir = getenv("TMPDIR");
    char path[4096];
    struct block_file *f;
    int fd;

    dir = dir && *dir ? dir : "/var/tmp";
    snprintf(path, sizeof(path), "%s/calque-XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        error_write(err, "%s: no temporary file can be made: %s", dir, strerror(errno));
        return NULL;
    }
    unlink(path);
    f = new_file(path, fd, true);
    if (!f) {
        close(fd);
        error_write(err, "out of memory");
        return NULL;
    }
    f->unsafe = true; /* nobody sees it after a crash */
    return f;
}

void file_close(struct block_file *f)
{
    if (!f)
        return;
    if (f->direct_fd >= 0)
        close(f->direct_fd);
    close(f->fd);
    free(f->path);
    free(f);
}

/* ---- sizes ---- */

uint64_t file_size(const struct block_file *f)
{
    struct stat st;
    uint64_t size = 0;

    if (f->device)
        return ioctl(f->fd, BLKGETSIZE64, &size) == 0 ? size : 0;
    return fstat(f->fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

uint64_t file_allocated(const struct block_file *f)
{
    struct stat st;

    return fstat(f->fd, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int file_resize(struct block_file *f, uint64_t size)
{
    if (f->device)
        return size <= file_size(f) ? 0 : ENOSPC;
    if (size > FILE_SIZE_MAX)
        return EFBIG;
    return ftruncate(f->fd, (off_t)size) == 0 ? 0 : errno;
}

int file_reserve(struct block_file *f, uint64_t offset, uint64_t len)
{
    if (f->device)
        return 0;
    return fallocate(f->fd, 0, (off_t)offset, (off_t)len) == 0 ? 0 : errno;
}

/* ---- transfers ---- */

static bool in_range(uint64_t offset, uint64_t len)
{
    return offset <= FILE_SIZE_MAX && len <= FILE_SIZE_MAX - offset;
}

/* Reads up to the end of the file; *got says how much that was. */
static int read_fd(int fd, uint64_t offset, uint8_t *buf, size_t len, size_t *got)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = pread(fd, buf + *got, len - *got, (off_t)(offset + *got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

static int write_fd(int fd, uint64_t offset, const uint8_t *buf, size_t len)
{
    while (len) {
        ssize_t n = pwrite(fd, buf, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return ENOSPC;
        buf += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static bool goes_direct(const struct block_file *f, uint64_t offset, size_t len)
{
    return f->direct_fd >= 0 && len && offset % f->align == 0 && len % f->align == 0;
}

/* Through an aligned buffer, unless the caller's is. */
static int transfer_direct(struct block_file *f, uint64_t offset, void *buf, size_t len, bool write,
                           size_t *got)
{
    void *bounce = buf;
    int e;

    if ((uintptr_t)buf % f->align && posix_memalign(&bounce, f->align, len) != 0)
        return ENOMEM;
    if (write) {
        if (bounce != buf)
            memcpy(bounce, buf, len);
        e = write_fd(f->direct_fd, offset, bounce, len);
    } else {
        e = read_fd(f->direct_fd, offset, bounce, len, got);
        if (!e && bounce != buf)
            memcpy(buf, bounce, *got);
    }
    if (bounce != buf)
        free(bounce);
    return e;
}

static int read_some(struct block_file *f, uint64_t offset, void *buf, size_t len, size_t *got)
{
    if (!in_range(offset, len))
        return EINVAL;
    if (goes_direct(f, offset, len))
        return transfer_direct(f, offset, buf, len, false, got);
    return read_fd(f->fd, offset, buf, len, got);
}

int file_read(struct block_file *f, uint64_t offset, void *buf, size_t len)
{
    size_t got = 0;
    int e = read_some(f, offset, buf, len, &got);

    if (!e)
        memset((uint8_t *)buf + got, 0, len - got);
    return e;
}

int file_read_all(struct block_file *f, uint64_t offset, void *buf, size_t len)
{
    size_t got = 0;
    int e = read_some(f, offset, buf, len, &got);

    return e ? e : got == len ? 0 : EIO;
}

int file_write(struct block_file *f, uint64_t offset, const void *buf, size_t len)
{
    if (!in_range(offset, len))
        return EFBIG;
    if (goes_direct(f, offset, len))
        return transfer_direct(f, offset, (void *)(uintptr_t)buf, len, true, NULL);
    return write_fd(f->fd, offset, buf, len);
}

static int write_zeros(struct block_file *f, uint64_t offset, uint64_t len)
{
    size_t piece = len < ZERO_PIECE ? (size_t)len : ZERO_PIECE;
    uint8_t *zeros = calloc(1, piece ? piece : 1);
    int e = zeros ? 0 : ENOMEM;

    while (!e && len) {
        size_t n = len < piece ? (size_t)len : piece;

        e = file_write(f, offset, zeros, n);
        offset += n;
        len -= n;
    }
    free(zeros);
    return e;
}

static bool cannot(int e)
{
    return e == EOPNOTSUPP || e == ENOSYS || e == ENODEV || e == EINVAL || e == ENOTTY;
}

int file_zero(struct block_file *f, uint64_t offset, uint64_t len, bool punch)
{
    uint64_t size = file_size(f);
    int mode = (punch ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE) | FALLOC_FL_KEEP_SIZE;

    if (offset >= size)
        return 0;
    len = len < size - offset ? len : size - offset;
    if (!len)
        return 0;
    if (!f->no_punch) {
        if (fallocate(f->fd, mode, (off_t)offset, (off_t)len) == 0)
            return 0;
        /* Some file systems know holes, but not ranges of zeros. */
        if (!punch && cannot(errno) &&
            fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                      (off_t)len) == 0)
            return 0;
        if (!cannot(errno))
            return errno;
        f->no_punch = !f->device; /* a device may only mind this range */
    }
    return write_zeros(f, offset, len);
}

int file_flush(struct block_file *f)
{
    if (f->unsafe || !f->writable)
        return 0;
    return fdatasync(f->fd) == 0 ? 0 : errno;
}

uint64_t file_extent(struct block_file *f, uint64_t offset, uint64_t len, bool *hole)
{
    uint64_t size = file_size(f);
    off_t at;

    *hole = offset >= size;
    if (*hole)
        return len;
    at = f->device ? (off_t)offset : lseek(f->fd, (off_t)offset, SEEK_DATA);
    if (at < 0 && errno == ENXIO) { /* a hole up to the end */
        *hole = true;
        return len;
    }
    if (at > (off_t)offset) {
        *hole = true;
    } else {
        at = f->device || at < 0 ? (off_t)size : lseek(f->fd, (off_t)offset, SEEK_HOLE);
        at = at < 0 ? (off_t)size : at;
    }
    return (uint64_t)at - offset < len ? (uint64_t)at - offset : len;
}
