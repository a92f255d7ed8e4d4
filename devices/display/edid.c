/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/display/edid.h"

#include <stdio.h>
#include <string.h>

/* Blanking of the preferred mode, whatever it is: times matter to no one here. */
enum {
    H_BLANK = 160,
    H_FRONT = 48,
    H_SYNC = 32,
    V_BLANK = 31,
    V_FRONT = 3,
    V_SYNC = 6,
    DOTS_PER_CM = 38, /* 96 dots per inch */
};

/* Detailed timing, 3.10.2. */
static void put_timing(uint8_t *d, unsigned xres, unsigned yres)
{
    unsigned clock = (unsigned)((uint64_t)(xres + H_BLANK) * (yres + V_BLANK) * 60 / 10000);
    unsigned x_mm = xres * 10 / DOTS_PER_CM, y_mm = yres * 10 / DOTS_PER_CM;

    d[0] = (uint8_t)clock;
    d[1] = (uint8_t)(clock >> 8);
    d[2] = (uint8_t)xres;
    d[3] = H_BLANK;
    d[4] = (uint8_t)(xres >> 8 << 4);
    d[5] = (uint8_t)yres;
    d[6] = V_BLANK;
    d[7] = (uint8_t)(yres >> 8 << 4);
    d[8] = H_FRONT;
    d[9] = H_SYNC;
    d[10] = V_FRONT << 4 | V_SYNC;
    d[12] = (uint8_t)x_mm;
    d[13] = (uint8_t)y_mm;
    d[14] = (uint8_t)(x_mm >> 8 << 4 | y_mm >> 8);
    d[17] = 0x18; /* digital, separate sync */
}

/* Range limits, 3.10.3.3.1: 50 to 125 Hz, 30 to 160 kHz, up to 650 MHz, no formula. */
static void put_limits(uint8_t *d)
{
    static const uint8_t limits[18] = {0,  0, 0,    0xfd, 0,    50,   125,  30,   160,
                                       65, 1, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20};

    memcpy(d, limits, sizeof(limits));
}

static void put_name(uint8_t *d)
{
    memcpy(d, "\0\0\0\xfc\0Calque\n      ", 18);
}

void edid_build(uint8_t edid[EDID_SIZE], unsigned xres, unsigned yres)
{
    static const uint8_t start[] = {
        0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, /* header */
        0x0c, 0x2c,                                     /* CAL: five bits a letter */
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00,             /* product, serial number */
        0x01, 36,                                       /* week, year - 1990 */
        1,    4,                                        /* version */
        0xa5,                                           /* digital, 8 bits, DisplayPort */
    };
    /* sRGB, table 3.24 */
    static const uint8_t chromaticity[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c,
                                             0x99, 0x26, 0x0f, 0x50, 0x54};
    uint8_t sum = 0;

    memset(edid, 0, EDID_SIZE);
    memcpy(edid, start, sizeof(start));
    edid[21] = (uint8_t)(xres / DOTS_PER_CM);
    edid[22] = (uint8_t)(yres / DOTS_PER_CM);
    edid[23] = 120;  /* gamma 2.2 */
    edid[24] = 0x06; /* sRGB; the preferred mode is the native one */
    memcpy(edid + 25, chromaticity, sizeof(chromaticity));
    edid[35] = 0x21;             /* established: 640x480 and 800x600 at 60 Hz */
    edid[36] = 0x08;             /* 1024x768 at 60 Hz */
    memset(edid + 38, 0x01, 16); /* no standard timings */
    put_timing(edid + 54, xres, yres);
    put_limits(edid + 72);
    put_name(edid + 90);
    edid[111] = 0x10; /* the last descriptor is a dummy */
    for (unsigned i = 0; i < EDID_SIZE - 1; i++)
        sum += edid[i];
    edid[EDID_SIZE - 1] = (uint8_t)-sum;
}
