/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host and this build can do, for people and scripts. */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/bits.h"
#include "base/error.h"
#include "cli/cmdline.h"
#include "config.h"
#include "cpu/x86/kvm/kvm.h"
#include "translator/translator.h"
#include "vm/machine.h"

enum verdict { OK, NO, TOLD };

struct doctor {
    bool missing;
};

__attribute__((format(printf, 4, 5))) static void say(struct doctor *d, enum verdict verdict,
                                                      const char *what, const char *fmt, ...)
{
    static const char *const marks[] = {[OK] = "ok", [NO] = "no", [TOLD] = "--"};
    va_list ap;

    printf("%s  %-16s ", marks[verdict], what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    d->missing |= verdict == NO;
}

/* ---- engines ---- */

static bool can_translate(struct error *err)
{
    const struct translator_config config = {.cache_size = TRANSLATOR_CACHE_MIN};
    struct translator *translator = NULL;
    struct machine *m = malloc(sizeof(*m));
    bool ok = m && machine_init(m, 0, 0, err);

    if (!m)
        return error_set(err, "out of memory");
    if (ok) {
        ok = translator_create(m, &config, &translator, err);
        machine_destroy(m);
        translator_destroy(translator);
    }
    free(m);
    return ok;
}

static void engines(struct doctor *d)
{
    struct error err = {""};

    if (kvm_probe(&err))
        say(d, OK, "engine kvm", "the host's processor");
    else
        say(d, NO, "engine kvm", "%s", err.text);
    if (can_translate(&err))
        say(d, OK, "engine jit", "translator to host code");
    else
        say(d, NO, "engine jit", "%s", err.text);
    say(d, OK, "engine interp", "interpreter");
}

/* ---- memory and limits ---- */

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* The word in brackets is the one that holds. */
static void huge_pages(struct doctor *d)
{
    FILE *f = fopen(SHMEM_ENABLED, "re");
    char line[128] = "", *open = NULL, *shut = NULL;

    if (f && fgets(line, sizeof(line), f) && (open = strchr(line, '[')))
        shut = strchr(open, ']');
    if (shut)
        say(d, TOLD, "huge pages", "shared memory: %.*s%s", (int)(shut - open - 1), open + 1,
            !strncmp(open + 1, "never", 5) ? "; KVM gains by: echo advise >" SHMEM_ENABLED : "");
    else
        say(d, TOLD, "huge pages", "the kernel has none for shared memory");
    if (f)
        fclose(f);
}

static void limit(struct doctor *d, const char *name, int which, uint64_t least)
{
    struct rlimit r;

    if (getrlimit(which, &r) < 0)
        return;
    if (r.rlim_cur == RLIM_INFINITY)
        say(d, OK, name, "unlimited");
    else
        say(d, r.rlim_cur < least ? NO : OK, name, "%llu (ulimit; at least %llu is of use)",
            (unsigned long long)r.rlim_cur, (unsigned long long)least);
}

/* ---- this build ---- */

static void libraries(struct doctor *d)
{
    static const struct {
        const char *name, *use;
        bool there;
    } list[] = {
        {"capstone", "disassembly", CONFIG_CAPSTONE},
        {"curses", "-display curses", CONFIG_CURSES},
        {"jansson", "QMP, options in JSON", CONFIG_JANSSON},
        {"mpfr", "-cpu ,fpapprox=soft", CONFIG_MPFR},
        {"png", "pictures of the screen", CONFIG_PNG},
        {"sdl2", "-display sdl, sound", CONFIG_SDL2},
        {"vnc", "-vnc", CONFIG_VNC},
        {"zlib", "compressed images", CONFIG_ZLIB},
        {"zstd", "compressed images", CONFIG_ZSTD},
    };

    for (unsigned n = 0; n < ARRAY_SIZE(list); n++)
        if (list[n].there)
            say(d, OK, list[n].name, "%s", list[n].use);
        else
            say(d, NO, list[n].name, "not in this build: no %s", list[n].use);
}

static void window_system(struct doctor *d)
{
    const char *wayland = getenv("WAYLAND_DISPLAY"), *x = getenv("DISPLAY");

    if (wayland && *wayland)
        say(d, TOLD, "windows", "Wayland, %s", wayland);
    else if (x && *x)
        say(d, TOLD, "windows", "X, %s", x);
    else
        say(d, TOLD, "windows", "no window system: -vnc, -display curses or -nographic");
}

int doctor_run(void)
{
    struct doctor d = {false};

    engines(&d);
    huge_pages(&d);
    limit(&d, "open files", RLIMIT_NOFILE, 256);
    limit(&d, "address space", RLIMIT_AS, 4ull << 30);
    libraries(&d);
    window_system(&d);
    return d.missing ? EXIT_ERROR : EXIT_OK;
}
