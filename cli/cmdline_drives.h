/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_DRIVES_H
#define CALQUE_CLI_CMDLINE_DRIVES_H

#include <stdbool.h>

struct error;
struct pc_storage_config;
struct settings;

/* -drive, -hda and the like: what there is, and to which controller it goes. */

/* "file=FILE,if=ide,..." */
bool drives_parse(struct settings *s, const char *value, struct error *err);
/* -blockdev: "driver=qcow2,node-name=NAME,file=NODE" */
bool drives_parse_node(struct settings *s, const char *value, struct error *err);
/* -hda (0) to -hdd (3) */
bool drives_add_disk(struct settings *s, unsigned index, const char *file, struct error *err);
bool drives_add_cdrom(struct settings *s, const char *file, struct error *err);
/* -fda (0), -fdb (1) */
bool drives_add_floppy(struct settings *s, unsigned index, const char *file, struct error *err);
/* -pflash: the next flash chip */
bool drives_add_flash(struct settings *s, const char *file, struct error *err);
void drives_print_help(void);
/* When all options are read: opens the images and says what is at which connector. */
bool drives_resolve(struct settings *s, struct pc_storage_config *storage, struct error *err);

#endif
