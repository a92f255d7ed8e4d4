/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_NIC_CHIP_H
#define CALQUE_TESTS_FUZZ_NIC_CHIP_H

#include <stdlib.h>
#include <string.h>

#include "devices/bus/pci.h"
#include "tests/devices/fakenet.h"
#include "tests/fuzz/fuzz.h"

/* What fuzz targets of network cards share: a card on a PCI bus (or without) whose network has room
 * or not, frames that arrive, the cable. */

#define NIC_DEVFN PCI_DEVFN(3, 0)

struct nic_chip {
    struct pci_bus bus;
    struct netdev net;
};

/* A new bus and network; what the card is made with. */
static inline struct nic_config nic_chip_begin(struct nic_chip *n, struct rig *r)
{
    *n = (struct nic_chip){.bus = {.confadd = 0}};
    pci_bus_init(&n->bus, &r->m, "pci");
    for (unsigned i = 0; i < 4; i++)
        n->bus.pirq[i] = rig_line(r, i);
    return (struct nic_config){{2, 0, 0, 0, 0, 1}, &n->net};
}

static inline void nic_chip_bar(struct nic_chip *n, unsigned bar, uint32_t address)
{
    pci_config_write(&n->bus, NIC_DEVFN, PCI_BASE_ADDRESS_0 + 4 * bar, address, 4);
    pci_config_write(&n->bus, NIC_DEVFN, PCI_COMMAND, 7, 2);
}

/* A frame of the input; `large`: of so many bytes, most of them zeros, if not 0. */
static inline void nic_chip_arrive(struct nic_chip *n, struct fuzz_input *in,
                                   const struct net_header *h, size_t large)
{
    size_t size;
    uint8_t *bytes = fuzz_bytes(in, 200, &size);
    uint8_t *frame = calloc(1, NET_FRAME_MAX);

    fuzz_check(frame);
    memcpy(frame, bytes, size);
    fakenet_offer_header(&n->net, h, frame, large ? large : size);
    free(bytes);
    free(frame);
}

/* What happens to any of them: `what` of 0, 1, 3, 4, 5 (modulo 8); large: the size of large frames.
 */
static inline void nic_chip_event(struct nic_chip *n, struct fuzz_input *in, uint8_t what,
                                  size_t large)
{
    static const struct net_header ordinary = {0};

    switch (what & 7) {
    case 0:
        fakenet_set_room(&n->net, what >> 4);
        break;
    case 1:
        fakenet_set_link(&n->net, what & 0x80);
        break;
    case 3:
        pci_config_write(&n->bus, NIC_DEVFN, fuzz_u8(in), (uint32_t)fuzz_number(in),
                         1u << (what >> 6) % 3);
        break;
    default:
        nic_chip_arrive(n, in, &ordinary, what & 0x80 ? large : 0);
        break;
    }
}

#endif
