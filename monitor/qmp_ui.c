/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about front ends and pointers (qapi/ui.json). */
#include "config.h"

#if CONFIG_JANSSON
#include "host/ui/hid.h"
#include "host/ui/ui.h"
#include "monitor/qmp_internal.h"

json_t *qmp_set_password(struct qmp_call *call, json_t *args, struct error *err)
{
    const char *connected = qmp_arg(args, "connected");

    /* VNC's viewers stay (the schema says that it takes nothing else). */
    if (connected && *connected != 'k') {
        error_set(err, "parameter 'connected' must be 'keep' when 'protocol' is vnc");
        return NULL;
    }
    return qmp_done(
        control_set_password(call->ctl, qmp_arg(args, "protocol"), qmp_arg(args, "password"), err));
}

json_t *qmp_change_vnc_password(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(control_set_password(call->ctl, "vnc", qmp_arg(args, "password"), err));
}

json_t *qmp_expire_password(struct qmp_call *call, json_t *args, struct error *err)
{
    return qmp_done(
        control_expire_password(call->ctl, qmp_arg(args, "protocol"), qmp_arg(args, "time"), err));
}

/* VncBasicInfo */
static json_t *peer(const struct vnc_peer *p)
{
    return json_pack("{s:o, s:o, s:s, s:b}", "host", qmp_string(p->host), "service",
                     qmp_string(p->service), "family", p->family, "websocket", p->websocket);
}

static json_t *clients(const struct vnc_info *info)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < info->viewers; i++)
        json_array_append_new(list, peer(&info->viewer[i]));
    return list;
}

json_t *qmp_query_vnc(struct qmp_call *call, json_t *args, struct error *err)
{
    struct vnc_info info;
    json_t *o;

    (void)args, (void)err;
    control_vnc(call->ctl, &info);
    if (!info.enabled)
        return json_pack("{s:b}", "enabled", false);
    o = peer(&info.server);
    json_object_del(o, "websocket");
    json_object_set_new(o, "auth", json_string(info.password ? "vnc" : "none"));
    json_object_set_new(o, "enabled", json_true());
    json_object_set_new(o, "clients", clients(&info));
    return o;
}

/* There is one server at most; QEMU calls it default. */
json_t *qmp_query_vnc_servers(struct qmp_call *call, json_t *args, struct error *err)
{
    struct vnc_info info;
    const char *auth;
    json_t *server;

    (void)args, (void)err;
    control_vnc(call->ctl, &info);
    if (!info.enabled)
        return json_array();
    auth = info.password ? "vnc" : "none";
    server = peer(&info.server);
    json_object_set_new(server, "auth", json_string(auth));
    return json_pack("[{s:s, s:[o], s:o, s:s}]", "id", "default", "server", server, "clients",
                     clients(&info), "auth", auth);
}

json_t *qmp_query_mice(struct qmp_call *call, json_t *args, struct error *err)
{
    struct hid *hid = control_hid(call->ctl, err);
    json_t *list;

    (void)args;
    if (!hid)
        return NULL;
    bool absolute = atomic_load(&hid->absolute);
    list = json_pack("[{s:s, s:i, s:b, s:b}]", "name", "PS/2 mouse", "index", 0, "current",
                     !absolute, "absolute", false);
    if (absolute)
        json_array_append_new(list, json_pack("{s:s, s:i, s:b, s:b}", "name", "tablet", "index", 1,
                                              "current", true, "absolute", true));
    return list;
}
#endif
