/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_BALLOON_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_BALLOON_H

#include "devices/virtio/virtio_pci.h"
#include "vm/clock.h"
#include "vm/input.h"

#define VIRTIO_BALLOON_STATS 10u /* OASIS virtio 1.2, 5.5.6.4 */

struct virtio_balloon_config {
    bool deflate_on_oom, free_page_reporting;
    uint64_t stats_every; /* ns between looks at the guest's statistics, to begin with; 0: none */
    struct virtio_pci_config pci;
};

/* A memory balloon (OASIS virtio 1.2, 5.5) as a PCI function. */
struct virtio_balloon {
    struct virtio_pci bus;
    uint64_t stats[VIRTIO_BALLOON_STATS]; /* UINT64_MAX: not told */
    uint64_t stats_at;                    /* virtual time of the last; 0: never */
    uint64_t stats_every;                 /* as the configuration's */
    struct vm_timer timer;
    /* Wiring. */
    struct virtio_balloon_config config;
    struct input_source input;
};

/* Names of the statistics by tag, as QMP has them. */
extern const char *const virtio_balloon_stat_names[VIRTIO_BALLOON_STATS];

void virtio_balloon_init(struct virtio_balloon *s, struct machine *m, const char *id,
                         struct pci_bus *bus, uint8_t devfn,
                         const struct virtio_balloon_config *config);
/* Asks the guest to give up or take memory until it has so many bytes. Any thread. */
void virtio_balloon_set_target(struct virtio_balloon *s, uint64_t bytes);
/* So many ns between looks at the guest's statistics from now on; 0: none. Any thread. */
void virtio_balloon_set_stats_every(struct virtio_balloon *s, uint64_t ns);
/* The bytes that the guest has. Lock held. */
uint64_t virtio_balloon_actual(const struct virtio_balloon *s);

#endif
