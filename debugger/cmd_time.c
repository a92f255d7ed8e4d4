/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moving in time: reverse-step, reverse-next, reverse-finish, reverse-continue, when, goto,
 * last-write, bookmark. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/commands_internal.h"
#include "debugger/time.h"
#include "vm/clock.h"

static uint64_t count_of(const struct monitor_args *args)
{
    return args->n ? args->number[0] : 1;
}

void cmd_reverse_step(struct monitor *mon, const struct monitor_args *args)
{
    struct error err = {""};

    say(mon, time_reverse_step(debugger_of(mon), mon->cpu, count_of(args), &err), &err);
}

void cmd_reverse_next(struct monitor *mon, const struct monitor_args *args)
{
    struct error err = {""};

    say(mon, time_reverse_next(debugger_of(mon), mon->cpu, count_of(args), &err), &err);
}

void cmd_reverse_finish(struct monitor *mon, const struct monitor_args *args)
{
    struct error err = {""};

    (void)args;
    say(mon, time_reverse_finish(debugger_of(mon), mon->cpu, &err), &err);
}

void cmd_reverse_continue(struct monitor *mon, const struct monitor_args *args)
{
    struct error err = {""};

    (void)args;
    say(mon, time_reverse_continue(debugger_of(mon), &err), &err);
}

static void print_place(struct monitor *mon, const char *name, struct time_place p)
{
    monitor_printf(mon, "%-8s instruction %-14" PRIu64 " %llu.%09llu s\n", name, p.insns,
                   p.ns / NS_PER_SEC, p.ns % NS_PER_SEC);
}

void cmd_when(struct monitor *mon, const struct monitor_args *args)
{
    struct time_span span;
    struct error err = {""};

    (void)args;
    if (!say(mon, time_when(debugger_of(mon), &span, &err), &err))
        return;
    print_place(mon, "first", span.first);
    print_place(mon, "now", span.now);
    print_place(mon, "last", span.last);
    monitor_printf(mon, "%s; %u checkpoints, %" PRIu64 " KiB\n",
                   span.replay ? "a recording" : "the past of this session", span.checkpoints,
                   span.memory >> 10);
}

/* "1.5s", "20ms", "3us", "7ns": a virtual time. False: it is none. */
static bool parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
    char *end;
    double v = strtod(text, &end);

    for (size_t i = 0; end != text && v >= 0 && v < 1e9 && i < ARRAY_SIZE(units); i++)
        if (!strcmp(end, units[i].name)) {
            *ns = (uint64_t)(v * units[i].ns);
            return true;
        }
    return false;
}

/* goto INSN|TIME|end|BOOKMARK */
void cmd_goto(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    const char *text = args->text[0];
    struct error err = {""}, none;
    uint64_t where;
    bool ok;

    if (!strcmp(text, "end"))
        ok = time_goto_end(d, &err);
    else if (parse_time(text, &where))
        ok = time_goto_ns(d, where, &err);
    else if (expression_value(text, debugger_machine(d), mon->cpu, &where, &none))
        ok = time_goto(d, where, &err);
    else
        ok = time_goto_bookmark(d, text, &err);
    say(mon, ok, &err);
}

/* An lvalue says how many bytes; of an address alone it is one, or so many as follow it. */
void cmd_last_write(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    const struct cpu *cpu = cpu_here(mon);
    struct breakpoint b = {.kind = BREAK_ACCESS};
    char text[MONITOR_LINE_MAX];
    struct error err = {""};

    snprintf(text, sizeof(text), "%s", args->text[0]);
    if (cpu && watched_place(mon, text, 1, &b))
        say(mon,
            time_last_write(d, mon->cpu, b.physical, b.start, (size_t)(b.last - b.start) + 1, &err),
            &err);
}

static void print_bookmark(void *mon, const char *name, struct time_place place)
{
    print_place(mon, name, place);
}

/* bookmark [NAME]; bookmark -d NAME */
void cmd_bookmark(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    struct error err = {""};

    if (!args->n)
        time_each_bookmark(d, print_bookmark, mon);
    else if (!strncmp(args->text[0], "-d ", 3))
        say(mon, time_remove_bookmark(d, args->text[0] + 3, &err), &err);
    else
        say(mon, time_bookmark(d, args->text[0], &err), &err);
}
