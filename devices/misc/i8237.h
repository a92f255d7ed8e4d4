/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_I8237_H
#define CALQUE_DEVICES_MISC_I8237_H

#include "vm/clock.h"
#include "vm/device.h"
#include "vm/memory.h"

/* The two 8237A of a PC/AT with their page registers (8237A datasheet; PIIX3 datasheet 2.5.1):
 * channels 0-3 move bytes, 5-7 words, 4 cascades the first chip.
 *
 * A device that wants to use a channel attaches itself as its client and says with
 * i8237_request() whether it asserts DREQ. While it does, and the guest has set up and unmasked the
 * channel, its transfer function is called, from i8237_request(), from the register write that
 * opened the channel, or (auto-initialize, after a terminal count) later from a timer; always with
 * the machine lock held, at times and with sizes that depend on the guest and the requests only.
 * So it can happen before i8237_request() returns; the client should be ready when it requests. */

#define I8237_CHUNK 512 /* a transfer function is given at most this many bytes */

enum i8237_direction {
    I8237_VERIFY,    /* addresses are counted, no data moves */
    I8237_TO_MEMORY, /* the datasheet's "write" transfer */
    I8237_FROM_MEMORY,
};

struct i8237_client {
    /* Moves up to len bytes (1 to I8237_CHUNK, even on channels 5-7), in the order of time: fills
     * buf (I8237_TO_MEMORY) or takes from it (I8237_FROM_MEMORY). last: the terminal count (the TC
     * pin) is reached with byte len. Returns how many it moved, whole units; fewer than len mean
     * that it has dropped DREQ, except in block mode, where nobody looks at DREQ and the bytes that
     * are missing read as ff. It may call i8237_request(). */
    size_t (*transfer)(void *opaque, enum i8237_direction dir, uint8_t *buf, size_t len, bool last);
    void *opaque;
};

struct i8237_channel {
    uint16_t base_address, base_count;
    uint16_t address, count; /* current registers, in units */
    uint8_t mode;            /* bits 7:2 of the mode register */
    uint8_t page;            /* A16 (A17 on 16-bit channels) and up */
};

struct i8237_chip {
    struct i8237_channel ch[4];
    uint8_t command;
    uint8_t mask;      /* of channels */
    uint8_t request;   /* by software */
    uint8_t dreq;      /* by clients */
    uint8_t tc;        /* reached since the status was last read */
    uint8_t temporary; /* last byte of a memory-to-memory transfer */
    uint8_t lowest;    /* rotating priority: the channel served last */
    bool msb;          /* the flip-flop: the high byte is next */
};

struct i8237 {
    struct device dev;
    struct i8237_chip chip[2]; /* [1] has channels 4 to 7 */
    uint8_t scratch[16];       /* page registers that are wired to nothing */
    struct vm_timer again;     /* what is still requested goes on */
    bool serving;              /* wiring: within a client's call */
    struct address_space *mem;
    struct i8237_client clients[8];
    struct region low, pages, high;
};

/* Ports 0x00-0x0f, 0x81-0x8f and 0xc0-0xdf of m->io; transfers go to m->mem. */
void i8237_init(struct i8237 *d, struct machine *m, const char *id);
/* Connects a client to channel 0-3 or 5-7. Before the machine runs. */
void i8237_attach(struct i8237 *d, unsigned channel, struct i8237_client client);
/* The client's DREQ, true: active. (Not the level of the pin, which the guest may invert.) */
void i8237_request(struct i8237 *d, unsigned channel, bool active);

#endif
