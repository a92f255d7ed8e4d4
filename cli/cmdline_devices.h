/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_DEVICES_H
#define CALQUE_CLI_CMDLINE_DEVICES_H

#include <stdbool.h>

#include "cli/cmdline.h"

struct error;
struct option_list;

/* -device: the devices that can be added, and what is said of them. */

struct device_property {
    const char *name, *arg, *help;
};

/* Calls with each device that can be added. */
void device_each(void *opaque, void (*fn)(void *opaque, const char *name,
                                          const struct device_property *properties, unsigned n));
/* "TYPE,property=value,..." into the settings. */
bool device_parse(struct settings *s, const char *value, struct error *err);
/* What the row of a device finds in its properties: where a PCI device goes; chardev=ID, which must
 * be there (copied: the list is freed). */
bool device_get_place(const struct settings *s, const struct option_list *l,
                      struct pc_pci_place *place, struct error *err);
bool device_get_chardev(const struct option_list *l, char out[DEVICE_CHARDEV_MAX],
                        struct error *err);
/* -parallel: the next parallel port, connected to `where`. */
bool device_add_parallel(struct settings *s, const char *where, struct error *err);
/* If the value is "help" prints all devices, if it is "TYPE,help" a device's properties. False if
 * it is neither, or there is no such device. */
bool device_help(const char *value);

#endif
