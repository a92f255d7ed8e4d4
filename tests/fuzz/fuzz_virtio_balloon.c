/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio balloon: pages of all kinds, statistics, sizes that are asked for. */
#include "devices/virtio/virtio_balloon.h"

#include "tests/fuzz/virtio_chip.h"

static struct pci_bus bus;
static struct virtio_balloon balloon;

static void add(struct rig *r)
{
    const struct virtio_balloon_config config = {.free_page_reporting = true,
                                                 .stats_every = 1000,
                                                 .pci = {.class = 0x00ff, .msi = rig_msi(r)}};

    bus = (struct pci_bus){.confadd = 0};
    pci_bus_init(&bus, &r->m, "pci");
    virtio_balloon_init(&balloon, &r->m, "balloon", &bus, VCHIP_DEVFN, &config);
    vchip_configure(&bus);
    vchip_start(r, &bus, UINT32_MAX, false, 4);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    if (what & 12) {
        vchip_event(r, &bus, in, what, 4);
        return;
    }
    virtio_balloon_set_target(&balloon, fuzz_number(in));
    input_deliver(&r->m);
    fuzz_check(virtio_balloon_actual(&balloon) <= RIG_RAM);
}

static const struct fuzz_chip chip = {.windows = {VCHIP_WINDOWS}, .add = add, .event = event};

FUZZ_CHIP_TARGET(chip)
