/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_PRINTER_H
#define CALQUE_BASE_PRINTER_H

/* Somebody who takes text a line at a time. */
struct printer {
    void (*line)(void *opaque, const char *text); /* text without its newline */
    void *opaque;
};

/* One line, of at most 255 characters. */
void print(const struct printer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
