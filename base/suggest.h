/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_SUGGEST_H
#define CALQUE_BASE_SUGGEST_H

#include <stddef.h>

/* "Did you mean": the nearest valid name by edit distance. */

/* Inserted, deleted, changed and swapped letters between two words; words longer than 63 letters
 * are compared by their beginnings. */
unsigned edit_distance(const char *a, const char *b);

/* Keeps the best of the candidates offered one by one. */
struct suggestion {
    const char *wanted;
    const char *best; /* NULL until a candidate is offered */
    unsigned distance;
};

void suggest_begin(struct suggestion *s, const char *wanted);
void suggest_offer(struct suggestion *s, const char *candidate);

/* The nearest of a NULL-terminated list; NULL if the list is empty. */
const char *suggest(const char *wanted, const char *const *names);

#endif
