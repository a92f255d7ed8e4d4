/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "cli/cmdline.h"
#include "cli/cmdline_system.h"
#include "vm/clock.h"

#define SECONDS_MAX 1000000000ull
#define FIRST_HUB   0x40000000u /* of a replay's own: nobody counts so far */

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

/* ---- the host's side of a recording ---- */

/* `prefix`, and the id that `spec` has. */
static const char *keep_id(struct settings *s, const char *prefix, const char *spec,
                           struct error *err)
{
    struct option_list l;
    const char *id;
    char *text, *to;

    if (!option_list_parse(&l, spec, "type", err))
        return NULL;
    id = option_get(&l, "id");
    text = malloc(strlen(prefix) + 2 * strlen(id ? id : "") + sizeof(",id="));
    if (text) {
        to = text + sprintf(text, id ? "%s,id=" : "%s", prefix);
        for (; id && *id; id++) {
            if (*id == ',')
                *to++ = ',';
            *to++ = *id;
        }
        *to = '\0';
    }
    option_list_free(&l);
    return settings_keep(s, text, err);
}

/* A connection as -serial has it, or (is_chardev) as -chardev: to somebody else, or with a name on
 * the host that two replays cannot have at once. */
static bool is_connection(const char *spec, bool is_chardev)
{
    static const char *const shorts[] = {"unix:", "tcp:", "telnet:"};
    size_t len = strcspn(spec, ",");

    if (!strncmp(spec, "mon:", 4))
        return is_connection(spec + 4, is_chardev);
    for (unsigned i = 0; !is_chardev && i < 3; i++)
        if (!strncmp(spec, shorts[i], strlen(shorts[i])))
            return true;
    return (len == 3 && !strncmp(spec, "pty", len)) ||
           (is_chardev && strncmp(spec, "backend=", 8) == 0 &&
            is_connection(spec + 8, is_chardev)) ||
           (is_chardev && len == 6 && !strncmp(spec, "socket", len));
}

static void disconnect(const char **spec)
{
    if (*spec && is_connection(*spec, false))
        *spec = "null";
}

/* A network that nobody else is in. */
static const char *lonely_network(struct settings *s, unsigned number, const char *spec,
                                  struct error *err)
{
    char text[40];

    snprintf(text, sizeof(text), "hubport,hubid=%u", FIRST_HUB + number);
    return keep_id(s, text, spec, err);
}

static bool leave_networks(struct settings *s, struct error *err)
{
    for (unsigned i = 0; i < s->nnetdevs; i++)
        if (!(s->netdevs[i] = lonely_network(s, i, s->netdevs[i], err)))
            return false;
    for (unsigned i = 0; i < s->nnics; i++) {
        const char **backend = &s->nics[i].backend;

        if (*backend && !(*backend = lonely_network(s, MAX_NETDEVS + i, *backend, err)))
            return false;
    }
    s->nhub = 0;
    s->ndumps = 0;
    return true;
}

bool record_leave_host(struct settings *s, struct error *err)
{
    for (unsigned i = 0; i < s->nchardev; i++)
        if (is_connection(s->chardev[i], true) &&
            !(s->chardev[i] = keep_id(s, "null", s->chardev[i], err)))
            return false;
    for (unsigned i = 0; i < s->nserial; i++)
        disconnect(&s->serial[i]);
    for (unsigned i = 0; i < s->ndebugcon; i++)
        disconnect(&s->debugcon[i].spec);
    for (unsigned i = 0; i < s->nparallel; i++)
        disconnect(&s->parallel[i].spec);
    s->recorded_speaker = s->naudiodevs;
    s->naudiodevs = 0; /* the replay's own are still to come */
    s->pcspk_audiodev = NULL;
    return leave_networks(s, err);
}

/* ---- what a recording has of the options ---- */

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

bool record_remember_speaker(struct settings *s, struct error *err)
{
    return !s->record || record_remember(s, "-audiodev", "none,id=speaker", err);
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
