/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bits: tests, scans, counts, BMI1 and BMI2, ADX, MOVBE. Extensions that the host lacks are left
 * to the semantic functions, and flags that the manual leaves open get the interpreter's values. */
#include "translator/x86_64/emit.h"

static unsigned number(const struct insn *i)
{
    return (unsigned)(op_operation(i->op) - operations);
}

/* ---- BT BTS BTR BTC ---- */

/* A bit of the string at the operand's address, chosen by a register: TEMP2 = the number of the
 * operand-sized unit. */
static void load_unit(struct xlat *x, const struct insn *i, unsigned size)
{
    struct assembler *a = &x->a;
    unsigned reg = reg_of(x, i->reg);

    if (size == 8)
        a_mov_rr(a, 8, TEMP2, reg);
    else
        a_rr(a, size == 4 ? 0x63 : OPC_0F | 0xbf, 8, TEMP2, reg); /* sign-extended */
    a_xr(a, 0xc1, 8, 7, TEMP2);
    a_byte(a, size == 8 ? 6 : size == 4 ? 5 : 4);
}

static unsigned scale_of(unsigned size)
{
    return size == 8 ? 3 : size == 4 ? 2 : 1;
}

static bool emit_bit_string(struct xlat *x, const struct insn *i, unsigned n)
{
    struct assembler *a = &x->a;
    unsigned size = insn_osize(i), reg = reg_of(x, i->reg);
    unsigned asize = insn_asize(i);
    bool locked = i->flags & INSN_LOCK;

    if (asize == 2 || !operand_is_simple(x, i))
        return false;
    flags_clobber(x);
    uint8_t *again = a->p;
    emit_address(x, TEMP, asize);
    load_unit(x, i, size);
    struct host_mem unit = {.base = TEMP, .index = TEMP2, .scale = (uint8_t)scale_of(size)};
    a_lea(a, asize, TEMP, unit);
    struct host_mem m = emit_operand_at(x, i->seg, size, n != 0, again);
    if (locked) { /* the host adds the unit itself */
        check_line(x, size);
        load_unit(x, i, size);
        a_xr(a, 0xf7, 8, 3, TEMP2); /* neg */
        a_lea(a, 8, TEMP, unit);
        flags_keep_rest(x);
        emit_lock(x);
        a_rm(a, OPC_0F | 0xa3 | n << 3, size, reg, m);
    } else {
        flags_keep_rest(x);
        a_load(a, size, TEMP2, m);
        a_rr(a, OPC_0F | 0xa3 | n << 3, size, reg, TEMP2);
        if (n)
            a_store(a, size, TEMP2, m);
    }
    flags_made(x);
    return true;
}

bool emit_bt(struct xlat *x, const struct insn *i)
{
    unsigned n = number(i) - OPN_bt, form = form_of(i) / 3, size = insn_osize(i);

    if (form == 1)
        return emit_bit_string(x, i, n);
    if (form == 3) {
        if (!operand_is_simple(x, i))
            return false;
        struct host_mem m = n ? emit_rmw_operand(x, size) : emit_operand(x, size, false);
        flags_keep_rest(x);
        emit_lock(x);
        a_xm(&x->a, OPC_0F | 0xba, size, 4 + n, m);
        a_byte(&x->a, (unsigned)i->imm & (8 * size - 1));
    } else {
        flags_keep_rest(x);
        if (form == 0) {
            a_rr(&x->a, OPC_0F | 0xa3 | n << 3, size, reg_of(x, i->rm), reg_of(x, i->reg));
        } else {
            a_xr(&x->a, OPC_0F | 0xba, size, 4 + n, reg_of(x, i->reg));
            a_byte(&x->a, (unsigned)i->imm & (8 * size - 1));
        }
    }
    flags_made(x);
    return true;
}

/* ---- BSF BSR: only ZF changes, and nothing else if the source is 0 ---- */

/* The source in a register: its own, or TEMP. */
static unsigned source(struct xlat *x, const struct insn *i, unsigned size)
{
    if (!(i->flags & INSN_MEM))
        return reg_of(x, i->rm);
    a_load(&x->a, size, TEMP, emit_operand(x, size, false));
    return TEMP;
}

static void scan(struct xlat *x, unsigned opn, unsigned size, unsigned dst, unsigned src)
{
    a_rr(&x->a, OPC_0F | (opn == OPN_bsf ? 0xbc : 0xbd), size, dst, src);
}

bool emit_scan(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    unsigned opn = number(i), size = insn_osize(i), dst = reg_of(x, i->reg);
    bool exactly = x->visible_after[x->k] & ~FL_ZF;

    if (size == 2 || (i->flags & INSN_MEM && !operand_is_simple(x, i)))
        return false;
    unsigned src = source(x, i, size);
    if (exactly)
        flags_to_image(x);
    a_rr(a, 0x85, size, src, src);
    uint8_t *zero = a_jcc(a, CC_Z);
    scan(x, opn, size, dst, src);
    if (exactly) {
        a_alu_mi(a, 4, 4, h_state(JIT_OFF(flags)), ~0x4000); /* ZF */
        uint8_t *done = a_jmp(a);
        a_fix(zero, a->p);
        a_alu_mi(a, 1, 4, h_state(JIT_OFF(flags)), 0x4000);
        a_fix(done, a->p);
        return true;
    }
    a_fix(zero, a->p);
    flags_made(x);
    return true;
}

/* ---- POPCNT TZCNT LZCNT ---- */
bool emit_count(struct xlat *x, const struct insn *i)
{
    struct assembler *a = &x->a;
    unsigned opn = number(i), size = insn_osize(i), dst = reg_of(x, i->reg);
    uint32_t opcode = OPC_PFX(0xf3) | OPC_0F |
                      (opn == OPN_popcnt  ? 0xb8
                       : opn == OPN_tzcnt ? 0xbc
                                          : 0xbd);

    if (!host_has(x, i) || (i->flags & INSN_MEM && !operand_is_simple(x, i)))
        return false;
    if (i->flags & INSN_MEM)
        a_rm(a, opcode, size, dst, emit_operand(x, size, false));
    else
        a_rr(a, opcode, size, dst, reg_of(x, i->rm));
    if (opn != OPN_popcnt && x->visible_after[x->k] & ~(FL_CF | FL_ZF)) {
        a_byte(a, 0x9f);                  /* lahf */
        a_alu_ri(a, 4, 4, H_RAX, 0x4300); /* the others are 0 */
        a_store(a, 4, H_RAX, h_state(JIT_OFF(flags)));
        x->flags = FLAGS_IMAGE;
    } else {
        flags_made(x);
    }
    return true;
}

/* ---- BMI1, BMI2 ---- */

static void a_vex(struct assembler *a, uint32_t opc, unsigned pp, unsigned size, unsigned rex,
                  unsigned vvvv)
{
    a_byte(a, 0xc4);
    a_byte(a, ((rex & 7) ^ 7) << 5 | OPC_MAP(opc));
    a_byte(a, (size == 8) << 7 | (~vvvv & 15) << 3 | pp);
    a_byte(a, opc & 0xff);
}

/* opc reg, vvvv, rm: rm the instruction's register or memory operand. */
static void emit_vex(struct xlat *x, const struct insn *i, uint32_t opc, unsigned pp, unsigned reg,
                     unsigned vvvv)
{
    struct assembler *a = &x->a;
    unsigned size = insn_osize(i);

    if (i->flags & INSN_MEM) {
        struct host_mem m = emit_operand(x, size, false);
        a_vex(a, opc, pp, size, mem_rex(reg, m), vvvv);
        a_modrm_mem(a, reg, m);
        return;
    }
    unsigned rm = reg_of(x, i->rm);
    a_vex(a, opc, pp, size, (reg >> 3 & 1) << 2 | (rm >> 3 & 1), vvvv);
    a_byte(a, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* Opcode, pp, the opcode extension of those whose destination is vvvv; whether they make flags. */
static const struct vex_row {
    uint16_t opn, opcode;
    uint8_t pp, ext;
    bool group, flags;
} vex_rows[] = {
    {OPN_andn, 0x2f2, 0, 0, false, true},  {OPN_blsr, 0x2f3, 0, 1, true, true},
    {OPN_blsmsk, 0x2f3, 0, 2, true, true}, {OPN_blsi, 0x2f3, 0, 3, true, true},
    {OPN_bextr, 0x2f7, 0, 0, false, true}, {OPN_bzhi, 0x2f5, 0, 0, false, true},
    {OPN_pdep, 0x2f5, 3, 0, false, false}, {OPN_pext, 0x2f5, 2, 0, false, false},
    {OPN_shlx, 0x2f7, 1, 0, false, false}, {OPN_shrx, 0x2f7, 3, 0, false, false},
    {OPN_sarx, 0x2f7, 2, 0, false, false}, {OPN_rorx, 0x3f0, 3, 0, false, false},
};

bool emit_bmi(struct xlat *x, const struct insn *i)
{
    const struct vex_row *row = vex_rows;
    bool rotates = number(i) == OPN_rorx;

    while (row->opn != number(i))
        row++;
    if (!host_has(x, i) || (i->flags & INSN_MEM && !operand_is_simple(x, i)))
        return false;
    unsigned v = rotates ? 0 : reg_of(x, i->vreg), dst = row->group ? v : reg_of(x, i->reg);
    emit_vex(x, i, row->opcode, row->pp, row->group ? row->ext : dst, v);
    if (rotates)
        a_byte(&x->a, (uint8_t)i->imm);
    if (!row->flags)
        return true;
    if (x->visible_after[x->k] & (FL_SF | FL_AF | FL_PF))
        flags_of_logic(x, insn_osize(i), dst);
    else
        flags_made(x);
    return true;
}

bool emit_mulx(struct xlat *x, const struct insn *i)
{
    if (!host_has(x, i) || (i->flags & INSN_MEM && !operand_is_simple(x, i)))
        return false;
    emit_vex(x, i, 0x2f6, 3, reg_of(x, i->reg), reg_of(x, i->vreg));
    return true;
}

/* ---- ADCX ADOX ---- */
bool emit_adx(struct xlat *x, const struct insn *i)
{
    uint32_t opcode = OPC_PFX(number(i) == OPN_adcx ? 0x66 : 0xf3) | OPC_0F38 | 0xf6;
    unsigned size = insn_osize(i), dst = reg_of(x, i->reg);

    if (!host_has(x, i) || size == 2 || (i->flags & INSN_MEM && !operand_is_simple(x, i)))
        return false;
    if (i->flags & INSN_MEM) {
        struct host_mem m = emit_operand(x, size, false);
        flags_keep_rest(x);
        flags_to_host(x);
        a_rm(&x->a, opcode, size, dst, m);
    } else {
        flags_keep_rest(x);
        flags_to_host(x);
        a_rr(&x->a, opcode, size, dst, reg_of(x, i->rm));
    }
    flags_made(x);
    return true;
}

/* ---- MOVBE ---- */
bool emit_movbe(struct xlat *x, const struct insn *i)
{
    bool store = number(i) == OPN_movbe_store;
    unsigned size = insn_osize(i);

    if (!host_has(x, i) || !operand_is_simple(x, i))
        return false;
    struct host_mem m = emit_operand(x, size, store);
    a_rm(&x->a, OPC_0F38 | 0xf0 | store, size, reg_of(x, i->reg), m);
    return true;
}
