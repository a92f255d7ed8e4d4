/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/disk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "host/block/drive.h"
#include "host/block/format.h"

#define ACTIONS   24
#define CHECK_MAX (1u << 30) /* virtual bytes; more would only take longer */

/* A new image with some data in it. */
static void make_base(struct disk_bases *b, unsigned n)
{
    struct option_list l = {0};
    struct fuzz_file f;
    struct image_create c = {.format = b->format, .size = b->size, .options = &l};
    struct image_options o = {.format = b->format, .no_locks = true, .cache = FILE_UNSAFE};
    uint8_t data[3000];
    struct image *im;
    struct error err;

    memset(data, 0x5a, sizeof(data));
    fuzz_file_open(&f, "", 0);
    c.path = f.path;
    fuzz_check(!*b->options[n] || option_list_parse(&l, b->options[n], NULL, &err));
    fuzz_check(image_create(&c, &err));
    im = image_open(f.path, &o, &err);
    fuzz_check(im);
    fuzz_check(image_write(im, 1000, data, sizeof(data)) == 0);
    fuzz_check(image_write(im, b->size / 2, data, sizeof(data)) == 0);
    if (image_compresses(im))
        fuzz_check(image_write_compressed(im, 3ull * image_cluster(im), data, 512) == 0);
    fuzz_check(image_close(im) == 0);
    b->made[n].size = (size_t)lseek(f.fd, 0, SEEK_END);
    b->made[n].data = malloc(b->made[n].size);
    fuzz_check(pread(f.fd, b->made[n].data, b->made[n].size, 0) == (ssize_t)b->made[n].size);
    fuzz_file_close(&f);
    option_list_free(&l);
}

/* The base's pages that are not zeros: most are. */
static void put_base(const struct disk_base *base, struct fuzz_file *f)
{
    static const uint8_t zeros[4096];

    fuzz_file_open(f, "", 0);
    fuzz_check(ftruncate(f->fd, (off_t)base->size) == 0);
    for (size_t at = 0; at < base->size; at += sizeof(zeros)) {
        size_t n = base->size - at < sizeof(zeros) ? base->size - at : sizeof(zeros);

        if (memcmp(base->data + at, zeros, n) != 0)
            fuzz_check(pwrite(f->fd, base->data + at, n, (off_t)at) == (ssize_t)n);
    }
}

/* The file that the input asks for. */
static void open_file(struct disk_bases *b, struct fuzz_input *in, struct fuzz_file *f)
{
    unsigned n = fuzz_u8(in) % (DISK_BASES + 1);
    size_t size;

    if (n == DISK_BASES || !b->options[n]) {
        uint8_t *bytes = fuzz_bytes(in, 60000, &size);

        fuzz_file_open(f, bytes, size);
        free(bytes);
        return;
    }
    if (!b->made[n].data)
        make_base(b, n);
    put_base(&b->made[n], f);
    size = b->made[n].size;
    for (unsigned changes = fuzz_u8(in) % 8; changes; changes--) {
        uint64_t at = fuzz_u16(in), len = fuzz_u8(in) % 16 + 1;

        at = at & 0x8000 ? (at & 0x7fff) * 64 : at;
        for (; len; len--, at++) {
            uint8_t byte = fuzz_u8(in);

            fuzz_check(pwrite(f->fd, &byte, 1, (off_t)(at % size)) == 1);
        }
    }
    if (fuzz_u8(in) % 8 == 0) /* cut off */
        fuzz_check(ftruncate(f->fd, (off_t)(fuzz_u32(in) % size)) == 0);
}

static void count_line(void *opaque, const char *name, const char *value, enum image_info_kind kind)
{
    (void)kind;
    *(size_t *)opaque += strlen(name) + strlen(value);
}

static void listen(void *opaque, const char *text)
{
    (void)opaque;
    fuzz_check(!strchr(text, '\n'));
}

/* One thing that a guest or a person does. */
static void act(struct image *im, struct fuzz_input *in)
{
    static uint8_t buf[9000];
    uint64_t size = image_size(im), at = size ? fuzz_number(in) % size : 0;
    size_t len = fuzz_u16(in) % sizeof(buf);
    struct image_extent e;
    struct error err;

    len = len < size - at ? len : (size_t)(size - at);
    switch (fuzz_u8(in) % 9) {
    case 0:
    case 1:
        (void)image_read(im, at, buf, len);
        break;
    case 2:
    case 3:
        (void)image_write(im, at, buf, len);
        break;
    case 4:
        (void)image_zero(im, at, len, fuzz_u8(in) & 1);
        break;
    case 5:
        (void)image_discard(im, at, len);
        break;
    case 6:
        (void)image_flush(im);
        break;
    case 7:
        if (len)
            (void)image_chain_status(im, at, len, &e);
        break;
    case 8:
        if (size < CHECK_MAX)
            (void)image_resize(im, size / 2 + fuzz_u16(in) * 64ull, &err);
    }
}

/* More snapshots than a few only take longer. */
static bool checkable(struct image *im, const struct fuzz_file *f)
{
    uint8_t field[4] = {0};

    if (strcmp(image_format(im), "qcow2") == 0 && pread(f->fd, field, 4, 60) == 4 &&
        (field[0] || field[1] || field[2] || field[3] > 3))
        return false;
    return image_size(im) < CHECK_MAX;
}

static void use(struct fuzz_file *f, struct disk_bases *b, struct fuzz_input *in, bool read_only)
{
    uint8_t how = fuzz_u8(in), magic[4] = {0};
    struct image_options o = {.format = how & 1 ? b->format : NULL,
                              .read_only = read_only || (how & 2),
                              .no_backing = true,
                              .repair = how & 4,
                              .no_locks = true,
                              .cache = FILE_UNSAFE,
                              .report = {.fn = listen}};
    struct image_check c = {.say = listen};
    struct error err = {""};
    struct image *im;
    size_t n = 0;

    /* A VMDK descriptor names files, whichever. */
    if (strcmp(b->format, "vmdk") == 0 &&
        (pread(f->fd, magic, 4, 0) != 4 || memcmp(magic, "KDMV", 4) != 0))
        o.read_only = true;
    im = image_open(f->path, &o, &err);

    if (!im) {
        fuzz_check(err.text[0] && !strchr(err.text, '\n'));
        return;
    }
    image_info(im, count_line, &n);
    for (unsigned i = 0; i < ACTIONS && in->left; i++)
        act(im, in);
    if (checkable(im, f))
        (void)image_check(im, &c,
                          o.read_only || !o.repair ? REPAIR_NOTHING
                          : how & 8                ? REPAIR_ALL
                                                   : REPAIR_LEAKS);
    (void)image_close(im);
}

void fuzz_disk(struct disk_bases *b, const uint8_t *data, size_t size, bool read_only)
{
    struct fuzz_input in = {data, size};
    struct fuzz_file f;
    enum drive_guess guess;
    const char *format;
    struct error err = {""};

    open_file(b, &in, &f);
    if (!drive_guess(f.path, &guess, &format, &err))
        fuzz_check(err.text[0] && !strchr(err.text, '\n'));
    use(&f, b, &in, read_only);
    if (in.left)
        use(&f, b, &in, read_only);
    fuzz_file_close(&f);
}
