/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw mode, and its certain end.
 *
 * This is the one place with a mutable static, and it cannot be otherwise: a signal handler has no
 * argument to find its state by, and the controlling terminal is one per process, however many
 * machines live in it. `active` is set last and cleared first, so that a handler sees either
 * complete settings or none; everything the handlers call is async-signal-safe. */
#include "host/char/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Signals that end a process and that the main loop does not take itself. */
static const int fatal_signals[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,    SIGABRT,
                                    SIGTRAP, SIGSYS,  SIGQUIT, SIGXCPU,   SIGXFSZ,
                                    SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF};
#define NFATAL (sizeof(fatal_signals) / sizeof(fatal_signals[0]))

static struct {
    volatile sig_atomic_t active;
    bool installed;
    int fd;
    struct termios saved, raw;
    struct sigaction previous[NFATAL];
} terminal;

void terminal_restore(void)
{
    if (!terminal.active)
        return;
    terminal.active = 0;
    tcsetattr(terminal.fd, TCSANOW, &terminal.saved);
}

/* Puts the terminal back, then lets the signal do what it would have done: it is raised again with
 * the action that was there before (the default, or a sanitizer's report). */
static void on_fatal(int sig)
{
    terminal_restore();
    for (size_t i = 0; i < NFATAL; i++)
        if (fatal_signals[i] == sig)
            sigaction(sig, &terminal.previous[i], NULL);
    raise(sig);
}

/* Ctrl-Z from outside: the shell gets its terminal as it was. */
static void on_stop(int sig)
{
    bool was_active = terminal.active;

    (void)sig;
    terminal_restore();
    raise(SIGSTOP);
    if (was_active) { /* continued */
        tcsetattr(terminal.fd, TCSANOW, &terminal.raw);
        terminal.active = 1;
    }
}

static void install_handlers(void)
{
    struct sigaction fatal = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

    if (terminal.installed)
        return;
    terminal.installed = true;
    sigemptyset(&fatal.sa_mask);
    sigemptyset(&stop.sa_mask);
    for (size_t i = 0; i < NFATAL; i++)
        sigaction(fatal_signals[i], &fatal, &terminal.previous[i]);
    sigaction(SIGTSTP, &stop, NULL);
    atexit(terminal_restore);
}

/* A background process would be stopped here by SIGTTOU: block it, as shells do. */
static void set_raw(void)
{
    sigset_t ttou, old;

    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    tcsetattr(terminal.fd, TCSANOW, &terminal.raw);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void terminal_raw_again(void)
{
    if (terminal.active)
        set_raw();
}

void terminal_raw(int fd, bool keys_are_signals)
{
    if (terminal.active || tcgetattr(fd, &terminal.saved) < 0)
        return;
    terminal.fd = fd;
    terminal.raw = terminal.saved;
    terminal.raw.c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    terminal.raw.c_oflag |= OPOST; /* "\n" of our own messages still returns the carriage */
    terminal.raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (!keys_are_signals)
        terminal.raw.c_lflag &= ~(tcflag_t)ISIG;
    terminal.raw.c_cflag = (terminal.raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    terminal.raw.c_cc[VMIN] = 1;
    terminal.raw.c_cc[VTIME] = 0;
    install_handlers();
    terminal.active = 1;
    set_raw();
}
