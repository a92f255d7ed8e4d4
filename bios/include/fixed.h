/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Things in the F segment that POST finds at fixed offsets, where the IBM PC/AT has them. */
#ifndef BIOS_FIXED_H
#define BIOS_FIXED_H
#define F_NMI   0xe2c3
#define F_INT13 0xe3fe
#define F_INT19 0xe6f2
#define F_COM   0xe729
#define F_INT14 0xe739
#define F_INT16 0xe82e
#define F_INT09 0xe987
#define F_INT40 0xec59
#define F_INT0E 0xef57
#define F_DPT   0xefc7 /* diskette parameter table */
#define F_INT17 0xefd2
#define F_INT10 0xf065
#define F_INT12 0xf841
#define F_INT11 0xf84d
#define F_INT15 0xf859
#define F_FONT  0xfa6e /* 8x8, the first 128 characters */
#define F_INT1A 0xfe6e
#define F_INT08 0xfea5
#define F_IRET  0xff53
#define F_INT05 0xff54
/* Ours: in the gaps. */
#define F_INT18  0xe000
#define F_INT70  0xe008
#define F_INT74  0xe010
#define F_INT75  0xe018
#define F_INT76  0xe020
#define F_IRQ_M  0xe028 /* spurious or unused, first PIC */
#define F_IRQ_S  0xe030 /* second PIC */
#define F_CALL16 0xe038 /* POST jumps here in 32-bit mode */
#define F_GDTR   0xe040
#define F_INT1C  F_IRET
#endif
