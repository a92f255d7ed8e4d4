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
#include "cmdline_net.h"
#include "cmdline_open.h"
#include "cmdline_record.h"
#include "cmdline_services.h"
#include "cmdline_system.h"
#include "config.h"
#include "cpu/x86/kvm/kvm.h"
#include "host/char/backend.h"
#include "host/net/backend.h"
#include "host/ui/keymap.h"
#include "host/ui/vnc.h"
#include "vm/clock.h"

enum option_id {
    OPT_M,
    OPT_SMP,
    OPT_CPU,
    OPT_MACHINE,
    OPT_ACCEL,
    OPT_ENABLE_KVM,
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
    OPT_VGA,
    OPT_VNC,
    OPT_KEYMAP,
    OPT_FULL_SCREEN,
    OPT_DEVICE,
    OPT_DRIVE,
    OPT_BLOCKDEV,
    OPT_HDA,
    OPT_HDB,
    OPT_HDC,
    OPT_HDD,
    OPT_CDROM,
    OPT_FDA,
    OPT_FDB,
    OPT_PFLASH,
    OPT_SNAPSHOT,
    OPT_S,
    OPT_GDB_TCP,
    OPT_GDB,
    OPT_NO_REBOOT,
    OPT_ACTION,
    OPT_WATCHDOG_ACTION,
    OPT_FSDEV,
    OPT_VIRTFS,
    OPT_ICOUNT,
    OPT_RECORD,
    OPT_REPLAY,
    OPT_HISTORY,
    OPT_SEED,
    OPT_TIMEOUT,
    OPT_UNTIL,
    OPT_INCOMING,
    OPT_LOADVM,
    OPT_DEBUG,
    OPT_EX,
    OPT_X,
    OPT_D,
    OPT_LOGFILE,
    OPT_QMP,
    OPT_QMP_PRETTY,
    OPT_MON,
    OPT_BOOT,
    OPT_RTC,
    OPT_UUID,
    OPT_OBJECT,
    OPT_GLOBAL,
    OPT_NO_SHUTDOWN,
    OPT_PIDFILE,
    OPT_DAEMONIZE,
    OPT_READCONFIG,
    OPT_NO_USER_CONFIG,
    OPT_OVERCOMMIT,
    OPT_SANDBOX,
    OPT_MSG,
    OPT_AUDIODEV,
    OPT_NETDEV,
    OPT_NIC,
    OPT_NET,
    OPT_HELP,
    OPT_VERSION,
};

static const struct option_row options[] = {
    {"m", "SIZE", OPT_M, "machine", "memory: 512 (MiB), 512M, 2G; default 1G"},
    {"smp", "N[,sockets=..]", OPT_SMP, "machine",
     "number of CPUs, and sockets=, cores=, threads=, maxcpus="},
    {"cpu", "MODEL[,+F,-F]", OPT_CPU, "machine", "CPU model and features; help lists them"},
    {"machine", "TYPE[,K=V...]", OPT_MACHINE, "machine",
     "machine type (help lists them); hpet=, vmport=on|off, kernel-irqchip=split|off"},
    {"accel", "ENGINE", OPT_ACCEL, "machine", "how instructions are executed; help lists"},
    {"enable-kvm", NULL, OPT_ENABLE_KVM, "machine", "-accel kvm"},
    {"device", "TYPE[,K=V...]", OPT_DEVICE, "machine", "adds a device; help lists them"},
    {"smbios", "type=N,K=V...", OPT_SMBIOS, "machine", "fields of the tables that dmidecode shows"},
    {"rtc", "base=...", OPT_RTC, "machine",
     "clock starts at utc, localtime or a date; clock=vm, driftfix=slew"},
    {"uuid", "UUID", OPT_UUID, "machine", "the machine's identity in its SMBIOS tables"},
    {"name", "NAME[,process=..]", OPT_NAME, "machine",
     "name of the machine; process=, debug-threads=on|off"},
    {"nodefaults", NULL, OPT_NODEFAULTS, "machine", "no serial port nor monitor unless asked for"},
    {"kernel", "FILE", OPT_KERNEL, "boot",
     "Linux bzImage, Multiboot or PVH kernel, or ELF program"},
    {"initrd", "FILE", OPT_INITRD, "boot", "its initial RAM disk, or modules: FILE ARGS,FILE ARGS"},
    {"append", "TEXT", OPT_APPEND, "boot", "its command line"},
    {"boot", "order=LETTERS,...", OPT_BOOT, "boot",
     "a floppy, c disk, d CD, n network; once=, menu=on, strict=on, splash-time=, reboot-timeout="},
    {"bios", "FILE", OPT_BIOS, "boot", "firmware, started at the reset vector: SeaBIOS, OVMF"},
    {"pflash", "FILE", OPT_PFLASH, "boot", "firmware in flash; a second one: its variables"},
    {"hda", "FILE", OPT_HDA, "disks",
     "disk image of the first IDE drive; -hdb, -hdc, -hdd likewise"},
    {"cdrom", "FILE", OPT_CDROM, "disks", "ISO image in the CD drive (IDE, secondary master)"},
    {"fda", "FILE", OPT_FDA, "disks", "floppy disk image in drive A; -fdb: in B"},
    {"drive", "file=FILE,...", OPT_DRIVE, "disks", "a drive and its options; help lists them"},
    {"blockdev", "driver=NAME,...", OPT_BLOCKDEV, "disks",
     "an image for a -device; -drive help has both"},
    {"virtfs", "local,path=FOLDER,...", OPT_VIRTFS, "disks",
     "a folder that the guest mounts: mount_tag=, security_model=none|mapped-xattr|passthrough"},
    {"snapshot", NULL, OPT_SNAPSHOT, "disks", "writes to disks are forgotten at the end"},
    {"nic", "TYPE[,K=V...]", OPT_NIC, "network",
     "a network card and its network: user,hostfwd=tcp::2222-:22; help lists; none"},
    {"netdev", "TYPE,id=ID,...", OPT_NETDEV, "network", "a network for a -device; help lists them"},
    {"serial", "WHERE", OPT_SERIAL, "terminal", "connects the next serial port; see -chardev help"},
    {"monitor", "WHERE", OPT_MONITOR, "terminal", "connects a monitor, or none"},
    {"qmp", "WHERE", OPT_QMP, "terminal", "a monitor for programs: QEMU's protocol, JSON"},
    {"mon", "CHARDEV[,mode=..]", OPT_MON, "terminal",
     "a monitor on a -chardev; mode=readline|control, pretty=on"},
    {"chardev", "TYPE,id=ID,...", OPT_CHARDEV, "terminal", "a connection to refer to by id"},
    {"parallel", "WHERE", OPT_PARALLEL, "terminal", "connects the next parallel port, or none"},
    {"debugcon", "WHERE", OPT_DEBUGCON, "terminal", "connects a debug console at port 0xe9"},
    {"nographic", NULL, OPT_NOGRAPHIC, "terminal", "serial port and monitor share this terminal"},
    {"vga", "std|none", OPT_VGA, "display", "the display adapter; default std, none if -nographic"},
    {"display", "TYPE", OPT_DISPLAY, "display",
     "sdl (a window), curses, none; default sdl on a desktop; help lists them"},
    {"vnc", "HOST:N", OPT_VNC, "display", "shows the screen to VNC viewers; help tells more"},
    {"full-screen", NULL, OPT_FULL_SCREEN, "display", "the window begins as full screen"},
    {"audiodev", "DRIVER,id=ID", OPT_AUDIODEV, "display",
     "where the speaker is heard: wav,path=FILE, sdl, none"},
    {"k", "LANGUAGE", OPT_KEYMAP, "display",
     "the guest's keyboard, for VNC and pasting; help lists"},
    {"S", NULL, OPT_S, "run", "does not start until the monitor says cont"},
    {"no-shutdown", NULL, OPT_NO_SHUTDOWN, "run", "stays when the guest powers off"},
    {"pidfile", "FILE", OPT_PIDFILE, "run", "writes the process id; removed at the end"},
    {"daemonize", NULL, OPT_DAEMONIZE, "run", "goes to the background once the machine is there"},
    {"no-reboot", NULL, OPT_NO_REBOOT, "run", "ends when the guest resets"},
    {"timeout", "SEC", OPT_TIMEOUT, "run", "ends after this time of the host"},
    {"action", "EVENT=DO,..", OPT_ACTION, "run",
     "reboot=reset|shutdown, shutdown=poweroff|pause, triple-fault=reset|report, "
     "panic=shutdown|pause|exit-failure|none, watchdog=reset|shutdown|poweroff|pause|debug|"
     "none|inject-nmi"},
    {"icount", "shift=N", OPT_ICOUNT, "run",
     "virtual time from instructions: 2^N ns each, or shift=auto; runs repeat; sleep=on|off"},
    {"incoming", "WHERE", OPT_INCOMING, "run",
     "goes on from a saved machine: file:PATH; or waits for one: tcp:HOST:PORT, unix:PATH, fd:N, "
     "exec:COMMAND, defer"},
    {"until", "TEXT", OPT_UNTIL, "run", "ends when a serial port has printed TEXT"},
    {"debug", NULL, OPT_DEBUG, "debug",
     "stops at the first instruction: the debugger's prompt in this terminal, or a script from it"},
    {"ex", "COMMAND", OPT_EX, "debug", "a command of the debugger, before those that are typed"},
    {"x", "FILE", OPT_X, "debug", "the debugger's commands of a file; also --debug-script"},
    {"s", NULL, OPT_GDB_TCP, "debug", "the same as -gdb tcp::1234"},
    {"gdb", "WHERE", OPT_GDB, "debug", "waits for gdb: tcp:[HOST]:PORT, unix:PATH, stdio, none"},
    {"d", "NAME,...", OPT_D, "debug", "logs these categories; help lists them"},
    {"D", "FILE", OPT_LOGFILE, "debug", "logs to a file"},
    {"history", "60s|all", OPT_HISTORY, "debug",
     "keeps the past in memory, for a debugger's steps back"},
    {"record", "FILE", OPT_RECORD, "debug",
     "writes down all that comes from outside, for --replay"},
    {"replay", "FILE", OPT_REPLAY, "debug", "the recorded machine again, to the bit"},
    {"debug-script", "FILE", OPT_X, OPTION_TOPIC_OTHER, "-x"},
    {"loadvm", "NAME", OPT_LOADVM, OPTION_TOPIC_OTHER, "goes on from a snapshot of savevm"},
    {"hdb", "FILE", OPT_HDB, OPTION_TOPIC_OTHER, "disk image of the second IDE drive"},
    {"hdc", "FILE", OPT_HDC, OPTION_TOPIC_OTHER, "of the third, in place of the CD drive"},
    {"hdd", "FILE", OPT_HDD, OPTION_TOPIC_OTHER, "of the fourth"},
    {"fdb", "FILE", OPT_FDB, OPTION_TOPIC_OTHER, "in B"},
    {"M", "TYPE", OPT_MACHINE, OPTION_TOPIC_OTHER, "-machine"},
    {"seed", "N", OPT_SEED, OPTION_TOPIC_OTHER,
     "another course of chance: CPUs take turns differently"},
    {"no-hpet", NULL, OPT_NO_HPET, OPTION_TOPIC_OTHER, "-machine hpet=off"},
    {"global", "DRIVER.PROP=VALUE", OPT_GLOBAL, OPTION_TOPIC_OTHER,
     "a property's default, where it is so"},
    {"object", "TYPE,id=ID,...", OPT_OBJECT, OPTION_TOPIC_OTHER,
     "memory-backend-ram, memory-backend-memfd, secret, filter-dump, rng-random, rng-builtin"},
    {"net", "TYPE,...", OPT_NET, OPTION_TOPIC_OTHER,
     "nic,model=.. or a back end, on a common hub; none"},
    {"fsdev", "local,id=ID,path=..", OPT_FSDEV, OPTION_TOPIC_OTHER,
     "a folder for a -device virtio-9p-pci, as of -virtfs"},
    {"watchdog-action", "ACTION", OPT_WATCHDOG_ACTION, OPTION_TOPIC_OTHER,
     "-action watchdog=ACTION"},
    {"qmp-pretty", "WHERE", OPT_QMP_PRETTY, OPTION_TOPIC_OTHER, "-qmp, indented"},
    {"readconfig", "FILE", OPT_READCONFIG, OPTION_TOPIC_OTHER, "options from a file of [sections]"},
    {"no-user-config", NULL, OPT_NO_USER_CONFIG, OPTION_TOPIC_OTHER,
     "reads no file of its own; it never does"},
    {"overcommit", "K=off,...", OPT_OVERCOMMIT, OPTION_TOPIC_OTHER, "mem-lock=off, cpu-pm=off"},
    {"sandbox", "off", OPT_SANDBOX, OPTION_TOPIC_OTHER, "off"},
    {"msg", "timestamp=on|off", OPT_MSG, OPTION_TOPIC_OTHER,
     "begins lines of the log with the time"},
    {"help", "[=TOPIC]", OPT_HELP, "help", "all options, or those of a topic"},
    {"h", "[=TOPIC]", OPT_HELP, "help", "the same"},
    {"version", NULL, OPT_VERSION, "help", "prints the version"},
    /* Known, but not there yet; the hint may be empty. */
    {"fw_cfg", "X", 0, NULL, NULL},
    {"option-rom", "X", 0, NULL, NULL},
    {"dtb", "X", 0, NULL, "-kernel"},
    {0},
};

/* ---- named values: machines, engines ---- */

struct named_value {
    const char *name, *help;
    bool later; /* known, not there yet */
};

static const struct named_value machines[] = {
    {"pc", "i440FX and PIIX: the standard PC; pc-i440fx-VERSION is the same board", false},
    {"none", "no board, no processor: answers questions of a -qmp client", false},
    {"q35", "ICH9 with PCI Express", true},
    {"microvm", "virtio on MMIO", true},
    {"isapc", "ISA only", true},
    {0},
};
static const struct named_value adapters[] = {
    {"std", "VGA with the Bochs display interface; -device VGA,help tells more", false},
    {"none", "no display adapter", false},
    {"cirrus", "Cirrus Logic GD5446", true},
    {"virtio", "virtio-gpu", true},
    {"qxl", "SPICE", true},
    {"vmware", "VMware SVGA II", true},
    {0},
};
static const struct named_value engines[] = {
    {"interp", "interpreter of decoded instructions", false},
    {"jit",
     "translator to host code, where kvm does not work; jit,lockstep=on compares with interp; see "
     "calque(1)",
     false},
    {"tcg", "another name of jit", false},
    {"kvm",
     "the host processor's virtualization extensions (Linux KVM), the default where they work",
     false},
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
    option_each_topic(options, print_topic_name, NULL);
    puts(" exit keys all");
}

static bool print_help(const char *topic, struct error *err)
{
    if (!topic) {
        puts("Usage: calque [OPTION...] [FILE]: runs x86 systems on an emulated PC;\n"
             "       calque doctor: what this host can do");
        option_print_summary(options, stdout);
        puts("\ncalque -kernel vmlinuz -initrd initrd.gz -append console=ttyS0 -nographic");
        print_topics("--help=TOPIC tells more; there are:\n");
        return true;
    }
    if (!strcmp(topic, "all"))
        option_print_help(options, NULL, stdout);
    else if (!strcmp(topic, "exit"))
        fputs(exit_help, stdout);
    else if (!strcmp(topic, "keys"))
        fputs(keys_help, stdout);
    else if (!option_print_help(options, topic, stdout))
        return error_set(err,
                         "--help=%s: the topics are machine boot disks network terminal display "
                         "run debug other help "
                         "exit keys all",
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
    static const char *const keys[] = {"engine",    "cache-size", "threshold", "links",
                                       "jumpcache", "calls",      "join",      "lockstep",
                                       "perfmap",   "thread",     "tier",      NULL};
    struct option_list l;
    bool links = true, jump_cache = true, calls = true, join = true, lockstep = false,
         perf_map = false;
    uint64_t cache_size = 0, threshold = 0, tier = 2;

    if (!option_list_parse(&l, value, "engine", err)) {
        error_prefix(err, "-accel");
        return false;
    }
    bool ok = option_list_check(&l, keys, err) && option_get_bool(&l, "links", &links, err) &&
              option_get_bool(&l, "jumpcache", &jump_cache, err) &&
              option_get_bool(&l, "calls", &calls, err) &&
              option_get_bool(&l, "join", &join, err) &&
              option_get_bool(&l, "lockstep", &lockstep, err) &&
              option_get_bool(&l, "perfmap", &perf_map, err) &&
              option_get_number(&l, "cache-size", TRANSLATOR_CACHE_MIN >> 20,
                                TRANSLATOR_CACHE_MAX >> 20, &cache_size, err) &&
              option_get_number(&l, "tier", 0, 1, &tier, err) &&
              option_get_number(&l, "threshold", 1, 1000000, &threshold, err);
    if (tier < 2 && threshold)
        ok = error_set(err, "tier= and threshold= say the same: one of them");
    else if (tier < 2) /* interpreted always, or translated from the first time on */
        threshold = tier ? 1 : UINT32_MAX;
    if (!ok)
        error_prefix(err, "-accel");
    const char *engine = option_get(&l, "engine"), *thread = option_get(&l, "thread");
    engine = engine ? engine : "";
    ok = ok && check_value(engines, "-accel", engine, err) &&
         (!thread || !strcmp(thread, "single") || !strcmp(thread, "multi") ||
          error_set(err, "-accel: thread=%s: single or multi is expected", thread));
    s->cpus_in_turns = thread && !strcmp(thread, "single");
    s->cpu_threads = thread && !strcmp(thread, "multi");
    s->engine_given = true;
    s->jit = ok && (!strcmp(engine, "jit") || !strcmp(engine, "tcg"));
    s->kvm = ok && !strcmp(engine, "kvm");
    if (s->kvm && lockstep)
        ok = error_set(err, "-accel kvm,lockstep=on: that is jit's; KVM cannot be compared so");
    s->translator = (struct translator_config){.cache_size = cache_size << 20,
                                               .threshold = (unsigned)threshold,
                                               .no_links = !links,
                                               .no_jump_cache = !jump_cache,
                                               .no_calls = !calls,
                                               .no_join = !join,
                                               .lockstep = lockstep,
                                               .perf_map = perf_map};
    option_list_free(&l);
    return ok;
}

/* "kvm:tcg": the first that is there. */
static bool parse_machine_accel(struct settings *s, const char *list, struct error *err)
{
    bool ok = false;

    do {
        size_t len = strcspn(list, ":");
        char name[32];

        snprintf(name, sizeof(name), "%.*s", (int)len, list);
        list += len + (list[len] == ':');
        ok = parse_accel(s, name, err) && (!s->kvm || !*list || kvm_probe(err));
    } while (!ok && *list);
    if (ok && err)
        err->text[0] = '\0';
    return ok;
}

/* The board's name; a version in it makes no difference. */
static bool parse_machine_type(struct settings *s, const char *type, struct error *err)
{
    s->machine_none = !strcmp(type, "none");
    return !strncmp(type, "pc-i440fx-", 10) || check_value(machines, "-machine", type, err);
}

/* What there is none of may be declined. */
static bool must_be_off(const struct option_list *l, const char *key, struct error *err)
{
    bool on = false;

    return option_get_bool(l, key, &on, err) &&
           (!on || error_set(err, "%s=on: not in this version; off is expected", key));
}

static bool parse_irqchip(struct settings *s, const char *where, struct error *err)
{
    if (!strcmp(where, "off"))
        s->irqchip = KVM_APICS_OFF;
    else if (!strcmp(where, "split"))
        s->irqchip = KVM_APICS_SPLIT;
    else
        return error_set(err, "kernel-irqchip=%s: split (local APICs in KVM) or off (none) is "
                              "expected; PIC, IOAPIC and PIT are never KVM's",
                         where);
    return true;
}

static bool parse_machine(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;
    bool ok;
    static const char *const keys[] = {"type",   "accel",          "hpet",
                                       "usb",    "memory-backend", "dump-guest-core",
                                       "vmport", "pcspk-audiodev", "kernel-irqchip", NULL};

    if (!option_list_parse(&l, value, "type", err)) {
        error_prefix(err, "-machine");
        return false;
    }
    const char *type = option_get(&l, "type"), *accel = option_get(&l, "accel");
    bool hpet = !s->no_hpet, vmport = !s->no_vmport;
    const char *backend = option_get(&l, "memory-backend");
    const char *speaker = option_get(&l, "pcspk-audiodev");
    const char *irqchip = option_get(&l, "kernel-irqchip");
    ok = option_list_check(&l, keys, err) && option_get_bool(&l, "hpet", &hpet, err) &&
         option_get_bool(&l, "dump-guest-core", &s->dump_guest_core, err) &&
         must_be_off(&l, "usb", err) && option_get_bool(&l, "vmport", &vmport, err) &&
         (!irqchip || parse_irqchip(s, irqchip, err));
    s->no_hpet = !hpet;
    s->no_vmport = !vmport;
    if (!ok)
        error_prefix(err, "-machine");
    ok = ok && (!type || parse_machine_type(s, type, err)) &&
         (!accel || parse_machine_accel(s, accel, err)) &&
         (!backend || (s->memory_backend = settings_keep(s, strdup(backend), err))) &&
         (!speaker || (s->pcspk_audiodev = settings_keep(s, strdup(speaker), err)));
    option_list_free(&l);
    return ok;
}

static bool parse_vga(struct settings *s, const char *value, struct error *err)
{
    if (!check_value(adapters, "-vga", value, err))
        return false;
    s->vga = strcmp(value, "none") ? VGA_STD : VGA_NONE;
    return true;
}

static bool parse_icount(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"shift", "sleep", NULL};
    struct option_list l;
    bool ok, sleep = false;

    if (!option_list_parse(&l, value, "shift", err)) {
        error_prefix(err, "-icount");
        return false;
    }
    const char *shift = option_get(&l, "shift");
    s->icount = true;
    s->icount_auto = shift && !strcmp(shift, "auto");
    s->icount_shift = 3;
    ok = option_list_check(&l, keys, err) &&
         (s->icount_auto || option_get_number(&l, "shift", 0, 10, &s->icount_shift, err)) &&
         option_get_bool(&l, "sleep", &sleep, err);
    if (option_get(&l, "sleep"))
        s->icount_sleep = sleep ? SLEEP_ON : SLEEP_OFF;
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

static void print_line(void *opaque, const char *text)
{
    (void)opaque;
    puts(text);
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
    case OPT_NETDEV:
        netdev_print_help();
        return true;
    case OPT_NIC:
    case OPT_NET:
        net_print_nic_help();
        netdev_print_help();
        return true;
    case OPT_VGA:
        print_values("Display adapters:", adapters);
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

static bool apply_named(struct settings *s, const char *option, const char *value,
                        struct error *err);

/* Those about the machine as a whole and its process: cmdline_system.h. */
static bool apply_system(struct settings *s, int id, const char *value, struct error *err)
{
    switch (id) {
    case OPT_QMP:
    case OPT_QMP_PRETTY:
        return add_monitor_option(s, value, true, id == OPT_QMP_PRETTY, err);
    case OPT_MON:
        return parse_mon(s, value, err);
    case OPT_BOOT:
        return parse_boot(s, value, err);
    case OPT_RTC:
        return parse_rtc(s, value, err);
    case OPT_UUID:
        return parse_uuid(s, value, err);
    case OPT_OBJECT:
        return parse_object(s, value, err);
    case OPT_GLOBAL:
        return parse_global(value, err);
    case OPT_NO_SHUTDOWN:
        return s->no_shutdown = true;
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
    case OPT_AUDIODEV:
        return parse_audiodev(s, value, err);
    case OPT_NETDEV:
        return net_add_netdev(s, value, err);
    case OPT_NIC:
        return net_add_nic(s, value, err);
    case OPT_NET:
        return net_add_net(s, value, err);
    default:
        return error_set(err, "internal: option without meaning");
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
    case OPT_ENABLE_KVM:
        return parse_accel(s, "kvm", err);
    case OPT_NAME:
        return parse_name_option(s, value, err);
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
        return add_monitor_option(s, value, false, false, err);
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
    case OPT_VGA:
        return parse_vga(s, value, err);
    case OPT_DEVICE:
        return device_parse(s, value, err);
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
    case OPT_PFLASH:
        return drives_add_flash(s, value, err);
    case OPT_SNAPSHOT:
        return s->snapshot = true;
    case OPT_S:
        return s->start_paused = true;
    case OPT_GDB_TCP:
        s->gdb = "tcp::1234";
        return true;
    case OPT_GDB:
        s->gdb = value;
        return true;
    case OPT_NO_REBOOT:
        return s->no_reboot = true;
    case OPT_ACTION:
        return parse_action(s, value, err);
    case OPT_FSDEV:
        return service_add_fsdev(s, value, err);
    case OPT_VIRTFS:
        return service_add_virtfs(s, value, err);
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
    case OPT_D:
        s->log_categories = value;
        return true;
    case OPT_LOGFILE:
        s->log_file = value;
        return true;
    default:
        return apply_system(s, id, value, err);
    }
}

/* An option of a file: its name and value, as if typed. */
static bool apply_named(struct settings *s, const char *option, const char *value,
                        struct error *err)
{
    for (const struct option_row *row = options; row->name; row++) {
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
    for (const struct option_row *row = options; row->name; row++)
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
        return print_help(value, err) ? CMDLINE_DONE : CMDLINE_BAD;
    if (row->id == OPT_VERSION) {
        puts("Calque " CALQUE_VERSION);
        return CMDLINE_DONE;
    }
    if (row->id == OPT_DEVICE && device_help(value))
        return CMDLINE_DONE;
    if (row->id == OPT_REPLAY)
        return replay(s, value, err);
    if (value && (!strcmp(value, "help") || !strcmp(value, "?")) && value_help(row->id))
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
        const struct option_row *row = option_next(options, argv, &i, &value, err);

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
