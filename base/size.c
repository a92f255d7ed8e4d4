/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Bytes of a suffix; 0 if it is none. */
static uint64_t suffix_unit(int c)
{
    static const char letters[] = "bkmgt";
    const char *p = strchr(letters, tolower(c));

    return c && p ? 1ull << (10 * (p - letters)) : 0;
}

bool size_parse(const char *text, uint64_t unit, uint64_t *bytes, struct error *err)
{
    char *end;
    uint64_t whole;
    unsigned __int128 total;

    errno = 0;
    whole = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || errno == ERANGE)
        return error_set(err, "%s: not a size; a number with K, M, G or T is expected", text);
    uint64_t fraction = 0, scale = 1;
    if (*end == '.') {
        for (end++; isdigit((unsigned char)*end); end++) {
            if (scale < 1000000) {
                fraction = fraction * 10 + (uint64_t)(*end - '0');
                scale *= 10;
            }
        }
    }
    if (*end) {
        unit = suffix_unit((unsigned char)*end);
        if (!unit || end[1])
            return error_set(err, "%s: not a size; a number with K, M, G or T is expected", text);
    }
    total = (unsigned __int128)whole * unit + (unsigned __int128)fraction * unit / scale;
    if (total > UINT64_MAX)
        return error_set(err, "%s: more than 64 bits", text);
    *bytes = (uint64_t)total;
    return true;
}

bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value, struct error *err)
{
    char *end;

    errno = 0;
    uint64_t v = strtoull(text, &end, 0);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return error_set(err, "%s: not a number", text);
    if (v < min || v > max)
        return error_set(err, "%s: out of range; %" PRIu64 " to %" PRIu64 " is expected", text, min,
                         max);
    *value = v;
    return true;
}

char *size_format(uint64_t bytes, char buf[32])
{
    static const char *const names[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned n = 0;
    uint64_t unit = 1;

    while (n < 6 && bytes / unit >= 1024) {
        unit *= 1024;
        n++;
    }
    if (bytes % unit)
        snprintf(buf, 32, "%.1f %s", (double)bytes / (double)unit, names[n]);
    else
        snprintf(buf, 32, "%" PRIu64 " %s", bytes / unit, names[n]);
    return buf;
}
