/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMware's absolute pointer: a port that is read with commands in registers (open-vm-tools,
 * lib/include/backdoor_def.h; Linux, drivers/input/mouse/vmmouse.c). Of the port's commands there
 * are those of the pointer, and the version; others answer as if the port were not there.
 *
 * A report is four dwords: buttons, x, y, wheel. That there is one the guest learns from its PS/2
 * mouse, which sends an empty packet. */
#include "devices/input/vmmouse.h"

#include "vm/machine.h"

#define MAGIC      0x564d5868u /* "VMXh" */
#define VERSION    6
#define TYPE       2 /* a product with a pointer */
#define NO_ANSWER  UINT32_MAX
#define VERSION_ID 0x3442554au /* the first dword after the pointer has been switched on */

enum command {
    CMD_GET_VERSION = 10,
    CMD_DATA = 39,
    CMD_STATUS = 40,
    CMD_COMMAND = 41,
};

/* Of CMD_COMMAND, in EBX. */
#define ENABLE   0x45414552u
#define DISABLE  0x000000f5u
#define RELATIVE 0x4c455252u
#define ABSOLUTE 0x53424152u

#define STATUS_ERROR 0xffff0000u
#define LEFT         0x20
#define RIGHT        0x10
#define MIDDLE       0x08

static void set_absolute(struct vmmouse *v, bool absolute)
{
    v->absolute = absolute;
    hid_port_set_absolute(v->hid, v->index, absolute);
}

static void push(struct vmmouse *v, uint32_t dword)
{
    v->queue[(v->head + v->count) % VMMOUSE_QUEUE] = dword;
    v->count++;
}

static void enable(struct vmmouse *v, bool on)
{
    v->enabled = on;
    v->head = v->count = 0;
    set_absolute(v, false);
    if (on)
        push(v, VERSION_ID);
}

static void run_command(struct vmmouse *v, uint32_t command)
{
    switch (command) {
    case ENABLE:
        enable(v, true);
        break;
    case DISABLE:
        enable(v, false);
        break;
    case RELATIVE:
    case ABSOLUTE:
        if (v->enabled)
            set_absolute(v, command == ABSOLUTE);
        break;
    }
}

/* As many dwords as EBX says, to EAX and the registers after it. More than there are is an error,
 * after which the guest starts again. */
static void take(struct vmmouse *v, uint32_t r[VMPORT_REGISTERS])
{
    uint32_t n = r[VMPORT_EBX];

    if (!v->enabled || n > VMPORT_REGISTERS || n > v->count) {
        enable(v, false);
        r[VMPORT_EAX] = NO_ANSWER;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        r[i] = v->queue[v->head % VMMOUSE_QUEUE];
        v->head = (uint16_t)((v->head + 1) % VMMOUSE_QUEUE);
        v->count--;
    }
}

static uint64_t port_read(void *opaque, uint64_t offset, unsigned size)
{
    struct vmmouse *v = opaque;
    uint32_t r[VMPORT_REGISTERS];

    (void)offset;
    if (size != 4 || !v->registers.get(v->registers.owner, r) || r[VMPORT_EAX] != MAGIC)
        return NO_ANSWER;
    switch (r[VMPORT_ECX] & 0xffff) {
    case CMD_GET_VERSION:
        r[VMPORT_EAX] = VERSION;
        r[VMPORT_EBX] = MAGIC;
        r[VMPORT_ECX] = TYPE;
        break;
    case CMD_DATA:
        take(v, r);
        break;
    case CMD_STATUS:
        r[VMPORT_EAX] = v->enabled ? v->count : STATUS_ERROR;
        break;
    case CMD_COMMAND:
        run_command(v, r[VMPORT_EBX]);
        break;
    default:
        log_line(&v->dev.m->log, LOG_UNIMP, "%s: command %u", v->dev.id, r[VMPORT_ECX] & 0xffff);
        return NO_ANSWER;
    }
    v->registers.set(v->registers.owner, r);
    return r[VMPORT_EAX];
}

static bool place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    struct vmmouse *v = opaque;

    if (!v->absolute)
        return false;
    if (v->count + 4 > VMMOUSE_QUEUE)
        return true; /* the guest does not look */
    push(v, (buttons & 1 ? LEFT : 0) | (buttons & 2 ? RIGHT : 0) | (buttons & 4 ? MIDDLE : 0));
    push(v, x);
    push(v, y);
    push(v, (uint32_t)dz);
    ps2mouse_nudge(v->mouse);
    return true;
}

static void reset(struct device *d)
{
    enable((struct vmmouse *)d, false);
}

static bool post_load(struct device *d, struct error *err)
{
    struct vmmouse *v = (struct vmmouse *)d;

    (void)err;
    set_absolute(v, v->absolute && v->enabled);
    return true;
}

static const struct state_field fields[] = {
    STATE_ARRAY(STATE_U32, struct vmmouse, queue, VMMOUSE_QUEUE),
    STATE_U16_MAX(struct vmmouse, head, VMMOUSE_QUEUE - 1),
    STATE_U16_MAX(struct vmmouse, count, VMMOUSE_QUEUE),
    STATE_BOOL(struct vmmouse, enabled),
    STATE_BOOL(struct vmmouse, absolute),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "vmmouse", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void vmmouse_init(struct vmmouse *v, struct machine *m, const char *id, struct hid_port *hid,
                  struct ps2mouse *mouse, struct vmport_registers registers)
{
    static const struct region_ops ops = {.read = port_read, .min_size = 1, .max_size = 4};

    *v = (struct vmmouse){.registers = registers, .hid = hid, .mouse = mouse};
    device_init(&v->dev, m, &class, id);
    region_init_device(&v->port, "vmport", 4, &ops, v);
    region_add(&m->io, &v->port, VMMOUSE_PORT, 0);
    v->index = hid_port_add_tablet(hid, (struct hid_tablet){place, v});
    reset(&v->dev);
}
