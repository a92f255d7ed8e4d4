/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The processor's tables in memory: IDT, GDT, LDT, TSS, page tables. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cpu/x86/explain.h"
#include "debugger/commands_internal.h"
#include "vm/machine.h"

#define LINES_MAX 4096

/* A stretch of a table's entries, as `info idt [FIRST [LAST]]` asks for it. */
struct table {
    const char *name;
    uint64_t base;
    uint32_t limit;
    unsigned size; /* of an entry */
    uint64_t first, last;
    bool all; /* none was named: empty ones are left out */
};

static bool choose(struct monitor *mon, const struct monitor_args *args, struct table *t)
{
    uint64_t count = ((uint64_t)t->limit + 1) / t->size;

    t->all = !args->n;
    t->first = args->n ? args->number[0] : 0;
    t->last = args->n > 1 ? args->number[1] : args->n ? t->first : count ? count - 1 : 0;
    monitor_printf(mon, "%s at %016" PRIx64 ", limit %04x: %" PRIu64 " entries\n", t->name, t->base,
                   t->limit, count);
    if (t->first >= count && args->n) {
        monitor_error(mon, "the %s has entries up to 0x%" PRIx64 "\n", t->name, count - 1);
        return false;
    }
    t->last = t->last < count ? t->last : count - 1;
    return count > 0;
}

static bool read_table(struct monitor *mon, uint64_t lin, uint8_t *raw, size_t n)
{
    if (explain_read(cpu_here(mon), lin, raw, n) == n)
        return true;
    monitor_error(mon, "Cannot access memory at 0x%" PRIx64 "\n", lin);
    return false;
}

/* ---- IDT, IVT ---- */

static void print_ivt(struct monitor *mon, const struct table *t)
{
    for (uint64_t i = t->first; i <= t->last; i++) {
        uint8_t raw[4];
        char place[256];

        if (!read_table(mon, t->base + 4 * i, raw, 4))
            return;
        unsigned seg = ld_le16(raw + 2), off = ld_le16(raw);
        place_text(commands_of(mon), 16 * (uint64_t)seg + off, place, sizeof(place));
        monitor_printf(mon, "%02x  %04x:%04x  %05x %s\n", (unsigned)i, seg, off, 16 * seg + off,
                       place);
    }
}

void info_ivt(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    struct table t = {.name = "IVT", .size = 4, .limit = 0x3ff};

    if (!cpu)
        return;
    if (!cpu_protected(cpu)) {
        t.base = cpu->idtr.base;
        t.limit = cpu->idtr.limit < 0x3ff ? cpu->idtr.limit : 0x3ff;
    }
    if (choose(mon, args, &t))
        print_ivt(mon, &t);
}

static void print_gate(struct monitor *mon, const struct cpu *cpu, uint64_t i, const uint8_t *raw)
{
    char text[160], place[256] = "";
    uint64_t offset = ld_le16(raw) | (uint64_t)ld_le16(raw + 6) << 16;

    if (cpu->long_mode)
        offset |= (uint64_t)ld_le32(raw + 8) << 32;
    explain_gate(raw, cpu->long_mode, text, sizeof(text));
    if (cpu->code_mode != CODE16)
        place_text(commands_of(mon), offset, place, sizeof(place));
    monitor_printf(mon, "%02x %-3s %s%s%s\n", (unsigned)i, vector_text((unsigned)i), text,
                   *place ? "  " : "", place);
}

void info_idt(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    uint8_t raw[16] = {0};

    if (!cpu)
        return;
    if (!cpu_protected(cpu)) {
        info_ivt(mon, args);
        return;
    }
    struct table t = {.name = "IDT",
                      .base = cpu->idtr.base,
                      .limit = cpu->idtr.limit,
                      .size = cpu->long_mode ? 16 : 8};
    if (!choose(mon, args, &t))
        return;
    for (uint64_t i = t.first; i <= t.last && i < 256; i++) {
        if (!read_table(mon, t.base + i * t.size, raw, t.size))
            return;
        if (!t.all || raw[5] & 0x80)
            print_gate(mon, cpu, i, raw);
    }
}

/* ---- GDT, LDT ---- */

static void print_descriptors(struct monitor *mon, const struct monitor_args *args, struct table *t)
{
    const struct cpu *cpu = cpu_here(mon);
    unsigned shown = 0;

    if (!choose(mon, args, t))
        return;
    for (uint64_t i = t->first; i <= t->last && shown < LINES_MAX; i++) {
        uint8_t raw[16] = {0};
        bool wide;
        char text[160];

        if (!read_table(mon, t->base + 8 * i, raw, 8))
            return;
        wide = cpu->long_mode && !(raw[5] & 0x10) && raw[5] & 0xf;
        if (wide && (!read_table(mon, t->base + 8 * i + 8, raw + 8, 8)))
            return;
        if (t->all && !ld_le32(raw) && !ld_le32(raw + 4))
            continue;
        explain_descriptor(raw, cpu->long_mode, text, sizeof(text));
        monitor_printf(mon, "%04x %s\n", (unsigned)(8 * i), text);
        i += wide;
        shown++;
    }
}

void info_gdt(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    if (!cpu)
        return;
    struct table t = {.name = "GDT", .base = cpu->gdtr.base, .limit = cpu->gdtr.limit, .size = 8};
    print_descriptors(mon, args, &t);
}

void info_ldt(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    if (!cpu)
        return;
    struct table t = {.name = "LDT", .base = cpu->ldtr.base, .limit = cpu->ldtr.limit, .size = 8};
    if (cpu->ldtr.attr & SEG_ATTR_P && cpu->ldtr.sel & 0xfffc)
        print_descriptors(mon, args, &t);
    else
        monitor_printf(mon, "there is no LDT: LDTR is null\n");
}

/* ---- TSS ---- */

struct tss_field {
    const char *name;
    uint16_t offset;
    uint8_t size;
};

/* SDM vol. 3A figures 8-2, 8-10 and 8-11. */
static const struct tss_field tss32[] = {
    {"link", 0, 2}, {"esp0", 4, 4},         {"ss0", 8, 2},       {"esp1", 12, 4},
    {"ss1", 16, 2}, {"esp2", 20, 4},        {"ss2", 24, 2},      {"cr3", 28, 4},
    {"eip", 32, 4}, {"eflags", 36, 4},      {"eax", 40, 4},      {"ecx", 44, 4},
    {"edx", 48, 4}, {"ebx", 52, 4},         {"esp", 56, 4},      {"ebp", 60, 4},
    {"esi", 64, 4}, {"edi", 68, 4},         {"es", 72, 2},       {"cs", 76, 2},
    {"ss", 80, 2},  {"ds", 84, 2},          {"fs", 88, 2},       {"gs", 92, 2},
    {"ldt", 96, 2}, {"debug trap", 100, 2}, {"I/O map", 102, 2}, {0},
};
static const struct tss_field tss16[] = {
    {"link", 0, 2}, {"sp0", 2, 2}, {"ss0", 4, 2},    {"sp1", 6, 2},  {"ss1", 8, 2}, {"sp2", 10, 2},
    {"ss2", 12, 2}, {"ip", 14, 2}, {"flags", 16, 2}, {"ax", 18, 2},  {"cx", 20, 2}, {"dx", 22, 2},
    {"bx", 24, 2},  {"sp", 26, 2}, {"bp", 28, 2},    {"si", 30, 2},  {"di", 32, 2}, {"es", 34, 2},
    {"cs", 36, 2},  {"ss", 38, 2}, {"ds", 40, 2},    {"ldt", 42, 2}, {0},
};
static const struct tss_field tss64[] = {
    {"rsp0", 4, 8},  {"rsp1", 12, 8}, {"rsp2", 20, 8},     {"ist1", 36, 8},
    {"ist2", 44, 8}, {"ist3", 52, 8}, {"ist4", 60, 8},     {"ist5", 68, 8},
    {"ist6", 76, 8}, {"ist7", 84, 8}, {"I/O map", 102, 2}, {0},
};

void info_tss(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    const struct tss_field *f;
    unsigned column = 0;

    (void)args;
    if (!cpu)
        return;
    f = cpu->long_mode ? tss64 : (cpu->tr.attr & SEG_ATTR_TYPE) >= 8 ? tss32 : tss16;
    monitor_printf(mon, "TR %04x: base %016" PRIx64 ", limit %x, %s bits\n", cpu->tr.sel,
                   cpu->tr.base, cpu->tr.limit,
                   f == tss64   ? "64"
                   : f == tss32 ? "32"
                                : "16");
    if (!(cpu->tr.sel & 0xfffc)) {
        monitor_printf(mon, "no task register was loaded\n");
        return;
    }
    for (; f->name; f++) {
        uint8_t raw[8] = {0};
        uint64_t v;

        if (f->offset + f->size - 1u > cpu->tr.limit)
            break;
        if (!read_table(mon, cpu->tr.base + f->offset, raw, f->size))
            return;
        memcpy(&v, raw, 8);
        monitor_printf(mon, "%-10s %0*" PRIx64 "%s", f->name, f->size * 2, v,
                       ++column % 3 ? "   " : "\n");
    }
    monitor_printf(mon, column % 3 ? "\n" : "");
}

/* ---- page tables ---- */

/* Linear stretches and where they lie. */
struct mapping {
    uint64_t lin, phys, size;
};

static void print_mapping(struct monitor *mon, const struct mapping *m)
{
    if (m->size)
        monitor_printf(mon, "%016" PRIx64 "-%016" PRIx64 " -> %016" PRIx64 "-%016" PRIx64 "\n",
                       m->lin, m->lin + (m->size - 1), m->phys, m->phys + (m->size - 1));
}

/* The next linear address behind `lin` that has a translation; uses each table once. */
struct tab_walk {
    struct monitor *mon;
    struct mapping now;
    unsigned tables, lines;
    unsigned entry_size, levels;
    bool pse;
};

static uint64_t table_entry(struct tab_walk *w, uint64_t at)
{
    uint8_t bytes[8] = {0};
    uint64_t v;

    debugger_read(debugger_of(w->mon), w->mon->cpu, true, at, bytes, w->entry_size);
    memcpy(&v, bytes, 8);
    return v;
}

static void add_page(struct tab_walk *w, uint64_t lin, uint64_t phys, uint64_t size)
{
    if (w->now.size && w->now.lin + w->now.size == lin && w->now.phys + w->now.size == phys) {
        w->now.size += size;
        return;
    }
    print_mapping(w->mon, &w->now);
    w->lines += w->now.size != 0;
    w->now = (struct mapping){lin, phys, size};
}

static void walk_tab(struct tab_walk *w, uint64_t table, unsigned level, uint64_t base)
{
    unsigned bits = w->entry_size == 8 ? 9 : 10, shift = 12 + bits * level;
    unsigned n = level == 2 && w->levels == 3 ? 4 : 1u << bits;

    if (w->tables++ >= 65536)
        return;
    for (unsigned i = 0; i < n && w->lines < LINES_MAX; i++) {
        uint64_t e = table_entry(w, table + (uint64_t)i * w->entry_size), size = 1ull << shift;
        uint64_t lin = base | (uint64_t)i << shift, frame = e & 0xffffffffff000ull;
        bool pdpte = level == 2 && w->levels == 3;

        if (!(e & 1))
            continue;
        if (w->levels == 4 && lin >> 47)
            lin |= 0xffffull << 48;
        if (level == 0 || (!pdpte && level < 3 && e & 0x80 && (w->entry_size == 8 || w->pse)))
            add_page(w, lin, frame & ~(size - 1), size);
        else
            walk_tab(w, frame, level - 1, lin);
    }
}

void info_tab(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    struct tab_walk w = {.mon = mon};

    (void)args;
    if (!cpu)
        return;
    if (!(cpu->cr0 & CR0_PG)) {
        monitor_printf(mon, "paging is off\n");
        return;
    }
    w.entry_size = cpu->cr4 & CR4_PAE ? 8 : 4;
    w.levels = w.entry_size == 4 ? 2 : cpu->long_mode ? 4 : 3;
    w.pse = cpu->cr4 & CR4_PSE;
    monitor_printf(mon, "CR3 0x%" PRIx64 "\n", cpu->cr3);
    walk_tab(&w, cpu->cr3 & (w.levels == 3 ? 0xffffffe0ull : 0xffffffffff000ull), w.levels - 1, 0);
    print_mapping(mon, &w.now);
    if (w.lines >= LINES_MAX)
        monitor_printf(mon, "(and more)\n");
}

void info_pt(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    const struct explain_access read = {.user = cpu && cpu->cpl == 3};
    uint64_t lin;

    if (!cpu)
        return;
    lin = debugger_pc(cpu);
    if (!args->n || parse_linear(mon, args->text[0], &lin))
        explain_page(debugger_cpu(debugger_of(mon), mon->cpu), lin, &read, monitor_print_line, mon);
}
