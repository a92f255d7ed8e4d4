/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor: line editing, finding the command, checking its arguments. The commands are in
 * commands.c and info.c. */
#include "monitor/monitor_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/suggest.h"
#include "config.h"
#include "host/char/backend.h"
#include "vm/machine.h"

#define PROMPT           "(calque) "
#define MONITOR_TEXT_MAX (4u << 20) /* output of one command for a program */

/* ---- output ---- */

static void capture(struct monitor_capture *c, const char *text, size_t len)
{
    if (c->len + len + 1 > c->size && !c->failed) {
        size_t size = 2 * (c->len + len + 1);
        char *grown = size <= MONITOR_TEXT_MAX ? realloc(c->text, size) : NULL;

        c->failed = !grown;
        c->text = grown ? grown : c->text;
        c->size = grown ? size : c->size;
    }
    if (c->failed)
        return;
    memcpy(c->text + c->len, text, len);
    c->len += len;
    c->text[c->len] = '\0';
}

static void put_raw(struct monitor *mon, const char *text, size_t len)
{
    if (mon->capture)
        capture(mon->capture, text, len);
    else
        chardev_write(mon->chr, text, len);
}

/* A terminal in raw mode needs the carriage return. */
static void put(struct monitor *mon, const char *text)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        put_raw(mon, text, n);
        text += n;
        if (*text == '\n') {
            put_raw(mon, "\r\n", 2);
            text++;
        }
    }
}

void monitor_printf(struct monitor *mon, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put(mon, text);
}

void monitor_print_line(void *mon, const char *text)
{
    put(mon, text);
    put(mon, "\n");
}

/* ---- commands ---- */

const struct monitor_command *monitor_find(struct monitor *mon, const struct monitor_command *table,
                                           const char *name)
{
    const struct monitor_command *hit = NULL;
    struct suggestion near;

    suggest_begin(&near, name);
    for (const struct monitor_command *c = table; c->name; c++) {
        if (!strcmp(c->name, name))
            return c;
        suggest_offer(&near, c->name);
        if (strncmp(c->name, name, strlen(name)) != 0)
            continue;
        if (hit) {
            monitor_printf(mon, "%s: ambiguous: %s or %s\n", name, hit->name, c->name);
            return NULL;
        }
        hit = c;
    }
    if (!hit)
        monitor_printf(mon, "%s: no such command; did you mean %s?\n", name, near.best);
    return hit;
}

void monitor_print_table(struct monitor *mon, const struct monitor_command *table,
                         const char *prefix)
{
    for (const struct monitor_command *c = table; c->name; c++) {
        char left[64];

        snprintf(left, sizeof(left), "%s%s%s%s", prefix, c->name, *c->usage ? " " : "", c->usage);
        monitor_printf(mon, "%-24s %s\n", left, c->help);
    }
}

/* Only who names a register must wait for the machine to stand still. */
static bool get_number(struct monitor *mon, const char *text, uint64_t *value, struct error *err)
{
    bool registers = strchr(text, '$'), was_running = false, ok;

    if (registers)
        was_running = control_hold(mon->ctl);
    ok = expression_value(text, mon->m, mon->cpu, value, err);
    if (registers)
        control_release(mon->ctl, was_running);
    return ok;
}

/* Fills in numbers and checks the count against the schema. */
static bool check_args(struct monitor *mon, const struct monitor_command *c, struct monitor_args *a)
{
    bool optional = false;
    unsigned n = 0;
    struct error err;

    for (const char *p = c->args + (*c->args == '/'); *p; p++) {
        if (*p == '?') {
            optional = true;
            continue;
        }
        if (n == a->n) {
            if (!optional)
                monitor_printf(mon, "usage: %s %s\n", c->name, c->usage);
            return optional;
        }
        if (*p == 'i' && !get_number(mon, a->text[n], &a->number[n], &err)) {
            monitor_printf(mon, "%s: %s\n", c->name, err.text);
            return false;
        }
        n++;
    }
    if (n < a->n)
        monitor_printf(mon, "%s: too many arguments; usage: %s %s\n", c->name, c->name, c->usage);
    return n == a->n;
}

static void run_words(struct monitor *mon, const struct monitor_command *table, char **words,
                      unsigned n, const char *format)
{
    const struct monitor_command *c = monitor_find(mon, table, words[0]);
    struct monitor_args args = {.n = n - 1, .format = format ? format : ""};

    if (!c)
        return;
    if (c->sub && n > 1) {
        run_words(mon, c->sub, words + 1, n - 1, format);
        return;
    }
    if (format && *c->args != '/') {
        monitor_printf(mon, "%s takes no format; usage: %s %s\n", c->name, c->name, c->usage);
        return;
    }
    for (unsigned i = 1; i < n; i++)
        args.text[i - 1] = words[i];
    machine_lock(mon->m);
    if (check_args(mon, c, &args))
        c->run(mon, &args);
    machine_unlock(mon->m);
}

/* "x/10i ADDRESS" or "x /10i ADDRESS": takes the format out of the words. */
static const char *take_format(char **words, unsigned *n)
{
    char *slash = strchr(words[0], '/');
    const char *format;

    if (slash) {
        *slash = '\0';
        return slash + 1;
    }
    if (*n < 2 || words[1][0] != '/' || !strchr("xpio", words[0][0]))
        return NULL;
    format = words[1] + 1;
    memmove(words + 1, words + 2, (*n - 2) * sizeof(*words));
    --*n;
    return format;
}

/* The next word of *text, in place; "..." is one word, with \ before what would end it. NULL: there
 * is none. */
static char *next_word(char **text)
{
    char *from = *text + strspn(*text, " \t"), *word = from, *to = from;
    bool quoted = false;

    if (!*from)
        return NULL;
    for (; *from && (quoted || (*from != ' ' && *from != '\t')); from++) {
        if (*from == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && *from == '\\' && from[1])
            from++;
        *to++ = *from;
    }
    *text = *from ? from + 1 : from;
    *to = '\0';
    return word;
}

void monitor_execute(struct monitor *mon, const char *text)
{
    char copy[MONITOR_LINE_MAX], *words[MONITOR_ARGS_MAX], *rest = copy;
    unsigned n = 0;

    snprintf(copy, sizeof(copy), "%s", text);
    for (char *w = next_word(&rest); w; w = next_word(&rest)) {
        if (n == MONITOR_ARGS_MAX) {
            monitor_printf(mon, "more than %d words\n", MONITOR_ARGS_MAX);
            return;
        }
        words[n++] = w;
    }
    if (!n)
        return;
    const char *format = take_format(words, &n);
    run_words(mon, monitor_commands, words, n, format);
}

/* ---- line editing ---- */

static void echo(struct monitor *mon, const char *text)
{
    if (chardev_interactive(mon->chr))
        put(mon, text);
}

static void prompt(struct monitor *mon)
{
    put(mon, PROMPT);
}

static void end_line(struct monitor *mon)
{
    mon->line[mon->len] = '\0';
    mon->len = 0;
    echo(mon, "\n");
    if (mon->line[0])
        memcpy(mon->history[mon->history_len++ % MONITOR_HISTORY], mon->line, MONITOR_LINE_MAX);
    monitor_execute(mon, mon->line);
    if (!mon->wait)
        prompt(mon);
}

static void erase(struct monitor *mon, size_t n)
{
    for (; n > 0 && mon->len > 0; n--) {
        mon->len--;
        echo(mon, "\b \b");
    }
}

/* ESC [ ... letter: arrows and the like do nothing yet. */
static bool in_key_sequence(struct monitor *mon, uint8_t c)
{
    if (mon->escape == 1)
        mon->escape = c == '[' || c == 'O' ? 2 : 0;
    else if (mon->escape == 2)
        mon->escape = c >= 0x40 && c <= 0x7e ? 0 : 2;
    else
        return false;
    return true;
}

static void typed(struct monitor *mon, uint8_t c)
{
    bool after_cr = mon->last_was_cr;

    mon->last_was_cr = c == '\r';
    if (in_key_sequence(mon, c))
        return;
    switch (c) {
    case '\n':
        if (after_cr)
            break; /* CR LF is one end of line */
        /* fall through */
    case '\r':
        end_line(mon);
        break;
    case 0x7f:
    case '\b':
        erase(mon, 1);
        break;
    case 0x15: /* Ctrl-U */
        erase(mon, mon->len);
        break;
    case 0x1b:
        mon->escape = 1;
        break;
    default:
        if (c >= ' ' && mon->len < MONITOR_LINE_MAX - 1) {
            char text[2] = {(char)c, '\0'};

            mon->line[mon->len++] = (char)c;
            echo(mon, text);
        }
    }
}

/* While a command waits, what comes is kept; Ctrl-C gives up. */
static void keep(struct monitor *mon, const uint8_t *data, size_t len)
{
    uint8_t *grown;

    if (len && data[len - 1] == 0x03) {
        screen_end_wait(mon);
        mon->typed_len = 0;
        prompt(mon);
        return;
    }
    if (mon->typed_len + len > MONITOR_TYPED_MAX ||
        !(grown = realloc(mon->typed, mon->typed_len + len)))
        return;
    memcpy(grown + mon->typed_len, data, len);
    mon->typed = grown;
    mon->typed_len += len;
}

static void on_input(void *opaque, const uint8_t *data, size_t len)
{
    struct monitor *mon = opaque;
    size_t i = 0;

    while (i < len && !mon->wait)
        typed(mon, data[i++]);
    if (i < len)
        keep(mon, data + i, len - i);
}

int64_t monitor_poll(struct monitor *mon)
{
    uint8_t *data;
    size_t len;
    bool waited;
    int64_t again;

    if (!mon)
        return -1;
    data = mon->typed;
    len = mon->typed_len;
    waited = mon->wait;

    if (screen_waits(mon, &again) || !waited)
        return again;
    prompt(mon);
    mon->typed = NULL;
    mon->typed_len = 0;
    on_input(mon, data, len);
    free(data);
    return mon->wait ? 0 : -1;
}

static void on_focus(void *opaque, bool focus)
{
    struct monitor *mon = opaque;

    if (!focus) {
        put(mon, "\n");
        return;
    }
    put(mon, "\nCalque " CALQUE_VERSION " monitor; type help, or Ctrl-A c to go back\n");
    prompt(mon);
}

/* A client of a socket or telnet is greeted as the focus greets at a shared terminal. */
static void on_open(void *opaque, bool open)
{
    struct monitor *mon = opaque;

    mon->len = 0;
    if (!open)
        return;
    put(mon, "Calque " CALQUE_VERSION " monitor; type help\n");
    prompt(mon);
}

struct monitor *monitor_new(struct control *ctl, struct chardev *c)
{
    struct monitor *mon = calloc(1, sizeof(*mon));

    if (!mon)
        return NULL;
    mon->ctl = ctl;
    mon->m = ctl->m;
    mon->chr = c;
    if (!c)
        return mon;
    chardev_attach_monitor(c, on_input, on_focus, mon);
    if (!chardev_shared(c))
        chardev_on_open(c, on_open, mon);
    return mon;
}

char *monitor_execute_text(struct control *ctl, const char *text, unsigned cpu)
{
    struct monitor_capture c = {.text = strdup(""), .size = 1};
    struct monitor mon = {.ctl = ctl, .m = ctl->m, .capture = &c, .cpu = cpu};

    if (c.text)
        monitor_execute(&mon, text);
    return c.text;
}

void monitor_free(struct monitor *mon)
{
    if (!mon)
        return;
    if (mon->chr) {
        chardev_attach_monitor(mon->chr, NULL, NULL, NULL);
        chardev_on_open(mon->chr, NULL, NULL);
    }
    screen_end_wait(mon);
    free(mon->typed);
    free(mon);
}
