/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/printer.h"

#include <stdarg.h>
#include <stdio.h>

void print(const struct printer *p, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    p->line(p->opaque, text);
}
