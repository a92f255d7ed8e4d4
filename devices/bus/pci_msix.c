/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/bus/pci_msix.h"

#include <assert.h>
#include <string.h>

#include "vm/machine.h"

#define CONTROL        2 /* message control, in the capability */
#define CONTROL_ENABLE 0x8000
#define CONTROL_MASK   0x4000 /* the whole function */
#define ENTRY_SIZE     16u
#define ENTRY_MASK     1u     /* in the vector's control */
#define PENDING_OFFSET 0x800u /* pending bits, behind the table */
#define BAR_SIZE       0x1000u

bool pci_msix_enabled(const struct pci_msix *x)
{
    return pci_get16(x->pci, x->cap + CONTROL) & CONTROL_ENABLE;
}

static bool is_masked(const struct pci_msix *x, unsigned vector)
{
    return (pci_get16(x->pci, x->cap + CONTROL) & CONTROL_MASK) ||
           (x->table[vector].control & ENTRY_MASK);
}

static void send(struct pci_msix *x, unsigned vector)
{
    const struct pci_msix_entry *e = &x->table[vector];

    x->pending &= ~(1ull << vector);
    if (x->sink.send && (pci_get16(x->pci, PCI_COMMAND) & PCI_COMMAND_MASTER))
        x->sink.send(x->sink.owner, (uint64_t)e->address_high << 32 | e->address, e->data);
}

void pci_msix_notify(struct pci_msix *x, unsigned vector)
{
    if (vector >= x->nvectors || !pci_msix_enabled(x))
        return;
    if (is_masked(x, vector))
        x->pending |= 1ull << vector;
    else
        send(x, vector);
}

/* What was waiting for a mask bit. */
static void send_pending(struct pci_msix *x)
{
    for (unsigned n = 0; n < x->nvectors && pci_msix_enabled(x); n++)
        if ((x->pending >> n & 1) && !is_masked(x, n))
            send(x, n);
}

void pci_msix_config_written(struct pci_msix *x, unsigned offset, unsigned size)
{
    if (offset < x->cap + 4u && x->cap < offset + size)
        send_pending(x);
}

/* ---- the BAR ---- */

static uint32_t *entry_register(struct pci_msix *x, uint64_t offset)
{
    struct pci_msix_entry *e = &x->table[offset / ENTRY_SIZE];
    uint32_t *const registers[4] = {&e->address, &e->address_high, &e->data, &e->control};

    return registers[offset / 4 % 4];
}

static uint64_t bar_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_msix *x = opaque;

    (void)size;
    if (offset < x->nvectors * ENTRY_SIZE)
        return *entry_register(x, offset);
    if (offset == PENDING_OFFSET || offset == PENDING_OFFSET + 4)
        return (uint32_t)(x->pending >> (offset == PENDING_OFFSET ? 0 : 32));
    return 0;
}

static void bar_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_msix *x = opaque;

    (void)size;
    if (offset >= x->nvectors * ENTRY_SIZE)
        return;
    if (offset % ENTRY_SIZE == 0)
        value &= ~3ull;
    if (offset % ENTRY_SIZE == 12)
        value &= ENTRY_MASK;
    *entry_register(x, offset) = (uint32_t)value;
    send_pending(x);
}

/* ---- life ---- */

void pci_msix_reset(struct pci_msix *x)
{
    memset(x->table, 0, sizeof(x->table));
    for (unsigned n = 0; n < x->nvectors; n++)
        x->table[n].control = ENTRY_MASK;
    x->pending = 0;
    pci_set16(x->pci, x->cap + CONTROL, (uint16_t)(x->nvectors - 1));
}

static const struct state_field entry_fields[] = {
    STATE_U32(struct pci_msix_entry, address),
    STATE_U32(struct pci_msix_entry, address_high),
    STATE_U32(struct pci_msix_entry, data),
    STATE_U32(struct pci_msix_entry, control),
    STATE_FIELDS_END,
};

const struct state_field pci_msix_fields[] = {
    STATE_STRUCTS(struct pci_msix, table, PCI_MSIX_MAX_VECTORS, struct pci_msix_entry,
                  entry_fields),
    STATE_U64(struct pci_msix, pending),
    STATE_FIELDS_END,
};

void pci_msix_init(struct pci_msix *x, struct pci_device *d, unsigned bar, uint8_t cap,
                   unsigned nvectors, struct msi_sink sink)
{
    static const struct region_ops ops = {
        .read = bar_read, .write = bar_write, .min_size = 4, .max_size = 4};

    assert(nvectors >= 1 && nvectors <= PCI_MSIX_MAX_VECTORS);
    x->pci = d;
    x->cap = cap;
    x->nvectors = nvectors;
    x->sink = sink;
    region_init_device(&x->region, "msix", BAR_SIZE, &ops, x);
    pci_device_add_bar(d, bar, PCI_BAR_MEM32, &x->region);
    pci_device_add_capability(d, PCI_CAP_MSIX, cap, PCI_MSIX_CAP_SIZE);
    d->config[cap + 4] = (uint8_t)bar; /* the table at offset 0 of the BAR */
    d->config[cap + 8] = (uint8_t)(PENDING_OFFSET | bar);
    d->config[cap + 9] = PENDING_OFFSET >> 8;
    d->wmask[cap + CONTROL + 1] = (CONTROL_ENABLE | CONTROL_MASK) >> 8;
    pci_msix_reset(x);
}
