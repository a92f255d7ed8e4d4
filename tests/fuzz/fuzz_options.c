/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: any words as options, any values for those that have a syntax of their own, and
 * back ends of characters. No file is opened and nothing is connected: there are no descriptors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "cli/cmdline.h"
#include "cpu/x86/cpuid.h"
#include "host/block/drive.h"
#include "host/char/backend.h"
#include "host/poll.h"
#include "machines/smbios.h"
#include "tests/fuzz/fuzz.h"

#define MAX_WORDS 12

/* Options that take values with a syntax, so that the input need not spell them. */
static const char *const names[] = {"-m",        "-smp",     "-cpu",      "-machine", "-smbios",
                                    "-serial",   "-chardev", "-device",   "-icount",  "-action",
                                    "-accel",    "-d",       "--timeout", "-name",    "-monitor",
                                    "-debugcon", "-parallel"};
#define NUM_NAMES (sizeof(names) / sizeof(names[0]))

static void check_line(const struct error *err)
{
    fuzz_check(err->text[0] && !strchr(err->text, '\n'));
}

static void use_settings(const struct settings *s)
{
    struct cpu_model model = {.name = ""};
    struct smbios_settings smbios = {.noem = 0};
    struct log log;
    struct error err = {""};
    bool ok = true;

    if (!cpu_model_parse(&model, s->cpu, &err))
        check_line(&err);
    for (unsigned n = 0; ok && n < s->nsmbios; n++) {
        err.text[0] = 0;
        if (!(ok = smbios_parse(&smbios, s->smbios[n], &err)))
            check_line(&err);
    }
    smbios_settings_free(&smbios);
    log_init(&log);
    err.text[0] = 0;
    if (s->log_categories)
        log_parse_mask(&log, s->log_categories, &err);
    fuzz_check(s->smp.cpus >= 1 && s->smp.cpus <= MAX_CPUS);
    fuzz_check(s->ram_size >= 1 << 20);
}

/* Terminals of the host are not touched either. */
static bool wants_terminal(const char *spec)
{
    return strstr(spec, "stdio") || strstr(spec, "pty");
}

static void use_chardevs(const struct settings *s)
{
    struct poller poller;
    struct error err = {""};
    struct chardev *c;
    bool monitor;

    if (!poller_init(&poller, &err))
        return;
    struct rlimit old, none;
    fuzz_check(!getrlimit(RLIMIT_NOFILE, &old));
    none = old;
    none.rlim_cur = 0;
    fuzz_check(!setrlimit(RLIMIT_NOFILE, &none));
    struct chardevs *all = chardevs_new(&poller, (struct escape_actions){NULL, NULL});
    for (unsigned n = 0; n < s->nchardev; n++)
        if (!wants_terminal(s->chardev[n]) && !chardev_define(all, s->chardev[n], &err))
            check_line(&err);
    for (unsigned n = 0; n < s->nserial; n++)
        if (!wants_terminal(s->serial[n]) &&
            !chardev_open(all, s->serial[n], "serial", &c, &monitor, &err))
            check_line(&err);
    chardevs_free(all);
    fuzz_check(!setrlimit(RLIMIT_NOFILE, &old));
    poller_destroy(&poller);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    struct fuzz_input in = {data, size};
    struct settings s;
    struct error err = {""};
    char *words[2 * MAX_WORDS + 2] = {strdup("calque")};
    unsigned n = 1;
    FILE *out = stdout;

    while (in.left && n < 2 * MAX_WORDS) {
        uint8_t option = *in.data;

        if (option < NUM_NAMES) {
            fuzz_u8(&in);
            words[n++] = strdup(names[option]);
        }
        words[n++] = fuzz_string(&in, 200);
    }
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    stdout = nowhere; /* help */
    enum cmdline_result r = cmdline_parse(&s, words, &err);
    if (r == CMDLINE_BAD && (!words[0] || !words[1]))
        fuzz_check(!err.text[0]); /* examples were printed */
    else if (r == CMDLINE_BAD)
        check_line(&err);
    else if (r == CMDLINE_RUN) {
        use_settings(&s);
        use_chardevs(&s);
    }
    stdout = out;
    drives_free(s.drives);
    settings_free(&s);
    while (n--)
        free(words[n]);
    return 0;
}
