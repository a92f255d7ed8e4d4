/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "debugger/expr_code.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cpu/x86/cpu.h"
#include "cpu/x86/registers.h"
#include "debugger/symbols_internal.h"

/* ---- making it ---- */

struct code_insn *code_add(struct code *c, enum code_op op)
{
    static _Thread_local struct code_insn nowhere;
    struct code_insn *i = &nowhere;

    if (c->n == c->room && !c->failed) {
        unsigned room = c->room ? 2 * c->room : 16;
        void *p = room <= CODE_MAX ? realloc(c->insns, room * sizeof(*c->insns)) : NULL;

        if (p) {
            c->insns = p;
            c->room = room;
        } else {
            c->failed = true;
        }
    }
    if (c->n < c->room)
        i = &c->insns[c->n++];
    *i = (struct code_insn){.op = (uint8_t)op, .size = 8};
    return i;
}

void code_const(struct code *c, uint64_t value)
{
    code_add(c, CODE_CONST)->imm = value;
}

void code_free(struct code *c)
{
    free(c->insns);
    *c = (struct code){0};
}

bool code_is_plain(const struct code *c)
{
    for (unsigned n = 0; n < c->n; n++)
        if (c->insns[n].op == CODE_CPU_REG)
            return false;
    return true;
}

uint64_t code_extend(uint64_t v, unsigned size, bool sign)
{
    unsigned shift = size < 8 ? 64 - 8 * size : 0;

    v <<= shift;
    return sign ? (uint64_t)((int64_t)v >> shift) : v >> shift;
}

uint64_t code_pc(const struct cpu *cpu)
{
    uint64_t rip = cpu->r[R_RIP];

    if (cpu->code_mode == CODE64)
        return rip;
    return (uint32_t)(cpu->seg[SEG_CS].base + rip);
}

/* ---- running it ---- */

struct run {
    const struct code_frame *f;
    struct error *err;
    unsigned n;
    uint64_t stack[CODE_STACK]; /* n are valid */
};

static double as_double(uint64_t v)
{
    double d;

    memcpy(&d, &v, sizeof(d));
    return d;
}

static uint64_t as_bits(double d)
{
    uint64_t v;

    memcpy(&v, &d, sizeof(v));
    return v;
}

/* Floating point in memory, of 4, 8 or 10 bytes: extended precision has its leading one written out
 * and an exponent biased by 16383. */
static uint64_t real_bits(const uint8_t *buf, unsigned size)
{
    unsigned e = ld_le16(buf + 8);
    double d;
    float f;

    if (size == 4) {
        memcpy(&f, buf, 4);
        return as_bits(f);
    }
    if (size == 8)
        return ld_le64(buf);
    if ((e & 0x7fff) == 0x7fff)
        d = ld_le64(buf) << 1 ? (double)NAN : (double)INFINITY;
    else
        d = ldexp((double)ld_le64(buf), (int)(e & 0x7fff) - 16383 - 63);
    return as_bits(e & 0x8000 ? -d : d);
}

static bool load(struct run *r, const struct code_insn *i)
{
    uint64_t addr = r->stack[r->n - 1];
    uint8_t buf[16] = {0};
    uint64_t v;

    if (r->f->guest->read(r->f->cpu, i->physical, addr, buf, i->size) != i->size)
        return error_set(r->err, "cannot read %u bytes at %s0x%" PRIx64, i->size,
                         i->physical ? "physical " : "", addr);
    v = i->op == CODE_LOAD ? code_extend(ld_le64(buf), i->size, i->sign) : real_bits(buf, i->size);
    r->stack[r->n - 1] = v;
    return true;
}

/* The base of a descriptor, or of a selector in real and virtual-8086 mode (SDM vol. 3A 3.4.5). */
static bool select_segment(struct run *r)
{
    struct cpu *cpu = r->f->cpu;
    uint64_t sel = r->stack[r->n - 1], table, limit;
    uint8_t d[8];

    if (cpu->real_or_v86) {
        r->stack[r->n - 1] = (sel & 0xffff) << 4;
        return true;
    }
    table = sel & 4 ? cpu->ldtr.base : cpu->gdtr.base;
    limit = sel & 4 ? cpu->ldtr.limit : cpu->gdtr.limit;
    if (sel > 0xffff || (sel | 7) > limit || !(sel & 0xfffc) ||
        !guest_read(r->f->guest, cpu, table + (sel & 0xfff8), d, sizeof(d)))
        return error_set(r->err, "0x%" PRIx64 ": selects no segment", sel);
    r->stack[r->n - 1] = ld_le16(d + 2) | (uint64_t)d[4] << 16 | (uint64_t)d[7] << 24;
    return true;
}

static uint64_t cpu_register_part(const struct cpu *cpu, const struct code_insn *i)
{
    const struct cpu_register *row = (const struct cpu_register *)(uintptr_t)i->imm;
    uint8_t buf[32] = {0};

    row->get(cpu, row, buf);
    if (i->real)
        return real_bits(buf + i->imm2, i->size);
    return code_extend(ld_le64(buf + i->imm2), i->size, i->sign);
}

/* What pushes. */
static bool push(struct run *r, const struct code_insn *i)
{
    struct cpu *cpu = r->f->cpu;
    uint64_t v = i->imm;

    switch (i->op) {
    case CODE_REG:
        if (r->f->regs && !(r->f->known >> i->imm & 1))
            return error_set(r->err, "in a register that is not known in this frame");
        if (r->f->regs)
            v = r->f->regs[i->imm];
        else
            v = i->imm == R_RIP ? code_pc(cpu) : cpu->r[i->imm];
        v = code_extend(v, i->size, i->sign);
        break;
    case CODE_CPU_REG:
        v = cpu_register_part(cpu, i);
        break;
    case CODE_SEGMENT:
        v = cpu->code_mode == CODE64 && i->imm != SEG_FS && i->imm != SEG_GS
                ? 0
                : cpu->seg[i->imm].base;
        break;
    case CODE_CFA:
        v = r->f->cfa;
        break;
    case CODE_INDEX:
        v = cpu->v.index;
        break;
    case CODE_DUP: /* imm is 0 */
    case CODE_PICK:
        v = r->stack[r->n - 1 - i->imm];
        break;
    }
    if (r->n == CODE_STACK)
        return error_set(r->err, "too deep");
    r->stack[r->n++] = v;
    return true;
}

static bool divide(struct run *r, const struct code_insn *i, uint64_t a, uint64_t b, uint64_t *v)
{
    if (!b)
        return error_set(r->err, "division by zero");
    if (!i->sign)
        *v = i->op == CODE_DIV ? a / b : a % b;
    else if (b == ~0ull)
        *v = i->op == CODE_DIV ? 0 - a : 0; /* the smallest number, too, as it wraps */
    else
        *v = (uint64_t)(i->op == CODE_DIV ? (int64_t)a / (int64_t)b : (int64_t)a % (int64_t)b);
    return true;
}

static uint64_t shift(const struct code_insn *i, uint64_t a, uint64_t by)
{
    if (by >= 8u * i->size)
        return i->op == CODE_SHR && i->sign && (int64_t)a < 0 ? ~0ull : 0;
    if (i->op == CODE_SHL)
        return a << by;
    return i->sign ? (uint64_t)((int64_t)a >> by) : a >> by;
}

static uint64_t compare(unsigned op, bool less, bool equal)
{
    switch (op) {
    case CODE_EQ:
        return equal;
    case CODE_NE:
        return !equal;
    case CODE_LT:
        return less;
    case CODE_LE:
        return less || equal;
    case CODE_GT:
        return !less && !equal;
    default:
        return !less;
    }
}

/* An operation of doubles; comparisons with NaN are false, but for !=. */
static bool real_binary(struct run *r, const struct code_insn *i, double a, double b, uint64_t *v)
{
    if (i->op >= CODE_EQ && (isnan(a) || isnan(b)))
        *v = i->op == CODE_NE;
    else if (i->op >= CODE_EQ)
        *v = compare(i->op, a < b, a == b);
    else if (i->op == CODE_ADD)
        *v = as_bits(a + b);
    else if (i->op == CODE_SUB)
        *v = as_bits(a - b);
    else if (i->op == CODE_MUL)
        *v = as_bits(a * b);
    else if (i->op == CODE_DIV)
        *v = as_bits(a / b);
    else
        return error_set(r->err, "not an operation of floating point numbers");
    return true;
}

static bool binary(struct run *r, const struct code_insn *i)
{
    uint64_t b = r->stack[--r->n], a = r->stack[r->n - 1], v = 0;

    if (i->real)
        return real_binary(r, i, as_double(a), as_double(b), &r->stack[r->n - 1]);
    a = code_extend(a, i->size, i->sign);
    if (i->op != CODE_SHL && i->op != CODE_SHR)
        b = code_extend(b, i->size, i->sign);
    switch (i->op) {
    case CODE_ADD:
        v = a + b;
        break;
    case CODE_SUB:
        v = a - b;
        break;
    case CODE_MUL:
        v = a * b;
        break;
    case CODE_DIV:
    case CODE_MOD:
        if (!divide(r, i, a, b, &v))
            return false;
        break;
    case CODE_AND:
        v = a & b;
        break;
    case CODE_OR:
        v = a | b;
        break;
    case CODE_XOR:
        v = a ^ b;
        break;
    case CODE_SHL:
    case CODE_SHR:
        v = shift(i, a, b);
        break;
    default:
        r->stack[r->n - 1] = compare(i->op, i->sign ? (int64_t)a < (int64_t)b : a < b, a == b);
        return true;
    }
    r->stack[r->n - 1] = code_extend(v, i->size, i->sign);
    return true;
}

static uint64_t to_integer(double d)
{
    if (isnan(d))
        return 0;
    if (d >= 0x1p63)
        return d >= 0x1p64 ? ~0ull : (uint64_t)d;
    return d <= -0x1p63 ? 1ull << 63 : (uint64_t)(int64_t)d;
}

static void unary(struct run *r, const struct code_insn *i)
{
    uint64_t *top = &r->stack[r->n - 1];
    unsigned unused;

    switch (i->op) {
    case CODE_CONVERT:
        *top = code_extend(*top, i->size, i->sign);
        break;
    case CODE_FIELD:
        unused = 64 - (unsigned)i->imm;
        *top = *top >> i->imm2 << unused; /* imm is 1 to 64 */
        *top = i->sign ? (uint64_t)((int64_t)*top >> unused) : *top >> unused;
        break;
    case CODE_INT_FLOAT:
        top -= i->imm;
        *top = as_bits(i->sign ? (double)(int64_t)*top : (double)*top);
        break;
    case CODE_FLOAT_INT:
        *top = to_integer(as_double(*top));
        break;
    case CODE_NEG:
        *top = i->real ? as_bits(-as_double(*top)) : code_extend(0 - *top, i->size, i->sign);
        break;
    case CODE_NOT:
        *top = code_extend(~*top, i->size, i->sign);
        break;
    case CODE_IS_ZERO:
        *top = i->real ? as_double(*top) == 0 : !*top;
        break;
    }
}

static void shuffle(struct run *r, const struct code_insn *i)
{
    uint64_t *top = &r->stack[r->n - 1], v = *top;

    if (i->op == CODE_DROP) {
        r->n--;
    } else if (i->op == CODE_SWAP) {
        *top = top[-1];
        top[-1] = v;
    } else {
        *top = top[-1];
        top[-1] = top[-2];
        top[-2] = v;
    }
}

/* How many values an instruction needs on the stack. */
static uint64_t needs(const struct code_insn *i)
{
    static const uint8_t fixed[CODE_NOTHING + 1] = {
        [CODE_SELECT] = 1,         [CODE_LOAD] = 1,
        [CODE_LOAD_FLOAT] = 1,     [CODE_CONVERT] = 1,
        [CODE_FIELD] = 1,          [CODE_FLOAT_INT] = 1,
        [CODE_ADD... CODE_GE] = 2, [CODE_NEG... CODE_DROP] = 1,
        [CODE_SWAP] = 2,           [CODE_ROT] = 3,
        [CODE_JUMP_ZERO] = 1,      [CODE_JUMP_NOT_ZERO] = 1,
    };

    if (i->op == CODE_PICK)
        return i->imm < CODE_STACK ? i->imm + 1 : UINT64_MAX;
    return i->op == CODE_INT_FLOAT ? i->imm + 1 : fixed[i->op];
}

static bool in_scope(struct run *r, const struct code_insn *i)
{
    uint64_t pc = r->f->regs ? r->f->scope : code_pc(r->f->cpu);

    if (pc >= i->imm && pc < i->imm2)
        return true;
    return error_set(r->err, "a local variable is not there: the %s is at 0x%" PRIx64,
                     r->f->regs ? "frame" : "CPU", pc);
}

static bool step(struct run *r, const struct code_insn *i, unsigned *next)
{
    switch (i->op) {
    case CODE_NOTHING:
        return true;
    case CODE_CONST:
    case CODE_REG:
    case CODE_CPU_REG:
    case CODE_SEGMENT:
    case CODE_CFA:
    case CODE_INDEX:
    case CODE_DUP:
    case CODE_PICK:
        return push(r, i);
    case CODE_SELECT:
        return select_segment(r);
    case CODE_LOAD:
    case CODE_LOAD_FLOAT:
        return load(r, i);
    case CODE_DROP:
    case CODE_SWAP:
    case CODE_ROT:
        shuffle(r, i);
        return true;
    case CODE_JUMP:
        *next = (unsigned)i->imm;
        return true;
    case CODE_JUMP_ZERO:
    case CODE_JUMP_NOT_ZERO:
        if (!r->stack[--r->n] == (i->op == CODE_JUMP_ZERO))
            *next = (unsigned)i->imm;
        return true;
    case CODE_IN_SCOPE:
        return in_scope(r, i);
    default:
        if (i->op >= CODE_ADD && i->op <= CODE_GE)
            return binary(r, i);
        unary(r, i);
        return true;
    }
}

bool code_run(const struct code *c, const struct code_frame *f, uint64_t *value, struct error *err)
{
    struct run r;

    r.f = f;
    r.err = err;
    if (c->failed)
        return error_set(err, "too long");
    r.n = 0;
    for (unsigned at = 0; at < c->n;) {
        unsigned next = at + 1;

        if (r.n < needs(&c->insns[at]))
            return error_set(err, "a value is missing");
        if (!step(&r, &c->insns[at], &next))
            return false;
        if (next <= at)
            return error_set(err, "a jump backwards");
        at = next;
    }
    if (!r.n)
        return error_set(err, "no value");
    *value = r.stack[r.n - 1];
    return true;
}
