/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/suggest.h"

/* ---- key=value lists ---- */

/* Copies one item, up to a lone comma, with ",," made one. Returns where it ended. */
static const char *take_item(const char *text, char *out)
{
    while (*text) {
        if (*text == ',') {
            if (text[1] != ',')
                break;
            text++;
        }
        *out++ = *text++;
    }
    *out = '\0';
    return text;
}

static bool add_pair(struct option_list *l, const char *key, const char *value, bool bare,
                     struct error *err)
{
    if (l->n == OPTION_LIST_MAX)
        return error_set(err, "more than %d settings", OPTION_LIST_MAX);
    struct option_pair *p = &l->pairs[l->n];
    p->key = strdup(key);
    p->value = strdup(value);
    p->bare = bare;
    l->n++;
    return (p->key && p->value) || error_set(err, "out of memory");
}

static bool add_item(struct option_list *l, char *item, const char *implied, struct error *err)
{
    char *equals = strchr(item, '=');

    /* A path may hold '=': only a word before it makes it a key. */
    if (l->n == 0 && implied && (!equals || strcspn(item, "/:") < (size_t)(equals - item)))
        return add_pair(l, implied, item, true, err);
    if (!*item || equals == item)
        return error_set(err, "\"%s\": a setting key=value is expected", item);
    if (!equals)
        return add_pair(l, item, "on", true, err);
    *equals = '\0';
    return add_pair(l, item, equals + 1, false, err);
}

bool option_list_parse(struct option_list *l, const char *text, const char *implied,
                       struct error *err)
{
    char *item = malloc(strlen(text) + 1);
    bool ok = item != NULL;

    l->n = 0;
    if (!ok)
        error_set(err, "out of memory");
    while (ok) {
        text = take_item(text, item);
        ok = add_item(l, item, implied, err);
        if (*text++ != ',')
            break;
    }
    free(item);
    if (!ok)
        option_list_free(l);
    return ok;
}

void option_list_free(struct option_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->pairs[i].key);
        free(l->pairs[i].value);
    }
    l->n = 0;
}

const char *option_get(const struct option_list *l, const char *key)
{
    for (size_t i = l->n; i-- > 0;) {
        const struct option_pair *p = &l->pairs[i];

        if (!strcmp(p->key, key))
            return p->value;
        if (p->bare && !strncmp(p->key, "no", 2) && !strcmp(p->key + 2, key))
            return "off";
    }
    return NULL;
}

bool option_get_bool(const struct option_list *l, const char *key, bool *value, struct error *err)
{
    static const char *const words[] = {"on", "yes", "true", "off", "no", "false"};
    const char *v = option_get(l, key);

    if (!v)
        return true;
    for (int i = 0; i < 6; i++) {
        if (!strcmp(v, words[i])) {
            *value = i < 3;
            return true;
        }
    }
    return error_set(err, "%s=%s: on or off is expected", key, v);
}

bool option_get_number(const struct option_list *l, const char *key, uint64_t min, uint64_t max,
                       uint64_t *value, struct error *err)
{
    const char *v = option_get(l, key);

    if (!v || number_parse(v, min, max, value, err))
        return true;
    error_prefix(err, "%s", key);
    return false;
}

static bool known_key(const struct option_pair *p, const char *const *known)
{
    for (; *known; known++)
        if (!strcmp(p->key, *known) ||
            (p->bare && !strncmp(p->key, "no", 2) && !strcmp(p->key + 2, *known)))
            return true;
    return false;
}

bool option_list_check(const struct option_list *l, const char *const *known, struct error *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (!known_key(&l->pairs[i], known))
            return error_set(err, "%s: no such setting; did you mean %s?", l->pairs[i].key,
                             suggest(l->pairs[i].key, known));
    return true;
}

/* ---- command line ---- */

static const struct option_row *find_row(const struct option_row *table, const char *name,
                                         size_t len)
{
    for (; table->name; table++)
        if (strlen(table->name) == len && !memcmp(table->name, name, len))
            return table;
    return NULL;
}

static int unknown_option(const struct option_row *table, const char *name, struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, name);
    for (; table->name; table++)
        if (table->group)
            suggest_offer(&near, table->name);
    return error_set(err, "-%s: no such option; did you mean -%s?", name, near.best);
}

const struct option_row *option_next(const struct option_row *table, char **argv, int *index,
                                     const char **value, struct error *err)
{
    const char *word = argv[(*index)++];
    const char *name = word + 1 + (word[0] == '-' && word[1] == '-');
    const char *equals;

    *value = NULL;
    err->text[0] = '\0';
    if (word[0] != '-' || !*name) {
        *value = word;
        return NULL;
    }
    equals = strchr(name, '=');
    const struct option_row *row =
        find_row(table, name, equals ? (size_t)(equals - name) : strlen(name));
    if (!row) {
        unknown_option(table, name, err);
        return NULL;
    }
    if (!row->group) {
        error_set(err, "-%s: not in this version yet%s%s", row->name, row->help ? "; try " : "",
                  row->help ? row->help : "");
        return NULL;
    }
    if (equals && (row->arg || !strcmp(row->name, "help"))) {
        *value = equals + 1;
    } else if (equals) {
        error_set(err, "-%s: takes no value", row->name);
        return NULL;
    } else if (row->arg && row->arg[0] != '[') {
        *value = argv[*index];
        if (!*value) {
            error_set(err, "-%s: %s is expected after it", row->name, row->arg);
            return NULL;
        }
        (*index)++;
    }
    return row;
}

unsigned option_print_help(const struct option_row *table, const char *topic, FILE *out)
{
    unsigned n = 0;

    for (; table->name; table++) {
        char left[80];

        if (!table->group || (topic && strcmp(topic, table->group) != 0))
            continue;
        snprintf(left, sizeof(left), "-%s %s", table->name, table->arg ? table->arg : "");
        if (strlen(left) > 26)
            fprintf(out, "  %s\n  %-26s  %s\n", left, "", table->help);
        else
            fprintf(out, "  %-26s  %s\n", left, table->help);
        n++;
    }
    return n;
}

#define SUMMARY_INDENT 10
#define SUMMARY_WIDTH  79

void option_print_summary(const struct option_row *table, FILE *out)
{
    const char *topic = "";
    size_t column = 0;

    for (; table->name; table++) {
        size_t len = strlen(table->name) + 1 + (table->arg ? strlen(table->arg) + 1 : 0);

        if (!table->group || !strcmp(table->group, OPTION_TOPIC_OTHER))
            continue;
        bool first = strcmp(table->group, topic) != 0;
        if (first || column + 2 + len > SUMMARY_WIDTH) {
            column = SUMMARY_INDENT + len;
            fprintf(out, "%s%-*s-%s%s%s", *topic ? "\n" : "", SUMMARY_INDENT,
                    first ? table->group : "", table->name, table->arg ? " " : "",
                    table->arg ? table->arg : "");
        } else {
            column += 2 + len;
            fprintf(out, "  -%s%s%s", table->name, table->arg ? " " : "",
                    table->arg ? table->arg : "");
        }
        topic = table->group;
    }
    fputc('\n', out);
}

void option_each_topic(const struct option_row *table, void (*fn)(void *, const char *), void *p)
{
    const char *last = "";

    for (; table->name; table++) {
        if (table->group && strcmp(table->group, last) != 0)
            fn(p, table->group);
        if (table->group)
            last = table->group;
    }
}
