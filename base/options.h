/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_BASE_OPTIONS_H
#define CALQUE_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct error;

/* ---- key=value lists: "socket,id=mon0,path=/tmp/a,,b,server=on" ----
 * ",," stands for a comma in a value. The first item may lack its key (`implied`); a later bare
 * word means word=on, and "noword" means word=off where the reader asks for `word`. */

#define OPTION_LIST_MAX 32

struct option_list {
    size_t n;
    struct option_pair {
        char *key, *value;
        bool bare; /* no '=' was written */
    } pairs[OPTION_LIST_MAX];
};

/* implied may be NULL: then the first item needs its key, too. */
bool option_list_parse(struct option_list *l, const char *text, const char *implied,
                       struct error *err);
void option_list_free(struct option_list *l);

/* The last value given for the key, or NULL. */
const char *option_get(const struct option_list *l, const char *key);
/* on/off, yes/no, true/false; *value is left alone when the key is absent. */
bool option_get_bool(const struct option_list *l, const char *key, bool *value, struct error *err);
/* A number in min..max; *value is left alone when the key is absent. */
bool option_get_number(const struct option_list *l, const char *key, uint64_t min, uint64_t max,
                       uint64_t *value, struct error *err);
/* False, naming the nearest, if there is a key that is not in the NULL-terminated list. */
bool option_list_check(const struct option_list *l, const char *const *known, struct error *err);

/* ---- the table of command line options ---- */

struct option_row {
    const char *name; /* without dashes: -name and --name are the same */
    const char *arg;  /* how its value is written in help; NULL: takes none */
    int id;
    const char *group; /* topic of --help=TOPIC; NULL: known, but refused as not there yet */
    const char *help;
};

/* Steps through argv. Returns the row and *value (NULL if it takes none), or NULL with err filled.
 * A word that is no option gives NULL with an empty err and the word in *value. */
const struct option_row *option_next(const struct option_row *table, char **argv, int *index,
                                     const char **value, struct error *err);

/* All options of a topic, or of all topics if NULL. Returns how many were printed. */
unsigned option_print_help(const struct option_row *table, const char *topic, FILE *out);
/* Names and arguments alone, a paragraph per topic, within 79 columns. Options of the topic
 * "other", which programs use rather than people, are left out. */
#define OPTION_TOPIC_OTHER "other"
void option_print_summary(const struct option_row *table, FILE *out);
/* Calls with each topic once, in table order. */
void option_each_topic(const struct option_row *table, void (*fn)(void *, const char *), void *p);

#endif
