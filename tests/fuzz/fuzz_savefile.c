/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved machines: any bytes; and well-formed sections, with right digests, of any content and in
 * any order. They are refused with a line that names a place, or the machine is what they say. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/fuzz/fuzz.h"
#include "vm/restore.h"

#define MEMORY   (80u * VM_PAGE_SIZE)
#define FILE_MAX (1u << 20)

struct chip {
    struct device dev;
    uint8_t value;
    uint8_t bytes[5];
};

static const struct state_field fields[] = {STATE_U8_MAX(struct chip, value, 9),
                                            STATE_BYTES(struct chip, bytes), STATE_FIELDS_END};
static const struct device_class chip_class = {.type = "chip", .version = 1, .fields = fields};

struct bench {
    struct machine m;
    struct chip chip;
    uint8_t data[FILE_MAX];
    size_t len, pos;
};

static bool put(void *opaque, const void *data, size_t len, struct error *err)
{
    struct bench *b = opaque;

    if (len > FILE_MAX - b->len)
        return error_set(err, "full");
    memcpy(b->data + b->len, data, len);
    b->len += len;
    return true;
}

static bool get(void *opaque, void *data, size_t len, struct error *err)
{
    struct bench *b = opaque;

    if (len > b->len - b->pos)
        return error_set(err, "it ends in the middle");
    memcpy(data, b->data + b->pos, len);
    b->pos += len;
    return true;
}

static void load(struct bench *b, bool check_only)
{
    struct save_reader r = {.read = get, .opaque = b};
    struct restore t = {.m = &b->m, .cpu = "fuzz", .check_only = check_only};
    struct error err = {""};
    bool ok;

    b->pos = 0;
    ok = restore_read(&t, &r, &err);
    fuzz_check(ok || (err.text[0] && !strchr(err.text, '\n')));
    if (ok && !check_only)
        fuzz_check(restore_apply(&t, &err) || err.text[0]);
    fuzz_check(b->chip.value <= 9);
    restore_free(&t);
}

static void add_machine(struct bench *b, struct save_writer *w, struct fuzz_input *in)
{
    char *about = savefile_describe(&b->m, "fuzz");
    size_t len = strlen(about);
    struct error err;

    if (fuzz_u8(in) % 16 == 0)
        about[fuzz_u8(in) % len] ^= (char)fuzz_u8(in);
    (void)save_section(w, TAG_MACHINE, 0, about, len, &err);
    free(about);
}

static void add_state(struct bench *b, struct save_writer *w, struct fuzz_input *in)
{
    struct state_stream s = {0};
    struct error err;

    fuzz_check(machine_save(&b->m, &s));
    for (unsigned n = fuzz_u8(in) % 4; n; n--)
        s.data[fuzz_u16(in) % s.len] = fuzz_u8(in);
    (void)save_section(w, TAG_STATE, 0, s.data, s.len, &err);
    state_stream_free(&s);
}

static void add_bytes(struct save_writer *w, struct fuzz_input *in)
{
    static const uint32_t tags[] = {TAG_MACHINE, TAG_PAGES, TAG_RAM,   TAG_SUMS,
                                    TAG_STATE,   TAG_DONE,  0x20202020};
    uint8_t data[200];
    unsigned len = fuzz_u8(in) % sizeof(data), tag = fuzz_u8(in);
    struct error err;

    for (unsigned n = 0; n < len; n++)
        data[n] = fuzz_u8(in);
    (void)save_section(w, tags[tag % 7], tag >> 7, data, len, &err);
}

static void add_pages(struct save_writer *w, struct fuzz_input *in)
{
    static const uint8_t page[SAVEFILE_PAGES * VM_PAGE_SIZE] = {1};
    uint64_t first = fuzz_u8(in);
    unsigned n = fuzz_u8(in) % (SAVEFILE_PAGES + 1);
    struct error err;

    w->compression = (enum compression)(fuzz_u8(in) % 3);
    (void)save_pages(w, first, n, n % 2 ? page : NULL, fuzz_u8(in) & 1, &err);
}

/* With its bytes, all zeros, and their digests. */
static void add_ram(struct bench *b, struct save_writer *w, struct fuzz_input *in)
{
    uint64_t bytes = fuzz_u8(in) % 8 ? b->m.arena.size : fuzz_u16(in);
    struct error err;

    if (save_ram(w, bytes, &err) && bytes <= FILE_MAX - b->len) {
        memset(b->data + b->len, 0, bytes);
        b->len += bytes;
    }
}

static void compose(struct bench *b, struct fuzz_input *in)
{
    struct save_writer w = {.write = put, .opaque = b};
    struct error err;

    fuzz_check(save_begin(&w, &err));
    add_machine(b, &w, in);
    for (unsigned n = fuzz_u8(in) % 8; n; n--)
        switch (fuzz_u8(in) % 5) {
        case 0:
            add_machine(b, &w, in);
            break;
        case 1:
            add_bytes(&w, in);
            break;
        case 2:
            add_pages(&w, in);
            break;
        case 3:
            add_ram(b, &w, in);
            break;
        default:
            add_state(b, &w, in);
        }
    add_state(b, &w, in);
    (void)save_end(&w, &err);
    save_free(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct bench *b = calloc(1, sizeof(*b));
    unsigned kind = fuzz_u8(&in);

    if (!b)
        return 0;
    fuzz_check(machine_init(&b->m, MEMORY, 0, NULL));
    device_init(&b->chip.dev, &b->m, &chip_class, "chip");
    if (kind % 8 == 0) {
        b->len = in.left < FILE_MAX ? in.left : FILE_MAX;
        memcpy(b->data, in.data, b->len);
    } else {
        compose(b, &in);
        if (kind % 8 == 1 && b->len)
            b->data[fuzz_u32(&in) % b->len] ^= fuzz_u8(&in);
    }
    load(b, true);
    load(b, false);
    machine_destroy(&b->m);
    free(b);
    return 0;
}
