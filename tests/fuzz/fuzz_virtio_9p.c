/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shared folder, a real one, with requests that are nearly right: whatever the guest asks,
 * nothing beside the folder changes. */
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "devices/virtio/p9.h"
#include "devices/virtio/virtio_9p.h"
#include "tests/fuzz/virtio_chip.h"

static struct pci_bus bus;
static struct virtio_9p p9;
static struct fs_tree *tree;
static char dir[40];

/* The fields behind the header: d a fid or number of 32 bits, q 64, w 16, b 8, s a name; * n names,
 * . bytes. */
static const struct {
    uint8_t type;
    const char *fields;
} requests[] = {
    {P9_TVERSION, "dv"},         {P9_TATTACH, "ddssd"},
    {P9_TWALK, "dd*"},           {P9_TWALK, "dd*"},
    {P9_TLOPEN, "dd"},           {P9_TLCREATE, "dsddd"},
    {P9_TREAD, "dqd"},           {P9_TWRITE, "dq."},
    {P9_TREADDIR, "dqd"},        {P9_TCLUNK, "d"},
    {P9_TREMOVE, "d"},           {P9_TGETATTR, "dq"},
    {P9_TSETATTR, "dddddqqqqq"}, {P9_TXATTRWALK, "dds"},
    {P9_TXATTRCREATE, "dsqd"},   {P9_TREADLINK, "d"},
    {P9_TMKDIR, "dsdd"},         {P9_TMKNOD, "dsdddd"},
    {P9_TSYMLINK, "dssd"},       {P9_TLINK, "dds"},
    {P9_TRENAME, "dds"},         {P9_TRENAMEAT, "dsds"},
    {P9_TUNLINKAT, "dsd"},       {P9_TFSYNC, "dd"},
    {P9_TSTATFS, "d"},           {P9_TLOCK, "dbdqqds"},
    {P9_TGETLOCK, "dbqqds"},     {P9_TFLUSH, "w"},
};

static void put_name(struct p9_out *out, struct fuzz_input *in)
{
    static const char *const names[] = {
        "a", "b",   "sub",  "link",           "..", ".", "outside", "user.x", "",
        "/", "a/b", "../a", "user.virtfs.uid"};
    uint8_t which = fuzz_u8(in);
    char *text;

    if (which < 200) {
        p9_put_string(out, names[which % ARRAY_SIZE(names)]);
        return;
    }
    text = fuzz_string(in, 300);
    p9_put_string(out, text);
    free(text);
}

static void put_field(struct p9_out *out, char field, struct fuzz_input *in)
{
    uint8_t *bytes, n;
    size_t size;

    switch (field) {
    case 'd':
        n = fuzz_u8(in);
        p9_put(out, n < 240 ? n & 15 : fuzz_number(in), 4);
        break;
    case 'q':
        n = fuzz_u8(in);
        p9_put(out, n < 240 ? n : fuzz_number(in), 8);
        break;
    case 'w':
    case 'b':
        p9_put(out, fuzz_u8(in), field == 'w' ? 2 : 1);
        break;
    case 's':
        put_name(out, in);
        break;
    case 'v':
        p9_put_string(out, "9P2000.L");
        break;
    case '*':
        n = fuzz_u8(in) & 3;
        p9_put(out, n, 2);
        while (n--)
            put_name(out, in);
        break;
    default:
        bytes = fuzz_bytes(in, 100, &size);
        p9_put(out, size, 4);
        p9_put_bytes(out, bytes, size);
        free(bytes);
        break;
    }
}

static void ask(struct rig *r, struct fuzz_input *in)
{
    uint8_t message[4096], which = fuzz_u8(in), how = fuzz_u8(in);
    struct p9_out out = {.data = message, .len = 0, .max = sizeof(message)};
    const char *fields = requests[which % ARRAY_SIZE(requests)].fields;

    p9_put(&out, 0, 4);
    p9_put(&out, requests[which % ARRAY_SIZE(requests)].type, 1);
    p9_put(&out, which, 2);
    while (*fields)
        put_field(&out, *fields++, in);
    if (how & 0x10)
        out.len = P9_HEADER + how % (out.len - P9_HEADER + 1); /* cut off */
    st_le32(message, (uint32_t)out.len + (how & 0x20 ? fuzz_u8(in) : 0));
    vchip_submit_bytes(r, in, how & 0x80 ? how & 15 : 0, message, out.len);
}

/* ---- the folder ---- */

static void make_file(const char *name, const char *text)
{
    char path[80];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    fuzz_check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    remove(path);
    return 0;
}

/* Nothing but the folder and the file beside it, which is as it was. */
static void check_outside(void)
{
    char path[80], text[16] = "";
    unsigned entries = 0;
    DIR *d = opendir(dir);
    FILE *f;

    fuzz_check(d);
    while (readdir(d))
        entries++;
    closedir(d);
    fuzz_check(entries == 4);
    snprintf(path, sizeof(path), "%s/outside", dir);
    f = fopen(path, "r");
    fuzz_check(f && fgets(text, sizeof(text), f) && !strcmp(text, "secret"));
    fclose(f);
}

static void add(struct rig *r)
{
    const struct fs_options options = {FS_MAPPED, false};
    const struct virtio_9p_config config = {.tag = "share",
                                            .pci = {.class = 0x0002, .msi = rig_msi(r)}};
    struct virtio_9p_config with_tree = config;
    char path[80];
    struct error err;

    /* In memory, where fsync() costs nothing. */
    strcpy(dir, "/dev/shm/calque-fuzz-XXXXXX");
    if (!mkdtemp(dir)) {
        strcpy(dir, "/tmp/calque-fuzz-XXXXXX");
        fuzz_check(mkdtemp(dir));
    }
    snprintf(path, sizeof(path), "%s/in", dir);
    fuzz_check(mkdir(path, 0755) == 0);
    make_file("outside", "secret");
    make_file("in/a", "text");
    tree = fs_tree_open(path, &options, &err);
    fuzz_check(tree);
    strcat(path, "/sub");
    fuzz_check(mkdir(path, 0755) == 0);
    snprintf(path, sizeof(path), "%s/in/link", dir);
    fuzz_check(symlink("..", path) == 0);
    bus = (struct pci_bus){.confadd = 0};
    pci_bus_init(&bus, &r->m, "pci");
    with_tree.tree = tree;
    fuzz_check(virtio_9p_init(&p9, &r->m, "9p", &bus, VCHIP_DEVFN, &with_tree));
    vchip_configure(&bus);
    vchip_start(r, &bus, UINT32_MAX, false, 1);
}

static void forget(struct rig *r)
{
    (void)r;
    virtio_9p_destroy(&p9);
    fs_tree_close(tree);
    check_outside();
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if ((what & 0x1c) == 0x1c)
        vchip_event(r, &bus, in, what, 1);
    else
        ask(r, in);
}

static const struct fuzz_chip chip = {
    .windows = {VCHIP_WINDOWS}, .add = add, .remove = forget, .event = event};

FUZZ_CHIP_TARGET(chip)
