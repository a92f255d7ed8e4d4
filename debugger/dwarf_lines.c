/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"
#include "debugger/dwarf.h"

#if CONFIG_DW

#include <string.h>

#include "debugger/dwarf_internal.h"

/* Source lines. */

/* Of several rows at one address the last that is a statement, if one is. */
static Dwarf_Line *statement_row(Dwarf_Lines *lines, size_t n)
{
    Dwarf_Line *row = dwarf_onesrcline(lines, n), *last = row;
    Dwarf_Addr at = 0, of = 0;
    bool statement = true, end;

    dwarf_lineaddr(row, &at);
    for (;;) {
        if (dwarf_linebeginstatement(row, &statement) != 0 || statement)
            return row;
        if (!n-- || !(row = dwarf_onesrcline(lines, n)) || dwarf_lineaddr(row, &of) != 0 ||
            of != at || dwarf_lineendsequence(row, &end) != 0 || end)
            return last;
    }
}

bool dwarf_line_at(struct dwarf_file *f, uint64_t addr, struct source_place *out)
{
    Dwarf_Die unit;
    Dwarf_Lines *lines;
    size_t n, low = 0, high;
    Dwarf_Addr at = 0, next = 0;
    int number = 0;
    bool end = true;

    if (!dwarf_unit_at(f, addr, &unit) || dwarf_getsrclines(&unit, &lines, &n) != 0)
        return false;
    addr -= f->bias;
    /* The last row that begins at addr or before, of those that have rows behind them. */
    for (high = n; low < high;) {
        size_t middle = low + (high - low) / 2;

        if (dwarf_lineaddr(dwarf_onesrcline(lines, middle), &at) == 0 && at <= addr)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return false;
    Dwarf_Line *behind = low < n ? dwarf_onesrcline(lines, low) : NULL;
    Dwarf_Line *row = statement_row(lines, low - 1);

    if (dwarf_lineendsequence(row, &end) != 0 || end || dwarf_lineaddr(row, &at) != 0 ||
        dwarf_lineno(row, &number) != 0 || !behind || dwarf_lineaddr(behind, &next) != 0)
        return false;
    out->file = dwarf_linesrc(row, NULL, NULL);
    out->line = (unsigned)number;
    out->start = at + f->bias;
    out->last = next - 1 + f->bias;
    return out->file && number > 0;
}

/* `path` ends with the components of `file`. */
static bool is_file(const char *path, const char *file)
{
    size_t len = strlen(path), want = strlen(file);

    while (strncmp(file, "./", 2) == 0)
        file += 2, want -= 2;
    return path && want && len >= want && strcmp(path + len - want, file) == 0 &&
           (len == want || file[0] == '/' || path[len - want - 1] == '/');
}

/* The unit's best row for the line: the first statement of the line itself or the nearest after. */
static void best_row(struct dwarf_file *f, Dwarf_Die *unit, const char *file, unsigned line,
                     unsigned *best, uint64_t *addr)
{
    Dwarf_Lines *lines;
    size_t n;

    if (dwarf_getsrclines(unit, &lines, &n) != 0)
        return;
    for (size_t i = 0; i < n; i++) {
        Dwarf_Line *row = dwarf_onesrcline(lines, i);
        int number;
        bool statement, end;
        Dwarf_Addr at;

        if (dwarf_lineno(row, &number) != 0 || number < (int)line || (unsigned)number > *best ||
            dwarf_linebeginstatement(row, &statement) != 0 || !statement ||
            dwarf_lineendsequence(row, &end) != 0 || end || dwarf_lineaddr(row, &at) != 0)
            continue;
        if ((unsigned)number == *best && at + f->bias >= *addr)
            continue;
        if (!is_file(dwarf_linesrc(row, NULL, NULL) ?: "", file))
            continue;
        *best = (unsigned)number;
        *addr = at + f->bias;
    }
}

/* How far behind a line without code its code may be. */
#define LINES_BEYOND 20u

bool dwarf_line_find(struct dwarf_file *f, const char *file, unsigned line, uint64_t *addr)
{
    unsigned best = line > UINT32_MAX / 2 ? line : line + LINES_BEYOND;

    *addr = UINT64_MAX;
    if (!dwarf_of(f) || !line)
        return false;
    /* Units that are the file first: few. Then what is included by others, such as headers. */
    for (unsigned pass = 0; pass < 2 && *addr == UINT64_MAX; pass++) {
        Dwarf_CU *cu = NULL;
        Dwarf_Die die;

        while (dwarf_get_units(f->dwarf, cu, &cu, NULL, NULL, &die, NULL) == 0) {
            bool same = dwarf_diename(&die) && is_file(dwarf_diename(&die), file);
            Dwarf_Files *files;
            size_t n;

            if (same != !pass)
                continue;
            if (pass) {
                if (dwarf_getsrcfiles(&die, &files, &n) != 0)
                    continue;
                for (size_t i = 0; i < n && !same; i++)
                    same = is_file(dwarf_filesrc(files, i, NULL, NULL) ?: "", file);
                if (!same)
                    continue;
            }
            best_row(f, &die, file, line, &best, addr);
        }
    }
    return *addr != UINT64_MAX;
}

/* Compilers begin a second row where arguments are in their places, or say so. */
uint64_t dwarf_after_prologue(struct dwarf_file *f, uint64_t start)
{
    Dwarf_Die unit;
    Dwarf_Lines *lines;
    size_t n;
    uint64_t second = start;
    bool begun = false;

    if (!dwarf_unit_at(f, start, &unit) || dwarf_getsrclines(&unit, &lines, &n) != 0)
        return start;
    for (size_t i = 0; i < n; i++) {
        Dwarf_Line *row = dwarf_onesrcline(lines, i);
        Dwarf_Addr at;
        bool end, prologue_end = false, statement;

        if (dwarf_lineaddr(row, &at) != 0 || dwarf_lineendsequence(row, &end) != 0 ||
            dwarf_linebeginstatement(row, &statement) != 0)
            break;
        at += f->bias;
        if (!begun && at != start)
            continue;
        begun = true;
        if (end || at - start > 512)
            break;
        dwarf_lineprologueend(row, &prologue_end);
        if (prologue_end)
            return at;
        if (second == start && at > start && statement)
            second = at;
    }
    return second;
}

#else

bool dwarf_line_at(struct dwarf_file *f, uint64_t addr, struct source_place *out)
{
    (void)f, (void)addr, (void)out;
    return false;
}

bool dwarf_line_find(struct dwarf_file *f, const char *file, unsigned line, uint64_t *addr)
{
    (void)f, (void)file, (void)line, (void)addr;
    return false;
}

uint64_t dwarf_after_prologue(struct dwarf_file *f, uint64_t start)
{
    (void)f;
    return start;
}

#endif
