/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes random cases from the rows of the instruction table. */
#include "tests/diff/gen.h"
#include "tests/diff/explain.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/x86/cpuid.h"

uint64_t rng_next(struct rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* ---- which rows ---- */

enum { EAX_, EBX_, ECX_, EDX_ };
#define EAX EAX_
#define EBX EBX_
#define ECX ECX_
#define EDX EDX_

bool host_has_feature(unsigned feature)
{
#define FEATURE(name, leaf, subleaf, reg, bit, text) [F_##name] = {leaf, subleaf, reg, bit},
    static const struct {
        uint32_t leaf, subleaf;
        uint8_t reg, bit;
    } where[NUM_FEATURES] = {
#include "cpu/x86/cpuid_features.def"
    };
#undef FEATURE
    uint32_t out[4];
    if (feature == F_NONE)
        return true;
    if (!__get_cpuid_count(where[feature].leaf, where[feature].subleaf, &out[0], &out[1], &out[2],
                           &out[3]))
        return false;
    return out[where[feature].reg] >> where[feature].bit & 1;
}

/* P_NOTEST operations whose outcome is the same on both sides all the same: they fault at CPL 3, or
 * it is made so. */
static const uint16_t comparable[] = {OPN_in,       OPN_out,     OPN_iret,     OPN_int,
                                      OPN_into,     OPN_rsm,     OPN_rdfsbase, OPN_rdgsbase,
                                      OPN_wrfsbase, OPN_wrgsbase};

/* Why the others are not compared, where there is more to say. */
static const struct {
    uint16_t operation;
    const char *reason;
} excluded[] = {
    {OPN_sgdt, "the host's kernel emulates it (UMIP)"},
    {OPN_sidt, "the host's kernel emulates it (UMIP)"},
    {OPN_sldt, "the host's kernel emulates it (UMIP)"},
    {OPN_str, "the host's kernel emulates it (UMIP)"},
    {OPN_smsw, "the host's kernel emulates it (UMIP)"},
    {OPN_int3, "it ends a case"},
    {OPN_int1, "hypervisors intercept #DB, and RIP is theirs (APM vol. 2 15.12.2)"},
    {OPN_syscall, "a system call of the host"},
    {OPN_sysenter, "a system call of the host"},
    {OPN_sysexit, "AMD's processors do not have it in long mode (APM vol. 3, SYSEXIT)"},
    {OPN_too_long, "no instruction"},
};

static const char *operation_reason(unsigned operation)
{
    for (size_t k = 0; k < sizeof(excluded) / sizeof(excluded[0]); k++)
        if (excluded[k].operation == operation)
            return excluded[k].reason;
    for (size_t k = 0; k < sizeof(comparable) / sizeof(comparable[0]); k++)
        if (comparable[k] == operation)
            return NULL;
    return operations[operation].props & P_NOTEST
               ? "its result or effect belongs to the host's system (P_NOTEST)"
               : NULL;
}

/* Why a row is not tried in a mode; NULL if it is. */
static const char *row_reason(const struct gen *g, const struct encoding *e,
                              const struct cpu_model *model, unsigned mode)
{
    const struct operation_info *o = &operations[e->operation];
    if (mode == DIFF_64 && e->match & M_N64)
        return "not in 64-bit mode";
    if (mode == DIFF_64 && e->match & M_A16)
        return "16-bit addresses are not in 64-bit mode";
    bool rexw = e->map < MAP_V0F && e->match & M_W1;
    bool rexb = e->map == MAP_1 && e->opcode == 0x90 && e->operation == OPN_xchg; /* else NOP */
    if (mode != DIFF_64 && (e->match & (M_64 | M_A64 | M_O64) || rexw || rexb))
        return "64-bit mode only";
    if (g->engines)
        return e->operation == OPN_int3 ? "it ends a case" : NULL;
    /* SDM vol. 2B, SYSRET: #UD outside 64-bit mode; APM vol. 3: #GP above CPL 0. */
    if (mode != DIFF_64 && e->operation == OPN_sysret)
        return "Intel's and AMD's processors differ";
    if (!host_has_feature(o->cpuid))
        return "the host's processor does not have it";
    if (o->cpuid != F_NONE && !model_has(model, o->cpuid))
        return "Calque does not offer the feature yet";
    return operation_reason(e->operation);
}

static bool init_rows(struct gen *gen, const struct cpu_model *model, unsigned mode,
                      const char *only)
{
    struct gen_rows *g = &gen->mode[mode];
    g->rows = calloc(num_encodings, sizeof(*g->rows));
    g->reason = calloc(num_encodings, sizeof(*g->reason));
    if (!g->rows || !g->reason)
        return false;
    for (unsigned k = 0; k < num_encodings; k++) {
        const char *name = operations[encodings[k].operation].name;
        g->reason[k] = row_reason(gen, &encodings[k], model, mode);
        if (!g->reason[k] && only && strcmp(only, name))
            g->reason[k] = "not asked for (--only)";
        if (!g->reason[k])
            g->rows[g->nrows++] = k;
    }
    return true;
}

bool gen_init(struct gen *g, uint64_t seed, const char *only)
{
    struct cpu_model model;
    if (!cpu_model_parse(&model, "max", NULL))
        return false;
    g->seed = seed;
    for (unsigned m = 0; m < DIFF_MODES; m++) {
        if (g->modes >> m & 1 && !init_rows(g, &model, m, only))
            return false;
        if (!g->mode[m].nrows)
            g->modes &= ~(1u << m);
    }
    return true;
}

void gen_free(struct gen *g)
{
    for (unsigned m = 0; m < DIFF_MODES; m++) {
        free(g->mode[m].rows);
        free(g->mode[m].reason);
    }
}

unsigned gen_mode(const struct gen *g, uint64_t number)
{
    unsigned turn = (unsigned)(number / DIFF_BATCH % (unsigned)__builtin_popcount(g->modes));
    for (unsigned m = 0;; m++)
        if (g->modes >> m & 1 && turn-- == 0)
            return m;
}

/* ---- values ---- */

/* A number likely to meet a border of something. */
static uint64_t interesting(struct rng *r)
{
    static const uint64_t values[] = {
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        INT64_MAX,
        (uint64_t)INT64_MIN,
        UINT64_MAX,
        0x100,
        0x10000,
        1ull << 32,
        0x1f,
        0x20,
        0x3f,
        0x40,
        0x0f,
        0x99,
        0x5555555555555555ull,
    };
    uint64_t v = values[below(r, sizeof(values) / sizeof(values[0]))];
    switch (below(r, 4)) {
    case 0:
        return -v;
    case 1:
        return v + below(r, 5) - 2;
    default:
        return v;
    }
}

static uint64_t any_value(struct rng *r)
{
    switch (below(r, 8)) {
    case 0:
    case 1:
        return interesting(r);
    case 2:
        return (uint32_t)rng_next(r);
    case 3:
        return (uint64_t)(int64_t)(int8_t)rng_next(r);
    case 4:
        return rng_next(r) >> below(r, 64);
    default:
        return rng_next(r);
    }
}

/* An address in or near the data area. */
static uint64_t data_address(struct rng *r)
{
    const uint64_t end = DIFF_DATA + DIFF_RW, ro_end = end + DIFF_RO;
    unsigned k = below(r, 64);
    if (k < 26)
        return DIFF_DATA + 512 + (below(r, DIFF_RW - 1024) & ~15u);
    if (k < 46)
        return DIFF_DATA + 512 + below(r, DIFF_RW - 1024);
    if (k < 52)
        return DIFF_DATA + 4096 - 16 + below(r, 24); /* between two good pages */
    if (k < 55)
        return end - 16 + below(r, 24); /* the second page is read-only */
    if (k < 58)
        return end + below(r, DIFF_RO);
    if (k < 60)
        return ro_end - 16 + below(r, 24); /* the second page is missing */
    if (k < 62)
        return DIFF_DATA - 16 + below(r, 24); /* the first page is missing */
    return DIFF_DATA - 64 - below(r, 2000);
}

/* A floating-point number of 4, 8 or 10 bytes, often a special one. */
static void put_float(struct rng *r, uint8_t *p, unsigned size)
{
    uint64_t m = one_in(r, 3) ? rng_next(r) & rng_next(r) << 40 : rng_next(r);
    bool sign = one_in(r, 2);
    unsigned kind = below(r, 16), ebits = size == 4 ? 8 : size == 8 ? 11 : 15;
    unsigned emax = (1u << ebits) - 1, exp;
    switch (kind) {
    case 0: /* zero */
        m = exp = 0;
        break;
    case 1: /* denormal */
        exp = 0;
        break;
    case 2: /* infinity */
        exp = emax, m = 0;
        break;
    case 3: /* NaN */
        exp = emax;
        break;
    case 4: /* an integer */
        exp = emax / 2 + below(r, 20), m &= ~0ull << 44;
        break;
    case 5:
        exp = below(r, emax);
        break;
    default:
        exp = emax / 2 - 35 + below(r, 70);
        break;
    }
    if (size == 4) {
        st_le32(p, (uint32_t)sign << 31 | exp << 23 | (uint32_t)(m >> 41));
    } else if (size == 8) {
        st_le64(p, (uint64_t)sign << 63 | (uint64_t)exp << 52 | m >> 12);
    } else {
        /* The integer bit is explicit; now and then an unsupported encoding. */
        uint64_t j = exp ? 1ull << 63 : 0;
        st_le64(p, one_in(r, 24) ? rng_next(r) : j | (kind == 0 ? 0 : m >> 1));
        st_le16(p + 8, (uint16_t)(sign << 15 | exp));
    }
}

static void fill_pool(struct rng *r, uint8_t *p, unsigned len, unsigned flavour)
{
    for (unsigned k = 0; k < len; k += 8) {
        switch (flavour % 8) {
        case 0:
        case 1:
            st_le64(p + k, any_value(r));
            break;
        case 2:
            put_float(r, p + k, 4);
            put_float(r, p + k + 4, 4);
            break;
        case 3:
            put_float(r, p + k, 8);
            break;
        case 4: /* 80-bit numbers, 16 bytes apart */
            if (k & 8) {
                st_le64(p + k, 0);
                put_float(r, p + k - 8, 10);
            }
            break;
        case 5:
            st_le64(p + k, rng_next(r) & 0x0101010101010101ull);
            break;
        case 6: /* packed decimal now and then */
            for (unsigned j = 0; j < 8; j++)
                p[k + j] = (uint8_t)(below(r, 10) << 4 | below(r, 10));
            break;
        default:
            st_le64(p + k, rng_next(r));
            break;
        }
    }
}

void gen_pools(const struct gen *g, struct diff_shared *s)
{
    struct rng r = {g->seed ^ 0x706f6f6c73ull};
    for (unsigned k = 0; k < DIFF_POOLS; k++)
        fill_pool(&r, s->pools[k], DIFF_RW, k);
    for (unsigned k = 0; k < DIFF_RO; k += 512)
        fill_pool(&r, s->readonly + k, 512, k / 512);
}

/* FXSAVE image: control words, x87 and XMM registers (SDM vol. 1 10.5.1). */
static void random_fx(struct rng *r, uint8_t *fx)
{
    uint16_t fcw = 0x037f, fsw = (uint16_t)(below(r, 8) << 11);
    uint32_t mxcsr = 0x1f80;
    uint8_t ftw = one_in(r, 3) ? 0xff : one_in(r, 2) ? 0 : (uint8_t)rng_next(r);
    memset(fx, 0, 512);
    if (one_in(r, 2))
        fcw = (uint16_t)((rng_next(r) & 0x0f00) | 0x7f);
    if (one_in(r, 8))
        fcw &= (uint16_t)(0xffc0 | rng_next(r));
    if (one_in(r, 2))
        fsw |= rng_next(r) & 0x4700;
    if (one_in(r, 4))
        mxcsr = (uint32_t)(rng_next(r) & 0xffff) | 0x1f80;
    if (one_in(r, 16))
        mxcsr = (uint32_t)(rng_next(r) & 0xffff);
    st_le16(fx, fcw);
    st_le16(fx + 2, fsw);
    fx[4] = ftw;
    st_le32(fx + 24, mxcsr);
    for (unsigned k = 0; k < 8; k++) {
        put_float(r, fx + 32 + 16 * k, 10);
        if (one_in(r, 6)) { /* an MMX value */
            st_le64(fx + 32 + 16 * k, any_value(r));
            st_le16(fx + 40 + 16 * k, 0xffff);
        }
    }
    for (unsigned k = 0; k < 16; k++)
        fill_pool(r, fx + 160 + 16 * k, 16, below(r, 8));
}

/* The upper halves often are of the lower halves' kind: the same number again. */
static void random_ymm(struct rng *r, struct diff_state *s)
{
    unsigned kind = below(r, 8);
    for (unsigned k = 0; k < 16; k++) {
        if (kind == 7)
            memset(s->ymmh[k], 0, 16);
        else if (one_in(r, 6))
            memcpy(s->ymmh[k], s->fx + 160 + 16 * k, 16);
        else
            fill_pool(r, s->ymmh[k], 16, kind == 0 ? below(r, 8) : kind);
    }
}

/* A linear address that SS:RSP may have. */
static uint64_t stack_address(struct rng *r)
{
    return one_in(r, 4) ? data_address(r) : DIFF_DATA + 1024 + (below(r, DIFF_RW - 2048) & ~7u);
}

static void random_state(struct rng *r, struct diff_case *c)
{
    struct diff_state *s = &c->in;
    uint64_t ss = segment_base_of(c, SEG_SS);
    for (unsigned k = 0; k < 16; k++)
        s->gpr[k] = one_in(r, 6) ? data_address(r) : any_value(r);
    s->gpr[R_RSP] = stack_address(r) - ss;
    s->gpr[R_RBP] = one_in(r, 2) ? data_address(r) - ss : s->gpr[R_RBP];
    if (c->mode != DIFF_64 && !diff_is_big(s->sel[SEG_SS])) {
        if (one_in(r, 24))
            s->gpr[R_RSP] = below(r, 10); /* it wraps */
        s->gpr[R_RSP] = (uint16_t)s->gpr[R_RSP] | (one_in(r, 2) ? rng_next(r) << 16 : 0);
    }
    for (unsigned k = 0; k < 16 && c->mode != DIFF_64; k++)
        s->gpr[k] = (uint32_t)s->gpr[k];
    s->rflags = 0x202 | (rng_next(r) & 0x8d5) | (one_in(r, 4) ? 0x400 : 0);
    s->rflags |= (one_in(r, 24) ? 0x40000 : 0) | (one_in(r, 40) ? 0x100 : 0);
    random_fx(r, s->fx);
    random_ymm(r, s);
}

/* ---- bytes ---- */

struct builder {
    uint8_t b[32];
    unsigned n;
    unsigned disp_at, disp_size; /* where the displacement is; size 0: none */
    unsigned imm_at;
    bool rip_relative;
    unsigned osize, asize;
    uint8_t mode, prefix;
};

static unsigned method_of(unsigned operand)
{
    return operand >> 4;
}

static bool has_modrm(const struct encoding *e)
{
    if (e->match & (M_MODR | M_MODM | M_REG_ | M_RM_ | M_MODRM))
        return true;
    for (unsigned k = 0; k < 4; k++) {
        switch (method_of(e->opnd[k])) {
        case AM_E:
        case AM_G:
        case AM_M:
        case AM_R:
        case AM_S:
        case AM_C:
        case AM_D:
        case AM_V:
        case AM_W:
        case AM_U:
        case AM_P:
        case AM_Q:
        case AM_N:
        case AM_STI:
        case AM_X:
            return true;
        default:
            break;
        }
    }
    return false;
}

static void put(struct builder *b, unsigned byte)
{
    b->b[b->n++] = (uint8_t)byte;
}

static void put_value(struct builder *b, uint64_t v, unsigned size)
{
    for (unsigned k = 0; k < size; k++)
        put(b, (uint8_t)(v >> 8 * k));
}

/* Legacy prefixes in random order. */
static void put_prefixes(struct builder *b, struct rng *r, const struct encoding *e)
{
    const struct operation_info *o = &operations[e->operation];
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65};
    unsigned pfx = e->map >= MAP_V0F ? M_NP : e->match & M_PFX_MASK, want = 0;
    uint8_t list[8];
    unsigned n = 0;
    unsigned other = b->mode == DIFF_16 ? M_O32 : M_O16, own = (M_O16 | M_O32 | M_O64) & ~other;
    if (pfx == M_66 || (e->match & other))
        want |= PFX_66;
    /* AMD takes 66 with a near branch in 64-bit mode as a 16-bit branch, Intel ignores it (SDM
     * vol. 2A, JMP; APM vol. 3, JMP near): not compared. */
    else if (pfx != M_NP && !(o->props & P_F64 && b->mode == DIFF_64) && !(e->match & own) &&
             one_in(r, 4))
        want |= PFX_66;
    if (pfx == M_F3)
        want |= PFX_F3;
    if (pfx == M_F2)
        want |= PFX_F2;
    if (o->props & P_REP)
        want |= one_in(r, 2) ? 0 : one_in(r, 2) ? PFX_F3 : PFX_F2;
    unsigned own_address = b->mode == DIFF_16 ? M_A16 : b->mode == DIFF_32 ? M_A32 : M_A64;
    unsigned addresses = e->match & (M_A16 | M_A32 | M_A64);
    if (addresses ? addresses != own_address : one_in(r, b->mode == DIFF_64 ? 10 : 6))
        want |= PFX_67;
    if (one_in(r, 10))
        want |= PFX_SEG;
    if (one_in(r, o->props & P_LOCK ? 5 : 250)) /* seldom where it is invalid: #UD */
        want |= PFX_LOCK;
    if (want & PFX_66)
        list[n++] = 0x66;
    if (want & PFX_67)
        list[n++] = 0x67;
    if (want & PFX_LOCK)
        list[n++] = 0xf0;
    if (want & PFX_SEG)
        list[n++] = segments[below(r, sizeof(segments))];
    if (want & PFX_F3)
        list[n++] = 0xf3;
    if (want & PFX_F2)
        list[n++] = 0xf2;
    for (unsigned k = n; k > 1; k--) {
        unsigned j = below(r, k);
        uint8_t t = list[j];
        list[j] = list[k - 1];
        list[k - 1] = t;
    }
    for (unsigned k = 0; k < n; k++)
        put(b, list[k]);
    b->prefix = (uint8_t)want;
}

/* Operand and address size that come of the mode and the prefixes. */
static void set_sizes(struct builder *b, bool w)
{
    bool p66 = b->prefix & PFX_66, p67 = b->prefix & PFX_67;
    b->osize = w ? 8 : p66 == (b->mode == DIFF_16) ? 4 : 2;
    b->asize = b->mode == DIFF_64 ? (p67 ? 4 : 8) : p67 == (b->mode == DIFF_16) ? 4 : 2;
}

static void put_rex(struct builder *b, struct rng *r, const struct encoding *e)
{
    unsigned rex = 0;
    set_sizes(b, false);
    if (b->mode != DIFF_64)
        return;
    if (one_in(r, 2))
        rex = 0x40 | (unsigned)(rng_next(r) & 15);
    /* Far pointers with a 64-bit offset are Intel's only (APM vol. 3, LFS, JMP far, CALL far). */
    for (unsigned k = 0; k < 4; k++)
        if (e->opnd[k] == O_Mp)
            rex &= ~8u;
    if (e->match & M_W1 || e->match & M_O64)
        rex |= 0x48;
    if ((e->match & (M_W0 | M_O32 | M_O16)))
        rex &= ~8u;
    if (e->match & M_NREXB)
        rex &= ~1u;
    if (rex) {
        put(b, rex);
        b->prefix |= PFX_REX;
    }
    set_sizes(b, rex & 8);
}

/* VEX (SDM vol. 2A 2.3.5), in two bytes where that is possible, now and then. What the row leaves
 * open is random. */
static void put_vex(struct builder *b, struct rng *r, const struct encoding *e)
{
    static const uint8_t pp[8] = {[M_66] = 1, [M_F3] = 2, [M_F2] = 3};
    unsigned bits = (unsigned)rng_next(r), vvvv = 15, rxb = bits & 7;
    unsigned l = e->match & M_L1 ? 1 : e->match & M_L0 ? 0 : bits >> 3 & 1;
    unsigned w = e->match & M_W1 ? 1 : e->match & M_W0 ? 0 : bits >> 4 & 1;
    for (unsigned k = 0; k < 4; k++)
        if (method_of(e->opnd[k]) == AM_H || method_of(e->opnd[k]) == AM_B)
            vvvv = bits >> 5 & 15;
    if (b->mode !=
        DIFF_64) { /* R, X and the register's upper bit distinguish it from LES and LDS */
        rxb = 7;
        vvvv |= 8;
        /* W there is ignored (SDM vol. 2B, PEXTRD; vol. 2B, PINSRD), or invalid for AMD. */
        if (e->operation == OPN_vpextrd || e->operation == OPN_vpinsrd)
            w = 0;
    }
    unsigned last = vvvv << 3 | l << 2 | pp[e->match & M_PFX_MASK];
    if (e->map == MAP_V0F && !w && (rxb & 3) == 3 && bits >> 9 & 1) {
        put(b, 0xc5);
        put(b, (rxb & 4) << 5 | last);
    } else {
        put(b, 0xc4);
        put(b, rxb << 5 | (e->map - MAP_V0F + 1u));
        put(b, w << 7 | last);
    }
    set_sizes(b, false);
    b->osize = w && b->mode == DIFF_64 ? 8 : 4;
}

static void put_disp(struct builder *b, struct rng *r, unsigned size)
{
    b->disp_size = size;
    b->disp_at = b->n;
    put_value(b, size == 4 && one_in(r, 2) ? rng_next(r) & 0xffff : rng_next(r), size);
}

static void put_modrm(struct builder *b, struct rng *r, const struct encoding *e)
{
    bool memory = one_in(r, 2), reg_only = e->match & M_MODR, mem_only = e->match & M_MODM;
    unsigned mod, reg = below(r, 8), rm = below(r, 8);
    for (unsigned k = 0; k < 4; k++) {
        unsigned am = method_of(e->opnd[k]);
        reg_only |= am == AM_R || am == AM_U || am == AM_N || am == AM_STI;
        mem_only |= am == AM_M || am == AM_X;
        rm = am == AM_X ? 4 : rm;
    }
    memory = mem_only || (memory && !reg_only);
    if (e->match & M_REG_)
        reg = e->match >> 8 & 7;
    if (e->match & M_RM_)
        rm = e->match >> 12 & 7;
    mod = memory ? below(r, 3) : 3;
    put(b, mod << 6 | reg << 3 | rm);
    if (!memory)
        return;
    if (b->asize == 2) {
        put_disp(b, r, mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
        return;
    }
    unsigned base = rm;
    if (rm == 4) {
        unsigned sib = (unsigned)(rng_next(r) & 0xff);
        put(b, sib);
        base = sib & 7;
    }
    b->rip_relative = b->mode == DIFF_64 && mod == 0 && rm == 5;
    put_disp(b, r, mod == 1 ? 1 : mod == 2 || (mod == 0 && base == 5) ? 4 : 0);
}

static unsigned imm_size(const struct builder *b, unsigned operand, bool d64)
{
    unsigned w = operand & 15;
    switch (method_of(operand)) {
    case AM_I:
    case AM_IS:
    case AM_J:
        if (method_of(operand) == AM_J && w == W_z && b->mode == DIFF_64)
            return 4;
        if (w == W_b)
            return 1;
        if (w == W_w)
            return 2;
        if (w == W_v && !d64)
            return b->osize;
        return b->osize == 2 ? 2 : 4;
    case AM_A:
        return b->osize + 2;
    case AM_O:
        return b->asize;
    case AM_L:
        return 1;
    default:
        return 0;
    }
}

/* Writes one row's bytes at b. */
static void build(struct builder *b, struct rng *r, const struct encoding *e, unsigned mode)
{
    const struct operation_info *o = &operations[e->operation];
    *b = (struct builder){.mode = (uint8_t)mode};
    put_prefixes(b, r, e);
    if (e->map >= MAP_V0F)
        put_vex(b, r, e);
    else
        put_rex(b, r, e);
    if (e->map != MAP_1 && e->map < MAP_V0F)
        put(b, 0x0f);
    if (e->map == MAP_0F38)
        put(b, 0x38);
    if (e->map == MAP_0F3A)
        put(b, 0x3a);
    put(b, e->opcode);
    if (has_modrm(e))
        put_modrm(b, r, e);
    b->imm_at = b->n;
    for (unsigned k = 0; k < 4; k++) {
        unsigned size = imm_size(b, e->opnd[k], o->props & P_D64);
        put_value(b, any_value(r), size);
    }
}

/* ---- registers and memory that suit the instruction ---- */

struct assembly {
    struct diff_case *c;
    struct rng *r;
    unsigned at; /* offset of the instruction in the slot */
    bool ldt, engines;
};

static void add_patch(struct diff_case *c, uint64_t addr, uint64_t value, unsigned len)
{
    uint64_t off = addr - DIFF_DATA;
    if (off > DIFF_RW - len || c->npatches == 6)
        return;
    struct diff_patch *p = &c->patches[c->npatches++];
    p->off = (uint16_t)off;
    p->len = (uint16_t)len;
    st_le64(p->bytes, value);
}

static uint64_t segment_base(const struct diff_case *c, const struct insn *i)
{
    return i->flags & INSN_MEM ? segment_base_of(c, i->seg) : 0;
}

/* A linear address for an operand in a segment: in the data pages, or near the limit. */
static uint64_t operand_address(struct assembly *a, unsigned seg)
{
    const struct diff_case *c = a->c;
    if (c->mode == DIFF_64 || seg >= SEG_NONE || !one_in(a->r, 6))
        return data_address(a->r);
    uint16_t sel = c->in.sel[seg];
    if (selector_limit(sel) == UINT32_MAX && !one_in(a->r, 64))
        return data_address(a->r);
    return (uint32_t)(selector_base(sel) + selector_limit(sel) - 18 + below(a->r, 24));
}

static uint64_t asize_mask(const struct insn *i)
{
    return ~0ull >> (64 - 8 * insn_asize(i));
}

/* A register's part that counts in an address becomes v. */
static void set_address(struct diff_case *c, const struct insn *i, unsigned n, uint64_t v)
{
    uint64_t mask = asize_mask(i), keep = insn_asize(i) == 2 ? c->in.gpr[n] & ~mask : 0;
    c->in.gpr[n] = keep | (v & mask);
}

/* Solves base + (index << scale) + disp = want for the registers, or patches the displacement.
 * Returns the linear address that came out. */
static uint64_t aim(struct assembly *a, const struct builder *b, const struct insn *i,
                    uint64_t target)
{
    struct diff_case *c = a->c;
    uint64_t *gpr = c->in.gpr, want = target - segment_base(c, i);
    uint8_t *disp = c->code + a->at + b->disp_at;
    if (i->base == R_RIP) {
        st_le32(disp, (uint32_t)(want - (c->slot + a->at + i->len)));
        return target;
    }
    uint64_t d = b->disp_size == 4   ? (uint64_t)(int32_t)ld_le32(disp)
                 : b->disp_size == 2 ? (uint64_t)(int16_t)ld_le16(disp)
                 : b->disp_size == 1 ? (uint64_t)(int8_t)*disp
                                     : 0;
    if (i->base == R_ZERO && i->index == R_ZERO) {
        if (b->disp_size == 4)
            st_le32(disp, (uint32_t)want);
        else if (b->disp_size == 2)
            st_le16(disp, (uint16_t)want);
        return target;
    }
    if (i->base == R_ZERO) {
        set_address(c, i, i->index, (want - d) >> i->scale);
        return target - ((want - d) & ((1u << i->scale) - 1));
    }
    if (i->index == R_ZERO) {
        set_address(c, i, i->base, want - d);
        return target;
    }
    if (i->base == i->index) {
        set_address(c, i, i->base, (want - d) / (1 + (1u << i->scale)));
        return target - (want - d) % (1 + (1u << i->scale));
    }
    if (!one_in(a->r, 3))
        gpr[i->index] = (uint64_t)(int64_t)(int16_t)rng_next(a->r);
    set_address(c, i, i->base, want - d - (gpr[i->index] << i->scale));
    return target;
}

/* An address behind the code, filled with INT3; for engines, now and then a loop. */
static uint64_t sled_address(struct assembly *a, unsigned len)
{
    unsigned end = a->at + len;
    if (a->engines && one_in(a->r, 6))
        return a->c->slot + a->c->code_off;
    return a->c->slot + end + below(a->r, DIFF_SLOT - 2 - end);
}

static uint64_t stack_top(const struct diff_case *c)
{
    uint64_t sp = c->in.gpr[R_RSP];
    if (c->mode == DIFF_64)
        return sp;
    return segment_base_of(c, SEG_SS) + (diff_is_big(c->in.sel[SEG_SS]) ? sp : sp & 0xffff);
}

static void suit_branch(struct assembly *a, const struct builder *b, const struct insn *i,
                        const struct encoding *e, uint64_t mem)
{
    struct diff_case *c = a->c;
    uint64_t target = sled_address(a, i->len) - c->base;
    unsigned am = method_of(e->opnd[0]), size = insn_osize(i);
    if (am == AM_J) {
        uint64_t rel = target - (c->slot - c->base + a->at + i->len);
        uint8_t *imm = c->code + a->at + b->imm_at;
        if (i->len - b->imm_at == 1)
            *imm = (uint8_t)(a->engines ? rel : rel & 0x7f);
        else if (i->len - b->imm_at == 2)
            st_le16(imm, (uint16_t)rel);
        else
            st_le32(imm, (uint32_t)rel);
    } else if (e->operation == OPN_ret) {
        add_patch(c, stack_top(c), target, size);
    } else if (e->operation == OPN_jmp_ind || e->operation == OPN_call_ind) {
        if (i->flags & INSN_MEM)
            add_patch(c, mem, target, size);
        else
            c->in.gpr[i->reg & 15] = target;
    }
}

/* A far pointer that leads behind the code, most often. */
static uint64_t far_target(struct assembly *a, const struct insn *i, uint16_t *sel)
{
    const struct diff_case *c = a->c;
    *sel = random_code_selector(a->r, a->ldt);
    /* In 64-bit code the upper half of RSP counts, where espfix64 leaves the kernel's stack, and
     * the base of SS does not: AMD's processors push when they are there, Intel's before (SDM vol.
     * 2A, CALL). */
    if (c->mode != DIFF_64 && c->in.sel[SEG_SS] != DIFF_SS && (*sel & ~3) == (DIFF_CS & ~3))
        *sel = DIFF_CS32;
    uint64_t target = sled_address(a, i->len);
    return one_in(a->r, 24) ? any_value(a->r) : target - selector_base(*sel);
}

/* The frame of RETF and IRET. */
static void suit_far_return(struct assembly *a, const struct insn *i, bool iret)
{
    struct diff_case *c = a->c;
    unsigned size = insn_osize(i);
    uint64_t top = stack_top(c);
    uint16_t sel;
    uint64_t off = far_target(a, i, &sel);
    add_patch(c, top, off, size);
    add_patch(c, top + size, sel, size);
    if (!iret)
        return;
    uint64_t flags = 0x202 | (rng_next(a->r) & (one_in(a->r, 4) ? 0x247fd5 : 0xcd5));
    add_patch(c, top + 2 * size, flags, size);
    if (c->mode == DIFF_64) {
        add_patch(c, top + 3 * size, stack_address(a->r), size);
        add_patch(c, top + 4 * size, one_in(a->r, 4) ? random_selector(a->r, a->ldt) : DIFF_SS,
                  size);
    }
}

/* Selectors where instructions look for them. */
static void suit_selector(struct assembly *a, const struct builder *b, const struct insn *i,
                          const struct encoding *e, uint64_t mem)
{
    struct diff_case *c = a->c;
    unsigned name = e->operation, size = insn_osize(i);
    uint16_t sel = random_selector(a->r, a->ldt);
    if (name == OPN_pop_seg) {
        add_patch(c, stack_top(c), sel, 2);
    } else if (name == OPN_mov_to_seg || name == OPN_lar || name == OPN_lsl || name == OPN_verr ||
               name == OPN_verw || name == OPN_arpl) {
        if (i->flags & INSN_MEM)
            add_patch(c, mem, sel, 2);
        else
            c->in.gpr[i->rm & 15] = sel | (c->in.gpr[i->rm & 15] & ~0xffffull);
    } else if (name == OPN_les || name == OPN_lds || name == OPN_lss || name == OPN_lfs ||
               name == OPN_lgs) {
        add_patch(c, mem + size, sel, 2);
    } else if (name == OPN_jmp_far || name == OPN_call_far) {
        uint64_t off = far_target(a, i, &sel);
        memcpy(c->code + a->at + b->imm_at, &off, size);
        st_le16(c->code + a->at + b->imm_at + size, sel);
    } else if (name == OPN_jmp_far_ind || name == OPN_call_far_ind) {
        uint64_t off = far_target(a, i, &sel);
        add_patch(c, mem, off, size);
        add_patch(c, mem + size, sel, 2);
    } else if (name == OPN_retf || name == OPN_iret) {
        suit_far_return(a, i, name == OPN_iret);
    }
}

/* Makes RSI, RDI and RCX sensible for the string instructions. */
static void suit_string(struct assembly *a, const struct insn *i)
{
    struct rng *r = a->r;
    struct diff_case *c = a->c;
    if (!one_in(r, 16))
        set_address(c, i, R_RSI, operand_address(a, i->seg) - segment_base_of(c, i->seg));
    if (!one_in(r, 16))
        set_address(c, i, R_RDI, operand_address(a, SEG_ES) - segment_base_of(c, SEG_ES));
    if (!one_in(r, 32))
        set_address(c, i, R_RCX, below(r, one_in(r, 8) ? 3000 : 20));
}

/* VSIB: small indexes, most of them, and masks with some bits clear. */
static void suit_gather(struct assembly *a, const struct insn *i)
{
    struct diff_state *in = &a->c->in;
    unsigned index = i->imm & 15, mask = i->vreg & 15, wide = one_in(a->r, 2);
    for (unsigned k = 0; k < 32; k += wide ? 8 : 4) {
        uint8_t *p = k < 16 ? in->fx + 160 + 16 * index + k : in->ymmh[index] + k - 16;
        uint8_t *m = k < 16 ? in->fx + 160 + 16 * mask + k : in->ymmh[mask] + k - 16;
        int64_t v = one_in(a->r, 32) ? (int64_t)rng_next(a->r) : (int)below(a->r, 64) - 32;
        if (wide) {
            st_le64(p, (uint64_t)v);
            m[7] ^= one_in(a->r, 3) ? 0 : 0x80;
        } else {
            st_le32(p, (uint32_t)v);
            m[3] ^= one_in(a->r, 3) ? 0 : 0x80;
        }
    }
}

/* Adjusts registers, memory and displacements so that most cases do something. */
static void suit(struct assembly *a, const struct builder *b, const struct insn *i,
                 const struct encoding *e)
{
    const struct operation_info *o = &operations[e->operation];
    uint64_t *gpr = a->c->in.gpr, mem = 0;
    struct rng *r = a->r;
    unsigned name = e->operation;
    if (o->props & P_REP)
        suit_string(a, i);
    if (method_of(e->opnd[0]) == AM_O || method_of(e->opnd[1]) == AM_O) {
        if (!one_in(r, 16)) {
            uint64_t want = operand_address(a, i->seg) - segment_base(a->c, i);
            for (unsigned k = 0; k < b->asize; k++)
                a->c->code[a->at + b->imm_at + k] = (uint8_t)(want >> 8 * k);
        }
        return;
    }
    if (method_of(e->opnd[1]) == AM_X && !one_in(r, 16))
        suit_gather(a, i);
    if (name == OPN_xlat && !one_in(r, 16))
        set_address(a->c, i, R_RBX, operand_address(a, i->seg) - segment_base_of(a->c, i->seg));
    else if ((i->flags & INSN_MEM) && b->imm_at && has_modrm(e) &&
             (b->rip_relative || !one_in(r, 20)))
        mem = aim(a, b, i, operand_address(a, i->seg));
    if ((name == OPN_bt || name == OPN_bts || name == OPN_btr || name == OPN_btc) &&
        (i->flags & INSN_MEM) && method_of(e->opnd[1]) == AM_G && i->reg != i->base &&
        i->reg != i->index && !one_in(r, 8))
        gpr[i->reg & 15] = (uint64_t)(int64_t)((int)below(r, 8192) - 4096);
    if ((name == OPN_div || name == OPN_idiv) && one_in(r, 2)) {
        gpr[R_RDX] = name == OPN_idiv && one_in(r, 2) ? ~0ull : 0;
        if (one_in(r, 2))
            gpr[R_RAX] = (uint64_t)(int64_t)(int8_t)rng_next(r);
    }
    if ((name == OPN_cmpxchg || name == OPN_cmpxchg8b || name == OPN_cmpxchg16b) && mem &&
        one_in(r, 2)) { /* let it succeed */
        add_patch(a->c, mem, gpr[R_RAX], name == OPN_cmpxchg8b ? 4 : 8);
        add_patch(a->c, mem + (name == OPN_cmpxchg8b ? 4 : 8), gpr[R_RDX],
                  name == OPN_cmpxchg8b ? 4 : 8);
    }
    if (name == OPN_loop || name == OPN_loope || name == OPN_loopne || name == OPN_jcxz)
        gpr[R_RCX] = one_in(r, 2) ? below(r, 3) : interesting(r);
    if (name == OPN_bound && mem && one_in(r, 2)) {
        add_patch(a->c, mem, gpr[i->reg & 15] - below(r, 4), insn_osize(i));
        add_patch(a->c, mem + insn_osize(i), gpr[i->reg & 15] - 1 + below(r, 4), insn_osize(i));
    }
    suit_branch(a, b, i, e, mem);
    suit_selector(a, b, i, e, mem);
}

/* Tries to put a random encoding of a row at a->at. */
static bool add_insn(struct assembly *a, unsigned row, uint8_t *tainted)
{
    const struct encoding *e = &encodings[row], *found;
    const struct operation_info *o = &operations[e->operation];
    struct diff_case *c = a->c;
    struct builder b;
    struct insn i;
    /* Undefined flags must not flow into results. */
    if (o->fl_read & *tainted && !a->engines)
        return false;
    for (unsigned attempt = 0; attempt < 32; attempt++) {
        build(&b, a->r, e, c->mode);
        if (b.n > 15 || a->at + b.n > DIFF_SLOT - 8)
            continue;
        if (decode_row(b.b, b.n, (enum code_mode)c->mode, &i, &found) != DECODE_OK || found != e ||
            i.len != b.n)
            continue;
        memcpy(c->code + a->at, b.b, b.n);
        if (method_of(e->opnd[1]) == AM_X) /* may trap between elements: SDM vol. 2C, VGATHERDPS */
            c->in.rflags &= ~0x100ull;
        suit(a, &b, &i, e);
        struct diff_insn *di = &c->insns[c->ninsns++];
        *di = (struct diff_insn){.row = (uint16_t)row, .op = i.op, .prefix = b.prefix};
        di->off = (uint8_t)a->at;
        di->len = (uint8_t)b.n;
        a->at += b.n;
        *tainted = (uint8_t)((*tainted & ~o->fl_write) | o->fl_undef);
        return true;
    }
    return false;
}

/* Random bytes: now and then some prefixes or the two-byte escape first, so that those maps get
 * their share. What they are is for both sides to find out. */
static void random_bytes(struct assembly *a)
{
    static const uint8_t first[] = {0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64,
                                    0x0f, 0x0f, 0x0f, 0xc4, 0xc5, 0x40, 0x48, 0x8f};
    struct diff_case *c = a->c;
    unsigned len = 15 + below(a->r, 8), n = 0;
    while (n < 14 && !one_in(a->r, one_in(a->r, 6) ? 20 : 3))
        c->code[a->at + n++] = first[below(a->r, sizeof(first))];
    if (n && c->code[a->at + n - 1] == 0x0f && one_in(a->r, 3))
        c->code[a->at + n++] = one_in(a->r, 2) ? 0x38 : 0x3a;
    for (; n < len; n++)
        c->code[a->at + n] = (uint8_t)rng_next(a->r);
    if (!a->engines)
        c->in.rflags |= 0x100; /* TF: one instruction of them */
    c->raw = true;
}

/* Bytes that would be a system call of the host, wherever they are. */
static bool calls_system(const struct diff_case *c)
{
    for (unsigned k = 0; k + 1 < DIFF_SLOT; k++)
        if ((c->code[k] == 0x0f && (c->code[k + 1] == 0x05 || c->code[k + 1] == 0x34)) ||
            (c->code[k] == 0xcd && c->code[k + 1] == 0x80))
            return true;
    return false;
}

/* The instruction that random bytes are, if the table has it, is one that cases of rows leave out.
 */
static bool left_out(const struct gen *g, const struct diff_case *c)
{
    const struct encoding *row;
    const uint8_t *bytes = c->code + c->code_off;
    struct insn i;
    bool p66 = memchr(bytes, 0x66, count_prefixes(c));
    enum decode_result result =
        decode_row(bytes, DIFF_SLOT - c->code_off, (enum code_mode)c->mode, &i, &row);
    if (result == DECODE_TOO_LONG) /* a near branch could be shorter: see put_prefixes() */
        return c->mode == DIFF_64 && p66;
    if (result != DECODE_OK)
        return false;
    bool far_64 = row->opnd[0] == O_Mp || row->opnd[1] == O_Mp ? insn_osize(&i) == 8 : false;
    bool near_16 = c->mode == DIFF_64 && p66 && operations[row->operation].props & P_F64;
    /* "Use of repeat prefixes ... with other instructions is reserved" (SDM vol. 2A 2.1.1): AMD's
     * processors take the condition of LOOPcc from them. */
    bool loop = row->operation == OPN_loope || row->operation == OPN_loopne;
    bool loop_rep = loop && i.flags & (INSN_REP | INSN_REPNE);
    return g->mode[c->mode].reason[row - encodings] || far_64 || near_16 || loop_rep ||
           method_of(row->opnd[1]) == AM_X;
}

static void empty_case(struct assembly *a)
{
    struct diff_case *c = a->c;
    memset(c->code, 0xcc, sizeof(c->code));
    c->ninsns = c->npatches = 0;
    a->at = c->code_off;
}

bool gen_case(const struct gen *g, uint64_t number, struct diff_case *c)
{
    struct rng r = {g->seed * 0xd1342543de82ef95ull + number * 0x2545f4914f6cdd1dull};
    rng_next(&r);
    unsigned modes = (unsigned)__builtin_popcount(g->modes);
    memset(c, 0, offsetof(struct diff_case, insns));
    c->mode = (uint8_t)gen_mode(g, number);
    const struct gen_rows *rows = &g->mode[c->mode];
    uint64_t turn = number / DIFF_BATCH / modes * DIFF_BATCH + number % DIFF_BATCH;
    unsigned row = rows->rows[turn % rows->nrows], len = one_in(&r, 3) ? 2 + below(&r, 3) : 1;
    if (g->engines)
        len = 1 + below(&r, 1 + below(&r, DIFF_INSNS));
    uint8_t tainted = 0;
    c->number = number;
    c->pool = (uint16_t)below(&r, DIFF_POOLS);
    random_segments(&r, g->ldt, c);
    random_state(&r, c);
    c->code_off = (uint8_t)below(&r, 8);
    struct assembly a = {.c = c, .r = &r, .ldt = g->ldt, .engines = g->engines};
    empty_case(&a);
    c->in.rip = c->slot + c->code_off - c->base;
    if (g->bytes) {
        random_bytes(&a);
        return (g->engines || !calls_system(c)) && !left_out(g, c);
    }
    for (unsigned k = 1; k < len; k++) {
        unsigned other = rows->rows[below(&r, rows->nrows)];
        if (!(operations[encodings[other].operation].props & P_ENDS))
            add_insn(&a, other, &tainted);
    }
    bool added = add_insn(&a, row, &tainted);
    if (!added) {
        /* The row itself reads a flag that is undefined by then: it goes alone. */
        tainted = 0;
        empty_case(&a);
        added = add_insn(&a, row, &tainted);
    }
    for (unsigned k = 0; k < 16 && c->mode != DIFF_64; k++)
        c->in.gpr[k] = (uint32_t)c->in.gpr[k];
    return added && (g->engines || !calls_system(c));
}
