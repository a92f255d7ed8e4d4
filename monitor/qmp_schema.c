/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's schema: checking arguments against it, and showing it. Error texts are QEMU's, which
 * programs have been seen to look at. */
#include "config.h"

#if CONFIG_JANSSON
#include <stdio.h>
#include <string.h>

#include "monitor/qmp_internal.h"

#define PATH_MAX_LEN 160

/* ---- the notation ---- */

static void copy_word(char *out, size_t size, const char *word, size_t len)
{
    snprintf(out, size, "%.*s", (int)len, word);
}

bool qmp_next_member(const char **text, struct qmp_member *m)
{
    const char *p = *text + strspn(*text, " ");
    size_t len = strcspn(p, " ");
    const char *colon = memchr(p, ':', len);

    *text = p + len;
    if (!len)
        return false;
    *m = (struct qmp_member){.optional = *p == '?', .rest = *p == '*'};
    if (m->rest || !colon)
        return true;
    p += m->optional;
    copy_word(m->name, sizeof(m->name), p, (size_t)(colon - p));
    copy_word(m->type, sizeof(m->type), colon + 1, (size_t)(*text - colon - 1));
    return true;
}

static bool find_member(const char *text, const char *name, struct qmp_member *m)
{
    while (qmp_next_member(&text, m))
        if (!strcmp(m->name, name))
            return true;
    return false;
}

static bool takes_rest(const char *text)
{
    struct qmp_member m;

    while (qmp_next_member(&text, &m))
        if (m.rest)
            return true;
    return false;
}

static const struct qmp_type *find_type(const char *name)
{
    for (const struct qmp_type *t = qmp_types; t->name; t++)
        if (!strcmp(t->name, name))
            return t;
    return NULL;
}

/* "value=Type": the type of this value; NULL: it adds no members. */
static const struct qmp_type *find_variant(const struct qmp_type *t, const char *value)
{
    size_t len = strlen(value);

    for (const char *p = t->variants; p && *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        char name[48];

        if (strncmp(p, value, len) != 0 || p[len] != '=')
            continue;
        copy_word(name, sizeof(name), p + len + 1, strcspn(p + len + 1, " "));
        return find_type(name);
    }
    return NULL;
}

static bool in_words(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " "))
        if (strcspn(p, " ") == len && !memcmp(p, word, len))
            return true;
    return false;
}

/* ---- checking ---- */

static bool check(const char *type, json_t *v, const char *path, struct error *err);

static const struct {
    const char *name, *json, *expected;
} builtins[] = {
    {"str", "string", "string"},    {"int", "int", "integer"}, {"number", "number", "number"},
    {"bool", "boolean", "boolean"}, {"any", "value", "value"}, {NULL, NULL, NULL},
};

static bool has_builtin(const char *type, const json_t *v)
{
    switch (*type) {
    case 's':
        return json_is_string(v);
    case 'i':
        return json_is_integer(v);
    case 'n':
        return json_is_number(v);
    case 'b':
        return json_is_boolean(v);
    default:
        return true;
    }
}

static bool wrong_type(const char *path, const char *expected, struct error *err)
{
    return error_set(err, "Invalid parameter type for '%s', expected: %s", path, expected);
}

static void member_path(char *out, size_t size, const char *path, const char *name)
{
    snprintf(out, size, "%s%s%s", path, *path ? "." : "", name);
}

/* The members that are there have their types, and none is missing. */
static bool check_known(const char *members, json_t *v, const char *path, struct error *err)
{
    struct qmp_member m;

    while (qmp_next_member(&members, &m)) {
        char inner[PATH_MAX_LEN];
        json_t *member = json_object_get(v, m.name);

        if (m.rest)
            continue;
        member_path(inner, sizeof(inner), path, m.name);
        if (!member && !m.optional)
            return error_set(err, "Parameter '%s' is missing", inner);
        if (member && !check(m.type, member, inner, err))
            return false;
    }
    return true;
}

/* None is there that neither list has. */
static bool check_unknown(const char *members, const char *more, json_t *v, const char *path,
                          struct error *err)
{
    const char *key;
    json_t *value;

    if (takes_rest(members))
        return true;
    json_object_foreach(v, key, value)
    {
        struct qmp_member m;
        char inner[PATH_MAX_LEN];

        if (find_member(members, key, &m) || find_member(more, key, &m))
            continue;
        member_path(inner, sizeof(inner), path, key);
        return error_set(err, "Parameter '%s' is unexpected", inner);
    }
    return true;
}

static bool check_object(const struct qmp_type *t, json_t *v, const char *path, struct error *err)
{
    const struct qmp_type *variant = NULL;

    if (!json_is_object(v))
        return wrong_type(path, "object", err);
    if (!check_known(t->text, v, path, err))
        return false;
    if (t->tag && json_is_string(json_object_get(v, t->tag)))
        variant = find_variant(t, json_string_value(json_object_get(v, t->tag)));
    if (variant && !check_known(variant->text, v, path, err))
        return false;
    return check_unknown(t->text, variant ? variant->text : "", v, path, err);
}

static bool check_enum(const struct qmp_type *t, json_t *v, const char *path, struct error *err)
{
    if (!json_is_string(v))
        return wrong_type(path, "string", err);
    return in_words(t->text, json_string_value(v)) ||
           error_set(err, "Invalid parameter '%s'", json_string_value(v));
}

static bool check_alternate(const struct qmp_type *t, json_t *v, const char *path,
                            struct error *err)
{
    const char *text = t->text;
    struct qmp_member m;

    while (qmp_next_member(&text, &m))
        if (check(m.type, v, path, NULL))
            return true;
    return wrong_type(path, t->name, err);
}

static bool check_array(const char *type, json_t *v, const char *path, struct error *err)
{
    char element[48], inner[PATH_MAX_LEN];
    size_t i;
    json_t *item;

    if (!json_is_array(v))
        return wrong_type(path, "array", err);
    copy_word(element, sizeof(element), type + 1, strcspn(type + 1, "]"));
    json_array_foreach(v, i, item)
    {
        snprintf(inner, sizeof(inner), "%s[%zu]", path, i);
        if (!check(element, item, inner, err))
            return false;
    }
    return true;
}

static bool check(const char *type, json_t *v, const char *path, struct error *err)
{
    const struct qmp_type *t;

    if (*type == '[')
        return check_array(type, v, path, err);
    for (unsigned i = 0; builtins[i].name; i++)
        if (!strcmp(type, builtins[i].name))
            return has_builtin(type, v) || wrong_type(path, builtins[i].expected, err);
    t = find_type(type);
    if (!t)
        return error_set(err, "internal: type %s is not in the schema", type);
    switch (t->kind) {
    case QMP_ENUM:
        return check_enum(t, v, path, err);
    case QMP_ALTERNATE:
        return check_alternate(t, v, path, err);
    default:
        return check_object(t, v, path, err);
    }
}

bool qmp_check_value(const char *type, json_t *v, const char *path, struct error *err)
{
    return check(type, v, path, err);
}

bool qmp_check_members(const char *members, json_t *args, struct error *err)
{
    return check_known(members, args, "", err) && check_unknown(members, "", args, "", err);
}

/* ---- showing ---- */

static json_t *show_members(const char *text)
{
    json_t *list = json_array();
    struct qmp_member m;

    while (qmp_next_member(&text, &m)) {
        if (m.rest)
            continue;
        json_t *member = json_pack("{s:s, s:s}", "name", m.name, "type", m.type);

        if (m.optional)
            json_object_set_new(member, "default", json_null());
        json_array_append_new(list, member);
    }
    return list;
}

/* A list of values as strings, or as {"name": value}. */
static json_t *show_words(const char *words, bool objects)
{
    json_t *list = json_array();

    for (const char *p = words; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        json_t *word = json_stringn(p, strcspn(p, " "));

        json_array_append_new(list, objects ? json_pack("{s:o}", "name", word) : word);
    }
    return list;
}

static json_t *show_variants(const char *variants)
{
    json_t *list = json_array();

    for (const char *p = variants; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
        size_t name = strcspn(p, "="), all = strcspn(p, " ");

        json_array_append_new(list, json_pack("{s:o, s:o}", "case", json_stringn(p, name), "type",
                                              json_stringn(p + name + 1, all - name - 1)));
    }
    return list;
}

static json_t *show_type(const struct qmp_type *t)
{
    json_t *o;

    switch (t->kind) {
    case QMP_ENUM:
        return json_pack("{s:s, s:s, s:o, s:o}", "name", t->name, "meta-type", "enum", "members",
                         show_words(t->text, true), "values", show_words(t->text, false));
    case QMP_ALTERNATE:
        o = show_members(t->text);
        for (size_t i = 0; i < json_array_size(o); i++)
            json_object_del(json_array_get(o, i), "name");
        return json_pack("{s:s, s:s, s:o}", "name", t->name, "meta-type", "alternate", "members",
                         o);
    default:
        o = json_pack("{s:s, s:s, s:o}", "name", t->name, "meta-type", "object", "members",
                      show_members(t->text));
        if (t->tag) {
            json_object_set_new(o, "tag", json_string(t->tag));
            json_object_set_new(o, "variants", show_variants(t->variants));
        }
        return o;
    }
}

/* Arrays are types of their own: one entry for each that is mentioned. */
static void add_array(json_t *arrays, const char *type)
{
    if (*type == '[')
        json_object_set_new(arrays, type, json_stringn(type + 1, strcspn(type + 1, "]")));
}

static void add_arrays(json_t *arrays, const char *members)
{
    struct qmp_member m;

    while (qmp_next_member(&members, &m))
        add_array(arrays, m.type);
}

/* Arguments and event data are objects with a name made from that of their owner. */
static const char *add_arguments(json_t *list, const char *owner, const char *suffix,
                                 const char *members, char *name, size_t size)
{
    if (!*members)
        return "q_empty";
    snprintf(name, size, "q_obj_%s-%s", owner, suffix);
    json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", name, "meta-type", "object",
                                          "members", show_members(members)));
    return name;
}

static void show_commands(json_t *list, json_t *arrays)
{
    char name[80];

    for (const struct qmp_command *c = qmp_commands; c->name; c++) {
        const char *args = add_arguments(list, c->name, "arg", c->args, name, sizeof(name));

        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", c->name, "meta-type",
                                              "command", "arg-type", args, "ret-type",
                                              *c->ret ? c->ret : "q_empty"));
        add_arrays(arrays, c->args);
        add_array(arrays, c->ret);
    }
}

static void show_events(json_t *list, json_t *arrays)
{
    char name[80];

    for (const struct qmp_event_row *e = qmp_events; e->name; e++) {
        const char *args = add_arguments(list, e->name, "arg", e->data, name, sizeof(name));

        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", e->name, "meta-type",
                                              "event", "arg-type", args));
        add_arrays(arrays, e->data);
    }
}

json_t *qmp_schema(void)
{
    json_t *list = json_array(), *arrays = json_object(), *element;
    const char *name;

    show_commands(list, arrays);
    show_events(list, arrays);
    for (const struct qmp_type *t = qmp_types; t->name; t++) {
        json_array_append_new(list, show_type(t));
        if (t->kind != QMP_ENUM)
            add_arrays(arrays, t->text);
    }
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:[]}", "name", "q_empty", "meta-type", "object", "members"));
    for (unsigned i = 0; builtins[i].name; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:s}", "name", builtins[i].name, "meta-type",
                                        "builtin", "json-type", builtins[i].json));
    json_object_foreach(arrays, name, element)
        json_array_append_new(list, json_pack("{s:s, s:s, s:O}", "name", name, "meta-type", "array",
                                              "element-type", element));
    json_decref(arrays);
    return list;
}
#endif
