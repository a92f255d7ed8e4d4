/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_COMPARE_H
#define CALQUE_TESTS_DIFF_COMPARE_H

#include <stddef.h>

#include "tests/diff/diff.h"

/* True if both sides agree; otherwise a word on the first difference in text. *explanation: the
 * number of what makes it acceptable (explain.h), or 0. */
bool outcomes_agree(const struct diff_case *c, const struct diff_outcome *host,
                    const struct diff_outcome *guest, uint32_t undefined, unsigned *explanation,
                    char *text, size_t size);
/* The case's instructions. */
void print_code(const struct diff_case *c);
/* Bytes, disassembly, state before and after on both sides. */
void print_difference(const struct diff_case *c, const struct diff_shared *s,
                      const struct diff_outcome *host, const struct diff_outcome *guest,
                      uint32_t undefined);

#endif
