/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The serial port, with bytes that arrive in any number. */
#include "devices/char/uart16550.h"

#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

static struct uart16550 uart;

static void add(struct rig *r)
{
    uart = (struct uart16550){.dev = {0}};
    uart16550_init(&uart, &r->m, "serial0", 0x3f8, rig_line(r, 4), NULL);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 256, &size);

    fuzz_check(input_push(&r->m, &uart.input, bytes, size));
    input_deliver(&r->m);
    free(bytes);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x3f8, 8}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
