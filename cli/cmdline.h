/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CLI_CMDLINE_H
#define CALQUE_CLI_CMDLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "cpu/x86/kvm/kvm.h"
#include "host/audio/audio.h"
#include "host/ui/ui.h"
#include "machines/pc_services.h"
#include "translator/translator.h"
#include "vm/record_log.h"

struct drives;
struct error;

#define MAX_SERIAL   4
#define MAX_PARALLEL 2
#define MAX_DEBUGCON 2
#define MAX_CHARDEV  16
#define MAX_SMBIOS   16
#define MAX_CPUS     255
#define MAX_MONITORS 8
#define MAX_OBJECTS  16
#define MAX_SCRIPTS  64
#define MAX_KEPT     256

#define BOOT_ORDER_MAX 8 /* letters of -boot order=, and the zero */

#define MAX_DISKS   32
#define MAX_AHCI    2
#define MAX_DEVICES 96

#define MAX_NICS    8
#define MAX_NETDEVS 16
#define MAX_DUMPS   8

#define MAX_RNG_OBJECTS 8
#define MAX_FSDEVS      8

#define DEVICE_CHARDEV_MAX 64 /* bytes of a chardev=ID of -device */
#define MAX_AUDIODEV       8
#define DEVICE_NAME_MAX    PC_ID_MAX /* of other IDs */
#define DEVICE_PATH_MAX    4096      /* of a path */

/* Exit statuses that the guest does not choose. They are even, so that none is an isa-debug-exit
 * status, which is (value << 1) | 1. */
enum exit_status {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_UNTIL_MISSED = 120, /* the machine ended and --until's text had not been seen */
    EXIT_TRIPLE_FAULT = 122, /* -no-reboot or -action triple-fault=report */
    EXIT_DIFFERENCE = 123,   /* -accel jit,lockstep=on */
    EXIT_TIMEOUT = 124,
    EXIT_SIGNALLED = 130, /* ended by a second SIGINT or SIGTERM */
};

/* What the command line says. Strings are argv's, or kept. */
struct settings {
    uint64_t ram_size;
    const char *cpu;
    struct smp_setting {
        uint64_t cpus, maxcpus, sockets, cores, threads; /* maxcpus is the product of the rest */
    } smp;
    const char *kernel, *initrd, *append, *bios;
    const char *smbios[MAX_SMBIOS];
    unsigned nsmbios;
    const char *serial[MAX_SERIAL];
    unsigned nserial;
    struct monitor_setting {
        const char *spec;
        bool qmp, pretty;
    } monitors[MAX_MONITORS];
    unsigned nmonitors;
    bool no_monitor; /* -monitor none */
    const char *chardev[MAX_CHARDEV];
    unsigned nchardev;
    struct debugcon_setting {
        uint64_t iobase;
        const char *spec;                 /* -debugcon */
        char chardev[DEVICE_CHARDEV_MAX]; /* -device isa-debugcon,chardev= */
    } debugcon[MAX_DEBUGCON];
    unsigned ndebugcon;
    struct parallel_setting {
        uint64_t iobase, irq;
        const char *spec;                 /* -parallel */
        char chardev[DEVICE_CHARDEV_MAX]; /* -device isa-parallel,chardev= */
    } parallel[MAX_PARALLEL];
    unsigned nparallel;
    struct drives *drives; /* main's to free; NULL: none was named */
    bool snapshot;
    struct disk_setting {
        enum disk_kind { DISK_IDE_HD, DISK_IDE_CD, DISK_VIRTIO, DISK_FLOPPY } kind;
        char qdev[DEVICE_NAME_MAX + 64]; /* the device's id or path, as monitors know it */
        char drive[DEVICE_NAME_MAX];     /* drive=ID; empty: a drive without a medium */
        char bus[DEVICE_NAME_MAX];       /* bus=ID[.N]; empty: not said */
        char serial[DEVICE_NAME_MAX];    /* serial=; empty: not said */
        char werror[DEVICE_NAME_MAX], rerror[DEVICE_NAME_MAX];
        bool has_unit;
        uint64_t unit;
        int boot_index;      /* -1: not said */
        uint64_t num_queues; /* virtio */
        bool disable_legacy;
        struct pc_pci_place place;
    } disks[MAX_DISKS]; /* -device */
    unsigned ndisks;
    struct pc_pci_place ahci[MAX_AHCI]; /* -device ahci */
    unsigned nahci;
    struct pc_bridge bridges[PC_MAX_BRIDGES];
    unsigned nbridges;
    struct device_setting {
        const char *type, *id; /* NULL: without an id */
        const char *value;     /* of the option */
    } devices[MAX_DEVICES];    /* of -device, in their order */
    unsigned ndevices;
    struct pc_pci_place vga_place, tablet_place, pci_testdev_place;
    const char *netdevs[MAX_NETDEVS]; /* -netdev */
    unsigned nnetdevs;
    const char *hub[MAX_NETDEVS]; /* -net: back ends on hub 0 */
    unsigned nhub;
    struct nic_setting {
        const char *model, *id; /* id: NULL if not said */
        const char *netdev;     /* id of a -netdev, or: */
        const char *backend;    /* one of its own; both NULL: nothing is plugged in */
        bool has_mac;
        uint8_t mac[6];
        uint64_t pairs;
        bool disable_legacy;
        const char *rom; /* romfile=, "": none; NULL: not said */
        bool no_rom;
        uint64_t iobase, irq; /* of a card on ISA */
        int boot_index;       /* -1: not said */
        struct pc_pci_place place;
    } nics[MAX_NICS];
    unsigned nnics;
    struct dump_setting {
        const char *netdev, *file;
        uint64_t maxlen; /* bytes */
    } dumps[MAX_DUMPS];
    unsigned ndumps;
    struct pc_services_config services; /* what is known by names is opened later */
    const char *rng_of[PC_MAX_RNGS];    /* rng=ID; NULL: not said */
    const char *chardev_of[PC_MAX_CONSOLES][VIRTIO_CONSOLE_MAX_PORTS]; /* chardev=ID, likewise */
    const char *fsdev_of[PC_MAX_FOLDERS];                              /* fsdev=ID */
    struct fsdev_setting { /* -fsdev; of -virtfs without an id */
        const char *id, *path;
        struct fs_options options;
    } fsdevs[MAX_FSDEVS];
    unsigned nfsdevs;
    struct rng_object_setting {
        const char *id, *filename; /* filename NULL: rng-builtin */
    } rng_objects[MAX_RNG_OBJECTS];
    unsigned nrng_objects;
    bool engine_given;
    bool kvm;               /* -accel kvm */
    enum kvm_apics irqchip; /* -machine kernel-irqchip */
    bool jit;               /* -accel jit, the default, with: */
    struct translator_config translator;
    bool cpus_in_turns, cpu_threads; /* -accel thread=single, thread=multi */
    bool pc_testdev, pci_testdev, no_hpet, no_vmport, tablet;
    uint64_t pci_testdev_membar; /* bytes, 0: none */
    bool debug_exit;
    uint64_t debug_exit_iobase, debug_exit_iosize;
    bool nographic, nodefaults, no_reboot, start_paused;
    enum { VGA_DEFAULT, VGA_NONE, VGA_STD } vga;
    uint64_t vga_memory, vga_xres, vga_yres; /* 0: the adapter's default */
    char vga_rom[DEVICE_PATH_MAX];           /* romfile= */
    bool vga_rom_given;
    enum ui_kind display;
    bool no_display, full_screen; /* no_display: -display none */
    const char *display_options, *vnc, *keymap;
    struct audiodev_setting {
        char id[DEVICE_NAME_MAX];
        struct audio_config config;
    } audiodevs[MAX_AUDIODEV];
    unsigned naudiodevs;
    bool recorded_speaker;      /* --replay: the machine had one, heard somewhere */
    const char *pcspk_audiodev; /* -machine pcspk-audiodev=; NULL: the first of them */
    enum { TRIPLE_FAULT_DEFAULT, TRIPLE_FAULT_RESET, TRIPLE_FAULT_REPORT } triple_fault;
    bool icount, icount_auto;
    uint64_t icount_shift;
    enum { SLEEP_DEFAULT, SLEEP_ON, SLEEP_OFF } icount_sleep;
    const char *record;        /* --record FILE */
    struct record_log *replay; /* --replay FILE; settings_free() frees it */
    struct record_words words; /* the options that make the machine what it is; likewise */
    uint64_t history;          /* ns; 0: none is kept, UINT64_MAX: all */
    bool has_seed;
    uint64_t seed;
    const char *log_categories, *log_file;
    const char *incoming, *loadvm; /* NULL: neither */
    const char *gdb;               /* where; NULL: nowhere */
    const char *name, *process_name, *uuid;
    bool debug_threads, timestamps;
    bool machine_none, no_shutdown, daemonize, dump_guest_core;
    const char *pidfile, *memory_backend;
    struct boot_setting {
        char order[BOOT_ORDER_MAX], once[BOOT_ORDER_MAX]; /* empty: as usual */
        bool menu, strict, has_splash_time, has_reboot_timeout;
        uint64_t splash_time, reboot_timeout; /* ms */
    } boot;
    struct rtc_setting {
        bool localtime, has_date;
        int64_t date; /* seconds since 1970 */
    } rtc;
    struct object_setting {
        const char *type, *id;
        uint64_t size; /* memory */
    } objects[MAX_OBJECTS];
    unsigned nobjects;
    bool debug; /* --debug, or a script is given */
    struct script_setting {
        bool is_file;
        const char *text;
    } scripts[MAX_SCRIPTS]; /* -ex, -x */
    unsigned nscripts;
    uint64_t timeout_ns; /* 0: none */
    const char *until;
    char *kept[MAX_KEPT]; /* strings that are not argv's; settings_free() */
    unsigned nkept;
};

/* A triple fault ends the machine, with a report, if that was asked for; -no-reboot asks too. */
static inline bool settings_report_triple_fault(const struct settings *s)
{
    return s->triple_fault == TRIPLE_FAULT_DEFAULT ? s->no_reboot
                                                   : s->triple_fault == TRIPLE_FAULT_REPORT;
}

/* Without being asked for there is a display adapter, unless the terminal is all there is. */
static inline bool settings_have_vga(const struct settings *s)
{
    return s->vga == VGA_STD || (s->vga == VGA_DEFAULT && !s->nodefaults && !s->nographic);
}

/* What to do after parsing. */
enum cmdline_result { CMDLINE_RUN, CMDLINE_DONE /* help was printed */, CMDLINE_BAD };

void settings_free(struct settings *s);
/* Calls with the name of every option that works. */
void cmdline_each_option(void *opaque, void (*fn)(void *fn_opaque, const char *name),
                         void *fn_opaque);

/* settings_free() is due whatever the result. */
enum cmdline_result cmdline_parse(struct settings *s, char **argv, struct error *err);

#endif
