/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command table of the human monitor. Handlers run with the machine lock held. */
#include <string.h>

#include "base/error.h"
#include "monitor/monitor_internal.h"
#include "vm/host_time.h"
#include "vm/machine.h"

static void cmd_help(struct monitor *mon, const struct monitor_args *args)
{
    const struct monitor_command *c;

    if (args->n == 0) {
        monitor_print_table(mon, monitor_commands, "");
        return;
    }
    c = monitor_find(mon, monitor_commands, args->text[0]);
    if (c && c->sub)
        c->run(mon, &(struct monitor_args){.n = 0}); /* lists them */
    else if (c)
        monitor_print_row(mon, c, "");
}

static void cmd_info(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_print_table(mon, monitor_info_commands, "info ");
}

static void say_error(struct monitor *mon, bool ok, const struct error *err)
{
    if (!ok)
        monitor_error(mon, "%s\n", err->text);
}

static void cmd_stop(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    (void)args;
    say_error(mon, control_stop(mon->ctl, &err), &err);
}

static void cmd_cont(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    (void)args;
    say_error(mon, control_cont(mon->ctl, &err), &err);
}

static double host_ms(void)
{
    return (double)host_now() / 1e6;
}

/* Tells how long the machine had to stand still. */
static void change_engine(struct monitor *mon, const char *name)
{
    const struct monitor_hooks *hooks = &mon->ctl->hooks;
    double begin = host_ms();
    struct error err;
    bool was_running = control_hold(mon->ctl), ok = hooks->accel(hooks->opaque, name, &err);

    control_release(mon->ctl, was_running);
    if (ok)
        monitor_printf(mon, "%s, after %.2f ms\n", hooks->engine(hooks->opaque), host_ms() - begin);
    else
        monitor_printf(mon, "%s\n", err.text);
}

static void cmd_accel(struct monitor *mon, const struct monitor_args *args)
{
    const struct monitor_hooks *hooks = &mon->ctl->hooks;

    if (!hooks->accel)
        monitor_printf(mon, "there is no processor\n");
    else if (args->n)
        change_engine(mon, args->text[0]);
    else
        monitor_printf(mon, "%s\n", hooks->engine(hooks->opaque));
}

static void cmd_reset(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    (void)args;
    say_error(mon, control_reset(mon->ctl, &err), &err);
}

static void cmd_powerdown(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    (void)args;
    say_error(mon, control_powerdown(mon->ctl, &err), &err);
}

static void cmd_quit(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    (void)args;
    say_error(mon, control_quit(mon->ctl, &err), &err);
}

static void cmd_nmi(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    (void)args;
    say_error(mon, control_nmi(mon->ctl, &err), &err);
}

static void cmd_gdbserver(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    say_error(mon, control_gdbserver(mon->ctl, args->n ? args->text[0] : "tcp::1234", &err), &err);
}

static void cmd_balloon(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    say_error(mon, control_set_balloon(mon->ctl, args->number[0] << 20, &err), &err);
}

const struct monitor_command monitor_commands[] = {
    {"help", "?s", "[COMMAND]", "this list, or one command", cmd_help, NULL},
    {"info", "?s", "[WHAT]", "shows the state of the machine; see: help info", cmd_info,
     monitor_info_commands},
    {"stop", "", "", "stops the machine", cmd_stop, NULL},
    {"cont", "", "", "lets the machine run on", cmd_cont, NULL},
    {"accel", "?s", "[kvm|jit|interp]",
     "which engine runs the processors, or another one from here on", cmd_accel, NULL},
    {"system_reset", "", "", "presses the reset button", cmd_reset, NULL},
    {"system_powerdown", "", "", "presses the power button", cmd_powerdown, NULL},
    {"screendump", "s", "FILE.png|FILE.ppm", "writes what is on the screen", cmd_screendump, NULL},
    {"screen", "?ss", "[WHAT]", "the text on the screen; see: help screen", cmd_screen,
     monitor_screen_commands},
    {"sendkey", "s?i", "KEY-KEY... [MS]", "presses keys together: ctrl-alt-delete", cmd_sendkey,
     NULL},
    {"mouse_move", "ss?s", "DX DY [DZ]", "moves the pointer and the wheel", cmd_mouse_move, NULL},
    {"mouse_button", "i", "STATE", "1 left, 2 middle, 4 right: the sum of those pressed",
     cmd_mouse_button, NULL},
    {"set_password", "ss", "vnc PASSWORD", "the password of -vnc with password=on",
     cmd_set_password, NULL},
    {"expire_password", "ss", "vnc now|never|+S|S", "when that is none any more",
     cmd_expire_password, NULL},
    {"nmi", "", "", "an NMI to every processor", cmd_nmi, NULL},
    {"x", "/?i", "[/FORMAT] [ADDRESS]",
     "memory: x/10i $pc, x/4xw; x, d, u, o, t, a, c, s, i; b, h, w, g", cmd_x, NULL},
    {"xp", "/?i", "[/FORMAT] [ADDRESS]", "the same at a physical address", cmd_xp, NULL},
    {"print", "/i", "[/FORMAT] VALUE", "calculates; registers are $rax, $cs, $cr3", cmd_print,
     NULL},
    {"sum", "ii", "ADDRESS SIZE", "a checksum of physical memory", cmd_sum, NULL},
    {"i", "/i", "[/FORMAT] PORT", "reads a port: i/b 0x60", cmd_port_in, NULL},
    {"o", "/ii", "[/FORMAT] PORT VALUE", "writes a port", cmd_port_out, NULL},
    {"memsave", "iis", "ADDRESS SIZE FILE", "saves memory as the CPU sees it", cmd_memsave, NULL},
    {"pmemsave", "iis", "ADDRESS SIZE FILE", "saves physical memory", cmd_pmemsave, NULL},
    {"gpa2hva", "i", "ADDRESS", "is not told", cmd_gpa2hva, NULL},
    {"cpu", "i", "CPU", "which processor the commands are about", cmd_cpu, NULL},
    {"log", "s", "NAME,...|none", "what is logged; see -d help", cmd_log, NULL},
    {"eject", "s?s", "[-f] DRIVE", "takes the medium out; -f: even if it is locked", cmd_eject,
     NULL},
    {"change", "ss?s", "DRIVE FILE [FORMAT]", "puts another medium in", cmd_change, NULL},
    {"gdbserver", "?s", "[WHERE|none]", "waits for gdb: tcp::1234, unix:PATH", cmd_gdbserver, NULL},
    {"set_link", "ss", "NAME on|off", "plugs in or pulls the cable of a network card or back end",
     cmd_set_link, NULL},
    {"hostfwd_add", "s?s", "[NETDEV] tcp:ADDRESS:PORT-ADDRESS:PORT",
     "a port of the host leads to one of the guest", cmd_hostfwd_add, NULL},
    {"hostfwd_remove", "s?s", "[NETDEV] tcp:ADDRESS:PORT", "no more", cmd_hostfwd_remove, NULL},
    {"netdev_add", "s", "TYPE,id=ID,...", "opens a network, as -netdev", cmd_netdev_add, NULL},
    {"netdev_del", "s", "ID", "closes it", cmd_netdev_del, NULL},
    {"balloon", "i", "MIB", "asks the guest to have so much memory", cmd_balloon, NULL},
    {"migrate", "r", "[-d] WHERE",
     "saves to file:PATH; or sends to tcp:HOST:PORT, unix:PATH, fd:N, exec:COMMAND; -d: does not "
     "wait",
     cmd_migrate, NULL},
    {"migrate_cancel", "", "", "gives that up", cmd_migrate_cancel, NULL},
    {"migrate_incoming", "r", "WHERE", "after -incoming defer: where the machine comes from",
     cmd_migrate_incoming, NULL},
    {"migrate_set_parameter", "ss", "NAME VALUE",
     "max-bandwidth (MiB/s), downtime-limit (ms), compression (none, zlib, zstd)",
     cmd_migrate_set_parameter, NULL},
    {"savevm", "?s", "[NAME]", "a snapshot of machine and disks, in its qcow2 images", cmd_savevm,
     NULL},
    {"loadvm", "s", "NAME", "goes back to one", cmd_loadvm, NULL},
    {"delvm", "s", "NAME", "deletes one", cmd_delvm, NULL},
    {"quit|q|exit", "", "", "ends Calque at once", cmd_quit, NULL},
    {0},
};
