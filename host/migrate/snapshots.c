/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/migrate/migrate_internal.h"
bool snapshot_save(struct migrate *g, const char *name, struct error *err){(void)g;(void)name;return error_set(err,"x");}
bool snapshot_load(struct migrate *g, const char *name, struct error *err){(void)g;(void)name;return error_set(err,"x");}
bool snapshot_delete(struct migrate *g, const char *name, struct error *err){(void)g;(void)name;return error_set(err,"x");}
bool snapshot_list(struct migrate *g, void (*line)(void *opaque, const char *text), void *opaque, struct error *err){(void)g;(void)line;(void)opaque;return error_set(err,"x");}
