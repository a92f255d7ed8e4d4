/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk over PCI (OASIS virtio 1.2, 4.1 and 5.2), one request at a time, polled. Devices that
 * have only the interface of before 1.0 are named and left alone. */
#include "post.h"

enum {
    FEATURE_SELECT = 0x00,
    FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
};
#define S_ACKNOWLEDGE 1
#define S_DRIVER      2
#define S_DRIVER_OK   4
#define S_FEATURES_OK 8
#define SIZE          4 /* descriptors; three are used */

struct desc {
    u64 address;
    u32 length;
    u16 flags, next;
};
#define NEXT  1
#define WRITE 2

struct queue {
    struct desc desc[SIZE];
    struct {
        u16 flags, index, ring[SIZE], event;
    } avail;
    u32 pad;
    struct {
        u16 flags, index;
        struct {
            u32 id, length;
        } ring[SIZE];
        u16 event;
    } used __attribute__((aligned(4)));
    struct {
        u32 type, reserved;
        u64 sector;
    } header __attribute__((aligned(8)));
    volatile u8 status;
    u32 notify; /* address */
};

static inline void write16(u32 address, u16 v)
{
    *(volatile u16 *)address = v;
}
static inline u16 read16(u32 address)
{
    return *(volatile u16 *)address;
}
static inline void write8(u32 address, u8 v)
{
    *(volatile u8 *)address = v;
}
static inline u8 read8(u32 address)
{
    return *(volatile u8 *)address;
}

/* ---- requests ---- */

u32 virtio_request(struct disk_request *q)
{
    struct drive *d = (struct drive *)q->drive;
    struct queue *v = (struct queue *)d->driver;
    bool write = q->command == DISK_WRITE;
    volatile u16 *used = &v->used.index;
    u16 before = *used;

    if (q->command == DISK_VERIFY)
        return 0;
    v->header.type = write;
    v->header.reserved = 0;
    v->header.sector = q->lba;
    v->status = 0xff;
    v->desc[0] = (struct desc){(u32)&v->header, 16, NEXT, 1};
    v->desc[1] = (struct desc){q->buffer, q->count * 512, (u16)(NEXT | (write ? 0 : WRITE)), 2};
    v->desc[2] = (struct desc){(u32)&v->status, 1, WRITE, 0};
    v->avail.ring[v->avail.index % SIZE] = 0;
    BARRIER();
    v->avail.index++;
    BARRIER();
    write16(v->notify, 0);
    for (u32 start = timer_now(), turns = 0; *used == before;)
        if (timer_past(start, 3000)) {
            start = timer_now();
            if (++turns == 10)
                return 0x80;
        }
    BARRIER();
    return v->status ? 0x20 : 0;
}

/* ---- detection ---- */

struct regions {
    u32 common, notify, device, multiplier;
};

static bool find_regions(u16 device, struct regions *r)
{
    memset(r, 0, sizeof(*r));
    for (u8 cap = 0; (cap = pci_capability(device, 9, cap));) {
        u8 type = pci_read8(device, (u8)(cap + 3)), bar = pci_read8(device, (u8)(cap + 4));
        u32 base = bar < 6 ? pci_bar(device, (u8)(0x10 + bar * 4)) : 0;
        u32 at = base + pci_read32(device, (u8)(cap + 8));

        if (!base || pci_read32(device, (u8)(0x10 + bar * 4)) & 1)
            continue;
        if (type == 1 && !r->common)
            r->common = at;
        if (type == 2 && !r->notify) {
            r->notify = at;
            r->multiplier = pci_read32(device, (u8)(cap + 16));
        }
        if (type == 4 && !r->device)
            r->device = at;
    }
    return r->common && r->notify && r->device;
}

/* VERSION_1, and nothing else: no option changes what we do. */
static bool negotiate(u32 common)
{
    write8(common + STATUS, 0);
    while (read8(common + STATUS))
        ;
    write8(common + STATUS, S_ACKNOWLEDGE | S_DRIVER);
    mmio_write32(common + FEATURE_SELECT, 1);
    if (!(mmio_read32(common + FEATURE) & 1))
        return false;
    mmio_write32(common + DRIVER_FEATURE_SELECT, 0);
    mmio_write32(common + DRIVER_FEATURE, 0);
    mmio_write32(common + DRIVER_FEATURE_SELECT, 1);
    mmio_write32(common + DRIVER_FEATURE, 1);
    write8(common + STATUS, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
    return read8(common + STATUS) & S_FEATURES_OK;
}

static void set_address(u32 at, const volatile void *p)
{
    mmio_write32(at, (u32)p);
    mmio_write32(at + 4, 0);
}

static struct queue *start_queue(const struct regions *r)
{
    u32 c = r->common;
    struct queue *q = alloc_high(sizeof(*q), 64);

    if (!q)
        return NULL;
    write16(c + QUEUE_SELECT, 0);
    if (read16(c + QUEUE_SIZE) < SIZE)
        return NULL;
    write16(c + QUEUE_SIZE, SIZE);
    set_address(c + QUEUE_DESC, q->desc);
    set_address(c + QUEUE_DRIVER, &q->avail);
    set_address(c + QUEUE_DEVICE, &q->used);
    q->avail.flags = 1; /* no interrupts */
    q->notify = r->notify + read16(c + QUEUE_NOTIFY_OFF) * r->multiplier;
    write16(c + QUEUE_ENABLE, 1);
    write8(c + STATUS, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
    return q;
}

static void probe(u16 device, void *opaque)
{
    u32 id = pci_read32(device, 0);
    struct regions r;
    struct queue *q;
    struct drive *d;

    (void)opaque;
    if (id != 0x10011af4 && id != 0x10421af4)
        return;
    pci_enable(device);
    if (!find_regions(device, &r) || !negotiate(r.common)) {
        debug("virtio-blk at %x: without the interface of virtio 1.0\n", (u32)device);
        return;
    }
    q = start_queue(&r);
    d = q ? new_disk() : NULL;
    if (!d)
        return;
    d->type = DRIVE_VIRTIO;
    d->pci = device;
    d->driver = (u32)q;
    d->sectors = mmio_read32(r.device) | (u64)mmio_read32(r.device + 4) << 32;
    format(d->name, sizeof(d->name), "virtio disk");
    set_geometry(d);
    shared.ndisks++;
}

void virtio_init(void)
{
    pci_each(probe, NULL);
}
