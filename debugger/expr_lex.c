/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/expr_internal.h"

/* Words of C expressions. */

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Types as in C 6.4.4.1: the first that holds it; suffixes say where to begin. */
static bool integer(const char **at, struct token *t, struct error *err)
{
    const char *p = *at;
    char *end;
    bool sign = true, wide = false, decimal = *p != '0';

    errno = 0;
    if (p[0] == '0' && (p[1] == 'b' || p[1] == 'B'))
        t->value = strtoull(p + 2, &end, 2);
    else
        t->value = strtoull(p, &end, 0);
    if (errno)
        return error_set(err, "a number of more than 64 bits");
    for (; *end && strchr("uUlL", *end); end++) {
        if (*end == 'u' || *end == 'U')
            sign = false;
        else
            wide = true;
    }
    if (is_name(*end))
        return error_set(err, "%.*s: not a number", (int)(end + 1 - p), p);
    if (sign && !wide && t->value <= INT32_MAX)
        t->type = ctype_integer(4, true);
    else if ((!decimal || !sign) && !wide && t->value <= UINT32_MAX)
        t->type = ctype_integer(4, false);
    else
        t->type = ctype_integer(8, sign && t->value <= INT64_MAX);
    t->kind = TOKEN_INTEGER;
    *at = end;
    return true;
}

static bool number(const char **at, struct token *t, struct error *err)
{
    const char *p = *at;
    bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    char *end;
    double d;

    while (isdigit((unsigned char)*p))
        p++;
    if (hex || (*p != '.' && *p != 'e' && *p != 'E'))
        return integer(at, t, err);
    d = strtod(*at, &end);
    if (*end == 'f' || *end == 'F')
        end++;
    if (is_name(*end))
        return error_set(err, "%.*s: not a number", (int)(end + 1 - *at), *at);
    memcpy(&t->value, &d, sizeof(d));
    t->kind = TOKEN_REAL;
    *at = end;
    return true;
}

/* One character of a literal, which may be escaped. */
static bool character(const char **at, char *c, struct error *err)
{
    static const char from[] = "abefnrtv0\\'\"?", to[] = "\a\b\033\f\n\r\t\v\0\\'\"?";
    const char *p = *at, *found;
    unsigned v = 0, n = 0;

    if (*p != '\\') {
        *c = *p;
        *at = p + 1;
        return true;
    }
    p++;
    if (*p == 'x') {
        for (p++; isxdigit((unsigned char)*p) && n < 2; p++, n++)
            v = 16 * v + (unsigned)(isdigit((unsigned char)*p) ? *p - '0' : (*p | 32) - 'a' + 10);
    } else if (*p >= '0' && *p <= '7') {
        for (; *p >= '0' && *p <= '7' && n < 3; p++, n++)
            v = 8 * v + (unsigned)(*p - '0');
    } else if (*p && (found = strchr(from, *p))) {
        v = (unsigned char)to[found - from];
        p++;
        n = 1;
    }
    if (!n || v > 255)
        return error_set(err, "\\%c: not an escape sequence", *p ? *p : ' ');
    *c = (char)v;
    *at = p;
    return true;
}

static bool literal(const char **at, struct token *t, struct error *err)
{
    const char *p = *at;
    char quote = *p++;

    while (*p && *p != quote) {
        if (t->len + 1 == sizeof(t->text))
            return error_set(err, "a literal of at most %zu characters is expected",
                             sizeof(t->text) - 1);
        if (!character(&p, &t->text[t->len++], err))
            return false;
    }
    if (!*p)
        return error_set(err, "%c is missing at the end", quote);
    *at = p + 1;
    if (quote == '"') {
        t->kind = TOKEN_STRING;
        return true;
    }
    if (t->len != 1)
        return error_set(err, "one character between ' and ' is expected");
    t->kind = TOKEN_INTEGER;
    t->value = (uint64_t)(int64_t)(signed char)t->text[0];
    t->type = &ctype_char;
    return true;
}

/* Names go on behind ` (a module's symbol) and with dots where compilers made them (name.part.0).
 */
static bool name(const char **at, struct token *t, struct error *err)
{
    const char *p = *at, *start;

    t->kind = *p == '$' ? TOKEN_REGISTER : TOKEN_NAME;
    start = p += *p == '$';
    for (;;) {
        while (is_name(*p) || (*p == '`' && p > start))
            p++;
        if (t->kind == TOKEN_REGISTER || *p != '.')
            break;
        /* Members do not have such names, nor begin with a digit. */
        if (strncmp(p, ".constprop", 10) != 0 && strncmp(p, ".isra", 5) != 0 &&
            strncmp(p, ".part", 5) != 0 && strncmp(p, ".cold", 5) != 0 &&
            !isdigit((unsigned char)p[1]))
            break;
        p++;
    }
    if (p == start || (size_t)(p - start) >= sizeof(t->text))
        return error_set(err, p == start ? "a name is expected behind $" : "a name is too long");
    memcpy(t->text, start, (size_t)(p - start));
    t->text[p - start] = 0;
    *at = p;
    return true;
}

static bool operator(const char **at, struct token *t, struct error *err)
{
    static const char *const doubled[] = {"->", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||"};
    const char *p = *at;

    t->kind = TOKEN_OPERATOR;
    for (unsigned n = 0; n < sizeof(doubled) / sizeof(doubled[0]); n++)
        if (strncmp(p, doubled[n], 2) == 0) {
            t->op = OP2(p[0], p[1]);
            *at = p + 2;
            return true;
        }
    if (!strchr("()[].,&*+-~!/%<>^|?:@{}=", *p))
        return error_set(
            err, isprint((unsigned char)*p) ? "%c: not expected here" : "a strange character (%d)",
            *p);
    t->op = OP1(*p);
    *at = p + 1;
    return true;
}

bool token_next(const char **at, struct token *t, struct error *err)
{
    while (isspace((unsigned char)**at))
        ++*at;
    t->kind = TOKEN_END;
    t->op = 0;
    t->len = 0;
    t->text[0] = 0;
    t->at = *at;
    if (!**at)
        return true;
    if (isdigit((unsigned char)**at) || (**at == '.' && isdigit((unsigned char)(*at)[1])))
        return number(at, t, err);
    if (**at == '\'' || **at == '"')
        return literal(at, t, err);
    if (is_name(**at) || **at == '$')
        return name(at, t, err);
    return operator(at, t, err);
}
