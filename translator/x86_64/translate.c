/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One block: places for its registers, its entries, an emitter per instruction, its exits, and
 * the code out of the way. */
#include "translator/x86_64/emit.h"

/* ---- places of registers ---- */

/* Numbers of general registers are byte offsets in 8-bit forms. */
static uint16_t registers_used(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);
    bool byte = (op->class == CLASS_ALU || op->class == CLASS_UNARY || op->class == CLASS_SHIFT ||
                 op->class == CLASS_EXCHANGE || op->class == CLASS_RM) &&
                insn_osize(i) == 1;
    bool byte_source = byte || op == &operations[OPN_movzx8] || op == &operations[OPN_movsx8];
    unsigned used = 1u << (i->reg >> (byte ? 3 : 0) & 15) | implicit_registers(i);

    if (!(i->flags & INSN_MEM)) /* rm shares its byte with base */
        return (uint16_t)(used | 1u << (i->rm >> (byte_source ? 3 : 0) & 15));
    if (i->base < 16)
        used |= 1u << i->base;
    if (i->index < 16)
        used |= 1u << i->index;
    return (uint16_t)used;
}

/* Registers that may lend their place: no instruction uses them without naming them. */
static const uint8_t lenders[] = {R_R14, R_R13, R_R12, R_R8, R_RBX, R_RBP, R_RDI, R_RSI};

/* Gives every register that the first n instructions use a place. False: there are not enough. */
static bool place_registers(struct xlat *x, unsigned n)
{
    uint16_t used = 0;
    unsigned next = 0;

    for (unsigned k = 0; k < n; k++)
        used |= x->fpu[k] ? fpu_registers_used(x, k) : registers_used(&x->list[k]);
    memcpy(x->host, pinned_place, sizeof(x->host));
    x->t->nswaps = 0;
    for (unsigned g = 0; g < 16; g++) {
        if (!(used >> g & 1) || pinned_place[g] != H_NONE)
            continue;
        while (next < sizeof(lenders) && used >> lenders[next] & 1)
            next++;
        if (next == sizeof(lenders))
            return false;
        x->t->swap[x->t->nswaps].guest = (uint8_t)g;
        x->t->swap[x->t->nswaps++].taken = lenders[next];
        x->host[g] = pinned_place[lenders[next++]];
    }
    return true;
}

static void emit_swap(struct xlat *x)
{
    for (unsigned n = 0; n < x->t->nswaps; n++) {
        unsigned place = x->host[x->t->swap[n].guest];

        a_store(&x->a, 8, place, h_state(JIT_OFF(spill) + 8 * (size_t)n));
        a_load(&x->a, 8, place, h_state(REG_OFF(x->t->swap[n].guest)));
    }
}

void emit_unswap(struct xlat *x)
{
    for (unsigned n = 0; n < x->t->nswaps; n++) {
        unsigned place = x->host[x->t->swap[n].guest];

        a_store(&x->a, 8, place, h_state(REG_OFF(x->t->swap[n].guest)));
        a_load(&x->a, 8, place, h_state(JIT_OFF(spill) + 8 * (size_t)n));
    }
}

/* ---- calls to thunks ---- */

struct stub *add_stub(struct xlat *x, enum stub_kind kind, uint8_t *jump)
{
    static struct stub none;

    if (x->nstubs == MAX_STUBS) {
        x->a.full = true;
        return &none;
    }
    struct stub *s = &x->stubs[x->nstubs++];
    *s = (struct stub){.kind = kind,
                       .jump = jump,
                       .insn = (uint8_t)x->k,
                       .producer = x->flags == FLAGS_RECIPE ? (uint8_t)x->producer : NO_PRODUCER};
    return s;
}

static uint8_t *thunk(const struct xlat *x, unsigned n)
{
    return to_rw(&x->tr->cache, x->tr->thunk[n]);
}

static void emit_site(struct xlat *x, unsigned insn, unsigned producer)
{
    struct site s = {.tblock = (uint32_t)(x->t - x->tr->tblocks),
                     .insn = (uint8_t)insn,
                     .producer = (uint8_t)producer};

    a_bytes(&x->a, &s, sizeof(s));
}

/* A stub's. */
static void emit_stub_site(struct xlat *x, const struct stub *s)
{
    struct site site = {.tblock = (uint32_t)(x->t - x->tr->tblocks),
                        .insn = s->insn,
                        .producer = s->producer,
                        .size = s->size,
                        .align = s->align};

    a_bytes(&x->a, &site, sizeof(site));
}

void emit_thunk_call(struct xlat *x, unsigned n)
{
    flags_clobber(x);
    a_call_to(&x->a, thunk(x, n));
    emit_site(x, x->k, x->flags == FLAGS_RECIPE ? x->producer : NO_PRODUCER);
}

void emit_handler(struct xlat *x)
{
    const struct insn *i = &x->list[x->k];

    emit_thunk_call(x, THUNK_HANDLER);
    if (i->fl_write & FL_ARITH)
        x->flags = FLAGS_IMAGE;
}

void emit_last(struct xlat *x, unsigned n)
{
    /* What writes all flags may fault before. */
    unsigned producer = x->flags == FLAGS_RECIPE ? x->producer : NO_PRODUCER;

    flags_to_image(x);
    emit_unswap(x);
    a_call_to(&x->a, thunk(x, n));
    emit_site(x, x->k, producer);
    x->ended = true;
}

void emit_exit(struct xlat *x, uint64_t target)
{
    add_stub(x, STUB_EXIT, a_jmp(&x->a))->target = target;
}

/* ---- code out of the way ---- */

static void emit_exit_stub(struct xlat *x, const struct stub *s)
{
    a_call_to(&x->a, thunk(x, THUNK_EXIT));
    struct exit_site e = {.target = s->target,
                          .jump = (int32_t)(s->jump - x->a.p),
                          .tblock =
                              (uint32_t)(x->t - x->tr->tblocks) | (s->returns ? EXIT_RETURNS : 0)};
    a_bytes(&x->a, &e, sizeof(e));
}

/* The block's budget was for all of it. */
static void emit_side_exit_stub(struct xlat *x, const struct stub *s)
{
    struct assembler *a = &x->a;
    struct stub exit = *s;

    if (s->saves)
        flags_save(a, s->after_shift);
    a_alu_mi(a, 0, 8, h_state(BUDGET_OFF), (int32_t)(x->n - 1 - s->insn));
    emit_unswap(x);
    exit.jump = a_jmp(a);
    a_fix(exit.jump, a->p);
    emit_exit_stub(x, &exit);
}

static void emit_stub(struct xlat *x, const struct stub *s)
{
    struct assembler *a = &x->a;

    if (s->kind == STUB_SIDE_EXIT) {
        emit_side_exit_stub(x, s);
        return;
    }
    if (s->kind == STUB_EXIT) {
        emit_exit_stub(x, s);
        return;
    }
    if (s->stack_slot) {
        a_lea_next(a, TEMP2, 5); /* behind the jump */
        a_jmp_to(a, to_rw(&x->tr->cache, s->stack_slot));
    } else {
        if (s->kind == STUB_MISS) /* the linear address again */
            a_rm(a, 0x03, 8, TEMP, h_state_at(TEMP2, s->table + offsetof(struct tlb_entry, page)));
        a_call_to(a, thunk(x, s->thunk));
    }
    if (s->kind == STUB_FPU) {
        a_jmp_to(a, s->again);
        return;
    }
    if (s->thunk == THUNK_MISS_STORE)
        a_jmp_to(a, s->loaded);
    emit_stub_site(x, s);
    if (s->kind == STUB_MISS)
        a_jmp_to(a, s->again);
    if (s->thunk == THUNK_MISS_LOAD)
        a_jmp_to(a, s->loaded);
    if (s->kind == STUB_MISS || s->kind == STUB_HANDLER) {
        if (s->reload)
            flags_reload(a);
        a_jmp_to(a, s->next);
    }
}

void emit_stubs(struct xlat *x)
{
    for (unsigned n = 0; n < x->nstubs && a_room(&x->a); n++) {
        a_fix(x->stubs[n].jump, x->a.p);
        emit_stub(x, &x->stubs[n]);
    }
}

/* ---- the block ---- */

static void ask_pass(struct xlat *x, unsigned index, uint32_t pass)
{
    struct assembler *a = &x->a;

    a_alu_mi(a, 7, 4, h_state(JIT_OFF(code_page) + 4 * (size_t)index), 0x7fffffff);
    memcpy(a->p - 4, &pass, 4);
    add_stub(x, STUB_THUNK, a_jcc(a, CC_NZ))->thunk = THUNK_REFETCH;
}

/* Both entries: see the struct. The two are patched when the block is retired; each patch lies
 * within 8 aligned bytes. */
static void emit_entries(struct xlat *x)
{
    struct assembler *a = &x->a;
    const struct code_cache *c = &x->tr->cache;

    while ((uintptr_t)a->p & 7)
        a_byte(a, 0x90);
    x->t->checked = to_rx(c, a->p);
    ask_pass(x, x->t->pass_index, x->t->pass);
    x->t->head = to_rx(c, a->p);
    if (x->t->pass2)
        ask_pass(x, x->t->pass2_index, x->t->pass2);
    a_alu_mi(a, 5, 8, h_state(BUDGET_OFF), (int32_t)x->n);
    add_stub(x, STUB_THUNK, a_jcc(a, CC_S))->thunk = THUNK_OUT;
}

/* For the CPU's history: see struct jit_note. Nothing is alive in temporaries and flags here. */
static void emit_note(struct xlat *x)
{
    struct assembler *a = &x->a;
    struct host_mem note = h_state_at(TEMP, JIT_OFF(notes)), cs;

    note.scale = 3;
    _Static_assert(sizeof(struct jit_note) == 8 && JIT_NOTES == 256, "indexed by a byte");
    cs = note;
    cs.disp += (int32_t)offsetof(struct jit_note, cs);
    a_load(a, 4, TEMP, h_state(JIT_OFF(noted)));
    a_alu_mi(a, 0, 4, h_state(JIT_OFF(noted)), 1);
    a_rr(a, OPC_0F | 0xb6, 4, TEMP, TEMP); /* movzx of its low byte */
    a_load(a, 2, TEMP2, h_state(offsetof(struct cpu, seg[SEG_CS].sel)));
    a_store(a, 2, TEMP2, cs);
    a_xm(a, 0xc7, 4, 0, note);
    a_u32(a, (uint32_t)(x->t - x->tr->tblocks));
}

/* The stubs of an instruction lead back to the one after it. */
static void finish_stubs(struct xlat *x, unsigned first)
{
    bool reload = x->flags == FLAGS_HOST;

    for (unsigned n = first; n < x->nstubs; n++) {
        x->stubs[n].next = x->a.p;
        x->stubs[n].reload = reload;
    }
}

void emit_range(struct xlat *x, unsigned from, unsigned to)
{
    for (x->k = from; x->k < to && !x->ended; x->k++) {
        const struct insn *i = &x->list[x->k];
        emit_fn *fn = emitter_of((unsigned)(op_operation(i->op) - operations));

        if (!a_room(&x->a))
            return;
        if (i->probed)
            emit_ask(x);
        unsigned first = x->nstubs;
        if (!fn || !fn(x, i))
            emit_handler(x);
        finish_stubs(x, first);
    }
}

void emit_block_thunk(struct xlat *x, unsigned n)
{
    a_call_to(&x->a, thunk(x, n));
    emit_site(x, 0, NO_PRODUCER);
}

static void emit_instructions(struct xlat *x)
{
    emit_range(x, 0, x->n);
    if (x->ended || !a_room(&x->a))
        return;
    x->k = x->n - 1;
    flags_to_image(x);
    emit_unswap(x);
    emit_exit(x, next_rip(x, &x->list[x->k]));
}

bool emit_block(struct translator *tr, struct cpu *cpu, struct tblock *t)
{
    struct code_cache *c = &tr->cache;
    struct xlat x;

    memset(&x, 0, offsetof(struct xlat, stubs));
    x.tr = tr;
    x.cpu = cpu;
    x.t = t;
    x.list = t->block->insns;
    x.n = t->block->ninsn;
    x.mode = tr->modes[t->mode];
    x.producer = NO_PRODUCER;
    x.a = (struct assembler){.p = c->rw + c->used, .end = c->rw + c->end};
    fpu_analyse(&x);
    while (!place_registers(&x, x.n))
        x.n--;
    t->ninsn = (uint16_t)x.n;
    flags_analyse(&x);
    if (!a_room(&x.a))
        return false;
    emit_entries(&x);
    if (tr->notes)
        emit_note(&x);
    fpu_emit_check(&x);
    emit_swap(&x);
    if (loop_is_simple(&x))
        emit_loop_block(&x);
    else
        emit_instructions(&x);
    if (!a_room(&x.a))
        return false;
    t->dead = to_rx(c, x.a.p);
    emit_block_thunk(&x, THUNK_DEAD);
    emit_stubs(&x);
    if (x.a.full)
        return false;
    tr->stats.insns += x.n;
    t->code_size = (uint32_t)(to_rx(c, x.a.p) - t->checked);
    c->used = (uint64_t)(x.a.p - c->rw);
    return true;
}

/* The aligned word that holds all of an entry that is patched. */
static uint64_t *entry_word(const struct code_cache *c, const uint8_t *at)
{
    return (uint64_t *)(void *)((uintptr_t)to_rw(c, at) & ~(uintptr_t)7);
}

/* Returns what was there. */
static uint64_t patch_jump(const struct code_cache *c, const uint8_t *at, const uint8_t *target)
{
    uint64_t *aligned = entry_word(c, at), was = *aligned, word = was;
    uint8_t *bytes = (uint8_t *)&word + (to_rw(c, at) - (uint8_t *)aligned);
    int32_t d = (int32_t)(target - (at + 5));

    bytes[0] = 0xe9;
    memcpy(bytes + 1, &d, 4);
    __atomic_store_n(aligned, word, __ATOMIC_RELEASE);
    return was;
}

void emit_suspend(struct translator *tr, struct tblock *t)
{
    t->entry[0] = patch_jump(&tr->cache, t->checked, t->dead);
    t->entry[1] = patch_jump(&tr->cache, t->head, t->dead);
}

/* In the other order: the words may be one. */
void emit_resume(struct translator *tr, struct tblock *t)
{
    __atomic_store_n(entry_word(&tr->cache, t->head), t->entry[1], __ATOMIC_RELEASE);
    __atomic_store_n(entry_word(&tr->cache, t->checked), t->entry[0], __ATOMIC_RELEASE);
}

void emit_link(struct translator *tr, const uint8_t *at, const uint8_t *target)
{
    int32_t d = (int32_t)(target - (at + 4));
    uint8_t *rw = to_rw(&tr->cache, at);

    memcpy(rw, &d, 4);
}
