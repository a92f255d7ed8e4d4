/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/dwarf.h"

#include "base/error.h"
#include "config.h"

#if CONFIG_DW

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debugger/dwarf_internal.h"

/* Opening ELF files, and their symbols. libdwfl finds DWARF that is elsewhere (build ID,
 * .gnu_debuglink, below .debug and /usr/lib/debug), unpacks and relocates it. */

#define SECTIONS_MAX 65536u

/* ---- objects without addresses ---- */

/* Linux puts sections that are alike together: code, constants, what becomes constant, data (kernel
 * 6.1, layout_sections()). Each kind begins at a page of its own. */
static unsigned kind_of_section(const GElf_Shdr *sh, const char *name)
{
    if (sh->sh_flags & SHF_EXECINSTR)
        return 0;
    if (!(sh->sh_flags & SHF_WRITE))
        return 1;
    return strcmp(name, ".data..ro_after_init") == 0 || strcmp(name, "__jump_table") == 0 ? 2 : 3;
}

static bool is_init(const char *name)
{
    return strncmp(name, ".init", 5) == 0;
}

static void place_kind(struct dwarf_file *f, Elf *elf, size_t names, unsigned kind, uint64_t *at)
{
    Elf_Scn *s = NULL;

    while ((s = elf_nextscn(elf, s)) && f->nplaces < SECTIONS_MAX) {
        GElf_Shdr sh;
        const char *name;
        uint64_t align;

        if (!gelf_getshdr(s, &sh) || !(sh.sh_flags & SHF_ALLOC) ||
            !(name = elf_strptr(elf, names, sh.sh_name)) || is_init(name) ||
            kind_of_section(&sh, name) != kind)
            continue;
        align = sh.sh_addralign > 1 && sh.sh_addralign <= 65536 ? sh.sh_addralign : 1;
        *at = (*at + align - 1) / align * align;
        snprintf(f->places[f->nplaces].name, sizeof(f->places->name), "%s", name);
        f->places[f->nplaces++].addr = *at;
        *at += sh.sh_size < UINT32_MAX ? sh.sh_size : 0;
    }
}

static bool lay_out(struct dwarf_file *f, Elf *elf, uint64_t base)
{
    size_t names, n;
    uint64_t at = base;

    if (elf_getshdrstrndx(elf, &names) < 0 || elf_getshdrnum(elf, &n) < 0 || n > SECTIONS_MAX)
        return false;
    f->places = calloc(n + 1, sizeof(*f->places));
    if (!f->places)
        return false;
    for (unsigned kind = 0; kind < 4; kind++) {
        place_kind(f, elf, names, kind, &at);
        at = (at + 4095) & ~4095ull;
    }
    return true;
}

/* ---- libdwfl asks ---- */

static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
                    char **path, Elf **elf)
{
    struct dwarf_file *f = *userdata;

    (void)mod, (void)name, (void)base, (void)elf;
    *path = strdup(f->path);
    return open(f->path, O_RDONLY | O_CLOEXEC);
}

static int section_address(Dwfl_Module *mod, void **userdata, const char *modname, Dwarf_Addr base,
                           const char *name, GElf_Word index, const GElf_Shdr *sh, Dwarf_Addr *addr)
{
    struct dwarf_file *f = *userdata;

    (void)mod, (void)modname, (void)base, (void)index, (void)sh;
    *addr = (Dwarf_Addr)-1;
    for (size_t n = 0; n < f->nplaces; n++)
        if (strcmp(f->places[n].name, name) == 0)
            *addr = f->places[n].addr;
    return DWARF_CB_OK;
}

static char debuginfo_path[] = "+:.debug:/usr/lib/debug";
static char *debuginfo_paths = debuginfo_path;
static const Dwfl_Callbacks callbacks = {.find_elf = find_elf,
                                         .find_debuginfo = dwfl_standard_find_debuginfo,
                                         .section_address = section_address,
                                         .debuginfo_path = &debuginfo_paths};

/* ---- opening ---- */

/* Where a module's sections are, from the first to the last. */
static void extent(const struct dwarf_file *f, uint64_t *start, uint64_t *end)
{
    *start = UINT64_MAX;
    *end = 0;
    for (size_t n = 0; n < f->nplaces; n++) {
        uint64_t addr = f->places[n].addr;

        if (is_init(f->places[n].name))
            continue;
        *start = addr < *start ? addr : *start;
        *end = addr > *end ? addr : *end;
    }
    *end += 64u << 20; /* sizes do not matter: there is one module */
    if (*start >= *end)
        *start = 0, *end = 1;
}

static bool report(struct dwarf_file *f, struct error *err)
{
    void **userdata = NULL;

    f->dwfl = dwfl_begin(&callbacks);
    if (!f->dwfl)
        return error_set(err, "%s: %s", f->path, dwfl_errmsg(-1));
    dwfl_report_begin(f->dwfl);
    if (f->relocatable) {
        uint64_t start, end;

        extent(f, &start, &end);
        f->module = dwfl_report_module(f->dwfl, "module", start, end);
    } else {
        f->module = dwfl_report_elf(f->dwfl, "file", f->path, -1, 0, true);
    }
    if (!f->module || dwfl_report_end(f->dwfl, NULL, NULL) != 0)
        return error_set(err, "%s: %s", f->path, dwfl_errmsg(-1));
    dwfl_module_info(f->module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
    *userdata = f;
    return true;
}

/* What kind of file it is, before libdwfl has it. */
static bool look(struct dwarf_file *f, const struct section_place *places, size_t nplaces,
                 uint64_t base, struct error *err)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    Elf *elf;
    GElf_Ehdr eh;
    bool ok = true;

    if (fd < 0)
        return error_set(err, "%s: %s", f->path, strerror(errno));
    elf_version(EV_CURRENT);
    elf = dwelf_elf_begin(fd);
    if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh)) {
        ok = error_set(err, "%s: not an ELF file", f->path);
    } else if (eh.e_machine != EM_X86_64 && eh.e_machine != EM_386) {
        ok = error_set(err, "%s: of another processor (machine %u): x86 is expected", f->path,
                       eh.e_machine);
    } else {
        f->word = eh.e_ident[EI_CLASS] == ELFCLASS64 ? 8 : 4;
        f->relocatable = eh.e_type == ET_REL;
        if (f->relocatable && places) {
            f->places = calloc(nplaces + 1, sizeof(*places));
            if (f->places)
                memcpy(f->places, places, nplaces * sizeof(*places));
            f->nplaces = f->places ? nplaces : 0;
        } else if (f->relocatable) {
            ok = lay_out(f, elf, base) ||
                 error_set(err, "%s: its sections are not in order", f->path);
        }
    }
    elf_end(elf);
    close(fd);
    return ok;
}

/* ---- symbols ---- */

static bool add_symbol(struct dwarf_file *f, int n, struct symbol_table *t)
{
    GElf_Sym sym;
    GElf_Addr addr;
    GElf_Word shndx;
    Elf *elf;
    Dwarf_Addr bias;
    const char *name = dwfl_module_getsym_info(f->module, n, &sym, &addr, &shndx, &elf, &bias);
    unsigned type = GELF_ST_TYPE(sym.st_info);
    uint8_t flags = 0;

    if (!name || !*name || shndx == SHN_UNDEF || type == STT_FILE || type == STT_SECTION ||
        type == STT_TLS || addr == (GElf_Addr)-1)
        return true;
    if (shndx == SHN_ABS)
        flags |= SYMBOL_ABSOLUTE;
    else if (elf && !f->relocatable) {
        GElf_Shdr sh;

        /* Linux links per-CPU variables of x86-64 at 0: these are no addresses. */
        if (gelf_getshdr(elf_getscn(elf, shndx), &sh) && !sh.sh_addr)
            flags |= SYMBOL_ABSOLUTE;
    }
    if (type == STT_FUNC || type == STT_GNU_IFUNC)
        flags |= SYMBOL_FUNCTION | SYMBOL_TYPED;
    if (type == STT_OBJECT)
        flags |= SYMBOL_TYPED;
    if (GELF_ST_BIND(sym.st_info) != STB_LOCAL)
        flags |= SYMBOL_GLOBAL;
    return symbol_table_add(t, name, addr, sym.st_size, flags);
}

static bool add_sections(struct dwarf_file *f, struct symbol_table *t)
{
    GElf_Addr bias;
    Elf *elf = dwfl_module_getelf(f->module, &bias);
    Elf_Scn *s = NULL;
    size_t names;

    if (!elf || elf_getshdrstrndx(elf, &names) < 0)
        return true;
    while ((s = elf_nextscn(elf, s))) {
        GElf_Shdr sh;
        uint64_t addr;

        if (!gelf_getshdr(s, &sh) || !(sh.sh_flags & SHF_ALLOC))
            continue;
        addr = sh.sh_addr + bias;
        if (f->relocatable) {
            void *self = f;

            section_address(NULL, &self, NULL, 0, elf_strptr(elf, names, sh.sh_name) ?: "", 0, &sh,
                            &addr);
            if (addr == (uint64_t)-1)
                continue;
        } else if (!sh.sh_addr) {
            continue;
        }
        if (!symbol_table_section(t, addr, sh.sh_size))
            return false;
    }
    return true;
}

struct dwarf_file *dwarf_open(const char *path, const struct section_place *places, size_t nplaces,
                              uint64_t base, struct symbol_table *t, struct error *err)
{
    struct dwarf_file *f = calloc(1, sizeof(*f));
    bool ok = f && (f->path = strdup(path));
    int n;

    if (!ok)
        error_set(err, "%s: out of memory", path);
    ok = ok && look(f, places, nplaces, base, err) && report(f, err);
    if (ok && (n = dwfl_module_getsymtab(f->module)) > 0) {
        for (int i = 0; ok && i < n; i++)
            ok = add_symbol(f, i, t);
        if (!ok)
            error_set(err, "%s: too many symbols", path);
    }
    if (ok && add_sections(f, t))
        return f;
    dwarf_close(f);
    return NULL;
}

void dwarf_close(struct dwarf_file *f)
{
    if (!f)
        return;
    dwarf_names_free(f);
    dwarf_types_free(f);
    if (f->dwfl)
        dwfl_end(f->dwfl);
    free(f->places);
    free(f->path);
    free(f);
}

unsigned dwarf_word(const struct dwarf_file *f)
{
    return f->word;
}

bool dwarf_relocatable(const struct dwarf_file *f)
{
    return f->relocatable;
}

Dwarf *dwarf_of(struct dwarf_file *f)
{
    if (!f->dwarf_asked)
        f->dwarf = dwfl_module_getdwarf(f->module, &f->bias);
    f->dwarf_asked = true;
    return f->dwarf;
}

bool dwarf_unit_at(struct dwarf_file *f, uint64_t addr, Dwarf_Die *unit)
{
    Dwarf_Addr bias;
    Dwarf_Die *die = dwarf_of(f) ? dwfl_module_addrdie(f->module, addr, &bias) : NULL;

    if (die)
        *unit = *die;
    return die;
}

bool dwarf_has_info(struct dwarf_file *f)
{
    return dwarf_of(f);
}

#else

bool dwarf_has_info(struct dwarf_file *f)
{
    (void)f;
    return false;
}

struct dwarf_file *dwarf_open(const char *path, const struct section_place *places, size_t nplaces,
                              uint64_t base, struct symbol_table *t, struct error *err)
{
    (void)places, (void)nplaces, (void)base, (void)t;
    error_set(err, "%s: this calque was built without libdw, which reads ELF files", path);
    return NULL;
}

void dwarf_close(struct dwarf_file *f)
{
    (void)f;
}

unsigned dwarf_word(const struct dwarf_file *f)
{
    (void)f;
    return 8;
}

bool dwarf_relocatable(const struct dwarf_file *f)
{
    (void)f;
    return false;
}

#endif
