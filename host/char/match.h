/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_CHAR_MATCH_H
#define CALQUE_HOST_CHAR_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Looks for a text in a stream that arrives in pieces (Knuth, Morris, Pratt): constant work per
 * byte and no copy of the stream. */
struct matcher {
    char *text;
    size_t *fallback; /* length of the longest border of text[0..i] */
    size_t len, matched;
    bool found;
};

/* False for an empty text or when memory is short. */
bool matcher_init(struct matcher *m, const char *text);
void matcher_destroy(struct matcher *m);
/* True once the text has been seen, and ever after. */
bool matcher_feed(struct matcher *m, const void *data, size_t len);

#endif
