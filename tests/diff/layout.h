/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_TESTS_DIFF_LAYOUT_H
#define CALQUE_TESTS_DIFF_LAYOUT_H

#include "tests/diff/guest.h"

/* What the pages of a case are, for comparing engines: accesses that hosts answer at once, and
 * those that need a device, a table or the block cache. */
enum layout {
    LAYOUT_PLAIN,
    LAYOUT_DEVICE_LOW,  /* the first data page is a device */
    LAYOUT_DEVICE_HIGH, /* the second */
    LAYOUT_CODE,        /* both hold bytes that count as decoded */
    LAYOUT_FRESH,       /* page table entries are neither accessed nor dirty */
    LAYOUT_ALIAS,       /* the first data page is the case's code page, to be written */
    NUM_LAYOUTS
};
const char *layout_name(enum layout layout);

/* Where the first instruction's memory operand is when a case begins. */
enum place {
    PLACE_NONE,     /* it has none */
    PLACE_WITHIN,   /* in a page that may be written */
    PLACE_END,      /* in two of them */
    PLACE_READONLY, /* in the page that may only be read */
    PLACE_END_READONLY,
    PLACE_MISSING, /* in a page that is not there */
    PLACE_END_MISSING,
    PLACE_START_MISSING, /* its first bytes only */
    PLACE_CODE,          /* in the pages of the code */
    PLACE_ELSEWHERE,     /* a random address */
    NUM_PLACES
};
const char *place_name(enum place place);
/* After guest_load(). */
enum place place_of(const struct guest *g, const struct diff_case *c);

/* Two pages that remember what is written to them, and every access: when, where, what. */
struct layout_device {
    struct region region;
    const struct cpu *cpu;
    uint8_t bytes[DIFF_RW];
    uint64_t digest, accesses;
};

/* Adds the device. */
void layout_init(struct layout_device *d, struct guest *g);
/* Gives the data pages a layout, from any other, for a case with this slot; the TLBs are empty
 * afterwards. Call before guest_load(). */
void layout_apply(struct guest *g, enum layout layout, uint64_t slot);
/* After guest_load(): the device has what memory has. */
void layout_loaded(struct layout_device *d, struct guest *g, enum layout layout);

#endif
