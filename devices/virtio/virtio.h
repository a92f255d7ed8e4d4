/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_VIRTIO_H
#define CALQUE_DEVICES_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/memory.h"
#include "vm/state.h"

/* What every virtio device is, whatever carries it (OASIS virtio 1.2, chapter 2): status, feature
 * bits, split virtqueues, a configuration space. A device (virtio_blk.c, ...) embeds a transport
 * (virtio_pci.h), which embeds this.
 *
 *   guest notifies -> ops->notify() -> virtq_pop() ... the device works ...
 *   -> virtq_push() -> virtq_interrupt()
 *
 * A guest that breaks the rules of its queues breaks its device: status DEVICE_NEEDS_RESET, and
 * nothing more is taken from any queue. Machine lock held throughout. */

#define VIRTIO_MAX_QUEUES  32
#define VIRTIO_CONFIG_SIZE 136
#define VIRTQ_MAX_SIZE     256
#define VIRTQ_MAX_SEGMENTS 256
#define VIRTIO_NO_VECTOR   0xffff

/* Device IDs (chapter 5) and feature bits of all devices (chapter 6). */
enum {
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_9P = 9,
};
#define VIRTIO_F_ANY_LAYOUT    (1ull << 27) /* legacy interface only */
#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX     (1ull << 29)
#define VIRTIO_F_VERSION_1     (1ull << 32)

/* Device status (2.1). */
enum {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_NEEDS_RESET = 64,
    VIRTIO_FAILED = 128,
};

struct virtio_device;

/* The device's own part. Any but notify may be NULL. */
struct virtio_ops {
    void (*notify)(struct virtio_device *v, unsigned queue);
    void (*features_set)(struct virtio_device *v);   /* v->features is what was agreed upon */
    void (*config_written)(struct virtio_device *v); /* config[] has what the guest wrote */
    void (*reset)(struct virtio_device *v); /* ends what is under way; queues are reset after it */
};

struct virtio_transport {
    void (*interrupt)(void *owner, uint16_t vector, bool config);
    void *owner;
};

struct virtqueue {
    uint16_t size;
    bool enabled;
    uint16_t vector;            /* of the transport */
    uint64_t desc, avail, used; /* guest-physical */
    uint16_t last_avail, used_index;
    uint16_t signalled; /* used_index at the last interrupt */
    bool was_signalled;
};

struct virtio_device {
    uint8_t status;
    uint64_t features; /* as the guest has accepted them */
    uint16_t config_vector;
    struct virtqueue queue[VIRTIO_MAX_QUEUES];
    uint8_t config[VIRTIO_CONFIG_SIZE];
    /* Wiring. */
    uint16_t id;
    unsigned nqueues, config_size;
    uint64_t offered;
    uint8_t config_writable[VIRTIO_CONFIG_SIZE]; /* mask */
    const struct virtio_ops *ops;
    struct virtio_transport transport;
    struct address_space *mem;
    struct log *log;
    void *owner; /* the device's */
};

extern const struct state_field virtio_fields[];

/* One chain of descriptors: bytes the device reads, then bytes it writes. */
struct virtq_segment {
    uint64_t address;
    uint32_t length;
};
struct virtq_element {
    uint16_t head;
    unsigned nout, nin; /* out: the guest's to the device; seg[] has them first */
    uint64_t out_bytes, in_bytes;
    struct virtq_segment seg[VIRTQ_MAX_SEGMENTS];
};

/* Fills in all but what the transport knows; offered: without the bits of virtio.c. */
void virtio_init(struct virtio_device *v, uint16_t id, unsigned nqueues, unsigned config_size,
                 uint64_t offered, const struct virtio_ops *ops, void *owner);
void virtio_reset(struct virtio_device *v);
void virtio_post_load(struct virtio_device *v);
static inline bool virtio_has(const struct virtio_device *v, uint64_t feature)
{
    return v->features & feature;
}

/* For transports. */
void virtio_set_status(struct virtio_device *v, uint8_t status);
/* Accepts features. */
void virtio_set_features(struct virtio_device *v, uint64_t features);
void virtio_notify(struct virtio_device *v, unsigned queue);
uint8_t virtio_config_read(const struct virtio_device *v, unsigned offset);
void virtio_config_write(struct virtio_device *v, unsigned offset, uint64_t value, unsigned size);
void virtq_reset(struct virtqueue *q);

/* For devices. */
/* Takes the next chain; false: there is none. */
bool virtq_pop(struct virtio_device *v, struct virtqueue *q, struct virtq_element *e);
/* Copies from the chain's out bytes, to its in bytes. Returns how many there were. */
size_t virtq_read(const struct virtio_device *v, const struct virtq_element *e, uint64_t offset,
                  void *to, size_t len);
size_t virtq_write(const struct virtio_device *v, const struct virtq_element *e, uint64_t offset,
                   const void *from, size_t len);
/* Gives the chain back; `written`: of its in bytes. */
void virtq_push(struct virtio_device *v, struct virtqueue *q, uint16_t head, uint32_t written);
/* The same in two steps, for chains that the guest must see at once: virtq_fill() each, then
 * virtq_publish(). */
void virtq_fill(struct virtio_device *v, struct virtqueue *q, uint16_t head, uint32_t written);
void virtq_publish(struct virtio_device *v, struct virtqueue *q);
/* The last n chains taken were not: virtq_pop() brings them again. */
void virtq_rewind(struct virtqueue *q, unsigned n);
/* The interrupt for what was pushed, if the guest wants one. */
void virtq_interrupt(struct virtio_device *v, struct virtqueue *q);
void virtio_config_changed(struct virtio_device *v);
__attribute__((format(printf, 2, 3))) void virtio_broken(struct virtio_device *v, const char *why,
                                                         ...);

#endif
