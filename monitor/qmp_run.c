/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that do something: the actions of control.h. */
#include "config.h"

#if CONFIG_JANSSON
#include <stdlib.h>
#include <string.h>

#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keys.h"
#include "monitor/qmp_internal.h"
#include "vm/machine.h"

#define HOLD_DEFAULT  100 /* ms */
#define HOLD_MAX      60000
#define POINTER_RANGE 0x8000 /* of absolute positions (qapi/ui.json, InputMoveEvent) */

json_t *qmp_done(bool ok)
{
    return ok ? json_object() : NULL;
}

const char *qmp_arg(json_t *args, const char *name)
{
    return json_string_value(json_object_get(args, name));
}

json_t *qmp_query_status(struct qmp_call *call, json_t *args, struct error *err)
{
    bool running = call->ctl->m->run.state == RUN_RUNNING;

    (void)args, (void)err;
    return json_pack("{s:s, s:b, s:b}", "status", control_status(call->ctl), "singlestep", false,
                     "running", running);
}

json_t *qmp_stop(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args;
    return qmp_done(control_stop(call->ctl, err));
}

json_t *qmp_cont(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args;
    return qmp_done(control_cont(call->ctl, err));
}

json_t *qmp_quit(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args;
    return qmp_done(control_quit(call->ctl, err));
}

json_t *qmp_system_reset(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args;
    return qmp_done(control_reset(call->ctl, err));
}

json_t *qmp_system_powerdown(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args;
    return qmp_done(control_powerdown(call->ctl, err));
}

/* There is no sleep state that a guest could be in (query-current-machine says so). */
json_t *qmp_system_wakeup(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args;
    error_set(err, "wake-up from suspend is not supported by this guest");
    return NULL;
}

json_t *qmp_inject_nmi(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args;
    return qmp_done(control_nmi(call->ctl, err));
}

/* ---- memory ---- */

static bool save(struct qmp_call *call, int cpu, json_t *args, struct error *err)
{
    json_int_t addr = json_integer_value(json_object_get(args, "val"));
    json_int_t size = json_integer_value(json_object_get(args, "size"));

    if (size < 0)
        return error_set(err, "Invalid parameter 'size': a size is expected");
    return control_save_memory(call->ctl, cpu, (uint64_t)addr, (uint64_t)size,
                               qmp_arg(args, "filename"), err);
}

json_t *qmp_pmemsave(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(save(call, -1, args, err));
}

static bool get_cpu(struct qmp_call *call, json_t *args, int *cpu, struct error *err)
{
    json_int_t n = json_integer_value(json_object_get(args, "cpu-index"));

    *cpu = (int)n;
    return (n >= 0 && n < (json_int_t)call->ctl->m->ncpus) ||
           error_set(err, "Parameter 'cpu-index' expects a CPU number");
}

json_t *qmp_memsave(struct qmp_call *call, json_t *args, struct error *err)
{
    int cpu;

    return qmp_done(get_cpu(call, args, &cpu, err) && save(call, cpu, args, err));
}

json_t *qmp_human_command(struct qmp_call *call, json_t *args, struct error *err)
{
    int cpu = 0;
    char *text;
    json_t *result;

    if (json_object_get(args, "cpu-index") && !get_cpu(call, args, &cpu, err))
        return NULL;
    text = monitor_execute_text(call->ctl, qmp_arg(args, "command-line"), (unsigned)cpu);
    result = text ? qmp_string(text) : NULL;
    free(text);
    return result;
}

/* ---- keyboard, mouse, screen ---- */

/* The number of a KeyValue's key (host/ui/keys.h). A KeyValue of type number is a scan code of set
 * 1 whose prefix 0xe0 is bit 7. 0: none, *err says why. */
static unsigned key_code(json_t *key, struct error *err)
{
    json_int_t n = json_integer_value(json_object_get(key, "data"));

    if (!strcmp(qmp_arg(key, "type"), "qcode"))
        return key_by_name(qmp_arg(key, "data"), err);
    if (n >= 1 && n <= 0xff && (n & 0x7f))
        return n & 0x80 ? 0xe000 | (unsigned)(n & 0x7f) : (unsigned)n;
    error_set(err, "Parameter 'data' expects a scan code from 1 to 255");
    return 0;
}

json_t *qmp_send_key(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *keys = json_object_get(args, "keys"), *key, *hold = json_object_get(args, "hold-time");
    struct hid *hid = control_hid(call->ctl, err);
    unsigned codes[KEYS_TOGETHER_MAX];
    size_t i;

    if (!hid)
        return NULL;
    if (json_array_size(keys) > KEYS_TOGETHER_MAX) {
        error_set(err, "Invalid parameter 'keys': more than %d", KEYS_TOGETHER_MAX);
        return NULL;
    }
    if (hold && (json_integer_value(hold) < 1 || json_integer_value(hold) > HOLD_MAX)) {
        error_set(err, "Invalid parameter 'hold-time': 1 to %d ms are expected", HOLD_MAX);
        return NULL;
    }
    json_array_foreach(keys, i, key)
    {
        codes[i] = key_code(key, err);
        if (!codes[i])
            return NULL;
    }
    hid_press(hid, codes, (unsigned)i, hold ? (unsigned)json_integer_value(hold) : HOLD_DEFAULT);
    return json_object();
}

/* Movements of one command belong together. */
struct motion {
    int64_t x, y;
    bool moved, placed;
};

static void take_motion(struct motion *m, json_t *data, bool absolute)
{
    int64_t value = json_integer_value(json_object_get(data, "value"));
    int64_t *axis = *qmp_arg(data, "axis") == 'x' ? &m->x : &m->y;
    int64_t limit = absolute ? POINTER_RANGE - 1 : 4096, least = absolute ? 0 : -limit;

    *axis = value < least ? least : value > limit ? limit : value;
    m->moved |= !absolute;
    m->placed |= absolute;
}

static void send_motion(struct hid *hid, struct motion *m)
{
    if (m->moved)
        hid_move(hid, (int)m->x, (int)m->y, 0);
    if (m->placed)
        hid_place(hid, (unsigned)m->x, (unsigned)m->y, POINTER_RANGE, POINTER_RANGE);
    *m = (struct motion){0};
}

static bool press_button(struct hid *hid, json_t *data, struct error *err)
{
    const char *name = qmp_arg(data, "button");
    bool down = json_is_true(json_object_get(data, "down"));
    static const char *const buttons[] = {"left", "right", "middle", "side", "extra"};

    for (unsigned n = 0; n < sizeof(buttons) / sizeof(buttons[0]); n++)
        if (!strcmp(name, buttons[n])) {
            hid_buttons(hid, down ? 1u << n : 0, 1u << n);
            return true;
        }
    if (strcmp(name, "wheel-up") != 0 && strcmp(name, "wheel-down") != 0)
        return error_set(err, "the mouse has no button '%s'", name);
    if (down)
        hid_move(hid, 0, 0, strcmp(name, "wheel-up") ? 1 : -1);
    return true;
}

static bool send_event(struct hid *hid, json_t *event, struct motion *motion, struct error *err)
{
    json_t *data = json_object_get(event, "data");
    const char *type = qmp_arg(event, "type");
    unsigned code;

    if (!strcmp(type, "rel") || !strcmp(type, "abs")) {
        take_motion(motion, data, *type == 'a');
        return true;
    }
    send_motion(hid, motion);
    if (!strcmp(type, "btn"))
        return press_button(hid, data, err);
    code = key_code(json_object_get(data, "key"), err);
    if (code)
        hid_key(hid, code, json_is_true(json_object_get(data, "down")), 0);
    return code;
}

static bool one_console(json_t *args, struct error *err)
{
    return (!json_object_get(args, "device") &&
            !json_integer_value(json_object_get(args, "head"))) ||
           error_set(err, "there is one console; 'device' and 'head' are not expected");
}

json_t *qmp_input_event(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *events = json_object_get(args, "events"), *event;
    struct hid *hid = control_hid(call->ctl, err);
    struct motion motion = {0};
    size_t i;

    if (!hid || !one_console(args, err))
        return NULL;
    json_array_foreach(events, i, event)
    {
        if (!send_event(hid, event, &motion, err))
            return NULL;
    }
    send_motion(hid, &motion);
    return json_object();
}

json_t *qmp_screendump(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *format = qmp_arg(args, "format");
    struct display *display = control_display(call->ctl, err);

    if (!display || !one_console(args, err))
        return NULL;
    return qmp_done(display_screendump_as(display, qmp_arg(args, "filename"),
                                          !format || !strcmp(format, "ppm"), err));
}
#endif
