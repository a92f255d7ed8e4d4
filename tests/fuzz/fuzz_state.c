/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saved states: any bytes, and a good one with changes, are refused or loaded; what was loaded
 * runs, and can be saved and loaded again. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tests/fuzz/box.h"

static void patch(struct state_stream *s, struct fuzz_input *in)
{
    while (in->left) {
        size_t at = (fuzz_u16(in) | (size_t)fuzz_u8(in) << 16) % s->len;
        unsigned n = 1 + (fuzz_u8(in) & 7);

        while (n-- && at < s->len)
            s->data[at++] = fuzz_u8(in);
    }
}

/* The stream that the input asks for, in memory of just its size. */
static void make_stream(struct box *b, struct fuzz_input *in, struct state_stream *s)
{
    uint8_t how = fuzz_u8(in);
    struct state_stream saved = {0};

    fuzz_check(machine_save(&b->pc.m, &saved));
    s->len = how & 1 ? saved.len : in->left;
    if (how & 2)
        s->len = (fuzz_u32(in) & 0xffffff) % (s->len + 1);
    s->data = malloc(s->len ? s->len : 1);
    fuzz_check(s->data);
    if (how & 1)
        memcpy(s->data, saved.data, s->len);
    else
        memcpy(s->data, in->data, s->len < in->left ? s->len : (s->len = in->left));
    if (how & 1 && s->len)
        patch(s, in);
    s->capacity = s->len;
    state_stream_free(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct box *b = box_get(1 + (size & 1));
    struct state_stream s = {0};
    struct error err = {""};

    machine_lock(&b->pc.m);
    make_stream(b, &in, &s);
    if (machine_load(&b->pc.m, &s, &err)) {
        machine_unlock(&b->pc.m);
        box_run(b, 300);
        machine_lock(&b->pc.m);
        fuzz_round_trip(&b->pc.m);
    } else {
        fuzz_check(err.text[0] && !strchr(err.text, '\n'));
    }
    machine_unlock(&b->pc.m);
    state_stream_free(&s);
    return 0;
}
