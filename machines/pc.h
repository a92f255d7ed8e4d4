/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MACHINES_PC_H
#define CALQUE_MACHINES_PC_H

#include "devices/audio/pcspk.h"
#include "devices/bus/i440fx.h"
#include "devices/bus/pci_bridge.h"
#include "devices/bus/piix3.h"
#include "devices/char/parallel.h"
#include "devices/char/uart16550.h"
#include "devices/display/stdvga.h"
#include "devices/input/hid_port.h"
#include "devices/input/i8042.h"
#include "devices/input/ps2kbd.h"
#include "devices/input/ps2mouse.h"
#include "devices/input/vmmouse.h"
#include "devices/irq/i8259.h"
#include "devices/irq/ioapic.h"
#include "devices/misc/coprocessor.h"
#include "devices/misc/debug_exit.h"
#include "devices/misc/debugcon.h"
#include "devices/misc/fw_cfg.h"
#include "devices/misc/i8237.h"
#include "devices/misc/pc_testdev.h"
#include "devices/misc/pci_testdev.h"
#include "devices/misc/piix4_pm.h"
#include "devices/misc/port80.h"
#include "devices/misc/port92.h"
#include "devices/timer/hpet.h"
#include "devices/timer/i8254.h"
#include "devices/timer/mc146818.h"
#include "devices/virtio/virtio_tablet.h"
#include "machines/boot_block.h"
#include "machines/pc_net.h"
#include "machines/pc_pci.h"
#include "machines/pc_storage.h"
#include "machines/smbios.h"
#include "vm/machine.h"

#define PC_MAX_CPUS     255
#define PC_NUM_SERIAL   4
#define PC_NUM_PARALLEL 2
#define PC_NUM_DEBUGCON 2
#define PC_LOW_RAM_MAX  0xc0000000u /* RAM below the PCI hole; the rest is above 4 GiB */
#define PC_MIN_RAM      0x200000u

/* The processors' side of the board. Unset members are lines that go nowhere. */
struct pc_cpu_hooks {
    struct irq_line intr;  /* INTR of the PIC pair: to LINT0 of the boot processor */
    struct irq_line a20;   /* high: address bit 20 passes */
    struct irq_line smi;   /* SMI#: each rise is one, to the boot processor */
    struct irq_line ignne; /* IGNNE# of the boot processor */
    struct msi_sink msi;   /* the APIC bus: where IOAPIC and MSIs go */
    void *cpus;            /* for the functions below */
    uint32_t (*apic_id)(void *cpus, unsigned n); /* of the n-th; unset: n */
    uint32_t cpu_signature, cpu_features;        /* EAX and EDX of CPUID leaf 1 */
    void (*set_intack)(void *cpus, struct intack_source intack);
    void (*set_eoi)(void *cpus, struct eoi_sink eoi);
    void (*set_ferr)(void *cpus, struct irq_line ferr); /* FERR# of the boot processor */
    /* Called when the processors have been reset: power-on and every reset. */
    void (*set_boot_state)(void *cpus, const struct boot_state *state);
    /* Registers of the processor that accesses a port now; unset: there are none. */
    bool (*get_registers)(void *cpus, uint32_t r[VMPORT_REGISTERS]);
    void (*set_registers)(void *cpus, const uint32_t r[VMPORT_REGISTERS]);
    unsigned sockets, cores, threads; /* all 0: one socket, a core for each processor */
    bool long_mode;
};

/* What -kernel may be, in the order in which it is tried. */
enum pc_kernel {
    PC_KERNEL_NONE,
    PC_KERNEL_LINUX,     /* bzImage */
    PC_KERNEL_MULTIBOOT, /* Multiboot 1 */
    PC_KERNEL_ELF,       /* ELF with a PVH note, or plain */
    PC_KERNEL_FIRMWARE,  /* whatever the firmware makes of it */
};

struct pc_config {
    uint64_t ram_size;
    unsigned ncpus;
    const char *kernel; /* see enum pc_kernel; perhaps gzip'ed; NULL: start in the BIOS */
    const char *initrd; /* Multiboot and PVH: "file args,file args" */
    const char *append;
    const char *bios; /* ROM image of 64 KiB to 16 MiB; NULL: none, kernel is needed. With both
                       * the firmware is started and finds the kernel in fw_cfg. */
    const struct smbios_settings *smbios;  /* NULL: none */
    bool boot_32bit;                       /* enter Linux at its 32-bit entry */
    struct chardev *serial[PC_NUM_SERIAL]; /* with serial_present */
    bool serial_present[PC_NUM_SERIAL];    /* the port is there, perhaps unconnected */
    struct {
        uint16_t port; /* 0: none */
        uint8_t irq;
        struct chardev *chr;
    } parallel[PC_NUM_PARALLEL];
    struct {
        uint16_t port; /* 0: none */
        struct chardev *chr;
    } debugcon[PC_NUM_DEBUGCON];
    uint16_t debug_exit_port; /* 0: none; 0xf4 or 0x501 */
    unsigned debug_exit_size;
    struct pc_bridge bridges[PC_MAX_BRIDGES];
    unsigned nbridges;
    bool pc_testdev, pci_testdev;
    uint64_t pci_testdev_membar; /* size of its BAR 2, 0: none */
    struct pc_pci_place vga_place, tablet_place, pci_testdev_place;
    struct pc_storage_config storage;
    struct pc_net_config net;
    bool no_hpet, no_vmport;
    struct audio *audio; /* where the speaker is heard; NULL: nowhere */
    bool unheard;        /* there is a speaker although it is heard nowhere */
    bool tablet;         /* virtio-tablet-pci */
    bool no_reboot, triple_fault_ends;
    bool icount, icount_auto; /* time is retired instructions, 1 << icount_shift ns each */
    unsigned icount_shift;
    struct pc_boot_order {
        const char *order, *once; /* letters a, c, d, n as of -boot; NULL or "": "cad" */
        bool menu, strict;        /* menu: the firmware asks; strict: it boots nothing else */
        bool has_splash_time, has_reboot_timeout;
        uint16_t splash_time;    /* ms that the menu waits */
        uint16_t reboot_timeout; /* ms after which it tries again */
    } boot;
    const uint8_t *uuid; /* 16 bytes, big endian; NULL: none */
    struct pc_clock {
        bool localtime, has_date; /* otherwise UTC now */
        int64_t date;             /* seconds since 1970 */
    } rtc_base;
    bool vga;            /* a display adapter: stdvga; text mode is announced to the guest */
    uint64_t vga_memory; /* bytes; 0: 16 MiB */
    uint16_t vga_xres, vga_yres; /* of the monitor; 0: 1280x800 */
    const char *vga_rom;         /* its BIOS, up to 256 KiB; NULL: none */
    const uint8_t *vga_font;     /* 256 characters of 16 bytes for direct boots; NULL: none */
    uint64_t extra_memory;       /* arena bytes for ROM and video memory that the caller adds */
    /* Creates config->ncpus processors, adds them to the machine and fills in the hooks. NULL: a
     * board without processors (tests). */
    bool (*create_cpus)(struct machine *m, unsigned ncpus, void *opaque, struct pc_cpu_hooks *hooks,
                        struct error *err);
    void *create_cpus_opaque;
};

/* The machine starts in firmware, not in a kernel. */
static inline bool pc_has_firmware(const struct pc_config *c)
{
    return c->bios || c->storage.flash[0];
}

/* Wired-or of what drives one ISA interrupt or the A20 gate: one bit per driver. */
struct pc_lines {
    struct device dev;
    uint32_t isa[16];
    uint8_t a20;
    uint8_t isa_drivers[16]; /* wiring: how many lines were handed out */
    struct irq_line pic[16], ioapic[16];
    struct irq_line a20_out;
};

struct pc {
    struct machine m; /* first */
    const struct pc_config *config;
    struct pc_cpu_hooks cpu;

    uint64_t low_ram, high_ram;
    struct region ram_640k, ram_extended, ram_high;
    struct region bios_rom;
    uint64_t bios_last_128k; /* arena offset, ARENA_NONE without a BIOS */

    struct pc_lines lines;
    struct i8259 pic;
    struct ioapic ioapic;
    struct hpet hpet;
    struct i8254 pit;
    struct pcspk speaker;
    struct mc146818 rtc;
    struct ps2kbd kbd;
    struct ps2mouse mouse;
    struct i8042 i8042;
    struct hid_port hid_port;
    struct vmmouse vmmouse;
    struct virtio_tablet tablet;
    struct hid hid; /* for front ends and monitors */
    struct i8237 dma;
    struct port92 port92;
    struct coprocessor coprocessor;
    struct port80 port80;
    struct uart16550 serial[PC_NUM_SERIAL];
    struct parallel parallel[PC_NUM_PARALLEL];
    struct debugcon debugcon[PC_NUM_DEBUGCON];
    struct debug_exit debug_exit;
    struct pci_bus pci; /* pci.0 */
    struct pc_pci_plan pci_plan;
    struct i440fx host_bridge;
    struct pci_bridge bridges[PC_MAX_BRIDGES];
    struct piix3 piix3;
    struct piix4_pm pm;
    struct pc_storage storage;
    struct pc_net net;
    struct stdvga vga;
    struct pc_testdev pc_testdev;
    struct pci_testdev pci_testdev;
    struct fw_cfg fw_cfg;
    size_t acpi_size; /* bytes of the tables in fw_cfg */

    /* Direct boot: kept, for every reset loads them again. */
    enum pc_kernel kernel_kind;
    struct boot_image kernel, initrd;
    struct boot_image modules[BOOT_MAX_MODULES];
    char *module_names; /* the strings of modules, cut up */
    const char *module_args[BOOT_MAX_MODULES];
    unsigned nmodules;
    char *multiboot_cmdline;
};

/* How -boot says what to try, as CMOS has it: letters a, c, d, n. */
void pc_set_boot_order(struct pc *pc, const char *order);

/* Builds the machine and loads what it boots. config must stay. Further PCI devices are added after
 * this and before pc_power_on(). On failure nothing is left behind. */
bool pc_init(struct pc *pc, const struct pc_config *config, struct error *err);
/* What happens between power-on and the first instruction of the guest: without a BIOS, what
 * firmware would have set up, and the kernel is loaded. Once, before the machine runs. */
bool pc_power_on(struct pc *pc, struct error *err);
void pc_destroy(struct pc *pc);
/* An ISA interrupt as one more driver of it. Before the machine runs; at most 32 each. */
struct irq_line pc_isa_irq(struct pc *pc, unsigned irq);

#endif
