/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conditions of a debugger's (cpu/x86/probe_program.h) as host code.
 *
 * What is on a program's stack is known here: a number, a guest register, or calculated, then it is
 * in TEMP or, when TEMP is wanted, in memory at a place of its depth. The result of a comparison is
 * in the flags as long as the next instruction asks for no more. Where a jump leads all is in
 * memory; the code of that comes later, by the number of the instruction. What is not known how to
 * do, and what cannot be calculated, ends where the debugger is asked. */
#include "translator/x86_64/emit.h"

#include "cpu/x86/probe.h"

enum place {
    AS_NUMBER,
    IN_REGISTER, /* of the host's, which is a guest's */
    IN_STATE,    /* a guest's, in struct cpu */
    IN_TEMP,
    IN_STACK, /* memory, at its depth */
    IN_FLAGS, /* 1 if `reg` is true, a condition code */
};

/* The low `size` bytes are what counts, to be extended as `sign` says. */
struct value {
    enum place place;
    uint8_t reg, size;
    bool sign;
    uint64_t number; /* IN_STATE: the offset */
};

struct condition {
    struct xlat *x;
    const struct probe_program *p;
    unsigned n; /* on the stack */
    struct value stack[PROBE_DEPTH_MAX];
    bool ended; /* no way leads on from here */
    /* Jumps that are to be fixed, linked by their displacements. */
    uint8_t *ask, *pass, *to[PROBE_PROGRAM_MAX + 1];
    unsigned depth[PROBE_PROGRAM_MAX + 1];
};

/* ---- jumps ---- */

static void link_jump(uint8_t **list, uint8_t *at)
{
    int32_t back = *list ? (int32_t)(at - *list) : 0;

    memcpy(at, &back, 4);
    *list = at;
}

void condition_fix(struct xlat *x, uint8_t *jumps)
{
    while (jumps) {
        int32_t back;

        memcpy(&back, jumps, 4);
        a_fix(jumps, x->a.p);
        jumps = back ? jumps - back : NULL;
    }
}

static void jump_always(struct condition *c, uint8_t **list)
{
    link_jump(list, a_jmp(&c->x->a));
    c->ended = true;
}

static void jump_if(struct condition *c, unsigned cc, uint8_t **list)
{
    link_jump(list, a_jcc(&c->x->a, cc));
}

/* ---- values ---- */

static struct host_mem stack_slot(unsigned depth)
{
    return h_state(JIT_OFF(condition) + 8 * (size_t)depth);
}

static struct host_mem memory_of(const struct value *v, unsigned depth)
{
    return v->place == IN_STATE ? h_state((size_t)v->number) : stack_slot(depth);
}

static struct value number(uint64_t n)
{
    return (struct value){.place = AS_NUMBER, .size = 8, .number = n};
}

static struct value calculated(unsigned size, bool sign)
{
    return (struct value){.place = IN_TEMP, .size = (uint8_t)size, .sign = sign};
}

/* MOV, MOVZX, MOVSX or MOVSXD to 64 bits: the opcode, and the operand size. */
static uint32_t extension(const struct value *v, unsigned *size)
{
    *size = v->size == 4 && !v->sign ? 4 : 8;
    if (v->size == 4 && v->sign)
        return 0x63;
    if (v->size >= 4)
        return 0x8b;
    return OPC_0F | 0xb6 | (v->size == 2) | (uint32_t)v->sign << 3;
}

/* All 64 bits of the value at that depth, which is not IN_FLAGS. Flags stay. */
static void load(struct condition *c, unsigned r, const struct value *v, unsigned depth)
{
    struct assembler *a = &c->x->a;
    unsigned size;
    uint32_t opcode = extension(v, &size);

    if (v->place == AS_NUMBER)
        a_mov_imm(a, r, v->number);
    else if (v->place == IN_STATE || v->place == IN_STACK)
        a_rm(a, opcode, size, r, memory_of(v, depth));
    else if (v->place == IN_REGISTER)
        a_rr(a, opcode, size, r, v->reg);
    else if (r != TEMP || v->size < 8)
        a_rr(a, opcode, size, r, TEMP);
}

static void to_stack(struct condition *c, unsigned depth)
{
    struct value *v = &c->stack[depth];

    if (v->place == IN_STACK)
        return;
    if (v->place == AS_NUMBER && imm_fits(v->number)) {
        a_xm(&c->x->a, 0xc7, 8, 0, stack_slot(depth));
        a_u32(&c->x->a, (uint32_t)v->number);
    } else {
        unsigned r = v->place == IN_TEMP ? TEMP : TEMP2;

        load(c, r, v, depth);
        a_store(&c->x->a, 8, r, stack_slot(depth));
    }
    *v = (struct value){.place = IN_STACK, .size = 8};
}

/* TEMP is wanted. TEMP2 and flags stay. */
static void free_temp(struct condition *c)
{
    for (unsigned n = 0; n < c->n; n++)
        if (c->stack[n].place == IN_TEMP)
            to_stack(c, n);
}

/* The top is no longer in the flags. */
static void settle_flags(struct condition *c)
{
    struct value *top = &c->stack[c->n ? c->n - 1 : 0];

    if (!c->n || top->place != IN_FLAGS)
        return;
    a_xr(&c->x->a, OPC_0F | 0x90 | top->reg, 1, 0, TEMP2); /* setcc */
    free_temp(c);
    a_rr(&c->x->a, OPC_0F | 0xb6, 4, TEMP, TEMP2); /* movzx */
    *top = calculated(8, false);
}

static void push(struct condition *c, struct value v)
{
    c->stack[c->n++] = v;
}

/* ---- what is pushed ---- */

/* A block's registers may have taken the places of others. */
static struct value guest_register(const struct xlat *x, const struct probe_insn *i)
{
    struct value v = {
        .place = IN_REGISTER, .reg = x->host[i->reg], .size = i->size, .sign = i->sign};

    if (v.reg == H_NONE) {
        v.place = IN_STATE;
        v.number = REG_OFF(i->reg);
    }
    for (unsigned n = 0; n < x->t->nswaps; n++)
        if (x->t->swap[n].taken == i->reg) {
            v.place = IN_STATE;
            v.number = JIT_OFF(spill) + 8 * (size_t)n;
        }
    return v;
}

static struct value segment_base(const struct xlat *x, unsigned seg)
{
    if ((x->mode & MODE_CODE) == CODE64 && seg != SEG_FS && seg != SEG_GS)
        return number(0);
    return (struct value){.place = IN_STATE,
                          .size = 8,
                          .number = offsetof(struct cpu, seg) + sizeof(struct segment) * seg +
                                    offsetof(struct segment, base)};
}

/* A copy of what is calculated is calculated. */
static void pick(struct condition *c, unsigned from_top)
{
    unsigned depth = c->n - 1 - from_top;
    struct value v = c->stack[depth];

    if (v.place == IN_TEMP || v.place == IN_STACK) {
        free_temp(c);
        load(c, TEMP, &c->stack[depth], depth);
        v = calculated(8, false);
    }
    push(c, v);
}

static void swap(struct condition *c)
{
    struct value *top = &c->stack[c->n - 1], *below = top - 1, v = *top;

    if (v.place <= IN_STATE && below->place <= IN_STATE) {
        *top = *below;
        *below = v;
        return;
    }
    load(c, TEMP2, top, c->n - 1);
    top->place = AS_NUMBER;
    if (below->place != IN_TEMP)
        free_temp(c);
    load(c, TEMP, below, c->n - 2);
    a_store(&c->x->a, 8, TEMP2, stack_slot(c->n - 2));
    *below = (struct value){.place = IN_STACK, .size = 8};
    *top = calculated(8, false);
}

static void push_one(struct condition *c, const struct probe_insn *i)
{
    const struct xlat *x = c->x;

    switch (i->op) {
    case PROBE_REGISTER:
        push(c, guest_register(x, i));
        break;
    case PROBE_RIP:
        push(c, number(x->t->rip + x->list[x->k].off));
        break;
    case PROBE_BASE:
        push(c, segment_base(x, i->reg));
        break;
    case PROBE_CPU:
        push(c, (struct value){.place = IN_STATE,
                               .size = sizeof(x->cpu->v.index),
                               .number = offsetof(struct cpu, v) + offsetof(struct vcpu, index)});
        break;
    case PROBE_PICK:
        pick(c, (unsigned)i->value);
        break;
    default:
        push(c, number(i->value));
    }
}

/* ---- memory: cpu->probe.reads, in line ---- */

#define READ_OFF(n, member)                                                                        \
    (offsetof(struct cpu, probe.reads) + sizeof(struct probe_read) * (size_t)(n) +                 \
     offsetof(struct probe_read, member))

/* Of a number: TEMP is the host address of its page; returns the place in it. */
static int32_t known_page(struct condition *c, uint64_t lin, unsigned size)
{
    struct assembler *a = &c->x->a;
    uint64_t page = lin & ~(uint64_t)(VM_PAGE_SIZE - 1);
    unsigned n = probe_read_index(lin);

    if (lin - page > VM_PAGE_SIZE - size) {
        jump_always(c, &c->ask);
        return 0;
    }
    if (imm_fits(page)) {
        a_alu_mi(a, 7, 8, h_state(READ_OFF(n, page)), (int32_t)page);
    } else {
        a_mov_imm(a, TEMP, page);
        a_rm(a, 0x3b, 8, TEMP, h_state(READ_OFF(n, page))); /* cmp */
    }
    jump_if(c, CC_NZ, &c->ask);
    a_load(a, 8, TEMP, h_state(READ_OFF(n, host)));
    return (int32_t)(lin - page);
}

/* TEMP: the address, becomes the host's. */
static void any_page(struct condition *c, unsigned size)
{
    struct assembler *a = &c->x->a;

    _Static_assert(sizeof(struct probe_read) == 16, "numbers of pages are shifted to offsets");
    a_mov_rr(a, 4, TEMP2, TEMP);
    a_xr(a, 0xc1, 4, 5, TEMP2); /* shr */
    a_byte(a, PROBE_READ_FOLD);
    a_rr(a, 0x33, 4, TEMP2, TEMP); /* xor */
    a_xr(a, 0xc1, 4, 5, TEMP2);
    a_byte(a, VM_PAGE_SHIFT - 4);
    a_alu_ri(a, 4, 4, TEMP2, (PROBE_READS - 1) << 4);
    a_rm(a, 0x2b, 8, TEMP, h_state_at(TEMP2, READ_OFF(0, page))); /* sub */
    a_alu_ri(a, 7, 8, TEMP, (int32_t)(VM_PAGE_SIZE - size));
    jump_if(c, CC_A, &c->ask);
    a_rm(a, 0x03, 8, TEMP, h_state_at(TEMP2, READ_OFF(0, host))); /* add */
}

static void emit_load(struct condition *c, const struct probe_insn *i)
{
    struct value v = c->stack[--c->n], what = {.size = i->size, .sign = i->sign};
    int32_t off = 0;
    unsigned size;
    uint32_t opcode = extension(&what, &size);

    if (v.place != IN_TEMP)
        free_temp(c);
    if (v.place == AS_NUMBER) {
        off = known_page(c, v.number, i->size);
    } else {
        load(c, TEMP, &v, c->n);
        any_page(c, i->size);
    }
    a_rm(&c->x->a, opcode, size, TEMP, h_at(TEMP, off));
    push(c, calculated(8, false));
}

/* ---- one operand ---- */

static void extend_top(struct condition *c, const struct probe_insn *i)
{
    struct value *v = &c->stack[c->n - 1];

    if (v->place == AS_NUMBER) {
        v->number = probe_convert(i, v->number);
    } else if (i->size <= v->size) {
        v->size = i->size;
        v->sign = i->sign;
    } else if (v->sign && !i->sign) {
        struct value from = *v;

        c->n--;
        if (from.place != IN_TEMP)
            free_temp(c);
        load(c, TEMP, &from, c->n);
        push(c, calculated(i->size, false));
    }
}

/* NEG, NOT */
static void negate_top(struct condition *c, const struct probe_insn *i)
{
    struct value v = c->stack[--c->n];

    if (v.place == AS_NUMBER) {
        push(c, number(probe_convert(i, v.number)));
        return;
    }
    if (v.place != IN_TEMP)
        free_temp(c);
    load(c, TEMP, &v, c->n);
    a_xr(&c->x->a, 0xf7, 8, i->op == PROBE_NEG ? 3 : 2, TEMP);
    push(c, calculated(i->size, i->sign));
}

/* Makes the flags say whether the value, which was taken off, is 0 (CC_Z); the condition code of
 * its being another: for one that is in the flags that is its own. */
static unsigned test(struct condition *c, const struct value *v)
{
    struct assembler *a = &c->x->a;

    if (v->place == IN_FLAGS)
        return v->reg;
    if (v->place == IN_STATE || v->place == IN_STACK)
        a_alu_mi(a, 7, v->size, memory_of(v, c->n), 0);
    else if (v->place == IN_TEMP)
        a_rr(a, v->size == 1 ? 0x84 : 0x85, v->size, TEMP, TEMP);
    else
        a_rr(a, v->size == 1 ? 0x84 : 0x85, v->size, v->reg, v->reg);
    return CC_NZ;
}

static void emit_is_zero(struct condition *c)
{
    struct value v = c->stack[--c->n];

    if (v.place == AS_NUMBER)
        push(c, number(!v.number));
    else
        push(c,
             (struct value){
                 .place = IN_FLAGS, .reg = (uint8_t)(test(c, &v) ^ 1), .size = 8, .sign = false});
}

/* ---- two operands ---- */

/* ADD to XOR and CMP: /n of the immediate forms, and the opcode of `op reg, rm` is 8 n + 3. */
#define ALU_CMP 7u

static bool alu_number(unsigned op, unsigned *n)
{
    static const uint8_t numbers[][2] = {
        {PROBE_ADD, 0}, {PROBE_OR, 1}, {PROBE_AND, 4}, {PROBE_SUB, 5}, {PROBE_XOR, 6},
    };

    *n = ALU_CMP;
    for (unsigned k = 0; k < ARRAY_SIZE(numbers); k++)
        if (numbers[k][0] == op)
            *n = numbers[k][1];
    return *n != ALU_CMP || (op >= PROBE_EQ && op <= PROBE_GE);
}

/* Whether an operation of that size can have it as it is. */
static bool is_wide(const struct value *v, unsigned size)
{
    return v->size >= size && v->place != AS_NUMBER;
}

/* op a, b: `a` is a register, `b` was taken off the stack at `depth`, and is not in TEMP. */
static void alu(struct condition *c, unsigned n, unsigned size, unsigned a, const struct value *b,
                unsigned depth)
{
    struct assembler *as = &c->x->a;
    unsigned opcode = 8 * n + 3;
    bool small = b->place == AS_NUMBER && (size == 4 || imm_fits(b->number));

    if (small) {
        a_alu_ri(as, n, size, a, (int32_t)b->number);
    } else if (b->place == IN_REGISTER && is_wide(b, size)) {
        a_rr(as, opcode, size, a, b->reg);
    } else if (b->place != IN_REGISTER && is_wide(b, size)) {
        a_rm(as, opcode, size, a, memory_of(b, depth));
    } else {
        load(c, TEMP2, b, depth);
        a_rr(as, opcode, size, a, TEMP2);
    }
}

/* The left operand in TEMP, the right one not there: then in TEMP2, as a register. */
static void operands(struct condition *c, const struct value *a, struct value *b)
{
    if (b->place == IN_TEMP) {
        load(c, TEMP2, b, c->n + 1);
        *b = (struct value){.place = IN_REGISTER, .reg = TEMP2, .size = 8};
    } else if (a->place != IN_TEMP) {
        free_temp(c);
    }
    load(c, TEMP, a, c->n);
}

static void emit_alu_op(struct condition *c, const struct probe_insn *i, unsigned n,
                        const struct value *a, struct value *b)
{
    operands(c, a, b);
    alu(c, n, i->size, TEMP, b, c->n + 1);
    push(c, calculated(i->size, i->sign));
}

/* SDM vol. 2D B.1.4.7. */
static unsigned condition_code(unsigned op, bool sign)
{
    static const uint8_t codes[][2] = {
        [0 /* PROBE_EQ */] = {4, 4},      [PROBE_NE - PROBE_EQ] = {5, 5},
        [PROBE_LT - PROBE_EQ] = {2, 0xc}, [PROBE_LE - PROBE_EQ] = {6, 0xe},
        [PROBE_GT - PROBE_EQ] = {7, 0xf}, [PROBE_GE - PROBE_EQ] = {3, 0xd},
    };

    return codes[op - PROBE_EQ][sign];
}

static void emit_compare(struct condition *c, const struct probe_insn *i, const struct value *a,
                         struct value *b)
{
    if (a->place == IN_REGISTER && is_wide(a, i->size) && b->place != IN_TEMP) {
        alu(c, ALU_CMP, i->size, a->reg, b, c->n + 1);
    } else {
        operands(c, a, b);
        alu(c, ALU_CMP, i->size, TEMP, b, c->n + 1);
    }
    push(c, (struct value){
                .place = IN_FLAGS, .reg = (uint8_t)condition_code(i->op, i->sign), .size = 8});
}

static void emit_multiply(struct condition *c, const struct probe_insn *i, const struct value *a,
                          struct value *b)
{
    operands(c, a, b);
    if (b->place != IN_REGISTER || b->reg != TEMP2)
        load(c, TEMP2, b, c->n + 1);
    a_rr(&c->x->a, OPC_0F | 0xaf, i->size, TEMP, TEMP2);
    push(c, calculated(i->size, i->sign));
}

/* By a number. */
static void emit_shift_op(struct condition *c, const struct probe_insn *i, const struct value *a,
                          const struct value *b)
{
    bool right = i->op == PROBE_SHR;
    unsigned bits = 8u * i->size, by = (unsigned)b->number;

    if (b->place != AS_NUMBER || (b->number >= bits && !(right && i->sign))) {
        jump_always(c, &c->ask);
        return;
    }
    if (b->number >= bits)
        by = bits - 1;
    if (a->place != IN_TEMP)
        free_temp(c);
    load(c, TEMP, a, c->n);
    a_xr(&c->x->a, 0xc1, i->size, !right ? 4 : i->sign ? 7 : 5, TEMP);
    a_byte(&c->x->a, by);
    push(c, calculated(i->size, i->sign));
}

/* Dividing by 0 has no result, by -1 may be more than the host's division can do. */
static void check_divisor(struct condition *c, const struct probe_insn *i)
{
    struct assembler *a = &c->x->a;

    a_rr(a, 0x85, i->size, TEMP, TEMP);
    jump_if(c, CC_Z, &c->ask);
    if (!i->sign)
        return;
    a_alu_ri(a, 7, i->size, TEMP, -1);
    jump_if(c, CC_Z, &c->ask);
}

/* The dividend is to be in rdx:rax, which are the guest's, and TEMP2. */
static void emit_divide(struct condition *c, const struct probe_insn *i, const struct value *a,
                        const struct value *b)
{
    struct assembler *as = &c->x->a;

    if (a->place != IN_TEMP && b->place != IN_TEMP)
        free_temp(c);
    load(c, TEMP2, a, c->n);
    load(c, TEMP, b, c->n + 1);
    check_divisor(c, i);
    a_store(as, 8, H_RDX, stack_slot(PROBE_DEPTH_MAX));
    if (i->sign)
        a_prefixes(as, 0x99, i->size, 0, false); /* cdq, cqo */
    else
        a_rr(as, 0x33, 4, H_RDX, H_RDX); /* xor */
    a_xr(as, 0xf7, i->size, i->sign ? 7 : 6, TEMP);
    a_mov_rr(as, 8, TEMP, i->op == PROBE_DIV ? H_RAX : H_RDX);
    a_load(as, 8, H_RDX, stack_slot(PROBE_DEPTH_MAX));
    push(c, calculated(i->size, i->sign));
}

static void emit_binary(struct condition *c, const struct probe_insn *i)
{
    struct value b = c->stack[--c->n], a = c->stack[--c->n];
    unsigned n;
    uint64_t v;

    if (a.place == AS_NUMBER && b.place == AS_NUMBER && probe_calculate(i, a.number, b.number, &v))
        push(c, number(v));
    else if (i->size < 4)
        jump_always(c, &c->ask);
    else if (i->op >= PROBE_EQ)
        emit_compare(c, i, &a, &b);
    else if (alu_number(i->op, &n))
        emit_alu_op(c, i, n, &a, &b);
    else if (i->op == PROBE_MUL)
        emit_multiply(c, i, &a, &b);
    else if (i->op == PROBE_DIV || i->op == PROBE_MOD)
        emit_divide(c, i, &a, &b);
    else
        emit_shift_op(c, i, &a, &b);
}

/* ---- ways ---- */

/* Pops; goes where `list` leads if that is 0, or is not. */
static void emit_branch(struct condition *c, bool if_zero, uint8_t **list, bool stack)
{
    struct value v = c->stack[--c->n];
    unsigned cc = v.place == AS_NUMBER ? 0 : test(c, &v);

    for (unsigned n = 0; stack && n < c->n; n++)
        to_stack(c, n);
    if (v.place != AS_NUMBER)
        jump_if(c, if_zero ? cc ^ 1 : cc, list);
    else if (!v.number == if_zero)
        jump_always(c, list);
}

static void emit_end(struct condition *c)
{
    emit_branch(c, true, &c->pass, false);
    if (!c->ended)
        jump_always(c, &c->ask);
}

static void emit_conditional(struct condition *c, const struct probe_insn *i)
{
    emit_branch(c, i->op == PROBE_JUMP_ZERO, &c->to[i->to], true);
    c->depth[i->to] = c->n;
}

static void emit_one(struct condition *c, const struct probe_insn *i)
{
    if (i->op < PROBE_JUMP && i->op != PROBE_IS_ZERO)
        settle_flags(c);
    if (i->op == PROBE_SWAP)
        swap(c);
    else if (i->op == PROBE_DROP)
        c->n--;
    else if (i->op <= PROBE_PICK)
        push_one(c, i);
    else if (i->op == PROBE_LOAD)
        emit_load(c, i);
    else if (i->op == PROBE_EXTEND)
        extend_top(c, i);
    else if (i->op == PROBE_IS_ZERO)
        emit_is_zero(c);
    else if (i->op <= PROBE_NOT)
        negate_top(c, i);
    else if (i->op <= PROBE_GE)
        emit_binary(c, i);
    else if (i->op == PROBE_CHECK)
        emit_branch(c, true, &c->ask, false);
    else
        emit_conditional(c, i);
}

/* From an instruction to the end, along the jumps that are always taken. */
static void emit_from(struct condition *c, unsigned at)
{
    c->ended = false;
    while (at < c->p->n && !c->ended && a_room(&c->x->a)) {
        const struct probe_insn *i = &c->p->insns[at];

        if (i->op == PROBE_JUMP) {
            at = i->to;
            continue;
        }
        emit_one(c, i);
        at++;
    }
    if (!c->ended)
        emit_end(c);
}

void emit_condition(struct xlat *x, const struct probe_program *p, uint8_t **pass)
{
    struct condition c = {.x = x, .p = p};

    emit_from(&c, 0);
    for (unsigned n = 1; n <= p->n && a_room(&x->a); n++) {
        if (!c.to[n])
            continue;
        condition_fix(x, c.to[n]);
        for (c.n = 0; c.n < c.depth[n]; c.n++)
            c.stack[c.n] = (struct value){.place = IN_STACK, .size = 8};
        emit_from(&c, n);
    }
    condition_fix(x, c.ask);
    *pass = c.pass;
}
