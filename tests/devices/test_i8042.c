/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/error.h"
#include "devices/input/hid_port.h"
#include "devices/input/i8042.h"
#include "devices/input/ps2kbd.h"
#include "devices/input/ps2mouse.h"
#include "devices/input/vmmouse.h"
#include "host/ui/keymap.h"
#include "tests/devices/rig.h"

enum { KBD_IRQ, AUX_IRQ, A20 };

struct kbc_rig {
    struct rig r;
    struct i8042 c;
    struct ps2kbd kbd;
    struct ps2mouse mouse;
};

static void start(struct kbc_rig *t, bool mouse)
{
    rig_init(&t->r);
    ps2kbd_init(&t->kbd, &t->r.m, "kbd");
    if (mouse)
        ps2mouse_init(&t->mouse, &t->r.m, "mouse");
    i8042_init(&t->c, &t->r.m, "kbc", 0x60, 0x64, rig_line(&t->r, KBD_IRQ),
               rig_line(&t->r, AUX_IRQ), rig_line(&t->r, A20), &t->kbd.port,
               mouse ? &t->mouse.port : NULL);
}

/* The next byte, or -1 if none comes. */
static int next(struct kbc_rig *t)
{
    rig_pass(&t->r, 1000000);
    return rig_in(&t->r, 0x64) & 1 ? rig_in(&t->r, 0x60) : -1;
}

static int command(struct kbc_rig *t, uint8_t v)
{
    rig_out(&t->r, 0x64, v);
    return next(t);
}

static void command2(struct kbc_rig *t, uint8_t v, uint8_t parameter)
{
    rig_out(&t->r, 0x64, v);
    rig_out(&t->r, 0x60, parameter);
}

static void controller(void **state)
{
    struct kbc_rig t;

    (void)state;
    start(&t, true);
    assert_int_equal(command(&t, 0xaa), 0x55);
    assert_int_equal(command(&t, 0xab), 0x00);
    assert_int_equal(command(&t, 0xa9), 0x00);
    command2(&t, 0x60, 0x47);
    assert_int_equal(command(&t, 0x20), 0x47);
    assert_int_equal(t.r.rises[KBD_IRQ], 1);
    command(&t, 0xa7);
    assert_int_equal(command(&t, 0x20), 0x67);
    command2(&t, 0xd3, 0x5a); /* aux loop test */
    assert_int_equal(rig_in(&t.r, 0x64) & 0x21, 0x21);
    assert_true(t.r.level[AUX_IRQ]);
    assert_int_equal(next(&t), 0x5a);
    assert_true(t.r.level[A20]);
    command2(&t, 0xd1, 0xdd);
    assert_false(t.r.level[A20]);
    assert_int_equal(command(&t, 0xd0) & 2, 0);
    command(&t, 0xdf);
    assert_true(t.r.level[A20]);
    command(&t, 0xff);
    assert_false(t.r.m.run.reset_wanted);
    command(&t, 0xfe);
    assert_true(t.r.m.run.reset_wanted);
    rig_end(&t.r);
}

static void keyboard(void **state)
{
    struct kbc_rig t;

    (void)state;
    start(&t, false);
    command2(&t, 0x60, 0x05); /* no translation */
    rig_out(&t.r, 0x60, 0xff);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(next(&t), 0xaa);
    rig_out(&t.r, 0x60, 0xf2);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(next(&t), 0xab);
    assert_int_equal(next(&t), 0x83);
    rig_out(&t.r, 0x60, 0xed);
    assert_int_equal(next(&t), 0xfa);
    rig_out(&t.r, 0x60, 0x02);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(t.kbd.leds, 2);
    assert_int_equal(next(&t), -1);
    ps2kbd_key(&t.kbd, 0xe048, false);
    assert_int_equal(next(&t), 0xe0);
    assert_int_equal(next(&t), 0xf0);
    assert_int_equal(next(&t), 0x75);
    rig_end(&t.r);
}

static void send(struct kbc_rig *t, uint8_t v, uint8_t answer)
{
    rig_out(&t->r, 0x60, v);
    assert_int_equal(next(t), answer);
}

/* Set 3 as a guest learns that it is there, the manual's types of keys, and other types. */
static void scan_set_3(void **state)
{
    struct kbc_rig t;

    (void)state;
    start(&t, false);
    command2(&t, 0x60, 0x05); /* no translation */
    send(&t, 0xf0, 0xfa);
    send(&t, 0x03, 0xfa);
    send(&t, 0xf0, 0xfa);
    send(&t, 0x00, 0xfa);
    assert_int_equal(next(&t), 0x03);
    send(&t, 0xf0, 0xfa);
    send(&t, 0x04, 0xfe);
    ps2kbd_key(&t.kbd, 0x1e, true); /* A: repeats, and does not say when it goes up */
    assert_int_equal(next(&t), 0x1c);
    rig_pass(&t.r, 550000000);
    assert_int_equal(next(&t), 0x1c);
    ps2kbd_key(&t.kbd, 0x1e, false);
    assert_int_equal(next(&t), -1);
    ps2kbd_key(&t.kbd, 0x01, true); /* Esc: neither */
    ps2kbd_key(&t.kbd, 0x01, true); /* the host's repetition */
    assert_int_equal(next(&t), 0x08);
    rig_pass(&t.r, 2000000000);
    ps2kbd_key(&t.kbd, 0x01, false);
    ps2kbd_key(&t.kbd, 0x2a, true); /* Shift: says so */
    ps2kbd_key(&t.kbd, 0x2a, false);
    assert_int_equal(next(&t), 0x12);
    assert_int_equal(next(&t), 0xf0);
    assert_int_equal(next(&t), 0x12);
    ps2kbd_key(&t.kbd, 0xe04b, true); /* Left and Pause: one byte, as all */
    ps2kbd_key(&t.kbd, PS2KBD_PAUSE, true);
    assert_int_equal(next(&t), 0x61);
    assert_int_equal(next(&t), 0x62);
    ps2kbd_key(&t.kbd, 0xe021, true); /* a key that set 3 does not have */
    assert_int_equal(next(&t), -1);
    send(&t, 0xfc, 0xfa); /* Esc and A tell when they go up */
    send(&t, 0x08, 0xfa);
    send(&t, 0x1c, 0xfa);
    send(&t, 0x90, 0xfe);
    send(&t, 0xf4, 0xfa);
    rig_round_trip(&t.r, &t.kbd.dev);
    ps2kbd_key(&t.kbd, 0x01, false);
    assert_int_equal(next(&t), 0xf0);
    assert_int_equal(next(&t), 0x08);
    send(&t, 0xfa, 0xfa); /* all do everything, as Linux's driver likes it */
    ps2kbd_key(&t.kbd, 0x44, true);
    assert_int_equal(next(&t), 0x4f);
    rig_pass(&t.r, 550000000);
    assert_int_equal(next(&t), 0x4f);
    ps2kbd_key(&t.kbd, 0x44, false);
    assert_int_equal(next(&t), 0xf0);
    assert_int_equal(next(&t), 0x4f);
    send(&t, 0xf6, 0xfa); /* the defaults: set 2 */
    ps2kbd_key(&t.kbd, 0x01, true);
    assert_int_equal(next(&t), 0x76);
    rig_end(&t.r);
}

/* Every key comes out of translation with the code it went in with. */
static void translation(void **state)
{
    struct kbc_rig t;

    (void)state;
    start(&t, false);
    command2(&t, 0x60, 0x45);
    for (unsigned code = 1; code < 0x80; code++) {
        ps2kbd_key(&t.kbd, code, true);
        ps2kbd_key(&t.kbd, 0xe000 | code, false);
        assert_int_equal(next(&t), code);
        assert_int_equal(rig_in(&t.r, 0x60), code); /* chained handlers read it twice */
        assert_int_equal(next(&t), 0xe0);
        assert_int_equal(next(&t), code | 0x80);
    }
    ps2kbd_key(&t.kbd, PS2KBD_PAUSE, true);
    static const uint8_t pause[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(next(&t), pause[i]);
    command(&t, 0xad); /* disabled: the byte waits */
    ps2kbd_key(&t.kbd, 0x1e, true);
    assert_int_equal(next(&t), -1);
    rig_round_trip(&t.r, &t.c.dev);
    assert_int_equal(command(&t, 0xae), 0x1e);
    rig_end(&t.r);
}

static void aux_port(void **state)
{
    static const uint8_t knock[] = {0xf3, 200, 0xf3, 100, 0xf3, 80};
    struct kbc_rig t;

    (void)state;
    start(&t, false);
    command2(&t, 0xd4, 0xf2);
    assert_int_equal(rig_in(&t.r, 0x64) & 0x61, 0x61); /* nobody there: timeout */
    assert_int_equal(next(&t), 0xfe);
    rig_end(&t.r);
    start(&t, true);
    command2(&t, 0xd4, 0xff);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(next(&t), 0xaa);
    assert_int_equal(next(&t), 0x00);
    for (unsigned i = 0; i < 6; i++) {
        command2(&t, 0xd4, knock[i]);
        assert_int_equal(next(&t), 0xfa);
    }
    command2(&t, 0xd4, 0xf2);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(next(&t), 3);
    command2(&t, 0xd4, 0xf4);
    assert_int_equal(next(&t), 0xfa);
    ps2mouse_move(&t.mouse, -3, 5, 1, 1);
    assert_int_equal(next(&t), 0x19);
    assert_int_equal(next(&t), 0xfd);
    assert_int_equal(next(&t), 5);
    assert_int_equal(next(&t), 1);
    assert_int_equal(next(&t), -1);
    rig_end(&t.r);
}

/* IntelliMouse Explorer: two more buttons, beside a wheel of four bits. */
static void five_buttons(void **state)
{
    static const uint8_t knock[] = {0xf3, 200, 0xf3, 200, 0xf3, 80, 0xf4};
    static const uint8_t want[] = {0x09, 2, 3, 0x1f, 0x08, 0, 0, 0x30, 0x08, 0, 0, 0x00};
    struct kbc_rig t;

    (void)state;
    start(&t, true);
    for (unsigned i = 0; i < sizeof(knock); i++) {
        command2(&t, 0xd4, knock[i]);
        assert_int_equal(next(&t), 0xfa);
    }
    command2(&t, 0xd4, 0xf2);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(next(&t), 4);
    ps2mouse_move(&t.mouse, 2, 3, -1, 1 | 8);
    ps2mouse_move(&t.mouse, 0, 0, 0, 8 | 16);
    rig_round_trip(&t.r, &t.mouse.dev);
    ps2mouse_move(&t.mouse, 0, 0, 0, 0);
    for (unsigned i = 0; i < sizeof(want); i++)
        assert_int_equal(next(&t), want[i]);
    command2(&t, 0xd4, 0xff); /* as it was */
    while (next(&t) >= 0)
        ;
    command2(&t, 0xd4, 0xf2);
    assert_int_equal(next(&t), 0xfa);
    assert_int_equal(next(&t), 0);
    command2(&t, 0xd4, 0xf4);
    assert_int_equal(next(&t), 0xfa);
    ps2mouse_move(&t.mouse, 0, 0, 0, 16); /* a button that this one does not have */
    assert_int_equal(next(&t), -1);
    rig_end(&t.r);
}

/* A key that is held repeats: after half a second, 10.9 times a second, or as the guest says. */
static void typematic(void **state)
{
    unsigned n = 0;
    struct kbc_rig t;

    (void)state;
    start(&t, false);
    command2(&t, 0x60, 0x45);
    ps2kbd_key(&t.kbd, 0x1e, true);
    ps2kbd_key(&t.kbd, 0x1e, true); /* the host's repetition */
    assert_int_equal(next(&t), 0x1e);
    rig_pass(&t.r, 490000000);
    assert_int_equal(next(&t), -1);
    for (unsigned i = 0; i < 1000; i++) /* a second, by milliseconds, from 492 ms on */
        n += next(&t) == 0x1e;
    assert_int_equal(n, 11);
    ps2kbd_key(&t.kbd, 0x2a, true); /* the last key pressed repeats */
    ps2kbd_key(&t.kbd, 0x1e, false);
    assert_int_equal(next(&t), 0x2a);
    assert_int_equal(next(&t), 0x9e);
    rig_out(&t.r, 0x60, 0xf3); /* 250 ms, 30 a second */
    assert_int_equal(next(&t), 0xfa);
    rig_out(&t.r, 0x60, 0x00);
    assert_int_equal(next(&t), 0xfa);
    ps2kbd_key(&t.kbd, 0x2a, false);
    assert_int_equal(next(&t), 0xaa);
    ps2kbd_key(&t.kbd, 0xe048, true);
    assert_int_equal(next(&t), 0xe0);
    assert_int_equal(next(&t), 0x48);
    rig_pass(&t.r, 251000000);
    assert_int_equal(next(&t), 0xe0);
    assert_int_equal(next(&t), 0x48);
    rig_round_trip(&t.r, &t.kbd.dev);
    ps2kbd_key(&t.kbd, 0xe048, false);
    while (next(&t) >= 0)
        ;
    rig_pass(&t.r, NS_PER_SEC);
    assert_int_equal(next(&t), -1);
    rig_end(&t.r);
}

static void press(struct hid_port *p, unsigned code, bool down, unsigned delay)
{
    struct hid_event e = {
        .kind = HID_KEY, .code = (uint16_t)code, .down = down, .delay_ms = (uint16_t)delay};
    uint8_t bytes[HID_EVENT_SIZE];

    hid_encode(&e, bytes);
    p->source.deliver(p, bytes, sizeof(bytes));
}

/* Many keys at once: none is lost, and delays are kept. */
static void typing(void **state)
{
    static struct hid_port port;
    struct kbc_rig t;
    struct hid hid;

    (void)state;
    start(&t, true);
    hid_port_init(&port, &t.r.m, "hid", &t.kbd, &t.mouse, &hid);
    command2(&t, 0x60, 0x45);
    for (unsigned i = 0; i < 100; i++) {
        press(&port, 0x10 + i % 10, true, 0);
        press(&port, 0x10 + i % 10, false, 0);
    }
    rig_round_trip(&t.r, &port.dev);
    for (unsigned i = 0; i < 200; i++) {
        int byte = -1;

        for (unsigned k = 0; k < 20 && byte < 0; k++)
            byte = next(&t);
        assert_int_equal(byte, (0x10 + i / 2 % 10) | (i & 1 ? 0x80 : 0));
    }
    press(&port, 0x1e, true, 0);
    press(&port, 0x1e, false, 300);
    rig_pass(&t.r, 20000000);
    assert_int_equal(next(&t), 0x1e);
    rig_pass(&t.r, 200000000);
    assert_int_equal(next(&t), -1);
    rig_pass(&t.r, 100000000);
    assert_int_equal(next(&t), 0x9e);
    for (unsigned i = 0; i < 2 * HID_QUEUE; i++) /* nobody takes them: the rest is lost */
        press(&port, 0x20, true, 0);
    assert_int_equal(port.count, HID_QUEUE);
    devices_reset(&t.r.m);
    assert_int_equal(port.count, 0);
    rig_end(&t.r);
}

static void place(struct hid_port *p, unsigned x, unsigned y)
{
    struct hid_event e = {.kind = HID_PLACE, .x = (int16_t)x, .y = (int16_t)y, .w = 640, .h = 480};
    uint8_t bytes[HID_EVENT_SIZE];

    hid_encode(&e, bytes);
    p->source.deliver(p, bytes, sizeof(bytes));
}

struct tablet {
    bool used;
    unsigned x, y;
};

static bool on_place(void *opaque, unsigned x, unsigned y, int dz, unsigned buttons)
{
    struct tablet *t = opaque;

    (void)dz, (void)buttons;
    t->x = x;
    t->y = y;
    return t->used;
}

/* A text of many times the queue's length is typed whole, and the queue is never full. */
static void long_text(void **state)
{
    static struct hid_port port;
    static char text[3001];
    const char *rest = text;
    unsigned typed = 0;
    struct kbc_rig t;
    struct error err;
    struct hid hid;

    (void)state;
    memset(text, 'A', 3000);
    start(&t, true);
    hid_port_init(&port, &t.r.m, "hid", &t.kbd, &t.mouse, &hid);
    command2(&t, 0x60, 0x45);
    for (unsigned ms = 0; ms < 300000 && (*rest || hid.queued); ms++) {
        if (ms % 16 == 0)
            rest = hid_type_some(&hid, keymap_find("en-us", &err), rest);
        input_deliver(&t.r.m);
        assert_true(hid.queued < HID_QUEUE / 4);
        typed += next(&t) == 0x1e;
    }
    assert_int_equal(typed, 3000);
    rig_end(&t.r);
}

/* A position is a movement for a mouse, and itself for a tablet that the guest uses. */
static void positions(void **state)
{
    static struct hid_port port;
    struct tablet tablet = {.used = false};
    struct kbc_rig t;
    struct hid hid;

    (void)state;
    start(&t, true);
    hid_port_init(&port, &t.r.m, "hid", &t.kbd, &t.mouse, &hid);
    hid_port_add_tablet(&port, (struct hid_tablet){on_place, &tablet});
    command2(&t, 0x60, 0x47);
    command2(&t, 0xd4, 0xf4);
    assert_int_equal(next(&t), 0xfa);
    place(&port, 100, 100);
    assert_int_equal(next(&t), -1);
    place(&port, 105, 97);
    assert_int_equal(next(&t), 0x08);
    assert_int_equal(next(&t), 5);
    assert_int_equal(next(&t), 3);
    tablet.used = true;
    place(&port, 639, 240);
    assert_int_equal(next(&t), -1);
    assert_int_equal(tablet.x, 0xffff);
    assert_int_equal(tablet.y, 240 * 0xffff / 479);
    rig_end(&t.r);
}

static bool get_registers(void *owner, uint32_t r[VMPORT_REGISTERS])
{
    memcpy(r, owner, VMPORT_REGISTERS * sizeof(r[0]));
    return true;
}

static void set_registers(void *owner, const uint32_t r[VMPORT_REGISTERS])
{
    memcpy(owner, r, VMPORT_REGISTERS * sizeof(r[0]));
}

/* IN EAX, DX with a command: what EAX gets. */
static uint32_t backdoor(struct kbc_rig *t, uint32_t r[VMPORT_REGISTERS], uint32_t command,
                         uint32_t ebx)
{
    r[VMPORT_EAX] = 0x564d5868;
    r[VMPORT_EBX] = ebx;
    r[VMPORT_ECX] = command;
    return (uint32_t)address_space_read(&t->r.m.io, VMMOUSE_PORT, 4);
}

/* As a driver uses it: version, on, absolute, reports, off. */
static void vmware_pointer(void **state)
{
    static struct hid_port port;
    uint32_t r[VMPORT_REGISTERS];
    struct vmmouse v;
    struct kbc_rig t;
    struct hid hid = {NULL};

    (void)state;
    start(&t, true);
    hid_port_init(&port, &t.r.m, "hid", &t.kbd, &t.mouse, &hid);
    vmmouse_init(&v, &t.r.m, "vmmouse", &port, &t.mouse,
                 (struct vmport_registers){get_registers, set_registers, r});
    command2(&t, 0x60, 0x47);
    command2(&t, 0xd4, 0xf4);
    assert_int_equal(next(&t), 0xfa);
    r[VMPORT_EAX] = 0;
    assert_int_equal(address_space_read(&t.r.m.io, VMMOUSE_PORT, 4), 0xffffffff);
    assert_int_equal(backdoor(&t, r, 10, ~0x564d5868u), 6);
    assert_int_equal(r[VMPORT_EBX], 0x564d5868);
    assert_int_equal(backdoor(&t, r, 40, 0), 0xffff0000); /* off */
    assert_int_equal(backdoor(&t, r, 99, 0), 0xffffffff);
    backdoor(&t, r, 41, 0x45414552);
    assert_int_equal(backdoor(&t, r, 40, 0), 1);
    assert_int_equal(backdoor(&t, r, 39, 1), 0x3442554a);
    place(&port, 10, 10); /* relative still */
    place(&port, 12, 10);
    assert_int_equal(next(&t), 0x08);
    assert_int_equal(next(&t), 2);
    assert_int_equal(next(&t), 0);
    backdoor(&t, r, 41, 0x53424152);
    assert_true(hid.absolute);
    place(&port, 639, 0);
    assert_int_equal(next(&t), 0x08); /* the empty packet */
    assert_int_equal(next(&t), 0);
    assert_int_equal(next(&t), 0);
    assert_int_equal(backdoor(&t, r, 40, 0), 4);
    rig_round_trip(&t.r, &v.dev);
    assert_int_equal(backdoor(&t, r, 39, 4), 0);
    assert_int_equal(r[VMPORT_EBX], 0xffff);
    assert_int_equal(r[VMPORT_ECX], 0);
    assert_int_equal(r[VMPORT_EDX], 0);
    for (unsigned i = 0; i < 1000; i++) /* nobody looks: the first ones stay */
        place(&port, i % 640, 1);
    assert_int_equal(backdoor(&t, r, 40, 0), VMMOUSE_QUEUE);
    assert_int_equal(backdoor(&t, r, 39, 7), 0xffffffff); /* more than registers: off */
    assert_int_equal(backdoor(&t, r, 40, 0), 0xffff0000);
    assert_false(hid.absolute);
    rig_end(&t.r);
}

static void fuzz(void **state)
{
    struct kbc_rig t;

    (void)state;
    start(&t, true);
    for (unsigned i = 0; i < 4; i++) {
        rig_fuzz(&t.r, 0x60, 5, i);
        for (int k = 0; k < 200; k++) {
            ps2kbd_key(&t.kbd, k * 331, k & 1);
            ps2mouse_move(&t.mouse, k << 20, -k, k, k);
        }
    }
    rig_round_trip(&t.r, &t.c.dev);
    rig_end(&t.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controller),     cmocka_unit_test(keyboard),
        cmocka_unit_test(scan_set_3),     cmocka_unit_test(five_buttons),
        cmocka_unit_test(translation),    cmocka_unit_test(aux_port),
        cmocka_unit_test(typematic),      cmocka_unit_test(typing),
        cmocka_unit_test(long_text),      cmocka_unit_test(positions),
        cmocka_unit_test(vmware_pointer), cmocka_unit_test(fuzz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
