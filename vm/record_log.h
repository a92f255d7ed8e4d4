/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_RECORD_LOG_H
#define CALQUE_VM_RECORD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/state.h"

/* The log of a recording, in memory and as a file. A file is
 *
 *     8 bytes "CALQREC\n", u32 version, u32 0
 *     pieces: u32 tag, u32 bytes stored, u32 bytes raw, u32 1 if deflated, u64 digest, the bytes
 *
 * little endian: one HEAD piece, PIEC pieces of whole entries, and a DONE piece of none where the
 * recording ended as it should. A reader takes what is whole: the tail of a recorder that was
 * killed is left out, and said. */

struct error;

#define RECORD_VERSION 2

enum record_kind {
    RECORD_MEMORY, /* before all else: u64 arena offset, bytes: what was in ROM and flash */
    RECORD_INPUT,  /* an event for `source` */
    RECORD_DISK,   /* an access of the drive of `source` has ended: `error`, or what was read */
    RECORD_PAGES,  /* what the check after it says of pages (vm/record_pages.h); error 1: not all */
    RECORD_CHECK,  /* u64 digest of memory, the state; error 1: disk accesses ended, no more */
    RECORD_END,    /* the recording, or what is known of it, ends */
    RECORD_NUM_KINDS
};

struct record_entry {
    uint8_t kind;
    uint16_t source;
    uint32_t error;
    uint64_t insns, ns, fired; /* where */
    uint32_t len;
    uint8_t *data; /* in a log: behind the entry */
};

struct record_words {
    char **text;
    unsigned n;
};
struct record_drive {
    char *id;
    uint64_t size; /* bytes; 0: no medium */
    bool medium, read_only;
};

/* How the machine began. */
struct record_header {
    struct record_words args;    /* the options, without argv[0] */
    struct record_words sources; /* input sources by number */
    struct record_drive *drives;
    unsigned ndrives;
    uint64_t ram_size, wall_base;
    uint32_t ncpus, icount_shift;
    uint64_t memory;           /* digest */
    struct state_stream state; /* machine_save() */
};

struct record_log {
    struct record_header header;
    struct record_entry **entries; /* entries[i] is number base + i */
    size_t n, capacity;
    uint64_t base;
    uint64_t bytes;    /* of all entries */
    bool truncated;    /* the file has no proper end */
    char problem[160]; /* why, if so */
};

void record_header_free(struct record_header *h);
bool record_header_copy(struct record_header *to, const struct record_header *from);
void record_log_free(struct record_log *l);

/* Appends a copy. NULL: no memory. */
struct record_entry *record_log_add(struct record_log *l, const struct record_entry *e);
/* NULL after the last, or if it was forgotten. */
struct record_entry *record_log_get(const struct record_log *l, uint64_t number);
static inline uint64_t record_log_end(const struct record_log *l)
{
    return l->base + l->n;
}
void record_log_cut(struct record_log *l, uint64_t number);    /* number and all after it go */
void record_log_forget(struct record_log *l, uint64_t number); /* all before number go */

/* A file's, or a piece of memory's (the name is for messages). A file that is no recording or
 * damaged at its beginning is refused. */
bool record_log_read(struct record_log *l, const char *path, struct error *err);
bool record_log_parse(struct record_log *l, const char *name, const uint8_t *data, size_t len,
                      struct error *err);

/* ---- writing ---- */

struct record_writer {
    int fd; /* -1: none */
    char *path;
    struct state_stream piece; /* entries that are not in the file yet */
    bool failed;               /* was told */
    uint64_t written;          /* bytes of the file */
};

bool record_writer_open(struct record_writer *w, const char *path, const struct record_header *h,
                        struct error *err);
/* Written when there is enough, or by record_writer_flush(). A file that cannot be written any more
 * is given up with a line on standard error. */
void record_writer_add(struct record_writer *w, const struct record_entry *e);
void record_writer_flush(struct record_writer *w);
/* proper: with the mark of a proper end. */
void record_writer_close(struct record_writer *w, bool proper);

#endif
