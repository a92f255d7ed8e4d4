/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory operands: the effective address, and the check of the soft TLB in line: level 0, whose
 * entries belong to instructions, or level 1. What level 0 misses looks at level 1 out of line
 * (slots.c). A miss goes to C, which fills the entry and comes back to try again, or runs the whole
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

static struct host_mem emit_level1(struct xlat *x, unsigned size, bool store, uint8_t *again)
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

/* Accesses through the same registers in a block are likely to be to the same page, and so are all
 * to the stack. */
static unsigned slot_of(const struct xlat *x, unsigned base, unsigned index, uint64_t block)
{
    uint64_t h = block * 0x9e3779b97f4a7c15ull;

    if (base == R_RSP)
        return 0;
    h ^= (base + 1) * 0xc2b2ae3d27d4eb4full;
    if (index < 16)
        h ^= (index + 1) * 0x165667b19e3779f9ull + x->k;
    return (unsigned)(h >> (64 - SLOT_BITS)) | 1;
}

static struct host_mem emit_level0(struct xlat *x, unsigned size, bool store, unsigned n,
                                   uint8_t *again)
{
    struct assembler *a = &x->a;
    unsigned table = table_number(x, store);
    size_t slot = offsetof(struct cpu, slots) + sizeof(struct tlb_entry) * (table * SLOTS + n);

    a_rm(a, 0x2b, 8, TEMP, h_state(slot + offsetof(struct tlb_entry, page)));
    a_alu_ri(a, 7, 8, TEMP, (int32_t)(VM_PAGE_SIZE - size));
    struct stub *s = miss_stub(x, size, store, again);
    s->slot = (uint32_t)slot;
    s->routine = x->tr->slot_miss[table][__builtin_ctz(size)];
    a_rm(a, 0x03, 8, TEMP, h_state(slot + offsetof(struct tlb_entry, host)));
    s->loaded = a->p;
    return h_at(TEMP, 0);
}

/* TEMP: linear address; becomes the host's. again: where to start over after a fill. */
static struct host_mem emit_check(struct xlat *x, unsigned size, bool store, unsigned slot,
                                  uint8_t *again)
{
    bool level1 = x->tr->config.no_slots || x->list[x->k].group == TRANSLATOR_LEVEL1 ||
                  size & (size - 1) || size > 1u << (SLOT_SIZES - 1);

    return level1 ? emit_level1(x, size, store, again) : emit_level0(x, size, store, slot, again);
}

static void add_base(struct xlat *x, unsigned seg)
{
    unsigned width = (x->mode & MODE_CODE) == CODE64 ? 8 : 4;

    if (segment_has_base(x, seg))
        a_rm(&x->a, 0x03, width, TEMP, h_state(offsetof(struct cpu, ea_base) + 8 * (size_t)seg));
}

/* Of an operand as it is written in the instruction. */
static unsigned operand_slot(const struct xlat *x)
{
    const struct insn *i = &x->list[x->k];

    if (i->base == R_RIP) /* the page itself */
        return slot_of(x, R_RIP, R_ZERO, (x->t->rip + (uint64_t)(int64_t)i->disp) >> VM_PAGE_SHIFT);
    return slot_of(x, i->base, i->index, x->t->rip);
}

struct host_mem emit_operand_at(struct xlat *x, unsigned seg, unsigned size, bool store,
                                uint8_t *again)
{
    add_base(x, seg);
    return emit_check(x, size, store, operand_slot(x), again);
}

struct host_mem emit_operand(struct xlat *x, unsigned size, bool store)
{
    const struct insn *i = &x->list[x->k];

    flags_clobber(x);
    uint8_t *again = x->a.p;
    emit_address(x, TEMP, insn_asize(i));
    return emit_operand_at(x, i->seg, size, store, again);
}

struct host_mem emit_frame_operand(struct xlat *x, unsigned base, unsigned size, int32_t disp,
                                   bool store)
{
    flags_clobber(x);
    uint8_t *again = x->a.p;
    a_lea(&x->a, (x->mode & MODE_CODE) == CODE64 ? 8 : 4, TEMP, h_at(x->host[base], disp));
    add_base(x, SEG_SS);
    return emit_check(x, size, store, slot_of(x, base, R_ZERO, x->t->rip), again);
}

struct host_mem emit_stack_operand(struct xlat *x, unsigned size, int32_t disp, bool store)
{
    return emit_frame_operand(x, R_RSP, size, disp, store);
}
