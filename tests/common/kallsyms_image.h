/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_COMMON_KALLSYMS_IMAGE_H
#define CALQUE_TESTS_COMMON_KALLSYMS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A kernel's tables of symbols, made as its build makes them, for tests of finding them. */

enum kallsyms_layout {
    KALLSYMS_ADDRESSES, /* without offsets: before 4.6 */
    KALLSYMS_OFFSETS,   /* up to 6.1 */
    KALLSYMS_SEQS,      /* with seqs_of_names: 6.2, and Debian's 6.1 */
    KALLSYMS_LAST,      /* offsets behind token_index: since 6.4 */
    KALLSYMS_LAYOUTS
};

struct kallsyms_image {
    enum kallsyms_layout layout;
    unsigned word; /* 8 or 4 */
    bool percpu;   /* CONFIG_KALLSYMS_ABSOLUTE_PERCPU: the first ten symbols are absolute */
    unsigned n;    /* symbols: kallsyms_image_name() at base + 16 * number */
    uint64_t base;
};

/* "Tsymbol_123", with nm's letter. */
void kallsyms_image_name(unsigned n, char name[64]);
/* Writes them to buf; how many bytes they take. */
size_t kallsyms_image(const struct kallsyms_image *k, uint8_t *buf, size_t size);

#endif
