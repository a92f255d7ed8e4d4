/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_LOG_H
#define CALQUE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Log categories of -d; the names are QEMU's. */
enum log_category {
    LOG_IN_ASM = 1 << 0,       /* each decoded block, disassembled */
    LOG_INT = 1 << 1,          /* interrupts and exceptions, one line each */
    LOG_MMU = 1 << 2,          /* page walks that fault, TLB flushes */
    LOG_CPU_RESET = 1 << 3,    /* CPU state at each reset */
    LOG_GUEST_ERRORS = 1 << 4, /* the guest did something a datasheet forbids */
    LOG_UNIMP = 1 << 5,        /* the guest used something Calque does not have */
    LOG_EXEC = 1 << 6,         /* each block executed */
    LOG_JIT = 1 << 7,          /* each block translated: guest and host code */
};

/* A log belongs to one machine. Lines go to `out` (stderr unless -D). */
struct log {
    FILE *out;
    uint32_t mask;   /* enabled categories */
    bool timestamps; /* lines begin with the host's time (ISO 8601, UTC) */
};

struct error;

/* Prepares a log that writes to stderr with LOG_UNIMP off and everything else off. */
void log_init(struct log *log);

/* Parses "int,guest_errors" (or "help", which prints the list and returns false with empty text)
 * into log->mask. An unknown name is an error that suggests the nearest one. */
bool log_parse_mask(struct log *log, const char *list, struct error *err);

/* Sends the log to a file; the file is truncated. */
bool log_open_file(struct log *log, const char *path, struct error *err);
void log_close(struct log *log);

static inline bool log_on(const struct log *log, uint32_t category)
{
    return (log->mask & category) != 0;
}

/* One line (the newline is added) if the category is on. Thread safe: a line is written whole. */
__attribute__((format(printf, 3, 4))) void log_line(struct log *log, uint32_t category,
                                                    const char *fmt, ...);

#endif
