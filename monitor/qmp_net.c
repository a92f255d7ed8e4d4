/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about networks (qapi/net.json). */
#include "config.h"

#if CONFIG_JANSSON
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/net/backend.h"
#include "monitor/qmp_internal.h"

json_t *qmp_set_link(struct qmp_call *call, json_t *args, struct error *err)
{
    if (control_set_link(call->ctl, qmp_arg(args, "name"),
                         json_is_true(json_object_get(args, "up")), err))
        return json_object();
    call->error_class = "DeviceNotFound";
    return NULL;
}

json_t *qmp_netdev_del(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(control_netdev_del(call->ctl, qmp_arg(args, "id"), err));
}

/* ---- netdev_add: its members as -netdev has them ---- */

static void put_setting(FILE *out, const char *key, const char *value)
{
    fprintf(out, "%s%s=", ftell(out) ? "," : "", key);
    for (; *value; value++)
        fprintf(out, *value == ',' ? ",," : "%c", *value);
}

static bool put_value(FILE *out, const char *key, const json_t *v, struct error *err)
{
    char number[32];

    if (json_is_string(v)) {
        put_setting(out, key, json_string_value(v));
    } else if (json_is_integer(v)) {
        snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        put_setting(out, key, number);
    } else if (json_is_boolean(v)) {
        put_setting(out, key, json_is_true(v) ? "on" : "off");
    } else {
        return error_set(err, "Invalid parameter type for '%s', expected: string", key);
    }
    return true;
}

/* A list of {"str": TEXT}, or a structure such as an address. */
static bool put_member(FILE *out, const char *key, json_t *v, struct error *err)
{
    const char *inner;
    char name[80];
    json_t *item;
    size_t i;

    if (json_is_array(v)) {
        json_array_foreach(v, i, item)
        {
            if (!put_value(out, key, json_object_get(item, "str"), err))
                return false;
        }
        return true;
    }
    if (!json_is_object(v))
        return put_value(out, key, v, err);
    json_object_foreach(v, inner, item)
    {
        snprintf(name, sizeof(name), "%s.%s", key, inner);
        if (!put_value(out, name, item, err))
            return false;
    }
    return true;
}

json_t *qmp_netdev_add(struct qmp_call *call, json_t *args, struct error *err)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    const char *key;
    json_t *v;
    bool ok = out;

    if (!out) {
        error_set(err, "out of memory");
        return NULL;
    }
    json_object_foreach(args, key, v)
    {
        ok = ok && put_member(out, key, v, err);
    }
    ok = fclose(out) == 0 && ok && control_netdev_add(call->ctl, text, err);
    free(text);
    return qmp_done(ok);
}

/* ---- query-rx-filter ---- */

static json_t *address(const uint8_t mac[NET_MAC_SIZE])
{
    return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                        mac[5]);
}

static json_t *table(const uint8_t macs[][NET_MAC_SIZE], unsigned n)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n && i < NET_RX_FILTER_MACS; i++)
        json_array_append_new(list, address(macs[i]));
    return list;
}

static void add_filter(void *opaque, const char *nic, const struct net_rx_filter *f)
{
    static const char *const modes[] = {"none", "normal", "all"};
    json_t *vlans = json_array();

    for (unsigned i = 0; i < f->nvlans; i++)
        json_array_append_new(vlans, json_integer(f->vlans[i]));
    json_array_append_new(opaque,
                          json_pack("{s:s, s:b, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o, s:o}",
                                    "name", nic, "promiscuous", f->promiscuous, "multicast",
                                    modes[f->multicast], "unicast", modes[f->unicast], "vlan",
                                    modes[f->vlan], "broadcast-allowed", f->broadcast,
                                    "multicast-overflow", f->multicast_overflow, "unicast-overflow",
                                    f->unicast_overflow, "main-mac", address(f->mac), "vlan-table",
                                    vlans, "unicast-table", table(f->unicast_table, f->nunicast),
                                    "multicast-table", table(f->multicast_table, f->nmulticast)));
}

json_t *qmp_query_rx_filter(struct qmp_call *call, json_t *args, struct error *err)
{
    struct nets *s = call->ctl->about.nets;
    json_t *list = json_array();

    if (!s || nets_rx_filter(s, qmp_arg(args, "name"), add_filter, list, err))
        return list;
    json_decref(list);
    return NULL;
}
#endif
