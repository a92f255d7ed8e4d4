/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_SYMBOLS_INTERNAL_H
#define CALQUE_DEBUGGER_SYMBOLS_INTERNAL_H

#include "debugger/symbols.h"

/* What the files behind symbols.h and expr.h share. */

struct cpu;
struct dwarf_file;

/* How the guest is looked at: the debugger's functions, or a test's. */
struct guest_view {
    /* Linear addresses as `cpu` translates them; how many bytes could be read. Any thread that may
     * look at the CPU; no locks, nothing allocated. */
    size_t (*read)(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len);
    struct cpu *(*cpu)(void *opaque, unsigned index); /* NULL: there is no such CPU */
    uint64_t (*resets)(void *opaque);                 /* how often the machine was reset so far */
    void *opaque;
};

/* Files and guests choose names: what would move a terminal's cursor becomes '?'. */
static inline void printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

/* ---- a table of names and addresses (symbols_table.c) ---- */

enum {
    SYMBOL_FUNCTION = 1,
    SYMBOL_ABSOLUTE = 2, /* a number (an offset of per-CPU data): not slid, not found by address */
    SYMBOL_GLOBAL = 4,
    SYMBOL_TYPED = 8, /* a function or an object, not a label */
};

struct symbol_entry {
    uint64_t start, size;
    uint32_t name; /* where in names */
    uint8_t flags;
};

struct symbol_range {
    uint64_t start, last; /* inclusive */
};

struct symbol_table {
    struct symbol_entry *entries; /* by address once sealed */
    uint32_t *by_name;            /* their indices */
    size_t n, room;
    char *names;
    size_t names_size, names_room;
    struct symbol_range *sections; /* where symbols without size end; sorted once sealed */
    size_t nsections;
};

/* False: no memory, or too much of it. */
bool symbol_table_add(struct symbol_table *t, const char *name, uint64_t start, uint64_t size,
                      uint8_t flags);
bool symbol_table_section(struct symbol_table *t, uint64_t start, uint64_t size);
/* Sorts; to be called before looking anything up. */
bool symbol_table_seal(struct symbol_table *t);
/* Sizes that are 0 become what is left up to the next symbol, of the last to the end of its page;
 * before sealing, sorted or not. */
void symbol_table_sizes(struct symbol_table *t);
const struct symbol_entry *symbol_table_at(const struct symbol_table *t, uint64_t addr);
const struct symbol_entry *symbol_table_find(const struct symbol_table *t, const char *name);
/* The first in by_name that does not sort before `prefix`. */
size_t symbol_table_lower(const struct symbol_table *t, const char *prefix);
static inline const char *symbol_entry_name(const struct symbol_table *t,
                                            const struct symbol_entry *e)
{
    return t->names + e->name;
}
void symbol_table_free(struct symbol_table *t);

/* ---- files ---- */

enum symbol_source { SYMBOLS_ELF, SYMBOLS_MAP, SYMBOLS_KALLSYMS, SYMBOLS_MODULE };

struct symbol_file {
    char *name, *path; /* path: NULL if it is of memory */
    enum symbol_source source;
    struct symbol_table table;
    uint64_t slide;           /* what runs is at the file's addresses plus this */
    struct dwarf_file *dwarf; /* NULL */
    uint64_t module;          /* SYMBOLS_MODULE: address of the kernel's struct module */
    bool seen;                /* in the list of modules now */
    struct symbol_file *next;
};

struct linux_kernel;

struct symbols {
    struct debugger *d;
    struct guest_view guest;
    struct symbol_file *files;
    uint64_t removals;   /* files that went: types of theirs are no more */
    uint64_t generation; /* new whenever a symbol may mean another address */
    struct linux_kernel *kernel;
    char **substitutes; /* pairs: from, to */
    unsigned nsubstitutes;
    char place[4096]; /* what the last source_place's file points to */
};

/* As symbols_new(), for a guest that is looked at in another way; d may be NULL. */
struct symbols *symbols_new_view(struct debugger *d, const struct guest_view *view);
/* Appends a new file, which it takes. */
void symbols_add_file(struct symbols *s, struct symbol_file *f);
void symbols_remove_file(struct symbols *s, struct symbol_file *f);
struct symbol_file *symbol_file_new(enum symbol_source source, const char *name, const char *path);
void symbol_file_free(struct symbol_file *f);
/* The file that has DWARF for a runtime address, with its own address of it. */
struct symbol_file *symbols_dwarf_at(struct symbols *s, uint64_t addr, uint64_t *file_addr);
/* Reads from the guest, whole or not at all. */
bool guest_read(const struct guest_view *g, struct cpu *cpu, uint64_t addr, void *buf, size_t len);
bool guest_read_int(const struct guest_view *g, struct cpu *cpu, uint64_t addr, unsigned size,
                    uint64_t *value);

/* ---- symbols_elf.c ---- */
struct error;
/* Where the sections of an object without addresses are: by name; what is not named is nowhere. */
struct section_place {
    char name[64];
    uint64_t addr;
};
struct symbol_file *symbols_open_elf(const char *file, const char *name,
                                     const struct section_place *places, size_t nplaces,
                                     uint64_t base, struct error *err);

/* ---- symbols_kernel.c, symbols_modules.c ---- */

/* What is known of the Linux kernel that runs. */
struct linux_kernel {
    struct symbol_file *vmlinux;  /* an ELF file of it, or NULL */
    struct symbol_file *kallsyms; /* or NULL */
    struct btf *btf;              /* its own types, if they were wanted, or NULL */
    char *path;                   /* of -kernel */
    bool slide_known;
    uint64_t resets;    /* of the machine, when the rest was found */
    uint64_t looked[3]; /* what the CPU was like when nothing was found last */
    bool looked_valid, looked_in_kernel;
    unsigned cpu;             /* through whose eyes it is seen */
    bool modules_unformed;    /* one was about to be loaded at the last look */
    uint64_t modules_ends[2]; /* first and last of the list at the last look */
};
void linux_kernel_free(struct linux_kernel *k);
/* A file came or is about to go. */
void linux_kernel_file_added(struct symbols *s, struct symbol_file *f);
void linux_kernel_file_removed(struct symbols *s, const struct symbol_file *f);
/* A symbol is wanted: now is the time to look for a kernel's. */
void linux_kernel_wanted(struct symbols *s);
void linux_modules_refresh(struct symbols *s, struct cpu *cpu);
/* A symbol of the kernel, running address; false: it has none. */
bool linux_symbol(struct symbols *s, const char *name, uint64_t *addr);
/* Within the image of the kernel that is known. */
bool linux_in_kernel(struct symbols *s, uint64_t addr);
/* The ORC tables of the module that has an address: how many entries, and where. */
bool linux_module_orc(struct symbols *s, struct cpu *cpu, uint64_t addr, uint64_t *ips,
                      uint64_t *entries, uint64_t *n);
/* What is added to a per-CPU variable's address for a processor is in memory at *addr. */
bool linux_percpu_offset(struct symbols *s, unsigned cpu, uint64_t *addr);

#endif
