/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_MISC_PIIX4_PM_H
#define CALQUE_DEVICES_MISC_PIIX4_PM_H

#include "devices/bus/pci.h"
#include "vm/clock.h"
#include "vm/input.h"

/* Configuration registers. */
#define PIIX4_PMBA      0x40 /* base of the 64 power management ports, bit 0 reads as 1 */
#define PIIX4_DEVACTB   0x58 /* bit 25, APMC_EN: a write of the APM control port asks for SMI# */
#define PIIX4_PMREGMISC 0x80 /* bit 0, PMIOSE: the ports decode */

/* Offsets in the PM I/O space (datasheet 7.2). */
enum piix4_pm_register {
    PIIX4_PMSTS = 0x00,
    PIIX4_PMEN = 0x02,
    PIIX4_PMCNTRL = 0x04,
    PIIX4_PMTMR = 0x08,
    PIIX4_GPSTS = 0x0c,
    PIIX4_GPEN = 0x0e,
    PIIX4_GLBSTS = 0x18,
    PIIX4_GLBCTL = 0x28,
};

#define PM_TIMER_HZ 3579545u

/* Values for the SMI command port that the ACPI tables name. */
#define PIIX4_SMI_CMD      0xb2
#define PIIX4_ACPI_ENABLE  0xf1
#define PIIX4_ACPI_DISABLE 0xf0

/* 82371AB (PIIX4) function 3: power management, 00:01.3. */
struct piix4_pm {
    struct pci_device pci;
    uint16_t pmsts, pmen, pmcntrl;
    uint16_t gpsts, gpen;
    uint16_t glbsts, glbctl;
    uint8_t apmc, apms;  /* 0xb2, 0xb3 */
    uint64_t tmrof_next; /* PM timer ticks at which TMROF_STS is set next */
    struct vm_timer tmrof_timer;
    struct region io, apm;
    struct irq_line sci, smi;
    struct input_source power_button;
};

void piix4_pm_init(struct piix4_pm *s, struct machine *m, const char *id, struct pci_bus *bus,
                   struct irq_line sci, struct irq_line smi);
/* Someone presses the power button. Any thread. */
void piix4_pm_press_power_button(struct piix4_pm *s);

#endif
