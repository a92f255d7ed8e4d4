/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shared folder: what Linux's client asks, what no client may have, and a client that goes on
 * after its machine was saved and loaded. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "devices/virtio/p9.h"
#include "devices/virtio/virtio_9p.h"
#include "tests/devices/virtio_box.h"

#define REQUEST 0x40000u
#define REPLY   0x50000u
#define ROOM    0x8000u

struct folder_box {
    struct vbox b;
    struct virtio_9p p9;
    struct fs_tree *tree;
    char dir[40], outside[64];
    uint8_t message[4096];
    struct p9_out out;
};

static void write_text(const char *dir, const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct folder_box *box_new(enum fs_model model, bool read_only)
{
    struct folder_box *x = calloc(1, sizeof(*x));
    const struct fs_options options = {model, read_only};
    struct virtio_9p_config config = {.tag = "share"};
    struct error err;
    char path[80];

    assert_non_null(x);
    strcpy(x->dir, "/tmp/calque-9p-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->outside, sizeof(x->outside), "%s/outside", x->dir);
    write_text(x->dir, "outside", "secret");
    snprintf(path, sizeof(path), "%s/in", x->dir);
    assert_int_equal(mkdir(path, 0755), 0);
    write_text(path, "file", "contents");
    strcat(path, "/sub");
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof(path), "%s/in/link", x->dir);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof(path), "%s/in", x->dir);
    x->tree = fs_tree_open(path, &options, &err);
    assert_non_null(x->tree);
    vbox_init(&x->b);
    config.tree = x->tree;
    config.pci = vbox_pci(&x->b);
    assert_true(virtio_9p_init(&x->p9, &x->b.r.m, "9p", &x->b.bus, VBOX_DEVFN, &config));
    vbox_map(&x->b);
    vbox_start(&x->b, 1);
    return x;
}

static void box_free(struct folder_box *x)
{
    char command[80];

    rig_end(&x->b.r);
    virtio_9p_destroy(&x->p9);
    fs_tree_close(x->tree);
    snprintf(command, sizeof(command), "rm -rf %s", x->dir);
    assert_int_equal(system(command), 0);
    free(x);
}

static int setup(void **state)
{
    *state = box_new(FS_NONE, false);
    return 0;
}

static int setup_mapped(void **state)
{
    *state = box_new(FS_MAPPED, false);
    return 0;
}

static int setup_read_only(void **state)
{
    *state = box_new(FS_PASSTHROUGH, true);
    return 0;
}

static int teardown(void **state)
{
    box_free(*state);
    return 0;
}

/* ---- requests: begin(), p9_put..(&x->out, ...), ask() ---- */

static struct p9_out *begin(struct folder_box *x, uint8_t type)
{
    x->out = (struct p9_out){.data = x->message, .max = sizeof(x->message)};
    p9_put(&x->out, 0, 4);
    p9_put(&x->out, type, 1);
    p9_put(&x->out, 7, 2);
    return &x->out;
}

/* Sends the request; 0, or the error that is the answer. */
static int ask(struct folder_box *x)
{
    struct vbox *b = &x->b;
    const uint8_t *reply = vbox_ram(b, REPLY);
    uint8_t type = x->message[4];
    unsigned before = vbox_used(b, 0);

    st_le32(x->message, (uint32_t)x->out.len);
    memcpy(vbox_ram(b, REQUEST), x->message, x->out.len);
    vbox_descriptor(b, 0, 0, REQUEST, (uint32_t)x->out.len, 1, 1);
    vbox_descriptor(b, 0, 1, REPLY, ROOM, 2, 0);
    vbox_available(b, 0, 0);
    vbox_kick(b, 0);
    assert_int_equal(vbox_used(b, 0), (before + 1) & 0xffff);
    assert_int_equal(vbox_written(b, 0, before), ld_le32(reply));
    assert_int_equal(ld_le16(reply + 5), 7);
    if (reply[4] == P9_RLERROR)
        return (int)ld_le32(reply + 7);
    assert_int_equal(reply[4], type + 1);
    return 0;
}

static const uint8_t *reply(struct folder_box *x)
{
    return vbox_ram(&x->b, REPLY) + P9_HEADER;
}

static void start_session(struct folder_box *x)
{
    struct p9_out *m = begin(x, P9_TVERSION);

    p9_put(m, 0x4000, 4);
    p9_put_string(m, "9P2000.L");
    assert_int_equal(ask(x), 0);
    assert_int_equal(ld_le32(reply(x)), 0x4000);
    m = begin(x, P9_TATTACH);
    p9_put(m, 0, 4);
    p9_put(m, UINT32_MAX, 4);
    p9_put_string(m, "nobody");
    p9_put_string(m, "");
    p9_put(m, getuid(), 4);
    assert_int_equal(ask(x), 0);
    assert_int_equal(reply(x)[0], 0x80);
}

/* names: "a/b"; "" is none. */
static int walk(struct folder_box *x, uint32_t fid, uint32_t new, const char *names)
{
    struct p9_out *m = begin(x, P9_TWALK);
    char copy[300], *at = copy, *name;
    size_t count_at;

    p9_put(m, fid, 4);
    p9_put(m, new, 4);
    count_at = m->len;
    p9_put(m, 0, 2);
    snprintf(copy, sizeof(copy), "%s", names);
    while (*names && (name = strsep(&at, "/"))) {
        p9_put_string(m, name);
        m->data[count_at]++;
    }
    return ask(x);
}

static int of_fid(struct folder_box *x, uint8_t type, uint32_t fid)
{
    p9_put(begin(x, type), fid, 4);
    return ask(x);
}

static int lopen(struct folder_box *x, uint32_t fid, uint32_t flags)
{
    struct p9_out *m = begin(x, P9_TLOPEN);

    p9_put(m, fid, 4);
    p9_put(m, flags, 4);
    return ask(x);
}

static int read_at(struct folder_box *x, uint8_t type, uint32_t fid, uint64_t offset,
                   uint32_t count)
{
    struct p9_out *m = begin(x, type);

    p9_put(m, fid, 4);
    p9_put(m, offset, 8);
    p9_put(m, count, 4);
    return ask(x);
}

static int write_at(struct folder_box *x, uint32_t fid, uint64_t offset, const char *text)
{
    struct p9_out *m = begin(x, P9_TWRITE);

    p9_put(m, fid, 4);
    p9_put(m, offset, 8);
    p9_put(m, strlen(text), 4);
    p9_put_bytes(m, text, strlen(text));
    return ask(x);
}

static int create(struct folder_box *x, uint32_t fid, const char *name)
{
    struct p9_out *m = begin(x, P9_TLCREATE);

    p9_put(m, fid, 4);
    p9_put_string(m, name);
    p9_put(m, 0100 | 2, 4);
    p9_put(m, 0640, 4);
    p9_put(m, getgid(), 4);
    return ask(x);
}

static int rename_at(struct folder_box *x, uint32_t from_dir, const char *from, uint32_t to_dir,
                     const char *to)
{
    struct p9_out *m = begin(x, P9_TRENAMEAT);

    p9_put(m, from_dir, 4);
    p9_put_string(m, from);
    p9_put(m, to_dir, 4);
    p9_put_string(m, to);
    return ask(x);
}

static int make(struct folder_box *x, uint8_t type, uint32_t fid, const char *name)
{
    struct p9_out *m = begin(x, type);

    p9_put(m, fid, 4);
    p9_put_string(m, name);
    if (type == P9_TSYMLINK)
        p9_put_string(m, "/etc/passwd");
    else
        p9_put(m, type == P9_TMKNOD ? S_IFCHR | 0600 : 0755, 4);
    if (type == P9_TMKNOD)
        p9_put(m, 1 | 3ull << 32, 8);
    p9_put(m, getgid(), 4);
    return ask(x);
}

static void save_and_load(struct folder_box *x)
{
    x->p9.bus.pci.dev.class->pre_save(&x->p9.bus.pci.dev);
    rig_round_trip(&x->b.r, &x->p9.bus.pci.dev);
}

static void expect_text(struct folder_box *x, const char *text)
{
    assert_int_equal(ld_le32(reply(x)), strlen(text));
    assert_memory_equal(reply(x) + 4, text, strlen(text));
}

/* ---- tests ---- */

static void identity(void **state)
{
    struct folder_box *x = *state;

    assert_int_equal(pci_config_read(&x->b.bus, VBOX_DEVFN, 0, 4), 0x10091af4);
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG, 2), 5);
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG + 2, 4), 0x72616873); /* "shar" */
    assert_int_equal(vbox_get(&x->b, VBOX_CONFIG + 7, 1), 0);
}

static void files(void **state)
{
    struct folder_box *x = *state;

    start_session(x);
    assert_int_equal(walk(x, 0, 1, "file"), 0);
    assert_int_equal(ld_le16(reply(x)), 1);
    assert_int_equal(read_at(x, P9_TREAD, 1, 0, 100), EBADF); /* not open */
    assert_int_equal(lopen(x, 1, 2), 0);
    assert_int_equal(read_at(x, P9_TREAD, 1, 3, 100), 0);
    expect_text(x, "tents");
    assert_int_equal(write_at(x, 1, 8, " and more"), 0);
    assert_int_equal(ld_le32(reply(x)), 9);
    assert_int_equal(read_at(x, P9_TREAD, 1, 0, 12), 0);
    expect_text(x, "contents and");
    assert_int_equal(read_at(x, P9_TREAD, 1, 1 << 20, 12), 0);
    expect_text(x, "");
    p9_put(begin(x, P9_TGETATTR), 1 | 0x7ffull << 32, 8);
    p9_put(&x->out, 0, 4);
    assert_int_equal(ask(x), 0);
    assert_int_equal(ld_le64(reply(x) + 8 + 13 + 12 + 16), 17); /* size */
    assert_int_equal(of_fid(x, P9_TCLUNK, 1), 0);
    assert_int_equal(of_fid(x, P9_TCLUNK, 1), EBADF);
    assert_int_equal(walk(x, 0, 1, "sub/none"), 0); /* how far it came; no fid */
    assert_int_equal(ld_le16(reply(x)), 1);
    assert_int_equal(of_fid(x, P9_TCLUNK, 1), EBADF);
    assert_int_equal(walk(x, 0, 1, "none"), ENOENT);
    assert_int_equal(walk(x, 0, 1, ""), 0);
    assert_int_equal(create(x, 1, "new"), 0);
    assert_int_equal(write_at(x, 1, 0, "x"), 0);
    assert_int_equal(x->b.messages[1] > 0, 1);
}

/* All names, some at a time. */
static void folders(void **state)
{
    struct folder_box *x = *state;
    unsigned seen = 0, rounds = 0;
    uint64_t offset = 0;
    uint32_t n;

    start_session(x);
    assert_int_equal(walk(x, 0, 1, ""), 0);
    assert_int_equal(lopen(x, 1, 0), 0);
    assert_int_equal(read_at(x, P9_TREADDIR, 1, 0, 10), EINVAL); /* none fits */
    do {
        assert_int_equal(read_at(x, P9_TREADDIR, 1, offset, 64), 0);
        n = ld_le32(reply(x));
        for (const uint8_t *e = reply(x) + 4, *end = e + n; e < end; seen++) {
            offset = ld_le64(e + 13);
            e += 24 + ld_le16(e + 22);
        }
        save_and_load(x); /* in the middle, too */
        rounds++;
    } while (n);
    assert_int_equal(seen, 5); /* ".", "..", file, link, sub */
    assert_true(rounds > 2);
    assert_int_equal(read_at(x, P9_TREAD, 1, 0, 10), EISDIR);
}

/* Names and links that would lead outside. */
static void outside(void **state)
{
    static const char *const bad[] = {"..", ".", "", "../outside", "sub/../../outside", "/"};
    struct folder_box *x = *state;

    start_session(x);
    assert_int_equal(walk(x, 0, 1, "../../.."), 0);
    assert_int_equal(walk(x, 1, 2, "outside"), ENOENT); /* it is the folder still */
    assert_int_equal(walk(x, 0, 3, "link"), 0);
    assert_int_equal(lopen(x, 3, 0), ELOOP);
    assert_int_equal(walk(x, 3, 4, "outside"), ENOTDIR);
    assert_int_equal(walk(x, 3, 4, "in"), ENOTDIR);
    assert_int_equal(walk(x, 0, 5, "sub"), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct p9_out *m = begin(x, P9_TWALK);

        p9_put(m, 0, 4);
        p9_put(m, 9, 4);
        p9_put(m, 1, 2);
        p9_put_string(m, bad[i]);
        if (i)
            assert_int_equal(ask(x), ENOENT);
        assert_int_equal(make(x, P9_TMKDIR, 5, bad[i]), EINVAL);
        assert_int_equal(make(x, P9_TSYMLINK, 5, bad[i]), EINVAL);
        assert_int_equal(create(x, 5, bad[i]), EINVAL);
        assert_int_equal(rename_at(x, 0, "file", 5, bad[i]), EINVAL);
        assert_int_equal(rename_at(x, 5, bad[i], 0, "got"), EINVAL);
        m = begin(x, P9_TUNLINKAT);
        p9_put(m, 5, 4);
        p9_put_string(m, bad[i]);
        p9_put(m, i & 1 ? 0x200 : 0, 4);
        assert_int_equal(ask(x), EINVAL);
    }
    assert_int_equal(of_fid(x, P9_TREMOVE, 1), EBUSY); /* the folder itself */
    assert_int_equal(access(x->outside, F_OK), 0);
}

/* A component becomes a link behind the client's back. */
static void exchanged(void **state)
{
    struct folder_box *x = *state;
    char path[80];

    start_session(x);
    assert_int_equal(walk(x, 0, 1, "sub"), 0);
    snprintf(path, sizeof(path), "%s/in/sub", x->dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("..", path), 0);
    assert_int_equal(walk(x, 1, 2, "outside"), ENOTDIR);
    assert_int_equal(create(x, 1, "new"), ENOTDIR);
    assert_int_equal(make(x, P9_TMKDIR, 1, "new"), ENOTDIR);
}

static void renames(void **state)
{
    struct folder_box *x = *state;

    start_session(x);
    assert_int_equal(walk(x, 0, 1, "sub"), 0);
    assert_int_equal(walk(x, 0, 2, "sub"), 0);
    assert_int_equal(create(x, 2, "deep"), 0);
    assert_int_equal(write_at(x, 2, 0, "here"), 0);
    assert_int_equal(rename_at(x, 0, "sub", 0, "other"), 0);
    assert_int_equal(walk(x, 1, 3, "deep"), 0); /* the fid has come along */
    save_and_load(x);
    assert_int_equal(read_at(x, P9_TREAD, 2, 0, 9), 0);
    expect_text(x, "here");
    assert_int_equal(of_fid(x, P9_TREMOVE, 3), 0);
    assert_int_equal(walk(x, 1, 3, "deep"), ENOENT);
    assert_int_equal(read_at(x, P9_TREAD, 2, 0, 9), 0); /* open still */
    expect_text(x, "here");
    save_and_load(x);
    assert_int_equal(read_at(x, P9_TREAD, 2, 0, 9), ESTALE); /* but not there again */
    assert_int_equal(of_fid(x, P9_TCLUNK, 2), 0);
}

static void saved(void **state)
{
    struct folder_box *x = *state;
    char value[8] = "";
    char path[80];

    start_session(x);
    assert_int_equal(walk(x, 0, 3, "file"), 0);
    assert_int_equal(lopen(x, 3, 2 | 01000), 0); /* emptied now, not when it is loaded */
    assert_int_equal(write_at(x, 3, 0, "kept"), 0);
    assert_int_equal(walk(x, 0, 4, "file"), 0);
    struct p9_out *m = begin(x, P9_TXATTRCREATE);

    p9_put(m, 4, 4);
    p9_put_string(m, "user.test");
    p9_put(m, 5, 8);
    p9_put(m, 0, 4);
    assert_int_equal(ask(x), 0);
    assert_int_equal(write_at(x, 4, 0, "va"), 0);
    save_and_load(x);
    assert_int_equal(read_at(x, P9_TREAD, 3, 0, 9), 0);
    expect_text(x, "kept");
    assert_int_equal(write_at(x, 4, 2, "lue"), 0);
    int error = of_fid(x, P9_TCLUNK, 4);

    if (error == EOPNOTSUPP)
        return; /* the host's /tmp has none */
    assert_int_equal(error, 0);
    snprintf(path, sizeof(path), "%s/in/file", x->dir);
    assert_int_equal(getxattr(path, "user.test", value, sizeof(value)), 5);
    assert_string_equal(value, "value");
    assert_int_equal(walk(x, 0, 4, "file"), 0);
    m = begin(x, P9_TXATTRWALK);
    p9_put(m, 4, 4);
    p9_put(m, 5, 4);
    p9_put_string(m, "user.test");
    assert_int_equal(ask(x), 0);
    assert_int_equal(ld_le64(reply(x)), 5);
    save_and_load(x);
    assert_int_equal(read_at(x, P9_TREAD, 5, 1, 3), 0);
    expect_text(x, "alu");
}

static void mapped(void **state)
{
    struct folder_box *x = *state;
    char path[80];
    struct stat st;

    snprintf(path, sizeof(path), "%s/in/file", x->dir);
    if (setxattr(path, "user.virtfs.probe", "", 0, 0))
        skip();
    start_session(x);
    assert_int_equal(make(x, P9_TMKNOD, 0, "device"), 0);
    assert_int_equal(make(x, P9_TSYMLINK, 0, "pointer"), 0);
    assert_int_equal(reply(x)[0], 2);
    snprintf(path, sizeof(path), "%s/in/device", x->dir);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(walk(x, 0, 1, "device"), 0);
    p9_put(begin(x, P9_TGETATTR), 1 | 0x7ffull << 32, 8);
    p9_put(&x->out, 0, 4);
    assert_int_equal(ask(x), 0);
    assert_int_equal(ld_le32(reply(x) + 8 + 13), S_IFCHR | 0600);
    assert_int_equal(ld_le64(reply(x) + 8 + 13 + 20), 0x103);
    assert_int_equal(walk(x, 0, 2, "pointer"), 0);
    assert_int_equal(of_fid(x, P9_TREADLINK, 2), 0);
    assert_memory_equal(reply(x) + 2, "/etc/passwd", 11);
    struct p9_out *m = begin(x, P9_TXATTRWALK); /* they are hidden */

    p9_put(m, 1, 4);
    p9_put(m, 3, 4);
    p9_put_string(m, "");
    assert_int_equal(ask(x), 0);
    assert_int_equal(ld_le64(reply(x)), 0);
}

static void read_only(void **state)
{
    struct folder_box *x = *state;

    start_session(x);
    assert_int_equal(walk(x, 0, 1, "file"), 0);
    assert_int_equal(lopen(x, 1, 1), EROFS);
    assert_int_equal(lopen(x, 1, 01000), EROFS);
    assert_int_equal(make(x, P9_TMKDIR, 0, "new"), EROFS);
    assert_int_equal(rename_at(x, 0, "file", 0, "new"), EROFS);
    assert_int_equal(of_fid(x, P9_TREMOVE, 1), EROFS);
    assert_int_equal(walk(x, 0, 1, "file"), 0);
    assert_int_equal(lopen(x, 1, 0), 0);
    assert_int_equal(read_at(x, P9_TREAD, 1, 0, 9), 0);
    expect_text(x, "contents");
}

/* A fid's folder is a FIFO: nobody waits for its other end. */
static void not_files(void **state)
{
    struct folder_box *x = *state;
    char path[80];

    snprintf(path, sizeof(path), "%s/in/fifo", x->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    start_session(x);
    assert_int_equal(walk(x, 0, 1, "fifo"), 0);
    assert_int_equal(lopen(x, 1, 0), ENXIO);
    assert_int_equal(make(x, P9_TMKNOD, 0, "null"), EPERM);
}

/* A client that takes all it can gets errors, and can go on. */
static void greedy(void **state)
{
    struct folder_box *x = *state;
    uint32_t fid = 1;
    int error;

    start_session(x);
    while (!(error = walk(x, 0, fid, "sub")))
        fid++;
    assert_int_equal(error, ENOMEM);
    assert_true(fid > 20000 && fid < 40000);
    assert_int_equal(of_fid(x, P9_TCLUNK, 1), 0);
    assert_int_equal(walk(x, 0, 1, "file"), 0);
    save_and_load(x);
    assert_int_equal(lopen(x, 1, 0), 0);
    start_session(x);
    assert_int_equal(x->p9.server.nfids, 1);
    assert_int_equal(x->p9.server.nopen, 0);
}

static void malformed(void **state)
{
    struct folder_box *x = *state;
    struct p9_out *m;

    start_session(x);
    assert_int_equal(of_fid(x, 102, 0), EOPNOTSUPP); /* Tauth */
    assert_int_equal(of_fid(x, P9_TLOPEN, 0), EPROTO);
    m = begin(x, P9_TWALK);
    p9_put(m, 0, 4);
    p9_put(m, 1, 4);
    p9_put(m, 1, 2);
    p9_put(m, 0xffff, 2);
    assert_int_equal(ask(x), EPROTO);
    m = begin(x, P9_TWRITE);
    p9_put(m, 0, 4);
    p9_put(m, 0, 8);
    p9_put(m, UINT32_MAX, 4);
    assert_int_equal(ask(x), EPROTO);
    vbox_descriptor(&x->b, 0, 0, REQUEST, 11, 1, 1);
    vbox_descriptor(&x->b, 0, 1, REPLY, 10, 2, 0);
    vbox_available(&x->b, 0, 0);
    vbox_kick(&x->b, 0);
    assert_true(vbox_is_broken(&x->b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(identity, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test_setup_teardown(folders, setup, teardown),
        cmocka_unit_test_setup_teardown(outside, setup, teardown),
        cmocka_unit_test_setup_teardown(exchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(renames, setup, teardown),
        cmocka_unit_test_setup_teardown(saved, setup, teardown),
        cmocka_unit_test_setup_teardown(mapped, setup_mapped, teardown),
        cmocka_unit_test_setup_teardown(read_only, setup_read_only, teardown),
        cmocka_unit_test_setup_teardown(not_files, setup, teardown),
        cmocka_unit_test_setup_teardown(greedy, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
