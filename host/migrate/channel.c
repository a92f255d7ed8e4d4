/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/migrate/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size.h"
#include "host/net/address.h"

#define LOOK_MS 100 /* how soon somebody who cancels is seen */

static const char *const kinds[] = {"file:", "tcp:", "unix:", "fd:", "exec:"};
enum kind { KIND_FILE, KIND_TCP, KIND_UNIX, KIND_FD, KIND_EXEC, NUM_KINDS };

static bool parse(const char *where, enum kind *kind, const char **rest, struct error *err)
{
    for (unsigned n = 0; n < NUM_KINDS; n++)
        if (strncmp(where, kinds[n], strlen(kinds[n])) == 0 && where[strlen(kinds[n])]) {
            *kind = (enum kind)n;
            *rest = where + strlen(kinds[n]);
            return true;
        }
    return error_set(
        err, "'%s': file:PATH, tcp:HOST:PORT, unix:PATH, fd:N or exec:COMMAND is expected", where);
}

bool channel_check(const char *where, struct error *err)
{
    const char *rest;
    enum kind kind;

    return parse(where, &kind, &rest, err);
}

static bool fail(const char *what, const char *name, struct error *err)
{
    return error_set(err, "%s: %s: %s", name, what, strerror(errno));
}

/* ---- opening ---- */

/* Without a name or under another one, so that there is no half a file under this one. */
static bool create_file(struct channel *c, const char *path, struct error *err)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;

    c->target = strdup(path);
    if (!folder || !c->target || asprintf(&c->path, "%s.XXXXXX", path) < 0) {
        c->path = NULL;
        free(folder);
        return error_set(err, "out of memory");
    }
    if (slash)
        slash[slash == folder] = '\0';
    c->fd = open(slash ? folder : ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    free(folder);
    c->nameless = c->fd >= 0;
    if (!c->nameless) /* not every file system can */
        c->fd = mkostemp(c->path, O_CLOEXEC);
    c->is_file = true;
    if (c->fd >= 0)
        return true;
    fail("cannot be made", path, err);
    free(c->path);
    c->path = NULL;
    return false;
}

/* An inherited descriptor, which is ours from here on. */
static bool take_fd(struct channel *c, const char *text, struct error *err)
{
    uint64_t n;
    struct stat st;

    if (!number_parse(text, 0, INT32_MAX, &n, NULL))
        return error_set(err, "fd:%s: the number of an inherited descriptor is expected", text);
    if (fstat((int)n, &st) != 0)
        return fail("no such descriptor", text, err);
    c->fd = (int)n;
    c->two_way = S_ISSOCK(st.st_mode);
    fcntl(c->fd, F_SETFD, FD_CLOEXEC);
    return true;
}

/* A shell that reads (or writes) the other end of a pipe. */
static bool run_command(struct channel *c, const char *command, bool reads, struct error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail("pipe", command, err);
    c->child = fork();
    if (c->child == 0) {
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        setpgid(0, 0); /* so that Ctrl-C at our terminal is not for it */
        dup2(ends[reads ? 0 : 1], reads ? STDIN_FILENO : STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(ends[reads ? 0 : 1]);
    c->fd = ends[reads ? 1 : 0];
    return c->child > 0 || fail("fork", command, err);
}

static bool get_address(struct net_address *a, enum kind kind, const char *rest, bool passive,
                        struct error *err)
{
    return kind == KIND_UNIX ? net_address_unix(a, rest, err)
                             : net_address_parse(a, rest, SOCK_STREAM, passive, err);
}

static bool connect_to(struct channel *c, enum kind kind, const char *rest, struct error *err)
{
    struct net_address a;

    if (!get_address(&a, kind, rest, false, err))
        return false;
    c->fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->two_way = true;
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a.addr, a.len) != 0)
        return fail("cannot connect", rest, err);
    return true;
}

/* All that waits does so in poll(). */
static void do_not_block(struct channel *c)
{
    if (!c->is_file)
        fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
}

bool channel_open(struct channel *c, const char *where, atomic_bool *cancelled, struct error *err)
{
    const char *rest;
    enum kind kind;
    bool ok;

    *c = (struct channel){.fd = -1, .cancelled = cancelled};
    if (!parse(where, &kind, &rest, err))
        return false;
    ok = kind == KIND_FILE   ? create_file(c, rest, err)
         : kind == KIND_FD   ? take_fd(c, rest, err)
         : kind == KIND_EXEC ? run_command(c, rest, true, err)
                             : connect_to(c, kind, rest, err);
    if (ok)
        do_not_block(c);
    else
        channel_close(c);
    return ok;
}

static bool open_file(struct channel *c, const char *path, struct error *err)
{
    struct stat st;

    c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (c->fd < 0 || fstat(c->fd, &st) != 0)
        return fail("cannot be opened", path, err);
    c->is_file = S_ISREG(st.st_mode);
    return true;
}

/* A socket that somebody has left; another file is somebody's. */
static void remove_old(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        unlink(path);
}

static bool listen_at(struct channel *c, enum kind kind, const char *rest, struct error *err)
{
    const int on = 1;
    struct net_address a;

    if (!get_address(&a, kind, rest, true, err))
        return false;
    c->fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    c->two_way = true;
    if (kind == KIND_UNIX)
        remove_old(rest);
    else
        setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&a.addr, a.len) != 0 || listen(c->fd, 1) != 0)
        return fail("cannot listen", rest, err);
    if (kind == KIND_UNIX)
        c->path = strdup(rest);
    return true;
}

bool channel_listen(struct channel *c, const char *where, atomic_bool *cancelled, struct error *err)
{
    const char *rest;
    enum kind kind;
    bool ok;

    *c = (struct channel){.fd = -1, .cancelled = cancelled};
    if (!parse(where, &kind, &rest, err))
        return false;
    ok = kind == KIND_FILE   ? open_file(c, rest, err)
         : kind == KIND_FD   ? take_fd(c, rest, err)
         : kind == KIND_EXEC ? run_command(c, rest, false, err)
                             : listen_at(c, kind, rest, err);
    if (ok)
        do_not_block(c);
    else
        channel_close(c);
    return ok;
}

/* ---- waiting ---- */

static bool wait_for(struct channel *c, short events, struct error *err)
{
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = events};

        if (c->cancelled && atomic_load(c->cancelled))
            return error_set(err, "cancelled");
        if (poll(&p, 1, LOOK_MS) > 0)
            return true;
    }
}

bool channel_accept(struct channel *c, struct error *err)
{
    int listening = 0, fd = -1;
    socklen_t len = sizeof(listening);

    if (!c->two_way || getsockopt(c->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 ||
        !listening)
        return true;
    while (fd < 0) {
        if (!wait_for(c, POLLIN, err))
            return false;
        fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            return fail("accept", "incoming", err);
    }
    close(c->fd);
    c->fd = fd;
    if (c->path)
        unlink(c->path);
    free(c->path);
    c->path = NULL;
    return true;
}

bool channel_write(struct channel *c, const void *data, size_t len, struct error *err)
{
    const uint8_t *p = data;

    while (len) {
        ssize_t n;

        if (c->cancelled && atomic_load(c->cancelled))
            return error_set(err, "cancelled");
        n = c->two_way ? send(c->fd, p, len, MSG_NOSIGNAL) : write(c->fd, p, len);
        if (n < 0 && errno == EAGAIN && !wait_for(c, POLLOUT, err))
            return false;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return fail("cannot be written", c->target ? c->target : "the channel", err);
        p += n;
        len -= (size_t)n;
        c->pos += (uint64_t)n;
    }
    return true;
}

bool channel_write_at(struct channel *c, uint64_t at, const void *data, size_t len,
                      struct error *err)
{
    const uint8_t *p = data;

    if (c->cancelled && atomic_load(c->cancelled))
        return error_set(err, "cancelled");
    while (len) {
        ssize_t n = pwrite(c->fd, p, len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return fail("cannot be written", c->target, err);
        p += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

bool channel_read(struct channel *c, void *data, size_t len, struct error *err)
{
    uint8_t *p = data;

    while (len) {
        ssize_t n;

        if (c->cancelled && atomic_load(c->cancelled))
            return error_set(err, "cancelled");
        n = read(c->fd, p, len);
        if (n < 0 && errno == EAGAIN && !wait_for(c, POLLIN, err))
            return false;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0) {
            c->unreachable = errno != ECONNRESET && errno != EPIPE;
            return error_set(err, "cannot be read: %s", strerror(errno));
        }
        if (n == 0)
            return error_set(err, "it ends at offset %llu, in the middle",
                             (unsigned long long)c->pos);
        p += n;
        len -= (size_t)n;
        c->pos += (uint64_t)n;
    }
    return true;
}

/* ---- the end ---- */

/* One that no other file has; c->path ends in six X. */
static bool link_file(struct channel *c)
{
    char self[40];

    snprintf(self, sizeof(self), "/proc/self/fd/%d", c->fd);
    snprintf(strrchr(c->path, '.'), 8, ".%06u", (unsigned)getpid() % 1000000u);
    unlink(c->path);
    return linkat(AT_FDCWD, self, AT_FDCWD, c->path, AT_SYMLINK_FOLLOW) == 0;
}

static bool name_file(struct channel *c, struct error *err)
{
    mode_t mask = umask(0);

    umask(mask);
    if (fchmod(c->fd, 0666 & ~mask) != 0 || fsync(c->fd) != 0)
        return fail("cannot be written", c->target, err);
    if ((c->nameless && !link_file(c)) || rename(c->path, c->target) != 0)
        return fail("cannot be named", c->target, err);
    free(c->path);
    c->path = NULL;
    return true;
}

static void close_fd(struct channel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* The command sees the end of its input, and ends. */
static bool wait_child(struct channel *c, struct error *err)
{
    int status = 0;

    close_fd(c);
    while (waitpid(c->child, &status, 0) < 0 && errno == EINTR)
        ;
    c->child = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return WIFEXITED(status)
               ? error_set(err, "exec: the command failed, status %d", WEXITSTATUS(status))
               : error_set(err, "exec: the command was ended by signal %d", WTERMSIG(status));
}

bool channel_finish(struct channel *c, struct error *err)
{
    if (c->child)
        return wait_child(c, err);
    return !c->target || name_file(c, err);
}

void channel_close(struct channel *c)
{
    if (c->child > 0) {
        close_fd(c);
        kill(-c->child, SIGTERM);
        kill(c->child, SIGTERM);
        while (waitpid(c->child, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    c->child = 0;
    close_fd(c);
    if (c->path && !c->nameless)
        unlink(c->path);
    free(c->path);
    free(c->target);
    c->path = c->target = NULL;
}
