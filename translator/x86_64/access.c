/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory operands: the effective address, and the level-1 check of the soft TLB in line. A miss
 * goes out of line to C, which fills the entry and comes back to try again, or runs the whole
 * instruction. */
#include "translator/x86_64/emit.h"

bool segment_has_base(const struct xlat *x, unsigned seg)
{
    return x->mode >> (MODE_BASE_SHIFT + seg) & 1;
}

bool segment_is_flat(const struct xlat *x, unsigned seg)
{
    return x->mode >> (MODE_FLAT_SHIFT + seg) & 1;
}

bool operand_is_simple(const struct xlat *x, const struct insn *i)
{
    return i->flags & INSN_MEM && segment_is_flat(x, i->seg);
}

bool stack_is_simple(const struct xlat *x)
{
    unsigned width = x->mode >> MODE_STACK_SHIFT & 3;

    return segment_is_flat(x, SEG_SS) && width == ((x->mode & MODE_CODE) == CODE64 ? 3 : 2);
}

static uint8_t place_or_none(const struct xlat *x, unsigned guest)
{
    return guest == R_ZERO ? H_NONE : x->host[guest];
}

/* Without base the SIB byte's disp32 is absolute and sign-extended: right for 64-bit addresses,
 * and cut for others. */
void emit_address(struct xlat *x, unsigned dst, unsigned size)
{
    const struct insn *i = &x->list[x->k];

    if (i->base == R_RIP) {
        uint64_t address = x->t->rip + (uint64_t)(int64_t)i->disp;

        a_mov_imm(&x->a, dst, size == 8 ? address : (uint32_t)address);
        return;
    }
    struct host_mem m = {.base = place_or_none(x, i->base),
                         .index = place_or_none(x, i->index),
                         .scale = i->scale,
                         .disp = i->disp};
    a_lea(&x->a, size == 8 ? 8 : 4, dst, m);
    if (size == 2)
        a_rr(&x->a, OPC_0F | 0xb7, 4, dst, dst); /* movzx */
}

static unsigned table_number(const struct xlat *x, bool store)
{
    return store * NUM_TLB_CLASSES + (x->mode >> MODE_CLASS_SHIFT & 3);
}

static struct stub *miss_stub(struct xlat *x, unsigned size, bool store, uint8_t *again)
{
    struct stub *s = add_stub(x, STUB_MISS, a_jcc(&x->a, CC_A));

    s->again = again;
    s->size = (uint8_t)size;
    s->table = tlb_table_offset(table_number(x, store));
    s->thunk = store ? THUNK_MISS_STORE : THUNK_MISS_LOAD;
    return s;
}

/* TEMP: linear address; becomes the host's. again: where to start over after a fill. */
static struct host_mem emit_check(struct xlat *x, unsigned size, bool store, uint8_t *again)
{
    struct assembler *a = &x->a;
    size_t table = tlb_table_offset(table_number(x, store));

    a_mov_rr(a, 4, TEMP2, TEMP);
    a_xr(a, 0xc1, 4, 5, TEMP2); /* shr: to the entry's number * 16 */
    a_byte(a, VM_PAGE_SHIFT - 4);
    a_alu_ri(a, 4, 4, TEMP2, (TLB_SIZE - 1) << 4);
    a_rm(a, 0x2b, 8, TEMP, h_state_at(TEMP2, table + offsetof(struct tlb_entry, page)));
    a_alu_ri(a, 7, 8, TEMP, (int32_t)(VM_PAGE_SIZE - size));
    struct stub *s = miss_stub(x, size, store, again);
    a_rm(a, 0x03, 8, TEMP, h_state_at(TEMP2, table + offsetof(struct tlb_entry, host)));
    s->loaded = a->p;
    return h_at(TEMP, 0);
}

/* The same, where the page is likely to be the stack's. */
static struct host_mem emit_stack_check(struct xlat *x, unsigned size, bool store, uint8_t *again)
{
    struct assembler *a = &x->a;
    unsigned table = table_number(x, store);
    size_t slot = stack_slot_offset(table);

    if (size & (size - 1) || size >> STACK_SLOT_SIZES)
        return emit_check(x, size, store, again);
    a_rm(a, 0x2b, 8, TEMP, h_state(slot + offsetof(struct tlb_entry, page)));
    a_alu_ri(a, 7, 8, TEMP, (int32_t)(VM_PAGE_SIZE - size));
    struct stub *s = miss_stub(x, size, store, again);
    s->stack_slot = x->tr->stack_slot_miss[table][__builtin_ctz(size)];
    a_rm(a, 0x03, 8, TEMP, h_state(slot + offsetof(struct tlb_entry, host)));
    s->loaded = a->p;
    return h_at(TEMP, 0);
}

static void add_base(struct xlat *x, unsigned seg)
{
    unsigned width = (x->mode & MODE_CODE) == CODE64 ? 8 : 4;

    if (segment_has_base(x, seg))
        a_rm(&x->a, 0x03, width, TEMP, h_state(offsetof(struct cpu, ea_base) + 8 * (size_t)seg));
}

struct host_mem emit_operand_at(struct xlat *x, unsigned seg, unsigned size, bool store,
                                uint8_t *again)
{
    add_base(x, seg);
    return emit_check(x, size, store, again);
}

struct host_mem emit_operand(struct xlat *x, unsigned size, bool store)
{
    const struct insn *i = &x->list[x->k];

    flags_clobber(x);
    uint8_t *again = x->a.p;
    emit_address(x, TEMP, insn_asize(i));
    add_base(x, i->seg);
    if (i->base == R_RSP && i->index == R_ZERO)
        return emit_stack_check(x, size, store, again);
    return emit_check(x, size, store, again);
}

struct host_mem emit_frame_operand(struct xlat *x, unsigned base, unsigned size, int32_t disp,
                                   bool store)
{
    flags_clobber(x);
    uint8_t *again = x->a.p;
    a_lea(&x->a, (x->mode & MODE_CODE) == CODE64 ? 8 : 4, TEMP, h_at(x->host[base], disp));
    add_base(x, SEG_SS);
    return emit_stack_check(x, size, store, again);
}

struct host_mem emit_stack_operand(struct xlat *x, unsigned size, int32_t disp, bool store)
{
    return emit_frame_operand(x, R_RSP, size, disp, store);
}
