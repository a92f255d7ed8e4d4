/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/ui/picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "config.h"
#include "host/ui/surface.h"

#if CONFIG_PNG
#include <png.h>
#endif

static void put_rgb(uint8_t *to, const uint32_t *row, unsigned width)
{
    for (unsigned x = 0; x < width; x++) {
        *to++ = (uint8_t)(row[x] >> 16);
        *to++ = (uint8_t)(row[x] >> 8);
        *to++ = (uint8_t)row[x];
    }
}

static bool write_ppm(const struct surface *s, FILE *f, uint8_t *rgb)
{
    fprintf(f, "P6\n%u %u\n255\n", s->width, s->height);
    for (unsigned y = 0; y < s->height; y++) {
        put_rgb(rgb, surface_row(s, y), s->width);
        fwrite(rgb, 3, s->width, f);
    }
    return !ferror(f);
}

#if CONFIG_PNG
static void write_rows(const struct surface *s, png_structp png, png_infop info, FILE *f,
                       uint8_t *rgb)
{
    png_init_io(png, f);
    png_set_IHDR(png, info, s->width, s->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 3); /* screens have large areas of one colour */
    png_write_info(png, info);
    for (unsigned y = 0; y < s->height; y++) {
        put_rgb(rgb, surface_row(s, y), s->width);
        png_write_row(png, rgb);
    }
    png_write_end(png, info);
}

/* The library comes back by longjmp() when the file cannot be written. */
static bool write_png(const struct surface *s, FILE *f, uint8_t *rgb)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    volatile bool ok = false;

    if (info && !setjmp(png_jmpbuf(png))) {
        write_rows(s, png, info, f, rgb);
        ok = true;
    }
    if (png)
        png_destroy_write_struct(&png, info ? &info : NULL);
    return ok;
}
#endif

static bool is_ppm(const char *path)
{
    size_t n = strlen(path);

    return n >= 4 && !strcasecmp(path + n - 4, ".ppm");
}

bool picture_write(const struct surface *s, const char *path, struct error *err)
{
    return picture_write_as(s, path, is_ppm(path), err);
}

bool picture_write_as(const struct surface *s, const char *path, bool ppm, struct error *err)
{
    bool (*write)(const struct surface *, FILE *, uint8_t *) = write_ppm;
    uint8_t *rgb;
    FILE *f;
    bool ok;

    if (!ppm) {
#if CONFIG_PNG
        write = write_png;
#else
        return error_set(err, "%s: built without libpng; a name that ends in .ppm is expected",
                         path);
#endif
    }
    rgb = malloc(3 * (size_t)s->width);
    f = rgb ? fopen(path, "wb") : NULL;
    if (!f) {
        error_set(err, "%s: %s", path, strerror(errno));
        free(rgb);
        return false;
    }
    ok = write(s, f, rgb);
    ok = !fclose(f) && ok;
    free(rgb);
    if (!ok)
        unlink(path);
    return ok || error_set(err, "%s: cannot be written: %s", path, strerror(errno));
}
