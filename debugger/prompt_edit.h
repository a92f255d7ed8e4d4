/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_DEBUGGER_PROMPT_EDIT_H
#define CALQUE_DEBUGGER_PROMPT_EDIT_H

#include <stdbool.h>
#include <stddef.h>

/* Editing of a line on this process's terminal, a key at a time: libedit, or without it the keys
 * that a line cannot do without. */

struct editor;

/* Calls fn with what the word at line + word may become, until fn says no. */
typedef void editor_complete_fn(void *opaque, const char *line, size_t word,
                                bool (*fn)(void *fn_opaque, const char *candidate),
                                void *fn_opaque);

enum editor_result { EDIT_MORE, EDIT_LINE, EDIT_END /* Ctrl-D in an empty line */ };

/* history: the file that keeps the lines; NULL: none. */
struct editor *editor_new(const char *history, editor_complete_fn *complete, void *opaque);
void editor_free(struct editor *e); /* saves the history; e may be NULL */
/* Shows the prompt and an empty line. */
void editor_begin(struct editor *e);
/* A key was pressed. EDIT_LINE: *line is it, valid until the next call; editing has ended then, and
 * after EDIT_END. */
enum editor_result editor_key(struct editor *e, unsigned char key, const char **line);
/* Gives the terminal back in the middle of a line, which is forgotten. */
void editor_end(struct editor *e);

#endif
