/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/prompt_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "host/char/terminal.h"

#define PROMPT   "(calque) "
#define LINE_MAX 511

#if CONFIG_LIBEDIT
#include <histedit.h>

#define HISTORY_LINES 1000
#define PENDING_MAX   64
#define SHOWN_MAX     200
#define NAME_MAX_     128

/* Candidates for a word: what they have in common, and how many there are. */
struct candidates {
    char common[NAME_MAX_];
    unsigned n;
    bool print;
    unsigned column;
};

struct editor {
    EditLine *el;
    History *history;
    HistEvent event;
    char *file;
    editor_complete_fn *complete;
    void *opaque;
    /* Keys that libedit has not had: those of a sequence go together, for it must not wait. */
    unsigned char pending[PENDING_MAX];
    size_t npending, taken;
    char line[LINE_MAX + 1];
    bool editing;
};

static char *show_prompt(EditLine *el)
{
    static char text[] = PROMPT; /* libedit's type; it is not changed */

    (void)el;
    return text;
}

static int get_key(EditLine *el, wchar_t *key)
{
    struct editor *e;

    if (el_get(el, EL_CLIENTDATA, &e) || e->taken == e->npending)
        return 0;
    *key = e->pending[e->taken++];
    return 1;
}

/* ---- completion ---- */

static bool look_at(void *opaque, const char *candidate)
{
    struct candidates *c = opaque;
    size_t n = 0;

    if (c->print) {
        bool wrap = c->column + strlen(candidate) + 2 > 78;

        printf("%s%s", !c->column ? "" : wrap ? "\n" : "  ", candidate);
        c->column = (wrap ? 0 : c->column) + (unsigned)strlen(candidate) + 2;
        return ++c->n < SHOWN_MAX;
    }
    if (!c->n++) {
        snprintf(c->common, sizeof(c->common), "%s", candidate);
        return true;
    }
    while (c->common[n] && c->common[n] == candidate[n])
        n++;
    c->common[n] = '\0';
    return true;
}

static void list_candidates(struct editor *e, const char *line, size_t word)
{
    struct candidates shown = {.print = true};

    printf("\n");
    e->complete(e->opaque, line, word, look_at, &shown);
    printf("%s\n", shown.n == SHOWN_MAX ? "  ..." : "");
    fflush(stdout);
}

static unsigned char complete_word(EditLine *el, int key)
{
    const LineInfo *info = el_line(el);
    struct candidates c = {.n = 0};
    char line[LINE_MAX + 1];
    struct editor *e;
    size_t word, typed;

    (void)key;
    if (el_get(el, EL_CLIENTDATA, &e))
        return CC_ERROR;
    snprintf(line, sizeof(line), "%.*s", (int)(info->cursor - info->buffer), info->buffer);
    for (word = strlen(line); word && !strchr(" \t(,*&=", line[word - 1]); word--)
        ;
    typed = strlen(line + word);
    e->complete(e->opaque, line, word, look_at, &c);
    if (!c.n)
        return CC_ERROR;
    if (strlen(c.common) == typed && c.n > 1) {
        list_candidates(e, line, word);
        return CC_REDISPLAY;
    }
    if (c.n == 1 && strlen(c.common) + 1 < sizeof(c.common))
        memcpy(c.common + strlen(c.common), " ", 2);
    return strlen(c.common) > typed && el_insertstr(el, c.common + typed) == 0 ? CC_REFRESH
                                                                               : CC_ERROR;
}

/* ---- life ---- */

static void start_history(struct editor *e)
{
    e->history = history_init();
    if (!e->history)
        return;
    history(e->history, &e->event, H_SETSIZE, HISTORY_LINES);
    history(e->history, &e->event, H_SETUNIQUE, 1);
    if (e->file)
        history(e->history, &e->event, H_LOAD, e->file);
    el_set(e->el, EL_HIST, history, e->history);
}

/* Ctrl-C and the like are keys: the terminal is raw already. */
struct editor *editor_new(const char *file, editor_complete_fn *complete, void *opaque)
{
    struct editor *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->complete = complete;
    e->opaque = opaque;
    e->file = file ? strdup(file) : NULL;
    e->el = el_init("calque", stdin, stdout, stderr);
    if (!e->el) {
        editor_free(e);
        return NULL;
    }
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, show_prompt);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_SIGNAL, 0);
    el_set(e->el, EL_GETCFN, get_key);
    el_set(e->el, EL_SETTY, "-d", "-isig", NULL);
    start_history(e);
    el_set(e->el, EL_ADDFN, "calque-complete", "completes a word", complete_word);
    el_set(e->el, EL_BIND, "^I", "calque-complete", NULL);
    el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(e->el, EL_BIND, "^W", "ed-delete-prev-word", NULL);
    return e;
}

void editor_free(struct editor *e)
{
    if (!e)
        return;
    if (e->history) {
        if (e->file)
            history(e->history, &e->event, H_SAVE, e->file);
        history_end(e->history);
    }
    if (e->el)
        el_end(e->el);
    free(e->file);
    free(e);
}

void editor_begin(struct editor *e)
{
    e->npending = e->taken = 0;
    e->editing = true;
    el_resize(e->el);
    el_set(e->el, EL_UNBUFFERED, 1);
    fflush(stdout);
}

void editor_end(struct editor *e)
{
    if (e->editing) {
        el_reset(e->el);
        el_set(e->el, EL_UNBUFFERED, 0);
        terminal_raw_again(); /* libedit thinks that it was cooked */
    }
    e->editing = false;
}

/* The first of the pending keys begins a sequence (ESC [ A) whose end has not come. */
static bool sequence_unfinished(const struct editor *e)
{
    unsigned char last = e->pending[e->npending - 1];

    if (e->pending[0] != 0x1b || e->npending == PENDING_MAX)
        return false;
    if (e->npending < 3)
        return e->npending == 1 || e->pending[1] == '[' || e->pending[1] == 'O';
    return last < 0x40 || last > 0x7e;
}

static void enter_history(struct editor *e)
{
    if (e->history && e->line[strspn(e->line, " \t")])
        history(e->history, &e->event, H_ENTER, e->line);
}

enum editor_result editor_key(struct editor *e, unsigned char key, const char **line)
{
    const char *text;
    int n = 0;

    e->pending[e->npending++] = key;
    if (sequence_unfinished(e))
        return EDIT_MORE;
    e->taken = 0;
    text = el_gets(e->el, &n);
    e->npending = e->taken = 0;
    fflush(stdout);
    if (text && n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) {
        snprintf(e->line, sizeof(e->line), "%.*s", n - 1, text);
        enter_history(e);
        *line = e->line;
        e->editing = false;
        el_set(e->el, EL_UNBUFFERED, 0);
        terminal_raw_again();
        return EDIT_LINE;
    }
    if (key == 0x04 && n <= 1 && (!text || !*text || *text == 0x04)) {
        editor_end(e);
        return EDIT_END;
    }
    return EDIT_MORE;
}

#else

struct editor {
    char line[LINE_MAX + 1];
    size_t n;
    bool cr;
};

struct editor *editor_new(const char *history, editor_complete_fn *complete, void *opaque)
{
    (void)history, (void)complete, (void)opaque;
    return calloc(1, sizeof(struct editor));
}

void editor_free(struct editor *e)
{
    free(e);
}

void editor_begin(struct editor *e)
{
    e->n = 0;
    fputs(PROMPT, stdout);
    fflush(stdout);
}

void editor_end(struct editor *e)
{
    e->n = 0;
}

static void erase(struct editor *e, size_t n)
{
    for (; n && e->n; n--, e->n--)
        fputs("\b \b", stdout);
}

enum editor_result editor_key(struct editor *e, unsigned char key, const char **line)
{
    enum editor_result r = EDIT_MORE;
    bool after_cr = e->cr;

    e->cr = key == '\r';
    if (key == '\r' || (key == '\n' && !after_cr)) {
        e->line[e->n] = '\0';
        *line = e->line;
        fputc('\n', stdout);
        r = EDIT_LINE;
    } else if (key == 0x04 && !e->n) {
        r = EDIT_END;
    } else if (key == 0x7f || key == '\b') {
        erase(e, 1);
    } else if (key == 0x15) {
        erase(e, e->n);
    } else if (key >= ' ' && e->n < LINE_MAX) {
        e->line[e->n++] = (char)key;
        fputc(key, stdout);
    }
    fflush(stdout);
    return r;
}

#endif
