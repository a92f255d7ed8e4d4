/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_CONSOLE_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_CONSOLE_H

#include <stdatomic.h>

#include "devices/virtio/virtio_pci.h"
#include "host/char/chardev.h"
#include "vm/input.h"

#define VIRTIO_CONSOLE_MAX_PORTS ((VIRTIO_MAX_QUEUES - 2) / 2)
#define VIRTIO_CONSOLE_RX        1024u /* bytes that wait for the guest */

struct virtio_console_config {
    unsigned nports; /* that there may be: 1 to VIRTIO_CONSOLE_MAX_PORTS */
    struct virtio_console_port_config {
        bool present;
        bool console;     /* a terminal: hvc0 and so on in Linux */
        const char *name; /* NULL: none. Must stay */
        struct chardev *chr;
    } ports[VIRTIO_CONSOLE_MAX_PORTS];
    struct virtio_pci_config pci;
};

/* A console device (OASIS virtio 1.2, 5.3) as a PCI function: terminals and named channels. */
struct virtio_console {
    struct virtio_pci bus;
    struct virtio_console_port {
        uint8_t pending;                   /* control messages that the guest is to have */
        bool known, guest_open, host_open; /* known: to the guest */
        uint16_t rx_count;
        uint8_t rx[VIRTIO_CONSOLE_RX];
        /* Wiring. */
        struct virtio_console *s;
        const struct virtio_console_port_config *config;
        unsigned n;
        atomic_bool host_open_now; /* as last heard: what a machine that is loaded is told */
        struct input_source bytes, opened;
        char bytes_name[24], opened_name[24];
    } ports[VIRTIO_CONSOLE_MAX_PORTS];
    /* Wiring. */
    struct virtio_console_config config;
};

/* id: at most 12 characters. */
void virtio_console_init(struct virtio_console *s, struct machine *m, const char *id,
                         struct pci_bus *bus, uint8_t devfn,
                         const struct virtio_console_config *config);
/* Somebody has come to the host's end of a port (a struct virtio_console_port), or has gone. Any
 * thread. */
void virtio_console_opened(void *port, bool open);

#endif
