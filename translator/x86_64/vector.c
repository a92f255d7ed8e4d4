/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MMX, SSE and AVX instructions: the same instruction again, on the guest's state in the host's
 * registers, with the host's places of general registers and memory. Exceptions are all masked
 * (MODE_SSE, MODE_AVX); what could fault is tested first. */
#include "translator/x86_64/emit.h"

#include "cpu/x86/ops.h"

/* ---- which instructions ---- */

static unsigned number_of(const struct insn *i)
{
    return (unsigned)(op_operation(i->op) - operations);
}

/* Those that hosts may do otherwise than the interpreter, that access memory in their own ways, or
 * that work on MMX and XMM registers at once. */
static bool left_to_handler(unsigned opn)
{
    switch (opn) {
    case OPN_cvtpi2ps:
    case OPN_cvtpi2pd:
    case OPN_cvtps2pi:
    case OPN_cvtpd2pi:
    case OPN_cvttps2pi:
    case OPN_cvttpd2pi:
    case OPN_movq2dq:
    case OPN_movdq2q:
    case OPN_maskmovq:
    case OPN_maskmovdqu:
    case OPN_vmaskmovdqu:
    case OPN_vmaskmovps:
    case OPN_vmaskmovpd:
    case OPN_vmaskmovps_store:
    case OPN_vmaskmovpd_store:
    case OPN_vpmaskmovd:
    case OPN_vpmaskmovq:
    case OPN_vpmaskmovd_store:
    case OPN_vpmaskmovq_store:
    case OPN_dpps:
    case OPN_dppd:
    case OPN_vdpps:
    case OPN_vdppd:
        return true;
    default:
        return false;
    }
}

static bool host_executes(const struct xlat *x, const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);
    bool wide_integer = op->props & P_INT256 && i->flags & INSN_L256;

    return host_has(x, i) && (!(i->flags & INSN_VEX) || x->tr->host_has[F_avx]) &&
           (!wide_integer || x->tr->host_has[F_avx2]);
}

static bool is_copied(const struct xlat *x, const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);
    unsigned opn = number_of(i);
    uint32_t need = op->props & P_AVX ? MODE_AVX : op->props & P_SSE ? MODE_SSE : MODE_X87;

    if (x87_is_x87(i))
        return x87_is_copied(x, i);
    if (!(x->mode & need) || left_to_handler(opn) || !host_executes(x, i))
        return false;
    if (op->props & P_APPROX && x->cpu->model.soft_approx)
        return false;
    /* the host's clear all 16 registers */
    if ((opn == OPN_vzeroupper || opn == OPN_vzeroall) && (x->mode & MODE_CODE) != CODE64)
        return false;
    return !(i->flags & INSN_MEM) || operand_is_simple(x, i);
}

static const struct encoding *row_of(const struct xlat *x, const struct insn *i)
{
    const uint8_t *bytes = block_bytes(x->t->block) + i->off; /* it may be on two pages */
    const struct encoding *row;
    struct insn again;

    if (decode_row(bytes, i->len, (enum code_mode)(x->mode & MODE_CODE), &again, &row))
        return NULL;
    for (unsigned k = 0; k < 4; k++)
        if (row->opnd[k] >> 4 == AM_X)
            return NULL; /* a gather */
    return row->match & M_PFX_MASK && (row->match & M_PFX_MASK) <= M_F2 ? row : NULL;
}

void fpu_analyse(struct xlat *x)
{
    for (unsigned k = 0; k < x->n; k++) {
        const struct insn *i = &x->list[k];

        if (!(op_operation(i->op)->props & (P_SSE | P_AVX | P_FPU)) || !is_copied(x, i))
            continue;
        bool x87 = x87_is_x87(i);
        x->row[k] = x87 ? NULL : row_of(x, i);
        if (x87 || x->row[k])
            x->fpu[k] = op_operation(i->op)->props & P_FPU ? FPU_X87 : FPU_SSE;
    }
}

/* ---- operands ---- */

static bool is_general(unsigned opnd)
{
    unsigned method = opnd >> 4;

    return method == AM_E || method == AM_R || method == AM_G;
}

static bool is_memory(unsigned opnd)
{
    unsigned method = opnd >> 4;

    return method == AM_E || method == AM_M || method == AM_W || method == AM_Q;
}

uint16_t fpu_registers_used(const struct xlat *x, unsigned k)
{
    const struct insn *i = &x->list[k];
    unsigned used = 0;

    for (unsigned n = 0; x->row[k] && n < 4; n++) {
        unsigned opnd = x->row[k]->opnd[n];

        if (opnd >> 4 == AM_G)
            used |= 1u << i->reg;
        else if (is_general(opnd) && !(i->flags & INSN_MEM))
            used |= 1u << i->rm;
    }
    if (i->flags & INSN_MEM && i->base < 16)
        used |= 1u << i->base;
    if (i->flags & INSN_MEM && i->index < 16)
        used |= 1u << i->index;
    return (uint16_t)used;
}

/* Bytes of memory; never less than are accessed. */
static unsigned memory_size(const struct insn *i, unsigned opnd)
{
    switch (opnd & 15) {
    case W_b:
        return 1;
    case W_w:
        return 2;
    case W_d:
        return opnd == O_Qd ? 8 : 4;
    case W_q:
        return 8;
    case W_y:
        return insn_osize(i) == 8 ? 8 : 4;
    case W_dq:
        return 16;
    default:
        return i->flags & INSN_L256 ? 32 : 16;
    }
}

/* Conversions and the like take a part of what the table says. */
static unsigned part_of(unsigned opn)
{
    switch (opn) {
    case OPN_vcvtps2pd:
    case OPN_vcvtdq2pd:
    case OPN_vcvtph2ps:
    case OPN_vcvtps2ph:
    case OPN_vpmovsxbw:
    case OPN_vpmovsxwd:
    case OPN_vpmovsxdq:
    case OPN_vpmovzxbw:
    case OPN_vpmovzxwd:
    case OPN_vpmovzxdq:
    case OPN_vinserti128:
    case OPN_vextracti128:
    case OPN_vextractf128:
        return 2;
    case OPN_vpmovsxbd:
    case OPN_vpmovsxwq:
    case OPN_vpmovzxbd:
    case OPN_vpmovzxwq:
        return 4;
    case OPN_vpmovsxbq:
    case OPN_vpmovzxbq:
        return 8;
    default:
        return 1;
    }
}

static bool legacy_unaligned(unsigned opn)
{
    return opn == OPN_movups || opn == OPN_movupd || opn == OPN_movdqu || opn == OPN_lddqu ||
           opn == OPN_movups_store || opn == OPN_movupd_store || opn == OPN_movdqu_store ||
           opn == OPN_pcmpestrm || opn == OPN_pcmpestri || opn == OPN_pcmpistrm ||
           opn == OPN_pcmpistri;
}

static bool vex_aligned(unsigned opn)
{
    return opn == OPN_vmovaps || opn == OPN_vmovapd || opn == OPN_vmovdqa ||
           opn == OPN_vmovaps_store || opn == OPN_vmovapd_store || opn == OPN_vmovdqa_store ||
           opn == OPN_vmovntps || opn == OPN_vmovntpd || opn == OPN_vmovntdq ||
           opn == OPN_vmovntdqa;
}

/* The handler raises #GP(0) for an operand that is not aligned. */
static void check_alignment(struct xlat *x, const struct insn *i, unsigned size)
{
    unsigned opn = number_of(i);
    bool aligned = i->flags & INSN_VEX ? vex_aligned(opn) : size == 16 && !legacy_unaligned(opn);

    if (!aligned)
        return;
    for (unsigned n = x->nstubs; n-- > 0 && x->stubs[n].insn == x->k;)
        if (x->stubs[n].kind == STUB_MISS)
            x->stubs[n].align = (uint8_t)(size - 1);
    a_xr(&x->a, 0xf6, 1, 0, TEMP); /* test byte */
    a_byte(&x->a, size - 1);
    add_stub(x, STUB_HANDLER, a_jcc(&x->a, CC_NZ))->thunk = THUNK_HANDLER;
}

/* ---- the instruction again (SDM vol. 2A 2.3) ---- */

struct copy {
    const struct encoding *row;
    unsigned reg, rm, vvvv; /* host numbers */
    bool memory, w, l;      /* memory: [TEMP] */
};

static void emit_opcode(struct assembler *a, const struct copy *c)
{
    static const uint8_t legacy[] = {0, 0x66, 0xf3, 0xf2};
    unsigned pp = (c->row->match & M_PFX_MASK) - M_NP, map = c->row->map;
    unsigned r = c->reg >> 3, b = c->rm >> 3;

    if (map >= MAP_V0F) {
        a_byte(a, 0xc4);
        a_byte(a, (!r << 7 | 1u << 6 | !b << 5) | (map - MAP_V0F + 1));
        a_byte(a, (unsigned)c->w << 7 | (~c->vvvv & 15) << 3 | (unsigned)c->l << 2 | pp);
    } else {
        if (legacy[pp])
            a_byte(a, legacy[pp]);
        if (c->w || r || b)
            a_byte(a, 0x40 | (unsigned)c->w << 3 | r << 2 | b);
        a_byte(a, 0x0f);
        if (map > MAP_0F)
            a_byte(a, map == MAP_0F38 ? 0x38 : 0x3a);
    }
    a_byte(a, c->row->opcode);
}

static void emit_copy(struct xlat *x, const struct insn *i, const struct copy *c)
{
    bool imm = false, modrm = false;

    emit_opcode(&x->a, c);
    for (unsigned n = 0; n < 4; n++) {
        imm |= c->row->opnd[n] == O_Ib || c->row->opnd[n] == O_L;
        modrm |= c->row->opnd[n] != O_;
    }
    if (modrm)
        a_byte(&x->a, (c->memory ? 0 : 0xc0) | (c->reg & 7) << 3 | (c->rm & 7));
    if (imm)
        a_byte(&x->a, (uint8_t)i->imm);
}

static struct copy plan(const struct xlat *x, const struct insn *i)
{
    const struct encoding *row = x->row[x->k];
    struct copy c = {.row = row, .memory = i->flags & INSN_MEM, .l = i->flags & INSN_L256};
    bool vex = i->flags & INSN_VEX;

    c.w = row->match & M_W1 || (!(row->match & M_W0) && insn_osize(i) == 8);
    c.w = c.w && (vex || (x->mode & MODE_CODE) == CODE64);
    c.rm = c.memory ? TEMP : i->rm;
    if (row->match & M_REG_)
        c.reg = row->match >> 8 & 7;
    for (unsigned n = 0; n < 4; n++) {
        unsigned method = row->opnd[n] >> 4;

        if (method == AM_V || method == AM_P)
            c.reg = i->reg;
        else if (method == AM_G)
            c.reg = x->host[i->reg];
        else if (method == AM_H)
            c.vvvv = i->vreg;
        else if (is_general(row->opnd[n]) && !c.memory)
            c.rm = x->host[i->rm];
    }
    return c;
}

/* The word is looked at and loaded from a place of our own: another processor may change it
 * between. Reserved bits and unmasked exceptions are the handler's. */
static void load_mxcsr(struct xlat *x)
{
    struct assembler *a = &x->a;

    a_load(a, 4, TEMP2, h_at(TEMP, 0));
    a_store(a, 4, TEMP2, h_state(JIT_OFF(t0)));
    a_alu_ri(a, 4, 4, TEMP2, (int32_t)0xffff1f80);
    a_alu_ri(a, 7, 4, TEMP2, 0x1f80);
    add_stub(x, STUB_HANDLER, a_jcc(a, CC_NZ))->thunk = THUNK_HANDLER;
    a_xm(a, OPC_0F | 0xae, 4, 2, h_state(JIT_OFF(t0)));
}

bool emit_vector(struct xlat *x, const struct insn *i)
{
    unsigned opn = number_of(i);
    bool loads_mxcsr = opn == OPN_ldmxcsr || opn == OPN_vldmxcsr;

    if (x87_is_x87(i))
        return emit_x87(x, i);
    if (!x->fpu[x->k])
        return false;
    struct copy c = plan(x, i);
    for (unsigned n = 0; c.memory && n < 4; n++) {
        unsigned opnd = c.row->opnd[n];

        if (!is_memory(opnd))
            continue;
        unsigned size = memory_size(i, opnd) / part_of(opn);
        emit_operand(x, size, n == 0 && !loads_mxcsr);
        check_alignment(x, i, size);
        break;
    }
    if (opn == OPN_pcmpestrm || opn == OPN_pcmpestri || opn == OPN_vpcmpestrm ||
        opn == OPN_vpcmpestri) /* a length is in rax */
        a_mov_rr(&x->a, 8, H_RAX, x->host[R_RAX]);
    if (loads_mxcsr)
        load_mxcsr(x);
    else
        emit_copy(x, i, &c);
    if (i->fl_write & FL_ARITH)
        flags_made(x);
    return true;
}

/* ---- the state ---- */

void fpu_emit_check(struct xlat *x)
{
    static const struct {
        uint8_t bit, thunk;
    } parts[] = {{FPU_SSE, THUNK_LOAD_SSE}, {FPU_X87, THUNK_LOAD_X87}};
    unsigned used = 0;

    for (unsigned k = 0; k < x->n; k++)
        used |= x->fpu[k];
    for (unsigned n = 0; n < 2; n++) {
        if (!(used & parts[n].bit))
            continue;
        a_xm(&x->a, 0xf6, 1, 0, h_state(JIT_OFF(fpu_live))); /* test byte */
        a_byte(&x->a, parts[n].bit);
        struct stub *s = add_stub(x, STUB_FPU, a_jcc(&x->a, CC_Z));
        s->thunk = parts[n].thunk;
        s->again = x->a.p;
    }
}
