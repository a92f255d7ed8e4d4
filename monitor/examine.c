/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking at memory and ports: x, xp, print, sum, i, o, memsave, pmemsave. Handlers run with the
 * machine lock held; where registers or memory are read, the machine stands still meanwhile. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/disas.h"
#include "monitor/monitor_internal.h"
#include "vm/machine.h"
#include "vm/record.h"

#define COUNT_MAX 4096
#define SUM_MAX   (256u << 20)
#define INSN_MAX  15

/* "/10xw": how many, how, of what size. */
struct format {
    unsigned count, size;
    char letter;
};

static bool parse_format(struct monitor *mon, const char *text, struct format *f)
{
    unsigned long count = 0;

    *f = (struct format){.count = 1, .letter = 'x'};
    for (; isdigit((unsigned char)*text); text++)
        count = count > COUNT_MAX ? count : 10 * count + (unsigned long)(*text - '0');
    if (count > COUNT_MAX) {
        monitor_error(mon, "at most %d items are expected\n", COUNT_MAX);
        return false;
    }
    f->count = count ? (unsigned)count : 1;
    for (; *text; text++) {
        static const char sizes[] = "bhwg";
        const char *at;

        if (strchr("oduxcitas", *text)) {
            f->letter = *text;
        } else if ((at = strchr(sizes, *text))) {
            f->size = 1u << (at - sizes);
        } else {
            monitor_error(mon, "/%c: o, d, u, x, t, a, c, s or i, and b, h, w or g are expected\n",
                          *text);
            return false;
        }
    }
    return true;
}

/* ---- printing ---- */

static void print_char(struct monitor *mon, uint8_t c)
{
    if (c == '\'' || c == '\\')
        monitor_printf(mon, "'\\%c'", c);
    else if (c >= ' ' && c < 0x7f)
        monitor_printf(mon, "'%c'", c);
    else
        monitor_printf(mon, "'\\x%02x'", c);
}

static void print_binary(struct monitor *mon, uint64_t v, unsigned bits)
{
    char text[65];

    for (unsigned i = 0; i < bits; i++)
        text[i] = v >> (bits - 1 - i) & 1 ? '1' : '0';
    text[bits] = '\0';
    monitor_printf(mon, "%s", text);
}

static void print_address(struct monitor *mon, uint64_t v)
{
    const struct control_extension *e = &mon->ctl->extension;
    char text[160];

    monitor_printf(mon, "0x%" PRIx64, v);
    if (e->symbol && e->symbol(e->opaque, v, text, sizeof(text)))
        monitor_printf(mon, " <%s>", text);
}

static void print_value(struct monitor *mon, const struct format *f, uint64_t v)
{
    static const int decimal_width[] = {[1] = 4, [2] = 6, [4] = 11, [8] = 20};
    int64_t s =
        f->size == 8 ? (int64_t)v : (int64_t)(v << (64 - 8 * f->size)) >> (64 - 8 * f->size);

    switch (f->letter) {
    case 'o':
        monitor_printf(mon, "0%0*" PRIo64, (int)(f->size * 8 + 2) / 3, v);
        break;
    case 'd':
        monitor_printf(mon, "%*" PRId64, decimal_width[f->size], s);
        break;
    case 'u':
        monitor_printf(mon, "%*" PRIu64, decimal_width[f->size], v);
        break;
    case 'c':
        print_char(mon, (uint8_t)v);
        break;
    case 't':
        print_binary(mon, v, 8 * f->size);
        break;
    case 'a':
        print_address(mon, v);
        break;
    default:
        monitor_printf(mon, "0x%0*" PRIx64, (int)f->size * 2, v);
    }
}

static uint64_t load_le(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = size; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

static void cannot_read(struct monitor *mon, uint64_t addr)
{
    monitor_error(mon, "Cannot access memory at 0x%" PRIx64 "\n", addr);
}

#define STRING_SHOWN 200

static void print_strings(struct monitor *mon, const struct format *f, int cpu, uint64_t addr)
{
    for (unsigned i = 0; i < f->count; i++) {
        uint8_t c = 0;
        unsigned n = 0;

        monitor_printf(mon, "%0*" PRIx64 ": \"", addr >> 32 ? 16 : 8, addr);
        for (; n < STRING_SHOWN && control_read_memory(mon->ctl, cpu, addr, &c, 1); n++) {
            addr++;
            if (!c)
                break;
            monitor_printf(mon, c >= ' ' && c < 0x7f && c != '"' && c != '\\' ? "%c" : "\\x%02x",
                           c);
        }
        monitor_printf(mon, "\"%s\n", n == STRING_SHOWN ? "..." : "");
        if (c && n < STRING_SHOWN) {
            cannot_read(mon, addr);
            break;
        }
    }
    mon->next_address = addr;
}

/* The symbol where it begins or a line's first item lies in it. */
static void print_place(struct monitor *mon, uint64_t addr)
{
    const struct control_extension *e = &mon->ctl->extension;
    char text[160];

    monitor_printf(mon, "0x%0*" PRIx64, addr >> 32 ? 16 : 8, addr);
    if (e->symbol && e->symbol(e->opaque, addr, text, sizeof(text)))
        monitor_printf(mon, " <%s>", text);
    monitor_printf(mon, ":  ");
}

static void print_items(struct monitor *mon, const struct format *f, int cpu, uint64_t addr)
{
    unsigned per_line = f->letter == 'c' || f->letter == 't' ? 8 / (f->size < 8 ? f->size : 8)
                        : f->letter == 'a'                   ? 1
                                                             : 16 / f->size;
    uint8_t bytes[8];

    for (unsigned i = 0; i < f->count; i++, addr += f->size) {
        if (control_read_memory(mon->ctl, cpu, addr, bytes, f->size) != f->size) {
            if (i % per_line)
                monitor_printf(mon, "\n");
            cannot_read(mon, addr);
            return;
        }
        if (i % per_line == 0)
            monitor_printf(mon, "%0*" PRIx64 ":", addr >> 32 ? 16 : 8, addr);
        monitor_printf(mon, " ");
        print_value(mon, f, load_le(bytes, f->size));
        if (i % per_line == per_line - 1 || i == f->count - 1)
            monitor_printf(mon, "\n");
    }
    mon->next_address = addr;
}

static void print_instructions(struct monitor *mon, const struct format *f, int cpu, uint64_t addr)
{
    unsigned mode = mon->cpu < mon->m->ncpus ? cpu_of(mon->m->cpus[mon->cpu])->code_mode : CODE16;

    /* A size says the mode: x/5ih is 16-bit code, w 32, g 64. */
    if (f->size)
        mode = f->size == 8 ? CODE64 : f->size == 4 ? CODE32 : CODE16;
    for (unsigned i = 0; i < f->count; i++) {
        uint8_t bytes[INSN_MAX];
        char text[128];
        size_t got = control_read_memory(mon->ctl, cpu, addr, bytes, sizeof(bytes));

        if (!got) {
            cannot_read(mon, addr);
            return;
        }
        size_t len = disas_syntax(text, sizeof(text), addr, bytes, got, mode,
                                  mon->ctl->extension.att_syntax);
        print_place(mon, addr);
        monitor_printf(mon, "%s\n", text);
        addr += len;
    }
    mon->next_address = addr;
}

/* ---- commands ---- */

static void examine(struct monitor *mon, const struct monitor_args *args, bool physical)
{
    int cpu = physical ? -1 : (int)mon->cpu;
    struct format f;

    if (!parse_format(mon, args->format, &f))
        return;
    if (!physical && mon->cpu >= mon->m->ncpus) {
        monitor_printf(mon, "the machine has no processor\n");
        return;
    }
    uint64_t addr = args->n ? args->number[0] : mon->next_address;
    bool was_running = control_hold(mon->ctl);
    if (f.letter == 'i') {
        print_instructions(mon, &f, cpu, addr);
    } else if (f.letter == 's') {
        print_strings(mon, &f, cpu, addr);
    } else {
        f.size = f.letter == 'c' ? 1 : f.letter == 'a' ? 8 : f.size ? f.size : 4;
        print_items(mon, &f, cpu, addr);
    }
    control_release(mon->ctl, was_running);
}

void cmd_x(struct monitor *mon, const struct monitor_args *args)
{
    examine(mon, args, false);
}

void cmd_xp(struct monitor *mon, const struct monitor_args *args)
{
    examine(mon, args, true);
}

void cmd_print(struct monitor *mon, const struct monitor_args *args)
{
    struct format f;

    if (!parse_format(mon, args->format, &f))
        return;
    f.size = 8;
    if (f.letter == 'x')
        monitor_printf(mon, "0x%" PRIx64, args->number[0]);
    else if (f.letter == 'd' || f.letter == 'u')
        monitor_printf(mon, f.letter == 'd' ? "%" PRId64 : "%" PRIu64, args->number[0]);
    else if (f.letter == 'o')
        monitor_printf(mon, "0%" PRIo64, args->number[0]);
    else
        print_char(mon, (uint8_t)args->number[0]);
    monitor_printf(mon, "\n");
}

/* The checksum of BSD's sum, over physical memory. */
void cmd_sum(struct monitor *mon, const struct monitor_args *args)
{
    uint64_t addr = args->number[0], left = args->number[1];
    uint16_t sum = 0;

    if (left > SUM_MAX) {
        monitor_printf(mon, "at most %u bytes are expected\n", SUM_MAX);
        return;
    }
    bool was_running = control_hold(mon->ctl);
    while (left) {
        uint8_t buf[4096];
        size_t want = left < sizeof(buf) ? (size_t)left : sizeof(buf);
        size_t got = control_read_memory(mon->ctl, -1, addr, buf, want);

        for (size_t i = 0; i < got; i++)
            sum = (uint16_t)((sum >> 1 | sum << 15) + buf[i]);
        if (got < want) {
            cannot_read(mon, addr + got);
            break;
        }
        addr += got;
        left -= got;
    }
    control_release(mon->ctl, was_running);
    if (!left)
        monitor_printf(mon, "%05d\n", sum);
}

/* ---- ports ---- */

/* A read may change a device, too. */
static bool port_access(struct monitor *mon, const struct monitor_args *args, unsigned *size)
{
    struct format f;
    struct error err;

    if (!parse_format(mon, args->format, &f))
        return false;
    if (!record_allows_change(mon->m, "a port", &err)) {
        monitor_error(mon, "%s\n", err.text);
        return false;
    }
    *size = f.size ? f.size : 1;
    if (args->number[0] <= 0xffff && *size <= 4 && f.count == 1)
        return true;
    monitor_printf(mon, "a port up to 0xffff and one of b, h and w are expected\n");
    return false;
}

void cmd_port_in(struct monitor *mon, const struct monitor_args *args)
{
    unsigned size;

    if (port_access(mon, args, &size))
        monitor_printf(mon, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", "?bw?l"[size],
                       (unsigned)args -> number[0], (int)size * 2,
                       address_space_read(&mon->m->io, args->number[0], size));
}

void cmd_port_out(struct monitor *mon, const struct monitor_args *args)
{
    unsigned size;

    if (port_access(mon, args, &size))
        address_space_write(&mon->m->io, args->number[0], args->number[1], size);
}

/* ---- files, and what there is not ---- */

static void save(struct monitor *mon, const struct monitor_args *args, int cpu)
{
    struct error err;

    /* It takes the lock by pieces. */
    machine_unlock(mon->m);
    bool ok =
        control_save_memory(mon->ctl, cpu, args->number[0], args->number[1], args->text[2], &err);
    machine_lock(mon->m);
    if (!ok)
        monitor_printf(mon, "%s\n", err.text);
}

void cmd_memsave(struct monitor *mon, const struct monitor_args *args)
{
    save(mon, args, (int)mon->cpu);
}

void cmd_pmemsave(struct monitor *mon, const struct monitor_args *args)
{
    save(mon, args, -1);
}

void cmd_gpa2hva(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_printf(mon, "addresses of this process are not told; xp and pmemsave read memory\n");
}

void cmd_cpu(struct monitor *mon, const struct monitor_args *args)
{
    if (args->number[0] < mon->m->ncpus)
        mon->cpu = (unsigned)args->number[0];
    else
        monitor_printf(mon, "there are %u CPUs\n", mon->m->ncpus);
}

void cmd_log(struct monitor *mon, const struct monitor_args *args)
{
    struct error err;

    if (!strcmp(args->text[0], "none")) {
        mon->m->log.mask = 0;
        return;
    }
    struct log wanted = {.mask = 0};
    if (!strcmp(args->text[0], "help"))
        monitor_printf(mon, "calque -d help lists the categories; none: nothing is logged\n");
    else if (log_parse_mask(&wanted, args->text[0], &err))
        mon->m->log.mask = wanted.mask;
    else
        monitor_printf(mon, "%s\n", err.text);
}
