/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: the machine as a tree of objects with properties, as far as there is something to say:
 *
 *   /machine                        the board
 *   /machine/unattached/device[N]   processors, then the board's chips in the order of their making
 *   /machine/peripheral/ID          what -device made, with an id
 *   /machine/peripheral-anon/device[N]   without
 *   /objects/ID                     what -object made
 *
 * Types: processor models, chips, what -device and -object can make. */
#include "config.h"

#if CONFIG_JANSSON
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "cpu/x86/cpu.h"
#include "devices/virtio/virtio_balloon.h"
#include "monitor/qmp_internal.h"
#include "vm/machine.h"

#define CPU_SUFFIX "-x86_64-cpu"

/* ---- the tree ---- */

static json_t *property(const char *name, const char *type)
{
    return json_pack("{s:o, s:o}", "name", qmp_string(name), "type", qmp_string(type));
}

static void add_child(json_t *list, const char *name, const char *type)
{
    char text[80];

    snprintf(text, sizeof(text), "child<%s>", type);
    json_array_append_new(list, property(name, text));
}

static const struct device *nth_device(const struct machine *m, unsigned n)
{
    const struct device *d = m->devices;

    while (d && n--)
        d = d->next;
    return d;
}

static json_t *cpu_type(const struct control *ctl)
{
    return json_sprintf("%s" CPU_SUFFIX, ctl->about.cpu->name);
}

static void list_unattached(const struct control *ctl, json_t *list)
{
    char name[32];
    unsigned n = 0;
    json_t *type = ctl->m->ncpus ? cpu_type(ctl) : NULL;

    for (; n < ctl->m->ncpus; n++) {
        snprintf(name, sizeof(name), "device[%u]", n);
        add_child(list, name, json_string_value(type));
    }
    json_decref(type);
    for (const struct device *d = ctl->m->devices; d; d = d->next, n++) {
        snprintf(name, sizeof(name), "device[%u]", n);
        add_child(list, name, d->class->type);
    }
}

/* The properties of a processor or chip: names, types and values in step. */
static json_t *device_values(const struct control *ctl, unsigned n)
{
    bool is_cpu = n < ctl->m->ncpus;
    const struct device *d = is_cpu ? NULL : nth_device(ctl->m, n - ctl->m->ncpus);
    json_t *values;

    if (!is_cpu && !d)
        return NULL;
    values = json_pack("{s:o, s:b, s:b, s:b}", "type",
                       is_cpu ? cpu_type(ctl) : json_string(d->class->type), "realized", true,
                       "hotplugged", false, "hotpluggable", false);
    if (!is_cpu) {
        json_object_set_new(values, "id", json_string(d->id));
        return values;
    }
    const struct cpu_model *model = &cpu_of(ctl->m->cpus[n])->model;
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++)
        json_object_set_new(values, cpu_features[f].text, json_boolean(model->has[f]));
    json_object_set_new(values, "vendor", json_string(model->vendor));
    json_object_set_new(values, "model-id", json_string(model->brand));
    json_object_set_new(values, "family", json_integer(model->family));
    json_object_set_new(values, "model", json_integer(model->model));
    json_object_set_new(values, "stepping", json_integer(model->stepping));
    return values;
}

static json_t *object_values(const struct control *ctl, const char *id)
{
    for (unsigned i = 0; i < ctl->nobjects; i++) {
        const struct control_object *o = &ctl->objects[i];
        json_t *values;

        if (strcmp(o->id, id) != 0)
            continue;
        values = json_pack("{s:s}", "type", o->type);
        if (o->size)
            json_object_set_new(values, "size", json_integer((json_int_t)o->size));
        return values;
    }
    return NULL;
}

/* ---- what -device has made ---- */

struct peripherals {
    bool with_id;
    unsigned anonymous;
    json_t *list;       /* children are added to it, or NULL: */
    const char *wanted; /* name of the one that is looked for */
    json_t *values;     /* its properties, when found */
};

/* A property's value as JSON: the option's text, if that is what it looks like. */
static json_t *property_value(const char *text)
{
    char *end;
    long long n = strtoll(text, &end, 10);

    if (*text && !*end && (*text != '0' || !text[1]))
        return json_integer(n);
    if (!strcmp(text, "on") || !strcmp(text, "off"))
        return json_boolean(text[1] == 'n');
    return qmp_string(text);
}

static json_t *peripheral_values(const char *type, const char *value)
{
    json_t *values = json_pack("{s:s, s:b, s:b, s:b}", "type", type, "realized", true, "hotplugged",
                               false, "hotpluggable", false);
    struct option_list l;
    struct error err;

    if (!values || !option_list_parse(&l, value, "driver", &err))
        return values;
    for (size_t i = 0; i < l.n; i++)
        if (strcmp(l.pairs[i].key, "driver") != 0 && strcmp(l.pairs[i].key, "id") != 0)
            json_object_set_new(values, l.pairs[i].key, property_value(l.pairs[i].value));
    option_list_free(&l);
    return values;
}

static void visit_peripheral(void *opaque, const char *type, const char *id, const char *value)
{
    struct peripherals *p = opaque;
    char name[32];

    if (!id)
        snprintf(name, sizeof(name), "device[%u]", p->anonymous++);
    if (p->with_id != (id != NULL))
        return;
    if (p->list)
        add_child(p->list, id ? id : name, type);
    else if (!p->values && !strcmp(id ? id : name, p->wanted))
        p->values = peripheral_values(type, value);
}

/* Children of "/machine/peripheral" or "/machine/peripheral-anon", or one of them: path is what
 * follows "/machine/peripheral". NULL: no such object. */
static json_t *look_up_peripheral(const struct control *ctl, const char *path, json_t *children)
{
    struct peripherals p = {.with_id = strncmp(path, "-anon", 5) != 0};

    path += p.with_id ? 0 : 5;
    if (!*path)
        p.list = children;
    else if (*path == '/')
        p.wanted = path + 1;
    else
        return NULL;
    if (ctl->hooks.devices)
        ctl->hooks.devices(ctl->hooks.opaque, visit_peripheral, &p);
    return p.list ? json_pack("{s:s}", "type", "container") : p.values;
}

/* The object of a path: its properties with their values; children into `children`. */
static json_t *look_up(const struct control *ctl, const char *path, json_t *children)
{
    unsigned n;
    int end = 0;

    if (!strcmp(path, "/")) {
        add_child(children, "machine", "pc-machine");
        add_child(children, "objects", "container");
    } else if (!strcmp(path, "/machine")) {
        add_child(children, "unattached", "container");
        add_child(children, "peripheral", "container");
        add_child(children, "peripheral-anon", "container");
        return json_pack("{s:o}", "type", json_sprintf("%s-machine", ctl->about.machine));
    } else if (!strcmp(path, "/machine/unattached")) {
        list_unattached(ctl, children);
    } else if (!strcmp(path, "/objects")) {
        for (unsigned i = 0; i < ctl->nobjects; i++)
            add_child(children, ctl->objects[i].id, ctl->objects[i].type);
    } else if (sscanf(path, "/machine/unattached/device[%9u]%n", &n, &end) == 1 && end &&
               !path[end]) {
        return device_values(ctl, n);
    } else if (!strncmp(path, "/objects/", 9)) {
        return object_values(ctl, path + 9);
    } else if (!strncmp(path, "/machine/peripheral", 19)) {
        return look_up_peripheral(ctl, path + 19, children);
    } else {
        return NULL;
    }
    return json_pack("{s:s}", "type", "container");
}

/* ---- the balloon's statistics ---- */

#define BALLOON  "virtio-balloon-pci"
#define INTERVAL "guest-stats-polling-interval"

static bool is_balloon(const json_t *values)
{
    const char *type = json_string_value(json_object_get(values, "type"));

    return type && !strcmp(type, BALLOON);
}

/* What the guest has not told is left out. */
static void add_balloon(struct control *ctl, json_t *values)
{
    const struct virtio_balloon *b = control_find_balloon(ctl);
    json_t *stats = json_object();

    for (unsigned i = 0; b && i < VIRTIO_BALLOON_STATS; i++)
        if (b->stats[i] <= INT64_MAX)
            json_object_set_new(stats, virtio_balloon_stat_names[i],
                                json_integer((json_int_t)b->stats[i]));
    if (!b) {
        json_decref(stats);
        return;
    }
    json_object_set_new(values, "guest-stats",
                        json_pack("{s:o, s:I}", "stats", stats, "last-update",
                                  (json_int_t)(b->stats_at / NS_PER_SEC)));
    json_object_set_new(values, INTERVAL, json_integer((json_int_t)(b->stats_every / NS_PER_SEC)));
}

static json_t *look_up_all(struct control *ctl, const char *path, json_t *children)
{
    json_t *values = look_up(ctl, path, children);

    if (values && is_balloon(values))
        add_balloon(ctl, values);
    return values;
}

static const char *type_of_value(const json_t *v)
{
    if (json_is_object(v))
        return "guest statistics";
    return json_is_boolean(v) ? "bool" : json_is_integer(v) ? "int" : "string";
}

static json_t *no_object(struct qmp_call *call, const char *path, struct error *err)
{
    call->error_class = "DeviceNotFound";
    error_set(err, "Device '%.200s' not found", path);
    return NULL;
}

json_t *qmp_qom_list(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array(), *values, *value;
    const char *key;

    values = look_up_all(call->ctl, qmp_arg(args, "path"), list);
    if (!values) {
        json_decref(list);
        return no_object(call, qmp_arg(args, "path"), err);
    }
    json_object_foreach(values, key, value)
        json_array_append_new(list, property(key, type_of_value(value)));
    json_decref(values);
    return list;
}

json_t *qmp_qom_get(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *children = json_array();
    json_t *values = look_up_all(call->ctl, qmp_arg(args, "path"), children), *value;
    const char *name = qmp_arg(args, "property");

    json_decref(children);
    if (!values)
        return no_object(call, qmp_arg(args, "path"), err);
    value = json_incref(json_object_get(values, name));
    if (!value)
        error_set(err, "Property '%s.%.100s' not found",
                  json_string_value(json_object_get(values, "type")), name);
    json_decref(values);
    return value;
}

json_t *qmp_qom_set(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *children = json_array(), *values = look_up(call->ctl, qmp_arg(args, "path"), children);
    const json_t *value = json_object_get(args, "value");
    const char *name = qmp_arg(args, "property");
    bool ok;

    json_decref(children);
    if (!values)
        return no_object(call, qmp_arg(args, "path"), err);
    if (!is_balloon(values) || strcmp(name, INTERVAL) != 0)
        ok =
            error_set(err, "Property '%.100s' cannot be set; " BALLOON "'s " INTERVAL " can", name);
    else if (!json_is_integer(value) || json_integer_value(value) < 0)
        ok = error_set(err, INTERVAL ": seconds are expected, 0 for never");
    else
        ok = control_set_balloon_interval(call->ctl, (uint64_t)json_integer_value(value), err);
    json_decref(values);
    return qmp_done(ok);
}

/* ---- types ---- */

/* Calls with every type that something can be made of. */
static void each_type(const struct control *ctl, monitor_type_fn *fn, void *opaque)
{
    char name[64];

    for (unsigned n = 0; cpu_model_name(n); n++) {
        snprintf(name, sizeof(name), "%s" CPU_SUFFIX, cpu_model_name(n));
        fn(opaque, name, "x86_64-cpu", NULL, 0);
    }
    for (unsigned n = 0; control_object_types[n]; n++)
        fn(opaque, control_object_types[n], "object", NULL, 0);
    fn(opaque, "pc-machine", "machine", NULL, 0);
    fn(opaque, "none-machine", "machine", NULL, 0);
    if (ctl->hooks.device_types)
        ctl->hooks.device_types(ctl->hooks.opaque, fn, opaque);
}

struct type_list {
    json_t *list;
    const char *implements;
};

static bool implements(const char *name, const char *parent, const char *wanted)
{
    bool device = !strcmp(parent, "device") || !strcmp(parent, "x86_64-cpu");

    return !wanted || !strcmp(wanted, name) || !strcmp(wanted, parent) ||
           !strcmp(wanted, "object") || (device && !strcmp(wanted, "device")) ||
           (!strcmp(parent, "x86_64-cpu") && !strcmp(wanted, "cpu"));
}

static void add_type(void *opaque, const char *name, const char *parent,
                     const struct monitor_property *properties, unsigned n)
{
    struct type_list *l = opaque;

    (void)properties, (void)n;
    if (implements(name, parent, l->implements))
        json_array_append_new(l->list, json_pack("{s:s, s:s}", "name", name, "parent", parent));
}

json_t *qmp_qom_list_types(struct qmp_call *call, json_t *args, struct error *err)
{
    struct type_list l = {json_array(), qmp_arg(args, "implements")};

    (void)err;
    each_type(call->ctl, add_type, &l);
    return l.list;
}

struct type_search {
    const char *name;
    json_t *list; /* its properties, when found */
    bool is_device, is_cpu;
};

static void match_type(void *opaque, const char *name, const char *parent,
                       const struct monitor_property *properties, unsigned n)
{
    struct type_search *s = opaque;

    if (s->list || strcmp(name, s->name) != 0)
        return;
    s->list = json_array();
    s->is_cpu = !strcmp(parent, "x86_64-cpu");
    s->is_device = s->is_cpu || !strcmp(parent, "device");
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(s->list,
                              json_pack("{s:s, s:s, s:s}", "name", properties[i].name, "type",
                                        properties[i].type, "description", properties[i].help));
    for (unsigned f = F_NONE + 1; s->is_cpu && f < NUM_FEATURES; f++)
        json_array_append_new(s->list, property(cpu_features[f].text, "bool"));
    if (!strncmp(name, "memory-backend-", 15))
        json_array_append_new(s->list, property("size", "int"));
}

static json_t *list_properties(struct qmp_call *call, json_t *args, bool device, struct error *err)
{
    struct type_search s = {.name = qmp_arg(args, "typename")};

    each_type(call->ctl, match_type, &s);
    if (!s.list) {
        call->error_class = "DeviceNotFound";
        error_set(err, device ? "Device '%.100s' not found" : "Class '%.100s' not found", s.name);
        return NULL;
    }
    if (!device)
        json_array_insert_new(s.list, 0, property("type", "string"));
    if (!device || s.is_device)
        return s.list;
    json_decref(s.list);
    error_set(err, "Parameter 'typename' expects a device type");
    return NULL;
}

json_t *qmp_qom_list_properties(struct qmp_call *call, json_t *args, struct error *err)
{
    return list_properties(call, args, false, err);
}

json_t *qmp_device_list_properties(struct qmp_call *call, json_t *args, struct error *err)
{
    return list_properties(call, args, true, err);
}

/* ---- adding and removing ---- */

json_t *qmp_device_add(struct qmp_call *call, json_t *args, struct error *err)
{
    struct type_search s = {.name = qmp_arg(args, "driver")};

    each_type(call->ctl, match_type, &s);
    if (!s.list || !s.is_device)
        error_set(err, "'%.100s' is not a valid device model name", s.name);
    else
        error_set(err, "Device '%.100s' can not be added while the machine is there", s.name);
    json_decref(s.list);
    return NULL;
}

json_t *qmp_device_del(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *id = qmp_arg(args, "id");
    char path[128];

    snprintf(path, sizeof(path), "/%s", id);
    json_t *known = strchr(id, '/') ? NULL : look_up_peripheral(call->ctl, path, NULL);
    if (!known)
        return no_object(call, id, err);
    json_decref(known);
    error_set(err, "Device '%s' can not be removed while the machine is there", id);
    return NULL;
}
#endif
