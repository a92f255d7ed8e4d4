/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_services.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "base/suggest.h"
#include "cli/cmdline.h"
#include "cli/cmdline_devices.h"
#include "cli/cmdline_system.h"
#include "host/char/backend.h"
#include "machines/pc.h"

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

/* ---- consoles ---- */

bool service_add_console(struct settings *s, const struct option_list *l, struct error *err)
{
    struct pc_console *c = &s->services.consoles[s->services.nconsoles];
    uint64_t ports = VIRTIO_CONSOLE_MAX_PORTS;

    if (s->services.nconsoles == PC_MAX_CONSOLES)
        return error_set(err, "more than %d", PC_MAX_CONSOLES);
    *c = (struct pc_console){.place.order = 0};
    if (!device_get_place(s, l, &c->place, err) ||
        !option_get_number(l, "max_ports", 1, VIRTIO_CONSOLE_MAX_PORTS, &ports, err) ||
        !option_get_bool(l, "disable-legacy", &c->config.pci.modern_only, err))
        return false;
    c->config.nports = (unsigned)ports;
    s->services.nconsoles++;
    return true;
}

/* "ID.0" of a controller; without an id it is "virtio-serial0" and so on. */
static bool find_console(struct settings *s, const char *bus, unsigned *n, struct error *err)
{
    for (*n = 0; *n < s->services.nconsoles; ++*n) {
        const char *id = s->services.consoles[*n].place.id;
        char name[DEVICE_NAME_MAX + 4];

        if (*id)
            snprintf(name, sizeof(name), "%s.0", id);
        else
            snprintf(name, sizeof(name), "virtio-serial%u.0", *n);
        if (!bus || !strcmp(bus, name))
            return true;
    }
    return bus ? error_set(err,
                           "bus=%s: there is none of this name; ID.0 of a virtio-serial-pci "
                           "before it is expected",
                           bus)
               : error_set(err, "a virtio-serial-pci is expected before it");
}

/* Port 0 is a console's, which guests without knowledge of ports have. */
static bool choose_port(const struct virtio_console_config *c, bool console, bool has_nr,
                        uint64_t *nr, struct error *err)
{
    if (has_nr && *nr >= c->nports)
        return error_set(err, "nr=%u: the controller has max_ports=%u", (unsigned)*nr, c->nports);
    if (has_nr && !*nr && !console)
        return error_set(err, "nr=0: that is for a virtconsole; 1 to %u is expected",
                         c->nports - 1);
    if (has_nr)
        return !c->ports[*nr].present || error_set(err, "nr=%u: it is taken", (unsigned)*nr);
    for (*nr = !console; *nr < c->nports; ++*nr)
        if (!c->ports[*nr].present)
            return true;
    return error_set(err, "no port is free: the controller has max_ports=%u", c->nports);
}

bool service_add_port(struct settings *s, const struct option_list *l, struct error *err)
{
    bool console = !strcmp(option_get(l, "driver"), "virtconsole");
    struct virtio_console_config *c;
    uint64_t nr = 0;
    unsigned n;

    if (!find_console(s, option_get(l, "bus"), &n, err))
        return false;
    c = &s->services.consoles[n].config;
    if (!option_get_number(l, "nr", 0, VIRTIO_CONSOLE_MAX_PORTS - 1, &nr, err) ||
        !choose_port(c, console, option_get(l, "nr"), &nr, err))
        return false;
    c->ports[nr] = (struct virtio_console_port_config){.present = true, .console = console};
    return keep(s, l, "name", &c->ports[nr].name, err) &&
           keep(s, l, "chardev", &s->chardev_of[n][nr], err);
}

static bool open_port(const char *id, struct chardevs *chardevs, unsigned n, unsigned nr,
                      struct virtio_console_port_config *p, struct error *err)
{
    char spec[DEVICE_CHARDEV_MAX + 16], label[32];

    if (!id)
        return true;
    if (strlen(id) >= DEVICE_CHARDEV_MAX)
        return error_set(err, "chardev=%s: too long", id);
    snprintf(spec, sizeof(spec), "chardev:%s", id);
    snprintf(label, sizeof(label), "virtio-serial%u.%u", n, nr);
    return chardev_open(chardevs, spec, label, &p->chr, NULL, err) ||
           error_prefix(err, "-device %s", p->console ? "virtconsole" : "virtserialport");
}

static void start_port(struct virtio_console_port *p)
{
    struct chardev *chr = p->config ? p->config->chr : NULL;

    if (chr && chardev_shared(chr)) /* where a monitor hears of it; a terminal is always there */
        virtio_console_opened(p, true);
    else if (chr)
        chardev_on_open(chr, virtio_console_opened, p);
}

/* ---- shared folders ---- */

static bool get_model(const struct option_list *l, enum fs_model *model, struct error *err)
{
    static const struct {
        const char *name;
        enum fs_model model;
    } models[] = {{"passthrough", FS_PASSTHROUGH},
                  {"none", FS_NONE},
                  {"mapped-xattr", FS_MAPPED},
                  {"mapped", FS_MAPPED}};
    const char *name = option_get(l, "security_model");

    for (unsigned i = 0; name && i < sizeof(models) / sizeof(models[0]); i++)
        if (!strcmp(models[i].name, name)) {
            *model = models[i].model;
            return true;
        }
    return error_set(err, "security_model=%s: none, mapped-xattr or passthrough is expected",
                     name ? name : "");
}

static struct fsdev_setting *add_fsdev(struct settings *s, const struct option_list *l,
                                       struct error *err)
{
    struct fsdev_setting *f = &s->fsdevs[s->nfsdevs];
    const char *driver = option_get(l, "fsdriver");

    *f = (struct fsdev_setting){.path = NULL};
    if (s->nfsdevs == MAX_FSDEVS) {
        error_set(err, "more than %d", MAX_FSDEVS);
    } else if (!driver || strcmp(driver, "local") != 0) {
        error_set(err, "%s: not in this version; local is expected", driver ? driver : "");
    } else if (get_model(l, &f->options.model, err) &&
               option_get_bool(l, "readonly", &f->options.read_only, err) &&
               keep(s, l, "path", &f->path, err)) {
        if (f->path) {
            s->nfsdevs++;
            return f;
        }
        error_set(err, "path=FOLDER is expected");
    }
    return NULL;
}

static bool parse_fsdev(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"fsdriver",       "id",       "path",
                                       "security_model", "readonly", NULL};
    struct fsdev_setting *f = option_list_check(l, keys, err) ? add_fsdev(s, l, err) : NULL;

    return f && keep(s, l, "id", &f->id, err) && (f->id || error_set(err, "id=ID is expected"));
}

/* The tag, by which the guest mounts it. */
static bool get_tag(struct settings *s, const struct option_list *l, struct pc_folder *f,
                    struct error *err)
{
    const char *tag = option_get(l, "mount_tag");

    if (!tag || !*tag || strlen(tag) > VIRTIO_9P_TAG_MAX)
        return error_set(err, "mount_tag=TAG of 1 to %u bytes is expected", VIRTIO_9P_TAG_MAX);
    for (unsigned n = 0; n < s->services.nfolders; n++)
        if (!strcmp(s->services.folders[n].config.tag, tag))
            return error_set(err, "mount_tag=%s: there is one already", tag);
    return (f->config.tag = settings_keep(s, strdup(tag), err));
}

static struct pc_folder *next_folder(struct settings *s, struct error *err)
{
    struct pc_folder *f = &s->services.folders[s->services.nfolders];

    if (s->services.nfolders == PC_MAX_FOLDERS) {
        error_set(err, "more than %d", PC_MAX_FOLDERS);
        return NULL;
    }
    *f = (struct pc_folder){.place.order = s->ndevices};
    return f;
}

static bool parse_virtfs(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"fsdriver", "id",        "path", "security_model",
                                       "readonly", "mount_tag", NULL};
    struct pc_folder *f = option_list_check(l, keys, err) ? next_folder(s, err) : NULL;
    char *id;

    if (!f || !get_tag(s, l, f, err))
        return false;
    struct fsdev_setting *d = add_fsdev(s, l, err);

    if (!d)
        return false;
    if (asprintf(&id, "\n%u", s->services.nfolders) < 0) /* which no -fsdev can have */
        id = NULL;
    d->id = settings_keep(s, id, err);
    s->fsdev_of[s->services.nfolders++] = d->id;
    return d->id;
}

static bool parse_list(struct settings *s, const char *option, const char *value,
                       bool (*parse)(struct settings *, const struct option_list *, struct error *),
                       struct error *err)
{
    struct option_list l;
    bool ok = option_list_parse(&l, value, "fsdriver", err);

    if (ok) {
        ok = parse(s, &l, err);
        option_list_free(&l);
    }
    return ok || error_prefix(err, "%s", option);
}

bool service_add_fsdev(struct settings *s, const char *value, struct error *err)
{
    return parse_list(s, "-fsdev", value, parse_fsdev, err);
}

bool service_add_virtfs(struct settings *s, const char *value, struct error *err)
{
    return parse_list(s, "-virtfs", value, parse_virtfs, err);
}

bool service_add_folder(struct settings *s, const struct option_list *l, struct error *err)
{
    struct pc_folder *f = next_folder(s, err);
    const char **fsdev = &s->fsdev_of[s->services.nfolders];

    if (!f || !device_get_place(s, l, &f->place, err) || !get_tag(s, l, f, err) ||
        !keep(s, l, "fsdev", fsdev, err) ||
        !option_get_bool(l, "disable-legacy", &f->config.pci.modern_only, err))
        return false;
    s->services.nfolders++;
    return *fsdev || error_set(err, "fsdev=ID is expected, of a -fsdev local,id=ID,path=FOLDER");
}

static bool open_folder(const struct settings *s, unsigned n, struct pc_folder *f,
                        struct error *err)
{
    for (unsigned i = 0; i < s->nfsdevs; i++) {
        const struct fsdev_setting *d = &s->fsdevs[i];

        if (strcmp(d->id, s->fsdev_of[n]) == 0)
            return (f->config.tree = fs_tree_open(d->path, &d->options, err)) ||
                   error_prefix(err, "path");
    }
    return error_set(err, "-device virtio-9p-pci: fsdev=%s: no -fsdev has this id", s->fsdev_of[n]);
}

/* ---- the balloon ---- */

bool service_add_balloon(struct settings *s, const struct option_list *l, struct error *err)
{
    struct virtio_balloon_config *c = &s->services.balloon_config;
    uint64_t seconds = 0;

    if (s->services.balloon)
        return error_set(err, "there is one already");
    s->services.balloon = true;
    if (!device_get_place(s, l, &s->services.balloon_place, err) ||
        !option_get_bool(l, "deflate-on-oom", &c->deflate_on_oom, err) ||
        !option_get_bool(l, "free-page-reporting", &c->free_page_reporting, err) ||
        !option_get_number(l, "guest-stats-polling-interval", 0, 1000000, &seconds, err) ||
        !option_get_bool(l, "disable-legacy", &c->pci.modern_only, err))
        return false;
    c->stats_every = seconds * NS_PER_SEC;
    return true;
}

/* ---- watchdog, panics ---- */

/* Index of the name; an error with the nearest if it is none of them. */
static bool find_name(const char *what, const char *name, const char *const names[], unsigned n,
                      unsigned *index, struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, name);
    for (*index = 0; *index < n; ++*index) {
        if (!strcmp(names[*index], name))
            return true;
        suggest_offer(&near, names[*index]);
    }
    return error_set(err, "%s=%s: there is none of this name; did you mean %s?", what, name,
                     near.best);
}

bool service_set_watchdog(struct settings *s, const char *action, struct error *err)
{
    unsigned n;

    if (!find_name("watchdog", action, pc_watchdog_actions, NUM_WATCHDOG_ACTIONS, &n, err))
        return false;
    s->services.watchdog_action = (enum pc_watchdog_action)n;
    return true;
}

bool service_set_panic(struct settings *s, const char *action, struct error *err)
{
    unsigned n;

    if (!find_name("panic", action, pc_panic_actions, NUM_PANIC_ACTIONS, &n, err))
        return false;
    s->services.panic_action = (enum pc_panic_action)n;
    return true;
}

bool service_add_watchdog(struct settings *s, const struct option_list *l, struct error *err)
{
    if (s->services.watchdog)
        return error_set(err, "there is one already");
    s->services.watchdog = true;
    return device_get_place(s, l, &s->services.watchdog_place, err);
}

bool service_add_pvpanic(struct settings *s, const struct option_list *l, struct error *err)
{
    uint64_t port = 0x505;

    if (s->services.pvpanic_port)
        return error_set(err, "there is one already");
    if (!option_get_number(l, "ioport", 1, 0xffff, &port, err))
        return false;
    s->services.pvpanic_port = (uint16_t)port;
    return true;
}

bool service_add_pvpanic_pci(struct settings *s, const struct option_list *l, struct error *err)
{
    if (s->services.pvpanic_pci)
        return error_set(err, "there is one already");
    s->services.pvpanic_pci = true;
    return device_get_place(s, l, &s->services.pvpanic_place, err);
}

/* ---- when all is read ---- */

bool services_resolve(struct settings *s, struct poller *p, struct chardevs *chardevs,
                      struct pc_services_config *c, struct error *err)
{
    *c = s->services;
    for (unsigned n = 0; n < c->nrngs; n++)
        if (!open_rng(s, n, p, &c->rngs[n], err))
            return false;
    for (unsigned n = 0; n < c->nfolders; n++)
        if (!open_folder(s, n, &c->folders[n], err))
            return false;
    for (unsigned n = 0; n < c->nconsoles; n++)
        for (unsigned nr = 0; nr < c->consoles[n].config.nports; nr++)
            if (!open_port(s->chardev_of[n][nr], chardevs, n, nr, &c->consoles[n].config.ports[nr],
                           err))
                return false;
    return true;
}

void services_start(struct pc *pc)
{
    for (unsigned n = 0; n < pc->config->services.nconsoles; n++)
        for (unsigned nr = 0; nr < VIRTIO_CONSOLE_MAX_PORTS; nr++)
            start_port(&pc->services.consoles[n].ports[nr]);
}

void services_close(struct pc_services_config *c)
{
    for (unsigned n = 0; n < c->nrngs; n++)
        entropy_close(c->rngs[n].config.source);
    for (unsigned n = 0; n < c->nfolders; n++)
        fs_tree_close(c->folders[n].config.tree);
}
