/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_AML_H
#define CALQUE_MACHINES_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes ACPI Machine Language (ACPI 6.5, chapter 20) front to back into a buffer. Objects with a
 * length are opened and closed like brackets; the length is filled in at the close. Calls nest as
 * the ASL they stand for would. Running out of room sets `overflow` and loses the rest. */
#define AML_MAX_NESTING 12

struct aml {
    uint8_t *data;
    size_t used, size;
    bool overflow;
    size_t open[AML_MAX_NESTING]; /* where each open object's PkgLength belongs */
    unsigned depth;
    size_t buffer_at; /* where the open resource template starts */
};

void aml_init(struct aml *a, uint8_t *data, size_t size);
void aml_bytes(struct aml *a, const void *data, size_t n);
void aml_byte(struct aml *a, uint8_t value);

/* Terms. A name is up to four characters; a path may start with \ or ^ and has dots. */
void aml_path(struct aml *a, const char *path);
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *text);
void aml_eisaid(struct aml *a, const char *id); /* "PNP0A03" */

/* Objects: close each with aml_close(). */
void aml_scope(struct aml *a, const char *path);
void aml_device(struct aml *a, const char *name);
void aml_processor(struct aml *a, const char *name, uint8_t id);
void aml_method(struct aml *a, const char *name, unsigned nargs, bool serialized);
void aml_package(struct aml *a, uint8_t elements);
void aml_if(struct aml *a); /* the predicate follows */
void aml_else(struct aml *a);
void aml_field(struct aml *a, const char *region, unsigned access_flags); /* FieldList follows */
void aml_field_unit(struct aml *a, const char *name, unsigned bits);
void aml_close(struct aml *a);

void aml_name(struct aml *a, const char *name); /* Name (name, <the next object>) */
void aml_name_integer(struct aml *a, const char *name, uint64_t value);
void aml_name_eisaid(struct aml *a, const char *name, const char *id);
void aml_pci_config_region(struct aml *a, const char *name, uint64_t offset, uint64_t length);
void aml_return(struct aml *a); /* the value follows */

/* Opcodes that are written with aml_byte(), then their operands. */
enum aml_op {
    AML_LOCAL0 = 0x60,
    AML_ARG0 = 0x68,
    AML_STORE = 0x70,
    AML_AND = 0x7b,
    AML_OR = 0x7d,
    AML_CREATE_DWORD_FIELD = 0x8a,
    AML_LNOT = 0x92,
    AML_SUBTRACT = 0x74,
    AML_FIND_SET_RIGHT_BIT = 0x82,
};
#define AML_FIELD_BYTE_ACCESS 0x01

/* Resource templates (ACPI 6.5, 6.4): a buffer, opened and closed. */
void aml_resources(struct aml *a);
void aml_resources_close(struct aml *a);
void aml_res_io(struct aml *a, uint16_t base, uint8_t length);
void aml_res_irq(struct aml *a, uint8_t irq); /* edge, active high, exclusive */
void aml_res_dma(struct aml *a, uint8_t channel);
void aml_res_memory32_fixed(struct aml *a, uint32_t base, uint32_t length); /* read-write */
void aml_res_irqs_extended(struct aml *a, const uint32_t *gsi, uint8_t n); /* level, high, shared */
/* Windows a bridge passes on: all bounds inclusive. */
void aml_res_word_bus(struct aml *a, uint16_t first, uint16_t last);
void aml_res_word_io(struct aml *a, uint16_t first, uint16_t last);
void aml_res_dword_memory(struct aml *a, bool cacheable, uint32_t first, uint32_t last);

#endif
