/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and memory. */
#include <stdlib.h>
#include <string.h>

#include "debugger/gdb_internal.h"

#define SEARCH_PIECE 65536u
#define LENGTH_MAX   (4ull << 30) /* of what is searched or summed in one go */

static struct cpu *cpu_of_data(const struct gdb *g)
{
    return debugger_cpu(g->d, g->cpu);
}

/* ---- registers ---- */

void gdb_get_all(struct gdb *g, const char *args)
{
    uint8_t value[16];

    (void)args;
    for (unsigned n = 0; n < g->target.n; n++) {
        gdb_target_get(&g->target, n, cpu_of_data(g), value);
        gdb_put_hex(g->reply, value, g->target.regs[n].size);
    }
}

/* Those that change, each as it comes: what one does not take, it does not get. */
void gdb_set_all(struct gdb *g, const char *args)
{
    struct error refused = {""};
    size_t at = 0;

    if (!gdb_take_bytes(&args, g->bytes, g->target.bytes) || *args) {
        gdb_fail(g, "not the length of all registers");
        return;
    }
    for (unsigned n = 0; n < g->target.n; n++) {
        gdb_target_set(&g->target, n, g->d, g->cpu, g->bytes + at, &refused);
        at += g->target.regs[n].size;
    }
    if (refused.text[0])
        gdb_fail(g, refused.text);
    else
        gdb_ok(g);
}

void gdb_get_one(struct gdb *g, const char *args)
{
    uint8_t value[16];
    uint64_t n;

    if (!gdb_take_hex_then(&args, &n, '\0') || n >= g->target.n) {
        gdb_fail(g, "there is no such register");
        return;
    }
    gdb_target_get(&g->target, (unsigned)n, cpu_of_data(g), value);
    gdb_put_hex(g->reply, value, g->target.regs[n].size);
}

void gdb_set_one(struct gdb *g, const char *args)
{
    uint8_t value[16];
    struct error err;
    uint64_t n;

    if (!gdb_take_hex_then(&args, &n, '=') || n >= g->target.n)
        gdb_fail(g, "there is no such register");
    else if (!gdb_take_bytes(&args, value, g->target.regs[n].size) || *args)
        gdb_fail(g, "the value has not the register's length");
    else if (!gdb_target_set(&g->target, (unsigned)n, g->d, g->cpu, value, &err))
        gdb_fail(g, err.text);
    else
        gdb_ok(g);
}

/* ---- memory ---- */

/* "ADDR,LEN" and then this character; LEN is cut to what fits into a packet. */
static bool take_place(const char **p, uint64_t *addr, uint64_t *len, char then)
{
    return gdb_take_hex_then(p, addr, ',') && gdb_take_hex_then(p, len, then);
}

static size_t read_memory(struct gdb *g, uint64_t addr, uint64_t len)
{
    len = len < GDB_PACKET_MAX / 2 - 1 ? len : GDB_PACKET_MAX / 2 - 1;
    return debugger_read(g->d, g->cpu, g->physical, addr, g->bytes, (size_t)len);
}

void gdb_read_hex(struct gdb *g, const char *args)
{
    uint64_t addr, len;
    size_t n;

    if (!take_place(&args, &addr, &len, '\0')) {
        gdb_fail(g, "ADDRESS,LENGTH is expected");
        return;
    }
    n = read_memory(g, addr, len);
    if (!n && len)
        gdb_fail(g, "nothing can be read there");
    gdb_put_hex(g->reply, g->bytes, n);
}

void gdb_read_binary(struct gdb *g, const char *args)
{
    uint64_t addr, len;
    size_t n;

    if (!take_place(&args, &addr, &len, '\0')) {
        gdb_fail(g, "ADDRESS,LENGTH is expected");
        return;
    }
    n = read_memory(g, addr, len);
    if (!n && len) {
        gdb_fail(g, "nothing can be read there");
        return;
    }
    gdb_put(g->reply, "b", 1);
    gdb_put(g->reply, g->bytes, n);
}

static void write_memory(struct gdb *g, uint64_t addr, const void *bytes, size_t len)
{
    struct error err;

    if (debugger_write(g->d, g->cpu, g->physical, addr, bytes, len, &err) == len)
        gdb_ok(g);
    else
        gdb_fail(g, err.text);
}

void gdb_write_hex(struct gdb *g, const char *args)
{
    uint64_t addr, len;

    if (take_place(&args, &addr, &len, ':') && len <= GDB_PACKET_MAX / 2 &&
        gdb_take_bytes(&args, g->bytes, (size_t)len) && !*args)
        write_memory(g, addr, g->bytes, (size_t)len);
    else
        gdb_fail(g, "ADDRESS,LENGTH:BYTES is expected");
}

void gdb_write_binary(struct gdb *g, const char *args)
{
    uint64_t addr, len;

    if (take_place(&args, &addr, &len, ':') && (uint64_t)(g->end - args) == len)
        write_memory(g, addr, args, (size_t)len);
    else
        gdb_fail(g, "ADDRESS,LENGTH:BYTES is expected");
}

/* "ADDR;LEN;PATTERN". The search ends where memory does. */
void gdb_search(struct gdb *g, const char *args)
{
    uint64_t addr, len;

    if (!gdb_take_hex_then(&args, &addr, ';') || !gdb_take_hex_then(&args, &len, ';') ||
        args == g->end || (size_t)(g->end - args) > GDB_PACKET_MAX - SEARCH_PIECE ||
        len > LENGTH_MAX) {
        gdb_fail(g, "ADDRESS;LENGTH;PATTERN is expected, of at most 4 GiB");
        return;
    }
    size_t pattern = (size_t)(g->end - args);
    while (len >= pattern) {
        uint64_t piece = len < SEARCH_PIECE + pattern - 1 ? len : SEARCH_PIECE + pattern - 1;
        size_t n = debugger_read(g->d, g->cpu, g->physical, addr, g->bytes, (size_t)piece);
        const uint8_t *found = n < pattern ? NULL : memmem(g->bytes, n, args, pattern);

        if (found) {
            gdb_print(g->reply, "1,%llx",
                      (unsigned long long)(addr + (uint64_t)(found - g->bytes)));
            return;
        }
        if (n < piece || piece < SEARCH_PIECE + pattern - 1)
            break;
        addr += SEARCH_PIECE;
        len -= SEARCH_PIECE;
    }
    gdb_print(g->reply, "0");
}

/* "ADDR,LEN": CRC-32 of polynomial 04C11DB7H, most significant bit first, from ~0. */
void gdb_crc(struct gdb *g, const char *args)
{
    uint64_t addr, len;
    uint32_t crc = ~0u;

    if (!take_place(&args, &addr, &len, '\0') || len > LENGTH_MAX) {
        gdb_fail(g, "ADDRESS,LENGTH is expected, of at most 4 GiB");
        return;
    }
    while (len) {
        size_t n = read_memory(g, addr, len);

        if (!n) {
            gdb_fail(g, "nothing can be read there");
            return;
        }
        for (size_t i = 0; i < n; i++) {
            crc ^= (uint32_t)g->bytes[i] << 24;
            for (unsigned k = 0; k < 8; k++)
                crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
        }
        addr += n;
        len -= n;
    }
    gdb_print(g->reply, "C%x", crc);
}
