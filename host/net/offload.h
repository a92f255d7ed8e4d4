/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_NET_OFFLOAD_H
#define CALQUE_HOST_NET_OFFLOAD_H

#include "host/net/port.h"

/* What hardware does for a driver, in software: checksums and segmentation, for whoever is given a
 * frame that he cannot take. Frames come from guests and from the network: nothing in them is
 * believed. */

/* Whether the header fits the frame (checksum place inside it; GSO: TCP over IPv4 or IPv6 as
 * gso_type says, whole headers). Corrects hdr_len. False: the frame is to be dropped. */
bool net_header_check(struct net_header *h, const uint8_t *frame, size_t len);

/* Ones' complement sum (RFC 1071) of the bytes on top of sum; folded to 16 bits. */
uint16_t net_sum(const uint8_t *data, size_t len, uint32_t sum);

/* Puts in the checksum that NEEDS_CSUM asks for and clears the flag. The header was checked. */
void net_finish_checksum(struct net_header *h, uint8_t *frame, size_t len);

/* What who gets this GSO frame whole must take. */
unsigned net_gso_offloads(const struct net_header *h);

/* Lets a TCP frame of any length be as it is, but for the checksums and the length in its IP
 * header, which become those of one packet. The header was checked. */
void net_make_giant(struct net_header *h, uint8_t *frame, size_t len);

/* Cuts a GSO frame into ordinary ones with all checksums and calls emit with each; `offloads`: what
 * the receiver takes, which is left undone. Ordinary frames, and those that may stay as they are,
 * are passed on, with their checksum finished if need be (frame is changed). The header was
 * checked. */
void net_segment(const struct net_header *h, uint8_t *frame, size_t len, unsigned offloads,
                 void (*emit)(void *opaque, const struct net_header *h, uint8_t *frame, size_t len),
                 void *opaque);

#endif
