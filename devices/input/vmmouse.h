/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEVICES_INPUT_VMMOUSE_H
#define CALQUE_DEVICES_INPUT_VMMOUSE_H

#include "devices/input/hid_port.h"
#include "vm/memory.h"

#define VMMOUSE_PORT  0x5658
#define VMMOUSE_QUEUE 256 /* dwords; a report is four */

/* EAX, EBX, ECX, EDX, ESI, EDI of the processor that makes the access. */
enum { VMPORT_EAX, VMPORT_EBX, VMPORT_ECX, VMPORT_EDX, VMPORT_ESI, VMPORT_EDI, VMPORT_REGISTERS };
struct vmport_registers {
    /* False: there is no such processor (the access is a debugger's). */
    bool (*get)(void *owner, uint32_t r[VMPORT_REGISTERS]);
    void (*set)(void *owner, const uint32_t r[VMPORT_REGISTERS]); /* but for EAX */
    void *owner;
};

struct vmmouse {
    struct device dev;
    uint32_t queue[VMMOUSE_QUEUE];
    uint16_t head, count;
    bool enabled, absolute;
    /* Wiring */
    struct region port;
    struct vmport_registers registers;
    struct hid_port *hid;
    unsigned index; /* of the tablet there */
    struct ps2mouse *mouse;
};

/* The port, and the pointer behind it. `mouse` sends the interrupts. */
void vmmouse_init(struct vmmouse *v, struct machine *m, const char *id, struct hid_port *hid,
                  struct ps2mouse *mouse, struct vmport_registers registers);

#endif
