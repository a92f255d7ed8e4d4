/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report of a triple fault. */
#include "cpu/x86/report.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printer.h"
#include "cpu/x86/block.h"
#include "cpu/x86/disas.h"
#include "cpu/x86/explain.h"
#include "cpu/x86/mem.h"
#include "vm/record.h"

#define HISTORY_SIZE   128 /* blocks */
#define HISTORY_SHOWN  16  /* instructions */
#define BRANCHES_SHOWN 64

/* A run of instructions one behind the other. */
struct run {
    uint64_t rip, lin, arena;  /* arena: ARENA_NONE if it was fetched from elsewhere */
    uint16_t cs, nbytes, last; /* last: where it was left at an instruction that may come again */
    uint8_t mode;
    bool gap; /* what ran before it was not noted */
};

struct history {
    struct run run[HISTORY_SIZE];
    unsigned n; /* noted */
    bool whole; /* of both engines */
};

bool report_keep_history(struct cpu *cpu, bool whole)
{
    if (!cpu->history)
        cpu->history = calloc(1, sizeof(*cpu->history));
    if (!cpu->history)
        return false;
    cpu->history->whole |= whole;
    return true;
}

bool report_history_is_whole(const struct cpu *cpu)
{
    return cpu->history && cpu->history->whole;
}

void report_free(struct cpu *cpu)
{
    free(cpu->history);
    cpu->history = NULL;
}

static uint64_t linear_of(const struct cpu *cpu, uint64_t rip)
{
    return cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

static struct run *latest(struct history *h)
{
    return &h->run[(h->n - 1) % HISTORY_SIZE];
}

/* One more iteration of a repeated instruction is no news. What is continued at the instruction at
 * which it was left goes on. */
static void add_run(struct history *h, const struct run *now, bool single)
{
    struct run *before = h->n ? latest(h) : NULL;

    if (before && single && before->rip == now->rip && before->arena == now->arena)
        return;
    if (before && before->last && before->lin + before->last == now->lin)
        before->nbytes = before->last;
    h->run[h->n++ % HISTORY_SIZE] = *now;
    if (h->n == 2 * HISTORY_SIZE) /* never wraps round */
        h->n = HISTORY_SIZE;
}

void report_begin_block(struct cpu *cpu, const struct block *b)
{
    struct run now = {
        .rip = cpu->r[R_RIP],
        .lin = linear_of(cpu, cpu->r[R_RIP]),
        .arena = b->arena,
        .cs = cpu->seg[SEG_CS].sel,
        .nbytes = b->nbytes,
        .mode = (uint8_t)b->mode,
    };

    add_run(cpu->history, &now, b->ninsn == 1);
}

void report_left_at(struct cpu *cpu, const struct insn *i)
{
    struct run *r = latest(cpu->history);

    r->last = i->off;
    r->nbytes = (uint16_t)(i->off + i->len);
}

void report_end_block(struct cpu *cpu)
{
    if (cpu->insn)
        report_left_at(cpu, cpu->insn);
}

void report_translated(struct cpu *cpu, const struct block *b, uint64_t rip, unsigned ninsn,
                       uint16_t cs)
{
    const struct insn *last = &b->insns[ninsn - 1];
    struct run now = {
        .rip = rip,
        .lin = rip,
        .arena = b->arena,
        .cs = cs,
        .nbytes = (uint16_t)(last->off + last->len),
        .mode = (uint8_t)b->mode,
    };

    add_run(cpu->history, &now, ninsn == 1);
}

void report_fault_in_gap(struct cpu *cpu, const struct block *b)
{
    report_begin_block(cpu, b);
    report_end_block(cpu);
    latest(cpu->history)->gap = true;
}

void report_forget(struct cpu *cpu)
{
    if (cpu->history)
        cpu->history->n = 0;
    cpu->jit.told = cpu->jit.noted;
}

/* ---- the chain of faults ---- */

void report_add_fault(struct cpu *cpu, const struct pending_exception *e)
{
    if (cpu->nfaults < ARRAY_SIZE(cpu->faults))
        cpu->faults[cpu->nfaults++] = *e;
}

void report_double_fault(struct cpu *cpu)
{
    const struct machine *m = cpu->v.m;
    char text[2][120];

    cpu->double_fault = m->run.triple_fault_pauses;
    if (cpu->double_fault || cpu->double_fault_told || cpu->nfaults < 3 || record_is_silent(m))
        return;
    cpu->double_fault_told = true;
    for (unsigned n = 0; n < 2; n++)
        report_fault_text(text[n], sizeof(text[n]), &cpu->faults[cpu->nfaults - 3 + n]);
    fprintf(stderr, "calque: CPU %u: a double fault, of %s and %s; --debug stops there\n",
            cpu->v.index, text[0], text[1]);
}

static const char *vector_name(unsigned v)
{
    static const char *const names[] = {
        "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
        "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM",
    };

    return v < ARRAY_SIZE(names) ? names[v] : "vector";
}

/* SDM vol. 3A 6.13 */
static void selector_text(char *text, size_t size, uint32_t e)
{
    const char *ext = e & 1 ? ", EXT" : "";

    if (!(e & 0xfffe))
        snprintf(text, size, "%04x%s", e, ext);
    else if (e & 2)
        snprintf(text, size, "%04x: IDT vector %02x%s", e, e >> 3 & 0x1fff, ext);
    else
        snprintf(text, size, "%04x: %s selector %04x%s", e, e & 4 ? "LDT" : "GDT", e & 0xfff8, ext);
}

/* SDM vol. 3A 4.7 */
static void page_fault_text(char *text, size_t size, uint32_t e)
{
    snprintf(text, size, "%04x: %s, %s, %s%s", e, e & 1 ? "protection" : "not present",
             e & 16  ? "fetch"
             : e & 2 ? "write"
                     : "read",
             e & 4 ? "user" : "supervisor", e & 8 ? ", reserved bit" : "");
}

void report_fault_text(char *text, size_t size, const struct pending_exception *e)
{
    char code[80] = "";

    if (e->vector == EXC_PF)
        page_fault_text(code, sizeof(code), e->error);
    else if (e->vector >= EXC_TS && e->vector <= EXC_GP)
        selector_text(code, sizeof(code), e->error);
    else if (e->has_error)
        snprintf(code, sizeof(code), "%04x", e->error);
    if (code[0])
        snprintf(text, size, "%s(%s)", vector_name(e->vector), code);
    else
        snprintf(text, size, "%s", vector_name(e->vector));
}

/* ---- printing ---- */

static void explained(void *opaque, const char *text)
{
    print(opaque, "    %s", text + strspn(text, " "));
}

static void print_chain(struct cpu *cpu, const struct printer *p)
{
    for (unsigned n = 0; n < cpu->nfaults; n++) {
        const struct pending_exception *e = &cpu->faults[n];
        char text[120], cr2[32] = "";

        report_fault_text(text, sizeof(text), e);
        if (e->vector == EXC_PF)
            snprintf(cr2, sizeof(cr2), " at linear %llx", (unsigned long long)e->cr2);
        print(p, "  %s%s%s", text, cr2,
              n == 0                  ? ""
              : e->vector == EXC_DF   ? ", which these two make"
              : n + 1 == cpu->nfaults ? " while that was delivered: shutdown"
                                      : " while that was delivered");
        explain_fault(cpu, e, explained, (void *)p);
    }
    if (!cpu->nfaults)
        print(p, "  RSM found a state that no processor can be in: shutdown");
}

/* The bytes of a run; what is no memory or not mapped any more cuts it short. */
static unsigned run_bytes(struct cpu *cpu, const struct run *r, uint8_t *bytes)
{
    struct machine *m = cpu->v.m;
    unsigned n = 0;

    if (r->arena != ARENA_NONE) {
        memcpy(bytes, m->arena.host + r->arena, r->nbytes);
        return r->nbytes;
    }
    for (; n < r->nbytes; n++) {
        uint64_t phys = mmu_debug_translate(cpu, r->lin + n);
        if (phys == UINT64_MAX)
            break;
        bytes[n] = (uint8_t)address_space_read(&m->mem, phys, 1);
    }
    return n;
}

/* Disassembles a run: counts its instructions, and prints those from number `from` on. */
static unsigned print_run(struct cpu *cpu, const struct printer *p, const struct run *r,
                          unsigned from)
{
    uint8_t bytes[15 * BLOCK_MAX];
    char text[160];
    unsigned count = 0, len = run_bytes(cpu, r, bytes);

    for (unsigned at = 0; at < len; count++) {
        size_t used = disas_one(text, sizeof(text), r->rip + at, bytes + at, len - at, r->mode);
        if (count >= from)
            print(p, "  %04x:%016llx  %s", r->cs, (unsigned long long)(r->rip + at), text);
        at += (unsigned)used;
    }
    return count;
}

static void print_history(struct cpu *cpu, const struct printer *p)
{
    const struct history *h = cpu->history;
    unsigned kept = h->n < HISTORY_SIZE ? h->n : HISTORY_SIZE, first = h->n, shown = 0, count = 0;

    while (first > h->n - kept && shown < HISTORY_SHOWN) {
        count = print_run(cpu, p, &h->run[--first % HISTORY_SIZE], UINT_MAX);
        shown += count;
    }
    unsigned skip = shown > HISTORY_SHOWN ? shown - HISTORY_SHOWN : 0;
    for (; first < h->n; first++, skip = 0) {
        const struct run *r = &h->run[first % HISTORY_SIZE];
        if (r->gap && !skip)
            print(p, "  ... translated code ...");
        print_run(cpu, p, r, skip);
    }
}

/* ---- branches ---- */

struct names {
    report_symbol_fn *symbol;
    void *opaque;
};

static const char *place(const struct names *names, const struct run *r, unsigned at, char *text,
                         size_t size)
{
    uint64_t rip = r->rip + at;
    char name[120];

    if (names->symbol && names->symbol(names->opaque, r->lin + at, name, sizeof(name)))
        snprintf(text, size, "%04x:%llx <%s>", r->cs, (unsigned long long)rip, name);
    else
        snprintf(text, size, "%04x:%llx", r->cs, (unsigned long long)rip);
    return text;
}

/* Where the last instruction of a run begins; what it is. */
static unsigned last_insn(struct cpu *cpu, const struct run *r, char *text, size_t size)
{
    uint8_t bytes[15 * BLOCK_MAX];
    unsigned len = run_bytes(cpu, r, bytes), last = 0;

    *text = '\0';
    for (unsigned at = 0; at < len;) {
        last = at;
        at += (unsigned)disas_one(text, size, r->rip + at, bytes + at, len - at, r->mode);
    }
    return last;
}

/* One run did not follow the other in memory. */
static void print_branch(struct cpu *cpu, const struct names *names, const struct run *from,
                         const struct run *to, const struct printer *p)
{
    char insn[100], a[160], b[160];
    unsigned at = last_insn(cpu, from, insn, sizeof(insn));

    if (to->gap)
        print(p, "  ... translated code ...");
    else
        print(p, "  %s -> %s  %.40s", place(names, from, at, a, sizeof(a)),
              place(names, to, 0, b, sizeof(b)), insn);
}

static bool follows(const struct run *from, const struct run *to)
{
    return from->lin + from->nbytes == to->lin && !to->gap;
}

void report_branches(struct cpu *cpu, report_symbol_fn *symbol, void *symbol_opaque,
                     void (*line)(void *opaque, const char *text), void *opaque)
{
    const struct printer p = {line, opaque};
    const struct names names = {symbol, symbol_opaque};
    const struct history *h = cpu->history;
    unsigned kept, first, count = 0;

    if (!h || h->n < 2)
        return;
    kept = h->n < HISTORY_SIZE ? h->n : HISTORY_SIZE;
    for (first = h->n - 1; first > h->n - kept && count < BRANCHES_SHOWN; first--)
        count += !follows(&h->run[(first - 1) % HISTORY_SIZE], &h->run[first % HISTORY_SIZE]);
    print(&p, "The last %u branches:", count);
    for (first++; first < h->n; first++) {
        const struct run *from = &h->run[(first - 1) % HISTORY_SIZE];

        if (!follows(from, &h->run[first % HISTORY_SIZE]))
            print_branch(cpu, &names, from, &h->run[first % HISTORY_SIZE], &p);
    }
}

static void print_report(struct cpu *cpu, const struct names *names, const struct printer *p)
{
    const struct run here = {
        .rip = cpu->r[R_RIP], .lin = linear_of(cpu, cpu->r[R_RIP]), .cs = cpu->seg[SEG_CS].sel};
    char text[160];

    if (names->symbol)
        print(p, "CPU %u at %s:", cpu->v.index, place(names, &here, 0, text, sizeof(text)));
    else
        print(p, "CPU %u at %04x:%016llx:", cpu->v.index, here.cs, (unsigned long long)here.rip);
    print_chain(cpu, p);
    cpu_print_registers(cpu, p->line, p->opaque);
    if (!cpu->history)
        return;
    report_branches(cpu, names->symbol, names->opaque, p->line, p->opaque);
    print(p, "The last instructions:");
    print_history(cpu, p);
}

void report_shutdown_named(struct cpu *cpu, report_symbol_fn *symbol, void *symbol_opaque,
                           void (*line)(void *opaque, const char *text), void *opaque)
{
    if (cpu->shut_down)
        print_report(cpu, &(struct names){symbol, symbol_opaque}, &(struct printer){line, opaque});
}

void report_double_fault_named(struct cpu *cpu, report_symbol_fn *symbol, void *symbol_opaque,
                               void (*line)(void *opaque, const char *text), void *opaque)
{
    print_report(cpu, &(struct names){symbol, symbol_opaque}, &(struct printer){line, opaque});
}

void report_shutdown(struct cpu *cpu, void (*line)(void *opaque, const char *text), void *opaque)
{
    report_shutdown_named(cpu, NULL, NULL, line, opaque);
}
