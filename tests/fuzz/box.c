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

static struct box *box_new(unsigned ncpus)
{
    struct box *b = calloc(1, sizeof(*b));
    struct error err = {""};

    fuzz_check(b);
    open_kernel(&b->kernel);
    b->config = (struct pc_config){
        .ram_size = BOX_RAM,
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
        .vga = true,
        .tablet = true,
        .services = {.rngs = {{.config = {.max_bytes = 4096, .period = 1000000}}},
                     .nrngs = 1,
                     .consoles = {{.config = {.nports = 2,
                                              .ports = {{.present = true, .console = true}}}}},
                     .nconsoles = 1,
                     .balloon = true,
                     .watchdog = true,
                     .pvpanic_port = 0x505,
                     .pvpanic_pci = true},
        .vga_memory = 1 << 20,
        .icount = true,
        .icount_shift = 3,
        .create_cpus = pc_cpus_create,
        .create_cpus_opaque = &b->cpus};
    fuzz_check(cpu_model_parse(&b->cpus.model, "max", &err));
    if (!pc_init(&b->pc, &b->config, &err) || !pc_power_on(&b->pc, &err))
        fuzz_failed("pc_init", 0, err.text);
    fuzz_check(machine_save(&b->pc.m, &b->fresh));
    b->fresh_ram = malloc(BOX_RAM);
    fuzz_check(b->fresh_ram);
    memcpy(b->fresh_ram, b->pc.m.arena.host, BOX_RAM);
    return b;
}

struct box *box_get(unsigned ncpus)
{
    static struct box *boxes[2];
    struct box *b = boxes[ncpus - 1];
    struct machine *m;
    struct error err = {""};

    if (!b)
        b = boxes[ncpus - 1] = box_new(ncpus);
    m = &b->pc.m;
    machine_lock(m);
    b->fresh.pos = 0;
    if (!machine_load(m, &b->fresh, &err))
        fuzz_failed("machine_load", 0, err.text);
    memcpy(m->arena.host, b->fresh_ram, BOX_RAM);
    arena_store_notify(&m->arena, 0, BOX_RAM);
    machine_unlock(m);
    m->run.state = RUN_PAUSED;
    m->run.reset_wanted = m->run.end_wanted = m->run.stop_wanted = false;
    return b;
}

void box_run(struct box *b, uint64_t insns)
{
    if (b->pc.m.run.state == RUN_ENDED)
        b->pc.m.run.state = RUN_PAUSED;
    machine_run_inline(&b->pc.m, insns);
}
