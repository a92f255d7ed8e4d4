/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC without processors: it builds, boots a Multiboot kernel, and resets to the same state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "machines/pc.h"
#include "machines/pc_boot.h"

struct cpus {
    struct boot_state state;
    unsigned boots, messages;
    bool intr;
};

static void set_boot_state(void *opaque, const struct boot_state *state)
{
    struct cpus *c = opaque;

    c->state = *state;
    c->boots++;
}

static void set_intr(void *owner, unsigned n, bool level)
{
    (void)n;
    ((struct cpus *)owner)->intr = level;
}

static void send_msi(void *owner, uint64_t address, uint32_t data)
{
    (void)address;
    (void)data;
    ((struct cpus *)owner)->messages++;
}

static bool create_cpus(struct machine *m, unsigned ncpus, void *opaque, struct pc_cpu_hooks *hooks,
                        struct error *err)
{
    (void)m;
    (void)ncpus;
    (void)err;
    *hooks = (struct pc_cpu_hooks){.cpus = opaque,
                                   .set_boot_state = set_boot_state,
                                   .intr = {.set = set_intr, .owner = opaque},
                                   .msi = {.send = send_msi, .owner = opaque}};
    return true;
}

/* A Multiboot kernel with load addresses and nothing else. */
static void write_kernel(char *path)
{
    const uint32_t header[8] = {
        0x1badb002, 0x10000, 0u - 0x1badb002u - 0x10000u, 0x100000, 0x100000, 0, 0, 0x100020};
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
    close(fd);
}

/* A PC that boots such a kernel. */
struct box {
    char path[32];
    struct cpus cpus;
    struct pc_config config; /* the PC refers to it */
    struct pc pc;
};

static struct box *box_init(struct pc_config config)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err = {""};

    assert_non_null(b);
    strcpy(b->path, "/tmp/calque-test-XXXXXX");
    write_kernel(b->path);
    b->config = config;
    b->config.kernel = b->path;
    b->config.create_cpus = create_cpus;
    b->config.create_cpus_opaque = &b->cpus;
    assert_true(pc_init(&b->pc, &b->config, &err));
    return b;
}

static struct box *box_on(struct pc_config config)
{
    struct box *b = box_init(config);
    struct error err = {""};

    assert_true(pc_power_on(&b->pc, &err));
    return b;
}

static void box_free(struct box *b)
{
    pc_destroy(&b->pc);
    unlink(b->path);
    free(b);
}

static uint32_t in(struct pc *pc, uint16_t port, unsigned size)
{
    return (uint32_t)address_space_read(&pc->m.io, port, size);
}

static void out(struct pc *pc, uint16_t port, uint32_t value, unsigned size)
{
    address_space_write(&pc->m.io, port, value, size);
}

static void check_booted(struct pc *pc)
{
    assert_int_equal(address_space_read(&pc->m.mem, 0xe0000, 8), 0x2052545020445352); /* RSD PTR */
    assert_int_equal(address_space_read(&pc->m.mem, 0xf4000, 4), 0x5f4d535f);         /* _SM_ */
    assert_int_equal(address_space_read(&pc->m.mem, 0xf4020, 4), 0x334d535f);         /* _SM3 */
    assert_int_equal(address_space_read(&pc->m.mem, 4 * 0x15, 4), 0xf000f000);        /* INT 15h */
    assert_int_equal(address_space_read(&pc->m.mem, 0xff00a, 1), 0xcf);               /* iret */
    assert_int_equal(address_space_read(&pc->m.mem, 0x100000, 4), 0x1badb002);
    assert_int_equal(in(pc, 0x600, 2), 0);
    assert_int_equal(in(pc, 0x21, 1), 0xfb);
    assert_int_equal(in(pc, 0x4d1, 1), 0x0e);
    assert_int_equal(in(pc, 0xde, 1), 0x0e); /* DMA channel 4 is open */
    assert_int_equal(address_space_read(&pc->m.mem, 0x408, 4), 0x378);
    assert_int_equal(pci_config_read(&pc->pci, PCI_DEVFN(2, 0), 0, 4), 0x00051b36);
    assert_int_equal(pci_config_read(&pc->pci, PCI_DEVFN(1, 0), PIIX3_PIRQRC, 4), 0x0b0b0a0a);
}

static void test_boot_and_reset(void **state)
{
    struct pc_config config = {.ram_size = 16 << 20,
                               .ncpus = 2,
                               .serial_present = {true, true, true, true},
                               .debugcon = {{0xe9, NULL}, {0x402, NULL}},
                               .debug_exit_port = 0xf4,
                               .parallel = {{0x378, 7, NULL}},
                               .pc_testdev = true,
                               .pci_testdev = true,
                               .debug_exit_size = 4};
    struct box *b = box_on(config);
    struct pc *pc = &b->pc;

    (void)state;
    assert_int_equal(b->cpus.boots, 1);
    assert_int_equal(b->cpus.state.rip, 0x100020);
    check_booted(pc);

    out(pc, 0x2005, 1, 1); /* pc-testdev: IRQ 5 */
    out(pc, 0x20, 0x0a, 1);
    assert_int_equal(in(pc, 0x20, 1) & 0x20, 0x20);

    address_space_write(&pc->m.mem, 0x100000, 0, 4);
    out(pc, 0x21, 0, 1);
    devices_reset(&pc->m);
    assert_int_equal(address_space_read(&pc->m.mem, 0xe0000, 8), UINT64_MAX); /* PAM closed */
    pc->m.run.after_reset(pc->m.run.reset_opaque);
    assert_int_equal(b->cpus.boots, 2);
    check_booted(pc);
    box_free(b);
}

/* An HPET timer at one of the IOAPIC's pins that only it has, and at IRQ 8 instead of the RTC. */
static void test_hpet(void **state)
{
    struct box *b = box_on((struct pc_config){.ram_size = 16 << 20, .ncpus = 1});
    struct pc *pc = &b->pc;
    struct address_space *mem = &pc->m.mem;

    (void)state;
    address_space_write(mem, IOAPIC_BASE, 0x10 + 2 * 20, 4);
    address_space_write(mem, IOAPIC_BASE + 0x10, 0x55, 4); /* unmasked, vector 55h */
    assert_int_equal(address_space_read(mem, HPET_BASE + 0x144, 4), 0x00ff0000);
    address_space_write(mem, HPET_BASE + 0x10, 3, 4);
    address_space_write(mem, HPET_BASE + 0x140, 20 << 9 | 4, 4);
    assert_int_equal(b->cpus.messages, 0);
    address_space_write(mem, HPET_BASE + 0x148, 0, 8); /* matches: time stands still */
    assert_int_equal(b->cpus.messages, 1);
    out(pc, 0xa0, 0x0a, 1);
    assert_int_equal(in(pc, 0xa0, 1) & 1, 0);
    address_space_write(mem, HPET_BASE + 0x120, 4, 4);
    address_space_write(mem, HPET_BASE + 0x128, 0, 8);
    assert_int_equal(in(pc, 0xa0, 1) & 1, 1);
    box_free(b);
}

/* The timer's interrupt at the PIC and at the IOAPIC's pin 2. */
static void test_timer_interrupt(void **state)
{
    struct box *b = box_on((struct pc_config){.ram_size = 16 << 20, .ncpus = 1});
    struct pc *pc = &b->pc;

    (void)state;
    out(pc, 0x21, 0xfe, 1);
    address_space_write(&pc->m.mem, IOAPIC_BASE, 0x10 + 2 * 2, 4);
    address_space_write(&pc->m.mem, IOAPIC_BASE + 0x10, 0x30, 4); /* unmasked, vector 30h */
    for (unsigned ms = 1; ms < 120; ms++) {
        pc->m.clock.stopped_at = ms * 1000000ull;
        vm_clock_run_timers(&pc->m.clock);
    }
    assert_true(b->cpus.intr);
    assert_true(b->cpus.messages >= 1);
    box_free(b);
}

/* The map that kernels get: the hole below 4 GiB is nobody's. */
static void test_e820(void **state)
{
    static const struct e820_entry wanted[] = {{0, 0x9fc00, E820_RAM},
                                               {0x9fc00, 0x400, E820_RESERVED},
                                               {0xe0000, 0x20000, E820_RESERVED},
                                               {0x100000, 0xbff00000, E820_RAM},
                                               {0x100000000, 0xc0000000, E820_RAM}};
    struct box *b = box_init((struct pc_config){.ram_size = 6ull << 30, .ncpus = 1});
    struct e820_map map;

    (void)state;
    pc_e820(&b->pc, &map);
    assert_int_equal(map.count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(map.entry[i].base, wanted[i].base);
        assert_int_equal(map.entry[i].size, wanted[i].size);
        assert_int_equal(map.entry[i].type, wanted[i].type);
    }
    box_free(b);
}

static uint32_t id_at(struct pc *pc, unsigned slot, unsigned function)
{
    return pci_config_read(&pc->pci, (uint8_t)PCI_DEVFN(slot, function), 0, 4);
}

/* The slots of devices: as said, then the first that are free, in the order of the command line. */
static void test_pci_slots(void **state)
{
    struct box *b = box_init((struct pc_config){
        .ram_size = 16 << 20,
        .ncpus = 1,
        .vga = true,
        .tablet = true,
        .tablet_place = {.order = 2},
        .pci_testdev = true,
        .pci_testdev_place = {.has_addr = true, .devfn = PCI_DEVFN(3, 5), .id = "t"},
        .storage = {.nahci = 2,
                    .ahci_place = {{.order = 3},
                                   {.has_addr = true,
                                    .devfn = PCI_DEVFN(3, 0),
                                    .multifunction = true,
                                    .bus = PC_PCI_ROOT}}},
    });
    struct pc *pc = &b->pc;

    (void)state;
    assert_int_equal(id_at(pc, 2, 0), 0x11111234); /* the display */
    assert_int_equal(id_at(pc, 3, 0), 0x29228086); /* ahci1 */
    assert_int_equal(id_at(pc, 3, 5), 0x00051b36); /* pci-testdev */
    assert_int_equal(id_at(pc, 4, 0), 0x10521af4); /* the tablet */
    assert_int_equal(id_at(pc, 5, 0), 0x29228086); /* ahci0 */
    assert_int_equal(pci_config_read(&pc->pci, PCI_DEVFN(3, 0), PCI_HEADER_TYPE, 1), 0x80);
    assert_int_equal(pci_config_read(&pc->pci, PCI_DEVFN(5, 0), PCI_HEADER_TYPE, 1), 0);
    devices_reset(&pc->m);
    assert_int_equal(pci_config_read(&pc->pci, PCI_DEVFN(3, 0), PCI_HEADER_TYPE, 1), 0x80);
    assert_string_equal(pc_pci_find(pc, &pc->pci, PCI_DEVFN(3, 5))->id, "t");
    assert_null(pc_pci_find(pc, &pc->pci, PCI_DEVFN(1, 0)));
    box_free(b);
}

/* A bridge behind another, and a controller behind that, numbered by a direct boot. */
static void test_pci_bridges(void **state)
{
    struct box *b = box_init((struct pc_config){
        .ram_size = 16 << 20,
        .ncpus = 1,
        .bridges = {{.place = {.id = "outer", .has_addr = true, .devfn = PCI_DEVFN(9, 0)},
                     .chassis = 1},
                    {.place = {.bus = "outer", .order = 1}, .chassis = 2}},
        .nbridges = 2,
        .storage = {.nahci = 1,
                    .ahci_place = {{.bus = "pci.2", .has_addr = true, .devfn = PCI_DEVFN(4, 0)}}},
    });
    struct pc *pc = &b->pc;

    (void)state;
    assert_int_equal(id_at(pc, 9, 0), 0x00011b36);
    assert_int_equal(pc->bridges[1].pci.bus->bridge->devfn, PCI_DEVFN(9, 0));
    assert_int_equal(pc->bridges[1].pci.devfn, 0);
    assert_ptr_equal(pc->storage.ahci[0].pci.bus, &pc->bridges[1].bus);
    assert_true(pc_power_on(pc, NULL));
    assert_int_equal(pci_bus_number(&pc->bridges[0].bus), 1);
    assert_int_equal(pci_bus_number(&pc->bridges[1].bus), 2);
    assert_true(pc->storage.ahci[0].pci.bars[5].mapped);
    box_free(b);
}

/* Two devices of a slot, and what of it cannot be. */
static void test_pci_clashes(void **state)
{
    static const struct {
        struct pc_pci_place a, b; /* an ahci and another */
        const char *text;
    } rows[] = {
        {{.has_addr = true, .devfn = 0x28, .type = "ahci", .id = "a", .order = 1},
         {.has_addr = true, .devfn = 0x28, .type = "ahci", .id = "b", .order = 2},
         "-device ahci,id=b: addr=5.0: ahci,id=a has that place on pci.0"},
        {{.has_addr = true, .devfn = 0x28, .type = "ahci"},
         {.has_addr = true, .devfn = 0x29},
         "addr=5.1: ahci at 5.0 is a single function"},
        {{.has_addr = true, .devfn = 0x29}, {.order = 0}, "addr=5.1: there is no function 5.0"},
        {{.has_addr = true, .devfn = 0x0a}, {.order = 0}, "slots 0 and 1 of pci.0"},
        {{.bus = "pci.1"}, {.order = 0}, "bus=pci.1"},
    };
    struct pc *pc = malloc(sizeof(*pc));
    char path[32] = "/tmp/calque-test-XXXXXX";

    (void)state;
    write_kernel(path);
    for (unsigned n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct pc_config config = {
            .ram_size = 16 << 20,
            .ncpus = 1,
            .kernel = path,
            .storage = {.nahci = 2, .ahci_place = {rows[n].a, rows[n].b}},
        };
        struct error err = {""};

        assert_false(pc_init(pc, &config, &err));
        assert_non_null(strstr(err.text, rows[n].text));
    }
    unlink(path);
    free(pc);
}

static void test_pci_addr(void **state)
{
    static const char *const bad[] = {"",      "20", "3.8", "-1",   "3.",   "x",
                                      "3.1.1", " 3", "0x",  "0x-1", "3.0x", "100000003"};
    uint8_t devfn;

    (void)state;
    assert_true(pc_pci_parse_addr("0x1f.0x7", &devfn, NULL));
    assert_int_equal(devfn, 0xff);
    assert_true(pc_pci_parse_addr("10", &devfn, NULL));
    assert_int_equal(devfn, 0x80);
    for (unsigned n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
        assert_false(pc_pci_parse_addr(bad[n], &devfn, NULL));
}

static void test_refused(void **state)
{
    struct pc_config config = {.ram_size = 16 << 20, .ncpus = 1, .kernel = "/does/not/exist"};
    struct pc *pc = malloc(sizeof(*pc));
    struct error err = {""};

    (void)state;
    assert_false(pc_init(pc, &config, &err));
    assert_non_null(strstr(err.text, "/does/not/exist"));
    config.ncpus = 0;
    assert_false(pc_init(pc, &config, &err));
    assert_non_null(strstr(err.text, "-smp"));
    config.ram_size = 1;
    assert_false(pc_init(pc, &config, &err));
    assert_non_null(strstr(err.text, "-m"));
    free(pc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_and_reset),  cmocka_unit_test(test_hpet),
        cmocka_unit_test(test_timer_interrupt), cmocka_unit_test(test_e820),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_pci_slots),
        cmocka_unit_test(test_pci_clashes),     cmocka_unit_test(test_pci_addr),
        cmocka_unit_test(test_pci_bridges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
