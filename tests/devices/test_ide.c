/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PIIX3's IDE function with an ATA disk and an ATAPI drive, as drivers use them: registers,
 * PIO, bus master DMA, packets, errors, absent drives. */
#include <string.h>

#include "base/bits.h"
#include "devices/bus/piix3.h"
#include "devices/storage/piix_ide.h"
#include "tests/devices/fakedisk.h"
#include "tests/devices/rig.h"

#define BM         0xc000
#define DISK_SIZE  (4u << 20)
#define CD_SIZE    (1u << 20)
#define PRD        0x1000u
#define DATA       0x10000u
#define OK         (ATA_DRDY | ATA_DSC)
#define FAILED     (OK | ATA_ERR)
#define TAKE_DELAY 200000

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct piix_ide ide;
    struct blockdev disk, cd;
};

static void add_ram(struct box *b)
{
    rig_add_memory(&b->r, &b->ram);
}

/* The disk is master of the primary channel; the CD drive slave of the secondary. */
static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct ide_drive_config drives[4] = {{0}};

    rig_init(&b->r);
    add_ram(b);
    fake_init(&b->disk, DISK_SIZE);
    fake_init(&b->cd, CD_SIZE);
    drives[0] = (struct ide_drive_config){ATA_DISK, &b->disk};
    drives[3] = (struct ide_drive_config){ATA_CDROM, &b->cd};
    pci_bus_init(&b->bus, &b->r.m, "pci");
    piix_ide_init(&b->ide, &b->r.m, "ide", &b->bus, rig_line(&b->r, 0), rig_line(&b->r, 1), drives);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PCI_BASE_ADDRESS_0 + 16, BM, 4);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PCI_COMMAND, 5, 2);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PIIX_IDETIM, 0x80008000, 4);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    rig_end(&b->r);
    fake_free(&b->disk);
    fake_free(&b->cd);
    free(b);
    return 0;
}

static uint8_t in(struct box *b, uint16_t port)
{
    return rig_in(&b->r, port);
}

static void out(struct box *b, uint16_t port, uint8_t value)
{
    rig_out(&b->r, port, value);
}

static void wait(struct box *b)
{
    rig_pass(&b->r, TAKE_DELAY);
}

/* Registers of a command on the primary channel, LBA28. */
static void set_lba(struct box *b, uint32_t lba, uint8_t count)
{
    out(b, 0x1f2, count);
    out(b, 0x1f3, lba);
    out(b, 0x1f4, lba >> 8);
    out(b, 0x1f5, lba >> 16);
    out(b, 0x1f6, 0xe0 | (lba >> 24 & 15));
}

static void command(struct box *b, uint8_t code)
{
    out(b, 0x1f7, code);
    wait(b);
}

/* Reads the status, which acknowledges the interrupt that must be there. */
static void expect_irq(struct box *b, unsigned channel, uint8_t status)
{
    assert_true(b->r.level[channel]);
    assert_int_equal(in(b, channel ? 0x177 : 0x1f7), status);
    assert_false(b->r.level[channel]);
}

static void read_words(struct box *b, uint16_t port, uint8_t *to, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 2)
        st_le16(to + i, address_space_read(&b->r.m.io, port, 2));
}

static void write_words(struct box *b, uint16_t port, const uint8_t *from, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 2)
        address_space_write(&b->r.m.io, port, ld_le16(from + i), 2);
}

/* ---- channel ---- */

static void decoding(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, PIIX_IDE_DEVFN, 0, 4), 0x70108086);
    assert_int_equal(pci_config_read(&b->bus, PIIX_IDE_DEVFN, PCI_CLASS_PROG, 1), 0x80);
    assert_int_equal(in(b, 0x1f7), OK);
    assert_int_equal(in(b, 0x376), 0x7f);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PCI_COMMAND, 4, 2);
    assert_int_equal(in(b, 0x1f7), 0xff);
    assert_int_equal(in(b, 0x376), 0xff);
}

static void absent(void **state)
{
    struct box *b = *state;

    /* Drive 1 of the primary channel: drive 0 answers for it. */
    out(b, 0x1f6, 0xb0);
    out(b, 0x1f2, 0x55);
    assert_int_equal(in(b, 0x1f7), 0);
    assert_int_equal(in(b, 0x3f6), 0);
    assert_int_equal(in(b, 0x1f2), 0x55);
    out(b, 0x1f7, 0xec);
    wait(b);
    assert_int_equal(in(b, 0x1f7), 0);
    assert_false(b->r.level[0]);
    /* Drive 0 of the secondary: nobody does. */
    assert_int_equal(in(b, 0x177), 0x7f);
    out(b, 0x172, 0x55);
    assert_int_equal(in(b, 0x172), 0x7f);
    out(b, 0x176, 0xb0);
    assert_int_equal(in(b, 0x172), 0x55);
}

static void signatures(void **state)
{
    struct box *b = *state;

    out(b, 0x3f6, 4);
    assert_int_equal(in(b, 0x3f6), ATA_BSY);
    out(b, 0x3f6, 0);
    assert_int_equal(in(b, 0x1f1), 1);
    assert_int_equal(in(b, 0x1f2), 1);
    assert_int_equal(in(b, 0x1f3), 1);
    assert_int_equal(in(b, 0x1f4), 0);
    assert_int_equal(in(b, 0x1f5), 0);
    assert_int_equal(in(b, 0x1f7), OK);
    out(b, 0x376, 4);
    out(b, 0x376, 0);
    out(b, 0x176, 0x10);
    assert_int_equal(in(b, 0x174), 0x14);
    assert_int_equal(in(b, 0x175), 0xeb);
    assert_int_equal(in(b, 0x177), 0);
    assert_int_equal(b->r.rises[0] + b->r.rises[1], 0);
    /* EXECUTE DEVICE DIAGNOSTIC interrupts. */
    out(b, 0x1f6, 0xf0);
    command(b, 0x90);
    assert_int_equal(in(b, 0x1f1), 1);
    assert_int_equal(in(b, 0x1f6) & ATA_DEV, 0);
    expect_irq(b, 0, OK);
}

static void interrupt_mask(void **state)
{
    struct box *b = *state;

    out(b, 0x3f6, 2);
    command(b, 0xe7);
    assert_false(b->r.level[0]);
    assert_int_equal(in(b, 0x3f6), OK); /* does not acknowledge */
    out(b, 0x3f6, 0);
    assert_true(b->r.level[0]);
    out(b, 0x1f6, 0xb0); /* the other drive is selected: not its interrupt */
    assert_false(b->r.level[0]);
    out(b, 0x1f6, 0xa0);
    expect_irq(b, 0, OK);
    assert_int_equal(b->disk.flushes, 1);
}

/* ---- disk ---- */

static void identify(void **state)
{
    struct box *b = *state;
    uint8_t id[512], sum = 0;

    b->disk.serial = "ABC123";
    command(b, 0xec);
    expect_irq(b, 0, OK | ATA_DRQ);
    read_words(b, 0x1f0, id, 512);
    assert_int_equal(in(b, 0x1f7), OK);
    assert_false(b->r.level[0]);
    for (unsigned i = 0; i < 512; i++)
        sum += id[i];
    assert_int_equal(sum, 0);
    assert_int_equal(id[510], 0xa5);
    assert_memory_equal(id + 20, "BA1C32  ", 8);
    assert_int_equal(ld_le32(id + 120), DISK_SIZE / 512);
    assert_int_equal(ld_le64(id + 200), DISK_SIZE / 512);
    assert_int_equal(ld_le16(id + 2), DISK_SIZE / 512 / (16 * 63));
    assert_int_equal(ld_le16(id + 256), 0); /* security: not there */
    assert_int_equal(ld_le16(id + 164) & 2, 0);
    command(b, 0xa1); /* IDENTIFY PACKET DEVICE */
    expect_irq(b, 0, FAILED);
    assert_int_equal(in(b, 0x1f1), ATA_ABRT);
}

static void pio_read(void **state)
{
    struct box *b = *state;
    uint8_t data[3 * 512];

    set_lba(b, 5, 3);
    out(b, 0x1f7, 0x20);
    assert_int_equal(in(b, 0x3f6) & ATA_BSY, ATA_BSY);
    out(b, 0x1f2, 9); /* not taken while it is busy */
    wait(b);
    for (unsigned i = 0; i < 3; i++) {
        expect_irq(b, 0, OK | ATA_DRQ);
        read_words(b, 0x1f0, data + 512 * i, 512);
    }
    assert_int_equal(in(b, 0x1f7), OK);
    assert_memory_equal(data, b->disk.data + 5 * 512, sizeof(data));
    assert_int_equal(b->r.rises[0], 3);
}

static void pio_write(void **state)
{
    struct box *b = *state;
    uint8_t data[2 * 512];

    memset(data, 0xa5, sizeof(data));
    data[512] = 1;
    set_lba(b, 100, 2);
    out(b, 0x1f7, 0x30);
    assert_int_equal(in(b, 0x1f7), OK | ATA_DRQ); /* the first block needs no interrupt */
    assert_int_equal(b->r.rises[0], 0);
    write_words(b, 0x1f0, data, 512);
    wait(b);
    expect_irq(b, 0, OK | ATA_DRQ);
    write_words(b, 0x1f0, data + 512, 512);
    wait(b);
    expect_irq(b, 0, OK);
    assert_memory_equal(data, b->disk.data + 100 * 512, sizeof(data));
}

/* Blocks of four sectors, the last one shorter; 48-bit addresses through the second bytes. */
static void multiple(void **state)
{
    struct box *b = *state;
    uint8_t data[6 * 512];

    out(b, 0x1f2, 4);
    command(b, 0xc6);
    expect_irq(b, 0, OK);
    out(b, 0x1f6, 0xe0);
    out(b, 0x1f2, 0);
    out(b, 0x1f2, 6);
    for (unsigned i = 0; i < 3; i++) {
        out(b, 0x1f3 + i, 0);
        out(b, 0x1f3 + i, i ? 0 : 9);
    }
    command(b, 0x29);
    expect_irq(b, 0, OK | ATA_DRQ);
    read_words(b, 0x1f0, data, 4 * 512);
    expect_irq(b, 0, OK | ATA_DRQ);
    read_words(b, 0x1f0, data + 4 * 512, 2 * 512);
    assert_int_equal(in(b, 0x1f7), OK);
    assert_memory_equal(data, b->disk.data + 9 * 512, sizeof(data));
    out(b, 0x1f2, 3); /* not a power of two */
    command(b, 0xc6);
    expect_irq(b, 0, FAILED);
    out(b, 0x1f2, 0); /* off: the commands abort */
    command(b, 0xc6);
    expect_irq(b, 0, OK);
    set_lba(b, 0, 1);
    command(b, 0xc4);
    expect_irq(b, 0, FAILED);
}

static void chs(void **state)
{
    struct box *b = *state;
    uint8_t data[512];

    out(b, 0x1f2, 17);
    out(b, 0x1f6, 0xa3);
    command(b, 0x91); /* 4 heads of 17 sectors */
    expect_irq(b, 0, OK);
    out(b, 0x1f2, 1);
    out(b, 0x1f3, 5);
    out(b, 0x1f4, 7);
    out(b, 0x1f5, 0);
    out(b, 0x1f6, 0xa2);
    command(b, 0x20);
    expect_irq(b, 0, OK | ATA_DRQ);
    read_words(b, 0x1f0, data, 512);
    assert_memory_equal(data, b->disk.data + 512 * ((7 * 4 + 2) * 17 + 4), 512);
    out(b, 0x1f3, 18); /* no such sector */
    command(b, 0x20);
    expect_irq(b, 0, FAILED);
    assert_int_equal(in(b, 0x1f1), ATA_IDNF);
}

static void errors(void **state)
{
    struct box *b = *state;

    set_lba(b, DISK_SIZE / 512 - 1, 2);
    command(b, 0x20);
    expect_irq(b, 0, FAILED);
    assert_int_equal(in(b, 0x1f1), ATA_IDNF);
    b->disk.bad = 40 * 512;
    b->disk.bad_length = 1;
    set_lba(b, 40, 1);
    command(b, 0x20);
    expect_irq(b, 0, FAILED);
    assert_int_equal(in(b, 0x1f1), ATA_UNC);
    assert_int_equal(in(b, 0x1f3), 40);
    set_lba(b, 39, 2);
    command(b, 0x40); /* verify */
    expect_irq(b, 0, FAILED);
    b->disk.bad_length = 0;
    command(b, 0x40);
    expect_irq(b, 0, OK);
    b->disk.read_only = true;
    command(b, 0x30);
    expect_irq(b, 0, FAILED);
    command(b, 0xf1); /* SECURITY SET PASSWORD */
    expect_irq(b, 0, FAILED);
    assert_int_equal(in(b, 0x1f1), ATA_ABRT);
}

static void native_max(void **state)
{
    struct box *b = *state;

    set_lba(b, 0, 0);
    command(b, 0xf8);
    expect_irq(b, 0, OK);
    assert_int_equal(in(b, 0x1f3) | in(b, 0x1f4) << 8, DISK_SIZE / 512 - 1);
    set_lba(b, 999, 0);
    command(b, 0xf9);
    expect_irq(b, 0, OK);
    assert_int_equal(ata_num_sectors(&b->ide.channel[0].drive[0]), 1000);
    set_lba(b, 2000, 0);
    command(b, 0xf9); /* not right after READ NATIVE MAX ADDRESS */
    expect_irq(b, 0, FAILED);
    set_lba(b, 1000, 1);
    command(b, 0x20);
    expect_irq(b, 0, FAILED);
}

static void features(void **state)
{
    struct box *b = *state;

    out(b, 0x1f1, 0x82);
    command(b, 0xef);
    expect_irq(b, 0, OK);
    assert_false(b->disk.write_cache);
    out(b, 0x1f1, 0x03);
    out(b, 0x1f2, 0x45); /* UDMA 5 */
    command(b, 0xef);
    expect_irq(b, 0, OK);
    assert_int_equal(b->ide.channel[0].drive[0].udma_mode, 6);
    out(b, 0x1f2, 0x47);
    command(b, 0xef);
    expect_irq(b, 0, FAILED);
    command(b, 0xe0);
    expect_irq(b, 0, OK);
    command(b, 0xe5);
    assert_int_equal(in(b, 0x1f2), 0); /* standby */
}

static void smart_command(struct box *b, uint8_t feature, uint8_t lba0)
{
    out(b, 0x1f1, feature);
    set_lba(b, 0xc24f00 | lba0, 1);
    command(b, 0xb0);
}

static void smart(void **state)
{
    struct box *b = *state;
    uint8_t data[512];

    smart_command(b, 0xda, 0);
    expect_irq(b, 0, OK);
    assert_int_equal(in(b, 0x1f4) | in(b, 0x1f5) << 8, 0xc24f); /* all is well */
    smart_command(b, 0xd4, 1);                                  /* short self-test */
    expect_irq(b, 0, OK);
    smart_command(b, 0xd5, 6);
    expect_irq(b, 0, OK | ATA_DRQ);
    read_words(b, 0x1f0, data, 512);
    assert_int_equal(data[2], 1);
    assert_int_equal(data[508], 1);
    smart_command(b, 0xd9, 0);
    expect_irq(b, 0, OK);
    smart_command(b, 0xd0, 0);
    expect_irq(b, 0, FAILED);
}

/* ---- bus master DMA ---- */

static void put_prd(struct box *b, unsigned n, uint32_t address, uint16_t count, bool last)
{
    uint8_t d[8];

    st_le32(d, address);
    st_le16(d + 4, count);
    st_le16(d + 6, last ? 0x8000 : 0);
    address_space_write_block(&b->r.m.mem, PRD + 8 * n, d, 8);
}

static void start_dma(struct box *b, unsigned channel, bool to_memory)
{
    uint16_t base = BM + 8 * channel;

    address_space_write(&b->r.m.io, base + 4, PRD, 4);
    out(b, base + 2, 6);
    out(b, base, to_memory ? 9 : 1);
    wait(b);
}

static void dma_read(void **state)
{
    struct box *b = *state;
    uint8_t data[4096];

    put_prd(b, 0, DATA, 512, false);
    put_prd(b, 1, DATA + 0x2000, 4096 - 512, true);
    set_lba(b, 16, 8);
    command(b, 0xc8);
    assert_false(b->r.level[0]);
    start_dma(b, 0, true);
    assert_int_equal(in(b, BM + 2), 4); /* interrupt, not active */
    out(b, BM, 0);
    expect_irq(b, 0, OK);
    out(b, BM + 2, 4);
    assert_int_equal(in(b, BM + 2), 0);
    address_space_read_block(&b->r.m.mem, DATA, data, 512);
    address_space_read_block(&b->r.m.mem, DATA + 0x2000, data + 512, 4096 - 512);
    assert_memory_equal(data, b->disk.data + 16 * 512, 4096);
}

/* The engine is started before the command; a command of several buffers; a longer table. */
static void dma_write(void **state)
{
    struct box *b = *state;

    for (unsigned i = 0; i < 5; i++)
        put_prd(b, i, 0x20000, 0, i == 4);
    for (unsigned i = 0; i < 0x10000; i++)
        address_space_write(&b->r.m.mem, 0x20000 + i, i * 3 + (i >> 8), 1);
    start_dma(b, 0, false);
    set_lba(b, 512, 0); /* 256 sectors: two of the regions */
    out(b, 0x1f2, 0);
    command(b, 0xca);
    wait(b);
    assert_int_equal(in(b, BM + 2), 5); /* the table goes on */
    expect_irq(b, 0, OK);
    assert_memory_equal(b->disk.data + 512 * 512, b->r.m.arena.host + 0x20000, 0x10000);
    assert_memory_equal(b->disk.data + 512 * 640, b->r.m.arena.host + 0x20000, 0x10000);
}

/* 1024 sectors in pieces; saved and loaded while it waits for the engine. */
static void dma_large(void **state)
{
    struct box *b = *state;

    for (unsigned i = 0; i < 8; i++)
        put_prd(b, i, 0x10000 + 0x1000 * i, 0, i == 7);
    out(b, 0x1f2, 4);
    out(b, 0x1f2, 0);
    for (unsigned i = 0; i < 3; i++) {
        out(b, 0x1f3 + i, 0);
        out(b, 0x1f3 + i, 0);
    }
    out(b, 0x1f6, 0xe0);
    command(b, 0x25);
    rig_round_trip(&b->r, &b->ide.pci.dev);
    start_dma(b, 0, true);
    rig_round_trip(&b->r, &b->ide.pci.dev);
    for (unsigned i = 0; i < 4; i++)
        wait(b);
    expect_irq(b, 0, OK);
    assert_int_equal(in(b, BM + 2), 4);
    assert_memory_equal(b->disk.data + 7 * 0x10000, b->r.m.arena.host + 0x17000, 0x10000);
}

/* The table ends too early: the drive waits until it is reset. */
static void dma_short(void **state)
{
    struct box *b = *state;

    put_prd(b, 0, DATA, 512, true);
    set_lba(b, 0, 2);
    command(b, 0xc8);
    start_dma(b, 0, true);
    assert_int_equal(in(b, BM + 2), 0);
    assert_false(b->r.level[0]);
    assert_int_equal(in(b, 0x1f7) & ATA_DRQ, ATA_DRQ);
    out(b, 0x3f6, 4);
    out(b, 0x3f6, 0);
    assert_int_equal(in(b, 0x1f7), OK);
}

static void trim(void **state)
{
    struct box *b = *state;
    uint64_t ranges[64] = {64 | 8ull << 48, 100 | 1ull << 48};

    address_space_write_block(&b->r.m.mem, DATA, ranges, 512);
    put_prd(b, 0, DATA, 512, true);
    out(b, 0x1f1, 1);
    out(b, 0x1f2, 0);
    out(b, 0x1f2, 1);
    command(b, 0x06);
    start_dma(b, 0, false);
    wait(b);
    expect_irq(b, 0, OK);
    assert_int_equal(b->disk.discards, 2);
    assert_int_equal(b->disk.data[64 * 512] | b->disk.data[72 * 512 - 1] | b->disk.data[100 * 512],
                     0);
    assert_int_not_equal(b->disk.data[72 * 512], 0);
}

/* ---- ATAPI ---- */

static void packet(struct box *b, const uint8_t cdb[12], uint16_t limit, bool dma)
{
    out(b, 0x176, 0xb0);
    out(b, 0x171, dma);
    out(b, 0x174, limit);
    out(b, 0x175, limit >> 8);
    out(b, 0x177, 0xa0);
    assert_int_equal(in(b, 0x177) & ATA_DRQ, ATA_DRQ);
    assert_int_equal(in(b, 0x172), ATAPI_COD);
    write_words(b, 0x170, cdb, 12);
    wait(b);
}

/* Takes data in blocks as the drive offers them. Returns how many bytes. */
static unsigned take_data(struct box *b, uint8_t *to, unsigned room)
{
    unsigned n = 0;

    while (in(b, 0x376) & ATA_DRQ) {
        assert_true(b->r.level[1]);
        in(b, 0x177);
        assert_int_equal(in(b, 0x172), ATAPI_IO);
        unsigned bytes = in(b, 0x174) | in(b, 0x175) << 8;
        assert_true(n + bytes <= room);
        read_words(b, 0x170, to + n, bytes);
        n += bytes;
        wait(b);
    }
    assert_int_equal(in(b, 0x172), ATAPI_COD | ATAPI_IO);
    return n;
}

static unsigned simple(struct box *b, uint8_t *to, unsigned room, const uint8_t cdb[12])
{
    packet(b, cdb, 0xfffe, false);
    return take_data(b, to, room);
}
#define PACKET(...) ((const uint8_t[12]){__VA_ARGS__})

static void expect_sense(struct box *b, uint8_t key, uint8_t asc)
{
    uint8_t data[18];

    assert_int_equal(in(b, 0x177), FAILED);
    assert_int_equal(in(b, 0x171), key << 4 | ATA_ABRT);
    assert_int_equal(simple(b, data, 18, PACKET(0x03, 0, 0, 0, 18)), 18);
    assert_int_equal(data[2], key);
    assert_int_equal(data[12], asc);
}

/* After power-on the first command that can tells so. */
static void become_ready(struct box *b)
{
    packet(b, PACKET(0x00), 0, false);
    expect_sense(b, 6, 0x29);
    packet(b, PACKET(0x00), 0, false);
    expect_irq(b, 1, OK);
}

static void cd_commands(void **state)
{
    struct box *b = *state;
    uint8_t data[512];

    become_ready(b);
    assert_int_equal(simple(b, data, 36, PACKET(0x12, 0, 0, 0, 36)), 36);
    assert_int_equal(data[0], 5);
    assert_int_equal(simple(b, data, 8, PACKET(0x25)), 8);
    assert_int_equal(ld_le32(data), __builtin_bswap32(CD_SIZE / 2048 - 1));
    assert_int_equal(simple(b, data, 512, PACKET(0x43, 2, 0, 0, 0, 0, 0, 2, 0)), 20);
    assert_int_equal(data[1], 18);
    assert_int_equal(data[13 + 1], 0xaa);
    assert_int_equal(simple(b, data, 512, PACKET(0x46, 2, 0, 0, 0, 0, 0, 0, 8)), 8);
    assert_int_equal(data[7], 0x08); /* CD-ROM */
    assert_int_equal(simple(b, data, 512, PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128)), 30);
    assert_int_equal(simple(b, data, 512, PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 34)), 34);
    assert_int_equal(simple(b, data, 512, PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8)), 8);
    packet(b, PACKET(0x2a), 0, false); /* WRITE(10) */
    expect_sense(b, 5, 0x20);
    out(b, 0x176, 0xb0);
    out(b, 0x177, 0xec);
    assert_int_equal(in(b, 0x177), FAILED);
    assert_int_equal(in(b, 0x174) | in(b, 0x175) << 8, 0xeb14);
}

static void cd_read(void **state)
{
    struct box *b = *state;
    uint8_t data[8 * 2048];

    become_ready(b);
    packet(b, PACKET(0x28, 0, 0, 0, 0, 7, 0, 0, 8), 2048, false);
    assert_int_equal(take_data(b, data, sizeof(data)), sizeof(data));
    assert_memory_equal(data, b->cd.data + 7 * 2048, sizeof(data));
    packet(b, PACKET(0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 1), 1000, false); /* odd pieces */
    assert_int_equal(take_data(b, data, sizeof(data)), 2048);
    assert_memory_equal(data, b->cd.data + 3 * 2048, 2048);
    packet(b, PACKET(0xbe, 0, 0, 0, 0, 9, 0, 0, 1, 0x10), 0xfffe, false);
    assert_int_equal(take_data(b, data, sizeof(data)), 2048);
    assert_memory_equal(data, b->cd.data + 9 * 2048, 2048);
    packet(b, PACKET(0x28, 0, 0, 0, 2, 0, 0, 0, 1), 2048, false); /* behind the end */
    expect_sense(b, 5, 0x21);
    b->cd.bad = 2048 * 5;
    b->cd.bad_length = 1;
    packet(b, PACKET(0x28, 0, 0, 0, 0, 5, 0, 0, 1), 2048, false);
    expect_sense(b, 3, 0x11);
}

static void cd_dma(void **state)
{
    struct box *b = *state;

    become_ready(b);
    put_prd(b, 0, DATA, 0x8000, true);
    packet(b, PACKET(0x28, 0, 0, 0, 0, 1, 0, 0, 16), 0, true);
    rig_round_trip(&b->r, &b->ide.pci.dev);
    start_dma(b, 1, true);
    expect_irq(b, 1, OK);
    assert_int_equal(in(b, BM + 10), 4);
    assert_memory_equal(b->cd.data + 2048, b->r.m.arena.host + DATA, 0x8000);
}

static void cd_tray(void **state)
{
    struct box *b = *state;
    uint8_t data[8];

    become_ready(b);
    packet(b, PACKET(0x1e, 0, 0, 0, 1), 0, false);
    assert_true(b->cd.events.locked(b->cd.events.opaque));
    packet(b, PACKET(0x1b, 0, 0, 0, 2), 0, false);
    expect_sense(b, 5, 0x53);
    packet(b, PACKET(0x1e), 0, false);
    packet(b, PACKET(0x1b, 0, 0, 0, 2), 0, false);
    assert_true(b->cd.tray_open);
    packet(b, PACKET(0x00), 0, false);
    expect_sense(b, 2, 0x3a);
    assert_int_equal(simple(b, data, 8, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8)), 8);
    assert_int_equal(data[4], 3); /* removal */
    assert_int_equal(data[5], 1); /* tray open */
    b->cd.events.medium_changed(b->cd.events.opaque);
    packet(b, PACKET(0x28, 0, 0, 0, 0, 5, 0, 0, 1), 2048, false);
    expect_sense(b, 6, 0x28);
    assert_int_equal(simple(b, data, 8, PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8)), 8);
    assert_int_equal(data[4], 2); /* new medium */
    fake_free(&b->cd);
    b->cd.events.medium_changed(b->cd.events.opaque);
    packet(b, PACKET(0x25), 0, false);
    expect_sense(b, 2, 0x3a);
}

/* Everything at every moment: saving and loading in the midst of PIO changes nothing. */
static void round_trip(void **state)
{
    struct box *b = *state;
    uint8_t data[512];

    set_lba(b, 5, 2);
    command(b, 0x20);
    read_words(b, 0x1f0, data, 100);
    rig_round_trip(&b->r, &b->ide.pci.dev);
    read_words(b, 0x1f0, data + 100, 412);
    assert_memory_equal(data, b->disk.data + 5 * 512, 512);
    devices_reset(&b->r.m);
    assert_int_equal(in(b, 0x1f7), 0xff); /* not decoded any more */
    assert_false(b->r.level[0]);
}

static void random_traffic(void **state)
{
    struct box *b = *state;

    rig_fuzz(&b->r, 0x1f0, 8, 1);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PCI_BASE_ADDRESS_0 + 16, BM, 4);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PCI_COMMAND, 5, 2);
    pci_config_write(&b->bus, PIIX_IDE_DEVFN, PIIX_IDETIM, 0x80008000, 4);
    rig_fuzz(&b->r, 0x170, 8, 2);
    rig_round_trip(&b->r, &b->ide.pci.dev);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(decoding), TEST(absent),    TEST(signatures),  TEST(interrupt_mask),
        TEST(identify), TEST(pio_read),  TEST(pio_write),   TEST(multiple),
        TEST(chs),      TEST(errors),    TEST(native_max),  TEST(features),
        TEST(smart),    TEST(dma_read),  TEST(dma_write),   TEST(dma_large),
        TEST(trim),     TEST(dma_short), TEST(cd_commands), TEST(cd_read),
        TEST(cd_dma),   TEST(cd_tray),   TEST(round_trip),  TEST(random_traffic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
