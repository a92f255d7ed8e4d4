/* SPDX-License-Identifier: GPL-2.0-or-later */
/* String instructions. A REP iteration counts as one instruction: registers are up to date after
 * each, a fault leaves those of the last complete one, and the loop stops when the budget is used
 * up (SDM vol. 2B, REP). Runs of MOVS and STOS within pages are done at once. */
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
/* A run of up to `max` elements at once; returns how many were done (0: use string_fn). */
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
            if (compares)
                go_on = flag_zf(cpu) == !!(i->flags & INSN_REP);
        }
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

/* Elements from `off` to the end of its page, going up. */
static uint64_t elements_in_page(uint64_t lin, unsigned size)
{
    return (4096 - (lin & 4095)) / size;
}

/* Host pointer for a run of n elements at seg:off, n cut to the page; NULL if it has to go one by
 * one. */
static uint8_t *run_pointer(struct cpu *cpu, unsigned seg, uint64_t off, const struct string_op *s,
                            enum mem_access acc, uint64_t *n)
{
    if (!(cpu->flat >> seg & 1) || s->step < 0)
        return NULL;
    uint64_t lin = cut_address(cpu, cpu->ea_base[seg] + off);
    uint64_t fit = elements_in_page(lin, s->size), wrap = (s->mask - off) / s->size;
    fit = fit < wrap ? fit : wrap;
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

/* ---- MOVS ---- */

static uint64_t run_movs(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         uint64_t max)
{
    uint64_t n = max;
    const uint8_t *from = run_pointer(cpu, i->seg, SI(cpu, s), s, ACCESS_LOAD, &n);
    uint8_t *to = from ? run_pointer(cpu, SEG_ES, DI(cpu, s), s, ACCESS_STORE, &n) : NULL;
    if (!to)
        return 0;
    size_t len = n * s->size;
    if (to >= from + len || to <= from) {
        memmove(to, from, len);
    } else {
        /* the source overlaps what was just written: the pattern repeats */
        size_t period = (size_t)(to - from);
        if (period < s->size)
            return 0;
        for (size_t k = 0; k < len; k += s->size)
            memmove(to + k, from + k, s->size);
    }
    run_stored(cpu, to, len);
    advance(cpu, i, R_RSI, (int64_t)len);
    advance(cpu, i, R_RDI, (int64_t)len);
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

static uint64_t run_stos(struct cpu *cpu, const struct insn *i, const struct string_op *s,
                         uint64_t max)
{
    uint64_t n = max;
    uint8_t *to = run_pointer(cpu, SEG_ES, DI(cpu, s), s, ACCESS_STORE, &n);
    if (!to)
        return 0;
    uint64_t v = cpu->r[R_RAX];
    if (s->size == 1 || v == 0)
        memset(to, (int)(v & 0xff), n * s->size);
    else
        for (uint64_t k = 0; k < n; k++)
            memcpy(to + k * s->size, &v, s->size);
    run_stored(cpu, to, n * s->size);
    advance(cpu, i, R_RDI, (int64_t)(n * s->size));
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
    int op_lods_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, lods_one##bits, NULL, false);                                    \
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
    int op_cmps_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, cmps_one##bits, NULL, true);                                     \
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
    int op_scas_##bits(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        struct string_op s = string_op(cpu, i, bits / 8);                                          \
        return repeat(cpu, i, &s, scas_one##bits, NULL, true);                                     \
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
