/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mkrom OUT SIZE PIECE@OFFSET...: puts files into an image of SIZE bytes, the rest 0; then
 * "sum8" for an option ROM, whose bytes add up to 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned char image[2 << 20];

static int fail(const char *what, const char *name)
{
    fprintf(stderr, "mkrom: %s: %s\n", name, what);
    return 1;
}

static int put(char *arg, size_t size)
{
    char *at = strrchr(arg, '@');
    size_t offset = at ? strtoul(at + 1, NULL, 0) : 0, n;
    FILE *f;

    if (!at || offset >= size)
        return fail("expected FILE@OFFSET within the image", arg);
    *at = 0;
    f = fopen(arg, "rb");
    if (!f)
        return fail("cannot be opened", arg);
    n = fread(image + offset, 1, size - offset, f);
    if (fgetc(f) != EOF)
        return fail("does not fit", arg);
    fclose(f);
    return n ? 0 : fail("is empty", arg);
}

int main(int argc, char **argv)
{
    size_t size = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
    FILE *f;

    if (!size || size > sizeof(image))
        return fail("expected OUT SIZE FILE@OFFSET...", argc > 2 ? argv[2] : "mkrom");
    memset(image, 0, size); /* .bss is zero in the ROM already */
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "sum8") == 0) {
            unsigned char sum = 0;

            for (size_t j = 0; j < size - 1; j++)
                sum = (unsigned char)(sum + image[j]);
            image[size - 1] = (unsigned char)-sum;
        } else if (put(argv[i], size)) {
            return 1;
        }
    }
    f = fopen(argv[1], "wb");
    if (!f || fwrite(image, 1, size, f) != size || fclose(f))
        return fail("cannot be written", argv[1]);
    return 0;
}
