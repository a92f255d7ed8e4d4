/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of the human monitor about networks. Handlers run with the machine lock held. */
#include <string.h>

#include "base/error.h"
#include "host/net/backend.h"
#include "monitor/monitor_internal.h"

static void say_error(struct monitor *mon, bool ok, const struct error *err)
{
    if (!ok)
        monitor_printf(mon, "%s\n", err->text);
}

void info_network(struct monitor *mon, const struct monitor_args *args)
{
    struct nets *s = mon->ctl->about.nets;

    (void)args;
    if (s)
        nets_print(s, monitor_print_line, mon);
}

void info_usernet(struct monitor *mon, const struct monitor_args *args)
{
    struct nets *s = mon->ctl->about.nets;

    (void)args;
    if (s)
        nets_print_user(s, monitor_print_line, mon);
}

/* set_link NAME on|off */
void cmd_set_link(struct monitor *mon, const struct monitor_args *args)
{
    bool on = !strcmp(args->text[1], "on");
    struct error err;

    if (!on && strcmp(args->text[1], "off") != 0)
        monitor_printf(mon, "usage: set_link NAME on|off\n");
    else
        say_error(mon, control_set_link(mon->ctl, args->text[0], on, &err), &err);
}

static void forward(struct monitor *mon, const struct monitor_args *args,
                    bool (*change)(struct nets *, const char *, const char *, struct error *))
{
    struct nets *s = mon->ctl->about.nets;
    const char *netdev = args->n == 2 ? args->text[0] : NULL;
    struct error err;

    if (!s)
        monitor_printf(mon, "there is no user network\n");
    else
        say_error(mon, change(s, netdev, args->text[args->n - 1], &err), &err);
}

/* hostfwd_add [NETDEV] tcp:ADDRESS:PORT-ADDRESS:PORT */
void cmd_hostfwd_add(struct monitor *mon, const struct monitor_args *args)
{
    forward(mon, args, nets_hostfwd_add);
}

/* hostfwd_remove [NETDEV] tcp:ADDRESS:PORT */
void cmd_hostfwd_remove(struct monitor *mon, const struct monitor_args *args)
{
    forward(mon, args, nets_hostfwd_remove);
}

/* netdev_add TYPE,id=ID,... */
void cmd_netdev_add(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    say_error(mon, control_netdev_add(mon->ctl, args->text[0], &err), &err);
}

void cmd_netdev_del(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    say_error(mon, control_netdev_del(mon->ctl, args->text[0], &err), &err);
}
