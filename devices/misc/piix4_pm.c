/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 82371AB PIIX4 function 3 (datasheet order number 290562, chapter 7): the fixed hardware of ACPI
 * (ACPI 6.5, 4.8.3): PM1 events and control, the 24-bit PM timer, one general-purpose event block,
 * and the APM ports through which an operating system asks firmware for ACPI mode.
 *
 * The PM timer is computed from virtual time. TMROF_STS, which is set whenever bit 23 changes, is
 * computed from the tick at which that happens next (tmrof_next); a timer is armed only while the
 * guest wants the interrupt.
 *
 * A write of the APM control port is an SMI# if DEVACTB.APMC_EN and GLBCTL.SMI_EN allow it. What an
 * SMI handler would do on writes of ACPI_ENABLE and ACPI_DISABLE (set and clear SCI_EN) is done
 * here as well: SeaBIOS leaves it to the machine, and a kernel that is booted directly has no
 * handler.
 *
 * Not here: sleep states but soft-off, SMBus, device monitors, RTC_STS, other causes of SMI#, EOS
 * (each cause makes one SMI#, whether the one before was acknowledged or not). */
#include "devices/misc/piix4_pm.h"

#include "vm/machine.h"

#define PM_TMROF  0x0001 /* PMSTS/PMEN: timer overflow */
#define PM_GBL    0x0020
#define PM_PWRBTN 0x0100
#define PM_RTC    0x0400
#define PM_WAK    0x8000 /* PMSTS only */
#define PMSTS_W1C (PM_TMROF | PM_GBL | PM_PWRBTN | PM_RTC | PM_WAK | 0x0010 | 0x0800)
#define PMEN_BITS (PM_TMROF | PM_GBL | PM_PWRBTN | PM_RTC)

#define PMCNTRL_SCI_EN  0x0001
#define PMCNTRL_BITS    0x1c03 /* SCI_EN, BRLD_EN_BM, SUS_TYP; SUS_EN is write-only */
#define PMCNTRL_SUS_EN  0x2000
#define SUS_TYP(value)  ((value) >> 10 & 7)
#define SUS_TYP_SOFTOFF 0

#define GLBSTS_APM   0x0020 /* the APM control port was written */
#define GLBCTL_SMIEN 0x0001
#define DEVACTB_APMC 0x02 /* APMC_EN, in the fourth byte */

#define GPSTS_W1C 0x0f81
#define GPEN_BITS 0x0f01

#define TMROF_PERIOD 0x800000u /* bit 23 changes every 2^23 ticks */

/* ---- the timer ---- */

static uint64_t ticks_now(const struct piix4_pm *s)
{
    return muldiv64(vm_clock_now(&s->pci.dev.m->clock), PM_TIMER_HZ, NS_PER_SEC);
}

static void set_next_overflow(struct piix4_pm *s)
{
    s->tmrof_next = (ticks_now(s) / TMROF_PERIOD + 1) * TMROF_PERIOD;
}

/* The first nanosecond at which ticks_now() is at least `ticks`. */
static uint64_t time_of_tick(uint64_t ticks)
{
    unsigned __int128 ns = (unsigned __int128)ticks * NS_PER_SEC + PM_TIMER_HZ - 1;

    ns /= PM_TIMER_HZ;
    return ns > VM_TIME_NEVER - 1 ? VM_TIME_NEVER - 1 : (uint64_t)ns;
}

/* ---- events ---- */

static void update(struct piix4_pm *s)
{
    bool event;

    if (ticks_now(s) >= s->tmrof_next)
        s->pmsts |= PM_TMROF;
    event = (s->pmsts & s->pmen) || (s->gpsts & s->gpen);
    /* With SCI_EN clear an event raises SMI# instead, which nobody handles. */
    irq_set(s->sci, event && (s->pmcntrl & PMCNTRL_SCI_EN));

    if ((s->pmen & PM_TMROF) && !(s->pmsts & PM_TMROF))
        vm_timer_arm(&s->tmrof_timer, time_of_tick(s->tmrof_next));
    else
        vm_timer_cancel(&s->tmrof_timer);
}

static void tmrof_expired(void *opaque)
{
    update(opaque);
}

static void power_button_pressed(void *opaque, const uint8_t *data, size_t len)
{
    struct piix4_pm *s = opaque;

    (void)data;
    (void)len;
    s->pmsts |= PM_PWRBTN;
    update(s);
}

void piix4_pm_press_power_button(struct piix4_pm *s)
{
    uint8_t pressed = 1;

    input_push(s->pci.dev.m, &s->power_button, &pressed, 1);
}

/* ---- the PM ports ---- */

static void write_pmsts(struct piix4_pm *s, uint16_t value)
{
    update(s); /* an overflow that is due counts before the clear */
    s->pmsts &= (uint16_t) ~(value & PMSTS_W1C);
    if (value & PM_TMROF)
        set_next_overflow(s);
}

static void write_pmcntrl(struct piix4_pm *s, uint16_t value)
{
    struct machine *m = s->pci.dev.m;

    s->pmcntrl = value & PMCNTRL_BITS;
    if (!(value & PMCNTRL_SUS_EN))
        return;
    if (SUS_TYP(value) == SUS_TYP_SOFTOFF)
        machine_request_end(m, STOP_POWEROFF, 0);
    else
        log_line(&m->log, LOG_UNIMP, "piix4-pm: suspend type %u is not implemented: ignored",
                 SUS_TYP(value));
}

/* The 16-bit registers; the rest of the space reads as zero. */
static uint16_t read16(struct piix4_pm *s, unsigned offset)
{
    switch (offset) {
    case PIIX4_PMSTS:
        update(s);
        return s->pmsts;
    case PIIX4_PMEN:
        return s->pmen;
    case PIIX4_PMCNTRL:
        return s->pmcntrl;
    case PIIX4_PMTMR:
        return (uint16_t)ticks_now(s);
    case PIIX4_PMTMR + 2:
        return ticks_now(s) >> 16 & 0xff;
    case PIIX4_GPSTS:
        return s->gpsts;
    case PIIX4_GPEN:
        return s->gpen;
    case PIIX4_GLBSTS:
        return s->glbsts;
    case PIIX4_GLBCTL:
        return s->glbctl;
    default:
        return 0;
    }
}

/* mask: the bits of value that the access carries. */
static void write16(struct piix4_pm *s, unsigned offset, uint16_t value, uint16_t mask)
{
    switch (offset) {
    case PIIX4_PMSTS:
        write_pmsts(s, value);
        break;
    case PIIX4_PMEN:
        s->pmen = ((s->pmen & ~mask) | value) & PMEN_BITS;
        break;
    case PIIX4_PMCNTRL:
        write_pmcntrl(s, (uint16_t)((s->pmcntrl & ~mask) | value));
        break;
    case PIIX4_GPSTS:
        s->gpsts &= (uint16_t) ~(value & GPSTS_W1C);
        break;
    case PIIX4_GPEN:
        s->gpen = ((s->gpen & ~mask) | value) & GPEN_BITS;
        break;
    case PIIX4_GLBSTS:
        s->glbsts &= (uint16_t) ~(value & GLBSTS_APM);
        break;
    case PIIX4_GLBCTL:
        s->glbctl = ((s->glbctl & ~mask) | value) & GLBCTL_SMIEN;
        break;
    default:
        break;
    }
    update(s);
}

/* The timer is read in one piece, so that no carry is torn. */
static uint64_t pm_read(void *opaque, uint64_t offset, unsigned size)
{
    struct piix4_pm *s = opaque;
    unsigned at = (unsigned)offset & 0x3f;

    if (at == PIIX4_PMTMR && size == 4)
        return ticks_now(s) & 0xffffff;
    if (size == 1)
        return read16(s, at & ~1u) >> 8 * (at & 1) & 0xff;
    if (size == 2 && !(at & 1))
        return read16(s, at);
    return pm_read(s, at, size / 2) | pm_read(s, at + size / 2, size / 2) << 4 * size;
}

static void pm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct piix4_pm *s = opaque;
    unsigned at = (unsigned)offset & 0x3f;
    unsigned shift = 8 * (at & 1);

    if (size == 1) {
        write16(s, at & ~1u, (uint16_t)((value & 0xff) << shift), (uint16_t)(0xff << shift));
    } else if (size == 2 && !(at & 1)) {
        write16(s, at, (uint16_t)value, 0xffff);
    } else {
        pm_write(s, at, value, size / 2);
        pm_write(s, at + size / 2, value >> 4 * size, size / 2);
    }
}

/* ---- APM control and status, 0xb2 and 0xb3 ---- */

static uint64_t apm_read(void *opaque, uint64_t offset, unsigned size)
{
    struct piix4_pm *s = opaque;

    (void)size;
    return offset == 0 ? s->apmc : s->apms;
}

static void apm_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct piix4_pm *s = opaque;

    (void)size;
    if (offset == 1) {
        s->apms = (uint8_t)value;
        return;
    }
    s->apmc = (uint8_t)value;
    if (s->apmc == PIIX4_ACPI_ENABLE)
        s->pmcntrl |= PMCNTRL_SCI_EN;
    else if (s->apmc == PIIX4_ACPI_DISABLE)
        s->pmcntrl &= (uint16_t)~PMCNTRL_SCI_EN;
    update(s);
    if (!(s->pci.config[PIIX4_DEVACTB + 3] & DEVACTB_APMC))
        return;
    s->glbsts |= GLBSTS_APM;
    if (s->glbctl & GLBCTL_SMIEN)
        irq_pulse(s->smi);
}

/* ---- configuration ---- */

static void update_mapping(struct piix4_pm *s)
{
    uint64_t base = pci_get16(&s->pci, PIIX4_PMBA) & 0xffc0;
    bool decoded = (s->pci.config[PIIX4_PMREGMISC] & 1) && base;

    if (s->io.enabled == decoded && s->io.base == base)
        return;
    address_space_begin(s->pci.bus->io);
    region_move(&s->io, base);
    region_enable(&s->io, decoded);
    address_space_commit(s->pci.bus->io);
}

static void config_written(struct pci_device *d, unsigned offset, unsigned size)
{
    if (offset + size > PIIX4_PMBA)
        update_mapping((struct piix4_pm *)d);
}

/* ---- life ---- */

static void piix4_pm_reset(struct device *dev)
{
    struct piix4_pm *s = (struct piix4_pm *)dev;

    pci_device_reset(&s->pci);
    s->pci.config[PCI_INTERRUPT_LINE] = 9; /* SCI is wired to IRQ 9 whatever is written here */
    pci_set16(&s->pci, PIIX4_PMBA, 1);
    s->pci.config[PIIX4_PMREGMISC] = s->pci.config[PIIX4_DEVACTB + 3] = 0;
    s->pmsts = s->pmen = s->pmcntrl = s->gpsts = s->gpen = 0;
    s->glbsts = s->glbctl = 0;
    s->apmc = s->apms = 0;
    set_next_overflow(s);
    update_mapping(s);
    update(s);
}

/* An overflow that is due belongs to the state even if nobody has looked at it. */
static void piix4_pm_pre_save(struct device *dev)
{
    update((struct piix4_pm *)dev);
}

static bool piix4_pm_post_load(struct device *dev, struct error *err)
{
    struct piix4_pm *s = (struct piix4_pm *)dev;

    (void)err;
    s->pmcntrl &= PMCNTRL_BITS;
    pci_device_post_load(&s->pci);
    update_mapping(s);
    update(s);
    return true;
}

static const struct state_field piix4_pm_fields[] = {
    STATE_STRUCTS(struct piix4_pm, pci, 1, struct pci_device, pci_device_fields),
    STATE_U16(struct piix4_pm, pmsts),
    STATE_U16(struct piix4_pm, pmen),
    STATE_U16(struct piix4_pm, pmcntrl),
    STATE_U16(struct piix4_pm, gpsts),
    STATE_U16(struct piix4_pm, gpen),
    STATE_U16(struct piix4_pm, glbsts),
    STATE_U16(struct piix4_pm, glbctl),
    STATE_U8(struct piix4_pm, apmc),
    STATE_U8(struct piix4_pm, apms),
    STATE_U64(struct piix4_pm, tmrof_next),
    STATE_FIELDS_END,
};

static const struct device_class piix4_pm_class = {
    .type = "piix4-pm",
    .version = 2,
    .fields = piix4_pm_fields,
    .reset = piix4_pm_reset,
    .pre_save = piix4_pm_pre_save,
    .post_load = piix4_pm_post_load,
};

static void init_ports(struct piix4_pm *s, struct address_space *io)
{
    static const struct region_ops pm_ops = {
        .read = pm_read, .write = pm_write, .min_size = 1, .max_size = 4};
    static const struct region_ops apm_ops = {
        .read = apm_read, .write = apm_write, .min_size = 1, .max_size = 1};

    region_init_device(&s->io, "piix4-pm", 0x40, &pm_ops, s);
    region_add(io, &s->io, 0, 1);
    region_enable(&s->io, false);
    region_init_device(&s->apm, "apm", 2, &apm_ops, s);
    region_add(io, &s->apm, PIIX4_SMI_CMD, 0);
}

void piix4_pm_init(struct piix4_pm *s, struct machine *m, const char *id, struct pci_bus *bus,
                   struct irq_line sci, struct irq_line smi)
{
    static const struct pci_ids ids = {
        .vendor = 0x8086, .device = 0x7113, .revision = 3, .class = 0x0680, .interrupt_pin = 1};

    *s = (struct piix4_pm){.sci = sci, .smi = smi};
    pci_device_init(&s->pci, m, &piix4_pm_class, id, bus, PCI_DEVFN(1, 3), &ids);
    s->pci.config_written = config_written;
    s->pci.wmask[PIIX4_PMBA] = 0xc0;
    s->pci.wmask[PIIX4_PMBA + 1] = 0xff;
    s->pci.wmask[PIIX4_DEVACTB + 3] = DEVACTB_APMC;
    s->pci.wmask[PIIX4_PMREGMISC] = 1;
    vm_timer_init(&s->tmrof_timer, &m->clock, tmrof_expired, s);
    input_register(m, &s->power_button, "power-button", power_button_pressed, s);
    init_ports(s, &m->io);
    piix4_pm_reset(&s->pci.dev);
}
