/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shifts, rotates, double shifts, bit tests and scans. The count is masked to 5 bits (6 with a
 * 64-bit operand); a masked count of 0 changes nothing, flags included (SDM vol. 2B, SAL/SAR...).
 */
#include "cpu/x86/operand.h"

#define COUNT_MASK(s) ((s) == 64 ? 63u : 31u)

/* OF is defined for single-bit shifts; for longer ones it gets the value of the last step, as
 * processors do. */
static inline void set_shift_flags(struct cpu *cpu, int64_t res, bool cf, bool of)
{
    cpu->cc_res = res;
    cpu->cc_aux = (uint32_t)cf << AUX_CF | (uint32_t)(cf ^ of) << AUX_PO;
}

#define SHL(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        bool cf = count <= s && ((uint64_t)a >> (s - count) & 1);                                  \
        UINT(s) r = count < s ? (UINT(s))(a << count) : 0;                                         \
        set_shift_flags(cpu, (SINT(s))r, cf, cf ^ (r >> (s - 1)));                                 \
        return r;                                                                                  \
    }
#define SHR(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        bool cf = count <= s && ((uint64_t)a >> (count - 1) & 1);                                  \
        UINT(s) r = count < s ? (UINT(s))(a >> count) : 0;                                         \
        bool of = (r >> (s - 1) ^ r >> (s - 2)) & 1;                                               \
        set_shift_flags(cpu, (SINT(s))r, cf, of);                                                  \
        return r;                                                                                  \
    }
#define SAR(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        int64_t v = (SINT(s))a;                                                                    \
        bool cf = v >> (count - 1) & 1;                                                            \
        UINT(s) r = (UINT(s))(v >> count);                                                         \
        set_shift_flags(cpu, (SINT(s))r, cf, false);                                               \
        return r;                                                                                  \
    }
EACH_SIZE(SHL, shl)
EACH_SIZE(SHR, shr)
EACH_SIZE(SAR, sar)

/* Rotates change CF and OF only. */
static inline void set_rotate_flags(struct cpu *cpu, bool cf, bool of)
{
    flag_set_cf(cpu, cf);
    flag_set_of(cpu, of);
}
#define ROL(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        unsigned k = count & (s - 1);                                                              \
        UINT(s) r = (UINT(s))(a << k | a >> ((s - k) & (s - 1)));                                  \
        set_rotate_flags(cpu, r & 1, (r ^ r >> (s - 1)) & 1);                                      \
        return r;                                                                                  \
    }
#define ROR(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        unsigned k = count & (s - 1);                                                              \
        UINT(s) r = (UINT(s))(a >> k | a << ((s - k) & (s - 1)));                                  \
        set_rotate_flags(cpu, r >> (s - 1), (r >> (s - 1) ^ r >> (s - 2)) & 1);                    \
        return r;                                                                                  \
    }
/* Rotates through carry: of s + 1 bits. */
#define RCL(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        unsigned k = count % (s + 1);                                                              \
        if (k == 0)                                                                                \
            return a;                                                                              \
        UINT(s) cf = flag_cf(cpu);                                                                 \
        UINT(s)                                                                                    \
        r = (UINT(s))((k < s ? a << k : 0) | cf << (k - 1) | (k > 1 ? a >> (s + 1 - k) : 0));      \
        bool out = a >> (s - k) & 1;                                                               \
        set_rotate_flags(cpu, out, out ^ (r >> (s - 1)));                                          \
        return r;                                                                                  \
    }
#define RCR(n, s)                                                                                  \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned count)                         \
    {                                                                                              \
        unsigned k = count % (s + 1);                                                              \
        if (k == 0)                                                                                \
            return a;                                                                              \
        UINT(s) cf = flag_cf(cpu);                                                                 \
        UINT(s)                                                                                    \
        r = (UINT(s))((k < s ? a >> k : 0) | cf << (s - k) | (k > 1 ? a << (s + 1 - k) : 0));      \
        bool out = a >> (k - 1) & 1;                                                               \
        set_rotate_flags(cpu, out, (r >> (s - 1) ^ r >> (s - 2)) & 1);                             \
        return r;                                                                                  \
    }
EACH_SIZE(ROL, rol)
EACH_SIZE(ROR, ror)
EACH_SIZE(RCL, rcl)
EACH_SIZE(RCR, rcr)

#define SHIFT_REG(n, s, form, amount)                                                              \
    int op_##n##_r##form##s(struct cpu *cpu, const struct insn *i)                                 \
    {                                                                                              \
        unsigned count = (amount)&COUNT_MASK(s);                                                   \
        UINT(s) a = RD##s(i->reg);                                                                 \
        WR##s(i->reg, count ? n##s(cpu, a, count) : a);                                            \
        return OP_OK;                                                                              \
    }
#define SHIFT_MEM(n, s, form, amount)                                                              \
    int op_##n##_m##form##s(struct cpu *cpu, const struct insn *i)                                 \
    {                                                                                              \
        unsigned count = (amount)&COUNT_MASK(s);                                                   \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        if (count)                                                                                 \
            st_le##s(p, n##s(cpu, ld_le##s(p), count));                                            \
        mem_rmw_end(cpu, p);                                                                       \
        return OP_OK;                                                                              \
    }
#define SHIFT_FORMS(n, s)                                                                          \
    SHIFT_REG(n, s, i, (unsigned)i->imm)                                                           \
    SHIFT_MEM(n, s, i, (unsigned)i->imm)                                                           \
    SHIFT_REG(n, s, c, (unsigned)cpu->r[R_RCX])                                                    \
    SHIFT_MEM(n, s, c, (unsigned)cpu->r[R_RCX])
EACH_SIZE(SHIFT_FORMS, shl)
EACH_SIZE(SHIFT_FORMS, shr)
EACH_SIZE(SHIFT_FORMS, sar)
EACH_SIZE(SHIFT_FORMS, rol)
EACH_SIZE(SHIFT_FORMS, ror)
EACH_SIZE(SHIFT_FORMS, rcl)
EACH_SIZE(SHIFT_FORMS, rcr)

/* ---- SHLD, SHRD ---- */

/* With a 16-bit operand and a count above 16 the result is undefined; here the operand repeats, as
 * on AMD and Intel processors: dst:src:dst. */
#define DOUBLE_SHIFT(n, s)                                                                         \
    static inline UINT(s) shld##s(struct cpu *cpu, UINT(s) a, UINT(s) b, unsigned count)           \
    {                                                                                              \
        unsigned k = count;                                                                        \
        UINT(s) hi = a, lo = b;                                                                    \
        if (k > s) {                                                                               \
            hi = b;                                                                                \
            lo = a;                                                                                \
            k -= s;                                                                                \
        }                                                                                          \
        UINT(s) r = (UINT(s))(k == s ? lo : (hi << k | lo >> (s - k)));                            \
        bool cf = hi >> (s - k) & 1;                                                               \
        set_shift_flags(cpu, (SINT(s))r, cf, (r ^ a) >> (s - 1) & 1);                              \
        return r;                                                                                  \
    }                                                                                              \
    static inline UINT(s) shrd##s(struct cpu *cpu, UINT(s) a, UINT(s) b, unsigned count)           \
    {                                                                                              \
        unsigned k = count;                                                                        \
        UINT(s) lo = a, hi = b;                                                                    \
        if (k > s) {                                                                               \
            lo = b;                                                                                \
            hi = a;                                                                                \
            k -= s;                                                                                \
        }                                                                                          \
        UINT(s) r = (UINT(s))(k == s ? hi : (lo >> k | hi << (s - k)));                            \
        bool cf = lo >> (k - 1) & 1;                                                               \
        set_shift_flags(cpu, (SINT(s))r, cf, (r ^ a) >> (s - 1) & 1);                              \
        return r;                                                                                  \
    }
EACH_WIDE(DOUBLE_SHIFT, )

#define DOUBLE_SHIFT_FORMS(n, s, suffix, amount)                                                   \
    int op_##n##suffix##_rr##s(struct cpu *cpu, const struct insn *i)                              \
    {                                                                                              \
        unsigned count = (amount)&COUNT_MASK(s);                                                   \
        UINT(s) a = RD##s(i->reg);                                                                 \
        WR##s(i->reg, count ? n##s(cpu, a, RD##s(i->rm), count) : a);                              \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##suffix##_mr##s(struct cpu *cpu, const struct insn *i)                              \
    {                                                                                              \
        unsigned count = (amount)&COUNT_MASK(s);                                                   \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        if (count)                                                                                 \
            st_le##s(p, n##s(cpu, ld_le##s(p), RD##s(i->reg), count));                             \
        mem_rmw_end(cpu, p);                                                                       \
        return OP_OK;                                                                              \
    }
#define DOUBLE_SHIFT_BOTH(n, s)                                                                    \
    DOUBLE_SHIFT_FORMS(n, s, i, (unsigned)i->imm)                                                  \
    DOUBLE_SHIFT_FORMS(n, s, c, (unsigned)cpu->r[R_RCX])
EACH_WIDE(DOUBLE_SHIFT_BOTH, shld)
EACH_WIDE(DOUBLE_SHIFT_BOTH, shrd)

/* ---- BT, BTS, BTR, BTC ---- */

#define BIT_BODY(n, s, expr)                                                                       \
    static inline UINT(s) n##s(struct cpu *cpu, UINT(s) a, unsigned bit)                           \
    {                                                                                              \
        UINT(s) m = (UINT(s))((UINT(s))1 << bit);                                                  \
        flag_set_cf(cpu, a &m);                                                                    \
        return (UINT(s))(expr);                                                                    \
    }
#define BIT_BT(n, s)  BIT_BODY(n, s, a)
#define BIT_BTS(n, s) BIT_BODY(n, s, a | m)
#define BIT_BTR(n, s) BIT_BODY(n, s, a & ~m)
#define BIT_BTC(n, s) BIT_BODY(n, s, a ^ m)
EACH_WIDE(BIT_BT, bt)
EACH_WIDE(BIT_BTS, bts)
EACH_WIDE(BIT_BTR, btr)
EACH_WIDE(BIT_BTC, btc)

/* A bit offset in a register reaches beyond the operand: the string of bits starts at the
 * effective address (SDM vol. 2A, BT). The address wraps at the address size. */
static int bit_string(struct cpu *cpu, const struct insn *i, int64_t bit, unsigned width,
                      enum mem_access acc, uint64_t *lin)
{
    int64_t unit = bit >> __builtin_ctz(width);
    uint64_t ea = insn_ea(cpu, i) + (uint64_t)unit * (width / 8);
    ea &= ~0ull >> (64 - 8 * insn_asize(i));
    return seg_linear(cpu, i->seg, ea, width / 8, acc, lin);
}

#define BIT_REG_FORMS(n, s)                                                                        \
    int op_##n##_rr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        WR##s(i->reg, n##s(cpu, RD##s(i->reg), RD##s(i->rm) & (s - 1)));                           \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_ri##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        WR##s(i->reg, n##s(cpu, RD##s(i->reg), i->imm &(s - 1)));                                  \
        return OP_OK;                                                                              \
    }
#define BIT_MEM_FORMS(n, s)                                                                        \
    int op_##n##_mr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        uint64_t lin;                                                                              \
        int64_t bit = (SINT(s))RD##s(i->reg);                                                      \
        if (bit_string(cpu, i, bit, s, ACCESS_STORE, &lin))                                        \
            return OP_FAULT;                                                                       \
        void *p = lin_rmw(cpu, lin, s / 8, i->flags & INSN_LOCK);                                  \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do                                                                                         \
            st_le##s(p, n##s(cpu, ld_le##s(p), bit &(s - 1)));                                     \
        while (!mem_rmw_end(cpu, p));                                                              \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_mi##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        void *p = mem_rmw(cpu, i, s / 8);                                                          \
        if (unlikely(!p))                                                                          \
            return OP_FAULT;                                                                       \
        do                                                                                         \
            st_le##s(p, n##s(cpu, ld_le##s(p), i->imm &(s - 1)));                                  \
        while (!mem_rmw_end(cpu, p));                                                              \
        return OP_OK;                                                                              \
    }
#define BT_MEM_FORMS(n, s)                                                                         \
    int op_bt_mr##s(struct cpu *cpu, const struct insn *i)                                         \
    {                                                                                              \
        uint64_t lin;                                                                              \
        int64_t bit = (SINT(s))RD##s(i->reg);                                                      \
        UINT(s) a;                                                                                 \
        if (bit_string(cpu, i, bit, s, ACCESS_LOAD, &lin) || lin_load##s(cpu, lin, &a))            \
            return OP_FAULT;                                                                       \
        bt##s(cpu, a, bit &(s - 1));                                                               \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_bt_mi##s(struct cpu *cpu, const struct insn *i)                                         \
    {                                                                                              \
        UINT(s) a;                                                                                 \
        if (mem_load##s(cpu, i, &a))                                                               \
            return OP_FAULT;                                                                       \
        bt##s(cpu, a, i->imm &(s - 1));                                                            \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_bt_rr##s(struct cpu *cpu, const struct insn *i)                                         \
    {                                                                                              \
        bt##s(cpu, RD##s(i->reg), RD##s(i->rm) & (s - 1));                                         \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_bt_ri##s(struct cpu *cpu, const struct insn *i)                                         \
    {                                                                                              \
        bt##s(cpu, RD##s(i->reg), i->imm &(s - 1));                                                \
        return OP_OK;                                                                              \
    }
EACH_WIDE(BT_MEM_FORMS, bt)
EACH_WIDE(BIT_REG_FORMS, bts)
EACH_WIDE(BIT_REG_FORMS, btr)
EACH_WIDE(BIT_REG_FORMS, btc)
EACH_WIDE(BIT_MEM_FORMS, bts)
EACH_WIDE(BIT_MEM_FORMS, btr)
EACH_WIDE(BIT_MEM_FORMS, btc)

/* ---- scans and counts ---- */

static inline unsigned low_bit(uint64_t v)
{
    return (unsigned)__builtin_ctzll(v);
}
static inline unsigned high_bit(uint64_t v)
{
    return 63 - (unsigned)__builtin_clzll(v);
}

/* A zero source leaves the destination unchanged (SDM: undefined; every processor does this, and
 * the 32-bit form leaves the upper half alone too on AMD and Intel). */
#define SCAN(n, s, find)                                                                           \
    static inline void n##s(struct cpu *cpu, const struct insn *i, UINT(s) src)                    \
    {                                                                                              \
        if (src)                                                                                   \
            WR##s(i->reg, find(src));                                                              \
        uint32_t image = flags_image(cpu) & ~EFLAGS_ZF;                                            \
        flags_set_image(cpu, image | (src ? 0 : EFLAGS_ZF));                                       \
    }                                                                                              \
    int op_##n##_rr##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        n##s(cpu, i, RD##s(i->rm));                                                                \
        return OP_OK;                                                                              \
    }                                                                                              \
    int op_##n##_rm##s(struct cpu *cpu, const struct insn *i)                                      \
    {                                                                                              \
        UINT(s) src;                                                                               \
        if (mem_load##s(cpu, i, &src))                                                             \
            return OP_FAULT;                                                                       \
        n##s(cpu, i, src);                                                                         \
        return OP_OK;                                                                              \
    }
#define SCAN_BSF(n, s) SCAN(n, s, low_bit)
#define SCAN_BSR(n, s) SCAN(n, s, high_bit)
EACH_WIDE(SCAN_BSF, bsf)
EACH_WIDE(SCAN_BSR, bsr)

static inline void set_count_flags(struct cpu *cpu, unsigned result, bool cf)
{
    flags_set_image(cpu, (cf ? EFLAGS_CF : 0) | (result ? 0 : EFLAGS_ZF));
}
#define COUNTS(unused, s)                                                                          \
    static inline UINT(s) tzcnt##s(struct cpu *cpu, const struct insn *i, UINT(s) old, UINT(s) v)  \
    {                                                                                              \
        (void)i, (void)old;                                                                        \
        unsigned r = v ? low_bit(v) : s;                                                           \
        set_count_flags(cpu, r, !v);                                                               \
        return (UINT(s))r;                                                                         \
    }                                                                                              \
    static inline UINT(s) lzcnt##s(struct cpu *cpu, const struct insn *i, UINT(s) old, UINT(s) v)  \
    {                                                                                              \
        (void)i, (void)old;                                                                        \
        unsigned r = v ? s - 1 - high_bit(v) : s;                                                  \
        set_count_flags(cpu, r, !v);                                                               \
        return (UINT(s))r;                                                                         \
    }                                                                                              \
    static inline UINT(s) popcnt##s(struct cpu *cpu, const struct insn *i, UINT(s) old, UINT(s) v) \
    {                                                                                              \
        (void)i, (void)old;                                                                        \
        flags_set_image(cpu, v ? 0 : EFLAGS_ZF);                                                   \
        return (UINT(s))__builtin_popcountll(v);                                                   \
    }
EACH_WIDE(COUNTS, )
EACH_WIDE(LOAD_FORMS, tzcnt)
EACH_WIDE(LOAD_FORMS, lzcnt)
EACH_WIDE(LOAD_FORMS, popcnt)

/* ADCX and ADOX: add with one flag only (SDM vol. 2A). */
#define ADX(unused, s)                                                                             \
    static inline UINT(s) adcx##s(struct cpu *cpu, const struct insn *i, UINT(s) a, UINT(s) b)     \
    {                                                                                              \
        (void)i;                                                                                   \
        UINT(s) r = (UINT(s))(a + b + flag_cf(cpu));                                               \
        flag_set_cf(cpu, carries_add(a, b, r) >> (s - 1) & 1);                                     \
        return r;                                                                                  \
    }                                                                                              \
    static inline UINT(s) adox##s(struct cpu *cpu, const struct insn *i, UINT(s) a, UINT(s) b)     \
    {                                                                                              \
        (void)i;                                                                                   \
        UINT(s) r = (UINT(s))(a + b + flag_of(cpu));                                               \
        flag_set_of(cpu, carries_add(a, b, r) >> (s - 1) & 1);                                     \
        return r;                                                                                  \
    }
EACH_WIDE(ADX, )
EACH_WIDE(LOAD_FORMS, adcx)
EACH_WIDE(LOAD_FORMS, adox)
