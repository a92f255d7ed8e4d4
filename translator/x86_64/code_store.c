/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores to pages with code. No TLB entry answers them; one to bytes beside the code needs nothing
 * but the host address, which struct code_store has: no C, no look at the block. */
#include "translator/x86_64/emit.h"

#define ENTRY(member) (offsetof(struct cpu, code_stores) + offsetof(struct code_store, member))
#define GRANULE_SHIFT 6

/* shr r, n of 32 bits. */
static void shift_right(struct assembler *a, unsigned r, unsigned n)
{
    a_xr(a, 0xc1, 4, 5, r);
    a_byte(a, n);
}

/* To the C function. */
static uint8_t *unless(struct assembler *a, unsigned cc)
{
    return a_jcc(a, cc);
}

/* rcx: the entry's offset. */
static void find_entry(struct assembler *a)
{
    _Static_assert(sizeof(struct code_store) == 32, "shifts by 5");
    a_mov_rr(a, 4, H_RCX, TEMP);
    shift_right(a, H_RCX, VM_PAGE_SHIFT - 5);
    a_alu_ri(a, 4, 4, H_RCX, (CODE_STORES - 1) << 5);
}

/* Called by the stub of a miss, with the linear address in TEMP. Returns to the call, behind which
 * is a jump to the access; or goes on behind this thunk with a return address behind that jump,
 * where the struct site is. */
void emit_code_store(struct assembler *a)
{
    static const uint8_t saved[] = {H_RCX, H_RDX, H_RBX};
    uint8_t *out[6];
    unsigned n = 0;

    for (unsigned k = 0; k < sizeof(saved); k++)
        a_push(a, saved[k]);
    find_entry(a);
    a_load(a, 8, H_RDX, h_state(offsetof(struct cpu, tlb_store)));
    a_rm(a, 0x3b, 8, H_RDX, h_state_at(H_RCX, ENTRY(table)));
    out[n++] = unless(a, CC_NZ);
    a_mov_rr(a, 8, TEMP2, TEMP);
    a_rm(a, 0x2b, 8, TEMP2, h_state_at(H_RCX, ENTRY(page)));
    a_alu_ri(a, 7, 8, TEMP2, VM_PAGE_SIZE - 1);
    out[n++] = unless(a, CC_A);
    a_load(a, 8, H_RBX, h_at(H_RSP, 8 * sizeof(saved)));
    a_rm(a, OPC_0F | 0xb6, 4, H_RDX, h_at(H_RBX, SITE_BEFORE_STORE + offsetof(struct site, size)));
    a_rm(a, 0x84, 1, TEMP, h_at(H_RBX, SITE_BEFORE_STORE + offsetof(struct site, align)));
    out[n++] = unless(a, CC_NZ);
    a_lea(a, 4, H_RDX, (struct host_mem){.base = H_RDX, .index = TEMP2, .disp = -1});
    a_alu_ri(a, 7, 4, H_RDX, VM_PAGE_SIZE - 1);
    out[n++] = unless(a, CC_A);
    /* the granules of the first and the last byte: an access has no more */
    a_load(a, 8, H_RBX, h_state_at(H_RCX, ENTRY(map)));
    a_load(a, 8, H_RBX, h_at(H_RBX, 0));
    shift_right(a, TEMP2, GRANULE_SHIFT);
    a_rr(a, OPC_0F | 0xa3, 8, TEMP2, H_RBX); /* bt */
    out[n++] = unless(a, CC_C);
    shift_right(a, H_RDX, GRANULE_SHIFT);
    a_rr(a, OPC_0F | 0xa3, 8, H_RDX, H_RBX);
    out[n++] = unless(a, CC_C);
    a_rm(a, 0x2b, 8, TEMP, h_state_at(H_RCX, ENTRY(page)));
    a_rm(a, 0x03, 8, TEMP, h_state_at(H_RCX, ENTRY(host)));
    for (unsigned k = sizeof(saved); k-- > 0;)
        a_pop(a, saved[k]);
    a_ret(a);
    for (unsigned k = 0; k < n; k++)
        a_fix(out[k], a->p);
    for (unsigned k = sizeof(saved); k-- > 0;)
        a_pop(a, saved[k]);
    a_alu_mi(a, 0, 8, h_at(H_RSP, 0), SITE_BEFORE_STORE);
}
