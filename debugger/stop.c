/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a stop is told: why, where, what comes next. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printer.h"
#include "cpu/x86/disas.h"
#include "cpu/x86/probe.h"
#include "cpu/x86/report.h"
#include "debugger/commands_internal.h"

#define INSN_MAX 15

const char *vector_text(unsigned vector)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "",
        "#TS", "#NP", "#SS", "#GP", "#PF", "",    "#MF", "#AC", "#MC", "#XM",
    };

    return vector < ARRAY_SIZE(names) ? names[vector] : "";
}

/* ---- an instruction ---- */

/* Where a direct jump or call goes, after its last operand. */
static void add_target(struct commands *c, char *text, size_t size)
{
    char name[160], *operand = strchr(text, ' ');
    size_t len = strlen(text);
    uint64_t target;
    char *end;

    if (!operand || (text[0] != 'j' && strncmp(text, "call", 4) != 0))
        return;
    operand += strspn(operand, " $");
    if (!isdigit((unsigned char)*operand))
        return;
    target = strtoull(operand, &end, 0);
    if (!*end && symbol_text(debugger_symbols(c->d), target, name, sizeof(name)))
        snprintf(text + len, size - len, " <%s>", name);
}

unsigned insn_text(struct commands *c, unsigned cpu, uint64_t lin, unsigned code_mode, char *text,
                   size_t size)
{
    uint8_t bytes[INSN_MAX];
    char insn[256], hex[3 * INSN_MAX + 1] = "";
    size_t got = debugger_read(c->d, cpu, false, lin, bytes, sizeof(bytes)), used;

    if (!got) {
        snprintf(text, size, "cannot be read");
        return 0;
    }
    used =
        disas_syntax(insn, sizeof(insn), lin, bytes, got, code_mode, c->ctl->extension.att_syntax);
    add_target(c, insn, sizeof(insn));
    for (size_t i = 0; i < used && i < INSN_MAX; i++)
        snprintf(hex + 3 * i, sizeof(hex) - 3 * i, "%02x ", bytes[i]);
    snprintf(text, size, "%-24s %s", hex, insn);
    return (unsigned)used;
}

/* ---- where ---- */

void place_text(struct commands *c, uint64_t lin, char *text, size_t size)
{
    struct source_place at;
    char name[160];
    size_t n = 0;

    *text = '\0';
    if (symbol_text(debugger_symbols(c->d), lin, name, sizeof(name))) {
        snprintf(text, size, "%s", name);
        n = strlen(text);
    }
    if (symbols_line_at(debugger_symbols(c->d), lin, &at))
        snprintf(text + n, size - n, "%sat %s:%u", n ? " " : "", at.file, at.line);
}

void print_mode(struct monitor *mon, const struct cpu *cpu)
{
    monitor_printf(mon, "CPU %u: %s, CPL %u, paging %s, interrupts %s%s\n", cpu->v.index,
                   probe_mode_name(cpu_probe_mode(cpu)), cpu->cpl, cpu->cr0 & CR0_PG ? "on" : "off",
                   cpu->eflags & EFLAGS_IF ? "on" : "off", cpu->v.halted ? ", halted" : "");
}

static void tell_place(struct commands *c, unsigned index, const struct printer *p)
{
    const struct cpu *cpu = debugger_cpu(c->d, index);
    uint64_t lin = debugger_pc(cpu);
    char place[256], insn[400];

    place_text(c, lin, place, sizeof(place));
    print(p, "CPU %u, %s, %04x:%0*" PRIx64 "%s%s", index, probe_mode_name(cpu_probe_mode(cpu)),
          cpu->seg[SEG_CS].sel,
          cpu->code_mode == CODE64   ? 16
          : cpu->code_mode == CODE32 ? 8
                                     : 4,
          cpu->r[R_RIP], *place ? " " : "", place);
    if (c->no_insn)
        return;
    insn_text(c, index, lin, cpu->code_mode, insn, sizeof(insn));
    print(p, "=> %0*" PRIx64 ":  %s", lin >> 32 ? 16 : 8, lin, insn);
}

/* ---- why ---- */

static void number_text(const struct breakpoint *b, char *text, size_t size)
{
    const char *kind = b->kind == BREAK_EXECUTE  ? "Breakpoint"
                       : b->kind == BREAK_ACCESS ? "Watchpoint"
                                                 : "Catchpoint";

    if (b->temporary)
        snprintf(text, size, "Temporary %c%s %u", tolower((unsigned char)*kind), kind + 1,
                 b->number);
    else
        snprintf(text, size, "%s %u", kind, b->number);
}

static void tell_watchpoint(const struct debug_stop *s, const char *number, const struct printer *p)
{
    const struct breakpoint *b = s->hit.breakpoint;
    char values[80] = "";

    if (s->hit.has_values && s->hit.write)
        snprintf(values, sizeof(values), ": 0x%" PRIx64 " -> 0x%" PRIx64, s->hit.old_value,
                 s->hit.new_value);
    else if (s->hit.has_values)
        snprintf(values, sizeof(values), ": 0x%" PRIx64, s->hit.new_value);
    print(p, "%s, %s: %u byte%s %s at 0x%" PRIx64 "%s", number, b->where ? b->where : "memory",
          s->hit.size, s->hit.size == 1 ? "" : "s", s->hit.write ? "written" : "read",
          s->hit.address, values);
}

static void tell_catchpoint(const struct debug_stop *s, const char *number, const struct printer *p)
{
    const struct breakpoint *b = s->hit.breakpoint;
    unsigned long long arg = s->hit.event_arg, value = s->hit.event_value;
    const char *name = vector_text((unsigned)arg);

    switch (b->kind) {
    case BREAK_PORT:
        print(p, "%s: port 0x%llx, 0x%0*llx", number, arg, 2 * (int)(value & 0xff), value >> 8);
        break;
    case BREAK_MSR:
        print(p, "%s: MSR 0x%llx, value 0x%llx", number, arg, value);
        break;
    case BREAK_CR:
        print(p, "%s: CR%llu = 0x%llx", number, arg, value);
        break;
    case BREAK_EXCEPTION:
        print(p, "%s: exception %llu%s%s, error code 0x%llx", number, arg, *name ? " " : "", name,
              value);
        break;
    case BREAK_INTERRUPT:
        print(p, "%s: interrupt %llu (0x%llx)", number, arg, arg);
        break;
    case BREAK_MODE:
        print(p, "%s: mode %s -> %s", number, probe_mode_name((enum probe_mode)value),
              probe_mode_name((enum probe_mode)arg));
        break;
    default:
        print(p, "%s: reset", number);
    }
}

static void tell_breakpoint(const struct debug_stop *s, const struct printer *p)
{
    const struct breakpoint *b = s->hit.breakpoint;
    char number[64];

    if (s->kind == DEBUG_WATCHPOINT && (!b || !b->number)) { /* last-write */
        print(p, "%s: %u byte%s at 0x%" PRIx64, s->hit.write ? "Written" : "Read", s->hit.size,
              s->hit.size == 1 ? "" : "s", s->hit.address);
        return;
    }
    if (!b || !b->number) {
        print(p, "Stopped");
        return;
    }
    number_text(b, number, sizeof(number));
    if (b->kind == BREAK_ACCESS)
        tell_watchpoint(s, number, p);
    else if (b->kind != BREAK_EXECUTE)
        tell_catchpoint(s, number, p);
    else
        print(p, "%s%s%s, hit %" PRIu64 " time%s", number, b->where ? ", " : "",
              b->where ? b->where : "", b->hits, b->hits == 1 ? "" : "s");
}

/* A device has no place of its own: where the CPU was, and when. */
static void tell_writer(struct commands *c, const struct debug_stop *s, const struct printer *p)
{
    uint64_t now = vm_clock_now(&debugger_machine(c->d)->clock);

    print(p, "Written by %s at %llu.%09llu s", s->writer, (unsigned long long)(now / NS_PER_SEC),
          (unsigned long long)(now % NS_PER_SEC));
}

/* The ones without a number, gdb's or our own, only if there is no other. */
static void tell_breakpoints(const struct debug_stop *s, const struct printer *p)
{
    struct debug_stop other;

    tell_breakpoint(s, p);
    for (unsigned n = 0; n < s->nalso; n++) {
        other = debug_stop_also(s, n);
        if (other.hit.breakpoint->number)
            tell_breakpoint(&other, p);
    }
}

void commands_describe_stop(struct commands *c, const struct debug_stop *s, monitor_line_fn *line,
                            void *opaque)
{
    const struct printer p = {line, opaque};
    bool somewhere = debugger_ncpus(c->d) > 0;

    c->unassemble_next = 0;
    c->list_line = 0;
    if (!s) {
        if (somewhere)
            tell_place(c, 0, &p);
        return;
    }
    switch (s->kind) {
    case DEBUG_COUNT:
    case DEBUG_PAUSED:
        if (s->writer) {
            tell_writer(c, s, &p);
            break;
        }
        print(&p, "Stopped: %s", stop_reason_name(s->reason));
        break;
    case DEBUG_STEPPED:
        if (c->time_break && vcpu_retired(&debugger_cpu(c->d, s->cpu)->v) >= c->time_break) {
            print(&p, "Time breakpoint at instruction %" PRIu64, c->time_break);
            c->time_break = 0;
        }
        break;
    case DEBUG_BREAKPOINT:
    case DEBUG_WATCHPOINT:
        tell_breakpoints(s, &p);
        break;
    case DEBUG_RESET:
        print(&p, "The machine was reset");
        break;
    case DEBUG_SHUTDOWN:
        print(&p, "Triple fault: CPU %u shut down", s->cpu);
        report_shutdown_named(debugger_cpu(c->d, s->cpu), c->ctl->extension.symbol, c, line,
                              opaque);
        break;
    case DEBUG_DOUBLE_FAULT:
        print(&p, "Double fault: CPU %u is about to run its handler", s->cpu);
        report_double_fault_named(debugger_cpu(c->d, s->cpu), c->ctl->extension.symbol, c, line,
                                  opaque);
        break;
    case DEBUG_TIME_BEGIN:
        print(&p, "The beginning of the history");
        break;
    case DEBUG_TIME_END:
        print(&p, "The end of the recording");
        break;
    case DEBUG_ENDED:
        print(&p, "The machine has ended: %s", stop_reason_name(s->reason));
        somewhere = false;
    }
    if (somewhere)
        tell_place(c, s->cpu, &p);
}
