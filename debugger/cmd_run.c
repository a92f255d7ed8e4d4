/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Letting the guest run: step, next, finish, until, continue, time breakpoints; source. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/commands_internal.h"
#include "vm/clock.h"

#define SOURCE_MAX (1u << 20)

static void run_step(struct monitor *mon, unsigned cpu, enum debug_step how, uint64_t count)
{
    struct error err = {""};

    if (!cpu_here(mon))
        return;
    if (!count)
        monitor_error(mon, "a count of at least 1 is expected\n");
    else
        say(mon, debugger_step(debugger_of(mon), cpu, how, count, &err), &err);
}

/* step [irq|all|CPU] [N]: of two numbers the first is a CPU, as in Bochs. */
void cmd_step(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->n ? args->text[0] : "";
    enum debug_step how = STEP_INSN;
    unsigned cpu = mon->cpu;
    uint64_t count = 1, second;
    char word[64];

    if (take_word(&rest, word, sizeof(word))) {
        if (!strcmp(word, "irq")) {
            how = STEP_INSN_IRQ;
        } else if (!strcmp(word, "all")) {
            debugger_step_others(debugger_of(mon), true);
        } else {
            if (!parse_value(mon, word, &count))
                return;
        }
    }
    if (*rest) {
        if (!parse_value(mon, rest, &second))
            return;
        if (how == STEP_INSN && isdigit((unsigned char)word[0])) {
            if (count >= debugger_ncpus(debugger_of(mon))) {
                monitor_error(mon, "there are %u CPUs\n", debugger_ncpus(debugger_of(mon)));
                return;
            }
            cpu = (unsigned)count;
        }
        count = second;
    }
    commands_of(mon)->time_break = 0;
    run_step(mon, cpu, how, count);
}

static uint64_t count_of(const struct monitor_args *args)
{
    return args->n ? args->number[0] : 1;
}

void cmd_next(struct monitor *mon, const struct monitor_args *args)
{
    run_step(mon, mon->cpu, STEP_OVER, count_of(args));
}

void cmd_stepline(struct monitor *mon, const struct monitor_args *args)
{
    run_step(mon, mon->cpu, STEP_LINE, count_of(args));
}

void cmd_nextline(struct monitor *mon, const struct monitor_args *args)
{
    run_step(mon, mon->cpu, STEP_LINE_OVER, count_of(args));
}

void cmd_finish(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    run_step(mon, mon->cpu, STEP_OUT, 1);
}

/* Without a place: the instruction behind this one, which a loop's last jump leads to at its end.
 */
void cmd_until(struct monitor *mon, const struct monitor_args *args)
{
    struct commands *c = commands_of(mon);
    const struct cpu *cpu = cpu_here(mon);
    struct error err = {""};
    char text[400];
    uint64_t lin;

    if (!cpu)
        return;
    if (args->n) {
        if (!parse_linear(mon, args->text[0], &lin))
            return;
    } else {
        lin = debugger_pc(cpu);
        lin += insn_text(c, mon->cpu, lin, cpu->code_mode, text, sizeof(text));
    }
    say(mon, debugger_until(c->d, mon->cpu, lin, &err), &err);
}

/* ---- continue ---- */

/* continue N: the breakpoint that stopped us is passed N - 1 times. */
static void pass_over(struct monitor *mon, uint64_t count)
{
    const struct debug_stop *stop = debugger_last_stop(debugger_of(mon));
    struct breakpoint *b;

    if (!stop || !stop->hit.breakpoint || !stop->hit.breakpoint->number ||
        !(b = breakpoint_find(debugger_of(mon), stop->hit.breakpoint->number)))
        return;
    b->ignore = count - 1;
    breakpoint_changed(debugger_of(mon), b);
}

/* Towards a time breakpoint: so many instructions, unless something else stops before. */
static bool run_to_time(struct monitor *mon, bool *done)
{
    struct commands *c = commands_of(mon);
    const struct cpu *cpu = cpu_here(mon);
    struct error err = {""};
    uint64_t now;

    *done = false;
    if (!cpu || !c->time_break)
        return true;
    now = vcpu_retired(&cpu->v);
    if (now >= c->time_break) {
        c->time_break = 0;
        return true;
    }
    *done = true;
    return say(mon, debugger_step(c->d, mon->cpu, STEP_INSN_IRQ, c->time_break - now, &err), &err);
}

void cmd_continue(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    struct error err = {""};
    bool condition = args->n && !strncmp(args->text[0], "if ", 3), done;
    uint64_t value = 1;

    if (args->n && !parse_value(mon, args->text[0] + (condition ? 3 : 0), &value))
        return;
    if (condition && !value) {
        monitor_printf(mon, "the condition does not hold: the guest stays where it is\n");
        return;
    }
    if (args->n && !condition && value)
        pass_over(mon, value);
    if (!run_to_time(mon, &done) || done)
        return;
    say(mon, debugger_continue(d, &err), &err);
}

void cmd_interrupt(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    debugger_pause(debugger_of(mon));
}

/* ---- time breakpoints ---- */

static void set_time_break(struct monitor *mon, uint64_t at)
{
    commands_of(mon)->time_break = at;
    monitor_printf(mon, "Time breakpoint at instruction %" PRIu64 " of CPU %u\n", at, mon->cpu);
}

void cmd_time_break(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    if (cpu)
        set_time_break(mon, vcpu_retired(&cpu->v) + args->number[0]);
}

void cmd_time_break_absolute(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    if (cpu && args->number[0] <= vcpu_retired(&cpu->v))
        monitor_error(mon, "CPU %u is at instruction %" PRIu64 " already\n", mon->cpu,
                      vcpu_retired(&cpu->v));
    else if (cpu)
        set_time_break(mon, args->number[0]);
}

/* ---- scripts ---- */

bool run_file(struct commands *c, const char *path, struct error *err)
{
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(SOURCE_MAX + 1) : NULL;
    size_t n = text ? fread(text, 1, SOURCE_MAX + 1, f) : 0;
    bool ok = text && n <= SOURCE_MAX;

    if (!f)
        error_set(err, "%s: cannot be opened", path);
    else if (!ok)
        error_set(err, "%s: more than %u bytes", path, SOURCE_MAX);
    if (ok) {
        text[n] = '\0';
        ok = (c->host.later && c->host.later(c->host.opaque, text)) ||
             error_set(err, "%s: files of commands are for the debugger's prompt", path);
    }
    if (f)
        fclose(f);
    free(text);
    return ok;
}

/* "FILE" may be quoted, as Bochs wants it. */
static void unquote(const char *text, char *path, size_t size)
{
    bool quoted = *text == '"';

    snprintf(path, size, "%.*s", (int)strcspn(text + quoted, quoted ? "\"" : ""), text + quoted);
}

void cmd_source(struct monitor *mon, const struct monitor_args *args)
{
    struct error err = {""};
    char path[MONITOR_LINE_MAX];

    unquote(args->text[0], path, sizeof(path));
    say(mon, run_file(commands_of(mon), path, &err), &err);
}

void cmd_addlyt(struct monitor *mon, const struct monitor_args *args)
{
    struct commands *c = commands_of(mon);

    unquote(args->text[0], c->layout, sizeof(c->layout));
    monitor_printf(mon, "%s is run at each stop\n", c->layout);
}

void cmd_lyt(struct monitor *mon, const struct monitor_args *args)
{
    struct error err = {""};

    (void)args;
    if (commands_of(mon)->layout[0])
        say(mon, run_file(commands_of(mon), commands_of(mon)->layout, &err), &err);
    else
        monitor_error(mon, "no file is run at each stop; addlyt names one\n");
}

void cmd_remlyt(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    commands_of(mon)->layout[0] = '\0';
    monitor_printf(mon, "no file is run at each stop\n");
}

void cmd_echo(struct monitor *mon, const struct monitor_args *args)
{
    monitor_printf(mon, "%s\n", args->n ? args->text[0] : "");
}
