/* SPDX-License-Identifier: GPL-2.0-or-later */
/* talk [-v] [-f FILE] WHERE SEND WANT: connects, sends SEND and waits for WANT, a minute at most;
 * status 0 if it came; -v prints what came. Empty texts are not sent and not waited for; -f passes
 * a descriptor of FILE along (unix only). WHERE is a device file
 * (a pseudo-terminal), unix:PATH, tcp:PORT, or unix-listen:PATH and tcp-listen: (a free port, which
 * is printed), which wait for the other side. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds, of a host that may be busy */

/* Another program is starting: tries again until it listens. */
static int connect_to(const struct sockaddr *addr, socklen_t len)
{
    struct timespec pause = {0, 20000000};

    for (int i = 0; i < PATIENCE * 50; i++) {
        int fd = socket(addr->sa_family, SOCK_STREAM, 0);

        if (connect(fd, addr, len) == 0)
            return fd;
        close(fd);
        nanosleep(&pause, NULL);
    }
    return -1;
}

static int accept_one(const struct sockaddr *addr, socklen_t len)
{
    int fd = socket(addr->sa_family, SOCK_STREAM, 0);
    struct sockaddr_in in;
    socklen_t in_len = sizeof(in);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (bind(fd, addr, len) < 0 || listen(fd, 1) < 0)
        return -1;
    if (addr->sa_family == AF_INET && getsockname(fd, (struct sockaddr *)&in, &in_len) == 0) {
        printf("%u\n", ntohs(in.sin_port));
        fflush(stdout);
    }
    return poll(&p, 1, PATIENCE * 1000) > 0 ? accept(fd, NULL, NULL) : -1;
}

static int open_unix(const char *path, bool server)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    return (server ? accept_one : connect_to)((struct sockaddr *)&a, sizeof(a));
}

static int open_tcp(const char *port, bool server)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(port)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return (server ? accept_one : connect_to)((struct sockaddr *)&a, sizeof(a));
}

static int open_device(const char *path)
{
    struct termios t;
    int fd = open(path, O_RDWR | O_NOCTTY);

    if (fd >= 0 && tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}

static int open_where(const char *where)
{
    if (!strncmp(where, "unix:", 5))
        return open_unix(where + 5, false);
    if (!strncmp(where, "unix-listen:", 12))
        return open_unix(where + 12, true);
    if (!strncmp(where, "tcp:", 4))
        return open_tcp(where + 4, false);
    if (!strncmp(where, "tcp-listen:", 11))
        return open_tcp(where + 11, true);
    return open_device(where);
}

static bool wait_for(int fd, const char *want, bool print)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    static char got[4 << 20];
    size_t len = 0;

    while (len < sizeof(got) - 1 && poll(&p, 1, PATIENCE * 1000) > 0) {
        ssize_t n = read(fd, got + len, sizeof(got) - 1 - len);

        if (n <= 0)
            break;
        len += (size_t)n;
        if (!memmem(got, len, want, strlen(want)))
            continue;
        if (print)
            fputs(got, stdout);
        return true;
    }
    fprintf(stderr, "talk: no \"%s\" in \"%s\"\n", want, got);
    return false;
}

/* The text, and a descriptor of a file along with it. */
static bool send_file(int fd, const char *text, const char *path)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                          .cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS}};
    struct iovec io = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    int file = open(path, O_RDWR | O_CREAT, 0600);

    memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
    return file >= 0 && sendmsg(fd, &m, 0) == (ssize_t)strlen(text);
}

int main(int argc, char **argv)
{
    bool print = argc >= 5 && !strcmp(argv[1], "-v");
    const char *path;
    int fd;

    argc -= print;
    argv += print;
    path = argc == 6 && !strcmp(argv[1], "-f") ? argv[2] : NULL;
    argc -= path ? 2 : 0;
    argv += path ? 2 : 0;
    if (argc != 4) {
        fputs("usage: talk [-v] [-f FILE] WHERE SEND WANT\n", stderr);
        return 1;
    }
    fd = open_where(argv[1]);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    if (path ? !send_file(fd, argv[2], path)
             : write(fd, argv[2], strlen(argv[2])) != (ssize_t)strlen(argv[2]))
        return 1;
    return !*argv[3] || wait_for(fd, argv[3], print) ? 0 : 1;
}
