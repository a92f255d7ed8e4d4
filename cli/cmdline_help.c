/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_help.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cli/cmdline_drives.h"
#include "cli/cmdline_machine.h"
#include "cli/cmdline_net.h"
#include "cli/cmdline_table.h"
#include "host/char/backend.h"
#include "host/net/backend.h"
#include "host/ui/keymap.h"
#include "host/ui/ui.h"
#include "host/ui/vnc.h"

static const char exit_help[] =
    "Exit status:\n"
    "    0  the guest powered off or reset (-no-reboot); --until's text was seen; quit\n"
    "    1  Calque could not do what it was asked; standard error says why; the guest panicked\n"
    "       (-action panic=exit-failure)\n"
    "  odd  isa-debug-exit: the guest wrote v, the status is (v << 1) | 1, modulo 256\n"
    "  120  the machine ended and --until's text had not been seen\n"
    "  122  triple fault (with -no-reboot or -action triple-fault=report)\n"
    "  123  -accel jit,lockstep=on: translated code and the interpreter differ\n"
    "  124  --timeout\n"
    "  130  ended by a second SIGINT or SIGTERM, or by SIGHUP\n";

static const char keys_help[] =
    "Keys with -nographic, -serial mon:stdio and -chardev stdio,mux=on:\n"
    "  Ctrl-A h       lists these\n"
    "  Ctrl-A x       ends Calque\n"
    "  Ctrl-A c       goes to the monitor and back\n"
    "  Ctrl-A d       stops the guest and goes to the debugger's prompt; back\n"
    "  Ctrl-A b       sends a break\n"
    "  Ctrl-A Ctrl-A  sends Ctrl-A\n";

static void print_topic_name(void *opaque, const char *topic)
{
    (void)opaque;
    printf(" %s", topic);
}

static void print_topics(const char *title)
{
    printf("%s", title);
    option_each_topic(cmdline_options, print_topic_name, NULL);
    puts(" exit keys all");
}

bool cmdline_print_help(const char *topic, struct error *err)
{
    if (!topic) {
        puts("Usage: calque [OPTION...] [FILE]: runs x86 systems on an emulated PC;\n"
             "       calque doctor: what this host can do");
        option_print_summary(cmdline_options, stdout);
        puts("\ncalque -kernel vmlinuz -initrd initrd.gz -append console=ttyS0 -nographic");
        print_topics("--help=TOPIC tells more; there are:\n");
        return true;
    }
    if (!strcmp(topic, "all"))
        option_print_help(cmdline_options, NULL, stdout);
    else if (!strcmp(topic, "exit"))
        fputs(exit_help, stdout);
    else if (!strcmp(topic, "keys"))
        fputs(keys_help, stdout);
    else if (!option_print_help(cmdline_options, topic, stdout))
        return error_set(err,
                         "--help=%s: the topics are machine boot disks network terminal display "
                         "run debug other help "
                         "exit keys all",
                         topic);
    return true;
}

static void print_line(void *opaque, const char *text)
{
    (void)opaque;
    puts(text);
}

bool cmdline_print_values(int id)
{
    switch (id) {
    case OPT_MACHINE:
        machine_print_help();
        return true;
    case OPT_ACCEL:
        accel_print_help();
        return true;
    case OPT_CHARDEV:
    case OPT_SERIAL:
    case OPT_MONITOR:
    case OPT_DEBUGCON:
    case OPT_PARALLEL:
        chardev_print_help();
        return true;
    case OPT_DRIVE:
        drives_print_help();
        return true;
    case OPT_NETDEV:
        netdev_print_help();
        return true;
    case OPT_NIC:
    case OPT_NET:
        net_print_nic_help();
        netdev_print_help();
        return true;
    case OPT_VGA:
        vga_print_help();
        return true;
    case OPT_DISPLAY:
        ui_print_help();
        return true;
    case OPT_VNC:
        vnc_print_help();
        return true;
    case OPT_KEYMAP:
        puts("Keyboards:");
        keymap_list(print_line, NULL);
        return true;
    default:
        return false;
    }
}
