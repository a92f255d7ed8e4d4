/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_ERROR_H
#define CALQUE_BASE_ERROR_H

/* Errors are values: a text for a person that names the option, file or offset at fault and says
 * what was expected. A function that can fail for an outside reason takes `struct error *` as its
 * last argument and returns false (or NULL, or -1) after filling it. */
struct error {
    char text[512];
};

static inline int error_false(void)
{
    return 0;
}

/* Fills *err with printf-style text; its value is false, so that `return error_set(err, ...)` works
 * and compilers know what it returns. err may be NULL. */
#define error_set(err, ...) (error_write(err, __VA_ARGS__), error_false())
/* Puts "prefix: " before the text that is already there; false too. */
#define error_prefix(err, ...) (error_write_prefix(err, __VA_ARGS__), error_false())

__attribute__((format(printf, 2, 3))) void error_write(struct error *err, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void error_write_prefix(struct error *err, const char *fmt,
                                                              ...);

#endif
