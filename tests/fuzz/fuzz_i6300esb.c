/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 6300ESB's watchdog and, beside it, a PCI panic device. */
#include "devices/misc/i6300esb.h"
#include "devices/misc/pvpanic.h"
#include "tests/fuzz/fuzz.h"

#define DEVFN PCI_DEVFN(3, 0)
#define PANIC PCI_DEVFN(4, 0)
#define BASE  0xe0000000u

static struct pci_bus bus;
static struct i6300esb esb;
static struct pvpanic_pci panic;
static unsigned expired;

static void note_expired(void *opaque)
{
    (void)opaque;
    expired++;
}

static void note_panic(void *opaque, unsigned events)
{
    (void)opaque;
    fuzz_check(events && events <= 3);
}

static void configure(void)
{
    pci_config_write(&bus, DEVFN, PCI_BASE_ADDRESS_0, BASE, 4);
    pci_config_write(&bus, DEVFN, PCI_COMMAND, 2, 2);
    pci_config_write(&bus, PANIC, PCI_BASE_ADDRESS_0, BASE + 0x100, 4);
    pci_config_write(&bus, PANIC, PCI_COMMAND, 2, 2);
}

static void add(struct rig *r)
{
    bus = (struct pci_bus){.confadd = 0};
    pci_bus_init(&bus, &r->m, "pci");
    i6300esb_init(&esb, &r->m, "esb", &bus, DEVFN, rig_line(r, 0), note_expired, NULL);
    pvpanic_pci_init(&panic, &r->m, "panic", &bus, PANIC, (struct pvpanic_sink){note_panic, NULL});
    configure();
}

/* Configuration accesses; the sequence that a write needs before it. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if (what & 1) {
        pci_config_write(&bus, DEVFN, what & 2 ? 0x60 + (what >> 4) : fuzz_u8(in), fuzz_u32(in),
                         1u << (what >> 2 & 3) % 3);
    } else if (what & 2) {
        configure();
    } else {
        address_space_write(&r->m.mem, BASE + 0xc, 0x80, 2);
        address_space_write(&r->m.mem, BASE + 0xc, 0x86, 2);
        address_space_write(&r->m.mem, BASE + (what & 12), fuzz_u32(in) >> (what >> 4), 4);
    }
}

static const struct fuzz_chip chip = {
    .windows = {{false, BASE, 0x10}, {false, BASE + 0x100, 0x10}}, .add = add, .event = event};

FUZZ_CHIP_TARGET(chip)
