/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints, watchpoints, catchpoints. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cpu/x86/probe.h"
#include "cpu/x86/registers.h"
#include "debugger/commands_internal.h"

/* ---- making one ---- */

static bool set_condition(struct monitor *mon, struct breakpoint *b, const char *text)
{
    struct debugger *d = debugger_of(mon);
    struct error err = {""};
    struct expr *e;

    if (!text)
        return true;
    e = expr_parse(d, mon->cpu, text, &err);
    if (!say(mon, e, &err))
        return false;
    b->condition = expr_condition(e);
    b->condition_text = strdup(text);
    return true;
}

static void describe_range(const struct breakpoint *b, char *text, size_t size)
{
    const char *space = b->physical ? "phys:" : "";

    if (b->kind == BREAK_EXECUTE && b->start == PLACE_PENDING)
        snprintf(text, size, "a place that is not known yet");
    else if (b->start == b->last)
        snprintf(text, size, "%s0x%" PRIx64, space, b->start);
    else
        snprintf(text, size, "%s0x%" PRIx64 "-0x%" PRIx64, space, b->start, b->last);
}

/* Adds it and says so. b's texts and condition are the core's, or gone, afterwards. */
static void add(struct monitor *mon, struct breakpoint *b, const char *what)
{
    struct debugger *d = debugger_of(mon);
    struct error err = {""};
    char range[64], place[256] = "";
    struct breakpoint *made;

    b->enabled = true;
    b->cpu = -1;
    made = breakpoint_add(d, b, &err);
    if (!say(mon, made, &err)) {
        if (b->condition.free)
            b->condition.free(b->condition.opaque);
        free(b->condition_text);
        free(b->where);
        return;
    }
    describe_range(made, range, sizeof(range));
    if (made->start == PLACE_PENDING && made->where)
        snprintf(place, sizeof(place), "%s", made->where);
    else if (made->kind == BREAK_EXECUTE && !made->physical)
        place_text(commands_of(mon), made->start, place, sizeof(place));
    monitor_printf(mon, "%s %u", what, made->number);
    if (made->kind <= BREAK_ACCESS)
        monitor_printf(mon, " at %s%s%s", range, *place ? ": " : "", place);
    else if (made->where)
        monitor_printf(mon, ": %s", made->where);
    monitor_printf(mon, "\n");
}

/* ---- on execution ---- */

static bool execute_place(struct monitor *mon, char *text, struct breakpoint *b)
{
    struct error err = {""};
    uint64_t addr = 0;

    if (!*text) {
        const struct cpu *cpu = cpu_here(mon);

        if (!cpu)
            return false;
        addr = debugger_pc(cpu);
    } else if (!strncmp(text, "phys:", 5) || !strncmp(text, "p:", 2)) {
        if (!parse_place(mon, text, &addr, &b->physical))
            return false;
    } else if (!place_address(commands_of(mon), mon->cpu, text + (*text == '*'), &addr, &err)) {
        if (!place_is_name(text))
            return say(mon, false, &err);
        addr = PLACE_PENDING;
    }
    b->start = b->last = addr;
    return true;
}

static void break_at(struct monitor *mon, const struct monitor_args *args, bool temporary,
                     bool physical)
{
    struct breakpoint b = {.kind = BREAK_EXECUTE, .temporary = temporary};
    char text[MONITOR_LINE_MAX], *condition;

    snprintf(text, sizeof(text), "%s%s", physical ? "phys:" : "",
             args->n ? args->text[0] + (physical && args->text[0][0] == '*') : "");
    split_condition(text, &condition);
    if (!execute_place(mon, text, &b) || !set_condition(mon, &b, condition))
        return;
    b.where = *text ? strdup(text) : NULL;
    add(mon, &b, temporary ? "Temporary breakpoint" : "Breakpoint");
    places_update(commands_of(mon));
}

void cmd_break(struct monitor *mon, const struct monitor_args *args)
{
    break_at(mon, args, false, false);
}

void cmd_tbreak(struct monitor *mon, const struct monitor_args *args)
{
    break_at(mon, args, true, false);
}

void cmd_pbreak(struct monitor *mon, const struct monitor_args *args)
{
    break_at(mon, args, false, true);
}

/* ---- on access ---- */

/* "PLACE LENGTH", where the whole is no expression. */
static bool place_and_length(struct monitor *mon, char *text, uint64_t *addr, uint64_t *size,
                             bool *physical)
{
    char *blank = strrchr(text, ' ');

    if (blank && isdigit((unsigned char)blank[1])) {
        if (!parse_value(mon, blank + 1, size))
            return false;
        while (blank > text && (blank[-1] == ' ' || blank[-1] == ','))
            blank--;
        *blank = '\0';
    }
    return parse_place(mon, text, addr, physical);
}

bool watched_place(struct monitor *mon, char *text, uint64_t usual, struct breakpoint *b)
{
    struct debugger *d = debugger_of(mon);
    const struct cpu *cpu = cpu_here(mon);
    uint64_t addr = 0, size = usual;
    struct error err = {""};
    struct expr *e;

    if (!cpu)
        return false;
    e = parse_in_frame(mon, text, &err);
    if (!e || !expr_location(e, d, debugger_cpu(d, mon->cpu), &addr, &size, &err)) {
        size = usual;
        if (!place_and_length(mon, text, &addr, &size, &b->physical)) {
            expr_free(e);
            return false;
        }
    }
    expr_free(e);
    if (!size || addr + (size - 1) < addr) {
        monitor_error(mon, "a length of at least 1 is expected\n");
        return false;
    }
    b->start = addr;
    b->last = addr + (size - 1);
    return true;
}

static void watch(struct monitor *mon, const char *place, uint8_t access, bool change,
                  bool physical)
{
    struct breakpoint b = {.kind = BREAK_ACCESS, .access = access, .value_change = change};
    char text[MONITOR_LINE_MAX], *condition;

    snprintf(text, sizeof(text), "%s%s", physical ? "phys:" : "", place);
    split_condition(text, &condition);
    b.where = strdup(text);
    if (!watched_place(mon, text, physical ? 1 : 4, &b) || !set_condition(mon, &b, condition)) {
        free(b.where);
        return;
    }
    add(mon, &b,
        access == PROBE_READ    ? "Read watchpoint"
        : access == PROBE_WRITE ? "Watchpoint"
                                : "Access watchpoint");
}

/* watch r|read|w|write ADDRESS is Bochs's: physical, a byte. */
void cmd_watch(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->n ? args->text[0] : "";
    char word[64];

    if (!take_word(&rest, word, sizeof(word))) {
        info_breakpoints(mon, args);
    } else if (*rest && (!strcmp(word, "r") || !strcmp(word, "read"))) {
        watch(mon, rest, PROBE_READ, false, true);
    } else if (*rest && (!strcmp(word, "w") || !strcmp(word, "write"))) {
        watch(mon, rest, PROBE_WRITE, false, true);
    } else if (!*rest && (!strcmp(word, "stop") || !strcmp(word, "continue"))) {
        commands_of(mon)->watch_continue = *word == 'c';
        monitor_printf(mon, "watchpoints %s\n",
                       *word == 'c' ? "are told, and the guest goes on" : "stop the guest");
    } else {
        watch(mon, args->text[0] + (!strcmp(word, "-l") ? 3 : 0), PROBE_WRITE, true, false);
    }
}

void cmd_rwatch(struct monitor *mon, const struct monitor_args *args)
{
    watch(mon, args->text[0], PROBE_READ, false, false);
}

void cmd_awatch(struct monitor *mon, const struct monitor_args *args)
{
    watch(mon, args->text[0], PROBE_READ | PROBE_WRITE, false, false);
}

static bool is_people_s(const struct breakpoint *b)
{
    return b->number != 0;
}

void cmd_unwatch(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    struct breakpoint *next;
    uint64_t addr = 0;
    bool physical, found = false;

    if (args->n && !parse_place(mon, args->text[0], &addr, &physical))
        return;
    for (struct breakpoint *b = breakpoint_first(d); b; b = next) {
        next = b->next;
        if (!is_people_s(b) || b->kind != BREAK_ACCESS || (args->n && b->start != addr))
            continue;
        breakpoint_remove(d, b);
        found = true;
    }
    if (!found)
        monitor_error(mon, "there is no such watchpoint\n");
}

/* ---- events ---- */

/* "13", "0x80-0x8f", a name that `find` knows, or nothing: all up to max. */
static bool parse_range(struct monitor *mon, const char *text, uint64_t max, struct breakpoint *b)
{
    char first[64];
    const char *dash = strchr(text + (*text != '\0'), '-');

    b->start = 0;
    b->last = max;
    if (!*text || !strcmp(text, "all"))
        return true;
    snprintf(first, sizeof(first), "%.*s", dash ? (int)(dash - text) : (int)strlen(text), text);
    if (!parse_value(mon, first, &b->start))
        return false;
    b->last = b->start;
    if (dash && !parse_value(mon, dash + 1, &b->last))
        return false;
    if (b->start <= b->last && b->last <= max)
        return true;
    monitor_error(mon, "%s: a number or FIRST-LAST up to 0x%" PRIx64 " is expected\n", text, max);
    return false;
}

static bool parse_vector(struct monitor *mon, const char *text, struct breakpoint *b)
{
    for (unsigned v = 0; v < 32 && *text; v++) {
        const char *name = vector_text(v);

        if (*name && (!strcasecmp(text, name) || !strcasecmp(text, name + 1))) {
            b->start = b->last = v;
            return true;
        }
    }
    return parse_range(mon, text, b->kind == BREAK_EXCEPTION ? 31 : 255, b);
}

static bool parse_mode(struct monitor *mon, const char *text, struct breakpoint *b)
{
    static const char *const names[PROBE_NUM_MODES] = {
        [PROBE_REAL] = "real",
        [PROBE_V86] = "v86",
        [PROBE_PROTECTED16] = "protected16",
        [PROBE_PROTECTED32] = "protected32",
        [PROBE_COMPATIBILITY16] = "compatibility16",
        [PROBE_COMPATIBILITY32] = "compatibility32",
        [PROBE_LONG64] = "long64",
        [PROBE_SMM] = "smm",
    };
    struct suggestion near;

    b->start = 0;
    b->last = PROBE_NUM_MODES - 1;
    if (!*text)
        return true;
    suggest_begin(&near, text);
    for (unsigned m = 0; m < PROBE_NUM_MODES; m++) {
        if (!strcmp(text, names[m])) {
            b->start = b->last = m;
            return true;
        }
        suggest_offer(&near, names[m]);
    }
    monitor_error(mon, "%s: no such mode; did you mean %s?\n", text, near.best);
    return false;
}

static bool parse_msr(struct monitor *mon, const char *text, struct breakpoint *b)
{
    const struct cpu_register *r = *text ? cpu_register_find(text) : NULL;

    if (!r || r->group != REGS_MSR)
        return parse_range(mon, text, 0xffffffff, b);
    b->start = b->last = r->which;
    return true;
}

/* catch port 0x3f8-0x3ff w */
static bool parse_port(struct monitor *mon, char *text, struct breakpoint *b)
{
    char *blank = strchr(text, ' ');

    b->access = PROBE_READ | PROBE_WRITE;
    if (blank) {
        if (strcmp(blank + 1, "r") != 0 && strcmp(blank + 1, "w") != 0) {
            monitor_error(mon, "%s: r or w is expected\n", blank + 1);
            return false;
        }
        b->access = blank[1] == 'r' ? PROBE_READ : PROBE_WRITE;
        *blank = '\0';
    }
    return parse_range(mon, text, 0xffff, b);
}

static const struct {
    const char *name;
    enum breakpoint_kind kind;
} catches[] = {
    {"exception", BREAK_EXCEPTION},
    {"interrupt", BREAK_INTERRUPT},
    {"mode", BREAK_MODE},
    {"cr", BREAK_CR},
    {"cr3", BREAK_CR},
    {"msr", BREAK_MSR},
    {"port", BREAK_PORT},
    {"io", BREAK_PORT},
    {"reset", BREAK_RESET},
};

static bool parse_event(struct monitor *mon, const char *name, char *which, struct breakpoint *b)
{
    struct suggestion near;
    size_t i = 0;

    suggest_begin(&near, name);
    for (; i < ARRAY_SIZE(catches) && strcmp(name, catches[i].name) != 0; i++)
        suggest_offer(&near, catches[i].name);
    if (i == ARRAY_SIZE(catches)) {
        monitor_error(mon, "catch %s: there is no such event; did you mean %s?\n", name, near.best);
        return false;
    }
    b->kind = catches[i].kind;
    switch (b->kind) {
    case BREAK_EXCEPTION:
    case BREAK_INTERRUPT:
        return parse_vector(mon, which, b);
    case BREAK_MODE:
        return parse_mode(mon, which, b);
    case BREAK_MSR:
        b->access = PROBE_READ | PROBE_WRITE;
        return parse_msr(mon, which, b);
    case BREAK_PORT:
        return parse_port(mon, which, b);
    case BREAK_CR:
        b->access = PROBE_WRITE;
        return parse_range(mon, name[2] ? name + 2 : which, 15, b);
    default:
        return true;
    }
}

void cmd_catch(struct monitor *mon, const struct monitor_args *args)
{
    struct breakpoint b = {.kind = BREAK_RESET};
    char text[MONITOR_LINE_MAX], whole[MONITOR_LINE_MAX], name[32], *condition, *which;
    const char *rest = text;

    snprintf(text, sizeof(text), "%s", args->text[0]);
    split_condition(text, &condition);
    snprintf(whole, sizeof(whole), "%s", text);
    if (!take_word(&rest, name, sizeof(name)))
        return;
    which = text + (rest - text);
    if (!parse_event(mon, name, which, &b) || !set_condition(mon, &b, condition))
        return;
    b.where = strdup(whole);
    add(mon, &b, "Catchpoint");
}

void cmd_modebp(struct monitor *mon, const struct monitor_args *args)
{
    struct breakpoint b = {.kind = BREAK_MODE};

    if (!parse_mode(mon, args->n ? args->text[0] : "", &b))
        return;
    b.where = strdup(args->n ? args->text[0] : "mode");
    add(mon, &b, "Catchpoint");
}

/* ---- changing and removing ---- */

/* Calls fn with each breakpoint that is named, or with all. */
static void each_named(struct monitor *mon, const struct monitor_args *args,
                       void (*fn)(struct debugger *d, struct breakpoint *b))
{
    struct debugger *d = debugger_of(mon);
    const char *rest = args->n ? args->text[0] : "";
    struct breakpoint *b, *next;
    char word[32];

    if (!*rest) {
        for (b = breakpoint_first(d); b; b = next) {
            next = b->next;
            if (is_people_s(b))
                fn(d, b);
        }
        return;
    }
    while (take_word(&rest, word, sizeof(word))) {
        uint64_t n;

        if (!parse_value(mon, word, &n))
            return;
        b = n && n <= UINT32_MAX ? breakpoint_find(d, (unsigned)n) : NULL;
        if (b)
            fn(d, b);
        else
            monitor_error(mon, "there is no breakpoint %s\n", word);
    }
}

static void enable_one(struct debugger *d, struct breakpoint *b)
{
    b->enabled = true;
    breakpoint_changed(d, b);
}

static void disable_one(struct debugger *d, struct breakpoint *b)
{
    b->enabled = false;
    breakpoint_changed(d, b);
}

void cmd_delete(struct monitor *mon, const struct monitor_args *args)
{
    each_named(mon, args, breakpoint_remove);
}

void cmd_enable(struct monitor *mon, const struct monitor_args *args)
{
    each_named(mon, args, enable_one);
}

void cmd_disable(struct monitor *mon, const struct monitor_args *args)
{
    each_named(mon, args, disable_one);
}

static struct breakpoint *numbered(struct monitor *mon, uint64_t n)
{
    struct breakpoint *b =
        n && n <= UINT32_MAX ? breakpoint_find(debugger_of(mon), (unsigned)n) : NULL;

    if (!b)
        monitor_error(mon, "there is no breakpoint %" PRIu64 "\n", n);
    return b;
}

/* The number at the beginning of a line; *rest is what follows it. */
static struct breakpoint *first_numbered(struct monitor *mon, const char **rest)
{
    char word[32];
    uint64_t n;

    if (!take_word(rest, word, sizeof(word)) || !parse_value(mon, word, &n))
        return NULL;
    return numbered(mon, n);
}

void cmd_condition(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->text[0];
    struct breakpoint *b = first_numbered(mon, &rest), fresh = {.kind = BREAK_EXECUTE};

    if (!b || !set_condition(mon, &fresh, *rest ? rest : NULL))
        return;
    if (b->condition.free)
        b->condition.free(b->condition.opaque);
    free(b->condition_text);
    b->condition = fresh.condition;
    b->condition_text = fresh.condition_text;
    breakpoint_changed(debugger_of(mon), b);
    if (!*rest)
        monitor_printf(mon, "Breakpoint %u has no condition now\n", b->number);
}

void cmd_ignore(struct monitor *mon, const struct monitor_args *args)
{
    struct breakpoint *b = numbered(mon, args->number[0]);

    if (!b)
        return;
    b->ignore = args->number[1];
    breakpoint_changed(debugger_of(mon), b);
    monitor_printf(mon, "Breakpoint %u: the next %" PRIu64 " hits do not count\n", b->number,
                   b->ignore);
}

/* The list of a breakpoint's commands, by semicolons here, by lines inside. */
void cmd_commands(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->text[0];
    struct breakpoint *b = first_numbered(mon, &rest);

    if (!b)
        return;
    if (!*rest && commands_of(mon)->host.later) {
        commands_of(mon)->collecting = b->number;
        free(b->commands);
        b->commands = NULL;
        return;
    }
    free(b->commands);
    b->commands = *rest ? strdup(rest) : NULL;
    for (char *p = b->commands; p && (p = strchr(p, ';'));)
        *p = '\n';
}

bool commands_collect(struct commands *c, const char *line)
{
    struct breakpoint *b = c->collecting ? breakpoint_find(c->d, c->collecting) : NULL;
    char *more;

    if (!c->collecting)
        return false;
    line += strspn(line, " \t");
    if (!b || !strcmp(line, "end")) {
        c->collecting = 0;
        return b;
    }
    if (asprintf(&more, "%s%s\n", b->commands ? b->commands : "", line) >= 0) {
        free(b->commands);
        b->commands = more;
    }
    return true;
}

/* ---- the list ---- */

static const char *kind_text(const struct breakpoint *b)
{
    static const char *const names[] = {
        [BREAK_EXECUTE] = "breakpoint",
        [BREAK_PORT] = "port",
        [BREAK_MSR] = "msr",
        [BREAK_CR] = "cr",
        [BREAK_EXCEPTION] = "exception",
        [BREAK_INTERRUPT] = "interrupt",
        [BREAK_MODE] = "mode",
        [BREAK_RESET] = "reset",
    };

    if (b->kind == BREAK_ACCESS)
        return b->access == PROBE_READ    ? "read watch"
               : b->access == PROBE_WRITE ? "watch"
                                          : "access watch";
    return names[b->kind];
}

static void print_breakpoint(struct monitor *mon, const struct breakpoint *b)
{
    char range[64] = "", place[256] = "";

    if (b->kind <= BREAK_ACCESS)
        describe_range(b, range, sizeof(range));
    if (b->kind == BREAK_EXECUTE && !b->physical && b->start != PLACE_PENDING)
        place_text(commands_of(mon), b->start, place, sizeof(place));
    monitor_printf(mon, "%-3u %-12s %-4s %-3s %6" PRIu64 " %s%s%s", b->number, kind_text(b),
                   b->temporary ? "del" : "keep", b->enabled ? "y" : "n", b->hits, range,
                   *place ? " " : "", place);
    if (b->where && strcmp(b->where, range) != 0 && strcmp(b->where, place) != 0)
        monitor_printf(mon, "%s(%s)", *range ? " " : "", b->where);
    monitor_printf(mon, "\n");
    if (b->condition_text)
        monitor_printf(mon, "    stops only if %s\n", b->condition_text);
    if (b->ignore)
        monitor_printf(mon, "    the next %" PRIu64 " hits do not count\n", b->ignore);
    for (const char *p = b->commands; p && *p;) {
        size_t n = strcspn(p, "\n");

        monitor_printf(mon, "        %.*s\n", (int)n, p + strspn(p, " "));
        p += n + (p[n] == '\n');
    }
}

void info_breakpoints(struct monitor *mon, const struct monitor_args *args)
{
    bool any = false;

    (void)args;
    for (struct breakpoint *b = breakpoint_first(debugger_of(mon)); b; b = b->next) {
        if (!is_people_s(b))
            continue;
        if (!any)
            monitor_printf(mon, "Num Type         Disp Enb   Hits Where\n");
        any = true;
        print_breakpoint(mon, b);
    }
    if (!any)
        monitor_printf(mon, "there are no breakpoints\n");
}
