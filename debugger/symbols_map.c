/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "debugger/symbols_internal.h"

/* Lists of addresses: nm's ("ffffffff81000000 T _text", as System.map and our BIOS's map are), and
 * plain ones ("name 0x1234", or the other way round). */

#define LINE_MAX_ 1024

/* A word that is an address as a whole. */
static bool is_address(const char *word, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(word, &end, 16);
    return end != word && !*end && !errno && word[0] != '-' && word[0] != '+';
}

static bool add_line(struct symbol_table *t, char *line)
{
    char *save = NULL, *words[3] = {0};
    uint64_t addr;
    char letter = 't';
    const char *name;

    for (unsigned n = 0; n < 3; n++)
        words[n] = strtok_r(n ? NULL : line, " \t\r\n", &save);
    if (!words[0] || words[0][0] == '#')
        return true;
    if (words[2] && strlen(words[1]) == 1 && is_address(words[0], &addr)) {
        letter = words[1][0];
        name = words[2];
    } else if (words[1] && is_address(words[0], &addr)) {
        name = words[1];
    } else if (words[1] && is_address(words[1], &addr)) {
        name = words[0];
    } else {
        return false;
    }
    if (letter == 'U' || letter == 'a')
        return true;
    return symbol_table_add(t, name, addr, 0,
                            (strchr("tTwW", letter) ? SYMBOL_FUNCTION : 0) |
                                (letter == 'A' ? SYMBOL_ABSOLUTE : 0) |
                                (letter >= 'A' && letter <= 'Z' ? SYMBOL_GLOBAL : 0));
}

bool symbols_load_map(struct symbols *s, const char *file, uint64_t slide, struct error *err)
{
    FILE *in = fopen(file, "re");
    struct symbol_file *f = symbol_file_new(SYMBOLS_MAP, NULL, file);
    char line[LINE_MAX_];
    unsigned number = 0;
    bool ok = in && f;

    if (!in)
        error_set(err, "%s: %s", file, strerror(errno));
    while (ok && fgets(line, sizeof(line), in)) {
        number++;
        ok = add_line(&f->table, line);
        if (!ok)
            error_set(err, "%s:%u: not a line of a map: \"ADDRESS [LETTER] NAME\" is expected",
                      file, number);
    }
    if (in)
        fclose(in);
    if (ok && !f->table.n)
        ok = error_set(err, "%s: no symbols in it", file);
    if (ok)
        symbol_table_sizes(&f->table);
    if (ok && !symbol_table_seal(&f->table))
        ok = error_set(err, "%s: out of memory", file);
    if (!ok) {
        symbol_file_free(f);
        return false;
    }
    f->slide = slide;
    symbols_add_file(s, f);
    return true;
}

bool symbols_note_firmware(struct symbols *s, const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t folder = slash ? (size_t)(slash + 1 - file) : 0;
    char *map;
    bool ok;

    if (strcmp(file + folder, "bios.bin") != 0)
        return false;
    if (asprintf(&map, "%.*sbios.map", (int)folder, file) < 0)
        return false;
    ok = symbols_load_map(s, map, 0, NULL);
    free(map);
    return ok;
}
