/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_FS_TREE_H
#define CALQUE_HOST_FS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>

/* A folder of the host that a guest may use (virtio-9p), and nothing outside of it: paths are
 * followed a component at a time from the folder's descriptor, and no symbolic link is ever
 * followed, nor "..". What is opened is a regular file or a folder.
 *
 * Paths are relative to the folder, "a/b"; "" is the folder itself. Functions that return int: 0 or
 * an errno. They block as long as the host's file system does. Not thread safe. */

struct error;
struct fs_tree;

#define FS_PATH_MAX 4096 /* bytes, with the zero */

/* What becomes of owners and modes (QEMU's security_model). */
enum fs_model {
    FS_PASSTHROUGH, /* the files have them */
    FS_NONE,        /* as far as this process may set them; that it may not is no error */
    FS_MAPPED,      /* extended attributes user.virtfs.* have them; links and devices are files */
};

struct fs_options {
    enum fs_model model;
    bool read_only;
};

/* NULL with *err, which names the path. */
struct fs_tree *fs_tree_open(const char *path, const struct fs_options *o, struct error *err);
void fs_tree_close(struct fs_tree *t); /* t may be NULL */

/* A name that one component of a path can be: not empty, ".", ".." or with a slash. */
bool fs_name_is_valid(const char *name);
bool fs_path_is_valid(const char *path);

struct fs_owner {
    uid_t uid;
    gid_t gid;
};

/* Of the file itself, if it is a link. */
int fs_stat(struct fs_tree *t, const char *path, struct stat *st);
/* Of what fs_open() or fs_create() gave. */
int fs_stat_open(struct fs_tree *t, int fd, struct stat *st);
int fs_statfs(struct fs_tree *t, const char *path, struct statfs *st);
/* flags: O_RDONLY, O_WRONLY or O_RDWR, with O_TRUNC, O_APPEND, O_SYNC, O_DSYNC. *fd is the
 * caller's. */
int fs_open(struct fs_tree *t, const char *path, int flags, int *fd);
/* `dir` is the path of a folder, `name` a valid name of what is to be there. */
int fs_create(struct fs_tree *t, const char *dir, const char *name, int flags, bool exclusive,
              mode_t mode, struct fs_owner owner, int *fd);
int fs_mkdir(struct fs_tree *t, const char *dir, const char *name, mode_t mode,
             struct fs_owner owner);
int fs_mknod(struct fs_tree *t, const char *dir, const char *name, mode_t mode, dev_t dev,
             struct fs_owner owner);
int fs_symlink(struct fs_tree *t, const char *dir, const char *name, const char *target,
               struct fs_owner owner);
int fs_link(struct fs_tree *t, const char *path, const char *dir, const char *name);
int fs_rename(struct fs_tree *t, const char *from_dir, const char *from, const char *to_dir,
              const char *to);
int fs_unlink(struct fs_tree *t, const char *dir, const char *name, bool folder);
/* The target with a zero behind it, at most FS_PATH_MAX - 1 bytes. */
int fs_readlink(struct fs_tree *t, const char *path, char target[FS_PATH_MAX]);

struct fs_changes {
    bool mode_set, uid_set, gid_set, size_set;
    mode_t mode; /* without the type */
    struct fs_owner owner;
    uint64_t size;
    bool times_set;
    struct timespec times[2]; /* access, modification; UTIME_NOW, UTIME_OMIT */
};
int fs_change(struct fs_tree *t, const char *path, const struct fs_changes *c);

/* Extended attributes; their names are checked. *len is the room, then what there is. With room 0
 * it is only asked how much there is. The list has names with a zero behind each. */
int fs_get_attribute(struct fs_tree *t, const char *path, const char *name, void *value,
                     size_t *len);
int fs_list_attributes(struct fs_tree *t, const char *path, char *names, size_t *len);
int fs_set_attribute(struct fs_tree *t, const char *path, const char *name, const void *value,
                     size_t len, int flags);
int fs_remove_attribute(struct fs_tree *t, const char *path, const char *name);

#endif
