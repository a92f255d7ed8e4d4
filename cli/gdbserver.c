/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/gdbserver.h"

#include <stdlib.h>

#include "base/error.h"
#include "debugger/gdb.h"
#include "host/char/backend.h"

void gdbserver_close(struct gdbserver *g)
{
    gdb_free(g->gdb);
    if (g->chr) /* options may have been refused before there were any */
        chardev_remove(g->chardevs, g->chr);
    g->gdb = NULL;
    g->chr = NULL;
}

bool gdbserver_open(struct gdbserver *g, struct chardevs *chardevs, const char *where,
                    struct error *err)
{
    char *spec = gdb_connection(where);
    bool ok = spec && chardev_open(chardevs, spec, "gdb", &g->chr, NULL, err);

    g->chardevs = chardevs;
    free(spec);
    return ok || (!spec && error_set(err, "out of memory"));
}

bool gdbserver_start(struct gdbserver *g, struct debugger *d, struct error *err)
{
    if (g->chr)
        g->gdb = gdb_new(d, g->chr, err);
    return !g->chr || g->gdb;
}

bool gdbserver_move(struct gdbserver *g, struct chardevs *chardevs, struct debugger *d,
                    const char *where, struct error *err)
{
    if (g->gdb && gdb_is_busy(g->gdb))
        return error_set(err, "gdb itself cannot have that changed");
    gdbserver_close(g);
    if (gdbserver_open(g, chardevs, where, err) && gdbserver_start(g, d, err))
        return true;
    gdbserver_close(g);
    return false;
}
