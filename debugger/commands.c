/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the debugger's commands, and what they share. */
#include "debugger/commands_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/registers.h"
#include "cpu/x86/report.h"

/* Gdb's names and Bochs's: where both have one for different things, gdb's meaning holds. */
const struct monitor_command debugger_commands[] = {
    /* running */
    {"step|s|stepi|si", "=?r", "[irq|all|CPU] [N]",
     "an instruction, or N; irq: interrupts are not passed over; all: the other CPUs run too",
     cmd_step, NULL},
    {"next|n|nexti|ni|proceed", "=?i", "[N]", "the same, over calls, repeats and INT n", cmd_next,
     NULL},
    {"stepline|sl", "=?i", "[N]", "until another source line", cmd_stepline, NULL},
    {"nextline|nl", "=?i", "[N]", "the same, over calls", cmd_nextline, NULL},
    {"finish", "=", "", "until this function returns", cmd_finish, NULL},
    {"until|advance", "=?r", "[PLACE]", "until that place, or past a loop's end", cmd_until, NULL},
    {"continue|c|cont", "?r", "[N | if CONDITION]",
     "runs on; N: the breakpoint here is passed N - 1 times", cmd_continue, NULL},
    {"interrupt", "", "", "stops the guest, as Ctrl-C does", cmd_interrupt, NULL},
    {"sb|timebp", "i", "N", "the next continue stops after N instructions", cmd_time_break, NULL},
    {"sba|timebpabs", "i", "COUNT", "the same at a count that info time shows",
     cmd_time_break_absolute, NULL},
    {"source", "r", "FILE", "runs the commands of a file", cmd_source, NULL},
    {"addlyt", "r", "FILE", "runs a file's commands at each stop", cmd_addlyt, NULL},
    {"lyt", "", "", "runs them now", cmd_lyt, NULL},
    {"remlyt", "", "", "no more", cmd_remlyt, NULL},
    {"echo", "?r", "TEXT", "prints it", cmd_echo, NULL},
    /* time */
    {"reverse-step|rs|reverse-stepi|rsi", "=?i", "[N]", "an instruction, or N, back",
     cmd_reverse_step, NULL},
    {"reverse-next|rn|reverse-nexti|rni", "=?i", "[N]", "the same, over calls", cmd_reverse_next,
     NULL},
    {"reverse-finish", "=", "", "back to the call of this function", cmd_reverse_finish, NULL},
    {"reverse-continue|rc", "=", "", "back to the last breakpoint or watchpoint that was hit",
     cmd_reverse_continue, NULL},
    {"when", "", "", "where in time this is", cmd_when, NULL},
    {"goto", "=r", "INSTRUCTION|TIME|BOOKMARK|end", "there: 1000000, 1.5s, 20ms", cmd_goto, NULL},
    {"last-write", "=r", "PLACE [LENGTH]", "back to just after it was written last", cmd_last_write,
     NULL},
    {"bookmark", "?r", "[[-d] NAME]", "names this place in time, removes a name, lists them",
     cmd_bookmark, NULL},
    /* breakpoints */
    {"break|b|lb|lbreak|vb|vbreak", "=?r", "[PLACE] [if CONDITION]",
     "stops before an instruction: symbol, file:line, seg:off, address, phys:ADDRESS", cmd_break,
     NULL},
    {"tbreak|tb", "=?r", "[PLACE] [if CONDITION]", "the same, once", cmd_tbreak, NULL},
    {"pbreak|pb|pbp", "=r", "ADDRESS [if CONDITION]", "the same at a physical address", cmd_pbreak,
     NULL},
    {"watch", "=?r", "[r|w] PLACE [LENGTH] [if CONDITION]",
     "stops when it is changed; r, w: reads or writes of a physical address; alone: lists",
     cmd_watch, NULL},
    {"rwatch", "=r", "PLACE [LENGTH]", "stops when it is read", cmd_rwatch, NULL},
    {"awatch", "=r", "PLACE [LENGTH]", "stops when it is read or written", cmd_awatch, NULL},
    {"unwatch", "?r", "[ADDRESS]", "removes a watchpoint, or all", cmd_unwatch, NULL},
    {"catch", "r", "WHAT [WHICH] [if CONDITION]",
     "exception|interrupt|mode|cr|cr3|msr|port|reset: stops at these", cmd_catch, NULL},
    {"modebp", "?s", "[MODE]", "stops when the mode changes, or changes to that", cmd_modebp, NULL},
    {"delete|d|del", "?r", "[N...]", "removes breakpoints, or all", cmd_delete, NULL},
    {"enable|bpe", "?r", "[N...]", "breakpoints count again", cmd_enable, NULL},
    {"disable|bpd", "?r", "[N...]", "breakpoints do not count", cmd_disable, NULL},
    {"condition", "=r", "N [CONDITION]", "when a breakpoint counts", cmd_condition, NULL},
    {"ignore", "ii", "N COUNT", "passes over a breakpoint's next hits", cmd_ignore, NULL},
    {"commands", "r", "N [COMMAND; COMMAND...]", "what the prompt runs when a breakpoint is hit",
     cmd_commands, NULL},
    /* data */
    {"print|calc|?|output", "=/r", "[/FORMAT] EXPRESSION", "a C expression; $rax; *(T *)$rsi",
     cmd_print_expr, NULL},
    {"p", "=/?r", "[/FORMAT] [EXPRESSION]", "print; without an expression it is next", cmd_p, NULL},
    {"set", "=r", "$REGISTER = VALUE", "also set VARIABLE = VALUE, disassembly-flavor, u, others",
     cmd_set, NULL},
    {"setpmem", "=r", "ADDRESS SIZE VALUE", "writes physical memory", cmd_setpmem, NULL},
    {"writemem", "=r", "\"FILE\" ADDRESS LENGTH", "saves memory as the CPU sees it", cmd_writemem,
     NULL},
    {"loadmem", "=r", "\"FILE\" ADDRESS", "loads a file into memory", cmd_loadmem, NULL},
    {"search|find", "=r", "ADDRESS LENGTH BYTES|\"TEXT\"", "where it is in memory", cmd_search,
     NULL},
    {"dump", "=r", "ADDRESS [LENGTH]", "memory as bytes and characters", cmd_dump, NULL},
    {"crc", "=r", "FIRST LAST", "CRC-32 of physical memory", cmd_crc, NULL},
    {"print-stack", "=?i", "[N]", "the words on the stack", cmd_print_stack, NULL},
    {"print-string", "=r", "ADDRESS", "the text there", cmd_print_string, NULL},
    {"deref", "=r", "ADDRESS DEPTH", "follows pointers", cmd_deref, NULL},
    {"page", "=r", "ADDRESS [r|w|x]", "the walk of the page tables, and why an access would fault",
     cmd_page, NULL},
    /* code */
    {"disassemble|u|disasm|disas", "=/?r", "[/N] [FIRST [LAST]]", "instructions, by the mode",
     cmd_disassemble, NULL},
    {"bt|backtrace|where", "=?i", "[N]", "the calls that lead here", cmd_bt, NULL},
    {"frame|f", "=?i", "[N]", "chooses one of them", cmd_frame, NULL},
    {"up", "=?i", "[N]", "the caller", cmd_up, NULL},
    {"down", "=?i", "[N]", "the callee", cmd_down, NULL},
    {"list|l", "=?r", "[PLACE]", "source lines", cmd_list, NULL},
    {"symbol-file|ldsym|load-symbols", "r", "FILE [OFFSET]", "symbols of an ELF file or a map",
     cmd_symbol_file, NULL},
    {"slist", "?s", "[PREFIX]", "symbols that begin so", cmd_symbols_list, NULL},
    /* registers */
    {"registers|r|reg|regs|rp", "=?r", "[NAME...]", "general registers, or those", cmd_registers,
     NULL},
    {"sreg", "=", "", "segment registers and tables", cmd_sreg, NULL},
    {"dreg", "=", "", "debug registers", cmd_dreg, NULL},
    {"creg", "=", "", "control registers, bit by bit", cmd_creg, NULL},
    {"fp|fpu", "=", "", "x87 registers", cmd_fp, NULL},
    {"mmx", "=", "", "MMX registers", cmd_mmx, NULL},
    {"sse|xmm", "=", "", "SSE registers", cmd_sse, NULL},
    {"ymm", "=", "", "AVX registers", cmd_ymm, NULL},
    /* watching it run */
    {"trace", "?r", "[WHAT...|on|off] [to FILE]",
     "insn, branch, call, mem, io, irq, mode: prints them as they happen", cmd_trace, NULL},
    {"trace-reg", "s", "on|off", "instruction traces have registers", cmd_trace_reg, NULL},
    {"trace-mem", "s", "on|off", "memory accesses are traced", cmd_trace_mem, NULL},
    {"show", "?s", "[mode|int|call|all|off]", "traces by Bochs's names", cmd_show, NULL},
    {"ptime|pt", "", "", "instructions so far", cmd_ptime, NULL},
    /* own functions */
    {"load", "r", "FILE.so", "a library of functions for call", cmd_load, NULL},
    {"declare", "r", "DECLARATION", "declare uint64_t name(uint64_t, const char *)", cmd_declare,
     NULL},
    {"call", "=r", "NAME(VALUE, ...)", "calls one of them", cmd_call, NULL},
    {"vmexitbp", "", "", "is not there: no VMX", cmd_vmexitbp, NULL},
    {"restore", "?r", "", "is not there", cmd_restore, NULL},
    {"zmm", "", "", "is not there: no AVX-512", cmd_zmm, NULL},
    {"instrument", "?r", "[COMMAND]", "is not there: trace and call do its work", cmd_instrument,
     NULL},
    {0},
};

const struct monitor_command debugger_info_commands[] = {
    {"registers|r|reg|regs", "=?r", "[CPU|NAME...]", "the processor's registers", info_regs, NULL},
    {"cpu", "=", "", "mode and all registers", info_cpu, NULL},
    {"fpu|fp|float", "=", "", "x87 registers", cmd_fp, NULL},
    {"mmx", "=", "", "MMX registers", cmd_mmx, NULL},
    {"sse|xmm|vector", "=", "", "SSE registers", cmd_sse, NULL},
    {"ymm", "=", "", "AVX registers", cmd_ymm, NULL},
    {"cr|creg", "=", "", "control registers, bit by bit", cmd_creg, NULL},
    {"dr|dreg", "=", "", "debug registers", cmd_dreg, NULL},
    {"sreg|segments", "=", "", "segment registers and tables", cmd_sreg, NULL},
    {"msr", "=?s", "[NAME|NUMBER]", "model-specific registers", info_msr, NULL},
    {"flags|eflags|rflags", "=", "", "the flags by name", info_flags, NULL},
    {"idt", "=?ii", "[FIRST [LAST]]", "interrupt gates", info_idt, NULL},
    {"ivt", "=?ii", "[FIRST [LAST]]", "real mode's interrupt vectors", info_ivt, NULL},
    {"gdt", "=?ii", "[FIRST [LAST]]", "global descriptors", info_gdt, NULL},
    {"ldt", "=?ii", "[FIRST [LAST]]", "local descriptors", info_ldt, NULL},
    {"tss", "=", "", "the task state segment", info_tss, NULL},
    {"tab", "=", "", "what the page tables map, linear to physical", info_tab, NULL},
    {"pt", "=?r", "[ADDRESS]", "the page-table entries for an address", info_pt, NULL},
    {"device", "=?s", "[ID]", "the devices, or all fields of one", info_device_any, NULL},
    {"breakpoints|break|b|watchpoints", "", "", "breakpoints, watchpoints, catchpoints",
     info_breakpoints, NULL},
    {"symbols|functions", "?s", "[PREFIX]", "symbols that begin so", cmd_symbols_list, NULL},
    {"symbol", "=r", "ADDRESS", "the symbol of an address", info_symbol, NULL},
    {"line|source", "=?r", "[PLACE]", "the source line of a place", info_line, NULL},
    {"frame", "=", "", "the frame that was chosen", info_frame, NULL},
    {"locals|args", "=", "", "parameters and variables of that frame", info_locals, NULL},
    {"trace", "", "", "what is traced", info_trace, NULL},
    {"dirty", "", "", "is not there", info_dirty, NULL},
    {"time", "", "", "instructions and virtual time so far", info_time, NULL},
    {"all", "=", "", "registers of every kind", info_all, NULL},
    {0},
};

/* ---- what commands share ---- */

struct cpu *cpu_here(struct monitor *mon)
{
    struct debugger *d = debugger_of(mon);

    if (mon->cpu < debugger_ncpus(d))
        return debugger_cpu(d, mon->cpu);
    monitor_error(mon, "the machine has no processor\n");
    return NULL;
}

bool say(struct monitor *mon, bool ok, const struct error *err)
{
    if (!ok)
        monitor_error(mon, "%s\n", err->text);
    return ok;
}

bool parse_place(struct monitor *mon, const char *text, uint64_t *addr, bool *physical)
{
    *physical = !strncmp(text, "phys:", 5) || !strncmp(text, "p:", 2);
    if (*physical)
        return parse_value(mon, strchr(text, ':') + 1, addr);
    return parse_linear(mon, text, addr);
}

bool parse_linear(struct monitor *mon, const char *text, uint64_t *lin)
{
    struct error err = {""};
    struct frame frame;
    const struct frame *chosen = chosen_frame(commands_of(mon), mon->cpu, &frame);

    return say(mon, expr_address_frame(debugger_of(mon), mon->cpu, chosen, text, lin, &err), &err);
}

static bool evaluate_in_frame(void *opaque, unsigned cpu, const char *text, uint64_t *value)
{
    struct commands *c = opaque;
    struct frame frame;

    return chosen_frame(c, cpu, &frame) && expr_address_frame(c->d, cpu, &frame, text, value, NULL);
}

static bool evaluate(void *opaque, unsigned cpu, const char *text, uint64_t *value,
                     struct error *err)
{
    struct commands *c = opaque;

    if (evaluate_in_frame(c, cpu, text, value))
        return true;
    if (expression_value(text, debugger_machine(c->d), cpu, value, err))
        return true;
    if (cpu >= debugger_ncpus(c->d))
        return error_set(err, "the machine has no processor");
    return expr_address(c->d, cpu, text, value, err);
}

bool parse_value(struct monitor *mon, const char *text, uint64_t *value)
{
    struct error err = {""};

    return say(mon, evaluate(commands_of(mon), mon->cpu, text, value, &err), &err);
}

bool take_word(const char **text, char *buf, size_t size)
{
    size_t n;

    *text += strspn(*text, " \t");
    n = strcspn(*text, " \t");
    if (!n)
        return false;
    snprintf(buf, size, "%.*s", (int)n, *text);
    *text += n;
    *text += strspn(*text, " \t");
    return true;
}

void split_condition(char *text, char **condition)
{
    char *at = text;

    *condition = NULL;
    for (at = strstr(at, "if"); at; at = strstr(at + 2, "if")) {
        bool word = (at == text || isspace((unsigned char)at[-1])) &&
                    (isspace((unsigned char)at[2]) || at[2] == '(');

        if (!word)
            continue;
        *condition = at + 2 + strspn(at + 2, " \t");
        while (at > text && isspace((unsigned char)at[-1]))
            at--;
        *at = '\0';
        return;
    }
}

void print_bytes(struct monitor *mon, uint64_t addr, const uint8_t *p, size_t n)
{
    monitor_printf(mon, "%016llx ", (unsigned long long)addr);
    for (size_t i = 0; i < 16; i++)
        if (i < n)
            monitor_printf(mon, "%s%02x", i == 8 ? "  " : " ", p[i]);
        else
            monitor_printf(mon, "%s  ", i == 8 ? "  " : " ");
    monitor_printf(mon, "  |");
    for (size_t i = 0; i < n; i++)
        monitor_printf(mon, "%c", p[i] >= ' ' && p[i] < 0x7f ? p[i] : '.');
    monitor_printf(mon, "|\n");
}

/* ---- completion ---- */

struct offer {
    const char *prefix;
    bool (*fn)(void *opaque, const char *candidate);
    void *opaque;
    char before[4]; /* "$" of a register */
};

static bool offer(void *opaque, const char *name)
{
    struct offer *o = opaque;
    char text[80];

    snprintf(text, sizeof(text), "%s%s", o->before, name);
    return strncmp(text, o->prefix, strlen(o->prefix)) != 0 || o->fn(o->opaque, text);
}

static void complete_command(struct commands *c, const struct monitor_command *table,
                             struct offer *o)
{
    const struct monitor_command *tables[2];

    monitor_tables(c->ctl, table, tables);
    for (unsigned i = 0; i < 2; i++)
        for (const struct monitor_command *row = tables[i]; row && row->name; row++)
            if (!monitor_each_name(row, offer, o))
                return;
}

static void complete_list(const char *const *names, struct offer *o)
{
    while (*names && offer(o, *names))
        names++;
}

static void complete_register(struct offer *o)
{
    snprintf(o->before, sizeof(o->before), "$");
    for (unsigned i = 0; i < num_cpu_registers; i++)
        if (!offer(o, cpu_registers[i].name))
            return;
}

void commands_complete(struct commands *c, const char *line, size_t word,
                       bool (*fn)(void *opaque, const char *candidate), void *opaque)
{
    static const char *const caught[] = {"exception", "interrupt", "mode",  "cr", "cr3",
                                         "msr",       "port",      "reset", NULL};
    static const char *const traced[] = {"insn", "branch", "call", "mem", "io", "irq",
                                         "mode", "on",     "off",  "to",  NULL};
    static const char *const settings[] = {"disassembly-flavor", "u", "others", NULL};
    struct offer o = {.prefix = line + word, .fn = fn, .opaque = opaque};
    const char *rest = line;
    char command[32];

    line += strspn(line, " \t");
    if (rest + word <= line || !take_word(&rest, command, sizeof(command))) {
        complete_command(c, monitor_commands, &o);
        return;
    }
    bool second = rest == o.prefix;
    if (o.prefix[0] == '$')
        complete_register(&o);
    else if (second && (!strcmp(command, "info") || !strcmp(command, "i")))
        complete_command(c, monitor_info_commands, &o);
    else if (second && !strcmp(command, "help"))
        complete_command(c, monitor_commands, &o);
    else if (second && !strcmp(command, "catch"))
        complete_list(caught, &o);
    else if (!strcmp(command, "trace"))
        complete_list(traced, &o);
    else if (second && !strcmp(command, "set"))
        complete_list(settings, &o);
    else
        symbol_complete(debugger_symbols(c->d), o.prefix, fn, opaque);
}

bool commands_repeat(const char *line, char *again, size_t size)
{
    static const char *const whole[] = {
        "step",  "s",        "stepi", "si",           "next", "n",
        "nexti", "ni",       "p",     "stepline",     "sl",   "nextline",
        "nl",    "up",       "down",  "reverse-step", "rs",   "reverse-next",
        "rn",    "continue", "c",     "cont",         NULL};
    static const char *const goes_on[] = {"x", "xp", "list", "l", "disassemble", "u", NULL};
    char command[32], word[32];
    const char *rest = line;

    if (!take_word(&rest, word, sizeof(word)))
        return false;
    snprintf(command, sizeof(command), "%.*s", (int)strcspn(word, "/"), word);
    for (unsigned i = 0; whole[i]; i++)
        if (!strcmp(command, whole[i])) {
            snprintf(again, size, "%s", line);
            return true;
        }
    for (unsigned i = 0; goes_on[i]; i++)
        if (!strcmp(command, goes_on[i])) {
            snprintf(again, size, "%s", word);
            return true;
        }
    return false;
}

/* ---- after a stop ---- */

bool commands_hide_stop(struct commands *c, const struct debug_stop *stop)
{
    symbols_refresh(debugger_symbols(c->d), stop->cpu);
    places_update(c);
    return stop->kind == DEBUG_STEPPED && c->time_break && c->host.later &&
           vcpu_retired(&debugger_cpu(c->d, stop->cpu)->v) < c->time_break &&
           c->host.later(c->host.opaque, QUIETLY "continue");
}

static bool run_commands(struct commands *c, const struct breakpoint *b)
{
    return b && b->commands && c->host.later(c->host.opaque, b->commands);
}

void commands_after_stop(struct commands *c, const struct debug_stop *stop)
{
    const struct breakpoint *b = stop->hit.breakpoint;
    bool watched = b && b->kind == BREAK_ACCESS && c->watch_continue;

    if (!c->host.later)
        return;
    if (c->layout[0] && !run_file(c, c->layout, NULL))
        c->layout[0] = '\0';
    if (!run_commands(c, b) && watched)
        c->host.later(c->host.opaque, "continue");
    for (unsigned n = 0; n < stop->nalso; n++)
        run_commands(c, stop->also[n].breakpoint);
}

/* ---- life ---- */

static bool extension_symbol(void *opaque, uint64_t address, char *text, size_t size)
{
    struct commands *c = opaque;

    return symbol_text(debugger_symbols(c->d), address, text, size);
}

/* Not on a CPU that runs: its engine looks. */
void commands_keep_history(struct commands *c)
{
    bool was_running = control_hold(c->ctl);

    for (unsigned i = 0; i < debugger_ncpus(c->d); i++)
        report_keep_history(debugger_cpu(c->d, i), true);
    control_release(c->ctl, was_running);
}

void commands_set_host(struct commands *c, const struct commands_host *host)
{
    c->host = *host;
}

struct commands *commands_new(struct debugger *d, struct error *err)
{
    struct commands *c = calloc(1, sizeof(*c));

    if (!c) {
        error_set(err, "out of memory");
        return NULL;
    }
    c->d = d;
    c->ctl = debugger_control(d);
    c->ctl->extension = (struct control_extension){.commands = debugger_commands,
                                                   .info = debugger_info_commands,
                                                   .value = evaluate,
                                                   .in_frame = evaluate_in_frame,
                                                   .symbol = extension_symbol,
                                                   .opaque = c};
    return c;
}

void commands_free(struct commands *c)
{
    if (!c)
        return;
    c->ctl->extension = (struct control_extension){0};
    c->host.later = NULL;
    places_update(c);
    trace_free(c->trace);
    calls_free(c->calls);
    free(c);
}
