/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which PCI slot each device of the PC has. Slots 0 and 1 of pci.0 are the board's. */
#include "machines/pc_pci.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "machines/pc.h"

#define FIRST_SLOT 2u
#define NUM_SLOTS  32u

/* A hexadecimal number up to max, perhaps with 0x; *text is moved behind it. */
static bool parse_hex(const char **text, unsigned max, unsigned *value)
{
    const char *p = *text;
    char *end;

    if (p[0] == '0' && (p[1] | 0x20) == 'x')
        p += 2;
    if (!isxdigit((unsigned char)*p))
        return false;
    unsigned long v = strtoul(p, &end, 16);
    *text = end;
    *value = (unsigned)v;
    return v <= max;
}

bool pc_pci_parse_addr(const char *text, uint8_t *devfn, struct error *err)
{
    const char *p = text;
    unsigned slot, function = 0;
    bool ok = parse_hex(&p, NUM_SLOTS - 1, &slot);

    if (ok && *p == '.') {
        p++;
        ok = parse_hex(&p, 7, &function);
    }
    if (!ok || *p)
        return error_set(err, "addr=%s: SLOT or SLOT.FN is expected, hexadecimal, up to 1f.7",
                         text);
    *devfn = (uint8_t)PCI_DEVFN(slot, function);
    return true;
}

/* ---- the devices there are to be ---- */

static bool add_row(struct pc_pci_plan *p, const struct pc_pci_place *place, struct error *err)
{
    if (p->nrows == PC_PCI_MAX)
        return error_set(err, "more than %d PCI devices", PC_PCI_MAX);
    p->rows[p->nrows++] = (struct pc_pci_row){.place = place};
    return true;
}

/* The display adapter is first of all devices: without addr= it has slot 2, where guests know it.
 */
static bool add_rows(struct pc_pci_plan *p, const struct pc_config *c, struct error *err)
{
    const struct pc_storage_config *s = &c->storage;

    for (unsigned n = 0; n < c->nbridges; n++)
        if (!add_row(p, &c->bridges[n].place, err))
            return false;
    if (c->vga && !add_row(p, &c->vga_place, err))
        return false;
    for (unsigned n = 0; n < c->net.nnics; n++)
        if (!pc_nic_is_isa(c->net.nics[n].model) && !add_row(p, &c->net.nics[n].place, err))
            return false;
    for (unsigned n = 0; n < s->nvirtio_blk; n++)
        if (!add_row(p, &s->virtio_blk[n].place, err))
            return false;
    for (unsigned n = 0; n < s->nahci; n++)
        if (!add_row(p, &s->ahci_place[n], err))
            return false;
    return (!c->tablet || add_row(p, &c->tablet_place, err)) &&
           (!c->pci_testdev || add_row(p, &c->pci_testdev_place, err));
}

/* ---- buses ---- */

/* "-device ahci,id=x: " before what is wrong with it. */
static bool refuse(const struct pc_pci_place *place, struct error *err)
{
    return error_prefix(err, "-device %s%s%s", place->type ? place->type : "?",
                        place->id[0] ? ",id=" : "", place->id);
}

static bool find_bus(const struct pc_pci_plan *p, const char *id, unsigned *n)
{
    for (*n = 0; *n < p->nbuses; ++*n)
        if (!strcmp(p->buses[*n].id, *id ? id : PC_PCI_ROOT))
            return true;
    return false;
}

static bool no_bus(const char *id, struct error *err)
{
    return error_set(err, "bus=%s: there is no PCI bus of this name; there is %s", id, PC_PCI_ROOT);
}

/* Buses in the order of their bridges, so that none is behind itself. */
static bool add_buses(struct pc_pci_plan *p, const struct pc_config *c, struct error *err)
{
    unsigned parent;

    snprintf(p->buses[0].id, PC_ID_MAX, "%s", PC_PCI_ROOT);
    p->nbuses = 1;
    for (unsigned n = 0; n < c->nbridges; n++) {
        const struct pc_pci_place *place = &c->bridges[n].place;
        char *id = p->buses[p->nbuses].id;

        if (!find_bus(p, place->bus, &parent)) {
            no_bus(place->bus, err);
            return refuse(place, err);
        }
        if (place->id[0])
            snprintf(id, PC_ID_MAX, "%s", place->id);
        else
            snprintf(id, PC_ID_MAX, "pci.%u", n + 1);
        p->nbuses++;
    }
    return true;
}

void pc_pci_wire_buses(struct pc *pc)
{
    static const char *const ids[PC_MAX_BRIDGES] = {"bridge0", "bridge1", "bridge2", "bridge3",
                                                    "bridge4", "bridge5", "bridge6"};

    pc->pci_plan.buses[0].bus = &pc->pci;
    for (unsigned n = 0; n < pc->config->nbridges; n++) {
        const struct pc_bridge *b = &pc->config->bridges[n];
        const struct pc_pci_slot at = pc_pci_slot(pc, &b->place);

        pci_bridge_init(&pc->bridges[n], &pc->m, ids[n], at.bus, at.devfn, b->chassis);
        pc->pci_plan.buses[n + 1].bus = &pc->bridges[n].bus;
    }
}

/* ---- slots ---- */

/* Function 0 to 7 of a slot, or any (-1); the first `n` rows are looked at. */
static const struct pc_pci_row *occupant(const struct pc_pci_plan *p, unsigned n, unsigned bus,
                                         unsigned slot, int function)
{
    for (unsigned i = 0; i < n; i++) {
        const struct pc_pci_row *r = &p->rows[i];

        if (r->bus == bus && PCI_SLOT(r->devfn) == slot &&
            (function < 0 || PCI_FUNCTION(r->devfn) == function))
            return r;
    }
    return NULL;
}

static const char *name_of(const struct pc_pci_place *p, char text[PC_ID_MAX + 48])
{
    snprintf(text, PC_ID_MAX + 48, "%s%s%s", p->type ? p->type : "another device",
             p->id[0] ? ",id=" : "", p->id);
    return text;
}

/* Row n wants the function it names. */
static bool check_addr(const struct pc_pci_plan *p, unsigned n, struct error *err)
{
    const struct pc_pci_row *r = &p->rows[n], *other;
    unsigned slot = PCI_SLOT(r->devfn);
    char name[PC_ID_MAX + 48];

    if (r->bus == 0 && slot < FIRST_SLOT)
        return error_set(
            err, "addr=%x.%x: slots 0 and 1 of %s are the board's; %x to %x are for devices", slot,
            PCI_FUNCTION(r->devfn), PC_PCI_ROOT, FIRST_SLOT, NUM_SLOTS - 1);
    other = occupant(p, n, r->bus, slot, PCI_FUNCTION(r->devfn));
    if (other)
        return error_set(err, "addr=%x.%x: %s has that place on %s", slot, PCI_FUNCTION(r->devfn),
                         name_of(other->place, name), p->buses[r->bus].id);
    return true;
}

/* A guest finds functions 1 to 7 by function 0, which says that there are more (PCI 3.0,
 * 3.2.2.3.4). */
static bool check_functions(const struct pc_pci_plan *p, const struct pc_pci_row *r,
                            struct error *err)
{
    unsigned slot = PCI_SLOT(r->devfn);
    const struct pc_pci_row *first = occupant(p, p->nrows, r->bus, slot, 0);
    char name[PC_ID_MAX + 48];

    if (!PCI_FUNCTION(r->devfn) || (first && first->place->multifunction))
        return true;
    return first ? error_set(err,
                             "addr=%x.%x: %s at %x.0 is a single function; it needs "
                             "multifunction=on",
                             slot, PCI_FUNCTION(r->devfn), name_of(first->place, name), slot)
                 : error_set(err, "addr=%x.%x: there is no function %x.0", slot,
                             PCI_FUNCTION(r->devfn), slot);
}

static bool take_free_slot(const struct pc_pci_plan *p, unsigned n, struct pc_pci_row *r,
                           struct error *err)
{
    for (unsigned slot = r->bus ? 0 : FIRST_SLOT; slot < NUM_SLOTS; slot++) {
        if (occupant(p, n, r->bus, slot, -1))
            continue;
        r->devfn = (uint8_t)PCI_DEVFN(slot, 0);
        return true;
    }
    return error_set(err, "no slot is free on %s", p->buses[r->bus].id);
}

/* Rows with addr= come first; both kinds by their order. */
static void sort(struct pc_pci_plan *p)
{
    for (unsigned i = 1; i < p->nrows; i++) {
        struct pc_pci_row row = p->rows[i];
        unsigned at = i;

        for (; at; at--) {
            const struct pc_pci_place *before = p->rows[at - 1].place;

            if (before->has_addr == row.place->has_addr ? before->order <= row.place->order
                                                        : before->has_addr)
                break;
            p->rows[at] = p->rows[at - 1];
        }
        p->rows[at] = row;
    }
}

static bool place_row(struct pc_pci_plan *p, unsigned n, struct error *err)
{
    struct pc_pci_row *r = &p->rows[n];

    if (!find_bus(p, r->place->bus, &r->bus))
        return no_bus(r->place->bus, err);
    if (!r->place->has_addr)
        return take_free_slot(p, n, r, err);
    r->devfn = r->place->devfn;
    return check_addr(p, n, err);
}

/* A bridge here does not forward the VGA's old addresses, and the adapter would answer them. */
static bool check_vga(const struct pc *pc, const struct pc_pci_row *r, struct error *err)
{
    return r->place != &pc->config->vga_place || !r->bus ||
           error_set(err, "bus=%s: expected %s, for VGA is not forwarded by bridges",
                     pc->pci_plan.buses[r->bus].id, PC_PCI_ROOT);
}

bool pc_pci_plan(struct pc *pc, struct error *err)
{
    struct pc_pci_plan *p = &pc->pci_plan;

    *p = (struct pc_pci_plan){.nrows = 0};
    if (!add_buses(p, pc->config, err) || !add_rows(p, pc->config, err))
        return false;
    sort(p);
    for (unsigned n = 0; n < p->nrows; n++)
        if (!place_row(p, n, err) || !check_vga(pc, &p->rows[n], err))
            return refuse(p->rows[n].place, err);
    for (unsigned n = 0; n < p->nrows; n++)
        if (!check_functions(p, &p->rows[n], err))
            return refuse(p->rows[n].place, err);
    return true;
}

struct pc_pci_slot pc_pci_slot(const struct pc *pc, const struct pc_pci_place *place)
{
    const struct pc_pci_plan *p = &pc->pci_plan;
    unsigned n = 0;

    while (n < p->nrows && p->rows[n].place != place)
        n++;
    assert(n < p->nrows && p->buses[p->rows[n].bus].bus && "planned, and its bus is there");
    return (struct pc_pci_slot){p->buses[p->rows[n].bus].bus, p->rows[n].devfn};
}

void pc_pci_mark_functions(struct pc *pc)
{
    const struct pc_pci_plan *p = &pc->pci_plan;

    for (unsigned n = 0; n < p->nrows; n++)
        if (p->rows[n].place->multifunction)
            p->buses[p->rows[n].bus].bus->devices[p->rows[n].devfn]->config[PCI_HEADER_TYPE] |=
                PCI_HEADER_MULTIFUNCTION;
}

const struct pc_pci_place *pc_pci_find(const struct pc *pc, const struct pci_bus *bus,
                                       uint8_t devfn)
{
    const struct pc_pci_plan *p = &pc->pci_plan;

    for (unsigned n = 0; n < p->nrows; n++)
        if (p->buses[p->rows[n].bus].bus == bus && p->rows[n].devfn == devfn)
            return p->rows[n].place;
    return NULL;
}
