/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/suggest.h"

static const struct {
    const char *name;
    uint32_t bit;
    const char *help;
} categories[] = {
    {"in_asm", LOG_IN_ASM, "each decoded block, disassembled"},
    {"int", LOG_INT, "interrupts and exceptions, one line each"},
    {"mmu", LOG_MMU, "page walks that fault, TLB flushes"},
    {"cpu_reset", LOG_CPU_RESET, "CPU state at each reset"},
    {"guest_errors", LOG_GUEST_ERRORS, "the guest did something a datasheet forbids"},
    {"unimp", LOG_UNIMP, "the guest used something Calque does not have"},
    {"exec", LOG_EXEC, "each block executed"},
    {"jit", LOG_JIT, "each block translated, with its host code"},
};
#define NCATEGORIES (sizeof(categories) / sizeof(categories[0]))

void log_init(struct log *log)
{
    log->out = stderr;
    log->mask = 0;
}

static void print_categories(void)
{
    puts("Log categories (-d name,name,... or all):");
    for (size_t i = 0; i < NCATEGORIES; i++)
        printf("  %-13s %s\n", categories[i].name, categories[i].help);
}

/* The bit of one name; 0 with an error if there is none. */
static uint32_t category_bit(const char *name, struct error *err)
{
    struct suggestion near;

    if (!strcmp(name, "all"))
        return ~0u;
    suggest_begin(&near, name);
    for (size_t i = 0; i < NCATEGORIES; i++) {
        if (!strcmp(name, categories[i].name))
            return categories[i].bit;
        suggest_offer(&near, categories[i].name);
    }
    error_set(err, "-d %s: no such log category; did you mean %s?", name, near.best);
    return 0;
}

bool log_parse_mask(struct log *log, const char *list, struct error *err)
{
    uint32_t mask = 0;

    if (!strcmp(list, "help")) {
        print_categories();
        return error_set(err, "%s", "");
    }
    while (true) {
        char name[64];
        size_t len = strcspn(list, ",");

        snprintf(name, sizeof(name), "%.*s", len < 60 ? (int)len : 60, list);
        uint32_t bit = category_bit(name, err);
        if (!bit)
            return false;
        mask |= bit;
        if (!list[len])
            break;
        list += len + 1;
    }
    log->mask |= mask;
    return true;
}

bool log_open_file(struct log *log, const char *path, struct error *err)
{
    FILE *f = fopen(path, "we");

    if (!f)
        return error_set(err, "-D %s: %s", path, strerror(errno));
    log_close(log);
    log->out = f;
    return true;
}

void log_close(struct log *log)
{
    if (log->out && log->out != stderr)
        fclose(log->out);
    log->out = stderr;
}

static void put_time(FILE *out)
{
    struct timespec now;
    struct tm tm;
    char text[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "%s.%06ldZ ", text, now.tv_nsec / 1000);
}

void log_line(struct log *log, uint32_t category, const char *fmt, ...)
{
    va_list ap;

    if (!log_on(log, category))
        return;
    flockfile(log->out); /* one line stays one line, whichever threads write */
    if (log->timestamps)
        put_time(log->out);
    va_start(ap, fmt);
    vfprintf(log->out, fmt, ap);
    va_end(ap);
    putc_unlocked('\n', log->out);
    funlockfile(log->out);
}
