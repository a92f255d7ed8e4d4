/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_devices.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "cli/cmdline.h"
#include "cli/cmdline_net.h"
#include "cli/cmdline_services.h"
#include "cli/cmdline_system.h"
#include "devices/virtio/virtio_blk.h"

#define MAX_PROPERTIES 9

/* One row per device, in the order of help. */
struct device_row {
    const char *name, *help;
    bool (*add)(struct settings *s, const struct option_list *l, struct error *err);
    bool pci; /* has the properties of pci_properties[], too */
    struct device_property properties[MAX_PROPERTIES];
};

bool device_get_chardev(const struct option_list *l, char out[DEVICE_CHARDEV_MAX],
                        struct error *err)
{
    const char *id = option_get(l, "chardev");

    if (!id || strlen(id) >= DEVICE_CHARDEV_MAX)
        return error_set(err, "chardev=ID is expected");
    snprintf(out, DEVICE_CHARDEV_MAX, "%s", id);
    return true;
}

static bool get_name(const struct option_list *l, const char *key, char out[DEVICE_NAME_MAX],
                     struct error *err)
{
    const char *value = option_get(l, key);

    if (value && strlen(value) >= DEVICE_NAME_MAX)
        return error_set(err, "%s=%s: too long", key, value);
    snprintf(out, DEVICE_NAME_MAX, "%s", value ? value : "");
    return true;
}

bool device_get_place(const struct settings *s, const struct option_list *l,
                      struct pc_pci_place *place, struct error *err)
{
    const char *addr = option_get(l, "addr");

    *place = (struct pc_pci_place){
        .type = s->devices[s->ndevices - 1].type, .has_addr = addr, .order = s->ndevices};
    return (!addr || pc_pci_parse_addr(addr, &place->devfn, err)) &&
           get_name(l, "id", place->id, err) && get_name(l, "bus", place->bus, err) &&
           option_get_bool(l, "multifunction", &place->multifunction, err);
}

static bool add_debug_exit(struct settings *s, const struct option_list *l, struct error *err)
{
    if (s->debug_exit)
        return error_set(err, "there is one already");
    s->debug_exit = true;
    s->debug_exit_iobase = 0x501;
    s->debug_exit_iosize = 2;
    return option_get_number(l, "iobase", 0, 0xffff, &s->debug_exit_iobase, err) &&
           option_get_number(l, "iosize", 1, 4, &s->debug_exit_iosize, err);
}

static bool add_debugcon(struct settings *s, const struct option_list *l, struct error *err)
{
    struct debugcon_setting *d = &s->debugcon[s->ndebugcon];

    if (s->ndebugcon == MAX_DEBUGCON)
        return error_set(err, "more than %d", MAX_DEBUGCON);
    d->iobase = 0xe9;
    s->ndebugcon++;
    return device_get_chardev(l, d->chardev, err) &&
           option_get_number(l, "iobase", 0, 0xffff, &d->iobase, err);
}

/* The next port with its usual address and interrupt. */
static struct parallel_setting *next_parallel(struct settings *s, struct error *err)
{
    static const struct parallel_setting usual[MAX_PARALLEL] = {
        {.iobase = 0x378, .irq = 7}, {.iobase = 0x278, .irq = 7}, /* not 5: that may be PCI's */
    };
    struct parallel_setting *p = &s->parallel[s->nparallel];

    if (s->nparallel == MAX_PARALLEL) {
        error_set(err, "more than %d", MAX_PARALLEL);
        return NULL;
    }
    *p = usual[s->nparallel++];
    return p;
}

bool device_add_parallel(struct settings *s, const char *where, struct error *err)
{
    struct parallel_setting *p;

    if (!strcmp(where, "none"))
        return true;
    p = next_parallel(s, err);
    if (p)
        p->spec = where;
    return p;
}

/* Edge triggered interrupts that a card can have: 5 and 9 to 11 are PCI's and the SCI's, and level
 * triggered. */
#define ISA_CARD_IRQS 0xd0d8u

static bool add_parallel(struct settings *s, const struct option_list *l, struct error *err)
{
    struct parallel_setting *p = next_parallel(s, err);

    if (!p || !device_get_chardev(l, p->chardev, err) ||
        !option_get_number(l, "iobase", 1, 0xfff8, &p->iobase, err) ||
        !option_get_number(l, "irq", 3, 15, &p->irq, err))
        return false;
    if (!(ISA_CARD_IRQS >> p->irq & 1))
        return error_set(err, "irq=%u: 3, 4, 6, 7, 12, 14 or 15 is expected", (unsigned)p->irq);
    return true;
}

/* The n-th serial port; its address and interrupt are the usual ones of that number. */
static bool add_serial(struct settings *s, const struct option_list *l, struct error *err)
{
    char id[DEVICE_CHARDEV_MAX], *spec;
    uint64_t index = s->nserial;

    if (!device_get_chardev(l, id, err) ||
        !option_get_number(l, "index", 0, MAX_SERIAL - 1, &index, err))
        return false;
    if (index >= MAX_SERIAL)
        return error_set(err, "more than %d", MAX_SERIAL);
    if (index < s->nserial && strcmp(s->serial[index], "none") != 0)
        return error_set(err, "index=%u: there is one already", (unsigned)index);
    while (s->nserial <= index)
        s->serial[s->nserial++] = "none";
    if (asprintf(&spec, "chardev:%s", id) < 0)
        spec = NULL;
    return (s->serial[index] = settings_keep(s, spec, err));
}

static bool add_pc_testdev(struct settings *s, const struct option_list *l, struct error *err)
{
    (void)l;
    if (s->pc_testdev)
        return error_set(err, "there is one already");
    return s->pc_testdev = true;
}

static bool add_pci_testdev(struct settings *s, const struct option_list *l, struct error *err)
{
    const char *membar = option_get(l, "membar");
    uint64_t *size = &s->pci_testdev_membar;

    if (s->pci_testdev)
        return error_set(err, "there is one already");
    s->pci_testdev = true;
    if (!device_get_place(s, l, &s->pci_testdev_place, err))
        return false;
    if (!membar)
        return true;
    if (!size_parse(membar, 1, size, err)) {
        error_prefix(err, "membar");
        return false;
    }
    return (*size >= 16 && !(*size & (*size - 1))) ||
           error_set(err, "membar=%s: a power of two is expected, at least 16", membar);
}

/* ---- disks ---- */

/* How monitors know what has the drive: the last device by its id, or by its path in QEMU's tree of
 * objects; of a virtio disk it is the part behind its PCI function. */
static void set_qdev(const struct settings *s, struct disk_setting *d)
{
    const struct device_setting *last = &s->devices[s->ndevices - 1];
    const char *behind = d->kind == DISK_VIRTIO ? "/virtio-backend" : "";
    unsigned anonymous = 0;

    for (const struct device_setting *other = s->devices; other < last; other++)
        anonymous += !other->id;
    if (last->id)
        snprintf(d->qdev, sizeof(d->qdev), "%s%s%s", *behind ? "/machine/peripheral/" : "",
                 last->id, behind);
    else
        snprintf(d->qdev, sizeof(d->qdev), "/machine/peripheral-anon/device[%u]%s", anonymous,
                 behind);
}

static struct disk_setting *add_disk(struct settings *s, const struct option_list *l,
                                     enum disk_kind kind, struct error *err)
{
    struct disk_setting *d = &s->disks[s->ndisks];
    uint64_t boot = UINT64_MAX;

    if (s->ndisks == MAX_DISKS) {
        error_set(err, "more than %d", MAX_DISKS);
        return NULL;
    }
    *d = (struct disk_setting){.kind = kind, .has_unit = option_get(l, "unit")};
    if (!get_name(l, "drive", d->drive, err) || !get_name(l, "bus", d->bus, err) ||
        !get_name(l, "serial", d->serial, err) || !get_name(l, "werror", d->werror, err) ||
        !get_name(l, "rerror", d->rerror, err) ||
        !option_get_number(l, "unit", 0, 31, &d->unit, err) ||
        !option_get_number(l, "bootindex", 0, INT32_MAX, &boot, err))
        return NULL;
    d->boot_index = (int)boot;
    set_qdev(s, d);
    s->ndisks++;
    return d;
}

static bool need_drive(const struct disk_setting *d, struct error *err)
{
    return d && (d->drive[0] ||
                 error_set(err, "drive=ID is expected, of a -drive if=none,id=ID,file=FILE"));
}

static bool add_ide_hd(struct settings *s, const struct option_list *l, struct error *err)
{
    return need_drive(add_disk(s, l, DISK_IDE_HD, err), err);
}

static bool add_ide_cd(struct settings *s, const struct option_list *l, struct error *err)
{
    return add_disk(s, l, DISK_IDE_CD, err);
}

static bool add_floppy(struct settings *s, const struct option_list *l, struct error *err)
{
    return need_drive(add_disk(s, l, DISK_FLOPPY, err), err);
}

static bool add_ahci(struct settings *s, const struct option_list *l, struct error *err)
{
    if (s->nahci == MAX_AHCI)
        return error_set(err, "more than %d", MAX_AHCI);
    return device_get_place(s, l, &s->ahci[s->nahci++], err);
}

static bool add_bridge(struct settings *s, const struct option_list *l, struct error *err)
{
    struct pc_bridge *b = &s->bridges[s->nbridges];
    uint64_t chassis = 0;

    if (s->nbridges == PC_MAX_BRIDGES)
        return error_set(err, "more than %d", PC_MAX_BRIDGES);
    s->nbridges++;
    if (!device_get_place(s, l, &b->place, err) ||
        !option_get_number(l, "chassis_nr", 1, 255, &chassis, err))
        return false;
    b->chassis = (uint8_t)chassis;
    return chassis || error_set(err, "chassis_nr=1 to 255 is expected");
}

static bool add_virtio_blk(struct settings *s, const struct option_list *l, struct error *err)
{
    struct disk_setting *d = add_disk(s, l, DISK_VIRTIO, err);

    if (!need_drive(d, err))
        return false;
    d->num_queues = 1;
    return device_get_place(s, l, &d->place, err) &&
           option_get_number(l, "num-queues", 1, VIRTIO_BLK_MAX_QUEUES, &d->num_queues, err) &&
           option_get_bool(l, "disable-legacy", &d->disable_legacy, err);
}

static bool add_nic(struct settings *s, const struct option_list *l, struct error *err)
{
    return net_add_device(s, l, err) && device_get_place(s, l, &s->nics[s->nnics - 1].place, err);
}

static bool add_isa_nic(struct settings *s, const struct option_list *l, struct error *err)
{
    struct nic_setting *n = &s->nics[s->nnics];

    if (!net_add_device(s, l, err) ||
        !option_get_number(l, "iobase", 0x200, 0x3e0, &n->iobase, err) ||
        !option_get_number(l, "irq", 3, 15, &n->irq, err))
        return false;
    if (n->iobase & 31)
        return error_set(err, "iobase=%x: a multiple of 32 is expected", (unsigned)n->iobase);
    return ISA_CARD_IRQS >> n->irq & 1 ||
           error_set(err, "irq=%u: 3, 4, 6, 7, 12, 14 or 15 is expected", (unsigned)n->irq);
}

static bool add_tablet(struct settings *s, const struct option_list *l, struct error *err)
{
    if (s->tablet)
        return error_set(err, "there is one already");
    s->tablet = true;
    return device_get_place(s, l, &s->tablet_place, err);
}

/* ---- display ---- */

static bool get_mib(const struct option_list *l, const char *key, uint64_t *bytes,
                    struct error *err)
{
    uint64_t mib = 0;

    if (!option_get_number(l, key, 1, 256, &mib, err))
        return false;
    if (mib & (mib - 1))
        return error_set(err, "%s=%u: a power of two is expected", key, (unsigned)mib);
    *bytes = mib << 20;
    return true;
}

static bool add_vga(struct settings *s, const struct option_list *l, struct error *err)
{
    const char *rom = option_get(l, "romfile");

    if (s->vga == VGA_STD)
        return error_set(err, "there is one already");
    s->vga = VGA_STD;
    s->vga_rom_given = rom;
    if (rom && strlen(rom) >= DEVICE_PATH_MAX)
        return error_set(err, "romfile: too long");
    snprintf(s->vga_rom, sizeof(s->vga_rom), "%s", rom ? rom : "");
    return device_get_place(s, l, &s->vga_place, err) &&
           get_mib(l, "vgamem_mb", &s->vga_memory, err) &&
           option_get_number(l, "xres", 64, 4095, &s->vga_xres, err) &&
           option_get_number(l, "yres", 64, 4095, &s->vga_yres, err);
}

#define BOOT_INDEX                                                                                 \
    {                                                                                              \
        "bootindex", "N", "place in the order in which firmware boots"                             \
    }
#define OF_DISKS                                                                                   \
    {"serial", "TEXT", "serial number that the guest sees"}, BOOT_INDEX,                           \
        {"werror", "WHAT", "when a write fails, as of -drive"},                                    \
    {                                                                                              \
        "rerror", "WHAT", "when a read fails"                                                      \
    }

#define OF_NICS                                                                                    \
    {"netdev", "ID", "a -netdev"}, {"mac", "ADDRESS", "default 52:54:00:12:34:56, and up"},        \
        {"romfile", "FILE", "what firmware boots it with; empty: nothing"},                        \
        {"rombar", "0|1", "0: no expansion ROM"}, BOOT_INDEX

#define OF_PORTS                                                                                   \
    {"chardev", "ID", "what is at its other end"}, {"name", "TEXT", "as the guest finds it"},      \
        {"nr", "0-14", "which port; default: the first that is free"},                             \
    {                                                                                              \
        "bus", "BUS", "ID.0 of the virtio-serial-pci; default: the first"                          \
    }

static const struct device_row devices[] = {
    {"ide-hd", "ATA disk; see also -hda", add_ide_hd,
     .properties = {{"drive", "ID", "a -drive with if=none"},
                    {"bus", "BUS", "ide.0 (the default), ide.1, or of an ahci: ahci0.0"},
                    {"unit", "0-1", "master or slave of an IDE channel"},
                    OF_DISKS}},
    {"ide-cd", "ATAPI CD/DVD drive; see also -cdrom", add_ide_cd,
     .properties = {{"drive", "ID", "a -drive with if=none,media=cdrom; none: without a disc"},
                    {"bus", "BUS", "as of ide-hd"},
                    {"unit", "0-1", "as of ide-hd"},
                    OF_DISKS}},
    {"VGA", "standard VGA with the Bochs display interface, on PCI; see also -vga", add_vga,
     .pci = true,
     .properties = {{"vgamem_mb", "1-256", "video memory, default 16"},
                    {"romfile", "FILE", "its BIOS; empty: none"},
                    {"xres", "64-4095", "what the monitor likes best, default 1280"},
                    {"yres", "64-4095", "default 800"}}},
    {"floppy", "floppy drive; see also -fda", add_floppy,
     .properties = {{"drive", "ID", "a -drive with if=none"},
                    {"unit", "0-1", "A or B; default: the first that is free"},
                    BOOT_INDEX}},
    {"ahci", "SATA controller of six ports, ID.0 to ID.5, for ide-hd and ide-cd", add_ahci,
     .pci = true},
    {"ich9-ahci", "the same", add_ahci, .pci = true},
    {"pci-bridge", "PCI-to-PCI bridge; its id= is the name of the bus behind it", add_bridge,
     .pci = true, .properties = {{"chassis_nr", "1-255", "number of the slots behind it"}}},
    {"virtio-blk-pci", "virtio disk; see also -drive if=virtio", add_virtio_blk, .pci = true,
     .properties = {{"drive", "ID", "a -drive with if=none"},
                    {"num-queues", "1-16", "default 1"},
                    {"disable-legacy", "on|off", "on: without the interface of virtio 0.9"},
                    OF_DISKS}},
    {"e1000", "Intel 82540EM network card; see also -nic", add_nic, .pci = true,
     .properties = {OF_NICS}},
    {"e1000-82545em", "Intel 82545EM network card", add_nic, .pci = true, .properties = {OF_NICS}},
    {"ne2k_isa", "NE2000 network card on ISA", add_isa_nic,
     .properties = {{"netdev", "ID", "a -netdev"},
                    {"mac", "ADDRESS", "as of e1000"},
                    {"iobase", "PORT", "default 0x300"},
                    {"irq", "3-15", "default 3"}}},
    {"ne2k_pci", "NE2000 network card on PCI (Realtek RTL8029)", add_nic, .pci = true,
     .properties = {OF_NICS}},
    {"pcnet", "AMD PCnet-PCI II network card (Am79C970A)", add_nic, .pci = true,
     .properties = {OF_NICS}},
    {"rtl8139", "Realtek RTL8139C+ network card", add_nic, .pci = true, .properties = {OF_NICS}},
    {"virtio-net-pci", "virtio network card; see also -nic", add_nic, .pci = true,
     .properties = {OF_NICS,
                    {"mq", "on|off", "on: several pairs of queues"},
                    {"queues", "1-7", "how many pairs, with mq=on"},
                    {"disable-legacy", "on|off", "as of virtio-blk-pci"}}},
    {"virtio-tablet-pci", "pointer by position, so that VNC and windows need not grab it",
     add_tablet, .pci = true},
    {"virtio-rng-pci", "entropy for the guest", service_add_rng, .pci = true,
     .properties = {{"rng", "ID", "a -object rng-random or rng-builtin, the default"},
                    {"max-bytes", "N", "how many the guest may have in a period; default: any"},
                    {"period", "MS", "default 65536"},
                    {"disable-legacy", "on|off", "as of virtio-blk-pci"}}},
    {"virtio-serial-pci", "controller of virtconsole and virtserialport", service_add_console,
     .pci = true,
     .properties = {{"max_ports", "1-15", "how many ports there may be, default 15"},
                    {"disable-legacy", "on|off", "as of virtio-blk-pci"}}},
    {"virtio-serial", "the same", service_add_console, .pci = true,
     .properties = {{"max_ports", "1-15", "as of virtio-serial-pci"},
                    {"disable-legacy", "on|off", "as of virtio-blk-pci"}}},
    {"virtconsole", "terminal on a virtio-serial-pci before it: hvc0 in Linux", service_add_port,
     .properties = {OF_PORTS}},
    {"virtserialport", "channel on a virtio-serial-pci: /dev/virtio-ports/NAME in Linux",
     service_add_port, .properties = {OF_PORTS}},
    {"virtio-balloon-pci", "takes memory from the guest: monitors' balloon", service_add_balloon,
     .pci = true,
     .properties = {{"deflate-on-oom", "on|off", "on: a guest that needs memory takes it back"},
                    {"free-page-reporting", "on|off", "on: what is free goes back to the host"},
                    {"guest-stats-polling-interval", "SECS", "for info balloon; default 0: never"},
                    {"disable-legacy", "on|off", "as of virtio-blk-pci"}}},
    {"virtio-9p-pci", "folder of the host: mount -t 9p TAG; see also -virtfs", service_add_folder,
     .pci = true,
     .properties = {{"fsdev", "ID", "a -fsdev"},
                    {"mount_tag", "TAG", "its name in the guest"},
                    {"disable-legacy", "on|off", "as of virtio-blk-pci"}}},
    {"i6300esb", "watchdog of Intel's 6300ESB; -action watchdog= says what it does",
     service_add_watchdog, .pci = true},
    {"pvpanic", "ISA port by which a guest tells of its panic; see -action panic=",
     service_add_pvpanic, .properties = {{"ioport", "PORT", "default 0x505"}}},
    {"pvpanic-pci", "the same on PCI", service_add_pvpanic_pci, .pci = true},
    {"isa-debug-exit", "a write of v ends with status (v << 1) | 1", add_debug_exit,
     .properties = {{"iobase", "PORT", "default 0x501"},
                    {"iosize", "1-4", "number of ports, default 2"}}},
    {"isa-debugcon", "bytes written to a port go to a -chardev", add_debugcon,
     .properties = {{"iobase", "PORT", "default 0xe9"}, {"chardev", "ID", "where they go"}}},
    {"isa-parallel", "parallel port (SPP) with a printer; see also -parallel", add_parallel,
     .properties = {{"iobase", "PORT", "default 0x378, then 0x278"},
                    {"irq", "3-15", "default 7"},
                    {"chardev", "ID", "where characters are printed"}}},
    {"isa-serial", "serial port; see also -serial", add_serial,
     .properties = {{"index", "0-3", "which: COM1 is 0; default the next"},
                    {"chardev", "ID", "what is at its other end"}}},
    {"pc-testdev", "ports and memory that CPU test suites use", add_pc_testdev, .pci = false},
    {"pci-testdev", "PCI device that counts accesses, for test suites", add_pci_testdev,
     .pci = true,
     .properties = {{"membar", "SIZE", "BAR 2, without anything behind it; default none"}}},
};

#define NUM_DEVICES (sizeof(devices) / sizeof(devices[0]))

static const struct device_row *find(const char *name, size_t len)
{
    for (size_t i = 0; i < NUM_DEVICES; i++)
        if (strlen(devices[i].name) == len && !memcmp(devices[i].name, name, len))
            return &devices[i];
    return NULL;
}

static const struct device_property pci_properties[] = {
    {"bus", "BUS", "pci.0, the default, or the id of a pci-bridge"},
    {"addr", "SLOT[.FN]", "its slot there, hexadecimal; default: the first that is free"},
    {"multifunction", "on|off", "functions 1 to 7 of the slot may be others'"},
};
static const struct device_property id_property = {"id", "ID", "its name, which no other has"};

#define NUM_PCI_PROPERTIES (sizeof(pci_properties) / sizeof(pci_properties[0]))
#define ALL_PROPERTIES     (MAX_PROPERTIES + NUM_PCI_PROPERTIES + 1)

/* A device's own properties and those that it shares with others; how many there are. */
static unsigned all_properties(const struct device_row *d,
                               struct device_property list[ALL_PROPERTIES])
{
    unsigned n = 0;

    while (n < MAX_PROPERTIES && d->properties[n].name) {
        list[n] = d->properties[n];
        n++;
    }
    for (unsigned i = 0; d->pci && i < NUM_PCI_PROPERTIES; i++)
        list[n++] = pci_properties[i];
    list[n++] = id_property;
    return n;
}

static void print_properties(const struct device_row *d)
{
    struct device_property list[ALL_PROPERTIES];
    unsigned n = all_properties(d, list);

    printf("%s: %s\n", d->name, d->help);
    for (unsigned i = 0; i < n; i++) {
        char text[32];

        snprintf(text, sizeof(text), "%s=%s", list[i].name, list[i].arg);
        printf("  %-20s %s\n", text, list[i].help);
    }
}

void device_each(void *opaque, void (*fn)(void *opaque, const char *name,
                                          const struct device_property *properties, unsigned n))
{
    for (size_t i = 0; i < NUM_DEVICES; i++) {
        struct device_property list[ALL_PROPERTIES];
        unsigned n = all_properties(&devices[i], list);

        fn(opaque, devices[i].name, list, n);
    }
}

bool device_help(const char *value)
{
    size_t len = strcspn(value, ",");
    const struct device_row *d = find(value, len);

    if (!strcmp(value, "help") || !strcmp(value, "?")) {
        puts("Devices (TYPE,help lists properties):");
        for (size_t i = 0; i < NUM_DEVICES; i++)
            printf("  %-15s %s\n", devices[i].name, devices[i].help);
        return true;
    }
    if (!d || (strcmp(value + len, ",help") != 0 && strcmp(value + len, ",?") != 0))
        return false;
    print_properties(d);
    return true;
}

static bool no_such_device(const char *name, struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, name);
    for (size_t i = 0; i < NUM_DEVICES; i++)
        suggest_offer(&near, devices[i].name);
    return error_set(err, "-device %s: there is none of this name; did you mean %s?", name,
                     near.best);
}

static bool check_properties(const struct device_row *d, const struct option_list *l,
                             struct error *err)
{
    struct device_property list[ALL_PROPERTIES];
    const char *known[ALL_PROPERTIES + 2] = {"driver"};
    unsigned n = all_properties(d, list);

    for (unsigned i = 0; i < n; i++)
        known[1 + i] = list[i].name;
    return option_list_check(l, known, err);
}

static bool check_id(const struct settings *s, const char *id, struct error *err)
{
    bool ok = isalpha((unsigned char)*id) && strlen(id) < DEVICE_NAME_MAX;

    for (const char *p = id; *p; p++)
        ok &= isalnum((unsigned char)*p) || strchr("-._", *p) != NULL;
    if (!ok)
        return error_set(err,
                         "id=%s: a letter is expected, then letters, digits, '-', '.' and '_', "
                         "at most %d",
                         id, DEVICE_NAME_MAX - 1);
    for (unsigned i = 0; i < s->ndevices; i++)
        if (s->devices[i].id && !strcmp(s->devices[i].id, id))
            return error_set(err, "id=%s: -device %s has it already", id, s->devices[i].type);
    return true;
}

/* The device is one more; its id is not any other's. */
static bool note_device(struct settings *s, const struct device_row *d, const char *value,
                        const struct option_list *l, struct error *err)
{
    const char *id = option_get(l, "id");
    struct device_setting *n = &s->devices[s->ndevices];

    if (s->ndevices == MAX_DEVICES)
        return error_set(err, "more than %d devices", MAX_DEVICES);
    if (id && !check_id(s, id, err))
        return false;
    *n = (struct device_setting){
        .type = d->name, .value = value, .id = id ? settings_keep(s, strdup(id), err) : NULL};
    s->ndevices++;
    return !id || n->id;
}

bool device_parse(struct settings *s, const char *value, struct error *err)
{
    const struct device_row *d;
    struct option_list l;
    const char *name;
    bool ok;

    if (!option_list_parse(&l, value, "driver", err)) {
        error_prefix(err, "-device");
        return false;
    }
    name = option_get(&l, "driver");
    name = name ? name : "";
    d = find(name, strlen(name));
    if (!d) {
        ok = no_such_device(name, err);
    } else {
        ok =
            check_properties(d, &l, err) && note_device(s, d, value, &l, err) && d->add(s, &l, err);
        if (!ok)
            error_prefix(err, "-device %s", name);
    }
    option_list_free(&l);
    return ok;
}
