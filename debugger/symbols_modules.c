/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/btf.h"
#include "debugger/dwarf.h"
#include "debugger/symbols_internal.h"

/* Linux' modules as they come and go: the kernel's list `modules`, read with the types of vmlinux
 * or those that the kernel has of itself (BTF), which alone say where the fields of its own struct
 * module are. Without them modules are not looked for. A module's symbols are those that the kernel
 * keeps of it (mod->kallsyms, moved to where they are already); lines and types are its .ko file's,
 * which is looked for near vmlinux. */

#define MODULES_MAX  1024u
#define SYMBOLS_MAX  200000u
#define STRINGS_MAX  (16u << 20)
#define SECTIONS_MAX 256u
#define NAME_SIZE    56u /* MODULE_NAME_LEN, on 64 bits */
#define DEPTH_MAX    12u /* folders below that of vmlinux */
#define BTF_MAX      (64u << 20)

struct walk {
    struct symbols *s;
    struct cpu *cpu;
    struct dwarf_file *types; /* or NULL: then btf */
    const struct btf *btf;
    unsigned word;
};

struct field {
    uint64_t offset, size;
};

/* A member of a struct of the kernel, whose name may go on: "core_layout.base". */
static bool typed_field_of(struct walk *w, const char *record, const char *path, struct cfield *out)
{
    const struct ctype *t = dwarf_type(w->types, 0, CTYPE_STRUCT, record);
    uint64_t offset = 0;
    char part[64];

    while (t && *path) {
        size_t len = strcspn(path, ".");

        snprintf(part, sizeof(part), "%.*s", (int)len, path);
        if (!ctype_member(t, part, out))
            return false;
        offset += out->offset;
        t = out->type;
        path += len + (path[len] == '.');
    }
    out->offset = offset;
    return t;
}

static bool field_of(struct walk *w, const char *record, const char *path, struct field *out)
{
    struct cfield f;

    if (!w->types)
        return btf_member(w->btf, record, path, w->word, &out->offset, &out->size);
    if (!typed_field_of(w, record, path, &f))
        return false;
    *out = (struct field){f.offset, f.type->size};
    return true;
}

static bool read_field(struct walk *w, uint64_t at, const char *record, const char *path,
                       uint64_t *value)
{
    struct field f;

    return field_of(w, record, path, &f) && f.size && f.size <= 8 &&
           guest_read_int(&w->s->guest, w->cpu, at + f.offset, (unsigned)f.size, value);
}

/* ---- symbols in the kernel's memory ---- */

static void add_symbols(struct walk *w, const uint8_t *symbols, unsigned n, const char *strings,
                        size_t size, uint64_t lowest, uint64_t highest, struct symbol_table *t)
{
    for (unsigned k = 0; k < n; k++) {
        const uint8_t *p = symbols + (w->word == 8 ? 24 : 16) * (size_t)k;
        uint32_t name = ld_le32(p);
        uint8_t info = w->word == 8 ? p[4] : p[12];
        uint16_t section = ld_le16(p + (w->word == 8 ? 6 : 14));
        uint64_t value = w->word == 8 ? ld_le64(p + 8) : ld_le32(p + 4);
        uint64_t length = w->word == 8 ? ld_le64(p + 16) : ld_le32(p + 8);

        /* In memory st_info may be nm's letter (before 5.2) and section SHN_UNDEF. */
        if (name >= size || !strings[name] || !section || value < lowest || value > highest)
            continue;
        symbol_table_add(t, strings + name, value, length,
                         ((info & 15) == 2 ? SYMBOL_FUNCTION : 0) |
                             (info >> 4 ? SYMBOL_GLOBAL : 0) | SYMBOL_TYPED);
    }
}

/* Strings that end where the first one begins that is not mapped, or at a zero behind the last. */
static char *read_strings(struct walk *w, uint64_t at, uint32_t last, size_t *size)
{
    size_t want = (size_t)last + 512;
    char *p = last < STRINGS_MAX ? malloc(want + 1) : NULL;

    if (!p)
        return NULL;
    *size = w->s->guest.read(w->cpu, false, at, p, want);
    p[*size] = 0;
    return p;
}

static bool kernel_symbols(struct walk *w, uint64_t module, uint64_t base, uint64_t end,
                           struct symbol_table *t)
{
    uint64_t kallsyms, symtab, strtab, n;
    unsigned each = w->word == 8 ? 24 : 16;
    uint32_t last = 0;
    size_t size;
    uint8_t *symbols;
    char *strings = NULL;
    bool ok;

    if (!read_field(w, module, "module", "kallsyms", &kallsyms) ||
        !read_field(w, kallsyms, "mod_kallsyms", "symtab", &symtab) ||
        !read_field(w, kallsyms, "mod_kallsyms", "strtab", &strtab) ||
        !read_field(w, kallsyms, "mod_kallsyms", "num_symtab", &n) || !n || n > SYMBOLS_MAX ||
        !(symbols = malloc(n * each)))
        return false;
    ok = guest_read(&w->s->guest, w->cpu, symtab, symbols, n * each);
    for (uint64_t k = 0; ok && k < n; k++)
        if (ld_le32(symbols + each * k) > last)
            last = ld_le32(symbols + each * k);
    ok = ok && (strings = read_strings(w, strtab, last, &size));
    if (ok)
        add_symbols(w, symbols, (unsigned)n, strings, size, base, end - 1, t);
    free(strings);
    free(symbols);
    return ok && t->n;
}

/* ---- the file ---- */

/* Names of modules have _ where those of files may have -. */
static bool is_module_file(const char *file, const char *name)
{
    for (; *name; file++, name++)
        if (*file != *name && !(*name == '_' && *file == '-'))
            return false;
    return strcmp(file, ".ko") == 0 || strcmp(file, ".ko.debug") == 0;
}

static char *find_below(const char *folder, const char *name, unsigned depth)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    char *found = NULL;

    while (dir && !found && (e = readdir(dir))) {
        char *path;

        if (e->d_name[0] == '.' || (e->d_type != DT_DIR && !is_module_file(e->d_name, name)))
            continue;
        if (asprintf(&path, "%s/%s", folder, e->d_name) < 0)
            break;
        if (e->d_type != DT_DIR)
            found = path;
        else if (depth)
            found = find_below(path, name, depth - 1);
        if (found != path)
            free(path);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* Beside vmlinux or below; for .../boot/vmlinux-VERSION in .../lib/modules/VERSION. */
static char *find_file(struct symbols *s, const char *name)
{
    const char *vmlinux = s->kernel->vmlinux->path, *slash = strrchr(vmlinux, '/');
    const char *version = strstr(slash ? slash : vmlinux, "vmlinux-");
    int len = slash ? (int)(slash - vmlinux) : 0;
    char *folder, *found;

    if (version && len >= 5 && strncmp(slash - 5, "/boot", 5) == 0) {
        if (asprintf(&folder, "%.*s/lib/modules/%s", len - 5, vmlinux, version + 8) < 0)
            return NULL;
        found = find_below(folder, name, DEPTH_MAX);
        free(folder);
        return found;
    }
    /* A vmlinux anywhere else: the root folder is not searched for its sake. */
    if (!slash || slash == vmlinux || asprintf(&folder, "%.*s", len, vmlinux) < 0)
        return NULL;
    found = find_below(folder, name, DEPTH_MAX);
    free(folder);
    return found;
}

/* Where the kernel put each section: mod->sect_attrs, which sysfs shows. */
static size_t read_places(struct walk *w, uint64_t module, struct section_place *places)
{
    struct cfield attrs, name, address;
    const struct ctype *attr;
    uint64_t at, n;

    if (!read_field(w, module, "module", "sect_attrs", &at) ||
        !read_field(w, at, "module_sect_attrs", "nsections", &n) || n > SECTIONS_MAX ||
        !typed_field_of(w, "module_sect_attrs", "attrs", &attrs) ||
        !typed_field_of(w, "module_sect_attr", "battr.attr.name", &name) ||
        !typed_field_of(w, "module_sect_attr", "address", &address))
        return 0;
    attr = ctype_target(attrs.type);
    for (uint64_t k = 0; k < n; k++) {
        uint64_t one = at + attrs.offset + k * attr->size, text;

        memset(&places[k], 0, sizeof(places[k]));
        if (!guest_read_int(&w->s->guest, w->cpu, one + name.offset, w->word, &text) ||
            !guest_read_int(&w->s->guest, w->cpu, one + address.offset, w->word, &places[k].addr))
            return k;
        w->s->guest.read(w->cpu, false, text, places[k].name, sizeof(places[k].name) - 1);
    }
    return n;
}

static struct symbol_file *open_file(struct walk *w, uint64_t module, const char *name,
                                     uint64_t base, uint64_t end)
{
    struct section_place *places = calloc(SECTIONS_MAX, sizeof(*places));
    size_t n = places ? read_places(w, module, places) : 0, kept = 0;
    char *path = n ? find_file(w->s, name) : NULL;
    struct symbol_file *f = NULL;

    /* What was for starting only is gone, or will be: others may be there. */
    for (size_t k = 0; k < n; k++)
        if (places[k].addr >= base && places[k].addr < end)
            places[kept++] = places[k];
    if (path && kept)
        f = symbols_open_elf(path, name, places, kept, 0, NULL);
    free(path);
    free(places);
    return f;
}

/* ---- the list ---- */

static struct symbol_file *find_module(struct symbols *s, uint64_t module)
{
    for (struct symbol_file *f = s->files; f; f = f->next)
        if (f->source == SYMBOLS_MODULE && f->module == module)
            return f;
    return NULL;
}

static void module_came(struct walk *w, uint64_t module, const char *name)
{
    uint64_t base, size;
    struct symbol_file *f;

    if (!read_field(w, module, "module", "core_layout.base", &base) ||
        !read_field(w, module, "module", "core_layout.size", &size)) {
        /* Since 6.4: mem[MOD_TEXT] and others, of which the first is the code. */
        return;
    }
    if (!size || size > UINT32_MAX || base + size < base)
        return;
    f = w->types ? open_file(w, module, name, base, base + size) : NULL;
    if (!f) {
        f = symbol_file_new(SYMBOLS_MODULE, name, NULL);
        if (!f || !kernel_symbols(w, module, base, base + size, &f->table) ||
            !symbol_table_section(&f->table, base, size) || !symbol_table_seal(&f->table)) {
            symbol_file_free(f);
            return;
        }
    }
    f->source = SYMBOLS_MODULE;
    f->module = module;
    f->seen = true;
    symbols_add_file(w->s, f);
}

/* One entry; false: it is not there. State: live 0, coming 1, going 2, unformed 3. */
static bool module_seen(struct walk *w, uint64_t module)
{
    struct symbol_file *f = find_module(w->s, module);
    struct field name;
    char text[NAME_SIZE + 1] = {0};
    uint64_t state;

    if (!field_of(w, "module", "name", &name) ||
        !guest_read(&w->s->guest, w->cpu, module + name.offset, text, NAME_SIZE) ||
        !read_field(w, module, "module", "state", &state))
        return false;
    text[strcspn(text, "/")] = 0; /* names of files */
    if (state == 3) {
        w->s->kernel->modules_unformed = true;
        return true;
    }
    if (f && strcmp(f->name, text) == 0) {
        f->seen = true;
    } else if (text[0]) {
        if (f)
            symbols_remove_file(w->s, f);
        module_came(w, module, text);
    }
    return true;
}

static void drop_unseen(struct symbols *s)
{
    for (struct symbol_file *f = s->files, *next; f; f = next) {
        next = f->next;
        if (f->source == SYMBOLS_MODULE && !f->seen)
            symbols_remove_file(s, f);
    }
}

/* What the kernel in memory says of its own types. */
static struct btf *read_btf(struct symbols *s, struct cpu *cpu)
{
    uint64_t start, end;
    uint8_t *data;

    if (!linux_symbol(s, "__start_BTF", &start) || !linux_symbol(s, "__stop_BTF", &end) ||
        end <= start || end - start > BTF_MAX || !(data = malloc(end - start)))
        return NULL;
    if (guest_read(&s->guest, cpu, start, data, end - start))
        return btf_new(data, end - start);
    free(data);
    return NULL;
}

static unsigned kernel_word(const struct cpu *cpu)
{
    return cpu->long_mode ? 8 : 4;
}

/* False: the kernel's structs are not known. */
static bool begin_walk(struct walk *w, struct symbols *s, struct cpu *cpu)
{
    struct linux_kernel *k = s->kernel;

    *w = (struct walk){.s = s, .cpu = cpu, .word = kernel_word(cpu)};
    if (k->vmlinux && k->vmlinux->dwarf) {
        w->types = k->vmlinux->dwarf;
        return true;
    }
    if (!k->btf)
        k->btf = read_btf(s, cpu);
    w->btf = k->btf;
    return w->btf;
}

/* From the first entry on; false: the guest is at work on the list, or it is none. */
static bool walk_list(struct walk *w, uint64_t head, uint64_t next)
{
    struct field list;

    if (next == head)
        return true;
    if (!field_of(w, "module", "list", &list))
        return false;
    for (unsigned n = 0; n < MODULES_MAX; n++) {
        if (!module_seen(w, next - list.offset) ||
            !guest_read_int(&w->s->guest, w->cpu, next, w->word, &next))
            return false;
        if (next == head)
            return true;
    }
    return false;
}

void linux_modules_refresh(struct symbols *s, struct cpu *cpu)
{
    struct linux_kernel *k = s->kernel;
    unsigned word = kernel_word(cpu);
    uint64_t head, ends[2];
    struct walk w;

    /* The list's ends change with it, as new ones come first; one that goes in between is noticed
     * at the next change. */
    if (!linux_symbol(s, "modules", &head) ||
        !guest_read_int(&s->guest, cpu, head, word, &ends[0]) ||
        !guest_read_int(&s->guest, cpu, head + word, word, &ends[1]) ||
        (memcmp(ends, k->modules_ends, sizeof(ends)) == 0 && !k->modules_unformed) ||
        (ends[0] != head && !begin_walk(&w, s, cpu)))
        return;
    for (struct symbol_file *f = s->files; f; f = f->next)
        f->seen = false;
    k->modules_unformed = false;
    if (!walk_list(&w, head, ends[0]))
        return;
    memcpy(k->modules_ends, ends, sizeof(ends));
    drop_unseen(s);
}

bool linux_module_orc(struct symbols *s, struct cpu *cpu, uint64_t addr, uint64_t *ips,
                      uint64_t *entries, uint64_t *n)
{
    struct walk w;

    for (struct symbol_file *f = s->files; f; f = f->next) {
        const struct symbol_table *t = &f->table;

        if (f->source != SYMBOLS_MODULE || !t->nsections || addr < t->sections[0].start ||
            addr > t->sections[t->nsections - 1].last)
            continue;
        return begin_walk(&w, s, cpu) &&
               read_field(&w, f->module, "module", "arch.orc_unwind_ip", ips) &&
               read_field(&w, f->module, "module", "arch.orc_unwind", entries) &&
               read_field(&w, f->module, "module", "arch.num_orcs", n);
    }
    return false;
}
