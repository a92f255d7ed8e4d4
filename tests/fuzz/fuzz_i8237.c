/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DMA controllers: clients on all channels, which move what they like. */
#include "devices/misc/i8237.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static struct i8237 dma;
static struct client {
    unsigned channel, served;
    uint64_t sum;
    uint8_t willing; /* of what is offered, in 255ths; 0: nothing */
    bool drops;      /* takes DREQ back from within the transfer */
} clients[8];

/* Bytes through all of the buffer, so that a sanitizer sees one that is too short. */
static size_t transfer(void *opaque, enum i8237_direction dir, uint8_t *buf, size_t len, bool last)
{
    struct client *c = opaque;
    size_t n = len * c->willing / 255;

    (void)last;
    fuzz_check(len >= 1 && len <= I8237_CHUNK);
    if (dir == I8237_TO_MEMORY)
        memset(buf, 0x5a, len);
    else if (dir == I8237_FROM_MEMORY)
        c->sum = digest_bytes(buf, len, 0);
    c->served++;
    if (c->channel > 4)
        n &= ~(size_t)1;
    if (n < len || c->drops)
        i8237_request(&dma, c->channel, false);
    return n;
}

static void add(struct rig *r)
{
    dma = (struct i8237){.dev = {0}};
    i8237_init(&dma, &r->m, "dma");
    for (unsigned n = 0; n < 8; n++) {
        clients[n] = (struct client){.channel = n, .willing = 255};
        if (n != 4)
            i8237_attach(&dma, n, (struct i8237_client){transfer, &clients[n]});
    }
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    struct client *c = &clients[what & 7];

    (void)r;
    if (what & 0x40)
        c->willing = fuzz_u8(in);
    c->drops = what & 0x20;
    if (c->channel != 4)
        i8237_request(&dma, c->channel, what & 0x80);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x00, 0x10}, {true, 0x81, 0x0f}, {true, 0xc0, 0x20}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
