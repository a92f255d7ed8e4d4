/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_ERROR_H
#define CALQUE_BASE_ERROR_H

/* Errors are values: a text for a person that names the option, file or offset at fault and says
 * what was expected. A function that can fail for an outside reason takes `struct error *` as its
 * last argument and returns false (or NULL, or -1) after filling it. */
struct error {
    char text[512];
};

/* Fills *err with printf-style text and returns false, so that `return error_set(err, ...)` works.
 * err may be NULL. */
__attribute__((format(printf, 2, 3))) int error_set(struct error *err, const char *fmt, ...);

/* Puts "prefix: " before the text that is already there; returns false. */
__attribute__((format(printf, 2, 3))) int error_prefix(struct error *err, const char *fmt, ...);

#endif
