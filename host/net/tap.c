/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -netdev tap: a network interface of the host (Linux, tuntap.rst). With vnet_hdr the host's kernel
 * and the guest hand each other large segments and unfinished checksums. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "host/net/backend_internal.h"

#define FRAMES_A_TURN 64

struct tap {
    struct netdev netdev;
    struct poll_watch watch;
    bool open, vnet_hdr;
    char ifname[IFNAMSIZ];
    char *downscript; /* NULL: none */
    uint8_t *in;
};

static struct tap *tap_of(struct netdev *n)
{
    return (struct tap *)n;
}

/* ---- frames ---- */

_Static_assert(sizeof(struct net_header) == 10, "it is the kernel's struct virtio_net_hdr");

static void tap_receive(struct net_end *e, const struct net_header *h, uint8_t *frame, size_t len)
{
    struct tap *t = e->owner;
    struct net_header header = *h;
    struct iovec io[2] = {{&header, sizeof(header)}, {frame, len}};
    ssize_t n;

    header.flags &= NET_HEADER_NEEDS_CSUM;
    do {
        n = writev(t->watch.fd, io + !t->vnet_hdr, t->vnet_hdr ? 2 : 1);
    } while (n < 0 && errno == EINTR);
    /* An interface that is down, or whose queue is full, loses frames. */
}

static void tap_readable(void *opaque, short revents)
{
    struct tap *t = opaque;

    (void)revents;
    for (unsigned i = 0; i < FRAMES_A_TURN; i++) {
        struct net_header header = {0};
        struct iovec io[2] = {{&header, sizeof(header)}, {t->in, NET_FRAME_MAX}};
        size_t head = t->vnet_hdr ? sizeof(header) : 0;
        ssize_t n;

        t->watch.enabled = net_end_room(&t->netdev.end);
        if (!t->watch.enabled)
            return;
        n = readv(t->watch.fd, io + !t->vnet_hdr, t->vnet_hdr ? 2 : 1);
        if (n < (ssize_t)head)
            return;
        if (net_header_check(&header, t->in, (size_t)n - head))
            net_end_send(&t->netdev.end, &header, t->in, (size_t)n - head);
    }
}

static void tap_ready(struct net_end *e)
{
    ((struct tap *)e->owner)->watch.enabled = true;
}

static const struct net_end_ops tap_ops = {.receive = tap_receive, .ready = tap_ready};

/* ---- opening ---- */

static bool run_script(const char *script, const char *ifname, struct error *err)
{
    char *argv[] = {(char *)(uintptr_t)script, (char *)(uintptr_t)ifname, NULL};
    pid_t pid;
    int status, r = posix_spawn(&pid, script, NULL, NULL, argv, environ);

    if (r)
        return error_set(err, "%s: %s", script, strerror(r));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_set(err, "%s: %s", script, strerror(errno));
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           error_set(err, "%s: it failed (status %d)", script,
                     WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static int create(struct tap *t, const char *ifname, bool vnet_hdr, struct error *err)
{
    struct ifreq r = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0))};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        error_set(err, "/dev/net/tun: %s", strerror(errno));
        return -1;
    }
    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", ifname ? ifname : "tap%d");
    if (ioctl(fd, TUNSETIFF, &r) < 0) {
        error_set(err, "ifname=%s: %s", ifname ? ifname : "tap", strerror(errno));
        close(fd);
        return -1;
    }
    snprintf(t->ifname, sizeof(t->ifname), "%s", r.ifr_name);
    t->vnet_hdr = vnet_hdr;
    return fd;
}

/* fd=N: whoever started us has opened it, and chosen vnet_hdr. */
static int inherit(struct tap *t, const char *text, struct error *err)
{
    struct ifreq r = {0};
    uint64_t fd;

    if (!number_parse(text, 0, INT32_MAX, &fd, err)) {
        error_prefix(err, "fd");
        return -1;
    }
    if (ioctl((int)fd, TUNGETIFF, &r) < 0 || !(r.ifr_flags & IFF_TAP)) {
        error_set(err, "fd=%s: an open tap device is expected", text);
        return -1;
    }
    t->vnet_hdr = r.ifr_flags & IFF_VNET_HDR;
    snprintf(t->ifname, sizeof(t->ifname), "%s", r.ifr_name);
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    fcntl((int)fd, F_SETFL, fcntl((int)fd, F_GETFL) | O_NONBLOCK);
    return (int)fd;
}

static void set_offloads(struct tap *t, int fd)
{
    unsigned flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int size = sizeof(struct net_header);

    if (!t->vnet_hdr)
        return;
    ioctl(fd, TUNSETVNETHDRSZ, &size);
    /* A NIC that cannot take such frames gets them cut (offload.c). */
    ioctl(fd, TUNSETOFFLOAD, flags);
    t->netdev.end.offloads =
        NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN;
}

static bool wanted(const char *script)
{
    return script && *script && strcmp(script, "no") != 0;
}

static bool tap_open(struct netdev *n, const struct option_list *l, struct error *err)
{
    struct tap *t = tap_of(n);
    const char *ifname = option_get(l, "ifname"), *given = option_get(l, "fd");
    const char *script = option_get(l, "script"), *down = option_get(l, "downscript");
    bool vnet_hdr = true, vhost = false;
    int fd;

    n->end.ops = &tap_ops;
    if (!option_get_bool(l, "vnet_hdr", &vnet_hdr, err) ||
        !option_get_bool(l, "vhost", &vhost, err))
        return false;
    if (vhost)
        return error_set(err, "vhost=on: not in this version; off is expected");
    if (ifname && strlen(ifname) >= IFNAMSIZ)
        return error_set(err, "ifname=%s: at most %d letters are expected", ifname, IFNAMSIZ - 1);
    if (given && (ifname || script || down))
        return error_set(err, "fd=: without ifname=, script= and downscript=");
    t->in = malloc(NET_FRAME_MAX);
    if (!t->in)
        return error_set(err, "out of memory");
    fd = given ? inherit(t, given, err) : create(t, ifname, vnet_hdr, err);
    if (fd < 0)
        return false;
    set_offloads(t, fd);
    t->open = poller_add(n->set->poller, &t->watch, fd, POLLIN, tap_readable, t);
    if (!t->open) {
        close(fd);
        return error_set(err, "out of memory");
    }
    snprintf(n->info, sizeof(n->info), "ifname=%s,vnet_hdr=%s", t->ifname,
             t->vnet_hdr ? "on" : "off");
    if (wanted(script) && !run_script(script, t->ifname, err))
        return error_prefix(err, "script");
    t->downscript = wanted(down) ? strdup(down) : NULL;
    return true;
}

static void tap_close(struct netdev *n)
{
    struct tap *t = tap_of(n);
    struct error err;

    if (t->open) {
        poller_remove(n->set->poller, &t->watch);
        if (t->downscript && !run_script(t->downscript, t->ifname, &err))
            fprintf(stderr, "calque: tap: downscript: %s\n", err.text);
        close(t->watch.fd);
    }
    free(t->downscript);
    free(t->in);
}

static const char *const keys[] = {"type",       "id",       "ifname", "fd", "script",
                                   "downscript", "vnet_hdr", "vhost",  NULL};

const struct netdev_kind netdev_tap = {
    .name = "tap",
    .help = "an interface of the host: ifname=NAME or fd=N; script=FILE, downscript=FILE, "
            "vnet_hdr=off",
    .keys = keys,
    .size = sizeof(struct tap),
    .open = tap_open,
    .close = tap_close,
};
