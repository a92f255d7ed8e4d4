/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_QMP_JOBS_H
#define CALQUE_MONITOR_QMP_JOBS_H

#include "host/migrate/migrate.h"

/* Jobs of QMP (qapi/job.json): snapshots that clients have asked for, until they are dismissed.
 * Machine lock held. */

struct control;

/* What migrate_hooks.changed tells: the job under way, if it is one of these, may be over. */
void qmp_jobs_changed(struct control *ctl, enum migrate_status status);
void qmp_jobs_free(struct control *ctl);

#endif
