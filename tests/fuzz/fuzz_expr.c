/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expressions as people may type them, over a program's types where the build has made one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "debugger/expr_internal.h"
#include "tests/fuzz/fuzz.h"

static struct cpu *the_cpu;
static struct symbols *the_symbols;

static size_t some_memory(struct cpu *cpu, bool physical, uint64_t addr, void *buf, size_t len)
{
    (void)cpu;
    if (addr >= 1 << 24)
        return 0;
    if (len > (1 << 24) - addr)
        len = (1 << 24) - addr;
    for (size_t n = 0; n < len; n++)
        ((uint8_t *)buf)[n] = (uint8_t)((addr + n) * 7 >> (physical ? 2 : 1));
    return len;
}

static struct cpu *one_cpu(void *opaque, unsigned index)
{
    (void)opaque;
    return index ? NULL : the_cpu;
}

static void begin(void)
{
    const struct guest_view view = {.read = some_memory, .cpu = one_cpu};
    const char *build = getenv("BUILD");
    char path[512];
    struct error err = {""};

    the_cpu = calloc(1, sizeof(*the_cpu));
    the_cpu->r[R_RSP] = 0x8000;
    the_symbols = symbols_new_view(NULL, &view);
    snprintf(path, sizeof(path), "%s/debug/symbols-64-5.elf", build ? build : "build/gcc");
    symbols_load(the_symbols, path, NULL, 0, &err);
}

static void check_line(void *opaque, const char *text)
{
    (void)opaque;
    fuzz_check(!strchr(text, '\n') && strlen(text) < 1024);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char formats[] = "\0xzduotacfs";
    struct fuzz_input in = {data, size};
    struct error err = {""};
    uint8_t how = fuzz_u8(&in);
    uint64_t v, bytes;
    char *text;
    struct expr *e;

    if (!the_symbols)
        begin();
    the_cpu->code_mode = how & 1 ? CODE64 : how & 2 ? CODE32 : CODE16;
    the_cpu->long_mode = how & 1;
    the_cpu->real_or_v86 = how & 4;
    the_cpu->gdtr.limit = 0xff;
    the_cpu->r[R_RIP] = 0x101960 + (how >> 4);
    text = malloc(in.left + 1);
    memcpy(text, in.data, in.left);
    text[in.left] = 0;
    e = expr_parse_view(the_symbols, 0, the_cpu->r[R_RIP], text, &err);
    if (e) {
        if (!expr_integer(e, NULL, the_cpu, &v, &err))
            fuzz_check(err.text[0]);
        expr_location(e, NULL, the_cpu, &v, &bytes, &err);
        expr_print(e, NULL, the_cpu, formats[how % (sizeof(formats) - 1)], check_line, NULL, &err);
    } else {
        fuzz_check(err.text[0]);
    }
    expr_free(e);
    expr_address_view(the_symbols, 0, text, &v, &err);
    free(text);
    return 0;
}
