/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_GUEST_LIB_LINE_H
#define CALQUE_TESTS_GUEST_LIB_LINE_H

#include "rt.h"

/* An interrupt line that a program holds as it likes: IRQ 1, up while the keyboard controller (8042)
 * has something in its output buffer. */

static void to_controller(uint16_t port, uint8_t v)
{
    while (inb(0x64) & 2)
        ;
    outb(port, v);
}

static void line_up(void)
{
    to_controller(0x64, 0xd2);
    to_controller(0x60, 0x5a);
    while (!(inb(0x64) & 1))
        ;
}

static void line_down(void)
{
    while (inb(0x64) & 1)
        inb(0x60);
}

static void prepare_controller(void)
{
    to_controller(0x64, 0xa7);
    line_down();
    to_controller(0x64, 0x60);
    to_controller(0x60, 0x21); /* IRQ 1 is open, the mouse is off */
}

#endif
