/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks of the host under hostile frames: from a guest, with any header, to segmentation, a hub,
 * a capture and a user network (shut in, so that nothing leaves the process); and any bytes as what
 * another machine sends over a stream or in datagrams. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "config.h"
#include "host/net/backend.h"
#include "tests/fuzz/fuzz.h"

struct card {
    struct net_port port;
    unsigned offloads, refusals;
};

struct world {
    struct machine m;
    struct poller p;
    struct nets *nets;
    struct card card[4]; /* hub (with user), hub, stream, datagrams */
    int other[2];        /* of the stream, and of the datagrams */
};

/* What a card has not asked for it is not given. */
static bool receive(void *nic, const struct net_header *h, const uint8_t *frame, size_t len)
{
    struct card *c = nic;
    unsigned sum = 0;

    fuzz_check(len >= NET_FRAME_MIN && len <= NET_FRAME_MAX);
    fuzz_check((c->offloads & NET_OFFLOAD_CSUM) || !h->flags);
    fuzz_check((c->offloads & (NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6)) || !h->gso_type);
    for (size_t i = 0; i < len; i++)
        sum += frame[i];
    if (sum % 8 || !c->refusals)
        return true;
    c->refusals--;
    return false;
}

static void no_matter(void *nic)
{
    (void)nic;
}

static const struct net_port_ops ops = {
    .receive = receive, .can_send = no_matter, .link_changed = no_matter};

static void plug(struct world *w, unsigned n, const char *spec)
{
    static const char *const ids[] = {"a", "b", "c", "d"};
    struct nic_config config = {.mac = {2}};
    struct error err;

    fuzz_check(netdev_define_unnamed(w->nets, spec, &config.netdev, &err));
    net_port_init(&w->card[n].port, &w->m, ids[n], "fuzz", &config, &ops, &w->card[n]);
}

static bool make(struct world *w)
{
    struct netdev *n;
    struct error err;
    char spec[40];
    int pair[2], datagrams[2];

    if (!machine_init(&w->m, 1 << 20, 0, &err))
        return false;
    fuzz_check(poller_init(&w->p, &err));
    w->nets = nets_new(&w->p);
    fuzz_check(w->nets && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    fuzz_check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, datagrams) == 0);
    w->other[0] = pair[1];
    w->other[1] = datagrams[1];
    w->m.run.state = RUN_RUNNING;
    plug(w, 0, "hubport,hubid=0,id=h");
    plug(w, 1, "hubport,hubid=0");
    snprintf(spec, sizeof(spec), "socket,fd=%d", pair[0]);
    plug(w, 2, spec);
    snprintf(spec, sizeof(spec), "dgram,local.type=fd,local.str=%d", datagrams[0]);
    plug(w, 3, spec);
    if (CONFIG_SLIRP) {
        fuzz_check(netdev_define_unnamed(w->nets, "user,restrict=on,id=u", &n, &err));
        fuzz_check(netdev_define_unnamed(w->nets, "hubport,hubid=0,netdev=u", &n, &err));
    }
    fuzz_check(nets_add_dump(w->nets, "h", "/dev/null", 100, &err));
    nets_start(w->nets, &w->m);
    return true;
}

static void turn(struct world *w)
{
    nets_prepare(w->nets);
    machine_lock(&w->m);
    input_deliver(&w->m);
    machine_unlock(&w->m);
    poller_run(&w->p, 0);
}

static void send_frame(struct card *c, struct fuzz_input *in, bool with_header)
{
    struct net_header h = {0};
    uint16_t more = 0;
    size_t size;

    if (with_header) {
        h.flags = fuzz_u8(in);
        h.gso_type = fuzz_u8(in);
        h.hdr_len = fuzz_u16(in);
        h.gso_size = fuzz_u16(in);
        h.csum_start = fuzz_u8(in);
        h.csum_offset = fuzz_u8(in);
        more = fuzz_u16(in);
    }
    uint8_t *bytes = fuzz_bytes(in, 1600, &size);
    struct net_frame *f = net_frame_new(size + more > NET_FRAME_MAX ? size : size + more);

    fuzz_check(f);
    memset(f->data, 0, f->len);
    memcpy(f->data, bytes, size);
    f->header = h;
    free(bytes);
    if (net_port_can_send(&c->port))
        net_port_send_frame(&c->port, f);
    else
        net_frame_free(f);
}

static void act(struct world *w, struct fuzz_input *in)
{
    uint8_t what = fuzz_u8(in);
    struct card *c = &w->card[what >> 4 & 3];
    struct error err;
    size_t size;
    uint8_t *bytes;

    switch (what & 7) {
    case 0:
        c->offloads = fuzz_u8(in) & 15;
        c->offloads &= c->offloads & 1 ? 15 : 0;
        machine_lock(&w->m);
        net_port_set_offloads(&c->port, c->offloads);
        machine_unlock(&w->m);
        break;
    case 1:
        bytes = fuzz_bytes(in, 3000, &size);
        (void)!send(w->other[what >> 7], bytes, size, MSG_NOSIGNAL);
        free(bytes);
        break;
    case 2:
        nets_set_link(w->nets, what & 0x20 ? "a" : "b", what & 0x40, &err);
        break;
    case 3:
        c->refusals = what >> 5;
        machine_lock(&w->m);
        net_port_ready(&c->port);
        machine_unlock(&w->m);
        break;
    default:
        send_frame(what & 0x20 ? c : &w->card[0], in, what & 1);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct world *w = calloc(1, sizeof(*w));

    fuzz_check(w);
    if (make(w)) {
        for (unsigned n = 0; n < 64 && in.left; n++) {
            act(w, &in);
            turn(w);
        }
        nets_free(w->nets);
        poller_destroy(&w->p);
        machine_destroy(&w->m);
        close(w->other[0]);
        close(w->other[1]);
    }
    free(w);
    return 0;
}
