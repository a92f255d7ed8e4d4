/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code: disassemble, bt, frame, list; symbols. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debugger/commands_internal.h"

#define LIST_LINES    10
#define LOCALS_MAX    256
#define SYMBOLS_SHOWN 200
#define INSNS_MAX     4096

/* ---- disassemble ---- */

struct stretch {
    uint64_t at, last; /* last: no instruction begins behind it */
    unsigned count;
};

/* "FIRST [LAST]", "FIRST, LAST", "FIRST, +LENGTH"; nothing: where the last one ended, or here. */
static bool parse_stretch(struct monitor *mon, const char *text, struct stretch *s)
{
    struct commands *c = commands_of(mon);
    const struct cpu *cpu = cpu_here(mon);
    char first[128];

    s->last = UINT64_MAX;
    if (!cpu)
        return false;
    s->at = c->unassemble_next ? c->unassemble_next : debugger_pc(cpu);
    if (!take_word(&text, first, sizeof(first)))
        return true;
    if (*first && first[strlen(first) - 1] == ',')
        first[strlen(first) - 1] = '\0';
    if (!parse_linear(mon, first, &s->at))
        return false;
    if (!*text)
        return true;
    s->count = INSNS_MAX;
    if (*text != '+')
        return parse_linear(mon, text, &s->last);
    if (!parse_value(mon, text + 1, &s->last))
        return false;
    s->last += s->at - 1;
    return true;
}

static bool print_insn(struct monitor *mon, uint64_t lin, uint64_t pc, unsigned mode,
                       uint64_t *next)
{
    char text[400], place[256];
    bool named = symbol_text(debugger_symbols(debugger_of(mon)), lin, place, sizeof(place));
    unsigned len = insn_text(commands_of(mon), mon->cpu, lin, mode, text, sizeof(text));

    monitor_printf(mon, "%s %0*" PRIx64 "%s%s%s:  %s\n", lin == pc ? "=>" : "  ",
                   lin >> 32 ? 16 : 8, lin, named ? " <" : "", named ? place : "", named ? ">" : "",
                   text);
    *next = lin + len;
    return len > 0;
}

/* Bochs's: u switch-mode changes the syntax; u size = 16 disassembles so. True: it was one. */
static bool unassemble_setting(struct monitor *mon, const char *text)
{
    struct commands *c = commands_of(mon);
    unsigned bits;

    if (!strcmp(text, "switch-mode")) {
        c->ctl->extension.att_syntax = !c->ctl->extension.att_syntax;
        monitor_printf(mon, "%s syntax\n", c->ctl->extension.att_syntax ? "AT&T" : "Intel");
    } else if (!strncmp(text, "hex ", 4)) {
        monitor_printf(mon, "numbers are hexadecimal, and small ones decimal, always\n");
    } else if (sscanf(text, "size = %u", &bits) == 1) {
        if (bits == 0 || bits == 16 || bits == 32 || bits == 64)
            c->unassemble_bits = bits;
        else
            monitor_error(mon, "0, 16, 32 or 64 is expected\n");
    } else {
        return false;
    }
    return true;
}

static unsigned unassemble_mode(const struct commands *c, const struct cpu *cpu)
{
    return c->unassemble_bits == 16   ? CODE16
           : c->unassemble_bits == 32 ? CODE32
           : c->unassemble_bits == 64 ? CODE64
                                      : cpu->code_mode;
}

void cmd_disassemble(struct monitor *mon, const struct monitor_args *args)
{
    struct commands *c = commands_of(mon);
    const struct cpu *cpu = cpu_here(mon);
    const char *text = args->n ? args->text[0] : "";
    unsigned long count = strtoul(args->format, NULL, 10);
    struct stretch s = {.count = count && count < INSNS_MAX ? (unsigned)count : 10};

    if (unassemble_setting(mon, text))
        return;
    if (!cpu || !parse_stretch(mon, text, &s))
        return;
    if (args->n && s.count == INSNS_MAX && count)
        s.count = (unsigned)count;
    for (unsigned i = 0; i < s.count && s.at <= s.last; i++)
        if (!print_insn(mon, s.at, debugger_pc(cpu), unassemble_mode(c, cpu), &s.at)) {
            mon->failed = true;
            break;
        }
    c->unassemble_next = s.at;
}

/* ---- frames ---- */

/* The frame that was chosen; another stop, or another CPU, begins anew. */
static bool frame_is_of(const struct commands *c, const struct cpu *cpu)
{
    return c->frame_cpu == cpu->v.index && c->frame_pc == debugger_pc(cpu) &&
           c->frame_sp == cpu->r[R_RSP];
}

static void renew_frame(struct monitor *mon, const struct cpu *cpu)
{
    struct commands *c = commands_of(mon);

    if (frame_is_of(c, cpu))
        return;
    c->frame = 0;
    c->frame_cpu = mon->cpu;
    c->frame_pc = debugger_pc(cpu);
    c->frame_sp = cpu->r[R_RSP];
}

static unsigned unwind(struct monitor *mon, struct frame *frames)
{
    const struct cpu *cpu = cpu_here(mon);
    struct symbols *symbols = debugger_symbols(debugger_of(mon));

    if (!cpu)
        return 0;
    symbols_refresh(symbols, mon->cpu);
    renew_frame(mon, cpu);
    return symbols_backtrace(symbols, mon->cpu, frames, FRAMES_MAX);
}

static void print_frame(struct monitor *mon, unsigned n, const struct frame *f)
{
    char place[256];

    place_text(commands_of(mon), f->pc, place, sizeof(place));
    monitor_printf(mon, "%c%-2u 0x%0*" PRIx64 " %s%s%s\n", n == commands_of(mon)->frame ? '*' : '#',
                   n, f->pc >> 32 ? 16 : 8, f->pc, place, f->interrupted ? " <interrupted>" : "",
                   n && !f->exact ? " (by frame pointer)" : "");
}

void cmd_bt(struct monitor *mon, const struct monitor_args *args)
{
    struct frame frames[FRAMES_MAX];
    unsigned n = unwind(mon, frames);
    uint64_t wanted = args->n ? args->number[0] : FRAMES_MAX;
    unsigned version[2];

    for (unsigned i = 0; i < n && i < wanted; i++)
        print_frame(mon, i, &frames[i]);
    if (n > wanted || n == FRAMES_MAX)
        monitor_printf(mon, "(and more)\n");
    if (n && symbols_orc_refused(debugger_symbols(debugger_of(mon)), mon->cpu, version))
        monitor_printf(mon,
                       "the unwind tables (ORC) of Linux %u.%u are of a form that is not known\n",
                       version[0], version[1]);
}

static void choose_frame(struct monitor *mon, int64_t wanted, bool relative)
{
    struct frame frames[FRAMES_MAX];
    unsigned n = unwind(mon, frames);

    if (relative)
        wanted += commands_of(mon)->frame;
    if (!n)
        return;
    if (wanted < 0 || wanted >= (int64_t)n) {
        monitor_error(mon, "there are frames 0 to %u\n", n - 1);
        return;
    }
    commands_of(mon)->frame = (unsigned)wanted;
    commands_of(mon)->list_line = 0;
    print_frame(mon, (unsigned)wanted, &frames[wanted]);
}

static int64_t small_count(const struct monitor_args *args, int64_t usual)
{
    return !args->n ? usual : args->number[0] < FRAMES_MAX ? (int64_t)args->number[0] : FRAMES_MAX;
}

void cmd_frame(struct monitor *mon, const struct monitor_args *args)
{
    choose_frame(mon, small_count(args, 0), !args->n);
}

void cmd_up(struct monitor *mon, const struct monitor_args *args)
{
    choose_frame(mon, small_count(args, 1), true);
}

void cmd_down(struct monitor *mon, const struct monitor_args *args)
{
    choose_frame(mon, -small_count(args, 1), true);
}

void info_frame(struct monitor *mon, const struct monitor_args *args)
{
    struct frame frames[FRAMES_MAX];
    unsigned n = unwind(mon, frames), i = commands_of(mon)->frame;

    (void)args;
    if (i >= n)
        return;
    print_frame(mon, i, &frames[i]);
    monitor_printf(mon, "    sp 0x%" PRIx64 "  bp 0x%" PRIx64 "  cfa 0x%" PRIx64 "\n", frames[i].sp,
                   frames[i].bp, frames[i].cfa);
}

/* The address of the frame that was chosen. */
static bool frame_pc(struct monitor *mon, uint64_t *pc)
{
    struct frame frames[FRAMES_MAX];
    unsigned n = unwind(mon, frames), i = commands_of(mon)->frame;

    if (i < n)
        *pc = frames[i].scope;
    return i < n;
}

struct expr *parse_in_frame(struct monitor *mon, const char *text, struct error *err)
{
    struct debugger *d = debugger_of(mon);
    struct frame frame;

    symbols_refresh(debugger_symbols(d), mon->cpu);
    if (!chosen_frame(commands_of(mon), mon->cpu, &frame))
        return expr_parse(d, mon->cpu, text, err);
    return expr_parse_frame(debugger_symbols(d), mon->cpu, &frame, text, err);
}

const struct frame *chosen_frame(struct commands *c, unsigned cpu, struct frame *frame)
{
    struct frame frames[FRAMES_MAX];
    unsigned n = 0;

    if (c->frame && cpu < debugger_ncpus(c->d) && !debugger_running(c->d) &&
        frame_is_of(c, debugger_cpu(c->d, cpu)))
        n = symbols_backtrace(debugger_symbols(c->d), cpu, frames, FRAMES_MAX);
    if (c->frame >= n)
        return NULL;
    *frame = frames[c->frame];
    return frame;
}

/* What `info locals` lists; names that inner blocks have again come once. */
struct locals {
    struct monitor *mon;
    const char *name;
    unsigned n;
    char seen[LOCALS_MAX][64];
};

/* The first line has the name, the others are a struct's. */
static void print_local_line(void *opaque, const char *text)
{
    struct locals *l = opaque;

    monitor_printf(l->mon, "%s%s%s\n", l->name, *l->name ? " = " : "", text);
    l->name = "";
}

/* What an error says behind the places that it is about. */
static const char *reason(const char *text)
{
    const char *behind;

    while ((behind = strstr(text, ": ")))
        text = behind + 2;
    return text;
}

static void print_local(void *opaque, const char *name, bool parameter)
{
    struct locals *l = opaque;
    struct error err = {""};
    struct expr *e;

    (void)parameter;
    for (unsigned k = 0; k < l->n; k++)
        if (!strncmp(l->seen[k], name, sizeof(l->seen[k]) - 1))
            return;
    if (l->n < LOCALS_MAX)
        snprintf(l->seen[l->n++], sizeof(l->seen[0]), "%s", name);
    e = parse_in_frame(l->mon, name, &err);
    l->name = name;
    if (!e || !expr_print(e, debugger_of(l->mon), cpu_here(l->mon), 0, print_local_line, l, &err))
        monitor_printf(l->mon, "%s: %s\n", name, reason(err.text));
    expr_free(e);
}

void info_locals(struct monitor *mon, const struct monitor_args *args)
{
    struct locals l = {.mon = mon};
    uint64_t pc;

    (void)args;
    if (!frame_pc(mon, &pc))
        return;
    symbols_locals(debugger_symbols(debugger_of(mon)), pc, print_local, &l);
    if (!l.n)
        monitor_printf(mon, "no parameters and variables are known here\n");
}

/* ---- source lines ---- */

static void print_lines(struct monitor *mon, const char *file, unsigned first, unsigned mark)
{
    FILE *f = fopen(file, "re");
    char text[512];
    unsigned line = 1, shown = 0;

    if (!f) {
        monitor_error(mon, "%s: the file is not here\n", file);
        return;
    }
    for (bool start = true; shown < LIST_LINES && fgets(text, sizeof(text), f);) {
        size_t n = strcspn(text, "\n");
        bool whole = text[n] == '\n';

        if (line >= first && start) {
            monitor_printf(mon, "%s%5u  %.*s\n", line == mark ? "=>" : "  ", line, (int)n, text);
            shown++;
        }
        start = whole;
        line += whole;
    }
    fclose(f);
    if (!shown)
        monitor_error(mon, "%s has %u lines\n", file, line - 1);
    commands_of(mon)->list_line = first + LIST_LINES;
}

void cmd_list(struct monitor *mon, const struct monitor_args *args)
{
    struct commands *c = commands_of(mon);
    struct source_place at;
    uint64_t lin;

    if (!args->n && c->list_line) {
        print_lines(mon, c->list_file, c->list_line, 0);
        return;
    }
    if (args->n ? !parse_linear(mon, args->text[0], &lin) : !frame_pc(mon, &lin))
        return;
    if (!symbols_line_at(debugger_symbols(c->d), lin, &at)) {
        monitor_error(mon, "there is no source line for 0x%" PRIx64 "\n", lin);
        return;
    }
    snprintf(c->list_file, sizeof(c->list_file), "%s", at.file);
    print_lines(mon, c->list_file, at.line > LIST_LINES / 2 ? at.line - LIST_LINES / 2 : 1,
                at.line);
}

void info_line(struct monitor *mon, const struct monitor_args *args)
{
    struct source_place at;
    uint64_t lin;

    if (args->n ? !parse_linear(mon, args->text[0], &lin) : !frame_pc(mon, &lin))
        return;
    if (symbols_line_at(debugger_symbols(debugger_of(mon)), lin, &at))
        monitor_printf(mon, "%s:%u is 0x%" PRIx64 "-0x%" PRIx64 "\n", at.file, at.line, at.start,
                       at.last);
    else
        monitor_error(mon, "there is no source line for 0x%" PRIx64 "\n", lin);
}

/* ---- symbols ---- */

/* A map has text lines; an ELF file begins with its magic number (System V ABI, ELF header). */
static bool is_elf(const char *path)
{
    char magic[4] = "";
    FILE *f = fopen(path, "re");
    bool yes = f && fread(magic, 1, 4, f) == 4 && !memcmp(magic, "\177ELF", 4);

    if (f)
        fclose(f);
    return yes;
}

/* symbol-file FILE [OFFSET]; Bochs: ldsym [global] "FILE" [OFFSET] */
void cmd_symbol_file(struct monitor *mon, const struct monitor_args *args)
{
    struct symbols *symbols = debugger_symbols(debugger_of(mon));
    const char *rest = args->text[0];
    struct error err = {""};
    uint64_t slide = 0;
    char path[MONITOR_LINE_MAX], *name = path;

    if (!strncmp(rest, "global ", 7))
        rest += 7;
    if (!take_word(&rest, path, sizeof(path)) || (*rest && !parse_value(mon, rest, &slide)))
        return;
    if (*path == '"') {
        name = path + 1;
        name[strcspn(name, "\"")] = '\0';
    }
    if (is_elf(name) ? symbols_load(symbols, name, NULL, slide, &err)
                     : symbols_load_map(symbols, name, slide, &err))
        monitor_printf(mon, "symbols of %s\n", name);
    else
        say(mon, false, &err);
}

struct listing {
    struct monitor *mon;
    unsigned n;
};

static bool list_symbol(void *opaque, const char *name)
{
    struct listing *l = opaque;
    struct symbol s;

    if (++l->n > SYMBOLS_SHOWN) {
        monitor_printf(l->mon, "(and more)\n");
        return false;
    }
    if (symbol_find(debugger_symbols(debugger_of(l->mon)), name, &s))
        monitor_printf(l->mon, "%016" PRIx64 " %c %s\n", s.start, s.function ? 'T' : 'D', name);
    return true;
}

void cmd_symbols_list(struct monitor *mon, const struct monitor_args *args)
{
    struct listing l = {mon, 0};

    symbol_complete(debugger_symbols(debugger_of(mon)), args->n ? args->text[0] : "", list_symbol,
                    &l);
    if (!l.n)
        monitor_error(mon, "there are no such symbols\n");
}

void info_symbol(struct monitor *mon, const struct monitor_args *args)
{
    char text[256];
    uint64_t lin;

    if (!parse_linear(mon, args->text[0], &lin))
        return;
    place_text(commands_of(mon), lin, text, sizeof(text));
    if (*text)
        monitor_printf(mon, "%s\n", text);
    else
        monitor_error(mon, "no symbol covers 0x%" PRIx64 "\n", lin);
}
