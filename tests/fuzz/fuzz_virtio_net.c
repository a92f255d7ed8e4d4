/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio network card over PCI: both interfaces, rings and descriptors in memory that are what
 * they should be or anything else, frames that arrive, room to send that comes and goes. */
#include "devices/net/virtio_net.h"

#include "tests/fuzz/nic_chip.h"
#include "tests/fuzz/virtio_chip.h"

#define QUEUES 5

static struct virtio_net nic;
static struct nic_chip net;

static void add(struct rig *r)
{
    const struct virtio_net_config config = {
        .nic = nic_chip_begin(&net, r), .pairs = 2, .pci = {.class = 0x0200, .msi = rig_msi(r)}};

    virtio_net_init(&nic, &r->m, "nic", &net.bus, VCHIP_DEVFN, &config);
    vchip_configure(&net.bus);
    vchip_start(r, &net.bus, UINT32_MAX, false, QUEUES);
}

static void forget(struct rig *r)
{
    (void)r;
    fakenet_clear(&net.net);
}

static void arrive(struct fuzz_input *in, bool large)
{
    struct net_header h = {.flags = fuzz_u8(in), .gso_type = fuzz_u8(in), .gso_size = fuzz_u16(in)};

    if (!(net.net.offloads & NET_OFFLOAD_TSO4))
        h = (struct net_header){0};
    nic_chip_arrive(&net, in, &h, h.gso_type && large ? NET_FRAME_MAX : 0);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);

    switch (what & 7) {
    case 2:
        vchip_event(r, &net.bus, in, what & 0x80, QUEUES);
        break;
    case 4:
    case 5:
        arrive(in, what & 0x80);
        break;
    case 6:
    case 7:
        vchip_submit(r, in);
        break;
    default:
        nic_chip_event(&net, in, what, 0);
        break;
    }
}

static const struct fuzz_chip chip = {
    .windows = {VCHIP_WINDOWS}, .add = add, .remove = forget, .event = event};

FUZZ_CHIP_TARGET(chip)
