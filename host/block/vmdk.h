/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_VMDK_H
#define CALQUE_HOST_BLOCK_VMDK_H

#include "host/block/format.h"
#include "host/block/tables.h"

/* VMware disks (VMware, Virtual Disk Format 5.0). A descriptor, text, names extents; it is a file
 * of its own or in the header of the only extent. Little-endian. vmdk.c: descriptors and flat
 * extents, vmdk_sparse.c: grains, vmdk_make.c: new images. */

#define VMDK_MAGIC      0x564d444bu  /* "KDMV" */
#define VMDK_GD_MAX     (256u << 10) /* entries: 8 TiB of usual grains */
#define VMDK_DESCRIPTOR (1u << 20)   /* bytes, at most */

enum {
    M_MAGIC = 0,
    M_VERSION = 4,
    M_FLAGS = 8,
    M_CAPACITY = 12,
    M_GRAIN = 20,
    M_DESCRIPTOR = 28,
    M_DESCRIPTOR_SIZE = 36,
    M_GTES = 44,
    M_RGD = 48,
    M_GD = 56,
    M_OVERHEAD = 64,
    M_UNCLEAN = 72,
    M_NEWLINES = 73,
    M_COMPRESSION = 77,
    M_HEADER = 512,
};
#define MF_NEWLINES   1u
#define MF_REDUNDANT  2u
#define MF_ZERO_GRAIN 4u
#define MF_COMPRESSED (1u << 16)
#define MF_MARKERS    (1u << 17)
#define GD_AT_END     UINT64_MAX
#define GTE_ZERO      1u

struct vmdk_extent {
    struct block_file *file;
    bool flat;
    uint64_t start, size; /* bytes of the disk */
    uint64_t flat_offset;
    /* Sparse. */
    uint32_t flags, grain; /* grain: bytes */
    uint32_t gtes;         /* entries of a grain table */
    uint32_t ngd;
    uint32_t *gd, *rgd; /* sectors; rgd NULL: there is none */
    uint64_t gd_at, rgd_at;
    bool gd_dirty;
    struct tables gts;
    uint64_t end; /* where the next grain goes */
};

struct vmdk {
    struct vmdk_extent *extents;
    unsigned n;
    pthread_mutex_t lock; /* of the grain tables, among readers */
    char create_type[40];
    uint32_t cid, parent_cid;
    uint64_t cid_at;        /* of its eight digits in im->file; 0: it cannot be changed in place */
    uint64_t parent_cid_at; /* likewise */
    bool cid_changed;
};

#define vmdk_refuse(im, err, ...) (error_set(err, __VA_ARGS__), error_prefix(err, "%s", (im)->path))

/* Reads header and directory of x->file. embedded: the descriptor in it, or NULL, malloc'ed. */
bool vmdk_open_sparse(struct image *im, struct vmdk_extent *x, char **embedded, struct error *err);
void vmdk_close_sparse(struct vmdk_extent *x);
int vmdk_locate_sparse(struct image *im, struct vmdk_extent *x, uint64_t offset, uint64_t len,
                       struct image_extent *e);
int vmdk_allocate_sparse(struct image *im, struct vmdk_extent *x, uint64_t offset,
                         const struct image_fill *fill);
int vmdk_read_compressed(struct image *im, const struct image_extent *e, uint64_t offset, void *buf,
                         size_t len);
int vmdk_flush_sparse(struct vmdk_extent *x);
int vmdk_check_sparse(struct image *im, struct vmdk_extent *x, struct image_check *c);

/* The content ID of a VMDK image, given that it is one. */
uint32_t vmdk_cid(const struct image *im);
bool vmdk_create(const struct image_create *c, struct block_file *f, struct error *err);

#endif
