/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/debugger.h"
#include "debugger/symbols_internal.h"
#include "vm/machine.h"

/* Symbols see the guest through the debugger. */

static struct cpu *view_cpu(void *opaque, unsigned index)
{
    return index < debugger_ncpus(opaque) ? debugger_cpu(opaque, index) : NULL;
}

static uint64_t view_resets(void *opaque)
{
    return debugger_machine(opaque)->run.resets;
}

struct symbols *symbols_new(struct debugger *d)
{
    const struct guest_view view = {
        .read = debugger_read_quick, .cpu = view_cpu, .resets = view_resets, .opaque = d};

    return symbols_new_view(d, &view);
}
