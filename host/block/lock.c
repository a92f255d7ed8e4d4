/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who else has the image open. The scheme is QEMU's (docs/system/images: image file locking; the
 * ranges are those of its file-posix driver), so that either program sees the other: a permission
 * that is used is a shared lock on byte 100+n, one that others may not have is a shared lock on
 * byte 200+n. Nobody waits: after taking one's own bytes one looks whether the opposite byte is
 * locked by somebody else. Locks belong to the open file (fcntl(2), open file description locks).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"
#include "host/block/file.h"

#define USED_BASE     100
#define UNWANTED_BASE 200

enum { PERM_READ = 1 << 0, PERM_WRITE = 1 << 1, PERM_RESIZE = 1 << 3, PERM_COUNT = 4 };

static bool set_lock(int fd, short type, off_t at)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &l) == 0;
}

static bool is_locked(int fd, off_t at)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};

    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

/* True if this descriptor of another process has a lock on our file: only fdinfo tells whose an
 * open file description lock is (proc(5)). */
static bool holds_lock(const char *pid, const char *fd, unsigned long inode)
{
    char path[300], line[256], *at;
    bool found = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, fd);
    f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof(line), f)) {
        /* "lock:	1: OFDLCK  ADVISORY  READ -1 fe:00:131141 201 201" */
        at = strncmp(line, "lock:", 5) == 0 ? strrchr(line, ':') : NULL;
        found = at && strtoul(at + 1, NULL, 10) == inode;
    }
    if (f)
        fclose(f);
    return found;
}

/* How many descriptors of that process hold locks on the file. */
static unsigned locks_held(const char *pid, const struct stat *want)
{
    char path[300];
    struct dirent *d;
    struct stat st;
    unsigned n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    dir = opendir(path);
    while (dir && (d = readdir(dir)))
        if (fstatat(dirfd(dir), d->d_name, &st, 0) == 0 && st.st_ino == want->st_ino &&
            st.st_dev == want->st_dev)
            n += holds_lock(pid, d->d_name, (unsigned long)st.st_ino);
    if (dir)
        closedir(dir);
    return n;
}

static void process_name(const char *pid, char *name, size_t size)
{
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    f = fopen(path, "re");
    if (!f || !fgets(name, (int)size, f))
        snprintf(name, size, "?");
    name[strcspn(name, "\n")] = 0;
    if (f)
        fclose(f);
}

/* "process 123 (qemu-img)", as far as this user may see it. */
static void describe_holder(const struct block_file *f, char *text, size_t size)
{
    DIR *proc = opendir("/proc");
    struct dirent *d;
    struct stat st;
    char self[24], name[64];

    snprintf(text, size, "another process");
    snprintf(self, sizeof(self), "%ld", (long)getpid());
    while (proc && fstat(f->fd, &st) == 0 && (d = readdir(proc))) {
        bool own = strcmp(d->d_name, self) == 0;

        /* Our own new descriptor has its locks already. */
        if (d->d_name[0] < '1' || d->d_name[0] > '9' || locks_held(d->d_name, &st) <= own)
            continue;
        process_name(d->d_name, name, sizeof(name));
        if (own)
            snprintf(text, size, "this process, as another disk");
        else
            snprintf(text, size, "process %.20s (%s)", d->d_name, name);
        break;
    }
    if (proc)
        closedir(proc);
}

bool file_lock(struct block_file *f, bool writer, bool force_share, struct error *err)
{
    const unsigned used = writer ? PERM_READ | PERM_WRITE | PERM_RESIZE : PERM_READ;
    const unsigned unwanted = force_share ? 0 : PERM_WRITE | PERM_RESIZE;
    char holder[120];
    bool clash = false;

    for (unsigned n = 0; n < PERM_COUNT; n++)
        if (((used >> n & 1) && !set_lock(f->fd, F_RDLCK, USED_BASE + (off_t)n)) ||
            ((unwanted >> n & 1) && !set_lock(f->fd, F_RDLCK, UNWANTED_BASE + (off_t)n))) {
            if (errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS)
                return true; /* a file system without locks */
            return error_set(err, "%s: cannot be locked: %s", f->path, strerror(errno));
        }
    for (unsigned n = 0; n < PERM_COUNT; n++)
        clash |= ((used >> n & 1) && is_locked(f->fd, UNWANTED_BASE + (off_t)n)) ||
                 ((unwanted >> n & 1) && is_locked(f->fd, USED_BASE + (off_t)n));
    f->locked = true;
    if (!clash)
        return true;
    describe_holder(f, holder, sizeof(holder));
    return error_set(err, "%s: is in use by %s%s", f->path, holder,
                     writer ? "" : ", which may write to it");
}
