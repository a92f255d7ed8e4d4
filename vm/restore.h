/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_RESTORE_H
#define CALQUE_VM_RESTORE_H

#include "vm/savefile.h"

/* Makes a machine what was saved (savefile.h). In two steps: reading, which is where a damaged or
 * foreign stream is refused, and taking over. A reading can be without effect, to find out. */

struct restore {
    struct machine *m;
    const char *cpu; /* see savefile_describe() */
    bool check_only; /* memory is left alone */
    /* RAMM: shows the file's bytes at `offset` as memory; NULL or false: they are read. */
    bool (*map)(void *opaque, uint64_t offset, uint64_t len);
    void *opaque;
    bool stored; /* memory is not what it was any more */
    /* Result. */
    struct state_stream about, state, sums; /* about: MACH, a text; sums: of what was mapped */
    uint64_t mapped_at;                     /* 0: nothing was */
    /* The reading's own. */
    struct state_stream payload;
    uint64_t *piece_sums, npieces, ram_at;
};

/* Reads all sections. The machine's lock is held and it stands still, unless check_only. On failure
 * *err says which section and where; with `stored` the machine is no good. */
bool restore_read(struct restore *t, struct save_reader *r, struct error *err);
/* After a reading with effect: the machine goes on from there. A failure leaves it no good. */
bool restore_apply(struct restore *t, struct error *err);
/* Whether a piece of what was mapped is what was saved; n from 0 to restore_pieces(). Any thread.
 */
uint64_t restore_pieces(const struct restore *t);
bool restore_check_piece(const struct restore *t, uint64_t n, const uint8_t *data, size_t len);
void restore_free(struct restore *t);

#endif
