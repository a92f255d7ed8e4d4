/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "debugger/dwarf.h"
#include "debugger/symbols_internal.h"

/* The list of what symbols come from, and looking things up in it. */

bool guest_read(const struct guest_view *g, struct cpu *cpu, uint64_t addr, void *buf, size_t len)
{
    return addr + len >= addr && g->read(cpu, false, addr, buf, len) == len;
}

bool guest_read_int(const struct guest_view *g, struct cpu *cpu, uint64_t addr, unsigned size,
                    uint64_t *value)
{
    uint8_t buf[8] = {0};

    if (size > sizeof(buf) || !guest_read(g, cpu, addr, buf, size))
        return false;
    *value = 0;
    for (unsigned n = size; n--;)
        *value = *value << 8 | buf[n];
    return true;
}

/* ---- life ---- */

struct symbols *symbols_new_view(struct debugger *d, const struct guest_view *view)
{
    struct symbols *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->d = d;
    s->guest = *view;
    s->generation = 1;
    s->kernel = calloc(1, sizeof(*s->kernel));
    if (s->kernel)
        return s;
    free(s);
    return NULL;
}

void symbols_free(struct symbols *s)
{
    if (!s)
        return;
    symbols_unload(s, NULL);
    linux_kernel_free(s->kernel);
    for (unsigned n = 0; n < s->nsubstitutes; n++)
        free(s->substitutes[n]);
    free(s->substitutes);
    free(s);
}

struct symbol_file *symbol_file_new(enum symbol_source source, const char *name, const char *path)
{
    struct symbol_file *f = calloc(1, sizeof(*f));
    const char *slash = path ? strrchr(path, '/') : NULL;

    if (!f)
        return NULL;
    if (!name)
        name = slash ? slash + 1 : path ? path : "";
    f->source = source;
    f->name = strdup(name);
    f->path = path ? strdup(path) : NULL;
    if (f->name && (f->path || !path))
        return f;
    symbol_file_free(f);
    return NULL;
}

void symbol_file_free(struct symbol_file *f)
{
    if (!f)
        return;
    dwarf_close(f->dwarf);
    symbol_table_free(&f->table);
    free(f->name);
    free(f->path);
    free(f);
}

void symbols_add_file(struct symbols *s, struct symbol_file *f)
{
    struct symbol_file **p = &s->files;

    while (*p)
        p = &(*p)->next;
    *p = f;
    s->generation++;
    linux_kernel_file_added(s, f);
}

void symbols_remove_file(struct symbols *s, struct symbol_file *f)
{
    struct symbol_file **p = &s->files;

    while (*p && *p != f)
        p = &(*p)->next;
    if (*p)
        *p = f->next;
    s->generation++;
    s->removals++;
    linux_kernel_file_removed(s, f);
    symbol_file_free(f);
}

bool symbols_load(struct symbols *s, const char *file, const char *name, uint64_t slide,
                  struct error *err)
{
    struct symbol_file *f = symbols_open_elf(file, name, NULL, 0, slide, err);

    if (!f)
        return false;
    symbols_add_file(s, f);
    return true;
}

void symbols_unload(struct symbols *s, const char *name)
{
    for (struct symbol_file *f = s->files, *next; f; f = next) {
        next = f->next;
        if (!name || strcmp(f->name, name) == 0)
            symbols_remove_file(s, f);
    }
}

uint64_t symbols_generation(const struct symbols *s)
{
    return s->generation;
}

void symbols_list(struct symbols *s,
                  void (*fn)(void *opaque, const char *name, const char *path, uint64_t slide,
                             size_t symbols, bool types),
                  void *opaque)
{
    linux_kernel_wanted(s);
    for (const struct symbol_file *f = s->files; f; f = f->next)
        fn(opaque, f->name, f->path, f->slide, f->table.n, f->dwarf);
}

/* ---- looking up ---- */

static void fill(const struct symbol_file *f, const struct symbol_entry *e, struct symbol *out)
{
    *out = (struct symbol){.name = symbol_entry_name(&f->table, e),
                           .module = f->name,
                           .start = e->start + (e->flags & SYMBOL_ABSOLUTE ? 0 : f->slide),
                           .size = e->size,
                           .function = e->flags & SYMBOL_FUNCTION};
}

bool symbol_at(struct symbols *s, uint64_t addr, struct symbol *out)
{
    const struct symbol_entry *best = NULL;
    const struct symbol_file *of = NULL;

    linux_kernel_wanted(s);
    for (const struct symbol_file *f = s->files; f; f = f->next) {
        const struct symbol_entry *e = symbol_table_at(&f->table, addr - f->slide);

        if (e && (!best || e->start + f->slide > best->start + of->slide)) {
            best = e;
            of = f;
        }
    }
    if (best)
        fill(of, best, out);
    return best;
}

/* "name", or "module`name" for that of one file. */
bool symbol_find(struct symbols *s, const char *name, struct symbol *out)
{
    const char *tick = strchr(name, '`');
    const struct symbol_entry *best = NULL;
    const struct symbol_file *of = NULL;

    linux_kernel_wanted(s);
    for (const struct symbol_file *f = s->files; f; f = f->next) {
        const struct symbol_entry *e;

        if (tick &&
            (strlen(f->name) != (size_t)(tick - name) || strncmp(f->name, name, tick - name) != 0))
            continue;
        e = symbol_table_find(&f->table, tick ? tick + 1 : name);
        if (e && (!best || (e->flags & SYMBOL_GLOBAL && !(best->flags & SYMBOL_GLOBAL)))) {
            best = e;
            of = f;
        }
    }
    if (best)
        fill(of, best, out);
    return best;
}

void symbol_complete(struct symbols *s, const char *prefix, bool (*fn)(void *opaque, const char *),
                     void *opaque)
{
    size_t len = strlen(prefix);

    linux_kernel_wanted(s);
    for (const struct symbol_file *f = s->files; f; f = f->next)
        for (size_t n = symbol_table_lower(&f->table, prefix); n < f->table.n; n++) {
            const char *name = symbol_entry_name(&f->table, &f->table.entries[f->table.by_name[n]]);

            if (strncmp(name, prefix, len) != 0)
                break;
            if (!fn(opaque, name))
                return;
        }
}

bool symbol_text(struct symbols *s, uint64_t addr, char *buf, size_t size)
{
    struct symbol sym;
    const struct symbol_file *f = s->files;
    char offset[24] = "";

    if (!symbol_at(s, addr, &sym)) {
        snprintf(buf, size, "0x%" PRIx64, addr);
        return false;
    }
    if (addr != sym.start)
        snprintf(offset, sizeof(offset), "+0x%" PRIx64, addr - sym.start);
    while (f && f->name != sym.module)
        f = f->next;
    if (f && f->source == SYMBOLS_MODULE)
        snprintf(buf, size, "[%s] %s%s", sym.module, sym.name, offset);
    else
        snprintf(buf, size, "%s%s", sym.name, offset);
    return true;
}

void symbols_locals(struct symbols *s, uint64_t addr,
                    void (*fn)(void *opaque, const char *name, bool parameter), void *opaque)
{
    uint64_t at;
    struct symbol_file *f = symbols_dwarf_at(s, addr, &at);

    if (f)
        dwarf_locals(f->dwarf, at, fn, opaque);
}
