/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's tables of symbols in memory, in all their layouts, with changes. */
#include <stdlib.h>
#include <string.h>

#include "debugger/kallsyms.h"
#include "debugger/symbols_internal.h"
#include "tests/common/kallsyms_image.h"
#include "tests/fuzz/fuzz.h"

#define SIZE (64u << 10)

struct span {
    const uint8_t *data;
    size_t size;
};

static size_t span_read(void *opaque, uint64_t addr, void *buf, size_t len)
{
    const struct span *s = opaque;

    if (addr >= s->size)
        return 0;
    len = len > s->size - addr ? s->size - addr : len;
    memcpy(buf, s->data + addr, len);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    uint8_t how = fuzz_u8(&in);
    struct kallsyms_image k = {.layout = how % KALLSYMS_LAYOUTS,
                               .word = how & 8 ? 4 : 8,
                               .percpu = how & 16,
                               .n = how & 32 ? 300 : 600,
                               .base = how & 8 ? 0xc1000000 : 0xffffffff81000000};
    uint8_t *memory = calloc(1, SIZE);
    struct span span = {memory, SIZE};
    struct kallsyms_memory m = {span_read, &span};
    struct symbol_table t = {0};
    size_t whole;

    if (!memory)
        return 0;
    whole = kallsyms_image(&k, memory + 4096, SIZE - 4096);
    while (in.left) {
        size_t at = 4096 + fuzz_u16(&in) % whole;

        memory[at] = fuzz_u8(&in);
        if (how & 64) /* a few bytes together */
            for (unsigned n = 1; n < 4 && in.left; n++)
                memory[(at + n) % SIZE] = fuzz_u8(&in);
    }
    if (how & 128)
        span.size = 4096 + whole / 2 + memory[4096];
    if (kallsyms_find(&m, 0, SIZE - 1, &t)) {
        fuzz_check(t.n > 0 && symbol_table_seal(&t));
        for (size_t n = 0; n < t.n; n++)
            fuzz_check(strlen(symbol_entry_name(&t, &t.entries[n])) < 1024);
        symbol_table_at(&t, k.base + 17);
        symbol_table_find(&t, "symbol_1");
    }
    symbol_table_free(&t);
    free(memory);
    return 0;
}
