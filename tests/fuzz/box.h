/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_BOX_H
#define CALQUE_TESTS_FUZZ_BOX_H

#include "machines/pc_cpus.h"
#include "tests/fuzz/fuzz.h"

/* A whole PC with every chip there is, on instruction counting, with 4 MiB of RAM and a kernel
 * that is halted. */

#define BOX_RAM  (4u << 20)
#define BOX_CODE 0x100020u /* where the processor starts, and bytes to run may be put */

struct box {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    struct fuzz_file kernel;
};

struct box *box_new(unsigned ncpus);
void box_free(struct box *b);
/* Runs the processors. A machine that ended goes on at the next call. */
void box_run(struct box *b, uint64_t insns);

#endif
