/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_HOST_UI_PICTURE_H
#define CALQUE_HOST_UI_PICTURE_H

#include <stdbool.h>

struct error;
struct surface;

/* Writes the picture to a file: PNG, or PPM (P6) if the name ends in .ppm. An error leaves no
 * file that this call has made. */
bool picture_write(const struct surface *s, const char *path, struct error *err);
/* The same, whatever the name is. */
bool picture_write_as(const struct surface *s, const char *path, bool ppm, struct error *err);

#endif
