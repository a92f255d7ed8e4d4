/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flags by instruction, and what of the system instructions needs no change of mode. */
#include "translator/x86_64/emit.h"

static unsigned number(const struct insn *i)
{
    return (unsigned)(op_operation(i->op) - operations);
}

/* Registers of the instruction's own, of those that a block may lend; vvvv. */
unsigned implicit_registers(const struct insn *i)
{
    switch (number(i)) {
    case OPN_cmpxchg16b:
        return 1u << R_RBX;
    case OPN_leave:
        return 1u << R_RBP;
    case OPN_movs:
        return 1u << R_RSI | 1u << R_RDI;
    case OPN_stos:
        return 1u << R_RDI;
    case OPN_andn:
    case OPN_blsr:
    case OPN_blsmsk:
    case OPN_blsi:
    case OPN_bzhi:
    case OPN_bextr:
    case OPN_pdep:
    case OPN_pext:
    case OPN_shlx:
    case OPN_shrx:
    case OPN_sarx:
    case OPN_mulx:
        return 1u << (i->vreg & 15);
    default:
        return 0;
    }
}

/* ---- arithmetic flags and DF ---- */
bool emit_lahf(struct xlat *x, const struct insn *i)
{
    (void)i;
    flags_to_image(x);
    a_load(&x->a, 4, H_RAX, h_state(JIT_OFF(flags) + 1));
    put_byte(x, 1);
    return true;
}

bool emit_sahf(struct xlat *x, const struct insn *i)
{
    (void)i;
    flags_to_image(x); /* OF stays */
    byte_of(x, 1, TEMP2);
    a_alu_ri(&x->a, 4, 4, H_RAX, 0xd5);
    a_alu_ri(&x->a, 1, 4, H_RAX, 2);
    a_store(&x->a, 1, H_RAX, h_state(JIT_OFF(flags) + 1));
    return true;
}

bool emit_carry(struct xlat *x, const struct insn *i)
{
    unsigned opn = number(i);

    flags_keep_rest(x);
    if (opn == OPN_cmc)
        flags_to_host(x);
    a_byte(&x->a, opn == OPN_clc ? 0xf8 : opn == OPN_stc ? 0xf9 : 0xf5);
    flags_made(x);
    return true;
}

bool emit_direction(struct xlat *x, const struct insn *i)
{
    struct host_mem eflags = h_state(offsetof(struct cpu, eflags));

    flags_clobber_quietly(x);
    if (number(i) == OPN_cld)
        a_alu_mi(&x->a, 4, 4, eflags, (int32_t)~EFLAGS_DF);
    else
        a_alu_mi(&x->a, 1, 4, eflags, EFLAGS_DF);
    return true;
}

/* ---- kernels ---- */

/* Other levels than 0 and 3 are not told apart by the mode. */
static bool supervisor_only(struct xlat *x)
{
    if (x->mode & MODE_CPL3)
        return false;
    flags_clobber(x);
    a_alu_mi(&x->a, 7, 1, h_state(offsetof(struct cpu, cpl)), 0);
    add_stub(x, STUB_HANDLER, a_jcc(&x->a, CC_NZ))->thunk = THUNK_HANDLER;
    return true;
}

bool emit_cli(struct xlat *x, const struct insn *i)
{
    (void)i;
    if (!supervisor_only(x))
        return false;
    a_alu_mi(&x->a, 4, 4, h_state(offsetof(struct cpu, eflags)), (int32_t)~EFLAGS_IF);
    return true;
}

/* STI in front of another instruction of the block: no interrupt can come between. One that waits
 * already is for the semantic function. */
bool emit_sti(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    size_t irr = offsetof(struct cpu, apic.irr), pending = offsetof(struct cpu, nmi_pending);

    _Static_assert(offsetof(struct cpu, sipi_pending) == offsetof(struct cpu, nmi_pending) + 5 &&
                       sizeof(((struct cpu *)0)->apic.irr) == 32,
                   "what is looked at");
    (void)i;
    if (x->k == x->n - 1 || x->tr->config.lockstep || !supervisor_only(x))
        return false;
    a_load(a, 4, TEMP2, h_state(pending));
    a_rm(a, 0x0b, 2, TEMP2, h_state(pending + 4));
    for (unsigned n = 0; n < 4; n++)
        a_rm(a, 0x0b, 8, TEMP2, h_state(irr + 8 * (size_t)n));
    a_rr(a, 0x85, 8, TEMP2, TEMP2);
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_NZ))->thunk = THUNK_HANDLER;
    a_alu_mi(a, 1, 4, h_state(offsetof(struct cpu, eflags)), EFLAGS_IF);
    return true;
}

/* What the mode's TLB class decides. */
static void set_class(struct xlat *x, unsigned class, uint32_t mode)
{
    struct assembler *a = &x->a;
    size_t loads = offsetof(struct cpu, tlb) + sizeof(struct tlb_entry) * TLB_SIZE * class;
    size_t stores = loads + sizeof(struct tlb_entry) * TLB_SIZE * NUM_TLB_CLASSES;

    a_lea(a, 8, TEMP, h_state(loads));
    a_store(a, 8, TEMP, h_state(offsetof(struct cpu, tlb_load)));
    a_lea(a, 8, TEMP, h_state(stores));
    a_store(a, 8, TEMP, h_state(offsetof(struct cpu, tlb_store)));
    a_xm(a, 0xc7, 4, 0, h_state(JIT_OFF(mode)));
    a_u32(a, mode);
    a_mov_imm(a, TEMP, (uint64_t)mode << 48);
    a_store(a, 8, TEMP, h_state(JIT_OFF(mode_tag)));
}

/* STAC, CLAC: the mode that follows is known. */
bool emit_ac(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    bool set = number(i) == OPN_stac;
    unsigned class = x->mode >> MODE_CLASS_SHIFT & 3, next = set ? TLB_KERNEL_AC : TLB_KERNEL;
    uint32_t mode = (x->mode & ~(3u << MODE_CLASS_SHIFT)) | next << MODE_CLASS_SHIFT;

    if (x->tr->nmodes == MAX_MODES || !supervisor_only(x))
        return false;
    if (set) {
        a_xm(a, 0xf7, 4, 0, h_state(offsetof(struct cpu, cr4))); /* test */
        a_u32(a, CR4_SMAP);
        add_stub(x, STUB_HANDLER, a_jcc(a, CC_Z))->thunk = THUNK_HANDLER;
        a_alu_mi(a, 1, 4, h_state(offsetof(struct cpu, eflags)), EFLAGS_AC);
    } else {
        a_alu_mi(a, 4, 4, h_state(offsetof(struct cpu, eflags)), (int32_t)~EFLAGS_AC);
    }
    if (next != class)
        set_class(x, next, jit_mode_number(x->tr, mode));
    return true;
}

/* SYSCALL, and SYSRET to 64-bit code. */
bool emit_syscall(struct xlat *x, const struct insn *i)
{
    bool ret = number(i) == OPN_sysret;

    if ((x->mode & MODE_CODE) != CODE64 || (ret && insn_osize(i) != 8))
        return false;
    emit_last(x, ret ? THUNK_SYSRET : THUNK_SYSCALL);
    return true;
}

/* With one processor it does nothing. */
bool emit_pause(struct xlat *x, const struct insn *i)
{
    (void)i;
    return x->cpu->v.m->ncpus == 1;
}

bool emit_from_cr(struct xlat *x, const struct insn *i)
{
    unsigned dst = i->rm & 15;

    if ((i->reg != 0 && i->reg != 2 && i->reg != 3) || !supervisor_only(x))
        return false;
    if (i->reg == 0)
        a_load(&x->a, 4, reg_of(x, dst), h_state(offsetof(struct cpu, cr0)));
    else
        a_load(&x->a, (x->mode & MODE_CODE) == CODE64 ? 8 : 4, reg_of(x, dst),
               h_state(i->reg == 2 ? offsetof(struct cpu, cr2) : offsetof(struct cpu, cr3)));
    return true;
}

/* RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: of 64-bit code only. */
bool emit_base(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    unsigned opn = number(i), size = insn_osize(i), r = reg_of(x, i->rm & 15);
    unsigned seg = opn == OPN_rdfsbase || opn == OPN_wrfsbase ? SEG_FS : SEG_GS;
    struct host_mem base = h_state(offsetof(struct cpu, seg) + sizeof(struct segment) * seg +
                                   offsetof(struct segment, base));

    if ((x->mode & MODE_CODE) != CODE64)
        return false;
    flags_clobber(x);
    a_xm(a, 0xf7, 4, 0, h_state(offsetof(struct cpu, cr4))); /* test */
    a_u32(a, CR4_FSGSBASE);
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_Z))->thunk = THUNK_HANDLER;
    if (opn == OPN_rdfsbase || opn == OPN_rdgsbase) {
        a_load(a, size, r, base);
        return true;
    }
    a_mov_rr(a, size, TEMP2, r);
    if (size == 8)
        check_canonical(x);
    a_store(a, 8, TEMP2, base);
    a_store(a, 8, TEMP2, h_state(offsetof(struct cpu, ea_base) + 8 * (size_t)seg));
    return true;
}

bool emit_rdtsc(struct xlat *x, const struct insn *i)
{
    (void)i;
    emit_thunk_call(x, THUNK_TIME_STAMP);
    return true;
}

bool emit_swapgs(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    struct host_mem other = h_state(offsetof(struct cpu, kernel_gs_base));
    struct host_mem base = h_state(offsetof(struct cpu, seg[SEG_GS].base));

    (void)i;
    if (!supervisor_only(x))
        return false;
    a_load(a, 8, TEMP, other);
    a_load(a, 8, TEMP2, base);
    a_store(a, 8, TEMP, base);
    a_store(a, 8, TEMP, h_state(offsetof(struct cpu, ea_base[SEG_GS])));
    a_store(a, 8, TEMP2, other);
    return true;
}

/* REP MOVS and REP STOS: a thunk that does short ones with little ado. */
bool emit_string(struct xlat *x, const struct insn *i)
{
    if ((x->mode & MODE_CODE) != CODE64 || !(i->flags & (INSN_REP | INSN_REPNE)) ||
        insn_asize(i) != 8 || segment_has_base(x, i->seg))
        return false;
    emit_thunk_call(x, THUNK_STRING);
    return true;
}

/* MOV of a segment register: a word to memory, zero-extended to a register. */
bool emit_from_seg(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i);

    if (i->reg > SEG_GS)
        return false;
    struct host_mem sel =
        h_state(offsetof(struct cpu, seg) + sizeof(struct segment) * (size_t)i->reg +
                offsetof(struct segment, sel));
    if (!(i->flags & INSN_MEM)) {
        if (size == 2)
            a_load(&x->a, 2, reg_of(x, i->rm), sel);
        else
            a_rm(&x->a, OPC_0F | 0xb7, 4, reg_of(x, i->rm), sel);
        return true;
    }
    if (!operand_is_simple(x, i))
        return false;
    struct host_mem m = emit_operand(x, 2, true);
    a_load(&x->a, 2, TEMP2, sel);
    a_store(&x->a, 2, TEMP2, m);
    return true;
}

/* MOV between the accumulator and a 64-bit offset. */
bool emit_moffs(struct xlat *x, const struct insn *i)
{
    bool store = number(i) == OPN_mov_moffs_store;
    unsigned size = insn_osize(i), rax = reg_of(x, R_RAX);

    if (!segment_is_flat(x, i->seg))
        return false;
    flags_clobber(x);
    uint8_t *again = x->a.p;
    a_mov_imm(&x->a, TEMP, i->imm);
    struct host_mem m = emit_operand_at(x, i->seg, size, store, again);
    if (store)
        a_store(&x->a, size, rax, m);
    else
        a_load(&x->a, size, rax, m);
    return true;
}

/* Loads and stores keep their order; MFENCE is the host's. */
bool emit_fence(struct xlat *x, const struct insn *i)
{
    if (number(i) == OPN_mfence) {
        a_byte(&x->a, 0x0f);
        a_byte(&x->a, 0xae);
        a_byte(&x->a, 0xf0);
    }
    return true;
}
