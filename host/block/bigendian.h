/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_BLOCK_BIGENDIAN_H
#define CALQUE_HOST_BLOCK_BIGENDIAN_H

#include "base/bits.h"

/* Unaligned big-endian access, as qcow2 and VHD have their numbers. */
static inline uint16_t ld_be16(const void *p)
{
    return __builtin_bswap16(ld_le16(p));
}
static inline uint32_t ld_be32(const void *p)
{
    return __builtin_bswap32(ld_le32(p));
}
static inline uint64_t ld_be64(const void *p)
{
    return __builtin_bswap64(ld_le64(p));
}
static inline void st_be16(void *p, uint16_t v)
{
    st_le16(p, __builtin_bswap16(v));
}
static inline void st_be32(void *p, uint32_t v)
{
    st_le32(p, __builtin_bswap32(v));
}
static inline void st_be64(void *p, uint64_t v)
{
    st_le64(p, __builtin_bswap64(v));
}

#endif
