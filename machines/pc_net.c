/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network cards of the PC. A model is one row. */
#include "machines/pc_net.h"

#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "machines/boot.h"
#include "machines/pc.h"

static struct pci_device *wire_virtio(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    const struct virtio_net_config config = {
        .nic = c->nic,
        .pairs = c->pairs ? c->pairs : 1,
        .pci = {.class = 0x0200, .modern_only = c->modern_only, .msi = pc->cpu.msi}};
    struct virtio_net *s = &pc->net.nics[n].virtio;

    virtio_net_init(s, &pc->m, c->id, at.bus, at.devfn, &config);
    return &s->bus.pci;
}

static struct pci_device *wire_8254x(struct pc *pc, unsigned n, const struct pc_nic_config *c,
                                     enum e1000_model model)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    struct e1000 *s = &pc->net.nics[n].e1000;

    e1000_init(s, &pc->m, c->id, at.bus, at.devfn, model, &c->nic);
    return &s->pci;
}

static struct pci_device *wire_82540em(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    return wire_8254x(pc, n, c, E1000_82540EM);
}

static struct pci_device *wire_82545em(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    return wire_8254x(pc, n, c, E1000_82545EM);
}

static struct pci_device *wire_rtl8139(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    struct rtl8139 *s = &pc->net.nics[n].rtl8139;

    rtl8139_init(s, &pc->m, c->id, at.bus, at.devfn, &c->nic);
    return &s->pci;
}

static struct pci_device *wire_ne2k_pci(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    const struct pc_pci_slot at = pc_pci_slot(pc, &c->place);
    struct ne2000_pci *s = &pc->net.nics[n].ne2k_pci;

    ne2000_pci_init(s, &pc->m, c->id, at.bus, at.devfn, &c->nic);
    return &s->pci;
}

static struct pci_device *wire_ne2k_isa(struct pc *pc, unsigned n, const struct pc_nic_config *c)
{
    ne2000_isa_init(&pc->net.nics[n].ne2k_isa, &pc->m, c->id, c->iobase, pc_isa_irq(pc, c->irq),
                    &c->nic);
    return NULL;
}

static const struct model {
    const char *name, *rom; /* rom: NULL: it is on ISA */
    struct pci_device *(*wire)(struct pc *pc, unsigned n, const struct pc_nic_config *c);
} models[] = {
    {"e1000", "e1000", wire_82540em},     {"e1000-82545em", "e1000", wire_82545em},
    {"ne2k_isa", NULL, wire_ne2k_isa},    {"ne2k_pci", "ne2k_pci", wire_ne2k_pci},
    {"rtl8139", "rtl8139", wire_rtl8139}, {"virtio-net-pci", "virtio", wire_virtio},
};

const char *pc_nic_model(unsigned n)
{
    return n < ARRAY_SIZE(models) ? models[n].name : NULL;
}

static const struct model *find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        if (!strcmp(models[i].name, name))
            return &models[i];
    return NULL;
}

bool pc_nic_known(const char *model)
{
    return find(model);
}

const char *pc_nic_rom_name(const char *model)
{
    const struct model *m = find(model);

    return m ? m->rom : NULL;
}

bool pc_nic_is_isa(const char *model)
{
    return !pc_nic_rom_name(model);
}

/* A power of two, which is what a BAR can have. */
static bool add_rom(struct pc *pc, unsigned n, const char *path, struct error *err)
{
    struct pc_nic *nic = &pc->net.nics[n];
    struct arena *a = &pc->m.arena;
    struct boot_image rom = {0};
    size_t size = 0x800;
    uint64_t at;

    if (!boot_image_read(&rom, path, PC_NIC_ROM_MAX, err))
        return false;
    while (size < rom.size)
        size *= 2;
    at = arena_alloc(a, size);
    if (at != ARENA_NONE) {
        memset(a->host + at, 0xff, size);
        memcpy(a->host + at, rom.data, rom.size);
        arena_store_notify(a, at, size);
        region_init_memory(&nic->rom, "nic-rom", size, at, ARENA_NONE);
        pci_device_add_rom(nic->pci, &nic->rom);
    }
    boot_image_free(&rom);
    return at != ARENA_NONE || error_set(err, "%s: no room for it", path);
}

uint64_t pc_nic_rom_room(const struct pc_net_config *c)
{
    uint64_t room = 0;

    for (unsigned n = 0; n < c->nnics; n++)
        room += c->nics[n].rom ? PC_NIC_ROM_MAX : 0;
    return room;
}

bool pc_wire_net(struct pc *pc, struct error *err)
{
    const struct pc_net_config *c = &pc->config->net;

    for (unsigned n = 0; n < c->nnics && n < PC_MAX_NICS; n++) {
        const struct pc_nic_config *nic = &c->nics[n];
        const struct model *model = find(nic->model);

        if (!model)
            continue;
        pc->net.nics[n].pci = model->wire(pc, n, nic);
        if (nic->rom && pc->net.nics[n].pci && !add_rom(pc, n, nic->rom, err))
            return error_prefix(err, "-device %s,romfile", nic->model);
    }
    return true;
}
