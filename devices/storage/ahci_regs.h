/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_STORAGE_AHCI_REGS_H
#define CALQUE_DEVICES_STORAGE_AHCI_REGS_H

/* Registers and structures in memory of Serial ATA AHCI 1.3.1, for the controller and its tests. */

/* Generic host control (3.1). */
enum {
    HBA_CAP = 0x00,
    HBA_GHC = 0x04,
    HBA_IS = 0x08,
    HBA_PI = 0x0c,
    HBA_VS = 0x10,
    HBA_PORTS = 0x100,
    HBA_PORT_SIZE = 0x80
};
#define GHC_HR 0x00000001u
#define GHC_IE 0x00000002u
#define GHC_AE 0x80000000u

/* Port registers (3.3). */
enum {
    PX_CLB = 0x00,
    PX_CLBU = 0x04,
    PX_FB = 0x08,
    PX_FBU = 0x0c,
    PX_IS = 0x10,
    PX_IE = 0x14,
    PX_CMD = 0x18,
    PX_TFD = 0x20,
    PX_SIG = 0x24,
    PX_SSTS = 0x28,
    PX_SCTL = 0x2c,
    PX_SERR = 0x30,
    PX_SACT = 0x34,
    PX_CI = 0x38,
};

#define IS_DHRS 0x00000001u
#define IS_PSS  0x00000002u
#define IS_SDBS 0x00000008u
#define IS_PCS  0x00000040u /* follows SERR.DIAG.X */
#define IS_OFS  0x01000000u
#define IS_TFES 0x40000000u

#define CMD_ST    0x00000001u
#define CMD_SUD   0x00000002u /* always: no staggered spin-up */
#define CMD_POD   0x00000004u /* always: no cold presence detection */
#define CMD_CLO   0x00000008u
#define CMD_FRE   0x00000010u
#define CMD_FR    0x00004000u
#define CMD_CR    0x00008000u
#define CMD_ATAPI 0x01000000u
#define CMD_DLAE  0x02000000u

#define SCTL_DET    0x00fu
#define SERR_DIAG_X 0x04000000u

/* Command header, its flags in the first dword (4.2.2). */
#define HEADER_SIZE  32u
#define HEADER_PRDBC 4u
#define TABLE_ACMD   0x40u
#define TABLE_PRDT   0x80u

/* FIS types, and where received ones go (4.2.1). */
enum { FIS_H2D = 0x27, FIS_D2H = 0x34, FIS_SDB = 0xa1, FIS_PIO = 0x5f };
enum { RFIS_PIO = 0x20, RFIS_D2H = 0x40, RFIS_SDB = 0x58 };
#define FIS_INTERRUPT 0x40
#define H2D_COMMAND   0x80 /* else: control */
#define CONTROL_SRST  0x04

#endif
