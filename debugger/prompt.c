/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The prompt: lines come from options, files, standard input and breakpoints into one list, and one
 * after the other is run whenever the machine stands still. */
#include "debugger/prompt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config.h"
#include "debugger/commands.h"
#include "debugger/debugger.h"
#include "debugger/prompt_edit.h"
#include "debugger/symbols.h"
#include "host/char/backend.h"
#include "vm/machine.h"

#define LINE_MAX      511
#define LINES_MAX     100000
#define SCRIPT_MAX    (16u << 20)
#define AHEAD_MAX     4096
#define INTERRUPT_KEY 0x03

struct line {
    struct line *next;
    char text[];
};

struct prompt {
    struct prompt_config config;
    struct debug_face face;
    struct monitor *monitor;
    struct editor *editor;
    bool active;      /* it is a face: stops are told */
    bool interactive; /* a person types */
    bool waiting;     /* the machine runs */
    bool editing;     /* the prompt is shown */
    bool ended;       /* there is no more input */
    bool quitting, failed;
    struct line *lines, **tail;
    unsigned nlines;
    char again[LINE_MAX + 1]; /* what an empty line does */
    char input[LINE_MAX + 1]; /* a script's line so far */
    size_t ninput;
    unsigned char ahead[AHEAD_MAX]; /* typed while the machine ran */
    size_t nahead;
};

static void say(const char *text)
{
    fputs(text, stdout);
    fflush(stdout);
}

static void output(void *opaque, const char *text, size_t len)
{
    (void)opaque;
    fwrite(text, 1, len, stdout);
    fflush(stdout);
}

static void print_line(void *opaque, const char *text)
{
    (void)opaque;
    printf("%s\n", text);
}

/* ---- the lines ---- */

static struct line *new_line(struct prompt *p, const char *text, size_t n)
{
    struct line *l = p->nlines < LINES_MAX ? malloc(sizeof(*l) + n + 1) : NULL;

    if (!l)
        return NULL;
    l->next = NULL;
    memcpy(l->text, text, n);
    l->text[n] = '\0';
    p->nlines++;
    return l;
}

static bool append(struct prompt *p, const char *text, size_t n)
{
    struct line *l = new_line(p, text, n);

    if (!l)
        return false;
    *p->tail = l;
    p->tail = &l->next;
    return true;
}

/* Lines of a text, before the others or behind them. */
static bool insert(struct prompt *p, const char *text, bool first)
{
    struct line **at = first ? &p->lines : p->tail;

    while (*text) {
        size_t n = strcspn(text, "\n");
        struct line *l = new_line(p, text, n);

        if (!l)
            return false;
        l->next = *at;
        *at = l;
        if (p->tail == at)
            p->tail = &l->next;
        at = &l->next;
        text += n + (text[n] == '\n');
    }
    return true;
}

static bool later(void *opaque, const char *text)
{
    return insert(opaque, text, true);
}

static void forget_lines(struct prompt *p)
{
    while (p->lines) {
        struct line *l = p->lines;

        p->lines = l->next;
        free(l);
    }
    p->tail = &p->lines;
    p->nlines = 0;
}

static bool read_script(struct prompt *p, const char *path, struct error *err)
{
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(SCRIPT_MAX + 1) : NULL;
    size_t n = text ? fread(text, 1, SCRIPT_MAX, f) : 0;
    bool ok = text;

    if (!f)
        error_set(err, "-x %s: %s", path, strerror(errno));
    else if (!text || !feof(f))
        ok = error_set(err, "-x %s: a text of at most %u bytes is expected", path, SCRIPT_MAX);
    if (ok) {
        text[n] = '\0';
        ok = insert(p, text, false) || error_set(err, "-x %s: too many lines", path);
    }
    free(text);
    if (f)
        fclose(f);
    return ok;
}

/* ---- running one ---- */

static void set_focus(struct prompt *p)
{
    struct chardev *c = p->config.chr;
    bool lend = p->waiting && p->interactive && chardev_has_device(c);

    if (c)
        chardev_prompt_focus(c, p->active && !lend, p->active && lend);
}

/* '#' begins a comment. */
static bool is_nothing(const char *text)
{
    text += strspn(text, " \t\r");
    return !*text || *text == '#';
}

static void run_line(struct prompt *p, const char *text)
{
    bool quietly = *text == *QUIETLY;
    char copy[LINE_MAX + 1];

    snprintf(copy, sizeof(copy), "%s", text + quietly);
    copy[strcspn(copy, "\r")] = '\0';
    if (!p->interactive && !quietly)
        printf("(calque) %s\n", copy);
    if (commands_collect(p->config.commands, copy))
        return;
    if (is_nothing(copy)) {
        if (!p->interactive || copy[strspn(copy, " \t")] || !p->again[0])
            return;
        snprintf(copy, sizeof(copy), "%s", p->again);
    } else if (!quietly && !commands_repeat(copy, p->again, sizeof(p->again))) {
        p->again[0] = '\0';
    }
    monitor_execute(p->monitor, copy);
    fflush(stdout);
    if (monitor_failed(p->monitor) && !p->interactive)
        p->failed = true;
}

static void run_next(struct prompt *p)
{
    struct line *l = p->lines;

    p->lines = l->next;
    if (!p->lines)
        p->tail = &p->lines;
    p->nlines--;
    run_line(p, l->text);
    free(l);
}

/* ---- what the core says ---- */

static void on_stopped(void *opaque, const struct debug_stop *stop)
{
    struct prompt *p = opaque;

    if (p->quitting)
        return;
    if (p->editing) {
        editor_end(p->editor);
        p->editing = false;
        say("\n");
    }
    p->waiting = false;
    if (commands_hide_stop(p->config.commands, stop))
        return;
    monitor_set_cpu(p->monitor, stop->cpu);
    commands_describe_stop(p->config.commands, stop, print_line, NULL);
    fflush(stdout);
    commands_after_stop(p->config.commands, stop);
    set_focus(p);
}

static void on_resumed(void *opaque)
{
    struct prompt *p = opaque;

    p->waiting = true;
    set_focus(p);
}

static void show_place(struct prompt *p)
{
    machine_lock(debugger_machine(p->config.debugger));
    commands_describe_stop(p->config.commands, NULL, print_line, NULL);
    machine_unlock(debugger_machine(p->config.debugger));
    fflush(stdout);
}

/* From now on stops are told here. */
static void activate(struct prompt *p)
{
    struct debugger *d = p->config.debugger;
    struct machine *m = debugger_machine(d);
    const struct commands_host host = {later, p};

    machine_lock(m);
    commands_set_host(p->config.commands, &host);
    p->active = true;
    p->waiting = debugger_running(d);
    debugger_add_face(d, &p->face);
    commands_keep_history(p->config.commands);
    if (p->waiting)
        debugger_pause(d);
    machine_unlock(m);
    if (p->interactive)
        say("Calque " CALQUE_VERSION " debugger; type help, or continue to go on\n");
    if (!p->waiting)
        show_place(p);
    set_focus(p);
}

/* ---- input ---- */

static void interrupt(struct prompt *p)
{
    struct machine *m = debugger_machine(p->config.debugger);

    forget_lines(p);
    p->nahead = 0;
    if (p->waiting) {
        say("\n");
        machine_lock(m);
        debugger_pause(p->config.debugger);
        machine_unlock(m);
    } else if (p->editing) {
        editor_end(p->editor);
        p->editing = false;
        say("^C\n");
    }
}

static void quit(struct prompt *p)
{
    if (!p->quitting)
        p->config.quit(p->config.opaque);
    p->quitting = true;
}

static void edit(struct prompt *p, unsigned char key)
{
    const char *line;

    switch (editor_key(p->editor, key, &line)) {
    case EDIT_LINE:
        p->editing = false;
        append(p, line, strlen(line));
        break;
    case EDIT_END:
        p->editing = false;
        say("quit\n");
        quit(p);
        break;
    default:
        break;
    }
}

/* A script's bytes: they make lines. */
static void script_byte(struct prompt *p, uint8_t byte)
{
    if (byte != '\n') {
        if (p->ninput < LINE_MAX)
            p->input[p->ninput++] = (char)byte;
        return;
    }
    if (!append(p, p->input, p->ninput))
        p->failed = true;
    p->ninput = 0;
}

static void on_input(void *opaque, uint8_t byte)
{
    struct prompt *p = opaque;

    if (!p->interactive)
        script_byte(p, byte);
    else if (byte == INTERRUPT_KEY)
        interrupt(p);
    else if (p->editing)
        edit(p, byte);
    else if (p->nahead < AHEAD_MAX)
        p->ahead[p->nahead++] = byte;
}

static void on_end(void *opaque)
{
    struct prompt *p = opaque;

    if (p->ninput)
        script_byte(p, '\n');
    p->ended = true;
}

/* Ctrl-A d: to the prompt; back to the guest, which goes on. */
static void on_focus(void *opaque, bool focus)
{
    struct prompt *p = opaque;

    if (!focus) {
        if (p->editing)
            editor_end(p->editor);
        p->editing = false;
        if (!p->waiting)
            append(p, "continue", 8);
        return;
    }
    say("\n");
    if (!p->active)
        activate(p);
    else
        interrupt(p);
}

bool prompt_interrupt(struct prompt *p)
{
    if (!p || !p->active || !(p->waiting || p->lines))
        return false;
    interrupt(p);
    return true;
}

/* ---- life ---- */

static void complete(void *opaque, const char *line, size_t word,
                     bool (*fn)(void *fn_opaque, const char *candidate), void *fn_opaque)
{
    struct prompt *p = opaque;

    machine_lock(debugger_machine(p->config.debugger));
    commands_complete(p->config.commands, line, word, fn, fn_opaque);
    machine_unlock(debugger_machine(p->config.debugger));
}

static void begin_editing(struct prompt *p)
{
    char file[512] = "";
    const char *home = getenv("HOME");

    if (home)
        snprintf(file, sizeof(file), "%s/.calque_history", home);
    if (!p->editor)
        p->editor = editor_new(*file ? file : NULL, complete, p);
    if (!p->editor) {
        p->interactive = false;
        return;
    }
    p->editing = true;
    editor_begin(p->editor);
    for (size_t i = 0; i < p->nahead; i++)
        if (p->editing) {
            edit(p, p->ahead[i]);
        } else {
            memmove(p->ahead, p->ahead + i, p->nahead - i);
            p->nahead -= i;
            return;
        }
    p->nahead = 0;
}

int64_t prompt_poll(struct prompt *p)
{
    if (!p || !p->active || p->quitting)
        return -1;
    while (!p->waiting && !p->editing && !p->quitting) {
        if (p->lines)
            run_next(p);
        else if (p->interactive && !p->ended)
            begin_editing(p);
        else if (p->ended || !p->config.chr)
            quit(p);
        else
            break;
    }
    return p->lines && !p->waiting && !p->quitting ? 0 : -1;
}

bool prompt_failed(const struct prompt *p)
{
    return p && p->failed;
}

static bool add_scripts(struct prompt *p, struct error *err)
{
    for (unsigned i = 0; i < p->config.nscripts; i++) {
        const struct prompt_script *s = &p->config.scripts[i];

        if (s->is_file ? !read_script(p, s->text, err)
                       : !insert(p, s->text, false) && !error_set(err, "-ex: out of memory"))
            return false;
    }
    return true;
}

struct prompt *prompt_new(const struct prompt_config *config, struct error *err)
{
    struct prompt *p = calloc(1, sizeof(*p));

    if (p)
        p->monitor = monitor_new_output(debugger_control(config->debugger), output, p);
    if (!p || !p->monitor) {
        free(p);
        error_set(err, "out of memory");
        return NULL;
    }
    p->config = *config;
    p->tail = &p->lines;
    p->face = (struct debug_face){.stopped = on_stopped, .resumed = on_resumed, .opaque = p};
    if (!add_scripts(p, err)) {
        prompt_free(p);
        return NULL;
    }
    if (config->chr) {
        const struct chardev_prompt ear = {on_input, on_focus, on_end, p};

        p->interactive = chardev_interactive(config->chr);
        chardev_attach_prompt(config->chr, &ear);
    }
    if (config->begin)
        activate(p);
    return p;
}

void prompt_free(struct prompt *p)
{
    const struct chardev_prompt nobody = {.input = NULL};
    const struct commands_host none = {NULL, NULL};

    if (!p)
        return;
    if (p->editing)
        editor_end(p->editor);
    editor_free(p->editor);
    if (p->active)
        debugger_remove_face(p->config.debugger, &p->face);
    if (p->config.chr)
        chardev_attach_prompt(p->config.chr, &nobody);
    commands_set_host(p->config.commands, &none);
    forget_lines(p);
    monitor_free(p->monitor);
    free(p);
}
