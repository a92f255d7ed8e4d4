/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sectors 16 to 19 of a CD whose boot image (MEDIA: 2 a floppy, 4 a disk) follows at sector 20: primary volume
 * descriptor, boot record, terminator (ISO 9660, 8.1), and the boot catalog (El Torito 1.0, 2). */
    .text
    .byte 1
    .ascii "CD001"
    .byte 1
    .org 2048
    .byte 0                     /* boot record */
    .ascii "CD001"
    .byte 1
    .ascii "EL TORITO SPECIFICATION"
    .org 2048 + 0x47
    .long 19                    /* the catalog's sector */
    .org 2 * 2048
    .byte 255
    .ascii "CD001"
    .byte 1
    .org 3 * 2048
    .byte 1, 0, 0, 0            /* validation entry: 80x86 */
    .fill 24, 1, 0
    .word 0x55aa                /* the words' sum is 0: 0001h + 55AAh + AA55h */
    .byte 0x55, 0xaa
    .byte 0x88, MEDIA           /* bootable */
    .word 0, 0, 1               /* segment 7C0h; type; one sector */
    .long 20
    .org 4 * 2048
