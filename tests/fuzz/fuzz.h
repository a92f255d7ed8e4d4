/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_FUZZ_H
#define CALQUE_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm/machine.h"

/* What the fuzz targets share. A target is a file tests/fuzz/fuzz_NAME.c that defines
 * LLVMFuzzerTestOneInput(): libFuzzer calls it with inputs of its own making, and replay.c, on
 * ordinary builds, with those in tests/fuzz/regress/NAME and tests/fuzz/seeds/NAME. Whatever the
 * input is, the target returns 0, soon, and leaves nothing behind. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, which is how a finding is reported. */
#define fuzz_check(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))
__attribute__((noreturn)) void fuzz_failed(const char *file, int line, const char *what);

/* ---- the input, read from its beginning; zeros follow its end ---- */

struct fuzz_input {
    const uint8_t *data;
    size_t left;
};

uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);
uint32_t fuzz_u32(struct fuzz_input *in);
uint64_t fuzz_u64(struct fuzz_input *in);
/* A number of 8 bytes whose length in the input is 1, 2, 4 or 8 bytes, or one of those at which
 * things change: 0, ~0, 1 << n, (1 << n) - 1. */
uint64_t fuzz_number(struct fuzz_input *in);
/* At most max bytes, as many as a leading u16 says; a copy of exactly that size, so that reading
 * beyond it is seen. The caller frees it. */
uint8_t *fuzz_bytes(struct fuzz_input *in, size_t max, size_t *size);
/* The same as a string, up to its first zero byte. */
char *fuzz_string(struct fuzz_input *in, size_t max);

/* ---- a chip on a machine without processors ---- */

#define RIG_RAM (128u << 10)

struct fuzz_chip;

struct rig {
    struct machine m; /* locked; RAM at 0, which DMA reaches */
    const struct fuzz_chip *chip;
    struct region ram;
    uint64_t now; /* virtual time */
    bool level[32];
    unsigned messages;
};

/* Addresses that the chip answers at; several overlap without harm. */
struct fuzz_window {
    bool io;
    uint64_t base;
    uint32_t size;
};

struct fuzz_chip {
    struct fuzz_window windows[12]; /* ends with size 0 */
    uint64_t extra;                 /* bytes of the arena behind RAM that it takes */
    /* Puts the chip on the rig; its struct is static or freed by `remove`. */
    void (*add)(struct rig *r);
    void (*remove)(struct rig *r); /* may be NULL */
    /* What else can happen to it: lines that move, bytes that arrive. May be NULL. */
    void (*event)(struct rig *r, struct fuzz_input *in);
};

struct irq_line rig_line(struct rig *r, unsigned n);
struct msi_sink rig_msi(struct rig *r);
/* Lets time pass, with the timers on the way, of which so many that no real time passes. */
void rig_pass(struct rig *r, uint64_t ns);

/* The whole of a target: accesses, time, resets, saving and loading, as the input says. */
void fuzz_chip(const struct fuzz_chip *chip, const uint8_t *data, size_t size);
#define FUZZ_CHIP_TARGET(chip)                                                                     \
    int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                                   \
    {                                                                                              \
        fuzz_chip(&(chip), data, size);                                                            \
        return 0;                                                                                  \
    }

/* The same actions on a machine that is there already; `pass` lets time go by. */
struct fuzz_traffic {
    struct machine *m;
    const struct fuzz_window *windows;
    unsigned nwindows;
    void (*pass)(void *opaque, uint64_t ns);
    void (*event)(void *opaque, struct fuzz_input *in);
    void (*reset)(void *opaque);
    void *opaque;
};
void fuzz_traffic(const struct fuzz_traffic *t, struct fuzz_input *in);

/* Of processors and devices. Machine locked. */
uint64_t fuzz_state_digest(struct machine *m);
/* Saved and loaded they are what they were. Machine locked. */
void fuzz_round_trip(struct machine *m);

/* A file of these bytes in memory: its path, which fuzz_file_close() ends. */
struct fuzz_file {
    int fd;
    char path[40];
};
void fuzz_file_open(struct fuzz_file *f, const void *data, size_t size);
void fuzz_file_close(struct fuzz_file *f);

#endif
