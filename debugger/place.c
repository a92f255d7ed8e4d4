/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places of breakpoints by name. A name may have no address yet, or another one when the kernel is
 * loaded or has moved itself: a breakpoint keeps its text, which is looked up anew at each stop. As
 * long as something is missing, writes of control registers at which the system has come a step
 * further (another IDT, another entry point, paging) are such stops, unseen, and so is a Linux
 * kernel's call of do_init_module(): a module is where it will be, and has not run yet. gdb's
 * addresses are looked for in the same way where the kernel has moved to. */
#include <ctype.h>
#include <string.h>

#include "debugger/commands_internal.h"

/* x86-64 kernels are linked from here on (Documentation/x86/x86_64/mm.rst). */
#define LINUX_IMAGE 0xffffffff80000000

bool place_is_name(const char *text)
{
    const char *p = text;

    if (!isalpha((unsigned char)*p) && *p != '_')
        return false;
    while (isalnum((unsigned char)*p) || (*p && strchr("_.$@-/:", *p)))
        p++;
    return !*p;
}

bool place_address(struct commands *c, unsigned cpu, const char *text, uint64_t *addr,
                   struct error *err)
{
    struct symbols *symbols = debugger_symbols(c->d);
    struct symbol s;

    if (!expr_address(c->d, cpu, text, addr, err))
        return false;
    if (symbol_find(symbols, text, &s) && s.function && s.start == *addr)
        *addr = symbols_after_prologue(symbols, *addr);
    return true;
}

static bool is_named(const struct breakpoint *b)
{
    return b->number && b->kind == BREAK_EXECUTE && !b->physical && b->where &&
           place_is_name(b->where);
}

/* ---- the lookout ---- */

static bool system_changed(struct commands *c, const struct cpu *cpu)
{
    const uint64_t now[] = {(cpu->cr0 & CR0_PG) | cpu->long_mode, cpu->idtr.base, cpu->lstar};
    bool same = !memcmp(now, c->seen, sizeof(now));

    memcpy(c->seen, now, sizeof(now));
    return !same;
}

/* On the CPU thread. Steps are not disturbed. */
static bool lookout_holds(void *opaque, struct debugger *d, struct cpu *cpu)
{
    return debugger_continues(d) && system_changed(opaque, cpu);
}

static void look(void *owner)
{
    places_update(owner);
}

static void set_lookout(struct commands *c, bool wanted)
{
    const struct breakpoint b = {.kind = BREAK_CR,
                                 .start = 0,
                                 .last = 4,
                                 .access = 2,
                                 .enabled = true,
                                 .cpu = -1,
                                 .condition = {.holds = lookout_holds, .opaque = c},
                                 .owner = c,
                                 .reached = look};

    if (wanted && !c->lookout) {
        c->lookout = breakpoint_add(c->d, &b, NULL);
    } else if (!wanted && c->lookout) {
        breakpoint_remove(c->d, c->lookout);
        c->lookout = NULL;
    }
}

/* Likewise. It gives way to others at its place. */
static bool module_holds(void *opaque, struct debugger *d, struct cpu *cpu)
{
    const struct breakpoint *own = ((const struct commands *)opaque)->module_lookout;

    (void)cpu;
    for (const struct breakpoint *b = breakpoint_first(d); b; b = b->next)
        if (b != own && b->kind == BREAK_EXECUTE && b->enabled && b->start == own->start)
            return false;
    return debugger_continues(d);
}

static void set_module_lookout(struct commands *c, bool wanted)
{
    struct breakpoint b = {.kind = BREAK_EXECUTE,
                           .enabled = true,
                           .cpu = -1,
                           .condition = {.holds = module_holds, .opaque = c},
                           .owner = c,
                           .reached = look};
    struct symbol s;

    wanted = wanted && symbol_find(debugger_symbols(c->d), "do_init_module", &s);
    if (c->module_lookout && (!wanted || c->module_lookout->start != s.start)) {
        breakpoint_remove(c->d, c->module_lookout);
        c->module_lookout = NULL;
    }
    if (wanted && !c->module_lookout) {
        b.start = b.last = s.start;
        c->module_lookout = breakpoint_add(c->d, &b, NULL);
    }
}

/* There are symbols of a Linux kernel that is not where they say, or not yet. */
static bool kernel_may_move(struct commands *c)
{
    static const char banner[] = "Linux version ";
    char text[sizeof(banner)] = "";
    struct symbol s;

    if (!symbol_find(debugger_symbols(c->d), "linux_banner", &s))
        return false;
    debugger_read(c->d, 0, false, s.start, text, sizeof(banner) - 1);
    return strcmp(text, banner) != 0;
}

/* Breakpoints at addresses that may be a kernel's before it moves. True: that is to be looked for.
 */
static bool update_linked(struct commands *c)
{
    struct symbols *s = debugger_symbols(c->d);
    uint64_t slide = 0, start = 0, end = 0;
    bool any = false, known;

    for (const struct breakpoint *b = breakpoint_first(c->d); b; b = b->next)
        any |= b->moved && b->start >= LINUX_IMAGE;
    known = any && symbols_linux_slide(s, &slide, &start, &end);
    /* What it adds and removes is behind the one that it is called for. */
    for (struct breakpoint *b = breakpoint_first(c->d); b && known && slide; b = b->next)
        if (b->moved && b->start >= start && b->start < end)
            b->moved(c->d, b, b->start + slide);
    return any && !known;
}

void places_update(struct commands *c)
{
    bool missing = false, named = false;

    for (struct breakpoint *b = breakpoint_first(c->d); b; b = b->next) {
        uint64_t addr = PLACE_PENDING;
        struct error err;

        if (!is_named(b))
            continue;
        named = true;
        if (!place_address(c, b->cpu < 0 ? 0 : (unsigned)b->cpu, b->where, &addr, &err))
            addr = b->start;
        missing |= addr == PLACE_PENDING;
        if (addr == b->start)
            continue;
        b->start = b->last = addr;
        breakpoint_changed(c->d, b);
    }
    set_lookout(c, update_linked(c) || missing || (named && kernel_may_move(c)));
    set_module_lookout(c, missing);
}

void commands_look(struct commands *c)
{
    if (c)
        places_update(c);
}
