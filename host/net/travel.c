/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine that moves to another process keeps its network: what had arrived for it goes with it,
 * and from the new place its cards are announced, so that switches send there what comes next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "host/net/backend_internal.h"
#include "vm/host_time.h"

#define ROUNDS     5 /* some may be lost, or come before a bridge lets frames of its new port pass */
#define FIRST_MS   50
#define LONGER_MS  100 /* each time */
#define NS_PER_MS  1000000ll
#define RARP_FRAME NET_FRAME_MIN

/* RFC 903: who asks everybody for the address of its own hardware address wants no answer; but all
 * have then seen where it is. */
static void announce(struct net_link *l)
{
    static const uint8_t request[] = {
        0x80, 0x35,       /* RARP */
        0,    1,    8, 0, /* Ethernet, IPv4 */
        6,    4,    0, 3, /* lengths of addresses; "request reverse" */
    };
    uint8_t frame[RARP_FRAME] = {0}, mac[NET_MAC_SIZE];

    net_link_get_mac(l, mac);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, request, sizeof(request));
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 32, mac, 6);
    net_end_send(&l->end, NULL, frame, sizeof(frame));
}

static void announce_all(struct nets *s)
{
    for (struct net_link *l = s->links; l; l = l->next)
        announce(l);
    s->announcements--;
    s->announce_at =
        (int64_t)host_now() + (FIRST_MS + (ROUNDS - 1 - s->announcements) * LONGER_MS) * NS_PER_MS;
}

void nets_announce(struct nets *s)
{
    s->announcements = ROUNDS;
    announce_all(s);
}

int64_t nets_prepare_announcements(struct nets *s)
{
    int64_t now;

    if (!s->announcements)
        return -1;
    now = (int64_t)host_now();
    if (now < s->announce_at)
        return s->announce_at - now;
    announce_all(s);
    return 0;
}

void nets_drop_waiting(struct nets *s)
{
    for (struct net_link *l = s->links; l; l = l->next)
        net_link_drop_waiting(l);
}

/* Of each card: u32 length of its id, the id, u32 length of its frames, the frames. */
static void put(FILE *to, const void *data, size_t len)
{
    uint8_t size[4];

    st_le32(size, (uint32_t)len);
    fwrite(size, sizeof(size), 1, to);
    fwrite(data, 1, len, to);
}

static bool pack_link(struct net_link *l, FILE *to)
{
    char *frames = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&frames, &len);

    if (!f)
        return false;
    net_link_pack_waiting(l, f);
    if (fclose(f) == 0 && len) {
        put(to, l->id, strlen(l->id));
        put(to, frames, len);
    }
    free(frames);
    return true;
}

bool nets_pack_waiting(struct nets *s, char **data, size_t *len)
{
    FILE *to = open_memstream(data, len);
    bool ok = to;

    for (struct net_link *l = s->links; l && ok; l = l->next)
        ok = pack_link(l, to);
    return (!to || fclose(to) == 0) && ok;
}

/* The next part; *len bytes. */
static const uint8_t *take(const uint8_t **at, size_t *left, size_t *len)
{
    const uint8_t *part = *at + 4;

    if (*left < 4)
        return NULL;
    *len = ld_le32(*at);
    if (*len > *left - 4)
        return NULL;
    *at += 4 + *len;
    *left -= 4 + *len;
    return part;
}

bool nets_unpack_waiting(struct nets *s, const uint8_t *data, size_t len, struct error *err)
{
    while (len) {
        size_t id_len, frames_len;
        const uint8_t *id = take(&data, &len, &id_len);
        const uint8_t *frames = id ? take(&data, &len, &frames_len) : NULL;
        struct net_link *l = s->links;

        if (!frames)
            return error_set(err, "frames that were under way: cut off");
        while (l && (strlen(l->id) != id_len || memcmp(l->id, id, id_len) != 0))
            l = l->next;
        if (!l)
            return error_set(err, "frames that were under way: for a card that is not here");
        if (!net_link_unpack_waiting(l, frames, frames_len))
            return error_set(err, "frames that were under way: damaged");
    }
    return true;
}
