/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_SYMBOLS_H
#define CALQUE_DEBUGGER_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names, source lines and types of what runs in the guest: ELF files with DWARF (elfutils), a
 * kernel's own kallsyms read from guest memory, our BIOS's map. */

struct debugger;
struct error;
struct symbols;

struct symbols *symbols_new(struct debugger *d);
void symbols_free(struct symbols *s);

/* Loads an ELF file's symbols, moved by `slide` bytes, or, for an object without addresses (a
 * module), at `slide`. `name`: what people see; NULL: the file's. */
bool symbols_load(struct symbols *s, const char *file, const char *name, uint64_t slide,
                  struct error *err);
/* "NAME ADDRESS" lines of a linker map or System.map. */
bool symbols_load_map(struct symbols *s, const char *file, uint64_t slide, struct error *err);
void symbols_unload(struct symbols *s, const char *name); /* NULL: all */
/* The machine's BIOS is this file: bios.map beside ours is its symbols. False: none. */
bool symbols_note_firmware(struct symbols *s, const char *file);
/* What symbols come from, in order. */
void symbols_list(struct symbols *s,
                  void (*fn)(void *opaque, const char *name, const char *path, uint64_t slide,
                             size_t symbols, bool types),
                  void *opaque);
/* Another number whenever a name may mean another address than before (files came or went, the
 * kernel's slide became known): what was looked up by name is to be looked up again. */
uint64_t symbols_generation(const struct symbols *s);
/* A kernel was loaded by -kernel: its ELF's symbols if it has any; otherwise kallsyms is looked for
 * when it is first asked after, and KASLR's slide found from the running guest. */
void symbols_note_kernel(struct symbols *s, const char *file);
/* The guest stands still somewhere else: finds what has become known (kernel started, KASLR slide,
 * modules). Cheap when nothing changed. */
void symbols_refresh(struct symbols *s, unsigned cpu);
/* The slide of the kernel relative to its ELF file, once known. */
bool symbols_kernel_slide(struct symbols *s, uint64_t *slide);
/* The same also of a kernel without such a file, by its own list of symbols, relative to where
 * Linux is linked if it was not built with another CONFIG_PHYSICAL_START. [*start, *end): where its
 * image is linked. */
bool symbols_linux_slide(struct symbols *s, uint64_t *slide, uint64_t *start, uint64_t *end);

struct symbol {
    const char *name, *module; /* module: which file; valid until symbols change */
    uint64_t start, size;      /* size 0: unknown */
    bool function;
};
/* The symbol that covers addr (or the nearest before it in the same section). */
bool symbol_at(struct symbols *s, uint64_t addr, struct symbol *out);
bool symbol_find(struct symbols *s, const char *name, struct symbol *out);
/* Those that begin with a prefix, for completion; names until the callback says no. */
void symbol_complete(struct symbols *s, const char *prefix, bool (*fn)(void *opaque, const char *),
                     void *opaque);
/* "start_kernel+0x1c" or "[module] name+0x8" into buf; false: no symbol, buf holds 0x...  */
bool symbol_text(struct symbols *s, uint64_t addr, char *buf, size_t size);

struct source_place {
    const char *file;
    unsigned line;
    uint64_t start, last; /* addresses of the same row */
};
bool symbols_line_at(struct symbols *s, uint64_t addr, struct source_place *out);
/* Address of "file:line" (the file by its last path components). */
bool symbols_line_find(struct symbols *s, const char *file, unsigned line, uint64_t *addr);
/* Source files whose name begins with `from` are at `to` on this host; the last said counts. */
void symbols_substitute_path(struct symbols *s, const char *from, const char *to);
/* Where a function's body begins behind its prologue, as debuggers break there. */
uint64_t symbols_after_prologue(struct symbols *s, uint64_t start);

/* ---- frames (unwind.c) ---- */
struct frame {
    uint64_t pc, sp, bp, cfa;
    bool exact;        /* from CFI or ORC; else by frame pointer or guess */
    bool interrupted;  /* the next frame was interrupted at its pc (an exception frame) */
    uint64_t scope;    /* an address of what it is at: pc, or within the call that pc is behind */
    uint64_t regs[17]; /* cpu->r's order, as they were there; RIP linear */
    uint32_t known;    /* bit per register: those that are */
};
/* Names of the parameters and locals that code at an address sees, innermost first. */
void symbols_locals(struct symbols *s, uint64_t addr,
                    void (*fn)(void *opaque, const char *name, bool parameter), void *opaque);
/* The CPU is in a Linux kernel of that version, whose own unwind tables have a form that is not
 * known here. */
bool symbols_orc_refused(struct symbols *s, unsigned cpu, unsigned version[2]);
/* The innermost first; how many. */
unsigned symbols_backtrace(struct symbols *s, unsigned cpu, struct frame *frames, unsigned max);

#endif
