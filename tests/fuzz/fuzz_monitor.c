/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The monitor: any lines as commands, whose output goes nowhere. */
#include <stdlib.h>

#include "base/error.h"
#include "monitor/control.h"
#include "tests/fuzz/box.h"

static void registers(void *opaque, unsigned cpu, monitor_line_fn *line, void *line_opaque)
{
    struct box *b = opaque;

    cpu_print_registers(cpu_of(b->pc.m.cpus[cpu]), line, line_opaque);
}

static void powerdown(void *opaque)
{
    piix4_pm_press_power_button(&((struct box *)opaque)->pc.pm);
}

static void quit(void *opaque)
{
    (void)opaque;
}

/* No file is written, whatever name the input has for one. */
bool control_save_memory(struct control *ctl, int cpu, uint64_t addr, uint64_t size,
                         const char *path, struct error *err)
{
    (void)ctl, (void)cpu, (void)addr, (void)size;
    return *path || error_set(err, "a name is expected");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct box *b = box_get(2);
    struct monitor_about about = {
        .machine = "pc", .pc = &b->pc, .cpu = &cpu_of(b->pc.m.cpus[0])->model};
    struct monitor_hooks hooks = {
        .registers = registers, .powerdown = powerdown, .quit = quit, .opaque = b};
    struct control *ctl = control_new(&b->pc.m, &about, &hooks);
    struct monitor *mon;

    fuzz_check(ctl);
    mon = monitor_new(ctl, NULL);
    fuzz_check(mon);
    while (in.left) {
        char *line = fuzz_string(&in, 600);

        monitor_execute(mon, line);
        free(line);
    }
    machine_lock(&b->pc.m);
    input_deliver(&b->pc.m);
    machine_unlock(&b->pc.m);
    monitor_free(mon);
    control_free(ctl);
    return 0;
}
