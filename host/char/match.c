/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/char/match.h"

#include <stdlib.h>
#include <string.h>

/* Length of the match after one more byte. */
static size_t advance(const struct matcher *m, size_t matched, char c)
{
    while (matched > 0 && m->text[matched] != c)
        matched = m->fallback[matched - 1];
    return matched + (m->text[matched] == c);
}

bool matcher_init(struct matcher *m, const char *text)
{
    *m = (struct matcher){.len = strlen(text)};
    if (!m->len)
        return false;
    m->text = strdup(text);
    m->fallback = calloc(m->len, sizeof(*m->fallback));
    if (!m->text || !m->fallback) {
        matcher_destroy(m);
        return false;
    }
    for (size_t i = 1; i < m->len; i++)
        m->fallback[i] = advance(m, m->fallback[i - 1], text[i]);
    return true;
}

void matcher_destroy(struct matcher *m)
{
    free(m->text);
    free(m->fallback);
    *m = (struct matcher){0};
}

bool matcher_feed(struct matcher *m, const void *data, size_t len)
{
    const char *p = data;

    for (size_t i = 0; i < len && !m->found; i++) {
        m->matched = advance(m, m->matched, p[i]);
        m->found = m->matched == m->len;
    }
    return m->found;
}
