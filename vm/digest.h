/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_DIGEST_H
#define CALQUE_VM_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* One 64-bit digest of the whole machine: CPUs, device fields, memory. Memory is a tree of page
 * hashes over the arena (fan-out 64); only pages dirtied since the last digest are hashed again,
 * so a digest of a large guest costs what changed. Not cryptographic. */

struct machine;

#define DIGEST_FAN 64u

struct digest_tree {
    uint64_t *level[6]; /* level[0]: a hash per page, 0 of zeros; level[1]: of DIGEST_FAN pages */
    size_t count[6];    /* hashes; multiples of DIGEST_FAN, those beyond memory are 0 */
    unsigned nlevels;
};

struct machine_digest {
    uint64_t cpus, devices, memory, all;
};

uint64_t digest_bytes(const void *data, size_t len, uint64_t seed);
/* Machine lock held, CPUs at an instruction boundary. */
struct machine_digest machine_digest(struct machine *m);
void digest_tree_free(struct digest_tree *t);

#endif
