/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_COMMANDS_INTERNAL_H
#define CALQUE_DEBUGGER_COMMANDS_INTERNAL_H

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/commands.h"
#include "debugger/debugger.h"
#include "debugger/expr.h"
#include "debugger/symbols.h"
#include "monitor/monitor_internal.h"

#define FRAMES_MAX 64

struct calls;
struct trace;

struct commands {
    struct debugger *d;
    struct control *ctl;
    struct commands_host host;
    bool no_insn; /* set u off: stops do not show the next instruction */
    /* The frame that `frame`, `up` and `down` chose; another stop makes it the innermost again. */
    unsigned frame, frame_cpu;
    uint64_t frame_pc, frame_sp;
    char list_file[256]; /* `list` goes on there */
    unsigned list_line;
    uint64_t unassemble_next; /* so does `disassemble` */
    uint64_t time_break;      /* of sb and sba: a count of instructions; 0: none */
    unsigned collecting;      /* the breakpoint whose commands are being typed; 0: none */
    char layout[256];         /* a file of commands for each stop */
    unsigned unassemble_bits; /* u size: 16, 32, 64; 0: as the mode is */
    bool watch_continue;      /* watch continue: they are counted only */
    /* Places by name move when a kernel is loaded or finds its address: what such a step of a
     * system changes, as last seen, and the breakpoints that look for changes and for modules. */
    uint64_t seen[3];
    struct breakpoint *lookout, *module_lookout;
    struct trace *trace;
    struct calls *calls;
};

extern const struct monitor_command debugger_commands[];
extern const struct monitor_command debugger_info_commands[];

/* ---- commands.c ---- */
static inline struct commands *commands_of(struct monitor *mon)
{
    return mon->ctl->extension.opaque;
}
static inline struct debugger *debugger_of(struct monitor *mon)
{
    return commands_of(mon)->d;
}
/* The CPU that the commands are about; NULL, said, if the machine has none. */
struct cpu *cpu_here(struct monitor *mon);
/* Prints the error if not ok; returns ok. */
bool say(struct monitor *mon, bool ok, const struct error *err);
/* An address as people write it; "phys:ADDR" and "p:ADDR" are physical. False: said. */
bool parse_place(struct monitor *mon, const char *text, uint64_t *addr, bool *physical);
bool parse_linear(struct monitor *mon, const char *text, uint64_t *lin);
/* An expression's value; registers, symbols. False: said. */
bool parse_value(struct monitor *mon, const char *text, uint64_t *value);
/* The next word of *text into buf, and *text behind it and blanks. False: there is none. */
bool take_word(const char **text, char *buf, size_t size);
/* Splits "WHAT if CONDITION" in place: *what, and the condition or NULL. */
void split_condition(char *text, char **condition);
void print_bytes(struct monitor *mon, uint64_t addr, const uint8_t *p, size_t n);

/* ---- stop.c ---- */
/* One instruction of a CPU at linear address lin with its bytes and the symbol of its target, as
 * text; its length. */
unsigned insn_text(struct commands *c, unsigned cpu, uint64_t lin, unsigned code_mode, char *text,
                   size_t size);
/* "start_kernel+0x1c at init/main.c:870"; empty if nothing is known of it. */
void place_text(struct commands *c, uint64_t lin, char *text, size_t size);
const char *vector_text(unsigned vector); /* "#GP"; "" for those that have no name */
void print_mode(struct monitor *mon, const struct cpu *cpu);

/* ---- trace.c ---- */
void trace_free(struct trace *t);
/* ---- call.c ---- */
void calls_free(struct calls *c);

/* cmd_run.c */
monitor_fn cmd_step, cmd_next, cmd_stepline, cmd_nextline, cmd_finish, cmd_until, cmd_continue,
    cmd_time_break, cmd_time_break_absolute, cmd_source, cmd_interrupt, cmd_echo, cmd_addlyt,
    cmd_lyt, cmd_remlyt;
/* Puts a file's lines before those that wait. */
bool run_file(struct commands *c, const char *path, struct error *err);
/* place.c: the address of a breakpoint's place; false with *err. */
bool place_address(struct commands *c, unsigned cpu, const char *text, uint64_t *addr,
                   struct error *err);
#define PLACE_PENDING UINT64_MAX /* nothing has that name yet */
/* A name that something may have later. */
bool place_is_name(const char *text);
/* Finds breakpoints' places again, and looks out for changes while there is need. */
void places_update(struct commands *c);

/* cmd_break.c */
monitor_fn cmd_break, cmd_tbreak, cmd_pbreak, cmd_watch, cmd_rwatch, cmd_awatch, cmd_unwatch,
    cmd_delete, cmd_enable, cmd_disable, cmd_condition, cmd_ignore, cmd_commands, cmd_catch,
    cmd_modebp, info_breakpoints;
/* "PLACE [LENGTH]" or an lvalue: start, last and physical of b; `usual` bytes where nothing says
 * how many. text is changed. False: said. */
bool watched_place(struct monitor *mon, char *text, uint64_t usual, struct breakpoint *b);
/* cmd_time.c */
monitor_fn cmd_reverse_step, cmd_reverse_next, cmd_reverse_finish, cmd_reverse_continue, cmd_when,
    cmd_goto, cmd_last_write, cmd_bookmark;
/* cmd_data.c */
monitor_fn cmd_p, cmd_print_expr, cmd_set, cmd_setpmem, cmd_writemem, cmd_loadmem, cmd_search,
    cmd_dump, cmd_crc, cmd_print_stack, cmd_print_string, cmd_page, cmd_deref;
/* cmd_code.c */
monitor_fn cmd_disassemble, cmd_bt, cmd_frame, cmd_up, cmd_down, cmd_list, cmd_symbol_file,
    cmd_symbols_list, info_symbol, info_line, info_frame, info_locals;
/* The frame that was chosen, in *frame; NULL: the innermost. */
const struct frame *chosen_frame(struct commands *c, unsigned cpu, struct frame *frame);
/* An expression in the frame that was chosen. NULL with *err. */
struct expr *parse_in_frame(struct monitor *mon, const char *text, struct error *err);
/* cmd_registers.c */
monitor_fn cmd_registers, cmd_sreg, cmd_creg, cmd_dreg, cmd_fp, cmd_mmx, cmd_sse, cmd_ymm,
    info_regs, info_cpu, info_msr, info_flags;
/* cmd_tables.c */
monitor_fn info_idt, info_ivt, info_gdt, info_ldt, info_tss, info_tab, info_pt;
/* cmd_machine.c */
monitor_fn info_device_any, info_time, info_all, cmd_ptime, cmd_instrument, cmd_vmexitbp,
    cmd_restore, cmd_zmm, info_dirty;
/* trace.c */
monitor_fn cmd_trace, cmd_trace_reg, cmd_trace_mem, cmd_show, info_trace;
/* call.c */
monitor_fn cmd_load, cmd_declare, cmd_call;

#endif
