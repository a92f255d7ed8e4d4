/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target without libFuzzer: first on the empty input and some that a generator makes,
 * then on the files that are named. Its output is TAP; the input that ended it is named last. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

#define MADE     300
#define MADE_MAX 400

static unsigned tests;

static void passed(const char *what)
{
    printf("ok %u - %s\n", ++tests, what);
}

static void run_made(void)
{
    uint8_t data[MADE_MAX];
    uint32_t seed = 1;

    for (unsigned n = 0; n < MADE; n++) {
        size_t size = n * MADE_MAX / MADE;

        for (size_t i = 0; i < size; i++) {
            seed = seed * 1664525 + 1013904223;
            data[i] = (uint8_t)(seed >> 24);
        }
        printf("# made input %u\n", n);
        LLVMFuzzerTestOneInput(data, size);
    }
    passed("made inputs");
}

static bool run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    size_t size = f && data ? fread(data, 1, 1 << 20, f) : 0;

    if (f)
        fclose(f);
    printf("# %s\n", path);
    if (f && data) {
        /* Of just its size: an access behind it is seen. */
        uint8_t *exact = realloc(data, size ? size : 1);

        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
        passed(path);
        return true;
    }
    free(data);
    printf("not ok %u - %s cannot be read\n", ++tests, path);
    return false;
}

int main(int argc, char **argv)
{
    bool ok = true;

    setvbuf(stdout, NULL, _IOLBF, 0);
    run_made();
    for (int i = 1; i < argc; i++)
        ok &= run_file(argv[i]);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
