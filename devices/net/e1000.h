/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_E1000_H
#define CALQUE_DEVICES_NET_E1000_H

#include "devices/bus/pci.h"
#include "devices/net/at93c46.h"
#include "host/net/port.h"
#include "vm/clock.h"

#define E1000_MMIO_SIZE 0x20000u
#define E1000_IO_SIZE   0x40u
#define E1000_REGISTERS 0x6000u /* bytes of MMIO that have any */
#define E1000_FRAME_MAX 16384   /* with the FCS */

enum e1000_model { E1000_82540EM, E1000_82545EM };

/* Intel 82540EM or 82545EM gigabit Ethernet controller ("8254x" in the manual: PCI/PCI-X Family of
 * Gigabit Ethernet Controllers Software Developer's Manual, 317453). */
struct e1000 {
    struct pci_device pci;
    struct net_port port;
    /* General (13.4). */
    uint32_t ctrl, ctrl_ext, eecd, eerd, fla, mdic, fcal, fcah, fct, fcttv, vet, ledctl, pba;
    uint32_t icr, itr, ims, ioaddr;
    /* Receiver. */
    uint32_t rctl, rdbal, rdbah, rdlen, rdh, rdt, rdtr, radv, rxdctl, rsrpd, fcrtl, fcrth, rxcsum;
    uint32_t ra[32], mta[128], vfta[128]; /* addresses: low and high */
    /* Transmitter. */
    uint32_t tctl, tipg, aifs, tdbal, tdbah, tdlen, tdh, tdt, tidv, tadv, txdctl, tspmt;
    uint32_t wuc, wufc, wus, manc, ipav;
    uint32_t stats[64]; /* 0x4000 and up */
    uint16_t phy[32];
    bool link;      /* the PHY has negotiated one */
    bool link_lost; /* since the PHY's status was read */
    struct at93c46 eeprom;
    struct e1000_transmit {
        uint8_t context[3][16]; /* the last ones; [1]: of segmentation, [2]: of legacy frames */
        bool in_frame, drop, tse, legacy;
        uint8_t popts;
        uint32_t done;     /* bytes of the descriptor at TDH that were taken */
        uint32_t payload;  /* bytes of the frame behind its header */
        uint32_t segments; /* that were sent */
        uint32_t len;
        uint8_t header[256];
        uint8_t frame[E1000_FRAME_MAX];
    } tx;
    struct vm_timer throttle, rx_delay, rx_absolute, tx_delay, tx_absolute, negotiation, tx_more;
    /* Wiring. */
    struct region mmio, io;
    uint8_t row_of[E1000_REGISTERS / 4]; /* of the register table, from 1 */
    bool sending;                        /* a DMA to our own registers does not send */
    int64_t budget;                      /* until the machine has to go on */
};

void e1000_init(struct e1000 *s, struct machine *m, const char *id, struct pci_bus *bus,
                uint8_t devfn, enum e1000_model model, const struct nic_config *config);

#endif
