/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accesses through rsp look at an entry of their own first: the page is nearly always the one of
 * the last. This is what happens when it is not. */
#include "translator/x86_64/emit.h"

#define PAGE offsetof(struct tlb_entry, page)
#define HOST offsetof(struct tlb_entry, host)

/* With the offset in the slot's page in TEMP and the address behind the jump here, where a site is
 * as behind a call of THUNK_MISS_*, in TEMP2: takes the entry over from level 1 and tries again, or
 * goes to that thunk. */
void emit_stack_slot_miss(struct assembler *a, const struct translator *tr, unsigned table,
                          unsigned size)
{
    bool store = table >= NUM_TLB_CLASSES;
    size_t slot = stack_slot_offset(table), level1 = tlb_table_offset(table);
    unsigned before = store ? SITE_BEFORE_STORE : 0;

    a_store(a, 8, TEMP2, h_state(JIT_OFF(site)));
    a_rm(a, 0x03, 8, TEMP, h_state(slot + PAGE));
    a_store(a, 8, TEMP, h_state(JIT_OFF(t0)));
    a_mov_rr(a, 4, TEMP2, TEMP);
    a_xr(a, 0xc1, 4, 5, TEMP2); /* shr */
    a_byte(a, VM_PAGE_SHIFT - 4);
    a_alu_ri(a, 4, 4, TEMP2, (TLB_SIZE - 1) << 4);
    a_rm(a, 0x2b, 8, TEMP, h_state_at(TEMP2, level1 + PAGE));
    a_alu_ri(a, 7, 8, TEMP, (int32_t)(VM_PAGE_SIZE - size));
    uint8_t *miss = a_jcc(a, CC_A);
    a_load(a, 8, TEMP, h_state_at(TEMP2, level1 + PAGE));
    a_store(a, 8, TEMP, h_state(slot + PAGE));
    a_load(a, 8, TEMP, h_state_at(TEMP2, level1 + HOST));
    a_store(a, 8, TEMP, h_state(slot + HOST));
    a_load(a, 8, TEMP2, h_state(JIT_OFF(site)));
    a_alu_ri(a, 0, 8, TEMP2, (int32_t)(before + sizeof(struct site)));
    a_xr(a, 0xff, 4, 4, TEMP2);
    a_fix(miss, a->p);
    a_load(a, 8, TEMP, h_state(JIT_OFF(t0)));
    a_xm(a, 0xff, 4, 6, h_state(JIT_OFF(site))); /* push, as if called */
    a_jmp_to(a, to_rw(&tr->cache, tr->thunk[store ? THUNK_MISS_STORE : THUNK_MISS_LOAD]));
}
