/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_MONITOR_QMP_INTERNAL_H
#define CALQUE_MONITOR_QMP_INTERNAL_H

#include <jansson.h>

#include "base/error.h"
#include "monitor/control.h"
#include "monitor/qmp.h"

/* ---- the schema: one text for checking arguments, defaults and query-qmp-schema ----
 *
 * Members are written "name:type ?name:type", separated by spaces; '?' marks what may be missing.
 * A type is str, int, number, bool, any, a name of qmp_types[], or [type] for an array. "*" as the
 * last member: others are welcome (device_add). */

enum qmp_kind {
    QMP_OBJECT,    /* text: members */
    QMP_ENUM,      /* text: values */
    QMP_ALTERNATE, /* text: members, one of whose types the value has */
};

struct qmp_type {
    const char *name;
    enum qmp_kind kind;
    const char *text;
    const char *tag;      /* QMP_OBJECT: the member that selects one of variants; NULL: none */
    const char *variants; /* "value=Type value=Type": whose members are wanted in addition */
};

extern const struct qmp_type qmp_types[]; /* ends with an empty name */

struct qmp_call {
    struct control *ctl;
    struct qmp *session;
    const char *error_class; /* "GenericError" unless the command sets another one */
};

/* The arguments have been checked. Returns a new value, or NULL with *err. With the machine lock
 * held, unless the row says otherwise. */
typedef json_t *qmp_fn(struct qmp_call *call, json_t *args, struct error *err);

struct qmp_command {
    const char *name;
    const char *args, *ret; /* members; a type, "" for none */
    qmp_fn *run;
    bool unlocked; /* takes the machine lock itself */
};

struct qmp_event_row {
    const char *name, *data;
};

extern const struct qmp_command qmp_commands[]; /* ends with an empty name */
extern const struct qmp_event_row qmp_events[];

/* Checks args, a JSON object, against members. */
bool qmp_check_members(const char *members, json_t *args, struct error *err);
/* Checks one value; path names it in errors. */
bool qmp_check_value(const char *type, json_t *v, const char *path, struct error *err);
/* What query-qmp-schema returns. */
json_t *qmp_schema(void);

/* One member of a list of members; *text is moved behind it. False at the end. */
struct qmp_member {
    char name[48], type[48];
    bool optional, rest;
};
bool qmp_next_member(const char **text, struct qmp_member *m);

/* ---- what commands share ---- */

const struct qmp_command *qmp_find(const char *name);
/* A string that may not be UTF-8 (file names). */
json_t *qmp_string(const char *text);
json_t *qmp_version(void);
/* "text" or, when the member is missing, NULL. */
const char *qmp_arg(json_t *args, const char *name);
/* The descriptor that came with the request; -1: none did. The caller's. */
int qmp_take_fd(struct qmp *q);
/* {} if ok, else NULL. */
json_t *qmp_done(bool ok);

/* Rows of qmp_commands[], by file. */
/* qmp_run.c */
qmp_fn qmp_query_status, qmp_stop, qmp_cont, qmp_system_reset, qmp_system_powerdown,
    qmp_system_wakeup, qmp_quit, qmp_inject_nmi, qmp_memsave, qmp_pmemsave, qmp_human_command,
    qmp_send_key, qmp_input_event, qmp_screendump;
/* qmp_query.c */
qmp_fn qmp_query_version, qmp_query_name, qmp_query_uuid, qmp_query_commands, qmp_query_events,
    qmp_query_schema, qmp_query_kvm, qmp_query_machines, qmp_query_current_machine,
    qmp_query_target, qmp_query_chardev, qmp_query_memory, qmp_query_memdev, qmp_query_options,
    qmp_query_pci, qmp_object_add, qmp_object_del, qmp_empty_list, qmp_query_balloon, qmp_balloon,
    qmp_qom_set, qmp_no_sev, qmp_no_sgx;
/* qmp_migrate.c */
qmp_fn qmp_getfd, qmp_closefd, qmp_migrate, qmp_migrate_cancel, qmp_migrate_incoming,
    qmp_query_migrate, qmp_migrate_set_parameters, qmp_query_migrate_parameters,
    qmp_query_migrate_capabilities, qmp_migrate_set_capabilities;
/* qmp_jobs.c */
qmp_fn qmp_snapshot_save, qmp_snapshot_load, qmp_snapshot_delete, qmp_query_jobs, qmp_job_cancel,
    qmp_job_dismiss;
/* qmp_ui.c */
qmp_fn qmp_set_password, qmp_change_vnc_password, qmp_expire_password, qmp_query_vnc,
    qmp_query_mice, qmp_query_vnc_servers;
/* qmp_net.c */
qmp_fn qmp_set_link, qmp_netdev_add, qmp_netdev_del, qmp_query_rx_filter;
/* qmp_cpu.c */
qmp_fn qmp_query_cpus, qmp_query_hotpluggable, qmp_query_cpu_definitions, qmp_expand_model;
/* qmp_block.c */
qmp_fn qmp_query_block, qmp_query_named_nodes, qmp_query_blockstats, qmp_eject, qmp_open_tray,
    qmp_close_tray, qmp_change_medium;
/* qmp_qom.c */
qmp_fn qmp_qom_list, qmp_qom_get, qmp_qom_list_types, qmp_qom_list_properties,
    qmp_device_list_properties, qmp_device_add, qmp_device_del;

#endif
