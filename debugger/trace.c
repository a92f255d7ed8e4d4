/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traces: instructions, branches, calls, memory, I/O, interrupts, modes, a line each, in a file or
 * where the host of the commands wants them. They are written by the CPU thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cpu/x86/disas.h"
#include "cpu/x86/probe.h"
#include "debugger/commands_internal.h"

#define INSN_MAX  15
#define DEPTH_MAX 40

enum trace_kind {
    TRACE_INSN = 1,
    TRACE_BRANCH = 2,
    TRACE_CALL = 4,
    TRACE_MEM = 8,
    TRACE_IO = 16,
    TRACE_IRQ = 32,
    TRACE_MODE = 64,
};

static const struct {
    const char *name;
    unsigned kind;
} kinds[] = {
    {"insn", TRACE_INSN}, {"branch", TRACE_BRANCH}, {"call", TRACE_CALL}, {"mem", TRACE_MEM},
    {"io", TRACE_IO},     {"irq", TRACE_IRQ},       {"mode", TRACE_MODE}, {"on", TRACE_INSN},
};

/* The instruction that a CPU ran last: where it ends unless it jumps. */
struct trace_cpu {
    uint64_t lin, next;
    uint8_t mode;
    bool valid;
    unsigned depth; /* of calls */
};

struct trace {
    struct commands *c;
    unsigned wanted;
    bool registers;
    FILE *file; /* NULL: standard output */
    char path[256];
    struct trace_cpu *cpus;
};

static FILE *out(const struct trace *t)
{
    return t->file ? t->file : stdout;
}

/* ---- on the CPU thread ---- */

static const char *name_of(struct trace *t, uint64_t lin, char *text, size_t size)
{
    if (!symbol_text(debugger_symbols(t->c->d), lin, text, size))
        snprintf(text, size, "0x%" PRIx64, lin);
    return text;
}

static void trace_insn(struct trace *t, const struct cpu *cpu, uint64_t lin, const uint8_t *bytes,
                       size_t n)
{
    char text[200], name[200];
    bool named = symbol_text(debugger_symbols(t->c->d), lin, name, sizeof(name));

    disas_syntax(text, sizeof(text), lin, bytes, n, cpu->code_mode,
                 t->c->ctl->extension.att_syntax);
    fprintf(out(t), "cpu%u %04x:%0*" PRIx64 "%s%s%s  %s\n", cpu->v.index, cpu->seg[SEG_CS].sel,
            cpu->code_mode == CODE64   ? 16
            : cpu->code_mode == CODE32 ? 8
                                       : 4,
            cpu->r[R_RIP], named ? " <" : "", named ? name : "", named ? ">" : "", text);
    if (t->registers)
        fprintf(out(t),
                "      ax %" PRIx64 " bx %" PRIx64 " cx %" PRIx64 " dx %" PRIx64 " si %" PRIx64
                " di %" PRIx64 " bp %" PRIx64 " sp %" PRIx64 " flags %x\n",
                cpu->r[R_RAX], cpu->r[R_RBX], cpu->r[R_RCX], cpu->r[R_RDX], cpu->r[R_RSI],
                cpu->r[R_RDI], cpu->r[R_RBP], cpu->r[R_RSP], cpu_eflags(cpu));
}

static void trace_call(struct trace *t, struct trace_cpu *s, unsigned cpu, bool call, uint64_t from,
                       uint64_t to)
{
    char a[200], b[200];

    if (!call && s->depth)
        s->depth--;
    fprintf(out(t), "cpu%u %*s%s %s -> %s\n", cpu,
            2 * (int)(s->depth < DEPTH_MAX ? s->depth : DEPTH_MAX), "", call ? "call" : "ret",
            name_of(t, from, a, sizeof(a)), name_of(t, to, b, sizeof(b)));
    s->depth += call;
}

/* The last instruction did not lead to the next one behind it. */
static void trace_jump(struct trace *t, struct trace_cpu *s, struct cpu *cpu, uint64_t to)
{
    uint8_t bytes[INSN_MAX];
    char text[200], a[200], b[200];
    size_t n = debugger_read_quick(cpu, false, s->lin, bytes, sizeof(bytes));

    if (!n)
        return;
    disas_one(text, sizeof(text), s->lin, bytes, n, s->mode);
    bool call = !strncmp(text, "call", 4) || !strncmp(text, "lcall", 5),
         ret = !strncmp(text, "ret", 3) || !strncmp(text, "iret", 4);
    if (t->wanted & TRACE_BRANCH)
        fprintf(out(t), "cpu%u branch %s -> %s  %s\n", cpu->v.index,
                name_of(t, s->lin, a, sizeof(a)), name_of(t, to, b, sizeof(b)), text);
    if (t->wanted & TRACE_CALL && (call || ret))
        trace_call(t, s, cpu->v.index, call, s->lin, to);
}

static void on_instruction(void *opaque, struct cpu *cpu, uint64_t lin)
{
    struct trace *t = opaque;
    struct trace_cpu *s = &t->cpus[cpu->v.index];
    uint8_t bytes[INSN_MAX];
    struct insn i;
    size_t n = debugger_read_quick(cpu, false, lin, bytes, sizeof(bytes));

    if (s->valid && s->next != lin && s->lin != lin && t->wanted & (TRACE_BRANCH | TRACE_CALL))
        trace_jump(t, s, cpu, lin);
    s->valid = n && decode(bytes, n, cpu->code_mode, &i) == DECODE_OK;
    s->lin = lin;
    s->next = s->valid ? lin + i.len : lin;
    s->mode = cpu->code_mode;
    if (t->wanted & TRACE_INSN)
        trace_insn(t, cpu, lin, bytes, n);
}

static void on_access(void *opaque, struct cpu *cpu, uint64_t lin, uint64_t phys, unsigned size,
                      bool write)
{
    struct trace *t = opaque;
    uint8_t bytes[8] = {0};
    uint64_t v;

    if (size <= 8)
        debugger_read_quick(cpu, true, phys, bytes, size);
    memcpy(&v, bytes, 8);
    fprintf(out(t), "cpu%u %s %u bytes at %" PRIx64 " (phys %" PRIx64 ")", cpu->v.index,
            write ? "write" : "read", size, lin, phys);
    if (size <= 8)
        fprintf(out(t), ": %0*" PRIx64, 2 * (int)size, v);
    fputc('\n', out(t));
}

static void on_event(void *opaque, struct cpu *cpu, unsigned event, uint64_t arg, uint64_t value)
{
    struct trace *t = opaque;
    const char *name = vector_text((unsigned)arg);

    fprintf(out(t), "cpu%u ", cpu->v.index);
    switch (event) {
    case PROBE_PORT_IN:
    case PROBE_PORT_OUT:
        fprintf(out(t), "%s port %" PRIx64 ": %0*" PRIx64 "\n",
                event == PROBE_PORT_IN ? "in " : "out", arg, 2 * (int)(value & 0xff), value >> 8);
        break;
    case PROBE_EXCEPTION:
        fprintf(out(t), "exception %" PRIu64 " %s error %" PRIx64 " at %" PRIx64 "\n", arg, name,
                value, debugger_pc(cpu));
        break;
    case PROBE_INTERRUPT:
        fprintf(out(t), "%s %" PRIx64 ", handler at %" PRIx64 "\n", value ? "interrupt" : "INT",
                arg, debugger_pc(cpu));
        break;
    default:
        fprintf(out(t), "mode: %s -> %s\n", probe_mode_name((enum probe_mode)value),
                probe_mode_name((enum probe_mode)arg));
    }
}

/* ---- what is wanted ---- */

void trace_free(struct trace *t)
{
    if (!t)
        return;
    if (t->file)
        fclose(t->file);
    free(t->cpus);
    free(t);
}

static struct trace *trace_of(struct monitor *mon)
{
    struct commands *c = commands_of(mon);
    unsigned n = debugger_ncpus(c->d);

    if (!c->trace)
        c->trace = calloc(1, sizeof(*c->trace));
    if (c->trace && !c->trace->cpus)
        c->trace->cpus = calloc(n ? n : 1, sizeof(*c->trace->cpus));
    if (c->trace && c->trace->cpus) {
        c->trace->c = c;
        return c->trace;
    }
    monitor_error(mon, "out of memory\n");
    return NULL;
}

static void apply(struct trace *t)
{
    struct debug_tracer tracer = {
        .instructions = t->wanted & (TRACE_INSN | TRACE_BRANCH | TRACE_CALL),
        .memory = t->wanted & TRACE_MEM,
        .instruction = on_instruction,
        .access = on_access,
        .event = on_event,
        .opaque = t,
    };

    if (t->wanted & TRACE_IO)
        tracer.events |= 1u << PROBE_PORT_IN | 1u << PROBE_PORT_OUT;
    if (t->wanted & TRACE_IRQ)
        tracer.events |= 1u << PROBE_INTERRUPT | 1u << PROBE_EXCEPTION;
    if (t->wanted & TRACE_MODE)
        tracer.events |= 1u << PROBE_MODE;
    memset(t->cpus, 0, debugger_ncpus(t->c->d) * sizeof(*t->cpus));
    debugger_trace(t->c->d, t->wanted ? &tracer : NULL);
    fflush(out(t));
}

/* The old file is closed when nothing writes to it any more. */
static bool open_file(struct monitor *mon, struct trace *t, const char *path)
{
    FILE *f = fopen(path, "we"), *old = t->file;

    if (!f) {
        monitor_error(mon, "%s: %s\n", path, strerror(errno));
        return false;
    }
    debugger_trace(t->c->d, NULL);
    t->file = f;
    snprintf(t->path, sizeof(t->path), "%s", path);
    if (old)
        fclose(old);
    return true;
}

static bool parse_kind(struct monitor *mon, const char *word, unsigned *kind)
{
    struct suggestion near;

    suggest_begin(&near, word);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!strcmp(kinds[i].name, word)) {
            *kind = kinds[i].kind;
            return true;
        }
        suggest_offer(&near, kinds[i].name);
    }
    monitor_error(mon, "trace %s: there is no such trace; did you mean %s?\n", word, near.best);
    return false;
}

void info_trace(struct monitor *mon, const struct monitor_args *args)
{
    const struct trace *t = commands_of(mon)->trace;

    (void)args;
    if (!t || !t->wanted) {
        monitor_printf(mon, "nothing is traced\n");
        return;
    }
    monitor_printf(mon, "traced:");
    for (size_t i = 0; i + 1 < ARRAY_SIZE(kinds); i++)
        if (t->wanted & kinds[i].kind)
            monitor_printf(mon, " %s", kinds[i].name);
    monitor_printf(mon, "%s%s\n", t->file ? " to " : "", t->file ? t->path : "");
}

void cmd_trace(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->n ? args->text[0] : "";
    struct trace *t = trace_of(mon);
    unsigned wanted = 0, kind = 0;
    bool off = false, file = false;
    char word[64];

    while (t && take_word(&rest, word, sizeof(word))) {
        if (!strcmp(word, "to")) {
            if (!*rest)
                monitor_error(mon, "usage: trace WHAT to FILE\n");
            if (!*rest || !open_file(mon, t, rest))
                return;
            file = true;
            break;
        }
        off |= !strcmp(word, "off");
        if (strcmp(word, "off") != 0 && !parse_kind(mon, word, &kind))
            return;
        wanted |= strcmp(word, "off") != 0 ? kind : 0;
    }
    if (!t)
        return;
    if (wanted || off)
        t->wanted = off ? t->wanted & ~(wanted ? wanted : ~0u) : t->wanted | wanted;
    else if (file)
        t->wanted = t->wanted ? t->wanted : TRACE_INSN;
    apply(t);
    info_trace(mon, args);
}

static bool on_off(struct monitor *mon, const char *text, bool *on)
{
    *on = !strcmp(text, "on");
    if (*on || !strcmp(text, "off"))
        return true;
    monitor_error(mon, "%s: on or off is expected\n", text);
    return false;
}

void cmd_trace_reg(struct monitor *mon, const struct monitor_args *args)
{
    struct trace *t = trace_of(mon);

    if (t && on_off(mon, args->text[0], &t->registers))
        monitor_printf(mon, "traces of instructions are with%s registers\n",
                       t->registers ? "" : "out");
}

static void switch_kinds(struct monitor *mon, unsigned kind, bool on)
{
    struct trace *t = trace_of(mon);

    if (!t)
        return;
    t->wanted = on ? t->wanted | kind : t->wanted & ~kind;
    apply(t);
    info_trace(mon, &(struct monitor_args){.n = 0});
}

void cmd_trace_mem(struct monitor *mon, const struct monitor_args *args)
{
    bool on;

    if (on_off(mon, args->text[0], &on))
        switch_kinds(mon, TRACE_MEM, on);
}

/* Bochs's names of what it shows while the guest runs. */
void cmd_show(struct monitor *mon, const struct monitor_args *args)
{
    static const struct {
        const char *name;
        unsigned kind;
    } shows[] = {
        {"mode", TRACE_MODE},
        {"int", TRACE_IRQ},
        {"softint", TRACE_IRQ},
        {"extint", TRACE_IRQ},
        {"iret", TRACE_CALL},
        {"call", TRACE_CALL},
        {"all", TRACE_MODE | TRACE_IRQ | TRACE_CALL},
    };

    if (!args->n) {
        info_trace(mon, args);
        return;
    }
    if (!strcmp(args->text[0], "off") || !strcmp(args->text[0], "none")) {
        switch_kinds(mon, ~0u, false);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(shows); i++)
        if (!strcmp(args->text[0], shows[i].name)) {
            switch_kinds(mon, shows[i].kind, true);
            return;
        }
    monitor_error(mon, "show %s: mode, int, softint, extint, iret, call, all or off is expected\n",
                  args->text[0]);
}
