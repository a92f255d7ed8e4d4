/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_PCI_NAMES_H
#define CALQUE_MONITOR_PCI_NAMES_H

#include <stdint.h>

/* What a class code (base class << 8 | subclass) stands for (PCI 3.0, appendix D). */
static inline const char *pci_class_name(uint16_t class)
{
    switch (class) {
    case 0x0100:
        return "SCSI controller";
    case 0x0101:
        return "IDE controller";
    case 0x0106:
        return "SATA controller";
    case 0x0200:
        return "Ethernet controller";
    case 0x0300:
        return "VGA controller";
    case 0x0600:
        return "Host bridge";
    case 0x0601:
        return "ISA bridge";
    case 0x0604:
        return "PCI bridge";
    case 0x0680:
        return "Bridge";
    default:
        return "Device";
    }
}

#endif
