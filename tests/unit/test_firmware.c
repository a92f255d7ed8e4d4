/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A PC that starts in firmware: ROM and its shadow, CMOS and e820 of small and big memories, and
 * the ACPI linker/loader script, executed as firmware does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "machines/acpi_loader.h"
#include "machines/pc.h"

#define ROM_SIZE 0x20000u
#define GIB      (1ull << 30)
#define FSEG     0xf5000u /* where the "firmware" of these tests puts files */

struct bench {
    char path[32];
    struct pc_config config;
    struct pc pc;
    struct error err;
    unsigned resets;
};

static void set_boot_state(void *opaque, const struct boot_state *state)
{
    assert_int_equal(state->mode, BOOT_RESET);
    ((struct bench *)opaque)->resets++;
}

static bool create_cpus(struct machine *m, unsigned ncpus, void *opaque, struct pc_cpu_hooks *hooks,
                        struct error *err)
{
    (void)m;
    (void)ncpus;
    (void)err;
    *hooks = (struct pc_cpu_hooks){.cpus = opaque, .set_boot_state = set_boot_state};
    return true;
}

static void write_rom(struct bench *b, size_t size)
{
    uint8_t *rom = calloc(1, size);
    int fd;

    memcpy(b->path, "/tmp/calque-test-XXXXXX", 24);
    fd = mkstemp(b->path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        rom[i] = (uint8_t)(i >> 12);
    assert_int_equal(write(fd, rom, size), size);
    close(fd);
    free(rom);
}

static struct bench *bench_new(uint64_t ram_size)
{
    struct bench *b = calloc(1, sizeof(*b));

    write_rom(b, ROM_SIZE);
    b->config = (struct pc_config){.ram_size = ram_size,
                                   .ncpus = 1,
                                   .bios = b->path,
                                   .create_cpus = create_cpus,
                                   .create_cpus_opaque = b};
    assert_true(pc_init(&b->pc, &b->config, &b->err));
    assert_true(pc_power_on(&b->pc, &b->err));
    return b;
}

static void bench_free(struct bench *b)
{
    pc_destroy(&b->pc);
    unlink(b->path);
    free(b);
}

static uint32_t peek(struct bench *b, uint64_t at)
{
    return (uint32_t)address_space_read(&b->pc.m.mem, at, 1);
}

static void test_rom(void **state)
{
    struct bench *b = bench_new(16 << 20);

    (void)state;
    assert_int_equal(b->resets, 1);
    assert_int_equal(peek(b, 0xfffe0000), 0);
    assert_int_equal(peek(b, 0xffffffff), 31);
    assert_int_equal(peek(b, 0xe0000), 0);
    assert_int_equal(peek(b, 0xfffff), 31);
    address_space_write(&b->pc.m.mem, 0xfffff, 0x55, 1); /* no RAM there yet */
    address_space_write(&b->pc.m.mem, 0xffffffff, 0x55, 1);
    assert_int_equal(peek(b, 0xfffff), 31);
    assert_int_equal(peek(b, 0xffffffff), 31);
    bench_free(b);
}

/* Read ROM, write RAM; then RAM; then RAM that cannot be written; then reset. */
static void test_shadow(void **state)
{
    struct bench *b = bench_new(16 << 20);
    struct pci_bus *pci = &b->pc.pci;

    (void)state;
    pci_config_write(pci, 0, I440FX_PAM0, 0x20, 1);
    address_space_write(&b->pc.m.mem, 0xfffff, 0x55, 1);
    assert_int_equal(peek(b, 0xfffff), 31);
    pci_config_write(pci, 0, I440FX_PAM0, 0x30, 1);
    assert_int_equal(peek(b, 0xfffff), 0x55);
    assert_int_equal(peek(b, 0xffffffff), 31);
    pci_config_write(pci, 0, I440FX_PAM0, 0x10, 1);
    address_space_write(&b->pc.m.mem, 0xfffff, 0x66, 1);
    assert_int_equal(peek(b, 0xfffff), 0x55);
    devices_reset(&b->pc.m);
    b->pc.m.run.after_reset(b->pc.m.run.reset_opaque);
    assert_int_equal(b->resets, 2);
    assert_int_equal(peek(b, 0xfffff), 31);
    bench_free(b);
}

/* ---- fw_cfg ---- */

struct file {
    uint32_t size, address;
    uint8_t *data;
};

static void read_item(struct bench *b, uint16_t key, uint8_t *to, uint32_t size)
{
    address_space_write(&b->pc.m.io, 0x510, key, 2);
    while (size--)
        *to++ = (uint8_t)address_space_read(&b->pc.m.io, 0x511, 1);
}

static uint32_t be(const uint8_t *p, unsigned size)
{
    uint32_t value = 0;

    while (size--)
        value = value << 8 | *p++;
    return value;
}

/* A file by its name in the directory; data is the caller's. */
static struct file read_file(struct bench *b, const char *name)
{
    uint8_t count[4], entries[4 + 64 * FW_CFG_MAX_FILES];

    read_item(b, FW_CFG_FILE_DIR, count, 4);
    read_item(b, FW_CFG_FILE_DIR, entries, 4 + 64 * be(count, 4));
    for (uint32_t i = 0; i < be(count, 4); i++) {
        const uint8_t *e = entries + 4 + 64 * i;
        struct file f = {.size = be(e, 4)};

        if (strcmp((const char *)e + 8, name) != 0)
            continue;
        f.data = malloc(f.size);
        if (!f.data)
            abort();
        read_item(b, (uint16_t)be(e + 4, 2), f.data, f.size);
        return f;
    }
    print_error("no file %s\n", name);
    abort();
}

static uint64_t cmos(struct bench *b, uint8_t index, unsigned size)
{
    uint64_t value = 0;

    while (size--)
        value = value << 8 | mc146818_get(&b->pc.rtc, (uint8_t)(index + size));
    return value;
}

static void check_memory(uint64_t ram, uint64_t low, uint64_t high)
{
    struct bench *b = bench_new(ram);
    struct file e820 = read_file(b, "etc/e820");
    uint8_t size[8];

    assert_int_equal(cmos(b, 0x15, 2), 640);
    assert_int_equal(cmos(b, 0x34, 2), (low - (16 << 20)) >> 16);
    assert_int_equal(cmos(b, 0x5b, 3), high >> 16);
    read_item(b, FW_CFG_RAM_SIZE, size, 8);
    assert_int_equal(get_le64(size), ram);
    assert_int_equal(e820.size, high ? 40 : 20);
    assert_int_equal(get_le64(e820.data), 0);
    assert_int_equal(get_le64(e820.data + 8), low);
    assert_int_equal(get_le32(e820.data + 16), E820_RAM);
    if (high) {
        assert_int_equal(get_le64(e820.data + 20), 4 * GIB);
        assert_int_equal(get_le64(e820.data + 28), high);
    }
    /* The last bytes are RAM, and no other's; behind them is nothing. */
    address_space_write(&b->pc.m.mem, low - 1, 0x11, 1);
    if (high) {
        address_space_write(&b->pc.m.mem, 4 * GIB, 0x22, 1);
        address_space_write(&b->pc.m.mem, 4 * GIB + high - 1, 0x33, 1);
        assert_int_equal(peek(b, 4 * GIB), 0x22);
        assert_int_equal(peek(b, 4 * GIB + high - 1), 0x33);
    }
    assert_int_equal(peek(b, low - 1), 0x11);
    assert_int_equal(peek(b, low), 0xff);
    assert_int_equal(peek(b, 4 * GIB + high), 0xff);
    free(e820.data);
    bench_free(b);
}

static void test_memory(void **state)
{
    (void)state;
    check_memory(128 << 20, 128 << 20, 0);
    check_memory(3 * GIB, 3 * GIB, 0);
    check_memory(6 * GIB, 3 * GIB, 3 * GIB);
    check_memory(64 * GIB, 3 * GIB, 61 * GIB);
}

/* ---- the linker/loader ---- */

struct loader {
    struct file tables, rsdp;
};

static struct file *file_of(struct loader *l, const uint8_t *name)
{
    if (!strcmp((const char *)name, ACPI_TABLES_FILE))
        return &l->tables;
    assert_string_equal(name, ACPI_RSDP_FILE);
    return &l->rsdp;
}

/* A command names a file that an earlier one allocated. */
static struct file *allocated(struct loader *l, const uint8_t *name)
{
    struct file *f = file_of(l, name);

    if (!f->data) {
        print_error("%s is not allocated\n", (const char *)name);
        abort();
    }
    return f;
}

static void allocate(struct bench *b, struct loader *l, const uint8_t *c)
{
    struct file *f = file_of(l, c + 4);

    assert_null(f->data);
    *f = read_file(b, (const char *)c + 4);
    f->address = f == &l->rsdp ? FSEG : 0x00ff0000;
    assert_true(get_le32(c + 60) <= 4096);
    assert_int_equal(c[64], f == &l->rsdp ? 2 : 1);
}

static void add_pointer(struct loader *l, const uint8_t *c)
{
    struct file *f = allocated(l, c + 4), *to = file_of(l, c + 60);
    uint32_t at = get_le32(c + 116), size = c[120];

    assert_true((size == 4 || size == 8) && at + size <= f->size);
    if (size == 4) {
        assert_true(get_le32(f->data + at) < to->size);
        put_le32(f->data + at, get_le32(f->data + at) + to->address);
    } else {
        assert_true(get_le64(f->data + at) < to->size);
        put_le64(f->data + at, get_le64(f->data + at) + to->address);
    }
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s = (uint8_t)(s + *p++);
    return s;
}

/* OVMF counts the byte itself, SeaBIOS subtracts from it: it must be zero. */
static void add_checksum(struct loader *l, const uint8_t *c)
{
    struct file *f = allocated(l, c + 4);
    uint32_t at = get_le32(c + 60), start = get_le32(c + 64), length = get_le32(c + 68);

    assert_true(start <= f->size && length <= f->size - start && at < f->size);
    assert_int_equal(f->data[at], 0);
    f->data[at] = (uint8_t)-sum(f->data + start, length);
}

static void run_loader(struct bench *b, struct loader *l)
{
    struct file script = read_file(b, ACPI_LOADER_FILE);

    assert_int_equal(script.size % ACPI_LOADER_ENTRY, 0);
    for (uint32_t at = 0; at < script.size; at += ACPI_LOADER_ENTRY) {
        const uint8_t *c = script.data + at;

        switch (get_le32(c)) {
        case 1:
            allocate(b, l, c);
            break;
        case 2:
            add_pointer(l, c);
            break;
        case 3:
            add_checksum(l, c);
            break;
        default:
            fail();
        }
    }
    free(script.data);
    if (!l->tables.data || !l->rsdp.data) {
        print_error("the script leaves a file out\n");
        abort();
    }
}

static const uint8_t *table(const struct loader *l, uint64_t address, const char *signature)
{
    const uint8_t *p = l->tables.data + (address - l->tables.address);

    assert_in_range(address, l->tables.address, l->tables.address + l->tables.size - 36);
    assert_memory_equal(p, signature, 4);
    assert_true(get_le32(p + 4) <= l->tables.address + l->tables.size - address);
    if (strcmp(signature, "FACS") != 0)
        assert_int_equal(sum(p, get_le32(p + 4)), 0);
    return p;
}

static void check_tables(struct bench *b, uint32_t pm_base)
{
    struct loader l = {.tables = {0}};
    const uint8_t *rsdt, *xsdt, *fadt;

    run_loader(b, &l);
    assert_int_equal(sum(l.rsdp.data, 20), 0);
    assert_int_equal(sum(l.rsdp.data, 36), 0);
    rsdt = table(&l, get_le32(l.rsdp.data + 16), "RSDT");
    xsdt = table(&l, get_le64(l.rsdp.data + 24), "XSDT");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(get_le32(rsdt + 36 + 4 * i), get_le64(xsdt + 36 + 8 * i));
    fadt = table(&l, get_le32(rsdt + 36), "FACP");
    table(&l, get_le32(rsdt + 40), "APIC");
    table(&l, get_le32(rsdt + 44), "HPET");
    table(&l, get_le32(fadt + 40), "DSDT");
    table(&l, get_le64(fadt + 140), "DSDT");
    table(&l, get_le32(fadt + 36), "FACS");
    assert_int_equal(get_le32(fadt + 56), pm_base);
    free(l.tables.data);
    free(l.rsdp.data);
}

/* The tables say where the firmware has put the power management ports. */
static void test_acpi_loader(void **state)
{
    struct bench *b = bench_new(16 << 20);

    (void)state;
    check_tables(b, 0x600);
    pci_config_write(&b->pc.pci, PCI_DEVFN(1, 3), PIIX4_PMBA, 0xb001, 4);
    pci_config_write(&b->pc.pci, PCI_DEVFN(1, 3), PIIX4_PMREGMISC, 1, 1);
    check_tables(b, 0xb000);
    bench_free(b);
}

static void test_smbios_files(void **state)
{
    struct bench *b = bench_new(16 << 20);
    struct file anchor = read_file(b, "etc/smbios/smbios-anchor");
    struct file tables = read_file(b, "etc/smbios/smbios-tables");

    (void)state;
    assert_int_equal(anchor.size, 31);
    assert_memory_equal(anchor.data, "_SM_", 4);
    assert_int_equal(get_le16(anchor.data + 22), tables.size);
    assert_int_equal(tables.data[0], 1); /* type 0 is the firmware's */
    free(anchor.data);
    free(tables.data);
    bench_free(b);
}

static void assert_refused(struct bench *b, const char *why)
{
    assert_false(pc_init(&b->pc, &b->config, &b->err));
    assert_non_null(strstr(b->err.text, b->path));
    assert_non_null(strstr(b->err.text, why));
}

static void test_bad_images(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));

    (void)state;
    write_rom(b, 0x10001);
    b->config = (struct pc_config){.ram_size = 16 << 20, .ncpus = 1, .bios = b->path};
    assert_refused(b, "64 KiB");
    unlink(b->path);
    write_rom(b, 100);
    assert_refused(b, "64 KiB");
    unlink(b->path);
    write_rom(b, 0);
    assert_refused(b, "0 bytes");
    unlink(b->path);
    write_rom(b, 0x1010000);
    assert_refused(b, "expected");
    unlink(b->path);
    assert_refused(b, "cannot be opened");
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rom),          cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_memory),       cmocka_unit_test(test_acpi_loader),
        cmocka_unit_test(test_smbios_files), cmocka_unit_test(test_bad_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
