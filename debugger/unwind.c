/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/bits.h"
#include "cpu/x86/cpu.h"
#include "debugger/dwarf.h"
#include "debugger/orc.h"
#include "debugger/symbols_internal.h"

/* Frames of the stack, from the innermost: by the kernel's tables, by DWARF's rules, or by frame
 * pointers if what they lead to looks like a frame. */

#define FRAME_MAX (1u << 16) /* bytes; larger ones are not believed without a rule */

struct unwinder {
    struct symbols *s;
    struct cpu *cpu;
    unsigned word;                  /* 8, 4, 2: size of what calls push */
    uint64_t code_base, stack_base; /* of segments */
    struct unwind_regs regs;
    bool interrupted; /* pc is of an instruction to come, not behind a call */
};

static bool read_word(const struct unwinder *u, uint64_t sp, unsigned size, uint64_t *v)
{
    if (u->word == 2)
        sp &= 0xffff;
    return guest_read_int(&u->s->guest, u->cpu, u->stack_base + sp, size, v);
}

static void set_reg(struct unwind_regs *r, unsigned reg, uint64_t v)
{
    r->r[reg] = v;
    r->known |= 1u << reg;
}

/* ---- looking at code ---- */

/* An instruction before addr is a call: direct, or through a register or memory (SDM vol. 2A,
 * CALL). Lengths of the second kind are 2 to 8. */
static bool behind_call(const struct unwinder *u, uint64_t addr)
{
    uint8_t b[8];
    unsigned direct = u->word == 2 ? 3 : 5;

    if (!guest_read(&u->s->guest, u->cpu, addr - sizeof(b), b, sizeof(b)))
        return false;
    if (b[8 - direct] == 0xe8)
        return true;
    for (unsigned len = 2; len < 8; len++)
        if (b[8 - len] == 0xff && (b[9 - len] >> 3 & 7) == 2)
            return true;
    return false;
}

/* The same for far calls, and INT: what is pushed is CS, too, or CS and flags. */
static unsigned far_words(const struct unwinder *u, uint64_t addr)
{
    uint8_t b[5];

    if (!guest_read(&u->s->guest, u->cpu, addr - sizeof(b), b, sizeof(b)))
        return 0;
    if (b[3] == 0xcd)
        return 3;
    if (b[0] == 0x9a)
        return 2;
    for (unsigned len = 2; len < 5; len++)
        if (b[5 - len] == 0xff && (b[6 - len] >> 3 & 7) == 3)
            return 2;
    return 0;
}

/* Before the frame is made, or when it has gone again, the return address is on top of the stack:
 * at ENDBR, PUSH rBP, RET; behind PUSH rBP one word further. */
static bool frameless(const struct unwinder *u, uint64_t *offset)
{
    uint8_t b[4];
    uint64_t pc = u->regs.r[R_RIP];
    struct symbol symbol;
    bool begin = symbol_at(u->s, pc, &symbol) && symbol.start == pc && symbol.function;

    *offset = 0;
    if (!u->interrupted || !guest_read(&u->s->guest, u->cpu, pc, b, sizeof(b)))
        return false;
    if (b[0] == 0x55 || b[0] == 0xc3 || b[0] == 0xc2 || begin ||
        (b[0] == 0xf3 && b[1] == 0x0f && b[2] == 0x1e && (b[3] | 1) == 0xfb))
        return true;
    *offset = u->word;
    return (b[0] == 0x89 && b[1] == 0xe5) || (b[0] == 0x48 && b[1] == 0x89 && b[2] == 0xe5);
}

/* ---- frame pointers ---- */

/* i386 Linux without ORC marks a struct pt_regs by a frame pointer without its highest bit. */
static bool marked_frame(const struct unwinder *u, struct unwind_regs *out, uint64_t *cfa)
{
    uint64_t at = u->regs.r[R_RBP] | 0x80000000u, cs, v;

    if (u->word != 4 || u->cpu->cpl || u->regs.r[R_RBP] >= 0x80000000u || (at & 3) ||
        u->regs.r[R_RSP] < 0x80000000u || at < u->regs.r[R_RSP] ||
        at - u->regs.r[R_RSP] > FRAME_MAX)
        return false;
    if (!read_word(u, at + 52, 4, &cs) || !read_word(u, at + 48, 4, &v))
        return false;
    set_reg(out, R_RIP, v);
    *cfa = at;
    if (!read_word(u, at + 20, 4, &v))
        return false;
    set_reg(out, R_RBP, v);
    v = at + 60;
    if ((cs & 3) && !read_word(u, v, 4, &v))
        return false;
    set_reg(out, R_RSP, v);
    return true;
}

static bool by_frame_pointer(const struct unwinder *u, struct unwind_regs *out, uint64_t *cfa)
{
    uint64_t sp = u->regs.r[R_RSP], bp = u->regs.r[R_RBP], offset, ret, next;

    if (frameless(u, &offset) && read_word(u, sp + offset, u->word, &ret) &&
        behind_call(u, u->code_base + ret)) {
        if (offset && !read_word(u, sp, u->word, &bp))
            return false;
        *cfa = sp + offset + u->word;
        set_reg(out, R_RBP, bp);
    } else {
        if (!(u->regs.known >> R_RBP & 1) || bp < sp || bp - sp > FRAME_MAX ||
            (bp & (u->word - 1u)) || !read_word(u, bp, u->word, &next) ||
            !read_word(u, bp + u->word, u->word, &ret) || !behind_call(u, u->code_base + ret))
            return false;
        *cfa = bp + 2 * u->word;
        set_reg(out, R_RBP, next);
    }
    set_reg(out, R_RSP, *cfa);
    set_reg(out, R_RIP, u->code_base + ret);
    return true;
}

/* 16-bit code: near or far, by what is before the place that would be returned to. */
static bool by_bp16(struct unwinder *u, struct unwind_regs *out, uint64_t *cfa)
{
    uint64_t bp = u->regs.r[R_RBP] & 0xffff, sp = u->regs.r[R_RSP] & 0xffff, next, ip, cs;
    unsigned words;

    if (bp < sp || !read_word(u, bp, 2, &next) || !read_word(u, bp + 2, 2, &ip) ||
        !read_word(u, bp + 4, 2, &cs))
        return false;
    if (behind_call(u, u->code_base + ip)) {
        *cfa = bp + 4;
    } else if (u->cpu->real_or_v86 && (words = far_words(u, (cs << 4) + ip))) {
        u->code_base = cs << 4;
        *cfa = bp + 2 + 2 * words;
    } else {
        return false;
    }
    set_reg(out, R_RBP, next);
    set_reg(out, R_RSP, *cfa);
    set_reg(out, R_RIP, u->code_base + ip);
    return true;
}

/* ---- one frame ---- */

static bool by_dwarf(const struct unwinder *u, struct unwind_regs *out, uint64_t *cfa, bool *signal)
{
    uint64_t at;
    /* Behind a call, the rules are those of the call: it may be a function's last instruction. */
    uint64_t pc = u->regs.r[R_RIP] - !u->interrupted;
    struct symbol_file *f = symbols_dwarf_at(u->s, pc, &at);
    struct unwind_regs regs = u->regs;
    struct code_frame here = {
        .guest = &u->s->guest, .cpu = u->cpu, .regs = regs.r, .known = regs.known};

    if (!f || u->code_base || u->stack_base || dwarf_word(f->dwarf) != u->word)
        return false;
    regs.r[R_RIP] = pc;
    return dwarf_unwind(f->dwarf, f->slide, &here, &regs, out, cfa, signal);
}

/* ORC says where frames are; what callers had in registers that calls preserve, DWARF knows. */
static void add_preserved(const struct unwinder *u, struct unwind_regs *out, uint64_t cfa)
{
    struct unwind_regs more;
    uint64_t same = 0;
    bool signal;

    if (!by_dwarf(u, &more, &same, &signal) || same != cfa || more.r[R_RIP] != out->r[R_RIP])
        return;
    for (unsigned n = 0; n < 16; n++)
        if (more.known & ~out->known & 1u << n)
            set_reg(out, n, more.r[n]);
}

/* The caller's registers; false: there is none. */
static bool unwind_once(struct unwinder *u, struct unwind_regs *out, uint64_t *cfa, bool *exact,
                        bool *interrupted)
{
    *out = (struct unwind_regs){0};
    *exact = *interrupted = false;
    if (u->word == 2)
        return by_bp16(u, out, cfa);
    if (u->word == 8) {
        switch (orc_unwind(u->s, u->cpu, u->regs.r[R_RIP] - !u->interrupted, &u->regs, out, cfa,
                           interrupted)) {
        case ORC_FOUND:
            add_preserved(u, out, *cfa);
            *exact = true;
            return true;
        case ORC_END:
            return false;
        case ORC_UNKNOWN:
            break;
        }
    }
    if (by_dwarf(u, out, cfa, interrupted)) {
        *exact = true;
        return true;
    }
    *out = (struct unwind_regs){0};
    if (marked_frame(u, out, cfa)) {
        *interrupted = true;
        return true;
    }
    *out = (struct unwind_regs){0};
    return by_frame_pointer(u, out, cfa);
}

/* Outwards the stack only shrinks, unless an exception came from another one. */
static bool goes_on(const struct unwinder *u, const struct unwind_regs *next, bool interrupted)
{
    if (!next->r[R_RIP] ||
        (next->known & (1u << R_RIP | 1u << R_RSP)) != (1u << R_RIP | 1u << R_RSP))
        return false;
    if (u->word == 8 && !is_canonical(next->r[R_RIP]))
        return false;
    return interrupted || next->r[R_RSP] > u->regs.r[R_RSP];
}

static void begin(struct unwinder *u, struct symbols *s, struct cpu *cpu)
{
    uint64_t mask = ~0ull;

    *u = (struct unwinder){.s = s, .cpu = cpu, .interrupted = true};
    u->word = cpu->code_mode == CODE64 ? 8 : cpu->code_mode == CODE32 ? 4 : 2;
    if (u->word != 8) {
        u->code_base = cpu->seg[SEG_CS].base;
        u->stack_base = cpu->seg[SEG_SS].base;
        mask = UINT32_MAX;
    }
    for (unsigned n = 0; n < 16; n++)
        u->regs.r[n] = cpu->r[n] & mask;
    u->regs.r[R_RIP] = code_pc(cpu);
    u->regs.known = (1u << 17) - 1;
}

unsigned symbols_backtrace(struct symbols *s, unsigned index, struct frame *frames, unsigned max)
{
    struct cpu *cpu = s->guest.cpu(s->guest.opaque, index);
    struct unwinder u;
    bool exact = true;
    unsigned n = 0;

    if (!cpu)
        return 0;
    begin(&u, s, cpu);
    while (n < max) {
        struct unwind_regs next;
        bool interrupted, next_exact;
        uint64_t cfa = 0;
        bool more = unwind_once(&u, &next, &cfa, &next_exact, &interrupted);

        frames[n++] = (struct frame){.pc = u.regs.r[R_RIP],
                                     .sp = u.regs.r[R_RSP],
                                     .bp = u.regs.r[R_RBP],
                                     .cfa = more ? cfa : 0,
                                     .exact = exact,
                                     .interrupted = more && interrupted,
                                     .scope = u.regs.r[R_RIP] - !u.interrupted,
                                     .known = u.regs.known};
        memcpy(frames[n - 1].regs, u.regs.r, sizeof(u.regs.r));
        if (!more || !goes_on(&u, &next, interrupted))
            break;
        exact = next_exact;
        u.regs = next;
        u.interrupted = interrupted;
    }
    return n;
}
