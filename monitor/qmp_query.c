/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: questions about the machine, its command line and its board. */
#include "config.h"

#if CONFIG_JANSSON
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/bus/pci_bridge.h"
#include "host/char/backend.h"
#include "machines/pc.h"
#include "monitor/pci_names.h"
#include "monitor/qmp_internal.h"
#include "vm/machine.h"

/* Bytes that are not UTF-8 become question marks: the answer must be JSON. */
json_t *qmp_string(const char *text)
{
    json_t *s = json_string(text);
    char copy[512];

    if (s)
        return s;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *p = copy; *p; p++)
        if (*p & 0x80)
            *p = '?';
    return json_string(copy);
}

/* ---- who this is ---- */

json_t *qmp_query_version(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args, (void)err;
    return qmp_version();
}

json_t *qmp_query_commands(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array();

    (void)call, (void)args, (void)err;
    for (const struct qmp_command *c = qmp_commands; c->name; c++)
        json_array_append_new(list, json_pack("{s:s}", "name", c->name));
    return list;
}

json_t *qmp_query_events(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array();

    (void)call, (void)args, (void)err;
    for (const struct qmp_event_row *e = qmp_events; e->name; e++)
        json_array_append_new(list, json_pack("{s:s}", "name", e->name));
    return list;
}

json_t *qmp_query_schema(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args, (void)err;
    return qmp_schema();
}

json_t *qmp_query_name(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *name = call->ctl->about.name;

    (void)args, (void)err;
    return name ? json_pack("{s:o}", "name", qmp_string(name)) : json_object();
}

json_t *qmp_query_uuid(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *uuid = call->ctl->about.uuid;

    (void)args, (void)err;
    return json_pack("{s:s}", "UUID", uuid ? uuid : "00000000-0000-0000-0000-000000000000");
}

json_t *qmp_query_kvm(struct qmp_call *call, json_t *args, struct error *err)
{
    const struct monitor_hooks *hooks = &call->ctl->hooks;
    bool enabled = hooks->engine && !strcmp(hooks->engine(hooks->opaque), "kvm");

    (void)args, (void)err;
    return json_pack("{s:b, s:b}", "enabled", enabled, "present",
                     enabled || access("/dev/kvm", R_OK | W_OK) == 0);
}

json_t *qmp_query_target(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args, (void)err;
    return json_pack("{s:s}", "arch", "x86_64");
}

json_t *qmp_query_machines(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *pc = json_pack("{s:s, s:b, s:i, s:b, s:b, s:b, s:s, s:s}", "name", "pc", "is-default",
                           true, "cpu-max", PC_MAX_CPUS, "hotpluggable-cpus", false,
                           "numa-mem-supported", false, "deprecated", false, "default-cpu-type",
                           "max-x86_64-cpu", "default-ram-id", "pc.ram");
    json_t *none =
        json_pack("{s:s, s:i, s:b, s:b, s:b}", "name", "none", "cpu-max", 1, "hotpluggable-cpus",
                  false, "numa-mem-supported", false, "deprecated", false);

    (void)call, (void)args, (void)err;
    return json_pack("[o, o]", pc, none);
}

json_t *qmp_query_current_machine(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args, (void)err;
    return json_pack("{s:b}", "wakeup-suspend-support", false);
}

json_t *qmp_query_memory(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)args, (void)err;
    return json_pack("{s:I, s:i}", "base-memory", (json_int_t)call->ctl->m->ram_size,
                     "plugged-memory", 0);
}

/* Guest memory is one shared mapping, not allocated before it is touched. */
json_t *qmp_query_memdev(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array();

    (void)args, (void)err;
    for (unsigned i = 0; i < call->ctl->nobjects; i++) {
        const struct control_object *o = &call->ctl->objects[i];

        if (strncmp(o->type, "memory-backend-", 15) != 0)
            continue;
        json_array_append_new(list, json_pack("{s:o, s:I, s:b, s:b, s:b, s:b, s:[], s:s}", "id",
                                              qmp_string(o->id), "size", (json_int_t)o->size,
                                              "merge", false, "dump", true, "prealloc", false,
                                              "share", true, "host-nodes", "policy", "default"));
    }
    return list;
}

static void add_chardev(void *list, const char *label, const char *filename, bool taken)
{
    json_array_append_new(list, json_pack("{s:o, s:o, s:b}", "label", qmp_string(label), "filename",
                                          qmp_string(filename), "frontend-open", taken));
}

json_t *qmp_query_chardev(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array();

    (void)args, (void)err;
    if (call->ctl->about.chardevs)
        chardevs_each(call->ctl->about.chardevs, add_chardev, list);
    return list;
}

/* ---- the command line ---- */

struct options {
    json_t *list;
    const char *only;
};

static void add_option(void *opaque, const char *name)
{
    struct options *o = opaque;

    if (!o->only || !strcmp(o->only, name))
        json_array_append_new(o->list, json_pack("{s:s, s:[]}", "option", name, "parameters"));
}

json_t *qmp_query_options(struct qmp_call *call, json_t *args, struct error *err)
{
    struct options o = {json_array(), qmp_arg(args, "option")};

    if (call->ctl->hooks.options)
        call->ctl->hooks.options(call->ctl->hooks.opaque, add_option, &o);
    if (!o.only || json_array_size(o.list))
        return o.list;
    json_decref(o.list);
    error_set(err, "invalid option name: %.100s", o.only);
    return NULL;
}

static bool object_size(json_t *args, const char *type, json_int_t *size, struct error *err)
{
    json_t *v = json_object_get(args, "size");

    *size = json_integer_value(v);
    if (strncmp(type, "memory-backend-", 15) != 0)
        return true;
    return (json_is_integer(v) && *size > 0) ||
           error_set(err, "Parameter 'size' is missing: a memory size is expected");
}

/* What an object can be is checked here, for `*`: a type that there is none of is refused by its
 * name rather than by that of one of its members. */
json_t *qmp_object_add(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *type = qmp_arg(args, "qom-type");
    json_int_t size;

    if (!strncmp(type, "memory-backend-", 15)) {
        error_set(err, "object type '%.60s': memory cannot be added while the machine is there",
                  type);
        return NULL;
    }
    return qmp_done(object_size(args, type, &size, err) &&
                    control_add_object(call->ctl, type, qmp_arg(args, "id"), (uint64_t)size, err));
}

json_t *qmp_object_del(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(control_del_object(call->ctl, qmp_arg(args, "id"), err));
}

/* ---- what there is none of ---- */

json_t *qmp_empty_list(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args, (void)err;
    return json_array();
}

json_t *qmp_query_balloon(struct qmp_call *call, json_t *args, struct error *err)
{
    uint64_t actual;

    (void)args;
    if (control_balloon(call->ctl, &actual, err))
        return json_pack("{s:I}", "actual", (json_int_t)actual);
    call->error_class = "DeviceNotActive";
    return NULL;
}

json_t *qmp_balloon(struct qmp_call *call, json_t *args, struct error *err)
{
    json_int_t bytes = json_integer_value(json_object_get(args, "value"));

    if (!control_find_balloon(call->ctl))
        call->error_class = "DeviceNotActive";
    return qmp_done(control_set_balloon(call->ctl, bytes > 0 ? (uint64_t)bytes : 0, err));
}

json_t *qmp_no_sev(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args;
    error_set(err, "SEV is not enabled in KVM");
    return NULL;
}

json_t *qmp_no_sgx(struct qmp_call *call, json_t *args, struct error *err)
{
    (void)call, (void)args;
    error_set(err, "SGX is not enabled in KVM");
    return NULL;
}

/* ---- PCI ---- */

static json_t *pci_region(const struct pci_device *d, unsigned n)
{
    const struct pci_bar *bar = &d->bars[n];
    unsigned reg = PCI_BASE_ADDRESS_0 + 4 * n;
    uint64_t low = pci_get16(d, reg) | (uint64_t)pci_get16(d, reg + 2) << 16;
    json_t *o;

    if (bar->type & PCI_BAR_IO)
        return json_pack("{s:i, s:I, s:I, s:s}", "bar", n, "size", (json_int_t)bar->size, "address",
                         bar->mapped ? (json_int_t)(low & ~3ull) : -1, "type", "io");
    if (bar->type & PCI_BAR_MEM64)
        low |= (uint64_t)(pci_get16(d, reg + 4) | (uint32_t)pci_get16(d, reg + 6) << 16) << 32;
    o = json_pack("{s:i, s:I, s:I, s:s, s:b, s:b}", "bar", n, "size", (json_int_t)bar->size,
                  "address", bar->mapped ? (json_int_t)(low & ~15ull) : -1, "type", "memory",
                  "prefetch", (bar->type & PCI_BAR_MEM32_PREF) == PCI_BAR_MEM32_PREF, "mem_type_64",
                  (bar->type & PCI_BAR_MEM64) != 0);
    return o;
}

static json_t *pci_functions(const struct pc *pc, const struct pci_bus *bus);

static json_t *bridge_range(const struct pci_device *d, enum pci_bridge_window_kind kind)
{
    struct pci_bridge_window w = pci_bridge_window(d, kind);

    return json_pack("{s:I, s:I}", "base", (json_int_t)w.first, "limit", (json_int_t)w.last);
}

static json_t *pci_bridge_info(const struct pc *pc, const struct pci_device *d)
{
    return json_pack(
        "{s:{s:i, s:i, s:i, s:o, s:o, s:o}, s:o}", "bus", "number", pci_bus_number(d->bus),
        "secondary", d->config[PCI_SECONDARY_BUS], "subordinate", d->config[PCI_SUBORDINATE_BUS],
        "io_range", bridge_range(d, PCI_WINDOW_IO), "memory_range",
        bridge_range(d, PCI_WINDOW_MEMORY), "prefetchable_range",
        bridge_range(d, PCI_WINDOW_PREFETCHABLE), "devices", pci_functions(pc, d->secondary));
}

static json_t *pci_function(const struct pc *pc, const struct pci_device *d)
{
    const struct pc_pci_place *place = pc_pci_find(pc, d->bus, d->devfn);
    uint16_t class = pci_get16(d, PCI_CLASS_DEVICE);
    uint8_t pin = d->config[PCI_INTERRUPT_PIN];
    json_t *regions = json_array(), *o;

    for (unsigned n = 0; n < PCI_NUM_BARS; n++)
        if (d->bars[n].region)
            json_array_append_new(regions, pci_region(d, n));
    o = json_pack("{s:i, s:i, s:i, s:{s:s, s:i}, s:{s:i, s:i, s:i, s:i}, s:i, s:s, s:o}", "bus",
                  pci_bus_number(d->bus), "slot", PCI_SLOT(d->devfn), "function",
                  PCI_FUNCTION(d->devfn), "class_info", "desc", pci_class_name(class), "class",
                  class, "id", "device", pci_get16(d, PCI_DEVICE_ID), "vendor",
                  pci_get16(d, PCI_VENDOR_ID), "subsystem", pci_get16(d, PCI_SUBSYSTEM_ID),
                  "subsystem-vendor", pci_get16(d, PCI_SUBSYSTEM_VENDOR_ID), "irq_pin", pin,
                  "qdev_id", place ? place->id : "", "regions", regions);
    if (o && pin)
        json_object_set_new(o, "irq", json_integer(d->config[PCI_INTERRUPT_LINE]));
    if (o && d->secondary)
        json_object_set_new(o, "pci_bridge", pci_bridge_info(pc, d));
    return o;
}

static json_t *pci_functions(const struct pc *pc, const struct pci_bus *bus)
{
    json_t *devices = json_array();

    for (unsigned i = 0; i < 256; i++)
        if (bus->devices[i])
            json_array_append_new(devices, pci_function(pc, bus->devices[i]));
    return devices;
}

json_t *qmp_query_pci(struct qmp_call *call, json_t *args, struct error *err)
{
    const struct pc *pc = call->ctl->about.pc;

    (void)args, (void)err;
    return pc ? json_pack("[{s:i, s:o}]", "bus", 0, "devices", pci_functions(pc, &pc->pci))
              : json_array();
}
#endif
