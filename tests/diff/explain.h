/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_EXPLAIN_H
#define CALQUE_TESTS_DIFF_EXPLAIN_H

#include "tests/diff/diff.h"

#define NUM_EXPLANATIONS 20

/* Which explanation there is for a difference, 0 for none: the manuals leave open what the two
 * sides disagree in, or Intel's and AMD's differ, for the very instruction that ended the case. */
unsigned explained(const struct diff_case *c, const struct diff_outcome *host,
                   const struct diff_outcome *guest);
/* Its name; NULL if there is no such number. */
const char *explanation_name(unsigned n);
/* hostonly.c: the case's random bytes begin with what only the host's processor has. */
bool host_only(const struct diff_case *c);
/* Legacy and REX prefixes that they begin with. */
unsigned count_prefixes(const struct diff_case *c);

#endif
