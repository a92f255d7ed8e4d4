/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Level 0 of the TLB: what happens when an instruction's slot holds another page. */
#include "translator/x86_64/emit.h"

#define PAGE offsetof(struct tlb_entry, page)
#define HOST offsetof(struct tlb_entry, host)

/* rcx: offset of the slot in struct cpu; is gone. */
static void mark_group(struct assembler *a, unsigned table)
{
    size_t first = offsetof(struct cpu, slots) + sizeof(struct tlb_entry) * SLOTS * (size_t)table;
    size_t used = offsetof(struct cpu, slots_used) + (SLOTS >> SLOT_GROUP_SHIFT) * (size_t)table;

    _Static_assert(sizeof(struct tlb_entry) == 16, "shifts by 4");
    a_alu_ri(a, 5, 4, H_RCX, (int32_t)first);
    a_xr(a, 0xc1, 4, 5, H_RCX); /* shr */
    a_byte(a, 4 + SLOT_GROUP_SHIFT);
    a_xm(a, 0xc6, 1, 0, h_state_at(H_RCX, used)); /* mov byte */
    a_byte(a, 1);
}

/* TEMP2: offset of the entry in level 1. */
static void fill_slot(struct assembler *a, unsigned table)
{
    size_t level1 = tlb_table_offset(table);

    a_store(a, 8, H_RCX, h_state(JIT_OFF(slot_rcx)));
    a_load(a, 8, H_RCX, h_state(JIT_OFF(t1)));
    a_load(a, 8, TEMP, h_state_at(TEMP2, level1 + PAGE));
    a_store(a, 8, TEMP, h_state_at(H_RCX, PAGE));
    a_load(a, 8, TEMP, h_state_at(TEMP2, level1 + HOST));
    a_store(a, 8, TEMP, h_state_at(H_RCX, HOST));
    mark_group(a, table);
    a_load(a, 8, H_RCX, h_state(JIT_OFF(slot_rcx)));
}

void emit_slot_miss(struct assembler *a, const struct translator *tr, unsigned table, unsigned size)
{
    bool store = table >= NUM_TLB_CLASSES;
    const uint8_t *miss = tr->thunk[store ? THUNK_MISS_STORE : THUNK_MISS_LOAD];
    unsigned before = store ? SITE_BEFORE_STORE : 0;

    a_store(a, 8, TEMP2, h_state(JIT_OFF(site)));
    a_load(a, 4, TEMP2, h_at(TEMP2, (int32_t)(offsetof(struct site, slot) + before)));
    a_rm(a, 0x03, 8, TEMP, h_state_at(TEMP2, PAGE));
    a_store(a, 8, TEMP, h_state(JIT_OFF(t0)));
    a_store(a, 8, TEMP2, h_state(JIT_OFF(t1)));
    a_mov_rr(a, 4, TEMP2, TEMP);
    a_xr(a, 0xc1, 4, 5, TEMP2); /* shr */
    a_byte(a, VM_PAGE_SHIFT - 4);
    a_alu_ri(a, 4, 4, TEMP2, (TLB_SIZE - 1) << 4);
    a_rm(a, 0x2b, 8, TEMP, h_state_at(TEMP2, tlb_table_offset(table) + PAGE));
    a_alu_ri(a, 7, 8, TEMP, (int32_t)(VM_PAGE_SIZE - size));
    uint8_t *out = a_jcc(a, CC_A);
    fill_slot(a, table);
    a_alu_mi(a, 5, 4, h_state(JIT_OFF(slot_sample)), 1);
    uint8_t *sample = a_jcc(a, CC_Z);
    a_load(a, 8, TEMP2, h_state(JIT_OFF(site)));
    a_alu_ri(a, 0, 8, TEMP2, (int32_t)(before + sizeof(struct site)));
    a_xr(a, 0xff, 4, 4, TEMP2);
    if (!a->full)
        a_fix(out, a->p);
    a_load(a, 8, TEMP, h_state(JIT_OFF(t0)));
    a_xm(a, 0xff, 4, 6, h_state(JIT_OFF(site))); /* push, as if called */
    a_jmp_to(a, to_rw(&tr->cache, miss));
    if (!a->full)
        a_fix(sample, a->p);
    a_alu_mi(a, 0, 8, h_state(JIT_OFF(site)), (int32_t)before);
    a_xm(a, 0xff, 4, 6, h_state(JIT_OFF(site)));
    a_jmp_to(a, to_rw(&tr->cache, tr->thunk[THUNK_SLOT]));
}
