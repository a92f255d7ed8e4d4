/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_BTF_H
#define CALQUE_DEBUGGER_BTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The types that a Linux kernel has of itself in its memory, stripped or not (BTF, between
 * __start_BTF and __stop_BTF; Documentation/bpf/btf.rst). Guests choose what is in it: nothing is
 * believed. */

struct btf;

/* Takes data, which came from malloc(), also if NULL is returned: it is no BTF, or no memory. */
struct btf *btf_new(uint8_t *data, size_t size);
void btf_free(struct btf *b);
/* A member of a struct or union by name, "core_layout.base": where it is and its size, in bytes. A
 * pointer's size is `word`. False: there is none, or it is a bit field. */
bool btf_member(const struct btf *b, const char *record, const char *path, unsigned word,
                uint64_t *offset, uint64_t *size);

#endif
