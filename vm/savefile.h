/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_VM_SAVEFILE_H
#define CALQUE_VM_SAVEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/state.h"

/* A saved machine: what `migrate` sends and savevm stores. Whatever it is written to and read from
 * is the caller's; so one format serves files, sockets and the state area of a disk image. All
 * numbers are little endian. It begins with
 *
 *     8 bytes "CALQVM\r\n", u32 version of the format, u32 0, u64 digest of these 16 bytes
 *
 * and goes on with sections, whose headers are
 *
 *     u32 tag, u16 version, u16 flags, u64 length, u64 digest of the payload, u64 offset of this
 *     header, u64 digest of the 32 bytes before
 *
 * MACH  what the machine is: "key value" lines, sorted out by savefile_compare()
 * PAGE  u8 compression, u8[3] 0, u32 n, u32 bytes stored, n times u64 (page << 1 | 1 if it is
 *       zeros), the bytes of the others. A later one replaces an earlier one.
 * RAMM  u32 n, n zeros, all bytes of the arena: n is such that they begin at a multiple of 64 KiB,
 *       so that the file can be mapped. No digest of its own: it is the pieces that have one.
 * SUMS  u32 bytes of a piece, u32 n, n times u64: digests of the pieces of RAMM
 * STAT  machine_save()
 * DONE  u64 digest of the digests of all headers: nothing is missing and nothing in another order
 *
 * A section that a reader does not know is passed over if it has SECTION_OPTIONAL, and refused by
 * name otherwise: so what is written today can be read later, and what will be written later can be
 * read today as long as it says the same. */

#define SAVEFILE_VERSION  1
#define SECTION_OPTIONAL  1u
#define SAVEFILE_ALIGN    65536u     /* of RAMM's bytes; no host has larger pages */
#define SAVEFILE_PAGES    64u        /* of a PAGE section, at most */
#define SAVEFILE_STATE    (1u << 30) /* bytes of STAT and MACH, at most */
#define SAVEFILE_NO_LIMIT UINT64_MAX

#define SAVEFILE_TAG(a, b, c, d)                                                                   \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define TAG_MACHINE SAVEFILE_TAG('M', 'A', 'C', 'H')
#define TAG_PAGES   SAVEFILE_TAG('P', 'A', 'G', 'E')
#define TAG_RAM     SAVEFILE_TAG('R', 'A', 'M', 'M')
#define TAG_SUMS    SAVEFILE_TAG('S', 'U', 'M', 'S')
#define TAG_STATE   SAVEFILE_TAG('S', 'T', 'A', 'T')
#define TAG_DONE    SAVEFILE_TAG('D', 'O', 'N', 'E')

enum compression { COMPRESSION_NONE, COMPRESSION_ZLIB, COMPRESSION_ZSTD };
/* "none", "zlib", "zstd"; false for others, and those that this build is without. */
bool compression_parse(const char *name, enum compression *c, struct error *err);
const char *compression_name(enum compression c);

struct error;
struct machine;

/* ---- writing ---- */

struct save_writer {
    bool (*write)(void *opaque, const void *data, size_t len, struct error *err);
    void *opaque;
    enum compression compression;
    uint64_t pos, chain; /* the writer's own from here on */
    uint8_t *packed;
};

bool save_begin(struct save_writer *w, struct error *err);
bool save_section(struct save_writer *w, uint32_t tag, unsigned flags, const void *data, size_t len,
                  struct error *err);
/* Up to SAVEFILE_PAGES pages that follow one another from `page`. data NULL: zeros. Those of a
 * piece that are zeros are left out, unless `zeros`. */
bool save_pages(struct save_writer *w, uint64_t page, unsigned n, const uint8_t *data, bool zeros,
                struct error *err);
/* The header of RAMM and what is in front of the bytes, which the caller writes or leaves out. */
bool save_ram(struct save_writer *w, uint64_t bytes, struct error *err);
bool save_end(struct save_writer *w, struct error *err);
/* Frees what it holds. */
void save_free(struct save_writer *w);
/* The MACH text of a machine; cpu: what its processors are. malloc'ed. */
char *savefile_describe(struct machine *m, const char *cpu);

/* ---- reading ---- */

struct save_reader {
    bool (*read)(void *opaque, void *data, size_t len, struct error *err);
    /* Passes over bytes; NULL: they are read. */
    bool (*skip)(void *opaque, uint64_t len, struct error *err);
    void *opaque;
    uint64_t pos, chain; /* the reader's own from here on */
    bool failed;         /* read() did: it is not what was read that is wrong */
};

struct save_section {
    uint32_t tag;
    uint16_t version, flags;
    uint64_t length, digest, offset;
    char name[5];
};

bool load_begin(struct save_reader *r, struct error *err);
/* The next section's header. */
bool load_section(struct save_reader *r, struct save_section *s, struct error *err);
/* Its payload as a whole, whose digest must be right; at most max bytes. */
bool load_payload(struct save_reader *r, const struct save_section *s, uint64_t max,
                  struct state_stream *to, struct error *err);
bool load_skip(struct save_reader *r, const struct save_section *s, struct error *err);
/* Takes a PAGE payload apart: calls with each page, whose bytes are NULL if they are zeros. */
bool load_pages(const struct save_section *s, const struct state_stream *payload, uint64_t npages,
                void (*page)(void *opaque, uint64_t page, const uint8_t *data), void *opaque,
                struct error *err);
/* Of DONE. */
bool load_is_complete(const struct save_reader *r, const struct save_section *s, uint64_t chain,
                      const struct state_stream *payload, struct error *err);
/* "section PAGE at offset 123: " in front. */
bool load_refuse(const struct save_section *s, struct error *err);

/* Whether two machines are alike: *err names the first line that is not. */
bool savefile_compare(const char *saved, const char *here, struct error *err);
/* The value of a key of a MACH text, up to `size` bytes; false: it has none. */
bool savefile_value(const char *text, const char *key, char *value, size_t size);

#endif
