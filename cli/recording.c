/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/recording.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/cmdline.h"
#include "host/block/drive.h"
#include "vm/machine.h"
#include "vm/record.h"

/* Which drives there are, in the order of the options. */
static bool list_drives(struct drives *ds, struct record_header *h)
{
    unsigned n = 0;

    for (struct blockdev *b = drive_next(ds, NULL); b; b = drive_next(ds, b))
        n++;
    h->drives = calloc(n ? n : 1, sizeof(*h->drives));
    if (!h->drives)
        return false;
    for (struct blockdev *b = drive_next(ds, NULL); b; b = drive_next(ds, b))
        h->drives[h->ndrives++] = (struct record_drive){.id = (char *)drive_config(b)->id,
                                                        .size = blockdev_geometry(b).size,
                                                        .medium = blockdev_has_medium(b),
                                                        .read_only = blockdev_read_only(b)};
    return true;
}

static bool begin(struct machine *m, const struct settings *s, struct error *err)
{
    struct record_header h = {.args = s->words};
    struct record_setup setup = {.path = s->record, .header = &h, .history = s->history};
    bool ok =
        list_drives(s->drives, &h) ? record_begin(m, &setup, err) : error_set(err, "out of memory");

    free(h.drives);
    return ok || error_prefix(err, s->record ? "--record" : "--history");
}

/* Somebody outside answers the guest over a network, in the host's time. */
static bool has_peers(const struct settings *s)
{
    for (unsigned n = 0; n < s->nnetdevs; n++)
        if (strncmp(s->netdevs[n], "hubport", strlen("hubport")))
            return true;
    for (unsigned n = 0; n < s->nnics; n++)
        if (s->nics[n].backend)
            return true;
    return false;
}

/* --record, --history, --replay. Where a person or a network waits for the guest, an idle guest
 * waits as long as it thinks it does. */
bool recording_begin(struct machine *m, const struct settings *s, struct error *err)
{
    struct run_control *r = &m->run;
    bool waited_for = isatty(STDIN_FILENO) || s->display != UI_NONE || has_peers(s);

    r->sleeps = s->icount_sleep == SLEEP_ON ||
                (s->icount_sleep == SLEEP_DEFAULT && (s->record || s->history) && waited_for);
    if (s->replay)
        return record_replay(m, s->replay, s->history ? s->history : UINT64_MAX, err) ||
               error_prefix(err, "--replay");
    return (!s->record && !s->history) || begin(m, s, err);
}
