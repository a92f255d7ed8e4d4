/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_CAPTURE_H
#define CALQUE_VM_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>

/* All memory of a machine as it was at one moment, while the machine runs on: copy on write. The
 * arena is cut into chunks. A store to a chunk that has not been taken yet copies the whole chunk
 * first; these copies wait in a queue of bounded length, and whoever would make one too many waits
 * for the reader, so that a guest is slowed down rather than the host's memory used up. */

#define CAPTURE_CHUNK (256u << 10) /* bytes; a copy takes about as long as a page fault */

struct capture;
struct error;
struct machine;

struct capture_piece {
    uint64_t at;         /* arena offset */
    uint32_t len;        /* CAPTURE_CHUNK, less for the last one */
    const uint8_t *data; /* until the next call; NULL: zeros */
};

/* Lock held, CPUs stand still: from here on the memory of this moment is kept. Quick. At most
 * `queued` bytes are copied ahead of the reader. */
struct capture *capture_begin(struct machine *m, uint64_t queued, struct error *err);
/* The next piece, in no particular order; false: that was all. One thread, no lock held. */
bool capture_next(struct capture *c, struct capture_piece *piece);
/* Bytes of the arena that capture_next() has not given yet. Any thread. */
uint64_t capture_left(struct capture *c);
/* Nobody waits for the reader any more, who has given up. Any thread; before capture_end(). */
void capture_give_up(struct capture *c);
/* Lock held, CPUs stand still, the reader is done. */
void capture_end(struct capture *c);

#endif
