/* SPDX-License-Identifier: GPL-2.0-or-later */
/* look [-v VMLINUX] KERNEL INITRD APPEND EXPRESSION...: boots Linux on one CPU, in a time that
 * repeats to the bit, until it says itself that it runs (system_state), and a little longer; then
 * prints what is asked for: expressions; "bt"; "@ADDRESS" with its symbol and source line;
 * "modules", "slide", "info" (how long symbols took to find; a person's use). Exit status 0 if the
 * guest got there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/debugger.h"
#include "debugger/expr.h"
#include "debugger/symbols.h"
#include "machines/pc_cpus.h"
#include "monitor/control.h"
#include "translator/translator.h"

#define CHUNK      20000000u /* instructions between looks */
#define CHUNKS_MAX 1000u
#define LONGER     40u /* chunks after system_state says so: the initrd loads modules */
#define RUNNING    3   /* include/linux/kernel.h, 6.1 */

struct box {
    struct pc pc;
    struct pc_cpus cpus;
    struct pc_config config;
    struct translator *translator;
    struct control *ctl;
    struct debugger *d;
    struct symbols *s;
    double seconds; /* that the first look that found something took */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool start(struct box *b, char **argv, struct error *err)
{
    struct translator_config config = {.threshold = 16};
    struct monitor_about about = {0};
    struct monitor_hooks hooks = {0};

    b->config = (struct pc_config){.ram_size = 512 << 20,
                                   .ncpus = 1,
                                   .kernel = argv[0],
                                   .initrd = argv[1],
                                   .append = argv[2],
                                   .icount = true,
                                   .icount_shift = 0,
                                   .create_cpus = pc_cpus_create,
                                   .create_cpus_opaque = &b->cpus};
    if (!cpu_model_parse(&b->cpus.model, "max", err) || !pc_init(&b->pc, &b->config, err) ||
        !pc_power_on(&b->pc, err))
        return false;
    /* Slower, but the same, where there is no translator for the host. */
    if (translator_create(&b->pc.m, &config, &b->translator, NULL))
        translator_attach(b->translator, b->cpus.boot, NULL);
    b->ctl = control_new(&b->pc.m, &about, &hooks);
    b->d = debugger_new(b->ctl, err);
    if (!b->d)
        return false;
    b->s = debugger_symbols(b->d);
    symbols_note_kernel(b->s, argv[0]);
    return true;
}

static bool is_running(struct box *b)
{
    struct error err;
    double before = now();
    struct expr *e = expr_parse(b->d, 0, "*(int *)&system_state", &err);
    uint64_t state = 0;

    if (!e)
        return false;
    if (!b->seconds)
        b->seconds = now() - before;
    if (!expr_integer(e, b->d, debugger_cpu(b->d, 0), &state, &err))
        state = 0;
    expr_free(e);
    return state == RUNNING;
}

static bool boot(struct box *b)
{
    struct machine *m = &b->pc.m;
    unsigned more = 0;

    for (unsigned n = 0; n < CHUNKS_MAX && more < LONGER; n++) {
        machine_lock(m);
        machine_cont(m);
        machine_unlock(m);
        machine_run_inline(m, CHUNK);
        machine_lock(m);
        symbols_refresh(b->s, 0);
        more = more || is_running(b) ? more + 1 : 0;
        machine_unlock(m);
    }
    return more == LONGER;
}

/* ---- what is asked for ---- */

static void print_line(void *opaque, const char *text)
{
    printf("%s%s\n", (const char *)opaque, text);
}

static void print_file(void *opaque, const char *name, const char *path, uint64_t slide,
                       size_t symbols, bool types)
{
    (void)opaque, (void)slide;
    printf("from %s: %zu symbols, %s, %s\n", name, symbols, types ? "types" : "no types",
           path ? "a file" : "memory");
}

static void backtrace(struct box *b)
{
    struct frame frames[64];
    unsigned n = symbols_backtrace(b->s, 0, frames, 64);
    char text[300];

    for (unsigned k = 0; k < n; k++) {
        symbol_text(b->s, frames[k].pc - (k && !frames[k - 1].interrupted), text, sizeof(text));
        printf("#%u %s%s\n", k, text, frames[k].exact ? "" : " (a guess)");
    }
}

static void address(struct box *b, const char *what)
{
    struct error err;
    struct source_place place;
    uint64_t lin;
    char text[300];

    if (!expr_address(b->d, 0, what, &lin, &err)) {
        printf("%s\n", err.text);
        return;
    }
    symbol_text(b->s, lin, text, sizeof(text));
    printf("@%s = %s", what, text);
    if (symbols_line_at(b->s, lin, &place))
        printf(" %s:%u", place.file, place.line);
    printf("\n");
}

static void answer(struct box *b, const char *what)
{
    struct error err;
    struct expr *e;
    uint64_t slide;

    if (strcmp(what, "bt") == 0) {
        backtrace(b);
    } else if (strcmp(what, "modules") == 0) {
        symbols_list(b->s, print_file, NULL);
    } else if (strcmp(what, "slide") == 0) {
        if (symbols_kernel_slide(b->s, &slide))
            printf("slide 0x%" PRIx64 "\n", slide);
    } else if (strcmp(what, "info") == 0) {
        printf("found in %.3f s\n", b->seconds);
    } else if (*what == '@') {
        address(b, what + 1);
    } else if (!(e = expr_parse(b->d, 0, what, &err))) {
        printf("%s\n", err.text);
    } else {
        printf("%s = ", what);
        if (!expr_print(e, b->d, debugger_cpu(b->d, 0), 0, print_line, "", &err))
            printf("%s\n", err.text);
        expr_free(e);
    }
}

int main(int argc, char **argv)
{
    static struct box b;
    struct error err = {""};
    const char *vmlinux = NULL;
    bool ok;

    if (argc > 2 && strcmp(argv[1], "-v") == 0) {
        vmlinux = argv[2];
        argv += 2;
        argc -= 2;
    }
    if (argc < 5) {
        fprintf(stderr, "usage: look [-v VMLINUX] KERNEL INITRD APPEND EXPRESSION...\n");
        return 2;
    }
    if (!start(&b, argv + 1, &err) || (vmlinux && !symbols_load(b.s, vmlinux, NULL, 0, &err))) {
        fprintf(stderr, "look: %s\n", err.text);
        return 1;
    }
    ok = boot(&b);
    machine_lock(&b.pc.m);
    for (int n = 4; n < argc; n++)
        answer(&b, argv[n]);
    machine_unlock(&b.pc.m);
    debugger_free(b.d);
    control_free(b.ctl);
    pc_destroy(&b.pc);
    translator_destroy(b.translator);
    return ok ? 0 : 1;
}
