/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/suggest.h"

#include <limits.h>
#include <string.h>

#define WORD_MAX 63

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

/* Optimal string alignment distance: three rows of the usual matrix. */
unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    size_t la = strnlen(a, WORD_MAX), lb = strnlen(b, WORD_MAX);

    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned change = above[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = min3(above[j] + 1, row[j - 1] + 1, change);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min3(row[j], row[j], above2[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

void suggest_begin(struct suggestion *s, const char *wanted)
{
    *s = (struct suggestion){.wanted = wanted, .distance = UINT_MAX};
}

/* Someone who types the beginning of a name means that name: half the distance. */
void suggest_offer(struct suggestion *s, const char *candidate)
{
    unsigned d = 2 * edit_distance(s->wanted, candidate);

    if (*s->wanted && !strncmp(s->wanted, candidate, strlen(s->wanted)))
        d /= 2;
    if (d < s->distance) {
        s->distance = d;
        s->best = candidate;
    }
}

const char *suggest(const char *wanted, const char *const *names)
{
    struct suggestion s;

    suggest_begin(&s, wanted);
    for (; *names; names++)
        suggest_offer(&s, *names);
    return s.best;
}
