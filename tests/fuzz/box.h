/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_FUZZ_BOX_H
#define CALQUE_TESTS_FUZZ_BOX_H

#include "machines/pc_cpus.h"
#include "tests/fuzz/fuzz.h"

/* A whole PC with every chip there is, on instruction counting, with a kernel that is halted. */

#define BOX_RAM  (2u << 20)
#define BOX_CODE 0x100020u /* where the processor starts, and bytes to run may be put */

struct box {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    struct fuzz_file kernel;
    struct state_stream fresh; /* as it was powered on: state and RAM */
    uint8_t *fresh_ram;
};

/* The machine with 1 or 2 processors as it is after power-on. Each is made at the first call and
 * kept for the life of the process: to make one takes longer than to use it. */
struct box *box_get(unsigned ncpus);
/* Runs the processors. A machine that ended goes on at the next call. */
void box_run(struct box *b, uint64_t insns);

#endif
