/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs of conditions: whether they are sound, and running them in C. */
#include "cpu/x86/probe_program.h"

#include "cpu/x86/mem.h"
#include "vm/machine.h"

/* ---- making them ---- */

struct probe_insn *probe_program_add(struct probe_program *p, enum probe_op op)
{
    static _Thread_local struct probe_insn nowhere;
    struct probe_insn *i = p->n < PROBE_PROGRAM_MAX ? &p->insns[p->n] : &nowhere;

    p->n += p->n <= PROBE_PROGRAM_MAX;
    *i = (struct probe_insn){.op = (uint8_t)op, .size = 8};
    return i;
}

void probe_program_const(struct probe_program *p, uint64_t value)
{
    probe_program_add(p, PROBE_CONST)->value = value;
}

/* How many values an instruction takes off the stack; PICK leaves them there. */
static uint64_t taken(const struct probe_insn *i)
{
    if (i->op == PROBE_PICK)
        return i->value < PROBE_DEPTH_MAX ? i->value + 1 : UINT64_MAX;
    if (i->op < PROBE_PICK || i->op == PROBE_JUMP)
        return 0;
    return i->op == PROBE_SWAP || (i->op >= PROBE_ADD && i->op <= PROBE_GE) ? 2 : 1;
}

static uint64_t left(const struct probe_insn *i)
{
    if (i->op == PROBE_PICK)
        return i->value + 2;
    if (i->op == PROBE_DROP || i->op >= PROBE_JUMP)
        return 0;
    return i->op == PROBE_SWAP ? 2 : 1;
}

static bool is_known(const struct probe_insn *i)
{
    if (i->op >= PROBE_NUM_OPS || (i->size != 1 && i->size != 2 && i->size != 4 && i->size != 8))
        return false;
    return (i->op != PROBE_REGISTER || i->reg <= R_R15) && (i->op != PROBE_BASE || i->reg < 6);
}

/* depth[n] of instructions that are reached, and of the end; -1: not known yet. */
static bool note_depth(int depth[], uint64_t to, uint64_t now)
{
    bool same = depth[to] < 0 || (uint64_t)depth[to] == now;

    depth[to] = (int)now;
    return same;
}

bool probe_program_is_sound(const struct probe_program *p)
{
    int depth[PROBE_PROGRAM_MAX + 1];

    if (!p->n || p->n > PROBE_PROGRAM_MAX)
        return false;
    memset(depth, 0xff, sizeof(depth));
    depth[0] = 0;
    for (unsigned n = 0; n < p->n; n++) {
        const struct probe_insn *i = &p->insns[n];
        bool jumps = i->op >= PROBE_JUMP && i->op <= PROBE_JUMP_NOT_ZERO;

        if (!is_known(i))
            return false;
        if (depth[n] < 0) /* nothing leads here */
            continue;
        if ((uint64_t)depth[n] < taken(i))
            return false;
        uint64_t now = (uint64_t)depth[n] - taken(i) + left(i);
        if (now > PROBE_DEPTH_MAX || (jumps && (i->to <= n || i->to > p->n)) ||
            (jumps && !note_depth(depth, i->to, now)) ||
            (i->op != PROBE_JUMP && !note_depth(depth, n + 1, now)))
            return false;
    }
    return depth[p->n] > 0;
}

/* ---- memory ---- */

void probe_reads_forget(struct cpu *cpu)
{
    for (unsigned n = 0; n < PROBE_READS; n++) /* a page of another index is none that is found */
        cpu->probe.reads[n] =
            (struct probe_read){.page = (uint64_t)(n ^ 1) << VM_PAGE_SHIFT, .host = NULL};
    cpu->probe.reads_known = false;
}

/* Where a byte is; NULL: not in memory. Translated as debuggers do: no accessed bits, no faults. */
static const uint8_t *byte_at(struct cpu *cpu, uint64_t lin)
{
    struct probe_read *e = &cpu->probe.reads[probe_read_index(lin)];
    struct machine *m = cpu->v.m;

    if (lin - e->page < VM_PAGE_SIZE)
        return e->host + (lin - e->page);
    uint64_t phys = mmu_debug_translate(cpu, lin);
    if (phys > m->mem.last)
        return NULL;
    uint64_t page = address_space_page(&m->mem, phys & ~(uint64_t)(VM_PAGE_SIZE - 1)).read_at;
    if (page == ARENA_NONE)
        return NULL;
    *e = (struct probe_read){.page = lin & ~(uint64_t)(VM_PAGE_SIZE - 1),
                             .host = m->arena.host + page};
    cpu->probe.reads_known = true;
    return e->host + (lin - e->page);
}

static bool load(struct cpu *cpu, const struct probe_insn *i, uint64_t lin, uint64_t *value)
{
    uint8_t bytes[8] = {0};
    unsigned room = VM_PAGE_SIZE - (unsigned)(lin & (VM_PAGE_SIZE - 1));
    unsigned first = i->size < room ? i->size : room;
    const uint8_t *p = byte_at(cpu, lin);

    if (!p)
        return false;
    memcpy(bytes, p, first);
    if (first < i->size) {
        p = byte_at(cpu, lin + first);
        if (!p)
            return false;
        memcpy(bytes + first, p, i->size - first);
    }
    *value = probe_extend(ld_le64(bytes), i->size, i->sign);
    return true;
}

/* ---- arithmetic ---- */

static bool divide(const struct probe_insn *i, uint64_t a, uint64_t b, uint64_t *value)
{
    bool quotient = i->op == PROBE_DIV;

    if (!b)
        return false;
    if (!i->sign)
        *value = quotient ? a / b : a % b;
    else if (b == ~0ull)
        *value = quotient ? 0 - a : 0; /* the smallest number, too, as it wraps */
    else
        *value = (uint64_t)(quotient ? (int64_t)a / (int64_t)b : (int64_t)a % (int64_t)b);
    return true;
}

static uint64_t shift(const struct probe_insn *i, uint64_t a, uint64_t by)
{
    if (by >= 8u * i->size)
        return i->op == PROBE_SHR && i->sign && (int64_t)a < 0 ? ~0ull : 0;
    if (i->op == PROBE_SHL)
        return a << by;
    return i->sign ? (uint64_t)((int64_t)a >> by) : a >> by;
}

static uint64_t compare(unsigned op, bool less, bool equal)
{
    switch (op) {
    case PROBE_EQ:
        return equal;
    case PROBE_NE:
        return !equal;
    case PROBE_LT:
        return less;
    case PROBE_LE:
        return less || equal;
    case PROBE_GT:
        return !less && !equal;
    default:
        return !less;
    }
}

bool probe_calculate(const struct probe_insn *i, uint64_t a, uint64_t b, uint64_t *value)
{
    bool by = i->op == PROBE_SHL || i->op == PROBE_SHR;
    uint64_t v = 0;

    a = probe_extend(a, i->size, i->sign);
    b = by ? b : probe_extend(b, i->size, i->sign);
    switch (i->op) {
    case PROBE_ADD:
        v = a + b;
        break;
    case PROBE_SUB:
        v = a - b;
        break;
    case PROBE_MUL:
        v = a * b;
        break;
    case PROBE_DIV:
    case PROBE_MOD:
        if (!divide(i, a, b, &v))
            return false;
        break;
    case PROBE_AND:
        v = a & b;
        break;
    case PROBE_OR:
        v = a | b;
        break;
    case PROBE_XOR:
        v = a ^ b;
        break;
    case PROBE_SHL:
    case PROBE_SHR:
        v = shift(i, a, b);
        break;
    default:
        *value = compare(i->op, i->sign ? (int64_t)a < (int64_t)b : a < b, a == b);
        return true;
    }
    *value = probe_extend(v, i->size, i->sign);
    return true;
}

uint64_t probe_convert(const struct probe_insn *i, uint64_t v)
{
    switch (i->op) {
    case PROBE_NEG:
        return probe_extend(0 - v, i->size, i->sign);
    case PROBE_NOT:
        return probe_extend(~v, i->size, i->sign);
    case PROBE_IS_ZERO:
        return !v;
    default:
        return probe_extend(v, i->size, i->sign);
    }
}

/* ---- running them ---- */

static uint64_t linear_rip(const struct cpu *cpu)
{
    uint64_t rip = cpu->r[R_RIP];

    return cpu->code_mode == CODE64 ? rip : (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

static uint64_t segment_base(const struct cpu *cpu, unsigned seg)
{
    return cpu->code_mode == CODE64 && seg != SEG_FS && seg != SEG_GS ? 0 : cpu->seg[seg].base;
}

/* What an instruction pushes; n values are on the stack. */
static uint64_t pushed(const struct probe_insn *i, const struct cpu *cpu, const uint64_t *stack,
                       unsigned n)
{
    switch (i->op) {
    case PROBE_REGISTER:
        return probe_extend(cpu->r[i->reg], i->size, i->sign);
    case PROBE_RIP:
        return linear_rip(cpu);
    case PROBE_BASE:
        return segment_base(cpu, i->reg);
    case PROBE_CPU:
        return cpu->v.index;
    case PROBE_PICK:
        return stack[n - 1 - i->value];
    default:
        return i->value;
    }
}

static void swap(uint64_t *top)
{
    uint64_t v = top[0];

    top[0] = top[-1];
    top[-1] = v;
}

bool probe_program_run(const struct probe_program *p, struct cpu *cpu, uint64_t *value)
{
    uint64_t stack[PROBE_DEPTH_MAX] = {0};
    unsigned n = 0; /* on the stack */

    for (unsigned at = 0; at < p->n;) {
        const struct probe_insn *i = &p->insns[at++];

        if (i->op <= PROBE_PICK) {
            stack[n] = pushed(i, cpu, stack, n);
            n++;
        } else if (i->op >= PROBE_ADD && i->op <= PROBE_GE) {
            n--;
            if (!probe_calculate(i, stack[n - 1], stack[n], &stack[n - 1]))
                return false;
        } else if (i->op == PROBE_LOAD) {
            if (!load(cpu, i, stack[n - 1], &stack[n - 1]))
                return false;
        } else if (i->op >= PROBE_EXTEND && i->op <= PROBE_IS_ZERO) {
            stack[n - 1] = probe_convert(i, stack[n - 1]);
        } else if (i->op == PROBE_SWAP) {
            swap(&stack[n - 1]);
        } else if (i->op == PROBE_JUMP) {
            at = i->to;
        } else { /* these pop */
            n--;
            if (i->op == PROBE_CHECK && !stack[n])
                return false;
            if ((i->op == PROBE_JUMP_ZERO && !stack[n]) ||
                (i->op == PROBE_JUMP_NOT_ZERO && stack[n]))
                at = i->to;
        }
    }
    *value = stack[n - 1];
    return true;
}
