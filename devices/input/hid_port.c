/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys may come faster than a guest can take them (a pasted text, a script): they wait here, and
 * one follows the other when the keyboard has nothing left to send, KEY_NS later at the earliest.
 */
#include "devices/input/hid_port.h"

#include <assert.h>

#include "vm/machine.h" /* struct machine */

#define NS_PER_MS 1000000u
#define KEY_NS    (2 * NS_PER_MS)

static void arm(struct hid_port *p)
{
    const uint8_t *k = p->keys[p->head % HID_QUEUE];
    uint64_t gap = (uint64_t)(k[2] | k[3] << 8) * NS_PER_MS;

    vm_timer_arm(&p->next, p->last + (gap > KEY_NS ? gap : KEY_NS));
}

/* Front ends ask how much waits without the machine's lock. */
static void count_keys(struct hid_port *p, unsigned n)
{
    p->count = (uint16_t)n;
    atomic_store(&p->hid->queued, n);
}

static void key_due(void *opaque)
{
    struct hid_port *p = opaque;
    const uint8_t *k = p->keys[p->head % HID_QUEUE];
    uint64_t now = vm_clock_now(&p->dev.m->clock);

    if (!p->count)
        return;
    if (p->kbd->scanning && p->kbd->port.count) {
        vm_timer_arm(&p->next, now + KEY_NS);
        return;
    }
    p->head = (uint16_t)((p->head + 1) % HID_QUEUE);
    count_keys(p, p->count - 1u);
    p->last = now;
    ps2kbd_key(p->kbd, k[0] | (unsigned)k[1] << 8, k[4] & 1);
    if (p->count)
        arm(p);
}

static void add_key(struct hid_port *p, const struct hid_event *e)
{
    if (p->count == HID_QUEUE)
        return; /* the guest does not look; what it would make of the rest is lost already */
    uint8_t *k = p->keys[(p->head + p->count) % HID_QUEUE];
    k[0] = (uint8_t)e->code;
    k[1] = (uint8_t)(e->code >> 8);
    k[2] = (uint8_t)e->delay_ms;
    k[3] = (uint8_t)(e->delay_ms >> 8);
    k[4] = e->down;
    count_keys(p, p->count + 1u);
    if (p->count == 1)
        arm(p);
}

/* The mouse's y grows upwards. */
static void move(struct hid_port *p, int dx, int dy, int dz)
{
    ps2mouse_move(p->mouse, dx, -dy, dz, p->buttons);
}

/* The screen as 0 to 0xffff in both directions. The tablet that came last is asked first. */
static bool place_on_tablet(struct hid_port *p, int dz)
{
    unsigned w = p->w > 1 ? p->w - 1u : 1, h = p->h > 1 ? p->h - 1u : 1;

    for (unsigned i = p->ntablets; p->placed && i-- > 0;)
        if (p->tablets[i].place(p->tablets[i].opaque, p->x * 0xffffu / w, p->y * 0xffffu / h, dz,
                                p->buttons))
            return true;
    return false;
}

/* A position becomes a movement where there is no tablet. */
static void place(struct hid_port *p, const struct hid_event *e)
{
    int dx = p->placed && p->w == e->w ? e->x - p->x : 0;
    int dy = p->placed && p->h == e->h ? e->y - p->y : 0;

    if (e->x < 0 || e->y < 0 || e->x >= e->w || e->y >= e->h)
        return;
    p->placed = true;
    p->x = (uint16_t)e->x;
    p->y = (uint16_t)e->y;
    p->w = e->w;
    p->h = e->h;
    if (!place_on_tablet(p, 0))
        move(p, dx, dy, 0);
}

static void deliver(void *opaque, const uint8_t *data, size_t len)
{
    struct hid_port *p = opaque;
    struct hid_event e;

    if (!hid_decode(data, len, &e))
        return;
    switch (e.kind) {
    case HID_KEY:
        add_key(p, &e);
        break;
    case HID_MOVE:
        if (e.x || e.y || !place_on_tablet(p, e.z))
            move(p, e.x, e.y, e.z);
        break;
    case HID_PLACE:
        place(p, &e);
        break;
    case HID_BUTTONS:
        p->buttons = (uint8_t)((p->buttons & ~e.mask) | (e.buttons & e.mask));
        if (!place_on_tablet(p, 0))
            move(p, 0, 0, 0);
        break;
    }
}

unsigned hid_port_add_tablet(struct hid_port *p, struct hid_tablet tablet)
{
    assert(p->ntablets < HID_TABLETS);
    p->tablets[p->ntablets] = tablet;
    return p->ntablets++;
}

void hid_port_set_absolute(struct hid_port *p, unsigned tablet, bool absolute)
{
    p->absolute = absolute ? p->absolute | 1u << tablet : p->absolute & ~(1u << tablet);
    atomic_store(&p->hid->absolute, p->absolute != 0);
}

/* What was typed before is not for the guest that starts. */
static void reset(struct device *d)
{
    struct hid_port *p = (struct hid_port *)d;

    p->head = 0;
    count_keys(p, 0);
    p->buttons = 0;
    vm_timer_cancel(&p->next);
}

static bool post_load(struct device *d, struct error *err)
{
    struct hid_port *p = (struct hid_port *)d;

    (void)err;
    p->placed &= p->x < p->w && p->y < p->h;
    count_keys(p, p->count);
    return true;
}

static const struct state_field fields[] = {
    STATE_BYTES(struct hid_port, keys),
    STATE_U16_MAX(struct hid_port, head, HID_QUEUE - 1),
    STATE_U16_MAX(struct hid_port, count, HID_QUEUE),
    STATE_TIMER(struct hid_port, next),
    STATE_U64(struct hid_port, last),
    STATE_U8_MAX(struct hid_port, buttons, HID_BUTTONS_ALL),
    STATE_BOOL(struct hid_port, placed),
    STATE_U16(struct hid_port, x),
    STATE_U16(struct hid_port, y),
    STATE_U16(struct hid_port, w),
    STATE_U16(struct hid_port, h),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "hid-port", .version = 1, .fields = fields, .reset = reset, .post_load = post_load};

void hid_port_init(struct hid_port *p, struct machine *m, const char *id, struct ps2kbd *kbd,
                   struct ps2mouse *mouse, struct hid *hid)
{
    *p = (struct hid_port){.kbd = kbd, .mouse = mouse, .hid = hid};
    device_init(&p->dev, m, &class, id);
    vm_timer_init(&p->next, &m->clock, key_due, p);
    input_register(m, &p->source, id, deliver, p);
    atomic_store(&hid->absolute, false);
    atomic_store(&hid->queued, 0);
    hid->m = m;
    hid->source = &p->source;
}
