/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XGETBV, XSETBV, XSAVE, XSAVEOPT, XSAVEC, XRSTOR (SDM vol. 1 chapter 13). Components: x87, SSE,
 * AVX. */
#include "cpu/x86/privilege.h"
#include "cpu/x86/x87.h"
#include "cpu/x86/xsave.h"

#define COMPACTED    (1ull << 63) /* in XCOMP_BV */
#define MXCSR_INIT   0x1f80u
#define FCW_INIT     0x037fu
#define IMAGE_BYTES  (XSAVE_AVX + XSAVE_AVX_SIZE)
#define MXCSR_OFFSET 24u

static int xsave_ud(struct cpu *cpu)
{
    return unlikely(!(cpu->cr4 & CR4_OSXSAVE)) ? raise_ud(cpu) : 0;
}
static uint64_t edx_eax(const struct cpu *cpu)
{
    return (uint32_t)cpu->r[R_RAX] | cpu->r[R_RDX] << 32;
}

/* ---- which components are not in their initial configuration (13.6) ---- */

static bool x87_in_use(const struct cpu *cpu)
{
    uint64_t any = cpu->fsw | cpu->ftw | cpu->fop | cpu->fcs | cpu->fds | cpu->fip | cpu->fdp;
    for (unsigned k = 0; k < 8; k++)
        any |= cpu->fpr[k].mant | cpu->fpr[k].sexp;
    return any || cpu->fcw != FCW_INIT;
}
/* first: quadword of the registers, the second half from 2 on. */
static bool vectors_in_use(const struct cpu *cpu, unsigned first)
{
    uint64_t any = 0;
    for (unsigned k = 0; k < 16; k++)
        any |= cpu->xmm[k].q[first] | cpu->xmm[k].q[first + 1];
    return any;
}
/* MXCSR counts as part of SSE wherever XINUSE is looked at (13.7, 13.10; XGETBV). */
static uint64_t in_use(const struct cpu *cpu)
{
    bool sse = cpu->mxcsr != MXCSR_INIT || vectors_in_use(cpu, 0);
    return (x87_in_use(cpu) ? XCR0_X87 : 0) | (sse ? XCR0_SSE : 0) |
           (vectors_in_use(cpu, 2) ? XCR0_AVX : 0);
}

/* ---- XCR0 ---- */

int op_xgetbv_x(struct cpu *cpu, const struct insn *i)
{
    uint32_t which = (uint32_t)cpu->r[R_RCX];
    uint64_t v = cpu->xcr0;
    (void)i;
    if (unlikely(xsave_ud(cpu)))
        return OP_FAULT;
    if (which > 1 || (which == 1 && !model_has(&cpu->model, F_xgetbv1)))
        return raise_gp(cpu, 0);
    if (which == 1)
        v &= in_use(cpu);
    cpu->r[R_RAX] = (uint32_t)v;
    cpu->r[R_RDX] = v >> 32;
    return OP_OK;
}
int op_xsetbv_x(struct cpu *cpu, const struct insn *i)
{
    uint64_t v = edx_eax(cpu);
    if (unlikely(xsave_ud(cpu)))
        return OP_FAULT;
    if (not_supervisor(cpu) || (uint32_t)cpu->r[R_RCX])
        return raise_gp(cpu, 0);
    if (v & ~(uint64_t)xcr0_supported(&cpu->model) || !(v & XCR0_X87) ||
        (v & (XCR0_SSE | XCR0_AVX)) == XCR0_AVX)
        return raise_gp(cpu, 0);
    cpu->xcr0 = v;
    cpu->r[R_RIP] = insn_next_rip(cpu, i);
    return OP_LEAVE;
}

/* ---- the area in memory ---- */

static unsigned num_vectors(const struct cpu *cpu)
{
    return cpu->code_mode == CODE64 ? 16 : 8;
}
/* Checks in front of everything; the area's linear address. It is accessed in pieces, so the
 * segment's limit has to hold for all of it. */
static int begin(struct cpu *cpu, const struct insn *i, enum mem_access acc, uint64_t *lin)
{
    if (unlikely(xsave_ud(cpu)))
        return OP_FAULT;
    if (unlikely(cpu->cr0 & CR0_TS))
        return raise_exception(cpu, EXC_NM);
    if (unlikely(insn_linear(cpu, i, xsave_size(edx_eax(cpu) & cpu->xcr0), acc, lin)))
        return OP_FAULT;
    return *lin & 63 && is_canonical(*lin) ? raise_gp(cpu, 0) : 0;
}

/* The image of an area; `part` says which of its quadwords an instruction writes. */
struct image {
    uint8_t b[IMAGE_BYTES] __attribute__((aligned(16)));
    bool part[IMAGE_BYTES / 8];
};
static void mark(struct image *a, unsigned offset, unsigned len)
{
    memset(a->part + offset / 8, true, len / 8);
}
static int probe(struct cpu *cpu, uint64_t lin, const struct image *a)
{
    for (unsigned k = 0; k < IMAGE_BYTES; k += 8)
        if (a->part[k / 8] && unlikely(lin_probe_store(cpu, lin + k, 8)))
            return OP_FAULT;
    return 0;
}
static int store(struct cpu *cpu, uint64_t lin, const struct image *a)
{
    for (unsigned k = 0; k < IMAGE_BYTES; k += 8)
        if (a->part[k / 8] && unlikely(lin_store64(cpu, lin + k, ld_le64(a->b + k))))
            return OP_FAULT;
    return OP_OK;
}
static int load(struct cpu *cpu, uint64_t lin, uint8_t *b, unsigned offset, unsigned len)
{
    uint64_t v;
    for (unsigned k = offset; k < offset + len; k += 8) {
        if (unlikely(lin_load64(cpu, lin + k, &v)))
            return OP_FAULT;
        st_le64(b + k, v);
    }
    return 0;
}

/* Puts the components of a set into the image; mxcsr: that too. */
static void put_components(const struct cpu *cpu, struct image *a, uint64_t set, bool mxcsr,
                           bool wide)
{
    unsigned n = num_vectors(cpu);
    if (set & XCR0_X87) {
        fx_put_x87(cpu, a->b, wide);
        mark(a, 0, 24);
        mark(a, 32, 128);
    }
    if (mxcsr) {
        st_le32(a->b + MXCSR_OFFSET, cpu->mxcsr);
        st_le32(a->b + MXCSR_OFFSET + 4, 0xffff);
        mark(a, MXCSR_OFFSET, 8);
    }
    for (unsigned k = 0; k < n; k++) {
        memcpy(a->b + 160 + 16 * k, &cpu->xmm[k], 16);
        memcpy(a->b + XSAVE_AVX + 16 * k, cpu->xmm[k].b + 16, 16);
    }
    if (set & XCR0_SSE)
        mark(a, 160, 16 * n);
    if (set & XCR0_AVX)
        mark(a, XSAVE_AVX, 16 * n);
}

/* XSAVE writes all requested components, XSAVEOPT those in use (13.7, 13.9). Of the header only
 * XSTATE_BV, and of that only the requested bits. */
static int save(struct cpu *cpu, const struct insn *i, bool optimize)
{
    struct image a = {0};
    uint64_t lin, used = in_use(cpu), rfbm;
    if (unlikely(begin(cpu, i, ACCESS_STORE, &lin)))
        return OP_FAULT;
    rfbm = edx_eax(cpu) & cpu->xcr0;
    put_components(cpu, &a, optimize ? rfbm & used : rfbm, rfbm & (XCR0_SSE | XCR0_AVX),
                   insn_osize(i) == 8);
    mark(&a, XSAVE_HEADER, 8);
    if (unlikely(probe(cpu, lin, &a) || load(cpu, lin, a.b, XSAVE_HEADER, 8)))
        return OP_FAULT;
    st_le64(a.b + XSAVE_HEADER, (ld_le64(a.b + XSAVE_HEADER) & ~rfbm) | (used & rfbm));
    return store(cpu, lin, &a);
}
int op_xsave_x(struct cpu *cpu, const struct insn *i)
{
    return save(cpu, i, false);
}
int op_xsaveopt_x(struct cpu *cpu, const struct insn *i)
{
    return save(cpu, i, true);
}
/* Compacted form, components in use only; both words of the header (13.10). */
int op_xsavec_x(struct cpu *cpu, const struct insn *i)
{
    struct image a = {0};
    uint64_t lin, rfbm, set;
    if (unlikely(begin(cpu, i, ACCESS_STORE, &lin)))
        return OP_FAULT;
    rfbm = edx_eax(cpu) & cpu->xcr0;
    set = rfbm & in_use(cpu);
    put_components(cpu, &a, set, set & XCR0_SSE, insn_osize(i) == 8);
    st_le64(a.b + XSAVE_HEADER, set);
    st_le64(a.b + XSAVE_HEADER + 8, rfbm | COMPACTED);
    mark(&a, XSAVE_HEADER, 16);
    return unlikely(probe(cpu, lin, &a)) ? OP_FAULT : store(cpu, lin, &a);
}

/* ---- XRSTOR (13.8) ---- */

static bool all_zero(const uint8_t *b, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (b[k])
            return false;
    return true;
}
/* The header's rules, standard and compacted form. */
static bool header_allowed(const struct cpu *cpu, const uint8_t *header)
{
    uint64_t xstate_bv = ld_le64(header), xcomp_bv = ld_le64(header + 8);
    if (!(xcomp_bv & COMPACTED && model_has(&cpu->model, F_xsavec)))
        return !(xstate_bv & ~cpu->xcr0) && all_zero(header + 8, 16);
    return !(xcomp_bv & ~(cpu->xcr0 | COMPACTED)) && !(xstate_bv & ~(xcomp_bv & ~COMPACTED)) &&
           all_zero(header + 16, 48);
}
static void restore_x87(struct cpu *cpu, const uint8_t *b, bool present, bool wide)
{
    uint8_t initial[160] = {0};
    st_le16(initial, FCW_INIT);
    fx_get_x87(cpu, present ? b : initial, wide);
}
/* at: the registers' place in the image, or NULL for zeros; high: their upper halves. */
static void restore_vectors(struct cpu *cpu, const uint8_t *at, unsigned high)
{
    for (unsigned k = 0; k < num_vectors(cpu); k++) {
        memset(cpu->xmm[k].b + high, 0, 16);
        if (at)
            memcpy(cpu->xmm[k].b + high, at + 16 * k, 16);
    }
}
int op_xrstor_x(struct cpu *cpu, const struct insn *i)
{
    struct image a = {0};
    uint64_t lin, rfbm, set;
    if (unlikely(begin(cpu, i, ACCESS_LOAD, &lin) || load(cpu, lin, a.b, XSAVE_HEADER, 64)))
        return OP_FAULT;
    if (!header_allowed(cpu, a.b + XSAVE_HEADER))
        return raise_gp(cpu, 0);
    bool compacted = ld_le64(a.b + XSAVE_HEADER + 8) & COMPACTED;
    rfbm = edx_eax(cpu) & cpu->xcr0;
    set = rfbm & ld_le64(a.b + XSAVE_HEADER);
    /* The standard form has MXCSR with SSE and AVX whatever XSTATE_BV says. */
    bool mxcsr = compacted ? set & XCR0_SSE : rfbm & (XCR0_SSE | XCR0_AVX);
    unsigned vectors = 16 * num_vectors(cpu);
    if (unlikely((set & XCR0_X87 && (load(cpu, lin, a.b, 0, 24) || load(cpu, lin, a.b, 32, 128))) ||
                 (mxcsr && load(cpu, lin, a.b, MXCSR_OFFSET, 8)) ||
                 (set & XCR0_SSE && load(cpu, lin, a.b, 160, vectors)) ||
                 (set & XCR0_AVX && load(cpu, lin, a.b, XSAVE_AVX, vectors))))
        return OP_FAULT;
    if (mxcsr && ld_le32(a.b + MXCSR_OFFSET) & 0xffff0000)
        return raise_gp(cpu, 0);
    if (rfbm & XCR0_X87)
        restore_x87(cpu, a.b, set & XCR0_X87, insn_osize(i) == 8);
    if (mxcsr)
        cpu->mxcsr = ld_le32(a.b + MXCSR_OFFSET);
    else if (rfbm & XCR0_SSE)
        cpu->mxcsr = MXCSR_INIT;
    if (rfbm & XCR0_SSE)
        restore_vectors(cpu, set & XCR0_SSE ? a.b + 160 : NULL, 0);
    if (rfbm & XCR0_AVX)
        restore_vectors(cpu, set & XCR0_AVX ? a.b + XSAVE_AVX : NULL, 16);
    return OP_OK;
}
