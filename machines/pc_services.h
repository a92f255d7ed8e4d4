/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_SERVICES_H
#define CALQUE_MACHINES_PC_SERVICES_H

#include "devices/misc/i6300esb.h"
#include "devices/misc/pvpanic.h"
#include "devices/virtio/virtio_9p.h"
#include "devices/virtio/virtio_balloon.h"
#include "devices/virtio/virtio_console.h"
#include "devices/virtio/virtio_rng.h"
#include "machines/pc_pci.h"

#define PC_MAX_RNGS     4
#define PC_MAX_CONSOLES 4
#define PC_MAX_FOLDERS  8

/* When a watchdog's time is up; their names are in pc_watchdog_actions[]. */
enum pc_watchdog_action {
    WATCHDOG_RESET,
    WATCHDOG_SHUTDOWN, /* the power button */
    WATCHDOG_POWEROFF,
    WATCHDOG_PAUSE,
    WATCHDOG_DEBUG, /* a line on standard error */
    WATCHDOG_NONE,
    WATCHDOG_NMI,
    NUM_WATCHDOG_ACTIONS
};
extern const char *const pc_watchdog_actions[NUM_WATCHDOG_ACTIONS];

/* When the guest tells of its panic; pc_panic_actions[]. */
enum pc_panic_action {
    PANIC_SHUTDOWN,
    PANIC_PAUSE,
    PANIC_EXIT_FAILURE, /* as shutdown; the exit status tells */
    PANIC_NONE,
    NUM_PANIC_ACTIONS
};
extern const char *const pc_panic_actions[NUM_PANIC_ACTIONS];

/* What the host does for a guest that has drivers for it. The devices' MSI sinks are filled in by
 * the board. */
struct pc_services_config {
    struct pc_rng {
        struct pc_pci_place place;
        struct virtio_rng_config config;
    } rngs[PC_MAX_RNGS];
    unsigned nrngs;
    struct pc_console {
        struct pc_pci_place place;
        struct virtio_console_config config;
    } consoles[PC_MAX_CONSOLES];
    unsigned nconsoles;
    struct pc_folder {
        struct pc_pci_place place;
        struct virtio_9p_config config;
    } folders[PC_MAX_FOLDERS];
    unsigned nfolders;
    bool balloon;
    struct pc_pci_place balloon_place;
    struct virtio_balloon_config balloon_config;
    bool watchdog, pvpanic_pci;
    struct pc_pci_place watchdog_place, pvpanic_place;
    uint16_t pvpanic_port; /* ISA; 0: none */
    enum pc_watchdog_action watchdog_action;
    enum pc_panic_action panic_action;
};

struct pc_services {
    struct virtio_rng rngs[PC_MAX_RNGS];
    struct virtio_console consoles[PC_MAX_CONSOLES];
    struct virtio_9p folders[PC_MAX_FOLDERS];
    struct virtio_balloon balloon;
    struct i6300esb watchdog;
    struct pvpanic_isa pvpanic;
    struct pvpanic_pci pvpanic_pci;
};

struct pc;
struct error;

/* The n-th of their places, from 0; NULL: there are no more. */
const struct pc_pci_place *pc_services_place(const struct pc_services_config *c, unsigned n);
/* After the PCI bus and what is always on it. */
bool pc_wire_services(struct pc *pc, struct error *err);
/* After the machine. */
void pc_services_destroy(struct pc *pc);

#endif
