/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_NET_ETHERNET_H
#define CALQUE_DEVICES_NET_ETHERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What Ethernet NICs have in common (IEEE 802.3). */

#define ETHERNET_ADDRESS 6
#define ETHERNET_HEADER  14
#define ETHERNET_FCS     4

/* The FCS of a frame (802.3, 3.2.9), as it is sent low byte first. Chips that hash multicast
 * addresses take some bits of ethernet_fcs(address, 6): complemented or not, from the top or
 * bit-reversed, as their datasheets say. */
uint32_t ethernet_fcs(const uint8_t *data, size_t len);
/* The same polynomial fed most significant bit first, without the final complement: what most
 * datasheets mean by "the upper 6 bits of the CRC". */
uint32_t ethernet_hash(const uint8_t address[ETHERNET_ADDRESS]);

/* Sum of big-endian 16-bit words as TCP/IP has it (RFC 1071), an odd last byte with a zero behind
 * it, added to `sum`; not complemented. */
uint16_t ethernet_ip_sum(const uint8_t *data, size_t len, uint32_t sum);

static inline bool ethernet_is_multicast(const uint8_t *frame)
{
    return frame[0] & 1; /* broadcast is one, too */
}

static inline bool ethernet_is_broadcast(const uint8_t *frame)
{
    static const uint8_t all[ETHERNET_ADDRESS] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    return !memcmp(frame, all, sizeof(all));
}

#endif
