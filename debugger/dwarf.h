/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_DWARF_H
#define CALQUE_DEBUGGER_DWARF_H

#include "debugger/ctype.h"
#include "debugger/expr_code.h"
#include "debugger/symbols_internal.h"

/* One ELF file with its DWARF, which may be in a file of its own, through libdwfl. Addresses are
 * the file's: the slide is its owner's. In a build without libdw no file can be opened. */

struct dwarf_file;

/* places NULL: an object without addresses is laid out from `base` on, as Linux does with modules.
 * Its symbols go to t, not sealed. */
struct dwarf_file *dwarf_open(const char *path, const struct section_place *places, size_t nplaces,
                              uint64_t base, struct symbol_table *t, struct error *err);
void dwarf_close(struct dwarf_file *f);          /* f may be NULL */
unsigned dwarf_word(const struct dwarf_file *f); /* size of a pointer: 4 or 8 */
/* It says more than names. */
bool dwarf_has_info(struct dwarf_file *f);
/* Objects without addresses: a slide says nothing about them but where they begin. */
bool dwarf_relocatable(const struct dwarf_file *f);

/* ---- lines ---- */
bool dwarf_line_at(struct dwarf_file *f, uint64_t addr, struct source_place *out);
bool dwarf_line_find(struct dwarf_file *f, const char *file, unsigned line, uint64_t *addr);
uint64_t dwarf_after_prologue(struct dwarf_file *f, uint64_t start);

/* ---- names ---- */
enum dwarf_name_class { DWARF_TAG, DWARF_TYPE, DWARF_OBJECT };

enum dwarf_object_kind {
    DWARF_MEMORY,   /* the code pushes its address */
    DWARF_VALUE,    /* the code pushes its value; reg >= 0: that is a register of the CPU */
    DWARF_FUNCTION, /* the code pushes its address */
    DWARF_CONSTANT, /* an enumerator, the same as a value */
};

struct dwarf_object {
    enum dwarf_object_kind kind;
    const struct ctype *type;
    int reg;
    bool has_code; /* false: its address is its symbol's */
};

/* A variable, parameter, function or enumerator as code at addr sees it: of its blocks and
 * function. The code is appended; slide is added to addresses. */
enum dwarf_found { DWARF_NOT_FOUND, DWARF_FOUND, DWARF_REFUSED };
enum dwarf_found dwarf_local(struct dwarf_file *f, uint64_t addr, const char *name, uint64_t slide,
                             struct code *code, struct dwarf_object *out, struct error *err);
/* The same of a file, or of the whole program; addr 0: from nowhere. */
enum dwarf_found dwarf_global(struct dwarf_file *f, uint64_t addr, const char *name,
                              struct code *code, struct dwarf_object *out, struct error *err);
/* kind: CTYPE_STRUCT, CTYPE_UNION, CTYPE_ENUM for a tag; CTYPE_VOID: a typedef. NULL: none. */
const struct ctype *dwarf_type(struct dwarf_file *f, uint64_t addr, enum ctype_kind kind,
                               const char *name);
/* Names of a function's parameters and locals, innermost first. */
void dwarf_locals(struct dwarf_file *f, uint64_t addr,
                  void (*fn)(void *opaque, const char *name, bool parameter), void *opaque);

/* ---- ctype.c asks ---- */
const struct ctype *dwarf_type_target(const struct ctype *t);
void dwarf_type_parts(struct ctype *t);

/* ---- frames ---- */
/* The caller's registers from those at pc in f (file addresses but for `slide`). regs: as cpu->r,
 * known: bit per register. False: nothing is said about pc. */
struct unwind_regs {
    uint64_t r[17]; /* cpu->r's order; [16]: pc, linear */
    uint32_t known;
};
bool dwarf_unwind(struct dwarf_file *f, uint64_t slide, const struct code_frame *at,
                  const struct unwind_regs *regs, struct unwind_regs *out, uint64_t *cfa,
                  bool *signal);

#endif
