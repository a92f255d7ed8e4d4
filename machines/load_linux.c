/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux/x86 boot protocol (Linux Documentation/arch/x86/boot.rst), for bzImages.
 *
 * The file is a boot sector, setup code and the protected-mode kernel. The setup code is real-mode
 * BIOS code that would fill boot_params; here the loader fills it and enters the kernel proper: at
 * its 64-bit entry (load address + 0x200, in long mode on identity page tables) when the kernel
 * has one, otherwise at its 32-bit entry. Offsets below are those of boot_params, which the setup
 * header has in the file too (0x1f1).
 *
 * Every number in the file is hostile until checked. Not here: zImages (kernels that load at
 * 0x10000), which no kernel since 1996 needs; the 16-bit entry, whose code asks a BIOS for memory
 * and screen (every kernel has the 32-bit entry that this code would go to). */
#include "machines/load_linux.h"

#include <string.h>

#include "base/error.h"
#include "vm/memory.h"

/* struct boot_params */
#define BP_SCREEN_INFO    0x000
#define BP_ACPI_RSDP_ADDR 0x070
#define BP_E820_ENTRIES   0x1e8
#define BP_SETUP_HEADER   0x1f1
#define BP_E820_TABLE     0x2d0
#define BP_SIZE           0x1000

/* struct setup_header, at the same offsets in file and boot_params */
#define HDR_SETUP_SECTS      0x1f1
#define HDR_SYSSIZE          0x1f4
#define HDR_VID_MODE         0x1fa
#define HDR_BOOT_FLAG        0x1fe
#define HDR_JUMP             0x201 /* low byte of the jump: the header ends at 0x202 + this */
#define HDR_MAGIC            0x202
#define HDR_VERSION          0x206
#define HDR_TYPE_OF_LOADER   0x210
#define HDR_LOADFLAGS        0x211
#define HDR_CODE32_START     0x214
#define HDR_RAMDISK_IMAGE    0x218
#define HDR_RAMDISK_SIZE     0x21c
#define HDR_CMD_LINE_PTR     0x228
#define HDR_INITRD_ADDR_MAX  0x22c
#define HDR_KERNEL_ALIGNMENT 0x230
#define HDR_RELOCATABLE      0x234
#define HDR_XLOADFLAGS       0x236
#define HDR_CMDLINE_SIZE     0x238
#define HDR_SETUP_DATA       0x250
#define HDR_PREF_ADDRESS     0x258
#define HDR_INIT_SIZE        0x260
#define HDR_END              0x268 /* of the fields used here */
#define HDR_ROOM_END         0x290 /* of the room for it in boot_params */

#define OLD_CL_MAGIC_AT  0x20 /* protocols before 2.02 */
#define OLD_CL_OFFSET_AT 0x22
#define OLD_CL_MAGIC     0xa33f

#define LOADED_HIGH   0x01
#define KEEP_SEGMENTS 0x40
#define XLF_KERNEL_64 0x0001

#define SETUP_RNG_SEED  9
#define SETUP_DATA_SIZE 16 /* of the header: le64 next, le32 type, le32 length */

#define LOADER_UNDEFINED 0xff
#define ENTRY_64_OFFSET  0x200
#define HIGH_LOAD        0x100000u
#define PAGE             0x1000u

#define BOOT_CS 0x10
#define BOOT_DS 0x18

/* What the header says, with the defaults of older protocols filled in. */
struct kernel_info {
    unsigned version;
    size_t header_end;
    size_t payload_at, payload_size; /* protected-mode kernel in the file */
    uint64_t init_size;              /* memory it needs from its load address */
    uint64_t load_address;
    uint64_t initrd_addr_max;
    uint32_t cmdline_size;
    bool entry_64;
};

bool linux_probe(const struct boot_image *image)
{
    return image->size >= HDR_END && memcmp(image->data + HDR_MAGIC, "HdrS", 4) == 0;
}

/* ---- the header ---- */

static bool check_magic(const struct boot_image *image, struct error *err)
{
    if (image->size < HDR_END)
        return error_set(err, "%s: %zu bytes are too short for a Linux kernel", image->name,
                         image->size);
    if (get_le16(image->data + HDR_BOOT_FLAG) != 0xaa55 || !linux_probe(image))
        return error_set(err, "%s: no Linux boot header; expected a bzImage", image->name);
    if (get_le16(image->data + HDR_VERSION) < 0x200)
        return error_set(err, "%s: boot protocol %x is not known; expected 2.00 or newer",
                         image->name, get_le16(image->data + HDR_VERSION));
    if (!(image->data[HDR_LOADFLAGS] & LOADED_HIGH))
        return error_set(err, "%s: a zImage (loaded low); expected a bzImage", image->name);
    return true;
}

static bool find_payload(const struct boot_image *image, struct kernel_info *k, struct error *err)
{
    unsigned sects = image->data[HDR_SETUP_SECTS];

    k->payload_at = ((sects ? sects : 4) + 1) * (size_t)512;
    if (image->size <= k->payload_at)
        return error_set(err, "%s: truncated: setup code alone is %zu bytes, the file %zu",
                         image->name, k->payload_at, image->size);
    k->payload_size = image->size - k->payload_at;
    /* syssize is 16 bits wide before 2.04 and then says nothing about a bzImage. The build pads
     * the last paragraph, and a signature may follow. */
    if (k->version >= 0x204) {
        uint64_t syssize = (uint64_t)get_le32(image->data + HDR_SYSSIZE) * 16;

        if (syssize > k->payload_size + 15)
            return error_set(err, "%s: truncated: the kernel is %llu bytes, the file has %zu",
                             image->name, (unsigned long long)syssize, k->payload_size);
    }
    return true;
}

static void read_limits(const uint8_t *h, struct kernel_info *k)
{
    uint64_t init_size = k->version >= 0x20a ? get_le32(h + HDR_INIT_SIZE) : 0;

    k->initrd_addr_max = k->version >= 0x203 ? get_le32(h + HDR_INITRD_ADDR_MAX) : 0x37ffffff;
    k->cmdline_size = k->version >= 0x206 ? get_le32(h + HDR_CMDLINE_SIZE) : 255;
    /* Older kernels do not say how much they decompress to: assume four times the file. */
    if (k->version < 0x20a)
        init_size = 4 * (uint64_t)k->payload_size;
    k->init_size = init_size > k->payload_size ? init_size : k->payload_size;
    k->entry_64 = k->version >= 0x20c && (get_le16(h + HDR_XLOADFLAGS) & XLF_KERNEL_64);
}

/* The preferred address if there is RAM, else (relocatable kernels) the lowest aligned one. */
static bool choose_address(const struct boot_image *image, const struct boot_memory *bm,
                           struct kernel_info *k, struct error *err)
{
    const uint8_t *h = image->data;
    uint64_t preferred = k->version >= 0x20a ? get_le64(h + HDR_PREF_ADDRESS) : HIGH_LOAD;
    uint64_t room = bm->low_ram > HIGH_LOAD ? bm->low_ram - HIGH_LOAD : 0;
    uint64_t align = k->version >= 0x205 ? get_le32(h + HDR_KERNEL_ALIGNMENT) : 0;
    bool relocatable = k->version >= 0x205 && h[HDR_RELOCATABLE];

    if (k->init_size > room)
        return error_set(err, "%s: needs %llu KiB of RAM above 1 MiB; try a larger -m", image->name,
                         (unsigned long long)(k->init_size >> 10));
    k->load_address = preferred;
    if (preferred >= HIGH_LOAD && preferred <= bm->low_ram - k->init_size)
        return true;
    if (align == 0 || (align & (align - 1)))
        align = HIGH_LOAD;
    k->load_address = (HIGH_LOAD + align - 1) & ~(align - 1);
    if (!relocatable || k->load_address > bm->low_ram - k->init_size)
        return error_set(err, "%s: needs %llu KiB of RAM at 0x%llx; try a larger -m", image->name,
                         (unsigned long long)(k->init_size >> 10), (unsigned long long)preferred);
    return true;
}

static bool read_header(const struct boot_image *image, const struct boot_memory *bm,
                        struct kernel_info *k, struct error *err)
{
    if (!check_magic(image, err))
        return false;
    k->version = get_le16(image->data + HDR_VERSION);
    k->header_end = 0x202u + image->data[HDR_JUMP];
    if (k->header_end > HDR_ROOM_END)
        k->header_end = HDR_ROOM_END;
    if (k->header_end > image->size)
        return error_set(err, "%s: truncated inside its boot header", image->name);
    if (!find_payload(image, k, err))
        return false;
    read_limits(image->data, k);
    return choose_address(image, bm, k, err);
}

/* ---- initrd and command line ---- */

/* As high as it may be, page aligned, above the kernel. */
static bool place_initrd(const struct linux_request *rq, const struct boot_memory *bm,
                         const struct kernel_info *k, uint64_t *address, struct error *err)
{
    uint64_t top = k->initrd_addr_max < bm->low_ram ? k->initrd_addr_max + 1 : bm->low_ram;
    uint64_t bottom = k->load_address + k->init_size;
    uint64_t size = rq->initrd->size;

    *address = top > size ? (top - size) & ~(uint64_t)(PAGE - 1) : 0;
    if (*address < bottom)
        return error_set(err,
                         "%s: %llu KiB do not fit between the kernel's end at 0x%llx and "
                         "0x%llx; try a larger -m",
                         rq->initrd->name, (unsigned long long)(size >> 10),
                         (unsigned long long)bottom, (unsigned long long)top);
    address_space_write_block(bm->mem, *address, rq->initrd->data, size);
    return true;
}

static bool write_cmdline(const struct linux_request *rq, const struct boot_memory *bm,
                          const struct kernel_info *k, struct error *err)
{
    const char *cmdline = rq->cmdline ? rq->cmdline : "";
    size_t max = LINUX_CMDLINE_END - LINUX_CMDLINE - 1;

    if (k->cmdline_size < max)
        max = k->cmdline_size;
    if (strlen(cmdline) > max)
        return error_set(err, "-append: %zu characters, this kernel takes at most %zu",
                         strlen(cmdline), max);
    address_space_write_block(bm->mem, LINUX_CMDLINE, cmdline, strlen(cmdline) + 1);
    return true;
}

/* ---- boot_params ---- */

_Static_assert(E820_MAX <= 128, "e820_table has 128 entries");

static void put_e820(uint8_t *bp, const struct e820_map *map)
{
    bp[BP_E820_ENTRIES] = (uint8_t)map->count;
    for (unsigned i = 0; i < map->count; i++) {
        uint8_t *p = bp + BP_E820_TABLE + 20 * i;

        put_le64(p, map->entry[i].base);
        put_le64(p + 8, map->entry[i].size);
        put_le32(p + 16, map->entry[i].type);
    }
}

/* struct screen_info of an 80 by 25 colour text screen (mode 3). */
static void put_text_screen(uint8_t *bp)
{
    uint8_t *si = bp + BP_SCREEN_INFO;

    si[0x06] = 3;            /* orig_video_mode */
    si[0x07] = 80;           /* orig_video_cols */
    si[0x0e] = 25;           /* orig_video_lines */
    si[0x0f] = 1;            /* orig_video_isVGA */
    put_le16(si + 0x10, 16); /* orig_video_points */
}

/* Memory above 1 MiB in KiB, for kernels that do not look at the E820 map. */
static void put_old_memory(uint8_t *bp, const struct boot_memory *bm)
{
    uint64_t kib = (bm->low_ram - HIGH_LOAD) >> 10;

    put_le16(bp + 0x02, kib > 0xffff ? 0xffff : (uint32_t)kib); /* ext_mem_k */
    put_le32(bp + 0x1e0, (uint32_t)kib);                        /* alt_mem_k */
}

static void put_header(uint8_t *bp, const struct boot_image *image, const struct kernel_info *k)
{
    memcpy(bp + BP_SETUP_HEADER, image->data + BP_SETUP_HEADER, k->header_end - BP_SETUP_HEADER);
    bp[HDR_TYPE_OF_LOADER] = LOADER_UNDEFINED;
    bp[HDR_LOADFLAGS] &= (uint8_t)~KEEP_SEGMENTS;
    put_le16(bp + HDR_VID_MODE, 0xffff); /* "normal" */
    put_le32(bp + HDR_CODE32_START, (uint32_t)k->load_address);
    put_le64(bp + HDR_RAMDISK_IMAGE, 0); /* and its size */
    if (k->version >= 0x209)
        put_le64(bp + HDR_SETUP_DATA, 0);
    if (k->version >= 0x202) {
        put_le32(bp + HDR_CMD_LINE_PTR, LINUX_CMDLINE);
    } else {
        put_le16(bp + OLD_CL_MAGIC_AT, OLD_CL_MAGIC);
        put_le16(bp + OLD_CL_OFFSET_AT, LINUX_CMDLINE - LINUX_BOOT_PARAMS);
    }
}

/* One struct setup_data, since protocol 2.09: bytes for the kernel's random number generator. */
static void write_seed(const struct linux_request *rq, const struct boot_memory *bm,
                       const struct kernel_info *k, uint8_t *bp)
{
    uint8_t data[SETUP_DATA_SIZE + LINUX_SEED_SIZE] = {0};

    if (!rq->rng_seed || k->version < 0x209)
        return;
    put_le32(data + 8, SETUP_RNG_SEED);
    put_le32(data + 12, LINUX_SEED_SIZE);
    memcpy(data + SETUP_DATA_SIZE, rq->rng_seed, LINUX_SEED_SIZE);
    address_space_write_block(bm->mem, LINUX_SETUP_DATA, data, sizeof(data));
    put_le64(bp + HDR_SETUP_DATA, LINUX_SETUP_DATA);
}

static bool write_boot_params(const struct linux_request *rq, const struct boot_memory *bm,
                              const struct kernel_info *k, struct error *err)
{
    uint8_t bp[BP_SIZE] = {0};
    uint64_t initrd;

    put_header(bp, rq->kernel, k);
    put_e820(bp, &bm->e820);
    put_old_memory(bp, bm);
    write_seed(rq, bm, k, bp);
    put_le64(bp + BP_ACPI_RSDP_ADDR, bm->rsdp);
    if (rq->vga_text)
        put_text_screen(bp);
    if (rq->initrd) {
        if (!place_initrd(rq, bm, k, &initrd, err))
            return false;
        put_le32(bp + HDR_RAMDISK_IMAGE, (uint32_t)initrd);
        put_le32(bp + HDR_RAMDISK_SIZE, (uint32_t)rq->initrd->size);
    }
    address_space_write_block(bm->mem, LINUX_BOOT_PARAMS, bp, sizeof(bp));
    return true;
}

/* ---- processor state ---- */

/* PML4, PDPT and four page directories of 2 MiB pages: present, writable. */
static void write_page_tables(struct address_space *mem)
{
    uint8_t page[PAGE] = {0};

    put_le64(page, (LINUX_PAGE_TABLES + PAGE) | 3);
    address_space_write_block(mem, LINUX_PAGE_TABLES, page, PAGE);
    for (unsigned i = 0; i < 4; i++)
        put_le64(page + 8 * i, (LINUX_PAGE_TABLES + (2 + i) * PAGE) | 3);
    address_space_write_block(mem, LINUX_PAGE_TABLES + PAGE, page, PAGE);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < 512; j++)
            put_le64(page + 8 * j, ((uint64_t)i << 30 | (uint64_t)j << 21) | 0x83);
        address_space_write_block(mem, LINUX_PAGE_TABLES + (2 + i) * PAGE, page, PAGE);
    }
}

static void write_gdt(struct address_space *mem, bool long_mode)
{
    uint8_t gdt[32] = {0};

    put_le64(gdt + BOOT_CS, long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff);
    put_le64(gdt + BOOT_DS, 0x00cf93000000ffff);
    address_space_write_block(mem, LINUX_GDT, gdt, sizeof(gdt));
}

static void set_state(const struct kernel_info *k, bool long_mode, struct boot_state *state)
{
    *state = (struct boot_state){
        .mode = long_mode ? BOOT_LONG64 : BOOT_PROT32,
        .rip = k->load_address + (long_mode ? ENTRY_64_OFFSET : 0),
        .rsp = LINUX_STACK_TOP,
        .rsi = LINUX_BOOT_PARAMS,
        .cr3 = long_mode ? LINUX_PAGE_TABLES : 0,
        .gdt_base = LINUX_GDT,
        .gdt_limit = 31,
        .cs = BOOT_CS,
        .ds = BOOT_DS,
    };
}

bool linux_load(const struct linux_request *rq, const struct boot_memory *bm,
                struct boot_state *state, struct error *err)
{
    struct kernel_info k = {0};
    bool long_mode;

    if (!read_header(rq->kernel, bm, &k, err))
        return false;
    long_mode = k.entry_64 && !rq->force_32bit;
    if (!write_cmdline(rq, bm, &k, err) || !write_boot_params(rq, bm, &k, err))
        return false;
    address_space_write_block(bm->mem, k.load_address, rq->kernel->data + k.payload_at,
                              k.payload_size);
    write_gdt(bm->mem, long_mode);
    if (long_mode)
        write_page_tables(bm->mem);
    set_state(&k, long_mode, state);
    return true;
}
