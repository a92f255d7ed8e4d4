/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmdline_services.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "cmdline.h"
#include "cmdline_devices.h"
#include "cmdline_system.h"

/* A copy of the key's value: the list is freed. *out is left alone when the key is absent. */
static bool keep(struct settings *s, const struct option_list *l, const char *key, const char **out,
                 struct error *err)
{
    const char *value = option_get(l, key);

    return !value || (*out = settings_keep(s, strdup(value), err));
}

/* ---- entropy ---- */

/* An empty period would never end. */
#define MAX_PERIOD 1000000000u /* ms */

bool service_add_rng(struct settings *s, const struct option_list *l, struct error *err)
{
    struct pc_rng *r = &s->services.rngs[s->services.nrngs];
    uint64_t ms = 1 << 16;

    if (s->services.nrngs == PC_MAX_RNGS)
        return error_set(err, "more than %d", PC_MAX_RNGS);
    *r = (struct pc_rng){.config.max_bytes = UINT64_MAX};
    if (!device_get_place(s, l, &r->place, err) ||
        !keep(s, l, "rng", &s->rng_of[s->services.nrngs], err) ||
        !option_get_number(l, "max-bytes", 1, INT64_MAX, &r->config.max_bytes, err) ||
        !option_get_number(l, "period", 1, MAX_PERIOD, &ms, err) ||
        !option_get_bool(l, "disable-legacy", &r->config.pci.modern_only, err))
        return false;
    r->config.period = ms * 1000000;
    s->services.nrngs++;
    return true;
}

bool service_add_rng_object(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const random_keys[] = {"qom-type", "id", "filename", NULL};
    static const char *const builtin_keys[] = {"qom-type", "id", NULL};
    bool builtin = !strcmp(option_get(l, "qom-type"), "rng-builtin");
    struct rng_object_setting *o = &s->rng_objects[s->nrng_objects];

    if (!option_list_check(l, builtin ? builtin_keys : random_keys, err))
        return false;
    if (s->nrng_objects == MAX_RNG_OBJECTS)
        return error_set(err, "more than %d", MAX_RNG_OBJECTS);
    *o = (struct rng_object_setting){.filename = builtin ? NULL : "/dev/urandom"};
    if (!keep(s, l, "id", &o->id, err) || !keep(s, l, "filename", &o->filename, err))
        return false;
    s->nrng_objects++;
    return true;
}

/* A device without rng= has the machine's own generator. */
static bool open_rng(const struct settings *s, unsigned n, struct poller *p, struct pc_rng *r,
                     struct error *err)
{
    const char *id = s->rng_of[n];

    if (!id)
        return true;
    for (unsigned i = 0; i < s->nrng_objects; i++) {
        const struct rng_object_setting *o = &s->rng_objects[i];

        if (strcmp(o->id, id) != 0)
            continue;
        if (o->filename && !(r->config.source = entropy_open(p, o->filename, err)))
            return error_prefix(err, "-object rng-random,id=%s", id);
        return true;
    }
    return error_set(err, "-device virtio-rng-pci: rng=%s: no -object has this id", id);
}

/* ---- when all is read ---- */

bool services_resolve(struct settings *s, struct poller *p, struct pc_services_config *c,
                      struct error *err)
{
    *c = s->services;
    for (unsigned n = 0; n < c->nrngs; n++)
        if (!open_rng(s, n, p, &c->rngs[n], err))
            return false;
    return true;
}

void services_close(struct pc_services_config *c)
{
    for (unsigned n = 0; n < c->nrngs; n++)
        entropy_close(c->rngs[n].config.source);
}
