/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_PVPANIC_H
#define CALQUE_DEVICES_MISC_PVPANIC_H

#include "devices/bus/pci.h"

/* Bits of the register: what may be told. */
enum pvpanic_event {
    PVPANIC_PANICKED = 1,     /* the guest has panicked */
    PVPANIC_CRASH_LOADED = 2, /* and looks after that itself: a crash kernel takes over */
};

/* Who is told; several bits may be set. Lock held. */
struct pvpanic_sink {
    void (*fn)(void *opaque, unsigned events);
    void *opaque;
};

/* A guest tells that it panics (QEMU, docs/specs/pvpanic): one byte at an ISA port ... */
struct pvpanic_isa {
    struct device dev;
    /* Wiring. */
    struct region port;
    struct pvpanic_sink sink;
};
/* ... or in BAR 0 of a PCI function. */
struct pvpanic_pci {
    struct pci_device pci;
    /* Wiring. */
    struct region memory;
    struct pvpanic_sink sink;
};

void pvpanic_isa_init(struct pvpanic_isa *s, struct machine *m, const char *id, uint16_t port,
                      struct pvpanic_sink sink);
void pvpanic_pci_init(struct pvpanic_pci *s, struct machine *m, const char *id, struct pci_bus *bus,
                      uint8_t devfn, struct pvpanic_sink sink);

#endif
