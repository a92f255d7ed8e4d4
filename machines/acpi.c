/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ACPI tables of the PC (ACPI 6.5; the tables themselves are those of ACPI 2.0, which every
 * system reads): RSDP -> RSDT and XSDT -> FADT (-> FACS, DSDT), MADT, HPET. Section numbers are the
 * specification's.
 *
 * In the DSDT the four PCI interrupt link devices LNKA..LNKD read and write the PIIX3's PIRQ route
 * registers, so that the operating system may move them; _PRT names them. Power button and PM timer
 * are fixed hardware and appear in the FADT only. */
#include "machines/acpi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "devices/misc/piix4_pm.h" /* register offsets, SMI commands */
#include "devices/timer/hpet.h"    /* HPET_ID, HPET_SIZE */
#include "machines/aml.h"
#include "machines/boot.h"

#define HEADER_SIZE 36
#define FADT_SIZE   244
#define FACS_SIZE   64

#define HPET_TABLE_SIZE 56
#define ROOT_TABLES     3 /* what RSDT and XSDT point to */

#define SCI_IRQ   9
#define PIIX3_ADR 0x00010000 /* _ADR of 00:01.0 */

/* All tables in one buffer that will be at `base`. */
struct tables {
    const struct acpi_config *config;
    struct aml out;
    uint32_t base;
    struct acpi_fixups fixups;
};

static uint32_t here(const struct tables *t)
{
    return t->base + (uint32_t)t->out.used;
}

static void align(struct tables *t, unsigned to)
{
    while (here(t) % to && !t->out.overflow)
        aml_byte(&t->out, 0);
}

/* Notes that the table at address `at` has a pointer at `offset`. */
static void note_pointer(struct tables *t, uint32_t at, uint32_t offset, uint8_t size)
{
    struct acpi_fixups *f = &t->fixups;

    assert(f->npointers < ACPI_MAX_POINTERS);
    f->pointers[f->npointers++] = (struct acpi_pointer){at - t->base + offset, size};
}

/* The byte that makes the sum of n bytes zero. */
static uint8_t checksum(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    while (n--)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

/* 5.2.6: System Description Table Header; length and checksum come with end_table(). Returns the
 * table's address. */
static uint32_t begin_table(struct tables *t, const char *signature, uint8_t revision)
{
    uint8_t h[HEADER_SIZE] = {0};
    uint32_t at;

    align(t, 16);
    at = here(t);
    memcpy(h, signature, 4);
    h[8] = revision;
    memcpy(h + 10, "CALQUE", 6);
    memcpy(h + 16, "CALQUEPC", 8);
    put_le32(h + 24, 1);
    memcpy(h + 28, "CALQ", 4);
    put_le32(h + 32, 1);
    aml_bytes(&t->out, h, sizeof(h));
    return at;
}

static void end_table(struct tables *t, uint32_t address)
{
    size_t at = address - t->base;
    uint8_t *p = t->out.data + at;

    if (t->out.overflow)
        return;
    assert(t->fixups.nsums < ACPI_MAX_SUMS);
    t->fixups.sums[t->fixups.nsums++] =
        (struct acpi_sum){(uint32_t)at, (uint32_t)(t->out.used - at)};
    put_le32(p + 4, (uint32_t)(t->out.used - at));
    p[9] = checksum(p, t->out.used - at);
}

/* ---- DSDT ---- */

#define XAPIC_ID_MAX 254 /* 255 is the broadcast */

/* Processor () for those with a local APIC entry in the MADT, Device () for the others (8.4). */
static void add_processors(struct aml *a, const struct acpi_config *c)
{
    char name[16];

    aml_scope(a, "\\_SB");
    for (unsigned i = 0; i < c->ncpus; i++) {
        snprintf(name, sizeof(name), "C%03X", i & 0xfff);
        if (c->apic_ids[i] <= XAPIC_ID_MAX) {
            aml_processor(a, name, (uint8_t)i);
        } else {
            aml_device(a, name);
            aml_name(a, "_HID");
            aml_string(a, "ACPI0007");
            aml_name_integer(a, "_UID", i);
        }
        aml_close(a);
    }
    aml_close(a);
}

static void add_pci_resources(struct aml *a, const struct acpi_config *c)
{
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_word_bus(a, 0x00, 0xff);
    aml_res_io(a, 0xcf8, 8);
    aml_res_word_io(a, 0x0000, 0x0cf7);
    aml_res_word_io(a, 0x0d00, 0xffff);
    aml_res_dword_memory(a, true, 0x000a0000, 0x000bffff);
    aml_res_dword_memory(a, false, c->pci_hole_first, c->pci_hole_last);
    aml_resources_close(a);
}

/* 6.2.13: { slot << 16 | 0xffff, pin, link, 0 }. Pins rotate from slot to slot as pci_pirq_of()
 * says, but INTA# of the PIIX's own slot, the power management function's, is the SCI. */
static void add_prt(struct aml *a)
{
    static const char *const links[4] = {"LNKA", "LNKB", "LNKC", "LNKD"};

    aml_name(a, "_PRT");
    aml_package(a, 31 * 4);
    for (unsigned slot = 1; slot < 32; slot++) {
        for (unsigned pin = 0; pin < 4; pin++) {
            unsigned pirq = pci_pirq_of((uint8_t)PCI_DEVFN(slot, 0), pin + 1);

            aml_package(a, 4);
            aml_integer(a, slot << 16 | 0xffff);
            aml_integer(a, pin);
            aml_path(a, slot == 1 && pin == 0 ? "LNKS" : links[pirq]);
            aml_integer(a, 0);
            aml_close(a);
        }
    }
    aml_close(a);
}

/* Device (name) { _HID, and for several of a kind _UID } left open. */
static void open_device(struct aml *a, const char *name, const char *hid, uint64_t uid)
{
    aml_device(a, name);
    aml_name_eisaid(a, "_HID", hid);
    if (uid)
        aml_name_integer(a, "_UID", uid);
}

/* A device with one or two port ranges and an interrupt (0: none). */
static void add_isa_device(struct aml *a, const char *name, const char *hid, uint64_t uid,
                           const uint16_t ports[2], uint8_t length, uint8_t irq)
{
    open_device(a, name, hid, uid);
    aml_name(a, "_CRS");
    aml_resources(a);
    for (unsigned i = 0; i < 2; i++)
        if (ports[i])
            aml_res_io(a, ports[i], length);
    if (irq)
        aml_res_irq(a, irq);
    aml_resources_close(a);
    aml_close(a);
}

/* The DMA controllers; channel 4 is taken by the cascade. */
static void add_dma(struct aml *a)
{
    open_device(a, "DMAC", "PNP0200", 0);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, 0x00, 0x10);
    aml_res_io(a, 0x81, 0x0f);
    aml_res_io(a, 0xc0, 0x20);
    aml_res_dma(a, 4);
    aml_resources_close(a);
    aml_close(a);
}

static void add_parallel(struct aml *a, const struct acpi_config *c)
{
    static const char *const names[2] = {"LPT1", "LPT2"};

    for (unsigned i = 0; i < 2; i++)
        if (c->parallel[i].port)
            add_isa_device(a, names[i], "PNP0400", i + 1, (const uint16_t[2]){c->parallel[i].port},
                           3, c->parallel[i].irq);
}

/* Legacy replacement takes IRQ 0 and 8, which are the PIT's and the RTC's to name. */
static void add_hpet(struct aml *a, uint32_t base)
{
    open_device(a, "HPET", "PNP0103", 0);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_memory32_fixed(a, base, HPET_SIZE);
    aml_resources_close(a);
    aml_close(a);
}

static void add_fw_cfg(struct aml *a, uint16_t base)
{
    aml_device(a, "FWCF");
    aml_name(a, "_HID");
    aml_string(a, "QEMU0002");
    aml_name_integer(a, "_STA", 0x0b);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, base, 12);
    aml_resources_close(a);
    aml_close(a);
}

/* One byte: reading tells what may be told. */
static void add_pvpanic(struct aml *a, uint16_t port)
{
    aml_device(a, "PEVT");
    aml_name(a, "_HID");
    aml_string(a, "QEMU0001");
    aml_name_integer(a, "_STA", 0x0f);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, port, 1);
    aml_resources_close(a);
    aml_close(a);
}

/* Ports of the board that no other device claims, so that nothing is put there. */
static void add_board_resources(struct aml *a, const struct acpi_config *c)
{
    open_device(a, "MBRS", "PNP0C02", 1);
    aml_name(a, "_CRS");
    aml_resources(a);
    aml_res_io(a, c->pm_base, 0x40);
    aml_res_io(a, PIIX4_SMI_CMD, 2);
    aml_resources_close(a);
    aml_close(a);
}

static void add_isa_bridge(struct aml *a, const struct acpi_config *c)
{
    static const char *const routes[4] = {"PRQ0", "PRQ1", "PRQ2", "PRQ3"};

    aml_device(a, "ISA");
    aml_name_integer(a, "_ADR", PIIX3_ADR);
    aml_pci_config_region(a, "P40C", 0x60, 4);
    aml_field(a, "P40C", AML_FIELD_BYTE_ACCESS);
    for (unsigned i = 0; i < 4; i++)
        aml_field_unit(a, routes[i], 8);
    aml_close(a);
    add_isa_device(a, "RTC", "PNP0B00", 0, (const uint16_t[2]){0x70}, 2, 8);
    if (c->i8042) {
        add_isa_device(a, "KBD", "PNP0303", 0, (const uint16_t[2]){0x60, 0x64}, 1, 1);
        add_isa_device(a, "MOU", "PNP0F13", 0, (const uint16_t[2]){0}, 0, 12);
    }
    if (c->serial[0])
        add_isa_device(a, "COM1", "PNP0501", 1, (const uint16_t[2]){0x3f8}, 8, 4);
    if (c->serial[1])
        add_isa_device(a, "COM2", "PNP0501", 2, (const uint16_t[2]){0x2f8}, 8, 3);
    add_parallel(a, c);
    add_dma(a);
    add_board_resources(a, c);
    add_fw_cfg(a, c->fw_cfg_base);
    if (c->pvpanic_port)
        add_pvpanic(a, c->pvpanic_port);
    aml_close(a);
}

static void add_interrupt_template(struct aml *a, const char *name, const uint32_t *gsi, uint8_t n)
{
    aml_name(a, name);
    aml_resources(a);
    aml_res_irqs_extended(a, gsi, n);
    aml_resources_close(a);
}

/* Method (_STA) { If (route & 0x80) { Return (0x09) } Return (0x0b) }: present, and enabled unless
 * the PIIX does not route it. */
static void add_link_sta(struct aml *a, const char *route)
{
    aml_method(a, "_STA", 0, false);
    aml_if(a);
    aml_byte(a, AML_AND);
    aml_path(a, route);
    aml_integer(a, 0x80);
    aml_byte(a, 0); /* no target */
    aml_return(a);
    aml_integer(a, 0x09);
    aml_close(a);
    aml_return(a);
    aml_integer(a, 0x0b);
    aml_close(a);
}

/* Method (_DIS) { route |= 0x80 } */
static void add_link_dis(struct aml *a, const char *route)
{
    aml_method(a, "_DIS", 0, false);
    aml_byte(a, AML_OR);
    aml_path(a, route);
    aml_integer(a, 0x80);
    aml_path(a, route);
    aml_close(a);
}

/* Method (_CRS) { Name (BUF, template); CreateDWordField (BUF, 5, IRQN); IRQN = route & 15 if it
 * is routed; Return (BUF) } */
static void add_link_crs(struct aml *a, const char *route)
{
    static const uint32_t none = 0;

    aml_method(a, "_CRS", 0, true);
    add_interrupt_template(a, "BUF", &none, 1);
    aml_byte(a, AML_CREATE_DWORD_FIELD);
    aml_path(a, "BUF");
    aml_integer(a, 5);
    aml_path(a, "IRQN");
    aml_if(a);
    aml_byte(a, AML_LNOT);
    aml_byte(a, AML_AND);
    aml_path(a, route);
    aml_integer(a, 0x80);
    aml_byte(a, 0);
    aml_byte(a, AML_AND);
    aml_path(a, route);
    aml_integer(a, 0x0f);
    aml_path(a, "IRQN");
    aml_close(a);
    aml_return(a);
    aml_path(a, "BUF");
    aml_close(a);
}

/* Method (_SRS, 1) { CreateDWordField (Arg0, 5, IRQN); route = IRQN } */
static void add_link_srs(struct aml *a, const char *route)
{
    aml_method(a, "_SRS", 1, true);
    aml_byte(a, AML_CREATE_DWORD_FIELD);
    aml_byte(a, AML_ARG0);
    aml_integer(a, 5);
    aml_path(a, "IRQN");
    aml_byte(a, AML_STORE);
    aml_path(a, "IRQN");
    aml_path(a, route);
    aml_close(a);
}

static void add_link(struct aml *a, unsigned n)
{
    static const uint32_t possible[] = {5, 10, 11};
    char name[8], route[24];

    snprintf(name, sizeof(name), "LNK%c", (int)('A' + n % 4));
    snprintf(route, sizeof(route), "\\_SB.PCI0.ISA.PRQ%u", n % 4);
    open_device(a, name, "PNP0C0F", n + 1);
    add_interrupt_template(a, "_PRS", possible, 3);
    add_link_sta(a, route);
    add_link_dis(a, route);
    add_link_crs(a, route);
    add_link_srs(a, route);
    aml_close(a);
}

/* The SCI cannot be moved. _SRS is required of a link all the same. */
static void add_sci_link(struct aml *a)
{
    static const uint32_t sci = SCI_IRQ;

    open_device(a, "LNKS", "PNP0C0F", 5);
    add_interrupt_template(a, "_PRS", &sci, 1);
    add_interrupt_template(a, "_CRS", &sci, 1);
    aml_name_integer(a, "_STA", 0x0b);
    aml_method(a, "_DIS", 0, false);
    aml_close(a);
    aml_method(a, "_SRS", 1, false);
    aml_close(a);
    aml_close(a);
}

static void add_pci(struct aml *a, const struct acpi_config *c)
{
    aml_scope(a, "\\_SB");
    open_device(a, "PCI0", "PNP0A03", 0);
    aml_name_integer(a, "_UID", 0);
    add_pci_resources(a, c);
    add_isa_bridge(a, c);
    add_prt(a);
    aml_close(a);
    if (c->hpet_base)
        add_hpet(a, c->hpet_base);
    for (unsigned i = 0; i < 4; i++)
        add_link(a, i);
    add_sci_link(a);
    aml_close(a);
}

/* 7.4.2.6: SLP_TYPa and SLP_TYPb of soft-off; the PIIX4's is 0. */
static void add_s5(struct aml *a)
{
    aml_name(a, "\\_S5");
    aml_package(a, 4);
    for (unsigned i = 0; i < 4; i++)
        aml_integer(a, 0);
    aml_close(a);
}

static uint32_t build_dsdt(struct tables *t)
{
    uint32_t at = begin_table(t, "DSDT", 1); /* revision 1: integers of 32 bits */

    add_processors(&t->out, t->config);
    add_pci(&t->out, t->config);
    add_s5(&t->out);
    end_table(t, at);
    return at;
}

/* ---- the other tables ---- */

/* 5.2.10. No wake-up vector, no global lock taken. */
static uint32_t build_facs(struct tables *t)
{
    uint8_t facs[FACS_SIZE] = {0};
    uint32_t at;

    align(t, 64);
    at = here(t);
    memcpy(facs, "FACS", 4);
    put_le32(facs + 4, FACS_SIZE);
    facs[32] = 1; /* version */
    aml_bytes(&t->out, facs, sizeof(facs));
    return at;
}

/* 5.2.3.2: Generic Address Structure in I/O space. */
static void put_gas_io(uint8_t *p, uint8_t bits, uint8_t access, uint64_t port)
{
    p[0] = 1; /* system I/O */
    p[1] = bits;
    p[3] = access;
    put_le64(p + 4, port);
}

/* 5.2.9, flags */
#define FADT_WBINVD        (1u << 0)
#define FADT_PROC_C1       (1u << 2)
#define FADT_SLP_BUTTON    (1u << 5) /* there is none in fixed hardware */
#define FADT_FIX_RTC       (1u << 6) /* RTC wake status is not in fixed hardware */
#define FADT_RESET_REG_SUP (1u << 10)

/* 5.2.9.3, IAPC_BOOT_ARCH */
#define BOOT_LEGACY_DEVICES  0x1u
#define BOOT_8042            0x2u
#define BOOT_VGA_NOT_PRESENT 0x4u

static void put_fadt_blocks(uint8_t *f, uint16_t pm)
{
    put_le32(f + 56, pm + PIIX4_PMSTS);   /* PM1a_EVT_BLK */
    put_le32(f + 64, pm + PIIX4_PMCNTRL); /* PM1a_CNT_BLK */
    put_le32(f + 76, pm + PIIX4_PMTMR);   /* PM_TMR_BLK */
    put_le32(f + 80, pm + PIIX4_GPSTS);   /* GPE0_BLK */
    f[88] = 4;                            /* their lengths */
    f[89] = 2;
    f[91] = 4;
    f[92] = 4;
    put_gas_io(f + 148, 32, 2, pm + PIIX4_PMSTS);
    put_gas_io(f + 172, 16, 2, pm + PIIX4_PMCNTRL);
    put_gas_io(f + 208, 32, 3, pm + PIIX4_PMTMR);
    put_gas_io(f + 220, 32, 1, pm + PIIX4_GPSTS);
}

static void put_fadt_board(uint8_t *f, const struct acpi_config *c)
{
    put_le16(f + 46, SCI_IRQ);
    put_le32(f + 48, PIIX4_SMI_CMD);
    f[52] = PIIX4_ACPI_ENABLE;
    f[53] = PIIX4_ACPI_DISABLE;
    put_le16(f + 96, 0xfff); /* P_LVL2_LAT, P_LVL3_LAT: no such states */
    put_le16(f + 98, 0xfff);
    f[108] = 0x32; /* CENTURY, in CMOS */
    put_le16(f + 109, BOOT_LEGACY_DEVICES | (c->i8042 ? BOOT_8042 : 0) |
                          (c->vga ? 0 : BOOT_VGA_NOT_PRESENT));
    put_le32(f + 112,
             FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_RESET_REG_SUP);
    put_gas_io(f + 116, 8, 1, 0xcf9); /* RESET_REG */
    f[128] = 0x06;                    /* RESET_VALUE: SRST and RCPU */
}

static uint32_t build_fadt(struct tables *t, uint32_t facs, uint32_t dsdt)
{
    uint8_t f[FADT_SIZE] = {0};
    uint32_t at = begin_table(t, "FACP", 3);

    put_le32(f + 36, facs);
    put_le32(f + 40, dsdt);
    f[45] = 1; /* Preferred_PM_Profile: desktop */
    put_le64(f + 132, facs);
    put_le64(f + 140, dsdt);
    note_pointer(t, at, 36, 4);
    note_pointer(t, at, 40, 4);
    note_pointer(t, at, 132, 8);
    note_pointer(t, at, 140, 8);
    put_fadt_board(f, t->config);
    put_fadt_blocks(f, t->config->pm_base);
    aml_bytes(&t->out, f + HEADER_SIZE, FADT_SIZE - HEADER_SIZE);
    end_table(t, at);
    return at;
}

/* 5.2.12.5. flags: polarity and trigger as in the MP specification. */
static void add_override(struct aml *a, uint8_t irq, uint8_t gsi, uint8_t flags)
{
    uint8_t e[10] = {2, sizeof(e), 0, irq, gsi, 0, 0, 0, flags, 0};

    aml_bytes(a, e, sizeof(e));
}

#define MADT_LEVEL_ACTIVE_HIGH 0x0d

/* 5.2.12.12: Processor Local x2APIC. */
static void add_local_x2apic(struct aml *a, uint32_t apic_id, uint32_t uid)
{
    uint8_t e[16] = {9, sizeof(e)};

    put_le32(e + 4, apic_id);
    put_le32(e + 8, 1); /* enabled */
    put_le32(e + 12, uid);
    aml_bytes(a, e, sizeof(e));
}

static void add_local_apics(struct aml *a, const struct acpi_config *c)
{
    for (unsigned i = 0; i < c->ncpus; i++) {
        uint32_t id = c->apic_ids[i];
        uint8_t e[8] = {0, sizeof(e), (uint8_t)i, (uint8_t)id, 1}; /* enabled */

        if (id <= XAPIC_ID_MAX)
            aml_bytes(a, e, sizeof(e));
        else
            add_local_x2apic(a, id, i);
    }
}

/* 5.2.12.7 and 5.2.12.13: NMI is at LINT1 of all processors. */
static void add_local_nmi(struct aml *a, const struct acpi_config *c)
{
    uint8_t nmi[6] = {4, sizeof(nmi), 0xff, 0, 0, 1};
    uint8_t x2_nmi[12] = {10, sizeof(x2_nmi), 0, 0, 0xff, 0xff, 0xff, 0xff, 1};
    bool x2 = false;

    for (unsigned i = 0; i < c->ncpus; i++)
        x2 |= c->apic_ids[i] > XAPIC_ID_MAX;
    aml_bytes(a, nmi, sizeof(nmi));
    if (x2)
        aml_bytes(a, x2_nmi, sizeof(x2_nmi));
}

static uint32_t build_madt(struct tables *t)
{
    static const uint8_t level_irqs[] = {5, 9, 10, 11}; /* PCI links and SCI */
    const struct acpi_config *c = t->config;
    uint32_t at = begin_table(t, "APIC", 1);
    uint8_t head[8], ioapic[12] = {1, sizeof(ioapic), c->ioapic_id};

    put_le32(head, 0xfee00000);
    put_le32(head + 4, 1); /* PCAT_COMPAT: there are 8259s too */
    aml_bytes(&t->out, head, sizeof(head));
    add_local_apics(&t->out, c);
    put_le32(ioapic + 4, c->ioapic_base);
    aml_bytes(&t->out, ioapic, sizeof(ioapic));
    add_override(&t->out, 0, 2, 0); /* the PIT is at pin 2 */
    for (unsigned i = 0; i < sizeof(level_irqs); i++)
        add_override(&t->out, level_irqs[i], level_irqs[i], MADT_LEVEL_ACTIVE_HIGH);
    add_local_nmi(&t->out, c);
    end_table(t, at);
    return at;
}

/* IA-PC HPET specification 3.2.4, the HPET description table. */
static uint32_t build_hpet(struct tables *t)
{
    uint32_t at = begin_table(t, "HPET", 1);
    uint8_t h[HPET_TABLE_SIZE - HEADER_SIZE] = {0};

    put_le32(h, HPET_ID);
    h[5] = 64; /* Generic Address Structure in memory: width, address */
    put_le64(h + 8, t->config->hpet_base);
    put_le16(h + 17, 128); /* periods shorter than that, in ticks, may lose interrupts */
    aml_bytes(&t->out, h, sizeof(h));
    end_table(t, at);
    return at;
}

/* 5.2.7, 5.2.8: addresses of 4 or 8 bytes; absent tables (0) are left out. */
static uint32_t build_root(struct tables *t, const char *signature, unsigned size,
                           const uint32_t list[ROOT_TABLES])
{
    uint32_t at = begin_table(t, signature, 1);

    for (unsigned i = 0; i < ROOT_TABLES; i++) {
        uint8_t entry[8] = {0};

        put_le32(entry, list[i]);
        if (!list[i])
            continue;
        note_pointer(t, at, here(t) - at, (uint8_t)size);
        aml_bytes(&t->out, entry, size);
    }
    end_table(t, at);
    return at;
}

/* 5.2.5.3. The first checksum covers the 20 bytes of ACPI 1.0. */
static void put_rsdp(uint8_t *p, uint32_t rsdt, uint32_t xsdt)
{
    memset(p, 0, ACPI_RSDP_SIZE);
    memcpy(p, "RSD PTR ", 8);
    memcpy(p + 9, "CALQUE", 6);
    p[15] = 2; /* revision */
    put_le32(p + 16, rsdt);
    put_le32(p + 20, ACPI_RSDP_SIZE);
    put_le64(p + 24, xsdt);
    p[8] = checksum(p, 20);
    p[32] = checksum(p, ACPI_RSDP_SIZE);
}

/* All but the RSDP; false if they do not fit. */
static bool build_tables(struct tables *t, uint32_t *rsdt, uint32_t *xsdt)
{
    uint32_t facs = build_facs(t), dsdt = build_dsdt(t);
    uint32_t list[ROOT_TABLES];

    list[0] = build_fadt(t, facs, dsdt);
    list[1] = build_madt(t);
    list[2] = t->config->hpet_base ? build_hpet(t) : 0;
    *rsdt = build_root(t, "RSDT", 4, list);
    *xsdt = build_root(t, "XSDT", 8, list);
    return !t->out.overflow;
}

size_t acpi_build(const struct acpi_config *config, uint32_t base, uint8_t *out, size_t size)
{
    static const uint8_t rsdp_room[ACPI_RSDP_SIZE];
    struct tables t = {.config = config, .base = base};
    uint32_t rsdt, xsdt;

    assert(base % 16 == 0 && config->ncpus <= ACPI_MAX_CPUS);
    aml_init(&t.out, out, size);
    aml_bytes(&t.out, rsdp_room, sizeof(rsdp_room));
    if (!build_tables(&t, &rsdt, &xsdt))
        return 0;
    put_rsdp(out, rsdt, xsdt);
    return t.out.used;
}

size_t acpi_build_movable(const struct acpi_config *config, uint8_t *out, size_t size,
                          uint8_t rsdp[ACPI_RSDP_SIZE], struct acpi_fixups *fixups)
{
    struct tables t = {.config = config};
    uint32_t rsdt, xsdt;

    assert(config->ncpus <= ACPI_MAX_CPUS);
    aml_init(&t.out, out, size);
    if (!build_tables(&t, &rsdt, &xsdt))
        return 0;
    put_rsdp(rsdp, rsdt, xsdt);
    rsdp[8] = rsdp[32] = 0;
    for (unsigned i = 0; i < t.fixups.nsums; i++)
        out[t.fixups.sums[i].at + 9] = 0;
    *fixups = t.fixups;
    return t.out.used;
}
