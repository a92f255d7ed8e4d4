/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, by groups and by name. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cpu/x86/probe.h"
#include "cpu/x86/registers.h"
#include "debugger/commands_internal.h"

#define MSR_NAME_MAX 32

/* ---- by name ---- */

static void print_wide(struct monitor *mon, const uint8_t *v, unsigned size)
{
    for (unsigned i = size; i-- > 0;)
        monitor_printf(mon, "%02x%s", v[i], i && i % 4 == 0 ? "_" : "");
}

static void print_register(struct monitor *mon, const struct cpu *cpu, const struct cpu_register *r)
{
    uint8_t value[16] = {0};
    char place[256] = "";
    uint64_t v;

    r->get(cpu, r, value);
    memcpy(&v, value, 8);
    monitor_printf(mon, "%-14s ", r->name);
    if (r->size > 8) {
        print_wide(mon, value, r->size);
        monitor_printf(mon, "\n");
        return;
    }
    if (r->size == 8)
        place_text(commands_of(mon), v, place, sizeof(place));
    monitor_printf(mon, "0x%-17" PRIx64 " %" PRId64 "%s%s%s\n", v, (int64_t)v, *place ? "  <" : "",
                   place, *place ? ">" : "");
}

static void print_group(struct monitor *mon, const struct cpu *cpu, enum register_group group)
{
    for (unsigned i = 0; i < num_cpu_registers; i++)
        if (cpu_registers[i].group == group)
            print_register(mon, cpu, &cpu_registers[i]);
}

static void print_named(struct monitor *mon, const struct cpu *cpu, const char *names)
{
    char name[MSR_NAME_MAX];

    while (take_word(&names, name, sizeof(name))) {
        const struct cpu_register *r = cpu_register_find(name + (*name == '$'));

        if (r)
            print_register(mon, cpu, r);
        else
            monitor_error(mon, "%s: no such register\n", name);
    }
}

/* General registers side by side, as the mode has them. */
static void print_general(struct monitor *mon, const struct cpu *cpu)
{
    static const char *const names[] = {"ax", "bx", "cx", "dx", "sp", "bp", "si", "di"};
    static const uint8_t order[] = {R_RAX, R_RBX, R_RCX, R_RDX, R_RSP, R_RBP, R_RSI, R_RDI};
    bool wide = cpu->long_mode;
    int digits = wide ? 16 : 8;
    uint64_t mask = wide ? ~0ull : 0xffffffff;

    for (unsigned i = 0; i < 8; i++)
        monitor_printf(mon, "%c%s %0*" PRIx64 "%s", wide ? 'r' : 'e', names[i], digits,
                       cpu->r[order[i]] & mask, i % 4 == 3 ? "\n" : "  ");
    for (unsigned i = 8; i < 16 && wide; i++)
        monitor_printf(mon, "r%-2u %016" PRIx64 "%s", i, cpu->r[i], i % 4 == 3 ? "\n" : "  ");
    monitor_printf(mon, "%cip %0*" PRIx64 "  %cflags %08x\n", wide ? 'r' : 'e', digits,
                   cpu->r[R_RIP] & mask, wide ? 'r' : 'e', cpu_eflags(cpu));
}

void cmd_registers(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    if (!cpu)
        return;
    if (args->n) {
        print_named(mon, cpu, args->text[0]);
        return;
    }
    print_general(mon, cpu);
    info_flags(mon, args);
}

/* info registers [CPU|NAME...] */
void info_regs(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    uint64_t n = mon->cpu;

    if (!cpu)
        return;
    if (args->n && (args->text[0][0] < '0' || args->text[0][0] > '9')) {
        print_named(mon, cpu, args->text[0]);
        return;
    }
    if (args->n && !parse_value(mon, args->text[0], &n))
        return;
    if (n < debugger_ncpus(debugger_of(mon)))
        cpu_print_registers(debugger_cpu(debugger_of(mon), (unsigned)n), monitor_print_line, mon);
    else
        monitor_error(mon, "there are %u CPUs\n", debugger_ncpus(debugger_of(mon)));
}

void info_cpu(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (!cpu)
        return;
    print_mode(mon, cpu);
    cpu_print_registers(cpu, monitor_print_line, mon);
}

/* ---- flags and control registers, bit by bit ---- */

struct bit_name {
    unsigned bit;
    const char *name;
};

static void print_bits(struct monitor *mon, uint64_t v, const struct bit_name *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (v >> names[i].bit & 1)
            monitor_printf(mon, " %s", names[i].name);
    monitor_printf(mon, "\n");
}

/* Bochs's way: capitals are set. */
void info_flags(struct monitor *mon, const struct monitor_args *args)
{
    static const struct bit_name names[] = {
        {21, "id"}, {20, "vip"}, {19, "vif"}, {18, "ac"}, {17, "vm"}, {16, "rf"},
        {14, "nt"}, {11, "of"},  {10, "df"},  {9, "if"},  {8, "tf"},  {7, "sf"},
        {6, "zf"},  {4, "af"},   {2, "pf"},   {0, "cf"},
    };
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (!cpu)
        return;
    uint32_t flags = cpu_eflags(cpu);
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        char name[4] = "";

        for (unsigned k = 0; names[i].name[k] && k < 3; k++)
            name[k] = (char)(names[i].name[k] - (flags >> names[i].bit & 1 ? 32 : 0));
        monitor_printf(mon, "%s ", name);
        if (names[i].bit == 14)
            monitor_printf(mon, "iopl=%u ", flags >> 12 & 3);
    }
    monitor_printf(mon, "\n");
}

void cmd_creg(struct monitor *mon, const struct monitor_args *args)
{
    static const struct bit_name cr0[] = {{31, "PG"}, {30, "CD"}, {29, "NW"}, {18, "AM"},
                                          {16, "WP"}, {5, "NE"},  {4, "ET"},  {3, "TS"},
                                          {2, "EM"},  {1, "MP"},  {0, "PE"}};
    static const struct bit_name cr4[] = {
        {21, "SMAP"}, {20, "SMEP"},       {18, "OSXSAVE"}, {17, "PCIDE"}, {16, "FSGSBASE"},
        {11, "UMIP"}, {10, "OSXMMEXCPT"}, {9, "OSFXSR"},   {8, "PCE"},    {7, "PGE"},
        {6, "MCE"},   {5, "PAE"},         {4, "PSE"},      {3, "DE"},     {2, "TSD"},
        {1, "PVI"},   {0, "VME"}};
    static const struct bit_name efer[] = {{11, "NXE"}, {10, "LMA"}, {8, "LME"}, {0, "SCE"}};
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (!cpu)
        return;
    monitor_printf(mon, "CR0=0x%08x:", cpu->cr0);
    print_bits(mon, cpu->cr0, cr0, ARRAY_SIZE(cr0));
    monitor_printf(mon, "CR2=0x%016" PRIx64 "\n", cpu->cr2);
    monitor_printf(mon, "CR3=0x%016" PRIx64 "%s%s\n", cpu->cr3, cpu->cr3 & 8 ? " PWT" : "",
                   cpu->cr3 & 16 ? " PCD" : "");
    monitor_printf(mon, "CR4=0x%08x:", cpu->cr4);
    print_bits(mon, cpu->cr4, cr4, ARRAY_SIZE(cr4));
    monitor_printf(mon, "CR8=0x%x\n", apic_get_cr8(cpu));
    monitor_printf(mon, "EFER=0x%08" PRIx64 ":", cpu->efer);
    print_bits(mon, cpu->efer, efer, ARRAY_SIZE(efer));
    monitor_printf(mon, "XCR0=0x%08" PRIx64 "\n", cpu->xcr0);
}

/* SDM vol. 3B 18.2 */
void cmd_dreg(struct monitor *mon, const struct monitor_args *args)
{
    static const char *const kinds[] = {"execute", "write", "I/O", "read or write"};
    static const uint8_t sizes[] = {1, 2, 8, 4};
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (!cpu)
        return;
    for (unsigned i = 0; i < 4; i++) {
        unsigned on = (unsigned)(cpu->dr[7] >> 2 * i & 3),
                 how = (unsigned)(cpu->dr[7] >> (16 + 4 * i) & 15);

        monitor_printf(mon, "DR%u=0x%016" PRIx64, i, cpu->dr[i]);
        if (on)
            monitor_printf(mon, ": %s, %u bytes,%s%s", kinds[how & 3], sizes[how >> 2],
                           on & 1 ? " local" : "", on & 2 ? " global" : "");
        monitor_printf(mon, "\n");
    }
    monitor_printf(mon, "DR6=0x%08" PRIx64 ":%s%s%s%s%s%s%s\n", cpu->dr[6],
                   cpu->dr[6] & 1 ? " B0" : "", cpu->dr[6] & 2 ? " B1" : "",
                   cpu->dr[6] & 4 ? " B2" : "", cpu->dr[6] & 8 ? " B3" : "",
                   cpu->dr[6] & 1u << 13 ? " BD" : "", cpu->dr[6] & 1u << 14 ? " BS" : "",
                   cpu->dr[6] & 1u << 15 ? " BT" : "");
    monitor_printf(mon, "DR7=0x%08" PRIx64 "\n", cpu->dr[7]);
}

/* ---- segments ---- */

static void print_segment(struct monitor *mon, const char *name, const struct segment *s)
{
    static const char *const types[] = {"", "TSS16", "LDT", "TSS16 busy", "", "", "", "",
                                        "", "TSS",   "",    "TSS busy",   "", "", "", ""};
    unsigned type = s->attr & SEG_ATTR_TYPE;

    monitor_printf(mon, "%-4s %04x  base %016" PRIx64 "  limit %08x  attr %04x ", name, s->sel,
                   s->base, s->limit, s->attr);
    if (!(s->attr & SEG_ATTR_P))
        monitor_printf(mon, "not usable\n");
    else if (!(s->attr & SEG_ATTR_S))
        monitor_printf(mon, "%s\n", types[type]);
    else
        monitor_printf(mon, "%s%s DPL %u\n", type & 8 ? "code" : "data",
                       s->attr & SEG_ATTR_L    ? "64"
                       : s->attr & SEG_ATTR_DB ? "32"
                                               : "16",
                       SEG_ATTR_DPL(s->attr));
}

void cmd_sreg(struct monitor *mon, const struct monitor_args *args)
{
    static const char *const names[] = {"es", "cs", "ss", "ds", "fs", "gs"};
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (!cpu)
        return;
    for (unsigned i = 0; i < 6; i++)
        print_segment(mon, names[i], &cpu->seg[i]);
    print_segment(mon, "ldtr", &cpu->ldtr);
    print_segment(mon, "tr", &cpu->tr);
    monitor_printf(mon, "gdtr       base %016" PRIx64 "  limit %04x\n", cpu->gdtr.base,
                   cpu->gdtr.limit);
    monitor_printf(mon, "idtr       base %016" PRIx64 "  limit %04x\n", cpu->idtr.base,
                   cpu->idtr.limit);
}

/* ---- x87, vectors ---- */

static double st_value(const struct x87_reg *r)
{
    int exponent = r->sexp & 0x7fff;
    double v;

    if (exponent == 0x7fff)
        v = r->mant << 1 ? (double)NAN : (double)INFINITY;
    else
        v = ldexp((double)r->mant, exponent - 16383 - 63);
    return r->sexp & 0x8000 ? -v : v;
}

void cmd_fp(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    if (!cpu)
        return;
    unsigned top = cpu->fsw >> 11 & 7;
    monitor_printf(mon,
                   "control 0x%04x  status 0x%04x (TOP %u)  tags in use 0x%02x  opcode 0x%03x\n",
                   cpu->fcw, cpu->fsw, top, cpu->ftw, cpu->fop);
    monitor_printf(mon, "instruction %04x:%016" PRIx64 "  data %04x:%016" PRIx64 "\n", cpu->fcs,
                   cpu->fip, cpu->fds, cpu->fdp);
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = (top + i) & 7;
        const struct x87_reg *r = &cpu->fpr[n];

        monitor_printf(mon, "st%u %04x.%016" PRIx64 "  %s%.17g\n", i, r->sexp, r->mant,
                       cpu->ftw >> n & 1 ? "" : "(empty) ", st_value(r));
    }
}

void cmd_mmx(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);

    (void)args;
    for (unsigned i = 0; cpu && i < 8; i++)
        monitor_printf(mon, "mm%u %016" PRIx64 "\n", i, cpu->fpr[i].mant);
}

static void print_vectors(struct monitor *mon, char letter, unsigned bytes)
{
    const struct cpu *cpu = cpu_here(mon);

    if (!cpu)
        return;
    monitor_printf(mon, "mxcsr 0x%04x\n", cpu->mxcsr);
    for (unsigned i = 0; i < (cpu->long_mode ? 16 : 8); i++) {
        monitor_printf(mon, "%cmm%-2u ", letter, i);
        print_wide(mon, cpu->xmm[i].b, bytes);
        monitor_printf(mon, "\n");
    }
}

void cmd_sse(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    print_vectors(mon, 'x', 16);
}

void cmd_ymm(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    print_vectors(mon, 'y', 32);
}

/* ---- MSRs ---- */

void info_msr(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    uint64_t number;

    if (!cpu)
        return;
    if (!args->n) {
        print_group(mon, cpu, REGS_MSR);
        return;
    }
    const struct cpu_register *r = cpu_register_find(args->text[0]);
    if (r) {
        print_register(mon, cpu, r);
        return;
    }
    if (!parse_value(mon, args->text[0], &number))
        return;
    for (unsigned i = 0; i < num_cpu_registers; i++)
        if (cpu_registers[i].group == REGS_MSR && cpu_registers[i].which == number) {
            print_register(mon, cpu, &cpu_registers[i]);
            return;
        }
    monitor_error(mon, "MSR 0x%" PRIx64 " has no name here; info msr lists them\n", number);
}
