/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio entropy: of the machine and of the host, which gives what it likes. */
#include "devices/virtio/virtio_rng.h"

#include "tests/fuzz/virtio_chip.h"

static struct pci_bus bus;
static struct virtio_rng rng;

struct entropy {
    struct input_source *src;
    size_t wanted;
};
static struct entropy host;

void entropy_connect(struct entropy *e, struct machine *m, struct input_source *src)
{
    (void)m;
    e->src = src;
}

void entropy_want(struct entropy *e, size_t n)
{
    fuzz_check(n <= ENTROPY_BATCH);
    e->wanted = n;
}

static void add(struct rig *r)
{
    const struct virtio_rng_config config = {.source = &host,
                                             .max_bytes = 1000,
                                             .period = 5000,
                                             .pci = {.class = 0x00ff, .msi = rig_msi(r)}};

    bus = (struct pci_bus){.confadd = 0};
    host = (struct entropy){.wanted = 0};
    pci_bus_init(&bus, &r->m, "pci");
    virtio_rng_init(&rng, &r->m, "rng", &bus, VCHIP_DEVFN, &config);
    vchip_configure(&bus);
    vchip_start(r, &bus, UINT32_MAX, false, 1);
}

static void event(struct rig *r, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    size_t size;
    uint8_t *bytes;

    if (what & 4) {
        vchip_event(r, &bus, in, what, 1);
        return;
    }
    rng.config.source = what & 8 ? &host : NULL;
    if (!rng.config.source)
        return;
    bytes = fuzz_bytes(in, ENTROPY_BATCH, &size);
    host.src->deliver(host.src->opaque, bytes, size);
    free(bytes);
}

static const struct fuzz_chip chip = {.windows = {VCHIP_WINDOWS}, .add = add, .event = event};

FUZZ_CHIP_TARGET(chip)
