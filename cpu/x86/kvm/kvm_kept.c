/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes that KVM takes by itself while the CPU goes on (vm/memory.h says which may be).
 *
 * Kicks: KVM counts each in an eventfd (api.rst, KVM_IOEVENTFD). The main loop hears of it, and
 * makes the write; so does whoever stops the machine, before anybody looks. The eventfd is the
 * kick's for good, wherever its region is just now: one that was taken before the region went
 * elsewhere is made after it. Of exactly the size that is told: of any size, KVM would take reads
 * there, too, on some processors (KVM_FAST_MMIO_BUS).
 *
 * Others: KVM writes them to a ring in order (KVM_REGISTER_COALESCED_MMIO), and gives them to us as
 * ever when it is full. Whoever takes the machine lock empties it first: a CPU at each of its
 * exits, the screen, a save. What comes to memory that way is seen later by a CPU that reads the
 * same memory elsewhere, without an exit: a planar window's bytes in a linear frame buffer.
 *
 * What KVM does not take, for want of room, comes out of KVM_RUN as ever. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cpu/x86/kvm/kvm_internal.h"

#define RING_SIZE(bytes)                                                                           \
    (((bytes) - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))
#define MOST_EVENTS 32

/* ---- kicks ---- */

static bool set_kick(const struct kvm_engine *k, const struct kvm_kick *kick, bool on)
{
    struct kvm_ioeventfd call = {.datamatch = kick->what.value,
                                 .addr = kick->at,
                                 .len = kick->what.size,
                                 .fd = kick->fd,
                                 .flags =
                                     (kick->port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                                     (kick->what.any_value ? 0 : KVM_IOEVENTFD_FLAG_DATAMATCH) |
                                     (on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN)};

    return ioctl(k->vm, KVM_IOEVENTFD, &call) == 0;
}

/* The one of this region; NULL: it cannot be had. */
static struct kvm_kick *find_kick(struct kvm_engine *k, const struct region *r, unsigned index)
{
    struct kvm_kept *kept = &k->kept;
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = kept->nkicks};

    for (unsigned n = 0; n < kept->nkicks; n++)
        if (kept->kicks[n].region == r && kept->kicks[n].index == index)
            return &kept->kicks[n];
    struct kvm_kick *more = realloc(kept->kicks, (kept->nkicks + 1) * sizeof(*more));
    if (!more)
        return NULL;
    kept->kicks = more;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0 || epoll_ctl(kept->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    more[kept->nkicks] = (struct kvm_kick){.region = r, .index = index, .fd = fd};
    return &more[kept->nkicks++];
}

static void want_kicks(struct kvm_engine *k, const struct mem_range *range, bool port)
{
    const struct region *r = range->region;

    for (unsigned n = 0; n < r->nkicks; n++) {
        const struct region_kick *what = &r->kicks[n];
        uint64_t at = range->start + (what->offset - range->offset);

        if (what->offset < range->offset || at > range->last || range->last - at < what->size - 1u)
            continue;
        struct kvm_kick *kick = find_kick(k, r, n);
        if (!kick)
            continue;
        kick->what = *what;
        kick->port = port;
        kick->wanted = true;
        kick->wanted_at = at;
    }
}

/* Those that are elsewhere now first: another one may come to their place. */
static void update_kicks(struct kvm_engine *k)
{
    struct kvm_kept *kept = &k->kept;

    for (unsigned n = 0; n < kept->nkicks; n++) {
        struct kvm_kick *kick = &kept->kicks[n];

        if (kick->live && (!kick->wanted || kick->wanted_at != kick->at)) {
            set_kick(k, kick, false);
            kick->live = false;
        }
    }
    for (unsigned n = 0; n < kept->nkicks; n++) {
        struct kvm_kick *kick = &kept->kicks[n];

        if (kick->live || !kick->wanted)
            continue;
        kick->at = kick->wanted_at;
        kick->live = set_kick(k, kick, true);
    }
}

static void make_kick(struct kvm_engine *k, unsigned n)
{
    const struct kvm_kick *kick = &k->kept.kicks[n];
    uint64_t count;

    if (read(kick->fd, &count, sizeof(count)) != sizeof(count))
        return;
    k->kept.made++;
    kick->region->ops->write(kick->region->opaque, kick->what.offset, kick->what.value,
                             kick->what.size);
}

/* False: there are none. */
static bool make_kicks(struct kvm_engine *k)
{
    struct epoll_event e[MOST_EVENTS];
    int n = k->kept.nkicks ? epoll_wait(k->kept.epoll, e, MOST_EVENTS, 0) : 0;

    for (int i = 0; i < n; i++)
        make_kick(k, e[i].data.u32);
    return n > 0;
}

/* One round: guests may make them faster than they are taken here. */
static void kick(void *opaque)
{
    make_kicks(opaque);
}

/* ---- the ring ---- */

static bool set_zone(const struct kvm_engine *k, const struct kvm_zone *z, bool on)
{
    struct kvm_coalesced_mmio_zone call = {
        .addr = z->start, .size = (uint32_t)z->size, .pio = z->port};

    return ioctl(k->vm, on ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &call) ==
           0;
}

static void want_zone(struct kvm_engine *k, const struct mem_range *range, bool port)
{
    struct kvm_kept *kept = &k->kept;
    struct kvm_zone z = {.start = range->start,
                         .size = range->last - range->start + 1,
                         .port = port,
                         .wanted = true};

    if (!kept->ring_at || (port && !kept->ports) || z.size > UINT32_MAX)
        return;
    for (unsigned n = 0; n < kept->nzones; n++) {
        struct kvm_zone *have = &kept->zones[n];

        if (have->start == z.start && have->size == z.size && have->port == port) {
            have->wanted = true;
            return;
        }
    }
    struct kvm_zone *more = realloc(kept->zones, (kept->nzones + 1) * sizeof(*more));
    if (!more)
        return;
    kept->zones = more;
    more[kept->nzones++] = z;
}

static void update_zones(struct kvm_engine *k)
{
    struct kvm_kept *kept = &k->kept;
    unsigned left = 0;

    for (unsigned n = 0; n < kept->nzones; n++)
        if (kept->zones[n].live && !kept->zones[n].wanted)
            set_zone(k, &kept->zones[n], false);
    for (unsigned n = 0; n < kept->nzones; n++) {
        struct kvm_zone z = kept->zones[n];

        if (!z.wanted)
            continue;
        z.live = z.live || set_zone(k, &z, true);
        kept->zones[left++] = z;
    }
    kept->nzones = left;
}

static void make_write(struct machine *m, const struct kvm_coalesced_mmio *w)
{
    struct address_space *as = w->pio ? &m->io : &m->mem;

    for (unsigned at = 0, n; at < w->len && at < sizeof(w->data); at += n) {
        uint64_t value = 0;

        n = kvm_unit(w->len - at);
        memcpy(&value, w->data + at, n);
        address_space_write(as, w->phys_addr + at, value, n);
    }
}

/* As many as there are when it begins. */
static void settle(void *opaque)
{
    struct kvm_engine *k = opaque;
    struct kvm_kept *kept = &k->kept;
    struct kvm_coalesced_mmio_ring *ring = (void *)((uint8_t *)k->cpus[0].run + kept->ring_at);
    uint32_t last = __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE), at = ring->first;

    for (; at != last && at < kept->ring_size; kept->settled++) {
        struct kvm_coalesced_mmio w = ring->coalesced_mmio[at];

        at = (at + 1) % kept->ring_size;
        __atomic_store_n(&ring->first, at, __ATOMIC_RELEASE);
        make_write(k->m, &w);
    }
}

/* ---- both ---- */

static void want(struct kvm_engine *k, const struct address_space *as, bool port)
{
    for (size_t i = 0; i < as->nflat; i++) {
        const struct mem_range *r = &as->flat[i];

        if (r->region->kind != REGION_DEVICE)
            continue;
        if (k->kept.epoll >= 0)
            want_kicks(k, r, port);
        if (r->region->writes_wait)
            want_zone(k, r, port);
    }
}

static void want_nothing(struct kvm_kept *kept)
{
    for (unsigned n = 0; n < kept->nkicks; n++)
        kept->kicks[n].wanted = false;
    for (unsigned n = 0; n < kept->nzones; n++)
        kept->zones[n].wanted = false;
}

void kvm_kept_update(struct kvm_engine *k)
{
    want_nothing(&k->kept);
    want(k, &k->m->mem, false);
    want(k, &k->m->io, true);
    update_kicks(k);
    update_zones(k);
}

void kvm_kept_make(struct kvm_engine *k)
{
    if (k->kept.ring_at)
        settle(k);
    while (make_kicks(k))
        ;
}

void kvm_kept_begin(struct kvm_engine *k)
{
    struct kept_writes *w = &k->m->kept;

    w->opaque = k;
    w->kick = kick;
    w->settle = k->kept.ring_at ? settle : NULL;
    atomic_store(&w->fd, k->kept.epoll);
    kvm_kept_update(k);
}

void kvm_kept_end(struct kvm_engine *k)
{
    struct kept_writes *w = &k->m->kept;

    want_nothing(&k->kept);
    update_kicks(k);
    update_zones(k);
    w->kick = w->settle = NULL;
    atomic_store(&w->fd, -1);
}

void kvm_kept_create(struct kvm_engine *k)
{
    long page = sysconf(_SC_PAGESIZE);
    int ring = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
    struct kvm_kept *kept = &k->kept;

    if (ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD) > 0)
        kept->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (ring <= 0 || (size_t)((ring + 1) * page) > k->run_size)
        return;
    kept->ring_at = (size_t)(ring * page);
    kept->ring_size = (uint32_t)RING_SIZE((size_t)page);
    kept->ports = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) > 0;
}

void kvm_kept_destroy(struct kvm_engine *k)
{
    struct kvm_kept *kept = &k->kept;

    for (unsigned n = 0; n < kept->nkicks; n++)
        close(kept->kicks[n].fd);
    if (kept->epoll >= 0)
        close(kept->epoll);
    free(kept->kicks);
    free(kept->zones);
}
