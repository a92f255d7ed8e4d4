/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_VIRTIO_P9_SERVER_H
#define CALQUE_DEVICES_VIRTIO_P9_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/fs/tree.h"
#include "vm/state.h"

/* A server of 9P2000.L for one client over a folder of the host: a request in, its reply out, at
 * once. What a client holds (fids) is kept as paths and flags, so that it can be saved at any time
 * and opened again where it is loaded. A file that is not there any more then is ESTALE. */

#define P9_MSIZE_MAX (512u << 10) /* bytes of a message */
#define P9_STATE_MAX (80u << 20)  /* bytes of all that a client holds */

struct p9_fid;

struct p9_server {
    struct fs_tree *tree;
    uint32_t msize;
    struct p9_fid *fids[1024]; /* by id */
    unsigned nfids, nopen;
    size_t held; /* bytes of paths and attributes */
};

void p9_server_init(struct p9_server *s, struct fs_tree *tree);
/* Forgets what the client holds. */
void p9_server_reset(struct p9_server *s);
/* Answers the request. Returns the length of the reply, 0 if there is no room for any. */
size_t p9_server_answer(struct p9_server *s, const uint8_t *request, size_t len, uint8_t *reply,
                        size_t room);
/* What the client holds; the same after the same requests. False: no memory. */
bool p9_server_save(const struct p9_server *s, struct state_blob *to);
/* Takes it over. False, with *err, if it is malformed; the server is as after a reset then. */
bool p9_server_load(struct p9_server *s, const struct state_blob *from, struct error *err);

#endif
