/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts whose processor no emitter is written for. */
#include <string.h>

#include "base/error.h"
#include "translator/translator.h"

bool translator_create(struct machine *m, const struct translator_config *config,
                       struct translator **out, struct error *err)
{
    (void)m, (void)config, (void)out;
    return error_set(err, "there is no translator for this host's processor yet");
}

void translator_destroy(struct translator *tr)
{
    (void)tr;
}

bool translator_attach(struct translator *tr, struct cpu *cpu, struct error *err)
{
    (void)tr, (void)cpu;
    return error_set(err, "there is no translator for this host's processor yet");
}

void translator_detach(struct cpu *cpu)
{
    (void)cpu;
}

void translator_stats(const struct translator *tr, struct translator_stats *out)
{
    (void)tr;
    memset(out, 0, sizeof(*out));
}

bool translator_calls(const struct translator *tr, unsigned n, const char **name, uint64_t *calls)
{
    (void)tr, (void)n, (void)name, (void)calls;
    return false;
}

void translator_report(const struct translator *tr, void (*line)(void *opaque, const char *text),
                       void *opaque)
{
    (void)tr, (void)line, (void)opaque;
}

void translator_describe(const struct translator *tr, void (*line)(void *opaque, const char *text),
                         void *opaque)
{
    (void)tr, (void)line, (void)opaque;
}
