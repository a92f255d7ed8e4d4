/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: QEMU's spelling. One table row and one case per option; what is not there yet
 * has a row without a topic and is refused by name. */
#include "cmdline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "cmdline_devices.h"
#include "cmdline_drives.h"
#include "config.h"
#include "host/char/backend.h"
#include "vm/clock.h"

enum option_id {
    OPT_M,
    OPT_SMP,
    OPT_CPU,
    OPT_MACHINE,
    OPT_ACCEL,
    OPT_NAME,
    OPT_NODEFAULTS,
    OPT_KERNEL,
    OPT_INITRD,
    OPT_APPEND,
    OPT_BIOS,
    OPT_SMBIOS,
    OPT_SERIAL,
    OPT_MONITOR,
    OPT_CHARDEV,
    OPT_DEBUGCON,
    OPT_PARALLEL,
    OPT_NO_HPET,
    OPT_NOGRAPHIC,
    OPT_DISPLAY,
    OPT_DEVICE,
    OPT_DRIVE,
    OPT_HDA,
    OPT_HDB,
    OPT_HDC,
    OPT_HDD,
    OPT_CDROM,
    OPT_SNAPSHOT,
    OPT_S,
    OPT_NO_REBOOT,
    OPT_ACTION,
    OPT_ICOUNT,
    OPT_TIMEOUT,
    OPT_UNTIL,
    OPT_D,
    OPT_LOGFILE,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option_row options[] = {
    {"m", "SIZE", OPT_M, "machine", "memory: 512 (MiB), 512M, 2G; default 128M"},
    {"smp", "N[,sockets=..]", OPT_SMP, "machine",
     "number of CPUs, and sockets=, cores=, threads=, maxcpus="},
    {"cpu", "MODEL[,+F,-F]", OPT_CPU, "machine", "CPU model and features; help lists them"},
    {"machine", "TYPE[,K=V...]", OPT_MACHINE, "machine",
     "machine type (help lists them); hpet=on|off"},
    {"M", "TYPE", OPT_MACHINE, "machine", "the same"},
    {"accel", "ENGINE", OPT_ACCEL, "machine", "how instructions are executed; help lists"},
    {"device", "TYPE[,K=V...]", OPT_DEVICE, "machine", "adds a device; help lists them"},
    {"no-hpet", NULL, OPT_NO_HPET, "machine", "-machine hpet=off"},
    {"smbios", "type=N,K=V...", OPT_SMBIOS, "machine", "fields of the tables that dmidecode shows"},
    {"name", "NAME", OPT_NAME, "machine", "name of the machine, for messages"},
    {"nodefaults", NULL, OPT_NODEFAULTS, "machine", "no serial port nor monitor unless asked for"},
    {"kernel", "FILE", OPT_KERNEL, "boot",
     "Linux bzImage, Multiboot or PVH kernel, or ELF program"},
    {"initrd", "FILE", OPT_INITRD, "boot", "its initial RAM disk, or modules: FILE ARGS,FILE ARGS"},
    {"append", "TEXT", OPT_APPEND, "boot", "its command line"},
    {"bios", "FILE", OPT_BIOS, "boot", "firmware, started at the reset vector: SeaBIOS, OVMF"},
    {"hda", "FILE", OPT_HDA, "disks",
     "disk image of the first IDE drive; -hdb, -hdc, -hdd likewise"},
    {"hdb", "FILE", OPT_HDB, "disks", "of the second"},
    {"hdc", "FILE", OPT_HDC, "disks", "of the third, in place of the CD drive"},
    {"hdd", "FILE", OPT_HDD, "disks", "of the fourth"},
    {"cdrom", "FILE", OPT_CDROM, "disks", "ISO image in the CD drive (IDE, secondary master)"},
    {"drive", "file=FILE,...", OPT_DRIVE, "disks", "a drive and its options; help lists them"},
    {"snapshot", NULL, OPT_SNAPSHOT, "disks", "writes to disks are forgotten at the end"},
    {"serial", "WHERE", OPT_SERIAL, "terminal", "connects the next serial port; see -chardev help"},
    {"monitor", "WHERE", OPT_MONITOR, "terminal", "connects a monitor"},
    {"chardev", "BACKEND,id=ID,...", OPT_CHARDEV, "terminal", "a connection to refer to by id"},
    {"parallel", "WHERE", OPT_PARALLEL, "terminal", "connects the next parallel port, or none"},
    {"debugcon", "WHERE", OPT_DEBUGCON, "terminal", "connects a debug console at port 0xe9"},
    {"nographic", NULL, OPT_NOGRAPHIC, "terminal", "serial port and monitor share this terminal"},
    {"display", "none", OPT_DISPLAY, "terminal", "none: no screen, and no default serial port"},
    {"S", NULL, OPT_S, "run", "does not start until the monitor says cont"},
    {"no-reboot", NULL, OPT_NO_REBOOT, "run", "ends when the guest resets"},
    {"action", "EVENT=ACTION,...", OPT_ACTION, "run",
     "reboot=reset|shutdown, triple-fault=reset|report"},
    {"icount", "shift=N|auto", OPT_ICOUNT, "run",
     "virtual time from instructions: 2^N ns each; runs repeat"},
    {"timeout", "SECONDS", OPT_TIMEOUT, "run", "ends after this time of the host"},
    {"until", "TEXT", OPT_UNTIL, "run", "ends when a serial port has printed TEXT"},
    {"d", "NAME,...", OPT_D, "debug", "logs these categories; help lists them"},
    {"D", "FILE", OPT_LOGFILE, "debug", "logs to a file"},
    {"help", "[=TOPIC]", OPT_HELP, "help", "all options, or those of a topic"},
    {"h", "[=TOPIC]", OPT_HELP, "help", "the same"},
    {"version", NULL, OPT_VERSION, "help", "prints the version"},
    /* Known, but not there yet; the hint may be empty. */
    {"pflash", "FILE", 0, NULL, "-bios"},
    {"blockdev", "X", 0, NULL, "-drive"},
    {"fda", "FILE", 0, NULL, "-initrd"},
    {"boot", "X", 0, NULL, "-kernel"},
    {"netdev", "X", 0, NULL, NULL},
    {"nic", "X", 0, NULL, NULL},
    {"net", "X", 0, NULL, NULL},
    {"qmp", "X", 0, NULL, "-monitor"},
    {"vnc", "X", 0, NULL, "-nographic"},
    {"vga", "X", 0, NULL, "-nographic"},
    {"s", NULL, 0, NULL, "-monitor"},
    {"gdb", "X", 0, NULL, "-monitor"},
    {"loadvm", "X", 0, NULL, NULL},
    {"uuid", "X", 0, NULL, NULL},
    {"rtc", "X", 0, NULL, NULL},
    {"k", "X", 0, NULL, NULL},
    {"global", "X", 0, NULL, "-device"},
    {"fw_cfg", "X", 0, NULL, NULL},
    {"option-rom", "X", 0, NULL, NULL},
    {"readconfig", "X", 0, NULL, NULL},
    {"pidfile", "X", 0, NULL, NULL},
    {"daemonize", NULL, 0, NULL, NULL},
    {"enable-kvm", NULL, 0, NULL, "-accel interp"},
    {"dtb", "X", 0, NULL, "-kernel"},
    {0},
};

/* ---- named values: machines, engines ---- */

struct named_value {
    const char *name, *help;
    bool later; /* known, not there yet */
};

static const struct named_value machines[] = {
    {"pc", "i440FX and PIIX: the standard PC", false},
    {"q35", "ICH9 with PCI Express", true},
    {"microvm", "virtio on MMIO", true},
    {"isapc", "ISA only", true},
    {0},
};
static const struct named_value engines[] = {
    {"interp", "interpreter of decoded instructions", false},
    {"jit", "translator to host code; jit,lockstep=on compares with interp; see calque(1)", false},
    {"tcg", "another name of jit", true},
    {"kvm", "the host processor's virtualization extensions", true},
    {0},
};

static void print_values(const char *title, const struct named_value *v)
{
    puts(title);
    for (; v->name; v++)
        if (!v->later)
            printf("  %-15s %s\n", v->name, v->help);
}

/* True if the name is there today. */
static bool check_value(const struct named_value *table, const char *option, const char *name,
                        struct error *err)
{
    struct suggestion near;
    const char *there = NULL;

    suggest_begin(&near, name);
    for (const struct named_value *v = table; v->name; v++) {
        if (!strcmp(v->name, name) && !v->later)
            return true;
        if (!strcmp(v->name, name))
            return error_set(err, "%s %s: not in this version yet; try %s %s", option, name, option,
                             table->name);
        if (!v->later)
            suggest_offer(&near, v->name);
        there = near.best;
    }
    return error_set(err, "%s %s: there is none of this name; did you mean %s?", option, name,
                     there);
}

/* ---- help ---- */

static const char exit_help[] =
    "Exit status:\n"
    "    0  the guest powered off or reset (-no-reboot); --until's text was seen; quit\n"
    "    1  Calque could not do what it was asked; standard error says why\n"
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
    option_each_topic(options, print_topic_name, NULL);
    puts(" exit keys all");
}

static bool print_help(const char *topic, struct error *err)
{
    if (!topic) {
        puts("Usage: calque [OPTION...] [KERNEL]\n"
             "Runs x86 systems on an emulated PC.\n");
        option_print_summary(options, stdout);
        puts("\ncalque -kernel vmlinuz -initrd initrd.gz -append console=ttyS0 -nographic");
        print_topics("\n--help=TOPIC tells more:");
        return true;
    }
    if (!strcmp(topic, "all"))
        option_print_help(options, NULL, stdout);
    else if (!strcmp(topic, "exit"))
        fputs(exit_help, stdout);
    else if (!strcmp(topic, "keys"))
        fputs(keys_help, stdout);
    else if (!option_print_help(options, topic, stdout))
        return error_set(
            err,
            "--help=%s: the topics are machine boot disks terminal run debug help exit "
            "keys all",
            topic);
    return true;
}

/* ---- options with a syntax of their own ---- */

/* Memory is the host's only when the guest touches it: up to here a guest may have more than the
 * host, as long as it uses less. */
#define LAZY_RAM (64ull << 30)

static bool parse_memory(struct settings *s, const char *value, struct error *err)
{
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char text[32];

    if (!strncmp(value, "size=", 5))
        value += 5;
    if (!size_parse(value, 1 << 20, &s->ram_size, err)) {
        error_prefix(err, "-m");
        return false;
    }
    if (s->ram_size > host && s->ram_size > LAZY_RAM)
        return error_set(err, "-m %s: more than this host's %s; try -m %s", value,
                         size_format(host, text), host > (8ull << 30) ? "4G" : "512M");
    if (s->ram_size < 1 << 20)
        return error_set(err, "-m %s: at least 1M is expected", value);
    return true;
}

static uint64_t at_least_1(uint64_t n)
{
    return n ? n : 1;
}

/* What was not said follows from what was; cores come before sockets and threads. */
static void complete_smp(struct smp_setting *t)
{
    uint64_t all = t->maxcpus ? t->maxcpus : t->cpus;

    if (all && !t->cores)
        t->cores = all / (at_least_1(t->sockets) * at_least_1(t->threads));
    else if (all && !t->sockets)
        t->sockets = all / (t->cores * at_least_1(t->threads));
    else if (all && !t->threads)
        t->threads = all / (t->sockets * t->cores);
    t->sockets = at_least_1(t->sockets);
    t->cores = at_least_1(t->cores);
    t->threads = at_least_1(t->threads);
    if (!t->maxcpus)
        t->maxcpus = all ? all : t->sockets * t->cores * t->threads;
    if (!t->cpus)
        t->cpus = t->maxcpus;
}

static bool check_smp(const struct smp_setting *t, struct error *err)
{
    if (t->sockets * t->cores * t->threads != t->maxcpus)
        return error_set(
            err, "%u sockets of %u cores of %u threads are not %u CPUs; say fewer of them",
            (unsigned)t->sockets, (unsigned)t->cores, (unsigned)t->threads, (unsigned)t->maxcpus);
    if (t->maxcpus > MAX_CPUS)
        return error_set(err, "%u CPUs: at most %d are expected", (unsigned)t->maxcpus, MAX_CPUS);
    return t->cpus <= t->maxcpus || error_set(err, "cpus=%u is more than maxcpus=%u",
                                              (unsigned)t->cpus, (unsigned)t->maxcpus);
}

static bool parse_smp(struct smp_setting *t, const char *value, struct error *err)
{
    static const char *const keys[] = {"cpus",  "maxcpus", "sockets", "dies",
                                       "cores", "threads", NULL};
    struct option_list l;
    uint64_t dies = 1;
    bool ok;

    *t = (struct smp_setting){0};
    if (!option_list_parse(&l, value, "cpus", err)) {
        error_prefix(err, "-smp");
        return false;
    }
    ok = option_list_check(&l, keys, err) &&
         option_get_number(&l, "cpus", 1, MAX_CPUS, &t->cpus, err) &&
         option_get_number(&l, "maxcpus", 1, MAX_CPUS, &t->maxcpus, err) &&
         option_get_number(&l, "sockets", 1, MAX_CPUS, &t->sockets, err) &&
         option_get_number(&l, "dies", 1, 1, &dies, err) &&
         option_get_number(&l, "cores", 1, MAX_CPUS, &t->cores, err) &&
         option_get_number(&l, "threads", 1, MAX_CPUS, &t->threads, err);
    if (ok) {
        complete_smp(t);
        ok = check_smp(t, err);
    }
    if (!ok)
        error_prefix(err, "-smp %s", value);
    option_list_free(&l);
    return ok;
}

/* "jit,cache-size=64,threshold=16,links=off" */
static bool parse_accel(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"engine", "cache-size", "threshold", "links", "jumpcache",
                                       "calls",  "lockstep",   "perfmap",   NULL};
    struct option_list l;
    bool links = true, jump_cache = true, calls = true, lockstep = false, perf_map = false;
    uint64_t cache_size = 0, threshold = 0;

    if (!option_list_parse(&l, value, "engine", err)) {
        error_prefix(err, "-accel");
        return false;
    }
    bool ok = option_list_check(&l, keys, err) && option_get_bool(&l, "links", &links, err) &&
              option_get_bool(&l, "jumpcache", &jump_cache, err) &&
              option_get_bool(&l, "calls", &calls, err) &&
              option_get_bool(&l, "lockstep", &lockstep, err) &&
              option_get_bool(&l, "perfmap", &perf_map, err) &&
              option_get_number(&l, "cache-size", TRANSLATOR_CACHE_MIN >> 20,
                                TRANSLATOR_CACHE_MAX >> 20, &cache_size, err) &&
              option_get_number(&l, "threshold", 1, 1000000, &threshold, err);
    if (!ok)
        error_prefix(err, "-accel");
    const char *engine = option_get(&l, "engine");
    engine = engine ? engine : "";
    ok = ok && check_value(engines, "-accel", engine, err);
    s->jit = ok && !strcmp(engine, "jit");
    s->translator = (struct translator_config){.cache_size = cache_size << 20,
                                               .threshold = (unsigned)threshold,
                                               .no_links = !links,
                                               .no_jump_cache = !jump_cache,
                                               .no_calls = !calls,
                                               .lockstep = lockstep,
                                               .perf_map = perf_map};
    option_list_free(&l);
    return ok;
}

static bool parse_machine(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;
    bool ok;
    static const char *const keys[] = {"type", "accel", "hpet", NULL};

    if (!option_list_parse(&l, value, "type", err)) {
        error_prefix(err, "-machine");
        return false;
    }
    const char *type = option_get(&l, "type"), *accel = option_get(&l, "accel");
    bool hpet = !s->no_hpet;
    ok = option_list_check(&l, keys, err) && option_get_bool(&l, "hpet", &hpet, err);
    s->no_hpet = !hpet;
    if (!ok)
        error_prefix(err, "-machine");
    ok = ok && (!type || check_value(machines, "-machine", type, err)) &&
         (!accel || parse_accel(s, accel, err));
    option_list_free(&l);
    return ok;
}

static bool parse_icount(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"shift", NULL};
    struct option_list l;
    bool ok;

    if (!option_list_parse(&l, value, "shift", err)) {
        error_prefix(err, "-icount");
        return false;
    }
    const char *shift = option_get(&l, "shift");
    s->icount = true;
    s->icount_auto = shift && !strcmp(shift, "auto");
    s->icount_shift = 3;
    ok = option_list_check(&l, keys, err) &&
         (s->icount_auto || option_get_number(&l, "shift", 0, 10, &s->icount_shift, err));
    if (!ok)
        error_prefix(err, "-icount");
    option_list_free(&l);
    return ok;
}

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
    static const char *const keys[] = {"reboot", "triple-fault", NULL};
    static const char *const reboot[] = {"reset", "shutdown"}, *const fault[] = {"reset", "report"};
    const char *value;
    unsigned n;

    if (!option_list_check(l, keys, err))
        return false;
    if ((value = option_get(l, "reboot"))) {
        if (!choose("reboot", value, reboot, &n, err))
            return false;
        s->no_reboot = n == 1;
    }
    if ((value = option_get(l, "triple-fault"))) {
        if (!choose("triple-fault", value, fault, &n, err))
            return false;
        s->triple_fault = n == 1 ? TRIPLE_FAULT_REPORT : TRIPLE_FAULT_RESET;
    }
    return true;
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

/* ---- one option ---- */

/* Options whose value `help` lists what there is; -cpu help and -d help are main's. */
static bool value_help(int id)
{
    switch (id) {
    case OPT_MACHINE:
        print_values("Machines:", machines);
        return true;
    case OPT_ACCEL:
        print_values("Engines:", engines);
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
    case OPT_DISPLAY:
        puts("Displays:\n  none            no screen");
        return true;
    default:
        return false;
    }
}

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
    case OPT_NAME:
        s->name = strncmp(value, "guest=", 6) ? value : value + 6;
        return true;
    case OPT_NODEFAULTS:
        return s->nodefaults = true;
    case OPT_KERNEL:
        s->kernel = value;
        return true;
    case OPT_INITRD:
        s->initrd = value;
        return true;
    case OPT_APPEND:
        s->append = value;
        return true;
    case OPT_BIOS:
        s->bios = value;
        return true;
    case OPT_SMBIOS:
        return add_string(s->smbios, &s->nsmbios, MAX_SMBIOS, "-smbios", value, err);
    case OPT_SERIAL:
        return add_string(s->serial, &s->nserial, MAX_SERIAL, "-serial", value, err);
    case OPT_MONITOR:
        s->monitor = value;
        return true;
    case OPT_CHARDEV:
        return add_string(s->chardev, &s->nchardev, MAX_CHARDEV, "-chardev", value, err);
    case OPT_DEBUGCON:
        return add_debugcon_option(s, value, err);
    case OPT_PARALLEL:
        if (device_add_parallel(s, value, err))
            return true;
        error_prefix(err, "-parallel %s", value);
        return false;
    case OPT_NO_HPET:
        return s->no_hpet = true;
    case OPT_NOGRAPHIC:
        return s->nographic = true;
    case OPT_DISPLAY:
        s->no_display = true;
        return !strcmp(value, "none") ||
               error_set(err, "-display %s: not in this version yet; try -display none", value);
    case OPT_DEVICE:
        return device_parse(s, value, err);
    case OPT_DRIVE:
        return drives_parse(s, value, err);
    case OPT_HDA:
    case OPT_HDB:
    case OPT_HDC:
    case OPT_HDD:
        return drives_add_disk(s, (unsigned)(id - OPT_HDA), value, err);
    case OPT_CDROM:
        return drives_add_cdrom(s, value, err);
    case OPT_SNAPSHOT:
        return s->snapshot = true;
    case OPT_S:
        return s->start_paused = true;
    case OPT_NO_REBOOT:
        return s->no_reboot = true;
    case OPT_ACTION:
        return parse_action(s, value, err);
    case OPT_ICOUNT:
        return parse_icount(s, value, err);
    case OPT_TIMEOUT:
        return parse_timeout(s, value, err);
    case OPT_UNTIL:
        s->until = value;
        return *value || error_set(err, "--until: a text is expected");
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

/* A word that is no option is a kernel: what else could it be today. */
static bool positional(struct settings *s, const char *word, struct error *err)
{
    if (s->kernel)
        return error_set(err, "%s: an option is expected; the kernel is %s already", word,
                         s->kernel);
    s->kernel = word;
    return true;
}

/* The terminal is the only screen there is: it is used unless that was declined. */
static void set_defaults(struct settings *s)
{
    if (!s->nserial && !s->nodefaults && (s->nographic || !s->no_display))
        s->serial[s->nserial++] = s->monitor && !strcmp(s->monitor, "stdio") ? "null" : "mon:stdio";
}

enum cmdline_result cmdline_parse(struct settings *s, char **argv, struct error *err)
{
    int i = 1;

    *s = (struct settings){
        .ram_size = 128ull << 20,
        .cpu = "max",
        .smp = {.cpus = 1, .maxcpus = 1, .sockets = 1, .cores = 1, .threads = 1},
    };
    while (argv[i]) {
        const char *value;
        const struct option_row *row = option_next(options, argv, &i, &value, err);

        if (!row && (err->text[0] || !positional(s, value, err)))
            return CMDLINE_BAD;
        if (!row)
            continue;
        if (row->id == OPT_HELP)
            return print_help(value, err) ? CMDLINE_DONE : CMDLINE_BAD;
        if (row->id == OPT_VERSION) {
            puts("Calque " CALQUE_VERSION);
            return CMDLINE_DONE;
        }
        if (row->id == OPT_DEVICE && device_help(value))
            return CMDLINE_DONE;
        if (value && (!strcmp(value, "help") || !strcmp(value, "?")) && value_help(row->id))
            return CMDLINE_DONE;
        if (!apply(s, row->id, value ? value : "", err))
            return CMDLINE_BAD;
    }
    set_defaults(s);
    return CMDLINE_RUN;
}
