/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP sessions: the stream is cut into JSON values, each is a request, each request has one answer.
 * The commands are rows of qmp_commands.c.
 *
 * A client is not trusted: what it sends is bounded in size and depth, and what it does not read
 * in time ends its connection (chardev_keep_output). */
#include "monitor/qmp.h"

#include "config.h"

#if CONFIG_JANSSON
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/char/backend.h"
#include "monitor/qmp_internal.h"
#include "vm/machine.h"

#define REQUEST_MAX (4u << 20)  /* bytes of one request */
#define DEPTH_MAX   256         /* of nested arrays and objects */
#define OUTPUT_MAX  (16u << 20) /* what a client may leave unread */

struct qmp {
    struct control *ctl;
    struct qmp *next;
    struct chardev *chr;
    bool pretty, negotiated;
    void (*output)(void *opaque, const char *line);
    void *output_opaque;
    /* The value being received. */
    char *text;
    size_t len, size;
    unsigned depth;
    bool in_string, escaped, too_big;
};

bool qmp_available(void)
{
    return true;
}

/* ---- output ---- */

static void send_line(struct qmp *q, json_t *v)
{
    char *text = json_dumps(v, JSON_ENCODE_ANY | (q->pretty ? JSON_INDENT(4) : 0));
    size_t len;

    if (!text)
        return;
    if (q->output) {
        q->output(q->output_opaque, text);
    } else if (q->chr) {
        len = strlen(text);
        char *line = realloc(text, len + 3);

        if (line) {
            memcpy(line + len, "\r\n", 3);
            chardev_write(q->chr, line, len + 2); /* whole: an event may come in between */
            text = line;
        }
    }
    free(text);
}

static void send_new(struct qmp *q, json_t *v)
{
    if (v)
        send_line(q, v);
    json_decref(v);
}

json_t *qmp_version(void)
{
    /* The number is that of the QEMU whose schema this follows; who it is says the package. */
    return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "micro", 0, "minor", 2, "major", 7,
                     "package", "Calque " CALQUE_VERSION);
}

static void greet(struct qmp *q)
{
    send_new(q, json_pack("{s:{s:o, s:[]}}", "QMP", "version", qmp_version(), "capabilities"));
}

static json_t *timestamp(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return json_pack("{s:I, s:I}", "seconds", (json_int_t)t.tv_sec, "microseconds",
                     (json_int_t)(t.tv_nsec / 1000));
}

void qmp_event(struct control *ctl, const char *name, const char *data, ...)
{
    json_t *event, *value = NULL;
    va_list ap;

    if (!ctl->sessions)
        return;
    va_start(ap, data);
    if (data)
        value = json_vpack_ex(NULL, 0, data, ap);
    va_end(ap);
    event = json_pack("{s:s, s:o*, s:o}", "event", name, "data", value, "timestamp", timestamp());
    for (struct qmp *q = ctl->sessions; q && event; q = q->next)
        if (q->negotiated)
            send_line(q, event);
    json_decref(event);
}

int qmp_take_fd(struct qmp *q)
{
    return q->chr ? chardev_take_fd(q->chr) : -1;
}

/* ---- one request ---- */

const struct qmp_command *qmp_find(const char *name)
{
    for (const struct qmp_command *c = qmp_commands; c->name; c++)
        if (!strcmp(c->name, name))
            return c;
    return NULL;
}

static json_t *not_found(struct qmp_call *call, const char *name, struct error *err)
{
    call->error_class = "CommandNotFound";
    error_set(err, "The command %.100s has not been found", name);
    return NULL;
}

/* The members of a request, before it is known what is asked. */
static const char *request_name(json_t *request, struct error *err)
{
    static const char *const known[] = {"execute", "arguments", "id", NULL};
    json_t *args = json_object_get(request, "arguments"), *name, *value;
    const char *key;

    json_object_foreach(request, key, value)
    {
        unsigned i = 0;

        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i]) {
            error_set(err, "QMP input member '%.100s' is unexpected%s", key,
                      strcmp(key, "exec-oob") ? "" : ": nothing is executed out of band here");
            return NULL;
        }
    }
    name = json_object_get(request, "execute");
    if (!name)
        error_set(err, "QMP input lacks member 'execute'");
    else if (!json_is_string(name))
        error_set(err, "QMP input member 'execute' must be a string");
    else if (args && !json_is_object(args))
        error_set(err, "QMP input member 'arguments' must be an object");
    else
        return json_string_value(name);
    return NULL;
}

/* qmp_capabilities: the first command, once. */
static json_t *negotiate(struct qmp *q, json_t *args, struct error *err)
{
    if (!qmp_check_members("?enable:[QMPCapability]", args, err))
        return NULL;
    if (json_array_size(json_object_get(args, "enable"))) {
        error_set(err, "Capability oob is not available");
        return NULL;
    }
    machine_lock(q->ctl->m);
    q->negotiated = true;
    machine_unlock(q->ctl->m);
    return json_object();
}

static json_t *call_command(struct qmp_call *call, const struct qmp_command *c, json_t *args,
                            struct error *err)
{
    json_t *result;

    if (!qmp_check_members(c->args, args, err))
        return NULL;
    if (!c->unlocked)
        machine_lock(call->ctl->m);
    result = c->run(call, args, err);
    if (!c->unlocked)
        machine_unlock(call->ctl->m);
    return result;
}

static json_t *execute(struct qmp *q, struct qmp_call *call, json_t *request, struct error *err)
{
    const char *name = request_name(request, err);
    bool negotiation = name && !strcmp(name, "qmp_capabilities");
    json_t *given = json_object_get(request, "arguments"), *args, *result = NULL;
    const struct qmp_command *c;

    if (!name)
        return NULL;
    if (negotiation == q->negotiated) {
        call->error_class = "CommandNotFound";
        error_set(err, negotiation ? "Capabilities negotiation is already complete, command ignored"
                                   : "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    c = qmp_find(name);
    if (!c)
        return not_found(call, name, err);
    args = given ? json_incref(given) : json_object();
    if (args)
        result = negotiation ? negotiate(q, args, err) : call_command(call, c, args, err);
    json_decref(args);
    return result;
}

static void answer_error(struct qmp *q, const char *class, const char *text, json_t *id)
{
    send_new(q, json_pack("{s:{s:s, s:o}, s:O*}", "error", "class", class, "desc", qmp_string(text),
                          "id", id));
}

static void handle_value(struct qmp *q, json_t *request)
{
    struct qmp_call call = {.ctl = q->ctl, .session = q, .error_class = "GenericError"};
    struct error err = {"out of memory"};
    json_t *id = json_object_get(request, "id"), *result;

    if (!json_is_object(request)) {
        answer_error(q, call.error_class, "QMP input must be a JSON object", NULL);
        return;
    }
    result = execute(q, &call, request, &err);
    if (result)
        send_new(q, json_pack("{s:o, s:O*}", "return", result, "id", id));
    else
        answer_error(q, call.error_class, err.text, id);
}

static void handle_text(struct qmp *q)
{
    json_error_t why;
    json_t *request = json_loadb(q->text, q->len, JSON_REJECT_DUPLICATES, &why);
    char text[sizeof(why.text) + 32];

    if (request) {
        handle_value(q, request);
    } else {
        snprintf(text, sizeof(text), "JSON parse error, %s", why.text);
        answer_error(q, "GenericError", text, NULL);
    }
    json_decref(request);
}

/* ---- the stream ---- */

static void end_value(struct qmp *q)
{
    if (q->too_big)
        answer_error(q, "GenericError", "JSON parse error, the request is too large or too deep",
                     NULL);
    else
        handle_text(q);
    q->len = q->depth = 0;
    q->in_string = q->escaped = q->too_big = false;
}

/* What is too large is read to its end, but not kept. */
static void keep(struct qmp *q, char c)
{
    if (q->len == q->size && !q->too_big) {
        size_t size = q->size ? 2 * q->size : 512;
        char *text = size <= REQUEST_MAX ? realloc(q->text, size) : NULL;

        if (!text)
            q->too_big = true;
        else
            q->text = text, q->size = size;
    }
    if (!q->too_big)
        q->text[q->len++] = c;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A value that is no array nor object ends with its line, as does what is not JSON. */
static void structure(struct qmp *q, char c)
{
    switch (c) {
    case '"':
        q->in_string = true;
        break;
    case '{':
    case '[':
        if (++q->depth > DEPTH_MAX)
            q->too_big = true;
        break;
    case '}':
    case ']':
        if (q->depth)
            q->depth--;
        if (!q->depth)
            end_value(q);
        break;
    case '\n':
        if (!q->depth)
            end_value(q);
        break;
    default:
        break;
    }
}

static void in_string(struct qmp *q, char c)
{
    if (q->escaped)
        q->escaped = false;
    else if (c == '\\')
        q->escaped = true;
    else if (c == '"' || (c == '\n' && !q->depth))
        q->in_string = false;
    if (c == '\n' && !q->depth)
        end_value(q);
}

static void feed_byte(struct qmp *q, char c)
{
    if ((uint8_t)c == 0xff) { /* never in UTF-8: begins anew (QMP specification 2.6) */
        q->len = q->depth = 0;
        q->in_string = q->escaped = q->too_big = false;
        return;
    }
    if (!q->len && !q->too_big && is_space(c))
        return;
    keep(q, c);
    if (q->in_string)
        in_string(q, c);
    else
        structure(q, c);
}

void qmp_feed(struct qmp *q, const void *data, size_t len)
{
    const char *p = data;

    for (size_t i = 0; i < len; i++)
        feed_byte(q, p[i]);
}

/* ---- sessions ---- */

static void on_input(void *opaque, const uint8_t *data, size_t len)
{
    qmp_feed(opaque, data, len);
}

static void on_open(void *opaque, bool open)
{
    struct qmp *q = opaque;

    machine_lock(q->ctl->m);
    q->negotiated = false;
    machine_unlock(q->ctl->m);
    q->len = q->depth = 0;
    q->in_string = q->escaped = q->too_big = false;
    if (open)
        greet(q);
}

struct qmp *qmp_new(struct control *ctl, struct chardev *c, bool pretty)
{
    struct qmp *q = calloc(1, sizeof(*q));

    if (!q)
        return NULL;
    q->ctl = ctl;
    q->chr = c;
    q->pretty = pretty;
    machine_lock(ctl->m);
    q->next = ctl->sessions;
    ctl->sessions = q;
    machine_unlock(ctl->m);
    if (c) {
        chardev_keep_output(c, OUTPUT_MAX);
        chardev_accept_fds(c);
        chardev_attach_monitor(c, on_input, NULL, q);
        chardev_on_open(c, on_open, q);
    }
    return q;
}

void qmp_on_output(struct qmp *q, void (*fn)(void *opaque, const char *line), void *opaque)
{
    q->output = fn;
    q->output_opaque = opaque;
    greet(q);
}

void qmp_free(struct qmp *q)
{
    if (!q)
        return;
    machine_lock(q->ctl->m);
    for (struct qmp **p = &q->ctl->sessions; *p; p = &(*p)->next) {
        if (*p == q) {
            *p = q->next;
            break;
        }
    }
    machine_unlock(q->ctl->m);
    if (q->chr) {
        chardev_attach_monitor(q->chr, NULL, NULL, NULL);
        chardev_on_open(q->chr, NULL, NULL);
    }
    free(q->text);
    free(q);
}

#else

bool qmp_available(void)
{
    return false;
}

struct qmp *qmp_new(struct control *ctl, struct chardev *c, bool pretty)
{
    (void)ctl, (void)c, (void)pretty;
    return NULL;
}

void qmp_free(struct qmp *q)
{
    (void)q;
}

void qmp_feed(struct qmp *q, const void *data, size_t len)
{
    (void)q, (void)data, (void)len;
}

void qmp_on_output(struct qmp *q, void (*fn)(void *opaque, const char *line), void *opaque)
{
    (void)q, (void)fn, (void)opaque;
}

void qmp_event(struct control *ctl, const char *name, const char *data, ...)
{
    (void)ctl, (void)name, (void)data;
}
#endif
