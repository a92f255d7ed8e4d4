/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "cpu/x86/insn.h"
#include "debugger/dwarf.h"
#include "debugger/orc.h"
#include "debugger/symbols_internal.h"

/* Linux' own unwind tables (CONFIG_UNWINDER_ORC; Documentation/x86/orc-unwinder.rst, and the
 * kernel's struct orc_entry), read from the guest, where they are sorted: two arrays, of places
 * relative to themselves and of what holds from there on. They describe assembly, too, and
 * exception frames. */

#define ENTRY_SIZE 6u
#define ENTRIES    (8u << 20) /* more is no table */

enum {
    ORC_UNDEFINED,
    ORC_PREV_SP,
    ORC_DX,
    ORC_DI,
    ORC_BP,
    ORC_SP,
    ORC_R10,
    ORC_R13,
    ORC_BP_INDIRECT,
    ORC_SP_INDIRECT
};
/* As 6.4 has them; before, only the last three, from 0 on. */
enum { ORC_TYPE_UNDEFINED, ORC_TYPE_END, ORC_CALL, ORC_REGS, ORC_REGS_PARTIAL };

struct orc_entry {
    int16_t sp_offset, bp_offset;
    unsigned sp_reg, bp_reg, type;
};

/* The bits behind the registers: 2 of type and the end, from 4.14 on; 2 of type, signal and the end
 * in 6.3 (ffb1b4a41016); 3 of type and signal since (fb799447ae29), at least up to 6.12. */
enum layout { LAYOUT_UNKNOWN, LAYOUT_4_14, LAYOUT_6_3, LAYOUT_6_4 };
#define LAST_KNOWN 12

struct tables {
    uint64_t ips, entries, n;
};

static bool kernel_version(struct symbols *s, struct cpu *cpu, unsigned version[2])
{
    uint64_t banner;
    char text[32] = {0};

    return linux_symbol(s, "linux_banner", &banner) &&
           guest_read(&s->guest, cpu, banner, text, sizeof(text) - 1) &&
           sscanf(text, "Linux version %u.%u", &version[0], &version[1]) == 2;
}

static enum layout layout_of(struct symbols *s, struct cpu *cpu)
{
    unsigned v[2];

    if (!kernel_version(s, cpu, v) || v[0] > 6 || (v[0] == 6 && v[1] > LAST_KNOWN))
        return LAYOUT_UNKNOWN;
    if (v[0] < 6 || v[1] < 3)
        return LAYOUT_4_14;
    return v[1] == 3 ? LAYOUT_6_3 : LAYOUT_6_4;
}

static bool kernel_tables(struct symbols *s, struct tables *t)
{
    uint64_t end;

    if (!linux_symbol(s, "__start_orc_unwind_ip", &t->ips) ||
        !linux_symbol(s, "__stop_orc_unwind_ip", &end) ||
        !linux_symbol(s, "__start_orc_unwind", &t->entries) || end < t->ips)
        return false;
    t->n = (end - t->ips) / 4;
    return t->n && t->n <= ENTRIES;
}

static unsigned type_of(enum layout layout, unsigned sp_reg, unsigned bits)
{
    if (layout == LAYOUT_6_4)
        return bits & 7;
    if (bits >> (layout == LAYOUT_6_3 ? 3 : 2) & 1)
        return ORC_TYPE_END;
    return sp_reg == ORC_UNDEFINED ? ORC_TYPE_UNDEFINED : ORC_CALL + (bits & 3);
}

/* The last place at pc or before it. */
static bool find(struct symbols *s, struct cpu *cpu, enum layout layout, const struct tables *t,
                 uint64_t pc, struct orc_entry *out)
{
    uint64_t low = 0, high = t->n, v;
    uint8_t e[ENTRY_SIZE];

    while (low < high) {
        uint64_t middle = low + (high - low) / 2, at = t->ips + 4 * middle;

        if (!guest_read_int(&s->guest, cpu, at, 4, &v))
            return false;
        if (at + (uint64_t)(int64_t)(int32_t)v <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || !guest_read(&s->guest, cpu, t->entries + ENTRY_SIZE * (low - 1), e, sizeof(e)))
        return false;
    *out = (struct orc_entry){.sp_offset = (int16_t)ld_le16(e),
                              .bp_offset = (int16_t)ld_le16(e + 2),
                              .sp_reg = e[4] & 15,
                              .bp_reg = e[4] >> 4,
                              .type = type_of(layout, e[4] & 15, e[5])};
    return true;
}

/* What the caller's stack pointer is reckoned from. */
static bool previous_sp(struct symbols *s, struct cpu *cpu, const struct orc_entry *e,
                        const struct unwind_regs *r, uint64_t *sp)
{
    static const int8_t regs[] = {
        [ORC_UNDEFINED] = -1,      [ORC_PREV_SP] = -1,       [ORC_DX] = R_RDX,  [ORC_DI] = R_RDI,
        [ORC_BP] = R_RBP,          [ORC_SP] = R_RSP,         [ORC_R10] = R_R10, [ORC_R13] = R_R13,
        [ORC_BP_INDIRECT] = R_RBP, [ORC_SP_INDIRECT] = R_RSP};
    int reg = e->sp_reg < ARRAY_SIZE(regs) ? regs[e->sp_reg] : -1;

    if (reg < 0 || !(r->known >> reg & 1))
        return false;
    *sp = r->r[reg];
    /* Of the registers that hold it outright nothing is added. */
    if (e->sp_reg == ORC_SP || e->sp_reg == ORC_BP || e->sp_reg == ORC_BP_INDIRECT)
        *sp += (uint64_t)(int64_t)e->sp_offset;
    if (e->sp_reg != ORC_BP_INDIRECT && e->sp_reg != ORC_SP_INDIRECT)
        return true;
    if (!guest_read_int(&s->guest, cpu, *sp, 8, sp))
        return false;
    if (e->sp_reg == ORC_SP_INDIRECT)
        *sp += (uint64_t)(int64_t)e->sp_offset;
    return true;
}

/* A struct pt_regs, whole or only what the processor pushed. */
static bool registers_at(struct symbols *s, struct cpu *cpu, uint64_t at, bool whole,
                         struct unwind_regs *out)
{
    static const uint8_t order[] = {R_R15, R_R14, R_R13, R_R12, R_RBP, R_RBX, R_R11, R_R10,
                                    R_R9,  R_R8,  R_RAX, R_RCX, R_RDX, R_RSI, R_RDI};
    uint8_t frame[21 * 8];
    const uint8_t *iret = frame + (whole ? 16 * 8 : 0);

    if (!guest_read(&s->guest, cpu, at, frame, whole ? sizeof(frame) : 5 * 8))
        return false;
    for (unsigned n = 0; whole && n < ARRAY_SIZE(order); n++) {
        out->r[order[n]] = ld_le64(frame + 8 * n);
        out->known |= 1u << order[n];
    }
    out->r[R_RIP] = ld_le64(iret);
    out->r[R_RSP] = ld_le64(iret + 24);
    out->known |= 1u << R_RIP | 1u << R_RSP;
    return true;
}

static bool caller_bp(struct symbols *s, struct cpu *cpu, const struct orc_entry *e,
                      const struct unwind_regs *r, uint64_t sp, struct unwind_regs *out)
{
    uint64_t at;

    if (e->bp_reg == ORC_UNDEFINED) {
        if (!(out->known >> R_RBP & 1) && r->known >> R_RBP & 1) {
            out->r[R_RBP] = r->r[R_RBP]; /* not changed here */
            out->known |= 1u << R_RBP;
        }
        return true;
    }
    if (e->bp_reg != ORC_PREV_SP && e->bp_reg != ORC_BP)
        return false;
    at = (e->bp_reg == ORC_PREV_SP ? sp : r->r[R_RBP]) + (uint64_t)(int64_t)e->bp_offset;
    out->known |= 1u << R_RBP;
    return guest_read_int(&s->guest, cpu, at, 8, &out->r[R_RBP]);
}

enum orc_result orc_unwind(struct symbols *s, struct cpu *cpu, uint64_t pc,
                           const struct unwind_regs *r, struct unwind_regs *out, uint64_t *cfa,
                           bool *interrupted)
{
    struct tables t;
    struct orc_entry e;
    uint64_t sp;
    enum layout layout = layout_of(s, cpu);

    *out = (struct unwind_regs){0};
    *interrupted = false;
    if (layout == LAYOUT_UNKNOWN ||
        !(linux_module_orc(s, cpu, pc, &t.ips, &t.entries, &t.n) ||
          (linux_in_kernel(s, pc) && kernel_tables(s, &t))) ||
        t.n > ENTRIES || !find(s, cpu, layout, &t, pc, &e))
        return ORC_UNKNOWN;
    if (e.type == ORC_TYPE_END)
        return ORC_END;
    if (e.type == ORC_TYPE_UNDEFINED || !previous_sp(s, cpu, &e, r, &sp))
        return ORC_UNKNOWN;
    *cfa = sp;
    if (e.type == ORC_CALL) {
        if (!guest_read_int(&s->guest, cpu, sp - 8, 8, &out->r[R_RIP]))
            return ORC_UNKNOWN;
        out->r[R_RSP] = sp;
        out->known = 1u << R_RIP | 1u << R_RSP;
    } else if (e.type > ORC_REGS_PARTIAL || !registers_at(s, cpu, sp, e.type == ORC_REGS, out)) {
        return ORC_UNKNOWN;
    }
    *interrupted = e.type != ORC_CALL;
    return caller_bp(s, cpu, &e, r, sp, out) ? ORC_FOUND : ORC_UNKNOWN;
}

bool symbols_orc_refused(struct symbols *s, unsigned cpu, unsigned version[2])
{
    struct cpu *c = s->guest.cpu(s->guest.opaque, cpu);
    struct tables t;

    return c && linux_in_kernel(s, code_pc(c)) && kernel_tables(s, &t) &&
           kernel_version(s, c, version) && layout_of(s, c) == LAYOUT_UNKNOWN;
}
