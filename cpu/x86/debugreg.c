/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints of the debug registers (SDM vol. 3B chapter 18). */
#include "cpu/x86/debugreg.h"

enum { RW_EXECUTE, RW_WRITE, RW_IO, RW_ACCESS }; /* DR7.R/Wn */

static unsigned rw_of(const struct cpu *cpu, unsigned n)
{
    return cpu->dr[7] >> (16 + 4 * n) & 3;
}

/* Bytes that breakpoint n covers: LENn 2 means 8 (SDM vol. 3B 18.2.4). */
static unsigned length_of(const struct cpu *cpu, unsigned n)
{
    static const uint8_t length[4] = {1, 2, 8, 4};

    return length[cpu->dr[7] >> (18 + 4 * n) & 3];
}

void debug_derive(struct cpu *cpu)
{
    cpu->bp_code = cpu->bp_data = cpu->bp_io = cpu->bp_any = 0;
    if (likely(!(cpu->dr[7] & 0xff)))
        return;
    for (unsigned n = 0; n < 4; n++) {
        uint8_t bit = (uint8_t)(1u << n);
        if (!(cpu->dr[7] >> (2 * n) & 3))
            continue;
        if (rw_of(cpu, n) == RW_EXECUTE)
            cpu->bp_code |= bit;
        else if (rw_of(cpu, n) != RW_IO)
            cpu->bp_data |= bit;
        else if (cpu->cr4 & CR4_DE) /* undefined without it: never hit */
            cpu->bp_io |= bit;
    }
    cpu->bp_any = cpu->bp_code | cpu->bp_data | cpu->bp_io;
}

unsigned debug_code_hits(const struct cpu *cpu)
{
    uint64_t rip = cpu->r[R_RIP];
    uint64_t lin = cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
    unsigned hits = 0;

    for (unsigned n = 0; n < 4; n++)
        hits |= cpu->bp_code >> n & 1 && cpu->dr[n] == lin ? 1u << n : 0;
    return hits;
}

/* Does [at, at+size) touch what breakpoint n covers? Its address is aligned to its length. */
static bool covers(const struct cpu *cpu, unsigned n, uint64_t at, unsigned size)
{
    uint64_t length = length_of(cpu, n), first = cpu->dr[n] & ~(length - 1);

    return at - first < length || first - at < size;
}

void debug_note_data(struct cpu *cpu, uint64_t lin, unsigned size, bool write)
{
    for (unsigned n = 0; n < 4; n++) {
        if (cpu->bp_data >> n & 1 && (write || rw_of(cpu, n) == RW_ACCESS) &&
            covers(cpu, n, lin, size))
            cpu->bp_hits |= (uint8_t)(1u << n);
    }
}

void debug_note_port(struct cpu *cpu, uint16_t port, unsigned size)
{
    for (unsigned n = 0; n < 4; n++) {
        if (cpu->bp_io >> n & 1 && covers(cpu, n, port, size))
            cpu->bp_hits |= (uint8_t)(1u << n);
    }
}
