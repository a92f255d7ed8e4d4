/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_DISAS_H
#define CALQUE_CPU_X86_DISAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "cpu/x86/insn.h"

/* Prints len bytes of guest code at address, one line an instruction, for people (capstone; plain
 * bytes in a build without it). */
void disas_log(struct log *log, uint32_t category, uint64_t address, const uint8_t *bytes,
               size_t len, unsigned code_mode);

/* One instruction into text; returns its length in bytes, at least 1. Intel's syntax, or AT&T's. */
size_t disas_syntax(char *text, size_t size, uint64_t address, const uint8_t *bytes, size_t len,
                    unsigned code_mode, bool att);
/* The same in Intel's. */
size_t disas_one(char *text, size_t size, uint64_t address, const uint8_t *bytes, size_t len,
                 unsigned code_mode);

#endif
