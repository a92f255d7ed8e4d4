/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "debugger/dwarf.h"
#include "debugger/symbols_internal.h"

/* ELF files as a source of symbols, and the way to their lines. */

struct symbol_file *symbols_open_elf(const char *file, const char *name,
                                     const struct section_place *places, size_t nplaces,
                                     uint64_t base, struct error *err)
{
    struct symbol_file *f = symbol_file_new(SYMBOLS_ELF, name, file);

    if (!f) {
        error_set(err, "%s: out of memory", file);
        return NULL;
    }
    f->dwarf = dwarf_open(file, places, nplaces, base, &f->table, err);
    if (f->dwarf && !f->table.n)
        error_set(err, "%s: no symbols in it", file);
    else if (f->dwarf && symbol_table_seal(&f->table)) {
        f->slide = dwarf_relocatable(f->dwarf) ? 0 : base;
        return f;
    }
    symbol_file_free(f);
    return NULL;
}

static bool has_section_at(const struct symbol_file *f, uint64_t addr)
{
    const struct symbol_table *t = &f->table;

    for (size_t n = 0; n < t->nsections; n++)
        if (addr - f->slide >= t->sections[n].start && addr - f->slide <= t->sections[n].last)
            return true;
    return false;
}

/* One with debugging information, before what was booted and has none. */
struct symbol_file *symbols_dwarf_at(struct symbols *s, uint64_t addr, uint64_t *file_addr)
{
    struct symbol_file *best = NULL;

    linux_kernel_wanted(s);
    for (struct symbol_file *f = s->files; f; f = f->next) {
        bool informed;

        if (!f->dwarf || !has_section_at(f, addr))
            continue;
        informed = dwarf_has_info(f->dwarf);
        if (!best || informed)
            best = f;
        if (informed)
            break;
    }
    if (best)
        *file_addr = addr - best->slide;
    return best;
}

void symbols_substitute_path(struct symbols *s, const char *from, const char *to)
{
    char **p = realloc(s->substitutes, (s->nsubstitutes + 2) * sizeof(*p));

    if (!p)
        return;
    s->substitutes = p;
    p[s->nsubstitutes] = strdup(from);
    p[s->nsubstitutes + 1] = strdup(to);
    if (p[s->nsubstitutes] && p[s->nsubstitutes + 1]) {
        s->nsubstitutes += 2;
    } else {
        free(p[s->nsubstitutes]);
        free(p[s->nsubstitutes + 1]);
    }
}

/* The file as it is called on this host. */
static const char *substituted(struct symbols *s, const char *file)
{
    for (unsigned n = s->nsubstitutes; n; n -= 2) {
        const char *from = s->substitutes[n - 2];

        if (strncmp(file, from, strlen(from)) != 0)
            continue;
        snprintf(s->place, sizeof(s->place), "%s%s", s->substitutes[n - 1], file + strlen(from));
        printable(s->place);
        return s->place;
    }
    snprintf(s->place, sizeof(s->place), "%s", file);
    printable(s->place);
    return s->place;
}

bool symbols_line_at(struct symbols *s, uint64_t addr, struct source_place *out)
{
    uint64_t at;
    struct symbol_file *f = symbols_dwarf_at(s, addr, &at);

    if (!f || !dwarf_line_at(f->dwarf, at, out))
        return false;
    out->start += f->slide;
    out->last += f->slide;
    out->file = substituted(s, out->file);
    return true;
}

bool symbols_line_find(struct symbols *s, const char *file, unsigned line, uint64_t *addr)
{
    uint64_t at;

    linux_kernel_wanted(s);
    for (struct symbol_file *f = s->files; f; f = f->next)
        if (f->dwarf && dwarf_line_find(f->dwarf, file, line, &at)) {
            *addr = at + f->slide;
            return true;
        }
    return false;
}

uint64_t symbols_after_prologue(struct symbols *s, uint64_t start)
{
    uint64_t at;
    struct symbol_file *f = symbols_dwarf_at(s, start, &at);

    return f ? dwarf_after_prologue(f->dwarf, at) + f->slide : start;
}
