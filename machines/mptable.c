/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MultiProcessor Specification 1.4, chapter 4: for systems that do not read ACPI's MADT. Virtual
 * wire mode: the PIC's output goes to LINTIN0 of the bootstrap processor. */
#include "machines/mptable.h"

#include <stdbool.h>
#include <string.h>

#include "devices/bus/pci.h" /* pci_pirq_of, PCI_DEVFN */
#include "machines/boot.h"

#define FLOATING_SIZE 16
#define HEADER_SIZE   44
#define SPEC_REVISION 4
#define XAPIC_ID_MAX  254
#define APIC_VERSION  0x14

enum entry_type { PROCESSOR, BUS, IOAPIC, IO_INTERRUPT, LOCAL_INTERRUPT };
enum { CPU_ENABLED = 1, CPU_BOOT = 2 };
enum interrupt_type { INT, NMI, EXTINT = 3 };
enum { CONFORMS = 0, LEVEL_ACTIVE_HIGH = 0x0d };
enum { BUS_PCI, BUS_ISA };

struct mptable {
    const struct mptable_config *config;
    uint8_t *out;
    size_t used, size;
    unsigned entries;
};

static void add(struct mptable *t, const uint8_t *entry, size_t n)
{
    if (t->used + n <= t->size)
        memcpy(t->out + t->used, entry, n);
    t->used += n;
    t->entries++;
}

/* 4.3.1 */
static void add_processors(struct mptable *t)
{
    const struct mptable_config *c = t->config;

    for (unsigned i = 0; i < c->ncpus; i++) {
        uint8_t e[20] = {PROCESSOR, (uint8_t)c->apic_ids[i], APIC_VERSION,
                         CPU_ENABLED | (i ? 0 : CPU_BOOT)};

        put_le32(e + 4, c->cpu_signature);
        put_le32(e + 8, c->cpu_features);
        if (c->apic_ids[i] <= XAPIC_ID_MAX)
            add(t, e, sizeof(e));
    }
}

/* 4.3.2: names are padded with spaces. */
static void add_bus(struct mptable *t, uint8_t id, const char name[6])
{
    uint8_t e[8] = {BUS, id};

    memcpy(e + 2, name, 6);
    add(t, e, sizeof(e));
}

/* 4.3.3 */
static void add_ioapic(struct mptable *t)
{
    uint8_t e[8] = {IOAPIC, t->config->ioapic_id, t->config->ioapic_version, 1};

    put_le32(e + 4, t->config->ioapic_base);
    add(t, e, sizeof(e));
}

/* 4.3.4 and 4.3.5, which look the same. to: IOAPIC or local APIC. */
static void add_interrupt(struct mptable *t, enum entry_type entry, enum interrupt_type type,
                          uint8_t flags, const uint8_t source[2], uint8_t to, uint8_t pin)
{
    uint8_t e[8] = {(uint8_t)entry, (uint8_t)type, flags, 0, source[0], source[1], to, pin};

    add(t, e, sizeof(e));
}

static bool is_pirq(const struct mptable_config *c, unsigned irq)
{
    for (unsigned n = 0; n < 4; n++)
        if (c->pirq_irq[n] == irq)
            return true;
    return false;
}

/* ISA interrupts at the inputs of their number, but the timer's at 2. */
static void add_isa_interrupts(struct mptable *t)
{
    const struct mptable_config *c = t->config;

    for (uint8_t irq = 0; irq < 16; irq++) {
        const uint8_t source[2] = {BUS_ISA, irq};
        uint8_t flags = irq == c->sci_irq ? LEVEL_ACTIVE_HIGH : CONFORMS;

        if (irq != 2 && !is_pirq(c, irq))
            add_interrupt(t, IO_INTERRUPT, INT, flags, source, c->ioapic_id, irq ? irq : 2);
    }
}

/* Appendix D.3: a PCI source is slot << 2 | pin. As in the DSDT's _PRT. */
static void add_pci_interrupts(struct mptable *t)
{
    const struct mptable_config *c = t->config;

    for (uint8_t slot = 1; slot < 32; slot++)
        for (uint8_t pin = 0; pin < 4; pin++) {
            const uint8_t source[2] = {BUS_PCI, (uint8_t)(slot << 2 | pin)};
            unsigned pirq = pci_pirq_of((uint8_t)PCI_DEVFN(slot, 0), pin + 1);
            uint8_t irq = slot == 1 && pin == 0 ? c->sci_irq : c->pirq_irq[pirq];

            add_interrupt(t, IO_INTERRUPT, INT, LEVEL_ACTIVE_HIGH, source, c->ioapic_id, irq);
        }
}

static void add_local_interrupts(struct mptable *t)
{
    const uint8_t timer[2] = {BUS_ISA, 0};

    add_interrupt(t, LOCAL_INTERRUPT, EXTINT, CONFORMS, timer, (uint8_t)t->config->apic_ids[0], 0);
    add_interrupt(t, LOCAL_INTERRUPT, NMI, CONFORMS, timer, 0xff, 1);
}

/* The byte that makes the sum of n bytes zero. */
static uint8_t checksum(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    while (n--)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

/* 4.2 */
static void put_header(const struct mptable *t)
{
    uint8_t *p = t->out + FLOATING_SIZE;
    size_t length = t->used - FLOATING_SIZE;

    memset(p, 0, HEADER_SIZE);
    memcpy(p, "PCMP", 4);
    put_le16(p + 4, (uint32_t)length);
    p[6] = SPEC_REVISION;
    memcpy(p + 8, "CALQUE  PC          ", 20); /* OEM and product */
    put_le16(p + 34, t->entries);
    put_le32(p + 36, 0xfee00000);
    p[7] = checksum(p, length);
}

/* 4.1 */
static void put_floating_pointer(const struct mptable *t, uint32_t base)
{
    uint8_t *p = t->out;

    memset(p, 0, FLOATING_SIZE);
    memcpy(p, "_MP_", 4);
    put_le32(p + 4, base + FLOATING_SIZE);
    p[8] = FLOATING_SIZE / 16;
    p[9] = SPEC_REVISION;
    p[10] = checksum(p, FLOATING_SIZE);
}

size_t mptable_build(const struct mptable_config *config, uint32_t base, uint8_t *out, size_t size)
{
    struct mptable t = {
        .config = config, .out = out, .size = size, .used = FLOATING_SIZE + HEADER_SIZE};

    add_processors(&t);
    add_bus(&t, BUS_PCI, "PCI   ");
    add_bus(&t, BUS_ISA, "ISA   ");
    add_ioapic(&t);
    add_isa_interrupts(&t);
    add_pci_interrupts(&t);
    add_local_interrupts(&t);
    if (t.used > size)
        return 0;
    put_header(&t);
    put_floating_pointer(&t, base);
    return t.used;
}
