/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_SIZE_H
#define CALQUE_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

struct error;

/* Parses "512", "512M", "1.5G" into bytes; suffixes b k m g t in either case, powers of 1024. A
 * bare number counts in `unit` bytes. False with what was expected when it is not a size or is
 * beyond 64 bits. */
bool size_parse(const char *text, uint64_t unit, uint64_t *bytes, struct error *err);

/* A number in decimal, 0x hex or 0 octal, whole text, min..max. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value, struct error *err);

/* "512 MiB", "1.5 GiB": for people. Returns buf. */
char *size_format(uint64_t bytes, char buf[32]);

#endif
