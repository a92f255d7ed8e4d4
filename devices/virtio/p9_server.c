/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 9P2000.L as Linux's client uses it (net/9p, fs/9p; diod's protocol.md describes the messages).
 *
 * Record locks are the guest's own affair: it is the only client, and its kernel has seen to them
 * before it asks, so that each is granted. */
#include "devices/virtio/p9_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"
#include "devices/virtio/p9.h"

#define MAX_FIDS      32768u
#define MAX_OPEN      768u /* descriptors of the host */
#define MAX_HELD      (32u << 20)
#define MAX_WALK      16u
#define MSIZE_MIN     4096u
#define ATTRIBUTE_MAX 65536u /* XATTR_SIZE_MAX, XATTR_LIST_MAX */
#define TEXT_NAME     (NAME_MAX + 1)

enum fid_kind { FID_PATH, FID_FILE, FID_FOLDER, FID_ATTRIBUTE, FID_NEW_ATTRIBUTE };

struct p9_fid {
    uint32_t id, uid;
    uint8_t kind;
    uint32_t flags; /* FID_FILE, FID_FOLDER: of Tlopen; FID_NEW_ATTRIBUTE: of Txattrcreate */
    int fd;         /* -1: none, or it could not be opened again */
    char *path;
    char *name; /* of an attribute */
    uint8_t *value;
    uint32_t size, filled;
    struct p9_fid *next;
};

/* Open flags of the protocol: Linux's numbers on x86, whatever the host's. */
enum {
    P9_ACCMODE = 3,
    P9_EXCL = 0200,
    P9_TRUNC = 01000,
    P9_APPEND = 02000,
    P9_DSYNC = 010000,
    P9_SYNC = 04000000,
    P9_REMOVEDIR = 0x200,
};

enum { QID_DIR = 0x80, QID_LINK = 0x02, QID_FILE = 0 };

/* ---- fids ---- */

static struct p9_fid **bucket(struct p9_server *s, uint32_t id)
{
    return &s->fids[id % ARRAY_SIZE(s->fids)];
}

static struct p9_fid *find(struct p9_server *s, uint32_t id)
{
    struct p9_fid *f = *bucket(s, id);

    while (f && f->id != id)
        f = f->next;
    return f;
}

static size_t held_by(const struct p9_fid *f)
{
    return (f->path ? strlen(f->path) + 1 : 0) + f->size;
}

static void free_fid(struct p9_fid *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->name);
    free(f->value);
    free(f);
}

/* The one that *at points to. */
static void drop(struct p9_server *s, struct p9_fid **at)
{
    struct p9_fid *f = *at;

    *at = f->next;
    s->nfids--;
    s->nopen -= f->fd >= 0;
    s->held -= held_by(f);
    free_fid(f);
}

static void forget(struct p9_server *s, const struct p9_fid *f)
{
    struct p9_fid **at = bucket(s, f->id);

    while (*at != f)
        at = &(*at)->next;
    drop(s, at);
}

/* NULL: there are too many, or no memory. The id is free. */
static struct p9_fid *add(struct p9_server *s, uint32_t id, uint32_t uid, const char *path)
{
    struct p9_fid *f;
    size_t len = strlen(path) + 1;

    if (s->nfids == MAX_FIDS || s->held + len > MAX_HELD || !(f = calloc(1, sizeof(*f))))
        return NULL;
    *f = (struct p9_fid){.id = id, .uid = uid, .fd = -1, .path = strdup(path)};
    if (!f->path) {
        free(f);
        return NULL;
    }
    f->next = *bucket(s, id);
    *bucket(s, id) = f;
    s->nfids++;
    s->held += len;
    return f;
}

static bool set_path(struct p9_server *s, struct p9_fid *f, const char *path)
{
    char *copy = s->held + strlen(path) < MAX_HELD ? strdup(path) : NULL;

    if (!copy)
        return false;
    s->held -= strlen(f->path);
    s->held += strlen(copy);
    free(f->path);
    f->path = copy;
    return true;
}

static void set_open(struct p9_server *s, struct p9_fid *f, int fd, uint32_t flags, bool folder)
{
    f->fd = fd;
    f->flags = flags;
    f->kind = folder ? FID_FOLDER : FID_FILE;
    s->nopen++;
}

/* The fid of a request that works on a path. */
static int path_fid(struct p9_server *s, uint32_t id, struct p9_fid **f)
{
    *f = find(s, id);
    if (!*f)
        return EBADF;
    return (*f)->kind >= FID_ATTRIBUTE ? EINVAL : 0;
}

/* Every fid's path is shorter than FS_PATH_MAX. */
static void copy_path(char to[FS_PATH_MAX], const char *path)
{
    snprintf(to, FS_PATH_MAX, "%s", path);
}

static int join(char path[FS_PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(path, FS_PATH_MAX, "%s%s%s", dir, *dir ? "/" : "", name);

    return n < FS_PATH_MAX ? 0 : ENAMETOOLONG;
}

/* Where the file of a path is. The folder itself is in none. */
static int split(const char *path, char dir[FS_PATH_MAX], const char **name)
{
    const char *slash = strrchr(path, '/');

    if (!*path)
        return EBUSY;
    snprintf(dir, FS_PATH_MAX, "%.*s", slash ? (int)(slash - path) : 0, path);
    *name = slash ? slash + 1 : path;
    return 0;
}

/* Something has another path now, and so has what is in it. */
static void follow_rename(struct p9_server *s, const char *from, const char *to)
{
    size_t len = strlen(from);
    char path[2 * FS_PATH_MAX];

    for (unsigned i = 0; i < ARRAY_SIZE(s->fids); i++)
        for (struct p9_fid *f = s->fids[i]; f; f = f->next) {
            if (strncmp(f->path, from, len) != 0 || (f->path[len] && f->path[len] != '/'))
                continue;
            snprintf(path, sizeof(path), "%s%s", to, f->path + len);
            if (strlen(path) < FS_PATH_MAX)
                set_path(s, f, path);
        }
}

/* ---- parts of messages ---- */

static void put_qid(struct p9_out *out, const struct stat *st)
{
    uint64_t device = (uint64_t)st->st_dev * 0x9e3779b97f4a7c15ull;

    p9_put(out, S_ISDIR(st->st_mode) ? QID_DIR : S_ISLNK(st->st_mode) ? QID_LINK : QID_FILE, 1);
    p9_put(out, (uint32_t)(st->st_mtim.tv_nsec ^ st->st_mtim.tv_sec ^ st->st_size << 8), 4);
    p9_put(out, st->st_ino ^ device, 8);
}

static int put_qid_of(struct p9_server *s, const char *path, struct p9_out *out)
{
    struct stat st;
    int error = fs_stat(s->tree, path, &st);

    if (!error)
        put_qid(out, &st);
    return error;
}

static int host_flags(uint32_t flags)
{
    static const int access[4] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR};

    return access[flags & P9_ACCMODE] | (flags & P9_TRUNC ? O_TRUNC : 0) |
           (flags & P9_APPEND ? O_APPEND : 0) | (flags & P9_DSYNC ? O_DSYNC : 0) |
           (flags & P9_SYNC ? O_SYNC : 0);
}

/* ---- sessions ---- */

static int version(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t msize = p9_get32(in);
    char name[32];

    p9_get_string(in, name, sizeof(name));
    if (in->bad)
        return EPROTO;
    if (msize < MSIZE_MIN)
        return EMSGSIZE;
    p9_server_reset(s);
    s->msize = msize < P9_MSIZE_MAX ? msize : P9_MSIZE_MAX;
    p9_put(out, s->msize, 4);
    p9_put_string(out, strcmp(name, "9P2000.L") ? "unknown" : name);
    return 0;
}

static int attach(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t fid = p9_get32(in), uid;
    char text[FS_PATH_MAX];

    p9_get32(in); /* afid: nobody has to prove who he is */
    p9_get_string(in, text, sizeof(text));
    p9_get_string(in, text, sizeof(text)); /* there is one tree */
    uid = p9_get32(in);
    if (in->bad)
        return EPROTO;
    if (find(s, fid))
        return EINVAL;
    if (!add(s, fid, uid, ""))
        return ENOMEM;
    return put_qid_of(s, "", out);
}

static int flush(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    (void)s, (void)in, (void)out; /* what was asked before has been answered */
    return 0;
}

/* One step of a walk. */
static int step(struct p9_server *s, char path[FS_PATH_MAX], const char *name, struct p9_out *out)
{
    char next[FS_PATH_MAX], *slash = strrchr(path, '/');
    int error;

    if (!strcmp(name, "..")) { /* of the folder itself: the same */
        *(slash ? slash : path) = 0;
        return put_qid_of(s, path, out);
    }
    if (!fs_name_is_valid(name))
        return ENOENT;
    error = join(next, path, name);
    if (!error)
        error = put_qid_of(s, next, out);
    if (!error)
        copy_path(path, next);
    return error;
}

/* A walk that ends early tells how far it came; then there is no new fid. */
static int walk(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in), new_id = p9_get32(in);
    unsigned n = (unsigned)p9_get(in, 2), done = 0;
    char path[FS_PATH_MAX], name[TEXT_NAME];
    size_t count_at = out->len;
    struct p9_fid *f;
    int error = path_fid(s, id, &f);

    if (in->bad || n > MAX_WALK)
        return EPROTO;
    if (!error && new_id != id && find(s, new_id))
        error = EINVAL;
    if (error)
        return error;
    copy_path(path, f->path);
    p9_put(out, 0, 2);
    for (; done < n && !error; done += !error) {
        p9_get_string(in, name, sizeof(name));
        error = in->bad ? EPROTO : step(s, path, name, out);
    }
    if (in->bad || (error && !done))
        return error;
    st_le16(out->data + count_at, (uint16_t)done);
    if (error)
        return 0;
    if (new_id != id)
        return add(s, new_id, f->uid, path) ? 0 : ENOMEM;
    return f->kind == FID_PATH ? (set_path(s, f, path) ? 0 : ENOMEM) : EINVAL;
}

/* An attribute that was written is set now. */
static int set_attribute(struct p9_server *s, const struct p9_fid *f)
{
    if (f->filled < f->size)
        return EINVAL;
    if (!f->size && (f->flags & XATTR_REPLACE))
        return fs_remove_attribute(s->tree, f->path, f->name);
    return fs_set_attribute(s->tree, f->path, f->name, f->value, f->size, (int)(f->flags & 3));
}

static int clunk(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *f = find(s, p9_get32(in));
    int error = 0;

    (void)out;
    if (in->bad)
        return EPROTO;
    if (!f)
        return EBADF;
    if (f->kind == FID_NEW_ATTRIBUTE)
        error = set_attribute(s, f);
    forget(s, f);
    return error;
}

/* ---- opening, reading, writing ---- */

static int lopen(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in), flags = p9_get32(in);
    struct p9_fid *f;
    struct stat st;
    int fd, error = path_fid(s, id, &f);

    if (in->bad)
        return EPROTO;
    if (!error && f->kind != FID_PATH)
        error = EINVAL;
    if (!error && s->nopen == MAX_OPEN)
        error = ENFILE;
    if (!error)
        error = fs_open(s->tree, f->path, host_flags(flags), &fd);
    if (error)
        return error;
    error = fs_stat_open(s->tree, fd, &st);
    if (error) {
        close(fd);
        return error;
    }
    set_open(s, f, fd, flags, S_ISDIR(st.st_mode));
    put_qid(out, &st);
    p9_put(out, 0, 4);
    return 0;
}

static int lcreate(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in), flags, mode, gid;
    char name[TEXT_NAME], path[FS_PATH_MAX];
    struct p9_fid *f;
    struct stat st;
    int fd, error = path_fid(s, id, &f);

    p9_get_string(in, name, sizeof(name));
    flags = p9_get32(in);
    mode = p9_get32(in);
    gid = p9_get32(in);
    if (in->bad)
        return EPROTO;
    if (!error && f->kind != FID_PATH)
        error = EINVAL;
    if (!error && s->nopen == MAX_OPEN)
        error = ENFILE;
    if (!error)
        error = join(path, f->path, name);
    if (!error)
        error = fs_create(s->tree, f->path, name, host_flags(flags), flags & P9_EXCL, mode,
                          (struct fs_owner){f->uid, gid}, &fd);
    if (error)
        return error;
    error = fs_stat_open(s->tree, fd, &st);
    if (error || !set_path(s, f, path)) {
        close(fd);
        return error ? error : ENOMEM;
    }
    set_open(s, f, fd, flags, false);
    put_qid(out, &st);
    p9_put(out, 0, 4);
    return 0;
}

static int open_fid(struct p9_server *s, uint32_t id, enum fid_kind kind, struct p9_fid **f)
{
    *f = find(s, id);
    if (!*f)
        return EBADF;
    if ((*f)->kind != kind)
        return (*f)->kind == FID_FOLDER ? EISDIR : EBADF;
    return (*f)->fd < 0 ? ESTALE : 0;
}

static int read_bytes(struct p9_fid *f, uint64_t offset, uint32_t count, uint8_t *to, size_t *n)
{
    ssize_t got;

    if (f->kind == FID_ATTRIBUTE) {
        *n = offset < f->size ? f->size - (size_t)offset : 0;
        *n = *n < count ? *n : count;
        if (*n)
            memcpy(to, f->value + offset, *n);
        return 0;
    }
    if (offset > INT64_MAX)
        return EINVAL;
    do {
        got = pread(f->fd, to, count, (off_t)offset);
    } while (got < 0 && errno == EINTR);
    *n = got < 0 ? 0 : (size_t)got;
    return got < 0 ? errno : 0;
}

static int read_file(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in);
    uint64_t offset = p9_get(in, 8);
    uint32_t count = p9_get32(in);
    struct p9_fid *f = find(s, id);
    size_t n = 0, room = out->max - out->len - 4;
    int error = f && f->kind == FID_ATTRIBUTE ? 0 : open_fid(s, id, FID_FILE, &f);

    if (in->bad)
        return EPROTO;
    if (!error)
        error = read_bytes(f, offset, count < room ? count : (uint32_t)room,
                           out->data + out->len + 4, &n);
    p9_put(out, n, 4);
    out->len += n;
    return error;
}

static int write_attribute(struct p9_fid *f, uint64_t offset, const uint8_t *data, uint32_t count)
{
    if (offset != f->filled || count > f->size - f->filled)
        return ENOSPC;
    if (count)
        memcpy(f->value + f->filled, data, count);
    f->filled += count;
    return 0;
}

static int write_file(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in);
    uint64_t offset = p9_get(in, 8);
    uint32_t count = p9_get32(in);
    struct p9_fid *f = find(s, id);
    int error = f && f->kind == FID_NEW_ATTRIBUTE ? 0 : open_fid(s, id, FID_FILE, &f);
    ssize_t n = count;

    if (in->bad || count > in->left)
        return EPROTO;
    if (!error && f->kind == FID_NEW_ATTRIBUTE)
        error = write_attribute(f, offset, in->at, count);
    else if (!error && offset > INT64_MAX)
        error = EFBIG;
    else if (!error && (n = pwrite(f->fd, in->at, count, (off_t)offset)) < 0)
        error = errno;
    p9_put(out, (uint32_t)n, 4);
    return error;
}

static int fsync_file(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in), data_only = in->left ? p9_get32(in) : 0;
    struct p9_fid *f = find(s, id);

    (void)out;
    if (in->bad)
        return EPROTO;
    if (!f || f->kind == FID_PATH || f->kind >= FID_ATTRIBUTE)
        return EBADF;
    if (f->fd < 0)
        return ESTALE;
    return (data_only ? fdatasync(f->fd) : fsync(f->fd)) ? errno : 0;
}

/* An entry, unless it does not fit. */
static bool put_entry(const struct p9_fid *f, const struct dirent64 *e, const struct stat *root,
                      struct p9_out *out, size_t end)
{
    bool above = !strcmp(e->d_name, "..") && !*f->path; /* outside: there is nothing */
    struct stat st = {.st_dev = root->st_dev,
                      .st_ino = above ? root->st_ino : e->d_ino,
                      .st_mode = e->d_type == DT_DIR   ? S_IFDIR
                                 : e->d_type == DT_LNK ? S_IFLNK
                                                       : S_IFREG};

    if (out->len + 13 + 8 + 1 + 2 + strlen(e->d_name) > end)
        return false;
    put_qid(out, &st);
    p9_put(out, (uint64_t)e->d_off, 8);
    p9_put(out, e->d_type, 1);
    p9_put_string(out, e->d_name);
    return true;
}

static int list(struct p9_fid *f, struct p9_out *out, size_t end)
{
    _Alignas(struct dirent64) char buffer[8192];
    size_t start = out->len;
    struct stat root;
    ssize_t n;

    if (fstat(f->fd, &root))
        return errno;
    while ((n = getdents64(f->fd, buffer, sizeof(buffer))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *e = (const struct dirent64 *)(buffer + at);

            if (!put_entry(f, e, &root, out, end))
                return out->len == start ? EINVAL : 0;
            at += e->d_reclen;
        }
    return n < 0 ? errno : 0;
}

static int readdir_folder(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in);
    uint64_t offset = p9_get(in, 8);
    uint32_t count = p9_get32(in);
    size_t count_at = out->len, room = out->max - out->len - 4;
    struct p9_fid *f;
    int error = open_fid(s, id, FID_FOLDER, &f);

    if (in->bad)
        return EPROTO;
    if (error)
        return error;
    if (lseek(f->fd, (off_t)offset, SEEK_SET) < 0)
        return errno;
    p9_put(out, 0, 4);
    error = list(f, out, out->len + (count < room ? count : room));
    st_le32(out->data + count_at, (uint32_t)(out->len - count_at - 4));
    return error;
}

/* ---- attributes ---- */

static void put_time(struct p9_out *out, const struct timespec *t)
{
    p9_put(out, (uint64_t)t->tv_sec, 8);
    p9_put(out, (uint64_t)t->tv_nsec, 8);
}

static int getattr(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *f;
    struct stat st;
    int error = path_fid(s, p9_get32(in), &f);

    p9_get(in, 8); /* what is wanted: all of it is told */
    if (in->bad)
        return EPROTO;
    if (!error)
        error = f->fd >= 0 ? fs_stat_open(s->tree, f->fd, &st) : fs_stat(s->tree, f->path, &st);
    if (error)
        return error;
    p9_put(out, 0x7ff, 8); /* all but birth time, generation, version */
    put_qid(out, &st);
    p9_put(out, st.st_mode, 4);
    p9_put(out, st.st_uid, 4);
    p9_put(out, st.st_gid, 4);
    p9_put(out, st.st_nlink, 8);
    p9_put(out, st.st_rdev, 8);
    p9_put(out, (uint64_t)st.st_size, 8);
    p9_put(out, (uint64_t)st.st_blksize, 8);
    p9_put(out, (uint64_t)st.st_blocks, 8);
    put_time(out, &st.st_atim);
    put_time(out, &st.st_mtim);
    put_time(out, &st.st_ctim);
    for (unsigned i = 0; i < 4; i++)
        p9_put(out, 0, 8);
    return 0;
}

enum {
    SET_MODE = 0x1,
    SET_UID = 0x2,
    SET_GID = 0x4,
    SET_SIZE = 0x8,
    SET_ATIME = 0x10,
    SET_MTIME = 0x20,
    SET_ATIME_TO = 0x80,
    SET_MTIME_TO = 0x100,
};

static struct timespec get_time(struct p9_in *in, uint32_t valid, uint32_t set, uint32_t set_to)
{
    uint64_t s = p9_get(in, 8), ns = p9_get(in, 8);

    if (!(valid & set))
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    if (!(valid & set_to))
        return (struct timespec){.tv_nsec = UTIME_NOW};
    in->bad |= ns >= 1000000000;
    return (struct timespec){(time_t)s, (long)ns};
}

static int setattr(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *f;
    int error = path_fid(s, p9_get32(in), &f);
    uint32_t valid = p9_get32(in);
    struct fs_changes c = {.mode_set = valid & SET_MODE,
                           .uid_set = valid & SET_UID,
                           .gid_set = valid & SET_GID,
                           .size_set = valid & SET_SIZE,
                           .times_set = valid & (SET_ATIME | SET_MTIME)};

    (void)out;
    c.mode = p9_get32(in);
    c.owner.uid = p9_get32(in);
    c.owner.gid = p9_get32(in);
    c.size = p9_get(in, 8);
    c.times[0] = get_time(in, valid, SET_ATIME, SET_ATIME_TO);
    c.times[1] = get_time(in, valid, SET_MTIME, SET_MTIME_TO);
    if (in->bad)
        return EPROTO;
    return error ? error : fs_change(s->tree, f->path, &c);
}

static int statfs_of(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *f;
    struct statfs st;
    uint32_t fsid[2];
    int error = path_fid(s, p9_get32(in), &f);

    if (in->bad)
        return EPROTO;
    if (!error)
        error = fs_statfs(s->tree, f->path, &st);
    if (error)
        return error;
    memcpy(fsid, &st.f_fsid, sizeof(fsid));
    p9_put(out, (uint32_t)st.f_type, 4);
    p9_put(out, (uint32_t)st.f_bsize, 4);
    p9_put(out, st.f_blocks, 8);
    p9_put(out, st.f_bfree, 8);
    p9_put(out, st.f_bavail, 8);
    p9_put(out, st.f_files, 8);
    p9_put(out, st.f_ffree, 8);
    p9_put(out, fsid[0] | (uint64_t)fsid[1] << 32, 8);
    p9_put(out, (uint32_t)st.f_namelen, 4);
    return 0;
}

/* The new fid reads an attribute, or the list of their names. */
static int xattrwalk(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in), new_id = p9_get32(in);
    char name[TEXT_NAME];
    size_t len = ATTRIBUTE_MAX;
    struct p9_fid *f, *new;
    uint8_t *value;
    int error = path_fid(s, id, &f);

    p9_get_string(in, name, sizeof(name));
    if (in->bad)
        return EPROTO;
    if (error || find(s, new_id))
        return error ? error : EINVAL;
    value = malloc(ATTRIBUTE_MAX);
    if (!value)
        return ENOMEM;
    error = *name ? fs_get_attribute(s->tree, f->path, name, value, &len)
                  : fs_list_attributes(s->tree, f->path, (char *)value, &len);
    if (!error && s->held + len > MAX_HELD)
        error = ENOMEM;
    if (!error && !(new = add(s, new_id, f->uid, f->path)))
        error = ENOMEM;
    if (error) {
        free(value);
        return error;
    }
    new->kind = FID_ATTRIBUTE;
    new->value = value;
    new->size = (uint32_t)len;
    s->held += len;
    p9_put(out, len, 8);
    return 0;
}

/* The fid becomes what the attribute is written to. */
static int xattrcreate(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    uint32_t id = p9_get32(in), flags;
    char name[TEXT_NAME];
    struct p9_fid *f;
    uint64_t size;
    int error = path_fid(s, id, &f);

    (void)out;
    p9_get_string(in, name, sizeof(name));
    size = p9_get(in, 8);
    flags = p9_get32(in);
    if (in->bad || !*name)
        return EPROTO;
    if (error || f->kind != FID_PATH)
        return error ? error : EINVAL;
    if (size > ATTRIBUTE_MAX || s->held + size > MAX_HELD)
        return size > ATTRIBUTE_MAX ? E2BIG : ENOMEM;
    f->name = strdup(name);
    f->value = malloc(size ? (size_t)size : 1);
    if (!f->name || !f->value) {
        free(f->name);
        free(f->value);
        f->name = NULL;
        f->value = NULL;
        return ENOMEM;
    }
    f->kind = FID_NEW_ATTRIBUTE;
    f->flags = flags;
    f->size = (uint32_t)size;
    s->held += f->size;
    return 0;
}

static int readlink_of(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char target[FS_PATH_MAX];
    struct p9_fid *f;
    int error = path_fid(s, p9_get32(in), &f);

    if (in->bad)
        return EPROTO;
    if (!error)
        error = fs_readlink(s->tree, f->path, target);
    if (!error)
        p9_put_string(out, target);
    return error;
}

/* ---- names ---- */

/* A folder's fid and a name in it; *path of both. */
static int get_new(struct p9_server *s, struct p9_in *in, struct p9_fid **f, char name[TEXT_NAME],
                   char path[FS_PATH_MAX])
{
    int error = path_fid(s, p9_get32(in), f);

    p9_get_string(in, name, TEXT_NAME);
    if (in->bad)
        return EPROTO;
    return error ? error : join(path, (*f)->path, name);
}

static int mkdir_in(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char name[TEXT_NAME], path[FS_PATH_MAX];
    struct p9_fid *f;
    int error = get_new(s, in, &f, name, path);
    uint32_t mode = p9_get32(in), gid = p9_get32(in);

    if (!error)
        error = in->bad ? EPROTO
                        : fs_mkdir(s->tree, f->path, name, mode, (struct fs_owner){f->uid, gid});
    return error ? error : put_qid_of(s, path, out);
}

static int mknod_in(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char name[TEXT_NAME], path[FS_PATH_MAX];
    struct p9_fid *f;
    int error = get_new(s, in, &f, name, path);
    uint32_t mode = p9_get32(in), high = p9_get32(in), low = p9_get32(in), gid = p9_get32(in);

    if (!error)
        error = in->bad ? EPROTO
                        : fs_mknod(s->tree, f->path, name, mode, makedev(high, low),
                                   (struct fs_owner){f->uid, gid});
    return error ? error : put_qid_of(s, path, out);
}

static int symlink_in(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char name[TEXT_NAME], path[FS_PATH_MAX], target[FS_PATH_MAX];
    struct p9_fid *f;
    int error = get_new(s, in, &f, name, path);
    uint32_t gid;

    p9_get_string(in, target, sizeof(target));
    gid = p9_get32(in);
    if (!error)
        error = in->bad
                    ? EPROTO
                    : fs_symlink(s->tree, f->path, name, target, (struct fs_owner){f->uid, gid});
    return error ? error : put_qid_of(s, path, out);
}

static int link_in(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char name[TEXT_NAME];
    struct p9_fid *dir, *f;
    int error = path_fid(s, p9_get32(in), &dir), other = path_fid(s, p9_get32(in), &f);

    (void)out;
    p9_get_string(in, name, sizeof(name));
    if (in->bad)
        return EPROTO;
    error = error ? error : other;
    return error ? error : fs_link(s->tree, f->path, dir->path, name);
}

static int rename_path(struct p9_server *s, const char *from_dir, const char *from,
                       const char *to_dir, const char *to)
{
    char a[FS_PATH_MAX], b[FS_PATH_MAX];
    int error = join(a, from_dir, from);

    if (!error)
        error = join(b, to_dir, to);
    if (!error)
        error = fs_rename(s->tree, from_dir, from, to_dir, to);
    if (!error && strcmp(a, b) != 0)
        follow_rename(s, a, b);
    return error;
}

static int rename_fid(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char dir[FS_PATH_MAX], name[TEXT_NAME];
    struct p9_fid *f, *to;
    const char *old;
    int error = path_fid(s, p9_get32(in), &f), other = path_fid(s, p9_get32(in), &to);

    (void)out;
    p9_get_string(in, name, sizeof(name));
    if (in->bad)
        return EPROTO;
    error = error ? error : other;
    if (!error)
        error = split(f->path, dir, &old);
    if (error)
        return error;
    char from[TEXT_NAME]; /* the path changes meanwhile */

    snprintf(from, sizeof(from), "%s", old);
    return rename_path(s, dir, from, to->path, name);
}

static int renameat_of(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char from[TEXT_NAME], to[TEXT_NAME];
    struct p9_fid *a, *b;
    int error = path_fid(s, p9_get32(in), &a), other;

    (void)out;
    p9_get_string(in, from, sizeof(from));
    other = path_fid(s, p9_get32(in), &b);
    p9_get_string(in, to, sizeof(to));
    if (in->bad)
        return EPROTO;
    error = error ? error : other;
    if (error)
        return error;
    char to_dir[FS_PATH_MAX], from_dir[FS_PATH_MAX]; /* as above */

    copy_path(from_dir, a->path);
    copy_path(to_dir, b->path);
    return rename_path(s, from_dir, from, to_dir, to);
}

static int unlinkat_of(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char name[TEXT_NAME];
    struct p9_fid *f;
    int error = path_fid(s, p9_get32(in), &f);
    uint32_t flags;

    (void)out;
    p9_get_string(in, name, sizeof(name));
    flags = p9_get32(in);
    if (in->bad)
        return EPROTO;
    return error ? error : fs_unlink(s->tree, f->path, name, flags & P9_REMOVEDIR);
}

/* The fid goes, whatever becomes of the file. */
static int remove_fid(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    char dir[FS_PATH_MAX];
    struct p9_fid *f;
    const char *name;
    struct stat st;
    int error = path_fid(s, p9_get32(in), &f);

    (void)out;
    if (in->bad)
        return EPROTO;
    if (error)
        return error;
    error = split(f->path, dir, &name);
    if (!error)
        error = fs_stat(s->tree, f->path, &st);
    if (!error)
        error = fs_unlink(s->tree, dir, name, S_ISDIR(st.st_mode));
    forget(s, f);
    return error;
}

/* ---- locks ---- */

static int lock(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *f = find(s, p9_get32(in));

    if (in->bad)
        return EPROTO;
    p9_put(out, 0, 1); /* P9_LOCK_SUCCESS */
    return f ? 0 : EBADF;
}

static int getlock(struct p9_server *s, struct p9_in *in, struct p9_out *out)
{
    struct p9_fid *f = find(s, p9_get32(in));
    char client[TEXT_NAME];
    uint64_t start, length;
    uint32_t process;

    p9_get(in, 1);
    start = p9_get(in, 8);
    length = p9_get(in, 8);
    process = p9_get32(in);
    p9_get_string(in, client, sizeof(client));
    if (in->bad)
        return EPROTO;
    p9_put(out, 2, 1); /* P9_LOCK_TYPE_UNLCK: nobody has it */
    p9_put(out, start, 8);
    p9_put(out, length, 8);
    p9_put(out, process, 4);
    p9_put_string(out, client);
    return f ? 0 : EBADF;
}

/* ---- requests ---- */

static const struct {
    uint8_t type;
    int (*fn)(struct p9_server *s, struct p9_in *in, struct p9_out *out);
} requests[] = {
    {P9_TREAD, read_file},
    {P9_TWRITE, write_file},
    {P9_TWALK, walk},
    {P9_TGETATTR, getattr},
    {P9_TCLUNK, clunk},
    {P9_TLOPEN, lopen},
    {P9_TREADDIR, readdir_folder},
    {P9_TLCREATE, lcreate},
    {P9_TSETATTR, setattr},
    {P9_TXATTRWALK, xattrwalk},
    {P9_TXATTRCREATE, xattrcreate},
    {P9_TREADLINK, readlink_of},
    {P9_TMKDIR, mkdir_in},
    {P9_TMKNOD, mknod_in},
    {P9_TSYMLINK, symlink_in},
    {P9_TLINK, link_in},
    {P9_TRENAME, rename_fid},
    {P9_TRENAMEAT, renameat_of},
    {P9_TUNLINKAT, unlinkat_of},
    {P9_TREMOVE, remove_fid},
    {P9_TFSYNC, fsync_file},
    {P9_TSTATFS, statfs_of},
    {P9_TLOCK, lock},
    {P9_TGETLOCK, getlock},
    {P9_TVERSION, version},
    {P9_TATTACH, attach},
    {P9_TFLUSH, flush},
};

static int handle(struct p9_server *s, uint8_t type, struct p9_in *in, struct p9_out *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(requests); i++)
        if (requests[i].type == type)
            return requests[i].fn(s, in, out);
    return EOPNOTSUPP; /* Tauth, and what is not of this protocol */
}

size_t p9_server_answer(struct p9_server *s, const uint8_t *request, size_t len, uint8_t *reply,
                        size_t room)
{
    struct p9_in in = {.at = request, .left = len};
    struct p9_out out = {.data = reply, .len = P9_HEADER, .max = room};
    uint32_t size = p9_get32(&in);
    uint8_t type = (uint8_t)p9_get(&in, 1);
    uint16_t tag = (uint16_t)p9_get(&in, 2);
    int error;

    if (room < P9_HEADER + 4) /* of an error */
        return 0;
    out.max = room < s->msize ? room : s->msize;
    if (in.bad || size < P9_HEADER || size > len) {
        error = EPROTO;
    } else {
        in.left = size - P9_HEADER;
        error = handle(s, type, &in, &out);
    }
    if (!error && out.full)
        error = EMSGSIZE;
    if (error) {
        out.len = P9_HEADER;
        out.full = false;
        p9_put(&out, (uint32_t)error, 4);
    }
    st_le32(reply, (uint32_t)out.len);
    reply[4] = error ? P9_RLERROR : (uint8_t)(type + 1);
    st_le16(reply + 5, tag);
    return out.len;
}

/* ---- state ---- */

static int by_id(const void *a, const void *b)
{
    uint32_t x = (*(struct p9_fid *const *)a)->id, y = (*(struct p9_fid *const *)b)->id;

    return x < y ? -1 : x > y;
}

static void save_fid(const struct p9_fid *f, struct p9_out *out)
{
    p9_put(out, f->id, 4);
    p9_put(out, f->uid, 4);
    p9_put(out, f->kind, 1);
    p9_put(out, f->flags, 4);
    p9_put_string(out, f->path);
    p9_put_string(out, f->name ? f->name : "");
    p9_put(out, f->size, 4);
    p9_put(out, f->filled, 4);
    p9_put_bytes(out, f->value, f->size);
}

static size_t saved_size(const struct p9_fid *f)
{
    return 13 + 2 + strlen(f->path) + 2 + (f->name ? strlen(f->name) : 0) + 8 + f->size;
}

/* In the order of ids, whatever order they came in. */
bool p9_server_save(const struct p9_server *s, struct state_blob *to)
{
    struct p9_fid **all = calloc(s->nfids ? s->nfids : 1, sizeof(struct p9_fid *)), *f;
    size_t size = 8, n = 0;
    uint8_t *data = NULL;

    for (unsigned i = 0; all && i < ARRAY_SIZE(s->fids); i++)
        for (f = s->fids[i]; f; f = f->next) {
            all[n++] = f;
            size += saved_size(f);
        }
    if (all)
        data = realloc(to->data, size);
    if (data) {
        struct p9_out out = {.data = data, .max = size};

        qsort(all, n, sizeof(struct p9_fid *), by_id);
        p9_put(&out, s->msize, 4);
        p9_put(&out, n, 4);
        for (size_t i = 0; i < n; i++)
            save_fid(all[i], &out);
        *to = (struct state_blob){data, (uint32_t)out.len};
    }
    free(all);
    return data;
}

/* What was open is opened, but not emptied or made again. */
static void open_again(struct p9_server *s, struct p9_fid *f)
{
    if ((f->kind != FID_FILE && f->kind != FID_FOLDER) || s->nopen == MAX_OPEN)
        return;
    if (fs_open(s->tree, f->path, host_flags(f->flags & ~(uint32_t)P9_TRUNC), &f->fd)) {
        f->fd = -1;
        return;
    }
    s->nopen++;
}

static bool load_fid(struct p9_server *s, struct p9_in *in)
{
    uint32_t id = p9_get32(in), uid = p9_get32(in);
    uint8_t kind = (uint8_t)p9_get(in, 1);
    uint32_t flags = p9_get32(in), size, filled;
    char path[FS_PATH_MAX], name[TEXT_NAME];
    struct p9_fid *f;

    p9_get_string(in, path, sizeof(path));
    p9_get_string(in, name, sizeof(name));
    size = p9_get32(in);
    filled = p9_get32(in);
    if (in->bad || kind > FID_NEW_ATTRIBUTE || !fs_path_is_valid(path) || filled > size ||
        size > in->left || size > ATTRIBUTE_MAX || s->held + size > MAX_HELD || find(s, id) ||
        (size && kind < FID_ATTRIBUTE) || !(f = add(s, id, uid, path)))
        return false;
    f->kind = kind;
    f->flags = flags;
    f->name = strdup(name);
    f->value = malloc(size ? size : 1);
    if (!f->name || !f->value)
        return false;
    memcpy(f->value, in->at, size);
    in->at += size;
    in->left -= size;
    f->size = size;
    f->filled = filled;
    s->held += size;
    open_again(s, f);
    return true;
}

bool p9_server_load(struct p9_server *s, const struct state_blob *from, struct error *err)
{
    struct p9_in in = {.at = from->data, .left = from->len};
    uint32_t msize = from->len ? p9_get32(&in) : 0, n = from->len ? p9_get32(&in) : 0;
    bool ok = !in.bad && (!msize || msize >= MSIZE_MIN) && msize <= P9_MSIZE_MAX;

    p9_server_reset(s);
    while (ok && n--)
        ok = load_fid(s, &in);
    ok = ok && !in.left;
    if (ok && msize)
        s->msize = msize;
    if (!ok)
        p9_server_reset(s);
    return ok || error_set(err, "fids: malformed");
}

/* ---- life ---- */

void p9_server_reset(struct p9_server *s)
{
    for (unsigned i = 0; i < ARRAY_SIZE(s->fids); i++)
        while (s->fids[i])
            drop(s, &s->fids[i]);
    s->msize = P9_MSIZE_MAX;
}

void p9_server_init(struct p9_server *s, struct fs_tree *tree)
{
    *s = (struct p9_server){.tree = tree, .msize = P9_MSIZE_MAX};
}
