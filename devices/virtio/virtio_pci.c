/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio over PCI (OASIS virtio 1.2, 4.1). Both interfaces are one set of registers: a table says
 * for each offset which one. */
#include "devices/virtio/virtio_pci.h"

#include <string.h>

#include "base/bits.h"
#include "vm/machine.h"

#define VENDOR_VIRTIO 0x1af4
#define CAP_VENDOR    0x09
#define LEGACY_SIZE   0x80
#define LEGACY_HEADER 20 /* and 4 bytes of vectors while MSI-X is on */
#define LEGACY_PAGE   4096u
#define LEGACY_ALIGN  4096u

/* BAR 4. */
#define MODERN_BAR      4
#define MODERN_SIZE     0x4000
#define AT_COMMON       0x0000
#define AT_ISR          0x1000
#define AT_DEVICE       0x2000
#define AT_NOTIFY       0x3000
#define AREA_SIZE       0x1000
#define NOTIFY_MULTIPLE 4

/* Configuration space. */
#define AT_MSIX       0x40
#define AT_COMMON_CAP 0x50
#define AT_ISR_CAP    0x60
#define AT_DEVICE_CAP 0x70
#define AT_NOTIFY_CAP 0x80 /* 4 bytes longer */
#define AT_WINDOW     0x98 /* likewise */
#define CAP_SIZE      16
#define WINDOW_BAR    4
#define WINDOW_OFFSET 8
#define WINDOW_LENGTH 12
#define WINDOW_DATA   16

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

/* ---- interrupts ---- */

static void update_intx(struct virtio_pci *s)
{
    pci_set_intx(&s->pci, s->isr && !pci_msix_enabled(&s->msix));
}

static void interrupt(void *owner, uint16_t vector, bool config)
{
    struct virtio_pci *s = owner;

    if (pci_msix_enabled(&s->msix)) {
        pci_msix_notify(&s->msix, vector);
        return;
    }
    s->isr |= config ? ISR_CONFIG : ISR_QUEUE;
    update_intx(s);
}

static uint8_t read_isr(struct virtio_pci *s)
{
    uint8_t isr = s->isr;

    s->isr = 0;
    update_intx(s);
    return isr;
}

/* A vector that is not there is not taken (4.1.5.1.2.1). */
static uint16_t checked_vector(const struct virtio_pci *s, uint64_t value)
{
    return value < s->msix.nvectors ? (uint16_t)value : VIRTIO_NO_VECTOR;
}

/* ---- common configuration (4.1.4.3) ---- */

enum common {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    DEVICE_STATUS = 0x14,
    CONFIG_GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
};

/* The selected queue; NULL if it is not there. */
static struct virtqueue *selected(struct virtio_pci *s)
{
    return s->queue_select < s->virtio.nqueues ? &s->virtio.queue[s->queue_select] : NULL;
}

/* A 64-bit address, which is accessed by halves. */
static uint64_t *queue_address(struct virtqueue *q, uint64_t offset)
{
    return offset < QUEUE_DRIVER ? &q->desc : offset < QUEUE_DEVICE ? &q->avail : &q->used;
}

static uint64_t read_queue(struct virtio_pci *s, uint64_t offset, unsigned size)
{
    struct virtqueue *q = selected(s);

    if (!q)
        return 0;
    switch (offset) {
    case QUEUE_SIZE:
        return q->size;
    case QUEUE_VECTOR:
        return q->vector;
    case QUEUE_ENABLE:
        return q->enabled;
    case QUEUE_NOTIFY_OFF:
        return s->queue_select;
    default:
        if (offset < QUEUE_DESC || offset >= QUEUE_DEVICE + 8 || size < 4)
            return 0;
        return *queue_address(q, offset) >> (offset & 4 ? 32 : 0);
    }
}

static uint64_t common_read(struct virtio_pci *s, uint64_t offset, unsigned size)
{
    const struct virtio_device *v = &s->virtio;

    switch (offset) {
    case DEVICE_FEATURE_SELECT:
        return s->device_feature_select;
    case DEVICE_FEATURE:
        return s->device_feature_select < 2 ? v->offered >> 32 * s->device_feature_select : 0;
    case DRIVER_FEATURE_SELECT:
        return s->driver_feature_select;
    case DRIVER_FEATURE:
        return s->driver_feature_select < 2 ? s->driver_features >> 32 * s->driver_feature_select
                                            : 0;
    case CONFIG_VECTOR:
        return v->config_vector;
    case NUM_QUEUES:
        return v->nqueues;
    case DEVICE_STATUS:
        return v->status;
    case CONFIG_GENERATION:
        return 0; /* no access to the configuration is interrupted by a change of it */
    case QUEUE_SELECT:
        return s->queue_select;
    default:
        return read_queue(s, offset, size);
    }
}

static void set_queue_size(struct virtqueue *q, uint64_t value)
{
    if (value && value <= VIRTQ_MAX_SIZE && !(value & (value - 1)))
        q->size = (uint16_t)value;
}

static void write_queue(struct virtio_pci *s, uint64_t offset, uint64_t value, unsigned size)
{
    struct virtqueue *q = selected(s);
    uint64_t *address;

    if (!q)
        return;
    if (offset == QUEUE_VECTOR)
        q->vector = checked_vector(s, value);
    if (q->enabled || offset == QUEUE_VECTOR)
        return; /* where a queue is does not change while it is in use */
    if (offset == QUEUE_SIZE)
        set_queue_size(q, value);
    else if (offset == QUEUE_ENABLE)
        q->enabled = value & 1;
    if (offset < QUEUE_DESC || offset >= QUEUE_DEVICE + 8 || size < 4)
        return;
    address = queue_address(q, offset);
    if (offset & 4)
        *address = (*address & UINT32_MAX) | value << 32;
    else
        *address = (*address & ~(uint64_t)UINT32_MAX) | (uint32_t)value;
}

static void set_driver_features(struct virtio_pci *s, uint32_t value)
{
    unsigned shift = 32 * s->driver_feature_select;

    if (s->driver_feature_select > 1)
        return;
    s->driver_features = (s->driver_features & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value
                                                                                       << shift;
    virtio_set_features(&s->virtio, s->driver_features);
}

static void reset_registers(struct virtio_pci *s)
{
    s->isr = 0;
    s->queue_select = 0;
    s->device_feature_select = s->driver_feature_select = 0;
    s->driver_features = 0;
    update_intx(s);
}

static void set_status(struct virtio_pci *s, uint8_t value)
{
    virtio_set_status(&s->virtio, value);
    if (!value)
        reset_registers(s);
}

static void common_write(struct virtio_pci *s, uint64_t offset, uint64_t value, unsigned size)
{
    switch (offset) {
    case DEVICE_FEATURE_SELECT:
        s->device_feature_select = (uint32_t)value;
        break;
    case DRIVER_FEATURE_SELECT:
        s->driver_feature_select = (uint32_t)value;
        break;
    case DRIVER_FEATURE:
        set_driver_features(s, (uint32_t)value);
        break;
    case CONFIG_VECTOR:
        s->virtio.config_vector = checked_vector(s, value);
        break;
    case DEVICE_STATUS:
        set_status(s, (uint8_t)value);
        break;
    case QUEUE_SELECT:
        s->queue_select = (uint16_t)value;
        break;
    default:
        write_queue(s, offset, value, size);
        break;
    }
}

/* ---- the modern BAR ---- */

static uint64_t config_bytes(const struct virtio_device *v, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)virtio_config_read(v, (unsigned)offset + i) << 8 * i;
    return value;
}

static uint64_t modern_read(void *opaque, uint64_t offset, unsigned size)
{
    struct virtio_pci *s = opaque;

    switch (offset & ~(uint64_t)(AREA_SIZE - 1)) {
    case AT_COMMON:
        return common_read(s, offset, size);
    case AT_ISR:
        return offset == AT_ISR ? read_isr(s) : 0;
    case AT_DEVICE:
        return config_bytes(&s->virtio, offset - AT_DEVICE, size);
    default:
        return 0;
    }
}

static void modern_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct virtio_pci *s = opaque;

    switch (offset & ~(uint64_t)(AREA_SIZE - 1)) {
    case AT_COMMON:
        common_write(s, offset, value, size);
        break;
    case AT_DEVICE:
        virtio_config_write(&s->virtio, (unsigned)(offset - AT_DEVICE), value, size);
        break;
    case AT_NOTIFY:
        virtio_notify(&s->virtio, (unsigned)(offset - AT_NOTIFY) / NOTIFY_MULTIPLE);
        break;
    default:
        break;
    }
}

/* ---- legacy registers (4.1.4.10) ---- */

enum legacy {
    L_DEVICE_FEATURES = 0,
    L_GUEST_FEATURES = 4,
    L_QUEUE_PFN = 8,
    L_QUEUE_SIZE = 12,
    L_QUEUE_SELECT = 14,
    L_QUEUE_NOTIFY = 16,
    L_STATUS = 18,
    L_ISR = 19,
    L_CONFIG_VECTOR = 20,
    L_QUEUE_VECTOR = 22,
};

static uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* One address says where all three parts are (2.7.2); 0: nowhere. */
static void set_legacy_address(struct virtqueue *q, uint32_t page)
{
    uint64_t at = (uint64_t)page * LEGACY_PAGE;

    q->desc = at;
    q->avail = at + 16ull * q->size;
    q->used = align_up(q->avail + 6 + 2ull * q->size, LEGACY_ALIGN);
    q->enabled = page;
    if (!page)
        q->last_avail = q->used_index = 0;
}

static unsigned legacy_header(const struct virtio_pci *s)
{
    return LEGACY_HEADER + (pci_msix_enabled(&s->msix) ? 4 : 0);
}

static uint64_t legacy_read(void *opaque, uint64_t offset, unsigned size)
{
    struct virtio_pci *s = opaque;
    struct virtqueue *q = selected(s);

    if (offset >= legacy_header(s))
        return config_bytes(&s->virtio, offset - legacy_header(s), size);
    switch (offset) {
    case L_DEVICE_FEATURES:
        return (uint32_t)s->virtio.offered | VIRTIO_F_ANY_LAYOUT;
    case L_GUEST_FEATURES:
        return (uint32_t)s->virtio.features;
    case L_QUEUE_PFN:
        return q && q->enabled ? q->desc / LEGACY_PAGE : 0;
    case L_QUEUE_SIZE:
        return q ? q->size : 0;
    case L_QUEUE_SELECT:
        return s->queue_select;
    case L_STATUS:
        return s->virtio.status;
    case L_ISR:
        return read_isr(s);
    case L_CONFIG_VECTOR:
        return s->virtio.config_vector;
    case L_QUEUE_VECTOR:
        return q ? q->vector : VIRTIO_NO_VECTOR;
    default:
        return 0;
    }
}

static void legacy_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct virtio_pci *s = opaque;
    struct virtqueue *q = selected(s);

    if (offset >= legacy_header(s)) {
        virtio_config_write(&s->virtio, (unsigned)offset - legacy_header(s), value, size);
        return;
    }
    if (offset == L_GUEST_FEATURES)
        virtio_set_features(&s->virtio, (uint32_t)value & ~VIRTIO_F_ANY_LAYOUT);
    else if (offset == L_QUEUE_PFN && q)
        set_legacy_address(q, (uint32_t)value);
    else if (offset == L_QUEUE_SELECT)
        s->queue_select = (uint16_t)value;
    else if (offset == L_QUEUE_NOTIFY)
        virtio_notify(&s->virtio, (uint16_t)value);
    else if (offset == L_STATUS)
        set_status(s, (uint8_t)value);
    else if (offset == L_CONFIG_VECTOR)
        s->virtio.config_vector = checked_vector(s, value);
    else if (offset == L_QUEUE_VECTOR && q)
        q->vector = checked_vector(s, value);
}

/* ---- configuration space ---- */

/* The window (4.1.4.9) reaches BAR 4 where nothing else can. True if it points there. */
static bool window(const struct virtio_pci *s, uint32_t *offset, uint32_t *length)
{
    const uint8_t *cap = s->pci.config + AT_WINDOW;

    *offset = ld_le32(cap + WINDOW_OFFSET);
    *length = ld_le32(cap + WINDOW_LENGTH);
    return cap[WINDOW_BAR] == MODERN_BAR && (*length == 1 || *length == 2 || *length == 4) &&
           *offset <= MODERN_SIZE - *length && *offset % *length == 0;
}

static bool touches_data(unsigned offset, unsigned size)
{
    return offset < AT_WINDOW + WINDOW_DATA + 4 && AT_WINDOW + WINDOW_DATA < offset + size;
}

static void config_reading(struct pci_device *d, unsigned offset, unsigned size)
{
    struct virtio_pci *s = (struct virtio_pci *)d;
    uint32_t at, length;

    if (touches_data(offset, size) && window(s, &at, &length))
        st_le32(d->config + AT_WINDOW + WINDOW_DATA, (uint32_t)modern_read(s, at, length));
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    struct virtio_pci *s = (struct virtio_pci *)d;
    uint32_t at, length;

    pci_msix_config_written(&s->msix, offset, size);
    update_intx(s);
    if (touches_data(offset, size) && window(s, &at, &length))
        modern_write(s, at, ld_le32(d->config + AT_WINDOW + WINDOW_DATA), length);
}

enum { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_ISR = 3, CFG_DEVICE = 4, CFG_PCI = 5 };

static void add_cap(struct virtio_pci *s, uint8_t at, uint8_t size, uint8_t type, uint32_t offset,
                    uint32_t length)
{
    uint8_t *cap = s->pci.config + at;

    pci_device_add_capability(&s->pci, CAP_VENDOR, at, size);
    cap[2] = size;
    cap[3] = type;
    cap[4] = type == CFG_PCI ? 0 : MODERN_BAR;
    st_le32(cap + 8, offset);
    st_le32(cap + 12, length);
}

static void add_caps(struct virtio_pci *s)
{
    add_cap(s, AT_WINDOW, CAP_SIZE + 4, CFG_PCI, 0, 0);
    add_cap(s, AT_DEVICE_CAP, CAP_SIZE, CFG_DEVICE, AT_DEVICE, AREA_SIZE);
    add_cap(s, AT_ISR_CAP, CAP_SIZE, CFG_ISR, AT_ISR, AREA_SIZE);
    add_cap(s, AT_NOTIFY_CAP, CAP_SIZE + 4, CFG_NOTIFY, AT_NOTIFY, AREA_SIZE);
    st_le32(s->pci.config + AT_NOTIFY_CAP + CAP_SIZE, NOTIFY_MULTIPLE);
    add_cap(s, AT_COMMON_CAP, CAP_SIZE, CFG_COMMON, AT_COMMON, AREA_SIZE);
    s->pci.wmask[AT_WINDOW + WINDOW_BAR] = 0xff;
    memset(s->pci.wmask + AT_WINDOW + WINDOW_OFFSET, 0xff, 12);
}

/* ---- life ---- */

/* Notifications as drivers make them: 16 bits, the queue's number (4.1.5.2). */
static void describe_kicks(struct virtio_pci *s)
{
    for (unsigned n = 0; n < s->virtio.nqueues; n++) {
        s->modern_kicks[n] = (struct region_kick){
            .offset = AT_NOTIFY + NOTIFY_MULTIPLE * n, .size = 2, .any_value = true};
        s->legacy_kicks[n] = (struct region_kick){.offset = L_QUEUE_NOTIFY, .value = n, .size = 2};
    }
    s->modern.kicks = s->modern_kicks;
    s->legacy.kicks = s->legacy_kicks;
    s->modern.nkicks = s->legacy.nkicks = s->virtio.nqueues;
}

void virtio_pci_reset(struct virtio_pci *s)
{
    uint8_t *cap = s->pci.config + AT_WINDOW;

    virtio_reset(&s->virtio);
    cap[WINDOW_BAR] = 0;
    memset(cap + WINDOW_OFFSET, 0, 12);
    pci_msix_reset(&s->msix);
    pci_device_reset(&s->pci);
    reset_registers(s);
}

void virtio_pci_post_load(struct virtio_pci *s)
{
    virtio_post_load(&s->virtio);
    pci_device_post_load(&s->pci);
}

const struct state_field virtio_pci_fields[] = {
    STATE_STRUCTS(struct virtio_pci, pci, 1, struct pci_device, pci_device_fields),
    STATE_STRUCTS(struct virtio_pci, msix, 1, struct pci_msix, pci_msix_fields),
    STATE_STRUCTS(struct virtio_pci, virtio, 1, struct virtio_device, virtio_fields),
    STATE_U8(struct virtio_pci, isr),
    STATE_U16(struct virtio_pci, queue_select),
    STATE_U32(struct virtio_pci, device_feature_select),
    STATE_U32(struct virtio_pci, driver_feature_select),
    STATE_U64(struct virtio_pci, driver_features),
    STATE_FIELDS_END,
};

void virtio_pci_init(struct virtio_pci *s, struct machine *m, const struct device_class *class,
                     const char *id, struct pci_bus *bus, uint8_t devfn,
                     const struct virtio_pci_config *config)
{
    static const struct region_ops legacy_ops = {
        .read = legacy_read, .write = legacy_write, .min_size = 1, .max_size = 4};
    static const struct region_ops modern_ops = {
        .read = modern_read, .write = modern_write, .min_size = 1, .max_size = 4};
    struct virtio_device *v = &s->virtio;
    /* 4.1.2.1: IDs of the first transitional devices are 1000h, 1001h, ... */
    static const uint16_t transitional[] = {0,      0x1000, 0x1001, 0x1003, 0x1005,
                                            0x1002, 0,      0,      0x1004, 0x1009};
    bool old = !config->modern_only && v->id < ARRAY_SIZE(transitional) && transitional[v->id];
    struct pci_ids ids = {.vendor = VENDOR_VIRTIO,
                          .device = old ? transitional[v->id] : (uint16_t)(0x1040 + v->id),
                          .revision = old ? 0 : 1,
                          .class = config->class,
                          .subsystem_vendor = VENDOR_VIRTIO,
                          .subsystem = old ? v->id : 0x1100,
                          .interrupt_pin = 1};

    pci_device_init(&s->pci, m, class, id, bus, devfn, &ids);
    s->pci.config_reading = config_reading;
    s->pci.config_written = config_written;
    v->mem = &m->mem;
    v->log = &m->log;
    v->transport = (struct virtio_transport){interrupt, s};
    region_init_device(&s->modern, "virtio-pci", MODERN_SIZE, &modern_ops, s);
    region_init_device(&s->legacy, "virtio-pci-legacy", LEGACY_SIZE, &legacy_ops, s);
    describe_kicks(s);
    pci_device_add_bar(&s->pci, MODERN_BAR, PCI_BAR_MEM64_PREF, &s->modern);
    pci_msix_init(&s->msix, &s->pci, 1, AT_MSIX, v->nqueues + 1, config->msi);
    if (old)
        pci_device_add_bar(&s->pci, 0, PCI_BAR_IO, &s->legacy);
    add_caps(s);
}
