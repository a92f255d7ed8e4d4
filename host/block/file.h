/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_FILE_H
#define CALQUE_HOST_BLOCK_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* A regular file or block device of the host under a disk image. All functions but open, close and
 * resize may be called from several threads at a time. Those that return int: 0 or an errno. */

enum file_cache {
    FILE_WRITEBACK, /* the host's page cache; flush is fdatasync */
    FILE_DIRECT,    /* O_DIRECT */
    FILE_UNSAFE,    /* the page cache, and flush does nothing */
};

struct file_options {
    bool writable;
    bool no_locks;    /* file.locking=off */
    bool force_share; /* only looks: another process may be writing */
    enum file_cache cache;
};

struct block_file {
    int fd;        /* through the page cache, and the holder of the locks */
    int direct_fd; /* O_DIRECT, or -1 */
    char *path;
    bool writable, device, unsafe, locked;
    bool no_punch;  /* the file system cannot make holes */
    uint32_t align; /* of direct accesses */
};

#define FILE_SIZE_MAX INT64_MAX

/* Opens an existing file and takes its locks. NULL with a line that starts with the path. */
struct block_file *file_open(const char *path, const struct file_options *o, struct error *err);
/* Makes the file, or empties the one that is there and not in use; writable, locked. */
struct block_file *file_create(const char *path, struct error *err);
/* An unlinked file in TMPDIR (or /var/tmp). */
struct block_file *file_temporary(struct error *err);
void file_close(struct block_file *f); /* f may be NULL */

/* The size now; of a block device, its capacity. 0 if that cannot be told. */
uint64_t file_size(const struct block_file *f);
/* Bytes that the file takes of its file system. */
uint64_t file_allocated(const struct block_file *f);
/* What is behind the end reads as zeros. */
int file_read(struct block_file *f, uint64_t offset, void *buf, size_t len);
/* The same, but EIO if the range is not all inside the file. */
int file_read_all(struct block_file *f, uint64_t offset, void *buf, size_t len);
int file_write(struct block_file *f, uint64_t offset, const void *buf, size_t len);
/* The range reads as zeros; `punch`: and takes no space, where possible. Does not make the file
 * longer. */
int file_zero(struct block_file *f, uint64_t offset, uint64_t len, bool punch);
int file_flush(struct block_file *f);
int file_resize(struct block_file *f, uint64_t size);
/* Reserves space for the range; EOPNOTSUPP where the file system cannot. */
int file_reserve(struct block_file *f, uint64_t offset, uint64_t len);
/* How many bytes from offset on (up to len) are alike, and whether they are a hole. */
uint64_t file_extent(struct block_file *f, uint64_t offset, uint64_t len, bool *hole);

/* ---- locks: the byte ranges are QEMU's, so that both see each other ---- */

/* Takes the locks of a reader or writer of f->fd. False: in use; the line names the process. */
bool file_lock(struct block_file *f, bool writer, bool force_share, struct error *err);

#endif
