/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor: line editing, finding the command, checking its arguments. The commands are in
 * commands.c and info.c. */
#include "monitor/monitor_internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/suggest.h"
#include "config.h"
#include "host/char/backend.h"
#include "host/migrate/migrate.h"
#include "vm/machine.h"

#define PROGRESS_NS      200000000 /* how often it is shown how far a save is */
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
    else if (mon->output)
        mon->output(mon->output_opaque, text, len);
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
            put_raw(mon, mon->output ? "\n" : "\r\n", mon->output ? 1 : 2);
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

void monitor_error(struct monitor *mon, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    put(mon, text);
    mon->failed = true;
}

void monitor_print_line(void *mon, const char *text)
{
    put(mon, text);
    put(mon, "\n");
}

/* ---- commands ---- */

bool monitor_each_name(const struct monitor_command *c, bool (*fn)(void *opaque, const char *name),
                       void *opaque)
{
    const char *p = c->name;

    while (*p) {
        size_t n = strcspn(p, "|");
        char name[32];

        snprintf(name, sizeof(name), "%.*s", (int)n, p);
        if (!fn(opaque, name))
            return false;
        p += n + (p[n] == '|');
    }
    return true;
}

void monitor_tables(const struct control *ctl, const struct monitor_command *table,
                    const struct monitor_command *tables[2])
{
    const struct monitor_command *more = table == monitor_commands        ? ctl->extension.commands
                                         : table == monitor_info_commands ? ctl->extension.info
                                                                          : NULL;

    tables[0] = more ? more : table;
    tables[1] = more ? table : NULL;
}

/* The search for a name: it itself, or the only one that begins with it. */
struct search {
    const char *wanted;
    const struct monitor_command *row, *exact, *hit, *other;
    char hit_name[32], other_name[32], near_name[32];
    unsigned distance;
};

static bool same_first_name(const struct monitor_command *a, const struct monitor_command *b)
{
    size_t n = strcspn(a->name, "|");

    return n == strcspn(b->name, "|") && !memcmp(a->name, b->name, n);
}

static bool look_at_name(void *opaque, const char *name)
{
    struct search *s = opaque;
    unsigned distance = edit_distance(s->wanted, name);

    if (!strcmp(name, s->wanted)) {
        s->exact = s->row;
        return false;
    }
    if (distance < s->distance) {
        s->distance = distance;
        snprintf(s->near_name, sizeof(s->near_name), "%s", name);
    }
    if (strncmp(name, s->wanted, strlen(s->wanted)) != 0)
        return true;
    if (!s->hit) {
        s->hit = s->row;
        snprintf(s->hit_name, sizeof(s->hit_name), "%s", name);
    } else if (!s->other && !same_first_name(s->hit, s->row)) {
        s->other = s->row;
        snprintf(s->other_name, sizeof(s->other_name), "%s", name);
    }
    return true;
}

const struct monitor_command *monitor_find(struct monitor *mon, const struct monitor_command *table,
                                           const char *name)
{
    struct search s = {.wanted = name, .distance = ~0u};
    const struct monitor_command *tables[2];

    monitor_tables(mon->ctl, table, tables);
    for (unsigned i = 0; i < 2; i++)
        for (s.row = tables[i]; s.row && s.row->name; s.row++)
            if (!monitor_each_name(s.row, look_at_name, &s))
                return s.exact;
    if (s.other) {
        monitor_error(mon, "%s: ambiguous: %s or %s\n", name, s.hit_name, s.other_name);
        return NULL;
    }
    if (!s.hit)
        monitor_error(mon, "%s: no such command; did you mean %s?\n", name, s.near_name);
    return s.hit;
}

/* "step|s|stepi" is shown as "step, s, stepi". */
void monitor_print_row(struct monitor *mon, const struct monitor_command *c, const char *prefix)
{
    char left[96];
    size_t n = strcspn(c->name, "|");

    snprintf(left, sizeof(left), "%s%.*s%s%s", prefix, (int)n, c->name, *c->usage ? " " : "",
             c->usage);
    monitor_printf(mon, "%-24s %s", left, c->help);
    if (c->name[n]) {
        monitor_printf(mon, "; also");
        for (const char *p = c->name + n; *p; p += n) {
            n = strcspn(++p, "|");
            monitor_printf(mon, "%s %.*s", p == c->name + strcspn(c->name, "|") + 1 ? "" : ",",
                           (int)n, p);
        }
    }
    monitor_printf(mon, "\n");
}

void monitor_print_table(struct monitor *mon, const struct monitor_command *table,
                         const char *prefix)
{
    const struct monitor_command *tables[2];

    monitor_tables(mon->ctl, table, tables);
    for (unsigned i = 0; i < 2; i++) {
        for (const struct monitor_command *c = tables[i]; c && c->name; c++) {
            bool shown = false;

            for (const struct monitor_command *o = i ? tables[0] : NULL; o && o->name; o++)
                shown |= same_first_name(o, c);
            if (!shown)
                monitor_print_row(mon, c, prefix);
        }
    }
}

/* Only who names a register must wait for the machine to stand still. What our own rules do not
 * know, the extension may. */
static bool get_number(struct monitor *mon, const char *text, uint64_t *value, struct error *err)
{
    const struct control_extension *e = &mon->ctl->extension;
    bool registers = strchr(text, '$'), was_running = false, ok;

    if (registers)
        was_running = control_hold(mon->ctl);
    ok = (registers && e->in_frame && e->in_frame(e->opaque, mon->cpu, text, value)) ||
         expression_value(text, mon->m, mon->cpu, value, err);
    if (!ok && e->value) {
        if (!registers)
            was_running = control_hold(mon->ctl);
        registers = true;
        ok = e->value(e->opaque, mon->cpu, text, value, err);
    }
    if (registers)
        control_release(mon->ctl, was_running);
    return ok;
}

/* The words of a line, and where each begins in it. */
struct words {
    char *word[MONITOR_WORDS];
    const char *raw[MONITOR_WORDS];
    unsigned n;
    const char *format;
};

static int first_name(const struct monitor_command *c)
{
    return (int)strcspn(c->name, "|");
}

/* Fills in numbers and checks the count against the schema. */
static bool check_args(struct monitor *mon, const struct monitor_command *c, const char *schema,
                       const struct words *w, struct monitor_args *a)
{
    bool optional = false;
    unsigned n = 0;
    struct error err;

    for (const char *p = schema; *p; p++) {
        if (*p == '?') {
            optional = true;
            continue;
        }
        if (n == w->n) {
            if (!optional)
                monitor_error(mon, "usage: %.*s %s\n", first_name(c), c->name, c->usage);
            return optional;
        }
        /* The last one takes what is left. */
        bool rest = *p == 'r' || (*p == 'i' && !p[1] && w->n > n + 1);

        a->text[n] = rest ? w->raw[n] : w->word[n];
        if (*p == 'i' && !get_number(mon, a->text[n], &a->number[n], &err)) {
            monitor_error(mon, "%.*s: %s\n", first_name(c), c->name, err.text);
            return false;
        }
        a->n = ++n;
        if (rest)
            return true;
    }
    if (n < w->n)
        monitor_error(mon, "%.*s: too many arguments; usage: %.*s %s\n", first_name(c), c->name,
                      first_name(c), c->name, c->usage);
    return n == w->n;
}

static void run_command(struct monitor *mon, const struct monitor_command *c, const struct words *w)
{
    struct monitor_args args = {.format = w->format ? w->format : ""};
    const char *schema = c->args;
    bool still = *schema == '=', takes_format, was_running = false;

    schema += still;
    takes_format = *schema == '/';
    schema += takes_format;
    if (w->format && !takes_format) {
        monitor_error(mon, "%.*s takes no format; usage: %.*s %s\n", first_name(c), c->name,
                      first_name(c), c->name, c->usage);
        return;
    }
    machine_lock(mon->m);
    if (check_args(mon, c, schema, w, &args)) {
        if (still)
            was_running = control_hold(mon->ctl);
        c->run(mon, &args);
        if (still)
            control_release(mon->ctl, was_running);
    }
    machine_unlock(mon->m);
}

static void run_words(struct monitor *mon, const struct monitor_command *table, struct words *w)
{
    const struct monitor_command *c = monitor_find(mon, table, w->word[0]);

    if (!c)
        return;
    memmove(w->word, w->word + 1, --w->n * sizeof(w->word[0]));
    memmove(w->raw, w->raw + 1, w->n * sizeof(w->raw[0]));
    if (c->sub && w->n)
        run_words(mon, c->sub, w);
    else if (c->run == cmd_port_in && w->n && isalpha((unsigned char)w->word[0][0]))
        run_words(mon, monitor_info_commands, w); /* "i r": no port has a name */
    else
        run_command(mon, c, w);
}

/* "x/10i ADDRESS" or "x /10i ADDRESS": takes the format out of the words. */
static void take_format(struct words *w)
{
    char *slash = strchr(w->word[0], '/');

    if (slash) {
        *slash = '\0';
        w->format = slash + 1;
        return;
    }
    if (w->n < 2 || w->word[1][0] != '/' || !strchr("xpioud", w->word[0][0]))
        return;
    w->format = w->word[1] + 1;
    w->n--;
    memmove(w->word + 1, w->word + 2, (w->n - 1) * sizeof(w->word[0]));
    memmove(w->raw + 1, w->raw + 2, (w->n - 1) * sizeof(w->raw[0]));
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
    char copy[MONITOR_LINE_MAX], line[MONITOR_LINE_MAX], *rest = copy;
    struct words w = {.n = 0};

    mon->failed = false;
    snprintf(line, sizeof(line), "%s", text);
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word = next_word(&rest); word; word = next_word(&rest)) {
        if (w.n == MONITOR_WORDS) {
            monitor_error(mon, "more than %d words\n", MONITOR_WORDS);
            return;
        }
        w.raw[w.n] = line + (word - copy);
        w.word[w.n++] = word;
    }
    if (!w.n)
        return;
    take_format(&w);
    run_words(mon, monitor_commands, &w);
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

static bool waits(const struct monitor *mon)
{
    return mon->wait || mon->job;
}

static void end_line(struct monitor *mon)
{
    mon->line[mon->len] = '\0';
    mon->len = 0;
    echo(mon, "\n");
    if (mon->line[0])
        memcpy(mon->history[mon->history_len++ % MONITOR_HISTORY], mon->line, MONITOR_LINE_MAX);
    monitor_execute(mon, mon->line);
    if (!waits(mon))
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
        if (mon->job && mon->ctl->migrate) /* which is told when it is so */
            migrate_cancel(mon->ctl->migrate);
        else
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

    while (i < len && !waits(mon))
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
    waited = waits(mon);

    if (monitor_job_waits(mon))
        return PROGRESS_NS; /* its end ends the main loop's wait */
    if (screen_waits(mon, &again) || !waited)
        return again;
    prompt(mon);
    mon->typed = NULL;
    mon->typed_len = 0;
    on_input(mon, data, len);
    free(data);
    return waits(mon) ? 0 : -1;
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

struct monitor *monitor_new_output(struct control *ctl, monitor_output_fn *output, void *opaque)
{
    struct monitor *mon = monitor_new(ctl, NULL);

    if (mon) {
        mon->output = output;
        mon->output_opaque = opaque;
    }
    return mon;
}

bool monitor_failed(const struct monitor *mon)
{
    return mon->failed;
}

unsigned monitor_cpu(const struct monitor *mon)
{
    return mon->cpu;
}

void monitor_set_cpu(struct monitor *mon, unsigned cpu)
{
    mon->cpu = cpu;
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
