/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What has no function that takes a descriptor without opening the file for reading or writing
 * (extended attributes, chmod, truncate, open) goes by /proc/self/fd of a descriptor that only
 * names the file (O_PATH): between a look at it and its use nobody can put another file there. */
#include "host/fs/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"

struct fs_tree {
    int root;
    struct fs_options o;
};

#define MAPPED_PREFIX "user.virtfs."
#define PROC_PATH_MAX 32

/* ---- names ---- */

bool fs_name_is_valid(const char *name)
{
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/') &&
           strlen(name) <= NAME_MAX;
}

static bool next_component(const char **path, char name[NAME_MAX + 1])
{
    size_t len = strcspn(*path, "/");

    if (len > NAME_MAX)
        return false;
    memcpy(name, *path, len);
    name[len] = 0;
    *path += len + ((*path)[len] == '/');
    return fs_name_is_valid(name);
}

bool fs_path_is_valid(const char *path)
{
    size_t len = strlen(path);
    char name[NAME_MAX + 1];

    if (len >= FS_PATH_MAX || (len && path[len - 1] == '/'))
        return false;
    while (*path)
        if (!next_component(&path, name))
            return false;
    return true;
}

/* ---- descriptors ---- */

/* A descriptor of the folder at `path`: the caller's. Negative: an errno. */
static int open_folder(const struct fs_tree *t, const char *path)
{
    int fd = openat(t->root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC), next;
    char name[NAME_MAX + 1];

    if (fd < 0)
        return -errno;
    while (*path) {
        if (!next_component(&path, name)) {
            close(fd);
            return -ENOENT;
        }
        next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;

        close(fd);
        if (next < 0)
            return -error;
        fd = next;
    }
    return fd;
}

/* Where a file is: the folder it is in, and its name there. */
struct place {
    int dir;
    char name[NAME_MAX + 1];
};

static int locate(const struct fs_tree *t, const char *path, struct place *p)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char dir[FS_PATH_MAX];

    snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0, path);
    if (*path && !fs_name_is_valid(name))
        return ENOENT;
    snprintf(p->name, sizeof(p->name), "%s", *path ? name : ".");
    p->dir = open_folder(t, dir);
    return p->dir < 0 ? -p->dir : 0;
}

/* A descriptor that names the file, which may be of any kind. */
static int name_file(const struct fs_tree *t, const char *path, int *fd)
{
    struct place p;
    int error = locate(t, path, &p);

    if (error)
        return error;
    *fd = openat(p.dir, p.name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    error = *fd < 0 ? errno : 0;
    close(p.dir);
    return error;
}

static const char *proc_path(int fd, char text[PROC_PATH_MAX])
{
    snprintf(text, PROC_PATH_MAX, "/proc/self/fd/%d", fd);
    return text;
}

/* ---- owners and modes in extended attributes ---- */

static bool get_mapped(int fd, const char *name, uint32_t *value)
{
    uint8_t bytes[4];
    char at[PROC_PATH_MAX];

    if (getxattr(proc_path(fd, at), name, bytes, 4) != 4)
        return false;
    *value = ld_le32(bytes);
    return true;
}

static int set_mapped(int fd, const char *name, uint32_t value)
{
    uint8_t bytes[4];
    char at[PROC_PATH_MAX];

    st_le32(bytes, value);
    return setxattr(proc_path(fd, at), name, bytes, 4, 0) ? errno : 0;
}

static void overlay(const struct fs_tree *t, int fd, struct stat *st)
{
    uint32_t v;

    if (t->o.model != FS_MAPPED)
        return;
    if (get_mapped(fd, MAPPED_PREFIX "uid", &v))
        st->st_uid = v;
    if (get_mapped(fd, MAPPED_PREFIX "gid", &v))
        st->st_gid = v;
    if (get_mapped(fd, MAPPED_PREFIX "rdev", &v))
        st->st_rdev = v;
    /* A folder stays one, and what is none does not become one. */
    if (get_mapped(fd, MAPPED_PREFIX "mode", &v) && S_ISDIR(v) == S_ISDIR(st->st_mode))
        st->st_mode = v;
}

static int map_new(int fd, mode_t mode, dev_t dev, struct fs_owner owner)
{
    int error = set_mapped(fd, MAPPED_PREFIX "mode", mode);

    if (!error)
        error = set_mapped(fd, MAPPED_PREFIX "uid", owner.uid);
    if (!error)
        error = set_mapped(fd, MAPPED_PREFIX "gid", owner.gid);
    if (!error && (S_ISCHR(mode) || S_ISBLK(mode)))
        error = set_mapped(fd, MAPPED_PREFIX "rdev", (uint32_t)dev);
    return error;
}

/* What a file that was made gets: owner, then mode, which chown may change. */
static int finish_new(const struct fs_tree *t, const struct place *p, mode_t mode, dev_t dev,
                      struct fs_owner owner)
{
    int fd = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC), error = 0;
    char at[PROC_PATH_MAX];

    if (fd < 0)
        return errno;
    if (t->o.model == FS_MAPPED) {
        error = map_new(fd, mode, dev, owner);
    } else {
        if (fchownat(p->dir, p->name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW))
            error = errno;
        if (!S_ISLNK(mode) && chmod(proc_path(fd, at), mode & 07777) && !error)
            error = errno;
        if (t->o.model == FS_NONE)
            error = 0;
    }
    close(fd);
    return error;
}

/* ---- looking ---- */

int fs_stat(struct fs_tree *t, const char *path, struct stat *st)
{
    int fd, error = name_file(t, path, &fd);

    if (error)
        return error;
    error = fstatat(fd, "", st, AT_EMPTY_PATH) ? errno : 0;
    if (!error)
        overlay(t, fd, st);
    close(fd);
    return error;
}

int fs_stat_open(struct fs_tree *t, int fd, struct stat *st)
{
    if (fstat(fd, st))
        return errno;
    overlay(t, fd, st);
    return 0;
}

int fs_statfs(struct fs_tree *t, const char *path, struct statfs *st)
{
    int fd, error = name_file(t, path, &fd);

    if (error)
        return error;
    error = fstatfs(fd, st) ? errno : 0;
    close(fd);
    return error;
}

static int read_mapped_link(int fd, char target[FS_PATH_MAX])
{
    char at[PROC_PATH_MAX];
    int file = open(proc_path(fd, at), O_RDONLY | O_CLOEXEC);
    ssize_t n = file < 0 ? -1 : read(file, target, FS_PATH_MAX - 1);
    int error = n < 0 ? errno : 0;

    if (file >= 0)
        close(file);
    if (!error)
        target[n] = 0;
    return error;
}

int fs_readlink(struct fs_tree *t, const char *path, char target[FS_PATH_MAX])
{
    struct stat st;
    int fd, error = name_file(t, path, &fd);
    ssize_t n;

    if (error)
        return error;
    n = readlinkat(fd, "", target, FS_PATH_MAX - 1);
    error = n < 0 ? errno : 0;
    if (!error)
        target[n] = 0;
    if (error && t->o.model == FS_MAPPED && fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 &&
        S_ISREG(st.st_mode)) {
        overlay(t, fd, &st);
        error = S_ISLNK(st.st_mode) ? read_mapped_link(fd, target) : EINVAL;
    }
    close(fd);
    return error == ENOENT ? EINVAL : error; /* readlinkat()'s word for what is no link */
}

/* ---- opening ---- */

static bool writes(int flags)
{
    return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

/* The file that `named` names. */
static int reopen(int named, int flags, int *fd)
{
    char at[PROC_PATH_MAX];
    struct stat st;

    if (fstatat(named, "", &st, AT_EMPTY_PATH))
        return errno;
    if (S_ISLNK(st.st_mode))
        return ELOOP;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return ENXIO;
    *fd = open(proc_path(named, at), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return *fd < 0 ? errno : 0;
}

int fs_open(struct fs_tree *t, const char *path, int flags, int *fd)
{
    int named, error;

    if (t->o.read_only && writes(flags))
        return EROFS;
    error = name_file(t, path, &named);
    if (error)
        return error;
    error = reopen(named, flags, fd);
    close(named);
    return error;
}

/* ---- making ---- */

static int begin_new(struct fs_tree *t, const char *dir, const char *name, struct place *p)
{
    if (t->o.read_only)
        return EROFS;
    if (!fs_name_is_valid(name))
        return strlen(name) > NAME_MAX ? ENAMETOOLONG : EINVAL;
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->dir = open_folder(t, dir);
    return p->dir < 0 ? -p->dir : 0;
}

static mode_t host_mode(const struct fs_tree *t, mode_t mode)
{
    return t->o.model == FS_MAPPED ? 0600 : mode & 07777;
}

static int create_at(const struct fs_tree *t, const struct place *p, int flags, bool exclusive,
                     mode_t mode, struct fs_owner owner, int *fd)
{
    int named, error;

    *fd = openat(p->dir, p->name,
                 flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                 host_mode(t, mode));
    if (*fd >= 0) {
        error = finish_new(t, p, S_IFREG | (mode & 07777), 0, owner);
        if (error) {
            close(*fd);
            unlinkat(p->dir, p->name, 0);
        }
        return error;
    }
    if (errno != EEXIST || exclusive)
        return errno;
    named = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (named < 0)
        return errno;
    error = reopen(named, flags, fd);
    close(named);
    return error;
}

int fs_create(struct fs_tree *t, const char *dir, const char *name, int flags, bool exclusive,
              mode_t mode, struct fs_owner owner, int *fd)
{
    struct place p;
    int error = begin_new(t, dir, name, &p);

    if (error)
        return error;
    error = create_at(t, &p, flags, exclusive, mode, owner, fd);
    close(p.dir);
    return error;
}

/* The end of making something: it is undone if it cannot have what it is to have. */
static int end_new(const struct fs_tree *t, const struct place *p, int error, mode_t mode,
                   dev_t dev, struct fs_owner owner)
{
    if (!error) {
        error = finish_new(t, p, mode, dev, owner);
        if (error)
            unlinkat(p->dir, p->name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
    }
    close(p->dir);
    return error;
}

int fs_mkdir(struct fs_tree *t, const char *dir, const char *name, mode_t mode,
             struct fs_owner owner)
{
    struct place p;
    int error = begin_new(t, dir, name, &p);

    if (error)
        return error;
    error = mkdirat(p.dir, p.name, t->o.model == FS_MAPPED ? 0700 : mode & 07777) ? errno : 0;
    return end_new(t, &p, error, S_IFDIR | (mode & 07777), 0, owner);
}

/* An empty file that stands for something else. */
static int make_stand_in(const struct place *p, const char *text)
{
    int fd = openat(p->dir, p->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    ssize_t n;
    int error;

    if (fd < 0)
        return errno;
    n = write(fd, text, strlen(text));
    error = n < 0 ? errno : (size_t)n < strlen(text) ? ENOSPC : 0;
    close(fd);
    if (error)
        unlinkat(p->dir, p->name, 0);
    return error;
}

int fs_mknod(struct fs_tree *t, const char *dir, const char *name, mode_t mode, dev_t dev,
             struct fs_owner owner)
{
    struct place p;
    int error = begin_new(t, dir, name, &p);

    if (error)
        return error;
    if (t->o.model == FS_NONE && (S_ISCHR(mode) || S_ISBLK(mode))) {
        close(p.dir);
        return EPERM; /* it would be the host's */
    }
    if (t->o.model == FS_MAPPED)
        error = make_stand_in(&p, "");
    else
        error = mknodat(p.dir, p.name, mode, dev) ? errno : 0;
    return end_new(t, &p, error, mode, dev, owner);
}

int fs_symlink(struct fs_tree *t, const char *dir, const char *name, const char *target,
               struct fs_owner owner)
{
    struct place p;
    int error = begin_new(t, dir, name, &p);

    if (error)
        return error;
    if (t->o.model == FS_MAPPED)
        error = make_stand_in(&p, target);
    else
        error = symlinkat(target, p.dir, p.name) ? errno : 0;
    return end_new(t, &p, error, S_IFLNK | 0777, 0, owner);
}

int fs_link(struct fs_tree *t, const char *path, const char *dir, const char *name)
{
    struct place from, to;
    int error = begin_new(t, dir, name, &to);

    if (error)
        return error;
    error = locate(t, path, &from);
    if (!error) {
        error = linkat(from.dir, from.name, to.dir, to.name, 0) ? errno : 0;
        close(from.dir);
    }
    close(to.dir);
    return error;
}

int fs_rename(struct fs_tree *t, const char *from_dir, const char *from, const char *to_dir,
              const char *to)
{
    struct place a, b;
    int error = begin_new(t, from_dir, from, &a);

    if (error)
        return error;
    error = begin_new(t, to_dir, to, &b);
    if (!error) {
        error = renameat(a.dir, a.name, b.dir, b.name) ? errno : 0;
        close(b.dir);
    }
    close(a.dir);
    return error;
}

int fs_unlink(struct fs_tree *t, const char *dir, const char *name, bool folder)
{
    struct place p;
    int error = begin_new(t, dir, name, &p);

    if (error)
        return error;
    error = unlinkat(p.dir, p.name, folder ? AT_REMOVEDIR : 0) ? errno : 0;
    close(p.dir);
    return error;
}

/* ---- changing ---- */

static int change_mapped(int fd, const struct fs_changes *c)
{
    struct stat st;
    uint32_t mode;
    int error = 0;

    if (c->mode_set) {
        if (fstatat(fd, "", &st, AT_EMPTY_PATH))
            return errno;
        mode = st.st_mode;
        get_mapped(fd, MAPPED_PREFIX "mode", &mode);
        error = set_mapped(fd, MAPPED_PREFIX "mode", (mode & S_IFMT) | (c->mode & 07777));
    }
    if (!error && c->uid_set)
        error = set_mapped(fd, MAPPED_PREFIX "uid", c->owner.uid);
    if (!error && c->gid_set)
        error = set_mapped(fd, MAPPED_PREFIX "gid", c->owner.gid);
    return error;
}

static int change_real(const struct fs_tree *t, const struct place *p, int fd,
                       const struct fs_changes *c)
{
    char at[PROC_PATH_MAX];
    int error = 0;

    if ((c->uid_set || c->gid_set) &&
        fchownat(p->dir, p->name, c->uid_set ? c->owner.uid : (uid_t)-1,
                 c->gid_set ? c->owner.gid : (gid_t)-1, AT_SYMLINK_NOFOLLOW))
        error = t->o.model == FS_NONE ? 0 : errno;
    if (!error && c->mode_set && chmod(proc_path(fd, at), c->mode & 07777))
        error = errno;
    return error;
}

static int change_size(int fd, uint64_t size)
{
    char at[PROC_PATH_MAX];
    struct stat st;

    if (fstatat(fd, "", &st, AT_EMPTY_PATH))
        return errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    if (size > INT64_MAX)
        return EFBIG;
    return truncate(proc_path(fd, at), (off_t)size) ? errno : 0;
}

static int change_at(const struct fs_tree *t, const struct place *p, const struct fs_changes *c)
{
    int fd = openat(p->dir, p->name, O_PATH | O_NOFOLLOW | O_CLOEXEC), error;

    if (fd < 0)
        return errno;
    error = t->o.model == FS_MAPPED ? change_mapped(fd, c) : change_real(t, p, fd, c);
    if (!error && c->size_set)
        error = change_size(fd, c->size);
    if (!error && c->times_set && utimensat(p->dir, p->name, c->times, AT_SYMLINK_NOFOLLOW))
        error = errno;
    close(fd);
    return error;
}

int fs_change(struct fs_tree *t, const char *path, const struct fs_changes *c)
{
    struct place p;
    int error;

    if (t->o.read_only)
        return EROFS;
    error = locate(t, path, &p);
    if (error)
        return error;
    error = change_at(t, &p, c);
    close(p.dir);
    return error;
}

/* ---- extended attributes ---- */

static bool is_mapped_name(const char *name)
{
    return !strncmp(name, MAPPED_PREFIX, strlen(MAPPED_PREFIX));
}

/* Others than a user's mean something to the host: only a guest that may do all has them. */
static int check_attribute(const struct fs_tree *t, const char *name)
{
    if (t->o.model == FS_PASSTHROUGH)
        return 0;
    if (is_mapped_name(name))
        return EACCES;
    return strncmp(name, "user.", 5) ? EOPNOTSUPP : 0;
}

int fs_get_attribute(struct fs_tree *t, const char *path, const char *name, void *value,
                     size_t *len)
{
    char at[PROC_PATH_MAX];
    int fd, error = check_attribute(t, name);
    ssize_t n;

    if (!error)
        error = name_file(t, path, &fd);
    if (error)
        return error;
    n = getxattr(proc_path(fd, at), name, value, *len);
    error = n < 0 ? errno : 0;
    close(fd);
    *len = error ? 0 : (size_t)n;
    return error;
}

/* Ours are nobody's business. Returns what is left. */
static size_t hide_mapped(char *names, size_t len)
{
    size_t kept = 0;

    for (size_t at = 0; at < len;) {
        size_t n = strnlen(names + at, len - at) + 1;

        if (at + n > len)
            break;
        if (!is_mapped_name(names + at)) {
            memmove(names + kept, names + at, n);
            kept += n;
        }
        at += n;
    }
    return kept;
}

int fs_list_attributes(struct fs_tree *t, const char *path, char *names, size_t *len)
{
    char at[PROC_PATH_MAX];
    int fd, error = name_file(t, path, &fd);
    ssize_t n;

    if (error)
        return error;
    n = listxattr(proc_path(fd, at), names, *len);
    error = n < 0 ? errno : 0;
    close(fd);
    if (!error && *len)
        n = (ssize_t)hide_mapped(names, (size_t)n);
    *len = error ? 0 : (size_t)n;
    return error;
}

static int open_attribute(struct fs_tree *t, const char *path, const char *name, int *fd)
{
    int error = t->o.read_only ? EROFS : check_attribute(t, name);

    return error ? error : name_file(t, path, fd);
}

int fs_set_attribute(struct fs_tree *t, const char *path, const char *name, const void *value,
                     size_t len, int flags)
{
    char at[PROC_PATH_MAX];
    int fd, error = open_attribute(t, path, name, &fd);

    if (error)
        return error;
    error = setxattr(proc_path(fd, at), name, value, len, flags) ? errno : 0;
    close(fd);
    return error;
}

int fs_remove_attribute(struct fs_tree *t, const char *path, const char *name)
{
    char at[PROC_PATH_MAX];
    int fd, error = open_attribute(t, path, name, &fd);

    if (error)
        return error;
    error = removexattr(proc_path(fd, at), name) ? errno : 0;
    close(fd);
    return error;
}

/* ---- life ---- */

struct fs_tree *fs_tree_open(const char *path, const struct fs_options *o, struct error *err)
{
    struct fs_tree *t = calloc(1, sizeof(*t));

    if (!t) {
        error_set(err, "out of memory");
        return NULL;
    }
    t->o = *o;
    t->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (t->root < 0) {
        error_set(err, "%s: %s", path, strerror(errno));
        free(t);
        return NULL;
    }
    return t;
}

void fs_tree_close(struct fs_tree *t)
{
    if (!t)
        return;
    close(t->root);
    free(t);
}
