/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: processors and their models. */
#include "config.h"

#if CONFIG_JANSSON
#include <stdio.h>
#include <string.h>

#include "cpu/x86/cpu.h"
#include "monitor/qmp_internal.h"
#include "vm/machine.h"

#define TYPE_SUFFIX "-x86_64-cpu"

static unsigned at_least_1(unsigned n)
{
    return n ? n : 1;
}

/* Where the n-th processor is; sockets hold cores, cores threads. */
static json_t *place(const struct monitor_about *a, unsigned n)
{
    unsigned threads = at_least_1(a->threads), cores = at_least_1(a->cores);

    return json_pack("{s:i, s:i, s:i}", "core-id", n / threads % cores, "thread-id", n % threads,
                     "socket-id", n / threads / cores);
}

static json_t *path_of(unsigned n)
{
    return json_sprintf("/machine/unattached/device[%u]", n);
}

json_t *qmp_query_cpus(struct qmp_call *call, json_t *args, struct error *err)
{
    const struct machine *m = call->ctl->m;
    json_t *list = json_array();

    (void)args, (void)err;
    for (unsigned i = 0; i < m->ncpus; i++)
        json_array_append_new(list, json_pack("{s:i, s:o, s:o, s:i, s:s}", "thread-id",
                                              m->cpus[i]->thread_id, "props",
                                              place(&call->ctl->about, i), "qom-path", path_of(i),
                                              "cpu-index", i, "target", "x86_64"));
    return list;
}

/* None can be added: those listed are there. */
json_t *qmp_query_hotpluggable(struct qmp_call *call, json_t *args, struct error *err)
{
    const struct control *ctl = call->ctl;
    json_t *list = json_array();

    (void)args, (void)err;
    for (unsigned i = 0; i < ctl->m->ncpus; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:i, s:o, s:o}", "props", place(&ctl->about, i),
                                        "vcpus-count", 1, "qom-path", path_of(i), "type",
                                        json_sprintf("%s" TYPE_SUFFIX, ctl->about.cpu->name)));
    return list;
}

json_t *qmp_query_cpu_definitions(struct qmp_call *call, json_t *args, struct error *err)
{
    json_t *list = json_array();
    const char *name;

    (void)call, (void)args, (void)err;
    for (unsigned n = 0; (name = cpu_model_name(n)); n++)
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:[], s:b, s:b, s:b}", "name", name, "typename",
                                        json_sprintf("%s" TYPE_SUFFIX, name),
                                        "unavailable-features", "static", false, "migration-safe",
                                        strcmp(name, "max") != 0, "deprecated", false));
    return list;
}

/* "name,feature=on,..." as -cpu has it. */
static bool model_spec(char *spec, size_t size, json_t *model, struct error *err)
{
    json_t *props = json_object_get(model, "props"), *value;
    size_t len = (size_t)snprintf(spec, size, "%s", qmp_arg(model, "name"));
    const char *key;

    if (props && !json_is_object(props))
        return error_set(err, "Invalid parameter type for 'model.props', expected: object");
    json_object_foreach(props, key, value)
    {
        if (!json_is_boolean(value))
            return error_set(err,
                             "Invalid parameter type for 'model.props.%.60s', expected: "
                             "boolean",
                             key);
        if (len < size)
            len += (size_t)snprintf(spec + len, size - len, ",%s=%s", key,
                                    json_is_true(value) ? "on" : "off");
    }
    return (len < size && !strchr(qmp_arg(model, "name"), ',')) ||
           error_set(err, "the CPU definition is too long or has a comma in its name");
}

/* Every feature is said, so the answer is the same wherever the model's name means something. */
json_t *qmp_expand_model(struct qmp_call *call, json_t *args, struct error *err)
{
    struct cpu_model model;
    char spec[2048];
    json_t *props;

    (void)call;
    if (!model_spec(spec, sizeof(spec), json_object_get(args, "model"), err) ||
        !cpu_model_parse(&model, spec, err))
        return NULL;
    props = json_object();
    for (unsigned f = F_NONE + 1; f < NUM_FEATURES; f++)
        json_object_set_new(props, cpu_features[f].text, json_boolean(model.has[f]));
    return json_pack("{s:{s:s, s:o}}", "model", "name", model.name, "props", props);
}
#endif
