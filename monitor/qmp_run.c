/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that do something: the actions of control.h. */
#include "config.h"

#if CONFIG_JANSSON
#include <stdlib.h>
#include <string.h>

#include "monitor/qmp_internal.h"
#include "vm/machine.h"

#define MAX_KEYS     16
#define HOLD_DEFAULT 100 /* ms */

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

/* The QKeyCode of a KeyValue; a number is a PC/AT scan code, which has no name here. */
static const char *key_name(json_t *key, struct error *err)
{
    if (!strcmp(qmp_arg(key, "type"), "qcode"))
        return qmp_arg(key, "data");
    error_set(err, "keys by number are not in this version; a qcode is expected");
    return NULL;
}

json_t *qmp_send_key(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *keys = json_object_get(args, "keys"), *key, *hold = json_object_get(args, "hold-time");
    const char *names[MAX_KEYS];
    size_t i;

    if (json_array_size(keys) > MAX_KEYS) {
        error_set(err, "Invalid parameter 'keys': more than %d", MAX_KEYS);
        return NULL;
    }
    if (hold && (json_integer_value(hold) < 1 || json_integer_value(hold) > 60000)) {
        error_set(err, "Invalid parameter 'hold-time': 1 to 60000 ms are expected");
        return NULL;
    }
    json_array_foreach(keys, i, key)
    {
        names[i] = key_name(key, err);
        if (!names[i])
            return NULL;
    }
    return qmp_done(control_send_keys(call->ctl, names, (unsigned)i,
                                      hold ? (unsigned)json_integer_value(hold) : HOLD_DEFAULT,
                                      err));
}

static bool send_key_event(const struct monitor_hooks *h, json_t *data, struct error *err)
{
    const char *key = key_name(json_object_get(data, "key"), err);

    if (!key)
        return false;
    if (!h->key_event)
        return error_set(err, "this machine has no keyboard that keys can be sent to");
    return h->key_event(h->opaque, key, json_is_true(json_object_get(data, "down")), err);
}

static bool send_event(const struct monitor_hooks *h, json_t *event, struct error *err)
{
    json_t *data = json_object_get(event, "data");
    const char *type = qmp_arg(event, "type");

    if (!strcmp(type, "key"))
        return send_key_event(h, data, err);
    if (!strcmp(type, "btn") && h->button_event)
        return h->button_event(h->opaque, qmp_arg(data, "button"),
                               json_is_true(json_object_get(data, "down")), err);
    if (strcmp(type, "btn") != 0 && h->move_event)
        return h->move_event(h->opaque, !strcmp(type, "abs"), *qmp_arg(data, "axis"),
                             json_integer_value(json_object_get(data, "value")), err);
    return error_set(err, "Input handler not found for event type %s", type);
}

json_t *qmp_input_event(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *events = json_object_get(args, "events"), *event;
    size_t i;

    if (json_object_get(args, "device") || json_integer_value(json_object_get(args, "head"))) {
        error_set(err, "there is one console; 'device' and 'head' are not expected");
        return NULL;
    }
    json_array_foreach(events, i, event)
    {
        if (!send_event(&call->ctl->hooks, event, err))
            return NULL;
    }
    return json_object();
}

json_t *qmp_screendump(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *format = qmp_arg(args, "format");

    if (json_object_get(args, "device") || json_integer_value(json_object_get(args, "head"))) {
        error_set(err, "there is one console; 'device' and 'head' are not expected");
        return NULL;
    }
    return qmp_done(
        control_screendump(call->ctl, qmp_arg(args, "filename"), format ? format : "ppm", err));
}
#endif
