/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_NET_H
#define CALQUE_CLI_CMDLINE_NET_H

#include <stdbool.h>

struct error;
struct nets;
struct option_list;
struct pc_net_config;
struct settings;

/* -netdev, -nic, -net, network cards of -device, filter-dump of -object. */

/* "user,id=n0,hostfwd=..." */
bool net_add_netdev(struct settings *s, const char *value, struct error *err);
/* "user,model=virtio-net-pci,mac=...,hostfwd=...", "none" */
bool net_add_nic(struct settings *s, const char *value, struct error *err);
/* "nic,model=...", "user,hostfwd=...", "none": all of these are on hub 0. */
bool net_add_net(struct settings *s, const char *value, struct error *err);
/* -device MODEL,netdev=ID,mac=ADDRESS,... */
bool net_add_device(struct settings *s, const struct option_list *l, struct error *err);
/* -object filter-dump,id=ID,netdev=ID,file=FILE,maxlen=N */
bool net_add_dump(struct settings *s, const struct option_list *l, struct error *err);
void net_print_nic_help(void);
/* When all options are read: opens the back ends and says what is plugged in where. */
bool net_resolve(struct settings *s, struct nets *nets, struct pc_net_config *net,
                 struct error *err);

#endif
