/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI bus with the functions of the chip set and the test device behind a bridge behind
 * another: configuration space, buses and windows that move, BARs, PAM and SMRAM, interrupt
 * routing, power management. */
#include "devices/bus/i440fx.h"
#include "devices/bus/pci_bridge.h"
#include "devices/bus/piix3.h"
#include "devices/misc/pci_testdev.h"
#include "devices/misc/piix4_pm.h"
#include "tests/fuzz/fuzz.h"

static struct pci_bus bus;
static struct i440fx host_bridge;
static struct piix3 piix3;
static struct piix4_pm pm;
static struct pci_testdev testdev, behind;
static struct pci_bridge outer, inner;

static void add(struct rig *r)
{
    struct irq_line isa[16];

    bus = (struct pci_bus){.confadd = 0};
    host_bridge = (struct i440fx){.pci = {.devfn = 0}};
    piix3 = (struct piix3){.rcr = 0};
    pm = (struct piix4_pm){.pmsts = 0};
    testdev = behind = (struct pci_testdev){.pci = {.devfn = 0}};
    for (unsigned n = 0; n < 16; n++)
        isa[n] = rig_line(r, n);
    pci_bus_init(&bus, &r->m, "pci");
    i440fx_init(&host_bridge, &r->m, "host-bridge", &bus, ARENA_NONE);
    piix3_init(&piix3, &r->m, "piix3", &bus, isa);
    piix4_pm_init(&pm, &r->m, "pm", &bus, rig_line(r, 9), rig_line(r, 16));
    pci_testdev_init(&testdev, &r->m, "pci-testdev", &bus, PCI_DEVFN(2, 0), 1ull << 33);
    pci_bridge_init(&outer, &r->m, "outer", &bus, PCI_DEVFN(3, 0), 1);
    pci_bridge_init(&inner, &r->m, "inner", &outer.bus, PCI_DEVFN(0, 0), 2);
    pci_testdev_init(&behind, &r->m, "behind", &inner.bus, PCI_DEVFN(0, 0), 1ull << 20);
}

/* Configuration accesses to the functions there are; the power button. */
static void event(struct rig *r, struct fuzz_input *in)
{
    static const struct {
        struct pci_bus *bus;
        uint8_t devfn;
    } at[8] = {
        {&bus, PCI_DEVFN(0, 0)}, {&bus, PCI_DEVFN(1, 0)}, {&bus, PCI_DEVFN(1, 3)},
        {&bus, PCI_DEVFN(2, 0)}, {&bus, PCI_DEVFN(3, 0)}, {&outer.bus, PCI_DEVFN(0, 0)},
        {&inner.bus, 0},         {&outer.bus, 0xff},
    };
    uint8_t what = fuzz_u8(in), offset = fuzz_u8(in), devfn = at[what >> 2 & 7].devfn;
    struct pci_bus *on = at[what >> 2 & 7].bus;
    unsigned size = 1u << (what & 3);

    if (size > 4) {
        piix4_pm_press_power_button(&pm);
        input_deliver(&r->m);
    } else if (what & 0x80) {
        pci_config_write(on, devfn, offset, (uint32_t)fuzz_number(in), size);
    } else {
        pci_config_read(on, devfn, offset, size);
    }
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0xcf8, 8},
                {true, 0xb2, 2},
                {true, 0x600, 64},
                {true, 0xc000, 256},
                {true, 0, 0x10000},
                {false, 0xa0000, 0x60000},
                {false, 0xc0000000, 0x1000},
                {false, 0, 0xffffffff}},
    .add = add,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
