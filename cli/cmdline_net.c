/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks on the command line. There is no network unless one is asked for. */
#include "cli/cmdline_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "cli/cmdline.h"
#include "cli/cmdline_system.h"
#include "host/net/backend.h"
#include "machines/pc_net.h"

#define DEFAULT_MODEL "e1000"
#define IPXE_ROMS     "/usr/lib/ipxe/qemu"
#define FIRST_MAC     0x525400123456ull /* 52:54:00:12:34:56, and up */

/* ---- network cards ---- */

/* QEMU's short names. */
static const char *full_model(const char *model)
{
    return !strcmp(model, "virtio") || !strcmp(model, "virtio-net") ? "virtio-net-pci"
           : !strcmp(model, "e1000-82540em")                        ? "e1000"
                                                                    : model;
}

static bool check_model(const char *model, struct error *err)
{
    struct suggestion near;

    if (pc_nic_known(model))
        return true;
    suggest_begin(&near, model);
    for (unsigned i = 0; pc_nic_model(i); i++)
        suggest_offer(&near, pc_nic_model(i));
    return error_set(err, "model=%s: there is none of this name; did you mean %s?", model,
                     near.best);
}

/* Six bytes in hexadecimal between colons or dashes; not of a group. */
static bool parse_mac(const char *text, uint8_t mac[NET_MAC_SIZE], struct error *err)
{
    unsigned b[NET_MAC_SIZE];
    char rest;

    if (strlen(text) != 17 || (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3],
                                      &b[4], &b[5], &rest) != 6 &&
                               sscanf(text, "%2x-%2x-%2x-%2x-%2x-%2x%c", &b[0], &b[1], &b[2], &b[3],
                                      &b[4], &b[5], &rest) != 6))
        return error_set(err, "mac=%s: an address like 52:54:00:12:34:56 is expected", text);
    for (unsigned i = 0; i < NET_MAC_SIZE; i++)
        mac[i] = (uint8_t)b[i];
    return !(mac[0] & 1) ||
           error_set(err, "mac=%s: that is the address of a group; the first byte is even", text);
}

static struct nic_setting *new_nic(struct settings *s, const char *model, const char *mac,
                                   struct error *err)
{
    struct nic_setting *n = &s->nics[s->nnics];

    if (s->nnics == MAX_NICS) {
        error_set(err, "more than %d network cards", MAX_NICS);
        return NULL;
    }
    *n = (struct nic_setting){
        .pairs = 1, .boot_index = -1, .iobase = 0x300, .irq = 3, .place = {.order = s->ndevices}};
    model = full_model(model ? model : DEFAULT_MODEL);
    if (!check_model(model, err) || !(n->model = settings_keep(s, strdup(model), err)) ||
        (mac && !parse_mac(mac, n->mac, err)))
        return NULL;
    n->has_mac = mac;
    s->nnics++;
    return n;
}

static bool keep(struct settings *s, const char *text, const char **out, struct error *err)
{
    return !text || (*out = settings_keep(s, strdup(text), err));
}

/* What firmware boots from it, and when. */
static bool get_boot(struct settings *s, struct nic_setting *n, const struct option_list *l,
                     struct error *err)
{
    uint64_t index = UINT64_MAX, bar = 1;

    if (!keep(s, option_get(l, "romfile"), &n->rom, err) ||
        !option_get_number(l, "rombar", 0, 1, &bar, err) ||
        !option_get_number(l, "bootindex", 0, INT32_MAX, &index, err))
        return false;
    n->no_rom = !bar || (n->rom && !*n->rom);
    n->boot_index = (int)index;
    return true;
}

bool net_add_device(struct settings *s, const struct option_list *l, struct error *err)
{
    struct nic_setting *n = new_nic(s, option_get(l, "driver"), option_get(l, "mac"), err);
    bool mq = false;

    if (!n)
        return false;
    return keep(s, option_get(l, "id"), &n->id, err) &&
           keep(s, option_get(l, "netdev"), &n->netdev, err) && get_boot(s, n, l, err) &&
           option_get_bool(l, "disable-legacy", &n->disable_legacy, err) &&
           option_get_bool(l, "mq", &mq, err) &&
           option_get_number(l, "queues", 1, VIRTIO_NET_MAX_PAIRS, &n->pairs, err) &&
           (mq || n->pairs == 1 || error_set(err, "queues=: mq=on is expected, too"));
}

/* ---- back ends ---- */

bool net_add_netdev(struct settings *s, const char *value, struct error *err)
{
    if (s->nnetdevs == MAX_NETDEVS)
        return error_set(err, "-netdev %s: more than %d", value, MAX_NETDEVS);
    s->netdevs[s->nnetdevs++] = value;
    return true;
}

static void append(char **text, const char *key, const char *value)
{
    size_t len = *text ? strlen(*text) : 0;
    char *longer = realloc(*text, len + strlen(key) + 2 * strlen(value) + 3);

    if (!longer) {
        free(*text);
        *text = NULL;
        return;
    }
    *text = longer;
    len += (size_t)sprintf(longer + len, len ? ",%s" : "%s", key);
    if (*key)
        longer[len++] = '=';
    for (; *value; value++) {
        if (*value == ',')
            longer[len++] = ',';
        longer[len++] = *value;
    }
    longer[len] = '\0';
}

static bool is_of_nic(const char *key)
{
    return !strcmp(key, "model") || !strcmp(key, "mac") || !strcmp(key, "macaddr");
}

/* The settings of the back end alone, as -netdev takes them. */
static const char *backend_text(struct settings *s, const struct option_list *l, struct error *err)
{
    char *text = NULL;

    for (size_t i = 0; i < l->n; i++)
        if (!is_of_nic(l->pairs[i].key))
            append(&text, strcmp(l->pairs[i].key, "type") ? l->pairs[i].key : "",
                   l->pairs[i].value);
    return settings_keep(s, text, err);
}

static bool nic_and_backend(struct settings *s, const struct option_list *l, struct error *err)
{
    const char *mac = option_get(l, "mac") ? option_get(l, "mac") : option_get(l, "macaddr");
    struct nic_setting *n = new_nic(s, option_get(l, "model"), mac, err);

    if (!n)
        return false;
    return (n->backend = backend_text(s, l, err));
}

bool net_add_nic(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;
    bool ok;

    if (!strcmp(value, "none"))
        return true;
    if (!option_list_parse(&l, value, "type", err))
        return error_prefix(err, "-nic");
    ok = nic_and_backend(s, &l, err);
    option_list_free(&l);
    return ok || error_prefix(err, "-nic %s", value);
}

/* A card or a back end on hub 0. */
static bool add_to_hub(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"type", "model", "macaddr", "netdev", "id", NULL};
    struct nic_setting *n;

    if (strcmp(option_get(l, "type"), "nic") != 0) {
        if (s->nhub == MAX_NETDEVS)
            return error_set(err, "more than %d", MAX_NETDEVS);
        return (s->hub[s->nhub++] = backend_text(s, l, err));
    }
    n = option_list_check(l, keys, err)
            ? new_nic(s, option_get(l, "model"), option_get(l, "macaddr"), err)
            : NULL;
    if (!n)
        return false;
    if (!option_get(l, "netdev"))
        n->backend = "hubport,hubid=0";
    return keep(s, option_get(l, "netdev"), &n->netdev, err) &&
           keep(s, option_get(l, "id"), &n->id, err);
}

bool net_add_net(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;
    bool ok;

    if (!strcmp(value, "none"))
        return true;
    if (!option_list_parse(&l, value, "type", err))
        return error_prefix(err, "-net");
    ok = add_to_hub(s, &l, err);
    option_list_free(&l);
    return ok || error_prefix(err, "-net %s", value);
}

bool net_add_dump(struct settings *s, const struct option_list *l, struct error *err)
{
    static const char *const keys[] = {"qom-type", "id", "netdev", "file", "maxlen", NULL};
    struct dump_setting *d = &s->dumps[s->ndumps];
    const char *maxlen = option_get(l, "maxlen");

    if (!option_list_check(l, keys, err))
        return false;
    if (!option_get(l, "netdev") || !option_get(l, "file"))
        return error_set(err, "netdev=ID,file=FILE is expected");
    if (s->ndumps == MAX_DUMPS)
        return error_set(err, "more than %d", MAX_DUMPS);
    *d = (struct dump_setting){.maxlen = 65536};
    if (maxlen && !size_parse(maxlen, 1, &d->maxlen, err))
        return error_prefix(err, "maxlen");
    if (!d->maxlen || d->maxlen > UINT32_MAX)
        return error_set(err, "maxlen=%s: 1 to 4294967295 bytes are expected", maxlen);
    s->ndumps++;
    return keep(s, option_get(l, "netdev"), &d->netdev, err) &&
           keep(s, option_get(l, "file"), &d->file, err);
}

void net_print_nic_help(void)
{
    puts("-nic BACKEND,model=MODEL,mac=ADDRESS,...; models:");
    for (unsigned i = 0; pc_nic_model(i); i++)
        printf("  %s%s\n", pc_nic_model(i),
               strcmp(pc_nic_model(i), DEFAULT_MODEL) ? "" : " (default)");
}

/* ---- when all is read ---- */

static bool is_taken(const struct settings *s, uint64_t address)
{
    for (unsigned i = 0; i < s->nnics; i++) {
        uint64_t a = 0;

        for (unsigned b = 0; b < NET_MAC_SIZE; b++)
            a = a << 8 | s->nics[i].mac[b];
        if (s->nics[i].has_mac && a == address)
            return true;
    }
    return false;
}

static void choose_macs(struct settings *s)
{
    uint64_t next = FIRST_MAC;

    for (unsigned i = 0; i < s->nnics; i++) {
        struct nic_setting *n = &s->nics[i];

        if (n->has_mac)
            continue;
        while (is_taken(s, next))
            next++;
        for (unsigned b = 0; b < NET_MAC_SIZE; b++)
            n->mac[b] = (uint8_t)(next >> 8 * (NET_MAC_SIZE - 1 - b));
        next++;
    }
}

/* "virtio-net-pci.0", "virtio-net-pci.1": one of a model after the other. */
static bool name_nic(struct settings *s, unsigned index, struct error *err)
{
    struct nic_setting *n = &s->nics[index];
    unsigned before = 0;
    char *name;

    for (unsigned i = 0; i < index; i++) {
        before += !strcmp(s->nics[i].model, n->model);
        if (n->id && !strcmp(s->nics[i].id, n->id))
            return error_set(err, "-device %s,id=%s: this id is taken", n->model, n->id);
    }
    if (n->id)
        return strlen(n->id) < DEVICE_NAME_MAX || error_set(err, "id=%s: too long", n->id);
    if (asprintf(&name, "%s.%u", n->model, before) < 0)
        name = NULL;
    return (n->id = settings_keep(s, name, err));
}

static bool open_all(struct settings *s, struct nets *nets, struct error *err)
{
    struct netdev *n;

    for (unsigned i = 0; i < s->nnetdevs; i++)
        if (!netdev_define(nets, s->netdevs[i], err))
            return error_prefix(err, "-netdev");
    for (unsigned i = 0; i < s->nhub; i++) {
        char *port;
        bool ok;

        if (!netdev_define_unnamed(nets, s->hub[i], &n, err))
            return error_prefix(err, "-net");
        if (asprintf(&port, "hubport,hubid=0,netdev=%s", netdev_id(n)) < 0)
            return error_set(err, "out of memory");
        ok = netdev_define_unnamed(nets, port, &n, err);
        free(port);
        if (!ok)
            return error_prefix(err, "-net");
    }
    return true;
}

/* Where nothing is said and the network is to be booted from, iPXE's as Debian has it. */
static bool choose_rom(struct settings *s, const struct nic_setting *n, const char **rom,
                       struct error *err)
{
    bool boots = n->boot_index >= 0 || strchr(s->boot.order, 'n') || strchr(s->boot.once, 'n');
    char *path;

    *rom = n->no_rom ? NULL : n->rom;
    if (*rom || n->no_rom || !boots || pc_nic_is_isa(n->model))
        return true;
    if (asprintf(&path, IPXE_ROMS "/efi-%s.rom", pc_nic_rom_name(n->model)) < 0)
        path = NULL;
    if (!(*rom = settings_keep(s, path, err)))
        return false;
    if (access(*rom, R_OK) < 0) {
        fprintf(stderr, "calque: %s: no %s (of Debian's ipxe-qemu): it cannot be booted from\n",
                n->id, *rom);
        *rom = NULL;
    }
    return true;
}

static bool plug_in(struct settings *s, unsigned index, struct nets *nets, struct pc_nic_config *c,
                    struct error *err)
{
    const struct nic_setting *n = &s->nics[index];

    *c = (struct pc_nic_config){.model = n->model,
                                .id = n->id,
                                .pairs = (unsigned)n->pairs,
                                .modern_only = n->disable_legacy,
                                .iobase = (uint16_t)n->iobase,
                                .irq = (uint8_t)n->irq,
                                .boots = n->boot_index >= 0,
                                .boot_index = n->boot_index,
                                .place = n->place};
    memcpy(c->nic.mac, n->mac, NET_MAC_SIZE);
    if (!choose_rom(s, n, &c->rom, err))
        return false;
    if (n->backend && !netdev_define_unnamed(nets, n->backend, &c->nic.netdev, err))
        return error_prefix(err, "-nic");
    if (n->netdev && !(c->nic.netdev = netdev_find(nets, n->netdev, err)))
        return error_prefix(err, "-device %s", n->model);
    if (!c->nic.netdev)
        fprintf(stderr, "calque: %s: nothing is plugged in: netdev=ID of a -netdev is expected\n",
                n->id);
    return !c->nic.netdev || netdev_take(c->nic.netdev, err);
}

bool net_resolve(struct settings *s, struct nets *nets, struct pc_net_config *net,
                 struct error *err)
{
    if (!open_all(s, nets, err))
        return false;
    choose_macs(s);
    for (unsigned i = 0; i < s->nnics; i++)
        if (!name_nic(s, i, err) || !plug_in(s, i, nets, &net->nics[i], err))
            return false;
    net->nnics = s->nnics;
    for (unsigned i = 0; i < s->ndumps; i++)
        if (!nets_add_dump(nets, s->dumps[i].netdev, s->dumps[i].file, s->dumps[i].maxlen, err))
            return error_prefix(err, "-object filter-dump");
    return true;
}
