/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expressions and memory: print, set, setpmem, writemem, loadmem, search, dump, crc, print-stack,
 * print-string, deref, page. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/explain.h"
#include "debugger/commands_internal.h"
#include "vm/machine.h"

#define FILE_MAX    (1u << 30)
#define SEARCH_MAX  (1ull << 36)
#define PIECE       4096
#define PATTERN_MAX 256
#define STACK_MAX   1024
#define FOUND_MAX   64

/* ---- print, set ---- */

void cmd_print_expr(struct monitor *mon, const struct monitor_args *args)
{
    struct debugger *d = debugger_of(mon);
    struct cpu *cpu = cpu_here(mon);
    struct error err = {""};
    char format = 0;
    struct expr *e;

    for (const char *f = args->format; *f; f++)
        format = isalpha((unsigned char)*f) ? *f : format;
    if (!cpu)
        return;
    if (format && !strchr("xduotacfsi", format)) {
        monitor_error(mon, "/%c: x, d, u, o, t, a, c, f or s is expected\n", format);
        return;
    }
    e = parse_in_frame(mon, args->text[0], &err);
    if (!say(mon, e, &err))
        return;
    say(mon, expr_print(e, d, cpu, format, monitor_print_line, mon, &err), &err);
    expr_free(e);
}

/* Bochs's p is proceed, gdb's is print. */
void cmd_p(struct monitor *mon, const struct monitor_args *args)
{
    if (args->n)
        cmd_print_expr(mon, args);
    else
        cmd_next(mon, args);
}

static bool on_or_off(struct monitor *mon, const char *text, bool *on)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0 && strcmp(text, "1") != 0 &&
        strcmp(text, "0") != 0) {
        monitor_error(mon, "%s: on or off is expected\n", text);
        return false;
    }
    *on = !strcmp(text, "on") || !strcmp(text, "1");
    return true;
}

/* What is no register nor variable. True: it was one of these. */
static bool set_setting(struct monitor *mon, const char *name, const char *value)
{
    struct commands *c = commands_of(mon);
    bool on;

    if (!strcmp(name, "disassembly-flavor")) {
        if (!strcmp(value, "intel") || !strcmp(value, "att"))
            c->ctl->extension.att_syntax = *value == 'a';
        else
            monitor_error(mon, "%s: intel or att is expected\n", value);
    } else if (!strcmp(name, "u") || !strcmp(name, "$auto_disassemble")) {
        if (on_or_off(mon, value + (*value == '=' ? 1 + strspn(value + 1, " ") : 0), &on))
            c->no_insn = !on;
    } else if (!strcmp(name, "others") || !strcmp(name, "scheduler-locking")) {
        if (on_or_off(mon, value, &on))
            debugger_step_others(c->d, (*name == 'o') == on);
    } else {
        return false;
    }
    return true;
}

void cmd_set(struct monitor *mon, const struct monitor_args *args)
{
    char text[MONITOR_LINE_MAX], name[64], *equals;
    const char *rest = text;
    struct error err = {""};
    struct frame frame;

    snprintf(text, sizeof(text), "%s", args->text[0]);
    if (take_word(&rest, name, sizeof(name)) && set_setting(mon, name, rest))
        return;
    if (strcmp(name, "var") != 0 && strcmp(name, "variable") != 0 && strcmp(name, "reg") != 0)
        rest = text;
    equals = strchr(rest, '=');
    if (!equals) {
        monitor_error(mon, "usage: set $REGISTER = VALUE\n");
        return;
    }
    *equals = '\0';
    say(mon,
        expr_assign(debugger_of(mon), mon->cpu, chosen_frame(commands_of(mon), mon->cpu, &frame),
                    rest, equals + 1, &err),
        &err);
}

/* setpmem ADDRESS SIZE VALUE */
void cmd_setpmem(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->text[0];
    uint64_t number[3];
    uint8_t bytes[8];
    char word[64];
    struct error err;

    for (unsigned i = 0; i < 3; i++)
        if (!take_word(&rest, word, sizeof(word))) {
            monitor_error(mon, "usage: setpmem ADDRESS SIZE VALUE\n");
            return;
        } else if (!parse_value(mon, word, &number[i])) {
            return;
        }
    if (number[1] != 1 && number[1] != 2 && number[1] != 4 && number[1] != 8) {
        monitor_error(mon, "a size of 1, 2, 4 or 8 is expected\n");
        return;
    }
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number[2] >> 8 * i);
    if (debugger_write(debugger_of(mon), mon->cpu, true, number[0], bytes, number[1], &err) !=
        number[1])
        monitor_error(mon, "%s\n", err.text);
}

/* ---- files ---- */

/* The first word, which may be quoted, and the numbers behind it. Returns how many. */
static unsigned file_and_numbers(struct monitor *mon, const char *text, char *path, size_t size,
                                 uint64_t *number, unsigned max)
{
    bool quoted = *text == '"';
    size_t n = strcspn(text + quoted, quoted ? "\"" : " \t");
    unsigned count = 0;
    char word[64];

    snprintf(path, size, "%.*s", (int)n, text + quoted);
    text += quoted + n;
    text += *text == '"';
    while (count < max && take_word(&text, word, sizeof(word))) {
        if (!parse_value(mon, word, &number[count]))
            return 0;
        count++;
    }
    return count;
}

void cmd_writemem(struct monitor *mon, const struct monitor_args *args)
{
    uint64_t number[2], done = 0;
    char path[MONITOR_LINE_MAX];
    uint8_t buf[PIECE];
    FILE *f;

    if (file_and_numbers(mon, args->text[0], path, sizeof(path), number, 2) != 2 ||
        number[1] > FILE_MAX) {
        monitor_error(mon, "usage: writemem \"FILE\" ADDRESS LENGTH\n");
        return;
    }
    f = fopen(path, "we");
    if (!f) {
        monitor_error(mon, "%s: %s\n", path, strerror(errno));
        return;
    }
    while (done < number[1]) {
        size_t want = number[1] - done < PIECE ? (size_t)(number[1] - done) : PIECE;
        size_t got = debugger_read(debugger_of(mon), mon->cpu, false, number[0] + done, buf, want);

        if (fwrite(buf, 1, got, f) != got || got < want) {
            monitor_error(mon, "cannot read or save memory at 0x%" PRIx64 "\n",
                          number[0] + done + got);
            break;
        }
        done += got;
    }
    if (fclose(f) != 0)
        monitor_error(mon, "%s: %s\n", path, strerror(errno));
    monitor_printf(mon, "%" PRIu64 " bytes saved\n", done);
}

void cmd_loadmem(struct monitor *mon, const struct monitor_args *args)
{
    char path[MONITOR_LINE_MAX];
    uint64_t addr, done = 0;
    uint8_t buf[PIECE];
    struct error err;
    size_t n;
    FILE *f;

    if (file_and_numbers(mon, args->text[0], path, sizeof(path), &addr, 1) != 1) {
        monitor_error(mon, "usage: loadmem \"FILE\" ADDRESS\n");
        return;
    }
    f = fopen(path, "re");
    if (!f) {
        monitor_error(mon, "%s: %s\n", path, strerror(errno));
        return;
    }
    while (done < FILE_MAX && (n = fread(buf, 1, sizeof(buf), f)) > 0) {
        size_t put = debugger_write(debugger_of(mon), mon->cpu, false, addr + done, buf, n, &err);

        done += put;
        if (put < n) {
            monitor_error(mon, "%s\n", err.text);
            break;
        }
    }
    fclose(f);
    monitor_printf(mon, "%" PRIu64 " bytes loaded\n", done);
}

/* ---- search, dump ---- */

/* "TEXT" or bytes in hexadecimal, "55 aa" or "55aa"; the length, or 0. */
static size_t parse_pattern(const char *text, uint8_t *out)
{
    size_t n = 0;

    if (*text == '"') {
        for (text++; *text && *text != '"' && n < PATTERN_MAX; text++)
            out[n++] = (uint8_t)*text;
        return *text == '"' ? n : 0;
    }
    while (*text && n < PATTERN_MAX) {
        char digits[3] = {text[0], text[1], '\0'};

        if (*text == ' ') {
            text++;
            continue;
        }
        if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
            return 0;
        out[n++] = (uint8_t)strtoul(digits, NULL, 16);
        text += 2;
    }
    return *text ? 0 : n;
}

struct hunt {
    uint64_t addr, left;
    bool physical;
    uint8_t pattern[PATTERN_MAX];
    size_t n;
    unsigned found;
};

/* Where the pattern begins in the next piece of memory, which may reach into the one after it. */
static void hunt_piece(struct monitor *mon, struct hunt *h)
{
    uint8_t buf[PIECE + PATTERN_MAX];
    size_t step = PIECE - (h->addr & (PIECE - 1)), got;

    step = h->left < step ? (size_t)h->left : step;
    size_t want = h->left < step + h->n - 1 ? (size_t)h->left : step + h->n - 1;
    got = debugger_read(debugger_of(mon), mon->cpu, h->physical, h->addr, buf, want);
    for (size_t i = 0; i < step && i + h->n <= got && h->found < FOUND_MAX; i++) {
        char place[256];

        if (memcmp(buf + i, h->pattern, h->n) != 0)
            continue;
        place_text(commands_of(mon), h->addr + i, place, sizeof(place));
        monitor_printf(mon, "0x%" PRIx64 "%s%s\n", h->addr + i, *place ? " " : "", place);
        h->found++;
    }
    h->addr += step;
    h->left -= step;
}

void cmd_search(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->text[0];
    struct hunt h = {0};
    char place[128], length[64];

    if (!take_word(&rest, place, sizeof(place)) || !take_word(&rest, length, sizeof(length)) ||
        !(h.n = parse_pattern(rest, h.pattern))) {
        monitor_error(mon, "usage: search ADDRESS LENGTH 55 aa ... or \"TEXT\"\n");
        return;
    }
    if (!parse_place(mon, place, &h.addr, &h.physical) || !parse_value(mon, length, &h.left))
        return;
    h.left = h.left < SEARCH_MAX ? h.left : SEARCH_MAX;
    while (h.left && h.found < FOUND_MAX)
        hunt_piece(mon, &h);
    if (!h.found)
        monitor_error(mon, "not found\n");
    else if (h.left)
        monitor_printf(mon, "... and so on from 0x%" PRIx64 "\n", h.addr);
}

void cmd_dump(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->text[0];
    uint64_t addr, left = 128;
    bool physical;
    char place[128];

    if (!take_word(&rest, place, sizeof(place)) || !parse_place(mon, place, &addr, &physical) ||
        (*rest && !parse_value(mon, rest, &left)))
        return;
    for (left = left < 65536 ? left : 65536; left;) {
        uint8_t line[16];
        size_t want = left < 16 ? (size_t)left : 16;
        size_t got = debugger_read(debugger_of(mon), mon->cpu, physical, addr, line, want);

        if (got)
            print_bytes(mon, addr, line, got);
        if (got < want) {
            monitor_error(mon, "Cannot access memory at 0x%" PRIx64 "\n", addr + got);
            return;
        }
        addr += want;
        left -= want;
    }
}

/* CRC-32 as of ISO 3309, the one of Ethernet and zip. */
static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t n)
{
    while (n--) {
        crc ^= *p++;
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return crc;
}

void cmd_crc(struct monitor *mon, const struct monitor_args *args)
{
    const char *rest = args->text[0];
    uint64_t first, last;
    uint32_t crc = ~0u;
    char word[128];

    if (!take_word(&rest, word, sizeof(word)) || !*rest) {
        monitor_error(mon, "usage: crc FIRST LAST\n");
        return;
    }
    if (!parse_value(mon, word, &first) || !parse_value(mon, rest, &last))
        return;
    if (last < first || last - first >= FILE_MAX) {
        monitor_error(mon, "FIRST up to LAST, at most %u bytes, are expected\n", FILE_MAX);
        return;
    }
    while (first <= last) {
        uint8_t buf[PIECE];
        size_t want = last - first < PIECE ? (size_t)(last - first) + 1 : PIECE;

        if (debugger_read(debugger_of(mon), mon->cpu, true, first, buf, want) != want) {
            monitor_error(mon, "there is no memory at 0x%" PRIx64 " or behind it\n", first);
            return;
        }
        crc = crc_add(crc, buf, want);
        first += want;
    }
    monitor_printf(mon, "0x%08x\n", ~crc);
}

/* ---- stack, strings, pointers ---- */

static uint64_t read_word(struct monitor *mon, uint64_t addr, unsigned size, bool *ok)
{
    uint8_t bytes[8] = {0};
    uint64_t v;

    *ok = debugger_read(debugger_of(mon), mon->cpu, false, addr, bytes, size) == size;
    memcpy(&v, bytes, 8);
    return v;
}

void cmd_print_stack(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    uint64_t n = args->n ? args->number[0] : 16;

    if (!cpu)
        return;
    unsigned size = cpu->code_mode == CODE64 ? 8 : 1u << cpu->stack_size;
    uint64_t sp = cpu->r[R_RSP] & (size == 2 ? 0xffff : size == 4 ? 0xffffffff : ~0ull);
    uint64_t addr = sp + (cpu->code_mode == CODE64 ? 0 : cpu->seg[SEG_SS].base);

    for (uint64_t i = 0; i < n && i < STACK_MAX; i++, addr += size) {
        char place[256];
        bool ok;
        uint64_t v = read_word(mon, addr, size, &ok);

        if (!ok) {
            monitor_error(mon, "Cannot access memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        place_text(commands_of(mon), v, place, sizeof(place));
        monitor_printf(mon, "%0*" PRIx64 "  0x%0*" PRIx64 "%s%s%s\n", addr >> 32 ? 16 : 8, addr,
                       (int)size * 2, v, *place ? "  <" : "", place, *place ? ">" : "");
    }
}

void cmd_print_string(struct monitor *mon, const struct monitor_args *args)
{
    uint64_t addr;
    uint8_t c;

    if (!parse_linear(mon, args->text[0], &addr))
        return;
    for (unsigned i = 0; i < PIECE; i++, addr++) {
        if (!debugger_read(debugger_of(mon), mon->cpu, false, addr, &c, 1)) {
            monitor_error(mon, "\nCannot access memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        if (!c)
            break;
        monitor_printf(mon, isprint(c) ? "%c" : "\\x%02x", c);
    }
    monitor_printf(mon, "\n");
}

void cmd_deref(struct monitor *mon, const struct monitor_args *args)
{
    const struct cpu *cpu = cpu_here(mon);
    char text[MONITOR_LINE_MAX], *blank;
    uint64_t addr, depth = 1;

    snprintf(text, sizeof(text), "%s", args->text[0]);
    blank = strrchr(text, ' ');
    if (!cpu || (blank && !parse_value(mon, blank + 1, &depth)))
        return;
    if (blank)
        *blank = '\0';
    if (!parse_linear(mon, text, &addr))
        return;
    unsigned size = cpu->code_mode == CODE64 ? 8 : cpu->code_mode == CODE32 ? 4 : 2;
    for (uint64_t i = 0; i < depth && i < 64; i++) {
        bool ok;
        uint64_t v = read_word(mon, addr, size, &ok);

        if (!ok) {
            monitor_error(mon, "Cannot access memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        monitor_printf(mon, "0x%" PRIx64 " -> 0x%" PRIx64 "\n", addr, v);
        addr = v;
    }
}

/* ---- page ---- */

void cmd_page(struct monitor *mon, const struct monitor_args *args)
{
    struct cpu *cpu = cpu_here(mon);
    char text[MONITOR_LINE_MAX], *blank;
    struct explain_access a = {0};
    uint64_t lin;

    if (!cpu)
        return;
    a.user = cpu->cpl == 3;
    snprintf(text, sizeof(text), "%s", args->text[0]);
    blank = strrchr(text, ' ');
    if (blank && strspn(blank + 1, "rwxuk") == strlen(blank + 1)) {
        a.write = strchr(blank, 'w');
        a.fetch = strchr(blank, 'x');
        a.user = strchr(blank, 'u') || (a.user && !strchr(blank, 'k'));
        *blank = '\0';
    }
    if (parse_linear(mon, text, &lin))
        explain_page(cpu, lin, &a, monitor_print_line, mon);
}
