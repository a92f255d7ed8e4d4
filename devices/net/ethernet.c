/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CRC-32 of Ethernet (IEEE 802.3, 3.2.9), checksum of TCP/IP (RFC 1071). */
#include "devices/net/ethernet.h"

uint32_t ethernet_fcs(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

uint32_t ethernet_hash(const uint8_t address[ETHERNET_ADDRESS])
{
    uint32_t crc = UINT32_MAX;

    for (unsigned i = 0; i < ETHERNET_ADDRESS; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bool carry = (crc >> 31 ^ address[i] >> bit) & 1;

            crc = crc << 1 ^ (carry ? 0x04c11db7u : 0);
        }
    }
    return crc;
}

uint16_t ethernet_ip_sum(const uint8_t *data, size_t len, uint32_t sum)
{
    uint64_t total = sum;

    for (; len >= 2; data += 2, len -= 2)
        total += (uint32_t)(data[0] << 8 | data[1]);
    if (len)
        total += (uint32_t)data[0] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)total;
}
