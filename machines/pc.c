/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PC: i440FX host bridge, PIIX3 with the chips of a PC/AT behind it, PIIX4 power management.
 *
 *   0x000000000-0x00009ffff  RAM
 *   0x0000a0000-0x0000bffff  display (or SMRAM)
 *   0x0000c0000-0x0000fffff  RAM or ROM, as PAM says
 *   0x000100000-low_ram      RAM, low_ram at most 0xc0000000
 *   0x0c0000000-0x0febfffff  PCI
 *   0x0fec00000              IOAPIC
 *   0x0fed00000              HPET
 *   0x0fee00000              local APICs (the processors')
 *   ...        -0x0ffffffff  BIOS
 *   0x100000000-             the rest of RAM
 *
 * Arena: RAM without holes from 0, so below low_ram offset and address agree; then the BIOS.
 *
 * An ISA interrupt goes to the PIC and to the IOAPIC pin of its number, but for IRQ 0, which is at
 * pin 2 (the MADT says so). Several chips may share one: pc_isa_irq() gives each its own driver. */
#include "machines/pc.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "machines/pc_boot.h"
#include "machines/pc_fw_cfg.h"

#define RAM_PRIORITY     (PCI_BAR_PRIORITY - 1)
#define BIOS_MIN         0x10000u
#define BIOS_MAX         0x1000000u
#define BIOS_LAST_WINDOW 0x20000u /* shown at 0xe0000 as well */

#define VGA_DEFAULT_MEMORY (16u << 20)

/* ---- interrupts and A20 ---- */

static void drive_isa(struct pc_lines *l, unsigned irq)
{
    irq_set(l->pic[irq], l->isa[irq] != 0);
    irq_set(l->ioapic[irq], l->isa[irq] != 0);
}

/* n: irq | driver << 4 */
static void set_isa(void *owner, unsigned n, bool level)
{
    struct pc_lines *l = owner;
    uint32_t bit = 1u << (n >> 4 & 31);
    unsigned irq = n & 15;

    l->isa[irq] = level ? l->isa[irq] | bit : l->isa[irq] & ~bit;
    drive_isa(l, irq);
}

struct irq_line pc_isa_irq(struct pc *pc, unsigned irq)
{
    unsigned driver = pc->lines.isa_drivers[irq]++;

    assert(irq < 16 && driver < 32 && "an ISA interrupt has at most 32 drivers");
    return (struct irq_line){.set = set_isa, .owner = &pc->lines, .n = irq | driver << 4};
}

/* A20 passes while the keyboard controller (0) or port 92h (1) asks for it. */
static void set_a20(void *owner, unsigned n, bool level)
{
    struct pc_lines *l = owner;

    l->a20 = (uint8_t)(level ? l->a20 | 1u << n : l->a20 & ~(1u << n));
    irq_set(l->a20_out, l->a20 != 0);
}

static bool lines_post_load(struct device *dev, struct error *err)
{
    struct pc_lines *l = (struct pc_lines *)dev;

    (void)err;
    irq_set(l->a20_out, l->a20 != 0);
    return true;
}

/* No reset: levels are the drivers' to change, and they do when they are reset. */
static const struct state_field lines_fields[] = {
    STATE_ARRAY(STATE_U32, struct pc_lines, isa, 16),
    STATE_U8(struct pc_lines, a20),
    STATE_FIELDS_END,
};

static const struct device_class lines_class = {
    .type = "pc-lines",
    .version = 1,
    .fields = lines_fields,
    .post_load = lines_post_load,
};

/* ---- memory ---- */

static void add_ram(struct pc *pc)
{
    struct address_space *mem = &pc->m.mem;
    uint64_t low = pc->low_ram;

    region_init_memory(&pc->ram_640k, "ram-640k", 0xa0000, 0, 0);
    region_add(mem, &pc->ram_640k, 0, RAM_PRIORITY);
    region_init_memory(&pc->ram_extended, "ram-extended", low - 0x100000, 0x100000, 0x100000);
    region_add(mem, &pc->ram_extended, 0x100000, RAM_PRIORITY);
    if (!pc->high_ram)
        return;
    region_init_memory(&pc->ram_high, "ram-high", pc->high_ram, low, low);
    region_add(mem, &pc->ram_high, 1ull << 32, RAM_PRIORITY);
}

/* Puts the image at the end of a piece of arena of at least 128 KiB, whose rest is erased ROM. */
static bool add_bios(struct pc *pc, struct error *err)
{
    struct boot_image image;
    uint64_t size, at;

    pc->bios_last_128k = ARENA_NONE;
    if (!pc->config->bios)
        return true;
    if (!boot_image_read(&image, pc->config->bios, BIOS_MAX, err))
        return false;
    size = image.size < BIOS_LAST_WINDOW ? BIOS_LAST_WINDOW : image.size;
    at = image.size % BIOS_MIN == 0 ? arena_alloc(&pc->m.arena, size) : ARENA_NONE;
    if (at != ARENA_NONE) {
        arena_before_store(&pc->m.arena, at, size);
        memset(pc->m.arena.host + at, 0xff, size);
        memcpy(pc->m.arena.host + at + size - image.size, image.data, image.size);
        arena_store_notify(&pc->m.arena, at, size);
        region_init_memory(&pc->bios_rom, "bios", size, at, ARENA_NONE);
        region_add(&pc->m.mem, &pc->bios_rom, (1ull << 32) - size, 3);
        pc->bios_last_128k = at + size - BIOS_LAST_WINDOW;
    } else {
        error_set(err, "%s: %zu bytes long, expected a multiple of 64 KiB", pc->config->bios,
                  image.size);
    }
    boot_image_free(&image);
    return at != ARENA_NONE;
}

/* ---- wiring ---- */

static void wire_interrupts(struct pc *pc)
{
    struct machine *m = &pc->m;
    struct pc_lines *l = &pc->lines;

    device_init(&l->dev, m, &lines_class, "lines");
    l->a20_out = pc->cpu.a20;
    i8259_init(&pc->pic, m, "pic", 0x20, 0xa0, 0x4d0, pc->cpu.intr);
    ioapic_init(&pc->ioapic, m, "ioapic", IOAPIC_BASE, pc->cpu.msi);
    for (unsigned irq = 0; irq < 16; irq++) {
        l->pic[irq] = i8259_line(&pc->pic, irq);
        if (irq != 2)
            l->ioapic[irq] = ioapic_line(&pc->ioapic, irq == 0 ? 2 : irq);
    }
    i8259_watch(&pc->pic, 0, i8254_watch(&pc->pit));
    ioapic_watch(&pc->ioapic, 2, i8254_watch(&pc->pit));
    if (pc->cpu.set_intack)
        pc->cpu.set_intack(pc->cpu.cpus, i8259_intack(&pc->pic));
    if (pc->cpu.set_eoi)
        pc->cpu.set_eoi(pc->cpu.cpus, ioapic_eoi_sink(&pc->ioapic));
}

static void wire_serial(struct pc *pc)
{
    static const struct {
        const char *id;
        uint16_t port;
        uint8_t irq;
    } com[PC_NUM_SERIAL] = {
        {"serial0", 0x3f8, 4},
        {"serial1", 0x2f8, 3},
        {"serial2", 0x3e8, 4},
        {"serial3", 0x2e8, 3},
    };

    for (unsigned i = 0; i < PC_NUM_SERIAL; i++)
        if (pc->config->serial_present[i])
            uart16550_init(&pc->serial[i], &pc->m, com[i].id, com[i].port,
                           pc_isa_irq(pc, com[i].irq), pc->config->serial[i]);
}

static void wire_parallel(struct pc *pc)
{
    static const char *const ids[PC_NUM_PARALLEL] = {"parallel0", "parallel1"};
    const struct pc_config *c = pc->config;

    for (unsigned i = 0; i < PC_NUM_PARALLEL; i++)
        if (c->parallel[i].port)
            parallel_init(&pc->parallel[i], &pc->m, ids[i], c->parallel[i].port,
                          pc_isa_irq(pc, c->parallel[i].irq), c->parallel[i].chr);
}

static void wire_debug(struct pc *pc)
{
    static const char *const ids[PC_NUM_DEBUGCON] = {"debugcon0", "debugcon1"};
    const struct pc_config *c = pc->config;

    for (unsigned i = 0; i < PC_NUM_DEBUGCON; i++)
        if (c->debugcon[i].port)
            debugcon_init(&pc->debugcon[i], &pc->m, ids[i], c->debugcon[i].port,
                          c->debugcon[i].chr);
    if (c->debug_exit_port)
        debug_exit_init(&pc->debug_exit, &pc->m, "debug-exit", c->debug_exit_port,
                        c->debug_exit_size);
    port80_init(&pc->port80, &pc->m, "port80", 0x80);
}

/* -rtc base=: the chip has started at UTC. */
static void set_clock(struct pc *pc)
{
    const struct pc_clock *c = &pc->config->rtc_base;
    time_t now = (time_t)(input_wall_clock(&pc->m) / NS_PER_SEC);
    struct tm tm;

    if (c->has_date)
        mc146818_set_time(&pc->rtc, c->date);
    else if (c->localtime && localtime_r(&now, &tm))
        mc146818_set_time(&pc->rtc, (int64_t)now + tm.tm_gmtoff);
}

/* The HPET's timers may have the IOAPIC's pins that no ISA interrupt has. PIT and RTC reach their
 * interrupts through it, for it can take them over. */
static void wire_timers(struct pc *pc)
{
    struct machine *m = &pc->m;
    struct irq_line lines[32] = {{0}}, irq[2] = {pc_isa_irq(pc, 0), pc_isa_irq(pc, 8)};

    for (unsigned pin = 16; pin < 24; pin++)
        lines[pin] = ioapic_line(&pc->ioapic, pin);
    if (!pc->config->no_hpet) {
        hpet_init(&pc->hpet, m, "hpet", HPET_BASE, lines, irq);
        irq[0] = hpet_legacy_in(&pc->hpet, 0);
        irq[1] = hpet_legacy_in(&pc->hpet, 1);
    }
    i8254_init(&pc->pit, m, "pit", 0x40, 0x61, irq[0]);
    if (pc->config->audio || pc->config->unheard)
        pcspk_init(&pc->speaker, m, "speaker", &pc->pit, pc->config->audio);
    mc146818_init(&pc->rtc, m, "rtc", 0x70, irq[1]);
    set_clock(pc);
}

static void wire_isa(struct pc *pc)
{
    struct machine *m = &pc->m;
    struct irq_line a20_kbd = {.set = set_a20, .owner = &pc->lines, .n = 0};
    struct vmport_registers registers = {pc->cpu.get_registers, pc->cpu.set_registers,
                                         pc->cpu.cpus};
    struct irq_line a20_fast = {.set = set_a20, .owner = &pc->lines, .n = 1};

    wire_timers(pc);
    i8237_init(&pc->dma, m, "dma");
    ps2kbd_init(&pc->kbd, m, "kbd");
    ps2mouse_init(&pc->mouse, m, "mouse");
    i8042_init(&pc->i8042, m, "i8042", 0x60, 0x64, pc_isa_irq(pc, 1), pc_isa_irq(pc, 12), a20_kbd,
               &pc->kbd.port, &pc->mouse.port);
    hid_port_init(&pc->hid_port, m, "hid", &pc->kbd, &pc->mouse, &pc->hid);
    if (pc->cpu.get_registers && !pc->config->no_vmport)
        vmmouse_init(&pc->vmmouse, m, "vmmouse", &pc->hid_port, &pc->mouse, registers);
    port92_init(&pc->port92, m, "port92", 0x92, a20_fast);
    coprocessor_init(&pc->coprocessor, m, "coprocessor", 0xf0, pc_isa_irq(pc, 13), pc->cpu.ignne);
    if (pc->cpu.set_ferr)
        pc->cpu.set_ferr(pc->cpu.cpus, coprocessor_ferr(&pc->coprocessor));
    wire_serial(pc);
    wire_parallel(pc);
    wire_debug(pc);
}

static void wire_test_devices(struct pc *pc)
{
    struct irq_line isa[PC_TESTDEV_IRQS];

    if (pc->config->pc_testdev) {
        for (unsigned irq = 0; irq < PC_TESTDEV_IRQS; irq++)
            isa[irq] = pc_isa_irq(pc, irq);
        pc_testdev_init(&pc->pc_testdev, &pc->m, "pc-testdev", isa);
    }
    if (!pc->config->pci_testdev)
        return;
    struct pc_pci_slot at = pc_pci_slot(pc, &pc->config->pci_testdev_place);
    pci_testdev_init(&pc->pci_testdev, &pc->m, "pci-testdev", at.bus, at.devfn,
                     pc->config->pci_testdev_membar);
}

static void wire_pci(struct pc *pc)
{
    struct machine *m = &pc->m;
    struct irq_line isa[16];

    for (unsigned irq = 0; irq < 16; irq++)
        isa[irq] = pc_isa_irq(pc, irq);
    pci_bus_init(&pc->pci, m, "pci");
    i440fx_init(&pc->host_bridge, m, "host-bridge", &pc->pci, pc->bios_last_128k); /* 00:00.0 */
    piix3_init(&pc->piix3, m, "piix3", &pc->pci, isa);                             /* 00:01.0 */
    piix4_pm_init(&pc->pm, m, "pm", &pc->pci, pc_isa_irq(pc, 9), pc->cpu.smi);     /* 00:01.3 */
    pc_pci_wire_buses(pc);
}

static void wire_tablet(struct pc *pc)
{
    if (!pc->config->tablet)
        return;
    struct pc_pci_slot at = pc_pci_slot(pc, &pc->config->tablet_place);
    virtio_tablet_init(&pc->tablet, &pc->m, "tablet", at.bus, at.devfn, pc->cpu.msi, &pc->hid_port);
}

/* ---- the display adapter ---- */

static uint64_t vga_memory(const struct pc_config *c)
{
    return c->vga_memory ? c->vga_memory : VGA_DEFAULT_MEMORY;
}

static bool add_vga(struct pc *pc, struct error *err)
{
    const struct pc_config *c = pc->config;
    struct boot_image rom = {0};
    struct stdvga_config config = {.vram_size = (uint32_t)vga_memory(c),
                                   .xres = c->vga_xres ? c->vga_xres : 1280,
                                   .yres = c->vga_yres ? c->vga_yres : 800};
    bool ok;

    if (!c->vga)
        return true;
    if (c->vga_rom && !boot_image_read(&rom, c->vga_rom, STDVGA_ROM_MAX, err))
        return false;
    config.rom = rom.data;
    config.rom_size = rom.size;
    struct pc_pci_slot at = pc_pci_slot(pc, &c->vga_place);
    ok = stdvga_init(&pc->vga, &pc->m, "vga", at.bus, at.devfn, &config, err);
    boot_image_free(&rom);
    return ok;
}

/* ---- boot ---- */

static bool boot(struct pc *pc, struct error *err)
{
    struct boot_state state = {.mode = BOOT_RESET};

    if (!pc_has_firmware(pc->config) && !pc_direct_boot(pc, &state, err))
        return false;
    if (pc->cpu.set_boot_state)
        pc->cpu.set_boot_state(pc->cpu.cpus, &state);
    return true;
}

/* What could be loaded at power-on can be loaded again: images and sizes are the same. */
static void after_reset(void *opaque)
{
    struct pc *pc = opaque;
    const struct pc_boot_order *order = &pc->config->boot;
    bool ok = boot(pc, NULL);

    if (order->once && *order->once)
        pc_set_boot_order(pc, order->order);

    assert(ok && "the kernel loaded at power-on loads at reset");
    (void)ok;
}

bool pc_power_on(struct pc *pc, struct error *err)
{
    return boot(pc, err);
}

/* ---- life ---- */

static bool check_config(const struct pc_config *c, struct error *err)
{
    if (c->ram_size < PC_MIN_RAM || c->ram_size % VM_PAGE_SIZE)
        return error_set(err, "-m: %llu bytes of RAM, expected at least %u MiB in whole pages",
                         (unsigned long long)c->ram_size, PC_MIN_RAM >> 20);
    if (c->ncpus < 1 || c->ncpus > PC_MAX_CPUS)
        return error_set(err, "-smp: %u processors, expected 1 to %d", c->ncpus, PC_MAX_CPUS);
    if (c->bios && c->storage.flash[0])
        return error_set(err, "-bios and -pflash: expected only one of them");
    if (!c->kernel && !pc_has_firmware(c))
        return error_set(err, "nothing to boot: expected -kernel, -bios or -pflash");
    if ((c->initrd || c->append) && !c->kernel)
        return error_set(err, "%s: expected -kernel too", c->initrd ? "-initrd" : "-append");
    return true;
}

static bool build(struct pc *pc, struct error *err)
{
    const struct pc_config *c = pc->config;

    pc->m.run.no_reboot = c->no_reboot;
    pc->m.run.triple_fault_ends = c->triple_fault_ends;
    if (c->create_cpus && !c->create_cpus(&pc->m, c->ncpus, c->create_cpus_opaque, &pc->cpu, err))
        return false;
    add_ram(pc);
    if (!pc_pci_plan(pc, err) || !add_bios(pc, err) || !pc_add_flash(pc, err))
        return false;
    wire_interrupts(pc);
    wire_isa(pc);
    wire_pci(pc);
    pc_wire_storage(pc);
    if (!pc_wire_net(pc, err) || !add_vga(pc, err))
        return false;
    wire_tablet(pc);
    wire_test_devices(pc);
    pc_pci_mark_functions(pc);
    pc_fill_cmos(pc);
    pc->m.run.after_reset = after_reset;
    pc->m.run.reset_opaque = pc;
    return (!c->kernel || pc_read_images(pc, err)) && pc_add_fw_cfg(pc, err);
}

bool pc_init(struct pc *pc, const struct pc_config *config, struct error *err)
{
    uint64_t bios_room = config->bios ? BIOS_MAX : config->storage.flash[0] ? PC_FLASH_MAX : 0;
    uint64_t room = config->extra_memory + bios_room +
                    (config->vga ? vga_memory(config) + STDVGA_ROM_MAX : 0) +
                    pc_nic_rom_room(&config->net);

    memset(pc, 0, sizeof(*pc));
    pc->config = config;
    if (!check_config(config, err) || !machine_init(&pc->m, config->ram_size, room, err))
        return false;
    if (config->icount) /* before the chips: the clock chip asks what date it is */
        machine_use_icount(&pc->m, config->icount_shift, config->icount_auto);
    pc->low_ram = config->ram_size < PC_LOW_RAM_MAX ? config->ram_size : PC_LOW_RAM_MAX;
    pc->high_ram = config->ram_size - pc->low_ram;
    if (build(pc, err))
        return true;
    pc_destroy(pc);
    return false;
}

void pc_destroy(struct pc *pc)
{
    pc_free_images(pc);
    machine_destroy(&pc->m);
    stdvga_destroy(&pc->vga);
    fw_cfg_destroy(&pc->fw_cfg);
}
