/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integer instructions: re-encoded with the host's registers. */
#include "translator/x86_64/emit.h"

/* ---- 8-bit registers ---- */

/* movzx eax, AH..BH of a guest register 0-3. */
static void load_high_byte(struct xlat *x, unsigned guest)
{
    if (guest == R_RAX) {
        a_mov_rr(&x->a, 4, H_RAX, H_R9);
        guest = H_RAX;
    }
    a_byte(&x->a, 0x0f);
    a_byte(&x->a, 0xb6);
    a_byte(&x->a, 0xc0 | (4 + guest));
}

unsigned byte_of(struct xlat *x, unsigned byte_offset, unsigned temp)
{
    if (!is_high_byte(byte_offset))
        return x->host[byte_offset / 8];
    load_high_byte(x, byte_offset / 8);
    if (temp != H_RAX)
        a_mov_rr(&x->a, 4, temp, H_RAX);
    return temp;
}

static void xchg(struct xlat *x, unsigned r1, unsigned r2)
{
    a_rr(&x->a, 0x87, 8, r1, r2);
}

void put_byte(struct xlat *x, unsigned byte_offset)
{
    unsigned guest = byte_offset / 8;

    if (!is_high_byte(byte_offset)) {
        a_mov_rr(&x->a, 1, x->host[guest], H_RAX);
        return;
    }
    if (guest != R_RAX) { /* mov ch, al */
        a_byte(&x->a, 0x88);
        a_byte(&x->a, 0xc0 | (4 + guest));
        return;
    }
    xchg(x, H_RAX, H_R9); /* AH cannot be named beside r9: by way of cl */
    xchg(x, H_RCX, H_R9);
    a_byte(&x->a, 0x88); /* mov ah, cl */
    a_byte(&x->a, 0xcc);
    xchg(x, H_RCX, H_R9);
    a_mov_rr(&x->a, 8, H_R9, H_RAX);
}

static bool either_high(const struct insn *i, unsigned form)
{
    return insn_osize(i) == 1 && (is_high_byte(i->reg) || (form == 0 && is_high_byte(i->rm)));
}

/* ---- ADD OR ADC SBB AND SUB XOR CMP, TEST ---- */

/* Number of the operation as opcodes 00-3F and group 1 have it; 8: TEST. */
static unsigned alu_number(const struct insn *i)
{
    switch (op_operation(i->op) - operations) {
    case OPN_add:
        return 0;
    case OPN_or:
        return 1;
    case OPN_adc:
        return 2;
    case OPN_sbb:
        return 3;
    case OPN_and:
        return 4;
    case OPN_sub:
        return 5;
    case OPN_xor:
        return 6;
    case OPN_cmp:
        return 7;
    default:
        return 8;
    }
}
#define ALU_TEST 8

static void alu_rr(struct xlat *x, unsigned n, unsigned size, unsigned dst, unsigned src)
{
    unsigned wide = size > 1;

    a_rr(&x->a, n == ALU_TEST ? 0x84 | wide : n << 3 | wide, size, src, dst);
}

static void alu_ri(struct xlat *x, unsigned n, unsigned size, unsigned dst, int32_t imm)
{
    if (n != ALU_TEST) {
        a_alu_ri(&x->a, n, size, dst, imm);
        return;
    }
    a_xr(&x->a, size == 1 ? 0xf6 : 0xf7, size, 0, dst);
    a_imm_tail(&x->a, size, imm, size == 1);
}

static void alu_mi(struct xlat *x, unsigned n, unsigned size, struct host_mem m, int32_t imm)
{
    if (n != ALU_TEST) {
        a_alu_mi(&x->a, n, size, m, imm);
        return;
    }
    a_xm(&x->a, size == 1 ? 0xf6 : 0xf7, size, 0, m);
    a_imm_tail(&x->a, size, imm, size == 1);
}

/* With an operand in AH..BH, among registers. */
static void alu_high(struct xlat *x, const struct insn *i, unsigned n, unsigned form)
{
    unsigned src = form == 0 ? byte_of(x, i->rm, TEMP) : 0, dst = byte_of(x, i->reg, TEMP2);

    if (n == 2 || n == 3) {
        a_mov_rr(&x->a, 4, TEMP, src); /* the reload takes TEMP2 */
        flags_to_host(x);
        dst = byte_of(x, i->reg, TEMP2);
        src = TEMP;
    }
    if (form == 0)
        alu_rr(x, n, 1, dst, src);
    else
        alu_ri(x, n, 1, dst, (int32_t)i->imm);
    if (n < 7 && is_high_byte(i->reg))
        put_byte(x, i->reg);
}

static void alu_registers(struct xlat *x, const struct insn *i, unsigned n, unsigned form)
{
    unsigned size = insn_osize(i), shift = size == 1 ? 3 : 0;

    if (either_high(i, form)) {
        alu_high(x, i, n, form);
        return;
    }
    if (n == 2 || n == 3)
        flags_to_host(x);
    unsigned dst = reg_of(x, i->reg >> shift);
    if (form == 0)
        alu_rr(x, n, size, dst, reg_of(x, i->rm >> shift));
    else
        alu_ri(x, n, size, dst, (int32_t)i->imm);
}

static void alu_memory(struct xlat *x, const struct insn *i, unsigned n, unsigned form)
{
    unsigned size = insn_osize(i), wide = size > 1;
    bool changes = form != 1 && n < 7;
    struct host_mem m = changes ? emit_rmw_operand(x, size) : emit_operand(x, size, false);

    if (n == 2 || n == 3)
        flags_to_host(x);
    if (form == 4) {
        emit_lock(x);
        alu_mi(x, n, size, m, (int32_t)i->imm);
        return;
    }
    unsigned r = size == 1 ? byte_of(x, i->reg, TEMP2) : reg_of(x, i->reg);
    uint32_t opcode = n == ALU_TEST ? 0x84 | wide : n << 3 | wide | (form == 1 ? 2 : 0);
    emit_lock(x);
    a_rm(&x->a, opcode, size, r, m);
    if (form == 1 && n < 7 && size == 1 && is_high_byte(i->reg))
        put_byte(x, i->reg);
}

bool emit_alu(struct xlat *x, const struct insn *i)
{
    unsigned form = form_of(i) / 4, n = alu_number(i);

    if (form != 0 && form != 3) {
        if (!operand_is_simple(x, i))
            return false;
        alu_memory(x, i, n, form);
    } else {
        alu_registers(x, i, n, form);
    }
    flags_made(x);
    return true;
}

/* ---- MOV ---- */

static void mov_registers(struct xlat *x, const struct insn *i, unsigned form)
{
    unsigned size = insn_osize(i);

    if (size == 1) {
        if (form == 3 && !is_high_byte(i->reg)) {
            a_xr(&x->a, 0xc6, 1, 0, reg_of(x, i->reg / 8));
            a_byte(&x->a, (uint8_t)i->imm);
            return;
        }
        if (form == 3) {
            a_mov_imm(&x->a, TEMP2, (uint8_t)i->imm);
        } else {
            unsigned src = byte_of(x, i->rm, TEMP2);
            if (!is_high_byte(i->reg)) {
                a_mov_rr(&x->a, 1, reg_of(x, i->reg / 8), src);
                return;
            }
            if (src != TEMP2)
                a_mov_rr(&x->a, 4, TEMP2, src);
        }
        put_byte(x, i->reg);
    } else if (form == 0) {
        a_mov_rr(&x->a, size, reg_of(x, i->reg), reg_of(x, i->rm));
    } else if (size == 2) {
        uint16_t imm = (uint16_t)i->imm;
        a_xr(&x->a, 0xc7, 2, 0, reg_of(x, i->reg));
        a_bytes(&x->a, &imm, 2);
    } else {
        a_mov_imm(&x->a, reg_of(x, i->reg), size == 8 ? i->imm : (uint32_t)i->imm);
    }
}

static void mov_memory(struct xlat *x, const struct insn *i, unsigned form)
{
    unsigned size = insn_osize(i);
    struct host_mem m = emit_operand(x, size, form != 1);

    if (form == 4) {
        a_xm(&x->a, size == 1 ? 0xc6 : 0xc7, size, 0, m);
        a_imm_tail(&x->a, size, (int32_t)i->imm, size == 1);
    } else if (form == 2) {
        a_store(&x->a, size, size == 1 ? byte_of(x, i->reg, TEMP2) : reg_of(x, i->reg), m);
    } else if (size == 1 && is_high_byte(i->reg)) {
        a_load(&x->a, 1, TEMP2, m);
        put_byte(x, i->reg);
    } else {
        a_load(&x->a, size, reg_of(x, size == 1 ? i->reg / 8u : i->reg), m);
    }
}

bool emit_mov(struct xlat *x, const struct insn *i)
{
    unsigned form = form_of(i) / 4;

    if (form == 0 || form == 3) {
        mov_registers(x, i, form);
        return true;
    }
    if (!operand_is_simple(x, i) || (form == 4 && !imm_fits(i->imm)))
        return false;
    mov_memory(x, i, form);
    return true;
}

/* ---- INC DEC NOT NEG ---- */
bool emit_unary(struct xlat *x, const struct insn *i)
{
    unsigned opn = (unsigned)(op_operation(i->op) - operations), size = insn_osize(i);
    bool memory = form_of(i) >= 4, step = opn == OPN_inc || opn == OPN_dec;
    unsigned ext = opn == OPN_inc ? 0 : opn == OPN_dec ? 1 : opn == OPN_not ? 2 : 3;
    uint32_t opcode = (step ? 0xfe : 0xf6) | (size > 1);

    if (memory) {
        if (!operand_is_simple(x, i))
            return false;
        struct host_mem m = emit_rmw_operand(x, size);
        if (step)
            flags_keep_rest(x);
        emit_lock(x);
        a_xm(&x->a, opcode, size, ext, m);
    } else if (size == 1 && is_high_byte(i->reg)) {
        if (step)
            flags_keep_rest(x);
        a_xr(&x->a, opcode, 1, ext, byte_of(x, i->reg, TEMP2));
        put_byte(x, i->reg);
    } else {
        if (step)
            flags_keep_rest(x);
        a_xr(&x->a, opcode, size, ext, reg_of(x, size == 1 ? i->reg / 8u : i->reg));
    }
    if (opn != OPN_not)
        flags_made(x);
    return true;
}

/* ---- MOVZX MOVSX MOVSXD ---- */
bool emit_extend(struct xlat *x, const struct insn *i)
{
    unsigned opn = (unsigned)(op_operation(i->op) - operations), size = insn_osize(i);
    bool byte = opn == OPN_movzx8 || opn == OPN_movsx8, memory = form_of(i) >= 3;
    uint32_t opcode = opn == OPN_movsxd ? 0x63
                                        : OPC_0F | (byte ? 0xb6 : 0xb7) |
                                              (opn == OPN_movsx8 || opn == OPN_movsx16 ? 8 : 0);
    unsigned dst = reg_of(x, i->reg);

    if (memory) {
        if (!operand_is_simple(x, i))
            return false;
        a_rm(&x->a, opcode, size, dst,
             emit_operand(x,
                          byte                ? 1
                          : opn == OPN_movsxd ? 4
                                              : 2,
                          false));
        return true;
    }
    unsigned src = byte ? byte_of(x, i->rm, TEMP2) : reg_of(x, i->rm);
    bool rex = byte && src >= H_RSP && src <= H_RDI;
    unsigned bits = (dst >> 3 & 1) << 2 | (src >> 3 & 1);
    a_prefixes(&x->a, opcode, size, bits, rex);
    a_byte(&x->a, 0xc0 | (dst & 7) << 3 | (src & 7));
    return true;
}

/* ---- CMOVcc, SETcc ---- */
bool emit_cmovcc(struct xlat *x, const struct insn *i)
{
    unsigned cc = (unsigned)(op_operation(i->op) - &operations[OPN_cmovo]);
    unsigned size = insn_osize(i), dst = reg_of(x, i->reg);

    if (form_of(i) >= 3) {
        if (!operand_is_simple(x, i))
            return false;
        struct host_mem m = emit_operand(x, size, false);
        flags_to_host(x);
        a_rm(&x->a, OPC_0F | 0x40 | cc, size, dst, m);
    } else {
        flags_to_host(x);
        a_rr(&x->a, OPC_0F | 0x40 | cc, size, dst, reg_of(x, i->rm));
    }
    return true;
}

bool emit_setcc(struct xlat *x, const struct insn *i)
{
    unsigned cc = (unsigned)(op_operation(i->op) - &operations[OPN_seto]);

    if (form_of(i) == 1) {
        if (!operand_is_simple(x, i))
            return false;
        struct host_mem m = emit_operand(x, 1, true);
        flags_to_host(x);
        a_xm(&x->a, OPC_0F | 0x90 | cc, 1, 0, m);
        return true;
    }
    flags_to_host(x);
    if (is_high_byte(i->reg)) {
        a_xr(&x->a, OPC_0F | 0x90 | cc, 1, 0, TEMP2);
        put_byte(x, i->reg);
    } else {
        a_xr(&x->a, OPC_0F | 0x90 | cc, 1, 0, reg_of(x, i->reg / 8));
    }
    return true;
}

/* ---- others ---- */
bool emit_lea(struct xlat *x, const struct insn *i)
{
    unsigned osize = insn_osize(i), asize = insn_asize(i);

    if (osize == 2 || asize == 2)
        return false;
    emit_address(x, reg_of(x, i->reg), osize < asize ? osize : asize);
    return true;
}

bool emit_cbw(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i), rax = reg_of(x, R_RAX);

    a_rr(&x->a, size == 8 ? 0x63 : OPC_0F | (size == 4 ? 0xbf : 0xbe), size, rax, rax);
    return true;
}

bool emit_cwd(struct xlat *x, const struct insn *i)
{
    a_mov_rr(&x->a, 8, H_RAX, reg_of(x, R_RAX));
    a_prefixes(&x->a, 0x99, insn_osize(i), 0, false);
    return true;
}

bool emit_bswap(struct xlat *x, const struct insn *i)
{
    unsigned size = insn_osize(i), r = reg_of(x, i->reg);

    if (size == 2)
        return false;
    a_prefixes(&x->a, OPC_0F | 0xc8 | (r & 7), size, r >> 3, false);
    return true;
}

bool emit_nop(struct xlat *x, const struct insn *i)
{
    (void)x, (void)i;
    return true;
}
