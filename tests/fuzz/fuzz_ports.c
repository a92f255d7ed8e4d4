/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small ones: debug console, exit port, POST code, port 92h, coprocessor errors, test device.
 */
#include "devices/misc/coprocessor.h"
#include "devices/misc/debug_exit.h"
#include "devices/misc/debugcon.h"
#include "devices/misc/pc_testdev.h"
#include "devices/misc/port80.h"
#include "devices/misc/port92.h"
#include "tests/fuzz/fuzz.h"

static struct coprocessor coprocessor;
static struct debug_exit debug_exit;
static struct debugcon debugcon;
static struct pc_testdev testdev;
static struct port80 port80;
static struct port92 port92;

static void add(struct rig *r)
{
    struct irq_line isa[PC_TESTDEV_IRQS];

    for (unsigned n = 0; n < PC_TESTDEV_IRQS; n++)
        isa[n] = rig_line(r, n);
    coprocessor = (struct coprocessor){.dev = {0}};
    debug_exit = (struct debug_exit){.dev = {0}};
    debugcon = (struct debugcon){.dev = {0}};
    testdev = (struct pc_testdev){.dev = {0}};
    port80 = (struct port80){.dev = {0}};
    port92 = (struct port92){.dev = {0}};
    coprocessor_init(&coprocessor, &r->m, "coprocessor", 0xf0, rig_line(r, 13), rig_line(r, 16));
    debug_exit_init(&debug_exit, &r->m, "debug-exit", 0x501, 2);
    debugcon_init(&debugcon, &r->m, "debugcon0", 0xe9, NULL);
    pc_testdev_init(&testdev, &r->m, "pc-testdev", isa);
    port80_init(&port80, &r->m, "port80", 0x80);
    port92_init(&port92, &r->m, "port92", 0x92, rig_line(r, 17));
}

static void event(struct rig *r, struct fuzz_input *in)
{
    (void)r;
    irq_set(coprocessor_ferr(&coprocessor), fuzz_u8(in) & 1);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x80, 1},
                {true, 0x92, 1},
                {true, 0xe0, 10},
                {true, 0xf0, 1},
                {true, 0x500, 4},
                {true, 0x2000, 16},
                {false, 0xff000000, PC_TESTDEV_IOMEM_SIZE}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
