/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_DISPLAY_EDID_H
#define CALQUE_DEVICES_DISPLAY_EDID_H

#include <stdint.h>

#define EDID_SIZE 128

/* What a monitor says of itself (VESA E-EDID 1.4): its preferred mode at 60 Hz, and the
 * established ones. xres 64 to 4095, yres 64 to 4095. */
void edid_build(uint8_t edid[EDID_SIZE], unsigned xres, unsigned yres);

#endif
