/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A person at a terminal: runs a command on a pseudo-terminal and does what standard input says, a
 * step a line; ends with status 1 at the first step that fails and shows what was on the screen.
 *
 *   want SECONDS TEXT    TEXT appears after what was wanted before
 *   absent TEXT          TEXT is not among the output since then
 *   send TEXT            types TEXT
 *   signal NUMBER        sends the command a signal
 *   sleep SECONDS
 *   raw [SECONDS]        the terminal's settings are changed, at once or within SECONDS
 *   cooked               they are as they were at the start
 *   stopped SECONDS      the command has stopped (SIGTSTP)
 *   status N SECONDS     the command ends with status N (128 + the signal that ended it)
 *
 * TEXT may hold \r \n \\ and \xHH. This process leads the session, not the command: a session's
 * end would reset the terminal and hide what is tested here. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct session {
    int fd; /* our end */
    pid_t child;
    struct termios before;
    char *screen;
    size_t len, seen; /* `seen`: the end of what was wanted last */
    bool ended, stopped;
    int status;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Replaces escapes; returns the length. */
static size_t unescape(char *text)
{
    char *out = text, *start = text;

    for (char *p = text; *p; p++) {
        unsigned byte;

        if (p[0] != '\\') {
            *out++ = *p;
        } else if (p[1] == 'x' && sscanf(p + 2, "%2x", &byte) == 1) {
            *out++ = (char)byte;
            p += 3;
        } else {
            p++;
            *out++ = *p == 'r' ? '\r' : *p == 'n' ? '\n' : *p;
        }
    }
    *out = '\0';
    return (size_t)(out - start);
}

/* Reads what there is, waiting at most `seconds` for it. */
static void receive(struct session *s, double seconds)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    char buf[4096];
    ssize_t n;

    if (poll(&p, 1, (int)(seconds * 1000)) <= 0)
        return;
    n = read(s->fd, buf, sizeof(buf));
    if (n <= 0)
        return;
    s->screen = realloc(s->screen, s->len + (size_t)n + 1);
    if (!s->screen)
        exit(1);
    memcpy(s->screen + s->len, buf, (size_t)n);
    s->len += (size_t)n;
}

static bool find(struct session *s, const char *text, size_t len, bool advance)
{
    char *hit = s->len > s->seen ? memmem(s->screen + s->seen, s->len - s->seen, text, len) : NULL;

    if (hit && advance)
        s->seen = (size_t)(hit - s->screen) + len;
    return hit;
}

static void reap(struct session *s)
{
    int status;

    if (s->ended || waitpid(s->child, &status, WNOHANG | WUNTRACED) != s->child)
        return;
    s->stopped = WIFSTOPPED(status);
    if (s->stopped)
        return;
    s->ended = true;
    s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- steps ---- */

static bool step_want(struct session *s, char *args)
{
    double end = now() + strtod(args, &args);
    size_t len = unescape(++args);

    while (!find(s, args, len, true)) {
        reap(s);
        if (now() > end)
            return false;
        receive(s, 0.05);
        if (s->ended && !find(s, args, len, false)) {
            receive(s, 0.05);
            return find(s, args, len, true);
        }
    }
    return true;
}

static bool step_status(struct session *s, char *args)
{
    long status = strtol(args, &args, 10);
    double end = now() + strtod(args, NULL);

    while (!s->ended && now() < end) {
        receive(s, 0.02);
        reap(s);
    }
    if (s->ended && s->status != status)
        printf("the status is %d\n", s->status);
    return s->ended && s->status == status;
}

/* PENDIN belongs to the kernel: it comes and goes by itself. */
static bool is_cooked(const struct session *s)
{
    struct termios t;

    if (tcgetattr(s->fd, &t) < 0)
        return false;
    return t.c_iflag == s->before.c_iflag && t.c_oflag == s->before.c_oflag &&
           (t.c_lflag & ~(tcflag_t)PENDIN) == (s->before.c_lflag & ~(tcflag_t)PENDIN) &&
           t.c_cflag == s->before.c_cflag && !memcmp(t.c_cc, s->before.c_cc, sizeof(t.c_cc));
}

static bool step_sleep(struct session *s, const char *args)
{
    double end = now() + atof(args);

    while (now() < end)
        receive(s, 0.02);
    return true;
}

static bool step_stopped(struct session *s, const char *args)
{
    double end = now() + atof(args);
    bool stopped;

    for (reap(s); !s->stopped && !s->ended && now() < end; reap(s))
        receive(s, 0.02);
    stopped = s->stopped;
    s->stopped = false;
    return stopped;
}

/* What is typed before is the terminal's to edit, and may be lost. */
static bool step_raw(struct session *s, const char *args)
{
    double end = now() + atof(args);

    while (is_cooked(s) && now() < end)
        receive(s, 0.02);
    return !is_cooked(s);
}

static bool step(struct session *s, const char *name, char *args)
{
    if (!strcmp(name, "want"))
        return step_want(s, args);
    if (!strcmp(name, "absent"))
        return !find(s, args, unescape(args), false);
    if (!strcmp(name, "send")) {
        size_t len = unescape(args);
        return write(s->fd, args, len) == (ssize_t)len;
    }
    if (!strcmp(name, "signal"))
        return kill(s->child, atoi(args)) == 0;
    if (!strcmp(name, "sleep"))
        return step_sleep(s, args);
    if (!strcmp(name, "raw"))
        return step_raw(s, args);
    if (!strcmp(name, "cooked"))
        return is_cooked(s);
    if (!strcmp(name, "status"))
        return step_status(s, args);
    if (!strcmp(name, "stopped"))
        return step_stopped(s, args);
    printf("there is no such step\n");
    return false;
}

static bool play(struct session *s)
{
    char line[1024];

    while (fgets(line, sizeof(line), stdin)) {
        char copy[1024], *args;

        line[strcspn(line, "\n")] = '\0';
        if (!line[0])
            continue;
        strcpy(copy, line);
        args = strchr(line, ' ');
        if (args)
            *args++ = '\0';
        if (!step(s, line, args ? args : line + strlen(line))) {
            printf("failed: %s\non the screen:\n%.*s\n", copy, (int)s->len,
                   s->screen ? s->screen : "");
            return false;
        }
    }
    return true;
}

/* ---- the terminal ---- */

/* The command is in the foreground group; only it dies of Ctrl-C. */
static void run_command(int slave, char **argv)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    dup2(slave, 0);
    dup2(slave, 1);
    dup2(slave, 2);
    execvp(argv[0], argv);
    perror(argv[0]);
    _exit(127);
}

static int lead_session(char **argv)
{
    struct session s = {.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    int slave;

    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    if (s.fd < 0 || grantpt(s.fd) < 0 || unlockpt(s.fd) < 0)
        return 1;
    slave = open(ptsname(s.fd), O_RDWR | O_CLOEXEC);
    if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 || tcgetattr(s.fd, &s.before) < 0)
        return 1;
    s.child = fork();
    if (s.child == 0)
        run_command(slave, argv);
    bool ok = s.child > 0 && play(&s);
    reap(&s);
    if (!s.ended) {
        kill(s.child, SIGKILL);
        waitpid(s.child, NULL, 0);
    }
    fflush(stdout);
    free(s.screen);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    int status;
    pid_t child;

    if (argc < 2) {
        fputs("usage: pty COMMAND [ARGUMENT...] <STEPS\n", stderr);
        return 1;
    }
    child = fork(); /* a group's leader cannot start a session */
    if (child == 0) {
        status = lead_session(argv + 1);
        _exit(status);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
