/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text, time, and real-mode calls. */
#include <stdarg.h>

#include "post.h"

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;

    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
    return result;
}

void *memset(void *to, int v, size_t n)
{
    void *result = to;

    asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(v) : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return (u8)*a - (u8)*b;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

bool starts_with(const char *s, const char *prefix)
{
    while (*prefix)
        if (*s++ != *prefix++)
            return false;
    return true;
}

u8 sum8(const void *p, size_t n)
{
    u8 sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = (u8)(sum + ((const u8 *)p)[i]);
    return sum;
}

u64 divu64(u64 n, u32 by)
{
    u32 high = (u32)(n >> 32), low = (u32)n, rest = high % by;

    high /= by;
    asm("divl %4" : "=a"(low), "=d"(rest) : "0"(low), "1"(rest), "rm"(by) : "cc");
    return (u64)high << 32 | low;
}

/* ---- formatting ---- */

struct sink {
    void (*put)(struct sink *s, char c);
    char *at, *end;
};

static void put_number(struct sink *s, u32 v, u32 base, u32 width, char pad)
{
    char digits[12];
    u32 n = 0;

    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n < width && n < sizeof(digits))
        digits[n++] = pad;
    while (n)
        s->put(s, digits[--n]);
}

static void vformat(struct sink *s, const char *fmt, va_list args)
{
    for (; *fmt; fmt++) {
        u32 width = 0;
        char pad = ' ';

        if (*fmt != '%') {
            s->put(s, *fmt);
            continue;
        }
        if (*++fmt == '0')
            pad = '0';
        while (*fmt >= '0' && *fmt <= '9')
            width = width * 10 + (u32)(*fmt++ - '0');
        if (*fmt == 's')
            for (const char *t = va_arg(args, const char *); *t; t++)
                s->put(s, *t);
        else if (*fmt == 'c')
            s->put(s, (char)va_arg(args, int));
        else
            put_number(s, va_arg(args, u32), *fmt == 'x' ? 16 : 10, width, pad);
    }
}

static void put_buffer(struct sink *s, char c)
{
    if (s->at < s->end)
        *s->at++ = c;
}

void format(char *out, size_t size, const char *fmt, ...)
{
    struct sink s = {put_buffer, out, out + size - 1};
    va_list args;

    va_start(args, fmt);
    vformat(&s, fmt, args);
    va_end(args);
    *s.at = 0;
}

static void put_debug(struct sink *s, char c)
{
    (void)s;
    outb(0x402, (u8)c);
}

void debug(const char *fmt, ...)
{
    struct sink s = {put_debug, NULL, NULL};
    va_list args;

    va_start(args, fmt);
    vformat(&s, fmt, args);
    va_end(args);
}

static void teletype(char c)
{
    memset(&call16_block.r, 0, sizeof(call16_block.r));
    call16_block.r.eax = 0x0e00u | (u8)c;
    call16_block.r.ebx = 7;
    call16_int(0x10);
}

static void put_screen(struct sink *s, char c)
{
    (void)s;
    if (c == '\n')
        teletype('\r');
    teletype(c);
    outb(0x402, (u8)c);
}

void print(const char *fmt, ...)
{
    struct sink s = {put_screen, NULL, NULL};
    va_list args;

    va_start(args, fmt);
    vformat(&s, fmt, args);
    va_end(args);
}

/* ---- real mode ---- */

void call16_raw(void);

void call16_int(u8 vector)
{
    call16_block.target = vector;
    call16_raw();
}

void call16_far(u16 segment, u16 offset)
{
    call16_block.target = FARPTR(segment, offset);
    call16_raw();
}

/* ---- time and CMOS ---- */

static u32 fake_time;

u32 timer_now(void)
{
    if (shared.has_pm_timer)
        return inl((u16)(shared.pm_base + 8)) & 0xffffff;
    outb(0x80, 0);
    fake_time += 4;
    return fake_time & 0xffffff;
}

bool timer_past(u32 start, u32 ms)
{
    return ((timer_now() - start) & 0xffffff) >= ms * 3580;
}

void delay_ms(u32 ms)
{
    for (u32 start = timer_now(); !timer_past(start, ms);)
        ;
}

u8 cmos_read(u8 index)
{
    outb(0x70, index | 0x80);
    return inb(0x71);
}

void cmos_write(u8 index, u8 v)
{
    outb(0x70, index | 0x80);
    outb(0x71, v);
}
