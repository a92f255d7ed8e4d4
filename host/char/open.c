/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Character back ends: opening them, and the two ways to write them down. Both become a list of
 * settings (base/options.h) with the names that -chardev has. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "base/suggest.h"
#include "host/char/backend_internal.h"
#include "host/char/terminal.h"

#define PATIENT_MS   2000 /* a person's terminal, a log: losing output is worse than a hiccup */
#define IMPATIENT_MS 100

static struct chardev *chardev_new(struct chardevs *s, const char *id)
{
    struct chardev *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->set = s;
    c->id = strdup(id);
    c->out_fd = c->keep_fd = -1;
    c->patience_ms = IMPATIENT_MS;
    pthread_mutex_init(&c->lock, NULL);
    /* At the end: the order of the command line. */
    struct chardev **tail = &s->list;
    while (*tail)
        tail = &(*tail)->next;
    *tail = c;
    return c;
}

/* ---- the back ends ---- */

static bool open_null(struct chardev *c, const struct option_list *l, struct error *err)
{
    (void)c, (void)l, (void)err;
    return true;
}

/* Our own file description of a terminal or pipe, so that O_NONBLOCK is not forced on the shell
 * that shares the one we were given. A regular file keeps its shared offset. */
static int private_stdout(void)
{
    struct stat st;

    if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return STDOUT_FILENO;
}

static bool open_stdio(struct chardev *c, const struct option_list *l, struct error *err)
{
    bool signals = true;

    if (!option_get_bool(l, "mux", &c->mux, err))
        return false;
    signals = !c->mux;
    if (!option_get_bool(l, "signal", &signals, err))
        return false;
    if (c->set->stdio)
        return error_set(err, "stdio is in use already; mon:stdio shares it with the monitor");
    c->set->stdio = c;
    c->filename = strdup("stdio");
    c->out_fd = private_stdout();
    c->patience_ms = PATIENT_MS;
    c->interactive = c->lossy = isatty(STDIN_FILENO);
    c->set->keys_are_signals = signals;
    chardev_start_input(c, STDIN_FILENO);
    return true;
}

static bool open_file(struct chardev *c, const struct option_list *l, struct error *err)
{
    const char *path = option_get(l, "path");
    bool append = false;

    if (!option_get_bool(l, "append", &append, err))
        return false;
    if (!path || !*path)
        return error_set(err, "file: path=PATH is expected");
    c->out_fd =
        open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : O_TRUNC), 0666);
    if (c->out_fd < 0)
        return error_set(err, "file:%s: %s", path, strerror(errno));
    if (asprintf(&c->filename, "file:%s", path) < 0)
        c->filename = NULL;
    c->patience_ms = PATIENT_MS;
    return true;
}

static bool open_pty(struct chardev *c, const struct option_list *l, struct error *err)
{
    struct termios t;
    char name[128];
    int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    (void)l;
    if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 || ptsname_r(fd, name, sizeof(name)) != 0) {
        if (fd >= 0)
            close(fd);
        return error_set(err, "pty: %s", strerror(errno));
    }
    c->out_fd = fd;
    fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    c->keep_fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (c->keep_fd >= 0 && tcgetattr(c->keep_fd, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(c->keep_fd, TCSANOW, &t);
    }
    c->interactive = c->lossy = true;
    if (asprintf(&c->filename, "pty:%s", name) < 0)
        c->filename = NULL;
    fprintf(stderr, "calque: %s is %s\n", c->id, name);
    chardev_start_input(c, fd);
    return true;
}

static const char *const null_keys[] = {"id", "backend", NULL};
static const char *const stdio_keys[] = {"id", "backend", "mux", "signal", NULL};
static const char *const file_keys[] = {"id", "backend", "path", "append", NULL};
static const char *const socket_keys[] = {"id",   "backend", "path", "host", "port",   "server",
                                          "wait", "nodelay", "ipv4", "fd",   "telnet", NULL};

static const struct {
    const char *name;
    bool (*open)(struct chardev *c, const struct option_list *l, struct error *err);
    const char *const *keys;
    const char *help;
} backends[] = {
    {"null", open_null, null_keys, "takes everything, gives nothing"},
    {"stdio", open_stdio, stdio_keys, "this terminal; mux=on: Ctrl-A keys, shared with a monitor"},
    {"file", open_file, file_keys, "path=PATH: output only"},
    {"pty", open_pty, null_keys, "a new pseudo-terminal; its name is printed"},
    {"socket", chardev_open_socket, socket_keys,
     "path=PATH, host=HOST,port=PORT or fd=N; server=on, wait=off, telnet=on"},
};
#define NBACKENDS (sizeof(backends) / sizeof(backends[0]))

void chardev_print_help(void)
{
    puts("-chardev BACKEND,id=ID,...:");
    for (size_t i = 0; i < NBACKENDS; i++)
        printf("  %-8s %s\n", backends[i].name, backends[i].help);
    puts("-serial, -monitor and -debugcon take:\n"
         "  stdio, mon:stdio, file:PATH, pty, unix:PATH[,server[,nowait]],\n"
         "  tcp:HOST:PORT[,server[,nowait]], telnet:HOST:PORT,server[,nowait],\n"
         "  null, none, chardev:ID");
}

bool chardev_open_backend(struct chardev *c, const char *backend, const struct option_list *l,
                          struct error *err)
{
    struct suggestion near;

    suggest_begin(&near, backend);
    for (size_t i = 0; i < NBACKENDS; i++) {
        if (!strcmp(backend, backends[i].name))
            return option_list_check(l, backends[i].keys, err) && backends[i].open(c, l, err);
        suggest_offer(&near, backends[i].name);
    }
    return error_set(err, "%s: no such character back end; did you mean %s?", backend, near.best);
}

/* ---- -chardev ---- */

static struct chardev *lookup(struct chardevs *s, const char *id)
{
    for (struct chardev *c = s->list; c; c = c->next)
        if (c->defined && !strcmp(c->id, id))
            return c;
    return NULL;
}

static bool define(struct chardevs *s, const struct option_list *l, struct error *err)
{
    const char *id = option_get(l, "id");

    if (!id || !*id)
        return error_set(err, "id=ID is expected");
    if (lookup(s, id))
        return error_set(err, "id=%s: this id is taken", id);
    struct chardev *c = chardev_new(s, id);
    if (!c)
        return error_set(err, "out of memory");
    c->defined = true;
    return chardev_open_backend(c, option_get(l, "backend"), l, err);
}

bool chardev_define(struct chardevs *s, const char *spec, struct error *err)
{
    struct option_list l;
    bool ok;

    if (!option_list_parse(&l, spec, "backend", err))
        return false;
    ok = define(s, &l, err);
    option_list_free(&l);
    return ok;
}

struct chardev *chardev_find(struct chardevs *s, const char *id, struct error *err)
{
    struct suggestion near;
    struct chardev *c = lookup(s, id);

    if (c)
        return c;
    suggest_begin(&near, id);
    for (c = s->list; c; c = c->next)
        if (c->defined)
            suggest_offer(&near, c->id);
    if (near.best)
        error_set(err, "%s: no -chardev has this id; did you mean %s?", id, near.best);
    else
        error_set(err, "%s: no -chardev has this id", id);
    return NULL;
}

/* ---- -serial ---- */

/* "unix:PATH,server" -> "socket,path=PATH,server"; tcp:HOST:PORT likewise. The rest of the list is
 * spelled alike in both. */
static bool socket_settings(struct option_list *l, const char *spec, struct error *err)
{
    char text[1024];
    const char *rest = strchr(spec, ':') + 1,
               *telnet = *spec == 't' && spec[1] == 'e' ? ",telnet=on" : "";
    size_t address = strcspn(rest, ",");

    if (!strncmp(spec, "unix:", 5)) {
        snprintf(text, sizeof(text), "socket,path=%s", rest);
    } else {
        const char *colon = memrchr(rest, ':', address);
        if (!colon)
            return error_set(err, "HOST:PORT is expected after %.*s", (int)(rest - spec), spec);
        snprintf(text, sizeof(text), "socket,host=%.*s,port=%s%s", (int)(colon - rest), rest,
                 colon + 1, telnet);
    }
    return option_list_parse(l, text, "backend", err);
}

/* The settings of a short spec. A file's path may hold commas, as it stands. */
static bool short_settings(struct option_list *l, const char *spec, bool mux, struct error *err)
{
    static const char *const forms[] = {"stdio",   "mon:stdio", "file:",    "pty",  "unix:", "tcp:",
                                        "telnet:", "null",      "chardev:", "none", NULL};

    l->n = 0;
    if (!strncmp(spec, "unix:", 5) || !strncmp(spec, "tcp:", 4) || !strncmp(spec, "telnet:", 7))
        return socket_settings(l, spec, err);
    if (!strncmp(spec, "file:", 5)) {
        if (!option_list_parse(l, "file,path=x", "backend", err))
            return false;
        free(l->pairs[1].value);
        l->pairs[1].value = strdup(spec + 5);
        return l->pairs[1].value || error_set(err, "out of memory");
    }
    if (!strcmp(spec, "stdio"))
        return option_list_parse(l, mux ? "stdio,mux=on" : "stdio", "backend", err);
    if (!strcmp(spec, "pty") || !strcmp(spec, "null"))
        return option_list_parse(l, spec, "backend", err);
    return error_set(err, "%s: no such connection; did you mean %s?", spec, suggest(spec, forms));
}

/* Something connects to it: once, except the terminal that a monitor shares. */
static bool take(struct chardev *c, struct chardev **out, struct error *err)
{
    if (c->taken && !c->mux)
        return error_set(err, "%s: connected to something else already", c->id);
    c->taken = true;
    *out = c;
    return true;
}

bool chardev_open(struct chardevs *s, const char *spec, const char *label, struct chardev **out,
                  bool *monitor, struct error *err)
{
    struct option_list l;
    bool mux = !strncmp(spec, "mon:", 4), ok;

    *out = NULL;
    if (mux && !monitor)
        return error_set(err, "%s: mon: is for -serial", spec);
    if (mux)
        spec += 4;
    if (monitor)
        *monitor = mux;
    if (!strcmp(spec, "none"))
        return true;
    if (!strncmp(spec, "chardev:", 8)) {
        struct chardev *c = chardev_find(s, spec + 8, err);
        return c && take(c, out, err);
    }
    if (!short_settings(&l, spec, mux, err))
        return false;
    struct chardev *c = chardev_new(s, label);
    ok = c ? chardev_open_backend(c, option_get(&l, "backend"), &l, err)
           : error_set(err, "out of memory");
    option_list_free(&l);
    if (ok && mux)
        c->mux = true;
    return ok && take(c, out, err);
}
