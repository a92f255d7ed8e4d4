/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmdline_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cmdline.h"
#include "vm/clock.h"

#define SECONDS_MAX 1000000000ull

bool parse_history(struct settings *s, const char *value, struct error *err)
{
    char *end;
    unsigned long long n = strtoull(value, &end, 10);

    if (!strcmp(value, "all")) {
        s->history = UINT64_MAX;
        return true;
    }
    if (!strcmp(end, "m") && n <= SECONDS_MAX)
        n *= 60;
    else if (*end && strcmp(end, "s") != 0)
        n = 0;
    if (*value < '0' || *value > '9' || !n || n > SECONDS_MAX)
        return error_set(err, "--history %s: seconds (60s), minutes (5m) or all is expected",
                         value);
    s->history = n * NS_PER_SEC;
    return true;
}

bool parse_seed(struct settings *s, const char *value, struct error *err)
{
    char *end;

    s->seed = strtoull(value, &end, 0);
    s->has_seed = true;
    return (*value >= '0' && *value <= '9' && !*end) ||
           error_set(err, "--seed %s: a number is expected", value);
}

bool parse_replay(struct settings *s, const char *value, struct error *err)
{
    if (s->replay)
        return error_set(err, "--replay: one recording at a time");
    s->replay = calloc(1, sizeof(*s->replay));
    if (!s->replay)
        return error_set(err, "out of memory");
    if (!record_log_read(s->replay, value, err)) {
        error_prefix(err, "--replay");
        return false;
    }
    s->icount = true;
    s->icount_shift = s->replay->header.icount_shift;
    return true;
}

static bool add_word(struct record_words *w, const char *word)
{
    char **text = realloc(w->text, (w->n + 1) * sizeof(char *));

    if (text)
        w->text = text;
    if (!text || !(w->text[w->n] = strdup(word)))
        return false;
    w->n++;
    return true;
}

bool record_remember(struct settings *s, const char *option, const char *value, struct error *err)
{
    return (add_word(&s->words, option) && (!value || add_word(&s->words, value))) ||
           error_set(err, "out of memory");
}

/* What follows from the terminal and the screen, which may be others at the replay. */
static bool remember_defaults(struct settings *s, bool serial_asked, struct error *err)
{
    if (serial_asked || s->nodefaults)
        return true;
    return record_remember(s, "-serial", s->nserial ? s->serial[0] : "none", err);
}

static bool was_remembered(const struct settings *s, const char *option)
{
    for (unsigned i = 0; i < s->words.n; i++)
        if (!strcmp(s->words.text[i], option))
            return true;
    return false;
}

bool record_check_settings(struct settings *s, struct error *err)
{
    const char *what = s->record    ? "--record"
                       : s->replay  ? "--replay"
                       : s->history ? "--history"
                                    : "--seed";

    if (!s->record && !s->replay && !s->history && !s->has_seed)
        return true;
    if (s->icount && s->icount_auto)
        return error_set(err,
                         "%s: the rate of time must not depend on the host: "
                         "-icount shift=N is expected, not auto",
                         what);
    if (s->record && s->replay)
        return error_set(err, "--record: not while another recording is replayed");
    if (s->services.nfolders && (s->record || s->replay || s->history))
        return error_set(err, "%s: not with a shared folder: what is in it is not recorded", what);
    if (s->machine_none)
        return error_set(err, "%s: not with -machine none", what);
    if (!s->icount) {
        s->icount = true;
        s->icount_shift = 3;
    }
    if (s->replay && s->icount_shift != s->replay->header.icount_shift)
        return error_set(err, "--replay: recorded with -icount shift=%u",
                         (unsigned)s->replay->header.icount_shift);
    return !s->record || remember_defaults(s, was_remembered(s, "-serial"), err);
}

void record_free_settings(struct settings *s)
{
    struct record_header h = {.args = s->words};

    record_header_free(&h);
    s->words = (struct record_words){0};
    if (s->replay)
        record_log_free(s->replay);
    free(s->replay);
    s->replay = NULL;
}
