/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String instructions. A REP iteration counts as one instruction: registers are up to date after
 * each, a fault leaves those of the last complete one, and the loop stops when the budget is used
 * up (SDM vol. 2B, REP). Runs within pages are done at once. */
#include "cpu/x86/operand.h"

#include "cpu/x86/io.h"

struct string_op {
    unsigned size;
    uint64_t mask; /* of the address size */
    int64_t step;  /* +size or -size */
    bool rep;
};

static struct string_op string_op(const struct cpu *cpu, const struct insn *i, unsigned size)
{
    return (struct string_op){
        .size = size,
        .mask = ~0ull >> (64 - 8 * insn_asize(i)),
        .step = cpu->eflags & EFLAGS_DF ? -(int64_t)size : (int64_t)size,
        .rep = i->flags & (INSN_REP | INSN_REPNE),
    };
}

/* Adds to an index or count register as the address size says. */
static void advance(struct cpu *cpu, const struct insn *i, unsigned reg, int64_t by)
{
    set_reg(cpu, reg, insn_asize(i), cpu->r[reg] + (uint64_t)by);
}

/* Runs `one` under REP. one(): an element, 0 / OP_FAULT; *stop ends CMPS and SCAS. */
typedef int string_fn(struct cpu *cpu, const struct insn *i, const struct string_op *s);
/* A run of up to `max` elements at once; returns how many were done (0: use string_fn). Comparing,
 * it stops after the element that ends the loop, and leaves the flags of the last. */
typedef uint64_t string_run_fn(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                               uint64_t max);

static inline int repeat(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         string_fn *one, string_run_fn *run, bool compares)
{
    if (!s->rep)
        return one(cpu, i, s);
    int64_t left = cpu_budget_left(cpu);
    /* TF and breakpoints trap after each iteration */
    bool whole = !(cpu->eflags & EFLAGS_TF) && !cpu->bp_any;
    uint64_t max = left > 1 && whole ? (uint64_t)left : 1, done = 0, count;
    bool go_on = true;
    int result = OP_OK;
    while ((count = cpu->r[R_RCX] & s->mask) != 0 && go_on && done < max) {
        uint64_t n = run ? run(cpu, i, s, count < max - done ? count : max - done) : 0;
        if (n == 0) {
            result = one(cpu, i, s);
            if (result)
                break;
            n = 1;
        }
        if (compares)
            go_on = flag_zf(cpu) == !!(i->flags & INSN_REP);
        advance(cpu, i, R_RCX, -(int64_t)n);
        done += n;
        if (atomic_load_explicit(&cpu->v.exit_req, memory_order_relaxed))
            break;
    }
    if (result == OP_OK && go_on && (cpu->r[R_RCX] & s->mask) != 0)
        result = OP_AGAIN;
    /* the instruction itself counts once when it completes or is continued */
    cpu->v.budget -= (int64_t)done - (done && result != OP_FAULT);
    /* what is left may no longer last for the rest of the block */
    left = cpu_budget_left(cpu);
    if (cpu->run_end - cpu->insn > left)
        cpu->run_end = cpu->insn + (left > 1 ? left : 1);
    return result;
}

#define SI(cpu, s) ((cpu)->r[R_RSI] & (s)->mask)
#define DI(cpu, s) ((cpu)->r[R_RDI] & (s)->mask)

/* How many elements from seg:off on, up or down, lie within the page of the first. */
static uint64_t elements_in_page(uint64_t lin, uint64_t off, const struct string_op *s)
{
    uint64_t at = lin & (VM_PAGE_SIZE - 1), fit, wrap;
    if (s->step > 0) {
        fit = (VM_PAGE_SIZE - at) / s->size;
        wrap = (s->mask - off) / s->size;
    } else {
        fit = at + s->size > VM_PAGE_SIZE ? 0 : at / s->size + 1;
        wrap = off / s->size;
    }
    return fit < wrap ? fit : wrap;
}

/* Host pointer to the first of a run of n elements at seg:off, n cut to the page; NULL if the run
 * has to go one by one. */
static uint8_t *run_pointer(struct cpu *cpu, unsigned seg, uint64_t off, const struct string_op *s,
                            enum mem_access acc, uint64_t *n)
{
    if (!(cpu->flat >> seg & 1))
        return NULL;
    uint64_t lin = cut_address(cpu, cpu->ea_base[seg] + off);
    uint64_t fit = elements_in_page(lin, off, s);
    *n = *n < fit ? *n : fit;
    if (*n < 2)
        return NULL;
    uint8_t *p = tlb_hit(acc == ACCESS_LOAD ? cpu->tlb_load : cpu->tlb_store, lin, s->size);
    if (p || acc == ACCESS_LOAD)
        return p;
    uint64_t at = mem_code_store(cpu, lin, s->size);
    return at == ARENA_NONE ? NULL : cpu->v.m->arena.host + at;
}

/* After a run of stores: there may be code in the page. */
static void run_stored(struct cpu *cpu, const uint8_t *to, size_t len)
{
    struct arena *a = &cpu->v.m->arena;
    if (cpu->code_stores_filled)
        arena_store_notify(a, (uint64_t)(to - a->host), len);
}

/* The pointers of a run of two operands. False: one by one. */
static bool run_pointers(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         enum mem_access acc, uint8_t **si, uint8_t **di, uint64_t *n)
{
    *si = run_pointer(cpu, i->seg, SI(cpu, s), s, ACCESS_LOAD, n);
    *di = *si ? run_pointer(cpu, SEG_ES, DI(cpu, s), s, acc, n) : NULL;
    if (*di && s->step < 0) {
        *si -= (*n - 1) * s->size;
        *di -= (*n - 1) * s->size;
    }
    return *di;
}

static void advance_both(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         uint64_t n)
{
    advance(cpu, i, R_RSI, (int64_t)n * s->step);
    advance(cpu, i, R_RDI, (int64_t)n * s->step);
}

/* ---- MOVS ---- */

/* The source, going up, overlaps what was just written, `period` bytes behind: it repeats. */
static void repeat_pattern(uint8_t *to, size_t len, size_t period)
{
    const uint8_t *from = to - period;
    for (size_t done = 0, part; done < len; done += part) {
        part = len - done < done + period ? len - done : done + period;
        memcpy(to + done, from, part);
    }
}

static uint64_t run_movs(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         uint64_t max)
{
    uint64_t n = max;
    uint8_t *from, *to;
    if (!run_pointers(cpu, i, s, ACCESS_STORE, &from, &to, &n))
        return 0;
    size_t len = n * s->size;
    bool apart = to >= from + len || from >= to + len;
    if (apart || to == from || (to < from) == (s->step > 0))
        memmove(to, from, len);
    else if (s->step > 0 && (size_t)(to - from) >= s->size)
        repeat_pattern(to, len, (size_t)(to - from));
    else
        return 0;
    run_stored(cpu, to, len);
    advance_both(cpu, i, s, n);
    return n;
}

#define MOVS(n, bits)                                                                              \
    static int movs_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)    \
    {                                                                                              \
        UINT(bits) v;                                                                              \
        if (seg_load##bits(cpu, i->seg, SI(cpu, s), &v) ||                                         \
            seg_store##bits(cpu, SEG_ES, DI(cpu, s), v))                                           \
            return OP_FAULT;                                                                       \
        advance(cpu, i, R_RSI, s->step);                                                           \
        advance(cpu, i, R_RDI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_movs_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, movs_one##bits, run_movs, false);                                \
    }
EACH_SIZE(MOVS, )

/* ---- STOS ---- */

/* len bytes of the pattern that the low `size` bytes of v are. */
static void fill(uint8_t *to, size_t len, uint64_t v, unsigned size)
{
    uint64_t low = v & (~0ull >> (64 - 8 * size)), all = low * (~0ull / (~0ull >> (64 - 8 * size)));
    if (all == (all & 0xff) * 0x0101010101010101ull) {
        memset(to, (int)(all & 0xff), len);
        return;
    }
    uint8_t pattern[8];
    st_le64(pattern, all);
    for (; len >= 8; len -= 8, to += 8)
        memcpy(to, pattern, 8);
    memcpy(to, pattern, len);
}

static uint64_t run_stos(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         uint64_t max)
{
    uint64_t n = max;
    uint8_t *to = run_pointer(cpu, SEG_ES, DI(cpu, s), s, ACCESS_STORE, &n);
    if (!to)
        return 0;
    if (s->step < 0)
        to -= (n - 1) * s->size;
    fill(to, n * s->size, cpu->r[R_RAX], s->size);
    run_stored(cpu, to, n * s->size);
    advance(cpu, i, R_RDI, (int64_t)n * s->step);
    return n;
}

#define STOS(n, bits)                                                                              \
    static int stos_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)    \
    {                                                                                              \
        if (seg_store##bits(cpu, SEG_ES, DI(cpu, s), RD##bits(R_RAX)))                             \
            return OP_FAULT;                                                                       \
        advance(cpu, i, R_RDI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_stos_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, stos_one##bits, run_stos, false);                                \
    }
EACH_SIZE(STOS, )

/* ---- LODS, CMPS, SCAS ---- */

#define LODS(n, bits)                                                                              \
    static int lods_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)    \
    {                                                                                              \
        UINT(bits) v;                                                                              \
        if (seg_load##bits(cpu, i->seg, SI(cpu, s), &v))                                           \
            return OP_FAULT;                                                                       \
        WR##bits(R_RAX, v);                                                                        \
        advance(cpu, i, R_RSI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    /* only the last is seen */                                                                    \
    static uint64_t run_lods##bits(struct cpu *cpu, const struct insn *i,                          \
                                   const struct string_op *s, uint64_t max)                        \
    {                                                                                              \
        uint64_t room = max;                                                                       \
        const uint8_t *from = run_pointer(cpu, i->seg, SI(cpu, s), s, ACCESS_LOAD, &room);         \
        if (!from)                                                                                 \
            return 0;                                                                              \
        WR##bits(R_RAX, ld_le##bits(from + (int64_t)(room - 1) * s->step));                        \
        advance(cpu, i, R_RSI, (int64_t)room * s->step);                                           \
        return room;                                                                               \
    }                                                                                              \
    int op_lods_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, lods_one##bits, run_lods##bits, false);                          \
    }
EACH_SIZE(LODS, )

#define COMPARE(n, bits)                                                                           \
    static inline void set_compare##bits(struct cpu *cpu, UINT(bits) a, UINT(bits) b)              \
    {                                                                                              \
        UINT(bits) r = (UINT(bits))(a - b);                                                        \
        cpu->cc_aux = aux_from_carries(carries_sub(a, b, r), bits);                                \
        cpu->cc_res = (SINT(bits))r;                                                               \
    }                                                                                              \
    static int cmps_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)    \
    {                                                                                              \
        UINT(bits) a, b;                                                                           \
        if (seg_load##bits(cpu, i->seg, SI(cpu, s), &a) ||                                         \
            seg_load##bits(cpu, SEG_ES, DI(cpu, s), &b))                                           \
            return OP_FAULT;                                                                       \
        set_compare##bits(cpu, a, b);                                                              \
        advance(cpu, i, R_RSI, s->step);                                                           \
        advance(cpu, i, R_RDI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    /* from the end where it starts */                                                             \
    static uint64_t run_cmps##bits(struct cpu *cpu, const struct insn *i,                          \
                                   const struct string_op *s, uint64_t max)                        \
    {                                                                                              \
        uint64_t room = max, done = 0;                                                             \
        bool while_equal = i->flags & INSN_REP, equal;                                             \
        uint8_t *p, *q;                                                                            \
        UINT(bits) a, b;                                                                           \
        if (!run_pointers(cpu, i, s, ACCESS_LOAD, &p, &q, &room))                                  \
            return 0;                                                                              \
        int64_t at = s->step > 0 ? 0 : (int64_t)((room - 1) * s->size);                            \
        do {                                                                                       \
            a = ld_le##bits(p + at);                                                               \
            b = ld_le##bits(q + at);                                                               \
            at += s->step;                                                                         \
            equal = a == b;                                                                        \
        } while (++done < room && equal == while_equal);                                           \
        set_compare##bits(cpu, a, b);                                                              \
        advance_both(cpu, i, s, done);                                                             \
        return done;                                                                               \
    }                                                                                              \
    int op_cmps_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, cmps_one##bits, run_cmps##bits, true);                           \
    }                                                                                              \
    static int scas_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)    \
    {                                                                                              \
        UINT(bits) b;                                                                              \
        if (seg_load##bits(cpu, SEG_ES, DI(cpu, s), &b))                                           \
            return OP_FAULT;                                                                       \
        set_compare##bits(cpu, RD##bits(R_RAX), b);                                                \
        advance(cpu, i, R_RDI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    static uint64_t run_scas##bits(struct cpu *cpu, const struct insn *i,                          \
                                   const struct string_op *s, uint64_t max)                        \
    {                                                                                              \
        uint64_t room = max, done = 0;                                                             \
        bool while_equal = i->flags & INSN_REP, equal;                                             \
        const uint8_t *p = run_pointer(cpu, SEG_ES, DI(cpu, s), s, ACCESS_LOAD, &room);            \
        UINT(bits) a = RD##bits(R_RAX), b;                                                         \
        if (!p)                                                                                    \
            return 0;                                                                              \
        do {                                                                                       \
            b = ld_le##bits(p + (int64_t)done * s->step);                                          \
            equal = a == b;                                                                        \
        } while (++done < room && equal == while_equal);                                           \
        set_compare##bits(cpu, a, b);                                                              \
        advance(cpu, i, R_RDI, (int64_t)done * s->step);                                           \
        return done;                                                                               \
    }                                                                                              \
    int op_scas_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, scas_one##bits, run_scas##bits, true);                           \
    }
EACH_SIZE(COMPARE, )

/* ---- INS, OUTS: the memory operand is checked before the port is touched ---- */

#define PORT(n, bits)                                                                              \
    static int ins_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)     \
    {                                                                                              \
        uint64_t lin;                                                                              \
        uint16_t port = RD16(R_RDX);                                                               \
        if (io_check(cpu, port, s->size) ||                                                        \
            seg_linear(cpu, SEG_ES, DI(cpu, s), s->size, ACCESS_STORE, &lin) ||                    \
            lin_probe_store(cpu, lin, s->size))                                                    \
            return OP_FAULT;                                                                       \
        if (lin_store##bits(cpu, lin, (UINT(bits))io_read(cpu, port, s->size)))                    \
            return OP_FAULT;                                                                       \
        advance(cpu, i, R_RDI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_ins_##bits(struct cpu *cpu, const struct insn *i)                                       \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, ins_one##bits, NULL, false);                                     \
    }                                                                                              \
    static int outs_one##bits(struct cpu *cpu, const struct insn *i, const struct string_op *s)    \
    {                                                                                              \
        UINT(bits) v;                                                                              \
        uint16_t port = RD16(R_RDX);                                                               \
        if (io_check(cpu, port, s->size) || seg_load##bits(cpu, i->seg, SI(cpu, s), &v))           \
            return OP_FAULT;                                                                       \
        io_write(cpu, port, s->size, v);                                                           \
        advance(cpu, i, R_RSI, s->step);                                                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_outs_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, outs_one##bits, NULL, false);                                    \
    }
PORT(, 8)
PORT(, 16)
PORT(, 32)
