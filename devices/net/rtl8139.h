/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_RTL8139_H
#define CALQUE_DEVICES_NET_RTL8139_H

#include "devices/bus/pci.h"
#include "devices/net/at93c46.h"
#include "host/net/port.h"
#include "vm/clock.h"

#define RTL8139_SIZE 256u /* bytes of registers, in ports and in memory */

/* Realtek RTL8139C+ Fast Ethernet controller: both with the four transmit buffers and the receive
 * ring in memory of the RTL8139, and with the descriptors of C+ mode. */
struct rtl8139 {
    struct pci_device pci;
    struct net_port port;
    struct at93c46 eeprom;
    uint8_t reg[RTL8139_SIZE]; /* as they were written; some are made up when they are read */
    uint32_t write_at;         /* in the receive ring, where the next frame goes */
    uint8_t tx_next;           /* of the four buffers */
    uint8_t cp_tx[2], cp_rx;   /* of descriptors: normal, high priority */
    uint64_t timer_base;       /* when TCTR was 0 */
    struct rtl8139_tally {
        uint64_t tx_ok, rx_ok, rx_broadcast;
        uint32_t rx_multicast;
    } tally;
    struct vm_timer timer, retry;
    /* Wiring. */
    struct region io, mmio;
    bool sending; /* a DMA to our own registers does not send */
};

void rtl8139_init(struct rtl8139 *s, struct machine *m, const char *id, struct pci_bus *bus,
                  uint8_t devfn, const struct nic_config *config);

#endif
