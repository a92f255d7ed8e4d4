/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mutate SEED: copies standard input with hostile changes to its first kilobyte: header fields
 * become extreme numbers, bits flip, and now and then the end is missing. The same seed, the same
 * changes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (64u << 20)
#define HEADER   1024

/* xorshift64* (Marsaglia, Vigna) */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(*state * 0x2545f4914f6cdd1dull >> 32) % n;
}

/* Linux's boot header is where a bzImage is vulnerable; an ELF file's headers are at its start. */
static size_t pick_place(uint64_t *state, const uint8_t *file, size_t size)
{
    size_t first = 0, last = 0x80;

    if (size > HEADER && !memcmp(file + 0x202, "HdrS", 4)) {
        first = 0x1f1;
        last = 0x268;
    }
    if (random_below(state, 4) == 0)
        first = 0, last = HEADER;
    if (last > size)
        last = size;
    return first + random_below(state, (uint32_t)(last - first));
}

static void mutate(uint64_t *state, uint8_t *file, size_t size)
{
    static const uint64_t extremes[] = {0,          1,          0x7f,       0x80,       0xff,
                                        0xffff,     0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000u,
                                        0x100000,   0x1000,     UINT64_MAX, INT64_MAX,  1ull << 63,
                                        1ull << 32, 0x40000000, 0xfff00000u};
    size_t at = pick_place(state, file, size);
    size_t width = (size_t)1 << random_below(state, 4);
    uint64_t value = extremes[random_below(state, sizeof(extremes) / sizeof(extremes[0]))];

    if (at + width > size)
        return;
    if (random_below(state, 3))
        memcpy(file + at, &value, width);
    else
        file[at] ^= (uint8_t)(1u << random_below(state, 8));
}

int main(int argc, char **argv)
{
    uint64_t state = argc == 2 ? strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ull | 1 : 0;
    uint8_t *file = malloc(MAX_FILE);
    size_t size;

    if (!state || !file) {
        fputs("usage: mutate SEED <FILE >FILE\n", stderr);
        return 1;
    }
    size = fread(file, 1, MAX_FILE, stdin);
    if (!size)
        return 1;
    for (unsigned n = 1 + random_below(&state, 3); n > 0; n--)
        mutate(&state, file, size);
    if (random_below(&state, 10) == 0)
        size = 1 + random_below(&state, (uint32_t)size);
    fwrite(file, 1, size, stdout);
    free(file);
    return ferror(stdout) ? 1 : 0;
}
