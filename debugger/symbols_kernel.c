/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/btf.h"
#include "debugger/dwarf.h"
#include "debugger/kallsyms.h"
#include "debugger/symbols_internal.h"

/* The Linux kernel that runs: where it is (KASLR moves it at each boot), and its symbols if there
 * is no file of them. Both are looked for in linear memory, where the kernel is linked to run. */

/* x86-64: the kernel's image is in the first GiB of the last two (Documentation/x86/x86_64/mm.rst),
 * at a multiple of 2 MiB. i386: from PAGE_OFFSET on, which is 3 GiB but for odd configurations. */
#define IMAGE64      0xffffffff80000000ull
#define IMAGE32      0xc0000000ull
#define IMAGE_SIZE   (1ull << 30)
#define LINUX_TEXT   0xffffffff81000000 /* _text's usual place */
#define SLIDE_STEP   (2ull << 20)
#define SLIDE_STEP32 (1ull << 20)

static const char banner[] = "Linux version ";

void linux_kernel_free(struct linux_kernel *k)
{
    if (!k)
        return;
    btf_free(k->btf);
    free(k->path);
    free(k);
}

/* ---- files ---- */

void linux_kernel_file_added(struct symbols *s, struct symbol_file *f)
{
    struct linux_kernel *k = s->kernel;

    if (f->source != SYMBOLS_ELF || k->vmlinux || !symbol_table_find(&f->table, "linux_banner") ||
        !symbol_table_find(&f->table, "_text") || dwarf_relocatable(f->dwarf))
        return;
    k->vmlinux = f;
    k->slide_known = false;
    k->looked_valid = false;
    if (k->kallsyms)
        symbols_remove_file(s, k->kallsyms);
}

static void forget_types(struct linux_kernel *k)
{
    btf_free(k->btf);
    k->btf = NULL;
}

void linux_kernel_file_removed(struct symbols *s, const struct symbol_file *f)
{
    struct linux_kernel *k = s->kernel;

    if (f != k->vmlinux && f != k->kallsyms)
        return;
    forget_types(k);
    if (k->kallsyms == f)
        k->kallsyms = NULL;
    if (k->vmlinux == f) {
        k->vmlinux = NULL;
        memset(k->modules_ends, 0, sizeof(k->modules_ends));
    }
    k->slide_known = k->slide_known && (k->vmlinux || k->kallsyms);
    k->looked_valid = false;
}

void symbols_note_kernel(struct symbols *s, const char *file)
{
    free(s->kernel->path);
    s->kernel->path = strdup(file);
    /* A compressed image has no symbols: then kallsyms will be found. */
    symbols_load(s, file, NULL, 0, NULL);
}

bool linux_symbol(struct symbols *s, const char *name, uint64_t *addr)
{
    struct linux_kernel *k = s->kernel;
    struct symbol_file *f = k->vmlinux ? k->vmlinux : k->kallsyms;
    const struct symbol_entry *e = f ? symbol_table_find(&f->table, name) : NULL;

    if (e)
        *addr = e->start + (e->flags & SYMBOL_ABSOLUTE ? 0 : f->slide);
    return e;
}

bool linux_in_kernel(struct symbols *s, uint64_t addr)
{
    uint64_t start, end;

    return s->kernel->slide_known && linux_symbol(s, "_text", &start) &&
           linux_symbol(s, "_end", &end) && addr >= start && addr < end;
}

bool linux_percpu_offset(struct symbols *s, unsigned cpu, uint64_t *addr)
{
    unsigned word = 8;

    if (!linux_symbol(s, "__per_cpu_offset", addr))
        return false;
    if (*addr <= UINT32_MAX)
        word = 4;
    *addr += (uint64_t)word * cpu;
    return true;
}

/* ---- where it is ---- */

static bool is_banner(struct symbols *s, struct cpu *cpu, uint64_t addr)
{
    char text[sizeof(banner)];

    return guest_read(&s->guest, cpu, addr, text, sizeof(banner) - 1) &&
           memcmp(text, banner, sizeof(banner) - 1) == 0;
}

/* Tries the places that KASLR has; the banner is in memory when the kernel is. */
static bool find_slide(struct symbols *s, struct cpu *cpu)
{
    struct linux_kernel *k = s->kernel;
    uint64_t linked = symbol_table_find(&k->vmlinux->table, "linux_banner")->start;
    uint64_t text = symbol_table_find(&k->vmlinux->table, "_text")->start;
    bool wide = text > UINT32_MAX;
    uint64_t first = wide ? IMAGE64 : IMAGE32, step = wide ? SLIDE_STEP : SLIDE_STEP32;

    if (wide != cpu->long_mode || !(cpu->cr0 & CR0_PG))
        return false;
    if (is_banner(s, cpu, linked)) {
        k->vmlinux->slide = 0;
        return true;
    }
    for (uint64_t n = 0; n < IMAGE_SIZE; n += step) {
        uint64_t slide = first + n + (text & (step - 1)) - text;

        if (is_banner(s, cpu, linked + slide)) {
            k->vmlinux->slide = slide;
            return true;
        }
    }
    return false;
}

struct view {
    struct symbols *s;
    struct cpu *cpu;
};

static size_t read_linear(void *opaque, uint64_t addr, void *buf, size_t len)
{
    const struct view *v = opaque;

    return v->s->guest.read(v->cpu, false, addr, buf, len);
}

/* A stripped kernel's own table. */
static bool find_kallsyms(struct symbols *s, struct cpu *cpu)
{
    struct view v = {s, cpu};
    struct kallsyms_memory m = {read_linear, &v};
    uint64_t first = cpu->long_mode ? IMAGE64 : IMAGE32;
    struct symbol_file *f;

    if (!(cpu->cr0 & CR0_PG))
        return false;
    f = symbol_file_new(SYMBOLS_KALLSYMS, "kernel", NULL);
    if (f && kallsyms_find(&m, first, first + IMAGE_SIZE - 1, &f->table) &&
        symbol_table_seal(&f->table)) {
        symbols_add_file(s, f);
        s->kernel->kallsyms = f;
        return true;
    }
    symbol_file_free(f);
    return false;
}

/* After a reset another kernel may come, elsewhere. */
static void forget_after_reset(struct symbols *s)
{
    struct linux_kernel *k = s->kernel;
    uint64_t resets = s->guest.resets ? s->guest.resets(s->guest.opaque) : 0;

    if (resets == k->resets)
        return;
    k->resets = resets;
    forget_types(k);
    memset(k->modules_ends, 0, sizeof(k->modules_ends));
    k->slide_known = false;
    k->looked_valid = false;
    if (k->kallsyms)
        symbols_remove_file(s, k->kallsyms);
    for (struct symbol_file *f = s->files, *next; f; f = next) {
        next = f->next;
        if (f->source == SYMBOLS_MODULE)
            symbols_remove_file(s, f);
    }
    s->generation++;
}

/* What must have changed for another look to find more than the last: a system comes up, or code of
 * the kernel runs for the first time after one of user's, which may not see the kernel. */
static bool changed(struct linux_kernel *k, const struct cpu *cpu)
{
    const uint64_t now[] = {(cpu->cr0 & CR0_PG) | cpu->long_mode, cpu->idtr.base, cpu->lstar};
    bool same = k->looked_valid && memcmp(now, k->looked, sizeof(now)) == 0;

    if (same && (cpu->cpl || k->looked_in_kernel))
        return false;
    memcpy(k->looked, now, sizeof(now));
    k->looked_valid = true;
    k->looked_in_kernel = !cpu->cpl;
    return true;
}

static void look(struct symbols *s)
{
    struct linux_kernel *k = s->kernel;
    struct cpu *cpu = s->guest.cpu(s->guest.opaque, k->cpu);

    if (!cpu || k->slide_known || !changed(k, cpu))
        return;
    k->slide_known = k->vmlinux ? find_slide(s, cpu) : find_kallsyms(s, cpu);
    if (k->slide_known) {
        s->generation++;
        linux_modules_refresh(s, cpu);
    }
}

void linux_kernel_wanted(struct symbols *s)
{
    if (!s->kernel->slide_known)
        look(s);
}

void symbols_refresh(struct symbols *s, unsigned index)
{
    struct linux_kernel *k = s->kernel;
    struct cpu *cpu = s->guest.cpu(s->guest.opaque, index);

    k->cpu = index;
    forget_after_reset(s);
    if (!cpu)
        return;
    /* kallsyms wait until somebody asks for a symbol; a slide is found at once. */
    if (!k->slide_known && k->vmlinux)
        look(s);
    if (k->slide_known)
        linux_modules_refresh(s, cpu);
}

bool symbols_kernel_slide(struct symbols *s, uint64_t *slide)
{
    struct linux_kernel *k = s->kernel;

    linux_kernel_wanted(s);
    if (!k->slide_known || !k->vmlinux)
        return false;
    *slide = k->vmlinux->slide;
    return true;
}

bool symbols_linux_slide(struct symbols *s, uint64_t *slide, uint64_t *start, uint64_t *end)
{
    bool in_file = symbols_kernel_slide(s, slide);

    if (!s->kernel->slide_known || !linux_symbol(s, "_text", start) ||
        !linux_symbol(s, "_end", end))
        return false;
    if (!in_file && *start < LINUX_TEXT)
        return false;
    if (!in_file)
        *slide = *start - LINUX_TEXT;
    *start -= *slide;
    *end -= *slide;
    return true;
}
