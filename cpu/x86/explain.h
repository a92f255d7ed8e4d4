/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_EXPLAIN_H
#define CALQUE_CPU_X86_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu/x86/cpu.h"

/* Why the processor says no, for people: page tables and descriptors as they are now, bit by bit,
 * and the check that fails. Nothing is changed. Lines have no newline. */

typedef void explain_line(void *opaque, const char *text);

struct explain_access {
    bool write, fetch, user;
};
/* The walk of the page tables for a linear address (SDM vol. 3A chapter 4), an entry a line, and
 * whether such an access would be permitted; if not, which bit forbids it. */
void explain_page(struct cpu *cpu, uint64_t lin, const struct explain_access *a, explain_line *line,
                  void *opaque);

/* A descriptor of a GDT or LDT in words: "code32 base 00000000 limit ffffffff DPL 0 ..." . raw: 8
 * bytes, 16 for a system descriptor in long mode. */
void explain_descriptor(const uint8_t raw[16], bool long_mode, char *text, size_t size);
/* The same for a gate of the IDT; raw: 8 bytes, 16 in long mode. */
void explain_gate(const uint8_t raw[16], bool long_mode, char *text, size_t size);

/* What an exception's error code points at, and which check of it fails: the page-table entry, the
 * descriptor, the gate. Nothing is printed where nothing is known. */
void explain_fault(struct cpu *cpu, const struct pending_exception *e, explain_line *line,
                   void *opaque);

/* Reads linear memory as the processor's own accesses see it; how many bytes could be read. */
size_t explain_read(struct cpu *cpu, uint64_t lin, uint8_t *buf, size_t n);

#endif
