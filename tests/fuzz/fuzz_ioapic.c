/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IOAPIC: registers, lines, ends of interrupts. */
#include "devices/irq/ioapic.h"
#include "tests/fuzz/fuzz.h"

static struct ioapic ioapic;

static void add(struct rig *r)
{
    ioapic = (struct ioapic){.watched = 0};
    ioapic_init(&ioapic, &r->m, "ioapic", IOAPIC_BASE, rig_msi(r));
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    struct eoi_sink sink = ioapic_eoi_sink(&ioapic);

    if ((what & 0xc0) == 0xc0) { /* an indirect register */
        address_space_write(&r->m.mem, IOAPIC_BASE, what & 0x3f, 4);
        address_space_write(&r->m.mem, IOAPIC_BASE + 0x10, fuzz_u32(in), 4);
    } else if (what & 0x80) {
        ioapic_eoi(&ioapic, fuzz_u8(in));
    } else if ((what & 0x40) && sink.taken) {
        sink.taken(sink.owner, fuzz_u8(in));
    } else {
        irq_set(ioapic_line(&ioapic, (what & 31) % IOAPIC_INPUTS), what & 32);
    }
}

static const struct fuzz_chip chip = {
    .windows = {{false, IOAPIC_BASE, 0x20}, {false, IOAPIC_BASE, 0x1000}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
