/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the machine tells systems about itself: ACPI, MP and SMBIOS tables of any configuration. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machines/acpi.h"
#include "machines/mptable.h"
#include "machines/smbios.h"
#include "tests/fuzz/fuzz.h"

static uint32_t ids[ACPI_MAX_CPUS];

static unsigned make_ids(struct fuzz_input *in)
{
    unsigned n = 1 + fuzz_u8(in) % ACPI_MAX_CPUS;
    uint32_t step = fuzz_u8(in) & 3, first = fuzz_u8(in) & 1 ? fuzz_u32(in) : 0;

    for (unsigned i = 0; i < n; i++)
        ids[i] = first + i * (step + 1);
    return n;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t total = 0;

    while (n--)
        total = (uint8_t)(total + *p++);
    return total;
}

/* Into memory of just that size. */
static void build_acpi(struct fuzz_input *in, unsigned ncpus)
{
    uint8_t what = fuzz_u8(in), rsdp[ACPI_RSDP_SIZE];
    size_t size = what & 1 ? ACPI_TABLES_MAX : fuzz_u16(in) % ACPI_TABLES_MAX, used;
    struct acpi_fixups fixups;
    struct acpi_config c = {.ncpus = ncpus,
                            .apic_ids = ids,
                            .ioapic_base = fuzz_u32(in),
                            .ioapic_id = fuzz_u8(in),
                            .pci_hole_first = fuzz_u32(in),
                            .pci_hole_last = fuzz_u32(in),
                            .pm_base = fuzz_u16(in),
                            .fw_cfg_base = fuzz_u16(in),
                            .serial = {what & 2, what & 4},
                            .vga = what & 8,
                            .i8042 = what & 16,
                            .hpet_base = what & 32 ? fuzz_u32(in) : 0,
                            .parallel = {{fuzz_u16(in), fuzz_u8(in) & 15}, {fuzz_u16(in), 7}}};
    uint8_t *out = malloc(size ? size : 1);

    fuzz_check(out);
    used = acpi_build(&c, 0xe0000, out, size);
    fuzz_check(used <= size && (!used || !sum(out, 20)));
    used = acpi_build_movable(&c, out, size, rsdp, &fixups);
    fuzz_check(used <= size);
    for (unsigned n = 0; used && n < fixups.npointers; n++)
        fuzz_check(fixups.pointers[n].at + fixups.pointers[n].size <= used);
    for (unsigned n = 0; used && n < fixups.nsums; n++)
        fuzz_check(fixups.sums[n].at + fixups.sums[n].length <= used);
    free(out);
}

static void build_mp(struct fuzz_input *in, unsigned ncpus)
{
    size_t size = fuzz_u8(in) & 1 ? MPTABLE_MAX : fuzz_u16(in) % MPTABLE_MAX, used;
    struct mptable_config c = {.ncpus = ncpus,
                               .apic_ids = ids,
                               .cpu_signature = fuzz_u32(in),
                               .cpu_features = fuzz_u32(in),
                               .ioapic_base = fuzz_u32(in),
                               .ioapic_id = fuzz_u8(in),
                               .ioapic_version = fuzz_u8(in),
                               .sci_irq = fuzz_u8(in)};
    uint8_t *out = malloc(size ? size : 1);

    fuzz_check(out);
    for (unsigned n = 0; n < 4; n++)
        c.pirq_irq[n] = fuzz_u8(in);
    used = mptable_build(&c, 0xf8000, out, size);
    fuzz_check(used <= size && (!used || !sum(out, 16)));
    free(out);
}

static void build_smbios(struct fuzz_input *in)
{
    struct smbios_settings settings = {.noem = 0};
    struct smbios_tables *t = malloc(sizeof(*t));
    uint8_t entry[SMBIOS_ENTRY_SIZE], entry3[SMBIOS_ENTRY3_SIZE];
    struct error err = {""};
    struct smbios_config c = {.settings = &settings,
                              .low_ram = fuzz_u32(in),
                              .high_ram = fuzz_number(in) & 0x7fffffffffff, /* what can be mapped */
                              .sockets = 1 + fuzz_u8(in) % 255,
                              .cores = 1 + fuzz_u8(in) % 255,
                              .threads = 1 + fuzz_u8(in) % 255,
                              .cpuid_signature = fuzz_u32(in),
                              .cpuid_features = fuzz_u32(in),
                              .firmware = fuzz_u8(in) & 1};

    fuzz_check(t);
    while (in->left) {
        char *text = fuzz_string(in, 300);

        if (!smbios_parse(&settings, text, &err))
            fuzz_check(err.text[0] && !strchr(err.text, '\n'));
        free(text);
    }
    if (smbios_build(&c, t, &err)) {
        fuzz_check(t->used <= SMBIOS_TABLES_MAX);
        smbios_entry(t, 0xf4000, entry);
        smbios_entry3(t, 0xf4000, entry3);
        fuzz_check(!sum(entry, sizeof(entry)) && !sum(entry3, sizeof(entry3)));
    }
    smbios_settings_free(&settings);
    free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned ncpus = make_ids(&in);

    build_acpi(&in, ncpus);
    build_mp(&in, ncpus);
    build_smbios(&in);
    return 0;
}
