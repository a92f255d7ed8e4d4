/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg: selector, data, and DMA with descriptors in memory that the input writes. */
#include "devices/misc/fw_cfg.h"

#include <string.h>

#include "base/bits.h"
#include "tests/fuzz/fuzz.h"

static struct fw_cfg cfg;
static unsigned selected;

static void refresh(void *opaque)
{
    uint8_t bytes[7];

    memset(bytes, (int)++*(unsigned *)opaque, sizeof(bytes));
    fw_cfg_set_file(&cfg, "etc/changes", bytes);
}

static void add(struct rig *r)
{
    static const uint8_t large[5000];

    selected = 0;
    memset(&cfg, 0, sizeof(cfg));
    fw_cfg_init(&cfg, &r->m, "fw-cfg", 0x510);
    fuzz_check(fw_cfg_add_u32(&cfg, FW_CFG_KERNEL_SIZE, 17));
    fuzz_check(fw_cfg_add(&cfg, FW_CFG_KERNEL_DATA, large, sizeof(large)));
    fuzz_check(fw_cfg_add_file(&cfg, "etc/one", "first", 5));
    fuzz_check(fw_cfg_add_file(&cfg, "etc/empty", "", 0));
    fuzz_check(fw_cfg_add_file(&cfg, "etc/changes", "changes", 7));
    fw_cfg_on_select(&cfg, "etc/changes", refresh, &selected);
}

static void remove_chip(struct rig *r)
{
    (void)r;
    fw_cfg_destroy(&cfg);
}

/* A descriptor (control, length, address: big endian) somewhere in RAM, and its address written
 * in two halves. */
static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in), descriptor[16];
    uint32_t at = fuzz_u16(in) + (what & 1 ? RIG_RAM - 0x8000 : 0);
    uint32_t control = (uint32_t)fuzz_u8(in) | (uint32_t)fuzz_u8(in) << 16;
    uint32_t length = what & 2 ? (uint32_t)fuzz_number(in) : fuzz_u8(in);
    uint64_t address = what & 4 ? fuzz_number(in) : fuzz_u16(in);

    st_le32(descriptor, __builtin_bswap32(what & 8 ? fuzz_u32(in) : control));
    st_le32(descriptor + 4, __builtin_bswap32(length));
    st_le64(descriptor + 8, __builtin_bswap64(address));
    address_space_write_block(&r->m.mem, at, descriptor, sizeof(descriptor));
    if (what & 0x10)
        address_space_write(&r->m.io, 0x514, fuzz_u32(in), 4);
    address_space_write(&r->m.io, 0x518, __builtin_bswap32(at), 4);
}

static const struct fuzz_chip chip = {
    .windows = {{true, 0x510, 2}, {true, 0x514, 8}, {true, 0x510, 12}},
    .add = add,
    .remove = remove_chip,
    .event = event,
};

FUZZ_CHIP_TARGET(chip)
