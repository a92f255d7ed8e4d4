/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: QEMU's spelling. One row in cmdline_table.c and one case here per option. */
#include "cli/cmdline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "cli/cmdline_devices.h"
#include "cli/cmdline_drives.h"
#include "cli/cmdline_help.h"
#include "cli/cmdline_machine.h"
#include "cli/cmdline_net.h"
#include "cli/cmdline_open.h"
#include "cli/cmdline_record.h"
#include "cli/cmdline_services.h"
#include "cli/cmdline_system.h"
#include "cli/cmdline_table.h"
#include "config.h"
#include "vm/clock.h"

/* Index of value in two names, or an error that lists them. */
static bool choose(const char *key, const char *value, const char *const names[2], unsigned *chosen,
                   struct error *err)
{
    for (*chosen = 0; *chosen < 2; ++*chosen)
        if (!strcmp(value, names[*chosen]))
            return true;
    return error_set(err, "%s=%s: %s or %s is expected", key, value, names[0], names[1]);
}

static bool apply_actions(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"reboot",   "shutdown", "triple-fault",
                                       "watchdog", "panic",    NULL};
    static const char *const reboot[] = {"reset", "shutdown"}, *const fault[] = {"reset", "report"};
    static const char *const shutdown[] = {"poweroff", "pause"};
    const char *value;
    unsigned n;

    if (!option_list_check(l, keys, err))
        return false;
    if ((value = option_get(l, "reboot"))) {
        if (!choose("reboot", value, reboot, &n, err))
            return false;
        s->no_reboot = n == 1;
    }
    if ((value = option_get(l, "shutdown"))) {
        if (!choose("shutdown", value, shutdown, &n, err))
            return false;
        s->no_shutdown = n == 1;
    }
    if ((value = option_get(l, "triple-fault"))) {
        if (!choose("triple-fault", value, fault, &n, err))
            return false;
        s->triple_fault = n == 1 ? TRIPLE_FAULT_REPORT : TRIPLE_FAULT_RESET;
    }
    return (!(value = option_get(l, "watchdog")) || service_set_watchdog(s, value, err)) &&
           (!(value = option_get(l, "panic")) || service_set_panic(s, value, err));
}

static bool parse_action(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;

    bool ok = option_list_parse(&l, value, NULL, err);
    if (ok) {
        ok = apply_actions(s, &l, err);
        option_list_free(&l);
    }
    if (!ok)
        error_prefix(err, "-action");
    return ok;
}

static bool parse_timeout(struct settings *s, const char *value, struct error *err)
{
    char *end;
    double seconds = strtod(value, &end);

    if (end == value || *end || !isfinite(seconds) || seconds <= 0 || seconds > 1e9)
        return error_set(err, "--timeout %s: a number of seconds is expected", value);
    s->timeout_ns = (uint64_t)(seconds * (double)NS_PER_SEC);
    return true;
}

static bool add_string(const char **array, unsigned *n, unsigned max, const char *option,
                       const char *value, struct error *err)
{
    if (*n == max)
        return error_set(err, "%s %s: more than %u", option, value, max);
    array[(*n)++] = value;
    return true;
}

static bool add_debugcon_option(struct settings *s, const char *value, struct error *err)
{
    if (s->ndebugcon == MAX_DEBUGCON)
        return error_set(err, "-debugcon %s: more than %d", value, MAX_DEBUGCON);
    s->debugcon[s->ndebugcon++] = (struct debugcon_setting){.iobase = 0xe9, .spec = value};
    return true;
}

static bool add_script(struct settings *s, bool is_file, const char *value, struct error *err)
{
    if (s->nscripts == MAX_SCRIPTS)
        return error_set(err, "-%s %s: more than %d", is_file ? "x" : "ex", value, MAX_SCRIPTS);
    s->scripts[s->nscripts++] = (struct script_setting){is_file, value};
    s->debug = true;
    return true;
}

/* ---- one option ---- */

static bool apply_named(struct settings *s, const char *option, const char *value,
                        struct error *err);

/* Those about the process and the machine as a whole: cmdline_system.h. */
static bool apply_process(struct settings *s, int id, const char *value, struct error *err)
{
    switch (id) {
    case OPT_NAME:
        return parse_name_option(s, value, err);
    case OPT_UUID:
        return parse_uuid(s, value, err);
    case OPT_OBJECT:
        return parse_object(s, value, err);
    case OPT_GLOBAL:
        return parse_global(value, err);
    case OPT_PIDFILE:
        s->pidfile = value;
        return true;
    case OPT_DAEMONIZE:
        return s->daemonize = true;
    case OPT_READCONFIG:
        return read_config(s, value, apply_named, err);
    case OPT_NO_USER_CONFIG:
        return true;
    case OPT_OVERCOMMIT:
        return parse_overcommit(value, err);
    case OPT_SANDBOX:
        return parse_sandbox(value, err);
    case OPT_MSG:
        return parse_msg(s, value, err);
    case OPT_D:
        s->log_categories = value;
        return true;
    case OPT_LOGFILE:
        s->log_file = value;
        return true;
    default:
        return error_set(err, "internal: option without meaning");
    }
}

/* How it runs, and who looks on. */
static bool apply_run(struct settings *s, int id, const char *value, struct error *err)
{
    switch (id) {
    case OPT_S:
        return s->start_paused = true;
    case OPT_NO_SHUTDOWN:
        return s->no_shutdown = true;
    case OPT_NO_REBOOT:
        return s->no_reboot = true;
    case OPT_ACTION:
        return parse_action(s, value, err);
    case OPT_WATCHDOG_ACTION:
        return service_set_watchdog(s, value, err) || error_prefix(err, "-watchdog-action");
    case OPT_ICOUNT:
        return parse_icount(s, value, err);
    case OPT_RECORD:
        s->record = value;
        return *value || error_set(err, "--record: a file is expected");
    case OPT_HISTORY:
        return parse_history(s, value, err);
    case OPT_SEED:
        return parse_seed(s, value, err);
    case OPT_TIMEOUT:
        return parse_timeout(s, value, err);
    case OPT_UNTIL:
        s->until = value;
        return *value || error_set(err, "--until: a text is expected");
    case OPT_INCOMING:
        s->incoming = value;
        return *value || error_set(err, "-incoming: a place is expected, as file:PATH");
    case OPT_LOADVM:
        s->loadvm = value;
        return *value || error_set(err, "-loadvm: the name of a snapshot is expected");
    case OPT_DEBUG:
        return s->debug = true;
    case OPT_EX:
    case OPT_X:
        return add_script(s, id == OPT_X, value, err);
    case OPT_GDB_TCP:
        s->gdb = "tcp::1234";
        return true;
    case OPT_GDB:
        s->gdb = value;
        return true;
    default:
        return apply_process(s, id, value, err);
    }
}

/* What of it is connected to the outside. */
static bool apply_connection(struct settings *s, int id, const char *value, struct error *err)
{
    switch (id) {
    case OPT_SERIAL:
        return add_string(s->serial, &s->nserial, MAX_SERIAL, "-serial", value, err);
    case OPT_MONITOR:
        return add_monitor_option(s, value, false, false, err);
    case OPT_QMP:
    case OPT_QMP_PRETTY:
        return add_monitor_option(s, value, true, id == OPT_QMP_PRETTY, err);
    case OPT_MON:
        return parse_mon(s, value, err);
    case OPT_CHARDEV:
        return add_string(s->chardev, &s->nchardev, MAX_CHARDEV, "-chardev", value, err);
    case OPT_DEBUGCON:
        return add_debugcon_option(s, value, err);
    case OPT_PARALLEL:
        if (device_add_parallel(s, value, err))
            return true;
        error_prefix(err, "-parallel %s", value);
        return false;
    case OPT_NOGRAPHIC:
        return s->nographic = true;
    case OPT_DISPLAY:
        s->no_display = !strcmp(value, "none");
        return ui_parse(value, &s->display, &s->display_options, &s->vnc, err);
    case OPT_VNC:
        s->vnc = value;
        return true;
    case OPT_FULL_SCREEN:
        return s->full_screen = true;
    case OPT_KEYMAP:
        s->keymap = value;
        return true;
    case OPT_AUDIODEV:
        return parse_audiodev(s, value, err);
    case OPT_NETDEV:
        return net_add_netdev(s, value, err);
    case OPT_NIC:
        return net_add_nic(s, value, err);
    case OPT_NET:
        return net_add_net(s, value, err);
    default:
        return apply_run(s, id, value, err);
    }
}

/* Its disks, and what it boots from. */
static bool apply_storage(struct settings *s, int id, const char *value, struct error *err)
{
    switch (id) {
    case OPT_KERNEL:
        s->kernel = value;
        return true;
    case OPT_INITRD:
        s->initrd = value;
        return true;
    case OPT_APPEND:
        s->append = value;
        return true;
    case OPT_BOOT:
        return parse_boot(s, value, err);
    case OPT_BIOS:
        s->bios = value;
        return true;
    case OPT_PFLASH:
        return drives_add_flash(s, value, err);
    case OPT_DRIVE:
        return drives_parse(s, value, err);
    case OPT_BLOCKDEV:
        return drives_parse_node(s, value, err);
    case OPT_HDA:
    case OPT_HDB:
    case OPT_HDC:
    case OPT_HDD:
        return drives_add_disk(s, (unsigned)(id - OPT_HDA), value, err);
    case OPT_CDROM:
        return drives_add_cdrom(s, value, err);
    case OPT_FDA:
    case OPT_FDB:
        return drives_add_floppy(s, (unsigned)(id - OPT_FDA), value, err);
    case OPT_SNAPSHOT:
        return s->snapshot = true;
    case OPT_FSDEV:
        return service_add_fsdev(s, value, err);
    case OPT_VIRTFS:
        return service_add_virtfs(s, value, err);
    default:
        return apply_connection(s, id, value, err);
    }
}

/* One option. The board. */
static bool apply(struct settings *s, int id, const char *value, struct error *err)
{
    switch (id) {
    case OPT_M:
        return parse_memory(s, value, err);
    case OPT_SMP:
        return parse_smp(&s->smp, value, err);
    case OPT_CPU:
        s->cpu = value;
        return true;
    case OPT_MACHINE:
        return parse_machine(s, value, err);
    case OPT_ACCEL:
        return parse_accel(s, value, err);
    case OPT_ENABLE_KVM:
        return parse_accel(s, "kvm", err);
    case OPT_VGA:
        return parse_vga(s, value, err);
    case OPT_DEVICE:
        return device_parse(s, value, err);
    case OPT_SMBIOS:
        return add_string(s->smbios, &s->nsmbios, MAX_SMBIOS, "-smbios", value, err);
    case OPT_RTC:
        return parse_rtc(s, value, err);
    case OPT_NODEFAULTS:
        return s->nodefaults = true;
    case OPT_NO_HPET:
        return s->no_hpet = true;
    default:
        return apply_storage(s, id, value, err);
    }
}

/* An option of a file: its name and value, as if typed. */
static bool apply_named(struct settings *s, const char *option, const char *value,
                        struct error *err)
{
    for (const struct option_row *row = cmdline_options; row->name; row++) {
        if (strcmp(row->name, option) != 0)
            continue;
        if (!row->group)
            return error_set(err, "-%s: not in this version yet", option);
        return apply(s, row->id, value, err);
    }
    return error_set(err, "internal: option -%s", option);
}

void cmdline_each_option(void *opaque, void (*fn)(void *fn_opaque, const char *name),
                         void *fn_opaque)
{
    (void)opaque;
    for (const struct option_row *row = cmdline_options; row->name; row++)
        if (row->group)
            fn(fn_opaque, row->name);
}

/* Without another screen the terminal is the screen, unless that was declined. With one the serial
 * port is there, unconnected. */
static void set_defaults(struct settings *s)
{
    bool taken = s->daemonize, screen;

    for (unsigned i = 0; i < s->nmonitors; i++)
        taken |= !strcmp(s->monitors[i].spec, "stdio");
    if (s->nographic || s->machine_none || s->daemonize)
        s->display = s->display == UI_DEFAULT || s->nographic ? UI_NONE : s->display;
    else if (s->display == UI_DEFAULT)
        s->display = s->vnc || !settings_have_vga(s) ? UI_NONE : ui_default();
    screen = !s->nographic && (s->vnc || s->display != UI_NONE);
    if (s->nserial || s->nodefaults || s->machine_none ||
        (s->no_display && !s->nographic && !screen))
        return;
    s->serial[s->nserial++] = screen || taken ? "null" : s->no_monitor ? "stdio" : "mon:stdio";
}

static bool uses_terminal(const char *spec)
{
    return !strncmp(spec, "stdio", 5) || !strcmp(spec, "mon:stdio");
}

/* In the background there is no terminal. */
static bool check_background(const struct settings *s, struct error *err)
{
    bool terminal = false;

    for (unsigned i = 0; i < s->nserial; i++)
        terminal |= uses_terminal(s->serial[i]);
    for (unsigned i = 0; i < s->nmonitors; i++)
        terminal |= uses_terminal(s->monitors[i].spec);
    for (unsigned i = 0; i < s->nchardev; i++)
        terminal |= uses_terminal(s->chardev[i]);
    return !s->daemonize || !terminal ||
           error_set(err, "-daemonize: stdio goes away; a socket, pty or file is expected");
}

static bool check_restore(const struct settings *s, struct error *err)
{
    if (s->incoming && s->loadvm)
        return error_set(err, "-incoming and -loadvm: one of them is expected");
    if ((s->incoming || s->loadvm) && (s->record || s->history || s->replay))
        return error_set(err, "%s: not with --record, --history or --replay",
                         s->incoming ? "-incoming" : "-loadvm");
    return !(s->incoming || s->loadvm) || !s->machine_none ||
           error_set(err, "-machine none: there is nothing that could be restored");
}

static bool takes_json(int id)
{
    return id == OPT_DEVICE || id == OPT_BLOCKDEV || id == OPT_OBJECT || id == OPT_AUDIODEV ||
           id == OPT_NETDEV;
}

/* Options about the host's side, which may be others at a replay. */
static bool is_of_host(const struct option_row *row)
{
    switch (row->id) {
    case OPT_ACCEL:
    case OPT_NAME:
    case OPT_MONITOR:
    case OPT_QMP:
    case OPT_QMP_PRETTY:
    case OPT_MON:
    case OPT_DISPLAY:
    case OPT_VNC:
    case OPT_KEYMAP:
    case OPT_FULL_SCREEN:
    case OPT_AUDIODEV:
    case OPT_S:
    case OPT_NO_SHUTDOWN:
    case OPT_PIDFILE:
    case OPT_DAEMONIZE:
    case OPT_RECORD:
    case OPT_TIMEOUT:
    case OPT_UNTIL:
        return true;
    default:
        return !strcmp(row->group, "debug");
    }
}

static enum cmdline_result parse_words(struct settings *s, char **argv, int i, struct error *err);

static enum cmdline_result parse_file_name(struct settings *s, const char *name, struct error *err)
{
    const char *option = open_by_content(s, name, err);

    return option && record_remember(s, option, name, err) ? CMDLINE_RUN : CMDLINE_BAD;
}

/* The recorded machine's options first. */
static enum cmdline_result replay(struct settings *s, const char *file, struct error *err)
{
    enum cmdline_result r;

    if (!parse_replay(s, file, err))
        return CMDLINE_BAD;
    r = parse_words(s, s->replay->header.args.text, 0, err);
    if (r == CMDLINE_RUN && !record_leave_host(s, err))
        r = CMDLINE_BAD;
    if (r == CMDLINE_BAD)
        error_prefix(err, "--replay %s", file);
    return r;
}

static enum cmdline_result parse_option(struct settings *s, const struct option_row *row,
                                        const char *value, struct error *err)
{
    char name[40];

    if (row->id == OPT_HELP)
        return cmdline_print_help(value, err) ? CMDLINE_DONE : CMDLINE_BAD;
    if (row->id == OPT_VERSION) {
        puts("Calque " CALQUE_VERSION);
        return CMDLINE_DONE;
    }
    if (row->id == OPT_DEVICE && device_help(value))
        return CMDLINE_DONE;
    if (row->id == OPT_REPLAY)
        return replay(s, value, err);
    if (value && (!strcmp(value, "help") || !strcmp(value, "?")) && cmdline_print_values(row->id))
        return CMDLINE_DONE;
    if (value && *value == '{' && takes_json(row->id) && !(value = option_text(s, value, err))) {
        error_prefix(err, "-%s", row->name);
        return CMDLINE_BAD;
    }
    snprintf(name, sizeof(name), "-%s", row->name);
    if (!is_of_host(row) && !record_remember(s, name, value, err))
        return CMDLINE_BAD;
    return apply(s, row->id, value ? value : "", err) ? CMDLINE_RUN : CMDLINE_BAD;
}

static enum cmdline_result parse_words(struct settings *s, char **argv, int i, struct error *err)
{
    enum cmdline_result r = CMDLINE_RUN;

    while (r == CMDLINE_RUN && argv[i]) {
        const char *value;
        const struct option_row *row = option_next(cmdline_options, argv, &i, &value, err);

        if (!row && err->text[0])
            return CMDLINE_BAD;
        r = row ? parse_option(s, row, value, err) : parse_file_name(s, value, err);
    }
    return r;
}

enum cmdline_result cmdline_parse(struct settings *s, char **argv, struct error *err)
{
    enum cmdline_result r;

    *s = (struct settings){
        .irqchip = KVM_APICS_BEST,
        .jit = true,
        .ram_size = 1024ull << 20,
        .cpu = "max",
        .dump_guest_core = true,
        .smp = {.cpus = 1, .maxcpus = 1, .sockets = 1, .cores = 1, .threads = 1},
    };
    if (!argv[0] || !argv[1]) {
        print_examples();
        return CMDLINE_BAD;
    }
    r = parse_words(s, argv, 1, err);
    if (r != CMDLINE_RUN)
        return r;
    set_defaults(s);
    return check_background(s, err) && check_restore(s, err) && record_check_settings(s, err)
               ? CMDLINE_RUN
               : CMDLINE_BAD;
}
