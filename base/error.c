/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Messages quote options and files, and are one line whatever is in those. */
static void keep_to_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void error_write(struct error *err, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    keep_to_one_line(err->text);
}

void error_write_prefix(struct error *err, const char *fmt, ...)
{
    char text[2 * sizeof(err->text) + 3];
    va_list ap;
    size_t n;

    if (!err)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(err->text), fmt, ap);
    va_end(ap);
    n = strlen(text);
    snprintf(text + n, sizeof(text) - n, ": %s", err->text);
    /* Too long: the end of the old text is lost, the prefix stays. */
    text[sizeof(err->text) - 1] = '\0';
    memcpy(err->text, text, strlen(text) + 1);
    keep_to_one_line(err->text);
}
