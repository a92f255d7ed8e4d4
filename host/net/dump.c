/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object filter-dump: what passes at a back end, both ways, in a file that tcpdump and Wireshark
 * read (libpcap's format 2.4, Ethernet, microseconds). GSO frames are captured as they are: longer
 * than a packet of the wire. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "host/net/backend_internal.h"
#include "vm/clock.h"
#include "vm/machine.h"

#define PCAP_MAGIC    0xa1b2c3d4u
#define PCAP_ETHERNET 1

struct net_dump {
    struct net_dump *next; /* on the same end */
    struct nets *set;
    FILE *file;
    uint32_t maxlen;
    bool failed; /* and said so */
};

/* Times are the guest's: since the machine was powered on. */
static void put(struct net_dump *d, const uint8_t *frame, size_t len)
{
    uint64_t us = d->set->m ? vm_clock_now(&d->set->m->clock) / 1000 : 0;
    uint32_t kept = len < d->maxlen ? (uint32_t)len : d->maxlen;
    const uint32_t head[4] = {(uint32_t)(us / 1000000), (uint32_t)(us % 1000000), kept,
                              (uint32_t)len};

    if (fwrite(head, sizeof(head), 1, d->file) == 1 && fwrite(frame, 1, kept, d->file) == kept &&
        fflush(d->file) == 0)
        return;
    fprintf(stderr, "calque: filter-dump: %s; the capture ends\n", strerror(errno));
    d->failed = true;
}

void net_dump_frame(struct net_dump *d, const uint8_t *frame, size_t len)
{
    for (; d; d = d->next)
        if (!d->failed)
            put(d, frame, len);
}

bool net_dump_open(struct nets *s, struct netdev *n, const char *file, uint64_t maxlen,
                   struct error *err)
{
    const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, accuracy, maxlen, type;
    } head = {PCAP_MAGIC, 2, 4, 0, 0, (uint32_t)maxlen, PCAP_ETHERNET};
    struct net_dump *d = calloc(1, sizeof(*d));

    if (!d)
        return error_set(err, "out of memory");
    d->set = s;
    d->maxlen = (uint32_t)maxlen;
    d->file = fopen(file, "wbe");
    if (!d->file || fwrite(&head, sizeof(head), 1, d->file) != 1 || fflush(d->file) != 0) {
        error_set(err, "file=%s: %s", file, strerror(errno));
        if (d->file)
            fclose(d->file);
        free(d);
        return false;
    }
    d->next = n->end.dump;
    n->end.dump = d;
    return true;
}

void net_dump_free(struct net_dump *d)
{
    while (d) {
        struct net_dump *next = d->next;

        fclose(d->file);
        free(d);
        d = next;
    }
}
