/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF files with DWARF, damaged, and maps: whatever they say, looking things up ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/expr_internal.h"
#include "debugger/symbols_internal.h"
#include "tests/fuzz/fuzz.h"

#define FILE_MAX (64u << 10)

static struct cpu *the_cpu;

static size_t no_memory(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len)
{
    (void)cpu, (void)physical;
    memset(buf, (int)(addr >> 3), len);
    return addr < 1 << 24 ? len : 0;
}

static struct cpu *one_cpu(void *opaque, unsigned index)
{
    (void)opaque;
    return index ? NULL : the_cpu;
}

/* The files that the build made, as far as they are there. */
static size_t base_file(unsigned which, uint8_t *buf)
{
    static const char *const names[] = {"module-64.ko", "module-32.ko", "symbols-64-5.elf",
                                        "symbols-32-4.elf"};
    const char *build = getenv("BUILD");
    char path[512];
    FILE *f;
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/debug/%s", build ? build : "build/gcc", names[which & 3]);
    f = fopen(path, "re");
    if (f) {
        n = fread(buf, 1, FILE_MAX, f);
        fclose(f);
    }
    return n;
}

static void ignore(void *opaque, const char *text)
{
    (void)opaque;
    fuzz_check(!strchr(text, '\n'));
}

static void look_around(struct symbols *s, uint64_t addr)
{
    static const char *const texts[] = {"thing", "*thing.list", "thing.pair[1].x",
                                        "where", "o->name",     "sizeof(struct outer)",
                                        "local", "GREEN"};
    struct frame frames[8];
    struct source_place place;
    char text[200];
    uint64_t lin;

    the_cpu->r[R_RIP] = addr;
    symbol_text(s, addr, text, sizeof(text));
    symbols_line_at(s, addr, &place);
    symbols_line_find(s, "symbols.c", 57, &lin);
    symbols_after_prologue(s, addr);
    symbols_backtrace(s, 0, frames, 8);
    for (unsigned n = 0; n < sizeof(texts) / sizeof(texts[0]); n++) {
        struct error err = {""};
        struct expr *e = expr_parse_view(s, 0, addr, texts[n], &err);

        if (e)
            expr_print(e, NULL, the_cpu, 0, ignore, NULL, &err);
        fuzz_check(!strchr(err.text, '\n'));
        expr_free(e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    const struct guest_view view = {.read = no_memory, .cpu = one_cpu};
    struct symbols *s = symbols_new_view(NULL, &view);
    uint8_t how = fuzz_u8(&in), *buf = calloc(1, FILE_MAX);
    struct error err = {""};
    struct fuzz_file file;
    struct symbol symbol;
    size_t n;

    if (!the_cpu)
        the_cpu = calloc(1, sizeof(*the_cpu));
    the_cpu->code_mode = how & 1 ? CODE32 : CODE64;
    the_cpu->long_mode = !(how & 1);
    the_cpu->r[R_RSP] = 0x8000;
    n = how & 8 ? 0 : base_file(how, buf);
    if (!n) { /* the input is the file */
        n = in.left < FILE_MAX ? in.left : FILE_MAX;
        memcpy(buf, in.data, n);
    } else {
        while (in.left) {
            uint16_t at = fuzz_u16(&in);

            buf[at % n] = fuzz_u8(&in);
        }
    }
    fuzz_file_open(&file, buf, n);
    if (how & 16 ? symbols_load_map(s, file.path, 0, &err)
                 : symbols_load(s, file.path, NULL, 0, &err)) {
        look_around(s, 0x101960);
        if (symbol_find(s, "deeper", &symbol))
            look_around(s, symbol.start + 8);
    } else {
        fuzz_check(err.text[0] && !strchr(err.text, '\n'));
    }
    fuzz_file_close(&file);
    symbols_free(s);
    free(buf);
    return 0;
}
