/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `monitor`: every command that monitors and the prompt have, and a few about this server. */
#include <stdlib.h>
#include <string.h>

#include "debugger/gdb_internal.h"
#include "monitor/monitor.h"
#include "vm/machine.h"

static const char help[] =
    "monitor COMMAND          any command of the monitor; see: monitor help\n"
    "monitor gdb              this text\n"
    "monitor gdb step over    stepi passes over calls, repeated instructions and INT n\n"
    "monitor gdb step insn    stepi is one instruction; interrupts run unseen (default)\n"
    "monitor gdb step irq     stepi is one instruction, or the delivery of an interrupt\n"
    "monitor gdb physical on|off   addresses of memory are physical\n"
    "\n"
    "Addresses are linear. $rip and $eip, and so $pc, have CS's base added, in every mode: break\n"
    "*0x7c00, x/i $pc and stepi work in real mode too. $cs_rip is the register itself; the stack "
    "is\n"
    "at $ss_base + $rsp. `info registers system` has segments, tables, control and debug "
    "registers,\n"
    "`info registers msr` MSRs.\n"
    "16-bit code: set architecture i8086     32-bit code: set architecture i386\n"
    "64-bit code: set architecture auto      any code: monitor x/10i $pc\n"
    "A kernel that KASLR will move: monitor tbreak start_kernel, continue, and connect again, so "
    "that\n"
    "gdb is told where it is now; monitor break NAME follows it by itself, modules too.\n";

static void set_step(struct gdb *g, const char *how)
{
    if (!strcmp(how, "over"))
        g->step = STEP_OVER;
    else if (!strcmp(how, "insn"))
        g->step = STEP_INSN;
    else if (!strcmp(how, "irq"))
        g->step = STEP_INSN_IRQ;
    else
        gdb_say(g, "gdb step: over, insn or irq is expected\n");
}

/* Commands about this server. False: it is none. */
static bool own_command(struct gdb *g, const char *text)
{
    if (strncmp(text, "gdb", 3) != 0 || (text[3] && text[3] != ' '))
        return false;
    text += 3 + strspn(text + 3, " ");
    if (!strncmp(text, "step ", 5))
        set_step(g, text + 5 + strspn(text + 5, " "));
    else if (!strcmp(text, "physical on") || !strcmp(text, "physical off"))
        g->physical = text[10] == 'n';
    else
        gdb_say(g, help);
    return true;
}

/* A terminal in raw mode needs carriage returns, gdb's does not. */
static void say_lines(struct gdb *g, char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++)
        if (*from != '\r')
            *to++ = *from;
    *to = '\0';
    gdb_say(g, text);
}

void gdb_monitor(struct gdb *g, const char *args)
{
    size_t n = (size_t)(g->end - args) / 2;
    char *text = malloc(n + 1), *said;

    if (!text || !gdb_take_bytes(&args, text, n) || *args || memchr(text, '\0', n)) {
        free(text);
        gdb_refuse(g, "qRcmd: text in hexadecimal is expected");
        return;
    }
    text[n] = '\0';
    if (!own_command(g, text)) {
        said = monitor_execute_text(debugger_control(g->d), text, g->cpu);
        if (said)
            say_lines(g, said);
        free(said);
    }
    free(text);
    gdb_ok(g);
}
