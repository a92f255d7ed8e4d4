/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/common/kallsyms_image.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

struct writer {
    uint8_t *buf;
    size_t n, size;
};

static void put(struct writer *w, const void *p, size_t n)
{
    if (n > w->size - w->n)
        n = w->size - w->n;
    memcpy(w->buf + w->n, p, n);
    w->n += n;
}

static void put_number(struct writer *w, uint64_t v, unsigned size)
{
    uint8_t bytes[8];

    st_le64(bytes, v);
    put(w, bytes, size);
}

static void align(struct writer *w, unsigned to)
{
    while (w->n % to)
        put_number(w, 0, 1);
}

void kallsyms_image_name(unsigned n, char name[64])
{
    static const char letters[] = "TtDdBRW";

    snprintf(name, 64, "%csymbol_%u%s", letters[n % 7], n, n % 5 ? "" : "_symbol_of_a_longer_name");
}

/* Characters stand for themselves; 0x80 is "symbol_". */
static void token(unsigned n, char text[16])
{
    if (n == 0x80)
        strcpy(text, "symbol_");
    else if (n < 128 && (isalnum((int)n) || n == '_'))
        snprintf(text, 16, "%c", (int)n);
    else
        snprintf(text, 16, "t%x", n);
}

static void put_name(struct writer *w, unsigned n)
{
    char name[64];
    uint8_t bytes[64];
    unsigned len = 0;

    kallsyms_image_name(n, name);
    for (const char *p = name; *p; len++) {
        bool whole = strncmp(p, "symbol_", 7) == 0;

        bytes[len] = whole ? 0x80 : (uint8_t)*p;
        p += whole ? 7 : 1;
    }
    put_number(w, len, 1);
    put(w, bytes, len);
}

static void put_addresses(struct writer *w, const struct kallsyms_image *k)
{
    for (unsigned n = 0; n < k->n; n++) {
        uint64_t offset = 16ull * n;

        if (k->layout == KALLSYMS_ADDRESSES)
            put_number(w, k->base + offset, k->word);
        else if (!k->percpu)
            put_number(w, offset, 4);
        else
            put_number(w, n < 10 ? offset : ~offset, 4); /* base - 1 - ~offset */
    }
    align(w, k->word);
    if (k->layout != KALLSYMS_ADDRESSES)
        put_number(w, k->base, k->word);
}

static void put_tokens(struct writer *w, unsigned word)
{
    char text[16];
    unsigned at = 0;

    for (unsigned n = 0; n < 256; n++) {
        token(n, text);
        put(w, text, strlen(text) + 1);
    }
    align(w, word);
    for (unsigned n = 0; n < 256; n++) {
        put_number(w, at, 2);
        token(n, text);
        at += strlen(text) + 1;
    }
    align(w, word);
}

size_t kallsyms_image(const struct kallsyms_image *k, uint8_t *buf, size_t size)
{
    struct writer w = {.buf = buf, .size = size};
    static uint32_t markers[1024];
    unsigned nmarkers = 0;
    size_t names;

    if (k->layout != KALLSYMS_LAST)
        put_addresses(&w, k);
    put_number(&w, k->n, 4);
    align(&w, k->word);
    names = w.n;
    for (unsigned n = 0; n < k->n; n++) {
        if (n % 256 == 0 && nmarkers < 1024)
            markers[nmarkers++] = (uint32_t)(w.n - names);
        put_name(&w, n);
    }
    align(&w, k->word);
    for (unsigned n = 0; n < nmarkers; n++)
        put_number(&w, markers[n], 4);
    align(&w, k->word);
    if (k->layout == KALLSYMS_SEQS) {
        for (unsigned n = 0; n < k->n; n++)
            put_number(&w, n * 0x5bd1e995u >> 8, 3);
        align(&w, k->word);
    }
    put_tokens(&w, k->word);
    if (k->layout == KALLSYMS_LAST)
        put_addresses(&w, k);
    return w.n;
}
