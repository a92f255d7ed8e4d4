/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* The parent: as the child says. */
__attribute__((noreturn)) static void wait_for_child(int fd)
{
    char byte;
    ssize_t n;

    do {
        n = read(fd, &byte, 1);
    } while (n < 0 && errno == EINTR);
    _exit(n == 1 ? 0 : 1); /* the child has said why */
}

bool daemon_begin(struct daemon *d, struct error *err)
{
    int pipe_fd[2];
    pid_t pid;

    if (pipe2(pipe_fd, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        return error_set(err, "-daemonize: %s", strerror(errno));
    if (pid > 0) {
        close(pipe_fd[1]);
        wait_for_child(pipe_fd[0]);
    }
    close(pipe_fd[0]);
    d->ready_fd = pipe_fd[1];
    setsid();
    return true;
}

bool daemon_ready(struct daemon *d, struct error *err)
{
    int null;

    if (!d->ready_fd)
        return true;
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return error_set(err, "/dev/null: %s", strerror(errno));
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    if (write(d->ready_fd, "", 1) != 1)
        return error_set(err, "-daemonize: %s", strerror(errno));
    close(d->ready_fd);
    d->ready_fd = 0;
    return true;
}

/* The lock goes with the process: a file left over from a crash is no obstacle. */
bool daemon_pidfile(struct daemon *d, const char *path, struct error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[32];
    int fd, n;

    if (!path)
        return true;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return error_set(err, "-pidfile %s: %s", path, strerror(errno));
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_set(err, "-pidfile %s: another running Calque has it", path);
        close(fd);
        return false;
    }
    n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)n) != n) {
        error_set(err, "-pidfile %s: %s", path, strerror(errno));
        close(fd);
        return false;
    }
    d->pidfile_fd = fd;
    d->pidfile = realpath(path, NULL);
    return true;
}

void daemon_end(struct daemon *d)
{
    if (!d->pidfile)
        return;
    unlink(d->pidfile);
    close(d->pidfile_fd);
    free(d->pidfile);
    d->pidfile = NULL;
}
