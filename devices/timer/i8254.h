/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_TIMER_I8254_H
#define CALQUE_DEVICES_TIMER_I8254_H

#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"
#include "vm/memory.h"
#include "vm/ticks.h"

#define I8254_HZ 1193182u

/* Times are numbers of CLK pulses since power-on. */
struct i8254_channel {
    uint8_t mode; /* 0-5 */
    uint8_t rw;   /* 1: LSB, 2: MSB, 3: LSB then MSB */
    bool bcd;
    bool gate;
    bool loaded;       /* a count was written since the control word */
    bool counting;     /* started (modes 1 and 5: triggered) and not held by GATE */
    bool reload_valid; /* modes 2 and 3: reload takes over at the end of the (half) period */
    uint32_t count;    /* initial count in use, 1 to 65536 */
    uint32_t reload;   /* count register, the same way */
    int64_t start;     /* when CE held `count`; while not counting, how far it had come */
    int64_t reload_at; /* when that is, if reload_valid */
    bool msb_next_read, msb_next_write;
    uint8_t write_lsb;
    uint8_t latched; /* bytes of latched_count that are still to be read */
    uint16_t latched_count;
    bool status_latched;
    uint8_t status;
};

#define I8254_SPEAKER 0x02 /* of port B: OUT2 moves the speaker */

struct i8254 {
    struct device dev;
    struct i8254_channel ch[3];
    uint8_t port61;             /* bits 3:0 as written */
    struct vm_timer irq_timer;  /* the next rising edge of OUT0 */
    struct vm_timer owed_timer; /* the next edge that is owed */
    struct lost_ticks lost;
    struct irq_line irq0;
    struct i8254_watcher {
        void (*changes)(void *owner); /* what the speaker does is about to change; NULL: nobody */
        void *owner;
    } speaker;
    struct region ports, port_b;
};

/* port: counter 0 (0x40); port_b: system control port B (0x61); irq0: OUT of counter 0. */
void i8254_init(struct i8254 *pit, struct machine *m, const char *id, uint16_t port,
                uint16_t port_b, struct irq_line irq0);
/* Level of an OUT pin now. */
bool i8254_out(struct i8254 *pit, unsigned channel);
/* The CLK pulses from `from` up to `to`, from what the registers hold now, at which the speaker's
 * input is high. */
int64_t i8254_speaker_pulses(const struct i8254 *pit, int64_t from, int64_t to);
/* For the interrupt controllers that irq0 goes to. */
struct irq_watch i8254_watch(struct i8254 *pit);

#endif
