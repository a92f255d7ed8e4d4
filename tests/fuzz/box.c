/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/box.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* A Multiboot kernel with load addresses: HLT. */
static void open_kernel(struct fuzz_file *f)
{
    uint8_t bytes[64];
    const uint32_t header[8] = {
        0x1badb002, 0x10000, 0u - 0x1badb002u - 0x10000u, 0x100000, 0x100000, 0, 0, BOX_CODE};

    memset(bytes, 0xf4, sizeof(bytes));
    memcpy(bytes, header, sizeof(header));
    fuzz_file_open(f, bytes, sizeof(bytes));
}

struct box *box_new(unsigned ncpus)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err = {""};

    fuzz_check(b);
    open_kernel(&b->kernel);
    b->config = (struct pc_config){.ram_size = BOX_RAM,
                                   .ncpus = ncpus,
                                   .kernel = b->kernel.path,
                                   .serial_present = {true, true, true, true},
                                   .parallel = {{.port = 0x378, .irq = 7}},
                                   .debugcon = {{.port = 0xe9}},
                                   .debug_exit_port = 0x501,
                                   .debug_exit_size = 2,
                                   .pc_testdev = true,
                                   .pci_testdev = true,
                                   .pci_testdev_membar = 1 << 20,
                                   .icount = true,
                                   .icount_shift = 3,
                                   .create_cpus = pc_cpus_create,
                                   .create_cpus_opaque = &b->cpus};
    fuzz_check(cpu_model_parse(&b->cpus.model, "max", &err));
    if (!pc_init(&b->pc, &b->config, &err) || !pc_power_on(&b->pc, &err))
        fuzz_failed("pc_init", 0, err.text);
    return b;
}

void box_free(struct box *b)
{
    pc_destroy(&b->pc);
    fuzz_file_close(&b->kernel);
    free(b);
}

void box_run(struct box *b, uint64_t insns)
{
    if (b->pc.m.run.state == RUN_ENDED)
        b->pc.m.run.state = RUN_PAUSED;
    machine_run_inline(&b->pc.m, insns);
}
