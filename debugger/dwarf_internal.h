/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_DWARF_INTERNAL_H
#define CALQUE_DEBUGGER_DWARF_INTERNAL_H

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#include "debugger/dwarf.h"

/* What the files dwarf_*.c share. */

struct dwarf_name;
struct dwarf_made;

struct dwarf_file {
    Dwfl *dwfl;
    Dwfl_Module *module;
    Dwarf *dwarf;    /* NULL: none; see dwarf_of() */
    Dwarf_Addr bias; /* of DWARF's addresses: the file's minus DWARF's */
    bool dwarf_asked, relocatable;
    unsigned word;
    struct section_place *places; /* of an object without addresses */
    size_t nplaces;
    char *path;

    /* Names of the whole file, taken in unit by unit as far as it was needed (dwarf_names.c). */
    struct dwarf_name *names; /* open addressing */
    size_t nnames, names_room;
    Dwarf_CU *last_unit;
    bool all_units;

    /* Types made so far, by their DIE (dwarf_types.c). */
    struct dwarf_made **types;
    size_t ntypes, types_room;
};

/* Opens DWARF at the first call; NULL: the file has none. */
Dwarf *dwarf_of(struct dwarf_file *f);
/* The compile unit's DIE of a file's address. */
bool dwarf_unit_at(struct dwarf_file *f, uint64_t addr, Dwarf_Die *unit);
/* The type of a DIE's DW_AT_type; void if there is none. */
const struct ctype *dwarf_type_of(struct dwarf_file *f, Dwarf_Die *die);
/* The type that a DIE of a type is. */
const struct ctype *dwarf_make_type(struct dwarf_file *f, Dwarf_Die *die);
void dwarf_types_free(struct dwarf_file *f);
/* A DIE by name, of the unit at addr, or of the first that has it. */
bool dwarf_name_find(struct dwarf_file *f, uint64_t addr, enum dwarf_name_class class, int tag,
                     const char *name, Dwarf_Die *die);
void dwarf_names_free(struct dwarf_file *f);
/* Appends code for a location; refused: what cannot be said in our code. At pc, a file's address;
 * slide is added to addresses. scope: where it holds; NULL: nobody asks. */
struct dwarf_scope {
    Dwarf_Die *function; /* whose frame base it is */
    uint64_t pc, slide;
    bool has_cfa;        /* the code will run in a frame whose CFA is known */
    uint64_t start, end; /* file addresses where the code is right */
};
bool dwarf_location(struct dwarf_file *f, Dwarf_Attribute *attr, struct dwarf_scope *scope,
                    struct code *code, struct dwarf_object *out, struct error *err);
/* Code for one list of operations, with what is on the stack before. */
bool dwarf_ops(struct dwarf_file *f, Dwarf_Attribute *attr, const Dwarf_Op *ops, size_t n,
               struct dwarf_scope *scope, struct code *code, struct dwarf_object *out,
               struct error *err);
/* cpu->r's number of DWARF's register; -1: another one. */
int dwarf_register(const struct dwarf_file *f, uint64_t number);
/* The rules at pc of .debug_frame or .eh_frame; to be freed. */
Dwarf_Frame *dwarf_frame_at(struct dwarf_file *f, uint64_t pc);

#endif
