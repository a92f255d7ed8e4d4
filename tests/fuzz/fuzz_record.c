/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recordings: any bytes, and the log of a good one with changes, are refused or replayed, to the
 * end or up to where the machine and the log part. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/error.h"
#include "tests/fuzz/box.h"
#include "vm/record.h"

static void parse(const uint8_t *data, size_t size)
{
    struct record_log log;
    struct error err = {""};

    if (record_log_parse(&log, "x", data, size, &err)) {
        fuzz_check(!log.truncated || log.problem[0]);
        record_log_free(&log);
    } else {
        fuzz_check(err.text[0] && !strchr(err.text, '\n'));
    }
}

/* A recording with some input, in a file of memory. */
static void record(struct fuzz_input *in, unsigned ncpus, const char *path)
{
    static const struct record_header header = {0};
    const struct record_setup setup = {.path = path, .header = &header, .check_every = 20};
    struct box *b = box_get(ncpus);
    struct input_source *s = b->pc.m.sources;
    struct error err = {""};

    machine_lock(&b->pc.m);
    fuzz_check(record_begin(&b->pc.m, &setup, &err));
    machine_unlock(&b->pc.m);
    for (unsigned n = fuzz_u8(in) % 16; n; n--) {
        uint8_t bytes[4];

        st_le32(bytes, fuzz_u32(in));
        for (unsigned k = fuzz_u8(in) % 8; k; k--)
            s = s->next ? s->next : b->pc.m.sources;
        input_push(&b->pc.m, s, bytes, 1 + fuzz_u8(in) % 4);
        box_run(b, 1 + fuzz_u8(in));
    }
    machine_lock(&b->pc.m);
    record_end(&b->pc.m);
    machine_unlock(&b->pc.m);
}

static void patch_entry(struct record_entry *e, struct fuzz_input *in)
{
    switch (fuzz_u8(in) % 8) {
    case 0:
        e->kind = fuzz_u8(in) % RECORD_NUM_KINDS;
        break;
    case 1:
        e->source = fuzz_u8(in);
        break;
    case 2:
        e->error = fuzz_u8(in);
        break;
    case 3:
        e->insns += fuzz_number(in);
        break;
    case 4:
        e->ns += fuzz_number(in);
        break;
    case 5:
        e->fired += fuzz_u8(in);
        break;
    case 6:
        e->len = e->len ? fuzz_u32(in) % (e->len + 1) : 0;
        break;
    default:
        if (e->len)
            e->data[fuzz_u32(in) % e->len] ^= fuzz_u8(in) | 1;
    }
}

static void patch(struct record_log *log, struct fuzz_input *in)
{
    struct state_stream *s = &log->header.state;

    for (unsigned n = 0; n < 32 && in->left && log->n; n++)
        patch_entry(log->entries[fuzz_u16(in) % log->n], in);
    if (fuzz_u8(in) % 16 == 1 && s->len)
        s->data[fuzz_u32(in) % s->len] ^= 1;
}

static void replay(struct fuzz_input *in, unsigned ncpus, const char *path)
{
    struct record_log log;
    struct box *b;
    struct error err = {""};

    fuzz_check(record_log_read(&log, path, &err));
    patch(&log, in);
    b = box_get(ncpus);
    machine_lock(&b->pc.m);
    if (record_replay(&b->pc.m, &log, fuzz_u8(in) & 1 ? UINT64_MAX : 0, &err)) {
        machine_unlock(&b->pc.m);
        box_run(b, 5000);
        machine_lock(&b->pc.m);
    } else {
        fuzz_check(err.text[0] && !strchr(err.text, '\n'));
    }
    record_end(&b->pc.m);
    machine_unlock(&b->pc.m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    static int fd = -1;
    static char path[64];
    unsigned ncpus = 1 + (size & 1);

    if (fd < 0)
        fd = memfd_create("fuzz-record", 0);
    fuzz_check(fd >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fuzz_u8(&in) & 1) {
        parse(in.data, in.left);
        return 0;
    }
    record(&in, ncpus, path);
    replay(&in, ncpus, path);
    return 0;
}
