/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The AHCI controller as drivers use it: resets and signatures, PIO, DMA, packets, queued commands,
 * errors. */
#include <string.h>

#include "base/bits.h"
#include "devices/storage/ahci.h"
#include "devices/storage/ahci_regs.h"
#include "tests/devices/fakedisk.h"
#include "tests/devices/rig_pci.h"

#define BAR    0xe0000000u
#define DEVFN  PCI_DEVFN(3, 0)
#define LIST   0x4000u
#define FISES  0x4400u
#define TABLES 0x5000u
#define DATA   0x10000u
#define OK     (ATA_DRDY | ATA_DSC)

struct box {
    struct rig r;
    struct region ram;
    struct pci_bus bus;
    struct ahci hba;
    struct blockdev disk, cd;
    unsigned messages;
};

static void message(void *owner, uint64_t address, uint32_t data)
{
    assert_int_equal(address, 0x1fee01000);
    assert_int_equal(data, 0x4031);
    ((struct box *)owner)->messages++;
}

static uint32_t get(struct box *b, unsigned reg)
{
    return address_space_read(&b->r.m.mem, BAR + reg, 4);
}

static void put(struct box *b, unsigned reg, uint32_t value)
{
    address_space_write(&b->r.m.mem, BAR + reg, value, 4);
}

static uint32_t get_port(struct box *b, unsigned port, unsigned reg)
{
    return get(b, HBA_PORTS + HBA_PORT_SIZE * port + reg);
}

static void put_port(struct box *b, unsigned port, unsigned reg, uint32_t value)
{
    put(b, HBA_PORTS + HBA_PORT_SIZE * port + reg, value);
}

static void start_port(struct box *b, unsigned port)
{
    put_port(b, port, PX_CLB, LIST);
    put_port(b, port, PX_FB, FISES);
    put_port(b, port, PX_SERR, UINT32_MAX);
    put_port(b, port, PX_IS, UINT32_MAX);
    put_port(b, port, PX_IE, UINT32_MAX);
    put_port(b, port, PX_CMD, CMD_FRE);
    put_port(b, port, PX_CMD, CMD_FRE | CMD_ST);
    put(b, HBA_IS, UINT32_MAX);
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof(*b));
    struct ide_drive_config drives[AHCI_NUM_PORTS] = {{0}};

    rig_init(&b->r);
    rig_add_memory(&b->r, &b->ram);
    fake_init(&b->disk, 4 << 20);
    fake_init(&b->cd, 1 << 20);
    drives[0] = (struct ide_drive_config){ATA_DISK, &b->disk};
    drives[2] = (struct ide_drive_config){ATA_CDROM, &b->cd};
    rig_add_pci(&b->r, &b->bus);
    ahci_init(&b->hba, &b->r.m, "ahci", &b->bus, DEVFN, drives, 4, (struct msi_sink){message, b});
    pci_config_write(&b->bus, DEVFN, PCI_BASE_ADDRESS_0 + 20, BAR, 4);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 6, 2);
    put(b, HBA_GHC, GHC_AE | GHC_IE);
    start_port(b, 0);
    start_port(b, 2);
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

static bool irq(struct box *b)
{
    return b->r.level[pci_pirq_of(DEVFN, 1)];
}

/* A command with one region at DATA. */
static void fill_slot(struct box *b, unsigned slot, uint8_t code, uint64_t lba, uint16_t count,
                      uint32_t bytes)
{
    struct address_space *mem = &b->r.m.mem;
    uint64_t table = TABLES + 0x100u * slot, header = LIST + HEADER_SIZE * slot;
    uint8_t fis[20] = {FIS_H2D, H2D_COMMAND, code};
    bool queued = code == 0x60 || code == 0x61;

    for (unsigned i = 0; i < 3; i++) {
        fis[4 + i] = lba >> 8 * i;
        fis[8 + i] = lba >> (24 + 8 * i);
    }
    fis[7] = 0x40;
    st_le16(fis + 12, queued ? slot << 3 : count);
    if (queued) {
        fis[3] = count;
        fis[11] = count >> 8;
    }
    address_space_write_block(mem, table, fis, sizeof(fis));
    address_space_write(mem, table + TABLE_PRDT, DATA + 0x1000 * slot, 8);
    address_space_write(mem, table + TABLE_PRDT + 12, bytes ? bytes - 1 : 0, 4);
    address_space_write(mem, header, 5 | (bytes ? 1u << 16 : 0), 4);
    address_space_write(mem, header + 4, 0, 4);
    address_space_write(mem, header + 8, table, 8);
}

static void issue(struct box *b, unsigned port, uint32_t slots)
{
    put_port(b, port, PX_CI, slots);
    rig_pass(&b->r, 1000000);
}

static void registers(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_CLASS_PROG, 1), 1);
    assert_int_equal(get(b, 0) & 31, AHCI_NUM_PORTS - 1);
    assert_int_equal(get(b, 0) >> 8 & 31, 31);
    assert_int_equal(get(b, 0x0c), 0x3f);
    assert_int_equal(get_port(b, 0, PX_SSTS) & 15, 3);
    assert_int_equal(get_port(b, 1, PX_SSTS), 0);
    assert_int_equal(get_port(b, 0, PX_SIG), 0x00000101);
    assert_int_equal(get_port(b, 2, PX_SIG), 0xeb140101);
    assert_int_equal(get_port(b, 0, PX_TFD), 0x0100 | OK);
    assert_int_equal(get_port(b, 1, PX_TFD) & 0xff, 0x7f);
    put_port(b, 1, PX_CI, 1); /* nobody there, and not started */
    assert_int_equal(get_port(b, 1, PX_CI), 0);
}

static void put_region(struct box *b, unsigned slot, unsigned n, uint64_t at, uint32_t bytes)
{
    uint64_t d = TABLES + 0x100u * slot + TABLE_PRDT + 16 * n;

    address_space_write(&b->r.m.mem, d, at, 8);
    address_space_write(&b->r.m.mem, d + 12, bytes - 1, 4);
}

/* Data that a command reads go into the port's own registers, where they stop the port and start it
 * anew with two others: each of them is executed, one after the other. */
static void into_itself(void **state)
{
    struct box *b = *state;
    uint64_t port = BAR + HBA_PORTS;

    st_le32(b->disk.data, CMD_FRE);
    st_le32(b->disk.data + 4, CMD_FRE | CMD_ST);
    st_le32(b->disk.data + 8, 6);
    fill_slot(b, 0, 0x25, 0, 1, 512);
    address_space_write(&b->r.m.mem, LIST, 5 | 4u << 16, 4);
    put_region(b, 0, 0, port + PX_CMD, 4);
    put_region(b, 0, 1, port + PX_CMD, 4);
    put_region(b, 0, 2, port + PX_CI, 4);
    put_region(b, 0, 3, DATA, 500);
    fill_slot(b, 1, 0xea, 0, 0, 0); /* FLUSH CACHE EXT */
    fill_slot(b, 2, 0xea, 0, 0, 0);
    issue(b, 0, 1);
    assert_int_equal(get_port(b, 0, PX_CI), 0);
    assert_int_equal(b->disk.flushes, 2);
    assert_int_equal(b->disk.most, 1);
    fill_slot(b, 0, 0x25, 7, 1, 512); /* and all is well */
    issue(b, 0, 1);
    assert_int_equal(get_port(b, 0, PX_CI), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 7 * 512, 512);
}

static void comreset(void **state)
{
    struct box *b = *state;

    put_port(b, 0, PX_CMD, 0x10);
    put_port(b, 0, PX_SCTL, 1);
    assert_int_equal(get_port(b, 0, PX_SSTS), 0);
    put_port(b, 0, PX_SCTL, 0);
    assert_int_equal(get_port(b, 0, PX_SSTS), 0x133);
    assert_int_equal(get_port(b, 0, PX_SERR), 1 << 26);
    assert_int_equal(get_port(b, 0, PX_IS) & 0x40, 0x40);
    put_port(b, 0, PX_SERR, 1 << 26);
    assert_int_equal(get_port(b, 0, PX_IS) & 0x40, 0);
    put(b, 4, 1); /* HBA reset */
    assert_int_equal(get(b, 4), 0x80000000);
    assert_int_equal(get_port(b, 0, PX_CMD) & 0x11, 0);
}

static void identify(void **state)
{
    struct box *b = *state;

    fill_slot(b, 3, 0xec, 0, 0, 512);
    issue(b, 0, 1 << 3);
    assert_int_equal(get_port(b, 0, PX_CI), 0);
    assert_int_equal(get_port(b, 0, PX_IS) & 0x42, 2); /* PIO setup */
    assert_int_equal(get_port(b, 0, PX_TFD) & 0xff, OK);
    assert_int_equal(b->r.m.arena.host[FISES + 0x20], 0x5f);
    assert_int_equal(ld_le32(b->r.m.arena.host + LIST + 3 * 32 + 4), 512);
    assert_int_equal(ld_le16(b->r.m.arena.host + DATA + 0x3000 + 150), 31); /* queue depth */
    assert_true(irq(b));
    put_port(b, 0, PX_IS, UINT32_MAX);
    put(b, 8, 1);
    assert_false(irq(b));
}

/* One message for what there is to tell, another one when the guest acknowledges and there is more;
 * never INTA# meanwhile. */
static void messages(void **state)
{
    struct box *b = *state;

    assert_int_equal(pci_config_read(&b->bus, DEVFN, PCI_CAPABILITY_LIST, 1), 0x80);
    assert_int_equal(pci_config_read(&b->bus, DEVFN, 0x80, 4), 0x00800005);
    pci_config_write(&b->bus, DEVFN, 0x84, 0xfee01003, 4);
    pci_config_write(&b->bus, DEVFN, 0x88, 1, 4);
    pci_config_write(&b->bus, DEVFN, 0x8c, 0x4031, 2);
    fill_slot(b, 0, 0xec, 0, 0, 512);
    issue(b, 0, 1);
    assert_true(irq(b));
    pci_config_write(&b->bus, DEVFN, 0x82, 1, 2); /* what is there already is told anew */
    assert_false(irq(b));
    assert_int_equal(b->messages, 1);
    issue(b, 0, 1);
    assert_int_equal(b->messages, 1); /* not acknowledged yet */
    put(b, 8, 1);                     /* but the port still wants it */
    assert_int_equal(b->messages, 2);
    put_port(b, 0, PX_IS, UINT32_MAX);
    put(b, 8, 1);
    assert_int_equal(b->messages, 2);
    issue(b, 0, 1);
    assert_int_equal(b->messages, 3);
    rig_round_trip(&b->r, &b->hba.pci.dev);
    pci_config_write(&b->bus, DEVFN, PCI_COMMAND, 2, 2); /* no bus master, no messages */
    put(b, 8, 1);
    assert_int_equal(b->messages, 3);
    assert_false(irq(b));
}

static void dma(void **state)
{
    struct box *b = *state;

    fill_slot(b, 0, 0x25, 64, 8, 4096);
    issue(b, 0, 1);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data + 64 * 512, 4096);
    assert_int_equal(get_port(b, 0, PX_IS), 1);
    assert_int_equal(b->r.m.arena.host[FISES + 0x40], 0x34);
    memset(b->r.m.arena.host + DATA + 0x1000, 0x77, 1024);
    fill_slot(b, 1, 0x35, 10, 2, 1024);
    fill_slot(b, 2, 0xea, 0, 0, 0);
    issue(b, 0, 6);
    assert_int_equal(get_port(b, 0, PX_CI), 0);
    assert_int_equal(b->disk.data[10 * 512], 0x77);
    assert_int_equal(b->disk.data[12 * 512 - 1], 0x77);
    assert_int_equal(b->disk.flushes, 1);
    rig_round_trip(&b->r, &b->hba.pci.dev);
}

static void short_table(void **state)
{
    struct box *b = *state;

    fill_slot(b, 0, 0x25, 64, 8, 512);
    issue(b, 0, 1);
    assert_int_equal(get_port(b, 0, PX_IS) & 0x01000001, 0x01000001); /* overflow */
    assert_int_equal(ld_le32(b->r.m.arena.host + LIST + 4), 512);
}

static void queued(void **state)
{
    struct box *b = *state;

    for (unsigned slot = 0; slot < 32; slot++)
        fill_slot(b, slot, 0x60, 8 * slot, 8, 4096);
    put_port(b, 0, PX_SACT, UINT32_MAX);
    put_port(b, 0, PX_CI, UINT32_MAX);
    assert_int_equal(get_port(b, 0, PX_CI), 0); /* all are taken */
    assert_int_equal(get_port(b, 0, PX_SACT), UINT32_MAX);
    assert_int_equal(b->disk.in_flight, 32);
    rig_pass(&b->r, 1000000);
    assert_int_equal(get_port(b, 0, PX_SACT), 0);
    assert_int_equal(get_port(b, 0, PX_IS), 8);
    assert_int_equal(b->r.m.arena.host[FISES + 0x58], 0xa1);
    assert_memory_equal(b->r.m.arena.host + DATA, b->disk.data, 32 * 4096);
    memset(b->r.m.arena.host + DATA, 0x33, 4096);
    fill_slot(b, 0, 0x61, 500, 8, 4096);
    put_port(b, 0, PX_SACT, 1);
    issue(b, 0, 1);
    assert_int_equal(b->disk.data[500 * 512 + 4095], 0x33);
}

/* The port stands still; after a restart log 10h says which command it was. */
static void queued_error(void **state)
{
    struct box *b = *state;
    const uint8_t *log = b->r.m.arena.host + DATA;

    b->disk.bad = 77 * 512;
    b->disk.bad_length = 1;
    fill_slot(b, 4, 0x60, 8, 8, 4096);
    fill_slot(b, 5, 0x60, 77, 1, 512);
    fill_slot(b, 6, 0x60, 8, 8, 4096);
    put_port(b, 0, PX_SACT, 7 << 4);
    issue(b, 0, 7 << 4);
    assert_int_equal(get_port(b, 0, PX_IS) & 0x40000000, 0x40000000);
    assert_int_equal(get_port(b, 0, PX_SACT), 3 << 5);
    assert_int_equal(get_port(b, 0, PX_TFD) & 1, 1);
    put_port(b, 0, PX_CMD, 0x10);
    assert_int_equal(get_port(b, 0, PX_SACT), 0);
    start_port(b, 0);
    fill_slot(b, 0, 0x2f, 0x10, 1, 512);
    issue(b, 0, 1);
    assert_int_equal(get_port(b, 0, PX_CI), 0);
    assert_int_equal(log[0], 5);
    assert_int_equal(log[3], ATA_UNC);
    assert_int_equal(log[4], 77);
}

static void error(void **state)
{
    struct box *b = *state;

    fill_slot(b, 0, 0x25, 4 << 20, 8, 4096);
    fill_slot(b, 1, 0xea, 0, 0, 0);
    issue(b, 0, 3);
    assert_int_equal(get_port(b, 0, PX_TFD), ATA_IDNF << 8 | OK | ATA_ERR);
    assert_int_equal(get_port(b, 0, PX_CI), 3); /* the other one waits for the restart */
    put_port(b, 0, PX_CMD, 0x10);
    assert_int_equal(get_port(b, 0, PX_CI), 0);
    start_port(b, 0);
    issue(b, 0, 2);
    assert_int_equal(b->disk.flushes, 1);
}

static void packet(void **state)
{
    struct box *b = *state;
    uint8_t cdb[12] = {0x28, 0, 0, 0, 0, 4, 0, 0, 2};

    fill_slot(b, 0, 0xa0, 0, 0, 4096); /* the first command hears of the reset */
    issue(b, 2, 1);
    assert_int_equal(get_port(b, 2, PX_TFD) & 1, 1);
    start_port(b, 2);
    fill_slot(b, 0, 0xa0, 0, 0, 4096);
    b->r.m.arena.host[TABLES + 3] = 1; /* DMA */
    memcpy(b->r.m.arena.host + TABLES + 0x40, cdb, 12);
    issue(b, 2, 1);
    assert_int_equal(get_port(b, 2, PX_CI), 0);
    assert_memory_equal(b->r.m.arena.host + DATA, b->cd.data + 4 * 2048, 4096);
}

static void software_reset(void **state)
{
    struct box *b = *state;

    fill_slot(b, 0, 0, 0, 0, 0);
    b->r.m.arena.host[TABLES + 1] = 0;
    b->r.m.arena.host[TABLES + 15] = 4;
    issue(b, 2, 1);
    assert_int_equal(get_port(b, 2, PX_TFD) & 0x80, 0x80);
    b->r.m.arena.host[TABLES + 15] = 0;
    issue(b, 2, 1);
    assert_int_equal(get_port(b, 2, PX_SIG), 0xeb140101);
    assert_int_equal(get_port(b, 2, PX_TFD) & 0x80, 0);
}

static void reset_under_way(void **state)
{
    struct box *b = *state;

    for (unsigned slot = 0; slot < 4; slot++)
        fill_slot(b, slot, 0x60, 8 * slot, 8, 4096);
    put_port(b, 0, PX_SACT, 15);
    put_port(b, 0, PX_CI, 15);
    put(b, 4, 1);
    assert_int_equal(b->disk.in_flight, 0);
    assert_int_equal(get_port(b, 0, PX_SACT), 0);
    devices_reset(&b->r.m);
    assert_false(irq(b));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(registers),   TEST(comreset),    TEST(identify),       TEST(messages),
        TEST(dma),         TEST(short_table), TEST(queued),         TEST(queued_error),
        TEST(error),       TEST(packet),      TEST(software_reset), TEST(reset_under_way),
        TEST(into_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
