/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_INSN_H
#define CALQUE_CPU_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h" /* JOIN */

/* The decoded instruction, and the one table everything derives from.
 *
 * insns.def (with insns_fpu.def, insns_sse.def and insns_avx.def) holds two kinds of rows:
 *   OPERATION(name, class, flags read, written, undefined, properties, cpuid)
 *       what an instruction does: one semantic function for each *form* of its class;
 *   ENC(map, opcode, match, operation, operands...)
 *       how it is written down, in the manual's operand letters (SDM vol. 2D A.2).
 * A form is where the operands are (register, memory, immediate) and how wide they are. It is
 * folded into the opcode id, so that `ADD Eb,Gb`, `ADD Gb,Eb` and `ADD AL,Ib` between registers
 * end in the same handful of functions, here and in the translator. */

/* ---- registers ---- */
enum {
    R_RAX,
    R_RCX,
    R_RDX,
    R_RBX,
    R_RSP,
    R_RBP,
    R_RSI,
    R_RDI,
    R_R8,
    R_R9,
    R_R10,
    R_R11,
    R_R12,
    R_R13,
    R_R14,
    R_R15,
    R_RIP = 16,  /* base of RIP-relative operands: start of the running block */
    R_ZERO = 17, /* always 0: absent base or index */
    NUM_REGS = 18,
};

enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_NONE, NUM_SEGS };

/* EFLAGS sets as they stand in fl_* bytes. */
enum {
    FL_CF = 0x01,
    FL_PF = 0x02,
    FL_AF = 0x04,
    FL_ZF = 0x08,
    FL_SF = 0x10,
    FL_OF = 0x20,
    FL_DF = 0x40,
    FL_SYS = 0x80, /* any of the system flags */
    FL_ARITH = 0x3f,
    FL_NOCF = 0x3e,
};

enum {
    INSN_MEM = 0x01, /* has a memory operand: base, index, scale, disp, seg describe it */
    INSN_LOCK = 0x02,
    INSN_REP = 0x04,   /* F3 */
    INSN_REPNE = 0x08, /* F2 */
    INSN_ENDS = 0x10,  /* ends a block */
    INSN_FLAT = 0x20,  /* set by block formation: 64-bit address, no segment base or limit */
    INSN_VEX = 0x40,   /* VEX-encoded: bits 128 and up of a vector destination are cleared */
    INSN_L256 = 0x80,  /* VEX.L: 256-bit vectors */
};

/* 32 bytes, host independent.
 *
 * reg: the destination register, or the source when the destination is memory or absent.
 * rm:  the source register when both operands are registers (shares its byte with base).
 * General registers in 8-bit forms are byte offsets into the register file (number * 8, plus 1 for
 * AH..BH); in all other forms they are numbers. Segment, control, debug, x87, MMX and vector
 * registers are numbers.
 * Effective address = r[base] + (r[index] << scale) + disp, cut to the address size. With a vector
 * of indexes (VSIB) index is R_ZERO and imm the number of the vector register. */
struct insn {
    uint16_t op;                        /* opcode id */
    uint8_t len;                        /* bytes, 1..15 */
    uint8_t flags;                      /* INSN_* */
    uint8_t fl_read, fl_write, fl_live; /* FL_*; fl_live is filled by block formation */
    uint8_t seg;                        /* SEG_*, defaults resolved */
    union {
        uint8_t base;
        uint8_t rm;
    };
    uint8_t index, scale;
    uint8_t reg;
    uint8_t vreg; /* VEX.vvvv, or a third register */
    uint8_t size; /* bits 0-3: log2 of the operand size in bytes; bits 4-5: of the address size */
    uint16_t probed; /* a debugger is asked before it runs: see probe.h; set by block formation */
    uint16_t off;    /* byte offset in the block */
    int32_t disp;
    /* sign-extended to 64 bits; far pointer: selector << 32 | offset; x87: the 11 bits of its
     * opcode as FOP has them */
    uint64_t imm;
};

static inline unsigned insn_osize(const struct insn *i) /* operand size in bytes */
{
    return 1u << (i->size & 15);
}
static inline unsigned insn_asize(const struct insn *i) /* address size in bytes: 2, 4, 8 */
{
    return 1u << (i->size >> 4);
}

/* ---- form classes: X(name, form, size) for every form of a class, in the order of the ids ---- */
#define SIZES_8_64(X, n, f)  X(n, f, 8) X(n, f, 16) X(n, f, 32) X(n, f, 64)
#define SIZES_16_64(X, n, f) X(n, f, 16) X(n, f, 32) X(n, f, 64)

/* dst, src: add .. cmp, test, mov. mr: memory is the first operand */
#define FORMS_ALU(X, n)                                                                            \
    SIZES_8_64(X, n, rr)                                                                           \
    SIZES_8_64(X, n, rm) SIZES_8_64(X, n, mr) SIZES_8_64(X, n, ri) SIZES_8_64(X, n, mi)
/* one operand, any size: inc dec not neg mul div ... */
#define FORMS_UNARY(X, n) SIZES_8_64(X, n, r) SIZES_8_64(X, n, m)
/* shifts: by immediate (D0/D1: 1) or CL */
#define FORMS_SHIFT(X, n)                                                                          \
    SIZES_8_64(X, n, ri) SIZES_8_64(X, n, mi) SIZES_8_64(X, n, rc) SIZES_8_64(X, n, mc)
/* register destination of 16..64 bits, register or memory source: imul cmovcc bsf popcnt ... */
#define FORMS_LOAD(X, n) SIZES_16_64(X, n, rr) SIZES_16_64(X, n, rm)
/* register or memory destination of 16..64 bits, register source (bt bts ...), or immediate */
#define FORMS_BIT(X, n)                                                                            \
    SIZES_16_64(X, n, rr) SIZES_16_64(X, n, mr) SIZES_16_64(X, n, ri) SIZES_16_64(X, n, mi)
/* register or memory first, register second: xchg xadd cmpxchg; with 16..64 bits shld shrd */
#define FORMS_EXCHANGE(X, n) SIZES_8_64(X, n, rr) SIZES_8_64(X, n, mr)
#define FORMS_DSHIFT(X, n)   SIZES_16_64(X, n, rr) SIZES_16_64(X, n, mr)
/* one operand, register or memory, no size in the form */
#define FORMS_RM(X, n) X(n, r, ) X(n, m, )
/* one function; it looks at size and flags itself */
#define FORMS_ONE(X, n) X(n, x, )
/* one function per size */
#define FORMS_SIZED(X, n) SIZES_8_64(X, n, )
#define FORMS_PORT(X, n)  X(n, , 8) X(n, , 16) X(n, , 32)

/* ---- opcode ids ---- */
#define OP_ID(n, f, s)                                   OP_##n##_##f##s,
#define OPERATION(name, class, rd, wr, un, props, cpuid) FORMS_##class(OP_ID, name)
#define ENC(...)
enum op {
#include "cpu/x86/insns_all.def"
    NUM_OPS
};
#undef OPERATION
#undef OP_ID

#define OPERATION(name, class, rd, wr, un, props, cpuid) OPN_##name,
enum operation_index {
#include "cpu/x86/insns_all.def"
    NUM_OPERATIONS
};
#undef OPERATION
#undef ENC

enum op_class {
    CLASS_ALU,
    CLASS_UNARY,
    CLASS_SHIFT,
    CLASS_LOAD,
    CLASS_BIT,
    CLASS_RM,
    CLASS_ONE,
    CLASS_SIZED,
    CLASS_EXCHANGE,
    CLASS_DSHIFT,
    CLASS_PORT
};

/* Properties of an operation. */
enum {
    P_LOCK = 1 << 0,    /* LOCK allowed with a memory destination */
    P_PRIV = 1 << 1,    /* CPL 0 only (the function checks; tests read it) */
    P_ENDS = 1 << 2,    /* ends a block: may transfer control or change the mode */
    P_IO = 1 << 3,      /* port I/O or IOPL-sensitive */
    P_FPU = 1 << 4,     /* x87/MMX state: CR0.EM/TS checks */
    P_SSE = 1 << 5,     /* SSE state: CR0.EM/TS, CR4.OSFXSR checks */
    P_NOTEST = 1 << 6,  /* cannot be compared with the host (RDTSC, CPUID, RDRAND ...) */
    P_REP = 1 << 7,     /* string instruction: REP repeats it */
    P_D64 = 1 << 8,     /* 64-bit mode: operand size defaults to 64 (push, pop, near branches) */
    P_F64 = 1 << 9,     /* 64-bit mode: operand size is 64 whatever the prefixes (near branches) */
    P_APPROX = 1 << 10, /* result differs between makers */
    P_NOREAD = 1 << 11, /* memory operand is written only, or not accessed (LEA, MOV store) */
    P_COND = 1 << 12,   /* conditional direct branch */
    P_AVX = 1 << 13,    /* AVX state: CR4.OSXSAVE, XCR0, CR0.TS checks */
    P_INT256 = 1 << 14, /* the 256-bit form needs AVX2 */
};

struct operation_info {
    const char *name;
    uint8_t class;
    uint8_t fl_read, fl_write, fl_undef;
    uint16_t props;
    uint8_t cpuid;     /* enum cpuid_feature, 0: always there */
    uint16_t first_op; /* its first opcode id */
};

extern const struct operation_info operations[NUM_OPERATIONS];
/* Operation of an opcode id. */
extern const uint16_t operation_of[NUM_OPS];
static inline const struct operation_info *op_operation(unsigned op)
{
    return &operations[operation_of[op]];
}
/* A jump on a condition of the flags: not LOOP, not JCXZ. */
static inline bool insn_is_jcc(const struct insn *i)
{
    const struct operation_info *op = op_operation(i->op);

    return op >= &operations[OPN_jo] && op < &operations[OPN_jo + 16];
}
const char *op_name(unsigned op);

/* ---- opcode maps, match conditions, operands: how ENC rows are written ---- */
enum opcode_map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A, MAP_V0F, MAP_V0F38, MAP_V0F3A, NUM_MAPS };

/* match: a set of conditions, 0 for none. Rows of one (map, opcode) stand together in one file;
 * the first that matches is taken. */
enum {
    M_NP = 1 << 0,  /* none of 66, F3, F2 */
    M_66 = 2 << 0,  /* mandatory prefix 66 (and neither F3 nor F2) */
    M_F3 = 3 << 0,  /* mandatory prefix F3 */
    M_F2 = 4 << 0,  /* mandatory prefix F2 */
    M_NFX = 5 << 0, /* neither F3 nor F2; 66 is the operand size */
    M_PFX_MASK = 7,
    M_64 = 1 << 3,   /* 64-bit mode only */
    M_N64 = 1 << 4,  /* not in 64-bit mode */
    M_MODR = 1 << 5, /* mod == 3 */
    M_MODM = 1 << 6, /* mod != 3 */
    M_REG_ = 1 << 7, /* modrm.reg equals bits 8-10 */
    M_RM_ = 1 << 11, /* modrm.rm equals bits 12-14 (with M_MODR) */
    M_W0 = 1 << 15,
    M_W1 = 1 << 16, /* REX.W or VEX.W; VEX.W counts outside 64-bit mode too */
    M_L0 = 1 << 17,
    M_L1 = 1 << 18, /* VEX.L */
    M_O16 = 1 << 19,
    M_O32 = 1 << 20,
    M_O64 = 1 << 21, /* operand size */
    M_A16 = 1 << 22,
    M_A32 = 1 << 23,
    M_A64 = 1 << 24,   /* address size */
    M_MODRM = 1 << 25, /* has a ModRM byte although no operand or condition says so */
    M_NREXB = 1 << 26, /* REX.B clear: NOP against XCHG r8,rAX */
};
#define M_R(n)    (M_REG_ | (n) << 8)
#define M_RMIS(n) (M_RM_ | (n) << 12 | M_MODR)

/* Operand letters. Upper bits: addressing method, lower: width. */
#define OPND(method, width) ((method) << 4 | (width))
enum operand_method {
    AM_NONE,
    AM_E,
    AM_G,
    AM_I,
    AM_IS /* sign-extended byte */,
    AM_M /* memory only */,
    AM_R /* rm, register only */,
    AM_Z /* register in the opcode */,
    AM_A /* far pointer */,
    AM_J,
    AM_O /* moffs */,
    AM_S /* segment reg in modrm.reg */,
    AM_C,
    AM_D,
    AM_FIX /* fixed */,
    /* vector: */ AM_V /* xmm reg */,
    AM_W /* xmm rm or memory */,
    AM_U /* xmm rm, register only */,
    AM_P /* mmx reg */,
    AM_Q /* mmx rm or memory */,
    AM_N /* mmx rm, register only */,
    AM_H /* VEX.vvvv */,
    AM_B /* vvvv general register */,
    AM_L /* xmm in imm8[7:4] */,
    AM_STI /* x87 ST(modrm.rm) */,
    AM_X /* VSIB memory */,
};
enum operand_width {
    W_NONE,
    W_b,
    W_w,
    W_d,
    W_q,
    W_v /* 16/32/64 */,
    W_z /* 16/32/32 */,
    W_y /* 32/64 */,
    W_dq /* 16 bytes */,
    W_x /* 16 or 32 */,
    W_t /* 10 bytes */,
    W_p /* far pointer in memory */,
    W_s /* pseudo-descriptor */,
    W_any /* size is the function's business */,
};
enum {
    O_ = 0,
    O_Eb = OPND(AM_E, W_b),
    O_Ew = OPND(AM_E, W_w),
    O_Ed = OPND(AM_E, W_d),
    O_Eq = OPND(AM_E, W_q),
    O_Ev = OPND(AM_E, W_v),
    O_Ey = OPND(AM_E, W_y),
    O_Gb = OPND(AM_G, W_b),
    O_Gw = OPND(AM_G, W_w),
    O_Gd = OPND(AM_G, W_d),
    O_Gv = OPND(AM_G, W_v),
    O_Gy = OPND(AM_G, W_y),
    O_Gz = OPND(AM_G, W_z),
    O_Ib = OPND(AM_I, W_b),
    O_Iw = OPND(AM_I, W_w),
    O_Iz = OPND(AM_I, W_z),
    O_Iv = OPND(AM_I, W_v),
    O_sIb = OPND(AM_IS, W_b),
    O_M = OPND(AM_M, W_any),
    O_Mb = OPND(AM_M, W_b),
    O_Mw = OPND(AM_M, W_w),
    O_Md = OPND(AM_M, W_d),
    O_Mq = OPND(AM_M, W_q),
    O_Mv = OPND(AM_M, W_v),
    O_My = OPND(AM_M, W_y),
    O_Mz = OPND(AM_M, W_z),
    O_Mdq = OPND(AM_M, W_dq),
    O_Mx = OPND(AM_M, W_x),
    O_Mt = OPND(AM_M, W_t),
    O_Mp = OPND(AM_M, W_p),
    O_Ms = OPND(AM_M, W_s),
    O_Rd = OPND(AM_R, W_d),
    O_Rq = OPND(AM_R, W_q),
    O_Ry = OPND(AM_R, W_y),
    O_Rv = OPND(AM_R, W_v),
    O_Zb = OPND(AM_Z, W_b),
    O_Zv = OPND(AM_Z, W_v),
    O_Ap = OPND(AM_A, W_p),
    O_Jb = OPND(AM_J, W_b),
    O_Jz = OPND(AM_J, W_z),
    O_Ob = OPND(AM_O, W_b),
    O_Ov = OPND(AM_O, W_v),
    O_Sw = OPND(AM_S, W_w),
    O_Cd = OPND(AM_C, W_any),
    O_Dd = OPND(AM_D, W_any),
    /* fixed operands */
    O_AL = OPND(AM_FIX, W_b),
    O_rAX = OPND(AM_FIX, W_v),
    O_1 = OPND(AM_FIX, W_NONE),
    O_CL = OPND(AM_FIX, W_d),
    /* vector */
    O_V = OPND(AM_V, W_x),
    O_W = OPND(AM_W, W_x),
    O_Wd = OPND(AM_W, W_d),
    O_Wq = OPND(AM_W, W_q),
    O_Ww = OPND(AM_W, W_w),
    O_U = OPND(AM_U, W_x),
    O_P = OPND(AM_P, W_q),
    O_Q = OPND(AM_Q, W_q),
    O_Qd = OPND(AM_Q, W_d),
    O_N = OPND(AM_N, W_q),
    O_H = OPND(AM_H, W_x),
    O_B = OPND(AM_B, W_y),
    O_L = OPND(AM_L, W_x),
    O_STi = OPND(AM_STI, W_NONE),
    O_X = OPND(AM_X, W_any),
};

struct encoding {
    uint8_t map, opcode;
    uint16_t operation;
    uint32_t match;
    uint16_t opnd[4];
};
extern const struct encoding encodings[];
extern const unsigned num_encodings;

/* ---- the decoder ---- */
enum code_mode { CODE16, CODE32, CODE64 };

enum decode_result {
    DECODE_OK,
    DECODE_INVALID,  /* #UD: no such instruction; len is what was looked at */
    DECODE_MORE,     /* needs more bytes than given */
    DECODE_TOO_LONG, /* more than 15 bytes: #GP(0) */
};

/* Decodes one instruction from at most n bytes. Pure: looks at nothing else. On DECODE_OK all of
 * *i is set except fl_live, off, group. */
enum decode_result decode(const uint8_t *bytes, size_t n, enum code_mode mode, struct insn *i);
/* The encoding row that decode() chose, for tests and statistics. */
enum decode_result decode_row(const uint8_t *bytes, size_t n, enum code_mode mode, struct insn *i,
                              const struct encoding **row);

#endif
